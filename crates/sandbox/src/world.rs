//! All that a program can see: a tree of files held in memory, a clock, randomness.
//!
//! Every answer follows from the request alone. Host files are opened by their number in the request, never by a path
//! that the program made.

mod files;
mod tree;

use crate::host_files::InputSource;
use crate::outcome::SandboxError;
use crate::profile::CLOCK_START_NS;
use crate::request::Limits;
pub(crate) use files::{Files, Handle, OpenFlags};
use serde::{Deserialize, Serialize};
pub(crate) use tree::{NodeId, NodeKind};

/// A WASI error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(pub u16);

impl Errno {
    pub const ACCES: Errno = Errno(2);
    pub const BADF: Errno = Errno(8);
    pub const EXIST: Errno = Errno(20);
    pub const FAULT: Errno = Errno(21);
    pub const ILSEQ: Errno = Errno(25);
    pub const INVAL: Errno = Errno(28);
    pub const ISDIR: Errno = Errno(31);
    pub const MFILE: Errno = Errno(33);
    pub const NAMETOOLONG: Errno = Errno(37);
    pub const NOENT: Errno = Errno(44);
    pub const NOTDIR: Errno = Errno(54);
    pub const NOTEMPTY: Errno = Errno(55);
    pub const NOTSUP: Errno = Errno(58);
    pub const ROFS: Errno = Errno(69);
    pub const SPIPE: Errno = Errno(70);
    pub const XDEV: Errno = Errno(75);
    pub const NOTCAPABLE: Errno = Errno(76);
}

/// Why a program is stopped from the host's side.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Halt {
    #[error("exit {0}")]
    Exit(u32),
    #[error("out of fuel")]
    OutOfFuel,
    #[error("output limit")]
    OutputTooLarge,
    #[error("file limit")]
    TooManyFiles,
    #[error("wall clock")]
    WallClock,
    #[error("cancelled")]
    Cancelled,
    #[error("input {index}: {reason}")]
    Input { index: u32, reason: String },
}

/// What a world is made of: a request without the host's paths.
///
/// Shape: input 0 is standard input, the others are those of `/in` from 1 on, in the order of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WorldSpec {
    pub args: Vec<String>,
    /// The size of standard input, where there is any.
    pub stdin: Option<u64>,
    /// Paths below `/in`, and sizes.
    pub inputs: Vec<(String, u64)>,
    pub seed: [u8; 32],
    pub limits: Limits,
}

/// One thing that a program left behind.
pub(crate) enum Left<'a> {
    Dir(&'a str),
    File(&'a str, &'a [u8]),
}

/// An answer to the program, or its end.
#[derive(Debug)]
pub(crate) enum Fault {
    Errno(Errno),
    Halt(Halt),
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Fault {
        Fault::Errno(errno)
    }
}

/// One program's world.
pub(crate) struct World {
    pub args: Vec<String>,
    pub files: Files,
    slept_ns: u64,
    random: blake3::OutputReader,
}

impl World {
    /// A world with nothing in it that takes no output.
    pub(crate) fn empty() -> World {
        World::of(Vec::new(), Files::bare(0, Box::new(Vec::new())), &[0; 32])
    }

    /// Errors: a guest path that cannot be.
    pub(crate) fn build(spec: &WorldSpec, source: Box<dyn InputSource>) -> Result<World, SandboxError> {
        Ok(World::of(spec.args.clone(), Files::build(spec, source)?, &spec.seed))
    }

    fn of(args: Vec<String>, files: Files, seed: &[u8; 32]) -> World {
        let random = blake3::Hasher::new_keyed(seed).update(b"golem sandbox randomness 1").finalize_xof();
        World { args, files, slept_ns: 0, random }
    }

    /// Nanoseconds since the program started, as it sees them: one per unit of fuel, and what it slept.
    pub(crate) fn monotonic_ns(&self, fuel_used: u64) -> u64 {
        self.slept_ns.saturating_add(fuel_used)
    }

    pub(crate) fn realtime_ns(&self, fuel_used: u64) -> u64 {
        CLOCK_START_NS.saturating_add(self.monotonic_ns(fuel_used))
    }

    /// Moves the clock; no time passes outside.
    pub(crate) fn sleep(&mut self, ns: u64) {
        self.slept_ns = self.slept_ns.saturating_add(ns);
    }

    pub(crate) fn random(&mut self, into: &mut [u8]) {
        self.random.fill(into);
    }
}
