//! The only crate that talks to an Ethereum RPC: deploys the contracts, sends transactions and follows the chain.
//!
//! Start with [`Account`] to change something, and with [`Watcher`] to hear of changes:
//!
//! ```text
//! RpcConfig -> Rpc --------------------> deploy -> Deployment
//!               |                                     |
//!               |   ChainClient (contracts checked) <-+     reads
//!               |        |                    |
//!   key -> TxSender      |                    v
//!               |        v                 Watcher -> ChainEvent (new time, changed channel, outage)
//!               +--> Account: open, top up, claim, close -> Receipts
//!               '--> ConcentSender: deposit, claim, contest, settle, rule (reads: ConcentClient)
//! ```
//!
//! A transaction is signed, written to the [`PendingJournal`], and only then sent; a restart takes it up again. It
//! knows nothing of deals, and keeps nothing on disk itself.

mod abi;
mod account;
mod call;
mod claim;
mod client;
mod concent;
mod create2;
mod deploy;
mod deployment;
mod error;
mod fees;
mod journal;
mod registry;
mod rpc;
mod sender;
mod watcher;

pub use abi::Change;
pub use account::{Account, Funding, Operation, Settled};
pub use call::{Call, Estimate, LogRecord, TxReceipt};
pub use claim::{ClaimEntry, ClaimOutcome, ClaimReport, SkipReason};
pub use client::ChainClient;
pub use concent::{ConcentClient, ConcentKeys, ConcentOperation, ConcentSender};
pub use create2::{DEPLOYMENT_PROXY, DEPLOYMENT_SALT};
pub use deploy::{
    BlockSource, ConcentTerms, DeployOptions, DeployPlan, DeployReport, DeployStep, FaucetTerms, Presence,
    Verification, deploy, plan_deploy, verifications,
};
pub use deployment::Deployment;
pub use error::{ChainError, Revert};
pub use fees::{Fees, TX_GAS_MAX};
pub use journal::{JournalError, MemoryJournal, Pending, PendingJournal, PendingStage, VERSIONS_MAX};
pub use registry::{AppOperation, AppRegistryClient, RegisteredApp};
pub use rpc::{BlockInfo, RETRY_DELAY_MAX, Rpc, RpcConfig};
pub use sender::{SenderOptions, TxSender};
pub use watcher::{ChainEvent, WatchOptions, Watcher};
