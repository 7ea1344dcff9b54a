//! Somebody who knows everything: each subtask at once to the idle machine that does it right at the least cost. Of those
//! that cheat now and then it knows which of their work is right.
//!
//! Where all of the cheapest machines that together could do all the work are busy, it waits for one of them, but no longer
//! than the timeout of a subtask: at a high load a market in which work waits would do better than one who never does.

use super::agents::*;
use super::table::{Handle, Table};
use super::work::{honest_in, time_of};
use super::world::{Event, World};
use golem_market::OfferTerms;
use golem_protocol::Wei;
use std::collections::BTreeSet;

/// Idle machines, the cheapest first, and tasks that wait, the most valuable first.
pub(super) struct Oracle {
    idle: BTreeSet<(u64, u32)>,
    waiting: BTreeSet<(u64, u64, Handle)>,
}

/// How much more than the demand the machines can do that are waited for. Reason: with as much as the demand a queue
/// would only grow.
const SPARE: f64 = 1.03;

/// A number that is not negative as one that can be ordered.
fn key(number: f64) -> u64 {
    number.max(0.0).to_bits()
}

fn key_of(machine: &Machine) -> u64 {
    key(machine.cost_of_work())
}

impl Oracle {
    pub(super) fn new(agents: &Agents) -> Oracle {
        let machines: &Table<Machine> = &agents.machines;
        let idle = machines.ids().filter(|id| machines[*id].useful()).map(|id| (key_of(&machines[id]), id));
        Oracle { idle: idle.collect(), waiting: BTreeSet::new() }
    }
}

impl World<'_> {
    /// A task has open subtasks.
    pub(super) fn oracle_task(&mut self, handle: Handle) {
        let Some(task) = self.tasks.get(handle) else { return };
        let worth = task.value / task.work_ms as f64;
        let patience = task.created + u64::from(task.terms.subtask_timeout_s) * 1_000;
        if self.now < patience {
            self.queue.push(patience, Event::PatienceEnd(handle));
        }
        let place = (u64::MAX - key(worth), task.created, handle);
        if let Some(oracle) = &mut self.oracle {
            oracle.waiting.insert(place);
        }
        self.oracle_match();
    }

    /// A machine came, went, or has a slot free.
    pub(super) fn oracle_changed(&mut self, machine: u32) {
        let Some(oracle) = &mut self.oracle else { return };
        let of = &self.agents.machines[machine];
        let entry = (key_of(of), machine);
        if of.useful() && of.free_cores() > 0 {
            oracle.idle.insert(entry);
        } else {
            oracle.idle.remove(&entry);
        }
        self.oracle_match();
    }

    fn oracle_match(&mut self) {
        let dear = self.supply.marginal_cost(self.load_times() * SPARE);
        loop {
            let Some(oracle) = &mut self.oracle else { return };
            let (Some(&place), Some(&(_, machine))) = (oracle.waiting.first(), oracle.idle.first()) else { return };
            let handle = place.2;
            let open = self.tasks.get(handle).filter(|task| task.open > 0 && self.now < task.deadline);
            let Some(task) = open else {
                oracle.waiting.remove(&place);
                continue;
            };
            let of = &self.agents.machines[machine];
            let turns_in = honest_in(of.behaviour, machine, self.now);
            if turns_in > 0 {
                oracle.idle.pop_first();
                self.queue.push(self.now.saturating_add(turns_in), Event::MachineTurns(machine));
                continue;
            }
            let hours = task.work_ms as f64 / MS_PER_HOUR;
            // The rest is worth less, and the other machines cost more.
            if of.cost_of_work() * hours >= task.value {
                return;
            }
            let patience = task.created + u64::from(task.terms.subtask_timeout_s) * 1_000;
            if self.now < patience && of.cost_of_work() > dear {
                return;
            }
            let takes = time_of(task.work_ms, of.speed);
            let run = Run {
                task: handle,
                buyer: task.buyer,
                buyer_name: self.agents.buyers[task.buyer].name,
                machine,
                name: of.name,
                value: Wei::ZERO,
                offer: OfferTerms { provider: node(of.name), price: Wei::ZERO, performance: of.performance },
                terms: task.terms,
                started: self.now,
                ends: self.now + takes,
                computed_ms: takes,
                fate: Fate::Right,
                slot_ended: false,
                twin: Handle::NONE,
                superseded: false,
                worth: task.value,
            };
            self.tally.handed_out(of, of.cost_of_work(), self.now - task.created, true, self.now);
            self.start(run);
            let Some(oracle) = &mut self.oracle else { return };
            let of = &self.agents.machines[machine];
            if of.free_cores() == 0 || !of.useful() {
                oracle.idle.remove(&(key_of(&self.agents.machines[machine]), machine));
            }
        }
    }
}
