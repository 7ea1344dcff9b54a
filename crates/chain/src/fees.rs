//! What a transaction offers per gas (EIP-1559), and how it offers more when it is stuck.

use crate::error::ChainError;
use golem_protocol::ChainTime;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The most gas of one transaction (EIP-7825): 2^24.
pub const TX_GAS_MAX: u64 = 1 << 24;

/// An offer per gas, in wei of ether.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fees {
    /// The most in all.
    pub max_fee: u64,
    /// What of it goes to the block's producer.
    pub max_priority_fee: u64,
}

impl Fees {
    /// An offer that stays good while the base fee doubles, which takes at least six full blocks.
    ///
    /// Errors: `FeeAboveLimit` where not even the present base fee and the tip are within the limit.
    pub(crate) fn first(base_fee: u64, tip: u64, limit: u64) -> Result<Fees, ChainError> {
        let asked = base_fee.saturating_add(tip);
        if asked > limit {
            return Err(ChainError::FeeAboveLimit { asked, allowed: limit });
        }
        Ok(Fees { max_fee: base_fee.saturating_mul(2).saturating_add(tip).min(limit), max_priority_fee: tip })
    }

    /// The next offer for the same nonce: enough for today, and at least an eighth above this one, since nodes take a
    /// replacement only for a tenth more of both.
    ///
    /// Errors: `FeeAboveLimit`.
    pub(crate) fn raised(self, base_fee: u64, tip: u64, limit: u64) -> Result<Fees, ChainError> {
        let eighth_more = |fee: u64| fee.saturating_add(fee.div_ceil(8)).saturating_add(1);
        let max_priority_fee = eighth_more(self.max_priority_fee).max(tip);
        let least = eighth_more(self.max_fee).max(base_fee.saturating_add(max_priority_fee));
        if least > limit {
            return Err(ChainError::FeeAboveLimit { asked: least, allowed: limit });
        }
        let max_fee = least.max(base_fee.saturating_mul(2).saturating_add(max_priority_fee)).min(limit);
        Ok(Fees { max_fee, max_priority_fee })
    }
}

/// How much it matters that transactions are mined soon, by the chain's own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Haste {
    /// Nothing is lost by waiting.
    Usual,
    /// Less than [`SOON_S`] is left: the tip is doubled, and raised twice as soon.
    Soon,
    /// Less than [`LAST_S`] is left, or it is over and what is late may still count: the tip is eight times what is usual
    /// and raised block by block.
    Last,
}

/// An hour: what the default of a provider calls the time that a claim may need.
const SOON_S: u64 = 3_600;
/// A quarter of an hour is 75 blocks of the main chain: time for every version that a transaction may have.
const LAST_S: u64 = 900;

impl Haste {
    /// How much haste there is with something due at `due`; 0 is never.
    pub(crate) fn of(due: ChainTime, now: ChainTime) -> Haste {
        match due.saturating_sub(now) {
            _ if due.0 == 0 => Haste::Usual,
            left if left >= SOON_S => Haste::Usual,
            left if left >= LAST_S => Haste::Soon,
            _ => Haste::Last,
        }
    }

    fn times(self) -> u32 {
        match self {
            Haste::Usual => 1,
            Haste::Soon => 2,
            Haste::Last => 8,
        }
    }

    /// The tip to offer where this one is usual.
    pub(crate) fn tip(self, usual: u64) -> u64 {
        usual.saturating_mul(u64::from(self.times()))
    }

    /// After how long, and after how many blocks, a transaction counts as stuck.
    pub(crate) fn stuck_after(self, usual: Duration, usual_blocks: u64) -> (Duration, u64) {
        (usual / self.times(), (usual_blocks / u64::from(self.times())).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GWEI: u64 = 1_000_000_000;

    #[test]
    fn refuses_a_chain_dearer_than_the_limit() {
        let refused = Fees::first(10 * GWEI, GWEI, 10 * GWEI);
        assert_eq!(refused, Err(ChainError::FeeAboveLimit { asked: 11 * GWEI, allowed: 10 * GWEI }));
    }

    #[test]
    fn hurries_more_the_nearer_the_time_is() {
        let haste = |left: u64| Haste::of(ChainTime(100_000), ChainTime(100_000 - left));
        assert_eq!(Haste::of(ChainTime(0), ChainTime(100_000)), Haste::Usual);
        assert_eq!(
            (haste(3_600), haste(3_599), haste(900), haste(899)),
            (Haste::Usual, Haste::Soon, Haste::Soon, Haste::Last)
        );
        assert_eq!(Haste::of(ChainTime(100_000), ChainTime(200_000)), Haste::Last, "what is late may still count");
        assert_eq!([Haste::Usual, Haste::Soon, Haste::Last].map(|haste| haste.tip(GWEI)), [GWEI, 2 * GWEI, 8 * GWEI]);
        assert_eq!(Haste::Last.tip(u64::MAX), u64::MAX);
        let minute = Duration::from_secs(60);
        assert_eq!(Haste::Soon.stuck_after(minute, 4), (minute / 2, 2));
        assert_eq!(Haste::Last.stuck_after(minute, 4), (minute / 8, 1));
    }

    #[test]
    fn holds_the_offer_at_the_limit() {
        let fees = Fees::first(10 * GWEI, GWEI, 15 * GWEI).unwrap();
        assert_eq!(fees, Fees { max_fee: 15 * GWEI, max_priority_fee: GWEI });
        assert!(matches!(fees.raised(10 * GWEI, GWEI, 15 * GWEI), Err(ChainError::FeeAboveLimit { .. })));
    }

    #[test]
    fn raises_both_by_more_than_a_tenth_from_any_start() {
        for (max_fee, max_priority_fee) in [(1, 0), (9, 1), (1_875_000_000, GWEI), (u64::MAX / 8, u64::MAX / 16)] {
            let fees = Fees { max_fee, max_priority_fee };
            let raised = fees.raised(0, 0, u64::MAX).unwrap();
            assert!(u128::from(raised.max_fee) * 10 > u128::from(max_fee) * 11, "{raised:?}");
            assert!(u128::from(raised.max_priority_fee) * 10 > u128::from(max_priority_fee) * 11, "{raised:?}");
            assert!(raised.max_fee >= raised.max_priority_fee);
        }
    }

    #[test]
    fn follows_a_base_fee_that_ran_away() {
        let fees = Fees { max_fee: 2 * GWEI, max_priority_fee: GWEI };
        let raised = fees.raised(100 * GWEI, GWEI, 500 * GWEI).unwrap();
        assert!(raised.max_fee > 200 * GWEI);
    }
}
