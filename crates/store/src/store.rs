//! The one trait behind which records are kept.

use crate::batch::{Batch, Table};
use crate::error::StoreError;

/// The most records one [`Store::scan`] returns, whatever it was asked for: it bounds the memory of a page.
pub const SCAN_RECORDS_MAX: usize = 4096;

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// Durable records in named, ordered tables.
///
/// What a reader sees is durable: a batch becomes visible, whole, only after it has reached the disk.
pub trait Store: Send + Sync {
    /// Makes `batch` durable, then visible; returns when both are true.
    ///
    /// Blocks for a disk flush. Many threads calling at once share flushes.
    /// Errors: [`StoreError::TooLarge`] and [`StoreError::Full`] changed nothing; after [`StoreError::Failed`] the
    /// batch may or may not be found on the next start.
    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        self.commit_each(vec![batch]).pop().unwrap_or(Ok(()))
    }

    /// As [`Store::commit`], for several batches that share flushes. Each is durable or refused by itself; an earlier
    /// one never becomes durable after a later one. Answers come in the order of `batches`, as many as there are.
    fn commit_each(&self, batches: Vec<Batch>) -> Vec<Result<(), StoreError>>;

    /// The value of `key`, or `None`.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Records whose key starts with `prefix` and is greater than `after`, in key order, at most `limit` and at most
    /// [`SCAN_RECORDS_MAX`].
    ///
    /// The next page starts after the last key of this one.
    fn scan(&self, table: Table, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, StoreError>;
}
