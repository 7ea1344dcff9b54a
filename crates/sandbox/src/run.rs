//! One run: from a request to an outcome.

use crate::cancel::CancelToken;
use crate::modules::Modules;
use crate::outcome::{Exit, RunOutcome, SandboxError, TrapKind};
use crate::profile::{self, ARGS_MAX, STACK_MAX};
use crate::request::{Limits, Pace, RunRequest, SandboxConfig};
use crate::stack;
use crate::ticker::Ticker;
use crate::wasi;
use crate::world::{Halt, World};
use golem_protocol::{ByteCount, Fuel};
use std::path::Path;
use std::time::{Duration, Instant};
use wasmtime::{Engine, Instance, InstancePre, Linker, Memory, ResourceLimiter, Store, Trap, UpdateDeadline};

/// Runs programs. One per process: it holds the compiled modules, the reserved memory and the clock that interrupts.
///
/// [`Sandbox::run`] takes the calling thread for as long as the program runs; call it from several threads for
/// several programs at once.
pub struct Sandbox {
    engine: Engine,
    modules: Modules,
    ticker: Ticker,
    slots: u32,
}

/// What belongs to one running program.
pub(crate) struct Guest {
    pub world: World,
    pub memory: Option<Memory>,
    pub fuel_max: u64,
    limiter: Limiter,
}

/// Counts memory and tables, and refuses what passes the limit.
struct Limiter {
    memory_max: usize,
    memory_peak: usize,
    memory_refused: bool,
    table_elements_max: usize,
    table_elements: usize,
    table_refused: bool,
}

impl Limiter {
    fn new(limits: &Limits) -> Limiter {
        Limiter {
            memory_max: limits.memory_max.0 as usize,
            memory_peak: 0,
            memory_refused: false,
            table_elements_max: limits.table_elements_max as usize,
            table_elements: 0,
            table_refused: false,
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.memory_max {
            self.memory_refused = true;
            return Ok(false);
        }
        self.memory_peak = self.memory_peak.max(desired);
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.table_elements.saturating_add(desired.saturating_sub(current));
        if total > self.table_elements_max {
            self.table_refused = true;
            return Ok(false);
        }
        self.table_elements = total;
        Ok(true)
    }
}

impl Guest {
    fn new(world: World, limits: &Limits) -> Guest {
        Guest { world, memory: None, fuel_max: limits.fuel_max.0, limiter: Limiter::new(limits) }
    }
}

/// How a program ended, before its files are written.
pub(crate) struct Ended {
    pub exit: Exit,
    pub fuel: Fuel,
    pub took: Duration,
    memory_peak: ByteCount,
    world: World,
}

impl Sandbox {
    /// Sets up the engine, its cache and its clock.
    ///
    /// Errors: the cache folder cannot be created or protected, its key is damaged, or no thread can be started.
    pub fn new(config: SandboxConfig) -> Result<Sandbox, SandboxError> {
        let mut pooled = profile::engine_config();
        profile::pooled(&mut pooled, &config);
        let engine = match Engine::new(&pooled) {
            Ok(engine) => engine,
            Err(error) => {
                tracing::warn!(%error, "no address space to reserve; programs start more slowly");
                Engine::new(&profile::engine_config()).map_err(SandboxError::engine)?
            }
        };
        Sandbox::on(engine, config)
    }

    /// A sandbox on an engine of which the caller says that it keeps the profile.
    pub(crate) fn on(engine: Engine, config: SandboxConfig) -> Result<Sandbox, SandboxError> {
        let mut linker = Linker::new(&engine);
        wasi::link(&mut linker).map_err(SandboxError::engine)?;
        let modules = Modules::new(engine.clone(), linker, &config)?;
        let ticker = Ticker::start(engine.clone()).map_err(SandboxError::engine)?;
        Ok(Sandbox { engine, modules, ticker, slots: config.slots })
    }

    /// Runs one program to its end and writes what it left into the output folder.
    ///
    /// Blocks the calling thread. Whatever is the program's fault, or its module's, is in the outcome; an error is
    /// the fault of this machine or of the request, and then nothing is in the output folder but what could be
    /// written of it.
    pub fn run(&self, request: &RunRequest, cancel: &CancelToken, pace: Pace) -> Result<RunOutcome, SandboxError> {
        check_limits(&request.limits)?;
        check_args(&request.args)?;
        let world = World::build(request)?;
        prepare_folder(&request.output_dir)?;
        let program = match self.modules.load(&request.module)? {
            Ok(program) => program,
            Err(fault) => return Ok(RunOutcome::of_fault(fault)),
        };
        let ended = self.execute(&program, world, &request.limits, cancel, pace)?;
        let files = match ended.exit {
            Exit::Exited { .. } => ended.world.write_out(&request.output_dir)?,
            _ => Vec::new(),
        };
        Ok(RunOutcome {
            exit: ended.exit,
            fuel: ended.fuel,
            memory_peak: ended.memory_peak,
            stderr_tail: ended.world.stderr_tail(),
            files,
            wall_ms: ended.took.as_millis() as u64,
        })
    }

    /// Checks a module and compiles it, so that the first run need not.
    ///
    /// Errors: as [`Sandbox::run`]; a fault of the module is the inner result.
    pub fn prepare(&self, module: &crate::ModuleSource) -> Result<Result<(), crate::ModuleFault>, SandboxError> {
        Ok(self.modules.load(module)?.map(drop))
    }

    pub(crate) fn program(
        &self,
        module: &crate::ModuleSource,
    ) -> Result<Result<InstancePre<Guest>, crate::ModuleFault>, SandboxError> {
        self.modules.load(module)
    }

    /// Runs a program on a thread of its own, because how deep it may call must not depend on the caller's stack.
    pub(crate) fn execute(
        &self,
        program: &InstancePre<Guest>,
        world: World,
        limits: &Limits,
        cancel: &CancelToken,
        pace: Pace,
    ) -> Result<Ended, SandboxError> {
        if cancel.is_cancelled() {
            return Err(SandboxError::Cancelled);
        }
        let stack = STACK_MAX.0 as usize + (2 << 20);
        std::thread::scope(|scope| {
            std::thread::Builder::new()
                .name("sandbox-run".into())
                .stack_size(stack)
                .spawn_scoped(scope, || self.execute_here(program, world, limits, cancel, pace))
                .map_err(SandboxError::engine)?
                .join()
                .unwrap_or_else(|_| Err(SandboxError::engine("the engine panicked")))
        })
    }

    fn execute_here(
        &self,
        program: &InstancePre<Guest>,
        world: World,
        limits: &Limits,
        cancel: &CancelToken,
        pace: Pace,
    ) -> Result<Ended, SandboxError> {
        let mut store = Store::new(&self.engine, Guest::new(world, limits));
        store.limiter(|guest| &mut guest.limiter);
        store.set_fuel(limits.fuel_max.0).map_err(SandboxError::engine)?;
        store.set_epoch_deadline(1);
        let started = Instant::now();
        let mut watch = Watch {
            cancel: cancel.clone(),
            ends: started + Duration::from_millis(limits.wall_ms),
            pace,
            resumed: started,
        };
        store.epoch_deadline_callback(move |_| watch.tick());
        let _ticking = self.ticker.hold();
        let mut too_deep = false;
        let result = program.instantiate(&mut store).and_then(|instance| {
            let result = call_entries(&mut store, &instance);
            too_deep = stack_left(&mut store, &instance) < 0;
            result
        });
        let took = started.elapsed();
        let left = store.get_fuel().map_err(SandboxError::engine)?;
        let guest = store.into_data();
        let exit = match result {
            Ok(()) => Exit::Exited { code: 0 },
            Err(error) => match self.exit_of(&error, &guest.limiter, limits)? {
                Exit::Trapped { kind: TrapKind::Unreachable } if too_deep => {
                    Exit::Trapped { kind: TrapKind::StackOverflow }
                }
                exit => exit,
            },
        };
        // What remains when it runs out depends on how far the compiler looks ahead; that it ran out does not.
        let used = if matches!(exit, Exit::OutOfFuel { .. }) { 0 } else { left };
        Ok(Ended {
            fuel: Fuel::from_units(limits.fuel_max.0.saturating_sub(used)),
            took,
            memory_peak: ByteCount::from_bytes(guest.limiter.memory_peak as u64),
            world: guest.world,
            exit,
        })
    }

    fn exit_of(&self, error: &wasmtime::Error, limiter: &Limiter, limits: &Limits) -> Result<Exit, SandboxError> {
        if let Some(halt) = error.downcast_ref::<Halt>() {
            return Ok(match halt {
                Halt::Exit(code) => Exit::Exited { code: *code },
                Halt::OutOfFuel => Exit::OutOfFuel { fuel_max: limits.fuel_max },
                Halt::OutputTooLarge => Exit::OutputTooLarge { output_max: limits.output_max },
                Halt::TooManyFiles => Exit::TooManyFiles { output_files_max: limits.output_files_max },
                Halt::WallClock => Exit::WallClock { wall_ms: limits.wall_ms },
                Halt::Cancelled => return Err(SandboxError::Cancelled),
                Halt::Host(error) => return Err(error.clone()),
            });
        }
        if let Some(Trap::OutOfFuel) = error.downcast_ref::<Trap>() {
            return Ok(Exit::OutOfFuel { fuel_max: limits.fuel_max });
        }
        // A program that is refused memory mostly aborts, which by itself would say nothing about the reason.
        if limiter.memory_refused {
            return Ok(Exit::OutOfMemory { memory_max: limits.memory_max });
        }
        if limiter.table_refused {
            return Ok(Exit::TableTooLarge { table_elements_max: limits.table_elements_max });
        }
        if let Some(trap) = error.downcast_ref::<Trap>() {
            return Ok(Exit::Trapped { kind: trap_kind(*trap) });
        }
        if error.is::<wasmtime::PoolConcurrencyLimitError>() {
            return Err(SandboxError::Busy { slots: self.slots });
        }
        Err(SandboxError::engine(error))
    }
}

/// Runs the start function, where there is one, and then the program.
fn call_entries(store: &mut Store<Guest>, instance: &Instance) -> wasmtime::Result<()> {
    if let Ok(start) = instance.get_typed_func::<(), ()>(&mut *store, stack::START) {
        start.call(&mut *store, ())?;
    }
    instance.get_typed_func::<(), ()>(&mut *store, "_start")?.call(store, ())
}

/// What the count of nested calls has left; below zero, calls were too deep.
fn stack_left(store: &mut Store<Guest>, instance: &Instance) -> i32 {
    instance.get_global(&mut *store, stack::COUNTER).and_then(|global| global.get(store).i32()).unwrap_or(0)
}

/// Looks at a running program on each tick.
struct Watch {
    cancel: CancelToken,
    ends: Instant,
    pace: Pace,
    resumed: Instant,
}

impl Watch {
    fn tick(&mut self) -> wasmtime::Result<UpdateDeadline> {
        let now = Instant::now();
        let share = u32::from(self.pace.percent());
        let idle = (now - self.resumed) * (100 - share) / share;
        let idle = idle.min(self.ends.saturating_duration_since(now));
        if self.cancel.sleep(idle) {
            return Err(wasmtime::Error::new(Halt::Cancelled));
        }
        self.resumed = Instant::now();
        if self.resumed >= self.ends {
            return Err(wasmtime::Error::new(Halt::WallClock));
        }
        Ok(UpdateDeadline::Continue(1))
    }
}

pub(crate) fn trap_kind(trap: Trap) -> TrapKind {
    match trap {
        Trap::UnreachableCodeReached => TrapKind::Unreachable,
        Trap::MemoryOutOfBounds => TrapKind::MemoryOutOfBounds,
        Trap::TableOutOfBounds => TrapKind::TableOutOfBounds,
        Trap::IndirectCallToNull => TrapKind::CallToNull,
        Trap::BadSignature => TrapKind::CallTypeMismatch,
        Trap::IntegerOverflow => TrapKind::IntegerOverflow,
        Trap::IntegerDivisionByZero => TrapKind::DivisionByZero,
        Trap::BadConversionToInteger => TrapKind::BadConversion,
        Trap::StackOverflow => TrapKind::NativeStack,
        _ => TrapKind::Unclassified,
    }
}

fn check_limits(limits: &Limits) -> Result<(), SandboxError> {
    let checks = [
        ("memory_max", limits.memory_max.0, profile::MEMORY_MAX.0),
        ("table_elements_max", limits.table_elements_max.into(), profile::TABLE_ELEMENTS_MAX.into()),
        ("output_max", limits.output_max.0, profile::OUTPUT_MAX.0),
        ("output_files_max", limits.output_files_max.into(), profile::OUTPUT_FILES_MAX.into()),
        ("stderr_tail_max", limits.stderr_tail_max.0, profile::STDERR_TAIL_MAX.0),
        // The engine counts fuel in signed 64 bits.
        ("fuel_max", limits.fuel_max.0, i64::MAX as u64),
        // A year; beyond it, adding to the clock could overflow.
        ("wall_ms", limits.wall_ms, 366 * 86_400_000),
    ];
    for (limit, got, max) in checks {
        if got > max {
            return Err(SandboxError::BadLimit { limit: limit.to_owned(), got, max });
        }
    }
    Ok(())
}

fn check_args(args: &[String]) -> Result<(), SandboxError> {
    let bytes: usize = args.iter().map(|arg| arg.len() + 1).sum();
    let bad = |reason: String| Err(SandboxError::BadArgs { reason });
    if args.len() > ARGS_MAX.0 || bytes > ARGS_MAX.1 {
        let (count, size) = ARGS_MAX;
        return bad(format!("{} with {bytes} bytes, and the most is {count} with {size} bytes", args.len()));
    }
    match args.iter().find(|arg| arg.contains('\0')) {
        Some(arg) => bad(format!("{arg:?} has a NUL in it")),
        None => Ok(()),
    }
}

fn prepare_folder(path: &Path) -> Result<(), SandboxError> {
    std::fs::create_dir_all(path).map_err(|e| SandboxError::io("create the output folder", path, &e))?;
    let mut entries = std::fs::read_dir(path).map_err(|e| SandboxError::io("read the output folder", path, &e))?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(SandboxError::OutputNotEmpty { path: path.to_owned() }),
    }
}
