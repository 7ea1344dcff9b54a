//! A trace of a run: what the machines start from, then each thing they are told, what they are given besides, and what they
//! want done. By it the same decisions can be made again, by nobody but the machines; see [`replay()`].
//!
//! ```text
//! told --> note it --> machine.apply --> effects --> one line of the file --> perform
//!                          ^ signatures, draws: noted as they are given
//! ```
//!
//! A line is written before anything of its step leaves the node, so a trace that ends with a `kill -9` holds all that was
//! done. A file that cannot be written any more ends the trace, never the node.

mod decisions;
mod format;
mod given;
mod replay;
#[cfg(test)]
mod tests;

pub use decisions::Decisions;
pub use format::TraceEnd;
pub(crate) use format::{MarketTold, ProviderTold, RequestorTold, Role};
pub(crate) use given::Notebook;
pub use replay::{Difference, Replay, ReplayError, replay};

use crate::error::StartError;
use crate::identity::NodeKeys;
use format::{BEGINNING, Head, Kept, Step, Sum, TRACE_FORMAT, Writes, provider_effect, requestor_effect};
use golem_deal::{ProviderEffect, Record, RequestorEffect};
use golem_protocol::Now;
use serde::Serialize;
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The most that a trace takes on disk; the one before it is kept beside it. Reason: hours of a busy provider, some
/// kilobytes a step, and more than anybody looks through.
pub const TRACE_BYTES_MAX: u64 = 1 << 30;
/// Kept free for the last line.
const END_BYTES: u64 = 128;

/// Where the loop writes its trace, if it does.
pub(crate) struct Tracer {
    notes: Notebook,
    open: Option<Open>,
}

struct Open {
    file: File,
    path: PathBuf,
    bytes: u64,
    bytes_max: u64,
    sum: Sum,
    steps: u64,
}

/// What was told and not written yet, where a trace is.
pub(crate) struct Told(Option<serde_json::Result<Value>>);

impl Tracer {
    /// Begins a trace where a path is given. An earlier trace there is kept as `NAME.old`.
    ///
    /// Errors: `Setting` where it cannot be begun, or another file is there.
    pub(crate) fn begin(
        path: Option<&Path>,
        notes: Notebook,
        keys: &NodeKeys,
        role: Role,
        records: &[Record],
    ) -> Result<Tracer, StartError> {
        let Some(path) = path else { return Ok(Tracer { notes, open: None }) };
        let head = Head {
            golem_trace: TRACE_FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            profile: golem_sandbox::profile::digest(),
            identity: keys.node_id().0,
            payment: keys.payment_address(),
            records: records.len() as u64,
            role,
        };
        let begun = Open::begin(path, &head, records, TRACE_BYTES_MAX);
        let open = begun.map_err(|error| StartError::Setting {
            setting: "trace",
            got: path.display().to_string(),
            step: format!(
                "{error}; name a file in a folder that can be written, with room on its disk, or set no trace"
            ),
        })?;
        tracing::info!(path = %path.display(), records = records.len(), "a trace is written");
        Ok(Tracer { notes, open: Some(open) })
    }

    /// Takes down what a machine or policy is about to be told.
    pub(crate) fn told<T: Serialize>(&self, told: impl FnOnce() -> T) -> Told {
        Told(self.open.as_ref().map(|_| serde_json::to_value(told())))
    }

    /// Writes down what came of it. Says why where the trace ends with that.
    pub(crate) fn provider(&mut self, told: Told, now: Now, effects: &[ProviderEffect]) -> Option<String> {
        self.write(told, now, || effects.iter().map(provider_effect).collect())
    }

    /// The same, of a requestor.
    pub(crate) fn requestor(&mut self, told: Told, now: Now, effects: &[RequestorEffect]) -> Option<String> {
        self.write(told, now, || effects.iter().map(requestor_effect).collect())
    }

    /// The same, of a policy's answer.
    pub(crate) fn policy<T: Serialize>(&mut self, told: Told, now: Now, answers: &[T]) -> Option<String> {
        self.write(told, now, || answers.iter().map(serde_json::to_value).collect())
    }

    fn write(
        &mut self,
        told: Told,
        now: Now,
        effects: impl FnOnce() -> serde_json::Result<Vec<Value>>,
    ) -> Option<String> {
        let (Some(told), Some(open)) = (told.0, &mut self.open) else { return None };
        let given = self.notes.take();
        let written = told.and_then(|told| Ok((told, effects()?))).map_err(io::Error::from);
        let written = written.and_then(|(told, effects)| open.step(Step { number: 0, now, told, given, effects }));
        let why = match written {
            Ok(Room::Left) => return None,
            Ok(Room::None) => format!("{} has {} MiB, and gets no more", open.path.display(), open.bytes_max >> 20),
            Err(error) => format!("{} cannot be written: {error}", open.path.display()),
        };
        self.notes.stop();
        self.open = None;
        tracing::warn!(why, "the trace ends here, the node goes on");
        Some(why)
    }

    /// Says that it ends because the node does.
    pub(crate) fn end(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        if let Err(error) = open.line(&Writes::End(TraceEnd::Stopped)) {
            tracing::warn!(%error, "the trace lacks its end");
        }
    }
}

/// Whether there is room for more.
enum Room {
    Left,
    None,
}

impl Open {
    fn begin(path: &Path, head: &Head, records: &[Record], bytes_max: u64) -> io::Result<Open> {
        set_aside(path)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        // It tells with whom this node deals, and holds vouchers.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        let mut open = Open { file, path: path.to_path_buf(), bytes: 0, bytes_max, sum: Sum::default(), steps: 0 };
        open.line(&Writes::Head(head))?;
        for record in records {
            if let Room::None = open.line(&Writes::Record(&Kept::from(record)))? {
                return Err(io::Error::other(format!("what the node starts from takes more than {bytes_max} bytes")));
            }
        }
        Ok(open)
    }

    fn step(&mut self, mut step: Step) -> io::Result<Room> {
        self.steps += 1;
        step.number = self.steps;
        self.line(&Writes::Step(&step))
    }

    /// Writes a line whole, or not at all.
    fn line(&mut self, writes: &Writes<'_>) -> io::Result<Room> {
        let (mut line, mut sum) = format::line(writes, self.sum)?;
        let is_end = matches!(writes, Writes::End(_));
        let fits = self.bytes.saturating_add(line.len() as u64).saturating_add(END_BYTES) <= self.bytes_max;
        if !fits && !is_end {
            (line, sum) = format::line(&Writes::End(TraceEnd::Bound), self.sum)?;
        }
        if let Err(error) = self.file.write_all(&line) {
            // What of it is there already would be a line that is cut off.
            let _ = self.file.set_len(self.bytes);
            return Err(error);
        }
        self.bytes += line.len() as u64;
        self.sum = sum;
        Ok(if fits || is_end { Room::Left } else { Room::None })
    }
}

/// Makes room for a trace: an earlier one is kept under another name, and one from before that goes.
///
/// Errors: something else is there.
fn set_aside(path: &Path) -> io::Result<()> {
    let is_file = match std::fs::symlink_metadata(path) {
        Ok(known) => known.is_file(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut beginning = vec![0; BEGINNING.len()];
    if !is_file || File::open(path)?.read_exact(&mut beginning).is_err() || beginning != BEGINNING {
        return Err(io::Error::other("something that is no trace is there"));
    }
    let mut old = path.as_os_str().to_owned();
    old.push(".old");
    std::fs::rename(path, old)
}
