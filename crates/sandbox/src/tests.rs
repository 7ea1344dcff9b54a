use crate::*;
use golem_protocol::{B256, ByteCount, ContentHash, Fuel};
use std::path::Path;
use std::sync::OnceLock;
use tempfile::TempDir;

mod admission;
mod compiled;
mod depth;
mod determinism;
mod differential;
mod fuel;
mod malicious;
mod programs;

/// One sandbox for all tests: starting one reserves address space for every slot.
fn sandbox() -> &'static Sandbox {
    static SHARED: OnceLock<(TempDir, Sandbox)> = OnceLock::new();
    &SHARED
        .get_or_init(|| {
            let folder = TempDir::new().unwrap();
            let sandbox = Sandbox::new(SandboxConfig::new(folder.path())).unwrap();
            (folder, sandbox)
        })
        .1
}

/// A module with one page of memory that has `"stdout text\n"` at 100 and imports what the tests use.
fn program(body: &str) -> Vec<u8> {
    let imports = [
        ("fd_write", "i32 i32 i32 i32"),
        ("fd_read", "i32 i32 i32 i32"),
        ("fd_pwrite", "i32 i32 i32 i64 i32"),
        ("fd_close", "i32"),
        ("fd_readdir", "i32 i32 i32 i64 i32"),
        ("fd_filestat_set_size", "i32 i64"),
        ("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32"),
        ("path_filestat_get", "i32 i32 i32 i32 i32"),
        ("path_create_directory", "i32 i32 i32"),
        ("path_unlink_file", "i32 i32 i32"),
        ("path_rename", "i32 i32 i32 i32 i32 i32"),
        ("path_symlink", "i32 i32 i32 i32 i32"),
        ("random_get", "i32 i32"),
        ("clock_time_get", "i32 i64 i32"),
        ("poll_oneoff", "i32 i32 i32 i32"),
        ("args_sizes_get", "i32 i32"),
        ("args_get", "i32 i32"),
    ];
    let imports: String = imports
        .iter()
        .map(|(name, params)| {
            format!("(import \"wasi_snapshot_preview1\" \"{name}\" (func ${name} (param {params}) (result i32)))\n")
        })
        .collect();
    let text = format!(
        r#"(module {imports}
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (data (i32.const 100) "stdout text\n")
        (data (i32.const 200) "a.txt")
        (data (i32.const 220) "../../etc/passwd")
        (data (i32.const 240) "/etc/passwd")
        (data (i32.const 260) "d/../../x")
        (data (i32.const 280) "stdout")
        (data (i32.const 300) "b")
        ;; Writes LEN bytes at AT to a descriptor.
        (func $put (param $fd i32) (param $at i32) (param $len i32) (result i32)
          (i32.store (i32.const 0) (local.get $at)) (i32.store (i32.const 4) (local.get $len))
          (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
        ;; Opens a path below a descriptor for reading, and for writing too if any flag is set; the descriptor is at 16.
        (func $open (param $dir i32) (param $at i32) (param $len i32) (param $oflags i32) (result i32)
          (call $path_open (local.get $dir) (i32.const 0) (local.get $at) (local.get $len) (local.get $oflags)
            (select (i64.const 66) (i64.const 2) (local.get $oflags)) (i64.const 0) (i32.const 0) (i32.const 16)))
        {body})"#
    );
    wat::parse_str(text).unwrap()
}

fn request(module: Vec<u8>, folder: &Path) -> RunRequest {
    RunRequest {
        module: ModuleSource::Bytes(module),
        owner: B256::ZERO,
        args: Vec::new(),
        stdin: None,
        inputs: Vec::new(),
        output_dir: folder.join("out"),
        seed: [7; 32],
        limits: Limits {
            fuel_max: Fuel::from_units(10_000_000),
            memory_max: ByteCount::from_bytes(1 << 20),
            table_elements_max: 100,
            output_max: ByteCount::from_bytes(10_000),
            output_files_max: 10,
            stderr_tail_max: ByteCount::from_bytes(16),
            wall_ms: 60_000,
        },
    }
}

/// Runs a program, and again on another engine, which must see the same.
fn run_with(module: Vec<u8>, change: impl FnOnce(&mut RunRequest)) -> (RunOutcome, TempDir) {
    let folder = TempDir::new().unwrap();
    let mut request = request(module, folder.path());
    change(&mut request);
    let outcome = sandbox().run(&request, &CancelToken::new(), Pace::FULL).unwrap();
    programs::also_interpreted(&request, &outcome);
    (outcome, folder)
}

fn run(body: &str) -> RunOutcome {
    run_with(program(body), |_| {}).0
}

fn exit_of(body: &str) -> Exit {
    run(body).exit
}

const LOOP: &str = r#"(func (export "_start") (loop $l (br $l)))"#;
const HELLO: &str = r#"(func (export "_start") (drop (call $put (i32.const 1) (i32.const 100) (i32.const 12))))"#;

fn start(code: &str) -> String {
    format!("(func (export \"_start\") {code})")
}

/// Exits with what an expression gives: an error number, mostly.
fn exit_with(code: &str) -> Exit {
    exit_of(&start(&format!("(call $exit {code})")))
}

fn exited(code: u32) -> Exit {
    Exit::Exited { code }
}

fn hash(bytes: &[u8]) -> ContentHash {
    ContentHash(blake3::hash(bytes).as_bytes().into())
}

#[test]
fn refuses_what_is_not_webassembly() {
    for bytes in [&b"#!/bin/sh"[..], b"", b"\0asm", b"\0asm\x01\0\0\0\xff"] {
        let exit = run_with(bytes.to_vec(), |_| {}).0.exit;
        assert!(matches!(exit, Exit::BadModule(ModuleFault::Invalid { .. })), "{exit:?}");
    }
    let exit = run_with(b"\0asm\x0d\0\x01\0".to_vec(), |_| {}).0.exit;
    assert_eq!(exit, Exit::BadModule(ModuleFault::Component));
}

#[test]
fn names_the_import_that_is_missing() {
    let with = |import: &str| {
        let text = format!("(module (import {import}) (memory (export \"memory\") 1) (func (export \"_start\")))");
        run_with(wat::parse_str(text).unwrap(), |_| {}).0.exit
    };
    let exit = with("\"env\" \"launch_missiles\" (func)");
    assert!(exit.to_string().contains("`env` `launch_missiles`"), "{exit}");
    let exit = with("\"wasi_snapshot_preview1\" \"fd_write\" (func)");
    assert!(matches!(&exit, Exit::BadModule(ModuleFault::ImportType { name, .. }) if name == "fd_write"), "{exit}");
    assert!(exit.to_string().contains("() -> ()"), "{exit}");
    assert!(exit.to_string().contains("(i32 i32 i32 i32) -> (i32)"), "{exit}");
}

#[test]
fn refuses_a_library_and_too_many_tables() {
    let exit = |text: &str| run_with(wat::parse_str(text).unwrap(), |_| {}).0.exit.to_string();
    assert!(exit("(module (memory (export \"memory\") 1))").contains("`_start`"));
    assert!(exit("(module (func (export \"_start\")))").contains("`memory`"));
    let tables = "(table 1 funcref)".repeat(9);
    let text = format!("(module {tables} (memory (export \"memory\") 1) (func (export \"_start\")))");
    assert!(exit(&text).contains("tables"), "{}", exit(&text));
}

#[test]
fn refuses_a_module_that_is_too_large() {
    let folder = TempDir::new().unwrap();
    let bytes = vec![0; profile::MODULE_MAX.0 as usize + 1];
    let path = folder.path().join("m.wasm");
    std::fs::write(&path, &bytes).unwrap();
    let digest = hash(&bytes);
    for module in [ModuleSource::File { path: path.clone(), digest }, ModuleSource::Bytes(bytes)] {
        assert!(matches!(sandbox().prepare(&module), Ok(Err(Exit::BadModule(ModuleFault::TooLarge { .. })))));
    }
    let wrong = sandbox().prepare(&ModuleSource::File { path, digest: hash(b"other") });
    assert!(matches!(wrong, Err(SandboxError::WrongDigest { .. })));
}

#[test]
fn stops_a_loop_when_its_fuel_is_used_up() {
    let outcome = run(LOOP);
    assert_eq!(outcome.exit, Exit::OutOfFuel { fuel_max: Fuel::from_units(10_000_000) });
    assert_eq!(outcome.fuel, Fuel::from_units(10_000_000));
}

#[test]
fn stops_a_loop_with_much_fuel_by_the_wall_clock() {
    let (outcome, _folder) = run_with(program(LOOP), |request| {
        request.limits.fuel_max = Fuel::from_units(1 << 60);
        request.limits.wall_ms = 50;
    });
    assert_eq!(outcome.exit, Exit::WallClock { wall_ms: 50 });
    assert!(!outcome.exit.is_reproducible());
    assert!(outcome.wall_ms < 5_000, "{}", outcome.wall_ms);
}

#[test]
fn calls_of_the_host_cost_fuel() {
    let body = start("(loop $l (drop (call $random_get (i32.const 0) (i32.const 65536))) (br $l))");
    let (outcome, _folder) = run_with(program(&body), |request| request.limits.wall_ms = 600_000);
    assert_eq!(outcome.exit, Exit::OutOfFuel { fuel_max: Fuel::from_units(10_000_000) });
}

#[test]
fn stops_a_program_that_eats_memory() {
    let grow = "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable";
    let outcome = run(&start(grow));
    assert_eq!(outcome.exit, Exit::OutOfMemory { memory_max: ByteCount::from_bytes(1 << 20) });
    assert_eq!(outcome.memory_peak, ByteCount::from_bytes(1 << 20));
    let large = "(module (memory (export \"memory\") 17) (func (export \"_start\")))";
    let exit = run_with(wat::parse_str(large).unwrap(), |_| {}).0.exit;
    assert_eq!(exit, Exit::OutOfMemory { memory_max: ByteCount::from_bytes(1 << 20) });
    let table = "(module (memory (export \"memory\") 1) (table 101 funcref) (func (export \"_start\")))";
    let exit = run_with(wat::parse_str(table).unwrap(), |_| {}).0.exit;
    assert_eq!(exit, Exit::TableTooLarge { table_elements_max: 100 });
}

#[test]
fn stops_a_program_that_writes_without_end() {
    let limit = Exit::OutputTooLarge { output_max: ByteCount::from_bytes(10_000) };
    for fd in [1, 2] {
        let code = format!("(loop $l (drop (call $put (i32.const {fd}) (i32.const 100) (i32.const 12))) (br $l))");
        let outcome = run(&start(&code));
        assert_eq!(outcome.exit, limit);
        assert!(outcome.files.is_empty());
    }
    let file = "(drop (call $open (i32.const 4) (i32.const 200) (i32.const 5) (i32.const 1)))
        (loop $l (drop (call $put (i32.load (i32.const 16)) (i32.const 100) (i32.const 12))) (br $l))";
    assert_eq!(exit_of(&start(file)), limit);
    // A hole counts like what is written.
    for hole in [
        "(call $fd_filestat_set_size (i32.load (i32.const 16)) (i64.const 10001))",
        "(call $fd_pwrite (i32.load (i32.const 16)) (i32.const 200) (i32.const 1) (i64.const 0x100000) (i32.const 8))",
    ] {
        let code = format!(
            "(drop (call $open (i32.const 4) (i32.const 200) (i32.const 5) (i32.const 1)))
             (i32.store (i32.const 200) (i32.const 100)) (i32.store (i32.const 204) (i32.const 12)) (drop {hole})"
        );
        assert_eq!(exit_of(&start(&code)), limit, "{hole}");
    }
    let files = "(loop $l (i32.store8 (i32.const 300) (i32.add (i32.load8_u (i32.const 300)) (i32.const 1)))
        (drop (call $path_create_directory (i32.const 4) (i32.const 300) (i32.const 1))) (br $l))";
    assert_eq!(exit_of(&start(files)), Exit::TooManyFiles { output_files_max: 10 });
}

#[test]
fn a_file_made_and_removed_for_ever_takes_no_more_room() {
    let code = "(local $i i32) (loop $l
        (drop (call $open (i32.const 4) (i32.const 200) (i32.const 5) (i32.const 1)))
        (drop (call $put (i32.load (i32.const 16)) (i32.const 1000) (i32.const 5000)))
        (drop (call $path_unlink_file (i32.const 4) (i32.const 200) (i32.const 5)))
        (drop (call $fd_close (i32.load (i32.const 16))))
        (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100))))";
    let fuel = |request: &mut RunRequest| request.limits.fuel_max = Fuel::from_units(100_000_000);
    let outcome = run_with(program(&start(code)), fuel).0;
    assert_eq!((outcome.exit, outcome.files), (exited(0), vec![]));
}

#[test]
fn names_the_trap() {
    for (code, kind) in [
        ("unreachable", TrapKind::Unreachable),
        ("(drop (i32.load (i32.const -4)))", TrapKind::MemoryOutOfBounds),
        ("(drop (i32.div_u (i32.const 1) (i32.const 0)))", TrapKind::DivisionByZero),
        ("(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))", TrapKind::IntegerOverflow),
        ("(drop (i32.trunc_f32_s (f32.const nan)))", TrapKind::BadConversion),
    ] {
        assert_eq!(exit_of(&start(code)), Exit::Trapped { kind }, "{code}");
    }
    let table = |code: &str| format!("(table 2 funcref) (elem (i32.const 1) $fd_close) {}", start(code));
    let null = exit_of(&table("(call_indirect (i32.const 0))"));
    assert_eq!(null, Exit::Trapped { kind: TrapKind::CallToNull });
    let wrong = exit_of(&table("(call_indirect (i32.const 1))"));
    assert_eq!(wrong, Exit::Trapped { kind: TrapKind::CallTypeMismatch });
    let bounds = exit_of(&table("(call_indirect (i32.const 2))"));
    assert_eq!(bounds, Exit::Trapped { kind: TrapKind::TableOutOfBounds });
    let deep = exit_of("(func $f (export \"_start\") (call $f))");
    assert_eq!(deep, Exit::Trapped { kind: TrapKind::StackOverflow });
    assert!(deep.is_reproducible());
}

#[test]
fn gives_the_exit_code_and_the_end_of_standard_error() {
    let outcome = run(&start(
        "(drop (call $put (i32.const 2) (i32.const 100) (i32.const 12)))
         (drop (call $put (i32.const 2) (i32.const 100) (i32.const 12))) (call $exit (i32.const 3))",
    ));
    assert_eq!(outcome.exit, exited(3));
    assert_eq!(outcome.stderr_tail, "ext\nstdout text\n");
}

#[test]
fn collects_standard_output_and_files() {
    let code = "(drop (call $put (i32.const 1) (i32.const 100) (i32.const 12)))
        (drop (call $path_create_directory (i32.const 4) (i32.const 300) (i32.const 1)))
        (i32.store (i32.const 300) (i32.const 0x632f62)) ;; b/c
        (drop (call $open (i32.const 4) (i32.const 300) (i32.const 3) (i32.const 1)))
        (drop (call $put (i32.load (i32.const 16)) (i32.const 100) (i32.const 6)))
        (drop (call $open (i32.const 5) (i32.const 200) (i32.const 5) (i32.const 1)))";
    let (outcome, folder) = run_with(program(&start(code)), |_| {});
    let files: Vec<_> = outcome.files.iter().map(|f| (f.path.as_str(), f.digest, f.size.0)).collect();
    let want = [("a.txt", hash(b""), 0), ("b/c", hash(b"stdout"), 6), ("stdout", hash(b"stdout text\n"), 12)];
    assert_eq!(files, want);
    assert_eq!(std::fs::read(folder.path().join("out/b/c")).unwrap(), b"stdout");
}

#[test]
fn refuses_paths_that_lead_out_and_all_links() {
    let open = |dir: u32, at: u32, len: u32| {
        exit_with(&format!("(call $open (i32.const {dir}) (i32.const {at}) (i32.const {len}) (i32.const 1))"))
    };
    assert_eq!(open(4, 220, 16), exited(76), "../../etc/passwd");
    assert_eq!(open(4, 240, 11), exited(76), "/etc/passwd");
    assert_eq!(open(3, 220, 2), exited(76), "..");
    assert_eq!(open(3, 200, 5), exited(69), "a new file in /in");
    assert_eq!(open(4, 280, 6), exited(2), "stdout");
    let link = "(call $path_symlink (i32.const 240) (i32.const 11) (i32.const 4) (i32.const 200) (i32.const 5))";
    assert_eq!(exit_with(link), exited(58));
    let through = "(drop (call $path_create_directory (i32.const 4) (i32.const 260) (i32.const 1)))
        (call $exit (call $open (i32.const 4) (i32.const 260) (i32.const 9) (i32.const 1)))";
    assert_eq!(exit_of(&start(through)), exited(76));
    let rename = "(drop (call $open (i32.const 4) (i32.const 200) (i32.const 5) (i32.const 1)))
        (call $exit (call $path_rename (i32.const 4) (i32.const 200) (i32.const 5) (i32.const 4) (i32.const 220) (i32.const 16)))";
    assert_eq!(exit_of(&start(rename)), exited(76));
}

#[test]
fn refuses_addresses_outside_of_memory() {
    assert_eq!(exit_with("(call $random_get (i32.const 65530) (i32.const 7))"), exited(21));
    assert_eq!(exit_with("(call $fd_write (i32.const 1) (i32.const -8) (i32.const 1) (i32.const 8))"), exited(21));
    assert_eq!(exit_with("(call $fd_write (i32.const 1) (i32.const 0) (i32.const -1) (i32.const 8))"), exited(28));
    assert_eq!(exit_with("(call $fd_write (i32.const 9) (i32.const 0) (i32.const 1) (i32.const 8))"), exited(8));
}

#[test]
fn a_cancelled_run_stops_and_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    let mut request = request(program(LOOP), folder.path());
    request.limits.fuel_max = Fuel::from_units(1 << 60);
    let cancel = CancelToken::new();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| sandbox().run(&request, &cancel, Pace::FULL));
        cancel.cancel();
        assert_eq!(running.join().unwrap(), Err(SandboxError::Cancelled));
    });
    assert_eq!(std::fs::read_dir(folder.path().join("out")).unwrap().count(), 0);
}

#[test]
fn a_pace_stretches_the_time_and_changes_nothing_else() {
    let body = start(
        "(local $i i32) (loop $l
            (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 150000000))))",
    );
    let timed = |pace: u8| {
        let folder = TempDir::new().unwrap();
        let mut request = request(program(&body), folder.path());
        request.limits.fuel_max = Fuel::from_units(1 << 40);
        let pace = Pace::from_percent(pace).unwrap();
        sandbox().run(&request, &CancelToken::new(), pace).unwrap()
    };
    let (full, slow) = (timed(100), timed(10));
    assert_eq!((full.exit, full.fuel), (slow.exit, slow.fuel));
    assert!(slow.wall_ms > full.wall_ms * 3, "{} ms at full pace, {} ms at 10 %", full.wall_ms, slow.wall_ms);
    assert_eq!(Pace::from_percent(0), Err(PaceError { percent: 0 }));
    assert!(Pace::from_percent(101).is_err());
}

#[test]
fn refuses_requests_that_cannot_be_kept() {
    let folder = TempDir::new().unwrap();
    let refused = |change: &dyn Fn(&mut RunRequest)| {
        let mut request = request(program(HELLO), folder.path());
        change(&mut request);
        sandbox().run(&request, &CancelToken::new(), Pace::FULL).unwrap_err()
    };
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let input = |guest: &str| vec![InputFile { guest_path: guest.into(), host_path: file.clone() }];
    for path in ["/a", "../a", "a/./b", "", "a//b", "a\0"] {
        let error = refused(&|request| request.inputs = input(path));
        assert!(matches!(error, SandboxError::BadInputPath { .. }), "{error}");
    }
    let error = refused(&|request| request.inputs = [input("a"), input("a")].concat());
    assert!(matches!(error, SandboxError::BadInputPath { .. }), "{error}");
    let error = refused(&|request| request.inputs = [input("a"), input("a/b")].concat());
    assert!(matches!(error, SandboxError::BadInputPath { .. }), "{error}");
    let error = refused(&|request| request.stdin = Some(folder.path().join("none")));
    assert!(matches!(error, SandboxError::Io { .. }), "{error}");
    let error = refused(&|request| request.args = vec!["a\0".into()]);
    assert!(matches!(error, SandboxError::BadArgs { .. }), "{error}");
    let error = refused(&|request| request.limits.memory_max = ByteCount::from_bytes(5 << 30));
    assert!(matches!(&error, SandboxError::BadLimit { limit, .. } if limit == "memory_max"), "{error}");
    let error = refused(&|request| request.output_dir = folder.path().to_owned());
    assert!(matches!(error, SandboxError::OutputNotEmpty { .. }), "{error}");
}

#[test]
fn says_when_all_slots_are_taken() {
    let folder = TempDir::new().unwrap();
    let config = SandboxConfig { slots: 1, ..SandboxConfig::new(folder.path().join("cache")) };
    let sandbox = Sandbox::new(config).unwrap();
    let mut first = request(program(LOOP), folder.path());
    first.limits.fuel_max = Fuel::from_units(1 << 60);
    let mut second = request(program(LOOP), folder.path());
    second.output_dir = folder.path().join("second");
    let cancel = CancelToken::new();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| sandbox.run(&first, &cancel, Pace::FULL));
        // Whichever of the two is first, the other finds no slot once it runs; a short one is tried until it does.
        let busy = loop {
            let _ = std::fs::remove_dir_all(&second.output_dir);
            match sandbox.run(&second, &CancelToken::new(), Pace::FULL) {
                Err(error) => break error,
                Ok(outcome) => assert!(matches!(outcome.exit, Exit::OutOfFuel { .. })),
            }
            if running.is_finished() {
                break SandboxError::Busy { slots: 1 };
            }
        };
        assert_eq!(busy, SandboxError::Busy { slots: 1 });
        cancel.cancel();
        let _ = running.join();
    });
}

#[test]
fn requests_and_outcomes_can_be_sent_to_another_process() {
    let folder = TempDir::new().unwrap();
    let request = determinism::nosy_request(folder.path());
    let sent: RunRequest = serde_json::from_str(&serde_json::to_string(&request).unwrap()).unwrap();
    assert_eq!(sent, request);
    let outcome = sandbox().run(&sent, &CancelToken::new(), Pace::FULL).unwrap();
    let back: RunOutcome = serde_json::from_str(&serde_json::to_string(&outcome).unwrap()).unwrap();
    assert_eq!(back, outcome);
    let pace: Result<Pace, _> = serde_json::from_str("0");
    assert!(pace.is_err());
}

#[test]
fn the_benchmark_is_the_committed_source_and_gives_a_speed() {
    let source = wat::parse_str(include_str!("benchmark.wat")).unwrap();
    assert_eq!(source, include_bytes!("benchmark.wasm"));
    let full = sandbox().benchmark(&CancelToken::new(), Pace::FULL).unwrap();
    assert!(full.fuel_per_second > 1_000_000, "{full:?}");
    println!("{full:?}");
    let cancelled = CancelToken::new();
    cancelled.cancel();
    assert_eq!(sandbox().benchmark(&cancelled, Pace::FULL), Err(SandboxError::Cancelled));
}

#[test]
fn a_machine_that_counts_other_fuel_is_told_by_its_benchmark() {
    let folder = TempDir::new().unwrap();
    let mut rules = profile::engine_config();
    rules.operator_cost(wasmtime::OperatorCost { I64Mul: 2, ..wasmtime::OperatorCost::default() });
    let engine = wasmtime::Engine::new(&rules).unwrap();
    let unfaithful = Sandbox::on(engine, &SandboxConfig::new(folder.path().join("cache"))).unwrap();
    let found = unfaithful.benchmark(&CancelToken::new(), Pace::FULL);
    assert!(matches!(found, Err(SandboxError::Unfaithful { got, want }) if got > want), "{found:?}");
}

#[test]
fn the_profile_has_a_digest_of_its_own() {
    assert_ne!(profile::digest(), B256::ZERO);
    let lock = include_str!("../../../Cargo.lock");
    let engine = lock.split("[[package]]").find(|package| package.contains("name = \"wasmtime\"")).unwrap();
    assert!(engine.contains(&format!("version = \"{}.", profile::WASMTIME)), "raise PROFILE_VERSION with the engine");
}
