//! `anvil/`: the chain as data does what this crate's chain does, and is of the same contracts.

use crate::PATIENCE;
use golem_devnet::chain::{Account, ChainClient, Deployment, MemoryJournal, RpcConfig, SenderOptions, TxSender};
use golem_devnet::protocol::{ChannelId, KeySigner, Voucher, sign};
use golem_devnet::{AccountsFile, ChannelState, Devnet, DevnetOptions, KnownAccount, Wei};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

/// `anvil/start`, gone with its owner.
struct Started {
    child: Child,
    url: String,
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../anvil")
}

fn start(arguments: &[&str]) -> Started {
    let mut command = Command::new(folder().join("start"));
    command.args(["--port", "0"]).args(arguments).stdout(Stdio::piped()).stdin(Stdio::null());
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut started = Started { child, url: String::new() };
    let mut listening = lines.filter_map(|line| line.strip_prefix("Listening on ").map(str::to_owned));
    started.url = format!("http://{}", listening.next().expect("it says where it listens"));
    started
}

fn accounts() -> AccountsFile {
    serde_json::from_str(&std::fs::read_to_string(folder().join("accounts.json")).unwrap()).unwrap()
}

impl Started {
    async fn client(&self, deployment: &Deployment) -> ChainClient {
        ChainClient::connect(RpcConfig::new(&self.url), deployment.clone()).await.unwrap()
    }

    async fn account(&self, chain: &ChainClient, known: &KnownAccount) -> Account {
        let key = known.account().key;
        let journal = Arc::new(MemoryJournal::new());
        let sender = TxSender::start(chain.rpc().clone(), &key, SenderOptions::default(), journal).await.unwrap();
        Account::new(chain.clone(), sender).unwrap()
    }
}

#[tokio::test]
async fn is_of_the_same_contracts_and_balances_as_this_crate_makes() {
    let (started, file) = (start(&[]), accounts());
    let chain = started.client(&file.deployment).await;
    let known: Vec<_> = file.accounts.iter().map(KnownAccount::account).collect();
    let found = AccountsFile::read(&chain, &file.rpc_url, &file.deployer.account(), &known).await.unwrap();
    assert_eq!(found, file);
    let written = Deployment::known(file.deployment.chain_id).unwrap();
    assert_eq!(written.as_ref(), Some(&file.deployment), "stale: cargo run -p golem-devnet --example anvil-state");

    let fresh = Devnet::start(DevnetOptions::default()).await.unwrap();
    assert_eq!(fresh.deployment(), &file.deployment, "stale: cargo run -p golem-devnet --example anvil-state");
    assert_eq!(fresh.accounts_file().await.unwrap().accounts, file.accounts);
    let addresses = serde_json::to_value(&file.deployment).unwrap();
    let addresses: Vec<_> = addresses.as_object().unwrap().values().filter_map(|value| value.as_str()).collect();
    assert!(addresses.len() >= 3, "{addresses:?}");
    for address in addresses {
        let code = async |rpc: &golem_devnet::chain::Rpc| {
            rpc.request::<_, String>("eth_getCode", (address.to_owned(), "latest")).await.unwrap()
        };
        let (loaded, made) = (code(chain.rpc()).await, code(fresh.anvil().rpc()).await);
        assert!(loaded.len() > 100, "nothing is at {address}");
        assert_eq!(loaded, made, "the contract at {address} is stale");
    }
}

#[tokio::test]
async fn pays_a_voucher_that_one_of_its_accounts_signed() {
    let (started, file) = (start(&[]), accounts());
    let chain = started.client(&file.deployment).await;
    let payer = started.account(&chain, &file.accounts[0]).await;
    let payee = started.account(&chain, &file.accounts[1]).await;
    payer.open_or_topup(payee.address(), Wei(1_000)).await.unwrap();
    let channel = ChannelId { payer: payer.address(), payee: payee.address() };
    let ChannelState { epoch, .. } = chain.channel_state(channel).await.unwrap();
    let voucher = Voucher { payee: payee.address(), epoch, cumulative: Wei(600) };
    let signer = KeySigner::from_bytes(&file.accounts[0].known_private_key.0).unwrap();
    let voucher = sign(voucher, &file.deployment.chain_ref(), &signer).unwrap().into_signed();
    assert_eq!(payee.claim_many(payee.address(), &[voucher]).await.unwrap().paid, Wei(600));
    let held = chain.gnt_balance(payee.address()).await.unwrap();
    assert_eq!(held, file.accounts[1].gnt_wei.checked_add(Wei(600)).unwrap());
}

#[tokio::test]
async fn hands_arguments_on_and_makes_blocks_of_the_present() {
    let (started, file) = (start(&["--block-time", "1"]), accounts());
    let chain = started.client(&file.deployment).await;
    let (block, begun) = (chain.block_number().await.unwrap(), std::time::Instant::now());
    while chain.block_number().await.unwrap() == block {
        assert!(begun.elapsed() < PATIENCE, "no block by itself");
        tokio::task::yield_now().await;
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(chain.chain_time().await.unwrap().0.abs_diff(now) < 600);
}

/// The last code of a language in the README.
fn example(language: &str) -> String {
    let text = std::fs::read_to_string(folder().join("README.md")).unwrap();
    let (_, code) = text.rsplit_once(&format!("```{language}\n")).unwrap();
    code.split("```").next().unwrap().to_owned()
}

#[tokio::test]
async fn what_the_readme_says_works() {
    let (started, file) = (start(&[]), accounts());
    let shell = example("sh");
    let request = shell.lines().find(|line| line.starts_with("curl ")).unwrap();
    let request = request.split('\'').find(|part| part.starts_with('{')).unwrap();
    let request: serde_json::Value = serde_json::from_str(request).unwrap();
    assert_eq!(request["method"], "eth_call");
    let chain = started.client(&file.deployment).await;
    let held: String = chain.rpc().request("eth_call", request["params"].clone()).await.unwrap();
    let held = u128::from_str_radix(held.trim_start_matches("0x"), 16).unwrap();
    assert_eq!(Wei(held), file.accounts[0].gnt_wei);
    for address in [file.deployment.gnt, file.accounts[0].address] {
        assert!(shell.contains(&format!("{address:#x}")), "the call with cast names another than {address}");
    }

    let root = folder().canonicalize().unwrap().join("..");
    let vectors = root.join("tests/vectors");
    assert!(vectors.join("node_modules/ethers").is_dir(), "install it first: scripts/npm-packages tests/vectors");
    // Node looks for packages where it is started.
    let code = format!("process.chdir({:?});\n{}", root.display().to_string(), example("js"));
    let mut node = Command::new("node");
    node.args(["--input-type=module", "-e", &code]).current_dir(vectors).env("RPC_URL", &started.url);
    let said = node.output().unwrap();
    let text = String::from_utf8_lossy(&said.stdout);
    assert_eq!(text.trim(), "2000000000000000000n", "{}", String::from_utf8_lossy(&said.stderr));
}
