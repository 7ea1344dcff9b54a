//! What an experiment came to: cells, verdicts, and the tables that files are written from.

use super::file::Experiment;
use super::page::with_width;
use super::play::CellRuns;
use super::stats::{Estimate, Interval, Survival, bootstrap, kaplan_meier, mean, median, mser5};
use super::table::{Column, Table};
use super::verdict::{Checked, Evidence, Verdict, check_all};
use crate::market::{EventRow, METRICS, MetricInfo, Side};
use serde::Serialize;
use std::collections::BTreeMap;

/// The series whose warm-up is looked for.
const SETTLING_SERIES: [&str; 2] = ["price", "utilisation"];
/// Metrics that are times to something which some runs never reach, and those that say whether it was watched for.
const TIMES: [(&str, &str); 1] = [("weed_out_hours", "weeded_out")];

/// An experiment and what came of it.
#[derive(Clone, Debug)]
pub struct Results {
    /// What was run.
    pub experiment: Experiment,
    /// The repetitions of each of its cells.
    pub cells: Vec<CellRuns>,
    /// Its expectations and their verdicts.
    pub checked: Vec<Checked>,
}

/// What a script reads of results.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Of the experiment.
    pub id: String,
    /// Of the experiment.
    pub title: String,
    /// What the published text says.
    pub claim: String,
    /// What should come out.
    pub expectation: String,
    /// Whether it is the small size.
    pub quick: bool,
    /// All expectations together: fail where one fails, pass where all pass.
    pub verdict: Verdict,
    /// Each expectation.
    pub expectations: Vec<Checked>,
    /// Each cell.
    pub cells: Vec<CellSummary>,
}

/// What a script reads of a cell.
#[derive(Clone, Debug, Serialize)]
pub struct CellSummary {
    /// `load=0.3, policy=published`.
    pub name: String,
    /// The point of each axis.
    pub points: BTreeMap<String, String>,
    /// How many repetitions.
    pub n: usize,
    /// The first of the seeds, which rise by one.
    pub first_seed: u64,
    /// Each metric that has a value.
    pub metrics: BTreeMap<String, MetricSummary>,
    /// Times to something which some runs never reached: the curves of Kaplan and Meier.
    pub survival: BTreeMap<String, Survival>,
    /// After how many hours series had settled, by the rule MSER-5; none where the run was too short to tell.
    pub settled_after_hours: BTreeMap<String, Option<f64>>,
}

/// What a script reads of a metric in a cell.
#[derive(Clone, Debug, Serialize)]
pub struct MetricSummary {
    /// Its mean and its interval.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// Its median.
    pub median: f64,
    /// The bootstrap interval of the median, of metrics that are shown.
    pub median_interval: Option<Interval>,
    /// The bootstrap interval of the mean, of metrics that are shown: for Gini coefficients, ratios, correlations and
    /// whatever else is not spread evenly around its mean.
    pub mean_interval: Option<Interval>,
}

impl Results {
    /// Checks the expectations against the runs.
    pub fn new(experiment: Experiment, cells: Vec<CellRuns>) -> Results {
        let points: Vec<Vec<usize>> = experiment.cells.iter().map(|cell| cell.points.clone()).collect();
        let values = |cell: usize, metric: &str| cells.get(cell).map_or(&[][..], |runs| runs.values(metric));
        let evidence = Evidence { axes: &experiment.axes, cells: &points, values: &values };
        let checked = check_all(&experiment.expects, &evidence);
        Results { experiment, cells, checked }
    }

    /// All expectations together: fail where one fails, pass where all pass.
    pub fn verdict(&self) -> Verdict {
        let any = |verdict| self.checked.iter().any(|checked| checked.verdict == verdict);
        match (any(Verdict::Fail), any(Verdict::Inconclusive)) {
            (true, _) => Verdict::Fail,
            (false, true) => Verdict::Inconclusive,
            (false, false) => Verdict::Pass,
        }
    }

    /// The expectations about which the results say the opposite of what the file records.
    pub fn contradictions(&self) -> impl Iterator<Item = &Checked> {
        self.checked.iter().filter(|checked| checked.is_contradicted())
    }

    /// How many runs there were.
    pub fn runs(&self) -> usize {
        self.cells.iter().map(|cell| cell.seeds.len()).sum()
    }

    /// A metric in a cell.
    pub fn estimate(&self, cell: usize, metric: &str) -> Estimate {
        Estimate::of(self.cells.get(cell).map_or(&[], |runs| runs.values(metric)))
    }

    /// A metric in a cell as people read it: how many runs have it is said where not all do.
    pub fn told(&self, cell: usize, metric: &str) -> String {
        let estimate = self.estimate(cell, metric);
        let runs = self.cells.get(cell).map_or(0, |cell| cell.seeds.len());
        match estimate.n {
            n if n > 0 && n < runs => format!("{} ({n} of {runs})", with_width(&estimate)),
            _ => with_width(&estimate),
        }
    }

    /// What a script reads.
    pub fn summary(&self) -> Summary {
        let Experiment { id, title, claim, expectation, .. } = self.experiment.clone();
        Summary {
            id,
            title,
            claim,
            expectation,
            quick: self.experiment.options.quick,
            verdict: self.verdict(),
            expectations: self.checked.clone(),
            cells: (0..self.cells.len()).filter_map(|cell| self.cell_summary(cell)).collect(),
        }
    }

    fn cell_summary(&self, number: usize) -> Option<CellSummary> {
        let (cell, runs) = (self.experiment.cells.get(number)?, self.cells.get(number)?);
        let shown = self.experiment.shown();
        let metrics = runs.metrics.iter().map(|(name, values)| {
            let seed = self.experiment.repeat.seed;
            let interval = |of: fn(&[f64]) -> f64| shown.contains(name).then(|| bootstrap(values, seed, of));
            let (median_interval, mean_interval) = (interval(median), interval(mean));
            let estimate = Estimate::of(values);
            let summary = MetricSummary { estimate, median: median(values), median_interval, mean_interval };
            ((*name).to_owned(), summary)
        });
        let points = self.experiment.axes.iter().zip(&cell.points);
        let points = points.filter_map(|(axis, at)| Some((axis.name.clone(), axis.points.get(*at)?.name.clone())));
        let settling = runs.bands.iter().filter(|band| band.group == "all" && SETTLING_SERIES.contains(&band.name));
        Some(CellSummary {
            name: cell.name.clone(),
            points: points.collect(),
            n: runs.seeds.len(),
            first_seed: runs.seeds.first().copied().unwrap_or(self.experiment.repeat.seed),
            metrics: metrics.collect(),
            survival: TIMES
                .iter()
                .filter_map(|time| Some((time.0.to_owned(), self.survival(number, *time)?)))
                .collect(),
            settled_after_hours: settling
                .map(|band| {
                    let means: Vec<f64> = band.points.iter().map(|point| point.mean).collect();
                    let hour = |cut: usize| cut.checked_sub(1).map_or(Some(0.0), |i| Some(band.points.get(i)?.hour));
                    (band.name.to_owned(), mser5(&means).and_then(hour))
                })
                .collect(),
        })
    }

    /// The curve of a metric that is a time: runs in which it was watched for and that have no value had not got there at
    /// their end. `None` where no run watched for it.
    fn survival(&self, number: usize, (metric, watched): (&str, &str)) -> Option<Survival> {
        let (cell, runs) = (self.experiment.cells.get(number)?, self.cells.get(number)?);
        let end = cell.scenario.days * 24.0;
        let values = runs.values(metric);
        let time = |(run, watched): (usize, &f64)| {
            let value = values.get(run).copied().filter(|value| value.is_finite());
            watched.is_finite().then_some(value.map_or((end, false), |value| (value, true)))
        };
        let times: Vec<(f64, bool)> = runs.values(watched).iter().enumerate().filter_map(time).collect();
        (!times.is_empty()).then(|| kaplan_meier(&times))
    }

    /// Each run: its cell, its seed, its metrics.
    pub fn runs_table(&self) -> Table {
        let rows: Vec<(usize, usize)> = self
            .cells
            .iter()
            .enumerate()
            .flat_map(|(cell, runs)| (0..runs.seeds.len()).map(move |run| (cell, run)))
            .collect();
        let mut table = self.places(rows.iter().map(|(cell, _)| *cell));
        let seed = |(cell, run): &(usize, usize)| self.cells.get(*cell).and_then(|c| c.seeds.get(*run)).copied();
        table.add("seed", Column::Whole(rows.iter().filter_map(seed).collect()));
        for metric in METRICS {
            let values: Vec<f64> = rows
                .iter()
                .map(|(cell, run)| {
                    let values = self.cells.get(*cell).map_or(&[][..], |runs| runs.values(metric.name));
                    values.get(*run).copied().unwrap_or(f64::NAN)
                })
                .collect();
            if values.iter().any(|value| value.is_finite()) {
                table.add(metric.name, Column::Number(values));
            }
        }
        table
    }

    /// What changed over time: means over the first repetitions of each cell.
    pub fn series_table(&self) -> Table {
        let rows: Vec<_> = self
            .cells
            .iter()
            .enumerate()
            .flat_map(|(cell, runs)| runs.bands.iter().map(move |band| (cell, band)))
            .flat_map(|(cell, band)| band.points.iter().map(move |point| (cell, band, point)))
            .collect();
        let mut table = self.places(rows.iter().map(|(cell, ..)| *cell));
        table.add("series", Column::Text(rows.iter().map(|(_, band, _)| band.name.to_owned()).collect()));
        table.add("group", Column::Text(rows.iter().map(|(_, band, _)| band.group.clone()).collect()));
        table.add("unit", Column::Text(rows.iter().map(|(_, band, _)| band.unit.to_owned()).collect()));
        table.add("hour", Column::Number(rows.iter().map(|(.., point)| point.hour).collect()));
        table.add("mean", Column::Number(rows.iter().map(|(.., point)| point.mean).collect()));
        table.add("half_width", Column::Number(rows.iter().map(|(.., point)| point.half_width()).collect()));
        table.add("n", Column::Whole(rows.iter().map(|(.., point)| point.n).collect()));
        table
    }

    /// How single agents fared in the first repetition of each cell.
    pub fn agents_table(&self) -> Table {
        let all = self.cells.iter().enumerate();
        let rows: Vec<_> = all.flat_map(|(cell, runs)| runs.agents.iter().map(move |agent| (cell, agent))).collect();
        let mut table = self.places(rows.iter().map(|(cell, _)| *cell));
        let text = |of: &dyn Fn(usize, &crate::market::AgentRow) -> String| {
            Column::Text(rows.iter().map(|(cell, agent)| of(*cell, agent)).collect())
        };
        table.add("side", text(&|_, agent| side_name(agent.side).to_owned()));
        table.add("group", text(&|cell, agent| self.group_name(cell, agent.side, agent.group)));
        table.add("behaviour", text(&|_, agent| agent.behaviour.to_owned()));
        table.add("agent_policy", text(&|_, agent| agent.policy.to_owned()));
        let number = |of: &dyn Fn(&crate::market::AgentRow) -> f64| {
            Column::Number(rows.iter().map(|(_, agent)| of(agent)).collect())
        };
        table.add("speed", number(&|agent| agent.speed));
        table.add("cost_gnt_per_hour", number(&|agent| agent.cost_gnt_per_hour));
        table.add("joined_h", number(&|agent| agent.joined_h));
        table.add("left_h", number(&|agent| agent.left_h));
        table.add("subtasks_done", Column::Whole(rows.iter().map(|(_, agent)| agent.subtasks_done).collect()));
        table.add("subtasks_failed", Column::Whole(rows.iter().map(|(_, agent)| agent.subtasks_failed).collect()));
        table.add("busy_hours", number(&|agent| agent.busy_hours));
        table.add("earned_gnt", number(&|agent| agent.earned_gnt));
        table.add("spent_gnt", number(&|agent| agent.spent_gnt));
        table.add("cost_gnt", number(&|agent| agent.cost_gnt));
        table.add("profit_gnt", number(&|agent| agent.profit_gnt));
        table.add("identities", Column::Whole(rows.iter().map(|(_, a)| u64::from(a.identities)).collect()));
        table
    }

    /// A sample of what happened to subtasks in the first repetition of each cell.
    pub fn events_table(&self) -> Table {
        let all = self.cells.iter().enumerate();
        let rows: Vec<_> = all.flat_map(|(cell, runs)| runs.events.iter().map(move |event| (cell, event))).collect();
        let mut table = self.places(rows.iter().map(|(cell, _)| *cell));
        table.add("hour", Column::Number(rows.iter().map(|(_, event)| event.hour).collect()));
        table.add("event", Column::Text(rows.iter().map(|(_, event)| event.kind.name().to_owned()).collect()));
        table.add("provider", Column::Whole(rows.iter().map(|(_, event)| u64::from(event.provider)).collect()));
        let group = |(cell, event): &(usize, &EventRow)| self.group_name(*cell, Side::Provider, event.group);
        table.add("group", Column::Text(rows.iter().map(group).collect()));
        table.add("behaviour", Column::Text(rows.iter().map(|(_, event)| event.behaviour.to_owned()).collect()));
        table.add("gnt", Column::Number(rows.iter().map(|(_, event)| event.gnt).collect()));
        table.add("hours", Column::Number(rows.iter().map(|(_, event)| event.hours).collect()));
        table
    }

    /// The name of a group of the scenario of a cell.
    pub fn group_name(&self, cell: usize, side: Side, group: u32) -> String {
        let Some(cell) = self.experiment.cells.get(cell) else { return String::new() };
        let name = match side {
            Side::Provider => cell.scenario.providers.get(group as usize).map(|group| &group.name),
            Side::Requestor => cell.scenario.requestors.get(group as usize).map(|group| &group.name),
        };
        name.cloned().unwrap_or_default()
    }

    /// A column for each axis, with the point of the cell of each row.
    fn places(&self, cells: impl Iterator<Item = usize> + Clone) -> Table {
        let mut table = Table::default();
        for (number, axis) in self.experiment.axes.iter().enumerate() {
            let point = |cell: usize| {
                let at = self.experiment.cells.get(cell)?.points.get(number)?;
                axis.points.get(*at)
            };
            let column = if axis.is_numeric() {
                Column::Number(
                    cells.clone().map(|cell| point(cell).and_then(|p| p.number).unwrap_or(f64::NAN)).collect(),
                )
            } else {
                Column::Text(
                    cells.clone().map(|cell| point(cell).map(|p| p.name.clone()).unwrap_or_default()).collect(),
                )
            };
            table.add(axis.name.clone(), column);
        }
        table
    }
}

fn side_name(side: Side) -> &'static str {
    match side {
        Side::Provider => "provider",
        Side::Requestor => "requestor",
    }
}

/// Whether a metric is a time to something which some runs never reach: a mean of those that did says too little.
pub(super) fn is_time(name: &str) -> bool {
    metric_info(name).is_some_and(|metric| metric.unit == "h")
}

/// What is known of a metric by its name.
pub fn metric_info(name: &str) -> Option<&'static MetricInfo> {
    METRICS.iter().find(|metric| metric.name == name)
}
