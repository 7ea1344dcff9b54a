//! What both nodes do before their loop: open the folder, load the records, connect, listen.

use crate::audience::Audience;
use crate::chain_link::ChainLink;
use crate::content::{Contents, Room};
use crate::error::StartError;
use crate::folder::Folder;
use crate::identity::NodeKeys;
use crate::settings::{ChainSettings, MdnsMode, NetworkSettings};
use crate::status::NetworkStatus;
use crate::worker::Runner;
use golem_deal::{Record, Table};
use golem_net::{Network, NetworkConfig, NetworkEvent, NetworkHandle};
use golem_protocol::{ByteCount, HEADER_TOPIC, PROOF_TOPIC};
use golem_sandbox::{Isolation, Pace, SandboxConfig};
use golem_store::{DiskStore, SCAN_RECORDS_MAX, Store};
use std::sync::Arc;
use tokio::sync::mpsc;

/// The version of all records in a node's store; raised with any change of their encoding.
pub const RECORD_SCHEMA: u32 = 2;

/// What a node stands on.
pub(crate) struct Base {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) records: Vec<Record>,
    pub(crate) contents: Contents,
    /// To whom they are served.
    pub(crate) audience: Audience,
    pub(crate) runner: Arc<Runner>,
    pub(crate) chain: ChainLink,
    pub(crate) net: NetworkHandle,
    pub(crate) net_events: mpsc::Receiver<NetworkEvent>,
}

/// What [`Base::start`] needs of a node's settings.
pub(crate) struct BaseSettings<'a> {
    pub(crate) folder: &'a Folder,
    pub(crate) keys: &'a NodeKeys,
    pub(crate) chain: &'a ChainSettings,
    pub(crate) network: &'a NetworkSettings,
    pub(crate) slots: u16,
    pub(crate) pace: Pace,
    pub(crate) content_max: ByteCount,
    pub(crate) modules_max: ByteCount,
    pub(crate) isolation: &'a Isolation,
    pub(crate) room: Room,
}

impl Base {
    pub(crate) async fn start(settings: BaseSettings<'_>) -> Result<Base, StartError> {
        let (store, records) = open_store(settings.folder).await?;
        let (contents, runner) = open_work(&settings).await?;
        let chain = ChainLink::connect(settings.chain, settings.keys.payment_secret(), store.clone()).await?;
        let audience = Audience::default();
        // The network last: once it is there, others count on us.
        let mut config = NetworkConfig::new(*settings.keys.identity_secret(), contents.served(audience.clone()));
        if !settings.network.listen.is_empty() {
            config.listen = settings.network.listen.clone();
        }
        config.bootstrap = settings.network.bootstrap.clone();
        config.mdns = settings.network.mdns == MdnsMode::On;
        config.bandwidth = settings.network.bandwidth;
        config.topics = vec![HEADER_TOPIC.to_owned(), PROOF_TOPIC.to_owned()];
        let (net, net_events) =
            Network::start(config).map_err(|error| StartError::Net { detail: error.to_string() })?;
        contents.connect(net.clone());
        Ok(Base { store, records, contents, audience, runner, chain, net, net_events })
    }
}

async fn open_store(folder: &Folder) -> Result<(Arc<dyn Store>, Vec<Record>), StartError> {
    let path = folder.store();
    let opened = tokio::task::spawn_blocking(move || {
        let store: Arc<dyn Store> = Arc::new(DiskStore::open(&path, RECORD_SCHEMA)?);
        let records = load(store.as_ref()).map_err(|source| StartError::Read { path, source })?;
        Ok((store, records))
    });
    joined(opened.await)
}

/// Everything the machines and the market saved.
fn load(store: &dyn Store) -> Result<Vec<Record>, golem_store::StoreError> {
    let mut records = Vec::new();
    for table in Table::ALL {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = store.scan(golem_store::Table::new(table.name()), b"", after.as_deref(), SCAN_RECORDS_MAX)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            records.extend(page.into_iter().map(|(key, value)| Record { table, key, value: Some(value) }));
        }
    }
    Ok(records)
}

async fn open_work(settings: &BaseSettings<'_>) -> Result<(Contents, Arc<Runner>), StartError> {
    let (content, modules) = (settings.folder.content(), settings.folder.modules());
    let work = settings.folder.path().join("work");
    let (content_max, pace, room) = (settings.content_max, settings.pace, settings.room);
    let mut sandbox = SandboxConfig::new(modules);
    sandbox.cache_disk_max = settings.modules_max;
    sandbox.slots = settings.slots as u32;
    sandbox.isolation = settings.isolation.clone();
    let opened = tokio::task::spawn_blocking(move || {
        let contents = Contents::open(&content, content_max.0, room)
            .map_err(|error| StartError::Content { detail: error.to_string() })?;
        let runner = Runner::new(sandbox, work, pace)?;
        Ok((contents, Arc::new(runner)))
    });
    joined(opened.await)
}

/// The result of a blocking part of the start.
pub(crate) fn joined<T>(result: Result<Result<T, StartError>, tokio::task::JoinError>) -> Result<T, StartError> {
    result.unwrap_or_else(|error| Err(StartError::Thread { detail: error.to_string() }))
}

/// Where the node is on the network now.
pub(crate) async fn network_status(net: &NetworkHandle) -> NetworkStatus {
    let addresses = net.listen_addresses().await;
    let peer_id = addresses.iter().find_map(|address| address.rsplit_once("/p2p/")).map(|(_, id)| id.to_owned());
    NetworkStatus { peer_id: peer_id.unwrap_or_default(), addresses, peers: net.peers().await.len() }
}
