//! Bugs on purpose, one at a time and in one thread, to show that the tests above this crate find them. Only with the
//! feature `planted`, which no node is built with; and off until a test plants one.

use core::cell::Cell;

/// A bug that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Effects leave at once, before what they rest on is saved.
    ActsBeforeSaving,
    /// A payee takes a voucher for less than it holds.
    TakesStaleVouchers,
    /// A machine asks for no wake-up.
    ForgetsTimers,
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
