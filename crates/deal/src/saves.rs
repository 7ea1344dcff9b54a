//! Saves on their way to a disk: what is handed over, what may be acted on, and what is done where there is no room.
//!
//! ```text
//!  push          next                 answered              durable, in order
//! ------> queued ----> handed over ---+--> saved ----------------------------> Persisted
//!           ^                         |
//!           +--- try_again <-- pause -+--> no room
//! ```
//!
//! The shell writes and waits; what it does when is decided here, so that what is simulated is what runs.

use crate::outbox::PersistId;
use crate::record::Record;
use std::collections::VecDeque;

/// Saves that wait for the disk before a shell takes no more from the network. Reason: each holds its records.
pub const UNSAVED_MAX: usize = 1024;
/// How long a full disk is left alone before the same saves are tried again, in milliseconds.
pub const FULL_PAUSE_MS: u64 = 2_000;

/// What a disk says of one save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaveAnswer {
    /// It is durable, and so is all that was handed over before.
    Saved,
    /// There was no room, for it or for one before it.
    NoRoom,
}

/// What follows from an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The saves that are durable now and were not before, in order: their machine is told.
    pub durable: Vec<PersistId>,
    /// Nothing is on its way any more, and all is to be tried again after [`FULL_PAUSE_MS`].
    pub pauses: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Not handed over, or to be handed over again.
    Queued,
    /// The disk has it.
    HandedOver,
    Answered(SaveAnswer),
}

#[derive(Debug)]
struct Save {
    id: PersistId,
    records: Vec<Record>,
    stage: Stage,
}

/// What is done with queued saves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// They are handed over.
    #[default]
    Working,
    /// One found no room, or was not taken: nothing more is handed over until all that was is answered.
    Draining,
    /// Nothing is, until the disk is tried again.
    Pausing,
}

/// Everything not yet told to be durable.
///
/// A later record of a key never comes to lie under an earlier one: where a save finds no room, all behind it is handed over
/// again after it. For that the disk writes nothing behind a save that it had no room for until that one comes again.
#[derive(Debug, Default)]
pub struct SaveQueue {
    /// Oldest first.
    unsaved: VecDeque<Save>,
    phase: Phase,
    is_full: bool,
}

impl SaveQueue {
    /// Takes a save, behind all before it.
    pub fn push(&mut self, id: PersistId, records: Vec<Record>) {
        self.unsaved.push_back(Save { id, records, stage: Stage::Queued });
    }

    /// The save that is handed over to the disk now, which has to answer it, or not to take it; none where none is to be.
    pub fn next_save(&mut self) -> Option<(PersistId, &[Record])> {
        if self.phase != Phase::Working {
            return None;
        }
        let save = self.unsaved.iter_mut().find(|save| save.stage == Stage::Queued)?;
        save.stage = Stage::HandedOver;
        Some((save.id, &save.records))
    }

    /// The disk did not take what it was handed last: too much is on its way there.
    pub fn not_taken(&mut self, id: PersistId) {
        self.set(id, Stage::Queued);
        self.phase = Phase::Draining;
    }

    /// The disk answers a save.
    pub fn answered(&mut self, id: PersistId, answer: SaveAnswer) -> Answered {
        #[cfg(feature = "planted")]
        let answer = match golem_payments::planted::is_planted(golem_payments::planted::Bug::ActsThoughNotSaved) {
            true => SaveAnswer::Saved,
            false => answer,
        };
        self.set(id, Stage::Answered(answer));
        if answer == SaveAnswer::NoRoom {
            (self.phase, self.is_full) = (Phase::Draining, true);
        }
        let mut durable = Vec::new();
        while self.unsaved.front().is_some_and(|save| save.stage == Stage::Answered(SaveAnswer::Saved)) {
            durable.extend(self.unsaved.pop_front().map(|save| save.id));
        }
        let pauses = self.phase == Phase::Draining && !self.unsaved.iter().any(|save| save.stage == Stage::HandedOver);
        if pauses {
            self.phase = Phase::Pausing;
        }
        if self.phase == Phase::Working && !durable.is_empty() {
            self.is_full = false;
        }
        Answered { durable, pauses }
    }

    /// The pause is over: everything is handed over again, from the first on.
    pub fn try_again(&mut self) {
        self.unsaved.iter_mut().for_each(|save| save.stage = Stage::Queued);
        self.phase = Phase::Working;
    }

    fn set(&mut self, id: PersistId, stage: Stage) {
        if let Some(save) = self.unsaved.iter_mut().find(|save| save.id == id) {
            save.stage = stage;
        }
    }

    /// Whether a save found no room, and none was durable since.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// Whether so much waits for the disk that nothing more should be begun.
    pub fn is_behind(&self) -> bool {
        self.unsaved.len() >= UNSAVED_MAX
    }

    /// Whether all is durable.
    pub fn is_idle(&self) -> bool {
        self.unsaved.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(saves: u64) -> SaveQueue {
        let mut queue = SaveQueue::default();
        (0..saves).for_each(|id| queue.push(PersistId(id), vec![]));
        queue
    }

    fn handed_over(queue: &mut SaveQueue) -> Vec<u64> {
        std::iter::from_fn(|| queue.next_save().map(|(id, _)| id.0)).collect()
    }

    fn answered(queue: &mut SaveQueue, id: u64, answer: SaveAnswer) -> (Vec<u64>, bool) {
        let Answered { durable, pauses } = queue.answered(PersistId(id), answer);
        (durable.into_iter().map(|id| id.0).collect(), pauses)
    }

    #[test]
    fn tells_nothing_durable_before_what_found_no_room() {
        let mut queue = queue(3);
        assert_eq!(handed_over(&mut queue), [0, 1, 2]);
        assert_eq!(answered(&mut queue, 0, SaveAnswer::Saved), (vec![0], false));
        assert_eq!(answered(&mut queue, 1, SaveAnswer::NoRoom), (vec![], false));
        assert!(queue.is_full());
        queue.push(PersistId(3), vec![]);
        assert_eq!(handed_over(&mut queue), [], "nothing more is handed over");
        assert_eq!(answered(&mut queue, 2, SaveAnswer::NoRoom), (vec![], true));
        assert_eq!(handed_over(&mut queue), [], "it is left alone");
        queue.try_again();
        assert_eq!(handed_over(&mut queue), [1, 2, 3]);
        assert_eq!(answered(&mut queue, 1, SaveAnswer::Saved), (vec![1], false));
        assert!(!queue.is_full());
        assert_eq!(answered(&mut queue, 3, SaveAnswer::Saved), (vec![], false), "what is before it is not");
        assert_eq!(answered(&mut queue, 2, SaveAnswer::Saved), (vec![2, 3], false));
        assert!(queue.is_idle());
    }

    #[test]
    fn what_is_not_taken_comes_again_with_all_behind_it() {
        let mut queue = queue(3);
        assert_eq!(queue.next_save().map(|(id, _)| id.0), Some(0));
        assert_eq!(queue.next_save().map(|(id, _)| id.0), Some(1));
        queue.not_taken(PersistId(1));
        assert_eq!(handed_over(&mut queue), []);
        assert_eq!(answered(&mut queue, 0, SaveAnswer::Saved), (vec![0], true));
        assert!(!queue.is_full(), "its room was not the matter");
        queue.try_again();
        assert_eq!(handed_over(&mut queue), [1, 2]);
    }

    #[test]
    fn is_behind_once_so_many_wait() {
        assert!(!queue(UNSAVED_MAX as u64 - 1).is_behind() && queue(UNSAVED_MAX as u64).is_behind());
    }
}
