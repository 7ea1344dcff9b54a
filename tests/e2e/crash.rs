//! Processes that are killed in the middle of a task, and go on.

use crate::books::{agreed, claim, sum};
use crate::harness::{GNT_EACH, PATIENCE, Stage, check_copies, text, wei};
use crate::money::{PRICE, map_args, report, worth};
use crate::process::Process;
use crate::programs::slow_copy;
use crate::traces;
use golem_protocol::Wei;

/// So many millions of turns of the counting loop take a second or so: long enough for a kill to hit in the middle.
const MILLIONS: u32 = 400;

/// Waits until this provider was paid at least once and computes something again; gives what it was paid so far.
fn in_the_middle(provider: &Process) -> Wei {
    let mut paid = None;
    provider.wait_json("payment and a subtask after it", PATIENCE, |event| {
        match event["kind"].as_str() {
            Some("paid") => paid = Some(wei(&event["cumulative_wei"])),
            Some("compute_started") => return paid,
            _ => {}
        }
        None
    })
}

#[test]
fn a_provider_that_is_killed_holds_its_voucher_and_finishes_the_task() {
    const SUBTASKS: usize = 6;
    let stage = Stage::set();
    let (requestor, provider) = (stage.node("requestor"), stage.node("provider"));
    let trace = stage.path("provider.trace");
    let traced = text(&trace);
    let running = provider.provide(PRICE, &[], &["--trace", &traced]);
    let (module, inputs, out) = (stage.module("slow", &slow_copy(MILLIONS)), stage.inputs(SUBTASKS), stage.path("out"));
    let task = requestor.spawn(map_args(&module, &inputs, &out, &provider.addresses()));
    let paid = in_the_middle(&running);
    let known = requestor.addresses();
    running.kill9();

    // Its records alone, with nothing running: the voucher is there.
    let kept = provider.json(["channel", "vouchers", "--json"]);
    let held = wei(&kept[0]["cumulative_wei"]);
    assert!(held >= paid && kept[0]["valid"] == true, "paid {paid}, held after the kill: {kept:#}");

    // What it decided until then can be looked at, and the next run's trace does not take its place.
    let killed = traces::same(&trace);
    assert!(killed["end"] == "open" && traces::decided(&killed, "vouchers_taken") >= 1, "{killed:#}");
    let again = provider.provide(PRICE, &known, &["--trace", &traced]);
    let totals = provider.wait("earnings of before", |status| Some(status["totals"].clone()));
    assert!(wei(&totals["earned_wei"]) >= held, "{totals:#}");
    let ended = task.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let spent = report(&ended.json(), SUBTASKS);
    check_copies(&out, SUBTASKS);
    assert_eq!(again.stop(PATIENCE).code, Some(0));
    let went_on = traces::same(&trace);
    assert!(went_on["end"] == "stopped" && went_on["records"].as_u64() > Some(0), "{went_on:#}");
    assert_eq!(traces::same(&stage.path("provider.trace.old")), killed);

    assert_eq!(agreed(&stage, &requestor, &provider).earned, spent);
    assert_eq!(claim(&provider), spent, "everything it was paid, before the kill and after");
    assert_eq!(stage.gnt(provider.address()), GNT_EACH.saturating_add(spent));
}

#[test]
fn a_requestor_that_is_killed_finishes_its_task_and_pays_nothing_twice() {
    const SUBTASKS: usize = 10;
    let stage = Stage::set();
    let (requestor, first, second) = (stage.node("requestor"), stage.node("first"), stage.node("second"));
    let running = first.provide(PRICE, &[], &[]);
    let known = first.addresses();
    let also_running = second.provide(PRICE, &known, &[]);
    let (module, inputs, out) = (stage.module("slow", &slow_copy(MILLIONS)), stage.inputs(SUBTASKS), stage.path("out"));
    let task = requestor.spawn(map_args(&module, &inputs, &out, &known));
    let paid = in_the_middle(&running);
    task.kill9();

    let mut args = vec!["run".to_owned(), "--resume".to_owned(), "--json".to_owned(), "-o".to_owned(), text(&out)];
    known.iter().for_each(|address| args.extend(["--bootstrap".to_owned(), address.clone()]));
    let ended = requestor.golem(args);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    // As if nothing had happened: each subtask is paid once, whoever did it, and whenever.
    let answer = ended.json();
    let spent = report(&answer, SUBTASKS);
    let shares = answer["providers"].as_array().expect("providers are listed");
    assert_eq!(sum(shares.iter().map(|share| wei(&share["paid_wei"]))), spent, "{answer:#}");
    let done = shares.iter().filter_map(|share| share["subtasks"].as_u64()).sum::<u64>();
    assert_eq!(done, SUBTASKS as u64, "{answer:#}");
    check_copies(&out, SUBTASKS);
    for provider in [running, also_running] {
        assert_eq!(provider.stop(PATIENCE).code, Some(0));
    }
    let earned = [&first, &second].map(|provider| agreed(&stage, &requestor, provider).earned);
    assert!(earned[0] >= paid, "what was paid before the kill stays paid");
    assert_eq!(sum(earned), spent);
    for (provider, earned) in [&first, &second].into_iter().zip(earned) {
        assert_eq!(claim(provider), earned);
        assert_eq!(stage.gnt(provider.address()), GNT_EACH.saturating_add(earned));
    }
    assert_eq!(spent, worth(SUBTASKS));
}
