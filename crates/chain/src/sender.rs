//! Sends the transactions of one key: nonces, fees, replacement, confirmation, and taking up again after a restart.
//!
//! ```text
//! send(id, call): gas and fee -> nonce -> sign -> journal -> broadcast -> follow -> Confirmed(receipt) -> acknowledge
//!                                                              ^             |
//!                                    dropped, or the RPC was down: same bytes |
//!                                    stuck: same nonce, higher fee            |
//!                                    nonce taken from elsewhere: a new nonce -+
//!                                    a nonce before it is nobody's: filled ---+
//! ```
//!
//! An RPC may be slow, behind, or wrong. Its word alone never makes the sender sign the same call for a second nonce: only
//! a nonce that the chain counts as used, seen several times and as deep as confirmations ask, while no node has a
//! version of ours.

mod follow;
mod gap;

use crate::abi::decode_revert;
use crate::call::{Call, Estimate, TxReceipt};
use crate::error::ChainError;
use crate::fees::{Fees, Haste, TX_GAS_MAX};
use crate::journal::{Pending, PendingJournal, PendingStage};
use crate::rpc::{Rpc, Simulated};
use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy::eips::eip2718::Encodable2718;
use alloy::primitives::{Address, Bytes, TxKind, U64, U256};
use alloy::rpc::types::TransactionRequest;
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use golem_protocol::ChainTime;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tracing::{info, warn};

/// How a key's transactions are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderOptions {
    /// The most that is ever offered per gas, in wei of ether.
    pub max_fee_limit: u64,
    /// A transaction that is next in line and not mined for this long is replaced at a higher fee,
    pub stuck_after: Duration,
    /// or after this many blocks, whichever comes first.
    pub stuck_after_blocks: u64,
    /// After this long a caller is told `Unconfirmed`; the record stays.
    pub give_up_after: Duration,
    /// How many transactions may be under way at once; further ones wait their turn.
    pub in_flight_max: usize,
}

impl Default for SenderOptions {
    /// At most 300 gwei per gas; stuck after 60 s or 4 blocks; given up after 15 minutes; 16 at once.
    fn default() -> SenderOptions {
        SenderOptions {
            max_fee_limit: 300_000_000_000,
            stuck_after: Duration::from_secs(60),
            stuck_after_blocks: 4,
            give_up_after: Duration::from_secs(15 * 60),
            in_flight_max: 16,
        }
    }
}

/// A reorg may empty a slot that was in use when gas was estimated, and writing it costs 17,100 more then: this is room for
/// two of them.
const GAS_MARGIN_MIN: u64 = 35_000;
/// How often a fee is raised because a node does not take a new transaction for it.
const PRICE_ATTEMPTS_MAX: u32 = 8;
/// How many nonces are tried for one transaction before it is taken that another program uses the same key.
const NONCE_ATTEMPTS_MAX: u32 = 8;
/// How often a nonce must be seen used by another transaction before ours is signed anew: an RPC behind a balancer may
/// know the new nonce before it knows the receipt.
const TAKEN_SIGHTINGS: u32 = 3;

/// The sender of one key's transactions. Cheap to clone; make one per key, since two would take each other's nonces.
#[derive(Clone)]
pub struct TxSender {
    inner: Arc<Inner>,
}

struct Inner {
    rpc: Rpc,
    signer: PrivateKeySigner,
    options: SenderOptions,
    journal: Arc<dyn PendingJournal>,
    /// Held from the choice of a nonce until the transaction is out, so that no two take the same.
    turn: tokio::sync::Mutex<()>,
    slots: Semaphore,
    /// The most that is tipped per gas of a first offer, in wei of ether; a stuck transaction still goes beyond it.
    tip_max: AtomicU64,
    /// What the journal holds of this key.
    records: Mutex<BTreeMap<String, Pending>>,
    /// Ids that a caller waits for.
    followed: Mutex<BTreeSet<String>>,
    /// By when all of them should be mined, in seconds of chain time; 0 where there is no hurry.
    due_s: AtomicU64,
}

/// What the chain asks of a transaction now.
#[derive(Clone, Copy, Debug)]
struct Asked {
    base_fee: u64,
    /// What is usual, raised by the haste there is.
    tip: u64,
    /// The most gas that one transaction can use.
    gas_max: u64,
}

impl fmt::Debug for TxSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TxSender({} on {:?})", self.address(), self.inner.rpc)
    }
}

/// Marks an id as waited for, until it is dropped.
struct Followed<'a> {
    inner: &'a Inner,
    id: String,
}

impl Drop for Followed<'_> {
    fn drop(&mut self) {
        lock(&self.inner.followed).remove(&self.id);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TxSender {
    /// Takes a key of 32 bytes and what the journal holds of it. Sends nothing; see [`TxSender::resume`].
    ///
    /// Errors: `BadKey`, `Journal`.
    pub async fn start(
        rpc: Rpc,
        key: &[u8; 32],
        options: SenderOptions,
        journal: Arc<dyn PendingJournal>,
    ) -> Result<TxSender, ChainError> {
        let signer = PrivateKeySigner::from_slice(key).map_err(|_| ChainError::BadKey)?;
        let inner = Inner {
            slots: Semaphore::new(options.in_flight_max.clamp(1, Semaphore::MAX_PERMITS)),
            tip_max: AtomicU64::new(u64::MAX),
            rpc,
            signer,
            options,
            journal,
            turn: tokio::sync::Mutex::new(()),
            records: Mutex::default(),
            followed: Mutex::default(),
            due_s: AtomicU64::new(0),
        };
        let sender = TxSender { inner: Arc::new(inner) };
        let loaded = sender.in_journal(|journal| journal.load()).await?;
        let ours = loaded.into_iter().filter(|p| p.sender == sender.address() && p.chain_id == sender.rpc().chain_id());
        lock(&sender.inner.records).extend(ours.map(|pending| (pending.id.clone(), pending)));
        Ok(sender)
    }

    /// The key's address.
    pub fn address(&self) -> Address {
        self.inner.signer.address()
    }

    /// The connection.
    pub fn rpc(&self) -> &Rpc {
        &self.inner.rpc
    }

    /// What is recorded of this key: under way, or confirmed and not acknowledged.
    pub fn pending(&self) -> Vec<Pending> {
        lock(&self.inner.records).values().cloned().collect()
    }

    /// Says by when this key's transactions should be mined: the nearer it is, the more is offered, and the sooner more,
    /// within the limit. Of all of them, because a later one waits for those before it. 0 takes the hurry away.
    pub fn hurry(&self, due: ChainTime) {
        self.inner.due_s.store(due.0, Ordering::Relaxed);
    }

    fn haste(&self, now: ChainTime) -> Haste {
        Haste::of(ChainTime(self.inner.due_s.load(Ordering::Relaxed)), now)
    }

    /// The most gas that a transaction can use: by the rules, and by what a block holds.
    pub(crate) async fn gas_max(&self) -> Result<u64, ChainError> {
        Ok(TX_GAS_MAX.min(self.rpc().head().await?.gas_limit))
    }

    /// What is recorded under an id.
    pub(crate) fn recorded(&self, id: &str) -> Option<Pending> {
        lock(&self.inner.records).get(id).cloned()
    }

    /// What a transaction would cost now; sends nothing.
    ///
    /// Errors: `Reverted` where the contract would refuse it, `GasAboveLimit`, or those of a read.
    pub async fn estimate(&self, call: &Call) -> Result<Estimate, ChainError> {
        let asked = self.asked().await?;
        let gas = self.gas(call, asked.gas_max).await?;
        self.priced_at(call, gas, asked)
    }

    /// What a transaction would cost if accounts were as the overrides say (geth's third argument of `eth_estimateGas`).
    pub(crate) async fn estimate_supposing(&self, call: &Call, overrides: Value) -> Result<Estimate, ChainError> {
        let simulated: Simulated<U64> =
            self.rpc().simulate("eth_estimateGas", (self.request(call), "latest", overrides)).await?;
        match simulated {
            Simulated::Done(gas) => self.priced_at(call, gas.to::<u64>(), self.asked().await?),
            Simulated::Reverted(reason) => Err(ChainError::Reverted { label: call.label.clone(), tx: None, reason }),
        }
    }

    /// What transactions one after another would cost now, each seeing what those before it did; sends nothing.
    ///
    /// Errors: as for [`TxSender::estimate`]; `RpcRefused` where the RPC has no `eth_simulateV1`.
    pub async fn estimate_sequence(&self, calls: &[Call]) -> Result<Vec<Estimate>, ChainError> {
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct SimulatedCall {
            status: U64,
            gas_used: U64,
            #[serde(default)]
            return_data: Bytes,
        }
        #[derive(Debug, serde::Deserialize)]
        struct SimulatedBlock {
            calls: Vec<SimulatedCall>,
        }
        let requests: Vec<TransactionRequest> = calls.iter().map(|call| self.request(call)).collect();
        let payload = serde_json::json!({ "blockStateCalls": [{ "calls": requests }] });
        let blocks: Vec<SimulatedBlock> = self.rpc().request("eth_simulateV1", (payload, "latest")).await?;
        let done: Vec<SimulatedCall> = blocks.into_iter().flat_map(|block| block.calls).collect();
        let asked = self.asked().await?;
        let mut estimates = Vec::with_capacity(calls.len());
        for (call, done) in calls.iter().zip(&done) {
            if done.status.is_zero() {
                let reason = decode_revert(&done.return_data);
                return Err(ChainError::Reverted { label: call.label.clone(), tx: None, reason });
            }
            estimates.push(self.priced_at(call, done.gas_used.to::<u64>(), asked)?);
        }
        Ok(estimates)
    }

    /// Sends a transaction and waits until it is confirmed. Under an id that is recorded already, nothing new is sent:
    /// it waits for that one, or returns its receipt.
    ///
    /// The receipt stays recorded until [`TxSender::acknowledge`], so a caller that asks again under the same id after a
    /// crash gets the same answer and pays once.
    /// Errors: before anything left: `Reverted` (no `tx`), `NoGas`, `FeeAboveLimit`, `GasAboveLimit`, `IdInUse`,
    /// `Journal`, those of a read. After: `Reverted` with its `tx`; `NonceTaken`, when it cannot be mined any more; and
    /// `Unconfirmed` after `give_up_after` and the answers to one last look.
    pub async fn send(&self, id: &str, call: Call) -> Result<TxReceipt, ChainError> {
        let _slot = self.inner.slots.acquire().await.map_err(|_| ChainError::Stopped)?;
        let in_use = |under_way: String| ChainError::IdInUse { id: id.into(), under_way, asked: call.label.clone() };
        let _followed = self.followed(id).ok_or_else(|| in_use("waited for elsewhere".into()))?;
        let pending = {
            let _turn = self.inner.turn.lock().await;
            match self.recorded(id) {
                Some(pending) if (pending.to, &pending.input) != (call.to, &call.input) => {
                    return Err(in_use(pending.label));
                }
                Some(Pending { stage: PendingStage::Confirmed(receipt), .. }) => return Ok(receipt),
                Some(pending) => pending,
                None => self.first_send(id, &call).await?,
            }
        };
        self.follow(pending).await
    }

    /// Takes up every recorded transaction that is not confirmed: sends it again, and waits for it.
    ///
    /// To be called once after a start, before anything new is sent. The answers are by id, in the order of nonces.
    pub async fn resume(&self) -> Vec<(String, Result<TxReceipt, ChainError>)> {
        let mut open: Vec<Pending> = self.pending().into_iter().filter(|p| p.stage == PendingStage::Sent).collect();
        open.sort_by_key(|pending| pending.nonce);
        {
            let _turn = self.inner.turn.lock().await;
            self.resend_orphans().await;
        }
        let mut answers = Vec::with_capacity(open.len());
        for pending in open {
            let id = pending.id.clone();
            // Somebody who already waits for it gets the answer.
            let Some(_followed) = self.followed(&id) else { continue };
            answers.push((id, self.follow(pending).await));
        }
        answers
    }

    /// Forgets a confirmed transaction: its result is safe with the caller. Of one under way, nothing is forgotten.
    ///
    /// Errors: `Journal`.
    pub async fn acknowledge(&self, id: &str) -> Result<(), ChainError> {
        let recorded = self.recorded(id);
        let confirmed = matches!(recorded, Some(Pending { stage: PendingStage::Confirmed(_), .. }));
        if confirmed { self.remove(id).await } else { Ok(()) }
    }

    fn followed(&self, id: &str) -> Option<Followed<'_>> {
        let inserted = lock(&self.inner.followed).insert(id.to_owned());
        inserted.then(|| Followed { inner: &self.inner, id: id.to_owned() })
    }

    fn request(&self, call: &Call) -> TransactionRequest {
        let request = TransactionRequest::default().from(self.address()).input(call.input.clone().into());
        let request = request.value(U256::from(call.value));
        match call.to {
            Some(to) => request.to(to),
            None => TransactionRequest { to: Some(TxKind::Create), ..request },
        }
    }

    /// Gas that a call uses now, on top of what is under way already.
    async fn gas(&self, call: &Call, gas_max: u64) -> Result<u64, ChainError> {
        let simulated: Simulated<U64> = self.rpc().simulate("eth_estimateGas", (self.request(call), "pending")).await?;
        let gas = match simulated {
            Simulated::Done(gas) => gas.to::<u64>(),
            Simulated::Reverted(reason) => {
                return Err(ChainError::Reverted { label: call.label.clone(), tx: None, reason });
            }
        };
        if gas > gas_max {
            return Err(ChainError::GasAboveLimit { label: call.label.clone(), needed: gas, allowed: gas_max });
        }
        Ok(gas)
    }

    async fn asked(&self) -> Result<Asked, ChainError> {
        let head = self.rpc().head().await?;
        let suggested = self.rpc().suggested_tip().await?.min(self.inner.tip_max.load(Ordering::Relaxed));
        let tip = self.haste(head.time).tip(suggested);
        Ok(Asked { base_fee: head.base_fee, tip, gas_max: TX_GAS_MAX.min(head.gas_limit) })
    }

    /// From now on tips no more than this per gas, whatever the node suggests.
    pub(crate) fn hold_tip(&self, tip: u64) {
        self.inner.tip_max.store(tip, Ordering::Relaxed);
    }

    /// What a transaction that uses so much gas would cost now.
    pub(crate) async fn priced(&self, call: &Call, gas: u64) -> Result<Estimate, ChainError> {
        self.priced_at(call, gas, self.asked().await?)
    }

    fn priced_at(&self, call: &Call, gas: u64, asked: Asked) -> Result<Estimate, ChainError> {
        let Asked { base_fee, tip, gas_max } = asked;
        let fees = Fees::first(base_fee, tip, self.inner.options.max_fee_limit)?;
        let gas_price_wei = base_fee.saturating_add(tip);
        Ok(Estimate {
            label: call.label.clone(),
            gas,
            gas_price_wei,
            cost_wei: u128::from(gas).saturating_mul(u128::from(gas_price_wei)),
            cost_max_wei: u128::from(gas_limit(gas, gas_max)).saturating_mul(u128::from(fees.max_fee)),
        })
    }

    /// Signs, records and broadcasts. The caller has the turn.
    async fn first_send(&self, id: &str, call: &Call) -> Result<Pending, ChainError> {
        self.resend_orphans().await;
        let asked = self.asked().await?;
        let gas = gas_limit(self.gas(call, asked.gas_max).await?, asked.gas_max);
        let mut fees = Fees::first(asked.base_fee, asked.tip, self.inner.options.max_fee_limit)?;
        self.check_balance(call, gas, fees).await?;
        let mut refused = None;
        for _ in 0..PRICE_ATTEMPTS_MAX {
            let nonce = self.next_nonce(0).await?;
            let pending = self.signed(id, call, nonce, gas, fees)?;
            self.save(pending.clone()).await?;
            match self.broadcast(&pending).await {
                Broadcast::Out => {
                    info!(id, label = %call.label, nonce, tx = ?pending.hashes.last(), "transaction sent");
                    return Ok(pending);
                }
                // Whoever follows it finds out whose the nonce is. A new one now could pay twice: the refusal may be of
                // these very bytes, sent on and mined before.
                Broadcast::Unclear(error) | Broadcast::NonceTaken(error) => {
                    warn!(id, nonce, %error, "the RPC did not say whether it took the transaction");
                    return Ok(pending);
                }
                Broadcast::TooCheap(error) => {
                    self.remove(id).await?;
                    let asked = self.asked().await?;
                    fees = fees.raised(asked.base_fee, asked.tip, self.inner.options.max_fee_limit)?;
                    refused = Some(error);
                }
                Broadcast::Refused(error) => {
                    self.remove(id).await?;
                    self.check_balance(call, gas, fees).await?;
                    return Err(error);
                }
            }
        }
        Err(refused.unwrap_or(ChainError::Stopped))
    }

    fn nonce_taken(&self, label: &str) -> ChainError {
        ChainError::NonceTaken { label: label.into(), address: self.address(), attempts: NONCE_ATTEMPTS_MAX }
    }

    async fn check_balance(&self, call: &Call, gas: u64, fees: Fees) -> Result<(), ChainError> {
        let balance = self.rpc().eth_balance(self.address()).await?;
        let needed = u128::from(gas).saturating_mul(u128::from(fees.max_fee)).saturating_add(call.value);
        if balance < needed {
            return Err(ChainError::NoGas { label: call.label.clone(), address: self.address(), balance, needed });
        }
        Ok(())
    }

    /// The lowest nonce that neither the chain nor a record of ours uses: it also fills a gap that a dropped
    /// transaction left. At least `least`, below which all are known to be used.
    async fn next_nonce(&self, least: u64) -> Result<u64, ChainError> {
        let known = self.rpc().nonce(self.address(), "pending").await?;
        Ok(lowest_free(known.max(least), &self.nonces_under_way()))
    }

    fn nonces_under_way(&self) -> BTreeSet<u64> {
        let records = lock(&self.inner.records);
        let under_way = records.values().filter(|pending| pending.stage == PendingStage::Sent);
        under_way.map(|pending| pending.nonce).collect()
    }

    fn signed(&self, id: &str, call: &Call, nonce: u64, gas_limit: u64, fees: Fees) -> Result<Pending, ChainError> {
        let mut pending = Pending {
            id: id.to_owned(),
            label: call.label.clone(),
            sender: self.address(),
            chain_id: self.rpc().chain_id(),
            nonce,
            to: call.to,
            input: call.input.clone(),
            value: call.value,
            gas_limit,
            max_fee: fees.max_fee,
            max_priority_fee: fees.max_priority_fee,
            raw: Bytes::new(),
            hashes: Vec::new(),
            stage: PendingStage::Sent,
        };
        self.sign(&mut pending)?;
        Ok(pending)
    }

    /// Signs the record as it stands; the result is its newest version.
    fn sign(&self, pending: &mut Pending) -> Result<(), ChainError> {
        let tx = TxEip1559 {
            chain_id: pending.chain_id,
            nonce: pending.nonce,
            gas_limit: pending.gas_limit,
            max_fee_per_gas: pending.max_fee.into(),
            max_priority_fee_per_gas: pending.max_priority_fee.into(),
            to: pending.to.map_or(TxKind::Create, TxKind::Call),
            value: U256::from(pending.value),
            access_list: Default::default(),
            input: pending.input.clone(),
        };
        let signature = self.inner.signer.sign_hash_sync(&tx.signature_hash()).map_err(|_| ChainError::BadKey)?;
        let signed = tx.into_signed(signature);
        pending.hashes.push(*signed.hash());
        pending.raw = TxEnvelope::from(signed).encoded_2718().into();
        Ok(())
    }

    async fn broadcast(&self, pending: &Pending) -> Broadcast {
        let error = match self.rpc().send_raw(&pending.raw).await {
            Ok(()) => return Broadcast::Out,
            Err(error) => error,
        };
        let ChainError::RpcRefused { message, .. } = &error else { return Broadcast::Unclear(error) };
        let message = message.to_ascii_lowercase();
        let says = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
        // "Underpriced replacement" is here too: for a first version the nonce belongs to a foreign transaction.
        if says(&["nonce too low", "nonce is too low", "oldnonce", "old nonce", "replacement", "nonce has already"]) {
            // The first attempt of the same request may have been taken, with its answer lost.
            for hash in &pending.hashes {
                match self.rpc().knows(*hash).await {
                    Ok(true) => return Broadcast::Out,
                    Ok(false) => {}
                    Err(error) => return Broadcast::Unclear(error),
                }
            }
            return Broadcast::NonceTaken(error);
        }
        if says(&["underpriced", "less than block base fee", "fee cap", "feetoolow", "fee too low"]) {
            return Broadcast::TooCheap(error);
        }
        Broadcast::Refused(error)
    }

    /// Sends again what is recorded and nobody waits for: after a crash, or after its caller gave up. Without it, a gap
    /// in the nonces would hold up everything after it.
    async fn resend_orphans(&self) {
        let mut orphans: Vec<Pending> = {
            let followed = lock(&self.inner.followed);
            let records = lock(&self.inner.records);
            let open = records.values().filter(|p| p.stage == PendingStage::Sent && !followed.contains(&p.id));
            open.cloned().collect()
        };
        orphans.sort_by_key(|pending| pending.nonce);
        for pending in orphans {
            // Whatever the answer, the one who takes the record up again finds out by following it.
            if let Err(error) = self.rpc().send_raw(&pending.raw).await {
                info!(id = %pending.id, nonce = pending.nonce, %error, "recorded transaction sent again");
            }
        }
    }

    async fn save(&self, pending: Pending) -> Result<(), ChainError> {
        let record = pending.clone();
        self.in_journal(move |journal| journal.save(&record)).await?;
        lock(&self.inner.records).insert(pending.id.clone(), pending);
        Ok(())
    }

    async fn remove(&self, id: &str) -> Result<(), ChainError> {
        let name = id.to_owned();
        self.in_journal(move |journal| journal.remove(&name)).await?;
        lock(&self.inner.records).remove(id);
        Ok(())
    }

    async fn in_journal<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn PendingJournal) -> Result<T, crate::journal::JournalError> + Send + 'static,
    ) -> Result<T, ChainError> {
        let journal = self.inner.journal.clone();
        let done = tokio::task::spawn_blocking(move || work(journal.as_ref())).await;
        Ok(done.map_err(|_| ChainError::Stopped)??)
    }
}

/// What a node said to signed bytes.
enum Broadcast {
    /// It has them.
    Out,
    /// No answer: it may have them.
    Unclear(ChainError),
    /// Another transaction has the nonce, it says.
    NonceTaken(ChainError),
    /// The fee is too low to be taken at all.
    TooCheap(ChainError),
    /// It does not take them.
    Refused(ChainError),
}

/// A fifth more than the estimate, and at least [`GAS_MARGIN_MIN`]: state may change until it is mined. What is not used
/// is not paid.
fn gas_limit(estimate: u64, gas_max: u64) -> u64 {
    estimate.saturating_add((estimate / 5).max(GAS_MARGIN_MIN)).min(gas_max)
}

fn lowest_free(known: u64, ours: &BTreeSet<u64>) -> u64 {
    (known..=u64::MAX).find(|nonce| !ours.contains(nonce)).unwrap_or(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_lowest_nonce_that_nobody_has() {
        assert_eq!(lowest_free(5, &BTreeSet::new()), 5);
        // The node does not count what is not mined, or has forgotten it.
        assert_eq!(lowest_free(5, &BTreeSet::from([5, 6])), 7);
        // A gap holds up everything above it, so it is filled first.
        assert_eq!(lowest_free(5, &BTreeSet::from([6, 7])), 5);
        assert_eq!(lowest_free(5, &BTreeSet::from([3, 4])), 5);
    }

    #[test]
    fn leaves_room_above_an_estimate_up_to_the_limit() {
        assert_eq!(gas_limit(200_000, TX_GAS_MAX), 240_000);
        assert_eq!(gas_limit(50_000, TX_GAS_MAX), 85_000);
        assert_eq!(gas_limit(TX_GAS_MAX - 1, TX_GAS_MAX), TX_GAS_MAX);
    }
}
