//! What a run's counts come to.

use super::agents::*;
use super::scenario::*;
use super::tally::{OfBuyers, OfGroup, Tally};
use super::world::World;
use std::collections::BTreeMap;

/// Below this share of the work, cheats count as weeded out.
const WEEDED_OUT: f64 = 0.01;
/// Over this long. Reason: in a step of some hours they may have nothing by chance, or a hundredth by one subtask.
const WEEDED_OUT_HOURS: f64 = 24.0;
/// How near a price is to be to count as there.
const NEAR: f64 = 0.1;

type Metrics = BTreeMap<&'static str, f64>;

fn put(metrics: &mut Metrics, name: &'static str, value: Option<f64>) {
    if let Some(value) = value.filter(|value| value.is_finite()) {
        metrics.insert(name, value);
    }
}

fn share(part: f64, all: f64) -> Option<f64> {
    (all > 0.0).then(|| part / all)
}

impl World<'_> {
    pub(super) fn metrics(&mut self) -> Metrics {
        let mut metrics = Metrics::new();
        self.tally.of_all(&mut metrics, self.now);
        self.of_providers(&mut metrics);
        self.of_cheats(&mut metrics);
        self.of_requestors(&mut metrics);
        self.of_shock(&mut metrics);
        let of_concent = self.concent.iter().flat_map(|office| office.metrics(self.tally.total_paid));
        of_concent.for_each(|(name, value)| put(&mut metrics, name, value));
        self.of_metered(&mut metrics);
        put(&mut metrics, "profit_deviators_gnt_per_hour", self.of_deviators());
        metrics
    }

    /// What false reports of usage cost, and what is done about them.
    fn of_metered(&self, metrics: &mut Metrics) {
        let counts = &self.metered.counts;
        let (paid, honest) = (gnt(counts.paid), gnt(counts.honest));
        put(metrics, "overpaid_share", share(paid - honest, paid));
        put(metrics, "cost_over_honest", share(paid + counts.checked_gnt, counts.needed_gnt));
        put(metrics, "lies_found_share", share(counts.lies_found as f64, counts.lies as f64));
        put(metrics, "bans_honest_share", share(counts.bans_honest as f64, counts.bans as f64));
    }

    /// What those gain whose group deviates, on both sides together, for an hour of the run.
    fn of_deviators(&self) -> Option<f64> {
        let provider = |of: &&Machine| self.scenario.providers.get(of.group as usize).is_some_and(|of| of.deviates);
        let requestor = |of: &&Buyer| self.scenario.requestors.get(of.group as usize).is_some_and(|of| of.deviates);
        let profits: Vec<f64> = (self.agents.machines.iter().filter(provider).map(profit_of))
            .chain(self.agents.buyers.iter().filter(requestor).map(|of| of.value - gnt(of.spent)))
            .collect();
        share(profits.iter().sum(), profits.len() as f64 * self.end as f64 / MS_PER_HOUR)
    }

    /// Who gets the work and the money, among those that are honest.
    fn of_providers(&self, metrics: &mut Metrics) {
        let honest = || self.agents.machines.iter().filter(|of| of.behaviour == ProviderBehaviour::Honest);
        let merit: Vec<f64> = honest().map(|of| -of.cost_of_work()).collect();
        let work: Vec<f64> = honest().map(|of| of.busy_ms as f64 * of.speed).collect();
        let profit: Vec<f64> = honest().map(profit_of).collect();
        put(metrics, "merit_work_correlation", spearman(&merit, &work));
        put(metrics, "merit_profit_correlation", spearman(&merit, &profit));
        put(metrics, "work_gini", gini(&work));
        put(metrics, "profit_gini", gini(&profit));
        put(metrics, "profit_honest_gnt_per_hour", self.profit_per_hour(&mut honest()));
        put(metrics, "newcomer_wait_hours", self.tally.first_work.get());
        let (new, all) = (self.tally.newcomer_price.get(), self.tally.price.get());
        put(metrics, "newcomer_discount", new.zip(all).and_then(|(new, all)| share(all - new, all)));
    }

    /// What providers get that are not honest.
    fn of_cheats(&self, metrics: &mut Metrics) {
        let cheats = || self.agents.machines.iter().filter(|of| of.behaviour != ProviderBehaviour::Honest);
        if cheats().next().is_none() {
            return;
        }
        let groups: Vec<&OfGroup> = self
            .scenario
            .providers
            .iter()
            .zip(&self.tally.groups)
            .filter(|(group, _)| group.behaviour != ProviderBehaviour::Honest)
            .map(|(_, of)| of)
            .collect();
        let of_groups = |part: fn(&OfGroup) -> u64| groups.iter().map(|of| part(of)).sum::<u64>() as f64;
        let of_all = |part: fn(&OfGroup) -> u64| self.tally.groups.iter().map(part).sum::<u64>() as f64;
        put(metrics, "cheat_share", share(of_groups(|of| of.handed_out), of_all(|of| of.handed_out)));
        let late = share(of_groups(|of| of.last_quarter), of_all(|of| of.last_quarter));
        put(metrics, "cheat_share_last_quarter", late);
        let of_holders = self.scenario.providers.iter().zip(&self.tally.groups);
        let holds = |behaviour| {
            matches!(behaviour, ProviderBehaviour::Hold | ProviderBehaviour::WashTrade { wrong_results: false, .. })
        };
        let mut of_holders = of_holders.filter(|(group, _)| holds(group.behaviour)).peekable();
        if of_holders.peek().is_some() {
            let held = of_holders.map(|(_, of)| of.last_quarter).sum::<u64>() as f64;
            put(metrics, "hold_share_last_quarter", share(held, of_all(|of| of.last_quarter)));
        }
        put(metrics, "cheat_earned_gnt", Some(groups.iter().map(|of| gnt(of.earned)).sum()));
        put(metrics, "cheat_lost_hours", Some(groups.iter().map(|of| of.lost_hours).sum()));
        put(metrics, "cheat_failed", Some(of_groups(|of| of.failed)));
        put(metrics, "profit_cheat_gnt_per_hour", self.profit_per_hour(&mut cheats()));
        let (names, count) =
            cheats().fold((0u64, 0u64), |(names, count), of| (names + u64::from(of.identities), count + 1));
        put(metrics, "cheat_identities", share(names as f64, count as f64));
        let steps = groups.iter().map(|of| of.shares.len()).max().unwrap_or(0);
        let at = |step: usize| groups.iter().map(|of| of.shares.get(step).copied().unwrap_or(0.0)).sum::<f64>();
        let shares: Vec<f64> = (0..steps).map(at).collect();
        let hours = self.tally.step_ms as f64 / MS_PER_HOUR;
        let out = out_since(&shares, hours);
        put(metrics, "weeded_out", Some(f64::from(u8::from(out.is_some()))));
        put(metrics, "weed_out_hours", out.map(|step| step as f64 * hours));
        put(metrics, "identity_break_even_hours", self.identity_break_even());
        let first = shares.iter().position(|share| *share < WEEDED_OUT);
        let after = first.and_then(|first| shares.get(first..)).unwrap_or(&[]);
        put(metrics, "cheat_rebound", after.iter().copied().reduce(f64::max));
    }

    /// What a name would have to cost, in hours of work at the median cost, for who took several to earn what an honest
    /// machine does, if that changed nothing else. Everybody has the first for nothing.
    fn identity_break_even(&self) -> Option<f64> {
        let several =
            || self.agents.machines.iter().filter(|of| of.behaviour != ProviderBehaviour::Honest && of.identities > 1);
        let honest = || self.agents.machines.iter().filter(|of| of.behaviour == ProviderBehaviour::Honest);
        let (names, hours) = several().fold((0.0, 0.0), |(names, hours), of| {
            (names + f64::from(of.identities - 1), hours + self.hours_online(of))
        });
        let ahead = self.profit_per_hour(&mut several())? - self.profit_per_hour(&mut honest())?;
        Some(self.scenario.market.identity_cost_hours + share(ahead * hours, names * self.agents.median_cost)?)
    }

    /// Hours online, of all its slots.
    fn hours_online(&self, of: &Machine) -> f64 {
        (of.left.unwrap_or(self.end).min(self.end) - of.joined) as f64 / MS_PER_HOUR * f64::from(of.cores)
    }

    fn of_requestors(&self, metrics: &mut Metrics) {
        let honest = |of: &&Buyer| {
            let group = self.scenario.requestors.get(of.group as usize);
            group.is_some_and(|group| group.behaviour.is_honest())
        };
        let profit: f64 = self.agents.buyers.iter().filter(honest).map(|of| of.value - gnt(of.spent)).sum();
        let count = self.agents.buyers.iter().filter(honest).count();
        if let [first, .., last] = self.tally.buyers.as_slice() {
            let finished = |of: &OfBuyers| share(of.done as f64, (of.done + of.lost) as f64);
            put(metrics, "wait_first_s", first.wait.get());
            put(metrics, "wait_last_s", last.wait.get());
            put(metrics, "finished_first_share", finished(first));
            put(metrics, "finished_last_share", finished(last));
            let wrong = |of: &OfBuyers| share(of.wrong as f64, (of.done + of.wrong) as f64);
            put(metrics, "wrong_first_share", wrong(first));
            put(metrics, "wrong_last_share", wrong(last));
            put(metrics, "price_first_gnt", first.price.get());
            put(metrics, "price_last_gnt", last.price.get());
        }
        put(metrics, "profit_requestor_gnt_per_hour", share(profit, count as f64 * self.end as f64 / MS_PER_HOUR));
        let others = || self.agents.buyers.iter().filter(|of| !honest(of));
        if others().next().is_none() {
            return;
        }
        let done = |buyers: &mut dyn Iterator<Item = &Buyer>| buyers.map(|of| of.done).sum::<u64>() as f64;
        put(metrics, "deadbeat_share", share(done(&mut others()), done(&mut self.agents.buyers.iter())));
        let late: u64 = self.tally.groups.iter().map(|of| of.last_quarter).sum();
        put(metrics, "deadbeat_share_last_quarter", share(self.tally.deadbeat_last_quarter as f64, late as f64));
        let gains: f64 = others().map(|of| of.value - gnt(of.spent)).sum();
        put(
            metrics,
            "profit_deadbeat_gnt_per_hour",
            share(gains, others().count() as f64 * self.end as f64 / MS_PER_HOUR),
        );
    }

    /// Profit an hour online of one slot.
    fn profit_per_hour(&self, machines: &mut dyn Iterator<Item = &Machine>) -> Option<f64> {
        let sum = |(profit, hours), of: &Machine| (profit + profit_of(of), hours + self.hours_online(of));
        let (profit, hours) = machines.fold((0.0, 0.0), sum);
        share(profit, hours)
    }

    /// How the price follows the first change of the load or of the supply.
    fn of_shock(&self, metrics: &mut Metrics) {
        let series = |name| self.tally.series.iter().find(|series| series.name == name).map(|series| &series.points);
        if let Some(points) = series("price_over_competitive") {
            let end = self.now as f64 / MS_PER_HOUR;
            let settles = |from: f64, to: f64| settled(points, from, to, 1.0, NEAR);
            put(metrics, "price_entry_hours", settles(0.0, end));
            let after = points.iter().filter(|(hour, _)| *hour * MS_PER_HOUR >= self.tally.warmup as f64);
            let (near, all) = after
                .fold((0u32, 0u32), |(near, all), (_, price)| (near + u32::from((price - 1.0).abs() <= NEAR), all + 1));
            put(metrics, "price_near_share", share(f64::from(near), f64::from(all)));
        }
        let shock = self.scenario.shocks.iter().find(|shock| match shock.change {
            Change::LoadTimes(_) | Change::Outage(_) => true,
            Change::DayAndNight(_) => false,
        });
        let (Some(shock), Some(points)) = (shock, series("price")) else { return };
        let (from, to) = (shock.from_day * 24.0, shock.to_day.min(self.scenario.days) * 24.0);
        let mean = |from: f64, to: f64| {
            let within = points.iter().filter(|(hour, _)| *hour > from && *hour <= to);
            let (sum, count) = within.fold((0.0, 0.0), |(sum, count), (_, price)| (sum + price, count + 1.0));
            share(sum, count)
        };
        let before = mean(from - (to - from) / 4.0, from);
        let Some((before, level)) = before.zip(mean(to - (to - from) / 4.0, to)) else { return };
        put(metrics, "shock_price_ratio", share(level, before));
        put(metrics, "shock_settling_hours", settled(points, from, to, level, NEAR).map(|hour| hour - from));
        let within = points.iter().filter(|(hour, _)| *hour > from && *hour <= to).map(|(_, price)| *price);
        let furthest = if level >= before { within.reduce(f64::max) } else { within.reduce(f64::min) };
        let beyond = furthest.map(|price| (price - level).abs());
        put(metrics, "shock_overshoot", beyond.and_then(|beyond| share(beyond, level)));
    }
}

impl Tally {
    fn of_all(&mut self, metrics: &mut Metrics, now: u64) {
        let levels = self.levels(now);
        let start = self.at_warmup.unwrap_or((0.0, 0.0));
        let done = self.done_right + self.done_wrong;
        let mut put = |name, value| put(metrics, name, value);
        put("warmup_days", Some(self.warmup as f64 / MS_PER_DAY));
        put("surplus_gnt", Some(self.value - self.cost));
        put("extra_checks_gnt", Some(self.extra_checks));
        put("value_gnt", Some(self.value));
        put("cost_gnt", Some(self.cost));
        put("paid_gnt", Some(gnt(self.paid)));
        put("unpaid_gnt", Some(gnt(self.unpaid)));
        put("unpaid_share", share(gnt(self.unpaid), gnt(self.unpaid) + gnt(self.paid)));
        put("finished_share", share(self.done_right as f64, (done + self.lost) as f64));
        put("wrong_share", share(self.done_wrong as f64, done as f64));
        put("retries", share(self.failed as f64, done as f64));
        put("failed_hours", Some(self.failed_hours));
        put("utilisation", share(levels.1 - start.1, levels.0 - start.0));
        put("price_gnt", self.price.get());
        put("price_median_gnt", self.price_histogram.quantile(0.5));
        put("price_over_cost", self.price_over_cost.get());
        put("price_over_cost_median", self.over_cost_histogram.quantile(0.5));
        put("price_competitive_gnt", Some(self.competitive));
        put("price_over_competitive", self.price.get().and_then(|price| share(price, self.competitive)));
        put("wait_s", self.wait.get());
        put("makespan_over_ideal", self.makespan.get());
        put("subtasks", Some(self.subtasks as f64));
        put("subtasks_lost", Some(self.lost as f64));
        put("quotes", Some(self.quotes as f64));
        put("offers", Some(self.offers as f64));
        put("recheck_share", share(self.rechecks, self.results as f64));
        put("rerun_share", share(self.reruns as f64, self.results as f64));
        let (first, checking) = (gnt(self.paid) - self.copies_cost, self.checks_cost + self.copies_cost);
        put("checking_cost_share", share(checking, first));
        put("disputed_share", share(self.disputed as f64, done as f64));
        put("alone_share", share(self.alone as f64, done as f64));
        put("copies_share", share(self.copies as f64, self.results as f64));
        put("offers_taken_share", share(self.offers_taken as f64, self.offers as f64));
        put("messages", Some(self.messages as f64));
        put("events", Some(self.events as f64));
        for (name, count) in &self.refusals {
            put(name, Some(*count as f64));
        }
    }
}

/// The step from which on cheats had less than [`WEEDED_OUT`] over every [`WEEDED_OUT_HOURS`], one such time at least;
/// `None` where they had more in the last of them.
fn out_since(shares: &[f64], step_hours: f64) -> Option<usize> {
    let window = ((WEEDED_OUT_HOURS / step_hours).round() as usize).max(1);
    let mut since = None;
    for (first, shares) in shares.windows(window).enumerate() {
        let mean = shares.iter().sum::<f64>() / window as f64;
        since = if mean < WEEDED_OUT { since.or(Some(first)) } else { None };
    }
    since
}

/// Earned less spent and cost, in GNT.
pub(super) fn profit_of(of: &Machine) -> f64 {
    gnt(of.earned) - gnt(of.spent) - of.cost * of.busy_ms as f64 / MS_PER_HOUR
}

/// The hour from which on, until `to`, all points are within a share of a level; `None` where the last one is not.
fn settled(points: &[(f64, f64)], from: f64, to: f64, level: f64, near: f64) -> Option<f64> {
    let within = points.iter().filter(|(hour, _)| *hour > from && *hour <= to);
    within.fold(None, |since, (hour, value)| match (value - level).abs() <= near * level {
        true => since.or(Some(*hour)),
        false => None,
    })
}

/// The ranks of numbers, from 0; equal ones share the mean of theirs.
fn ranks(numbers: &[f64]) -> Vec<f64> {
    let mut order: Vec<(usize, f64)> = numbers.iter().copied().enumerate().collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut ranks = vec![0.0; numbers.len()];
    let mut first = 0;
    for equal in order.chunk_by(|a, b| a.1 == b.1) {
        let mean = first as f64 + (equal.len() - 1) as f64 / 2.0;
        for (index, _) in equal {
            if let Some(rank) = ranks.get_mut(*index) {
                *rank = mean;
            }
        }
        first += equal.len();
    }
    ranks
}

/// Spearman's rank correlation; `None` where one of the two is constant.
fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    let (a, b) = (ranks(a), ranks(b));
    let middle = (a.len() as f64 - 1.0) / 2.0;
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(&b) {
        ab += (a - middle) * (b - middle);
        aa += (a - middle) * (a - middle);
        bb += (b - middle) * (b - middle);
    }
    share(ab, libm::sqrt(aa * bb))
}

/// Gini's coefficient: 0 where all have the same, 1 where one has all. What is negative counts as nothing.
fn gini(numbers: &[f64]) -> Option<f64> {
    let mut sorted: Vec<f64> = numbers.iter().map(|number| number.max(0.0)).collect();
    sorted.sort_by(f64::total_cmp);
    let count = sorted.len() as f64;
    let total: f64 = sorted.iter().sum();
    let weighted: f64 = sorted.iter().enumerate().map(|(index, number)| (index as f64 + 1.0) * number).sum();
    share(2.0 * weighted, count * total).map(|gini| gini - (count + 1.0) / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_and_inequality_are_those_of_the_textbook() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), vec![2.5, 0.0, 2.5, 1.0]);
        assert_eq!(spearman(&[1.0, 2.0, 3.0], &[10.0, 20.0, 40.0]), Some(1.0));
        assert_eq!(spearman(&[1.0, 2.0, 3.0], &[5.0, 4.0, 1.0]), Some(-1.0));
        assert_eq!(spearman(&[1.0, 2.0], &[5.0, 5.0]), None);
        assert_eq!(gini(&[1.0, 1.0, 1.0, 1.0]), Some(0.0));
        assert_eq!(gini(&[0.0, 0.0, 0.0, 8.0]), Some(0.75));
    }

    #[test]
    fn cheats_are_out_once_no_day_gives_them_a_hundredth() {
        let day = |shares: [f64; 4]| shares.to_vec();
        let (much, little, one) = (day([0.5; 4]), day([0.001; 4]), day([0.0, 0.03, 0.0, 0.0]));
        assert_eq!(out_since(&[much.clone(), little.clone(), little.clone()].concat(), 6.0), Some(4));
        // One subtask in a step is no return, and one quiet step no end.
        assert_eq!(out_since(&[little.clone(), one, little.clone()].concat(), 6.0), Some(0));
        assert_eq!(out_since(&[much.clone(), vec![0.0]].concat(), 6.0), None);
        assert_eq!(out_since(&[little, much].concat(), 6.0), None);
        assert_eq!(out_since(&[0.0], 6.0), None);
    }

    #[test]
    fn has_settled_once_nothing_is_far_any_more() {
        let points = [(1.0, 5.0), (2.0, 1.0), (3.0, 2.0), (4.0, 1.05), (5.0, 0.95)];
        assert_eq!(settled(&points, 0.0, 5.0, 1.0, 0.1), Some(4.0));
        assert_eq!(settled(&points, 0.0, 3.0, 1.0, 0.1), None);
    }
}
