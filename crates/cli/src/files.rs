//! Finding input files, and naming them by what is in them.

use anyhow::{Context as _, bail};
use golem_protocol::{B256, ByteCount, ContentHash};
use golem_task::ListedFile;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The most files of one task. Reason: as many as a task may have subtasks on one node.
const FILES_MAX: usize = golem_node::prepared::TASK_SUBTASKS_MAX;

/// Input files by their content, as the node wants them.
pub type Places = BTreeMap<ContentHash, PathBuf>;

/// The digest and length of a file.
pub fn hash(path: &Path) -> anyhow::Result<(ContentHash, ByteCount)> {
    let cannot = || format!("cannot read {}", path.display());
    let found = std::fs::metadata(path).with_context(cannot)?;
    if found.is_dir() {
        bail!("{} is a folder: give files, or a pattern such as {}/*", path.display(), path.display());
    }
    if !found.is_file() {
        bail!("{} is not a file with an end, which an input has to be", path.display());
    }
    let mut hasher = blake3::Hasher::new();
    let mut file = std::fs::File::open(path).with_context(cannot)?;
    let bytes = std::io::copy(&mut file, &mut hasher).with_context(cannot)?;
    Ok((ContentHash(B256::from(*hasher.finalize().as_bytes())), ByteCount::from_bytes(bytes)))
}

/// Lists one file under a path below `/in`, and remembers where it is.
pub fn listed(host: &Path, guest_path: String, places: &mut Places) -> anyhow::Result<ListedFile> {
    let (content, size) = hash(host)?;
    places.insert(content, host.to_path_buf());
    Ok(ListedFile { guest_path, content, size })
}

/// A file's own name.
pub fn name(path: &Path) -> anyhow::Result<String> {
    let name = path.file_name().with_context(|| format!("{} names no file", path.display()))?;
    let Some(name) = name.to_str() else {
        bail!("the name of {path:?} is not UTF-8, and a program would not find it: rename the file");
    };
    // Quoted as code is, so that what cannot be seen can be read.
    golem_task::check_path(name).with_context(|| format!("{path:?} cannot be a file in /in, rename it"))?;
    Ok(name.to_owned())
}

/// Files' own names. Errors: all that a program would not find.
pub fn names(paths: &[PathBuf]) -> anyhow::Result<Vec<String>> {
    /// The most that are told. Reason: a screen has some twenty lines.
    const TOLD_MAX: usize = 10;
    let (mut names, mut wrong) = (Vec::with_capacity(paths.len()), Vec::new());
    for path in paths {
        match name(path) {
            Ok(name) => names.push(name),
            Err(error) => wrong.push(crate::output::error_text(&error)),
        }
    }
    let more = wrong.len().saturating_sub(TOLD_MAX);
    wrong.truncate(TOLD_MAX);
    if more > 0 {
        wrong.push(format!("and {more} more"));
    }
    if wrong.is_empty() { Ok(names) } else { bail!("{}", wrong.join("\n  ")) }
}

/// The files that a pattern matches below a folder, by path. They are in `/in` under their own names.
pub fn matching(base: &Path, pattern: &str, places: &mut Places) -> anyhow::Result<Vec<ListedFile>> {
    let escaped = glob::Pattern::escape(&base.display().to_string());
    let full = Path::new(&escaped).join(pattern);
    let paths = glob::glob(&full.display().to_string()).with_context(|| format!("`{pattern}` is not a pattern"))?;
    let mut files = Vec::new();
    for path in paths {
        let path = path.with_context(|| format!("cannot look for `{pattern}` in {}", base.display()))?;
        if path.is_dir() {
            continue;
        }
        if files.len() == FILES_MAX {
            bail!("`{pattern}` matches more than {FILES_MAX} files: split the task into several");
        }
        files.push(listed(&path, name(&path)?, places)?);
    }
    Ok(files)
}

/// A file under its own name; one that names others brings them along: a Wavefront scene its materials.
pub fn with_companions(path: &Path, places: &mut Places) -> anyhow::Result<Vec<ListedFile>> {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("obj")) {
        return Ok(scene(path, places)?.1);
    }
    Ok(vec![listed(path, name(path)?, places)?])
}

/// A file, or all that is in a folder and below it, each by its path from there; `to` is put before all of them.
pub fn tree(path: &Path, to: &str, places: &mut Places) -> anyhow::Result<Vec<ListedFile>> {
    let own = format!("{to}{}", name(path)?);
    if !path.is_dir() {
        return Ok(vec![listed(path, own, places)?]);
    }
    let (mut files, mut folders) = (Vec::new(), vec![(path.to_path_buf(), own)]);
    while let Some((folder, at)) = folders.pop() {
        let cannot = || format!("cannot read the folder {}", folder.display());
        for entry in std::fs::read_dir(&folder).with_context(cannot)? {
            let entry = entry.with_context(cannot)?.path();
            let guest = format!("{at}/{}", name(&entry)?);
            // A link to a folder is not followed: it could lead round in a circle.
            if std::fs::symlink_metadata(&entry).with_context(cannot)?.is_dir() {
                folders.push((entry, guest));
            } else if entry.is_file() {
                if files.len() == golem_task::FILES_MAX {
                    bail!(
                        "{} holds more than {} files, the most of one subtask",
                        path.display(),
                        golem_task::FILES_MAX
                    );
                }
                files.push(listed(&entry, guest, places)?);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// A Wavefront scene and the material files it names, which must lie in or below its folder.
pub fn scene(path: &Path, places: &mut Places) -> anyhow::Result<(String, Vec<ListedFile>)> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read the scene {}", path.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    let scene = name(path)?;
    let mut files = vec![listed(path, scene.clone(), places)?];
    let folder = path.parent().unwrap_or(Path::new(""));
    for line in text.lines() {
        let Some(library) = line.trim().strip_prefix("mtllib").filter(|rest| rest.starts_with(char::is_whitespace))
        else {
            continue;
        };
        // Names may hold spaces; exporters write one a line.
        let library = library.trim();
        if files.iter().any(|file| file.guest_path == library) {
            continue;
        }
        golem_task::check_path(library).map_err(|fault| {
            anyhow::anyhow!("{} names the material file `{library}`: {fault}; put it beside the scene", path.display())
        })?;
        let host = folder.join(library);
        if !host.is_file() {
            bail!(
                "{} names the material file `{library}`, and there is no {}: put it there",
                path.display(),
                host.display()
            );
        }
        files.push(listed(&host, library.to_owned(), places)?);
    }
    Ok((scene, files))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_scene_with_its_materials() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("my room.mtl"), "newmtl a\n").unwrap();
        let scene_file = home.path().join("a.obj");
        std::fs::write(&scene_file, "# x\nmtllib my room.mtl\nmtllib my room.mtl\nv 0 0 0\n").unwrap();
        let mut places = Places::new();
        let (name, files) = scene(&scene_file, &mut places).unwrap();
        let paths: Vec<&str> = files.iter().map(|file| file.guest_path.as_str()).collect();
        assert_eq!((name.as_str(), paths), ("a.obj", vec!["a.obj", "my room.mtl"]));
        assert_eq!(places.len(), 2);
        std::fs::write(&scene_file, "mtllib ../../etc/passwd\n").unwrap();
        assert!(scene(&scene_file, &mut places).unwrap_err().to_string().contains("../../etc/passwd"));
        std::fs::write(&scene_file, "mtllib none.mtl\n").unwrap();
        assert!(scene(&scene_file, &mut places).unwrap_err().to_string().contains("none.mtl"));
    }

    #[test]
    fn lists_what_a_pattern_matches_and_no_folders() {
        let home = tempfile::tempdir().unwrap();
        let base = home.path().join("odd [name]");
        std::fs::create_dir_all(base.join("sub.txt")).unwrap();
        for file in ["b.txt", "a.txt", "c.md"] {
            std::fs::write(base.join(file), file).unwrap();
        }
        let mut places = Places::new();
        let files = matching(&base, "*.txt", &mut places).unwrap();
        let names: Vec<&str> = files.iter().map(|file| file.guest_path.as_str()).collect();
        assert_eq!(names, ["a.txt", "b.txt"]);
        assert!(hash(&base).is_err());
    }

    #[test]
    fn tells_of_all_names_that_no_program_would_find() {
        let paths = ["a b.txt", "x/line\nbreak", "back\\slash", "ünï.txt"].map(PathBuf::from);
        let error = names(&paths).unwrap_err().to_string();
        assert!(
            error.contains("line\\nbreak") && error.contains("back\\\\slash") && !error.contains("a b.txt"),
            "{error}"
        );
        assert!(error.contains("rename") && error.lines().count() == 2, "{error}");
        assert_eq!(names(&paths[..1]).unwrap(), ["a b.txt"]);
        let many: Vec<PathBuf> = (0..30).map(|n| PathBuf::from(format!("{n}\t"))).collect();
        assert!(names(&many).unwrap_err().to_string().ends_with("and 20 more"));
    }
}
