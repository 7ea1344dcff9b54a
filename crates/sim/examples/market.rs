//! Plays one scenario and prints what came of it as JSON: `market [SCENARIO.toml] [--seed N] [--alone] [--series] [--agents]`.
//! `--alone` leaves out the two runs that it is measured against.

use golem_sim::market::{Scenario, run, run_against};
use std::error::Error;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut path, mut seed, mut alone, mut series, mut agents) = (None, 1u64, false, false, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seed" => seed = arguments.next().ok_or("--seed needs a number")?.parse()?,
            "--alone" => alone = true,
            "--series" => series = true,
            "--agents" => agents = true,
            _ => path = Some(argument),
        }
    }
    let scenario: Scenario = match path {
        Some(path) => toml::from_str(&std::fs::read_to_string(path)?)?,
        None => Scenario::default(),
    };
    scenario.check()?;
    let start = Instant::now();
    let outcome = if alone { run_against(&scenario, seed, None, &|_| {}) } else { run(&scenario, seed, &|_| {}) };
    eprintln!("{:.2} s", start.elapsed().as_secs_f64());
    println!("{}", serde_json::to_string_pretty(&outcome.metrics)?);
    if series {
        println!("{}", serde_json::to_string(&outcome.series)?);
    }
    if agents {
        println!("{}", serde_json::to_string(&outcome.agents)?);
    }
    Ok(())
}
