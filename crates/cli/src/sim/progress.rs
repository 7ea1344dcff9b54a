//! How far a simulation is: a bar on a terminal, a line a minute elsewhere.

use crate::output;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a line is written where there is no terminal. Reason: a log of hours is to be read, too.
const LINE_EVERY: Duration = Duration::from_secs(60);

pub struct Progress {
    bar: ProgressBar,
    name: String,
    began: Instant,
    /// When a line was written last; nothing on a terminal.
    said: Option<Mutex<Instant>>,
}

impl Progress {
    /// Of so many parts.
    pub fn new(name: &str, parts: u64) -> Progress {
        let began = Instant::now();
        let is_terminal = output::stderr_is_terminal();
        let bar = if is_terminal { ProgressBar::new(parts) } else { ProgressBar::hidden() };
        bar.set_length(parts);
        let look = "{prefix} {bar:30} {msg}, {eta} left";
        let style = ProgressStyle::with_template(look).unwrap_or_else(|_| ProgressStyle::default_bar());
        let said = (!is_terminal).then(|| Mutex::new(began));
        Progress { bar: bar.with_style(style).with_prefix(name.to_owned()), name: name.to_owned(), began, said }
    }

    /// There are so many parts now.
    pub fn planned(&self, parts: u64) {
        self.bar.set_length(parts);
    }

    /// So many more are done; `what` says of what.
    pub fn add(&self, parts: u64, what: impl Fn() -> String) {
        self.bar.inc(parts);
        let Some(said) = &self.said else { return self.bar.set_message(what()) };
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.elapsed() < LINE_EVERY {
            return;
        }
        *said = Instant::now();
        let line = line(&self.name, self.bar.position(), self.bar.length().unwrap_or_default(), self.began.elapsed());
        // A log that has gone is no reason to stop.
        let _ = writeln!(std::io::stderr(), "{line} ({})", what());
    }

    /// It is over.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// How far it is, and how long it may take yet.
fn line(name: &str, done: u64, of: u64, after: Duration) -> String {
    let share = done as f64 / of.max(1) as f64;
    let left = after.as_secs_f64() * (1.0 - share).max(0.0) / share.max(1e-6);
    let name = if name.is_empty() { String::new() } else { format!("{name}: ") };
    format!("{name}{:.0} % after {}, {} left", share * 100.0, output::span(after.as_secs()), output::span(left as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_far_it_is_and_how_long_it_may_take_yet() {
        assert_eq!(line("S12", 250, 1_000, Duration::from_secs(600)), "S12: 25 % after 10 min, 30 min left");
        assert_eq!(line("", 1_000, 1_000, Duration::from_secs(60)), "100 % after 60 s, 0 s left");
    }
}
