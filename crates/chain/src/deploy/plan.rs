//! What a deployment would send and cost. Sends nothing.

use super::{DeployOptions, DeployStep, FILL, Layout, TOKEN, fill, keep, lacking, proxy};
use crate::abi::{Artifact, gnt};
use crate::call::{Call, Estimate, decimal};
use crate::client::{check_token, is_deployed};
use crate::create2::{Contract, DEPLOYMENT_PROXY, PROXY_CODE};
use crate::deployment::Deployment;
use crate::error::ChainError;
use crate::rpc::Simulated;
use crate::sender::TxSender;
use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::{SolCall, SolValue};
use golem_protocol::Wei;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// What a deployment would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeployPlan {
    /// Where everything would be. Its block is 0, since nobody knows it before.
    pub deployment: Deployment,
    /// Each thing, and what it would cost if it is not there.
    pub steps: Vec<DeployStep<Estimate>>,
    /// What all together would cost now, in wei of ether.
    #[serde(with = "decimal")]
    pub cost_wei: u128,
    /// The most it can cost, in wei of ether.
    #[serde(with = "decimal")]
    pub cost_max_wei: u128,
}

/// What [`super::deploy`] would send and what that would cost.
///
/// Errors: those of a read; `BadRequest`; `NoDeploymentProxy`; `RpcRefused` where the RPC cannot suppose accounts to be
/// other than they are; `Reverted`.
pub async fn plan_deploy(sender: &TxSender, options: &DeployOptions) -> Result<DeployPlan, ChainError> {
    let rpc = sender.rpc();
    let Layout { contracts, mut deployment } = Layout::new(sender.address(), rpc.chain_id(), options)?;
    let mut steps = Vec::new();
    if let Some(token) = options.token {
        check_token(rpc, token).await?;
        steps.push(DeployStep::found(TOKEN, token));
    }
    let mut planner = Planner { sender, supposed: Map::new() };
    let proxy = proxy::plan(sender).await?;
    if proxy.iter().any(|step| step.done().is_some()) {
        planner.supposed.insert(DEPLOYMENT_PROXY.to_string(), json!({ "code": *PROXY_CODE }));
    }
    steps.extend(proxy);
    for contract in &contracts {
        let (name, address) = (contract.artifact.name(), contract.address);
        if is_deployed(rpc, contract.artifact, address).await? {
            steps.push(DeployStep::found(name, address));
            continue;
        }
        steps.push(DeployStep::missing(name, address, planner.creation(contract).await?));
        planner.suppose(contract).await?;
    }
    if let (Some(terms), Some(faucet)) = (&options.faucet, deployment.faucet) {
        steps.push(match lacking(rpc, deployment.gnt, faucet, terms).await? {
            None => DeployStep::found(FILL, faucet),
            Some(amount) => {
                DeployStep::missing(FILL, faucet, planner.estimate(&fill(deployment.gnt, faucet, amount)).await?)
            }
        });
    }
    keep(rpc, options, &mut deployment).await?;
    let estimates = || steps.iter().filter_map(DeployStep::done);
    let cost_wei = estimates().map(|estimate| estimate.cost_wei).sum();
    let cost_max_wei = estimates().map(|estimate| estimate.cost_max_wei).sum();
    Ok(DeployPlan { deployment, steps, cost_wei, cost_max_wei })
}

/// Estimates one transaction after another, each as if those before it were done.
struct Planner<'a> {
    sender: &'a TxSender,
    /// Accounts as they will be (geth's state overrides).
    supposed: Map<String, Value>,
}

impl Planner<'_> {
    async fn estimate(&self, call: &Call) -> Result<Estimate, ChainError> {
        if self.supposed.is_empty() {
            return self.sender.estimate(call).await;
        }
        self.sender.estimate_supposing(call, Value::Object(self.supposed.clone())).await
    }

    async fn creation(&self, contract: &Contract) -> Result<Estimate, ChainError> {
        match self.estimate(&contract.creation()).await {
            // The proxy does not pass the reason on.
            Err(refused @ ChainError::Reverted { .. }) => {
                self.estimate(&contract.direct_creation()).await?;
                Err(refused)
            }
            other => other,
        }
    }

    /// From now on the contract is there.
    async fn suppose(&mut self, contract: &Contract) -> Result<(), ChainError> {
        let mut account = json!({ "code": contract.artifact.deployed_bytecode()? });
        if contract.artifact == Artifact::Gnt {
            let balance = self.place_of_balance(contract.address, &account).await?;
            account["stateDiff"] = balance;
        }
        self.supposed.insert(contract.address.to_string(), account);
        Ok(())
    }

    /// The change of the token's storage by which the sender holds the supply.
    async fn place_of_balance(&self, token: Address, account: &Value) -> Result<Value, ChainError> {
        let held = gnt::balanceOfCall { holder: self.sender.address() }.abi_encode();
        let supply = B256::from(U256::from(Wei::MAX.0));
        for slot in 0..SLOTS_MAX {
            let key = keccak256((self.sender.address(), U256::from(slot)).abi_encode());
            let balance = json!({ (key.to_string()): supply });
            let mut account = account.clone();
            account["stateDiff"] = balance.clone();
            let asked = TransactionRequest::default().to(token).input(held.clone().into());
            let asked = (asked, "latest", json!({ (token.to_string()): account }));
            let answer: Simulated<Bytes> = self.sender.rpc().simulate("eth_call", asked).await?;
            if matches!(&answer, Simulated::Done(balance) if balance.as_ref() == supply.as_slice()) {
                return Ok(balance);
            }
        }
        let reason = format!("its balances are in none of the first {SLOTS_MAX} slots");
        Err(ChainError::Artifact { contract: Artifact::Gnt.name(), reason })
    }
}

/// Storage slots that are tried for the token's balances.
const SLOTS_MAX: u64 = 16;
