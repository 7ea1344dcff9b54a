//! What can go wrong, and what to do then.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use golem_protocol::{ContentHash, NodeId};

/// Why a network did not start. Nothing is left running.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The identity key is not a secp256k1 secret.
    #[error("the identity key is not a valid secp256k1 secret: it is zero or too large; make a new one")]
    IdentityKey,
    /// A listen or bootstrap address cannot be read.
    #[error(
        "the address {address:?} cannot be read ({detail}): write it like /ip4/0.0.0.0/udp/4001/quic-v1 or /ip4/192.0.2.7/tcp/4001"
    )]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Listening was refused.
    #[error("cannot listen on {address}: {detail}. Is another node running there? Port 0 takes a free one")]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        detail: String,
    },
    /// More topics than a network has.
    #[error("{got} topics are over the bound of {max}")]
    Topics {
        /// How many were given.
        got: usize,
        /// The bound.
        max: usize,
    },
    /// The transports could not be set up.
    #[error("cannot set up the network: {detail}")]
    Setup {
        /// What was said.
        detail: String,
    },
}

/// Why a document was not gossiped. It has not left this machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Over the bound.
    #[error("{got} bytes are over the bound of {max} for gossip; publish a digest and send the rest directly")]
    TooLarge {
        /// Its size.
        got: usize,
        /// The bound.
        max: usize,
    },
    /// Nobody connected listens to the topic.
    #[error("no connected peer listens to {topic}: wait for PeerSubscribed, or check the bootstrap addresses")]
    NoPeers {
        /// The topic.
        topic: String,
    },
    /// The topic is not one of the network's.
    #[error("the network was started without the topic {topic}")]
    UnknownTopic {
        /// The topic.
        topic: String,
    },
    /// The links to all peers are full.
    #[error("the links to all peers are full; try again in a second")]
    Busy,
    /// The network has stopped.
    #[error("the network has stopped")]
    Stopped,
    /// The message could not be signed.
    #[error("the message cannot be signed: {detail}")]
    Signing {
        /// What was said.
        detail: String,
    },
}

/// Why a direct message counts as not delivered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Over the bound. It has not left this machine.
    #[error("a message of {got} bytes is over the bound of {max}; send large things as content")]
    TooLarge {
        /// Its size.
        got: usize,
        /// The bound.
        max: usize,
    },
    /// This node has never been met. The message has not left this machine.
    #[error("node {node} has never been seen on the network: wait for it to connect or to publish something")]
    UnknownNode {
        /// The node.
        node: NodeId,
    },
    /// No connection could be made. The message has not left this machine; a retry is safe.
    #[error("node {node} cannot be reached: {detail}")]
    Unreachable {
        /// The node.
        node: NodeId,
        /// What was tried.
        detail: String,
    },
    /// Too much waits for this node already. The message has not left this machine.
    #[error("too many requests are waiting; try again when some are answered")]
    QueueFull,
    /// The receiver's application does not keep up. It did not take the message; a retry is safe.
    #[error("node {node} is busy; try again in a second")]
    Busy {
        /// The node.
        node: NodeId,
    },
    /// The receiver did not take the message because we send too much.
    #[error("node {node} refuses more messages for now: we are over its rate; slow down or be banned")]
    RateLimited {
        /// The node.
        node: NodeId,
    },
    /// The receiver calls the message too large or malformed, and did not take it. The same message will fail again.
    #[error(
        "node {node} refuses the message as too large or malformed: its bounds are smaller than ours, check both versions"
    )]
    Refused {
        /// The node.
        node: NodeId,
    },
    /// The connection broke or the answer did not come. Whether the message was taken is unknown: sending again is
    /// safe only for what may be taken twice, as all documents of a deal may.
    #[error("whether node {node} got the message is unknown: {detail}")]
    Unconfirmed {
        /// The node.
        node: NodeId,
        /// What happened.
        detail: String,
    },
    /// The network has stopped.
    #[error("the network has stopped")]
    Stopped,
}

/// What one provider of content did wrong, or failed to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchFault {
    /// It sent bytes that are not the content's: provably its fault, or its disk's.
    #[error("it sent wrong bytes for {part}")]
    WrongBytes {
        /// Which part.
        part: String,
    },
    /// It says that it does not hold the content with that size.
    #[error("it does not hold it")]
    NotHeld,
    /// It could not be asked, or did not answer in time.
    #[error("{0}")]
    Unanswered(SendError),
}

/// Why content was not fetched. What was verified is kept beside the destination for the next try, unless said
/// otherwise.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The announced size is over the bound. Nothing was asked for.
    #[error("content of {size} bytes is over the bound of {max}")]
    TooLarge {
        /// The announced size.
        size: u64,
        /// The bound.
        max: u64,
    },
    /// No provider was named.
    #[error("nobody is named who holds {hash}")]
    NoProviders {
        /// The content.
        hash: ContentHash,
    },
    /// All providers failed.
    #[error(
        "{hash} cannot be fetched, {verified_bytes} of {size} bytes are here: {}; try again with other providers",
        fault_list(faults)
    )]
    ProvidersFailed {
        /// The content.
        hash: ContentHash,
        /// Its size.
        size: u64,
        /// What is verified and kept.
        verified_bytes: u64,
        /// Each provider's fault.
        faults: BTreeMap<NodeId, FetchFault>,
    },
    /// Another fetch writes to the same destination.
    #[error("another fetch to {path} is under way", path = path.display())]
    InProgress {
        /// The destination.
        path: PathBuf,
    },
    /// The operating system said no.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The network has stopped.
    #[error("the network has stopped")]
    Stopped,
}

fn fault_list(faults: &BTreeMap<NodeId, FetchFault>) -> String {
    faults.iter().map(|(node, fault)| format!("{node}: {fault}")).collect::<Vec<_>>().join("; ")
}
