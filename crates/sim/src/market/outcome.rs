//! What a run came to.

use serde::Serialize;
use std::collections::BTreeMap;

/// What a run came to. The same scenario and seed give the same outcome, to the bit, on every machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunOutcome {
    /// By name; each is in [`METRICS`]. One that has no value in this run (a weeding-out time where there is no cheat) is
    /// not there.
    pub metrics: BTreeMap<&'static str, f64>,
    /// What changed over time.
    pub series: Vec<Series>,
    /// Some or all agents, providers first, in the order in which they joined.
    pub agents: Vec<AgentRow>,
}

/// One number over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Series {
    /// Which number.
    pub name: &'static str,
    /// Whose: the name of a group of the scenario, or "all".
    pub group: String,
    /// Its unit.
    pub unit: &'static str,
    /// The end of each step in hours since the start, and the number over that step.
    pub points: Vec<(f64, f64)>,
}

/// Which side of the market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Sells computing time.
    Provider,
    /// Buys it.
    Requestor,
}

/// How one agent fared, from start to end of the run (the warm-up too).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AgentRow {
    /// Which side.
    pub side: Side,
    /// Which group of its side in the scenario, from 0.
    pub group: u32,
    /// Its behaviour's name.
    pub behaviour: &'static str,
    /// Its policy's name.
    pub policy: &'static str,
    /// In reference machines; 0 for a requestor.
    pub speed: f64,
    /// Of one busy slot; 0 for a requestor.
    pub cost_gnt_per_hour: f64,
    /// When it came, in hours.
    pub joined_h: f64,
    /// When it left, or the end of the run, in hours.
    pub left_h: f64,
    /// Subtasks that it did, or that were done for it, and accepted.
    pub subtasks_done: u64,
    /// Subtasks handed out that ended otherwise.
    pub subtasks_failed: u64,
    /// Hours of its slots in use; for a requestor, of others' slots with its work.
    pub busy_hours: f64,
    /// What it was paid; 0 for a requestor.
    pub earned_gnt: f64,
    /// What it paid for work and for identities.
    pub spent_gnt: f64,
    /// What its machine cost while busy; 0 for a requestor.
    pub cost_gnt: f64,
    /// Earned less spent and cost; for a requestor, the value of what was done less what it spent.
    pub profit_gnt: f64,
    /// How many names it has used.
    pub identities: u32,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// The more the better.
    Higher,
    /// The less the better.
    Lower,
    /// Neither: it describes.
    Neither,
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MetricInfo {
    /// Its name in [`RunOutcome::metrics`] and in tables.
    pub name: &'static str,
    /// Its unit; "" for a plain number or share.
    pub unit: &'static str,
    /// In words.
    pub meaning: &'static str,
    /// Which way is better.
    pub better: Better,
}

const fn metric(name: &'static str, unit: &'static str, better: Better, meaning: &'static str) -> MetricInfo {
    MetricInfo { name, unit, meaning, better }
}

/// Every metric. All are taken after the warm-up unless they say otherwise.
pub const METRICS: &[MetricInfo] = &[
    metric(
        "efficiency",
        "",
        Better::Higher,
        "(W - W_random) / (W_oracle - W_random), W the surplus; the same arrivals",
    ),
    metric("surplus_share", "", Better::Higher, "surplus over that of the oracle, with the same arrivals"),
    metric("surplus_gnt", "GNT", Better::Higher, "value of finished work less the cost of all busy machine time"),
    metric("surplus_oracle_gnt", "GNT", Better::Neither, "the surplus of the oracle with the same arrivals"),
    metric("surplus_random_gnt", "GNT", Better::Neither, "the surplus of a random choice with the same arrivals"),
    metric("finished_share", "", Better::Higher, "subtasks accepted, of those whose task came to its end"),
    metric("utilisation", "", Better::Neither, "busy slot hours over slot hours online"),
];
