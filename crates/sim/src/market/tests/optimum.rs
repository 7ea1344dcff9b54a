//! The planner who knows everything, against the most that could be done: every choice and order of a few tasks on a few
//! machines, tried out by dynamic programming over sets of tasks.

use super::super::agents::MS_PER_HOUR;
use super::super::work::time_of;
use super::super::world::{Event, World};
use super::*;

/// A task of one subtask: when it comes, until when it can begin, what it takes and what it is worth.
struct Job {
    comes: u64,
    lost_at: u64,
    work_ms: u64,
    value: f64,
}

/// At most so many tasks. Reason: three to the power of them are tried.
const JOBS_MAX: usize = 9;

/// Three machines, and tasks that come within six hours; some are not worth their work. All that is begun is finished.
fn few(tasks_per_day: f64) -> Scenario {
    let mut scenario = Scenario { days: 2.0, warmup_days: Warmup::Days(0.0), step_hours: 1.0, ..Scenario::default() };
    scenario.shocks = vec![Shock { from_day: 0.25, to_day: 2.0, change: Change::LoadTimes(0.0) }];
    scenario.market.latency_s = 0.0;
    scenario.providers[0].count = 3;
    scenario.requestors[0] = RequestorGroup {
        count: 2,
        tasks_per_day: Some(tasks_per_day),
        subtasks: Distribution::Fixed(1.0),
        work_s: Distribution::Lognormal { median: 3_600.0, sigma: 0.5 },
        value_gnt_per_hour: Distribution::Uniform { min: 0.5, max: 4.0 },
        deadline_timeouts: 2.0,
        ..RequestorGroup::default()
    };
    scenario
}

/// The tasks of a run, those that every mechanism meets, and of each machine its speed and its cost.
fn jobs(scenario: &Scenario, seed: u64) -> (Vec<Job>, Vec<(f64, f64)>, u64) {
    let mut world = World::new(scenario, seed);
    while let Some((at, event)) = world.queue.pop().filter(|(at, _)| *at <= world.end) {
        world.now = at;
        if let Event::Arrival(buyer) = event {
            world.arrival(buyer);
        }
    }
    let job = |task: &mut super::super::agents::Task| Job {
        comes: task.created,
        lost_at: task.deadline,
        work_ms: task.work_ms,
        value: task.value,
    };
    let jobs = world.tasks.iter_mut().map(job).collect();
    (jobs, world.agents.machines.iter().map(|of| (of.speed, of.cost)).collect(), world.end)
}

/// The most surplus that these machines can make of these tasks.
fn optimum(jobs: &[Job], machines: &[(f64, f64)], end: u64) -> f64 {
    let sets = 1usize << jobs.len();
    let mut best = vec![0.0f64; sets];
    for (speed, cost) in machines {
        // The earliest that one machine can be done with a set of tasks, and what that brings.
        let mut done = vec![None; sets];
        let mut brings = vec![f64::NEG_INFINITY; sets];
        (done[0], brings[0]) = (Some(0), 0.0);
        for set in 1..sets {
            let members = || (0..jobs.len()).filter(|job| set & (1 << job) != 0);
            let last = |job: usize| {
                let start: u64 = Option::<u64>::max(done[set & !(1 << job)], Some(jobs[job].comes))?;
                done[set & !(1 << job)]?;
                let ends = start + time_of(jobs[job].work_ms, *speed);
                (start < jobs[job].lost_at && ends <= end).then_some(ends)
            };
            done[set] = members().filter_map(last).min();
            if done[set].is_some() {
                let of = |job: usize| jobs[job].value - cost * time_of(jobs[job].work_ms, *speed) as f64 / MS_PER_HOUR;
                brings[set] = members().map(of).sum();
            }
        }
        let before = best.clone();
        for (set, best) in best.iter_mut().enumerate() {
            let mut part = set;
            while part > 0 {
                *best = best.max(brings[part] + before[set & !part]);
                part = (part - 1) & set;
            }
        }
    }
    best[sets - 1]
}

#[test]
fn the_planner_is_never_above_the_optimum_and_close_to_it() {
    // With much work and little of it worth waiting for, a planner who does not know what will come does worse.
    for (tasks_per_day, together, least) in [(6.0, 0.98, 0.75), (12.0, 0.94, 0.2)] {
        let scenario = few(tasks_per_day);
        let (mut planned, mut possible, mut cases, mut worst) = (0.0, 0.0, 0, f64::INFINITY);
        for seed in 0..200 {
            let (jobs, machines, end) = jobs(&scenario, seed);
            if jobs.is_empty() || jobs.len() > JOBS_MAX {
                continue;
            }
            let optimum = optimum(&jobs, &machines, end);
            for mechanism in [Mechanism::Oracle, Mechanism::Tender] {
                let mut scenario = scenario.clone();
                scenario.market.mechanism = mechanism;
                let surplus = run_against(&scenario, seed, None, &|_| {}).metrics["surplus_gnt"];
                assert!(surplus <= optimum + 1e-9, "seed {seed}: {mechanism:?} made {surplus} of {optimum}");
                if mechanism == Mechanism::Oracle && optimum > 0.0 {
                    (planned, possible, cases) = (planned + surplus, possible + optimum, cases + 1);
                    worst = f64::min(worst, surplus / optimum);
                }
            }
        }
        let share = planned / possible;
        eprintln!("{tasks_per_day} tasks a day: {cases} cases, {share:.4} of the optimum, {worst:.4} at worst");
        assert!(cases > 100, "only {cases} cases");
        assert!(share >= together, "{share} of the optimum in all");
        assert!(worst >= least, "{worst} of the optimum in the worst case");
    }
}
