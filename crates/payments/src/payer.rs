//! The payer's side of one channel.

use crate::{EPOCHS_KEPT, Violation};
use golem_protocol::{ChannelId, ChannelState, Voucher, Wei};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a payer knows and owes in one channel. What is signed only grows within an epoch, and is remembered for the
/// last [`EPOCHS_KEPT`] epochs: after a reorg a voucher of any of them can be good again.
///
/// Reserves belong to agreements, not to epochs: an agreement that outlives a closing is paid from what is open then. Where
/// nothing is, it is paid in the opening to come: a voucher of an epoch that ended is worth nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayerLedger {
    channel: ChannelId,
    state: ChannelState,
    signed: BTreeMap<u32, Wei>,
    /// Of this epoch and all before it is not known any more what was signed.
    forgotten: u32,
    reserved: Wei,
}

impl PayerLedger {
    /// A channel of which nothing is known yet.
    ///
    /// Not to be used in place of a ledger that was lost: what it had signed in the present epoch can still be claimed.
    pub fn new(channel: ChannelId) -> PayerLedger {
        let state = ChannelState::default();
        PayerLedger { channel, state, signed: BTreeMap::new(), forgotten: 0, reserved: Wei::ZERO }
    }

    /// Which channel this is.
    pub fn channel(&self) -> ChannelId {
        self.channel
    }

    /// The channel as last seen on the chain.
    pub fn state(&self) -> &ChannelState {
        &self.state
    }

    /// The highest cumulative amount ever signed in this epoch; in the one to come where this one has ended.
    pub fn signed(&self) -> Wei {
        self.signed_in(self.epoch())
    }

    /// The highest cumulative amount known to have been signed in an epoch.
    pub fn signed_in(&self, epoch: u32) -> Wei {
        let claimed = if epoch == self.state.epoch { self.state.claimed } else { Wei::ZERO };
        self.signed.get(&epoch).map_or(claimed, |signed| claimed.max(*signed))
    }

    /// The voucher that nothing can pay yet, since the channel ended before what it stands for was owed. It is as good as
    /// others once so much is put in.
    pub fn promised(&self) -> Option<Voucher> {
        Some(self.voucher()).filter(|voucher| self.has_ended() && voucher.epoch > self.state.epoch)
    }

    fn has_ended(&self) -> bool {
        self.state.epoch > 0 && self.state.deposit == Wei::ZERO
    }

    /// Whether more was signed in the present epoch than is remembered. Nothing new is signed in such a one.
    fn is_forgotten(&self) -> bool {
        let epoch = self.epoch();
        epoch != 0 && epoch <= self.forgotten && !self.signed.contains_key(&epoch)
    }

    /// What agreements still hold back.
    pub fn reserved(&self) -> Wei {
        self.reserved
    }

    /// What can still be agreed: the deposit less what is signed and reserved; nothing while a close is under way.
    pub fn available(&self) -> Wei {
        if self.state.epoch == 0 || self.state.close_at.0 != 0 || self.is_forgotten() {
            return Wei::ZERO;
        }
        self.state.deposit.saturating_sub(self.signed()).saturating_sub(self.reserved)
    }

    /// Takes over what the chain shows, a reorg's lower deposit or earlier epoch as well.
    ///
    /// What was signed is kept by epoch and never lowered. It is raised to what was claimed, which a ledger restored from
    /// an old copy may not know of.
    pub fn observe(&mut self, state: ChannelState) {
        self.state = state;
        if state.epoch == 0 || self.is_forgotten() {
            return;
        }
        let signed = self.signed_in(state.epoch).max(state.claimed);
        self.signed.insert(state.epoch, signed);
        while self.signed.len() > EPOCHS_KEPT {
            let oldest = self.signed.keys().copied().find(|epoch| *epoch != state.epoch);
            let Some(oldest) = oldest else { return };
            self.signed.remove(&oldest);
            self.forgotten = self.forgotten.max(oldest);
        }
    }

    /// Holds back `amount` for an agreement.
    ///
    /// Errors: `NotOpen`, `Closing`, `EpochForgotten`, `NotCovered` where the deposit is too small, `Overflow`. Nothing
    /// changes then.
    pub fn reserve(&mut self, amount: Wei) -> Result<(), PayError> {
        if self.state.epoch == 0 || self.state.deposit == Wei::ZERO {
            return Err(PayError::NotOpen);
        }
        if self.state.close_at.0 != 0 {
            return Err(PayError::Closing);
        }
        if self.is_forgotten() {
            return Err(PayError::EpochForgotten { epoch: self.state.epoch });
        }
        if self.available() < amount {
            return Err(PayError::NotCovered { asked: amount, available: self.available() });
        }
        self.reserved = self.reserved.checked_add(amount).ok_or(PayError::Overflow)?;
        Ok(())
    }

    /// Gives back what an agreement held and did not use.
    pub fn release(&mut self, amount: Wei) {
        self.reserved = self.reserved.saturating_sub(amount);
    }

    /// Turns `amount` of the reserve into debt: the voucher to sign, for everything owed so far.
    ///
    /// It is owed whatever the chain shows by now: work that was agreed is paid while a close is under way, after the end
    /// of the channel, and after a reorg that lowered the deposit. The caller makes this ledger durable before the signature leaves.
    /// Errors: `NotReserved`, `EpochForgotten`, `Overflow`. Nothing changes then.
    pub fn pay(&mut self, amount: Wei) -> Result<Voucher, PayError> {
        if amount > self.reserved {
            return Err(PayError::NotReserved { asked: amount, reserved: self.reserved });
        }
        if self.is_forgotten() {
            return Err(PayError::EpochForgotten { epoch: self.epoch() });
        }
        let signed = self.signed().checked_add(amount).ok_or(PayError::Overflow)?;
        self.reserved = self.reserved.saturating_sub(amount);
        self.signed.insert(self.epoch(), signed);
        Ok(self.voucher())
    }

    /// The voucher for what is owed now. Of an epoch that ended it is the last one, until something is owed in the next: a
    /// reorg may take the end back.
    pub fn voucher(&self) -> Voucher {
        let is_owed_next = self.has_ended() && self.signed() > Wei::ZERO;
        let epoch = if self.has_ended() && !is_owed_next { self.state.epoch } else { self.epoch() };
        Voucher { payee: self.channel.payee, epoch, cumulative: self.signed_in(epoch) }
    }

    /// The epoch to sign for: the one the chain shows, or the next where that one has ended. Where a reorg took the first
    /// opening away it is the one seen last, which is the one that comes back.
    fn epoch(&self) -> u32 {
        match self.state.epoch {
            0 => self.signed.last_key_value().map_or(0, |(epoch, _)| *epoch),
            epoch => epoch.saturating_add(u32::from(self.has_ended())),
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
        let claimed = self.state.claimed;
        demand(self.signed() >= claimed, format!("{claimed} is claimed and {} signed", self.signed()));
        demand(self.signed.len() <= EPOCHS_KEPT + 1, format!("{} epochs are kept", self.signed.len()));
        demand(self.reserved.bounded().is_some(), format!("{} is reserved", self.reserved));
        for (epoch, signed) in &self.signed {
            demand(signed.bounded().is_some(), format!("{signed} is signed in epoch {epoch}"));
        }
        violations
    }
}

/// Why a payment is not made. Nothing was signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayError {
    /// There is no open channel.
    #[error("the channel is not open; fund it first")]
    NotOpen,
    /// The channel is being closed.
    #[error("the channel is being closed; top it up to keep it open, or wait and open it again")]
    Closing,
    /// The deposit is too small.
    #[error("{asked} was asked and {available} is left in the channel; top it up")]
    NotCovered {
        /// What was asked.
        asked: Wei,
        /// What is left.
        available: Wei,
    },
    /// A reorg undid more openings than are remembered.
    #[error(
        "the chain went back to epoch {epoch}, of which it is not known any more what was signed; close the channel and open it again"
    )]
    EpochForgotten {
        /// Which epoch.
        epoch: u32,
    },
    /// More than agreements hold back.
    #[error("{asked} was to be paid and agreements hold back only {reserved}")]
    NotReserved {
        /// What was to be paid.
        asked: Wei,
        /// What is held back.
        reserved: Wei,
    },
    /// More than 96 bits.
    #[error("the sum is more than a channel can hold; close it and open it again")]
    Overflow,
}
