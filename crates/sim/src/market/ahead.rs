//! A look at what the next events will need. In a market of a million agents nearly every event waits for memory; those that
//! come soon can wait together. Nothing is changed or decided here.

use super::agents::{Buyer, Machine, node};
use super::table::Handle;
use super::world::{Event, World};
use std::hint::black_box;

/// In a smaller market everything is in the cache already.
const AGENTS_MIN: u32 = 20_000;
/// No more than this many events. Reason: what is looked at long before it is needed is gone by then.
const EVENTS_MAX: usize = 64;

impl World<'_> {
    /// Looks at what the events need that come next.
    pub(super) fn look_ahead(&self) {
        if self.agents.machines.len() < AGENTS_MIN {
            return;
        }
        let next = || self.queue.near().take(EVENTS_MAX).map(|(_, event)| event);
        // First what leads to everything else.
        for event in next() {
            match *event {
                Event::Broadcast(task)
                | Event::HandOut(task)
                | Event::HedgeLook(task)
                | Event::Deadline(task)
                | Event::PatienceEnd(task) => {
                    self.look_at_task(task);
                }
                Event::SlotEnd(run) | Event::Report(run) | Event::Payment(run) | Event::CopiesWait(run) => {
                    if let Some(run) = self.runs.get(run) {
                        black_box((run.machine, run.ends, run.worth));
                    }
                }
                Event::Arrival(_) | Event::Rerun(..) | Event::Join(_) | Event::Leave(_) => {}
                Event::NextTask(_) | Event::ClaimDue(_) | Event::Overdue(..) => {}
                Event::OutageStart(_) | Event::OutageEnd(_) | Event::Step => {}
                Event::Sham(..) | Event::UpdateTrust | Event::MachineTurns(_) => {}
            }
        }
        for event in next() {
            match *event {
                Event::Arrival(buyer) | Event::NextTask(buyer) | Event::Rerun(buyer, _) => {
                    look_at_buyer(&self.agents.buyers[buyer])
                }
                Event::Broadcast(_) | Event::PatienceEnd(_) | Event::Join(_) | Event::ClaimDue(_) => {}
                Event::HandOut(task) | Event::HedgeLook(task) | Event::Deadline(task) => self.look_at_offers(task),
                Event::SlotEnd(run) | Event::Report(run) | Event::Payment(run) | Event::CopiesWait(run) => {
                    self.look_at_run(run)
                }
                Event::Leave(machine) | Event::Overdue(machine, _) => look_at_machine(&self.agents.machines[machine]),
                Event::OutageStart(_) | Event::OutageEnd(_) | Event::Step => {}
                Event::Sham(..) | Event::UpdateTrust | Event::MachineTurns(_) => {}
            }
        }
    }

    fn look_at_task(&self, task: Handle) {
        if let Some(task) = self.tasks.get(task) {
            black_box((task.buyer, task.open, task.deadline, task.offers.first().map(|offer| offer.name)));
        }
    }

    fn look_at_offers(&self, task: Handle) {
        let Some(task) = self.tasks.get(task) else { return };
        let of = &self.agents.buyers[task.buyer];
        look_at_buyer(of);
        of.market.peers().look();
        for offer in &task.offers {
            black_box(self.agents.machines[self.agents.names[offer.name]].free());
        }
    }

    fn look_at_run(&self, run: Handle) {
        let Some(run) = self.runs.get(run) else { return };
        let (machine, buyer) = (&self.agents.machines[run.machine], &self.agents.buyers[run.buyer]);
        look_at_machine(machine);
        black_box(machine.market.record(&node(run.buyer_name)).is_some());
        look_at_buyer(buyer);
        black_box(buyer.market.record(&node(run.name)).is_some());
        self.look_at_task(run.task);
    }
}

fn look_at_machine(of: &Machine) {
    black_box((of.market.state().factor, of.performance, of.busy_ms, of.earned, of.heard.ends()));
}

fn look_at_buyer(of: &Buyer) {
    black_box((of.group, of.draws, of.arrivals, of.spent, of.market.settings().quality_floor));
}
