//! The functions of WASI preview 1 and their types: what a module may import.
//!
//! Source: the `wasi_snapshot_preview1` description. A test holds this list to what is really offered.

use std::fmt;
use wasmparser::{FuncType, ValType};

/// The one module name that imports may have.
pub(crate) const WASI_MODULE: &str = "wasi_snapshot_preview1";

/// A function's parameters, one letter each: `i` is i32, `l` is i64. It answers one i32, but for `proc_exit`.
#[derive(Clone, Copy)]
pub(crate) struct Signature {
    params: &'static str,
    answers: bool,
}

/// Name and parameters, by name.
pub(crate) const FUNCTIONS: [(&str, &str); 46] = [
    ("args_get", "ii"),
    ("args_sizes_get", "ii"),
    ("clock_res_get", "ii"),
    ("clock_time_get", "ili"),
    ("environ_get", "ii"),
    ("environ_sizes_get", "ii"),
    ("fd_advise", "illi"),
    ("fd_allocate", "ill"),
    ("fd_close", "i"),
    ("fd_datasync", "i"),
    ("fd_fdstat_get", "ii"),
    ("fd_fdstat_set_flags", "ii"),
    ("fd_fdstat_set_rights", "ill"),
    ("fd_filestat_get", "ii"),
    ("fd_filestat_set_size", "il"),
    ("fd_filestat_set_times", "illi"),
    ("fd_pread", "iiili"),
    ("fd_prestat_dir_name", "iii"),
    ("fd_prestat_get", "ii"),
    ("fd_pwrite", "iiili"),
    ("fd_read", "iiii"),
    ("fd_readdir", "iiili"),
    ("fd_renumber", "ii"),
    ("fd_seek", "ilii"),
    ("fd_sync", "i"),
    ("fd_tell", "ii"),
    ("fd_write", "iiii"),
    ("path_create_directory", "iii"),
    ("path_filestat_get", "iiiii"),
    ("path_filestat_set_times", "iiiilli"),
    ("path_link", "iiiiiii"),
    ("path_open", "iiiiillii"),
    ("path_readlink", "iiiiii"),
    ("path_remove_directory", "iii"),
    ("path_rename", "iiiiii"),
    ("path_symlink", "iiiii"),
    ("path_unlink_file", "iii"),
    ("poll_oneoff", "iiii"),
    ("proc_exit", "i"),
    ("proc_raise", "i"),
    ("random_get", "ii"),
    ("sched_yield", ""),
    ("sock_accept", "iii"),
    ("sock_recv", "iiiiii"),
    ("sock_send", "iiiii"),
    ("sock_shutdown", "ii"),
];

/// The signature of a WASI function, where there is one of that name.
pub(crate) fn of(name: &str) -> Option<Signature> {
    let at = FUNCTIONS.binary_search_by_key(&name, |(name, _)| name).ok()?;
    Some(Signature { params: FUNCTIONS[at].1, answers: name != "proc_exit" })
}

impl Signature {
    fn types(self) -> impl Iterator<Item = ValType> {
        self.params.chars().map(|c| if c == 'l' { ValType::I64 } else { ValType::I32 })
    }

    pub(crate) fn is(self, ty: &FuncType) -> bool {
        let results: &[ValType] = if self.answers { &[ValType::I32] } else { &[] };
        ty.params().iter().copied().eq(self.types()) && ty.results() == results
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let params: Vec<String> = self.types().map(|ty| ty.to_string()).collect();
        write!(f, "({}) -> ({})", params.join(" "), if self.answers { "i32" } else { "" })
    }
}
