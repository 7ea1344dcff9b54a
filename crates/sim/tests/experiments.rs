//! Every experiment that comes with golem, in its quick size: it runs, and nothing comes out the other way than its file
//! records. `GOLEM_SIM_FULL=1` plays the full size, which takes hours.

use golem_sim::experiment::{Experiment, LIBRARY, Options, Results, Verdict, play};
use std::collections::BTreeSet;

#[test]
fn every_experiment_comes_out_as_its_file_records() {
    let options = Options { quick: std::env::var_os("GOLEM_SIM_FULL").is_none(), ..Options::default() };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut against = Vec::new();
    for (id, text) in LIBRARY {
        let experiment = Experiment::read(text, &options).unwrap_or_else(|error| panic!("{id}: {error}"));
        let one = |scenario: &_, seed| Ok(golem_sim::market::run(scenario, seed, &|_| {}));
        let runs = play(&experiment, threads, one, |_| {}).unwrap_or_else(|failure| panic!("{failure}"));
        let results = Results::new(experiment, runs);
        let told = results.checked.iter().filter(|checked| checked.verdict != Verdict::Inconclusive).count();
        eprintln!("{id}: {} runs, {told} of {} expectations told", results.runs(), results.checked.len());
        for checked in &results.checked {
            eprintln!("  {:?}, recorded {:?}: {}", checked.verdict, checked.expected, checked.text);
            for f in &checked.findings {
                eprintln!("    {}: {:.4} +- {:.4}", f.place, f.estimate.mean, f.estimate.half_width);
            }
        }
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
