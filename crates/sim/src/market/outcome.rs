//! What a run came to.

use serde::{Deserialize, Deserializer, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// One of few, which live as long as the program.
pub type Name = &'static str;

/// What a run came to. The same scenario and seed give the same outcome, to the bit, on every machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunOutcome {
    /// By name; each is in [`METRICS`]. One that has no value in this run (a weeding-out time where there is no cheat) is
    /// not there.
    #[serde(deserialize_with = "by_name")]
    pub metrics: BTreeMap<Name, f64>,
    /// What changed over time.
    pub series: Vec<Series>,
    /// Some or all agents, providers first, in the order in which they joined.
    pub agents: Vec<AgentRow>,
    /// A sample of what happened to subtasks, in the order in which it did.
    pub events: Vec<EventRow>,
}

/// One number over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Which number.
    #[serde(deserialize_with = "name")]
    pub name: Name,
    /// Whose: the name of a group of the scenario, or "all".
    pub group: String,
    /// Its unit.
    #[serde(deserialize_with = "name")]
    pub unit: Name,
    /// The end of each step in hours since the start, and the number over that step.
    pub points: Vec<(f64, f64)>,
}

/// Which side of the market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Sells computing time.
    Provider,
    /// Buys it.
    Requestor,
}

/// How one agent fared, from start to end of the run (the warm-up too).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentRow {
    /// Which side.
    pub side: Side,
    /// Which group of its side in the scenario, from 0.
    pub group: u32,
    /// Its behaviour's name.
    #[serde(deserialize_with = "name")]
    pub behaviour: Name,
    /// Its policy's name.
    #[serde(deserialize_with = "name")]
    pub policy: Name,
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

/// What happens to a subtask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// It was agreed on.
    HandedOut,
    /// A right result was accepted.
    Accepted,
    /// A wrong result was accepted.
    AcceptedWrong,
    /// No result came, or none that was taken.
    Failed,
    /// Its voucher arrived.
    Paid,
}

impl EventKind {
    /// As it is written in tables.
    pub fn name(self) -> &'static str {
        match self {
            EventKind::HandedOut => "handed_out",
            EventKind::Accepted => "accepted",
            EventKind::AcceptedWrong => "accepted_wrong",
            EventKind::Failed => "failed",
            EventKind::Paid => "paid",
        }
    }
}

/// One thing that happened to a subtask.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRow {
    /// When, in hours since the start.
    pub hour: f64,
    /// What.
    pub kind: EventKind,
    /// With which provider: the number of its first name.
    pub provider: u32,
    /// Which group of providers in the scenario, from 0.
    pub group: u32,
    /// Its behaviour's name.
    #[serde(deserialize_with = "name")]
    pub behaviour: Name,
    /// Handed out: the price of an hour of work. Accepted: what the result is worth, less than nothing where it is wrong.
    /// Paid: how much. Failed: 0.
    pub gnt: f64,
    /// Handed out: how long it had waited. Failed: how long it was lost. Else 0.
    pub hours: f64,
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

fn name_of(text: String) -> Name {
    static NAMES: Mutex<BTreeSet<Name>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(name) = names.get(text.as_str()) {
        return name;
    }
    let name: Name = text.leak();
    names.insert(name);
    name
}

fn name<'de, D: Deserializer<'de>>(from: D) -> Result<Name, D::Error> {
    String::deserialize(from).map(name_of)
}

fn by_name<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<Name, f64>, D::Error> {
    let read = BTreeMap::<String, f64>::deserialize(from)?;
    Ok(read.into_iter().map(|(name, value)| (name_of(name), value)).collect())
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
    metric(
        "efficiency_net",
        "",
        Better::Higher,
        "efficiency, with what is run again beyond what tasks ask for, at the median cost of an hour",
    ),
    metric("surplus_share", "", Better::Higher, "surplus over that of the oracle, with the same arrivals"),
    metric("surplus_gnt", "GNT", Better::Higher, "value of right results less the cost of all busy machine time"),
    metric("surplus_oracle_gnt", "GNT", Better::Neither, "the surplus of the oracle with the same arrivals"),
    metric("surplus_random_gnt", "GNT", Better::Neither, "the surplus of a random choice with the same arrivals"),
    metric(
        "extra_checks_gnt",
        "GNT",
        Better::Lower,
        "cost of running again more results than tasks ask for, or less than nothing if fewer are",
    ),
    metric("value_gnt", "GNT", Better::Higher, "value of right results"),
    metric("cost_gnt", "GNT", Better::Lower, "cost of all busy machine time, waste included"),
    metric(
        "finished_share",
        "",
        Better::Higher,
        "right results, of all subtasks that were accepted or lost at a deadline",
    ),
    metric(
        "finished_first_share",
        "",
        Better::Higher,
        "the same for the first group of requestors, where there is another",
    ),
    metric(
        "finished_last_share",
        "",
        Better::Higher,
        "the same for the last group of requestors, where there is another",
    ),
    metric("wrong_share", "", Better::Lower, "wrong results, of those accepted"),
    metric(
        "wrong_first_share",
        "",
        Better::Lower,
        "the same for the first group of requestors, where there is another",
    ),
    metric("wrong_last_share", "", Better::Lower, "the same for the last group of requestors, where there is another"),
    metric("subtasks", "", Better::Neither, "subtasks asked for"),
    metric("subtasks_lost", "", Better::Lower, "subtasks still open at the deadline of their task"),
    metric("utilisation", "", Better::Neither, "busy slot hours over slot hours online"),
    metric("wait_s", "s", Better::Lower, "mean time from a task's first broadcast until a subtask was handed out"),
    metric("wait_first_s", "s", Better::Lower, "the same for the first group of requestors, where there is another"),
    metric("wait_last_s", "s", Better::Lower, "the same for the last group of requestors, where there is another"),
    metric(
        "makespan_over_ideal",
        "",
        Better::Lower,
        "time a task took, over the work of one subtask on the reference machine",
    ),
    metric("price_gnt", "GNT/h", Better::Neither, "mean price of work that takes the reference machine an hour"),
    metric(
        "price_median_gnt",
        "GNT/h",
        Better::Neither,
        "median price of work that takes the reference machine an hour",
    ),
    metric(
        "price_first_gnt",
        "GNT/h",
        Better::Neither,
        "mean price to the first group of requestors, where there is another",
    ),
    metric(
        "price_last_gnt",
        "GNT/h",
        Better::Neither,
        "mean price to the last group of requestors, where there is another",
    ),
    metric("price_over_cost", "", Better::Neither, "mean of price over what the work cost its provider"),
    metric("price_over_cost_median", "", Better::Neither, "median of price over what the work cost its provider"),
    metric(
        "price_competitive_gnt",
        "GNT/h",
        Better::Neither,
        "cost of that work at the machine that is just needed when the cheapest do all",
    ),
    metric("price_over_competitive", "", Better::Neither, "mean price over the competitive price"),
    metric("paid_gnt", "GNT", Better::Neither, "what requestors paid for work"),
    metric("unpaid_share", "", Better::Lower, "value of results used and not paid, of all results used"),
    metric(
        "price_entry_hours",
        "h",
        Better::Lower,
        "when the price came within 10 % of the competitive one for good, from the start",
    ),
    metric(
        "price_near_share",
        "",
        Better::Higher,
        "share of time in which the price is within 10 % of the competitive one",
    ),
    metric("shock_price_ratio", "", Better::Neither, "price at the end of the first shock over that before it"),
    metric(
        "shock_settling_hours",
        "h",
        Better::Lower,
        "until the price is within 10 % of where the first shock leaves it",
    ),
    metric("shock_overshoot", "", Better::Lower, "how far the price goes beyond that, over it"),
    metric("retries", "", Better::Lower, "subtasks handed out in vain for each that was accepted"),
    metric(
        "failed_hours",
        "h",
        Better::Lower,
        "time from hand-out until it was known that it was in vain, all together",
    ),
    metric(
        "merit_work_correlation",
        "",
        Better::Higher,
        "rank correlation of low cost of work with work done, honest providers, whole run",
    ),
    metric(
        "merit_profit_correlation",
        "",
        Better::Higher,
        "rank correlation of low cost of work with profit, honest providers, whole run",
    ),
    metric("work_gini", "", Better::Neither, "Gini coefficient of work done, honest providers, whole run"),
    metric(
        "profit_gini",
        "",
        Better::Neither,
        "Gini coefficient of profit, losses counting as 0, honest providers, whole run",
    ),
    metric(
        "profit_honest_gnt_per_hour",
        "GNT/h",
        Better::Neither,
        "profit of an honest provider's slot for an hour online, whole run",
    ),
    metric(
        "profit_cheat_gnt_per_hour",
        "GNT/h",
        Better::Lower,
        "the same of providers that are not honest, identities paid, whole run",
    ),
    metric(
        "profit_requestor_gnt_per_hour",
        "GNT/h",
        Better::Higher,
        "value less payments of an honest requestor, for an hour, whole run",
    ),
    metric(
        "profit_deadbeat_gnt_per_hour",
        "GNT/h",
        Better::Lower,
        "the same of requestors that are not honest, whole run",
    ),
    metric(
        "profit_deviators_gnt_per_hour",
        "GNT/h",
        Better::Neither,
        "profit of each agent of the groups that deviate, for an hour, whole run",
    ),
    metric(
        "deviation_gain",
        "",
        Better::Lower,
        "that profit over what the same agents gain with the same arrivals when they do as the others, less 1",
    ),
    metric(
        "newcomer_wait_hours",
        "h",
        Better::Lower,
        "from joining until the first work, of those that joined after the warm-up and got any",
    ),
    metric(
        "newcomer_discount",
        "",
        Better::Lower,
        "what they are paid less than the mean for the work of their first five subtasks, over the mean",
    ),
    metric(
        "identity_break_even_hours",
        "h",
        Better::Lower,
        "cost of a name, in hours of work at the median cost, at which who took several would earn what the honest do",
    ),
    metric("cheat_share", "", Better::Lower, "share of subtasks handed out to providers that are not honest"),
    metric("cheat_share_last_quarter", "", Better::Lower, "the same in the last quarter of the run"),
    metric(
        "hold_share_last_quarter",
        "",
        Better::Lower,
        "that share of providers that take work and never complete it, in the last quarter",
    ),
    metric(
        "cheat_rebound",
        "",
        Better::Lower,
        "the most that share was in a step after it had once been below 1 %, whole run",
    ),
    metric("weeded_out", "", Better::Higher, "1 where that share was below 1 % over the last day"),
    metric(
        "weed_out_hours",
        "h",
        Better::Lower,
        "after how long that share was below 1 % over every day to come, from the start",
    ),
    metric("cheat_earned_gnt", "GNT", Better::Lower, "what providers that are not honest were paid"),
    metric(
        "cheat_lost_hours",
        "h",
        Better::Lower,
        "time from hand-out to them until it was known that it was in vain, all together",
    ),
    metric("cheat_failed", "", Better::Lower, "subtasks handed out to them in vain"),
    metric("cheat_identities", "", Better::Neither, "names that each of them used, whole run"),
    metric(
        "deadbeat_share",
        "",
        Better::Lower,
        "share of results that went to requestors that are not honest, whole run",
    ),
    metric(
        "deadbeat_share_last_quarter",
        "",
        Better::Lower,
        "share of subtasks begun for them in the last quarter of the run",
    ),
    metric("recheck_share", "", Better::Lower, "results run again by their requestors, of those that came, whole run"),
    metric(
        "rerun_share",
        "",
        Better::Lower,
        "subtasks of others run again because they were published as wrong, of results that came, whole run",
    ),
    metric(
        "wrong_per_million",
        "",
        Better::Lower,
        "of a million accepted results, how many are wrong; verification only",
    ),
    metric(
        "extra_work",
        "",
        Better::Lower,
        "subtasks computed beyond the accepted ones, by workers and the requestor, over those; verification only",
    ),
    metric(
        "cheat_paid_share",
        "",
        Better::Lower,
        "what was paid for wrong results, of all that was paid; verification only",
    ),
    metric(
        "copied_share",
        "",
        Better::Lower,
        "results that a worker took from another in place of computing them, of all reported; verification only",
    ),
    metric("cheats_left", "", Better::Lower, "share of the cheats that still have work in the end; verification only"),
    metric(
        "overpaid_share",
        "",
        Better::Lower,
        "of what metered work cost, what was paid for usage that was not; metered only",
    ),
    metric(
        "cost_over_honest",
        "",
        Better::Lower,
        "what metered work cost, copies and own runs included, over what it costs once by its true usage; metered only",
    ),
    metric("lies_found_share", "", Better::Higher, "reports of too much usage that were found out; metered only"),
    metric(
        "bans_honest_share",
        "",
        Better::Lower,
        "of those banned for what they reported, who reported the truth; metered only",
    ),
    metric("warmup_days", "days", Better::Neither, "how much at the start is left out of the metrics"),
    metric(
        "checking_cost_share",
        "",
        Better::Lower,
        "what is run again, at the median cost of a machine, and copies beyond the first, over what first results are paid",
    ),
    metric(
        "disputed_share",
        "",
        Better::Neither,
        "subtasks that their requestor ran because copies differed, of all done",
    ),
    metric("alone_share", "", Better::Neither, "subtasks that it ran because the other copies did not come in time"),
    metric("copies_share", "", Better::Neither, "second copies of what was late, over results that came, whole run"),
    metric("offers_taken_share", "", Better::Neither, "offers that got work, of those made, whole run"),
    metric("claims", "", Better::Neither, "claims on deposits, whole run"),
    metric("claims_paid_share", "", Better::Neither, "what claims were paid, of what was claimed, whole run"),
    metric("disputes_cost_share", "", Better::Lower, "gas and fees of claims, over all that was paid, whole run"),
    metric("deposits_cost_share", "", Better::Lower, "interest and gas of deposits, over all that was paid, whole run"),
    metric("unpaid_gnt", "GNT", Better::Lower, "value of results used and not paid"),
    metric("quotes", "", Better::Neither, "prices asked of providers, whole run"),
    metric("offers", "", Better::Neither, "offers made, whole run"),
    metric("messages", "", Better::Neither, "headers, offers and gossip delivered, whole run"),
    metric("events", "", Better::Neither, "events of the simulation, whole run"),
    metric(
        "refused_price_above_max",
        "",
        Better::Neither,
        "no offer, or a refused one: the price is above the maximum; whole run",
    ),
    metric("refused_below_min_perf", "", Better::Neither, "no offer: the machine is too slow; whole run"),
    metric(
        "refused_below_quality_floor",
        "",
        Better::Neither,
        "offers refused for what is known of the provider; whole run",
    ),
    metric("refused_credit_exceeded", "", Better::Neither, "no offer: the requestor owes too much; whole run"),
    metric(
        "refused_uncovered",
        "",
        Better::Neither,
        "no offer, or no agreement: the requestor's deposit does not cover it; whole run",
    ),
    metric(
        "refused_strangers_unpaid",
        "",
        Better::Neither,
        "no offer: the last strangers did not pay, and this is another; whole run",
    ),
    metric("refused_otherwise", "", Better::Neither, "no offer or a refused one, for another reason; whole run"),
];
