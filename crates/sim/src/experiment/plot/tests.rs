use super::*;

fn plot() -> Plot {
    Plot {
        title: "Price <all>".into(),
        x_label: "offered load".into(),
        y_label: "GNT per hour".into(),
        lines: vec![
            Line {
                name: "published".into(),
                look: 0,
                points: vec![Mark::wide(0.1, 1.0, 0.2), Mark::wide(0.5, f64::NAN, 0.1), Mark::wide(0.9, 3.0, f64::NAN)],
                ..Line::default()
            },
            Line { name: "golem".into(), look: 1, points: vec![Mark::bare(0.1, 2.0)], trace: Trace::Curve },
        ],
        ..Plot::default()
    }
}

#[test]
fn draws_axes_legend_bands_and_no_value_that_is_none() {
    let picture = svg(&plot(), Ink::Paper);
    for wanted in ["Price &lt;all&gt;", "offered load", "GNT per hour", ">published<", ">golem<", "<polygon", "#0072b2"]
    {
        assert!(picture.contains(wanted), "no {wanted} in {picture}");
    }
    assert!(!picture.contains("NaN") && !picture.contains("inf"), "{picture}");
}

#[test]
fn takes_the_colours_of_a_page() {
    let picture = svg(&plot(), Ink::Page);
    assert!(picture.contains("var(--line-1)") && !picture.contains('#'), "{picture}");
}

#[test]
fn draws_names_along_the_bottom_and_nothing_at_all() {
    let mut plot = plot();
    plot.categories = vec!["hold".into(), "undercut".into()];
    assert!(svg(&plot, Ink::Paper).contains(">undercut<"));
    assert!(svg(&Plot::default(), Ink::Paper).ends_with("</svg>"));
}
