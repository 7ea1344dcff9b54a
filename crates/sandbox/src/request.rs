//! What is asked of the sandbox.

use golem_protocol::{B256, ByteCount, ContentHash, Fuel};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How a process sets up its sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxConfig {
    /// Folder for compiled modules; created with access for its owner only.
    pub cache_dir: PathBuf,
    /// The most that compiled modules may take on disk; the least recently used go first.
    pub cache_disk_max: ByteCount,
    /// How many compiled modules are kept ready in memory.
    pub cache_modules_max: u32,
    /// How many programs may run at once; address space is reserved for each.
    pub slots: u32,
    /// What stands between a program and this process.
    pub isolation: Isolation,
    /// When compiling is given up. Kept only by [`Isolation::Process`].
    pub compile: CompileLimits,
    /// How long a worker process waits for more work of its owner before it is ended, in milliseconds.
    pub worker_idle_ms: u64,
}

impl SandboxConfig {
    /// The defaults: 2 GiB of compiled modules on disk, 16 in memory, 16 programs at once, in this process; workers,
    /// where there are any, wait for half a minute.
    pub fn new(cache_dir: impl Into<PathBuf>) -> SandboxConfig {
        SandboxConfig {
            cache_dir: cache_dir.into(),
            cache_disk_max: ByteCount::from_bytes(2 << 30),
            cache_modules_max: 16,
            slots: 16,
            isolation: Isolation::InProcess,
            compile: CompileLimits::default(),
            worker_idle_ms: 30_000,
        }
    }
}

/// What stands between a program and the process that asks for it to be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Isolation {
    /// WebAssembly alone: modules are compiled and run in this process. For a library's user whose own program has no
    /// way to be a worker, as a test has not.
    InProcess,
    /// Modules are compiled and run in worker processes that can reach nothing. Linux only.
    Process {
        /// The program to start as a worker. It must do nothing else before it calls [`crate::sandbox_worker`].
        program: PathBuf,
        /// Its arguments.
        args: Vec<String>,
    },
}

impl Isolation {
    /// Worker processes of the program that runs now, which must call [`crate::sandbox_worker`] first thing when its
    /// only argument is [`crate::WORKER_COMMAND`].
    pub fn this_program() -> Isolation {
        // Not the path it was started by: that may be another version by the time a worker is needed.
        Isolation::Process { program: "/proc/self/exe".into(), args: vec![crate::WORKER_COMMAND.to_owned()] }
    }
}

/// When compiling a module is given up. What a module takes differs between machines, so none of these proves anything
/// about the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompileLimits {
    /// The longest it may take, in milliseconds of real time.
    pub wall_ms: u64,
    /// The most processor time of all its threads together, in seconds.
    pub cpu_s: u64,
    /// The most memory.
    pub memory_max: ByteCount,
    /// The most native code.
    pub code_max: ByteCount,
}

impl Default for CompileLimits {
    /// Four minutes of processor time, ten of real time, 4 GiB, 1 GiB of code: a module of the largest size that is
    /// allowed takes half a minute and some 2 GiB. Real time ends only a compiler that waits: on a machine with other
    /// work the processor's says what a module takes.
    fn default() -> CompileLimits {
        CompileLimits {
            wall_ms: 600_000,
            cpu_s: 240,
            memory_max: ByteCount::from_bytes(4 << 30),
            code_max: ByteCount::from_bytes(1 << 30),
        }
    }
}

/// One program to run once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRequest {
    /// Whose work it is, as an opaque number: programs of two owners never share a worker process.
    pub owner: B256,
    /// The program.
    pub module: ModuleSource,
    /// Its arguments after its name; the name itself is always [`crate::profile::PROGRAM_NAME`].
    pub args: Vec<String>,
    /// The file it reads as standard input; without one, standard input is empty.
    pub stdin: Option<PathBuf>,
    /// The files it finds in `/in`.
    pub inputs: Vec<InputFile>,
    /// Where its output files are written when it has ended: a folder that is empty or does not exist yet.
    pub output_dir: PathBuf,
    /// What its randomness is drawn from.
    pub seed: [u8; 32],
    /// When it is stopped.
    pub limits: Limits,
}

/// Where the program is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModuleSource {
    /// The module's bytes.
    Bytes(Vec<u8>),
    /// A file that must have the given digest. It is not read where the compiled module is at hand.
    File {
        /// The file.
        path: PathBuf,
        /// The BLAKE3 digest it must have.
        digest: ContentHash,
    },
}

/// A file of the host shown to the program, read-only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFile {
    /// Its path below `/in`, such as `scene/room.obj`.
    pub guest_path: String,
    /// The file on this machine. It must not change while the program runs.
    pub host_path: PathBuf,
}

/// When a program is stopped. Every one is hard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The most work.
    pub fuel_max: Fuel,
    /// The largest linear memory. Growing beyond it fails inside the program, which mostly gives up.
    pub memory_max: ByteCount,
    /// The most elements in all tables together.
    pub table_elements_max: u32,
    /// The most output: standard output, standard error and files together.
    pub output_max: ByteCount,
    /// The most files and folders in `/out`.
    pub output_files_max: u32,
    /// How much of the end of standard error is kept.
    pub stderr_tail_max: ByteCount,
    /// The longest it may take on this machine, compiling not counted.
    ///
    /// Units: milliseconds of real time, time slept for [`Pace`] included.
    pub wall_ms: u64,
}

impl Default for Limits {
    /// 1e12 fuel, 1 GiB of memory, 256 MiB of output in 4096 files, ten minutes.
    fn default() -> Limits {
        Limits {
            fuel_max: Fuel::from_units(1_000_000_000_000),
            memory_max: ByteCount::from_bytes(1 << 30),
            table_elements_max: 100_000,
            output_max: ByteCount::from_bytes(256 << 20),
            output_files_max: 4096,
            stderr_tail_max: ByteCount::from_bytes(4096),
            wall_ms: 600_000,
        }
    }
}

/// Which share of a core a run may take; the rest of the time it sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Pace(u8);

impl Pace {
    /// A whole core.
    pub const FULL: Pace = Pace(100);

    /// A share of a core, from 1 to 100 percent.
    pub fn from_percent(percent: u8) -> Result<Pace, PaceError> {
        if (1..=100).contains(&percent) { Ok(Pace(percent)) } else { Err(PaceError { percent }) }
    }

    /// The share in percent.
    pub fn percent(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Pace {
    type Error = PaceError;
    fn try_from(percent: u8) -> Result<Pace, PaceError> {
        Pace::from_percent(percent)
    }
}

impl From<Pace> for u8 {
    fn from(pace: Pace) -> u8 {
        pace.0
    }
}

/// A share of a core outside of what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a pace of {percent} % is not possible; choose 1 to 100 percent of a core")]
pub struct PaceError {
    /// What was asked for.
    pub percent: u8,
}
