//! The stage of a story: a chain with its contracts, data folders with funded keys, and the binary to run on them.

use crate::process::{Ended, Process};
use golem_chain::ChainClient;
use golem_devnet::{Devnet, DevnetOptions};
use golem_protocol::{Address, ChannelId, ChannelState, Wei};
use serde_json::Value;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The longest that anything is waited for. Reason: an unoptimised binary on a shared machine of two cores; what is not
/// there by then does not come.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// How often a running node is asked for its status: it answers, it does not call.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// What each account holds at first.
pub const GNT_EACH: Wei = Wei(10_000_000_000_000_000_000_000);
/// How long a payee can claim after a payer asked to close, in seconds of chain time. Above the hour for which a
/// provider wants its vouchers to stay good.
pub const CLOSE_DELAY_S: u32 = 7_200;

const PASSWORD: &str = "correct horse battery";

/// The binary: `GOLEM_BIN`, or the one in the target folder that this test was built into.
pub fn golem() -> PathBuf {
    if let Some(named) = std::env::var_os("GOLEM_BIN") {
        return PathBuf::from(named);
    }
    let test = std::env::current_exe().expect("a test knows where it is");
    let beside = test.ancestors().nth(2).map(|folder| folder.join(format!("golem{}", std::env::consts::EXE_SUFFIX)));
    match beside {
        Some(path) if path.is_file() => path,
        other => panic!(
            "there is no {}: build it first with `cargo build -p golem-cli`, or name it in GOLEM_BIN",
            other.unwrap_or_default().display()
        ),
    }
}

/// A command of the binary that sees nothing of this process's environment that could steer it.
pub fn golem_command() -> Command {
    command_of_nobody(golem())
}

/// A line for the shell, with the binary on PATH, and as little of this process's environment.
pub fn shell_command(line: &str) -> Command {
    let binary = golem();
    let beside = binary.parent().expect("a binary is in a folder").to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([beside].into_iter().chain(std::env::split_paths(&path)));
    let mut command = command_of_nobody("sh");
    command.args(["-c", line]).env("PATH", path.expect("no folder of PATH has a colon"));
    command
}

fn command_of_nobody(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("GOLEM_") || text.to_lowercase().ends_with("_proxy") {
            command.env_remove(&name);
        }
    }
    command
}

/// A chain, and a folder for everything else.
pub struct Stage {
    runtime: Runtime,
    pub devnet: Devnet,
    home: TempDir,
    accounts_used: AtomicUsize,
}

impl Stage {
    pub fn set() -> Stage {
        // First, since it is the likeliest to be missing.
        golem();
        let runtime = Runtime::new().expect("threads can be started");
        let options = DevnetOptions {
            gnt_each: GNT_EACH,
            close_delay_s: CLOSE_DELAY_S,
            faucet: None,
            ..DevnetOptions::default()
        };
        let devnet = runtime.block_on(Devnet::start(options)).expect("anvil starts");
        let home = tempfile::tempdir().expect("a temporary folder can be made");
        Stage { runtime, devnet, home, accounts_used: AtomicUsize::new(0) }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("a file can be written");
        path
    }

    /// Builds a program into a module.
    pub fn module(&self, name: &str, text: &str) -> PathBuf {
        self.file(&format!("{name}.wasm"), wat::parse_str(text).expect("the program is right"))
    }

    /// That many input files, `in-0.txt` and on; see [`input_text`].
    pub fn inputs(&self, count: usize) -> Vec<PathBuf> {
        (0..count).map(|index| self.file(&format!("in-{index}.txt"), input_text(index))).collect()
    }

    /// A data folder with the key of the next funded account, that asks and chooses by the published rules: most stories
    /// count payments at one price, and ours ask less of a stranger at first.
    pub fn node(&self, name: &str) -> Node {
        self.with_key(self.folder(name, "rules = \"published\"\n"))
    }

    /// The same by the rules that a node has where nothing is set.
    pub fn node_by_our_rules(&self, name: &str) -> Node {
        self.with_key(self.folder(name, ""))
    }

    fn with_key(&self, node: Node) -> Node {
        let account = &self.devnet.accounts()[self.accounts_used.fetch_add(1, Ordering::Relaxed)];
        let key: String = account.key.iter().map(|byte| format!("{byte:02x}")).collect();
        let name = &node.name;
        let key = self.file(&format!("{name}.key"), key);
        node.golem(["wallet", "import", "--key-file", &text(&key)]).done("wallet import");
        assert_eq!(node.address(), account.address);
        node
    }

    /// A data folder for this chain, without a key.
    pub fn empty_node(&self, name: &str) -> Node {
        self.folder(name, "")
    }

    fn folder(&self, name: &str, rules: &str) -> Node {
        let node = Node {
            name: name.to_owned(),
            dir: self.path(name),
            password: self.file(&format!("{name}.password"), PASSWORD),
        };
        std::fs::create_dir_all(&node.dir).expect("a folder can be made");
        let settings = format!(
            "[chain]\nrpc_url = \"{}\"\npoll_ms = 100\n[network]\nlisten = [\"/ip4/127.0.0.1/tcp/0\"]\nmdns = false\n\
             [provider]\n{rules}[requestor]\n{rules}grace_ms = 3000\nlost_ms = 3000\nlinger_ms = 5000\n",
            self.devnet.rpc_url()
        );
        std::fs::write(node.dir.join("golem.toml"), settings).expect("settings can be written");
        let deployment = node.deployment_file(self.devnet.deployment().chain_id);
        std::fs::create_dir_all(deployment.parent().expect("it is in a folder")).expect("a folder can be made");
        self.devnet.save_deployment(&deployment).expect("the deployment can be written");
        node
    }

    /// Runs something that asks the chain.
    pub fn chain<T>(&self, ask: impl AsyncFnOnce(ChainClient) -> T) -> T {
        self.runtime.block_on(async { ask(self.devnet.client().await.expect("the contracts are there")).await })
    }

    pub fn gnt(&self, account: Address) -> Wei {
        self.chain(async |chain| chain.gnt_balance(account).await.expect("the chain answers"))
    }

    pub fn channel(&self, payer: &Node, payee: &Node) -> ChannelState {
        let id = ChannelId { payer: payer.address(), payee: payee.address() };
        self.chain(async |chain| chain.channel_state(id).await.expect("the chain answers"))
    }

    /// How many blocks there are: on this chain one for each transaction.
    pub fn blocks(&self) -> u64 {
        self.chain(async |chain| chain.rpc().head().await.expect("the chain answers").number)
    }

    /// Lets chain time pass.
    pub fn pass(&self, seconds: u64) {
        self.runtime.block_on(self.devnet.increase_time(seconds)).expect("a development chain can do that");
    }

    /// Takes all its ether from an account.
    pub fn take_ether(&self, account: Address) {
        self.runtime.block_on(self.devnet.anvil().set_balance(account, 0)).expect("a development chain can do that");
    }
}

pub fn input_text(index: usize) -> String {
    format!("input number {index}\n").repeat(1 + index * 50)
}

/// Asserts that every subtask of [`crate::programs::COPY`] left its input.
pub fn check_copies(out: &Path, count: usize) {
    for index in 0..count {
        let path = out.join(format!("in-{index}.txt/stdout"));
        let got = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(got == input_text(index), "output {index} is its input");
    }
}

/// A path as an argument.
pub fn text(path: &Path) -> String {
    path.to_str().expect("these paths are UTF-8").to_owned()
}

/// An amount in a JSON document.
pub fn wei(value: &Value) -> Wei {
    let amount = value.as_str().unwrap_or_else(|| panic!("{value} is not an amount as a decimal string"));
    Wei(amount.parse().unwrap_or_else(|_| panic!("{amount} is not an amount of wei")))
}

/// A data folder and the binary on it.
pub struct Node {
    pub name: String,
    pub dir: PathBuf,
    pub password: PathBuf,
}

impl Node {
    /// The binary on this folder.
    pub fn command<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = golem_command();
        command.arg("--dir").arg(&self.dir).arg("--password-file").arg(&self.password);
        command.args(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        command
    }

    pub fn spawn<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Process {
        Process::spawn(&self.name, &mut self.command(args))
    }

    /// Runs a command to its end.
    pub fn golem<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Ended {
        let args: Vec<String> = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        let begun = Instant::now();
        let ended = self.spawn(&args).wait(PATIENCE);
        // Shown where the story fails.
        eprintln!("{}: golem {} took {:?}", self.name, args.join(" "), begun.elapsed());
        ended
    }

    /// Runs a command that has to be done, and reads its answer.
    pub fn json<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Value {
        let ended = self.golem(args);
        assert_eq!(ended.code, Some(0), "{} on {}: {}\n{}", self.name, self.dir.display(), ended.stdout, ended.stderr);
        ended.json()
    }

    /// Where a node looks first for the contracts of a chain.
    pub fn deployment_file(&self, chain_id: u64) -> PathBuf {
        self.dir.join(format!("deployments/{chain_id}.json"))
    }

    pub fn address(&self) -> Address {
        let shown = self.json(["wallet", "address", "--json"]);
        shown["payment_address"].as_str().and_then(|text| text.parse().ok()).expect("it is an address")
    }

    /// Starts to provide one slot at this price, knowing these addresses.
    pub fn provide(&self, min_price_gnt: &str, bootstrap: &[String], more: &[&str]) -> Process {
        let mut args = vec!["provide", "--json", "--min-price", min_price_gnt];
        if !more.contains(&"--slots") {
            args.extend(["--slots", "1"]);
        }
        args.extend(more);
        bootstrap.iter().for_each(|address| args.extend(["--bootstrap", address]));
        let process = self.spawn(args);
        process.wait_json("start", PATIENCE, |line| (line["kind"] == "started").then_some(()));
        process
    }

    /// Where others reach the node that runs on this folder.
    pub fn addresses(&self) -> Vec<String> {
        self.wait("address to dial", |status| {
            let addresses = status["network"]["addresses"].as_array()?;
            let texts: Vec<String> = addresses.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect();
            (!texts.is_empty()).then_some(texts)
        })
    }

    /// Waits until the status of the node that runs on this folder is as wanted.
    pub fn wait<T>(&self, what: &str, mut find: impl FnMut(&Value) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        let mut last = Value::Null;
        loop {
            if let Some(status) = self.status() {
                if let Some(found) = find(&status) {
                    return found;
                }
                last = status;
            }
            assert!(Instant::now() < until, "{}: no {what} within {PATIENCE:?}; its status is {last:#}", self.name);
            std::thread::sleep(ASK_EVERY);
        }
    }

    /// The status of the node that runs on this folder, where one answers.
    pub fn status(&self) -> Option<Value> {
        self.ask("GET", "/status")
    }

    fn ask(&self, method: &str, path: &str) -> Option<Value> {
        let api: Value = serde_json::from_slice(&std::fs::read(self.dir.join("api.json")).ok()?).ok()?;
        let address: SocketAddr = api["address"].as_str()?.parse().ok()?;
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let token = api["token"].as_str()?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }
}
