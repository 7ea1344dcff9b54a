//! Every experiment that comes with golem, in its quick size: it runs, and nothing comes out the other way than its file
//! records, or is left open that was told. `GOLEM_SIM_FULL=1` plays the full size, which takes hours.

use golem_sim::experiment::charts::charts;
use golem_sim::experiment::plot::{Ink, svg};
use golem_sim::experiment::{Experiment, LIBRARY, Options, Results, RunFacts, Verdict, page, play};
use golem_sim::market::Measured;
use std::collections::BTreeSet;

#[test]
fn every_experiment_comes_out_as_its_file_records() {
    let quick = std::env::var_os("GOLEM_SIM_FULL").is_none();
    let options = Options { quick, ..Options::default() };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (mut against, mut verdicts) = (Vec::new(), Vec::new());
    let (mut told_in_all, mut in_all) = (0, 0);
    for (id, text) in LIBRARY {
        let experiment = Experiment::read(text, &options).unwrap_or_else(|error| panic!("{id}: {error}"));
        let measured = Measured::default();
        let one = |scenario: &_, seed| Ok(measured.run(scenario, seed, &|_| {}));
        let runs = play(&experiment, threads, one, &(), |_| {}).unwrap_or_else(|failure| panic!("{failure}"));
        let results = Results::new(experiment, runs);
        let told = results.checked.iter().filter(|checked| checked.verdict != Verdict::Inconclusive).count();
        eprintln!("{id}: {} runs, {told} of {} expectations told", results.runs(), results.checked.len());
        for checked in &results.checked {
            eprintln!("  {:?}, recorded {:?}: {}", checked.verdict, checked.expected, checked.text);
            verdicts.push(format!("{id} {:?}: {}", checked.verdict, checked.text));
            for f in &checked.findings {
                eprintln!("    {}: {:.4} +- {:.4}", f.place, f.estimate.mean, f.estimate.half_width);
            }
        }
        told_in_all += told;
        in_all += results.checked.len();
        // An experiment that can say nothing in its quick size is not checked at all.
        if told == 0 {
            against.push(format!("{id}: tells nothing"));
        }
        for checked in results.contradictions() {
            let places: Vec<String> = checked
                .findings
                .iter()
                .filter(|finding| finding.verdict == checked.verdict)
                .map(|f| format!("{}: {:.4} +- {:.4}", f.place, f.estimate.mean, f.estimate.half_width))
                .collect();
            against.push(format!("{id}: {} ({}) is {:?}: {places:?}", checked.text, checked.rule, checked.verdict));
        }
    }
    assert!(against.is_empty(), "against the record:\n{}", against.join("\n"));
    assert!(told_in_all * 5 >= in_all * 4, "too much is left open: {told_in_all} of {in_all} expectations told");
    if quick {
        committed("quick.verdicts", "every_experiment", &verdicts);
    }
}

/// What was told and is left open now is seen as well as what comes out the other way. `GOLEM_RENEW=1` writes the lines
/// anew, as every change of what is simulated, measured or drawn needs.
fn committed(file: &str, test: &str, lines: &[String]) {
    let path = format!("{}/tests/{file}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("GOLEM_RENEW").is_some() {
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    let committed: Vec<&str> = committed.lines().collect();
    let others = lines.iter().zip(&committed).filter(|(now, then)| now != then);
    let others: Vec<String> = others.map(|(now, then)| format!("{now}\n    committed: {then}")).collect();
    assert!(
        others.is_empty() && lines.len() == committed.len(),
        "results are others than those committed in {path}. Where what is simulated, measured or drawn was changed: \
         GOLEM_RENEW=1 cargo test -p golem-sim --test experiments {test}. Where not, something depends on this machine\n{}",
        others.join("\n")
    );
}

/// Proofs, a market that is metered, and ways to find wrong results: small, and whole.
const PINNED: [&str; 3] = ["S28", "S29", "S31"];

/// A line for each file that `golem sim run ID --quick --repeat 2` writes, as far as it is made here: what is pinned is
/// what every machine, compiler and C library must come to.
fn digests(id: &str, text: &str) -> Vec<String> {
    let options = Options { quick: true, repeat: Some(2), ..Options::default() };
    let experiment = Experiment::read(text, &options).unwrap();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let measured = Measured::default();
    let one = |scenario: &_, seed| Ok(measured.run(scenario, seed, &|_| {}));
    let runs = play(&experiment, threads, one, &(), |_| {}).unwrap_or_else(|failure| panic!("{failure}"));
    let results = Results::new(experiment, runs);
    let facts = RunFacts { facts: Vec::new(), command: String::new(), file: text.to_owned() };
    let plots: String = charts(&results).iter().map(|chart| svg(&chart.plot, Ink::Paper)).collect();
    let files = [
        ("runs.csv", results.runs_table().csv().unwrap()),
        ("series.csv", results.series_table().csv().unwrap()),
        ("agents.csv", results.agents_table().csv().unwrap()),
        ("events.csv", results.events_table().csv().unwrap()),
        ("summary.json", serde_json::to_vec(&results.summary()).unwrap()),
        ("plots", plots.into_bytes()),
        ("report.html", page(&results, &facts).into_bytes()),
    ];
    let line = |(name, bytes): (&str, Vec<u8>)| format!("{id} {name} {}", blake3::hash(&bytes).to_hex());
    files.into_iter().map(line).collect()
}

#[test]
fn the_same_seed_gives_the_bytes_that_were_committed() {
    let text = |id: &str| LIBRARY.iter().find(|(known, _)| *known == id).unwrap().1;
    let lines: Vec<String> = PINNED.iter().flat_map(|id| digests(id, text(id))).collect();
    committed("pinned.digests", "the_same_seed", &lines);
}

#[test]
fn every_file_of_the_folder_is_in_the_binary() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios");
    let ids: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| name.split('_').next().unwrap().to_owned())
        .collect();
    assert_eq!(ids, LIBRARY.iter().map(|(id, _)| (*id).to_owned()).collect());
}
