//! Requests to other nodes: connecting first where needed, a few at a time, each answered in the end.

use std::collections::{HashMap, VecDeque};

use golem_protocol::NodeId;
use libp2p::PeerId;
use libp2p::kad::{self, QueryId};
use libp2p::request_response::{OutboundFailure, OutboundRequestId};
use libp2p::swarm::DialError;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use tokio::sync::oneshot;

use super::Driver;
use crate::codec::{ContentAnswer, Incoming, Receipt};
use crate::error::SendError;
use crate::gate::Refused;
use crate::identity::node_of;
use crate::limits::*;
use crate::network::Outgoing;

/// Requests that are not answered yet.
#[derive(Default)]
pub(super) struct Outbound {
    reaching: HashMap<PeerId, Reaching>,
    lanes: HashMap<(PeerId, Lane), LaneState>,
    messages: HashMap<OutboundRequestId, Sent<()>>,
    content: HashMap<OutboundRequestId, Sent<ContentAnswer>>,
}

/// A peer that requests wait for, and what is tried to connect to it.
struct Reaching {
    stage: Stage,
    waiting: Vec<Outgoing>,
}

#[derive(PartialEq, Eq)]
enum Stage {
    /// Dialling the addresses that are known.
    Known,
    /// Asking others for its addresses.
    Lookup(QueryId),
    /// Dialling the addresses that others gave.
    Found,
}

/// Requests of one protocol to one peer. More at a time than the other side takes would be dropped there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Lane {
    Messages,
    Content,
}

#[derive(Default)]
struct LaneState {
    in_flight: usize,
    waiting: VecDeque<Outgoing>,
}

struct Sent<T> {
    peer: PeerId,
    node: NodeId,
    reply: oneshot::Sender<Result<T, SendError>>,
}

impl Lane {
    fn in_flight_max(self) -> usize {
        match self {
            Lane::Messages => MESSAGES_IN_FLIGHT_MAX,
            Lane::Content => CONTENT_IN_FLIGHT_MAX,
        }
    }
}

impl Driver {
    /// Sends a request, or fails it, or keeps it until there is a connection and a place.
    pub(super) fn request(&mut self, to: NodeId, outgoing: Outgoing) {
        if Some(to) == self.node {
            return outgoing.fail(SendError::Unreachable { node: to, detail: "it is this node itself".to_string() });
        }
        let Some(peer) = self.directory.peer(to) else { return outgoing.fail(SendError::UnknownNode { node: to }) };
        if self.swarm.is_connected(&peer) {
            return self.send_or_wait(peer, to, outgoing);
        }
        if let Some(reaching) = self.outbound.reaching.get_mut(&peer) {
            if reaching.waiting.len() >= WAITING_PER_PEER_MAX {
                return outgoing.fail(SendError::QueueFull);
            }
            return reaching.waiting.push(outgoing);
        }
        if self.outbound.reaching.len() >= REACHING_MAX {
            return outgoing.fail(SendError::QueueFull);
        }
        self.outbound.reaching.insert(peer, Reaching { stage: Stage::Known, waiting: vec![outgoing] });
        if let Err(error) = self.swarm.dial(dial_known(peer)) {
            self.reaching_failed(peer, &error);
        }
    }

    /// A connection stands: what waited for it goes.
    pub(super) fn reached(&mut self, peer: PeerId, node: NodeId) {
        if let Some(reaching) = self.outbound.reaching.remove(&peer) {
            for outgoing in reaching.waiting {
                self.send_or_wait(peer, node, outgoing);
            }
        }
    }

    /// The last connection is gone: what was not sent yet is tried once more.
    pub(super) fn lost(&mut self, peer: PeerId, node: NodeId) {
        for lane in [Lane::Messages, Lane::Content] {
            let waiting = self.outbound.lanes.get_mut(&(peer, lane)).map(|state| std::mem::take(&mut state.waiting));
            for outgoing in waiting.into_iter().flatten() {
                self.request(node, outgoing);
            }
        }
    }

    /// Goes on to the next way of reaching a peer, or gives up.
    pub(super) fn reaching_failed(&mut self, peer: PeerId, error: &DialError) {
        let Some(reaching) = self.outbound.reaching.get_mut(&peer) else { return };
        // Another attempt is under way: its outcome decides.
        if matches!(error, DialError::DialPeerConditionFalse(_)) {
            return;
        }
        let denied = matches!(error, DialError::Denied { .. });
        if reaching.stage == Stage::Known
            && !denied
            && let Some(kad) = self.swarm.behaviour_mut().kad.as_mut()
        {
            reaching.stage = Stage::Lookup(kad.get_closest_peers(peer));
        } else if denied || !matches!(reaching.stage, Stage::Lookup(_)) {
            self.give_up(peer, &dial_detail(error));
        }
    }

    /// Dials a peer where a lookup has found it.
    pub(super) fn looked_up(&mut self, query: QueryId, found: Vec<kad::PeerInfo>) {
        let stage = Stage::Lookup(query);
        let reaching = self.outbound.reaching.iter_mut().find(|(_, reaching)| reaching.stage == stage);
        let Some((&peer, reaching)) = reaching else { return };
        reaching.stage = Stage::Found;
        let addresses: Vec<_> = found
            .into_iter()
            .filter(|info| info.peer_id == peer)
            .flat_map(|info| info.addrs)
            .take(ADDRESSES_PER_PEER_MAX)
            .collect();
        if addresses.is_empty() {
            return self.give_up(peer, "no address of it works, and no other node knows one that does");
        }
        let options =
            DialOpts::peer_id(peer).condition(PeerCondition::DisconnectedAndNotDialing).addresses(addresses).build();
        if let Err(error) = self.swarm.dial(options) {
            self.reaching_failed(peer, &error);
        }
    }

    /// What came of a message.
    pub(super) fn message_answered(&mut self, id: OutboundRequestId, answer: Result<Receipt, OutboundFailure>) {
        let Some(Sent { peer, node, reply }) = self.outbound.messages.remove(&id) else { return };
        let _ = reply.send(match answer {
            Ok(Receipt::Delivered) => Ok(()),
            Ok(Receipt::Busy) => Err(SendError::Busy { node }),
            Ok(Receipt::RateLimited) => Err(SendError::RateLimited { node }),
            Ok(Receipt::Malformed) => Err(SendError::Refused { node }),
            Err(error) => Err(request_error(node, error)),
        });
        self.place_free(peer, node, Lane::Messages);
    }

    /// What came of a request for content.
    pub(super) fn content_answered(&mut self, id: OutboundRequestId, answer: Result<ContentAnswer, OutboundFailure>) {
        let Some(Sent { peer, node, reply }) = self.outbound.content.remove(&id) else { return };
        let _ = reply.send(answer.map_err(|error| request_error(node, error)));
        self.place_free(peer, node, Lane::Content);
    }

    fn send_or_wait(&mut self, peer: PeerId, node: NodeId, outgoing: Outgoing) {
        let lane = outgoing.lane();
        let state = self.outbound.lanes.entry((peer, lane)).or_default();
        if state.in_flight < lane.in_flight_max() {
            state.in_flight += 1;
            self.send_now(peer, node, outgoing);
        } else if state.waiting.len() < WAITING_PER_PEER_MAX {
            state.waiting.push_back(outgoing);
        } else {
            outgoing.fail(SendError::QueueFull);
        }
    }

    fn send_now(&mut self, peer: PeerId, node: NodeId, outgoing: Outgoing) {
        match outgoing {
            Outgoing::Message { bytes, reply } => {
                let id = self.swarm.behaviour_mut().messages.send_request(&peer, Incoming::Whole(bytes));
                self.outbound.messages.insert(id, Sent { peer, node, reply });
            }
            Outgoing::Content { request, reply } => {
                let id = self.swarm.behaviour_mut().content.send_request(&peer, Incoming::Whole(request));
                self.outbound.content.insert(id, Sent { peer, node, reply });
            }
        }
    }

    fn place_free(&mut self, peer: PeerId, node: NodeId, lane: Lane) {
        let Some(state) = self.outbound.lanes.get_mut(&(peer, lane)) else { return };
        state.in_flight = state.in_flight.saturating_sub(1);
        match state.waiting.pop_front() {
            Some(outgoing) => self.request(node, outgoing),
            None if state.in_flight == 0 => drop(self.outbound.lanes.remove(&(peer, lane))),
            None => {}
        }
    }

    fn give_up(&mut self, peer: PeerId, detail: &str) {
        let (Some(reaching), Some(node)) = (self.outbound.reaching.remove(&peer), node_of(&peer)) else { return };
        for outgoing in reaching.waiting {
            outgoing.fail(SendError::Unreachable { node, detail: detail.to_string() });
        }
    }
}

impl Outgoing {
    fn lane(&self) -> Lane {
        match self {
            Outgoing::Message { .. } => Lane::Messages,
            Outgoing::Content { .. } => Lane::Content,
        }
    }

    fn fail(self, error: SendError) {
        match self {
            Outgoing::Message { reply, .. } => drop(reply.send(Err(error))),
            Outgoing::Content { reply, .. } => drop(reply.send(Err(error))),
        }
    }
}

/// Dials a peer where the protocols know it, unless that is done or under way.
pub(super) fn dial_known(peer: PeerId) -> DialOpts {
    DialOpts::peer_id(peer).condition(PeerCondition::DisconnectedAndNotDialing).build()
}

fn dial_detail(error: &DialError) -> String {
    match error {
        DialError::Denied { cause } => match cause.downcast_ref::<Refused>() {
            Some(refused) => refused.to_string(),
            None => "a connection limit is reached".to_string(),
        },
        DialError::NoAddresses => "no address of it is known".to_string(),
        error => error.to_string(),
    }
}

fn request_error(node: NodeId, error: OutboundFailure) -> SendError {
    let detail = |text: &str| text.to_string();
    match error {
        OutboundFailure::DialFailure => {
            SendError::Unreachable { node, detail: detail("the connection was lost before sending") }
        }
        OutboundFailure::UnsupportedProtocols => {
            SendError::Unreachable { node, detail: detail("it does not speak this protocol version") }
        }
        OutboundFailure::Timeout => SendError::Unconfirmed { node, detail: detail("it did not answer in time") },
        OutboundFailure::ConnectionClosed => {
            SendError::Unconfirmed { node, detail: detail("the connection closed before it answered") }
        }
        OutboundFailure::Io(error) => SendError::Unconfirmed { node, detail: error.to_string() },
    }
}
