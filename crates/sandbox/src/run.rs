//! One run, in the process that calls: from a program and its world to how it ended.

use crate::cancel::CancelToken;
use crate::host_files;
use crate::outcome::{Exit, SandboxError, TrapKind};
use crate::profile::{self, STACK_MAX};
use crate::request::{Limits, Pace};
use crate::stack;
use crate::ticker::Ticker;
use crate::wasi::linked::{self, fuel};
use crate::world::{Halt, World};
use golem_protocol::{ByteCount, Fuel};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use wasmtime::{Engine, Instance, InstancePre, Linker, Memory, ResourceLimiter, Store, Trap, UpdateDeadline};

/// An engine with what programs import, and the clock that interrupts them.
pub(crate) struct Machine {
    pub engine: Engine,
    pub linker: Linker<Guest>,
    ticker: Ticker,
}

/// The stack of a thread that runs programs: what calls may take, and room for the host's own.
pub(crate) const RUN_STACK_BYTES: usize = STACK_MAX.0 as usize + (2 << 20);

/// A page of WebAssembly.
const PAGE_BYTES: u64 = 64 << 10;

/// What belongs to one running program.
pub(crate) struct Guest {
    pub world: World,
    pub memory: Option<Memory>,
    pub fuel_max: u64,
    limiter: Limiter,
}

/// Counts memory and tables, and refuses what passes the limit.
pub(crate) struct Limiter {
    memory_max: usize,
    memory_peak: usize,
    memory_refused: bool,
    table_elements_max: usize,
    table_elements: usize,
    table_refused: bool,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Limiter {
        Limiter {
            memory_max: limits.memory_max.0 as usize,
            memory_peak: 0,
            memory_refused: false,
            table_elements_max: limits.table_elements_max as usize,
            table_elements: 0,
            table_refused: false,
        }
    }
    /// Whether memory may have so many bytes.
    pub(crate) fn memory(&mut self, desired: usize) -> bool {
        self.memory_refused |= desired > self.memory_max;
        if desired <= self.memory_max {
            self.memory_peak = self.memory_peak.max(desired);
        }
        desired <= self.memory_max
    }

    /// Whether a table may have so many elements, with what the others have.
    pub(crate) fn table(&mut self, current: usize, desired: usize) -> bool {
        let total = self.table_elements.saturating_add(desired.saturating_sub(current));
        self.table_refused |= total > self.table_elements_max;
        if total <= self.table_elements_max {
            self.table_elements = total;
        }
        total <= self.table_elements_max
    }

    /// The most that memory has been.
    pub(crate) fn memory_peak(&self) -> ByteCount {
        ByteCount::from_bytes(self.memory_peak as u64)
    }

    /// The end of a program that did not end by itself and had been refused something: mostly it aborts, which by
    /// itself would say nothing about the reason.
    pub(crate) fn refused(&self, limits: &Limits) -> Option<Exit> {
        match (self.memory_refused, self.table_refused) {
            (true, _) => Some(Exit::OutOfMemory { memory_max: limits.memory_max }),
            (false, true) => Some(Exit::TableTooLarge { table_elements_max: limits.table_elements_max }),
            (false, false) => None,
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.memory(desired))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.table(current, desired))
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
    pub memory_peak: ByteCount,
    pub world: World,
}

/// Why a program did not run to an end of its own. No fault of the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RunFailure {
    Cancelled,
    Busy,
    Input { index: u32, reason: String },
    NoMemory,
    Engine { reason: String },
}

impl RunFailure {
    pub(crate) fn engine(error: impl std::fmt::Display) -> RunFailure {
        RunFailure::Engine { reason: format!("{error:#}") }
    }

    /// With what a worker is not told: the paths of the inputs.
    pub(crate) fn into_error(self, paths: &[PathBuf], slots: u32) -> SandboxError {
        match self {
            RunFailure::Cancelled => SandboxError::Cancelled,
            RunFailure::Busy => SandboxError::Busy { slots },
            RunFailure::Input { index, reason } => {
                let path = host_files::input_path(paths, index).to_owned();
                SandboxError::Io { action: "read the input".to_owned(), path, reason }
            }
            RunFailure::NoMemory => SandboxError::Engine { reason: "there is no memory for it".to_owned() },
            RunFailure::Engine { reason } => SandboxError::Engine { reason },
        }
    }
}

impl Machine {
    /// Errors: the engine cannot be set up, or no thread can be started.
    pub(crate) fn new(slots: u32) -> Result<Machine, SandboxError> {
        Machine::with(profile::engine_config(), slots)
    }

    /// A machine with other rules than the profile's, where those are measured.
    pub(crate) fn with(config: wasmtime::Config, slots: u32) -> Result<Machine, SandboxError> {
        let mut pooled = config.clone();
        profile::pooled(&mut pooled, slots);
        let engine = match Engine::new(&pooled) {
            Ok(engine) => engine,
            Err(error) => {
                tracing::warn!(%error, "no address space to reserve; programs start more slowly");
                Engine::new(&config).map_err(SandboxError::engine)?
            }
        };
        Machine::on(engine)
    }

    /// On an engine of which the caller says that it keeps the profile.
    pub(crate) fn on(engine: Engine) -> Result<Machine, SandboxError> {
        let mut linker = Linker::new(&engine);
        linked::link(&mut linker).map_err(SandboxError::engine)?;
        let ticker = Ticker::start(engine.clone()).map_err(SandboxError::engine)?;
        Ok(Machine { engine, linker, ticker })
    }

    /// Runs a program on a thread of its own, because how deep it may call must not depend on the caller's stack.
    pub(crate) fn execute(
        &self,
        program: &InstancePre<Guest>,
        world: World,
        limits: &Limits,
        cancel: &CancelToken,
        pace: Pace,
    ) -> Result<Ended, RunFailure> {
        if cancel.is_cancelled() {
            return Err(RunFailure::Cancelled);
        }
        std::thread::scope(|scope| {
            std::thread::Builder::new()
                .name("sandbox-run".into())
                .stack_size(RUN_STACK_BYTES)
                .spawn_scoped(scope, || self.execute_here(program, world, limits, cancel, pace))
                .map_err(RunFailure::engine)?
                .join()
                .unwrap_or_else(|_| Err(RunFailure::engine("the engine panicked")))
        })
    }

    /// Runs a program on this thread, which must have a stack of [`RUN_STACK_BYTES`].
    pub(crate) fn execute_here(
        &self,
        program: &InstancePre<Guest>,
        world: World,
        limits: &Limits,
        cancel: &CancelToken,
        pace: Pace,
    ) -> Result<Ended, RunFailure> {
        // Before the engine takes it: it asks the limiter only afterwards, and a worker cannot take that much.
        let pages = program.module().resources_required().max_initial_memory_size.unwrap_or(0);
        if pages.saturating_mul(PAGE_BYTES) > limits.memory_max.0 {
            let exit = Exit::OutOfMemory { memory_max: limits.memory_max };
            let (fuel, memory_peak) = (Fuel::from_units(0), ByteCount::from_bytes(0));
            return Ok(Ended { exit, fuel, took: Duration::ZERO, memory_peak, world });
        }
        let mut store = Store::new(&self.engine, Guest::new(world, limits));
        store.limiter(|guest| &mut guest.limiter);
        fuel::set(&mut store, limits.fuel_max.0).map_err(RunFailure::engine)?;
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
        let left = fuel::left(&store).map_err(RunFailure::engine)?;
        let guest = store.into_data();
        let exit = match result {
            Ok(()) => Exit::Exited { code: 0 },
            Err(error) => match exit_of(&error, &guest.limiter, limits)? {
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
            memory_peak: guest.limiter.memory_peak(),
            world: guest.world,
            exit,
        })
    }
}

/// The end that the host made. Errors: it is no fault of the program.
pub(crate) fn halted(halt: &Halt, limits: &Limits) -> Result<Exit, RunFailure> {
    Ok(match halt {
        Halt::Exit(code) => Exit::Exited { code: *code },
        Halt::OutOfFuel => Exit::OutOfFuel { fuel_max: limits.fuel_max },
        Halt::OutputTooLarge => Exit::OutputTooLarge { output_max: limits.output_max },
        Halt::TooManyFiles => Exit::TooManyFiles { output_files_max: limits.output_files_max },
        Halt::WallClock => Exit::WallClock { wall_ms: limits.wall_ms },
        Halt::Cancelled => return Err(RunFailure::Cancelled),
        Halt::Input { index, reason } => return Err(RunFailure::Input { index: *index, reason: reason.clone() }),
    })
}

fn exit_of(error: &wasmtime::Error, limiter: &Limiter, limits: &Limits) -> Result<Exit, RunFailure> {
    if let Some(halt) = error.downcast_ref::<Halt>() {
        return halted(halt, limits);
    }
    if let Some(Trap::OutOfFuel) = error.downcast_ref::<Trap>() {
        return Ok(Exit::OutOfFuel { fuel_max: limits.fuel_max });
    }
    if let Some(exit) = limiter.refused(limits) {
        return Ok(exit);
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return Ok(Exit::Trapped { kind: trap_kind(*trap) });
    }
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return Err(RunFailure::Busy);
    }
    Err(RunFailure::engine(error))
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
