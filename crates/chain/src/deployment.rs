//! Which contracts are used on a chain, as a file; and how they get there.

use crate::abi::{Artifact, gnt};
use crate::call::{Call, Estimate, TxReceipt, decimal};
use crate::client::ChainClient;
use crate::error::ChainError;
use crate::rpc::Simulated;
use crate::sender::TxSender;
use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::{SolCall, SolValue};
use golem_protocol::{ChainRef, Wei};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;

/// Where the contracts are on one chain.
///
/// Shape: as JSON, the deployment file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// The chain's id (EIP-155).
    pub chain_id: u64,
    /// The token.
    pub gnt: Address,
    /// The faucet, on a test network that has one.
    pub faucet: Option<Address>,
    /// `PaymentChannels`.
    pub channels: Address,
    /// Seconds between a payer's request to close and the end of the channel.
    pub close_delay_s: u32,
    /// The block in which `PaymentChannels` was deployed: nothing of ours is older.
    pub block: u64,
}

/// The longest deployment file that is read: a few addresses take less than 1 KiB.
const FILE_BYTES_MAX: u64 = 64 * 1024;

impl Deployment {
    /// What signatures are bound to.
    pub fn chain_ref(&self) -> ChainRef {
        ChainRef { chain_id: self.chain_id, channels: self.channels }
    }

    /// Reads a deployment file.
    ///
    /// Errors: `DeploymentFile`.
    pub fn load(path: &Path) -> Result<Deployment, ChainError> {
        let broken = |reason: String| ChainError::DeploymentFile { path: path.display().to_string(), reason };
        let bytes = std::fs::metadata(path).map_err(|e| broken(e.to_string()))?.len();
        if bytes > FILE_BYTES_MAX {
            return Err(broken(format!("it has {bytes} bytes, and {FILE_BYTES_MAX} is the most")));
        }
        let text = std::fs::read_to_string(path).map_err(|e| broken(e.to_string()))?;
        serde_json::from_str(&text).map_err(|e| broken(e.to_string()))
    }

    /// Writes the deployment file, whole or not at all.
    ///
    /// Errors: `DeploymentFile`.
    pub fn save(&self, path: &Path) -> Result<(), ChainError> {
        let broken = |reason: String| ChainError::DeploymentFile { path: path.display().to_string(), reason };
        let text = serde_json::to_string_pretty(self).map_err(|e| broken(e.to_string()))?;
        let unfinished = path.with_extension(format!("tmp{}", std::process::id()));
        let written = std::fs::File::create(&unfinished).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()
        });
        written.and_then(|()| std::fs::rename(&unfinished, path)).map_err(|e| {
            let _ = std::fs::remove_file(&unfinished);
            broken(e.to_string())
        })
    }
}

/// What to deploy.
#[derive(Clone, Debug)]
pub struct DeployOptions {
    /// A token that is there already; `None` deploys `GNT`, whose supply goes to the deployer.
    pub token: Option<Address>,
    /// Seconds between a payer's request to close and the end of the channel: 1 to 2,592,000.
    pub close_delay_s: u32,
    /// The faucet to deploy, for a test network.
    pub faucet: Option<FaucetTerms>,
    /// A deployment from before: where it is on the chain as described, nothing is deployed.
    pub existing: Option<Deployment>,
}

/// What a faucet gives, and how much it has to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaucetTerms {
    /// How much at a time.
    pub drip: Wei,
    /// Seconds between two drips to one address.
    pub interval_s: u64,
    /// What the deployer puts in.
    pub fill: Wei,
}

/// A day: a payee that looks at the chain now and then can claim in time.
const CLOSE_DELAY_S: u32 = 86_400;

impl Default for DeployOptions {
    /// `GNT` of our own and a close delay of a day, no faucet.
    fn default() -> DeployOptions {
        DeployOptions { token: None, close_delay_s: CLOSE_DELAY_S, faucet: None, existing: None }
    }
}

impl Default for FaucetTerms {
    /// 1,000 GNT a day for each address, out of a tenth of the supply.
    fn default() -> FaucetTerms {
        let gnt = |amount| Wei::from_gnt(amount).unwrap_or(Wei::MAX);
        FaucetTerms { drip: gnt(1_000), interval_s: 86_400, fill: gnt(100_000_000) }
    }
}

/// What a deployment did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployReport {
    /// Where everything is now.
    pub deployment: Deployment,
    /// Whether it was all there before, so that nothing was sent.
    pub reused: bool,
    /// Gas of all transactions.
    pub gas_used: u64,
    /// Their price, in wei of ether.
    #[serde(with = "decimal")]
    pub cost_wei: u128,
    /// What each transaction did.
    pub receipts: Vec<TxReceipt>,
}

/// Deploys the contracts, or finds that they are there already.
///
/// A deployment that was broken off is continued if the sender has the journal of then.
/// Errors: those of [`TxSender::send`]; `BadRequest`; and those of [`ChainClient::new`] for the result.
pub async fn deploy(sender: &TxSender, options: &DeployOptions) -> Result<DeployReport, ChainError> {
    if let Some(deployment) = reusable(sender, options).await? {
        return Ok(DeployReport { deployment, reused: true, gas_used: 0, cost_wei: 0, receipts: Vec::new() });
    }
    let mut receipts = Vec::new();
    let mut ids = Vec::new();
    let gnt = match options.token {
        Some(token) => token,
        None => {
            let call = creation(Artifact::Gnt, sender.address().abi_encode())?;
            created(send(sender, "deploy/gnt", call, &mut ids, &mut receipts).await?, Artifact::Gnt)?
        }
    };
    let call = creation(Artifact::PaymentChannels, (gnt, options.close_delay_s).abi_encode())?;
    let receipt = send(sender, "deploy/channels", call, &mut ids, &mut receipts).await?;
    let block = receipt.block;
    let channels = created(receipt, Artifact::PaymentChannels)?;
    let mut faucet = None;
    if let Some(terms) = &options.faucet {
        let call = creation(Artifact::Faucet, faucet_arguments(gnt, terms))?;
        let address = created(send(sender, "deploy/faucet", call, &mut ids, &mut receipts).await?, Artifact::Faucet)?;
        send(sender, "deploy/fill", fill(gnt, address, terms), &mut ids, &mut receipts).await?;
        faucet = Some(address);
    }
    let chain_id = sender.rpc().chain_id();
    let deployment = Deployment { chain_id, gnt, faucet, channels, close_delay_s: options.close_delay_s, block };
    ChainClient::new(sender.rpc().clone(), deployment.clone()).await?;
    for id in ids {
        sender.acknowledge(id).await?;
    }
    let gas_used = receipts.iter().map(|receipt| receipt.gas_used).sum();
    let cost_wei = receipts.iter().map(TxReceipt::cost_wei).sum();
    Ok(DeployReport { deployment, reused: false, gas_used, cost_wei, receipts })
}

/// What [`deploy`] would send and what that would cost; sends nothing. Empty where all is there already.
///
/// Errors: those of a read; `RpcRefused` where the RPC cannot suppose accounts to be other than they are; `Reverted`.
pub async fn plan_deploy(sender: &TxSender, options: &DeployOptions) -> Result<Vec<Estimate>, ChainError> {
    if reusable(sender, options).await?.is_some() {
        return Ok(Vec::new());
    }
    let mut plan = Vec::new();
    // The contracts want a token that is there, so one is supposed to be: where nothing else will ever be created.
    let (gnt, suppose) = match options.token {
        Some(token) => (token, json!({})),
        None => {
            plan.push(sender.estimate(&creation(Artifact::Gnt, sender.address().abi_encode())?).await?);
            let address = sender.address().create(u64::MAX - 1);
            (address, suppose_gnt(sender, address).await?)
        }
    };
    let channels = creation(Artifact::PaymentChannels, (gnt, options.close_delay_s).abi_encode())?;
    plan.push(sender.estimate_supposing(&channels, suppose.clone()).await?);
    if let Some(terms) = &options.faucet {
        let faucet = creation(Artifact::Faucet, faucet_arguments(gnt, terms))?;
        plan.push(sender.estimate_supposing(&faucet, suppose.clone()).await?);
        // Any address that holds nothing costs what the faucet's will.
        plan.push(sender.estimate_supposing(&fill(gnt, FRESH, terms), suppose).await?);
    }
    Ok(plan)
}

/// An address that nobody has sent anything to.
const FRESH: Address = Address::repeat_byte(0xfa);
/// Storage slots that are tried for the token's balances.
const SLOTS_MAX: u64 = 16;

/// Overrides under which `GNT` is at an address and the sender holds its supply.
async fn suppose_gnt(sender: &TxSender, address: Address) -> Result<Value, ChainError> {
    let code = Artifact::Gnt.deployed_bytecode()?;
    let held = gnt::balanceOfCall { holder: sender.address() }.abi_encode();
    for slot in 0..SLOTS_MAX {
        let key = keccak256((sender.address(), U256::from(slot)).abi_encode());
        let supply = B256::from(U256::from(Wei::MAX.0));
        let supposed = json!({ (address.to_string()): { "code": code, "stateDiff": { (key.to_string()): supply } } });
        let asked = TransactionRequest::default().to(address).input(held.clone().into());
        let answer: Simulated<Bytes> = sender.rpc().simulate("eth_call", (asked, "latest", supposed.clone())).await?;
        if matches!(&answer, Simulated::Done(balance) if balance.as_ref() == supply.as_slice()) {
            return Ok(supposed);
        }
    }
    let reason = format!("its balances are in none of the first {SLOTS_MAX} slots");
    Err(ChainError::Artifact { contract: Artifact::Gnt.name(), reason })
}

/// The deployment of before, where the chain bears it out and it is what is asked for.
async fn reusable(sender: &TxSender, options: &DeployOptions) -> Result<Option<Deployment>, ChainError> {
    let Some(existing) = &options.existing else { return Ok(None) };
    let as_asked = existing.close_delay_s == options.close_delay_s
        && options.token.is_none_or(|token| token == existing.gnt)
        && (options.faucet.is_none() || existing.faucet.is_some());
    if !as_asked {
        return Ok(None);
    }
    match ChainClient::new(sender.rpc().clone(), existing.clone()).await {
        Ok(_) => Ok(Some(existing.clone())),
        Err(
            ChainError::WrongChain { .. }
            | ChainError::ChainReset { .. }
            | ChainError::ContractAbsent { .. }
            | ChainError::ContractDiffers { .. },
        ) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn send(
    sender: &TxSender,
    id: &'static str,
    call: Call,
    ids: &mut Vec<&'static str>,
    receipts: &mut Vec<TxReceipt>,
) -> Result<TxReceipt, ChainError> {
    let receipt = sender.send(id, call).await?;
    ids.push(id);
    receipts.push(receipt.clone());
    Ok(receipt)
}

fn creation(artifact: Artifact, arguments: Vec<u8>) -> Result<Call, ChainError> {
    let mut input = artifact.bytecode()?.to_vec();
    input.extend(arguments);
    Ok(Call { label: format!("deploy {}", artifact.name()), to: None, input: input.into(), value: 0 })
}

fn created(receipt: TxReceipt, artifact: Artifact) -> Result<Address, ChainError> {
    receipt.created.ok_or_else(|| ChainError::Artifact {
        contract: artifact.name(),
        reason: format!("transaction {} created no contract", receipt.tx),
    })
}

fn faucet_arguments(gnt: Address, terms: &FaucetTerms) -> Vec<u8> {
    (gnt, U256::from(terms.drip.0), U256::from(terms.interval_s)).abi_encode()
}

fn fill(gnt: Address, faucet: Address, terms: &FaucetTerms) -> Call {
    let transfer = gnt::transferCall { to: faucet, value: U256::from(terms.fill.0) };
    Call::contract(format!("fill the faucet with {}", terms.fill), gnt, transfer.abi_encode())
}
