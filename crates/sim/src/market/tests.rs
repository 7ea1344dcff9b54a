use super::*;

fn small() -> Scenario {
    let mut scenario = Scenario { days: 2.0, warmup_days: 0.5, ..Scenario::default() };
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
            RequestorPolicyName::Brass,
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

/// One machine a subtask, exponential work, everybody hears everything: a queue with many servers.
#[test]
fn waits_as_erlang_says() {
    let (servers, load) = (10u32, 0.8f64);
    let mut scenario = Scenario { days: 200.0, warmup_days: 5.0, step_hours: 24.0, ..Scenario::default() };
    scenario.market.reach = servers;
    scenario.market.offer_window_s = 0.0;
    scenario.market.latency_s = 0.0;
    scenario.providers[0].count = servers;
    scenario.providers[0].speed = Distribution::Fixed(1.0);
    scenario.providers[0].policy = ProviderPolicyName::Posted;
    scenario.providers[0].tuning.credit_hours = Some(8_000);
    scenario.requestors[0].count = 50;
    scenario.requestors[0].load = Some(load);
    scenario.requestors[0].subtasks = Distribution::Fixed(1.0);
    scenario.requestors[0].work_s = Distribution::Exponential { mean: 600.0 };
    scenario.requestors[0].value_gnt_per_hour = Distribution::Fixed(1e3);
    scenario.requestors[0].max_price = MaxPrice::Fixed(1e3);
    scenario.requestors[0].deadline_timeouts = 1e4;
    scenario.check().unwrap();
    let offered = load * f64::from(servers);
    // Erlang B by its recursion, then C.
    let blocked = (1..=servers).fold(1.0, |b, n| offered * b / (f64::from(n) + offered * b));
    let waits = blocked / (1.0 - load * (1.0 - blocked));
    let expected = waits * 600.0 / (f64::from(servers) * (1.0 - load));
    let waited: f64 =
        (1..=4).map(|seed| run_against(&scenario, seed, None, &|_| {}).metrics["wait_s"]).sum::<f64>() / 4.0;
    assert!((waited / expected - 1.0).abs() < 0.05, "waited {waited} s, Erlang says {expected} s");
}
