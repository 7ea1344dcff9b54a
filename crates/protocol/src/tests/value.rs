use super::*;
use proptest::prelude::*;

fn metered(price: Wei, fuel_rate: u64, value: Wei, fuel: Fuel) -> Wei {
    due_for(Pricing::Metered, &Agreement { price, fuel_rate, ..agreement() }, value, fuel)
}

#[test]
fn values_of_subtasks_round_up_to_the_worker() {
    assert_eq!(subtask_value(Wei(3600), 1), Some(Wei(1)));
    assert_eq!(subtask_value(Wei(1), 1), Some(Wei(1)));
    assert_eq!(subtask_value(Wei(3601), 1), Some(Wei(2)));
    assert_eq!(subtask_value(Wei::ZERO, 86_400), Some(Wei::ZERO));
    assert_eq!(subtask_value(Wei::MAX, 86_400), None);
}

#[test]
fn a_tender_pays_its_value_whatever_was_burnt() {
    assert_eq!(due_for(Pricing::Tender, &agreement(), Wei(7), Fuel(u64::MAX)), Wei(7));
}

#[test]
fn metered_work_never_costs_more_than_its_value() {
    // 1 hour of fuel at 1000 per second.
    assert_eq!(metered(Wei(80), 1000, Wei(100), Fuel(3_600_000)), Wei(80));
    assert_eq!(metered(Wei(80), 1000, Wei(100), Fuel(3_600_001)), Wei(81));
    assert_eq!(metered(Wei(80), 1000, Wei(100), Fuel(36_000_000)), Wei(100));
    assert_eq!(metered(Wei::MAX, 1, Wei(100), Fuel(u64::MAX)), Wei(100));
    assert_eq!(metered(Wei(80), 1000, Wei(100), Fuel(0)), Wei::ZERO);
}

#[test]
fn a_failure_and_what_was_not_agreed_cost_nothing() {
    let result = |index| SubtaskResult {
        index,
        outcome: SubtaskOutcome::Completed {
            output: ContentHash(hash(9)),
            output_bytes: ByteCount(1),
            fuel: Fuel(1),
            time_ms: 1,
        },
    };
    let agreement = Agreement { subtasks: vec![subtask(3)], ..agreement() };
    assert_eq!(due(Pricing::Tender, &agreement, &result(3)), Wei(5));
    assert_eq!(due(Pricing::Tender, &agreement, &result(4)), Wei::ZERO);
    let failed = SubtaskOutcome::Failed { kind: FailureKind::Trapped, message: "no".into() };
    assert_eq!(due(Pricing::Tender, &agreement, &SubtaskResult { index: 3, outcome: failed }), Wei::ZERO);
}

proptest! {
    #[test]
    fn metered_is_the_ceiling(price in any::<u64>(), fuel in any::<u64>(), rate in 1u64..) {
        let exact = (price as u128 * fuel as u128).div_ceil(rate as u128 * 3600);
        prop_assert_eq!(metered(Wei(price as u128), rate, Wei::MAX, Fuel(fuel)), Wei(exact).min(Wei::MAX));
    }
}
