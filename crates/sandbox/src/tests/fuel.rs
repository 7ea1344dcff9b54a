//! The same bytes and the same fuel, however a program was compiled and whatever else the machine does.

use super::depth::{run_on, sandbox_with};
use super::determinism::nosy_request;
use super::*;
use wasmtime::OptLevel;

/// Fields of a module with a function `$run` that leaves what it computed in the first page of memory. Besides
/// arithmetic there is one of each kind of trap.
pub(super) fn corpus() -> Vec<(String, String)> {
    let mut corpus: Vec<(String, String)> = Vec::new();
    for ty in ["i32", "i64", "f32", "f64"] {
        corpus.push((format!("{ty}, computed"), arithmetic(ty, false)));
        corpus.push((format!("{ty}, folded"), arithmetic(ty, true)));
    }
    corpus.push(("conversions".into(), conversions()));
    corpus.push(("vectors".into(), vectors()));
    let plain = [
        ("memory that grows", "(func $run (i32.store (i32.const 0) (memory.grow (i32.const 1)))
            (i32.store (i32.const 131068) (i32.const 7)) (i32.store (i32.const 4) (memory.grow (i32.const 70000)))
            (i32.store (i32.const 8) (memory.size)) (i32.store (i32.const 12) (i32.load (i32.const 131068))))"),
        ("bulk memory", "(data $d \"abcdefgh\") (func $run (memory.init $d (i32.const 100) (i32.const 2) (i32.const 5))
            (memory.fill (i32.const 200) (i32.const 0x1ff) (i32.const 100))
            (memory.copy (i32.const 203) (i32.const 98) (i32.const 150)) (memory.copy (i32.const 97) (i32.const 100) (i32.const 50))
            (data.drop $d) (memory.init $d (i32.const 0) (i32.const 0) (i32.const 0)))"),
        ("tables", "(table $t 5 50 funcref) (elem $e func $a $b) (func $a (result i32) (i32.const 11)) (func $b (result i32) (i32.const 22))
            (func $run (table.init $t $e (i32.const 1) (i32.const 0) (i32.const 2))
            (table.copy (i32.const 3) (i32.const 1) (i32.const 2)) (table.set $t (i32.const 0) (ref.func $b))
            (i32.store (i32.const 0) (table.grow $t (ref.func $a) (i32.const 3)))
            (i32.store (i32.const 4) (table.size $t)) (i32.store (i32.const 8) (call_indirect (result i32) (i32.const 7)))
            (i32.store (i32.const 12) (call_indirect (result i32) (i32.const 0)))
            (table.fill $t (i32.const 1) (ref.null func) (i32.const 2))
            (i32.store (i32.const 16) (ref.is_null (table.get $t (i32.const 2))))
            (i32.store (i32.const 20) (table.grow $t (ref.null func) (i32.const 1000))))"),
        ("control", "(func $two (param i32) (result i32 i64) (local.get 0) (i64.extend_i32_s (local.get 0)))
            (func $odd (param i32) (result i32) (if (result i32) (local.get 0) (then (return_call $even (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 0))))
            (func $even (param i32) (result i32) (if (result i32) (local.get 0) (then (return_call $odd (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 1))))
            (func $pick (param i32) (result i32) (block (block (block (br_table 0 1 2 (local.get 0))) (return (i32.const 5))) (return (i32.const 6))) (i32.const 7))
            (func $run (local i64 i32) (i32.store (i32.const 0) (call $even (i32.const 300001)))
            (i32.store (i32.const 4) (call $pick (i32.const 0))) (i32.store (i32.const 8) (call $pick (i32.const 1)))
            (i32.store (i32.const 12) (call $pick (i32.const -1)))
            (call $two (i32.const -3)) (local.set 0) (local.set 1) (i64.store (i32.const 16) (local.get 0)) (i32.store (i32.const 24) (local.get 1)))"),
        ("constants", "(global $g i32 (i32.add (i32.const 3) (i32.mul (i32.const 4) (i32.const 5)))) (data (offset (i32.const 500)) \"xyz\")
            (func $run (i32.store (i32.const 0) (global.get $g)))"),
        ("calls without end", "(func $f (call $f)) (func $run (call $f))"),
        ("unreachable", "(func $run (i32.store (i32.const 0) (i32.const 1)) unreachable)"),
        ("beyond memory", "(func $run (drop (i64.load offset=65529 (i32.const 0))))"),
        ("beyond all memory", "(func $run (drop (i32.load8_u offset=4294967295 (i32.const -1))))"),
        ("a copy beyond memory", "(func $run (memory.copy (i32.const 65530) (i32.const 0) (i32.const 7)))"),
        ("beyond a table", "(table 1 funcref) (func $run (call_indirect (i32.const 1)))"),
        ("an empty entry", "(table 1 funcref) (func $run (call_indirect (i32.const 0)))"),
        ("another type", "(table 1 funcref) (elem (i32.const 0) $run) (func $run (drop (call_indirect (result i32) (i32.const 0))))"),
        ("a table entry beyond", "(table 1 funcref) (func $run (drop (table.get 0 (i32.const 1))))"),
        ("division by zero", "(func $run (drop (i64.rem_s (i64.const 5) (i64.load (i32.const 0)))))"),
        ("overflow", "(func $run (i64.store (i32.const 0) (i64.const -1)) (drop (i64.div_s (i64.const 0x8000000000000000) (i64.load (i32.const 0)))))"),
        ("a remainder without overflow", "(func $run (i64.store (i32.const 0) (i64.const -1)) (i64.store (i32.const 8) (i64.rem_s (i64.const 0x8000000000000000) (i64.load (i32.const 0)))))"),
        ("a float too large", "(func $run (drop (i32.trunc_f64_u (f64.const 4294967296))))"),
        ("a float that is none", "(func $run (drop (i64.trunc_f32_s (f32.const nan))))"),
    ];
    corpus.extend(plain.map(|(name, body)| (name.to_owned(), body.to_owned())));
    corpus
}

fn values(ty: &str) -> [&'static str; 8] {
    match ty {
        "i32" => ["0", "1", "-1", "0x80000000", "0x7fffffff", "31", "0x12345678", "33"],
        "i64" => ["0", "1", "-1", "0x8000000000000000", "0x7fffffffffffffff", "63", "0x123456789abcdef0", "65"],
        "f32" => ["0", "-0", "inf", "-nan:0x200001", "1.5", "-3.4e38", "0x1p-149", "nan:0x400000"],
        _ => ["0", "-0", "-inf", "nan:0x4000000000001", "2.5", "1.7e308", "-0x1p-1074", "-nan:0x8000000000000"],
    }
}

/// Every operation on every pair of values; `folded` leaves it to the compiler to compute them.
fn arithmetic(ty: &str, folded: bool) -> String {
    let (pairs, ones): (&[&str], &[&str]) = if ty.starts_with('i') {
        (
            &["add", "sub", "mul", "and", "xor", "shl", "shr_s", "shr_u", "rotl", "rotr", "lt_s", "lt_u", "ge_s"],
            &["clz", "ctz", "popcnt", "extend8_s", "extend16_s"],
        )
    } else {
        (
            &["add", "sub", "mul", "div", "min", "max", "copysign", "lt", "ge", "eq"],
            &["abs", "neg", "sqrt", "ceil", "floor", "trunc", "nearest"],
        )
    };
    let values = values(ty);
    let mut code = String::from("(func $run ");
    for (at, value) in values.iter().enumerate() {
        code += &format!("({ty}.store (i32.const {}) ({ty}.const {value}))", at * 8);
    }
    let operand = |at: usize| {
        if folded { format!("({ty}.const {})", values[at]) } else { format!("({ty}.load (i32.const {}))", at * 8) }
    };
    let compares = ["lt_s", "lt_u", "ge_s", "lt", "ge", "eq"];
    let mut to = 1024;
    for op in pairs {
        let store = if compares.contains(op) { "i32" } else { ty };
        for a in 0..8 {
            for b in 0..8 {
                code += &format!("({store}.store (i32.const {to}) ({ty}.{op} {} {}))", operand(a), operand(b));
                to += 8;
            }
        }
    }
    for op in ones {
        for a in 0..8 {
            code += &format!("({ty}.store (i32.const {to}) ({ty}.{op} {}))", operand(a));
            to += 8;
        }
    }
    code + ")"
}

fn conversions() -> String {
    let mut code = String::from("(func $run ");
    let mut to = 1024;
    let mut put = |ty: &str, op: &str, from: &str| {
        for (at, value) in values(from).iter().enumerate() {
            code += &format!("({from}.store (i32.const {}) ({from}.const {value}))", at * 8);
            code += &format!("({ty}.store (i32.const {to}) ({op} ({from}.load (i32.const {}))))", at * 8);
            to += 8;
        }
    };
    for from in ["f32", "f64"] {
        for to in ["i32", "i64"] {
            for sign in ["s", "u"] {
                put(to, &format!("{to}.trunc_sat_{from}_{sign}"), from);
                put(from, &format!("{from}.convert_{to}_{sign}"), to);
            }
        }
    }
    put("f64", "f64.promote_f32", "f32");
    put("f32", "f32.demote_f64", "f64");
    put("i32", "i32.reinterpret_f32", "f32");
    put("i64", "i64.reinterpret_f64", "f64");
    code + ")"
}

/// SIMD on patterns of bytes, NaNs among them.
fn vectors() -> String {
    let two = [
        "i8x16.add",
        "i8x16.sub_sat_s",
        "i8x16.avgr_u",
        "i8x16.swizzle",
        "i16x8.q15mulr_sat_s",
        "i16x8.narrow_i32x4_u",
        "i16x8.extmul_high_i8x16_s",
        "i32x4.dot_i16x8_s",
        "i32x4.mul",
        "i64x2.mul",
        "i64x2.lt_s",
        "f32x4.add",
        "f32x4.div",
        "f32x4.min",
        "f32x4.max",
        "f32x4.pmin",
        "f32x4.pmax",
        "f64x2.mul",
        "f64x2.div",
        "f64x2.max",
        "f64x2.pmin",
    ];
    let one = [
        "i8x16.popcnt",
        "i8x16.abs",
        "i16x8.extadd_pairwise_i8x16_u",
        "f32x4.sqrt",
        "f32x4.nearest",
        "f64x2.ceil",
        "i32x4.trunc_sat_f32x4_s",
        "i32x4.trunc_sat_f64x2_u_zero",
        "f32x4.convert_i32x4_u",
        "f64x2.promote_low_f32x4",
        "f32x4.demote_f64x2_zero",
    ];
    let three = ["v128.bitselect"];
    let patterns = [
        "i32x4 0 -1 0x7fc00001 0xff800000",
        "i32x4 0x80000000 0x7f800001 0x3f800000 1",
        "i64x2 0x7ff0000000000001 0x8000000000000000",
        "i8x16 0 255 127 128 15 16 17 200 1 2 3 4 250 251 252 253",
        "f64x2 -0.0 1e308",
    ];
    let mut code = String::from("(func $run ");
    for (at, pattern) in patterns.iter().enumerate() {
        code += &format!("(v128.store (i32.const {}) (v128.const {pattern}))", at * 16);
    }
    let load = |at: usize| format!("(v128.load (i32.const {}))", at % patterns.len() * 16);
    let mut to = 1024;
    let mut put = |value: String| {
        code += &format!("(v128.store (i32.const {to}) {value})");
        to += 16;
    };
    for a in 0..patterns.len() {
        one.iter().for_each(|op| put(format!("({op} {})", load(a))));
        for b in 0..patterns.len() {
            two.iter().for_each(|op| put(format!("({op} {} {})", load(a), load(b))));
        }
        three.iter().for_each(|op| put(format!("({op} {} {} {})", load(a), load(a + 1), load(a + 3))));
    }
    code + ")"
}

/// All that must be the same.
type Result = (String, Exit, Fuel, ByteCount, Vec<OutputFile>);

fn results(sandbox: &Sandbox) -> Vec<Result> {
    let generous = |request: &mut RunRequest| {
        request.limits.fuel_max = Fuel::from_units(1 << 40);
        request.limits.output_max = ByteCount::from_bytes(1 << 20);
    };
    let mut results: Vec<Result> = corpus()
        .into_iter()
        .map(|(name, body)| {
            // All of the memory is its output.
            let start = r#"(func (export "_start") (call $run) (drop (call $put (i32.const 1) (i32.const 0) (i32.const 65536))))"#;
            let (outcome, _folder) = run_on(sandbox, &program(&format!("{body} {start}")), generous);
            (name, outcome.exit, outcome.fuel, outcome.memory_peak, outcome.files)
        })
        .collect();
    let folder = TempDir::new().unwrap();
    let nosy = nosy_request(folder.path());
    let outcome = sandbox.run(&nosy, &CancelToken::new(), Pace::FULL).unwrap();
    results.push(("everything of WASI".into(), outcome.exit, outcome.fuel, outcome.memory_peak, outcome.files));
    results
}

/// What a run came to, in a line of a file that every machine is held to.
pub(super) fn line(name: &str, exit: &Exit, fuel: Fuel, peak: ByteCount, files: &[OutputFile]) -> String {
    let mut left = blake3::Hasher::new();
    for file in files {
        left.update(file.path.as_bytes()).update(&[0]).update(file.digest.0.as_slice());
    }
    format!("{name} | {exit} | {} fuel | {} bytes | {}", fuel.0, peak.0, left.finalize().to_hex())
}

/// The same lines on every machine: those that were committed. `GOLEM_RENEW=1` writes them anew, which no change may need
/// but one of the profile's version, or of a program.
pub(super) fn committed(name: &str, lines: &[String]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/tests/{name}.fuel"));
    let text = lines.join("\n") + "\n";
    if std::env::var_os("GOLEM_RENEW").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    for (line, expected) in text.lines().zip(expected.lines()) {
        assert_eq!(line, expected, "{} says otherwise", path.display());
    }
    assert_eq!(text, expected, "{} has other lines", path.display());
}

fn same(one: &[Result], other: &[Result], what: &str) {
    assert_eq!(one.len(), other.len());
    for (a, b) in one.iter().zip(other) {
        assert_eq!(a, b, "{what}");
        assert!(!matches!(a.1, Exit::BadModule(_)), "{}: {}", a.0, a.1);
    }
}

#[test]
fn the_compiler_the_allocator_and_the_processor_change_neither_bytes_nor_fuel() {
    let (pooled, cache) = {
        let cache = TempDir::new().unwrap();
        (Sandbox::new(SandboxConfig::new(cache.path())).unwrap(), cache)
    };
    let cold = results(&pooled);
    same(&cold, &results(&pooled), "from memory");
    // Another process, as far as the cache can tell: it finds the compiled modules on disk.
    drop(pooled);
    same(&cold, &results(&Sandbox::new(SandboxConfig::new(cache.path())).unwrap()), "from disk");
    for level in [OptLevel::None, OptLevel::Speed, OptLevel::SpeedAndSize] {
        let (on_demand, _folder) = sandbox_with(level, |_| {});
        same(&cold, &results(&on_demand), "{level:?}");
    }
    // The oldest processor of this architecture: no extension that it might have is used.
    let oldest = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let (baseline, _folder) = sandbox_with(OptLevel::Speed, |config| {
        config.target(&oldest).unwrap();
    });
    same(&cold, &results(&baseline), "without extensions of the processor");
    let lines = cold.iter().map(|(name, exit, fuel, peak, files)| line(name, exit, *fuel, *peak, files));
    committed("corpus", &lines.collect::<Vec<_>>());
    let success = |name: &str| cold.iter().any(|(n, exit, ..)| n == name && *exit == exited(0));
    assert!(success("vectors") && success("f64, computed") && success("everything of WASI"));
    let without_end = cold.iter().find(|(name, ..)| name == "calls without end").unwrap();
    assert_eq!(without_end.1, Exit::Trapped { kind: TrapKind::StackOverflow });
}

#[test]
fn load_changes_neither_bytes_nor_fuel() {
    let alone = results(sandbox());
    std::thread::scope(|scope| {
        let together: Vec<_> = (0..4).map(|_| scope.spawn(|| results(sandbox()))).collect();
        for other in together {
            same(&alone, &other.join().unwrap(), "at the same time");
        }
    });
}
