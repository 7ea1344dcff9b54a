//! What a subtask of a program usually takes: what a requestor's patience counts in.

use golem_protocol::ContentHash;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many programs are remembered; where there is no room, that of the lowest digest goes. Reason: an entry has some 50
/// bytes, and all of them are one record.
const PROGRAMS_MAX: usize = 1_000;

/// What is taken for it before one has come, in milliseconds. Reason: then dear offers are waited out for four minutes at
/// most, which work of hours can bear, and so can whoever waits for work of seconds; a timeout may be far from either.
const UNKNOWN_MS: u64 = 3_750;

/// The longest time of late that a subtask of each program took, in milliseconds.
///
/// The longest and not the mean. Reason: subtasks of an interpreter may take a second in one task and an hour in the next,
/// and it is not to be paid dear for the hours because the seconds were short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Usual {
    by_program: BTreeMap<ContentHash, u64>,
}

impl Usual {
    /// Of a subtask of this program.
    pub(super) fn ms(&self, program: &ContentHash) -> u64 {
        self.by_program.get(program).copied().unwrap_or(UNKNOWN_MS)
    }

    /// One has come: what took longer is forgotten by an eighth.
    pub(super) fn took(&mut self, program: ContentHash, ms: u64) {
        let late = self.by_program.get(&program).map_or(0, |before| before - before.div_ceil(8));
        if !self.by_program.contains_key(&program) && self.by_program.len() >= PROGRAMS_MAX {
            self.by_program.pop_first();
        }
        self.by_program.insert(program, ms.max(late));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use golem_protocol::B256;

    fn program(n: u64) -> ContentHash {
        ContentHash(B256::left_padding_from(&n.to_be_bytes()))
    }

    #[test]
    fn follows_longer_times_at_once_and_shorter_ones_slowly() {
        let mut usual = Usual::default();
        assert_eq!(usual.ms(&program(1)), UNKNOWN_MS);
        usual.took(program(1), 100);
        usual.took(program(2), 1);
        usual.took(program(1), 80_000);
        usual.took(program(1), 100);
        assert_eq!((usual.ms(&program(1)), usual.ms(&program(2))), (70_000, 1));
        (0..100).for_each(|_| usual.took(program(1), 100));
        assert_eq!(usual.ms(&program(1)), 100);
    }

    #[test]
    fn is_bounded() {
        let mut usual = Usual::default();
        (0..PROGRAMS_MAX as u64 + 5).for_each(|n| usual.took(program(n), 1));
        assert_eq!(usual.by_program.len(), PROGRAMS_MAX);
        assert_eq!(usual.ms(&program(PROGRAMS_MAX as u64 + 4)), 1, "the newest is kept");
    }
}
