//! Nonces that nobody has.
//!
//! A node counts transactions that it forgets, an RPC counts wrongly, a reorg deeper than confirmations takes a
//! transaction away that was done with: each leaves a signed transaction whose nonce is too high to be mined. The bytes
//! are out, so the call cannot be signed for the lower nonce as well: both could be mined in the end. The gap is filled
//! with transactions that do nothing.

use super::TxSender;
use super::follow::Progress;
use crate::error::ChainError;
use crate::fees::Fees;
use crate::journal::{Pending, PendingStage};
use alloy::primitives::Bytes;
use tracing::warn;

/// The widest gap that is filled. Reason: each nonce costs the gas of a transaction; a wider one is a fault that somebody
/// should look at.
const GAP_MAX: u64 = 16;
/// The gas of a transfer of nothing.
const NOTHING_GAS: u64 = 21_000;

impl TxSender {
    /// Fills the nonces before `pending` that neither the chain nor a record of ours has. For one that waited long enough
    /// for them to come by themselves.
    ///
    /// No record is kept of what fills it: it does nothing, so it may be lost, sent twice, or beaten to its nonce.
    pub(super) async fn fill_gap(&self, pending: &Pending, progress: &mut Progress) -> Result<(), ChainError> {
        // Nobody else takes one of these nonces meanwhile.
        let _turn = self.inner.turn.lock().await;
        let known = self.rpc().nonce(self.address(), "pending").await?;
        let ours = self.nonces_under_way();
        let missing: Vec<u64> = (known..pending.nonce)
            .filter(|nonce| !ours.contains(nonce))
            .take(usize::try_from(GAP_MAX.saturating_add(1)).unwrap_or(usize::MAX))
            .collect();
        let Some(first) = missing.first().copied() else { return Ok(()) };
        if missing.len() as u64 > GAP_MAX {
            let missing =
                pending.nonce.saturating_sub(known).saturating_sub(ours.range(known..pending.nonce).count() as u64);
            progress.meets(pending, ChainError::NonceGap { address: self.address(), first, missing });
            return Ok(());
        }
        let asked = self.asked().await?;
        let fees = match Fees::first(asked.base_fee, asked.tip, self.inner.options.max_fee_limit) {
            Ok(fees) => fees,
            Err(error) => {
                progress.meets(pending, error);
                return Ok(());
            }
        };
        warn!(id = %pending.id, nonce = pending.nonce, ?missing, "nobody has the nonces before it: they are filled");
        for nonce in missing {
            let mut nothing = Pending {
                id: String::new(),
                label: "nothing, to fill a nonce".into(),
                sender: self.address(),
                chain_id: self.rpc().chain_id(),
                nonce,
                to: Some(self.address()),
                input: Bytes::new(),
                value: 0,
                gas_limit: NOTHING_GAS,
                max_fee: fees.max_fee,
                max_priority_fee: fees.max_priority_fee,
                raw: Bytes::new(),
                hashes: Vec::new(),
                stage: PendingStage::Sent,
            };
            self.sign(&mut nothing)?;
            self.rpc().send_raw(&nothing.raw).await?;
        }
        Ok(())
    }
}
