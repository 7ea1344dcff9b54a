//! What a block explorer asks for before it believes that a contract's sources are these.

use super::{DeployOptions, Layout};
use crate::abi::Artifact;
use crate::error::ChainError;
use alloy::primitives::{Address, Bytes};
use serde_json::{Map, Value, json};

/// One contract as an explorer verifies it, by standard JSON input.
#[derive(Clone, Debug, PartialEq)]
pub struct Verification {
    /// The contract's name.
    pub contract: &'static str,
    /// Where it is.
    pub address: Address,
    /// The file and the contract in it: `src/GNT.sol:GNT`.
    pub target: String,
    /// The compiler, as explorers list it: `v0.8.37+commit.f401782d`.
    pub compiler_version: String,
    /// What followed the creation code, ABI-encoded.
    pub constructor_arguments: Bytes,
    /// All that the compiler reads. It makes the same bytecode of it.
    pub standard_input: Value,
}

/// What verifies the contracts that this deployer has with these options on a chain. Asks nobody.
///
/// Errors: `BadRequest`, `Artifact`.
pub fn verifications(
    deployer: Address,
    chain_id: u64,
    options: &DeployOptions,
) -> Result<Vec<Verification>, ChainError> {
    let layout = Layout::new(deployer, chain_id, options)?;
    let verification = |contract: &crate::create2::Contract| {
        let artifact = Built::read(contract.artifact)?;
        Ok(Verification {
            contract: contract.artifact.name(),
            address: contract.address,
            target: format!("{}:{}", artifact.text("compilationTarget")?, contract.artifact.name()),
            compiler_version: format!("v{}", artifact.text("compilerVersion")?),
            constructor_arguments: contract.arguments.clone(),
            standard_input: artifact.standard_input()?,
        })
    };
    layout.contracts.iter().map(verification).collect()
}

/// A contract's artifact, read.
struct Built {
    artifact: Artifact,
    json: Value,
}

impl Built {
    fn read(artifact: Artifact) -> Result<Built, ChainError> {
        let broken = |reason: String| ChainError::Artifact { contract: artifact.name(), reason };
        let json = serde_json::from_str(artifact.json()).map_err(|e| broken(e.to_string()))?;
        Ok(Built { artifact, json })
    }

    fn lacks(&self, what: &str) -> ChainError {
        ChainError::Artifact { contract: self.artifact.name(), reason: format!("it has no `{what}`") }
    }

    fn text(&self, field: &str) -> Result<&str, ChainError> {
        self.json.get(field).and_then(Value::as_str).ok_or_else(|| self.lacks(field))
    }

    /// The sources of all contracts are kept once; here are those of this one.
    fn standard_input(&self) -> Result<Value, ChainError> {
        let all: Value = serde_json::from_str(include_str!("../../../../contracts/artifacts/sources.json"))
            .map_err(|e| ChainError::Artifact { contract: self.artifact.name(), reason: e.to_string() })?;
        let mut sources = Map::new();
        for path in self.json.get("sources").and_then(Value::as_array).ok_or_else(|| self.lacks("sources"))? {
            let path = path.as_str().ok_or_else(|| self.lacks("sources"))?;
            let content = all.get(path).ok_or_else(|| self.lacks(path))?;
            sources.insert(path.to_owned(), json!({ "content": content }));
        }
        let settings = self.json.get("settings").ok_or_else(|| self.lacks("settings"))?;
        Ok(json!({ "language": "Solidity", "sources": sources, "settings": settings }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::{ConcentTerms, FaucetTerms};
    use alloy::sol_types::SolValue;

    #[test]
    fn has_everything_that_an_explorer_asks_for() {
        let deployer = Address::repeat_byte(7);
        let concent = Some(ConcentTerms::new(vec![Address::repeat_byte(2), Address::repeat_byte(1)], 2, deployer));
        let faucet = Some(FaucetTerms::default());
        let options = DeployOptions { faucet, concent, ..DeployOptions::default() };
        let all = verifications(deployer, 5, &options).unwrap();
        let names: Vec<&str> = all.iter().map(|one| one.target.as_str()).collect();
        let expected = ["GNT", "PaymentChannels", "AppRegistry", "ConcentDeposit", "Faucet"];
        assert_eq!(names, expected.map(|name| format!("src/{name}.sol:{name}")));
        assert_eq!(all[0].constructor_arguments, deployer.abi_encode());
        assert_eq!(all[1].constructor_arguments, (all[0].address, 86_400u32).abi_encode());
        // Ten terms of a word each, where the keys begin, the threshold, the keys in ascending order.
        let concent = &all[3].constructor_arguments;
        assert_eq!(concent.len(), 15 * 32);
        assert_eq!(concent[13 * 32..], *[Address::repeat_byte(1), Address::repeat_byte(2)].abi_encode());
        for one in all {
            assert!(one.compiler_version.starts_with("v0.8."), "{}", one.compiler_version);
            let own = &one.standard_input["sources"][format!("src/{}.sol", one.contract)]["content"];
            assert!(own.as_str().unwrap().contains(&format!("contract {}", one.contract)));
            assert_eq!(one.standard_input["settings"]["metadata"]["bytecodeHash"], "none");
        }
    }

    #[test]
    fn refuses_another_gnt_where_gnt_has_a_price() {
        let refused = verifications(Address::ZERO, 1, &DeployOptions::default()).unwrap_err();
        assert!(refused.to_string().contains("--token"), "{refused}");
        let token = Some(Address::repeat_byte(1));
        let taken = verifications(Address::ZERO, 1, &DeployOptions { token, ..DeployOptions::default() }).unwrap();
        let names: Vec<&str> = taken.iter().map(|one| one.contract).collect();
        assert_eq!(names, ["PaymentChannels", "AppRegistry"], "the token is not ours");
    }
}
