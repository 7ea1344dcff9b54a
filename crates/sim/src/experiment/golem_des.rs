//! Scenarios of the older public simulator of the usage market, golem-des, as experiments of ours.
//!
//! Start with [`import`]. What such a file says is kept where there is a counterpart; what has none is said in
//! [`Imported::notes`], which the experiment carries along in its text.
//!
//! Source: the description of the format in golem-des' README. Prices there are GNT for a second of processor time, and a
//! usage factor is how many such seconds a machine takes for a second of nominal usage.

use super::stats::normal_quantile;
use crate::market::{
    ArrivalName, Defence, Distribution, MaxPrice, PricingName, ProviderBehaviour, ProviderGroup, RequestorGroup,
    RequestorPolicyName, Scenario,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The largest file that is read. Reason: each provider written down takes a group.
pub const IMPORT_BYTES_MAX: usize = 4 << 20;
/// The most groups that are made of a file. Reason: each has tables and series of its own.
const GROUPS_MAX: usize = 1_000;
/// Into how many equal parts a distribution is cut where only numbers can stand.
const PARTS_OF_GROUPS: u32 = 5;
/// The same for speeds, which are one over a usage factor.
const PARTS_OF_SPEEDS: u32 = 100;
/// No machine is faster than this.
const USAGE_FACTOR_MIN: f64 = 0.001;
const SECONDS_PER_HOUR: f64 = 3_600.0;
const SECONDS_PER_DAY: f64 = 86_400.0;
/// How often each scenario is played there, where nothing else is asked for.
const REPETITIONS: u64 = 100;

/// An experiment made of such a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The experiment's file.
    pub toml: String,
    /// What has no counterpart, or another meaning here.
    pub notes: Vec<String>,
}

/// Why a file cannot be read as such a scenario.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It is too long.
    #[error("the file has {got} bytes and may have {max}: put providers that are alike into `provider_sources`")]
    TooLong {
        /// How long it is.
        got: usize,
        /// How long it may be.
        max: usize,
    },
    /// It is no JSON, or a part of it is not as the format has it.
    #[error("it is no scenario of golem-des: {0}")]
    Format(String),
    /// It has nobody on one side.
    #[error("it has no {0}: give at least one")]
    Nobody(&'static str),
    /// It has too many entries.
    #[error("it makes {got} groups and at most {max} can be: put agents that are alike into a source")]
    TooMany {
        /// How many.
        got: usize,
        /// How many may be.
        max: usize,
    },
    /// It cannot be written as an experiment, or that is refused.
    #[error("what it says cannot be run here: {0}")]
    Refused(String),
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    seed: Option<u64>,
    duration: f64,
    #[serde(default)]
    providers: Vec<ProviderSpec>,
    #[serde(default, alias = "provider_source")]
    provider_sources: OneOrMany<ProviderSource>,
    #[serde(default)]
    requestors: Vec<RequestorSpec>,
    #[serde(default, alias = "requestor_source")]
    requestor_sources: OneOrMany<RequestorSource>,
    #[serde(default)]
    defence: Option<String>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

/// A list, or one without the brackets, as older files have it.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    Many(Vec<T>),
    One(T),
}

impl<T> Default for OneOrMany<T> {
    fn default() -> OneOrMany<T> {
        OneOrMany::Many(Vec::new())
    }
}

impl<T> OneOrMany<T> {
    fn as_slice(&self) -> &[T] {
        match self {
            OneOrMany::Many(many) => many,
            OneOrMany::One(one) => std::slice::from_ref(one),
        }
    }
}

#[derive(Deserialize)]
struct ProviderSpec {
    min_price: f64,
    usage_factor: f64,
    #[serde(default)]
    behaviour: Behaviour,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct ProviderSource {
    provider_count: u32,
    min_price: Numbers,
    usage_factor: Numbers,
    #[serde(default)]
    behaviour: Behaviour,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct RequestorSpec {
    max_price: f64,
    budget_factor: f64,
    tasks: Vec<TaskSpec>,
    #[serde(default)]
    repeating: bool,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct TaskSpec {
    subtask_count: u32,
    nominal_usage: Numbers,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct RequestorSource {
    requestor_count: u32,
    max_price: Numbers,
    budget_factor: Numbers,
    subtask_count: Numbers,
    nominal_usage: Numbers,
    #[serde(default = "yes")]
    repeating: bool,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

const fn yes() -> bool {
    true
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(untagged)]
enum Behaviour {
    #[default]
    Regular,
    Named(BehaviourName),
    WithNumber(BehaviourNumber),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BehaviourName {
    Regular,
    LinearUsageInflation,
    UndercutBudget,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BehaviourNumber {
    LinearUsageInflation(f64),
    UndercutBudget(f64),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Numbers {
    Fixed(f64),
    Choice(Vec<f64>),
    Uniform(f64, f64),
    LogNormal(f64, f64),
    Normal(f64, f64),
    Exp(f64),
}

impl Numbers {
    /// The same numbers times a factor, none below `least`.
    fn times(&self, factor: f64, least: f64) -> Distribution {
        let at = |value: f64| (value * factor).max(least);
        match self {
            Numbers::Fixed(value) => Distribution::Fixed(at(*value)),
            Numbers::Choice(values) => {
                Distribution::Choice { values: values.iter().copied().map(at).collect(), weights: Vec::new() }
            }
            Numbers::Uniform(min, max) => Distribution::Uniform { min: at(*min), max: at(*max) },
            Numbers::LogNormal(mean, deviation) => {
                Distribution::Lognormal { median: at(libm::exp(*mean)), sigma: *deviation }
            }
            Numbers::Normal(mean, deviation) => {
                Distribution::Normal { mean: at(*mean), deviation: deviation * factor, min: least }
            }
            Numbers::Exp(mean) => Distribution::Exponential { mean: at(*mean) },
        }
    }

    /// Numbers that stand for equal parts of the distribution.
    fn parts(&self, count: u32) -> Vec<f64> {
        let cut = |quantile: &dyn Fn(f64) -> f64| {
            (0..count).map(|part| quantile((f64::from(part) + 0.5) / f64::from(count))).collect()
        };
        // A deviation that cannot be makes every part the mean, and the experiment is refused for it elsewhere or not at all.
        let bell = |mean: f64, deviation: f64, share: f64| {
            if deviation > 0.0 { mean + deviation * normal_quantile(share) } else { mean }
        };
        match self {
            Numbers::Fixed(value) => vec![*value],
            Numbers::Choice(values) => values.clone(),
            Numbers::Uniform(min, max) => cut(&|share| min + (max - min) * share),
            Numbers::LogNormal(mean, deviation) => cut(&|share| libm::exp(bell(*mean, *deviation, share))),
            Numbers::Normal(mean, deviation) => cut(&|share| bell(*mean, *deviation, share)),
            Numbers::Exp(mean) => cut(&|share| -mean * libm::log(1.0 - share)),
        }
    }

    /// The speeds of machines that have these usage factors.
    fn speeds(&self) -> Distribution {
        let speed = |usage: f64| 1.0 / usage.max(USAGE_FACTOR_MIN);
        match self {
            Numbers::Fixed(usage) => Distribution::Fixed(speed(*usage)),
            Numbers::LogNormal(mean, deviation) => {
                Distribution::Lognormal { median: libm::exp(-mean), sigma: *deviation }
            }
            Numbers::Choice(_) | Numbers::Uniform(..) | Numbers::Normal(..) | Numbers::Exp(_) => Distribution::Choice {
                values: self.parts(PARTS_OF_SPEEDS).into_iter().map(speed).collect(),
                weights: Vec::new(),
            },
        }
    }
}

#[derive(Serialize)]
struct ExperimentFile {
    id: String,
    title: String,
    claim: String,
    expectation: String,
    repeat: RepeatTimes,
    quick: QuickTimes,
    show: ShowMetrics,
    scenario: Scenario,
}

#[derive(Serialize)]
struct RepeatTimes {
    seed: u64,
    least: u64,
    most: u64,
}

#[derive(Serialize)]
struct QuickTimes {
    repeat: u64,
}

#[derive(Serialize)]
struct ShowMetrics {
    metrics: Vec<&'static str>,
}

/// Makes an experiment of a scenario of golem-des. `id` is what it is called.
///
/// Errors: what is wrong with the file, or why it cannot be run here.
pub fn import(text: &str, id: &str) -> Result<Imported, ImportError> {
    if text.len() > IMPORT_BYTES_MAX {
        return Err(ImportError::TooLong { got: text.len(), max: IMPORT_BYTES_MAX });
    }
    let file: File = serde_json::from_str(text).map_err(|error| ImportError::Format(error.to_string()))?;
    let mut notes = Notes::of(&file);
    let providers = providers(&file);
    let defence = defence(file.defence.as_deref(), &mut notes);
    let requestors = requestors(&file, defence);
    for (what, none) in [("providers", providers.is_empty()), ("requestors", requestors.is_empty())] {
        if none {
            return Err(ImportError::Nobody(what));
        }
    }
    let got = providers.len() + requestors.len();
    if got > GROUPS_MAX {
        return Err(ImportError::TooMany { got, max: GROUPS_MAX });
    }
    let days = file.duration / SECONDS_PER_DAY;
    let mut scenario = Scenario {
        days,
        warmup_days: crate::market::Warmup::Days(0.0),
        step_hours: days * 24.0 / 100.0,
        providers,
        requestors,
        ..Scenario::default()
    };
    // Everybody hears of everything there.
    scenario.market.reach = crate::market::AGENTS_MAX;
    scenario.check().map_err(|error| ImportError::Refused(error.to_string()))?;
    let notes = notes.0;
    let experiment = ExperimentFile {
        id: id.to_owned(),
        title: format!("{id}, a scenario of golem-des"),
        claim: "None: a scenario says who takes part and not what should come out.".to_owned(),
        expectation: format!("None. What is otherwise here than in golem-des:\n- {}", notes.join("\n- ")),
        repeat: RepeatTimes { seed: file.seed.unwrap_or(1), least: REPETITIONS, most: REPETITIONS },
        quick: QuickTimes { repeat: 3 },
        show: ShowMetrics {
            metrics: vec![
                "paid_gnt",
                "overpaid_share",
                "cost_over_honest",
                "cheat_share",
                "cheat_share_last_quarter",
                "cheat_earned_gnt",
                "price_gnt",
                "finished_share",
                "retries",
                "utilisation",
            ],
        },
        scenario,
    };
    let toml = toml::to_string(&experiment).map_err(|error| ImportError::Refused(error.to_string()))?;
    Ok(Imported { toml, notes })
}

fn behaviour(of: Behaviour) -> ProviderBehaviour {
    let inflate = |step_s| ProviderBehaviour::InflateUsage { factor: 1.0, step_s };
    let undercut = |epsilon| ProviderBehaviour::UndercutBudget { price_over_cost: None, epsilon };
    match of {
        Behaviour::Regular | Behaviour::Named(BehaviourName::Regular) => ProviderBehaviour::Honest,
        Behaviour::Named(BehaviourName::LinearUsageInflation) => inflate(1.0),
        Behaviour::Named(BehaviourName::UndercutBudget) => undercut(0.0),
        Behaviour::WithNumber(BehaviourNumber::LinearUsageInflation(step_s)) => inflate(step_s),
        Behaviour::WithNumber(BehaviourNumber::UndercutBudget(epsilon)) => undercut(epsilon),
    }
}

fn providers(file: &File) -> Vec<ProviderGroup> {
    let group = |name: String, count, min_price: &Numbers, usage: &Numbers, of| {
        let mut group = ProviderGroup {
            name,
            count,
            behaviour: behaviour(of),
            speed: usage.speeds(),
            cost_gnt_per_hour: min_price.times(SECONDS_PER_HOUR, 1e-6),
            ..ProviderGroup::default()
        };
        // Nobody there stops working for who owes.
        (group.tuning.credit_hours, group.tuning.payment_rate_min) = (Some(8_760), Some(0.0));
        group
    };
    let single = (1..).zip(&file.providers).map(|(nth, of)| {
        let (price, usage) = (Numbers::Fixed(of.min_price), Numbers::Fixed(of.usage_factor));
        group(format!("provider-{nth}"), 1, &price, &usage, of.behaviour)
    });
    let sources = (1..).zip(file.provider_sources.as_slice()).map(|(nth, of)| {
        group(format!("providers-{nth}"), of.provider_count, &of.min_price, &of.usage_factor, of.behaviour)
    });
    single.chain(sources).collect()
}

fn defence(name: Option<&str>, notes: &mut Notes) -> Defence {
    match name {
        None | Some("redundancy") => Defence::Redundancy { copies: 2 },
        Some("lgrola") => Defence::Comparison,
        Some("ctasks") => {
            notes.add("the defence `ctasks`, ratings from all tasks of a requestor, is taken for `comparison`, bans of who is out of line");
            Defence::Comparison
        }
        Some(other) => {
            notes.add(&format!("the defence `{other}` is not known: `redundancy` is used"));
            Defence::Redundancy { copies: 2 }
        }
    }
}

fn requestors(file: &File, defence: Defence) -> Vec<RequestorGroup> {
    let group = |name: String, count, max_price: f64, budget_factor: f64, repeating| RequestorGroup {
        name,
        count,
        policy: RequestorPolicyName::Published,
        pricing: PricingName::Metered,
        defence,
        arrival: if repeating { ArrivalName::Repeating } else { ArrivalName::Once },
        max_price: MaxPrice::Fixed(max_price * SECONDS_PER_HOUR),
        timeout_factor: budget_factor,
        value_gnt_per_hour: Distribution::Fixed(max_price * SECONDS_PER_HOUR * budget_factor.max(1.0)),
        min_perf: 0.0,
        deadline_timeouts: 1e4,
        check_rate: 0.0,
        ..RequestorGroup::default()
    };
    let mut groups = Vec::new();
    for (nth, of) in (1..).zip(&file.requestors) {
        for (task, what) in (1..).zip(&of.tasks) {
            let name = format!("requestor-{nth}-task-{task}");
            let mut group = group(name, 1, of.max_price, of.budget_factor, of.repeating);
            group.subtasks = Distribution::Fixed(f64::from(what.subtask_count));
            group.work_s = what.nominal_usage.times(1.0, 0.001);
            groups.push(group);
        }
    }
    for (nth, of) in (1..).zip(file.requestor_sources.as_slice()) {
        let (prices, budgets) = (of.max_price.parts(PARTS_OF_GROUPS), of.budget_factor.parts(PARTS_OF_GROUPS));
        let cells: Vec<(f64, f64)> =
            prices.iter().flat_map(|price| budgets.iter().map(|budget| (*price, *budget))).collect();
        let (each, left) =
            (of.requestor_count as usize / cells.len().max(1), of.requestor_count as usize % cells.len().max(1));
        for (cell, (max_price, budget_factor)) in cells.into_iter().enumerate() {
            let count = (each + usize::from(cell < left)) as u32;
            if count > 0 {
                let name = format!("requestors-{nth}-{}", cell + 1);
                let mut group = group(name, count, max_price, budget_factor, of.repeating);
                group.subtasks = of.subtask_count.times(1.0, 1.0);
                group.work_s = of.nominal_usage.times(1.0, 0.001);
                groups.push(group);
            }
        }
    }
    groups
}

struct Notes(Vec<String>);

impl Notes {
    fn add(&mut self, note: &str) {
        if !self.0.iter().any(|known| known == note) {
            self.0.push(note.to_owned());
        }
    }

    fn unknown(&mut self, place: &str, rest: &BTreeMap<String, Value>) {
        for key in rest.keys().filter(|key| key.as_str() != "id") {
            self.add(&format!("`{key}` of {place} has no counterpart and is left out"));
        }
    }

    fn of(file: &File) -> Notes {
        let mut notes = Notes(Vec::new());
        notes.unknown("the file", &file.rest);
        file.providers.iter().for_each(|of| notes.unknown("a provider", &of.rest));
        file.provider_sources.as_slice().iter().for_each(|of| notes.unknown("a source of providers", &of.rest));
        file.requestors.iter().for_each(|of| {
            notes.unknown("a requestor", &of.rest);
            of.tasks.iter().for_each(|task| notes.unknown("a task", &task.rest));
        });
        file.requestor_sources.as_slice().iter().for_each(|of| notes.unknown("a source of requestors", &of.rest));
        for note in [
            "usage is fuel, the same on every machine: a usage factor is one over a machine's speed, and its time and not its usage",
            "a subtask ends at its timeout, the budget factor times its nominal usage, and not where its budget is used up",
            "the least price is what a machine costs as well, and a result is worth what its budget is at the maximal price",
            "prices follow thirst and work as the published tender has them, with our credit turned off",
        ] {
            notes.add(note);
        }
        if file.seed.is_none() {
            notes.add("no seed is given: it is 1, and not another one each time");
        }
        if file.requestors.iter().any(|of| of.tasks.len() > 1) {
            notes.add("the tasks of one requestor are bought by as many requestors, at the same time and not one after the other");
        }
        if !file.requestor_sources.as_slice().is_empty() || file.requestors.iter().any(|of| !of.tasks.is_empty()) {
            notes.add("a nominal usage is drawn once for each task, and not for each subtask");
        }
        let varied =
            |of: &RequestorSource| [&of.max_price, &of.budget_factor].iter().any(|of| !matches!(of, Numbers::Fixed(_)));
        if file.requestor_sources.as_slice().iter().any(varied) {
            notes.add("maximal prices and budget factors that are drawn there are spread evenly here, in groups");
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{Experiment, Options};

    const FILE: &str = include_str!("../../tests/golem_des.json");

    #[test]
    fn reads_a_scenario_and_plays_it() {
        let imported = import(FILE, "old").unwrap();
        let experiment = Experiment::read(&imported.toml, &Options { quick: true, ..Options::default() }).unwrap();
        let scenario = &experiment.cells[0].scenario;
        assert_eq!((experiment.repeat.seed, scenario.days), (7, 2.0));
        let names: Vec<&str> = scenario.providers.iter().map(|group| group.name.as_str()).collect();
        assert_eq!(names, ["provider-1", "provider-2", "providers-1", "providers-2"]);
        assert_eq!(scenario.providers[0].speed, Distribution::Fixed(2.0));
        assert_eq!(scenario.providers[0].behaviour, behaviour(Behaviour::Named(BehaviourName::UndercutBudget)));
        let Distribution::Fixed(cost) = scenario.providers[0].cost_gnt_per_hour else { panic!("a cost is drawn") };
        assert!((cost - 0.036).abs() < 1e-12);
        assert_eq!(scenario.providers[1].behaviour, ProviderBehaviour::InflateUsage { factor: 1.0, step_s: 5.0 });
        // One requestor with two tasks; a source with two budget factors, seven requestors in all.
        let counts: Vec<u32> = scenario.requestors.iter().map(|group| group.count).collect();
        assert_eq!(counts, [1, 1, 4, 3]);
        assert_eq!(scenario.requestors[0].arrival, ArrivalName::Once);
        assert_eq!(
            (scenario.requestors[2].arrival, scenario.requestors[2].timeout_factor),
            (ArrivalName::Repeating, 2.0)
        );
        assert!(imported.notes.iter().any(|note| note.contains("`colour` of a provider has no counterpart")));
        assert!(imported.notes.iter().any(|note| note.contains("at the same time and not one after the other")));
        assert!(experiment.expectation.contains("`colour`"));
        let outcome = crate::market::run_against(scenario, 7, None, &|_| {});
        assert!(outcome.metrics["overpaid_share"] > 0.0 && outcome.metrics["finished_share"] > 0.5);
        assert_eq!(outcome.metrics, crate::market::run_against(scenario, 7, None, &|_| {}).metrics);
    }

    #[test]
    fn a_usage_factor_is_one_over_a_speed() {
        assert_eq!(
            Numbers::Choice(vec![0.5, 4.0]).speeds(),
            Distribution::Choice { values: vec![2.0, 0.25], weights: vec![] }
        );
        let Distribution::Choice { values, .. } = Numbers::Uniform(0.0, 1.0).speeds() else { panic!("no choice") };
        assert_eq!(values.len(), 100);
        let mean = values.iter().map(|speed| 1.0 / speed).sum::<f64>() / 100.0;
        assert!((mean - 0.5).abs() < 1e-9, "{mean}");
        assert_eq!(Numbers::LogNormal(0.0, 1.0).speeds(), Distribution::Lognormal { median: 1.0, sigma: 1.0 });
        assert_eq!(Numbers::Fixed(0.0).speeds(), Distribution::Fixed(1_000.0));
    }

    #[test]
    fn says_what_is_wrong() {
        let error = |text: &str| import(text, "x").unwrap_err().to_string();
        assert!(error("{").starts_with("it is no scenario of golem-des"));
        assert!(error("{\"seed\": 1}").contains("duration"));
        assert_eq!(error("{\"duration\": 100}"), "it has no providers: give at least one");
        let one = "\"providers\": [{\"min_price\": 0.1, \"usage_factor\": 1}]";
        assert!(error(&format!("{{\"duration\": 100, {one}}}")).starts_with("it has no requestors"));
        let task = "\"requestors\": [{\"max_price\": 1, \"budget_factor\": 1, \"tasks\": [{\"subtask_count\": 1, \
                    \"nominal_usage\": {\"gamma\": 1}}]}]";
        assert!(error(&format!("{{\"duration\": 100, {one}, {task}}}")).contains("gamma"));
        let task = task.replace("gamma", "fixed");
        assert!(error(&format!("{{\"duration\": 1, {one}, {task}}}")).contains("days is"));
        let long = " ".repeat(IMPORT_BYTES_MAX + 1);
        assert!(error(&long).contains("put providers that are alike"));
        let many: Vec<&str> = vec!["{\"min_price\": 0.1, \"usage_factor\": 1}"; GROUPS_MAX];
        let many = format!("\"providers\": [{}]", many.join(","));
        assert!(error(&format!("{{\"duration\": 100, {many}, {task}}}")).starts_with("it makes 1001 groups"));
    }
}
