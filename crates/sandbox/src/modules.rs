//! From a module's bytes to a program that can start: compiled once, kept in memory and on disk.

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
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;
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
        let disk = DiskCache::open(&engine, config)?;
        let ready_max = config.cache_modules_max.max(1) as usize;
        Ok(Modules { engine, linker, ready: Mutex::default(), ready_max, disk, making: Mutex::default() })
    }

    pub(crate) fn load(&self, source: &ModuleSource) -> Result<Program, SandboxError> {
        let digest = match source {
            ModuleSource::Bytes(bytes) => hash(bytes),
            ModuleSource::File { digest, .. } => *digest,
        };
        if let Some(ready) = self.ready(digest) {
            return Ok(Ok(ready));
        }
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = self.ready(digest) {
            return Ok(Ok(ready));
        }
        let module = match self.disk.load(&self.engine, digest) {
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
        let admitted = match validate::admit(bytes) {
            Ok(admitted) => admitted,
            Err(fault) => return Ok(Err(fault)),
        };
        let started = std::time::Instant::now();
        let module = match Module::from_binary(&self.engine, &admitted) {
            Ok(module) => module,
            Err(error) => return Ok(Err(ModuleFault::NotCompiled { reason: format!("{error:#}") })),
        };
        tracing::info!(%digest, bytes = bytes.len(), ms = started.elapsed().as_millis() as u64, "module compiled");
        self.disk.store(&module, digest);
        Ok(Ok(module))
    }
}

fn hash(bytes: &[u8]) -> ContentHash {
    ContentHash(blake3::hash(bytes).as_bytes().into())
}

fn too_large(size: u64) -> ModuleFault {
    ModuleFault::TooLarge { size: ByteCount::from_bytes(size), size_max: MODULE_MAX }
}

/// Reads a module that must have a digest. One that is too large is hashed all the same: only then is that its fault.
fn read_module(path: &Path, want: ContentHash) -> Result<Result<Vec<u8>, ModuleFault>, SandboxError> {
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

/// Compiled modules on disk.
///
/// Shape: `DIGEST-ENGINE.cwasm`, 32 bytes of keyed BLAKE3 hash over the file's name and the rest, then what the
/// engine serialised. The key is made once and lies beside them. Native code is never taken from a file whose hash
/// does not fit: such a file is removed and the module compiled again.
struct DiskCache {
    folder: PathBuf,
    key: [u8; 32],
    engine_id: u64,
    size_max: u64,
    temporary: AtomicU64,
}

const MAC_LEN: usize = 32;

impl DiskCache {
    fn open(engine: &Engine, config: &SandboxConfig) -> Result<DiskCache, SandboxError> {
        // A folder of our own, so that narrowing its access cannot lock anybody out of the one that was named.
        let folder = config.cache_dir.join("compiled");
        fs::create_dir_all(&folder).map_err(|e| SandboxError::io("create the module cache", &folder, &e))?;
        narrow(&folder).map_err(|e| SandboxError::io("protect the module cache", &folder, &e))?;
        let key = load_key(&folder).map_err(|e| SandboxError::io("read the key of the module cache", &folder, &e))?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        (profile::digest(), env!("CARGO_PKG_VERSION")).hash(&mut hasher);
        let engine_id = hasher.finish();
        let size_max = config.cache_disk_max.0;
        Ok(DiskCache { folder, key, engine_id, size_max, temporary: AtomicU64::new(0) })
    }

    fn name(&self, digest: ContentHash) -> String {
        format!("{:x}-{:016x}.cwasm", digest.0, self.engine_id)
    }

    fn mac(&self, name: &str, compiled: &[u8]) -> blake3::Hash {
        blake3::Hasher::new_keyed(&self.key).update(name.as_bytes()).update(&[0]).update(compiled).finalize()
    }

    fn load(&self, engine: &Engine, digest: ContentHash) -> Option<Module> {
        let name = self.name(digest);
        let path = self.folder.join(&name);
        let bytes = fs::read(&path).ok()?;
        let genuine = bytes.split_at_checked(MAC_LEN).filter(|(mac, compiled)| {
            // `blake3::Hash` compares in constant time.
            <[u8; MAC_LEN]>::try_from(*mac).is_ok_and(|mac| self.mac(&name, compiled) == blake3::Hash::from(mac))
        });
        let module = genuine.and_then(|(_, compiled)| native::deserialize(engine, compiled).ok());
        if module.is_none() {
            tracing::warn!(path = %path.display(), "compiled module is damaged or foreign; it is compiled again");
            let _ = fs::remove_file(&path);
        } else if let Ok(file) = File::options().append(true).open(&path) {
            // Its age decides what is removed when the cache is full.
            let _ = file.set_modified(SystemTime::now());
        }
        module
    }

    /// Keeps a compiled module. A cache that cannot be written costs time and nothing else.
    fn store(&self, module: &Module, digest: ContentHash) {
        let name = self.name(digest);
        let temporary =
            self.folder.join(format!("{}-{}.tmp", std::process::id(), self.temporary.fetch_add(1, Ordering::Relaxed)));
        let write = || -> Result<(), Box<dyn std::error::Error>> {
            let compiled = module.serialize()?;
            let mut file = File::create(&temporary)?;
            file.write_all(self.mac(&name, &compiled).as_bytes())?;
            file.write_all(&compiled)?;
            drop(file);
            // Readers see all of it or nothing.
            Ok(fs::rename(&temporary, self.folder.join(&name))?)
        };
        if let Err(error) = write() {
            tracing::warn!(%digest, %error, "compiled module cannot be kept on disk");
            let _ = fs::remove_file(&temporary);
        }
        self.shrink();
    }

    /// Removes the least recently used until the rest fits.
    fn shrink(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.path().extension().is_some_and(|e| e == "cwasm" || e == "tmp"))
            .filter_map(|entry| {
                let meta = entry.metadata().ok()?;
                Some((meta.modified().ok()?, meta.len(), entry.path()))
            })
            .collect();
        files.sort();
        let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in files {
            if total <= self.size_max {
                break;
            }
            if fs::remove_file(path).is_ok() {
                total -= size;
            }
        }
    }
}

/// Takes all access from everybody but the owner.
fn narrow(folder: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Reads the key, or makes it. Of several processes that start at once, one makes it and all read that one.
fn load_key(folder: &Path) -> std::io::Result<[u8; 32]> {
    let path = folder.join("key");
    if !path.exists() {
        let temporary = folder.join(format!("{}-key.tmp", std::process::id()));
        fs::write(&temporary, rand::random::<[u8; 32]>())?;
        let linked = fs::hard_link(&temporary, &path);
        fs::remove_file(&temporary)?;
        match linked {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    let key = fs::read(&path)?;
    key.try_into().map_err(|key: Vec<u8>| {
        let reason = format!("it has {} bytes instead of 32; remove it and the compiled modules", key.len());
        std::io::Error::new(std::io::ErrorKind::InvalidData, reason)
    })
}
