//! The chain with the contracts on it and money in the accounts.

use crate::anvil::{Anvil, AnvilError, AnvilOptions, DevAccount, Mining};
use golem_chain::{
    Account, ChainClient, ChainError, DeployOptions, DeployReport, Deployment, FaucetTerms, Funding, MemoryJournal,
    RpcConfig, SenderOptions, TxSender, deploy,
};
use golem_protocol::Wei;
use std::path::Path;
use std::sync::Arc;

/// What a development network consists of.
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
    /// funded again in any case.
    pub existing: Option<Deployment>,
}

impl Default for DevnetOptions {
    /// 10 accounts with 10,000 ether and 10,000 GNT each, a close delay of an hour, and a faucet.
    fn default() -> DevnetOptions {
        DevnetOptions {
            anvil: AnvilOptions::default(),
            gnt_each: Wei::from_gnt(10_000).unwrap_or(Wei::MAX),
            close_delay_s: 3_600,
            faucet: Some(FaucetTerms::default()),
            existing: None,
        }
    }
}

/// A development network of our own. Dropped, it is gone.
#[derive(Debug)]
pub struct Devnet {
    anvil: Anvil,
    report: DeployReport,
}

impl Devnet {
    /// Starts a chain, deploys the contracts and funds the accounts.
    ///
    /// Errors: every one of [`AnvilError`]; nothing keeps running then.
    pub async fn start(options: DevnetOptions) -> Result<Devnet, AnvilError> {
        let mining = options.anvil.mining;
        let accounts = options.anvil.accounts.saturating_add(1);
        // Blocks come at once until everything is set up, so that nobody waits for block times.
        let anvil = Anvil::start(AnvilOptions { mining: Mining::Instant, accounts, ..options.anvil }).await?;
        let Some((deployer, funded)) = anvil.accounts().split_first() else {
            return Err(AnvilError::Accounts("there is none".into()));
        };
        let sender = sender(&anvil, deployer).await?;
        let deploy_options = DeployOptions {
            token: None,
            close_delay_s: options.close_delay_s,
            faucet: options.faucet,
            concent: None,
            existing: options.existing,
        };
        let report = deploy(&sender, &deploy_options, &mut |_| {}).await?;
        let payments: Vec<Funding> = funded
            .iter()
            .map(|account| Funding { payee: account.address, amount: options.gnt_each })
            .filter(|payment| payment.amount != Wei::ZERO)
            .collect();
        if !report.reused() && !payments.is_empty() {
            let client = ChainClient::new(anvil.rpc().clone(), report.deployment.clone()).await?;
            Account::new(client, sender)?.transfer(&payments).await?;
        }
        anvil.set_mining(mining).await?;
        Ok(Devnet { anvil, report })
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

    /// Stops the chain and waits until it is gone.
    pub fn stop(self) {
        self.anvil.stop();
    }
}

async fn sender(anvil: &Anvil, account: &DevAccount) -> Result<TxSender, ChainError> {
    let journal = Arc::new(MemoryJournal::new());
    TxSender::start(anvil.rpc().clone(), &account.key, SenderOptions::default(), journal).await
}
