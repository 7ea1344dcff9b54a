//! A provider that promises more fuel per second than its machine burns, and goes on promising it.

use crate::harness::{Node, PATIENCE, Stage, text};
use crate::money::{PRICE, map_args};
use crate::programs::busy_copy;
use golem_devnet::node::{RECORD_SCHEMA, evidence};
use golem_market::Speeds;
use golem_protocol::record::encode_record;
use golem_protocol::{ContentHash, Fuel};
use golem_store::{Batch, DiskStore, Store, Table};
use std::path::{Path, PathBuf};

/// How many times as fast as it is the boaster says that it is. Reason: what is seen of a result is its time less three
/// seconds, which can be a tenth of it.
const BOAST: u64 = 200;
/// What a boaster gives to others: a tenth of a processor for each of as many subtasks as are timed here, so that the
/// story takes the machine it runs on little.
const SLOTS: usize = 3;
const SHARE: [&str; 4] = ["--slots", "3", "--cpu-percent", "10"];
/// How long a subtask is to take that is late, in seconds. Reason: three seconds and twice the promise are held against
/// nobody, and the machine may be three times as fast as when it learnt its speed, with less beside it.
const LATE_S: u64 = 10;
/// Bytes of an input of the first task: a second of work or so, of which starting it is little.
const LEARN_BYTES: usize = 100;
/// The longest record that is written here: one program's.
const RECORD_BYTES_MAX: usize = 1024;

/// Makes a boaster of a provider, by what its owner can do to its own disk: its memory of how fast it ran a program
/// becomes that of a machine which did it for minutes at this speed. What it measures from now on hardly moves that, and
/// beside which benchmark it was, it does not know.
fn have_it_boast(boaster: &Node, program: &Path, fuel_per_second: u64) {
    let module = std::fs::read(program).expect("a module");
    let program = ContentHash(blake3::hash(&module).as_bytes().into());
    let mut speeds = Speeds::default();
    (0..3).for_each(|_| speeds.ran(program, Fuel(fuel_per_second * 190), 190_000));
    let record = encode_record(&speeds, RECORD_BYTES_MAX).expect("one program");
    let store = DiskStore::open(&boaster.dir.join("store"), RECORD_SCHEMA).expect("its node does not run");
    let mut batch = Batch::new();
    batch.put(Table::new("market"), b"speeds", record).delete(Table::new("market"), b"benchmark");
    store.commit(batch).expect("it can be written");
}

fn inputs(stage: &Stage, name: &str, bytes: usize) -> Vec<PathBuf> {
    (0..SLOTS).map(|index| stage.file(&format!("{name}-{index}.txt"), vec![b'a' + index as u8; bytes])).collect()
}

#[test]
fn who_repeats_a_promise_that_its_machine_does_not_keep_is_taken_for_what_was_seen_and_then_refused() {
    let stage = Stage::set();
    let (requestor, boaster) = (stage.node_by_our_rules("requestor"), stage.node("boaster"));
    let module = stage.module("busy", &busy_copy(1_000_000));
    let task = |inputs: &[PathBuf], out: &str, known: &[String], more: &[&str]| {
        let mut args = map_args(&module, inputs, &stage.path(out), known);
        args.extend(more.iter().map(|arg| (*arg).to_owned()));
        args
    };

    // It learns how fast it runs this program, and says so in earnest. Three results warm it up for the requestor too.
    let provides = boaster.provide(PRICE, &[], &SHARE);
    let short = inputs(&stage, "short", LEARN_BYTES);
    let answer = requestor.json(task(&short, "learnt", &boaster.addresses(), &["--verify", "recheck:1"]));
    let burnt = answer["checks"]["own_run_fuel"].as_u64().expect("all were run again here");
    let fuel_per_byte = burnt / (SLOTS * LEARN_BYTES) as u64;
    let honest = boaster.wait("speed that it saw", |status| status["programs"][0]["fuel_per_second"].as_u64());
    assert_eq!(provides.stop(PATIENCE).code, Some(0));

    have_it_boast(&boaster, &module, honest * BOAST);
    let provides = boaster.provide(PRICE, &[], &SHARE);
    let known = boaster.addresses();
    let bytes = (LATE_S * honest / fuel_per_byte) as usize;
    let late = inputs(&stage, "late", bytes);
    let answer = requestor.json(task(&late, "late", &known, &["--verify", "none"]));
    assert_eq!(answer["done"].as_u64(), Some(SLOTS as u64), "what it did is taken and paid: {answer:#}");

    // What was seen, what was promised, and what the provider signed of it.
    let remembered = requestor.json(["market", "providers", "--json"]);
    let program = &remembered[0]["programs"][0];
    let number = |name: &str| program[name].as_u64().unwrap_or_else(|| panic!("no {name}: {remembered:#}"));
    let (promised, delivered) = (number("promised"), number("delivered"));
    assert!(promised > honest * BOAST / 2 && delivered < promised / 4, "{remembered:#}");
    assert_eq!((number("results"), number("broken"), number("kept")), (3, 3, 0), "{remembered:#}");
    assert_eq!((&program["overstated"], &remembered[0]["proven_wrong"]), (&true.into(), &false.into()));
    assert_eq!(remembered[0]["evidence_results"].as_u64(), Some(3), "signatures checked: {remembered:#}");
    let file = PathBuf::from(remembered[0]["evidence"].as_str().expect("a file"));
    let kept = evidence::read(&file).expect("evidence");
    kept.check().expect("the provider signed it");
    assert!(kept.results.iter().all(|result| result.promised == promised && result.took_ms > 3_000), "{kept:?}");
    let shown = requestor.golem(["market", "providers"]).stdout;
    assert!(shown.contains("3 results broke it by more than half: refused"), "{shown}");
    assert!(shown.contains("3 results, signatures checked"), "{shown}");

    // Its promise is taken for no more than what was seen: it was promised four times as much as is asked here.
    let floor = (delivered * 2).to_string();
    let millions = |fuel: u64| format!("{} million", fuel / 1_000_000);
    let no_offer = |out: &str, more: &[&str]| {
        let waits = requestor.spawn(task(&short, out, &known, more));
        let said = waits.wait_stderr("refusal", PATIENCE, |line| line.contains("not taken").then(|| line.to_owned()));
        assert_eq!(waits.stop(PATIENCE).code, Some(1), "nobody else is there");
        said
    };
    let said = no_offer("floor", &["--min-perf", &floor]);
    let asked = format!("{} million that are asked", (delivered * 2).div_ceil(1_000_000));
    assert!(said.contains(&millions(delivered)) && said.contains(&asked), "{said}");
    // Without a floor it is refused for what it repeats, and both sides read the numbers.
    let said = no_offer("refused", &[]);
    let numbers = format!("and {} were seen in 3 results: offer what this machine does", millions(delivered));
    assert!(said.contains("fuel a second were promised for this program before") && said.contains(&numbers), "{said}");
    provides.wait_json("refusal", PATIENCE, |line| {
        let detail = line["detail"].as_str().filter(|_| line["kind"] == "refused_by_peer")?;
        detail.contains(&numbers).then_some(())
    });
    assert_eq!(provides.stop(PATIENCE).code, Some(0));

    // Somebody who changes the numbers in the file changes what was signed, and is told.
    let changed = std::fs::read_to_string(&file).expect("text").replace(&promised.to_string(), "1");
    std::fs::write(&file, changed).expect("it can be written");
    let shown = requestor.golem(["market", "providers"]).stdout;
    assert!(shown.contains("that shows nothing") && shown.contains(&text(&file)), "{shown}");
}
