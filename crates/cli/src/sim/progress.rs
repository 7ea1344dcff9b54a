//! How far a simulation is: a bar on a terminal, a line a minute elsewhere.

use crate::output;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a line is written where there is no terminal. Reason: a log of hours is to be read, too.
const LINE_EVERY: Duration = Duration::from_secs(60);

pub struct Progress {
    bar: ProgressBar,
    name: String,
    began: Instant,
    /// Parts that were there already, and tell nothing of how long the rest takes.
    kept: AtomicU64,
    /// When a line was written last; nothing on a terminal.
    said: Option<Mutex<Instant>>,
}

impl Progress {
    /// Of so many parts.
    pub fn new(name: &str, parts: u64) -> Progress {
        let began = Instant::now();
        let is_terminal = output::stderr_is_terminal();
        let bar = if is_terminal { ProgressBar::new(parts) } else { ProgressBar::hidden() };
        let look = "{prefix} {bar:30} {msg}";
        let style = ProgressStyle::with_template(look).unwrap_or_else(|_| ProgressStyle::default_bar());
        let said = (!is_terminal).then(|| Mutex::new(began));
        let bar = bar.with_style(style).with_prefix(name.to_owned());
        // It draws, so it comes when the look is known.
        bar.set_length(parts);
        Progress { bar, name: name.to_owned(), began, kept: AtomicU64::new(0), said }
    }

    /// There are so many parts now, and so many of them were there already.
    pub fn planned(&self, parts: u64, kept: u64) {
        self.bar.set_length(parts);
        self.bar.inc(kept.saturating_sub(self.kept.fetch_max(kept, Ordering::Relaxed)));
    }

    /// So many more are done; `what` says of what.
    pub fn add(&self, parts: u64, what: impl Fn() -> String) {
        self.bar.inc(parts);
        let now = Now {
            done: self.bar.position(),
            kept: self.kept.load(Ordering::Relaxed),
            of: self.bar.length().unwrap_or_default(),
            after: self.began.elapsed(),
        };
        let Some(said) = &self.said else { return self.bar.set_message(format!("{}, {}", what(), now.left())) };
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.elapsed() < LINE_EVERY {
            return;
        }
        *said = Instant::now();
        // A log that has gone is no reason to stop.
        let _ = writeln!(std::io::stderr(), "{} ({})", now.line(&self.name), what());
    }

    /// It is over.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// How far it is at a moment, in parts.
struct Now {
    done: u64,
    /// Of these, without having been played.
    kept: u64,
    of: u64,
    after: Duration,
}

impl Now {
    /// How long it may take yet, by how long it took so far; it cannot be told where nothing was done in that time.
    fn left(&self) -> String {
        let played = self.done.saturating_sub(self.kept);
        if played == 0 {
            return "time left not known yet".into();
        }
        let left = self.after.as_secs_f64() * self.of.saturating_sub(self.done) as f64 / played as f64;
        format!("{} left", output::span(left as u64))
    }

    fn line(&self, name: &str) -> String {
        let share = self.done as f64 / self.of.max(1) as f64;
        let name = if name.is_empty() { String::new() } else { format!("{name}: ") };
        format!("{name}{:.0} % after {}, {}", share * 100.0, output::span(self.after.as_secs()), self.left())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, (done, kept, of): (u64, u64, u64), seconds: u64) -> String {
        Now { done, kept, of, after: Duration::from_secs(seconds) }.line(name)
    }

    #[test]
    fn says_how_far_it_is_and_how_long_it_may_take_yet() {
        assert_eq!(line("S12", (250, 0, 1_000), 600), "S12: 25 % after 10 min, 30 min left");
        assert_eq!(line("", (1_000, 0, 1_000), 60), "100 % after 60 s, 0 s left");
    }

    #[test]
    fn what_was_kept_says_nothing_of_how_long_the_rest_takes() {
        assert_eq!(line("S12", (500, 400, 1_000), 600), "S12: 50 % after 10 min, 50 min left");
        assert_eq!(line("S12", (400, 400, 1_000), 60), "S12: 40 % after 60 s, time left not known yet");
    }

    #[test]
    fn what_was_kept_counts_as_done_once() {
        let progress = Progress::new("S12", 1_000);
        for kept in [300, 500, 400] {
            progress.planned(2_000, kept);
        }
        assert_eq!((progress.bar.position(), progress.bar.length()), (500, Some(2_000)));
    }
}
