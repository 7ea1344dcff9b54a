//! The two documents of a subtask that are named by content: what goes in, and what came out.
//!
//! Shape of both: one byte of version, then postcard. An encoding is canonical: decoding refuses any other bytes for
//! the same document, so equal documents have equal digests.

use golem_protocol::{ByteCount, ContentHash, Fuel};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The version of both documents, their first byte.
const VERSION: u8 = 1;
/// The largest encoding. Reason: [`FILES_MAX`] entries with paths of usual length fit, and a peer that sends one makes
/// the other side hold no more.
pub const BUNDLE_BYTES_MAX: usize = 8 << 20;
/// The most files in one document. Reason: each is a transfer of its own.
pub const FILES_MAX: usize = 65_536;
/// The longest path, in bytes. Reason: what file systems take.
pub const PATH_BYTES_MAX: usize = 1024;
/// The longest name within a path, in bytes. Reason: what file systems take.
pub const NAME_BYTES_MAX: usize = 255;
/// The most folders in a path. Reason: whoever walks them may do so by recursion.
pub const DEPTH_MAX: usize = 32;
/// The most arguments.
pub const ARGS_MAX: usize = 4096;
/// The most bytes of all arguments together, each with its end.
pub const ARGS_BYTES_MAX: usize = 128 << 10;

/// A file by what is in it, and where the program finds it or left it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileRef {
    /// Its path below `/in`: relative, `/` between names.
    pub path: String,
    /// The BLAKE3 digest of its bytes.
    pub content: ContentHash,
    /// Its length.
    pub size: ByteCount,
}

/// What a subtask may use. All of it is counted alike on every machine; how long it may take is agreed elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubtaskLimits {
    /// The most work.
    pub fuel_max: Fuel,
    /// The largest linear memory.
    pub memory_max: ByteCount,
    /// The most table elements.
    pub table_elements_max: u32,
    /// The most output: files, standard output and standard error together.
    pub output_max: ByteCount,
    /// The most files and folders it may make.
    pub output_files_max: u32,
}

/// All that decides a subtask's result. Its digest is what an agreement names.
///
/// Files are referred to by content, so one that many subtasks share is fetched once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubtaskInput {
    /// The program.
    pub module: ContentHash,
    /// Its arguments, without its name.
    pub args: Vec<String>,
    /// What it reads as standard input; its path is for people.
    pub stdin: Option<FileRef>,
    /// What it finds in `/in`, sorted by path.
    pub files: Vec<FileRef>,
    /// What its randomness is drawn from.
    pub seed: [u8; 32],
    /// When it is stopped.
    pub limits: SubtaskLimits,
}

/// A file that a subtask left, in the same shape as one that it is given.
pub type OutputEntry = FileRef;

/// All that a subtask left behind. Its digest is compared, reported and signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubtaskOutput {
    /// The program's exit code.
    pub exit_code: u32,
    /// Standard output as `stdout`, where there was any, and the files of `/out`; sorted by path.
    pub files: Vec<OutputEntry>,
}

/// Why bytes are not a document, or a document has no encoding. The fault is its author's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// More bytes than a document may have.
    #[error("the document has {got} bytes and the most is {max}; use fewer files or shorter paths")]
    TooLong {
        /// Its length.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// Of a version that this node does not know.
    #[error("the document has version {got:?} and this node knows version {known}; upgrade the older of the two nodes")]
    Version {
        /// The first byte, where there is one.
        got: Option<u8>,
        /// What is known here.
        known: u8,
    },
    /// Not the encoding of any document.
    #[error("the document cannot be decoded: {reason}")]
    Malformed {
        /// What is wrong.
        reason: String,
    },
    /// Too many files.
    #[error("the document names {got} files and the most is {max}")]
    TooManyFiles {
        /// How many.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// Too many arguments, too long ones, or a NUL in one.
    #[error(
        "the {count} arguments with {bytes} bytes cannot be passed; the most is {ARGS_MAX} with {ARGS_BYTES_MAX} bytes, without NUL"
    )]
    Args {
        /// How many.
        count: usize,
        /// Their bytes, each with its end.
        bytes: usize,
    },
    /// A path that is none.
    #[error("`{path}` is not a path within a folder: {fault}")]
    Path {
        /// The path.
        path: String,
        /// What is wrong with it.
        fault: PathFault,
    },
    /// Files that are not sorted, or two of one path.
    #[error("`{path}` is listed after `{before}`; files are sorted by path, each once")]
    Order {
        /// The path before.
        before: String,
        /// The path that should have come earlier, or not at all.
        path: String,
    },
    /// A path that is a file and a folder at once.
    #[error("`{file}` is a file, and `{below}` is below it")]
    FileAsFolder {
        /// The file.
        file: String,
        /// What is below.
        below: String,
    },
}

/// What is wrong with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// Nothing, or nothing between two slashes.
    #[error("a name in it is empty")]
    Empty,
    /// Starts at a root.
    #[error("it is absolute")]
    Absolute,
    /// Has `.` or `..` in it.
    #[error("it contains `.` or `..`")]
    Dots,
    /// Has a NUL or another control character, or a backslash, in it.
    #[error("it contains a control character or a backslash")]
    Character,
    /// Too long, or too deep.
    #[error("it is longer than 1024 bytes, has a name longer than 255, or more than 32 folders")]
    TooLong,
}

/// Checks that a path stays within its folder on any system that it may be written to.
pub fn check_path(path: &str) -> Result<(), PathFault> {
    if path.len() > PATH_BYTES_MAX || path.split('/').count() > DEPTH_MAX + 1 {
        return Err(PathFault::TooLong);
    }
    if path.starts_with('/') {
        return Err(PathFault::Absolute);
    }
    // A backslash separates names elsewhere, so `..\..` would lead out there.
    if path.chars().any(|c| c.is_control() || c == '\\') {
        return Err(PathFault::Character);
    }
    for name in path.split('/') {
        match name {
            "" => return Err(PathFault::Empty),
            "." | ".." => return Err(PathFault::Dots),
            name if name.len() > NAME_BYTES_MAX => return Err(PathFault::TooLong),
            _ => {}
        }
    }
    Ok(())
}

fn checked_path(path: &str) -> Result<(), BundleError> {
    // What is refused may be hostile, so only its start is shown.
    check_path(path).map_err(|fault| BundleError::Path { path: path.chars().take(80).collect(), fault })
}

fn check_files(files: &[FileRef]) -> Result<(), BundleError> {
    if files.len() > FILES_MAX {
        return Err(BundleError::TooManyFiles { got: files.len(), max: FILES_MAX });
    }
    let mut names = std::collections::BTreeSet::new();
    let mut before: Option<&str> = None;
    for file in files {
        checked_path(&file.path)?;
        if let Some(before) = before.filter(|before| *before >= file.path.as_str()) {
            return Err(BundleError::Order { before: before.to_owned(), path: file.path.clone() });
        }
        // Sorted, so a file comes before all that would be below it.
        if let Some((folder, _)) = file.path.match_indices('/').find(|(at, _)| names.contains(&file.path[..*at])) {
            return Err(BundleError::FileAsFolder { file: file.path[..folder].to_owned(), below: file.path.clone() });
        }
        names.insert(file.path.as_str());
        before = Some(&file.path);
    }
    Ok(())
}

fn encode<T: Serialize>(document: &T) -> Result<Vec<u8>, BundleError> {
    let bytes = postcard::to_extend(document, vec![VERSION])
        .map_err(|error| BundleError::Malformed { reason: error.to_string() })?;
    if bytes.len() > BUNDLE_BYTES_MAX {
        return Err(BundleError::TooLong { got: bytes.len(), max: BUNDLE_BYTES_MAX });
    }
    Ok(bytes)
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, BundleError> {
    if bytes.len() > BUNDLE_BYTES_MAX {
        return Err(BundleError::TooLong { got: bytes.len(), max: BUNDLE_BYTES_MAX });
    }
    let body = match bytes.split_first() {
        Some((&VERSION, body)) => body,
        other => return Err(BundleError::Version { got: other.map(|(version, _)| *version), known: VERSION }),
    };
    postcard::from_bytes(body).map_err(|error| BundleError::Malformed { reason: error.to_string() })
}

/// Refuses bytes that decode to a document but are not its encoding: they would give it a second digest.
fn check_canonical(given: &[u8], canonical: &[u8]) -> Result<(), BundleError> {
    if given == canonical {
        return Ok(());
    }
    Err(BundleError::Malformed { reason: "it is not in its canonical encoding".to_owned() })
}

fn digest(bytes: &[u8]) -> ContentHash {
    ContentHash(blake3::hash(bytes).as_bytes().into())
}

impl SubtaskInput {
    /// Checks every bound. Errors: the first one broken.
    pub fn check(&self) -> Result<(), BundleError> {
        let bytes = self.args.iter().map(|arg| arg.len().saturating_add(1)).sum();
        if self.args.len() > ARGS_MAX || bytes > ARGS_BYTES_MAX || self.args.iter().any(|arg| arg.contains('\0')) {
            return Err(BundleError::Args { count: self.args.len(), bytes });
        }
        if let Some(stdin) = &self.stdin {
            checked_path(&stdin.path)?;
        }
        check_files(&self.files)
    }

    /// Its bytes. Errors: a bound is broken; files must be sorted.
    pub fn encode(&self) -> Result<Vec<u8>, BundleError> {
        self.check()?;
        encode(self)
    }

    /// Reads it from a peer's bytes. Errors: they are no document, not canonical, or break a bound.
    pub fn decode(bytes: &[u8]) -> Result<SubtaskInput, BundleError> {
        let input: SubtaskInput = decode(bytes)?;
        check_canonical(bytes, &input.encode()?)?;
        Ok(input)
    }

    /// The digest of its bytes. Errors: as [`SubtaskInput::encode`].
    pub fn digest(&self) -> Result<ContentHash, BundleError> {
        Ok(digest(&self.encode()?))
    }

    /// Everything a provider must fetch before it can start: the module, standard input, the files; each content once.
    pub fn contents(&self) -> std::collections::BTreeSet<ContentHash> {
        let files = self.files.iter().chain(&self.stdin).map(|file| file.content);
        std::iter::once(self.module).chain(files).collect()
    }
}

impl SubtaskOutput {
    /// Of a program that ended with an exit code and left these files, in any order.
    ///
    /// Errors: two files of one path, or a path that is none.
    pub fn new(exit_code: u32, mut files: Vec<OutputEntry>) -> Result<SubtaskOutput, BundleError> {
        files.sort();
        let output = SubtaskOutput { exit_code, files };
        output.check()?;
        Ok(output)
    }

    /// Checks every bound. Errors: the first one broken.
    pub fn check(&self) -> Result<(), BundleError> {
        check_files(&self.files)
    }

    /// Its bytes. Errors: a bound is broken; files must be sorted.
    pub fn encode(&self) -> Result<Vec<u8>, BundleError> {
        self.check()?;
        encode(self)
    }

    /// Reads it from a peer's bytes. Errors: they are no document, not canonical, or break a bound.
    pub fn decode(bytes: &[u8]) -> Result<SubtaskOutput, BundleError> {
        let output: SubtaskOutput = decode(bytes)?;
        check_canonical(bytes, &output.encode()?)?;
        Ok(output)
    }

    /// The digest of its bytes. Errors: as [`SubtaskOutput::encode`].
    pub fn digest(&self) -> Result<ContentHash, BundleError> {
        Ok(digest(&self.encode()?))
    }

    /// The length of all files together, held at the largest value.
    pub fn size(&self) -> ByteCount {
        self.files.iter().fold(ByteCount::from_bytes(0), |sum, file| sum.saturating_add(file.size.0))
    }
}
