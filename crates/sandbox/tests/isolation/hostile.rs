//! Workers that were taken over: confined as any, then they try what a program that has broken out of its WebAssembly
//! would. What came of it they say on standard error, which their parent puts into the error.

#![allow(unsafe_code)]

use golem_sandbox::ConfinedWorker;
use std::process::ExitCode;

/// What the kernel is asked for, and what it is asked with. Those it gets right need no true arguments.
const CALLS: &[(&str, i64)] = &[
    ("socket", libc::SYS_socket),
    ("connect", libc::SYS_connect),
    ("bind", libc::SYS_bind),
    ("fork", libc::SYS_clone),
    ("clone3", libc::SYS_clone3),
    ("ptrace", libc::SYS_ptrace),
    ("kill", libc::SYS_kill),
    ("process_vm_readv", libc::SYS_process_vm_readv),
    ("pidfd_open", libc::SYS_pidfd_open),
    ("io_uring_setup", libc::SYS_io_uring_setup),
    ("bpf", libc::SYS_bpf),
    ("keyctl", libc::SYS_keyctl),
    ("perf_event_open", libc::SYS_perf_event_open),
    ("userfaultfd", libc::SYS_userfaultfd),
    ("memfd_create", libc::SYS_memfd_create),
    ("mount", libc::SYS_mount),
    ("unshare", libc::SYS_unshare),
    ("setns", libc::SYS_setns),
    ("chroot", libc::SYS_chroot),
    ("prctl", libc::SYS_prctl),
    ("prlimit64", libc::SYS_prlimit64),
    ("setuid", libc::SYS_setuid),
    ("shmget", libc::SYS_shmget),
    ("sendmsg", libc::SYS_sendmsg),
    ("statx", libc::SYS_statx),
    ("ioctl", libc::SYS_ioctl),
    ("fcntl", libc::SYS_fcntl),
    ("dup", libc::SYS_dup),
];

/// Confines itself, tries one kind of thing, says what came of it, and ends.
pub fn main(kind: &str) -> ExitCode {
    let worker = match ConfinedWorker::enter() {
        Ok(worker) => worker,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    match kind {
        "calls" => calls(),
        "paths" => paths(),
        "state" => state(),
        "memory" => memory(),
        "liar" => liar(),
        _ => eprintln!("no such kind"),
    }
    drop(worker);
    ExitCode::from(7)
}

fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// Names of the calls that were not refused.
fn calls() {
    let mut passed = Vec::new();
    for (name, number) in CALLS {
        // SAFETY: a call that is let through changes this process only, which is about to end.
        let result = unsafe { libc::syscall(*number, 1, 0, 0, 0, 0, 0) };
        if result != -1 || errno() != libc::EPERM {
            passed.push(*name);
        }
    }
    // SAFETY: as above; the arguments are those of real attempts.
    unsafe {
        let parent = libc::getppid();
        if libc::ptrace(libc::PTRACE_ATTACH, parent, 0, 0) != -1 {
            passed.push("ptrace of the parent");
        }
        if libc::kill(parent, 0) != -1 {
            passed.push("kill of the parent");
        }
        if libc::syscall(libc::SYS_tgkill, parent, parent, 0) != -1 {
            passed.push("tgkill of the parent");
        }
        if libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0) != -1 {
            passed.push("an internet socket");
        }
        let argv = [c"/bin/true".as_ptr(), std::ptr::null()];
        libc::execve(argv[0], argv.as_ptr(), std::ptr::null());
        if errno() != libc::EPERM {
            passed.push("execve");
        }
        if libc::write(1, b"x".as_ptr().cast(), 1) != -1 {
            passed.push("write to another descriptor");
        }
    }
    if std::process::Command::new("/bin/true").spawn().is_ok() {
        passed.push("a process");
    }
    if std::thread::Builder::new().spawn(|| ()).is_ok() {
        passed.push("a thread");
    }
    eprintln!("passed: {}", passed.join(", "));
}

/// Paths that can be opened, made or taken away.
fn paths() {
    let mut passed = Vec::new();
    for path in ["/", "/etc/passwd", "/etc/hostname", "/proc/self/mem", "/proc/self/fd/0", "/dev/null", "."] {
        if std::fs::File::open(path).is_ok() {
            passed.push(path.to_owned());
        }
        if std::fs::metadata(path).is_ok() {
            passed.push(format!("metadata of {path}"));
        }
    }
    for path in ["/tmp/golem-isolation-test", "golem-isolation-test", "/dev/shm/golem-isolation-test"] {
        if std::fs::write(path, b"x").is_ok() {
            passed.push(path.to_owned());
        }
        if std::fs::create_dir(path).is_ok() {
            passed.push(format!("folder {path}"));
        }
    }
    if std::fs::read_dir("/").is_ok() {
        passed.push("a listing".to_owned());
    }
    eprintln!("passed: {}", passed.join(", "));
}

/// What it was given: variables, descriptors, a folder.
fn state() {
    let variables = std::env::vars_os().count();
    let open = (0..1000).filter(|fd| {
        // SAFETY: moves nothing.
        unsafe { libc::lseek(*fd, 0, libc::SEEK_CUR) != -1 || errno() != libc::EBADF }
    });
    let open: Vec<String> = open.map(|fd| fd.to_string()).collect();
    eprintln!("variables: {variables}; descriptors: {}", open.join(" "));
}

/// How much it can take.
fn memory() {
    let mut taken_mib = 0;
    loop {
        let (bytes, flags) = (64 << 20, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: fresh memory, which nothing else uses.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
        if at == libc::MAP_FAILED || taken_mib > 1 << 20 {
            break;
        }
        taken_mib += 64;
    }
    eprintln!("memory: {taken_mib} MiB, then error {}", errno());
}

/// Says what no honest worker says: a message longer than any.
fn liar() {
    // SAFETY: bytes that are there.
    unsafe { libc::write(3, [0xff_u8; 64].as_ptr().cast(), 64) };
    std::thread::sleep(std::time::Duration::from_secs(60));
}
