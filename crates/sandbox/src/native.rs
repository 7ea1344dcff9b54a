//! The one place of unsafe code.

#![allow(unsafe_code)]

use wasmtime::{Engine, Module};

/// Makes a module of bytes that [`Module::serialize`] gave.
///
/// The caller must have checked that this installation wrote the bytes: they are run as they are.
pub(crate) fn deserialize(engine: &Engine, trusted: &[u8]) -> wasmtime::Result<Module> {
    // SAFETY: the only caller passes bytes whose keyed hash it has just verified, over the very buffer passed here,
    // under a key that lies in a folder readable by this user alone; so they are what `Module::serialize` gave to
    // this user's sandbox. wasmtime itself refuses those of another version or configuration.
    unsafe { Module::deserialize(engine, trusted) }
}

/// Makes a module of bytes that a compiling worker gave, in a worker that is confined.
#[cfg(target_os = "linux")]
pub(crate) fn deserialize_confined(engine: &Engine, code: &[u8]) -> wasmtime::Result<Module> {
    // SAFETY: the only caller is a confined worker. It has the bytes from its parent, which had them of a confined
    // compiler for this very module. Should that compiler have been taken over by the module, then what is loaded here
    // is an attack by the module, in a process that runs nothing but this module and can reach nothing: what `confine`
    // is for.
    unsafe { Module::deserialize(engine, code) }
}

/// Closes every descriptor but the first three, whoever left them open.
#[cfg(target_os = "linux")]
pub(crate) fn close_inherited() {
    // SAFETY: called first thing in a worker, when nothing in this process has opened a descriptor: no value anywhere
    // owns one above 2.
    if unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) } == 0 {
        return;
    }
    // Kernels before 5.9 have no such call.
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(1 << 20);
    for fd in 3..most.min(1 << 20) as i32 {
        // SAFETY: as above.
        unsafe { libc::close(fd) };
    }
}
