//! What repetitions say about a metric, as pure functions: means with Student's intervals, bootstrap intervals for what
//! is not a mean, paired differences, Holm's correction, the end of a warm-up, and times that some never reached.
//!
//! Values that are not numbers are left out, and how many were left in is always told.

mod bootstrap;
mod sobol;
mod student;
mod survival;
#[cfg(test)]
mod tests;
mod warmup;

pub use bootstrap::{BOOTSTRAP_ROUNDS, Interval, bootstrap};
pub use sobol::{Design, Indices, indices};
pub use student::{normal_quantile, t_quantile, t_tail};
pub use survival::{Survival, SurvivalStep, kaplan_meier};
pub use warmup::mser5;

use serde::Serialize;

/// How sure every interval is, and one minus the error that comparisons may have together.
pub const CONFIDENCE: f64 = 0.95;

/// A mean and how well it is known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The mean; NaN without any value.
    pub mean: f64,
    /// Half the width of the 95 % interval of Student around it; NaN with fewer than two values.
    pub half_width: f64,
    /// The standard deviation of the values; NaN with fewer than two.
    pub sd: f64,
    /// How many values it rests on.
    pub n: usize,
}

impl Estimate {
    /// Of these values.
    pub fn of(values: &[f64]) -> Estimate {
        let kept = finite(values);
        let (mean, sd, n) = (mean(&kept), sd(&kept), kept.len());
        let half_width =
            if n < 2 { f64::NAN } else { t_quantile(0.5 + CONFIDENCE / 2.0, n as f64 - 1.0) * sd / (n as f64).sqrt() };
        Estimate { mean, half_width, sd, n }
    }

    /// Whether no spread was seen, so that the interval has no width: which is not that there is none.
    pub fn is_alike(&self) -> bool {
        self.n > 1 && self.sd == 0.0
    }

    /// The lower end of the interval.
    pub fn low(&self) -> f64 {
        self.mean - self.half_width
    }

    /// The upper end of the interval.
    pub fn high(&self) -> f64 {
        self.mean + self.half_width
    }

    /// Whether the half width is within this share of the mean, or the values are all but equal. A mean of about 0 would
    /// never be known well enough for its size: a half width below `floor` will do.
    pub fn is_within(&self, share: f64, floor: f64) -> bool {
        self.half_width <= (share * self.mean.abs()).max(floor)
    }
}

/// Values that are numbers, in order.
pub fn finite(values: &[f64]) -> Vec<f64> {
    values.iter().copied().filter(|value| value.is_finite()).collect()
}

/// The mean; NaN without values.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard deviation of a sample (`n - 1`); NaN with fewer than two values.
pub fn sd(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return f64::NAN;
    }
    let mean = mean(values);
    (values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (values.len() as f64 - 1.0)).sqrt()
}

/// A quantile of values, between neighbours by their distance. NaN without values.
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = finite(values);
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = share.clamp(0.0, 1.0) * last as f64;
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    match (sorted.get(low), sorted.get(high)) {
        (Some(low_value), Some(high_value)) => low_value + (high_value - low_value) * (at - low as f64),
        _ => f64::NAN,
    }
}

/// The value in the middle. NaN without values.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The Gini coefficient of amounts: 0 where all have the same, towards 1 where one has it all. NaN where there is
/// nothing to share, or less than nothing somewhere.
pub fn gini(amounts: &[f64]) -> f64 {
    let mut sorted = finite(amounts);
    sorted.sort_by(f64::total_cmp);
    let total: f64 = sorted.iter().sum();
    if total <= 0.0 || sorted.first().is_some_and(|least| *least < 0.0) {
        return f64::NAN;
    }
    let n = sorted.len() as f64;
    let weighted: f64 = sorted.iter().enumerate().map(|(i, amount)| (i as f64 + 1.0) * amount).sum();
    2.0 * weighted / (n * total) - (n + 1.0) / n
}

/// The difference of two samples drawn with common random numbers, value by value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Paired {
    /// Of the differences.
    pub difference: Estimate,
    /// How likely so large a difference is where there is none, or where it is the other way round.
    pub p_greater: f64,
    /// How likely so small a difference is where there is none, or where it is the other way round.
    pub p_less: f64,
}

/// Whether `a` is above `b` by more than `margin`, pair by pair; a pair without two numbers is left out.
pub fn paired(a: &[f64], b: &[f64], margin: f64) -> Paired {
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let difference = Estimate::of(&differences);
    let above = difference.mean - margin;
    let (p_greater, p_less) = if difference.n < 2 {
        (f64::NAN, f64::NAN)
    } else if difference.sd == 0.0 {
        // Every pair says the same, and how far others would be off is not known: only how likely so many on one side are
        // where each could be on either.
        let by_chance = libm::exp2(-(difference.n as f64));
        (if above > 0.0 { by_chance } else { 1.0 }, if above < 0.0 { by_chance } else { 1.0 })
    } else {
        let (t, degrees) = (above / (difference.sd / (difference.n as f64).sqrt()), difference.n as f64 - 1.0);
        (t_tail(t, degrees), t_tail(-t, degrees))
    };
    Paired { difference, p_greater, p_less }
}

/// Holm's correction: what each p-value is worth among all of them. One that is not a number counts as 1, and stays one
/// of the family.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<(usize, f64)> =
        p_values.iter().map(|p| if p.is_finite() { *p } else { 1.0 }).enumerate().collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut least: f64 = 0.0;
    for (rank, (position, p)) in order.iter().enumerate() {
        least = least.max(p * (p_values.len() - rank) as f64).min(1.0);
        if let Some(slot) = adjusted.get_mut(*position) {
            *slot = least;
        }
    }
    adjusted
}
