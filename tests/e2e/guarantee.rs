//! The deposit that stands behind deals, as its owner handles it.

use crate::harness::{GNT_EACH, Stage, wei};
use golem_protocol::Wei;

fn gnt(amount: u64) -> Wei {
    Wei::from_gnt(amount).expect("a small sum")
}

#[test]
fn a_deposit_goes_in_is_locked_and_comes_out_after_the_delay() {
    let stage = Stage::set();
    let owner = stage.node("requestor");
    let plan = owner.json(["concent", "deposit", "50", "--dry-run", "--json"]);
    assert!(plan["transactions"][0]["gas"].as_u64().expect("a number") > 21_000, "{plan:#}");
    assert_eq!(stage.gnt(owner.address()), GNT_EACH, "a dry run moves nothing");

    let put_in = owner.json(["concent", "deposit", "50", "--json"]);
    assert_eq!(wei(&put_in["account"]["free_wei"]), gnt(50), "{put_in:#}");
    assert_eq!(stage.gnt(owner.address()), GNT_EACH.saturating_sub(gnt(50)));
    let locked = owner.golem(["concent", "withdraw", "10"]);
    assert_eq!(locked.code, Some(2));
    assert!(locked.stderr.contains("unlock it first"), "{}", locked.stderr);

    let status = owner.json(["concent", "unlock", "--json"]);
    let unlock_at = status["account"]["unlock_at"].as_u64().expect("a time");
    let early = owner.golem(["concent", "withdraw", "10"]);
    assert!(early.stderr.contains(&unlock_at.to_string()), "it says from when on: {}", early.stderr);
    let terms = owner.json(["concent", "status", "--json"]);
    stage.pass(terms["terms"]["withdraw_delay_s"].as_u64().expect("a time"));
    let taken = owner.json(["concent", "withdraw", "50", "--json"]);
    assert_eq!(wei(&taken["account"]["deposit_wei"]), Wei::ZERO, "{taken:#}");
    assert_eq!(stage.gnt(owner.address()), GNT_EACH);
}
