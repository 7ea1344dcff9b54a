//! A task on this machine alone: its subtasks and its merge in the sandbox, without a network, a chain or a key.
//!
//! What comes out is what the network would give, to the byte, for a program that does not ask for randomness: only the
//! task's seed differs, which here is always the same.

use crate::Answer;
use crate::apps::Cut;
use crate::output::{self, Table, count};
use crate::process::StopSignals;
use crate::run::failures;
use crate::workbench::{Job, Talk, Workbench, ending};
use anyhow::{Context as _, bail};
use golem_node::FailedSubtask;
use golem_node::folder::Folder;
use golem_protocol::{ByteCount, ContentHash};
use golem_sandbox::{CancelToken, InputFile, RunOutcome};
use golem_task::{MergeSpec, SubtaskInput, SubtaskSpec};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use tempfile::TempDir;

/// The seed of a task that runs here: trying it twice gives the same.
const LOCAL_SEED: [u8; 32] = [0; 32];
/// Subtasks whose lines are shown. Reason: a screen.
const LINES_MAX: usize = 24;

/// A task that runs here.
struct Local {
    cut: Cut,
    workbench: Workbench,
    work: TempDir,
    out: PathBuf,
    cancel: CancelToken,
}

/// One subtask that has been run, or could not be.
struct Tried {
    index: u32,
    outcome: RunOutcome,
    /// Why it does not count, where it does not.
    fault: Option<String>,
}

/// What came of a task.
struct Ran {
    tried: Vec<Tried>,
    merged: Option<RunOutcome>,
    fault: Option<String>,
    failed: Vec<FailedSubtask>,
    /// Where those are written down.
    written: Option<PathBuf>,
    files: Vec<(PathBuf, u64)>,
}

/// Runs a task here and prints what came of it. It is done when every subtask and the merge were.
pub async fn run(
    folder: &Folder,
    cut: Cut,
    out: &Path,
    as_json: bool,
    mut signals: StopSignals,
) -> anyhow::Result<Answer> {
    let workbench = Workbench::open(folder, &cut.module, Talk::beside(as_json))?;
    let work = tempfile::Builder::new().prefix("golem-local-").tempdir().context("cannot make a folder to work in")?;
    let cancel = CancelToken::new();
    let local = Local { cut, workbench, work, out: out.to_path_buf(), cancel: cancel.clone() };
    let mut running = tokio::task::spawn_blocking(move || local.run());
    let ran = tokio::select! {
        ran = &mut running => ran??,
        _ = signals.next() => {
            cancel.cancel();
            // It ends within moments, with an error that says less than this one.
            let _ = running.await;
            bail!("stopped; nothing was written");
        }
    };
    if as_json {
        output::json(&ran.to_json())?;
    } else {
        ran.print()?;
    }
    match &ran.fault {
        None => Ok(Answer::Yes),
        Some(fault) => {
            note!("golem: {}", output::tame(fault));
            if !ran.failed.is_empty() {
                note!("{}", failures::listed(&ran.failed, ran.written.as_deref()).trim_end());
            }
            Ok(Answer::No)
        }
    }
}

impl Local {
    fn run(self) -> anyhow::Result<Ran> {
        self.workbench.prepare()?;
        let tried = self.subtasks()?;
        let plan = &self.cut.plan;
        let failed: Vec<FailedSubtask> = tried.iter().filter_map(|one| self.failure(one)).collect();
        // As on the network: results that nothing puts together lie where they belong, whatever became of the others.
        let apart = if plan.merge.is_some() { self.out.join("partial") } else { self.out.clone() };
        if !failed.is_empty() {
            let files = self.keep_apart(&tried, &apart)?;
            if let Some(preview) = self.cut.preview.as_ref().filter(|_| failed.len() < tried.len()) {
                preview.make_due();
                preview.draw(&self.workbench, self.results(&tried), plan.limits, &self.out, &self.cancel);
                preview.say_where();
            }
            let mut fault = format!("{} of {} failed", failed.len(), count(plan.subtasks.len() as u64, "subtask"));
            let left = plan.subtasks.len() - tried.len();
            if left > 0 {
                fault.push_str(&format!(
                    ", and {left} {} not begun: without all of them there is nothing to merge",
                    if left == 1 { "was" } else { "were" }
                ));
            }
            let written = self.write_failures(&failed);
            return Ok(Ran { tried, merged: None, fault: Some(fault), failed, written, files });
        }
        self.write_failures(&[]);
        let Some(merge) = &plan.merge else {
            let files = self.keep_apart(&tried, &apart)?;
            return Ok(Ran { tried, merged: None, fault: None, failed, written: None, files });
        };
        let outcome = self.merge(merge, &tried)?;
        let (fault, files) = if outcome.exit.is_success() {
            let files = self.keep(&outcome, &self.work.path().join("merge"), &self.out)?;
            if let Some(preview) = &self.cut.preview {
                preview.clear(files.iter().map(|(path, _)| path.as_path()));
            }
            (None, files)
        } else {
            (Some(format!("the merge: {}", ending(&outcome))), self.keep_apart(&tried, &apart)?)
        };
        Ok(Ran { tried, merged: Some(outcome), fault, failed, written: None, files })
    }

    /// Writes down what failed, where anything did. Gives the file.
    fn write_failures(&self, failed: &[FailedSubtask]) -> Option<PathBuf> {
        let made = if failed.is_empty() { Ok(()) } else { std::fs::create_dir_all(&self.out) };
        let kept = made
            .with_context(|| format!("cannot create {}", self.out.display()))
            .and_then(|()| failures::keep("that ran here", failed, &self.out));
        kept.unwrap_or_else(|error| {
            note!("{}", output::error_text(&error));
            None
        })
    }

    fn failure(&self, one: &Tried) -> Option<FailedSubtask> {
        let reason = one.fault.clone()?;
        Some(FailedSubtask { index: one.index, name: self.name(one.index).to_owned(), reason })
    }

    fn name(&self, index: u32) -> &str {
        self.cut.plan.subtasks.get(index as usize).map_or("", |subtask| &subtask.name)
    }

    /// Runs subtasks on all cores until all have ended; where they are to be merged, until one fails.
    fn subtasks(&self) -> anyhow::Result<Vec<Tried>> {
        let total = self.cut.plan.subtasks.len() as u32;
        let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(16)).min(total as usize);
        let (next, stop) = (AtomicU32::new(0), AtomicBool::new(false));
        // What was tried, and how many of them count.
        let done: Mutex<(Vec<Tried>, u32)> = Mutex::default();
        let work = || -> anyhow::Result<()> {
            while !stop.load(Ordering::Relaxed) {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(subtask) = self.cut.plan.subtasks.get(index as usize) else { break };
                let tried = self.subtask(subtask).inspect_err(|_| stop.store(true, Ordering::Relaxed))?;
                let counts = u32::from(tried.fault.is_none());
                stop.fetch_or(counts == 0 && self.cut.plan.merge.is_some(), Ordering::Relaxed);
                // Of a task that has failed what is there is drawn once, at the end.
                let due = self.cut.preview.as_ref().filter(|preview| counts > 0 && preview.is_due());
                let results = {
                    let (done, well) = &mut *done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.push(tried);
                    if (*well + counts) * 10 / total > *well * 10 / total {
                        note!("{} of {} done", *well + counts, count(total, "subtask"));
                    }
                    *well += counts;
                    due.map(|preview| (preview, self.results(done.as_slice())))
                };
                if let Some((preview, files)) = results {
                    preview.draw(&self.workbench, files, self.cut.plan.limits, &self.out, &self.cancel);
                }
            }
            Ok(())
        };
        let ended: Vec<anyhow::Result<()>> = std::thread::scope(|scope| {
            let started: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let panicked = |_| Err(anyhow::anyhow!("a thread that ran subtasks panicked"));
            started.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect()
        });
        ended.into_iter().collect::<anyhow::Result<()>>()?;
        let (mut done, _) = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_by_key(|tried| tried.index);
        Ok(done)
    }

    fn subtask(&self, subtask: &SubtaskSpec) -> anyhow::Result<Tried> {
        let plan = &self.cut.plan;
        let input: SubtaskInput = plan.input(subtask, ContentHash(Default::default()), LOCAL_SEED);
        let place = |content: &ContentHash| {
            self.cut.places.get(content).cloned().with_context(|| format!("there is no file for {content}"))
        };
        let inputs = input
            .files
            .iter()
            .map(|file| anyhow::Ok(InputFile { guest_path: file.path.clone(), host_path: place(&file.content)? }));
        let job = Job {
            args: input.args,
            stdin: input.stdin.as_ref().map(|file| place(&file.content)).transpose()?,
            inputs: inputs.collect::<anyhow::Result<_>>()?,
            output_dir: self.folder(subtask.index),
            seed: input.seed,
            limits: plan.limits,
        };
        let outcome = self.workbench.run(job, &self.cancel)?;
        let missing = |path: &&String| !outcome.files.iter().any(|file| file.path == **path);
        let fault = if !outcome.exit.is_success() {
            Some(ending(&outcome))
        } else {
            plan.expect.iter().find(missing).map(|path| format!("it left no `{path}`, which [output] expects"))
        };
        Ok(Tried { index: subtask.index, outcome, fault })
    }

    fn folder(&self, index: u32) -> PathBuf {
        self.work.path().join(index.to_string())
    }

    /// The files of subtasks as a merge finds them.
    fn results<'a>(&'a self, tried: impl IntoIterator<Item = &'a Tried>) -> Vec<InputFile> {
        let files = tried.into_iter().filter(|one| one.fault.is_none()).flat_map(|one| {
            one.outcome.files.iter().map(|file| InputFile {
                guest_path: format!("{}/{}", one.index, file.path),
                host_path: self.folder(one.index).join(&file.path),
            })
        });
        files.collect()
    }

    fn merge(&self, merge: &MergeSpec, tried: &[Tried]) -> anyhow::Result<RunOutcome> {
        let job = Job {
            args: merge.args.clone(),
            stdin: None,
            inputs: self.results(tried),
            output_dir: self.work.path().join("merge"),
            seed: [0; 32],
            limits: merge.limits,
        };
        self.workbench.run(job, &self.cancel)
    }

    /// Copies what each subtask left to a folder of its name.
    fn keep_apart(&self, tried: &[Tried], to: &Path) -> anyhow::Result<Vec<(PathBuf, u64)>> {
        let mut files = Vec::new();
        for one in tried.iter().filter(|one| one.fault.is_none()) {
            files.extend(self.keep(&one.outcome, &self.folder(one.index), &to.join(self.name(one.index)))?);
        }
        Ok(files)
    }

    fn keep(&self, outcome: &RunOutcome, from: &Path, to: &Path) -> anyhow::Result<Vec<(PathBuf, u64)>> {
        let mut files = Vec::with_capacity(outcome.files.len());
        for file in &outcome.files {
            let place = to.join(&file.path);
            if let Some(folder) = place.parent() {
                std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
            }
            let bytes = std::fs::copy(from.join(&file.path), &place)
                .with_context(|| format!("cannot write {}", place.display()))?;
            files.push((place, bytes));
        }
        Ok(files)
    }
}

impl Ran {
    fn to_json(&self) -> Value {
        let shown = |outcome: &RunOutcome| {
            json!({
                "exit": outcome.exit.to_string(), "fuel": outcome.fuel, "memory_peak_bytes": outcome.memory_peak,
                "wall_ms": outcome.wall_ms, "stderr": outcome.stderr_tail,
            })
        };
        let subtasks = self.tried.iter().map(|one| {
            let mut line = shown(&one.outcome);
            line["index"] = one.index.into();
            line["fault"] = one.fault.clone().into();
            line
        });
        let files = self.files.iter().map(|(path, bytes)| json!({ "path": path, "bytes": bytes }));
        json!({
            "finished": self.fault.is_none(), "error": self.fault, "failures": self.failed,
            "subtasks": subtasks.collect::<Vec<_>>(),
            "merge": self.merged.as_ref().map(shown), "files": files.collect::<Vec<_>>(),
        })
    }

    fn print(&self) -> anyhow::Result<()> {
        let mut table = Table::new(&["subtask", ">fuel", ">MiB of memory", ">ms", "how it ended"]);
        let mut row = |name: String, outcome: &RunOutcome, fault: bool| {
            table.row([
                name,
                outcome.fuel.0.to_string(),
                (outcome.memory_peak.0 >> 20).to_string(),
                outcome.wall_ms.to_string(),
                if fault { "failed".to_owned() } else { "done".to_owned() },
            ]);
        };
        for one in self.tried.iter().take(LINES_MAX) {
            row(one.index.to_string(), &one.outcome, one.fault.is_some());
        }
        if let Some(merged) = &self.merged {
            row("merge".to_owned(), merged, self.fault.is_some());
        }
        output::line(table.render().trim_end())?;
        if self.tried.len() > LINES_MAX {
            output::line(&format!("... and {}", count((self.tried.len() - LINES_MAX) as u64, "more subtask")))?;
        }
        let most = |of: fn(&RunOutcome) -> u64| self.tried.iter().map(|one| of(&one.outcome)).max().unwrap_or(0);
        output::line(&format!(
            "The most that one took: {} fuel, {} MiB of memory, {} ms on this machine.",
            most(|outcome| outcome.fuel.0),
            ByteCount::from_bytes(most(|outcome| outcome.memory_peak.0)).0 >> 20,
            most(|outcome| outcome.wall_ms)
        ))?;
        output::files(self.files.iter().map(|(path, bytes)| (path.as_path(), *bytes)))
    }
}
