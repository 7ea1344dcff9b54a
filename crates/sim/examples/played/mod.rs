//! Playing an experiment as `golem sim run` does, without the rest of golem.

use golem_sim::experiment::{Experiment, Results, play};
use golem_sim::market::{Measured, Scenario};
use std::error::Error;

/// All its runs, on all cores.
pub fn played(experiment: Experiment) -> Result<Results, Box<dyn Error>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let measured = Measured::default();
    let one = |scenario: &Scenario, seed| Ok(measured.run(scenario, seed, &|_| {}));
    let runs = play(&experiment, threads, one, &(), |_| {})?;
    Ok(Results::new(experiment, runs))
}
