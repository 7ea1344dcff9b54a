//! From nothing to a chain with the contracts on it.

use crate::harness::{Node, PATIENCE, golem_command, text, wei};
use crate::process::{Ended, Process};
use golem_devnet::{Anvil, AnvilOptions, Devnet, DevnetOptions, Mining};
use golem_protocol::{Address, Wei};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const ONE_ETHER: u128 = 1_000_000_000_000_000_000;
/// forge compiles everything where nothing is compiled yet.
const FORGE_PATIENCE: Duration = Duration::from_secs(900);
/// Chains of these tests, which nobody has a deployment of.
const CHAINS: [u64; 3] = [4_240_001, 4_240_002, 4_240_003];

/// A chain without contracts, and a deployer outside of any checkout.
struct Empty {
    runtime: Runtime,
    anvil: Anvil,
    home: TempDir,
    deployer: Node,
    url: String,
}

impl Empty {
    fn chain(options: AnvilOptions) -> Empty {
        let runtime = Runtime::new().expect("threads can be started");
        let anvil = runtime.block_on(Anvil::start(options)).expect("anvil starts");
        let home = tempfile::tempdir().expect("a temporary folder can be made");
        let deployer = node(home.path(), "deployer");
        let key: String = anvil.accounts()[0].key.iter().map(|byte| format!("{byte:02x}")).collect();
        let file = home.path().join("key");
        fs::write(&file, key).expect("a file can be written");
        deployer.golem(["wallet", "import", "--key-file", &text(&file)]).done("wallet import");
        let url = anvil.rpc_url();
        Empty { runtime, anvil, home, deployer, url }
    }

    fn with_id(chain_id: u64) -> Empty {
        Empty::chain(AnvilOptions { chain_id, ..AnvilOptions::default() })
    }

    /// Runs a command of a node in a folder.
    fn golem_in(&self, folder: &Path, node: &Node, args: &[&str]) -> Ended {
        let args = [args, &["--rpc-url", &self.url]].concat();
        Process::spawn(&node.name, node.command(args).current_dir(folder)).wait(PATIENCE)
    }

    fn deploy(&self, more: &[&str]) -> Ended {
        self.golem_in(self.home.path(), &self.deployer, &[&["deploy"], more].concat())
    }

    fn deploy_json(&self, more: &[&str]) -> Value {
        let ended = self.deploy(&[&["--json"], more].concat());
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
        ended.json()
    }

    fn blocks(&self) -> u64 {
        self.runtime.block_on(self.anvil.rpc().head()).expect("anvil answers").number
    }

    /// Transactions that wait to be mined.
    fn waiting(&self) -> Value {
        let status: Value =
            self.runtime.block_on(self.anvil.rpc().request("txpool_status", ())).expect("anvil answers");
        status["pending"].clone()
    }
}

/// A data folder with nothing in it.
fn node(home: &Path, name: &str) -> Node {
    let password = home.join("password");
    fs::write(&password, "a password for this story\n").expect("a file can be written");
    Node { name: name.into(), dir: home.join(name), password }
}

/// What a plan or a report says of each thing: its name and whether it was there.
fn steps(of: &Value) -> Vec<(&str, &str)> {
    let steps = of["steps"].as_array().unwrap_or_else(|| panic!("{of:#} has steps"));
    steps.iter().map(|step| (step["name"].as_str().unwrap(), step["presence"].as_str().unwrap())).collect()
}

fn all_are(presence: &str, of: &Value) -> bool {
    let steps = steps(of);
    steps.len() > 1 && steps.iter().all(|(name, here)| *here == presence || *name == "deployment proxy")
}

/// A deployment but for its block, which is not the same on two chains.
fn places(deployment: &Value) -> Value {
    let mut places = deployment.clone();
    places["block"] = Value::Null;
    places
}

fn read(file: &Path) -> Value {
    let text = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_slice(&text).expect("it is JSON")
}

#[test]
fn contracts_are_deployed_once_and_a_dry_run_sends_nothing() {
    let mut chain = Empty::chain(AnvilOptions::default());
    chain.deployer = node(chain.home.path(), "poor");
    let made = chain.deployer.json(["wallet", "new", "--json"]);
    let address: Address = made["payment_address"].as_str().expect("it is shown").parse().expect("it is an address");

    let poor = chain.deploy(&[]);
    assert_eq!(poor.code, Some(2), "without ether nothing can be deployed");
    assert!(poor.stderr.contains(&address.to_string()) && poor.stderr.contains("send it at least"), "{}", poor.stderr);
    let other = chain.deploy(&["--chain-id", "5"]);
    assert_eq!(other.code, Some(2));
    assert!(other.stderr.contains("serves chain 31337, and chain 5 was expected"), "{}", other.stderr);
    chain.runtime.block_on(chain.anvil.set_balance(address, ONE_ETHER)).expect("a development chain can do that");

    let plan = chain.deploy_json(&["--dry-run"])["plan"].clone();
    assert!(all_are("missing", &plan) && wei(&plan["cost_wei"]) > Wei::ZERO, "the plan is shown: {plan:#}");
    let shown = chain.deploy(&["--dry-run"]).done("dry run");
    assert!(shown.contains("PaymentChannels") && shown.contains("to do") && shown.contains(" ETH"), "{shown}");
    assert!(shown.contains("No ConcentDeposit") && shown.contains("--concent-key"), "{shown}");
    assert_eq!(chain.blocks(), 0, "a dry run sends nothing");
    let file = chain.deployer.deployment_file(31_337);
    assert!(!file.exists());

    let first = chain.deploy_json(&[])["report"].clone();
    assert_eq!(steps(&first), steps(&plan), "what was planned was done");
    assert_eq!(places(&first["deployment"]), places(&plan["deployment"]), "where it was planned");
    assert_eq!(read(&file), first["deployment"]);
    let after = chain.blocks();
    let again = chain.deploy_json(&[])["report"].clone();
    assert!(all_are("found", &again), "what is there is not deployed again: {again:#}");
    assert_eq!((&again["deployment"], &again["cost_wei"]), (&first["deployment"], &json!("0")));
    fs::remove_file(&file).expect("it is there");
    let shown = chain.deploy(&[]).done("deploy");
    assert_eq!(shown.matches("found and verified").count(), steps(&first).len(), "{shown}");
    assert_eq!(read(&file), first["deployment"], "the file is made anew from the chain alone");
    assert!(all_are("found", &chain.deploy_json(&["--dry-run"])["plan"]));
    assert_eq!(chain.blocks(), after, "nothing was sent the second time");

    // What is on disk is shown without the chain too: one file says which is meant.
    let offline = chain.deployer.golem(["status", "--rpc-url", "http://127.0.0.1:1"]);
    assert_eq!(offline.code, Some(0), "{}", offline.stderr);

    // The deployer holds the supply, and finds the contracts in its folder.
    let balance = chain.deployer.json(["wallet", "balance", "--rpc-url", &chain.url, "--json"]);
    assert!(wei(&balance["gnt_wei"]) > Wei::ZERO, "{balance:#}");
    let elsewhere = chain.home.path().join("elsewhere");
    let shown = Process::spawn("wallet new", golem_command().args(["--dir", &text(&elsewhere), "wallet", "new"]));
    let refused = shown.wait(PATIENCE);
    assert_eq!(refused.code, Some(2), "there is no terminal to ask for a password on");
    assert!(refused.stderr.contains("--password-file"), "{}", refused.stderr);
}

#[test]
fn a_run_that_was_killed_is_completed_by_the_next() {
    for journal in ["kept", "lost"] {
        let chain = Empty::chain(AnvilOptions { mining: Mining::OnDemand, ..AnvilOptions::default() });
        let command = ["deploy", "--faucet", "--rpc-url", &chain.url];
        let broken = Process::spawn("deployer", chain.deployer.command(command).current_dir(chain.home.path()));
        let begun = Instant::now();
        while chain.waiting() != "0x1" {
            assert!(begun.elapsed() < PATIENCE, "nothing is sent; it said:\n{}", broken.said());
        }
        broken.kill9();
        let transactions = chain.deployer.dir.join("transactions");
        assert!(transactions.read_dir().is_ok_and(|mut records| records.next().is_some()), "it is recorded");
        if journal == "lost" {
            fs::remove_dir_all(transactions).expect("it is there");
        }
        chain.runtime.block_on(chain.anvil.set_mining(Mining::Instant)).expect("a development chain can do that");
        chain.runtime.block_on(chain.anvil.mine(1)).expect("a development chain can do that");

        let report = chain.deploy_json(&["--faucet"])["report"].clone();
        let done = steps(&report);
        assert!(done.contains(&("GNT", "found")), "with its journal {journal}, it is not sent twice: {done:?}");
        assert!(done.contains(&("PaymentChannels", "missing")) && done.contains(&("GNT of the faucet", "missing")));
        assert!(all_are("found", &chain.deploy_json(&["--faucet"])["report"]));
    }
}

#[test]
fn two_chains_have_the_same_addresses_and_a_file_each() {
    let concent: Vec<String> = [0xb2, 0xa1].map(|byte| Address::repeat_byte(byte).to_string()).into();
    let treasury = Address::repeat_byte(0xee).to_string();
    let mut more = vec!["--faucet", "--concent-threshold", "1", "--concent-treasury", &treasury];
    concent.iter().for_each(|key| more.extend(["--concent-key", key]));
    let [one, two] = [CHAINS[0], CHAINS[1]].map(Empty::with_id);
    let first = one.deploy_json(&more)["report"]["deployment"].clone();
    assert!(first["concent_deposit"].is_string() && first["app_registry"].is_string(), "{first:#}");
    let mut there = places(&two.deploy_json(&more)["report"]["deployment"]);
    assert_eq!(there["chain_id"], CHAINS[1]);
    there["chain_id"] = json!(CHAINS[0]);
    assert_eq!(there, places(&first));

    // The first one's folder knows both by their ids, and takes neither for the other.
    let (ours, theirs) = (one.deployer.deployment_file(CHAINS[0]), two.deployer.deployment_file(CHAINS[1]));
    let refused = two.deploy(&["--out", &text(&ours)]);
    assert_eq!(refused.code, Some(2));
    let says = format!("is of chain {}, and this is chain {}", CHAINS[0], CHAINS[1]);
    assert!(refused.stderr.contains(&says), "{}", refused.stderr);
    fs::copy(&theirs, one.deployer.deployment_file(CHAINS[1])).expect("it is there");
    for chain in [&one, &two] {
        chain.golem_in(chain.home.path(), &one.deployer, &["wallet", "balance"]).done("wallet balance");
    }

    // The other key finds them by the file that it was given, and takes from the faucet what anybody can.
    let stranger = node(one.home.path(), "stranger");
    let key: String = one.anvil.accounts()[1].key.iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(one.home.path().join("other-key"), key).expect("a file can be written");
    stranger.golem(["wallet", "import", "--key-file", &text(&one.home.path().join("other-key"))]).done("wallet import");
    fs::create_dir_all(stranger.dir.join("deployments")).expect("a folder can be made");
    fs::copy(&ours, stranger.deployment_file(CHAINS[0])).expect("it is there");
    let before = one.blocks();
    one.golem_in(one.home.path(), &stranger, &["wallet", "faucet", "--dry-run"]).done("dry run");
    assert_eq!(one.blocks(), before, "a dry run sends nothing");
    let given = one.golem_in(one.home.path(), &stranger, &["wallet", "faucet", "--json"]);
    assert_eq!(given.code, Some(0), "{}", given.stderr);
    assert_eq!(wei(&given.json()["gnt_wei"]), Wei::from_gnt(1_000).expect("it is little"));
    let refused = one.golem_in(one.home.path(), &stranger, &["wallet", "faucet"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("TooSoon"), "{}", refused.stderr);

    // Whoever has no file, and is in no checkout, is told where one was looked for.
    let lost = node(one.home.path(), "lost");
    lost.golem(["wallet", "new"]).done("wallet new");
    let refused = one.golem_in(one.home.path(), &lost, &["wallet", "balance"]);
    assert_eq!(refused.code, Some(2));
    for says in [&text(&lost.deployment_file(CHAINS[0])), "this program knows of none", "golem deploy", "--deployment"]
    {
        assert!(refused.stderr.contains(says), "`{says}` is not in: {}", refused.stderr);
    }
    one.golem_in(one.home.path(), &lost, &["wallet", "balance", "--deployment", &text(&ours)]).done("wallet balance");
}

#[test]
fn a_lone_binary_finds_the_contracts_of_a_devnet() {
    let runtime = Runtime::new().expect("threads can be started");
    let devnet = runtime.block_on(Devnet::start(DevnetOptions::default())).expect("anvil starts");
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let alone = node(home.path(), "alone");
    alone.golem(["wallet", "new"]).done("wallet new");
    let balance = |url: &str| {
        let command = ["wallet", "balance", "--json", "--rpc-url", url];
        Process::spawn("alone", alone.command(command).current_dir(home.path())).wait(PATIENCE)
    };
    let found = balance(&devnet.rpc_url());
    assert_eq!(found.code, Some(0), "{}", found.stderr);
    assert_eq!(found.json()["chain_id"], 31_337);

    // On another chain of the same id it does not take what is not there.
    let anvil = runtime.block_on(Anvil::start(AnvilOptions::default())).expect("anvil starts");
    let refused = balance(&anvil.rpc_url());
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("nothing is there"), "{}", refused.stderr);
}

/// What `--verification-dir` writes, by contract. The compiler makes of it what was deployed.
fn verification(folder: &Path) -> Vec<Value> {
    let compiler = contracts().join("script/solc.cjs");
    let input = fs::File::open(folder.join("Faucet.standard-input.json")).expect("it is there");
    let compiled = Command::new("node").arg(compiler).stdin(input).output().expect("node runs");
    let compiled: Value = serde_json::from_slice(&compiled.stdout).expect("the compiler prints JSON");
    let code = compiled["contracts"]["src/Faucet.sol"]["Faucet"]["evm"]["bytecode"]["object"].as_str().expect("code");
    assert_eq!(read(&contracts().join("artifacts/Faucet.json"))["bytecode"], format!("0x{code}"));
    let listed = read(&folder.join("contracts.json"));
    for one in listed.as_array().expect("a list") {
        let input = read(&folder.join(one["standard_input"].as_str().expect("a file")));
        assert_eq!(input["language"], "Solidity");
        let (file, _) = one["contract"].as_str().expect("a name").split_once(':').expect("file and contract");
        assert!(input["sources"][file]["content"].is_string(), "{file} is in its own sources");
    }
    listed.as_array().expect("a list").clone()
}

/// `contracts/` of this checkout.
fn contracts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts").canonicalize().expect("it is in the checkout")
}

/// Runs forge in the checkout, as `npm` does.
fn forge(args: &[&str]) -> Ended {
    let mut command = Command::new("node");
    command.args(["script/foundry.mjs", "forge"]).args(args).current_dir(contracts());
    Process::spawn("forge", &mut command).wait(FORGE_PATIENCE)
}

/// A file in the checkout that is gone when the story ends, however it does.
struct Passing(PathBuf);

impl Drop for Passing {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn forge_and_golem_deploy_to_the_same_addresses() {
    let chain = Empty::with_id(CHAINS[2]);
    let file = Passing(contracts().join(format!("deployments/{}.json", CHAINS[2])));
    let key: String = chain.anvil.accounts()[0].key.iter().map(|byte| format!("{byte:02x}")).collect();
    let sends = ["--rpc-url", &chain.url, "--broadcast", "--private-key", &key];
    let script = forge(&[&["script", "script/Deploy.s.sol"], &sends[..]].concat());
    assert_eq!(script.code, Some(0), "{}\n{}", script.stdout, script.stderr);
    let written = read(&file.0);
    assert!(written["block"].as_u64().is_some_and(|block| block <= chain.blocks()), "{written:#}");

    // In a checkout, golem reads and writes the very same file.
    let verification_dir = chain.home.path().join("verification");
    let command = ["deploy", "--faucet", "--json", "--verification-dir", &text(&verification_dir)];
    let found = chain.golem_in(&contracts().join("src"), &chain.deployer, &command);
    assert_eq!(found.code, Some(0), "{}", found.stderr);
    let report = &found.json()["report"];
    assert!(all_are("found", report), "{report:#}");
    assert_eq!(places(&report["deployment"]), places(&written));
    assert_eq!(read(&file.0), report["deployment"]);
    let verified = verification(&verification_dir);
    let gnt = verified.iter().find(|one| one["contract"] == "src/GNT.sol:GNT").expect("it is there");
    assert_eq!(gnt["address"], written["gnt"]);
    let holder = chain.anvil.accounts()[0].address.into_word().to_string();
    assert_eq!(gnt["constructor_arguments"], holder.trim_start_matches("0x"));
    // Nodes in the checkout find it too.
    chain.golem_in(&contracts(), &chain.deployer, &["wallet", "balance"]).done("wallet balance");
    let again = forge(&[&["script", "script/Deploy.s.sol"], &sends[..]].concat());
    assert_eq!(again.code, Some(0), "{}\n{}", again.stdout, again.stderr);
    assert_eq!(read(&file.0), report["deployment"], "and forge finds what golem wrote");

    // A token that is there, without `transferAndCall`.
    let holder = chain.anvil.accounts()[0].address.to_string();
    let token = ["create", "test/OtherTokens.sol:PlainToken", "--json"];
    let arguments = ["--constructor-args", &holder, "1000000000000000000000"];
    let created = forge(&[&token[..], &sends[..], &arguments[..]].concat());
    assert_eq!(created.code, Some(0), "{}\n{}", created.stdout, created.stderr);
    let deployed_to = created.stdout.split("\"deployedTo\":").nth(1).and_then(|rest| rest.split('"').nth(1));
    let token = deployed_to.unwrap_or_else(|| panic!("no address in: {}", created.stdout));
    let out = text(&chain.home.path().join("plain.json"));
    let plain = chain.deploy_json(&["--token", token, "--out", &out])["report"].clone();
    assert_eq!(steps(&plain)[0], ("token", "found"));
    assert_eq!(steps(&plain).iter().filter(|(_, presence)| *presence == "missing").count(), 1, "{plain:#}");
    let payee = chain.anvil.accounts()[1].address.to_string();
    let open = ["channel", "open", &payee, "5", "--deployment", &out];
    chain.golem_in(chain.home.path(), &chain.deployer, &open).done("channel open");
    let refused = chain.deploy(&["--token", &payee, "--out", &out]);
    assert!(refused.stderr.contains("where token should be"), "{}", refused.stderr);
}
