//! Running every cell often enough, on all cores, with the same result on one.

use super::file::Experiment;
use super::stats::{CONFIDENCE, Estimate, t_quantile};
use crate::market::{AgentRow, EventRow, RunOutcome, Scenario};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many repetitions of a cell a band over time is made of. Reason: their bands are narrow by then, and they are what
/// takes memory.
const SERIES_RUNS_MAX: u64 = 30;
/// No round of repetitions is smaller than this: an interval of few more would tell nothing new.
const ROUND_MIN: u64 = 5;
/// The golden ratio, in parts of 2^64, without its one.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// All repetitions of a cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CellRuns {
    /// The seeds, rising by one.
    pub seeds: Vec<u64>,
    /// The values of each metric in the order of the seeds; NaN where a run has none.
    pub metrics: BTreeMap<&'static str, Vec<f64>>,
    /// What changed over time, over the first repetitions.
    pub bands: Vec<Band>,
    /// How single agents fared in the first repetition.
    pub agents: Vec<AgentRow>,
    /// A sample of what happened to subtasks in the first repetition.
    pub events: Vec<EventRow>,
}

impl CellRuns {
    /// The values of a metric; none, where no run has it.
    pub fn values(&self, metric: &str) -> &[f64] {
        self.metrics.get(metric).map_or(&[], Vec::as_slice)
    }
}

/// One number over time, over repetitions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Band {
    /// Which number.
    pub name: &'static str,
    /// Whose.
    pub group: String,
    /// Its unit.
    pub unit: &'static str,
    /// Its points.
    pub points: Vec<BandPoint>,
}

impl Band {
    /// Adds a value of a run. Not every run has a value at every time.
    fn add(&mut self, hour: f64, value: f64) {
        let found = self.points.binary_search_by(|point| point.hour.total_cmp(&hour));
        let position = found.unwrap_or_else(|position| {
            self.points.insert(position, BandPoint { hour, ..BandPoint::default() });
            position
        });
        if let Some(point) = self.points.get_mut(position) {
            point.add(value);
        }
    }
}

/// The mean of a number at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BandPoint {
    /// Hours since the start.
    pub hour: f64,
    /// Over how many repetitions.
    pub n: u64,
    /// The mean.
    pub mean: f64,
    squares: f64,
}

impl BandPoint {
    fn add(&mut self, value: f64) {
        if value.is_finite() {
            self.n += 1;
            let off = value - self.mean;
            self.mean += off / self.n as f64;
            self.squares += off * (value - self.mean);
        }
    }

    /// Half the width of the 95 % interval; NaN with fewer than two values.
    pub fn half_width(&self) -> f64 {
        if self.n < 2 {
            return f64::NAN;
        }
        let degrees = self.n as f64 - 1.0;
        t_quantile(0.5 + CONFIDENCE / 2.0, degrees) * (self.squares / degrees / self.n as f64).sqrt()
    }
}

/// A run that could not be, and how to see it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFailure {
    /// The seed.
    pub seed: u64,
    /// The cell.
    pub place: String,
    /// What happened.
    pub what: String,
    /// The command that shows it again.
    pub replay: String,
}

impl fmt::Display for RunFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gap = if self.place.is_empty() { "" } else { " at " };
        write!(f, "seed {}{gap}{}: {}\nreplay it: {}", self.seed, self.place, self.what, self.replay)
    }
}

impl std::error::Error for RunFailure {}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Runs that ended.
    pub done: usize,
    /// Those of them that were kept, and took no time.
    pub kept: usize,
    /// Runs that are known to be needed; more may follow where intervals are still wide.
    pub planned: usize,
}

/// Which run of an experiment: the number of its cell, and its repetition from 0.
pub type RunId = (usize, u64);

/// Where runs are kept, so that an experiment that is stopped goes on where it was.
pub trait Keep: Sync {
    /// What came of a run, if it was played before.
    fn kept(&self, run: RunId) -> Option<RunOutcome>;

    /// A run was played.
    fn keep(&self, run: RunId, outcome: &RunOutcome);
}

/// Keeps nothing.
impl Keep for () {
    fn kept(&self, _: RunId) -> Option<RunOutcome> {
        None
    }

    fn keep(&self, _: RunId, _: &RunOutcome) {}
}

/// Runs all cells, each as often as its intervals need, with `one` playing a run. Seeds are the same in all cells. A run
/// that was kept is not played. A round plays each cell once before any twice, and cells that are alike far from each other:
/// so what is done is much like what is left, and the time that is left can be told.
///
/// Errors: of the failures of a round, the one that comes first in that order.
pub fn play(
    experiment: &Experiment,
    threads: usize,
    one: impl Fn(&Scenario, u64) -> Result<RunOutcome, String> + Sync,
    keep: &impl Keep,
    progress: impl Fn(Progress) + Sync,
) -> Result<Vec<CellRuns>, Box<RunFailure>> {
    let mut cells: Vec<CellRuns> = experiment.cells.iter().map(|_| CellRuns::default()).collect();
    let mut targets: Vec<u64> = experiment.cells.iter().map(|_| experiment.repeat.least).collect();
    let (mut done, kept) = (0, AtomicUsize::new(0));
    loop {
        let mut jobs: Vec<RunId> = cells
            .iter()
            .zip(&targets)
            .enumerate()
            .flat_map(|(cell, (runs, target))| (runs.seeds.len() as u64..*target).map(move |times| (cell, times)))
            .collect();
        // What a multiple of the golden ratio leaves after the point: of cells next to each other it is far apart.
        jobs.sort_by_key(|(cell, times)| (*times, GOLDEN.wrapping_mul(*cell as u64)));
        if jobs.is_empty() {
            return Ok(cells);
        }
        let finished = AtomicUsize::new(done);
        let planned = done + jobs.len();
        let tell = |done| progress(Progress { done, kept: kept.load(Ordering::Relaxed), planned });
        tell(done);
        let outcomes = run_jobs(&jobs, threads, &|run| run_job(experiment, run, &one, keep, &kept), || {
            tell(finished.fetch_add(1, Ordering::Relaxed) + 1);
        })?;
        done = planned;
        for ((cell, times), outcome) in jobs.into_iter().zip(outcomes) {
            if let Some(runs) = cells.get_mut(cell) {
                runs.add(experiment.repeat.seed.wrapping_add(times), outcome);
            }
        }
        for (target, runs) in targets.iter_mut().zip(&cells) {
            *target = next_target(experiment, runs);
        }
    }
}

/// How many repetitions a cell should have.
fn next_target(experiment: &Experiment, runs: &CellRuns) -> u64 {
    let repeat = &experiment.repeat;
    let n = runs.seeds.len() as u64;
    let mut wanted = n;
    for metric in experiment.watched() {
        let estimate = Estimate::of(runs.values(metric));
        if estimate.n < 2 || estimate.is_within(repeat.half_width, repeat.floor) {
            continue;
        }
        // The width falls with the root of the number.
        let goal = (repeat.half_width * estimate.mean.abs()).max(repeat.floor);
        let times = estimate.half_width / goal;
        let needed = (n as f64 * times * times).ceil();
        wanted = wanted.max((needed as u64).clamp(n + ROUND_MIN, n * 2 + ROUND_MIN));
    }
    wanted.min(repeat.most.max(n))
}

/// Runs jobs on threads; gives outcomes in the order of the jobs.
fn run_jobs(
    jobs: &[RunId],
    threads: usize,
    one: &(impl Fn(RunId) -> Result<RunOutcome, Box<RunFailure>> + Sync),
    done: impl Fn() + Sync,
) -> Result<Vec<RunOutcome>, Box<RunFailure>> {
    let next = AtomicUsize::new(0);
    let end = AtomicUsize::new(jobs.len());
    let run_some = || {
        let mut results = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= end.load(Ordering::Relaxed) {
                return results;
            }
            let Some(job) = jobs.get(number) else { return results };
            let result = one(*job);
            done();
            if result.is_err() {
                // Nothing after it is begun; what comes before it ends.
                end.fetch_min(number, Ordering::Relaxed);
            }
            results.push((number, result));
        }
    };
    let mut results: Vec<(usize, Result<RunOutcome, Box<RunFailure>>)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.clamp(1, jobs.len().max(1))).map(|_| scope.spawn(run_some)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

fn run_job(
    experiment: &Experiment,
    run: RunId,
    one: &(impl Fn(&Scenario, u64) -> Result<RunOutcome, String> + Sync),
    keep: &impl Keep,
    kept: &AtomicUsize,
) -> Result<RunOutcome, Box<RunFailure>> {
    if let Some(outcome) = keep.kept(run) {
        kept.fetch_add(1, Ordering::Relaxed);
        return Ok(outcome);
    }
    let (cell, times) = run;
    let seed = experiment.repeat.seed.wrapping_add(times);
    let fail = |what: String| {
        let place = experiment.cells.get(cell).map(|cell| cell.name.clone()).unwrap_or_default();
        Box::new(RunFailure { seed, replay: experiment.replay(&place, seed), place, what })
    };
    let Some(scenario) = experiment.cells.get(cell).map(|cell| &cell.scenario) else {
        return Err(fail("there is no such cell".into()));
    };
    // A panic is a defect of the engine; the seed that shows it must not be lost with it.
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| one(scenario, seed)));
    let mut outcome = match result {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(what)) => return Err(fail(what)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            return Err(fail(format!("the simulation panicked: {}", text.unwrap_or_default())));
        }
    };
    if times > 0 {
        outcome.agents = Vec::new();
        outcome.events = Vec::new();
    }
    if times >= SERIES_RUNS_MAX {
        outcome.series = Vec::new();
    }
    keep.keep(run, &outcome);
    Ok(outcome)
}

impl CellRuns {
    fn add(&mut self, seed: u64, outcome: RunOutcome) {
        let before = self.seeds.len();
        self.seeds.push(seed);
        for (name, value) in outcome.metrics {
            let values = self.metrics.entry(name).or_default();
            values.resize(before, f64::NAN);
            values.push(value);
        }
        self.metrics.values_mut().for_each(|values| values.resize(before + 1, f64::NAN));
        if before == 0 {
            self.agents = outcome.agents;
            self.events = outcome.events;
        }
        for series in outcome.series {
            let position = self.bands.iter().position(|band| band.name == series.name && band.group == series.group);
            let position = position.unwrap_or(self.bands.len());
            if position == self.bands.len() {
                let (name, group, unit) = (series.name, series.group, series.unit);
                self.bands.push(Band { name, group, unit, points: Vec::new() });
            }
            if let Some(band) = self.bands.get_mut(position) {
                series.points.into_iter().for_each(|(hour, value)| band.add(hour, value));
            }
        }
    }
}
