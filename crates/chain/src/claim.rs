//! Claims of many vouchers: how they are packed, and what became of each.

use crate::abi::Change;
use crate::call::TxReceipt;
use golem_protocol::{Address, ChainRef, ChannelId, ChannelState, Document, Signed, Voucher, Wei};
use serde::{Deserialize, Serialize};

/// The bytes of one voucher in a claim.
pub(crate) const ENTRY_BYTES: usize = 80;
/// The most vouchers in one transaction, whatever gas allows: nodes pass on 128 KiB, and a KiB is left for the rest of it.
pub(crate) const ENTRIES_PER_CLAIM_MAX: usize = (127 * 1024) / ENTRY_BYTES;
/// How much of the gas that a transaction can use is filled, in percent. Reason: what a voucher costs can change a little
/// until it is mined, as when the payee's first tokens are on their way.
pub(crate) const GAS_FILLED_PERCENT: u64 = 97;
/// About what one voucher takes: where the search for how many fit begins. The trial runs decide, not this.
const ENTRY_GAS: u64 = 10_900;

/// Narrows down how many of a row of vouchers fit one transaction, by trying: the first trial is all of them, since that is
/// the usual answer, the next is what their gas suggests, then half of what is left.
#[derive(Debug)]
pub(crate) struct Fitting {
    /// So many are known to fit.
    fits: usize,
    /// So many are known not to fit.
    too_many: usize,
    gas: u64,
}

impl Fitting {
    /// For so many vouchers and so much gas.
    pub(crate) fn new(vouchers: usize, gas: u64) -> Fitting {
        Fitting { fits: 0, too_many: vouchers.min(ENTRIES_PER_CLAIM_MAX).saturating_add(1), gas }
    }

    /// How many to try, given how often it was tried; `None` once it is known how many fit.
    pub(crate) fn next(&self, trial: usize) -> Option<usize> {
        let most = self.too_many.saturating_sub(1);
        if most <= self.fits {
            return None;
        }
        let suggested = usize::try_from(self.gas / ENTRY_GAS).unwrap_or(usize::MAX);
        let wanted = match trial {
            0 => most,
            1 => suggested,
            _ => self.fits.saturating_add(most).saturating_add(1) / 2,
        };
        Some(wanted.clamp(self.fits.saturating_add(1), most))
    }

    /// What the trial of so many showed.
    pub(crate) fn tried(&mut self, vouchers: usize, did_fit: bool) {
        match did_fit {
            true => self.fits = self.fits.max(vouchers),
            false => self.too_many = self.too_many.min(vouchers),
        }
    }
}

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
    fn finds_how_many_fit_in_few_trials() {
        for (vouchers, room, gas) in [
            (1_000, 1_000, 16_000_000),
            (1_000, 915, 10_000_000),
            (1_000, 3, 100),
            (1, 0, 100),
            (7, 7, 1),
            (9_000, 1_500, 16_000_000),
        ] {
            let (mut fitting, mut trials) = (Fitting::new(vouchers, gas), 0);
            while let Some(count) = fitting.next(trials) {
                assert!(count > 0 && count <= vouchers);
                fitting.tried(count, count <= room);
                trials += 1;
            }
            assert_eq!(fitting.fits, room.min(vouchers));
            assert!(trials <= 14, "{trials}");
            // The usual case takes one.
            assert!(room < vouchers || trials == 1, "{trials}");
        }
        // More than nodes pass on are not tried.
        assert_eq!(Fitting::new(9_000, u64::MAX).next(0), Some(ENTRIES_PER_CLAIM_MAX));
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
