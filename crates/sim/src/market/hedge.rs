//! Second copies of what somebody is late with, by the node's rule: the first result counts, both are paid.
//!
//! Once all of a task is handed out, its buyer looks now and then at who has said nothing for longest, and where the market's
//! code says that a second copy is worth what it costs, gives one to the best of the others that offered. Where no offer
//! stands any more it asks for new ones.

use super::agents::*;
use super::scenario::*;
use super::table::Handle;
use super::tender::offer_terms;
use super::world::{Event, World};
use crate::stream::Draw;
use golem_protocol::{Address, AppFee, B256, ByteCount, ChainTime, ContentHash, Fuel, Header, subtask_value};
use serde::{Deserialize, Serialize};

/// How often a buyer looks for who is late in the time of a subtask's timeout.
const LOOKS_A_TIMEOUT: u64 = 64;
/// Of the subtasks of a task, one in so many gets a second copy at most by [`Hedge::Cheap`].
///
/// Source: `HEDGES_CHEAP_ONE_IN` of `golem-task`.
const CHEAP_ONE_IN: u32 = 20;

/// Whether subtasks that somebody is late with are given to another besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hedge {
    /// Never.
    #[default]
    Off,
    /// One in twenty at most, and only where the time saved is worth it.
    Cheap,
    /// Any, where the time saved is worth it.
    On,
}

/// Machines that are late now and then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stalls {
    /// Of their subtasks, 0 to 1.
    pub share: f64,
    /// How many times as long such a one takes; at least 1.
    pub times: Distribution,
}

/// What a buyer keeps of a task of which it may give second copies.
pub(super) struct Hedging {
    /// How many it may give, and has given.
    most: u32,
    given: u32,
    /// What is under way.
    running: Vec<Handle>,
    /// Offers that were good and not needed, the best first.
    spare: Vec<Offered>,
    /// Whether offers are asked for only to be kept.
    pub asks: bool,
    /// How many subtasks have a result.
    done: u32,
}

impl Hedging {
    pub(super) fn new(hedge: Hedge, subtasks: u32) -> Option<Box<Hedging>> {
        let most = match hedge {
            Hedge::Off => 0,
            Hedge::Cheap => subtasks / CHEAP_ONE_IN,
            Hedge::On => subtasks,
        };
        let hedging = Hedging { most, given: 0, running: Vec::new(), spare: Vec::new(), asks: false, done: 0 };
        (most > 0).then(|| Box::new(hedging))
    }
}

impl World<'_> {
    /// Looks for who is late, and again later.
    pub(super) fn hedge_look(&mut self, handle: Handle) {
        let now = self.now;
        let Some(task) = self.tasks.get(handle) else { return };
        let pause = (u64::from(task.terms.subtask_timeout_s) * 1_000 / LOOKS_A_TIMEOUT).max(1_000);
        self.queue.push(now + pause, Event::HedgeLook(handle));
        let Some(hedging) = &task.hedging else { return };
        if task.open > 0 || now >= task.deadline || hedging.given >= hedging.most {
            return;
        }
        let alone = hedging.running.iter().filter_map(|handle| Some((*handle, self.runs.get(*handle)?)));
        let late = alone
            .filter(|(_, run)| run.twin == Handle::NONE && !run.superseded)
            .max_by_key(|(handle, run)| (now - run.started.min(now), *handle));
        let Some((late, run)) = late else { return };
        let (buyer, terms, subtasks) = (task.buyer, task.terms, task.total);
        let (silent_ms, provider, machine) = (now - run.started.min(now), run.offer.provider, run.machine);
        let life = (self.scenario.market.offer_life_s * MS_PER_S) as u64;
        let stands = |offer: &&Offered| {
            let of = self.agents.names[offer.name];
            now < offer.made + life && of != machine && self.agents.machines[of].free() > 0
        };
        let spare = hedging.spare.iter().find(stands).copied();
        let Some(offer) = spare else {
            // Nobody is asked on behalf of somebody who is not late at all.
            if silent_ms > task.work_ms * 2 {
                self.ask_for_spare(handle);
            }
            return;
        };
        let market = &self.agents.buyers[self.book_of(buyer)].market;
        let Some(cost) = subtask_value(offer.price, terms.subtask_timeout_s) else { return };
        if !market.hedges(&provider, silent_ms, &offer_terms(&offer), &header(&terms, subtasks), cost) {
            return;
        }
        self.give_copy(handle, late, offer);
    }

    /// Asks for offers though nothing is open.
    fn ask_for_spare(&mut self, handle: Handle) {
        let first = (self.scenario.market.rebroadcast_s * MS_PER_S) as u64;
        let now = self.now;
        let Some(task) = self.tasks.get_mut(handle) else { return };
        let Some(hedging) = &mut task.hedging else { return };
        if now < task.window_ends + first {
            return;
        }
        hedging.asks = true;
        task.broadcast_at = now;
        self.broadcast(handle);
    }

    /// Keeps good offers to a task of which nothing is open.
    pub(super) fn keep_spare(&mut self, handle: Handle, offers: &[Offered]) {
        let task = self.tasks.get_mut(handle).filter(|task| task.open == 0);
        if let Some(hedging) = task.and_then(|task| task.hedging.as_mut()) {
            hedging.asks = false;
            hedging.spare = offers.to_vec();
        }
    }

    fn give_copy(&mut self, handle: Handle, late: Handle, offer: Offered) {
        let machine = self.agents.names[offer.name];
        let Some(task) = self.tasks.get_mut(handle) else { return };
        task.open += 1;
        self.tally.reopened();
        if !self.assign(handle, machine, offer) {
            self.tally.open -= 1;
            if let Some(task) = self.tasks.get_mut(handle) {
                task.open -= 1;
                if let Some(hedging) = &mut task.hedging {
                    hedging.spare.retain(|spare| spare.name != offer.name);
                }
            }
            return;
        }
        self.tally.copies += 1;
        self.agents.machines[machine].market.answered(true);
        let Some(hedging) = self.tasks.get_mut(handle).and_then(|task| task.hedging.as_mut()) else { return };
        hedging.given += 1;
        hedging.spare.retain(|spare| spare.name != offer.name);
        let Some(copy) = hedging.running.last().copied() else { return };
        for (one, other) in [(late, copy), (copy, late)] {
            if let Some(run) = self.runs.get_mut(one) {
                run.twin = other;
            }
        }
    }

    /// A run of a task begins.
    pub(super) fn hedging_begins(&mut self, task: Handle, run: Handle) {
        if let Some(hedging) = self.tasks.get_mut(task).and_then(|task| task.hedging.as_mut()) {
            hedging.running.push(run);
        }
    }

    /// A run of a task has ended, `with_result` or not. Whether that of its twin still counts, or has counted: then this one
    /// changes nothing for the task.
    pub(super) fn hedging_ends(&mut self, handle: Handle, with_result: bool) -> bool {
        let Some(run) = self.runs.get_mut(handle) else { return false };
        let (task, twin, superseded) = (run.task, run.twin, run.superseded);
        let under_way = self.runs.get_mut(twin).map(|twin| {
            twin.superseded |= with_result;
            twin.twin = Handle::NONE;
        });
        let (now, redundant) = (self.now, superseded || (under_way.is_some() && !with_result));
        let Some(of) = self.tasks.get_mut(task) else { return redundant };
        let Some(hedging) = &mut of.hedging else { return redundant };
        hedging.running.retain(|other| *other != handle);
        hedging.done += u32::from(with_result && !superseded);
        if with_result && !superseded && hedging.done == of.total {
            self.tally.task_over(now - of.created, of.work_ms, now);
        }
        redundant
    }
}

/// Whether all of a task has a result, and it was told that it is over.
pub(super) fn was_told(task: &Task) -> bool {
    task.hedging.as_ref().is_some_and(|hedging| hedging.done == task.total)
}

/// How much longer a run takes because its machine stalls.
pub(super) fn stalled(stalls: Option<&Stalls>, machine: &mut Machine) -> f64 {
    let Some(stalls) = stalls else { return 1.0 };
    if machine.draws.chance(stalls.share) { stalls.times.draw(&mut machine.draws).clamp(1.0, 1e6) } else { 1.0 }
}

/// A header of which only what the market looks at is true.
fn header(terms: &golem_market::HeaderTerms, subtasks: u32) -> Header {
    Header {
        requestor: node(0),
        payer: Address::ZERO,
        nonce: 0,
        module: ContentHash(B256::ZERO),
        module_bytes: ByteCount(0),
        subtasks,
        max_price: terms.max_price,
        subtask_timeout_s: terms.subtask_timeout_s,
        min_perf: terms.min_perf,
        pricing: terms.pricing,
        fuel_max: Fuel(0),
        memory_max: ByteCount(0),
        output_max: ByteCount(0),
        recheck_ppm: 0,
        profile: B256::ZERO,
        deadline: ChainTime(0),
        app: AppFee::default(),
    }
}
