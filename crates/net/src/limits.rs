//! The bounds of everything a peer can drive, each with its reason.

use std::time::Duration;

/// The largest direct message, as the protocol defines it.
pub const MESSAGE_BYTES_MAX: usize = golem_protocol::limits::MESSAGE_BYTES_MAX;

/// The largest gossiped document. Gossip is copied to everyone: what is larger goes by digest.
pub const GOSSIP_BYTES_MAX: usize = 4 * 1024;

/// The largest gossipsub frame: many documents and control entries travel in one.
pub(crate) const GOSSIP_FRAME_BYTES_MAX: usize = 64 * 1024;

/// The largest content. Its list of pieces, 32 bytes per 256 KiB, is then 512 KiB and fits one response.
pub const CONTENT_BYTES_MAX: u64 = 4 << 30;

/// Topics of one network. A node has one per kind of document.
pub const TOPICS_MAX: usize = 16;

/// Commands waiting for the network task: a full queue makes callers wait, not the task grow.
pub(crate) const COMMANDS_MAX: usize = 256;

/// Events waiting for the application. Beyond it gossip is dropped and direct messages are answered "busy".
pub(crate) const EVENTS_MAX: usize = 1024;

/// Places in the event queue that gossip and messages leave free, so that comings and goings are told in time.
pub(crate) const EVENTS_KEPT_FREE: usize = 64;

/// Connections in all. Each costs some 100 KiB of buffers.
pub(crate) const CONNECTIONS_MAX: u32 = 256;

/// Connections that others opened. Half the rest stays for those we choose: strangers cannot fill all places.
pub(crate) const CONNECTIONS_IN_MAX: u32 = 192;

/// Connections to one peer: one that dies and its successor, or one of each side dialling at once.
pub(crate) const CONNECTIONS_PER_PEER_MAX: u32 = 3;

/// Handshakes under way, either way. A handshake costs a signature check; a flood of them must not hold memory.
pub(crate) const CONNECTIONS_PENDING_MAX: u32 = 64;

/// Nodes of which the peer id is remembered, to answer authors we are not connected to.
pub(crate) const DIRECTORY_MAX: usize = 16_384;

/// Addresses taken from one peer's own description.
pub(crate) const ADDRESSES_PER_PEER_MAX: usize = 16;

/// Peers being dialled or looked up for a waiting message.
pub(crate) const REACHING_MAX: usize = 64;

/// Requests of one kind that wait for one peer. Callers that get "queue full" hold back themselves.
pub(crate) const WAITING_PER_PEER_MAX: usize = 256;

/// Messages sent to one peer and not answered. Each may be a largest message, which the receiver holds in memory.
pub(crate) const MESSAGES_IN_FLIGHT_MAX: usize = 4;

/// Messages under way on one connection: both sides' share, and as many again that are just being closed.
pub(crate) const MESSAGE_STREAMS_MAX: usize = 16;

/// Pieces asked of one peer and not answered: what two fetches pipeline.
pub(crate) const CONTENT_IN_FLIGHT_MAX: usize = 8;

/// Content requests under way on one connection, counted as for messages.
pub(crate) const CONTENT_STREAMS_MAX: usize = 32;

/// Pieces being read from disk for others, all peers: each holds one piece in memory.
pub(crate) const SERVING_MAX: usize = 64;

/// Pieces being read for one peer: one peer cannot have all the places.
pub(crate) const SERVING_PER_PEER_MAX: usize = 16;

/// Providers one fetch talks to. More would not be faster than a link.
pub const PROVIDERS_PER_FETCH_MAX: usize = 16;

/// Peers that stay banned at a time; the oldest ban makes room.
pub(crate) const BANS_MAX: usize = 4096;

/// Authors whose rate of gossip is remembered.
pub(crate) const AUTHORS_MAX: usize = 4096;

/// How long a first ban lasts; each further one of the same peer twice as long, up to [`BAN_MAX`].
pub(crate) const BAN_FIRST: Duration = Duration::from_secs(60);

/// The longest ban: addresses and keys change hands.
pub(crate) const BAN_MAX: Duration = Duration::from_secs(3600);

/// How long an unused connection is kept: a deal's next message usually comes sooner.
pub(crate) const IDLE_CONNECTION: Duration = Duration::from_secs(120);

/// How soon bootstrap addresses are dialled again while nobody is connected: nodes that start together find each other.
pub(crate) const BOOTSTRAP_FIRST: Duration = Duration::from_millis(500);

/// How rarely in the end; each time twice as long as before.
pub(crate) const BOOTSTRAP_EVERY: Duration = Duration::from_secs(15);

/// How long a lookup of one peer's addresses may take.
pub(crate) const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);

/// The bounds an operator may want to change, or a test to make small.
#[derive(Clone, Debug)]
pub struct NetworkLimits {
    /// The largest direct message, in bytes, sent or taken.
    pub message_bytes_max: usize,
    /// Direct messages taken from one peer, per second. Each costs a signature check or two: this many are a tenth of a
    /// core.
    pub messages_per_second: u32,
    /// How many of them may come at once: the reports of a few thousand subtasks.
    pub messages_burst: u32,
    /// Gossip taken of one author, per second, whoever passes it on.
    pub gossip_per_second: u32,
    /// How much of it may come at once.
    pub gossip_burst: u32,
    /// Bytes of direct messages and gossip taken from one peer, per second.
    pub bytes_per_second: u32,
    /// How many bytes may come at once.
    pub bytes_burst: u32,
    /// Refusals of one peer before it is disconnected and banned; one is forgiven every five seconds.
    pub strikes_max: u32,
    /// The peers a node looks for by itself. Gossip needs about six; the rest is for those who leave.
    pub peers_target: usize,
    /// How long one request may take until the other side counts as unreachable, or a transfer as stalled.
    pub request_timeout: Duration,
}

impl Default for NetworkLimits {
    fn default() -> NetworkLimits {
        NetworkLimits {
            message_bytes_max: MESSAGE_BYTES_MAX,
            messages_per_second: 2000,
            messages_burst: 8000,
            gossip_per_second: 20,
            gossip_burst: 200,
            bytes_per_second: 16 << 20,
            bytes_burst: 64 << 20,
            strikes_max: 20,
            peers_target: 16,
            request_timeout: Duration::from_secs(20),
        }
    }
}
