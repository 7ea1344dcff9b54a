//! From offers to agreed batches.

use super::deal::{Deal, Stage};
use super::interface::{RequestorEffect, RequestorEvent};
use super::machine::{Funding, Requestor, Step, legs};
use super::site::{CopyAddresses, Near, Site};
use super::task::{OFFERS_MAX, Place, Task};
use crate::{RequestorFact, RequestorPolicy, Straggler};
use golem_protocol::limits::SUBTASKS_PER_AGREEMENT_MAX;
use golem_protocol::*;

/// Time given to a batch on top of its subtasks' own, in seconds of chain time: blocks are coarse.
const DEADLINE_SLACK_S: u64 = 120;
/// The most subtasks that go to a provider that has done none for us yet. Reason: how many slots it has is its own word,
/// and who named a thousand and answered nothing would hold a whole task until the timeout. By the usual rules it begins
/// no more than two for a requestor that has paid it nothing.
const NEW_SUBTASKS_MAX: u64 = 4;
/// How many subtasks more than the next batch a channel is funded for, as a part of the fair share: 5/4 of it.
const SHARE_MARGIN: (u64, u64) = (5, 4);
/// How long somebody says nothing at least before another may get its subtask too, in milliseconds. Reason: whoever is
/// asked whether it pays need not be asked at every step.
const HEDGE_AFTER_MS: u64 = 2_000;
/// How many settled subtasks are looked at for one that a provider never had. Reason: who did most of the task itself has
/// had most of them.
const KNOWN_LOOKED_AT_MAX: usize = 64;
/// How many copies are looked at, for each offer, to say that one waits for its address. Reason: it is said for people.
const NEAR_LOOKED_AT_MAX: usize = 64;

/// A channel that pays for a part of every subtask of a batch.
struct Leg {
    payee: Address,
    /// What it pays for one subtask.
    each: Wei,
    /// For how many subtasks it is funded where it has to be.
    share: u64,
    /// The most that is put in.
    room: Wei,
}

/// A provider that could get a batch now.
struct Candidate {
    offer: Authentic<Offer>,
    /// What one subtask's work costs with it.
    value: Wei,
    /// Its speed, all slots together: its part of the work.
    weight: u128,
}

impl Requestor {
    pub(super) fn on_offer(
        &mut self,
        policy: &mut dyn RequestorPolicy,
        from: NodeId,
        signed: Signed<Offer>,
        now: Now,
        step: &mut Step,
    ) {
        let offer = match signed.authenticate(&self.settings.chain) {
            Ok(offer) if offer.provider == from => offer,
            Ok(offer) => {
                let reason = RefusalReason::Malformed(format!("the offer is of {}", offer.provider));
                return step.refuse(from, offer.digest(), reason);
            }
            Err(error) => return step.refuse(from, B256::ZERO, RefusalReason::Malformed(error.to_string())),
        };
        let digest = offer.digest();
        let Some(task) = self.tasks.get_mut(&offer.header) else {
            return step.refuse(from, digest, RefusalReason::UnknownHeader(offer.header));
        };
        if task.finished || task.stopped {
            return step.refuse(from, digest, RefusalReason::NothingLeft);
        }
        if task.offers.get(&from).is_some_and(|known| known.digest() == digest) {
            return;
        }
        let refused = if offer.expires < now.chain {
            Err(RefusalReason::Expired { expires: offer.expires, now: now.chain })
        } else if let Some(exclusion) = task.exclusion(from, now) {
            Err(exclusion.reason(now))
        } else if task.offers.len() >= OFFERS_MAX && !task.offers.contains_key(&from) {
            Err(RefusalReason::Full("the number of offers".into()))
        } else if offer.payee == task.header.payer {
            Err(RefusalReason::Malformed("the payee is the payer".into()))
        } else {
            policy.admit(&task.header, &offer, now)
        };
        if let Err(reason) = refused {
            return step.refuse(from, digest, reason);
        }
        step.say(RequestorEvent::Offered {
            header: offer.header,
            provider: from,
            price: offer.price,
            performance: offer.performance,
        });
        task.offers.insert(from, offer);
    }

    /// Gives every provider that is about to run dry another batch, best offer first.
    ///
    /// A batch is half of the provider's fair share of what is open, by speed, so that batches shrink towards the end
    /// and all end together; at least one subtask a slot. One that has done nothing for us yet gets one a slot,
    /// [`NEW_SUBTASKS_MAX`] at most, and no more before they are done: it asks for all of the time that is sold until it knows how much of it the work takes.
    pub(super) fn hand_out(&mut self, policy: &mut dyn RequestorPolicy, header: B256, now: Now, step: &mut Step) {
        let Some(task) = self.tasks.get(&header) else { return };
        if task.finished || task.stopped || now.local < task.window_ends || task.header.deadline < now.chain {
            return;
        }
        let mut left = task.missing_total();
        if left == 0 {
            return self.hedge(policy, header, now, step);
        }
        let candidates = self.candidates(policy, header, now);
        let weights = candidates.iter().fold(0u128, |sum, candidate| sum.saturating_add(candidate.weight)).max(1);
        let mut given = false;
        let mut others_wanted = false;
        for candidate in &candidates {
            if left == 0 {
                break;
            }
            let provider = candidate.offer.provider;
            let slots = u64::from(candidate.offer.slots);
            let is_new = !policy.knows(provider);
            if !self.runs_dry(header, provider, if is_new { 0 } else { slots }) {
                given = true;
                continue;
            }
            let share = (left as u128).saturating_mul(candidate.weight).div_ceil(weights);
            let share = u64::try_from(share).unwrap_or(u64::MAX);
            let batch = if is_new { slots.min(NEW_SUBTASKS_MAX) } else { share.div_ceil(2).max(slots) };
            let wanted = batch.min(left as u64).min(SUBTASKS_PER_AGREEMENT_MAX as u64);
            let affordable = self.affordable(header, candidate.value);
            let wanted = wanted.min(affordable);
            if wanted == 0 {
                continue;
            }
            let start = self.first_place(policy, header);
            let (mut indices, lacks_others) = self.next_for(header, candidate, &candidates, wanted, affordable, start);
            others_wanted |= lacks_others;
            let wanted = indices.len() as u64;
            if wanted == 0 {
                continue;
            }
            given = true;
            let share = share.max(wanted).saturating_mul(SHARE_MARGIN.0).div_ceil(SHARE_MARGIN.1).min(affordable);
            let covered = self.covered_or_funded(header, candidate, wanted, share, &candidates, now, step);
            if covered > 0 {
                indices.truncate(usize::try_from(covered).unwrap_or(usize::MAX));
                self.mix_in(policy, header, candidate, &mut indices, step);
                let given = self.propose(header, candidate, indices, now, step);
                policy.note(&RequestorFact::Assigned { provider, subtasks: given as u64 }, now);
                left = left.saturating_sub(given);
            }
        }
        self.say_if_copies_wait(header, !given && others_wanted, &candidates, step);
        self.say_if_stuck(header, given, !candidates.is_empty(), step);
    }

    /// Where in the task to look for subtasks first: where known ones are mixed in, nobody may tell them by their place.
    fn first_place(&self, policy: &mut dyn RequestorPolicy, header: B256) -> u32 {
        let Some(task) = self.tasks.get(&header).filter(|task| task.order.checks.known_ppm > 0) else { return 0 };
        u32::try_from(policy.draw() % u64::from(task.order.header.subtasks.max(1))).unwrap_or_default()
    }

    /// Whether a provider, or somebody paid at the same place or at the same address, has a copy of a subtask.
    fn has_copy(&self, task: &Task, index: u32, offer: &Offer) -> bool {
        let mut holders = task.holders(index).iter().filter_map(|holder| self.deals.get(holder));
        holders.any(|deal| deal.is_of(offer) || self.shared_site(task, deal, offer).is_some())
    }

    /// Where a deal's provider and an offer's both are, if that keeps them from having copies of the same subtask.
    fn shared_site(&self, task: &Task, deal: &Deal, offer: &Offer) -> Option<Site> {
        let compares = task.order.checks.copies > 1 && self.settings.copy_addresses == CopyAddresses::Distinct;
        let site = *self.sites.get(&offer.provider).filter(|_| compares)?;
        (self.sites.get(&deal.provider()) == Some(&site)).then_some(site)
    }

    /// An offer that could complete what waits, but for its address.
    fn near(&self, task: &Task, candidates: &[Candidate]) -> Option<Near> {
        let holders = || {
            let partial = task.partial().iter().flat_map(|index| task.holders(*index));
            partial.filter_map(|holder| self.deals.get(holder)).take(NEAR_LOOKED_AT_MAX)
        };
        candidates.iter().find_map(|Candidate { offer, .. }| {
            let of_others = holders().filter(|deal| !deal.is_of(offer));
            let mut near = of_others.filter_map(|deal| {
                let site = self.shared_site(task, deal, offer)?;
                Some(Near { provider: offer.provider, holder: deal.provider(), site })
            });
            near.next()
        })
    }

    /// The next subtasks for a provider: first those that others have copies of, so that results are compared soon. Tells
    /// as well whether there are none because others have to come first.
    ///
    /// Nothing new goes to whoever has more results under way than slots that nobody else has taken a copy of: it would
    /// only wait for its money. And no subtask is begun that the budget does not pay all copies of, nor given to whoever
    /// failed it while somebody else offers that has not.
    fn next_for(
        &self,
        header: B256,
        candidate: &Candidate,
        candidates: &[Candidate],
        count: u64,
        affordable: u64,
        start: u32,
    ) -> (Vec<u32>, bool) {
        let Some(task) = self.tasks.get(&header) else { return (Vec::new(), false) };
        let as_count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let payee = candidate.offer.payee;
        let is_for_others = |index: u32| {
            let may_do = |other: &Candidate| {
                !task.has_failed(index, other.offer.payee) && self.affordable(header, other.value) > 0
            };
            task.has_failed(index, payee) && candidates.iter().any(may_do)
        };
        let (own, others): (Vec<u32>, Vec<u32>) =
            task.partial().iter().partition(|index| self.has_copy(task, **index, &candidate.offer));
        let others: Vec<u32> = others.into_iter().filter(|index| !is_for_others(*index)).collect();
        let lacks_others = own.len() > usize::from(candidate.offer.slots);
        let begun = task.partial().iter().fold(0usize, |sum, index| sum.saturating_add(task.missing(*index)));
        let whole = as_count(affordable).saturating_sub(begun) / usize::from(task.order.checks.copies.max(1));
        let fresh = if lacks_others { 0 } else { as_count(count).saturating_sub(others.len()).min(whole) };
        let is_fresh = |index: &u32| task.holders(*index).is_empty() && !is_for_others(*index);
        let open = task.open_from(start).filter(is_fresh);
        let next: Vec<u32> = others.into_iter().take(as_count(count)).chain(open.take(fresh)).collect();
        let lacks_others = lacks_others && next.is_empty();
        (next, lacks_others)
    }

    /// Puts subtasks whose results are known in the place of others, as often as the policy draws it.
    fn mix_in(
        &self,
        policy: &mut dyn RequestorPolicy,
        header: B256,
        candidate: &Candidate,
        indices: &mut [u32],
        step: &mut Step,
    ) {
        let Some(task) = self.tasks.get(&header).filter(|task| task.order.checks.known_ppm > 0) else { return };
        let offer = &candidate.offer;
        let had: Vec<&Deal> =
            self.deals.values().filter(|deal| deal.agreement.header == header && deal.is_of(offer)).collect();
        let mut taken: Vec<u32> = Vec::new();
        for slot in indices.iter_mut() {
            let Some(number) = policy.mixes_in(header) else { continue };
            let start = u32::try_from(number % u64::from(task.order.header.subtasks.max(1))).unwrap_or_default();
            let places = task.known.range(start..).chain(task.known.range(..start)).map(|(index, _)| *index);
            let is_new = |index: &u32| {
                matches!(task.place(*index), Some(Place::Done(_)))
                    && task.holders(*index).is_empty()
                    && !taken.contains(index)
                    && !had.iter().any(|deal| deal.parts.contains_key(index))
            };
            if let Some(index) = places.take(KNOWN_LOOKED_AT_MAX).find(is_new) {
                *slot = index;
                taken.push(index);
                step.say(RequestorEvent::KnownGiven { header, index, provider: offer.provider });
            }
        }
    }

    /// Gives a subtask that somebody is late with to another besides, where all is handed out and the policy says that it
    /// pays. The first right result counts; both are paid, as agreed.
    fn hedge(&mut self, policy: &mut dyn RequestorPolicy, header: B256, now: Now, step: &mut Step) {
        let Some(task) = self.tasks.get(&header) else { return };
        if task.hedges >= task.order.checks.hedges_max {
            return;
        }
        let stragglers = task.held().filter_map(|(index, holders)| {
            let [holder] = holders else { return None };
            let deal = self.deals.get(holder).filter(|deal| deal.undone().contains(&index))?;
            let silent_ms = now.local.0.saturating_sub(self.last_progress(deal.provider()));
            let is_open = task.place(index) == Some(&Place::Open);
            (is_open && silent_ms >= HEDGE_AFTER_MS).then_some((silent_ms, index, deal.provider()))
        });
        let Some((silent_ms, index, late)) = stragglers.max() else { return };
        let candidates = self.candidates(policy, header, now);
        let free = candidates
            .iter()
            .find(|candidate| candidate.offer.provider != late && self.is_free(header, candidate.offer.provider));
        let (Some(candidate), Some(task)) = (free, self.tasks.get(&header)) else { return };
        let cost = candidate.value.saturating_add(task.header.app.fee);
        let straggler = Straggler { provider: late, silent_ms, cost };
        let pays = !self.has_copy(task, index, &candidate.offer)
            && policy.hedges(&task.header, &straggler, &candidate.offer)
            && self.affordable(header, candidate.value) > 0;
        if !pays || self.covered_or_funded(header, candidate, 1, 1, &candidates, now, step) == 0 {
            return;
        }
        let provider = candidate.offer.provider;
        if self.propose(header, candidate, vec![index], now, step) > 0 {
            policy.note(&RequestorFact::Assigned { provider, subtasks: 1 }, now);
            step.say(RequestorEvent::Hedged { header, index, late, provider });
            if let Some(task) = self.tasks.get_mut(&header) {
                task.hedges = task.hedges.saturating_add(1);
            }
        }
    }

    fn say_if_copies_wait(&mut self, header: B256, waits: bool, candidates: &[Candidate], step: &mut Step) {
        let Some(task) = self.tasks.get(&header) else { return };
        if waits && !task.said_copies_wait {
            let subtasks = u32::try_from(task.partial().len()).unwrap_or(u32::MAX);
            let (copies, near) = (task.order.checks.copies, self.near(task, candidates));
            step.say(RequestorEvent::CopiesWait { header, subtasks, copies, near });
        }
        if let Some(task) = self.tasks.get_mut(&header) {
            task.said_copies_wait = waits;
        }
    }

    fn candidates(&self, policy: &mut dyn RequestorPolicy, header: B256, now: Now) -> Vec<Candidate> {
        let Some(task) = self.tasks.get(&header) else { return Vec::new() };
        let offers: Vec<&Authentic<Offer>> = task
            .offers
            .values()
            .filter(|offer| offer.expires >= now.chain)
            .filter(|offer| !task.excludes(offer.provider, now) && !self.lost.contains_key(&offer.provider))
            .collect();
        let documents: Vec<&Offer> = offers.iter().map(|offer| offer.document()).collect();
        let order = policy.rank(&task.header, &documents, now);
        let ranked = order.into_iter().filter_map(|position| offers.get(position));
        ranked
            .filter_map(|offer| {
                let value = subtask_value(offer.price, task.header.subtask_timeout_s)?;
                let weight = u128::from(offer.performance).saturating_mul(u128::from(offer.slots));
                Some(Candidate { offer: (*offer).clone(), value, weight })
            })
            .collect()
    }

    /// Whether a provider has no more than one subtask a slot left to do, and no proposal to answer.
    fn runs_dry(&self, header: B256, provider: NodeId, slots: u64) -> bool {
        let mut undone = 0u64;
        for deal in self.deals.values() {
            if deal.provider() != provider || deal.agreement.header != header || deal.stage == Stage::Closed {
                continue;
            }
            if deal.stage == Stage::Proposed {
                return false;
            }
            undone = undone.saturating_add(deal.undone().len() as u64);
        }
        undone <= slots
    }

    /// Whether a provider has nothing to do for us, of any task.
    fn is_free(&self, header: B256, provider: NodeId) -> bool {
        let mut deals = self.deals.values().filter(|deal| deal.provider() == provider && deal.stage != Stage::Closed);
        self.runs_dry(header, provider, 0) && !deals.any(|deal| !deal.undone().is_empty())
    }

    /// How many subtasks of this value the budget still allows, the author's fee for each included.
    fn affordable(&self, header: B256, value: Wei) -> u64 {
        let Some(task) = self.tasks.get(&header) else { return 0 };
        match task.budget_left().0.checked_div(value.saturating_add(task.header.app.fee).0) {
            None => u64::MAX,
            Some(count) => u64::try_from(count).unwrap_or(u64::MAX),
        }
    }

    /// How many of `wanted` subtasks the channels cover now: the provider's, and the author's where it is paid. Where it is
    /// too little, money is asked for: for `share` subtasks if the budget has that much room, so that a channel is not
    /// topped up for every batch.
    #[allow(clippy::too_many_arguments)]
    fn covered_or_funded(
        &mut self,
        header: B256,
        candidate: &Candidate,
        wanted: u64,
        share: u64,
        all: &[Candidate],
        now: Now,
        step: &mut Step,
    ) -> u64 {
        let legs = self.legs(header, candidate, share, all);
        // All are looked at, so that both channels are funded at once.
        legs.iter().map(|leg| self.leg_covers(leg, wanted, now, step)).min().unwrap_or(0)
    }

    /// The channels that pay a candidate's subtasks, and what may be put into each: never more locked up than the budget,
    /// so idle money in other channels counts.
    ///
    /// The author's part of all that can still be paid is kept free for its channel, which every batch needs. It is funded
    /// for all of that at once: it is one channel for the whole task.
    fn legs(&self, header: B256, candidate: &Candidate, share: u64, all: &[Candidate]) -> Vec<Leg> {
        let Some(task) = self.tasks.get(&header) else { return Vec::new() };
        let (left, app, payee) = (task.budget_left(), task.header.app, candidate.offer.payee);
        let available = |payee: &Address| self.channels.get(payee).map(|channel| channel.ledger.available());
        let locked = all
            .iter()
            .fold(Wei::ZERO, |sum, other| sum.saturating_add(available(&other.offer.payee).unwrap_or_default()));
        let idle = left.saturating_sub(locked);
        let Some(author) = app.payee() else {
            return vec![Leg { payee, each: candidate.value, share, room: idle }];
        };
        if author == payee {
            return vec![Leg { payee, each: candidate.value.saturating_add(app.fee), share, room: idle }];
        }
        let cheapest = all.iter().map(|other| other.value).min().unwrap_or(candidate.value);
        let payable =
            usize::try_from(self.affordable(header, cheapest)).unwrap_or(usize::MAX).min(task.missing_total());
        let fees = app.of(payable);
        let room = fees.saturating_sub(available(&author).unwrap_or_default());
        vec![
            Leg { payee, each: candidate.value, share, room: idle.saturating_sub(fees) },
            Leg { payee: author, each: app.fee, share: u64::try_from(payable).unwrap_or(u64::MAX), room },
        ]
    }

    fn leg_covers(&mut self, leg: &Leg, wanted: u64, now: Now, step: &mut Step) -> u64 {
        let Leg { payee, each, share, room } = *leg;
        let channel = self.channel(payee);
        let may_ask = channel.asks_next() <= now.local;
        if !channel.known {
            if may_ask {
                channel.read(now, step);
            }
            return 0;
        }
        let available = channel.ledger.available();
        let covered = available
            .0
            .checked_div(each.0)
            .map_or(wanted, |count| u64::try_from(count).unwrap_or(u64::MAX).min(wanted));
        if covered < wanted && may_ask {
            let needed = each.checked_mul(wanted).unwrap_or(Wei::MAX).saturating_sub(available);
            let ample = each.checked_mul(share).unwrap_or(Wei::MAX).saturating_sub(available);
            let least = each.saturating_sub(available);
            let amount = ample.max(needed).min(room);
            if amount > Wei::ZERO && amount >= least {
                let state = *channel.ledger.state();
                // What was signed after the end is paid first, whatever it opens for.
                let promised = channel.ledger.promised().map_or(Wei::ZERO, |voucher| voucher.cumulative);
                let amount = amount.saturating_add(promised);
                let (deposit, epoch) = match (state.deposit, state.epoch) {
                    (Wei::ZERO, epoch) => (amount, epoch.saturating_add(1)),
                    (deposit, epoch) => (deposit.saturating_add(amount), epoch),
                };
                channel.funding = Funding::Asked { deposit, epoch, since: now.local };
                step.effects.push(RequestorEffect::Fund { payee, amount, deposit, epoch });
            }
        }
        covered
    }

    /// Holds back what a batch may cost in every channel that pays for it, or nothing in any.
    fn reserve(&mut self, legs: &[(Address, Wei)]) -> bool {
        for (done, (payee, amount)) in legs.iter().enumerate() {
            if self.channel(*payee).ledger.reserve(*amount).is_err() {
                for (payee, amount) in legs.iter().take(done) {
                    self.channel(*payee).ledger.release(*amount);
                }
                return false;
            }
        }
        true
    }

    /// Signs an agreement over these subtasks; gives how many are in it.
    fn propose(
        &mut self,
        header: B256,
        candidate: &Candidate,
        mut indices: Vec<u32>,
        now: Now,
        step: &mut Step,
    ) -> usize {
        // In one order, so that nobody can tell by it which of them were known.
        indices.sort_unstable();
        let Some(task) = self.tasks.get(&header) else { return 0 };
        let offer = &candidate.offer;
        let payer = self.keys.payment.address();
        let Some(channel) = self.channels.get(&offer.payee) else { return 0 };
        let subtasks: Vec<AgreedSubtask> = indices
            .into_iter()
            .filter_map(|index| {
                let input = *task.order.inputs.get(index as usize)?;
                Some(AgreedSubtask { index, input, value: candidate.value })
            })
            .collect();
        let rounds = (subtasks.len() as u64).div_ceil(u64::from(offer.slots.max(1))).saturating_add(2);
        // Each round may wait for others' copies, and a provider begins nothing beyond the credit it grants.
        let wait_s = match task.order.checks.copies {
            0 | 1 => 0,
            _ => self.copies_wait_ms(task.header.subtask_timeout_s).div_ceil(1000),
        };
        let work_s = rounds.saturating_mul(u64::from(task.header.subtask_timeout_s).saturating_add(wait_s));
        let agreement = Agreement {
            header,
            offer: offer.digest(),
            requestor: NodeId(self.keys.identity.address()),
            provider: offer.provider,
            payer,
            payee: offer.payee,
            epoch: channel.ledger.state().epoch,
            batch: task.batches.get(&offer.provider).copied().unwrap_or_default(),
            price: offer.price,
            fuel_rate: offer.performance,
            subtask_timeout_s: task.header.subtask_timeout_s,
            deadline: now.chain.saturating_add(work_s).saturating_add(DEADLINE_SLACK_S),
            app: task.header.app,
            subtasks,
        };
        let (Some(value), Ok(agreement)) =
            (agreement.value(), sign(agreement, &self.settings.chain, &*self.keys.identity))
        else {
            return 0;
        };
        let fees = agreement.app.of(agreement.subtasks.len());
        let legs: Vec<(Address, Wei)> = legs(offer.payee, value, agreement.app, fees).collect();
        if !self.reserve(&legs) {
            return 0;
        }
        let channels = legs.iter().filter_map(|(payee, _)| self.channels.get(payee));
        step.records.extend(channels.filter_map(Self::payer_record));
        let Some(task) = self.tasks.get_mut(&header) else { return 0 };
        let number = task.batches.entry(offer.provider).or_default();
        *number = number.saturating_add(1);
        task.reserved = task.reserved.saturating_add(value).saturating_add(fees);
        let digest = agreement.digest();
        agreement.subtasks.iter().for_each(|subtask| task.hold(subtask.index, digest));
        let mut deal = Deal::new(agreement, now);
        deal.slots = Some(candidate.offer.slots);
        step.records.extend(deal.record());
        step.send(deal.provider(), Message::Agreement(deal.agreement.signed().clone()));
        let given = deal.parts.len();
        self.deals.insert(digest, deal);
        given
    }

    fn say_if_stuck(&mut self, header: B256, given: bool, offers: bool, step: &mut Step) {
        let busy = self.deals.values().any(|deal| deal.agreement.header == header && deal.stage != Stage::Closed);
        let Some(task) = self.tasks.get_mut(&header) else { return };
        let waits = !busy && !offers && !task.offers.is_empty();
        if waits && !task.said_waiting {
            let offers = u32::try_from(task.offers.len()).unwrap_or(u32::MAX);
            step.say(RequestorEvent::OffersWait { header, offers });
        }
        task.said_waiting = waits;
        if given || busy || !offers {
            task.said_budget_reached &= !given;
        } else if !task.said_budget_reached {
            task.said_budget_reached = true;
            let open = u32::try_from(task.missing_total()).unwrap_or(u32::MAX);
            step.say(RequestorEvent::BudgetReached { header, open });
        }
    }

    pub(super) fn on_countersignature(&mut self, from: NodeId, signed: Countersignature, now: Now, step: &mut Step) {
        let digest = signed.agreement;
        let Some(deal) = self.deals.get_mut(&digest).filter(|deal| deal.provider() == from) else {
            return step.refuse(from, digest, RefusalReason::UnknownHeader(digest));
        };
        match signed.signature.recover(&digest) {
            Ok(signer) if signer == from.0 => {}
            Ok(signer) => {
                let text = format!("the agreement was countersigned by {signer}");
                return step.refuse(from, digest, RefusalReason::Malformed(text));
            }
            Err(error) => return step.refuse(from, digest, RefusalReason::Malformed(error.to_string())),
        }
        match deal.stage {
            Stage::Agreed => {}
            Stage::Closed => {
                // Too late: its subtasks are with others.
                step.send(from, Message::Refusal(Refusal { about: digest, reason: RefusalReason::NothingLeft }));
            }
            Stage::Proposed => {
                deal.stage = Stage::Agreed;
                deal.progress = now.local;
                step.records.extend(deal.record());
                step.say(RequestorEvent::Agreed {
                    header: deal.agreement.header,
                    agreement: digest,
                    provider: from,
                    subtasks: deal.parts.keys().copied().collect(),
                    value: deal.open_value(),
                    fees: deal.open_fees(),
                });
                self.time_from_here(digest, now);
            }
        }
    }

    /// From now on a provider can begin a batch. What is compared with the copies of others is not timed: it is answered,
    /// and paid, when those are there.
    fn time_from_here(&mut self, agreement: B256, now: Now) {
        let Some(deal) = self.deals.get(&agreement) else { return };
        let is_alone = self.tasks.get(&deal.agreement.header).is_some_and(|task| task.order.checks.copies <= 1);
        let (provider, subtasks) = (deal.provider(), deal.parts.len());
        match deal.slots.filter(|_| is_alone) {
            Some(slots) => self.paces.entry(provider).or_default().agreed(slots, subtasks, now.local),
            None => drop(self.paces.remove(&provider)),
        }
    }
}
