//! Proofs of wrong results that others publish: which of them are run again here, and what that changes.
//!
//! Start with [`Proofs::hear`]. A proof is a signed agreement and a signed report of a wrong result; whoever computes that
//! one subtask sees for itself. So nobody has to be believed, and each has to find out only those whose offers it would
//! take.
//!
//! ```text
//! hear --> the accused's offer would be taken: it waits --> begin --computed again--> prove, or refute
//! ```
//!
//! What a liar can do with it: cost one run for each name it signs with, at most [`RERUNS_PER_HOUR`], and have an honest
//! provider's offer wait for one of them. It never makes anybody distrusted whose results are right.

use crate::book::Book;
use golem_protocol::{Address, B256, LocalTime, NodeId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most proofs that wait to be looked at. Reason: they come from anybody; 100 bytes each.
pub const CLAIMS_MAX: usize = 4_096;
/// The most of them about one provider. Reason: false ones must not keep out a true one, and each costs a run.
pub const CLAIMS_EACH_MAX: usize = 4;
/// The most subtasks of others that are computed here in an hour. Reason: more is not needed, since a requestor that buys
/// that much finds new cheats no faster; and it is what false proofs can cost.
pub const RERUNS_PER_HOUR: u32 = 4;
/// A proof is looked at only where its subtask takes at most so many times as long as the one for which the accused
/// offers. Reason: finding out must not cost more than what is at stake.
pub const RERUN_TIMES_MAX: u32 = 2;
/// The most providers that are known to have given a wrong result, and the most peers whose proof was none. Reason: as
/// many as the market remembers; the oldest go.
const NAMES_MAX: usize = crate::PEERS_MAX;
const HOUR_MS: u64 = 3_600_000;

/// A proof that was published and checked for its signatures, but not run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Whose result is said to be wrong.
    pub provider: NodeId,
    /// Who says so.
    pub accuser: NodeId,
    /// Where the caller finds the subtask, the agreement and the report.
    pub proof: B256,
    /// How long the subtask may take.
    pub subtask_timeout_s: u32,
}

/// Why a proof is not kept. None of these is an error of who relays it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unheard {
    /// It says nothing new.
    #[error("that provider has been proven wrong here before, or that accuser's proof is here already")]
    Known,
    /// Its accuser was wrong before.
    #[error("a proof of that accuser was run again here, and the result was right")]
    Misled,
    /// There is no room.
    #[error("as many proofs wait as are kept")]
    Full,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Waits,
    Runs,
}

/// What a requestor knows of wrong results beside its own outcomes.
///
/// Shape: what is stored are the names; proofs that were not looked at are published again or not missed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proofs {
    /// Who gave a result that was computed again here and is wrong, and as the how-manieth.
    proven: Book<NodeId, u64>,
    /// Whose proof was computed again here and is none.
    misled: Book<NodeId, u64>,
    /// Of whom a proof was computed again here and is none. Its offers wait for no further one, which is still looked at.
    cleared: Book<NodeId, u64>,
    count: u64,
    /// By the accused and the accuser.
    #[serde(skip)]
    claims: BTreeMap<(NodeId, NodeId), (Claim, Look)>,
    #[serde(skip)]
    hour: LocalTime,
    #[serde(skip)]
    reruns: u32,
}

impl Proofs {
    /// Keeps a proof until its accused offers something that would be taken.
    ///
    /// Errors: why it is not kept.
    pub fn hear(&mut self, claim: Claim) -> Result<(), Unheard> {
        let key = (claim.provider, claim.accuser);
        if self.proven.contains_key(&claim.provider) || self.claims.contains_key(&key) {
            return Err(Unheard::Known);
        }
        if self.misled.contains_key(&claim.accuser) {
            return Err(Unheard::Misled);
        }
        if self.claims.len() >= CLAIMS_MAX || self.about(&claim.provider).count() >= CLAIMS_EACH_MAX {
            return Err(Unheard::Full);
        }
        self.claims.insert(key, (claim, Look::Waits));
        Ok(())
    }

    fn about(&self, provider: &NodeId) -> impl Iterator<Item = &(Claim, Look)> {
        let from = (*provider, NodeId(Address::ZERO));
        self.claims.range(from..).take_while(move |((accused, _), _)| accused == &from.0).map(|(_, claim)| claim)
    }

    /// Whether a result of this provider was computed again here and is wrong.
    pub fn is_proven(&self, provider: &NodeId) -> bool {
        self.proven.contains_key(provider)
    }

    /// Whether an offer of this provider is to wait, for a subtask that may take so long: its case is looked at, or can be.
    pub(crate) fn holds(&self, provider: &NodeId, subtask_timeout_s: u32, now: LocalTime) -> bool {
        if self.claims.is_empty() || self.cleared.contains_key(provider) {
            return false;
        }
        self.about(provider)
            .any(|(claim, look)| *look == Look::Runs || (fits(claim, subtask_timeout_s) && self.may_run(now)))
    }

    fn may_run(&self, now: LocalTime) -> bool {
        self.reruns < RERUNS_PER_HOUR || now.saturating_sub(self.hour) >= HOUR_MS
    }

    /// The proof to run again now about a provider whose offer for a subtask that may take so long is to be taken; `None`
    /// where one is running, none fits, or enough were run in this hour. Afterwards one of [`Proofs::prove`],
    /// [`Proofs::refute`] and [`Proofs::give_up`] is to be called.
    pub fn begin(&mut self, provider: &NodeId, subtask_timeout_s: u32, now: LocalTime) -> Option<Claim> {
        if self.claims.is_empty() || !self.may_run(now) || self.about(provider).any(|(_, look)| *look == Look::Runs) {
            return None;
        }
        let fitting = self.about(provider).find(|(claim, _)| fits(claim, subtask_timeout_s));
        let key = fitting.map(|(claim, _)| (claim.provider, claim.accuser))?;
        let (claim, look) = self.claims.get_mut(&key)?;
        *look = Look::Runs;
        if now.saturating_sub(self.hour) >= HOUR_MS {
            (self.hour, self.reruns) = (now, 0);
        }
        self.reruns += 1;
        Some(*claim)
    }

    /// A result of this provider was computed again here and is wrong, whoever bought it.
    pub fn prove(&mut self, provider: NodeId) {
        self.count = self.count.saturating_add(1);
        add(&mut self.proven, provider, self.count);
        let about: Vec<_> = self.about(&provider).map(|(claim, _)| (claim.provider, claim.accuser)).collect();
        for key in about {
            self.claims.remove(&key);
        }
    }

    /// How many cases were closed: while it stays, so does who is proven.
    pub(crate) fn closed(&self) -> u64 {
        self.count
    }

    /// The result of a proof was computed again here and is right: its accuser is not listened to any more.
    pub fn refute(&mut self, claim: &Claim) {
        self.count = self.count.saturating_add(1);
        add(&mut self.misled, claim.accuser, self.count);
        add(&mut self.cleared, claim.provider, self.count);
        self.claims.retain(|_, (other, _)| other.accuser != claim.accuser);
    }

    /// A proof that was begun could not be run again: nothing is known, and it is not tried again.
    pub fn give_up(&mut self, claim: &Claim) {
        self.claims.remove(&(claim.provider, claim.accuser));
    }
}

fn fits(claim: &Claim, subtask_timeout_s: u32) -> bool {
    claim.subtask_timeout_s / RERUN_TIMES_MAX <= subtask_timeout_s
}

/// Adds a name; where there is no room, the oldest goes.
fn add(names: &mut Book<NodeId, u64>, name: NodeId, count: u64) {
    if !names.contains_key(&name) && names.len() >= NAMES_MAX {
        let oldest = names.iter().min_by_key(|(_, count)| **count).map(|(name, _)| *name);
        oldest.and_then(|oldest| names.remove(&oldest));
    }
    names.insert(name, count);
}
