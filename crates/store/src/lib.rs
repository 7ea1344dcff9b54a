//! Durable records: what a node must still know after `kill -9` or a power cut.
//!
//! Start at [`Store`]; [`DiskStore`] keeps records in a data folder, [`MemoryStore`] is its twin for tests, and
//! [`Committer`] commits for a loop that must not block.
//!
//! ```text
//! commit(batch) ──> queue ──> one frame, one fdatasync ──> journal      (the truth)
//!                                        └──> index (sled)  <── get, scan
//! open: read the journal through, check it ──> index as it is after a clean close, anew otherwise
//! ```
//!
//! It never: interprets a record, answers before the disk has it, shows a reader what is not durable, drops a damaged
//! record silently, or opens a folder of another version.
mod batch;
mod committer;
mod disk;
mod error;
mod journal;
mod memory;
mod record;
mod store;

pub use batch::{BATCH_BYTES_MAX, Batch, KEY_BYTES_MAX, TABLE_NAME_BYTES_MAX, Table, VALUE_BYTES_MAX};
pub use committer::{CommitAnswer, CommitAnswers, Committer, CommitterBusy, OUTSTANDING_MAX};
pub use disk::{DiskStore, JOURNAL_COMPACT_BYTES, STORE_FORMAT, StoreStats};
pub use error::{OpenError, StoreError};
pub use memory::MemoryStore;
pub use record::{Record, decode_record, encode_record, for_each_record, get_record};
pub use store::{Pair, SCAN_RECORDS_MAX, Store};

#[cfg(test)]
mod tests;
