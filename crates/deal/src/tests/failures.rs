//! Providers that say a subtask failed: what that costs the task, and who is believed.

use super::refusals::{NOW, offer, proposal, request, started_with_checks};
use super::world::*;
use crate::*;
use golem_protocol::*;

const BROKEN: Nature = Nature::Fails(FailureKind::Provider);
const TRAPS: Nature = Nature::Fails(FailureKind::Trapped);

fn order_of(subtasks: u32, ppm: u32) -> TaskOrder {
    TaskOrder { checks: Checks::recheck(ppm), ..order(subtasks, 100 * 14_000, Pricing::Tender) }
}

/// Runs a task to its end: how many of its subtasks failed.
fn played(seed: u64, order: TaskOrder, natures: &[Nature], change: impl FnOnce(&mut World)) -> (World, Option<u32>) {
    let mut world = World::new(seed, order, natures, CALM);
    world.requestor_policy.recheck_percent = 0;
    change(&mut world);
    world.run(1_800_000);
    assert_books_agree(&world);
    let failed = world.finished;
    (world, failed)
}

fn failures_of(world: &World, n: usize) -> usize {
    let node = world.providers[n].machine.node();
    let is_its = |event: &&RequestorEvent| matches!(event, RequestorEvent::Rejected { provider, decision: Decision::FailureNoted, .. } if *provider == node);
    world.events.iter().filter(is_its).count()
}

fn own_runs(world: &World) -> usize {
    let is_one =
        |event: &&RequestorEvent| matches!(event, RequestorEvent::OwnRun { reason: OwnRunReason::Failing, .. });
    world.events.iter().filter(is_one).count()
}

/// The first is the cheapest and answers at once.
#[test]
fn who_fails_everything_does_not_end_a_task_that_others_can_do() {
    for first in [BROKEN, TRAPS, Nature::Fails(FailureKind::TimedOut)] {
        for (seed, ppm) in (0..20).flat_map(|seed| [(seed, 0), (seed, 1)]) {
            let natures = [first, Nature::Honest, Nature::Honest];
            let (world, failed) = played(seed, order_of(30, ppm), &natures, |_| {});
            assert_eq!(failed, Some(0), "seed {seed}, {ppm}");
            assert!(failures_of(&world, 0) <= 30, "no subtask twice: {}", failures_of(&world, 0));
            assert_eq!(own_runs(&world), 0);
            let node = world.providers[0].machine.node();
            assert_eq!(
                world.requestor_policy.failed,
                vec![node; failures_of(&world, 0)],
                "seed {seed}: others did them"
            );
        }
    }
}

#[test]
fn a_broken_machine_gets_ever_less() {
    let count = |first| {
        let natures = [first, Nature::Honest, Nature::Honest];
        failures_of(&played(1, order_of(80, 1), &natures, |_| {}).0, 0)
    };
    let (broken, slow) = (count(BROKEN), count(Nature::Fails(FailureKind::TimedOut)));
    assert!(broken * 2 < slow, "{broken} of a broken machine, {slow} of one that a slow program could be blamed for");
}

#[test]
fn a_market_of_broken_machines_ends_the_task() {
    let (world, failed) = played(1, order_of(4, 1), &[BROKEN, BROKEN], |_| {});
    assert_eq!(failed, Some(4));
    assert!(!world.requestor_policy.failed.is_empty(), "a machine that broke is at fault whatever the program does");
    assert!(failures_of(&world, 0) + failures_of(&world, 1) <= 4 * 6);
}

#[test]
fn a_program_that_traps_everywhere_fails_with_one_provider_as_with_two() {
    for natures in [&[TRAPS][..], &[TRAPS, TRAPS]] {
        let (world, failed) = played(1, order_of(3, 1), natures, |world| world.traps = true);
        assert_eq!((failed, own_runs(&world)), (Some(3), 3));
        let policy = &world.requestor_policy;
        assert!(policy.rejected.is_empty() && policy.failed.is_empty(), "it was the program");
        let (world, failed) = played(1, order_of(3, 0), natures, |_| {});
        assert_eq!((failed, own_runs(&world)), (Some(3), 0), "nothing is run here where nothing is to be");
        assert!(world.requestor_policy.failed.is_empty(), "nobody has shown that it was not the program");
    }
}

#[test]
fn who_says_that_a_right_program_traps_is_found_out_where_results_are_run_again() {
    let (world, failed) = played(1, order_of(1, 1), &[TRAPS], |_| {});
    assert_eq!((failed, own_runs(&world)), (Some(0), 1));
    assert_eq!(world.requestor_policy.rejected, [world.providers[0].machine.node()]);
    assert_eq!(world.requestor.outputs(world.header).len(), 1, "what came out here is the result");
}

#[test]
fn a_failure_that_cannot_be_looked_at_here_counts() {
    let (world, failed) = played(1, order_of(1, 1), &[TRAPS], |world| world.own_runs = false);
    assert_eq!((failed, own_runs(&world)), (Some(1), 1));
    assert!(world.requestor_policy.rejected.is_empty());
}

#[test]
fn everybody_who_said_that_a_right_program_traps_is_found_out_not_the_last_alone() {
    for seed in 0..20 {
        let (world, failed) = played(seed, order_of(1, 1), &[TRAPS, TRAPS], |_| {});
        assert_eq!((failed, own_runs(&world)), (Some(0), 1), "seed {seed}");
        let mut rejected = world.requestor_policy.rejected.clone();
        rejected.sort_unstable();
        let mut liars: Vec<NodeId> = world.providers.iter().map(|host| host.machine.node()).collect();
        liars.sort_unstable();
        assert_eq!(rejected, liars, "seed {seed}: each once");
    }
}

/// One lies about everything; another does it, and its result is run again here by chance.
#[test]
fn a_lie_of_a_failure_is_found_out_by_any_own_run_of_that_subtask() {
    let (world, failed) = played(1, order_of(8, 1), &[TRAPS, Nature::Honest], |world| {
        world.requestor_policy.recheck_percent = 100;
    });
    assert_eq!(failed, Some(0));
    let (liar, honest) = (world.providers[0].machine.node(), world.providers[1].machine.node());
    assert!(world.requestor_policy.rejected.contains(&liar) && !world.requestor_policy.rejected.contains(&honest));
}

#[test]
fn who_fails_for_a_reason_of_its_own_has_not_lied() {
    let (world, failed) = played(1, order_of(8, 1), &[BROKEN, Nature::Honest], |world| {
        world.requestor_policy.recheck_percent = 100;
    });
    assert_eq!((failed, world.requestor_policy.rejected.as_slice()), (Some(0), &[][..]));
}

#[test]
fn many_broken_machines_end_no_task_that_another_can_do() {
    let mut natures = [BROKEN; 9];
    natures[8] = Nature::Honest;
    for seed in 0..10 {
        let (world, failed) = played(seed, order_of(4, 1), &natures, |world| world.providers[8].speed_ms = 20_000);
        assert_eq!(failed, Some(0), "seed {seed}");
        assert!(failures_of(&world, 0) > 0, "seed {seed}: they had a part");
    }
}

#[test]
fn ever_new_names_that_fail_end_a_task_all_the_same() {
    let (world, failed) = played(1, order_of(1, 1), &[BROKEN; 40], |_| {});
    let tries: usize = (0..40).map(|n| failures_of(&world, n)).sum();
    assert_eq!((failed, tries), (Some(1), 24));
}

/// A batch of everything for each of these providers.
fn agreed_by(providers: &[u8]) -> (Requestor, Fixed, Vec<Authentic<Agreement>>) {
    let checks = Checks { copies: providers.len() as u8, ..Checks::recheck(0) };
    let (mut requestor, mut policy, digest) = started_with_checks(Wei(1_000_000), AppFee::NONE, checks);
    let mut agreements: Vec<Authentic<Agreement>> = Vec::new();
    for n in providers {
        request(&mut requestor, &mut policy, offer(digest, *n, |_| {}), NOW);
    }
    for n in providers {
        let channel = ChannelId { payer: keys(1).payment.address(), payee: keys(*n).payment.address() };
        let state = ChannelState { deposit: Wei(1_000_000), epoch: 1, ..Default::default() };
        let effects = request(&mut requestor, &mut policy, RequestorInput::Channel { channel, state }, NOW);
        let agreement = proposal(&effects).expect("an agreement");
        let signature = keys(*n).identity.sign_digest(&agreement.digest()).unwrap();
        let message = Message::Countersignature(Countersignature { agreement: agreement.digest(), signature });
        let input = RequestorInput::Message { from: agreement.provider, message: Box::new(message) };
        request(&mut requestor, &mut policy, input, NOW);
        agreements.push(agreement);
    }
    (requestor, policy, agreements)
}

fn reported(n: u8, agreement: &Authentic<Agreement>, outcomes: &[(u32, SubtaskOutcome)]) -> RequestorInput {
    let results = outcomes.iter().map(|(index, outcome)| SubtaskResult { index: *index, outcome: outcome.clone() });
    let report = Report { agreement: agreement.digest(), provider: agreement.provider, results: results.collect() };
    let report = sign(report, &CHAIN, &*keys(n).identity).unwrap().into_signed();
    RequestorInput::Message { from: agreement.provider, message: Box::new(Message::Report(report)) }
}

#[test]
fn a_lie_of_a_failure_in_a_report_that_is_still_under_check_is_found_out_too() {
    let right = SubtaskOutcome::Completed {
        output: ContentHash(B256::ZERO),
        output_bytes: ByteCount(1),
        fuel: Fuel(1),
        time_ms: 1,
    };
    let trapped = SubtaskOutcome::Failed { kind: FailureKind::Trapped, message: "no such thing".into() };
    let (mut requestor, mut policy, agreements) = agreed_by(&[2, 3]);
    let [liar, honest] = [&agreements[0], &agreements[1]];
    // Subtask 1 is not fetched yet, so nothing of this report is decided for good.
    request(&mut requestor, &mut policy, reported(2, liar, &[(0, trapped), (1, right.clone())]), NOW);
    request(&mut requestor, &mut policy, reported(3, honest, &[(0, right.clone())]), NOW);
    policy.recheck_percent = 100;
    let fetched = RequestorInput::Fetched { agreement: honest.digest(), index: 0, complete: Ok(()) };
    let effects = request(&mut requestor, &mut policy, fetched, NOW);
    assert!(effects.iter().any(|effect| matches!(effect, RequestorEffect::Recheck { index: 0, .. })), "{effects:?}");
    let own = RequestorInput::Rechecked { agreement: honest.digest(), index: 0, outcome: Ok(right.clone()) };
    request(&mut requestor, &mut policy, own, NOW);
    assert!(policy.rejected.is_empty(), "it is told once all of its report is decided");
    let fetched = RequestorInput::Fetched { agreement: liar.digest(), index: 1, complete: Ok(()) };
    request(&mut requestor, &mut policy, fetched, NOW);
    let own = RequestorInput::Rechecked { agreement: liar.digest(), index: 1, outcome: Ok(right) };
    request(&mut requestor, &mut policy, own, NOW);
    assert_eq!(policy.rejected, [liar.provider], "and gets nothing more");
    let effects = request(&mut requestor, &mut policy, offer(liar.header, 2, |o| o.expires = ChainTime(9_100)), NOW);
    let refusal = super::refusals::refused(&effects);
    assert!(matches!(refusal, Some(RefusalReason::BelowQualityFloor)), "{refusal:?}");
}
