//! The parent's side of one worker process.

use crate::cancel::CancelToken;
use crate::sandbox::Landlock;
use crate::wire::{Answer, ParentWire, Setup, Until, WIRE_VERSION, WireError};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a worker may take to confine itself. Reason: it takes some 20 ms, and machines can be busy.
const START_MAX: Duration = Duration::from_secs(30);
/// How long the end of a worker that closed its socket is waited for, before it is killed.
const END_MAX: Duration = Duration::from_millis(200);
/// How much of what a worker said on standard error is kept.
const WORDS_BYTES_MAX: u64 = 2048;

/// A worker that is confined and ready. It is killed when it is dropped.
pub(crate) struct WorkerProcess {
    child: Child,
    wire: ParentWire,
}

/// What a worker said when it was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WorkerReady {
    pub engine: u64,
    pub landlock: Landlock,
}

/// A worker's end, as far as it is known.
#[derive(Debug)]
pub(crate) struct Lost {
    pub why: WireError,
    pub status: Option<ExitStatus>,
    /// The end of what it said on standard error.
    pub words: String,
}

impl Lost {
    pub(crate) fn signal(&self) -> Option<i32> {
        self.status.and_then(|status| status.signal())
    }
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.why, self.status) {
            (WireError::Closed, Some(status)) => write!(f, "it ended with {status}")?,
            (why, _) => write!(f, "{why}")?,
        }
        // Written as a literal: it may be an attacker's, and is shown on terminals.
        if self.words.is_empty() { Ok(()) } else { write!(f, "; it said {:?}", self.words) }
    }
}

impl WorkerProcess {
    /// Waits until a process that was just started is confined.
    pub(crate) fn ready(
        (child, stream): (Child, UnixStream),
        setup: &Setup,
        cancel: &CancelToken,
    ) -> Result<(WorkerProcess, WorkerReady), Lost> {
        let mut child = child;
        let wire = match ParentWire::new(stream) {
            Ok(wire) => wire,
            Err(error) => return Err(end(&mut child, WireError::Io(error))),
        };
        let mut worker = WorkerProcess { child, wire };
        let until = Until { ends: Instant::now() + START_MAX, cancel };
        let told = worker.wire.tell(setup, until).and_then(|()| worker.wire.hear(until));
        match told {
            Ok(Answer::Ready { version: WIRE_VERSION, engine, landlock }) => {
                Ok((worker, WorkerReady { engine, landlock }))
            }
            Ok(other) => Err(worker.lost(unexpected(&other))),
            Err(why) => Err(worker.lost(why)),
        }
    }

    /// Whether it has not ended yet, as far as the system knows.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    pub(crate) fn wire(&mut self) -> &mut ParentWire {
        &mut self.wire
    }

    /// Makes sure that it ends, and says what is known of that.
    pub(crate) fn lost(&mut self, why: WireError) -> Lost {
        end(&mut self.child, why)
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What an answer at the wrong place is.
pub(crate) fn unexpected(answer: &Answer) -> WireError {
    let mut text = format!("{answer:?}");
    text.truncate(text.char_indices().nth(200).map_or(text.len(), |(at, _)| at));
    WireError::Malformed(text)
}

fn end(child: &mut Child, why: WireError) -> Lost {
    let began = Instant::now();
    // One that ended by itself says how; only one that goes on is killed.
    while matches!(why, WireError::Closed) && began.elapsed() < END_MAX {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(Duration::from_millis(1)),
            _ => break,
        }
    }
    let _ = child.kill();
    let status = child.wait().ok();
    let mut words = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        // Nobody has the other end any more, so this does not wait.
        let _ = stderr.take(WORDS_BYTES_MAX).read_to_end(&mut words);
    }
    Lost { why, status, words: String::from_utf8_lossy(&words).trim().to_owned() }
}

type Spawned = io::Result<(Child, UnixStream)>;

/// Starts worker processes from one thread that lives as long as they may: the kernel kills a worker when the thread
/// that started it ends, and threads of a runtime come and go.
pub(crate) struct Spawner {
    ask: Option<Sender<SyncSender<Spawned>>>,
    thread: Option<JoinHandle<()>>,
}

impl Spawner {
    /// `tidy` is called every now and then.
    pub(crate) fn start(
        program: PathBuf,
        args: Vec<String>,
        every: Duration,
        tidy: impl Fn() + Send + 'static,
    ) -> io::Result<Spawner> {
        let (ask, asked) = channel::<SyncSender<Spawned>>();
        let thread = std::thread::Builder::new()
            .name("sandbox-spawner".into())
            .spawn(move || serve(&asked, &program, &args, every, &tidy))?;
        Ok(Spawner { ask: Some(ask), thread: Some(thread) })
    }

    pub(crate) fn spawn(&self) -> Spawned {
        let gone = || io::Error::other("the thread that starts workers has ended");
        let (reply, answer) = sync_channel(1);
        self.ask.as_ref().ok_or_else(gone)?.send(reply).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        self.ask = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(asked: &Receiver<SyncSender<Spawned>>, program: &PathBuf, args: &[String], every: Duration, tidy: &dyn Fn()) {
    loop {
        match asked.recv_timeout(every) {
            // Somebody who no longer waits has a worker that is dropped with the answer: its socket closes, and it ends.
            Ok(reply) => drop(reply.send(spawn(program, args))),
            Err(RecvTimeoutError::Timeout) => tidy(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn spawn(program: &PathBuf, args: &[String]) -> Spawned {
    let (ours, theirs) = UnixStream::pair()?;
    let child = Command::new(program)
        .arg0("golem")
        .args(args)
        .env_clear()
        .current_dir("/")
        // Ctrl-C in a terminal is for the node, which ends its workers itself.
        .process_group(0)
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    Ok((child, ours))
}
