//! The anvil that this project is tested with, fetched once where a machine has none.

use crate::anvil::AnvilError;
use crate::find::{anvil_file, package};
use serde_json::{Value, json};
use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Which versions are pinned, and what they hash to. It is of the same commit as this crate, wherever that is built.
const LOCK: &str = include_str!("../../../contracts/package-lock.json");
/// The end of npm's output that an error shows, in characters.
const WORDS_MAX: usize = 600;

/// An npm package with the binary for this system.
struct Pinned {
    name: String,
    version: String,
    integrity: Option<String>,
}

impl Pinned {
    /// `None` on a system for which there is none.
    fn new() -> Option<Pinned> {
        let lock: Value = serde_json::from_str(LOCK).ok()?;
        let name = format!("@foundry-rs/{}", package());
        let entry = lock.get("packages")?.get(format!("node_modules/{name}"))?;
        let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(Pinned { name, version: text("version")?, integrity: text("integrity") })
    }

    fn folder(&self) -> Option<PathBuf> {
        let from = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let cache = from("XDG_CACHE_HOME").or_else(|| from("HOME").map(|home| home.join(".cache")))?;
        Some(cache.join("golem").join(format!("anvil-{}", self.version)))
    }

    fn binary(&self, folder: &Path) -> PathBuf {
        folder.join("node_modules").join(&self.name).join("bin").join(anvil_file())
    }

    /// The files from which npm installs this package and nothing else.
    fn write(&self, folder: &Path) -> io::Result<()> {
        let dependencies = json!({ (self.name.clone()): self.version });
        let mut entry = json!({ "version": self.version });
        if let Some(integrity) = &self.integrity {
            entry["integrity"] = json!(integrity);
        }
        let packages = json!({ "": { "dependencies": dependencies }, (format!("node_modules/{}", self.name)): entry });
        let lock = json!({ "lockfileVersion": 3, "requires": true, "packages": packages });
        fs::write(folder.join("package.json"), json!({ "private": true, "dependencies": dependencies }).to_string())?;
        fs::write(folder.join("package-lock.json"), lock.to_string())
    }
}

/// The pinned anvil, where it was fetched before.
pub(crate) fn fetched() -> Option<PathBuf> {
    let pinned = Pinned::new()?;
    Some(pinned.binary(&pinned.folder()?)).filter(|path| path.is_file())
}

/// Fetches the pinned anvil with npm into the user's cache folder. Blocks for some seconds.
///
/// Errors: `NotFound` where there is no npm, or no such anvil for this system; `Fetch`, and nothing is left then.
pub(crate) fn fetch() -> Result<PathBuf, AnvilError> {
    let absent = || AnvilError::NotFound { named: None };
    let pinned = Pinned::new().ok_or_else(absent)?;
    let folder = pinned.folder().ok_or_else(absent)?;
    let failed = |reason: String| AnvilError::Fetch { version: pinned.version.clone(), reason };
    let io = |error: io::Error| failed(format!("{}: {error}", folder.display()));
    let home = folder.parent().unwrap_or(&folder);
    fs::create_dir_all(home).map_err(io)?;
    // One fetches, the others wait for it.
    let lock = File::create(home.join(format!("anvil-{}.lock", pinned.version))).map_err(io)?;
    lock.lock().map_err(io)?;
    let binary = pinned.binary(&folder);
    if binary.is_file() {
        return Ok(binary);
    }
    let fresh = tempfile::tempdir_in(home).map_err(io)?;
    pinned.write(fresh.path()).map_err(io)?;
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let mut command = Command::new(npm);
    command.args(["ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"]);
    let output = match command.current_dir(fresh.path()).stdin(Stdio::null()).output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(absent()),
        output => output.map_err(io)?,
    };
    if !output.status.success() || !pinned.binary(fresh.path()).is_file() {
        return Err(failed(last_words(&output.stderr)));
    }
    fs::rename(fresh.keep(), &folder).map_err(io)?;
    Ok(binary)
}

fn last_words(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let skipped = text.chars().count().saturating_sub(WORDS_MAX);
    let words: String = text.chars().skip(skipped).collect();
    let lines: Vec<&str> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(" / ")
}
