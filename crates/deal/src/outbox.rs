//! The gate between deciding and doing: nothing leaves before its record is durable.

use crate::record::Record;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Names one save. Saves are answered in the order they were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PersistId(pub u64);

/// Holds back effects until the newest save asked for before them has been answered.
#[derive(Debug)]
pub struct Outbox<E> {
    next: u64,
    waiting: BTreeMap<PersistId, Vec<E>>,
}

impl<E> Default for Outbox<E> {
    fn default() -> Self {
        Outbox { next: 0, waiting: BTreeMap::new() }
    }
}

impl<E> Outbox<E> {
    /// Takes what one input led to. Gives what may be done at once.
    ///
    /// With records: a save, and everything else waits for it. Without: everything else waits for the newest save that
    /// is still under way, since it may rest on what that one holds; where none is, it leaves at once.
    pub fn post(&mut self, records: Vec<Record>, effects: Vec<E>, persist: fn(PersistId, Vec<Record>) -> E) -> Vec<E> {
        #[cfg(feature = "planted")]
        if golem_payments::planted::is_planted(golem_payments::planted::Bug::ActsBeforeSaving) && !records.is_empty() {
            let save = persist(PersistId(self.next), records);
            self.next += 1;
            return effects.into_iter().chain([save]).collect();
        }
        if !records.is_empty() {
            let id = PersistId(self.next);
            self.next += 1;
            self.waiting.insert(id, effects);
            return vec![persist(id, records)];
        }
        match self.waiting.last_entry() {
            Some(mut newest) => {
                newest.get_mut().extend(effects);
                Vec::new()
            }
            None => effects,
        }
    }

    /// What waited for this save, and for any before it.
    pub fn persisted(&mut self, id: PersistId) -> Vec<E> {
        let later = self.waiting.split_off(&PersistId(id.0.saturating_add(1)));
        core::mem::replace(&mut self.waiting, later).into_values().flatten().collect()
    }

    /// Whether a save is under way.
    pub fn is_saving(&self) -> bool {
        !self.waiting.is_empty()
    }
}
