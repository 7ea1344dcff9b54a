//! Saves in order: a later record of a key never lies under an earlier one, whatever the disk does in between.

use golem_deal::{PersistId, Record};
use golem_store::{Batch, CommitAnswer, CommitAnswers, Committer, Store, StoreError, Table};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Saves that wait for the disk before the loop takes no more from the network. Reason: each holds its records.
pub(crate) const UNSAVED_MAX: usize = 1024;
/// How long a full disk is left alone before the same saves are tried again.
const FULL_PAUSE: Duration = Duration::from_secs(2);

/// What became of one save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Not handed over: an earlier one found no room.
    Queued,
    /// With the committer.
    Waiting,
    Saved,
    NoRoom,
}

struct Save {
    id: PersistId,
    records: Vec<Record>,
    answer: Answer,
}

/// What is done with new saves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// They are handed over.
    Working,
    /// One found no room: nothing more is handed over until all that was is answered.
    Draining,
    /// Everything is handed over again, in order, at this time.
    Pausing(Instant),
}

/// Hands records to the committer and tells what is durable, in order.
pub(crate) struct Saver {
    committer: Committer,
    answers: CommitAnswers,
    /// Everything not yet told to be durable, oldest first.
    unsaved: VecDeque<Save>,
    phase: Phase,
    /// What the store said when it found no room; gone with the next save that is durable.
    full: Option<String>,
}

impl Saver {
    pub(crate) fn start(store: Arc<dyn Store>) -> std::io::Result<Saver> {
        let (committer, answers) = Committer::start(store)?;
        Ok(Saver { committer, answers, unsaved: VecDeque::new(), phase: Phase::Working, full: None })
    }

    /// Saves these, after all that was given before.
    pub(crate) fn save(&mut self, id: PersistId, records: Vec<Record>) {
        let mut save = Save { id, records, answer: Answer::Queued };
        if self.phase == Phase::Working && !submit(&self.committer, &mut save) {
            self.phase = Phase::Draining;
        }
        self.unsaved.push_back(save);
    }

    /// What the store said, while the disk is full.
    pub(crate) fn full(&self) -> Option<&str> {
        self.full.as_deref()
    }

    /// Whether so much waits for the disk that nothing more should be begun.
    pub(crate) fn is_behind(&self) -> bool {
        self.unsaved.len() >= UNSAVED_MAX
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.unsaved.is_empty()
    }

    /// The next saves that are durable, in order; none where only the disk's state changed. It can be left while it
    /// waits, and asked again.
    ///
    /// Errors: the disk failed, or a record is over its bound: nothing more can be promised.
    pub(crate) async fn durable(&mut self) -> Result<Vec<PersistId>, StoreError> {
        if let Phase::Pausing(at) = self.phase {
            tokio::time::sleep_until(at).await;
            // All of them, from the first: until that comes again the committer writes nothing behind it.
            let all = self.unsaved.iter_mut().all(|save| submit(&self.committer, save));
            self.phase = if all { Phase::Working } else { Phase::Draining };
        }
        let Some(CommitAnswer { id, result }) = self.answers.recv().await else { return Err(StoreError::Closed) };
        let answer = match result {
            Ok(()) => Answer::Saved,
            Err(StoreError::Full { path, detail, .. }) => {
                self.full = Some(format!("no room in {}: {detail}", path.display()));
                self.phase = Phase::Draining;
                Answer::NoRoom
            }
            Err(error) => return Err(error),
        };
        if let Some(save) = self.unsaved.iter_mut().find(|save| save.id.0 == id) {
            save.answer = answer;
        }
        let mut durable = Vec::new();
        while self.unsaved.front().is_some_and(|save| save.answer == Answer::Saved) {
            durable.extend(self.unsaved.pop_front().map(|save| save.id));
        }
        if self.phase == Phase::Draining && !self.unsaved.iter().any(|save| save.answer == Answer::Waiting) {
            self.phase = Phase::Pausing(Instant::now() + FULL_PAUSE);
        }
        if self.phase == Phase::Working && !durable.is_empty() {
            self.full = None;
        }
        Ok(durable)
    }

    /// Writes what was handed over and ends the thread.
    pub(crate) async fn stop(self) {
        let committer = self.committer;
        let _ = tokio::task::spawn_blocking(move || committer.stop()).await;
    }
}

/// Hands a save over; tells whether it was taken.
fn submit(committer: &Committer, save: &mut Save) -> bool {
    let mut batch = Batch::new();
    for record in &save.records {
        let table = Table::new(record.table.name());
        match &record.value {
            Some(value) => batch.put(table, &record.key, value.clone()),
            None => batch.delete(table, &record.key),
        };
    }
    let taken = committer.submit(save.id.0, batch).is_ok();
    save.answer = if taken { Answer::Waiting } else { Answer::Queued };
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use golem_store::MemoryStore;

    fn record(value: u8) -> Vec<Record> {
        vec![Record { table: golem_deal::Table::Payer, key: vec![1], value: Some(vec![value]) }]
    }

    #[tokio::test]
    async fn keeps_the_newest_value_when_the_disk_fills_between_two_saves() {
        let disk = MemoryStore::new();
        let mut saver = Saver::start(Arc::new(disk.clone())).unwrap();
        disk.fill();
        saver.save(PersistId(0), record(1));
        assert_eq!(saver.durable().await.unwrap(), vec![]);
        assert!(saver.full().is_some() && matches!(saver.phase, Phase::Pausing(_)));
        disk.resume();
        saver.save(PersistId(1), record(2));
        // The pause is over.
        saver.phase = Phase::Pausing(Instant::now());
        let mut durable = Vec::new();
        while durable.len() < 2 {
            durable.extend(saver.durable().await.unwrap());
        }
        assert_eq!(durable, vec![PersistId(0), PersistId(1)]);
        assert_eq!(saver.full(), None);
        assert!(saver.is_idle());
        assert_eq!(disk.get(Table::new("payer"), &[1]).unwrap(), Some(vec![2]));
    }

    #[tokio::test]
    async fn ends_when_the_disk_fails() {
        let disk = MemoryStore::new();
        let mut saver = Saver::start(Arc::new(disk.clone())).unwrap();
        let _ = disk.crash();
        saver.save(PersistId(0), record(1));
        assert_eq!(saver.durable().await, Err(StoreError::Closed));
    }
}
