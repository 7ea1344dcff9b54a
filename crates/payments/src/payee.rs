//! The payee's side of one channel.

use crate::{EPOCHS_KEPT, Violation};
use golem_protocol::{Authentic, ChainTime, ChannelId, ChannelState, Signed, Voucher, Wei};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a payee holds of one channel. The best voucher of an epoch is never given up for a lesser one, and kept for the
/// last [`EPOCHS_KEPT`] epochs: an opening not yet buried deep enough may be undone, and the epoch before it is back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayeeLedger {
    channel: ChannelId,
    state: ChannelState,
    held: BTreeMap<u32, Held>,
}

/// What is held of one epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    /// The highest voucher seen. Not always one taken as payment: on one above the deposit the contract still pays the
    /// deposit.
    voucher: Signed<Voucher>,
    /// The highest amount taken as payment.
    earned: Wei,
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
        PayeeLedger { channel, state: ChannelState::default(), held: BTreeMap::new() }
    }

    /// Which channel this is.
    pub fn channel(&self) -> ChannelId {
        self.channel
    }

    /// The channel as last seen on the chain.
    pub fn state(&self) -> &ChannelState {
        &self.state
    }

    /// The voucher to claim with: the highest of the present epoch.
    pub fn best(&self) -> Option<&Signed<Voucher>> {
        self.held.get(&self.state.epoch).map(|held| &held.voucher)
    }

    /// Everything this epoch's vouchers have brought: the highest taken as payment, or what was claimed if that is more.
    pub fn earned(&self) -> Wei {
        self.held.get(&self.state.epoch).map_or(Wei::ZERO, |held| held.earned).max(self.state.claimed)
    }

    /// What a claim would pay now.
    pub fn claimable(&self) -> Wei {
        let best = self.best().map_or(Wei::ZERO, |best| best.document.cumulative);
        best.min(self.state.deposit).saturating_sub(self.state.claimed)
    }

    /// Takes over what the chain shows, a reorg's lower deposit or earlier epoch as well. No voucher is lost by it.
    pub fn observe(&mut self, state: ChannelState) {
        self.state = state;
    }

    /// Whether `amount` more than what is earned could be claimed until `until`.
    ///
    /// Errors: `NotOpen`, `WrongEpoch`, `ClosingTooSoon`, `OverDeposit`.
    pub fn covers(&self, epoch: u32, amount: Wei, until: ChainTime) -> Result<(), CoverError> {
        if self.state.epoch == 0 || self.state.deposit == Wei::ZERO {
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

    /// Takes a voucher whose signature was checked, as payment.
    ///
    /// Errors: `OtherChannel`, `NotOpen`, `WrongEpoch`: the contract would pay nothing on it, and nothing changes.
    /// `OverDeposit`, `ClosingTooSoon`: it is no payment, for not all of it is sure to be paid. It is kept all the same
    /// if it is the highest, and [`PayeeLedger::best`] gives it: claimed soon, it may bring what there is.
    pub fn accept(&mut self, voucher: &Authentic<Voucher>, claim_by: ChainTime) -> Result<Accepted, VoucherError> {
        if voucher.channel() != self.channel {
            return Err(VoucherError::OtherChannel { got: voucher.channel(), ours: self.channel });
        }
        let ChannelState { epoch, deposit, close_at, .. } = self.state;
        if epoch == 0 || (epoch == voucher.epoch && deposit == Wei::ZERO) {
            return Err(VoucherError::NotOpen { epoch: voucher.epoch });
        }
        if voucher.epoch != epoch {
            return Err(VoucherError::WrongEpoch { got: voucher.epoch, open: epoch });
        }
        let earned = self.earned();
        #[cfg(feature = "planted")]
        if crate::planted::is_planted(crate::planted::Bug::TakesStaleVouchers) {
            let held = Held { voucher: voucher.signed().clone(), earned: voucher.cumulative };
            self.held.insert(epoch, held);
            return Ok(Accepted::Raised(voucher.cumulative.saturating_sub(earned)));
        }
        if voucher.cumulative <= earned {
            return Ok(Accepted::Stale);
        }
        self.keep(voucher, earned);
        if voucher.cumulative > deposit {
            return Err(VoucherError::OverDeposit { got: voucher.cumulative, deposit });
        }
        if close_at.0 != 0 && close_at <= claim_by {
            return Err(VoucherError::ClosingTooSoon { close_at, needed_until: claim_by });
        }
        if let Some(held) = self.held.get_mut(&epoch) {
            held.earned = voucher.cumulative;
        }
        Ok(Accepted::Raised(voucher.cumulative.saturating_sub(earned)))
    }

    /// Keeps the higher of what is held and `voucher`, and forgets the oldest epochs beyond the bound.
    fn keep(&mut self, voucher: &Authentic<Voucher>, earned: Wei) {
        let fresh = || Held { voucher: voucher.signed().clone(), earned };
        let held = self.held.entry(voucher.epoch).or_insert_with(fresh);
        if voucher.cumulative > held.voucher.document.cumulative {
            held.voucher = voucher.signed().clone();
        }
        while self.held.len() > EPOCHS_KEPT {
            let oldest = self.held.keys().copied().find(|epoch| *epoch != voucher.epoch);
            let Some(oldest) = oldest else { return };
            self.held.remove(&oldest);
        }
    }

    /// What must hold of this ledger at any time.
    pub fn check_invariants(&self) -> Vec<Violation> {
        let mut violations = Vec::new();
        let mut demand = |holds: bool, what: String| {
            if !holds {
                violations.push(Violation { channel: self.channel, what });
            }
        };
        demand(self.held.len() <= EPOCHS_KEPT, format!("vouchers of {} epochs are kept", self.held.len()));
        for (epoch, held) in &self.held {
            let voucher = &held.voucher.document;
            demand(voucher.epoch == *epoch, format!("a voucher of epoch {} is kept as {epoch}", voucher.epoch));
            demand(voucher.payee == self.channel.payee, format!("a voucher for {} is kept", voucher.payee));
            let (earned, best) = (held.earned, voucher.cumulative);
            demand(earned <= best, format!("{earned} is earned in epoch {epoch} and the best voucher is for {best}"));
        }
        violations
    }
}

/// Why a channel does not cover an amount. Nothing was agreed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoverError {
    /// Never opened.
    #[error("the channel is not open; its payer has to fund it first")]
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

/// Why a voucher is no payment. The fault is the payer's, or one of the two has not yet seen the chain's latest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VoucherError {
    /// The channel was never opened, or is closed.
    #[error("the voucher is of epoch {epoch}, and the channel is not open")]
    NotOpen {
        /// The voucher's epoch.
        epoch: u32,
    },
    /// For another pair.
    #[error("the voucher is for the channel from {} to {}, this one is from {} to {}", got.payer, got.payee, ours.payer, ours.payee)]
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
