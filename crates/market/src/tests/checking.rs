//! How often to check so that a wrong result does not pay.

use crate::checking::{LOSS_PPM, MEMORY_SUBTASKS, PPM, check_ppm, expected_gain, remembered, stake};
use golem_protocol::Wei;
use golem_protocol::units::WEI_MAX;
use proptest::prelude::*;

/// What `wrong` wrong results at once are expected to bring, where one that is caught spoils all: in units of a
/// subtask's value, and only to compare.
fn gain_of_many(wrong: i32, value: f64, stake: f64, ppm: u32) -> f64 {
    let unseen = (1.0 - f64::from(ppm) / f64::from(PPM)).powi(wrong);
    unseen * (f64::from(wrong) * value + stake) - stake
}

#[test]
fn checks_everything_of_a_stranger_and_some_more_than_a_third_of_whoever_stands_to_lose_two_subtasks() {
    assert_eq!(check_ppm(Wei(100), Wei::ZERO, 0), PPM);
    assert_eq!(check_ppm(Wei(100), Wei(4), 0), PPM, "less at stake than a wrong result is to lose");
    assert_eq!(check_ppm(Wei(100), Wei(200), 0), 350_000);
    assert_eq!(expected_gain(Wei(100), Wei(200), 350_000), -5);
    assert_eq!(check_ppm(Wei(100), Wei(9_900), 0), 10_500);
    assert_eq!(check_ppm(Wei(100), Wei(9_900), 50_000), 50_000, "the floor");
    assert_eq!(check_ppm(Wei::ZERO, Wei(1), 0), 1, "never none");
}

#[test]
fn tells_what_a_wrong_result_is_expected_to_bring() {
    assert_eq!(expected_gain(Wei(100), Wei(200), 0), 100);
    assert_eq!(expected_gain(Wei(100), Wei(200), PPM), -200);
    assert_eq!(expected_gain(Wei(100), Wei(200), 100_000), 70);
    assert_eq!(expected_gain(Wei(1), Wei::ZERO, 1), 1, "rounded up");
}

#[test]
fn counts_a_tenth_of_what_was_paid_and_all_that_is_unpaid() {
    assert_eq!(stake(Wei(1_000), Wei(7)), Wei(107));
    assert_eq!(stake(Wei::ZERO, Wei::ZERO), Wei::ZERO);
}

#[test]
fn remembers_the_last_few_hundred_subtasks_and_forgets_everything_in_the_end() {
    let mut paid = Wei::ZERO;
    for _ in 0..10_000 {
        paid = remembered(paid, Wei(1_000));
    }
    let all = 1_000 * u128::from(MEMORY_SUBTASKS);
    assert!((all - u128::from(MEMORY_SUBTASKS)..=all).contains(&paid.0), "{paid:?} is not the last {MEMORY_SUBTASKS}");
    for _ in 0..10_000 {
        paid = remembered(paid, Wei::ZERO);
    }
    assert_eq!(paid, Wei::ZERO);
}

proptest! {
    #[test]
    fn a_wrong_result_is_expected_to_lose_at_the_chosen_rate(
        value in 0..=WEI_MAX, lost in 0..=WEI_MAX, floor in 0..=PPM,
    ) {
        let ppm = check_ppm(Wei(value), Wei(lost), floor);
        prop_assert!((floor.max(1)..=PPM).contains(&ppm));
        prop_assert!(expected_gain(Wei(value), Wei(lost), ppm) <= 0);
        // In millionths of a wei: what it is expected to lose, and what it is to lose at least.
        let loss = |ppm: u32| {
            i128::from(ppm) * lost as i128 - i128::from(PPM - ppm) * value as i128
        };
        let least = i128::from(LOSS_PPM) * value as i128;
        prop_assert!(loss(ppm) >= least.min(i128::from(PPM) * lost as i128), "all of it is at stake where that is less");
        // One part less would let it lose less, unless the floor or the least asks for more.
        if ppm > floor.max(1) && ppm < PPM {
            prop_assert!(loss(ppm - 1) < least);
        }
    }

    #[test]
    fn the_rate_grows_with_the_value_and_falls_with_the_stake(
        value in 0..=WEI_MAX, more in 0..=WEI_MAX, lost in 0..=WEI_MAX, floor in 0..=PPM,
    ) {
        let at = |value: u128, lost: u128| check_ppm(Wei(value), Wei(lost), floor);
        let (less, more) = (value.min(more), value.max(more));
        prop_assert!(at(less, lost) <= at(more, lost) || lost == 0);
        prop_assert!(at(lost, less) >= at(lost, more));
    }

    #[test]
    fn the_expected_gain_falls_with_the_rate_and_the_stake(
        value in 0..=WEI_MAX, lost in 0..=WEI_MAX, more in 0..=WEI_MAX, a in 0..=PPM, b in 0..=PPM,
    ) {
        let gain = |lost: u128, ppm: u32| expected_gain(Wei(value), Wei(lost), ppm);
        prop_assert!(gain(lost, a.min(b)) >= gain(lost, a.max(b)));
        prop_assert!(gain(lost.min(more), a) >= gain(lost.max(more), a));
    }

    #[test]
    fn many_wrong_results_at_once_are_worth_no_more_than_one(
        value in 1..1_000_000u128, lost in 0..100_000_000u128, wrong in 2..200i32,
    ) {
        let ppm = check_ppm(Wei(value), Wei(lost), 0);
        let (value, lost) = (value as f64, lost as f64);
        prop_assert!(gain_of_many(wrong, value, lost, ppm) <= gain_of_many(1, value, lost, ppm) + 1e-6 * (value + lost));
    }

    #[test]
    fn a_stake_never_falls_with_what_is_paid_or_owed(
        paid in 0..=WEI_MAX, more in 0..=WEI_MAX, unpaid in 0..=WEI_MAX, owed in 0..=WEI_MAX,
    ) {
        let of = |paid: u128, unpaid: u128| stake(Wei(paid), Wei(unpaid));
        prop_assert!(of(paid.min(more), unpaid) <= of(paid.max(more), unpaid));
        prop_assert!(of(paid, unpaid.min(owed)) <= of(paid, unpaid.max(owed)));
    }
}
