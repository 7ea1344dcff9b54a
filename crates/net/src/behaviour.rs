//! The protocols that run on every connection, and how they are set.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity, ValidationMode, WhitelistSubscriptionFilter};
use libp2p::identity::Keypair;
use libp2p::kad::{self, store::MemoryStore};
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{PeerId, StreamProtocol, identify, mdns, ping};

use crate::codec::{CONTENT_PROTOCOL, ContentCodec, MESSAGE_PROTOCOL, MessageCodec};
use crate::gate::Gate;
use crate::limits::*;

/// Said in identify; a peer of another network is told apart by it.
pub(crate) const NETWORK_PROTOCOL: &str = "/golem/1";

const KAD_PROTOCOL: StreamProtocol = StreamProtocol::new("/golem/kad/1");

pub(crate) type Gossip = gossipsub::Behaviour<gossipsub::IdentityTransform, WhitelistSubscriptionFilter>;

#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    // First: what it refuses, no other protocol sees.
    pub(crate) gate: Gate,
    pub(crate) limits: connection_limits::Behaviour,
    pub(crate) gossip: Gossip,
    pub(crate) messages: request_response::Behaviour<MessageCodec>,
    pub(crate) content: request_response::Behaviour<ContentCodec>,
    pub(crate) identify: identify::Behaviour,
    pub(crate) kad: Toggle<kad::Behaviour<MemoryStore>>,
    pub(crate) mdns: Toggle<mdns::tokio::Behaviour>,
    pub(crate) ping: ping::Behaviour,
}

/// What may differ between two networks.
pub(crate) struct Choices<'a> {
    pub(crate) topics: &'a [String],
    pub(crate) discovery: bool,
    pub(crate) mdns: bool,
    pub(crate) limits: &'a NetworkLimits,
}

impl Behaviour {
    pub(crate) fn new(key: &Keypair, choices: &Choices<'_>) -> Result<Behaviour, String> {
        let peer = key.public().to_peer_id();
        let timeout = choices.limits.request_timeout;
        let streams = |count| {
            request_response::Config::default().with_request_timeout(timeout).with_max_concurrent_streams(count)
        };
        let codec = MessageCodec { bytes_max: choices.limits.message_bytes_max };
        let mdns = match choices.mdns {
            true => {
                Some(mdns::tokio::Behaviour::new(mdns::Config::default(), peer).map_err(|error| error.to_string())?)
            }
            false => None,
        };
        Ok(Behaviour {
            gate: Gate::default(),
            limits: connection_limits::Behaviour::new(connection_limits()),
            gossip: gossip(key, choices.topics)?,
            messages: request_response::Behaviour::with_codec(
                codec,
                [(MESSAGE_PROTOCOL, ProtocolSupport::Full)],
                streams(MESSAGE_STREAMS_MAX),
            ),
            content: request_response::Behaviour::with_codec(
                ContentCodec,
                [(CONTENT_PROTOCOL, ProtocolSupport::Full)],
                streams(CONTENT_STREAMS_MAX),
            ),
            identify: identify::Behaviour::new(
                identify::Config::new(NETWORK_PROTOCOL.to_string(), key.public())
                    .with_agent_version(format!("golem/{}", env!("CARGO_PKG_VERSION")))
                    .with_push_listen_addr_updates(true),
            ),
            kad: choices.discovery.then(|| kademlia(peer)).into(),
            mdns: mdns.into(),
            ping: ping::Behaviour::default(),
        })
    }
}

fn connection_limits() -> ConnectionLimits {
    ConnectionLimits::default()
        .with_max_established(Some(CONNECTIONS_MAX))
        .with_max_established_incoming(Some(CONNECTIONS_IN_MAX))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX))
        .with_max_pending_incoming(Some(CONNECTIONS_PENDING_MAX))
        .with_max_pending_outgoing(Some(CONNECTIONS_PENDING_MAX))
}

/// Kademlia for addresses of peers only: nobody's records are stored.
fn kademlia(peer: PeerId) -> kad::Behaviour<MemoryStore> {
    let mut config = kad::Config::new(KAD_PROTOCOL);
    config.set_query_timeout(LOOKUP_TIMEOUT).set_record_filtering(kad::StoreInserts::FilterBoth);
    let mut kad = kad::Behaviour::with_config(peer, MemoryStore::new(peer), config);
    // Without a way to learn whether strangers can reach us, every node answers; one that cannot be reached is dropped
    // by others.
    kad.set_mode(Some(kad::Mode::Server));
    kad
}

fn gossip(key: &Keypair, topics: &[String]) -> Result<Gossip, String> {
    let topics: Vec<_> = topics.iter().map(IdentTopic::new).collect();
    let config = gossipsub::ConfigBuilder::default()
        .validation_mode(ValidationMode::Strict)
        // Nothing is passed on before the application has said that it is worth it.
        .validate_messages()
        .max_transmit_size(GOSSIP_FRAME_BYTES_MAX)
        .heartbeat_initial_delay(Duration::from_millis(500))
        .build()
        .map_err(|error| error.to_string())?;
    // Others' topics are none of ours: this bounds what a peer's subscriptions can make us remember.
    let filter = WhitelistSubscriptionFilter(topics.iter().map(|topic| topic.hash()).collect::<HashSet<_>>());
    let authenticity = MessageAuthenticity::Signed(key.clone());
    let mut gossip = Gossip::new_with_subscription_filter(authenticity, config, filter)?;
    let params = gossipsub::PeerScoreParams {
        topics: topics.iter().map(|topic| (topic.hash(), topic_score())).collect(),
        // Many nodes on one machine are a test or a devnet, not a Sybil.
        ip_colocation_factor_whitelist: HashSet::from([
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ]),
        ..gossipsub::PeerScoreParams::default()
    };
    gossip.with_peer_score(params, gossipsub::PeerScoreThresholds::default())?;
    for topic in &topics {
        gossip.subscribe(topic).map_err(|error| error.to_string())?;
    }
    Ok(gossip)
}

/// Invalid documents cost much; silence costs nothing, for a market may be quiet for an hour.
fn topic_score() -> gossipsub::TopicScoreParams {
    gossipsub::TopicScoreParams {
        time_in_mesh_quantum: Duration::from_secs(1),
        time_in_mesh_weight: 0.01,
        time_in_mesh_cap: 600.0,
        first_message_deliveries_cap: 50.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        // Three invalid documents in short succession bring a peer below the gossip threshold.
        invalid_message_deliveries_weight: -10.0,
        invalid_message_deliveries_decay: 0.9,
        ..gossipsub::TopicScoreParams::default()
    }
}
