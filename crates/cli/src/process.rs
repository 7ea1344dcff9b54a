//! Signals that this process gets, and processes that it starts.

use anyhow::{Context as _, bail};
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Why a node is to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Somebody asked; what runs may end.
    Drain,
    /// It stopped by itself, or over HTTP: why, where that is known.
    ByItself(Option<String>),
}

/// Ctrl-C, and the polite request to end that service managers and `kill` send.
pub struct StopSignals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    /// Ends with the program that started this one, where that was asked for.
    starter: Option<oneshot::Receiver<()>>,
}

impl StopSignals {
    /// From now on these signals do not end the process by themselves.
    #[cfg(unix)]
    pub fn new() -> anyhow::Result<StopSignals> {
        use tokio::signal::unix::{SignalKind, signal};
        let cannot = "cannot listen for Ctrl-C";
        Ok(StopSignals {
            interrupt: signal(SignalKind::interrupt()).context(cannot)?,
            terminate: signal(SignalKind::terminate()).context(cannot)?,
            starter: None,
        })
    }

    /// Waits for the next one. Can be dropped and called again.
    #[cfg(unix)]
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = starter_ended(&mut self.starter) => {}
        }
    }

    /// From now on these signals do not end the process by themselves.
    #[cfg(not(unix))]
    pub fn new() -> anyhow::Result<StopSignals> {
        Ok(StopSignals { starter: None })
    }

    /// Waits for the next one. Can be dropped and called again.
    #[cfg(not(unix))]
    pub async fn next(&mut self) {
        tokio::select! {
            Ok(()) = tokio::signal::ctrl_c() => {}
            _ = starter_ended(&mut self.starter) => {}
        }
    }

    /// The end of standard input counts as one too: a program that started this one holds the other end, and closes it
    /// by ending, in whatever way that happens.
    pub fn and_end_of_stdin(&mut self) {
        let (ended, starter) = oneshot::channel();
        self.starter = Some(starter);
        // A thread, because reading cannot be given up; it ends with the process.
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
            let _ = ended.send(());
        });
    }
}

/// Waits for the end of standard input, once; for ever where nobody asked for it.
async fn starter_ended(starter: &mut Option<oneshot::Receiver<()>>) {
    match starter {
        Some(ended) => {
            let _ = ended.await;
            *starter = None;
        }
        None => std::future::pending().await,
    }
}

/// How long a process may take to end after it was asked to, before it is killed.
const END_MAX: Duration = Duration::from_secs(15);
/// How long a process may take until it says that it is ready.
const READY_MAX: Duration = Duration::from_secs(60);
/// How much of what a process said is shown when it failed.
const LAST_WORDS_BYTES: usize = 2000;
/// Variables that would make a started `golem` use other folders and chains than its flags say.
const OUR_VARIABLES: [&str; 5] = ["GOLEM_DIR", "GOLEM_PASSWORD_FILE", "GOLEM_RPC_URL", "GOLEM_DEPLOYMENT", "GOLEM_LOG"];

/// A `golem` command with these arguments, that dies with its owner and gets no Ctrl-C of the terminal.
pub fn golem(arguments: &[String]) -> anyhow::Result<Command> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    for variable in OUR_VARIABLES {
        command.env_remove(variable);
    }
    #[cfg(unix)]
    command.process_group(0);
    Ok(command)
}

/// Runs a `golem` command to its end and reads the JSON that it prints. Its talk goes where ours goes.
///
/// A clean no (exit 1) is an answer too. Errors: any other end; no JSON.
pub async fn golem_json(arguments: &[String]) -> anyhow::Result<Value> {
    let shown = format!("golem {}", arguments.join(" "));
    let mut command = golem(arguments)?;
    let cannot = || format!("cannot run `{shown}`");
    // Not `output()`, which would take the talk too.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = command.spawn().with_context(cannot)?;
    // Open until the end: it ends with this process, whatever ends that.
    let _stdin = child.stdin.take();
    let ran = child.wait_with_output().await.with_context(cannot)?;
    if !matches!(ran.status.code(), Some(0 | 1)) {
        bail!("`{shown}` failed ({})", ran.status);
    }
    serde_json::from_slice(&ran.stdout).with_context(|| format!("what `{shown}` printed is not JSON"))
}

/// A `golem` process that goes on until it is stopped, and says in a line of JSON when it is ready.
///
/// It is started with `--until-stdin-ends`, so that it ends with this process however that ends.
pub struct Service {
    name: String,
    child: Child,
    /// Held open for as long as it is to run; waiting for a child would close it.
    stdin: Option<ChildStdin>,
    reader: JoinHandle<()>,
    /// The line with which it said that it is ready.
    pub ready: Value,
}

impl Service {
    /// Starts it and waits until it is ready. All it prints goes to the file `log`.
    pub async fn start(name: &str, arguments: &[String], log: &Path) -> anyhow::Result<Service> {
        let cannot = || format!("cannot write {}", log.display());
        let file = std::fs::File::create(log).with_context(cannot)?;
        let errors = file.try_clone().with_context(cannot)?;
        let mut command = golem(arguments)?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let stdout = child.stdout.take().with_context(|| format!("{name} has no standard output"))?;
        let stdin = child.stdin.take();
        let (sender, first) = oneshot::channel();
        let reader = tokio::spawn(copy_lines(stdout, file, sender));
        let ready = tokio::time::timeout(READY_MAX, first).await;
        let line = match ready {
            Ok(Ok(line)) => line,
            Ok(Err(_)) => {
                let status = child.wait().await.map(|status| status.to_string()).unwrap_or_default();
                bail!("{name} did not start ({status}); it said: {}", last_words(log));
            }
            Err(_) => bail!("{name} was not ready after {} s; it said: {}", READY_MAX.as_secs(), last_words(log)),
        };
        let ready = serde_json::from_str(&line).with_context(|| format!("{name} printed no JSON but `{line}`"))?;
        Ok(Service { name: name.to_owned(), child, stdin, reader, ready })
    }

    /// Asks it to end, waits, and kills it if that takes too long.
    ///
    /// Errors: it was killed, or ended with a failure.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        if let Ok(Some(_)) = self.child.try_wait() {
            // It ended before, which its owner was told then.
            let _ = self.reader.await;
            return Ok(());
        }
        // The end of its input is the order to stop.
        drop(self.stdin.take());
        let ended = tokio::time::timeout(END_MAX, self.child.wait()).await;
        let status = match ended {
            Ok(status) => status.with_context(|| format!("cannot wait for {}", self.name))?,
            Err(_) => {
                let _ = self.child.kill().await;
                self.reader.abort();
                bail!("{} did not end within {} s and was killed", self.name, END_MAX.as_secs());
            }
        };
        let _ = self.reader.await;
        if !status.success() {
            bail!("{} ended with a failure ({status})", self.name);
        }
        Ok(())
    }

    /// Waits until it ends by itself, which it should not.
    pub async fn ended(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => format!("{} ended ({status})", self.name),
            Err(error) => format!("{} cannot be waited for: {error}", self.name),
        }
    }
}

/// Copies what a process prints into a file, and hands out its first line.
async fn copy_lines(stdout: ChildStdout, mut file: std::fs::File, first: oneshot::Sender<String>) {
    use std::io::Write;
    let mut first = Some(first);
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        // A log that cannot be written is no reason to stop reading: the process would wait for us.
        let _ = writeln!(file, "{line}");
        if let Some(first) = first.take() {
            let _ = first.send(line);
        }
    }
}

fn last_words(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let start = text.len().saturating_sub(LAST_WORDS_BYTES);
    let start = (start..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    let words = text[start..].trim();
    if words.is_empty() { "nothing".to_owned() } else { words.to_owned() }
}
