//! Turning a provider's vouchers into money: by the rule, when asked, and when waiting is a risk.

use crate::chain_link::HeldVoucher;
use crate::error::SettleError;
use crate::events::ProviderNotice;
use crate::lifecycle::local_now;
use crate::provider_loop::ProviderLoop;
use crate::status::{ChannelClose, ClaimSummary};
use golem_protocol::{Address, ChannelId, Wei};
use std::collections::BTreeSet;
use tokio::sync::oneshot;

/// The pause after a claim that failed, before the rule claims again.
const CLAIM_PAUSE_MS: u64 = 60_000;
/// Who waits for a settlement.
pub(crate) enum Asker {
    Rule,
    Claim(oneshot::Sender<Result<ClaimSummary, SettleError>>),
}

/// What came of a settlement.
pub(crate) enum Settled {
    Claim(Asker, Result<ClaimSummary, SettleError>),
    Close(oneshot::Sender<Result<Vec<ChannelClose>, SettleError>>, Vec<ChannelClose>),
}

impl ProviderLoop {
    /// The vouchers that would pay something, of these payers or of all.
    pub(crate) fn held(&self, payers: Option<&BTreeSet<Address>>) -> Vec<HeldVoucher> {
        let ledgers = self.machine.ledgers();
        let wanted =
            ledgers.iter().filter(|ledger| payers.is_none_or(|payers| payers.contains(&ledger.channel().payer)));
        wanted
            // A channel that is closed has nothing left to claim, or to close.
            .filter(|ledger| ledger.state().deposit > Wei::ZERO)
            .filter_map(|ledger| {
                Some(HeldVoucher {
                    payer: ledger.channel().payer,
                    voucher: ledger.best()?.clone(),
                    claimed_before: ledger.state().claimed,
                })
            })
            .collect()
    }

    /// The rule of `ClaimRule`: everything at once when it is worth it.
    pub(crate) fn claim_by_rule(&mut self) {
        if !self.settlements.is_empty() || self.claim_again > self.now.local {
            return;
        }
        let claimable =
            self.machine.ledgers().iter().fold(Wei::ZERO, |sum, ledger| sum.saturating_add(ledger.claimable()));
        if claimable > Wei::ZERO && claimable >= self.config.claim.threshold {
            self.claim_all_due = true;
        }
    }

    pub(crate) fn start_claims(&mut self) {
        if !self.settlements.is_empty() || self.chain_lost.is_some() || self.claim_again > self.now.local {
            return;
        }
        if std::mem::take(&mut self.claim_all_due) {
            self.claim_due.clear();
            self.claim(None, Asker::Rule);
        } else if !self.claim_due.is_empty() {
            let due = std::mem::take(&mut self.claim_due);
            self.claim(Some(&due), Asker::Rule);
        }
    }

    pub(crate) fn claim(&mut self, payers: Option<&BTreeSet<Address>>, asker: Asker) {
        let mut held = self.held(payers);
        let claimable: BTreeSet<Address> = self
            .machine
            .ledgers()
            .iter()
            .filter(|ledger| ledger.claimable() > Wei::ZERO)
            .map(|ledger| ledger.channel().payer)
            .collect();
        held.retain(|held| claimable.contains(&held.payer));
        let (chain, payee) = (self.chain.clone(), self.config.payee);
        self.settlements.spawn(async move { Settled::Claim(asker, chain.claim(payee, held).await) });
    }

    pub(crate) fn on_settled(&mut self, settled: Settled) {
        match settled {
            Settled::Claim(asker, result) => {
                match &result {
                    Ok(summary) => {
                        self.counters.claims += summary.transactions.len() as u64;
                        let payers: Vec<Address> = summary.payers.iter().map(|claim| claim.payer).collect();
                        if let Some(transaction) = summary.transactions.first() {
                            tracing::info!(%transaction, paid = %summary.paid_wei, "vouchers claimed");
                            let (transaction, paid) = (*transaction, summary.paid_wei);
                            self.say(ProviderNotice::Claimed { transaction, paid, payers: payers.len() });
                        }
                        let payee = self.config.payee;
                        payers.into_iter().for_each(|payer| self.read(ChannelId { payer, payee }));
                        // What was just claimed is not claimable before the chain has been looked at.
                        self.claim_again = local_now().saturating_add(1_000);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "claim failed, vouchers are kept");
                        self.say(ProviderNotice::ClaimFailed { detail: error.to_string() });
                        self.claim_again = local_now().saturating_add(CLAIM_PAUSE_MS);
                    }
                }
                if let Asker::Claim(reply) = asker {
                    let _ = reply.send(result);
                }
            }
            Settled::Close(reply, closes) => {
                let payee = self.config.payee;
                for close in &closes {
                    self.read(ChannelId { payer: close.payer, payee });
                }
                let _ = reply.send(Ok(closes));
            }
        }
    }
}
