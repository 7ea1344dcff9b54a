//! Whole tasks in a bad world. After every step no invariant is broken; in the end everything is done, and both sides
//! agree on every wei.

use super::world::*;
use golem_protocol::*;

#[test]
fn does_a_task_and_pays_for_each_subtask() {
    let natures = [Nature::Honest; 3];
    let mut world = World::new(1, order(64, 64 * 7_000, Pricing::Tender), &natures, CALM);
    world.run(3_600_000);
    assert_eq!(world.finished, Some(0));
    assert_eq!(world.requestor.outputs(world.header).len(), 64);
    assert_books_agree(&world);
    assert!(world.providers.iter().all(|host| host.machine.ledgers()[0].earned() > Wei::ZERO), "all took part");
}

#[test]
fn what_metered_work_leaves_of_its_budget_is_not_told_to_the_market_as_owed() {
    for pricing in [Pricing::Tender, Pricing::Metered] {
        let mut world = World::new(1, order(64, 64 * 7_000, pricing), &[Nature::Honest; 3], CALM);
        world.run(3_600_000);
        assert_eq!(world.finished, Some(0));
        let owed: Vec<i128> = world.providers.iter().map(|host| host.policy.owed).collect();
        assert_eq!(owed, [0; 3], "{pricing:?}");
    }
}

#[test]
fn survives_loss_repetition_delay_and_crashes_without_losing_or_paying_a_wei_twice() {
    for seed in 0..seeds() {
        let natures = [Nature::Honest, Nature::Honest, Nature::Honest];
        let pricing = if seed % 2 == 0 { Pricing::Tender } else { Pricing::Metered };
        let mut world = World::new(seed, order(40, 40 * 14_000, pricing), &natures, WILD);
        world.run(3_600_000);
        assert_eq!(world.finished, Some(0), "seed {seed}");
        assert_eq!(world.requestor.outputs(world.header).len(), 40, "seed {seed}");
        assert_books_agree(&world);
    }
}

#[test]
fn brings_the_author_exactly_its_fee_for_each_accepted_subtask_through_loss_and_crashes() {
    let app = AppFee { author: Address::repeat_byte(0xA0), fee: Wei(700) };
    for seed in 0..seeds() {
        let natures = [Nature::Honest, Nature::Cheat, Nature::Honest];
        let pricing = if seed % 2 == 0 { Pricing::Tender } else { Pricing::Metered };
        let mut world = World::new(seed, order_of_app(40, 40 * 14_000, pricing, app), &natures, WILD);
        world.requestor_policy.recheck_percent = 100;
        world.run(3_600_000);
        assert_eq!(world.finished, Some(0), "seed {seed}");
        assert_books_agree(&world);
        let ledgers = world.requestor.ledgers();
        let signed = ledgers.iter().find(|ledger| ledger.channel().payee == app.author).unwrap().signed();
        let status = world.requestor.tasks()[0].clone();
        // What the requestor ran again itself and found wrong was accepted from nobody, and is nobody's fee.
        assert_eq!(signed, status.fees, "seed {seed}");
        assert!(signed <= app.of(40) && signed.0 % 700 == 0 && signed > Wei::ZERO, "seed {seed}: {signed}");
    }
}

#[test]
fn pays_value_and_fee_in_one_voucher_where_the_author_is_the_providers_own_payee() {
    let app = AppFee { author: keys(10).payment.address(), fee: Wei(700) };
    for seed in 0..seeds() {
        let mut world = World::new(seed, order_of_app(20, 20 * 14_000, Pricing::Tender, app), &[Nature::Honest], WILD);
        world.run(3_600_000);
        assert_books_agree(&world);
        let status = world.requestor.tasks()[0].clone();
        assert_eq!((status.spent, status.fees), (Wei(20 * 6_000), Wei(20 * 700)), "seed {seed}");
        assert_eq!(world.providers[0].machine.ledgers()[0].earned(), Wei(20 * 6_700), "seed {seed}");
        assert!(world.providers[0].machine.author_ledgers().is_empty(), "it is no other's money");
    }
}

#[test]
fn an_author_that_is_one_of_several_providers_payees_is_paid_for_the_work_of_all() {
    let app = AppFee { author: keys(10).payment.address(), fee: Wei(700) };
    for seed in 0..seeds() {
        let natures = [Nature::Honest; 2];
        let mut world = World::new(seed, order_of_app(30, 30 * 14_000, Pricing::Tender, app), &natures, WILD);
        world.run(3_600_000);
        assert_eq!(world.finished, Some(0), "seed {seed}");
        let ledgers = world.requestor.ledgers();
        let total = ledgers.iter().fold(Wei::ZERO, |sum, ledger| sum.checked_add(ledger.signed()).unwrap());
        let status = world.requestor.tasks()[0].clone();
        assert_eq!((status.fees, status.reserved), (Wei(30 * 700), Wei::ZERO), "seed {seed}");
        assert_eq!(status.spent.checked_add(status.fees), Some(total), "seed {seed}");
    }
}

#[test]
fn the_budget_pays_for_values_and_fees_together() {
    // 6,000 for the work and 4,000 for the author: the budget is for 6 of 20.
    let app = AppFee { author: Address::repeat_byte(0xA0), fee: Wei(4_000) };
    let order = order_of_app(20, 61_000, Pricing::Tender, app);
    let mut world = World::new(4, order, &[Nature::Honest], CALM);
    while let Some(Timed(time, _, event)) = world.due.pop() {
        world.time = time;
        world.step(event);
        assert!(world.requestor.check_invariants().is_empty());
        if time > 300_000 {
            break;
        }
    }
    let task = &world.requestor.tasks()[0];
    assert_eq!((task.done, task.finished), (6, false));
    assert_eq!(task.fees, Wei(6 * 4_000));
    let deposits = world.chain.values().fold(Wei::ZERO, |sum, state| sum.checked_add(state.deposit).unwrap());
    assert!(deposits <= Wei(61_000), "{deposits} are locked up, more than the budget");
}

#[test]
fn finds_a_cheat_by_rechecking_and_takes_no_more_from_it() {
    for seed in 0..10 {
        let natures = [Nature::Cheat, Nature::Honest];
        let mut world = World::new(seed, order(30, 30 * 14_000, Pricing::Tender), &natures, CALM);
        world.requestor_policy.recheck_percent = 100;
        world.run(3_600_000);
        let outputs = world.requestor.outputs(world.header);
        let right = order(30, 0, Pricing::Tender).inputs;
        for (index, (output, _)) in outputs {
            assert_eq!(output, right[index as usize], "seed {seed}: a wrong result was taken");
        }
        assert_books_agree(&world);
        assert_eq!(world.providers[0].machine.ledgers()[0].earned(), Wei::ZERO, "nothing for the cheat");
        assert!(!world.requestor_policy.rejected.is_empty());
    }
}

#[test]
fn takes_back_what_a_provider_never_does() {
    let natures = [Nature::Idle, Nature::Honest];
    let mut world = World::new(3, order(20, 20 * 14_000, Pricing::Tender), &natures, CALM);
    world.run(3_600_000);
    assert_eq!(world.finished, Some(0));
    assert_eq!(world.requestor.outputs(world.header).len(), 20);
}

#[test]
fn never_passes_its_budget() {
    // The budget pays for 10 of 20 subtasks: 6000 wei each with the cheapest.
    let mut world = World::new(4, order(20, 61_000, Pricing::Tender), &[Nature::Honest; 2], CALM);
    while let Some(Timed(time, _, event)) = world.due.pop() {
        world.time = time;
        world.step(event);
        assert!(world.requestor.check_invariants().is_empty());
        if time > 300_000 {
            break;
        }
    }
    let task = &world.requestor.tasks()[0];
    assert_eq!((task.done, task.finished), (10, false));
    assert!(task.spent <= Wei(61_000));
}
