//! What a node is started with. Every default is stated here, with its unit and its reason.

use crate::error::StartError;
use crate::folder::Folder;
use crate::identity::NodeKeys;
use crate::owner::OwnerSettings;
use golem_chain::Deployment;
use golem_deal::CopyAddresses;
use golem_market::{AccessLists, Choice, Ratio, RequestorSettings, Rules};
use golem_net::Bandwidth;
use golem_payments::{ClaimRule, GasWorth};
use golem_protocol::{Address, ByteCount, ChainRef, ContentHash, NodeId, Wei};
use golem_sandbox::Isolation;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Where the node's chain is, and which contracts are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainSettings {
    /// The RPC endpoint, over HTTP.
    pub rpc_url: String,
    /// The contracts; another chain behind the endpoint, or other contracts, are refused on start.
    pub deployment: Deployment,
    /// Blocks until something counts as done, its own included: 1 is "in the newest block".
    pub confirmations: u64,
    /// How often the endpoint is asked for new blocks, in milliseconds; `None` follows the chain's block time.
    pub poll_ms: Option<u64>,
    /// The most that is ever offered for gas, in gwei.
    pub max_fee_gwei: u64,
}

impl ChainSettings {
    /// The defaults: one confirmation, looked at as often as the chain makes blocks, at most 300 gwei for gas.
    pub fn new(rpc_url: impl Into<String>, deployment: Deployment) -> ChainSettings {
        ChainSettings { rpc_url: rpc_url.into(), deployment, confirmations: 1, poll_ms: None, max_fee_gwei: 300 }
    }

    /// The most that is ever offered for gas, in wei of ether.
    pub fn max_fee_wei(&self) -> u64 {
        self.max_fee_gwei.saturating_mul(1_000_000_000)
    }

    /// Which contracts signatures are made for.
    pub fn chain_ref(&self) -> ChainRef {
        self.deployment.chain_ref()
    }
}

/// How the node meets others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkSettings {
    /// Multiaddresses to listen on; empty for every interface, QUIC and TCP, a port of the system's choice.
    pub listen: Vec<String>,
    /// Multiaddresses of nodes to start from.
    pub bootstrap: Vec<String>,
    /// Whether nodes on the local network find each other without a bootstrap node.
    pub mdns: MdnsMode,
    /// The most content that is fetched and served.
    pub bandwidth: Bandwidth,
}

/// Whether the local network is searched for nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MdnsMode {
    /// Search it, and answer.
    #[default]
    On,
    /// Leave it alone.
    Off,
}

/// Where the HTTP interface listens. Its address and token are written to `api.json` in the data folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiSettings {
    /// The address; it must be a loopback one. Port 0 is a port of the system's choice.
    pub listen: SocketAddr,
}

impl Default for ApiSettings {
    fn default() -> ApiSettings {
        ApiSettings { listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0) }
    }
}

/// When a provider turns vouchers into money without being asked: the terms of `golem_payments::claim_rule`, which says why.
///
/// It claims when waiting has cost as much as claiming would, where `ether` says what gas is worth; whatever that is, when
/// what is claimable in all reaches `threshold`; at once from a payer that has asked to close; and on a stop where
/// `on_exit` says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimSettings {
    /// The claimable sum at which everything is claimed.
    pub threshold: Wei,
    /// What waiting costs, in parts per million per day of what waits. Reason for the default of 1,000, a thousandth a day:
    /// a machine at home is lost with its keys and disk once in some years, and what is earned is wanted elsewhere.
    pub waiting_ppm_per_day: u32,
    /// What gas is worth.
    pub ether: EtherWorth,
    /// What happens on a stop.
    pub on_exit: ClaimOnExit,
}

impl Default for ClaimSettings {
    /// At 10 GNT, a thousandth a day for waiting, no price of ether, nothing on a stop.
    fn default() -> ClaimSettings {
        ClaimSettings {
            threshold: Wei(10_000_000_000_000_000_000),
            waiting_ppm_per_day: 1_000,
            ether: EtherWorth::Unknown,
            on_exit: ClaimOnExit::Keep,
        }
    }
}

impl ClaimSettings {
    /// What gas is worth where the chain asks so much ether for it, in wei.
    pub fn gas_worth(&self, ether_wei_per_gas: u64) -> GasWorth {
        match self.ether {
            EtherWorth::Unknown => GasWorth::Unknown,
            EtherWorth::Gnt(gnt) => GasWorth::of(ether_wei_per_gas, gnt),
        }
    }

    /// The terms of the rule.
    pub fn rule(&self) -> ClaimRule {
        ClaimRule { waiting_ppm_per_day: self.waiting_ppm_per_day, threshold: self.threshold }
    }
}

/// What an ether is worth. Only the owner says so: no oracle is trusted with when money is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EtherWorth {
    /// Not said: the threshold alone decides.
    #[default]
    Unknown,
    /// So much GNT.
    Gnt(Wei),
}

/// Whether a stop claims.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClaimOnExit {
    /// Vouchers stay in the data folder, good until the channel is closed.
    #[default]
    Keep,
    /// What is claimable is claimed before the process ends.
    Claim,
}

/// Who is dealt with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerLists {
    /// Only these, where not empty.
    pub allow: Vec<NodeId>,
    /// Never these.
    pub deny: Vec<NodeId>,
}

impl PeerLists {
    /// As the market takes them.
    ///
    /// Errors: `Setting` for a list too long.
    pub(crate) fn lists(&self) -> Result<AccessLists, StartError> {
        AccessLists::configured(&self.allow, &self.deny).map_err(|error| StartError::Setting {
            setting: "peers",
            got: format!("{} allowed and {} denied", self.allow.len(), self.deny.len()),
            step: error.to_string(),
        })
    }
}

/// The most memory that a subtask gets where nothing else is set.
pub const MEMORY_MAX: ByteCount = ByteCount::from_bytes(1 << 30);

/// Everything a provider is started with.
#[derive(Clone, Debug)]
pub struct ProviderConfig {
    /// The data folder.
    pub folder: Folder,
    /// Its keys.
    pub keys: NodeKeys,
    /// Where to be paid; the payment key's address unless it is a cold wallet.
    pub payee: Address,
    /// The chain.
    pub chain: ChainSettings,
    /// The network.
    pub network: NetworkSettings,
    /// The HTTP interface; `None` for a node that is only used through its handle.
    pub api: Option<ApiSettings>,
    /// No offer is below this, in wei per hour of one slot.
    pub min_price: Wei,
    /// Which rules its prices follow.
    pub rules: Rules,
    /// How many subtasks run at once.
    pub slots: u16,
    /// Which share of a core each slot may take, 1 to 100 percent.
    pub cpu_percent: u8,
    /// The most memory a subtask gets.
    pub memory_max: ByteCount,
    /// The most memory that all subtasks at once get; `None` is as much as every slot may have. As many run as fit.
    pub memory_total: Option<ByteCount>,
    /// The only programs that are run, by digest; all where there are none.
    pub programs: Vec<ContentHash>,
    /// How many bits of work a requestor's key must have in it; 0 admits every key.
    pub identity_bits: u8,
    /// When the machine is its owner's.
    pub owner: OwnerSettings,
    /// The most output a subtask may make.
    pub output_max: ByteCount,
    /// The most that fetched and made content may take on disk.
    pub content_max: ByteCount,
    /// The most that compiled modules may take on disk.
    pub modules_max: ByteCount,
    /// What stands between requestors' programs and this node.
    pub isolation: Isolation,
    /// When vouchers are claimed without being asked.
    pub claim: ClaimSettings,
    /// How long an offer stands, in seconds of chain time.
    pub offer_life_s: u64,
    /// For how long a voucher must stay claimable at least, in seconds of chain time: how long a claim may need.
    pub claim_margin_s: u64,
    /// Who is dealt with.
    pub peers: PeerLists,
    /// Where a trace of the run is written, from which it can be replayed; without, none is.
    pub trace: Option<PathBuf>,
}

impl ProviderConfig {
    /// The defaults: one slot at full pace, 1 GiB of memory and 256 MiB of output a subtask, 10 GiB of content and
    /// 2 GiB of compiled modules, claims from 10 GNT, offers good for 10 minutes, an hour to claim. Programs run in
    /// this process, because this crate cannot know whether the program around it can be a worker: whoever serves
    /// strangers sets [`Isolation::Process`].
    pub fn new(folder: Folder, keys: NodeKeys, chain: ChainSettings, min_price: Wei) -> ProviderConfig {
        let payee = keys.payment_address();
        ProviderConfig {
            folder,
            keys,
            payee,
            chain,
            network: NetworkSettings::default(),
            api: Some(ApiSettings::default()),
            min_price,
            rules: Rules::default(),
            slots: 1,
            cpu_percent: 100,
            memory_max: MEMORY_MAX,
            memory_total: None,
            programs: Vec::new(),
            identity_bits: 0,
            owner: OwnerSettings::default(),
            output_max: ByteCount::from_bytes(256 << 20),
            content_max: ByteCount::from_bytes(10 << 30),
            modules_max: ByteCount::from_bytes(2 << 30),
            isolation: Isolation::InProcess,
            claim: ClaimSettings::default(),
            offer_life_s: 600,
            claim_margin_s: 3600,
            peers: PeerLists::default(),
            trace: None,
        }
    }
}

impl ProviderConfig {
    /// The most memory that all subtasks at once get.
    pub(crate) fn memory_at_once(&self) -> ByteCount {
        let every_slot = ByteCount::from_bytes(self.memory_max.0.saturating_mul(self.slots.into()));
        self.memory_total.unwrap_or(every_slot)
    }
}

/// How offers are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChoiceSettings {
    /// Which rules they are scored by.
    pub rules: Rules,
    /// How one is picked.
    pub choice: Choice,
    /// How long prices above those paid before are waited out, in timeouts of a subtask; by our rules only.
    pub patience: Ratio,
    /// Offers of providers whose quality is below this share are refused, in parts per million; 0 admits everyone.
    pub quality_floor_ppm: u32,
    /// How many bits of work a provider's key must have in it; 0 admits every key.
    pub identity_bits: u8,
}

impl Default for ChoiceSettings {
    fn default() -> ChoiceSettings {
        let RequestorSettings { rules, choice, patience, .. } = RequestorSettings::default();
        ChoiceSettings { rules, choice, patience, quality_floor_ppm: 0, identity_bits: 0 }
    }
}

impl ChoiceSettings {
    /// As the market takes them.
    pub(crate) fn market(self) -> RequestorSettings {
        let quality_floor = Ratio::from_parts(self.quality_floor_ppm as u64 * (Ratio::ONE.parts() / 1_000_000));
        let ChoiceSettings { rules, choice, patience, .. } = self;
        RequestorSettings { rules, choice, quality_floor, patience, ..RequestorSettings::default() }
    }
}

/// Everything a requestor is started with.
#[derive(Clone, Debug)]
pub struct RequestorConfig {
    /// The data folder.
    pub folder: Folder,
    /// Its keys; the payment key funds the channels.
    pub keys: NodeKeys,
    /// The chain.
    pub chain: ChainSettings,
    /// The network.
    pub network: NetworkSettings,
    /// The HTTP interface; `None` for a node that is only used through its handle.
    pub api: Option<ApiSettings>,
    /// How offers are chosen.
    pub choice: ChoiceSettings,
    /// Who is dealt with.
    pub peers: PeerLists,
    /// How long a batch may be late before its subtasks are given to others, in milliseconds.
    pub grace_ms: u64,
    /// How long a lost peer is waited for, in milliseconds.
    pub lost_ms: u64,
    /// Whether copies of one subtask may go to providers at one address.
    pub copy_addresses: CopyAddresses,
    /// How many programs run here at once, for rechecks and merges.
    pub slots: u16,
    /// The most that contents may take on disk.
    pub content_max: ByteCount,
    /// The most that compiled modules may take on disk.
    pub modules_max: ByteCount,
    /// What stands between programs that are rechecked or merge, and this node.
    pub isolation: Isolation,
    /// Whether wrong results found here are told to others, and theirs are listened to.
    pub share_proofs: bool,
    /// How long a stop waits for the last vouchers to reach their payees, in milliseconds.
    pub linger_ms: u64,
    /// Where a trace of the run is written, from which it can be replayed; without, none is.
    pub trace: Option<PathBuf>,
}

impl RequestorConfig {
    /// The defaults: 10 s of grace, 30 s for a lost peer, one program at once, 20 GiB of content, 2 GiB of compiled
    /// modules, programs in this process, 10 s of linger.
    pub fn new(folder: Folder, keys: NodeKeys, chain: ChainSettings) -> RequestorConfig {
        RequestorConfig {
            folder,
            keys,
            chain,
            network: NetworkSettings::default(),
            api: Some(ApiSettings::default()),
            choice: ChoiceSettings::default(),
            peers: PeerLists::default(),
            grace_ms: 10_000,
            lost_ms: 30_000,
            copy_addresses: CopyAddresses::Distinct,
            slots: 1,
            content_max: ByteCount::from_bytes(20 << 30),
            modules_max: ByteCount::from_bytes(2 << 30),
            isolation: Isolation::InProcess,
            share_proofs: true,
            linger_ms: 10_000,
            trace: None,
        }
    }
}
