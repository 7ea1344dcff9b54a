//! How deep calls may nest: the same on every processor and at every effort of the compiler.

use super::*;
use wasmtime::OptLevel;

/// A sandbox whose compiler makes other frames of the same program.
pub(super) fn sandbox_with(level: OptLevel, change: impl FnOnce(&mut wasmtime::Config)) -> (Sandbox, TempDir) {
    let folder = TempDir::new().unwrap();
    let mut config = profile::engine_config();
    config.cranelift_opt_level(level);
    change(&mut config);
    let engine = wasmtime::Engine::new(&config).unwrap();
    (Sandbox::on(engine, &SandboxConfig::new(folder.path())).unwrap(), folder)
}

pub(super) fn run_on(sandbox: &Sandbox, module: &[u8], change: impl FnOnce(&mut RunRequest)) -> (RunOutcome, TempDir) {
    let folder = TempDir::new().unwrap();
    let mut request = request(module.to_vec(), folder.path());
    change(&mut request);
    (sandbox.run(&request, &CancelToken::new(), Pace::FULL).unwrap(), folder)
}

const TOO_DEEP: Exit = Exit::Trapped { kind: TrapKind::StackOverflow };

/// Functions that call themselves without end, with frames of every shape that a compiler might make larger than its
/// values: many locals or operands alive across a call, vectors, many arguments on the stack, many results.
fn endless() -> Vec<(&'static str, String)> {
    let many = |text: &str, count: usize| text.repeat(count);
    let start = "(func (export \"_start\")";
    let sum = |count: usize| format!("(local.get 0) {}", many("(i64.add)", count));
    let loads = |count: usize| (0..count).map(|i| format!("(i64.load (i32.const {}))", i * 8)).collect::<String>();
    let vectors = |count: usize| (0..count).map(|i| format!("(v128.load (i32.const {}))", i * 16)).collect::<String>();
    let (params, hundred) = (many("i64 ", 200), many("(i64.const 1)", 200));
    vec![
        ("nothing", format!("(func $f (call $f)) {start} (call $f))")),
        (
            "one value",
            format!(
                "(func $f (param i64) (result i64) (i64.add (call $f (local.get 0)) (local.get 0))) {start} (drop (call $f (i64.const 1))))"
            ),
        ),
        (
            "operands",
            format!(
                "(func $f (param i64) (result i64) {} (call $f (local.get 0)) {}) {start} (drop (call $f (i64.const 1))))",
                loads(300),
                many("(i64.add)", 300)
            ),
        ),
        (
            "vectors",
            format!(
                "(func $f (result v128) {} (call $f) {}) {start} (drop (call $f)))",
                vectors(300),
                many("(i8x16.add)", 300)
            ),
        ),
        (
            "arguments",
            format!(
                "(func $f (param {params}) {} (call $f)) {start} {hundred} (call $f))",
                (0..200).map(|i| format!("(local.get {i})")).collect::<String>()
            ),
        ),
        (
            "other arguments",
            format!("(func $f (param {params}) {hundred} (call $f) {hundred} (call $f)) {start} {hundred} (call $f))"),
        ),
        (
            "results",
            format!(
                "(func $f (param i64) (result {params}) (call $f {}) {} {hundred}) {start} (call $f (i64.const 1)) {})",
                sum(0),
                many("(drop)", 200),
                many("(drop)", 200)
            ),
        ),
        (
            "vector arguments",
            format!(
                "(func $f (param {}) {} (call $f)) {start} {} (call $f))",
                many("v128 ", 200),
                vectors(200),
                vectors(200)
            ),
        ),
        (
            "locals",
            format!(
                "(func $f (local {params}) {} (call $f) {}) {start} (call $f))",
                (0..200).map(|i| format!("(local.set {i} (i64.load (i32.const {})))", i * 8)).collect::<String>(),
                (0..200).map(|i| format!("(i64.store (i32.const {}) (local.get {i}))", i * 8)).collect::<String>()
            ),
        ),
        (
            "by table",
            format!(
                "(table 1 funcref) (elem (i32.const 0) $f) (func $f (call_indirect (i32.const 0))) {start} (call $f))"
            ),
        ),
        (
            "in turn",
            format!(
                "(func $f (param i32) (call $g (local.get 0) (i64.const 1))) (func $g (param i32 i64) (call $f (local.get 0))) {start} (call $f (i32.const 1)))"
            ),
        ),
        ("in the start function", format!("(func $f (call $f)) (start $f) {start})")),
    ]
}

#[test]
fn endless_calls_end_by_the_count_at_every_effort_of_the_compiler() {
    let plain = sandbox_with(OptLevel::None, |_| {}).0;
    let speed = sandbox_with(OptLevel::Speed, |_| {}).0;
    for (shape, body) in endless() {
        let module = program(&body);
        let of = |sandbox: &Sandbox| {
            let outcome = run_on(sandbox, &module, |request| request.limits.fuel_max = Fuel::from_units(1 << 40)).0;
            (outcome.exit, outcome.fuel)
        };
        let (first, second) = (of(&plain), of(&speed));
        assert_eq!(first.0, TOO_DEEP, "{shape}");
        assert_eq!(first, second, "{shape}");
    }
}

#[test]
fn a_hundred_thousand_small_calls_fit_and_two_hundred_thousand_do_not() {
    let calls = |depth: u32| {
        exit_of(&format!(
            r#"(func $f (param i32) (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1))))))
            (func (export "_start") (call $f (i32.const {depth})))"#
        ))
    };
    assert_eq!(calls(100_000), exited(0));
    assert_eq!(calls(200_000), TOO_DEEP);
}

#[test]
fn every_way_out_of_a_function_gives_back_what_it_took() {
    // So many rounds that anything not given back would use up the count many times over.
    let outcome = run_with(
        program(
            r#"(func $leaf (param i32) (result i32 i64) (local.get 0) (i64.const 5))
            (table 1 funcref) (elem (i32.const 0) $leaf) (type $leaf (func (param i32) (result i32 i64)))
            (func $none (drop (drop (call $leaf (i32.const 1)))) )
            (func $early (param i32) (result i32 i64)
              (block (loop (if (local.get 0) (then (return (call $leaf (local.get 0))))) (br 1)))
              (call $leaf (i32.const 2)))
            (func $branch (param i32) (result i32 i64)
              (i32.const 3) (i64.const 3) (local.get 0) (br_if 0) (drop) (drop) (call $leaf (i32.const 4)))
            (func $table (param i32) (result i32 i64)
              (i32.const 3) (i64.const 3) (br_table 0 0 (local.get 0)) (call $leaf (i32.const 4)))
            (func $tail (param i32) (result i32 i64)
              (drop (drop (call $leaf (local.get 0)))) (return_call $branch (local.get 0)))
            (func $tail_by_table (param i32) (result i32 i64)
              (drop (drop (call $leaf (local.get 0))))
              (return_call_indirect (type $leaf) (local.get 0) (i32.const 0)))
            (func $one (param i32) (result i32)
              (if (result i32) (local.get 0) (then (return (i32.const 3))) (else (call $early (i32.const 1)) (drop))))
            (func (export "_start") (local $i i32) (local $sum i32)
              (loop $l
                (call $none)
                (call $early (i32.and (local.get $i) (i32.const 1))) (drop) (local.set $sum (i32.add (local.get $sum)))
                (call $branch (i32.and (local.get $i) (i32.const 1))) (drop) (local.set $sum (i32.add (local.get $sum)))
                (call $table (i32.and (local.get $i) (i32.const 1))) (drop) (local.set $sum (i32.add (local.get $sum)))
                (call $tail (i32.and (local.get $i) (i32.const 1))) (drop) (local.set $sum (i32.add (local.get $sum)))
                (call $tail_by_table (i32.const 0)) (drop) (local.set $sum (i32.add (local.get $sum)))
                (local.set $sum (i32.add (local.get $sum) (call $one (i32.and (local.get $i) (i32.const 1)))))
                (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000000))))
              (call $exit (i32.rem_u (local.get $sum) (i32.const 1000))))"#,
        ),
        |request| request.limits.fuel_max = Fuel::from_units(1 << 40),
    )
    .0;
    // A round and the next: 2 + 1, 4 + 3, 3 + 3, 4 + 3, 0 + 0, 1 + 3, so 27 for two of a million rounds.
    assert_eq!(outcome.exit, exited(13_500_000 % 1000));
}
