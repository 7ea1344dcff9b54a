//! Makes programs for this sandbox of modules that are almost that: nothing of them is changed, something is added.
//!
//! Libraries of ITK's WebAssembly interface are started by two functions of theirs where a program has `_start`. Programs of
//! 2019 import `wasi_unstable`, which became preview 1 with a few changes: the words for where to seek from were put into
//! another order, and what is said of a file got a longer count of its links.
//!
//! Source: `typenames.witx` and the module of `snapshot_0` and of `snapshot_1` in the WASI description.

use anyhow::{Context as _, bail};
use std::collections::BTreeMap;
use std::convert::Infallible;
use wasm_encoder::reencode::{self, Reencode, utils};
use wasm_encoder::{
    BlockType, CodeSection, ExportKind, ExportSection, Function, FunctionSection, ImportSection, MemArg, Module,
    TypeSection, ValType,
};
use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

const PREVIEW_1: &str = "wasi_snapshot_preview1";
const PREVIEW_0: &str = "wasi_unstable";
/// The error number of what is not there.
const NOTSUP: i32 = 58;

type Failed = reencode::Error<Infallible>;

/// What a module has, as far as it matters here.
#[derive(Default)]
struct Found {
    types: u32,
    /// Name and type of each imported function.
    imports: Vec<(String, u32)>,
    /// How many functions it has, imported ones counted.
    functions: u32,
    exports: BTreeMap<String, u32>,
}

impl Found {
    fn of(module: &[u8]) -> anyhow::Result<Found> {
        let mut found = Found::default();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::TypeSection(section) => found.types = section.count(),
                Payload::FunctionSection(section) => found.functions = section.count(),
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        let TypeRef::Func(ty) = import.ty else { bail!("it imports what is no function") };
                        if import.module != PREVIEW_0 && import.module != PREVIEW_1 {
                            bail!("it imports from `{}`", import.module);
                        }
                        found.imports.push((import.name.to_owned(), ty));
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if export.kind == ExternalKind::Func {
                            found.exports.insert(export.name.to_owned(), export.index);
                        }
                    }
                }
                _ => {}
            }
        }
        found.functions += found.imports.len() as u32;
        Ok(found)
    }

    fn export(&self, name: &str) -> anyhow::Result<u32> {
        self.exports.get(name).copied().with_context(|| format!("it does not export `{name}`"))
    }
}

/// What is added to a module, behind all that it has.
#[derive(Default)]
struct Additions {
    /// What is called in place of an imported function.
    instead: BTreeMap<u32, u32>,
    /// Functions, with their types.
    functions: Vec<(u32, Function)>,
    /// `_start`, where it is one of them.
    start: Option<u32>,
}

impl Additions {
    fn apply(mut self, module: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut made = Module::new();
        utils::parse_core_module(&mut self, &mut made, Parser::new(0), module)
            .map_err(|error| anyhow::anyhow!("the module cannot be rewritten: {error}"))?;
        Ok(made.finish())
    }
}

/// A program of a library of ITK's. Errors: it is not one.
pub fn itk_program(library: &[u8]) -> anyhow::Result<Vec<u8>> {
    let found = Found::of(library)?;
    let mut start = Function::new([]);
    start.instructions().call(found.export("_initialize")?).call(found.export("itk_wasm_delayed_start")?);
    // Writes what is still in buffers, and ends with the code that the other one gave.
    start.instructions().call(found.export("itk_wasm_delayed_exit")?).end();
    let functions = vec![(found.types, start)];
    Additions { functions, start: Some(found.functions), ..Additions::default() }.apply(library)
}

/// A program for preview 1 of one for what came before it. Errors: it is not one.
pub fn preview_1_program(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    let found = Found::of(module)?;
    found.export("_start")?;
    let mut added = Additions::default();
    for (import, (name, ty)) in (0u32..).zip(&found.imports) {
        let function = match name.as_str() {
            "fd_seek" => seek(import),
            "fd_filestat_get" => filestat(import, 2),
            "path_filestat_get" => filestat(import, 5),
            // Programs wait for time with it; here no time passes that anybody had to wait for.
            "poll_oneoff" => {
                let mut refused = Function::new([]);
                refused.instructions().i32_const(NOTSUP).end();
                refused
            }
            _ => continue,
        };
        added.instead.insert(import, found.functions + added.functions.len() as u32);
        added.functions.push((*ty, function));
    }
    added.apply(module)
}

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

impl Reencode for Additions {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Failed> {
        Ok(*self.instead.get(&function).unwrap_or(&function))
    }

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: wasmparser::TypeSectionReader<'_>,
    ) -> Result<(), Failed> {
        utils::parse_type_section(self, types, section)?;
        // That of `_start`.
        types.ty().function([], []);
        Ok(())
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: wasmparser::ImportSectionReader<'_>,
    ) -> Result<(), Failed> {
        for import in section.into_imports() {
            let import = import?;
            imports.import(PREVIEW_1, import.name, self.entity_type(import.ty)?);
        }
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: wasmparser::FunctionSectionReader<'_>,
    ) -> Result<(), Failed> {
        utils::parse_function_section(self, functions, section)?;
        for (ty, _) in &self.functions {
            functions.function(*ty);
        }
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: wasmparser::ExportSectionReader<'_>,
    ) -> Result<(), Failed> {
        for export in section {
            let export = export?;
            if export.kind == ExternalKind::Memory || export.name == "_start" {
                utils::parse_export(self, exports, export)?;
            }
        }
        if let Some(start) = self.start {
            exports.export("_start", ExportKind::Func, start);
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: wasmparser::CodeSectionReader<'_>,
    ) -> Result<(), Failed> {
        utils::parse_code_section(self, code, section)?;
        for (_, function) in &self.functions {
            code.function(function);
        }
        Ok(())
    }

    fn parse_custom_section(&mut self, _: &mut Module, _: wasmparser::CustomSectionReader<'_>) -> Result<(), Failed> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_module_that_is_not_what_it_knows() {
        let empty = b"\0asm\x01\0\0\0";
        assert!(itk_program(empty).unwrap_err().to_string().contains("_initialize"));
        assert!(preview_1_program(empty).unwrap_err().to_string().contains("_start"));
        assert!(itk_program(b"no module").is_err() && preview_1_program(b"no module").is_err());
    }
}
