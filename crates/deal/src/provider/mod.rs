//! The provider's machine: hears headers, offers, agrees, has subtasks computed, reports, and holds vouchers.
//!
//! ```text
//! header -> offer        agreement -> covered by the channel? -> countersignature, compute
//! computed -> report     verdict + voucher -> ledger; more work only within the credit
//! ```

mod agree;
mod deal;
mod fees;
mod interface;
mod machine;
mod over;
mod work;

pub(crate) use deal::REPORT_PAUSE_MS;
pub use interface::{
    ComputeJob, OVERDUE_MS, ProviderEffect, ProviderEvent, ProviderInput, ProviderSettings, UnfitProgram, late_after_ms,
};
pub use machine::Provider;
#[cfg(test)]
pub(crate) use over::KEPT_S;
