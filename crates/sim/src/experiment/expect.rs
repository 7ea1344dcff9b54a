//! What an experiment expects, as its file says it, checked against what it knows of itself.

use super::vary::{Axis, Place, value_name};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

/// An expectation as a file gives it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectSpec {
    text: String,
    metric: String,
    over: Option<String>,
    minus: Option<String>,
    at_least: Option<f64>,
    at_most: Option<f64>,
    between: Option<[f64; 2]>,
    rises_along: Option<String>,
    falls_along: Option<String>,
    at: Option<Table>,
    above: Option<Table>,
    below: Option<Table>,
    #[serde(default)]
    by: f64,
    #[serde(default)]
    r#where: Table,
    #[serde(default)]
    expected: Expected,
    #[serde(default = "yes")]
    quick: bool,
}

const fn yes() -> bool {
    true
}

/// What the file records that the check comes to. A claim that does not hold is a finding, and is kept as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// It holds.
    #[default]
    Pass,
    /// It is known not to hold.
    Fail,
}

/// A metric, or what two of them make, run by run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quantity {
    /// The metric.
    pub metric: String,
    /// It is divided by this one.
    pub over: Option<String>,
    /// This one is taken from it.
    pub minus: Option<String>,
}

impl Quantity {
    /// The metrics it is made of.
    pub fn metrics(&self) -> impl Iterator<Item = &str> {
        [Some(self.metric.as_str()), self.over.as_deref(), self.minus.as_deref()].into_iter().flatten()
    }

    /// Its values, from those of its metrics.
    pub fn values<'a>(&self, of: impl Fn(&str) -> &'a [f64]) -> Vec<f64> {
        let mut values = of(&self.metric).to_vec();
        if let Some(over) = &self.over {
            values.iter_mut().zip(of(over)).for_each(|(value, over)| *value /= over);
        }
        if let Some(minus) = &self.minus {
            values.iter_mut().zip(of(minus)).for_each(|(value, minus)| *value -= minus);
        }
        values
    }
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.metric)?;
        self.over.iter().try_for_each(|over| write!(f, " / {over}"))?;
        self.minus.iter().try_for_each(|minus| write!(f, " - {minus}"))
    }
}

/// Something that must hold of an experiment's results.
#[derive(Clone, Debug, PartialEq)]
pub struct Expect {
    /// In words.
    pub text: String,
    /// Of what.
    pub quantity: Quantity,
    /// What must hold of it.
    pub holds: Holds,
    /// In which cells.
    pub place: Place,
    /// What the file records.
    pub expected: Expected,
    /// Whether the quick size is large enough to tell.
    pub quick: bool,
    /// Whether only some of its cells are played.
    pub in_part: bool,
}

impl Expect {
    /// Whether anything of it can be looked at in these cells.
    pub(super) fn is_asked(&self, cells: &[Vec<usize>]) -> bool {
        let mut here = cells.iter().filter(|cell| self.place.has(cell));
        match self.holds {
            Holds::Within { .. } => here.next().is_some(),
            Holds::Versus { axis, point, other, .. } => here.any(|cell| {
                let there = |with: &&Vec<usize>| with.get(axis) == Some(&other) && same_but(with, cell, axis);
                cell.get(axis) == Some(&point) && cells.iter().any(|with| there(&with))
            }),
            Holds::Trend { axis, .. } => {
                let here: Vec<&Vec<usize>> = here.collect();
                here.iter().any(|cell| here.iter().filter(|other| same_but(other, cell, axis)).count() > 1)
            }
        }
    }

    /// Whether all of its cells are among those played.
    pub(super) fn is_whole(&self, played: &[Vec<usize>], all: &[Vec<usize>]) -> bool {
        all.iter().filter(|cell| self.place.has(cell)).all(|cell| played.contains(cell))
    }
}

/// Whether two cells differ in one axis at most.
pub(super) fn same_but(a: &[usize], b: &[usize], axis: usize) -> bool {
    a.iter().zip(b).enumerate().all(|(number, (a, b))| number == axis || a == b)
}

/// What must hold of a quantity.
#[derive(Clone, Debug, PartialEq)]
pub enum Holds {
    /// Its mean is at least this in every cell, and at most that.
    Within {
        /// The least.
        low: f64,
        /// The most.
        high: f64,
    },
    /// From the first point of an axis to the last it changes by more than `by` in this direction, and at no step it
    /// goes the other way.
    Trend {
        /// The axis.
        axis: usize,
        /// Which way.
        direction: Direction,
        /// By how much.
        by: f64,
    },
    /// On the same seeds it is more than `by` above or below what it is at another point of an axis.
    Versus {
        /// The axis.
        axis: usize,
        /// The point that is looked at.
        point: usize,
        /// The point it is compared with.
        other: usize,
        /// Above or below.
        direction: Direction,
        /// By how much.
        by: f64,
    },
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Direction {
    /// More.
    Up,
    /// Less.
    Down,
}

impl ExpectSpec {
    /// In words.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The same of those points alone that axes still have.
    pub(super) fn at_points_of(mut self, axes: &[Axis]) -> ExpectSpec {
        for (name, points) in &mut self.r#where {
            let axis = axes.iter().find(|axis| axis.name == *name);
            let left =
                point_names(points).into_iter().filter(|point| axis.is_none_or(|axis| axis.position(point).is_some()));
            *points = Value::Array(left.map(Value::String).collect());
        }
        self
    }

    /// Checks it against the axes and the metrics there are.
    ///
    /// Errors: what does not fit, and what would.
    pub(super) fn read(self, axes: &[Axis], metrics: &[&str]) -> Result<Expect, String> {
        let quantity = Quantity { metric: self.metric.clone(), over: self.over.clone(), minus: self.minus.clone() };
        for metric in quantity.metrics() {
            if !metrics.contains(&metric) {
                return Err(format!("there is no metric `{metric}`; there are: {}", metrics.join(", ")));
            }
        }
        if !(self.by.is_finite() && self.by >= 0.0) {
            return Err(format!("`by` is {}; give a number from 0 up", self.by));
        }
        let holds = self.holds(axes)?;
        let wanted = self.r#where.iter().map(|(axis, points)| (axis.as_str(), point_names(points)));
        let place = Place::find(axes, wanted)?;
        let Self { text, expected, quick, .. } = self;
        Ok(Expect { text, quantity, holds, place, expected, quick, in_part: false })
    }

    fn holds(&self, axes: &[Axis]) -> Result<Holds, String> {
        const KINDS: &str = "give exactly one of: `at_least` (with or without `at_most`), `at_most`, `between`, \
                             `rises_along`, `falls_along`, `at` with `above`, `at` with `below`";
        let along = |name: &String, direction| {
            let place = Place::find(axes, [(name.as_str(), Vec::new())])?;
            let axis = place.0.first().map_or(0, |(axis, _)| *axis);
            Ok(Holds::Trend { axis, direction, by: self.by })
        };
        let limits = (self.at_least, self.at_most, self.between);
        let compared = (&self.at, &self.above, &self.below);
        match (limits, &self.rises_along, &self.falls_along, compared) {
            ((None, None, Some([low, high])), None, None, (None, None, None)) if low <= high => {
                Ok(Holds::Within { low, high })
            }
            ((low, high, None), None, None, (None, None, None)) if low.is_some() || high.is_some() => {
                Ok(Holds::Within { low: low.unwrap_or(f64::NEG_INFINITY), high: high.unwrap_or(f64::INFINITY) })
            }
            ((None, None, None), Some(axis), None, (None, None, None)) => along(axis, Direction::Up),
            ((None, None, None), None, Some(axis), (None, None, None)) => along(axis, Direction::Down),
            ((None, None, None), None, None, (Some(at), Some(other), None)) => {
                versus(axes, at, other, Direction::Up, self.by)
            }
            ((None, None, None), None, None, (Some(at), None, Some(other))) => {
                versus(axes, at, other, Direction::Down, self.by)
            }
            _ => Err(KINDS.into()),
        }
    }
}

fn versus(axes: &[Axis], at: &Table, other: &Table, direction: Direction, by: f64) -> Result<Holds, String> {
    let one = |table: &Table| {
        let place = Place::find(axes, table.iter().map(|(axis, points)| (axis.as_str(), point_names(points))))?;
        match place.0.as_slice() {
            [(axis, points)] => match points.as_slice() {
                [point] => Ok((*axis, *point)),
                _ => Err("compare one point with one other point".to_owned()),
            },
            _ => Err("compare along one axis: { axis = point }".to_owned()),
        }
    };
    let ((axis, point), (other_axis, other)) = (one(at)?, one(other)?);
    if axis != other_axis || point == other {
        return Err("`at` and what it is compared with must be two points of the same axis".into());
    }
    Ok(Holds::Versus { axis, point, other, direction, by })
}

/// The names of one point or of several.
pub(super) fn point_names(points: &Value) -> Vec<String> {
    match points {
        Value::Array(points) => points.iter().map(value_name).collect(),
        one => vec![value_name(one)],
    }
}
