//! A child process that is watched, can be waited for within bounds, and does not outlive its owner.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Lines of each output that are kept. Reason: a story prints some hundreds; a process that runs wild must not take
/// the machine's memory.
const LINES_MAX: usize = 20_000;
/// How often the end of a process is looked for: nothing tells of it without a signal handler.
const LOOK_EVERY: Duration = Duration::from_millis(10);

#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    ended: bool,
}

/// What a process prints, as it comes.
#[derive(Clone, Default)]
struct Output {
    inner: Arc<(Mutex<Lines>, Condvar)>,
}

impl Output {
    fn read(&self, from: impl Read + Send + 'static) -> JoinHandle<()> {
        let output = self.clone();
        std::thread::spawn(move || {
            // Not `lines()`: what is not UTF-8 is shown too.
            let mut reader = BufReader::new(from);
            let mut bytes = Vec::new();
            while reader.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
                let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
                bytes.clear();
                output.change(|lines| {
                    if lines.lines.len() < LINES_MAX {
                        lines.lines.push(line);
                    }
                });
            }
            output.change(|lines| lines.ended = true);
        })
    }

    fn change(&self, change: impl FnOnce(&mut Lines)) {
        let (lines, changed) = &*self.inner;
        change(&mut lines.lock().unwrap_or_else(PoisonError::into_inner));
        changed.notify_all();
    }

    fn text(&self) -> String {
        self.inner.0.lock().unwrap_or_else(PoisonError::into_inner).lines.join("\n")
    }

    /// Waits until `find` finds something in all that was printed so far.
    fn wait<T>(&self, within: Duration, mut find: impl FnMut(&[String]) -> Option<T>) -> Option<T> {
        let until = Instant::now() + within;
        let (lines, changed) = &*self.inner;
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(found) = find(&lines.lines) {
                return Some(found);
            }
            let left = until.saturating_duration_since(Instant::now());
            if lines.ended || left.is_zero() {
                return None;
            }
            lines = changed.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Asserts that it is done, and gives its answer.
    pub fn done(self, what: &str) -> String {
        assert_eq!(self.code, Some(0), "{what} is done; it said:\n{}\n{}", self.stdout, self.stderr);
        self.stdout
    }

    /// Its answer as JSON.
    pub fn json(&self) -> Value {
        match serde_json::from_str(&self.stdout) {
            Ok(value) => value,
            Err(error) => panic!("stdout is JSON ({error}):\n{}\n{}", self.stdout, self.stderr),
        }
    }
}

/// A running process. Dropped, it is killed; where a test fails, what it said is shown.
pub struct Process {
    name: String,
    child: Child,
    stdout: Output,
    stderr: Output,
    readers: Vec<JoinHandle<()>>,
    ended: bool,
}

impl Process {
    pub fn spawn(name: &str, command: &mut Command) -> Process {
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => panic!("{command:?} cannot be started: {error}"),
        };
        let (stdout, stderr) = (Output::default(), Output::default());
        let readers =
            vec![stdout.read(child.stdout.take().expect("piped")), stderr.read(child.stderr.take().expect("piped"))];
        Process { name: name.to_owned(), child, stdout, stderr, readers, ended: false }
    }

    /// Waits for a JSON line on stdout that `find` takes.
    pub fn wait_json<T>(&self, what: &str, within: Duration, mut find: impl FnMut(&Value) -> Option<T>) -> T {
        let mut seen = 0;
        let found = self.stdout.wait(within, |lines| {
            let fresh = lines.iter().skip(seen).filter_map(|line| serde_json::from_str(line).ok());
            let found = fresh.into_iter().find_map(|value: Value| find(&value));
            seen = lines.len();
            found
        });
        found.unwrap_or_else(|| panic!("{}: no {what} within {within:?}; it said:\n{}", self.name, self.said()))
    }

    /// Waits for a line on stderr that `find` takes.
    pub fn wait_stderr<T>(&self, what: &str, within: Duration, find: impl Fn(&str) -> Option<T>) -> T {
        let found = self.stderr.wait(within, |lines| lines.iter().find_map(|line| find(line)));
        found.unwrap_or_else(|| panic!("{}: no {what} within {within:?}; it said:\n{}", self.name, self.said()))
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it as a power cut would: no handler runs.
    pub fn kill9(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.ended = true;
    }

    /// Asks it to end, as a service manager does, and waits for that.
    pub fn stop(self, within: Duration) -> Ended {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(asked.is_ok_and(|status| status.success()), "{} can be asked to end", self.name);
        self.wait(within)
    }

    /// Waits until it has ended.
    pub fn wait(mut self, within: Duration) -> Ended {
        let Some(status) = self.end(within) else {
            panic!("{} did not end within {within:?}; it said:\n{}", self.name, self.said());
        };
        self.ended = true;
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        Ended { code: status.code(), stdout: self.stdout.text(), stderr: self.stderr.text() }
    }

    fn end(&mut self, within: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + within;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            if Instant::now() > until {
                return None;
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// All that it printed.
    pub fn said(&self) -> String {
        format!("--- stdout\n{}\n--- stderr\n{}", self.stdout.text(), self.stderr.text())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("=== {} said:\n{}", self.name, self.said());
        }
    }
}
