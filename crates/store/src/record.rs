//! Typed records: postcard behind a version, so that code never decodes what other code wrote.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::batch::{Batch, Table};
use crate::error::StoreError;
use crate::store::Store;

/// A type that is kept in one table. Shape on disk: its version (two bytes, little endian), then postcard.
pub trait Record: Serialize + DeserializeOwned {
    /// Where it is kept.
    const TABLE: Table;
    /// Raised whenever the type's encoding changes.
    const VERSION: u16;
}

/// Encodes `record` with its version in front.
pub fn encode_record<R: Record>(record: &R) -> Result<Vec<u8>, StoreError> {
    postcard::to_extend(record, R::VERSION.to_le_bytes().to_vec())
        .map_err(|error| StoreError::Decode { table: R::TABLE.name(), detail: error.to_string() })
}

/// Decodes a record; refuses another version, and bytes left over.
pub fn decode_record<R: Record>(bytes: &[u8]) -> Result<R, StoreError> {
    let table = R::TABLE.name();
    let decode = |detail: String| StoreError::Decode { table, detail };
    let (version, body) =
        bytes.split_first_chunk::<2>().ok_or_else(|| decode("it is shorter than its version".to_string()))?;
    let found = u16::from_le_bytes(*version);
    if found != R::VERSION {
        return Err(StoreError::RecordVersion { table, found, expected: R::VERSION });
    }
    let (record, rest) = postcard::take_from_bytes::<R>(body).map_err(|error| decode(error.to_string()))?;
    if !rest.is_empty() {
        return Err(decode(format!("{} bytes are left over", rest.len())));
    }
    Ok(record)
}

impl Batch {
    /// Writes a typed record under `key`.
    pub fn put_record<R: Record>(&mut self, key: impl AsRef<[u8]>, record: &R) -> Result<&mut Batch, StoreError> {
        Ok(self.put(R::TABLE, key, encode_record(record)?))
    }
}

/// Reads one typed record.
pub fn get_record<R: Record>(store: &dyn Store, key: &[u8]) -> Result<Option<R>, StoreError> {
    store.get(R::TABLE, key)?.map(|bytes| decode_record(&bytes)).transpose()
}

/// Calls `visit` with every record of the table whose key starts with `prefix`, in key order, a page at a time.
pub fn for_each_record<R: Record>(
    store: &dyn Store,
    prefix: &[u8],
    mut visit: impl FnMut(Vec<u8>, R),
) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let page = store.scan(R::TABLE, prefix, after.as_deref(), crate::SCAN_RECORDS_MAX)?;
        let more = page.len() == crate::SCAN_RECORDS_MAX;
        for (key, value) in page {
            let record = decode_record(&value)?;
            if more {
                after = Some(key.clone());
            }
            visit(key, record);
        }
        if !more {
            return Ok(());
        }
    }
}
