//! What the tests share: sandboxes of both kinds, and programs.

use golem_protocol::{B256, ByteCount, Fuel};
use golem_sandbox::*;
use libtest_mimic::{Failed, Trial};
use std::path::Path;
use tempfile::TempDir;

pub struct Stage {
    pub folder: TempDir,
    pub sandbox: Sandbox,
}

/// A sandbox with a cache of its own, whose workers are this program with these arguments.
pub fn stage_with(args: &[&str], change: impl FnOnce(&mut SandboxConfig)) -> Result<Stage, SandboxError> {
    let folder = TempDir::new().unwrap();
    let mut config = SandboxConfig::new(folder.path());
    config.isolation =
        Isolation::Process { program: "/proc/self/exe".into(), args: args.iter().map(|arg| arg.to_string()).collect() };
    config.slots = 4;
    change(&mut config);
    Sandbox::new(config).map(|sandbox| Stage { folder, sandbox })
}

pub fn trial(name: &str, test: fn()) -> Trial {
    Trial::test(name, move || -> Result<(), Failed> {
        test();
        Ok(())
    })
}

pub fn stage() -> Stage {
    stage_with(&[WORKER_COMMAND], |_| {}).unwrap()
}

/// A program of which only `_start` is written.
pub fn program(start: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
        (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_open"
          (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_create_directory" (func $mkdir (param i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 2)
        (data (i32.const 100) "hello\n")
        (data (i32.const 120) "a.txt")
        (data (i32.const 130) "d")
        (data (i32.const 140) "d/b")
        (table $table 1 1000 funcref)
        ;; Writes LEN bytes at AT to a descriptor.
        (func $put (param $fd i32) (param $at i32) (param $len i32)
          (i32.store (i32.const 0) (local.get $at)) (i32.store (i32.const 4) (local.get $len))
          (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
        ;; Reads up to 4096 bytes to 4096, and gives how many.
        (func $get (param $fd i32) (result i32)
          (i32.store (i32.const 0) (i32.const 4096)) (i32.store (i32.const 4) (i32.const 4096))
          (if (call $fd_read (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)) (then (unreachable)))
          (i32.load (i32.const 8)))
        ;; Opens a path below a descriptor, for writing if asked to create it.
        (func $open (param $dir i32) (param $at i32) (param $len i32) (param $oflags i32) (result i32)
          (if (call $path_open (local.get $dir) (i32.const 0) (local.get $at) (local.get $len) (local.get $oflags)
                (select (i64.const 66) (i64.const 2) (local.get $oflags)) (i64.const 0) (i32.const 0) (i32.const 16))
            (then (unreachable)))
          (i32.load (i32.const 16)))
        (func $down (param i32) (result i32) (i32.add (i32.const 1) (call $down (local.get 0))))
        (func (export "_start") (local $n i32) {start}))"#
    );
    wat::parse_str(text).unwrap()
}

pub const HELLO: &str = "(call $put (i32.const 1) (i32.const 100) (i32.const 6))";
pub const ENDLESS: &str = "(loop $l (br $l))";

pub fn request(module: Vec<u8>, output_dir: &Path) -> RunRequest {
    RunRequest {
        owner: B256::repeat_byte(1),
        module: ModuleSource::Bytes(module),
        args: vec!["an argument".to_owned()],
        stdin: None,
        inputs: Vec::new(),
        output_dir: output_dir.to_owned(),
        seed: [7; 32],
        limits: Limits {
            fuel_max: Fuel::from_units(10_000_000),
            memory_max: ByteCount::from_bytes(1 << 20),
            table_elements_max: 100,
            output_max: ByteCount::from_bytes(100_000),
            output_files_max: 10,
            stderr_tail_max: ByteCount::from_bytes(64),
            wall_ms: 60_000,
        },
    }
}

/// A request that goes on until it is stopped.
pub fn endless(output_dir: &Path) -> RunRequest {
    let mut request = request(program(ENDLESS), output_dir);
    request.limits.fuel_max = Fuel::from_units(1 << 60);
    request
}
