//! Claims of many vouchers: how they are packed, and what became of each.

use crate::abi::Change;
use crate::call::TxReceipt;
use golem_protocol::{Address, ChainRef, ChannelId, ChannelState, Document, Signed, Voucher, Wei};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Vouchers in one transaction: at about 11,000 gas each they stay below the gas of one transaction, and at 80 bytes
/// each below the 128 KiB that nodes pass on.
pub(crate) const ENTRIES_PER_CLAIM_MAX: usize = 1_000;

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimReport {
    /// What the payee got, all together; exactly what the events say.
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

/// What is claimed of each channel after these changes, and what was paid in all.
pub(crate) fn claimed_by_changes(changes: &[Change], payee: Address) -> (Wei, BTreeMap<ChannelId, Wei>) {
    let mut paid_in_all = Wei::ZERO;
    let mut claimed_now = BTreeMap::new();
    for change in changes {
        if let Change::Claimed { payee: to, paid, claimed } = change
            && *to == payee
        {
            paid_in_all = paid_in_all.saturating_add(*paid);
            claimed_now.extend(claimed.iter().map(|(payer, sum)| (ChannelId { payer: *payer, payee }, *sum)));
        }
    }
    (paid_in_all, claimed_now)
}
