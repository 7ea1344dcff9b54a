//! An app's author: publishes it, is away while strangers run it, and gets exactly its fee for each accepted subtask.

use crate::books::{agreed, claim, row, sum};
use crate::harness::{GNT_EACH, Node, PATIENCE, Stage, check_copies, text, wei};
use crate::money::{PRICE, map_args, report};
use crate::programs::{COPY, slow_copy};
use golem_protocol::{Address, ChannelId, Wei};
use std::path::{Path, PathBuf};

const FEE_GNT: &str = "0.002";
const FEE: Wei = Wei(2_000_000_000_000_000);

fn fees(subtasks: usize) -> Wei {
    FEE.checked_mul(subtasks as u64).expect("a small sum")
}

/// Publishes a module with that fee, after a look at what it would send.
fn publish(author: &Node, stage: &Stage, module: &Path) -> Address {
    let about = stage.file("about.txt", "it copies");
    let module = text(module);
    let args = ["app", "publish", &module, "--fee", FEE_GNT, "--metadata", &text(&about), "--json"];
    let before = stage.blocks();
    let dry = author.json(args.into_iter().chain(["--dry-run"]));
    assert_eq!(dry["transactions"].as_array().map(Vec::len), Some(1), "{dry:#}");
    assert_eq!(stage.blocks(), before, "a dry run sends nothing");
    let done = author.json(args);
    assert_eq!((wei(&done["app"]["fee_wei"]), done["app"]["published"].as_bool()), (FEE, Some(true)), "{done:#}");
    author.address()
}

fn with_author(mut args: Vec<String>, author: Address, fee_max: Option<&str>) -> Vec<String> {
    args.extend(["--author".to_owned(), author.to_string()]);
    fee_max.iter().for_each(|fee_max| args.extend(["--max-fee".to_owned(), (*fee_max).to_owned()]));
    args
}

/// A node's address as a status has it.
fn address_json(node: &Node) -> serde_json::Value {
    serde_json::to_value(node.address()).expect("an address is a text")
}

/// The author's channel with a payer, on the chain.
fn author_claimed(stage: &Stage, payer: &Node, author: Address) -> Wei {
    let id = ChannelId { payer: payer.address(), payee: author };
    stage.chain(async |chain| chain.channel_state(id).await.expect("the chain answers")).claimed
}

#[test]
fn an_author_that_was_away_collects_its_fee_for_each_accepted_subtask_to_the_wei() {
    const SUBTASKS: usize = 10;
    let stage = Stage::set();
    let (requestor, author) = (stage.node("requestor"), stage.node("author"));
    let (first, second) = (stage.node("first"), stage.node("second"));
    let module = stage.module("copy", &slow_copy(20));
    let author_address = publish(&author, &stage, &module);
    let running = first.provide(PRICE, &[], &[]);
    let known = first.addresses();
    let also_running = second.provide(PRICE, &known, &[]);

    let (inputs, out) = (stage.inputs(SUBTASKS), stage.path("out"));
    let args = with_author(map_args(&module, &inputs, &out, &known), author_address, Some("0.01"));
    let task = requestor.spawn(&args);
    // The author wants more for later, and then less at once: what is announced stays what it was.
    requestor.wait("work that is agreed", |status| {
        let task = status["tasks"].as_array()?.first()?.clone();
        (task["agreed"].as_u64()? + task["done"].as_u64()? > 0).then_some(())
    });
    let module_text = text(&module);
    let more = author.json(["app", "set-fee", &module_text, "3", "--json"]);
    assert!(more["app"]["next_fee_at_s"].as_u64() > Some(0) && wei(&more["app"]["fee_wei"]) == FEE, "{more:#}");
    let less = author.json(["app", "set-fee", &module_text, "0.001", "--json"]);
    assert!(wei(&less["app"]["fee_wei"]) < FEE, "{less:#}");

    let ended = task.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    let answer = ended.json();
    let spent = report(&answer, SUBTASKS);
    check_copies(&out, SUBTASKS);
    assert_eq!(wei(&answer["fees_wei"]), fees(SUBTASKS), "{answer:#}");

    // The requestor is gone. Its providers keep the author's money, and count none of it as their own.
    let worked = |provider: &&Node| {
        let shares = answer["providers"].as_array().expect("providers are listed").iter();
        let paid = shares.filter(|share| wei(&share["paid_wei"]) > Wei::ZERO);
        paid.filter_map(|share| share["payee"].as_str()?.parse().ok()).any(|payee: Address| payee == provider.address())
    };
    let providers: Vec<&Node> = [&first, &second].into_iter().filter(worked).collect();
    for provider in &providers {
        let kept = provider.wait("a voucher for the author", |status| {
            let authors = status["authors"].as_array()?;
            (!authors.is_empty()).then(|| status.clone())
        });
        let account = row(&kept["authors"], "author", author_address);
        assert_eq!(
            (wei(&account["owed_wei"]), &account["payer"]),
            (Wei::ZERO, &address_json(&requestor)),
            "{account:#}"
        );
        assert!(
            wei(&kept["totals"]["earned_wei"]).0.is_multiple_of(crate::money::VALUE.0),
            "only what work brought: {kept:#}"
        );
    }
    let nodes = ["--nodes", "2", "--no-mdns", "--json"].map(str::to_owned);
    let mut collect: Vec<String> = ["app", "collect"].map(str::to_owned).into_iter().chain(nodes).collect();
    for address in known.iter().chain(&second.addresses()) {
        collect.extend(["--bootstrap".to_owned(), address.clone()]);
    }
    let dry = author.json(collect.iter().cloned().chain(["--dry-run".to_owned()]));
    assert_eq!(wei(&dry["claimable_wei"]), fees(SUBTASKS), "{dry:#}");
    assert_eq!(
        (dry["transactions"].as_array().map(Vec::len), author_claimed(&stage, &requestor, author_address)),
        (Some(1), Wei::ZERO)
    );
    let done = author.json(&collect);
    assert_eq!(wei(&done["paid_wei"]), fees(SUBTASKS), "{done:#}");
    assert_eq!(done["transactions"].as_array().map(Vec::len), Some(1), "{done:#}");
    assert_eq!(stage.gnt(author_address), GNT_EACH.saturating_add(fees(SUBTASKS)));
    assert_eq!(author_claimed(&stage, &requestor, author_address), fees(SUBTASKS));
    let again = author.golem(&collect);
    assert_eq!((again.code, wei(&again.json()["paid_wei"])), (Some(1), Wei::ZERO), "what is claimed is claimed once");

    for provider in [running, also_running] {
        assert_eq!(provider.stop(PATIENCE).code, Some(0));
    }
    let mut earned = Vec::new();
    for provider in providers {
        let book = agreed(&stage, &requestor, provider);
        assert_eq!(claim(provider), book.earned);
        assert_eq!(stage.gnt(provider.address()), GNT_EACH.saturating_add(book.earned));
        earned.push(book.earned);
    }
    assert_eq!(sum(earned), spent, "what was spent on work is what was earned by it");
}

#[test]
fn an_app_is_not_run_for_more_than_its_user_allows_nor_for_an_author_who_did_not_publish_it() {
    let stage = Stage::set();
    let (requestor, author) = (stage.node("requestor"), stage.node("author"));
    let module = stage.module("copy", COPY);
    let address = publish(&author, &stage, &module);
    let (inputs, out): (Vec<PathBuf>, PathBuf) = (stage.inputs(2), stage.path("out"));
    let args = map_args(&module, &inputs, &out, &[]);
    let before = stage.gnt(requestor.address());
    for fee_max in [None, Some("0.0019")] {
        let refused = requestor.golem(with_author(args.clone(), address, fee_max));
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        assert!(refused.stderr.contains("--max-fee 0.002"), "{}", refused.stderr);
    }
    let stranger = requestor.golem(with_author(args.clone(), Address::repeat_byte(7), Some("1")));
    assert!(stranger.code == Some(2) && stranger.stderr.contains("published no module"), "{}", stranger.stderr);

    let dry = with_author(args, address, Some("0.002")).into_iter().chain(["--dry-run".to_owned()]);
    let plan = requestor.json(dry);
    assert_eq!((wei(&plan["fee_wei"]), wei(&plan["fees_total_max_wei"])), (FEE, fees(2)), "{plan:#}");
    assert_eq!(
        wei(&plan["total_max_wei"]),
        wei(&plan["subtask_value_max_wei"]).saturating_add(FEE).checked_mul(2).unwrap()
    );

    let module = text(&module);
    author.json(["app", "retire", &module, "--json"]);
    let shown = requestor.golem(["app", "show", &module, "--author", &address.to_string(), "--json"]);
    assert_eq!((shown.code, shown.json()["published"].as_bool()), (Some(1), Some(false)));
    assert_eq!(stage.gnt(requestor.address()), before, "nothing was spent");
}
