//! Which modules may run: every refusal, with its reason in words and its place.

use super::*;
use wasm_encoder::{
    BlockType, CodeSection, ExportKind, ExportSection, Function, FunctionSection, Instruction, MemorySection, Module,
    TypeSection, ValType,
};

fn fault(module: Vec<u8>) -> ModuleFault {
    match run_with(module, |_| {}).0.exit {
        Exit::BadModule(fault) => fault,
        exit => panic!("it was not refused: {exit}"),
    }
}

/// A module with these fields besides a memory and `_start`.
fn fault_of(fields: &str) -> ModuleFault {
    fault(
        wat::parse_str(format!("(module {fields} (memory (export \"memory\") 1) (func (export \"_start\")))")).unwrap(),
    )
}

/// A program of one function with so many locals, whose code a test writes itself.
fn one_function(locals: u32, code: impl FnOnce(&mut Function)) -> Vec<u8> {
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut memories = MemorySection::new();
    let page =
        wasm_encoder::MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None };
    memories.memory(page);
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0).export("_start", ExportKind::Func, 0);
    let mut body = Function::new([(locals, ValType::I32)]);
    code(&mut body);
    body.instruction(&Instruction::End);
    let mut bodies = CodeSection::new();
    bodies.function(&body);
    module.section(&types).section(&functions).section(&memories).section(&exports).section(&bodies);
    module.finish()
}

#[test]
fn names_the_proposal_that_it_does_not_have() {
    let with_tag = "(tag $t) (func (throw $t))";
    for (fields, word) in [
        ("(func (drop (i32.atomic.load (i32.const 0))))", "threads"),
        ("(func (atomic.fence))", "threads"),
        ("(memory 1)", "multi-memory"),
        (with_tag, "exceptions"),
        ("(func (param externref))", "externref"),
        ("(type $f (func)) (func (param (ref $f)) (call_ref $f (local.get 0)))", "typed function references"),
        ("(type (struct (field i32)))", "garbage collection"),
        ("(rec (type (func)) (type (func)))", "garbage collection"),
        ("(func (result i32) (ref.i31 (i32.const 1)) (i31.get_s))", "garbage collection"),
        ("(type $f (func)) (type $c (cont $f))", "stack switching"),
        ("(func (param v128) (drop (f32x4.relaxed_madd (local.get 0) (local.get 0) (local.get 0))))", "relaxed SIMD"),
        ("(func (result i64 i64) (i64.mul_wide_u (i64.const 1) (i64.const 1)))", "wide arithmetic"),
    ] {
        let fault = fault_of(fields);
        let ModuleFault::Proposal { proposal, place, .. } = &fault else { panic!("{fields}: {fault}") };
        assert!(proposal.contains(word), "{fields}: {fault}");
        assert!(place.offset > 8, "{fields}: {fault}");
    }
    for (memory, word) in [("1 1 shared", "threads"), ("i64 1", "memory64"), ("1 (pagesize 1)", "custom page sizes")] {
        let text = format!("(module (memory (export \"memory\") {memory}) (func (export \"_start\")))");
        let fault = fault(wat::parse_str(text).unwrap());
        assert!(matches!(&fault, ModuleFault::Proposal { proposal, .. } if proposal.contains(word)), "{fault}");
    }
    let function = fault_of("(func) (func (atomic.fence))").to_string();
    assert!(function.contains("in function 1"), "{function}");
    assert!(function.contains("build without threads"), "{function}");
}

#[test]
fn tells_damage_from_a_proposal() {
    let good = program(HELLO);
    let code = good.len() - 20;
    for (damaged, what) in [
        (good[..code].to_vec(), "truncated"),
        (good.iter().enumerate().map(|(i, b)| if i == 10 { b ^ 0x40 } else { *b }).collect(), "flipped"),
        // A section of 2^35 bytes: more bits than its length may have.
        ([&good[..8], &[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]].concat(), "overlong"),
        // A length beyond the end.
        ([&good[..8], &[1, 0xff, 0xff, 0x03, 0x00]].concat(), "too long"),
        ([&good[..], &[10, 1, 0]].concat(), "a section twice"),
        ([&good[..], &[77, 1, 0]].concat(), "an unknown section"),
    ] {
        let fault = fault(damaged);
        assert!(matches!(fault, ModuleFault::Invalid { .. }), "{what}: {fault}");
    }
    let stack = fault(one_function(0, |body| {
        body.instruction(&Instruction::I32Add);
    }));
    let ModuleFault::Invalid { place, .. } = &stack else { panic!("{stack}") };
    assert_eq!(place.function, Some(0), "{stack}");
}

#[test]
fn refuses_more_of_anything_than_a_program_needs() {
    use profile::counts;
    let repeated = |field: &str, count: u32| field.repeat(count as usize);
    let functions = counts::FUNCTIONS + 1;
    for (fields, what) in [
        (repeated("(table 1 funcref)", profile::TABLES_MAX + 1), "tables"),
        (format!("(table {} funcref)", profile::TABLE_ELEMENTS_MAX + 1), "table elements"),
        (repeated("(table 1000000 funcref)", 2), "table elements"),
        (repeated("(global i32 (i32.const 0))", counts::GLOBALS + 1), "globals"),
        (repeated("(elem funcref)", counts::ELEMENTS + 1), "element segments"),
        (repeated("(data)", counts::DATA + 1), "data segments"),
        (repeated("(func)", functions), "functions"),
        (repeated("(type (func))", counts::TYPES + 1), "types"),
        (
            repeated("(import \"wasi_snapshot_preview1\" \"sched_yield\" (func (result i32)))", counts::IMPORTS + 1),
            "imports",
        ),
        (format!("(func (local {}))", "i32 ".repeat(profile::LOCALS_MAX as usize + 1)), "locals"),
    ] {
        let fault = fault_of(&fields);
        let ModuleFault::TooManyResources { what: got, .. } = &fault else { panic!("{what}: {fault}") };
        assert!(got.contains(what), "{what}: {fault}");
    }
    let exports: String = (0..=counts::EXPORTS).map(|i| format!("(export \"{i}\" (func 0))")).collect();
    assert!(matches!(fault_of(&exports), ModuleFault::TooManyResources { what, .. } if what == "exports"));
    // Two billion locals in seven bytes.
    let many = fault(one_function(u32::MAX / 2, |_| {}));
    assert!(matches!(&many, ModuleFault::TooManyResources { what, .. } if what.contains("locals")), "{many}");
}

#[test]
fn refuses_what_would_take_too_long_to_compile() {
    use Instruction as I;
    let nested = |depth: u32| {
        one_function(0, |body| {
            for _ in 0..depth {
                body.instruction(&I::Loop(BlockType::Empty));
            }
            for _ in 0..depth {
                body.instruction(&I::End);
            }
        })
    };
    let deep = fault(nested(profile::LOOPS_NESTED_MAX + 1));
    assert!(matches!(&deep, ModuleFault::TooManyResources { what, .. } if what.contains("loops")), "{deep}");
    assert_eq!(run_with(nested(profile::LOOPS_NESTED_MAX), |_| {}).0.exit, exited(0));
    let table = fault(one_function(0, |body| {
        body.instruction(&I::I32Const(0)).instruction(&I::BrTable(vec![0; 1_000_000].into(), 0));
    }));
    assert!(matches!(&table, ModuleFault::TooManyResources { what, .. } if what.contains("br_table")), "{table}");
    // One cheap kind of instruction after the other until the square of their number is too much.
    let grows = |body: &mut Function| {
        body.instruction(&I::I32Const(0));
        for _ in 0..20_000 {
            body.instruction(&I::MemoryGrow(0));
        }
        body.instruction(&I::Drop);
    };
    let loops = |body: &mut Function| {
        for _ in 0..20_000 {
            body.instruction(&I::Loop(BlockType::Empty)).instruction(&I::End);
        }
    };
    let ifs = |body: &mut Function| {
        for _ in 0..5_000 {
            body.instruction(&I::LocalGet(0)).instruction(&I::If(BlockType::Empty)).instruction(&I::End);
        }
    };
    for (module, what) in [
        (one_function(0, grows), "calls into the engine"),
        (one_function(0, loops), "loops"),
        (one_function(15_000, ifs), "branches over many locals"),
    ] {
        let fault = fault(module);
        assert!(matches!(fault, ModuleFault::TooComplex { .. }), "{what}: {fault}");
    }
}

#[test]
fn offers_exactly_what_it_says_of_wasi() {
    for (at, (name, _)) in crate::signatures::FUNCTIONS.iter().enumerate() {
        assert!(at == 0 || crate::signatures::FUNCTIONS[at - 1].0 < *name, "`{name}` is not in its place");
    }
    // Each by its name and type; the linker refuses what it does not have, or has otherwise.
    let imports: String = crate::signatures::FUNCTIONS
        .iter()
        .map(|(name, params)| {
            let params: Vec<&str> = params.chars().map(|c| if c == 'l' { "i64" } else { "i32" }).collect();
            let result = if *name == "proc_exit" { "" } else { "(result i32)" };
            format!("(import \"wasi_snapshot_preview1\" \"{name}\" (func (param {}) {result}))", params.join(" "))
        })
        .collect();
    let text = format!("(module {imports} (memory (export \"memory\") 1) (func (export \"_start\")))");
    assert_eq!(run_with(wat::parse_str(text).unwrap(), |_| {}).0.exit, exited(0));
    assert!(matches!(
        fault_of("(import \"wasi_snapshot_preview1\" \"fd_write\" (global i32))"),
        ModuleFault::MissingImport { .. }
    ));
}

#[test]
fn refuses_exports_that_are_not_what_they_are_called() {
    let fault = |text: &str| fault(wat::parse_str(text).unwrap());
    let missing = |export: &str| ModuleFault::MissingExport { export: export.to_owned() };
    let memory = "(memory (export \"memory\") 1)";
    for text in [
        format!("(module {memory} (func (export \"_start\") (param i32)))"),
        format!("(module {memory} (func (export \"_start\") (result i32) (i32.const 0)))"),
        format!("(module {memory} (global (export \"_start\") i32 (i32.const 0)))"),
        format!("(module {memory} (memory 1) (func $s))").replace("(memory 1)", ""),
    ] {
        assert_eq!(fault(&text), missing("_start"), "{text}");
    }
    let text = "(module (memory 1) (func (export \"_start\")) (global (export \"memory\") i32 (i32.const 0)))";
    assert_eq!(fault(text), missing("memory"));
    let text = format!("(module {memory} (func (export \"_start\")) (func (export \"golem:stack-left\")))");
    assert!(fault(&text).to_string().contains("`golem:stack-left`"));
}
