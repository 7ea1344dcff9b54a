//! Who has left finished work unpaid, and what that says of those that nobody here knows.

use golem_protocol::{LocalTime, NodeId, Wei};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many subtasks a stranger may leave unpaid. Reason: with two the second runs while the first is looked at.
const CREDIT_SUBTASKS: u64 = 2;
/// After a stranger did not pay, so many have to pay before one gets more than one subtask again. Reason: where one in
/// ten does not pay, the next is hardly ever so far away; where nobody does, it costs nothing.
const WARY_FOR: u32 = 20;
/// Where strangers left so many half hours of work unpaid, beyond what strangers paid at first, no other is worked for
/// during a pause. Reason: where one in ten does not pay, the others soon make up for that.
const CLOSED_FROM: u128 = 2;
/// Nobody counts more half hours. Reason: with eight more the pause is the longest, and it has to end some time.
const LOST_MAX: u128 = 10;
/// For how long nothing is offered to whom is late, unless it pays, and then only what its credit still allows. Reason: after
/// half a day what it owes is not asked for any more, and whoever was switched off for so long cannot pay it.
const LATE_MS: u64 = 12 * 3_600_000;
/// The first pause, doubled with each further half hour, and the longest. Reason: a subtask a week is a small price for
/// finding out whether it is over.
const PAUSE_MS: (u64, u64) = (3_600_000, 7 * 24 * 3_600_000);

/// Who is late with what it owes, and how much strangers are trusted: a new name costs little, so what the last strangers
/// did is what can be known of the next.
///
/// Start with [`Unpaid::closed_for_ms`]. A stranger is who has paid less than what is at stake now. Nothing of it touches others
/// that are not late.
///
/// Units: hours are hours of work at the minimal price, which is what they cost; it is given wherever it is needed. What
/// strangers paid at first is set against what they did not, by value: who pays little to be trusted with much gains nothing.
///
/// Shape: nothing where everybody paid, as for most of a million simulated nodes. It is a record of its own, so that
/// folders of before it can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpaid(Option<Box<Found>>);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Found {
    /// What strangers left unpaid, less what strangers paid at first since then.
    lost: Wei,
    /// How many have to pay before one gets more than a subtask.
    wary: u32,
    /// When the last of them was found out, or one was tried since.
    since: LocalTime,
    /// Who was found late, until all that is counted for it was paid.
    late: BTreeMap<NodeId, Late>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Late {
    /// When it was found out.
    since: LocalTime,
    /// What of the loss it is.
    counted: Wei,
    /// Whether something was paid since.
    has_paid: bool,
}

impl Unpaid {
    /// Whether everybody has paid so far.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether finished work of a requestor was found unpaid of late, and nothing was paid since.
    pub fn is_late(&self, requestor: &NodeId, now: LocalTime) -> bool {
        self.unpaid_by(requestor).is_some_and(|late| is_within(late.since, LATE_MS, now))
    }

    /// Whether a requestor was late and has not paid since.
    pub(super) fn has_seen(&self, requestor: &NodeId) -> bool {
        self.unpaid_by(requestor).is_some()
    }

    fn unpaid_by(&self, requestor: &NodeId) -> Option<&Late> {
        self.0.as_ref()?.late.get(requestor).filter(|late| !late.has_paid)
    }

    /// Everybody that was late and has not paid all that was counted.
    pub(super) fn known(&self) -> impl Iterator<Item = &NodeId> {
        self.0.iter().flat_map(|found| found.late.keys())
    }

    /// How many requestors are late now.
    pub fn late(&self, now: LocalTime) -> usize {
        let all = self.0.iter().flat_map(|found| found.late.values());
        all.filter(|late| !late.has_paid && is_within(late.since, LATE_MS, now)).count()
    }

    /// What strangers left unpaid, less what strangers paid at first since then.
    pub fn lost(&self) -> Wei {
        self.0.as_ref().map_or(Wei::ZERO, |found| found.lost)
    }

    /// For how many milliseconds no stranger is worked for yet, where that is so.
    pub fn closed_for_ms(&self, hour: Wei, now: LocalTime) -> Option<u64> {
        let found = self.0.as_ref()?;
        let (first, longest) = PAUSE_MS;
        let pause = first.saturating_mul(1u64 << found.in_doubt(hour)?.min(32)).min(longest);
        is_within(found.since, pause, now).then(|| pause.saturating_sub(now.saturating_sub(found.since)))
    }

    /// How many subtasks a stranger may leave unpaid.
    pub(super) fn credit_subtasks(&self) -> u64 {
        if self.0.as_ref().is_some_and(|found| found.wary > 0) { 1 } else { CREDIT_SUBTASKS }
    }

    /// Work was agreed with a stranger: where they are in doubt it is the only one for a pause.
    pub(super) fn tried(&mut self, hour: Wei, now: LocalTime) {
        if let Some(found) = self.0.as_mut().filter(|found| found.in_doubt(hour).is_some()) {
            found.since = now;
        }
    }

    /// A requestor paid, which had paid so much before.
    pub(super) fn paid(&mut self, requestor: &NodeId, before: Wei, value: Wei) {
        let Some(found) = &mut self.0 else { return };
        let mut made_up = if before == Wei::ZERO { value } else { Wei::ZERO };
        if let Some(late) = found.late.get_mut(requestor) {
            // All that it was late with is made up for, and not its first payment alone.
            made_up = made_up.max(value.min(late.counted));
            (late.has_paid, late.counted) = (true, late.counted.saturating_sub(value));
            if late.counted == Wei::ZERO {
                found.late.remove(requestor);
            }
        }
        found.lost = found.lost.saturating_sub(made_up);
        if before == Wei::ZERO {
            found.wary = found.wary.saturating_sub(1);
        }
    }

    /// Nobody else is known any more.
    pub(super) fn retain(&mut self, mut is_known: impl FnMut(&NodeId) -> bool) {
        if let Some(found) = &mut self.0 {
            found.late.retain(|requestor, _| is_known(requestor));
        }
    }

    /// A requestor answered, and does not pay.
    pub(super) fn answered(&mut self, requestor: &NodeId) {
        if let Some(found) = &mut self.0 {
            found.late.remove(requestor);
        }
    }

    /// A requestor is late, with so much more than it ever paid.
    pub(super) fn is_now_late(&mut self, requestor: NodeId, value: Wei, hour: Wei, now: LocalTime) {
        if self.is_late(&requestor, now) {
            return;
        }
        let late = &mut self.0.get_or_insert_default().late;
        let known = late.get(&requestor).copied();
        let counted = known.map_or(Wei::ZERO, |late| late.counted);
        // Where it has not paid since, it was lent no more than its credit still allowed.
        let is_counted = known.is_some_and(|late| !late.has_paid);
        let more = if is_counted { Wei::ZERO } else { value.saturating_sub(counted) };
        late.insert(requestor, Late { since: now, counted: counted.saturating_add(more), has_paid: false });
        self.lose(more, hour, now);
    }

    /// What was done for a requestor will not be paid, so much more than it ever paid.
    pub(super) fn lose(&mut self, value: Wei, hour: Wei, now: LocalTime) {
        if value == Wei::ZERO {
            return;
        }
        let found = self.0.get_or_insert_default();
        let most = (hour.0 / 2).saturating_mul(LOST_MAX);
        found.lost = Wei(found.lost.saturating_add(value).0.min(most));
        found.wary = WARY_FOR;
        found.since = now;
    }
}

impl Found {
    /// How many half hours beyond those that are borne were lost, where strangers are in doubt.
    fn in_doubt(&self, hour: Wei) -> Option<u128> {
        self.lost.0.checked_div(hour.0 / 2).and_then(|lost| lost.checked_sub(CLOSED_FROM))
    }
}

/// Whether less than `ms` have passed since a moment. Not where the clock was set back: that would go on for too long.
fn is_within(since: LocalTime, ms: u64, now: LocalTime) -> bool {
    now >= since && now.saturating_sub(since) < ms
}
