//! Hands what is to be saved to the disk and tells what is durable, in order; what is done when says `golem-deal`'s
//! `SaveQueue`.

use golem_deal::saves::{FULL_PAUSE_MS, SaveAnswer, SaveQueue};
use golem_deal::{PersistId, Record};
use golem_store::{Batch, CommitAnswer, CommitAnswers, Committer, Store, StoreError, Table};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Hands records to the committer and tells what is durable, in order.
pub(crate) struct Saver {
    committer: Committer,
    answers: CommitAnswers,
    saves: SaveQueue,
    /// When a disk that is left alone is tried again.
    try_again: Option<Instant>,
    /// What the store said when it last found no room.
    no_room: String,
}

impl Saver {
    pub(crate) fn start(store: Arc<dyn Store>) -> std::io::Result<Saver> {
        let (committer, answers) = Committer::start(store)?;
        Ok(Saver { committer, answers, saves: SaveQueue::default(), try_again: None, no_room: String::new() })
    }

    /// Saves these, after all that was given before.
    pub(crate) fn save(&mut self, id: PersistId, records: Vec<Record>) {
        self.saves.push(id, records);
        self.hand_over();
    }

    fn hand_over(&mut self) {
        while let Some((id, records)) = self.saves.next_save() {
            if self.committer.submit(id.0, batch(records)).is_err() {
                self.saves.not_taken(id);
            }
        }
    }

    /// What the store said, while the disk is full.
    pub(crate) fn full(&self) -> Option<&str> {
        self.saves.is_full().then_some(self.no_room.as_str())
    }

    /// Whether so much waits for the disk that nothing more should be begun.
    pub(crate) fn is_behind(&self) -> bool {
        self.saves.is_behind()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.saves.is_idle()
    }

    /// The next saves that are durable, in order; none where only the disk's state changed. It can be left while it
    /// waits, and asked again.
    ///
    /// Errors: the disk failed, or a record is over its bound: nothing more can be promised.
    pub(crate) async fn durable(&mut self) -> Result<Vec<PersistId>, StoreError> {
        if let Some(at) = self.try_again {
            tokio::time::sleep_until(at).await;
            self.try_again = None;
            self.saves.try_again();
            self.hand_over();
        }
        let Some(CommitAnswer { id, result }) = self.answers.recv().await else { return Err(StoreError::Closed) };
        let answer = match result {
            Ok(()) => SaveAnswer::Saved,
            Err(StoreError::Full { path, detail, .. }) => {
                self.no_room = format!("no room in {}: {detail}", path.display());
                SaveAnswer::NoRoom
            }
            Err(error) => return Err(error),
        };
        let answered = self.saves.answered(PersistId(id), answer);
        if answered.pauses {
            self.try_again = Some(Instant::now() + Duration::from_millis(FULL_PAUSE_MS));
        }
        Ok(answered.durable)
    }

    /// Writes what was handed over and ends the thread.
    pub(crate) async fn stop(self) {
        let committer = self.committer;
        let _ = tokio::task::spawn_blocking(move || committer.stop()).await;
    }
}

/// What saves them.
pub(crate) fn batch(records: &[Record]) -> Batch {
    let mut batch = Batch::new();
    for record in records {
        let table = Table::new(record.table.name());
        match &record.value {
            Some(value) => batch.put(table, &record.key, value.clone()),
            None => batch.delete(table, &record.key),
        };
    }
    batch
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
        assert!(saver.full().is_some() && saver.try_again.is_some());
        disk.resume();
        saver.save(PersistId(1), record(2));
        // The pause is over.
        saver.try_again = Some(Instant::now());
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
