//! From the agreement to the money: what becomes of a subtask.

use super::agents::*;
use super::concent::Dispute;
use super::eigentrust::Peer;
use super::hedge::stalled;
use super::metered::Part;
use super::scenario::*;
use super::table::Handle;
use super::tender::offer_terms;
use super::world::{Event, World};
use crate::stream::{Draw, mix};
use golem_deal::{OVERDUE_MS, late_after_ms};
use golem_market::{Claim, HeaderTerms, OfferTerms, Outcome, Release};
use golem_protocol::{B256, RefusalReason, Wei, subtask_value};

/// How much of the time that the work would take passes until a wrong result is reported, and what it costs to make one
/// that looks right, as a share of the work.
const WRONG_WORK: f64 = 0.1;

/// In how many ms a machine that is honest now and then is so: 0 where it is now.
pub(super) fn honest_in(behaviour: ProviderBehaviour, machine: u32, now: u64) -> u64 {
    let ProviderBehaviour::OnOff { period_hours, honest_share } = behaviour else { return 0 };
    let period = ((period_hours * MS_PER_HOUR) as u64).max(1);
    // Everybody's rounds begin at another moment.
    let phase = (now + mix(u64::from(machine)) % period) % period;
    if (phase as f64) < honest_share * period as f64 { 0 } else { period - phase }
}

impl World<'_> {
    /// One subtask of a task is agreed with a machine. Whether that was possible.
    pub(super) fn assign(&mut self, handle: Handle, machine: u32, offer: Offered) -> bool {
        let Some(task) = self.tasks.get(handle) else { return false };
        let (terms, buyer) = (task.terms, task.buyer);
        let (worth, opened) = (task.value, task.created);
        let Some(value) = subtask_value(offer.price, terms.subtask_timeout_s) else { return false };
        if !self.is_covered(buyer, machine, offer.price, terms.subtask_timeout_s) {
            self.tally.refused_uncovered();
            return false;
        }
        let buyer_name = self.agents.buyers[buyer].name;
        let Some(part) = self.take_part(handle, offer.name) else { return false };
        let now = self.local();
        let market = &mut self.agents.machines[machine].market;
        let owed = market.record(&node(buyer_name)).map_or(Wei::ZERO, |record| record.owed).saturating_add(value);
        let credit = market.credit(&node(buyer_name), offer.price, terms.subtask_timeout_s);
        if owed > credit || market.assigned(node(buyer_name), value, now).is_err() {
            self.tally.refused(&RefusalReason::CreditExceeded { owed, credit });
            self.give_back(handle, &part, offer.name);
            return false;
        }
        let work_ms = part.work_ms;
        let bill = self.bill(machine, part, &offer_terms(&offer), &terms, value);
        let (fate, takes, computed_ms) = self.plan(machine, handle, part, u64::from(terms.subtask_timeout_s) * 1_000);
        let started = self.now + self.latency;
        let run = Run {
            task: handle,
            buyer,
            buyer_name,
            machine,
            name: offer.name,
            value,
            offer: offer_terms(&offer),
            terms,
            started,
            ends: started + takes,
            computed_ms,
            fate,
            slot_ended: false,
            twin: Handle::NONE,
            superseded: false,
            worth,
        };
        let paid_per_work = gnt(bill.due) * MS_PER_HOUR / work_ms as f64;
        let of = &self.agents.machines[machine];
        self.tally.handed_out(of, paid_per_work, self.now - opened, computed_ms > 0, self.now);
        let group = self.agents.buyers[buyer].group;
        self.monopsony.handed_out(group);
        if let Some(of) = self.tally.of_buyers(group, self.now) {
            of.wait.add((self.now - opened) as f64 / MS_PER_S);
            of.price.add(paid_per_work);
        }
        let started = self.start(run);
        self.keep_bill(started, handle, bill);
        true
    }

    /// A run begins.
    pub(super) fn start(&mut self, run: Run) -> Handle {
        if let Some(task) = self.tasks.get_mut(run.task) {
            task.open -= 1;
            task.running += 1;
        }
        let honest = self.group_of(run.buyer).is_some_and(|group| group.behaviour.is_honest());
        if !honest && self.now >= self.tally.last_quarter {
            self.tally.deadbeat_last_quarter += 1;
        }
        let now = self.local();
        let machine = &mut self.agents.machines[run.machine];
        machine.taken += 1;
        machine.note_in_vain(self.now);
        machine.busy += 1;
        if machine.free() == 0 {
            machine.forget_in_vain();
        }
        if machine.busy == 1 {
            machine.market.busy(now);
        }
        let (ends, back) = (run.ends, run.ends + self.latency);
        let task = run.task;
        let handle = self.runs.insert(run);
        self.hedging_begins(task, handle);
        self.queue.push(ends, Event::SlotEnd(handle));
        self.queue.push(back, Event::Report(handle));
        handle
    }

    /// How a run will end, after how many ms, and for how many of them a core computes.
    fn plan(&mut self, machine: u32, task: Handle, part: Part, timeout_ms: u64) -> (Fate, u64, u64) {
        let (now, work_ms) = (self.now, part.work_ms);
        // Where each result stands alone it does not matter which of them they are wrong about.
        let together = match self.agents.machines[machine].behaviour {
            ProviderBehaviour::WrongResults { share, colluding: true } => {
                self.copied_part(task, &part).map(|subtask| self.all_are_wrong(task, subtask, share))
            }
            _ => None,
        };
        let of = &mut self.agents.machines[machine];
        let stalls = self.scenario.providers.get(of.group as usize).and_then(|group| group.stalls.as_ref());
        let takes = time_of(work_ms, of.speed / stalled(stalls, of));
        let held = (Fate::TimedOut, timeout_ms, 0);
        let made_up = ((takes as f64 * WRONG_WORK) as u64).clamp(1, timeout_ms);
        let wrong = (Fate::Wrong, made_up, made_up);
        let honest =
            if takes <= timeout_ms { (Fate::Right, takes, takes) } else { (Fate::TimedOut, timeout_ms, timeout_ms) };
        match of.behaviour {
            ProviderBehaviour::Honest
            | ProviderBehaviour::CheatBenchmark { .. }
            | ProviderBehaviour::Undercut { .. }
            | ProviderBehaviour::Cartel { .. }
            | ProviderBehaviour::InflateUsage { .. }
            | ProviderBehaviour::UndercutBudget { .. } => honest,
            ProviderBehaviour::Hold => held,
            ProviderBehaviour::OnOff { .. } => {
                if honest_in(of.behaviour, machine, now) == 0 {
                    honest
                } else {
                    held
                }
            }
            ProviderBehaviour::ExitScam { honest_subtasks } => {
                if of.done < honest_subtasks {
                    honest
                } else {
                    wrong
                }
            }
            ProviderBehaviour::Whitewash { right_first, .. } if of.done - of.done_before < right_first => honest,
            ProviderBehaviour::Whitewash { wrong_results, .. } | ProviderBehaviour::WashTrade { wrong_results, .. } => {
                if wrong_results {
                    wrong
                } else {
                    held
                }
            }
            ProviderBehaviour::Sybil { .. } => {
                // One after the other on all its cores: most of the time until the end is waiting.
                let ends = of.free_at.max(now) + takes / u64::from(of.cores.max(1)) - now;
                if ends > timeout_ms {
                    return held;
                }
                of.free_at = now + ends;
                (Fate::Right, ends, takes)
            }
            ProviderBehaviour::WrongResults { share, .. } => {
                if together.unwrap_or_else(|| of.draws.chance(share)) {
                    wrong
                } else {
                    honest
                }
            }
            ProviderBehaviour::AcceptThenCancel { share } => {
                if of.draws.chance(share) {
                    (Fate::Cancelled, 1, 0)
                } else {
                    honest
                }
            }
            ProviderBehaviour::SelectiveFailure { share } => {
                if of.draws.chance(share) {
                    (Fate::Failed, honest.1, honest.2)
                } else {
                    honest
                }
            }
        }
    }

    /// The slot is free again.
    pub(super) fn slot_end(&mut self, handle: Handle) {
        let now = self.local();
        let Some(run) = self.runs.get_mut(handle) else { return };
        run.slot_ended = true;
        let of = &mut self.agents.machines[run.machine];
        let took = run.ends - run.started;
        of.busy -= 1;
        if run.computed_ms > 0 && !of.out {
            of.busy_ms += run.computed_ms;
            self.agents.buyers[run.buyer].busy_ms += run.computed_ms;
            self.tally.worked(of, run.computed_ms, self.now);
        }
        match run.fate {
            Fate::Right | Fate::Wrong => {
                if run.fate == Fate::Right {
                    self.metered.ran(run.machine, handle, took);
                }
                of.market.completed(&node(run.buyer_name), &run.terms, run.offer.performance, took);
            }
            Fate::Failed | Fate::TimedOut | Fate::Cancelled => {}
        }
        if of.busy == 0 {
            of.market.idle(now);
        }
        let (machine, task) = (run.machine, run.task);
        self.tally.slot_freed(run.computed_ms > 0, self.now);
        if of.free() > 0 {
            of.heard.add(task, self.scenario.market.memory as usize);
            self.seek(machine);
        }
    }

    /// The buyer learns how a run ended.
    pub(super) fn report(&mut self, handle: Handle) {
        let Some(run) = self.runs.get_mut(handle) else { return };
        // Its machine went out meanwhile: nothing comes, and the buyer waits for the timeout.
        let latest = run.started + u64::from(run.terms.subtask_timeout_s) * 1_000 + self.latency;
        if run.fate == Fate::TimedOut && self.now < latest {
            self.queue.push(latest, Event::Report(handle));
            return;
        }
        let (task, buyer) = (run.task, run.buyer);
        if let Some(task) = self.tasks.get_mut(task) {
            task.running -= 1;
        }
        match self.runs.get(handle).map(|run| run.fate) {
            Some(Fate::Right | Fate::Wrong) if self.enter_copy(handle) => {}
            Some(Fate::Right) => {
                let rate = self.check_rate(handle, buyer);
                self.rechecked(handle, rate);
                if self.finds_lie(handle, buyer, rate) {
                    self.prove(handle);
                    self.ended_badly(handle, Some(Outcome::Rejected), Release::Rejected);
                } else {
                    self.accept_or_lie(handle);
                }
            }
            Some(Fate::Wrong) => {
                let rate = self.check_rate(handle, buyer);
                self.rechecked(handle, rate);
                if self.agents.buyers[buyer].draws.chance(rate) {
                    self.prove(handle);
                    self.ended_badly(handle, Some(Outcome::Rejected), Release::Rejected);
                } else {
                    self.accepted(handle, false);
                }
            }
            Some(Fate::Failed) => self.ended_badly(handle, Some(Outcome::Failed), Release::Failed),
            Some(Fate::TimedOut) => self.ended_badly(handle, Some(Outcome::TimedOut), Release::TimedOut),
            Some(Fate::Cancelled) => self.ended_badly(handle, None, Release::Cancelled),
            None => {}
        }
        self.close_if_over(task);
    }

    /// A result came that is run again with this chance, at the buyer's cost.
    pub(super) fn rechecked(&mut self, handle: Handle, rate: f64) {
        let Some(run) = self.runs.get(handle) else { return };
        let asked = self.group_of(run.buyer).map_or(0.0, |group| group.check_rate);
        let hours = self.tasks.get(run.task).map_or(0.0, |task| task.work_ms as f64 / MS_PER_HOUR);
        let cost = hours * self.agents.median_cost;
        self.tally.rechecked(rate, (rate - asked) * cost, rate * cost, self.now);
    }

    /// How likely a result is run again: what the group asks for, and what the buyer's policy makes of it.
    pub(super) fn check_rate(&self, run: Handle, buyer: u32) -> f64 {
        let (Some(group), Some(run)) = (self.group_of(buyer), self.runs.get(run)) else { return 0.0 };
        let asked = (group.check_rate * 1e6).round() as u32;
        let market = &self.agents.buyers[self.book_of(buyer)].market;
        f64::from(market.recheck_ppm(&run.offer.provider, asked)) / 1e6
    }

    /// A right result: an honest requestor accepts it, another may say that it is wrong and use it all the same.
    pub(super) fn accept_or_lie(&mut self, handle: Handle) {
        let Some(run) = self.runs.get(handle) else { return };
        let lies = match self.group_of(run.buyer).map(|group| group.behaviour) {
            Some(RequestorBehaviour::FalseRejecter { share }) => self.agents.buyers[run.buyer].draws.chance(share),
            _ => false,
        };
        if !lies {
            return self.accepted(handle, true);
        }
        let redundant = self.is_spare_copy(handle, true) | self.hedging_ends(handle, true);
        self.metered.forget(handle);
        let Some(run) = self.runs.remove(handle) else { return };
        let claimed = self.claim(&run, Dispute::Rejected);
        let now = self.local();
        let of = &mut self.agents.machines[run.machine];
        // What is claimed stays owed.
        if !claimed {
            of.market.rejected(&node(run.buyer_name), run.value, now);
            of.market.released(&node(run.buyer_name), run.value, Release::Rejected);
        }
        of.failed += 1;
        if !redundant {
            self.finished(run.machine, run.buyer, run.worth, true);
        }
        if !claimed {
            self.tally.unpaid(run.value, self.now);
        }
    }

    /// A subtask has its result.
    fn finished(&mut self, machine: u32, buyer: u32, worth: f64, right: bool) {
        let of = &mut self.agents.buyers[buyer];
        of.done += 1;
        of.value += worth;
        self.tally.finished(&self.agents.machines[machine], worth, right, self.now);
        if let Some(of) = self.tally.of_buyers(of.group, self.now) {
            of.done += u64::from(right);
            of.wrong += u64::from(!right);
        }
    }

    pub(super) fn accepted(&mut self, handle: Handle, right: bool) {
        let is_spare_copy = self.is_spare_copy(handle, true);
        self.settle_bill(handle);
        let Some(run) = self.runs.get(handle) else { return };
        let (buyer, machine, terms, value) = (run.buyer, run.machine, run.terms, run.value);
        let outcome = Outcome::Success { computation_ms: run.ends - run.started };
        let worth = if right { run.worth } else { 0.0 };
        let redundant = is_spare_copy | self.hedging_ends(handle, true);
        if is_spare_copy {
            self.tally.spare_copy(value, self.now);
        }
        let Some(run) = self.runs.get(handle) else { return };
        let (name, offer) = (run.name, run.offer);
        let overdue = Event::Overdue(machine, run.buyer_name);
        let overdue_ms = late_after_ms(OVERDUE_MS, terms.subtask_timeout_s);
        let (task, took_ms) = (run.task, run.ends - run.started);
        self.timed(buyer, task, &offer, took_ms);
        self.remember(buyer, name, &offer, &terms, outcome);
        self.agents.machines[machine].done += 1;
        if !redundant {
            self.finished(machine, buyer, worth, right);
        }
        let Some(group) = self.group_of(buyer) else { return };
        let delay = (group.payment_delay_min * 60_000.0) as u64 + self.latency;
        let pays = match group.behaviour {
            RequestorBehaviour::Honest
            | RequestorBehaviour::Newcomer { .. }
            | RequestorBehaviour::Monopsonist { .. }
            | RequestorBehaviour::FalseRejecter { .. }
            | RequestorBehaviour::TimeoutInflater { .. } => Some(delay),
            RequestorBehaviour::LatePayer { days } => Some(delay + (days * MS_PER_DAY) as u64),
            RequestorBehaviour::NonPayer { share } => (!self.agents.buyers[buyer].draws.chance(share)).then_some(delay),
            RequestorBehaviour::SybilNonPayer { .. } => None,
        };
        match pays {
            Some(delay) => {
                self.queue.push(self.now + delay, Event::Payment(handle));
                if delay > overdue_ms {
                    self.queue.push(self.now + overdue_ms, overdue);
                }
            }
            None => {
                let Some(run) = self.runs.remove(handle) else { return };
                self.rate_buyer(run.machine, run.name, run.buyer_name, false);
                if !self.claim(&run, Dispute::Unpaid) {
                    self.tally.unpaid(value, self.now);
                    self.queue.push(self.now + overdue_ms, overdue);
                }
            }
        }
    }

    /// A result of a requestor's has been unpaid for long.
    pub(super) fn overdue(&mut self, machine: u32, buyer_name: u32) {
        let now = self.local();
        self.agents.machines[machine].market.overdue(&node(buyer_name), now);
    }

    /// A voucher arrives.
    pub(super) fn payment(&mut self, handle: Handle) {
        let Some(run) = self.runs.remove(handle) else { return };
        self.rate_buyer(run.machine, run.name, run.buyer_name, true);
        let buyer = &mut self.agents.buyers[run.buyer];
        let machine = &mut self.agents.machines[run.machine];
        buyer.spent = buyer.spent.saturating_add(run.value);
        machine.earned = machine.earned.saturating_add(run.value);
        machine.market.paid(&node(run.buyer_name), run.value);
        self.tally.paid(machine, run.value, self.now);
    }

    /// No result, or none that is taken: the subtask is open again.
    pub(super) fn ended_badly(&mut self, handle: Handle, outcome: Option<Outcome>, release: Release) {
        let is_spare_copy = self.is_spare_copy(handle, false);
        let redundant = is_spare_copy | self.hedging_ends(handle, false);
        let subtask = self.copied_subtask(handle).map(|(_, subtask)| subtask);
        let Some(run) = self.runs.remove(handle) else { return };
        if self.agents.machines[run.machine].behaviour == ProviderBehaviour::Hold {
            self.claim(&run, Dispute::Nothing);
        }
        if is_spare_copy {
            self.metered.forget(handle);
        } else {
            self.give_back_run(handle, run.task, run.name);
        }
        if let Some(outcome) = outcome {
            self.remember(run.buyer, run.name, &run.offer, &run.terms, outcome);
        }
        let is_shown = self.agents.is_shown(run.name);
        let of = &mut self.agents.machines[run.machine];
        of.market.released(&node(run.buyer_name), run.value, release);
        of.failed += 1;
        self.agents.buyers[run.buyer].failed += 1;
        self.tally.failed(of, self.now - run.started, self.now);
        if let ProviderBehaviour::Whitewash { bad_subtasks, .. } = of.behaviour
            && is_shown
        {
            of.bad += 1;
            if of.bad >= bad_subtasks && of.online {
                self.agents.rename(run.machine, run.name);
                self.pay_for_identity(run.machine, 1);
            }
        }
        if !redundant {
            self.reopen(run.task, subtask);
        }
    }

    /// A buyer saw that a result is wrong, and says so where proofs are shared.
    pub(super) fn prove(&mut self, handle: Handle) {
        let Some(run) = self.runs.get(handle) else { return };
        let (buyer, name, provider) = (run.buyer, run.name, run.offer.provider);
        let work_ms = self.tasks.get(run.task).map_or(0, |task| task.work_ms);
        let claim = Claim {
            provider,
            accuser: node(self.agents.buyers[buyer].name),
            proof: B256::left_padding_from(&work_ms.to_be_bytes()),
            subtask_timeout_s: run.terms.subtask_timeout_s,
        };
        let book = self.book_of(buyer);
        self.agents.buyers[book].market.proven(provider);
        if self.scenario.market.information == Information::Proofs {
            for other in self.agents.buyers.ids().filter(|other| *other != buyer) {
                if !self.hears_of(other, name) {
                    continue;
                }
                // Not kept where it says nothing new.
                let _ = self.agents.buyers[other].market.proofs_mut().hear(claim);
                self.tally.messages += 1;
            }
        }
    }

    /// A buyer runs again what others say of those whose offers it is about to take.
    pub(super) fn look_at_proofs(&mut self, buyer: u32, names: impl Iterator<Item = u32>, terms: &HeaderTerms) {
        let now = self.local();
        for name in names {
            let proofs = self.agents.buyers[buyer].market.proofs_mut();
            let Some(claim) = proofs.begin(&node(name), terms.subtask_timeout_s, now) else { continue };
            let work_ms = u64::from_be_bytes(claim.proof.0.last_chunk().copied().unwrap_or_default());
            self.tally.reruns += 1;
            self.queue.push(self.now + work_ms, Event::Rerun(buyer, name));
        }
    }

    /// A buyer has run a proof again. All are true here; that false ones change nothing is the market's own test.
    pub(super) fn rerun(&mut self, buyer: u32, name: u32) {
        self.agents.buyers[buyer].market.proven(node(name));
    }

    /// What a buyer saw of a name goes into its book, or into everybody's.
    fn remember(&mut self, buyer: u32, name: u32, offer: &OfferTerms, terms: &HeaderTerms, outcome: Outcome) {
        let count = self.agents.buyers.len();
        match self.scenario.market.information {
            Information::Local | Information::Proofs | Information::Oracle => {
                self.agents.buyers[buyer].market.outcome(offer, terms, outcome);
            }
            Information::Global => self.agents.buyers[0].market.outcome(offer, terms, outcome),
            Information::Gossip { fanout } => {
                self.agents.buyers[buyer].market.outcome(offer, terms, outcome);
                for _ in 0..fanout {
                    let other = self.agents.buyers[buyer].draws.below(count);
                    self.tell(other, name, offer, terms, outcome);
                }
            }
            Information::Eigentrust { .. } => {
                self.agents.buyers[buyer].market.outcome(offer, terms, outcome);
                let satisfied = matches!(outcome, Outcome::Success { .. });
                self.trust.rate(Peer::Requestor(self.agents.buyers[buyer].name), Peer::Provider(name), satisfied);
            }
        }
    }

    /// A buyer believes what somebody else says of a name, where that reaches it.
    pub(super) fn tell(&mut self, buyer: u32, name: u32, offer: &OfferTerms, terms: &HeaderTerms, outcome: Outcome) {
        if self.hears_of(buyer, name) {
            self.agents.buyers[buyer].market.told(offer, terms, outcome);
            self.tally.messages += 1;
        }
    }

    /// A provider was paid for what was accepted, or will not be.
    fn rate_buyer(&mut self, machine: u32, name: u32, buyer_name: u32, paid: bool) {
        let washes = matches!(self.agents.machines[machine].behaviour, ProviderBehaviour::WashTrade { .. });
        if self.goes_by_trust() && !washes {
            self.trust.rate(Peer::Provider(name), Peer::Requestor(buyer_name), paid);
        }
    }

    /// What an identity costs.
    fn identity_cost(&self) -> Wei {
        wei(self.scenario.market.identity_cost_hours * self.agents.median_cost)
    }

    /// A machine pays for new names.
    pub(super) fn pay_for_identity(&mut self, machine: u32, count: u32) {
        let cost = Wei(self.identity_cost().0 * u128::from(count));
        let of = &mut self.agents.machines[machine];
        of.spent = of.spent.saturating_add(cost);
        self.tally.burnt = self.tally.burnt.saturating_add(cost);
    }

    /// A buyer pays for a new name.
    pub(super) fn pay_for_identity_of_buyer(&mut self, buyer: u32) {
        let cost = self.identity_cost();
        let of = &mut self.agents.buyers[buyer];
        of.spent = of.spent.saturating_add(cost);
        self.tally.burnt = self.tally.burnt.saturating_add(cost);
    }
}

/// How long some work takes at a speed, in ms.
pub(super) fn time_of(work_ms: u64, speed: f64) -> u64 {
    ((work_ms as f64 / speed).ceil() as u64).max(1)
}
