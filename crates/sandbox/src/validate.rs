//! Decides which modules may run, before the compiler sees a byte of them.
//!
//! The answer follows from the bytes and from [`crate::profile`] alone, so it is the same on every machine. A module
//! that passes leaves with the bound on its calls built in: see [`crate::stack`].

use crate::outcome::{ModuleFault, ModulePlace};
use crate::profile::{
    BR_TABLE_MAX, COMPLEXITY_FREE_PER_BYTE, COMPLEXITY_LOCALS, COMPLEXITY_MAX, FEATURES, LOCALS_MAX, LOOPS_NESTED_MAX,
    MODULE_MAX, RESERVED_PREFIX, TABLE_ELEMENTS_MAX, TABLES_MAX, counts,
};
use crate::signatures::{self, WASI_MODULE};
use crate::stack::{BodyRewriter, Rewriter};
use golem_protocol::ByteCount;
use wasmparser::{
    ExternalKind, FuncToValidate, FuncType, FuncValidatorAllocations, FunctionBody, Operator, Parser, Payload,
    SectionLimited, TypeRef, ValidPayload, Validator, ValidatorResources, WasmFeatures, WasmModuleResources,
};

/// What a module may not use: the name of the proposal, the switch that stands for it, and what to do instead.
const REFUSED: [(&str, WasmFeatures, &str); 14] = [
    ("threads and atomics", WasmFeatures::THREADS, "build without threads (no `-pthread`, no `+atomics`)"),
    ("64-bit memory (memory64)", WasmFeatures::MEMORY64, "build for wasm32"),
    ("several memories (multi-memory)", WasmFeatures::MULTI_MEMORY, "keep everything in one memory"),
    ("references to host objects (externref)", WasmFeatures::GC_TYPES, "use indices instead of references"),
    (
        "exceptions",
        WasmFeatures::EXCEPTIONS.union(WasmFeatures::LEGACY_EXCEPTIONS).union(WasmFeatures::GC_TYPES),
        "build with `-fno-exceptions`, or without setjmp and longjmp",
    ),
    (
        "typed function references",
        WasmFeatures::FUNCTION_REFERENCES.union(WasmFeatures::GC_TYPES),
        "build for plain function tables",
    ),
    (
        "garbage collection",
        WasmFeatures::GC.union(WasmFeatures::FUNCTION_REFERENCES).union(WasmFeatures::GC_TYPES),
        "compile to linear memory",
    ),
    (
        "stack switching",
        WasmFeatures::STACK_SWITCHING
            .union(WasmFeatures::EXCEPTIONS)
            .union(WasmFeatures::FUNCTION_REFERENCES)
            .union(WasmFeatures::GC_TYPES),
        "build without coroutines",
    ),
    ("relaxed SIMD", WasmFeatures::RELAXED_SIMD, "build without `+relaxed-simd`; SIMD itself is there"),
    ("custom page sizes", WasmFeatures::CUSTOM_PAGE_SIZES, "use pages of 64 KiB"),
    ("wide arithmetic", WasmFeatures::WIDE_ARITHMETIC, "build without `+wide-arithmetic`"),
    ("memory control", WasmFeatures::MEMORY_CONTROL, "build without `memory.discard`"),
    (
        "shared-everything threads",
        WasmFeatures::SHARED_EVERYTHING_THREADS.union(WasmFeatures::THREADS),
        "build without threads",
    ),
    ("compact imports", WasmFeatures::COMPACT_IMPORTS, "write one entry for each import"),
];

/// Checks a module and bounds its calls. What it gives is for the compiler only; the module's name stays the digest
/// of what was passed in.
///
/// Errors: the first thing that is wrong, with its place.
pub(crate) fn admit(bytes: &[u8]) -> Result<Vec<u8>, ModuleFault> {
    check_preamble(bytes)?;
    let check = Check::of(bytes)?;
    let missing = |export: &str| Err(ModuleFault::MissingExport { export: export.to_owned() });
    match (check.has_start, check.has_memory) {
        (false, _) => missing("_start"),
        (_, false) => missing("memory"),
        (true, true) => Ok(check.rewriter.finish()),
    }
}

/// Refuses what is too large, no module at all, or a component.
pub(crate) fn check_preamble(bytes: &[u8]) -> Result<(), ModuleFault> {
    let size = bytes.len() as u64;
    if size > MODULE_MAX.0 {
        return Err(ModuleFault::TooLarge { size: ByteCount::from_bytes(size), size_max: MODULE_MAX });
    }
    if !bytes.starts_with(b"\0asm") {
        let reason =
            "it does not begin with the bytes 00 61 73 6d, as every program built for WASI preview 1 does".to_owned();
        return Err(ModuleFault::Invalid { reason, place: ModulePlace { offset: 0, function: None } });
    }
    // The preamble of a component: the same magic as a module, then a layer of 1.
    if bytes.get(6..8) == Some(&[1, 0]) {
        return Err(ModuleFault::Component);
    }
    Ok(())
}

/// As [`admit`], of a module that need not be a program but exports something.
#[cfg(test)]
pub(crate) fn admit_library(bytes: &[u8]) -> Result<Vec<u8>, ModuleFault> {
    Ok(Check::of(bytes)?.rewriter.finish())
}

struct Check<'a> {
    bytes: &'a [u8],
    validator: Validator,
    allocations: FuncValidatorAllocations,
    rewriter: Rewriter<'a>,
    imported: u32,
    /// The function that is being read.
    function: Option<u32>,
    /// See [`Check::simple_enough`].
    complexity: u64,
    has_memory: bool,
    has_start: bool,
}

impl<'a> Check<'a> {
    fn of(bytes: &'a [u8]) -> Result<Check<'a>, ModuleFault> {
        let mut check = Check {
            bytes,
            validator: Validator::new_with_features(FEATURES),
            allocations: FuncValidatorAllocations::default(),
            rewriter: Rewriter::new(bytes),
            imported: 0,
            function: None,
            complexity: 0,
            has_memory: false,
            has_start: false,
        };
        let mut parser = Parser::new(0);
        parser.set_features(FEATURES);
        for payload in parser.parse_all(bytes) {
            let payload = payload.map_err(|error| check.fault(&error))?;
            check.payload(payload)?;
        }
        Ok(check)
    }

    fn payload(&mut self, payload: Payload<'a>) -> Result<(), ModuleFault> {
        self.count(&payload)?;
        if let Payload::ImportSection(imports) = &payload {
            self.imports(imports)?;
        }
        match self.validator.payload(&payload).map_err(|error| self.fault(&error))? {
            ValidPayload::Func(function, body) => self.body(function, &body)?,
            ValidPayload::Ok | ValidPayload::Parser(_) | ValidPayload::End(_) => {}
        }
        match &payload {
            Payload::TableSection(tables) => self.tables(tables)?,
            Payload::ExportSection(exports) => self.exports(exports)?,
            _ => {}
        }
        self.rewriter.section(&payload);
        Ok(())
    }

    /// Refuses more of anything than [`counts`] allows, before it is read.
    fn count(&self, payload: &Payload<'_>) -> Result<(), ModuleFault> {
        let (what, got, max, at) = match payload {
            Payload::TypeSection(s) => ("types", s.count(), counts::TYPES, s.range().start),
            Payload::ImportSection(s) => ("imports", s.count(), counts::IMPORTS, s.range().start),
            Payload::FunctionSection(s) => ("functions", s.count(), counts::FUNCTIONS, s.range().start),
            Payload::TableSection(s) => ("tables", s.count(), TABLES_MAX, s.range().start),
            Payload::GlobalSection(s) => ("globals", s.count(), counts::GLOBALS, s.range().start),
            Payload::ExportSection(s) => ("exports", s.count(), counts::EXPORTS, s.range().start),
            Payload::ElementSection(s) => ("element segments", s.count(), counts::ELEMENTS, s.range().start),
            Payload::DataSection(s) => ("data segments", s.count(), counts::DATA, s.range().start),
            _ => return Ok(()),
        };
        self.at_most(what, got.into(), max.into(), at)
    }

    fn at_most(&self, what: &str, got: u64, max: u64, at: usize) -> Result<(), ModuleFault> {
        if got > max {
            let place = self.place(at);
            return Err(ModuleFault::TooManyResources { what: what.to_owned(), got, max, place });
        }
        Ok(())
    }

    fn imports(&mut self, imports: &SectionLimited<'a, wasmparser::Imports<'a>>) -> Result<(), ModuleFault> {
        for import in imports.clone().into_imports() {
            let import = import.map_err(|error| self.fault(&error))?;
            let missing =
                || ModuleFault::MissingImport { module: import.module.to_owned(), name: import.name.to_owned() };
            let TypeRef::Func(_) = import.ty else { return Err(missing()) };
            if import.module != WASI_MODULE || signatures::of(import.name).is_none() {
                return Err(missing());
            }
            self.imported += 1;
        }
        self.import_types(imports)
    }

    /// Holds each import to the type that WASI gives it. The types are those of the section before.
    fn import_types(&mut self, imports: &SectionLimited<'a, wasmparser::Imports<'a>>) -> Result<(), ModuleFault> {
        let Some(types) = self.validator.types(0) else { return Ok(()) };
        for import in imports.clone().into_imports().flatten() {
            let TypeRef::Func(index) = import.ty else { continue };
            // An index beyond the types is the validator's to refuse, right after this.
            if index >= types.core_type_count_in_module() {
                continue;
            }
            let ty = types[types.core_type_at_in_module(index)].unwrap_func();
            let want = signatures::of(import.name);
            if want.is_some_and(|want| !want.is(ty)) {
                let (name, got) = (import.name.to_owned(), signature(ty));
                let want = want.map(|want| want.to_string()).unwrap_or_default();
                return Err(ModuleFault::ImportType { name, got, want });
            }
        }
        Ok(())
    }

    fn tables(&self, tables: &wasmparser::TableSectionReader<'a>) -> Result<(), ModuleFault> {
        let at = tables.range().start;
        let declared = tables.clone().into_iter().flatten().map(|table| table.ty.initial);
        let total = declared.fold(0u64, u64::saturating_add);
        self.at_most("table elements", total, TABLE_ELEMENTS_MAX.into(), at)
    }

    fn exports(&mut self, exports: &wasmparser::ExportSectionReader<'a>) -> Result<(), ModuleFault> {
        for export in exports.clone().into_iter().flatten() {
            if export.name.starts_with(RESERVED_PREFIX) {
                let reason = format!("it exports `{}`, and names like that are the sandbox's own", export.name);
                return Err(ModuleFault::Invalid { reason, place: self.place(exports.range().start) });
            }
            match (export.name, export.kind) {
                ("memory", ExternalKind::Memory) => self.has_memory = true,
                ("_start", ExternalKind::Func) => {
                    let ty = self.validator.types(0).and_then(|types| {
                        let id = types.core_function_at(export.index);
                        Some(types.get(id)?.unwrap_func().clone())
                    });
                    self.has_start = ty.is_some_and(|ty| ty.params().is_empty() && ty.results().is_empty());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn body(
        &mut self,
        function: FuncToValidate<ValidatorResources>,
        body: &FunctionBody<'a>,
    ) -> Result<(), ModuleFault> {
        self.function = Some(function.index);
        let ty = function.resources.sub_type_at(function.ty).map(|ty| ty.unwrap_func().clone());
        self.locals(body)?;
        let allocations = std::mem::take(&mut self.allocations);
        let mut validator = function.into_validator(allocations);
        let mut reader = body.get_binary_reader();
        validator.read_locals(&mut reader).map_err(|error| self.fault(&error))?;
        let locals = validator.len_locals();
        reader.set_features(FEATURES);
        let mut shape = Shape::default();
        let mut rewriter = BodyRewriter::new(body, reader.original_position(), self.imported);
        while !reader.eof() {
            let at = reader.original_position();
            let operator = reader.peek_operator(&validator.visitor(at)).map_err(|error| self.fault(&error))?;
            let nesting = validator.control_stack_height();
            reader
                .visit_operator(&mut validator.visitor(at))
                .and_then(|checked| checked)
                .map_err(|error| self.fault(&error))?;
            if let Operator::BrTable { targets } = &operator {
                self.at_most("targets in one br_table", targets.len().into(), BR_TABLE_MAX.into(), at)?;
            }
            shape.step(&operator, &validator);
            self.at_most("loops within each other", shape.loops_nested.into(), LOOPS_NESTED_MAX.into(), at)?;
            self.simple_enough(&shape, locals, body)?;
            rewriter.step(&operator, at, nesting);
        }
        let end = reader.original_position();
        reader.finish_expression(&validator.visitor(end)).map_err(|error| self.fault(&error))?;
        self.allocations = validator.into_allocations();
        self.complexity = self.simple_enough(&shape, locals, body)?;
        let results = ty.as_ref().map(FuncType::results).unwrap_or_default();
        self.rewriter.body(rewriter, results, u64::from(locals) + u64::from(shape.height_max));
        self.function = None;
        Ok(())
    }

    fn locals(&self, body: &FunctionBody<'a>) -> Result<(), ModuleFault> {
        // What cannot be read here is the validator's to refuse, right after this.
        let Ok(locals) = body.get_locals_reader() else { return Ok(()) };
        let total = locals.into_iter().flatten().map(|(count, _)| u64::from(count)).fold(0, u64::saturating_add);
        self.at_most("locals in one function", total, LOCALS_MAX.into(), body.range().start)
    }

    /// What compiling costs beyond what every byte costs, of all functions up to this one.
    fn simple_enough(&self, shape: &Shape, locals: u32, body: &FunctionBody<'a>) -> Result<u64, ModuleFault> {
        let branches = shape.branches;
        let cost = branches * (branches + COMPLEXITY_LOCALS * u64::from(locals));
        let free = COMPLEXITY_FREE_PER_BYTE * body.range().len() as u64;
        let got = self.complexity + cost.saturating_sub(free);
        if got > COMPLEXITY_MAX {
            let (max, place) = (COMPLEXITY_MAX, self.place(body.range().start));
            return Err(ModuleFault::TooComplex { branches, locals, got, max, place });
        }
        Ok(got)
    }

    fn place(&self, offset: usize) -> ModulePlace {
        ModulePlace { offset: offset as u64, function: self.function }
    }

    /// Tells a feature that is refused from bytes that are no WebAssembly at all.
    ///
    /// A module that goes on to be valid beyond the place where it was refused, once one more proposal is allowed,
    /// was refused for that proposal. This reads it up to there some ten times more, which costs less than compiling
    /// it once.
    fn fault(&self, error: &wasmparser::Error) -> ModuleFault {
        let place = self.place(error.offset());
        let gets_further = |more: WasmFeatures| {
            let again = validate_up_to(error.offset(), self.bytes, FEATURES.union(more));
            again.map_or_else(|other| other.offset() > error.offset(), |()| true)
        };
        let all = REFUSED.iter().fold(WasmFeatures::empty(), |all, (_, features, _)| all.union(*features));
        if gets_further(all) {
            for (proposal, features, instead) in REFUSED {
                if gets_further(features) {
                    let (proposal, instead) = (proposal.to_owned(), instead.to_owned());
                    return ModuleFault::Proposal { proposal, instead, place };
                }
            }
        }
        ModuleFault::Invalid { reason: error.message().to_owned(), place }
    }
}

/// Validates sections and functions in the order of their bytes, to the end of the one with a given place in it.
fn validate_up_to(place: usize, bytes: &[u8], features: WasmFeatures) -> Result<(), wasmparser::Error> {
    let mut validator = Validator::new_with_features(features);
    let mut allocations = FuncValidatorAllocations::default();
    let mut parser = Parser::new(0);
    parser.set_features(features);
    for payload in parser.parse_all(bytes) {
        let payload = payload?;
        let passed = payload.as_section().is_some_and(|(_, range)| range.start > place);
        if let ValidPayload::Func(function, body) = validator.payload(&payload)? {
            if body.range().start > place {
                return Ok(());
            }
            let mut function = function.into_validator(allocations);
            function.validate(&body)?;
            allocations = function.into_allocations();
        } else if passed {
            return Ok(());
        }
    }
    Ok(())
}

/// What one function is made of, as far as it decides the cost of compiling it and the room of its frame.
#[derive(Default)]
struct Shape {
    branches: u64,
    height_max: u32,
    loops_nested: u32,
    /// For each open block whether it is a loop.
    open: Vec<bool>,
    loops_open: u32,
}

impl Shape {
    fn step(&mut self, operator: &Operator<'_>, validator: &wasmparser::FuncValidator<ValidatorResources>) {
        self.branches += u64::from(weight(operator));
        self.height_max = self.height_max.max(validator.operand_stack_height());
        match operator {
            Operator::Loop { .. } => {
                self.open.push(true);
                self.loops_open += 1;
                self.loops_nested = self.loops_nested.max(self.loops_open);
            }
            Operator::Block { .. } | Operator::If { .. } => self.open.push(false),
            Operator::End if self.open.pop() == Some(true) => self.loops_open -= 1,
            _ => {}
        }
    }
}

/// How many basic blocks the compiler makes of an instruction, in units of one `br_if`: fitted to the square root of
/// the measured time of functions that consist of one kind each.
fn weight(operator: &Operator<'_>) -> u32 {
    match operator {
        // Fuel and the interrupt are looked at in each round.
        Operator::Loop { .. } => 4,
        // Calls into the engine, with fuel written back before and read after.
        Operator::MemoryGrow { .. }
        | Operator::MemoryFill { .. }
        | Operator::MemoryCopy { .. }
        | Operator::MemoryInit { .. }
        | Operator::TableGrow { .. }
        | Operator::TableFill { .. }
        | Operator::TableCopy { .. }
        | Operator::TableInit { .. }
        | Operator::TableGet { .. }
        | Operator::RefFunc { .. }
        | Operator::CallIndirect { .. }
        | Operator::ReturnCallIndirect { .. }
        | Operator::Return => 2,
        Operator::BrTable { targets } => 1 + targets.len() / 16,
        Operator::Block { .. }
        | Operator::If { .. }
        | Operator::Br { .. }
        | Operator::BrIf { .. }
        | Operator::ReturnCall { .. } => 1,
        _ => 0,
    }
}

fn signature(ty: &FuncType) -> String {
    let list = |types: &[wasmparser::ValType]| types.iter().map(|t| t.to_string()).collect::<Vec<_>>().join(" ");
    format!("({}) -> ({})", list(ty.params()), list(ty.results()))
}
