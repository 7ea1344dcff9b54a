//! Times to something that some had not reached when the watch ended.

use serde::Serialize;

/// The share that has not got there yet, from a time on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SurvivalStep {
    /// From this time on.
    pub time: f64,
    /// So many had still not got there, just before, and were watched.
    pub at_risk: usize,
    /// The estimate of Kaplan and Meier.
    pub share: f64,
    /// Its standard error, after Greenwood.
    pub error: f64,
}

/// The curve of Kaplan and Meier.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Survival {
    /// Where the curve steps down.
    pub steps: Vec<SurvivalStep>,
    /// How many were watched.
    pub n: usize,
    /// How many of them had not got there at the end.
    pub censored: usize,
}

impl Survival {
    /// The first time by which half had got there; `None` where the watch ended before.
    pub fn median(&self) -> Option<f64> {
        self.steps.iter().find(|step| step.share <= 0.5).map(|step| step.time)
    }
}

/// The curve of times: `(time, true)` where it was reached, `(time, false)` where the watch ended before. Times that are
/// not numbers are left out.
pub fn kaplan_meier(times: &[(f64, bool)]) -> Survival {
    let mut sorted: Vec<(f64, bool)> = times.iter().copied().filter(|(time, _)| time.is_finite()).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let n = sorted.len();
    let censored = sorted.iter().filter(|(_, reached)| !reached).count();
    let (mut share, mut greenwood, mut at_risk) = (1.0, 0.0, n);
    let mut steps = Vec::new();
    for same in sorted.chunk_by(|a, b| a.0 == b.0) {
        let reached = same.iter().filter(|(_, reached)| *reached).count();
        if let (Some((time, _)), true) = (same.first(), reached > 0) {
            let (d, r) = (reached as f64, at_risk as f64);
            share *= 1.0 - d / r;
            greenwood += d / (r * (r - d));
            let error = if share > 0.0 { share * greenwood.sqrt() } else { 0.0 };
            steps.push(SurvivalStep { time: *time, at_risk, share, error });
        }
        at_risk -= same.len();
    }
    Survival { steps, n, censored }
}
