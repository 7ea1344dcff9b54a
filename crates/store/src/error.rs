//! What can go wrong, said so that the reader knows what to do next.

use std::io;
use std::path::{Path, PathBuf};

/// Why a data folder could not be opened. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds it.
    #[error(
        "the data folder {path} is in use by {holder}: stop that process, or give this one its own folder",
        path = path.display(),
        holder = holder_text(*pid)
    )]
    Locked {
        /// The folder.
        path: PathBuf,
        /// The holder, as it wrote itself down; `None` where it had not yet.
        pid: Option<u32>,
    },
    /// It was written by a version of this program whose records are not ours.
    #[error(
        "the data folder {path} has record schema {found}, this program reads schema {expected}: {step}",
        path = path.display(),
        step = schema_step(*found, *expected)
    )]
    Schema {
        /// The folder.
        path: PathBuf,
        /// The version its records have.
        found: u32,
        /// The version this program reads and writes.
        expected: u32,
    },
    /// The store's own files have a layout this program does not know.
    #[error(
        "the data folder {path} has store format {found}, this program reads format {expected}: {step}",
        path = path.display(),
        step = schema_step(*found, *expected)
    )]
    Format {
        /// The folder.
        path: PathBuf,
        /// The layout it has.
        found: u32,
        /// The layout this program reads and writes.
        expected: u32,
    },
    /// It holds files, but not ours.
    #[error("the folder {path} is not empty and is no data folder (it has no file \"{missing}\"): choose an empty or a new one", path = path.display())]
    NotAStore {
        /// The folder.
        path: PathBuf,
        /// The file that a data folder has.
        missing: &'static str,
    },
    /// A file of it says something that was never written.
    #[error(
        "{path} is damaged at byte {offset}: {detail}. Records after it would be lost by going on: restore the folder from a backup, \
         or move it away and start anew (what is claimable on chain stays there)",
        path = path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What was found.
        detail: String,
    },
    /// The operating system said no.
    #[error("cannot {action} {path}: {source}{hint}", path = path.display(), hint = io_hint(source))]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The index over the journal could not be made. The journal is untouched.
    #[error("cannot build the index {path}: {detail}. The journal is whole; free space or remove that folder and start again", path = path.display())]
    Index {
        /// The index's folder.
        path: PathBuf,
        /// What sled said.
        detail: String,
    },
}

impl OpenError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
        let path = path.to_path_buf();
        move |source| OpenError::Io { action, path, source }
    }
}

/// Why an operation on an open store failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk, the quota or the file size limit is reached. Nothing of the batch was kept; the same commit can be
    /// tried again.
    #[error("no room to write {bytes} bytes to {path} ({detail}): nothing was changed; free disk space and try again", path = path.display())]
    Full {
        /// The file that could not grow.
        path: PathBuf,
        /// How much was to be written.
        bytes: usize,
        /// What the system said.
        detail: String,
    },
    /// A key, a value or a batch is over its bound. Nothing was changed.
    #[error("a {what} of {got} bytes is over the bound of {max}; nothing was changed")]
    TooLarge {
        /// `key`, `value` or `batch`.
        what: &'static str,
        /// Its size.
        got: usize,
        /// The bound.
        max: usize,
    },
    /// Whether the last writes reached the disk is unknown, so nothing more is promised by this instance.
    #[error("the store in {path} stopped after a failure ({detail}): see that the disk has room and is well, then restart; everything acknowledged is recovered on start", path = path.display())]
    Failed {
        /// The data folder.
        path: PathBuf,
        /// The first failure.
        detail: String,
    },
    /// The store was closed, or crashed in a test, before the operation.
    #[error("the store is closed; nothing was changed")]
    Closed,
    /// Reading failed.
    #[error("cannot read table {table}: {detail}")]
    Read {
        /// The table.
        table: &'static str,
        /// What sled said.
        detail: String,
    },
    /// A record was written by other code than reads it now.
    #[error(
        "a record of table {table} has version {found}, this program reads version {expected}: use the program that wrote it, or migrate the folder"
    )]
    RecordVersion {
        /// The table.
        table: &'static str,
        /// The record's version.
        found: u16,
        /// The version this program reads.
        expected: u16,
    },
    /// A record's bytes do not decode as its type.
    #[error("a record of table {table} cannot be decoded: {detail}")]
    Decode {
        /// The table.
        table: &'static str,
        /// What the decoder said.
        detail: String,
    },
}

fn holder_text(pid: Option<u32>) -> String {
    match pid {
        Some(pid) => format!("process {pid}"),
        None => "another process".to_string(),
    }
}

fn schema_step(found: u32, expected: u32) -> &'static str {
    if found > expected {
        "run the newer program that wrote it, or choose another folder"
    } else {
        "finish and settle with the older program that wrote it, then choose another folder"
    }
}

/// What to do about the failures that a person can do something about.
fn io_hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => ". Give this user write access to it, or choose another folder",
        io::ErrorKind::NotFound => ". Create the folder above it first",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => ". A folder is needed there, not a file",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ". Free disk space and start again",
        io::ErrorKind::ReadOnlyFilesystem => ". Choose a folder on a disk that can be written",
        _ => "",
    }
}
