//! Ruby's npm package, which holds a library for a JavaScript host.
//!
//! The package's module is Ruby with its standard library, built for WASI preview 1. It exports functions that start
//! Ruby and run code in place of `_start`, and imports functions that let Ruby call JavaScript. Here the imports become
//! functions that trap, which no script without `require "js"` calls, and a `_start` is added that starts Ruby, hands it
//! the program's arguments, and runs the script that is the first of them.
//!
//! Source: the canonical ABI that the package's own `dist/index.umd.js` speaks: a text is an address and a length in
//! memory from `cabi_realloc`, a list of texts an array of such pairs, and each text ends with a NUL that is counted.

use super::{Conversion, Fate, PREVIEW_1, Places};
use wasm_encoder::{Function, InstructionSink, MemArg, ValType};

const INIT: &str = "ruby-init: func(args: list<string>) -> ()";
const EVAL: &str = "rb-eval-string-protect: func(str: string) -> tuple<handle<rb-abi-value>, s32>";
/// What Ruby is started with, before the program's arguments: its name, UTF-8 for all, and a script that does nothing.
const ARGS: [&str; 3] = ["ruby\0", "-EUTF-8\0", "-e_=0\0"];
/// Runs the script as `ruby SCRIPT` does, and ends the program with its exit code.
const RUN: &str = "$0 = ARGV.shift\nbegin\n  load $0\n  code = 0\nrescue SystemExit => e\n  code = e.status\nrescue Exception => e\n  \
                   STDERR.puts e.full_message(highlight: false)\n  code = 1\nend\nSTDOUT.flush\nexit!(code)\n\0";

/// The library, for preview 1 and the package's JavaScript.
pub const LIBRARY: Conversion = Conversion {
    import: |import, _| {
        if import.module == PREVIEW_1 {
            return Ok(Fate::Kept);
        }
        let mut stub = Function::new([]);
        // A handle of this ABI stands for the object at its address: there is nothing to keep a table for.
        if import.module == "canonical_abi" && !import.name.contains("drop") {
            stub.instructions().local_get(0).end();
        } else {
            stub.instructions().unreachable().end();
        }
        Ok(Fate::Replaced(stub))
    },
    besides: &["args_sizes_get", "args_get"],
    start: Some(|places| Ok(Start::of(places)?.function())),
};

/// The functions that `_start` calls.
struct Start {
    args_sizes_get: u32,
    args_get: u32,
    realloc: u32,
    initialize: u32,
    init: u32,
    eval: u32,
}

impl Start {
    fn of(places: &Places) -> anyhow::Result<Start> {
        Ok(Start {
            args_sizes_get: places.besides,
            args_get: places.besides + 1,
            realloc: places.export("cabi_realloc")?,
            initialize: places.export("_initialize")?,
            init: places.export(INIT)?,
            eval: places.export(EVAL)?,
        })
    }

    /// Puts a text into memory of its own; its address is left in a local.
    fn text(&self, code: &mut InstructionSink<'_>, text: &str, address: u32) {
        let bytes = text.as_bytes();
        code.i32_const(0).i32_const(0).i32_const(1).i32_const(bytes.len() as i32);
        code.call(self.realloc).local_set(address);
        for (at, byte) in bytes.iter().enumerate() {
            let place = MemArg { offset: at as u64, align: 0, memory_index: 0 };
            code.local_get(address).i32_const((*byte).into()).i32_store8(place);
        }
    }

    /// `_start`. Locals: 0 the number of arguments, 1 their table, 2 Ruby's list, 3 a text, 4 a counter, 5 a length.
    fn function(&self) -> Function {
        let word = |offset: u64| MemArg { offset, align: 2, memory_index: 0 };
        let mut function = Function::new([(6, ValType::I32)]);
        let mut code = function.instructions();
        code.call(self.initialize);
        // How many arguments there are, and of how many bytes, in eight bytes of memory.
        code.i32_const(0).i32_const(0).i32_const(4).i32_const(8).call(self.realloc).local_set(3);
        code.local_get(3).local_get(3).i32_const(4).i32_add().call(self.args_sizes_get).drop();
        code.local_get(3).i32_load(word(0)).local_set(0);
        // The table of their addresses, with one more: where the last one ends.
        code.i32_const(0).i32_const(0).i32_const(4).local_get(0).i32_const(1).i32_add().i32_const(4).i32_mul();
        code.call(self.realloc).local_set(1);
        code.local_get(3).i32_load(word(4)).local_set(5);
        code.i32_const(0).i32_const(0).i32_const(1).local_get(5).call(self.realloc).local_set(3);
        code.local_get(1).local_get(3).call(self.args_get).drop();
        code.local_get(1).local_get(0).i32_const(4).i32_mul().i32_add();
        code.local_get(3).local_get(5).i32_add().i32_store(word(0));
        // Ruby's list: what it is started with, and the arguments but the program's name.
        code.i32_const(0).i32_const(0).i32_const(4);
        code.local_get(0).i32_const(ARGS.len() as i32 - 1).i32_add().i32_const(8).i32_mul();
        code.call(self.realloc).local_set(2);
        for (place, arg) in (0u64..).zip(ARGS) {
            self.text(&mut code, arg, 3);
            code.local_get(2).local_get(3).i32_store(word(place * 8));
            code.local_get(2).i32_const(arg.len() as i32).i32_store(word(place * 8 + 4));
        }
        code.i32_const(1).local_set(4);
        code.block(wasm_encoder::BlockType::Empty).loop_(wasm_encoder::BlockType::Empty);
        code.local_get(4).local_get(0).i32_ge_u().br_if(1);
        // From the argument's address to the next one's: its bytes with the NUL.
        let entry = |code: &mut InstructionSink<'_>| {
            code.local_get(1).local_get(4).i32_const(4).i32_mul().i32_add();
        };
        entry(&mut code);
        code.i32_load(word(4));
        entry(&mut code);
        code.i32_load(word(0)).i32_sub().local_set(5);
        code.i32_const(0).i32_const(0).i32_const(1).local_get(5).call(self.realloc).local_set(3);
        code.local_get(3);
        entry(&mut code);
        code.i32_load(word(0)).local_get(5).memory_copy(0, 0);
        let item = |code: &mut InstructionSink<'_>| {
            let before = ARGS.len() as i32 - 1;
            code.local_get(2).local_get(4).i32_const(before).i32_add().i32_const(8).i32_mul().i32_add();
        };
        item(&mut code);
        code.local_get(3).i32_store(word(0));
        item(&mut code);
        code.local_get(5).i32_store(word(4));
        code.local_get(4).i32_const(1).i32_add().local_set(4).br(0).end().end();
        code.local_get(2).local_get(0).i32_const(ARGS.len() as i32 - 1).i32_add().call(self.init);
        self.text(&mut code, RUN, 3);
        code.local_get(3).i32_const(RUN.len() as i32).call(self.eval).drop();
        // The script's code ends the program itself; here it has not even been read.
        code.unreachable().end();
        function
    }
}
