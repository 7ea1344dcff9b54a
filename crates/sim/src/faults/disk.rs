//! The disk of a node. What is handed to it when, and what may be acted on, says the code that nodes run.

use crate::stream::Stream;
use golem_deal::saves::{Answered, SaveAnswer, SaveQueue, UNSAVED_MAX};
use golem_deal::{PersistId, Record, Table};
use std::collections::{BTreeMap, VecDeque};

/// What a disk holds, and what is on its way there.
#[derive(Debug, Default)]
pub(super) struct Disk {
    records: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    saves: SaveQueue,
    /// What was handed over and is not answered, oldest first.
    coming: VecDeque<(PersistId, Vec<Record>)>,
    /// The save that found no room. As by `golem-store`'s committer, nothing is written behind it until it comes again.
    refused: Option<PersistId>,
    /// When the last save will be answered: a disk answers in order.
    pub(super) busy_until: u64,
    /// It has no room until then.
    pub(super) full_until: u64,
}

impl Disk {
    /// Takes a save; gives how many are handed over by that, each of which has to be answered.
    ///
    /// Errors: more saves wait than a node lets wait. No world comes near it.
    pub(super) fn begin(&mut self, id: PersistId, records: Vec<Record>) -> Result<usize, String> {
        if self.saves.is_behind() {
            return Err(format!("{UNSAVED_MAX} saves wait for a disk"));
        }
        self.saves.push(id, records);
        Ok(self.hand_over())
    }

    fn hand_over(&mut self) -> usize {
        let before = self.coming.len();
        while let Some((id, records)) = self.saves.next_save() {
            self.coming.push_back((id, records.to_vec()));
        }
        self.coming.len() - before
    }

    /// The oldest save that was handed over is answered: it is durable, or there is no room for it.
    pub(super) fn answer(&mut self, has_room: bool) -> Option<Answered> {
        let (id, records) = self.coming.pop_front()?;
        let comes_again = self.refused.is_none_or(|refused| id <= refused);
        if has_room && comes_again {
            self.refused = None;
            self.write(records);
            return Some(self.saves.answered(id, SaveAnswer::Saved));
        }
        if comes_again {
            self.refused = Some(id);
        }
        Some(self.saves.answered(id, SaveAnswer::NoRoom))
    }

    /// The pause is over. Gives how many saves are handed over again.
    pub(super) fn try_again(&mut self) -> usize {
        self.saves.try_again();
        self.hand_over()
    }

    /// Whether it was seen to have no room: then a provider offers nothing.
    pub(super) fn is_full(&self) -> bool {
        self.saves.is_full()
    }

    /// The power goes: of what was on its way a beginning is there, or nothing.
    pub(super) fn cut(&mut self, draw: &mut Stream) {
        for _ in 0..draw.between(0, self.coming.len() as u64) {
            let _ = self.answer(true);
        }
        self.fail();
    }

    /// It fails for good until the node is started again: nothing more is there of what was on its way.
    pub(super) fn fail(&mut self) {
        self.saves = SaveQueue::default();
        self.coming.clear();
        self.refused = None;
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
    fn writes_nothing_behind_what_found_no_room_until_that_comes_again() {
        let mut disk = Disk::default();
        for n in 0..3u8 {
            assert_eq!(disk.begin(PersistId(u64::from(n)), saved(n)), Ok(1));
        }
        assert_eq!(disk.answer(false), Some(Answered { durable: vec![], pauses: false }));
        assert_eq!(disk.answer(true), Some(Answered { durable: vec![], pauses: false }));
        assert_eq!(disk.answer(true), Some(Answered { durable: vec![], pauses: true }));
        assert_eq!((disk.answer(true), disk.is_full()), (None, true));
        assert_eq!(disk.load(), [], "a restart would find what came later and not what came before");
        assert_eq!(disk.try_again(), 3);
        let durable: Vec<u64> = (0..3).flat_map(|_| disk.answer(true).unwrap().durable).map(|id| id.0).collect();
        assert_eq!(durable, [0, 1, 2]);
        assert_eq!((disk.load(), disk.is_full()), (saved(2), false));
    }

    #[test]
    fn loses_what_was_on_its_way_when_it_fails() {
        let mut disk = Disk::default();
        assert_eq!(disk.begin(PersistId(0), saved(0)), Ok(1));
        assert_eq!(disk.begin(PersistId(1), saved(1)), Ok(1));
        assert!(disk.answer(true).is_some());
        disk.fail();
        assert_eq!((disk.load(), disk.answer(true)), (saved(0), None));
    }
}
