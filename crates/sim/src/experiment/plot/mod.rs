//! Plots as SVG, drawn here: axes with units, legends, 95 % bands, colours that everybody can tell apart, and marks and
//! dashes besides for those who see none.
//!
//! Sizes are in the units of the picture, [`WIDTH`] wide.

mod draw;
mod scale;
#[cfg(test)]
mod tests;

pub(crate) use draw::escape;
pub use draw::{HEIGHT, WIDTH, panels, svg};
pub use scale::short;

/// What colours are written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// As themselves, on white: a file of its own.
    Paper,
    /// As variables of the page around, which knows light and dark.
    Page,
}

/// A plot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plot {
    /// What is seen.
    pub title: String,
    /// What lies along the bottom, with its unit.
    pub x_label: String,
    /// What goes up, with its unit.
    pub y_label: String,
    /// Names along the bottom, where there are no numbers: the points are at 0, 1, 2, ...
    pub categories: Vec<String>,
    /// What is drawn.
    pub lines: Vec<Line>,
    /// Values that the height reaches, unless the lines are so far away that nothing could be told of them.
    pub y_include: Vec<f64>,
    /// Where heights are spread by ratio: the value at the bottom, on which all that is less lies as well.
    pub y_log_from: Option<f64>,
}

/// One line, or one kind of marks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// What it is called in the legend.
    pub name: String,
    /// How it looks: the same number in all plots of a page for the same thing.
    pub look: usize,
    /// Where it goes, left to right.
    pub points: Vec<Mark>,
    /// How the points are drawn.
    pub trace: Trace,
}

/// How points are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trace {
    /// Marks joined by a line, over the band.
    #[default]
    Joined,
    /// A line over the band: many points.
    Curve,
    /// Marks alone: one for each of many.
    Cloud,
}

/// A value and how well it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    /// To the right.
    pub x: f64,
    /// Up.
    pub y: f64,
    /// The lower end of its interval; the value itself, where nothing is known.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Mark {
    /// A value without an interval.
    pub fn bare(x: f64, y: f64) -> Mark {
        Mark { x, y, low: y, high: y }
    }

    /// A value with as much on either side; none where that is no number.
    pub fn wide(x: f64, y: f64, half_width: f64) -> Mark {
        let half = if half_width.is_finite() { half_width } else { 0.0 };
        Mark { x, y, low: y - half, high: y + half }
    }

    /// The same, with the interval cut where no value can be.
    pub fn within(self, (least, most): (f64, f64)) -> Mark {
        Mark { low: self.low.max(least.min(self.y)), high: self.high.min(most.max(self.y)), ..self }
    }
}
