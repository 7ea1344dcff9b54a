//! Intervals for statistics that are not means.

use super::{CONFIDENCE, finite, quantile};
use crate::stream::Stream;
use serde::Serialize;

/// How often a sample is drawn again. Reason: the ends of a 95 % interval then rest on 50 draws each.
pub const BOOTSTRAP_ROUNDS: usize = 2_000;
/// The stream that resamples: apart from everything a simulated world draws.
const RESAMPLE: u32 = 0x00b0_0757;

/// Two ends between which something lies with 95 % confidence; NaN where nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// The percentile interval of a statistic, from [`BOOTSTRAP_ROUNDS`] samples drawn anew from the values. Equal seeds give
/// equal intervals.
pub fn bootstrap(values: &[f64], seed: u64, statistic: impl Fn(&[f64]) -> f64) -> Interval {
    let values = finite(values);
    let mut stream = Stream::new(seed, RESAMPLE, 0);
    let mut drawn = Vec::with_capacity(values.len());
    let mut results = Vec::with_capacity(BOOTSTRAP_ROUNDS);
    for _ in 0..BOOTSTRAP_ROUNDS {
        drawn.clear();
        drawn.extend((0..values.len()).filter_map(|_| stream.one_of(&values).copied()));
        results.push(statistic(&drawn));
    }
    let tail = (1.0 - CONFIDENCE) / 2.0;
    Interval { low: quantile(&results, tail), high: quantile(&results, 1.0 - tail) }
}
