//! Who has been around for how long, of those that nobody here has dealt with.

use golem_protocol::NodeId;
use std::collections::HashMap;

/// The most strangers remembered. Reason: a few dealings with each tell more, and names are cheap to make.
const STRANGERS_MAX: usize = 4_096;
/// Who has not offered for so many dealings makes room for others.
const GONE_AFTER: u64 = 10_000;

/// Strangers that offered while newcomers were in doubt.
///
/// A cheat that takes a new name after each wrong result is always young; an honest machine that was not given work yet
/// grows old. So the old ones are tried first. A flood of names does not push them out: what is new finds no room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Strangers {
    seen: HashMap<NodeId, Seen>,
    /// None of them last offered before that, so that not all are looked through for each that finds no room.
    none_before: u64,
    /// How many made room for others.
    forgotten: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    /// At which of this node's dealings it first offered, and at which it last did.
    first: u64,
    last: u64,
}

impl Strangers {
    /// Who offers and is remembered as a stranger offers again. Whether it is.
    pub(crate) fn heard_again(&mut self, provider: &NodeId, dealings: u64) -> bool {
        let seen = self.seen.get_mut(provider);
        let is_known = seen.is_some();
        if let Some(seen) = seen {
            seen.last = dealings;
        }
        is_known
    }

    /// A stranger offers for the first time.
    pub(crate) fn heard(&mut self, provider: NodeId, dealings: u64) {
        if self.seen.len() >= STRANGERS_MAX {
            let is_gone = |last: u64| dealings.saturating_sub(last) > GONE_AFTER;
            if !is_gone(self.none_before) {
                return;
            }
            // In an order of its own, so that the same is forgotten everywhere.
            let gone = self.seen.iter().filter(|(_, seen)| is_gone(seen.last)).map(|(node, _)| *node).min();
            let Some(gone) = gone else {
                self.none_before = self.seen.values().map(|seen| seen.last).min().unwrap_or(dealings);
                return;
            };
            self.seen.remove(&gone);
            self.forgotten = self.forgotten.saturating_add(1);
        }
        self.seen.insert(provider, Seen { first: dealings, last: dealings });
    }

    /// It is no stranger any more.
    pub(crate) fn met(&mut self, provider: &NodeId) {
        self.seen.remove(provider);
    }

    /// At which dealing it first offered: the less, the older. Who is not remembered is the youngest.
    pub(crate) fn since(&self, provider: &NodeId) -> u64 {
        self.seen.get(provider).map_or(u64::MAX, |seen| seen.first)
    }

    /// How many were forgotten for others: while that stays and nobody is met, so does everybody's age.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    pub(crate) fn len(&self) -> usize {
        self.seen.len()
    }

    /// The most there may be.
    pub(crate) const MAX: usize = STRANGERS_MAX;
}
