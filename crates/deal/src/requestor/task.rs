//! One task, as the requestor keeps it.

use super::interface::{TaskOrder, TaskStatus};
use crate::record::{Record, Table};
use golem_protocol::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How often a subtask is tried before it counts as failed. Reason: a task that cannot be done must end.
pub(super) const ATTEMPTS_MAX: u8 = 6;
/// How many failures of one kind, which depend on nothing but the task, make it the task's fault.
pub(super) const SAME_FAILURES_MAX: usize = 2;
/// The most offers kept for one task. Reason: anyone can send one.
pub(super) const OFFERS_MAX: usize = 512;

/// Where one subtask of the task stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Place {
    /// Nobody has it.
    Open,
    /// In an open batch.
    Agreed(B256),
    /// Here is its result.
    Done { output: ContentHash, output_bytes: ByteCount },
    /// Given up for good, and why.
    Failed(String),
}

/// Why a provider gets nothing more, for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exclusion {
    /// It delivered something wrong: for the rest of the task.
    Cheated,
    /// It was late or stepped back: until then.
    Until(LocalTime),
}

#[derive(Debug)]
pub(super) struct Task {
    pub order: TaskOrder,
    pub header: Authentic<Header>,
    /// Changed by `set` alone, which keeps the three below right.
    pub places: Vec<Place>,
    open: BTreeSet<u32>,
    done: u32,
    failed: u32,
    /// Results that no deal tells of: found by our own recheck, or given up.
    pub settled_here: BTreeMap<u32, Place>,
    pub attempts: BTreeMap<u32, u8>,
    pub failures: BTreeMap<u32, Vec<FailureKind>>,
    /// By provider; at most `OFFERS_MAX`.
    pub offers: BTreeMap<NodeId, Authentic<Offer>>,
    pub excluded: BTreeMap<NodeId, Exclusion>,
    /// How often a provider was late, stepped back or refused, in this task.
    pub strikes: BTreeMap<NodeId, u32>,
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
            open: (0..order.header.subtasks).collect(),
            done: 0,
            failed: 0,
            window_ends: now.local.saturating_add(order.offer_window_ms),
            announce_again: now.local,
            order,
            header,
            settled_here: BTreeMap::new(),
            attempts: BTreeMap::new(),
            failures: BTreeMap::new(),
            offers: BTreeMap::new(),
            excluded: BTreeMap::new(),
            strikes: BTreeMap::new(),
            batches: BTreeMap::new(),
            spent: Wei::ZERO,
            fees: Wei::ZERO,
            reserved: Wei::ZERO,
            stopped: false,
            finished: false,
            said_waiting: false,
            said_budget_reached: false,
        }
    }

    pub fn digest(&self) -> B256 {
        self.header.digest()
    }

    /// The subtasks nobody has, lowest first.
    pub fn open(&self) -> impl Iterator<Item = u32> + '_ {
        self.open.iter().copied()
    }

    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    pub fn set(&mut self, index: u32, place: Place) {
        let Some(slot) = self.places.get_mut(index as usize) else { return };
        let count = |place: &Place| {
            (u32::from(matches!(place, Place::Done { .. })), u32::from(matches!(place, Place::Failed(_))))
        };
        let (was, is) = (count(slot), count(&place));
        self.done = self.done.saturating_add(is.0).saturating_sub(was.0);
        self.failed = self.failed.saturating_add(is.1).saturating_sub(was.1);
        if place == Place::Open {
            self.open.insert(index);
        } else {
            self.open.remove(&index);
        }
        *slot = place;
    }

    /// Settles a subtask by what no deal tells of: our own run of it, or that it is given up.
    pub fn settle_here(&mut self, index: u32, place: Place) {
        self.settled_here.insert(index, place.clone());
        self.set(index, place);
    }

    pub fn place(&self, index: u32) -> Option<&Place> {
        self.places.get(index as usize)
    }

    /// Free again, unless it is settled or in another batch.
    pub fn free(&mut self, index: u32, from: B256) {
        if self.place(index) == Some(&Place::Agreed(from)) {
            self.set(index, Place::Open);
        }
    }

    /// What is left of the budget.
    pub fn budget_left(&self) -> Wei {
        self.order.budget.saturating_sub(self.spent).saturating_sub(self.fees).saturating_sub(self.reserved)
    }

    /// Counts a failure of a subtask; tells whether it is one too many.
    pub fn failed_once_more(&mut self, index: u32, kind: Option<FailureKind>) -> bool {
        let attempts = self.attempts.entry(index).or_default();
        *attempts = attempts.saturating_add(1);
        let worn_out = *attempts >= ATTEMPTS_MAX;
        let Some(kind) = kind.filter(|kind| kind.is_deterministic()) else { return worn_out };
        let failures = self.failures.entry(index).or_default();
        failures.push(kind);
        worn_out || failures.iter().filter(|seen| **seen == kind).count() >= SAME_FAILURES_MAX
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
        match self.excluded.get(&provider) {
            None => false,
            Some(Exclusion::Cheated) => true,
            Some(Exclusion::Until(until)) => *until > now.local,
        }
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
            agreed: u32::try_from(self.places.len().saturating_sub(self.open.len()))
                .unwrap_or(u32::MAX)
                .saturating_sub(self.done)
                .saturating_sub(self.failed),
            failed: self.failed,
            spent: self.spent,
            fees: self.fees,
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
