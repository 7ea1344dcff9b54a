//! Prices with their error bars, as SVG.

use crate::markup::markup;
use crate::Priced;
use std::fmt::Write as _;

const ROW: f64 = 34.0;
const TOP: f64 = 92.0;
/// The picture's width, and where the bars are in it.
const WIDTH: f64 = 980.0;
const LEFT: f64 = 470.0;
const RIGHT: f64 = 950.0;

/// A row for each option: its price, the formula's, and how far both are apart in percent of the price, with a bar that
/// holds the true price in 95 of 100 cases.
pub fn draw(priced: &[Priced]) -> String {
    let percent = |one: &Priced, value: f64| value / one.sums.mean.abs().max(1e-12) * 100.0;
    let apart = |one: &Priced| one.formula.map_or(0.0, |price| percent(one, one.sums.mean - price));
    let reach = |one: &Priced| apart(one).abs() + percent(one, one.error95());
    let most = priced.iter().map(reach).fold(0.0, f64::max);
    let step = tick(most);
    let edge = (most / step).ceil().max(1.0) * step;
    let middle = (LEFT + RIGHT) / 2.0;
    let x = |value: f64| middle + value / edge * (RIGHT - LEFT) / 2.0;
    let bottom = TOP + ROW * priced.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{}\" font-family=\"DejaVu Sans, sans-serif\" \
         font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"20\" y=\"30\" font-size=\"18\" font-weight=\"bold\">Option prices by Monte Carlo</text>\n\
         <text x=\"20\" y=\"52\" fill=\"#555\">{} paths for each, in pairs of mirror images; 95 of 100 bars hold the true price</text>\n",
        bottom + 78.0,
        priced.first().map_or(0, Priced::paths)
    );
    let heads = [(20.0, "start", "option"), (370.0, "end", "price"), (450.0, "end", "formula")];
    for (at, anchor, text) in heads {
        let _ = writeln!(
            svg,
            "<text x=\"{at}\" y=\"{}\" text-anchor=\"{anchor}\" fill=\"#555\" font-size=\"12\">{text}</text>",
            TOP - 12.0
        );
    }
    let ticks = (edge / step).round() as i32;
    for i in -ticks..=ticks {
        let (at, value) = (x(f64::from(i) * step), f64::from(i) * step);
        let _ = writeln!(
            svg,
            "<line x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{bottom}\" stroke=\"{}\"/>\n<text x=\"{at:.1}\" \
             y=\"{}\" text-anchor=\"middle\" fill=\"#555\" font-size=\"11\">{}</text>",
            if i == 0 { "#888" } else { "#e4e4e4" },
            bottom + 18.0,
            percent_text(value, step)
        );
    }
    for (row, one) in priced.iter().enumerate() {
        let y = TOP + ROW * (row as f64 + 0.5);
        let (centre, half) = (apart(one), percent(one, one.error95()));
        let colour = if one.formula.is_some() { "#1b6ca8" } else { "#c8772a" };
        let formula = one.formula.map_or("none".to_owned(), |price| format!("{price:.4}"));
        let name: String = one.contract.name.chars().take(34).collect();
        let text = y + 4.5;
        let (low, high) = (x(centre - half), x(centre + half));
        let _ = writeln!(
            svg,
            "<text x=\"20\" y=\"{text}\">{}</text><text x=\"370\" y=\"{text}\" text-anchor=\"end\">{:.4}</text><text \
             x=\"450\" y=\"{text}\" text-anchor=\"end\" fill=\"#555\">{formula}</text>\n<path d=\"M{low:.1} {y}H{high:.1}M\
             {low:.1} {}v10M{high:.1} {}v10\" stroke=\"{colour}\" stroke-width=\"2\" fill=\"none\"/><circle cx=\"{:.1}\" \
             cy=\"{y}\" r=\"4\" fill=\"{colour}\"/>",
            markup(&name),
            one.sums.mean,
            y - 5.0,
            y - 5.0,
            x(centre)
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\" fill=\"#555\">how far the price is from the formula, in percent \
         of the price</text>\n<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\" fill=\"#555\">orange: there is no \
         formula</text>\n</svg>",
        bottom + 42.0,
        bottom + 60.0
    );
    svg
}

/// A round distance between lines, of which about four fit.
fn tick(most: f64) -> f64 {
    let mut step = 1e-9;
    let mut next = [2.0, 2.5, 2.0].iter().cycle();
    while step * 4.0 < most {
        step *= next.next().unwrap_or(&10.0);
    }
    step
}

fn percent_text(value: f64, step: f64) -> String {
    let digits = (0..9).find(|digits| step * 10f64.powi(*digits) > 0.99).unwrap_or(9) as usize;
    let text = format!("{value:.digits$}");
    if value > 0.0 {
        format!("+{text}")
    } else {
        text
    }
}
