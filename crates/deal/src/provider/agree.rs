//! From a header to a countersignature.

use super::deal::{Deal, Stage};
use super::interface::{ProviderEffect, ProviderEvent, UnfitProgram};
use super::machine::{
    DEALS_MAX, DEALS_PER_REQUESTOR_MAX, HEADERS_MAX, Known, Provider, Step, UNCHECKED_MAX, UNFIT_MAX, Unchecked,
};
use super::work::cut;
use crate::{ProviderFact, ProviderPolicy};
use golem_protocol::*;
use std::collections::BTreeSet;

/// How long a header that is heard again is not refused again for the same reason, in milliseconds. Reason: it is
/// repeated every few seconds, and the answer is known; yet the first may have been lost.
const REFUSE_AGAIN_MS: u64 = 30_000;

/// How long nothing is offered for a task whose requestor said that its lists leave this node out, in milliseconds. Reason:
/// lists change by hand.
const UNWANTED_MS: u64 = 600_000;

/// A price that fell by a part in so many is offered at once. Reason: each offer is a signature and a message.
const CHEAPER_BY: u128 = 8;

/// Work is turned down for other work that brings more by a part in so many. Reason: prices move all the time, and who is
/// turned down for a trifle goes elsewhere.
const BETTER_BY: u128 = 4;

impl Provider {
    pub(super) fn on_header(
        &mut self,
        policy: &mut dyn ProviderPolicy,
        header: Authentic<Header>,
        now: Now,
        step: &mut Step,
    ) {
        let (digest, requestor) = (header.digest(), header.requestor);
        if self.draining || header.deadline < now.chain || requestor == self.node() {
            return;
        }
        let standing = self.headers.get(&digest).and_then(|known| known.offer.clone());
        if let Some(offer) = standing
            && self.stands_long_enough(&offer, now)
        {
            if !self.offer_cheaper(policy, digest, now, step) {
                // It may have been lost: the requestor still asks.
                step.send(requestor, Message::Offer(offer.into_signed()));
            }
            return;
        }
        let unwanted = self.headers.get(&digest).and_then(|known| known.unwanted);
        if unwanted.is_some_and(|since| now.local.saturating_sub(since) < UNWANTED_MS) {
            return;
        }
        self.note_if_in_vain(policy, digest, now);
        match self.make_offer(policy, &header, now) {
            Err(reason) => {
                let said = self.headers.get(&digest).and_then(|known| known.refused.clone());
                let again = said
                    .as_ref()
                    .is_none_or(|(before, at)| *before != reason || now.local.saturating_sub(*at) >= REFUSE_AGAIN_MS);
                let refused = if again { Some((reason.clone(), now.local)) } else { said };
                self.remember(Known {
                    header,
                    heard: now.local,
                    offer: None,
                    earlier: None,
                    taken: false,
                    refused,
                    unwanted: None,
                });
                if again {
                    step.refuse(requestor, digest, reason);
                }
            }
            Ok(offer) => {
                step.say(ProviderEvent::Offered { requestor, header: digest, price: offer.price });
                step.send(requestor, Message::Offer(offer.signed().clone()));
                self.remember(Known {
                    header,
                    heard: now.local,
                    offer: Some(offer),
                    earlier: None,
                    taken: false,
                    refused: None,
                    unwanted: None,
                });
            }
        }
    }

    /// Offers less where the price has fallen since the offer that stands: who has done some of the work knows better what
    /// it takes. Whether it did. The dearer offer stands as well, for an agreement that is on its way; only one before that
    /// is forgotten.
    pub(super) fn offer_cheaper(
        &mut self,
        policy: &mut dyn ProviderPolicy,
        header: B256,
        now: Now,
        step: &mut Step,
    ) -> bool {
        let Some(known) = self.headers.get(&header).filter(|_| !self.draining) else { return false };
        let header = known.header.clone();
        let Some(standing) = known.offer.clone().filter(|offer| self.stands_long_enough(offer, now)) else {
            return false;
        };
        let Ok(offer) = self.make_offer(policy, &header, now) else { return false };
        if offer.price.0 >= standing.price.0 - standing.price.0 / CHEAPER_BY {
            return false;
        }
        step.say(ProviderEvent::Offered { requestor: header.requestor, header: header.digest(), price: offer.price });
        step.send(header.requestor, Message::Offer(offer.signed().clone()));
        if let Some(known) = self.headers.get_mut(&header.digest()) {
            (known.offer, known.earlier) = (Some(offer), Some(standing));
        }
        true
    }

    /// Notes that an offer nobody took has come to its end, where there was room for the work.
    pub(super) fn note_if_in_vain(&self, policy: &mut dyn ProviderPolicy, header: B256, now: Now) {
        let in_vain = self.headers.get(&header).is_some_and(|known| known.offer.is_some() && !known.taken);
        if in_vain && self.running() < self.settings.slots as usize {
            policy.note(&ProviderFact::Answered { taken: false }, now);
        }
    }

    fn stands_long_enough(&self, offer: &Offer, now: Now) -> bool {
        offer.expires.saturating_sub(now.chain) > self.settings.offer_life_s / 3
    }

    fn make_offer(
        &self,
        policy: &mut dyn ProviderPolicy,
        header: &Authentic<Header>,
        now: Now,
    ) -> Result<Authentic<Offer>, RefusalReason> {
        self.fits(header)?;
        if let Some(why) = &self.resting {
            return Err(RefusalReason::Resting(why.clone()));
        }
        self.runs(header.module, now)?;
        let quote = policy.quote(header, now)?;
        if quote.price > header.max_price {
            return Err(RefusalReason::PriceAboveMax { price: quote.price, max_price: header.max_price });
        }
        let offer = Offer {
            header: header.digest(),
            provider: self.node(),
            payee: self.settings.payee,
            price: quote.price,
            performance: quote.performance,
            slots: quote.slots.min(self.settings.slots).min(self.fitting(header)),
            expires: now.chain.saturating_add(self.settings.offer_life_s),
        };
        sign(offer, &self.settings.chain, &*self.keys.identity)
            .map_err(|error| RefusalReason::Malformed(error.to_string()))
    }

    fn fits(&self, header: &Header) -> Result<(), RefusalReason> {
        let settings = &self.settings;
        if header.profile != settings.profile {
            return Err(RefusalReason::OtherProfile { ours: settings.profile, theirs: header.profile });
        }
        let memory_max = settings.memory_max.min(settings.memory_total);
        let limits = [("memory", header.memory_max, memory_max), ("output", header.output_max, settings.output_max)];
        for (resource, asked, limit) in limits {
            if asked > limit {
                return Err(RefusalReason::TooLarge { resource: resource.into(), asked: asked.0, limit: limit.0 });
            }
        }
        Ok(())
    }

    /// Whether a program is one that this machine can run, for all it knows.
    fn runs(&self, module: ContentHash, now: Now) -> Result<(), RefusalReason> {
        match self.unfit.get(&module) {
            Some((detail, until)) if *until > now.local => {
                Err(RefusalReason::ProgramUnfit { module, detail: detail.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Leaves a program alone that cannot be run here: it would only fail again. No offer for it stands, and what waits is
    /// given back for others to do.
    pub(super) fn on_unfit(
        &mut self,
        policy: &mut dyn ProviderPolicy,
        program: UnfitProgram,
        now: Now,
        step: &mut Step,
    ) {
        let UnfitProgram { module, detail, for_ms } = program;
        let detail = cut(detail);
        if self.runs(module, now).is_ok() {
            step.say(ProviderEvent::LeftAlone { module, detail: detail.clone(), for_ms });
        }
        let why = format!("this node cannot run the program: {detail}");
        self.unfit.insert(module, (detail, now.local.saturating_add(for_ms)));
        if self.unfit.len() > UNFIT_MAX {
            let ends_first = self.unfit.iter().min_by_key(|(_, (_, until))| *until).map(|(module, _)| *module);
            ends_first.map(|module| self.unfit.remove(&module));
        }
        let mut headers = BTreeSet::new();
        for (digest, known) in self.headers.iter_mut().filter(|(_, known)| known.header.module == module) {
            (known.offer, known.earlier) = (None, None);
            headers.insert(*digest);
        }
        self.unchecked.retain(|_, unchecked| !headers.contains(&unchecked.agreement.header));
        let waiting = self.deals.iter().filter(|(_, deal)| {
            deal.header.module == module && deal.subtasks.values().any(|stage| *stage == Stage::Waiting)
        });
        let waiting: Vec<B256> = waiting.map(|(digest, _)| *digest).collect();
        for digest in waiting {
            self.wind_down(policy, digest, &why, now, step);
        }
    }

    /// How many subtasks of a task the memory has room for at once; one at least, as it fits.
    fn fitting(&self, header: &Header) -> u16 {
        let fitting = self.settings.memory_total.0.checked_div(header.memory_max.0).unwrap_or(u64::MAX);
        u16::try_from(fitting).unwrap_or(u16::MAX).max(1)
    }

    fn remember(&mut self, known: Known) {
        let digest = known.header.digest();
        if self.headers.len() >= HEADERS_MAX && !self.headers.contains_key(&digest) {
            let oldest = self.headers.iter().min_by_key(|(_, known)| known.heard).map(|(digest, _)| *digest);
            if let Some(oldest) = oldest {
                self.headers.remove(&oldest);
            }
        }
        self.headers.insert(digest, known);
    }

    pub(super) fn on_agreement(
        &mut self,
        policy: &mut dyn ProviderPolicy,
        from: NodeId,
        signed: Signed<Agreement>,
        now: Now,
        step: &mut Step,
    ) {
        let agreement = match signed.authenticate(&self.settings.chain) {
            Ok(agreement) if agreement.requestor == from => agreement,
            Ok(agreement) => {
                let reason = RefusalReason::Malformed(format!("the agreement is of {}", agreement.requestor));
                return step.refuse(from, agreement.digest(), reason);
            }
            Err(error) => return step.refuse(from, B256::ZERO, RefusalReason::Malformed(error.to_string())),
        };
        let digest = agreement.digest();
        if let Some(deal) = self.deals.get(&digest) {
            // Our countersignature was lost: the same bytes again.
            let agreement = deal.agreement.clone();
            return self.countersign(&agreement, step);
        }
        let (deadline, now_s) = (agreement.deadline, now.chain);
        if deadline < now_s {
            return step.refuse(from, digest, RefusalReason::Expired { expires: deadline, now: now_s });
        }
        if self.unchecked.contains_key(&digest) {
            return;
        }
        if self.over.contains(&digest) {
            // Who asks again may not have heard that it was given back. Who did everything about it passes this over.
            return step.refuse(from, digest, RefusalReason::UnknownHeader(digest));
        }
        if let Err(reason) = self.check_as_offered(&agreement, now) {
            return step.refuse(from, digest, reason);
        }
        self.consider(policy, agreement, false, now, step);
    }

    /// Whether an agreement says what our offer said, and there is room for it.
    fn check_as_offered(&self, agreement: &Agreement, now: Now) -> Result<(), RefusalReason> {
        if self.draining {
            return Err(RefusalReason::Busy);
        }
        if let Some(why) = &self.resting {
            return Err(RefusalReason::Resting(why.clone()));
        }
        let known = self.headers.get(&agreement.header).ok_or(RefusalReason::UnknownHeader(agreement.header))?;
        self.runs(known.header.module, now)?;
        let mut offers = known.offer.iter().chain(&known.earlier);
        let offer = offers.find(|offer| offer.digest() == agreement.offer);
        let offer = offer.ok_or(RefusalReason::UnknownHeader(agreement.offer))?;
        let header = &known.header;
        let expires = offer.expires.min(header.deadline);
        if expires < now.chain {
            return Err(RefusalReason::Expired { expires, now: now.chain });
        }
        let value = subtask_value(offer.price, header.subtask_timeout_s).unwrap_or(Wei::MAX);
        let lowest = agreement.subtasks.iter().map(|subtask| subtask.value).min().unwrap_or_default();
        let highest = agreement.subtasks.iter().map(|subtask| subtask.index).max().unwrap_or_default();
        same("requestor", &agreement.requestor, &header.requestor)?;
        same("payer", &agreement.payer, &header.payer)?;
        same("provider", &agreement.provider, &offer.provider)?;
        same("payee", &agreement.payee, &offer.payee)?;
        same("price", &agreement.price, &offer.price)?;
        same("fuel_rate", &agreement.fuel_rate, &offer.performance)?;
        same("app", &agreement.app, &header.app)?;
        same("subtask_timeout", &agreement.subtask_timeout_s, &header.subtask_timeout_s)?;
        if lowest < value {
            same("value", &lowest, &value)?;
        }
        if highest >= header.subtasks {
            return Err(RefusalReason::Malformed(format!("the task has no subtask {highest}")));
        }
        let with_it = self.deals.values().filter(|deal| deal.requestor() == agreement.requestor).count();
        if with_it >= DEALS_PER_REQUESTOR_MAX || self.deals.len() >= DEALS_MAX {
            return Err(RefusalReason::Full("the number of open agreements".into()));
        }
        Ok(())
    }

    /// Signs where credit and both channels allow it. Where a channel as known does not, the chain is asked first.
    pub(super) fn consider(
        &mut self,
        policy: &mut dyn ProviderPolicy,
        agreement: Authentic<Agreement>,
        looked: bool,
        now: Now,
        step: &mut Step,
    ) {
        let (requestor, digest) = (agreement.requestor, agreement.digest());
        let (owed, credit) = (self.exposure(requestor, agreement.payer), policy.credit(requestor));
        // Where nothing of it could be begun before more is paid, what is signed now would be waited for in vain.
        let least = agreement.subtasks.iter().map(|subtask| subtask.value).min().unwrap_or_default();
        let debt = self.owed_by(agreement.payer);
        if owed > credit || (debt > Wei::ZERO && debt.saturating_add(least) > credit) {
            return step.refuse(requestor, digest, RefusalReason::CreditExceeded { owed, credit });
        }
        if self.has_better(policy, &agreement, now) {
            return step.refuse(requestor, digest, RefusalReason::Busy);
        }
        let (own, fees) = (self.covered(&agreement, now), self.fees_covered(&agreement, now));
        let own_channel = own.is_err().then(|| self.channel_of(agreement.payer));
        let fee_channel = fees.is_err().then(|| self.fee_channel(&agreement)).flatten();
        let Err(reason) = own.and(fees) else {
            return self.sign_deal(policy, agreement, now, step);
        };
        if looked {
            return step.refuse(requestor, digest, reason);
        }
        if self.unchecked.len() >= UNCHECKED_MAX {
            return step.refuse(requestor, digest, RefusalReason::Full("the number of agreements to check".into()));
        }
        let awaits: BTreeSet<ChannelId> = own_channel.into_iter().chain(fee_channel).collect();
        step.effects.extend(awaits.iter().copied().map(ProviderEffect::ReadChannel));
        self.unchecked.insert(digest, Unchecked { agreement, since: now.local, awaits });
    }

    /// Whether every slot is taken, and work that brings a good deal more waits for the next to be free. An offer binds
    /// nobody before both have signed: this is where a provider chooses among the tasks it heard of.
    fn has_better(&self, policy: &mut dyn ProviderPolicy, agreement: &Agreement, now: Now) -> bool {
        let slots = self.settings.slots as usize;
        if self.running() < slots {
            return false;
        }
        let Some(known) = self.headers.get(&agreement.header) else { return false };
        let Wei(profit) = policy.profit(&known.header, now);
        let better = self.deals.values().filter(|deal| {
            deal.agreement.header != agreement.header
                && policy.profit(&deal.header, now).0 > profit.saturating_add(profit / BETTER_BY)
        });
        let waiting = better.flat_map(|deal| deal.subtasks.values()).filter(|stage| **stage == Stage::Waiting);
        waiting.count() >= slots
    }

    /// Whether the channel pays for this agreement on top of everything else that it may have to pay us.
    fn covered(&self, agreement: &Agreement, now: Now) -> Result<(), RefusalReason> {
        let refused = |text: String| RefusalReason::Channel(text);
        let account =
            self.accounts.get(&agreement.payer).ok_or_else(|| refused("the channel is not open".to_string()))?;
        let others = self
            .deals
            .values()
            .filter(|deal| deal.agreement.payer == agreement.payer)
            .fold(account.signed_beyond(), |sum, deal| {
                sum.saturating_add(deal.open_value()).saturating_add(deal.own_open_fees())
            });
        // Where our payee is the author, its fees come out of the same channel.
        let is_author = agreement.app.payee() == Some(agreement.payee);
        let fees = if is_author { agreement.app.of(agreement.subtasks.len()) } else { Wei::ZERO };
        let needed = agreement
            .value()
            .and_then(|value| value.checked_add(fees)?.checked_add(others))
            .ok_or_else(|| refused("more than 96 bits of value".to_string()))?;
        let until = agreement.deadline.saturating_add(self.settings.claim_margin_s);
        let until = until.max(now.chain.saturating_add(self.settings.claim_margin_s));
        account.ledger.covers(agreement.epoch, needed, until).map_err(|error| refused(error.to_string()))
    }

    fn sign_deal(
        &mut self,
        policy: &mut dyn ProviderPolicy,
        agreement: Authentic<Agreement>,
        now: Now,
        step: &mut Step,
    ) {
        let (requestor, digest) = (agreement.requestor, agreement.digest());
        let Some(known) = self.headers.get_mut(&agreement.header) else {
            return step.refuse(requestor, digest, RefusalReason::UnknownHeader(agreement.header));
        };
        if !std::mem::replace(&mut known.taken, true) {
            policy.note(&ProviderFact::Answered { taken: true }, now);
        }
        let deal = Deal {
            header: known.header.clone(),
            order: self.next_order,
            subtasks: agreement.subtasks.iter().map(|subtask| (subtask.index, Stage::Waiting)).collect(),
            reports: Vec::new(),
            agreement,
        };
        self.next_order += 1;
        let value = deal.open_value();
        policy.note(&ProviderFact::Assigned { requestor, value }, now);
        step.records.extend(deal.record());
        self.countersign(&deal.agreement, step);
        step.say(ProviderEvent::Agreed { requestor, agreement: digest, subtasks: deal.subtasks.len(), value });
        self.deals.insert(digest, deal);
    }

    fn countersign(&self, agreement: &Authentic<Agreement>, step: &mut Step) {
        match self.keys.identity.sign_digest(&agreement.digest()) {
            Ok(signature) => {
                let countersignature = Countersignature { agreement: agreement.digest(), signature };
                step.send(agreement.requestor, Message::Countersignature(countersignature));
            }
            Err(error) => {
                step.refuse(agreement.requestor, agreement.digest(), RefusalReason::Malformed(error.to_string()));
            }
        }
    }
}

fn same<T: PartialEq + core::fmt::Debug>(field: &str, got: &T, offered: &T) -> Result<(), RefusalReason> {
    if got == offered {
        return Ok(());
    }
    Err(RefusalReason::NotAsOffered { field: field.into(), got: format!("{got:?}"), offered: format!("{offered:?}") })
}
