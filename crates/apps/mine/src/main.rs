//! Looks for nonces that give a header a small hash: proof of work, as Bitcoin does it or with BLAKE3.
//!
//! ```text
//! mine split  --header FILE --from N --nonces N --parts N ...  ──> one JSON line for each range of nonces
//! mine search ... --from N --nonces N                           ──> /out/found
//! mine merge                                                    ──> /out/report.txt, /out/report.json
//! ```
//!
//! The hash is of the header's bytes with the nonce after them. `merge` hashes everything it reports again itself.

mod blake3;
#[path = "../../shared/command.rs"]
mod command;
#[path = "../../shared/plan.rs"]
mod plan;
mod sha256;
#[path = "../../shared/share.rs"]
mod share;
#[cfg(test)]
mod tests;

use command::Options;
use std::fmt::Write as _;
use std::path::Path;

const HELP: &str = "usage: mine split|search|merge [--OPTION VALUE]...

  --header FILE       hexadecimal digits: what is hashed, without the nonce
  --algorithm NAME    sha256d (as Bitcoin) or blake3
  --bits N            zero bits that a hash must start with, 1 to 255
  --nonce_bytes N     4 or 8: how long a nonce is, least significant byte first
  --from N            the first nonce
  --nonces N          how many nonces
  --parts N           how many subtasks, for split alone

All of them are needed, by split and by search; merge takes none.
";

/// The longest header: BLAKE3 hashes it in one chunk with its nonce.
const HEADER_BYTES_MAX: usize = 1000;
/// The most nonces in all, and of one subtask that is given away.
const NONCES_MAX: u64 = 1 << 44;
const PARTS_MAX: u64 = 65_536;
/// The most finds that one subtask writes down: more means that the target is no work at all.
const FOUND_MAX: usize = 100_000;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Err(error) = run(&args, Path::new("/in"), Path::new("/out")) {
        eprintln!("mine: {error}");
        std::process::exit(1);
    }
}

fn run(args: &[String], input: &Path, output: &Path) -> Result<(), String> {
    let (command, rest) = args.split_first().ok_or(HELP)?;
    let known = ["header", "algorithm", "bits", "nonce_bytes", "from", "nonces", "parts"];
    let options = Options::parse(rest, &known).map_err(|error| format!("{error}\n\n{HELP}"))?;
    match command.as_str() {
        "split" => split(&options),
        "search" => search(&options, output),
        "merge" => merge(input, output),
        _ => Err(format!("there is no command {command}\n\n{HELP}")),
    }
}

/// What is looked for.
#[derive(Clone, Debug, PartialEq)]
struct Work {
    header: Vec<u8>,
    algorithm: Algorithm,
    bits: u32,
    nonce_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Algorithm {
    Sha256d,
    Blake3,
}

impl Algorithm {
    fn parse(text: &str) -> Result<Algorithm, String> {
        match text {
            "sha256d" => Ok(Algorithm::Sha256d),
            "blake3" => Ok(Algorithm::Blake3),
            _ => Err(format!("--algorithm {text}: give sha256d or blake3")),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Algorithm::Sha256d => "sha256d",
            Algorithm::Blake3 => "blake3",
        }
    }
}

impl Work {
    fn parse(options: &Options) -> Result<Work, String> {
        let path = options.needed("header")?;
        let header = unhex(&command::read(Path::new(path))?).map_err(|error| format!("{path}: {error}"))?;
        if header.is_empty() || header.len() > HEADER_BYTES_MAX {
            return Err(format!("{path} has {} bytes, and a header has 1 to {HEADER_BYTES_MAX}", header.len()));
        }
        Ok(Work {
            header,
            algorithm: Algorithm::parse(options.needed("algorithm")?)?,
            bits: options.whole("bits", 1, 255)? as u32,
            nonce_bytes: match options.whole("nonce_bytes", 4, 8)? {
                4 => 4,
                8 => 8,
                other => return Err(format!("--nonce_bytes {other}: give 4 or 8")),
            },
        })
    }

    /// The first nonce and the one after the last.
    fn range(&self, options: &Options) -> Result<(u64, u64), String> {
        let last = if self.nonce_bytes == 4 { u64::from(u32::MAX) } else { u64::MAX - 1 };
        let from = options.whole("from", 0, last)?;
        let count = options.whole("nonces", 1, NONCES_MAX)?;
        // The range ends where nonces do.
        Ok((from, from.saturating_add(count).min(last + 1)))
    }

    /// A hash as a number's bytes, the most significant first: as people write it.
    fn hash(&self, nonce: u64) -> [u8; 32] {
        let mut bytes = self.header.clone();
        bytes.extend_from_slice(&nonce.to_le_bytes()[..self.nonce_bytes]);
        match self.algorithm {
            Algorithm::Sha256d => {
                // Bitcoin reads a hash from its end.
                let mut hash = sha256::hash(&sha256::hash(&bytes));
                hash.reverse();
                hash
            }
            Algorithm::Blake3 => blake3::hash(&bytes),
        }
    }

    /// All nonces of a range whose hash is small enough, in order.
    fn search(&self, from: u64, to: u64) -> Result<Vec<u64>, String> {
        let mut found = Vec::new();
        // The blocks before the one with the nonce are the same each time.
        let whole = self.header.len() / 64 * 64;
        let before = sha256::State::START.blocks(&self.header[..whole]);
        let mut tail = self.header[whole..].to_vec();
        let at = tail.len();
        tail.resize(at + self.nonce_bytes, 0);
        for nonce in from..to {
            let hash = match self.algorithm {
                Algorithm::Sha256d => {
                    tail[at..].copy_from_slice(&nonce.to_le_bytes()[..self.nonce_bytes]);
                    let mut hash = sha256::hash(&before.finish(&tail, (self.header.len() + self.nonce_bytes) as u64));
                    hash.reverse();
                    hash
                }
                Algorithm::Blake3 => self.hash(nonce),
            };
            if zero_bits(&hash) >= self.bits {
                if found.len() == FOUND_MAX {
                    return Err(format!("more than {FOUND_MAX} nonces do; ask for more than {} bits", self.bits));
                }
                found.push(nonce);
            }
        }
        Ok(found)
    }
}

fn zero_bits(hash: &[u8; 32]) -> u32 {
    let zeros = hash.iter().take_while(|byte| **byte == 0).count();
    zeros as u32 * 8 + hash.get(zeros).map_or(0, |byte| byte.leading_zeros())
}

/// Digits in pairs; white space and what follows a `#` on a line are left out.
fn unhex(text: &str) -> Result<Vec<u8>, String> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let digits: Vec<char> = lines.flat_map(str::chars).filter(|c| !c.is_whitespace()).collect();
    if digits.len() % 2 == 1 {
        return Err("it has an odd number of hexadecimal digits".to_owned());
    }
    let digit = |c: char| c.to_digit(16).ok_or_else(|| format!("`{c}` is no hexadecimal digit"));
    digits.chunks(2).map(|pair| Ok((digit(pair[0])? << 4 | digit(pair[1])?) as u8)).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn split(options: &Options) -> Result<(), String> {
    let work = Work::parse(options)?;
    let (from, to) = work.range(options)?;
    let parts = options.whole("parts", 1, PARTS_MAX)?.min(to - from);
    for index in 0..parts {
        let (first, end) = share::share(to - from, parts, index);
        let (first, count) = (from + first, end - first);
        let (first_text, count_text) = (first.to_string(), count.to_string());
        let (bits, nonce_bytes) = (work.bits.to_string(), work.nonce_bytes.to_string());
        let args = [
            "search",
            "--header",
            options.needed("header")?,
            "--algorithm",
            work.algorithm.name(),
            "--bits",
            &bits,
            "--nonce_bytes",
            &nonce_bytes,
            "--from",
            &first_text,
            "--nonces",
            &count_text,
        ];
        print!("{}", plan::subtask_line(&format!("from-{first}"), &args));
    }
    Ok(())
}

/// Shape of `/out/found`: a line `header HEX`, one each for `algorithm`, `bits`, `nonce-bytes`, `from` and `to`, then a
/// nonce a line.
fn search(options: &Options, output: &Path) -> Result<(), String> {
    let work = Work::parse(options)?;
    let (from, to) = work.range(options)?;
    let found = work.search(from, to)?;
    let mut text = format!(
        "header {}\nalgorithm {}\nbits {}\nnonce-bytes {}\nfrom {from}\nto {to}\n",
        hex(&work.header),
        work.algorithm.name(),
        work.bits,
        work.nonce_bytes
    );
    for nonce in found {
        let _ = writeln!(text, "{nonce}");
    }
    command::write(&output.join("found"), &text)
}

/// One subtask's part of the work.
struct Searched {
    work: Work,
    from: u64,
    to: u64,
    found: Vec<u64>,
}

fn read_found(text: &str) -> Result<Searched, String> {
    let mut lines = text.lines();
    let mut field = |name: &str| {
        let line = lines.next().and_then(|line| line.strip_prefix(name)).and_then(|line| line.strip_prefix(' '));
        line.ok_or_else(|| format!("it has no {name} in its place"))
    };
    let number = |text: &str| text.parse::<u64>().map_err(|_| format!("`{text}` is no number"));
    let work = Work {
        header: unhex(field("header")?)?,
        algorithm: Algorithm::parse(field("algorithm")?)?,
        bits: number(field("bits")?)? as u32,
        nonce_bytes: if number(field("nonce-bytes")?)? == 4 { 4 } else { 8 },
    };
    let (from, to) = (number(field("from")?)?, number(field("to")?)?);
    let found: Vec<u64> = lines.map(number).collect::<Result<_, _>>()?;
    for nonce in &found {
        // What is reported is checked: a nonce costs nothing to look at.
        if !(from..to).contains(nonce) || zero_bits(&work.hash(*nonce)) < work.bits {
            return Err(format!("it names {nonce}, which is no solution of its range"));
        }
    }
    Ok(Searched { work, from, to, found })
}

fn merge(input: &Path, output: &Path) -> Result<(), String> {
    let mut parts = Vec::new();
    for (index, text) in command::results(input, "found")? {
        parts.push(read_found(&text).map_err(|error| format!("the result of subtask {index} is wrong: {error}"))?);
    }
    let work = parts[0].work.clone();
    if parts.iter().any(|part| part.work != work) {
        return Err("the results are of different tasks".to_owned());
    }
    let searched: u64 = parts.iter().map(|part| part.to - part.from).sum();
    let mut found: Vec<([u8; 32], u64)> =
        parts.iter().flat_map(|part| &part.found).map(|nonce| (work.hash(*nonce), *nonce)).collect();
    found.sort_unstable();
    // Half of all hashes start with one zero bit, a quarter with two.
    let expected = searched as f64 / 2f64.powi(work.bits as i32);
    let (first, end) = (parts.iter().map(|p| p.from).min(), parts.iter().map(|p| p.to).max());
    let range = format!("{} to {}", first.unwrap_or(0), end.unwrap_or(1) - 1);
    let mut text = format!(
        "{} of a header of {} bytes with a nonce of {} bytes\n{} nonces searched, from {range}\nfound with {} zero bits or \
         more at the start of their hash: {}; to be expected: {expected:.2}\n\n",
        work.algorithm.name(),
        work.header.len(),
        work.nonce_bytes,
        searched,
        work.bits,
        found.len(),
    );
    for (hash, nonce) in &found {
        let _ = writeln!(text, "{nonce:>20}  {}  {} zero bits", hex(hash), zero_bits(hash));
    }
    command::write(&output.join("report.txt"), &text)?;
    let solutions: Vec<String> = found
        .iter()
        .map(|(hash, nonce)| {
            format!("    {{ \"nonce\": \"{nonce}\", \"hash\": \"{}\", \"zero_bits\": {} }}", hex(hash), zero_bits(hash))
        })
        .collect();
    let report = format!(
        "{{\n  \"algorithm\": \"{}\",\n  \"header\": \"{}\",\n  \"nonce_bytes\": {},\n  \"bits\": {},\n  \"searched\": \
         \"{searched}\",\n  \"expected\": {expected},\n  \"found\": [\n{}\n  ]\n}}\n",
        work.algorithm.name(),
        hex(&work.header),
        work.nonce_bytes,
        work.bits,
        solutions.join(",\n")
    );
    command::write(&output.join("report.json"), &report)
}
