//! Programs of 2019, which import `wasi_unstable`. It became preview 1 with a few changes: the words for where to seek from
//! were put into another order, and what is said of a file got a longer count of its links.
//!
//! Source: `typenames.witx` and the module of `snapshot_0` and of `snapshot_1` in the WASI description.

use super::{Conversion, Fate};
use anyhow::bail;
use wasm_encoder::{BlockType, Function, MemArg, ValType};

const PREVIEW_0: &str = "wasi_unstable";
/// The error number of what is not there.
const NOTSUP: i32 = 58;

/// A program for what came before preview 1.
pub const PROGRAM: Conversion = Conversion {
    import: |import, number| {
        if import.module != PREVIEW_0 {
            bail!("it imports `{}` from `{}`", import.name, import.module);
        }
        Ok(match import.name.as_str() {
            "fd_seek" => Fate::Wrapped(seek(number)),
            "fd_filestat_get" => Fate::Wrapped(filestat(number, 2)),
            "path_filestat_get" => Fate::Wrapped(filestat(number, 5)),
            // Programs wait for time with it; here no time passes that anybody had to wait for.
            "poll_oneoff" => {
                let mut refused = Function::new([]);
                refused.instructions().i32_const(NOTSUP).end();
                Fate::Wrapped(refused)
            }
            _ => Fate::Kept,
        })
    },
    besides: &[],
    start: None,
};

/// From the current place, the end, the start (0, 1, 2) to start, current place, end.
fn seek(import: u32) -> Function {
    let mut function = Function::new([]);
    let mut code = function.instructions();
    code.local_get(0).local_get(1);
    code.local_get(2).i32_const(1).i32_add().i32_const(3).i32_rem_u();
    code.local_get(2).local_get(2).i32_const(3).i32_lt_u().select();
    code.local_get(3).call(import).end();
    function
}

/// What is said of a file, whose address is the last of so many parameters: the count of links at 24 in eight bytes goes to
/// 20 in four, what follows moves up, and the last eight bytes are as they were, since the program gave 56 and not 64.
fn filestat(import: u32, parameters: u32) -> Function {
    let (at, kept, errno) = (parameters - 1, parameters, parameters + 1);
    let word = |offset: u64| MemArg { offset, align: 2, memory_index: 0 };
    let long = |offset: u64| MemArg { offset, align: 3, memory_index: 0 };
    let mut function = Function::new([(1, ValType::I64), (1, ValType::I32)]);
    let mut code = function.instructions();
    code.local_get(at).i64_load(long(56)).local_set(kept);
    for parameter in 0..parameters {
        code.local_get(parameter);
    }
    code.call(import).local_tee(errno).i32_eqz().if_(BlockType::Empty);
    code.local_get(at).local_get(at).i32_load(word(24)).i32_store(word(20));
    for place in [24, 32, 40, 48] {
        code.local_get(at).local_get(at).i64_load(long(place + 8)).i64_store(long(place));
    }
    code.end();
    code.local_get(at).local_get(kept).i64_store(long(56));
    code.local_get(errno).end();
    function
}
