//! What is counted on the way, and what it comes to.

use super::agents::*;
use super::events::EventSample;
use super::outcome::{AgentRow, EventKind, RunOutcome, Series, Side};
use super::queue::Queue;
use super::scenario::*;
use super::table::Slab;
use super::world::World;
use golem_deal::OwnRunReason;
use golem_protocol::{RefusalReason, Wei};
use std::collections::BTreeMap;

/// A number that changes at moments, and its integral over time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Level {
    value: u64,
    since: u64,
    area: f64,
}

impl Level {
    pub(super) fn bring(&mut self, now: u64) {
        self.area += self.value as f64 * (now - self.since) as f64;
        self.since = now;
    }

    pub(super) fn add(&mut self, by: u64, now: u64) {
        self.bring(now);
        self.value += by;
    }

    fn take(&mut self, by: u64, now: u64) {
        self.bring(now);
        self.value -= by;
    }
}

/// Positive numbers in steps of 1 %, for medians.
#[derive(Clone, Debug, Default)]
pub(super) struct Histogram {
    counts: BTreeMap<i64, u64>,
    total: u64,
}

impl Histogram {
    pub(super) fn add(&mut self, number: f64) {
        let bucket = if number > 0.0 { (libm::log(number) * 100.0).floor() as i64 } else { i64::MIN };
        *self.counts.entry(bucket).or_default() += 1;
        self.total += 1;
    }

    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        let mut left = (self.total as f64 * share) as u64;
        for (bucket, count) in &self.counts {
            if left < *count {
                return Some(if *bucket == i64::MIN { 0.0 } else { libm::exp((*bucket as f64 + 0.5) / 100.0) });
            }
            left -= count;
        }
        None
    }
}

/// A mean.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mean {
    sum: f64,
    count: u64,
}

impl Mean {
    pub(super) fn add(&mut self, number: f64) {
        self.sum += number;
        self.count += 1;
    }

    pub(super) fn get(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

/// So many subtasks is a machine a newcomer for. Reason: the published rules start with five subtasks' worth of distrust.
const NEWCOMER_SUBTASKS: u32 = 5;

/// What is counted of one group of providers.
#[derive(Clone, Debug, Default)]
pub(super) struct OfGroup {
    pub handed_out: u64,
    pub step_handed_out: u64,
    pub last_quarter: u64,
    pub earned: Wei,
    pub step_earned: f64,
    pub lost_hours: f64,
    pub failed: u64,
    /// Its share of what was handed out, step by step.
    pub shares: Vec<f64>,
}

/// What is counted of one group of requestors.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OfBuyers {
    pub wait: Mean,
    pub price: Mean,
    pub done: u64,
    pub wrong: u64,
    pub lost: u64,
}

/// What is counted on the way.
pub(super) struct Tally {
    pub warmup: u64,
    pub last_quarter: u64,
    pub step_ms: u64,
    /// GNT for an hour of the reference machine at which the cheapest machines would just do all the work.
    pub competitive: f64,
    pub events: u64,
    pub messages: u64,
    pub quotes: u64,
    pub offers: u64,
    pub offers_taken: u64,
    /// Results that came, and how many of them are run again, as expected.
    pub results: u64,
    pub rechecks: f64,
    /// What was run again beyond what tasks ask for, in GNT.
    pub extra_checks: f64,
    /// All that is run again, at the median cost, and what was paid for copies beyond the first that was accepted, in GNT.
    pub checks_cost: f64,
    pub copies_cost: f64,
    /// Subtasks that requestors ran because providers differed, or because the others did not come.
    pub disputed: u64,
    pub alone: u64,
    /// Proofs of others that were run again.
    pub reruns: u64,
    /// Second copies given of what somebody was late with.
    pub copies: u64,
    pub burnt: Wei,
    pub refusals: BTreeMap<&'static str, u64>,
    pub groups: Vec<OfGroup>,
    pub buyers: Vec<OfBuyers>,
    pub subtasks: u64,
    pub lost: u64,
    pub done_right: u64,
    pub done_wrong: u64,
    pub value: f64,
    pub cost: f64,
    pub unpaid: Wei,
    pub paid: Wei,
    pub total_paid: Wei,
    pub price: Mean,
    pub price_over_cost: Mean,
    pub price_histogram: Histogram,
    pub over_cost_histogram: Histogram,
    pub wait: Mean,
    pub makespan: Mean,
    pub online: Level,
    pub computing: Level,
    pub at_warmup: Option<(f64, f64)>,
    pub at_step: (f64, f64),
    pub step_price: Mean,
    pub step_value: f64,
    pub step_cost: f64,
    /// Subtasks that wait for a machine.
    pub open: i64,
    /// Of requestors that are not honest, and of all: subtasks handed out in the last quarter.
    pub deadbeat_last_quarter: u64,
    pub failed_hours: f64,
    pub failed: u64,
    pub first_work: Mean,
    /// Of the first work of machines that joined after the warm-up.
    pub newcomer_price: Mean,
    pub series: Vec<Series>,
    pub sample: EventSample,
}

impl Tally {
    pub(super) fn new(scenario: &Scenario, agents: &Agents, competitive: f64, seed: u64) -> Tally {
        let mut tally = Tally {
            warmup: (scenario.warmup_days.days() * MS_PER_DAY) as u64,
            last_quarter: (scenario.days * MS_PER_DAY * 0.75) as u64,
            step_ms: ((scenario.step_hours * MS_PER_HOUR) as u64).max(1),
            competitive,
            events: 0,
            messages: 0,
            quotes: 0,
            offers: 0,
            offers_taken: 0,
            results: 0,
            rechecks: 0.0,
            extra_checks: 0.0,
            checks_cost: 0.0,
            copies_cost: 0.0,
            disputed: 0,
            alone: 0,
            reruns: 0,
            copies: 0,
            burnt: Wei::ZERO,
            refusals: BTreeMap::new(),
            groups: vec![OfGroup::default(); scenario.providers.len()],
            buyers: vec![OfBuyers::default(); scenario.requestors.len()],
            subtasks: 0,
            lost: 0,
            done_right: 0,
            done_wrong: 0,
            value: 0.0,
            cost: 0.0,
            unpaid: Wei::ZERO,
            paid: Wei::ZERO,
            total_paid: Wei::ZERO,
            price: Mean::default(),
            price_over_cost: Mean::default(),
            price_histogram: Histogram::default(),
            over_cost_histogram: Histogram::default(),
            wait: Mean::default(),
            makespan: Mean::default(),
            online: Level::default(),
            computing: Level::default(),
            at_warmup: None,
            at_step: (0.0, 0.0),
            step_price: Mean::default(),
            step_value: 0.0,
            step_cost: 0.0,
            open: 0,
            deadbeat_last_quarter: 0,
            failed_hours: 0.0,
            failed: 0,
            first_work: Mean::default(),
            newcomer_price: Mean::default(),
            series: all_series(scenario),
            sample: EventSample::new(seed, scenario.event_rows_max),
        };
        agents.machines.iter().for_each(|machine| tally.joined(machine, 0));
        tally
    }

    fn counts(&self, now: u64) -> bool {
        now >= self.warmup
    }

    pub(super) fn joined(&mut self, machine: &Machine, now: u64) {
        self.online.add(u64::from(machine.cores), now);
    }

    pub(super) fn left(&mut self, machine: &Machine, now: u64) {
        self.online.take(u64::from(machine.cores), now);
    }

    pub(super) fn refused(&mut self, reason: &RefusalReason) {
        let name = match reason {
            RefusalReason::PriceAboveMax { .. } => "refused_price_above_max",
            RefusalReason::BelowMinPerf { .. } => "refused_below_min_perf",
            RefusalReason::BelowQualityFloor => "refused_below_quality_floor",
            RefusalReason::CreditExceeded { .. } => "refused_credit_exceeded",
            RefusalReason::StrangersUnpaid { .. } => "refused_strangers_unpaid",
            _ => "refused_otherwise",
        };
        *self.refusals.entry(name).or_default() += 1;
    }

    /// A requestor's deposit is too small for what it asks for.
    pub(super) fn refused_uncovered(&mut self) {
        *self.refusals.entry("refused_uncovered").or_default() += 1;
    }

    /// A subtask was agreed, and waited so long for it.
    pub(super) fn handed_out(&mut self, machine: &Machine, price_of_work: f64, waited: u64, computes: bool, now: u64) {
        if computes {
            self.computing.add(1, now);
        }
        self.sample.saw(EventKind::HandedOut, machine, price_of_work, waited, now);
        self.open -= 1;
        self.step_price.add(price_of_work);
        if machine.taken < NEWCOMER_SUBTASKS && machine.joined >= self.warmup.max(1) {
            self.newcomer_price.add(price_of_work);
            if machine.taken == 0 {
                self.first_work.add((now - machine.joined) as f64 / MS_PER_HOUR);
            }
        }
        let (counts, late) = (self.counts(now), now >= self.last_quarter);
        if let Some(of) = self.groups.get_mut(machine.group as usize) {
            of.step_handed_out += 1;
            of.handed_out += u64::from(counts);
            of.last_quarter += u64::from(late);
        }
        if counts {
            let over_cost = price_of_work / machine.cost_of_work();
            self.price.add(price_of_work);
            self.price_histogram.add(price_of_work);
            self.price_over_cost.add(over_cost);
            self.over_cost_histogram.add(over_cost);
            self.wait.add(waited as f64 / MS_PER_S);
        }
    }

    /// What is counted of a group of requestors, where it counts already.
    pub(super) fn of_buyers(&mut self, group: u32, now: u64) -> Option<&mut OfBuyers> {
        let counts = self.counts(now);
        self.buyers.get_mut(group as usize).filter(|_| counts)
    }

    pub(super) fn slot_freed(&mut self, computed: bool, now: u64) {
        if computed {
            self.computing.take(1, now);
        }
    }

    /// A machine computed for so long.
    pub(super) fn worked(&mut self, machine: &Machine, took_ms: u64, now: u64) {
        let cost = machine.cost * took_ms as f64 / MS_PER_HOUR;
        self.step_cost += cost;
        if self.counts(now) {
            self.cost += cost;
        }
    }

    /// A result came that is run again with this chance.
    /// What is run again beyond what the task asks for costs its owner this much.
    pub(super) fn rechecked(&mut self, rate: f64, extra_cost: f64, cost: f64, now: u64) {
        self.results += 1;
        self.rechecks += rate;
        if self.counts(now) {
            self.extra_checks += extra_cost;
            self.checks_cost += cost;
        }
    }

    /// A requestor ran a subtask of which results differ, or the others did not come.
    pub(super) fn ran_itself(&mut self, reason: OwnRunReason, cost: f64, now: u64) {
        if !self.counts(now) {
            return;
        }
        self.extra_checks += cost;
        self.checks_cost += cost;
        match reason {
            OwnRunReason::Disputed => self.disputed += 1,
            _ => self.alone += 1,
        }
    }

    /// A copy was accepted of a subtask that had a result.
    pub(super) fn spare_copy(&mut self, value: Wei, now: u64) {
        if self.counts(now) {
            self.copies_cost += gnt(value);
        }
    }

    /// So many subtasks with several copies have no result in the end.
    pub(super) fn lost_of_copies(&mut self, subtasks: u32, now: u64) {
        if self.counts(now) {
            self.lost += u64::from(subtasks);
        }
    }

    pub(super) fn finished(&mut self, machine: &Machine, worth: f64, right: bool, now: u64) {
        let kind = if right { EventKind::Accepted } else { EventKind::AcceptedWrong };
        self.sample.saw(kind, machine, worth, 0, now);
        self.step_value += worth;
        if self.counts(now) {
            self.value += worth;
            self.done_right += u64::from(right);
            self.done_wrong += u64::from(!right);
        }
    }

    pub(super) fn failed(&mut self, machine: &Machine, lost_ms: u64, now: u64) {
        self.sample.saw(EventKind::Failed, machine, 0.0, lost_ms, now);
        if !self.counts(now) {
            return;
        }
        let hours = lost_ms as f64 / MS_PER_HOUR;
        self.failed += 1;
        self.failed_hours += hours;
        if let Some(of) = self.groups.get_mut(machine.group as usize) {
            of.failed += 1;
            of.lost_hours += hours;
        }
    }

    pub(super) fn paid(&mut self, machine: &Machine, value: Wei, now: u64) {
        self.sample.saw(EventKind::Paid, machine, gnt(value), 0, now);
        self.total_paid = self.total_paid.saturating_add(value);
        let counts = self.counts(now);
        if counts {
            self.paid = self.paid.saturating_add(value);
        }
        if let Some(of) = self.groups.get_mut(machine.group as usize) {
            of.step_earned += gnt(value);
            if counts {
                of.earned = of.earned.saturating_add(value);
            }
        }
    }

    pub(super) fn unpaid(&mut self, value: Wei, now: u64) {
        if self.counts(now) {
            self.unpaid = self.unpaid.saturating_add(value);
        }
    }

    pub(super) fn task_came(&mut self, open: u32, subtasks: u32, now: u64) {
        self.open += i64::from(open);
        if self.counts(now) {
            self.subtasks += u64::from(subtasks);
        }
    }

    /// A subtask is open again.
    pub(super) fn reopened(&mut self) {
        self.open += 1;
    }

    pub(super) fn lost(&mut self, subtasks: u32, now: u64) {
        self.open -= i64::from(subtasks);
        if self.counts(now) {
            self.lost += u64::from(subtasks);
        }
    }

    pub(super) fn task_over(&mut self, took: u64, ideal: u64, now: u64) {
        if self.counts(now) {
            self.makespan.add(took as f64 / ideal as f64);
        }
    }

    pub(super) fn levels(&mut self, now: u64) -> (f64, f64) {
        self.online.bring(now);
        self.computing.bring(now);
        (self.online.area, self.computing.area)
    }
}

/// The series that a run has, empty.
fn all_series(scenario: &Scenario) -> Vec<Series> {
    let series = |name, group: &str, unit| Series { name, group: group.to_owned(), unit, points: Vec::new() };
    let mut all = vec![
        series("price", "all", "GNT per hour of the reference machine"),
        series("utilisation", "all", ""),
        series("surplus", "all", "GNT"),
        series("online_slots", "all", ""),
        series("open_subtasks", "all", ""),
        series("price_over_competitive", "all", ""),
    ];
    for group in &scenario.providers {
        all.push(series("share_of_work", &group.name, ""));
        all.push(series("earned", &group.name, "GNT"));
    }
    all
}

impl World<'_> {
    /// The end of a step of the series.
    pub(super) fn step(&mut self) {
        let now = self.now;
        let hours = now as f64 / MS_PER_HOUR;
        let competitive = self.supply.marginal_cost(self.load_times());
        let tally = &mut self.tally;
        let levels = tally.levels(now);
        if now >= tally.warmup && tally.at_warmup.is_none() {
            tally.at_warmup = Some(levels);
        }
        let (online, computing) = (levels.0 - tally.at_step.0, levels.1 - tally.at_step.1);
        tally.at_step = levels;
        let handed_out: u64 = tally.groups.iter().map(|of| of.step_handed_out).sum();
        let mut points = vec![
            tally.step_price.get(),
            (online > 0.0).then(|| computing / online),
            Some(tally.step_value - tally.step_cost),
            Some(tally.online.value as f64),
            Some(tally.open as f64),
            tally.step_price.get().filter(|_| competitive > 0.0).map(|price| price / competitive),
        ];
        for of in &mut tally.groups {
            let share = of.step_handed_out as f64 / handed_out as f64;
            points.push((handed_out > 0).then_some(share));
            points.push(Some(of.step_earned));
            of.shares.push(if handed_out > 0 { share } else { 0.0 });
            (of.step_handed_out, of.step_earned) = (0, 0.0);
        }
        for (series, point) in tally.series.iter_mut().zip(points) {
            if let Some(point) = point {
                series.points.push((hours, point));
            }
        }
        tally.step_price = Mean::default();
        (tally.step_value, tally.step_cost) = (0.0, 0.0);
        self.queue.push(now + tally.step_ms, super::world::Event::Step);
    }

    /// Closes the books.
    pub(super) fn finish(mut self) -> RunOutcome {
        self.close_concent();
        // Nothing happens any more: room for the lists that metrics are computed from.
        (self.queue, self.tasks, self.runs) = (Queue::new(), Slab::new(), Slab::new());
        self.check_money();
        let metrics = self.metrics();
        RunOutcome { metrics, agents: self.rows(), series: self.tally.series, events: self.tally.sample.rows() }
    }

    /// Every wei that somebody spent was earned by somebody or is what identities cost.
    fn check_money(&self) {
        let sum = |amounts: &mut dyn Iterator<Item = Wei>| amounts.map(|amount| amount.0).sum::<u128>();
        let spent = sum(&mut self.agents.machines.iter().map(|of| of.spent))
            + sum(&mut self.agents.buyers.iter().map(|of| of.spent));
        let earned = sum(&mut self.agents.machines.iter().map(|of| of.earned));
        assert_eq!(spent, earned + self.tally.burnt.0, "money came or went");
        assert_eq!(earned, self.tally.total_paid.0, "vouchers and earnings differ");
        debug_assert!(self.agents.machines.iter().all(|of| of.market.check_invariants().is_empty()));
        debug_assert!(self.agents.buyers.iter().all(|of| of.market.check_invariants().is_empty()));
    }

    fn rows(&self) -> Vec<AgentRow> {
        let most = self.scenario.agent_rows_max.max(1);
        let hour = |ms: u64| ms as f64 / MS_PER_HOUR;
        let every = |count: u32| count.div_ceil(most).max(1) as usize;
        let machines = self.agents.machines.iter().step_by(every(self.agents.machines.len())).map(|of| {
            let (earned, spent, cost) = (gnt(of.earned), gnt(of.spent), of.cost * hour(of.busy_ms));
            AgentRow {
                side: Side::Provider,
                group: of.group,
                behaviour: of.behaviour.name(),
                policy: of.policy.name(),
                speed: of.speed,
                cost_gnt_per_hour: of.cost,
                joined_h: hour(of.joined),
                left_h: hour(of.left.unwrap_or(self.end)),
                subtasks_done: u64::from(of.done),
                subtasks_failed: u64::from(of.failed),
                busy_hours: hour(of.busy_ms),
                earned_gnt: earned,
                spent_gnt: spent,
                cost_gnt: cost,
                profit_gnt: earned - spent - cost,
                identities: of.identities,
            }
        });
        let buyers = self.agents.buyers.iter().step_by(every(self.agents.buyers.len())).map(|of| {
            let group = self.scenario.requestors.get(of.group as usize);
            AgentRow {
                side: Side::Requestor,
                group: of.group,
                behaviour: group.map_or("", |group| group.behaviour.name()),
                policy: group.map_or("", |group| group.policy.name()),
                speed: 0.0,
                cost_gnt_per_hour: 0.0,
                joined_h: 0.0,
                left_h: hour(self.end),
                subtasks_done: of.done,
                subtasks_failed: of.failed,
                busy_hours: hour(of.busy_ms),
                earned_gnt: 0.0,
                spent_gnt: gnt(of.spent),
                cost_gnt: 0.0,
                profit_gnt: of.value - gnt(of.spent),
                identities: of.identities,
            }
        });
        machines.chain(buyers).collect()
    }
}
