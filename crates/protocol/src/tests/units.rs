use super::*;
use crate::units::{AmountError, WEI_PER_GNT};
use proptest::prelude::*;

#[test]
fn refuses_texts_that_are_no_amount() {
    for bad in ["", ".", "1.2.3", "-1", "+1", "1e3", "0x1", "one", "1,5"] {
        assert_eq!(Wei::parse_gnt(bad), Err(AmountError::Malformed(bad.into())), "{bad}");
    }
    let precise = "0.0000000000000000001";
    assert_eq!(Wei::parse_gnt(precise), Err(AmountError::TooPrecise(precise.into())));
    for large in ["79228162514.264337593543950336", "99999999999999999999999999999999999999999"] {
        assert_eq!(Wei::parse_gnt(large), Err(AmountError::TooLarge(large.into())), "{large}");
    }
    assert_eq!(Wei::parse_gnt("79228162514.264337593543950335"), Ok(Wei::MAX));
    let long = AmountError::Malformed("x".repeat(64));
    assert_eq!(Wei::parse_gnt(&"x".repeat(1000)), Err(long), "what is shown is bounded");
}

#[test]
fn refuses_sums_beyond_96_bits() {
    assert_eq!(Wei::MAX.checked_add(Wei(1)), None);
    assert_eq!(Wei(u128::MAX).checked_add(Wei(1)), None);
    assert_eq!(Wei(1).checked_sub(Wei(2)), None);
    assert_eq!(Wei::MAX.checked_mul(2), None);
    assert_eq!(Wei::MAX.ratio_rounded_up(2, 1), None);
    assert_eq!(Wei(1).ratio_rounded_up(1, 0), None);
    // A product above 128 bits is no reason to give up where the quotient fits.
    assert_eq!(Wei::MAX.ratio_rounded_up(u64::MAX, u64::MAX as u128), Some(Wei::MAX));
    assert_eq!(Wei::from_gnt(u64::MAX), None);
    assert_eq!(Wei::MAX.saturating_add(Wei::MAX), Wei::MAX);
    assert_eq!(Wei(1).saturating_sub(Wei(2)), Wei::ZERO);
    assert_eq!(ChainTime(1).saturating_sub(ChainTime(2)), 0);
}

#[test]
fn refuses_json_amounts_that_are_no_decimal_string() {
    for bad in ["1", "\"1.5\"", "\"-1\"", "\"\"", "\"79228162514264337593543950336\""] {
        assert!(serde_json::from_str::<Wei>(bad).is_err(), "{bad}");
    }
    assert_eq!(serde_json::to_string(&Wei(5)).unwrap(), "\"5\"");
}

#[test]
fn amounts_are_shown_in_gnt() {
    assert_eq!(Wei(WEI_PER_GNT / 4).to_string(), "0.25 GNT");
    assert_eq!(Wei(1).to_gnt_string(), "0.000000000000000001");
    assert_eq!(Wei::from_gnt(3).unwrap().to_gnt_string(), "3");
    assert_eq!(Wei::parse_gnt(" .5 "), Ok(Wei(WEI_PER_GNT / 2)));
}

#[test]
fn failures_of_the_task_are_told_from_those_of_the_machine() {
    let machine = [FailureKind::BadInput, FailureKind::TimedOut, FailureKind::Provider];
    for kind in super::strategies::FAILURES {
        assert_eq!(kind.is_deterministic(), !machine.contains(&kind), "{kind:?}");
    }
}

proptest! {
    #[test]
    fn amounts_come_back_from_their_text(wei in 0..=Wei::MAX.0) {
        prop_assert_eq!(Wei::parse_gnt(&Wei(wei).to_gnt_string()), Ok(Wei(wei)));
        let json = serde_json::to_string(&Wei(wei)).unwrap();
        prop_assert_eq!(serde_json::from_str::<Wei>(&json).unwrap(), Wei(wei));
    }

    #[test]
    fn amounts_never_panic(text in ".{0,80}") {
        drop(Wei::parse_gnt(&text));
    }

    #[test]
    fn ratios_round_up(wei in any::<u64>(), numerator in any::<u64>(), denominator in 1..u128::MAX) {
        let exact = (wei as u128 * numerator as u128).div_ceil(denominator);
        let ratio = Wei(wei as u128).ratio_rounded_up(numerator, denominator);
        prop_assert_eq!(ratio, Wei(exact).bounded());
    }
}
