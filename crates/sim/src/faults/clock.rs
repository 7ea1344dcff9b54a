//! The clocks of a node's own host: off by something, too fast or too slow, and set by somebody while the node runs.

use super::Faults;
use super::chain::{BLOCK_MS, START};
use crate::stream::Stream;
use golem_deal::clock::GAP_MAX_MS;
use golem_deal::{HostTime, RunClock};
use golem_protocol::{ChainTime, LocalTime, Now};

/// What right clocks show when a world begins, in milliseconds: the chain's time then.
const EPOCH_MS: u64 = START * 1_000;
/// Millionths.
const MILLION: u128 = 1_000_000;

/// What happens to the clocks of a host while its node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Jump {
    /// What people read is set back by so many milliseconds.
    Back(u64),
    /// It is set forward.
    Forward(u64),
    /// It is set right.
    Right,
    /// The host sleeps for so long, and counts it.
    Sleep(u64),
}

impl Jump {
    /// By up to so much.
    pub(super) fn draw(draw: &mut Stream, max_ms: u64) -> Jump {
        let (kind, ms) = (draw.between(0, 9), draw.between(1_000, max_ms.max(1_000)));
        match kind {
            0..=3 => Jump::Back(ms),
            4..=6 => Jump::Forward(ms),
            7 | 8 => Jump::Right,
            _ => Jump::Sleep(ms),
        }
    }
}

/// What a node takes for the time, by the code that nodes run. As in a node, timers are of its run's clock, and time that
/// others have to agree on is the chain's, as far as the node has followed it.
#[derive(Debug)]
pub(super) struct Clock {
    draw: Stream,
    off_max_ms: u64,
    /// When the wall was set last, in milliseconds of the world, and what it showed then.
    set: (u64, u64),
    /// When the host started, in milliseconds of the world.
    began: u64,
    /// What it has slept since.
    slept_ms: u64,
    /// How often it has slept in all.
    sleeps: u64,
    /// Millionths of a second that it makes of a second's millionths.
    pace: u64,
    run: RunClock,
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
            began: 0,
            slept_ms: 0,
            sleeps: 0,
            pace,
            run: RunClock::start(HostTime { wall: LocalTime(EPOCH_MS), steady_ms: 0 }),
            lag_s,
            chain: ChainTime(START),
        };
        clock.start(0);
        clock
    }

    /// Its host starts: it is off by something else from now on.
    fn start(&mut self, time: u64) {
        let off = self.draw.between(0, 2 * self.off_max_ms);
        self.set = (time, EPOCH_MS + time + off - self.off_max_ms);
        (self.began, self.slept_ms) = (time, 0);
        self.run = RunClock::start(self.host(time));
    }

    /// Milliseconds since then, as this clock counts them.
    fn counted(&self, since: u64, time: u64) -> u64 {
        (u128::from(time - since) * u128::from(self.pace) / MILLION) as u64
    }

    fn host(&self, time: u64) -> HostTime {
        let wall = LocalTime(self.set.1 + self.counted(self.set.0, time));
        HostTime { wall, steady_ms: self.counted(self.began, time) + self.slept_ms }
    }

    /// Its node looks at it, as it does every few seconds whether or not there is anything to do.
    pub(super) fn look(&mut self, time: u64) {
        self.run.read(self.host(time));
    }

    /// Somebody sets it, or its host sleeps.
    pub(super) fn jump(&mut self, time: u64, jump: Jump) {
        self.look(time);
        let wall = self.host(time).wall.0;
        let wall = match jump {
            Jump::Back(ms) => wall.saturating_sub(ms),
            Jump::Forward(ms) | Jump::Sleep(ms) => wall + ms,
            Jump::Right => EPOCH_MS + time,
        };
        self.set = (time, wall);
        if let Jump::Sleep(ms) = jump {
            self.slept_ms += ms;
            self.sleeps += 1;
        }
    }

    /// The most that can have passed for its node since then, in milliseconds.
    pub(super) fn passed_max(&self, since: u64, time: u64) -> u64 {
        self.counted(since, time) + 1 + self.sleeps * GAP_MAX_MS
    }

    /// What its node takes for the time.
    pub(super) fn local(&self, time: u64) -> LocalTime {
        self.run.seen(self.host(time))
    }

    /// What the node takes for the time, where the chain's is this.
    pub(super) fn now(&mut self, time: u64, chain: ChainTime) -> Now {
        let followed = ChainTime(chain.0.saturating_sub(self.lag_s));
        self.chain = self.chain.max(followed);
        Now { local: self.run.read(self.host(time)), chain: self.chain }
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
        self.start(time);
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
        wrong.look(10_000);
        let before = wrong.local(10_000);
        assert!(before.0.abs_diff(EPOCH_MS + 10_000) > 60_000, "{before:?}");
        let wake = LocalTime(before.0 + 30_000);
        let after = 10_000 + wrong.until(wake, 10_000);
        assert!(wrong.local(after) >= wake && wrong.local(after - 2) < wake);
        assert_ne!(after, 40_000);
        assert!(wrong.now(after, ChainTime(START + 50)).chain <= ChainTime(START + 50));
        wrong.restart(after, ChainTime(START + 50));
        assert!(wrong.local(after).0.abs_diff(wake.0) > 1_000, "it was set");
    }

    #[test]
    fn jumps_for_people_and_not_for_its_node() {
        let mut clock = clock(0, 0, 0);
        for (jump, wall) in [(Jump::Back(900), 100), (Jump::Forward(9_000), 9_100), (Jump::Right, 1_000)] {
            clock.jump(1_000, jump);
            assert_eq!(clock.host(1_000).wall, LocalTime(EPOCH_MS + wall));
            assert_eq!(clock.local(1_500), LocalTime(EPOCH_MS + 1_500));
        }
        clock.jump(2_000, Jump::Sleep(3_600_000));
        assert_eq!(clock.host(2_000).wall, LocalTime(EPOCH_MS + 3_602_000));
        assert_eq!(clock.local(2_000), LocalTime(EPOCH_MS + 2_000 + GAP_MAX_MS));
        assert_eq!(clock.passed_max(0, 2_000), 2_001 + GAP_MAX_MS);
    }
}
