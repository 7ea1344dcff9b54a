//! One channel's ledger, both sides, the twins of the contracts, and the rule by which a payee claims.
//!
//! Start with [`PayerLedger`] and [`PayeeLedger`]; [`contract::Channels`] says what the chain makes of both, and
//! [`claim_rule`] when it is time to claim. [`concent::ConcentDeposit`] is the guarantee beside it,
//! [`registry::AppRegistry`] the apps' fees.
//!
//! ```text
//! payer:  observe -> reserve (agreement) -> pay (verdict) -> voucher -.
//!                         `-> release                                  |
//! payee:  observe -> covers (agreement) ------------> accept <---------'  -> best -> claim, close
//! chain:  fund -> claim_many ... close | request_close -> finalize
//! ```
//!
//! Two rules stand above all: a payer never signs for less than it signed before in an epoch, and a payee never gives up
//! its best voucher of an epoch. Both hold across a reorg that takes an epoch away and brings it back, since vouchers
//! that were signed in between are good again.
//!
//! A ledger follows what the chain shows, up or down; it never guesses what the chain will show. This crate knows
//! nothing of deals, keeps no clock, holds no key and does no I/O: whoever calls makes a ledger durable before a
//! voucher leaves.

pub mod claim_rule;
pub mod concent;
pub mod contract;
pub mod payee;
pub mod payer;
#[cfg(feature = "planted")]
pub mod planted;
pub mod registry;
#[cfg(test)]
mod tests;

pub use claim_rule::{ClaimPlan, ClaimReason, ClaimRule, Claimable, GasWorth, Waiting};
pub use payee::{Accepted, CoverError, PayeeLedger, VoucherError};
pub use payer::{PayError, PayerLedger};

/// How many epochs of one channel are remembered. Reason: an older one can only come back by a reorg that undoes as
/// many closings and openings; each takes transactions of its own and, without the payee, the whole delay.
pub const EPOCHS_KEPT: usize = 8;

/// A fact about a ledger that must always hold and does not: money is at stake, so the node stops.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ledger of the channel from {} to {} is damaged: {what}", channel.payer, channel.payee)]
pub struct Violation {
    /// Which channel.
    pub channel: golem_protocol::ChannelId,
    /// What does not hold.
    pub what: String,
}
