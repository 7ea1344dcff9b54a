//! A product that somebody else builds on Golem: it has texts made loud on strangers' machines.
//!
//! What there is to learn is in `tests/settles.rs`: how such a product is tested.

/// The program that providers run, as WebAssembly text: copies standard input to standard output in capital letters.
///
/// A real product has it built by its own toolchain for `wasm32-wasip1`, from whatever language.
pub const LOUD: &str = r#"
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  ;; 0: address and length for both calls; 16: how much was read, 20: how much was written; 64: the text
  (func (export "_start") (local $at i32) (local $end i32) (local $letter i32)
    (i32.store (i32.const 0) (i32.const 64))
    (loop $more
      (i32.store (i32.const 4) (i32.const 4096))
      (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 16)))
      (i32.store (i32.const 4) (i32.load (i32.const 16)))
      (local.set $at (i32.const 64))
      (local.set $end (i32.add (i32.const 64) (i32.load (i32.const 16))))
      (if (i32.load (i32.const 16))
        (then
          (loop $letters
            (local.set $letter (i32.load8_u (local.get $at)))
            (if (i32.lt_u (i32.sub (local.get $letter) (i32.const 97)) (i32.const 26))
              (then (i32.store8 (local.get $at) (i32.sub (local.get $letter) (i32.const 32)))))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br_if $letters (i32.lt_u (local.get $at) (local.get $end))))
          (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 20)))
          (br $more))))))
"#;
