//! Programs in worker processes: who gets which worker, one run in it, and how long it is kept. A worker runs one
//! program for one owner, one run at a time; see [`crate::compiled`] for what it is given to run.

use crate::cancel::CancelToken;
use crate::compiled::{Code, Compiled, Trouble, lost, start_process};
use crate::host_files::{self, OutputFolder};
use crate::modules;
use crate::outcome::{Exit, SandboxError};
use crate::profile::TABLE_ELEMENTS_MAX;
use crate::request::{Isolation, Limits, ModuleSource, SandboxConfig};
use crate::run::RunFailure;
use crate::sandbox::{Finished, Job, Landlock, Output};
use crate::ticker::TICK;
use crate::wire::{Answer, Ask, Bounds, Ended, Role, Setup, Until, WireError};
use crate::worker_process::{Lost, Spawner, WorkerProcess, WorkerReady, unexpected};
use golem_protocol::{B256, ByteCount, ContentHash, Fuel};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Memory of a worker beside its program's memory, output and code: the engine, stacks, the list of inputs.
const WORKER_BYTES: u64 = 512 << 20;
/// How much of an output's size a worker may take for it. Reason: a file that grows is copied to room of twice its size.
const OUTPUT_COPIES: u64 = 3;
/// How much of its code's size a worker may take for it. Reason: it is read, then laid out.
const CODE_COPIES: u64 = 3;
/// How long a worker may take to load code. Reason: a hundred megabytes take a tenth of a second.
const LOAD_MAX: Duration = Duration::from_secs(60);
/// How much later than its wall clock says a run may end before its worker is killed. Reason: it looks at the clock
/// every 10 ms, but between two looks a host call may copy gigabytes.
const OVERTIME: Duration = Duration::from_secs(2);
/// How long a worker may take to hand over one file, beside a second for every 8 MiB.
const HAND_OVER: Duration = Duration::from_secs(30);
/// Processor time that a worker has beyond twice the wall clock of its first run, in seconds, so that it can be used
/// again.
const CPU_SPARE_S: u64 = 600;

/// Worker processes and what they run.
pub(crate) struct Workers {
    idle: Arc<Idle>,
    spawner: Spawner,
    landlock: Landlock,
    compiled: Compiled,
    slots: u32,
    busy: AtomicU32,
}

/// Workers that wait for more work of their owner, the longest waiting first.
struct Idle {
    workers: Mutex<VecDeque<Waiting>>,
    life: Duration,
}

struct Waiting {
    worker: Worker,
    since: Instant,
}

/// A worker with a program.
struct Worker {
    process: WorkerProcess,
    owner: B256,
    module: ContentHash,
    data_bytes: u64,
    /// Processor time it has left, in seconds, if each run took all of its real time.
    cpu_left_s: u64,
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Workers {
    /// Starts a worker and ends it again, to see what this kernel has.
    pub(crate) fn start(config: SandboxConfig) -> Result<Workers, SandboxError> {
        let Isolation::Process { program, args } = &config.isolation else {
            return Err(SandboxError::engine("no program to be a worker"));
        };
        let life = Duration::from_millis(config.worker_idle_ms);
        let idle = Arc::new(Idle { workers: Mutex::default(), life });
        let tidied = idle.clone();
        let every = (life / 4).clamp(TICK, Duration::from_secs(1));
        let refused = |reason: String| SandboxError::Isolation {
            reason: format!(
                "{} as a worker: {reason}; set isolation = \"none\" only where you trust whose programs you run",
                program.display()
            ),
        };
        let spawner = Spawner::start(program.clone(), args.clone(), every, move || tidied.tidy())
            .map_err(|error| refused(error.to_string()))?;
        let setup = Setup { role: Role::Run, bounds: Bounds { data_bytes: WORKER_BYTES, cpu_s: CPU_SPARE_S } };
        let spawned = spawner.spawn().map_err(|error| refused(error.to_string()))?;
        let ready = WorkerProcess::ready(spawned, &setup, &CancelToken::new());
        let (_, WorkerReady { engine, landlock }) = ready.map_err(|lost| refused(lost.to_string()))?;
        if landlock != Landlock::Full {
            tracing::warn!(?landlock, "this kernel does not enforce all of Landlock; workers are held by seccomp");
        }
        Ok(Workers {
            idle,
            spawner,
            landlock,
            compiled: Compiled::open(engine, &config)?,
            slots: config.slots,
            busy: AtomicU32::new(0),
        })
    }

    pub(crate) fn landlock(&self) -> Landlock {
        self.landlock
    }

    pub(crate) fn is_compiled(&self, module: &ModuleSource) -> bool {
        self.compiled.has(modules::digest_of(module))
    }

    pub(crate) fn prepare(
        &self,
        module: &ModuleSource,
        cancel: &CancelToken,
    ) -> Result<Result<(), Exit>, SandboxError> {
        Trouble::split(self.compiled.code(&self.spawner, module, cancel).map(drop))
    }

    pub(crate) fn run(
        &self,
        job: &Job<'_>,
        cancel: &CancelToken,
        output: Output<'_>,
    ) -> Result<Result<Finished, Exit>, SandboxError> {
        let _slot = self.slot()?;
        Trouble::split(self.run_in_slot(job, cancel, output))
    }

    fn slot(&self) -> Result<Slot<'_>, SandboxError> {
        let slot = Slot { busy: &self.busy };
        if self.busy.fetch_add(1, Ordering::SeqCst) < self.slots {
            Ok(slot)
        } else {
            Err(SandboxError::Busy { slots: self.slots })
        }
    }

    fn run_in_slot(&self, job: &Job<'_>, cancel: &CancelToken, output: Output<'_>) -> Result<Finished, Trouble> {
        if cancel.is_cancelled() {
            return Err(SandboxError::Cancelled.into());
        }
        let code = self.compiled.code(&self.spawner, job.module, cancel)?;
        let mut worker = match self.take_idle(job, &code) {
            Some(worker) => worker,
            None => self.start_with(job, &code, cancel)?,
        };
        let began = Instant::now();
        let finished = worker.run(job, cancel, output).map_err(|trouble| trouble.into_trouble(job, self.slots))?;
        worker.cpu_left_s = worker.cpu_left_s.saturating_sub(began.elapsed().as_secs() + 1);
        if let Some(finished) = finished {
            self.idle.put(worker, self.slots as usize);
            return Ok(finished);
        }
        // It does not react: nothing is known but that it took too long.
        tracing::warn!(owner = %job.owner, "a worker went on after its time; it was killed");
        Ok(Finished {
            exit: Exit::WallClock { wall_ms: job.spec.limits.wall_ms },
            fuel: Fuel::from_units(0),
            memory_peak: ByteCount::from_bytes(0),
            stderr_tail: String::new(),
            took: began.elapsed(),
        })
    }

    /// A worker of this owner and program that is allowed what the run is allowed.
    fn take_idle(&self, job: &Job<'_>, code: &Code) -> Option<Worker> {
        let bounds = run_bounds(&job.spec.limits, code);
        let module = modules::digest_of(job.module);
        let enough_s = job.spec.limits.wall_ms / 1000 + 60;
        let mut workers = locked(&self.idle.workers);
        let fits = |waiting: &mut Waiting| {
            let worker = &mut waiting.worker;
            (worker.owner, worker.module, worker.data_bytes) == (job.owner, module, bounds.data_bytes)
                && worker.cpu_left_s >= enough_s
                // The system may have ended it while it waited, which is no fault of this run.
                && worker.process.is_alive()
        };
        let at = workers.iter_mut().position(fits)?;
        workers.remove(at).map(|waiting| waiting.worker)
    }

    fn start_with(&self, job: &Job<'_>, code: &Code, cancel: &CancelToken) -> Result<Worker, Trouble> {
        let bounds = run_bounds(&job.spec.limits, code);
        let module = modules::digest_of(job.module);
        let process = start_process(&self.spawner, Setup { role: Role::Run, bounds }, cancel)?;
        let Bounds { data_bytes, cpu_s } = bounds;
        let mut worker = Worker { process, owner: job.owner, module, data_bytes, cpu_left_s: cpu_s };
        let until = Until { ends: Instant::now() + LOAD_MAX, cancel };
        let wire = worker.process.wire();
        let loaded =
            wire.tell_with(&Ask::Load { bytes: code.bytes }, &code.file, until).and_then(|()| wire.hear(until));
        match loaded {
            Ok(Answer::Loaded) => Ok(worker),
            Ok(other) => {
                // Not what it should be, whatever it is: the next run makes it anew.
                self.compiled.forget(module);
                Err(lost(worker.process.lost(unexpected(&other))).into())
            }
            Err(why) => Err(lost(worker.process.lost(why)).into()),
        }
    }
}

/// What a run may take, and with it its worker for ever.
fn run_bounds(limits: &Limits, code: &Code) -> Bounds {
    let data_bytes = WORKER_BYTES
        .saturating_add(limits.memory_max.0)
        .saturating_add(limits.output_max.0.saturating_mul(OUTPUT_COPIES))
        .saturating_add(u64::from(TABLE_ELEMENTS_MAX) * 8)
        .saturating_add(code.bytes.saturating_mul(CODE_COPIES));
    Bounds { data_bytes, cpu_s: limits.wall_ms / 1000 * 2 + CPU_SPARE_S }
}

/// Why a run came to nothing.
enum RunTrouble {
    Lost(Lost),
    Failed(RunFailure),
    Output(SandboxError),
}

impl RunTrouble {
    fn into_trouble(self, job: &Job<'_>, slots: u32) -> Trouble {
        Trouble::Error(match self {
            RunTrouble::Lost(end) => lost(end),
            RunTrouble::Failed(failure) => failure.into_error(job.paths, slots),
            RunTrouble::Output(error) => error,
        })
    }
}

impl Worker {
    /// Runs its program. `None` where it goes on when its time is over; then it has been killed.
    fn run(&mut self, job: &Job<'_>, cancel: &CancelToken, output: Output<'_>) -> Result<Option<Finished>, RunTrouble> {
        let wall = Duration::from_millis(job.spec.limits.wall_ms) + OVERTIME;
        let until = Until { ends: Instant::now() + wall, cancel };
        let ended = match self.run_until(job, until) {
            Ok(ended) => ended?,
            Err(WireError::Late) => {
                drop(self.process.lost(WireError::Late));
                return Ok(None);
            }
            Err(why) => return Err(RunTrouble::Lost(self.process.lost(why))),
        };
        if let Exit::Exited { .. } = ended.exit {
            self.take_output(&job.spec.limits, cancel, output)?;
        }
        Ok(Some(Finished {
            exit: ended.exit,
            fuel: ended.fuel,
            memory_peak: ended.memory_peak,
            stderr_tail: ended.stderr_tail,
            took: ended.took,
        }))
    }

    fn run_until(&mut self, job: &Job<'_>, until: Until<'_>) -> Result<Result<Ended, RunTrouble>, WireError> {
        let wire = self.process.wire();
        wire.tell(&Ask::Run { spec: job.spec.clone(), pace: job.pace }, until)?;
        loop {
            match wire.hear(until)? {
                Answer::NeedInput { index } => match open_input(job, index) {
                    Ok(file) => wire.tell_with(&Ask::Input, &file, until)?,
                    Err(error) => wire.tell(&Ask::NoInput { reason: error.to_string() }, until)?,
                },
                Answer::Ended(ended) => {
                    check_ended(&ended, &job.spec.limits)?;
                    return Ok(Ok(*ended));
                }
                Answer::Failed(failure) => return Ok(Err(RunTrouble::Failed(failure))),
                other => return Err(unexpected(&other)),
            }
        }
    }

    /// Writes what the program left. Nothing that a worker says is believed: neither paths nor sizes nor counts.
    fn take_output(&mut self, limits: &Limits, cancel: &CancelToken, mut output: Output<'_>) -> Result<(), RunTrouble> {
        let mut bytes_left = limits.output_max.0;
        // Standard output is one file more than those in `/out`.
        let mut files_left = u64::from(limits.output_files_max) + 1;
        loop {
            let until = Until { ends: Instant::now() + HAND_OVER, cancel };
            let answer = match self.process.wire().hear(until) {
                Ok(answer) => answer,
                Err(why) => return Err(RunTrouble::Lost(self.process.lost(why))),
            };
            let taken = match (&answer, output.as_deref_mut()) {
                (Answer::Done, _) => return Ok(()),
                (Answer::Dir { path }, Some(folder)) if files_left > 0 && host_files::stays_below(path) => {
                    folder.make_dir(path)
                }
                (Answer::File { path, bytes }, Some(folder))
                    if files_left > 0 && *bytes <= bytes_left && host_files::stays_below(path) =>
                {
                    bytes_left -= bytes;
                    self.take_file(folder, path, *bytes, cancel)?
                }
                _ => return Err(RunTrouble::Lost(self.process.lost(unexpected(&answer)))),
            };
            files_left -= 1;
            taken.map_err(RunTrouble::Output)?;
        }
    }

    fn take_file(
        &mut self,
        folder: &mut OutputFolder,
        path: &str,
        bytes: u64,
        cancel: &CancelToken,
    ) -> Result<Result<(), SandboxError>, RunTrouble> {
        let ends = Instant::now() + HAND_OVER + Duration::from_secs(bytes >> 23);
        let mut body = Body { process: &mut self.process, until: Until { ends, cancel }, failed: None };
        let written = folder.write(path, &mut body, bytes);
        match body.failed.take() {
            Some(why) => Err(RunTrouble::Lost(self.process.lost(why))),
            None => Ok(written),
        }
    }
}

/// The bytes of a file as they come from a worker.
struct Body<'a> {
    process: &'a mut WorkerProcess,
    until: Until<'a>,
    failed: Option<WireError>,
}

impl Read for Body<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.process.wire().fill(into, self.until) {
            Ok(()) => Ok(into.len()),
            Err(why) => {
                self.failed = Some(why);
                Err(io::Error::other("the worker is lost"))
            }
        }
    }
}

fn open_input(job: &Job<'_>, index: u32) -> io::Result<File> {
    File::open(host_files::input_path(job.paths, index))
}

/// Refuses an end that no honest worker reports.
fn check_ended(ended: &Ended, limits: &Limits) -> Result<(), WireError> {
    let ran = !matches!(ended.exit, Exit::BadModule(_) | Exit::NotCompiled(_));
    // What is no text becomes three bytes for each of its own.
    let words_max = limits.stderr_tail_max.0.saturating_mul(3);
    let within = ended.fuel <= limits.fuel_max
        && ended.memory_peak <= limits.memory_max
        && ended.stderr_tail.len() as u64 <= words_max;
    if ran && within { Ok(()) } else { Err(unexpected(&Answer::Ended(Box::new(ended.clone())))) }
}

impl Idle {
    /// Keeps a worker for the next run of its owner; the one that has waited longest goes where there are too many.
    fn put(&self, worker: Worker, max: usize) {
        let mut workers = locked(&self.workers);
        workers.push_back(Waiting { worker, since: Instant::now() });
        let surplus = workers.len().saturating_sub(max.max(1));
        let gone: Vec<Waiting> = workers.drain(..surplus).collect();
        drop(workers);
        drop(gone);
    }

    /// Ends those that have waited too long.
    fn tidy(&self) {
        let mut workers = locked(&self.workers);
        let late = workers.iter().take_while(|waiting| waiting.since.elapsed() >= self.life).count();
        let gone: Vec<Waiting> = workers.drain(..late).collect();
        drop(workers);
        drop(gone);
    }
}

/// One of the runs that may be at once.
struct Slot<'a> {
    busy: &'a AtomicU32,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.busy.fetch_sub(1, Ordering::SeqCst);
    }
}
