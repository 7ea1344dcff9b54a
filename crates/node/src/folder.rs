//! The data folder: what lies where, who may read it, and whether this program may touch it.
//!
//! ```text
//! <folder>/VERSION            the layout's version; a folder of another version is refused untouched
//!          golem.toml         settings (optional, see `config`)
//!          deployments/       which contracts on which chain, a file for each
//!          keystore/          the encrypted key, mode 0700
//!          store/             durable records (golem-store)
//!          content/           inputs and outputs by digest
//!          modules/           compiled modules by digest
//!          programs/          programs of others that were fetched
//!          proofs/            wrong results that were found here, or seen here to be wrong
//!          looks/             what was fetched to look at others' proofs
//!          evidence/          what providers signed of results that were slower than promised
//!          api.json           where the running node answers; mode 0600
//! ```

use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The layout that this program reads and writes.
pub const FOLDER_VERSION: u32 = 3;

const VERSION_FILE: &str = "VERSION";
const VERSION_PREFIX: &str = "golem data folder ";
const CONFIG_FILE: &str = "golem.toml";
const DEPLOYMENTS: &str = "deployments";
const API_FILE: &str = "api.json";
/// What a person may put into a folder before the program first sees it.
const BEFORE_FIRST_USE: [&str; 2] = [CONFIG_FILE, DEPLOYMENTS];
/// A version or api file is a line or two; nothing larger is read.
const SMALL_FILE_BYTES_MAX: u64 = 64 * 1024;

/// A data folder of this program's version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Where data lies unless the user says otherwise: `$XDG_DATA_HOME/golem`, else `~/.local/share/golem`.
    pub fn default_path() -> Result<PathBuf, FolderError> {
        let from = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        from("XDG_DATA_HOME")
            .or_else(|| from("HOME").map(|home| home.join(".local/share")))
            .map(|base| base.join("golem"))
            .ok_or(FolderError::NoHome)
    }

    /// Opens the folder, and makes it where there is none, readable by its owner only.
    ///
    /// Errors: every refusal leaves the folder as it was.
    pub fn open_or_create(path: &Path) -> Result<Folder, FolderError> {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(FolderError::NotAFolder { path: path.to_path_buf() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create_private(path).map_err(FolderError::io("create the data folder", path))?;
            }
            Err(error) => return Err(FolderError::io("look at the data folder", path)(error)),
        }
        let path = &path.canonicalize().map_err(FolderError::io("find the data folder", path))?;
        if Folder::is_unused(path)? {
            let file = path.join(VERSION_FILE);
            write_private(&file, format!("{VERSION_PREFIX}{FOLDER_VERSION}\n").as_bytes())
                .map_err(FolderError::io("write", &file))?;
        }
        Folder::open(path)
    }

    /// Opens a folder that is there.
    pub fn open(path: &Path) -> Result<Folder, FolderError> {
        if !path.exists() {
            return Err(FolderError::Absent { path: path.to_path_buf() });
        }
        if !path.is_dir() {
            return Err(FolderError::NotAFolder { path: path.to_path_buf() });
        }
        let path = path.canonicalize().map_err(FolderError::io("find the data folder", path))?;
        let file = path.join(VERSION_FILE);
        let text = match read_small(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(FolderError::Foreign { path, missing: VERSION_FILE });
            }
            Err(error) => return Err(FolderError::io("read", &file)(error)),
        };
        let found = text.trim().strip_prefix(VERSION_PREFIX).and_then(|number| number.parse::<u32>().ok());
        match found {
            Some(FOLDER_VERSION) => Ok(Folder { path }),
            Some(found) => Err(FolderError::OtherVersion { path, found, expected: FOLDER_VERSION }),
            None => Err(FolderError::BadVersion { file, text: text.trim().chars().take(64).collect() }),
        }
    }

    /// Empty, or with nothing but what a user may have put there.
    fn is_unused(path: &Path) -> Result<bool, FolderError> {
        for entry in fs::read_dir(path).map_err(FolderError::io("list", path))? {
            let name = entry.map_err(FolderError::io("list", path))?.file_name();
            if !BEFORE_FIRST_USE.iter().any(|known| name == *known) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The settings file; it need not be there.
    pub fn config_file(&self) -> PathBuf {
        self.path.join(CONFIG_FILE)
    }

    /// Which contracts on which chain, unless a file is named; it need not be there.
    pub fn deployments(&self) -> PathBuf {
        self.path.join(DEPLOYMENTS)
    }

    /// Which contracts on one chain.
    pub fn deployment_file(&self, chain_id: u64) -> PathBuf {
        self.deployments().join(format!("{chain_id}.json"))
    }

    /// Where the encrypted key lies.
    pub fn keystore(&self) -> PathBuf {
        self.path.join("keystore")
    }

    /// The durable records.
    pub fn store(&self) -> PathBuf {
        self.path.join("store")
    }

    /// Inputs and outputs by digest.
    pub fn content(&self) -> PathBuf {
        self.path.join("content")
    }

    /// Compiled modules by digest.
    pub fn modules(&self) -> PathBuf {
        self.path.join("modules")
    }

    /// Where programs of others that were fetched lie.
    pub fn programs(&self) -> PathBuf {
        self.path.join("programs")
    }

    /// The file that says where the running node answers.
    pub fn api_file(&self) -> PathBuf {
        self.path.join(API_FILE)
    }

    /// Says where this node answers; readable by its owner only, because it holds the token that moves money.
    pub fn write_api(&self, api: &ApiFile) -> Result<(), FolderError> {
        let file = self.api_file();
        let mut text = serde_json::to_vec_pretty(api).map_err(|error| FolderError::io("write", &file)(error.into()))?;
        text.push(b'\n');
        write_private(&file, &text).map_err(FolderError::io("write", &file))
    }

    /// Where the node on this folder answers, if one has said so. It may have died since: only an answer tells.
    pub fn read_api(&self) -> Result<Option<ApiFile>, FolderError> {
        let file = self.api_file();
        match read_small(&file) {
            Ok(text) => match serde_json::from_str(&text) {
                Ok(api) => Ok(Some(api)),
                Err(error) => Err(FolderError::io("understand", &file)(io::Error::other(error))),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FolderError::io("read", &file)(error)),
        }
    }

    /// Forgets where the node answered: the last thing a node does.
    pub fn remove_api(&self) -> Result<(), FolderError> {
        let file = self.api_file();
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FolderError::io("remove", &file)(error)),
            _ => Ok(()),
        }
    }
}

/// Where a running node answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiFile {
    /// Its HTTP address, on this machine.
    pub address: SocketAddr,
    /// What a request that changes something has to bring: `Authorization: Bearer <token>`.
    pub token: String,
    /// The node's process.
    pub pid: u32,
}

/// Makes a folder, and those above it, for its owner only.
pub fn create_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Writes a whole file for its owner only: a reader sees the old content or the new, never a part.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.new", std::process::id()));
    let fresh = path.with_file_name(name);
    let written = write_fresh(&fresh, content).and_then(|()| fs::rename(&fresh, path));
    if written.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    written
}

fn write_fresh(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

pub(crate) fn read_small(path: &Path) -> io::Result<String> {
    let length = fs::metadata(path)?.len();
    if length > SMALL_FILE_BYTES_MAX {
        return Err(io::Error::other(format!("it has {length} bytes, more than the {SMALL_FILE_BYTES_MAX} expected")));
    }
    fs::read_to_string(path)
}

/// Why a data folder is not used. It was left as it was.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Neither `XDG_DATA_HOME` nor `HOME` says where a user's data lies.
    #[error("neither XDG_DATA_HOME nor HOME is set: name the data folder with --dir FOLDER or GOLEM_DIR")]
    NoHome,
    /// There is none.
    #[error(
        "there is no data folder {path}: make one with `golem wallet new --dir {path}`, or name another with --dir",
        path = path.display()
    )]
    Absent {
        /// Where.
        path: PathBuf,
    },
    /// A file is where a folder should be.
    #[error("{path} is a file, not a folder: name another data folder with --dir", path = path.display())]
    NotAFolder {
        /// Where.
        path: PathBuf,
    },
    /// A folder with other things in it.
    #[error(
        "{path} is not empty and no golem data folder (it has no file {missing}): name an empty or a new folder with --dir",
        path = path.display()
    )]
    Foreign {
        /// Where.
        path: PathBuf,
        /// The file that tells a data folder.
        missing: &'static str,
    },
    /// Written by another version of this program.
    #[error(
        "the data folder {path} has version {found}, this program reads version {expected}: {}",
        if found > expected { "use the newer program that made it, or another folder" }
        else { "settle and close its channels with the older program that made it, then use another folder" },
        path = path.display()
    )]
    OtherVersion {
        /// Where.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// Ours.
        expected: u32,
    },
    /// The version file says something else.
    #[error("{file} says `{text}`, not `{VERSION_PREFIX}{FOLDER_VERSION}`: if this is a data folder, restore that file", file = file.display())]
    BadVersion {
        /// The file.
        file: PathBuf,
        /// What it says.
        text: String,
    },
    /// The system said no.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl FolderError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
        let path = path.to_path_buf();
        move |source| FolderError::Io { action, path, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_folder_of_another_version_and_leaves_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("data");
        Folder::open_or_create(&path).unwrap();
        fs::write(path.join(VERSION_FILE), "golem data folder 7\n").unwrap();
        let error = Folder::open_or_create(&path).unwrap_err();
        assert!(matches!(error, FolderError::OtherVersion { found: 7, expected: FOLDER_VERSION, .. }), "{error}");
        assert_eq!(fs::read_to_string(path.join(VERSION_FILE)).unwrap(), "golem data folder 7\n");
        fs::write(path.join(VERSION_FILE), "something\n").unwrap();
        assert!(matches!(Folder::open(&path), Err(FolderError::BadVersion { .. })));
    }

    #[test]
    fn refuses_a_folder_that_is_somebody_elses() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("letter.txt"), "hello").unwrap();
        assert!(matches!(Folder::open_or_create(home.path()), Err(FolderError::Foreign { .. })));
        assert!(!home.path().join(VERSION_FILE).exists());
        let file = home.path().join("letter.txt");
        assert!(matches!(Folder::open_or_create(&file), Err(FolderError::NotAFolder { .. })));
        assert!(matches!(Folder::open(&file), Err(FolderError::NotAFolder { .. })));
        assert!(matches!(Folder::open(&home.path().join("none")), Err(FolderError::Absent { .. })));
    }

    #[test]
    fn takes_a_folder_in_which_only_settings_lie() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join(CONFIG_FILE), "").unwrap();
        Folder::open_or_create(home.path()).unwrap();
        Folder::open(home.path()).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn keeps_what_is_private_private() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open_or_create(&home.path().join("a/b")).unwrap();
        let api = ApiFile { address: "127.0.0.1:1".parse().unwrap(), token: "secret".into(), pid: 1 };
        folder.write_api(&api).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(folder.path()), mode(&folder.api_file())), (0o700, 0o600));
        assert_eq!(folder.read_api().unwrap(), Some(api));
        folder.remove_api().unwrap();
        folder.remove_api().unwrap();
        assert_eq!(folder.read_api().unwrap(), None);
    }
}
