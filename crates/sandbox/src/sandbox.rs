//! The sandbox as its users see it, over what runs programs: this process, or workers.

use crate::cancel::CancelToken;
use crate::host_files::{self, OutputFolder};
use crate::modules::{Modules, digest_of};
use crate::outcome::{Exit, RunOutcome, SandboxError};
use crate::profile::{self, ARGS_MAX};
use crate::request::{Isolation, Limits, ModuleSource, Pace, RunRequest, SandboxConfig};
use crate::run::{Machine, RunFailure};
use crate::world::{Left, World, WorldSpec};
use golem_protocol::{B256, ByteCount, Fuel};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Runs programs. One per process: it holds the compiled modules, and the workers or the reserved memory.
///
/// [`Sandbox::run`] takes the calling thread for as long as the program runs; call it from several threads for
/// several programs at once.
pub struct Sandbox {
    backend: Backend,
}

enum Backend {
    Here(Here),
    #[cfg(target_os = "linux")]
    Workers(crate::workers::Workers),
}

/// What is in force between programs and this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confinement {
    /// WebAssembly alone.
    InProcess,
    /// Worker processes with all that this kernel has.
    Workers(Landlock),
}

/// How far this kernel's Landlock holds workers. Without it seccomp alone keeps them from files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Landlock {
    /// All rules are enforced.
    Full,
    /// The kernel knows some of the rules.
    Partial,
    /// The kernel has none, or it is switched off.
    Missing,
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Confinement::InProcess => "none: programs run in this process, kept apart by WebAssembly alone",
            Confinement::Workers(Landlock::Full) => "worker processes with limits, seccomp and Landlock",
            Confinement::Workers(Landlock::Partial) => {
                "worker processes with limits, seccomp and the part of Landlock that this kernel knows"
            }
            Confinement::Workers(Landlock::Missing) => {
                "worker processes with limits and seccomp; this kernel has no Landlock"
            }
        })
    }
}

/// One run, checked: what the request asks for without where its output goes.
pub(crate) struct Job<'a> {
    pub owner: B256,
    pub module: &'a ModuleSource,
    pub spec: &'a WorldSpec,
    /// The inputs' paths by their number.
    pub paths: &'a [PathBuf],
    pub pace: Pace,
}

/// How a program ended and was left.
pub(crate) struct Finished {
    pub exit: Exit,
    pub fuel: Fuel,
    pub memory_peak: ByteCount,
    pub stderr_tail: String,
    pub took: Duration,
}

/// Where a program's output goes; nowhere for one that may make none.
pub(crate) type Output<'a> = Option<&'a mut OutputFolder>;

impl Sandbox {
    /// Sets up the engine, its cache and its clock; with [`Isolation::Process`] starts a first worker, to see that it
    /// can be confined.
    ///
    /// Errors: the cache folder cannot be created or protected, its key is damaged, no thread can be started;
    /// `Isolation` where workers were asked for and cannot be had.
    pub fn new(config: SandboxConfig) -> Result<Sandbox, SandboxError> {
        let backend = match &config.isolation {
            Isolation::InProcess => Backend::Here(Here::new(&config)?),
            #[cfg(target_os = "linux")]
            Isolation::Process { .. } => Backend::Workers(crate::workers::Workers::start(config)?),
            #[cfg(not(target_os = "linux"))]
            Isolation::Process { .. } => {
                let reason = "worker processes need Linux; set isolation = \"none\" where you trust what you run";
                return Err(SandboxError::Isolation { reason: reason.to_owned() });
            }
        };
        Ok(Sandbox { backend })
    }

    /// A sandbox in this process, on an engine of which the caller says that it keeps the profile.
    #[cfg(test)]
    pub(crate) fn on(engine: wasmtime::Engine, config: &SandboxConfig) -> Result<Sandbox, SandboxError> {
        Ok(Sandbox { backend: Backend::Here(Here::on(Machine::on(engine)?, config)?) })
    }

    /// A sandbox in this process whose engine keeps these rules.
    ///
    /// Errors: as [`Sandbox::new`].
    #[cfg(feature = "bench")]
    pub fn with_rules(config: &SandboxConfig, rules: wasmtime::Config) -> Result<Sandbox, SandboxError> {
        Ok(Sandbox { backend: Backend::Here(Here::on(Machine::with(rules, config.slots)?, config)?) })
    }

    /// What is in force between programs and this process.
    pub fn confinement(&self) -> Confinement {
        match &self.backend {
            Backend::Here(_) => Confinement::InProcess,
            #[cfg(target_os = "linux")]
            Backend::Workers(workers) => Confinement::Workers(workers.landlock()),
        }
    }

    /// Runs one program to its end and writes what it left into the output folder.
    ///
    /// Blocks the calling thread. Whatever is the program's fault, or its module's, is in the outcome; an error is
    /// the fault of this machine or of the request, and then nothing is in the output folder but what could be
    /// written of it.
    pub fn run(&self, request: &RunRequest, cancel: &CancelToken, pace: Pace) -> Result<RunOutcome, SandboxError> {
        check_limits(&request.limits)?;
        check_args(&request.args)?;
        let (spec, paths) = host_files::look(request)?;
        // Also where a worker will build it again: a request that cannot be is refused before anything is started.
        let world = World::build(&spec, Box::new(paths.clone()))?;
        let mut folder = OutputFolder::prepare(&request.output_dir)?;
        let job = Job { owner: request.owner, module: &request.module, spec: &spec, paths: &paths, pace };
        let finished = match self.execute(&job, world, cancel, Some(&mut folder))? {
            Ok(finished) => finished,
            Err(exit) => return Ok(RunOutcome::without_run(exit)),
        };
        Ok(RunOutcome {
            exit: finished.exit,
            fuel: finished.fuel,
            memory_peak: finished.memory_peak,
            stderr_tail: finished.stderr_tail,
            files: folder.into_files(),
            wall_ms: finished.took.as_millis() as u64,
        })
    }

    /// Whether a module was compiled before, here or by an earlier process with the same cache: else the next run or
    /// [`Sandbox::prepare`] takes as long as that does.
    pub fn is_compiled(&self, module: &ModuleSource) -> bool {
        match &self.backend {
            Backend::Here(here) => here.modules.has(digest_of(module)),
            #[cfg(target_os = "linux")]
            Backend::Workers(workers) => workers.is_compiled(module),
        }
    }

    /// Checks a module and compiles it, so that the first run need not.
    ///
    /// Errors: as [`Sandbox::run`]; what would be the outcome of every run is the inner result.
    pub fn prepare(&self, module: &ModuleSource) -> Result<Result<(), Exit>, SandboxError> {
        match &self.backend {
            Backend::Here(here) => Ok(here.modules.load(module)?.map(drop).map_err(Exit::BadModule)),
            #[cfg(target_os = "linux")]
            Backend::Workers(workers) => workers.prepare(module, &CancelToken::new()),
        }
    }

    pub(crate) fn execute(
        &self,
        job: &Job<'_>,
        world: World,
        cancel: &CancelToken,
        output: Output<'_>,
    ) -> Result<Result<Finished, Exit>, SandboxError> {
        match &self.backend {
            Backend::Here(here) => here.run(job, world, cancel, output),
            #[cfg(target_os = "linux")]
            Backend::Workers(workers) => workers.run(job, cancel, output),
        }
    }
}

/// Programs in this process.
struct Here {
    machine: Machine,
    modules: Modules,
    slots: u32,
}

impl Here {
    fn new(config: &SandboxConfig) -> Result<Here, SandboxError> {
        Here::on(Machine::new(config.slots)?, config)
    }

    fn on(machine: Machine, config: &SandboxConfig) -> Result<Here, SandboxError> {
        let modules = Modules::new(machine.engine.clone(), machine.linker.clone(), config)?;
        Ok(Here { machine, modules, slots: config.slots })
    }

    fn run(
        &self,
        job: &Job<'_>,
        world: World,
        cancel: &CancelToken,
        output: Output<'_>,
    ) -> Result<Result<Finished, Exit>, SandboxError> {
        let program = match self.modules.load(job.module)? {
            Ok(program) => program,
            Err(fault) => return Ok(Err(Exit::BadModule(fault))),
        };
        let ended = self.machine.execute(&program, world, &job.spec.limits, cancel, job.pace);
        let ended = ended.map_err(|failure: RunFailure| failure.into_error(job.paths, self.slots))?;
        if let (Exit::Exited { .. }, Some(folder)) = (&ended.exit, output) {
            ended.world.files.left(&mut |left| match left {
                Left::Dir(path) => folder.make_dir(path),
                Left::File(path, bytes) => folder.write(path, &mut &bytes[..], bytes.len() as u64),
            })?;
        }
        Ok(Ok(Finished {
            exit: ended.exit,
            fuel: ended.fuel,
            memory_peak: ended.memory_peak,
            stderr_tail: ended.world.files.stderr_tail(),
            took: ended.took,
        }))
    }
}

fn check_limits(limits: &Limits) -> Result<(), SandboxError> {
    let checks = [
        ("memory_max", limits.memory_max.0, profile::MEMORY_MAX.0),
        ("table_elements_max", limits.table_elements_max.into(), profile::TABLE_ELEMENTS_MAX.into()),
        ("output_max", limits.output_max.0, profile::OUTPUT_MAX.0),
        ("output_files_max", limits.output_files_max.into(), profile::OUTPUT_FILES_MAX.into()),
        ("stderr_tail_max", limits.stderr_tail_max.0, profile::STDERR_TAIL_MAX.0),
        // The engine counts fuel in signed 64 bits.
        ("fuel_max", limits.fuel_max.0, i64::MAX as u64),
        // A year; beyond it, adding to the clock could overflow.
        ("wall_ms", limits.wall_ms, 366 * 86_400_000),
    ];
    for (limit, got, max) in checks {
        if got > max {
            return Err(SandboxError::BadLimit { limit: limit.to_owned(), got, max });
        }
    }
    Ok(())
}

fn check_args(args: &[String]) -> Result<(), SandboxError> {
    let bytes: usize = args.iter().map(|arg| arg.len() + 1).sum();
    let bad = |reason: String| Err(SandboxError::BadArgs { reason });
    if args.len() > ARGS_MAX.0 || bytes > ARGS_MAX.1 {
        let (count, size) = ARGS_MAX;
        return bad(format!("{} with {bytes} bytes, and the most is {count} with {size} bytes", args.len()));
    }
    match args.iter().find(|arg| arg.contains('\0')) {
        Some(arg) => bad(format!("{arg:?} has a NUL in it")),
        None => Ok(()),
    }
}
