//! Agreements that are over: remembered until they can be agreed no more, then forgotten, their records too.

use golem_protocol::{B256, ChainTime};
use std::collections::{BTreeMap, BTreeSet};

/// The most that are remembered. Reason: each takes some 80 bytes, and lives as long as its deadline. Where there are more,
/// those that end first are let go; their records are forgotten after the next start.
const OVER_MAX: usize = 65_536;
/// For how long after the deadline they are kept, in seconds of the chain. Reason: a reorg may take back some minutes of its
/// time, and in those an agreement could be taken again.
pub(crate) const KEPT_S: u64 = 3_600;
/// How many are forgotten at once. Reason: each is a record to delete, and all of one step go to the disk together.
const FORGOTTEN_MAX: usize = 1_024;

/// The agreements that are over.
#[derive(Default)]
pub(super) struct Over {
    deadlines: BTreeMap<B256, ChainTime>,
    by_deadline: BTreeSet<(ChainTime, B256)>,
}

impl Over {
    pub fn insert(&mut self, agreement: B256, deadline: ChainTime) {
        self.deadlines.insert(agreement, deadline);
        self.by_deadline.insert((deadline, agreement));
        if self.deadlines.len() > OVER_MAX
            && let Some((_, first)) = self.by_deadline.pop_first()
        {
            self.deadlines.remove(&first);
        }
    }

    /// One of them that comes again, late or from somebody who tries, is no new work.
    pub fn contains(&self, agreement: &B256) -> bool {
        self.deadlines.contains_key(agreement)
    }

    /// Takes out some that nobody can agree again; their records can be deleted.
    pub fn forget(&mut self, now: ChainTime) -> Vec<B256> {
        let mut forgotten = Vec::new();
        while forgotten.len() < FORGOTTEN_MAX
            && let Some((deadline, first)) = self.by_deadline.first().copied()
            && deadline.0.saturating_add(KEPT_S) < now.0
        {
            self.by_deadline.pop_first();
            self.deadlines.remove(&first);
            forgotten.push(first);
        }
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: u64) -> B256 {
        B256::left_padding_from(&number.to_be_bytes())
    }

    #[test]
    fn remembers_until_an_hour_after_the_deadline_and_forgets_some_at_once() {
        let mut over = Over::default();
        (0..FORGOTTEN_MAX as u64 + 10).for_each(|number| over.insert(name(number), ChainTime(1_000)));
        over.insert(name(9_999), ChainTime(1_001));
        assert!(over.forget(ChainTime(1_000 + KEPT_S)).is_empty());
        assert_eq!(over.forget(ChainTime(1_001 + KEPT_S)).len(), FORGOTTEN_MAX);
        assert_eq!(over.forget(ChainTime(1_001 + KEPT_S)).len(), 10);
        assert!(over.contains(&name(9_999)) && !over.contains(&name(1)));
    }

    #[test]
    fn lets_go_of_what_ends_first_where_there_are_too_many() {
        let mut over = Over::default();
        (0..=OVER_MAX as u64).for_each(|number| over.insert(name(number), ChainTime(1_000 + number)));
        assert!(!over.contains(&name(0)) && over.contains(&name(1)) && over.contains(&name(OVER_MAX as u64)));
        assert_eq!(over.deadlines.len(), over.by_deadline.len());
    }
}
