//! The twin without a disk, for tests and simulations: same promises, and crashes on demand.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::batch::{Batch, Change, Table};
use crate::error::StoreError;
use crate::store::{Pair, SCAN_RECORDS_MAX, Store};

/// Records in memory. Clones share them, as threads share one open folder.
#[derive(Clone, Default)]
pub struct MemoryStore {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

/// What the pretended disk does to a commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Disk {
    /// Commits are durable at once.
    #[default]
    Working,
    /// Commits wait, as behind a slow flush, until resumed or crashed.
    Paused,
    /// Commits are refused as on a full disk.
    Full,
    /// The machine went away; every operation fails.
    Crashed,
}

#[derive(Default)]
struct State {
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    disk: Disk,
    flushes: u64,
    waiting: usize,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    /// Makes commits wait, as behind a slow disk, until [`MemoryStore::resume`] or [`MemoryStore::crash`].
    pub fn pause(&self) {
        self.set_disk(Disk::Paused);
    }

    /// Refuses commits with [`StoreError::Full`] until [`MemoryStore::resume`].
    pub fn fill(&self) {
        self.set_disk(Disk::Full);
    }

    /// Lets commits through again.
    pub fn resume(&self) {
        self.set_disk(Disk::Working);
    }

    /// Pulls the plug: commits not yet durable are lost and fail, as does every later operation through this handle.
    /// Returns what a restart finds.
    pub fn crash(&self) -> MemoryStore {
        let records = self.lock().records.clone();
        self.set_disk(Disk::Crashed);
        MemoryStore {
            inner: Arc::new(Inner {
                state: Mutex::new(State { records, ..State::default() }),
                changed: Condvar::new(),
            }),
        }
    }

    /// How often a disk would have been flushed.
    pub fn flushes(&self) -> u64 {
        self.lock().flushes
    }

    /// Blocks until `count` commits wait behind [`MemoryStore::pause`].
    pub fn wait_for_waiting(&self, count: usize) {
        let state = self.lock();
        let _state = self
            .inner
            .changed
            .wait_while(state, |state| state.waiting < count && state.disk != Disk::Crashed)
            .unwrap_or_else(PoisonError::into_inner);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_disk(&self, disk: Disk) {
        self.lock().disk = disk;
        self.inner.changed.notify_all();
    }
}

impl State {
    fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        batch.checked()?;
        match self.disk {
            Disk::Working | Disk::Paused => {}
            Disk::Crashed => return Err(StoreError::Closed),
            Disk::Full => {
                return Err(StoreError::Full {
                    path: PathBuf::from("memory"),
                    bytes: batch.bytes(),
                    detail: "told to be full".to_string(),
                });
            }
        }
        for change in batch.changes {
            match change {
                Change::Put { key, value } => self.records.insert(key, value),
                Change::Delete { key } => self.records.remove(&key),
            };
        }
        Ok(())
    }
}

impl Store for MemoryStore {
    fn commit_each(&self, batches: Vec<Batch>) -> Vec<Result<(), StoreError>> {
        let mut state = self.lock();
        state.waiting += 1;
        self.inner.changed.notify_all();
        let mut state = self
            .inner
            .changed
            .wait_while(state, |state| state.disk == Disk::Paused)
            .unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        state.flushes += 1;
        batches.into_iter().map(|batch| state.commit(batch)).collect()
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let state = self.lock();
        if state.disk == Disk::Crashed {
            return Err(StoreError::Closed);
        }
        Ok(state.records.get(&table.index_key(key)).cloned())
    }

    fn scan(&self, table: Table, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, StoreError> {
        let state = self.lock();
        if state.disk == Disk::Crashed {
            return Err(StoreError::Closed);
        }
        let skip = table.index_key(b"").len();
        let start = table.index_key(prefix);
        let low = match after.map(|after| table.index_key(after)) {
            Some(after) if after >= start => Bound::Excluded(after),
            Some(_) | None => Bound::Included(start.clone()),
        };
        Ok(state
            .records
            .range((low, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(&start))
            .take(limit.min(SCAN_RECORDS_MAX))
            .map(|(key, value)| (key[skip..].to_vec(), value.clone()))
            .collect())
    }
}
