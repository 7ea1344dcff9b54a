//! A chain together with our contracts on it: checked once, then read.

use crate::abi::{Artifact, Change, ERC1363_ID, channels, concent, faucet, gnt, wei};
use crate::call::TxReceipt;
use crate::deployment::Deployment;
use crate::error::ChainError;
use crate::rpc::{Rpc, RpcConfig, Simulated};
use alloy::primitives::{Address, Bytes, U256};
use alloy::rpc::types::Filter;
use alloy::sol_types::SolEvent;
use golem_protocol::signed::{CHANNELS_DOMAIN, domain};
use golem_protocol::{ChainRef, ChainTime, ChannelId, ChannelState, Wei};

/// Blocks in one search of the log; it is halved as long as the RPC refuses.
pub(crate) const SPAN_BLOCKS_MAX: u64 = 2_000;

/// A chain whose contracts were checked to be the ones of a [`Deployment`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ChainClient {
    rpc: Rpc,
    deployment: Deployment,
    route: FundingRoute,
}

/// How a channel is funded, which depends on the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FundingRoute {
    /// ERC-1363: one transaction, no allowance.
    TransferAndCall,
    /// A plain ERC-20: allowance first.
    ApproveAndFund,
}

impl ChainClient {
    /// Connects to an RPC and checks the contracts. The chain id expected is the deployment's.
    ///
    /// Errors: those of [`Rpc::connect`] and [`ChainClient::new`].
    pub async fn connect(mut config: RpcConfig, deployment: Deployment) -> Result<ChainClient, ChainError> {
        config.chain_id = config.chain_id.or(Some(deployment.chain_id));
        ChainClient::new(Rpc::connect(config).await?, deployment).await
    }

    /// Checks that the contracts of a deployment are on this chain, and are the ones this program knows.
    ///
    /// Errors: `WrongChain`, `ChainReset`, `ContractAbsent`, `ContractDiffers`, or those of a read.
    pub async fn new(rpc: Rpc, deployment: Deployment) -> Result<ChainClient, ChainError> {
        if rpc.chain_id() != deployment.chain_id {
            return Err(ChainError::WrongChain {
                url: rpc.url().to_owned(),
                got: rpc.chain_id(),
                expected: deployment.chain_id,
            });
        }
        let head = rpc.block_number().await?;
        if head < deployment.block {
            return Err(ChainError::ChainReset { chain_id: rpc.chain_id(), head, deployed: deployment.block });
        }
        present(&rpc, "GNT", deployment.gnt).await?;
        check_channels(&rpc, &deployment).await?;
        check_others(&rpc, &deployment).await?;
        let with_call = rpc.read(deployment.gnt, gnt::supportsInterfaceCall { interfaceId: ERC1363_ID.into() }).await?;
        let route = match with_call {
            Simulated::Done(true) => FundingRoute::TransferAndCall,
            Simulated::Done(false) | Simulated::Reverted(_) => FundingRoute::ApproveAndFund,
        };
        Ok(ChainClient { rpc, deployment, route })
    }

    /// The connection.
    pub fn rpc(&self) -> &Rpc {
        &self.rpc
    }

    /// Where the contracts are.
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// What signatures are bound to.
    pub fn chain_ref(&self) -> ChainRef {
        self.deployment.chain_ref()
    }

    pub(crate) fn route(&self) -> FundingRoute {
        self.route
    }

    /// GNT of an address.
    pub async fn gnt_balance(&self, address: Address) -> Result<Wei, ChainError> {
        let balance = self.rpc.read(self.deployment.gnt, gnt::balanceOfCall { holder: address }).await?;
        Ok(wei(answered("GNT", self.deployment.gnt, "balanceOf", balance)?))
    }

    /// What the channels contract may take of an address.
    pub(crate) async fn allowance(&self, owner: Address) -> Result<Wei, ChainError> {
        let call = gnt::allowanceCall { owner, spender: self.deployment.channels };
        let allowance = self.rpc.read(self.deployment.gnt, call).await?;
        Ok(wei(answered("GNT", self.deployment.gnt, "allowance", allowance)?))
    }

    /// Ether of an address, in wei.
    pub async fn eth_balance(&self, address: Address) -> Result<u128, ChainError> {
        self.rpc.eth_balance(address).await
    }

    /// A channel at the newest block; all zero where it was never opened.
    pub async fn channel_state(&self, channel: ChannelId) -> Result<ChannelState, ChainError> {
        self.channel_state_at(channel, "latest".to_owned()).await
    }

    /// A channel as it was after a block, by number.
    pub async fn channel_state_after(&self, channel: ChannelId, block: u64) -> Result<ChannelState, ChainError> {
        self.channel_state_at(channel, format!("{block:#x}")).await
    }

    async fn channel_state_at(&self, channel: ChannelId, block: String) -> Result<ChannelState, ChainError> {
        let call = channels::channelCall { payer: channel.payer, payee: channel.payee };
        let state = self.rpc.read_at(self.deployment.channels, call, block).await?;
        Ok(answered("PaymentChannels", self.deployment.channels, "channel", state)?.into())
    }

    /// What was claimed in all in the epochs of a channel that have ended, newest first, at most so many.
    ///
    /// Read from the log, from the newest block backwards: the channel itself does not keep it.
    pub async fn claimed_at_ends(&self, channel: ChannelId, most: usize) -> Result<Vec<Wei>, ChainError> {
        let first = self.deployment.block;
        let mut end = self.block_number().await?;
        let mut span = SPAN_BLOCKS_MAX;
        let mut ends = Vec::new();
        while ends.len() < most && end >= first {
            let start = end.saturating_sub(span - 1).max(first);
            let filter = Filter::new()
                .address(self.deployment.channels)
                .event_signature(channels::Closed::SIGNATURE_HASH)
                .topic1(channel.payer.into_word())
                .topic2(channel.payee.into_word());
            let logs = match self.rpc.logs(&filter.from_block(start).to_block(end)).await {
                Ok(logs) => logs,
                // Providers cap the range; how, each says in other words.
                Err(ChainError::RpcRefused { .. }) if span > 1 => {
                    span /= 2;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let closes = logs.iter().rev().filter_map(|log| channels::Closed::decode_log(&log.inner).ok());
            ends.extend(closes.map(|close| wei(U256::from(close.claimed))));
            let Some(before) = start.checked_sub(1) else { break };
            end = before;
        }
        ends.truncate(most);
        Ok(ends)
    }

    /// The newest block's timestamp.
    pub async fn chain_time(&self) -> Result<ChainTime, ChainError> {
        self.rpc.chain_time().await
    }

    /// What gas costs now, the suggested tip included, in wei of ether.
    pub async fn gas_price(&self) -> Result<u64, ChainError> {
        Ok(self.rpc.head().await?.base_fee.saturating_add(self.rpc.suggested_tip().await?))
    }

    /// The newest block's number.
    pub async fn block_number(&self) -> Result<u64, ChainError> {
        self.rpc.block_number().await
    }

    /// What `PaymentChannels` said in a transaction's log, in order.
    pub fn changes(&self, receipt: &TxReceipt) -> Vec<Change> {
        let ours = receipt.logs.iter().filter(|log| log.address == self.deployment.channels);
        ours.filter_map(Change::decode).collect()
    }
}

/// What a chain has besides, where it has it.
async fn check_others(rpc: &Rpc, deployment: &Deployment) -> Result<(), ChainError> {
    if let Some(address) = deployment.faucet {
        present(rpc, "Faucet", address).await?;
        let token = rpc.read(address, faucet::TOKENCall {}).await?;
        expect("Faucet", address, "token", token, deployment.gnt)?;
    }
    if let Some(address) = deployment.concent_deposit {
        const NAME: &str = "ConcentDeposit";
        check_code(Artifact::ConcentDeposit, address, &present(rpc, NAME, address).await?)?;
        let terms = answered(NAME, address, "terms", rpc.read(address, concent::termsCall {}).await?)?;
        expect(NAME, address, "token", Simulated::Done(terms.token), deployment.gnt)?;
    }
    if let Some(address) = deployment.app_registry {
        check_code(Artifact::AppRegistry, address, &present(rpc, "AppRegistry", address).await?)?;
    }
    Ok(())
}

async fn check_channels(rpc: &Rpc, deployment: &Deployment) -> Result<(), ChainError> {
    const NAME: &str = "PaymentChannels";
    let address = deployment.channels;
    let code = present(rpc, NAME, address).await?;
    check_code(Artifact::PaymentChannels, address, &code)?;
    let token = rpc.read(address, channels::TOKENCall {}).await?;
    expect(NAME, address, "token", token, deployment.gnt)?;
    let close_delay = rpc.read(address, channels::CLOSE_DELAYCall {}).await?;
    expect(NAME, address, "close delay in seconds", close_delay, deployment.close_delay_s)?;
    // Name, version, chain id and address of the contract in one hash: without it no voucher of ours would be paid.
    let separator = domain(CHANNELS_DOMAIN, &deployment.chain_ref()).separator();
    let on_chain = rpc.read(address, channels::DOMAIN_SEPARATORCall {}).await?;
    expect(NAME, address, "EIP-712 domain separator", on_chain, separator)
}

/// Whether this contract is at an address. Something else there is an error.
///
/// Errors: `ContractDiffers`, those of a read.
pub(crate) async fn is_deployed(rpc: &Rpc, artifact: Artifact, address: Address) -> Result<bool, ChainError> {
    let code = rpc.code(address).await?;
    if !code.is_empty() {
        check_code(artifact, address, &code)?;
    }
    Ok(!code.is_empty())
}

/// Checks that a token of somebody else is one that can be used as GNT: an ERC-20 whose amounts mean what ours do.
///
/// Errors: `ContractAbsent`, `ContractDiffers`, those of a read.
pub(crate) async fn check_token(rpc: &Rpc, address: Address) -> Result<(), ChainError> {
    const NAME: &str = "token";
    present(rpc, NAME, address).await?;
    let held = rpc.read(address, gnt::balanceOfCall { holder: address }).await?;
    answered(NAME, address, "balanceOf", held)?;
    let decimals = rpc.read(address, gnt::decimalsCall {}).await?;
    expect(NAME, address, "number of decimals", decimals, DECIMALS)
}

/// A GNT has as many decimals as an ether; amounts are shown and prices are set accordingly.
const DECIMALS: u8 = 18;

pub(crate) fn check_code(artifact: Artifact, address: Address, code: &Bytes) -> Result<(), ChainError> {
    if artifact.is_deployed_as(code)? {
        return Ok(());
    }
    Err(ChainError::ContractDiffers {
        contract: artifact.name(),
        address,
        what: "code",
        got: format!("that of another version ({} bytes)", code.len()),
        expected: "that of this program".into(),
    })
}

pub(crate) async fn present(rpc: &Rpc, contract: &'static str, address: Address) -> Result<Bytes, ChainError> {
    let code = rpc.code(address).await?;
    if code.is_empty() {
        return Err(ChainError::ContractAbsent { contract, address, chain_id: rpc.chain_id() });
    }
    Ok(code)
}

pub(crate) fn expect<T: PartialEq + ToString>(
    contract: &'static str,
    address: Address,
    what: &'static str,
    got: Simulated<T>,
    expected: T,
) -> Result<(), ChainError> {
    let got = answered(contract, address, what, got)?;
    if got == expected {
        return Ok(());
    }
    Err(ChainError::ContractDiffers { contract, address, what, got: got.to_string(), expected: expected.to_string() })
}

pub(crate) fn answered<T>(
    contract: &'static str,
    address: Address,
    what: &'static str,
    got: Simulated<T>,
) -> Result<T, ChainError> {
    match got {
        Simulated::Done(value) => Ok(value),
        Simulated::Reverted(_) => Err(ChainError::ContractDiffers {
            contract,
            address,
            what,
            got: "not there".into(),
            expected: "a value".into(),
        }),
    }
}
