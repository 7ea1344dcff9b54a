//! A worker process: confined, it compiles one module, or runs one program for one owner.

use crate::cancel::CancelToken;
use crate::confine;
use crate::host_files::InputSource;
use crate::modules;
use crate::native;
use crate::outcome::Exit;
use crate::profile;
use crate::request::Pace;
use crate::run::{Machine, RUN_STACK_BYTES, RunFailure};
use crate::wire::{Answer, Ask, Ended, Role, Setup, WIRE_VERSION, WireError, WorkerWire};
use crate::world::{Left, World, WorldSpec};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// The stack of a thread that compiles. A thread that runs has [`RUN_STACK_BYTES`], most of which is the program's.
const COMPILE_STACK_BYTES: usize = 8 << 20;

/// Is a worker until its parent wants no more of it. The program that [`crate::Isolation::Process`] names calls this
/// first, while it has one thread and no file open.
pub fn sandbox_worker() -> ExitCode {
    match ConfinedWorker::enter() {
        Ok(worker) => worker.serve(),
        Err(error) => {
            eprintln!("the sandbox worker cannot start: {error}");
            ExitCode::from(2)
        }
    }
}

/// A worker that has confined itself and has read nothing of anybody but its parent yet.
pub struct ConfinedWorker {
    wire: Arc<WorkerWire>,
    work: SyncSender<Work>,
    inputs: SyncSender<Result<File, String>>,
}

/// Says which step failed.
fn step(what: &str) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::other(format!("it cannot {what}: {error}"))
}

/// What the working thread is given.
enum Work {
    Compile { module: File, bytes: u64 },
    Load { code: File, bytes: u64 },
    Run { spec: WorldSpec, pace: Pace },
}

impl ConfinedWorker {
    /// Confines this process for good, and tells its parent that it is ready.
    ///
    /// Errors: it was not started by a sandbox, or the kernel refuses a step.
    pub fn enter() -> io::Result<ConfinedWorker> {
        ConfinedWorker::enter_with(profile::engine_config())
    }

    /// As [`ConfinedWorker::enter`], with an engine that keeps these rules.
    #[cfg(feature = "bench")]
    pub fn enter_with_rules(rules: wasmtime::Config) -> io::Result<ConfinedWorker> {
        ConfinedWorker::enter_with(rules)
    }

    fn enter_with(rules: wasmtime::Config) -> io::Result<ConfinedWorker> {
        let stdin = io::stdin();
        if rustix::net::sockopt::socket_type(&stdin).is_err() {
            return Err(io::Error::other("a worker is started by the sandbox, not by hand"));
        }
        confine::detach().map_err(step("be alone"))?;
        let stream = UnixStream::from(stdin.as_fd().try_clone_to_owned()?);
        let wire = Arc::new(WorkerWire::new(stream));
        let setup: Setup = wire.hear().map_err(io::Error::other)?;
        confine::limit(&setup.bounds).map_err(step("set limits"))?;
        let landlock = confine::landlock().map_err(step("use Landlock"))?;
        if let Role::Compile { threads } = setup.role {
            // Now: there can be no thread later.
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads as usize);
            pool.build_global().map_err(io::Error::other)?;
        }
        let machine = Machine::with(rules, 1).map_err(io::Error::other)?;
        let engine = modules::engine_id(&machine.engine);
        let stack = match setup.role {
            Role::Compile { .. } => COMPILE_STACK_BYTES,
            Role::Run => RUN_STACK_BYTES,
        };
        let (work, todo) = sync_channel(1);
        let (inputs, opened) = sync_channel(1);
        let worker = Worker { wire: wire.clone(), machine, program: None, inputs: Arc::new(Mutex::new(opened)) };
        std::thread::Builder::new().name("worker".into()).stack_size(stack).spawn(move || worker.work(&todo))?;
        confine::seal(wire.stream()).map_err(step("close itself with seccomp"))?;
        wire.tell(&Answer::Ready { version: WIRE_VERSION, engine, landlock }).map_err(io::Error::other)?;
        Ok(ConfinedWorker { wire, work, inputs })
    }

    /// Does what the parent asks until it is gone.
    ///
    /// This thread only listens, so that a parent's end is seen while a program runs.
    pub fn serve(self) -> ExitCode {
        loop {
            let next = self.wire.hear().and_then(|ask| self.pass_on(ask));
            match next {
                Ok(()) => {}
                // The other threads must not hold the end.
                Err(WireError::Closed) => std::process::exit(0),
                Err(error) => {
                    eprintln!("the sandbox worker does not understand its parent: {error}");
                    std::process::exit(2);
                }
            }
        }
    }

    fn pass_on(&self, ask: Ask) -> Result<(), WireError> {
        let work = match ask {
            Ask::Compile { bytes } => Work::Compile { module: self.wire.take_file()?, bytes },
            Ask::Load { bytes } => Work::Load { code: self.wire.take_file()?, bytes },
            Ask::Run { spec, pace } => Work::Run { spec, pace },
            Ask::Input => return self.input(Ok(self.wire.take_file()?)),
            Ask::NoInput { reason } => return self.input(Err(reason)),
        };
        self.work.send(work).map_err(|_| WireError::Closed)
    }

    fn input(&self, opened: Result<File, String>) -> Result<(), WireError> {
        self.inputs.send(opened).map_err(|_| WireError::Closed)
    }
}

/// The working thread.
struct Worker {
    wire: Arc<WorkerWire>,
    machine: Machine,
    program: Option<wasmtime::InstancePre<crate::run::Guest>>,
    inputs: Arc<Mutex<Receiver<Result<File, String>>>>,
}

impl Worker {
    fn work(mut self, todo: &Receiver<Work>) {
        let _ends = EndsProcess;
        while let Ok(work) = todo.recv() {
            let done = match work {
                Work::Compile { module, bytes } => self.compile(&module, bytes),
                Work::Load { code, bytes } => self.load(&code, bytes),
                Work::Run { spec, pace } => self.run(&spec, pace),
            };
            if let Err(error) = done {
                eprintln!("the sandbox worker cannot answer its parent: {error}");
                std::process::exit(2);
            }
        }
    }

    fn compile(&mut self, module: &File, bytes: u64) -> Result<(), WireError> {
        let read = read(module, bytes)?;
        let engine = &self.machine.engine;
        let module = match modules::compile(engine, &read) {
            Ok(Ok(module)) => module,
            Ok(Err(fault)) => return self.wire.tell(&Answer::Faulty(fault)),
            Err(_) => return self.wire.tell(&Answer::Failed(RunFailure::NoMemory)),
        };
        match module.serialize() {
            Ok(code) => {
                self.wire.tell(&Answer::Compiled { bytes: code.len() as u64 })?;
                self.wire.send(&code)
            }
            Err(error) => self.wire.tell(&Answer::Failed(RunFailure::engine(error))),
        }
    }

    fn load(&mut self, code: &File, bytes: u64) -> Result<(), WireError> {
        let read = read(code, bytes)?;
        let module = match native::deserialize_confined(&self.machine.engine, &read) {
            Ok(module) => module,
            Err(error) => return self.wire.tell(&Answer::Failed(RunFailure::engine(error))),
        };
        match self.machine.linker.instantiate_pre(&module) {
            Ok(program) => {
                self.program = Some(program);
                self.wire.tell(&Answer::Loaded)
            }
            Err(error) => self.wire.tell(&Answer::Failed(RunFailure::engine(error))),
        }
    }

    fn run(&mut self, spec: &WorldSpec, pace: Pace) -> Result<(), WireError> {
        let source = Box::new(Asked { wire: self.wire.clone(), opened: self.inputs.clone() });
        let world = World::build(spec, source).map_err(RunFailure::engine);
        let program = self.program.as_ref().ok_or_else(|| RunFailure::engine("nothing was loaded"));
        let ended =
            world.and_then(|world| self.machine.execute_here(program?, world, &spec.limits, &CancelToken::new(), pace));
        let ended = match ended {
            Ok(ended) => ended,
            Err(failure) => return self.wire.tell(&Answer::Failed(failure)),
        };
        let told = Box::new(Ended {
            exit: ended.exit.clone(),
            fuel: ended.fuel,
            memory_peak: ended.memory_peak,
            stderr_tail: ended.world.files.stderr_tail(),
            took: ended.took,
        });
        self.wire.tell(&Answer::Ended(told))?;
        if !matches!(ended.exit, Exit::Exited { .. }) {
            return Ok(());
        }
        ended.world.files.left(&mut |left| match left {
            Left::Dir(path) => self.wire.tell(&Answer::Dir { path: path.to_owned() }),
            Left::File(path, bytes) => {
                self.wire.tell(&Answer::File { path: path.to_owned(), bytes: bytes.len() as u64 })?;
                self.wire.send(bytes)
            }
        })?;
        self.wire.tell(&Answer::Done)
    }
}

fn read(file: &File, bytes: u64) -> Result<Vec<u8>, WireError> {
    let mut read = vec![0; bytes as usize];
    // Not from where the file stands: others have the same one.
    file.read_exact_at(&mut read, 0).map_err(WireError::Io)?;
    Ok(read)
}

/// Ends the process when the working thread panics: its parent sees that at once.
struct EndsProcess;

impl Drop for EndsProcess {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::exit(2);
        }
    }
}

/// Inputs that the parent opens when they are read for the first time.
struct Asked {
    wire: Arc<WorkerWire>,
    opened: Arc<Mutex<Receiver<Result<File, String>>>>,
}

impl InputSource for Asked {
    fn open(&mut self, index: u32) -> io::Result<File> {
        self.wire.tell(&Answer::NeedInput { index }).map_err(io::Error::other)?;
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.recv().map_err(io::Error::other)?.map_err(io::Error::other)
    }
}
