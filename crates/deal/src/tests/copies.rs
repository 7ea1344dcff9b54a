//! Several providers for one subtask: what is compared, who decides, who is paid, and for how long anybody waits.

use super::world::*;
use crate::requestor::COPIES_WAIT_MS_MAX;
use crate::*;
use golem_protocol::*;
use std::collections::BTreeMap;

fn order_of_copies(subtasks: u32, budget: u128, copies: u8) -> TaskOrder {
    let checks = Checks { copies, ..Checks::recheck(0) };
    TaskOrder { checks, ..order(subtasks, budget, Pricing::Tender) }
}

fn world_of_copies(seed: u64, order: TaskOrder, natures: &[Nature], faults: Faults) -> World {
    let mut world = World::new(seed, order, natures, faults);
    world.requestor_policy.recheck_percent = 0;
    world
}

fn own_runs(world: &World) -> Vec<OwnRunReason> {
    let reason = |event: &RequestorEvent| match event {
        RequestorEvent::OwnRun { reason, .. } => Some(*reason),
        _ => None,
    };
    world.events.iter().filter_map(reason).collect()
}

/// Who was paid for each subtask.
fn paid_for(world: &World) -> BTreeMap<u32, Vec<NodeId>> {
    let mut paid: BTreeMap<u32, Vec<NodeId>> = BTreeMap::new();
    for event in &world.events {
        if let RequestorEvent::Accepted { index, provider, .. } = event {
            paid.entry(*index).or_default().push(*provider);
        }
    }
    paid
}

fn rejected(world: &World) -> Vec<(NodeId, u32, Decision)> {
    let decision = |event: &RequestorEvent| match event {
        RequestorEvent::Rejected { provider, index, decision, .. } => Some((*provider, *index, *decision)),
        _ => None,
    };
    world.events.iter().filter_map(decision).collect()
}

fn node(n: u8) -> NodeId {
    NodeId(keys(10 + n).identity.address())
}

fn earned(world: &World, n: usize) -> Wei {
    world.providers[n].machine.ledgers().first().map(|ledger| ledger.earned()).unwrap_or_default()
}

fn assert_results_are_right(world: &World) {
    let right = world.requestor.order(world.header).unwrap().inputs.clone();
    let outputs = world.requestor.outputs(world.header);
    assert_eq!(outputs.len(), right.len());
    for (index, (output, _)) in outputs {
        assert_eq!(output, right[index as usize], "a wrong result was taken for {index}");
    }
}

#[test]
fn gives_each_subtask_to_two_owners_and_pays_both_in_a_bad_world() {
    for seed in 0..seeds() {
        let natures = [Nature::Honest; 3];
        let mut world = world_of_copies(seed, order_of_copies(20, 40 * 14_000, 2), &natures, WILD);
        world.run(7_200_000);
        assert_eq!(world.finished, Some(0), "seed {seed}");
        assert_results_are_right(&world);
        assert_books_agree(&world);
        assert!(world.requestor_policy.rejected.is_empty(), "seed {seed}: nobody lied");
    }
}

#[test]
fn pays_two_who_agree_without_running_anything_here() {
    let natures = [Nature::Honest; 2];
    let mut world = world_of_copies(1, order_of_copies(20, 40 * 14_000, 2), &natures, CALM);
    world.run(3_600_000);
    assert_eq!(own_runs(&world), []);
    let paid = paid_for(&world);
    assert!(paid.len() == 20 && paid.values().all(|who| who.len() == 2 && who[0] != who[1]), "{paid:?}");
    let task = &world.requestor.tasks()[0];
    assert_eq!((task.done, task.copies), (20, 20));
    assert!(task.copies_cost > Wei::ZERO && task.copies_cost < task.spent);
    assert_books_agree(&world);
}

#[test]
fn who_ends_in_another_order_does_not_wait_for_the_others_verdicts() {
    for seed in 0..seeds() {
        let mut world = world_of_copies(seed, order_of_copies(20, 40 * 14_000, 2), &[Nature::Honest; 2], CALM);
        world.uneven_ms = 2_000;
        world.run(3_600_000);
        assert_eq!((world.finished, own_runs(&world)), (Some(0), vec![]), "seed {seed}: all is compared");
        assert!(world.time < COPIES_WAIT_MS_MAX, "seed {seed}: it took {} ms", world.time);
        assert_books_agree(&world);
    }
}

#[test]
fn two_of_three_outvote_the_one_that_lies_and_nothing_is_run_here() {
    for seed in 0..seeds() {
        let natures = [Nature::Cheat, Nature::Honest, Nature::Honest, Nature::Honest];
        let mut world = world_of_copies(seed, order_of_copies(12, 48 * 14_000, 3), &natures, CALM);
        world.own_runs = false;
        world.run(7_200_000);
        assert_results_are_right(&world);
        assert_books_agree(&world);
        assert_eq!(earned(&world, 0), Wei::ZERO, "seed {seed}: nothing for the liar");
        assert!(rejected(&world).iter().all(|(who, _, what)| (*who, *what) == (node(0), Decision::WrongOutput)));
        assert!(!rejected(&world).is_empty());
        // What it had besides is looked at, which fails here, and decided by the others all the same.
        assert!(own_runs(&world).iter().all(|reason| *reason == OwnRunReason::Distrusted), "{:?}", own_runs(&world));
    }
}

#[test]
fn where_two_differ_an_own_run_tells_who_lies() {
    for seed in 0..seeds() {
        let natures = [Nature::Cheat, Nature::Honest, Nature::Honest];
        let mut world = world_of_copies(seed, order_of_copies(12, 36 * 14_000, 2), &natures, WILD);
        world.run(7_200_000);
        assert_eq!(world.finished, Some(0), "seed {seed}");
        assert_results_are_right(&world);
        assert_books_agree(&world);
        assert_eq!(earned(&world, 0), Wei::ZERO, "seed {seed}: nothing for the liar");
        assert!(world.requestor_policy.rejected.iter().all(|who| *who == node(0)), "seed {seed}");
    }
}

#[test]
fn where_two_differ_and_nothing_can_be_run_here_a_third_decides() {
    let natures = [Nature::Cheat, Nature::Honest, Nature::Honest];
    let mut world = world_of_copies(2, order_of_copies(6, 36 * 14_000, 2), &natures, CALM);
    world.own_runs = false;
    world.run(7_200_000);
    assert_results_are_right(&world);
    assert_books_agree(&world);
    assert_eq!(earned(&world, 0), Wei::ZERO, "nothing for the liar");
    assert!(own_runs(&world).contains(&OwnRunReason::Disputed));
}

#[test]
fn where_all_differ_an_own_run_decides() {
    let natures = [Nature::Cheat, Nature::Cheat, Nature::Honest];
    let mut world = world_of_copies(3, order_of_copies(4, 36 * 14_000, 3), &natures, CALM);
    world.run(7_200_000);
    assert_results_are_right(&world);
    assert_books_agree(&world);
    assert_eq!((earned(&world, 0), earned(&world, 1)), (Wei::ZERO, Wei::ZERO));
    assert!(own_runs(&world).contains(&OwnRunReason::Disputed), "{:?}", own_runs(&world));
}

#[test]
fn nobodys_money_hangs_on_a_copy_that_never_comes() {
    let natures = [Nature::Honest, Nature::Idle];
    let mut world = world_of_copies(4, order_of_copies(6, 36 * 14_000, 2), &natures, CALM);
    world.run(7_200_000);
    assert_results_are_right(&world);
    assert_books_agree(&world);
    assert_eq!(paid_for(&world).len(), 6);
    assert!(own_runs(&world).contains(&OwnRunReason::Alone));
}

#[test]
fn pays_who_is_alone_where_nothing_can_be_run_here_either() {
    let natures = [Nature::Honest, Nature::Idle];
    let mut world = world_of_copies(5, order_of_copies(4, 36 * 14_000, 2), &natures, CALM);
    world.own_runs = false;
    world.run(7_200_000);
    assert_results_are_right(&world);
    assert_books_agree(&world);
    assert_eq!(paid_for(&world).len(), 4);
}

#[test]
fn two_nodes_that_are_paid_at_one_place_are_one_owner() {
    let mut world = world_of_copies(6, order_of_copies(6, 36 * 14_000, 2), &[Nature::Honest; 2], CALM);
    let payment = world.providers[0].keys.payment.clone();
    let twin = Keys { identity: keys(11).identity, payment };
    let settings = provider_settings(&twin);
    world.providers[1].machine = Provider::new(settings, twin.clone());
    world.providers[1].keys = twin;
    while let Some(Timed(time, _, event)) = world.due.pop() {
        world.time = time;
        world.step(event);
        assert_eq!(world.requestor.check_invariants(), vec![]);
        if world.finished.is_some() {
            break;
        }
    }
    let paid = paid_for(&world);
    assert!(paid.len() == 6 && paid.values().all(|who| who.len() == 1), "{paid:?}");
    assert!(world.events.iter().any(|event| matches!(event, RequestorEvent::CopiesWait { copies: 2, .. })));
}

/// Two honest providers whose connections come from these addresses, until the task is done.
fn done_at(addresses: [&str; 2], copy_addresses: CopyAddresses) -> World {
    let mut world = world_of_copies(6, order_of_copies(6, 36 * 14_000, 2), &[Nature::Honest; 2], CALM);
    world.requestor = Requestor::new(RequestorSettings { copy_addresses, ..requestor_settings() }, keys(1));
    for (n, address) in addresses.into_iter().enumerate() {
        let Some(site) = Site::of(address.parse().unwrap()) else { continue };
        let seen = RequestorInput::Seen { peer: node(n as u8), site };
        world.requestor.apply(&mut world.requestor_policy, seen, Now::default());
    }
    world.run(7_200_000);
    world
}

fn waits_near(world: &World) -> Option<Near> {
    world.events.iter().find_map(|event| match event {
        RequestorEvent::CopiesWait { near, .. } => *near,
        _ => None,
    })
}

#[test]
fn two_nodes_at_one_address_do_not_both_have_a_copy_and_it_is_said_why() {
    let world = done_at(["203.0.113.7", "203.0.113.7"], CopyAddresses::Distinct);
    let paid = paid_for(&world);
    assert!(paid.len() == 6 && paid.values().all(|who| who.len() == 1), "{paid:?}");
    let near = waits_near(&world).expect("it is said");
    assert_eq!(near.site.to_string(), "203.0.113.7");
    assert_ne!(near.provider, near.holder);
    assert_results_are_right(&world);
    assert_books_agree(&world);
}

#[test]
fn addresses_that_differ_or_tell_nothing_or_may_be_the_same_keep_nobody_from_a_copy() {
    let both = |world: World| {
        assert_eq!(waits_near(&world), None);
        let paid = paid_for(&world);
        assert!(paid.len() == 6 && paid.values().all(|who| who.len() == 2), "{paid:?}");
    };
    both(done_at(["203.0.113.7", "203.0.113.8"], CopyAddresses::Distinct));
    both(done_at(["10.0.0.1", "10.0.0.1"], CopyAddresses::Distinct));
    both(done_at(["203.0.113.7", "203.0.113.7"], CopyAddresses::Any));
}

#[test]
fn the_budget_pays_for_every_copy() {
    // 6,000 a copy with the cheaper, a little more with the other: for 5 subtasks of 20, and some rest.
    let mut world = world_of_copies(7, order_of_copies(20, 62_000, 2), &[Nature::Honest; 2], CALM);
    while let Some(Timed(time, _, event)) = world.due.pop() {
        world.time = time;
        world.step(event);
        assert_eq!(world.requestor.check_invariants(), vec![]);
        if time > 900_000 {
            break;
        }
    }
    let task = &world.requestor.tasks()[0];
    assert!(task.spent <= Wei(62_000) && task.reserved == Wei::ZERO && !task.finished, "{task:?}");
    assert!((5..=9).contains(&task.done), "{task:?}");
    assert!(world.events.iter().any(|event| matches!(event, RequestorEvent::BudgetReached { .. })));
}

#[test]
fn gives_a_stragglers_subtask_to_another_and_pays_both() {
    let mut order = order(6, 36 * 14_000, Pricing::Tender);
    order.checks.hedges_max = 6;
    let mut world = world_of_copies(8, order, &[Nature::Honest; 2], CALM);
    // It does its work within the time agreed, and far slower than the other.
    world.providers[0].speed_ms = 30_000;
    world.run(3_600_000);
    let late = |event: &RequestorEvent| match event {
        RequestorEvent::Hedged { index, late, provider, .. } => Some((*index, *late, *provider)),
        _ => None,
    };
    let hedged: Vec<_> = world.events.iter().filter_map(late).collect();
    assert!(!hedged.is_empty() && hedged.iter().all(|(_, late, by)| (*late, *by) == (node(0), node(1))), "{hedged:?}");
    let paid = paid_for(&world);
    assert!(hedged.iter().all(|(index, ..)| paid[index].len() == 2), "both are paid: {paid:?}");
    assert_results_are_right(&world);
    assert_books_agree(&world);
    assert_eq!(own_runs(&world), [], "they agree");
}

#[test]
fn hedges_no_more_than_it_may() {
    let mut order = order(6, 36 * 14_000, Pricing::Tender);
    order.checks.hedges_max = 1;
    let mut world = world_of_copies(8, order, &[Nature::Honest; 2], CALM);
    world.providers[0].speed_ms = 30_000;
    world.run(3_600_000);
    let hedged = world.events.iter().filter(|event| matches!(event, RequestorEvent::Hedged { .. })).count();
    assert_eq!(hedged, 1);
}

#[test]
fn a_known_result_given_again_finds_a_liar_that_nothing_else_would() {
    let mut seen = 0;
    for seed in 0..seeds() {
        let mut order = order(60, 200 * 14_000, Pricing::Tender);
        order.checks.known_ppm = 1_000_000;
        let mut world = world_of_copies(seed, order, &[Nature::Honest, Nature::Cheat, Nature::Honest], CALM);
        world.requestor_policy.known_percent = 100;
        // Fast enough to come back for more when others' results are here.
        world.providers[1].speed_ms = 200;
        world.run(7_200_000);
        assert_books_agree(&world);
        let given = |event: &RequestorEvent| matches!(event, RequestorEvent::KnownGiven { provider, .. } if *provider == node(1));
        // Where others are faster there may be nothing left to give it twice.
        if world.events.iter().any(given) {
            seen += 1;
            let caught = (node(1), Decision::WrongOutput);
            assert!(rejected(&world).iter().any(|(who, _, what)| (*who, *what) == caught), "seed {seed}");
        }
        assert!(world.requestor_policy.rejected.iter().all(|who| *who == node(1)), "seed {seed}: the honest are safe");
    }
    assert!(seen * 2 > seeds(), "{seen} of {} liars were given a known one", seeds());
}

#[test]
fn one_wrong_result_that_is_found_has_all_others_looked_at_before_they_are_paid() {
    let mut world = World::new(9, order(40, 40 * 14_000, Pricing::Tender), &[Nature::Cheat, Nature::Honest], CALM);
    // One in twenty is chosen, and a cheat that reports many at once gets nothing for the others.
    world.requestor_policy.recheck_percent = 5;
    world.providers[0].speed_ms = 100;
    world.run(3_600_000);
    let found = world
        .events
        .iter()
        .position(|event| matches!(event, RequestorEvent::Rejected { provider, .. } if *provider == node(0)));
    let after = &world.events[found.expect("it is found")..];
    let passed = |event: &RequestorEvent| matches!(event, RequestorEvent::Accepted { provider, rechecked: false, .. } if *provider == node(0));
    assert!(!after.iter().any(passed), "nothing of it is paid unseen any more");
    assert_books_agree(&world);
}

#[test]
fn refuses_more_copies_than_a_task_may_have() {
    for copies in [0, Checks::COPIES_MAX + 1] {
        let mut requestor = Requestor::new(requestor_settings(), keys(1));
        let order = order_of_copies(2, 1_000, copies);
        let now = Now { local: LocalTime(1), chain: ChainTime(1) };
        let effects = requestor.apply(&mut Fixed::default(), RequestorInput::Start(Box::new(order)), now);
        assert!(
            matches!(effects.as_slice(), [RequestorEffect::Happened(RequestorEvent::Refused { .. }), ..]),
            "{effects:?}"
        );
        assert!(requestor.tasks().is_empty());
    }
}
