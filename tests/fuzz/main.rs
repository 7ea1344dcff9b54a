//! What a stranger sends, or a bad disk gives back, read by everything that reads it: no panic, no reading without
//! end, and what is accepted is what it says it is.
//!
//! Inputs are made from samples by a seeded mutator of our own, so that the same ones run in every check:
//! `GOLEM_FUZZ_SECONDS=600` goes on from there for as long, with other seeds each time, which `scripts/fuzz` does. A
//! failure names the target and the seed; `GOLEM_FUZZ_SEED` replays it. `scripts/fuzz --coverage` gives the same targets
//! to libFuzzer, which looks for inputs that run other code.

mod modules;
mod samples;
mod targets;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// The longest input. Reason: every bound that is checked on the way is far below it.
const INPUT_BYTES_MAX: usize = 64 << 10;
/// The longest that one input may take. Reason: the slowest, a module that is compiled, takes a tenth of this, and the
/// machine may do other things.
const INPUT_TIME_MAX: Duration = Duration::from_secs(10);

/// Numbers at which lengths, counts and varints turn over.
const TURNS: [u64; 12] =
    [0, 1, 0x7f, 0x80, 0xff, 0x3fff, 0x4000, 0xffff, 0x7fff_ffff, 0xffff_ffff, i64::MAX as u64, u64::MAX];

/// Makes one input of the samples, by some changes to one of them.
fn input(random: &mut StdRng, samples: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = samples[random.random_range(0..samples.len())].clone();
    for _ in 0..random.random_range(1..=6) {
        change(random, &mut bytes, samples);
        bytes.truncate(INPUT_BYTES_MAX);
    }
    bytes
}

fn change(random: &mut StdRng, bytes: &mut Vec<u8>, samples: &[Vec<u8>]) {
    let at = random.random_range(0..=bytes.len());
    let end = (at + random.random_range(0..32)).min(bytes.len());
    match random.random_range(0..9) {
        0 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
        1 if at < bytes.len() => bytes[at] = random.random(),
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..end)),
        4 => bytes.insert(at, random.random()),
        5 => {
            let part = bytes[at..end].to_vec();
            bytes.splice(at..at, part);
        }
        // A number where there may be one, as a varint or as it is.
        6 => {
            let turn = TURNS[random.random_range(0..TURNS.len())];
            let number = if random.random() { varint(turn) } else { turn.to_le_bytes().to_vec() };
            let end = (at + number.len()).min(bytes.len());
            bytes.splice(at..if random.random() { end } else { at }, number);
        }
        7 => {
            let other = &samples[random.random_range(0..samples.len())];
            let from = random.random_range(0..=other.len());
            let to = (from + random.random_range(0..256)).min(other.len());
            bytes.splice(at..end, other[from..to].iter().copied());
        }
        _ => {
            let random_bytes: Vec<u8> = (0..end - at).map(|_| random.random()).collect();
            bytes.splice(at..end, random_bytes);
        }
    }
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// Feeds one target, with inputs of so many seeds at least.
fn feed(name: &str, seeds: u64) {
    let mut all = targets::TARGETS.iter().chain([&modules::TARGET]);
    let target = all.find(|target| target.name == name).expect("there is such a target");
    let (samples, target) = (&(target.samples)(), target.read);
    let one: Option<u64> = std::env::var("GOLEM_FUZZ_SEED").ok().map(|seed| seed.parse().unwrap());
    let seconds: u64 = std::env::var("GOLEM_FUZZ_SECONDS").map_or(0, |seconds| seconds.parse().unwrap());
    let until = Instant::now() + Duration::from_secs(seconds);
    // A long run starts where no run of the check has been.
    let start = if seconds == 0 { 0 } else { rand::random_range(seeds..u64::MAX / 2) };
    let mut seed = one.unwrap_or(start);
    let (mut count, mut accepted) = (0u64, 0u64);
    for sample in samples {
        assert!(target(sample), "{name}: a sample is refused");
    }
    let least = if one.is_some() { 1 } else { seeds };
    while count < least || (one.is_none() && Instant::now() < until) {
        let bytes = input(&mut StdRng::seed_from_u64(seed), samples);
        let began = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| target(&bytes)));
        let took = began.elapsed();
        let replay = format!("replay with GOLEM_FUZZ_SEED={seed} cargo test -p golem-tests --test fuzz {name}");
        match result {
            Ok(taken) => accepted += u64::from(taken),
            Err(_) => panic!("{name} panicked on {} bytes; {replay}", bytes.len()),
        }
        assert!(took < INPUT_TIME_MAX, "{name} took {took:?} for {} bytes; {replay}", bytes.len());
        (seed, count) = (seed + 1, count + 1);
    }
    println!("{name}: {count} inputs, {accepted} accepted");
    // Where nothing is accepted the samples or the mutator say nothing about what comes after.
    assert!(one.is_some() || accepted > 0, "{name}: all {count} inputs were refused");
}

#[test]
fn messages() {
    feed("messages", 20_000);
}

#[test]
fn headers() {
    feed("headers", 10_000);
}

#[test]
fn subtask_inputs() {
    feed("subtask_inputs", 20_000);
}

#[test]
fn subtask_outputs() {
    feed("subtask_outputs", 20_000);
}

#[test]
fn manifests() {
    feed("manifests", 3_000);
}

#[test]
fn records() {
    feed("records", 20_000);
}

#[test]
fn journals() {
    feed("journals", 100);
}

#[test]
fn modules() {
    feed("modules", 3_000);
}
