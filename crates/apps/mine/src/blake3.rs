//! BLAKE3 of up to one chunk: 1024 bytes. Source: the BLAKE3 paper, sections 2.2 and 2.4.

const START: [u32; 8] =
    [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
/// The order of message words from one round to the next.
const ORDER: [usize; 16] = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const CHUNK_START: u32 = 1;
const CHUNK_END: u32 = 2;
const ROOT: u32 = 8;

fn mix(s: &mut [u32; 16], a: usize, b: usize, c: usize, d: usize, x: u32, y: u32) {
    s[a] = s[a].wrapping_add(s[b]).wrapping_add(x);
    s[d] = (s[d] ^ s[a]).rotate_right(16);
    s[c] = s[c].wrapping_add(s[d]);
    s[b] = (s[b] ^ s[c]).rotate_right(12);
    s[a] = s[a].wrapping_add(s[b]).wrapping_add(y);
    s[d] = (s[d] ^ s[a]).rotate_right(8);
    s[c] = s[c].wrapping_add(s[d]);
    s[b] = (s[b] ^ s[c]).rotate_right(7);
}

fn compress(chain: &[u32; 8], block: &[u8], flags: u32) -> [u32; 8] {
    let mut padded = [0u8; 64];
    padded[..block.len()].copy_from_slice(block);
    let mut words = [0u32; 16];
    for (word, bytes) in words.iter_mut().zip(padded.chunks_exact(4)) {
        *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    let mut s = [0u32; 16];
    s[..8].copy_from_slice(chain);
    s[8..12].copy_from_slice(&START[..4]);
    // The chunk's number, which is 0, in two words.
    s[14] = block.len() as u32;
    s[15] = flags;
    for _ in 0..7 {
        for i in 0..4 {
            mix(&mut s, i, 4 + i, 8 + i, 12 + i, words[2 * i], words[2 * i + 1]);
        }
        for i in 0..4 {
            let (b, c, d) = (4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
            mix(&mut s, i, b, c, d, words[8 + 2 * i], words[9 + 2 * i]);
        }
        words = ORDER.map(|place| words[place]);
    }
    let mut next = [0; 8];
    for i in 0..8 {
        next[i] = s[i] ^ s[i + 8];
    }
    next
}

/// The hash of at most 1024 bytes.
pub fn hash(bytes: &[u8]) -> [u8; 32] {
    let count = ((bytes.len() + 63) / 64).max(1);
    let mut chain = START;
    for i in 0..count {
        let start = if i == 0 { CHUNK_START } else { 0 };
        let end = if i + 1 == count { CHUNK_END | ROOT } else { 0 };
        chain = compress(&chain, &bytes[i * 64..bytes.len().min(i * 64 + 64)], start | end);
    }
    let mut hash = [0; 32];
    for (place, word) in hash.chunks_exact_mut(4).zip(chain) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    hash
}
