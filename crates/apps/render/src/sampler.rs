//! Numbers to sample with: even over a pixel's samples, different in each pixel, the same on every run.
//!
//! Source: Burley, "Practical Hash-based Owen Scrambling", 2020: the first two dimensions of the Sobol sequence,
//! shuffled and scrambled anew for each pair that is asked for.

pub struct Sampler {
    pixel: u32,
    sample: u32,
    dimension: u32,
}

impl Sampler {
    pub fn new(x: u32, y: u32, sample: u32) -> Sampler {
        Sampler { pixel: hash(x ^ hash(y ^ 0x9e37_79b9)), sample, dimension: 0 }
    }

    /// A point of the unit square, its edges at 1 not included.
    pub fn pair(&mut self) -> (f32, f32) {
        self.dimension += 1;
        let seed = hash(self.pixel ^ self.dimension.wrapping_mul(0x9e37_79b1));
        // 4096 samples are told apart; more repeat, shuffled differently in each dimension.
        let index = scramble(self.sample, seed) & 0xfff;
        let x = scramble(index.reverse_bits(), hash(seed ^ 0x68bc_21eb));
        let y = scramble(second(index), hash(seed ^ 0x02e5_be93));
        (unit(x), unit(y))
    }

    pub fn one(&mut self) -> f32 {
        self.pair().0
    }
}

fn unit(bits: u32) -> f32 {
    (bits >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// The second dimension of the Sobol sequence.
fn second(mut index: u32) -> u32 {
    let (mut direction, mut value) = (1u32 << 31, 0);
    while index != 0 {
        if index & 1 != 0 {
            value ^= direction;
        }
        index >>= 1;
        direction ^= direction >> 1;
    }
    value
}

/// Permutes so that each bit depends only on those above it, which keeps the sequence's evenness.
fn scramble(x: u32, seed: u32) -> u32 {
    let mut x = x.reverse_bits().wrapping_add(seed);
    x ^= x.wrapping_mul(0x6c50_b47c);
    x ^= x.wrapping_mul(0xb82f_1e52);
    x ^= x.wrapping_mul(0xc7af_e638);
    x ^= x.wrapping_mul(0x8d22_f6e6);
    x.reverse_bits()
}

fn hash(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x7feb_352d);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846c_a68b);
    x ^ x >> 16
}
