//! How fast the queue of the market simulation is, beside others on the same workload, in one run.
//!
//! The hold model: so many events are pending; each time the next one is taken and put in again, somewhere between 1 ms
//! and [`DELAY_MAX_MS`] later. Then one market, of the size that the first argument says (thousands of providers; 100).
//!
//! Everything is measured in processor time where the system tells it, so that other work on the machine counts little.
//!
//! Prints a table. SimPy is left out where `BENCH_SIM_PYTHON` names no Python that has it.

mod nexo;

use golem_sim::market::{Queue, Scenario, run_against};
use golem_sim::stream::{Draw, SmallStream};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Instant;

/// The longest delay of an event.
pub const DELAY_MAX_MS: u32 = 2_000_000;
/// Pending events, and how many are taken in the fast and in the slow contenders.
const SIZES: [(u32, u64, u64); 2] = [(1_000, 20_000_000, 1_000_000), (1_000_000, 10_000_000, 1_000_000)];

fn delay(draws: &mut SmallStream) -> u64 {
    1 + u64::from(draws.below(DELAY_MAX_MS))
}

/// Seconds of processor time that this thread has used; elapsed seconds where the system does not tell.
pub fn seconds() -> f64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.as_ref().and_then(|told| told.split(' ').next()?.parse::<f64>().ok());
    nanoseconds.map_or_else(|| START.elapsed().as_secs_f64(), |nanoseconds| nanoseconds / 1e9)
}

fn rate(events: u64, since: f64) -> f64 {
    events as f64 / (seconds() - since)
}

/// The most memory that was in use since [`forget_peak`], in MB.
fn peak_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? * 1024.0 / 1e6)
}

fn forget_peak() {
    // Where that cannot be, the peak of the queues above counts as well.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

fn of_queue(pending: u32, events: u64) -> f64 {
    let (mut queue, mut draws) = (Queue::new(), SmallStream::new(1, 0, 0, 0));
    // Three words, as the events of the market.
    (0..pending).for_each(|number| queue.push(delay(&mut draws), (number, u64::from(number))));
    let since = seconds();
    for _ in 0..events {
        if let Some((at, event)) = queue.pop() {
            queue.push(at + delay(&mut draws), event);
        }
    }
    rate(events, since)
}

/// The least that any simulation with a binary heap does: times and numbers, nothing else.
fn of_heap(pending: u32, events: u64) -> f64 {
    let (mut heap, mut draws) = (BinaryHeap::new(), SmallStream::new(1, 0, 0, 0));
    (0..pending).for_each(|number| heap.push(Reverse((delay(&mut draws), number))));
    let since = seconds();
    for _ in 0..events {
        if let Some(mut next) = heap.peek_mut() {
            next.0.0 += delay(&mut draws);
        }
    }
    rate(events, since)
}

fn of_simpy(sizes: &[(u32, u64, u64)]) -> Option<Vec<f64>> {
    let python = std::env::var("BENCH_SIM_PYTHON").ok()?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/hold.py");
    let arguments = sizes.iter().map(|(pending, _, events)| format!("{pending}:{events}"));
    let output = Command::new(python).arg(script).arg(DELAY_MAX_MS.to_string()).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let rates: Vec<f64> = text.lines().filter_map(|line| line.parse().ok()).collect();
    (rates.len() == sizes.len()).then_some(rates)
}

fn row(name: &str, rates: &[f64]) {
    let cells: Vec<String> = rates.iter().map(|rate| format!("{:>12.3}", rate / 1e6)).collect();
    println!("{name:<34}{}", cells.join(""));
}

fn main() {
    println!("million events a second, hold model   1,000 pending, 1,000,000 pending");
    row("this simulation's queue", &SIZES.map(|(pending, events, _)| of_queue(pending, events)));
    row("a bare binary heap (std)", &SIZES.map(|(pending, events, _)| of_heap(pending, events)));
    row("NeXosim 1.0.0", &SIZES.map(|(pending, _, events)| nexo::rate(pending, events)));
    match of_simpy(&SIZES) {
        Some(rates) => row("SimPy 4.1.1", &rates),
        None => println!("SimPy is left out: no Python with it (scripts/bench-sim makes one)"),
    }
    let thousands: u32 = std::env::args().nth(1).and_then(|argument| argument.parse().ok()).unwrap_or(100);
    let mut scenario = Scenario { days: 1.0, warmup_days: 0.2, ..Scenario::default() };
    scenario.market.reach = 32;
    scenario.providers.iter_mut().for_each(|group| group.count = thousands * 1_000);
    scenario.requestors.iter_mut().for_each(|group| {
        group.count = thousands * 100;
        group.load = Some(0.1);
    });
    forget_peak();
    let since = seconds();
    let metrics = run_against(&scenario, 1, None, &|_| {}).metrics;
    let seconds = seconds() - since;
    let count = |name: &str| metrics.get(name).copied().unwrap_or(0.0);
    println!(
        "a day of {thousands},000 providers and {}00 requestors at load .1, reach 32: {seconds:.1} s of processor \
         time, at most {:.0} MB; {:.0} events, {:.0} prices asked, {:.2} million of both a second",
        thousands,
        peak_mb().unwrap_or(f64::NAN),
        count("events"),
        count("quotes"),
        (count("events") + count("quotes")) / seconds / 1e6
    );
}
