//! Paths, and what they add up to.

use crate::market::{Contract, Kind};
use crate::normal::quantile;
use crate::random::Random;

/// How many samples there were, their mean, and the sum of the squares of their distances from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sums {
    pub count: u64,
    pub mean: f64,
    pub squares: f64,
}

impl Sums {
    /// Takes in others, in the order given.
    ///
    /// Source: T. Chan, G. Golub and R. LeVeque, "Updating formulae and a pairwise algorithm for computing sample
    /// variances", 1979: no difference of large sums.
    pub fn add(&mut self, other: &Sums) {
        let (own, more) = (self.count as f64, other.count as f64);
        let apart = other.mean - self.mean;
        self.mean += apart * more / (own + more);
        self.squares += other.squares + apart * apart * own * more / (own + more);
        self.count += other.count;
    }

    /// The standard error of the mean.
    pub fn standard_error(&self) -> f64 {
        (self.squares / (self.count as f64 - 1.0) / self.count as f64).sqrt()
    }
}

/// Samples of an option's discounted payoff. Each is the mean of a path's and its mirror image's.
pub fn run(contract: &Contract, samples: u64, seed: u64, stream: u64) -> Sums {
    let mut random = Random::new(seed, stream);
    let discount = (-contract.rate * contract.years).exp();
    let mut sums = Sums { count: 0, mean: 0.0, squares: 0.0 };
    let mut drawn = vec![0.0; steps(contract.kind)];
    for _ in 0..samples {
        drawn.iter_mut().for_each(|z| *z = quantile(random.unit()));
        let sample = (payoff(contract, &drawn, 1.0) + payoff(contract, &drawn, -1.0)) * discount / 2.0;
        sums.count += 1;
        let apart = sample - sums.mean;
        sums.mean += apart / sums.count as f64;
        sums.squares += apart * (sample - sums.mean);
    }
    sums
}

/// How often a path is looked at.
fn steps(kind: Kind) -> usize {
    match kind {
        // Of what lies between two looks at a barrier the bridge knows all.
        Kind::European | Kind::Barrier { .. } => 1,
        Kind::Asian { dates } | Kind::GeometricAsian { dates } => dates as usize,
    }
}

/// What one path pays at expiry; `side` is -1 for the mirror image.
fn payoff(c: &Contract, drawn: &[f64], side: f64) -> f64 {
    let step = c.years / drawn.len() as f64;
    let drift = (c.rate - c.dividend - c.volatility * c.volatility / 2.0) * step;
    let (start, wide) = (c.spot.ln(), side * c.volatility * step.sqrt());
    let mut at = start;
    let mut log_at_next = |z: &f64| {
        at += drift + wide * z;
        at
    };
    let dates = drawn.len() as f64;
    match c.kind {
        Kind::European => c.right.payoff(drawn.iter().map(log_at_next).sum::<f64>().exp(), c.strike),
        Kind::Asian { .. } => {
            let sum: f64 = drawn.iter().map(|z| log_at_next(z).exp()).sum();
            c.right.payoff(sum / dates, c.strike)
        }
        Kind::GeometricAsian { .. } => {
            let sum: f64 = drawn.iter().map(log_at_next).sum();
            c.right.payoff((sum / dates).exp(), c.strike)
        }
        Kind::Barrier { level, knocks_in, .. } => {
            let end: f64 = drawn.iter().map(&mut log_at_next).sum();
            let (from, to) = (level.ln() - start, level.ln() - end);
            // The chance that a Brownian path with these ends has been at the level in between. Source: P. Glasserman,
            // "Monte Carlo methods in financial engineering", 6.4.
            let touched =
                if from * to <= 0.0 { 1.0 } else { (-2.0 * from * to / (c.volatility * c.volatility * c.years)).exp() };
            c.right.payoff(end.exp(), c.strike) * if knocks_in { touched } else { 1.0 - touched }
        }
    }
}
