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
//! **Never**: it does not know who asked or who pays, opens no socket, follows no path that a program names, and
//! trusts no compiled code that it did not write itself. Compiling happens in this process and takes a time about
//! linear in the module's size ([`profile::MODULE_MAX`], [`profile::COMPLEXITY_MAX`]).
//!
//! Requests and outcomes are plain serialisable structs, so that a worker process can take over the running without
//! a change to callers.

mod benchmark;
mod cancel;
mod modules;
mod native;
mod outcome;
pub mod profile;
mod request;
mod run;
mod signatures;
mod stack;
mod ticker;
mod validate;
mod wasi;
mod world;

#[cfg(test)]
mod tests;

pub use benchmark::Performance;
pub use cancel::CancelToken;
pub use outcome::{Exit, ModuleFault, ModulePlace, OutputFile, RunOutcome, SandboxError, TrapKind};
pub use request::{InputFile, Limits, ModuleSource, Pace, PaceError, RunRequest, SandboxConfig};
pub use run::Sandbox;

/// The name under which a program's standard output is kept among its output files. A program cannot create a file
/// of this name in `/out` itself.
pub const STDOUT_PATH: &str = "stdout";
