;; The fixed program of the performance index. Any change to it changes what "performance" means on the market.
(module
  (memory (export "memory") 9 9)

  ;; Mixes 64-bit words over 256 KiB in a pseudo-random order.
  (func $integers (param $rounds i32)
    (local $x i64) (local $at i32)
    (local.set $x (i64.const 0x9e3779b97f4a7c15))
    (loop $next
      (local.set $x (i64.mul (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 29))) (i64.const 0xbf58476d1ce4e5b9)))
      (local.set $at (i32.and (i32.wrap_i64 (i64.shr_u (local.get $x) (i64.const 40))) (i32.const 0x3fff8)))
      (local.set $x (i64.add (local.get $x) (i64.load (local.get $at))))
      (i64.store (local.get $at) (i64.rotl (local.get $x) (i64.const 17)))
      (br_if $next (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1))))))

  ;; A point that goes round on a drifting circle: multiply, add, divide, square root.
  (func $floats (param $rounds i32) (result f64)
    (local $x f64) (local $y f64) (local $r f64)
    (local.set $x (f64.const 1))
    (local.set $y (f64.const 0.5))
    (loop $next
      (local.set $r (f64.sqrt (f64.add (f64.mul (local.get $x) (local.get $x)) (f64.mul (local.get $y) (local.get $y)))))
      (local.set $x (f64.sub (f64.div (local.get $x) (local.get $r)) (f64.mul (local.get $y) (f64.const 0.013))))
      (local.set $y (f64.add (f64.mul (local.get $y) (f64.const 0.998)) (f64.mul (local.get $x) (f64.const 0.017))))
      (br_if $next (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
    (f64.add (local.get $x) (local.get $y)))

  ;; Copies 4 KiB at a time.
  (func $copies (param $rounds i32)
    (loop $next
      (memory.copy
        (i32.and (i32.mul (local.get $rounds) (i32.const 4096)) (i32.const 0x3f000))
        (i32.and (i32.mul (local.get $rounds) (i32.const 12288)) (i32.const 0x3f000))
        (i32.const 4096))
      (br_if $next (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1))))))

  (func (export "_start")
    (call $integers (i32.const 4000000))
    (f64.store (i32.const 0x80000) (call $floats (i32.const 1500000)))
    (call $copies (i32.const 2000))))
