//! A development chain that is ready, funded, and gone when its owner is.

mod anvil_folder;
mod many;
mod nodes;

use golem_chain::{ChainClient, Deployment, RpcConfig};
use golem_devnet::{ANVIL_ENV, Anvil, AnvilError, AnvilOptions, Devnet, DevnetOptions, Mining};
use golem_protocol::Wei;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn funds_every_account_and_deploys_everything() {
    let mut options = DevnetOptions::default();
    options.anvil.accounts = 3;
    let devnet = Devnet::start(options).await.unwrap();
    assert_eq!(devnet.accounts().len(), 3);
    let client = ChainClient::connect(devnet.rpc_config(), devnet.deployment().clone()).await.unwrap();
    for account in devnet.accounts() {
        assert_eq!(client.gnt_balance(account.address).await.unwrap(), Wei::from_gnt(10_000).unwrap());
        assert_eq!(client.eth_balance(account.address).await.unwrap(), 10_000 * 10u128.pow(18));
    }
    assert!(devnet.deployment().faucet.is_some());
    assert!(!format!("{:?}", devnet.accounts()).contains("key"), "keys are not shown");
}

#[tokio::test]
async fn has_its_contracts_where_the_repository_says() {
    let devnet = Devnet::start(DevnetOptions::default()).await.unwrap();
    let written = Deployment::known(devnet.deployment().chain_id).unwrap();
    assert_eq!(
        written.as_ref(),
        Some(devnet.deployment()),
        "write it anew: cargo run -p golem-devnet --example deployment contracts/deployments/31337.json"
    );
}

#[tokio::test]
async fn goes_back_and_forth_in_time() {
    let devnet = Devnet::start(DevnetOptions::default()).await.unwrap();
    let rpc = devnet.anvil().rpc();
    let (time, block) = (rpc.chain_time().await.unwrap().0, rpc.block_number().await.unwrap());
    let snapshot = devnet.snapshot().await.unwrap();
    devnet.increase_time(86_400).await.unwrap();
    devnet.mine(3).await.unwrap();
    assert!(rpc.chain_time().await.unwrap().0 >= time + 86_400);
    assert_eq!(rpc.block_number().await.unwrap(), block + 4);
    assert!(devnet.revert(&snapshot).await.unwrap());
    assert_eq!(rpc.block_number().await.unwrap(), block);
    assert!(!devnet.revert("0x77").await.unwrap());
}

#[tokio::test]
async fn makes_blocks_by_the_clock_once_it_is_set_up() {
    let mut options = DevnetOptions::default();
    options.anvil.mining = Mining::Every(1);
    let devnet = Devnet::start(options).await.unwrap();
    let rpc = devnet.anvil().rpc();
    let block = rpc.block_number().await.unwrap();
    let started = Instant::now();
    while rpc.block_number().await.unwrap() < block + 2 {
        assert!(started.elapsed() < PATIENCE, "no block by itself");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn keeps_its_state_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state.json");
    let mut options = DevnetOptions::default();
    options.anvil.state = Some(state.clone());
    let devnet = Devnet::start(options.clone()).await.unwrap();
    let deployment = devnet.deployment().clone();
    devnet.stop();
    assert!(state.is_file());
    options.existing = Some(deployment.clone());
    let devnet = Devnet::start(options).await.unwrap();
    assert!(devnet.deploy_report().reused());
    assert_eq!(devnet.deployment(), &deployment);
    let again = ChainClient::connect(devnet.rpc_config(), deployment).await.unwrap();
    assert_eq!(again.gnt_balance(devnet.accounts()[0].address).await.unwrap(), Wei::from_gnt(10_000).unwrap());
}

#[tokio::test]
async fn takes_the_port_it_is_given_or_says_why_not() {
    let first = Anvil::start(AnvilOptions::default()).await.unwrap();
    let taken = AnvilOptions { port: Some(first.port()), ..AnvilOptions::default() };
    let error = Anvil::start(taken).await.unwrap_err();
    let AnvilError::Ended { words } = &error else { panic!("{error}") };
    assert!(words.contains("in use"), "{words}");
}

#[tokio::test]
async fn is_gone_when_it_is_dropped() {
    let anvil = Anvil::start(AnvilOptions::default()).await.unwrap();
    let address = ("127.0.0.1", anvil.port());
    assert!(TcpStream::connect(address).is_ok());
    drop(anvil);
    assert!(TcpStream::connect(address).is_err());
}

/// As npm's entry for it is one, and not every script hands on the signals it gets.
#[cfg(unix)]
#[test]
fn is_gone_when_it_was_started_by_a_script() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("anvil");
    let text = format!("#!/bin/sh\n{} \"$@\" &\nwait\n", golem_devnet::find_anvil().unwrap().display());
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut owner = this_test("start and stop anvil").env(ANVIL_ENV, &script).spawn().unwrap();
    let port: u16 = line_of(&mut owner, "stopped ").parse().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    // The test harness in it finds nobody who reads on.
    owner.wait().unwrap();
}

/// What the tests below run in a process of its own, which it tells by this variable.
const ROLE: &str = "GOLEM_DEVNET_TEST_ROLE";

fn this_test(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "plays_a_role", "--nocapture"]).env(ROLE, role).stdout(Stdio::piped());
    command
}

#[tokio::test]
async fn plays_a_role() {
    match std::env::var(ROLE).as_deref() {
        Ok("hold a chain") => {
            let devnet = Devnet::start(DevnetOptions::default()).await.unwrap();
            let deployment = serde_json::to_string(devnet.deployment()).unwrap();
            println!("\nholding {} {deployment}", devnet.anvil().port());
            std::future::pending::<()>().await;
        }
        Ok("start anvil") => drop(Anvil::start(AnvilOptions::default()).await.unwrap()),
        Ok("start and stop anvil") => {
            let anvil = Anvil::start(AnvilOptions::default()).await.unwrap();
            let port = anvil.port();
            anvil.stop();
            println!("\nstopped {port}");
        }
        Ok("name anvil") => println!("\nanswer {}", golem_devnet::find_anvil().unwrap().display()),
        Ok("look for anvil") => println!("\nanswer {}", golem_devnet::find_anvil().unwrap_err()),
        _ => {}
    }
}

/// The rest of the first line that begins with a word.
fn line_of(child: &mut std::process::Child, word: &str) -> String {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let found = lines.filter_map(|line| line.strip_prefix(word).map(str::to_owned)).next();
    found.expect("the other process says it")
}

#[tokio::test]
async fn is_gone_when_its_owner_is_killed() {
    let mut owner = this_test("hold a chain").spawn().unwrap();
    let said = line_of(&mut owner, "holding ");
    let (port, deployment) = said.split_once(' ').unwrap();
    let deployment: Deployment = serde_json::from_str(deployment).unwrap();
    let port: u16 = port.parse().unwrap();
    ChainClient::connect(RpcConfig::new(format!("http://127.0.0.1:{port}")), deployment).await.unwrap();
    owner.kill().unwrap();
    owner.wait().unwrap();
    let started = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_ok() {
        assert!(started.elapsed() < PATIENCE, "anvil outlives its owner");
        std::thread::yield_now();
    }
}

#[test]
fn says_how_to_get_anvil() {
    let words = |command: &mut Command| {
        let said = String::from_utf8(command.output().unwrap().stdout).unwrap();
        said.lines().find_map(|line| line.strip_prefix("answer ")).expect("the other process answers").to_owned()
    };
    let named = words(this_test("look for anvil").env(ANVIL_ENV, "/no/such/anvil"));
    assert!(named.contains("/no/such/anvil") && named.contains("npm ci"), "{named}");
    let nowhere = tempfile::tempdir().unwrap();
    let mut command = this_test("look for anvil");
    command.env("XDG_CACHE_HOME", nowhere.path());
    let lost = words(command.env_remove(ANVIL_ENV).env("PATH", "").current_dir(nowhere.path()));
    assert!(lost.contains("anvil was not found") && lost.contains("npm ci"), "{lost}");
}

#[test]
fn fetches_the_pinned_anvil_once_where_there_is_none() {
    let (nowhere, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = std::env::var_os("PATH").unwrap();
    let without = std::env::split_paths(&path).filter(|folder| !folder.join("anvil").exists());
    let without = std::env::join_paths(without).unwrap();
    let stranger = |role: &str, path: &std::ffi::OsStr| {
        let mut command = this_test(role);
        command.env_remove(ANVIL_ENV).env("PATH", path).env("XDG_CACHE_HOME", cache.path());
        command.current_dir(nowhere.path()).output().unwrap()
    };
    let started = stranger("start anvil", &without);
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
    // From then on it is there, with no npm.
    let named = String::from_utf8(stranger("name anvil", "".as_ref()).stdout).unwrap();
    let named = named.lines().find_map(|line| line.strip_prefix("answer ")).unwrap();
    assert!(std::path::Path::new(named).starts_with(cache.path()), "{named}");
    // One folder and the lock: nothing half done is left.
    assert_eq!(std::fs::read_dir(cache.path().join("golem")).unwrap().count(), 2);
}
