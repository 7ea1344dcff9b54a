//! An experiment file: read, checked whole, and laid out in cells before anything runs.

use super::expect::{Expect, ExpectSpec};
use super::vary::{Axis, AxisSpec, Place, grid, is_replaced, set};
use super::verdict::place_name;
use crate::market::{METRICS, Scenario};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

/// The most repetitions that can be asked for.
pub const REPEAT_MAX: u64 = 100_000;

/// What is shown of a file that neither expects nor shows anything: of a market, of ways to find wrong results.
const USUAL: [&[&str]; 2] = [
    &["efficiency", "price_over_cost", "utilisation", "makespan_over_ideal", "wrong_share"],
    &["wrong_per_million", "extra_work", "cheat_paid_share"],
];
const NO_QUICK: &str = "the file has none, so there is no small size: leave out --quick, or add a table `quick` with \
                        what makes it small, such as `repeat = 2` and `scale = 0.1`";

/// Why an experiment cannot run. Nothing was started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExperimentError {
    /// The file is not what an experiment file may be.
    #[error("{0}")]
    File(String),
    /// An axis, or what the command line says of one, cannot be.
    #[error("[[vary]]: {0}")]
    Vary(String),
    /// The repetitions cannot be.
    #[error("[repeat]: {0}")]
    Repeat(String),
    /// The quick size cannot be.
    #[error("[quick]: {0}")]
    Quick(String),
    /// What is to be shown cannot be.
    #[error("[show]: {0}")]
    Show(String),
    /// An expectation cannot be checked.
    #[error("[[expect]] number {number} (\"{text}\"): {what}")]
    Expect {
        /// Which, from 1.
        number: usize,
        /// Its text.
        text: String,
        /// What does not fit.
        what: String,
    },
    /// The scenario of a cell is refused.
    #[error("the scenario at {place}: {what}")]
    Cell {
        /// Which cell.
        place: String,
        /// What the scenario says.
        what: String,
    },
    /// Something on the command line.
    #[error("{0}")]
    Option(String),
}

/// How often each cell is repeated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// The seed of the first repetition; the others follow.
    #[serde(default = "seed")]
    pub seed: u64,
    /// Never fewer.
    #[serde(default = "least")]
    pub least: u64,
    /// Never more.
    #[serde(default = "most")]
    pub most: u64,
    /// Enough, where half the width of the 95 % interval is at most this share of the mean.
    #[serde(default = "half_width")]
    pub half_width: f64,
    /// Enough as well, where half the width is at most this: for what is about 0.
    #[serde(default = "floor")]
    pub floor: f64,
    /// Of these metrics; without any, of those that expectations are about.
    #[serde(default)]
    pub metrics: Vec<String>,
}

const fn seed() -> u64 {
    1
}
const fn least() -> u64 {
    30
}
const fn most() -> u64 {
    400
}
const fn half_width() -> f64 {
    0.02
}
const fn floor() -> f64 {
    0.005
}

impl Default for Repeat {
    fn default() -> Repeat {
        Repeat {
            seed: seed(),
            least: least(),
            most: most(),
            half_width: half_width(),
            floor: floor(),
            metrics: Vec::new(),
        }
    }
}

/// The small size: the same experiment on less.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct QuickSpec {
    /// How often each cell is repeated.
    repeat: Option<u64>,
    /// How many agents of each group are left, as a share: also of those that an axis sets.
    scale: Option<f64>,
    /// Paths below `[scenario]`, and what is there instead.
    #[serde(default)]
    set: Table,
    /// The points of an axis that are left, by the name of the axis.
    #[serde(default)]
    keep: Table,
}

/// What tables and plots are of.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// The metrics, in order; without any, those that expectations are about.
    #[serde(default)]
    pub metrics: Vec<String>,
    /// The axis to the right; the first of numbers, where nothing is given.
    pub x: Option<String>,
    /// The axis that makes lines; `policy` or the last of the others, where nothing is given.
    pub lines: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSpec {
    id: String,
    title: String,
    claim: String,
    expectation: String,
    #[serde(default)]
    #[allow(dead_code, reason = "read for its mistakes, with the lines they are on; cells are read from the table")]
    scenario: Scenario,
    #[serde(default)]
    vary: Vec<AxisSpec>,
    #[serde(default)]
    repeat: Repeat,
    #[serde(default)]
    quick: Option<QuickSpec>,
    #[serde(default)]
    show: Show,
    #[serde(default)]
    expect: Vec<ExpectSpec>,
}

/// What of a file is run: everything, where nothing is said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// The small size.
    pub quick: bool,
    /// Paths below `[scenario]`, and what is there instead: `path=value`.
    pub set: Vec<String>,
    /// Only cells there: `axis=point`, several by commas.
    pub cell: Option<String>,
    /// The seed of the first repetition.
    pub seed: Option<u64>,
    /// So many repetitions of each cell, whatever the intervals say.
    pub repeat: Option<u64>,
}

/// Where points of all axes meet, and the scenario there.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The point of each axis.
    pub points: Vec<usize>,
    /// `load=0.3, policy=published`; empty where nothing is varied.
    pub name: String,
    /// What is run.
    pub scenario: Scenario,
}

/// An experiment, ready to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// What it is called in tables and on the command line.
    pub id: String,
    /// What it is about, in some words.
    pub title: String,
    /// What the published text says.
    pub claim: String,
    /// What should come out, and when the claim would be wrong.
    pub expectation: String,
    /// What is varied.
    pub axes: Vec<Axis>,
    /// All cells, or those that were asked for.
    pub cells: Vec<Cell>,
    /// How often.
    pub repeat: Repeat,
    /// What tables and plots are of.
    pub show: Show,
    /// What must hold.
    pub expects: Vec<Expect>,
    /// How many expectations the small size leaves out, since it cannot tell.
    pub left_out: usize,
    /// How many are left out since the cells that they are of are not played.
    pub not_played: usize,
    /// What of its file is run.
    pub options: Options,
    /// What the command line calls it: its id, or the path of its file.
    pub source: String,
}

impl Experiment {
    /// Reads a file and checks all of it: every key, every axis, every expectation, and the scenario of every cell.
    ///
    /// Errors: the first mistake, with its line where the file has one, what is there and what may be.
    pub fn read(text: &str, options: &Options) -> Result<Experiment, ExperimentError> {
        let file: FileSpec = toml::from_str(text).map_err(|error| ExperimentError::File(error.to_string()))?;
        let whole: Table = toml::from_str(text).map_err(|error| ExperimentError::File(error.to_string()))?;
        let mut base = match whole.get("scenario") {
            Some(Value::Table(scenario)) => scenario.clone(),
            _ => Table::new(),
        };
        name_groups(&mut base);
        let axes = file.vary.into_iter().map(AxisSpec::read).collect::<Result<Vec<_>, _>>();
        let mut axes = axes.map_err(ExperimentError::Vary)?;
        for (position, axis) in axes.iter().enumerate() {
            if axes.iter().position(|other| other.name == axis.name) != Some(position) {
                return Err(ExperimentError::Vary(format!("the axis `{}` is there twice", axis.name)));
            }
        }
        super::vary::check_only(&axes).map_err(ExperimentError::Vary)?;
        let metrics: Vec<&str> = METRICS.iter().map(|metric| metric.name).collect();
        check_metrics(&file.show.metrics, &metrics).map_err(ExperimentError::Show)?;
        for name in file.show.x.iter().chain(&file.show.lines) {
            Place::find(&axes, [(name.as_str(), Vec::new())]).map_err(ExperimentError::Show)?;
        }
        // Against all points, so that a mistake is found whatever is run.
        let expects = read_expects(file.expect.clone(), &axes, &metrics)?;
        let mut repeat = file.repeat;
        let mut scale = 1.0;
        if options.quick {
            let quick = file.quick.ok_or_else(|| ExperimentError::Quick(NO_QUICK.into()))?;
            scale = quick.scale.unwrap_or(1.0);
            shrink(&mut base, &mut axes, &mut repeat, quick)?;
        }
        let all = expects.len();
        let expects = if options.quick {
            let kept = file.expect.into_iter().zip(expects).filter(|(_, expect)| expect.quick);
            read_expects(kept.map(|(spec, _)| spec.at_points_of(&axes)).collect(), &axes, &metrics)?
        } else {
            expects
        };
        apply_sets(&mut base, &axes, &options.set)?;
        repeat.seed = options.seed.unwrap_or(repeat.seed);
        if let Some(times) = options.repeat {
            (repeat.least, repeat.most) = (times, times);
        }
        check_repeat(&repeat, &metrics).map_err(ExperimentError::Repeat)?;
        let place = options.cell.as_deref().map_or(Ok(Place::default()), |text| parse_place(&axes, text));
        let cells = cells(&base, &axes, &place?, scale)?;
        let left_out = all - expects.len();
        let played: Vec<Vec<usize>> = cells.iter().map(|cell| cell.points.clone()).collect();
        let whole = super::vary::grid(&axes).map_err(ExperimentError::Vary)?;
        let kept = expects.len();
        let asked = expects.into_iter().filter(|expect| options.cell.is_none() || expect.is_asked(&played));
        let expects: Vec<Expect> =
            asked.map(|expect| Expect { in_part: !expect.is_whole(&played, &whole), ..expect }).collect();
        Ok(Experiment {
            source: file.id.clone(),
            id: file.id,
            title: file.title,
            claim: file.claim,
            expectation: file.expectation,
            axes,
            cells,
            repeat,
            show: file.show,
            left_out,
            not_played: kept - expects.len(),
            expects,
            options: options.clone(),
        })
    }

    /// The metrics whose intervals say whether there are repetitions enough.
    pub fn watched(&self) -> Vec<&str> {
        if self.repeat.metrics.is_empty() { self.expected() } else { names(&self.repeat.metrics) }
    }

    /// The metrics that tables and plots are of.
    pub fn shown(&self) -> Vec<&str> {
        if self.show.metrics.is_empty() { self.expected() } else { names(&self.show.metrics) }
    }

    /// The command that runs the same, but for the seed and the number of repetitions.
    pub fn command(&self) -> String {
        self.command_at(self.options.cell.as_deref().unwrap_or_default())
    }

    /// The command that plays one run again.
    pub(super) fn replay(&self, place: &str, seed: u64) -> String {
        format!("{} --seed {seed} --repeat 1", self.command_at(&place.replace(", ", ",")))
    }

    fn command_at(&self, place: &str) -> String {
        let mut command = format!("golem sim run {}", quoted(&self.source));
        if self.options.quick {
            command.push_str(" --quick");
        }
        for set in &self.options.set {
            command.push_str(&format!(" --set {}", quoted(set)));
        }
        if !place.is_empty() {
            command.push_str(&format!(" --cell {}", quoted(place)));
        }
        command
    }

    fn expected(&self) -> Vec<&str> {
        let mut all: Vec<&str> = Vec::new();
        for metric in self.expects.iter().flat_map(|expect| expect.quantity.metrics()) {
            if !all.contains(&metric) {
                all.push(metric);
            }
        }
        if all.is_empty() {
            let is_market = self.cells.iter().all(|cell| cell.scenario.verification.is_none());
            all.extend(USUAL[usize::from(!is_market)]);
        }
        all
    }
}

/// Groups that a file leaves out, or leaves without a name, are found by the name that they have all the same.
fn name_groups(base: &mut Table) {
    for side in ["providers", "requestors"] {
        let usual = || Value::Table(Table::from_iter([("name".to_owned(), Value::from(side))]));
        let groups = base.entry(side).or_insert_with(|| Value::Array(vec![usual()]));
        let unnamed = groups.as_array_mut().into_iter().flatten().filter_map(Value::as_table_mut);
        unnamed.for_each(|group| _ = group.entry("name").or_insert_with(|| Value::from(side)));
    }
}

/// As a shell takes it.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn names(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

fn check_metrics(wanted: &[String], known: &[&str]) -> Result<(), String> {
    match wanted.iter().find(|metric| !known.contains(&metric.as_str())) {
        Some(metric) => Err(format!("there is no metric `{metric}`; there are: {}", known.join(", "))),
        None => Ok(()),
    }
}

fn check_repeat(repeat: &Repeat, metrics: &[&str]) -> Result<(), String> {
    check_metrics(&repeat.metrics, metrics)?;
    if repeat.least == 0 || repeat.least > repeat.most || repeat.most > REPEAT_MAX {
        return Err(format!(
            "least is {} and most is {}; give 1 <= least <= most <= {REPEAT_MAX}",
            repeat.least, repeat.most
        ));
    }
    let ranges = [("half_width", repeat.half_width), ("floor", repeat.floor)];
    match ranges.iter().find(|(_, value)| !(value.is_finite() && *value >= 0.0)) {
        Some((name, value)) => Err(format!("{name} is {value}; give a number from 0 up")),
        None => Ok(()),
    }
}

fn read_expects(specs: Vec<ExpectSpec>, axes: &[Axis], metrics: &[&str]) -> Result<Vec<Expect>, ExperimentError> {
    let read = specs.into_iter().enumerate().map(|(position, spec)| {
        let text = spec.text().to_owned();
        spec.read(axes, metrics).map_err(|what| ExperimentError::Expect { number: position + 1, text, what })
    });
    read.collect()
}

/// The same with fewer agents; a group that has any keeps at least one.
fn scaled(mut scenario: Scenario, scale: f64) -> Scenario {
    let few = |count: u32| if count == 0 { 0 } else { ((f64::from(count) * scale).round() as u32).max(1) };
    for group in &mut scenario.providers {
        group.count = few(group.count);
        group.arrivals_per_day *= scale;
    }
    for group in &mut scenario.requestors {
        group.count = few(group.count);
    }
    scenario
}

fn shrink(base: &mut Table, axes: &mut [Axis], repeat: &mut Repeat, quick: QuickSpec) -> Result<(), ExperimentError> {
    if quick.scale.is_some_and(|scale| !(scale > 0.0 && scale <= 1.0)) {
        return Err(ExperimentError::Quick("scale is a share of the agents: give more than 0 and at most 1".into()));
    }
    for (path, value) in quick.set {
        set(base, &path, value).map_err(ExperimentError::Quick)?;
    }
    let wanted = quick.keep.iter().map(|(axis, points)| (axis.as_str(), super::expect::point_names(points)));
    let kept = Place::find(axes, wanted).map_err(ExperimentError::Quick)?;
    for (number, points) in kept.0 {
        if let Some(axis) = axes.get_mut(number) {
            let mut position = 0;
            axis.points.retain(|_| {
                position += 1;
                points.contains(&(position - 1))
            });
            if axis.points.is_empty() {
                return Err(ExperimentError::Quick(format!("`keep` leaves no point of the axis `{}`", axis.name)));
            }
        }
    }
    if let Some(times) = quick.repeat {
        (repeat.least, repeat.most) = (times, times);
    }
    Ok(())
}

/// Applies `path=value` of the command line.
fn apply_sets(base: &mut Table, axes: &[Axis], sets: &[String]) -> Result<(), ExperimentError> {
    let refuse = |what: String| Err(ExperimentError::Option(format!("--set {what}")));
    for text in sets {
        let Some((path, value)) = text.split_once('=') else {
            return refuse(format!("`{text}` has no `=`: write path=value, as in --set days=7"));
        };
        let (path, value) = (path.trim(), value.trim());
        let varies =
            |axis: &&Axis| axis.points.iter().flat_map(|point| &point.set).any(|(at, _)| is_replaced(base, path, at));
        if let Some(axis) = axes.iter().find(varies) {
            return refuse(format!("`{path}` is what the axis `{}` varies: use --cell {}=POINT", axis.name, axis.name));
        }
        // What is no number, list or truth value is text.
        let read: Result<Table, _> = toml::from_str(&format!("value = {value}"));
        let value = match read.ok().and_then(|mut table| table.remove("value")) {
            Some(value) => value,
            None => Value::String(value.to_owned()),
        };
        set(base, path, value).or_else(|what| refuse(format!("{text}: {what}")))?;
    }
    Ok(())
}

/// Reads `axis=point,axis=point`.
fn parse_place(axes: &[Axis], text: &str) -> Result<Place, ExperimentError> {
    let mut wanted: Vec<(&str, Vec<String>)> = Vec::new();
    for part in text.split(',') {
        let Some((axis, point)) = part.split_once('=') else {
            let what = format!("--cell `{text}`: write axis=point, several by commas, as in load=0.3,policy=published");
            return Err(ExperimentError::Option(what));
        };
        let (axis, point) = (axis.trim(), point.trim().to_owned());
        match wanted.iter_mut().find(|(name, _)| *name == axis) {
            Some((_, points)) => points.push(point),
            None => wanted.push((axis, vec![point])),
        }
    }
    Place::find(axes, wanted).map_err(|what| ExperimentError::Option(format!("--cell: {what}")))
}

fn cells(base: &Table, axes: &[Axis], place: &Place, scale: f64) -> Result<Vec<Cell>, ExperimentError> {
    let mut cells = Vec::new();
    for points in grid(axes).map_err(ExperimentError::Vary)? {
        let name = place_name(axes, &points, None);
        let refuse = |what: String| {
            let place = if name.is_empty() { "[scenario]".to_owned() } else { name.clone() };
            ExperimentError::Cell { place, what }
        };
        let mut table = base.clone();
        for (axis, point) in axes.iter().zip(&points) {
            for (path, value) in axis.points.get(*point).into_iter().flat_map(|point| &point.set) {
                set(&mut table, path, value.clone()).map_err(refuse)?;
            }
        }
        let scenario: Scenario = table.try_into().map_err(|error| refuse(error.to_string().trim().to_owned()))?;
        let scenario = scaled(scenario, scale);
        scenario.check().map_err(|error| refuse(error.to_string()))?;
        if place.has(&points) {
            cells.push(Cell { points, name, scenario });
        }
    }
    Ok(cells)
}
