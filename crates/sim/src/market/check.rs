//! Which scenarios make no sense, and why.

use super::eclipse::Eclipse;
use super::scenario::*;
use super::verification::{Cheating, Scheme, Verification};

/// A number of a scenario that cannot be. Nothing was run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {got}; set it to {allowed}")]
pub struct ScenarioError {
    /// Where it stands, as in the file: `providers[0].slots`.
    pub field: String,
    /// What stands there.
    pub got: String,
    /// What may.
    pub allowed: String,
}

/// The most open tasks that a provider remembers. Reason: as many headers as a node.
const MEMORY_MAX: u32 = 4_096;
/// The widest range of a positive number. Reason: money has 96 bits, and times of a run 63.
const POSITIVE: (f64, f64) = (1e-6, 1e6);

fn refuse(field: &str, got: impl ToString, allowed: impl ToString) -> Result<(), ScenarioError> {
    Err(ScenarioError { field: field.to_owned(), got: got.to_string(), allowed: allowed.to_string() })
}

fn range(field: &str, got: f64, (min, max): (f64, f64)) -> Result<(), ScenarioError> {
    if (min..=max).contains(&got) { Ok(()) } else { refuse(field, got, format!("a number from {min} to {max}")) }
}

fn share(field: &str, got: f64) -> Result<(), ScenarioError> {
    range(field, got, (0.0, 1.0))
}

impl Scenario {
    /// Whether the scenario can be run.
    ///
    /// Errors: the first field that cannot be, with what it may be.
    pub fn check(&self) -> Result<(), ScenarioError> {
        range("days", self.days, (0.001, DAYS_MAX))?;
        let warmup = self.warmup_days.days();
        if !(0.0..self.days).contains(&warmup) {
            return refuse("warmup_days", warmup, format!("at least 0 and less than the {} days", self.days));
        }
        range("step_hours", self.step_hours, (0.01, self.days * 24.0))?;
        if self.days * 24.0 / self.step_hours > 100_000.0 {
            return refuse("step_hours", self.step_hours, "at most 100,000 steps for the whole run");
        }
        self.market.check()?;
        let count = |counts: &mut dyn Iterator<Item = u32>| counts.map(u64::from).sum::<u64>();
        for (field, total) in [
            ("providers", count(&mut self.providers.iter().map(|group| group.count))),
            ("requestors", count(&mut self.requestors.iter().map(|group| group.count))),
        ] {
            if !(1..=u64::from(AGENTS_MAX)).contains(&total) {
                return refuse(field, format!("{total} agents in all"), format!("groups of 1 to {AGENTS_MAX} in all"));
            }
        }
        let names: [(&str, Vec<&str>); 2] = [
            ("providers", self.providers.iter().map(|group| group.name.as_str()).collect()),
            ("requestors", self.requestors.iter().map(|group| group.name.as_str()).collect()),
        ];
        for (field, names) in names {
            for (index, name) in names.iter().enumerate() {
                if names.iter().position(|other| other == name) != Some(index) {
                    return refuse(field, format!("two groups `{name}`"), "groups of different names");
                }
            }
        }
        for (index, group) in self.providers.iter().enumerate() {
            group.check(&format!("providers[{index}]"))?;
        }
        for (index, group) in self.requestors.iter().enumerate() {
            group.check(&format!("requestors[{index}]"))?;
            if let Some(eclipse) = &group.eclipse {
                eclipse.check(&format!("requestors[{index}].eclipse"), &self.providers)?;
            }
        }
        for (index, shock) in self.shocks.iter().enumerate() {
            shock.check(&format!("shocks[{index}]"), self.days)?;
        }
        self.verification.map_or(Ok(()), |verification| verification.check())
    }
}

impl Verification {
    fn check(&self) -> Result<(), ScenarioError> {
        let at = |name: &str| format!("verification.{name}");
        range(&at("workers"), f64::from(self.workers), (2.0, 100_000.0))?;
        range(&at("results"), f64::from(self.results), (1.0, 10_000_000.0))?;
        share(&at("cheats"), self.cheats)?;
        match self.scheme {
            Scheme::None | Scheme::Boinc => {}
            Scheme::Recheck { share: part } => share(&at("scheme.recheck.share"), part)?,
            Scheme::Redundancy { copies } => range(&at("scheme.redundancy.copies"), f64::from(copies), (2.0, 16.0))?,
            Scheme::Quorum { agree } => range(&at("scheme.quorum.agree"), f64::from(agree), (1.0, 16.0))?,
            Scheme::Adaptive { floor, paid_every } => {
                share(&at("scheme.adaptive.floor"), floor)?;
                range(&at("scheme.adaptive.paid_every"), f64::from(paid_every), (1.0, 1e4))?;
            }
            Scheme::Credibility { spot_checks, assumed, error_max } => {
                share(&at("scheme.credibility.spot_checks"), spot_checks)?;
                range(&at("scheme.credibility.assumed"), assumed, (0.0, 0.7))?;
                range(&at("scheme.credibility.error_max"), error_max, (1e-7, 1.0))?;
            }
        }
        match self.cheating {
            Cheating::Random { share: part }
            | Cheating::Colluding { share: part }
            | Cheating::Copying { share: part, .. } => share(&at("cheating.share"), part),
            Cheating::Sleeper { .. } | Cheating::OnOff { .. } => Ok(()),
        }
    }
}

impl MarketRules {
    fn check(&self) -> Result<(), ScenarioError> {
        range("market.reach", f64::from(self.reach), (1.0, f64::from(AGENTS_MAX)))?;
        range("market.offer_window_s", self.offer_window_s, (0.0, 86_400.0))?;
        range("market.offer_life_s", self.offer_life_s, (1.0, 86_400.0))?;
        range("market.rebroadcast_s", self.rebroadcast_s, (1.0, 86_400.0))?;
        range("market.memory", f64::from(self.memory), (1.0, f64::from(MEMORY_MAX)))?;
        range("market.latency_s", self.latency_s, (0.0, 3_600.0))?;
        share("market.loss", self.loss)?;
        range("market.identity_cost_hours", self.identity_cost_hours, (0.0, 1e6))?;
        for (name, got, allowed) in self.concent.iter().flat_map(|concent| concent.numbers()) {
            range(&format!("market.concent.{name}"), got, allowed)?;
        }
        match self.information {
            Information::Local | Information::Proofs | Information::Global | Information::Oracle => Ok(()),
            Information::Gossip { fanout } => {
                range("market.information.gossip.fanout", f64::from(fanout), (0.0, 10_000.0))
            }
            Information::Eigentrust { pretrusted, weight, every_hours } => {
                range("market.information.eigentrust.pretrusted", f64::from(pretrusted), (1.0, 10_000.0))?;
                range("market.information.eigentrust.weight", weight, (0.001, 1.0))?;
                range("market.information.eigentrust.every_hours", every_hours, (0.01, 1e5))
            }
        }
    }
}

impl ProviderGroup {
    fn check(&self, field: &str) -> Result<(), ScenarioError> {
        let at = |name: &str| format!("{field}.{name}");
        if self.name.is_empty() {
            return refuse(&at("name"), "empty", "a name");
        }
        self.speed.check(&at("speed"), POSITIVE)?;
        self.cost_gnt_per_hour.check(&at("cost_gnt_per_hour"), POSITIVE)?;
        self.slots.check(&at("slots"), (1.0, 64.0))?;
        range(&at("arrivals_per_day"), self.arrivals_per_day, (0.0, 1e6))?;
        if let Some(lifetime) = &self.lifetime_days {
            lifetime.check(&at("lifetime_days"), POSITIVE)?;
        }
        if let Some(stalls) = &self.stalls {
            share(&at("stalls.share"), stalls.share)?;
            stalls.times.check(&at("stalls.times"), (1.0, 1e6))?;
        }
        self.tuning.check(&at("tuning"))?;
        let at = |name: &str| format!("{field}.behaviour.{name}");
        match self.behaviour {
            ProviderBehaviour::Honest | ProviderBehaviour::Hold => Ok(()),
            ProviderBehaviour::CheatBenchmark { factor } => range(&at("factor"), factor, (1.0, 1_000.0)),
            ProviderBehaviour::Undercut { price_over_cost } => {
                range(&at("price_over_cost"), price_over_cost, (0.0, 1e3))
            }
            ProviderBehaviour::OnOff { period_hours, honest_share } => {
                range(&at("period_hours"), period_hours, (0.01, 1e5))?;
                share(&at("honest_share"), honest_share)
            }
            ProviderBehaviour::ExitScam { .. } => Ok(()),
            ProviderBehaviour::Whitewash { bad_subtasks, names_ahead, right_first, .. } => {
                range(&at("bad_subtasks"), f64::from(bad_subtasks), (1.0, 1e6))?;
                // What is done is counted by machine, and not by name.
                let names_max = if right_first > 0 { 0.0 } else { 1_000.0 };
                range(&at("names_ahead"), f64::from(names_ahead), (0.0, names_max))?;
                range(&at("right_first"), f64::from(right_first), (0.0, 1e6))
            }
            ProviderBehaviour::Sybil { identities, .. } => {
                range(&at("identities"), f64::from(identities), (1.0, 10_000.0))
            }
            ProviderBehaviour::WrongResults { share: part, .. }
            | ProviderBehaviour::AcceptThenCancel { share: part }
            | ProviderBehaviour::SelectiveFailure { share: part } => share(&at("share"), part),
            ProviderBehaviour::Cartel { floor_over_cost } => range(&at("floor_over_cost"), floor_over_cost, (0.0, 1e3)),
            ProviderBehaviour::WashTrade { per_day, .. } => range(&at("per_day"), per_day, (0.01, 10_000.0)),
            ProviderBehaviour::InflateUsage { factor, step_s } => {
                range(&at("factor"), factor, (1.0, 1e3))?;
                range(&at("step_s"), step_s, (0.0, 1e6))
            }
            ProviderBehaviour::UndercutBudget { price_over_cost, epsilon } => {
                range(&at("price_over_cost"), price_over_cost.unwrap_or(1.0), (0.0, 1e3))?;
                share(&at("epsilon"), epsilon)
            }
        }
    }
}

impl ProviderTuning {
    fn check(&self, field: &str) -> Result<(), ScenarioError> {
        let numbers = [
            ("min_price_over_cost", self.min_price_over_cost, (0.0, 1e3)),
            ("factor_start", self.factor_start, (0.001, 1_000.0)),
            ("factor_min", self.factor_min, (0.001, 1_000.0)),
            ("factor_max", self.factor_max, (0.001, 1_000.0)),
            ("idle_rate", self.idle_rate, (0.0, 0.01)),
            ("busy_rate", self.busy_rate, (0.0, 0.01)),
            ("margin_taken", self.margin_taken, (1.0, 2.0)),
            ("margin_not_taken", self.margin_not_taken, (0.1, 1.0)),
            ("credit_hours", self.credit_hours.map(f64::from), (1.0, 8_760.0)),
            ("payment_rate_min", self.payment_rate_min, (0.0, 1.0)),
        ];
        for (name, got, allowed) in numbers {
            if let Some(got) = got {
                range(&format!("{field}.{name}"), got, allowed)?;
            }
        }
        Ok(())
    }
}

impl RequestorGroup {
    fn check(&self, field: &str) -> Result<(), ScenarioError> {
        let at = |name: &str| format!("{field}.{name}");
        if self.name.is_empty() {
            return refuse(&at("name"), "empty", "a name");
        }
        match (self.load, self.tasks_per_day) {
            (Some(_), Some(_)) => return refuse(&at("load"), "set beside tasks_per_day", "one of the two, not both"),
            (Some(load), None) => range(&at("load"), load, (0.0, 10.0))?,
            (None, Some(tasks)) => range(&at("tasks_per_day"), tasks, (0.0, 1e6))?,
            (None, None) => {}
        }
        if self.arrival != ArrivalName::Poisson && (self.load.is_some() || self.tasks_per_day.is_some()) {
            return refuse(
                &at("arrival"),
                "set beside a rate of arrivals",
                "\"poisson\", or leave out load and tasks_per_day",
            );
        }
        range(&at("copies"), f64::from(self.copies), (1.0, f64::from(golem_deal::Checks::COPIES_MAX)))?;
        if self.copies > 1 && (self.hedge != super::hedge::Hedge::Off || self.defence != Defence::Recheck) {
            let allowed = "1, or neither second copies of what is late nor another defence beside it";
            return refuse(&at("copies"), self.copies, allowed);
        }
        if let Defence::Redundancy { copies } = self.defence {
            range(&at("defence.redundancy.copies"), f64::from(copies), (2.0, 16.0))?;
            if self.policy != RequestorPolicyName::Published {
                let allowed = "\"published\", the only policy that looks at what copies reported";
                return refuse(&at("policy"), self.policy.name(), allowed);
            }
        }
        range(&at("subtask_spread"), self.subtask_spread, (0.0, 2.0))?;
        self.subtasks.check(&at("subtasks"), (1.0, SUBTASKS_MAX))?;
        self.work_s.check(&at("work_s"), (0.001, 1e7))?;
        self.value_gnt_per_hour.check(&at("value_gnt_per_hour"), (0.0, 1e6))?;
        let (name, price) = match self.max_price {
            MaxPrice::OverCost(times) => ("over_cost", times),
            MaxPrice::OfValue(part) => ("of_value", part),
            MaxPrice::Fixed(gnt) => ("fixed", gnt),
        };
        range(&at(&format!("max_price.{name}")), price, POSITIVE)?;
        range(&at("timeout_factor"), self.timeout_factor, (0.001, 1e4))?;
        range(&at("min_perf"), self.min_perf, (0.0, 1e4))?;
        range(&at("deadline_timeouts"), self.deadline_timeouts, (1.0, 1e4))?;
        share(&at("check_rate"), self.check_rate)?;
        range(&at("payment_delay_min"), self.payment_delay_min, (0.0, 1e6))?;
        self.tuning.check(&at("tuning"))?;
        let at = |name: &str| format!("{field}.behaviour.{name}");
        match self.behaviour {
            RequestorBehaviour::Honest => Ok(()),
            RequestorBehaviour::NonPayer { share: part } | RequestorBehaviour::FalseRejecter { share: part } => {
                share(&at("share"), part)
            }
            RequestorBehaviour::LatePayer { days } => range(&at("days"), days, (0.0, DAYS_MAX)),
            RequestorBehaviour::TimeoutInflater { factor } => range(&at("factor"), factor, (0.001, 1e3)),
            RequestorBehaviour::Newcomer { tasks } | RequestorBehaviour::SybilNonPayer { tasks } => {
                range(&at("tasks"), f64::from(tasks), (1.0, 1e6))
            }
            RequestorBehaviour::Monopsonist { step, period_hours, taken_min } => {
                range(&at("step"), step, (0.001, 0.9))?;
                range(&at("period_hours"), period_hours, (0.01, 1e5))?;
                share(&at("taken_min"), taken_min)
            }
        }
    }
}

impl Eclipse {
    fn check(&self, field: &str, providers: &[ProviderGroup]) -> Result<(), ScenarioError> {
        if !providers.iter().any(|group| group.name == self.by) {
            let names: Vec<&str> = providers.iter().map(|group| group.name.as_str()).collect();
            let allowed = format!("the name of a group of providers: {}", names.join(", "));
            return refuse(&format!("{field}.by"), &self.by, allowed);
        }
        share(&format!("{field}.share"), self.share)
    }
}

impl RequestorTuning {
    fn check(&self, field: &str) -> Result<(), ScenarioError> {
        let numbers = [
            ("greed", self.greed, (0.0, 1e4)),
            ("quality_floor", self.quality_floor, (0.0, 1.0)),
            ("patience", self.patience, (0.0, 1e3)),
            ("distrust", self.distrust.map(f64::from), (1.0, 1e3)),
            ("alpha", self.alpha, (0.0, 1.0)),
            ("psi", self.psi, (0.0, 0.99)),
            ("trust_min", self.trust_min, (0.0, 1.0)),
            ("trust_max", self.trust_max, (0.0, 1.0)),
            ("prior_weight", self.prior_weight, (0.001, 1e3)),
            ("rejected_weight", self.rejected_weight, (0.0, 1e4)),
            ("probation", self.probation, (0.001, 10.0)),
            ("newcomers_bad", self.newcomers_bad, (0.001, 1.0)),
            ("learning", self.learning, (0.0, 1.0)),
            ("failure_cost", self.failure_cost, (0.0, 100.0)),
            ("time_cost", self.time_cost, (0.0, 100.0)),
            ("doubt_one_in", self.doubt_one_in.map(f64::from), (1.0, 1e9)),
        ];
        for (name, got, allowed) in numbers {
            if let Some(got) = got {
                range(&format!("{field}.{name}"), got, allowed)?;
            }
        }
        Ok(())
    }
}

impl Shock {
    fn check(&self, field: &str, days: f64) -> Result<(), ScenarioError> {
        range(&format!("{field}.from_day"), self.from_day, (0.0, days))?;
        range(&format!("{field}.to_day"), self.to_day, (self.from_day, f64::MAX))?;
        match self.change {
            Change::LoadTimes(times) => range(&format!("{field}.change.load_times"), times, (0.0, 100.0)),
            Change::Outage(part) => share(&format!("{field}.change.outage"), part),
            Change::DayAndNight(depth) => share(&format!("{field}.change.day_and_night"), depth),
        }
    }
}

impl Distribution {
    /// Whether numbers can be drawn, and are sure to be in a range where they can be known to be. What falls outside it is
    /// held at its ends when drawn.
    pub(super) fn check(&self, field: &str, allowed: (f64, f64)) -> Result<(), ScenarioError> {
        let at = |name: &str| format!("{field}.{name}");
        match self {
            Distribution::Fixed(value) => range(&at("fixed"), *value, allowed),
            Distribution::Choice { values, weights } => {
                if values.is_empty() {
                    return refuse(&at("choice.values"), "empty", "at least one number");
                }
                if !weights.is_empty() && weights.len() != values.len() {
                    let allowed = format!("as many as values, {}", values.len());
                    return refuse(&at("choice.weights"), format!("{} weights", weights.len()), allowed);
                }
                for value in values {
                    range(&at("choice.values"), *value, allowed)?;
                }
                for weight in weights {
                    range(&at("choice.weights"), *weight, (0.0, 1e9))?;
                }
                if !weights.is_empty() && weights.iter().sum::<f64>() <= 0.0 {
                    return refuse(&at("choice.weights"), "all 0", "at least one above 0");
                }
                Ok(())
            }
            Distribution::Uniform { min, max } => {
                range(&at("uniform.min"), *min, allowed)?;
                range(&at("uniform.max"), *max, (*min, allowed.1))
            }
            Distribution::Normal { mean, deviation, min } => {
                range(&at("normal.min"), *min, allowed)?;
                range(&at("normal.mean"), *mean, (*min, allowed.1))?;
                range(&at("normal.deviation"), *deviation, (0.0, allowed.1))
            }
            Distribution::Lognormal { median, sigma } => {
                range(&at("lognormal.median"), *median, (allowed.0.max(f64::MIN_POSITIVE), allowed.1))?;
                range(&at("lognormal.sigma"), *sigma, (0.0, 10.0))
            }
            Distribution::Exponential { mean } => range(&at("exponential.mean"), *mean, (POSITIVE.0, allowed.1)),
        }
    }
}
