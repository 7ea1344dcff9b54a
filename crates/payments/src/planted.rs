//! Bugs on purpose, one at a time and in one thread, to show that the tests above this crate find them. Only with the
//! feature `planted`, which no node is built with; and off until a test plants one.

use core::cell::Cell;
use golem_protocol::{ChainTime, Now};

/// A bug that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Effects leave at once, before what they rest on is saved.
    ActsBeforeSaving,
    /// A payee takes a voucher for less than it holds.
    TakesStaleVouchers,
    /// A machine asks for no wake-up.
    ForgetsTimers,
    /// What was agreed to be over by the chain's time is judged by the host's clock.
    TrustsItsOwnClock,
    /// A save that found no room is taken for one that is durable.
    ActsThoughNotSaved,
    /// A run's local time is whatever its host's clock is set to.
    FollowsTheWallClock,
}

thread_local! {
    static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Plants a bug in this thread, or takes it out.
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Whether this bug is planted in this thread.
pub fn is_planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// The time as a machine takes it: with [`Bug::TrustsItsOwnClock`] the host's for the chain's as well.
pub fn time(now: Now) -> Now {
    let chain = if is_planted(Bug::TrustsItsOwnClock) { ChainTime(now.local.0 / 1_000) } else { now.chain };
    Now { chain, ..now }
}
