//! Who may connect at all: secp256k1 keys, and not while banned.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::fmt;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};

use crate::identity::node_of;
use crate::limits::{BAN_FIRST, BAN_MAX, BANS_MAX};

/// Why a connection was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Its key makes no Ethereum address.
    NotSecp256k1,
    /// It is banned for this many more seconds.
    Banned(u64),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::NotSecp256k1 => {
                f.write_str("its key is not secp256k1; a node's identity key must be, to be an Ethereum address")
            }
            Refused::Banned(seconds) => write!(f, "it is banned for {seconds} s more for flooding or broken messages"),
        }
    }
}

impl std::error::Error for Refused {}

struct Ban {
    until: Instant,
    length: Duration,
}

/// Refuses connections, and closes those of peers that get banned.
#[derive(Default)]
pub(crate) struct Gate {
    bans: HashMap<PeerId, Ban>,
    order: VecDeque<PeerId>,
    closing: VecDeque<PeerId>,
    waker: Option<Waker>,
}

impl Gate {
    /// Disconnects `peer` and keeps it out; returns for how long. A ban after a ban doubles.
    pub(crate) fn ban(&mut self, peer: PeerId, now: Instant) -> Duration {
        let length = match self.bans.get(&peer) {
            Some(ban) if ban.until > now => return ban.length,
            Some(ban) => (ban.length * 2).min(BAN_MAX),
            None => BAN_FIRST,
        };
        if self.bans.insert(peer, Ban { until: now + length, length }).is_none() {
            self.order.push_back(peer);
            if self.order.len() > BANS_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.bans.remove(&oldest);
            }
        }
        self.closing.push_back(peer);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        length
    }

    /// Whether `peer` would be refused, and why.
    pub(crate) fn check(&self, peer: &PeerId, now: Instant) -> Result<(), Refused> {
        if node_of(peer).is_none() {
            return Err(Refused::NotSecp256k1);
        }
        match self.bans.get(peer) {
            Some(ban) if ban.until > now => Err(Refused::Banned((ban.until - now).as_secs().max(1))),
            Some(_) | None => Ok(()),
        }
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(&peer, Instant::now()).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if let Some(peer) = peer {
            self.check(&peer, Instant::now()).map_err(ConnectionDenied::new)?;
        }
        Ok(Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(&peer, Instant::now()).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, _: FromSwarm) {}

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(peer_id) = self.closing.pop_front() {
            return Poll::Ready(ToSwarm::CloseConnection { peer_id, connection: CloseConnection::All });
        }
        self.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::identity::Keypair;

    #[test]
    fn refuses_foreign_keys_and_bans_for_longer_each_time() {
        let mut gate = Gate::default();
        let now = Instant::now();
        let foreign = Keypair::generate_ed25519().public().to_peer_id();
        assert_eq!(gate.check(&foreign, now), Err(Refused::NotSecp256k1));
        let peer = Keypair::generate_secp256k1().public().to_peer_id();
        assert_eq!(gate.check(&peer, now), Ok(()));
        assert_eq!(gate.ban(peer, now), BAN_FIRST);
        assert_eq!(gate.ban(peer, now), BAN_FIRST, "one ban at a time");
        assert_eq!(gate.check(&peer, now), Err(Refused::Banned(60)));
        let later = now + BAN_FIRST;
        assert_eq!(gate.check(&peer, later), Ok(()));
        assert_eq!(gate.ban(peer, later), BAN_FIRST * 2);
        assert_eq!(gate.ban(peer, later + BAN_FIRST * 2), BAN_FIRST * 4);
    }
}
