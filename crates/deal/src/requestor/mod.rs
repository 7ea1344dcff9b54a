//! The requestor's machine: announces a task, gathers offers, agrees batches, checks reports, pays.
//!
//! ```text
//! Start -> header to all      offers -> rank -> reserve in channel and budget -> agreement
//! report -> fetch -> recheck? -> verdict + voucher      late, cancelled, refused -> the subtasks are free again
//! ```

mod check;
mod deal;
mod interface;
mod machine;
mod task;
mod tender;

pub use interface::{
    FetchJob, RequestorEffect, RequestorEvent, RequestorInput, RequestorSettings, TaskOrder, TaskStatus,
};
pub use machine::Requestor;
