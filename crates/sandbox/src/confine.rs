//! What a worker process takes from itself before it reads the first byte of somebody else's.
//!
//! In this order, because each step needs what the next one takes:
//!
//! 1. [`detach`]: dies with its parent, cannot be traced or dumped, has three descriptors.
//! 2. [`limit`]: resource limits, which are kept by the kernel whatever the process does.
//! 3. [`landlock`]: no path leads anywhere, where the kernel has Landlock. It holds for threads begun after it.
//! 4. (all threads are begun)
//! 5. [`seal`]: no further process or thread, and a seccomp filter over all threads that lets pass what a thread needs
//!    to compute, to take memory, and to talk over descriptors it has.
//!
//! **Why an error and not death.** What is refused fails with `EPERM`, because honest libraries try things and go on
//! without them (glibc reads `/sys` to count processors, Rust probes for `statx`). A worker that was taken over learns
//! nothing by an error that it could use: the filter has no path, socket, process or shared memory to offer.
//! A system call of another architecture kills the process.

use crate::native;
use crate::profile::{MEMORY_MAX, OPEN_FILES_MAX};
use crate::sandbox::Landlock;
use crate::wire::Bounds;
use landlock::{ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetStatus, Scope};
use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;

/// Address space beside what can be written. Reason: one linear memory is reserved at its full size with guards before
/// and after it, and tables likewise; what is reserved takes no memory.
const RESERVED_BYTES: u64 = 2 * MEMORY_MAX.0 + (2 << 30);
/// Descriptors beside those of the files that a program has open.
const OWN_FILES: u64 = 16;

/// Ends with the parent, is closed to tracers, and has no descriptor but the first three.
pub(crate) fn detach() -> io::Result<()> {
    native::close_inherited();
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Resource limits, soft and hard.
pub(crate) fn limit(bounds: &Bounds) -> io::Result<()> {
    most(Resource::Core, 0, 0)?;
    most(Resource::Fsize, 0, 0)?;
    most(Resource::Memlock, 0, 0)?;
    most(Resource::Nofile, OPEN_FILES_MAX as u64 + OWN_FILES, 0)?;
    most(Resource::Data, bounds.data_bytes, 0)?;
    most(Resource::As, bounds.data_bytes.saturating_add(RESERVED_BYTES), 0)?;
    // The signal of the soft limit says what ended it; the hard one, a second later, cannot be caught.
    most(Resource::Cpu, bounds.cpu_s, 1)
}

/// Lowers a limit; the hard one is so much above. One that is lower already stays: it is the owner's.
fn most(resource: Resource, soft: u64, above: u64) -> io::Result<()> {
    let owner = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let (current, maximum) = (soft.min(owner), soft.saturating_add(above).min(owner));
    Ok(rustix::process::setrlimit(resource, Rlimit { current: Some(current), maximum: Some(maximum) })?)
}

/// Takes all rights to files, TCP ports, and signals and sockets of others that this kernel's Landlock knows of.
pub(crate) fn landlock() -> io::Result<Landlock> {
    // The newest that this code was tried with; a kernel that knows less gives less, and says so.
    let abi = ABI::V6;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(abi)))
        .and_then(|rules| rules.scope(Scope::from_all(abi)))
        .and_then(|rules| rules.create())
        .and_then(|rules| rules.restrict_self())
        .map_err(io::Error::other)?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Landlock::Full,
        RulesetStatus::PartiallyEnforced => Landlock::Partial,
        RulesetStatus::NotEnforced => Landlock::Missing,
    })
}

/// Closes the process: no further thread, and only the system calls of [`allowed`]. It holds for all threads.
///
/// Errors: a step failed, or a file can still be opened after all.
pub(crate) fn seal(channel: &UnixStream) -> io::Result<()> {
    most(Resource::Nproc, 0, 0)?;
    rustix::thread::set_no_new_privs(true)?;
    let arch: TargetArch = std::env::consts::ARCH.try_into().map_err(io::Error::other)?;
    let rules = allowed(channel.as_raw_fd()).map_err(io::Error::other)?;
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    let filter = SeccompFilter::new(rules, refused, SeccompAction::Allow, arch).map_err(io::Error::other)?;
    let program: BpfProgram = filter.try_into().map_err(io::Error::other)?;
    seccompiler::apply_filter_all_threads(&program).map_err(io::Error::other)?;
    // Seen, not believed.
    match File::open("/") {
        Ok(_) => Err(io::Error::other("files can be opened in spite of the seccomp filter")),
        Err(_) => Ok(()),
    }
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// What a sealed worker may ask of the kernel.
fn allowed(channel: RawFd) -> Result<Rules, seccompiler::BackendError> {
    let is = |argument: u8, value: u64| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
            .and_then(|c| SeccompRule::new(vec![c]))
    };
    let mut rules: Rules = BTreeMap::new();
    for call in [
        // Memory. Executable too: loading compiled code maps it so.
        libc::SYS_mmap,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_mprotect,
        libc::SYS_madvise,
        libc::SYS_brk,
        // Descriptors that it was given.
        libc::SYS_read,
        libc::SYS_pread64,
        libc::SYS_lseek,
        libc::SYS_close,
        // Threads that there are already.
        libc::SYS_futex,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_rseq,
        libc::SYS_set_robust_list,
        libc::SYS_gettid,
        libc::SYS_getpid,
        libc::SYS_membarrier,
        libc::SYS_exit,
        libc::SYS_exit_group,
        // Signals: a trap of a program is one.
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_restart_syscall,
        // Time and seeds for hash tables.
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
        libc::SYS_nanosleep,
        libc::SYS_getrandom,
    ] {
        rules.insert(call, Vec::new());
    }
    let channel = u64::try_from(channel).unwrap_or(u64::MAX);
    // It says something to its parent, and its last words to standard error.
    rules.insert(libc::SYS_write, vec![is(0, channel)?, is(0, 2)?]);
    rules.insert(libc::SYS_sendto, vec![is(0, channel)?]);
    rules.insert(libc::SYS_recvfrom, vec![is(0, channel)?]);
    rules.insert(libc::SYS_recvmsg, vec![is(0, channel)?]);
    // An abort signals its own process, and nobody else's.
    rules.insert(libc::SYS_tgkill, vec![is(0, u64::from(std::process::id()))?]);
    Ok(rules)
}
