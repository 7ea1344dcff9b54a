//! The twin of `PaymentChannels`: the same calls, the same states, the same refusals, in plain Rust.
//!
//! It is held against the contract by the differential test: the same random calls give the same storage and balances.
//! So whatever is shown of a payer and a payee against this twin holds against the chain.

use golem_protocol::{Address, ChainRef, ChainTime, ChannelId, ChannelState, CompactSignature, Document, Voucher, Wei};
use std::collections::BTreeMap;

/// The bytes of one entry of `claimMany`: `cumulative uint96 | epoch uint32 | r bytes32 | vs bytes32`.
pub const PACKED_VOUCHER_BYTES: usize = 80;

/// A voucher with its signature, as `claimMany` takes it.
pub fn pack_voucher(voucher: &Voucher, signature: &CompactSignature) -> [u8; PACKED_VOUCHER_BYTES] {
    let mut packed = [0u8; PACKED_VOUCHER_BYTES];
    let (cumulative, rest) = packed.split_at_mut(12);
    let (epoch, proof) = rest.split_at_mut(4);
    // Above 96 bits there is no such voucher; it is packed as the largest, whose signature it does not bear.
    let amount = voucher.cumulative.min(Wei::MAX).0.to_be_bytes();
    for (to, from) in cumulative.iter_mut().zip(amount.iter().skip(4)) {
        *to = *from;
    }
    epoch.copy_from_slice(&voucher.epoch.to_be_bytes());
    proof.copy_from_slice(&signature.0);
    packed
}

/// All channels of one contract, and who holds how much of its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channels {
    chain: ChainRef,
    close_delay_s: u32,
    channels: BTreeMap<ChannelId, ChannelState>,
    balances: BTreeMap<Address, u128>,
}

impl Channels {
    /// The contract just deployed, and the token's balances by then.
    pub fn new(chain: ChainRef, close_delay_s: u32, balances: BTreeMap<Address, u128>) -> Channels {
        Channels { chain, close_delay_s, channels: BTreeMap::new(), balances }
    }

    /// The same contract with one channel in mid-life, as a node that reads the chain's storage finds it.
    pub fn with_channel(mut self, id: ChannelId, state: ChannelState) -> Channels {
        self.channels.insert(id, state);
        self
    }

    /// A channel, as `channel(payer, payee)` shows it.
    pub fn channel(&self, id: &ChannelId) -> ChannelState {
        self.channels.get(id).copied().unwrap_or_default()
    }

    /// What an address holds of the token; the contract's own address holds what is deposited.
    pub fn balance(&self, holder: &Address) -> u128 {
        self.balances.get(holder).copied().unwrap_or_default()
    }

    /// `fund`: opens or tops up channels of `payer`; all or nothing. Withdraws a requested close of each.
    ///
    /// Errors: the contract's, in its order. Nothing changes then.
    pub fn fund(&mut self, payer: Address, fundings: &[(Address, Wei)]) -> Result<(), FundError> {
        let mut funded = BTreeMap::new();
        let mut total = 0u128;
        for (payee, amount) in fundings {
            if *payee == Address::ZERO || *payee == payer || *payee == self.chain.channels {
                return Err(FundError::BadPayee(*payee));
            }
            if *amount == Wei::ZERO {
                return Err(FundError::ZeroAmount(*payee));
            }
            let id = ChannelId { payer, payee: *payee };
            let before = funded.get(&id).copied().unwrap_or_else(|| self.channel(&id));
            let opens = before.deposit == Wei::ZERO;
            let got = before.deposit.0.saturating_add(amount.0);
            let deposit = Wei(got).bounded().ok_or(FundError::DepositTooLarge { got })?;
            let epoch = before.epoch.checked_add(opens as u32).ok_or(FundError::EpochsUsedUp(*payee))?;
            funded.insert(id, ChannelState { deposit, epoch, close_at: ChainTime(0), claimed: before.claimed });
            total = total.checked_add(amount.0).ok_or(FundError::BalanceTooLow)?;
        }
        let left = self.balance(&payer).checked_sub(total).ok_or(FundError::BalanceTooLow)?;
        self.balances.insert(payer, left);
        self.give(self.chain.channels, total);
        self.channels.extend(funded);
        Ok(())
    }

    /// `claimMany`: pays `min(cumulative, deposit) - claimed` of each entry; returns what `payee` got.
    ///
    /// What is stale, foreign, malformed or cut short is skipped: one bad entry must not stop the others.
    pub fn claim_many(&mut self, payee: Address, packed: &[u8]) -> Wei {
        let mut paid = 0u128;
        for entry in packed.chunks_exact(PACKED_VOUCHER_BYTES) {
            let Some((voucher, signature)) = unpack(payee, entry) else { continue };
            let Some(payer) = self.signer(&voucher, &signature) else { continue };
            let id = ChannelId { payer, payee };
            let state = self.channel(&id);
            if state.epoch != voucher.epoch {
                continue;
            }
            let claimed = voucher.cumulative.min(state.deposit);
            let Some(added) = claimed.checked_sub(state.claimed) else { continue };
            if added == Wei::ZERO {
                continue;
            }
            self.channels.insert(id, ChannelState { claimed, ..state });
            paid = paid.saturating_add(added.0);
        }
        self.take(paid);
        self.give(payee, paid);
        Wei(paid)
    }

    /// `close` by `payee`: pays it what the voucher is worth and the payer the rest.
    ///
    /// Errors: the contract's, in its order. Nothing changes then.
    pub fn close(
        &mut self,
        payee: Address,
        payer: Address,
        cumulative: Wei,
        epoch: u32,
        signature: &CompactSignature,
    ) -> Result<Closed, CloseError> {
        let id = ChannelId { payer, payee };
        let state = self.channel(&id);
        if state.deposit == Wei::ZERO {
            return Err(CloseError::NotOpen);
        }
        if epoch != state.epoch {
            return Err(CloseError::WrongEpoch { got: epoch, current: state.epoch });
        }
        let unclaimed = cumulative
            .checked_sub(state.claimed)
            .ok_or(CloseError::StaleVoucher { cumulative, claimed: state.claimed })?;
        let mut paid = Wei::ZERO;
        if unclaimed != Wei::ZERO {
            let signer = self.signer(&Voucher { payee, epoch, cumulative }, signature);
            if signer != Some(payer) {
                return Err(CloseError::BadSignature { signer: signer.unwrap_or(Address::ZERO), payer });
            }
            paid = cumulative.min(state.deposit).saturating_sub(state.claimed);
        }
        Ok(self.settle(id, state, paid))
    }

    /// `requestClose` by `payer`.
    ///
    /// Errors: the contract's, in its order. Nothing changes then.
    pub fn request_close(
        &mut self,
        payer: Address,
        payee: Address,
        now: ChainTime,
    ) -> Result<ChainTime, RequestCloseError> {
        let id = ChannelId { payer, payee };
        let state = self.channel(&id);
        if state.deposit == Wei::ZERO {
            return Err(RequestCloseError::NotOpen);
        }
        if state.close_at.0 != 0 {
            return Err(RequestCloseError::AlreadyClosing { close_at: state.close_at });
        }
        let close_at = now.saturating_add(self.close_delay_s as u64);
        if close_at.0 > u32::MAX as u64 {
            return Err(RequestCloseError::TimeTooLarge);
        }
        self.channels.insert(id, ChannelState { close_at, ..state });
        Ok(close_at)
    }

    /// `finalize` by anybody: returns to the payer what was not claimed.
    ///
    /// Errors: the contract's, in its order. Nothing changes then.
    pub fn finalize(&mut self, id: ChannelId, now: ChainTime) -> Result<Closed, FinalizeError> {
        let state = self.channel(&id);
        if state.close_at.0 == 0 {
            return Err(FinalizeError::NotClosing);
        }
        if now < state.close_at {
            return Err(FinalizeError::TooEarly { close_at: state.close_at, now });
        }
        Ok(self.settle(id, state, Wei::ZERO))
    }

    /// What must hold at any time: nothing is claimed above a deposit, and the contract holds what it owes.
    pub fn check_invariants(&self) -> Vec<crate::Violation> {
        let mut violations = Vec::new();
        let mut owed = 0u128;
        for (channel, state) in &self.channels {
            let what = match state.deposit.checked_sub(state.claimed) {
                Some(open) => {
                    owed = owed.saturating_add(open.0);
                    continue;
                }
                None => format!("{} is claimed of {}", state.claimed, state.deposit),
            };
            violations.push(crate::Violation { channel: *channel, what });
        }
        let held = self.balance(&self.chain.channels);
        if held < owed {
            let channel = ChannelId { payer: self.chain.channels, payee: self.chain.channels };
            violations.push(crate::Violation { channel, what: format!("{held} wei are held and {owed} owed") });
        }
        violations
    }

    fn settle(&mut self, id: ChannelId, state: ChannelState, paid: Wei) -> Closed {
        let claimed = state.claimed.saturating_add(paid);
        let refund = state.deposit.saturating_sub(claimed);
        self.channels.insert(id, ChannelState { epoch: state.epoch, ..ChannelState::default() });
        self.take(paid.0.saturating_add(refund.0));
        self.give(id.payee, paid.0);
        self.give(id.payer, refund.0);
        Closed { claimed, refund }
    }

    fn signer(&self, voucher: &Voucher, signature: &CompactSignature) -> Option<Address> {
        signature.recover(&voucher.digest(&self.chain)).ok()
    }

    fn give(&mut self, to: Address, amount: u128) {
        let held = self.balances.entry(to).or_default();
        *held = held.saturating_add(amount);
    }

    fn take(&mut self, amount: u128) {
        let held = self.balances.entry(self.chain.channels).or_default();
        *held = held.saturating_sub(amount);
    }
}

/// How a channel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// What the payee got in this epoch, in all.
    pub claimed: Wei,
    /// What the payer got back.
    pub refund: Wei,
}

fn unpack(payee: Address, entry: &[u8]) -> Option<(Voucher, CompactSignature)> {
    let (cumulative, rest) = entry.split_first_chunk::<12>()?;
    let (epoch, proof) = rest.split_first_chunk::<4>()?;
    let cumulative = cumulative.iter().fold(0u128, |sum, byte| (sum << 8) | *byte as u128);
    let voucher = Voucher { payee, epoch: u32::from_be_bytes(*epoch), cumulative: Wei(cumulative) };
    Some((voucher, CompactSignature(proof.try_into().ok()?)))
}

/// Why `fund` reverts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FundError {
    /// The zero address, the payer itself or the contract.
    #[error("{0} cannot be a payee")]
    BadPayee(Address),
    /// A funding of nothing.
    #[error("a funding of 0 for {0}")]
    ZeroAmount(Address),
    /// A deposit of more than 96 bits.
    #[error("the deposit would be {got} wei, more than 96 bits")]
    DepositTooLarge {
        /// What it would be, in wei.
        got: u128,
    },
    /// Every epoch of the pair was used.
    #[error("the channel to {0} was opened 2^32 - 1 times")]
    EpochsUsedUp(Address),
    /// The payer does not hold the sum.
    #[error("the payer does not hold the sum")]
    BalanceTooLow,
}

/// Why `close` reverts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseError {
    /// There is no deposit.
    #[error("the channel is not open")]
    NotOpen,
    /// A voucher of another epoch.
    #[error("a voucher of epoch {got}, the channel is in {current}")]
    WrongEpoch {
        /// The voucher's.
        got: u32,
        /// The channel's.
        current: u32,
    },
    /// Less than was claimed already.
    #[error("a voucher for {cumulative}, and {claimed} is claimed already")]
    StaleVoucher {
        /// The voucher's.
        cumulative: Wei,
        /// What is claimed.
        claimed: Wei,
    },
    /// Not signed by the payer.
    #[error("signed by {signer} instead of {payer}")]
    BadSignature {
        /// Who signed, zero if nobody.
        signer: Address,
        /// Who had to.
        payer: Address,
    },
}

/// Why `requestClose` reverts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestCloseError {
    /// There is no deposit.
    #[error("the channel is not open")]
    NotOpen,
    /// It was requested before.
    #[error("a close is requested already, for {}", close_at.0)]
    AlreadyClosing {
        /// For when.
        close_at: ChainTime,
    },
    /// After the year 2106.
    #[error("the time of the close does not fit 32 bits")]
    TimeTooLarge,
}

/// Why `finalize` reverts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FinalizeError {
    /// No close was requested, or funding withdrew it.
    #[error("no close is requested")]
    NotClosing,
    /// The payee still has time.
    #[error("the payee has until {}, and it is {}", close_at.0, now.0)]
    TooEarly {
        /// Until when.
        close_at: ChainTime,
        /// The chain's time.
        now: ChainTime,
    },
}
