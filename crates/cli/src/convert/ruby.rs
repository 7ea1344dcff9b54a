//! Makes a program of Ruby's npm package, which holds a library for a JavaScript host.
//!
//! The package's module is Ruby with its standard library, built for WASI preview 1. It exports functions that start
//! Ruby and run code in place of `_start`, and imports functions that let Ruby call JavaScript. Here the imports become
//! functions that trap, which no script without `require "js"` calls, and a `_start` is added that starts Ruby, hands it
//! the program's arguments, and runs the script that is the first of them.
//!
//! Source: the canonical ABI that the package's own `dist/index.umd.js` speaks: a text is an address and a length in
//! memory from `cabi_realloc`, a list of texts an array of such pairs, and each text ends with a NUL that is counted.

use anyhow::{Context as _, bail};
use std::collections::BTreeMap;
use std::convert::Infallible;
use wasm_encoder::reencode::{self, Reencode, utils};
use wasm_encoder::{
    CodeSection, ExportKind, ExportSection, Function, FunctionSection, ImportSection, InstructionSink, MemArg, Module,
    TypeSection, ValType,
};
use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

const WASI: &str = "wasi_snapshot_preview1";
const INIT: &str = "ruby-init: func(args: list<string>) -> ()";
const EVAL: &str = "rb-eval-string-protect: func(str: string) -> tuple<handle<rb-abi-value>, s32>";
/// What Ruby is started with, before the program's arguments: its name, UTF-8 for all, and a script that does nothing.
const ARGS: [&str; 3] = ["ruby\0", "-EUTF-8\0", "-e_=0\0"];
/// Runs the script as `ruby SCRIPT` does, and ends the program with its exit code.
const RUN: &str = "$0 = ARGV.shift\nbegin\n  load $0\n  code = 0\nrescue SystemExit => e\n  code = e.status\nrescue Exception => e\n  \
                   STDERR.puts e.full_message(highlight: false)\n  code = 1\nend\nSTDOUT.flush\nexit!(code)\n\0";

type Failed = reencode::Error<Infallible>;

/// Where the library's functions are in the module that is made.
struct Conversion {
    /// New numbers of the imported functions, by their old.
    imported: Vec<u32>,
    /// How much further the others are, or how much less far.
    shift: i64,
    /// The imports that are left out: their types, and whether they give back what they get.
    left_out: Vec<(u32, bool)>,
    /// Types of the program's own functions: `() -> ()` and `(i32, i32) -> i32`.
    types: [u32; 2],
    /// Functions that `_start` calls.
    args_sizes_get: u32,
    args_get: u32,
    realloc: u32,
    initialize: u32,
    init: u32,
    eval: u32,
    start: u32,
}

/// The program. Errors: the module is not the library that this knows.
pub fn ruby_program(library: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut conversion = Conversion::of(library)?;
    let mut module = Module::new();
    utils::parse_core_module(&mut conversion, &mut module, Parser::new(0), library)
        .map_err(|error| anyhow::anyhow!("the module cannot be rewritten: {error}"))?;
    Ok(module.finish())
}

impl Conversion {
    fn of(library: &[u8]) -> anyhow::Result<Conversion> {
        let (mut types, mut defined) = (0, 0);
        let mut imports: Vec<(bool, bool, u32)> = Vec::new();
        let mut exports = BTreeMap::new();
        for payload in Parser::new(0).parse_all(library) {
            match payload? {
                Payload::TypeSection(section) => types = section.count(),
                Payload::FunctionSection(section) => defined = section.count(),
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        let TypeRef::Func(ty) = import.ty else { bail!("it imports what is no function") };
                        // A handle of this ABI stands for the object at its address: there is nothing to keep a table for.
                        let same = import.module == "canonical_abi" && !import.name.contains("drop");
                        imports.push((import.module == WASI, same, ty));
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if export.kind == ExternalKind::Func {
                            exports.insert(export.name.to_owned(), export.index);
                        }
                    }
                }
                _ => {}
            }
        }
        let kept = imports.iter().filter(|(kept, _, _)| *kept).count() as u32;
        // After the imports that stay, two more for the arguments.
        let first = kept + 2;
        let (mut next, mut stub) = (0, first + defined);
        let imported = imports.iter().map(|(kept, _, _)| {
            let next = if *kept { &mut next } else { &mut stub };
            *next += 1;
            *next - 1
        });
        let imported: Vec<u32> = imported.collect();
        let shift = i64::from(first) - imports.len() as i64;
        let place = |name: &str| {
            let old = exports.get(name).with_context(|| format!("it does not export `{name}`"))?;
            anyhow::Ok((i64::from(*old) + shift) as u32)
        };
        Ok(Conversion {
            shift,
            left_out: imports.iter().filter(|(kept, _, _)| !kept).map(|(_, same, ty)| (*ty, *same)).collect(),
            types: [types, types + 1],
            args_sizes_get: kept,
            args_get: kept + 1,
            realloc: place("cabi_realloc")?,
            initialize: place("_initialize")?,
            init: place(INIT)?,
            eval: place(EVAL)?,
            start: stub,
            imported,
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
    fn start_function(&self) -> Function {
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

impl Reencode for Conversion {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Failed> {
        Ok(match self.imported.get(function as usize) {
            Some(place) => *place,
            None => (i64::from(function) + self.shift) as u32,
        })
    }

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: wasmparser::TypeSectionReader<'_>,
    ) -> Result<(), Failed> {
        utils::parse_type_section(self, types, section)?;
        types.ty().function([], []);
        types.ty().function([ValType::I32, ValType::I32], [ValType::I32]);
        Ok(())
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: wasmparser::ImportSectionReader<'_>,
    ) -> Result<(), Failed> {
        for import in section.into_imports() {
            let import = import?;
            if import.module == WASI {
                imports.import(import.module, import.name, self.entity_type(import.ty)?);
            }
        }
        for name in ["args_sizes_get", "args_get"] {
            imports.import(WASI, name, wasm_encoder::EntityType::Function(self.types[1]));
        }
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: wasmparser::FunctionSectionReader<'_>,
    ) -> Result<(), Failed> {
        utils::parse_function_section(self, functions, section)?;
        for (ty, _) in &self.left_out {
            functions.function(*ty);
        }
        functions.function(self.types[0]);
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: wasmparser::ExportSectionReader<'_>,
    ) -> Result<(), Failed> {
        // Nothing else is called from outside any more.
        for export in section {
            let export = export?;
            if export.kind == ExternalKind::Memory {
                exports.export(export.name, ExportKind::Memory, export.index);
            }
        }
        exports.export("_start", ExportKind::Func, self.start);
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: wasmparser::CodeSectionReader<'_>,
    ) -> Result<(), Failed> {
        utils::parse_code_section(self, code, section)?;
        for (_, same) in &self.left_out {
            let mut stub = Function::new([]);
            if *same {
                stub.instructions().local_get(0).end();
            } else {
                stub.instructions().unreachable().end();
            }
            code.function(&stub);
        }
        code.function(&self.start_function());
        Ok(())
    }

    fn parse_custom_section(&mut self, _: &mut Module, _: wasmparser::CustomSectionReader<'_>) -> Result<(), Failed> {
        // Names of functions by their old numbers would be wrong.
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_module_that_is_not_the_library() {
        assert!(ruby_program(b"\0asm\x01\0\0\0").unwrap_err().to_string().contains("cabi_realloc"));
        assert!(ruby_program(b"no module").is_err());
    }
}
