//! Everything that can go wrong does, and nothing may be lost: fault simulation of the machines that nodes run.
//!
//! [`run`] plays a [`Scenario`]. After every event it holds that
//!
//! - no machine breaks a rule of its own, and no wei comes or goes on the chain;
//! - nobody signs a voucher below one it signed before, in any run, and none for more than its budget;
//! - nobody is told that it was paid and forgets it, whenever its memory goes;
//! - no subtask is accepted, and so paid, twice by one agreement, or to one provider;
//! - no result waits longer for those of others than it may;
//! - nobody has more work at stake than the credit it granted, by the worth of its results where fuel is paid, nor works
//!   on for somebody who leaves an app's author unpaid;
//! - nobody holds anything to be late but by the chain's time, however wrong its host's clock is;
//! - nobody takes work back, or gives up what it is owed, before its own time for that has passed, however its host's clock
//!   is set meanwhile;
//! - nobody signs for more than it accepted, nor accepts a result for more than was agreed for it and its fuel comes to.
//!
//! Then the world calms down, and in the end every deal is over, every task of an honest requestor is done and right,
//! both sides' books agree to the wei with each other and with what the chain paid, an author that was never there is paid
//! on the vouchers that providers kept for it, and every payer has the rest back.

mod chain;
mod checks;
mod clock;
mod disk;
mod host;
mod scenario;
mod stakes;
mod world;

pub use scenario::{Faults, ProviderNature, RequestorNature, Scenario};

use golem_protocol::{Address, B256, ChainRef, Wei};
use serde::Serialize;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the simulated nodes' signatures are bound to.
const CHAIN: ChainRef = ChainRef { chain_id: 31_337, channels: Address::repeat_byte(0xCC) };
/// The rules of the simulated sandbox.
const PROFILE: B256 = B256::repeat_byte(7);

/// Purposes of random streams. A number here must never mean something else, or old seeds replay another run.
const SCENARIO: u32 = 0;
const NETWORK: u32 = 1;
const DISK: u32 = 2;
const CRASH: u32 = 3;
const BLOCKS: u32 = 4;
const LOT: u32 = 5;
const SPEED: u32 = 6;
const CLOSES: u32 = 7;
const APP: u32 = 8;
const COLLECTS: u32 = 9;
const CHECKS: u32 = 10;
const CLOCKS: u32 = 11;
const ROOM: u32 = 12;
const JUMPS: u32 = 13;

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What it was made of.
    pub seed: u64,
    /// Events that happened.
    pub events: u64,
    /// When all was over, in milliseconds of the simulated world.
    pub ended_at_ms: u64,
    /// Messages sent.
    pub messages: u64,
    /// What they have as bytes, without what a transport adds.
    pub bytes: u64,
    /// Of them, lost on the way.
    pub lost: u64,
    /// Nodes whose memory went.
    pub crashes: u64,
    /// Saves that a disk had no room for.
    pub not_saved: u64,
    /// Nodes that stopped since their disk failed.
    pub disks_failed: u64,
    /// How often a host's clock was set while its node ran, or the host slept.
    pub clocks_set: u64,
    /// Blocks that were taken back.
    pub blocks_undone: u64,
    /// Results that were accepted.
    pub accepted: u64,
    /// Of them, those of subtasks that had one already: copies, second copies of stragglers', known ones.
    pub copies: u64,
    /// Results that were run again because providers differed, or because the others' did not come.
    pub referees: u64,
    /// Subtasks that were given to another besides because somebody was late.
    pub hedged: u64,
    /// Tasks that have no end, since their owner closed its channels and left honest providers unpaid.
    pub cut_off: u64,
    /// The most that somebody who never paid had done for it by one provider where fuel is paid, in wei.
    pub never_paid_wei: Wei,
    /// Results that were found wrong.
    pub wrong: u64,
    /// Proofs of wrong results that were published.
    pub proofs: u64,
    /// What was paid out on the chain, in wei.
    pub paid_wei: Wei,
    /// Of it, what an app's author was paid.
    pub fees_wei: Wei,
}

/// What does not hold, and how to see it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The run.
    pub scenario: Scenario,
    /// When, in milliseconds of the simulated world.
    pub at_ms: u64,
    /// What does not hold.
    pub what: String,
    /// What happened last, oldest first.
    pub last: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, at {} ms: {}", self.scenario.seed, self.at_ms, self.what)?;
        writeln!(f, "  {:?}", self.scenario)?;
        for line in &self.last {
            writeln!(f, "  {line}")?;
        }
        write!(f, "replay it: golem sim faults --seed {}", self.scenario.seed)
    }
}

impl std::error::Error for Failure {}

/// Plays a scenario to its end.
///
/// Errors: the first thing that does not hold.
pub fn run(scenario: Scenario) -> Result<Report, Box<Failure>> {
    world::World::new(scenario).play()
}

/// Plays the scenarios of many seeds on all cores, and calls `done` after each, in any order. Gives the reports in the
/// order of the seeds.
///
/// Errors: the failure of the lowest seed that fails. No seed above it is begun once it is known.
pub fn run_seeds(first: u64, count: u64, done: impl Fn(&Report) + Sync) -> Result<Vec<Report>, Box<Failure>> {
    let next = AtomicU64::new(first);
    let end = AtomicU64::new(first.saturating_add(count));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let play_some = || {
        let mut results = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end.load(Ordering::Relaxed) {
                return results;
            }
            let result = run(Scenario::of_seed(seed));
            match &result {
                Ok(report) => done(report),
                Err(_) => drop(end.fetch_min(seed, Ordering::Relaxed)),
            }
            results.push((seed, result));
        }
    };
    let mut results: Vec<(u64, Result<Report, Box<Failure>>)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(play_some)).collect();
        // A panic of a world is a defect like any other, and must not be taken for a good end.
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    results.sort_by_key(|(seed, _)| *seed);
    results.into_iter().map(|(_, result)| result).collect()
}
