//! The guarantee. That no wei comes or goes is asserted at the end of every run.

use super::*;

fn with_guarantee(behaviour: RequestorBehaviour, rules: ConcentRules) -> RunOutcome {
    let mut scenario = with_deadbeats(behaviour);
    scenario.market.concent = Some(rules);
    scenario.check().unwrap();
    run_against(&scenario, 5, None, &|_| {})
}

#[test]
fn who_does_not_pay_is_made_to_as_far_as_its_deposit_goes() {
    let silent = RequestorBehaviour::NonPayer { share: 1.0 };
    let off = with_guarantee(silent, ConcentRules { on: false, ..ConcentRules::default() }).metrics;
    let on = with_guarantee(silent, ConcentRules::default()).metrics;
    assert!(!off.contains_key("claims"));
    assert!(on["unpaid_share"] < off["unpaid_share"] / 2.0, "{} of {}", on["unpaid_share"], off["unpaid_share"]);
    assert!(on["claims"] > 10.0 && on["claims_paid_share"] > 0.9, "{} claims", on["claims"]);
    let none = with_guarantee(silent, ConcentRules { deposit_hours: 0.0, ..ConcentRules::default() }).metrics;
    assert!(!none.contains_key("price_gnt") && none["refused_uncovered"] > 0.0, "nobody works without a deposit");
}

#[test]
fn who_rejects_right_results_loses_the_argument_and_its_bond() {
    let liar = RequestorBehaviour::FalseRejecter { share: 1.0 };
    let gain = |rules| with_guarantee(liar, rules).metrics["profit_deadbeat_gnt_per_hour"];
    let cheap = ConcentRules { fee_hours: 0.1, ..ConcentRules::default() };
    let dear = ConcentRules { fee_hours: 4.0, ..ConcentRules::default() };
    assert!(gain(dear) < gain(cheap), "{} with a dear verification, {} with a cheap one", gain(dear), gain(cheap));
    assert!(gain(cheap) < gain(ConcentRules { on: false, ..cheap }));
}

#[test]
fn who_reports_nothing_and_claims_gains_only_where_nobody_contests() {
    let gain = |missed| {
        let mut scenario = with_cheats(ProviderBehaviour::Hold);
        scenario.market.concent = Some(ConcentRules { false_claims: 1.0, missed, ..ConcentRules::default() });
        run_against(&scenario, 5, None, &|_| {}).metrics["profit_cheat_gnt_per_hour"]
    };
    assert!(gain(0.0) < 0.0 && gain(1.0) > 0.0, "{} and {}", gain(0.0), gain(1.0));
}

#[test]
fn nobody_claims_what_costs_more_than_it_brings() {
    let rules = ConcentRules { gas_hours: 1_000.0, ..ConcentRules::default() };
    assert_eq!(with_guarantee(RequestorBehaviour::NonPayer { share: 1.0 }, rules).metrics["claims"], 0.0);
}
