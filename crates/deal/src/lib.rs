//! The life of subtasks between one requestor and its providers, as two pure state machines.
//!
//! Start with [`Requestor::apply`] and [`Provider::apply`]:
//!
//! ```text
//!            input, now                      effects
//! shell ----------------> apply(&mut self) ----------> shell: saves, sends, computes, pays, wakes
//!   ^                                                    |
//!   +------- Persisted, Computed, Fetched, Channel ------+
//! ```
//!
//! Saving is an effect with an answer. Whatever leaves this machine (a message, a transaction, work begun) waits in the
//! [`outbox`] until the records it rests on are durable. Inputs are idempotent, so recovery is: load the records,
//! then `Tick`, and what is owed is sent again.
//!
//! What this crate never does: read a clock, draw a random number, touch a socket, a file or a chain, or decide on a
//! price (that is the policy's part, see [`policy`]).

pub mod clock;
pub mod outbox;
pub mod policy;
pub mod provider;
pub mod record;
pub mod requestor;
pub mod saves;
#[cfg(test)]
mod tests;

pub use clock::{HostTime, RunClock};
pub use outbox::PersistId;
pub use policy::{
    Delivery, ProviderFact, ProviderPolicy, Quote, Reported, RequestorFact, RequestorPolicy, Straggler, Timed,
};
pub use provider::{
    ComputeJob, OVERDUE_MS, Provider, ProviderEffect, ProviderEvent, ProviderInput, ProviderSettings, UnfitProgram,
    late_after_ms,
};
pub use record::{Record, Table};
pub use requestor::{
    Checks, CopyAddresses, FetchJob, Near, OldTask, OwnRunReason, PaidShare, Rechecks, Requestor, RequestorEffect,
    RequestorEvent, RequestorInput, RequestorSettings, Site, SlowResult, TaskOrder, TaskStatus,
};
pub use requestor::{agreed_on, copies_wait_ms, old_tasks, own_run_reason};

/// The keys an agent signs with: who it is, and whose money it moves. They may be one.
#[derive(Clone)]
pub struct Keys {
    /// Signs headers, offers, agreements, reports, verdicts.
    pub identity: std::sync::Arc<dyn golem_protocol::Signer>,
    /// Signs vouchers.
    pub payment: std::sync::Arc<dyn golem_protocol::Signer>,
}

/// A broken rule, found by a `check_invariants`. It is a defect of ours, never a peer's doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(pub String);
