//! When a node's loop steps its machine without being asked, and how often it looks at what must hold.

use crate::lifecycle::local_now;
use golem_deal::Violation;
use golem_protocol::LocalTime;
use std::time::Duration;

/// The longest time without a tick, in milliseconds. Reason: a clock that was set, a wake that was missed.
const TICK_MS_MAX: u64 = 10_000;
/// Steps between two looks at the invariants; every step is looked at in debug builds. Reason: a look costs as much as
/// many steps once there are many deals.
const CHECK_STEPS: u64 = if cfg!(debug_assertions) { 1 } else { 1024 };

/// The pace of one loop.
#[derive(Default)]
pub(crate) struct Pace {
    wake: Option<LocalTime>,
    steps: u64,
}

impl Pace {
    /// A step begins, after which the machine says anew when it is to be woken. Where it only hears that something is
    /// durable, what it said before stands.
    pub(crate) fn begin(&mut self, is_persisted: bool) {
        if !is_persisted {
            self.wake = None;
        }
    }

    /// The machine is to be woken at this time, or before.
    pub(crate) fn wake_at(&mut self, at: LocalTime) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    /// How long until the next tick.
    pub(crate) fn until_wake(&self) -> Duration {
        let now = local_now();
        let latest = now.saturating_add(TICK_MS_MAX);
        let wake = self.wake.map_or(latest, |wake| wake.min(latest));
        // At least a millisecond, so that a wake in the past cannot make the loop spin.
        Duration::from_millis(wake.saturating_sub(now).max(1))
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
