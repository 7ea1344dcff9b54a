//! Putting a plot on paper.

use super::scale::{Scale, short};
use super::{Ink, Line, Mark, Plot, Trace};
use std::fmt::Write as _;

/// How wide a plot is.
pub const WIDTH: f64 = 520.0;
/// How high a plot is.
pub const HEIGHT: f64 = 340.0;

const LEFT: f64 = 70.0;
const RIGHT: f64 = WIDTH - 14.0;
const BOTTOM: f64 = HEIGHT - 50.0;
const TITLE_Y: f64 = 20.0;
const LEGEND_Y: f64 = 42.0;
const LEGEND_ROW: f64 = 17.0;
/// How wide a letter is taken for, in a size of 12.
const LETTER: f64 = 6.4;

/// Blue, vermilion, green, purple, orange, sky, grey, black: after Okabe and Ito, who made them for all eyes.
const COLOURS: [&str; 8] = ["#0072b2", "#d55e00", "#009e73", "#b0528a", "#c98500", "#3a9bd6", "#777777", "#222222"];
const DASHES: [&str; 4] = ["", "7 4", "2 3", "9 3 2 3"];

/// Draws a plot.
pub fn svg(plot: &Plot, ink: Ink) -> String {
    let mut out = String::new();
    let alt = format!("{}: {} over {}", plot.title, plot.y_label, plot.x_label);
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"{}\" font-family=\"DejaVu Sans, system-ui, sans-serif\" font-size=\"12\" fill=\"{}\">",
        escape(&alt),
        ink.text()
    );
    if ink == Ink::Paper {
        let _ = write!(out, "<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>");
    }
    let _ = write!(
        out,
        "<text x=\"14\" y=\"{TITLE_Y}\" font-size=\"14\" font-weight=\"600\">{}</text>",
        escape(&plot.title)
    );
    let top = legend(plot, ink, &mut out) + 10.0;
    let x = x_scale(plot);
    let y = Scale::round(heights(plot), (BOTTOM, top));
    frame(plot, ink, (&x, &y), top, &mut out);
    for line in &plot.lines {
        band(line, ink, (&x, &y), &mut out);
    }
    for line in &plot.lines {
        trace(line, ink, (&x, &y), &mut out);
    }
    out.push_str("</svg>");
    out
}

impl Ink {
    fn text(self) -> &'static str {
        if self == Ink::Paper { "#333333" } else { "var(--text)" }
    }

    fn faint(self) -> &'static str {
        if self == Ink::Paper { "#666666" } else { "var(--faint)" }
    }

    fn grid(self) -> &'static str {
        if self == Ink::Paper { "#e4e4e4" } else { "var(--grid)" }
    }

    fn line(self, look: usize) -> String {
        let look = look % COLOURS.len();
        match self {
            Ink::Paper => COLOURS.get(look).copied().unwrap_or("#222222").to_owned(),
            Ink::Page => format!("var(--line-{look})"),
        }
    }
}

/// Text that is safe between tags and in attributes.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn x_scale(plot: &Plot) -> Scale {
    if plot.categories.is_empty() {
        let all = plot.lines.iter().flat_map(|line| line.points.iter().map(|point| point.x));
        return Scale::tight(all, (LEFT + 8.0, RIGHT - 8.0));
    }
    let ends = [-0.5, plot.categories.len() as f64 - 0.5];
    Scale::tight(ends.into_iter(), (LEFT, RIGHT))
}

/// The heights that are drawn, and those that should be: unless all there is to see lies far from them.
fn heights(plot: &Plot) -> impl Iterator<Item = f64> + '_ {
    let points = || {
        let marks = plot.lines.iter().flat_map(|line| &line.points);
        marks.flat_map(|point| [point.low, point.y, point.high]).filter(|height| height.is_finite())
    };
    let (low, high) = points().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| (low.min(y), high.max(y)));
    let near = move |wanted: &f64| {
        let gap = (low - wanted).max(wanted - high).max(0.0);
        gap <= (high - low) * 4.0
    };
    points().chain(plot.y_include.iter().copied().filter(near))
}

/// The names of the lines, in as many rows as they need; gives where they end.
fn legend(plot: &Plot, ink: Ink, out: &mut String) -> f64 {
    let named: Vec<&Line> = plot.lines.iter().filter(|line| !line.name.is_empty()).collect();
    if named.is_empty() {
        return TITLE_Y;
    }
    let (mut x, mut y) = (LEFT, LEGEND_Y);
    for line in named {
        let width = 34.0 + line.name.chars().count() as f64 * LETTER + 12.0;
        if x + width > RIGHT && x > LEFT {
            (x, y) = (LEFT, y + LEGEND_ROW);
        }
        let middle = y - 4.0;
        let colour = ink.line(line.look);
        if line.trace != Trace::Cloud {
            let _ = write!(
                out,
                "<path d=\"M{x:.1} {middle:.1}h26\" stroke=\"{colour}\" stroke-width=\"2.2\" stroke-dasharray=\"{}\"/>",
                dash(line.look)
            );
        }
        if line.trace != Trace::Curve {
            out.push_str(&shape(line.look, x + 13.0, middle, 3.6, &colour, 1.0));
        }
        let _ = write!(out, "<text x=\"{:.1}\" y=\"{y:.1}\">{}</text>", x + 32.0, escape(&line.name));
        x += width;
    }
    y
}

fn dash(look: usize) -> &'static str {
    DASHES.get(look % DASHES.len()).copied().unwrap_or("")
}

fn frame(plot: &Plot, ink: Ink, (x, y): (&Scale, &Scale), top: f64, out: &mut String) {
    let (grid, faint) = (ink.grid(), ink.faint());
    for value in y.ticks() {
        let at = y.at(value);
        let _ = write!(
            out,
            "<path d=\"M{LEFT} {at:.1}H{RIGHT}\" stroke=\"{grid}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"{faint}\">{}</text>",
            LEFT - 7.0,
            at + 4.0,
            short(value)
        );
    }
    let names: Vec<(f64, String)> = if plot.categories.is_empty() {
        x.ticks().into_iter().map(|value| (value, short(value))).collect()
    } else {
        plot.categories.iter().enumerate().map(|(position, name)| (position as f64, name.clone())).collect()
    };
    let room = (RIGHT - LEFT) / names.len().max(1) as f64;
    let longest = names.iter().map(|(_, name)| name.chars().count()).max().unwrap_or(0) as f64 * LETTER;
    let slanted = !plot.categories.is_empty() && longest > room;
    for (value, name) in &names {
        let at = x.at(*value);
        let _ = write!(out, "<path d=\"M{at:.1} {BOTTOM}v4\" stroke=\"{faint}\"/>");
        let name = escape(name);
        let _ = if slanted {
            let y = BOTTOM + 13.0;
            write!(
                out,
                "<text x=\"{at:.1}\" y=\"{y}\" font-size=\"10\" text-anchor=\"end\" fill=\"{faint}\" \
                 transform=\"rotate(-25 {at:.1} {y})\">{name}</text>"
            )
        } else {
            let y = BOTTOM + 18.0;
            write!(out, "<text x=\"{at:.1}\" y=\"{y}\" text-anchor=\"middle\" fill=\"{faint}\">{name}</text>")
        };
    }
    let (middle, centre) = ((LEFT + RIGHT) / 2.0, (top + BOTTOM) / 2.0);
    let _ = write!(
        out,
        "<path d=\"M{LEFT} {BOTTOM}H{RIGHT}\" stroke=\"{faint}\"/>\
         <text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
        HEIGHT - 9.0,
        escape(&plot.x_label)
    );
    // A long unit gets a line of its own, and small letters.
    let longest = (BOTTOM - top) / LETTER;
    let (name, unit) = match plot.y_label.split_once(" (") {
        Some((name, unit)) if plot.y_label.chars().count() as f64 > longest => (name, Some(format!("({unit}"))),
        _ => (plot.y_label.as_str(), None),
    };
    let turn = |x: f64| format!("x=\"{x}\" y=\"{centre:.1}\" transform=\"rotate(-90 {x} {centre:.1})\"");
    let _ = write!(out, "<text {} text-anchor=\"middle\">{}</text>", turn(13.0), escape(name));
    if let Some(unit) = unit {
        let place = turn(26.0);
        let _ = write!(out, "<text {place} text-anchor=\"middle\" font-size=\"10\">{}</text>", escape(&unit));
    }
}

fn drawable(line: &Line) -> impl Iterator<Item = &Mark> {
    line.points.iter().filter(|point| point.x.is_finite() && point.y.is_finite())
}

/// The intervals: a band under lines, bars through marks.
fn band(line: &Line, ink: Ink, (x, y): (&Scale, &Scale), out: &mut String) {
    let colour = ink.line(line.look);
    let wide: Vec<&Mark> = drawable(line).filter(|p| p.low.is_finite() && p.high.is_finite()).collect();
    if line.trace == Trace::Cloud || wide.iter().all(|point| point.low == point.high) {
        return;
    }
    if line.trace == Trace::Joined {
        for point in &wide {
            let (at, low, high) = (x.at(point.x), y.at(point.low), y.at(point.high));
            let _ = write!(
                out,
                "<path d=\"M{at:.1} {low:.1}V{high:.1}M{:.1} {low:.1}h7M{:.1} {high:.1}h7\" stroke=\"{colour}\" \
                 stroke-width=\"1.2\" opacity=\".75\"/>",
                at - 3.5,
                at - 3.5
            );
        }
    }
    let upper = wide.iter().map(|point| (x.at(point.x), y.at(point.high)));
    let lower = wide.iter().rev().map(|point| (x.at(point.x), y.at(point.low)));
    let corners: Vec<String> = upper.chain(lower).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ = write!(out, "<polygon points=\"{}\" fill=\"{colour}\" opacity=\".16\"/>", corners.join(" "));
}

fn trace(line: &Line, ink: Ink, (x, y): (&Scale, &Scale), out: &mut String) {
    let colour = ink.line(line.look);
    let places: Vec<(f64, f64)> = drawable(line).map(|point| (x.at(point.x), y.at(point.y))).collect();
    if line.trace != Trace::Cloud && places.len() > 1 {
        let corners: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = write!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-linejoin=\"round\" \
             stroke-dasharray=\"{}\"/>",
            corners.join(" "),
            dash(line.look)
        );
    }
    let (size, opacity) = if line.trace == Trace::Cloud { (2.6, 0.55) } else { (3.6, 1.0) };
    if line.trace != Trace::Curve {
        for (x, y) in places {
            out.push_str(&shape(line.look, x, y, size, &colour, opacity));
        }
    }
}

/// A disc, a square, a triangle or a diamond.
fn shape(look: usize, x: f64, y: f64, size: f64, colour: &str, opacity: f64) -> String {
    let (wide, tall) = (size * 1.15, size * 1.3);
    let path = match look % 4 {
        0 => {
            return format!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{size}\" fill=\"{colour}\" opacity=\"{opacity}\"/>"
            );
        }
        1 => format!("M{:.1} {:.1}h{:.1}v{:.1}h-{:.1}z", x - size, y - size, 2.0 * size, 2.0 * size, 2.0 * size),
        2 => format!("M{x:.1} {:.1}L{:.1} {:.1}H{:.1}z", y - tall, x + wide, y + size, x - wide),
        _ => format!("M{x:.1} {:.1}L{:.1} {y:.1}L{x:.1} {:.1}L{:.1} {y:.1}z", y - tall, x + tall, y + tall, x - tall),
    };
    format!("<path d=\"{path}\" fill=\"{colour}\" opacity=\"{opacity}\"/>")
}
