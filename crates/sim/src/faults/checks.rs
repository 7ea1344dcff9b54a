//! What an observer who sees everything holds against the nodes. It remembers across their crashes.

use super::stakes::Stakes;
use golem_protocol::{Address, Agreement, B256, ChannelId, Fuel, NodeId, Pricing, Signed, Voucher, Wei};
use std::collections::{BTreeMap, BTreeSet};

/// What was seen so far.
#[derive(Default)]
pub(super) struct Checks {
    /// The highest voucher that left each payer, by channel and epoch.
    signed: BTreeMap<(ChannelId, u32), Wei>,
    /// The highest sum each payee was told it has, by channel and epoch.
    told: BTreeMap<(ChannelId, u32), Wei>,
    /// The highest sum each provider was told it holds for an author, by channel and epoch.
    told_for_author: BTreeMap<(usize, ChannelId, u32), Wei>,
    /// Providers that know of a fee left out, by requestor.
    fees_left_out: BTreeSet<(usize, NodeId)>,
    /// Providers whose last word to a requestor was that it owes more than they lend.
    lent_no_more: BTreeSet<(usize, NodeId)>,
    /// Results accepted, by task: the subtask, and whose.
    accepted: BTreeSet<(B256, u32, NodeId)>,
    /// The same by agreement.
    accepted_by: BTreeSet<(B256, u32)>,
    /// What was proposed, by digest.
    proposed: BTreeMap<B256, Agreement>,
    /// When a requestor last proposed something to a provider for the first time.
    asked: BTreeMap<(NodeId, NodeId), u64>,
    /// When a provider first reported something of an agreement.
    reported: BTreeMap<B256, u64>,
    /// What honest providers have at stake.
    pub(super) stakes: Stakes,
}

impl Checks {
    /// A voucher leaves a payer.
    pub(super) fn voucher_leaves(&mut self, payer: Address, voucher: &Signed<Voucher>) -> Result<(), String> {
        let Voucher { payee, epoch, cumulative } = voucher.document;
        let highest = self.signed.entry((ChannelId { payer, payee }, epoch)).or_default();
        if cumulative < *highest {
            return Err(format!("{payer} signs {cumulative} for {payee} after {highest} in epoch {epoch}"));
        }
        *highest = cumulative;
        Ok(())
    }

    /// A payee is told what it has.
    pub(super) fn told(&mut self, channel: ChannelId, epoch: u32, earned: Wei) {
        let told = self.told.entry((channel, epoch)).or_default();
        *told = earned.max(*told);
    }

    /// What a payee holds in the present epoch must be all that it was told.
    pub(super) fn holds(&self, channel: ChannelId, epoch: u32, best: Wei) -> Result<(), String> {
        match self.told.get(&(channel, epoch)) {
            Some(told) if best < *told => Err(format!(
                "{} holds {best} of {} in epoch {epoch}, and was told it has {told}",
                channel.payee, channel.payer
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// A provider is told what it holds for an author.
    pub(super) fn told_for_author(&mut self, provider: usize, channel: ChannelId, epoch: u32, held: Wei) {
        let told = self.told_for_author.entry((provider, channel, epoch)).or_default();
        *told = held.max(*told);
    }

    /// What a provider holds for an author in the present epoch must be all that it was told.
    pub(super) fn holds_for_author(&self, index: usize, id: ChannelId, epoch: u32, best: Wei) -> Result<(), String> {
        match self.told_for_author.get(&(index, id, epoch)) {
            Some(told) if best < *told => {
                Err(format!("provider {index} holds {best} for {} in epoch {epoch}, and was told {told}", id.payee))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A provider learnt that a requestor leaves an author out.
    pub(super) fn fee_left_out(&mut self, provider: usize, requestor: NodeId) {
        self.fees_left_out.insert((provider, requestor));
    }

    /// A provider agreed to a requestor's work, or refused since it owes too much.
    pub(super) fn lends(&mut self, provider: usize, requestor: NodeId, more: bool) {
        if more {
            self.lent_no_more.remove(&(provider, requestor));
        } else {
            self.lent_no_more.insert((provider, requestor));
        }
    }

    /// Whether a provider last refused a requestor since it owes too much.
    pub(super) fn is_lent_no_more(&self, provider: usize, requestor: NodeId) -> bool {
        self.lent_no_more.contains(&(provider, requestor))
    }

    /// Whether a provider knows that a requestor leaves an author out.
    pub(super) fn knows_of_fee_left_out(&self, provider: usize, requestor: NodeId) -> bool {
        self.fees_left_out.contains(&(provider, requestor))
    }

    /// A requestor says that it accepted a result.
    pub(super) fn accepts(&mut self, task: B256, by: B256, index: u32, provider: NodeId) -> Result<(), String> {
        if !self.accepted_by.insert((by, index)) {
            return Err(format!("subtask {index} of {task} is accepted twice by the agreement {by}"));
        }
        if !self.accepted.insert((task, index, provider)) {
            return Err(format!("subtask {index} of {task} is accepted twice of {provider}"));
        }
        Ok(())
    }

    /// A requestor proposes a batch.
    pub(super) fn proposes(&mut self, digest: B256, agreement: &Agreement, time: u64) {
        if self.proposed.insert(digest, agreement.clone()).is_none() {
            self.asked.insert((agreement.requestor, agreement.provider), time);
        }
    }

    /// When a requestor last proposed something new to a provider.
    pub(super) fn asked(&self, requestor: NodeId, provider: NodeId) -> Option<u64> {
        self.asked.get(&(requestor, provider)).copied()
    }

    /// A provider reports something.
    pub(super) fn reports(&mut self, agreement: B256, time: u64) {
        self.reported.entry(agreement).or_insert(time);
    }

    /// When it first did so of an agreement.
    pub(super) fn reported(&self, agreement: B256) -> Option<u64> {
        self.reported.get(&agreement).copied()
    }

    /// What was proposed for a subtask, and what its result is worth once it has burnt so much.
    pub(super) fn worth(&self, by: B256, index: u32, pricing: Pricing, fuel: Fuel) -> Option<(&Agreement, Wei, Wei)> {
        let agreement = self.proposed.get(&by)?;
        let value = agreement.subtask(index)?.value;
        let worth = match pricing {
            Pricing::Tender => value,
            // By the rule's words, and not by the function that the machines use.
            Pricing::Metered => {
                let hour = u128::from(agreement.fuel_rate) * 3_600;
                Wei((agreement.price.0 * u128::from(fuel.0)).div_ceil(hour)).min(value)
            }
        };
        Some((agreement, value, worth))
    }

    /// How many subtasks were accepted in all.
    pub(super) fn accepted(&self) -> usize {
        self.accepted.len()
    }

    /// All that a payer signed in a channel, over its epochs.
    pub(super) fn signed_in_all(&self, channel: ChannelId) -> Wei {
        let of_channel = self.signed.iter().filter(|((id, _), _)| *id == channel);
        of_channel.fold(Wei::ZERO, |sum, (_, signed)| sum.saturating_add(*signed))
    }

    /// All that a payer signed.
    pub(super) fn signed_by(&self, payer: Address) -> Wei {
        let by_payer = self.signed.iter().filter(|((id, _), _)| id.payer == payer);
        by_payer.fold(Wei::ZERO, |sum, (_, signed)| sum.saturating_add(*signed))
    }
}
