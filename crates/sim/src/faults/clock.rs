//! The clock of a node's own host: off by something, and too fast or too slow.

use super::Faults;
use super::chain::{BLOCK_MS, START};
use crate::stream::Stream;
use golem_protocol::{ChainTime, LocalTime, Now};

/// What right clocks show when a world begins, in milliseconds: the chain's time then.
const EPOCH_MS: u64 = START * 1_000;
/// Millionths.
const MILLION: u128 = 1_000_000;

/// What a node takes for the time. As in a node, timers are of this clock, and time that others have to agree on is the
/// chain's, as far as the node has followed it.
#[derive(Debug)]
pub(super) struct Clock {
    draw: Stream,
    off_max_ms: u64,
    /// When it was set last, in milliseconds of the world, and what it showed then.
    set: (u64, u64),
    /// Millionths of a second that it makes of a second's millionths.
    pace: u64,
    /// How far behind the node follows the chain.
    lag_s: u64,
    /// The latest time of the chain that this node was told: it does not go back for it.
    chain: ChainTime,
}

impl Clock {
    pub(super) fn new(faults: &Faults, mut draw: Stream) -> Clock {
        let drift = draw.between(0, 2 * faults.clock_drift_max_ppm);
        let pace = 1_000_000 + drift - faults.clock_drift_max_ppm;
        let lag_s = draw.between(0, faults.chain_lag_max_blocks) * BLOCK_MS / 1_000;
        let mut clock = Clock {
            draw,
            off_max_ms: faults.clock_off_max_ms,
            set: (0, EPOCH_MS),
            pace,
            lag_s,
            chain: ChainTime(START),
        };
        clock.set(0);
        clock
    }

    /// Its host starts: it is off by something else from now on.
    fn set(&mut self, time: u64) {
        let off = self.draw.between(0, 2 * self.off_max_ms);
        self.set = (time, EPOCH_MS + time + off - self.off_max_ms);
    }

    /// What it shows.
    pub(super) fn local(&self, time: u64) -> LocalTime {
        let passed = u128::from(time - self.set.0) * u128::from(self.pace) / MILLION;
        LocalTime(self.set.1 + passed as u64)
    }

    /// What the node takes for the time, where the chain's is this.
    pub(super) fn now(&mut self, time: u64, chain: ChainTime) -> Now {
        let followed = ChainTime(chain.0.saturating_sub(self.lag_s));
        self.chain = self.chain.max(followed);
        Now { local: self.local(time), chain: self.chain }
    }

    /// The same, for who only looks.
    pub(super) fn seen(&self, time: u64) -> Now {
        Now { local: self.local(time), chain: self.chain }
    }

    /// How long until it shows this: a millisecond at least, as a node sleeps.
    pub(super) fn until(&self, at: LocalTime, time: u64) -> u64 {
        let left = u128::from(at.saturating_sub(self.local(time)));
        ((left * MILLION).div_ceil(u128::from(self.pace)) as u64).max(1)
    }

    /// The node starts: it reads the chain's time, and its host may have set its clock.
    pub(super) fn restart(&mut self, time: u64, chain: ChainTime) -> Now {
        self.chain = chain;
        self.set(time);
        Now { local: self.local(time), chain }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Scenario;

    fn clock(off_max_ms: u64, drift_max_ppm: u64, lag: u64) -> Clock {
        let faults = Faults {
            clock_off_max_ms: off_max_ms,
            clock_drift_max_ppm: drift_max_ppm,
            chain_lag_max_blocks: lag,
            ..Scenario::of_seed(0).faults
        };
        Clock::new(&faults, Stream::new(5, 0, 0))
    }

    #[test]
    fn shows_the_time_where_nothing_is_wrong() {
        let mut right = clock(0, 0, 0);
        assert_eq!(
            right.now(7_000, ChainTime(START + 6)),
            Now { local: LocalTime(EPOCH_MS + 7_000), chain: ChainTime(START + 6) }
        );
        assert_eq!(right.until(LocalTime(EPOCH_MS + 9_000), 7_000), 2_000);
        assert_eq!(right.until(LocalTime(0), 7_000), 1);
    }

    #[test]
    fn is_off_and_drifts_and_wakes_when_it_shows_the_time() {
        let mut wrong = clock(3_600_000, 100_000, 3);
        let before = wrong.local(1_000_000);
        assert!(before.0.abs_diff(EPOCH_MS + 1_000_000) > 60_000, "{before:?}");
        let wake = LocalTime(before.0 + 500_000);
        let after = 1_000_000 + wrong.until(wake, 1_000_000);
        assert!(wrong.local(after) >= wake && wrong.local(after - 2) < wake);
        assert_ne!(after, 1_500_000);
        assert!(wrong.now(after, ChainTime(START + 50)).chain <= ChainTime(START + 50));
        wrong.set(after);
        assert!(wrong.local(after).0.abs_diff(wake.0) > 1_000, "it was set");
    }
}
