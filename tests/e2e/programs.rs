//! The programs that the stories run, in WebAssembly text.

/// Copies its standard input to its standard output.
pub const COPY: &str = r#"
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (loop $more
      (i32.store (i32.const 0) (i32.const 64))
      (i32.store (i32.const 4) (i32.const 4096))
      (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 16)))
      (i32.store (i32.const 4) (i32.load (i32.const 16)))
      (if (i32.load (i32.const 16))
        (then
          (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 20)))
          (br $more))))))
"#;

/// [`COPY`], but for the last bit of the first byte of each piece.
pub fn wrong_copy() -> String {
    let wrong = "(i32.store8 (i32.const 64) (i32.xor (i32.load8_u (i32.const 64)) (i32.const 1)))";
    COPY.replacen("(drop (call $write", &format!("{wrong}\n          (drop (call $write"), 1)
}

/// Copies its standard input to its standard output, and counts to so many millions before it does.
pub fn slow_copy(millions: u32) -> String {
    let count = format!(
        r#"(func (export "_start")
    (local $left i64)
    (local.set $left (i64.const {millions}000000))
    (loop $count
      (local.set $left (i64.sub (local.get $left) (i64.const 1)))
      (br_if $count (i64.ne (local.get $left) (i64.const 0))))"#
    );
    COPY.replacen(r#"(func (export "_start")"#, &count, 1)
}

/// [`COPY`] with so many functions that it takes a while to compile.
pub fn long_copy(functions: u32) -> String {
    let function = |n: u32| {
        let step =
            "(local.set $x (i64.mul (i64.add (local.get $x) (i64.const 3)) (i64.xor (local.get $x) (i64.const 5))))";
        format!("(func (param $x i64) (result i64) {} (i64.add (local.get $x) (i64.const {n})))\n", step.repeat(20))
    };
    let more: String = (0..functions).map(function).collect();
    COPY.replacen(r#"(func (export "_start")"#, &format!("{more}(func (export \"_start\")"), 1)
}

/// Copies its standard input to its standard output, and counts to so many for each byte of it.
pub fn busy_copy(for_each_byte: u32) -> String {
    let count = format!(
        r#"(local.set $left (i64.mul (i64.extend_i32_u (i32.load (i32.const 16))) (i64.const {for_each_byte})))
          (loop $count
            (local.set $left (i64.sub (local.get $left) (i64.const 1)))
            (br_if $count (i64.ne (local.get $left) (i64.const 0))))
          (drop (call $write"#
    );
    let local = "(func (export \"_start\")\n    (local $left i64)";
    COPY.replacen("(drop (call $write", &count, 1).replacen(r#"(func (export "_start")"#, local, 1)
}

/// Never ends.
pub const ENDLESS: &str = r#"(module (memory (export "memory") 1) (func (export "_start") (loop $again (br $again))))"#;

/// Takes memory until it gets no more, and then does what C and Rust programs do: it traps.
pub const HUNGRY: &str = r#"
(module
  (memory (export "memory") 1)
  (func (export "_start")
    (loop $more
      (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
    unreachable))
"#;

/// Writes without end.
pub const CHATTY: &str = r#"
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 32)
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 64))
    (i32.store (i32.const 4) (i32.const 1048576))
    (loop $more
      (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 20)))
      (br $more))))
"#;

/// Says why on standard error, and traps.
pub const TRAP: &str = r#"
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "the horizon is upside down\n")
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 64))
    (i32.store (i32.const 4) (i32.const 27))
    (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 20)))
    unreachable))
"#;

/// Ends with an exit code that means failure.
pub const EXIT_3: &str = r#"
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start") (call $exit (i32.const 3))))
"#;

/// Prints a tile. With one argument, as a merge, it does so only where that has four letters, and else says why not.
pub const PARTICULAR: &str = r#"
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "a tile\n")
  (data (i32.const 96) "no such way\n")
  (func $say (param $to i32) (param $at i32) (param $bytes i32)
    (i32.store (i32.const 0) (local.get $at))
    (i32.store (i32.const 4) (local.get $bytes))
    (drop (call $write (local.get $to) (i32.const 0) (i32.const 1) (i32.const 20))))
  (func (export "_start")
    (drop (call $sizes (i32.const 24) (i32.const 28)))
    (if (i32.and
          (i32.eq (i32.load (i32.const 24)) (i32.const 2))
          (i32.ne (i32.load (i32.const 28)) (i32.const 17)))
      (then (call $say (i32.const 2) (i32.const 96) (i32.const 12)) (call $exit (i32.const 5))))
    (call $say (i32.const 1) (i32.const 64) (i32.const 7))))
"#;

/// Wants a capability that no sandbox here gives.
pub const CURIOUS: &str = r#"
(module
  (import "env" "open_socket" (func $open (result i32)))
  (memory (export "memory") 1)
  (func (export "_start") (drop (call $open))))
"#;
