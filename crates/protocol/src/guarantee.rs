//! The guarantee as the chain shows it: the terms of `ConcentDeposit`, an account in it and a claim on a promise.

use crate::units::{ChainTime, Wei};
use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

/// How a `ConcentDeposit` was set up. Nothing of it can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuaranteeTerms {
    /// The token of all deposits.
    pub token: Address,
    /// Whose account gets the verification fees.
    pub treasury: Address,
    /// Seconds between `unlock` and `withdraw`.
    pub withdraw_delay_s: u32,
    /// Seconds a requestor has to contest a claim.
    pub contest_window_s: u32,
    /// Seconds Concent has to rule on a contested claim, or after its deadline on a promise that nobody claimed.
    pub ruling_window_s: u32,
    /// Seconds between the announcement of new keys and their taking effect.
    pub rotation_delay_s: u32,
    /// What the loser of a contested claim pays for the verification.
    #[serde(rename = "fee_wei")]
    pub fee: Wei,
    /// What the loser of a claim pays to the other for its gas.
    #[serde(rename = "cover_wei")]
    pub cover: Wei,
    /// What rulings can move within one day.
    #[serde(rename = "daily_limit_wei")]
    pub daily_limit: Wei,
    /// The most that one account can have free after a deposit.
    #[serde(rename = "deposit_max_wei")]
    pub deposit_max: Wei,
}

impl GuaranteeTerms {
    /// What who claims or contests puts at stake; held at [`Wei::MAX`].
    pub fn bond(&self) -> Wei {
        self.fee.saturating_add(self.cover)
    }
}

/// An account of `ConcentDeposit`: the contract's one storage slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConcentAccount {
    /// What is held for it.
    pub deposit: Wei,
    /// What of this is at stake in claims.
    pub reserved: Wei,
    /// When the rest can be withdrawn; 0 while it is locked.
    pub unlock_at: ChainTime,
}

impl ConcentAccount {
    /// What is not at stake.
    pub fn free(&self) -> Wei {
        self.deposit.saturating_sub(self.reserved)
    }
}

/// How far a claim is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimStage {
    /// There is none: never made, or over.
    #[default]
    None,
    /// The requestor can contest it until it is due.
    Open,
    /// Concent can rule on it until it is due.
    Contested,
}

/// A claim on a promise: the contract's one storage slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConcentClaim {
    /// What the provider says it is owed.
    pub amount: Wei,
    /// What of this the requestor's deposit had free: the most that is paid.
    pub reserved: Wei,
    /// From when on it can be settled: an open claim pays then, a contested one lapses.
    pub due: ChainTime,
    /// How far it is.
    pub stage: ClaimStage,
}
