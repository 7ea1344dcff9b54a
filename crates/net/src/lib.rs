//! The peer-to-peer network: gossip, direct messages and content by hash, over libp2p.
//!
//! Start at [`Network::start`]. It runs as one task; [`NetworkHandle`] is the way in, [`NetworkEvent`] the way out.
//!
//! ```text
//! NetworkHandle ──commands──> network task ──> gate, limits        who may connect
//!                                  │             gossipsub           publish; held until reported valid
//!                                  │             message/1           send; answered when queued
//!                                  │             content/1           fetch <── ContentSource
//! application  <──events──────────┘             identify, kad, mdns  who is where
//! ```
//!
//! One secp256k1 key is the node: its peer id, its [`NodeId`](golem_protocol::NodeId), its Ethereum address. Messages
//! carry no names, for the connection proves them; gossip is signed by its author, so that anybody can answer it
//! directly. Content is checked piece by piece against its plain BLAKE3 hash, whoever sends it.
//!
//! Everything a peer can drive has a bound: see [`NetworkLimits`] and the constants beside it. Who goes over its rate
//! is refused, then disconnected and kept out for a while.
//!
//! It never: interprets what it carries, passes on gossip that the application has not called valid, speaks to a peer
//! whose key is not secp256k1, or stores records for others. Not there yet: relaying and hole punching for nodes behind
//! a NAT (circuit relay, DCUtR, AutoNAT); such a node can connect to others, and be answered, but not be dialled.
mod behaviour;
mod codec;
mod content;
mod document;
mod driver;
mod error;
mod fetch;
mod gate;
mod identity;
mod limits;
mod network;
mod pieces;
mod rate;
mod throttle;

pub use content::{ContentError, ContentSource, ContentStore, NoContent};
pub use document::SIZE_UNKNOWN;
pub use error::{FetchError, FetchFault, PublishError, SendError, StartError};
pub use fetch::Fetched;
pub use limits::{
    CONTENT_BYTES_MAX, GOSSIP_BYTES_MAX, MESSAGE_BYTES_MAX, NetworkLimits, PROVIDERS_PER_FETCH_MAX, TOPICS_MAX,
};
pub use network::{GossipId, GossipVerdict, Network, NetworkConfig, NetworkEvent, NetworkHandle, check_address};
pub use pieces::PIECE_BYTES;
pub use throttle::Bandwidth;

#[cfg(test)]
mod tests;
