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
//!
//! # What is promised
//!
//! When [`Store::commit`] returns `Ok`, the batch has been through `fdatasync`. `kill -9` and a power cut lose nothing
//! that was acknowledged, as far as the disk itself does not lie. A batch that was not acknowledged is found whole or
//! not at all. Batches of many threads share a flush: a lone writer pays one flush per batch, sixteen pay far less
//! each.
//!
//! On open the whole journal is read and checked. A torn last frame was never acknowledged and is cut off; a broken
//! frame with a good one behind it is damage, and refused with the place named. What cannot be told from a torn write
//! is damage to the very last frame.
//!
//! # Which sled, and why a journal before it
//!
//! The index is sled 0.34.7, and the journal is ours. Measured with `examples/durability.rs`: writes of 300 bytes, each
//! made durable as the engine does it, in proportion to a bare append with `fdatasync` (310/s) in the same run; ext4 on
//! a virtual disk, two busy cores, median of five rounds; flushes as `strace` counted them.
//!
//! | engine | one thread | 16 threads | acknowledged writes lost to SIGKILL | reopening with 3,000 records | flushes by |
//! |---|---:|---:|---:|---:|---|
//! | bare append | 1 | 1.03 | | | one `fdatasync` a write |
//! | **this store** | **0.99** | **69** | 0 of 3,000 | 23 ms | one `fdatasync` a group |
//! | sled 0.34.7, `flush` | 26 | 35 | 0 of 3,000 | 12 ms | `sync_file_range` only |
//! | sled 0.34.7, `flush`, then `fdatasync` of its file | 1.2 | 32 | 0 of 3,000 | 13 ms | both |
//! | sled 1.0.0-alpha.124, `flush` | 0.28 | 0.40 | 0 of 3,000 | 99 ms | three `fsync` a write |
//!
//! With 16 threads 14.5 writes share a flush; the rest of the 69 seems to be this machine, on which a flush returns sooner
//! while the processor is kept awake.
//!
//! - sled 0.34.7 flushes with `sync_file_range`: the data is on its way to the disk, but neither is the disk's cache
//!   told to keep it nor the file's new length. That survives `kill -9` but not every power cut, and a voucher must. A
//!   flush of its file behind its back would help the data, not the order in which it reuses segments.
//! - sled 1.0.0-alpha.124 does use `fsync`, but takes three times the floor, does not share flushes between threads,
//!   has handles that threads cannot share, and does not promise that its format stays.
//! - So a batch is durable by the journal, which is simple enough to be right, and sled does what it is good at:
//!   ordered reads of more records than fit in memory. A clean close flushes the index for real and marks it; without
//!   the mark, it is made anew from the journal. The journal is therefore always whole: it is compacted by writing the
//!   live records to a new one and renaming that. Opening after a crash takes time in proportion to the live records.
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
mod crash;
#[cfg(test)]
mod tests;
