//! How fast programs really run on this machine.
//!
//! A benchmark is one program. Others burn their fuel many times faster or slower, and fuel is what metered work is paid
//! by: so what is offered for a program is what it was seen to do, from the first results on.

use crate::Book;
use golem_protocol::{ContentHash, Fuel};
use serde::{Deserialize, Serialize};

/// The most programs remembered. Reason: a node runs a few again and again; the one not seen for longest goes first.
pub const PROGRAMS_MAX: usize = 256;
/// From how many results on they count more than the benchmark. Reason: the first is with cold caches.
const RESULTS_MIN: u32 = 3;
/// From how much running time on. Reason: below a tenth of a second a result, starting it is most of what is measured.
const RUN_MS_MIN: u64 = 300;
/// How much running time is remembered; then half of it is forgotten. Reason: machines get other work beside ours.
const RUN_MS_MAX: u64 = 600_000;

/// How much of it is left where it may be another machine now. Reason: in as much time again half of what is promised is new.
const DOUBTED_MS_MAX: u64 = 30_000;

/// What was seen of one program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramSpeed {
    /// The fuel its subtasks burnt.
    pub fuel: u64,
    /// How long they took, in milliseconds.
    pub run_ms: u64,
    /// How many there were, those forgotten included.
    pub subtasks: u32,
    touched: u64,
}

impl ProgramSpeed {
    /// Fuel per second, where enough was seen to say so.
    pub fn per_second(&self) -> Option<u64> {
        let enough = self.subtasks >= RESULTS_MIN && self.run_ms >= RUN_MS_MIN;
        let rate = u128::from(self.fuel).saturating_mul(1000).checked_div(u128::from(self.run_ms))?;
        enough.then(|| u64::try_from(rate).unwrap_or(u64::MAX).max(1))
    }
}

/// What was seen of all programs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Speeds {
    programs: Book<ContentHash, ProgramSpeed>,
    results: u64,
}

impl Speeds {
    /// A subtask of a program ran to its end.
    pub fn ran(&mut self, program: ContentHash, fuel: Fuel, run_ms: u64) {
        self.results = self.results.saturating_add(1);
        let known = self.programs.get(&program).copied();
        if known.is_none() && self.programs.len() >= PROGRAMS_MAX {
            let oldest = self.programs.iter().min_by_key(|(_, seen)| seen.touched).map(|(program, _)| *program);
            if let Some(oldest) = oldest {
                self.programs.remove(&oldest);
            }
        }
        let mut seen = known.unwrap_or(ProgramSpeed { fuel: 0, run_ms: 0, subtasks: 0, touched: 0 });
        seen.fuel = seen.fuel.saturating_add(fuel.0);
        seen.run_ms = seen.run_ms.saturating_add(run_ms);
        seen.subtasks = seen.subtasks.saturating_add(1);
        seen.touched = self.results;
        while seen.run_ms > RUN_MS_MAX {
            (seen.fuel, seen.run_ms) = (seen.fuel / 2, seen.run_ms / 2);
        }
        self.programs.insert(program, seen);
    }

    /// It may be another machine now, at most so many times as fast, as a fraction of at most 1: what was seen counts as if
    /// it had been so then, and soon gives way to what is seen from now on.
    ///
    /// A machine that seems faster promises no more before it was seen to do more. Reason: a benchmark beside other work
    /// says too little, and speeds may have been seen without that work.
    pub fn doubt(&mut self, by: (u64, u64)) {
        let programs: Vec<(ContentHash, ProgramSpeed)> =
            self.programs.iter().map(|(program, seen)| (*program, *seen)).collect();
        for (program, seen) in programs {
            let fuel = u128::from(seen.fuel).saturating_mul(u128::from(by.0)) / u128::from(by.1.max(1));
            let mut seen = ProgramSpeed { fuel: u64::try_from(fuel).unwrap_or(u64::MAX), ..seen };
            while seen.run_ms > DOUBTED_MS_MAX {
                (seen.fuel, seen.run_ms) = (seen.fuel / 2, seen.run_ms / 2);
            }
            self.programs.insert(program, seen);
        }
    }

    /// Fuel per second of one slot at a program: what was seen, or the benchmark where too little was.
    pub fn of(&self, program: &ContentHash, benchmark: u64) -> u64 {
        self.programs.get(program).and_then(ProgramSpeed::per_second).unwrap_or(benchmark)
    }

    /// All that is remembered, in the order of the digests.
    pub fn iter(&self) -> impl Iterator<Item = (&ContentHash, &ProgramSpeed)> {
        self.programs.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use golem_protocol::B256;

    fn program(n: u64) -> ContentHash {
        ContentHash(B256::left_padding_from(&n.to_be_bytes()))
    }

    #[test]
    fn believes_the_benchmark_until_enough_was_seen() {
        let mut speeds = Speeds::default();
        speeds.ran(program(1), Fuel(7_000), 1_000);
        speeds.ran(program(1), Fuel(7_000), 1_000);
        assert_eq!(speeds.of(&program(1), 50), 50);
        speeds.ran(program(1), Fuel(7_000), 1_000);
        assert_eq!(speeds.of(&program(1), 50), 7_000);
        assert_eq!(speeds.of(&program(2), 50), 50, "another program is another speed");
        (0..9).for_each(|_| speeds.ran(program(3), Fuel(1), 1));
        assert_eq!(speeds.of(&program(3), 50), 50, "starting takes longer than running");
    }

    #[test]
    fn follows_a_machine_that_gets_slower() {
        let mut speeds = Speeds::default();
        (0..10).for_each(|_| speeds.ran(program(1), Fuel(1_000_000), 100_000));
        assert_eq!(speeds.of(&program(1), 1), 10_000);
        (0..40).for_each(|_| speeds.ran(program(1), Fuel(100_000), 100_000));
        assert!(speeds.of(&program(1), 1) < 1_100, "{}", speeds.of(&program(1), 1));
    }

    #[test]
    fn forgets_the_program_not_seen_for_longest() {
        let mut speeds = Speeds::default();
        for n in 0..=PROGRAMS_MAX as u64 {
            for _ in 0..3 {
                speeds.ran(program(n), Fuel(2_000), 1_000);
            }
            speeds.ran(program(0), Fuel(3_000), 1_000);
        }
        assert_eq!(speeds.iter().count(), PROGRAMS_MAX);
        assert_eq!(speeds.of(&program(1), 50), 50);
        assert_ne!(speeds.of(&program(0), 50), 50);
    }

    #[test]
    fn nothing_that_a_program_does_overflows_it() {
        let mut speeds = Speeds::default();
        (0..9).for_each(|_| speeds.ran(program(1), Fuel(u64::MAX), u64::MAX));
        assert!(speeds.of(&program(1), 50) > 50);
        (0..9).for_each(|_| speeds.ran(program(2), Fuel(0), 1_000));
        assert_eq!(speeds.of(&program(2), 50), 1, "a speed of nothing would be divided by");
    }
}
