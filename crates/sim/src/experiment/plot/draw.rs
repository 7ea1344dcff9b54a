//! Putting a plot on paper.

use super::scale::{Scale, short};
use super::{Ink, Line, Mark, Plot, Trace};
use std::fmt::Write as _;

/// How wide a plot is.
pub const WIDTH: f64 = 520.0;
/// How high a plot is.
pub const HEIGHT: f64 = 340.0;

const LEFT: f64 = 70.0;
const RIGHT_ROOM: f64 = 14.0;
const TITLE_X: f64 = 14.0;
const TITLE_Y: f64 = 20.0;
const TITLE_SIZE: f64 = 14.0;
const LEGEND_Y: f64 = 42.0;
const LEGEND_ROW: f64 = 17.0;
/// How wide one of several beside each other is.
const PANEL: f64 = 272.0;
/// Between two of them.
const PANEL_GAP: f64 = 18.0;
/// What the names along the bottom and the label below them take, besides the names' rows.
const FOOT: f64 = 36.0;
const NAME_ROW: f64 = 14.0;
/// The most rows that a name along the bottom is broken into.
const NAME_ROWS_MAX: usize = 4;
/// How far apart marks of different lines stand at one name, at most.
const STEP_ASIDE_MAX: f64 = 11.0;
/// How wide a letter is taken for, in a size of 12.
const LETTER: f64 = 6.4;
/// The same where letters must not meet their neighbours', whatever the font.
const LETTER_MAX: f64 = 7.3;

/// Blue, vermilion, green, purple, orange, sky, grey, black: after Okabe and Ito, who made them for all eyes.
const COLOURS: [&str; 8] = ["#0072b2", "#d55e00", "#009e73", "#b0528a", "#c98500", "#3a9bd6", "#777777", "#222222"];
const DASHES: [&str; 4] = ["", "7 4", "2 3", "9 3 2 3"];

/// Where the lines go.
#[derive(Clone, Copy)]
struct Area {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

/// Draws a plot.
pub fn svg(plot: &Plot, ink: Ink) -> String {
    sheet(&plot.title, std::slice::from_ref(plot), WIDTH, ink)
}

/// Draws plots beside each other, on the same heights and with the same legend; what lies to the right and up is said
/// once, as the first has it.
pub fn panels(title: &str, plots: &[Plot], ink: Ink) -> String {
    let n = plots.len().max(1) as f64;
    sheet(title, plots, LEFT + RIGHT_ROOM + PANEL * n + PANEL_GAP * (n - 1.0), ink)
}

fn sheet(title: &str, plots: &[Plot], width: f64, ink: Ink) -> String {
    let mut out = String::new();
    let none = Plot::default();
    let first = plots.first().unwrap_or(&none);
    let alt = format!("{title}: {} over {}", first.y_label, first.x_label);
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {HEIGHT}\" role=\"img\" \
         aria-label=\"{}\" font-family=\"DejaVu Sans, system-ui, sans-serif\" font-size=\"12\" fill=\"{}\">",
        escape(&alt),
        ink.text()
    );
    if ink == Ink::Paper {
        let _ = write!(out, "<rect width=\"{width}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>");
    }
    // What is said of a plot beside its metric stands at the end, and must not be cut.
    let rows = broken(title, (width - 2.0 * TITLE_X) / (LETTER_MAX * TITLE_SIZE / 12.0));
    for (number, row) in rows.iter().enumerate() {
        let y = TITLE_Y + number as f64 * LEGEND_ROW;
        let _ = write!(
            out,
            "<text x=\"{TITLE_X}\" y=\"{y}\" font-size=\"{TITLE_SIZE}\" font-weight=\"600\">{}</text>",
            escape(row)
        );
    }
    let below = rows.len().saturating_sub(1) as f64 * LEGEND_ROW;
    let right = width - RIGHT_ROOM;
    let n = plots.len().max(1) as f64;
    let each = (right - LEFT - PANEL_GAP * (n - 1.0)) / n;
    let titles = if plots.len() > 1 { LEGEND_ROW } else { 0.0 };
    let top = legend(first, below, right, ink, &mut out) + 10.0 + titles;
    let names: Vec<Names> = plots.iter().map(|plot| Names::of(plot, each)).collect();
    let foot = names.iter().map(|names| names.height).fold(NAME_ROW, f64::max);
    let bottom = HEIGHT - FOOT - foot;
    let y = y_scale(plots, (bottom, top));
    for (number, (plot, names)) in plots.iter().zip(&names).enumerate() {
        let left = LEFT + number as f64 * (each + PANEL_GAP);
        let area = Area { left, right: left + each, top, bottom };
        let x = x_scale(plot, area);
        heights_grid(&y, area, number == 0, ink, &mut out);
        names_below(plot, names, &x, area, ink, &mut out);
        if plots.len() > 1 {
            let middle = left + each / 2.0;
            let _ = write!(
                out,
                "<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-weight=\"600\">{}</text>",
                top - 8.0,
                escape(&plot.title)
            );
        }
        let lines = plot.lines.iter().enumerate();
        let aside = |number: usize| step_aside(plot, number, area);
        lines.clone().for_each(|(number, line)| band(plot, line, ink, (&x, &y, aside(number)), &mut out));
        lines.for_each(|(number, line)| trace(plot, line, ink, (&x, &y, aside(number)), &mut out));
    }
    labels(first, Area { left: LEFT, right, top, bottom }, &mut out);
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

fn x_scale(plot: &Plot, area: Area) -> Scale {
    if plot.categories.is_empty() {
        let all = plot.lines.iter().flat_map(|line| line.points.iter().map(|point| point.x));
        let places = (area.left + 8.0, area.right - 8.0);
        // Curves are of time and of shares: a day is as long as another.
        let even = plot.lines.iter().any(|line| line.trace == Trace::Curve);
        return if even { Scale::even(all, places) } else { Scale::tight(all, places) };
    }
    let ends = [-0.5, plot.categories.len() as f64 - 0.5];
    Scale::tight(ends.into_iter(), (area.left, area.right))
}

/// The heights of all plots together.
fn y_scale(plots: &[Plot], places: (f64, f64)) -> Scale {
    let heights: Vec<f64> = plots.iter().flat_map(heights).collect();
    match plots.first().and_then(|plot| plot.y_log_from) {
        Some(least) => Scale::ratio(heights.into_iter(), least, places),
        None => Scale::round(heights.into_iter(), places),
    }
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

/// How far to the right the marks of a line stand, so that at one name none covers another.
fn step_aside(plot: &Plot, number: usize, area: Area) -> f64 {
    if plot.categories.is_empty() {
        return 0.0;
    }
    let (lines, names) = (plot.lines.len() as f64, plot.categories.len() as f64);
    let step = ((area.right - area.left) / names * 0.7 / lines).min(STEP_ASIDE_MAX);
    (number as f64 - (lines - 1.0) / 2.0) * step
}

/// The names of the lines, in as many rows as they need; gives where they end.
fn legend(plot: &Plot, below: f64, right: f64, ink: Ink, out: &mut String) -> f64 {
    let named: Vec<&Line> = plot.lines.iter().filter(|line| !line.name.is_empty()).collect();
    if named.is_empty() {
        return TITLE_Y + below;
    }
    let (mut x, mut y) = (LEFT, LEGEND_Y + below);
    for line in named {
        let width = 34.0 + line.name.chars().count() as f64 * LETTER_MAX + 8.0;
        if x + width > right && x > LEFT {
            (x, y) = (LEFT, y + LEGEND_ROW);
        }
        let middle = y - 4.0;
        let colour = ink.line(line.look);
        if line.trace != Trace::Cloud && plot.categories.is_empty() {
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

/// The values along the left, and a line for each; zero stands out where there is something on both sides of it.
fn heights_grid(y: &Scale, area: Area, named: bool, ink: Ink, out: &mut String) {
    let (grid, faint) = (ink.grid(), ink.faint());
    let Area { left, right, top, bottom } = area;
    for value in y.ticks() {
        let at = y.at(value);
        let inside = value == 0.0 && at < bottom - 0.5 && at > top + 0.5;
        let colour = if inside { faint } else { grid };
        let _ = write!(out, "<path d=\"M{left:.1} {at:.1}H{right:.1}\" stroke=\"{colour}\"/>");
        if named {
            let _ = write!(
                out,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"{faint}\">{}</text>",
                left - 7.0,
                at + 4.0,
                y.name(value)
            );
        }
    }
    let _ = write!(out, "<path d=\"M{left:.1} {bottom}H{right:.1}\" stroke=\"{faint}\"/>");
}

/// The names along the bottom, broken into rows where they are long, or slanted where a word is too long for that.
struct Names {
    rows: Vec<Vec<String>>,
    slanted: bool,
    size: f64,
    height: f64,
}

/// How far a slanted name goes down for each unit of its length: the sine of 25 degrees.
const SLANT: f64 = 0.43;

impl Names {
    fn of(plot: &Plot, width: f64) -> Names {
        let room = width / plot.categories.len().max(1) as f64;
        let length = |text: &str| text.chars().count() as f64;
        let fits = |size: f64| {
            let letters = room / (LETTER_MAX * size / 12.0);
            let rows: Vec<Vec<String>> = plot.categories.iter().map(|name| broken(name, letters)).collect();
            let fit =
                rows.iter().all(|rows| rows.len() <= NAME_ROWS_MAX && rows.iter().all(|row| length(row) <= letters));
            fit.then_some((rows, size))
        };
        if let Some((rows, size)) = fits(12.0).or_else(|| fits(10.5)).or_else(|| fits(9.5)) {
            let height = rows.iter().map(Vec::len).max().unwrap_or(1) as f64 * NAME_ROW;
            return Names { rows, slanted: false, size, height };
        }
        let size = 10.0;
        let longest = plot.categories.iter().map(|name| length(name)).fold(0.0, f64::max);
        let rows = plot.categories.iter().map(|name| vec![name.clone()]).collect();
        Names { rows, slanted: true, size, height: longest * LETTER * size / 12.0 * SLANT + NAME_ROW }
    }
}

/// A name in rows of so many letters; a word that is longer has a row of its own. What a gap that does not break joins
/// stays together.
fn broken(name: &str, letters: f64) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    for word in name.split(' ').filter(|word| !word.is_empty()) {
        match rows.last_mut() {
            Some(row) if (row.chars().count() + 1 + word.chars().count()) as f64 <= letters => {
                row.push(' ');
                row.push_str(word);
            }
            _ => rows.push(word.to_owned()),
        }
    }
    rows
}

fn names_below(plot: &Plot, names: &Names, x: &Scale, area: Area, ink: Ink, out: &mut String) {
    let (bottom, faint) = (area.bottom, ink.faint());
    if plot.categories.is_empty() {
        for value in x.ticks() {
            let at = x.at(value);
            let _ = write!(
                out,
                "<path d=\"M{at:.1} {bottom}v4\" stroke=\"{faint}\"/>\
                 <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"{faint}\">{}</text>",
                bottom + 18.0,
                short(value)
            );
        }
        return;
    }
    for (position, rows) in names.rows.iter().enumerate() {
        let at = x.at(position as f64);
        if position > 0 {
            let edge = x.at(position as f64 - 0.5);
            let _ = write!(out, "<path d=\"M{edge:.1} {:.1}V{bottom}\" stroke=\"{}\"/>", area.top, ink.grid());
        }
        for (number, row) in rows.iter().enumerate() {
            let y = bottom + 16.0 + number as f64 * NAME_ROW;
            let place = if names.slanted {
                format!("text-anchor=\"end\" transform=\"rotate(-25 {at:.1} {y:.1})\"")
            } else {
                "text-anchor=\"middle\"".to_owned()
            };
            let _ = write!(
                out,
                "<text x=\"{at:.1}\" y=\"{y:.1}\" font-size=\"{}\" fill=\"{faint}\" {place}>{}</text>",
                names.size,
                escape(row)
            );
        }
    }
}

/// What lies to the right, and what goes up.
fn labels(plot: &Plot, area: Area, out: &mut String) {
    let (middle, centre) = ((area.left + area.right) / 2.0, (area.top + area.bottom) / 2.0);
    let _ = write!(
        out,
        "<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
        HEIGHT - 9.0,
        escape(&plot.x_label)
    );
    // A long unit gets a line of its own, and small letters.
    let longest = (area.bottom - area.top) / LETTER;
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

/// The intervals: a band under lines, bars through marks. Between names there is nothing, and so no band.
fn band(plot: &Plot, line: &Line, ink: Ink, (x, y, aside): (&Scale, &Scale, f64), out: &mut String) {
    let colour = ink.line(line.look);
    let wide: Vec<&Mark> = drawable(line).filter(|p| p.low.is_finite() && p.high.is_finite()).collect();
    if line.trace == Trace::Cloud || wide.iter().all(|point| point.low == point.high) {
        return;
    }
    if line.trace == Trace::Joined {
        for point in &wide {
            let (at, low, high) = (x.at(point.x) + aside, y.at(point.low), y.at(point.high));
            let _ = write!(
                out,
                "<path d=\"M{at:.1} {low:.1}V{high:.1}M{:.1} {low:.1}h7M{:.1} {high:.1}h7\" stroke=\"{colour}\" \
                 stroke-width=\"1.2\" opacity=\".75\"/>",
                at - 3.5,
                at - 3.5
            );
        }
    }
    if !plot.categories.is_empty() {
        return;
    }
    let upper = wide.iter().map(|point| (x.at(point.x), y.at(point.high)));
    let lower = wide.iter().rev().map(|point| (x.at(point.x), y.at(point.low)));
    let corners: Vec<String> = upper.chain(lower).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ = write!(out, "<polygon points=\"{}\" fill=\"{colour}\" opacity=\".16\"/>", corners.join(" "));
}

fn trace(plot: &Plot, line: &Line, ink: Ink, (x, y, aside): (&Scale, &Scale, f64), out: &mut String) {
    let colour = ink.line(line.look);
    let places: Vec<(f64, f64)> = drawable(line).map(|point| (x.at(point.x) + aside, y.at(point.y))).collect();
    if line.trace != Trace::Cloud && plot.categories.is_empty() && places.len() > 1 {
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
