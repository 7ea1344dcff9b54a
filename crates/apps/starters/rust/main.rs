//! Counts the words of a text, in parts.
//!
//!     NAME split FILE PARTS        prints one line for each subtask
//!     NAME count FILE INDEX PARTS  counts every PARTS-th line of the file, from INDEX on, into /out/counts
//!     NAME merge                   adds up /in/*/counts into /out/words.txt

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;
use std::fs;

type Counts = BTreeMap<String, u64>;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["split", file, parts] => split(file, parts),
        ["count", file, index, parts] => count(file, index, parts),
        ["merge"] => merge(),
        _ => Err("usage: split FILE PARTS | count FILE INDEX PARTS | merge".into()),
    };
    // What is said on standard error is what the user reads when a subtask fails.
    if let Err(error) = done {
        eprintln!("{}", error);
        std::process::exit(1);
    }
}

fn split(file: &str, parts: &str) -> Result<(), Box<dyn Error>> {
    fs::read_to_string(file).map_err(|error| format!("cannot read {}: {}", file, error))?;
    let count: u32 = parts.parse().map_err(|_| format!("{} is no number of parts", parts))?;
    for index in 0..count {
        // One JSON object a line. A name is optional; the arguments are those of one subtask.
        println!("{{\"name\": \"part-{}\", \"args\": [\"count\", {:?}, \"{}\", \"{}\"]}}", index, file, index, count);
    }
    Ok(())
}

fn count(file: &str, index: &str, parts: &str) -> Result<(), Box<dyn Error>> {
    let (index, parts): (usize, usize) = (index.parse()?, parts.parse()?);
    let text = fs::read_to_string(file)?;
    let mut counts = Counts::new();
    for line in text.lines().skip(index).step_by(parts) {
        for word in line.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            *counts.entry(word.to_lowercase()).or_default() += 1;
        }
    }
    let mut lines = String::new();
    for (word, count) in counts {
        writeln!(lines, "{} {}", word, count)?;
    }
    fs::write("/out/counts", lines)?;
    Ok(())
}

fn merge() -> Result<(), Box<dyn Error>> {
    let mut counts = Counts::new();
    for folder in fs::read_dir("/in")? {
        for line in fs::read_to_string(folder?.path().join("counts"))?.lines() {
            let (word, count) = line.split_once(' ').ok_or("a line without a count")?;
            *counts.entry(word.to_owned()).or_default() += count.parse::<u64>()?;
        }
    }
    let mut words: Vec<_> = counts.into_iter().collect();
    words.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let lines: String = words.iter().map(|(word, count)| format!("{:6} {}\n", count, word)).collect();
    fs::write("/out/words.txt", lines)?;
    Ok(())
}
