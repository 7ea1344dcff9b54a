//! From a module's bytes to a program that can start: compiled once, kept in memory and on disk.

use crate::cache::DiskCache;
use crate::native;
use crate::outcome::{ModuleFault, SandboxError};
use crate::profile::{self, MODULE_MAX};
use crate::request::{ModuleSource, SandboxConfig};
use crate::run::Guest;
use crate::validate;
use golem_protocol::{ByteCount, ContentHash};
use std::collections::VecDeque;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use wasmtime::{Engine, InstancePre, Linker, Module};

/// A program ready to start, or why it never will be.
pub(crate) type Program = Result<InstancePre<Guest>, ModuleFault>;

pub(crate) struct Modules {
    engine: Engine,
    linker: Linker<Guest>,
    /// The most recently used last.
    ready: Mutex<VecDeque<(ContentHash, InstancePre<Guest>)>>,
    ready_max: usize,
    disk: DiskCache,
    /// Held while a module is made ready, so that many subtasks of one task compile it once.
    making: Mutex<()>,
}

impl Modules {
    pub(crate) fn new(engine: Engine, linker: Linker<Guest>, config: &SandboxConfig) -> Result<Modules, SandboxError> {
        let disk = DiskCache::open(engine_id(&engine), config)?;
        let ready_max = config.cache_modules_max.max(1) as usize;
        Ok(Modules { engine, linker, ready: Mutex::default(), ready_max, disk, making: Mutex::default() })
    }

    pub(crate) fn load(&self, source: &ModuleSource) -> Result<Program, SandboxError> {
        let digest = digest_of(source);
        if let Some(ready) = self.ready(digest) {
            return Ok(Ok(ready));
        }
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = self.ready(digest) {
            return Ok(Ok(ready));
        }
        let module = match self.kept_on_disk(digest) {
            Some(module) => module,
            None => match self.compile(source, digest)? {
                Ok(module) => module,
                Err(fault) => return Ok(Err(fault)),
            },
        };
        // Its imports are what is offered here: the validator has seen to it.
        let pre = self.linker.instantiate_pre(&module).map_err(SandboxError::engine)?;
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.push_back((digest, pre.clone()));
        if ready.len() > self.ready_max {
            ready.pop_front();
        }
        Ok(Ok(pre))
    }

    /// Whether a module need not be compiled first.
    pub(crate) fn has(&self, digest: ContentHash) -> bool {
        self.ready(digest).is_some() || self.disk.has(digest)
    }

    fn kept_on_disk(&self, digest: ContentHash) -> Option<Module> {
        let module = native::deserialize(&self.engine, &self.disk.read(digest)?).ok();
        if module.is_none() {
            self.disk.remove(digest);
        }
        module
    }

    fn ready(&self, digest: ContentHash) -> Option<InstancePre<Guest>> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        let at = ready.iter().position(|(have, _)| *have == digest)?;
        let entry = ready.remove(at)?;
        let program = entry.1.clone();
        ready.push_back(entry);
        Some(program)
    }

    fn compile(&self, source: &ModuleSource, digest: ContentHash) -> Result<Result<Module, ModuleFault>, SandboxError> {
        let read;
        let bytes = match source {
            ModuleSource::Bytes(bytes) => bytes,
            ModuleSource::File { path, .. } => match read_module(path, digest)? {
                Ok(bytes) => {
                    read = bytes;
                    &read
                }
                Err(fault) => return Ok(Err(fault)),
            },
        };
        let started = std::time::Instant::now();
        let module = match compile(&self.engine, bytes)? {
            Ok(module) => module,
            Err(fault) => return Ok(Err(fault)),
        };
        tracing::info!(%digest, bytes = bytes.len(), ms = started.elapsed().as_millis() as u64, "module compiled");
        match module.serialize() {
            Ok(compiled) => self.disk.write(digest, &compiled),
            Err(error) => tracing::warn!(%digest, %error, "compiled module cannot be kept on disk"),
        }
        Ok(Ok(module))
    }
}

/// Names an engine whose compiled code this one can run.
pub(crate) fn engine_id(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    (profile::digest(), env!("CARGO_PKG_VERSION")).hash(&mut hasher);
    hasher.finish()
}

/// Checks a module's bytes and compiles them.
///
/// Errors: there was no memory to compile it, which is not the module's fault everywhere.
pub(crate) fn compile(engine: &Engine, bytes: &[u8]) -> Result<Result<Module, ModuleFault>, SandboxError> {
    let admitted = match validate::admit(bytes) {
        Ok(admitted) => admitted,
        Err(fault) => return Ok(Err(fault)),
    };
    match Module::from_binary(engine, &admitted) {
        Ok(module) => Ok(Ok(module)),
        Err(error) if out_of_memory(&error) => Err(SandboxError::engine(error)),
        Err(error) => Ok(Err(ModuleFault::NotCompiled { reason: format!("{error:#}") })),
    }
}

fn out_of_memory(error: &wasmtime::Error) -> bool {
    error.is::<wasmtime::error::OutOfMemory>()
        || error.chain().any(|cause| {
            let io = cause.downcast_ref::<std::io::Error>();
            io.is_some_and(|io| io.kind() == std::io::ErrorKind::OutOfMemory)
        })
}

pub(crate) fn digest_of(source: &ModuleSource) -> ContentHash {
    match source {
        ModuleSource::Bytes(bytes) => hash(bytes),
        ModuleSource::File { digest, .. } => *digest,
    }
}

fn hash(bytes: &[u8]) -> ContentHash {
    ContentHash(blake3::hash(bytes).as_bytes().into())
}

fn too_large(size: u64) -> ModuleFault {
    ModuleFault::TooLarge { size: ByteCount::from_bytes(size), size_max: MODULE_MAX }
}

/// Reads a module that must have a digest. One that is too large is hashed all the same: only then is that its fault.
pub(crate) fn read_module(path: &Path, want: ContentHash) -> Result<Result<Vec<u8>, ModuleFault>, SandboxError> {
    let failed = |e: std::io::Error| SandboxError::io("read the module", path, &e);
    let size = fs::metadata(path).map_err(failed)?.len();
    let (bytes, got) = if size > MODULE_MAX.0 {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(path).map_err(failed)?).map_err(failed)?;
        (Err(too_large(size)), ContentHash(hasher.finalize().as_bytes().into()))
    } else {
        let bytes = fs::read(path).map_err(failed)?;
        let got = hash(&bytes);
        (Ok(bytes), got)
    };
    if got != want {
        return Err(SandboxError::WrongDigest { path: path.to_owned(), got, want });
    }
    Ok(bytes)
}
