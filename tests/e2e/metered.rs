//! Work that is paid by the fuel it burnt.

use crate::books::{agreed, claim};
use crate::harness::{GNT_EACH, PATIENCE, Stage, check_copies, wei};
use crate::money::{PRICE, map_args, worth};
use crate::programs::busy_copy;
use golem_protocol::Wei;

#[test]
fn metered_work_costs_its_fuel_at_the_speed_promised_and_a_recheck_compares_it() {
    const SUBTASKS: usize = 4;
    let stage = Stage::set();
    let (requestor, provider) = (stage.node("requestor"), stage.node("provider"));
    let running = provider.provide(PRICE, &[], &[]);
    let (module, inputs, out) = (stage.module("busy", &busy_copy(1_000)), stage.inputs(SUBTASKS), stage.path("out"));
    let mut args = map_args(&module, &inputs, &out, &provider.addresses());
    args.extend(["--pricing", "metered", "--min-perf", "1000", "--verify", "recheck:1"].map(str::to_owned));
    let mut plan = args.clone();
    plan.push("--dry-run".to_owned());
    let plan = requestor.json(plan);
    assert_eq!((&plan["pricing"], wei(&plan["total_max_wei"])), (&"metered".into(), worth(SUBTASKS)), "{plan:#}");

    let promised = provider.wait("speed", |status| status["performance"].as_u64());

    let answer = requestor.json(args);
    check_copies(&out, SUBTASKS);
    let spent = wei(&answer["spent_wei"]);
    // All of it was run again here, so all its fuel is known. Each subtask's part is rounded up.
    let fuel = answer["checks"]["own_run_fuel"].as_u64().expect("what own runs burnt");
    let price = Wei::parse_gnt(PRICE).expect("an amount");
    let exact = price.0 * u128::from(fuel) / (u128::from(promised) * 3_600);
    assert!(
        (exact..=exact + SUBTASKS as u128).contains(&spent.0),
        "{exact} wei of {fuel} fuel at {promised}: {answer:#}"
    );
    assert!(spent < worth(1), "an instant of an hour costs little");
    assert_eq!(running.stop(PATIENCE).code, Some(0));
    assert_eq!(agreed(&stage, &requestor, &provider).earned, spent);
    assert_eq!(claim(&provider), spent);
    assert_eq!(stage.gnt(provider.address()), GNT_EACH.saturating_add(spent));
}
