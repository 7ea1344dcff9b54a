//! Where anvil is on this machine.

use crate::anvil::AnvilError;
use crate::pinned::{fetch, fetched};
use std::env;
use std::path::{Path, PathBuf};

/// The variable that names the anvil to use, before any other.
pub const ANVIL_ENV: &str = "GOLEM_ANVIL";
/// How many folders upwards a checkout is looked for.
const FOLDERS_UP_MAX: usize = 16;

/// Finds anvil: the variable [`ANVIL_ENV`], then the PATH, then `contracts/node_modules` of a checkout that the present
/// folder is in, then the pinned one that an earlier [`crate::Anvil::start`] fetched.
///
/// Errors: `NotFound`, with how to get it.
pub fn find_anvil() -> Result<PathBuf, AnvilError> {
    if let Some(named) = env::var_os(ANVIL_ENV).filter(|value| !value.is_empty()) {
        let path = PathBuf::from(named);
        // Named and missing is a mistake to hear of, not a reason to take another.
        return if path.is_file() { Ok(path) } else { Err(AnvilError::NotFound { named: Some(path) }) };
    }
    let file = anvil_file();
    let on_path = env::var_os("PATH").into_iter().flat_map(|path| env::split_paths(&path).collect::<Vec<_>>());
    on_path
        .map(|folder| folder.join(&file))
        .find(|path| path.is_file())
        .map(|path| behind_npm(&path, &file).unwrap_or(path))
        .or_else(|| find_upwards(&in_checkout(&file)))
        .or_else(fetched)
        .ok_or(AnvilError::NotFound { named: None })
}

/// Finds a file in the present folder or one of those above it, which is how a checkout is found from within.
pub fn find_upwards(file: &Path) -> Option<PathBuf> {
    let here = env::current_dir().ok()?;
    here.ancestors().take(FOLDERS_UP_MAX).map(|folder| folder.join(file)).find(|path| path.is_file())
}

/// As [`find_anvil`]; where there is none, the pinned one is fetched, once for this user.
pub(crate) async fn find_or_fetch_anvil() -> Result<PathBuf, AnvilError> {
    match find_anvil() {
        Err(AnvilError::NotFound { named: None }) => {
            let fetching = tokio::task::spawn_blocking(fetch).await;
            fetching.unwrap_or(Err(AnvilError::NotFound { named: None }))
        }
        found => found,
    }
}

/// What the binary is called here.
pub(crate) fn anvil_file() -> String {
    format!("anvil{}", env::consts::EXE_SUFFIX)
}

/// Where `npm ci` puts the native binary: the package's own entry is a script that needs node.
fn in_checkout(file: &str) -> PathBuf {
    Path::new("contracts/node_modules/@foundry-rs").join(package()).join("bin").join(file)
}

/// The native binary behind the script that npm puts on `PATH`: a signal to the script need not reach what it started.
fn behind_npm(path: &Path, file: &str) -> Option<PathBuf> {
    let script = path.canonicalize().ok()?;
    let packages = script.parent()?.parent()?;
    let native = packages.join(package()).join("bin").join(file);
    (packages.ends_with("@foundry-rs") && native.is_file()).then_some(native)
}

/// The npm package with the native binary for this system.
pub(crate) fn package() -> String {
    let system = match env::consts::OS {
        "macos" => "darwin",
        "windows" => "win32",
        other => other,
    };
    let processor = match env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("anvil-{system}-{processor}")
}
