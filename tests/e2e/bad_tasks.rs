//! Tasks that cannot be done, by their own fault or because nobody fits. Nothing is paid for them, and the last words
//! say which subtask, why, and what to do.

use crate::harness::{GNT_EACH, Node, PATIENCE, Stage, text, wei};
use crate::money::{PRICE, map_args};
use crate::programs::{CHATTY, COPY, ENDLESS, EXIT_3, HUNGRY, PARTICULAR, TRAP};

/// A task, and what has to be said of it.
struct BadTask {
    name: &'static str,
    program: &'static str,
    flags: &'static [&'static str],
    says: &'static [&'static str],
}

const BAD_TASKS: [BadTask; 4] = [
    BadTask {
        name: "loops for ever",
        program: ENDLESS,
        flags: &["--fuel-max", "50000000"],
        says: &["in-0.txt", "used up its 50000000 units of fuel", "fuel_max"],
    },
    BadTask {
        name: "eats memory",
        program: HUNGRY,
        flags: &["--memory-max", "16MiB"],
        says: &["in-0.txt", "needs more than its 16 MiB of memory", "memory_max"],
    },
    BadTask {
        name: "traps",
        program: TRAP,
        flags: &[],
        says: &["in-0.txt", "the program trapped", "the horizon is upside down"],
    },
    BadTask { name: "fails", program: EXIT_3, flags: &[], says: &["in-0.txt", "exited with code 3"] },
];

#[test]
fn a_task_that_fails_by_its_own_fault_ends_with_the_subtask_and_the_reason_and_costs_nothing() {
    let stage = Stage::set();
    let (requestor, provider) = (stage.node("requestor"), stage.node("provider"));
    let running = provider.provide(PRICE, &[], &["--slots", "2"]);
    let known = provider.addresses();
    let inputs = stage.inputs(1);
    for task in &BAD_TASKS {
        let module = stage.module("bad", task.program);
        let mut args = map_args(&module, &inputs, &stage.path("out"), &known);
        args.extend(["--offer-window", "200"].iter().chain(task.flags).map(|flag| flag.to_string()));
        let ended = requestor.golem(args);
        check(task.name, ended.code, &ended.stderr, task.says);
        let answer = ended.json();
        assert_eq!((&answer["failed"], &answer["spent_wei"]), (&1.into(), &"0".into()), "{}: {answer:#}", task.name);
        let failure = &answer["failures"][0];
        assert_eq!((&failure["index"], &failure["name"]), (&0.into(), &"in-0.txt".into()), "{answer:#}");
        let kept = std::fs::read_to_string(stage.path("out").join("failed.txt")).expect("it is written down");
        // The folder is named anew by each.
        let told = failure["reason"].as_str().expect("a text").lines().last().expect("a line");
        assert!(kept.contains("subtask 0 (in-0.txt): ") && kept.contains(told), "{kept}");
    }
    writes_without_end(&stage, &requestor, &known);
    assert_eq!(running.stop(PATIENCE).code, Some(0));
    assert_eq!(stage.gnt(provider.address()), GNT_EACH);
    assert_eq!(stage.channel(&requestor, &provider).claimed.0, 0, "failures are not paid");
}

/// The bound on output stands in a manifest.
fn writes_without_end(stage: &Stage, requestor: &Node, known: &[String]) {
    stage.module("chatty", CHATTY);
    let manifest = format!(
        "name = \"chatty\"\nmodule = \"chatty.wasm\"\n[split]\ncount = 1\n[limits]\noutput_mib = 2\ntimeout_s = 60\n\
         [price]\nmax_gnt_per_hour = \"{PRICE}\"\nbudget_gnt = \"1\"\n"
    );
    let manifest = text(&stage.file("chatty.toml", manifest));
    let out = text(&stage.path("out"));
    let ended = requestor.golem(["run", &manifest, "-o", &out, "--bootstrap", &known[0]]);
    check("writes without end", ended.code, &ended.stderr, &["wrote more than its 2 MiB of output", "output_max"]);
}

fn check(name: &str, code: Option<i32>, stderr: &str, says: &[&str]) {
    assert_eq!(code, Some(1), "{name}: a task that failed is a clean no:\n{stderr}");
    let last = stderr.lines().filter(|line| line.starts_with("golem: ")).collect::<Vec<_>>().join("\n");
    // What the program said may have several lines; they follow the one that begins with our name.
    let words = if last.is_empty() { stderr } else { &stderr[stderr.find("golem: ").unwrap_or(0)..] };
    for said in says {
        assert!(words.contains(said), "{name}: the last words lack `{said}`:\n{stderr}");
    }
}

#[test]
fn results_that_could_not_be_put_together_are_kept_and_put_together_later_for_nothing() {
    let stage = Stage::set();
    let (requestor, provider) = (stage.node("requestor"), stage.node("provider"));
    let running = provider.provide(PRICE, &[], &[]);
    stage.module("particular", PARTICULAR);
    let manifest = format!(
        "name = \"particular\"\nmodule = \"particular.wasm\"\n[parameters]\nway = \"wrong\"\n[split]\ncount = 2\n\
         [merge]\nargs = [\"{{way}}\"]\n[price]\nmax_gnt_per_hour = \"{PRICE}\"\nbudget_gnt = \"1\"\n"
    );
    let manifest = text(&stage.file("particular.toml", manifest));
    let (out, known) = (stage.path("out"), provider.addresses());
    let failed = requestor.golem(["run", &manifest, "-o", &text(&out), "--bootstrap", &known[0], "--json"]);
    check(
        "a merge that fails",
        failed.code,
        &failed.stderr,
        &["no such way", "partial", "--resume=0x", "costs nothing"],
    );
    let paid = failed.json();
    assert!(wei(&paid["spent_wei"]) > Default::default() && paid["finished"] == false, "{paid:#}");
    for subtask in ["0", "1"] {
        assert_eq!(std::fs::read(out.join("partial").join(subtask).join("stdout")).expect("it is there"), b"a tile\n");
    }
    assert_eq!(running.stop(PATIENCE).code, Some(0));

    let resume = format!("--resume={}", paid["header"].as_str().expect("a digest"));
    let again = |more: &[&str]| requestor.golem(["run", &resume, "-o", &text(&out), "--json"].iter().chain(more));
    assert_eq!(again(&[]).code, Some(1), "it is put together as before");
    for (more, says) in [(&["--budget", "9"], "--budget"), (&["--ways", "good"], "no parameter `ways`")] {
        let refused = again(more);
        assert!(refused.code == Some(2) && refused.stderr.contains(says), "{}", refused.stderr);
    }
    let mended = again(&["--way", "good"]);
    assert_eq!(mended.code, Some(0), "{}", mended.stderr);
    assert_eq!(std::fs::read(out.join("stdout")).expect("the whole is there"), b"a tile\n");
    assert_eq!(mended.json()["spent_wei"], paid["spent_wei"], "nothing is bought");
}

#[test]
fn a_task_that_nobody_does_at_its_price_says_so_and_can_be_stopped() {
    let stage = Stage::set();
    let (requestor, provider) = (stage.node("requestor"), stage.node("provider"));
    let _dear = provider.provide("5", &[], &[]);
    let module = stage.module("copy", COPY);
    let task = requestor.spawn(map_args(&module, &stage.inputs(1), &stage.path("out"), &provider.addresses()));
    // Both prices, so that one knows by how much.
    task.wait_stderr("reason why nobody offers", PATIENCE, |line| {
        (line.contains("refused") && line.contains("0.36") && line.contains('5')).then_some(())
    });
    let stopped = task.stop(PATIENCE);
    assert_eq!(stopped.code, Some(1), "{}", stopped.stderr);
    assert!(stopped.stderr.contains("--max-price"), "the next step is named: {}", stopped.stderr);
    assert_eq!(stage.gnt(requestor.address()), GNT_EACH, "nothing was spent");
}

#[test]
fn a_requestor_without_ether_is_told_before_anything_is_announced() {
    let stage = Stage::set();
    let (requestor, provider) = (stage.node("requestor"), stage.node("provider"));
    let running = provider.provide(PRICE, &[], &[]);
    stage.take_ether(requestor.address());
    let module = stage.module("copy", COPY);
    let ended = requestor.golem(map_args(&module, &stage.inputs(1), &stage.path("out"), &provider.addresses()));
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("0 ETH") && ended.stderr.contains("have ether sent to it"), "{}", ended.stderr);
    drop(running);
}
