//! From the header to the agreement: who hears, who offers, who is chosen.

use super::agents::*;
use super::scenario::*;
use super::table::Handle;
use super::world::{Event, World};
use crate::stream::{Draw, SmallStream};
use golem_market::{HeaderTerms, Judged, OfferTerms, Waits};
use golem_protocol::{Pricing, Wei};

/// Steps of the search for the price at which a winner would have lost.
const SECOND_SCORE_STEPS: u32 = 24;

/// How often offers that wait are looked at in the time of a subtask's timeout.
const LOOKS_A_TIMEOUT: u64 = 32;

/// Positions in a list of offers.
#[derive(Default)]
struct Order {
    /// In the order in which to take them.
    taken: Vec<usize>,
    refused: Vec<usize>,
    /// Not now, perhaps later.
    waiting: Vec<usize>,
    /// Of those, who is accused of a wrong result, and how many better ones can be taken.
    accused: Vec<(usize, usize)>,
    /// All of them, in any order.
    all_wait: bool,
}

impl World<'_> {
    /// A header goes out; who can take it offers, who cannot remembers it.
    pub(super) fn broadcast(&mut self, handle: Handle) {
        let now = self.now;
        let Some(task) = self.tasks.get_mut(handle) else { return };
        if now < task.broadcast_at {
            return;
        }
        task.broadcast_at = 0;
        let asks = task.hedging.as_ref().is_some_and(|hedging| hedging.asks);
        if (task.open == 0 && !asks) || now >= task.deadline {
            return;
        }
        let (buyer, uid, nth) = (task.buyer, task.uid, task.broadcasts);
        task.broadcasts += 1;
        let mut draws = SmallStream::new(self.seed, super::REACH, uid, u64::from(nth));
        let online = self.agents.online.len() as u32;
        let reach = self.scenario.market.reach.min(online);
        self.tally.messages += u64::from(reach);
        self.mark = self.mark.wrapping_add(1);
        self.marks.resize(self.agents.online.len(), 0);
        let loss = self.scenario.market.loss;
        let mut hearers = std::mem::take(&mut self.hearers);
        let drawn = if self.eclipsed(buyer, uid, nth, reach, &mut hearers) { 0 } else { reach };
        for nth in 0..drawn {
            let Some(hearer) = self.nth_to_hear(nth, reach, &mut draws) else { continue };
            if !draws.chance(1.0 - (1.0 - loss) * (1.0 - loss)) {
                hearers.push(hearer);
            }
        }
        // A look at each before any is asked: its memory is fetched while the others' is, and not one after the other.
        for (_, machine) in &hearers {
            let of = &self.agents.machines[*machine];
            std::hint::black_box((of.free(), of.performance, of.market.min_price(), of.market.state().factor));
            std::hint::black_box(of.heard.ends());
            of.market.state().requestors.look();
        }
        for (name, machine) in hearers.drain(..) {
            self.heard(handle, machine, name);
        }
        self.hearers = hearers;
        let window = ((self.scenario.market.offer_window_s * MS_PER_S) as u64).max(2 * self.latency);
        if let Some(task) = self.tasks.get_mut(handle) {
            task.window_ends = now + window;
        }
        self.arrange_hand_out(handle, now + window);
        let first = (self.scenario.market.rebroadcast_s * MS_PER_S) as u64;
        if let Some(task) = self.tasks.get_mut(handle) {
            let pause = task.next_pause(first).max(window + 1);
            task.broadcast_at = now + pause;
            self.queue.push(now + pause, Event::Broadcast(handle));
        }
    }

    /// One of the online names, none twice in a broadcast.
    fn nth_to_hear(&mut self, nth: u32, reach: u32, draws: &mut SmallStream) -> Option<(u32, u32)> {
        let online = &self.agents.online;
        if reach as usize == online.len() {
            return online.get(nth as usize).copied();
        }
        loop {
            let place = draws.below(online.len() as u32) as usize;
            let mark = self.marks.get_mut(place)?;
            if *mark != self.mark {
                *mark = self.mark;
                return online.get(place).copied();
            }
        }
    }

    fn heard(&mut self, handle: Handle, machine: u32, name: u32) {
        if self.agents.machines[machine].free() == 0 {
            return self.remember_task(handle, machine);
        }
        self.offer(handle, machine, name);
    }

    /// A machine says what it asks for a task, or counts why it does not. Whether it did.
    fn offer(&mut self, handle: Handle, machine: u32, name: u32) -> bool {
        let now = self.local();
        let life = (self.scenario.market.offer_life_s * MS_PER_S) as u64;
        let Some(task) = self.tasks.get(handle) else { return false };
        if task.offers.iter().any(|offer| offer.name == name && now.0 < offer.made + life) {
            return false;
        }
        let (buyer, terms) = (task.buyer, task.terms);
        let name_of_buyer = node(self.agents.buyers[buyer].name);
        let of = &mut self.agents.machines[machine];
        of.note_in_vain(self.now);
        self.tally.quotes += 1;
        let performance = self.metered.promised(machine, terms.pricing, of.performance);
        let quote = match of.market.quote(&name_of_buyer, &terms, performance, now) {
            Ok(quote) => quote,
            Err(reason) => {
                self.tally.refused(&reason);
                return false;
            }
        };
        let policy = match self.scenario.market.mechanism {
            Mechanism::Random => ProviderPolicyName::Posted,
            Mechanism::Tender | Mechanism::Oracle => of.policy,
        };
        let price = match (of.behaviour, policy) {
            (ProviderBehaviour::Undercut { .. }, _)
            | (ProviderBehaviour::UndercutBudget { price_over_cost: Some(_), .. }, _)
            | (_, ProviderPolicyName::Posted) => quote.min_price,
            (_, ProviderPolicyName::Published | ProviderPolicyName::Golem) => quote.price,
            (_, ProviderPolicyName::ZeroIntelligence) => {
                let room = terms.max_price.saturating_sub(quote.min_price);
                let part = (of.draws.unit() * 1e9) as u128;
                quote.min_price.saturating_add(Wei(room.0 / 1_000_000_000 * part))
            }
        };
        if !self.is_covered(buyer, machine, price, terms.subtask_timeout_s) {
            self.tally.refused_uncovered();
            return false;
        }
        let Some(task) = self.tasks.get_mut(handle) else { return false };
        let judged = Judged::not_yet(OfferTerms { provider: node(name), price, performance });
        task.offers.push(Offered { name, price, performance, made: self.now, judged });
        self.tally.offers += 1;
        self.tally.messages += 1;
        true
    }

    /// A machine that cannot take a task now remembers it.
    fn remember_task(&mut self, handle: Handle, machine: u32) {
        self.agents.machines[machine].heard.add(handle, self.scenario.market.memory as usize);
    }

    /// A machine with a free slot looks for work among what it heard of, in the order that it goes by.
    pub(super) fn seek(&mut self, machine: u32) {
        if self.oracle.is_some() {
            return self.oracle_changed(machine);
        }
        while self.agents.machines[machine].free() > 0 {
            let (now, buyers) = (self.local(), &self.agents.buyers);
            let Machine { heard, takes_first, market, performance, name, .. } = &mut self.agents.machines[machine];
            let profit = |task: &Task| {
                let buyer = node(buyers[task.buyer].name);
                market.expected_profit(&buyer, &task.terms, *performance, now).0
            };
            let Some(handle) = heard.take(*takes_first, &self.tasks, self.now, profit) else { return };
            let name = *name;
            if self.offer(handle, machine, name) {
                let soon = self.now + (2 * self.latency).max(1);
                return self.arrange_hand_out(handle, soon);
            }
        }
    }

    /// The best offers get the open subtasks, one for each free slot. Those that are to wait are looked at again soon.
    pub(super) fn hand_out(&mut self, handle: Handle) {
        let now = self.now;
        let Some(task) = self.tasks.get_mut(handle).filter(|task| task.hand_out_at == now) else { return };
        if now < task.window_ends {
            task.hand_out_at = task.window_ends;
            self.queue.push(task.window_ends, Event::HandOut(handle));
            return;
        }
        task.hand_out_at = 0;
        let mut offers = std::mem::take(&mut task.offers);
        if task.open == 0 || now >= task.deadline {
            self.rank_spare(handle, &mut offers);
            return offers.into_iter().for_each(|offer| self.lost(offer));
        }
        let (buyer, terms, created, open) = (task.buyer, task.terms, task.created, task.open as usize);
        let life = (self.scenario.market.offer_life_s * MS_PER_S) as u64;
        let (mut expired, mut lost) = (Vec::new(), Vec::new());
        offers.retain(|offer| {
            let stands = now < offer.made + life;
            if !stands {
                expired.push(*offer);
            }
            stands
        });
        let order = self.rank(buyer, &terms, now - created, &mut offers);
        if self.scenario.market.information == Information::Proofs {
            let accused = order.accused.iter().filter(|(_, ahead)| *ahead < open).map(|(position, _)| position);
            let wanted = order.taken.iter().take(open).chain(accused);
            let names = wanted.filter_map(|position| offers.get(*position)).map(|offer| offer.name);
            self.look_at_proofs(buyer, names, &terms);
        }
        for (rank, position) in order.taken.iter().enumerate() {
            let Some(offer) = offers.get(*position).copied() else { continue };
            let machine = self.agents.names[offer.name];
            let mut given = 0;
            let price = self.price_paid(buyer, &terms, &offers, &order.taken, rank);
            for _ in 0..self.agents.machines[machine].cores {
                let wanted = self.tasks.get(handle).is_some_and(|task| task.open > 0);
                if !wanted || self.agents.machines[machine].free() == 0 {
                    break;
                }
                given += u64::from(self.assign(handle, machine, Offered { price, ..offer }));
            }
            if given == 0 {
                lost.push(offer);
                continue;
            }
            self.tally.offers_taken += 1;
            self.agents.machines[machine].market.answered(true);
            let of = self.book_of(buyer);
            self.agents.buyers[of].market.assigned(node(offer.name), given);
        }
        self.keep_spare(handle, &lost);
        lost.extend(order.refused.iter().filter_map(|position| offers.get(*position)));
        let keep = if order.all_wait {
            offers
        } else {
            order.waiting.iter().filter_map(|position| offers.get(*position).copied()).collect()
        };
        match self.tasks.get_mut(handle).filter(|task| task.open > 0) {
            Some(task) if !keep.is_empty() => {
                let come = std::mem::replace(&mut task.offers, keep);
                task.offers.extend(come);
                let again = now + (u64::from(terms.subtask_timeout_s) * 1_000 / LOOKS_A_TIMEOUT).max(1_000);
                self.arrange_hand_out(handle, again);
            }
            Some(_) | None => lost.extend(keep),
        }
        for offer in expired {
            // Its machine may make another, at the price of now.
            self.remember_task(handle, self.agents.names[offer.name]);
            self.lost(offer);
        }
        lost.into_iter().for_each(|offer| self.lost(offer));
    }

    /// Keeps the good ones of offers to a task of which all is handed out, where second copies may be given.
    fn rank_spare(&mut self, handle: Handle, offers: &mut [Offered]) {
        let Some(task) = self.tasks.get(handle).filter(|task| task.hedging.is_some()) else { return };
        let (buyer, terms, waited) = (task.buyer, task.terms, self.now - task.created);
        let order = self.rank(buyer, &terms, waited, offers);
        let best: Vec<Offered> = order.taken.iter().filter_map(|place| offers.get(*place).copied()).collect();
        self.keep_spare(handle, &best);
    }

    /// An offer is gone: its machine looks elsewhere.
    pub(super) fn lost(&mut self, offer: Offered) {
        let life = (self.scenario.market.offer_life_s * MS_PER_S) as u64;
        let machine = self.agents.names[offer.name];
        if self.agents.machines[machine].free() > 0 {
            self.agents.machines[machine].offer_lost(offer.made + life);
            self.seek(machine);
        }
    }

    /// Which offers to take, and in which order; which not, and which not yet.
    fn rank(&mut self, buyer: u32, terms: &HeaderTerms, waited_ms: u64, offers: &mut [Offered]) -> Order {
        let mut order = Order::default();
        let Some(group) = self.group_of(buyer) else { return order };
        let policy = match self.scenario.market.mechanism {
            Mechanism::Random => RequestorPolicyName::Random,
            Mechanism::Tender | Mechanism::Oracle => group.policy,
        };
        let now = self.local();
        let random = self.agents.buyers[buyer].draws.draw();
        let (believed, overstated) = self.credible(buyer, offers).unzip();
        let book = self.book_of(buyer);
        let market = &mut self.agents.buyers[book].market;
        let believed = |(position, offered): (usize, &Offered)| {
            let believed = believed.as_ref().and_then(|of| of.get(position).copied());
            believed.unwrap_or_else(|| offer_terms(offered))
        };
        let all = |offers: &[Offered]| offers.iter().enumerate().map(believed).collect::<Vec<OfferTerms>>();
        match policy {
            RequestorPolicyName::Published if terms.pricing == Pricing::Metered => {
                self.rank_by_usage(buyer, terms, &all(offers), &mut order);
            }
            RequestorPolicyName::Published | RequestorPolicyName::Golem | RequestorPolicyName::SecondScore => {
                for (position, offered) in offers.iter_mut().enumerate() {
                    let offer = believed((position, offered));
                    if !market.still_holds(&offered.judged, &offer) {
                        offered.judged = market.judge(&offer, terms);
                    }
                }
                if market.all_wait(offers, terms, now, waited_ms / 1_000) {
                    return Order { all_wait: true, ..order };
                }
                let places = market.order(offers, terms, now, waited_ms / 1_000, random);
                order.taken.extend(places.ranked.iter().map(|place| place.position));
                order.waiting.extend(places.waiting.iter().map(|(position, _)| *position));
                order.accused.extend(places.waiting.iter().filter_map(|(position, waits)| match waits {
                    Waits::Accused { ahead } => Some((*position, *ahead)),
                    Waits::Dear { .. } | Waits::Doubt => None,
                }));
                for (position, reason) in &places.refused {
                    order.refused.push(*position);
                    self.tally.refused(reason);
                }
            }
            RequestorPolicyName::Random | RequestorPolicyName::FirstCome | RequestorPolicyName::Cheapest => {
                for (position, offer) in all(offers).iter().enumerate() {
                    match market.admit(offer, terms, now) {
                        Ok(()) => order.taken.push(position),
                        Err(reason) => {
                            order.refused.push(position);
                            self.tally.refused(&reason);
                        }
                    }
                }
            }
        }
        match policy {
            RequestorPolicyName::Published
            | RequestorPolicyName::Golem
            | RequestorPolicyName::SecondScore
            | RequestorPolicyName::FirstCome => {}
            RequestorPolicyName::Random => {
                let draws = &mut self.agents.buyers[buyer].draws;
                for place in (1..order.taken.len()).rev() {
                    order.taken.swap(place, draws.below(place as u32 + 1) as usize);
                }
            }
            RequestorPolicyName::Cheapest => {
                let key = |position: &usize| offers.get(*position).map(|offer| (offer.price, node(offer.name)));
                order.taken.sort_by_key(key);
            }
        }
        let banned = |position: &usize| {
            overstated.as_ref().is_some_and(|overstated| overstated.contains(position))
                || offers.get(*position).is_some_and(|offer| self.is_banned(buyer, offer.name))
        };
        let (refused, taken) = order.taken.iter().partition::<Vec<usize>, _>(|position| banned(position));
        order.taken = taken;
        order.refused.extend(refused);
        order.waiting.retain(|position| !banned(position));
        if self.goes_by_trust() {
            self.order_by_trust(offers, &mut order.taken, random);
        }
        if self.scenario.market.information == Information::Oracle {
            let agents = &self.agents;
            let (taken, refused) = order.taken.iter().partition(|position| {
                offers.get(**position).is_some_and(|offer| agents.machines[agents.names[offer.name]].productive())
            });
            order.taken = taken;
            order.refused.extend::<Vec<usize>>(refused);
        }
        order
    }

    /// The published rule of metered work: the least usage factor times price first.
    fn rank_by_usage(&mut self, buyer: u32, terms: &HeaderTerms, offers: &[OfferTerms], order: &mut Order) {
        let now = self.local();
        let mut admitted = Vec::new();
        for (position, offer) in offers.iter().enumerate() {
            match self.agents.buyers[self.book_of(buyer)].market.admit(offer, terms, now) {
                Ok(()) => admitted.push((self.usage_cost(buyer, offer), offer.provider, position)),
                Err(reason) => {
                    order.refused.push(position);
                    self.tally.refused(&reason);
                }
            }
        }
        admitted.sort();
        order.taken.extend(admitted.into_iter().map(|(.., position)| position));
    }

    /// Whose book a requestor looks into: its own, or the one that all share.
    pub(super) fn book_of(&self, buyer: u32) -> u32 {
        if self.scenario.market.information == Information::Global { 0 } else { buyer }
    }

    /// What the winner at a place is paid: its price, or with second scores the most it could have asked and still been
    /// among the winners.
    fn price_paid(&self, buyer: u32, terms: &HeaderTerms, offers: &[Offered], order: &[usize], rank: usize) -> Wei {
        let at = |rank: usize| order.get(rank).and_then(|position| offers.get(*position));
        let Some(offer) = at(rank) else { return Wei::ZERO };
        if self.group_of(buyer).is_none_or(|group| group.policy != RequestorPolicyName::SecondScore) {
            return offer.price;
        }
        let market = &self.agents.buyers[self.book_of(buyer)].market;
        let Some(beaten) = at(rank + 1) else { return terms.max_price.max(offer.price) };
        let least = market.score(&offer_terms(beaten), terms).score;
        let (mut low, mut high) = (offer.price.0, terms.max_price.0.max(offer.price.0));
        for _ in 0..SECOND_SCORE_STEPS {
            let middle = low + (high - low).div_ceil(2);
            let asked = OfferTerms { price: Wei(middle), ..offer_terms(offer) };
            if market.score(&asked, terms).score >= least {
                low = middle
            } else {
                high = middle.saturating_sub(1).max(low)
            }
        }
        Wei(low)
    }
}

pub(super) fn offer_terms(offer: &Offered) -> OfferTerms {
    OfferTerms { provider: node(offer.name), price: offer.price, performance: offer.performance }
}
