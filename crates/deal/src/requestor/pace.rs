//! How long each of a provider's results took, as far as it can be told from here.
//!
//! A provider works on as many subtasks at once as it has slots; the next one begins when one is done. So what it does is
//! counted by the places it has, not by which subtask is in which: the oldest of those under way ends with the next report.
//! Whatever else could have held it up makes the time shorter or unknown, never longer: who is judged by it must not pay for
//! a lost connection, or for verdicts that were late here.

use golem_protocol::LocalTime;
use std::collections::VecDeque;

/// Longer between two steps, in milliseconds, and this machine slept: nothing that was under way is timed.
pub(super) const SLEPT_MS: u64 = 30_000;
const _: () = assert!(SLEPT_MS < crate::clock::GAP_MAX_MS, "a sleep is to be seen");

/// What a provider has under way for this node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pace {
    slots: usize,
    /// When those under way could be begun, oldest first; never more than slots.
    begun: VecDeque<LocalTime>,
    /// How many wait for a slot.
    queued: usize,
    /// When a report was answered last.
    answered: LocalTime,
}

impl Pace {
    /// So many more subtasks are agreed.
    pub fn agreed(&mut self, slots: u16, subtasks: usize, now: LocalTime) {
        self.slots = usize::from(slots);
        self.queued = self.queued.saturating_add(subtasks);
        self.begin(self.slots, now);
    }

    /// A result came. How long it took, where that is known, in milliseconds.
    pub fn reported(&mut self, now: LocalTime) -> Option<u64> {
        let Some(begun) = self.begun.pop_front() else {
            // It was begun before that was known here.
            self.queued = self.queued.saturating_sub(1);
            return None;
        };
        Some(now.saturating_sub(begun))
    }

    /// So many results were answered, whose report was open here since then.
    ///
    /// Only now the next ones are sure to have been begun: they could wait for money. So the time that any report was open
    /// is not held against what is under way.
    pub fn answered(&mut self, results: usize, since: LocalTime, now: LocalTime) {
        let open_ms = now.saturating_sub(since.max(self.answered));
        self.answered = now;
        for begun in &mut self.begun {
            *begun = begun.saturating_add(open_ms).min(now);
        }
        self.begin(results, now);
    }

    fn begin(&mut self, most: usize, now: LocalTime) {
        let free = self.slots.saturating_sub(self.begun.len()).min(self.queued).min(most);
        self.queued -= free;
        self.begun.extend(std::iter::repeat_n(now, free));
    }

    /// Whether nothing is under way that could be timed.
    pub fn is_idle(&self) -> bool {
        self.begun.is_empty() && self.queued == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_what_runs_side_by_side_and_one_after_the_other() {
        let mut pace = Pace::default();
        pace.agreed(2, 5, LocalTime(1_000));
        assert_eq!(pace.reported(LocalTime(11_000)), Some(10_000));
        pace.answered(1, LocalTime(12_000), LocalTime(12_000));
        assert_eq!(pace.reported(LocalTime(12_000)), Some(11_000));
        pace.answered(1, LocalTime(13_000), LocalTime(13_000));
        assert_eq!(pace.reported(LocalTime(22_000)), Some(10_000), "its time counts from the verdict that made room");
        assert_eq!(pace.reported(LocalTime(23_000)), Some(10_000));
        assert_eq!(pace.reported(LocalTime(24_000)), None, "it was begun before the verdict that made room for it");
        pace.answered(3, LocalTime(25_000), LocalTime(25_000));
        pace.agreed(2, 1, LocalTime(26_000));
        assert_eq!(pace.reported(LocalTime(36_000)), Some(10_000));
    }

    #[test]
    fn a_batch_behind_another_waits_for_its_slots() {
        let mut pace = Pace::default();
        pace.agreed(1, 1, LocalTime(0));
        pace.agreed(1, 1, LocalTime(5_000));
        assert_eq!(pace.reported(LocalTime(10_000)), Some(10_000));
        pace.answered(1, LocalTime(10_000), LocalTime(10_000));
        assert_eq!(pace.reported(LocalTime(19_000)), Some(9_000));
        pace.answered(1, LocalTime(19_000), LocalTime(19_000));
        assert!(pace.is_idle());
    }

    #[test]
    fn a_check_that_takes_long_here_is_not_held_against_what_waits_to_be_reported() {
        let mut pace = Pace::default();
        pace.agreed(3, 3, LocalTime(0));
        assert_eq!(pace.reported(LocalTime(10_000)), Some(10_000));
        pace.answered(1, LocalTime(10_000), LocalTime(70_000));
        assert_eq!(pace.reported(LocalTime(70_500)), Some(10_500));
        pace.answered(1, LocalTime(70_000), LocalTime(160_000));
        assert_eq!(pace.reported(LocalTime(161_000)), Some(11_000));
        pace.answered(1, LocalTime(161_000), LocalTime(161_000));
        assert!(pace.is_idle());
    }

    #[test]
    fn time_in_which_two_reports_were_open_counts_once() {
        let mut pace = Pace::default();
        pace.agreed(3, 3, LocalTime(0));
        assert_eq!(pace.reported(LocalTime(10_000)), Some(10_000));
        assert_eq!(pace.reported(LocalTime(20_000)), Some(20_000));
        pace.answered(1, LocalTime(10_000), LocalTime(30_000));
        pace.answered(1, LocalTime(20_000), LocalTime(35_000));
        assert_eq!(pace.reported(LocalTime(40_000)), Some(15_000));
    }
}
