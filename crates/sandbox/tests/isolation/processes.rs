//! Workers as processes: who is served by which, and how they end.

use crate::stage::{HELLO, Stage, endless, program, request, stage, stage_with, trial};
use golem_protocol::{B256, ByteCount, Fuel};
use golem_sandbox::*;
use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::HashMap;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub fn tests() -> Vec<Trial> {
    let cases: [(&str, fn()); 11] = [
        ("a_worker_serves_one_owner_and_one_program_and_is_used_again", one_owner),
        ("idle_workers_are_few_and_end", idle_ones_end),
        ("a_worker_that_is_killed_is_a_failed_run_and_the_next_one_works", killed),
        ("a_worker_that_was_killed_while_it_waited_is_replaced", killed_idle),
        ("a_worker_that_does_not_react_is_killed_at_the_wall_clock", stopped),
        ("a_cancelled_run_ends_at_once_and_leaves_no_process", cancelled),
        ("the_wall_clock_and_the_pace_are_kept_in_workers", wall_and_pace),
        ("the_kernel_holds_the_limits_of_a_worker", limits),
        ("workers_end_with_their_parent", orphans),
        ("more_runs_than_slots_are_refused", busy),
        ("compiling_without_end_ends_in_a_named_limit", bombs),
    ];
    cases.into_iter().map(|(name, test)| trial(name, test)).collect()
}

/// The live children of a process.
fn children(parent: u32) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let stat = stat(pid);
        if stat.get(1).is_some_and(|ppid| *ppid == parent.to_string()) && stat[0] != "Z" {
            found.push(pid);
        }
    }
    found
}

/// The fields of `/proc/PID/stat` after the name: state, parent, and so on. None where there is no such process.
fn stat(pid: i32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    text.rsplit(')').next().unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

fn workers() -> Vec<i32> {
    children(std::process::id())
}

/// Waits for something that must come; slow machines get time.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A worker that computes: of all its children one that used a twentieth of a second while it was looked at.
fn computing(parent: u32) -> i32 {
    let mut first = HashMap::new();
    let mut busy = |pid: &i32| ticks(*pid).is_some_and(|now| now >= *first.entry(*pid).or_insert(now) + 5);
    until("no worker computes", || children(parent).into_iter().find(&mut busy))
}

/// Hundredths of a second that a process computed.
fn ticks(pid: i32) -> Option<u64> {
    stat(pid).get(11)?.parse().ok()
}

/// Hundredths of a second that children of this process which have ended computed.
fn children_computed() -> u64 {
    let own = stat(std::process::id() as i32);
    own[13..15].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

/// A request that computes for ever, of which the module is compiled: what is found to compute is the run, and no compiler.
fn endless_compiled(stage: &Stage) -> RunRequest {
    let mut request = endless(&stage.folder.path().join("out"));
    let fuel_max = std::mem::replace(&mut request.limits.fuel_max, Fuel::from_units(100));
    let outcome = stage.sandbox.run(&request, &CancelToken::new(), Pace::FULL).unwrap();
    assert_eq!(outcome.exit, Exit::OutOfFuel { fuel_max: Fuel::from_units(100) });
    request.limits.fuel_max = fuel_max;
    request
}

fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

/// Runs something on another thread while this one looks on.
fn meanwhile<T: Send>(
    stage: &Stage,
    request: &RunRequest,
    cancel: &CancelToken,
    look: impl FnOnce() -> T,
) -> (Result<RunOutcome, SandboxError>, T) {
    std::thread::scope(|scope| {
        let run = scope.spawn(|| stage.sandbox.run(request, cancel, Pace::FULL));
        let looked = look();
        (run.join().unwrap(), looked)
    })
}

fn works(stage: &Stage, name: &str) {
    let request = request(program(HELLO), &stage.folder.path().join(name));
    let outcome = stage.sandbox.run(&request, &CancelToken::new(), Pace::FULL).unwrap();
    assert_eq!((outcome.exit, outcome.files.len()), (Exit::Exited { code: 0 }, 1));
}

fn one_owner() {
    let stage = stage();
    let run = |number: u8, owner: u8, module: &str| {
        let mut request = request(program(module), &stage.folder.path().join(number.to_string()));
        request.owner = B256::repeat_byte(owner);
        assert!(stage.sandbox.run(&request, &CancelToken::new(), Pace::FULL).unwrap().exit.is_success());
        workers()
    };
    let first = run(0, 1, HELLO);
    assert_eq!(first.len(), 1);
    assert_eq!(run(1, 1, HELLO), first, "the same owner and program");
    let second = run(2, 2, HELLO);
    assert_eq!(second.len(), 2, "another owner");
    let third = run(3, 2, "(call $put (i32.const 1) (i32.const 100) (i32.const 3))");
    assert_eq!(third.len(), 3, "another program");
    assert!(second.iter().all(|pid| third.contains(pid)));
}

fn idle_ones_end() {
    let stage = stage_with(&[WORKER_COMMAND], |config| {
        config.slots = 2;
        config.worker_idle_ms = 1000;
    })
    .unwrap();
    for owner in 0..5 {
        let mut request = request(program(HELLO), &stage.folder.path().join(owner.to_string()));
        request.owner = B256::repeat_byte(owner);
        stage.sandbox.run(&request, &CancelToken::new(), Pace::FULL).unwrap();
        assert!(workers().len() <= 2, "no more than slots");
    }
    until("idle workers go on", || workers().is_empty().then_some(()));
    works(&stage, "again");
}

fn killed() {
    let stage = stage();
    let request = endless_compiled(&stage);
    let (ran, ()) = meanwhile(&stage, &request, &CancelToken::new(), || {
        signal(computing(std::process::id()), Signal::KILL);
    });
    assert!(matches!(&ran, Err(SandboxError::Worker { reason }) if reason.contains("signal: 9")), "{ran:?}");
    works(&stage, "again");
}

fn killed_idle() {
    let stage = stage();
    works(&stage, "first");
    let idle = workers();
    signal(idle[0], Signal::KILL);
    until("it goes on", || (!workers().contains(&idle[0])).then_some(()));
    works(&stage, "second");
}

fn stopped() {
    let stage = stage();
    let mut request = endless_compiled(&stage);
    request.limits.wall_ms = 1500;
    let (ran, pid) = meanwhile(&stage, &request, &CancelToken::new(), || {
        let pid = computing(std::process::id());
        signal(pid, Signal::STOP);
        pid
    });
    assert_eq!(ran.unwrap().exit, Exit::WallClock { wall_ms: 1500 });
    assert!(!workers().contains(&pid));
    works(&stage, "again");
}

fn cancelled() {
    let stage = stage();
    let request = endless_compiled(&stage);
    let cancel = CancelToken::new();
    let ((ran, asked), ended) = {
        let (ran, asked) = meanwhile(&stage, &request, &cancel, || {
            computing(std::process::id());
            cancel.cancel();
            Instant::now()
        });
        ((ran, asked), Instant::now())
    };
    assert_eq!(ran, Err(SandboxError::Cancelled));
    // 10 ms on a machine that has nothing else to do.
    assert!(ended - asked < Duration::from_secs(1), "{:?}", ended - asked);
    assert_eq!(workers(), []);
    let (_, before) = (stage.sandbox.run(&request, &cancel, Pace::FULL), workers());
    assert_eq!(before, [], "one that is cancelled before it begins starts nothing");
}

fn wall_and_pace() {
    let stage = stage();
    let mut request = endless_compiled(&stage);
    request.limits.wall_ms = 300;
    let used = || workers().into_iter().filter_map(ticks).sum::<u64>();
    let before = used();
    let outcome = stage.sandbox.run(&request, &CancelToken::new(), Pace::from_percent(10).unwrap()).unwrap();
    assert_eq!(outcome.exit, Exit::WallClock { wall_ms: 300 });
    // Ticks of a hundredth of a second: 30 at full pace.
    let used = used() - before;
    assert!(used <= 20, "{used} ticks at a tenth of the pace");
}

fn limits() {
    let stage = stage();
    let request = endless_compiled(&stage);
    let cancel = CancelToken::new();
    let (_, (limits, status)) = meanwhile(&stage, &request, &cancel, || {
        let pid = computing(std::process::id());
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
        let status: Vec<String> = tasks.map(|task| fs::read_to_string(task.path().join("status")).unwrap()).collect();
        cancel.cancel();
        (limits, status)
    });
    let limit = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().take(2).map(|n| n.parse::<u64>().unwrap()).collect::<Vec<u64>>()
    };
    for name in ["Max core file size", "Max file size", "Max processes", "Max locked memory"] {
        assert_eq!(limit(name), [0, 0], "{name}");
    }
    assert!(limit("Max data size")[1] < 1 << 30);
    assert!(limit("Max address space")[1] < 12 << 30);
    assert!(limit("Max open files")[1] <= 1040);
    // Twice its wall clock of a minute, and ten minutes to be used again.
    assert_eq!(limit("Max cpu time"), [720, 721]);
    assert!(status.len() >= 3, "{} threads", status.len());
    for thread in status {
        assert!(thread.contains("NoNewPrivs:\t1\n") && thread.contains("Seccomp:\t2\n"), "{thread}");
    }
}

/// What this program does when it is told to be a parent that will be killed.
pub fn host() {
    let stage = stage();
    let _ = stage.sandbox.run(&endless(&stage.folder.path().join("out")), &CancelToken::new(), Pace::FULL);
}

fn orphans() {
    let mut host = Command::new("/proc/self/exe").arg("host").stdin(Stdio::null()).spawn().unwrap();
    computing(host.id());
    let workers = children(host.id());
    host.kill().unwrap();
    host.wait().unwrap();
    for worker in workers {
        until("a worker outlives its parent", || stat(worker).first().is_none_or(|state| state == "Z").then_some(()));
    }
}

fn busy() {
    let stage = stage_with(&[WORKER_COMMAND], |config| config.slots = 1).unwrap();
    let endless = endless_compiled(&stage);
    let cancel = CancelToken::new();
    let (ran, refused) = meanwhile(&stage, &endless, &cancel, || {
        computing(std::process::id());
        let request = request(program(HELLO), &stage.folder.path().join("other"));
        let refused = stage.sandbox.run(&request, &CancelToken::new(), Pace::FULL);
        cancel.cancel();
        refused
    });
    assert_eq!(refused, Err(SandboxError::Busy { slots: 1 }));
    assert_eq!(ran, Err(SandboxError::Cancelled));
    works(&stage, "again");
}

/// A module with so many functions of so many steps.
fn large(functions: u32, steps: usize) -> Vec<u8> {
    fn leb(mut n: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        while n >= 0x80 {
            bytes.push(n as u8 | 0x80);
            n >>= 7;
        }
        bytes.push(n as u8);
        bytes
    }
    let section = |id: u8, body: Vec<u8>| [vec![id], leb(body.len() as u32), body].concat();
    // One local, into which each step mixes itself.
    let step = [0x20, 0, 0x41, 7, 0x6c, 0x20, 0, 0x73, 0x41, 3, 0x77, 0x21, 0];
    let body = [vec![1, 1, 0x7f], step.repeat(steps), vec![0x0b]].concat();
    let body = [leb(body.len() as u32), body].concat();
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, vec![1, 0x60, 0, 0]),
        section(3, [leb(functions), vec![0; functions as usize]].concat()),
        section(5, vec![1, 0, 1]),
        section(7, [vec![2, 6], b"memory".to_vec(), vec![2, 0, 6], b"_start".to_vec(), vec![0, 0]].concat()),
        section(10, [leb(functions), body.repeat(functions as usize)].concat()),
    ]
    .concat()
}

fn bombs() {
    let bomb = large(20_000, 100);
    let exit = |module: &[u8], change: &dyn Fn(&mut CompileLimits)| {
        let stage = stage_with(&[WORKER_COMMAND], |config| change(&mut config.compile)).unwrap();
        let request = request(module.to_vec(), &stage.folder.path().join("out"));
        let first = stage.sandbox.run(&request, &CancelToken::new(), Pace::FULL).unwrap();
        let before = children_computed();
        let second = stage.sandbox.run(&request, &CancelToken::new(), Pace::FULL).unwrap();
        assert_eq!((&second.exit, second.fuel), (&first.exit, first.fuel));
        if let Exit::NotCompiled(_) = first.exit {
            assert_eq!(children_computed(), before, "it was tried again");
            assert_eq!(workers(), []);
        }
        first.exit
    };
    let not_compiled = Exit::NotCompiled;
    let late = exit(&bomb, &|limits| limits.wall_ms = 300);
    assert_eq!(late, not_compiled(CompileFailure::WallClock { wall_ms: 300 }));
    let busy = exit(&bomb, &|limits| limits.cpu_s = 1);
    assert_eq!(busy, not_compiled(CompileFailure::Processor { cpu_s: 1 }));
    let memory_max = ByteCount::from_bytes(128 << 20);
    assert_eq!(
        exit(&bomb, &|limits| limits.memory_max = memory_max),
        not_compiled(CompileFailure::Memory { memory_max })
    );
    let small = large(100, 10);
    let code_max = ByteCount::from_bytes(1000);
    assert_eq!(
        exit(&small, &|limits| limits.code_max = code_max),
        not_compiled(CompileFailure::CodeTooLarge { code_max })
    );
    assert_eq!(exit(&small, &|_| {}), Exit::Exited { code: 0 });
}
