//! Running subtasks: fetch what goes in, run it in the sandbox, keep what came out, say what came of it.

use crate::content::{Contents, DOCUMENT_BYTES_MAX, Pins};
use crate::error::ContentError;
use golem_deal::{ComputeJob, UnfitProgram};
use golem_protocol::limits::TEXT_BYTES_MAX;
use golem_protocol::{B256, ByteCount, ContentHash, FailureKind, Fuel, Header, NodeId, SubtaskOutcome};
use golem_sandbox::{
    CancelToken, Exit, InputFile, Limits, ModuleFault, ModuleSource, Pace, RunOutcome, RunRequest, STDOUT_PATH,
    Sandbox, SandboxConfig, SandboxError,
};
use golem_task::{FileRef, SubtaskInput, SubtaskLimits, SubtaskOutput};
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};

/// How long an input is asked for in vain before the subtask fails. Reason: a requestor needs some seconds to restart,
/// and meanwhile the slot is idle.
const FETCH_PATIENCE: Duration = Duration::from_secs(10);
/// The first and the longest pause before it is asked for again.
const FETCH_AGAIN: Duration = Duration::from_millis(250);
const FETCH_AGAIN_MAX: Duration = Duration::from_secs(4);
/// Files of one subtask fetched at once. Reason: their pieces are fetched in parallel anyway.
const FETCHES_MAX: usize = 4;
/// How much of the end of standard error is kept for a failure's message. Reason: the message itself has 1 KiB.
const STDERR_BYTES_MAX: u64 = 1024;
/// Of a subtask that took too long it is said how long it was fetched, where that was one part in so many of its time.
const FETCH_TOLD_FROM: u32 = 10;
/// The least time left to run something at all, in milliseconds.
const RUN_MS_MIN: u64 = 10;

/// Ends one job, wherever it is.
#[derive(Clone)]
pub(crate) struct JobStop {
    token: CancelToken,
    stopped: Arc<watch::Sender<bool>>,
}

impl JobStop {
    pub(crate) fn new() -> JobStop {
        JobStop { token: CancelToken::new(), stopped: Arc::new(watch::channel(false).0) }
    }

    /// A run ends within a hundredth of a second, a transfer at once.
    pub(crate) fn stop(&self) {
        self.token.cancel();
        self.stopped.send_replace(true);
    }

    async fn wait(&self) {
        let mut stopped = self.stopped.subscribe();
        // The sender is ours, so it cannot be gone.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    }
}

/// The sandbox with its slots.
pub(crate) struct Runner {
    sandbox: Arc<Sandbox>,
    slots: Arc<Semaphore>,
    pace: Pace,
    work: PathBuf,
    number: AtomicU64,
}

/// What a run left: the folder is removed with it.
pub(crate) struct Ran {
    pub(crate) outcome: RunOutcome,
    pub(crate) folder: RunFolder,
}

/// Ends a run whose waiter is gone, as when the node is dropped: its thread would go on for nobody.
struct Abandoned {
    token: Option<CancelToken>,
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        if let Some(token) = &self.token {
            token.cancel();
        }
    }
}

/// The output folder of one run.
pub(crate) struct RunFolder(PathBuf);

impl RunFolder {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        match fs::remove_dir_all(&self.0) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(path = %self.0.display(), %error, "work folder not removed"),
        }
    }
}

/// What to run.
pub(crate) struct Run {
    /// Whose work it is.
    pub(crate) owner: NodeId,
    pub(crate) module: ContentHash,
    pub(crate) args: Vec<String>,
    pub(crate) stdin: Option<ContentHash>,
    /// Paths below `/in`, and what they hold.
    pub(crate) files: Vec<(String, ContentHash)>,
    pub(crate) seed: [u8; 32],
    pub(crate) limits: SubtaskLimits,
    pub(crate) wall_ms: u64,
}

impl Runner {
    /// Sets up the sandbox. `work` is emptied: what is in it is of an earlier run.
    pub(crate) fn new(config: SandboxConfig, work: PathBuf, pace: Pace) -> Result<Runner, SandboxError> {
        let io = |action: &str, error: std::io::Error| SandboxError::Io {
            action: action.to_owned(),
            path: work.clone(),
            reason: error.to_string(),
        };
        if work.exists() {
            fs::remove_dir_all(&work).map_err(|error| io("empty", error))?;
        }
        fs::create_dir_all(&work).map_err(|error| io("create", error))?;
        let slots = Arc::new(Semaphore::new(config.slots as usize));
        let sandbox = Arc::new(Sandbox::new(config)?);
        tracing::info!(isolation = %sandbox.confinement(), "sandbox ready");
        Ok(Runner { sandbox, slots, pace, work, number: AtomicU64::new(0) })
    }

    /// What stands between programs and this node, in words.
    pub(crate) fn isolation(&self) -> String {
        self.sandbox.confinement().to_string()
    }

    /// How fast one slot is. Blocks for half a second or more.
    pub(crate) fn benchmark(&self) -> Result<u64, SandboxError> {
        Ok(self.sandbox.benchmark(&CancelToken::new(), self.pace)?.fuel_per_second)
    }

    /// Waits for a slot and runs a program there. All contents must be here.
    pub(crate) async fn run(&self, contents: &Contents, run: Run, stop: &JobStop) -> Result<Ran, SandboxError> {
        let slot = tokio::select! {
            slot = self.slots.clone().acquire_owned() => slot.map_err(|_| SandboxError::Cancelled)?,
            _ = stop.wait() => return Err(SandboxError::Cancelled),
        };
        let folder = RunFolder(self.work.join(self.number.fetch_add(1, Ordering::Relaxed).to_string()));
        let request = RunRequest {
            owner: run.owner.0.into_word(),
            module: ModuleSource::File { path: contents.path(run.module), digest: run.module },
            args: run.args,
            stdin: run.stdin.map(|hash| contents.path(hash)),
            inputs: run
                .files
                .into_iter()
                .map(|(guest_path, hash)| InputFile { guest_path, host_path: contents.path(hash) })
                .collect(),
            output_dir: folder.path().to_path_buf(),
            seed: run.seed,
            limits: Limits {
                fuel_max: run.limits.fuel_max,
                memory_max: run.limits.memory_max,
                table_elements_max: run.limits.table_elements_max,
                output_max: run.limits.output_max,
                output_files_max: run.limits.output_files_max,
                stderr_tail_max: ByteCount::from_bytes(STDERR_BYTES_MAX),
                wall_ms: run.wall_ms,
            },
        };
        let (sandbox, pace, token) = (self.sandbox.clone(), self.pace, stop.token.clone());
        let mut abandoned = Abandoned { token: Some(token.clone()) };
        let ran = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            sandbox.run(&request, &token, pace)
        })
        .await;
        abandoned.token = None;
        let outcome = ran.unwrap_or_else(|error| Err(SandboxError::Engine { reason: error.to_string() }))?;
        Ok(Ran { outcome, folder })
    }
}

/// Why a subtask gave no result: what it is, and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    pub(crate) message: String,
    /// How long the program is left alone, where it cannot run here whatever it is given.
    unfit_for: Option<Duration>,
}

/// What came of a job.
pub(crate) struct Computed {
    pub(crate) outcome: SubtaskOutcome,
    /// The job's program, where this machine cannot run it.
    pub(crate) unfit: Option<UnfitProgram>,
}

impl Failure {
    fn new(kind: FailureKind, message: impl ToString) -> Failure {
        Failure { kind, message: message.to_string(), unfit_for: None }
    }

    pub(crate) fn outcome(self) -> SubtaskOutcome {
        SubtaskOutcome::Failed { kind: self.kind, message: ending(&self.message) }
    }
}

/// The end of a text, as much of it as a document may carry: a program's last words say most.
fn ending(text: &str) -> String {
    let mut start = text.len().saturating_sub(TEXT_BYTES_MAX);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text[start..].to_owned()
}

/// The most a subtask of a provider gets, whatever its header says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SubtaskBounds {
    pub(crate) memory_max: ByteCount,
    pub(crate) output_max: ByteCount,
    /// All that goes into one subtask.
    pub(crate) input_max: ByteCount,
}

/// Does one job of a provider from beginning to end; a failure is an outcome too.
pub(crate) async fn compute(
    runner: Arc<Runner>,
    contents: Contents,
    bounds: SubtaskBounds,
    job: ComputeJob,
    stop: JobStop,
) -> Computed {
    match work(&runner, &contents, bounds, &job, &stop).await {
        Ok(outcome) => Computed { outcome, unfit: None },
        Err(failure) => {
            let unfit = failure.unfit_for.map(|life| UnfitProgram {
                module: job.header.module,
                detail: failure.message.clone(),
                for_ms: life.as_millis() as u64,
            });
            Computed { outcome: failure.outcome(), unfit }
        }
    }
}

/// Makes the input of a job be here before its turn comes. What fails is tried again when it does.
pub(crate) async fn prefetch(contents: Contents, bounds: SubtaskBounds, job: ComputeJob) {
    let mut pins = contents.pins();
    let fetching = async {
        let bytes = contents.document(job.input, job.requestor).await.ok()?;
        let input = SubtaskInput::decode(&bytes).ok().filter(|input| check_input(input, &job.header).is_ok())?;
        fetch_all(&contents, &input, &job.header, bounds, job.requestor, &mut pins).await.ok()
    };
    let _ = tokio::time::timeout(Duration::from_secs(job.timeout_s as u64), fetching).await;
}

async fn work(
    runner: &Runner,
    contents: &Contents,
    bounds: SubtaskBounds,
    job: &ComputeJob,
    stop: &JobStop,
) -> Result<SubtaskOutcome, Failure> {
    let began = Instant::now();
    let allowed = Duration::from_secs(job.timeout_s as u64);
    let mut pins = contents.pins();
    let fetching = async {
        let input = read_input(contents, job.input, job.requestor).await?;
        check_input(&input, &job.header)?;
        fetch_all(contents, &input, &job.header, bounds, job.requestor, &mut pins).await?;
        Ok(input)
    };
    let late = |_| Failure::new(FailureKind::BadInput, format!("the input was not here within {} s", job.timeout_s));
    // Only the fetching is left at once: a run is told to end and then waited for, so that nothing of it is left over.
    let input = tokio::select! {
        fetched = tokio::time::timeout(allowed, fetching) => fetched.map_err(late)??,
        _ = stop.wait() => return Err(Failure::new(FailureKind::Provider, "the work was stopped")),
    };
    let fetched = began.elapsed();
    let left = allowed.saturating_sub(fetched).as_millis() as u64;
    let limit_ms = allowed.as_millis() as u64;
    let terms = RunTerms { owner: job.requestor, bounds, wall_ms: left.max(RUN_MS_MIN), limit_ms };
    let mut ran = run_and_keep(runner, contents, terms, input, stop, &mut pins).await;
    if let Err(failure) = &mut ran
        && failure.kind == FailureKind::TimedOut
        && fetched * FETCH_TOLD_FROM > allowed
    {
        failure.message =
            format!("fetching its input took {} ms of its time; {}", fetched.as_millis(), failure.message);
    }
    ran
}

/// Runs a subtask of our own task again, to compare; what came out is held by `pins`. `Err` where it could not be run here.
pub(crate) async fn recheck(
    runner: Arc<Runner>,
    contents: Contents,
    input: ContentHash,
    header: Header,
    stop: JobStop,
    pins: &mut Pins,
) -> Result<SubtaskOutcome, String> {
    let bounds = SubtaskBounds {
        memory_max: header.memory_max,
        output_max: header.output_max,
        input_max: ByteCount::from_bytes(u64::MAX),
    };
    let bytes = contents.blocking(move |here| here.read(input)).await.map_err(|error| error.to_string())?;
    let document = SubtaskInput::decode(&bytes).map_err(|error| error.to_string())?;
    // The provider's clock does not bind us, yet a run without end must end.
    let wall_ms = (header.subtask_timeout_s as u64).saturating_mul(2_000);
    let terms = RunTerms { owner: header.requestor, bounds, wall_ms, limit_ms: wall_ms };
    let ran = run_and_keep(&runner, &contents, terms, document, &stop, pins).await;
    match ran {
        Ok(outcome) => Ok(outcome),
        // Not the task's doing: this machine's disk, clock or owner.
        Err(failure) if !failure.kind.is_deterministic() => Err(failure.message),
        Err(failure) => Ok(failure.outcome()),
    }
}

/// Asks again while the requestor cannot be reached: one that restarts must not find its whole batch failed.
async fn patiently<T, F>(ask: impl Fn() -> F) -> Result<T, ContentError>
where
    F: Future<Output = Result<T, ContentError>>,
{
    let began = Instant::now();
    let mut pause = FETCH_AGAIN;
    loop {
        match ask().await {
            Err(error) if error.may_pass() && began.elapsed() < FETCH_PATIENCE => {
                tracing::debug!(%error, "input not fetched, trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(FETCH_AGAIN_MAX);
            }
            answer => return answer,
        }
    }
}

async fn read_input(contents: &Contents, input: ContentHash, from: NodeId) -> Result<SubtaskInput, Failure> {
    let bad = |error: &dyn ToString| Failure::new(FailureKind::BadInput, error.to_string());
    let bytes = patiently(|| contents.document(input, from)).await.map_err(|error| bad(&error))?;
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(bad(&format!("the input document has {} bytes, more than {DOCUMENT_BYTES_MAX}", bytes.len())));
    }
    SubtaskInput::decode(&bytes).map_err(|error| bad(&error))
}

/// The document may ask for no more than what was announced and agreed.
fn check_input(input: &SubtaskInput, header: &Header) -> Result<(), Failure> {
    let bad = |what: &str| Err(Failure::new(FailureKind::BadInput, format!("the input document {what}")));
    if input.module != header.module {
        return bad("names another module than the header");
    }
    if input.limits.fuel_max > header.fuel_max {
        return bad("asks for more fuel than the header");
    }
    if input.limits.memory_max > header.memory_max {
        return bad("asks for more memory than the header");
    }
    if input.limits.output_max > header.output_max {
        return bad("asks for more output than the header");
    }
    Ok(())
}

async fn fetch_all(
    contents: &Contents,
    input: &SubtaskInput,
    header: &Header,
    bounds: SubtaskBounds,
    from: NodeId,
    pins: &mut crate::content::Pins,
) -> Result<(), Failure> {
    use futures::StreamExt;
    let files = || input.files.iter().chain(&input.stdin);
    let total = files().fold(header.module_bytes, |sum, file| sum.saturating_add(file.size.0));
    if total > bounds.input_max {
        let what = format!("the input has {} bytes, and this node takes at most {}", total.0, bounds.input_max.0);
        return Err(Failure::new(FailureKind::BadInput, what));
    }
    let mut wanted = vec![(header.module, header.module_bytes)];
    wanted.extend(files().map(|file| (file.content, file.size)));
    wanted.sort_unstable();
    wanted.dedup();
    for (hash, _) in &wanted {
        pins.add(*hash);
    }
    let fetches = wanted.into_iter().map(|(hash, size)| patiently(move || contents.fetch(hash, size.0, from)));
    let mut fetches = futures::stream::iter(fetches).buffer_unordered(FETCHES_MAX);
    while let Some(fetched) = fetches.next().await {
        fetched.map_err(|error| Failure::new(FailureKind::BadInput, error))?;
    }
    Ok(())
}

/// What a run is granted here, whatever its document says.
#[derive(Clone, Copy)]
struct RunTerms {
    /// Whose work it is.
    owner: NodeId,
    bounds: SubtaskBounds,
    /// What is left of the time.
    wall_ms: u64,
    /// All of it, as it was set.
    limit_ms: u64,
}

async fn run_and_keep(
    runner: &Runner,
    contents: &Contents,
    terms: RunTerms,
    input: SubtaskInput,
    stop: &JobStop,
    pins: &mut crate::content::Pins,
) -> Result<SubtaskOutcome, Failure> {
    let RunTerms { owner, bounds, wall_ms, limit_ms } = terms;
    let limits = SubtaskLimits {
        memory_max: input.limits.memory_max.min(bounds.memory_max),
        output_max: input.limits.output_max.min(bounds.output_max),
        ..input.limits
    };
    let run = Run {
        owner,
        module: input.module,
        args: input.args,
        stdin: input.stdin.map(|file| file.content),
        files: input.files.into_iter().map(|file| (file.path, file.content)).collect(),
        seed: input.seed,
        limits,
        wall_ms,
    };
    let mut ran = runner.run(contents, run, stop).await.map_err(failed_here)?;
    if let Exit::WallClock { wall_ms } = &mut ran.outcome.exit {
        *wall_ms = limit_ms;
    }
    check_exit(&ran)?;
    let (fuel, time_ms) = (ran.outcome.fuel, ran.outcome.wall_ms);
    let kept = contents.taking_in(move |here| keep_output(here, &ran)).await;
    let kept = kept.map_err(|error| Failure::new(FailureKind::Provider, error))?;
    let output = completed(&kept, fuel, time_ms);
    pins.join(kept.pins);
    Ok(output)
}

/// What was kept of a run.
struct Kept {
    manifest: ContentHash,
    manifest_bytes: u64,
    /// The files and the manifest.
    pins: Pins,
}

fn completed(kept: &Kept, fuel: Fuel, time_ms: u64) -> SubtaskOutcome {
    let output_bytes = ByteCount::from_bytes(kept.manifest_bytes);
    SubtaskOutcome::Completed { output: kept.manifest, output_bytes, fuel, time_ms }
}

/// Puts the output files and their manifest into the content store.
fn keep_output(contents: &Contents, ran: &Ran) -> Result<Kept, ContentError> {
    let mut pins = contents.pins();
    let mut files = Vec::with_capacity(ran.outcome.files.len());
    for file in &ran.outcome.files {
        let path = ran.folder.path().join(&file.path);
        // Before it is there: it must not go in between.
        pins.add(file.digest);
        let (hash, _) = contents.insert_file(&path)?;
        if hash != file.digest {
            return Err(ContentError::Changed { path, got: hash.0, want: file.digest.0 });
        }
        files.push(FileRef { path: file.path.clone(), content: file.digest, size: file.size });
    }
    let malformed = |error: golem_task::BundleError| ContentError::Malformed {
        digest: B256::ZERO,
        what: "output manifest",
        detail: error.to_string(),
    };
    let bytes = SubtaskOutput::new(0, files).and_then(|output| output.encode()).map_err(malformed)?;
    pins.add(ContentHash(B256::from(*blake3::hash(&bytes).as_bytes())));
    let manifest = contents.insert_bytes(&bytes)?;
    Ok(Kept { manifest, manifest_bytes: bytes.len() as u64, pins })
}

/// The program did its work, or why not.
pub(crate) fn check_exit(ran: &Ran) -> Result<(), Failure> {
    let outcome = &ran.outcome;
    let kind = match &outcome.exit {
        Exit::Exited { code: 0 } => return Ok(()),
        Exit::Exited { .. } => FailureKind::ExitStatus,
        Exit::OutOfFuel { .. } => FailureKind::OutOfFuel,
        Exit::OutOfMemory { .. } | Exit::TableTooLarge { .. } => FailureKind::OutOfMemory,
        Exit::OutputTooLarge { .. } | Exit::TooManyFiles { .. } => FailureKind::OutputTooLarge,
        Exit::WallClock { .. } => FailureKind::TimedOut,
        // What depends on this machine proves nothing against the program.
        Exit::Trapped { .. } | Exit::BadModule(_) if !outcome.exit.is_reproducible() => FailureKind::Provider,
        Exit::Trapped { .. } => FailureKind::Trapped,
        // Neither does what a machine's own compiler makes of it, or how long it takes.
        Exit::BadModule(ModuleFault::NotCompiled { .. }) | Exit::NotCompiled(_) => FailureKind::Provider,
        Exit::BadModule(_) => FailureKind::BadModule,
    };
    let message = with_last_words(outcome.exit.to_string(), &outcome.stderr_tail, &stdout_end(ran));
    Err(Failure { kind, message, unfit_for: outcome.exit.unfit_for() })
}

/// What happened in the first line, then the ends of what the program printed, as much of them as a document carries; those
/// of its standard error last, and first to be kept.
fn with_last_words(happened: String, stderr: &str, stdout: &str) -> String {
    const LAST: &str = "; it printed last:\n";
    const PRINTED: &str = "stdout:\n";
    const ERRORS: &str = "\nstderr:\n";
    let room = TEXT_BYTES_MAX.saturating_sub(happened.len() + LAST.len());
    let stderr = last_lines(stderr, room);
    if stderr.is_empty() {
        let stdout = last_lines(stdout, room);
        return if stdout.is_empty() { happened } else { format!("{happened}{LAST}{stdout}") };
    }
    let stdout = last_lines(stdout, room.saturating_sub(PRINTED.len() + ERRORS.len() + stderr.len()));
    if stdout.is_empty() {
        return format!("{happened}{LAST}{stderr}");
    }
    format!("{happened}{LAST}{PRINTED}{stdout}{ERRORS}{stderr}")
}

/// The end of a text, from where a line begins, unless its last line alone is longer.
fn last_lines(text: &str, bytes_max: usize) -> &str {
    let text = text.trim_end();
    let mut start = text.len().saturating_sub(bytes_max);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let (cut, end) = text.split_at(start);
    if cut.is_empty() || cut.ends_with('\n') {
        return end;
    }
    end.split_once('\n').map_or(end, |(_, whole)| whole)
}

/// The end of what a run printed to its standard output, for people; nothing where there is none.
fn stdout_end(ran: &Ran) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = fs::File::open(ran.folder.path().join(STDOUT_PATH))?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TEXT_BYTES_MAX as u64)))?;
        let mut end = Vec::new();
        file.take(TEXT_BYTES_MAX as u64).read_to_end(&mut end)?;
        Ok(end)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

/// The sandbox could not run it: whose fault that is.
fn failed_here(error: SandboxError) -> Failure {
    let kind = match &error {
        SandboxError::BadInputPath { .. } | SandboxError::BadArgs { .. } | SandboxError::BadLimit { .. } => {
            FailureKind::BadInput
        }
        SandboxError::Cancelled
        | SandboxError::Busy { .. }
        | SandboxError::WrongDigest { .. }
        | SandboxError::OutputNotEmpty { .. }
        | SandboxError::Io { .. }
        | SandboxError::Worker { .. }
        | SandboxError::Isolation { .. }
        | SandboxError::Unfaithful { .. }
        | SandboxError::Engine { .. } => FailureKind::Provider,
    };
    Failure::new(kind, error)
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
