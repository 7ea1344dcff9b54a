//! The lines of a plan, which `split` prints.
//!
//! Not a crate but a file that each app includes, because modules are built by the compiler alone.

use std::fmt::Write as _;

/// A subtask as a line.
pub fn subtask_line(name: &str, args: &[&str]) -> String {
    let args: Vec<String> = args.iter().map(|arg| json(arg)).collect();
    format!("{{\"name\":{},\"args\":[{}]}}\n", json(name), args.join(","))
}

/// A text as JSON.
pub fn json(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if (c as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
