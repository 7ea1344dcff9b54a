//! Who has left finished work unpaid, and what that says of those that nobody here knows.

use golem_protocol::{LocalTime, NodeId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many subtasks a stranger may leave unpaid. Reason: with two the second runs while the first is looked at.
const CREDIT_SUBTASKS: u64 = 2;
/// After a stranger did not pay, so many have to pay before one gets more than one subtask again. Reason: where one in
/// ten does not pay, the next is hardly ever so far away; where nobody does, it costs nothing.
const WARY_FOR: u32 = 20;
/// From so many in a row on that did not pay, no stranger is worked for during a pause. Reason: where one in ten is such,
/// three in a row are one case in a thousand.
const CLOSED_FROM: u32 = 3;
/// For how long nothing is offered to whom is late, unless it pays. Reason: it may have been switched off for so long that
/// what it owes was given up here, and then it cannot pay that; it gets no more than its credit in any case.
const LATE_MS: u64 = 7 * 24 * 3_600_000;
/// The first pause, doubled with each further one, and the longest. Reason: a subtask a week is a small price for
/// finding out whether it is over.
const PAUSE_MS: (u64, u64) = (3_600_000, 7 * 24 * 3_600_000);

/// Who is late with what it owes, and how much strangers are trusted: a new name costs little, so what the last strangers
/// did is what can be known of the next.
///
/// Start with [`Unpaid::is_closed`]. Nothing of it touches those that have paid before and are not late.
///
/// Shape: nothing where everybody paid, as for most of a million simulated nodes. It is a record of its own, so that
/// folders of before it can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpaid(Option<Box<Found>>);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Found {
    /// How many strangers in a row left finished work unpaid.
    in_a_row: u32,
    /// How many have to pay before one gets more than a subtask.
    wary: u32,
    /// When the last of them was found out, or one was tried since.
    since: LocalTime,
    /// Who was found late in the last [`LATE_MS`], and when.
    late: BTreeMap<NodeId, LocalTime>,
}

impl Unpaid {
    /// Whether everybody has paid so far.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether finished work of a requestor was found unpaid in the last week, and nothing was paid since.
    pub fn is_late(&self, requestor: &NodeId, now: LocalTime) -> bool {
        self.0.as_ref().and_then(|found| found.late.get(requestor)).is_some_and(|since| is_within(*since, LATE_MS, now))
    }

    /// Everybody that is late, or was a week ago and has not paid since.
    pub fn late(&self) -> impl Iterator<Item = &NodeId> {
        self.0.iter().flat_map(|found| found.late.keys())
    }

    /// How many strangers in a row did not pay.
    pub fn in_a_row(&self) -> u32 {
        self.0.as_ref().map_or(0, |found| found.in_a_row)
    }

    /// Whether no stranger is worked for at this moment.
    pub fn is_closed(&self, now: LocalTime) -> bool {
        let Some(found) = &self.0 else { return false };
        let Some(further) = found.in_a_row.checked_sub(CLOSED_FROM) else { return false };
        let (first, longest) = PAUSE_MS;
        let pause = first.saturating_mul(1u64 << further.min(32)).min(longest);
        is_within(found.since, pause, now)
    }

    /// How many subtasks a stranger may leave unpaid.
    pub(super) fn credit_subtasks(&self) -> u64 {
        if self.0.as_ref().is_some_and(|found| found.wary > 0) { 1 } else { CREDIT_SUBTASKS }
    }

    /// Work was agreed with a stranger: where they are in doubt it is the only one for a pause.
    pub(super) fn tried(&mut self, now: LocalTime) {
        if let Some(found) = self.0.as_mut().filter(|found| found.in_a_row >= CLOSED_FROM) {
            found.since = now;
        }
    }

    /// A requestor paid, which had not before if it was a stranger.
    pub(super) fn paid(&mut self, requestor: &NodeId, is_stranger: bool) {
        let Some(found) = &mut self.0 else { return };
        found.late.remove(requestor);
        if is_stranger {
            found.in_a_row = 0;
            found.wary = found.wary.saturating_sub(1);
        }
    }

    /// Only those are late any more.
    pub(super) fn retain(&mut self, mut still_owes: impl FnMut(&NodeId) -> bool) {
        if let Some(found) = &mut self.0 {
            found.late.retain(|requestor, _| still_owes(requestor));
        }
    }

    /// A requestor owes nothing any more.
    pub(super) fn settled(&mut self, requestor: &NodeId) {
        if let Some(found) = &mut self.0 {
            found.late.remove(requestor);
        }
    }

    /// A requestor is late.
    pub(super) fn is_now_late(&mut self, requestor: NodeId, is_stranger: bool, now: LocalTime) {
        let late = &mut self.0.get_or_insert_default().late;
        late.retain(|_, since| is_within(*since, LATE_MS, now));
        if late.insert(requestor, now).is_none() && is_stranger {
            self.stranger_did_not_pay(now);
        }
    }

    /// A stranger will not pay for what was done for it.
    pub(super) fn stranger_did_not_pay(&mut self, now: LocalTime) {
        let found = self.0.get_or_insert_default();
        found.in_a_row = found.in_a_row.saturating_add(1);
        found.wary = WARY_FOR;
        found.since = now;
    }
}

/// Whether less than `ms` have passed since a moment. Not where the clock was set back: that would go on for too long.
fn is_within(since: LocalTime, ms: u64, now: LocalTime) -> bool {
    now >= since && now.saturating_sub(since) < ms
}
