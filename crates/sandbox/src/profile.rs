//! What decides a program's result and its fuel, in one place.
//!
//! Two machines agree on a result only when they agree on all of this, so a change here is a change of
//! [`PROFILE_VERSION`].

use golem_protocol::{B256, ByteCount};
use wasmparser::WasmFeatures;
use wasmtime::{Config, InstanceAllocationStrategy, OperatorCost, PoolingAllocationConfig};

/// Names the rules below. Work agreed under one version cannot be checked under another.
pub const PROFILE_VERSION: u32 = 2;
/// The largest module that is compiled: compiling takes some ten times its size in memory.
pub const MODULE_MAX: ByteCount = ByteCount::from_bytes(64 << 20);
/// The most memory that a limit can grant: all that a 32-bit module can address.
pub const MEMORY_MAX: ByteCount = ByteCount::from_bytes(4 << 30);
/// The most table elements that a limit can grant; one takes 8 bytes of the host.
pub const TABLE_ELEMENTS_MAX: u32 = 1_000_000;
/// The most tables in one module.
pub const TABLES_MAX: u32 = 8;
/// The most that the frames of nested calls may need by the count of [`FRAME_COST`] and [`VALUE_COST`]: sixteen
/// times what the engine grants by itself, since the count takes each frame for larger than it is.
pub const STACK_COUNTED_MAX: ByteCount = ByteCount::from_bytes(16 << 20);
/// What a frame counts besides its values: return address, saved registers, alignment.
pub const FRAME_COST: u64 = 64;
/// What each parameter, local and operand counts. A value that lives across a call takes 8 bytes of the stack, a
/// vector 16, and once more where it is passed on.
pub const VALUE_COST: u64 = 16;
/// The native stack of a program. Frames differ between processors; this is four times the most that is counted, so
/// that the count is used up first on all of them: of a dozen shapes of frames, optimised or not, the largest took
/// just what was counted. Only what is touched takes memory.
pub const STACK_MAX: ByteCount = ByteCount::from_bytes(64 << 20);
/// How the names of the sandbox's own exports begin; no module may have one like it.
pub(crate) const RESERVED_PREFIX: &str = "golem:";
/// The most locals in one function. Reason: each is a value to follow through every block, and a part of the frame;
/// what compilers emit stays below a thousand.
pub const LOCALS_MAX: u32 = 20_000;
/// The most targets of one `br_table`: what the compiler can encode on every processor.
pub const BR_TABLE_MAX: u32 = 65_520;
/// The most loops within each other. Reason: 1,400 of them made 10 KB of code take 7 s to compile, with the cube of
/// the depth; up to 200 they are no dearer than loops one after the other.
pub const LOOPS_NESTED_MAX: u32 = 200;
/// The most that a module's functions may cost to compile beyond what every byte costs.
///
/// Compiling takes 1 to 5 us a byte, and besides that some 8 ns for the square of the number of branches in a
/// function, or for 64 of their product with its locals (measured on one core, each kind of instruction by itself).
/// So this is some ten seconds and 0.5 GB on top of what a module's size costs. CPython 3.12 uses half a percent of
/// it; graphviz, resvg and the renderer that ships with this use nothing.
pub const COMPLEXITY_MAX: u64 = 1 << 30;
/// How much dearer a local is than a branch, for each branch.
pub const COMPLEXITY_LOCALS: u64 = 64;
/// What each byte of a function may cost before it counts: 4 us, as every byte does.
pub const COMPLEXITY_FREE_PER_BYTE: u64 = 500;

/// How many of each thing a module may have. Reason: each takes time and memory of the compiler, or of every start of
/// the program, that its few bytes do not pay for. All are several times what large programs have.
pub mod counts {
    /// Types of functions.
    pub const TYPES: u32 = 10_000;
    /// Imports: WASI has 46 functions.
    pub const IMPORTS: u32 = 1_000;
    /// Functions. Compiling one costs 0.1 ms however small it is.
    pub const FUNCTIONS: u32 = 200_000;
    /// Globals: 16 bytes in each instance.
    pub const GLOBALS: u32 = 20_000;
    /// Exports.
    pub const EXPORTS: u32 = 20_000;
    /// Segments of table elements.
    pub const ELEMENTS: u32 = 10_000;
    /// Segments of data: what browsers take.
    pub const DATA: u32 = 100_000;
}

/// The most output that a limit can grant: it is held in memory until the program ends.
pub const OUTPUT_MAX: ByteCount = ByteCount::from_bytes(4 << 30);
/// The most files and folders in `/out` that a limit can grant.
pub const OUTPUT_FILES_MAX: u32 = 65_536;
/// The most bytes of standard error that are kept.
pub const STDERR_TAIL_MAX: ByteCount = ByteCount::from_bytes(64 << 10);
/// The most arguments, and the most bytes they may have together.
pub const ARGS_MAX: (usize, usize) = (4096, 128 << 10);
/// What a program finds as its own name.
pub const PROGRAM_NAME: &str = "module.wasm";
/// The date at which every program starts: 2000-01-01T00:00:00Z, in nanoseconds since 1970.
pub const CLOCK_START_NS: u64 = 946_684_800_000_000_000;
/// Fuel for entering the host, besides the instructions of the program.
pub const HOST_CALL_FUEL: u64 = 100;
/// Fuel per byte moved between the program and the host: what `memory.copy` costs too.
pub const HOST_BYTE_FUEL: u64 = 1;
/// Fuel for growing memory or a table, whether or not it is granted: it leaves the program and asks the host. Every
/// other instruction costs what the engine has it cost: 1, and 1 for each byte or element that it moves.
pub const GROW_FUEL: u8 = 250;
/// Fuel for each buffer of a reading or writing call, empty ones too.
pub const HOST_VECTOR_FUEL: u64 = 50;
/// Fuel for each buffer that is read from an input: the host opens or seeks a file and reads it.
pub const HOST_READ_FUEL: u64 = 5_000;
/// Fuel for each file or folder made in `/out`: the host makes it once more when the program has ended, and flushing
/// names takes far longer than moving bytes.
pub const HOST_MAKE_FUEL: u64 = 100_000;
/// Fuel for following one name of a path, besides its bytes.
pub const HOST_NAME_FUEL: u64 = 200;
/// The most inputs that are open on the host at a time: descriptors are the whole process's, sockets included.
pub(crate) const HOST_FILES_MAX: usize = 16;
/// The most open files.
pub const OPEN_FILES_MAX: usize = 1024;
/// The longest path a program may name, in bytes.
pub const PATH_MAX: usize = 1024;
/// The longest name within a path, in bytes.
pub const NAME_MAX: usize = 255;
/// The most folders within each other.
pub const DEPTH_MAX: usize = 32;

/// What two machines must have in common to get the same bytes and fuel: these rules and the engine that keeps them.
///
/// A header names it, an agreement rests on its header, and a provider with another one refuses. The engine's release
/// counts, because what an instruction costs may change with it; and so does every number here, whether or not
/// somebody remembered to raise [`PROFILE_VERSION`].
pub fn digest() -> B256 {
    let mut text = format!("golem sandbox profile {PROFILE_VERSION}, wasmtime {WASMTIME}");
    for number in [
        FEATURES.bits(),
        MODULE_MAX.0,
        MEMORY_MAX.0,
        TABLE_ELEMENTS_MAX.into(),
        TABLES_MAX.into(),
        STACK_COUNTED_MAX.0,
        FRAME_COST,
        VALUE_COST,
        LOCALS_MAX.into(),
        BR_TABLE_MAX.into(),
        LOOPS_NESTED_MAX.into(),
        COMPLEXITY_MAX,
        COMPLEXITY_LOCALS,
        COMPLEXITY_FREE_PER_BYTE,
        counts::TYPES.into(),
        counts::IMPORTS.into(),
        counts::FUNCTIONS.into(),
        counts::GLOBALS.into(),
        counts::EXPORTS.into(),
        counts::ELEMENTS.into(),
        counts::DATA.into(),
        CLOCK_START_NS,
        HOST_CALL_FUEL,
        HOST_BYTE_FUEL,
        GROW_FUEL.into(),
        HOST_VECTOR_FUEL,
        HOST_READ_FUEL,
        HOST_MAKE_FUEL,
        HOST_NAME_FUEL,
        OPEN_FILES_MAX as u64,
        PATH_MAX as u64,
        NAME_MAX as u64,
        DEPTH_MAX as u64,
    ] {
        text.push_str(&format!(" {number}"));
    }
    blake3::hash(text.as_bytes()).as_bytes().into()
}

/// The release of the engine; held to the locked one by a test.
pub(crate) const WASMTIME: &str = "48";

/// The proposals a module may use, as [`crate::validate`] holds it to them.
///
/// The first version of WebAssembly with mutable globals, sign extension, saturating conversions, multi-value,
/// reference types as far as tables of functions go, bulk memory, SIMD, tail calls, extended constants. Nothing else:
/// not threads (their order is not determined), 64-bit and several memories, exceptions, garbage collection, stack
/// switching, custom page sizes, wide arithmetic, components. Nor relaxed SIMD: even where the engine fixes its
/// results, `relaxed_madd` gave other NaNs on processors without fused multiply-add.
pub(crate) const FEATURES: WasmFeatures = WasmFeatures::FLOATS
    .union(WasmFeatures::MUTABLE_GLOBAL)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST);

/// How the engine runs a module: [`FEATURES`], canonical NaNs, fuel, and the interrupt.
#[cfg(not(feature = "bench"))]
pub(crate) fn engine_config() -> Config {
    rules()
}

/// The rules, for a measurement to take from them.
#[cfg(feature = "bench")]
pub fn engine_config() -> Config {
    rules()
}

fn rules() -> Config {
    let mut config = Config::new();
    config.consume_fuel(true);
    config.operator_cost(OperatorCost { MemoryGrow: GROW_FUEL, TableGrow: GROW_FUEL, ..OperatorCost::default() });
    config.epoch_interruption(true);
    config.cranelift_nan_canonicalization(true);
    config.wasm_simd(true);
    config.wasm_relaxed_simd(false);
    config.wasm_bulk_memory(true);
    config.wasm_multi_value(true);
    config.wasm_tail_call(true);
    config.wasm_extended_const(true);
    config.wasm_memory64(false);
    config.wasm_multi_memory(false);
    config.wasm_custom_page_sizes(false);
    config.wasm_wide_arithmetic(false);
    // With images of first contents, what a start costs depends on whether the system has files of memory.
    config.memory_init_cow(false);
    config.max_wasm_stack(STACK_MAX.0 as usize);
    // Nothing here runs on such a stack; the engine merely wants it to be no smaller.
    config.async_stack_size(STACK_MAX.0 as usize);
    config
}

/// Reserves address space for every slot at once, so that starting a program costs microseconds.
pub(crate) fn pooled(config: &mut Config, slots: u32) {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(slots)
        .total_memories(slots)
        .total_tables(slots.saturating_mul(TABLES_MAX))
        .max_memories_per_module(1)
        .max_tables_per_module(TABLES_MAX)
        .max_memory_size(MEMORY_MAX.0 as usize)
        .max_core_instance_size(64 << 20)
        .table_elements(TABLE_ELEMENTS_MAX as usize)
        // A program of the next owner must find nothing, and memory that nobody uses belongs to the machine's owner.
        .linear_memory_keep_resident(0)
        .table_keep_resident(0);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
}
