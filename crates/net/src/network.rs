//! Starting a network, and the handle and events through which it is used.

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use golem_protocol::{ContentHash, NodeId};
use libp2p::gossipsub::MessageId;
use libp2p::swarm::Swarm;
use libp2p::{Multiaddr, PeerId, SwarmBuilder, noise, tcp, yamux};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::behaviour::{Behaviour, Choices};
use crate::codec::{ContentAnswer, ContentRequest};
use crate::content::ContentSource;
use crate::driver::Driver;
use crate::error::{FetchError, PublishError, SendError, StartError};
use crate::fetch::{self, Fetched};
use crate::identity::{keypair, node_of};
use crate::limits::{COMMANDS_MAX, EVENTS_MAX, GOSSIP_BYTES_MAX, IDLE_CONNECTION, NetworkLimits, TOPICS_MAX};
use crate::throttle::{Bandwidth, Throttle};

/// What a network is started with.
pub struct NetworkConfig {
    /// The secret key that the node is.
    pub identity_key: [u8; 32],
    /// Addresses to listen on, as multiaddresses. Empty: listen nowhere, only connect.
    pub listen: Vec<String>,
    /// Addresses of nodes to meet first, with or without `/p2p/...`.
    pub bootstrap: Vec<String>,
    /// The topics to listen and publish to; all others are ignored.
    pub topics: Vec<String>,
    /// Whether to look for further nodes and their addresses (Kademlia). Off: only bootstrap addresses and those who
    /// come.
    pub discovery: bool,
    /// Whether to look for nodes on the local network (mDNS).
    pub mdns: bool,
    /// What is served to others.
    pub content: Arc<dyn ContentSource>,
    /// Bounds.
    pub limits: NetworkLimits,
    /// The most content that passes each way.
    pub bandwidth: Bandwidth,
}

impl NetworkConfig {
    /// A node that listens on free ports of all interfaces, discovers others, and leaves the local network alone.
    pub fn new(identity_key: [u8; 32], content: Arc<dyn ContentSource>) -> NetworkConfig {
        NetworkConfig {
            identity_key,
            listen: vec!["/ip4/0.0.0.0/udp/0/quic-v1".to_string(), "/ip4/0.0.0.0/tcp/0".to_string()],
            bootstrap: Vec::new(),
            topics: Vec::new(),
            discovery: true,
            mdns: false,
            content,
            limits: NetworkLimits::default(),
            bandwidth: Bandwidth::default(),
        }
    }
}

/// What happened on the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkEvent {
    /// Someone published. It is passed on to others only after [`NetworkHandle::report`] said that it is valid.
    Gossip {
        /// To be given back to [`NetworkHandle::report`].
        id: GossipId,
        /// The topic.
        topic: String,
        /// Its author, by signature.
        source: NodeId,
        /// The neighbour it came through.
        via: NodeId,
        /// What was published; at most [`GOSSIP_BYTES_MAX`].
        bytes: Vec<u8>,
    },
    /// A direct message. Its sender has been told that it is here.
    Message {
        /// The sender, by the connection's key.
        from: NodeId,
        /// What it says.
        bytes: Vec<u8>,
    },
    /// A first connection to this node stands.
    PeerConnected {
        /// The node.
        node: NodeId,
        /// Where it is seen to be; `None` where the connection goes over a relay or was dialled by a name.
        ip: Option<IpAddr>,
    },
    /// The last connection to this node is gone.
    PeerDisconnected {
        /// The node.
        node: NodeId,
    },
    /// A connected node listens to a topic: from now on it hears what is published.
    PeerSubscribed {
        /// The node.
        node: NodeId,
        /// The topic.
        topic: String,
    },
    /// A node was disconnected for flooding or broken messages and is kept out for a while.
    PeerBanned {
        /// The node.
        node: NodeId,
        /// For how long.
        seconds: u64,
    },
    /// The node can be reached here, `/p2p/...` included.
    ListenAddress {
        /// The address.
        address: String,
    },
}

/// Names one gossiped message while it is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GossipId {
    pub(crate) message: MessageId,
    pub(crate) via: PeerId,
}

/// What the application thinks of a gossiped message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GossipVerdict {
    /// Valid: pass it on.
    Accept,
    /// Of no interest, or late: drop it, nobody's fault.
    Ignore,
    /// Invalid: drop it and hold it against the neighbour who passed it on.
    Reject,
}

/// What the handle asks of the network task.
pub(crate) enum Command {
    Publish { topic: String, bytes: Vec<u8>, reply: oneshot::Sender<Result<(), PublishError>> },
    Report { id: GossipId, verdict: GossipVerdict },
    Request { to: NodeId, outgoing: Outgoing },
    Dial { address: Multiaddr },
    Ban { node: NodeId },
    Addresses { reply: oneshot::Sender<Vec<String>> },
    Peers { reply: oneshot::Sender<Vec<NodeId>> },
    Shutdown,
}

/// A request to one node, with the place its answer goes to.
pub(crate) enum Outgoing {
    Message { bytes: Vec<u8>, reply: oneshot::Sender<Result<(), SendError>> },
    Content { request: ContentRequest, reply: oneshot::Sender<Result<ContentAnswer, SendError>> },
}

/// Where networks start.
pub struct Network;

impl Network {
    /// Starts the network task on the current tokio runtime and begins to listen and to connect.
    ///
    /// The events must be read: while the queue is full, gossip is dropped and messages are answered "busy".
    /// Dropping the receiver, or every handle, stops the network.
    pub fn start(config: NetworkConfig) -> Result<(NetworkHandle, mpsc::Receiver<NetworkEvent>), StartError> {
        if config.topics.len() > TOPICS_MAX {
            return Err(StartError::Topics { got: config.topics.len(), max: TOPICS_MAX });
        }
        let listen = parse_all(&config.listen)?;
        let bootstrap = parse_all(&config.bootstrap)?;
        let mut swarm = swarm(&config)?;
        let node = node_of(swarm.local_peer_id()).ok_or(StartError::IdentityKey)?;
        for address in listen {
            let refused =
                |error: &dyn ToString| StartError::Listen { address: address.to_string(), detail: error.to_string() };
            swarm.listen_on(address.clone()).map_err(|error| refused(&error))?;
        }
        let (commands, command_queue) = mpsc::channel(COMMANDS_MAX);
        let (events, event_queue) = mpsc::channel(EVENTS_MAX);
        let message_bytes_max = config.limits.message_bytes_max;
        let download = Arc::new(Throttle::new(config.bandwidth.download));
        let driver = Driver::new(swarm, config, bootstrap, events);
        let task = tokio::spawn(driver.run(command_queue));
        let handle =
            NetworkHandle { commands, node, message_bytes_max, download, task: Arc::new(Mutex::new(Some(task))) };
        Ok((handle, event_queue))
    }
}

/// The way to a running network. Clones share it; when the last is dropped, the network stops.
#[derive(Clone)]
pub struct NetworkHandle {
    commands: mpsc::Sender<Command>,
    node: NodeId,
    message_bytes_max: usize,
    pub(crate) download: Arc<Throttle>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl NetworkHandle {
    /// This node.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Publishes to all who listen to the topic. Waits until it is signed and queued, not until anybody has it.
    pub async fn publish(&self, topic: &str, bytes: Vec<u8>) -> Result<(), PublishError> {
        if bytes.len() > GOSSIP_BYTES_MAX {
            return Err(PublishError::TooLarge { got: bytes.len(), max: GOSSIP_BYTES_MAX });
        }
        let (reply, answer) = oneshot::channel();
        self.ask(Command::Publish { topic: topic.to_string(), bytes, reply }, answer)
            .await
            .unwrap_or(Err(PublishError::Stopped))
    }

    /// Says what a gossiped message is worth; without it the message goes no further.
    pub async fn report(&self, id: GossipId, verdict: GossipVerdict) {
        let _ = self.commands.send(Command::Report { id, verdict }).await;
    }

    /// Sends a direct message, connecting first where needed. `Ok` means that it is in the other application's queue.
    ///
    /// Messages sent while others to the same node are not answered may overtake them.
    pub async fn send(&self, to: NodeId, bytes: Vec<u8>) -> Result<(), SendError> {
        if bytes.len() > self.message_bytes_max {
            return Err(SendError::TooLarge { got: bytes.len(), max: self.message_bytes_max });
        }
        let (reply, answer) = oneshot::channel();
        let command = Command::Request { to, outgoing: Outgoing::Message { bytes, reply } };
        self.ask(command, answer).await.unwrap_or(Err(SendError::Stopped))
    }

    /// Fetches content from those who hold it to the file `to`, which appears only when all of it is there and right.
    ///
    /// What was verified before a failure, or before the future was dropped, is kept in `to` + `.partial` and not
    /// fetched again.
    pub async fn fetch(&self, hash: ContentHash, size: u64, from: &[NodeId], to: &Path) -> Result<Fetched, FetchError> {
        fetch::fetch(self, hash, size, from, to).await
    }

    /// Connects to an address; what comes of it is told by events.
    pub async fn dial(&self, address: &str) -> Result<(), StartError> {
        let address = parse(address)?;
        let _ = self.commands.send(Command::Dial { address }).await;
        Ok(())
    }

    /// Disconnects a node and keeps it out for a while, for what the application knows of it.
    pub async fn ban(&self, node: NodeId) {
        let _ = self.commands.send(Command::Ban { node }).await;
    }

    /// The addresses listened on, `/p2p/...` included. Empty right after the start: see
    /// [`NetworkEvent::ListenAddress`].
    pub async fn listen_addresses(&self) -> Vec<String> {
        let (reply, answer) = oneshot::channel();
        self.ask(Command::Addresses { reply }, answer).await.unwrap_or_default()
    }

    /// The nodes connected now.
    pub async fn peers(&self) -> Vec<NodeId> {
        let (reply, answer) = oneshot::channel();
        self.ask(Command::Peers { reply }, answer).await.unwrap_or_default()
    }

    /// Stops the network and waits until it has.
    pub async fn shutdown(&self) {
        let _ = self.commands.send(Command::Shutdown).await;
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        match task {
            Some(task) => drop(task.await),
            // Another clone waits for the task; its queue closes when it ends.
            None => self.commands.closed().await,
        }
    }

    /// Asks one node for a part of some content.
    pub(crate) async fn request_content(
        &self,
        to: NodeId,
        request: ContentRequest,
    ) -> Result<ContentAnswer, SendError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Request { to, outgoing: Outgoing::Content { request, reply } };
        self.ask(command, answer).await.unwrap_or(Err(SendError::Stopped))
    }

    /// Sends a command and waits for its answer; `None` once the network has stopped.
    async fn ask<T>(&self, command: Command, answer: oneshot::Receiver<T>) -> Option<T> {
        self.commands.send(command).await.ok()?;
        answer.await.ok()
    }
}

/// Whether this is an address to listen on or to dial, before anything is started with it.
///
/// Errors: `Address`.
pub fn check_address(address: &str) -> Result<(), StartError> {
    parse(address).map(drop)
}

fn parse(address: &str) -> Result<Multiaddr, StartError> {
    address.parse().map_err(|error: libp2p::multiaddr::Error| StartError::Address {
        address: address.to_string(),
        detail: error.to_string(),
    })
}

fn parse_all(addresses: &[String]) -> Result<Vec<Multiaddr>, StartError> {
    addresses.iter().map(|address| parse(address)).collect()
}

fn swarm(config: &NetworkConfig) -> Result<Swarm<Behaviour>, StartError> {
    let key = keypair(config.identity_key).ok_or(StartError::IdentityKey)?;
    let setup = |detail: String| StartError::Setup { detail };
    let choices =
        Choices { topics: &config.topics, discovery: config.discovery, mdns: config.mdns, limits: &config.limits };
    let behaviour = Behaviour::new(&key, &choices).map_err(setup)?;
    let swarm = SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .map_err(|error| setup(error.to_string()))?
        .with_quic()
        .with_dns()
        .map_err(|error| setup(error.to_string()))?
        .with_behaviour(|_| behaviour)
        .map_err(|error| setup(error.to_string()))?
        .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE_CONNECTION))
        .build();
    Ok(swarm)
}
