//! Why there is no development network.

use crate::anvil::AnvilError;
use golem_chain::ChainError;
use golem_protocol::SignatureError;

/// Why a development network is not there, or does not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DevnetError {
    /// There is no chain.
    #[error(transparent)]
    Anvil(Box<AnvilError>),
    /// The chain refused something, such as a channel with more than its payer holds.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A place among the accounts at which there is none.
    #[error("{what} is account {place}, and there are {accounts}, counted from 0: set `anvil.accounts` higher")]
    NoAccount {
        /// Who is meant.
        what: &'static str,
        /// The place.
        place: usize,
        /// How many there are.
        accounts: usize,
    },
    /// A voucher that cannot be signed, as one above 96 bits.
    #[error("the voucher cannot be signed: {0}")]
    Signature(#[from] SignatureError),
    /// A node did not start.
    #[cfg(feature = "nodes")]
    #[error("the node of account {account} did not start: {source}")]
    Node {
        /// The place of its account.
        account: usize,
        /// Why.
        source: Box<golem_node::StartError>,
    },
    /// The nodes' folder, or their threads, could not be made.
    #[cfg(feature = "nodes")]
    #[error("cannot {action} for the nodes: {reason}")]
    NodeRoom {
        /// What was tried, as a verb.
        action: &'static str,
        /// What the system says.
        reason: String,
    },
    /// The nodes started and did not meet.
    #[cfg(feature = "nodes")]
    #[error("the nodes did not meet within {waited_s} s: the first reaches {peers} of {others} others on loopback")]
    Apart {
        /// How long they were waited for.
        waited_s: u64,
        /// How many were there.
        peers: usize,
        /// How many should have been.
        others: usize,
    },
}

impl From<AnvilError> for DevnetError {
    fn from(error: AnvilError) -> DevnetError {
        DevnetError::Anvil(Box::new(error))
    }
}
