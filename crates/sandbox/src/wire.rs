//! What the sandbox and its workers say to each other, over a pair of connected sockets.
//!
//! Shape: a message is its length in 4 bytes, little endian, then postcard. Where a message says so, one byte with a
//! descriptor follows it (parent to worker only), or so many bytes as it names.

use crate::cancel::CancelToken;
use crate::outcome::{Exit, ModuleFault};
use crate::request::Pace;
use crate::run::RunFailure;
use crate::sandbox::Landlock;
use crate::ticker::TICK;
use crate::world::WorldSpec;
use golem_protocol::{ByteCount, Fuel};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fs::File;
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Raised with any change of a message.
pub(crate) const WIRE_VERSION: u32 = 1;
/// The longest message of a worker. Reason: the longest honest one says what is wrong with a module, names of 100,000
/// bytes included.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// The longest message to a worker. Reason: a run may have 100,000 inputs, each with a path.
const ASK_BYTES_MAX: usize = 256 << 20;

/// The first message to a worker, which knows nothing yet of who asks for what.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub role: Role,
    pub bounds: Bounds,
}

/// What a worker is for, until its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Role {
    /// Compiles one module, on so many threads.
    Compile { threads: u32 },
    /// Runs one program for one owner, many times.
    Run,
}

/// What a worker process may take of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bounds {
    /// Memory that it can write.
    pub data_bytes: u64,
    /// Processor time, in its whole life.
    pub cpu_s: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// Compile the module of so many bytes in the file whose descriptor follows.
    Compile { bytes: u64 },
    /// Take the compiled code of so many bytes in the file whose descriptor follows.
    Load { bytes: u64 },
    /// Run what was loaded.
    Run { spec: WorldSpec, pace: Pace },
    /// The input asked for; its descriptor follows.
    Input,
    /// The input asked for cannot be opened.
    NoInput { reason: String },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// Confined, and told nothing yet.
    Ready { version: u32, engine: u64, landlock: Landlock },
    /// The code, of so many bytes, follows.
    Compiled { bytes: u64 },
    /// The module cannot run here.
    Faulty(ModuleFault),
    /// The code is ready to run.
    Loaded,
    /// The input of this number is needed.
    NeedInput { index: u32 },
    /// The run has ended. If the program ended by itself, what it left follows.
    Ended(Box<Ended>),
    /// A folder that was left.
    Dir { path: String },
    /// A file that was left; its bytes follow.
    File { path: String, bytes: u64 },
    /// That was all that was left.
    Done,
    /// No end of the program's own.
    Failed(RunFailure),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub exit: Exit,
    pub fuel: Fuel,
    pub memory_peak: ByteCount,
    pub stderr_tail: String,
    pub took: Duration,
}

/// Why nothing more comes from the other side.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error("it ended")]
    Closed,
    #[error("it did not answer in time")]
    Late,
    #[error("cancelled")]
    Cancelled,
    #[error("a message of {bytes} bytes, and the most is {max}")]
    TooLong { bytes: usize, max: usize },
    #[error("it said what nobody says at this point: {0}")]
    Malformed(String),
    #[error("{0}")]
    Io(std::io::Error),
}

/// How long something may take.
#[derive(Clone, Copy)]
pub(crate) struct Until<'a> {
    pub ends: Instant,
    pub cancel: &'a CancelToken,
}

impl Until<'_> {
    fn check(&self) -> Result<(), WireError> {
        if self.cancel.is_cancelled() {
            return Err(WireError::Cancelled);
        }
        if Instant::now() >= self.ends { Err(WireError::Late) } else { Ok(()) }
    }
}

/// The parent's end. It never waits for a worker without looking at the clock.
pub(crate) struct ParentWire {
    stream: UnixStream,
}

impl ParentWire {
    pub(crate) fn new(stream: UnixStream) -> std::io::Result<ParentWire> {
        stream.set_read_timeout(Some(TICK / 2))?;
        stream.set_write_timeout(Some(TICK / 2))?;
        Ok(ParentWire { stream })
    }

    pub(crate) fn tell(&mut self, message: &impl Serialize, until: Until<'_>) -> Result<(), WireError> {
        let bytes = frame(message, ASK_BYTES_MAX)?;
        let mut left = &bytes[..];
        while !left.is_empty() {
            until.check()?;
            match self.stream.write(left) {
                Ok(written) => left = &left[written..],
                Err(error) => retry(error)?,
            }
        }
        Ok(())
    }

    /// Tells something that a descriptor belongs to.
    pub(crate) fn tell_with(
        &mut self,
        message: &impl Serialize,
        file: impl AsFd,
        until: Until<'_>,
    ) -> Result<(), WireError> {
        self.tell(message, until)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let fds = [file.as_fd()];
        loop {
            until.check()?;
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
                return Err(WireError::Malformed("no room for a descriptor".to_owned()));
            }
            match sendmsg(&self.stream, &[IoSlice::new(&[0])], &mut control, SendFlags::NOSIGNAL) {
                Ok(_) => return Ok(()),
                Err(error) => retry(error.into())?,
            }
        }
    }

    pub(crate) fn hear(&mut self, until: Until<'_>) -> Result<Answer, WireError> {
        let mut length = [0; 4];
        self.fill(&mut length, until)?;
        let mut body = vec![0; length_of(length, ANSWER_BYTES_MAX)?];
        self.fill(&mut body, until)?;
        parse(&body)
    }

    /// Bytes that follow a message.
    pub(crate) fn fill(&mut self, mut into: &mut [u8], until: Until<'_>) -> Result<(), WireError> {
        while !into.is_empty() {
            until.check()?;
            match self.stream.read(into) {
                Ok(0) => return Err(WireError::Closed),
                Ok(read) => into = &mut into[read..],
                Err(error) => retry(error)?,
            }
        }
        Ok(())
    }
}

/// The worker's end. It waits for ever: it ends with its parent.
pub(crate) struct WorkerWire {
    stream: UnixStream,
}

impl WorkerWire {
    pub(crate) fn new(stream: UnixStream) -> WorkerWire {
        WorkerWire { stream }
    }

    pub(crate) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    pub(crate) fn tell(&self, message: &Answer) -> Result<(), WireError> {
        self.send(&frame(message, ANSWER_BYTES_MAX)?)
    }

    pub(crate) fn send(&self, bytes: &[u8]) -> Result<(), WireError> {
        (&self.stream).write_all(bytes).map_err(WireError::Io)
    }

    pub(crate) fn hear<T: DeserializeOwned>(&self) -> Result<T, WireError> {
        let mut length = [0; 4];
        self.fill(&mut length)?;
        let mut body = vec![0; length_of(length, ASK_BYTES_MAX)?];
        self.fill(&mut body)?;
        parse(&body)
    }

    fn fill(&self, into: &mut [u8]) -> Result<(), WireError> {
        match (&self.stream).read_exact(into) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(WireError::Closed),
            read => read.map_err(WireError::Io),
        }
    }

    /// The descriptor that follows a message.
    pub(crate) fn take_file(&self) -> Result<File, WireError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let got = recvmsg(&self.stream, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC);
        if got.map_err(|error| WireError::Io(error.into()))?.bytes == 0 {
            return Err(WireError::Closed);
        }
        let mut fds: Vec<OwnedFd> = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        fds.pop().map(File::from).ok_or_else(|| WireError::Malformed("no descriptor".to_owned()))
    }
}

fn frame(message: &impl Serialize, max: usize) -> Result<Vec<u8>, WireError> {
    let mut bytes = vec![0; 4];
    bytes = postcard::to_extend(message, bytes).map_err(|error| WireError::Malformed(error.to_string()))?;
    let length = bytes.len() - 4;
    if length > max {
        return Err(WireError::TooLong { bytes: length, max });
    }
    bytes[..4].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(bytes)
}

fn length_of(length: [u8; 4], max: usize) -> Result<usize, WireError> {
    let bytes = u32::from_le_bytes(length) as usize;
    if bytes > max { Err(WireError::TooLong { bytes, max }) } else { Ok(bytes) }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, WireError> {
    match postcard::take_from_bytes(body) {
        Ok((message, [])) => Ok(message),
        Ok((_, rest)) => Err(WireError::Malformed(format!("{} bytes after a message", rest.len()))),
        Err(error) => Err(WireError::Malformed(error.to_string())),
    }
}

/// Nothing came within the timeout, which is no error by itself.
fn retry(error: std::io::Error) -> Result<(), WireError> {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => Ok(()),
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => Err(WireError::Closed),
        _ => Err(WireError::Io(error)),
    }
}
