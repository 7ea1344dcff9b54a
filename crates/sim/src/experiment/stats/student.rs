//! Student's t and the bell curve, by functions that give the same bits on every machine: those of the platform's C
//! library differ in the last digits, and what is computed here is written into results.

use libm::{erfc, exp, fabs, lgamma, log, sqrt};
use std::f64::consts::{PI, SQRT_2};

/// Newton's steps towards a quantile. Reason: from 0 they only rise, and stand still after some thirty.
const STEPS_MAX: usize = 200;
/// Terms of the continued fraction. Reason: it needs about the root of the degrees of freedom, which repetitions bound.
const TERMS_MAX: usize = 1_000;
/// Stands for 0 where something is divided by it.
const TINY: f64 = 1e-300;

/// The value of Student's t below which this share of it lies. NaN where there are no degrees of freedom.
pub fn t_quantile(share: f64, degrees: f64) -> f64 {
    if degrees <= 0.0 || !degrees.is_finite() {
        return f64::NAN;
    }
    let ln_top = lgamma((degrees + 1.0) / 2.0) - lgamma(degrees / 2.0) - log(degrees * PI) / 2.0;
    let density = |t: f64| exp(ln_top - (degrees + 1.0) / 2.0 * log(1.0 + t * t / degrees));
    quantile_by(share, |t| t_tail(t, degrees), density)
}

/// How much of Student's t lies above a value. NaN where there are no degrees of freedom.
pub fn t_tail(value: f64, degrees: f64) -> f64 {
    if degrees <= 0.0 || !degrees.is_finite() || value.is_nan() {
        return f64::NAN;
    }
    let beyond = beta_part(degrees / (degrees + value * value), degrees / 2.0, 0.5) / 2.0;
    if value >= 0.0 { beyond } else { 1.0 - beyond }
}

/// The value of the bell curve with mean 0 and deviation 1 below which this share of it lies.
pub fn normal_quantile(share: f64) -> f64 {
    quantile_by(share, |x| erfc(x / SQRT_2) / 2.0, |x| exp(-x * x / 2.0) / sqrt(2.0 * PI))
}

/// Newton's method from 0: right of it the tail of a curve with one hump is convex, so the steps never go too far.
fn quantile_by(share: f64, tail: impl Fn(f64) -> f64, density: impl Fn(f64) -> f64) -> f64 {
    if !(share > 0.0 && share < 1.0) {
        return f64::NAN;
    }
    let wanted = share.min(1.0 - share);
    let mut at = 0.0;
    for _ in 0..STEPS_MAX {
        let next = at + (tail(at) - wanted) / density(at);
        if next.is_nan() || next <= at {
            break;
        }
        at = next;
    }
    if share < 0.5 { -at } else { at }
}

/// The regularised incomplete beta function.
///
/// Source: its continued fraction by the method of Lentz, as in Press et al., Numerical Recipes, 6.4.
fn beta_part(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    let front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(1.0 - x));
    // The fraction converges fast on this side only.
    if x < (a + 1.0) / (a + b + 2.0) {
        front * beta_fraction(x, a, b) / a
    } else {
        1.0 - front * beta_fraction(1.0 - x, b, a) / b
    }
}

fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    let away = |value: f64| if fabs(value) < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for term in 1..TERMS_MAX {
        let m = term as f64;
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let before = fraction;
        for part in [even, odd] {
            d = 1.0 / away(1.0 + part * d);
            c = away(1.0 + part / c);
            fraction *= c * d;
        }
        if before == fraction || fabs(fraction / before - 1.0) < 1e-16 {
            break;
        }
    }
    fraction
}

#[cfg(test)]
mod tests {
    use super::*;
    use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

    #[test]
    fn agrees_with_a_library_at_every_number_of_repetitions() {
        for degrees in [1.0, 2.0, 3.0, 7.0, 15.0, 29.0, 99.0, 399.0, 9_999.0] {
            let theirs = StudentsT::new(0.0, 1.0, degrees).unwrap();
            for share in [0.001, 0.025, 0.3, 0.5, 0.8, 0.975, 0.999] {
                let (got, wanted) = (t_quantile(share, degrees), theirs.inverse_cdf(share));
                assert!((got - wanted).abs() < 1e-6 * wanted.abs().max(1.0), "{share} {degrees}: {got} {wanted}");
            }
            for value in [-4.0, -0.5, 0.0, 0.1, 1.0, 2.5, 30.0] {
                let (got, wanted) = (t_tail(value, degrees), theirs.sf(value));
                assert!((got - wanted).abs() < 1e-10, "{value} {degrees}: {got} {wanted}");
            }
        }
        let bell = Normal::new(0.0, 1.0).unwrap();
        for share in [0.005, 0.1, 0.5, 0.7, 0.995] {
            let (got, wanted) = (normal_quantile(share), bell.inverse_cdf(share));
            assert!((got - wanted).abs() < 1e-9, "{share}: {got} {wanted}");
        }
    }

    #[test]
    fn nothing_is_known_without_repetitions_or_beyond_the_ends() {
        assert!(t_quantile(0.975, 0.0).is_nan() && t_tail(1.0, 0.0).is_nan() && t_tail(f64::NAN, 3.0).is_nan());
        assert!(normal_quantile(0.0).is_nan() && normal_quantile(1.0).is_nan());
    }
}
