//! Several owners for each subtask, and what it costs to compare them.

use crate::harness::{PATIENCE, Stage, check_copies, wei};
use crate::money::{PRICE, map_args, worth};
use crate::programs::COPY;

#[test]
fn two_owners_do_each_subtask_and_both_are_paid_and_the_cost_is_told_before_and_after() {
    const SUBTASKS: usize = 12;
    let stage = Stage::set();
    let (requestor, first, second) = (stage.node("requestor"), stage.node("first"), stage.node("second"));
    let (module, inputs, out) = (stage.module("copy", COPY), stage.inputs(SUBTASKS), stage.path("out"));
    let twice = ["--verify".to_owned(), "redundancy:2".to_owned()];

    let mut plan = map_args(&module, &inputs, &out, &[]);
    plan.extend(twice.clone().into_iter().chain(["--dry-run".to_owned()]));
    let plan = requestor.json(plan);
    assert_eq!((plan["copies"].as_u64(), plan["checks_paid_max"].as_u64()), (Some(2), Some(12)), "{plan:#}");
    assert_eq!(wei(&plan["total_max_wei"]), worth(2 * SUBTASKS), "{plan:#}");

    // Two at a time, so that what ends first is not the same on both.
    let running = first.provide(PRICE, &[], &["--slots", "2"]);
    let known = first.addresses();
    let also_running = second.provide(PRICE, &known, &["--slots", "2"]);
    let mut args = map_args(&module, &inputs, &out, &known);
    args.extend(twice);
    // Both are to be heard before anything is given out.
    args.extend(["--offer-window".to_owned(), "6000".to_owned()]);
    let answer = requestor.json(args);
    check_copies(&out, SUBTASKS);
    assert_eq!((&answer["finished"], answer["done"].as_u64()), (&true.into(), Some(12)), "{answer:#}");
    assert_eq!(wei(&answer["spent_wei"]), worth(2 * SUBTASKS), "each is paid to both: {answer:#}");
    let checks = &answer["checks"];
    assert_eq!((checks["copies"].as_u64(), checks["own_runs"].as_u64()), (Some(12), Some(0)), "{answer:#}");
    assert_eq!(wei(&checks["copies_wei"]), worth(SUBTASKS), "{answer:#}");
    let shares = answer["providers"].as_array().expect("providers are listed");
    assert!(shares.iter().all(|share| wei(&share["paid_wei"]) == worth(SUBTASKS)), "{answer:#}");
    assert_eq!(running.stop(PATIENCE).code, Some(0));
    assert_eq!(also_running.stop(PATIENCE).code, Some(0));
}
