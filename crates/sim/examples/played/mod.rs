//! Playing an experiment as `golem sim run` does, without the rest of golem.

use golem_sim::experiment::{Experiment, Results, play};
use golem_sim::market::{self, Mechanism, Scenario, baseline_scenario, baselines, run_against};
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Mutex;

/// What runs are measured against, played once for all scenarios for which it is the same.
#[derive(Default)]
struct Baselines(Mutex<BTreeMap<(String, u64), market::Baselines>>);

impl Baselines {
    fn of(&self, scenario: &Scenario, seed: u64) -> market::Baselines {
        let key = (format!("{:?}", baseline_scenario(scenario, Mechanism::Random)), seed);
        if let Ok(known) = self.0.lock()
            && let Some(known) = known.get(&key)
        {
            return *known;
        }
        let played = baselines(scenario, seed, &|_| {});
        if let Ok(mut known) = self.0.lock() {
            known.insert(key, played);
        }
        played
    }
}

/// All its runs, on all cores.
pub fn played(experiment: Experiment) -> Result<Results, Box<dyn Error>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let measured = Baselines::default();
    let one = |scenario: &Scenario, seed| match scenario.verification {
        Some(_) => Ok(market::run(scenario, seed, &|_| {})),
        // Each run tells by itself from when on it is measured, and so are the two beside it.
        None if matches!(scenario.warmup_days, market::Warmup::Mser5 { .. }) => {
            Ok(market::run(scenario, seed, &|_| {}))
        }
        None => Ok(run_against(scenario, seed, Some(measured.of(scenario, seed)), &|_| {})),
    };
    let runs = play(&experiment, threads, one, |_| {})?;
    Ok(Results::new(experiment, runs))
}
