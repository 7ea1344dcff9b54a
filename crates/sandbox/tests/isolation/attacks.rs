//! What a worker that was taken over can do: nothing.

#![allow(unsafe_code)]

use crate::stage::{self, HELLO, Stage, program, request};
use golem_sandbox::*;
use libtest_mimic::Trial;

pub fn tests() -> Vec<Trial> {
    let cases: [(&str, fn()); 7] = [
        ("a_worker_gets_no_system_call_that_reaches_others", no_calls),
        ("a_worker_opens_makes_and_sees_no_path", no_paths),
        ("a_worker_has_no_variables_and_no_descriptors_of_its_parent", no_state),
        ("a_worker_takes_no_more_memory_than_its_run_may", bounded_memory),
        ("a_compiler_is_held_as_a_runner_is", compilers_too),
        ("a_worker_that_lies_is_a_failed_run_and_the_next_one_works", liar),
        ("a_worker_that_is_no_worker_is_refused_at_the_start", no_worker),
    ];
    cases.into_iter().map(|(name, test)| stage::trial(name, test)).collect()
}

/// What a taken-over worker that was to run a program said.
fn said(kind: &str) -> String {
    let honest = stage::stage();
    let module = program(HELLO);
    honest.sandbox.prepare(&ModuleSource::Bytes(module.clone())).unwrap().unwrap();
    let hostile = hostile(kind, &honest);
    match hostile.run(&request(module, &honest.folder.path().join("out")), &CancelToken::new(), Pace::FULL) {
        Err(SandboxError::Worker { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

/// A sandbox whose workers are hostile, which finds the code that another one compiled.
fn hostile(kind: &str, honest: &Stage) -> Sandbox {
    let mut config = SandboxConfig::new(honest.folder.path());
    config.isolation =
        Isolation::Process { program: "/proc/self/exe".into(), args: vec!["hostile".to_owned(), kind.to_owned()] };
    let sandbox = Sandbox::new(config).unwrap();
    println!("in force: {}", sandbox.confinement());
    sandbox
}

fn no_calls() {
    let reason = said("calls");
    assert!(reason.contains("exit status: 7") && reason.ends_with("it said \"passed:\""), "{reason}");
}

fn no_paths() {
    let reason = said("paths");
    assert!(reason.contains("exit status: 7") && reason.ends_with("it said \"passed:\""), "{reason}");
}

fn no_state() {
    // SAFETY: a copy of standard error that, unlike all that Rust opens, is handed down to children.
    let inherited = unsafe { libc::dup2(2, 900) };
    assert_eq!(inherited, 900);
    let reason = said("state");
    // Its socket twice, and standard output and error.
    assert!(reason.ends_with("\"variables: 0; descriptors: 0 1 2 3\""), "{reason}");
}

fn bounded_memory() {
    let reason = said("memory");
    let mib: u64 = reason.split("memory: ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    // 512 MiB for a worker as such, and what this request may take, which is little.
    assert!(mib < 640 && reason.contains(&format!("error {}", libc::ENOMEM)), "{reason}");
}

fn compilers_too() {
    for kind in ["calls", "paths"] {
        let stage = stage::stage_with(&["hostile", kind], |_| {}).unwrap();
        let request = request(program(HELLO), &stage.folder.path().join("out"));
        let outcome = stage.sandbox.run(&request, &CancelToken::new(), Pace::FULL).unwrap();
        let Exit::NotCompiled(CompileFailure::Crashed { reason }) = outcome.exit else { panic!("{outcome:?}") };
        assert!(reason.contains("exit status: 7") && reason.ends_with("it said \"passed:\""), "{reason}");
    }
}

fn liar() {
    let honest = stage::stage();
    let module = program(HELLO);
    honest.sandbox.prepare(&ModuleSource::Bytes(module.clone())).unwrap().unwrap();
    let mut request = request(module, &honest.folder.path().join("out"));
    let lied = hostile("liar", &honest).run(&request, &CancelToken::new(), Pace::FULL);
    assert!(matches!(&lied, Err(SandboxError::Worker { reason }) if reason.contains("4294967295")), "{lied:?}");
    request.output_dir = honest.folder.path().join("again");
    assert_eq!(honest.sandbox.run(&request, &CancelToken::new(), Pace::FULL).unwrap().exit, Exit::Exited { code: 0 });
}

fn no_worker() {
    let refused = |program: &str| {
        let change = |config: &mut SandboxConfig| {
            config.isolation = Isolation::Process { program: program.into(), args: Vec::new() };
        };
        match stage::stage_with(&[], change) {
            Err(SandboxError::Isolation { reason }) => reason,
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("{program} is a worker"),
        }
    };
    for (program, why) in [("/bin/true", "ended with exit status: 0"), ("/nowhere/golem", "No such file")] {
        let reason = refused(program);
        assert!(reason.contains(why), "{reason}");
    }
}
