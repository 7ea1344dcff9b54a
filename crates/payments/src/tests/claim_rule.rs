//! When to claim: refusals first, then what the rule costs against whoever knew the future.

use crate::claim_rule::{CLAIM_GAS_BASE, CLAIM_GAS_EACH};
use crate::{ClaimPlan, ClaimReason, ClaimRule, Claimable, GasWorth, Waiting};
use golem_protocol::{Address, ChainTime, Wei};
use proptest::prelude::*;

const RULE: ClaimRule = ClaimRule { waiting_ppm_per_day: 1_000, threshold: Wei::MAX };
/// One wei of GNT for one unit of gas, so that costs are gas.
const ONE: GasWorth = GasWorth::PerGas { wei: Wei(1) };
const ONE_COSTS: u128 = (CLAIM_GAS_BASE + CLAIM_GAS_EACH) as u128;
const DAY: u128 = 86_400;

fn waiting(place: u8, amount: u128, days: u128) -> Claimable {
    let payer = Address::repeat_byte(place);
    Claimable { payer, amount: Wei(amount), wei_seconds: amount * days * DAY, due: ChainTime(0) }
}

fn closing(place: u8, amount: u128, due: u64) -> Claimable {
    Claimable { due: ChainTime(due), ..waiting(place, amount, 0) }
}

fn payers(plan: &ClaimPlan) -> Vec<u8> {
    plan.payers.iter().map(|payer| payer.0[0]).collect()
}

fn plan(channels: &[Claimable]) -> (ClaimReason, Vec<u8>) {
    let plan = RULE.plan(channels, ONE);
    (plan.reason, payers(&plan))
}

#[test]
fn never_spends_more_on_gas_than_it_gets() {
    assert_eq!(plan(&[]), (ClaimReason::Nothing, vec![]));
    assert_eq!(plan(&[waiting(1, 0, 900)]), (ClaimReason::Nothing, vec![]));
    // However long it waited, and whatever the threshold.
    assert_eq!(plan(&[waiting(1, ONE_COSTS, 1_000_000)]), (ClaimReason::TooSmall, vec![]));
    let eager = ClaimRule { threshold: Wei(1), ..RULE };
    assert_eq!(eager.plan(&[waiting(1, ONE_COSTS, 0)], ONE).reason, ClaimReason::TooSmall);
    assert_eq!(plan(&[closing(1, ONE_COSTS, 99)]), (ClaimReason::TooSmall, vec![]));
    // Beside one that pays for the transaction, one that does not pay its own gas stays.
    let beside = [waiting(1, 60_000_000, 1), waiting(2, CLAIM_GAS_EACH as u128, 1_000_000)];
    assert_eq!(plan(&beside), (ClaimReason::Waited, vec![1]));
}

#[test]
fn claims_when_waiting_has_cost_as_much_as_claiming() {
    // A thousandth a day: after a day it has cost a thousandth.
    assert_eq!(plan(&[waiting(1, 1_000 * ONE_COSTS - 1, 1)]), (ClaimReason::Waiting, vec![]));
    assert_eq!(plan(&[waiting(1, 1_000 * ONE_COSTS, 1)]), (ClaimReason::Waited, vec![1]));
    // Dear gas is waited out longer, cheap gas is used.
    let dear = RULE.plan(&[waiting(1, 1_000 * ONE_COSTS, 1)], GasWorth::PerGas { wei: Wei(2) });
    assert_eq!(
        (dear.reason, dear.cost_wei, dear.waited_wei),
        (ClaimReason::Waiting, Wei(2 * ONE_COSTS), Wei(ONE_COSTS))
    );
}

#[test]
fn lets_nobodys_small_vouchers_hold_up_another_or_ride_on_it() {
    let mut channels: Vec<Claimable> = (2..=200).map(|place| waiting(place, CLAIM_GAS_EACH as u128 + 1, 0)).collect();
    channels.push(waiting(1, 1_000 * ONE_COSTS, 1));
    assert_eq!(plan(&channels), (ClaimReason::Waited, vec![1]));
    // Those whose waiting has paid for their own gas come along, and help to pay the transaction.
    let half = 1_000 * (CLAIM_GAS_EACH as u128 + CLAIM_GAS_BASE as u128 / 2);
    assert_eq!(plan(&[waiting(1, half, 1), waiting(2, half, 1)]), (ClaimReason::Waited, vec![1, 2]));
    assert_eq!(plan(&[waiting(1, half, 1)]), (ClaimReason::Waiting, vec![]));
}

#[test]
fn claims_at_once_from_a_payer_who_leaves_and_from_nobody_else_for_it() {
    let channels = [closing(1, 2 * ONE_COSTS, 500), closing(2, 2 * ONE_COSTS, 400), waiting(3, 2 * ONE_COSTS, 0)];
    let plan = RULE.plan(&channels, ONE);
    assert_eq!((plan.reason, payers(&plan), plan.due), (ClaimReason::Due, vec![1, 2], ChainTime(400)));
    // Where gas has no price, every voucher of theirs is worth it.
    let plan = RULE.plan(&[closing(1, 1, 500), waiting(3, 2 * ONE_COSTS, 900)], GasWorth::Unknown);
    assert_eq!((plan.reason, payers(&plan)), (ClaimReason::Due, vec![1]));
}

#[test]
fn claims_everything_at_the_threshold() {
    let rule = ClaimRule { threshold: Wei(4 * ONE_COSTS), ..RULE };
    let below = [waiting(1, 2 * ONE_COSTS, 0), waiting(2, 2 * ONE_COSTS - 1, 0)];
    assert_eq!(rule.plan(&below, ONE).reason, ClaimReason::Waiting);
    assert_eq!(rule.plan(&below, GasWorth::Unknown).reason, ClaimReason::BelowThreshold);
    let at = [waiting(1, 2 * ONE_COSTS, 0), closing(2, 2 * ONE_COSTS, 9)];
    for gas in [ONE, GasWorth::Unknown] {
        let plan = rule.plan(&at, gas);
        assert_eq!((plan.reason, payers(&plan), plan.due), (ClaimReason::Threshold, vec![1, 2], ChainTime(9)));
    }
}

#[test]
fn holds_at_the_largest_value_instead_of_wrapping() {
    let gas = GasWorth::of(u64::MAX, Wei::MAX);
    assert_eq!(gas, GasWorth::PerGas { wei: Wei::MAX });
    assert_eq!(RULE.plan(&[waiting(1, Wei::MAX.0, 1)], gas).reason, ClaimReason::TooSmall);
    let hasty = ClaimRule { waiting_ppm_per_day: u32::MAX, ..RULE };
    assert_eq!(hasty.waiting_cost_rounded_down(u128::MAX), Wei::MAX);
    let mut waiting = Waiting::default();
    waiting.observe(Wei::MAX, ChainTime(0));
    assert_eq!(waiting.until(ChainTime(u64::MAX)), u128::MAX);
    assert_eq!(GasWorth::of(1, Wei(1)), GasWorth::PerGas { wei: Wei(1) }, "rounded up");
}

#[test]
fn counts_waiting_from_when_the_money_came_until_it_is_claimed() {
    let mut waiting = Waiting::default();
    waiting.observe(Wei(0), ChainTime(1_000));
    waiting.observe(Wei(10), ChainTime(2_000));
    waiting.observe(Wei(30), ChainTime(2_007));
    assert_eq!(waiting.until(ChainTime(2_010)), 70 + 90);
    // A claim of 20 takes two thirds with it, rounded against the waiting.
    waiting.observe(Wei(10), ChainTime(2_010));
    assert_eq!(waiting.until(ChainTime(2_010)), 53);
    waiting.observe(Wei(0), ChainTime(2_011));
    assert_eq!(waiting.until(ChainTime(9_999)), 0);
    // The chain's clock was turned back: nothing is counted twice.
    waiting.observe(Wei(5), ChainTime(3_000));
    waiting.observe(Wei(6), ChainTime(2_900));
    assert_eq!(waiting.until(ChainTime(3_001)), 6);
}

/// What the best decisions in hindsight cost, of one channel: claims right after an arrival, the last stretch unclaimed
/// if that is cheaper. Costs are times `DAY * 1_000_000`, so that nothing is rounded.
fn best_in_hindsight(arrivals: &[(u128, u128)], end: u128, ppm: u128, claim: u128) -> u128 {
    // From the state "everything up to arrival `place` is claimed", forwards.
    let wait = |from: usize, to: u128| -> u128 {
        arrivals[from..].iter().filter(|(at, _)| *at <= to).map(|(at, amount)| amount * (to - at) * ppm).sum()
    };
    let mut best = vec![u128::MAX; arrivals.len() + 1];
    best[0] = 0;
    for claimed in 0..arrivals.len() {
        for next in claimed + 1..=arrivals.len() {
            let until_then = wait(claimed, arrivals[next - 1].0);
            best[next] = best[next].min(best[claimed] + until_then + claim);
        }
    }
    (0..=arrivals.len()).map(|claimed| best[claimed] + wait(claimed, end)).min().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]
    /// The promise of the rule: twice the best in hindsight, and one stretch between two looks for every claim.
    #[test]
    fn costs_at_most_twice_the_best_decision_in_hindsight(
        gaps in prop::collection::vec((0u128..40_000, 0u128..400_000_000), 1..6),
        rest in 0u128..20_000,
        // Small enough steps that a claim comes late by little: else nothing would be shown.
        ppm in 500u32..5_000,
        look in 20u128..60,
    ) {
        let rule = ClaimRule { waiting_ppm_per_day: ppm, threshold: Wei::MAX };
        // In whole looks, as blocks come.
        let mut at = 0;
        let arrivals: Vec<(u128, u128)> = gaps.iter().map(|(gap, amount)| {
            at += gap / look * look;
            // Enough that it is worth its gas, which the rule's promise needs.
            (at, ONE_COSTS + 1 + amount)
        }).collect();
        let end = at + rest / look * look;
        let scale = DAY * 1_000_000;
        let (mut waiting, mut held, mut paid, mut late) = (Waiting::default(), 0u128, 0u128, 0u128);
        let mut waited_in_all = 0u128;
        let mut coming = arrivals.iter().peekable();
        let mut now = 0;
        while now <= end {
            while let Some((_, amount)) = coming.next_if(|(at, _)| *at == now) {
                held += amount;
            }
            let time = ChainTime(now as u64);
            waiting.observe(Wei(held), time);
            let channel = Claimable {
                payer: Address::ZERO, amount: Wei(held), wei_seconds: waiting.until(time), due: ChainTime(0),
            };
            if !rule.plan(&[channel], ONE).payers.is_empty() {
                waited_in_all += waiting.until(time);
                paid += ONE_COSTS;
                // It came due somewhere within the last stretch, and the cost in wei is rounded down.
                late += held * look * ppm as u128 + scale;
                held = 0;
                waiting.observe(Wei(0), time);
            }
            now += look;
        }
        waited_in_all += waiting.until(ChainTime(end as u64));
        let ours = waited_in_all * ppm as u128 + paid * scale;
        let best = best_in_hindsight(&arrivals, end, ppm as u128, ONE_COSTS * scale);
        prop_assert!(ours <= 2 * best + late, "{ours} against {best}, {late} late");
    }

    /// Of many channels: what gas costs is never more than what the waiting that it ends has cost.
    #[test]
    fn never_pays_more_gas_than_the_waiting_of_those_it_claims(
        channels in prop::collection::vec((1u128..1_000_000_000, 0u128..100), 1..40),
        price in 1u128..1_000,
    ) {
        let channels: Vec<Claimable> =
            channels.iter().enumerate().map(|(place, (amount, days))| waiting(place as u8 + 1, *amount, *days)).collect();
        let plan = RULE.plan(&channels, GasWorth::PerGas { wei: Wei(price) });
        let claimed: Vec<&Claimable> = channels.iter().filter(|c| plan.payers.contains(&c.payer)).collect();
        if !claimed.is_empty() {
            prop_assert_eq!(plan.reason, ClaimReason::Waited);
            let gas = (CLAIM_GAS_BASE as u128 + CLAIM_GAS_EACH as u128 * claimed.len() as u128) * price;
            let waited: u128 = claimed.iter().map(|c| RULE.waiting_cost_rounded_down(c.wei_seconds).0).sum();
            let worth: u128 = claimed.iter().map(|c| c.amount.0).sum();
            prop_assert!(gas <= waited && gas < worth, "{gas} for {waited} and {worth}");
        }
    }

    /// A record read back at any time goes on as if nothing had happened.
    #[test]
    fn a_restart_changes_nothing(steps in prop::collection::vec((0u64..100_000, 0u128..1_000_000), 1..20), cut in 0usize..20) {
        let (mut through, mut restarted, mut now) = (Waiting::default(), Waiting::default(), 0);
        for (place, (gap, amount)) in steps.iter().enumerate() {
            now += gap;
            through.observe(Wei(*amount), ChainTime(now));
            if place == cut {
                let kept = postcard::to_allocvec(&restarted).unwrap();
                restarted = postcard::from_bytes(&kept).unwrap();
            }
            restarted.observe(Wei(*amount), ChainTime(now));
        }
        prop_assert_eq!(through, restarted);
    }
}
