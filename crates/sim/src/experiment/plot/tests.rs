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
fn breaks_a_title_that_is_too_long_and_leaves_its_end_to_be_read() {
    let one = svg(&plot(), Ink::Paper);
    let title = "Cheat share: usual, how much of the past stays with each subtask .9, load .3, policy golem, and so on";
    let picture = svg(&Plot { title: title.into(), ..plot() }, Ink::Paper);
    let rows = |picture: &str| picture.matches("font-weight=\"600\"").count();
    assert_eq!((rows(&one), rows(&picture)), (1, 2));
    assert!(picture.contains("and so on</text>"), "{picture}");
}

#[test]
fn takes_the_colours_of_a_page() {
    let picture = svg(&plot(), Ink::Page);
    assert!(picture.contains("var(--line-1)") && !picture.contains('#'), "{picture}");
}

#[test]
fn days_are_equally_long() {
    let points = [0.25, 14.25, 28.25].map(|day| Mark::bare(day, 1.0)).to_vec();
    let line = Line { points, trace: Trace::Curve, ..Line::default() };
    let picture = svg(&Plot { lines: vec![line], ..Plot::default() }, Ink::Paper);
    assert!(picture.contains("78.0,") && picture.contains(" 288.0,") && picture.contains(" 498.0,"), "{picture}");
}

#[test]
fn draws_names_along_the_bottom_and_nothing_at_all() {
    let mut plot = plot();
    plot.categories = vec!["hold".into(), "undercut".into()];
    assert!(svg(&plot, Ink::Paper).contains(">undercut<"));
    assert!(svg(&Plot::default(), Ink::Paper).ends_with("</svg>"));
}

#[test]
fn between_names_nothing_is_drawn_and_no_mark_covers_another() {
    let mut plot = plot();
    plot.categories = vec!["hold".into(), "undercut".into()];
    plot.lines[1] = Line { look: 1, name: "golem".into(), ..plot.lines[0].clone() };
    plot.lines.iter_mut().for_each(|line| line.points = vec![Mark::wide(0.0, 1.0, 0.2), Mark::wide(1.0, 2.0, 0.2)]);
    let picture = svg(&plot, Ink::Paper);
    assert!(!picture.contains("<polyline") && !picture.contains("<polygon"), "{picture}");
    let discs: Vec<&str> = picture.split("<circle cx=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let squares: Vec<&str> = picture
        .split("<path d=\"M")
        .filter(|rest| rest.contains("v7.2h-7.2z"))
        .filter_map(|rest| rest.split(' ').next())
        .collect();
    let places = |of: &[&str]| of.iter().map(|text| text.parse::<f64>().unwrap()).collect::<Vec<_>>();
    // The first of each is the legend's.
    for (disc, square) in places(&discs).into_iter().zip(places(&squares)).skip(1) {
        assert!(square - disc > 3.0, "{disc} {square}");
    }
}

#[test]
fn long_names_are_broken_and_stay_in_the_picture() {
    let mut plot = plot();
    plot.categories = vec!["lower margins slower".into(); 7];
    let picture = svg(&plot, Ink::Paper);
    assert!(picture.contains(">lower<") && !picture.contains("rotate(-25"), "{picture}");
    plot.categories = vec!["Donaudampfschifffahrtsgesellschaft".into(); 7];
    let picture = svg(&plot, Ink::Paper);
    assert!(picture.contains("rotate(-25"), "{picture}");
}

#[test]
fn plots_beside_each_other_share_heights_and_legend() {
    let (low, mut high) = (plot(), plot());
    high.lines[0].points[0].y = 50.0;
    high.title = "the other".into();
    let picture = panels("Both", &[low, high], Ink::Paper);
    assert_eq!(picture.matches(">published<").count(), 1, "{picture}");
    assert_eq!(picture.matches(">50<").count(), 1, "{picture}");
    assert!(picture.contains(">the other<") && picture.contains(">Both<"), "{picture}");
}
