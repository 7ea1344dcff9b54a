//! A picture of a task that is not done yet: the module draws it, here, from the results there are.

use crate::apps::Cut;
use crate::workbench::{Job, Talk, Workbench, ending};
use anyhow::Context as _;
use golem_node::folder::Folder;
use golem_node::{Collected, PreviewNote, RequestorHandle, ShownTask};
use golem_protocol::B256;
use golem_sandbox::{CancelToken, InputFile};
use golem_task::TaskLimits;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// The least time between two previews. Reason: who watches looks no more often.
const EVERY: Duration = Duration::from_secs(2);
/// How many times longer than drawing one took the next is waited for. Reason: a preview must not take a core for itself.
const PAUSE_TIMES: u32 = 9;

/// How a task's preview is drawn, and when the next is due.
pub struct Preview {
    args: Vec<String>,
    due: Mutex<Option<Instant>>,
    drawn: Mutex<BTreeSet<PathBuf>>,
}

impl Preview {
    /// By a module that is run with these arguments, the results in `/in/INDEX/`.
    pub fn new(args: Vec<String>) -> Preview {
        Preview { args, due: Mutex::new(Some(Instant::now())), drawn: Mutex::default() }
    }

    /// What is kept with the task, so that it is shown when it is taken up again.
    pub fn note(&self, limits: TaskLimits) -> PreviewNote {
        PreviewNote { args: self.args.clone(), limits }
    }

    /// Whether it is time for another.
    pub fn is_due(&self) -> bool {
        let due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        due.is_some_and(|due| Instant::now() >= due)
    }

    /// Makes another due at once, unless drawing it has failed: a task ends sooner than the pause.
    pub fn make_due(&self) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        *due = due.map(|_| Instant::now());
    }

    /// Says where what was drawn is, where that is all that there will be, and drawing it did not fail.
    pub fn say_where(&self) {
        if self.due.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            return;
        }
        let drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let paths: Vec<String> = drawn.iter().map(|path| path.display().to_string()).collect();
        if !paths.is_empty() {
            note!("What came in is drawn in {}.", paths.join(", "));
        }
    }

    /// Draws it into a folder. One that cannot be drawn is told of once, and none is tried after that: the task matters
    /// more.
    pub fn draw(
        &self,
        workbench: &Workbench,
        files: Vec<InputFile>,
        limits: TaskLimits,
        out: &Path,
        cancel: &CancelToken,
    ) {
        // Nobody draws two at once: whoever comes meanwhile finds nothing due.
        {
            let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
            match *due {
                Some(at) if Instant::now() >= at => *due = None,
                _ => return,
            }
        }
        let began = Instant::now();
        match self.drawn(workbench, files, limits, out, cancel) {
            Ok(()) => {
                let pause = (began.elapsed() * PAUSE_TIMES).max(EVERY);
                *self.due.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + pause);
            }
            // The task has ended, and its results are better than any preview.
            Err(_) if cancel.is_cancelled() => {}
            Err(error) => note!("no preview: {}", crate::output::error_text(&error)),
        }
    }

    fn drawn(
        &self,
        workbench: &Workbench,
        files: Vec<InputFile>,
        limits: TaskLimits,
        out: &Path,
        cancel: &CancelToken,
    ) -> anyhow::Result<()> {
        let work = tempfile::Builder::new().prefix("golem-preview-").tempdir().context("cannot make a folder")?;
        let output_dir = work.path().join("out");
        let job = Job {
            args: self.args.clone(),
            stdin: None,
            inputs: files,
            output_dir: output_dir.clone(),
            seed: [0; 32],
            limits,
        };
        let outcome = workbench.run(job, cancel)?;
        if !outcome.exit.is_success() {
            anyhow::bail!("{}", ending(&outcome));
        }
        for file in &outcome.files {
            let to = out.join(&file.path);
            if let Some(folder) = to.parent() {
                std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
            }
            // Moved into its place whole, so that whoever looks sees the old one or the new.
            let part = to.with_extension("part");
            std::fs::copy(output_dir.join(&file.path), &part)
                .and_then(|_| std::fs::rename(&part, &to))
                .with_context(|| format!("cannot write {}", to.display()))?;
            self.drawn.lock().unwrap_or_else(PoisonError::into_inner).insert(to);
        }
        Ok(())
    }

    /// Removes what was drawn, where it is not also among the results: a preview beside the whole would only mislead.
    pub fn clear<'a>(&self, results: impl IntoIterator<Item = &'a Path>) {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        for result in results {
            drawn.remove(result);
        }
        for path in std::mem::take(&mut *drawn) {
            // One that is gone already is no loss.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Shows a task on the network while it runs.
pub struct Watching {
    preview: Arc<Preview>,
    workbench: Arc<Workbench>,
    names: Vec<String>,
    limits: TaskLimits,
    out: PathBuf,
    cancel: CancelToken,
    drawing: Option<JoinHandle<()>>,
}

impl Watching {
    /// For a task that can be looked at, with its subtasks' names.
    pub fn new(folder: &Folder, cut: &Cut, out: &Path) -> anyhow::Result<Option<Watching>> {
        let Some(preview) = &cut.preview else { return Ok(None) };
        Ok(Some(Watching {
            preview: preview.clone(),
            workbench: Arc::new(Workbench::open(folder, &cut.module, Talk::Silent)?),
            names: cut.plan.subtasks.iter().map(|subtask| subtask.name.clone()).collect(),
            limits: cut.plan.limits,
            out: out.to_path_buf(),
            cancel: CancelToken::new(),
            drawing: None,
        }))
    }

    /// For a task that is taken up again, where how it is shown was kept with it.
    pub fn resumed(folder: &Folder, shown: ShownTask, out: &Path) -> anyhow::Result<Watching> {
        let ShownTask { preview, module, subtask_names } = shown;
        Ok(Watching {
            preview: Arc::new(Preview::new(preview.args)),
            workbench: Arc::new(Workbench::open(folder, &module, Talk::Silent)?),
            names: subtask_names,
            limits: preview.limits,
            out: out.to_path_buf(),
            cancel: CancelToken::new(),
            drawing: None,
        })
    }

    /// Draws what there is, beside the task, if it is time. A task goes on where it cannot be looked at.
    pub async fn look(&mut self, node: &RequestorHandle, header: B256) -> anyhow::Result<()> {
        if !self.preview.is_due() || self.drawing.as_ref().is_some_and(|drawing| !drawing.is_finished()) {
            return Ok(());
        }
        let gathered = tempfile::Builder::new()
            .prefix("golem-preview-")
            .tempdir()
            .context("cannot make a folder for the preview")?;
        let collected = node.collect(header, gathered.path()).await?;
        let files = collected.files.iter().filter_map(|file| {
            let index = file.subtask?;
            let own = file.path.strip_prefix(gathered.path().join(self.names.get(index as usize)?)).ok()?;
            Some(InputFile { guest_path: format!("{index}/{}", own.to_str()?), host_path: file.path.clone() })
        });
        let files: Vec<InputFile> = files.collect();
        let (preview, workbench, cancel) = (self.preview.clone(), self.workbench.clone(), self.cancel.clone());
        let (limits, out) = (self.limits, self.out.clone());
        self.drawing = Some(tokio::task::spawn_blocking(move || {
            preview.draw(&workbench, files, limits, &out, &cancel);
            drop(gathered);
        }));
        Ok(())
    }

    /// Draws once more all that came in, whatever is drawn now, of a task that will not be whole. It says where that is.
    pub async fn draw_last(&mut self, node: &RequestorHandle, header: B256) -> anyhow::Result<()> {
        self.drawn().await;
        self.preview.make_due();
        self.look(node, header).await?;
        self.drawn().await;
        self.preview.say_where();
        Ok(())
    }

    /// What cuts off what is drawn, from elsewhere.
    pub fn cancel(&self) -> CancelToken {
        self.cancel.clone()
    }

    async fn drawn(&mut self) {
        if let Some(drawing) = self.drawing.take() {
            // It says itself what went wrong.
            let _ = drawing.await;
        }
    }

    /// Waits until nothing is drawn any more: what comes after must not be drawn over.
    pub async fn end(&mut self) {
        self.cancel.cancel();
        self.drawn().await;
    }

    /// Removes the preview, which the results of the whole task have come in place of.
    pub fn clear(&self, collected: &Collected) {
        self.preview.clear(collected.files.iter().map(|file| file.path.as_path()));
    }
}
