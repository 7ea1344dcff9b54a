//! The numbers of our rules, and the ranges that are looked at.

/// A path below the scenario, and the ends of its range.
pub type Number = (&'static str, f64, f64);

/// All that are looked at.
pub const NUMBERS: &[Number] = &[
    ("requestors.*.tuning.patience", 0.0, 8.0),
    ("requestors.*.tuning.failure_cost", 0.0, 0.4),
    ("requestors.*.tuning.time_cost", 0.0, 0.1),
    ("requestors.*.tuning.trust_min", 0.3, 0.9),
    ("requestors.*.tuning.prior_weight", 0.5, 8.0),
    ("requestors.*.tuning.rejected_weight", 1.0, 100.0),
    ("requestors.*.tuning.probation", 1.0, 6.0),
    ("requestors.*.tuning.newcomers_bad", 0.01, 0.5),
    ("requestors.*.tuning.learning", 0.01, 0.2),
    ("providers.*.tuning.margin_taken", 1.0005, 1.01),
    ("providers.*.tuning.margin_not_taken", 0.6, 0.98),
    ("providers.*.tuning.factor_max", 0.25, 4.0),
];

/// What to set for a place, every number of it from 0 to 1.
pub fn set(place: &[f64]) -> Vec<String> {
    let value = |((path, low, high), at): (&Number, &f64)| format!("{path}={:?}", low + (high - low) * at);
    NUMBERS.iter().zip(place).map(value).collect()
}
