//! Contracts at addresses that are the same on every chain (EIP-1014), by a proxy that is the same on every chain.
//!
//! ```text
//! address = keccak256(0xff | proxy | salt | keccak256(creation code | arguments)), the last 20 bytes
//! ```
//!
//! Source: the deterministic deployment proxy that most chains and tools know. It is on a chain already, or anybody puts
//! it there with one transaction that was signed, for all chains and by a key nobody has, before chain ids were in
//! signatures.

use crate::abi::Artifact;
use crate::call::Call;
use crate::error::ChainError;
use alloy::primitives::{Address, B256, Bytes, address, b256, bytes};

/// The proxy: takes a salt of 32 bytes and creation code, creates the contract, answers with its address.
pub const DEPLOYMENT_PROXY: Address = address!("4e59b44847b379578588920cA78FbF26c0B4956C");
/// keccak256("golem/1"). Another salt is another set of addresses, so it changes only when all contracts are to move.
pub const DEPLOYMENT_SALT: B256 = b256!("76e5db17faa917aece28632af227a7c468042e162fd9f388207d70d41af80240");

/// The code of the proxy.
pub(crate) static PROXY_CODE: Bytes = bytes!(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182"
    "fd5b8082525050506014600cf3"
);
/// Who signed the transaction that creates the proxy; the signature was made up, so that nobody has the key.
pub(crate) const PROXY_SIGNER: Address = address!("3fab184622dc19b6109349b94811493bf2a45362");
/// That transaction: legacy, nonce 0, without a chain id.
pub(crate) static PROXY_TX: Bytes = bytes!(
    "f8a58085174876e800830186a08080b853604580600e600039806000f350fe7fffffffffffffffffffffffffffffffffffffffffffffffff"
    "ffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf31ba022222222222222222222"
    "22222222222222222222222222222222222222222222a02222222222222222222222222222222222222222222222222222222222222222"
);
/// What it offers per gas, in wei of ether: 100 gwei. On a chain that asks for more it cannot be mined.
pub(crate) const PROXY_GAS_PRICE: u64 = 100_000_000_000;
/// The most gas it may use.
pub(crate) const PROXY_GAS_LIMIT: u64 = 100_000;
/// What its signer has to hold, in wei of ether: 0.01 ether. What is not used stays there, and is lost.
pub(crate) const PROXY_FUNDS: u128 = PROXY_GAS_PRICE as u128 * PROXY_GAS_LIMIT as u128;

/// A contract of ours with its arguments, and so with its address.
#[derive(Clone, Debug)]
pub(crate) struct Contract {
    pub(crate) artifact: Artifact,
    /// ABI-encoded, as they follow the creation code.
    pub(crate) arguments: Bytes,
    pub(crate) address: Address,
    creation_code: Bytes,
}

impl Contract {
    pub(crate) fn new(artifact: Artifact, arguments: Vec<u8>) -> Result<Contract, ChainError> {
        let creation_code: Bytes = [artifact.bytecode()?.as_ref(), &arguments].concat().into();
        let address = DEPLOYMENT_PROXY.create2_from_code(DEPLOYMENT_SALT, &creation_code);
        Ok(Contract { artifact, arguments: arguments.into(), address, creation_code })
    }

    fn label(&self) -> String {
        format!("deploy {}", self.artifact.name())
    }

    /// The transaction that creates it.
    pub(crate) fn creation(&self) -> Call {
        let input = [DEPLOYMENT_SALT.as_slice(), &self.creation_code].concat();
        Call::contract(self.label(), DEPLOYMENT_PROXY, input)
    }

    /// The same without the proxy, at another address: never sent, but the proxy swallows a constructor's reasons.
    pub(crate) fn direct_creation(&self) -> Call {
        Call { label: self.label(), to: None, input: self.creation_code.clone(), value: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::consensus::{Transaction, TxEnvelope, transaction::SignerRecoverable};
    use alloy::eips::eip2718::Decodable2718;
    use alloy::primitives::keccak256;
    use alloy::sol_types::SolValue;

    #[test]
    fn has_the_salt_that_is_documented() {
        assert_eq!(DEPLOYMENT_SALT, keccak256("golem/1"));
    }

    #[test]
    fn carries_the_transaction_that_makes_the_proxy_and_nothing_else() {
        let mut rest = PROXY_TX.as_ref();
        let tx = TxEnvelope::decode_2718(&mut rest).unwrap();
        assert!(rest.is_empty());
        assert_eq!((tx.chain_id(), tx.nonce(), tx.value().is_zero()), (None, 0, true));
        assert_eq!(tx.gas_price(), Some(PROXY_GAS_PRICE.into()));
        assert_eq!((tx.gas_limit(), PROXY_FUNDS), (PROXY_GAS_LIMIT, 10u128.pow(16)));
        assert_eq!(tx.recover_signer().unwrap(), PROXY_SIGNER);
        assert!(tx.is_create());
        assert_eq!(PROXY_SIGNER.create(0), DEPLOYMENT_PROXY);
        // Its creation code copies all that follows the first 14 bytes.
        assert_eq!(tx.input().get(14..), Some(PROXY_CODE.as_ref()));
    }

    #[test]
    fn gives_the_same_address_for_the_same_arguments_only() {
        let gnt = |holder: u8| Contract::new(Artifact::Gnt, Address::repeat_byte(holder).abi_encode()).unwrap().address;
        assert_eq!(gnt(1), gnt(1));
        assert_ne!(gnt(1), gnt(2));
        // The example of EIP-1014, to pin the formula.
        let example = Address::ZERO.create2_from_code(B256::ZERO, [0u8]);
        assert_eq!(example, address!("4D1A2e2bB4F88F0250f26Ffff098B0b30B26BF38"));
    }
}
