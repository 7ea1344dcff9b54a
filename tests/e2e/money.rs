//! Money that moves as agreed, and what happens to it when one side does not do its part.

use crate::books::{self, agreed, claim, sum};
use crate::harness::{CLOSE_DELAY_S, GNT_EACH, Node, PATIENCE, Stage, check_copies, text, wei};
use crate::process::Process;
use crate::programs::{COPY, slow_copy};
use crate::traces;
use golem_protocol::Wei;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A price at which a subtask of [`TIMEOUT_S`] is worth [`VALUE`] exactly: the same as minimum and maximum, there is
/// only one price, and how often was paid can be counted.
pub const PRICE: &str = "0.36";
/// What a subtask may take, in seconds.
pub const TIMEOUT_S: &str = "100";
/// What a subtask is worth.
pub const VALUE: Wei = Wei(10_000_000_000_000_000);
/// More than any story needs.
pub const BUDGET: &str = "5";

/// The value of so many subtasks.
pub fn worth(subtasks: usize) -> Wei {
    VALUE.checked_mul(subtasks as u64).expect("a small sum")
}

/// The arguments of `golem map` for a program that copies its standard input, at [`PRICE`].
pub fn map_args(module: &Path, inputs: &[PathBuf], out: &Path, bootstrap: &[String]) -> Vec<String> {
    let mut args = vec!["map".to_owned(), text(module)];
    args.extend(inputs.iter().map(|input| text(input)));
    args.extend(
        ["--stdin", "--json", "--timeout", TIMEOUT_S, "--budget", BUDGET, "--max-price", PRICE, "-o"]
            .map(str::to_owned),
    );
    args.push(text(out));
    bootstrap.iter().for_each(|address| args.extend(["--bootstrap".to_owned(), address.clone()]));
    args
}

/// What a task reported about itself, checked for what must hold of every task that is done.
pub fn report(answer: &Value, subtasks: usize) -> Wei {
    let spent = wei(&answer["spent_wei"]);
    assert_eq!((&answer["finished"], &answer["failed"]), (&Value::Bool(true), &0.into()), "{answer:#}");
    assert_eq!(
        (answer["done"].as_u64(), answer["missing"].as_array().map(Vec::len)),
        (Some(subtasks as u64), Some(0)),
        "{answer:#}"
    );
    assert!(spent <= wei(&answer["budget_wei"]), "the budget is never passed: {answer:#}");
    assert_eq!(spent, worth(subtasks), "each subtask is paid once: {answer:#}");
    spent
}

fn stop(provider: Process) {
    assert_eq!(provider.stop(PATIENCE).code, Some(0), "a provider that is asked to end does");
}

#[test]
fn work_is_agreed_done_paid_claimed_and_closed_and_all_books_agree() {
    const SUBTASKS: usize = 12;
    let stage = Stage::set();
    let (requestor, first, second) = (stage.node("requestor"), stage.node("first"), stage.node("second"));
    let traces = [stage.path("first.trace"), stage.path("requestor.trace")];
    let running = first.provide(PRICE, &[], &["--trace", &text(&traces[0])]);
    let known = first.addresses();
    let also_running = second.provide(PRICE, &known, &[]);

    let (module, inputs, out) = (stage.module("copy", COPY), stage.inputs(SUBTASKS), stage.path("out"));
    let mut args = map_args(&module, &inputs, &out, &known);
    args.extend(["--verify", "recheck:0.5", "--trace", &text(&traces[1])].map(str::to_owned));
    let answer = requestor.json(args);
    let spent = report(&answer, SUBTASKS);
    check_copies(&out, SUBTASKS);
    let shares = answer["providers"].as_array().expect("providers are listed");
    assert_eq!(
        sum(shares.iter().map(|share| wei(&share["paid_wei"]))),
        spent,
        "who was paid how much adds up: {answer:#}"
    );

    // While it runs, a provider says the same as its records do afterwards.
    let live = first.json(["channel", "list", "--json"]);
    stop(running);
    stop(also_running);
    assert_eq!(live["as_payee"], first.json(["channel", "list", "--json"])["as_payee"]);

    // Both sides decide the same again, with no key and no other node.
    let [provided, requested] = traces.each_ref().map(|trace| traces::same(trace));
    assert_eq!((&provided["role"], &requested["role"]), (&"provider".into(), &"requestor".into()));
    assert_eq!((&provided["end"], &requested["end"]), (&"stopped".into(), &"stopped".into()));
    assert!(traces::decided(&provided, "offers_made") >= 1, "{provided:#}");
    assert!(traces::decided(&provided, "vouchers_taken") >= 1, "{provided:#}");
    assert!(traces::decided(&requested, "offers_chosen") >= 2, "{requested:#}");
    assert_eq!(traces::decided(&requested, "results_accepted"), SUBTASKS as u64, "{requested:#}");
    assert!(traces::decided(&requested, "vouchers_signed") >= 2, "{requested:#}");
    assert!(traces::decided(&requested, "own_runs") >= 1, "{requested:#}");
    for trace in &traces {
        traces::finds_what_is_amiss(trace);
        traces::finds_another_decision(trace);
    }

    let providers = [&first, &second];
    let earned = providers.map(|provider| agreed(&stage, &requestor, provider).earned);
    assert_eq!(sum(earned), spent, "what was spent is what was earned");
    assert!(earned.iter().all(|earned| *earned > Wei::ZERO), "both had work: {earned:?}");
    for (provider, earned) in providers.into_iter().zip(earned) {
        assert_eq!(claim(provider), earned);
        assert_eq!(agreed(&stage, &requestor, provider).claimed, earned);
        assert_eq!(stage.gnt(provider.address()), GNT_EACH.saturating_add(earned));
        let again = provider.golem(["channel", "claim", "--json"]);
        assert_eq!(
            (again.code, wei(&again.json()["paid_wei"])),
            (Some(1), Wei::ZERO),
            "what is claimed is claimed once"
        );
    }
    close_all(&stage, &requestor, &providers);
    assert_eq!(stage.gnt(requestor.address()), GNT_EACH.saturating_sub(spent), "all but what was spent came back");
}

/// Each payee closes; what was not earned goes back to the payer, and nothing else moves.
fn close_all(stage: &Stage, requestor: &Node, providers: &[&Node]) {
    for provider in providers {
        let before = stage.gnt(provider.address());
        let state = stage.channel(requestor, provider);
        let ended = provider.golem(["channel", "close", "--json"]);
        let closes = ended.json();
        if state.deposit == state.claimed {
            // All that was put in was earned: the channel ended with its last claim.
            assert_eq!((ended.code, closes.as_array().map(Vec::len)), (Some(1), Some(0)), "{closes:#}");
            continue;
        }
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let close = books::row(&closes, "payer", requestor.address());
        assert_eq!(close["result"], "closed", "{closes:#}");
        assert_eq!(wei(&close["refunded_wei"]), state.deposit.saturating_sub(state.claimed), "{closes:#}");
        assert_eq!(stage.gnt(provider.address()), before, "all was claimed before");
        let after = stage.channel(requestor, provider);
        assert_eq!(after.deposit, after.claimed, "nothing is left in the channel");
    }
}

#[test]
fn a_payer_who_leaves_without_closing_loses_nothing_and_neither_does_the_payee() {
    const SUBTASKS: usize = 3;
    let stage = Stage::set();
    let (requestor, provider) = (stage.node("requestor"), stage.node("provider"));
    let running = provider.provide(PRICE, &[], &[]);
    let (module, inputs, out) = (stage.module("copy", COPY), stage.inputs(SUBTASKS), stage.path("out"));
    let answer = requestor.json(map_args(&module, &inputs, &out, &provider.addresses()));
    let spent = report(&answer, SUBTASKS);
    stop(running);

    // The payer is gone, its channel open. The payee needs nobody to get its money.
    assert_eq!(agreed(&stage, &requestor, &provider).earned, spent);
    assert_eq!(claim(&provider), spent);
    assert_eq!(stage.gnt(provider.address()), GNT_EACH.saturating_add(spent));
    assert!(stage.gnt(requestor.address()) < GNT_EACH.saturating_sub(spent), "the rest is still in the channel");

    // Days later the payer wants the rest back.
    let payee = provider.address().to_string();
    let close = ["channel", "close", &payee, "--json"];
    assert_eq!(requestor.json(close)["result"], "requested");
    let early = requestor.golem(close);
    assert_eq!((early.code, &early.json()["result"]), (Some(1), &"waiting".into()), "the payee has its time");
    stage.pass(u64::from(CLOSE_DELAY_S));
    assert_eq!(requestor.json(close)["result"], "closed");
    assert_eq!(stage.gnt(requestor.address()), GNT_EACH.saturating_sub(spent), "all but what was spent came back");
    let nothing = requestor.golem(close);
    assert_eq!(nothing.code, Some(2), "a closed channel cannot be closed");
    assert!(nothing.stderr.contains("golem channel list"), "{}", nothing.stderr);
}

#[test]
fn a_requestor_that_does_not_pay_gets_no_more_work_than_its_credit() {
    // A subtask may take an hour, so it is worth an hour; three of them are the credit of three hours.
    const CREDIT_SUBTASKS: u128 = 3;
    const HOUR_WEI: u128 = VALUE.0 * 36;
    let stage = Stage::set();
    let (requestor, provider) = (stage.node("requestor"), stage.node("provider"));
    let running = provider.provide(PRICE, &[], &["--slots", "8"]);
    let known = provider.addresses();

    // Some honest work first, so that there is something to claim in any case.
    let (copy, inputs) = (stage.module("copy", COPY), stage.inputs(12));
    let answer = requestor.json(map_args(&copy, &inputs[..2], &stage.path("paid"), &known));
    let honest = report(&answer, 2);

    let slow = stage.module("slow", &slow_copy(800));
    let mut args = map_args(&slow, &inputs, &stage.path("unpaid"), &known);
    let timeout = args.iter().position(|arg| arg == TIMEOUT_S).expect("it is there");
    args[timeout] = "3600".to_owned();
    args.extend(["--deadline", "200000"].map(str::to_owned));
    let crook = requestor.spawn(args);
    // Eight slots are free, and three are used: the provider says itself that it lends no more.
    let (owed, credit) = running.wait_json("limit of credit", PATIENCE, |event| {
        (event["kind"] == "credit_exceeded").then(|| (wei(&event["owed_wei"]), wei(&event["credit_wei"])))
    });
    assert_eq!((owed, credit), (Wei(HOUR_WEI * 4), Wei(HOUR_WEI * CREDIT_SUBTASKS)), "the next one would be too much");
    // The results come, and the requestor is gone.
    let mut computed = 0;
    running.wait_json("result of the second task", PATIENCE, |event| {
        computed += usize::from(event["kind"] == "computed");
        (computed == 3).then_some(())
    });
    crook.kill9();

    // Whatever still runs ends, and nothing new begins.
    let (completed, earned) = provider.wait("end of what ran", |status| {
        let idle = status["slots_busy"] == 0 && status["network"]["peers"] == 0;
        idle.then(|| (status["counters"]["completed"].as_u64(), wei(&status["totals"]["earned_wei"])))
    });
    let paid = 2 + u64::try_from(earned.saturating_sub(honest).0 / HOUR_WEI).expect("a handful");
    let unpaid = completed.expect("a number") - paid;
    assert!((1..=CREDIT_SUBTASKS).contains(&unpaid.into()), "{unpaid} subtasks were done on credit");
    assert_eq!(claim(&provider), earned, "what is held is claimed, from the running node");
    assert_eq!(stage.gnt(provider.address()), GNT_EACH.saturating_add(earned));
    stop(running);
    assert_eq!(stage.channel(&requestor, &provider).claimed, earned);
}

#[test]
fn a_budget_is_never_passed_and_what_it_paid_for_is_kept() {
    const PAID: usize = 2;
    let stage = Stage::set();
    let (requestor, provider) = (stage.node("requestor"), stage.node("provider"));
    let running = provider.provide(PRICE, &[], &[]);
    let (module, inputs, out) = (stage.module("copy", COPY), stage.inputs(5), stage.path("out"));
    let mut args = map_args(&module, &inputs, &out, &provider.addresses());
    let budget = args.iter().position(|arg| arg == BUDGET).expect("it is there");
    // Two subtasks, and almost a third.
    args[budget] = "0.029".to_owned();
    let ended = requestor.golem(args);
    assert_eq!(ended.code, Some(1), "a budget that is used up is a clean no: {}", ended.stderr);
    assert!(
        ended.stderr.contains("3 subtasks open") && ended.stderr.contains("with more for --budget"),
        "{}",
        ended.stderr
    );
    let answer = ended.json();
    assert_eq!((answer["done"].as_u64(), wei(&answer["spent_wei"])), (Some(PAID as u64), worth(PAID)), "{answer:#}");
    assert_eq!(answer["missing"].as_array().map(Vec::len), Some(3), "{answer:#}");
    check_copies(&out, PAID);
    stop(running);
    let book = agreed(&stage, &requestor, &provider);
    assert_eq!(book.earned, worth(PAID));
    assert!(book.deposit <= Wei(29_000_000_000_000_000), "no more than the budget went into the channel: {book:?}");
}

#[test]
fn a_provider_claims_by_itself_when_the_payer_closes_and_when_it_ends() {
    let stage = Stage::set();
    let (requestor, provider) = (stage.node("requestor"), stage.node("provider"));
    let trace = stage.path("provider.trace");
    let running = provider.provide(PRICE, &[], &["--claim-on-exit", "--trace", &text(&trace)]);
    let (module, inputs) = (stage.module("copy", COPY), stage.inputs(3));
    let known = provider.addresses();
    let answer = requestor.json(map_args(&module, &inputs[..1], &stage.path("first"), &known));
    let spent = report(&answer, 1);
    assert_eq!(stage.gnt(provider.address()), GNT_EACH, "so little is not worth a transaction yet");

    // The payer asks to close: now the voucher has a last day, and nobody has to remember that.
    let payee = provider.address().to_string();
    let close = ["channel", "close", &payee, "--json"];
    assert_eq!(requestor.json(close)["result"], "requested");
    provider.wait("claim of its own", |status| (wei(&status["totals"]["claimed_wei"]) == spent).then_some(()));
    assert_eq!(stage.gnt(provider.address()), GNT_EACH.saturating_add(spent));
    stage.pass(u64::from(CLOSE_DELAY_S));
    assert_eq!(requestor.json(close)["result"], "closed");
    assert_eq!(stage.gnt(requestor.address()), GNT_EACH.saturating_sub(spent));

    // Another task opens the channel again; its vouchers are of another epoch, and are claimed at the end.
    let answer = requestor.json(map_args(&module, &inputs[1..], &stage.path("second"), &known));
    let more = report(&answer, 2);
    stop(running);
    let decided = traces::same(&trace);
    assert!(traces::decided(&decided, "claims_by_rule") >= 1, "{decided:#}");
    assert_eq!(stage.channel(&requestor, &provider).epoch, 2);
    assert_eq!(stage.gnt(provider.address()), GNT_EACH.saturating_add(spent).saturating_add(more));
    assert_eq!(agreed(&stage, &requestor, &provider).claimed, more);
}
