//! The usage factor of metered work.

use super::node;
use crate::usage::{COPIES_MAX, USAGE_START_MAX, USAGE_START_MIN, UsageFactors, UsedTime};
use crate::{OfferTerms, PEERS_MAX, Ratio};
use golem_protocol::Wei;
use proptest::prelude::*;

fn ratio(value: f64) -> Ratio {
    Ratio::from_f64(value).unwrap()
}

fn copy(provider: u64, performance: u64, usage_ms: u64) -> UsedTime {
    UsedTime { provider: node(provider), performance, usage_ms }
}

fn offer(provider: u64, price: u128, performance: u64) -> OfferTerms {
    OfferTerms { provider: node(provider), price: Wei(price), performance }
}

#[test]
fn starts_with_what_benchmarks_say_within_bounds() {
    let factors = UsageFactors::new(100);
    assert_eq!(factors.of(&node(1), 100), Ratio::ONE);
    assert_eq!(factors.of(&node(1), 200), ratio(0.5));
    assert_eq!(factors.of(&node(1), 1_000_000), USAGE_START_MIN);
    assert_eq!(factors.of(&node(1), 1), USAGE_START_MAX);
    assert_eq!(factors.of(&node(1), 0), USAGE_START_MAX);
}

#[test]
fn compares_what_work_costs_and_not_what_an_hour_costs() {
    let factors = UsageFactors::new(100);
    assert_eq!(factors.cost(&offer(1, 30, 200)), Wei(15));
    assert_eq!(factors.cost(&offer(2, 20, 100)), Wei(20));
    assert_eq!(factors.cost(&offer(3, 3, 200)), Wei(2), "rounded up");
    assert_eq!(factors.cost(&offer(4, Wei::MAX.0, 1)), Wei::MAX, "held at the largest");
}

#[test]
fn honest_copies_change_nothing_however_fast_their_machines_are() {
    let mut factors = UsageFactors::new(100);
    for _ in 0..10 {
        factors.compare(&[copy(1, 100, 3_600_000), copy(2, 200, 1_800_000), copy(3, 50, 7_200_000)]);
    }
    assert_eq!(factors.of(&node(1), 100), Ratio::ONE);
    assert_eq!(factors.of(&node(2), 200), ratio(0.5));
    assert_eq!(factors.of(&node(3), 50), ratio(2.0));
}

#[test]
fn who_reports_more_is_dearer_and_who_it_was_compared_with_cheaper() {
    let mut factors = UsageFactors::new(100);
    factors.compare(&[copy(1, 100, 4_000), copy(2, 100, 1_000)]);
    assert_eq!((factors.of(&node(1), 100), factors.of(&node(2), 100)), (ratio(2.0), ratio(0.5)));
    // Once it is four times as dear as the other, the same report is what is expected of it.
    factors.compare(&[copy(1, 100, 4_000), copy(2, 100, 1_000)]);
    assert_eq!((factors.of(&node(1), 100), factors.of(&node(2), 100)), (ratio(2.0), ratio(0.5)));
    assert_eq!(factors.cost(&offer(1, 10, 100)), Wei(20));
}

#[test]
fn nobody_is_compared_with_itself_alone_nor_more_than_can_be_bought() {
    let mut factors = UsageFactors::new(100);
    factors.compare(&[copy(1, 100, 9_000)]);
    assert_eq!(factors, UsageFactors::new(100));
    let many: Vec<UsedTime> = (0..40).map(|n| copy(n, 100, if n < 16 { 1_000 } else { 1_000_000 })).collect();
    factors.compare(&many);
    assert!((0..40).all(|n| factors.of(&node(n), 100) == Ratio::ONE));
    assert_eq!(COPIES_MAX, 16);
}

#[test]
fn forgets_who_was_not_compared_for_longest() {
    let mut factors = UsageFactors::new(100);
    factors.compare(&[copy(1, 100, 4_000), copy(2, 100, 1_000)]);
    for n in 1..=(PEERS_MAX as u64 / 2) {
        factors.compare(&[copy(2 * n + 1, 100, 4_000), copy(2 * n + 2, 100, 1_000)]);
    }
    assert_eq!(factors.of(&node(1), 100), Ratio::ONE);
    assert_eq!(factors.of(&node(3), 100), ratio(2.0));
}

proptest! {
    #[test]
    fn comparing_keeps_the_product_of_the_factors_and_orders_them_as_reported(
        // Close enough that no factor meets its bounds.
        usages in prop::collection::vec(1_000u64..30_000, 2..8),
        performance in 60u64..900,
    ) {
        let mut factors = UsageFactors::new(100);
        let copies: Vec<UsedTime> = (0..).zip(&usages).map(|(n, usage)| copy(n, performance, *usage)).collect();
        let start = factors.of(&node(0), performance).to_f64();
        factors.compare(&copies);
        let after: Vec<f64> = copies.iter().map(|copy| factors.of(&copy.provider, performance).to_f64()).collect();
        let logs: f64 = after.iter().map(|factor| (factor / start).ln()).sum();
        prop_assert!(logs.abs() < 1e-4, "{after:?}");
        for pair in after.windows(2).zip(usages.windows(2)) {
            let ((a, b), (less, more)) = ((pair.0[0], pair.0[1]), (pair.1[0], pair.1[1]));
            prop_assert!((a <= b) == (less <= more) || (a - b).abs() < 1e-6);
        }
        // Again, and nothing is left to learn.
        factors.compare(&copies);
        for (copy, after) in copies.iter().zip(after) {
            prop_assert!((factors.of(&copy.provider, performance).to_f64() / after - 1.0).abs() < 1e-4);
        }
    }
}
