//! The folder of a run: written whole or not at all, and never over what is not a run.

use anyhow::bail;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The file that every run's folder has.
pub const MARK: &str = "manifest.json";

/// Where results go.
pub struct Folder {
    path: PathBuf,
    force: bool,
}

/// The files of a run, by path below its folder.
pub type Files = Vec<(String, Vec<u8>)>;

impl Folder {
    /// Checks, before anything runs, that the folder may be written.
    ///
    /// Errors: something is there that is no run, or a run is and `force` is not given.
    pub fn new(path: PathBuf, force: bool) -> anyhow::Result<Folder> {
        let empty = || fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_none());
        if path.exists() && !empty() {
            if !path.join(MARK).is_file() {
                bail!("{} is there and is not the folder of a run: choose another with --out", path.display());
            }
            if !force {
                bail!(
                    "{} has the results of another run: choose another with --out, write over it with --force, or keep what is the \
                     same with --resume",
                    path.display()
                );
            }
        }
        Ok(Folder { path, force })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes all files beside it first, and then puts them in its place at once.
    pub fn write(&self, files: &Files) -> anyhow::Result<()> {
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(|error| explain(error, parent))?;
        // Beside its place: a rename does not cross file systems.
        let part = tempfile::Builder::new()
            .prefix(".golem-sim-")
            .tempdir_in(parent)
            .map_err(|error| explain(error, parent))?;
        let whole = part.path().join("run");
        for (name, bytes) in files {
            let path = whole.join(name);
            let folder = path.parent().unwrap_or(&whole);
            fs::create_dir_all(folder).map_err(|error| explain(error, folder))?;
            fs::write(&path, bytes).map_err(|error| explain(error, &path))?;
        }
        // Somebody else's run may have come here while this one ran.
        Folder::new(self.path.clone(), self.force)?;
        if self.path.exists() {
            fs::rename(&self.path, part.path().join("before")).map_err(|error| explain(error, &self.path))?;
        }
        fs::rename(&whole, &self.path).map_err(|error| explain(error, &self.path))
    }
}

/// Writes one file beside its place first, and then puts it there.
pub fn write_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    let part = tempfile::NamedTempFile::new_in(parent).map_err(|error| explain(error, parent))?;
    fs::write(part.path(), bytes).map_err(|error| explain(error, path))?;
    part.persist(path).map_err(|error| explain(error.error, path)).map(drop)
}

fn explain(error: std::io::Error, path: &Path) -> anyhow::Error {
    let next = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "; free some space, or choose another disk with --out",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "; choose another folder with --out",
        _ => "",
    };
    anyhow::anyhow!(
        "cannot write {}: {error}{next}. Runs that ended are kept: the same command goes on with them",
        path.display()
    )
}

/// Refuses a file name that cannot be one.
pub fn checked_name(id: &str) -> anyhow::Result<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if id.is_empty() || id.starts_with('.') || !id.chars().all(plain) {
        bail!("`{id}` cannot be the name of a folder: make the id of letters, figures, `-`, `_` and `.`")
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> Files {
        vec![(MARK.into(), text.into()), ("plots/a.svg".into(), b"<svg/>".to_vec())]
    }

    #[test]
    fn writes_all_files_and_leaves_nothing_beside_them() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("deep/er/run");
        Folder::new(path.clone(), false).unwrap().write(&files("1")).unwrap();
        assert_eq!(fs::read_to_string(path.join("plots/a.svg")).unwrap(), "<svg/>");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn refuses_the_folder_of_another_run_without_force_and_one_that_is_no_run_at_all() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("run");
        Folder::new(path.clone(), false).unwrap().write(&files("1")).unwrap();
        let error = Folder::new(path.clone(), false).err().unwrap().to_string();
        assert!(error.contains("--force"), "{error}");
        Folder::new(path.clone(), true).unwrap().write(&files("2")).unwrap();
        assert_eq!(fs::read_to_string(path.join(MARK)).unwrap(), "2");
        fs::remove_file(path.join(MARK)).unwrap();
        assert!(Folder::new(path.clone(), true).err().unwrap().to_string().contains("not the folder of a run"));
        assert!(Folder::new(home.path().join("none"), false).is_ok());
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_what_was_there() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("run");
        Folder::new(path.clone(), false).unwrap().write(&files("1")).unwrap();
        let mut broken = files("2");
        broken.push(("plots/a.svg/b".into(), Vec::new()));
        let error = Folder::new(path.clone(), true).unwrap().write(&broken).unwrap_err().to_string();
        assert!(error.contains("the same command goes on"), "{error}");
        assert_eq!(fs::read_to_string(path.join(MARK)).unwrap(), "1");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        let full = explain(ErrorKind::StorageFull.into(), &path).to_string();
        assert!(full.contains("free some space"), "{full}");
    }

    #[test]
    fn an_id_cannot_lead_out_of_the_folder() {
        assert!(checked_name("S01").is_ok());
        for id in ["", "..", "a/b", ".hidden", "a b"] {
            assert!(checked_name(id).is_err(), "{id}");
        }
    }
}
