//! Writes PNG: RFC 2083, its compression RFC 1950 and 1951.

/// The largest distance and length of a repetition that deflate knows.
const WINDOW: usize = 32_768;
const MATCH_MAX: usize = 258;
/// How many earlier places are tried for a repetition.
const TRIES: usize = 48;

/// A picture of rows of red, green and blue bytes.
pub fn encode(width: u32, height: u32, rgb: &[u8]) -> Vec<u8> {
    let mut png = start(width, height);
    chunk(&mut png, b"IDAT", &body(width, rgb));
    chunk(&mut png, b"IEND", &[]);
    png
}

/// Pictures that follow each other, as many a second, again and again.
///
/// Source: Animated PNG, now in the third edition of the PNG specification, sections 11.3.5 and 11.3.6.
pub struct Animation {
    width: u32,
    height: u32,
    fps: u16,
    frames: u32,
    chunks: Vec<u8>,
    sequence: u32,
}

impl Animation {
    pub fn new(width: u32, height: u32, fps: u16) -> Animation {
        Animation { width, height, fps, frames: 0, chunks: Vec::new(), sequence: 0 }
    }

    /// Adds the next picture.
    pub fn add(&mut self, rgb: &[u8]) {
        let mut control = self.next().to_vec();
        for number in [self.width, self.height, 0, 0] {
            control.extend_from_slice(&number.to_be_bytes());
        }
        control.extend_from_slice(&1u16.to_be_bytes());
        control.extend_from_slice(&self.fps.to_be_bytes());
        // Each stands in place of the one before, which is not kept.
        control.extend_from_slice(&[0, 0]);
        chunk(&mut self.chunks, b"fcTL", &control);
        let body = body(self.width, rgb);
        if self.frames == 0 {
            // The first is what programs show that know nothing of animations.
            chunk(&mut self.chunks, b"IDAT", &body);
        } else {
            let numbered = [&self.next()[..], &body].concat();
            chunk(&mut self.chunks, b"fdAT", &numbered);
        }
        self.frames += 1;
    }

    fn next(&mut self) -> [u8; 4] {
        self.sequence += 1;
        (self.sequence - 1).to_be_bytes()
    }

    /// The file.
    pub fn finish(self) -> Vec<u8> {
        let mut png = start(self.width, self.height);
        let endless = [self.frames.to_be_bytes(), [0; 4]].concat();
        chunk(&mut png, b"acTL", &endless);
        png.extend_from_slice(&self.chunks);
        chunk(&mut png, b"IEND", &[]);
        png
    }
}

fn start(width: u32, height: u32) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = Vec::new();
    header.extend_from_slice(&width.to_be_bytes());
    header.extend_from_slice(&height.to_be_bytes());
    // 8 bits each of red, green and blue; the one compression and filter method; not interlaced.
    header.extend_from_slice(&[8, 2, 0, 0, 0]);
    chunk(&mut png, b"IHDR", &header);
    chunk(&mut png, b"sRGB", &[0]);
    png
}

fn body(width: u32, rgb: &[u8]) -> Vec<u8> {
    let rows = filtered(width as usize * 3, rgb);
    let mut body = vec![0x78, 0x9c];
    deflate(&rows, &mut body);
    body.extend_from_slice(&adler32(&rows).to_be_bytes());
    body
}

fn chunk(png: &mut Vec<u8>, kind: &[u8; 4], body: &[u8]) {
    png.extend_from_slice(&(body.len() as u32).to_be_bytes());
    let start = png.len();
    png.extend_from_slice(kind);
    png.extend_from_slice(body);
    let sum = crc32(&png[start..]);
    png.extend_from_slice(&sum.to_be_bytes());
}

/// Each row as differences from its neighbours, by the filter that leaves the smallest.
fn filtered(stride: usize, rgb: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(rgb.len() + rgb.len() / stride.max(1));
    let zero = vec![0; stride];
    let mut above: &[u8] = &zero;
    for row in rgb.chunks_exact(stride) {
        let at = |line: &[u8], i: usize| if i >= 3 { line[i - 3] } else { 0 };
        let candidates = (0..5u8).map(|kind| -> Vec<u8> {
            (0..stride)
                .map(|i| {
                    let (left, up, corner) = (at(row, i), above[i], at(above, i));
                    let guess = match kind {
                        0 => 0,
                        1 => left,
                        2 => up,
                        3 => ((u16::from(left) + u16::from(up)) / 2) as u8,
                        _ => paeth(left, up, corner),
                    };
                    row[i].wrapping_sub(guess)
                })
                .collect()
        });
        let cost = |line: &Vec<u8>| line.iter().map(|b| u32::from((*b as i8).unsigned_abs())).sum::<u32>();
        let best = candidates.enumerate().min_by_key(|(_, line)| cost(line));
        if let Some((kind, line)) = best {
            out.push(kind as u8);
            out.extend_from_slice(&line);
        }
        above = row;
    }
    out
}

fn paeth(a: u8, b: u8, c: u8) -> u8 {
    let (ia, ib, ic) = (i16::from(a), i16::from(b), i16::from(c));
    let p = ia + ib - ic;
    let (pa, pb, pc) = ((p - ia).abs(), (p - ib).abs(), (p - ic).abs());
    if pa <= pb && pa <= pc {
        a
    } else if pb <= pc {
        b
    } else {
        c
    }
}

#[derive(Clone, Copy)]
enum Token {
    Literal(u8),
    Repeat { length: u16, distance: u16 },
}

struct Bits<'a> {
    out: &'a mut Vec<u8>,
    held: u64,
    count: u32,
}

impl Bits<'_> {
    fn put(&mut self, value: u32, count: u32) {
        self.held |= u64::from(value) << self.count;
        self.count += count;
        while self.count >= 8 {
            self.out.push(self.held as u8);
            self.held >>= 8;
            self.count -= 8;
        }
    }

    fn finish(mut self) {
        let spare = (8 - self.count % 8) % 8;
        self.put(0, spare);
    }
}

/// Compresses in blocks, each with codes of its own.
fn deflate(data: &[u8], out: &mut Vec<u8>) {
    let tokens = tokens(data);
    let mut bits = Bits { out, held: 0, count: 0 };
    let blocks: Vec<&[Token]> = if tokens.is_empty() { vec![&[]] } else { tokens.chunks(40_000).collect() };
    for (i, block) in blocks.iter().enumerate() {
        bits.put(u32::from(i + 1 == blocks.len()), 1);
        bits.put(2, 2);
        write_block(block, &mut bits);
    }
    bits.finish();
}

fn tokens(data: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut latest = vec![usize::MAX; 1 << 15];
    let mut before = vec![usize::MAX; data.len()];
    let key = |i: usize| {
        let word = u32::from(data[i]) | u32::from(data[i + 1]) << 8 | u32::from(data[i + 2]) << 16;
        (word.wrapping_mul(0x9e37_79b1) >> 17) as usize
    };
    let mut i = 0;
    while i < data.len() {
        let mut best = (0, 0);
        let mut end = i + 1;
        if i + 3 <= data.len() {
            let mut at = latest[key(i)];
            for _ in 0..TRIES {
                if at == usize::MAX || i - at > WINDOW {
                    break;
                }
                let most = MATCH_MAX.min(data.len() - i);
                let length = (0..most).take_while(|k| data[at + k] == data[i + k]).count();
                if length > best.0 {
                    best = (length, i - at);
                }
                at = before[at];
            }
        }
        // Short ones from far away cost more than the bytes themselves.
        if best.0 >= 4 || (best.0 == 3 && best.1 < 1024) {
            tokens.push(Token::Repeat { length: best.0 as u16, distance: best.1 as u16 });
            end = i + best.0;
        } else {
            tokens.push(Token::Literal(data[i]));
        }
        while i < end {
            if i + 3 <= data.len() {
                let k = key(i);
                before[i] = latest[k];
                latest[k] = i;
            }
            i += 1;
        }
    }
    tokens
}

/// The code of a length, and the value and number of its extra bits. The table is regular: after the first eight, four
/// codes each share a number of extra bits. Distances are alike, with two.
fn length_code(length: u16) -> (usize, u32, u32) {
    if length == 258 {
        return (285, 0, 0);
    }
    let value = u32::from(length) - 3;
    if value < 8 {
        return (257 + value as usize, 0, 0);
    }
    let extra = 29 - value.leading_zeros();
    let code = 257 + 4 * (extra as usize + 1) + ((value >> extra) & 3) as usize;
    (code, value & ((1 << extra) - 1), extra)
}

fn distance_code(distance: u16) -> (usize, u32, u32) {
    let value = u32::from(distance) - 1;
    if value < 4 {
        return (value as usize, 0, 0);
    }
    let extra = 30 - value.leading_zeros();
    let code = 2 * (extra as usize + 1) + ((value >> extra) & 1) as usize;
    (code, value & ((1 << extra) - 1), extra)
}

fn write_block(tokens: &[Token], bits: &mut Bits<'_>) {
    let mut literals = [0u32; 286];
    let mut distances = [0u32; 30];
    literals[256] = 1;
    for token in tokens {
        match *token {
            Token::Literal(byte) => literals[usize::from(byte)] += 1,
            Token::Repeat { length, distance } => {
                literals[length_code(length).0] += 1;
                distances[distance_code(distance).0] += 1;
            }
        }
    }
    let literal_lengths = code_lengths(&literals, 15);
    let distance_lengths = code_lengths(&distances, 15);
    let all: Vec<u8> = literal_lengths.iter().chain(&distance_lengths).copied().collect();
    let mut kinds = [0u32; 19];
    all.iter().for_each(|length| kinds[usize::from(*length)] += 1);
    let kind_lengths = code_lengths(&kinds, 7);
    bits.put(286 - 257, 5);
    bits.put(30 - 1, 5);
    bits.put(19 - 4, 4);
    for kind in [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15] {
        bits.put(u32::from(kind_lengths[kind]), 3);
    }
    let kind_codes = codes(&kind_lengths);
    for length in all {
        bits.put(kind_codes[usize::from(length)], u32::from(kind_lengths[usize::from(length)]));
    }
    let (literal_codes, distance_codes) = (codes(&literal_lengths), codes(&distance_lengths));
    for token in tokens {
        match *token {
            Token::Literal(byte) => {
                let at = usize::from(byte);
                bits.put(literal_codes[at], u32::from(literal_lengths[at]));
            }
            Token::Repeat { length, distance } => {
                let (at, value, extra) = length_code(length);
                bits.put(literal_codes[at], u32::from(literal_lengths[at]));
                bits.put(value, extra);
                let (at, value, extra) = distance_code(distance);
                bits.put(distance_codes[at], u32::from(distance_lengths[at]));
                bits.put(value, extra);
            }
        }
    }
    bits.put(literal_codes[256], u32::from(literal_lengths[256]));
}

/// Huffman's code lengths, none above `most`: while one is, the counts are made more alike.
fn code_lengths(counts: &[u32], most: u8) -> Vec<u8> {
    let mut counts: Vec<u32> = counts.to_vec();
    // A code of one symbol alone would have no bits.
    for i in 0..2 {
        if counts.iter().filter(|count| **count > 0).count() < 2 {
            counts[i] = counts[i].max(1);
        }
    }
    loop {
        let mut lengths = vec![0u8; counts.len()];
        let mut groups: Vec<(u64, Vec<usize>)> = counts
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(|(symbol, count)| (u64::from(*count), vec![symbol]))
            .collect();
        while groups.len() > 1 {
            // The rarest last; ties by symbol, so that the result is the same everywhere.
            groups.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| b.1[0].cmp(&a.1[0])));
            if let (Some(a), Some(b)) = (groups.pop(), groups.pop()) {
                let mut joined = a.1;
                joined.extend(b.1);
                joined.iter().for_each(|symbol| lengths[*symbol] += 1);
                groups.push((a.0 + b.0, joined));
            }
        }
        if lengths.iter().all(|length| *length <= most) {
            return lengths;
        }
        counts.iter_mut().filter(|count| **count > 0).for_each(|count| *count = *count / 2 + 1);
    }
}

/// The canonical codes of some lengths, their bits turned round because deflate sends them from the other end.
fn codes(lengths: &[u8]) -> Vec<u32> {
    let mut count = [0u32; 16];
    lengths.iter().filter(|length| **length > 0).for_each(|length| count[usize::from(*length)] += 1);
    let mut next = [0u32; 16];
    for bits in 1..16 {
        next[bits] = (next[bits - 1] + count[bits - 1]) << 1;
    }
    lengths
        .iter()
        .map(|length| match u32::from(*length) {
            0 => 0,
            bits => {
                let code = next[bits as usize];
                next[bits as usize] += 1;
                code.reverse_bits() >> (32 - bits)
            }
        })
        .collect()
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |s, _| if s & 1 == 1 { s >> 1 ^ 0xedb8_8320 } else { s >> 1 })
    })
}

fn adler32(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1u32, 0u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    b << 16 | a
}
