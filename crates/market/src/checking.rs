//! How often a provider's results have to be checked so that a wrong one does not pay.
//!
//! Start with [`check_ppm`]. A wrong result brings its value `v` where nobody looks, and costs the stake `s` where
//! somebody does. Checked at the rate `p` it is expected to bring `(1 - p) * v - p * s`, which is no gain from
//! `p = v / (v + s)` on.
//!
//! More wrong results at once are worth less than one, as long as a single one that is caught has all others looked at
//! that are not paid yet: then `k` of them bring `q^k * (k * v + s) - s` with `q = 1 - p`, and each further one changes
//! that by `-q^k * p * k * v`. Whoever uses these rates has to do so.

use crate::ratio::mul_div;
use golem_protocol::Wei;
use golem_protocol::units::WEI_MAX;

/// All of them, in parts per million.
pub const PPM: u32 = 1_000_000;
/// The share of what a provider was paid of late that its standing is worth to it, in parts per million.
///
/// Reason: it is caught once and has no more work from this requestor, so it loses what such work leaves it above its
/// costs. Sellers by our rules start with a fifth above them; a tenth is what is taken here, since a margin falls where
/// there are many sellers, and a rate that is too high costs a check while one that is too low costs a wrong result.
pub const STANDING_PPM: u32 = 100_000;
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

/// The smallest share of results to check, in parts per million, at which a wrong one of this value has no positive
/// expected gain: `(1 - p) * value <= p * stake`. Rounded up, never below `floor_ppm` and never 0; everything of a
/// provider that has nothing to lose.
pub fn check_ppm(value: Wei, stake: Wei, floor_ppm: u32) -> u32 {
    let (value, stake) = (value.0.min(WEI_MAX), stake.0.min(WEI_MAX));
    if stake == 0 {
        return PPM;
    }
    // 96 bits times 20 bits, and a sum of 97 bits.
    let least = (value * u128::from(PPM)).div_ceil(value + stake);
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
