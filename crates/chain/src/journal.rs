//! The record of a transaction, kept before it is sent, so that a crash between the two neither loses nor repeats it.

use crate::call::TxReceipt;
use alloy::primitives::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A transaction that was signed and is to be mined.
///
/// Shape: plain data for any serde format. The signed bytes are in it, so that the very same transaction can be sent
/// again; a private key is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The caller's name for it; one transaction per name.
    pub id: String,
    /// What it does, for people.
    pub label: String,
    /// Whose it is.
    pub sender: Address,
    /// The chain it was signed for (EIP-155).
    pub chain_id: u64,
    /// Its place among the sender's transactions.
    pub nonce: u64,
    /// The contract called; `None` creates one.
    pub to: Option<Address>,
    /// The call.
    pub input: Bytes,
    /// Ether that goes with it, in wei.
    #[serde(with = "crate::call::decimal")]
    pub value: u128,
    /// The most gas it may use.
    pub gas_limit: u64,
    /// The most it pays per gas, in wei, in its newest version.
    pub max_fee: u64,
    /// What of that goes to the block's producer, in wei per gas.
    pub max_priority_fee: u64,
    /// The signed bytes of the newest version.
    pub raw: Bytes,
    /// Every version's hash, oldest first: any of them may be mined. At most [`VERSIONS_MAX`].
    pub hashes: Vec<B256>,
    /// How far it is.
    pub stage: PendingStage,
}

/// How far a transaction is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PendingStage {
    /// Signed and recorded; sent, or about to be.
    Sent,
    /// Mined and confirmed; waits for the caller to acknowledge it.
    Confirmed(TxReceipt),
}

/// Versions of one transaction, each at a higher fee. Every version costs at least an eighth more than the last, so
/// sixteen are more than six times the first fee.
pub const VERSIONS_MAX: usize = 16;

/// Where [`Pending`] records are kept. Every call returns once the change is durable.
///
/// The sender calls it from a blocking thread, one call at a time.
pub trait PendingJournal: Send + Sync + 'static {
    /// Writes the record, in place of one of the same id.
    fn save(&self, pending: &Pending) -> Result<(), JournalError>;
    /// Removes the record of that id; no fault if there is none.
    fn remove(&self, id: &str) -> Result<(), JournalError>;
    /// Every record, in any order.
    fn load(&self) -> Result<Vec<Pending>, JournalError>;
}

/// Why a record was not kept. The reason is the store's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JournalError(pub String);

/// A journal in memory: for tests, and for a command that ends with its one transaction.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    records: Mutex<BTreeMap<String, Pending>>,
}

impl MemoryJournal {
    /// An empty one.
    pub fn new() -> MemoryJournal {
        MemoryJournal::default()
    }
}

impl PendingJournal for MemoryJournal {
    fn save(&self, pending: &Pending) -> Result<(), JournalError> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.insert(pending.id.clone(), pending.clone());
        Ok(())
    }

    fn remove(&self, id: &str) -> Result<(), JournalError> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        Ok(())
    }

    fn load(&self) -> Result<Vec<Pending>, JournalError> {
        Ok(self.records.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::LogRecord;

    #[test]
    fn comes_back_from_its_encoding_as_it_was() {
        let log = LogRecord { address: Address::repeat_byte(3), topics: vec![B256::ZERO], data: Bytes::from([1, 2]) };
        let receipt = TxReceipt {
            tx: B256::repeat_byte(4),
            block: 5,
            block_hash: B256::repeat_byte(6),
            gas_used: 7,
            gas_price_wei: u64::MAX,
            created: None,
            logs: vec![log],
        };
        let pending = Pending {
            id: "open/fund-0".into(),
            label: "fund the channel".into(),
            sender: Address::repeat_byte(1),
            chain_id: 31_337,
            nonce: 9,
            to: Some(Address::repeat_byte(2)),
            input: Bytes::from([8; 40]),
            // Above what a number of JSON holds.
            value: u128::MAX,
            gas_limit: 21_000,
            max_fee: 2,
            max_priority_fee: 1,
            raw: Bytes::from([2, 0xf8]),
            hashes: vec![B256::repeat_byte(4)],
            stage: PendingStage::Confirmed(receipt),
        };
        let text = serde_json::to_string(&pending).unwrap();
        assert_eq!(serde_json::from_str::<Pending>(&text).unwrap(), pending);
    }
}
