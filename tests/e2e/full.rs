//! Machines without room: what others did is theirs all the same.

use crate::harness::{Node, PATIENCE, Stage, text, wei};
use crate::money::{PRICE, map_args, report, worth};
use crate::programs::wrong_copy;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// How much a requestor may keep of contents, besides what else is in its settings.
fn allow(requestor: &Node, mib: u32) {
    let file = requestor.dir.join("golem.toml");
    let settings = std::fs::read_to_string(&file).expect("it is there");
    let others: Vec<&str> = settings.lines().filter(|line| !line.starts_with("content_max_mib")).collect();
    let more = format!("[requestor]\ncontent_max_mib = {mib}");
    std::fs::write(&file, others.join("\n").replace("[requestor]", &more)).expect("it can be written");
}

/// The arguments that take up a task: the only one, or this one.
fn resume_args(header: Option<&str>, out: &Path, known: &[String]) -> Vec<String> {
    let named = header.map_or("--resume".to_owned(), |header| format!("--resume={header}"));
    let mut args = vec!["run".to_owned(), named, "--json".to_owned(), "-o".to_owned(), text(out)];
    known.iter().for_each(|address| args.extend(["--bootstrap".to_owned(), address.clone()]));
    args
}

#[test]
fn a_requestor_without_room_for_results_refuses_none_and_takes_them_when_there_is() {
    const SUBTASKS: usize = 3;
    let stage = Stage::set();
    let (requestor, provider) = (stage.node("requestor"), stage.node("provider"));
    let running = provider.provide(PRICE, &[], &[]);
    let known = provider.addresses();
    // Its results differ from its inputs: the inputs fit into what may be kept, and the results do not fit beside them.
    let (module, out) = (stage.module("copy", &wrong_copy()), stage.path("out"));
    let inputs: Vec<_> = (0..SUBTASKS).map(|n| stage.file(&format!("in-{n}"), vec![n as u8; 300_000])).collect();
    allow(&requestor, 1);
    let task = requestor.spawn(map_args(&module, &inputs, &out, &known));
    task.wait_stderr("word of the disk", PATIENCE, |line| line.contains("no room for").then_some(()));
    let said = task.said();
    assert!(!said.contains("not accepted"), "it is nobody's fault but ours:\n{said}");
    task.kill9();

    allow(&requestor, 100);
    let ended = requestor.golem(resume_args(None, &out, &known));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(report(&ended.json(), SUBTASKS), worth(SUBTASKS));
    let status = provider.status().expect("it runs");
    assert_eq!(status["counters"]["completed"], SUBTASKS, "nothing is computed twice: {status:#}");
    assert_eq!(wei(&status["totals"]["earned_wei"]), worth(SUBTASKS), "{status:#}");
    assert_eq!(running.stop(PATIENCE).code, Some(0));
}

#[test]
fn a_requestor_makes_room_by_what_is_over_and_gathered_and_by_nothing_else() {
    const BYTES: usize = 250_000;
    let stage = Stage::set();
    let (requestor, provider) = (stage.node("requestor"), stage.node("provider"));
    let running = provider.provide(PRICE, &[], &[]);
    let known = provider.addresses();
    let module = stage.module("copy", &wrong_copy());
    // There is room for the inputs and results of one task, and for no more.
    let inputs = |task: u8| -> Vec<PathBuf> {
        (0..2).map(|n| stage.file(&format!("in-{task}-{n}"), vec![10 * task + n; BYTES])).collect()
    };
    let begin = |task: u8, out: &Path| requestor.golem(map_args(&module, &inputs(task), out, &known));
    let results = |task: u8, out: &Path| {
        for n in 0..2u8 {
            let bytes = std::fs::read(out.join(format!("in-{task}-{n}/stdout"))).expect("the result is there");
            assert!(bytes.len() == BYTES && bytes[1] == 10 * task + n, "result {n} of task {task}");
        }
    };
    allow(&requestor, 1);

    let first = begin(1, &stage.path("first"));
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    // The place of a result is taken: what is paid is here, and nobody has gathered it.
    let blocked = stage.path("second");
    std::fs::create_dir_all(&blocked).expect("a folder can be made");
    std::fs::write(blocked.join("in-2-1"), "in the way").expect("a file can be written");
    let second = begin(2, &blocked);
    assert_eq!(second.code, Some(2), "{}\n{}", second.stdout, second.stderr);
    results(1, &stage.path("first"));

    let third = begin(3, &stage.path("third"));
    assert_eq!(third.code, Some(2), "{}\n{}", third.stdout, third.stderr);
    for part in ["no room for", "not gathered", "content_max_mib", "golem run --resume=0x"] {
        assert!(third.stderr.contains(part), "lacks `{part}`: {}", third.stderr);
    }

    let gathered = requestor.golem(resume_args(None, &stage.path("again"), &known));
    assert_eq!(gathered.code, Some(0), "{}", gathered.stderr);
    results(2, &stage.path("again"));
    let third = begin(3, &stage.path("third"));
    assert_eq!(third.code, Some(0), "{}", third.stderr);
    results(3, &stage.path("third"));

    // What went is told apart from what is lost.
    let status = requestor.json(["status", "--json"]);
    let tasks = status["tasks"].as_array().expect("tasks are listed");
    let ends = [&tasks[0]["header"], &tasks[2]["header"]];
    assert_eq!(ends, [&first.json()["header"], &third.json()["header"]], "newest last: {status:#}");
    let header = tasks[0]["header"].as_str().expect("it has one");
    let gone = requestor.golem(resume_args(Some(header), &stage.path("gone"), &known));
    assert!(gone.code == Some(2) && gone.stderr.contains("were gathered before"), "{}", gone.stderr);
    let status = provider.status().expect("it runs");
    assert_eq!(status["counters"]["completed"], 6, "nothing is computed twice: {status:#}");

    // A month later what was gathered is forgotten, and what was not is there.
    let blocked = stage.path("fourth");
    std::fs::create_dir_all(&blocked).expect("a folder can be made");
    std::fs::write(blocked.join("in-4-1"), "in the way").expect("a file can be written");
    let fourth = begin(4, &blocked);
    assert_eq!(fourth.code, Some(2), "{}\n{}", fourth.stdout, fourth.stderr);
    assert_eq!(running.stop(PATIENCE).code, Some(0));
    stage.pass(40 * 24 * 3_600);
    let gathered = requestor.golem(resume_args(None, &stage.path("late"), &known));
    assert_eq!(gathered.code, Some(0), "{}", gathered.stderr);
    results(4, &stage.path("late"));
    let status = requestor.json(["status", "--json"]);
    let tasks = status["tasks"].as_array().expect("tasks are listed");
    assert_eq!(tasks.len(), 1, "{status:#}");
    assert_eq!(wei(&status["channels"][0]["signed_wei"]), worth(8), "what was paid stays: {status:#}");
}

/// From now on a process can write no file, as if its disk were full.
#[cfg(target_os = "linux")]
fn fill(process: &crate::process::Process) {
    let limited = std::process::Command::new("prlimit")
        .args(["--pid", &process.id().to_string(), "--fsize=1:unlimited"])
        .status();
    assert!(limited.is_ok_and(|status| status.success()), "what a process may write can be limited");
}

/// Starts the binary so that a write beyond its limit is an error, and not its end.
#[cfg(target_os = "linux")]
fn spawn_limitable(node: &Node, args: &[String]) -> crate::process::Process {
    let golem = node.command(args);
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]).arg(golem.get_program()).args(golem.get_args());
    for (name, value) in golem.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    crate::process::Process::spawn(&node.name, &mut command)
}

#[cfg(target_os = "linux")]
#[test]
fn one_wish_to_stop_ends_nodes_whose_disks_are_full_and_nothing_is_lost() {
    use crate::books::agreed;
    use crate::harness::check_copies;
    use crate::programs::slow_copy;
    const SUBTASKS: usize = 8;
    let stage = Stage::set();
    let (requestor, provider) = (stage.node("requestor"), stage.node("provider"));
    let owned = |args: &[&str]| args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>();
    let provide = owned(&["provide", "--json", "--min-price", PRICE, "--slots", "1"]);
    let running = spawn_limitable(&provider, &provide);
    let known = provider.addresses();
    let (module, inputs, out) = (stage.module("slow", &slow_copy(400)), stage.inputs(SUBTASKS), stage.path("out"));
    let task = spawn_limitable(&requestor, &map_args(&module, &inputs, &out, &known));
    let mut paid = false;
    running.wait_json("payment and a subtask after it", PATIENCE, |event| {
        paid |= event["kind"] == "paid";
        (paid && event["kind"] == "compute_started").then_some(())
    });
    let is_full = |event: &Value| (event["kind"] == "disk_full").then_some(());

    // First the one who pays: what came in and is not saved is not paid.
    fill(&task);
    task.wait_stderr("word of the disk", PATIENCE, |line| line.contains("disk is full").then_some(()));
    let ended = task.stop(PATIENCE);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("while nothing could be saved here"), "{}", ended.stderr);
    let task = requestor.spawn(resume_args(None, &out, &known));
    running.wait_json("work after it", PATIENCE, |event| (event["kind"] == "compute_started").then_some(()));

    fill(&running);
    running.wait_json("word of the disk", PATIENCE, is_full);
    let ended = running.stop(PATIENCE);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("not everything could be saved"), "{}", ended.stderr);

    let running = provider.provide(PRICE, &requestor.addresses(), &[]);
    let ended = task.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let spent = report(&ended.json(), SUBTASKS);
    check_copies(&out, SUBTASKS);
    assert_eq!(running.stop(PATIENCE).code, Some(0));
    assert_eq!(agreed(&stage, &requestor, &provider).earned, spent);
}
