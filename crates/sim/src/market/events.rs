//! A sample of what happens to subtasks, so that somebody can look at single cases and not only at sums.

use super::agents::{MS_PER_HOUR, Machine};
use super::outcome::{EventKind, EventRow};
use crate::stream::{Draw, SmallStream};

/// Some of the events of a run, each with the same chance to be among them.
///
/// Source: algorithm R (Vitter, Random sampling with a reservoir, 1985).
pub(super) struct EventSample {
    rows: Vec<EventRow>,
    most: usize,
    seen: u64,
    draws: SmallStream,
}

impl EventSample {
    /// It draws from a stream of its own: what happens is the same with and without it.
    pub(super) fn new(seed: u64, most: u32) -> EventSample {
        EventSample {
            rows: Vec::new(),
            most: most as usize,
            seen: 0,
            draws: SmallStream::new(seed, super::EVENTS, 0, 0),
        }
    }

    /// Something happened to a subtask of this machine.
    pub(super) fn saw(&mut self, kind: EventKind, machine: &Machine, gnt: f64, took_ms: u64, now: u64) {
        self.seen += 1;
        let place = if self.rows.len() < self.most {
            self.rows.len()
        } else {
            ((u128::from(self.draws.draw()) * u128::from(self.seen)) >> 64) as usize
        };
        if place >= self.most {
            return;
        }
        let row = EventRow {
            hour: now as f64 / MS_PER_HOUR,
            kind,
            provider: machine.name,
            group: machine.group,
            behaviour: machine.behaviour.name(),
            gnt,
            hours: took_ms as f64 / MS_PER_HOUR,
        };
        match self.rows.get_mut(place) {
            Some(kept) => *kept = row,
            None => self.rows.push(row),
        }
    }

    /// In the order in which they happened.
    pub(super) fn rows(mut self) -> Vec<EventRow> {
        self.rows.sort_by(|a, b| a.hour.total_cmp(&b.hour).then(a.provider.cmp(&b.provider)).then(a.kind.cmp(&b.kind)));
        self.rows
    }
}
