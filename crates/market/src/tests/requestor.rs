use super::{header, node, seconds};
use crate::requestor::OFFERS_MAX;
use crate::*;
use golem_protocol::{RefusalReason, Wei};
use proptest::prelude::*;

fn ratio(value: f64) -> Ratio {
    Ratio::from_f64(value).unwrap()
}

fn offer(provider: u64, price: u128) -> OfferTerms {
    OfferTerms { provider: node(provider), price: Wei(price), performance: 100 }
}

fn published() -> RequestorMarket {
    RequestorMarket::new(RequestorSettings::published())
}

const SUCCESS: Outcome = Outcome::Success { computation_ms: 100_000 };

fn after(outcomes: &[Outcome]) -> RequestorMarket {
    let mut market = published();
    for outcome in outcomes {
        market.outcome(&offer(1, 50), &header(100), *outcome);
    }
    market
}

#[test]
fn refuses_offers_with_the_reason_to_be_sent() {
    let mut market =
        RequestorMarket::new(RequestorSettings { quality_floor: ratio(0.2), ..RequestorSettings::published() });
    let header = HeaderTerms { min_perf: 50, ..header(100) };
    let refuse = |market: &RequestorMarket, offer| market.admit(&offer, &header, seconds(0)).unwrap_err();
    assert_eq!(refuse(&market, offer(1, 101)), RefusalReason::PriceAboveMax { price: Wei(101), max_price: Wei(100) });
    let slow = OfferTerms { performance: 49, ..offer(1, 100) };
    assert_eq!(refuse(&market, slow), RefusalReason::BelowMinPerf { performance: 49, min_perf: 50 });
    assert!(market.admit(&offer(1, 100), &header, seconds(0)).is_ok());
    market.outcome(&offer(1, 50), &header, Outcome::TimedOut);
    assert_eq!(refuse(&market, offer(1, 100)), RefusalReason::BelowQualityFloor);
    let entry = AccessEntry { expires: Expiry::Never, reason: "wrong results".into() };
    market.access_mut().deny(node(2), entry).unwrap();
    assert_eq!(refuse(&market, offer(2, 100)), RefusalReason::Denied);
    let ranking = market.rank(&[offer(2, 1), offer(3, 50)], &header, seconds(0), 0, 0);
    assert_eq!(ranking.ranked.len(), 1);
    assert_eq!(ranking.refused, vec![(0, offer(2, 1), RefusalReason::Denied)]);
}

#[test]
fn refuses_whoever_is_not_listed_where_only_the_listed_may() {
    let mut lists = AccessLists::default();
    lists.unlisted = DefaultAccess::AllowedOnly;
    let until = |s| AccessEntry { expires: Expiry::At(seconds(s)), reason: String::new() };
    assert_eq!(lists.admit(&node(1), seconds(0)), Err(RefusalReason::Denied));
    lists.allow(node(1), until(10)).unwrap();
    assert!(lists.admit(&node(1), seconds(0)).is_ok());
    assert_eq!(lists.admit(&node(1), seconds(10)), Err(RefusalReason::Denied));
    lists.deny(node(1), until(5)).unwrap();
    assert_eq!(lists.admit(&node(1), seconds(0)), Err(RefusalReason::Denied));
    lists.prune(seconds(5));
    assert!(lists.admit(&node(1), seconds(0)).is_ok());
    lists.remove(&node(1));
    assert_eq!(lists.admit(&node(1), seconds(0)), Err(RefusalReason::Denied));
}

#[test]
fn refuses_list_entries_beyond_the_bounds() {
    let mut lists = AccessLists::default();
    let entry = |length: usize| AccessEntry { expires: Expiry::Never, reason: "x".repeat(length) };
    assert_eq!(lists.deny(node(1), entry(257)), Err(AccessError::ReasonTooLong { got: 257, max: 256 }));
    for n in 0..access::ACCESS_ENTRIES_MAX as u64 {
        lists.deny(node(n), entry(0)).unwrap();
    }
    assert_eq!(lists.deny(node(u64::MAX), entry(0)), Err(AccessError::Full { max: access::ACCESS_ENTRIES_MAX }));
    assert!(lists.deny(node(1), entry(256)).is_ok(), "an entry can be renewed in a full list");
    let json = serde_json::to_string(&lists).unwrap();
    assert_eq!(serde_json::from_str::<AccessLists>(&json).unwrap(), lists);
}

#[test]
fn refuses_offers_beyond_the_bound() {
    let offers: Vec<_> = (0..OFFERS_MAX as u64 + 1).map(|n| offer(n, 50)).collect();
    let ranking = published().rank(&offers, &header(100), seconds(0), 0, 0);
    assert_eq!(ranking.ranked.len(), OFFERS_MAX);
    assert!(matches!(ranking.refused[..], [(OFFERS_MAX, _, RefusalReason::Full(_))]));
}

#[test]
fn scores_the_published_number() {
    let score = published().score(&offer(1, 80), &header(100));
    assert_eq!(score.score, ratio(0.9275));
    assert_eq!((score.price_term, score.quality_term), (ratio(0.8375), ratio(0.09)));
    assert_eq!((score.quality, score.quality_share), (ratio(0.2), ratio(0.272727272)));
    // Down to a quarter of the maximum the price counts as published.
    assert_eq!(published().score(&offer(1, 25), &header(100)).price_term, ratio(2.68));
}

#[test]
fn quality_follows_the_published_rule() {
    assert_eq!(after(&[SUCCESS]).record(&node(1)).unwrap().efficacy.quality(), ratio(0.333333333));
    let mixed = after(&[SUCCESS, Outcome::TimedOut, Outcome::Failed, Outcome::Rejected]);
    let efficacy = mixed.record(&node(1)).unwrap().efficacy;
    assert_eq!(efficacy.success, ratio(0.729));
    assert_eq!((efficacy.timed_out, efficacy.failed, efficacy.rejected), (ratio(0.81), ratio(0.9), ratio(1.0)));
    let best = after(&[SUCCESS; 400]);
    assert!(best.score(&offer(1, 100), &header(100)).quality_share > ratio(0.999999));
    assert!(best.check_invariants().is_empty());
}

#[test]
fn efficiency_starts_at_the_claim_and_follows_what_happened() {
    let header = HeaderTerms { min_perf: 10, ..header(100) };
    let mut market = published();
    let fast = OfferTerms { performance: 1_000_000, ..offer(1, 100) };
    assert_eq!(market.score(&fast, &header).efficiency, ratio(4.0));
    market.outcome(&fast, &header, Outcome::Success { computation_ms: 200_000 });
    assert_eq!(market.score(&fast, &header).efficiency, ratio(3.65));
    market.outcome(&fast, &header, Outcome::Rejected);
    assert_eq!(market.score(&fast, &header).efficiency, ratio(3.65));
}

#[test]
fn no_price_wins_against_a_good_record_after_a_bad_one() {
    let mut market = after(&[Outcome::TimedOut; 60]);
    for _ in 0..60 {
        market.outcome(&offer(2, 50), &header(100), SUCCESS);
    }
    let ranking = market.rank(&[offer(1, 0), offer(2, 100)], &header(100), seconds(0), 0, 0);
    assert_eq!(ranking.ranked[0].offer.provider, node(2));
    // Nor has a price of nothing a score without bound.
    assert!(published().score(&offer(3, 0), &header(Wei::MAX.0)).score < ratio(3.5));
    assert_eq!(published().score(&offer(3, 0), &header(0)).advantage, Ratio::ONE);
}

#[test]
fn ties_break_by_node_id() {
    let offers = [offer(3, 50), offer(1, 50), offer(2, 50)];
    let ranking = published().rank(&offers, &header(100), seconds(0), 0, 0);
    let order: Vec<_> = ranking.ranked.iter().map(|ranked| ranked.offer.provider).collect();
    assert_eq!(order, [node(1), node(2), node(3)]);
}

#[test]
fn chance_follows_the_scores() {
    let greed = |greed| RequestorSettings {
        choice: Choice::Boltzmann { greed: ratio(greed) },
        ..RequestorSettings::published()
    };
    let offers = [offer(1, 100), offer(2, 50), offer(3, 25)];
    let header = header(100);
    let fair = RequestorMarket::new(greed(0.0)).rank(&offers, &header, seconds(0), 0, 1);
    assert!(fair.ranked.iter().all(|ranked| ranked.probability == ratio(0.333333333)));
    // exp(-2/0.76), exp(-2/1.43), exp(-2/2.77), each over their sum; by an independent calculation.
    let market = RequestorMarket::new(greed(2.0));
    let ranking = market.rank(&offers, &header, seconds(0), 0, 1);
    let chance = |n| ranking.ranked.iter().find(|r| r.offer.provider == node(n)).unwrap().probability.to_f64();
    let weights = [0.76f64, 1.43, 2.77].map(|score| (-2.0 / score).exp());
    for (n, weight) in (1..).zip(weights) {
        assert!((chance(n) - weight / weights.iter().sum::<f64>()).abs() < 1e-8);
    }
    // First and second place, drawn without putting back: 4000 seeds, three standard deviations and more of room.
    let mut drawn = [[0u32; 4]; 4];
    for random in 0..4000 {
        let ranking = market.rank(&offers, &header, seconds(0), 0, random);
        let place = |place: usize| (1..4).find(|n| node(*n) == ranking.ranked[place].offer.provider).unwrap() as usize;
        drawn[place(0)][place(1)] += 1;
    }
    let share = weights.map(|weight| weight / weights.iter().sum::<f64>());
    for (i, j) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)] {
        let expected = 4000.0 * share[i] * share[j] / (1.0 - share[i]);
        let got = drawn[i + 1][j + 1];
        assert!((got as f64 - expected).abs() < 100.0, "{i} before {j}: {got} of {expected}");
    }
    let greedy = RequestorMarket::new(greed(1_000_000.0)).rank(&offers, &header, seconds(0), 0, 1);
    let order: Vec<_> = greedy.ranked.iter().map(|ranked| ranked.offer.provider).collect();
    assert_eq!(order, [node(3), node(2), node(1)]);
}

#[test]
fn a_crowd_of_new_names_does_not_push_out_a_known_cheat() {
    let mut market = after(&[Outcome::Rejected; 5]);
    for n in 10..10 + PEERS_MAX as u64 + 10 {
        market.outcome(&offer(n, 50), &header(100), Outcome::TimedOut);
    }
    assert!(market.record(&node(1)).is_some());
    assert!(market.record(&node(10)).is_none() && market.record(&node(10 + PEERS_MAX as u64)).is_some());
    assert_eq!(market.check_invariants(), vec![]);
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        any::<u64>().prop_map(|computation_ms| Outcome::Success { computation_ms }),
        Just(Outcome::TimedOut),
        Just(Outcome::Failed),
        Just(Outcome::Rejected),
    ]
}

fn wei() -> impl Strategy<Value = u128> {
    prop_oneof![0u128..200, 0u128..=Wei::MAX.0]
}

proptest! {
    #[test]
    fn scores_fall_with_the_price(
        outcomes in prop::collection::vec(outcome(), 0..20), max in wei(), a in wei(), b in wei(),
    ) {
        let market = after(&outcomes);
        prop_assert_eq!(market.check_invariants(), vec![]);
        let (low, high) = (a.min(b).min(max), a.max(b).min(max));
        let score = |price| market.score(&offer(1, price), &header(max)).score;
        prop_assert!(score(low) >= score(high));
        prop_assert!(score(low) < ratio(40.0) && score(high) > ratio(0.66));
    }

    #[test]
    fn the_order_is_the_same_however_offers_arrive(
        offers in prop::collection::vec((0u64..6, 0u128..60, 0u64..3), 0..20),
        history in prop::collection::vec((0u64..6, outcome()), 0..20),
        turn in 0usize..20,
    ) {
        let mut market = published();
        for (n, outcome) in history {
            market.outcome(&offer(n, 50), &header(50), outcome);
        }
        let mut offers: Vec<_> =
            offers.into_iter().map(|(n, price, performance)| OfferTerms { performance, ..offer(n, price) }).collect();
        let order = |offers: &[OfferTerms]| -> Vec<OfferTerms> {
            market.rank(offers, &header(50), seconds(0), 0, 0).ranked.iter().map(|ranked| ranked.offer).collect()
        };
        let before = order(&offers);
        if !offers.is_empty() {
            let middle = turn % offers.len();
            offers.rotate_left(middle);
            offers.reverse();
        }
        prop_assert_eq!(order(&offers), before);
    }

    #[test]
    fn chance_neither_loses_nor_doubles_an_offer(
        prices in prop::collection::vec(0u128..=100, 0..20), greed in 0.0f64..1_000_000.0, random in any::<u64>(),
    ) {
        let settings = RequestorSettings { choice: Choice::Boltzmann { greed: ratio(greed) }, ..RequestorSettings::published() };
        let offers: Vec<_> = prices.iter().zip(0..).map(|(price, n)| offer(n, *price)).collect();
        let market = RequestorMarket::new(settings);
        let ranking = market.rank(&offers, &header(100), seconds(0), 0, random);
        prop_assert_eq!(&ranking, &market.rank(&offers, &header(100), seconds(0), 0, random));
        let mut positions: Vec<_> = ranking.ranked.iter().map(|ranked| ranked.position).collect();
        positions.sort_unstable();
        prop_assert_eq!(positions, (0..offers.len()).collect::<Vec<_>>());
    }

    #[test]
    fn a_requestors_book_survives_storage(history in prop::collection::vec((0u64..6, outcome()), 0..20)) {
        let settings = RequestorSettings { quality_floor: ratio(0.1), ..RequestorSettings::published() };
        let mut market = RequestorMarket::new(settings);
        for (n, outcome) in history {
            market.outcome(&offer(n, 50), &header(50), outcome);
        }
        let json = serde_json::to_string(&market).unwrap();
        let restored = |stored| {
            let mut restored = RequestorMarket::restore(settings, stored);
            restored.recall(market.paid_metered(), market.maxima());
            restored
        };
        // Judgements are not kept over a restart.
        let going_on = RequestorMarket::restore(settings, market.clone());
        prop_assert_eq!(&restored(serde_json::from_str(&json).unwrap()), &going_on);
        let bytes = postcard::to_allocvec(&market).unwrap();
        prop_assert_eq!(&restored(postcard::from_bytes(&bytes).unwrap()), &going_on);
    }
}
