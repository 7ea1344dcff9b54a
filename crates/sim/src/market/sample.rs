//! Numbers drawn from distributions, the same on every machine: the platform's `exp` and `ln` are not used.

use crate::stream::Draw;
use serde::{Deserialize, Serialize};

/// How often a bell is drawn again until its smallest value is taken.
const REDRAWS_MAX: u32 = 1_000;

/// Numbers drawn at random.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Distribution {
    /// Always this.
    Fixed(f64),
    /// One of these.
    Choice {
        /// The numbers.
        values: Vec<f64>,
        /// How likely each is, relative to the others; absent: all alike.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        weights: Vec<f64>,
    },
    /// Anything between.
    Uniform {
        /// The least.
        min: f64,
        /// The most.
        max: f64,
    },
    /// The bell curve; what falls below `min` is drawn again.
    Normal {
        /// The mean of the whole bell.
        mean: f64,
        /// The standard deviation of the whole bell.
        deviation: f64,
        /// Where it is cut.
        min: f64,
    },
    /// Its logarithm is a bell curve.
    Lognormal {
        /// Half is below this.
        median: f64,
        /// The standard deviation of the logarithm.
        sigma: f64,
    },
    /// Waiting times.
    Exponential {
        /// The mean.
        mean: f64,
    },
}

impl Distribution {
    /// A number of this distribution.
    pub fn draw(&self, stream: &mut impl Draw) -> f64 {
        match self {
            Distribution::Fixed(value) => *value,
            Distribution::Choice { values, weights } => {
                let total: f64 = if weights.is_empty() { values.len() as f64 } else { weights.iter().sum() };
                let mut point = stream.unit() * total;
                for (index, value) in values.iter().enumerate() {
                    let weight = weights.get(index).copied().unwrap_or(1.0);
                    if point < weight {
                        return *value;
                    }
                    point -= weight;
                }
                values.last().copied().unwrap_or(0.0)
            }
            Distribution::Uniform { min, max } => min + (max - min) * stream.unit(),
            Distribution::Normal { mean, deviation, min } => {
                (0..REDRAWS_MAX).map(|_| mean + deviation * stream.normal()).find(|value| value >= min).unwrap_or(*min)
            }
            Distribution::Lognormal { median, sigma } => median * libm::exp(sigma * stream.normal()),
            Distribution::Exponential { mean } => stream.exponential(*mean),
        }
    }

    /// The mean.
    pub fn mean(&self) -> f64 {
        match self {
            Distribution::Fixed(value) => *value,
            Distribution::Choice { values, weights } if weights.is_empty() => {
                values.iter().sum::<f64>() / values.len().max(1) as f64
            }
            Distribution::Choice { values, weights } => {
                let total: f64 = weights.iter().sum();
                values.iter().zip(weights).map(|(value, weight)| value * weight).sum::<f64>() / total
            }
            Distribution::Uniform { min, max } => (min + max) / 2.0,
            Distribution::Normal { mean, deviation, min } => cut_mean(*mean, *deviation, *min),
            Distribution::Lognormal { median, sigma } => median * libm::exp(sigma * sigma / 2.0),
            Distribution::Exponential { mean } => *mean,
        }
    }
}

/// The mean of a bell of which only what is above `min` is left.
fn cut_mean(mean: f64, deviation: f64, min: f64) -> f64 {
    if deviation == 0.0 {
        return mean;
    }
    let from = (min - mean) / deviation;
    let density = libm::exp(-from * from / 2.0) / libm::sqrt(2.0 * std::f64::consts::PI);
    let left = 0.5 * libm::erfc(from / std::f64::consts::SQRT_2);
    mean + deviation * density / left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Stream;

    fn mean_of(distribution: &Distribution) -> f64 {
        let mut stream = Stream::new(1, 2, 3);
        (0..200_000).map(|_| distribution.draw(&mut stream)).sum::<f64>() / 200_000.0
    }

    #[test]
    fn draws_have_the_stated_means() {
        let distributions = [
            Distribution::Fixed(3.0),
            Distribution::Choice { values: vec![1.0, 2.0, 5.0], weights: vec![1.0, 0.0, 3.0] },
            Distribution::Choice { values: vec![1.0, 2.0], weights: Vec::new() },
            Distribution::Uniform { min: 2.0, max: 6.0 },
            Distribution::Normal { mean: 1.0, deviation: 1.0, min: 0.5 },
            Distribution::Lognormal { median: 2.0, sigma: 0.5 },
            Distribution::Exponential { mean: 0.7 },
        ];
        for distribution in distributions {
            let (drawn, stated) = (mean_of(&distribution), distribution.mean());
            assert!((drawn / stated - 1.0).abs() < 0.01, "{distribution:?}: drawn {drawn}, stated {stated}");
        }
    }
}
