//! Worker processes, seen from outside: what comes of runs in them, and what they cannot do.
//!
//! This program is its own workers: started with [`WORKER_COMMAND`] it is an honest one, with `hostile` one that was
//! taken over.

#[cfg(target_os = "linux")]
mod attacks;
#[cfg(target_os = "linux")]
mod hostile;
#[cfg(target_os = "linux")]
mod processes;
#[cfg(target_os = "linux")]
mod same;
#[cfg(target_os = "linux")]
mod stage;

/// Workers are processes of Linux.
#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use golem_sandbox::{WORKER_COMMAND, sandbox_worker};
    use libtest_mimic::Arguments;
    use std::process::ExitCode;

    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<&str>>()[..] {
        [WORKER_COMMAND] => return sandbox_worker(),
        ["hostile", kind] => return hostile::main(kind),
        ["host"] => {
            processes::host();
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let tests = [same::tests(), attacks::tests(), processes::tests()].into_iter().flatten().collect();
    // One after another: the tests look at all children of this process.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&arguments, tests).exit_code()
}
