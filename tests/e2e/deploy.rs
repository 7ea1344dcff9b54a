//! From nothing to a chain with the contracts on it.

use crate::harness::{Node, PATIENCE, golem_command, text, wei};
use crate::process::{Ended, Process};
use golem_devnet::{Anvil, AnvilOptions};
use golem_protocol::{Address, Wei};
use serde_json::Value;
use std::path::Path;
use tokio::runtime::Runtime;

const ONE_ETHER: u128 = 1_000_000_000_000_000_000;

fn blocks(runtime: &Runtime, anvil: &Anvil) -> u64 {
    runtime.block_on(anvil.rpc().head()).expect("anvil answers").number
}

fn wallet(home: &Path) -> (Node, Address) {
    let password = home.join("password");
    std::fs::write(&password, "a password for this story\n").expect("a file can be written");
    let node = Node { name: "deployer".into(), dir: home.join("data"), password };
    let made = node.json(["wallet", "new", "--json"]);
    let address = made["payment_address"].as_str().expect("it is shown").parse().expect("it is an address");
    (node, address)
}

#[test]
fn contracts_are_deployed_once_and_a_dry_run_sends_nothing() {
    let runtime = Runtime::new().expect("threads can be started");
    let anvil = runtime.block_on(Anvil::start(AnvilOptions::default())).expect("anvil starts");
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let (node, address) = wallet(home.path());
    let url = anvil.rpc_url();
    let deploy = |more: &[&str]| node.golem(["deploy", "--rpc-url", &url, "--json"].iter().chain(more));

    let poor = deploy(&[]);
    assert_eq!(poor.code, Some(2), "without ether nothing can be deployed");
    assert!(poor.stderr.contains(&address.to_string()) && poor.stderr.contains("send it at least"), "{}", poor.stderr);
    let other = deploy(&["--chain-id", "5"]);
    assert_eq!(other.code, Some(2));
    assert!(other.stderr.contains("serves chain 31337, and chain 5 was expected"), "{}", other.stderr);
    runtime.block_on(anvil.set_balance(address, ONE_ETHER)).expect("a development chain can do that");

    let transactions = |ended: &Ended| ended.json()["transactions"].as_array().map(Vec::len).expect("a list");
    let plan = deploy(&["--dry-run"]);
    assert!(plan.code == Some(0) && transactions(&plan) > 0, "the plan is shown: {plan:?}");
    assert_eq!(blocks(&runtime, &anvil), 0, "a dry run sends nothing");
    assert!(!node.dir.join("deployment.json").exists());

    let first = deploy(&[]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let report = &first.json()["report"];
    assert_eq!(
        (&report["reused"], report["receipts"].as_array().map(Vec::len)),
        (&Value::Bool(false), Some(transactions(&plan)))
    );
    let after = blocks(&runtime, &anvil);
    let again = deploy(&[]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert_eq!(again.json()["report"]["reused"], true, "what is there is not deployed again");
    assert_eq!(again.json()["report"]["deployment"], report["deployment"]);
    assert_eq!(transactions(&deploy(&["--dry-run"])), 0);
    assert_eq!(blocks(&runtime, &anvil), after, "nothing was sent the second time");

    // The deployer holds the supply, and anybody with the file finds the contracts.
    let balance = node.json(["wallet", "balance", "--rpc-url", &url, "--json"]);
    assert!(wei(&balance["gnt_wei"]) > Wei::ZERO, "{balance:#}");
    let elsewhere = home.path().join("elsewhere");
    let shown = Process::spawn("wallet new", golem_command().args(["--dir", &text(&elsewhere), "wallet", "new"]));
    let refused = shown.wait(PATIENCE);
    assert_eq!(refused.code, Some(2), "there is no terminal to ask for a password on");
    assert!(refused.stderr.contains("--password-file"), "{}", refused.stderr);
}
