//! Choosing by chance, the same on every machine for the same random number.

use crate::ratio::{Ratio, exp_of_minus, mul_div};
use crate::requestor::Place;

/// Binary digits of a weight. Reason: 4,096 weights and a 64-bit random number multiply within 128 bits.
const WEIGHT_BITS: u32 = 40;

/// Draws the order without putting back, `p_j` proportional to `exp(-greed / score_j)`.
///
/// Offers whose weight is too small to be drawn keep their place by score at the end.
pub(crate) fn shuffle(ranked: &mut [Place], greed: Ratio, random: u64) {
    // Weights relative to the best one: the same chances, and at least one is not 0.
    let exponents: Vec<u128> = ranked.iter().map(|offer| exponent_q60(greed, offer.score)).collect();
    let least = exponents.iter().min().copied().unwrap_or(0);
    let mut weights: Vec<u128> =
        exponents.iter().map(|exponent| exp_of_minus(exponent - least) >> (60 - WEIGHT_BITS)).collect();
    let mut total: u128 = weights.iter().sum();
    for (offer, weight) in ranked.iter_mut().zip(&weights) {
        offer.probability = Ratio::of_rounded_down(*weight, total);
    }
    let mut draws = Draws(random);
    for place in 0..ranked.len() {
        if total == 0 {
            return;
        }
        let mut point = (draws.next() as u128 * total) >> 64;
        let drawn = weights.iter().enumerate().skip(place).find_map(|(index, weight)| {
            if point < *weight {
                return Some(index);
            }
            point -= weight;
            None
        });
        let Some(drawn) = drawn else { return };
        // Rotated, not swapped: those not drawn yet stay in the order of their scores.
        if let (Some(offers), Some(rest)) = (ranked.get_mut(place..=drawn), weights.get_mut(place..=drawn)) {
            offers.rotate_right(1);
            rest.rotate_right(1);
        }
        total -= weights.get(place).copied().unwrap_or(0);
    }
}

/// `greed / score` with 60 binary digits after the point.
fn exponent_q60(greed: Ratio, score: Ratio) -> u128 {
    mul_div((greed.parts() as u128) << 60, 1, score.parts() as u128).map_or(u128::MAX, |(quotient, _)| quotient)
}

/// A stream of numbers from one seed.
///
/// Source: SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
