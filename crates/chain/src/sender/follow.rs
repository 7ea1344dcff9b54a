//! What happens to a transaction from its first broadcast to its confirmation.

use super::{Broadcast, NONCE_ATTEMPTS_MAX, TAKEN_SIGHTINGS, TxSender};
use crate::call::{Call, LogRecord, TxReceipt};
use crate::error::{ChainError, Revert};
use crate::fees::Fees;
use crate::journal::{Pending, PendingStage, VERSIONS_MAX};
use crate::rpc::Simulated;
use alloy::primitives::{B256, Bytes, keccak256};
use alloy::rpc::types::TransactionReceipt;
use tokio::time::Instant;
use tracing::{info, warn};

impl TxSender {
    /// Waits until the transaction is confirmed, and sees to it that it is.
    pub(super) async fn follow(&self, mut pending: Pending) -> Result<TxReceipt, ChainError> {
        let options = self.inner.options;
        let started = Instant::now();
        let mut progress = Progress::new(0);
        loop {
            match self.look(&mut pending, &mut progress).await {
                Ok(Some(receipt)) => return self.finish(pending, receipt).await,
                Ok(None) => {}
                // An outage must not lose track of what was sent; answers that make no sense are one.
                Err(
                    error @ (ChainError::RpcUnreachable { .. }
                    | ChainError::RpcRefused { .. }
                    | ChainError::BadAnswer { .. }),
                ) => {
                    progress.meets(&pending, error);
                }
                Err(error) => return Err(error),
            }
            if started.elapsed() >= options.give_up_after {
                return Err(ChainError::Unconfirmed {
                    tx: pending.hashes.last().copied().unwrap_or_default(),
                    label: pending.label,
                    nonce: pending.nonce,
                    waited_s: started.elapsed().as_secs(),
                    obstacle: progress.obstacle.map(Box::new),
                });
            }
            tokio::time::sleep(self.rpc().poll_interval()).await;
        }
    }

    /// Sends bytes that somebody else signed and waits until they are confirmed. They are not recorded: whoever sends
    /// them again does the same once.
    ///
    /// Errors: `Reverted`, `Unconfirmed`, those of a read.
    pub(crate) async fn send_presigned(&self, label: &str, raw: &Bytes) -> Result<TxReceipt, ChainError> {
        let tx = keccak256(raw);
        let started = Instant::now();
        self.rpc().send_raw(raw).await?;
        loop {
            if let Some(receipt) = self.deep_receipt(tx).await? {
                if receipt.status() {
                    return Ok(receipt_of(&receipt));
                }
                return Err(ChainError::Reverted { label: label.to_owned(), tx: Some(tx), reason: Revert::Silent });
            }
            if started.elapsed() >= self.inner.options.give_up_after {
                let waited_s = started.elapsed().as_secs();
                return Err(ChainError::Unconfirmed {
                    label: label.to_owned(),
                    tx,
                    nonce: 0,
                    waited_s,
                    obstacle: None,
                });
            }
            tokio::time::sleep(self.rpc().poll_interval()).await;
        }
    }

    /// Waits until every transaction of this key that the chain knows is mined, also those of other programs.
    ///
    /// Errors: `UnderWay`, those of a read.
    pub(crate) async fn wait_for_unrecorded(&self) -> Result<(), ChainError> {
        let started = Instant::now();
        loop {
            let mined = self.rpc().nonce(self.address(), "latest").await?;
            let count = self.rpc().nonce(self.address(), "pending").await?.saturating_sub(mined);
            if count == 0 {
                return Ok(());
            }
            if started.elapsed() >= self.inner.options.give_up_after {
                let waited_s = started.elapsed().as_secs();
                return Err(ChainError::UnderWay { address: self.address(), count, waited_s });
            }
            tokio::time::sleep(self.rpc().poll_interval()).await;
        }
    }

    /// A transaction's receipt, once it is deep enough.
    async fn deep_receipt(&self, tx: B256) -> Result<Option<TransactionReceipt>, ChainError> {
        let head = self.rpc().block_number().await?;
        let Some(receipt) = self.rpc().receipt(tx).await? else { return Ok(None) };
        let block = receipt.block_number.unwrap_or(head);
        let deep = head.saturating_sub(block).saturating_add(1) >= self.rpc().confirmations();
        Ok(deep.then_some(receipt))
    }

    /// One look at the chain: the receipt once it is deep enough; otherwise whatever helps.
    async fn look(
        &self,
        pending: &mut Pending,
        progress: &mut Progress,
    ) -> Result<Option<TransactionReceipt>, ChainError> {
        let block = self.rpc().head().await?;
        let (head, haste) = (block.number, self.haste(block.time));
        for hash in pending.hashes.iter().rev() {
            // Looked up anew each time: a reorg may have taken it out again.
            let Some(receipt) = self.rpc().receipt(*hash).await? else { continue };
            let block = receipt.block_number.unwrap_or(head);
            let deep = head.saturating_sub(block).saturating_add(1) >= self.rpc().confirmations();
            *progress = Progress { since_block: Some(head), ..Progress::new(progress.anew) };
            return Ok(deep.then_some(receipt));
        }
        let since_block = *progress.since_block.get_or_insert(head);
        let mined = self.rpc().nonce(self.address(), "latest").await?;
        if mined > pending.nonce {
            return self.taken(pending, progress, head, mined).await.map(|()| None);
        }
        progress.sightings = 0;
        let newest = pending.hashes.last().copied().unwrap_or_default();
        if !self.rpc().knows(newest).await? {
            info!(id = %pending.id, nonce = pending.nonce, "the node has not got the transaction; sending it again");
            match self.broadcast(pending).await {
                Broadcast::Out => progress.obstacle = None,
                Broadcast::TooCheap(_) => self.replace(pending, progress).await?,
                Broadcast::Unclear(error) | Broadcast::NonceTaken(error) | Broadcast::Refused(error) => {
                    progress.meets(pending, error);
                }
            }
            return Ok(None);
        }
        let options = self.inner.options;
        let (stuck_after, stuck_after_blocks) = haste.stuck_after(options.stuck_after, options.stuck_after_blocks);
        let stuck = progress.since.elapsed() >= stuck_after || head.saturating_sub(since_block) >= stuck_after_blocks;
        if stuck {
            progress.since = Instant::now();
            progress.since_block = Some(head);
            // Only the next in line is stuck for its fee; the others wait for it, or for one that nobody has.
            match mined == pending.nonce {
                true => self.replace(pending, progress).await?,
                false => self.fill_gap(pending, progress).await?,
            }
        }
        Ok(None)
    }

    /// The nonce is used and none of our versions has a receipt: once that is certain, the call gets a new nonce.
    async fn taken(
        &self,
        pending: &mut Pending,
        progress: &mut Progress,
        head: u64,
        mined: u64,
    ) -> Result<(), ChainError> {
        if progress.sightings == 0 {
            progress.since_block = Some(head);
        }
        progress.sightings = progress.sightings.saturating_add(1);
        let since_block = progress.since_block.unwrap_or(head);
        let depth = head.saturating_sub(since_block).saturating_add(1);
        if progress.sightings < TAKEN_SIGHTINGS || depth < self.rpc().confirmations() {
            return Ok(());
        }
        for hash in &pending.hashes {
            if self.rpc().knows(*hash).await? {
                // It is ours after all, and its receipt is late.
                return Ok(());
            }
        }
        if progress.anew >= NONCE_ATTEMPTS_MAX {
            self.remove(&pending.id).await?;
            return Err(self.nonce_taken(&pending.label));
        }
        let _turn = self.inner.turn.lock().await;
        let mut anew = Pending { hashes: Vec::new(), nonce: self.next_nonce(mined).await?, ..pending.clone() };
        warn!(id = %pending.id, taken = pending.nonce, nonce = anew.nonce, "another transaction took the nonce");
        self.sign(&mut anew)?;
        self.save(anew.clone()).await?;
        *pending = anew;
        *progress = Progress::new(progress.anew.saturating_add(1));
        // Whatever comes of it, the next look sees it.
        self.broadcast(pending).await;
        Ok(())
    }

    /// The same nonce at a higher fee.
    async fn replace(&self, pending: &mut Pending, progress: &mut Progress) -> Result<(), ChainError> {
        if pending.hashes.len() >= VERSIONS_MAX {
            return Ok(());
        }
        let asked = self.asked().await?;
        let fees = Fees { max_fee: pending.max_fee, max_priority_fee: pending.max_priority_fee };
        let raised = match fees.raised(asked.base_fee, asked.tip, self.inner.options.max_fee_limit) {
            Ok(raised) => raised,
            Err(error) => {
                // It stays as it is, and is mined when the chain asks for less again.
                progress.meets(pending, error);
                return Ok(());
            }
        };
        let mut next = pending.clone();
        next.max_fee = raised.max_fee;
        next.max_priority_fee = raised.max_priority_fee;
        self.sign(&mut next)?;
        self.save(next.clone()).await?;
        info!(id = %next.id, nonce = next.nonce, max_fee = next.max_fee, "stuck: the fee is raised");
        *pending = next;
        // A refusal means that an older version was mined, or that the next look must raise it further.
        self.broadcast(pending).await;
        Ok(())
    }

    async fn finish(&self, mut pending: Pending, mined: TransactionReceipt) -> Result<TxReceipt, ChainError> {
        if !mined.status() {
            let reason = self.revert_reason(&pending, &mined).await;
            self.remove(&pending.id).await?;
            return Err(ChainError::Reverted { label: pending.label, tx: Some(mined.transaction_hash), reason });
        }
        let receipt = receipt_of(&mined);
        pending.stage = PendingStage::Confirmed(receipt.clone());
        self.save(pending).await?;
        Ok(receipt)
    }

    /// Asks for the words that a receipt has not got: whatever it stumbled over came before it in its block, or was
    /// there before.
    async fn revert_reason(&self, pending: &Pending, mined: &TransactionReceipt) -> Revert {
        let call = Call { label: String::new(), to: pending.to, input: pending.input.clone(), value: pending.value };
        let block = mined.block_number.unwrap_or_default();
        for at in [block, block.saturating_sub(1)] {
            let asked = self.rpc().simulate::<_, Bytes>("eth_call", (self.request(&call), format!("{at:#x}"))).await;
            if let Ok(Simulated::Reverted(reason)) = asked {
                return reason;
            }
        }
        Revert::Silent
    }
}

/// What has been seen of a transaction that is followed.
pub(super) struct Progress {
    /// Since when it waits at its present fee.
    since: Instant,
    since_block: Option<u64>,
    /// How often in a row its nonce was seen used by another.
    sightings: u32,
    /// How often it got a new nonce.
    anew: u32,
    /// What stood in its way last.
    obstacle: Option<ChainError>,
}

impl Progress {
    fn new(anew: u32) -> Progress {
        Progress { since: Instant::now(), since_block: None, sightings: 0, anew, obstacle: None }
    }

    /// Notes what stands in its way, and says it once.
    pub(super) fn meets(&mut self, pending: &Pending, obstacle: ChainError) {
        if self.obstacle.as_ref() != Some(&obstacle) {
            warn!(id = %pending.id, nonce = pending.nonce, %obstacle, "the transaction is kept and not mined yet");
        }
        self.obstacle = Some(obstacle);
    }
}

fn receipt_of(mined: &TransactionReceipt) -> TxReceipt {
    let logs = mined.logs().iter().map(|log| LogRecord {
        address: log.address(),
        topics: log.topics().to_vec(),
        data: log.data().data.clone(),
    });
    TxReceipt {
        tx: mined.transaction_hash,
        block: mined.block_number.unwrap_or_default(),
        block_hash: mined.block_hash.unwrap_or(B256::ZERO),
        gas_used: mined.gas_used,
        gas_price_wei: u64::try_from(mined.effective_gas_price).unwrap_or(u64::MAX),
        created: mined.contract_address,
        logs: logs.collect(),
    }
}
