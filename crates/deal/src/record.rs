//! What is saved.

use golem_protocol::B256;
use golem_protocol::record::{RecordError, decode_record, encode_record};
use serde::{Deserialize, Serialize};

/// The largest record. Reason: a task's order with a million inputs of 32 bytes fits.
pub const RECORD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Where a record belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Table {
    /// Tasks of a requestor, by header digest.
    Task,
    /// Deals of a requestor, by agreement digest.
    RequestorDeal,
    /// Ledgers of a payer, by the payee's address.
    Payer,
    /// Deals of a provider, by agreement digest.
    ProviderDeal,
    /// Ledgers of a payee, by the payer's address.
    Payee,
    /// How long a payee's money has waited to be claimed, by the payer's address. Beside the ledger and not in it: a folder
    /// without it counts from now on.
    Waiting,
    /// What a provider keeps of channels towards authors, by the payer's address and the author's.
    Author,
    /// The market's memory of peers; keys and values are the policy's.
    Market,
}

impl Table {
    /// Every table.
    pub const ALL: [Table; 8] = [
        Table::Task,
        Table::RequestorDeal,
        Table::Payer,
        Table::ProviderDeal,
        Table::Payee,
        Table::Waiting,
        Table::Author,
        Table::Market,
    ];

    /// The table's name in the store.
    pub fn name(self) -> &'static str {
        match self {
            Table::Task => "task",
            Table::RequestorDeal => "requestor_deal",
            Table::Payer => "payer",
            Table::ProviderDeal => "provider_deal",
            Table::Payee => "payee",
            Table::Waiting => "payee_waiting",
            Table::Author => "author",
            Table::Market => "market",
        }
    }
}

/// One record to save: it replaces what the key held before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Where.
    pub table: Table,
    /// Under which key.
    pub key: Vec<u8>,
    /// The value in the encoding of records; `None` deletes.
    pub value: Option<Vec<u8>>,
}

impl Record {
    pub(crate) fn put<T: Serialize>(table: Table, key: &[u8], value: &T) -> Result<Record, RecordError> {
        Ok(Record { table, key: key.to_vec(), value: Some(encode_record(value, RECORD_BYTES_MAX)?) })
    }
}

pub(crate) fn read<T: for<'de> Deserialize<'de>>(record: &Record) -> Result<T, RecoverError> {
    let value = record.value.as_deref().unwrap_or_default();
    decode_record(value, RECORD_BYTES_MAX).map_err(|source| RecoverError::Unreadable {
        table: record.table.name(),
        key: B256::left_padding_from(record.key.get(..32).unwrap_or(&record.key)),
        source,
    })
}

/// Why the records of an earlier run cannot be taken up. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoverError {
    /// A record is not in the encoding of this version.
    #[error("the record {key} of {table} cannot be read: {source}")]
    Unreadable {
        /// Its table.
        table: &'static str,
        /// Its key.
        key: B256,
        /// What is wrong.
        source: RecordError,
    },
    /// A record holds a document whose signature does not fit, or that belongs to another chain or key.
    #[error("the record {key} of {table} is not of this chain and key: {detail}")]
    Foreign {
        /// Its table.
        table: &'static str,
        /// Its key.
        key: B256,
        /// What does not fit.
        detail: String,
    },
}
