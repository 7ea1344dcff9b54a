use super::*;
use alloy::primitives::{address, b256, keccak256};
use serde_json::Value;
use std::collections::BTreeSet;

/// The type of a parameter as a signature spells it.
fn spelled(parameter: &Value) -> String {
    let kind = parameter["type"].as_str().unwrap();
    match kind.strip_prefix("tuple") {
        Some(array) => {
            let parts: Vec<String> = parameter["components"].as_array().unwrap().iter().map(spelled).collect();
            format!("({}){array}", parts.join(","))
        }
        None => kind.to_owned(),
    }
}

/// What a parameter list is hashed to, for every entry of a kind in the ABI.
fn hashes(artifact: Artifact, kind: &str) -> BTreeSet<B256> {
    let json: Value = serde_json::from_str(artifact.json()).unwrap();
    let entries = json["abi"].as_array().unwrap().iter().filter(|entry| entry["type"] == kind);
    let signature = |entry: &Value| {
        let inputs: Vec<String> = entry["inputs"].as_array().unwrap().iter().map(spelled).collect();
        format!("{}({})", entry["name"].as_str().unwrap(), inputs.join(","))
    };
    entries.map(|entry| keccak256(signature(entry))).collect()
}

fn declares_only_what_is_there(artifact: Artifact, kind: &str, declared: impl IntoIterator<Item = [u8; 4]>) {
    let there: BTreeSet<[u8; 4]> =
        hashes(artifact, kind).iter().map(|hash| [hash[0], hash[1], hash[2], hash[3]]).collect();
    for selector in declared {
        assert!(there.contains(&selector), "{artifact:?} has no {kind} {}", alloy::primitives::hex::encode(selector));
    }
}

#[test]
fn declarations_are_those_of_the_artifacts() {
    declares_only_what_is_there(Artifact::Gnt, "function", gnt::GntCalls::SELECTORS.iter().copied());
    declares_only_what_is_there(Artifact::Gnt, "error", gnt::GntErrors::SELECTORS.iter().copied());
    declares_only_what_is_there(Artifact::Faucet, "function", faucet::FaucetCalls::SELECTORS.iter().copied());
    declares_only_what_is_there(Artifact::Faucet, "error", faucet::FaucetErrors::SELECTORS.iter().copied());
    declares_only_what_is_there(
        Artifact::AppRegistry,
        "function",
        registry::AppRegistryCalls::SELECTORS.iter().copied(),
    );
    declares_only_what_is_there(Artifact::AppRegistry, "error", registry::AppRegistryErrors::SELECTORS.iter().copied());
    let calls = concent::ConcentDepositCalls::SELECTORS;
    declares_only_what_is_there(Artifact::ConcentDeposit, "function", calls.iter().copied());
    let errors = concent::ConcentDepositErrors::SELECTORS;
    declares_only_what_is_there(Artifact::ConcentDeposit, "error", errors.iter().copied());
    let calls = channels::PaymentChannelsCalls::SELECTORS.iter().copied();
    declares_only_what_is_there(Artifact::PaymentChannels, "function", calls);
    let errors = channels::PaymentChannelsErrors::SELECTORS.iter().copied();
    declares_only_what_is_there(Artifact::PaymentChannels, "error", errors);
    let events = hashes(Artifact::PaymentChannels, "event");
    for topic in channels::PaymentChannelsEvents::SELECTORS {
        assert!(events.contains(&B256::from(*topic)), "no event {}", B256::from(*topic));
    }
}

#[test]
fn every_error_of_the_contracts_has_words() {
    let declared: BTreeSet<[u8; 4]> = channels::PaymentChannelsErrors::SELECTORS
        .iter()
        .chain(gnt::GntErrors::SELECTORS)
        .chain(faucet::FaucetErrors::SELECTORS)
        .chain(concent::ConcentDepositErrors::SELECTORS)
        .chain(registry::AppRegistryErrors::SELECTORS)
        .copied()
        .collect();
    for artifact in [Artifact::PaymentChannels, Artifact::Faucet, Artifact::ConcentDeposit, Artifact::AppRegistry] {
        let json: Value = serde_json::from_str(artifact.json()).unwrap();
        for entry in json["abi"].as_array().unwrap().iter().filter(|entry| entry["type"] == "error") {
            let name = entry["name"].as_str().unwrap();
            // Of libraries, and out of reach: what they guard is never called with such values.
            if matches!(name, "InvalidShortString" | "StringTooLong" | "SafeCastOverflowedUintDowncast") {
                continue;
            }
            let inputs: Vec<String> = entry["inputs"].as_array().unwrap().iter().map(spelled).collect();
            let hash = keccak256(format!("{name}({})", inputs.join(",")));
            let selector = [hash[0], hash[1], hash[2], hash[3]];
            let foreign = name.starts_with("SafeERC20");
            assert!(foreign || declared.contains(&selector), "{artifact:?} has the error {name}, which has no words");
        }
    }
}

#[test]
fn carries_code_for_every_contract() {
    let all =
        [Artifact::Gnt, Artifact::Faucet, Artifact::PaymentChannels, Artifact::AppRegistry, Artifact::ConcentDeposit];
    for artifact in all {
        assert!(artifact.bytecode().unwrap().len() > 1_000, "{artifact:?}");
    }
}

#[test]
fn puts_an_amount_and_an_address_in_one_word() {
    let payee = address!("00000000000000000000000000000000000000ff");
    let word = amount_word(Wei(0x0102), payee);
    assert_eq!(word, b256!("00000000000000000000010200000000000000000000000000000000000000ff"));
    assert_eq!(split_amount_word(&word), (Wei(0x0102), payee));
    assert_eq!(split_amount_word(&amount_word(Wei::MAX, payee)), (Wei::MAX, payee));
}

#[test]
fn says_what_a_contract_said() {
    let early = channels::TooEarly { closeAt: 50, currentTime: U256::from(7) }.abi_encode();
    assert_eq!(
        decode_revert(&early),
        Revert::Custom("TooEarly: it can be finalized at chain time 50, and it is 7 now".into())
    );
    let used = concent::UsedUp { requestor: Address::ZERO, provider: Address::ZERO, nonce: U256::from(7) };
    let Revert::Custom(words) = decode_revert(&used.abi_encode()) else { panic!() };
    assert!(words.starts_with("UsedUp: promise 7 of 0x"), "{words}");
    let unpublished = registry::ZeroDigest {}.abi_encode();
    let words = "ZeroDigest: the digest zero names no module and no metadata".to_owned();
    assert_eq!(decode_revert(&unpublished), Revert::Custom(words));
    let text = Solidity::Error { message: "no\nway".into() }.abi_encode();
    assert_eq!(decode_revert(&text), Revert::Message("noway".into()));
    let panic = Solidity::Panic { code: U256::from(0x11) }.abi_encode();
    assert_eq!(decode_revert(&panic), Revert::Panic("panic code 0x11".into()));
    assert_eq!(decode_revert(&[]), Revert::Silent);
    assert_eq!(decode_revert(&[1, 2, 3, 4]), Revert::Unknown("01020304".into()));
}
