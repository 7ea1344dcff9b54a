//! Who decides what others hear, what they are told, or what they are paid.

use super::*;

/// The small market, by these rules on both sides, with a fifth of the machines behaving so, and a second group of
/// requestors.
fn two_groups(behaviour: ProviderBehaviour, published: bool) -> Scenario {
    let mut scenario = with_cheats(behaviour);
    let victims = RequestorGroup { name: "last".into(), count: 4, load: Some(0.1), ..RequestorGroup::default() };
    scenario.requestors.push(victims);
    for group in &mut scenario.providers {
        group.policy = if published { ProviderPolicyName::Published } else { ProviderPolicyName::Golem };
    }
    for group in &mut scenario.requestors {
        group.policy = if published { RequestorPolicyName::Published } else { RequestorPolicyName::Golem };
    }
    scenario.check().unwrap();
    scenario
}

fn eclipsed(behaviour: ProviderBehaviour, share: f64) -> Scenario {
    let mut scenario = two_groups(behaviour, false);
    scenario.requestors[1].eclipse = Some(Eclipse { by: "cheats".into(), share });
    scenario.check().unwrap();
    scenario
}

fn metrics(scenario: &Scenario) -> impl Fn(&str) -> f64 + use<> {
    let outcome = run_against(scenario, 5, None, &|_| {});
    move |name| outcome.metrics[name]
}

#[test]
fn who_is_eclipsed_hears_nobody_but_the_attacker_and_others_all() {
    let all = metrics(&eclipsed(ProviderBehaviour::Hold, 1.0));
    assert_eq!(all("finished_last_share"), 0.0);
    assert!(all("finished_first_share") > 0.95, "{}", all("finished_first_share"));
    let tenth = metrics(&eclipsed(ProviderBehaviour::Hold, 0.9));
    assert!(tenth("finished_last_share") > 0.95, "{}", tenth("finished_last_share"));
    // The attacker hears of nothing but what the others want.
    let mut none = two_groups(ProviderBehaviour::WrongResults { share: 1.0, colluding: false }, true);
    none.requestors[1].eclipse = Some(Eclipse { by: "cheats".into(), share: 0.0 });
    let none = metrics(&none);
    assert_eq!(none("wrong_last_share"), 0.0);
    assert!(none("wrong_first_share") > 0.0);
}

#[test]
fn news_reach_who_is_eclipsed_as_seldom_as_offers_of_others() {
    let heard = |share, buyer| {
        let scenario = eclipsed(ProviderBehaviour::Hold, share);
        let world = world::World::new(&scenario, 5);
        (0..1_000).filter(|name| world.hears_of(buyer, *name)).count()
    };
    let (other, victim) = (0, 10);
    assert_eq!([heard(1.0, other), heard(1.0, victim), heard(0.0, victim)], [1_000, 0, 1_000]);
    assert!((70..130).contains(&heard(0.9, victim)), "{}", heard(0.9, victim));
}

#[test]
fn who_buys_most_and_withholds_pays_less() {
    let mut scenario = two_groups(ProviderBehaviour::Honest, true);
    scenario.requestors[0].load = Some(0.1);
    scenario.requestors[1].load = Some(0.6);
    let behaviour = RequestorBehaviour::Monopsonist { step: 0.1, period_hours: 4.0, taken_min: 0.95 };
    (scenario.requestors[1].behaviour, scenario.requestors[1].deviates) = (behaviour, true);
    let withheld = metrics(&scenario);
    assert!(withheld("price_last_gnt") < 0.8 * withheld("price_first_gnt"));
    assert!(withheld("deviation_gain") > 0.05, "{}", withheld("deviation_gain"));
    assert!(withheld("finished_last_share") > 0.95, "{}", withheld("finished_last_share"));
}

#[test]
fn sham_deals_count_where_others_are_believed_and_nowhere_else() {
    let wash = ProviderBehaviour::WashTrade { per_day: 24.0, wrong_results: false };
    let share = |behaviour, information| {
        let mut scenario = two_groups(behaviour, true);
        scenario.market.information = information;
        scenario.check().unwrap();
        run_against(&scenario, 5, None, &|_| {}).metrics
    };
    let eigentrust = Information::Eigentrust { pretrusted: 3, weight: 0.15, every_hours: 6.0 };
    for information in [Information::Local, Information::Proofs, Information::Oracle, eigentrust] {
        let (hold, wash) = (share(ProviderBehaviour::Hold, information), share(wash, information));
        // The deals are events all the same.
        let same = |(name, value): (&&str, &f64)| *name == "events" || wash[*name] == *value;
        assert!(hold.iter().all(same), "{information:?}: {hold:?} and {wash:?}");
    }
    for information in [Information::Gossip { fanout: 2 }, Information::Global] {
        let (hold, wash) = (share(ProviderBehaviour::Hold, information), share(wash, information));
        assert!(wash["cheat_share"] > 1.1 * hold["cheat_share"], "{information:?}: {hold:?} and {wash:?}");
    }
}

#[test]
fn trust_of_all_keeps_work_from_those_who_are_always_seen_to_fail() {
    let share = |information| {
        let mut scenario = two_groups(ProviderBehaviour::Hold, true);
        // By chance holders get as much work as they are many, and again and again.
        scenario.requestors.iter_mut().for_each(|group| group.policy = RequestorPolicyName::Random);
        scenario.market.information = information;
        metrics(&scenario)("cheat_share")
    };
    let eigentrust = Information::Eigentrust { pretrusted: 3, weight: 0.15, every_hours: 6.0 };
    let (local, trusted) = (share(Information::Local), share(eigentrust));
    assert!(trusted < 0.85 * local, "{trusted} with trust, {local} without");
}

#[test]
fn each_gives_the_same_bytes_on_any_thread() {
    let wash = ProviderBehaviour::WashTrade { per_day: 24.0, wrong_results: true };
    let mut scenario = eclipsed(wash, 0.5);
    scenario.requestors[1].behaviour =
        RequestorBehaviour::Monopsonist { step: 0.1, period_hours: 4.0, taken_min: 0.95 };
    for information in [
        Information::Gossip { fanout: 3 },
        Information::Eigentrust { pretrusted: 2, weight: 0.2, every_hours: 3.0 },
        Information::Proofs,
    ] {
        scenario.market.information = information;
        let bytes = || serde_json::to_string(&run_against(&scenario, 1, None, &|_| {})).unwrap();
        let other = std::thread::scope(|scope| scope.spawn(bytes).join().unwrap());
        assert_eq!(bytes(), other, "{information:?}");
    }
}

#[test]
fn refuses_numbers_that_cannot_be() {
    let refused = |change: &dyn Fn(&mut Scenario)| {
        let mut scenario = two_groups(ProviderBehaviour::Hold, true);
        change(&mut scenario);
        scenario.check().unwrap_err().to_string()
    };
    let eclipse = |by: &str, share| Some(Eclipse { by: by.into(), share });
    assert_eq!(
        refused(&|s| s.requestors[1].eclipse = eclipse("nobody", 1.0)),
        "requestors[1].eclipse.by is nobody; set it to the name of a group of providers: providers, cheats"
    );
    assert!(refused(&|s| s.requestors[1].eclipse = eclipse("cheats", 1.5)).starts_with("requestors[1].eclipse.share"));
    let wash = |per_day| ProviderBehaviour::WashTrade { per_day, wrong_results: true };
    assert!(refused(&|s| s.providers[1].behaviour = wash(0.0)).starts_with("providers[1].behaviour.per_day is 0"));
    let buys = |step, taken_min| RequestorBehaviour::Monopsonist { step, period_hours: 6.0, taken_min };
    assert!(refused(&|s| s.requestors[0].behaviour = buys(1.0, 0.9)).starts_with("requestors[0].behaviour.step is 1"));
    assert!(refused(&|s| s.requestors[0].behaviour = buys(0.1, 1.1)).contains("taken_min is 1.1"));
    let trust = |pretrusted, weight| Information::Eigentrust { pretrusted, weight, every_hours: 6.0 };
    assert!(refused(&|s| s.market.information = trust(0, 0.1)).contains("eigentrust.pretrusted is 0"));
    assert!(refused(&|s| s.market.information = trust(3, 0.0)).contains("eigentrust.weight is 0"));
    let copying = Verification { cheating: Cheating::Copying { share: 1.5, invents: true }, ..Default::default() };
    assert!(refused(&|s| s.verification = Some(copying)).starts_with("verification.cheating.share is 1.5"));
}
