//! Prices that are known without simulation.

use crate::market::{Contract, Kind, Right};
use crate::normal::cumulative;

/// The price where there is a formula: for all but the arithmetic mean.
pub fn price(contract: &Contract) -> Option<f64> {
    match contract.kind {
        Kind::European => Some(black_scholes(contract)),
        Kind::GeometricAsian { dates } => Some(geometric(contract, f64::from(dates))),
        Kind::Barrier { level, up, knocks_in } => {
            let inside = knocked_in(contract, level, up);
            Some(if knocks_in { inside } else { black_scholes(contract) - inside })
        }
        Kind::Asian { .. } => None,
    }
}

/// The discounted mean of what is paid where the logarithm of what counts is normally distributed.
fn lognormal(right: Right, mean: f64, deviation: f64, strike: f64, discount: f64) -> f64 {
    let forward = (mean + deviation * deviation / 2.0).exp();
    let d1 = (mean - strike.ln()) / deviation + deviation;
    let d2 = d1 - deviation;
    discount
        * match right {
            Right::Call => forward * cumulative(d1) - strike * cumulative(d2),
            Right::Put => strike * cumulative(-d2) - forward * cumulative(-d1),
        }
}

/// Source: F. Black and M. Scholes, 1973; with dividends R. Merton, 1973.
fn black_scholes(c: &Contract) -> f64 {
    let drift = c.rate - c.dividend - c.volatility * c.volatility / 2.0;
    let (mean, deviation) = (c.spot.ln() + drift * c.years, c.volatility * c.years.sqrt());
    lognormal(c.right, mean, deviation, c.strike, (-c.rate * c.years).exp())
}

/// The logarithm of the geometric mean over n dates at equal distances is normally distributed, with the mean of the
/// dates and the variance (n + 1)(2n + 1) / 6n² of the last.
///
/// Source: A. Kemna and A. Vorst, "A pricing method for options based on average asset values", 1990, for dates.
fn geometric(c: &Contract, n: f64) -> f64 {
    let drift = c.rate - c.dividend - c.volatility * c.volatility / 2.0;
    let mean = c.spot.ln() + drift * c.years * (n + 1.0) / (2.0 * n);
    let variance = c.volatility * c.volatility * c.years * (n + 1.0) * (2.0 * n + 1.0) / (6.0 * n * n);
    lognormal(c.right, mean, variance.sqrt(), c.strike, (-c.rate * c.years).exp())
}

/// What pays only where a level has been reached.
///
/// Source: E. Reiner and M. Rubinstein, "Breaking down the barriers", Risk 4 (1991); the terms A to D as in E. Haug, "The
/// complete guide to option pricing formulas", 4.17.1.
fn knocked_in(c: &Contract, level: f64, up: bool) -> f64 {
    let (variance, total) = (c.volatility * c.volatility, c.volatility * c.years.sqrt());
    let carry = c.rate - c.dividend;
    let mu = (carry - variance / 2.0) / variance;
    let phi = if c.right == Right::Call { 1.0 } else { -1.0 };
    let eta = if up { -1.0 } else { 1.0 };
    let (today, strike) = (c.spot * (-c.dividend * c.years).exp(), c.strike * (-c.rate * c.years).exp());
    let more = (1.0 + mu) * total;
    let direct = |x: f64| phi * today * cumulative(phi * x) - phi * strike * cumulative(phi * (x - total));
    let ratio = level / c.spot;
    let mirrored = |y: f64| {
        phi * today * ratio.powf(2.0 * (mu + 1.0)) * cumulative(eta * y)
            - phi * strike * ratio.powf(2.0 * mu) * cumulative(eta * (y - total))
    };
    let a = direct((c.spot / c.strike).ln() / total + more);
    let b = direct((c.spot / level).ln() / total + more);
    let cc = mirrored((level * level / (c.spot * c.strike)).ln() / total + more);
    let d = mirrored(ratio.ln() / total + more);
    match (c.right, up, c.strike > level) {
        (Right::Call, false, true) => cc,
        (Right::Call, false, false) => a - b + d,
        (Right::Call, true, true) => a,
        (Right::Call, true, false) => b - cc + d,
        (Right::Put, false, true) => b - cc + d,
        (Right::Put, false, false) => a,
        (Right::Put, true, true) => a - b + d,
        (Right::Put, true, false) => cc,
    }
}
