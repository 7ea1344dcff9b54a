//! What decides a program's result and its fuel, in one place.
//!
//! Two machines agree on a result only when they agree on all of this, so a change here is a change of
//! [`PROFILE_VERSION`].

use golem_protocol::{B256, ByteCount};
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig};

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
/// The most native stack that calls may take. Frames differ between processors, so the depth does too.
pub const STACK_MAX: ByteCount = ByteCount::from_bytes(1 << 20);
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
/// The engine's release counts, because what an instruction costs may change with it.
pub fn digest() -> B256 {
    let text = format!("golem sandbox profile {PROFILE_VERSION}, wasmtime {WASMTIME}");
    blake3::hash(text.as_bytes()).as_bytes().into()
}

/// The release of the engine; held to the locked one by a test.
pub(crate) const WASMTIME: &str = "48";

/// The features a module may use, and how they behave.
///
/// Allowed: the first version of WebAssembly with mutable globals, sign extension, saturating conversions,
/// multi-value, reference types as far as tables of functions go, bulk memory, SIMD, relaxed SIMD with one fixed
/// result, tail calls, extended constants. Not allowed: threads (their order is not determined), 64-bit and several
/// memories, exceptions, garbage collection, stack switching, components.
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
    config.epoch_interruption(true);
    config.cranelift_nan_canonicalization(true);
    config.wasm_simd(true);
    config.wasm_relaxed_simd(true);
    config.relaxed_simd_deterministic(true);
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
