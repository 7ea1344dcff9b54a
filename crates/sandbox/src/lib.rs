//! Runs one subtask: a WebAssembly program under limits of fuel, memory, output and time, with the same bytes and
//! the same fuel on every machine.
//!
//! Start from [`Sandbox`]: build one per process, then call [`Sandbox::run`] from a blocking thread for each subtask.
//!
//! ```text
//! RunRequest ──> load module ──> cache in memory ──> cache on disk (keyed hash) ──> validate ──> compile
//!                    │
//!                    v
//!               run `_start` in a world of its own: /in (read-only), /out, arguments, a seed, a virtual clock
//!                    │           fuel, memory, output: counted;  wall clock, cancel, pace: every 10 ms
//!                    v
//! RunOutcome: exit, fuel, peak memory, stderr tail, files written to the output folder with their BLAKE3 digests
//! ```
//!
//! **What the program sees.** WASI preview 1, implemented here and not by a host's file system: a tree held in memory
//! with `/in` (the request's files, nothing else), `/out`, and `.` which is `/out` too. Inode numbers, times and the
//! order of a directory are the tree's own, so nothing of the host shows through; there are no links, and no path is
//! ever passed to the host, so there is nothing to escape by. Randomness comes from the request's seed. The clock
//! starts at a fixed date and advances one nanosecond per unit of fuel; sleeping moves it and takes no time.
//! The environment is empty, there is no network, and there are no threads.
//!
//! **What decides the result.** [`profile`] states it in one place: the WebAssembly features, canonical NaNs,
//! how deep calls may nest, the cost of a host call. A validator of our own holds modules
//! to it before they are compiled. One limit remains outside that promise, the wall clock; see
//! [`Exit::is_reproducible`].
//!
//! **Where it runs** ([`Isolation`]). By [`Isolation::Process`] nothing of a module is compiled or run in this process:
//!
//! ```text
//! this process: keys, network, disk                 workers: none of these
//!   Sandbox::run ──> compiled code at hand? ──no──> a compiler for this module, once: bytes in, code out
//!                    │ yes                          (CompileLimits: time, processor, memory, code)
//!                    v
//!                    a worker of this owner and this module, waiting or new ──> loads the code, runs, answers
//!                    │    opens inputs when they are read and passes their descriptors
//!                    v
//!                    writes the output folder from what the worker says, believing none of it
//! ```
//!
//! A worker is the same program, started with [`WORKER_COMMAND`]. Before it reads a byte that is not its parent's it takes
//! from itself all files, sockets, processes and signals by resource limits, Landlock and seccomp; the code says in which
//! order and why. It dies with its parent. One that crashes, is killed, does not react or lies is a failed run
//! ([`SandboxError::Worker`]). By [`Isolation::InProcess`] modules are compiled and run here, with the same outcomes to the
//! byte; compiling then takes a time about linear in the module's size ([`profile::MODULE_MAX`],
//! [`profile::COMPLEXITY_MAX`]) and is not bounded otherwise.
//!
//! **Never**: it does not know who asked or who pays, opens no socket but those to its workers, follows no path that a
//! program names, and trusts no compiled code that it did not write itself.

mod benchmark;
mod cache;
mod cancel;
#[cfg(target_os = "linux")]
mod compiled;
#[cfg(target_os = "linux")]
mod confine;
mod host_files;
mod modules;
mod native;
mod outcome;
pub mod profile;
mod request;
mod run;
mod sandbox;
mod signatures;
mod stack;
mod ticker;
mod validate;
mod wasi;
#[cfg(target_os = "linux")]
mod wire;
#[cfg(target_os = "linux")]
mod worker;
#[cfg(target_os = "linux")]
mod worker_process;
#[cfg(target_os = "linux")]
mod workers;
mod world;

#[cfg(test)]
mod tests;

pub use benchmark::Performance;
pub use cancel::CancelToken;
pub use outcome::{CompileFailure, Exit, ModuleFault, ModulePlace, OutputFile, RunOutcome, SandboxError, TrapKind};
pub use request::{
    CompileLimits, InputFile, Isolation, Limits, ModuleSource, Pace, PaceError, RunRequest, SandboxConfig,
};
pub use sandbox::{Confinement, Landlock, Sandbox};
#[cfg(target_os = "linux")]
pub use worker::{ConfinedWorker, sandbox_worker};

/// The argument by which a program is told to be a worker: see [`Isolation::this_program`].
pub const WORKER_COMMAND: &str = "sandbox-worker";

/// The name under which a program's standard output is kept among its output files. A program cannot create a file
/// of this name in `/out` itself.
pub const STDOUT_PATH: &str = "stdout";
