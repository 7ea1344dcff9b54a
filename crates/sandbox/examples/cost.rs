//! What the sandbox costs: how long a subtask takes to start, and how much slower a program computes than the same code
//! compiled for this machine. `scripts/bench-sandbox` builds what it compares with and starts it.
//!
//! What is compared is measured in turns, so that a slow minute of the machine is everybody's. Printed are the least and
//! the median, and the ratio of each to that of the first row.

use golem_protocol::{B256, ByteCount, Fuel};
use golem_sandbox::*;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Workers whose engine counts no fuel are told so by this argument.
const UNCOUNTED: &str = "sandbox-worker-uncounted";
/// How often a start, one that compiles, and a whole computation are measured.
const STARTS: usize = 21;
const COLD_STARTS: usize = 5;
const RUNS: usize = 9;
/// The tile that is rendered: large enough that starting it hardly counts.
const TILE: &str = "tile --width 160 --height 120 --samples 12 --tiles 4 --index 2";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<&str>>()[..] {
        [WORKER_COMMAND] => sandbox_worker(),
        [UNCOUNTED] => match ConfinedWorker::enter_with_rules(rules(Counting::Off, Nans::Canonical)) {
            Ok(worker) => worker.serve(),
            Err(_) => ExitCode::from(2),
        },
        [app, native, native_cpu] => {
            let app = Path::new(app);
            starting(app);
            computing(app, [("native", native.into()), ("native, all that this processor has", native_cpu.into())]);
            ExitCode::SUCCESS
        }
        ["once", counting, folder, app, ref args @ ..] => {
            once(counting, Path::new(folder), Path::new(app), args);
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: cost APP_FOLDER NATIVE NATIVE_FOR_THIS_PROCESSOR; see scripts/bench-sandbox");
            ExitCode::from(2)
        }
    }
}

enum Counting {
    Fuel,
    Off,
}

enum Nans {
    Canonical,
    Any,
}

/// The profile's rules but for these two.
fn rules(counting: Counting, nans: Nans) -> wasmtime::Config {
    let mut config = profile::engine_config();
    config.consume_fuel(matches!(counting, Counting::Fuel));
    config.cranelift_nan_canonicalization(matches!(nans, Nans::Canonical));
    config
}

/// One way to do the same thing, and how long it took each time.
struct Row<'a> {
    name: &'a str,
    measure: Box<dyn FnMut() -> Duration + 'a>,
    took: Vec<Duration>,
}

fn row<'a>(name: &'a str, measure: impl FnMut() -> Duration + 'a) -> Row<'a> {
    Row { name, measure: Box::new(measure), took: Vec::new() }
}

/// Measures all rows in turns, after one turn that does not count, and prints them.
fn table(title: &str, turns: usize, mut rows: Vec<Row<'_>>) {
    for turn in 0..=turns {
        for row in &mut rows {
            let took = (row.measure)();
            if turn > 0 {
                row.took.push(took);
            }
        }
    }
    println!("\n{title}\n{:<52} {:>10} {:>10} {:>8} {:>8}", "", "least ms", "median ms", "least", "median");
    let of = |row: &Row<'_>| {
        let mut took: Vec<f64> = row.took.iter().map(|took| took.as_secs_f64() * 1000.0).collect();
        took.sort_by(f64::total_cmp);
        (took[0], took[took.len() / 2])
    };
    let first = of(&rows[0]);
    for row in &rows {
        let (least, median) = of(row);
        let (by_least, by_median) = (least / first.0, median / first.1);
        println!("{:<52} {least:>10.3} {median:>10.3} {by_least:>7.2}x {by_median:>7.2}x", row.name);
    }
}

fn in_workers(folder: &Path, argument: &str) -> Sandbox {
    let mut config = SandboxConfig::new(folder);
    config.isolation = Isolation::Process { program: "/proc/self/exe".into(), args: vec![argument.to_owned()] };
    Sandbox::new(config).expect("workers can be started")
}

fn in_process(folder: &Path) -> Sandbox {
    Sandbox::new(SandboxConfig::new(folder)).expect("a sandbox in this process")
}

/// A run of a module with these arguments, and how long it took in all.
fn run(sandbox: &Sandbox, module: &[u8], inputs: &[InputFile], args: &str, owner: B256) -> (RunOutcome, Duration) {
    let folder = TempDir::new().expect("a folder");
    let request = RunRequest {
        owner,
        module: ModuleSource::Bytes(module.to_vec()),
        args: args.split_whitespace().map(str::to_owned).collect(),
        stdin: None,
        inputs: inputs.to_vec(),
        output_dir: folder.path().join("out"),
        seed: [0; 32],
        limits: Limits {
            fuel_max: Fuel::from_units(1 << 50),
            memory_max: ByteCount::from_bytes(256 << 20),
            output_max: ByteCount::from_bytes(16 << 20),
            ..Limits::default()
        },
    };
    let began = Instant::now();
    let outcome = sandbox.run(&request, &CancelToken::new(), Pace::FULL).expect("it runs");
    (outcome, began.elapsed())
}

/// How long it takes until a program has started and ended: `render` without arguments, which says how it is used.
fn starting(app: &Path) {
    let module = std::fs::read(app.join("render.wasm")).expect("the module of render");
    let start = |sandbox: &Sandbox, owner: B256| run(sandbox, &module, &[], "", owner).1;
    let same = B256::repeat_byte(1);
    let (here, there) = (TempDir::new().expect("a folder"), TempDir::new().expect("a folder"));
    let (warm_here, warm_there) = (in_process(here.path()), in_workers(there.path(), WORKER_COMMAND));
    start(&warm_here, same);
    start(&warm_there, same);
    let cold = |make: &dyn Fn(&Path) -> Sandbox| {
        let folder = TempDir::new().expect("a folder");
        start(&make(folder.path()), same)
    };
    let workers = |folder: &Path| in_workers(folder, WORKER_COMMAND);
    let title = format!("Start a subtask: a module of {} KiB", module.len() >> 10);
    let rows = vec![
        row("ready in memory, in process", || start(&warm_here, same)),
        row("ready in memory, worker of the same requestor", || start(&warm_there, same)),
        row("ready in memory, new worker for another requestor", || {
            start(&warm_there, B256::from(rand::random::<[u8; 32]>()))
        }),
        row("compiled on disk, in process", || start(&in_process(here.path()), same)),
        row("compiled on disk, new worker", || start(&workers(there.path()), same)),
    ];
    table(&title, STARTS, rows);
    let rows = vec![
        row("never seen, in process", || cold(&in_process)),
        row("never seen, compiling worker and new worker", || cold(&workers)),
    ];
    table("The same, compiled first", COLD_STARTS, rows);
}

/// Runs `render` once in this process, for somebody who counts its instructions; compiled code is kept in the folder.
fn once(counting: &str, folder: &Path, app: &Path, args: &[&str]) {
    let counting = if counting == "fuel" { Counting::Fuel } else { Counting::Off };
    let config = SandboxConfig { slots: 1, ..SandboxConfig::new(folder) };
    let sandbox = Sandbox::with_rules(&config, rules(counting, Nans::Canonical)).expect("a sandbox in this process");
    let module = std::fs::read(app.join("render.wasm")).expect("the module of render");
    let (outcome, _) = run(&sandbox, &module, &scene(app), &args.join(" "), B256::ZERO);
    // Without arguments it says how it is used.
    assert!(outcome.exit.is_success() || args.is_empty(), "{} {}", outcome.exit, outcome.stderr_tail);
}

/// The scene that is rendered, as inputs.
fn scene(app: &Path) -> Vec<InputFile> {
    let file = |name: &str| InputFile { guest_path: name.to_owned(), host_path: app.join("scenes/cornell").join(name) };
    ["cornell.obj", "cornell.mtl"].map(file).to_vec()
}

/// How long one tile of `render` takes, and whether all agree on its bytes.
fn computing(app: &Path, natives: [(&str, PathBuf); 2]) {
    let module = std::fs::read(app.join("render.wasm")).expect("the module of render");
    let inputs = scene(app);
    let home = TempDir::new().expect("a folder");
    let path = |name: &str| home.path().join(name);
    let engine = |name: &str, counting, nans| {
        Sandbox::with_rules(&SandboxConfig::new(path(name)), rules(counting, nans)).expect("a sandbox in this process")
    };
    let sandboxes = [
        ("in process", in_process(&path("a"))),
        ("in process, no fuel counted", engine("b", Counting::Off, Nans::Canonical)),
        ("in process, NaNs as they come", engine("c", Counting::Fuel, Nans::Any)),
        ("in process, no fuel, NaNs as they come", engine("d", Counting::Off, Nans::Any)),
        ("worker", in_workers(&path("e"), WORKER_COMMAND)),
        ("worker, no fuel counted", in_workers(&path("f"), UNCOUNTED)),
    ];
    let mut digests = Vec::new();
    for (name, sandbox) in &sandboxes {
        let outcome = run(sandbox, &module, &inputs, TILE, B256::ZERO).0;
        assert!(outcome.exit.is_success(), "{name}: {} {}", outcome.exit, outcome.stderr_tail);
        digests.push((*name, outcome.files[0].digest.0));
    }
    let native_home = path("native");
    for folder in ["in", "out"] {
        std::fs::create_dir_all(native_home.join(folder)).expect("a folder");
    }
    for file in &inputs {
        std::fs::copy(&file.host_path, native_home.join("in").join(&file.guest_path)).expect("a copy of the scene");
    }
    let native = |program: &Path| {
        let began = Instant::now();
        let status = Command::new(program).args(TILE.split_whitespace()).current_dir(&native_home).status();
        assert!(status.expect("the native program runs").success());
        began.elapsed()
    };
    for (name, program) in &natives {
        native(program);
        let tile = std::fs::read(native_home.join("out/tile")).expect("a tile");
        digests.push((*name, B256::from(*blake3::hash(&tile).as_bytes())));
    }
    let mut rows: Vec<Row<'_>> = Vec::new();
    for (name, program) in &natives {
        rows.push(row(name, || native(program)));
    }
    for (name, sandbox) in &sandboxes {
        rows.push(row(name, || run(sandbox, &module, &inputs, TILE, B256::ZERO).1));
    }
    table(&format!("Compute: render {TILE}"), RUNS, rows);
    // The rules say nothing of the machine's own programs, so these are held to the sandbox's bytes too.
    let others: Vec<&str> =
        digests.iter().filter(|(_, digest)| *digest != digests[0].1).map(|(name, _)| *name).collect();
    if others.is_empty() {
        println!("All made the same bytes.");
    } else {
        println!("Other bytes than the sandbox's profile: {}", others.join("; "));
    }
}
