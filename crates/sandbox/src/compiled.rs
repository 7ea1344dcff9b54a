//! The compiled code that workers are given: kept in memory and on disk, made in processes of its own.
//!
//! **Why code may be kept for all owners.** It is made by a confined process for each module, which is given that
//! module's bytes and nothing else, and ends afterwards. So whatever a module does to the compiler, it can change only
//! its own code. That code runs only where that very module, by its digest, was to run anyway, in workers that run
//! nothing else and hold nothing but the inputs of the run; this process never runs it. So a module can harm those who
//! run it in no way that it could not harm them by its WebAssembly. On disk it is kept with a keyed hash whose key no
//! worker has, and in memory it is sealed, so that no worker can change what the next one gets.

use crate::cache::DiskCache;
use crate::cancel::CancelToken;
use crate::modules;
use crate::outcome::{CompileFailure, Exit, SandboxError};
use crate::request::{CompileLimits, ModuleSource, SandboxConfig};
use crate::run::RunFailure;
use crate::ticker::TICK;
use crate::validate;
use crate::wire::{Answer, Ask, Bounds, Role, Setup, Until, WireError};
use crate::worker_process::{Lost, Spawner, WorkerProcess, unexpected};
use crate::workers::locked;
use golem_protocol::ContentHash;
use rustix::fs::{MemfdFlags, SealFlags};
use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The most compiled code that is kept in memory. Reason: as much as some large modules have.
const CODE_BYTES_MAX: u64 = 512 << 20;
/// How many modules that cannot be compiled are remembered. Reason: more than one machine has tasks of at a time.
const REFUSALS_MAX: usize = 64;

/// Compiled modules.
pub(crate) struct Compiled {
    disk: DiskCache,
    code: Mutex<VecDeque<(ContentHash, Arc<Code>)>>,
    code_modules_max: usize,
    refusals: Mutex<VecDeque<(ContentHash, Exit, Instant)>>,
    /// Modules that somebody compiles now.
    making: Mutex<HashSet<ContentHash>>,
    limits: CompileLimits,
}

/// Compiled code in a file of memory that nobody can change: several workers have it.
pub(crate) struct Code {
    pub file: File,
    pub bytes: u64,
}

/// Why there is no code, or no end of a run.
pub(crate) enum Trouble {
    Exit(Exit),
    Error(SandboxError),
}

impl From<SandboxError> for Trouble {
    fn from(error: SandboxError) -> Trouble {
        Trouble::Error(error)
    }
}

impl Trouble {
    pub(crate) fn split<T>(result: Result<T, Trouble>) -> Result<Result<T, Exit>, SandboxError> {
        match result {
            Ok(value) => Ok(Ok(value)),
            Err(Trouble::Exit(exit)) => Ok(Err(exit)),
            Err(Trouble::Error(error)) => Err(error),
        }
    }
}

impl Compiled {
    /// Errors: the cache folder cannot be created or protected, or its key is damaged.
    pub(crate) fn open(engine: u64, config: &SandboxConfig) -> Result<Compiled, SandboxError> {
        Ok(Compiled {
            disk: DiskCache::open(engine, config)?,
            code: Mutex::default(),
            code_modules_max: config.cache_modules_max.max(1) as usize,
            refusals: Mutex::default(),
            making: Mutex::default(),
            limits: config.compile.clone(),
        })
    }

    /// The compiled code of a module: from memory, from disk, or made.
    pub(crate) fn code(
        &self,
        spawner: &Spawner,
        source: &ModuleSource,
        cancel: &CancelToken,
    ) -> Result<Arc<Code>, Trouble> {
        let digest = modules::digest_of(source);
        loop {
            if let Some(code) = self.ready(digest) {
                return Ok(code);
            }
            if let Some(exit) = self.refusal(digest) {
                return Err(Trouble::Exit(exit));
            }
            if locked(&self.making).insert(digest) {
                break;
            }
            // Somebody else makes it.
            if cancel.sleep(TICK) {
                return Err(SandboxError::Cancelled.into());
            }
        }
        let _making = Making { making: &self.making, digest };
        if let Some(code) = self.ready(digest) {
            return Ok(code);
        }
        let bytes = match self.disk.read(digest) {
            Some(bytes) => bytes,
            None => self.make(spawner, source, digest, cancel)?,
        };
        let code = Arc::new(Code { bytes: bytes.len() as u64, file: sealed("compiled", &bytes)? });
        self.keep(digest, code.clone());
        Ok(code)
    }

    /// Whether a module need not be compiled first.
    pub(crate) fn has(&self, digest: ContentHash) -> bool {
        self.ready(digest).is_some() || self.disk.has(digest)
    }

    fn make(
        &self,
        spawner: &Spawner,
        source: &ModuleSource,
        digest: ContentHash,
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, Trouble> {
        let read;
        let module = match source {
            ModuleSource::Bytes(bytes) => bytes,
            ModuleSource::File { path, .. } => match modules::read_module(path, digest)? {
                Ok(bytes) => {
                    read = bytes;
                    &read
                }
                Err(fault) => return Err(Trouble::Exit(Exit::BadModule(fault))),
            },
        };
        // What is no module at all needs no process; the rest of it is looked at where it can do no harm.
        if let Err(fault) = validate::check_preamble(module) {
            return Err(Trouble::Exit(Exit::BadModule(fault)));
        }
        let began = Instant::now();
        let made = self.compile(spawner, module, cancel);
        let (bytes, ms) = (module.len(), began.elapsed().as_millis() as u64);
        match &made {
            Ok(code) => {
                tracing::info!(%digest, bytes, ms, "module compiled");
                self.disk.write(digest, code);
            }
            Err(Trouble::Exit(exit)) => {
                tracing::info!(%digest, bytes, ms, %exit, "module not compiled");
                self.refuse(digest, exit);
            }
            Err(Trouble::Error(_)) => {}
        }
        made
    }

    /// Compiles a module in a process of its own.
    fn compile(&self, spawner: &Spawner, module: &[u8], cancel: &CancelToken) -> Result<Vec<u8>, Trouble> {
        let limits = &self.limits;
        let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(8) as u32);
        let bounds = Bounds { data_bytes: limits.memory_max.0, cpu_s: limits.cpu_s };
        let file = sealed("module", module)?;
        let mut process = start_process(spawner, Setup { role: Role::Compile { threads }, bounds }, cancel)?;
        let until = Until { ends: Instant::now() + Duration::from_millis(limits.wall_ms), cancel };
        let wire = process.wire();
        let ask = Ask::Compile { bytes: module.len() as u64 };
        let answer =
            wire.tell_with(&ask, &file, until).and_then(|()| wire.hear(until)).and_then(|answer| match answer {
                Answer::Compiled { bytes } if bytes <= limits.code_max.0 => {
                    let mut code = vec![0; bytes as usize];
                    wire.fill(&mut code, until).map(|()| Ok(code))
                }
                other => Ok(Err(other)),
            });
        match answer {
            Ok(Ok(code)) => Ok(code),
            Ok(Err(Answer::Faulty(fault))) => Err(Trouble::Exit(Exit::BadModule(fault))),
            Ok(Err(Answer::Compiled { .. })) => {
                Err(not_compiled(CompileFailure::CodeTooLarge { code_max: limits.code_max }))
            }
            Ok(Err(Answer::Failed(RunFailure::NoMemory))) => {
                Err(not_compiled(CompileFailure::Memory { memory_max: limits.memory_max }))
            }
            Ok(Err(other)) => Err(compile_trouble(process.lost(unexpected(&other)), limits)),
            Err(why) => Err(compile_trouble(process.lost(why), limits)),
        }
    }

    fn ready(&self, digest: ContentHash) -> Option<Arc<Code>> {
        let mut kept = locked(&self.code);
        let at = kept.iter().position(|(have, _)| *have == digest)?;
        let entry = kept.remove(at)?;
        let code = entry.1.clone();
        kept.push_back(entry);
        Some(code)
    }

    fn keep(&self, digest: ContentHash, code: Arc<Code>) {
        let mut kept = locked(&self.code);
        kept.push_back((digest, code));
        let mut total: u64 = kept.iter().map(|(_, code)| code.bytes).sum();
        while kept.len() > 1 && (kept.len() > self.code_modules_max || total > CODE_BYTES_MAX) {
            total -= kept.pop_front().map_or(0, |(_, code)| code.bytes);
        }
    }

    pub(crate) fn forget(&self, digest: ContentHash) {
        locked(&self.code).retain(|(have, _)| *have != digest);
        self.disk.remove(digest);
    }

    fn refusal(&self, digest: ContentHash) -> Option<Exit> {
        let mut refusals = locked(&self.refusals);
        refusals.retain(|(_, exit, since)| exit.unfit_for().is_some_and(|life| since.elapsed() < life));
        refusals.iter().find(|(refused, ..)| *refused == digest).map(|(_, exit, _)| exit.clone())
    }

    fn refuse(&self, digest: ContentHash, exit: &Exit) {
        let mut refusals = locked(&self.refusals);
        refusals.push_back((digest, exit.clone(), Instant::now()));
        if refusals.len() > REFUSALS_MAX {
            refusals.pop_front();
        }
    }
}

pub(crate) fn start_process(
    spawner: &Spawner,
    setup: Setup,
    cancel: &CancelToken,
) -> Result<WorkerProcess, SandboxError> {
    let spawned =
        spawner.spawn().map_err(|error| SandboxError::Worker { reason: format!("it cannot be started: {error}") })?;
    WorkerProcess::ready(spawned, &setup, cancel).map(|(process, _)| process).map_err(lost)
}

pub(crate) fn lost(end: Lost) -> SandboxError {
    match end.why {
        WireError::Cancelled => SandboxError::Cancelled,
        _ => SandboxError::Worker { reason: end.to_string() },
    }
}

/// A file of memory with these bytes for ever.
fn sealed(name: &str, bytes: &[u8]) -> Result<File, SandboxError> {
    let make = || -> io::Result<File> {
        let file = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        let mut file = File::from(file);
        file.write_all(bytes)?;
        let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&file, seals)?;
        Ok(file)
    };
    make().map_err(|error| SandboxError::io("hold in memory", std::path::Path::new(name), &error))
}

fn not_compiled(failure: CompileFailure) -> Trouble {
    Trouble::Exit(Exit::NotCompiled(failure))
}

/// What the end of a compiler's process means.
fn compile_trouble(end: Lost, limits: &CompileLimits) -> Trouble {
    match (&end.why, end.signal()) {
        (WireError::Cancelled, _) => SandboxError::Cancelled.into(),
        (WireError::Late, _) => not_compiled(CompileFailure::WallClock { wall_ms: limits.wall_ms }),
        (WireError::Closed, Some(libc::SIGXCPU)) => not_compiled(CompileFailure::Processor { cpu_s: limits.cpu_s }),
        (WireError::Closed, Some(libc::SIGKILL)) => not_compiled(CompileFailure::Killed),
        // What Rust says when there is no memory for a value; then it aborts.
        (WireError::Closed, _) if end.words.contains("memory allocation of") => {
            not_compiled(CompileFailure::Memory { memory_max: limits.memory_max })
        }
        _ => not_compiled(CompileFailure::Crashed { reason: end.to_string() }),
    }
}

/// One module's compiling.
struct Making<'a> {
    making: &'a Mutex<HashSet<ContentHash>>,
    digest: ContentHash,
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        locked(self.making).remove(&self.digest);
    }
}
