//! Bounds how deep calls may nest by a rule that is the same on every processor.
//!
//! How many bytes of native stack a call takes depends on the processor and on the compiler's release, so a native
//! stack that is full proves nothing. A module is therefore rewritten before it is compiled. Each function that
//! calls others takes its [`frame_cost`] from a counter when it is entered and gives it back when it is left:
//!
//! ```text
//! left = left - cost        block                 left = left + cost
//! left < 0? unreachable       ... the body ...
//!                           end
//! ```
//!
//! `return` becomes a branch to the end of the block, and a tail call gives back before it goes. Functions that call
//! nothing but the host are left as they are: of those only one is on the stack at a time. The counter is a global
//! of its own behind all others, exported under [`COUNTER`]; when it is below zero, this is why the program stopped.
//! A start function is exported under [`START`] and run by the sandbox, so that the counter can be read after it too.
//! Custom sections are dropped.
//!
//! The native stack is so much larger ([`crate::profile::STACK_MAX`]) that the counter is used up first.

use crate::profile::{FRAME_COST, STACK_COUNTED_MAX, VALUE_COST};
use std::ops::Range;
use wasm_encoder::{Encode, Module, RawSection, SectionId};
use wasmparser::{BlockType, FunctionBody, Operator, Payload, ValType};

/// The export that counts what is left.
pub(crate) const COUNTER: &str = "golem:stack-left";
/// The export of the module's start function.
pub(crate) const START: &str = "golem:start";

/// What a call of a function takes from the counter: what its frame can need at most, whatever the processor.
///
/// `values` are its parameters, locals and the most operands at a time.
fn frame_cost(values: u64) -> i32 {
    // No function has more values than its module has bytes, which is far from where this could overflow.
    i32::try_from(FRAME_COST + VALUE_COST * values).unwrap_or(i32::MAX)
}

/// Collects the parts of a module and puts it together again.
pub(crate) struct Rewriter<'a> {
    bytes: &'a [u8],
    /// The sections that stay as they are, in order.
    sections: Vec<(SectionId, Range<usize>)>,
    types: Counted,
    globals: Counted,
    exports: Counted,
    start: Option<u32>,
    /// The bodies so far, each with its length.
    code: Vec<u8>,
    bodies: u32,
    /// Lists of results that some rewritten function has, each for a block type of its own.
    results: Vec<Vec<ValType>>,
}

/// A section to which entries are added: how many it has, and where their bytes are.
#[derive(Default)]
struct Counted {
    count: u32,
    entries: Range<usize>,
}

impl Counted {
    fn of<T>(section: &wasmparser::SectionLimited<'_, T>) -> Counted {
        Counted { count: section.count(), entries: section.original_position()..section.range().end }
    }

    fn with(&self, bytes: &[u8], added: u32, entries: &[u8]) -> Vec<u8> {
        let mut data = Vec::with_capacity(self.entries.len() + entries.len() + 5);
        (self.count + added).encode(&mut data);
        data.extend_from_slice(&bytes[self.entries.clone()]);
        data.extend_from_slice(entries);
        data
    }
}

impl<'a> Rewriter<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Rewriter<'a> {
        Rewriter {
            bytes,
            sections: Vec::new(),
            types: Counted::default(),
            globals: Counted::default(),
            exports: Counted::default(),
            start: None,
            code: Vec::new(),
            bodies: 0,
            results: Vec::new(),
        }
    }

    /// Takes note of a section; those that it does not know are left out.
    pub(crate) fn section(&mut self, payload: &Payload<'_>) {
        let (id, range) = match payload {
            Payload::TypeSection(s) => {
                self.types = Counted::of(s);
                (SectionId::Type, s.range())
            }
            Payload::GlobalSection(s) => {
                self.globals = Counted::of(s);
                (SectionId::Global, s.range())
            }
            Payload::ExportSection(s) => {
                self.exports = Counted::of(s);
                (SectionId::Export, s.range())
            }
            Payload::StartSection { func, .. } => {
                self.start = Some(*func);
                return;
            }
            Payload::ImportSection(s) => (SectionId::Import, s.range()),
            Payload::FunctionSection(s) => (SectionId::Function, s.range()),
            Payload::TableSection(s) => (SectionId::Table, s.range()),
            Payload::MemorySection(s) => (SectionId::Memory, s.range()),
            Payload::ElementSection(s) => (SectionId::Element, s.range()),
            Payload::DataCountSection { range, .. } => (SectionId::DataCount, range.clone()),
            Payload::DataSection(s) => (SectionId::Data, s.range()),
            Payload::CodeSectionStart { range, .. } => (SectionId::Code, range.clone()),
            _ => return,
        };
        self.sections.push((id, range));
    }

    /// Adds a body, rewritten where it calls others. `values`: see [`frame_cost`].
    pub(crate) fn body(&mut self, body: BodyRewriter, results: &[ValType], values: u64) {
        self.bodies += 1;
        if !body.calls {
            self.bytes[body.whole].encode(&mut self.code);
            return;
        }
        let block = match results {
            [] => BlockType::Empty,
            [one] => BlockType::Type(*one),
            many => {
                let known = self.results.iter().position(|have| have == many);
                let index = known.unwrap_or_else(|| {
                    self.results.push(many.to_vec());
                    self.results.len() - 1
                });
                BlockType::FuncType(self.types.count + index as u32)
            }
        };
        let cost = frame_cost(values);
        let counter = self.globals.count;
        let mut out = self.bytes[body.whole.start..body.code_start].to_vec();
        let mut take = Vec::new();
        global_get(&mut take, counter);
        i32_const(&mut take, cost);
        take.push(op::I32_SUB);
        global_set(&mut take, counter);
        global_get(&mut take, counter);
        i32_const(&mut take, 0);
        take.extend([op::I32_LT_S, op::IF, op::EMPTY, op::UNREACHABLE, op::END, op::BLOCK]);
        block_type(&mut take, block);
        out.extend(take);
        let give = give_back(counter, cost);
        let mut at = body.code_start;
        for edit in &body.edits {
            out.extend_from_slice(&self.bytes[at..edit.at]);
            match edit.kind {
                EditKind::Return { nesting } => {
                    out.push(op::BR);
                    (nesting - 1).encode(&mut out);
                    at = edit.at + 1;
                }
                EditKind::TailCall => {
                    out.extend_from_slice(&give);
                    at = edit.at;
                }
            }
        }
        // The `end` of the body closes the block.
        out.extend_from_slice(&self.bytes[at..body.whole.end]);
        out.extend_from_slice(&give);
        out.push(op::END);
        out.as_slice().encode(&mut self.code);
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        let mut module = Module::new();
        let mut globals_done = false;
        let mut raw = |id: SectionId, data: &[u8]| {
            module.section(&RawSection { id: id as u8, data });
        };
        for (id, range) in &self.sections {
            if *id as u8 == SectionId::Global as u8 {
                globals_done = true;
                raw(SectionId::Global, &self.globals_with_counter());
                continue;
            }
            // The export section comes right after the globals, and there is one: `_start` is in it.
            if *id as u8 == SectionId::Export as u8 && !globals_done {
                globals_done = true;
                raw(SectionId::Global, &self.globals_with_counter());
            }
            match id {
                SectionId::Type => raw(SectionId::Type, &self.types_with_results()),
                SectionId::Export => raw(SectionId::Export, &self.exports_with_ours()),
                SectionId::Code => {
                    let mut data = Vec::with_capacity(self.code.len() + 5);
                    self.bodies.encode(&mut data);
                    data.extend_from_slice(&self.code);
                    raw(SectionId::Code, &data);
                }
                _ => raw(*id, &self.bytes[range.clone()]),
            }
        }
        module.finish()
    }

    fn types_with_results(&self) -> Vec<u8> {
        let mut added = Vec::new();
        for results in &self.results {
            added.extend([0x60, 0]);
            results.len().encode(&mut added);
            added.extend(results.iter().map(|ty| value_type(*ty)));
        }
        self.types.with(self.bytes, self.results.len() as u32, &added)
    }

    fn globals_with_counter(&self) -> Vec<u8> {
        // i32, mutable.
        let mut added = vec![0x7f, 1];
        i32_const(&mut added, STACK_COUNTED_MAX.0 as i32);
        added.push(op::END);
        self.globals.with(self.bytes, 1, &added)
    }

    fn exports_with_ours(&self) -> Vec<u8> {
        let mut added = Vec::new();
        COUNTER.encode(&mut added);
        added.push(3);
        self.globals.count.encode(&mut added);
        if let Some(start) = self.start {
            START.encode(&mut added);
            added.push(0);
            start.encode(&mut added);
        }
        self.exports.with(self.bytes, 1 + u32::from(self.start.is_some()), &added)
    }
}

/// Reads one body along with the validator and remembers what must change if it calls others.
pub(crate) struct BodyRewriter {
    whole: Range<usize>,
    code_start: usize,
    imported: u32,
    calls: bool,
    edits: Vec<Edit>,
}

struct Edit {
    at: usize,
    kind: EditKind,
}

enum EditKind {
    Return { nesting: u32 },
    TailCall,
}

impl BodyRewriter {
    pub(crate) fn new(body: &FunctionBody<'_>, code_start: usize, imported: u32) -> BodyRewriter {
        BodyRewriter { whole: body.range(), code_start, imported, calls: false, edits: Vec::new() }
    }

    /// `nesting`: how many blocks are open, the function's own counted.
    pub(crate) fn step(&mut self, operator: &Operator<'_>, at: usize, nesting: u32) {
        let kind = match operator {
            Operator::Call { function_index } => {
                self.calls |= *function_index >= self.imported;
                return;
            }
            Operator::CallIndirect { .. } => {
                self.calls = true;
                return;
            }
            Operator::Return => EditKind::Return { nesting },
            Operator::ReturnCall { .. } | Operator::ReturnCallIndirect { .. } => EditKind::TailCall,
            _ => return,
        };
        self.edits.push(Edit { at, kind });
    }
}

mod op {
    pub(super) const UNREACHABLE: u8 = 0x00;
    pub(super) const BLOCK: u8 = 0x02;
    pub(super) const IF: u8 = 0x04;
    pub(super) const END: u8 = 0x0b;
    pub(super) const BR: u8 = 0x0c;
    pub(super) const EMPTY: u8 = 0x40;
    pub(super) const GLOBAL_GET: u8 = 0x23;
    pub(super) const GLOBAL_SET: u8 = 0x24;
    pub(super) const I32_CONST: u8 = 0x41;
    pub(super) const I32_LT_S: u8 = 0x48;
    pub(super) const I32_ADD: u8 = 0x6a;
    pub(super) const I32_SUB: u8 = 0x6b;
}

fn global_get(out: &mut Vec<u8>, index: u32) {
    out.push(op::GLOBAL_GET);
    index.encode(out);
}

fn global_set(out: &mut Vec<u8>, index: u32) {
    out.push(op::GLOBAL_SET);
    index.encode(out);
}

fn i32_const(out: &mut Vec<u8>, value: i32) {
    out.push(op::I32_CONST);
    value.encode(out);
}

fn give_back(counter: u32, cost: i32) -> Vec<u8> {
    let mut out = Vec::new();
    global_get(&mut out, counter);
    i32_const(&mut out, cost);
    out.push(op::I32_ADD);
    global_set(&mut out, counter);
    out
}

fn block_type(out: &mut Vec<u8>, ty: BlockType) {
    match ty {
        BlockType::Empty => out.push(op::EMPTY),
        BlockType::Type(ty) => out.push(value_type(ty)),
        BlockType::FuncType(index) => i64::from(index).encode(out),
    }
}

/// The types that the profile has, each one byte.
fn value_type(ty: ValType) -> u8 {
    match ty {
        ValType::I32 => 0x7f,
        ValType::I64 => 0x7e,
        ValType::F32 => 0x7d,
        ValType::F64 => 0x7c,
        ValType::V128 => 0x7b,
        // Tables of functions are the only references there are.
        ValType::Ref(_) => 0x70,
    }
}
