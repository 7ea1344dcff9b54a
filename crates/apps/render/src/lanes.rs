//! Four numbers at once: one instruction each in WebAssembly, plain arrays elsewhere.

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod imp {
    use core::arch::wasm32::*;
    use core::ops::{Add, Mul, Sub};

    #[derive(Clone, Copy)]
    pub struct F4(v128);
    #[derive(Clone, Copy)]
    pub struct M4(v128);

    impl F4 {
        #[inline(always)]
        pub fn splat(v: f32) -> F4 {
            F4(f32x4_splat(v))
        }
        #[inline(always)]
        pub fn load(v: &[f32; 4]) -> F4 {
            // SAFETY: four numbers in a row are the 16 bytes that are read, and no alignment is asked for.
            F4(unsafe { v128_load(v.as_ptr() as *const v128) })
        }
        #[inline(always)]
        pub fn store(self) -> [f32; 4] {
            [
                f32x4_extract_lane::<0>(self.0),
                f32x4_extract_lane::<1>(self.0),
                f32x4_extract_lane::<2>(self.0),
                f32x4_extract_lane::<3>(self.0),
            ]
        }
        #[inline(always)]
        pub fn recip(self) -> F4 {
            F4(f32x4_div(f32x4_splat(1.0), self.0))
        }
        #[inline(always)]
        pub fn min(self, o: F4) -> F4 {
            F4(f32x4_pmin(self.0, o.0))
        }
        #[inline(always)]
        pub fn max(self, o: F4) -> F4 {
            F4(f32x4_pmax(self.0, o.0))
        }
        #[inline(always)]
        pub fn le(self, o: F4) -> M4 {
            M4(f32x4_le(self.0, o.0))
        }
        #[inline(always)]
        pub fn lt(self, o: F4) -> M4 {
            M4(f32x4_lt(self.0, o.0))
        }
    }
    impl M4 {
        #[inline(always)]
        pub fn and(self, o: M4) -> M4 {
            M4(v128_and(self.0, o.0))
        }
        #[inline(always)]
        pub fn bits(self) -> u32 {
            i32x4_bitmask(self.0) as u32
        }
    }
    impl Add for F4 {
        type Output = F4;
        #[inline(always)]
        fn add(self, o: F4) -> F4 {
            F4(f32x4_add(self.0, o.0))
        }
    }
    impl Sub for F4 {
        type Output = F4;
        #[inline(always)]
        fn sub(self, o: F4) -> F4 {
            F4(f32x4_sub(self.0, o.0))
        }
    }
    impl Mul for F4 {
        type Output = F4;
        #[inline(always)]
        fn mul(self, o: F4) -> F4 {
            F4(f32x4_mul(self.0, o.0))
        }
    }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod imp {
    use core::ops::{Add, Mul, Sub};

    #[derive(Clone, Copy)]
    pub struct F4([f32; 4]);
    #[derive(Clone, Copy)]
    pub struct M4([bool; 4]);

    fn each(a: F4, b: F4, f: impl Fn(f32, f32) -> f32) -> F4 {
        F4([f(a.0[0], b.0[0]), f(a.0[1], b.0[1]), f(a.0[2], b.0[2]), f(a.0[3], b.0[3])])
    }
    fn test(a: F4, b: F4, f: impl Fn(f32, f32) -> bool) -> M4 {
        M4([f(a.0[0], b.0[0]), f(a.0[1], b.0[1]), f(a.0[2], b.0[2]), f(a.0[3], b.0[3])])
    }

    impl F4 {
        pub fn splat(v: f32) -> F4 {
            F4([v; 4])
        }
        pub fn load(v: &[f32; 4]) -> F4 {
            F4(*v)
        }
        pub fn store(self) -> [f32; 4] {
            self.0
        }
        pub fn recip(self) -> F4 {
            each(self, self, |a, _| 1.0 / a)
        }
        pub fn min(self, o: F4) -> F4 {
            each(self, o, |a, b| if b < a { b } else { a })
        }
        pub fn max(self, o: F4) -> F4 {
            each(self, o, |a, b| if a < b { b } else { a })
        }
        pub fn le(self, o: F4) -> M4 {
            test(self, o, |a, b| a <= b)
        }
        pub fn lt(self, o: F4) -> M4 {
            test(self, o, |a, b| a < b)
        }
    }
    impl M4 {
        pub fn and(self, o: M4) -> M4 {
            M4([self.0[0] & o.0[0], self.0[1] & o.0[1], self.0[2] & o.0[2], self.0[3] & o.0[3]])
        }
        pub fn bits(self) -> u32 {
            (0..4).map(|i| (self.0[i] as u32) << i).sum()
        }
    }
    impl Add for F4 {
        type Output = F4;
        fn add(self, o: F4) -> F4 {
            each(self, o, |a, b| a + b)
        }
    }
    impl Sub for F4 {
        type Output = F4;
        fn sub(self, o: F4) -> F4 {
            each(self, o, |a, b| a - b)
        }
    }
    impl Mul for F4 {
        type Output = F4;
        fn mul(self, o: F4) -> F4 {
            each(self, o, |a, b| a * b)
        }
    }
}

pub use imp::F4;
