//! Where a series has forgotten how it began.

use super::mean;

/// How many values are taken together.
const BATCH: usize = 5;

/// How many values at the beginning of a series are warm-up, by the rule MSER-5: cut where the rest, in means of five,
/// has the least standard error. `None` where the least is not in the first half: the series is too short to tell.
pub fn mser5(series: &[f64]) -> Option<usize> {
    let batches: Vec<f64> = series.chunks_exact(BATCH).map(mean).collect();
    let mut best: Option<(usize, f64)> = None;
    for cut in 0..batches.len().saturating_sub(1) {
        let rest = batches.get(cut..)?;
        let (rest_mean, n) = (mean(rest), rest.len() as f64);
        let error = rest.iter().map(|value| (value - rest_mean) * (value - rest_mean)).sum::<f64>() / (n * n);
        if error.is_finite() && best.is_none_or(|(_, least)| error < least) {
            best = Some((cut, error));
        }
    }
    let (cut, _) = best?;
    (cut <= batches.len() / 2).then_some(cut * BATCH)
}
