//! Whether an expectation holds, and how that is known.

use super::expect::{Direction, Expect, Expected, Holds, same_but};
use super::results::is_time;
use super::stats::{CONFIDENCE, Estimate, Paired, holm, paired};
use super::vary::Axis;
use serde::{Deserialize, Serialize};

/// What the results say to an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// It holds, with 95 % confidence.
    Pass,
    /// It does not, with 95 % confidence.
    Fail,
    /// The results do not tell.
    Inconclusive,
}

impl Verdict {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Pass => "PASS",
            Verdict::Fail => "FAIL",
            Verdict::Inconclusive => "INCONCLUSIVE",
        }
    }
}

/// An expectation and what came of it. Read back from a summary it is without its findings.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Checked {
    /// In words.
    pub text: String,
    /// Of what.
    pub quantity: String,
    /// What must hold of it, as numbers.
    pub rule: String,
    /// What the file records.
    pub expected: Expected,
    /// What the results say.
    pub verdict: Verdict,
    /// Whether that is of some of its cells only, as `--cell` asks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_part: bool,
    /// What it rests on, cell by cell.
    #[serde(skip_deserializing)]
    pub findings: Vec<Finding>,
}

impl Checked {
    /// Whether the results say the opposite of what the file records. What fails somewhere may hold in a part.
    pub fn is_contradicted(&self) -> bool {
        match (self.expected, self.verdict) {
            (Expected::Pass, Verdict::Fail) => true,
            (Expected::Fail, Verdict::Pass) => !self.in_part,
            _ => false,
        }
    }
}

/// What one cell, or one pair of cells, says.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Where.
    pub place: String,
    /// The value, or the difference.
    pub estimate: Estimate,
    /// How likely this is by chance alone, corrected for everything that is compared; none where nothing is compared.
    pub p: Option<f64>,
    /// What it says.
    pub verdict: Verdict,
}

/// What an evaluation looks at.
pub(super) struct Evidence<'a> {
    pub axes: &'a [Axis],
    /// The point of each axis, cell by cell.
    pub cells: &'a [Vec<usize>],
    /// The values of a metric in a cell, in the order of the seeds.
    pub values: &'a dyn Fn(usize, &str) -> &'a [f64],
}

/// A comparison before it is known how many there are.
struct Comparison {
    place: String,
    paired: Paired,
    direction: Direction,
    /// Whether it must be shown, or only not be contradicted.
    must_show: bool,
}

enum Gathered {
    Within(Vec<Finding>),
    Compared(Vec<Comparison>),
}

/// Checks all expectations together: Holm's correction is over everything that any of them compares.
pub(super) fn check_all(expects: &[Expect], evidence: &Evidence<'_>) -> Vec<Checked> {
    let gathered: Vec<Gathered> = expects.iter().map(|expect| evidence.gather(expect)).collect();
    let p_values: Vec<f64> = gathered
        .iter()
        .flat_map(|gathered| match gathered {
            Gathered::Compared(comparisons) => comparisons.as_slice(),
            Gathered::Within(_) => &[],
        })
        .map(|comparison| (2.0 * comparison.paired.p_greater.min(comparison.paired.p_less)).min(1.0))
        .collect();
    let mut corrected = holm(&p_values).into_iter();
    expects
        .iter()
        .zip(gathered)
        .map(|(expect, gathered)| {
            let findings = match gathered {
                Gathered::Within(findings) => findings,
                Gathered::Compared(comparisons) => {
                    comparisons.into_iter().zip(&mut corrected).map(|(comparison, p)| comparison.finding(p)).collect()
                }
            };
            Checked {
                text: expect.text.clone(),
                quantity: expect.quantity.to_string(),
                rule: rule(expect, evidence.axes),
                expected: expect.expected,
                verdict: together(&findings),
                in_part: expect.in_part,
                findings,
            }
        })
        .collect()
}

/// All must hold; one that does not is enough against it.
fn together(findings: &[Finding]) -> Verdict {
    let any = |verdict| findings.iter().any(|finding| finding.verdict == verdict);
    if any(Verdict::Fail) {
        Verdict::Fail
    } else if findings.is_empty() || any(Verdict::Inconclusive) {
        Verdict::Inconclusive
    } else {
        Verdict::Pass
    }
}

impl Comparison {
    fn finding(self, p: f64) -> Finding {
        let sure = p <= 1.0 - CONFIDENCE;
        let up = self.paired.p_greater < self.paired.p_less;
        let as_wanted = up == (self.direction == Direction::Up);
        let verdict = match (sure, as_wanted, self.must_show) {
            (true, true, _) => Verdict::Pass,
            (true, false, _) => Verdict::Fail,
            (false, _, true) => Verdict::Inconclusive,
            (false, _, false) => Verdict::Pass,
        };
        Finding { place: self.place, estimate: self.paired.difference, p: Some(p), verdict }
    }
}

impl Evidence<'_> {
    fn of(&self, expect: &Expect, cell: usize) -> Vec<f64> {
        expect.quantity.values(|metric| (self.values)(cell, metric))
    }

    fn gather(&self, expect: &Expect) -> Gathered {
        let cells = self.cells.iter().enumerate().filter(|(_, cell)| expect.place.has(cell));
        match expect.holds {
            Holds::Within { low, high } => Gathered::Within(
                cells
                    .map(|(number, cell)| {
                        let values = self.of(expect, number);
                        let estimate = Estimate::of(&values);
                        // Runs that never got there would count as if they had not been.
                        let left_out = estimate.n < values.len() && expect.quantity.metrics().any(is_time);
                        Finding {
                            place: self.place(cell, None),
                            verdict: match within(&estimate, low, high) {
                                Verdict::Pass if left_out => Verdict::Inconclusive,
                                verdict => verdict,
                            },
                            estimate,
                            p: None,
                        }
                    })
                    .collect(),
            ),
            Holds::Versus { axis, point, other, direction, by } => {
                let looked_at = cells.filter(|(_, cell)| cell.get(axis) == Some(&point));
                let pairs = looked_at.filter_map(|(number, cell)| {
                    let other = self.moved(cell, axis, other)?;
                    Some(self.compare(expect, (number, other), (axis, direction, by, true)))
                });
                Gathered::Compared(pairs.collect())
            }
            Holds::Trend { axis, direction, by } => {
                let mut comparisons = Vec::new();
                let all: Vec<(usize, &Vec<usize>)> = cells.collect();
                for (start, first) in all.iter().filter(|(number, cell)| self.is_first(&all, *number, cell, axis)) {
                    let mut row: Vec<usize> =
                        all.iter().filter(|(_, cell)| same_but(cell, first, axis)).map(|(number, _)| *number).collect();
                    row.retain(|number| number != start);
                    let Some(last) = row.last().copied() else { continue };
                    comparisons.push(self.compare(expect, (last, *start), (axis, direction, by, true)));
                    if row.len() > 1 {
                        let befores = std::iter::once(*start).chain(row.iter().copied());
                        comparisons.extend(row.iter().zip(befores).map(|(next, before)| {
                            self.compare(expect, (*next, before), (axis, direction, 0.0, false))
                        }));
                    }
                }
                Gathered::Compared(comparisons)
            }
        }
    }

    fn is_first(&self, all: &[(usize, &Vec<usize>)], number: usize, cell: &[usize], axis: usize) -> bool {
        all.iter().find(|(_, other)| same_but(other, cell, axis)).is_some_and(|(first, _)| *first == number)
    }

    fn moved(&self, cell: &[usize], axis: usize, point: usize) -> Option<usize> {
        self.cells.iter().position(|other| other.get(axis) == Some(&point) && same_but(other, cell, axis))
    }

    /// Compares the first cell with the second.
    fn compare(
        &self,
        expect: &Expect,
        (a, b): (usize, usize),
        (axis, direction, by, must_show): (usize, Direction, f64, bool),
    ) -> Comparison {
        let margin = if direction == Direction::Up { by } else { -by };
        let paired = paired(&self.of(expect, a), &self.of(expect, b), margin);
        let name = |cell: usize| {
            let point = self.cells.get(cell).and_then(|cell| cell.get(axis)).copied().unwrap_or(0);
            self.axes.get(axis).and_then(|axis| axis.points.get(point)).map_or("", |point| point.name.as_str())
        };
        let axis_name = self.axes.get(axis).map_or("", |axis| axis.name.as_str());
        let rest = self.cells.get(a).map(|cell| self.place(cell, Some(axis))).unwrap_or_default();
        let gap = if rest.is_empty() { "" } else { ", " };
        let place = format!("{axis_name} {} against {}{gap}{rest}", name(a), name(b));
        Comparison { place, paired, direction, must_show }
    }

    fn place(&self, cell: &[usize], without: Option<usize>) -> String {
        place_name(self.axes, cell, without)
    }
}

/// A cell by the points it is at: `load=0.3, policy=published`.
pub(super) fn place_name(axes: &[Axis], cell: &[usize], without: Option<usize>) -> String {
    let parts = axes.iter().zip(cell).enumerate().filter(|(number, _)| Some(*number) != without);
    let names = parts.filter_map(|(_, (axis, point))| Some(format!("{}={}", axis.name, axis.points.get(*point)?.name)));
    names.collect::<Vec<_>>().join(", ")
}

fn within(estimate: &Estimate, low: f64, high: f64) -> Verdict {
    if estimate.low() >= low && estimate.high() <= high {
        Verdict::Pass
    } else if estimate.high() < low || estimate.low() > high {
        Verdict::Fail
    } else {
        Verdict::Inconclusive
    }
}

fn rule(expect: &Expect, axes: &[Axis]) -> String {
    let name = |axis: usize| axes.get(axis).map_or("", |axis| axis.name.as_str());
    let point = |axis: usize, point: usize| {
        axes.get(axis).and_then(|axis| axis.points.get(point)).map_or("", |point| point.name.as_str())
    };
    let more = |by: f64| if by > 0.0 { format!(" by more than {by}") } else { String::new() };
    match expect.holds {
        Holds::Within { low, high } if high == f64::INFINITY => format!("at least {low}"),
        Holds::Within { low, high } if low == f64::NEG_INFINITY => format!("at most {high}"),
        Holds::Within { low, high } => format!("from {low} to {high}"),
        Holds::Trend { axis, direction: Direction::Up, by } => format!("rises with {}{}", name(axis), more(by)),
        Holds::Trend { axis, direction: Direction::Down, by } => format!("falls with {}{}", name(axis), more(by)),
        Holds::Versus { axis, point: a, other, direction, by } => {
            let side = if direction == Direction::Up { "above" } else { "below" };
            format!("{} {} {side} {}{}", name(axis), point(axis, a), point(axis, other), more(by))
        }
    }
}
