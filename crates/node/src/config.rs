//! The settings file `golem.toml` of a data folder. Flags go before it; defaults are those of [`crate::settings`].
//!
//! Shape: TOML; a key that is not listed is refused, and every key may be left out.
//!
//! ```toml
//! [chain]
//! rpc_url = "http://127.0.0.1:8545"
//! deployment = "sepolia.json"         # seen from the data folder; without, what is known of the chain
//! confirmations = 1                   # blocks, the transaction's own included
//! poll_ms = 1000                      # without, as often as the chain makes blocks
//! max_fee_gwei = 300                  # never more for gas
//!
//! [network]
//! listen = ["/ip4/0.0.0.0/udp/4001/quic-v1", "/ip4/0.0.0.0/tcp/4001"]
//! bootstrap = ["/ip4/192.0.2.7/tcp/4001/p2p/16Uiu2HAm..."]
//! mdns = true                         # find nodes on the local network
//! download_mbit = 50                  # the most for what is fetched, in Mbit/s; without, as fast as the link
//! upload_mbit = 10                    # the most for what is served
//!
//! [api]
//! listen = "127.0.0.1:0"              # loopback only
//!
//! [sandbox]
//! isolation = "process"               # or "none": programs in the node's own process; never for strangers' programs
//!
//! [provider]
//! min_price_gnt_per_hour = "0.1"      # of one slot at work
//! rules = "golem"                     # or "published": how prices follow; see ECONOMY.md
//! slots = 2                           # subtasks at once
//! cpu_percent = 100                   # of a core, each slot
//! memory_max_mib = 1024               # of one subtask
//! memory_total_mib = 3072             # of all at once: as many run as fit; without, enough for every slot
//! programs = []                       # only these where not empty: apps by name, others by digest or file
//! identity_bits = 0                   # work that a requestor's key must have in it
//! hours = ["mon-fri 22:00-06:00"]     # when the machine is rented out, by its own clock; without, always
//! yield_percent = 50                  # rest while the owner's programs use this share of all processors or more
//! output_max_mib = 256                # of one subtask
//! content_max_mib = 10240             # on disk
//! modules_max_mib = 2048              # on disk
//! claim_threshold_gnt = "10"          # claimed at once when this much is claimable
//! claim_waiting_ppm_per_day = 1000    # what it costs to leave money unclaimed, of a million, each day
//! gnt_per_ether = "8000"              # without, the threshold alone decides when to claim
//! claim_on_exit = false
//! offer_life_s = 600
//! claim_margin_s = 3600
//! payee = "0x..."                     # a cold wallet; without, this node's own account
//! trace = "provider.trace"            # seen from the data folder; without, none is written
//!
//! [requestor]
//! slots = 1                           # rechecks and merges at once
//! rules = "golem"                     # or "published": how offers are scored; see ECONOMY.md
//! patience = 4.0                      # how long dear offers are waited out, in timeouts of a subtask
//!                                     # or in 16 times what one of its program took, where that is shorter
//! greed = 2.0                         # choose by chance, the more greed the more like without it; absent: the best
//! quality_floor = "0.1"               # 0 to 1: providers below it are not taken
//! identity_bits = 0                   # work that a provider's key must have in it: `golem wallet new --identity-bits`
//! grace_ms = 10000                    # how late a batch may be
//! lost_ms = 30000                     # how long a lost peer is waited for
//! copy_addresses = "distinct"         # or "any": whether copies of a subtask may go to providers at one address
//! share_proofs = true                 # tell others of wrong results, with the subtask's input, and hear theirs
//! linger_ms = 10000                   # how long a stop waits to deliver the last vouchers
//! trace = "requestor.trace"           # seen from the data folder; without, none is written
//! content_max_mib = 20480             # on disk
//! modules_max_mib = 2048              # on disk
//!
//! [peers]
//! allow = []                          # only these nodes, where not empty
//! deny = []                           # never these
//! ```

mod check;

pub use check::SettingProblem;

use crate::folder::read_small;
use crate::owner::Hours;
use crate::settings::{
    ClaimOnExit, ClaimSettings, EtherWorth, MdnsMode, NetworkSettings, PeerLists, ProviderConfig, RequestorConfig,
};
use golem_deal::CopyAddresses;
use golem_market::{Choice, Ratio, Rules};
use golem_protocol::units::AmountError;
use golem_protocol::{Address, ByteCount, NodeId, Wei};
use golem_sandbox::Isolation;
use serde::Deserialize;
use std::io;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};

/// A million bits.
pub(crate) const BYTES_PER_MBIT: NonZeroU64 = NonZeroU64::new(125_000).unwrap();

/// The settings file, as it is written. A setting that is absent keeps its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConfigFile {
    /// The chain.
    pub chain: ChainSection,
    /// The network.
    pub network: NetworkSection,
    /// The HTTP interface.
    pub api: ApiSection,
    /// How programs are run.
    pub sandbox: SandboxSection,
    /// As a provider.
    pub provider: ProviderSection,
    /// As a requestor.
    pub requestor: RequestorSection,
    /// Who is dealt with.
    pub peers: PeersSection,
}

/// `[chain]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChainSection {
    /// The RPC endpoint.
    pub rpc_url: Option<String>,
    /// The deployment file, seen from the data folder.
    pub deployment: Option<PathBuf>,
    /// Blocks until something counts as done.
    pub confirmations: Option<u64>,
    /// How often the endpoint is asked, in milliseconds.
    pub poll_ms: Option<u64>,
    /// The most that is offered for gas, in gwei.
    pub max_fee_gwei: Option<u64>,
}

/// `[network]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkSection {
    /// Multiaddresses to listen on.
    pub listen: Option<Vec<String>>,
    /// Multiaddresses to start from.
    pub bootstrap: Option<Vec<String>>,
    /// Whether the local network is searched.
    pub mdns: Option<bool>,
    /// The most for what is fetched, in Mbit/s.
    pub download_mbit: Option<NonZeroU32>,
    /// The most for what is served, in Mbit/s.
    pub upload_mbit: Option<NonZeroU32>,
}

/// `[api]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiSection {
    /// Where it listens.
    pub listen: Option<SocketAddr>,
}

/// `[sandbox]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SandboxSection {
    /// What stands between programs and the node.
    pub isolation: Option<IsolationSetting>,
}

/// What stands between programs and the node, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IsolationSetting {
    /// Worker processes of this program, which must be able to be one.
    Process,
    /// Nothing but WebAssembly.
    None,
}

/// `[provider]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderSection {
    /// No offer is below this, in GNT per hour of one slot.
    pub min_price_gnt_per_hour: Option<String>,
    /// Which rules prices follow.
    pub rules: Option<Rules>,
    /// Subtasks at once.
    pub slots: Option<u16>,
    /// The share of a core of each slot.
    pub cpu_percent: Option<u8>,
    /// The most memory of a subtask, in MiB.
    pub memory_max_mib: Option<u64>,
    /// The most memory of all subtasks at once, in MiB.
    pub memory_total_mib: Option<u64>,
    /// The only programs that are run, as `--only` takes them: whoever starts the node knows their names.
    pub programs: Option<Vec<String>>,
    /// Work that a requestor's key must have in it.
    pub identity_bits: Option<u8>,
    /// When the machine is rented out.
    pub hours: Option<Hours>,
    /// From which share of the processors on its owner has the machine alone, in percent.
    pub yield_percent: Option<u8>,
    /// The most output of a subtask, in MiB.
    pub output_max_mib: Option<u64>,
    /// The most content on disk, in MiB.
    pub content_max_mib: Option<u64>,
    /// The most compiled modules on disk, in MiB.
    pub modules_max_mib: Option<u64>,
    /// The claimable sum at which everything is claimed, in GNT.
    pub claim_threshold_gnt: Option<String>,
    /// What waiting to claim costs, in parts per million per day.
    pub claim_waiting_ppm_per_day: Option<u32>,
    /// What an ether is worth, in GNT.
    pub gnt_per_ether: Option<String>,
    /// Whether a stop claims.
    pub claim_on_exit: Option<bool>,
    /// How long an offer stands, in seconds.
    pub offer_life_s: Option<u64>,
    /// How long a voucher must stay claimable, in seconds.
    pub claim_margin_s: Option<u64>,
    /// Where to be paid.
    pub payee: Option<Address>,
    /// Where a trace is written, seen from the data folder.
    pub trace: Option<PathBuf>,
}

/// `[requestor]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RequestorSection {
    /// Rechecks and merges at once.
    pub slots: Option<u16>,
    /// Which rules offers are scored by.
    pub rules: Option<Rules>,
    /// How long dear offers are waited out, in timeouts of a subtask.
    pub patience: Option<Ratio>,
    /// Chooses by chance, with so much greed.
    pub greed: Option<Ratio>,
    /// The least quality of a provider, 0 to 1.
    pub quality_floor: Option<String>,
    /// Work that a provider's key must have in it.
    pub identity_bits: Option<u8>,
    /// How late a batch may be, in milliseconds.
    pub grace_ms: Option<u64>,
    /// How long a lost peer is waited for, in milliseconds.
    pub lost_ms: Option<u64>,
    /// Whether copies of a subtask may go to providers at one address.
    pub copy_addresses: Option<CopyAddresses>,
    /// Whether wrong results are told, and heard of.
    pub share_proofs: Option<bool>,
    /// How long a stop waits to deliver vouchers, in milliseconds.
    pub linger_ms: Option<u64>,
    /// Where a trace is written, seen from the data folder.
    pub trace: Option<PathBuf>,
    /// The most content on disk, in MiB.
    pub content_max_mib: Option<u64>,
    /// The most compiled modules on disk, in MiB.
    pub modules_max_mib: Option<u64>,
}

/// `[peers]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PeersSection {
    /// Only these, where not empty.
    pub allow: Vec<NodeId>,
    /// Never these.
    pub deny: Vec<NodeId>,
}

/// Why a settings file is not used. Nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read the settings {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not TOML, or has a key or value that is not known.
    #[error("the settings {path} cannot be used: {reason}", path = path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What the parser said, with the place.
        reason: String,
    },
    /// It has values that cannot be kept.
    #[error("the settings {path} cannot be used:{}", listed(problems), path = path.display())]
    Values {
        /// The file.
        path: PathBuf,
        /// Every one of them; at least one.
        problems: Vec<SettingProblem>,
    },
    /// An amount that is none.
    #[error("the setting {key}: {source}")]
    Amount {
        /// Which.
        key: &'static str,
        /// What is wrong with it.
        source: AmountError,
    },
    /// A share that is none.
    #[error("the setting {key}: {source}")]
    Share {
        /// Which.
        key: &'static str,
        /// What is wrong with it.
        source: golem_task::VerificationError,
    },
    /// A size that no machine has.
    #[error("the setting {key} is {mib} MiB, more than can be counted in bytes: set a smaller one")]
    Size {
        /// Which.
        key: &'static str,
        /// Its value.
        mib: u64,
    },
}

fn listed(problems: &[SettingProblem]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}

/// What the reader of settings says, in words of who writes them.
fn in_words(reason: &str) -> String {
    const WORDS: [(&str, &str); 8] = [
        ("expected a string", "expected text in quotes, such as \"0.1\""),
        ("expected u8", "expected a whole number from 0 to 255"),
        ("expected u16", "expected a whole number from 0 to 65535"),
        ("expected u32", "expected a whole number from 0 to 4294967295"),
        ("expected u64", "expected a whole number of at least 0"),
        ("expected a nonzero u32", "expected a whole number of at least 1"),
        ("invalid string length", DIGITS),
        ("odd number of digits", DIGITS),
    ];
    const DIGITS: &str = "expected 0x and hexadecimal digits: 40 of an account or a node, 64 of a digest";
    // At the end only: before that the lines are quoted as they were written.
    let said = reason.trim_end();
    let ending = WORDS.iter().find_map(|(ending, words)| said.strip_suffix(ending).map(|before| (before, words)));
    ending.map_or_else(|| reason.to_owned(), |(before, words)| format!("{before}{words}\n"))
}

impl ConfigFile {
    /// Reads a settings file; one that is absent has no settings.
    ///
    /// Errors: `Read`; `Parse` for the first thing that is no setting; `Values` with everything that cannot be kept.
    pub fn load(path: &Path) -> Result<ConfigFile, ConfigError> {
        let text = match read_small(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ConfigFile::default()),
            Err(source) => return Err(ConfigError::Read { path: path.to_path_buf(), source }),
        };
        let file: ConfigFile = toml::from_str(&text)
            .map_err(|error| ConfigError::Parse { path: path.to_path_buf(), reason: in_words(&error.to_string()) })?;
        match file.problems() {
            problems if problems.is_empty() => Ok(file),
            problems => Err(ConfigError::Values { path: path.to_path_buf(), problems }),
        }
    }

    /// Puts its settings into those of how to meet others.
    pub fn apply_to_network(&self, network: &mut NetworkSettings) {
        set(&mut network.listen, self.network.listen.clone());
        set(&mut network.bootstrap, self.network.bootstrap.clone());
        set(&mut network.bandwidth.download, self.network.download_mbit.map(|mbit| Some(bytes_per_second(mbit))));
        set(&mut network.bandwidth.upload, self.network.upload_mbit.map(|mbit| Some(bytes_per_second(mbit))));
        set(&mut network.mdns, self.network.mdns.map(|on| if on { MdnsMode::On } else { MdnsMode::Off }));
    }

    /// What stands between programs and the node, where that is set.
    pub fn isolation(&self) -> Option<Isolation> {
        self.sandbox.isolation.map(|setting| match setting {
            IsolationSetting::Process => Isolation::this_program(),
            IsolationSetting::None => Isolation::InProcess,
        })
    }

    fn peers(&self) -> PeerLists {
        PeerLists { allow: self.peers.allow.clone(), deny: self.peers.deny.clone() }
    }

    /// Puts its settings into a provider's, but for [`ProviderSection::programs`].
    pub fn apply_to_provider(&self, config: &mut ProviderConfig) -> Result<(), ConfigError> {
        let section = &self.provider;
        self.apply_to_network(&mut config.network);
        config.peers = self.peers();
        if let (Some(api), Some(listen)) = (&mut config.api, self.api.listen) {
            api.listen = listen;
        }
        set(
            &mut config.min_price,
            amount("provider.min_price_gnt_per_hour", section.min_price_gnt_per_hour.as_deref())?,
        );
        set(&mut config.rules, self.provider.rules);
        set(&mut config.slots, section.slots);
        set(&mut config.cpu_percent, section.cpu_percent);
        set(&mut config.memory_max, size("provider.memory_max_mib", section.memory_max_mib)?);
        let memory_total = size("provider.memory_total_mib", section.memory_total_mib)?;
        set(&mut config.memory_total, memory_total.map(Some));
        set(&mut config.identity_bits, section.identity_bits);
        set(&mut config.owner.hours, section.hours.clone());
        set(&mut config.owner.yield_percent, section.yield_percent.map(Some));
        set(&mut config.output_max, size("provider.output_max_mib", section.output_max_mib)?);
        set(&mut config.content_max, size("provider.content_max_mib", section.content_max_mib)?);
        set(&mut config.modules_max, size("provider.modules_max_mib", section.modules_max_mib)?);
        set(&mut config.isolation, self.isolation());
        self.apply_to_claim(&mut config.claim)?;
        set(&mut config.offer_life_s, section.offer_life_s);
        set(&mut config.claim_margin_s, section.claim_margin_s);
        set(&mut config.payee, section.payee);
        set(&mut config.trace, section.trace.as_ref().map(|file| Some(config.folder.path().join(file))));
        Ok(())
    }

    /// Puts its settings into those of when to claim.
    pub fn apply_to_claim(&self, claim: &mut ClaimSettings) -> Result<(), ConfigError> {
        let section = &self.provider;
        set(&mut claim.threshold, amount("provider.claim_threshold_gnt", section.claim_threshold_gnt.as_deref())?);
        set(&mut claim.waiting_ppm_per_day, section.claim_waiting_ppm_per_day);
        let ether = amount("provider.gnt_per_ether", section.gnt_per_ether.as_deref())?;
        set(&mut claim.ether, ether.map(EtherWorth::Gnt));
        let on_exit = section.claim_on_exit.map(|claim| if claim { ClaimOnExit::Claim } else { ClaimOnExit::Keep });
        set(&mut claim.on_exit, on_exit);
        Ok(())
    }

    /// Puts its settings into a requestor's.
    pub fn apply_to_requestor(&self, config: &mut RequestorConfig) -> Result<(), ConfigError> {
        let section = &self.requestor;
        self.apply_to_network(&mut config.network);
        config.peers = self.peers();
        if let (Some(api), Some(listen)) = (&mut config.api, self.api.listen) {
            api.listen = listen;
        }
        set(&mut config.slots, section.slots);
        set(&mut config.choice.rules, section.rules);
        set(&mut config.choice.patience, section.patience);
        set(&mut config.choice.choice, section.greed.map(|greed| Choice::Boltzmann { greed }));
        if let Some(text) = &section.quality_floor {
            config.choice.quality_floor_ppm = golem_task::Verification::parse_fraction(text)
                .map_err(|source| ConfigError::Share { key: "requestor.quality_floor", source })?;
        }
        set(&mut config.choice.identity_bits, section.identity_bits);
        set(&mut config.grace_ms, section.grace_ms);
        set(&mut config.lost_ms, section.lost_ms);
        set(&mut config.copy_addresses, section.copy_addresses);
        set(&mut config.share_proofs, section.share_proofs);
        set(&mut config.linger_ms, section.linger_ms);
        set(&mut config.trace, section.trace.as_ref().map(|file| Some(config.folder.path().join(file))));
        set(&mut config.content_max, size("requestor.content_max_mib", section.content_max_mib)?);
        set(&mut config.modules_max, size("requestor.modules_max_mib", section.modules_max_mib)?);
        set(&mut config.isolation, self.isolation());
        Ok(())
    }
}

/// A rate as links are sold, in bytes.
pub fn bytes_per_second(mbit: NonZeroU32) -> NonZeroU64 {
    NonZeroU64::from(mbit).saturating_mul(BYTES_PER_MBIT)
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn amount(key: &'static str, text: Option<&str>) -> Result<Option<Wei>, ConfigError> {
    text.map(Wei::parse_gnt).transpose().map_err(|source| ConfigError::Amount { key, source })
}

fn size(key: &'static str, mib: Option<u64>) -> Result<Option<ByteCount>, ConfigError> {
    let Some(mib) = mib else { return Ok(None) };
    let bytes = mib.checked_mul(1 << 20).ok_or(ConfigError::Size { key, mib })?;
    Ok(Some(ByteCount::from_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::Folder;
    use crate::identity::NodeKeys;
    use crate::settings::ChainSettings;
    use golem_chain::Deployment;

    fn provider(home: &Path) -> ProviderConfig {
        let address = Address::repeat_byte(1);
        let deployment = Deployment {
            chain_id: 1,
            gnt: address,
            faucet: None,
            channels: address,
            concent_deposit: None,
            app_registry: None,
            close_delay_s: 1,
            block: 1,
        };
        let keys = NodeKeys::from_secrets([1; 32], [1; 32]).unwrap();
        let folder = Folder::open_or_create(home).unwrap();
        ProviderConfig::new(folder, keys, ChainSettings::new("http://127.0.0.1:1", deployment), Wei(1))
    }

    fn parse(text: &str) -> Result<ConfigFile, ConfigError> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("golem.toml");
        std::fs::write(&path, text).unwrap();
        ConfigFile::load(&path)
    }

    #[test]
    fn keeps_defaults_where_nothing_is_set() {
        let home = tempfile::tempdir().unwrap();
        let file = ConfigFile::load(&home.path().join("absent.toml")).unwrap();
        let (mut config, plain) = (provider(home.path()), provider(home.path()));
        file.apply_to_provider(&mut config).unwrap();
        assert_eq!((config.slots, config.claim, config.network), (plain.slots, plain.claim, plain.network));
    }

    #[test]
    fn says_in_words_what_a_setting_of_another_kind_should_be() {
        for (text, words) in [
            ("min_price_gnt_per_hour = 0.1", "expected text in quotes, such as \"0.1\""),
            ("slots = 100000", "expected a whole number from 0 to 65535"),
            ("payee = \"me\"", "40 of an account or a node"),
            ("payee = \"xyz\"", "expected 0x and hexadecimal digits"),
        ] {
            let said = parse(&format!("[provider]\n{text}\n")).unwrap_err().to_string();
            assert!(said.contains(words) && said.contains("line 2"), "{text}: {said}");
        }
        let said = parse("[network]\ndownload_mbit = 0\n").unwrap_err().to_string();
        assert!(said.contains("expected a whole number of at least 1"), "{said}");
    }

    #[test]
    fn takes_over_what_is_set() {
        let text = "[provider]\nmin_price_gnt_per_hour = \"0.25\"\nslots = 3\nmemory_max_mib = 5\nmemory_total_mib = 12\nyield_percent = 40\nhours = [\"22:00-06:00\"]\n\
                    programs = [\"mine\"]\nclaim_on_exit = true\n\
                    claim_waiting_ppm_per_day = 7\ngnt_per_ether = \"0.5\"\n[network]\nmdns = false\nupload_mbit = 8\n[sandbox]\nisolation = \"process\"\n[peers]\ndeny = [\"0x0000000000000000000000000000000000000007\"]\n";
        let home = tempfile::tempdir().unwrap();
        let mut config = provider(home.path());
        parse(text).unwrap().apply_to_provider(&mut config).unwrap();
        assert_eq!(config.min_price, Wei(250_000_000_000_000_000));
        assert_eq!((config.slots, config.memory_max.0), (3, 5 << 20));
        assert_eq!((config.claim.on_exit, config.network.mdns), (ClaimOnExit::Claim, MdnsMode::Off));
        assert_eq!(config.memory_total, Some(ByteCount::from_bytes(12 << 20)));
        let limits = crate::owner_limits::owner_limits(&config).join("; ");
        for part in [
            "3 slots, 100 % of a core each",
            "5 MiB of memory a subtask, 12 MiB in all",
            "256 MiB of output",
            "10 GiB of disk",
            "8 Mbit/s served",
            "rented out 22:00-06:00",
            "others take 40 %",
            "not for 0x0000000000000000000000000000000000000007",
        ] {
            assert!(limits.contains(part), "lacks `{part}`: {limits}");
        }
        assert_eq!(config.owner.yield_percent, Some(40));
        assert_eq!(Ok(config.owner.hours.clone()), Hours::parse(&["22:00-06:00".to_owned()]));
        assert_eq!(config.programs, [], "names are for who knows them");
        assert_eq!(config.network.bandwidth.upload.map(|rate| rate.get()), Some(1_000_000));
        assert_eq!(config.network.bandwidth.download, None);
        assert_eq!(config.claim.waiting_ppm_per_day, 7);
        assert_eq!(config.claim.ether, EtherWorth::Gnt(Wei(500_000_000_000_000_000)));
        assert_eq!(config.peers.deny.len(), 1);
        assert_eq!(config.trace, None);
        parse("[provider]\ntrace = \"t\"\n").unwrap().apply_to_provider(&mut config).unwrap();
        assert_eq!(config.trace, Some(home.path().join("t")));
        assert_eq!(config.isolation, Isolation::this_program());
        parse("[sandbox]\nisolation = \"none\"\n").unwrap().apply_to_provider(&mut config).unwrap();
        assert_eq!(config.isolation, Isolation::InProcess);
    }

    #[test]
    fn refuses_keys_and_values_it_does_not_know() {
        for text in [
            "[provider]\nslot = 3\n",
            "[provider]\nhours = [\"late\"]\n",
            "[network]\nupload_mbit = 0\n",
            "colour = \"red\"\n",
            "[provider]\nslots = -1\n",
            "[network\n",
            "[sandbox]\nisolation = \"some\"\n",
        ] {
            assert!(matches!(parse(text), Err(ConfigError::Parse { .. })), "{text}");
        }
    }

    #[test]
    fn tells_of_all_values_that_cannot_be_kept_at_once_and_says_what_to_set() {
        let text = "[chain]\nconfirmations = 0\n[network]\nlisten = [\"/ip4/0.0.0.0/tcp/4001\", \"0.0.0.0:4001\"]\n\
                    [api]\nlisten = \"0.0.0.0:80\"\n[provider]\nmin_price_gnt_per_hour = \"cheap\"\nslots = 0\n\
                    cpu_percent = 101\nmemory_max_mib = 1024\nmemory_total_mib = 512\noutput_max_mib = 0\n\
                    content_max_mib = 9223372036854775807\nyield_percent = 0\ngnt_per_ether = \"-1\"\n[requestor]\n\
                    slots = 2000\nquality_floor = \"2\"\n";
        let error = parse(text).unwrap_err();
        let ConfigError::Values { path, problems } = &error else { panic!("{error}") };
        assert!(path.ends_with("golem.toml") && error.to_string().contains("golem.toml"), "{error}");
        let keys: Vec<&str> = problems.iter().map(|problem| problem.key).collect();
        let expected = [
            "chain.confirmations",
            "network.listen",
            "api.listen",
            "provider.min_price_gnt_per_hour",
            "provider.slots",
            "provider.cpu_percent",
            "provider.memory_total_mib",
            "provider.yield_percent",
            "provider.output_max_mib",
            "provider.content_max_mib",
            "provider.gnt_per_ether",
            "requestor.slots",
            "requestor.quality_floor",
        ];
        assert_eq!(keys, expected, "{error}");
        for said in ["at least 1", "0.0.0.0:4001", "loopback", "`cheap`", "between 1 and 100", "1024 of memory_max_mib"]
        {
            assert!(error.to_string().contains(said), "lacks `{said}`: {error}");
        }
        let zero = parse("[provider]\nmin_price_gnt_per_hour = \"0\"\n").unwrap_err().to_string();
        assert!(zero.contains("provider.min_price_gnt_per_hour") && zero.contains("\"0.1\""), "{zero}");
    }

    #[test]
    fn refuses_values_in_settings_that_were_not_read_from_a_file_too() {
        let home = tempfile::tempdir().unwrap();
        let mut config = provider(home.path());
        let mut file = ConfigFile::default();
        file.provider.min_price_gnt_per_hour = Some("cheap".to_owned());
        let error = file.apply_to_provider(&mut config).unwrap_err();
        assert!(matches!(error, ConfigError::Amount { key: "provider.min_price_gnt_per_hour", .. }));
        let mut file = ConfigFile::default();
        file.provider.memory_max_mib = Some(u64::MAX);
        let error = file.apply_to_provider(&mut config).unwrap_err();
        assert!(matches!(error, ConfigError::Size { key: "provider.memory_max_mib", .. }));
    }
}
