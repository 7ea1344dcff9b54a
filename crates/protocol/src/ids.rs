//! Names of things: nodes, channels and content.

use crate::units::ChainTime;
use alloy_primitives::{Address, B256, keccak256};
use core::fmt;
use serde::{Deserialize, Serialize};

/// A node: the Ethereum address of its identity key. The same key makes its peer id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub Address);

impl NodeId {
    /// The work in the key: one of `2^bits` keys tried has so many bits, so a node can show, once and to everybody, that its
    /// identity cost something.
    ///
    /// Source: the leading zero bits of keccak256("golem identity work 1" ‖ address).
    pub fn work_bits(&self) -> u32 {
        let mut bytes = b"golem identity work 1".to_vec();
        bytes.extend(self.0);
        let hash = keccak256(bytes);
        let zeros = hash.iter().take_while(|byte| **byte == 0).count();
        zeros as u32 * 8 + hash.get(zeros).map_or(0, |byte| byte.leading_zeros())
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Content by what it is: the BLAKE3 hash of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContentHash(pub B256);

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A payment channel: one per pair of payer and payee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChannelId {
    /// Who funds it and signs vouchers.
    pub payer: Address,
    /// Who claims.
    pub payee: Address,
}

/// What a signature is good for: one contract on one chain, and none other. Part of every signature.
pub trait Binding {
    /// The chain's id (EIP-155).
    fn chain_id(&self) -> u64;
    /// The contract.
    fn contract(&self) -> Address;
}

/// Which channels a document is about. All documents of a deal are bound to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChainRef {
    /// The chain's id (EIP-155).
    pub chain_id: u64,
    /// The `PaymentChannels` contract.
    pub channels: Address,
}

impl Binding for ChainRef {
    fn chain_id(&self) -> u64 {
        self.chain_id
    }

    fn contract(&self) -> Address {
        self.channels
    }
}

/// Which guarantee a document is about. What `ConcentDeposit` reads is bound to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ConcentRef {
    /// The chain's id (EIP-155).
    pub chain_id: u64,
    /// The `ConcentDeposit` contract.
    pub concent_deposit: Address,
}

impl Binding for ConcentRef {
    fn chain_id(&self) -> u64 {
        self.chain_id
    }

    fn contract(&self) -> Address {
        self.concent_deposit
    }
}

/// A channel as the chain shows it: the contract's one storage slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelState {
    /// Paid out to the payee in this epoch.
    pub claimed: crate::units::Wei,
    /// Funded in this epoch.
    pub deposit: crate::units::Wei,
    /// When a close can be finalized; 0 where none is requested.
    pub close_at: ChainTime,
    /// Counts openings; 0 where the channel was never opened. Vouchers of another epoch are dead.
    pub epoch: u32,
}
