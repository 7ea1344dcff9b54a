//! What one key does with the contracts: fund channels, claim, close.

mod claims;

use crate::abi::{Change, amount_word, channels, faucet, gnt, moved, uint96};
use crate::call::{Call, Estimate, TxReceipt};
use crate::claim::{self, ClaimEntry, ClaimOutcome, ClaimReport, SkipReason};
use crate::client::{ChainClient, FundingRoute};
use crate::error::ChainError;
use crate::sender::TxSender;
use alloy::primitives::{B256, U256};
use alloy::sol_types::SolCall;
use golem_protocol::{Address, ChannelId, ChannelState, Signed, Voucher, Wei};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// One key's dealings with the contracts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Account {
    client: ChainClient,
    sender: TxSender,
}

/// An amount for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Funding {
    /// For whom.
    pub payee: Address,
    /// How much; not zero.
    pub amount: Wei,
}

/// Something that changes the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Take what the faucet gives.
    FaucetClaim,
    /// Open channels to payees, or top them up; a requested close of theirs is withdrawn.
    Fund {
        /// Payee by payee.
        fundings: Vec<Funding>,
    },
    /// Send tokens themselves, outside any channel.
    Transfer {
        /// Payee by payee.
        payments: Vec<Funding>,
    },
    /// Claim vouchers of one payee. Anybody may send it; the money goes to the payee.
    ClaimMany {
        /// Who is paid.
        payee: Address,
        /// The vouchers, of as many payers as there are.
        vouchers: Vec<Signed<Voucher>>,
    },
    /// As the payee: take what a last voucher is worth and give the payer the rest.
    Close {
        /// The best voucher held.
        voucher: Signed<Voucher>,
    },
    /// As the payee: close with what was claimed already.
    CloseClaimed {
        /// Whose channel.
        payer: Address,
    },
    /// As the payer: start the delay after which the channel can be finalized.
    RequestClose {
        /// Whose channel.
        payee: Address,
    },
    /// Give the payer back what was not claimed, after the delay. Anybody may send it.
    Finalize {
        /// Who gets it back.
        payer: Address,
        /// Who did not claim it.
        payee: Address,
    },
}

/// What an operation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Its transactions, confirmed, in order. None where there was nothing to do on the chain.
    pub receipts: Vec<TxReceipt>,
    /// What `PaymentChannels` said about it, in order.
    pub changes: Vec<Change>,
}

impl Settled {
    /// Gas of all transactions.
    pub fn gas_used(&self) -> u64 {
        self.receipts.iter().map(|receipt| receipt.gas_used).sum()
    }

    /// Their price, in wei of ether.
    pub fn cost_wei(&self) -> u128 {
        self.receipts.iter().map(TxReceipt::cost_wei).sum()
    }
}

/// Fundings in one transaction: at about 50,000 gas each well below the gas of one transaction.
const FUNDINGS_PER_TX_MAX: usize = 200;
/// Direct payments in one transaction: at up to 27,000 gas each.
const PAYMENTS_PER_TX_MAX: usize = 400;
/// The step of an operation that takes one transaction.
const ONLY: &str = "only";
/// Ids of operations whose caller gave none. They are acknowledged here and not by the caller.
const UNNAMED: &str = "unnamed/";

/// One transaction of an operation, with a name that is the same after a restart.
struct Step {
    name: String,
    call: Call,
}

impl Account {
    /// Joins a key with the contracts that it works with. Both have to be of one chain.
    ///
    /// Errors: `WrongChain`.
    pub fn new(client: ChainClient, sender: TxSender) -> Result<Account, ChainError> {
        let (got, expected) = (sender.rpc().chain_id(), client.rpc().chain_id());
        if got != expected {
            return Err(ChainError::WrongChain { url: sender.rpc().url().to_owned(), got, expected });
        }
        Ok(Account { client, sender })
    }

    /// The key's address.
    pub fn address(&self) -> Address {
        self.sender.address()
    }

    /// The chain and the contracts.
    pub fn client(&self) -> &ChainClient {
        &self.client
    }

    /// The sender of this key's transactions.
    pub fn sender(&self) -> &TxSender {
        &self.sender
    }

    /// What an operation would send and cost now, transaction by transaction; sends nothing.
    ///
    /// Errors: those that [`Account::submit`] gives before anything leaves.
    pub async fn estimate(&self, operation: &Operation) -> Result<Vec<Estimate>, ChainError> {
        self.check(operation).await?;
        let mut calls: Vec<Call> = self.steps("", operation).await?.into_iter().map(|step| step.call).collect();
        match (calls.pop(), calls.is_empty()) {
            (None, _) => Ok(Vec::new()),
            (Some(only), true) => Ok(vec![self.sender.estimate(&only).await?]),
            (Some(last), false) => {
                calls.push(last);
                self.sender.estimate_sequence(&calls).await
            }
        }
    }

    /// Does an operation, and waits until it is confirmed.
    ///
    /// `id` names it across restarts: asked again under the same id, whatever of it was sent before is not sent again.
    /// Once its result is safe, the caller calls [`Account::acknowledge`]; only then can the id be used for another.
    /// Errors: `BadRequest`, `NotEnoughGnt`, `NoFaucet`, `Voucher`, and those of [`TxSender::send`].
    pub async fn submit(&self, id: &str, operation: &Operation) -> Result<Settled, ChainError> {
        let prefix = format!("{id}/");
        // What was sent before changed the balance that the check looks at.
        if !self.sender.pending().iter().any(|pending| pending.id.starts_with(&prefix)) {
            self.check(operation).await?;
        }
        let mut receipts = Vec::new();
        for step in self.steps(&prefix, operation).await? {
            receipts.push(self.sender.send(&format!("{prefix}{}", step.name), step.call).await?);
        }
        let changes = receipts.iter().flat_map(|receipt| self.client.changes(receipt)).collect();
        Ok(Settled { receipts, changes })
    }

    /// Forgets an operation whose result is safe with the caller. What is still under way is not forgotten.
    ///
    /// Errors: `Journal`.
    pub async fn acknowledge(&self, id: &str) -> Result<(), ChainError> {
        let prefix = format!("{id}/");
        for pending in self.sender.pending().iter().filter(|pending| pending.id.starts_with(&prefix)) {
            self.sender.acknowledge(&pending.id).await?;
        }
        Ok(())
    }

    /// Takes up what was under way when the program ended. To be called once after a start.
    ///
    /// Operations with an id of their own are to be submitted again under it, to get their result.
    pub async fn resume(&self) -> Vec<(String, Result<TxReceipt, ChainError>)> {
        let answers = self.sender.resume().await;
        for pending in self.sender.pending().iter().filter(|pending| pending.id.starts_with(UNNAMED)) {
            // It is confirmed and nobody will ask for it; if it cannot be removed now, the next start does it.
            let _ = self.sender.acknowledge(&pending.id).await;
        }
        answers
    }

    /// Takes what the faucet gives to an address in one go.
    ///
    /// Errors: `NoFaucet`; `Reverted` with the time of the next drip; those of [`TxSender::send`].
    pub async fn faucet_claim(&self) -> Result<Settled, ChainError> {
        self.once(&Operation::FaucetClaim).await
    }

    /// Opens the channel to `payee`, or adds to it.
    ///
    /// Errors: `NotEnoughGnt`, `BadRequest` for nothing, and those of [`TxSender::send`].
    pub async fn open_or_topup(&self, payee: Address, amount: Wei) -> Result<Settled, ChainError> {
        self.open_many(&[Funding { payee, amount }]).await
    }

    /// Opens or tops up many channels, in as few transactions as they fit.
    ///
    /// Errors: as for [`Account::open_or_topup`].
    pub async fn open_many(&self, fundings: &[Funding]) -> Result<Settled, ChainError> {
        self.once(&Operation::Fund { fundings: fundings.to_vec() }).await
    }

    /// Sends tokens, outside any channel.
    ///
    /// Errors: as for [`Account::open_or_topup`].
    pub async fn transfer(&self, payments: &[Funding]) -> Result<Settled, ChainError> {
        self.once(&Operation::Transfer { payments: payments.to_vec() }).await
    }

    /// Claims vouchers for `payee`, and says what became of each. Sends nothing where none of them would pay.
    ///
    /// Errors: those of [`TxSender::send`]. A voucher that is not paid is no error.
    pub async fn claim_many(&self, payee: Address, vouchers: &[Signed<Voucher>]) -> Result<ClaimReport, ChainError> {
        let settled = self.once(&Operation::ClaimMany { payee, vouchers: vouchers.to_vec() }).await?;
        self.claim_report(payee, vouchers, &settled).await
    }

    /// Closes the channel of a voucher, as its payee.
    ///
    /// Errors: `Voucher` where it is not for this account; those of [`TxSender::send`].
    pub async fn close(&self, voucher: &Signed<Voucher>) -> Result<Settled, ChainError> {
        self.once(&Operation::Close { voucher: voucher.clone() }).await
    }

    /// Closes the channel of `payer` with what was claimed already, as its payee.
    ///
    /// Errors: those of [`TxSender::send`].
    pub async fn close_claimed(&self, payer: Address) -> Result<Settled, ChainError> {
        self.once(&Operation::CloseClaimed { payer }).await
    }

    /// Asks to close the channel to `payee`, as its payer; the delay starts.
    ///
    /// Errors: those of [`TxSender::send`].
    pub async fn request_close(&self, payee: Address) -> Result<Settled, ChainError> {
        self.once(&Operation::RequestClose { payee }).await
    }

    /// Ends a channel after the delay.
    ///
    /// Errors: `Reverted` with the time when it is due; those of [`TxSender::send`].
    pub async fn finalize(&self, payer: Address, payee: Address) -> Result<Settled, ChainError> {
        self.once(&Operation::Finalize { payer, payee }).await
    }

    /// What became of each voucher of a claim that was submitted.
    ///
    /// Errors: those of a read.
    pub async fn claim_report(
        &self,
        payee: Address,
        vouchers: &[Signed<Voucher>],
        settled: &Settled,
    ) -> Result<ClaimReport, ChainError> {
        let (token, from) = (self.client.deployment().gnt, self.client.deployment().channels);
        let logs = settled.receipts.iter().flat_map(|receipt| &receipt.logs);
        let paid = logs.filter_map(|log| moved(log, token, from, payee)).fold(Wei::ZERO, Wei::saturating_add);
        // The contract goes through the vouchers in their order and lists those that it pays on.
        let mut paid_on = claim::claims_paid(&settled.changes, payee).peekable();
        let chain = self.client.chain_ref();
        let payers: Vec<Option<Address>> = vouchers.iter().map(|voucher| claim::payer_of(voucher, &chain)).collect();
        let mut times: BTreeMap<Address, u32> = BTreeMap::new();
        payers.iter().flatten().for_each(|payer| *times.entry(*payer).or_default() += 1);
        let block = settled.receipts.last().map(|receipt| receipt.block);
        let mut states: BTreeMap<ChannelId, ChannelState> = BTreeMap::new();
        let mut entries = Vec::with_capacity(vouchers.len());
        for (voucher, payer) in vouchers.iter().zip(payers) {
            let Voucher { epoch, cumulative, .. } = voucher.document;
            let channel = ChannelId { payer: payer.unwrap_or_default(), payee };
            let is_only = times.get(&channel.payer) == Some(&1);
            // The usual case, for which nothing has to be asked: one voucher of the payer, paid in full.
            if is_only && let Some((_, claimed)) = paid_on.next_if_eq(&(channel, cumulative)) {
                entries.push(ClaimEntry { payer, epoch, cumulative, outcome: ClaimOutcome::Paid { claimed } });
                continue;
            }
            let state = match payer {
                Some(_) => self.state_once(&mut states, channel, block).await?,
                None => ChannelState::default(),
            };
            // What a voucher pays up to is its own amount, or the deposit where that is less.
            let listed = |(id, claimed): &(ChannelId, Wei)| {
                *id == channel && epoch == state.epoch && *claimed == cumulative.min(state.deposit)
            };
            let outcome = match paid_on.next_if(listed) {
                Some((_, claimed)) => ClaimOutcome::Paid { claimed },
                None => {
                    let reason = claim::skip_reason(&voucher.document, payer, payee, &state);
                    ClaimOutcome::Skipped(reason.unwrap_or(SkipReason::Stale { claimed: state.claimed }))
                }
            };
            entries.push(ClaimEntry { payer, epoch, cumulative, outcome });
        }
        Ok(ClaimReport { paid, entries, receipts: settled.receipts.clone() })
    }

    /// A channel as the claim left it. A node that has forgotten that block is asked for the present.
    async fn state_once(
        &self,
        states: &mut BTreeMap<ChannelId, ChannelState>,
        channel: ChannelId,
        block: Option<u64>,
    ) -> Result<ChannelState, ChainError> {
        if let Some(state) = states.get(&channel) {
            return Ok(*state);
        }
        let left = match block {
            Some(block) => self.client.channel_state_after(channel, block).await,
            None => self.client.channel_state(channel).await,
        };
        let state = match left {
            Ok(state) => state,
            Err(ChainError::RpcRefused { .. }) => self.client.channel_state(channel).await?,
            Err(error) => return Err(error),
        };
        states.insert(channel, state);
        Ok(state)
    }

    /// An operation whose caller takes its result here and now.
    async fn once(&self, operation: &Operation) -> Result<Settled, ChainError> {
        let id = unnamed_id();
        let settled = self.submit(&id, operation).await?;
        self.acknowledge(&id).await?;
        Ok(settled)
    }

    /// Looks for what would fail, to say so in better words than a revert has.
    async fn check(&self, operation: &Operation) -> Result<(), ChainError> {
        let amounts = match operation {
            Operation::Fund { fundings: list } | Operation::Transfer { payments: list } => list,
            Operation::ClaimMany { vouchers, .. } if vouchers.is_empty() => {
                return Err(ChainError::BadRequest("there is no voucher to claim"));
            }
            Operation::FaucetClaim
            | Operation::ClaimMany { .. }
            | Operation::Close { .. }
            | Operation::CloseClaimed { .. }
            | Operation::RequestClose { .. }
            | Operation::Finalize { .. } => return Ok(()),
        };
        if amounts.is_empty() || amounts.iter().any(|funding| funding.amount == Wei::ZERO) {
            return Err(ChainError::BadRequest("an amount of nothing cannot be sent; give one above zero"));
        }
        let needed = total(amounts)?;
        let balance = self.client.gnt_balance(self.address()).await?;
        if balance < needed {
            return Err(ChainError::NotEnoughGnt { address: self.address(), balance, needed });
        }
        Ok(())
    }

    async fn steps(&self, prefix: &str, operation: &Operation) -> Result<Vec<Step>, ChainError> {
        let deployment = self.client.deployment();
        let to_channels = |label: String, input: Vec<u8>| Call::contract(label, deployment.channels, input);
        let call = match operation {
            Operation::FaucetClaim => {
                let (chain_id, address) = (deployment.chain_id, self.address());
                let faucet = deployment.faucet.ok_or(ChainError::NoFaucet { chain_id, address })?;
                Call::contract("take GNT from the faucet", faucet, faucet::dripCall { to: address }.abi_encode())
            }
            Operation::Fund { fundings } => return self.funding_steps(prefix, fundings).await,
            Operation::Transfer { payments } => return Ok(self.transfer_steps(payments)),
            Operation::ClaimMany { payee, vouchers } => return self.claim_steps(prefix, *payee, vouchers).await,
            Operation::Close { voucher } => {
                let payer = self.payer_to_close(voucher)?;
                let (r, vs) = voucher.signature.0.split_at(32);
                let close = channels::closeCall {
                    payer,
                    epoch: voucher.document.epoch,
                    cumulative: uint96(voucher.document.cumulative),
                    r: B256::from_slice(r),
                    vs: B256::from_slice(vs),
                };
                to_channels(format!("close the channel of {payer}"), close.abi_encode())
            }
            Operation::CloseClaimed { payer } => {
                let label = format!("close the channel of {payer}");
                // What was sent before changed the state that the call is made from.
                if let Some(sent) = self.sender.recorded(&format!("{prefix}{ONLY}"))
                    && sent.label == label
                {
                    return Ok(vec![Step { name: ONLY.into(), call: to_channels(label, sent.input.to_vec()) }]);
                }
                let state = self.client.channel_state(ChannelId { payer: *payer, payee: self.address() }).await?;
                let close = channels::closeCall {
                    payer: *payer,
                    epoch: state.epoch,
                    cumulative: uint96(state.claimed),
                    r: B256::ZERO,
                    vs: B256::ZERO,
                };
                to_channels(label, close.abi_encode())
            }
            Operation::RequestClose { payee } => to_channels(
                format!("request to close the channel to {payee}"),
                channels::requestCloseCall { payee: *payee }.abi_encode(),
            ),
            Operation::Finalize { payer, payee } => to_channels(
                format!("finalize the channel from {payer} to {payee}"),
                channels::finalizeCall { payer: *payer, payee: *payee }.abi_encode(),
            ),
        };
        Ok(vec![Step { name: ONLY.into(), call }])
    }

    fn payer_to_close(&self, voucher: &Signed<Voucher>) -> Result<Address, ChainError> {
        if voucher.document.payee != self.address() {
            return Err(ChainError::Voucher(format!(
                "its payee is {}, and only the payee can close; this account is {}",
                voucher.document.payee,
                self.address()
            )));
        }
        claim::payer_of(voucher, &self.client.chain_ref())
            .ok_or_else(|| ChainError::Voucher("nobody's key made its signature".into()))
    }

    async fn funding_steps(&self, prefix: &str, fundings: &[Funding]) -> Result<Vec<Step>, ChainError> {
        let deployment = self.client.deployment();
        let mut steps = Vec::new();
        if self.client.route() == FundingRoute::ApproveAndFund {
            let needed = total(fundings)?;
            let name = "approve".to_owned();
            let recorded = self.sender.recorded(&format!("{prefix}{name}")).is_some();
            if recorded || self.client.allowance(self.address()).await? < needed {
                let approve = gnt::approveCall { spender: deployment.channels, value: U256::from(needed.0) };
                let label = format!("allow PaymentChannels to take {needed}");
                steps.push(Step { name, call: Call::contract(label, deployment.gnt, approve.abi_encode()) });
            }
        }
        for (number, part) in fundings.chunks(FUNDINGS_PER_TX_MAX).enumerate() {
            let words = part.iter().map(|funding| amount_word(funding.amount, funding.payee));
            let sum = total(part)?;
            let label = match part {
                [only] => format!("fund the channel to {} with {sum}", only.payee),
                _ => format!("fund {} channels with {sum}", part.len()),
            };
            let call = match self.client.route() {
                FundingRoute::TransferAndCall => {
                    let transfer = gnt::transferAndCallCall {
                        to: deployment.channels,
                        value: U256::from(sum.0),
                        data: words.flat_map(|word| word.0).collect::<Vec<u8>>().into(),
                    };
                    Call::contract(label, deployment.gnt, transfer.abi_encode())
                }
                FundingRoute::ApproveAndFund => {
                    let fund = channels::fundCall { fundings: words.collect() };
                    Call::contract(label, deployment.channels, fund.abi_encode())
                }
            };
            steps.push(Step { name: format!("fund-{number}"), call });
        }
        Ok(steps)
    }

    fn transfer_steps(&self, payments: &[Funding]) -> Vec<Step> {
        let gnt = self.client.deployment().gnt;
        // A plain ERC-20 has no batch, and one payment needs none.
        let singly = self.client.route() == FundingRoute::ApproveAndFund || payments.len() == 1;
        let per_tx = if singly { 1 } else { PAYMENTS_PER_TX_MAX };
        let step = |(number, part): (usize, &[Funding])| {
            let call = match part {
                [only] => {
                    let transfer = gnt::transferCall { to: only.payee, value: U256::from(only.amount.0) };
                    Call::contract(format!("send {} to {}", only.amount, only.payee), gnt, transfer.abi_encode())
                }
                _ => {
                    let words = part.iter().map(|payment| amount_word(payment.amount, payment.payee)).collect();
                    let batch = gnt::batchTransferCall { payments: words };
                    Call::contract(format!("send GNT to {} addresses", part.len()), gnt, batch.abi_encode())
                }
            };
            Step { name: format!("transfer-{number}"), call }
        };
        payments.chunks(per_tx).enumerate().map(step).collect()
    }
}

/// An id for an operation whose result is taken here and now.
pub(crate) fn unnamed_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{UNNAMED}{}-{}-{count}", std::process::id(), crate::rpc::local_now().0)
}

fn total(fundings: &[Funding]) -> Result<Wei, ChainError> {
    fundings
        .iter()
        .try_fold(Wei::ZERO, |sum, funding| sum.checked_add(funding.amount))
        .ok_or(ChainError::BadRequest("the amounts together are more than 96 bits of wei"))
}
