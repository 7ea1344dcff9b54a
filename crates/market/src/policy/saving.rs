//! When the market's memory is saved, and how it is found again.

use golem_deal::{Record, Table};
use golem_protocol::record::{RecordError, decode_record, encode_record};
use golem_protocol::{LocalTime, Now};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest market record. Reason: 10,000 peers of less than 200 bytes, and as many list entries with short reasons.
const MARKET_BYTES_MAX: usize = 4 << 20;
/// Up to this size the market's memory is saved with every change; a larger one at most every [`SAVE_PAUSE_MS`].
/// Reason: it is one record, and a reputation may lag by seconds; money may not, and is not in it.
const SAVE_ALWAYS_BYTES: usize = 64 << 10;
/// How long changes of a large memory are gathered, in milliseconds.
const SAVE_PAUSE_MS: u64 = 10_000;

/// When the market's memory was last saved, and whether it has changed since.
pub(super) struct Saving {
    key: &'static [u8],
    changed: bool,
    bytes: usize,
    saved_at: LocalTime,
    now: LocalTime,
}

impl Saving {
    pub(super) fn new(key: &'static [u8]) -> Saving {
        Saving { key, changed: false, bytes: 0, saved_at: LocalTime::default(), now: LocalTime::default() }
    }

    pub(super) fn touch(&mut self, now: Now) {
        self.changed = true;
        self.now = now.local;
    }

    pub(super) fn records(&mut self, state: &impl Serialize) -> Vec<Record> {
        let soon = self.bytes > SAVE_ALWAYS_BYTES && self.now.saturating_sub(self.saved_at) < SAVE_PAUSE_MS;
        if !self.changed || soon {
            return Vec::new();
        }
        // Both books and all lists are bounded so that this fits (see the tests); if it ever did not, the memory of
        // before stays, and no money is in it.
        let Ok(value) = encode_record(state, MARKET_BYTES_MAX) else { return Vec::new() };
        self.changed = false;
        self.bytes = value.len();
        self.saved_at = self.now;
        vec![Record { table: Table::Market, key: self.key.to_vec(), value: Some(value) }]
    }
}

/// Reads the market's memory out of all records of `Table::Market`.
pub(super) fn stored<T: DeserializeOwned>(records: &[Record], key: &[u8]) -> Result<Option<T>, RecordError> {
    let record = records.iter().find(|record| record.table == Table::Market && record.key == key);
    let Some(value) = record.and_then(|record| record.value.as_deref()) else { return Ok(None) };
    decode_record(value, MARKET_BYTES_MAX).map(Some)
}
