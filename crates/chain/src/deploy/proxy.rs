//! The deployment proxy onto a chain that has none.

use super::{DeployStep, Run};
use crate::call::{Call, Estimate, TxReceipt};
use crate::create2::{
    DEPLOYMENT_PROXY, PROXY_CODE, PROXY_FUNDS, PROXY_GAS_LIMIT, PROXY_GAS_PRICE, PROXY_SIGNER, PROXY_TX,
};
use crate::error::ChainError;
use crate::rpc::Rpc;
use crate::sender::TxSender;

const PROXY: &str = "deployment proxy";
const FUNDS: &str = "ether for its signer";
/// What a plain transfer of ether uses.
const TRANSFER_GAS: u64 = 21_000;

/// Sees to it that the proxy is there: gives its signer what it lacks of 0.01 ether, and sends its transaction.
///
/// Errors: `NoDeploymentProxy`, before any ether is sent where that can be known; those of [`TxSender::send`].
pub(super) async fn ensure(run: &mut Run<'_>) -> Result<(), ChainError> {
    let sender = run.sender;
    if is_there(sender.rpc()).await? {
        run.push(DeployStep::found(PROXY, DEPLOYMENT_PROXY));
        return Ok(());
    }
    possible(sender.rpc()).await?;
    // On a quiet chain the proxy's own transaction, at 100 gwei, is what nodes then take for usual.
    sender.hold_tip(sender.rpc().suggested_tip().await?);
    // A chain that takes no transaction without a chain id says so before it looks at the signer's ether.
    match sender.rpc().send_raw(&PROXY_TX).await {
        Err(ChainError::RpcRefused { message, .. }) if wants_chain_id(&message) => {
            return Err(impossible(sender.rpc(), &message));
        }
        Ok(()) | Err(ChainError::RpcRefused { .. }) => {}
        Err(error) => return Err(error),
    }
    if let Some(call) = funding(sender.rpc()).await? {
        run.send(FUNDS, PROXY_SIGNER, call).await?;
    }
    let receipt = match sender.send_presigned(PROXY, &PROXY_TX).await {
        Err(ChainError::RpcRefused { message, .. }) => return Err(impossible(sender.rpc(), &message)),
        other => other?,
    };
    if !is_there(sender.rpc()).await? {
        let reason = format!("its transaction {} was mined and created nothing", receipt.tx);
        return Err(impossible(sender.rpc(), &reason));
    }
    // What it cost was paid when the signer got its ether.
    run.push(DeployStep::missing(PROXY, DEPLOYMENT_PROXY, TxReceipt { gas_price_wei: 0, ..receipt }));
    Ok(())
}

/// What [`ensure`] would do and cost.
pub(super) async fn plan(sender: &TxSender) -> Result<Vec<DeployStep<Estimate>>, ChainError> {
    if is_there(sender.rpc()).await? {
        return Ok(vec![DeployStep::found(PROXY, DEPLOYMENT_PROXY)]);
    }
    possible(sender.rpc()).await?;
    let mut steps = Vec::new();
    if let Some(call) = funding(sender.rpc()).await? {
        // Not asked of the RPC: it would refuse while this account has too little ether.
        let mut estimate = sender.priced(&call, TRANSFER_GAS).await?;
        estimate.cost_wei = estimate.cost_wei.saturating_add(call.value);
        estimate.cost_max_wei = estimate.cost_max_wei.saturating_add(call.value);
        steps.push(DeployStep::missing(FUNDS, PROXY_SIGNER, estimate));
    }
    let estimate = Estimate {
        label: format!("create the {PROXY}, paid out of its signer's ether"),
        gas: PROXY_GAS_LIMIT,
        gas_price_wei: PROXY_GAS_PRICE,
        cost_wei: 0,
        cost_max_wei: 0,
    };
    steps.push(DeployStep::missing(PROXY, DEPLOYMENT_PROXY, estimate));
    Ok(steps)
}

/// Whether the proxy is there. Code that is another one cannot be taken for it.
async fn is_there(rpc: &Rpc) -> Result<bool, ChainError> {
    let code = rpc.code(DEPLOYMENT_PROXY).await?;
    if code.is_empty() || code == *PROXY_CODE {
        return Ok(!code.is_empty());
    }
    Err(impossible(rpc, &format!("another contract is at its address ({} bytes of code)", code.len())))
}

/// What the proxy's signer lacks.
async fn funding(rpc: &Rpc) -> Result<Option<Call>, ChainError> {
    let lacks = PROXY_FUNDS.saturating_sub(rpc.eth_balance(PROXY_SIGNER).await?);
    let label = format!("send ether to the signer of the {PROXY}");
    Ok((lacks > 0).then(|| Call { label, to: Some(PROXY_SIGNER), input: Default::default(), value: lacks }))
}

/// Its signer has signed nothing else, and the chain may not ask for more per gas than that offers.
async fn possible(rpc: &Rpc) -> Result<(), ChainError> {
    if rpc.nonce(PROXY_SIGNER, "latest").await? > 0 {
        return Err(impossible(rpc, "its only transaction was mined and created nothing"));
    }
    let asked = rpc.head().await?.base_fee;
    if asked > PROXY_GAS_PRICE {
        let reason =
            format!("its transaction offers {PROXY_GAS_PRICE} wei per gas, and the chain asks for {asked} now");
        return Err(impossible(rpc, &reason));
    }
    Ok(())
}

fn impossible(rpc: &Rpc, reason: &str) -> ChainError {
    ChainError::NoDeploymentProxy { chain_id: rpc.chain_id(), proxy: DEPLOYMENT_PROXY, reason: reason.to_owned() }
}

/// Whether a refusal is about a transaction that is signed for no chain in particular (before EIP-155).
fn wants_chain_id(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["replay-protected", "replay protected", "eip-155", "eip155"].iter().any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_a_chain_that_takes_no_transaction_without_chain_id() {
        assert!(wants_chain_id("only replay-protected (EIP-155) transactions allowed over RPC"));
        assert!(wants_chain_id("legacy pre-eip-155 transactions not supported"));
        assert!(!wants_chain_id("insufficient funds for gas * price + value"));
    }
}
