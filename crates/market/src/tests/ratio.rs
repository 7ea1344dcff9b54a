use crate::ratio::{Ratio, mul_div};
use proptest::prelude::*;

fn ratio(value: f64) -> Ratio {
    Ratio::from_f64(value).unwrap()
}

#[test]
fn refuses_what_is_no_ratio() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.1, 1_000_000.1] {
        assert!(Ratio::from_f64(bad).is_err(), "{bad}");
    }
    assert!(serde_json::from_str::<Ratio>("-1").is_err());
    assert!(postcard::from_bytes::<Ratio>(&postcard::to_allocvec(&u64::MAX).unwrap()).is_err());
}

#[test]
fn refuses_to_divide_what_does_not_fit() {
    assert_eq!(mul_div(1, 1, 0), None);
    assert_eq!(mul_div(u128::MAX, 2, 1), None);
    assert_eq!(mul_div(1, u128::MAX, 1), None);
    assert_eq!(mul_div(1, 1, u128::MAX), None);
    assert_eq!(Ratio::of_rounded_down(1, 0), Ratio::MAX);
}

#[test]
fn divides_products_wider_than_the_machine() {
    assert_eq!(mul_div(u128::MAX, 7, 7), Some((u128::MAX, false)));
    assert_eq!(mul_div(10, 10, 3), Some((33, true)));
    assert_eq!(mul_div(1 << 120, 1 << 100, 1 << 100), Some((1 << 120, false)));
}

#[test]
fn prints_no_more_decimals_than_there_are() {
    assert_eq!(ratio(0.9275).to_string(), "0.9275");
    assert_eq!(Ratio::ONE.to_string(), "1");
    assert_eq!(format!("{:>6}", ratio(0.2)), "   0.2");
}

#[test]
fn exp_agrees_with_the_published_decay() {
    // exp(-1e-5 * 3600) and exp(4e-5 * 3600), by an independent calculation with 30 digits.
    let hour = 3_600_000;
    assert_eq!(ratio(1.0).decayed(ratio(0.00001), hour), ratio(0.964640293));
    assert_eq!(ratio(1.0).grown(ratio(0.00004), hour), ratio(1.154884109));
    assert_eq!(ratio(0.2).decayed(ratio(0.00001), u64::MAX), Ratio::ZERO);
    assert_eq!(ratio(0.2).grown(ratio(0.00004), u64::MAX), Ratio::MAX);
    assert_eq!(Ratio::ZERO.grown(ratio(0.00004), u64::MAX), Ratio::ZERO);
}

proptest! {
    #[test]
    fn mul_div_is_exact(a in any::<u64>(), b in any::<u64>(), d in 1..=u64::MAX) {
        let product = a as u128 * b as u128;
        prop_assert_eq!(mul_div(a as u128, b as u128, d as u128), Some((product / d as u128, !product.is_multiple_of(d as u128))));
    }

    #[test]
    fn json_and_postcard_give_back_the_same_ratio(parts in 0..=Ratio::MAX.parts()) {
        let ratio = Ratio::from_parts(parts);
        let json = serde_json::to_string(&ratio).unwrap();
        prop_assert_eq!(serde_json::from_str::<Ratio>(&json).unwrap(), ratio);
        prop_assert_eq!(postcard::from_bytes::<Ratio>(&postcard::to_allocvec(&ratio).unwrap()).unwrap(), ratio);
    }

    #[test]
    fn exp_is_within_a_part_of_the_float_one(start in 0.01f64..5.0, rate in 0.0f64..0.0001, dt_ms in 0u64..100_000_000) {
        let (start, rate) = (ratio(start), ratio(rate));
        let x = rate.to_f64() * dt_ms as f64 / 1000.0;
        let down = start.to_f64() * (-x).exp();
        prop_assert!((start.decayed(rate, dt_ms).to_f64() - down).abs() < 2e-9);
        let up = (start.to_f64() * x.exp()).min(1e6);
        prop_assert!((start.grown(rate, dt_ms).to_f64() - up).abs() <= 2e-9 + up * 1e-11);
    }
}
