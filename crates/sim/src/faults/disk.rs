//! The disk of a node and what its shell does with saves, as `golem-node`'s `Saver` does it: what finds no room is tried
//! again, and nothing is told to be durable before all that was given before it is.

use crate::stream::Stream;
use golem_deal::{PersistId, Record, Table};
use std::collections::{BTreeMap, VecDeque};

/// How long a full disk is left alone before everything is tried again, in milliseconds.
pub(super) const FULL_PAUSE_MS: u64 = 2_000;
/// Saves that wait before a node takes no more from the network. No world comes near it.
const UNSAVED_MAX: usize = 1_024;

/// What became of one save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Not handed over: an earlier one found no room.
    Queued,
    /// On its way to the disk.
    Waiting,
    Saved,
    NoRoom,
}

#[derive(Debug)]
struct Save {
    id: PersistId,
    records: Vec<Record>,
    answer: Answer,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// New saves are handed over.
    #[default]
    Working,
    /// One found no room: nothing more is handed over until all that was is answered.
    Draining,
    /// Everything is handed over again after a while.
    Pausing,
}

/// What follows from an answer of the disk.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answered {
    /// The saves that are durable now, in order.
    pub(super) durable: Vec<PersistId>,
    /// Whether everything has to be handed over again after [`FULL_PAUSE_MS`].
    pub(super) pauses: bool,
}

/// What a disk holds, and what is on its way there.
#[derive(Debug, Default)]
pub(super) struct Disk {
    records: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    /// Everything not yet told to be durable, oldest first.
    unsaved: VecDeque<Save>,
    phase: Phase,
    /// A save found no room, and none was durable since.
    is_full: bool,
    /// When the last save will be answered: a disk answers in order.
    pub(super) busy_until: u64,
    /// It has no room until then.
    pub(super) full_until: u64,
}

impl Disk {
    /// Takes a save; tells whether it is handed over, and an answer has to come.
    ///
    /// Errors: more saves wait than a node lets wait.
    pub(super) fn begin(&mut self, id: PersistId, records: Vec<Record>) -> Result<bool, String> {
        if self.unsaved.len() >= UNSAVED_MAX {
            return Err(format!("{UNSAVED_MAX} saves wait for a disk"));
        }
        let is_taken = self.phase == Phase::Working;
        let answer = if is_taken { Answer::Waiting } else { Answer::Queued };
        self.unsaved.push_back(Save { id, records, answer });
        Ok(is_taken)
    }

    /// The oldest save that was handed over is answered: it is durable, or there is no room for it. Nothing is written
    /// behind one that found none.
    pub(super) fn answer(&mut self, has_room: bool) -> Option<Answered> {
        let place = self.unsaved.iter().position(|save| save.answer == Answer::Waiting)?;
        let save = self.unsaved.get_mut(place)?;
        if has_room && self.phase == Phase::Working {
            save.answer = Answer::Saved;
            let records = save.records.clone();
            self.write(records);
        } else {
            save.answer = Answer::NoRoom;
            (self.phase, self.is_full) = (Phase::Draining, true);
            #[cfg(feature = "planted")]
            if golem_payments::planted::is_planted(golem_payments::planted::Bug::ActsThoughNotSaved) {
                (save.answer, self.phase) = (Answer::Saved, Phase::Working);
            }
        }
        let mut durable = Vec::new();
        while self.unsaved.front().is_some_and(|save| save.answer == Answer::Saved) {
            durable.extend(self.unsaved.pop_front().map(|save| save.id));
        }
        let pauses = self.phase == Phase::Draining && !self.unsaved.iter().any(|save| save.answer == Answer::Waiting);
        if pauses {
            self.phase = Phase::Pausing;
        }
        if self.phase == Phase::Working && !durable.is_empty() {
            self.is_full = false;
        }
        Some(Answered { durable, pauses })
    }

    /// Hands everything over again. Gives how many answers have to come.
    pub(super) fn try_again(&mut self) -> usize {
        self.unsaved.iter_mut().for_each(|save| save.answer = Answer::Waiting);
        self.phase = Phase::Working;
        self.unsaved.len()
    }

    /// Whether it was seen to have no room: then a provider offers nothing.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    /// The power goes: of what was on its way a beginning is there, or nothing.
    pub(super) fn cut(&mut self, draw: &mut Stream) {
        let waiting = self.unsaved.iter().filter(|save| save.answer == Answer::Waiting).count();
        for _ in 0..draw.between(0, waiting as u64) {
            let _ = self.answer(true);
        }
        self.fail();
    }

    /// It fails for good until the node is started again: nothing more is there of what was on its way.
    pub(super) fn fail(&mut self) {
        self.unsaved.clear();
        (self.phase, self.is_full) = (Phase::Working, false);
        self.busy_until = 0;
    }

    pub(super) fn load(&self) -> Vec<Record> {
        let record = |((table, key), value): (&(Table, Vec<u8>), &Vec<u8>)| Record {
            table: *table,
            key: key.clone(),
            value: Some(value.clone()),
        };
        self.records.iter().map(record).collect()
    }

    fn write(&mut self, records: Vec<Record>) {
        for record in records {
            match record.value {
                Some(value) => drop(self.records.insert((record.table, record.key), value)),
                None => drop(self.records.remove(&(record.table, record.key))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(value: u8) -> Vec<Record> {
        vec![Record { table: Table::Payer, key: vec![1], value: Some(vec![value]) }]
    }

    #[test]
    fn tells_nothing_durable_before_what_found_no_room() {
        let mut disk = Disk::default();
        for n in 0..3u8 {
            assert_eq!(disk.begin(PersistId(u64::from(n)), saved(n)), Ok(true));
        }
        assert_eq!(disk.answer(false), Some(Answered { durable: vec![], pauses: false }));
        assert_eq!(disk.begin(PersistId(3), saved(3)), Ok(false), "nothing more is handed over");
        assert_eq!(disk.answer(true), Some(Answered { durable: vec![], pauses: false }));
        assert_eq!(disk.answer(true), Some(Answered { durable: vec![], pauses: true }));
        assert_eq!((disk.answer(true), disk.is_full()), (None, true));
        assert_eq!(disk.load(), [], "a restart would find what came later and not what came before");
        assert_eq!(disk.try_again(), 4);
        let durable: Vec<u64> = (0..4).flat_map(|_| disk.answer(true).unwrap().durable).map(|id| id.0).collect();
        assert_eq!(durable, [0, 1, 2, 3]);
        assert_eq!(disk.load(), saved(3));
        assert!(!disk.is_full());
    }

    #[test]
    fn loses_what_was_on_its_way_when_it_fails() {
        let mut disk = Disk::default();
        assert_eq!(disk.begin(PersistId(0), saved(0)), Ok(true));
        assert_eq!(disk.begin(PersistId(1), saved(1)), Ok(true));
        assert!(disk.answer(true).is_some());
        disk.fail();
        assert_eq!((disk.load(), disk.answer(true)), (saved(0), None));
    }
}
