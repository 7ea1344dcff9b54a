//! How much of what comes out each number of our rules makes: Sobol's indices. `sobol FILE.toml [--rows N] [--seed N]` plays
//! the file's first cell at `rows * 15` places of twelve numbers, and prints for each number and shown metric its share of
//! the variance alone (`first`) and with others (`total`), with 95 % intervals. The thirteenth number is chance: the seed.

use golem_sim::experiment::{Experiment, Options, stats};
use golem_sim::market::{Baselines, Scenario, baselines, run_against};
use numbers::{NUMBERS, set};
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

mod numbers;

/// The results of one place, by metric.
type Metrics = BTreeMap<&'static str, f64>;

/// Everything that a row needs.
struct Play<'a> {
    text: &'a str,
    design: stats::Design,
    seed: u64,
}

impl Play<'_> {
    fn scenario(&self, place: &[f64]) -> Result<Scenario, String> {
        let options = Options { set: set(place), ..Options::default() };
        let experiment = Experiment::read(self.text, &options).map_err(|error| error.to_string())?;
        Ok(experiment.cells.into_iter().next().ok_or("the file has no cell")?.scenario)
    }

    /// All places of a row. The last number is which of two seeds it is.
    fn row(&self, row: usize) -> Result<Vec<Metrics>, String> {
        let places = self.design.places(row);
        let first = self.seed.wrapping_add(2 * row as u64);
        let own = places.first().and_then(|place| place.last().copied());
        let mut against: BTreeMap<u64, Baselines> = BTreeMap::new();
        let mut played = Vec::new();
        for place in &places {
            let scenario = self.scenario(place)?;
            let seed = first + u64::from(place.last().copied() != own);
            let against = *against.entry(seed).or_insert_with(|| baselines(&scenario, seed, &|_| {}));
            played.push(run_against(&scenario, seed, Some(against), &|_| {}).metrics);
        }
        Ok(played)
    }

    /// All rows, on all cores.
    fn all(&self) -> Result<Vec<Vec<Metrics>>, String> {
        let (next, rows) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let row = next.fetch_add(1, Ordering::Relaxed);
                        if row >= self.design.rows() {
                            return;
                        }
                        let played = self.row(row);
                        rows.lock().unwrap_or_else(PoisonError::into_inner).insert(row, played);
                    }
                });
            }
        });
        rows.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut path, mut rows, mut seed) = (None, 32usize, 1u64);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--rows" => rows = arguments.next().ok_or("--rows needs a number")?.parse()?,
            "--seed" => seed = arguments.next().ok_or("--seed needs a number")?.parse()?,
            _ => path = Some(argument),
        }
    }
    let text = std::fs::read_to_string(path.ok_or("which file? give an experiment's")?)?;
    let experiment = Experiment::read(&text, &Options::default())?;
    let play = Play { text: &text, design: stats::Design::new(NUMBERS.len() + 1, rows, seed), seed };
    let played = play.all()?;
    let names = NUMBERS.iter().map(|(path, low, high)| format!("{path} {low} to {high}"));
    let names: Vec<String> = names.chain(["chance (the seed)".to_owned()]).collect();
    for metric in experiment.shown() {
        let of = |metrics: &Metrics| metrics.get(metric).copied().unwrap_or(f64::NAN);
        let results: Vec<Vec<f64>> = played.iter().map(|row| row.iter().map(of).collect()).collect();
        let all: Vec<f64> = results.iter().flat_map(|row| row.iter().take(2).copied()).collect();
        let estimate = stats::Estimate::of(&all);
        println!("{metric}: mean {:.4}, standard deviation {:.4}, {rows} rows", estimate.mean, estimate.sd);
        for (name, found) in names.iter().zip(stats::indices(&results, seed)) {
            let (first, total) = (found.first_interval, found.total_interval);
            println!(
                "  {name:<54} first {:>6.3} ({:.3} to {:.3}), total {:>6.3} ({:.3} to {:.3})",
                found.first, first.low, first.high, found.total, total.low, total.high
            );
        }
    }
    Ok(())
}
