//! Traces that nodes of a story wrote: the same decisions come out of them, and what is not as it was written is found.

use crate::harness::{PATIENCE, golem_command, text};
use crate::process::{Ended, Process};
use serde_json::Value;
use std::path::Path;

fn replay(trace: &Path) -> Ended {
    Process::spawn("replay", golem_command().args(["replay", &text(trace), "--json"])).wait(PATIENCE)
}

/// Replays a trace that has to come out the same, and gives what was said of it.
pub fn same(trace: &Path) -> Value {
    let ended = replay(trace);
    assert_eq!(ended.code, Some(0), "{}: {}\n{}", trace.display(), ended.stdout, ended.stderr);
    let answer = ended.json();
    assert!(answer["same"] == true && answer["difference"].is_null(), "{answer:#}");
    answer
}

/// Tampers with a trace, and looks whether it is found.
pub fn finds_what_is_amiss(trace: &Path) {
    let whole = same(trace);
    let bytes = std::fs::read(trace).expect("a trace can be read");
    let copy = trace.with_extension("copy");
    let replayed = |bytes: &[u8]| {
        std::fs::write(&copy, bytes).expect("a copy can be written");
        replay(&copy)
    };

    // A byte in the middle, wherever that is.
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    let ended = replayed(&flipped);
    assert_eq!(ended.code, Some(2), "{}\n{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains("is damaged"), "{}", ended.stderr);

    // As a power cut leaves it: in the middle of the last line but one.
    let last = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').expect("there are two lines");
    let ended = replayed(&bytes[..last - 20]);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    let answer = ended.json();
    assert!(answer["cut_off_bytes"].as_u64() > Some(0) && answer["end"] == "open", "{answer:#}");
    assert_eq!(answer["steps"].as_u64().map(|steps| steps + 1), whole["steps"].as_u64(), "{answer:#}");
}

/// Writes a trace with another decision in it, and with sums that fit, and looks whether the replay decides as the node did.
pub fn finds_another_decision(trace: &Path) {
    const TAIL: usize = r#","sum":"0123456789abcdef0123456789abcdef"}"#.len();
    let (mut sum, mut changed, mut step) = (vec![0; 16], String::new(), 0);
    for line in std::fs::read_to_string(trace).expect("a trace is text").lines() {
        let mut body = line[..line.len() - TAIL].to_owned();
        if step == 0 && body.contains(r#""Happened":{"Offered""#) {
            body = body.replace(r#""Offered":{"#, r#""Hidden":{"#);
            let value: Value = serde_json::from_str(line).expect("a line is JSON");
            step = value["step"]["number"].as_u64().expect("a step has a number");
        }
        let hash = blake3::hash(&[&sum, body.as_bytes()].concat());
        sum = hash.as_bytes()[..16].to_vec();
        changed += &format!("{body},\"sum\":\"{}\"}}\n", &hash.to_hex()[..32]);
    }
    let copy = trace.with_extension("copy");
    std::fs::write(&copy, changed).expect("a copy can be written");
    let ended = replay(&copy);
    assert_eq!(ended.code, Some(1), "{}\n{}", ended.stdout, ended.stderr);
    let difference = &ended.json()["difference"];
    assert!(step > 0 && difference["step"] == step, "step {step}: {difference:#}");
    assert_ne!(difference["recorded"], difference["replayed"], "{difference:#}");
}

/// How many decisions of a kind there were.
pub fn decided(replay: &Value, kind: &str) -> u64 {
    replay["decisions"][kind].as_u64().unwrap_or_default()
}
