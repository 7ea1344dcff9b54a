//! Prices options by Monte Carlo, beside what formulas say where there are any.
//!
//! ```text
//! montecarlo split    --market FILE --paths N --parts N --seed N   ──> one JSON line for each share of the paths
//! montecarlo simulate --market FILE --paths N --seed N --part I    ──> /out/sums.csv
//! montecarlo merge                                                 ──> /out/prices.csv, prices.json, prices.svg
//! ```
//!
//! The model: geometric Brownian motion under the risk-neutral measure. A path and its mirror image (antithetic
//! variates) give one sample, so that errors are those of independent samples.

mod chart;
#[path = "../../shared/command.rs"]
mod command;
mod formula;
mod market;
#[path = "../../shared/markup.rs"]
mod markup;
mod normal;
#[path = "../../shared/plan.rs"]
mod plan;
#[path = "../../shared/random.rs"]
mod random;
mod sample;
#[path = "../../shared/share.rs"]
mod share;
#[cfg(test)]
mod tests;

use command::Options;
use market::Contract;
use plan::json;
use sample::Sums;
use std::fmt::Write as _;
use std::path::Path;

const HELP: &str = "usage: montecarlo split|simulate|merge [--OPTION VALUE]...

  --market FILE  the options, as CSV
  --paths N      paths for each option: all of them for split, this subtask's for simulate
  --parts N      how many subtasks
  --seed N       what the numbers are drawn from
  --part I       which subtask this is
";

const PATHS_MAX: u64 = 1 << 40;
const PARTS_MAX: u64 = 65_536;
/// How many standard errors to each side hold 95 of 100 means.
const SURE: f64 = 1.959_963_984_540_054;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Err(error) = run(&args, Path::new("/in"), Path::new("/out")) {
        eprintln!("montecarlo: {error}");
        std::process::exit(1);
    }
}

fn run(args: &[String], input: &Path, output: &Path) -> Result<(), String> {
    let (command, rest) = args.split_first().ok_or(HELP)?;
    let known = ["market", "paths", "parts", "seed", "part"];
    let options = Options::parse(rest, &known).map_err(|error| format!("{error}\n\n{HELP}"))?;
    match command.as_str() {
        "split" => split(&options),
        "simulate" => simulate(&options, output),
        "merge" => merge(input, output),
        _ => Err(format!("there is no command {command}\n\n{HELP}")),
    }
}

fn load(options: &Options) -> Result<Vec<Contract>, String> {
    let path = options.needed("market")?;
    market::parse(&command::read(Path::new(path))?).map_err(|error| format!("{path}: {error}"))
}

/// Reads the market, so that a broken one is found before anybody is paid, and prints the shares.
fn split(options: &Options) -> Result<(), String> {
    load(options)?;
    // Two samples at least for each, or there is no error to tell.
    let paths = options.whole("paths", 4, PATHS_MAX)?;
    let parts = options.whole("parts", 1, PARTS_MAX.min(paths / 4))?;
    let seed = options.whole("seed", 0, u64::MAX)?.to_string();
    for part in 0..parts {
        let (first, end) = share::share(paths / 2, parts, part);
        let (own, number) = (((end - first) * 2).to_string(), part.to_string());
        let market = options.needed("market")?;
        let args = ["simulate", "--market", market, "--paths", &own, "--seed", &seed, "--part", &number];
        print!("{}", plan::subtask_line(&format!("part-{part}"), &args));
    }
    Ok(())
}

/// Shape of `/out/sums.csv`: the line of each option as the market has it, then samples, mean and sum of squares around it.
fn simulate(options: &Options, output: &Path) -> Result<(), String> {
    let contracts = load(options)?;
    let samples = options.whole("paths", 4, PATHS_MAX)? / 2;
    let (seed, part) = (options.whole("seed", 0, u64::MAX)?, options.whole("part", 0, PARTS_MAX)?);
    let mut text = String::new();
    for (place, contract) in contracts.iter().enumerate() {
        // Every option of every part has numbers of its own.
        let sums = sample::run(contract, samples, seed, part << 32 | place as u64);
        let _ = writeln!(text, "{},{},{},{}", contract.line(), sums.count, sums.mean, sums.squares);
    }
    command::write(&output.join("sums.csv"), &text)
}

/// An option with its price.
pub struct Priced {
    pub contract: Contract,
    pub sums: Sums,
    pub formula: Option<f64>,
}

impl Priced {
    /// How far off the price is to either side with 95 % certainty.
    pub fn error95(&self) -> f64 {
        SURE * self.sums.standard_error()
    }

    /// How many paths it is from: two for each sample.
    pub fn paths(&self) -> u64 {
        self.sums.count * 2
    }
}

fn read_sums(text: &str) -> Result<Vec<(Contract, Sums)>, String> {
    let mut read = Vec::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.rsplitn(4, ',').collect();
        let number = |text: &str| match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(format!("`{text}` is no number")),
        };
        match fields[..] {
            [squares, mean, count, contract] => {
                let count = match count.parse::<u64>() {
                    Ok(count) if (2..=PATHS_MAX).contains(&count) => count,
                    _ => return Err(format!("`{count}` is no number of samples")),
                };
                let sums = Sums { count, mean: number(mean)?, squares: number(squares)? };
                if sums.squares < 0.0 {
                    return Err(format!("`{squares}` is no sum of squares"));
                }
                read.push((Contract::parse(contract)?, sums));
            }
            _ => return Err(format!("`{line}` has too few fields")),
        }
    }
    Ok(read)
}

fn merge(input: &Path, output: &Path) -> Result<(), String> {
    let mut priced: Vec<Priced> = Vec::new();
    for (index, text) in command::results(input, "sums.csv")? {
        let wrong = |error: String| format!("the result of subtask {index} is wrong: {error}");
        let read = read_sums(&text).map_err(wrong)?;
        if priced.is_empty() {
            let new =
                |(contract, sums): (Contract, Sums)| Priced { formula: formula::price(&contract), contract, sums };
            priced = read.into_iter().map(new).collect();
            continue;
        }
        if read.len() != priced.len() || read.iter().zip(&priced).any(|(new, old)| new.0 != old.contract) {
            return Err(wrong("it is of another market than the others".to_owned()));
        }
        for (old, (_, new)) in priced.iter_mut().zip(read) {
            old.sums.add(&new);
        }
    }
    command::write(&output.join("prices.csv"), &table(&priced))?;
    command::write(&output.join("prices.json"), &document(&priced))?;
    command::write(&output.join("prices.svg"), &chart::draw(&priced))
}

fn table(priced: &[Priced]) -> String {
    let mut text = "name,type,right,price,standard_error,low_95,high_95,closed_form,errors_off,paths\n".to_owned();
    for one in priced {
        let (mean, error) = (one.sums.mean, one.sums.standard_error());
        let (closed, off) = match one.formula {
            // What was the same on every path has no error to count in.
            Some(closed) if error > 0.0 => (format!("{closed:.6}"), format!("{:.2}", (mean - closed) / error)),
            Some(closed) => (format!("{closed:.6}"), String::new()),
            None => (String::new(), String::new()),
        };
        let _ = writeln!(
            text,
            "{},{},{},{mean:.6},{error:.6},{:.6},{:.6},{closed},{off},{}",
            market::quoted(&one.contract.name),
            one.contract.kind.name(),
            one.contract.right.name(),
            mean - one.error95(),
            mean + one.error95(),
            one.paths()
        );
    }
    text
}

fn document(priced: &[Priced]) -> String {
    let options = priced.iter().map(|one| {
        format!(
            "  {{ \"name\": {}, \"type\": {}, \"right\": {}, \"price\": {}, \"standard_error\": {}, \"low_95\": {}, \
             \"high_95\": {}, \"closed_form\": {}, \"paths\": {} }}",
            json(&one.contract.name),
            json(one.contract.kind.name()),
            json(one.contract.right.name()),
            one.sums.mean,
            one.sums.standard_error(),
            one.sums.mean - one.error95(),
            one.sums.mean + one.error95(),
            one.formula.map_or("null".to_owned(), |price| price.to_string()),
            one.paths()
        )
    });
    format!("[\n{}\n]\n", options.collect::<Vec<_>>().join(",\n"))
}
