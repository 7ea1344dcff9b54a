//! WASI programs on the other engine: wasmi gets the functions of our WASI over the same world, and must see the same
//! output to the byte, the same exit and the same trap.
//!
//! Every program that the tests here run is one of them, those that mean harm included, and so are the apps that ship.
//! Left out is what an interpreter cannot show: it counts no fuel, so a program must end by itself, and where one asks for
//! the time, which is made of fuel, its exit only is compared.

use super::differential::{deep_enough, instantiation_trap, interpreter, wasmi_trap};
use super::*;
use crate::run::{Limiter, halted};
use crate::wasi::{Call, preview_1};
use crate::world::{Errno, Fault, Halt, Left, World};
use crate::{host_files, signatures, stack, validate};
use std::path::PathBuf;
use wasmi::{Caller, Extern, Linker, Store};

impl wasmi::errors::HostError for Halt {}

impl wasmi::ResourceLimiter for Limiter {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool, wasmi_core::LimiterError> {
        Ok(self.memory(desired))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> Result<bool, wasmi_core::LimiterError> {
        Ok(self.table(current, desired))
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        profile::TABLES_MAX as usize
    }

    fn memories(&self) -> usize {
        1
    }
}

struct Guest {
    world: World,
    limiter: Limiter,
    asked_time: bool,
}

fn host(
    caller: &mut Caller<'_, Guest>,
    body: impl FnOnce(&mut Call<'_>) -> Result<(), Fault>,
) -> Result<i32, wasmi::Error> {
    let Some(Extern::Memory(memory)) = caller.get_export("memory") else { return Ok(Errno::FAULT.0.into()) };
    let (memory, guest) = memory.data_and_store_mut(&mut *caller);
    // Its fuel never ends here.
    let fuel_max = i64::MAX as u64;
    let mut call = Call { memory, world: &mut guest.world, fuel_left: fuel_max, fuel_max };
    call.answer(body).map_err(wasmi::Error::host)
}

macro_rules! link_all {
    ($linker:expr; $($name:ident($($arg:ident: $ty:ty),*))*) => {
        $($linker.func_wrap(signatures::WASI_MODULE, stringify!($name), |mut caller: Caller<'_, Guest>, $($arg: $ty),*| {
            caller.data_mut().asked_time |= stringify!($name) == "clock_time_get";
            host(&mut caller, |call| call.$name($($arg),*))
        }).unwrap();)*
    };
}

fn linker(engine: &wasmi::Engine) -> Linker<Guest> {
    let mut linker = Linker::new(engine);
    preview_1!(link_all, linker);
    let exit =
        |_: Caller<'_, Guest>, code: u32| -> Result<(), wasmi::Error> { Err(wasmi::Error::host(Halt::Exit(code))) };
    linker.func_wrap(signatures::WASI_MODULE, "proc_exit", exit).unwrap();
    linker
}

/// Runs a program on wasmi: how it ended, and what it left.
fn interpreted(module: &[u8], world: World, limits: &Limits) -> (Exit, Guest) {
    let engine = interpreter();
    let module = wasmi::Module::new(&engine, module).unwrap();
    let guest = Guest { world, limiter: Limiter::new(limits), asked_time: false };
    let mut store = Store::new(&engine, guest);
    store.limiter(|guest| &mut guest.limiter);
    let (mut too_deep, mut trap): (bool, fn(&wasmi::Error) -> TrapKind) = (false, instantiation_trap);
    let result = linker(&engine).instantiate_and_start(&mut store, &module).and_then(|instance| {
        trap = |error| wasmi_trap(error.as_trap_code().unwrap_or_else(|| panic!("{error:?}")));
        let entries = [stack::START, "_start"].map(|name| instance.get_typed_func::<(), ()>(&store, name).ok());
        let result = entries.into_iter().flatten().try_for_each(|entry| entry.call(&mut store, ()));
        let counter = instance.get_global(&store, stack::COUNTER).and_then(|global| global.get(&store).i32());
        too_deep = counter.unwrap_or(0) < 0;
        result
    });
    let guest = store.into_data();
    let exit = match result {
        Ok(()) => exited(0),
        Err(error) => match (error.downcast_ref::<Halt>(), guest.limiter.refused(limits)) {
            (Some(halt), _) => halted(halt, limits).unwrap(),
            (None, Some(exit)) => exit,
            (None, None) => match trap(&error) {
                TrapKind::Unreachable if too_deep => Exit::Trapped { kind: TrapKind::StackOverflow },
                kind => Exit::Trapped { kind },
            },
        },
    };
    (exit, guest)
}

/// Runs again what was run, unless it ended for a reason that only one engine has.
pub(super) fn also_interpreted(request: &RunRequest, outcome: &RunOutcome) {
    if matches!(
        outcome.exit,
        Exit::OutOfFuel { .. } | Exit::WallClock { .. } | Exit::BadModule(_) | Exit::NotCompiled(_)
    ) {
        return;
    }
    let ModuleSource::Bytes(module) = &request.module else { return };
    let module = validate::admit(module).unwrap();
    let (spec, paths) = host_files::look(request).unwrap();
    let world = World::build(&spec, Box::new(paths)).unwrap();
    let (exit, guest) = deep_enough(|| interpreted(&module, world, &request.limits));
    // wasmi refuses more memory than any can have without asking us, and what follows looks like an abort.
    let unasked =
        matches!(outcome.exit, Exit::OutOfMemory { .. }) && exit == Exit::Trapped { kind: TrapKind::Unreachable };
    assert!(exit == outcome.exit || unasked, "the interpreter says: {exit}; the compiled program: {}", outcome.exit);
    if guest.asked_time {
        return;
    }
    assert_eq!(guest.world.files.stderr_tail(), outcome.stderr_tail);
    // What is refused before a program begins is refused in another order.
    if matches!(exit, Exit::Exited { .. } | Exit::Trapped { .. }) && !unasked {
        assert_eq!(guest.limiter.memory_peak(), outcome.memory_peak);
    }
    let mut files = Vec::new();
    if let Exit::Exited { .. } = exit {
        let took: Result<(), ()> = guest.world.files.left(&mut |left| {
            if let Left::File(path, bytes) = left {
                let size = ByteCount::from_bytes(bytes.len() as u64);
                files.push(OutputFile { path: path.to_owned(), digest: hash(bytes), size });
            }
            Ok(())
        });
        took.unwrap();
        files.sort_by(|a, b| a.path.cmp(&b.path));
    }
    assert_eq!(files, outcome.files);
}

/// An app that ships, with arguments that make it small.
struct App {
    name: &'static str,
    input: &'static str,
    split: &'static [&'static str],
    merge: &'static [&'static str],
}

const APPS: [App; 4] = [
    App {
        name: "render",
        input: "scenes/cornell/cornell.obj",
        split: &["--scene", "/in/cornell.obj", "--width", "24", "--height", "16", "--samples", "2", "--tiles", "2"],
        merge: &["--exposure", "", "--denoise", "on", "--fps", "12"],
    },
    App {
        name: "montecarlo",
        input: "markets/example.csv",
        split: &["--market", "/in/example.csv", "--paths", "64", "--parts", "2", "--seed", "3"],
        merge: &[],
    },
    App {
        name: "fold",
        input: "sequences/benchmarks.fasta",
        split: &["--sequences", "/in/benchmarks.fasta", "--searches", "1", "--moves", "1", "--seed", "5"],
        merge: &[],
    },
    App {
        name: "mine",
        input: "headers/genesis.hex",
        split: &[
            "--header",
            "/in/genesis.hex",
            "--algorithm",
            "sha256d",
            "--bits",
            "8",
            "--nonce_bytes",
            "4",
            "--from",
            "2083236880",
            "--nonces",
            "40",
            "--parts",
            "2",
        ],
        merge: &[],
    },
];

/// How many subtasks of each are run. Reason: the first few do all that an app does.
const SUBTASKS_RUN: usize = 2;

#[test]
fn two_engines_agree_on_the_apps_that_ship() {
    let apps = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("apps");
    let lines = std::cell::RefCell::new(Vec::new());
    for app in APPS {
        let folder = apps.join(app.name);
        let module = std::fs::read(folder.join(format!("{}.wasm", app.name))).unwrap();
        let input = folder.join(app.input);
        let beside = std::fs::read_dir(input.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
        let shared: Vec<InputFile> = beside.map(|path| input_file(file_name(&path), path)).collect();
        let run = |command: &str, args: &[String], inputs: Vec<InputFile>| {
            let (outcome, folder) = run_with(module.clone(), |request| {
                request.args = [&[command.to_owned()], args].concat();
                request.inputs = inputs;
                request.limits = Limits { wall_ms: 600_000, ..Limits::default() };
            });
            assert_eq!(outcome.exit, exited(0), "{} {command}: {}", app.name, outcome.stderr_tail);
            assert!(!outcome.files.is_empty(), "{} {command} left nothing", app.name);
            let RunOutcome { exit, fuel, memory_peak, files, .. } = &outcome;
            let name = format!("{} {command}", app.name);
            lines.borrow_mut().push(fuel::line(&name, exit, *fuel, *memory_peak, files));
            (outcome, folder)
        };
        let owned = |args: &[&str]| args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<String>>();
        let (_, plan) = run("split", &owned(app.split), shared.clone());
        let plan = std::fs::read_to_string(plan.path().join("out/stdout")).unwrap();
        let mut left = Vec::new();
        let mut results = Vec::new();
        for (number, line) in plan.lines().enumerate().take(SUBTASKS_RUN) {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let args: Vec<String> = serde_json::from_value(line["args"].clone()).unwrap();
            let (outcome, folder) = run(&args[0], &args[1..], shared.clone());
            let made = outcome
                .files
                .iter()
                .map(|file| input_file(format!("{number}/{}", file.path), folder.path().join("out").join(&file.path)));
            results.extend(made);
            left.push(folder);
        }
        assert!(left.len() == SUBTASKS_RUN, "{}: {plan}", app.name);
        run("merge", &owned(app.merge), results);
    }
    fuel::committed("apps", &lines.into_inner());
}

fn input_file(guest_path: String, host_path: PathBuf) -> InputFile {
    InputFile { guest_path, host_path }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}
