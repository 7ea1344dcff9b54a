//! What is written: tables, and batches of changes that become durable together.

use core::fmt;

use crate::error::StoreError;

/// The longest name of a table: it precedes every key on disk.
pub const TABLE_NAME_BYTES_MAX: usize = 32;

/// The longest key. Keys are ids and counters; longer ones would make the index's nodes split badly.
pub const KEY_BYTES_MAX: usize = 1024;

/// The largest value. Records are documents of a few hundred bytes; anything bigger is content and belongs in files.
pub const VALUE_BYTES_MAX: usize = 4 << 20;

/// The most bytes one batch may encode to. A group of batches is one frame of the journal and is held in memory whole.
pub const BATCH_BYTES_MAX: usize = 8 << 20;

/// A named, ordered set of records, declared as a constant: `const VOUCHERS: Table = Table::new("vouchers");`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table(&'static str);

impl Table {
    /// Names a table. Fails to compile, in a constant, for an empty name or one above [`TABLE_NAME_BYTES_MAX`].
    pub const fn new(name: &'static str) -> Table {
        assert!(!name.is_empty() && name.len() <= TABLE_NAME_BYTES_MAX, "a table's name has 1 to 32 bytes");
        Table(name)
    }

    /// The name.
    pub const fn name(self) -> &'static str {
        self.0
    }

    /// The key under which the index keeps `key` of this table: length and name first, so no table's keys can pass for
    /// another's.
    pub(crate) fn index_key(self, key: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 + self.0.len() + key.len());
        out.push(self.0.len() as u8);
        out.extend_from_slice(self.0.as_bytes());
        out.extend_from_slice(key);
        out
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// One change to one key, the key already prefixed by its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Put { key: Vec<u8>, value: Vec<u8> },
    Delete { key: Vec<u8> },
}

/// Changes that become durable and visible together, in the order they were added; the last one of a key wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    pub(crate) changes: Vec<Change>,
    bytes: usize,
    refusal: Option<Refusal>,
}

/// The first bound that a batch broke; kept until commit so that building a batch needs no error handling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Refusal {
    what: &'static str,
    got: usize,
    max: usize,
}

/// What a change costs in the journal besides its key and value: a tag and two lengths.
const CHANGE_OVERHEAD_BYTES: usize = 9;

impl Batch {
    /// An empty batch. Committing it is a barrier: it returns when all earlier commits are durable.
    pub fn new() -> Batch {
        Batch::default()
    }

    /// Writes `value` under `key`, replacing what was there.
    pub fn put(&mut self, table: Table, key: impl AsRef<[u8]>, value: impl Into<Vec<u8>>) -> &mut Batch {
        let value = value.into();
        self.check("key", key.as_ref().len(), KEY_BYTES_MAX);
        self.check("value", value.len(), VALUE_BYTES_MAX);
        self.push(Change::Put { key: table.index_key(key.as_ref()), value })
    }

    /// Removes `key`; a key that is not there is no error.
    pub fn delete(&mut self, table: Table, key: impl AsRef<[u8]>) -> &mut Batch {
        self.check("key", key.as_ref().len(), KEY_BYTES_MAX);
        self.push(Change::Delete { key: table.index_key(key.as_ref()) })
    }

    /// Adds the changes of `other` after those of this batch.
    pub fn append(&mut self, other: Batch) -> &mut Batch {
        self.refusal = self.refusal.or(other.refusal);
        self.bytes += other.bytes;
        self.changes.extend(other.changes);
        self.check("batch", self.bytes, BATCH_BYTES_MAX);
        self
    }

    /// How many changes it holds.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether it holds no change.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// How many bytes it takes in the journal.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Refuses a batch that broke a bound, naming the first one.
    pub(crate) fn checked(&self) -> Result<(), StoreError> {
        match self.refusal {
            None => Ok(()),
            Some(Refusal { what, got, max }) => Err(StoreError::TooLarge { what, got, max }),
        }
    }

    fn check(&mut self, what: &'static str, got: usize, max: usize) {
        if got > max && self.refusal.is_none() {
            self.refusal = Some(Refusal { what, got, max });
        }
    }

    fn push(&mut self, change: Change) -> &mut Batch {
        self.bytes += CHANGE_OVERHEAD_BYTES
            + match &change {
                Change::Put { key, value } => key.len() + value.len(),
                Change::Delete { key } => key.len(),
            };
        self.changes.push(change);
        self.check("batch", self.bytes, BATCH_BYTES_MAX);
        self
    }
}

const TAG_PUT: u8 = 1;
const TAG_DELETE: u8 = 2;

/// Appends the journal's encoding of `changes` to `out`: tag, key length, key and, for a put, value length and value.
/// Lengths are little endian.
pub(crate) fn encode_changes<'a>(changes: impl IntoIterator<Item = &'a Change>, out: &mut Vec<u8>) {
    for change in changes {
        match change {
            Change::Put { key, value } => encode_put(key, value, out),
            Change::Delete { key } => {
                out.push(TAG_DELETE);
                out.extend_from_slice(&(key.len() as u32).to_le_bytes());
                out.extend_from_slice(key);
            }
        }
    }
}

/// As [`encode_changes`], for one record.
pub(crate) fn encode_put(key: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.push(TAG_PUT);
    out.extend_from_slice(&(key.len() as u32).to_le_bytes());
    out.extend_from_slice(key);
    out.extend_from_slice(&(value.len() as u32).to_le_bytes());
    out.extend_from_slice(value);
}

/// Reads what [`encode_changes`] wrote. `None` where the bytes are anything else.
pub(crate) fn decode_changes(mut bytes: &[u8]) -> Option<Vec<Change>> {
    let mut changes = Vec::new();
    while let Some((&tag, rest)) = bytes.split_first() {
        bytes = rest;
        let key = take_counted(&mut bytes)?.to_vec();
        changes.push(match tag {
            TAG_PUT => Change::Put { key, value: take_counted(&mut bytes)?.to_vec() },
            TAG_DELETE => Change::Delete { key },
            _ => return None,
        });
    }
    Some(changes)
}

fn take_counted<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (count, rest) = bytes.split_at_checked(4)?;
    let count = u32::from_le_bytes(count.try_into().ok()?) as usize;
    let (taken, rest) = rest.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Table = Table::new("t");

    #[test]
    fn changes_survive_encoding() {
        let mut batch = Batch::new();
        batch.put(T, b"a", b"1".to_vec()).delete(T, b"b").put(T, b"", Vec::new());
        let mut bytes = Vec::new();
        encode_changes(&batch.changes, &mut bytes);
        assert_eq!(decode_changes(&bytes), Some(batch.changes));
        assert!((1..bytes.len()).any(|cut| decode_changes(&bytes[..cut]).is_none()));
    }

    #[test]
    fn refuses_what_is_over_a_bound_and_names_it() {
        let mut batch = Batch::new();
        batch.put(T, vec![0; KEY_BYTES_MAX + 1], Vec::new());
        assert!(matches!(batch.checked(), Err(StoreError::TooLarge { what: "key", got: 1025, max: 1024 })));
        let mut batch = Batch::new();
        batch.put(T, b"k", vec![0; VALUE_BYTES_MAX + 1]);
        assert!(matches!(batch.checked(), Err(StoreError::TooLarge { what: "value", .. })));
        let mut batch = Batch::new();
        for key in 0..3u8 {
            batch.put(T, [key], vec![0; VALUE_BYTES_MAX]);
        }
        assert!(matches!(batch.checked(), Err(StoreError::TooLarge { what: "batch", .. })));
    }
}
