//! Machines whose work keeps dying under them, as where memory has run out: the node goes on, the task goes to others,
//! and nothing is paid for what was not done.

use crate::books::agreed;
use crate::harness::{Node, PATIENCE, Stage, check_copies, text};
use crate::money::{PRICE, map_args, report};
use crate::process::Process;
use crate::programs::{long_copy, slow_copy};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often workers are looked for: a new process is told to nobody but its parent.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// So many millions of turns of the counting loop take a quarter of a second or more: no worker ends before it is seen.
const MILLIONS: u32 = 200;

/// Kills every worker of these nodes as soon as it is there, until it is dropped.
struct Reaper {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Reaper {
    fn of(nodes: &[&Process]) -> Reaper {
        let ended = Arc::new(AtomicBool::new(false));
        let (told, nodes): (_, Vec<u32>) = (ended.clone(), nodes.iter().map(|node| node.id()).collect());
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                nodes.iter().flat_map(|node| children_of(*node)).for_each(kill);
                std::thread::sleep(LOOK_EVERY);
            }
        });
        Reaper { ended, thread: Some(thread) }
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The children of a process: a node has none but its workers.
pub fn children_of(parent: u32) -> impl Iterator<Item = u32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
    numbers.filter(move |number| parent_of(*number) == Some(parent))
}

fn parent_of(process: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // After the name, which may have anything in it: the state, and the parent.
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(1)?.parse().ok()
}

pub fn kill(process: u32) {
    let _ = Command::new("kill").args(["-9", &process.to_string()]).status();
}

/// Has a node compile a module before it provides: then it is runs that are killed.
fn compiled(node: &Node, module: &Path, inputs: &[PathBuf], out: &Path) {
    let mut args = map_args(module, inputs.get(..1).expect("an input"), out, &[]);
    args.push("--local".to_owned());
    node.golem(args).done("a run at home");
}

fn fails(provider: &Process) {
    provider.wait_json("subtask that failed", PATIENCE, |event| {
        (event["kind"] == "computed" && event["completed"] == false).then_some(())
    });
}

#[test]
fn a_cheap_provider_whose_work_keeps_dying_does_not_end_a_task_that_others_can_do() {
    const SUBTASKS: usize = 6;
    let stage = Stage::set();
    let (requestor, broken, sound) = (stage.node("requestor"), stage.node("broken"), stage.node("sound"));
    let (module, inputs, out) = (stage.module("slow", &slow_copy(MILLIONS)), stage.inputs(SUBTASKS), stage.path("out"));
    compiled(&broken, &module, &inputs, &stage.path("at-home"));
    // It asks less, so everything goes to it first.
    let cheap = broken.provide("0.1", &[], &["--slots", "2"]);
    let known = broken.addresses();
    let reaper = Reaper::of(&[&cheap]);
    let task = requestor.spawn(map_args(&module, &inputs, &out, &known));
    fails(&cheap);
    // Only now, so that it is certain who came first.
    let dear = sound.provide(PRICE, &known, &[]);
    let ended = task.wait(PATIENCE);
    drop(reaper);

    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let spent = report(&ended.json(), SUBTASKS);
    check_copies(&out, SUBTASKS);
    // The broken node itself is as well as before.
    assert!(broken.status().is_some_and(|status| status["totals"]["earned_wei"] == "0"), "{:#?}", broken.status());
    assert_eq!(cheap.stop(PATIENCE).code, Some(0));
    assert_eq!(dear.stop(PATIENCE).code, Some(0));
    assert_eq!(agreed(&stage, &requestor, &sound).earned, spent, "who did it has all of it");
    let vouchers = broken.golem(["channel", "vouchers", "--json"]);
    assert_eq!(vouchers.json(), serde_json::json!([]), "nothing is signed away for failures");
}

#[test]
fn a_provider_that_cannot_compile_a_program_leaves_it_alone_and_others_do_it() {
    const SUBTASKS: usize = 6;
    let stage = Stage::set();
    let (requestor, broken, sound) = (stage.node("requestor"), stage.node("broken"), stage.node("sound"));
    let (module, inputs, out) = (stage.module("long", &long_copy(2_000)), stage.inputs(SUBTASKS), stage.path("out"));
    let cheap = broken.provide("0.1", &[], &["--slots", "2"]);
    let known = broken.addresses();
    let reaper = Reaper::of(&[&cheap]);
    let task = requestor.spawn(map_args(&module, &inputs, &out, &known));
    let left = broken.wait("program that is left alone", |status| status["left_alone"].get(0).cloned());
    assert!(left["left_s"].as_u64().is_some_and(|left_s| (500..=600).contains(&left_s)), "{left:#}");
    // It is not asked in vain again and again: it says why.
    task.wait_stderr("reason why it offers nothing", PATIENCE, |line| {
        line.contains("cannot run the program").then_some(())
    });
    let dear = sound.provide(PRICE, &known, &[]);
    let ended = task.wait(PATIENCE);
    drop(reaper);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let spent = report(&ended.json(), SUBTASKS);
    check_copies(&out, SUBTASKS);
    let status = broken.status().expect("it goes on");
    // What it had agreed to is given back, each once. Work that was lost with its worker, before it came to compile, was
    // agreed again.
    let failed = status["counters"]["failed"].as_u64();
    let ended = cheap.stop(PATIENCE);
    let events = ended.stdout.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let agreed_to: u64 = events.filter(|event| event["kind"] == "agreed").filter_map(|e| e["subtasks"].as_u64()).sum();
    assert!(failed.is_some_and(|failed| (1..=agreed_to).contains(&failed)), "{failed:?} of {agreed_to}: {status:#}");
    assert_eq!(ended.code, Some(0));
    assert_eq!(dear.stop(PATIENCE).code, Some(0));
    assert_eq!(agreed(&stage, &requestor, &sound).earned, spent);
}

#[test]
fn a_task_that_only_broken_providers_took_is_done_when_it_is_resumed_with_a_sound_one() {
    let stage = Stage::set();
    let (requestor, sound) = (stage.node("requestor"), stage.node("sound"));
    let broken: Vec<_> = ["one", "two", "three"].map(|name| stage.node(name)).into();
    let (module, inputs, out) = (stage.module("slow", &slow_copy(MILLIONS)), stage.inputs(1), stage.path("out"));
    let mut known: Vec<String> = Vec::new();
    let mut running = Vec::new();
    for node in &broken {
        compiled(node, &module, &inputs, &stage.path(&format!("home-of-{}", node.name)));
        running.push(node.provide(PRICE, &known, &[]));
        known.extend(node.addresses());
    }
    let reaper = Reaper::of(&running.iter().collect::<Vec<_>>());
    let failed = requestor.golem(map_args(&module, &inputs, &out, &known));
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    let answer = failed.json();
    assert_eq!((&answer["failed"], &answer["spent_wei"]), (&1.into(), &"0".into()), "{answer:#}");
    for said in ["in-0.txt", "golem run --resume"] {
        assert!(failed.stderr.contains(said), "no `{said}` in {}", failed.stderr);
    }

    let helps = sound.provide(PRICE, &known, &[]);
    let mut args: Vec<String> = ["run", "--resume", "--json", "-o", &text(&out)].map(str::to_owned).into();
    known.iter().for_each(|address| args.extend(["--bootstrap".to_owned(), address.clone()]));
    let ended = requestor.golem(args);
    drop(reaper);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let spent = report(&ended.json(), 1);
    check_copies(&out, 1);
    running.into_iter().chain([helps]).for_each(|node| assert_eq!(node.stop(PATIENCE).code, Some(0)));
    assert_eq!(agreed(&stage, &requestor, &sound).earned, spent);
}
