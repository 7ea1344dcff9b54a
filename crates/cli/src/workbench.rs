//! Runs a task's module on this machine, outside of any deal: to split the task, to look at what is done, to try it.

use crate::files;
use crate::output;
use anyhow::Context as _;
use golem_node::folder::Folder;
use golem_protocol::{B256, ByteCount};
use golem_sandbox::{CancelToken, InputFile, Limits, ModuleSource, Pace, RunOutcome, RunRequest, Sandbox};
use golem_task::TaskLimits;
use std::path::{Path, PathBuf};

/// What is shorter is compiled, or refused, within moments: that need not be said.
const SOON_COMPILED_BYTES: u64 = 64 << 10;

/// How much of the end of a program's standard error is shown.
const STDERR_TAIL: ByteCount = ByteCount::from_bytes(4096);

/// Whether it is said what takes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Talk {
    /// On standard error, for people.
    Told,
    /// Nobody reads along.
    Silent,
}

impl Talk {
    /// What goes with a command that may print JSON.
    pub fn beside(json: bool) -> Talk {
        if json { Talk::Silent } else { Talk::Told }
    }
}

/// A module and a sandbox to run it in, with the compiled modules of a data folder.
pub struct Workbench {
    sandbox: Sandbox,
    module: ModuleSource,
    talk: Talk,
}

/// One run of the module.
pub struct Job {
    /// Its arguments.
    pub args: Vec<String>,
    /// The file it reads as standard input.
    pub stdin: Option<PathBuf>,
    /// What it finds in `/in`.
    pub inputs: Vec<InputFile>,
    /// Where its files go: a folder that is empty or not there.
    pub output_dir: PathBuf,
    /// What its randomness is drawn from.
    pub seed: [u8; 32],
    /// When it is stopped.
    pub limits: TaskLimits,
}

impl Workbench {
    /// Reads the module's digest and sets up a sandbox. Errors: the file, or the folder for compiled modules.
    pub fn open(folder: &Folder, module: &Path, talk: Talk) -> anyhow::Result<Workbench> {
        let digest = files::hash(module).context("the module")?.0;
        let sandbox = crate::context::sandbox(folder)?;
        Ok(Workbench { sandbox, module: ModuleSource::File { path: module.to_path_buf(), digest }, talk })
    }

    /// Says that it takes a while, where the module was not compiled before.
    fn say_if_compiled_first(&self) {
        let ModuleSource::File { path, .. } = &self.module else { return };
        if self.talk == Talk::Told && !self.sandbox.is_compiled(&self.module) {
            let name = path.file_name().unwrap_or(path.as_os_str()).display();
            let bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
            if bytes < SOON_COMPILED_BYTES {
                return;
            }
            note!("compiling {name} ({}), which is kept for the next time", output::size(bytes));
        }
    }

    /// Compiles the module, so that the first run need not. Errors: it cannot run here at all.
    pub fn prepare(&self) -> anyhow::Result<()> {
        self.say_if_compiled_first();
        Ok(self.sandbox.prepare(&self.module)??)
    }

    /// Runs it to its end. What is the program's fault is in the outcome.
    pub fn run(&self, job: Job, cancel: &CancelToken) -> anyhow::Result<RunOutcome> {
        self.say_if_compiled_first();
        let subtask = job.limits.subtask;
        let request = RunRequest {
            owner: B256::ZERO,
            module: self.module.clone(),
            args: job.args,
            stdin: job.stdin,
            inputs: job.inputs,
            output_dir: job.output_dir,
            seed: job.seed,
            limits: Limits {
                fuel_max: subtask.fuel_max,
                memory_max: subtask.memory_max,
                table_elements_max: subtask.table_elements_max,
                output_max: subtask.output_max,
                output_files_max: subtask.output_files_max,
                stderr_tail_max: STDERR_TAIL,
                wall_ms: u64::from(job.limits.timeout_s) * 1000,
            },
        };
        Ok(self.sandbox.run(&request, cancel, Pace::FULL)?)
    }
}

/// How a run ended, with the program's last words.
pub fn ending(outcome: &RunOutcome) -> String {
    match last_lines(&output::tame(outcome.stderr_tail.trim())) {
        said if said.is_empty() => outcome.exit.to_string(),
        said => format!("{}; it said: {said}", outcome.exit),
    }
}

/// The end of what a program said, as far as a screen has room.
fn last_lines(said: &str) -> String {
    const LINES_MAX: usize = 20;
    let lines: Vec<&str> = said.lines().collect();
    match lines.len().checked_sub(LINES_MAX).filter(|more| *more > 0) {
        Some(more) => format!("... {} before\n{}", output::count(more, "line"), lines[more..].join("\n")),
        None => said.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_end_of_what_a_program_said() {
        assert_eq!(last_lines("one\ntwo"), "one\ntwo");
        let flood: String = (1..=150).map(|line| format!("line {line}\n")).collect();
        let shown = last_lines(&flood);
        assert!(shown.starts_with("... 130 lines before\nline 131\n") && shown.ends_with("line 150"), "{shown}");
    }
}
