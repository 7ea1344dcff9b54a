//! How the contracts get onto a chain, at addresses that are the same on every one.
//!
//! ```text
//! what an earlier run left under way -> the proxy -> each contract: there? verified : created -> the faucet's GNT
//!                                    -> all checked by ChainClient::new -> Deployment
//! ```
//!
//! The chain alone says how far it is: a run that was broken off is completed by the next, with or without the journal
//! and the file of the first.

mod age;
mod plan;
mod proxy;
mod verification;

pub use age::BlockSource;
pub use plan::{DeployPlan, plan_deploy};
pub use verification::{Verification, verifications};

use crate::abi::{Artifact, concent, gnt};
use crate::call::{Call, TxReceipt, decimal};
use crate::client::{ChainClient, check_token, is_deployed};
use crate::create2::Contract;
use crate::deployment::Deployment;
use crate::error::ChainError;
use crate::journal::PendingStage;
use crate::rpc::{Rpc, Simulated};
use crate::sender::TxSender;
use alloy::primitives::aliases::U96;
use alloy::primitives::{Address, U256};
use alloy::sol_types::{SolCall, SolValue};
use golem_protocol::Wei;
use serde::Serialize;

/// What to deploy.
#[derive(Clone, Debug)]
pub struct DeployOptions {
    /// A token that is there already; `None` deploys `GNT`, whose supply goes to the deployer.
    pub token: Option<Address>,
    /// Seconds between a payer's request to close and the end of the channel: 1 to 2,592,000.
    pub close_delay_s: u32,
    /// The faucet to deploy, for a test network.
    pub faucet: Option<FaucetTerms>,
    /// Concent, where deals are to be guarded by it.
    pub concent: Option<ConcentTerms>,
    /// What is written down of this chain. Where it is about the same token, a faucet and a `ConcentDeposit` in it are
    /// kept if they are there and no other is asked for.
    pub existing: Option<Deployment>,
}

/// What a faucet gives, and how much it has to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaucetTerms {
    /// How much at a time.
    pub drip: Wei,
    /// Seconds between two drips to one address.
    pub interval_s: u64,
    /// What the deployer fills it up to, whenever it has not enough for one drip.
    pub fill: Wei,
}

/// Who Concent is, and how `ConcentDeposit` is set up; see `IConcentDeposit.Terms`. All of it makes the address, so the
/// same terms on another chain are the same address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConcentTerms {
    /// Its keys, 1 to 16; their order does not matter.
    pub keys: Vec<Address>,
    /// How many of them make a ruling.
    pub threshold: u32,
    /// Whose account gets the verification fees.
    pub treasury: Address,
    /// Seconds between unlocking a deposit and taking it out.
    pub withdraw_delay_s: u32,
    /// Seconds a requestor has to contest a claim.
    pub contest_window_s: u32,
    /// Seconds Concent has to rule on a contested claim.
    pub ruling_window_s: u32,
    /// Seconds between the announcement of new keys and their taking effect.
    pub rotation_delay_s: u32,
    /// What the loser of a contested claim pays for the verification.
    pub fee_wei: Wei,
    /// What the loser of a claim pays to the other for its gas.
    pub cover_wei: Wei,
    /// What rulings can move in a day.
    pub daily_limit_wei: Wei,
    /// The most that one account can deposit.
    pub deposit_max_wei: Wei,
}

impl ConcentTerms {
    /// The usual terms: 2 days to withdraw, 1 to contest, 3 to rule, 7 to change keys; a fee of 2 GNT and a cover of 1
    /// GNT; rulings move at most 10,000 GNT a day, and as much is the largest deposit.
    pub fn new(keys: Vec<Address>, threshold: u32, treasury: Address) -> ConcentTerms {
        const DAY_S: u32 = 86_400;
        let gnt = |amount| Wei::from_gnt(amount).unwrap_or(Wei::MAX);
        ConcentTerms {
            keys,
            threshold,
            treasury,
            withdraw_delay_s: 2 * DAY_S,
            contest_window_s: DAY_S,
            ruling_window_s: 3 * DAY_S,
            rotation_delay_s: 7 * DAY_S,
            fee_wei: gnt(2),
            cover_wei: gnt(1),
            daily_limit_wei: gnt(10_000),
            deposit_max_wei: gnt(10_000),
        }
    }

    fn arguments(&self, token: Address) -> Result<Vec<u8>, ChainError> {
        let amount = |amount: Wei| amount.bounded().map(|amount| U96::from(amount.0)).ok_or(BAD_AMOUNT);
        let terms = concent::Terms {
            token,
            treasury: self.treasury,
            withdrawDelay: self.withdraw_delay_s,
            contestWindow: self.contest_window_s,
            rulingWindow: self.ruling_window_s,
            rotationDelay: self.rotation_delay_s,
            fee: amount(self.fee_wei)?,
            cover: amount(self.cover_wei)?,
            dailyLimit: amount(self.daily_limit_wei)?,
            depositMax: amount(self.deposit_max_wei)?,
        };
        let mut keys = self.keys.clone();
        keys.sort();
        Ok((terms, keys, U256::from(self.threshold)).abi_encode_params())
    }
}

const BAD_AMOUNT: ChainError =
    ChainError::BadRequest("an amount of Concent's terms has more than 96 bits: give a lower one");
/// Seconds between the announcement of a higher fee for an app and its coming: a week. It makes the registry's address,
/// so it is the same for everybody, and there is one registry on a chain.
const FEE_NOTICE_S: u32 = 604_800;
/// A day: a payee that looks at the chain now and then can claim in time.
const CLOSE_DELAY_S: u32 = 86_400;
/// Where GNT has a price.
const MAIN_NETWORK: u64 = 1;

impl Default for DeployOptions {
    /// `GNT` of our own and a close delay of a day, no faucet and no Concent.
    fn default() -> DeployOptions {
        DeployOptions { token: None, close_delay_s: CLOSE_DELAY_S, faucet: None, concent: None, existing: None }
    }
}

impl Default for FaucetTerms {
    /// 1,000 GNT a day for each address, out of a tenth of the supply.
    fn default() -> FaucetTerms {
        let gnt = |amount| Wei::from_gnt(amount).unwrap_or(Wei::MAX);
        FaucetTerms { drip: gnt(1_000), interval_s: 86_400, fill: gnt(100_000_000) }
    }
}

/// One thing that has to be on the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeployStep<T> {
    /// What it is: the contract's name, mostly.
    pub name: &'static str,
    /// Where it is, or will be.
    pub address: Address,
    /// Whether it is there.
    #[serde(flatten)]
    pub presence: Presence<T>,
}

/// Whether something is on the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "presence", rename_all = "snake_case")]
pub enum Presence<T> {
    /// It was there before, and it is what it should be.
    Found,
    /// It was not: what putting it there would cost, or what it took.
    Missing(T),
}

impl<T> DeployStep<T> {
    fn found(name: &'static str, address: Address) -> DeployStep<T> {
        DeployStep { name, address, presence: Presence::Found }
    }

    fn missing(name: &'static str, address: Address, what: T) -> DeployStep<T> {
        DeployStep { name, address, presence: Presence::Missing(what) }
    }

    /// What had to be done; `None` where it was found.
    pub fn done(&self) -> Option<&T> {
        match &self.presence {
            Presence::Found => None,
            Presence::Missing(what) => Some(what),
        }
    }
}

/// What a deployment did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeployReport {
    /// Where everything is now.
    pub deployment: Deployment,
    /// How the deployment's block is known.
    pub block_source: BlockSource,
    /// Each thing, and the transaction that put it there if it was not.
    pub steps: Vec<DeployStep<TxReceipt>>,
    /// Gas of all transactions.
    pub gas_used: u64,
    /// Their price and the ether that went with them, in wei of ether.
    #[serde(with = "decimal")]
    pub cost_wei: u128,
}

impl DeployReport {
    /// Whether all was there before, so that nothing was sent.
    pub fn reused(&self) -> bool {
        self.steps.iter().all(|step| step.presence == Presence::Found)
    }
}

const FILL: &str = "GNT of the faucet";
const TOKEN: &str = "token";
/// How ids of a deployment's transactions begin in the journal.
const IDS: &str = "deploy/";

/// What is to be on the chain, in the order in which it gets there.
pub(crate) struct Layout {
    pub(crate) contracts: Vec<Contract>,
    /// Where it will all be. Its block is not known yet.
    pub(crate) deployment: Deployment,
}

impl Layout {
    /// The layout that these options have for this deployer on this chain. Asks nobody.
    ///
    /// Errors: `BadRequest`, `Artifact`.
    pub(crate) fn new(deployer: Address, chain_id: u64, options: &DeployOptions) -> Result<Layout, ChainError> {
        let mut contracts = Vec::new();
        let mut place = |artifact, arguments| {
            let contract = Contract::new(artifact, arguments)?;
            let address = contract.address;
            contracts.push(contract);
            Ok::<Address, ChainError>(address)
        };
        let gnt = match options.token {
            Some(token) => token,
            None if chain_id == MAIN_NETWORK => {
                return Err(ChainError::BadRequest(
                    "GNT has a price on Ethereum's main network, and another token of that name has no place there: \
                     give the token's address (--token)",
                ));
            }
            None => place(Artifact::Gnt, deployer.abi_encode())?,
        };
        let channels = place(Artifact::PaymentChannels, (gnt, options.close_delay_s).abi_encode())?;
        let app_registry = place(Artifact::AppRegistry, FEE_NOTICE_S.abi_encode())?;
        let concent_deposit = match &options.concent {
            Some(terms) => Some(place(Artifact::ConcentDeposit, terms.arguments(gnt)?)?),
            None => None,
        };
        let faucet = match &options.faucet {
            Some(terms) => {
                let arguments = (gnt, U256::from(terms.drip.0), U256::from(terms.interval_s)).abi_encode();
                Some(place(Artifact::Faucet, arguments)?)
            }
            None => None,
        };
        let deployment = Deployment {
            chain_id,
            gnt,
            faucet,
            channels,
            concent_deposit,
            app_registry: Some(app_registry),
            close_delay_s: options.close_delay_s,
            block: 0,
        };
        Ok(Layout { contracts, deployment })
    }
}

/// Deploys the contracts, or as many of them as are not there. `progress` hears of each as soon as it is there.
///
/// Errors: those of [`TxSender::send`]; `BadRequest`; `UnderWay`; `NoDeploymentProxy`; and those of [`ChainClient::new`]
/// for the result. Whatever it is, what was done stays done, and the same call goes on from there.
pub async fn deploy(
    sender: &TxSender,
    options: &DeployOptions,
    progress: &mut (dyn FnMut(&DeployStep<TxReceipt>) + Send),
) -> Result<DeployReport, ChainError> {
    let rpc = sender.rpc();
    let Layout { contracts, mut deployment } = Layout::new(sender.address(), rpc.chain_id(), options)?;
    take_up(sender).await?;
    let mut run = Run { sender, progress, steps: Vec::new(), value_wei: 0 };
    if let Some(token) = options.token {
        check_token(rpc, token).await?;
        run.push(DeployStep::found(TOKEN, token));
    }
    proxy::ensure(&mut run).await?;
    for contract in &contracts {
        run.create(contract).await?;
    }
    if let (Some(terms), Some(faucet)) = (&options.faucet, deployment.faucet) {
        run.fill(deployment.gnt, faucet, terms).await?;
    }
    keep(rpc, options, &mut deployment).await?;
    let (block, block_source) = age::block_of(rpc, &deployment, &run.steps, options.existing.as_ref()).await?;
    deployment.block = block;
    ChainClient::new(rpc.clone(), deployment.clone()).await?;
    forget(sender).await?;
    let Run { steps, value_wei, .. } = run;
    let receipts = || steps.iter().filter_map(DeployStep::done);
    let gas_used = receipts().map(|receipt| receipt.gas_used).sum();
    let cost_wei = receipts().map(TxReceipt::cost_wei).sum::<u128>().saturating_add(value_wei);
    Ok(DeployReport { deployment, block_source, steps, gas_used, cost_wei })
}

/// Brings to an end what an earlier run left under way, so that the chain shows all of it.
async fn take_up(sender: &TxSender) -> Result<(), ChainError> {
    for (_, result) in sender.resume().await {
        match result {
            // A refusal is forgotten by the sender; if it still matters, the same is met below.
            Ok(_) | Err(ChainError::Reverted { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    forget(sender).await?;
    // Of a run whose journal is lost: what it sent must not be sent twice.
    sender.wait_for_unrecorded().await
}

/// Forgets the records of confirmed transactions: from here on the chain says that they are done.
async fn forget(sender: &TxSender) -> Result<(), ChainError> {
    for pending in sender.pending() {
        if pending.id.starts_with(IDS) && matches!(pending.stage, PendingStage::Confirmed(_)) {
            sender.acknowledge(&pending.id).await?;
        }
    }
    Ok(())
}

/// Puts into a deployment what is written down for the same token, is there, and was not asked for.
async fn keep(rpc: &Rpc, options: &DeployOptions, deployment: &mut Deployment) -> Result<(), ChainError> {
    let Some(existing) = options.existing.as_ref().filter(|existing| existing.gnt == deployment.gnt) else {
        return Ok(());
    };
    let kept = async |artifact: Artifact, written: Option<Address>| match written {
        Some(address) => Ok(is_deployed(rpc, artifact, address).await?.then_some(address)),
        None => Ok::<Option<Address>, ChainError>(None),
    };
    if deployment.faucet.is_none() {
        deployment.faucet = kept(Artifact::Faucet, existing.faucet).await?;
    }
    if deployment.concent_deposit.is_none() {
        deployment.concent_deposit = kept(Artifact::ConcentDeposit, existing.concent_deposit).await?;
    }
    Ok(())
}

/// A deployment that is being made.
struct Run<'a> {
    sender: &'a TxSender,
    progress: &'a mut (dyn FnMut(&DeployStep<TxReceipt>) + Send),
    steps: Vec<DeployStep<TxReceipt>>,
    /// Ether that was sent along.
    value_wei: u128,
}

impl Run<'_> {
    fn push(&mut self, step: DeployStep<TxReceipt>) {
        (self.progress)(&step);
        self.steps.push(step);
    }

    async fn send(&mut self, name: &'static str, address: Address, call: Call) -> Result<(), ChainError> {
        let value = call.value;
        let receipt = self.sender.send(&format!("{IDS}{name}/{address}"), call).await?;
        self.value_wei = self.value_wei.saturating_add(value);
        self.push(DeployStep::missing(name, address, receipt));
        Ok(())
    }

    async fn create(&mut self, contract: &Contract) -> Result<(), ChainError> {
        let (name, address) = (contract.artifact.name(), contract.address);
        if is_deployed(self.sender.rpc(), contract.artifact, address).await? {
            self.push(DeployStep::found(name, address));
            return Ok(());
        }
        match self.send(name, address, contract.creation()).await {
            Ok(()) => {}
            // Anybody can put the same contract at the same address, also between our look and our transaction.
            Err(ChainError::Reverted { .. }) if is_deployed(self.sender.rpc(), contract.artifact, address).await? => {
                self.push(DeployStep::found(name, address));
                return Ok(());
            }
            Err(refused @ ChainError::Reverted { .. }) => {
                self.sender.estimate(&contract.direct_creation()).await?;
                return Err(refused);
            }
            Err(error) => return Err(error),
        }
        match is_deployed(self.sender.rpc(), contract.artifact, address).await? {
            true => Ok(()),
            false => {
                Err(ChainError::ContractAbsent { contract: name, address, chain_id: self.sender.rpc().chain_id() })
            }
        }
    }

    async fn fill(&mut self, gnt: Address, faucet: Address, terms: &FaucetTerms) -> Result<(), ChainError> {
        match lacking(self.sender.rpc(), gnt, faucet, terms).await? {
            None => self.push(DeployStep::found(FILL, faucet)),
            Some(amount) => self.send(FILL, faucet, fill(gnt, faucet, amount)).await?,
        }
        Ok(())
    }
}

/// What a faucet gets: nothing while it can give, else what makes it full.
async fn lacking(rpc: &Rpc, gnt: Address, faucet: Address, terms: &FaucetTerms) -> Result<Option<Wei>, ChainError> {
    let held = match rpc.read(gnt, gnt::balanceOfCall { holder: faucet }).await? {
        Simulated::Done(held) => crate::abi::wei(held),
        // No token yet: a plan looks before anything is there.
        Simulated::Reverted(_) => Wei::ZERO,
    };
    Ok((held < terms.drip).then(|| terms.fill.checked_sub(held).unwrap_or(Wei::ZERO)))
}

fn fill(gnt: Address, faucet: Address, amount: Wei) -> Call {
    let transfer = gnt::transferCall { to: faucet, value: U256::from(amount.0) };
    Call::contract(format!("fill the faucet with {amount}"), gnt, transfer.abi_encode())
}
