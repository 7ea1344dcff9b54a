//! A task that ended with failed subtasks and is tried again.

use super::world::*;
use crate::*;
use golem_protocol::*;

const SUBTASKS: u32 = 8;
const FAILING_FROM: u8 = 5;

/// A world in which the last three of eight subtasks fail for good, and the order.
fn failed(seed: u64) -> (World, TaskOrder) {
    let order = order(SUBTASKS, 10_000_000, Pricing::Tender);
    let mut world = World::new(seed, order.clone(), &[Nature::FailsFrom(FAILING_FROM)], CALM);
    world.run(600_000);
    assert_eq!(world.finished.take(), Some(SUBTASKS - u32::from(FAILING_FROM)));
    (world, order)
}

fn accepted(world: &World) -> Vec<u32> {
    let of = |event: &RequestorEvent| match event {
        RequestorEvent::Accepted { index, .. } => Some(*index),
        _ => None,
    };
    let mut accepted: Vec<u32> = world.events.iter().filter_map(of).collect();
    accepted.sort_unstable();
    accepted
}

fn start_again(world: &mut World, order: &TaskOrder) {
    let header = world.header;
    world.step(Event::ToRequestor(ANY, RequestorInput::Retry(header)));
    world.step(Event::ToRequestor(ANY, RequestorInput::Start(Box::new(order.clone()))));
}

#[test]
fn tries_only_what_failed_again_and_buys_nothing_twice() {
    for restarts in [false, true] {
        let (mut world, order) = failed(7);
        let before = world.requestor.tasks()[0].clone();
        assert_eq!((before.done, before.failed), (5, 3));
        world.providers[0].nature = Nature::Honest;
        if restarts {
            let records = load(&world.requestor_disk);
            let keys = world.requestor_keys.clone();
            world.requestor = Requestor::recover(requestor_settings(), keys, &records, world.now()).unwrap();
            world.requestor_run += 1;
        }
        start_again(&mut world, &order);
        let reopened = world.requestor.tasks()[0].clone();
        assert_eq!((reopened.done, reopened.failed, reopened.spent), (5, 0, before.spent), "what is paid stays");
        world.run(world.time + 600_000);
        assert_eq!(world.finished, Some(0));
        assert_eq!(accepted(&world), (0..SUBTASKS).collect::<Vec<_>>(), "each is bought once");
        assert_books_agree(&world);
    }
}

#[test]
fn what_fails_again_ends_the_task_again() {
    let (mut world, order) = failed(8);
    start_again(&mut world, &order);
    world.run(world.time + 600_000);
    assert_eq!(world.finished, Some(3));
    assert_eq!(accepted(&world), [0, 1, 2, 3, 4]);
    assert_books_agree(&world);
}

#[test]
fn a_task_that_is_begun_again_without_that_word_stays_as_it_ended_and_so_does_one_after_its_deadline() {
    let (mut world, order) = failed(9);
    world.step(Event::ToRequestor(ANY, RequestorInput::Start(Box::new(order.clone()))));
    assert!(world.requestor.tasks()[0].finished);
    world.time = order.header.deadline.0 * 1_000;
    start_again(&mut world, &order);
    let status = world.requestor.tasks()[0].clone();
    assert!(status.finished && status.failed == 3, "{status:?}");
}
