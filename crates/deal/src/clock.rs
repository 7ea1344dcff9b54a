//! Local time that does not jump: what a machine is told of it in one run.
//!
//! A host's clock is set while a node runs: by a time server, by its owner, on waking up. Were that the time that machines are
//! told, what is to be sent again would wait for hours where it is set back, and where it is set forward others would be late
//! that are not, and money that is owed be given up.

use golem_protocol::LocalTime;

/// The most that passes between two readings, in milliseconds. Reason: a node that runs looks at the time every ten seconds
/// or so; in what passed beyond this it did not run, and nobody was late by that. So much that machines see that it slept.
pub const GAP_MAX_MS: u64 = 40_000;

/// What the clocks of a host show at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostTime {
    /// The clock that people read, which may be set to anything.
    pub wall: LocalTime,
    /// Milliseconds since a moment that stays the same while the host runs. Nobody sets it; while the host sleeps it may
    /// stand or go on.
    pub steady_ms: u64,
}

/// The local time of one run: that of the wall when it begins, and from then on what has passed.
///
/// Two runs agree on nothing, since the wall may be set in between. So no machine saves a local time: what it takes up
/// again counts from the start.
#[derive(Clone, Copy, Debug)]
pub struct RunClock {
    shown: LocalTime,
    read_ms: u64,
}

impl RunClock {
    /// A run begins.
    pub fn start(host: HostTime) -> RunClock {
        RunClock { shown: host.wall, read_ms: host.steady_ms }
    }

    /// The time now, from which the next reading goes on. It never goes back.
    pub fn read(&mut self, host: HostTime) -> LocalTime {
        *self = RunClock { shown: self.seen(host), read_ms: host.steady_ms };
        self.shown
    }

    /// What a reading would give, for who only looks.
    pub fn seen(&self, host: HostTime) -> LocalTime {
        #[cfg(feature = "planted")]
        if golem_payments::planted::is_planted(golem_payments::planted::Bug::FollowsTheWallClock) {
            return host.wall;
        }
        self.shown.saturating_add(host.steady_ms.saturating_sub(self.read_ms).min(GAP_MAX_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(wall: u64, steady_ms: u64) -> HostTime {
        HostTime { wall: LocalTime(wall), steady_ms }
    }

    #[test]
    fn goes_on_however_the_wall_is_set() {
        let mut clock = RunClock::start(host(1_000_000, 70));
        assert_eq!(clock.read(host(1_000_000, 70)), LocalTime(1_000_000));
        assert_eq!(clock.read(host(9_000_000, 80)), LocalTime(1_000_010), "set forward");
        assert_eq!(clock.read(host(0, 95)), LocalTime(1_000_025), "set back");
        assert_eq!(clock.seen(host(0, 100)), LocalTime(1_000_030));
        assert_eq!(clock.read(host(1_000_030, 100)), LocalTime(1_000_030), "corrected");
    }

    #[test]
    fn counts_little_of_what_it_slept_and_never_goes_back() {
        let mut clock = RunClock::start(host(1_000, 500));
        let slept = 8 * 3_600_000;
        assert_eq!(clock.read(host(1_000 + slept, 500 + slept)), LocalTime(1_000 + GAP_MAX_MS));
        assert_eq!(clock.read(host(0, 501 + slept)), LocalTime(1_001 + GAP_MAX_MS), "and goes on from there");
        assert_eq!(clock.read(host(0, 0)), LocalTime(1_001 + GAP_MAX_MS), "its host broke its word");
        assert_eq!(clock.read(host(0, u64::MAX)), LocalTime(1_001 + 2 * GAP_MAX_MS));
    }
}
