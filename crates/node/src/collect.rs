//! Results out of the content store into folders, and many results into one.

use crate::content::Contents;
use crate::error::{CollectError, ContentError};
use crate::requestor_handle::TaskView;
use crate::worker::{JobStop, Run, Runner, check_exit};
use golem_protocol::{Address, ContentHash, NodeId};
use golem_task::{MergeSpec, SubtaskOutput};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Collected {
    /// The files, in the order of subtasks.
    pub files: Vec<CollectedFile>,
    /// Subtasks that have no result.
    pub missing: Vec<u32>,
}

/// One file that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CollectedFile {
    /// Of which subtask; absent for a file of the merge.
    pub subtask: Option<u32>,
    /// Where it is.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
}

/// Another way to put results together than the one that was kept with the task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeBy {
    /// The arguments and limits.
    pub spec: MergeSpec,
    /// Where the module is.
    pub module: PathBuf,
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> ContentError {
    let path = path.to_path_buf();
    move |source| ContentError::Io { action, path, source }
}

/// The manifest of one output. Paths in it were checked to stay within a folder.
fn manifest(contents: &Contents, hash: ContentHash) -> Result<SubtaskOutput, ContentError> {
    let bytes = contents.read(hash)?;
    SubtaskOutput::decode(&bytes).map_err(|error| ContentError::Malformed {
        digest: hash.0,
        what: "output manifest",
        detail: error.to_string(),
    })
}

/// Copies a file to its place; a reader sees the old one or the new, never a part.
fn place(from: &Path, to: &Path) -> Result<u64, ContentError> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(io_error("create the folder", folder))?;
    }
    let mut name = to.file_name().unwrap_or_default().to_os_string();
    name.push(".part");
    let part = to.with_file_name(name);
    let copied = fs::copy(from, &part).and_then(|bytes| fs::rename(&part, to).map(|()| bytes));
    copied.map_err(|source| {
        let _ = fs::remove_file(&part);
        io_error("write", to)(source)
    })
}

/// Makes files durable in their folders: once they count as gathered, what they were copied from may go.
fn settle<'a>(files: impl Iterator<Item = &'a Path>) -> Result<(), ContentError> {
    let mut folders = BTreeSet::new();
    for file in files {
        fs::File::open(file).and_then(|opened| opened.sync_all()).map_err(io_error("write", file))?;
        folders.extend(file.parent());
    }
    // Elsewhere a folder cannot be opened.
    #[cfg(unix)]
    for folder in folders {
        fs::File::open(folder).and_then(|opened| opened.sync_all()).map_err(io_error("write", folder))?;
    }
    Ok(())
}

/// Writes all there is to `dir/<subtask name>/`; it is on the disk when this returns.
pub(crate) async fn collect(contents: &Contents, view: &TaskView, dir: &Path) -> Result<Collected, CollectError> {
    let (view, dir) = (view.clone(), dir.to_path_buf());
    Ok(contents.blocking(move |contents| collect_now(contents, &view, &dir)).await?)
}

fn collect_now(contents: &Contents, view: &TaskView, dir: &Path) -> Result<Collected, ContentError> {
    let mut collected = Collected::default();
    let mut pins = contents.pins();
    for index in 0..view.status.subtasks {
        let Some((output, _)) = view.outputs.get(&index) else {
            collected.missing.push(index);
            continue;
        };
        let name = view.note.subtask_names.get(index as usize).cloned().unwrap_or_else(|| index.to_string());
        pins.add(*output);
        for file in manifest(contents, *output)?.files {
            pins.add(file.content);
            contents.has(file.content).ok_or(ContentError::Missing { digest: file.content.0 })?;
            let to = dir.join(&name).join(&file.path);
            let bytes = place(&contents.path(file.content), &to)?;
            collected.files.push(CollectedFile { subtask: Some(index), path: to, bytes });
        }
    }
    settle(collected.files.iter().map(|file| file.path.as_path()))?;
    Ok(collected)
}

/// Runs the module over all results, which it finds in `/in/INDEX/`, and writes what it leaves to `dir`.
pub(crate) async fn merge(
    contents: &Contents,
    runner: &Runner,
    view: &TaskView,
    by: Option<&MergeBy>,
    dir: &Path,
) -> Result<Collected, CollectError> {
    let Some(spec) = by.map(|by| by.spec.clone()).or_else(|| view.note.merge.clone()) else {
        return collect(contents, view, dir).await;
    };
    let (done, subtasks) = (view.outputs.len() as u32, view.status.subtasks);
    if done < subtasks {
        return Err(CollectError::Unfinished { header: view.status.header, done, subtasks });
    }
    let outputs = view.outputs.clone();
    let mut pins = contents.pins();
    pins.add(view.module);
    // Held until the merge has run.
    let (files, _pins) = contents
        .blocking(move |contents| {
            let mut files = Vec::new();
            for (index, (output, _)) in outputs {
                pins.add(output);
                for file in manifest(contents, output)?.files {
                    pins.add(file.content);
                    contents.has(file.content).ok_or(ContentError::Missing { digest: file.content.0 })?;
                    files.push((format!("{index}/{}", file.path), file.content));
                }
            }
            Ok((files, pins))
        })
        .await?;
    let mut pins = contents.pins();
    let module = match by.map(|by| by.module.clone()) {
        None => view.module,
        Some(path) => contents.blocking(move |contents| Ok(contents.insert_file(&path)?.0)).await?,
    };
    pins.add(module);
    let run = Run {
        // This node's own work, which nobody's address is.
        owner: NodeId(Address::ZERO),
        module,
        args: spec.args,
        stdin: None,
        files,
        // A merge is a function of its inputs.
        seed: [0; 32],
        limits: spec.limits.subtask,
        wall_ms: (spec.limits.timeout_s as u64).saturating_mul(1000),
    };
    let ran = runner.run(contents, run, &JobStop::new()).await?;
    check_exit(&ran).map_err(|failure| CollectError::Merge { detail: failure.message })?;
    let dir = dir.to_path_buf();
    let placed = contents.blocking(move |_| {
        let mut collected = Collected::default();
        for file in &ran.outcome.files {
            let to = dir.join(&file.path);
            let bytes = place(&ran.folder.path().join(&file.path), &to)?;
            collected.files.push(CollectedFile { subtask: None, path: to, bytes });
        }
        settle(collected.files.iter().map(|file| file.path.as_path()))?;
        Ok(collected)
    });
    Ok(placed.await?)
}
