//! Why a call of `ConcentDeposit` reverts.

use golem_protocol::{Address, B256, ChainTime, U256, Wei};

/// The contract's errors, by their names and with their values, and those of the token under it. Nothing has changed
/// where one is returned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConcentError {
    /// Somebody else than the token reported a transfer.
    #[error("{got} reports a transfer; only the token {allowed} can")]
    NotTheToken {
        /// Who.
        got: Address,
        /// Who could.
        allowed: Address,
    },
    /// Somebody deposits for another, which would lock its account.
    #[error("{operator} moved the tokens of {owner}; only an owner deposits for itself")]
    NotTheOwner {
        /// Who moved them.
        operator: Address,
        /// Whose they are.
        owner: Address,
    },
    /// A deposit came with bytes.
    #[error("a deposit comes with {0} bytes, and should with none")]
    BadLength(usize),
    /// An amount that is zero or too much.
    #[error("an amount of {got}, where up to {allowed} and more than nothing is in order")]
    BadAmount {
        /// The amount.
        got: Wei,
        /// The most.
        allowed: Wei,
    },
    /// A deposit above the most that one account can have free.
    #[error("with the deposit {} wei would be free, above {allowed}", .got)]
    DepositTooLarge {
        /// What would be free, in wei; more than a [`Wei`] may hold.
        got: u128,
        /// The most.
        allowed: Wei,
    },
    /// Not enough is free.
    #[error("{account} has {got} free, and {needed} is needed")]
    TooLittle {
        /// Of whom.
        account: Address,
        /// What is free.
        got: Wei,
        /// What is needed.
        needed: Wei,
    },
    /// Nobody asked for the way out.
    #[error("the account of {0} is locked; unlock it first")]
    Locked(Address),
    /// The way out is open already.
    #[error("the account is unlocked already, for {}", .0.0)]
    AlreadyUnlocked(ChainTime),
    /// Its time has not come.
    #[error("possible from {} on, and it is {}", due.0, now.0)]
    TooEarly {
        /// From when on.
        due: ChainTime,
        /// The chain's time.
        now: ChainTime,
    },
    /// Its time is over.
    #[error("possible before {}, and it is {}", due.0, now.0)]
    TooLate {
        /// Until when.
        due: ChainTime,
        /// The chain's time.
        now: ChainTime,
    },
    /// A promise to another.
    #[error("{got} claims a promise to {allowed}")]
    NotTheProvider {
        /// Who claims.
        got: Address,
        /// Who could.
        allowed: Address,
    },
    /// A promise to its own requestor or to nobody.
    #[error("{0} cannot be the provider of this promise")]
    BadProvider(Address),
    /// Malformed, or by another than it should be.
    #[error("the signature is by {0} (by nobody, if this is zero), who is not the one asked for")]
    BadSignature(Address),
    /// The number served before.
    #[error("promise {nonce} of {requestor} to {provider} is used up")]
    UsedUp {
        /// Who promised.
        requestor: Address,
        /// To whom.
        provider: Address,
        /// The number.
        nonce: U256,
    },
    /// There is none, or it is over.
    #[error("there is no claim of promise {promise} of {requestor}")]
    NoClaim {
        /// Who promised.
        requestor: Address,
        /// The promise's digest.
        promise: B256,
    },
    /// Only a claim that the requestor contested can be ruled against.
    #[error("the claim of promise {promise} of {requestor} is not contested, and so cannot be lost")]
    NotContested {
        /// Who promised.
        requestor: Address,
        /// The promise's digest.
        promise: B256,
    },
    /// It was contested before.
    #[error("the claim is contested already, until {}", .0.0)]
    AlreadyContested(ChainTime),
    /// Rulings have moved what they may.
    #[error("rulings moved {} wei today, {asked} wei more would pass {allowed}", .moved)]
    DailyLimitReached {
        /// What they moved, in wei; each rounded up, so that it may be more than a [`Wei`] holds.
        moved: u128,
        /// What this one asks for, in wei.
        asked: u128,
        /// The most.
        allowed: Wei,
    },
    /// Not enough signatures, or others among them.
    #[error("{got} signatures of Concent's keys in ascending order, where {needed} are needed")]
    TooFewSignatures {
        /// How many are good.
        got: u64,
        /// How many have to be.
        needed: u64,
    },
    /// No such keys are announced.
    #[error("these keys are not announced")]
    NotProposed,
    /// Keys that cannot be.
    #[error(
        "{keys} keys with a threshold of {threshold}: 1 to 16 in ascending order, and a threshold up to their number"
    )]
    BadKeys {
        /// How many keys.
        keys: usize,
        /// How many of them make a ruling.
        threshold: u64,
    },
    /// A number that does not fit its place: of times, rulings end with the year 2149, all else in 36812.
    #[error("{value} does not fit {bits} bits")]
    TooLargeFor {
        /// The place.
        bits: u8,
        /// The number.
        value: u128,
    },
    /// The token: not allowed to take as much.
    #[error("the contract may take {allowance} wei, and {needed} are needed")]
    AllowanceTooLow {
        /// What it may take.
        allowance: u128,
        /// What it would.
        needed: u128,
    },
    /// The token: not held.
    #[error("{holder} holds {held} wei, and {needed} are needed")]
    BalanceTooLow {
        /// Who.
        holder: Address,
        /// What it holds.
        held: u128,
        /// What it needs.
        needed: u128,
    },
}
