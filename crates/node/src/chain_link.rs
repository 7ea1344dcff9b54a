//! What the loop wants of the chain: looks, fundings, claims and closes, each in its own time.

use crate::error::{SettleError, StartError};
use crate::settings::ChainSettings;
use crate::status::{ChannelClose, ClaimSummary, CloseResult, PayerClaim};
use crate::tx_journal::StoreJournal;
use golem_chain::{
    Account, ChainClient, ChainError, Change, ClaimOutcome, Operation, Rpc, RpcConfig, SenderOptions, Settled,
    TxSender, WatchOptions, Watcher,
};
use golem_protocol::{Address, B256, ChainTime, ChannelId, ChannelState, Signed, Voucher, Wei};
use golem_store::Store;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;

/// Looks at the chain at once. Reason: a public RPC limits requests; others wait their turn.
const READS_MAX: usize = 8;
/// The first and the longest pause between two tries of one look.
const READ_PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// What came of a funding.
#[derive(Clone, Debug)]
pub(crate) struct Funded {
    pub(crate) state: ChannelState,
    pub(crate) amount: Wei,
    pub(crate) transaction: Option<B256>,
}

/// The node's account on the chain.
#[derive(Clone)]
pub(crate) struct ChainLink {
    account: Account,
    confirmations: u64,
    reads: Arc<Semaphore>,
    /// Whether transactions may be under way that nobody follows: of an earlier run, or given up on. Before they are
    /// settled, none of ours would know the balance, and none would be mined before them.
    unfollowed: Arc<Mutex<Unfollowed>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unfollowed {
    Some,
    None,
}

impl ChainLink {
    /// Connects, and checks that the contracts are there and are the ones this program knows.
    pub(crate) async fn connect(
        settings: &ChainSettings,
        payment_key: &[u8; 32],
        store: Arc<dyn Store>,
    ) -> Result<ChainLink, StartError> {
        let refused = |error: ChainError| StartError::Chain { detail: error.to_string() };
        let mut config = RpcConfig::new(settings.rpc_url.clone());
        config.chain_id = Some(settings.deployment.chain_id);
        config.confirmations = settings.confirmations;
        config.poll_interval = settings.poll_ms.map(Duration::from_millis);
        let rpc = Rpc::connect(config).await.map_err(refused)?;
        let client = ChainClient::new(rpc.clone(), settings.deployment.clone()).await.map_err(refused)?;
        let journal = Arc::new(StoreJournal::new(store));
        let options = SenderOptions { max_fee_limit: settings.max_fee_wei(), ..SenderOptions::default() };
        let sender = TxSender::start(rpc, payment_key, options, journal).await.map_err(refused)?;
        let account = Account::new(client, sender).map_err(refused)?;
        let reads = Arc::new(Semaphore::new(READS_MAX));
        let unfollowed = Arc::new(Mutex::new(Unfollowed::Some));
        Ok(ChainLink { account, confirmations: settings.confirmations, reads, unfollowed })
    }

    /// The chain's time now.
    pub(crate) async fn time(&self) -> Result<ChainTime, StartError> {
        self.account.client().chain_time().await.map_err(|error| StartError::Chain { detail: error.to_string() })
    }

    /// Follows the channels of one address, and reports how `channels` stand at first.
    pub(crate) async fn watch(&self, address: Address, channels: Vec<ChannelId>) -> Result<Watcher, StartError> {
        let client = self.account.client();
        let head = client.block_number().await.map_err(|error| StartError::Chain { detail: error.to_string() })?;
        let mut options = WatchOptions::new(vec![address]);
        options.channels = channels;
        // What changed before is seen by the first report and by looking where an agreement needs it.
        options.from_block = head.saturating_sub(self.confirmations);
        Ok(Watcher::start(client.clone(), options))
    }

    /// How a channel stands, as deep as confirmations ask. Tries until it is answered: the caller may stop waiting.
    pub(crate) async fn read(&self, channel: ChannelId) -> ChannelState {
        let mut pause = READ_PAUSE.0;
        loop {
            match self.read_once(channel).await {
                Ok(state) => return state,
                Err(error) => {
                    tracing::warn!(payer = %channel.payer, payee = %channel.payee, %error, "channel not read, trying again");
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(READ_PAUSE.1);
        }
    }

    async fn read_once(&self, channel: ChannelId) -> Result<ChannelState, ChainError> {
        let _turn = self.reads.acquire().await.map_err(|_| ChainError::Stopped)?;
        let client = self.account.client();
        if self.confirmations <= 1 {
            return client.channel_state(channel).await;
        }
        let head = client.block_number().await?;
        client.channel_state_after(channel, head.saturating_sub(self.confirmations - 1)).await
    }

    /// How a channel stands in the newest block. Tries until it is answered, as [`ChainLink::read`].
    pub(crate) async fn read_newest(&self, channel: ChannelId) -> ChannelState {
        let mut pause = READ_PAUSE.0;
        loop {
            match self.account.client().channel_state(channel).await {
                Ok(state) => return state,
                Err(error) => tracing::warn!(payer = %channel.payer, %error, "channel not read, trying again"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(READ_PAUSE.1);
        }
    }

    /// How channels stand now, before anything else is done: those that are closing, and where one confirmation is enough
    /// all of them. What is not deep enough is told by the follower later.
    pub(crate) async fn look_first(
        &self,
        channels: &[ChannelId],
    ) -> Result<Vec<(ChannelId, ChannelState)>, StartError> {
        let mut looks = JoinSet::new();
        for channel in channels.iter().copied() {
            let (client, reads) = (self.account.client().clone(), self.reads.clone());
            looks.spawn(async move {
                let _turn = reads.acquire().await.map_err(|_| ChainError::Stopped)?;
                Ok::<_, ChainError>((channel, client.channel_state(channel).await?))
            });
        }
        let mut states = Vec::with_capacity(channels.len());
        while let Some(look) = looks.join_next().await {
            let look = look.map_err(|error| StartError::Thread { detail: error.to_string() })?;
            let (channel, state) = look.map_err(|error| StartError::Chain { detail: error.to_string() })?;
            if self.confirmations <= 1 || state.close_at.0 != 0 {
                states.push((channel, state));
            }
        }
        Ok(states)
    }

    /// What was claimed in all in an epoch that has ended; `None` where the chain's log does not have its end.
    pub(crate) async fn claimed_at_end(&self, channel: ChannelId, epoch: u32) -> Result<Option<Wei>, ChainError> {
        let client = self.account.client();
        let state = client.channel_state(channel).await?;
        // Every epoch before the present one has ended once, and the present one too where there is no deposit.
        let later = state.epoch.saturating_sub(epoch);
        let is_over = state.deposit == Wei::ZERO;
        let Some(place) = (later as usize + usize::from(is_over)).checked_sub(1) else { return Ok(None) };
        Ok(client.claimed_at_ends(channel, place + 1).await?.get(place).copied())
    }

    /// What gas costs now, in wei of ether.
    pub(crate) async fn gas_price(&self) -> Result<u64, ChainError> {
        self.account.client().gas_price().await
    }

    /// Says by when this node's transactions should be mined; 0 is no hurry.
    pub(crate) fn hurry(&self, due: ChainTime) {
        self.account.sender().hurry(due);
    }

    /// Transactions that nobody follows go first: those of an earlier run, and those that were given up on.
    async fn settle_earlier(&self) {
        let mut unfollowed = self.unfollowed.lock().await;
        if *unfollowed == Unfollowed::None {
            return;
        }
        let mut left = Unfollowed::None;
        for (id, answer) in self.account.resume().await {
            match answer {
                Ok(receipt) => tracing::info!(%id, transaction = %receipt.tx, "earlier transaction is done"),
                Err(error) => {
                    tracing::warn!(%id, %error, "earlier transaction is not done");
                    if error.may_have_left() {
                        left = Unfollowed::Some;
                    }
                }
            }
        }
        *unfollowed = left;
    }

    /// Takes note of what became of a transaction.
    async fn noted<T>(&self, result: Result<T, ChainError>) -> Result<T, ChainError> {
        if result.as_ref().is_err_and(ChainError::may_have_left) {
            *self.unfollowed.lock().await = Unfollowed::Some;
        }
        result
    }

    /// Brings the deposit of the channel to `payee` up to `deposit` in `epoch`. Asked again, it funds nothing twice.
    pub(crate) async fn fund(&self, payee: Address, deposit: Wei, epoch: u32) -> Result<Funded, ChainError> {
        self.settle_earlier().await;
        let channel = ChannelId { payer: self.account.address(), payee };
        let id = format!("fund/{payee}/{epoch}/{}", deposit.0);
        let state = self.account.client().channel_state(channel).await?;
        let missing = missing(&state, deposit, epoch);
        if missing == Wei::ZERO {
            self.account.acknowledge(&id).await?;
            return Ok(Funded { state: self.read(channel).await, amount: Wei::ZERO, transaction: None });
        }
        let fundings = vec![golem_chain::Funding { payee, amount: missing }];
        let settled = self.noted(self.account.submit(&id, &Operation::Fund { fundings }).await).await?;
        let transaction = settled.receipts.last().map(|receipt| receipt.tx);
        // The chain itself holds the result; a repeat finds the deposit there.
        self.account.acknowledge(&id).await?;
        Ok(Funded { state: self.read(channel).await, amount: missing, transaction })
    }

    /// Claims the vouchers of many payers; each comes with what was claimed of that payer before.
    pub(crate) async fn claim(&self, payee: Address, held: Vec<HeldVoucher>) -> Result<ClaimSummary, SettleError> {
        if held.is_empty() {
            return Ok(ClaimSummary::default());
        }
        self.settle_earlier().await;
        let vouchers: Vec<Signed<Voucher>> = held.iter().map(|held| held.voucher.clone()).collect();
        let report = self.noted(self.account.claim_many(payee, &vouchers).await).await.map_err(not_through)?;
        let payers = held.iter().zip(&report.entries).map(|(held, entry)| {
            let claimed = match entry.outcome {
                ClaimOutcome::Paid { claimed } => claimed,
                ClaimOutcome::Skipped(reason) => {
                    tracing::info!(payer = %held.payer, ?reason, "voucher skipped by the contract");
                    held.claimed_before
                }
            };
            PayerClaim {
                payer: held.payer,
                paid_wei: claimed.saturating_sub(held.claimed_before),
                claimed_wei: claimed,
            }
        });
        Ok(ClaimSummary {
            payers: payers.collect(),
            transactions: report.receipts.iter().map(|receipt| receipt.tx).collect(),
            gas_used: report.receipts.iter().map(|receipt| receipt.gas_used).sum(),
            paid_wei: report.paid,
        })
    }

    /// Closes the channels of these payers, one transaction each; what fails for one does not stop the others.
    pub(crate) async fn close(&self, held: Vec<HeldVoucher>) -> Vec<ChannelClose> {
        self.settle_earlier().await;
        let mut closes = Vec::with_capacity(held.len());
        for HeldVoucher { payer, voucher, claimed_before } in held {
            let result = match self.noted(self.account.close(&voucher).await).await {
                Ok(settled) => closed(&settled, claimed_before),
                Err(error) => CloseResult::Failed { detail: error.to_string() },
            };
            closes.push(ChannelClose { payer, result });
        }
        closes
    }

    /// Asks for the channel to `payee` to be closed; gives the time from which it can be finalized.
    pub(crate) async fn request_close(&self, payee: Address) -> Result<ChainTime, SettleError> {
        self.settle_earlier().await;
        let settled = self.noted(self.account.request_close(payee).await).await.map_err(not_through)?;
        let close_at = settled.changes.iter().find_map(|change| match change {
            Change::CloseRequested { close_at, .. } => Some(*close_at),
            Change::Funded { .. } | Change::Claimed { .. } | Change::Closed { .. } => None,
        });
        close_at.ok_or_else(|| SettleError::Chain { detail: "the transaction requested no close".to_owned() })
    }

    /// Ends the channel to `payee` after its delay; gives the transaction.
    pub(crate) async fn finalize(&self, payee: Address) -> Result<B256, SettleError> {
        self.settle_earlier().await;
        let finalized = self.account.finalize(self.account.address(), payee).await;
        let settled = self.noted(finalized).await.map_err(not_through)?;
        let transaction = settled.receipts.last().map(|receipt| receipt.tx);
        transaction.ok_or_else(|| SettleError::Chain { detail: "no transaction was made".to_owned() })
    }
}

/// A voucher that the payee holds, and where its channel stands.
#[derive(Clone, Debug)]
pub(crate) struct HeldVoucher {
    pub(crate) payer: Address,
    pub(crate) voucher: Signed<Voucher>,
    pub(crate) claimed_before: Wei,
}

fn not_through(error: ChainError) -> SettleError {
    SettleError::Chain { detail: error.to_string() }
}

fn closed(settled: &Settled, claimed_before: Wei) -> CloseResult {
    let sums = settled.changes.iter().find_map(|change| match change {
        Change::Closed { claimed, refund, .. } => Some((*claimed, *refund)),
        Change::Funded { .. } | Change::Claimed { .. } | Change::CloseRequested { .. } => None,
    });
    match (sums, settled.receipts.last()) {
        (Some((claimed, refunded_wei)), Some(receipt)) => CloseResult::Closed {
            transaction: receipt.tx,
            gas_used: settled.gas_used(),
            paid_wei: claimed.saturating_sub(claimed_before),
            refunded_wei,
        },
        _ => CloseResult::Failed { detail: "the transaction closed no channel".to_owned() },
    }
}

/// What is missing in a channel to reach `deposit` in `epoch`; nothing where a later epoch has begun.
fn missing(state: &ChannelState, deposit: Wei, epoch: u32) -> Wei {
    // A closed channel keeps its epoch and has no deposit: opening it again raises the epoch.
    if state.epoch == epoch {
        deposit.saturating_sub(state.deposit)
    } else if state.epoch < epoch {
        deposit
    } else {
        Wei::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(epoch: u32, deposit: u128) -> ChannelState {
        ChannelState { epoch, deposit: Wei(deposit), ..ChannelState::default() }
    }

    #[test]
    fn funds_only_what_is_missing_and_never_twice() {
        assert_eq!(missing(&state(0, 0), Wei(70), 1), Wei(70));
        assert_eq!(missing(&state(1, 30), Wei(70), 1), Wei(40));
        assert_eq!(missing(&state(1, 70), Wei(70), 1), Wei(0));
        assert_eq!(missing(&state(1, 90), Wei(70), 1), Wei(0));
        assert_eq!(missing(&state(2, 0), Wei(70), 1), Wei(0));
    }
}
