//! Claims of many vouchers: how they are packed, and what became of each.

use crate::abi::Change;
use crate::call::TxReceipt;
use golem_protocol::{Address, ChainRef, ChannelId, ChannelState, Document, Signed, Voucher, Wei};
use serde::{Deserialize, Serialize};

/// Vouchers in one transaction: at about 11,000 gas each they stay below the gas of one transaction, and at 80 bytes
/// each below the 128 KiB that nodes pass on.
pub(crate) const ENTRIES_PER_CLAIM_MAX: usize = 1_000;

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimReport {
    /// What the payee got, all together: what the token says it moved.
    pub paid: Wei,
    /// Voucher by voucher, in the order given.
    pub entries: Vec<ClaimEntry>,
    /// The transactions; more than one for very many vouchers, none where no voucher could pay anything.
    pub receipts: Vec<TxReceipt>,
}

/// What became of one voucher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimEntry {
    /// Who signed it; `None` where the signature is nobody's.
    pub payer: Option<Address>,
    /// Its epoch.
    pub epoch: u32,
    /// Its amount.
    pub cumulative: Wei,
    /// What became of it.
    pub outcome: ClaimOutcome,
}

/// What became of one voucher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimOutcome {
    /// It paid: this much is now claimed in the channel's epoch.
    Paid {
        /// The sum of all claims in this epoch.
        claimed: Wei,
    },
    /// It paid nothing.
    Skipped(SkipReason),
}

/// Why a voucher paid nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// No key made the signature.
    BadSignature,
    /// It names another payee.
    OtherPayee,
    /// Its payer has no open channel with the payee: never opened, closed, or signed for another chain or contract.
    NotOpen,
    /// It is of an epoch that is over, or not there yet.
    WrongEpoch {
        /// The channel's.
        open: u32,
    },
    /// As much, or the whole deposit, was claimed already.
    Stale {
        /// What was claimed.
        claimed: Wei,
    },
}

/// A voucher as `claimMany` takes it: `cumulative uint96 | epoch uint32 | r | vs`, 80 bytes.
pub(crate) fn pack(voucher: &Signed<Voucher>, packed: &mut Vec<u8>) {
    let amount = voucher.document.cumulative.0.to_be_bytes();
    packed.extend(amount.iter().skip(4));
    packed.extend(voucher.document.epoch.to_be_bytes());
    packed.extend(voucher.signature.0);
}

/// Who signed a voucher, without regard to whether it is within bounds.
pub(crate) fn payer_of(voucher: &Signed<Voucher>, chain: &ChainRef) -> Option<Address> {
    voucher.signature.recover(&voucher.document.digest(chain)).ok()
}

/// Why a voucher pays nothing with the channel in this state; `None` where it would pay.
pub(crate) fn skip_reason(
    voucher: &Voucher,
    payer: Option<Address>,
    payee: Address,
    state: &ChannelState,
) -> Option<SkipReason> {
    if payer.is_none() {
        return Some(SkipReason::BadSignature);
    }
    if voucher.payee != payee {
        return Some(SkipReason::OtherPayee);
    }
    if state.deposit == Wei::ZERO {
        return Some(SkipReason::NotOpen);
    }
    if voucher.epoch != state.epoch {
        return Some(SkipReason::WrongEpoch { open: state.epoch });
    }
    let stale = voucher.cumulative.min(state.deposit) <= state.claimed;
    stale.then_some(SkipReason::Stale { claimed: state.claimed })
}

/// The claims of a payee that the contract paid on, in order: the channel, and what is claimed of it after that one.
pub(crate) fn claims_paid(changes: &[Change], payee: Address) -> impl Iterator<Item = (ChannelId, Wei)> {
    let of_payee = changes.iter().filter_map(move |change| match change {
        Change::Claimed { payee: to, claimed } if *to == payee => Some(claimed),
        Change::Claimed { .. } | Change::Funded { .. } | Change::CloseRequested { .. } | Change::Closed { .. } => None,
    });
    of_payee.flatten().map(move |(payer, claimed)| (ChannelId { payer: *payer, payee }, *claimed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use golem_protocol::{ChainTime, CompactSignature};

    fn voucher(epoch: u32, cumulative: u128) -> Voucher {
        Voucher { payee: Address::repeat_byte(2), epoch, cumulative: Wei(cumulative) }
    }

    fn open(claimed: u128, deposit: u128) -> ChannelState {
        ChannelState { claimed: Wei(claimed), deposit: Wei(deposit), close_at: ChainTime(0), epoch: 3 }
    }

    #[test]
    fn packs_a_voucher_into_80_bytes() {
        let signed = Signed { document: voucher(0x01020304, 0x0a0b), signature: CompactSignature([7; 64]) };
        let mut packed = Vec::new();
        pack(&signed, &mut packed);
        assert_eq!(packed.len(), 80);
        assert_eq!(packed[..12], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0a, 0x0b]);
        assert_eq!(packed[12..16], [1, 2, 3, 4]);
        assert_eq!(packed[16..], [7; 64]);
    }

    #[test]
    fn says_why_a_voucher_pays_nothing() {
        let (payer, payee) = (Some(Address::repeat_byte(1)), Address::repeat_byte(2));
        let reason = |voucher: &Voucher, state| skip_reason(voucher, payer, payee, &state);
        assert_eq!(skip_reason(&voucher(3, 5), None, payee, &open(0, 9)), Some(SkipReason::BadSignature));
        let other = skip_reason(&voucher(3, 5), payer, Address::repeat_byte(9), &open(0, 9));
        assert_eq!(other, Some(SkipReason::OtherPayee));
        assert_eq!(reason(&voucher(3, 5), open(0, 0)), Some(SkipReason::NotOpen));
        assert_eq!(reason(&voucher(2, 5), open(0, 9)), Some(SkipReason::WrongEpoch { open: 3 }));
        assert_eq!(reason(&voucher(3, 5), open(5, 9)), Some(SkipReason::Stale { claimed: Wei(5) }));
        // The whole deposit is claimed: the voucher promises more and still pays nothing.
        assert_eq!(reason(&voucher(3, 12), open(9, 9)), Some(SkipReason::Stale { claimed: Wei(9) }));
        assert_eq!(reason(&voucher(3, 6), open(5, 9)), None);
    }
}
