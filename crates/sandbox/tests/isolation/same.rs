//! The same requests in this process and in workers: the same outcome, to the byte.

use crate::stage::{HELLO, Stage, program, request, stage, stage_with, trial};
use golem_sandbox::*;
use libtest_mimic::Trial;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

pub fn tests() -> Vec<Trial> {
    vec![trial("outcomes_are_the_same_in_this_process_and_in_workers", every_outcome)]
}

/// Programs that end in every way there is, by name.
fn programs() -> Vec<(&'static str, Vec<u8>)> {
    let starts = [
        ("prints", HELLO.to_owned()),
        ("exits", format!("{HELLO} (call $exit (i32.const 3))")),
        ("complains", "(call $put (i32.const 2) (i32.const 100) (i32.const 6)) unreachable".to_owned()),
        ("copies its input", "(call $put (i32.const 1) (i32.const 4096) (call $get (i32.const 0)))".to_owned()),
        (
            "copies a file",
            "(call $put (i32.const 1) (i32.const 4096) (call $get (call $open (i32.const 3) (i32.const 120)
              (i32.const 5) (i32.const 0))))"
                .to_owned(),
        ),
        (
            "leaves a folder",
            "(drop (call $mkdir (i32.const 4) (i32.const 130) (i32.const 1)))
             (call $put (call $open (i32.const 4) (i32.const 140) (i32.const 3) (i32.const 1)) (i32.const 100)
               (i32.const 6))"
                .to_owned(),
        ),
        (
            "draws",
            "(drop (call $random (i32.const 4096) (i32.const 32)))
             (call $put (i32.const 1) (i32.const 4096) (i32.const 32))"
                .to_owned(),
        ),
        ("burns its fuel", "(loop $l (br $l))".to_owned()),
        ("wants memory", "(if (i32.lt_s (memory.grow (i32.const 100)) (i32.const 0)) (then unreachable))".to_owned()),
        (
            "wants a table",
            "(if (i32.lt_s (table.grow $table (ref.null func) (i32.const 500)) (i32.const 0)) (then unreachable))"
                .to_owned(),
        ),
        (
            "prints without end",
            "(loop $l (call $put (i32.const 1) (i32.const 4096) (i32.const 4096)) (br $l))".to_owned(),
        ),
        ("reads out of bounds", "(drop (i32.load (i32.const -4)))".to_owned()),
        ("divides by zero", "(drop (i32.div_s (i32.const 1) (local.get $n)))".to_owned()),
        ("calls without end", "(drop (call $down (i32.const 0)))".to_owned()),
    ];
    let module = |text: &str| wat::parse_str(text).unwrap();
    let mut all: Vec<_> = starts.iter().map(|(name, start)| (*name, program(start))).collect();
    all.extend([
        ("no module", b"#!/bin/sh".to_vec()),
        ("broken", b"\0asm\x01\0\0\0\xff".to_vec()),
        ("a component", b"\0asm\x0d\0\x01\0".to_vec()),
        ("an import too many", module("(module (import \"env\" \"f\" (func)) (memory (export \"memory\") 1))")),
        ("no start", module("(module (memory (export \"memory\") 1))")),
        ("a large memory", module("(module (memory (export \"memory\") 65536) (func (export \"_start\")))")),
        (
            "a large table",
            module("(module (memory (export \"memory\") 1) (table 2000000 funcref) (func (export \"_start\")))"),
        ),
        ("threads", module("(module (memory (export \"memory\") 1 1 shared) (func (export \"_start\")))")),
    ]);
    all
}

/// Everything that is left below a folder, and folders as such.
fn left(folder: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut all = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(&at).into_iter().flatten().map(Result::unwrap) {
            let path = entry.path();
            let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                all.insert(name, None);
                open.push(path);
            } else {
                all.insert(name, Some(fs::read(&path).unwrap()));
            }
        }
    }
    all
}

type Seen = (Result<RunOutcome, String>, BTreeMap<String, Option<Vec<u8>>>);

fn run(stage: &Stage, inputs: &Path, module: &[u8]) -> Seen {
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("out");
    let mut request = request(module.to_vec(), &output);
    request.stdin = Some(inputs.join("a.txt"));
    request.inputs = vec![InputFile { guest_path: "a.txt".to_owned(), host_path: inputs.join("a.txt") }];
    let outcome = stage.sandbox.run(&request, &CancelToken::new(), Pace::FULL);
    let outcome = outcome.map(|outcome| RunOutcome { wall_ms: 0, ..outcome }).map_err(|error| error.to_string());
    (outcome, left(&output))
}

fn every_outcome() {
    let here = stage_with(&[], |config| config.isolation = Isolation::InProcess).unwrap();
    let workers = stage();
    let inputs = TempDir::new().unwrap();
    fs::write(inputs.path().join("a.txt"), "what is in the file").unwrap();
    for (name, module) in programs() {
        let expected = run(&here, inputs.path(), &module);
        assert!(expected.0.is_ok(), "{name}: {expected:?}");
        // The second time in the same worker.
        for _ in 0..2 {
            assert_eq!(run(&workers, inputs.path(), &module), expected, "{name}");
        }
    }
}
