//! What the sandbox answers.

use golem_protocol::{ByteCount, ContentHash, Fuel};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a module that this machine gave up compiling is not tried again. Reason: each attempt may cost minutes, and a
/// task has many subtasks; yet the machine's load may have had a part in it.
const NOT_COMPILED_LIFE: Duration = Duration::from_secs(600);
/// How long a faulty one is not. Reason: its bytes stay as they are, but nothing is held against anybody for ever, and
/// looking again costs less than a compilation.
const FAULTY_LIFE: Duration = Duration::from_secs(86_400);

/// How a run went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOutcome {
    /// How it ended.
    pub exit: Exit,
    /// The work it did; the same on every machine.
    pub fuel: Fuel,
    /// The largest its linear memory has been.
    pub memory_peak: ByteCount,
    /// The last bytes of its standard error, as text.
    pub stderr_tail: String,
    /// What it wrote, sorted by path: standard output as [`crate::STDOUT_PATH`] where there is any, and the files of
    /// `/out`. Empty unless the program ended by itself.
    pub files: Vec<OutputFile>,
    /// How long the program took on this machine, in milliseconds, compiling not counted.
    pub wall_ms: u64,
}

impl RunOutcome {
    /// Of a program that never ran.
    pub(crate) fn without_run(exit: Exit) -> RunOutcome {
        RunOutcome {
            exit,
            fuel: Fuel::from_units(0),
            memory_peak: ByteCount::from_bytes(0),
            stderr_tail: String::new(),
            files: Vec::new(),
            wall_ms: 0,
        }
    }
}

/// A file that a program left behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputFile {
    /// Its path below the output folder.
    pub path: String,
    /// The BLAKE3 digest of its bytes.
    pub digest: ContentHash,
    /// Its size.
    pub size: ByteCount,
}

/// How a program ended. All but the first mean that it did not do its work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Exit {
    /// By itself, with an exit code; 0 is success.
    #[error("the program exited with code {code}")]
    Exited {
        /// The exit code.
        code: u32,
    },
    /// Its fuel was used up.
    #[error("the program used up its {} units of fuel; raise fuel_max (`--fuel-max`, or `fuel_max` in a manifest), or give each subtask less to do", .fuel_max.0)]
    OutOfFuel {
        /// The limit.
        fuel_max: Fuel,
    },
    /// It wanted more memory than it may have, and gave up.
    #[error(
        "the program needs more than its {memory_max} of memory; raise memory_max (`--memory-max`, or `memory_mib` in a manifest), or give each subtask less to do"
    )]
    OutOfMemory {
        /// The limit.
        memory_max: ByteCount,
    },
    /// It wanted larger tables than it may have, and gave up.
    #[error("the program needs more than its {table_elements_max} table elements; raise table_elements_max")]
    TableTooLarge {
        /// The limit.
        table_elements_max: u32,
    },
    /// It wrote too much.
    #[error(
        "the program wrote more than its {output_max} of output; raise output_max (`--output-max`, or `output_mib` in a manifest) if that is not a mistake"
    )]
    OutputTooLarge {
        /// The limit.
        output_max: ByteCount,
    },
    /// It made too many files or folders.
    #[error(
        "the program made more than {output_files_max} files and folders in /out; raise output_files_max, or write fewer"
    )]
    TooManyFiles {
        /// The limit.
        output_files_max: u32,
    },
    /// It took too long on this machine.
    #[error("the program did not end within {}; raise the timeout, or run it on a faster machine", span(*wall_ms))]
    WallClock {
        /// The limit in milliseconds.
        wall_ms: u64,
    },
    /// It did something that WebAssembly forbids.
    #[error("the program trapped: {kind}; run it on your own machine with the same input to find the fault")]
    Trapped {
        /// What it did.
        kind: TrapKind,
    },
    /// It cannot run here at all.
    #[error("the module cannot run: {0}")]
    BadModule(ModuleFault),
    /// This machine gave up compiling it.
    #[error("the module could not be compiled here: {0}")]
    NotCompiled(CompileFailure),
}

impl Exit {
    /// Whether the program did what it was asked to.
    pub fn is_success(&self) -> bool {
        *self == Exit::Exited { code: 0 }
    }

    /// How long the module is not tried again here, where it is the module that cannot run, whatever it is given.
    pub fn unfit_for(&self) -> Option<Duration> {
        let (Exit::BadModule(_) | Exit::NotCompiled(_)) = self else { return None };
        Some(if self.is_reproducible() { FAULTY_LIFE } else { NOT_COMPILED_LIFE })
    }

    /// Whether anybody who runs the same request must see the same exit.
    ///
    /// Not so for the wall clock and for compiling, which depend on the machine, nor for a native stack that is full, which
    /// depends on the processor: none of them proves anything against the one who reports it.
    pub fn is_reproducible(&self) -> bool {
        !matches!(
            self,
            Exit::WallClock { .. }
                | Exit::NotCompiled(_)
                | Exit::Trapped { kind: TrapKind::NativeStack }
                | Exit::BadModule(ModuleFault::NotCompiled { .. })
        )
    }
}

/// A limit as it was set: in seconds where it is in whole ones.
fn span(ms: u64) -> String {
    if ms.is_multiple_of(1_000) { format!("{} s", ms / 1_000) } else { format!("{ms} ms") }
}

/// Why a module was not compiled to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum CompileFailure {
    /// It took too long.
    #[error(
        "it was not done within {}; try again when this machine has less to do, or make the module smaller", span(*wall_ms)
    )]
    WallClock {
        /// The limit in milliseconds.
        wall_ms: u64,
    },
    /// It took too much processor time.
    #[error("it took more than {cpu_s} s of processor time; make the module smaller, or its functions")]
    Processor {
        /// The limit in seconds.
        cpu_s: u64,
    },
    /// It took too much memory.
    #[error("it took more than {} bytes of memory; make the module smaller, or its functions", .memory_max.0)]
    Memory {
        /// The limit.
        memory_max: ByteCount,
    },
    /// It made too much native code.
    #[error("it makes more than {} bytes of native code; make the module smaller", .code_max.0)]
    CodeTooLarge {
        /// The limit.
        code_max: ByteCount,
    },
    /// The compiler's process was killed from outside.
    #[error("the compiler was killed here, perhaps for lack of memory")]
    Killed,
    /// The compiler's process ended by itself.
    #[error("the compiler ended: {reason}; report the module to the authors of golem")]
    Crashed {
        /// What is known of it.
        reason: String,
    },
}

/// What a program did that WebAssembly forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TrapKind {
    /// Executed `unreachable`: a panic or an abort, mostly.
    Unreachable,
    /// Read or wrote outside of its memory.
    MemoryOutOfBounds,
    /// Used a table outside of its bounds.
    TableOutOfBounds,
    /// Called an empty table entry.
    CallToNull,
    /// Called a function as if it had another type.
    CallTypeMismatch,
    /// Integer overflow in a division or a conversion.
    IntegerOverflow,
    /// Integer division by zero.
    DivisionByZero,
    /// Converted a float that is no integer.
    BadConversion,
    /// Called too deep, by a count that is the same everywhere.
    StackOverflow,
    /// Filled the native stack before that count was used up, which no known program does.
    NativeStack,
    /// Any other trap of the engine.
    Unclassified,
}

impl fmt::Display for TrapKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TrapKind::Unreachable => "it reached `unreachable`, as a panic or an abort does",
            TrapKind::MemoryOutOfBounds => "an access outside of its memory",
            TrapKind::TableOutOfBounds => "an access outside of a table",
            TrapKind::CallToNull => "a call through an empty table entry",
            TrapKind::CallTypeMismatch => "an indirect call with the wrong type",
            TrapKind::IntegerOverflow => "an integer overflow",
            TrapKind::DivisionByZero => "an integer division by zero",
            TrapKind::BadConversion => "a float converted to an integer it does not fit",
            TrapKind::StackOverflow => "calls nested too deep for its stack",
            TrapKind::NativeStack => "calls nested too deep for this machine's stack",
            TrapKind::Unclassified => "an operation that is not allowed",
        })
    }
}

/// Where in a module something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModulePlace {
    /// Bytes from the module's beginning.
    pub offset: u64,
    /// The number of the function, imported ones counted, where it is in one.
    pub function: Option<u32>,
}

impl fmt::Display for ModulePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}", self.offset)?;
        match self.function {
            Some(function) => write!(f, ", in function {function}"),
            None => Ok(()),
        }
    }
}

/// Why a module cannot run here. The same on every machine, but for [`ModuleFault::NotCompiled`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ModuleFault {
    /// Not WebAssembly, or damaged.
    #[error("it is not valid WebAssembly: {reason} ({place}); build it again, or fetch it again if it was sent")]
    Invalid {
        /// What is wrong.
        reason: String,
        /// Where.
        place: ModulePlace,
    },
    /// It uses a part of WebAssembly that is not in the sandbox's profile.
    #[error("it uses {proposal} ({place}), which the sandbox does not have; {instead}")]
    Proposal {
        /// The proposal's name.
        proposal: String,
        /// What to do about it.
        instead: String,
        /// Where it is used first.
        place: ModulePlace,
    },
    /// It is a component and not a core module.
    #[error("it is a WebAssembly component; build it for WASI preview 1 (target wasm32-wasip1)")]
    Component,
    /// Too large to compile.
    #[error("it has {} bytes and the most is {}; strip debug sections, or move data to an input file", .size.0, .size_max.0)]
    TooLarge {
        /// Its size.
        size: ByteCount,
        /// The limit.
        size_max: ByteCount,
    },
    /// It wants something that the sandbox does not give.
    #[error("it imports `{module}` `{name}`, which the sandbox does not have; only wasi_snapshot_preview1 is offered")]
    MissingImport {
        /// The import's module.
        module: String,
        /// The import's name.
        name: String,
    },
    /// A WASI function imported with another type than it has.
    #[error(
        "it imports `{name}` as {got}, and in WASI preview 1 it is {want}; build it with a current wasi-libc or toolchain"
    )]
    ImportType {
        /// The import's name.
        name: String,
        /// The type it is imported with.
        got: String,
        /// The type it has.
        want: String,
    },
    /// It is not a program.
    #[error("it exports no `{export}`; build a command (with a main function), not a library")]
    MissingExport {
        /// What it lacks.
        export: String,
    },
    /// It has more of something than any module may.
    #[error("it has {got} {what} ({place}) and the most is {max}; {}", if what == "data segments" { "move data to an input file" } else { "split the program" })]
    TooManyResources {
        /// What it has too many of.
        what: String,
        /// How many it has.
        got: u64,
        /// The limit.
        max: u64,
        /// Where.
        place: ModulePlace,
    },
    /// Compiling it would take too long for its size.
    #[error(
        "it is too branched to compile in time: {got} of {max}, up to a function with {branches} branches and {locals} locals ({place}); split that function"
    )]
    TooComplex {
        /// The branches of the function that was one too many.
        branches: u64,
        /// Its parameters and locals.
        locals: u32,
        /// The count so far; see [`crate::profile::COMPLEXITY_MAX`].
        got: u64,
        /// The limit.
        max: u64,
        /// Where that function is.
        place: ModulePlace,
    },
    /// It is valid, and the compiler of this machine failed on it.
    #[error("the compiler failed on it: {reason}; split its largest functions")]
    NotCompiled {
        /// What it said.
        reason: String,
    },
}

/// Why there is no outcome: the fault of this machine or of the request, never of the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum SandboxError {
    /// Its owner cancelled the run; nothing was written.
    #[error("the run was cancelled")]
    Cancelled,
    /// As many programs run as there are slots. Nothing happened; a retry is safe.
    #[error("all {slots} slots of the sandbox are in use; wait for one to end, or raise `slots`")]
    Busy {
        /// How many there are.
        slots: u32,
    },
    /// The module file does not have the digest that the request names.
    #[error("{path:?} has the digest {got}, but {want} was asked for; fetch the module again")]
    WrongDigest {
        /// The file.
        path: PathBuf,
        /// Its digest.
        got: ContentHash,
        /// The digest asked for.
        want: ContentHash,
    },
    /// A guest path that is absolute, empty, leads upwards, or is taken twice.
    #[error("`{path}` cannot be a path in /in: {reason}")]
    BadInputPath {
        /// The path.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Too many arguments, or too long ones, or a NUL in one.
    #[error("the arguments cannot be passed: {reason}")]
    BadArgs {
        /// What is wrong with them.
        reason: String,
    },
    /// A limit that cannot be kept.
    #[error("{limit} of {got} is not possible; the most is {max}")]
    BadLimit {
        /// The limit's name.
        limit: String,
        /// What was asked for.
        got: u64,
        /// The most there is.
        max: u64,
    },
    /// The output folder has something in it.
    #[error("the output folder {path:?} is not empty; give each run a folder of its own")]
    OutputNotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// This machine could not read or write a file.
    #[error("cannot {action} {path:?}: {reason}")]
    Io {
        /// What was tried.
        action: String,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The worker process did not do its part: it crashed, was killed, or said what no honest one says. Whose fault it
    /// is cannot be told; a retry in a new process is safe.
    #[error("the program's worker process was lost: {reason}")]
    Worker {
        /// What is known of its end.
        reason: String,
    },
    /// Worker processes cannot be started or confined here. Nothing was run.
    #[error("programs cannot be kept apart from this process: {reason}")]
    Isolation {
        /// What is missing, and what to do.
        reason: String,
    },
    /// The benchmark took other fuel here than it takes on every machine that keeps the profile.
    #[error(
        "this machine counts {} units of fuel for a program that takes {} everywhere: others would find its results wrong, \
         and would not pay for them. Install the release of golem anew; where that does not help, its processor or its \
         memory makes mistakes, and it cannot be rented out", .got.0, .want.0
    )]
    Unfaithful {
        /// What it took here.
        got: Fuel,
        /// What it takes.
        want: Fuel,
    },
    /// The engine could not be set up or failed by itself.
    #[error("the WebAssembly engine failed: {reason}")]
    Engine {
        /// What it said.
        reason: String,
    },
}

impl SandboxError {
    pub(crate) fn io(action: &str, path: &Path, error: &std::io::Error) -> SandboxError {
        SandboxError::Io { action: action.to_owned(), path: path.to_owned(), reason: error.to_string() }
    }

    pub(crate) fn engine(error: impl fmt::Display) -> SandboxError {
        SandboxError::Engine { reason: format!("{error:#}") }
    }
}
