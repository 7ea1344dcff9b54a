//! anvil as a child process that does not outlive its owner, and the things that only a development chain can do.

use crate::find::{ANVIL_ENV, find_or_fetch_anvil};
use golem_chain::{ChainError, Rpc, RpcConfig};
use golem_protocol::Address;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How the chain is set up.
#[derive(Clone, Debug)]
pub struct AnvilOptions {
    /// The port on loopback; `None` lets the system choose a free one.
    pub port: Option<u16>,
    /// The chain's id.
    pub chain_id: u64,
    /// How many accounts have ether from the start.
    pub accounts: u32,
    /// How much each has, in whole ether.
    pub balance_eth: u64,
    /// When blocks are made.
    pub mining: Mining,
    /// A file from which the chain is loaded if it is there, and in which it is left at the end.
    pub state: Option<PathBuf>,
}

/// When blocks are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mining {
    /// One per transaction, at once.
    Instant,
    /// One every so many seconds.
    Every(u32),
    /// When [`Anvil::mine`] is called.
    OnDemand,
}

impl Default for AnvilOptions {
    /// A free port, chain 31337, 10 accounts with 10,000 ether each, a block per transaction.
    fn default() -> AnvilOptions {
        AnvilOptions {
            port: None,
            chain_id: 31_337,
            accounts: 10,
            balance_eth: 10_000,
            mining: Mining::Instant,
            state: None,
        }
    }
}

/// An account of the development chain. Its key is known to everybody: it is worth nothing on any other chain.
#[derive(Clone, PartialEq, Eq)]
pub struct DevAccount {
    /// The address.
    pub address: Address,
    /// The private key.
    pub key: [u8; 32],
}

impl fmt::Debug for DevAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DevAccount({})", self.address)
    }
}

/// How long anvil may take until it listens.
const START_MAX: Duration = Duration::from_secs(20);
/// How many states of the past are kept. Reason: deeper than any reorg, and all in memory: anvil writes older ones to
/// the user's disk by the gigabyte, and leaves them there.
const STATES_MAX: u32 = 256;
/// How long it may take to leave its state before it is killed.
const STOP_MAX: Duration = Duration::from_secs(5);
/// Lines of its output that are kept for an error.
const LINES_KEPT_MAX: usize = 20;

/// Runs its arguments, and kills them, and what they started, when its standard input ends: which it does when we close it, and also when this
/// process is killed in whatever way. `exec` gives up the output, so that the reader of it sees when anvil is gone.
#[cfg(unix)]
const WATCHDOG: &str = r#"signal=$1; patience=$2; shift 2
"$@" </dev/null &
child=$!
exec >/dev/null 2>&1
read -r _
if [ "$signal" != KILL ]; then
  trap '' "$signal"
  kill -"$signal" 0
fi
while [ "$patience" -gt 0 ] && kill -0 "$child"; do sleep 0.1; patience=$((patience - 1)); done
kill -KILL "$child"
wait "$child"
kill -KILL 0
"#;

/// A running anvil. Dropped, it is stopped; so it is when this process ends in any way.
pub struct Anvil {
    child: Child,
    reader: Option<JoinHandle<()>>,
    port: u16,
    accounts: Vec<DevAccount>,
    rpc: Rpc,
}

impl fmt::Debug for Anvil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Anvil(port {}, {:?})", self.port, self.rpc)
    }
}

/// Why there is no development chain.
#[derive(Debug, thiserror::Error)]
pub enum AnvilError {
    /// anvil is not on this machine.
    #[error(
        "anvil was not found{}; install Foundry, or Node with npm, by which the pinned one is fetched, or run `npm ci` in \
         the folder `contracts` of a checkout and start from within it, or name the binary in the variable {ANVIL_ENV}",
        .named.as_ref().map(|path| format!(" at {}, which {ANVIL_ENV} names", path.display())).unwrap_or_default()
    )]
    NotFound {
        /// What the variable names, if it is set.
        named: Option<PathBuf>,
    },
    /// The pinned one could not be fetched.
    #[error("anvil {version} could not be fetched with npm: {reason}; install Foundry, or try again")]
    Fetch {
        /// Which version.
        version: String,
        /// What npm says.
        reason: String,
    },
    /// It cannot be started.
    #[error("anvil cannot be started ({path}): {reason}")]
    Spawn {
        /// The binary.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// It ended before it listened.
    #[error("anvil ended before it was ready; its last words: {words}")]
    Ended {
        /// The end of its output.
        words: String,
    },
    /// It did not listen in time.
    #[error("anvil was not ready after {waited_s} s; its last words: {words}")]
    NotReady {
        /// How long it was waited for.
        waited_s: u64,
        /// The end of its output.
        words: String,
    },
    /// It told something of its accounts that cannot be read.
    #[error("what anvil says of its accounts cannot be read ({0}); is it of version 1?")]
    Accounts(String),
    /// It runs, and does not answer as it should.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

#[derive(Deserialize)]
struct ConfigOut {
    available_accounts: Vec<Address>,
    private_keys: Vec<golem_protocol::B256>,
}

type Lines = Arc<Mutex<VecDeque<String>>>;

impl Anvil {
    /// Starts anvil on loopback and waits until it answers. Where [`crate::find_anvil`] finds none, the pinned one is
    /// fetched with npm first, once.
    ///
    /// Errors: every one of [`AnvilError`]; nothing keeps running then.
    pub async fn start(options: AnvilOptions) -> Result<Anvil, AnvilError> {
        let path = find_or_fetch_anvil().await?;
        let folder = tempfile::tempdir()
            .map_err(|e| AnvilError::Spawn { path: path.clone(), reason: format!("no temporary folder: {e}") })?;
        let config = folder.path().join("anvil.json");
        let mut arguments: Vec<String> = ["--host", "127.0.0.1", "--color", "never"].map(String::from).into();
        let mut set = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        set("--port", options.port.unwrap_or(0).to_string());
        set("--chain-id", options.chain_id.to_string());
        set("--accounts", options.accounts.to_string());
        set("--balance", options.balance_eth.to_string());
        set("--config-out", config.display().to_string());
        set("--prune-history", STATES_MAX.to_string());
        match options.mining {
            Mining::Instant => {}
            Mining::Every(seconds) => set("--block-time", seconds.to_string()),
            Mining::OnDemand => arguments.push("--no-mining".into()),
        }
        if let Some(state) = &options.state {
            arguments.extend(["--state".into(), state.display().to_string()]);
        }
        let mut child = command(&path, &arguments, options.state.is_some())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| AnvilError::Spawn { path: path.clone(), reason: e.to_string() })?;
        let lines = Lines::default();
        let (listening, port) = oneshot::channel();
        let stderr = child.stderr.take();
        let stdout = child.stdout.take();
        let kept = lines.clone();
        let reader = std::thread::spawn(move || read_output(stdout, stderr, &kept, listening));
        let mut starting = Starting { child: Some(child), reader: Some(reader) };
        let port = match tokio::time::timeout(START_MAX, port).await {
            Ok(Ok(port)) => port,
            Ok(Err(_)) => return Err(AnvilError::Ended { words: last_words(&lines) }),
            Err(_) => return Err(AnvilError::NotReady { waited_s: START_MAX.as_secs(), words: last_words(&lines) }),
        };
        let accounts = read_accounts(&config)?;
        let mut config = RpcConfig::new(format!("http://127.0.0.1:{port}"));
        config.chain_id = Some(options.chain_id);
        config.poll_interval = Some(POLL);
        let rpc = Rpc::connect(config).await?;
        let (Some(child), reader) = (starting.child.take(), starting.reader.take()) else {
            return Err(AnvilError::Ended { words: last_words(&lines) });
        };
        Ok(Anvil { child, reader, port, accounts, rpc })
    }

    /// The address of its RPC.
    pub fn rpc_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A connection to it that looks often.
    pub fn rpc(&self) -> &Rpc {
        &self.rpc
    }

    /// The accounts that had ether from the start.
    pub fn accounts(&self) -> &[DevAccount] {
        &self.accounts
    }

    /// Makes that many blocks now.
    pub async fn mine(&self, blocks: u64) -> Result<(), ChainError> {
        self.ask("anvil_mine", json!([format!("{blocks:#x}")])).await.map(drop)
    }

    /// Changes when blocks are made.
    pub async fn set_mining(&self, mining: Mining) -> Result<(), ChainError> {
        let (instant, every) = match mining {
            Mining::Instant => (true, 0),
            Mining::Every(seconds) => (false, seconds),
            Mining::OnDemand => (false, 0),
        };
        self.ask("evm_setIntervalMining", json!([every])).await?;
        self.ask("evm_setAutomine", json!([instant])).await.map(drop)
    }

    /// Lets chain time pass, and makes a block that shows it.
    pub async fn increase_time(&self, seconds: u64) -> Result<(), ChainError> {
        self.ask("evm_increaseTime", json!([seconds])).await?;
        self.mine(1).await
    }

    /// Remembers the chain as it is; the answer is for [`Anvil::revert`].
    pub async fn snapshot(&self) -> Result<String, ChainError> {
        let id = self.ask("evm_snapshot", json!([])).await?;
        Ok(id.as_str().map_or_else(|| id.to_string(), str::to_owned))
    }

    /// Puts the chain back to a snapshot, which is used up; false if there is none of that name.
    pub async fn revert(&self, snapshot: &str) -> Result<bool, ChainError> {
        let done = self.ask("evm_revert", json!([snapshot])).await?;
        Ok(done.as_bool().unwrap_or(false))
    }

    /// Replaces the newest blocks by as many empty ones, as a reorg does; their transactions are gone.
    pub async fn reorg(&self, depth: u64) -> Result<(), ChainError> {
        self.ask("anvil_reorg", json!([depth, []])).await.map(drop)
    }

    /// Gives an address so much ether, in wei.
    pub async fn set_balance(&self, address: Address, wei: u128) -> Result<(), ChainError> {
        self.ask("anvil_setBalance", json!([address, format!("{wei:#x}")])).await.map(drop)
    }

    /// Throws a transaction out of the node's memory before it is mined.
    pub async fn drop_transaction(&self, tx: golem_protocol::B256) -> Result<(), ChainError> {
        self.ask("anvil_dropTransaction", json!([tx])).await.map(drop)
    }

    /// Stops it and waits until it is gone.
    pub fn stop(mut self) {
        self.end();
    }

    async fn ask(&self, method: &'static str, params: Value) -> Result<Value, ChainError> {
        self.rpc.request::<Value, Option<Value>>(method, params).await.map(Option::unwrap_or_default)
    }

    fn end(&mut self) {
        end(&mut self.child);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// A loopback answer takes a millisecond, so looking often costs little and tests wait little.
const POLL: Duration = Duration::from_millis(25);

impl Drop for Anvil {
    fn drop(&mut self) {
        self.end();
    }
}

/// Ends the child if starting fails, or is given up, on the way.
struct Starting {
    child: Option<Child>,
    reader: Option<JoinHandle<()>>,
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            end(child);
        }
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn end(child: &mut Child) {
    // The watchdog takes the end of its input as the order to stop.
    drop(child.stdin.take());
    if cfg!(unix) {
        let started = Instant::now();
        while started.elapsed() < STOP_MAX + Duration::from_secs(1) {
            match child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(2)),
                Ok(Some(_)) | Err(_) => return,
            }
        }
    }
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(unix)]
fn command(path: &std::path::Path, arguments: &[String], leaves_state: bool) -> Command {
    use std::os::unix::process::CommandExt;
    // Only an interrupt makes anvil write its state.
    let (signal, patience) = if leaves_state { ("INT", STOP_MAX.as_millis() / 100) } else { ("KILL", 0) };
    let mut command = Command::new("sh");
    command.args(["-c", WATCHDOG, "watchdog", signal]).arg(patience.to_string()).arg(path).args(arguments);
    // An interrupt from the terminal is for the owner, which then stops anvil in its own order.
    command.process_group(0);
    command
}

#[cfg(not(unix))]
fn command(path: &std::path::Path, arguments: &[String], _leaves_state: bool) -> Command {
    let mut command = Command::new(path);
    command.args(arguments);
    command
}

/// Reads all that anvil prints, so that it never waits for a reader, and tells the port as soon as it is there.
fn read_output(
    stdout: Option<std::process::ChildStdout>,
    stderr: Option<std::process::ChildStderr>,
    lines: &Lines,
    listening: oneshot::Sender<u16>,
) {
    let keep = |line: String| {
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_back(line.chars().take(300).collect());
        if lines.len() > LINES_KEPT_MAX {
            lines.pop_front();
        }
    };
    // Outlives both readers: once it is dropped, all that anvil had to say is kept.
    let mut listening = Some(listening);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for line in stderr.map(BufReader::new).into_iter().flat_map(BufRead::lines).map_while(Result::ok) {
                keep(line);
            }
        });
        for line in stdout.map(BufReader::new).into_iter().flat_map(BufRead::lines).map_while(Result::ok) {
            let port = line.strip_prefix("Listening on ").and_then(|rest| rest.rsplit(':').next());
            if let Some(port) = port.and_then(|port| port.trim().parse().ok())
                && let Some(listening) = listening.take()
            {
                let _ = listening.send(port);
            }
            keep(line);
        }
    });
}

fn last_words(lines: &Lines) -> String {
    let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
    let words: Vec<&str> = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(" / ") }
}

fn read_accounts(config: &std::path::Path) -> Result<Vec<DevAccount>, AnvilError> {
    let unreadable = |e: &dyn fmt::Display| AnvilError::Accounts(e.to_string());
    let text = std::fs::read_to_string(config).map_err(|e| unreadable(&e))?;
    let config: ConfigOut = serde_json::from_str(&text).map_err(|e| unreadable(&e))?;
    let pairs = config.available_accounts.into_iter().zip(config.private_keys);
    Ok(pairs.map(|(address, key)| DevAccount { address, key: key.0 }).collect())
}
