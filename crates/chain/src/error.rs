//! What can go wrong between this machine and a contract, in words that say what to try next.

use alloy::primitives::{Address, B256};
use golem_protocol::Wei;

/// An amount of ether as people read it.
pub(crate) fn eth(wei: u128) -> String {
    // The same 18 decimals as GNT, so the same way to write them.
    format!("{} ETH", Wei(wei).to_gnt_string())
}

/// Why the chain was not read or not changed.
///
/// Unless [`ChainError::may_have_left`], nothing has left this machine that could still be mined.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// No answer after every retry.
    #[error(
        "no answer from the Ethereum RPC at {url} after {attempts} attempts: {reason}; \
         check the address and that the node behind it runs"
    )]
    RpcUnreachable {
        /// The RPC's address, without path and credentials.
        url: String,
        /// How often it was tried.
        attempts: u32,
        /// What the last attempt ended with.
        reason: String,
    },
    /// Not an address of an RPC.
    #[error("`{url}` is not the address of an Ethereum RPC ({reason}); write one such as http://127.0.0.1:8545")]
    BadUrl {
        /// What was given, without path and credentials where it has them.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The RPC answered that it will not.
    #[error("the Ethereum RPC refused {method} (code {code}): {message}")]
    RpcRefused {
        /// Which call.
        method: String,
        /// The JSON-RPC error code.
        code: i64,
        /// Its message.
        message: String,
    },
    /// The RPC answered with something that is not an answer.
    #[error("the Ethereum RPC gave an answer to {method} that makes no sense: {reason}; is {url} an Ethereum RPC?")]
    BadAnswer {
        /// The RPC's address.
        url: String,
        /// Which call.
        method: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The RPC serves another chain.
    #[error("{url} serves chain {got}, and chain {expected} was expected; give the RPC of chain {expected}")]
    WrongChain {
        /// The RPC's address.
        url: String,
        /// The id it has.
        got: u64,
        /// The id it should have.
        expected: u64,
    },
    /// The chain is younger than the deployment that should be on it.
    #[error(
        "chain {chain_id} is at block {head}, and the contracts were deployed in block {deployed}: \
         it was reset since; deploy again (`golem deploy`) or use the deployment of this chain"
    )]
    ChainReset {
        /// The chain's id.
        chain_id: u64,
        /// Its newest block.
        head: u64,
        /// The block in which the contracts are said to be.
        deployed: u64,
    },
    /// There is no code at a contract's address.
    #[error(
        "there is no contract at {address} on chain {chain_id}, where {contract} should be; \
         check the deployment file, or deploy (`golem deploy`)"
    )]
    ContractAbsent {
        /// Which contract.
        contract: &'static str,
        /// Where it should be.
        address: Address,
        /// On which chain.
        chain_id: u64,
    },
    /// There is a contract, and it is not the one that this program knows.
    #[error(
        "the contract at {address} is not the {contract} expected: its {what} is {got}, expected {expected}; \
         use the deployment file that belongs to it, or deploy again (`golem deploy`)"
    )]
    ContractDiffers {
        /// Which contract.
        contract: &'static str,
        /// Where it is.
        address: Address,
        /// What was compared.
        what: &'static str,
        /// What it has.
        got: String,
        /// What it should have.
        expected: String,
    },
    /// The account cannot pay for gas.
    #[error("{address} has {} and {label} can cost {}; send it at least {}", eth(*.balance), eth(*.needed), eth(.needed.saturating_sub(*.balance)))]
    NoGas {
        /// What was to be sent.
        label: String,
        /// Whose balance it is.
        address: Address,
        /// What it has, in wei of ether.
        balance: u128,
        /// What it needs, in wei of ether.
        needed: u128,
    },
    /// The account has too few tokens.
    #[error(
        "{address} has {balance} and {needed} is needed; get some from the faucet of a test network, or have it sent"
    )]
    NotEnoughGnt {
        /// Whose balance it is.
        address: Address,
        /// What it has.
        balance: Wei,
        /// What it needs.
        needed: Wei,
    },
    /// A contract refused.
    #[error("{label} was refused by the contract: {reason}{}", .tx.map(|tx| format!(" (transaction {tx})")).unwrap_or_default())]
    Reverted {
        /// What was sent or about to be sent.
        label: String,
        /// The transaction, where one was mined; otherwise nothing was sent.
        tx: Option<B256>,
        /// The contract's words.
        reason: Revert,
    },
    /// The fee that the chain asks for is above the limit set.
    #[error(
        "the chain asks for {asked} wei per gas and the limit is {allowed}; \
         wait until the chain is less busy, or raise the fee limit"
    )]
    FeeAboveLimit {
        /// The fee per gas that would be needed.
        asked: u64,
        /// The highest allowed.
        allowed: u64,
    },
    /// One transaction would need more gas than a block's rules allow.
    #[error("{label} needs {needed} gas, more than the {allowed} of one transaction; send it in smaller parts")]
    GasAboveLimit {
        /// What was to be sent.
        label: String,
        /// What it needs.
        needed: u64,
        /// The most that a transaction may use.
        allowed: u64,
    },
    /// A transaction was sent and is not confirmed yet.
    #[error(
        "{label} (transaction {tx}, nonce {nonce}) is not confirmed after {waited_s} s{}; \
         it may still be: it is kept, and taken up again when the same is asked again or at the next start",
        .obstacle.as_ref().map(|obstacle| format!(" ({obstacle})")).unwrap_or_default()
    )]
    Unconfirmed {
        /// What was sent.
        label: String,
        /// The newest transaction sent for it.
        tx: B256,
        /// Its nonce.
        nonce: u64,
        /// How long it was waited for.
        waited_s: u64,
        /// What stood in its way at the last look, where anything did.
        obstacle: Option<Box<ChainError>>,
    },
    /// It cannot be mined before others of the same key that nobody has.
    #[error("{missing} transactions of {address} from nonce {first} on have to be mined before, and no node has them")]
    NonceGap {
        /// Whose nonces.
        address: Address,
        /// The lowest one that is missing.
        first: u64,
        /// How many are.
        missing: u64,
    },
    /// Other transactions of the same key kept taking the nonce.
    #[error(
        "{label} was not sent: transactions from elsewhere took {attempts} nonces of {address} in a row; \
         do not use this key in another program at the same time"
    )]
    NonceTaken {
        /// What was to be sent.
        label: String,
        /// Whose nonces.
        address: Address,
        /// How many nonces were tried.
        attempts: u32,
    },
    /// The key has sent transactions that no record of ours tells of, and they are not mined.
    #[error(
        "{address} has {count} transaction{} under way that this program has no record of, not mined after {waited_s} s; \
         what they do cannot be known before they are mined: run the same again then, or raise their fee where they \
         were sent", if *.count == 1 { "" } else { "s" }
    )]
    UnderWay {
        /// Whose they are.
        address: Address,
        /// How many.
        count: u64,
        /// How long they were waited for.
        waited_s: u64,
    },
    /// The proxy that puts contracts at the same address on every chain is not there, and cannot be put there.
    #[error(
        "chain {chain_id} has no deployment proxy at {proxy}, and it cannot be put there: {reason}; ask those who run \
         the chain to put it there, or try again when fees are lower if they are the reason"
    )]
    NoDeploymentProxy {
        /// The chain's id.
        chain_id: u64,
        /// Where it should be.
        proxy: Address,
        /// What stands against it.
        reason: String,
    },
    /// The record of a transaction could not be written or read. Nothing was sent.
    #[error("the record of a transaction could not be kept, so it was not sent: {0}")]
    Journal(#[from] crate::journal::JournalError),
    /// A record of another request has the same name.
    #[error("`{id}` names a transaction that is under way ({under_way}), and another was asked for under it ({asked})")]
    IdInUse {
        /// The name.
        id: String,
        /// What is under way.
        under_way: String,
        /// What was asked for.
        asked: String,
    },
    /// Not a private key.
    #[error("the private key is not a secp256k1 key (32 bytes, not zero, below the group's order)")]
    BadKey,
    /// A deployment file that cannot be read or written.
    #[error("the deployment file {path} cannot be used: {reason}; write it anew with `golem deploy`")]
    DeploymentFile {
        /// Where it is.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// Nothing to do: a request that names nothing.
    #[error("{0}")]
    BadRequest(&'static str),
    /// There is no faucet in this deployment.
    #[error("chain {chain_id} has no faucet in its deployment; have GNT sent to {address}")]
    NoFaucet {
        /// The chain's id.
        chain_id: u64,
        /// Who asked.
        address: Address,
    },
    /// The channel moved on while the request was prepared, or the voucher is not for the one who asks.
    #[error("the voucher is not one that this account can close with: {0}")]
    Voucher(String),
    /// The artifact that the program carries cannot be used.
    #[error("the built-in artifact of {contract} cannot be used: {reason}; build the program from a clean checkout")]
    Artifact {
        /// Which contract.
        contract: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The task that was asked has stopped.
    #[error("the chain follower has stopped")]
    Stopped,
}

impl ChainError {
    /// Whether the same request can be made again without harm and may succeed then.
    pub fn is_retry_safe(&self) -> bool {
        match self {
            ChainError::RpcUnreachable { .. }
            | ChainError::FeeAboveLimit { .. }
            | ChainError::Unconfirmed { .. }
            | ChainError::UnderWay { .. }
            | ChainError::NonceTaken { .. }
            | ChainError::NonceGap { .. }
            | ChainError::NoGas { .. }
            | ChainError::NotEnoughGnt { .. } => true,
            ChainError::BadUrl { .. }
            | ChainError::RpcRefused { .. }
            | ChainError::BadAnswer { .. }
            | ChainError::WrongChain { .. }
            | ChainError::ChainReset { .. }
            | ChainError::ContractAbsent { .. }
            | ChainError::ContractDiffers { .. }
            | ChainError::Reverted { .. }
            | ChainError::GasAboveLimit { .. }
            | ChainError::NoDeploymentProxy { .. }
            | ChainError::Journal(_)
            | ChainError::IdInUse { .. }
            | ChainError::BadKey
            | ChainError::DeploymentFile { .. }
            | ChainError::BadRequest(_)
            | ChainError::NoFaucet { .. }
            | ChainError::Voucher(_)
            | ChainError::Artifact { .. }
            | ChainError::Stopped => false,
        }
    }

    /// Whether a transaction may be on its way in spite of the error. It is in the journal then.
    pub fn may_have_left(&self) -> bool {
        matches!(self, ChainError::Unconfirmed { .. })
    }
}

/// What a contract said when it refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Revert {
    /// A named error of one of our contracts, with its values.
    #[error("{0}")]
    Custom(String),
    /// A text.
    #[error("\"{0}\"")]
    Message(String),
    /// An arithmetic or memory fault of Solidity.
    #[error("it stopped with {0}")]
    Panic(String),
    /// Bytes that none of our contracts' errors explains.
    #[error("for a reason that this program does not know (0x{0})")]
    Unknown(String),
    /// Nothing was said: out of gas, or no such function.
    #[error("without a reason (out of gas, or a function that the contract does not have)")]
    Silent,
}
