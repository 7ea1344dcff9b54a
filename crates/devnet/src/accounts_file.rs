//! What somebody without Rust needs to know of a development chain, as one JSON file.

use crate::anvil::DevAccount;
use crate::devnet::Devnet;
use crate::error::DevnetError;
use golem_chain::{ChainClient, ChainError, Deployment};
use golem_protocol::{Address, B256, Wei};
use serde::{Deserialize, Serialize};

/// The words that stand above keys.
const WARNING: &str = "These keys are known to everybody: never send anything of worth to these addresses.";

/// The file `accounts.json` of a development chain: contracts, keys and what they hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountsFile {
    /// What must be known of the keys.
    pub warning: String,
    /// Where the chain answers.
    pub rpc_url: String,
    /// The contracts; what `golem --deployment` reads.
    pub deployment: Deployment,
    /// Who deployed them, and holds the rest of the supply.
    pub deployer: KnownAccount,
    /// Those that have ether and GNT to play with.
    pub accounts: Vec<KnownAccount>,
}

/// An account whose key everybody knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownAccount {
    /// The address.
    pub address: Address,
    /// The private key.
    pub known_private_key: B256,
    /// Its ether, in wei, as a decimal string.
    pub ether_wei: String,
    /// Its GNT, in wei.
    pub gnt_wei: Wei,
}

impl AccountsFile {
    /// Asks a chain what the accounts hold.
    ///
    /// Errors: those of a read.
    pub async fn read(
        chain: &ChainClient,
        rpc_url: &str,
        deployer: &DevAccount,
        accounts: &[DevAccount],
    ) -> Result<AccountsFile, ChainError> {
        let mut known = Vec::with_capacity(accounts.len());
        for account in accounts {
            known.push(KnownAccount::read(chain, account).await?);
        }
        Ok(AccountsFile {
            warning: WARNING.to_owned(),
            rpc_url: rpc_url.to_owned(),
            deployment: chain.deployment().clone(),
            deployer: KnownAccount::read(chain, deployer).await?,
            accounts: known,
        })
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        // Nothing in it can fail to be written.
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }
}

impl KnownAccount {
    async fn read(chain: &ChainClient, account: &DevAccount) -> Result<KnownAccount, ChainError> {
        Ok(KnownAccount {
            address: account.address,
            known_private_key: account.key.into(),
            ether_wei: chain.eth_balance(account.address).await?.to_string(),
            gnt_wei: chain.gnt_balance(account.address).await?,
        })
    }

    /// The account as the rest of this crate takes it.
    pub fn account(&self) -> DevAccount {
        DevAccount { address: self.address, key: self.known_private_key.0 }
    }
}

impl Devnet {
    /// What this network's `accounts.json` says now.
    ///
    /// Errors: `NoAccount` without a deployer, and those of a read.
    pub async fn accounts_file(&self) -> Result<AccountsFile, DevnetError> {
        let deployer = self.deployer().ok_or(DevnetError::NoAccount { what: "the deployer", place: 0, accounts: 0 })?;
        Ok(AccountsFile::read(&self.client().await?, &self.rpc_url(), deployer, self.accounts()).await?)
    }
}
