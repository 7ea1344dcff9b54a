//! The payer's side of one channel.

use golem_protocol::{ChannelId, ChannelState, Voucher, Wei};
use serde::{Deserialize, Serialize};

/// What a payer knows and owes in one channel. `signed` only grows within an epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayerLedger {
    channel: ChannelId,
    state: ChannelState,
    signed: Wei,
    reserved: Wei,
}

impl PayerLedger {
    /// A channel of which nothing is known yet.
    pub fn new(channel: ChannelId) -> PayerLedger {
        PayerLedger { channel, state: ChannelState::default(), signed: Wei::ZERO, reserved: Wei::ZERO }
    }

    /// Which channel this is.
    pub fn channel(&self) -> ChannelId {
        self.channel
    }

    /// The channel as last seen on the chain.
    pub fn state(&self) -> &ChannelState {
        &self.state
    }

    /// The highest cumulative amount ever signed in this epoch.
    pub fn signed(&self) -> Wei {
        self.signed
    }

    /// What agreements still hold back.
    pub fn reserved(&self) -> Wei {
        self.reserved
    }

    /// What can still be agreed: the deposit less what is signed and reserved; nothing while a close is under way.
    pub fn available(&self) -> Wei {
        if self.state.epoch == 0 || self.state.close_at.0 != 0 {
            return Wei::ZERO;
        }
        self.state.deposit.saturating_sub(self.signed).saturating_sub(self.reserved)
    }

    /// Takes over what the chain shows. A new epoch starts a new count; the claimed amount never lowers what was signed.
    pub fn observe(&mut self, state: ChannelState) {
        if state.epoch > self.state.epoch {
            self.signed = Wei::ZERO;
        }
        if state.epoch == self.state.epoch || state.epoch > self.state.epoch {
            self.signed = self.signed.max(state.claimed);
            self.state = state;
        }
    }

    /// Holds back `amount` for an agreement.
    ///
    /// Errors: `NotCovered` where the deposit is too small, `Closing`, `NotOpen`. Nothing changes then.
    pub fn reserve(&mut self, amount: Wei) -> Result<(), PayError> {
        if self.state.epoch == 0 {
            return Err(PayError::NotOpen);
        }
        if self.state.close_at.0 != 0 {
            return Err(PayError::Closing);
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
    /// The caller makes this ledger durable before the signature leaves.
    /// Errors: `NotReserved`, `Overflow`. Nothing changes then.
    pub fn pay(&mut self, amount: Wei) -> Result<Voucher, PayError> {
        if amount > self.reserved {
            return Err(PayError::NotReserved { asked: amount, reserved: self.reserved });
        }
        let signed = self.signed.checked_add(amount).ok_or(PayError::Overflow)?;
        self.reserved = self.reserved.saturating_sub(amount);
        self.signed = signed;
        Ok(self.voucher())
    }

    /// The voucher for what is owed now.
    pub fn voucher(&self) -> Voucher {
        Voucher { payee: self.channel.payee, epoch: self.state.epoch, cumulative: self.signed }
    }
}

/// Why a payment is not made. Nothing was signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayError {
    /// There is no open channel.
    #[error("the channel is not open")]
    NotOpen,
    /// The channel is being closed.
    #[error("the channel is being closed")]
    Closing,
    /// The deposit is too small.
    #[error("{asked} was asked and {available} is left in the channel; top it up")]
    NotCovered {
        /// What was asked.
        asked: Wei,
        /// What is left.
        available: Wei,
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
    #[error("the sum is more than a channel can hold")]
    Overflow,
}
