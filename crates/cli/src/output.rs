//! How things are printed: JSON for scripts, tables and short ids for people.

use anyhow::Context as _;
use golem_protocol::{Address, B256, Wei};
use serde::Serialize;
use std::io::{IsTerminal, Write};
use std::path::Path;

/// Whether progress bars and colours make sense.
pub fn stderr_is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// Whether somebody reads what is printed, and it goes into no file.
pub fn stdout_is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// An error with its causes, none of which is said twice.
pub fn error_text(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let said = cause.to_string();
        if text.is_empty() {
            text = said;
        } else if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
    }
    text
}

/// Prints one JSON document to stdout.
pub fn json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    line(&text)
}

/// Prints a line to stdout; a reader that has gone is an error, not a panic. It is one that [`reader_is_gone`] knows.
pub fn line(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).context("cannot write to stdout")
}

/// Whether it is only that nobody reads on, as behind `| head`: no reason to complain.
pub fn reader_is_gone(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
        && error.to_string() == "cannot write to stdout"
}

/// An amount of ether.
pub fn eth(wei: u128) -> String {
    format!("{} ETH", Wei(wei).to_gnt_string())
}

/// An amount of GNT that is easy on the eyes: rounded to a millionth, with a mark where that changed it, and never
/// rounded to nothing.
pub fn short_gnt(amount: Wei) -> String {
    short_amount(amount.0, |wei| Wei(wei).to_string())
}

/// The same of ether.
pub fn short_eth(wei: u128) -> String {
    short_amount(wei, eth)
}

fn short_amount(wei: u128, text: fn(u128) -> String) -> String {
    const STEP: u128 = 1_000_000_000_000;
    let rounded = wei.saturating_add(STEP / 2) / STEP * STEP;
    match (rounded == wei, rounded == 0) {
        (true, _) => text(wei),
        (false, true) => format!("{wei} wei"),
        (false, false) => format!("~{}", text(rounded)),
    }
}

/// An amount of GNT that may be paid at most, or is expected: easy on the eyes, and never less than it is.
pub fn at_most_gnt(amount: Wei) -> String {
    match rounded_up(amount.0) {
        // Too little for anybody to read it in GNT.
        wei @ 1..1_000_000 => format!("{wei} wei"),
        wei => Wei(wei).to_string(),
    }
}

/// The same of ether.
pub fn at_most_eth(wei: u128) -> String {
    eth(rounded_up(wei))
}

/// Rounds up to a millionth of a token, or to six digits where it is less than one.
fn rounded_up(wei: u128) -> u128 {
    let digits = wei.checked_ilog10().map_or(0, |log| log + 1);
    let step = 10u128.pow(digits.saturating_sub(6).min(12));
    wei.div_ceil(step).saturating_mul(step)
}

/// An address that can still be told from others.
pub fn short(address: &Address) -> String {
    let text = address.to_string();
    format!("{}..{}", &text[..8], &text[text.len() - 4..])
}

/// A digest that can still be told from others, and that commands take for the whole.
pub fn short_digest(digest: &B256) -> String {
    digest.to_string().chars().take(10).collect()
}

/// A number of things: `1 subtask`, `2 subtasks`.
pub fn count(number: impl TryInto<u64>, thing: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{ending}")
}

/// What happened, and the last line of what a stranger's program said of it, as far as a screen has room, without anything
/// that moves the cursor: a first line tells the one, the last line the other.
pub fn one_line(text: &str) -> String {
    const CHARS_MAX: usize = 160;
    let short = |line: &str| {
        let mut shown: String = line.chars().filter(|c| !c.is_control()).take(CHARS_MAX).collect();
        if shown.chars().count() == CHARS_MAX {
            shown.push_str(" ...");
        }
        shown
    };
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.as_slice() {
        [] => String::new(),
        [only] => short(only),
        [first, last] => format!("{} {}", short(first), short(last)),
        [first, .., last] => format!("{} ... {}", short(first), short(last)),
    }
}

/// What a stranger's program said, without anything but line ends that moves the cursor.
pub fn tame(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || *c == '\n').collect()
}

/// Files that were written: the first of them, and how many more there are.
pub fn files<'a>(files: impl ExactSizeIterator<Item = (&'a Path, u64)>) -> anyhow::Result<()> {
    const SHOWN: usize = 8;
    let more = files.len().saturating_sub(SHOWN);
    for (path, bytes) in files.take(SHOWN) {
        line(&format!("{} ({bytes} bytes)", path.display()))?;
    }
    if more > 0 {
        line(&format!("... and {}", count(more as u64, "more file")))?;
    }
    Ok(())
}

/// A size for people.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => count(bytes, "byte"),
        1_000..100_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

/// A limit in MiB, or in bytes where it is less than one.
pub fn size_limit(bytes: u64) -> String {
    if bytes >= 1 << 20 { format!("{} MiB", bytes >> 20) } else { count(bytes, "byte") }
}

/// An amount of fuel for people.
pub fn fuel(units: u64) -> String {
    const MILLION: u64 = 1_000_000;
    match units {
        0..MILLION => format!("{units} fuel"),
        MILLION..10_000_000_000 => format!("{} million fuel", units / MILLION),
        10_000_000_000..10_000_000_000_000 => format!("{} thousand million fuel", units / (1_000 * MILLION)),
        _ => format!("{} million million fuel", units / (MILLION * MILLION)),
    }
}

/// A time span for people.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Rows under a heading, numbers to the right.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings; a heading that starts with `>` is of a column of numbers.
    pub fn new(headings: &[&str]) -> Table {
        Table { rows: vec![headings.iter().map(|heading| heading.to_string()).collect()] }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
    }

    /// Adds a row of as many cells as there are headings.
    pub fn row_of(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// How many rows there are, the heading aside.
    pub fn len(&self) -> usize {
        self.rows.len() - 1
    }

    /// The lines.
    pub fn render(&self) -> String {
        let columns = self.rows[0].len();
        let right: Vec<bool> = self.rows[0].iter().map(|heading| heading.starts_with('>')).collect();
        let text = |row: usize, column: usize| {
            let cell = self.rows[row].get(column).map(String::as_str).unwrap_or_default();
            if row == 0 { cell.trim_start_matches('>') } else { cell }
        };
        let widths: Vec<usize> = (0..columns)
            .map(|column| (0..self.rows.len()).map(|row| text(row, column).chars().count()).max().unwrap_or(0))
            .collect();
        let mut lines = String::new();
        for row in 0..self.rows.len() {
            let mut line = String::new();
            for column in 0..columns {
                let (cell, width) = (text(row, column), widths[column]);
                let padded = if right[column] { format!("{cell:>width$}") } else { format!("{cell:<width$}") };
                line.push_str(&padded);
                line.push_str("  ");
            }
            lines.push_str(line.trim_end());
            lines.push('\n');
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortens_amounts_without_hiding_them() {
        assert_eq!(short_gnt(Wei(0)), "0 GNT");
        assert_eq!(short_gnt(Wei(250_000_000_000_000_000)), "0.25 GNT");
        assert_eq!(short_gnt(Wei(123_456_789_012_345_678)), "~0.123457 GNT");
        assert_eq!(short_gnt(Wei(143_999_652_480_000_000)), "~0.144 GNT");
        assert_eq!(short_gnt(Wei(7)), "7 wei");
    }

    #[test]
    fn rounds_what_may_be_paid_up_and_never_down() {
        assert_eq!(at_most_gnt(Wei(2_233_333_333_333_333_378)), "2.233334 GNT");
        assert_eq!(at_most_gnt(Wei(5_000_000_000_000_000_000)), "5 GNT");
        assert_eq!(at_most_gnt(Wei(111_666_666_666_666_668)), "0.111667 GNT");
        assert_eq!(at_most_gnt(Wei(999_999_999_999_999_999)), "1 GNT");
        assert_eq!(at_most_gnt(Wei(1_234_567_800)), "0.00000000123457 GNT");
        assert_eq!((at_most_gnt(Wei(7)), at_most_gnt(Wei(0))), ("7 wei".to_owned(), "0 GNT".to_owned()));
        assert_eq!(at_most_eth(190_500_000_381_000), "0.000190501 ETH");
        for wei in [1, 999_999, 1_000_001, Wei::MAX.0 - 1, 123_456_789_012_345_678] {
            assert!((wei..wei + 10u128.pow(12)).contains(&rounded_up(wei)), "{wei}");
        }
    }

    #[test]
    fn a_reader_that_has_gone_is_told_from_other_broken_pipes() {
        let broken = || std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert!(reader_is_gone(&anyhow::Error::from(broken()).context("cannot write to stdout")));
        assert!(!reader_is_gone(&anyhow::Error::from(broken()).context("cannot reach the chain")));
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        assert!(!reader_is_gone(&anyhow::Error::from(full).context("cannot write to stdout")));
    }

    #[test]
    fn says_no_cause_twice() {
        let error = anyhow::anyhow!("disk full").context("cannot write a: disk full");
        assert_eq!(error_text(&error), "cannot write a: disk full");
        let error = anyhow::anyhow!("disk full").context("cannot write a");
        assert_eq!(error_text(&error), "cannot write a: disk full");
    }

    #[test]
    fn shows_one_tame_line_of_what_strangers_say() {
        assert_eq!(one_line("a\u{1b}[31m red\nmore"), "a[31m red more");
        let said = "the program exited with code 7; it printed last:\nstarting\nrow 1\nI give up: bad data in row 3\n";
        let shown = "the program exited with code 7; it printed last: ... I give up: bad data in row 3";
        assert_eq!(one_line(said), shown);
        assert_eq!(one_line("plain"), "plain");
        assert_eq!(one_line(&"x".repeat(5000)).len(), 164);
        assert_eq!((count(1u32, "subtask"), count(0usize, "subtask")), ("1 subtask".into(), "0 subtasks".into()));
    }

    #[test]
    fn aligns_columns() {
        let mut table = Table::new(&["name", ">wei"]);
        table.row(["a".into(), "5".into()]);
        table.row(["long name".into(), "1000".into()]);
        assert_eq!(table.render(), "name        wei\na             5\nlong name  1000\n");
        assert_eq!(table.len(), 2);
    }
}
