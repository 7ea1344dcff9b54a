//! Golem's protocol: units, ids and every signed document of a deal.
pub mod ids;
pub mod units;
pub use alloy_primitives::{Address, B256};
pub use ids::{ChainRef, ChannelId, ChannelState, ContentHash, NodeId};
pub use units::{ByteCount, ChainTime, Fuel, LocalTime, Now, Wei};
