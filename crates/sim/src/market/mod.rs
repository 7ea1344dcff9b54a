//! The market with up to a million providers: the policies and the money that nodes use, with shortened messages.
//!
//! Start with [`run`]. A [`Scenario`] says who takes part and what befalls them; a [`RunOutcome`] is what came of it.
//!
//! ```text
//! Arrival -> Broadcast: `reach` names drawn --quote--> offers --window--> HandOut: rank --> runs, one for each free slot
//!               ^  again while subtasks are open                                             |
//!               |                                          SlotEnd: machine free, seeks      v
//!               +---- timed out, failed, rejected <---- Report <---- computes, holds or lies
//!                                                         | accepted
//!                                                         +--> Payment, in wei
//! ```
//!
//! Prices, scores, outcomes and credit are those of `golem-market`, values those of `golem-protocol`, each agent with
//! state of its own. Shortened: a header and its offers are one event, agreements are not declined but by a machine
//! without a free slot or credit, and channels always cover.
//!
//! Time is in whole milliseconds and ties go by order. Arrivals, tasks, machines and who hears of what are drawn by task
//! and machine and not in the order of events, so that two policies meet the same ones. No wei comes or goes: a run ends
//! with a check of that, and stops where it does not hold.

mod agents;
mod ahead;
mod books;
mod check;
mod concent;
mod copies;
mod eclipse;
mod eigentrust;
mod events;
mod hedge;
mod memory;
mod metered;
mod metrics;
mod monopsony;
mod names;
mod oracle;
mod outcome;
mod pricing;
mod promised;
mod queue;
mod sample;
mod scenario;
mod supply;
mod table;
mod tally;
mod tender;
mod verification;
mod warmup;
mod wash;
mod work;
mod world;

pub use check::ScenarioError;
pub use concent::ConcentRules;
pub use eclipse::Eclipse;
pub use hedge::{Hedge, Stalls};
pub use outcome::{AgentRow, Better, EventKind, EventRow, METRICS, MetricInfo, Name, RunOutcome, Series, Side};
pub use queue::Queue;
pub use scenario::*;
pub use verification::{Cheating, Scheme, Verification};

use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Purposes of random streams. A number here must never mean something else, or old seeds give another run.
const MACHINE: u32 = 100;
const BEHAVIOUR: u32 = 101;
const CHOICE: u32 = 102;
const ARRIVAL: u32 = 103;
const TASK: u32 = 104;
const REACH: u32 = 105;
const JOIN: u32 = 106;
const OUTAGE: u32 = 107;
const PART: u32 = 108;
const ECLIPSE: u32 = 109;
const ECLIPSED_NEWS: u32 = 110;
const TRUST: u32 = 111;
const WASH: u32 = 112;
const EVENTS: u32 = 113;
const COLLUDE: u32 = 114;

/// What a market is measured against: the surplus that somebody who knows everything would reach, and that of a choice at
/// random. It depends on who is there and what is asked for, not on the policies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Baselines {
    /// The surplus of [`Mechanism::Oracle`], in GNT.
    pub oracle_gnt: f64,
    /// The surplus of [`Mechanism::Random`], in GNT.
    pub random_gnt: f64,
}

/// Plays a scenario that passed [`Scenario::check`], and what it is measured against. `progress` is told the share of the
/// run that is done, rising to 1.
pub fn run(scenario: &Scenario, seed: u64, progress: &dyn Fn(f64)) -> RunOutcome {
    Measured::default().run(scenario, seed, progress)
}

/// What runs were measured against, played once for all scenarios for which it is the same.
#[derive(Default)]
pub struct Measured(Mutex<BTreeMap<(String, u64), Played>>);

/// Empty while it is played for the first time.
type Played = Arc<OnceLock<Baselines>>;

impl Measured {
    /// As [`run`].
    pub fn run(&self, scenario: &Scenario, seed: u64, progress: &dyn Fn(f64)) -> RunOutcome {
        if let Some(verification) = &scenario.verification {
            return verification::play(verification, seed);
        }
        let scenario = &warmup::settled(scenario, seed);
        let against = self.against(scenario, seed, &|share| progress(share * 0.5));
        run_against(scenario, seed, Some(against), &|share| progress(0.5 + share * 0.5))
    }

    fn against(&self, scenario: &Scenario, seed: u64, progress: &dyn Fn(f64)) -> Baselines {
        // All that it depends on; numbers are written so that they can be told apart.
        let key = (format!("{:?}", baseline_scenario(scenario, Mechanism::Random)), seed);
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone();
        // Who comes while another plays them waits for that.
        *known.get_or_init(|| baselines(scenario, seed, progress))
    }
}

/// As [`run`], with what it is measured against known already; without it, `efficiency` and its like are left out.
pub fn run_against(scenario: &Scenario, seed: u64, baselines: Option<Baselines>, progress: &dyn Fn(f64)) -> RunOutcome {
    let mut outcome = world::World::new(scenario, seed).play(progress);
    if let Some(conforming) = conforming_scenario(scenario) {
        let profit = |outcome: &RunOutcome| outcome.metrics.get("profit_deviators_gnt_per_hour").copied();
        let usual = profit(&world::World::new(&conforming, seed).play(&|_| {}));
        if let (Some(profit), Some(usual)) = (profit(&outcome), usual.filter(|usual| *usual > 0.0)) {
            outcome.metrics.insert("deviation_gain", profit / usual - 1.0);
        }
    }
    if let (Some(against), Some(&surplus)) = (baselines, outcome.metrics.get("surplus_gnt")) {
        outcome.metrics.insert("surplus_oracle_gnt", against.oracle_gnt);
        outcome.metrics.insert("surplus_random_gnt", against.random_gnt);
        if against.oracle_gnt > 0.0 {
            outcome.metrics.insert("surplus_share", surplus / against.oracle_gnt);
        }
        let room = against.oracle_gnt - against.random_gnt;
        if room > 0.0 {
            outcome.metrics.insert("efficiency", (surplus - against.random_gnt) / room);
            let extra = outcome.metrics.get("extra_checks_gnt").copied().unwrap_or(0.0);
            outcome.metrics.insert("efficiency_net", (surplus - extra - against.random_gnt) / room);
        }
    }
    outcome
}

/// Plays the two runs that a scenario is measured against, with the same machines and arrivals.
pub fn baselines(scenario: &Scenario, seed: u64, progress: &dyn Fn(f64)) -> Baselines {
    let surplus = |mechanism, progress: &dyn Fn(f64)| {
        let scenario = baseline_scenario(scenario, mechanism);
        run_against(&scenario, seed, None, progress).metrics.get("surplus_gnt").copied().unwrap_or(0.0)
    };
    Baselines {
        oracle_gnt: surplus(Mechanism::Oracle, &|share| progress(share * 0.5)),
        random_gnt: surplus(Mechanism::Random, &|share| progress(0.5 + share * 0.5)),
    }
}

/// The scenario in which those that deviate do what the first group of their side does; `None` where nobody deviates.
fn conforming_scenario(scenario: &Scenario) -> Option<Scenario> {
    let mut conforming = scenario.clone();
    let (provider, requestor) = (scenario.providers.first()?.clone(), scenario.requestors.first()?.clone());
    let mut any = false;
    for group in conforming.providers.iter_mut().filter(|group| group.deviates) {
        (group.behaviour, group.policy, group.tuning) = (provider.behaviour, provider.policy, provider.tuning);
        group.takes_first = provider.takes_first;
        any = true;
    }
    for group in conforming.requestors.iter_mut().filter(|group| group.deviates) {
        (group.behaviour, group.policy, group.tuning) = (requestor.behaviour, requestor.policy, requestor.tuning);
        (group.max_price, group.eclipse) = (requestor.max_price, requestor.eclipse.clone());
        any = true;
    }
    any.then_some(conforming)
}

/// What of a scenario the baselines depend on: two scenarios for which this is equal have the same ones for each seed.
pub fn baseline_scenario(scenario: &Scenario, mechanism: Mechanism) -> Scenario {
    let mut scenario = scenario.clone();
    scenario.market.mechanism = mechanism;
    scenario.market.concent = None;
    scenario.agent_rows_max = 1;
    scenario.event_rows_max = 0;
    for group in &mut scenario.providers {
        group.policy = ProviderPolicyName::Posted;
        group.tuning = ProviderTuning::default();
        group.takes_first = None;
    }
    for group in &mut scenario.requestors {
        group.policy = RequestorPolicyName::Random;
        group.hedge = Hedge::Off;
        group.copies = 1;
        group.tuning = RequestorTuning::default();
        group.eclipse = None;
        if let RequestorBehaviour::Monopsonist { .. } = group.behaviour {
            group.behaviour = RequestorBehaviour::Honest;
        }
        // The surplus is of work and not of what is paid for it.
        (group.pricing, group.defence) = (PricingName::Tender, Defence::Recheck);
    }
    scenario
}

#[cfg(test)]
mod metered_tests;
#[cfg(test)]
mod tests;
