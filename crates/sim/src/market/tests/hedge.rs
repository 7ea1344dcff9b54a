//! Second copies of what somebody is late with. That both are paid is in the check of the money at the end of every run.

use super::*;

/// Few large tasks, and machines that are late now and then.
fn large_tasks(hedge: Hedge, share: f64) -> RunOutcome {
    // Without a warm-up, so that everything is counted.
    let mut scenario = Scenario { warmup_days: Warmup::Days(0.0), ..small() };
    scenario.providers[0].count = 250;
    scenario.providers[0].policy = ProviderPolicyName::Golem;
    let times = Distribution::Lognormal { median: 4.0, sigma: 0.8 };
    scenario.providers[0].stalls = Some(Stalls { share, times });
    scenario.requestors[0].count = 4;
    scenario.requestors[0].policy = RequestorPolicyName::Golem;
    scenario.requestors[0].subtasks = Distribution::Fixed(200.0);
    scenario.requestors[0].timeout_factor = 6.0;
    scenario.requestors[0].hedge = hedge;
    scenario.check().unwrap();
    run_against(&scenario, 3, None, &|_| {})
}

#[test]
fn second_copies_end_tasks_sooner_and_no_subtask_counts_twice() {
    let (off, on) = (large_tasks(Hedge::Off, 0.05), large_tasks(Hedge::On, 0.05));
    assert_eq!(off.metrics["copies_share"], 0.0);
    assert!(on.metrics["copies_share"] > 0.001, "{}", on.metrics["copies_share"]);
    let (late, soon) = (off.metrics["makespan_over_ideal"], on.metrics["makespan_over_ideal"]);
    assert!(soon < late * 0.95, "{soon} with second copies, {late} without");
    let done = |outcome: &RunOutcome| {
        let buyers = outcome.agents.iter().filter(|row| row.side == Side::Requestor);
        buyers.map(|row| row.subtasks_done).sum::<u64>()
    };
    for outcome in [&off, &on] {
        let (done, asked) = (done(outcome) as f64, outcome.metrics["subtasks"]);
        assert!(done > asked * 0.8 && done <= asked, "{done} results of {asked} subtasks");
    }
}

#[test]
fn hardly_anything_is_copied_where_nobody_is_late() {
    let share = large_tasks(Hedge::On, 0.0).metrics["copies_share"];
    assert!(share < 0.01, "{share}");
}

#[test]
fn cheap_ones_are_at_most_one_in_twenty() {
    let share = large_tasks(Hedge::Cheap, 0.5).metrics["copies_share"];
    assert!((0.0..=0.05).contains(&share), "{share}");
}
