//! The market with up to a million providers: the policies and the money that nodes use, with shortened messages.
//!
//! Start with [`run`]. A [`Scenario`] says who takes part and what befalls them; a [`RunOutcome`] is what came of it.

mod check;
mod outcome;
mod population;
mod sample;
mod scenario;

pub use check::ScenarioError;
pub use outcome::{AgentRow, Better, METRICS, MetricInfo, RunOutcome, Series, Side};
pub use scenario::*;

/// Purposes of random streams. A number here must never mean something else, or old seeds give another run.
const MACHINE: u32 = 100;

/// Plays a scenario that passed [`Scenario::check`]. `progress` is told the share of the run that is done, rising to 1.
pub fn run(scenario: &Scenario, seed: u64, progress: &dyn Fn(f64)) -> RunOutcome {
    let outcome = RunOutcome { agents: population::rows(scenario, seed), ..RunOutcome::default() };
    progress(1.0);
    outcome
}
