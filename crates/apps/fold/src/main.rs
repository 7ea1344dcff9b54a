//! Folds proteins of the HP model: finds how a chain lies on a lattice with as many hydrophobic neighbours as can be.
//!
//! ```text
//! fold split  --sequences FILE --searches N --moves N --seed N   ──> one JSON line for each search of each sequence
//! fold search --sequences FILE --name NAME --moves N --seed N --search I   ──> /out/fold
//! fold merge                                   ──> /out/folds.csv, folds.json, and a picture NAME.svg of each
//! ```
//!
//! `merge` counts the energy of every fold again before it believes it.

mod chain;
#[path = "../../shared/command.rs"]
mod command;
#[path = "../../shared/markup.rs"]
mod markup;
mod picture;
#[path = "../../shared/plan.rs"]
mod plan;
#[path = "../../shared/random.rs"]
mod random;
mod search;
mod sequence;
#[cfg(test)]
mod tests;

use chain::Chain;
use command::Options;
use plan::json;
use sequence::Sequence;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

const HELP: &str = "usage: fold split|search|merge [--OPTION VALUE]...

  --sequences FILE  FASTA: a line `>NAME dim=2 best=-9`, then letters H and P
  --searches N      independent searches of each sequence
  --moves N         how long a search is, in thousands of moves
  --seed N          what the numbers are drawn from
  --name NAME       the sequence to search, from the file
  --search I        which search of it
";

const SEARCHES_MAX: u64 = 10_000;
const MOVES_MAX: u64 = 100_000_000;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Err(error) = run(&args, Path::new("/in"), Path::new("/out")) {
        eprintln!("fold: {error}");
        std::process::exit(1);
    }
}

fn run(args: &[String], input: &Path, output: &Path) -> Result<(), String> {
    let (command, rest) = args.split_first().ok_or(HELP)?;
    let known = ["sequences", "searches", "moves", "seed", "name", "search"];
    let options = Options::parse(rest, &known).map_err(|error| format!("{error}\n\n{HELP}"))?;
    match command.as_str() {
        "split" => split(&options),
        "search" => search_one(&options, output),
        "merge" => merge(input, output),
        _ => Err(format!("there is no command {command}\n\n{HELP}")),
    }
}

fn load(options: &Options) -> Result<Vec<Sequence>, String> {
    let path = options.needed("sequences")?;
    sequence::parse(&command::read(Path::new(path))?).map_err(|error| format!("{path}: {error}"))
}

fn split(options: &Options) -> Result<(), String> {
    let searches = options.whole("searches", 1, SEARCHES_MAX)?;
    let moves = options.whole("moves", 1, MOVES_MAX)?.to_string();
    let seed = options.whole("seed", 0, u64::MAX)?.to_string();
    // The first search of each comes first, so that there is something to see of all of them early.
    let sequences = load(options)?;
    for number in 0..searches {
        for sequence in &sequences {
            let (number_text, file) = (number.to_string(), options.needed("sequences")?);
            let args = [
                "search",
                "--sequences",
                file,
                "--name",
                &sequence.name,
                "--moves",
                &moves,
                "--seed",
                &seed,
                "--search",
                &number_text,
            ];
            print!("{}", plan::subtask_line(&format!("{}-{number}", sequence.name), &args));
        }
    }
    Ok(())
}

/// Shape of `/out/fold`: the sequence's line and letters as FASTA, then the directions of the chain, then its energy.
fn search_one(options: &Options, output: &Path) -> Result<(), String> {
    let name = options.needed("name")?;
    let sequences = load(options)?;
    let place = sequences.iter().position(|sequence| sequence.name == name);
    let place = place.ok_or_else(|| format!("there is no sequence {name}"))?;
    let moves = options.whole("moves", 1, MOVES_MAX)? * 1000;
    let (seed, number) = (options.whole("seed", 0, u64::MAX)?, options.whole("search", 0, SEARCHES_MAX)?);
    let best = search::run(&sequences[place], moves, seed, (place as u64) << 32 | number);
    let text = format!("{}\n{}\n{}\n", sequences[place].line(), best.directions(), best.energy());
    command::write(&output.join("fold"), &text)
}

/// A fold that was found, checked.
struct Found {
    sequence: Sequence,
    chain: Chain,
}

fn read_fold(text: &str) -> Result<Found, String> {
    let lines: Vec<&str> = text.lines().collect();
    let (head, letters, directions, energy) = match lines[..] {
        [head, letters, directions, energy] => (head, letters, directions, energy),
        _ => return Err(format!("it has {} lines and not 4", lines.len())),
    };
    let mut sequences = sequence::parse(&format!("{head}\n{letters}\n"))?;
    let sequence = sequences.pop().ok_or("it has no sequence")?;
    let chain = Chain::from_directions(&sequence, directions)?;
    if energy.parse() != Ok(chain.energy()) {
        return Err(format!("it says that its energy is {energy}, and it is {}", chain.energy()));
    }
    Ok(Found { sequence, chain })
}

/// All searches of one sequence.
struct Folded {
    best: Found,
    searches: u32,
    /// How many of them came to the best energy.
    reached: u32,
}

fn merge(input: &Path, output: &Path) -> Result<(), String> {
    let mut order: Vec<String> = Vec::new();
    let mut folds: BTreeMap<String, Folded> = BTreeMap::new();
    for (index, text) in command::results(input, "fold")? {
        let wrong = |error: String| format!("the result of subtask {index} is wrong: {error}");
        let found = read_fold(&text).map_err(wrong)?;
        match folds.get_mut(&found.sequence.name) {
            None => {
                order.push(found.sequence.name.clone());
                folds.insert(found.sequence.name.clone(), Folded { best: found, searches: 1, reached: 1 });
            }
            Some(have) if have.best.sequence != found.sequence => {
                return Err(wrong(format!("its {} is another sequence", found.sequence.name)))
            }
            Some(have) => {
                have.searches += 1;
                let (new, old) = (found.chain.energy(), have.best.chain.energy());
                if new < old {
                    have.best = found;
                    have.reached = 1;
                } else if new == old {
                    have.reached += 1;
                }
            }
        }
    }
    let folds: Vec<&Folded> = order.iter().filter_map(|name| folds.get(name)).collect();
    for folded in &folds {
        let picture = picture::draw(&folded.best.sequence, &folded.best.chain);
        command::write(&output.join(format!("{}.svg", folded.best.sequence.name)), &picture)?;
    }
    command::write(&output.join("folds.csv"), &table(&folds))?;
    command::write(&output.join("folds.json"), &document(&folds))
}

fn table(folds: &[&Folded]) -> String {
    let mut text = "name,dim,length,energy,best_known,searches,reached,sequence,directions\n".to_owned();
    for folded in folds {
        let (sequence, chain) = (&folded.best.sequence, &folded.best.chain);
        let known = sequence.best.map_or(String::new(), |best| best.to_string());
        let _ = writeln!(
            text,
            "{},{},{},{},{known},{},{},{},{}",
            sequence.name,
            sequence.dim,
            sequence.letters.len(),
            chain.energy(),
            folded.searches,
            folded.reached,
            sequence.letters,
            chain.directions()
        );
    }
    text
}

fn document(folds: &[&Folded]) -> String {
    let lines = folds.iter().map(|folded| {
        let (sequence, chain) = (&folded.best.sequence, &folded.best.chain);
        format!(
            "  {{ \"name\": {}, \"dim\": {}, \"energy\": {}, \"best_known\": {}, \"searches\": {}, \"reached\": {}, \
             \"sequence\": \"{}\", \"directions\": \"{}\" }}",
            json(&sequence.name),
            sequence.dim,
            chain.energy(),
            sequence.best.map_or("null".to_owned(), |best| best.to_string()),
            folded.searches,
            folded.reached,
            sequence.letters,
            chain.directions()
        )
    });
    format!("[\n{}\n]\n", lines.collect::<Vec<_>>().join(",\n"))
}
