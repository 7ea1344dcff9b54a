//! Exact fractions without floats: what prices and orders rest on comes out the same on every machine.

use core::fmt;
use serde::{Deserialize, Serialize};

/// Parts in one.
const ONE: u64 = 1_000_000_000;
/// One in the binary fixed point of [`exp_of_minus`].
const ONE_Q60: u128 = 1 << 60;
/// The natural logarithm of 2, times 2^60, rounded down.
const LN_2_Q60: u128 = 799_144_290_325_165_978;

/// A number from 0 to 1,000,000 in steps of one thousand-millionth.
///
/// Reason for not using a float: the order of offers and the price of work follow from these, and the rounding of
/// `exp` and of fused operations differs between machines.
/// Shape: on the wire and in a store a count of 1e-9 parts; in JSON a number such as `0.9275`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ratio(u64);

impl Ratio {
    /// Nothing.
    pub const ZERO: Ratio = Ratio(0);
    /// One.
    pub const ONE: Ratio = Ratio(ONE);
    /// The largest value; larger results are held at it.
    pub const MAX: Ratio = Ratio(1_000_000 * ONE);

    /// That many thousand-millionths, held at [`Ratio::MAX`].
    pub const fn from_parts(parts: u64) -> Ratio {
        if parts > Ratio::MAX.0 { Ratio::MAX } else { Ratio(parts) }
    }

    /// The value in thousand-millionths.
    pub const fn parts(self) -> u64 {
        self.0
    }

    /// `numerator / denominator` rounded down; held at [`Ratio::MAX`], which is also the answer for a denominator of 0.
    pub fn of_rounded_down(numerator: u128, denominator: u128) -> Ratio {
        // Divisions of 64 bits take a fraction of the time, and most come out with them.
        if let (Ok(numerator), Ok(denominator)) = (u64::try_from(numerator), u64::try_from(denominator))
            && let Some(product) = numerator.checked_mul(ONE)
        {
            return product.checked_div(denominator).map_or(Ratio::MAX, Ratio::from_parts);
        }
        let parts = mul_div(numerator, ONE as u128, denominator).map_or(u128::MAX, |(quotient, _)| quotient);
        Ratio::from_parts(u64::try_from(parts).unwrap_or(u64::MAX))
    }

    /// The product, rounded down.
    pub fn times_rounded_down(self, other: Ratio) -> Ratio {
        if let Some(product) = self.0.checked_mul(other.0) {
            return Ratio::from_parts(product / ONE);
        }
        let parts = self.0 as u128 * other.0 as u128 / ONE as u128;
        Ratio::from_parts(u64::try_from(parts).unwrap_or(u64::MAX))
    }

    /// The sum.
    pub fn plus(self, other: Ratio) -> Ratio {
        Ratio::from_parts(self.0.saturating_add(other.0))
    }

    /// The difference, or zero where it would be negative.
    pub fn minus(self, other: Ratio) -> Ratio {
        Ratio(self.0.saturating_sub(other.0))
    }

    /// `self * exp(-rate_per_s * dt_ms / 1000)`, rounded to the nearest part.
    pub fn decayed(self, rate_per_s: Ratio, dt_ms: u64) -> Ratio {
        let factor = exp_of_minus(exponent_q60(rate_per_s, dt_ms));
        // A ratio has 50 bits and the factor 61: the product fits.
        let parts = (self.0 as u128 * factor + ONE_Q60 / 2) >> 60;
        Ratio::from_parts(u64::try_from(parts).unwrap_or(u64::MAX))
    }

    /// `self * exp(rate_per_s * dt_ms / 1000)`, rounded to the nearest part.
    pub fn grown(self, rate_per_s: Ratio, dt_ms: u64) -> Ratio {
        let factor = exp_of_minus(exponent_q60(rate_per_s, dt_ms));
        if factor == 0 {
            return if self.0 == 0 { self } else { Ratio::MAX };
        }
        let parts = ((self.0 as u128) << 60).saturating_add(factor / 2) / factor;
        Ratio::from_parts(u64::try_from(parts).unwrap_or(u64::MAX))
    }

    /// The nearest float, for people and JSON; nothing is decided by it.
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / ONE as f64
    }

    /// The ratio nearest to a float.
    ///
    /// Errors: `NotARatio` for what is negative, above [`Ratio::MAX`] or not a number.
    pub fn from_f64(value: f64) -> Result<Ratio, NotARatio> {
        if !(0.0..=Ratio::MAX.to_f64()).contains(&value) {
            return Err(NotARatio(value));
        }
        Ok(Ratio::from_parts((value * ONE as f64).round() as u64))
    }
}

/// A number that is no ratio.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{0} is not a number between 0 and 1000000")]
pub struct NotARatio(pub f64);

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / ONE, self.0 % ONE);
        if part == 0 {
            return f.pad(&whole.to_string());
        }
        f.pad(format!("{whole}.{part:09}").trim_end_matches('0'))
    }
}

impl Serialize for Ratio {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        // Up to 1e6 with nine decimals a float holds every ratio apart, so JSON gives back the same one.
        if s.is_human_readable() { s.serialize_f64(self.to_f64()) } else { s.serialize_u64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        if d.is_human_readable() {
            return Ratio::from_f64(f64::deserialize(d)?).map_err(D::Error::custom);
        }
        let parts = u64::deserialize(d)?;
        if parts > Ratio::MAX.0 {
            return Err(D::Error::custom("a ratio above 1000000"));
        }
        Ok(Ratio(parts))
    }
}

/// `floor(a * b / divisor)` and whether something was cut off, with no intermediate overflow.
///
/// `None` where the quotient does not fit, the divisor is 0, or `b` or the divisor has more than 108 bits.
pub(crate) fn mul_div(a: u128, b: u128, divisor: u128) -> Option<(u128, bool)> {
    const LIMB_BITS: u32 = 16;
    const WIDE: u128 = 1 << (124 - LIMB_BITS);
    if divisor == 0 || divisor > WIDE || b > WIDE {
        return None;
    }
    if let Some(product) = a.checked_mul(b) {
        // One division and not two: 128 bits by 128 are a call.
        let quotient = product / divisor;
        return Some((quotient, quotient * divisor != product));
    }
    // Long division, 16 bits of `a` at a time from the top: rest and product stay below 2^125.
    let (mut quotient, mut rest) = (0u128, 0u128);
    for limb in (0..128 / LIMB_BITS).rev() {
        let digit = (a >> (limb * LIMB_BITS)) & ((1 << LIMB_BITS) - 1);
        let part = (rest << LIMB_BITS) + digit * b;
        quotient = quotient.checked_mul(1 << LIMB_BITS)?.checked_add(part / divisor)?;
        rest = part % divisor;
    }
    Some((quotient, rest != 0))
}

/// `rate * dt` as an exponent with 60 binary digits after the point, held at the largest.
fn exponent_q60(rate_per_s: Ratio, dt_ms: u64) -> u128 {
    mul_div(ONE_Q60 * rate_per_s.0 as u128, dt_ms as u128, ONE as u128 * 1000).map_or(u128::MAX, |(q60, _)| q60)
}

/// `exp(-x)` for `x` with 60 binary digits after the point; so has the result, from 0 to 1.
///
/// Reason: `f64::exp` is the C library's, which differs between systems in the last bit.
pub(crate) fn exp_of_minus(x_q60: u128) -> u128 {
    let halvings = x_q60 / LN_2_Q60;
    if halvings > 60 {
        return 0;
    }
    // Below 2^60, so that divisions are of 64 bits.
    let rest = (x_q60 % LN_2_Q60) as u64;
    // The series of exp(-rest), rest < 0.7: after 24 terms, or the first that is 0, what is left is below 2^-60.
    let (mut term, mut plus, mut minus) = (ONE_Q60 as u64, ONE_Q60 as u64, 0u64);
    for n in 1..=24u64 {
        term = ((u128::from(term) * u128::from(rest)) >> 60) as u64 / n;
        if term == 0 {
            break;
        }
        if n.is_multiple_of(2) { plus += term } else { minus += term }
    }
    u128::from(plus.saturating_sub(minus)) >> halvings
}
