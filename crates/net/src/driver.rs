//! The network task: commands in, events out, and the swarm between them.

mod outbound;

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use golem_protocol::NodeId;
use libp2p::core::ConnectedPoint;
use libp2p::gossipsub::{self, IdentTopic, MessageAcceptance};
use libp2p::identify;
use libp2p::kad;
use libp2p::multiaddr::Protocol;
use libp2p::request_response::{self, ResponseChannel};
use libp2p::swarm::{DialError, Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, mdns};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;

use crate::behaviour::{Behaviour, BehaviourEvent, NETWORK_PROTOCOL};
use crate::codec::{ContentAnswer, ContentPart, ContentRequest, Incoming, Receipt};
use crate::content::ContentSource;
use crate::driver::outbound::{Outbound, dial_known};
use crate::error::PublishError;
use crate::identity::{Directory, node_of};
use crate::limits::*;
use crate::network::{Command, GossipId, GossipVerdict, NetworkConfig, NetworkEvent};
use crate::rate::{Admission, Bucket, PeerRate};
use crate::throttle::Throttle;

/// Everything the network task owns.
pub(crate) struct Driver {
    swarm: Swarm<Behaviour>,
    node: Option<NodeId>,
    topics: Vec<String>,
    limits: NetworkLimits,
    content: Arc<dyn ContentSource>,
    upload: Arc<Throttle>,
    bootstrap: Vec<Multiaddr>,
    events: mpsc::Sender<NetworkEvent>,
    /// Comings and goings that found the queue full. While it is not empty the swarm waits, so it stays short.
    backlog: VecDeque<NetworkEvent>,
    directory: Directory,
    rates: HashMap<PeerId, PeerRate>,
    authors: HashMap<PeerId, Bucket>,
    /// Peers connected over loopback: only their loopback addresses are believed.
    local: HashSet<PeerId>,
    outbound: Outbound,
    serving: JoinSet<Served>,
    serving_per_peer: HashMap<PeerId, usize>,
}

/// A part of content read from disk, and where it goes.
struct Served {
    peer: PeerId,
    channel: ResponseChannel<ContentAnswer>,
    answer: ContentAnswer,
}

enum Flow {
    Continue,
    Stop,
}

impl Driver {
    pub(crate) fn new(
        swarm: Swarm<Behaviour>,
        config: NetworkConfig,
        bootstrap: Vec<Multiaddr>,
        events: mpsc::Sender<NetworkEvent>,
    ) -> Driver {
        Driver {
            node: node_of(swarm.local_peer_id()),
            swarm,
            topics: config.topics,
            limits: config.limits,
            content: config.content,
            upload: Arc::new(Throttle::new(config.bandwidth.upload)),
            bootstrap,
            events,
            backlog: VecDeque::new(),
            directory: Directory::default(),
            rates: HashMap::new(),
            authors: HashMap::new(),
            local: HashSet::new(),
            outbound: Outbound::default(),
            serving: JoinSet::new(),
            serving_per_peer: HashMap::new(),
        }
    }

    /// Runs until told to stop, or until nobody listens any more.
    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut pause = BOOTSTRAP_FIRST;
        let bootstrap = sleep(Duration::ZERO);
        tokio::pin!(bootstrap);
        let events = self.events.clone();
        loop {
            tokio::select! {
                place = events.reserve(), if !self.backlog.is_empty() => match (place, self.backlog.pop_front()) {
                    (Ok(place), Some(event)) => place.send(event),
                    (Ok(_), None) => {}
                    (Err(_), _) => break,
                },
                () = events.closed() => break,
                command = commands.recv() => match command.map(|command| self.command(command)) {
                    Some(Flow::Continue) => {}
                    Some(Flow::Stop) | None => break,
                },
                event = self.swarm.select_next_some(), if self.backlog.is_empty() => self.swarm_event(event),
                Some(served) = self.serving.join_next() => if let Ok(served) = served { self.served(served) },
                () = &mut bootstrap => {
                    pause = if self.dial_bootstrap() { (pause * 2).min(BOOTSTRAP_EVERY) } else { BOOTSTRAP_FIRST };
                    bootstrap.as_mut().reset(tokio::time::Instant::now() + pause);
                }
            }
        }
        self.serving.shutdown().await;
    }

    fn command(&mut self, command: Command) -> Flow {
        match command {
            Command::Publish { topic, bytes, reply } => drop(reply.send(self.publish(topic, bytes))),
            Command::Report { id, verdict } => self.report(&id, verdict),
            Command::Request { to, outgoing } => self.request(to, outgoing),
            Command::Dial { address } => self.dial(address),
            Command::Ban { node } => {
                if let Some(peer) = self.directory.peer(node) {
                    self.ban(peer, "the application asked for it");
                }
            }
            Command::Addresses { reply } => {
                let peer = *self.swarm.local_peer_id();
                drop(reply.send(self.swarm.listeners().map(|address| full_address(address, peer)).collect()));
            }
            Command::Peers { reply } => drop(reply.send(self.swarm.connected_peers().filter_map(node_of).collect())),
            Command::Shutdown => return Flow::Stop,
        }
        Flow::Continue
    }

    fn swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.behaviour_event(event),
            SwarmEvent::ConnectionEstablished { peer_id, endpoint, num_established, .. } => {
                self.connected(peer_id, &endpoint, num_established.get());
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, cause, .. } => {
                tracing::debug!(peer = %peer_id, ?cause, "disconnected");
                self.local.remove(&peer_id);
                if let Some(node) = node_of(&peer_id) {
                    self.directory.disconnected(node);
                    self.tell(NetworkEvent::PeerDisconnected { node });
                    self.lost(peer_id, node);
                }
            }
            SwarmEvent::OutgoingConnectionError { peer_id, error, .. } => {
                tracing::debug!(peer = ?peer_id, %error, "connecting failed");
                if let Some(peer) = peer_id {
                    self.reaching_failed(peer, &error);
                }
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                tracing::debug!(from = %send_back_addr, ?error, "an incoming connection was refused or failed");
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                let address = full_address(&address, *self.swarm.local_peer_id());
                self.tell(NetworkEvent::ListenAddress { address });
            }
            SwarmEvent::ListenerClosed { addresses, reason: Err(error), .. } => {
                tracing::error!(?addresses, %error, "stopped listening; restart the node to listen again");
            }
            _ => {}
        }
    }

    fn behaviour_event(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Gossip(event) => self.gossip_event(event),
            BehaviourEvent::Messages(event) => self.message_event(event),
            BehaviourEvent::Content(event) => self.content_event(event),
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => self.identified(peer_id, info),
            BehaviourEvent::Kad(event) => self.kad_event(event),
            BehaviourEvent::Mdns(mdns::Event::Discovered(found)) => {
                for (peer, address) in found.into_iter().take(REACHING_MAX) {
                    self.learn_address(peer, address);
                    self.dial_if_wanted(peer);
                }
            }
            BehaviourEvent::Identify(_) | BehaviourEvent::Mdns(_) | BehaviourEvent::Ping(_) => {}
            BehaviourEvent::Gate(never) => match never {},
            BehaviourEvent::Limits(never) => match never {},
        }
    }

    // Comings and goings.

    fn connected(&mut self, peer: PeerId, endpoint: &ConnectedPoint, established: u32) {
        let Some(node) = self.directory.connected(peer) else { return };
        let address = endpoint.get_remote_address();
        if is_loopback(address) {
            self.local.insert(peer);
        }
        if endpoint.is_dialer() {
            // It works, whatever the peer says of itself.
            self.learn_address(peer, address.clone());
        }
        let now = Instant::now();
        self.rates.entry(peer).or_insert_with(|| PeerRate::new(&self.limits, now));
        self.forget_absent_rates();
        if established == 1 {
            tracing::debug!(%node, %peer, %address, "connected");
            self.tell(NetworkEvent::PeerConnected { node, ip: ip_of(address) });
        }
        self.reached(peer, node);
    }

    /// Rates outlive a connection, so that coming back is no way around them, but not without bound.
    fn forget_absent_rates(&mut self) {
        if self.rates.len() > AUTHORS_MAX {
            let swarm = &self.swarm;
            self.rates.retain(|peer, _| swarm.is_connected(peer));
        }
    }

    fn identified(&mut self, peer: PeerId, info: identify::Info) {
        if info.protocol_version != NETWORK_PROTOCOL {
            tracing::debug!(%peer, protocol = %info.protocol_version, "disconnecting a peer of another network");
            let _ = self.swarm.disconnect_peer_id(peer);
            return;
        }
        let local = self.local.contains(&peer);
        for address in info.listen_addrs.into_iter().take(ADDRESSES_PER_PEER_MAX) {
            // A stranger's loopback address is ourselves.
            if local || !is_loopback(&address) {
                self.learn_address(peer, address);
            }
        }
    }

    fn learn_address(&mut self, peer: PeerId, address: Multiaddr) {
        if self.directory.learn(peer).is_none() {
            return;
        }
        self.swarm.add_peer_address(peer, address.clone());
        if let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() {
            kad.add_address(&peer, address);
        }
    }

    /// Tries the bootstrap addresses while nobody is connected; returns whether it did.
    fn dial_bootstrap(&mut self) -> bool {
        let alone = self.swarm.connected_peers().next().is_none();
        if alone {
            for address in self.bootstrap.clone() {
                self.dial(address);
            }
        }
        alone
    }

    fn dial(&mut self, address: Multiaddr) {
        if let Some(Protocol::P2p(peer)) = address.iter().last() {
            self.directory.learn(peer);
        }
        if let Err(error) = self.swarm.dial(address.clone())
            && !matches!(error, DialError::DialPeerConditionFalse(_))
        {
            tracing::warn!(%address, %error, "cannot connect");
        }
    }

    fn dial_if_wanted(&mut self, peer: PeerId) {
        let wanted = self.swarm.connected_peers().count() < self.limits.peers_target;
        if wanted && !self.swarm.is_connected(&peer) {
            let _ = self.swarm.dial(dial_known(peer));
        }
    }

    /// Tells the application of something it must not miss.
    fn tell(&mut self, event: NetworkEvent) {
        if !self.backlog.is_empty() {
            self.backlog.push_back(event);
        } else if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
            self.backlog.push_back(event);
        }
    }

    /// Offers the application something that can be dropped; returns whether it was taken.
    fn offer(&mut self, event: NetworkEvent) -> bool {
        self.backlog.is_empty() && self.events.capacity() > EVENTS_KEPT_FREE && self.events.try_send(event).is_ok()
    }

    fn ban(&mut self, peer: PeerId, reason: &str) {
        let length = self.swarm.behaviour_mut().gate.ban(peer, Instant::now());
        tracing::warn!(%peer, reason, seconds = length.as_secs(), "banned");
        if let Some(node) = node_of(&peer) {
            self.tell(NetworkEvent::PeerBanned { node, seconds: length.as_secs() });
        }
    }

    /// Asks the peer's rate, and bans it where it has gone over too often. Returns whether to go on.
    fn admit(&mut self, peer: PeerId, what: &str, ask: impl FnOnce(&mut PeerRate, Instant) -> Admission) -> bool {
        let now = Instant::now();
        let rate = self.rates.entry(peer).or_insert_with(|| PeerRate::new(&self.limits, now));
        match ask(rate, now) {
            Admission::Admitted => true,
            Admission::Refused => false,
            Admission::Flooding => {
                self.ban(peer, what);
                false
            }
        }
    }

    // Gossip.

    fn publish(&mut self, topic: String, bytes: Vec<u8>) -> Result<(), PublishError> {
        if !self.topics.contains(&topic) {
            return Err(PublishError::UnknownTopic { topic });
        }
        let published = self.swarm.behaviour_mut().gossip.publish(IdentTopic::new(&topic), bytes);
        match published {
            Ok(_) => Ok(()),
            Err(gossipsub::PublishError::NoPeersSubscribedToTopic) => Err(PublishError::NoPeers { topic }),
            Err(gossipsub::PublishError::AllQueuesFull(_)) => Err(PublishError::Busy),
            Err(error) => Err(PublishError::Signing { detail: error.to_string() }),
        }
    }

    fn report(&mut self, id: &GossipId, verdict: GossipVerdict) {
        let acceptance = match verdict {
            GossipVerdict::Accept => MessageAcceptance::Accept,
            GossipVerdict::Ignore => MessageAcceptance::Ignore,
            GossipVerdict::Reject => MessageAcceptance::Reject,
        };
        self.swarm.behaviour_mut().gossip.report_message_validation_result(&id.message, &id.via, acceptance);
        if verdict == GossipVerdict::Reject {
            self.admit(id.via, "invalid gossip", |rate, now| rate.strike(now));
        }
    }

    fn gossip_event(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                let id = GossipId { message: message_id, via: propagation_source };
                if let Err(verdict) = self.gossip_message(id.clone(), message) {
                    self.report(&id, verdict);
                }
            }
            gossipsub::Event::Subscribed { peer_id, topic } => {
                if let Some(node) = node_of(&peer_id) {
                    self.tell(NetworkEvent::PeerSubscribed { node, topic: topic.into_string() });
                }
            }
            gossipsub::Event::Unsubscribed { .. }
            | gossipsub::Event::GossipsubNotSupported { .. }
            | gossipsub::Event::SlowPeer { .. } => {}
        }
    }

    /// Hands a gossiped message to the application, or says what to do with it at once.
    fn gossip_message(&mut self, id: GossipId, message: gossipsub::Message) -> Result<(), GossipVerdict> {
        let author = message.source.ok_or(GossipVerdict::Reject)?;
        let source = self.directory.learn(author).ok_or(GossipVerdict::Reject)?;
        let via = node_of(&id.via).ok_or(GossipVerdict::Reject)?;
        if message.data.len() > GOSSIP_BYTES_MAX {
            return Err(GossipVerdict::Reject);
        }
        let now = Instant::now();
        if self.authors.len() >= AUTHORS_MAX {
            self.authors.clear();
        }
        let limits = &self.limits;
        let bucket = || Bucket::new(limits.gossip_burst.into(), limits.gossip_per_second.into(), now);
        let author_within = self.authors.entry(author).or_insert_with(bucket).take(1.0, now);
        if !author_within {
            // Only the author itself is to blame: it can give each of many honest neighbours as much as they may pass
            // on.
            if author == id.via {
                self.admit(id.via, "gossip over its rate", |rate, now| rate.strike(now));
            }
            return Err(GossipVerdict::Ignore);
        }
        let bytes = message.data.len();
        if !self.admit(id.via, "gossip over the rate", |rate, now| rate.relayed(bytes, now)) {
            return Err(GossipVerdict::Ignore);
        }
        let event = NetworkEvent::Gossip { id, topic: message.topic.into_string(), source, via, bytes: message.data };
        if self.offer(event) { Ok(()) } else { Err(GossipVerdict::Ignore) }
    }

    fn kad_event(&mut self, event: kad::Event) {
        match event {
            kad::Event::RoutingUpdated { peer, is_new_peer: true, .. } => {
                self.directory.learn(peer);
                self.dial_if_wanted(peer);
            }
            kad::Event::OutboundQueryProgressed {
                id, result: kad::QueryResult::GetClosestPeers(result), step, ..
            } if step.last => {
                let found = match result {
                    Ok(found) => found.peers,
                    Err(kad::GetClosestPeersError::Timeout { peers, .. }) => peers,
                };
                self.looked_up(id, found);
            }
            _ => {}
        }
    }

    // Answers and requests from others.

    fn message_event(&mut self, event: request_response::Event<Incoming<Vec<u8>>, Receipt>) {
        use request_response::{Event, Message};
        match event {
            Event::Message { peer, message: Message::Request { request, channel, .. }, .. } => {
                let receipt = self.take_message(peer, request);
                let _ = self.swarm.behaviour_mut().messages.send_response(channel, receipt);
            }
            Event::Message { message: Message::Response { request_id, response }, .. } => {
                self.message_answered(request_id, Ok(response));
            }
            Event::OutboundFailure { request_id, error, .. } => self.message_answered(request_id, Err(error)),
            Event::InboundFailure { .. } | Event::ResponseSent { .. } => {}
        }
    }

    fn take_message(&mut self, peer: PeerId, request: Incoming<Vec<u8>>) -> Receipt {
        let Incoming::Whole(bytes) = request else {
            self.admit(peer, "malformed requests", |rate, now| rate.strike(now));
            return Receipt::Malformed;
        };
        let count = bytes.len();
        if !self.admit(peer, "messages over the rate", |rate, now| rate.message(count, now)) {
            return Receipt::RateLimited;
        }
        match node_of(&peer) {
            Some(from) if self.offer(NetworkEvent::Message { from, bytes }) => Receipt::Delivered,
            Some(_) | None => Receipt::Busy,
        }
    }

    fn content_event(&mut self, event: request_response::Event<Incoming<ContentRequest>, ContentAnswer>) {
        use request_response::{Event, Message};
        match event {
            Event::Message { peer, message: Message::Request { request, channel, .. }, .. } => match request {
                Incoming::Whole(request) => self.serve(peer, request, channel),
                Incoming::Malformed => {
                    self.admit(peer, "malformed requests", |rate, now| rate.strike(now));
                    let _ = self.swarm.behaviour_mut().content.send_response(channel, ContentAnswer::NotHeld);
                }
            },
            Event::Message { message: Message::Response { request_id, response }, .. } => {
                self.content_answered(request_id, Ok(response));
            }
            Event::OutboundFailure { request_id, error, .. } => self.content_answered(request_id, Err(error)),
            Event::InboundFailure { .. } | Event::ResponseSent { .. } => {}
        }
    }

    fn serve(&mut self, peer: PeerId, request: ContentRequest, channel: ResponseChannel<ContentAnswer>) {
        let admitted = self.admit(peer, "content requests over the rate", |rate, now| rate.request(now));
        let for_peer = self.serving_per_peer.get(&peer).copied().unwrap_or(0);
        if !admitted || self.serving.len() >= SERVING_MAX || for_peer >= SERVING_PER_PEER_MAX {
            let _ = self.swarm.behaviour_mut().content.send_response(channel, ContentAnswer::Busy);
            return;
        }
        *self.serving_per_peer.entry(peer).or_default() += 1;
        let (content, upload) = (self.content.clone(), self.upload.clone());
        let hash = request.hash;
        // Everybody who is connected has a key that names a node.
        let to = node_of(&peer);
        self.serving.spawn(async move {
            let part = spawn_blocking(move || match (to, request.part) {
                (None, _) => Ok(None),
                (Some(to), ContentPart::List) => content.piece_list(to, request.hash, request.size),
                (Some(to), ContentPart::Piece(index)) => content.piece(to, request.hash, request.size, index),
            });
            let answer = match part.await.unwrap_or_else(|error| Err(error.into())) {
                Ok(Some(bytes)) if upload.pass(bytes.len()).await => ContentAnswer::Held(bytes),
                Ok(Some(_)) => ContentAnswer::Busy,
                Ok(None) => ContentAnswer::NotHeld,
                Err(error) => {
                    tracing::warn!(%hash, %error, "content that should be here cannot be read");
                    ContentAnswer::NotHeld
                }
            };
            Served { peer, channel, answer }
        });
    }

    fn served(&mut self, served: Served) {
        if let Some(count) = self.serving_per_peer.get_mut(&served.peer) {
            *count -= 1;
            if *count == 0 {
                self.serving_per_peer.remove(&served.peer);
            }
        }
        let _ = self.swarm.behaviour_mut().content.send_response(served.channel, served.answer);
    }
}

fn full_address(address: &Multiaddr, peer: PeerId) -> String {
    match address.iter().last() {
        Some(Protocol::P2p(_)) => address.to_string(),
        Some(_) | None => address.clone().with(Protocol::P2p(peer)).to_string(),
    }
}

/// Whose address this is, where it is one and not a relay's.
fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    if address.iter().any(|part| part == Protocol::P2pCircuit) {
        return None;
    }
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) => Some(ip.into()),
        Some(Protocol::Ip6(ip)) => Some(ip.into()),
        Some(_) | None => None,
    }
}

fn is_loopback(address: &Multiaddr) -> bool {
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) => ip.is_loopback(),
        Some(Protocol::Ip6(ip)) => ip.is_loopback(),
        Some(_) | None => false,
    }
}
