//! A picture of a task that is not done yet: the module draws it, here, from the results there are.

use crate::workbench::{Job, Workbench, ending};
use anyhow::Context as _;
use golem_sandbox::{CancelToken, InputFile};
use golem_task::TaskLimits;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The least time between two previews. Reason: who watches looks no more often.
const EVERY: Duration = Duration::from_secs(2);
/// How many times longer than drawing one took the next is waited for. Reason: a preview must not take a core for itself.
const PAUSE_TIMES: u32 = 9;

/// How a task's preview is drawn, and when the next is due.
pub struct Preview {
    args: Vec<String>,
    due: Mutex<Option<Instant>>,
}

impl Preview {
    /// By a module that is run with these arguments, the results in `/in/INDEX/`.
    pub fn new(args: Vec<String>) -> Preview {
        Preview { args, due: Mutex::new(Some(Instant::now())) }
    }

    /// Whether it is time for another.
    pub fn is_due(&self) -> bool {
        let due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        due.is_some_and(|due| Instant::now() >= due)
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
            Err(error) => eprintln!("no preview: {}", crate::output::error_text(&error)),
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
        }
        Ok(())
    }
}
