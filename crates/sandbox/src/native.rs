//! The one place that takes native code from a file as it is.

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
