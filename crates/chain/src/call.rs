//! One transaction before and after: what to call, what it would cost, what it did.

use alloy::primitives::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};

/// A transaction to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What it does, for people: `open channel to 0x...`.
    pub label: String,
    /// The contract called; `None` creates one.
    pub to: Option<Address>,
    /// The call's bytes, or the creation code with its arguments.
    pub input: Bytes,
    /// Ether that goes with it, in wei.
    pub value: u128,
}

impl Call {
    /// A call of a contract, with no ether.
    pub fn contract(label: impl Into<String>, to: Address, input: Vec<u8>) -> Call {
        Call { label: label.into(), to: Some(to), input: input.into(), value: 0 }
    }
}

/// What a transaction would cost, from the chain's own answer; nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// What it does.
    pub label: String,
    /// Gas it would use now.
    pub gas: u64,
    /// The fee per gas of the next block, tip included, in wei of ether.
    pub gas_price_wei: u64,
    /// What it would cost at that price, in wei of ether.
    #[serde(with = "decimal")]
    pub cost_wei: u128,
    /// The most it can cost: the gas limit at the highest fee per gas that would be signed, in wei of ether.
    #[serde(with = "decimal")]
    pub cost_max_wei: u128,
}

/// What a transaction did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxReceipt {
    /// The transaction's hash.
    pub tx: B256,
    /// The block it is in.
    pub block: u64,
    /// That block's hash.
    pub block_hash: B256,
    /// Gas used: 21,000, calldata and refunds included.
    pub gas_used: u64,
    /// What was paid per gas, in wei of ether.
    pub gas_price_wei: u64,
    /// The contract it created, if it was to create one.
    pub created: Option<Address>,
    /// What the contracts logged.
    pub logs: Vec<LogRecord>,
}

/// One entry of a transaction's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRecord {
    /// The contract that logged it.
    pub address: Address,
    /// The event's hash and its indexed fields.
    pub topics: Vec<B256>,
    /// The other fields.
    pub data: Bytes,
}

impl TxReceipt {
    /// What it cost, in wei of ether.
    pub fn cost_wei(&self) -> u128 {
        u128::from(self.gas_used).saturating_mul(u128::from(self.gas_price_wei))
    }
}

/// Amounts of ether as a decimal string, because a number of JSON has 53 bits.
pub(crate) mod decimal {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(amount: &u128, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(amount)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<u128, D::Error> {
        let text = String::deserialize(d)?;
        text.parse().map_err(|_| serde::de::Error::custom(format!("`{text}` is not a decimal number of wei")))
    }
}
