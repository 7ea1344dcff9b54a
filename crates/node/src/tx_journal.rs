//! Transactions under way, kept in the node's own store.

use golem_chain::{JournalError, Pending, PendingJournal};
use golem_store::{Batch, SCAN_RECORDS_MAX, Store, Table};
use std::sync::Arc;

const TRANSACTIONS: Table = Table::new("transaction");

/// Records of transactions in the store, by name.
pub(crate) struct StoreJournal {
    store: Arc<dyn Store>,
}

impl StoreJournal {
    pub(crate) fn new(store: Arc<dyn Store>) -> StoreJournal {
        StoreJournal { store }
    }
}

fn failed(error: impl ToString) -> JournalError {
    JournalError(error.to_string())
}

impl PendingJournal for StoreJournal {
    fn save(&self, pending: &Pending) -> Result<(), JournalError> {
        let mut batch = Batch::new();
        batch.put(TRANSACTIONS, pending.id.as_bytes(), serde_json::to_vec(pending).map_err(failed)?);
        self.store.commit(batch).map_err(failed)
    }

    fn remove(&self, id: &str) -> Result<(), JournalError> {
        let mut batch = Batch::new();
        batch.delete(TRANSACTIONS, id.as_bytes());
        self.store.commit(batch).map_err(failed)
    }

    fn load(&self) -> Result<Vec<Pending>, JournalError> {
        let mut all = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.store.scan(TRANSACTIONS, b"", after.as_deref(), SCAN_RECORDS_MAX).map_err(failed)?;
            let Some((last, _)) = page.last() else { return Ok(all) };
            after = Some(last.clone());
            for (_, value) in &page {
                all.push(serde_json::from_slice(value).map_err(failed)?);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use golem_chain::PendingStage;
    use golem_protocol::{Address, B256};
    use golem_store::MemoryStore;

    #[test]
    fn gives_back_after_a_restart_what_was_under_way() {
        let store = MemoryStore::new();
        let pending = Pending {
            id: "fund/1".into(),
            label: "fund a channel".into(),
            sender: Address::repeat_byte(1),
            chain_id: 31337,
            nonce: 4,
            to: Some(Address::repeat_byte(2)),
            input: vec![1, 2, 3].into(),
            value: u128::MAX,
            gas_limit: 100_000,
            max_fee: 7,
            max_priority_fee: 1,
            raw: vec![9; 200].into(),
            hashes: vec![B256::repeat_byte(3)],
            stage: PendingStage::Sent,
        };
        let journal = StoreJournal::new(Arc::new(store.clone()));
        journal.save(&pending).unwrap();
        let again = StoreJournal::new(Arc::new(store.crash()));
        assert_eq!(again.load().unwrap(), vec![pending]);
        again.remove("fund/1").unwrap();
        assert!(again.load().unwrap().is_empty());
    }
}
