//! `AppRegistry`: what authors ask for their apps, and how an author changes it.

use crate::abi::{Artifact, registry, uint96};
use crate::account::unnamed_id;
use crate::call::{Call, Estimate, TxReceipt};
use crate::client::{ChainClient, answered, check_code, present};
use crate::error::ChainError;
use crate::sender::TxSender;
use alloy::primitives::B256;
use alloy::sol_types::SolCall;
use golem_protocol::{Address, ChainTime, Wei};
use serde::{Deserialize, Serialize};

const NAME: &str = "AppRegistry";

/// An app of a registry, as it is now; all zero where its author never published it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredApp {
    /// Digest of what describes it.
    pub metadata: B256,
    /// What a subtask costs now.
    #[serde(rename = "fee_wei")]
    pub fee: Wei,
    /// What it will cost from `next_fee_at` on.
    #[serde(rename = "next_fee_wei")]
    pub next_fee: Wei,
    /// When a rise comes; 0 where none is announced.
    pub next_fee_at: ChainTime,
    /// Whether its author stands by it.
    pub published: bool,
}

/// Something that an author does with its app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppOperation {
    /// Publish a module. One that was retired comes back; its fee is no lower notice for that.
    Publish {
        /// The module's digest.
        module: B256,
        /// Digest of what describes it.
        metadata: B256,
        /// What a subtask costs.
        fee: Wei,
    },
    /// Change what describes it.
    Describe {
        /// The module's digest.
        module: B256,
        /// Digest of what describes it.
        metadata: B256,
    },
    /// Change the fee: at once where it is lower, after the registry's notice where it is higher.
    SetFee {
        /// The module's digest.
        module: B256,
        /// What a subtask is to cost.
        fee: Wei,
    },
    /// Stand by it no more.
    Retire {
        /// The module's digest.
        module: B256,
    },
}

impl AppOperation {
    /// The module it is about.
    pub fn module(&self) -> B256 {
        match self {
            AppOperation::Publish { module, .. }
            | AppOperation::Describe { module, .. }
            | AppOperation::SetFee { module, .. }
            | AppOperation::Retire { module } => *module,
        }
    }

    fn call(&self, app_registry: Address) -> Call {
        let (label, input) = match *self {
            AppOperation::Publish { module, metadata, fee } => {
                let call = registry::publishCall { module, metadata, fee: uint96(fee) };
                (format!("publish module {module} at {fee} a subtask"), call.abi_encode())
            }
            AppOperation::Describe { module, metadata } => {
                let call = registry::describeCall { module, metadata };
                (format!("describe module {module}"), call.abi_encode())
            }
            AppOperation::SetFee { module, fee } => {
                let call = registry::setFeeCall { module, fee: uint96(fee) };
                (format!("set the fee of module {module} to {fee} a subtask"), call.abi_encode())
            }
            AppOperation::Retire { module } => {
                (format!("retire module {module}"), registry::retireCall { module }.abi_encode())
            }
        };
        Call::contract(label, app_registry, input)
    }
}

/// A registry that was checked to be the one this program knows. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AppRegistryClient {
    client: ChainClient,
    app_registry: Address,
}

impl AppRegistryClient {
    /// Looks at the contract at an address.
    ///
    /// Errors: `ContractAbsent`, `ContractDiffers`, those of a read.
    pub async fn new(client: ChainClient, app_registry: Address) -> Result<AppRegistryClient, ChainError> {
        let code = present(client.rpc(), NAME, app_registry).await?;
        check_code(Artifact::AppRegistry, app_registry, &code)?;
        Ok(AppRegistryClient { client, app_registry })
    }

    /// What the author of an app asks for it now.
    ///
    /// Errors: those of a read.
    pub async fn app(&self, author: Address, module: B256) -> Result<RegisteredApp, ChainError> {
        let app = self.client.rpc().read(self.app_registry, registry::appCall { author, module }).await?;
        let app = answered(NAME, self.app_registry, "app", app)?;
        Ok(RegisteredApp {
            metadata: app.metadata,
            fee: Wei(app.fee.to::<u128>()),
            next_fee: Wei(app.nextFee.to::<u128>()),
            next_fee_at: ChainTime(app.nextFeeAt.to::<u64>()),
            published: app.published,
        })
    }

    /// Seconds between the announcement of a higher fee and its coming.
    ///
    /// Errors: those of a read.
    pub async fn fee_notice_s(&self) -> Result<u32, ChainError> {
        let notice = self.client.rpc().read(self.app_registry, registry::FEE_NOTICECall {}).await?;
        answered(NAME, self.app_registry, "FEE_NOTICE", notice)
    }

    /// What an operation of this key would send and cost now; sends nothing.
    ///
    /// Errors: `Reverted` with what the contract said, and those of [`TxSender::estimate`].
    pub async fn estimate(&self, sender: &TxSender, operation: &AppOperation) -> Result<Estimate, ChainError> {
        sender.estimate(&operation.call(self.app_registry)).await
    }

    /// Does an operation as the author that this key is, and waits until it is confirmed.
    ///
    /// Errors: `WrongChain`, `Reverted` with what the contract said, and those of [`TxSender::send`].
    pub async fn once(&self, sender: &TxSender, operation: &AppOperation) -> Result<TxReceipt, ChainError> {
        let (got, expected) = (sender.rpc().chain_id(), self.client.rpc().chain_id());
        if got != expected {
            return Err(ChainError::WrongChain { url: sender.rpc().url().to_owned(), got, expected });
        }
        let id = format!("{}/app", unnamed_id());
        let receipt = sender.send(&id, operation.call(self.app_registry)).await?;
        sender.acknowledge(&id).await?;
        Ok(receipt)
    }
}
