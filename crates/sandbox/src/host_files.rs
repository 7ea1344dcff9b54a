//! The host's side of a program's files: what it reads is opened here, what it leaves is written here.

use crate::outcome::{OutputFile, SandboxError};
use crate::profile::{DEPTH_MAX, NAME_MAX};
use crate::request::RunRequest;
use crate::world::WorldSpec;
use golem_protocol::{ByteCount, ContentHash};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Opens a program's inputs by their number.
pub(crate) trait InputSource: Send {
    /// Opens an input for reading, from its beginning.
    fn open(&mut self, index: u32) -> io::Result<File>;
}

/// The paths of a request, by the numbers that [`WorldSpec`] gives them.
impl InputSource for Vec<PathBuf> {
    fn open(&mut self, index: u32) -> io::Result<File> {
        File::open(input_path(self, index))
    }
}

/// The path of an input; an empty one where there is no such input, which nothing opens.
pub(crate) fn input_path(paths: &[PathBuf], index: u32) -> &Path {
    paths.get(index as usize).map_or(Path::new(""), PathBuf::as_path)
}

/// Separates what a world is made of from the host's paths.
///
/// Errors: an input that is not there or no file.
pub(crate) fn look(request: &RunRequest) -> Result<(WorldSpec, Vec<PathBuf>), SandboxError> {
    let stdin = request.stdin.as_deref().map(file_size).transpose()?;
    let mut paths = vec![request.stdin.clone().unwrap_or_default()];
    let mut inputs = Vec::with_capacity(request.inputs.len());
    for input in &request.inputs {
        inputs.push((input.guest_path.clone(), file_size(&input.host_path)?));
        paths.push(input.host_path.clone());
    }
    let (args, seed, limits) = (request.args.clone(), request.seed, request.limits.clone());
    Ok((WorldSpec { args, stdin, inputs, seed, limits }, paths))
}

fn file_size(path: &Path) -> Result<u64, SandboxError> {
    let failed = |e: io::Error| SandboxError::io("read the input", path, &e);
    let meta = fs::metadata(path).map_err(failed)?;
    if !meta.is_file() {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file")));
    }
    Ok(meta.len())
}

/// An output folder being filled.
pub(crate) struct OutputFolder {
    path: PathBuf,
    files: Vec<OutputFile>,
}

impl OutputFolder {
    /// Errors: it has something in it, or cannot be made.
    pub(crate) fn prepare(path: &Path) -> Result<OutputFolder, SandboxError> {
        fs::create_dir_all(path).map_err(|e| SandboxError::io("create the output folder", path, &e))?;
        let mut entries = fs::read_dir(path).map_err(|e| SandboxError::io("read the output folder", path, &e))?;
        match entries.next() {
            None => Ok(OutputFolder { path: path.to_owned(), files: Vec::new() }),
            Some(_) => Err(SandboxError::OutputNotEmpty { path: path.to_owned() }),
        }
    }

    pub(crate) fn make_dir(&mut self, path: &str) -> Result<(), SandboxError> {
        let host = self.path.join(path);
        fs::create_dir(&host).map_err(|e| SandboxError::io("create", &host, &e))
    }

    /// Writes a file of so many bytes, taken from `bytes`, whose errors are those of the machine.
    pub(crate) fn write(&mut self, path: &str, bytes: &mut impl Read, size: u64) -> Result<(), SandboxError> {
        let host = self.path.join(path);
        let mut hasher = blake3::Hasher::new();
        let mut write = || -> io::Result<()> {
            let mut file = File::create_new(&host)?;
            let mut buffer = vec![0; (size as usize).clamp(1, COPY_BYTES)];
            let mut left = size;
            while left > 0 {
                let part = &mut buffer[..left.min(COPY_BYTES as u64) as usize];
                bytes.read_exact(part)?;
                hasher.update(part);
                file.write_all(part)?;
                left -= part.len() as u64;
            }
            Ok(())
        };
        write().map_err(|e| SandboxError::io("write the output", &host, &e))?;
        let digest = ContentHash(hasher.finalize().as_bytes().into());
        self.files.push(OutputFile { path: path.to_owned(), digest, size: ByteCount::from_bytes(size) });
        Ok(())
    }

    /// What was written, sorted by path.
    pub(crate) fn into_files(mut self) -> Vec<OutputFile> {
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        self.files
    }
}

/// How much is copied at once. Reason: more gains nothing.
const COPY_BYTES: usize = 256 << 10;

/// Whether a path that a worker names stays below the folder it is joined to. A program's world makes no other; a
/// worker that was taken over might.
pub(crate) fn stays_below(path: &str) -> bool {
    let name = |name: &str| !name.is_empty() && name != "." && name != ".." && name.len() <= NAME_MAX;
    !path.contains('\0') && path.split('/').all(name) && path.split('/').count() <= DEPTH_MAX + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leads_out_is_seen() {
        let deep = ["d"; DEPTH_MAX + 2].join("/");
        for bad in ["", "/", "/etc/passwd", "..", "a/../b", "a//b", "a/", "./a", "a\0b", deep.as_str()] {
            assert!(!stays_below(bad), "{bad:?}");
        }
        assert!(stays_below("a/b.txt") && stays_below("..a"));
    }
}
