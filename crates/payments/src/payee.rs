//! The payee's side of one channel.

use golem_protocol::{Authentic, ChainTime, ChannelId, ChannelState, Signed, Voucher, Wei};
use serde::{Deserialize, Serialize};

/// What a payee holds of one channel. The best voucher is never given up for a lesser one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayeeLedger {
    channel: ChannelId,
    state: ChannelState,
    best: Option<Signed<Voucher>>,
}

/// What an authentic voucher was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It raises what is held by this much.
    Raised(Wei),
    /// Not more than what is held already: late or repeated, no fault.
    Stale,
}

impl PayeeLedger {
    /// A channel of which nothing is known yet.
    pub fn new(channel: ChannelId) -> PayeeLedger {
        PayeeLedger { channel, state: ChannelState::default(), best: None }
    }

    /// Which channel this is.
    pub fn channel(&self) -> ChannelId {
        self.channel
    }

    /// The channel as last seen on the chain.
    pub fn state(&self) -> &ChannelState {
        &self.state
    }

    /// The best voucher held, of the present epoch.
    pub fn best(&self) -> Option<&Signed<Voucher>> {
        self.best.as_ref()
    }

    /// Everything this epoch's vouchers have brought: the best voucher's amount, or what was claimed if that is more.
    pub fn earned(&self) -> Wei {
        self.best.as_ref().map_or(Wei::ZERO, |best| best.document.cumulative).max(self.state.claimed)
    }

    /// What a claim would pay now.
    pub fn claimable(&self) -> Wei {
        self.earned().min(self.state.deposit).saturating_sub(self.state.claimed)
    }

    /// Takes over what the chain shows. A voucher of an older epoch is dead and dropped.
    pub fn observe(&mut self, state: ChannelState) {
        if state.epoch < self.state.epoch {
            return;
        }
        self.state = state;
        if self.best.as_ref().is_some_and(|best| best.document.epoch < state.epoch) {
            self.best = None;
        }
    }

    /// Whether `amount` more than what is earned could be claimed until `until`.
    ///
    /// Errors: `NotOpen`, `WrongEpoch`, `ClosingTooSoon`, `OverDeposit`.
    pub fn covers(&self, epoch: u32, amount: Wei, until: ChainTime) -> Result<(), CoverError> {
        if self.state.epoch == 0 {
            return Err(CoverError::NotOpen);
        }
        if epoch != self.state.epoch {
            return Err(CoverError::WrongEpoch { got: epoch, open: self.state.epoch });
        }
        if self.state.close_at.0 != 0 && self.state.close_at <= until {
            return Err(CoverError::ClosingTooSoon { close_at: self.state.close_at, needed_until: until });
        }
        let left = self.state.deposit.saturating_sub(self.earned());
        if amount > left {
            return Err(CoverError::OverDeposit { asked: amount, left });
        }
        Ok(())
    }

    /// Takes a voucher whose signature was checked.
    ///
    /// Errors: whatever the contract would not pay on: another payer or payee, another epoch, more than the deposit, a
    /// close that may be final before a claim can be. Nothing changes then.
    pub fn accept(&mut self, voucher: &Authentic<Voucher>, claim_by: ChainTime) -> Result<Accepted, VoucherError> {
        if voucher.channel() != self.channel {
            return Err(VoucherError::OtherChannel { got: voucher.channel(), ours: self.channel });
        }
        if voucher.epoch != self.state.epoch {
            return Err(VoucherError::WrongEpoch { got: voucher.epoch, open: self.state.epoch });
        }
        let held = self.earned();
        if voucher.cumulative <= held {
            return Ok(Accepted::Stale);
        }
        if voucher.cumulative > self.state.deposit {
            return Err(VoucherError::OverDeposit { got: voucher.cumulative, deposit: self.state.deposit });
        }
        if self.state.close_at.0 != 0 && self.state.close_at <= claim_by {
            return Err(VoucherError::ClosingTooSoon { close_at: self.state.close_at, needed_until: claim_by });
        }
        let raised = voucher.cumulative.saturating_sub(held);
        self.best = Some(voucher.signed().clone());
        Ok(Accepted::Raised(raised))
    }
}

/// Why a channel does not cover an amount. Nothing was agreed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoverError {
    /// Never opened.
    #[error("the channel is not open")]
    NotOpen,
    /// Not the epoch that is open.
    #[error("epoch {got} is not the open one, {open}")]
    WrongEpoch {
        /// What was named.
        got: u32,
        /// What is open.
        open: u32,
    },
    /// A close could be final before the money is claimed.
    #[error("the channel can be closed at {}, and the money is needed until {}", close_at.0, needed_until.0)]
    ClosingTooSoon {
        /// When it can be closed.
        close_at: ChainTime,
        /// Until when it has to stay open.
        needed_until: ChainTime,
    },
    /// The deposit is too small.
    #[error("{asked} more is needed and the deposit has {left} left")]
    OverDeposit {
        /// What is needed.
        asked: Wei,
        /// What is left.
        left: Wei,
    },
}

/// Why a voucher is worth nothing here. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VoucherError {
    /// For another pair.
    #[error("the voucher is for the channel {got:?}, this one is {ours:?}")]
    OtherChannel {
        /// The voucher's channel.
        got: ChannelId,
        /// This ledger's channel.
        ours: ChannelId,
    },
    /// Of another epoch.
    #[error("the voucher is of epoch {got}, open is {open}")]
    WrongEpoch {
        /// The voucher's.
        got: u32,
        /// The open one.
        open: u32,
    },
    /// For more than the channel holds.
    #[error("the voucher is for {got}, the deposit is {deposit}")]
    OverDeposit {
        /// The voucher's sum.
        got: Wei,
        /// The deposit.
        deposit: Wei,
    },
    /// A close may be final before a claim can be.
    #[error("the channel can be closed at {}, too soon for a claim by {}", close_at.0, needed_until.0)]
    ClosingTooSoon {
        /// When it can be closed.
        close_at: ChainTime,
        /// By when a claim would be mined.
        needed_until: ChainTime,
    },
}
