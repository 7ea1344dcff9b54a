//! Turning a provider's vouchers into money: by the rule, when asked, and when waiting is a risk.

use crate::chain_link::HeldVoucher;
use crate::error::SettleError;
use crate::events::ProviderNotice;
use crate::lifecycle::local_now;
use crate::provider_loop::ProviderLoop;
use crate::settings::EtherWorth;
use crate::status::{ChannelClose, ClaimSummary};
use golem_deal::Provider;
use golem_payments::{ClaimPlan, ClaimReason, ClaimRule, GasWorth};
use golem_protocol::{Address, ChainTime, ChannelId, LocalTime, Wei};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// The longest pause after a claim that failed, before the rule claims again; shorter where a close is near.
const CLAIM_PAUSE_MS: u64 = 60_000;
/// The shortest. Reason: an RPC that refuses is asked again at once by nobody.
const CLAIM_PAUSE_MS_MIN: u64 = 2_000;
/// How often the rule is asked, in milliseconds. Reason: it looks at every channel, and what it weighs grows by the day.
const PLAN_MS: u64 = 1_000;
/// How often the price of gas is read for it, in milliseconds: about once a block.
const GAS_PRICE_MS: u64 = 10_000;
/// Claims at once: a usual one, and one that cannot wait for it.
const CLAIMS_MAX: usize = 2;
/// The pause between two tries to read what was paid at a channel's end.
const END_PAUSE: Duration = Duration::from_secs(10);

/// Who waits for a settlement.
pub(crate) enum Asker {
    Rule,
    Claim(oneshot::Sender<Result<ClaimSummary, SettleError>>),
}

/// What came of a settlement.
pub(crate) enum Settled {
    Claim { asker: Asker, payers: BTreeSet<Address>, result: Result<ClaimSummary, SettleError> },
    Close(oneshot::Sender<Result<Vec<ChannelClose>, SettleError>>, Vec<ChannelClose>),
}

/// What was asked of the chain for the rule, and what it said.
pub(crate) enum ForRule {
    GasPrice(Option<u64>),
    /// What was claimed of an ended channel, and what was held of it.
    End {
        payer: Address,
        held: Wei,
        claimed: Option<Wei>,
    },
}

/// What the rule goes by besides the ledgers.
#[derive(Default)]
pub(crate) struct RuleState {
    /// Payers to claim from for another reason than a close: each stays until nothing of it is claimable.
    risky: BTreeSet<Address>,
    /// Payers whose vouchers are in a claim that is under way.
    claiming: BTreeSet<Address>,
    /// When the rule is asked next; at once after something that cannot wait.
    ask_at: LocalTime,
    /// The rule claims nothing before this.
    claim_again: LocalTime,
    /// What gas costs in wei of ether, as last read; and when it was asked for.
    gas_price: Option<u64>,
    gas_asked: LocalTime,
    pub(crate) asked: JoinSet<ForRule>,
}

/// What the rule is asked, besides what the machine holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClaimQuestion {
    rule: ClaimRule,
    gas: GasWorth,
    /// Payers to claim from for another reason than a close.
    risky: BTreeSet<Address>,
}

impl ClaimQuestion {
    /// What the rule says to it.
    pub(crate) fn plan(&self, machine: &Provider, now: ChainTime) -> ClaimPlan {
        let mut channels = machine.claimables(now);
        for channel in channels.iter_mut().filter(|channel| channel.due.0 == 0) {
            if self.risky.contains(&channel.payer) {
                channel.due = now;
            }
        }
        self.rule.plan(&channels, self.gas)
    }
}

impl ProviderLoop {
    /// The vouchers that would pay something, of these payers.
    pub(crate) fn held(&self, payers: &BTreeSet<Address>) -> Vec<HeldVoucher> {
        let ledgers = self.machine.ledgers();
        let wanted = ledgers.iter().filter(|ledger| payers.contains(&ledger.channel().payer));
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

    /// Every payer that a voucher is held of.
    pub(crate) fn all_payers(&self) -> BTreeSet<Address> {
        self.machine.vouchers().into_iter().map(|(payer, _)| payer).collect()
    }

    /// Every payer of whom something can be claimed.
    pub(crate) fn claimable_payers(&self) -> BTreeSet<Address> {
        self.machine.claimables(self.now.chain).into_iter().map(|claimable| claimable.payer).collect()
    }

    fn gas_worth(&self) -> GasWorth {
        self.rule.gas_price.map_or(GasWorth::Unknown, |price| self.config.claim.gas_worth(price))
    }

    fn claim_question(&self) -> ClaimQuestion {
        let risky = self.rule.risky.clone();
        ClaimQuestion { rule: self.config.claim.rule(), gas: self.gas_worth(), risky }
    }

    /// What the rule says now.
    pub(crate) fn claim_plan(&self) -> ClaimPlan {
        self.claim_question().plan(&self.machine, self.now.chain)
    }

    /// The machine says that waiting for this payer's money is a risk.
    pub(crate) fn claim_soon(&mut self, payer: Address) {
        self.rule.risky.insert(payer);
        self.rule_is_due();
    }

    /// Has the rule asked in this turn.
    pub(crate) fn rule_is_due(&mut self) {
        self.rule.ask_at = LocalTime::default();
    }

    /// Asks the rule, and claims what it says.
    pub(crate) fn claim_by_rule(&mut self) {
        let now = local_now();
        if self.rule.ask_at > now {
            return;
        }
        self.rule.ask_at = now.saturating_add(PLAN_MS);
        self.ask_gas_price(now);
        let claimables = self.machine.claimables(self.now.chain);
        let closes = claimables.iter().map(|channel| channel.due).filter(|due| due.0 != 0);
        let due = closes.min().unwrap_or_default();
        self.chain.hurry(due);
        self.rule.risky.retain(|payer| claimables.iter().any(|channel| channel.payer == *payer));
        if self.chain_lost.is_some() || self.rule.claim_again > now || self.settlements.len() >= CLAIMS_MAX {
            return;
        }
        let question = self.claim_question();
        let plan = question.plan(&self.machine, self.now.chain);
        // Only what cannot wait goes beside a claim that is under way.
        if !self.settlements.is_empty() && plan.reason != ClaimReason::Due {
            return;
        }
        let payers: BTreeSet<Address> =
            plan.payers.iter().filter(|payer| !self.rule.claiming.contains(*payer)).copied().collect();
        if !payers.is_empty() {
            self.note_claim(question, &plan);
            let (reason, claimable) = (plan.reason, plan.claimable_wei);
            tracing::info!(?reason, %claimable, cost = %plan.cost_wei, payers = payers.len(), "the rule claims");
            self.claim(payers, Asker::Rule);
        }
    }

    fn ask_gas_price(&mut self, now: LocalTime) {
        let wanted = self.config.claim.ether != EtherWorth::Unknown;
        if wanted && now.saturating_sub(self.rule.gas_asked) >= GAS_PRICE_MS && self.chain_lost.is_none() {
            self.rule.gas_asked = now;
            let chain = self.chain.clone();
            self.rule.asked.spawn(async move { ForRule::GasPrice(chain.gas_price().await.ok()) });
        }
    }

    /// Asks the chain what was claimed of a channel by its end: only that says whether anything was lost.
    pub(crate) fn look_at_end(&mut self, payer: Address, epoch: u32, held: Wei) {
        let (chain, channel) = (self.chain.clone(), ChannelId { payer, payee: self.config.payee });
        self.rule.asked.spawn(async move {
            loop {
                match chain.claimed_at_end(channel, epoch).await {
                    Ok(claimed) => return ForRule::End { payer, held, claimed },
                    Err(error) => tracing::warn!(%payer, %error, "the end of a channel was not read, trying again"),
                }
                tokio::time::sleep(END_PAUSE).await;
            }
        });
    }

    pub(crate) fn on_asked(&mut self, answer: ForRule) {
        match answer {
            ForRule::GasPrice(price) => self.rule.gas_price = price.or(self.rule.gas_price),
            // The log does not have its end: a reorg took that back.
            ForRule::End { claimed: None, .. } => {}
            ForRule::End { payer, held, claimed: Some(claimed) } => {
                let lost = held.saturating_sub(claimed);
                if lost > Wei::ZERO {
                    tracing::error!(%payer, %lost, %claimed, "the channel ended before all that was held was claimed");
                    self.lost = self.lost.saturating_add(lost);
                    self.say(ProviderNotice::Lost { payer, lost, claimed });
                }
            }
        }
    }

    pub(crate) fn claim(&mut self, payers: BTreeSet<Address>, asker: Asker) {
        let held = self.held(&payers);
        self.rule.claiming.extend(&payers);
        let (chain, payee) = (self.chain.clone(), self.config.payee);
        self.settlements.spawn(async move { Settled::Claim { asker, payers, result: chain.claim(payee, held).await } });
    }

    pub(crate) fn on_settled(&mut self, settled: Settled) {
        match settled {
            Settled::Claim { asker, payers: asked, result } => {
                self.rule.claiming.retain(|payer| !asked.contains(payer));
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
                        self.rule.claim_again = local_now().saturating_add(1_000);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "claim failed, vouchers are kept");
                        self.say(ProviderNotice::ClaimFailed { detail: error.to_string() });
                        self.rule.claim_again = local_now().saturating_add(self.pause_after_failure());
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

    /// An eighth of what is left until the first close can be final, so that a failed claim is tried again several times.
    fn pause_after_failure(&self) -> u64 {
        let claimables = self.machine.claimables(self.now.chain);
        let left = claimables.iter().filter(|c| c.due.0 != 0).map(|c| c.due.saturating_sub(self.now.chain)).min();
        let eighth = left.map_or(CLAIM_PAUSE_MS, |left_s| left_s.saturating_mul(1_000) / 8);
        eighth.clamp(CLAIM_PAUSE_MS_MIN, CLAIM_PAUSE_MS)
    }
}
