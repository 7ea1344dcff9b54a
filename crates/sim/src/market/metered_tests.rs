//! Metered work in the market.

use super::*;

fn metered() -> Scenario {
    let mut scenario = Scenario { days: 3.0, warmup_days: Warmup::Days(0.5), ..Scenario::default() };
    scenario.providers[0].count = 80;
    scenario.requestors[0].count = 10;
    scenario.requestors[0].pricing = PricingName::Metered;
    scenario
}

fn with_cheats(behaviour: ProviderBehaviour) -> Scenario {
    let mut scenario = metered();
    let cheats = ProviderGroup { name: "cheats".into(), count: 20, behaviour, ..ProviderGroup::default() };
    scenario.providers.push(cheats);
    scenario
}

fn golem(mut scenario: Scenario) -> Scenario {
    scenario.providers.iter_mut().for_each(|group| group.policy = ProviderPolicyName::Golem);
    scenario.requestors.iter_mut().for_each(|group| group.policy = RequestorPolicyName::Golem);
    scenario
}

fn play(scenario: &Scenario) -> RunOutcome {
    scenario.check().unwrap();
    run_against(scenario, 5, None, &|_| {})
}

const HALF_MORE: ProviderBehaviour = ProviderBehaviour::InflateUsage { factor: 1.5, step_s: 0.0 };
const WHOLE_BUDGET: ProviderBehaviour = ProviderBehaviour::UndercutBudget { price_over_cost: Some(0.5), epsilon: 0.0 };

#[test]
fn what_metered_work_leaves_of_its_budget_is_no_debt_and_the_truth_costs_nothing_more() {
    for scenario in [metered(), golem(metered())] {
        let metrics = play(&scenario).metrics;
        assert_eq!(metrics["overpaid_share"], 0.0);
        assert!(metrics["finished_share"] > 0.97, "{}", metrics["finished_share"]);
        let refused = metrics.get("refused_credit_exceeded").copied().unwrap_or(0.0);
        assert!(refused < 0.02 * metrics["quotes"], "{refused} of {} offers lack credit", metrics["quotes"]);
        // A second of the reference machine costs what its fuel costs, and no longer twice that for the timeout.
        assert!(metrics["price_over_cost"] < 5.5, "{}", metrics["price_over_cost"]);
    }
}

#[test]
fn believed_reports_cost_more_and_pay_those_who_make_them() {
    for behaviour in [HALF_MORE, WHOLE_BUDGET] {
        let mut scenario = with_cheats(behaviour);
        scenario.requestors[0].defence = Defence::None;
        let metrics = play(&scenario).metrics;
        assert!(metrics["overpaid_share"] > 0.05, "{behaviour:?}: {}", metrics["overpaid_share"]);
        assert_eq!(metrics["lies_found_share"], 0.0);
        let gain = metrics["profit_cheat_gnt_per_hour"] / metrics["profit_honest_gnt_per_hour"];
        assert!(gain > 1.2, "{behaviour:?}: a cheat earns {gain} times what others do");
    }
}

#[test]
fn reports_grow_with_every_subtask_and_end_at_the_budget() {
    let overpaid = |step_s| {
        let mut scenario = with_cheats(ProviderBehaviour::InflateUsage { factor: 1.0, step_s });
        scenario.requestors[0].defence = Defence::None;
        play(&scenario).metrics["overpaid_share"]
    };
    let (none, some, more) = (overpaid(0.0), overpaid(30.0), overpaid(1e6));
    assert!(none == 0.0 && 0.0 < some && some < more && more < 0.6, "{none} {some} {more}");
}

#[test]
fn running_results_again_finds_the_lies_and_ours_gives_liars_no_more_work() {
    for behaviour in [HALF_MORE, WHOLE_BUDGET] {
        let metrics = play(&golem(with_cheats(behaviour))).metrics;
        assert!(metrics["cheat_share_last_quarter"] < 0.02, "{behaviour:?}: {}", metrics["cheat_share_last_quarter"]);
        assert!(metrics["overpaid_share"] < 0.01, "{behaviour:?}: {}", metrics["overpaid_share"]);
    }
}

#[test]
fn copies_cost_twice_the_work_and_make_who_reports_more_dearer() {
    let of = |defence| {
        let mut scenario = with_cheats(HALF_MORE);
        scenario.requestors[0].check_rate = 0.0;
        scenario.requestors[0].subtask_spread = 0.2;
        scenario.requestors[0].timeout_factor = 4.0;
        scenario.requestors[0].load = Some(0.1);
        scenario.requestors[0].defence = defence;
        play(&scenario).metrics
    };
    let (believed, copied) = (of(Defence::None), of(Defence::Redundancy { copies: 2 }));
    assert!(copied["cost_over_honest"] > 1.8 * believed["cost_over_honest"]);
    assert!(copied["cheat_share_last_quarter"] < 0.8 * believed["cheat_share_last_quarter"]);
}

#[test]
fn who_is_out_of_line_is_banned_and_so_are_honest_ones_where_subtasks_differ() {
    let of = |spread| {
        let mut scenario = with_cheats(HALF_MORE);
        scenario.requestors[0].check_rate = 0.0;
        scenario.requestors[0].subtask_spread = spread;
        scenario.requestors[0].timeout_factor = 4.0;
        scenario.requestors[0].defence = Defence::Comparison;
        play(&scenario).metrics
    };
    let (alike, differ) = (of(0.0), of(0.4));
    assert_eq!(alike["bans_honest_share"], 0.0);
    assert!(alike["overpaid_share"] < differ["overpaid_share"]);
    assert!(differ["bans_honest_share"] > 0.2, "{}", differ["bans_honest_share"]);
}

#[test]
fn a_benchmark_that_lies_is_corrected_by_what_was_run() {
    let claims = |pricing| {
        let mut scenario = golem(with_cheats(ProviderBehaviour::CheatBenchmark { factor: 4.0 }));
        scenario.requestors[0].pricing = pricing;
        play(&scenario).metrics
    };
    let (tender, metered) = (claims(PricingName::Tender), claims(PricingName::Metered));
    assert!(metered["finished_share"] > 0.97 && tender["finished_share"] > 0.97);
    // Who promises four times its fuel sells it for a quarter, until its own node has seen better.
    assert!(metered["profit_cheat_gnt_per_hour"] < metered["profit_honest_gnt_per_hour"]);
}

#[test]
fn tasks_come_once_or_one_after_the_other() {
    let tasks = |arrival| {
        let mut scenario = metered();
        scenario.warmup_days = Warmup::Days(0.0);
        scenario.requestors[0].arrival = arrival;
        play(&scenario).metrics["subtasks"]
    };
    assert_eq!(tasks(ArrivalName::Once), 100.0);
    assert!(tasks(ArrivalName::Repeating) > 1_000.0);
}

#[test]
fn refuses_what_no_policy_does() {
    let refused = |change: &dyn Fn(&mut RequestorGroup)| {
        let mut scenario = metered();
        change(&mut scenario.requestors[0]);
        scenario.check().unwrap_err().to_string()
    };
    assert!(refused(&|of| of.defence = Defence::Redundancy { copies: 1 }).contains("a number from 2 to 16"));
    let text = refused(&|of| {
        (of.policy, of.defence) = (RequestorPolicyName::Golem, Defence::Redundancy { copies: 2 });
    });
    assert!(text.starts_with("requestors[0].policy is golem"), "{text}");
    assert!(refused(&|of| (of.arrival, of.load) = (ArrivalName::Once, Some(0.1))).contains("a rate of arrivals"));
    assert!(refused(&|of| of.subtask_spread = 3.0).contains("subtask_spread"));
}

#[test]
fn reads_the_keys_of_metered_work() {
    let text = "[[providers]]\nbehaviour = { inflate_usage = { factor = 1.5 } }\n[[providers]]\n\
                behaviour = { undercut_budget = { epsilon = 0.1 } }\n[[requestors]]\npricing = \"metered\"\n\
                defence = { redundancy = { copies = 3 } }\narrival = \"repeating\"";
    let scenario: Scenario = toml::from_str(text).unwrap();
    assert_eq!(scenario.providers[0].behaviour, HALF_MORE);
    assert_eq!(
        scenario.providers[1].behaviour,
        ProviderBehaviour::UndercutBudget { price_over_cost: None, epsilon: 0.1 }
    );
    assert_eq!(scenario.requestors[0].copies(), 3);
}
