//! Which offer is taken, under the rules that a node has where nothing is set.

use crate::harness::{Node, PATIENCE, Stage, check_copies, text};
use crate::programs::COPY;
use golem_protocol::Wei;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What the two ask at least, and what the requestor pays at most, in GNT an hour.
const CHEAP: &str = "0.1";
const DEAR: &str = "0.8";
const MAX_PRICE: &str = "1";
/// Four times that is how long dear offers are waited out: longer than any story takes.
const TIMEOUT_S: &str = "100";

fn args(module: &Path, inputs: &[PathBuf], out: &Path, known: &[String]) -> Vec<String> {
    let mut args = vec!["map".to_owned(), text(module)];
    args.extend(inputs.iter().map(|input| text(input)));
    let terms = ["--stdin", "--json", "--timeout", TIMEOUT_S, "--budget", "5", "--max-price", MAX_PRICE, "-o"];
    args.extend(terms.map(str::to_owned));
    args.push(text(out));
    known.iter().for_each(|address| args.extend(["--bootstrap".to_owned(), address.clone()]));
    args
}

/// How many subtasks a provider did of a task.
pub fn subtasks_of(answer: &Value, provider: &Node) -> u64 {
    let own = provider.address().to_string();
    let is_own = |share: &&Value| share["provider"].as_str().is_some_and(|node| node.eq_ignore_ascii_case(&own));
    let shares = answer["providers"].as_array().expect("providers are listed");
    shares.iter().find(is_own).map_or(0, |share| share["subtasks"].as_u64().expect("a number"))
}

#[test]
fn a_dear_offer_waits_for_a_cheaper_one_and_is_taken_where_none_comes() {
    let stage = Stage::set();
    let requestor = stage.node_by_our_rules("requestor");
    let (cheap, dear) = (stage.node_by_our_rules("cheap"), stage.node_by_our_rules("dear"));
    let (module, inputs) = (stage.module("copy", COPY), stage.inputs(2));
    // How long a subtask of this one takes is not known, so that cheaper offers are waited for.
    let other = format!("{} (func))", COPY.trim_end().strip_suffix(')').expect("the module's end"));
    let other = stage.module("other", &other);

    // What was paid before is what a task is worth.
    let running = cheap.provide(CHEAP, &[], &[]);
    let answer = requestor.json(args(&module, &inputs[..1], &stage.path("first"), &cheap.addresses()));
    assert_eq!(subtasks_of(&answer, &cheap), 1, "{answer:#}");
    assert_eq!(running.stop(PATIENCE).code, Some(0));

    let also_running = dear.provide(DEAR, &[], &[]);
    let known = dear.addresses();
    let out = stage.path("second");
    let task = requestor.spawn(args(&other, &inputs, &out, &known));
    let said = task.wait_stderr("word that it waits", PATIENCE, |line| {
        line.contains("none is taken yet").then(|| line.to_owned())
    });
    // The price asked with its margin, the price paid before, and most of four minutes.
    assert!(said.contains("asks 0.96 GNT an hour") && said.contains("0.12 GNT is taken now"), "{said}");
    let in_s = said.split_once("that one in ").and_then(|(_, rest)| rest.split_once(" s,")).expect("a time").0;
    assert!((180..=240).contains(&in_s.parse::<u32>().expect("a number")), "{said}");
    let running = cheap.provide(CHEAP, &known, &[]);
    let ended = task.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    check_copies(&out, 2);
    let answer = ended.json();
    assert_eq!((subtasks_of(&answer, &cheap), subtasks_of(&answer, &dear)), (2, 0), "{answer:#}");
    assert_eq!(running.stop(PATIENCE).code, Some(0));

    // With little patience and nobody else, the dear one has its turn.
    let settings = requestor.dir.join("golem.toml");
    let with_patience = std::fs::read_to_string(&settings).expect("there are settings") + "patience = 0.03\n";
    std::fs::write(&settings, with_patience).expect("settings can be written");
    let answer = requestor.json(args(&module, &inputs[..1], &stage.path("third"), &known));
    assert_eq!(subtasks_of(&answer, &dear), 1, "{answer:#}");
    let paid: Wei = crate::harness::wei(&answer["spent_wei"]);
    assert_eq!(paid, Wei(960_000_000_000_000_000 * 100 / 3600 + 1), "at what it asks: {answer:#}");
    assert_eq!(also_running.stop(PATIENCE).code, Some(0));

    let remembered = requestor.json(["market", "providers", "--json"]);
    let who = |place: usize| remembered[place]["provider"].as_str().and_then(|text| text.parse().ok());
    let both = (Some(dear.address()), Some(cheap.address()));
    assert_eq!((who(0), who(1)), both, "the one dealt with last comes first: {remembered:#}");
}
