//! Our digests and signatures against those of a third library: see `tests/vectors` at the root.

use super::strategies::{DECISIONS, FAILURES};
use super::*;
use crate::signed::{CHANNELS_DOMAIN, CONCENT_DOMAIN, DOCUMENT_DOMAIN, DOMAIN_VERSION, domain};
use alloy_primitives::{hex, keccak256};
use serde_json::Value;

fn file(name: &str) -> Value {
    let path = format!("{}/../../tests/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap()
}

/// A number, which is a decimal string where JSON's own numbers are too small.
fn number(value: &Value) -> u128 {
    match value {
        Value::String(text) => text.parse().unwrap(),
        other => other.as_u64().unwrap() as u128,
    }
}

fn n64(message: &Value, field: &str) -> u64 {
    number(&message[field]).try_into().unwrap()
}

fn n32(message: &Value, field: &str) -> u32 {
    number(&message[field]).try_into().unwrap()
}

fn wei(message: &Value, field: &str) -> Wei {
    Wei(number(&message[field]))
}

fn b256(message: &Value, field: &str) -> B256 {
    message[field].as_str().unwrap().parse().unwrap()
}

fn u256(message: &Value, field: &str) -> U256 {
    message[field].as_str().unwrap().parse().unwrap()
}

fn address(message: &Value, field: &str) -> Address {
    message[field].as_str().unwrap().parse().unwrap()
}

fn node(message: &Value, field: &str) -> NodeId {
    NodeId(address(message, field))
}

fn bytes<const N: usize>(case: &Value, field: &str) -> [u8; N] {
    hex::decode_to_array(case[field].as_str().unwrap()).unwrap()
}

/// A document of a deal.
fn hold<T: Document<Binding = ChainRef>>(name: &str, domain_name: &'static str, read: impl Fn(&Value, &Value) -> T) {
    hold_at(name, domain_name, |chain_id, channels| ChainRef { chain_id, channels }, read);
}

/// A document that `ConcentDeposit` reads.
fn hold_for_concent<T: Document<Binding = ConcentRef>>(name: &str, read: impl Fn(&Value) -> T) {
    let at = |chain_id, concent_deposit| ConcentRef { chain_id, concent_deposit };
    hold_at(name, CONCENT_DOMAIN, at, |message, _| read(message));
}

/// Holds one document against every case: digest, recovered signer, and our own signature.
fn hold_at<T: Document>(
    name: &str,
    domain_name: &'static str,
    at: impl Fn(u64, Address) -> T::Binding,
    read: impl Fn(&Value, &Value) -> T,
) {
    let file = file(name);
    assert_eq!(keccak256(file["type"].as_str().unwrap()), b256(&file, "typeHash"));
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() >= 4, "{name}: too few cases");
    for case in cases {
        let about = format!("{name}, {}", case["name"]);
        let named = &case["domain"];
        assert_eq!((named["name"].as_str(), named["version"].as_str()), (Some(domain_name), Some(DOMAIN_VERSION)));
        let at = at(n64(named, "chainId"), address(named, "verifyingContract"));
        assert_eq!(domain(domain_name, &at).separator(), b256(case, "domainSeparator"), "{about}");

        let document = read(&case["message"], case);
        let digest = document.digest(&at);
        assert_eq!(digest, b256(case, "digest"), "{about}");
        let compact = CompactSignature(bytes::<64>(case, "compact"));
        assert_eq!(compact.recover(&digest), Ok(address(case, "signer")), "{about}");
        let key = KeySigner::from_bytes(&bytes::<32>(case, "privateKey")).unwrap();
        assert_eq!(key.address(), address(case, "signer"), "{about}");
        assert_eq!(key.sign_digest(&digest), Ok(compact), "{about}: RFC 6979 gives one signature");
        assert_eq!(document.check(), Ok(()), "{about}");
    }
}

#[test]
fn headers_are_hashed_as_by_the_third_library() {
    hold("header", DOCUMENT_DOMAIN, |m, _| Header {
        requestor: node(m, "requestor"),
        payer: address(m, "payer"),
        nonce: n64(m, "nonce"),
        module: ContentHash(b256(m, "module")),
        module_bytes: ByteCount(n64(m, "moduleBytes")),
        subtasks: n32(m, "subtasks"),
        max_price: wei(m, "maxPrice"),
        subtask_timeout_s: n32(m, "subtaskTimeout"),
        min_perf: n64(m, "minPerf"),
        pricing: [Pricing::Tender, Pricing::Metered][n64(m, "pricing") as usize],
        fuel_max: Fuel(n64(m, "fuelMax")),
        memory_max: ByteCount(n64(m, "memoryMax")),
        output_max: ByteCount(n64(m, "outputMax")),
        recheck_ppm: n32(m, "recheckPpm"),
        profile: b256(m, "profile"),
        deadline: ChainTime(n64(m, "deadline")),
        app: app(m),
    });
}

#[test]
fn offers_are_hashed_as_by_the_third_library() {
    hold("offer", DOCUMENT_DOMAIN, |m, _| Offer {
        header: b256(m, "header"),
        provider: node(m, "provider"),
        payee: address(m, "payee"),
        price: wei(m, "price"),
        performance: n64(m, "performance"),
        slots: n32(m, "slots") as u16,
        expires: ChainTime(n64(m, "expires")),
    });
}

#[test]
fn agreements_are_hashed_as_by_the_third_library() {
    hold("agreement", DOCUMENT_DOMAIN, |m, _| Agreement {
        header: b256(m, "header"),
        offer: b256(m, "offer"),
        requestor: node(m, "requestor"),
        provider: node(m, "provider"),
        payer: address(m, "payer"),
        payee: address(m, "payee"),
        epoch: n32(m, "epoch"),
        batch: n32(m, "batch"),
        price: wei(m, "price"),
        fuel_rate: n64(m, "fuelRate"),
        subtask_timeout_s: n32(m, "subtaskTimeout"),
        deadline: ChainTime(n64(m, "deadline")),
        app: app(m),
        subtasks: m["subtasks"].as_array().unwrap().iter().map(agreed).collect(),
    });
}

fn app(m: &Value) -> AppFee {
    AppFee { author: address(m, "author"), fee: wei(m, "fee") }
}

fn agreed(m: &Value) -> AgreedSubtask {
    AgreedSubtask { index: n32(m, "index"), input: ContentHash(b256(m, "input")), value: wei(m, "value") }
}

#[test]
fn cancels_are_hashed_as_by_the_third_library() {
    hold("cancel", DOCUMENT_DOMAIN, |m, _| Cancel { agreement: b256(m, "agreement"), provider: node(m, "provider") });
}

#[test]
fn reports_are_hashed_as_by_the_third_library() {
    hold("report", DOCUMENT_DOMAIN, |m, case| {
        let mut texts = case["text"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_string());
        let mut result = |m: &Value| {
            let outcome = match n32(m, "outcome") {
                0 => SubtaskOutcome::Completed {
                    output: ContentHash(b256(m, "output")),
                    output_bytes: ByteCount(n64(m, "outputBytes")),
                    fuel: Fuel(n64(m, "fuel")),
                    time_ms: 5,
                },
                _ => SubtaskOutcome::Failed {
                    kind: FAILURES[n32(m, "failure") as usize],
                    message: texts.next().unwrap(),
                },
            };
            SubtaskResult { index: n32(m, "index"), outcome }
        };
        let results = m["results"].as_array().unwrap().iter().map(&mut result).collect();
        Report { agreement: b256(m, "agreement"), provider: node(m, "provider"), results }
    });
}

#[test]
fn verdicts_are_hashed_as_by_the_third_library() {
    hold("verdict", DOCUMENT_DOMAIN, |m, _| Verdict {
        agreement: b256(m, "agreement"),
        report: b256(m, "report"),
        requestor: node(m, "requestor"),
        decisions: m["decisions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| (n32(m, "index"), DECISIONS[n32(m, "decision") as usize]))
            .collect(),
    });
}

#[test]
fn vouchers_are_hashed_as_by_the_third_library() {
    hold("voucher", CHANNELS_DOMAIN, |m, _| Voucher {
        payee: address(m, "payee"),
        epoch: n32(m, "epoch"),
        cumulative: wei(m, "cumulative"),
    });
}

#[test]
fn promises_are_hashed_as_by_the_third_library() {
    hold_for_concent("promise", |m| Promise {
        provider: address(m, "provider"),
        amount: wei(m, "amount"),
        nonce: u256(m, "nonce"),
        deal: b256(m, "deal"),
        deadline: ChainTime(n64(m, "deadline")),
    });
}

#[test]
fn receipts_are_hashed_as_by_the_third_library() {
    hold_for_concent("receipt", |m| Receipt { requestor: address(m, "requestor"), promise: b256(m, "promiseDigest") });
}

#[test]
fn rulings_are_hashed_as_by_the_third_library() {
    hold_for_concent("ruling", |m| Ruling {
        requestor: address(m, "requestor"),
        promise: b256(m, "promiseDigest"),
        amount: wei(m, "amount"),
        evidence: b256(m, "evidence"),
    });
}

#[test]
fn rotations_are_hashed_as_by_the_third_library() {
    hold_for_concent("rotation", |m| Rotation {
        keys: m["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().parse().unwrap()).collect(),
        threshold: n64(m, "threshold"),
        nonce: u256(m, "nonce"),
    });
    hold_for_concent("cancel-rotation", |m| CancelRotation { nonce: u256(m, "nonce") });
}
