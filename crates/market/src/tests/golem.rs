//! Our own rules.

use super::{header, node, seconds};
use crate::*;
use golem_protocol::{NodeId, Pricing, RefusalReason, Wei};

const SUCCESS: Outcome = Outcome::Success { computation_ms: 50_000 };

fn ratio(value: f64) -> Ratio {
    Ratio::from_f64(value).unwrap()
}

fn offer(provider: u64, price: u128) -> OfferTerms {
    OfferTerms { provider: node(provider), price: Wei(price), performance: 100 }
}

fn seller(min_price: u128) -> ProviderMarket {
    ProviderMarket::new(ProviderSettings::new(Wei(min_price)), seconds(0)).unwrap()
}

fn buyer(outcomes: &[(u64, Outcome)]) -> RequestorMarket {
    let mut market = RequestorMarket::new(RequestorSettings::default());
    for (provider, outcome) in outcomes {
        market.outcome(&offer(*provider, 50), &header(100), *outcome);
    }
    market
}

fn order(ranking: &Ranking) -> Vec<NodeId> {
    ranking.ranked.iter().map(|ranked| ranked.offer.provider).collect()
}

#[test]
fn refuses_work_that_pays_less_than_it_costs_even_a_fast_machine() {
    let mut market = seller(1000);
    market.assigned(node(1), Wei(1), seconds(0)).unwrap();
    // A subtask takes half of what is sold: 500 an hour are enough, 499 are not.
    market.completed(&node(1), &header(1000), 0, 50_000);
    assert_eq!(
        market.quote(&node(1), &header(499), 0, seconds(0)),
        Err(RefusalReason::PriceAboveMax { price: Wei(500), max_price: Wei(499) })
    );
    assert_eq!(market.quote(&node(1), &header(500), 0, seconds(0)).unwrap().price, Wei(500));
    assert_eq!(market.quote(&node(1), &header(1000), 0, seconds(0)).unwrap().price, Wei(600));
}

#[test]
fn lends_a_stranger_two_subtasks_and_then_what_it_has_paid() {
    let mut market = seller(36_000);
    // A subtask of 100 s at 1.2 times 36,000 an hour is worth 1,200.
    let quote = market.quote(&node(1), &header(1_000_000), 0, seconds(0)).unwrap();
    assert_eq!((quote.price, quote.credit), (Wei(43_200), Wei(3 * 43_200)));
    assert_eq!(market.credit(&node(1), quote.price, 100), Wei(2_400));
    market.assigned(node(1), Wei(3_600), seconds(0)).unwrap();
    market.paid(&node(1), Wei(3_600));
    assert_eq!(market.credit(&node(1), quote.price, 100), Wei(3_600));
    market.assigned(node(1), Wei(1_000_000), seconds(0)).unwrap();
    market.paid(&node(1), Wei(1_000_000));
    assert_eq!(market.credit(&node(1), quote.price, 100), Wei(3 * 43_200), "no more than the hours set");
    // A subtask longer than the hours set can still be done, one at a time.
    assert_eq!(market.credit(&node(2), Wei(1), 36_000), Wei(10));
}

/// What the seller of these tests asks for an hour at least.
const HOUR: Wei = Wei(36_000);

/// Somebody has work done and does not pay.
fn cheated(market: &mut ProviderMarket, by: u64, value: Wei, now: u64) {
    market.assigned(node(by), value, seconds(now)).unwrap();
    market.overdue(&node(by), seconds(now));
}

/// Somebody has work done and pays.
fn honest(market: &mut ProviderMarket, by: u64, value: Wei) {
    market.assigned(node(by), value, seconds(0)).unwrap();
    market.paid(&node(by), value);
}

#[test]
fn offers_nothing_to_whom_is_late_until_it_pays_or_answers() {
    let hour = 3_600;
    let mut market = seller(HOUR.0);
    let asks = |market: &ProviderMarket, now| market.quote(&node(1), &header(1_000_000), 0, seconds(now)).map(drop);
    honest(&mut market, 1, HOUR);
    market.overdue(&node(1), seconds(0));
    assert_eq!(asks(&market, 0), Ok(()), "it owes nothing");
    cheated(&mut market, 1, HOUR, 0);
    let late = Err(RefusalReason::CreditExceeded { owed: HOUR, credit: Wei::ZERO });
    for settle in [(|market| market.paid(&node(1), HOUR)) as fn(&mut ProviderMarket), |market| {
        market.rejected(&node(1), HOUR, seconds(0));
        market.released(&node(1), HOUR, Release::Rejected);
    }] {
        let mut market = market.clone();
        market.overdue(&node(1), seconds(hour));
        assert_eq!(asks(&market, 9), late);
        settle(&mut market);
        assert_eq!(asks(&market, 9), Ok(()));
        assert_eq!(market.state().unpaid.lost(), Wei::ZERO, "it has paid as much: it is no stranger");
        assert_eq!(market.check_invariants(), vec![]);
    }
    // It never comes back: after half a day there is its credit again, and no more.
    let half_a_day = 12 * hour;
    assert_eq!((asks(&market, half_a_day - 1), asks(&market, half_a_day).is_err()), (late, true));
    market.released(&node(1), Wei(HOUR.0 / 2), Release::TimedOut);
    assert_eq!(asks(&market, half_a_day), Ok(()), "half of what it has paid is lent");
    let entry = AccessEntry { expires: Expiry::Never, reason: "a colleague".into() };
    market.access_mut().allow(node(1), entry).unwrap();
    assert_eq!(asks(&market, 0), Ok(()), "its owner lets it in");
    let mut published = ProviderMarket::new(ProviderSettings::published(HOUR), seconds(0)).unwrap();
    cheated(&mut published, 1, HOUR, 0);
    assert_eq!(asks(&published, 0), Ok(()));
}

#[test]
fn strangers_are_worked_for_once_in_a_while_where_more_was_lost_to_them_than_they_paid() {
    let hour = 3_600;
    let half = Wei(HOUR.0 / 2);
    let mut market = seller(HOUR.0);
    honest(&mut market, 1, HOUR);
    let asked_by =
        |market: &ProviderMarket, by, now| market.quote(&node(by), &header(1_000_000), 0, seconds(now)).map(drop);
    let closed = |halves| Err(RefusalReason::StrangersUnpaid { lost: Wei(half.0 * halves) });
    cheated(&mut market, 11, half, 0);
    assert_eq!(asked_by(&market, 2, 0), Ok(()));
    cheated(&mut market, 12, half, 0);
    assert_eq!(asked_by(&market, 2, hour - 1), closed(2));
    assert_eq!(asked_by(&market, 1, hour - 1), Ok(()), "it has paid before");
    honest(&mut market, 9, Wei(1_199));
    assert_eq!((market.state().unpaid.lost(), asked_by(&market, 2, hour - 1)), (Wei(HOUR.0 - 1_199), Ok(())));
    honest(&mut market, 9, Wei(0));
    cheated(&mut market, 13, Wei(1_199), 0);
    assert_eq!(asked_by(&market, 9, hour - 1), closed(2), "it has paid less than a subtask is worth");
    let entry = AccessEntry { expires: Expiry::Never, reason: "a colleague".into() };
    market.access_mut().allow(node(3), entry).unwrap();
    assert_eq!(asked_by(&market, 3, hour - 1), Ok(()), "its owner lets it in");

    assert_eq!(asked_by(&market, 2, hour), Ok(()));
    market.assigned(node(14), half, seconds(hour)).unwrap();
    assert_eq!(asked_by(&market, 2, hour + 1), closed(2), "one is tried, and no other beside it");
    market.overdue(&node(14), seconds(2 * hour));
    assert_eq!(asked_by(&market, 2, 4 * hour - 1), closed(3));
    assert_eq!(asked_by(&market, 2, 4 * hour), Ok(()));
    assert_eq!(asked_by(&market, 2, hour), Ok(()), "a clock that was set back closes nothing");

    market.paid(&node(14), half);
    assert_eq!(asked_by(&market, 2, 3 * hour - 1), closed(2), "it paid after all");
    (20..60).for_each(|by| cheated(&mut market, by, half, 0));
    assert_eq!(asked_by(&market, 2, 7 * 24 * hour - 1), closed(10));
    assert_eq!(asked_by(&market, 2, 7 * 24 * hour), Ok(()), "a week at most");
    honest(&mut market, 70, Wei(half.0 * 9));
    assert_eq!(asked_by(&market, 2, 0), Ok(()), "what strangers pay makes up for it");
}

#[test]
fn who_was_late_makes_up_for_all_that_it_owed_and_for_no_more() {
    let mut market = seller(HOUR.0);
    let lost = |market: &ProviderMarket| (market.state().unpaid.lost(), market.state().unpaid.late(seconds(9)));
    cheated(&mut market, 1, Wei(2_400), 0);
    cheated(&mut market, 2, Wei(1_000), 0);
    assert_eq!(lost(&market), (Wei(3_400), 2));
    market.paid(&node(1), Wei(1_200));
    assert_eq!(lost(&market), (Wei(2_200), 1));
    // It is late again with the rest, which is counted already, and with what was begun since, which is not.
    market.assigned(node(1), Wei(3_000), seconds(5)).unwrap();
    market.overdue(&node(1), seconds(5));
    assert_eq!(lost(&market), (Wei(4_000), 2));
    market.paid(&node(1), Wei(1_200));
    market.paid(&node(1), Wei(1_200));
    market.paid(&node(1), Wei(1_200));
    assert_eq!(lost(&market), (Wei(1_000), 1), "what it paid before is no loss, and no gain");
    market.paid(&node(1), Wei(600));
    assert_eq!(lost(&market), (Wei(1_000), 1));
    assert_eq!(market.check_invariants(), vec![]);
}

#[test]
fn who_paid_little_is_a_stranger_to_what_is_worth_much() {
    let mut market = seller(HOUR.0);
    honest(&mut market, 1, Wei(100));
    cheated(&mut market, 1, Wei(3 * HOUR.0), 0);
    assert_eq!(market.state().unpaid.lost(), Wei(3 * HOUR.0 - 100));
    assert_eq!(market.state().unpaid.closed_for_ms(HOUR, seconds(600)), Some(8 * 3_600_000 - 600_000));
    let mut free = seller(0);
    cheated(&mut free, 1, Wei(3), 0);
    assert_eq!(
        free.state().unpaid.closed_for_ms(Wei::ZERO, seconds(0)),
        None,
        "whose work costs nothing loses nothing"
    );
}

#[test]
fn a_stranger_gets_one_subtask_at_first_after_another_did_not_pay() {
    let mut market = seller(HOUR.0);
    let credit = |market: &ProviderMarket| market.credit(&node(1), Wei(43_200), 100);
    cheated(&mut market, 2, Wei(1_200), 0);
    assert_eq!(credit(&market), Wei(1_200));
    (10..29).for_each(|by| honest(&mut market, by, Wei(1_200)));
    honest(&mut market, 28, Wei(1_200));
    assert_eq!(credit(&market), Wei(1_200), "nineteen have paid since");
    honest(&mut market, 29, Wei(1_200));
    assert_eq!(credit(&market), Wei(2_400));
}

#[test]
fn who_rejects_what_was_done_is_taken_for_one_that_does_not_pay_if_it_never_did() {
    let mut market = seller(HOUR.0);
    let rejects = |market: &mut ProviderMarket, by| {
        market.assigned(node(by), HOUR, seconds(0)).unwrap();
        market.rejected(&node(by), HOUR, seconds(0));
        market.released(&node(by), HOUR, Release::Rejected);
    };
    honest(&mut market, 1, HOUR);
    (0..5).for_each(|_| rejects(&mut market, 1));
    assert_eq!(market.state().unpaid, Unpaid::default());
    (2..4).for_each(|by| rejects(&mut market, by));
    assert!(market.state().unpaid.closed_for_ms(HOUR, seconds(0)).is_some());
    assert_eq!(market.state().unpaid.late(seconds(0)), 0, "nothing is owed");
}

#[test]
fn asks_for_the_time_that_the_work_takes_and_no_more_of_metered_work() {
    let header = HeaderTerms { min_perf: 100, ..header(10_000) };
    let price = |performance, pricing| {
        let header = HeaderTerms { pricing, ..header };
        seller(1000).quote(&node(1), &header, performance, seconds(0)).unwrap().price
    };
    assert_eq!(price(200, Pricing::Tender), Wei(600));
    assert_eq!(price(100_000, Pricing::Tender), Wei(300), "a header's word counts up to four times");
    assert_eq!(price(200, Pricing::Metered), Wei(1200));
    let mut market = seller(1000);
    market.assigned(node(1), Wei(1), seconds(0)).unwrap();
    market.completed(&node(1), &header, 100, 1);
    let quoted = market.quote(&node(1), &header, 100, seconds(0)).unwrap();
    assert_eq!(quoted.price, Wei(75), "what was seen counts up to sixteen times");
}

#[test]
fn many_quick_subtasks_do_not_hide_what_a_slow_one_takes() {
    let price = |market: &ProviderMarket| market.quote(&node(1), &header(10_000), 0, seconds(0)).unwrap().price;
    let mut market = seller(1000);
    market.assigned(node(1), Wei(1), seconds(0)).unwrap();
    (0..50).for_each(|_| market.completed(&node(1), &header(10_000), 0, 1_000));
    assert_eq!(price(&market), Wei(75));
    // A tenth of what counts took all of its 100 s, nine tenths a second each: .109 of an hour that is sold.
    market.completed(&node(1), &header(10_000), 0, 100_000);
    assert_eq!(price(&market), Wei(130));
    (0..50).for_each(|_| market.completed(&node(1), &header(10_000), 0, 100_000));
    assert!(price(&market) > Wei(1190), "{}", price(&market));
}

#[test]
fn the_margin_follows_what_is_taken_and_not_the_time() {
    let mut market = seller(1000);
    market.busy(seconds(0));
    assert_eq!(market.factor(seconds(1_000_000)), ratio(0.2));
    market.answered(true);
    assert_eq!(market.factor(seconds(0)), ratio(0.2005));
    market.answered(false);
    assert_eq!(market.factor(seconds(0)), ratio(0.178445));
    (0..100).for_each(|_| market.answered(false));
    assert_eq!(market.factor(seconds(0)), ratio(0.01));
    (0..3000).for_each(|_| market.answered(true));
    assert_eq!(market.factor(seconds(0)), ratio(0.5));
    assert_eq!(market.check_invariants(), vec![]);
}

#[test]
fn work_under_way_makes_no_price_dearer() {
    let mut market = seller(100);
    market.assigned(node(1), Wei(150), seconds(0)).unwrap();
    let quote = market.quote(&node(1), &header(10_000), 0, seconds(0)).unwrap();
    assert_eq!((quote.payment_rate, quote.price), (Ratio::ONE, Wei(120)));
    (0..20).for_each(|_| market.assigned(node(1), Wei(50), seconds(0)).unwrap());
    (0..20).for_each(|_| market.released(&node(1), Wei(50), Release::Rejected));
    assert!(market.quote(&node(1), &header(10_000), 0, seconds(0)).unwrap().payment_rate < ratio(0.5));
}

#[test]
fn takes_the_least_expected_cost_first() {
    let market = buyer(&[&[(1, SUCCESS)][..], &[(2, SUCCESS); 4], &[(2, Outcome::TimedOut)]].concat());
    // 2 fails now and then; 3 is nobody yet.
    let ranking = market.rank(&[offer(1, 50), offer(2, 50), offer(3, 50)], &header(100), seconds(0), 0, 0);
    assert_eq!(order(&ranking), [node(1), node(3), node(2)]);
    let ranking = market.rank(&[offer(1, 50), offer(2, 30), offer(3, 50)], &header(100), seconds(0), 0, 0);
    assert_eq!(order(&ranking), [node(2), node(1), node(3)]);
}

#[test]
fn of_metered_work_the_price_of_the_fuel_counts_and_not_that_of_the_hour() {
    let market = buyer(&[(1, SUCCESS), (2, SUCCESS)]);
    let (slow, fast) = (offer(1, 40), OfferTerms { performance: 300, ..offer(2, 60) });
    let first = |pricing, min_perf| {
        let header = HeaderTerms { pricing, min_perf, ..header(100) };
        order(&market.rank(&[slow, fast], &header, seconds(0), 1_000, 0))[0]
    };
    assert_eq!(first(Pricing::Tender, 100), node(1));
    assert_eq!(first(Pricing::Metered, 100), node(2), "60 for three hours' fuel against 40 for one's");
    let g = |offer: OfferTerms| OfferTerms { performance: offer.performance * 10_000_000, ..offer };
    let any = HeaderTerms { pricing: Pricing::Metered, min_perf: 0, ..header(100) };
    let of_any = |waited| order(&market.rank(&[g(slow), g(fast)], &any, seconds(0), waited, 0));
    assert_eq!(of_any(0)[0], node(2), "where any machine will do as well");
    let slower = OfferTerms { performance: 500_000_000, ..offer(1, 40) };
    let alone = |market: &RequestorMarket, waited| market.rank(&[slower], &any, seconds(0), waited, 0).ranked.len();
    assert_eq!(alone(&market, 0), 1, "nothing was paid before");
    let mut paid = market.clone();
    (0..200).for_each(|_| paid.outcome(&g(offer(1, 60)), &any, SUCCESS));
    assert_eq!((alone(&paid, 0), alone(&paid, 400)), (0, 1), "80 for as much fuel as 60 bought: in the end");
    // Dear is who asks more for the fuel: 60 was paid for twice as much of it.
    let header = HeaderTerms { pricing: Pricing::Metered, min_perf: 100, ..header(100) };
    let mut market = RequestorMarket::new(RequestorSettings::default());
    (0..200).for_each(|_| market.outcome(&OfferTerms { performance: 200, ..offer(1, 60) }, &header, SUCCESS));
    let ranking =
        market.rank(&[offer(1, 31), OfferTerms { performance: 300, ..offer(2, 89) }], &header, seconds(0), 0, 0);
    assert_eq!(order(&ranking), [node(2)]);
    assert!(matches!(ranking.waiting[..], [(0, _, WaitReason::Dear { limit: Wei(30), .. })]), "{ranking:?}");
}

#[test]
fn waits_out_dear_offers_and_pays_the_maximum_in_the_end() {
    let mut market = RequestorMarket::new(RequestorSettings::default());
    let take = |market: &RequestorMarket, price, waited_s| {
        !market.rank(&[offer(1, price)], &header(100), seconds(0), waited_s, 0).ranked.is_empty()
    };
    assert!(take(&market, 100, 0), "nothing was paid before");
    for _ in 0..200 {
        market.outcome(&offer(1, 50), &header(100), SUCCESS);
    }
    assert!(take(&market, 50, 0) && !take(&market, 51, 0));
    assert!(take(&market, 75, 200) && !take(&market, 76, 200), "half way to the maximum in half the patience");
    assert!(take(&market, 100, 400) && !take(&market, 101, 1_000_000));
    let ranking = market.rank(&[offer(1, 90)], &header(100), seconds(0), 0, 0);
    assert!(matches!(ranking.waiting[..], [(0, _, WaitReason::Dear { limit: Wei(50), .. })]), "{ranking:?}");
    for price in 51..=100 {
        let ranking = market.rank(&[offer(1, price)], &header(100), seconds(0), 0, 0);
        let [(0, _, WaitReason::Dear { taken_after_s, .. })] = ranking.waiting[..] else { panic!("{ranking:?}") };
        assert!(
            take(&market, price, taken_after_s) && !take(&market, price, taken_after_s - 1),
            "{price} {taken_after_s}"
        );
    }
    let ranking = market.rank(&[offer(1, 90), offer(2, 75), offer(3, 40)], &header(100), seconds(0), 30, 0);
    let dear = Dear { price: Wei(75), limit: Wei(53), taken_in_s: 170 };
    assert_eq!(Held::of(&ranking.waiting, 30), Held { dear: Some(dear), doubtful: 0, accused: 0 });
    let hasty = RequestorSettings { patience: Ratio::ZERO, ..RequestorSettings::default() };
    assert!(take(&RequestorMarket::restore(hasty, market), 100, 0));
}

#[test]
fn what_an_hour_that_is_sold_cost_says_nothing_of_an_hour_of_work() {
    let mut market = buyer(&[(1, SUCCESS); 200]);
    let metered = HeaderTerms { pricing: Pricing::Metered, ..header(100) };
    let taken = |market: &RequestorMarket, header: &HeaderTerms| {
        !market.rank(&[offer(1, 90)], header, seconds(0), 0, 0).ranked.is_empty()
    };
    assert!(!taken(&market, &header(100)) && taken(&market, &metered));
    (0..200).for_each(|_| market.outcome(&offer(1, 20), &metered, SUCCESS));
    assert!(!taken(&market, &metered), "a fifth was paid for it since");
    assert!(!market.rank(&[offer(1, 50)], &header(100), seconds(0), 0, 0).ranked.is_empty(), "half as before");
}

#[test]
fn patience_counts_in_what_subtasks_take_where_that_is_far_below_the_timeout() {
    let market = buyer(&[(1, SUCCESS); 200]);
    let after = |usual_ms| {
        let waited = Waited { s: 0, usual_ms };
        let ranking = market.rank(&[offer(1, 100)], &header(100), seconds(0), waited, 0);
        let [(0, _, WaitReason::Dear { taken_after_s, .. })] = ranking.waiting[..] else { panic!("{ranking:?}") };
        let taken =
            |s| !market.rank(&[offer(1, 100)], &header(100), seconds(0), Waited { s, usual_ms }, 0).ranked.is_empty();
        assert!(taken(taken_after_s) && !taken(taken_after_s - 1), "{usual_ms:?}");
        taken_after_s
    };
    // Four times the timeout of 100 s, or four times sixteen times what a subtask takes.
    assert_eq!([None, Some(50_000), Some(6_250)].map(after), [400; 3]);
    assert_eq!(after(Some(2_000)), 128);
    assert_eq!(after(Some(0)), 4, "a second at least");
    assert_eq!(after(Some(u64::MAX)), 400);
}

#[test]
fn a_cheat_gets_no_more_work_at_any_price_while_others_are_to_be_had() {
    let seen = [(1, Outcome::TimedOut), (1, Outcome::TimedOut), (2, SUCCESS)];
    let offers = [offer(1, 0), offer(2, 50)];
    // Among few, nobody is waited for who may never come.
    let mut few = buyer(&seen);
    few.assigned(node(1), 9);
    assert_eq!(order(&few.rank(&offers, &header(100), seconds(0), 0, 0)), [node(2), node(1)]);
    let others: Vec<_> = (10..16).map(|n| (n, SUCCESS)).collect();
    let mut market = buyer(&[&seen[..], &others[..]].concat());
    // One in two hundred goes to those in doubt: the first at once, then no more for long.
    let ranking = market.rank(&offers, &header(100), seconds(0), 0, 0);
    assert_eq!(order(&ranking), [node(2), node(1)]);
    market.assigned(node(1), 1);
    let ranking = market.rank(&offers, &header(100), seconds(0), 0, 0);
    assert_eq!(order(&ranking), [node(2)]);
    assert!(matches!(ranking.waiting[..], [(0, _, WaitReason::Doubt { .. })]));
    // What others did is believed, but is no work of its own.
    for _ in 0..500 {
        market.told(&offer(2, 50), &header(100), SUCCESS);
    }
    assert_eq!(order(&market.rank(&offers, &header(100), seconds(0), 0, 0)), [node(2)]);
    for _ in 0..200 {
        market.outcome(&offer(2, 50), &header(100), SUCCESS);
    }
    assert_eq!(order(&market.rank(&offers, &header(100), seconds(0), 0, 0)), [node(2), node(1)]);
    // Where there is nobody else, work is done rather than not, after the patience.
    market.assigned(node(1), 5);
    assert!(market.rank(&offers[..1], &header(100), seconds(0), 399, 0).ranked.is_empty());
    assert_eq!(order(&market.rank(&offers[..1], &header(100), seconds(0), 400, 0)), [node(1)]);
}

#[test]
fn who_does_worse_than_newcomers_is_in_doubt_and_who_does_a_little_worse_than_good_ones_is_not() {
    // Fails one time in three, and one time in five.
    let third = [(1, Outcome::TimedOut), (1, SUCCESS), (1, SUCCESS)].repeat(2);
    let fifth = [(2, Outcome::TimedOut), (2, SUCCESS), (2, SUCCESS), (2, SUCCESS), (2, SUCCESS)].repeat(2);
    let waits = |others: &[(u64, Outcome)], n| {
        let mut market = buyer(&[&third, &fifth, others].concat());
        market.assigned(node(1), 9);
        let ranking = market.rank(&[offer(n, 10), offer(9, 50)], &header(100), seconds(0), 0, 0);
        let chance = market.score(&offer(n, 10), &header(100)).quality;
        assert!(chance >= ratio(0.6), "{chance}");
        ranking.waiting.iter().any(|(position, ..)| *position == 0)
    };
    // Where newcomers do well there are others to be tried.
    let good: Vec<_> = (10..40).map(|n| (n, SUCCESS)).collect();
    assert_eq!([1, 2].map(|n| waits(&good, n)), [true, false]);
    // Where they do not, hardly anybody would be left.
    let bad: Vec<_> = (10..40).map(|n| (n, if n % 3 == 0 { Outcome::TimedOut } else { SUCCESS })).collect();
    assert_eq!([1, 2].map(|n| waits(&bad, n)), [false, false]);
}

#[test]
fn one_wrong_result_outweighs_all_the_right_ones() {
    let seen = |outcome| buyer(&[vec![(1, SUCCESS); 100], vec![(1, outcome)]].concat());
    let quality = |market: &RequestorMarket| market.score(&offer(1, 50), &header(100)).quality;
    assert!(quality(&seen(Outcome::TimedOut)) > ratio(0.8));
    assert!(quality(&seen(Outcome::Rejected)) < ratio(0.2));
}

#[test]
fn runs_everything_of_a_newcomer_again_and_less_as_it_proves_right() {
    let share = |successes: usize, base| buyer(&vec![(1, SUCCESS); successes]).recheck_ppm(&node(1), base);
    assert_eq!((share(0, 100_000), share(0, 1_000_000), share(0, 0)), (1_000_000, 1_000_000, 0));
    assert!((0..4).all(|n| share(n, 100_000) > share(n + 1, 100_000)));
    assert_eq!((share(4, 100_000), share(100, 100_000)), (100_000, 100_000));
    // Where newcomers were right so far there is less to find, and where one was wrong there is more again.
    let of_a_newcomer = |market: &RequestorMarket| market.recheck_ppm(&node(99), 100_000);
    let mut market = buyer(&(1..40).map(|n| (n, SUCCESS)).collect::<Vec<_>>());
    let few = of_a_newcomer(&market);
    assert!(few < 400_000, "{few}");
    market.outcome(&offer(40, 50), &header(100), Outcome::Rejected);
    assert_eq!(of_a_newcomer(&market), 1_000_000);
    assert_eq!(market.recheck_ppm(&node(40), 100_000), 1_000_000, "all of one in doubt");
    let published = RequestorMarket::new(RequestorSettings::published());
    assert_eq!(published.recheck_ppm(&node(1), 100_000), 100_000);
}

#[test]
fn newcomers_are_trusted_as_newcomers_have_deserved() {
    let strangers = |outcome| buyer(&(1..40).map(|n| (n, outcome)).collect::<Vec<_>>());
    let quality = |market: &RequestorMarket| market.score(&offer(99, 50), &header(100)).quality;
    assert_eq!(quality(&buyer(&[])), ratio(0.9));
    assert!(quality(&strangers(SUCCESS)) > ratio(0.98));
    let wary = strangers(Outcome::Failed);
    assert!(quality(&wary) < ratio(0.2));
    // A new name is worth nothing then: it is in doubt like any cheat, whatever it asks.
    let mut wary = wary;
    let all_wait = |wary: &mut RequestorMarket| {
        let judged = wary.judge(&offer(98, 0), &header(100));
        wary.all_wait(&[judged], &header(100), seconds(0), 0)
    };
    assert!(!all_wait(&mut wary), "one in two hundred goes to those in doubt");
    wary.assigned(node(99), 1);
    assert!(all_wait(&mut wary));
    assert!(wary.rank(&[offer(98, 0)], &header(100), seconds(0), 0, 0).ranked.is_empty());
}

#[test]
fn of_strangers_in_doubt_the_one_that_offered_first_is_tried_first() {
    let mut market = buyer(&(1..40).map(|n| (n, Outcome::Failed)).collect::<Vec<_>>());
    let of = |names: &[u64]| names.iter().map(|name| offer(*name, 50)).collect::<Vec<_>>();
    market.heard([node(70), node(60)].into_iter());
    market.outcome(&offer(1, 50), &header(100), Outcome::Failed);
    // A new name is cheaper, and a cheat that was seen is cheaper still.
    market.heard([node(50)].into_iter());
    let offers = [offer(50, 10), offer(60, 50), offer(70, 60), offer(2, 0)];
    let at_last = market.rank(&offers, &header(100), seconds(0), 400, 0);
    assert_eq!(order(&at_last), [node(60), node(70), node(50), node(2)]);
    // One subtask in two hundred goes to the oldest.
    assert_eq!(order(&market.rank(&offers, &header(100), seconds(0), 0, 0)), [node(60)]);
    // Whoever was dealt with is a stranger no more, and one that turned out well comes first.
    market.outcome(&offer(70, 60), &header(100), Outcome::TimedOut);
    market.outcome(&offer(70, 60), &header(100), SUCCESS);
    assert_eq!(order(&market.rank(&of(&[60, 70]), &header(100), seconds(0), 400, 0)), [node(70), node(60)]);
}

#[test]
fn a_flood_of_new_names_does_not_make_old_strangers_young() {
    let mut market = buyer(&(1..40).map(|n| (n, Outcome::Failed)).collect::<Vec<_>>());
    market.heard([node(100_000)].into_iter());
    market.outcome(&offer(1, 50), &header(100), Outcome::Failed);
    market.heard((1_000..9_000).map(node));
    assert!(market.check_invariants().is_empty(), "{:?}", market.check_invariants());
    let offers = [offer(1_000, 10), offer(8_999, 10), offer(100_000, 50)];
    let ranking = market.rank(&offers, &header(100), seconds(0), 400, 0);
    assert_eq!(order(&ranking), [node(100_000), node(1_000), node(8_999)]);
}

/// Whoever ranks the same offers again and again judges anew only those of which something may have been learnt.
#[test]
fn an_offers_worth_holds_until_something_is_learnt() {
    let header = header(100);
    let offers: Vec<OfferTerms> = (1..=24).map(|id| offer(id, 20 + 3 * u128::from(id))).collect();
    let mut market = RequestorMarket::new(RequestorSettings::default());
    let mut judged: Vec<Judged> = offers.iter().map(|offer| Judged::not_yet(*offer)).collect();
    let (mut judgements, mut waits, mut draws) = (0, 0, 7u64);
    for step in 0..400 {
        for (judged, offer) in judged.iter_mut().zip(&offers) {
            if !market.still_holds(judged, offer) {
                *judged = market.judge(offer, &header);
                judgements += 1;
            }
        }
        let now = market.order(&judged, &header, seconds(0), step, 0);
        let mut fresh = market.clone();
        let anew: Vec<Judged> = offers.iter().map(|offer| fresh.judge(offer, &header)).collect();
        assert_eq!(now, market.order(&anew, &header, seconds(0), step, 0), "step {step}");
        let all_wait = market.all_wait(&judged, &header, seconds(0), step);
        assert_eq!(all_wait, now.waiting.len() == offers.len(), "step {step}");
        waits += usize::from(all_wait);
        let refused = market.judge(&offer(25, 101), &header);
        assert!(!market.all_wait(&[judged[0], refused], &header, seconds(0), step), "step {step}");
        draws = draws.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let of = offers[(draws >> 33) as usize % offers.len()];
        match draws >> 60 {
            0 => market.proven(of.provider),
            1 => market.outcome(&of, &header, Outcome::Rejected),
            2 | 3 => market.outcome(&of, &header, Outcome::TimedOut),
            4 | 5 => market.outcome(&of, &header, Outcome::Success { computation_ms: 1_000 }),
            6 => market.assigned(of.provider, 1),
            _ => {}
        }
    }
    assert!(judgements < 400 * 24 / 4, "{judgements} times");
    assert!((20..380).contains(&waits), "{waits} times");
    // Whom something was learnt of is judged anew, however much was learnt of others since; who was not, only after many.
    for others in 0..20 {
        let (first, last) = (market.judge(&offers[0], &header), market.judge(&offers[23], &header));
        market.outcome(&offers[0], &header, Outcome::TimedOut);
        (0..others).for_each(|_| market.outcome(&offers[1], &header, SUCCESS));
        assert!(!market.still_holds(&first, &offers[0]), "after {others} others");
        assert_eq!(market.still_holds(&last, &offers[23]), others < 8, "after {others} others");
    }
    judged[0] = market.judge(&offers[0], &header);
    assert!(market.still_holds(&judged[0], &offers[0]));
    let cheaper = OfferTerms { price: Wei(1), ..offers[0] };
    assert!(!market.still_holds(&judged[0], &cheaper), "another price is another offer");
}
