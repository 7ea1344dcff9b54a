use super::{header, node, seconds};
use crate::*;
use golem_protocol::{LocalTime, RefusalReason, Wei};
use proptest::prelude::*;

fn market(min_price: u128) -> ProviderMarket {
    ProviderMarket::new(ProviderSettings::published(Wei(min_price)), seconds(0)).unwrap()
}

fn ratio(value: f64) -> Ratio {
    Ratio::from_f64(value).unwrap()
}

#[test]
fn refuses_settings_out_of_range() {
    let good = ProviderSettings::new(Wei(1));
    let bad = [
        ProviderSettings { factor_min: Ratio::ZERO, ..good },
        ProviderSettings { factor_max: ratio(0.001), ..good },
        ProviderSettings { factor_start: ratio(6.0), ..good },
        ProviderSettings { idle_rate: Ratio::ONE, ..good },
        ProviderSettings { busy_rate: Ratio::ONE, ..good },
        ProviderSettings { payment_rate_min: ratio(1.1), ..good },
    ];
    for settings in bad {
        assert!(matches!(settings.check(), Err(SettingsError::Range { .. })), "{settings:?}");
    }
    for credit_hours in [0, 8_761] {
        let settings = ProviderSettings { credit_hours, ..good };
        assert_eq!(settings.check(), Err(SettingsError::CreditHours { got: credit_hours, max: 8_760 }));
    }
    let huge = ProviderSettings { min_price: Wei(u128::MAX), ..good };
    assert_eq!(huge.check(), Err(SettingsError::PriceTooLarge(u128::MAX)));
    assert!(ProviderMarket::new(huge, seconds(0)).is_err());
    assert!(ProviderMarket::restore(huge, market(1).state().clone(), seconds(0)).is_err());
}

#[test]
fn refuses_a_maximum_below_the_minimal_price() {
    let refused = market(100).quote(&node(1), &header(99), 0, seconds(0));
    assert_eq!(refused, Err(RefusalReason::PriceAboveMax { price: Wei(100), max_price: Wei(99) }));
}

#[test]
fn refuses_work_for_which_it_is_too_slow() {
    let header = HeaderTerms { min_perf: 10, ..header(1000) };
    let refused = market(100).quote(&node(1), &header, 9, seconds(0));
    assert_eq!(refused, Err(RefusalReason::BelowMinPerf { performance: 9, min_perf: 10 }));
}

#[test]
fn refuses_a_denied_requestor_until_the_entry_expires() {
    let mut market = market(100);
    let entry = AccessEntry { expires: Expiry::At(seconds(10)), reason: "never paid".into() };
    market.access_mut().deny(node(1), entry).unwrap();
    assert_eq!(market.quote(&node(1), &header(1000), 0, seconds(9)), Err(RefusalReason::Denied));
    assert!(market.quote(&node(1), &header(1000), 0, seconds(10)).is_ok());
    assert!(market.quote(&node(2), &header(1000), 0, seconds(9)).is_ok());
}

#[test]
fn refuses_more_than_three_hours_of_credit() {
    let mut market = market(100);
    market.assigned(node(1), Wei(360), seconds(0)).unwrap();
    // Q = (100 + 1 + 100) / (100 + 1 + 360): the price is 120 / Q = 275, so 825 are lent.
    let quote = market.quote(&node(1), &header(1000), 0, seconds(0)).unwrap();
    assert_eq!((quote.price, quote.credit), (Wei(275), Wei(825)));
    assert_eq!(market.credit(&node(1), Wei(275), 100), Wei(825));
    assert_eq!(market.credit(&node(1), Wei(275), 36_000), Wei(2750), "one subtask at least, however long it may take");
    market.assigned(node(1), Wei(700), seconds(0)).unwrap();
    let refused = market.quote(&node(1), &header(120), 0, seconds(0));
    assert_eq!(refused, Err(RefusalReason::CreditExceeded { owed: Wei(1060), credit: Wei(360) }));
    market.paid(&node(1), Wei(1060));
    assert!(market.quote(&node(1), &header(120), 0, seconds(0)).is_ok());
}

#[test]
fn refuses_a_requestor_that_rejects_everything() {
    let mut market = market(100);
    for _ in 0..30 {
        market.assigned(node(1), Wei(100), seconds(0)).unwrap();
        market.released(&node(1), Wei(100), Release::Rejected);
    }
    // Q = 201 / 3101 is below 0.1; at 0.1 the most that may be unpaid is 2010 - 101.
    let refused = market.quote(&node(1), &header(1000), 0, seconds(0));
    assert_eq!(refused, Err(RefusalReason::CreditExceeded { owed: Wei(3000), credit: Wei(1909) }));
}

#[test]
fn refuses_the_next_stranger_when_everybody_known_owes() {
    let mut market = market(100);
    for n in 0..PEERS_MAX as u64 {
        market.assigned(node(n), Wei(1), seconds(0)).unwrap();
    }
    let stranger = node(PEERS_MAX as u64);
    assert!(matches!(market.quote(&stranger, &header(1000), 0, seconds(0)), Err(RefusalReason::Full(_))));
    assert!(matches!(market.assigned(stranger, Wei(1), seconds(0)), Err(RefusalReason::Full(_))));
    assert!(market.record(&stranger).is_none());
    // Two pay up; the one that paid less is the one forgotten.
    market.assigned(node(5), Wei(1), seconds(0)).unwrap();
    market.paid(&node(5), Wei(2));
    market.paid(&node(6), Wei(1));
    market.assigned(stranger, Wei(1), seconds(0)).unwrap();
    assert!(market.record(&node(6)).is_none() && market.record(&node(5)).is_some());
    assert!(market.check_invariants().is_empty());
}

#[test]
fn asks_the_published_price_of_a_stranger() {
    let quote = market(100).quote(&node(1), &header(1000), 0, seconds(0)).unwrap();
    assert_eq!((quote.price, quote.base_price), (Wei(120), Wei(120)));
    assert_eq!((quote.factor, quote.payment_rate, quote.efficiency), (ratio(0.2), Ratio::ONE, Ratio::ONE));
    // A price above the maximum is offered as the maximum.
    assert_eq!(market(100).quote(&node(1), &header(110), 0, seconds(0)).unwrap().price, Wei(110));
}

#[test]
fn the_efficient_are_asked_less_down_to_the_minimum() {
    let header = HeaderTerms { min_perf: 100, ..header(1000) };
    let price = |performance| {
        market(1000).quote(&node(1), &HeaderTerms { max_price: Wei(9000), ..header }, performance, seconds(0))
    };
    assert_eq!(price(110).unwrap().price, Wei(1090));
    assert_eq!(price(200).unwrap().price, Wei(1000));
}

#[test]
fn efficiency_follows_the_published_rule() {
    let mut market = market(100);
    market.assigned(node(1), Wei(1), seconds(0)).unwrap();
    market.completed(&node(1), &header(1000), 0, 10_000);
    assert_eq!(market.record(&node(1)).unwrap().efficiency, Some(ratio(1.9)));
    market.completed(&node(1), &header(1000), 0, 0);
    // The clock saw nothing: the largest efficiency counts, once.
    assert_eq!(market.record(&node(1)).unwrap().efficiency, Some(ratio(11.71)));
}

#[test]
fn a_cancelled_agreement_leaves_no_trace() {
    let mut market = market(100);
    market.assigned(node(1), Wei(70), seconds(0)).unwrap();
    market.released(&node(1), Wei(70), Release::Cancelled);
    assert_eq!(market.record(&node(1)), None);
    for release in [Release::Failed, Release::TimedOut, Release::Rejected] {
        market.assigned(node(1), Wei(70), seconds(0)).unwrap();
        market.released(&node(1), Wei(70), release);
    }
    let record = market.record(&node(1)).unwrap();
    assert_eq!((record.assigned, record.owed), (Wei(210), Wei::ZERO));
}

#[test]
fn strangers_are_not_remembered_for_asking_or_paying() {
    let mut market = market(100);
    market.quote(&node(1), &header(1000), 0, seconds(0)).unwrap();
    market.paid(&node(1), Wei(1));
    market.released(&node(1), Wei(1), Release::Failed);
    market.completed(&node(1), &header(1000), 0, 1);
    assert_eq!(market.record(&node(1)), None);
}

#[test]
fn the_factor_falls_when_idle_and_rises_when_busy() {
    let mut market = market(100);
    assert_eq!(market.factor(seconds(3600)), ratio(0.192928059));
    market.busy(seconds(3600));
    assert_eq!(market.state().factor, ratio(0.192928059));
    assert_eq!(market.factor(seconds(7200)), ratio(0.222809549));
    // Both ends are held.
    assert_eq!(market.factor(seconds(1_000_000)), ratio(5.0));
    market.idle(seconds(7200));
    assert_eq!(market.factor(seconds(100_000_000)), ratio(0.01));
    // A clock set back changes nothing by itself.
    assert_eq!(market.factor(seconds(0)), ratio(0.222809549));
}

#[test]
fn time_switched_off_counts_as_nothing() {
    let mut market = market(100);
    market.busy(seconds(0));
    let stored = market.state().clone();
    let again = ProviderMarket::restore(market.settings(), stored, seconds(1_000_000)).unwrap();
    assert_eq!(again.factor(seconds(1_000_000)), ratio(0.2));
    assert_eq!(again.state().activity, Activity::Idle);
}

#[derive(Clone, Debug)]
enum Step {
    Assigned(u64, u128),
    Paid(u64, u128),
    Completed(u64, u64),
    Released(u64, u128, usize),
    Overdue(u64, u64),
    Rejected(u64, u128, u64),
    Busy(u64),
    Idle(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let wei = prop_oneof![0u128..1000, Just(golem_protocol::Wei::MAX.0), any::<u64>().prop_map(u128::from)];
    prop_oneof![
        (0u64..4, wei.clone()).prop_map(|(n, v)| Step::Assigned(n, v)),
        (0u64..4, wei.clone()).prop_map(|(n, v)| Step::Paid(n, v)),
        (0u64..4, any::<u64>()).prop_map(|(n, ms)| Step::Completed(n, ms)),
        (0u64..4, wei.clone(), 0usize..RELEASES.len()).prop_map(|(n, v, r)| Step::Released(n, v, r)),
        (0u64..4, any::<u64>()).prop_map(|(n, ms)| Step::Overdue(n, ms)),
        (0u64..4, wei.clone(), any::<u64>()).prop_map(|(n, v, ms)| Step::Rejected(n, v, ms)),
        (0u64..1 << 40).prop_map(Step::Busy),
        (0u64..1 << 40).prop_map(Step::Idle),
    ]
}

fn take(market: &mut ProviderMarket, step: &Step) {
    match step {
        Step::Assigned(n, value) => market.assigned(node(*n), Wei(*value), seconds(0)).unwrap(),
        Step::Paid(n, value) => market.paid(&node(*n), Wei(*value)),
        Step::Completed(n, ms) => market.completed(&node(*n), &header(1000), 0, *ms),
        Step::Released(n, value, release) => market.released(&node(*n), Wei(*value), RELEASES[*release]),
        Step::Overdue(n, ms) => market.overdue(&node(*n), LocalTime(*ms)),
        Step::Rejected(n, value, ms) => market.rejected(&node(*n), Wei(*value), LocalTime(*ms)),
        Step::Busy(ms) => market.busy(LocalTime(*ms)),
        Step::Idle(ms) => market.idle(LocalTime(*ms)),
    }
}

proptest! {
    #[test]
    fn every_history_leaves_a_sane_state_that_survives_storage(
        steps in prop::collection::vec(step(), 0..60),
        min_price in 0u128..=Wei::MAX.0,
        max_price in 0u128..=Wei::MAX.0,
        now in any::<u64>(),
    ) {
        let mut market = market(min_price);
        for step in &steps {
            take(&mut market, step);
            prop_assert_eq!(market.check_invariants(), vec![]);
        }
        // Who is late is stored apart.
        let (state, unpaid) = (ProviderState { unpaid: Unpaid::default(), ..market.state().clone() }, &market.state().unpaid);
        let json = serde_json::to_string(market.state()).unwrap();
        prop_assert_eq!(&serde_json::from_str::<ProviderState>(&json).unwrap(), &state);
        let bytes = postcard::to_allocvec(market.state()).unwrap();
        prop_assert_eq!(&postcard::from_bytes::<ProviderState>(&bytes).unwrap(), &state);
        let bytes = postcard::to_allocvec(unpaid).unwrap();
        prop_assert_eq!(&postcard::from_bytes::<Unpaid>(&bytes).unwrap(), unpaid);
        if let Ok(quote) = market.quote(&node(0), &header(max_price), 0, LocalTime(now)) {
            prop_assert!(quote.price >= quote.min_price && quote.price.0 <= max_price);
        } else if max_price >= min_price {
            prop_assert!(market.record(&node(0)).is_some(), "a stranger was refused");
        }
    }

    #[test]
    fn who_pays_less_of_what_was_assigned_is_asked_no_less(assigned in 0u128..10_000, paid in 0u128..10_000, less in 0u128..10_000) {
        let price = |paid: u128| {
            let mut market = market(1000);
            market.assigned(node(1), Wei(assigned), seconds(0)).unwrap();
            market.paid(&node(1), Wei(paid));
            let header = HeaderTerms { max_price: Wei(1_000_000), ..header(0) };
            market.quote(&node(1), &header, 0, seconds(0)).map(|quote| quote.price).unwrap_or(Wei::MAX)
        };
        prop_assert!(price(paid.saturating_sub(less)) >= price(paid));
    }
}
