//! Which crate may know of which. The pure ones pull in no runtime, no socket and no engine; the adapters never know
//! each other.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Crates that would bring I/O, time or threads into the pure core.
const IMPURE: [&str; 9] =
    ["tokio", "async-std", "mio", "libp2p", "wasmtime", "sled", "reqwest", "hyper", "alloy-provider"];
const PURE: [&str; 6] = ["golem-protocol", "golem-payments", "golem-deal", "golem-market", "golem-task", "golem-sim"];
/// What each crate of ours may know of ours.
const MAY_KNOW: [(&str, &[&str]); 10] = [
    ("golem-protocol", &[]),
    ("golem-payments", &["golem-protocol"]),
    ("golem-deal", &["golem-protocol", "golem-payments"]),
    ("golem-market", &["golem-protocol", "golem-payments", "golem-deal"]),
    ("golem-task", &["golem-protocol"]),
    ("golem-sim", &["golem-protocol", "golem-payments", "golem-deal", "golem-market"]),
    ("golem-chain", &["golem-protocol", "golem-payments"]),
    ("golem-net", &["golem-protocol"]),
    ("golem-sandbox", &["golem-protocol", "golem-task"]),
    ("golem-store", &["golem-protocol"]),
];

/// Name of each package, and the names of what it depends on, without what only its tests use.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let text = |value: &Value| value.as_str().expect("a string").to_string();
    let names: BTreeMap<String, String> =
        metadata["packages"].as_array().unwrap().iter().map(|p| (text(&p["id"]), text(&p["name"]))).collect();
    let mut all = BTreeMap::new();
    for node in metadata["resolve"]["nodes"].as_array().unwrap() {
        let normal = |dep: &&Value| dep["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null());
        let deps = node["deps"].as_array().unwrap().iter().filter(normal).map(|dep| names[&text(&dep["pkg"])].clone());
        all.entry(names[&text(&node["id"])].clone()).or_insert_with(BTreeSet::new).extend(deps);
    }
    all
}

fn reached(all: &BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut open = vec![from.to_string()];
    while let Some(name) = open.pop() {
        for next in all.get(&name).into_iter().flatten() {
            if seen.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    seen
}

#[test]
fn nothing_impure_enters_a_pure_crate() {
    let all = dependencies();
    for name in PURE {
        let reached = reached(&all, name);
        assert!(reached.len() > 5, "{name}: only {reached:?}");
        let found: Vec<&&str> = IMPURE.iter().filter(|impure| reached.contains(**impure)).collect();
        assert!(found.is_empty(), "{name} reaches {found:?}");
    }
}

#[test]
fn arrows_between_crates_point_one_way() {
    let all = dependencies();
    for (name, allowed) in MAY_KNOW {
        let ours: Vec<&String> = all[name].iter().filter(|dep| dep.starts_with("golem-")).collect();
        assert!(ours.iter().all(|dep| allowed.contains(&dep.as_str())), "{name} knows {ours:?}, may know {allowed:?}");
    }
}
