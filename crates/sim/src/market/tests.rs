use super::*;

mod concent;
mod hedge;
mod influence;
mod optimum;
mod queueing;

fn small() -> Scenario {
    let mut scenario = Scenario { days: 2.0, warmup_days: Warmup::Days(0.5), ..Scenario::default() };
    for group in &mut scenario.providers {
        group.count = 100;
    }
    for group in &mut scenario.requestors {
        group.count = 10;
    }
    scenario
}

fn play(scenario: &Scenario, seed: u64) -> RunOutcome {
    scenario.check().unwrap();
    run(scenario, seed, &|_| {})
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_thread_and_another_seed_others() {
    let scenario = small();
    let bytes = |seed| serde_json::to_string(&play(&scenario, seed)).unwrap();
    let (first, second) = std::thread::scope(|scope| {
        let (a, b) = (scope.spawn(|| bytes(1)), scope.spawn(|| bytes(1)));
        (a.join().unwrap(), b.join().unwrap())
    });
    assert_eq!(first, second);
    assert_eq!(first, bytes(1));
    assert_ne!(first, bytes(2));
}

#[test]
fn explains_every_metric_that_it_gives() {
    let explained: Vec<&str> = METRICS.iter().map(|info| info.name).collect();
    for name in play(&small(), 1).metrics.keys() {
        assert!(explained.contains(name), "{name} is not in METRICS");
    }
}

#[test]
fn no_policy_beats_the_oracle() {
    for load in [0.1, 0.5, 0.9] {
        for policy in [
            RequestorPolicyName::Published,
            RequestorPolicyName::Golem,
            RequestorPolicyName::Random,
            RequestorPolicyName::FirstCome,
            RequestorPolicyName::Cheapest,
            RequestorPolicyName::SecondScore,
        ] {
            let mut scenario = small();
            scenario.requestors[0].policy = policy;
            scenario.requestors[0].load = Some(load);
            let share = play(&scenario, 3).metrics["surplus_share"];
            assert!((0.3..1.0).contains(&share), "{policy:?} at {load}: {share}");
        }
    }
}

/// What cheats do right now and then counts for the market, so the oracle has to know it as well.
#[test]
fn nobody_beats_the_oracle_with_the_right_work_of_cheats() {
    use ProviderBehaviour as P;
    for behaviour in [
        P::OnOff { period_hours: 4.0, honest_share: 0.7 },
        P::ExitScam { honest_subtasks: 40 },
        P::Whitewash { wrong_results: true, bad_subtasks: 1, names_ahead: 0, right_first: 5 },
        P::Sybil { identities: 3, careful: false },
        P::WrongResults { share: 0.3, colluding: false },
        P::AcceptThenCancel { share: 0.3 },
        P::SelectiveFailure { share: 0.3 },
    ] {
        let mut scenario = small();
        scenario.requestors[0].policy = RequestorPolicyName::Golem;
        scenario.requestors[0].load = Some(0.5);
        let half = scenario.providers[0].count / 2;
        scenario.providers[0].count -= half;
        let cheats =
            ProviderGroup { name: "cheats".to_owned(), count: half, behaviour, ..scenario.providers[0].clone() };
        scenario.providers.push(cheats);
        let share = play(&scenario, 3).metrics["surplus_share"];
        assert!((0.3..1.0).contains(&share), "{behaviour:?}: {share}");
    }
}

/// Machines that promise eight times what they do, to requestors that see enough of each to know.
#[test]
fn a_promise_that_is_not_kept_is_believed_less() {
    let mut scenario = small();
    (scenario.days, scenario.warmup_days) = (6.0, Warmup::Days(2.0));
    scenario.requestors[0].policy = RequestorPolicyName::Published;
    scenario.requestors[0].count = 2;
    let cheats = scenario.providers[0].count / 5;
    scenario.providers[0].count -= cheats;
    let behaviour = ProviderBehaviour::CheatBenchmark { factor: 8.0 };
    scenario.providers.push(ProviderGroup {
        name: "cheats".to_owned(),
        count: cheats,
        behaviour,
        ..scenario.providers[0].clone()
    });
    let share = |scenario: &Scenario| run_against(scenario, 1, None, &|_| {}).metrics["cheat_share"];
    let lied = share(&scenario);
    scenario.providers[1].behaviour = ProviderBehaviour::CheatBenchmark { factor: 1.0 };
    let honest = share(&scenario);
    assert!(lied < honest, "{lied} of the work by a lie, {honest} without");
}

/// Half of the machines go out for half a day and come back.
#[test]
fn machines_that_are_out_are_not_counted() {
    let mut scenario = small();
    scenario.shocks = vec![Shock { from_day: 1.0, to_day: 1.5, change: Change::Outage(0.5) }];
    scenario.check().unwrap();
    let outcome = run_against(&scenario, 1, None, &|_| {});
    let points = &outcome.series.iter().find(|series| series.name == "online_slots").unwrap().points;
    let at = |hour: f64| points.iter().find(|(end, _)| *end == hour).unwrap().1;
    assert!((30.0..70.0).contains(&at(30.0)), "{points:?}");
    assert_eq!((at(18.0), at(48.0)), (100.0, 100.0));
}

/// Many equal machines and short work, given to any of them: the profit factor of all follows the differential equation
/// `f' = f * (busy * u - idle * (1 - u))`, `u` the share of them that is busy.
#[test]
fn profit_factors_follow_the_mean_field() {
    let mut scenario = Scenario { days: 1.0, warmup_days: Warmup::Days(0.0), step_hours: 1.0, ..Scenario::default() };
    scenario.market.reach = 8;
    scenario.market.offer_window_s = 0.0;
    scenario.market.latency_s = 0.0;
    scenario.providers[0].count = 200;
    scenario.providers[0].speed = Distribution::Fixed(1.0);
    scenario.providers[0].cost_gnt_per_hour = Distribution::Fixed(1.0);
    scenario.requestors[0].count = 20;
    scenario.requestors[0].policy = RequestorPolicyName::Random;
    scenario.requestors[0].subtasks = Distribution::Fixed(1.0);
    scenario.requestors[0].work_s = Distribution::Fixed(60.0);
    // All of the time that is sold is worked, so that a price is `1 + f`.
    scenario.requestors[0].min_perf = 1.0;
    scenario.requestors[0].timeout_factor = 1.0;
    scenario.requestors[0].payment_delay_min = 0.0;
    scenario.check().unwrap();
    let outcome = run_against(&scenario, 1, None, &|_| {});
    let points = |name| &outcome.series.iter().find(|series| series.name == name).unwrap().points;
    let mut logarithm = libm::log(0.2);
    for ((hour, price), (_, busy)) in points("price").iter().zip(points("utilisation")) {
        let step = (4e-5 * busy - 1e-5 * (1.0 - busy)) * 3_600.0;
        let expected = libm::exp(logarithm + step / 2.0);
        logarithm += step;
        assert!(((price - 1.0) / expected - 1.0).abs() < 0.01, "hour {hour}: {} for {expected}", price - 1.0);
    }
    assert!(libm::exp(logarithm) > 0.28, "it has risen by more than two fifths");
}

/// The small market with a fifth of the machines behaving so.
fn with_cheats(behaviour: ProviderBehaviour) -> Scenario {
    let mut scenario = small();
    scenario.days = 4.0;
    scenario.providers[0].count = 80;
    let cheats = ProviderGroup { name: "cheats".into(), count: 20, behaviour, ..ProviderGroup::default() };
    scenario.providers.push(cheats);
    scenario
}

/// What waits on a machine for its other names costs nothing meanwhile, and its work no less than under one name.
#[test]
fn a_machines_names_do_not_make_its_work_cheaper() {
    for (identities, careful) in [(1, false), (5, false), (20, false), (20, true)] {
        let mut scenario = with_cheats(ProviderBehaviour::Sybil { identities, careful });
        scenario.requestors[0].work_s = Distribution::Fixed(600.0);
        scenario.check().unwrap();
        let outcome = run_against(&scenario, 3, None, &|_| {});
        let mut done = 0;
        for of in outcome.agents.iter().filter(|of| of.side == Side::Provider && of.group == 1) {
            // What cannot be done in time is not begun, and some is under way in the end.
            let worked = of.busy_hours * of.speed * 6.0;
            let most = (of.subtasks_done + u64::from(identities)) as f64;
            assert!((of.subtasks_done as f64 - 0.1..=most).contains(&worked), "{identities} names: {worked} in {of:?}");
            assert!(!careful || of.subtasks_failed == 0, "{of:?}");
            done += of.subtasks_done;
        }
        assert!(done > 50, "{identities} names: {done}");
    }
}

/// The small market with as many requestors more, behaving so.
fn with_deadbeats(behaviour: RequestorBehaviour) -> Scenario {
    let mut scenario = small();
    let others = RequestorGroup { name: "others".into(), count: 10, behaviour, load: Some(0.1), ..Default::default() };
    scenario.requestors.push(others);
    scenario
}

/// A behaviour, a metric that shows it, and what that metric has to be.
type Effect<B> = (B, &'static str, fn(f64) -> bool);

#[test]
fn no_behaviour_makes_or_loses_money_and_each_has_its_effect() {
    use ProviderBehaviour as P;
    let effects: [Effect<P>; 15] = [
        (P::Hold, "cheat_earned_gnt", |got| got == 0.0),
        (P::CheatBenchmark { factor: 4.0 }, "cheat_share", |got| got > 0.2),
        (P::Undercut { price_over_cost: 0.0 }, "profit_cheat_gnt_per_hour", |got| got < 0.0),
        (P::OnOff { period_hours: 24.0, honest_share: 0.5 }, "cheat_failed", |got| got > 20.0),
        (P::ExitScam { honest_subtasks: 5 }, "wrong_share", |got| got > 0.0),
        (
            P::Whitewash { wrong_results: false, bad_subtasks: 2, names_ahead: 0, right_first: 0 },
            "cheat_identities",
            |got| got > 3.0,
        ),
        (P::Whitewash { wrong_results: true, bad_subtasks: 1, names_ahead: 0, right_first: 0 }, "wrong_share", |got| {
            got > 0.0
        }),
        (
            P::Whitewash { wrong_results: true, bad_subtasks: 1, names_ahead: 0, right_first: 3 },
            "cheat_identities",
            |got| got > 1.2,
        ),
        (
            P::Whitewash { wrong_results: true, bad_subtasks: 1, names_ahead: 3, right_first: 0 },
            "cheat_identities",
            |got| got > 4.0,
        ),
        (P::Sybil { identities: 5, careful: true }, "cheat_identities", |got| got == 5.0),
        (P::WrongResults { share: 1.0, colluding: false }, "wrong_share", |got| got > 0.0),
        (P::AcceptThenCancel { share: 0.5 }, "cheat_failed", |got| got > 20.0),
        (P::SelectiveFailure { share: 0.5 }, "retries", |got| got > 0.0),
        (P::Cartel { floor_over_cost: 2.0 }, "cheat_share", |got| got < 0.2),
        (P::WashTrade { per_day: 24.0, wrong_results: true }, "wrong_share", |got| got > 0.0),
    ];
    for (behaviour, metric, holds) in effects {
        for rules in [ProviderPolicyName::Published, ProviderPolicyName::Golem] {
            let mut scenario = with_cheats(behaviour);
            scenario.market.identity_cost_hours = 1.0;
            scenario.providers.iter_mut().for_each(|group| group.policy = rules);
            scenario.check().unwrap();
            let got = run_against(&scenario, 5, None, &|_| {}).metrics[metric];
            assert!(holds(got), "{behaviour:?} with {rules:?}: {metric} is {got}");
        }
    }
    use RequestorBehaviour as R;
    let effects: [Effect<R>; 7] = [
        (R::NonPayer { share: 1.0 }, "unpaid_share", |got| got > 0.0),
        (R::LatePayer { days: 0.5 }, "refused_credit_exceeded", |got| got > 0.0),
        (R::FalseRejecter { share: 1.0 }, "unpaid_share", |got| got > 0.0),
        (R::TimeoutInflater { factor: 3.0 }, "unpaid_share", |got| got == 0.0),
        (R::Newcomer { tasks: 2 }, "unpaid_share", |got| got == 0.0),
        (R::SybilNonPayer { tasks: 2 }, "unpaid_share", |got| got > 0.0),
        (R::Monopsonist { step: 0.1, period_hours: 4.0, taken_min: 0.9 }, "unpaid_share", |got| got == 0.0),
    ];
    for (behaviour, metric, holds) in effects {
        let scenario = with_deadbeats(behaviour);
        scenario.check().unwrap();
        let got = run_against(&scenario, 5, None, &|_| {}).metrics[metric];
        assert!(holds(got), "{behaviour:?}: {metric} is {got}");
    }
}

#[test]
fn who_is_new_waits_where_others_that_are_new_do_not_pay_and_who_is_known_does_not() {
    let with = |new| {
        let mut scenario = with_deadbeats(RequestorBehaviour::SybilNonPayer { tasks: 1 });
        (scenario.days, scenario.warmup_days) = (8.0, Warmup::Days(4.0));
        let new =
            RequestorGroup { name: "new".into(), behaviour: new, load: Some(0.02), ..scenario.requestors[1].clone() };
        scenario.requestors.push(new);
        scenario.providers.iter_mut().for_each(|group| group.policy = ProviderPolicyName::Golem);
        scenario.requestors.iter_mut().for_each(|group| group.policy = RequestorPolicyName::Golem);
        let got = play(&scenario, 2).metrics;
        (got["finished_first_share"], got["finished_last_share"])
    };
    let (known, new) = with(RequestorBehaviour::Newcomer { tasks: 1 });
    let (_, same) = with(RequestorBehaviour::Honest);
    assert!(known > 0.99, "{known}");
    assert!(same > 0.99, "{same} is done for who keeps its name");
    assert!(new < 0.9 && new > 0.0, "{new}");
}

#[test]
fn who_never_completes_is_weeded_out_sooner_by_our_rules_and_for_good() {
    let late = |provider, requestor| {
        let mut scenario = with_cheats(ProviderBehaviour::Hold);
        scenario.providers.iter_mut().for_each(|group| group.policy = provider);
        scenario.requestors.iter_mut().for_each(|group| group.policy = requestor);
        let of = |seed| run_against(&scenario, seed, None, &|_| {}).metrics["cheat_share_last_quarter"];
        (of(1) + of(2)) / 2.0
    };
    let published = late(ProviderPolicyName::Published, RequestorPolicyName::Published);
    let ours = late(ProviderPolicyName::Golem, RequestorPolicyName::Golem);
    assert!(ours < 0.01, "{ours} of the work goes to them in the end");
    assert!(ours < published, "{ours} by our rules, {published} by the published ones");
}

#[test]
fn machines_come_and_go_and_an_outage_takes_what_they_compute() {
    let mut scenario = small();
    scenario.providers[0].lifetime_days = Some(Distribution::Exponential { mean: 1.0 });
    scenario.providers[0].arrivals_per_day = 100.0;
    scenario.shocks = vec![Shock { from_day: 1.0, to_day: 1.2, change: Change::Outage(0.5) }];
    let outcome = play(&scenario, 1);
    assert!(outcome.agents.iter().any(|row| row.side == Side::Provider && row.joined_h > 1.0));
    assert!(outcome.agents.iter().any(|row| row.side == Side::Provider && row.left_h < 47.0));
    assert!(outcome.metrics["failed_hours"] > 0.0 && outcome.metrics["finished_share"] > 0.95);
    assert!(outcome.metrics["newcomer_wait_hours"] > 0.0);
}

#[test]
fn a_shock_of_load_brings_more_work() {
    let mut scenario = small();
    let calm = play(&scenario, 1).metrics["subtasks"];
    scenario.shocks = vec![Shock { from_day: 0.5, to_day: 2.0, change: Change::LoadTimes(2.0) }];
    let busy = play(&scenario, 1);
    assert!((1.8..2.2).contains(&(busy.metrics["subtasks"] / calm)), "{} after {calm}", busy.metrics["subtasks"]);
    assert!(busy.metrics.contains_key("shock_price_ratio"));
}

#[test]
fn refuses_nonsense_and_says_where() {
    let refused = |change: &dyn Fn(&mut Scenario)| {
        let mut scenario = Scenario::default();
        change(&mut scenario);
        scenario.check().unwrap_err().to_string()
    };
    assert_eq!(refused(&|s| s.days = 0.0), "days is 0; set it to a number from 0.001 to 3650");
    assert_eq!(
        refused(&|s| s.requestors[0].check_rate = 2.0),
        "requestors[0].check_rate is 2; set it to a number from 0 to 1"
    );
    assert_eq!(
        refused(&|s| s.providers[0].speed = Distribution::Choice { values: vec![], weights: vec![] }),
        "providers[0].speed.choice.values is empty; set it to at least one number"
    );
    assert!(
        refused(&|s| (s.requestors[0].load, s.requestors[0].tasks_per_day) = (Some(0.1), Some(1.0)))
            .contains("not both")
    );
    assert!(refused(&|s| s.providers.clear()).starts_with("providers is 0 agents in all"));
    assert!(refused(&|s| s.warmup_days = Warmup::Days(28.0)).starts_with("warmup_days is 28"));
    assert!(refused(&|s| s.days = f64::NAN).starts_with("days is NaN"));
    assert!(Scenario::default().check().is_ok());
}

#[test]
fn reads_a_scenario_and_refuses_unknown_keys() {
    let text =
        "days = 3\n[[providers]]\ncount = 5\nbehaviour = { cheat_benchmark = { factor = 4.0 } }\nslots = { fixed = 2 }";
    let scenario: Scenario = toml::from_str(text).unwrap();
    assert_eq!(scenario.providers[0].behaviour, ProviderBehaviour::CheatBenchmark { factor: 4.0 });
    assert_eq!(scenario.requestors, Scenario::default().requestors);
    for text in [
        "dayz = 3",
        "[market]\nreech = 3",
        "[[providers]]\nbehaviour = { hold = { share = 1.0 } }",
        "[[providers]]\nbehaviour = \"nice\"",
    ] {
        assert!(toml::from_str::<Scenario>(text).is_err(), "{text}");
    }
}

#[test]
fn a_sample_of_events_is_bounded_in_order_and_of_the_whole_run() {
    let mut scenario = small();
    scenario.event_rows_max = 100_000;
    let all = play(&scenario, 1);
    scenario.event_rows_max = 50;
    let few = play(&scenario, 1);
    assert_eq!(all.metrics, few.metrics, "a sample changes nothing");
    assert_eq!(few.events.len(), 50);
    assert!(few.events.iter().all(|row| all.events.contains(row)));
    assert!(few.events.is_sorted_by_key(|row| row.hour));
    let half = all.events.last().unwrap().hour / 2.0;
    let late = few.events.iter().filter(|row| row.hour > half).count();
    assert!((15..=35).contains(&late), "{late} of 50 are of the second half");
    let paid: f64 = all.events.iter().filter(|row| row.kind == EventKind::Paid).map(|row| row.gnt).sum();
    let earned: f64 = all.agents.iter().map(|agent| agent.earned_gnt).sum();
    assert!((paid - earned).abs() < 1e-6 * earned, "{paid} was paid and {earned} earned");
}
