//! When a node's loop steps its machine without being asked, and how often it looks at what must hold.

use crate::lifecycle::local_now;
use golem_deal::Violation;
use golem_protocol::LocalTime;
use std::time::{Duration, Instant};

/// The longest time without a tick, whatever else happens. Reason: a clock that was set, a wake that was missed.
const TICK_MAX: Duration = Duration::from_secs(10);
/// Steps between two looks at the invariants; every step is looked at in debug builds. Reason: a look costs as much as
/// many steps once there are many deals.
const CHECK_STEPS: u64 = if cfg!(debug_assertions) { 1 } else { 1024 };

/// The pace of one loop.
pub(crate) struct Pace {
    wake: Option<LocalTime>,
    ticked: Instant,
    steps: u64,
}

/// What a machine is stepped by.
pub(crate) enum Cause {
    /// It only hears that something is durable: what it said of its next wake stands.
    Persisted,
    Tick,
    Other,
}

impl Pace {
    pub(crate) fn new() -> Pace {
        Pace { wake: None, ticked: Instant::now(), steps: 0 }
    }

    /// A step begins, after which the machine says anew when it is to be woken.
    pub(crate) fn begin(&mut self, cause: Cause) {
        match cause {
            Cause::Persisted => return,
            Cause::Tick => self.ticked = Instant::now(),
            Cause::Other => {}
        }
        self.wake = None;
    }

    /// The machine is to be woken at this time, or before.
    pub(crate) fn wake_at(&mut self, at: LocalTime) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    /// How long until the next tick.
    pub(crate) fn until_wake(&self) -> Duration {
        let latest = TICK_MAX.saturating_sub(self.ticked.elapsed());
        let until = match self.wake {
            Some(wake) => Duration::from_millis(wake.saturating_sub(local_now())).min(latest),
            None => latest,
        };
        // At least a millisecond, so that a wake in the past cannot make the loop spin.
        until.max(Duration::from_millis(1))
    }

    /// A step has ended. Where it is time to look at what must hold, and it does not: what to tell the owner.
    pub(crate) fn broken_rule(&mut self, look: impl FnOnce() -> Vec<Violation>) -> Option<String> {
        self.steps += 1;
        if !self.steps.is_multiple_of(CHECK_STEPS) {
            return None;
        }
        let broken = look();
        let first = broken.first()?;
        tracing::error!(?broken, "an invariant is broken");
        Some(format!(
            "an internal rule was broken ({}), so the node stopped before anything else is signed: keep the data folder \
             and report this",
            first.0
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wakes_as_the_machine_says_and_now_and_then_whatever_else_happens() {
        let mut pace = Pace::new();
        pace.begin(Cause::Other);
        assert!(pace.until_wake() > TICK_MAX / 2);
        let (soon, later) = (local_now().saturating_add(1_000), local_now().saturating_add(9_000));
        pace.wake_at(later);
        pace.wake_at(soon);
        pace.begin(Cause::Persisted);
        assert!(pace.until_wake() <= Duration::from_secs(1));
        pace.begin(Cause::Other);
        assert!(pace.until_wake() > TICK_MAX / 2, "it was said anew");
        // Others step it all the time, and none of them is a tick.
        pace.ticked = Instant::now().checked_sub(TICK_MAX).unwrap();
        pace.begin(Cause::Other);
        assert_eq!(pace.until_wake(), Duration::from_millis(1));
        pace.begin(Cause::Tick);
        assert!(pace.until_wake() > TICK_MAX / 2);
    }

    #[test]
    fn a_wake_that_is_over_does_not_spin() {
        let mut pace = Pace::new();
        pace.wake_at(LocalTime(1));
        assert_eq!(pace.until_wake(), Duration::from_millis(1));
    }
}
