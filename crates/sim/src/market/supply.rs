//! What the work that is asked for would cost if the cheapest machines did all of it.

use super::agents::{Agents, MS_PER_S, Machine};
use super::scenario::*;

/// The machines of the start by what work costs on them, and how much of it is asked for.
pub(super) struct Supply {
    /// Cost of an hour of reference work, and how much work a ms this machine and all cheaper ones do together.
    steps: Vec<(f64, f64)>,
    /// Reference work asked for, a ms, before shocks.
    demand: f64,
}

impl Supply {
    /// `rates`: tasks a ms of each requestor, by group.
    pub(super) fn new(scenario: &Scenario, agents: &Agents, rates: &[f64]) -> Supply {
        let of_group = |(of, rate): (&RequestorGroup, &f64)| {
            rate * f64::from(of.count) * of.subtasks.mean() * of.work_s.mean() * MS_PER_S
        };
        let demand = scenario.requestors.iter().zip(rates).map(of_group).sum();
        let mut supply = Supply { steps: Vec::new(), demand };
        supply.count(agents);
        supply
    }

    /// Looks again at which machines are there: an outage begins or ends.
    pub(super) fn count(&mut self, agents: &Agents) {
        let there = |machine: &&Machine| machine.productive() && machine.online && !machine.out;
        let productive = agents.machines.iter().filter(there);
        let mut steps: Vec<(f64, f64)> =
            productive.map(|machine| (machine.cost_of_work(), machine.speed * f64::from(machine.cores))).collect();
        steps.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let mut sum = 0.0;
        for step in &mut steps {
            sum += step.1;
            step.1 = sum;
        }
        self.steps = steps;
    }

    /// The cost at the machine that is just needed for so many times the demand; at the dearest one if all are.
    pub(super) fn marginal_cost(&self, times: f64) -> f64 {
        let needed = self.steps.partition_point(|step| step.1 < self.demand * times);
        self.steps.get(needed).or(self.steps.last()).map_or(0.0, |step| step.0)
    }
}
