//! Compiled modules on disk, which only what this installation wrote is taken from.

use crate::outcome::SandboxError;
use crate::request::SandboxConfig;
use golem_protocol::ContentHash;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// Compiled modules on disk.
///
/// Shape: `DIGEST-ENGINE.cwasm`, 32 bytes of keyed BLAKE3 hash over the file's name and the rest, then what the
/// engine serialised. The key is made once and lies beside them. Native code is never taken from a file whose hash
/// does not fit: such a file is removed and the module compiled again.
pub(crate) struct DiskCache {
    folder: PathBuf,
    key: [u8; 32],
    engine_id: u64,
    size_max: u64,
    temporary: AtomicU64,
}

const MAC_LEN: usize = 32;

impl DiskCache {
    pub(crate) fn open(engine_id: u64, config: &SandboxConfig) -> Result<DiskCache, SandboxError> {
        // A folder of our own, so that narrowing its access cannot lock anybody out of the one that was named.
        let folder = config.cache_dir.join("compiled");
        fs::create_dir_all(&folder).map_err(|e| SandboxError::io("create the module cache", &folder, &e))?;
        narrow(&folder).map_err(|e| SandboxError::io("protect the module cache", &folder, &e))?;
        let key = load_key(&folder).map_err(|e| SandboxError::io("read the key of the module cache", &folder, &e))?;
        let size_max = config.cache_disk_max.0;
        Ok(DiskCache { folder, key, engine_id, size_max, temporary: AtomicU64::new(0) })
    }

    fn name(&self, digest: ContentHash) -> String {
        format!("{:x}-{:016x}.cwasm", digest.0, self.engine_id)
    }

    fn mac(&self, name: &str, compiled: &[u8]) -> blake3::Hash {
        blake3::Hasher::new_keyed(&self.key).update(name.as_bytes()).update(&[0]).update(compiled).finalize()
    }

    /// The compiled code of a module, if it is here and this installation wrote it.
    pub(crate) fn read(&self, digest: ContentHash) -> Option<Vec<u8>> {
        let name = self.name(digest);
        let path = self.folder.join(&name);
        let mut bytes = fs::read(&path).ok()?;
        let genuine = bytes.split_at_checked(MAC_LEN).is_some_and(|(mac, compiled)| {
            // `blake3::Hash` compares in constant time.
            <[u8; MAC_LEN]>::try_from(mac).is_ok_and(|mac| self.mac(&name, compiled) == blake3::Hash::from(mac))
        });
        if !genuine {
            self.remove(digest);
            return None;
        }
        if let Ok(file) = File::options().append(true).open(&path) {
            // Its age decides what is removed when the cache is full.
            let _ = file.set_modified(SystemTime::now());
        }
        bytes.drain(..MAC_LEN);
        Some(bytes)
    }

    /// Whether there is a file for a module. What is in it is looked at when it is read.
    pub(crate) fn has(&self, digest: ContentHash) -> bool {
        self.folder.join(self.name(digest)).exists()
    }

    /// Takes out what cannot be used.
    pub(crate) fn remove(&self, digest: ContentHash) {
        let path = self.folder.join(self.name(digest));
        tracing::warn!(path = %path.display(), "compiled module is damaged or foreign; it is compiled again");
        let _ = fs::remove_file(&path);
    }

    /// Keeps the compiled code of a module. A cache that cannot be written costs time and nothing else.
    pub(crate) fn write(&self, digest: ContentHash, compiled: &[u8]) {
        let name = self.name(digest);
        let temporary =
            self.folder.join(format!("{}-{}.tmp", std::process::id(), self.temporary.fetch_add(1, Ordering::Relaxed)));
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&temporary)?;
            file.write_all(self.mac(&name, compiled).as_bytes())?;
            file.write_all(compiled)?;
            drop(file);
            // Readers see all of it or nothing.
            fs::rename(&temporary, self.folder.join(&name))
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
