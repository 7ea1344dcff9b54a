//! Providers and requestors in this process, each on an account of the chain, with a folder and ports of its own.
//!
//! ```text
//! account 0 .. requestors      a requestor each
//!         .. + providers       a provider each
//! ```
//!
//! They run on threads of their own, not on the caller's runtime: so they work while a test blocks, and are stopped and
//! joined by a drop wherever that happens, also in a panic on a runtime of one thread.

use crate::anvil::DevAccount;
use crate::error::DevnetError;
use crate::requestor::DevRequestor;
use golem_chain::Deployment;
use golem_node::folder::Folder;
use golem_node::{
    ChainSettings, MdnsMode, NetworkSettings, NetworkStatus, NodeKeys, NodeStopped, ProviderConfig, ProviderHandle,
    ProviderNode, RequestorConfig, RequestorNode, StartError,
};
use golem_protocol::Wei;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::{Builder, Handle};
use tokio::task::{JoinError, JoinSet};

/// Which nodes run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeOptions {
    /// How many requestors, on the accounts from 0 on.
    pub requestors: usize,
    /// How many providers, on the accounts after the requestors'.
    pub providers: usize,
    /// The least a provider takes, in wei per hour of one slot.
    pub min_price: Wei,
    /// How many subtasks each provider runs at once.
    pub slots: u16,
}

impl Default for NodeOptions {
    /// None; providers would have one slot each, from 0.1 GNT per hour.
    fn default() -> NodeOptions {
        NodeOptions { requestors: 0, providers: 0, min_price: Wei(100_000_000_000_000_000), slots: 1 }
    }
}

impl NodeOptions {
    /// How many nodes that are.
    pub(crate) fn count(&self) -> usize {
        self.requestors.saturating_add(self.providers)
    }
}

/// A provider of a development network. It claims when it is asked to, so that a test decides what is settled when.
pub struct DevProvider {
    /// Its account: who it is, and where it is paid.
    pub account: DevAccount,
    /// The node, to ask and watch it, to claim and to close.
    pub node: ProviderHandle,
    /// Its data folder, gone with the network.
    pub folder: Folder,
}

impl fmt::Debug for DevProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DevProvider({})", self.account.address)
    }
}

/// The nodes' threads. Reason for two: a node waits more than it computes, and subtasks have threads of their own.
const WORKERS: usize = 2;
/// How long a drop waits for a thread that is in the middle of something, such as compiling a module.
const STOP_MAX: Duration = Duration::from_secs(10);
/// How long the nodes may take to meet. Reason: on loopback they need milliseconds, on a busy machine seconds.
const MEET_MAX: Duration = Duration::from_secs(60);
/// How often they are asked whether they have.
const MEET_EVERY: Duration = Duration::from_millis(10);
/// How often a node looks at the chain, in milliseconds.
const POLL_MS: u64 = 50;
/// How long a requestor waits for a late batch and for a lost peer, in milliseconds: here nobody is far away.
const GRACE_MS: u64 = 5_000;

/// All nodes of one network. Dropped, they are gone, with their threads, ports and folders.
#[derive(Default)]
pub(crate) struct Nodes {
    // In the order in which they have to go.
    requestors: Vec<DevRequestor>,
    providers: Arc<Vec<DevProvider>>,
    bootstrap: Vec<String>,
    threads: Option<Threads>,
    folder: Option<TempDir>,
}

impl fmt::Debug for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.requestors).entries(self.providers.iter()).finish()
    }
}

/// A node that has just started.
enum Started {
    Requestor(Box<DevRequestor>),
    Provider(DevProvider),
}

impl Nodes {
    /// Starts them and waits until they are connected. The first is where the others meet.
    ///
    /// Errors: `Node`, `NodeRoom`, `Apart`; none of them is left then.
    pub(crate) async fn start(
        options: NodeOptions,
        accounts: &[DevAccount],
        rpc_url: &str,
        deployment: &Deployment,
    ) -> Result<Nodes, DevnetError> {
        let mut nodes = Nodes::default();
        if options.count() == 0 {
            return Ok(nodes);
        }
        let room = |action| move |e: std::io::Error| DevnetError::NodeRoom { action, reason: e.to_string() };
        let folder = TempDir::with_prefix("golem-devnet-").map_err(room("make a temporary folder"))?;
        let threads = Threads::start().map_err(room("start threads"))?;
        let handle = threads.handle.clone();
        let root = folder.path().to_path_buf();
        // Kept from here on, so that whatever is given up below is stopped, and then its folder removed.
        (nodes.threads, nodes.folder) = (Some(threads), Some(folder));
        let mut chain = ChainSettings::new(rpc_url, deployment.clone());
        chain.poll_ms = Some(POLL_MS);
        let (mut starting, mut providers) = (JoinSet::new(), Vec::new());
        for (place, account) in accounts.iter().take(options.count()).enumerate() {
            let plan = NodePlan {
                place,
                options,
                account: account.clone(),
                folder: root.join(format!("account-{place}")),
                chain: chain.clone(),
                bootstrap: nodes.bootstrap.clone(),
            };
            starting.spawn_on(plan.start(), &handle);
            if place == 0 {
                // The others need its address.
                nodes.take(starting.join_next().await, &mut providers)?;
                nodes.bootstrap = first_addresses(&nodes.requestors, &providers).await?;
            }
        }
        while !starting.is_empty() {
            nodes.take(starting.join_next().await, &mut providers)?;
        }
        let place = |account: &DevAccount| accounts.iter().position(|other| other.address == account.address);
        nodes.requestors.sort_by_key(|node| place(&node.account));
        providers.sort_by_key(|node| place(&node.account));
        meet(&nodes.requestors, &providers).await?;
        nodes.providers = Arc::new(providers);
        for requestor in &mut nodes.requestors {
            requestor.providers = nodes.providers.clone();
        }
        Ok(nodes)
    }

    pub(crate) fn requestors(&self) -> &[DevRequestor] {
        &self.requestors
    }

    pub(crate) fn providers(&self) -> &[DevProvider] {
        &self.providers
    }

    pub(crate) fn bootstrap(&self) -> &[String] {
        &self.bootstrap
    }

    fn take(
        &mut self,
        started: Option<Result<Result<Started, DevnetError>, JoinError>>,
        providers: &mut Vec<DevProvider>,
    ) -> Result<(), DevnetError> {
        match started {
            Some(Ok(Ok(Started::Requestor(node)))) => self.requestors.push(*node),
            Some(Ok(Ok(Started::Provider(node)))) => providers.push(node),
            Some(Ok(Err(error))) => return Err(error),
            Some(Err(error)) => {
                return Err(DevnetError::NodeRoom { action: "run a thread", reason: error.to_string() });
            }
            None => {}
        }
        Ok(())
    }
}

/// How the network of the first node stands: the one where the others meet.
async fn first(requestors: &[DevRequestor], providers: &[DevProvider]) -> Result<NetworkStatus, DevnetError> {
    let status = match (requestors.first(), providers.first()) {
        (Some(node), _) => node.node.status().await.map(|status| status.network),
        (None, Some(node)) => node.node.status().await.map(|status| status.network),
        (None, None) => Ok(NetworkStatus::default()),
    };
    status.map_err(|NodeStopped { reason }| DevnetError::NodeRoom {
        action: "keep the first node running",
        reason: reason.unwrap_or_default(),
    })
}

/// Where the first node listens, which it knows a moment after its start.
async fn first_addresses(requestors: &[DevRequestor], providers: &[DevProvider]) -> Result<Vec<String>, DevnetError> {
    let begun = Instant::now();
    loop {
        let addresses = first(requestors, providers).await?.addresses;
        if !addresses.is_empty() {
            return Ok(addresses);
        }
        if begun.elapsed() > MEET_MAX {
            return Err(DevnetError::Apart { waited_s: MEET_MAX.as_secs(), peers: 0, others: 0 });
        }
        tokio::time::sleep(MEET_EVERY).await;
    }
}

/// Waits until the first node is connected with all others.
async fn meet(requestors: &[DevRequestor], providers: &[DevProvider]) -> Result<(), DevnetError> {
    let (begun, others) = (Instant::now(), requestors.len() + providers.len() - 1);
    loop {
        let peers = first(requestors, providers).await?.peers;
        if peers >= others {
            return Ok(());
        }
        if begun.elapsed() > MEET_MAX {
            return Err(DevnetError::Apart { waited_s: MEET_MAX.as_secs(), peers, others });
        }
        tokio::time::sleep(MEET_EVERY).await;
    }
}

/// All that one node is started with.
struct NodePlan {
    place: usize,
    options: NodeOptions,
    account: DevAccount,
    folder: PathBuf,
    chain: ChainSettings,
    bootstrap: Vec<String>,
}

impl NodePlan {
    async fn start(self) -> Result<Started, DevnetError> {
        let account = self.place;
        let folder = Folder::open_or_create(&self.folder)
            .map_err(|e| DevnetError::NodeRoom { action: "make a data folder", reason: e.to_string() })?;
        let keys = NodeKeys::from_secrets(self.account.key, self.account.key)?;
        let started = if account < self.options.requestors {
            self.requestor(folder, keys).await.map(|node| Started::Requestor(Box::new(node)))
        } else {
            self.provider(folder, keys).await.map(Started::Provider)
        };
        started.map_err(|source| DevnetError::Node { account, source: Box::new(source) })
    }

    fn network(&self) -> NetworkSettings {
        let listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
        NetworkSettings { listen, bootstrap: self.bootstrap.clone(), mdns: MdnsMode::Off, ..NetworkSettings::default() }
    }

    async fn requestor(self, folder: Folder, keys: NodeKeys) -> Result<DevRequestor, StartError> {
        let mut config = RequestorConfig::new(folder.clone(), keys, self.chain.clone());
        config.network = self.network();
        config.grace_ms = GRACE_MS;
        config.lost_ms = GRACE_MS;
        let node = RequestorNode::start(config).await?;
        Ok(DevRequestor { account: self.account, node, folder, providers: Arc::default() })
    }

    async fn provider(self, folder: Folder, keys: NodeKeys) -> Result<DevProvider, StartError> {
        let mut config = ProviderConfig::new(folder.clone(), keys, self.chain.clone(), self.options.min_price);
        config.network = self.network();
        config.slots = self.options.slots;
        config.claim.threshold = Wei::MAX;
        let node = ProviderNode::start(config).await?;
        Ok(DevProvider { account: self.account, node, folder })
    }
}

/// A runtime that is stopped and joined by a thread of its own: a runtime cannot be dropped inside another one.
struct Threads {
    handle: Handle,
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Threads {
    fn start() -> std::io::Result<Threads> {
        let runtime =
            Builder::new_multi_thread().worker_threads(WORKERS).thread_name("golem-devnet").enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = mpsc::channel::<()>();
        let thread = std::thread::Builder::new().name("golem-devnet".into()).spawn(move || {
            // An error is the end of the sender: that is the order to stop.
            let _ = stopped.recv();
            runtime.shutdown_timeout(STOP_MAX);
        })?;
        Ok(Threads { handle, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
