//! Metered work: what is reported as burnt, what it costs, and what requestors do about reports that are too high.
//!
//! Fuel is a property of the subtask and the same on every machine, so a false report is a lie that a second run finds. What
//! is due comes from the code that nodes use ([`metered_due`]), how fast machines say they are from its benchmark and then
//! from its memory of what it ran ([`Speeds`]).

use super::agents::*;
use super::scenario::*;
use super::table::Handle;
use super::world::World;
use crate::stream::{Draw, SmallStream};
use golem_market::{HeaderTerms, OfferTerms, Release, Speeds, UsageFactors, UsedTime};
use golem_protocol::{B256, ContentHash, Fuel, Pricing, Wei, metered_due};
use std::collections::{BTreeMap, VecDeque};

/// The program that everybody runs: there is one kind of work.
pub(super) const PROGRAM: ContentHash = ContentHash(B256::ZERO);
/// From how many providers on it can be said who is out of line.
const COMPARED_MIN: usize = 4;
/// How far above the upper quartile is out of line, in interquartile ranges.
///
/// Source: Tukey, Exploratory Data Analysis (1977).
const FENCE: f64 = 1.5;
/// After so many times out of line a ban grows no more. Reason: it is thousands of tasks by then.
const TIMES_MAX: u32 = 8;

/// What has to be remembered for metered work, and for tasks whose subtasks differ.
#[derive(Default)]
pub(super) struct Metered {
    /// What each run will cost; of metered ones, and of tasks that have a sheet.
    bills: BTreeMap<Handle, Bill>,
    /// Which subtasks of a task are open and what was reported; where that matters only.
    sheets: BTreeMap<Handle, Sheet>,
    /// What machines saw of their own speed; of those only that have done metered work.
    speeds: BTreeMap<u32, Speeds>,
    /// What requestors think of reports.
    books: BTreeMap<u32, UsageBook>,
    pub counts: MeteredCounts,
}

/// Sums over metered work, after the warm-up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MeteredCounts {
    /// What accepted work cost.
    pub paid: Wei,
    /// What it would have cost by its true usage, at the same prices.
    pub honest: Wei,
    /// The same, each subtask counted once however often it was bought, in GNT.
    pub needed_gnt: f64,
    /// What requestors' own machines computed again, at the median cost, in GNT.
    pub checked_gnt: f64,
    pub lies: u64,
    pub lies_found: u64,
    pub bans: u64,
    /// Of those who reported the truth.
    pub bans_honest: u64,
}

/// Which subtask a run is of, and how much work that is.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub index: u32,
    pub work_ms: u64,
}

/// What a run will cost.
#[derive(Clone, Copy)]
pub(super) struct Bill {
    part: Part,
    pricing: Pricing,
    /// What will be reported, and what is burnt.
    reported: Fuel,
    burnt: Fuel,
    /// What the report makes due, and what the truth would.
    pub due: Wei,
    honest: Wei,
}

struct Sheet {
    copies: u32,
    /// Numbers from 0: of the first copies of all subtasks, then of the second ones.
    open: VecDeque<u32>,
    /// Who has or had a copy of a subtask; where there are several only.
    holders: BTreeMap<u32, Vec<u32>>,
    reports: Vec<Reported>,
}

struct Reported {
    index: u32,
    name: u32,
    performance: u64,
    fuel: Fuel,
}

struct UsageBook {
    factors: UsageFactors,
    /// By name: how often it was out of line of late, and up to which of this requestor's tasks it gets no work.
    bans: BTreeMap<u32, (u32, u64)>,
    tasks_over: u64,
}

impl Default for UsageBook {
    fn default() -> UsageBook {
        // A requestor's own machine is the reference.
        UsageBook { factors: UsageFactors::new(REFERENCE_PERF as u64), bans: BTreeMap::new(), tasks_over: 0 }
    }
}

impl Metered {
    /// The fuel a second that a machine promises: what it saw, and before that its benchmark.
    pub(super) fn promised(&self, machine: u32, pricing: Pricing, benchmark: u64) -> u64 {
        match pricing {
            Pricing::Tender => benchmark,
            Pricing::Metered => self.speeds.get(&machine).map_or(benchmark, |speeds| speeds.of(&PROGRAM, benchmark)),
        }
    }

    /// A run came to its end on a machine.
    pub(super) fn ran(&mut self, machine: u32, run: Handle, took_ms: u64) {
        if let Some(bill) = self.bills.get(&run).filter(|bill| bill.pricing == Pricing::Metered) {
            self.speeds.entry(machine).or_default().ran(PROGRAM, bill.burnt, took_ms);
        }
    }

    /// Nothing more comes of a run.
    pub(super) fn forget(&mut self, run: Handle) {
        self.bills.remove(&run);
    }
}

/// The fuel of so much work.
pub(super) fn fuel_of(work_ms: u64) -> Fuel {
    Fuel((work_ms as f64 * (REFERENCE_PERF / MS_PER_S)) as u64)
}

impl RequestorGroup {
    /// How often each subtask is bought.
    pub(super) fn copies(&self) -> u32 {
        match (self.pricing, self.defence) {
            (PricingName::Metered, Defence::Redundancy { copies }) => copies,
            _ => self.copies,
        }
    }

    /// How many of them share what one result is worth: those that only tell who reports too much.
    pub(super) fn share_worth(&self) -> u32 {
        if self.copies > 1 { 1 } else { self.copies() }
    }

    fn compares(&self) -> bool {
        self.pricing == PricingName::Metered && self.defence == Defence::Comparison
    }
}

impl World<'_> {
    /// A task came: where its subtasks are told apart, its sheet is begun.
    pub(super) fn begin_sheet(&mut self, handle: Handle, group: &RequestorGroup) {
        let Some(task) = self.tasks.get(handle) else { return };
        if group.copies() > 1 || group.compares() || group.subtask_spread > 0.0 {
            let open = (0..task.total).collect();
            let sheet = Sheet { copies: group.copies(), open, holders: BTreeMap::new(), reports: Vec::new() };
            self.metered.sheets.insert(handle, sheet);
        }
    }

    /// The next subtask for a name: none that it has a copy of. `None` where there is no such.
    pub(super) fn take_part(&mut self, handle: Handle, name: u32) -> Option<Part> {
        let task = self.tasks.get(handle)?;
        let Some(sheet) = self.metered.sheets.get_mut(&handle) else {
            return Some(Part { index: 0, work_ms: task.work_ms });
        };
        let subtasks = (task.total / sheet.copies.max(1)).max(1);
        let (names, machine) = (&self.agents.names, self.agents.names[name]);
        // Nobody is asked twice, under whatever name.
        let is_same = |holder: &u32| names[*holder] == machine;
        let has = |index: &u32| sheet.holders.get(&(index % subtasks)).is_some_and(|names| names.iter().any(is_same));
        let place = sheet.open.iter().position(|index| !has(index))?;
        let index = sheet.open.remove(place)?;
        if sheet.copies > 1 {
            sheet.holders.entry(index % subtasks).or_default().push(name);
        }
        let spread = self.scenario.requestors.get(self.agents.buyers[task.buyer].group as usize)?.subtask_spread;
        let mut work_ms = task.work_ms;
        if spread > 0.0 {
            let mut draws = SmallStream::new(self.seed, super::PART, task.uid, u64::from(index % subtasks));
            // With a mean of 1, whatever the spread.
            work_ms = (work_ms as f64 * libm::exp(spread * draws.normal() - spread * spread / 2.0)).max(1.0) as u64;
        }
        Some(Part { index, work_ms })
    }

    /// Which subtask of a task with several copies a run is of.
    pub(super) fn subtask_of(&self, task: Handle, run: Handle) -> Option<u32> {
        let (bill, sheet) = (self.metered.bills.get(&run)?, self.metered.sheets.get(&task)?);
        let total = self.tasks.get(task)?.total;
        Some(bill.part.index % (total / sheet.copies.max(1)).max(1))
    }

    /// Takes out all copies of a subtask that are open; gives how many.
    pub(super) fn take_open(&mut self, handle: Handle, subtask: u32) -> u32 {
        let Some(total) = self.tasks.get(handle).map(|task| task.total) else { return 0 };
        let Some(sheet) = self.metered.sheets.get_mut(&handle) else { return 0 };
        let subtasks = (total / sheet.copies.max(1)).max(1);
        let before = sheet.open.len();
        sheet.open.retain(|index| index % subtasks != subtask);
        (before - sheet.open.len()) as u32
    }

    /// A subtask that was taken out is open again.
    pub(super) fn give_back(&mut self, handle: Handle, part: &Part, name: u32) {
        let Some(total) = self.tasks.get(handle).map(|task| task.total) else { return };
        let Some(sheet) = self.metered.sheets.get_mut(&handle) else { return };
        let subtasks = (total / sheet.copies.max(1)).max(1);
        if let Some(names) = sheet.holders.get_mut(&(part.index % subtasks)) {
            names.retain(|holder| *holder != name);
        }
        sheet.open.push_back(part.index);
    }

    /// The same for a run that brought nothing.
    pub(super) fn give_back_run(&mut self, run: Handle, task: Handle, name: u32) {
        if let Some(bill) = self.metered.bills.remove(&run) {
            self.give_back(task, &bill.part, name);
        }
    }

    /// What a run will cost: `budget` in a tender. The work is done in either case; a lie is in the report only.
    pub(super) fn bill(&self, machine: u32, part: Part, offer: &OfferTerms, terms: &HeaderTerms, budget: Wei) -> Bill {
        let (of, burnt) = (&self.agents.machines[machine], fuel_of(part.work_ms));
        let pricing = terms.pricing;
        if pricing == Pricing::Tender {
            return Bill { part, pricing, reported: burnt, burnt, due: budget, honest: budget };
        }
        // More than this costs no more.
        let room = offer.performance.saturating_mul(u64::from(terms.subtask_timeout_s));
        let reported = match of.behaviour {
            ProviderBehaviour::InflateUsage { factor, step_s } => {
                let steps = step_s * of.done as f64 * offer.performance as f64;
                ((burnt.0 as f64 * factor + steps) as u64).min(room).max(burnt.0)
            }
            ProviderBehaviour::UndercutBudget { epsilon, .. } => ((room as f64 * (1.0 - epsilon)) as u64).max(burnt.0),
            _ => burnt.0,
        };
        let due = |fuel| metered_due(offer.price, offer.performance, budget, fuel);
        Bill { part, pricing, reported: Fuel(reported), burnt, due: due(Fuel(reported)), honest: due(burnt) }
    }

    /// Keeps what a run will cost, where it may come to be something else than its value.
    pub(super) fn keep_bill(&mut self, run: Handle, task: Handle, bill: Bill) {
        if bill.pricing == Pricing::Metered || self.metered.sheets.contains_key(&task) {
            self.metered.bills.insert(run, bill);
        }
    }

    /// A result is run again with this chance: whether that finds a false report.
    pub(super) fn finds_lie(&mut self, run: Handle, buyer: u32, rate: f64) -> bool {
        let bill = self.metered.bills.get(&run).copied();
        let Some(bill) = bill.filter(|bill| bill.pricing == Pricing::Metered) else { return false };
        let counts = self.now >= self.tally.warmup;
        if counts {
            let hours = bill.part.work_ms as f64 / MS_PER_HOUR;
            self.metered.counts.checked_gnt += rate * hours * self.agents.median_cost;
        }
        if bill.reported == bill.burnt {
            return false;
        }
        let looks = self.group_of(buyer).is_some_and(|group| group.defence == Defence::Recheck);
        let found = looks && self.agents.buyers[buyer].draws.chance(rate);
        if counts {
            self.metered.counts.lies += 1;
            self.metered.counts.lies_found += u64::from(found);
        }
        found
    }

    /// A result is accepted: its run is worth what is due, and what that leaves of the budget is owed no more.
    pub(super) fn settle_bill(&mut self, handle: Handle) {
        let Some(bill) = self.metered.bills.remove(&handle) else { return };
        let Some(run) = self.runs.get_mut(handle) else { return };
        if bill.pricing == Pricing::Tender {
            return;
        }
        let unused = run.value.saturating_sub(bill.due);
        run.value = bill.due;
        let (buyer, machine, buyer_name, task) = (run.buyer, run.machine, run.buyer_name, run.task);
        let reported = Reported {
            index: bill.part.index,
            name: run.name,
            performance: run.offer.performance,
            fuel: bill.reported,
        };
        self.agents.machines[machine].market.released(&node(buyer_name), unused, Release::Unused);
        let copies = self.group_of(buyer).map_or(1, RequestorGroup::copies);
        if self.now >= self.tally.warmup {
            let counts = &mut self.metered.counts;
            counts.paid = counts.paid.saturating_add(bill.due);
            counts.honest = counts.honest.saturating_add(bill.honest);
            counts.needed_gnt += gnt(bill.honest) / f64::from(copies);
        }
        self.enter_report(task, buyer, copies, reported);
    }

    /// A report goes into its task's sheet. Once all copies of a subtask are there they are compared.
    fn enter_report(&mut self, task: Handle, buyer: u32, copies: u32, reported: Reported) {
        let Some(total) = self.tasks.get(task).map(|task| task.total) else { return };
        let Some(sheet) = self.metered.sheets.get_mut(&task) else { return };
        let subtasks = (total / copies.max(1)).max(1);
        let subtask = reported.index % subtasks;
        sheet.reports.push(reported);
        if copies < 2 {
            return;
        }
        let of_subtask = |report: &&Reported| report.index % subtasks == subtask;
        let used: Vec<UsedTime> = sheet.reports.iter().filter(of_subtask).map(used_time).collect();
        if used.len() == copies as usize {
            sheet.reports.retain(|report| report.index % subtasks != subtask);
            self.metered.books.entry(buyer).or_default().factors.compare(&used);
        }
    }

    /// A task is over: who reported far more than the others that worked on it is banned for a while.
    pub(super) fn end_sheet(&mut self, handle: Handle, buyer: u32) {
        let Some(sheet) = self.metered.sheets.remove(&handle) else { return };
        if !self.group_of(buyer).is_some_and(RequestorGroup::compares) {
            return;
        }
        let mut by_name: BTreeMap<u32, (f64, u32)> = BTreeMap::new();
        for report in &sheet.reports {
            let (sum, count) = by_name.entry(report.name).or_default();
            *sum += libm::log(report.fuel.0.max(1) as f64);
            *count += 1;
        }
        let means: Vec<(u32, f64)> =
            by_name.iter().map(|(name, (sum, count))| (*name, libm::exp(sum / f64::from(*count)))).collect();
        let book = self.metered.books.entry(buyer).or_default();
        book.tasks_over += 1;
        let Some(fence) = fence(means.iter().map(|(_, mean)| *mean).collect()) else { return };
        let now = book.tasks_over;
        for (name, mean) in means {
            let (times, until) = book.bans.entry(name).or_default();
            if mean <= fence {
                *times = times.saturating_sub(1);
                continue;
            }
            *times = (*times + 1).min(TIMES_MAX);
            *until = now + libm::exp(f64::from(*times)).ceil() as u64;
            if self.now >= self.tally.warmup {
                let lies = self.agents.machines[self.agents.names[name]].behaviour.inflates();
                self.metered.counts.bans += 1;
                self.metered.counts.bans_honest += u64::from(!lies);
            }
        }
    }

    /// Whether a requestor gives a name no work now for what it reported before.
    pub(super) fn is_banned(&self, buyer: u32, name: u32) -> bool {
        let Some(book) = self.metered.books.get(&buyer) else { return false };
        book.bans.get(&name).is_some_and(|(_, until)| book.tasks_over < *until)
    }

    /// What an offer asks for the work of an hour of the reference machine, by what the requestor thinks of its reports.
    pub(super) fn usage_cost(&self, buyer: u32, offer: &OfferTerms) -> Wei {
        match self.metered.books.get(&buyer) {
            Some(book) => book.factors.cost(offer),
            None => UsageBook::default().factors.cost(offer),
        }
    }
}

fn used_time(report: &Reported) -> UsedTime {
    let ms = u128::from(report.fuel.0) * 1_000 / u128::from(report.performance.max(1));
    let usage_ms = u64::try_from(ms).unwrap_or(u64::MAX);
    UsedTime { provider: node(report.name), performance: report.performance, usage_ms }
}

/// Above what a number is out of line with the others; `None` for too few.
fn fence(mut numbers: Vec<f64>) -> Option<f64> {
    if numbers.len() < COMPARED_MIN {
        return None;
    }
    numbers.sort_by(f64::total_cmp);
    let quantile = |share: f64| {
        let place = share * (numbers.len() - 1) as f64;
        let (low, part) = (place.floor() as usize, place.fract());
        let at = |place: usize| numbers.get(place.min(numbers.len() - 1)).copied().unwrap_or(0.0);
        at(low) + (at(low + 1) - at(low)) * part
    };
    let (first, third) = (quantile(0.25), quantile(0.75));
    // Equal numbers differ in the last bits of their means.
    Some((third + FENCE * (third - first)) * (1.0 + 1e-9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fence_is_tukeys_and_says_nothing_of_few() {
        assert_eq!(fence(vec![1.0, 1.0, 9.0]), None);
        let fence = fence(vec![5.0, 1.0, 3.0, 2.0, 4.0]).unwrap();
        assert!((fence - 7.0).abs() < 1e-6, "quartiles 2 and 4, so 4 + 1.5 * 2: {fence}");
    }
}
