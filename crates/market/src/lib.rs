//! The tender: what a provider asks, whom a requestor chooses, and what each remembers of the other.
//!
//! Start with [`ProviderMarket::quote`] and [`RequestorMarket::rank`].
//!
//! ```text
//! header --> ProviderMarket::quote --> offer --> RequestorMarket::rank --> agreement
//!                 ^                                   ^
//!   assigned, completed, released, paid,        outcome of each subtask
//!   busy and idle time
//! ```
//!
//! Everything is computed in integers: money in wei with the rounding in the function's name, the rest in [`Ratio`].
//! Equal inputs give equal prices and the same order on every machine, and there is no NaN. State is plain data that
//! survives a restart; every list in it has a bound.
//!
//! This crate never decides what is legal next in a deal, never reads a clock, draws no random number and does no I/O.

pub mod access;
mod book;
pub mod checking;
mod choice;
pub mod explain;
pub mod policy;
pub mod promises;
pub mod proof;
pub mod provider;
pub mod ratio;
pub mod requestor;
pub mod speed;
mod standing;
mod strangers;
#[cfg(test)]
mod tests;
pub mod trust;
pub mod usage;

pub use access::{AccessEntry, AccessError, AccessLists, DefaultAccess, Expiry};
pub use book::{Book, Peers};
pub use checking::{CheckRate, check_ppm, expected_gain, stake};
pub use policy::{Lot, PolicyError, ProviderMarketPolicy, RequestorMarketPolicy, standings_in};
pub use promises::{Delivered, Overstated, Promises, TimedResult};
pub use proof::{Claim, Proofs, Unheard};
pub use provider::{
    Activity, ProviderMarket, ProviderSettings, ProviderState, Quote, RELEASES, Release, RequestorRecord,
    SettingsError, Unpaid,
};
pub use ratio::{NotARatio, Ratio};
pub use requestor::{
    Choice, Dear, Held, Judged, Maxima, OfferTerms, Order, Outcome, Place, ProviderRecord, Ranked, Ranking,
    RequestorMarket, RequestorSettings, Score, WaitReason, Waited, Waits,
};
pub use speed::{ProgramSpeed, Speeds};
pub use standing::{ProgramStanding, Standing};

pub use trust::{Efficacy, Numbers};
pub use usage::{UsageFactors, UsedTime};

use golem_protocol::{Header, Pricing, Wei};
use serde::{Deserialize, Serialize};

/// The most peers remembered on either side. Reason: about 1 MB of state; identities are cheap to make, memory is not.
pub const PEERS_MAX: usize = 10_000;
/// How much of the past stays with each new subtask: the `psi` of the formulas, where nothing else is set.
pub const PSI: Ratio = Ratio::from_parts(900_000_000);
/// The least efficiency remembered. Reason: a price is divided by it.
pub const EFFICIENCY_MIN: Ratio = Ratio::from_parts(1_000_000);
/// The largest efficiency remembered, and the most that one subtask counts for. Reason: a computation of a millisecond
/// under a timeout of a day must not outweigh everything that comes after it.
pub const EFFICIENCY_MAX: Ratio = Ratio::from_parts(100_000_000_000);

/// Which rules a side asks and chooses by. `docs/ECONOMY.md` compares them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rules {
    /// Those of the published tender: a provider's price follows its thirst for work, a requestor takes the best score.
    Published,
    /// Ours. A provider asks what the work costs it and a margin that it learns from which of its offers are taken. A
    /// requestor takes the least expected cost, waits a while for prices such as it paid before, and bounds the share
    /// of its work that goes to those it has reason to doubt.
    #[default]
    Golem,
}

/// What machines are measured by where a header of metered work takes any, in fuel per second. Reason: it is about what they do,
/// and the same for all offers, so that an hour of one that does half as much is worth half.
const METERED_PERF: u64 = 1_000_000_000;

/// The most efficiency that is taken on somebody's word: a provider's own benchmark, or what a header says of its work.
pub const EFFICIENCY_CLAIMED_MAX: Ratio = Ratio::from_parts(4_000_000_000);

/// What of a header the market looks at.
///
/// Units: wei per hour of one slot, fuel per second, seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderTerms {
    /// No offer above this is considered.
    pub max_price: Wei,
    /// No offer of a slower machine is considered; 0 where any will do.
    pub min_perf: u64,
    /// How long a subtask may take.
    pub subtask_timeout_s: u32,
    /// What is paid for.
    pub pricing: Pricing,
}

impl From<&Header> for HeaderTerms {
    fn from(header: &Header) -> HeaderTerms {
        HeaderTerms {
            max_price: header.max_price,
            min_perf: header.min_perf,
            subtask_timeout_s: header.subtask_timeout_s,
            pricing: header.pricing,
        }
    }
}

/// A fact about state that must always hold and does not. Reason to stop: the state was damaged or the code is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the market's state is damaged: {0}")]
pub struct Violation(pub String);

/// `performance / min_perf`, 1 where `min_perf` is 0: what a machine's efficiency is taken for before it has worked.
pub fn efficiency_at_start(performance: u64, min_perf: u64) -> Ratio {
    if min_perf == 0 {
        return Ratio::ONE;
    }
    Ratio::of_rounded_down(performance as u128, min_perf as u128).clamp(EFFICIENCY_MIN, EFFICIENCY_MAX)
}

/// How many times as much metered work a machine does in an hour as the slowest one that is taken, or, where any is taken, as
/// one of [`METERED_PERF`].
pub(crate) fn metered_speed(performance: u64, min_perf: u64) -> Ratio {
    efficiency_at_start(performance, if min_perf == 0 { METERED_PERF } else { min_perf })
}

impl Rules {
    /// What a machine's efficiency `R` is after one more subtask, within its bounds. By the published rules
    /// `psi * R + (1 - psi) * seen`, with `seen = subtask_timeout / computation_time`. By ours the same of its inverse, the
    /// share of the timeout that the work takes: that is what costs, and many quick subtasks do not hide a slow one.
    pub(crate) fn efficiency_after(self, efficiency: Ratio, seen: Ratio, psi: Ratio) -> Ratio {
        let rest = Ratio::ONE.minus(psi);
        let after = match self {
            Rules::Published => efficiency.times_rounded_down(psi).plus(seen.times_rounded_down(rest)),
            Rules::Golem => {
                let (before, seen) = (u128::from(efficiency.parts()), u128::from(seen.parts()));
                // No efficiency has more than 37 bits, and no share more than 30.
                let weights = u128::from(psi.parts()) * seen + u128::from(rest.parts()) * before;
                Ratio::of_rounded_down(before * seen, weights.max(1))
            }
        };
        after.clamp(EFFICIENCY_MIN, EFFICIENCY_MAX)
    }
}

/// `subtask_timeout / computation_time`, of one subtask.
pub(crate) fn efficiency_seen(subtask_timeout_s: u32, computation_ms: u64) -> Ratio {
    // A clock that saw no time pass is taken for its smallest step.
    Ratio::of_rounded_down(subtask_timeout_s as u128 * 1000, computation_ms.max(1) as u128).min(EFFICIENCY_MAX)
}
