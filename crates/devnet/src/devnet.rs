//! The chain with the contracts on it, money in the accounts, and channels and nodes when asked for.

use crate::anvil::{Anvil, AnvilOptions, DevAccount, Mining};
use crate::error::DevnetError;
#[cfg(feature = "nodes")]
use crate::nodes::{DevProvider, NodeOptions, Nodes};
#[cfg(feature = "nodes")]
use crate::requestor::DevRequestor;
use golem_chain::{
    Account, ChainClient, ChainError, ConcentTerms, DeployOptions, DeployReport, Deployment, FaucetTerms, Funding,
    MemoryJournal, RpcConfig, SenderOptions, TxSender, deploy,
};
use golem_protocol::{ChannelId, ChannelState, KeySigner, Signed, Voucher, Wei, sign};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What a development network consists of. Name what differs: `DevnetOptions { .., ..DevnetOptions::default() }`.
#[derive(Clone, Debug)]
pub struct DevnetOptions {
    /// The chain. Its `accounts` are those that get GNT; the deployer comes on top.
    pub anvil: AnvilOptions,
    /// What each account gets.
    pub gnt_each: Wei,
    /// Seconds between a payer's request to close and the end of the channel.
    pub close_delay_s: u32,
    /// The faucet.
    pub faucet: Option<FaucetTerms>,
    /// What is written down of the chain, where it comes from a state file. What is there is neither deployed nor
    /// funded nor opened again in any case.
    pub existing: Option<Deployment>,
    /// Channels that are open from the start.
    pub channels: Vec<OpenChannel>,
    /// Nodes that run from the start.
    #[cfg(feature = "nodes")]
    pub nodes: NodeOptions,
}

/// A channel to open, between accounts by their place in [`Devnet::accounts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenChannel {
    /// Who pays.
    pub payer: usize,
    /// Who is paid.
    pub payee: usize,
    /// The deposit; not zero.
    pub amount: Wei,
}

impl Default for DevnetOptions {
    /// 10 accounts with 10,000 ether and 10,000 GNT each, a close delay of an hour, and a faucet; no channel, no node.
    fn default() -> DevnetOptions {
        DevnetOptions {
            anvil: AnvilOptions::default(),
            gnt_each: Wei::from_gnt(10_000).unwrap_or(Wei::MAX),
            close_delay_s: 3_600,
            faucet: Some(FaucetTerms::default()),
            existing: None,
            channels: Vec::new(),
            #[cfg(feature = "nodes")]
            nodes: NodeOptions::default(),
        }
    }
}

/// How long each part of the start took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StartTimes {
    /// Until anvil answered.
    pub anvil: Duration,
    /// The contracts.
    pub deploy: Duration,
    /// GNT to the accounts.
    pub fund: Duration,
    /// The channels.
    pub channels: Duration,
    /// The nodes, until they were connected.
    pub nodes: Duration,
}

impl StartTimes {
    /// All of it.
    pub fn total(&self) -> Duration {
        self.anvil + self.deploy + self.fund + self.channels + self.nodes
    }
}

/// A development network of our own. Dropped, it is gone, and all that ran on it.
#[derive(Debug)]
pub struct Devnet {
    // Before the chain that they work on.
    #[cfg(feature = "nodes")]
    nodes: Nodes,
    anvil: Anvil,
    report: DeployReport,
    client: ChainClient,
    times: StartTimes,
}

impl Devnet {
    /// Starts a chain, deploys the contracts (the deployer is Concent, with the usual terms), funds the accounts, opens the channels and starts the nodes.
    ///
    /// Errors: every one of [`DevnetError`]; nothing keeps running then.
    pub async fn start(options: DevnetOptions) -> Result<Devnet, DevnetError> {
        let mining = options.anvil.mining;
        check_places(&options)?;
        let accounts = options.anvil.accounts.saturating_add(1);
        let (mut times, mut begun) = (StartTimes::default(), Instant::now());
        let mut took = || std::mem::replace(&mut begun, Instant::now()).elapsed();
        // Blocks come at once until everything is set up, so that nobody waits for block times.
        let anvil = Anvil::start(AnvilOptions { mining: Mining::Instant, accounts, ..options.anvil }).await?;
        times.anvil = took();
        let Some((deployer, funded)) = anvil.accounts().split_first() else {
            return Err(DevnetError::NoAccount { what: "the deployer", place: 0, accounts: 0 });
        };
        let sender = sender(&anvil, deployer).await?;
        let deploy_options = DeployOptions {
            token: None,
            close_delay_s: options.close_delay_s,
            faucet: options.faucet,
            // The deployer is Concent: its key is at hand for a ruling, and known to everybody like the others.
            concent: Some(ConcentTerms::new(vec![deployer.address], 1, deployer.address)),
            existing: options.existing,
        };
        let report = deploy(&sender, &deploy_options, &mut |_| {}).await?;
        let client = ChainClient::new(anvil.rpc().clone(), report.deployment.clone()).await?;
        times.deploy = took();
        let payments: Vec<Funding> = funded
            .iter()
            .map(|account| Funding { payee: account.address, amount: options.gnt_each })
            .filter(|payment| payment.amount != Wei::ZERO)
            .collect();
        if !report.reused() && !payments.is_empty() {
            Account::new(client.clone(), sender)?.transfer(&payments).await?;
        }
        times.fund = took();
        if !report.reused() {
            open_channels(&anvil, &client, funded, &options.channels).await?;
        }
        times.channels = took();
        #[cfg(feature = "nodes")]
        let nodes = Nodes::start(options.nodes, funded, &anvil.rpc_url(), &report.deployment).await?;
        times.nodes = took();
        anvil.set_mining(mining).await?;
        Ok(Devnet {
            #[cfg(feature = "nodes")]
            nodes,
            anvil,
            report,
            client,
            times,
        })
    }

    /// The chain, for what only a development chain can do.
    pub fn anvil(&self) -> &Anvil {
        &self.anvil
    }

    /// The address of its RPC.
    pub fn rpc_url(&self) -> String {
        self.anvil.rpc_url()
    }

    /// Where the contracts are.
    pub fn deployment(&self) -> &Deployment {
        &self.report.deployment
    }

    /// What starting it took, part by part.
    pub fn start_times(&self) -> StartTimes {
        self.times
    }

    /// What deploying them took.
    pub fn deploy_report(&self) -> &DeployReport {
        &self.report
    }

    /// The accounts that hold ether and GNT.
    pub fn accounts(&self) -> &[DevAccount] {
        self.anvil.accounts().split_first().map_or(&[], |(_, funded)| funded)
    }

    /// The account that deployed the contracts and holds the rest of the supply.
    pub fn deployer(&self) -> Option<&DevAccount> {
        self.anvil.accounts().first()
    }

    /// Settings that reach this chain, for a node or a client of one's own.
    pub fn rpc_config(&self) -> RpcConfig {
        let mut config = RpcConfig::new(self.rpc_url());
        config.chain_id = Some(self.deployment().chain_id);
        config.poll_interval = Some(self.anvil.rpc().poll_interval());
        config
    }

    /// The chain with the contracts, checked.
    pub async fn client(&self) -> Result<ChainClient, ChainError> {
        ChainClient::new(self.anvil.rpc().clone(), self.deployment().clone()).await
    }

    /// Something that sends with an account's key. Its journal is in memory.
    pub async fn account(&self, account: &DevAccount) -> Result<Account, ChainError> {
        Account::new(self.client().await?, sender(&self.anvil, account).await?)
    }

    /// The channel between two accounts, by their places; all zero where it was never opened.
    ///
    /// Errors: `NoAccount`, and those of a read.
    pub async fn channel(&self, payer: usize, payee: usize) -> Result<ChannelState, DevnetError> {
        let channel = ChannelId { payer: self.place(payer)?.address, payee: self.place(payee)?.address };
        Ok(self.client.channel_state(channel).await?)
    }

    /// What an account holds outside its channels, by its place.
    ///
    /// Errors: `NoAccount`, and those of a read.
    pub async fn gnt(&self, account: usize) -> Result<Wei, DevnetError> {
        Ok(self.client.gnt_balance(self.place(account)?.address).await?)
    }

    /// Signs a voucher over all that the payer ever owes the payee in the channel's present epoch, as a requestor would.
    ///
    /// Errors: `NoAccount`, `Signature`, and those of a read.
    pub async fn voucher(&self, payer: usize, payee: usize, cumulative: Wei) -> Result<Signed<Voucher>, DevnetError> {
        let epoch = self.channel(payer, payee).await?.epoch;
        let voucher = Voucher { payee: self.place(payee)?.address, epoch, cumulative };
        let signer = KeySigner::from_bytes(&self.place(payer)?.key)?;
        Ok(sign(voucher, &self.deployment().chain_ref(), &signer)?.into_signed())
    }

    fn place(&self, place: usize) -> Result<&DevAccount, DevnetError> {
        let accounts = self.accounts();
        accounts.get(place).ok_or(DevnetError::NoAccount { what: "the call", place, accounts: accounts.len() })
    }

    /// The requestors, in the order of their accounts.
    #[cfg(feature = "nodes")]
    pub fn requestors(&self) -> &[DevRequestor] {
        self.nodes.requestors()
    }

    /// The providers, in the order of their accounts.
    #[cfg(feature = "nodes")]
    pub fn providers(&self) -> &[DevProvider] {
        self.nodes.providers()
    }

    /// Addresses at which a node of one's own meets these nodes; empty where there is none.
    #[cfg(feature = "nodes")]
    pub fn bootstrap(&self) -> &[String] {
        self.nodes.bootstrap()
    }

    /// Writes the deployment file.
    pub fn save_deployment(&self, path: &Path) -> Result<(), ChainError> {
        self.deployment().save(path)
    }

    /// Lets chain time pass, and makes a block that shows it.
    pub async fn increase_time(&self, seconds: u64) -> Result<(), ChainError> {
        self.anvil.increase_time(seconds).await
    }

    /// Makes that many blocks now.
    pub async fn mine(&self, blocks: u64) -> Result<(), ChainError> {
        self.anvil.mine(blocks).await
    }

    /// Remembers the chain as it is; the answer is for [`Devnet::revert`].
    pub async fn snapshot(&self) -> Result<String, ChainError> {
        self.anvil.snapshot().await
    }

    /// Puts the chain back to a snapshot; false if there is none of that name.
    pub async fn revert(&self, snapshot: &str) -> Result<bool, ChainError> {
        self.anvil.revert(snapshot).await
    }

    /// Replaces the newest blocks by as many empty ones.
    pub async fn reorg(&self, depth: u64) -> Result<(), ChainError> {
        self.anvil.reorg(depth).await
    }

    /// Stops everything and waits until it is gone, as a drop does.
    pub fn stop(self) {}
}

/// Whether there are accounts for all that is asked for; looked at before anything is started.
fn check_places(options: &DevnetOptions) -> Result<(), DevnetError> {
    let accounts = options.anvil.accounts as usize;
    let there = |what, place| match place {
        place if place < accounts => Ok(()),
        place => Err(DevnetError::NoAccount { what, place, accounts }),
    };
    for channel in &options.channels {
        there("the payer of a channel", channel.payer)?;
        there("the payee of a channel", channel.payee)?;
    }
    #[cfg(feature = "nodes")]
    if let Some(last) = options.nodes.count().checked_sub(1) {
        there("the last node", last)?;
    }
    Ok(())
}

/// Opens all channels: those of one payer in one transaction, those of different payers at the same time.
async fn open_channels(
    anvil: &Anvil,
    client: &ChainClient,
    accounts: &[DevAccount],
    channels: &[OpenChannel],
) -> Result<(), DevnetError> {
    let mut fundings: BTreeMap<usize, Vec<Funding>> = BTreeMap::new();
    for channel in channels {
        let Some(payee) = accounts.get(channel.payee) else { continue };
        let funding = Funding { payee: payee.address, amount: channel.amount };
        fundings.entry(channel.payer).or_default().push(funding);
    }
    let mut opening = JoinSet::new();
    for (payer, fundings) in fundings {
        let Some(payer) = accounts.get(payer) else { continue };
        let account = Account::new(client.clone(), sender(anvil, payer).await?)?;
        opening.spawn(async move { account.open_many(&fundings).await });
    }
    while let Some(opened) = opening.join_next().await {
        opened.map_err(|_| ChainError::Stopped)??;
    }
    Ok(())
}

async fn sender(anvil: &Anvil, account: &DevAccount) -> Result<TxSender, ChainError> {
    let journal = Arc::new(MemoryJournal::new());
    TxSender::start(anvil.rpc().clone(), &account.key, SenderOptions::default(), journal).await
}
