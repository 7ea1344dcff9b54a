//! The requestor's machine: announces a task, gathers offers, agrees batches, checks reports, pays.
//!
//! ```text
//! Start -> header to all      offers -> rank -> reserve in channel and budget -> agreement
//! report -> fetch -> recheck? other copies? -> verdict + voucher    late, cancelled, refused -> free again
//! ```

mod check;
mod copies;
mod deal;
mod interface;
mod machine;
mod old;
mod pace;
mod retry;
mod shares;
mod site;
mod task;
mod tender;

#[cfg(test)]
pub(crate) use copies::COPIES_WAIT_MS_MAX;
pub use copies::{agreed_on, copies_wait_ms, own_run_reason};
pub use interface::{
    Checks, FetchJob, OwnRunReason, Rechecks, RequestorEffect, RequestorEvent, RequestorInput, RequestorSettings,
    SlowResult, TaskOrder, TaskStatus,
};
pub use machine::Requestor;
#[cfg(test)]
pub(crate) use machine::TASKS_MAX;
pub use old::{OldTask, old_tasks};
pub use shares::PaidShare;
pub use site::{CopyAddresses, Near, Site};
