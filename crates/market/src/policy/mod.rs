//! The market behind the machines' questions: prices, choices, credit, and what is run again.
//!
//! The node and the simulation both ask through these, so that what was simulated is what runs.

mod provider;
mod requestor;
mod saving;
#[cfg(test)]
mod tests;
mod usual;

pub use provider::ProviderMarketPolicy;
pub use requestor::{Lot, RequestorMarketPolicy, standings_in};

use crate::provider::SettingsError;
use golem_protocol::{NodeId, RecordError, RefusalReason};
use std::collections::BTreeMap;

/// How many peers' latest terms are kept. Reason: as many as the market remembers.
const TERMS_MAX: usize = crate::PEERS_MAX;

/// Why a policy cannot start. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The market's memory cannot be read.
    #[error("the market's records cannot be read: {0}. Start with the version that wrote them, or with another folder")]
    Memory(#[from] RecordError),
    /// A setting is out of range.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

/// Whether a node's identity cost as much as is asked.
fn check_identity(node: NodeId, bits_min: u32) -> Result<(), RefusalReason> {
    let bits = node.work_bits();
    if bits < bits_min { Err(RefusalReason::IdentityTooCheap { bits, bits_min }) } else { Ok(()) }
}

/// Keeps the newest terms of a peer; where there is no room, those of the lowest id go.
fn remember<T>(terms: &mut BTreeMap<NodeId, T>, node: NodeId, value: T) {
    if !terms.contains_key(&node) && terms.len() >= TERMS_MAX {
        terms.pop_first();
    }
    terms.insert(node, value);
}
