//! Since which block the contracts are there.

use super::DeployStep;
use crate::abi::Artifact;
use crate::call::TxReceipt;
use crate::deployment::Deployment;
use crate::error::ChainError;
use crate::rpc::Rpc;
use alloy::primitives::Address;
use serde::Serialize;

/// How the block of a deployment is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum BlockSource {
    /// `PaymentChannels` was deployed just now.
    Receipt,
    /// The chain's history was searched.
    History,
    /// It is what was written down, since the RPC keeps no history that could tell.
    File,
    /// Nobody knows, so it is 0: nodes search the whole chain for events, which takes longer.
    Unknown {
        /// What the RPC said when it was asked for its history.
        reason: String,
    },
}

/// The block in which the channels were deployed, as exactly as it can be known.
pub(super) async fn block_of(
    rpc: &Rpc,
    deployment: &Deployment,
    steps: &[DeployStep<TxReceipt>],
    existing: Option<&Deployment>,
) -> Result<(u64, BlockSource), ChainError> {
    let created = steps.iter().find(|step| step.name == Artifact::PaymentChannels.name()).and_then(DeployStep::done);
    if let Some(receipt) = created {
        return Ok((receipt.block, BlockSource::Receipt));
    }
    let head = rpc.block_number().await?;
    let written = existing
        .filter(|existing| existing.channels == deployment.channels && existing.block <= head)
        .map(|existing| existing.block);
    match searched(rpc, deployment.channels, head, written).await {
        Ok(block) => Ok((block, BlockSource::History)),
        Err(ChainError::RpcRefused { message, .. }) => Ok(match written {
            Some(block) => (block, BlockSource::File),
            None => (0, BlockSource::Unknown { reason: message }),
        }),
        Err(error) => Err(error),
    }
}

/// The first block with code at an address. Code of ours never goes away, so halving finds it.
async fn searched(rpc: &Rpc, address: Address, head: u64, guess: Option<u64>) -> Result<u64, ChainError> {
    let has_code = async |block: u64| Ok::<bool, ChainError>(!rpc.code_at(address, block).await?.is_empty());
    if let Some(guess) = guess.filter(|guess| *guess > 0)
        && has_code(guess).await?
        && !has_code(guess.saturating_sub(1)).await?
    {
        return Ok(guess);
    }
    if has_code(0).await? {
        // In the genesis block, or an RPC that answers for every block with the newest.
        return Ok(0);
    }
    let (mut without, mut with) = (0u64, head);
    while with.saturating_sub(without) > 1 {
        let middle = without.midpoint(with);
        if has_code(middle).await? {
            with = middle;
        } else {
            without = middle;
        }
    }
    Ok(with)
}
