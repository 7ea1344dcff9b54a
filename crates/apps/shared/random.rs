//! Numbers drawn from a seed, for apps whose subtasks must not repeat each other's.

/// Numbers drawn from a seed: the same everywhere, and others for another stream.
///
/// Source: xoshiro256++ and SplitMix64, D. Blackman and S. Vigna, "Scrambled linear pseudorandom number generators", 2021.
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// The numbers of a stream of a seed.
    pub fn new(seed: u64, stream: u64) -> Random {
        // The stream goes through the mixer first, so that neighbours share nothing.
        let mut at = seed ^ mix(stream.wrapping_add(0x9e37_79b9_7f4a_7c15));
        let mut next = || {
            at = at.wrapping_add(0x9e37_79b9_7f4a_7c15);
            mix(at)
        };
        Random { state: [next(), next(), next(), next()] }
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        let s = &mut self.state;
        let drawn = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        drawn
    }

    /// A number above 0 and below 1.
    pub fn unit(&mut self) -> f64 {
        ((self.bits() >> 12) as f64 + 0.5) / (1u64 << 52) as f64
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
