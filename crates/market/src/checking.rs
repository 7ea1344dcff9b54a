//! How often a provider's results have to be checked so that a wrong one does not pay.
//!
//! Start with [`check_ppm`]. A wrong result brings its value `v` where nobody looks, and costs the stake `s` where
//! somebody does. Checked at the rate `p` it is expected to bring `(1 - p) * v - p * s`: nothing at `p = v / (v + s)`,
//! and a loss of `l * v` at `p = (1 + l) * v / (v + s)`, which is the rate here, with [`LOSS_PPM`] for `l`.
//!
//! More wrong results at once are worth less than one, as long as a single one that is caught has all others looked at
//! that are not paid yet: then `k` of them bring `q^k * (k * v + s) - s` with `q = 1 - p`, and each further one changes
//! that by `-q^k * p * k * v`. Whoever uses these rates has to do so.

use crate::ratio::mul_div;
use golem_protocol::Wei;
use golem_protocol::units::{WEI_MAX, WEI_PER_GNT};
use serde::{Deserialize, Serialize};

/// All of them, in parts per million.
pub const PPM: u32 = 1_000_000;
/// The share of what a provider was paid of late that its standing is worth to it, in parts per million.
///
/// Reason: it is caught once and has no more work from this requestor, so it loses what such work leaves it above its
/// costs. Sellers by our rules start with a fifth above them; a tenth is what is taken here, since a margin falls where
/// there are many sellers, and a rate that is too high costs a check while one that is too low costs a wrong result.
pub const STANDING_PPM: u32 = 100_000;
/// What a wrong result is expected to lose at least whoever gives it and has that much at stake, as a share of what it is
/// paid, in parts per million.
///
/// Reason: at a gain of exactly 0 a cheat loses nothing by trying, and the stake is an estimate. A twentieth costs a
/// twentieth more checks.
pub const LOSS_PPM: u32 = 50_000;
/// Over how many subtasks what was paid is remembered. Reason: what a provider was paid stands for what it can expect;
/// beyond the next few hundred subtasks nobody knows that there will be any.
pub const MEMORY_SUBTASKS: u64 = 400;

/// What a provider was paid of late, after one more subtask: each keeps all but one part in [`MEMORY_SUBTASKS`] of what
/// was before. Rounded down.
pub fn remembered(before: Wei, paid: Wei) -> Wei {
    let forgotten = before.0.div_ceil(u128::from(MEMORY_SUBTASKS));
    before.saturating_sub(Wei(forgotten)).saturating_add(paid)
}

/// What a provider stands to lose with a requestor when it is caught: its standing, as [`STANDING_PPM`] of what it was
/// paid and is [`remembered`], and what is not paid yet, which it will not get. Rounded down.
///
/// A provider that means to leave has no standing to lose, and one that has just been paid nothing unpaid: what is
/// shown is the stake of one that means to stay.
pub fn stake(paid: Wei, unpaid: Wei) -> Wei {
    let standing = mul_div(paid.0.min(WEI_MAX), u128::from(STANDING_PPM), u128::from(PPM)).map_or(0, |(wei, _)| wei);
    Wei(standing).saturating_add(unpaid)
}

/// The smallest share of results to check, in parts per million, at which a wrong one of this value is expected to lose
/// [`LOSS_PPM`] of it: `(1 - p) * value - p * stake <= -LOSS_PPM * value`. Rounded up, never below `floor_ppm` and never
/// 0; everything of a provider that has less than that at stake, which then loses what it has.
pub fn check_ppm(value: Wei, stake: Wei, floor_ppm: u32) -> u32 {
    let (value, stake) = (value.0.min(WEI_MAX), stake.0.min(WEI_MAX));
    if stake == 0 {
        return PPM;
    }
    // 96 bits times 21 bits, and a sum of 97 bits.
    let least = (value * u128::from(PPM + LOSS_PPM)).div_ceil(value + stake);
    u32::try_from(least).unwrap_or(PPM).max(floor_ppm).clamp(1, PPM)
}

/// What one wrong result of this value is expected to bring whoever gives it, in wei, where this share of its results is
/// checked; below 0 it loses. Rounded up, so that what is shown as no gain is none.
pub fn expected_gain(value: Wei, stake: Wei, ppm: u32) -> i128 {
    let ppm = i128::from(ppm.min(PPM));
    let bounded = |wei: Wei| i128::try_from(wei.0.min(WEI_MAX)).unwrap_or(i128::MAX);
    // 96 bits times 20 bits.
    let gain = (i128::from(PPM) - ppm) * bounded(value) - ppm * bounded(stake);
    -(-gain).div_euclid(i128::from(PPM))
}

/// How often a provider's results are checked where a task asks for as much as it takes, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRate {
    /// What one result is paid, in wei.
    pub value_wei: Wei,
    /// What the provider stands to lose, in wei.
    pub stake_wei: Wei,
    /// The share that is checked, in parts per million.
    pub check_ppm: u32,
    /// What one wrong result is expected to bring it, in wei as a decimal string; below 0 it loses.
    #[serde(with = "decimal")]
    pub wrong_result_gain_wei: i128,
}

impl CheckRate {
    /// The rate for this value and stake.
    pub fn new(value: Wei, stake: Wei, check_ppm: u32) -> CheckRate {
        let wrong_result_gain_wei = expected_gain(value, stake, check_ppm);
        CheckRate { value_wei: value, stake_wei: stake, check_ppm, wrong_result_gain_wei }
    }
}

impl core::fmt::Display for CheckRate {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (percent, rest) = (self.check_ppm / 10_000, self.check_ppm % 10_000);
        let gain = self.wrong_result_gain_wei;
        let stake = short(self.stake_wei);
        write!(f, "{percent}.{:02} % checked; it stands to lose {stake}, and a wrong result ", rest / 100)?;
        match (gain, short(Wei(gain.unsigned_abs()))) {
            (..=0, amount) => write!(f, "costs it {amount} on average"),
            (_, amount) => write!(f, "brings it {amount} on average"),
        }
    }
}

/// An amount of GNT with six decimals, rounded down: enough to compare.
fn short(amount: Wei) -> String {
    format!("{}.{:06} GNT", amount.0 / WEI_PER_GNT, amount.0 % WEI_PER_GNT / 1_000_000_000_000)
}

/// A signed amount as a decimal string: a number of JSON holds it not.
mod decimal {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &i128, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<i128, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}
