//! Makes programs for this sandbox of modules that are almost that: what they compute is not touched, something is added.
//!
//! A [`Conversion`] says what becomes of the functions that a module imports, and how its `_start` is made where it has
//! none. One is there for each kind of module: [`itk::LIBRARY`], [`ruby::LIBRARY`], [`preview_0::PROGRAM`].

pub mod itk;
pub mod preview_0;
pub mod ruby;

use anyhow::{Context as _, bail};
use std::collections::BTreeMap;
use std::convert::Infallible;
use wasm_encoder::reencode::{self, Reencode, utils};
use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection, Module, TypeSection,
    ValType,
};
use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

/// What programs here import from.
const PREVIEW_1: &str = "wasi_snapshot_preview1";

type Failed = reencode::Error<Infallible>;

/// How one kind of module becomes a program.
pub struct Conversion {
    /// What becomes of an imported function, which has this number if it stays. Errors: this kind of module has no such.
    import: fn(&Import, u32) -> anyhow::Result<Fate>,
    /// Functions of preview 1 that are imported besides: two numbers to an error number.
    besides: &'static [&'static str],
    /// What makes `_start`; `None` where the module has it. Errors: what it calls is not there.
    start: Option<fn(&Places) -> anyhow::Result<Function>>,
}

/// An imported function.
struct Import {
    module: String,
    name: String,
    ty: u32,
}

/// What becomes of an imported function.
enum Fate {
    /// It is imported from preview 1.
    Kept,
    /// The same, and what the module calls in its place is this, which may call it.
    Wrapped(Function),
    /// It is not imported, and this is called in its place.
    Replaced(Function),
}

/// Where functions are in the program.
///
/// Imports that stay come first, then those besides, then the module's own, then what is added: the functions in place of
/// imported ones in the order of those, and `_start`.
struct Places {
    /// What is called for each imported function of the module.
    imported: Vec<u32>,
    /// The first of those imported besides.
    besides: u32,
    /// How much further the module's own are, or how much less far.
    shift: i64,
    exports: BTreeMap<String, u32>,
}

impl Places {
    fn of(&self, function: u32) -> u32 {
        match self.imported.get(function as usize) {
            Some(place) => *place,
            None => (i64::from(function) + self.shift) as u32,
        }
    }

    fn export(&self, name: &str) -> anyhow::Result<u32> {
        let function = self.exports.get(name).with_context(|| format!("it does not export `{name}`"))?;
        Ok(self.of(*function))
    }
}

/// What a module has, as far as it matters here.
#[derive(Default)]
struct Found {
    types: u32,
    imports: Vec<Import>,
    /// How many functions are its own.
    defined: u32,
    exports: BTreeMap<String, u32>,
}

impl Found {
    fn of(module: &[u8]) -> anyhow::Result<Found> {
        let mut found = Found::default();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::TypeSection(section) => found.types = section.count(),
                Payload::FunctionSection(section) => found.defined = section.count(),
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        let TypeRef::Func(ty) = import.ty else { bail!("it imports what is no function") };
                        let (module, name) = (import.module.to_owned(), import.name.to_owned());
                        found.imports.push(Import { module, name, ty });
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
        Ok(found)
    }
}

impl Conversion {
    /// The program. Errors: the module is not of this kind.
    pub fn program(&self, module: &[u8]) -> anyhow::Result<Vec<u8>> {
        let found = Found::of(module)?;
        let mut fates = Vec::new();
        let mut kept = 0;
        for import in &found.imports {
            let fate = (self.import)(import, kept)?;
            kept += u32::from(!matches!(fate, Fate::Replaced(_)));
            fates.push(fate);
        }
        let own = kept + self.besides.len() as u32;
        let (mut next, mut added) = (0, own + found.defined);
        let mut places = Places {
            imported: Vec::new(),
            besides: kept,
            shift: i64::from(own) - found.imports.len() as i64,
            exports: found.exports,
        };
        let (mut stays, mut functions) = (Vec::new(), Vec::new());
        for (fate, import) in fates.into_iter().zip(&found.imports) {
            let is_kept = !matches!(fate, Fate::Replaced(_));
            places.imported.push(match fate {
                Fate::Kept => next,
                Fate::Wrapped(function) | Fate::Replaced(function) => {
                    functions.push((import.ty, function));
                    added += 1;
                    added - 1
                }
            });
            next += u32::from(is_kept);
            stays.push(is_kept);
        }
        let mut start = None;
        match self.start {
            Some(make) => {
                functions.push((found.types, make(&places)?));
                start = Some(added);
            }
            None => drop(places.export("_start")?),
        }
        let mut made = Module::new();
        utils::parse_core_module(
            &mut Rewrite { places, stays, besides: self.besides, besides_type: found.types + 1, functions, start },
            &mut made,
            Parser::new(0),
            module,
        )
        .map_err(|error| anyhow::anyhow!("the module cannot be rewritten: {error}"))?;
        Ok(made.finish())
    }
}

/// Writes the module anew, with the additions behind what it has.
struct Rewrite {
    places: Places,
    /// Whether each imported function stays one.
    stays: Vec<bool>,
    besides: &'static [&'static str],
    besides_type: u32,
    /// Functions that are added, with their types.
    functions: Vec<(u32, Function)>,
    /// `_start`, where it is one of them.
    start: Option<u32>,
}

impl Reencode for Rewrite {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Failed> {
        Ok(self.places.of(function))
    }

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: wasmparser::TypeSectionReader<'_>,
    ) -> Result<(), Failed> {
        utils::parse_type_section(self, types, section)?;
        // That of `_start`.
        types.ty().function([], []);
        if !self.besides.is_empty() {
            types.ty().function([ValType::I32, ValType::I32], [ValType::I32]);
        }
        Ok(())
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: wasmparser::ImportSectionReader<'_>,
    ) -> Result<(), Failed> {
        for (import, stays) in section.into_imports().zip(std::mem::take(&mut self.stays)) {
            let import = import?;
            if stays {
                imports.import(PREVIEW_1, import.name, self.entity_type(import.ty)?);
            }
        }
        for name in self.besides {
            imports.import(PREVIEW_1, name, EntityType::Function(self.besides_type));
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
        // Nothing else is called from outside any more.
        for export in section {
            let export = export?;
            let starts = export.name == "_start" && self.start.is_none();
            if export.kind == ExternalKind::Memory || starts {
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
        // Names of functions by their old numbers would be wrong.
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_module_that_is_not_what_it_knows() {
        let empty = b"\0asm\x01\0\0\0";
        for (conversion, wants) in
            [(&itk::LIBRARY, "_initialize"), (&preview_0::PROGRAM, "_start"), (&ruby::LIBRARY, "cabi_realloc")]
        {
            assert_eq!(conversion.program(empty).unwrap_err().to_string(), format!("it does not export `{wants}`"));
            assert!(conversion.program(b"no module").is_err());
        }
        let mut types = TypeSection::new();
        types.ty().function([], []);
        let mut imports = ImportSection::new();
        imports.import("env", "f", EntityType::Function(0));
        let mut foreign = Module::new();
        let foreign = foreign.section(&types).section(&imports).clone().finish();
        for conversion in [&itk::LIBRARY, &preview_0::PROGRAM] {
            assert_eq!(conversion.program(&foreign).unwrap_err().to_string(), "it imports `f` from `env`");
        }
    }
}
