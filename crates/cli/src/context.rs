//! What all commands share: the data folder, the key in it, its settings, and which chain is meant.

use crate::deployments;
use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use golem_chain::{ChainClient, RpcConfig};
use golem_node::config::ConfigFile;
use golem_node::folder::Folder;
use golem_node::keystore::{PublicWallet, Wallet};
use golem_node::{ChainSettings, NodeKeys};
use golem_protocol::{Address, ByteCount, Wei};
use golem_sandbox::{Isolation, Sandbox, SandboxConfig};
use golem_store::DiskStore;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where a chain is looked for unless the user says otherwise.
const RPC_URL: &str = "http://127.0.0.1:8545";
/// The longest password file that is read. Reason: a password is a line.
const PASSWORD_BYTES_MAX: u64 = 4096;

/// Flags that every command takes.
#[derive(Args, Clone, Debug)]
pub struct Global {
    /// The data folder; without, golem in $XDG_DATA_HOME or ~/.local/share
    #[arg(long, global = true, env = "GOLEM_DIR", value_name = "FOLDER", help_heading = "Everywhere")]
    pub dir: Option<PathBuf>,
    /// A file whose first line is the key's password; without, it is asked for
    #[arg(long, global = true, env = "GOLEM_PASSWORD_FILE", value_name = "FILE", help_heading = "Everywhere")]
    pub password_file: Option<PathBuf>,
    /// What is logged to stderr, such as info or golem_node=debug [default: error]
    #[arg(long, global = true, env = "GOLEM_LOG", value_name = "FILTER", help_heading = "Everywhere")]
    pub log: Option<String>,
    /// How log lines look
    #[arg(long, global = true, value_enum, default_value = "text", help_heading = "Everywhere")]
    pub log_format: LogFormat,
    /// Log more: -v warnings, -vv what happens, -vvv everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Everywhere")]
    pub verbose: u8,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Global {
    /// The filter of the log.
    pub fn log_filter(&self) -> String {
        match (&self.log, self.verbose) {
            (Some(filter), _) => filter.clone(),
            (None, 0) => "error".to_owned(),
            (None, 1) => "warn".to_owned(),
            (None, 2) => "info".to_owned(),
            (None, _) => "info,golem=debug,golem_node=debug,golem_chain=debug,golem_net=debug".to_owned(),
        }
    }
}

/// Which chain is meant.
#[derive(Args, Clone, Debug, Default)]
pub struct ChainArgs {
    /// The chain's RPC endpoint [default: that of golem.toml, else http://127.0.0.1:8545]
    #[arg(long, env = "GOLEM_RPC_URL", value_name = "URL", help_heading = "Chain")]
    pub rpc_url: Option<String>,
    /// The deployment file that `golem deploy` or `golem devnet` wrote [default: what is known of the chain: in the data
    /// folder, in the checkout, in this program]
    #[arg(long, env = "GOLEM_DEPLOYMENT", value_name = "FILE", help_heading = "Chain")]
    pub deployment: Option<PathBuf>,
    /// Blocks until something counts as done, its own included [default: 1]
    #[arg(long, value_name = "BLOCKS", help_heading = "Chain")]
    pub confirmations: Option<u64>,
}

/// Where the node listens and whom it asks for others.
#[derive(Args, Clone, Debug, Default)]
pub struct NetworkArgs {
    /// A multiaddress to listen on, such as /ip4/0.0.0.0/tcp/4001; may be repeated [default: QUIC and TCP, any port]
    #[arg(long, value_name = "MULTIADDR", value_parser = multiaddr, help_heading = "Network")]
    pub listen: Vec<String>,
    /// A node to start from, such as /ip4/192.0.2.7/tcp/4001/p2p/16Uiu2...; may be repeated
    #[arg(long, value_name = "MULTIADDR", value_parser = multiaddr, help_heading = "Network")]
    pub bootstrap: Vec<String>,
    /// Do not look for nodes on the local network
    #[arg(long, help_heading = "Network")]
    pub no_mdns: bool,
    /// Where the HTTP interface listens, on this machine only [default: 127.0.0.1, any port]
    #[arg(long, value_name = "ADDRESS:PORT", help_heading = "Network")]
    pub api_listen: Option<std::net::SocketAddr>,
}

impl NetworkArgs {
    /// Puts what was given over the settings.
    pub fn apply(&self, network: &mut golem_node::NetworkSettings, api: &mut Option<golem_node::ApiSettings>) {
        if !self.listen.is_empty() {
            network.listen = self.listen.clone();
        }
        if !self.bootstrap.is_empty() {
            network.bootstrap = self.bootstrap.clone();
        }
        if self.no_mdns {
            network.mdns = golem_node::MdnsMode::Off;
        }
        if let (Some(api), Some(listen)) = (api, self.api_listen) {
            api.listen = listen;
        }
    }
}

/// What a password is for, which decides how it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordFor {
    /// A key that is being made: asked for twice.
    NewKey,
    /// The key in a data folder.
    OpenKey,
}

/// What all commands share.
pub struct Context {
    global: Global,
}

impl Context {
    pub fn new(global: Global) -> Context {
        Context { global }
    }

    /// The data folder's path, which need not be there.
    pub fn path(&self) -> anyhow::Result<PathBuf> {
        match &self.global.dir {
            Some(dir) => Ok(dir.clone()),
            None => Ok(Folder::default_path()?),
        }
    }

    /// The data folder, made where there is none.
    pub fn folder_or_new(&self) -> anyhow::Result<Folder> {
        Ok(Folder::open_or_create(&self.path()?)?)
    }

    /// The data folder, which must be there.
    pub fn folder(&self) -> anyhow::Result<Folder> {
        Ok(Folder::open(&self.path()?)?)
    }

    /// The settings in the data folder.
    pub fn config(&self, folder: &Folder) -> anyhow::Result<ConfigFile> {
        Ok(ConfigFile::load(&folder.config_file())?)
    }

    /// The password, from the file named or from the terminal.
    pub fn password(&self, purpose: PasswordFor) -> anyhow::Result<String> {
        if let Some(file) = &self.global.password_file {
            return read_password(file);
        }
        if !std::io::stdin().is_terminal() {
            bail!(
                "the key needs its password and there is no terminal to ask on: name a file that holds it with --password-file or GOLEM_PASSWORD_FILE"
            );
        }
        let ask = |prompt: &str| rpassword::prompt_password(prompt).context("cannot read the password");
        let password = ask(match purpose {
            PasswordFor::NewKey => "Password for the new key: ",
            PasswordFor::OpenKey => "Password: ",
        })?;
        if purpose == PasswordFor::NewKey && ask("The same again: ")? != password {
            bail!("the two passwords differ; nothing was written");
        }
        Ok(password)
    }

    /// The key of the data folder, decrypted.
    pub fn wallet(&self, folder: &Folder) -> anyhow::Result<Wallet> {
        let keystore = folder.keystore();
        // Before a password is asked for in vain.
        PublicWallet::read(&keystore)?;
        Ok(Wallet::open(&keystore, &self.password(PasswordFor::OpenKey)?)?)
    }

    /// The keys that a node of this folder runs with, once nothing else that can be found out without them is in its way:
    /// no key, another process on the folder, another chain, no contracts there.
    pub async fn keys(&self, folder: &Folder, chain: &ChainSettings) -> anyhow::Result<NodeKeys> {
        PublicWallet::read(&folder.keystore())?;
        DiskStore::check_free(&folder.store())?;
        chain_client(chain).await?;
        let wallet = self.wallet(folder)?;
        Ok(NodeKeys::from_secrets(*wallet.secret(), *wallet.secret())?)
    }
}

/// A sandbox outside of a node, set up as the node's would be.
pub fn sandbox(folder: &Folder) -> anyhow::Result<Sandbox> {
    let mut config = SandboxConfig::new(folder.modules());
    config.isolation = ConfigFile::load(&folder.config_file())?.isolation().unwrap_or_else(Isolation::this_program);
    Ok(Sandbox::new(config)?)
}

/// Reads the first line of a password file.
fn read_password(file: &Path) -> anyhow::Result<String> {
    let shown = file.display();
    let length = std::fs::metadata(file).with_context(|| format!("cannot read the password file {shown}"))?.len();
    if length > PASSWORD_BYTES_MAX {
        bail!("the password file {shown} has {length} bytes; a password is one line of at most {PASSWORD_BYTES_MAX}");
    }
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read the password file {shown}"))?;
    let password = text.lines().next().unwrap_or_default();
    if password.is_empty() {
        bail!("the first line of the password file {shown} is empty: write the password there");
    }
    Ok(password.to_owned())
}

/// The RPC endpoint that is meant.
pub fn rpc_url(args: &ChainArgs, config: &ConfigFile) -> String {
    args.rpc_url.clone().or_else(|| config.chain.rpc_url.clone()).unwrap_or_else(|| RPC_URL.to_owned())
}

/// Which chain and contracts are meant. The chain is asked only for its id, and only where no deployment file is named.
pub async fn chain_settings(folder: &Folder, config: &ConfigFile, args: &ChainArgs) -> anyhow::Result<ChainSettings> {
    let rpc_url = rpc_url(args, config);
    let named = args.deployment.clone();
    let deployment = match named.or_else(|| config.chain.deployment.as_ref().map(|file| folder.path().join(file))) {
        Some(file) => deployments::load(&file)?,
        None => deployments::find(folder, &rpc_url).await?,
    };
    let mut settings = ChainSettings::new(rpc_url, deployment);
    settings.confirmations = args.confirmations.or(config.chain.confirmations).unwrap_or(settings.confirmations);
    if settings.confirmations == 0 {
        bail!("confirmations is 0: set it to at least 1, which is \"in the newest block\"");
    }
    settings.poll_ms = config.chain.poll_ms.or(settings.poll_ms);
    settings.max_fee_gwei = config.chain.max_fee_gwei.unwrap_or(settings.max_fee_gwei);
    Ok(settings)
}

/// How to reach the chain of these settings.
pub fn rpc_config(settings: &ChainSettings) -> RpcConfig {
    let mut config = RpcConfig::new(settings.rpc_url.clone());
    config.chain_id = Some(settings.deployment.chain_id);
    config.confirmations = settings.confirmations;
    config.poll_interval = settings.poll_ms.map(Duration::from_millis);
    config
}

/// The chain of these settings, its contracts checked.
pub async fn chain_client(settings: &ChainSettings) -> anyhow::Result<ChainClient> {
    Ok(ChainClient::connect(rpc_config(settings), settings.deployment.clone()).await?)
}

/// Reads an account from a flag.
pub fn address(text: &str) -> Result<Address, String> {
    text.parse().map_err(|_| format!("`{text}` is no address: 0x and 40 hexadecimal digits"))
}

/// Reads an amount of GNT from a flag.
pub fn gnt(text: &str) -> Result<Wei, golem_protocol::units::AmountError> {
    Wei::parse_gnt(text)
}

/// Reads an address of a node from a flag, so that a mistake in it is told before a password is asked for.
pub fn multiaddr(text: &str) -> Result<String, golem_net::StartError> {
    golem_net::check_address(text).map(|()| text.to_owned())
}

/// Reads how much memory a subtask may have from a flag.
pub fn memory(text: &str) -> Result<u64, String> {
    at_most(bytes(text)?, golem_sandbox::profile::MEMORY_MAX)
}

/// Reads how much output a subtask may make from a flag.
pub fn output(text: &str) -> Result<u64, String> {
    at_most(bytes(text)?, golem_sandbox::profile::OUTPUT_MAX)
}

/// Reads how much memory a provider gives a subtask from a flag. Less than a MiB is hardly meant, and fits no work.
pub fn memory_given(text: &str) -> Result<u64, String> {
    memory(text).and_then(|bytes| at_least_a_mib(bytes, text))
}

/// Reads a size of which less than a MiB is hardly meant from a flag.
pub fn mib(text: &str) -> Result<u64, String> {
    bytes(text).and_then(|bytes| at_least_a_mib(bytes, text))
}

fn at_least_a_mib(bytes: u64, text: &str) -> Result<u64, String> {
    if bytes >= 1 << 20 { Ok(bytes) } else { Err(format!("`{text}` is {bytes} bytes; the least is 1MiB")) }
}

fn at_most(bytes: u64, most: ByteCount) -> Result<u64, String> {
    let mib = most.0 >> 20;
    if bytes <= most.0 { Ok(bytes) } else { Err(format!("the most that the sandbox gives a subtask is {mib}MiB")) }
}

/// Reads a size from a flag: a number of bytes, or one with KiB, MiB or GiB. A small number without a unit is hardly meant.
pub fn bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let (number, bytes) = in_units(text, &[("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("B", 1)]);
    match bytes.filter(|bytes| *bytes > 0) {
        None => Err(format!("`{text}` is not a size; write one such as 512MiB or 2GiB")),
        Some(bytes) if bytes < 1 << 20 && number.len() == text.len() => {
            Err(format!("`{text}` is a number of bytes; write {text}MiB, or {text}B where bytes are meant"))
        }
        Some(bytes) => Ok(bytes),
    }
}

/// The number before the first of these units that a text ends in, and what it comes to.
fn in_units<'a>(text: &'a str, units: &[(&str, u64)]) -> (&'a str, Option<u64>) {
    let (number, unit) = units
        .iter()
        .find_map(|(name, unit)| text.strip_suffix(name).map(|number| (number.trim(), *unit)))
        .unwrap_or((text, 1));
    (number, number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)))
}

/// Reads the most fuel that a subtask may burn from a flag.
pub fn some_fuel(text: &str) -> Result<u64, String> {
    let nothing = || format!("nothing runs with {text} of fuel");
    fuel(text).and_then(|fuel| if fuel > 0 { Ok(fuel) } else { Err(nothing()) })
}

/// Reads an amount of fuel from a flag: a whole number, or one of millions (M) or thousand millions (G).
pub fn fuel(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let (_, fuel) = in_units(text, &[("M", 1_000_000), ("G", 1_000_000_000)]);
    fuel.ok_or_else(|| format!("`{text}` is no amount of fuel; write 2000000000, or 2000M, or 2G"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_fuel_with_and_without_a_unit() {
        assert_eq!((fuel("500M"), fuel("2G"), fuel("17")), (Ok(500_000_000), Ok(2_000_000_000), Ok(17)));
        assert_eq!((fuel("0"), some_fuel("1M")), (Ok(0), Ok(1_000_000)));
        assert!(some_fuel("0").is_err() && some_fuel("x").is_err());
        for bad in ["", "-1", "1.5G", "2T", "M", "99999999999G"] {
            assert!(fuel(bad).unwrap_err().contains("2000M"), "{bad}");
        }
    }

    #[test]
    fn reads_sizes_with_and_without_a_unit() {
        assert_eq!(bytes("512MiB"), Ok(512 << 20));
        assert_eq!(bytes("2 GiB"), Ok(2 << 30));
        assert_eq!(bytes("536870912"), Ok(512 << 20));
        assert!(bytes("17").unwrap_err().contains("17MiB, or 17B"));
        assert_eq!(bytes("17B"), Ok(17));
        for bad in ["", "0", "-1", "1.5GiB", "1TB", "99999999999GiB"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn takes_no_more_than_the_sandbox_gives() {
        assert_eq!((memory("512MiB"), output("1GiB")), (Ok(512 << 20), Ok(1 << 30)));
        assert_eq!(memory("4GiB"), Ok(4 << 30));
        assert!(memory("5GiB").unwrap_err().contains("4096MiB") && output("100GiB").is_err() && memory("x").is_err());
        assert!(multiaddr("/ip4/127.0.0.1/tcp/1").is_ok());
        assert!(multiaddr("127.0.0.1:4001").unwrap_err().to_string().contains("127.0.0.1:4001"));
    }

    #[test]
    fn refuses_an_empty_or_endless_password_file() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("password");
        assert!(read_password(&file).is_err());
        std::fs::write(&file, "\nsecond line\n").unwrap();
        assert!(read_password(&file).unwrap_err().to_string().contains("is empty"));
        std::fs::write(&file, "x".repeat(5000)).unwrap();
        assert!(read_password(&file).unwrap_err().to_string().contains("5000 bytes"));
        std::fs::write(&file, "a password with spaces \n").unwrap();
        assert_eq!(read_password(&file).unwrap(), "a password with spaces ");
    }
}
