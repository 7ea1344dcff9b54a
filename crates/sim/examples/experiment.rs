//! Plays an experiment's file and prints the shown metrics of each cell, and what of its expectations holds, without the
//! rest of golem: `experiment FILE.toml [--quick] [--seed N] [--repeat N] [--set PATH=VALUE] [--cell AXIS=POINT,...]`.
//! `golem sim run` does the same and writes a report. A file that ends with .json is a scenario of golem-des.

mod played;

use golem_sim::experiment::{Experiment, Options, import};
use played::played;
use std::error::Error;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut path, mut options) = (None, Options::default());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--quick" => options.quick = true,
            "--seed" => options.seed = Some(value()?.parse()?),
            "--repeat" => options.repeat = Some(value()?.parse()?),
            "--set" => options.set.push(value()?),
            "--cell" => options.cell = Some(value()?),
            _ => path = Some(argument),
        }
    }
    let path = path.ok_or("which file? give an experiment's, as scenarios/S01_thirst_balance.toml")?;
    let mut text = std::fs::read_to_string(&path)?;
    if path.ends_with(".json") {
        let imported = import(&text, "imported")?;
        imported.notes.iter().for_each(|note| eprintln!("{note}"));
        text = imported.toml;
    }
    let start = Instant::now();
    let results = played(Experiment::read(&text, &options)?)?;
    let shown = results.experiment.shown();
    for (number, cell) in results.experiment.cells.iter().enumerate() {
        println!("{}", cell.name);
        for metric in &shown {
            let estimate = results.estimate(number, metric);
            if estimate.n == 0 {
                println!("  {metric:<32} in no run");
                continue;
            }
            let half = estimate.half_width;
            // One run has no interval.
            let half = if half.is_finite() { format!("{half:.4}") } else { "unknown".into() };
            println!("  {metric:<32} {:>10.4} +- {half}, n {}", estimate.mean, estimate.n);
        }
    }
    for checked in &results.checked {
        println!("{:?}, recorded {:?}: {}", checked.verdict, checked.expected, checked.text);
    }
    eprintln!("{} runs, {:.0} s", results.runs(), start.elapsed().as_secs_f64());
    Ok(())
}
