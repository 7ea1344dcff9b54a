//! Which numbers of our rules matter: Morris' screening. `screening FILE.toml [--walks N] [--seed N]` plays the file's
//! first cell along walks in which one number after the other is moved, and prints for each number and shown metric the
//! mean size of its effect over its whole range (`mu*`) and how much that differs from place to place (`sigma`).
//!
//! Source: Morris, Factorial Sampling Plans for Preliminary Computational Experiments (1991), with `mu*` of Campolongo.

use golem_sim::experiment::{Experiment, Options};
use golem_sim::market::{Scenario, baselines, run_against};
use golem_sim::stream::{Draw, SmallStream};
use numbers::{NUMBERS, set};
use std::error::Error;

mod numbers;

/// The places that a number can have, evenly over its range, and how far it is moved: the usual choice of four and two.
const LEVELS: u32 = 4;
const STEP: f64 = 2.0 / 3.0;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut path, mut walks, mut seed) = (None, 8u64, 1u64);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--walks" => walks = arguments.next().ok_or("--walks needs a number")?.parse()?,
            "--seed" => seed = arguments.next().ok_or("--seed needs a number")?.parse()?,
            _ => path = Some(argument),
        }
    }
    let text = std::fs::read_to_string(path.ok_or("which file? give an experiment's")?)?;
    let shown: Vec<String> =
        Experiment::read(&text, &Options::default())?.shown().iter().map(|m| (*m).to_owned()).collect();
    let at = |place: &[f64]| -> Result<Scenario, Box<dyn Error>> {
        let experiment = Experiment::read(&text, &Options { set: set(place), ..Options::default() })?;
        Ok(experiment.cells.into_iter().next().ok_or("the file has no cell")?.scenario)
    };
    let mut effects = vec![vec![Vec::new(); NUMBERS.len()]; shown.len()];
    for walk in 0..walks {
        let mut draws = SmallStream::new(seed, 1, walk, 0);
        let mut place: Vec<f64> =
            NUMBERS.iter().map(|_| f64::from(draws.below(LEVELS)) / f64::from(LEVELS - 1)).collect();
        let mut order: Vec<usize> = (0..NUMBERS.len()).collect();
        (1..order.len()).rev().for_each(|last| order.swap(last, draws.below(last as u32 + 1) as usize));
        // The same arrivals along a walk, and so the same market to be measured against.
        let against = baselines(&at(&place)?, seed + walk, &|_| {});
        let metrics = |scenario: &Scenario| run_against(scenario, seed + walk, Some(against), &|_| {}).metrics;
        let mut before = metrics(&at(&place)?);
        for number in order {
            let step = if place[number] + STEP <= 1.0 + 1e-9 { STEP } else { -STEP };
            place[number] += step;
            let after = metrics(&at(&place)?);
            for (metric, effects) in shown.iter().zip(&mut effects) {
                if let (Some(before), Some(after)) = (before.get(metric.as_str()), after.get(metric.as_str())) {
                    effects[number].push((after - before) / step);
                }
            }
            before = after;
        }
    }
    for (metric, effects) in shown.iter().zip(&effects) {
        println!("{metric}");
        for ((path, low, high), effects) in NUMBERS.iter().zip(effects) {
            let count = effects.len().max(1) as f64;
            let mean = effects.iter().sum::<f64>() / count;
            let size = effects.iter().map(|effect| effect.abs()).sum::<f64>() / count;
            let spread = (effects.iter().map(|effect| (effect - mean) * (effect - mean)).sum::<f64>()
                / (count - 1.0).max(1.0))
            .sqrt();
            println!("  {path:<40} {low} to {high}: mu* {size:.4}, mu {mean:+.4}, sigma {spread:.4}");
        }
    }
    Ok(())
}
