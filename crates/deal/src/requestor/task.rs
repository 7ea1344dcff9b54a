//! One task, as the requestor keeps it.

use super::deal::Answer;
use super::interface::{TaskOrder, TaskStatus};
use crate::record::{Record, Table};
use golem_protocol::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How often a subtask is tried before it counts as failed, where nobody offers who has not failed it. Reason: a task that
/// cannot be done must end.
pub(super) const ATTEMPTS_MAX: u8 = 6;
/// How often it is tried at all, whoever offers. Reason: there is always another name, and each try takes time.
pub(super) const ATTEMPTS_TOTAL_MAX: u8 = 24;
/// How many failures of one kind, which depend on nothing but the task, make it the task's fault. They are of different
/// owners wherever somebody else offers.
pub(super) const SAME_FAILURES_MAX: usize = 2;
/// The most copies of one subtask at once, with those that decide between others. Reason: each is paid.
pub(super) const COPIES_TOTAL_MAX: usize = 5;
/// The most offers kept for one task. Reason: anyone can send one.
pub(super) const OFFERS_MAX: usize = 512;

/// Where one subtask of the task stands. Who has copies of it is told apart from this: one may be under way when the
/// result is here already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Place {
    /// It has no result yet.
    Open,
    /// Here is its result.
    Done(Answer),
    /// Given up for good, and why.
    Failed(String),
}

/// How well a result is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Backing {
    /// One provider said so.
    Taken,
    /// Two different providers did.
    Agreed,
    /// It came out here.
    OwnRun,
}

/// What the result of a subtask is known to be, before or after it is entered. Made anew from the records after a restart,
/// where what was only known by an own run has to be run again if somebody differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// Nothing where the program fails, and how.
    pub answer: Result<Answer, String>,
    pub backing: Backing,
}

/// What somebody said of a subtask that failed there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub provider: NodeId,
    /// Where its owner is paid.
    pub payee: Address,
    pub kind: FailureKind,
}

/// Why a provider gets nothing more, for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exclusion {
    /// It delivered something wrong: for the rest of the task.
    Cheated,
    /// It was late or stepped back: until then.
    Until(LocalTime),
}

impl Exclusion {
    /// What is said of it to who is kept out.
    pub fn reason(self, now: Now) -> RefusalReason {
        match self {
            Exclusion::Cheated => RefusalReason::BelowQualityFloor,
            Exclusion::Until(until) => {
                RefusalReason::Paused { seconds: until.saturating_sub(now.local).div_ceil(1_000) }
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct Task {
    pub order: TaskOrder,
    pub header: Authentic<Header>,
    /// Changed by `set` alone, which keeps the sums below right.
    pub places: Vec<Place>,
    done: u32,
    failed: u32,
    /// The open batches that hold a copy, by subtask. Changed by `hold` and `release` alone.
    holders: BTreeMap<u32, Vec<B256>>,
    /// Subtasks that copies are still to be handed out of.
    open: BTreeSet<u32>,
    /// Those of them that somebody has a copy of.
    partial: BTreeSet<u32>,
    /// Copies wanted beyond those of the order, by subtask: where nothing else decides between results, and hedges.
    more: BTreeMap<u32, u8>,
    /// By subtask; at most one each.
    pub known: BTreeMap<u32, Known>,
    pub hedges: u32,
    /// Accepted copies of subtasks that had a result, and what they cost.
    pub copies: u32,
    pub copies_cost: Wei,
    /// Results that no deal tells of: found by our own recheck, or given up.
    pub settled_here: BTreeMap<u32, Place>,
    pub attempts: BTreeMap<u32, u8>,
    /// Who said that it failed, and of what; by subtask, at most `ATTEMPTS_TOTAL_MAX` each. It goes with
    /// the task, which has a deadline, and not sooner: what failed once for a reason of the task's does so at any time.
    pub failures: BTreeMap<u32, Vec<Failure>>,
    /// By subtask, who reported that it fails by a fault of the task's: it is theirs once there is a result.
    pub suspects: BTreeMap<u32, BTreeSet<NodeId>>,
    /// By provider; at most `OFFERS_MAX`.
    pub offers: BTreeMap<NodeId, Authentic<Offer>>,
    pub excluded: BTreeMap<NodeId, Exclusion>,
    /// How often a provider was late, stepped back or refused, in this task.
    pub strikes: BTreeMap<NodeId, u32>,
    /// The first offer of a provider that was over when it was to be agreed on.
    pub outdated: BTreeMap<NodeId, B256>,
    pub batches: BTreeMap<NodeId, u32>,
    /// Signed away to providers.
    pub spent: Wei,
    /// Signed away to the app's author.
    pub fees: Wei,
    /// Held back by open batches, fees included.
    pub reserved: Wei,
    pub window_ends: LocalTime,
    pub announce_again: LocalTime,
    pub stopped: bool,
    pub finished: bool,
    /// So that it is said once.
    pub said_waiting: bool,
    pub said_budget_reached: bool,
    pub said_copies_wait: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) struct TaskRecord {
    pub order: TaskOrder,
    pub header: Signed<Header>,
    pub settled_here: BTreeMap<u32, Place>,
    pub finished: bool,
}

impl Task {
    pub fn new(order: TaskOrder, header: Authentic<Header>, now: Now) -> Task {
        Task {
            places: vec![Place::Open; order.header.subtasks as usize],
            done: 0,
            failed: 0,
            holders: BTreeMap::new(),
            open: (0..order.header.subtasks).collect(),
            partial: BTreeSet::new(),
            more: BTreeMap::new(),
            known: BTreeMap::new(),
            hedges: 0,
            copies: 0,
            copies_cost: Wei::ZERO,
            window_ends: now.local.saturating_add(order.offer_window_ms),
            announce_again: now.local,
            order,
            header,
            settled_here: BTreeMap::new(),
            attempts: BTreeMap::new(),
            failures: BTreeMap::new(),
            suspects: BTreeMap::new(),
            offers: BTreeMap::new(),
            excluded: BTreeMap::new(),
            strikes: BTreeMap::new(),
            outdated: BTreeMap::new(),
            batches: BTreeMap::new(),
            spent: Wei::ZERO,
            fees: Wei::ZERO,
            reserved: Wei::ZERO,
            stopped: false,
            finished: false,
            said_waiting: false,
            said_budget_reached: false,
            said_copies_wait: false,
        }
    }

    pub fn digest(&self) -> B256 {
        self.header.digest()
    }

    /// The subtasks that copies are still to be handed out of, lowest first.
    pub fn open(&self) -> impl Iterator<Item = u32> + '_ {
        self.open.iter().copied()
    }

    /// Whether copies of a subtask are still to be handed out.
    pub fn is_open(&self, index: u32) -> bool {
        self.open.contains(&index)
    }

    /// Those of them that somebody has a copy of already.
    pub fn partial(&self) -> &BTreeSet<u32> {
        &self.partial
    }

    /// The open subtasks from a place on, and then those before it.
    pub fn open_from(&self, start: u32) -> impl Iterator<Item = u32> + '_ {
        self.open.range(start..).chain(self.open.range(..start)).copied()
    }

    /// How many copies are still to be handed out.
    pub fn missing_total(&self) -> usize {
        if self.order.checks.copies <= 1 && self.more.is_empty() {
            return self.open.len();
        }
        let partial = self.partial.iter().fold(0usize, |sum, index| sum.saturating_add(self.missing(*index)));
        let fresh = self.open.len().saturating_sub(self.partial.len());
        fresh.saturating_mul(usize::from(self.order.checks.copies)).saturating_add(partial)
    }

    /// How many copies of a subtask are to be under way at once.
    fn wanted(&self, index: u32) -> usize {
        usize::from(self.order.checks.copies).saturating_add(self.more.get(&index).copied().unwrap_or_default().into())
    }

    /// How many copies of a subtask are still to be handed out.
    pub fn missing(&self, index: u32) -> usize {
        if self.place(index) != Some(&Place::Open) || self.known.contains_key(&index) {
            return 0;
        }
        self.wanted(index).saturating_sub(self.holders(index).len())
    }

    /// Asks for one copy more. Tells whether there may be one.
    pub fn want_more(&mut self, index: u32) -> bool {
        if self.wanted(index) >= COPIES_TOTAL_MAX {
            return false;
        }
        let more = self.more.entry(index).or_default();
        *more = more.saturating_add(1);
        self.refresh(index);
        true
    }

    /// The open batches that hold a copy of a subtask.
    pub fn holders(&self, index: u32) -> &[B256] {
        self.holders.get(&index).map_or(&[], Vec::as_slice)
    }

    /// The subtasks that somebody has a copy of.
    pub fn held(&self) -> impl Iterator<Item = (u32, &[B256])> {
        self.holders.iter().map(|(index, holders)| (*index, holders.as_slice()))
    }

    /// A batch has a copy.
    pub fn hold(&mut self, index: u32, batch: B256) {
        let holders = self.holders.entry(index).or_default();
        if !holders.contains(&batch) {
            holders.push(batch);
        }
        self.refresh(index);
    }

    /// A batch has its copy no more: it is decided or taken back.
    pub fn release(&mut self, index: u32, batch: B256) {
        if let Some(holders) = self.holders.get_mut(&index) {
            holders.retain(|holder| *holder != batch);
            if holders.is_empty() {
                self.holders.remove(&index);
            }
        }
        self.refresh(index);
    }

    /// What a subtask's result is known to be. What is known better stays.
    pub fn learn(&mut self, index: u32, answer: Result<Answer, String>, backing: Backing) {
        if self.known.get(&index).is_none_or(|known| known.backing <= backing) {
            self.known.insert(index, Known { answer, backing });
        }
        self.refresh(index);
    }

    fn refresh(&mut self, index: u32) {
        let missing = self.missing(index) > 0;
        if missing {
            self.open.insert(index)
        } else {
            self.open.remove(&index)
        };
        let partial = missing && !self.holders(index).is_empty();
        if partial {
            self.partial.insert(index)
        } else {
            self.partial.remove(&index)
        };
    }

    pub fn set(&mut self, index: u32, place: Place) {
        let Some(slot) = self.places.get_mut(index as usize) else { return };
        let count =
            |place: &Place| (u32::from(matches!(place, Place::Done(_))), u32::from(matches!(place, Place::Failed(_))));
        let (was, is) = (count(slot), count(&place));
        self.done = self.done.saturating_add(is.0).saturating_sub(was.0);
        self.failed = self.failed.saturating_add(is.1).saturating_sub(was.1);
        if place != Place::Open {
            self.more.remove(&index);
        }
        *slot = place;
        self.refresh(index);
    }

    /// Enters an accepted result. Tells whether the subtask had one already: then it is one more, and what it cost is told
    /// apart.
    pub fn enter_accepted(&mut self, index: u32, batch: B256, answer: Answer, cost: Wei) -> bool {
        let again = matches!(self.place(index), Some(Place::Done(_)));
        if again {
            self.copies = self.copies.saturating_add(1);
            self.copies_cost = self.copies_cost.saturating_add(cost);
        } else {
            self.set(index, Place::Done(answer));
        }
        self.release(index, batch);
        again
    }

    /// Whether it speaks against a provider that a subtask failed there, as far as is known; else that is remembered until
    /// there is a result of it, or for good: a program that fails everywhere is nobody's fault but its author's.
    pub fn is_to_blame(&mut self, index: u32, failure: Failure) -> bool {
        let is_done = matches!(self.place(index), Some(Place::Done(_)));
        if is_done || failure.kind.is_of_the_provider() {
            return true;
        }
        self.suspects.entry(index).or_default().insert(failure.provider);
        false
    }

    /// There is a result of a subtask: who reported that it fails.
    pub fn take_suspects(&mut self, index: u32) -> BTreeSet<NodeId> {
        self.suspects.remove(&index).unwrap_or_default()
    }

    /// Settles a subtask by what no deal tells of: our own run of it, or that it is given up.
    pub fn settle_here(&mut self, index: u32, place: Place) {
        self.settled_here.insert(index, place.clone());
        self.set(index, place);
    }

    pub fn place(&self, index: u32) -> Option<&Place> {
        self.places.get(index as usize)
    }

    /// Whether others are to hear of it.
    pub fn is_announced(&self, now: Now) -> bool {
        !self.stopped && !self.finished && self.header.deadline >= now.chain
    }

    /// What is left of the budget.
    pub fn budget_left(&self) -> Wei {
        self.order.budget.saturating_sub(self.spent).saturating_sub(self.fees).saturating_sub(self.reserved)
    }

    /// Counts a failure of a subtask; tells whether it is one too many.
    pub fn failed_once_more(&mut self, index: u32, failure: Option<Failure>, now: Now) -> bool {
        let is_last = failure.is_some_and(|failure| self.is_last_failure(index, failure.kind));
        let attempts = self.attempts.entry(index).or_default();
        *attempts = attempts.saturating_add(1);
        let attempts = *attempts;
        if let Some(failure) = failure {
            self.failures.entry(index).or_default().push(failure);
        }
        is_last || attempts >= ATTEMPTS_TOTAL_MAX || (attempts >= ATTEMPTS_MAX && !self.another_offers(index, now))
    }

    /// Whether the offer of somebody stands who has not failed a subtask.
    fn another_offers(&self, index: u32, now: Now) -> bool {
        let mut standing = self.offers.values().filter(|offer| offer.expires >= now.chain);
        standing.any(|offer| !self.excludes(offer.provider, now) && !self.has_failed(index, offer.payee))
    }

    /// Whether one failure of a kind more makes it the task's fault.
    pub fn is_last_failure(&self, index: u32, kind: FailureKind) -> bool {
        let seen = self.failures.get(&index).map_or(&[][..], Vec::as_slice);
        let same = seen.iter().filter(|seen| seen.kind == kind).count().saturating_add(1);
        kind.is_deterministic() && same >= SAME_FAILURES_MAX
    }

    /// Whether the owner who is paid there has failed a subtask.
    pub fn has_failed(&self, index: u32, payee: Address) -> bool {
        self.failures.get(&index).is_some_and(|seen| seen.iter().any(|failure| failure.payee == payee))
    }

    /// Whether a subtask was run here and has a result.
    pub fn succeeds_here(&self, index: u32) -> bool {
        self.known.get(&index).is_some_and(|known| known.backing == Backing::OwnRun && known.answer.is_ok())
    }

    /// Whether it is nobody's fault that an offer was over before it was agreed on; the offer is forgotten.
    ///
    /// Where blocks are rare, as on a development chain, one block can end it, and the next offer is as good. Only once in a
    /// task: each time costs a signature and a write here.
    pub fn excuses_expiry(&mut self, provider: NodeId, offer: B256) -> bool {
        self.offers.remove(&provider);
        *self.outdated.entry(provider).or_insert(offer) == offer
    }

    /// A provider was late, stepped back or refused: it waits, longer each time.
    pub fn strike(&mut self, provider: NodeId, now: Now) {
        let strikes = self.strikes.entry(provider).or_default();
        *strikes = strikes.saturating_add(1);
        let pause_ms = 2_000u64.saturating_mul(1 << (*strikes).min(8));
        self.offers.remove(&provider);
        let excluded = self.excluded.entry(provider).or_insert(Exclusion::Until(LocalTime(0)));
        if *excluded != Exclusion::Cheated {
            *excluded = Exclusion::Until(now.local.saturating_add(pause_ms));
        }
    }

    pub fn cheated(&mut self, provider: NodeId) {
        self.offers.remove(&provider);
        self.excluded.insert(provider, Exclusion::Cheated);
    }

    pub fn excludes(&self, provider: NodeId, now: Now) -> bool {
        self.exclusion(provider, now).is_some()
    }

    /// What keeps a provider out now.
    pub fn exclusion(&self, provider: NodeId, now: Now) -> Option<Exclusion> {
        let excluded = self.excluded.get(&provider).copied();
        excluded.filter(|exclusion| match exclusion {
            Exclusion::Cheated => true,
            Exclusion::Until(until) => *until > now.local,
        })
    }

    pub fn is_settled(&self) -> bool {
        self.done.saturating_add(self.failed) >= self.order.header.subtasks
    }

    pub fn failed_count(&self) -> u32 {
        self.failed
    }

    pub fn status(&self) -> TaskStatus {
        TaskStatus {
            header: self.digest(),
            subtasks: self.order.header.subtasks,
            done: self.done,
            agreed: self
                .holders
                .keys()
                .fold(0, |sum, index| sum.saturating_add(u32::from(self.place(*index) == Some(&Place::Open)))),
            failed: self.failed,
            spent: self.spent,
            fees: self.fees,
            copies: self.copies,
            copies_cost: self.copies_cost,
            reserved: self.reserved,
            budget: self.order.budget,
            offers: u32::try_from(self.offers.len()).unwrap_or(u32::MAX),
            finished: self.finished,
        }
    }

    pub fn record(&self) -> Option<Record> {
        let record = TaskRecord {
            order: self.order.clone(),
            header: self.header.signed().clone(),
            settled_here: self.settled_here.clone(),
            finished: self.finished,
        };
        Record::put(Table::Task, self.digest().as_slice(), &record).ok()
    }
}
