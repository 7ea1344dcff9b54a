//! A task written down.

use crate::bundle::{SubtaskLimits, check_path};
use crate::template::Template;
use crate::verification::{CopyAddresses, Extras, FLOOR_PPM, Hedging, KNOWN_PPM_MAX, RECHECK_PPM, Verification};
use golem_protocol::{Address, ByteCount, Fuel, Pricing, Wei};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

mod error;

pub use error::ManifestError;

/// A task as its author describes it, checked.
///
/// Shape: TOML; a key that is not listed is refused.
///
/// ```toml
/// name = "thumbnails"                 # a name for people
/// module = "thumb.wasm"               # the program, beside this file
/// inputs = ["fonts/*.ttf"]            # files that every subtask finds in /in (patterns); may be left out
/// deadline_s = 3600                   # the task is given up after this; default 3600
///
/// [app]                               # may be left out: an app without an author costs no fee
/// author = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"   # who published the module in AppRegistry
/// max_fee_gnt = "0.01"                # the most for it, for each accepted subtask; without, nothing
///
/// [parameters]                        # values for {placeholders}, which `--NAME VALUE` replaces; may be left out
/// size = "128"
///
/// [files]                             # input files by a name, which `--NAME FILE` replaces; may be left out
/// market = "markets/example.csv"      # every subtask finds it in /in under its own name; {market} is its path there
///
/// [split]                             # exactly one of these
/// each = "photos/*.jpg"               # one subtask per file: {file} is its path in /in, {name} its name
/// # count = 10                        # that many subtasks, which differ by {index}
/// # list = ["a", "b"]                 # one subtask per {item}
/// # range = { from = 0, to = 100, step = 10 }   # one subtask per {item}, `to` left out
/// # args = ["split"]                  # run the module here with these; each line it prints is a subtask in JSON,
/// #                                   # {"name": "a", "args": ["tile", "0"]}
///
/// [subtask]                           # not with `split.args`, where the module gives the arguments itself
/// args = ["--size", "{size}", "{file}"]   # {index} {count} {name} and, as above, {file} {item} {parameters}
/// stdin = false                       # true: the file of `each` is standard input and not in /in
///
/// [output]
/// expect = ["thumb.png"]              # files every subtask must leave; without, whatever it leaves is taken
///
/// [merge]                             # may be left out: results stay apart
/// args = ["merge"]                    # run here with the results in /in/INDEX/
///
/// [preview]                           # may be left out: nothing to look at before the end
/// args = ["preview"]                  # run here now and then, with the results there are in /in/INDEX/
///
/// [verification]                      # may be left out
/// method = "recheck"                  # the default; or "none", "redundancy", "adaptive"
/// fraction = "0.05"                   # the share that is computed again here, default "0.1"; may be added to redundancy
/// # copies = 2                        # of redundancy: so many providers for each subtask, 2 or 3
/// # copy_addresses = "any"            # of redundancy: also providers at one address on the internet; or "distinct"
/// # floor = "0.01"                    # of adaptive: the least share
/// # known_answers = "0.02"            # the share of what is handed out whose result is known already; default none
/// # hedge = "cheap"                   # second copies of what somebody is late with: "off", "cheap" (one in 20), "on"
///
/// [limits]                            # of one subtask; all may be left out
/// fuel_max = 1_000_000_000_000
/// memory_mib = 1024
/// output_mib = 256
/// output_files_max = 4096
/// timeout_s = 600
///
/// [price]
/// max_gnt_per_hour = "0.5"            # the most for an hour of one machine's slot
/// budget_gnt = "10"                   # never passed
/// # pricing = "tender"               # what is paid: an hour's share for each subtask, however long it takes; or
///                                   # "metered", the fuel it burnt, at most that
/// # min_perf = 1_000_000_000          # no provider that does less fuel a second
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// A name for people.
    pub name: String,
    /// Where the module is, seen from the manifest.
    pub module: String,
    /// Patterns of files that every subtask finds in `/in`.
    pub inputs: Vec<String>,
    /// Values for placeholders.
    pub parameters: BTreeMap<String, String>,
    /// Input files by the name of their placeholder: where each is.
    pub files: BTreeMap<String, String>,
    /// How the work is cut.
    pub split: Split,
    /// The arguments of one subtask. Empty where the module splits.
    pub args: Vec<Template>,
    /// Whether the file of [`Split::Each`] is standard input.
    pub stdin: bool,
    /// Files that each subtask must leave.
    pub expect: Vec<String>,
    /// The arguments with which the module makes one result of all.
    pub merge: Option<Vec<Template>>,
    /// The arguments with which the module shows what there is before all is done.
    pub preview: Option<Vec<Template>>,
    /// How results are checked.
    pub verification: Verification,
    /// What is given out more than once besides.
    pub extras: Extras,
    /// When a subtask is stopped.
    pub limits: TaskLimits,
    /// What may be spent.
    pub price: Price,
    /// What is bought.
    pub purchase: Purchase,
    /// Whose app it is, where it is somebody's.
    pub app: Option<AppTerms>,
    /// After how many seconds the task is given up.
    pub deadline_s: u32,
}

/// How the work is cut into subtasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Split {
    /// One subtask per file of a pattern.
    Each(String),
    /// A number of subtasks that differ by their index.
    Count(u32),
    /// One subtask per item.
    Items(Vec<String>),
    /// The module prints the plan when run with these arguments.
    Module(Vec<Template>),
}

/// When a subtask is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskLimits {
    /// What is counted alike everywhere.
    pub subtask: SubtaskLimits,
    /// How long it may take on the provider's machine, in seconds.
    pub timeout_s: u32,
}

/// What may be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// The most for an hour of one slot.
    pub max_per_hour: Wei,
    /// The most for the whole task, values and fees together.
    pub budget: Wei,
}

/// What is bought, besides the most that it may cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purchase {
    /// What is paid for.
    pub pricing: Pricing,
    /// No offer of a slower machine is considered, in fuel per second; 0 where any will do.
    pub min_perf: u64,
}

/// Who published the module, and the most that its use may cost. What it does cost is in `AppRegistry`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppTerms {
    /// The author.
    pub author: Address,
    /// The most for each accepted subtask, on top of its value.
    pub fee_max: Wei,
}

impl Default for TaskLimits {
    /// 1e12 fuel, 1 GiB of memory, 256 MiB of output in 4096 files, ten minutes.
    fn default() -> TaskLimits {
        TaskLimits {
            subtask: SubtaskLimits {
                fuel_max: Fuel::from_units(1_000_000_000_000),
                memory_max: ByteCount::from_bytes(1 << 30),
                table_elements_max: 100_000,
                output_max: ByteCount::from_bytes(256 << 20),
                output_files_max: 4096,
            },
            timeout_s: 600,
        }
    }
}

/// Placeholders with a meaning of their own.
const RESERVED: [&str; 5] = ["index", "count", "name", "file", "item"];
/// The most subtasks of one task: what the protocol allows.
pub(crate) const SUBTASKS_MAX: u32 = golem_protocol::limits::SUBTASKS_PER_TASK_MAX;
const TIMEOUT_S_MAX: u32 = golem_protocol::limits::SUBTASK_TIMEOUT_S_MAX;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawManifest {
    name: String,
    module: String,
    #[serde(default)]
    inputs: Vec<String>,
    deadline_s: Option<i64>,
    app: Option<RawApp>,
    #[serde(default)]
    parameters: BTreeMap<String, String>,
    #[serde(default)]
    files: BTreeMap<String, String>,
    split: RawSplit,
    subtask: Option<RawSubtask>,
    #[serde(default)]
    output: RawOutput,
    merge: Option<RawMerge>,
    preview: Option<RawMerge>,
    verification: Option<RawVerification>,
    #[serde(default)]
    limits: RawLimits,
    price: RawPrice,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawApp {
    author: Address,
    max_fee_gnt: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSplit {
    each: Option<String>,
    count: Option<i64>,
    list: Option<Vec<String>>,
    range: Option<RawRange>,
    args: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRange {
    from: i64,
    to: i64,
    step: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSubtask {
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    stdin: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOutput {
    #[serde(default)]
    expect: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMerge {
    args: Vec<String>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawMethod {
    None,
    #[default]
    Recheck,
    Redundancy,
    Adaptive,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawHedge {
    Off,
    Cheap,
    On,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawVerification {
    #[serde(default)]
    method: RawMethod,
    fraction: Option<String>,
    copies: Option<u8>,
    copy_addresses: Option<CopyAddresses>,
    floor: Option<String>,
    known_answers: Option<String>,
    hedge: Option<RawHedge>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLimits {
    fuel_max: Option<i64>,
    memory_mib: Option<i64>,
    output_mib: Option<i64>,
    output_files_max: Option<i64>,
    timeout_s: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPrice {
    max_gnt_per_hour: String,
    budget_gnt: String,
    #[serde(default)]
    pricing: Pricing,
    min_perf: Option<i64>,
}

impl Manifest {
    /// Reads a manifest. Errors: the first thing that is wrong with it.
    pub fn parse(text: &str) -> Result<Manifest, ManifestError> {
        let raw: RawManifest = toml::from_str(text)
            .map_err(|error| ManifestError::Toml { reason: error.to_string().trim_end().to_owned() })?;
        path("module", &raw.module)?;
        for pattern in raw.inputs.iter().chain(&raw.split.each) {
            path("inputs", pattern)?;
        }
        for file in &raw.output.expect {
            path("output.expect", file)?;
        }
        for file in raw.files.values() {
            path("files", file)?;
        }
        let taken = |name: &&String| RESERVED.contains(&name.as_str()) || raw.parameters.contains_key(*name);
        let reserved = raw.parameters.keys().find(|name| RESERVED.contains(&name.as_str()));
        if let Some(name) = reserved.or_else(|| raw.files.keys().find(taken)) {
            return Err(ManifestError::ReservedParameter { name: name.clone() });
        }
        let split = split(raw.split)?;
        if matches!(split, Split::Module(_)) && raw.subtask.is_some() {
            let what = "[subtask] goes with no `split.args`: there the module gives the arguments; remove one of them";
            return Err(ManifestError::Conflict { what });
        }
        let checks = raw.verification.unwrap_or_default();
        let subtask = raw.subtask.unwrap_or(RawSubtask { args: Vec::new(), stdin: false });
        if subtask.stdin && !matches!(split, Split::Each(_)) {
            let what = "subtask.stdin needs `split.each`: only there a subtask has a file of its own";
            return Err(ManifestError::Conflict { what });
        }
        let min_perf = raw.price.min_perf.map(|got| number("price.min_perf", Some(got), 1, i64::MAX)).transpose()?;
        Ok(Manifest {
            name: raw.name,
            module: raw.module,
            inputs: raw.inputs,
            parameters: raw.parameters,
            files: raw.files,
            split,
            args: templates("subtask.args", &subtask.args)?,
            stdin: subtask.stdin,
            expect: raw.output.expect,
            merge: raw.merge.map(|merge| templates("merge.args", &merge.args)).transpose()?,
            preview: raw.preview.map(|preview| templates("preview.args", &preview.args)).transpose()?,
            verification: verification(&checks)?,
            extras: extras(&checks)?,
            limits: limits(&raw.limits)?,
            price: Price {
                max_per_hour: amount("price.max_gnt_per_hour", &raw.price.max_gnt_per_hour)?,
                budget: amount("price.budget_gnt", &raw.price.budget_gnt)?,
            },
            purchase: Purchase { pricing: raw.price.pricing, min_perf: min_perf.unwrap_or_default().unsigned_abs() },
            app: raw.app.map(app_terms).transpose()?,
            deadline_s: number("deadline_s", raw.deadline_s, 3600, u32::MAX.into())? as u32,
        })
    }

    /// Gives a parameter another value, or a file another place. Errors: there is none of this name.
    pub fn set_parameter(&mut self, name: &str, value: &str) -> Result<(), ManifestError> {
        match self.parameters.get_mut(name).or_else(|| self.files.get_mut(name)) {
            Some(have) => {
                *have = value.to_owned();
                Ok(())
            }
            None => {
                let mut names: Vec<&str> =
                    self.parameters.keys().chain(self.files.keys()).map(String::as_str).collect();
                names.sort_unstable();
                let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                Err(ManifestError::UnknownParameter { name: name.to_owned(), known })
            }
        }
    }

    /// The arguments with which the module is to be run to print the plan, where it is the module that splits.
    ///
    /// Errors: a placeholder without a value.
    pub fn split_args(&self) -> Result<Option<Vec<String>>, ManifestError> {
        let Split::Module(args) = &self.split else { return Ok(None) };
        self.fill("split.args", args, &self.values()).map(Some)
    }

    /// The arguments with which the module is to be run to show what there is before all is done, where it can.
    ///
    /// Errors: a placeholder without a value.
    pub fn preview_args(&self, subtasks: u32) -> Result<Option<Vec<String>>, ManifestError> {
        let Some(args) = &self.preview else { return Ok(None) };
        let mut values = self.values();
        values.insert("count", subtasks.to_string());
        self.fill("preview.args", args, &values).map(Some)
    }

    /// The parameters and files as values for placeholders.
    pub(crate) fn values(&self) -> BTreeMap<&str, String> {
        let parameters = self.parameters.iter().map(|(name, value)| (name.as_str(), value.clone()));
        // A file keeps its own name wherever it is taken from; a path of this machine shows nowhere.
        let own_name = |path: &str| path.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
        let files = self.files.iter().map(|(name, path)| (name.as_str(), format!("/in/{}", own_name(path))));
        parameters.chain(files).collect()
    }

    pub(crate) fn fill(
        &self,
        key: &'static str,
        templates: &[Template],
        values: &BTreeMap<&str, String>,
    ) -> Result<Vec<String>, ManifestError> {
        let filled = templates.iter().map(|template| template.fill(values));
        filled.collect::<Result<_, _>>().map_err(|error| ManifestError::Template { key, error })
    }
}

fn path(key: &'static str, path: &str) -> Result<(), ManifestError> {
    check_path(path).map_err(|fault| ManifestError::Path { key, path: path.chars().take(80).collect(), fault })
}

fn amount(key: &'static str, text: &str) -> Result<Wei, ManifestError> {
    let amount = Wei::parse_gnt(text).map_err(|error| ManifestError::Amount { key, error })?;
    if amount == Wei::ZERO {
        return Err(ManifestError::Number { key, got: 0, min: 1, max: i64::MAX });
    }
    Ok(amount)
}

fn share(key: &'static str, text: &str) -> Result<u32, ManifestError> {
    Verification::parse_fraction(text).map_err(|error| ManifestError::Fraction { key, error })
}

fn verification(raw: &RawVerification) -> Result<Verification, ManifestError> {
    let given = [raw.fraction.is_some(), raw.copies.is_some(), raw.floor.is_some()];
    let what = match (raw.method, given) {
        (RawMethod::None, [false, false, false])
        | (RawMethod::Recheck, [_, false, false])
        | (RawMethod::Redundancy, [_, true, false])
        | (RawMethod::Adaptive, [false, false, _]) => None,
        (RawMethod::None, _) => Some("[verification] of the method \"none\" goes without fraction, copies and floor"),
        (RawMethod::Recheck, _) => {
            Some("[verification] of the method \"recheck\", which it is without one, goes without copies and floor")
        }
        (RawMethod::Redundancy, _) => {
            Some("[verification] of the method \"redundancy\" needs copies, may have fraction, and no floor")
        }
        (RawMethod::Adaptive, _) => {
            Some("[verification] of the method \"adaptive\" may have floor, and neither fraction nor copies")
        }
    };
    if let Some(what) = what {
        return Err(ManifestError::Conflict { what });
    }
    let fraction_ppm = raw.fraction.as_deref().map(|text| share("fraction", text)).transpose()?;
    Ok(match raw.method {
        RawMethod::None => Verification::None,
        RawMethod::Recheck => Verification::Recheck { fraction_ppm: fraction_ppm.unwrap_or(RECHECK_PPM) },
        RawMethod::Redundancy => {
            Verification::redundancy(raw.copies.unwrap_or_default(), fraction_ppm.unwrap_or_default())?
        }
        RawMethod::Adaptive => {
            let floor = raw.floor.as_deref().map(|text| share("floor", text)).transpose()?;
            Verification::adaptive(floor.unwrap_or(FLOOR_PPM))?
        }
    })
}

fn extras(raw: &RawVerification) -> Result<Extras, ManifestError> {
    let known_ppm = raw.known_answers.as_deref().map(|text| share("known_answers", text)).transpose()?;
    let known_ppm = known_ppm.unwrap_or_default();
    if known_ppm > KNOWN_PPM_MAX {
        let what = "verification.known_answers is more than half of what is handed out: write 0.5 at most";
        return Err(ManifestError::Conflict { what });
    }
    let hedging = match raw.hedge {
        None | Some(RawHedge::Cheap) => Hedging::Cheap,
        Some(RawHedge::Off) => Hedging::Off,
        Some(RawHedge::On) => Hedging::On,
    };
    if raw.copy_addresses.is_some() && raw.method != RawMethod::Redundancy {
        let what = "verification.copy_addresses is about copies: it goes with method = \"redundancy\" only; remove it";
        return Err(ManifestError::Conflict { what });
    }
    Ok(Extras { copy_addresses: raw.copy_addresses, known_ppm, hedging })
}

fn app_terms(raw: RawApp) -> Result<AppTerms, ManifestError> {
    if raw.author == Address::ZERO {
        return Err(ManifestError::Conflict {
            what: "app.author is the zero address, which is nobody: leave [app] out",
        });
    }
    let fee_max = match &raw.max_fee_gnt {
        Some(text) => amount("app.max_fee_gnt", text)?,
        None => Wei::ZERO,
    };
    Ok(AppTerms { author: raw.author, fee_max })
}

fn number(key: &'static str, got: Option<i64>, default: i64, max: i64) -> Result<i64, ManifestError> {
    let got = got.unwrap_or(default);
    if got < 1 || got > max { Err(ManifestError::Number { key, got, min: 1, max }) } else { Ok(got) }
}

fn templates(key: &'static str, args: &[String]) -> Result<Vec<Template>, ManifestError> {
    let parsed = args.iter().map(|arg| Template::parse(arg));
    parsed.collect::<Result<_, _>>().map_err(|error| ManifestError::Template { key, error })
}

fn split(raw: RawSplit) -> Result<Split, ManifestError> {
    let most = i64::from(SUBTASKS_MAX);
    match (raw.each, raw.count, raw.list, raw.range, raw.args) {
        (Some(pattern), None, None, None, None) => Ok(Split::Each(pattern)),
        (None, Some(count), None, None, None) => Ok(Split::Count(number("split.count", Some(count), 1, most)? as u32)),
        (None, None, Some(items), None, None) => {
            number("the length of split.list", Some(items.len() as i64), 1, most)?;
            Ok(Split::Items(items))
        }
        (None, None, None, Some(RawRange { from, to, step }), None) => {
            let step = number("split.range.step", step, 1, i64::MAX)?;
            let count = (i128::from(to) - i128::from(from) + i128::from(step) - 1).div_euclid(step.into());
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            number("the length of split.range", Some(count), 1, most)?;
            Ok(Split::Items((0..count).map(|i| (from + i * step).to_string()).collect()))
        }
        (None, None, None, None, Some(args)) => Ok(Split::Module(templates("split.args", &args)?)),
        (each, count, list, range, args) => {
            let given = [each.is_some(), count.is_some(), list.is_some(), range.is_some(), args.is_some()];
            Err(ManifestError::Split { got: given.iter().filter(|given| **given).count() })
        }
    }
}

fn limits(raw: &RawLimits) -> Result<TaskLimits, ManifestError> {
    let default = TaskLimits::default();
    let mib = |bytes: ByteCount| (bytes.0 >> 20) as i64;
    let s = &default.subtask;
    Ok(TaskLimits {
        subtask: SubtaskLimits {
            fuel_max: Fuel::from_units(number("limits.fuel_max", raw.fuel_max, s.fuel_max.0 as i64, i64::MAX)? as u64),
            memory_max: ByteCount::from_bytes(
                (number("limits.memory_mib", raw.memory_mib, mib(s.memory_max), 4096)? as u64) << 20,
            ),
            table_elements_max: s.table_elements_max,
            output_max: ByteCount::from_bytes(
                (number("limits.output_mib", raw.output_mib, mib(s.output_max), 4096)? as u64) << 20,
            ),
            output_files_max: number(
                "limits.output_files_max",
                raw.output_files_max,
                s.output_files_max.into(),
                crate::bundle::FILES_MAX as i64,
            )? as u32,
        },
        timeout_s: number("limits.timeout_s", raw.timeout_s, default.timeout_s.into(), TIMEOUT_S_MAX.into())? as u32,
    })
}
