//! The real side: contracts on anvil, called by plain JSON-RPC, so that nothing of ours is between.
//!
//! What is slow is the way there and back. So several calls share a block, all their requests go in one, and so do all
//! reads after it: three trips a block, whatever is in it.

use alloy::rpc::client::RpcClient;
use alloy::transports::http::reqwest;
use alloy_primitives::{Address, B256, Bytes, U256, hex};
use alloy_sol_types::{SolCall, SolEvent};
use golem_devnet::{AnvilOptions, Devnet, DevnetOptions, Mining};
use golem_protocol::{ChainTime, KeySigner};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Given with every call, so that one that reverts is mined too.
const GAS: u64 = 1_500_000;
/// What the last call of a block pays for its gas; those before it pay more, which is what sets their order. Above
/// what a block of the development chain can ask for.
const GAS_PRICE: u64 = 3_000_000_000;

/// Somebody with a key.
pub struct Party {
    pub address: Address,
    pub key: KeySigner,
}

/// A call to be made.
pub struct Tx {
    pub from: Address,
    pub to: Address,
    pub input: Vec<u8>,
}

impl Tx {
    pub fn new<C: SolCall>(from: Address, to: Address, call: C) -> Tx {
        Tx { from, to, input: call.abi_encode() }
    }
}

/// An entry of the log.
#[derive(Clone, PartialEq, Eq)]
pub struct Log {
    pub topics: Vec<B256>,
    pub data: Bytes,
}

impl Log {
    pub fn of<E: SolEvent>(event: &E) -> Log {
        let data = event.encode_log_data();
        Log { topics: data.topics().to_vec(), data: data.data }
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Log({:?}, {})", self.topics, self.data)
    }
}

/// What a call came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What it returned, and what the contract under test logged.
    Done { name: &'static str, output: Bytes, logs: Vec<Log> },
    /// The error with its values.
    Reverted { name: &'static str, data: Bytes },
}

impl Answer {
    pub fn name(&self) -> &'static str {
        match self {
            Answer::Done { name, .. } | Answer::Reverted { name, .. } => name,
        }
    }

    /// What the answer is called if the call is done, whatever was expected of it.
    pub fn name_if_done(&self) -> &'static str {
        match self {
            Answer::Done { name, .. } => name,
            Answer::Reverted { .. } => "Done",
        }
    }

    pub fn reverted(data: Vec<u8>) -> Answer {
        Answer::Reverted { name: super::abi::error_name(&data), data: data.into() }
    }
}

/// A look at the chain's state, with what the twin says is there.
pub struct Read {
    pub what: String,
    pub request: Request,
    pub expected: Vec<u8>,
}

/// A question to the node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Request {
    /// What a function returns.
    Call { to: Address, input: Vec<u8> },
    /// A word of storage.
    Word { of: Address, slot: B256 },
}

impl Read {
    pub fn call<C: SolCall>(what: impl Into<String>, to: Address, call: C, expected: Vec<u8>) -> Read {
        Read { what: what.into(), request: Request::Call { to, input: call.abi_encode() }, expected }
    }
}

/// A chain with the token and the channels on it, and the time of its newest block.
pub struct Chain {
    devnet: Devnet,
    client: RpcClient,
    now: ChainTime,
    nonces: BTreeMap<Address, u64>,
}

impl Chain {
    pub async fn start(close_delay_s: u32) -> Chain {
        // Blocks on demand: whether a transaction was mined is then never a matter of waiting.
        let anvil = AnvilOptions { mining: Mining::OnDemand, ..AnvilOptions::default() };
        let options = DevnetOptions { anvil, close_delay_s, ..DevnetOptions::default() };
        let devnet = Devnet::start(options).await.expect("a development chain");
        // A proxy set for the way out of this machine knows nothing of what runs on it.
        let http = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        let url = devnet.rpc_url().parse().expect("an address");
        let client = RpcClient::new_http_with_client(http, url);
        let mut chain = Chain { devnet, client, now: ChainTime(0), nonces: BTreeMap::new() };
        let latest = chain.ask("eth_getBlockByNumber", json!(["latest", false])).await;
        chain.now = ChainTime(number(&latest["timestamp"]));
        chain
    }

    pub fn devnet(&self) -> &Devnet {
        &self.devnet
    }

    pub fn token(&self) -> Address {
        self.devnet.deployment().gnt
    }

    /// Those who have tokens and a key.
    pub fn parties(&self, count: usize) -> Vec<Party> {
        let accounts = &self.devnet.accounts()[..count];
        let party = |account: &golem_devnet::DevAccount| Party {
            address: account.address,
            key: KeySigner::from_bytes(&account.key).expect("a key of the development chain"),
        };
        accounts.iter().map(party).collect()
    }

    /// When the newest block was made.
    pub fn now(&self) -> ChainTime {
        self.now
    }

    /// Creates a contract.
    pub async fn deploy(&mut self, by: Address, code: &Bytes, arguments: Vec<u8>) -> Address {
        let data = Bytes::from([&code[..], &arguments].concat());
        let gas = format!("{:#x}", 10 * GAS);
        let hash = self.ask("eth_sendTransaction", json!([{ "from": by, "gas": gas, "data": data }])).await;
        self.ask("evm_mine", json!([])).await;
        let receipt = self.ask("eth_getTransactionReceipt", json!([hash])).await;
        assert_eq!(receipt["status"], "0x1", "the creation of a contract: {receipt}");
        self.now = self.now.saturating_add(1);
        let latest = self.ask("eth_getBlockByNumber", json!(["latest", false])).await;
        self.now = ChainTime(number(&latest["timestamp"]));
        receipt["contractAddress"].as_str().and_then(|text| text.parse().ok()).expect("an address")
    }

    /// Makes calls, all of which must succeed, to set the scene.
    pub async fn prepare(&mut self, txs: &[Tx]) {
        let nobody = Address::ZERO;
        for txs in txs.chunks(10) {
            let names = vec!["prepared"; txs.len()];
            let (answers, _) = self.block(self.now.saturating_add(1), txs, &names, nobody, &[]).await;
            assert!(answers.iter().all(|answer| matches!(answer, Answer::Done { .. })), "{answers:?}");
        }
    }

    /// Puts calls into one block, in their order, reverting or not; and then looks at the state. Of the log, what
    /// `contract` wrote is taken.
    pub async fn block(
        &mut self,
        time: ChainTime,
        txs: &[Tx],
        names: &[&'static str],
        contract: Address,
        reads: &[Request],
    ) -> (Vec<Answer>, Vec<Bytes>) {
        assert!(time > self.now, "a chain's time never goes back");
        self.now = time;
        let mut requests = vec![("evm_setNextBlockTimestamp", json!([time.0]))];
        for (tx, ahead) in txs.iter().zip((0..txs.len() as u64).rev()) {
            requests.push(("eth_sendTransaction", self.transaction(tx, GAS_PRICE + ahead).await));
        }
        let hashes = self.ask_all(requests).await.split_off(1);
        self.ask("evm_mine", json!([])).await;

        let mut requests = vec![("eth_getBlockReceipts", json!(["latest"]))];
        for hash in &hashes {
            requests.push(("debug_traceTransaction", json!([hash, { "tracer": "callTracer" }])));
        }
        requests.extend(reads.iter().map(Request::to_rpc));
        let mut receipts = self.ask_all(requests).await;
        let mut traces = receipts.split_off(1);
        let found = traces.split_off(hashes.len());
        let receipts = receipts[0].as_array().expect("receipts");
        let mined: Vec<&Value> = receipts.iter().map(|receipt| &receipt["transactionHash"]).collect();
        assert_eq!(mined, hashes.iter().collect::<Vec<_>>(), "mined in another order, or not all");

        let all = receipts.iter().zip(&traces).zip(names);
        let answers = all.map(|((receipt, trace), name)| answer(receipt, trace, name, contract)).collect();
        (answers, found.iter().map(bytes).collect())
    }

    /// Looks at the state.
    pub async fn look(&self, reads: &[Request]) -> Vec<Bytes> {
        let mut found = Vec::new();
        for part in reads.chunks(100) {
            found.extend(self.ask_all(part.iter().map(Request::to_rpc).collect()).await.iter().map(bytes));
        }
        found
    }

    /// Writes a word of storage, to reach what no calls could in a lifetime.
    pub async fn set_word(&self, of: Address, slot: B256, word: U256) {
        let done = self.ask("anvil_setStorageAt", json!([of, slot, B256::from(word)])).await;
        assert_eq!(done, json!(true));
    }

    async fn transaction(&mut self, tx: &Tx, gas_price: u64) -> Value {
        let next = match self.nonces.get(&tx.from) {
            Some(next) => *next,
            None => number(&self.ask("eth_getTransactionCount", json!([tx.from, "latest"])).await),
        };
        self.nonces.insert(tx.from, next + 1);
        let data = hex::encode_prefixed(&tx.input);
        let quantity = |number: u64| format!("{number:#x}");
        json!([{
            "from": tx.from, "to": tx.to, "data": data,
            "nonce": quantity(next), "gas": quantity(GAS), "gasPrice": quantity(gas_price),
        }])
    }

    async fn ask(&self, method: &'static str, params: Value) -> Value {
        let answer: Result<Value, _> = self.client.request(method, params).await;
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    async fn ask_all(&self, requests: Vec<(&'static str, Value)>) -> Vec<Value> {
        let mut batch = self.client.new_batch();
        let ask = |(method, params): &(&'static str, Value)| {
            batch.add_call::<_, Value>(*method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
        };
        let waiters: Vec<_> = requests.iter().map(ask).collect();
        batch.send().await.expect("an answer to the batch");
        let mut answers = Vec::with_capacity(waiters.len());
        for (waiter, (method, params)) in waiters.into_iter().zip(&requests) {
            answers.push(waiter.await.unwrap_or_else(|error| panic!("{method} {params}: {error}")));
        }
        answers
    }
}

impl Request {
    fn to_rpc(&self) -> (&'static str, Value) {
        match self {
            Request::Call { to, input } => {
                ("eth_call", json!([{ "to": to, "data": hex::encode_prefixed(input) }, "latest"]))
            }
            Request::Word { of, slot } => ("eth_getStorageAt", json!([of, slot, "latest"])),
        }
    }
}

fn answer(receipt: &Value, trace: &Value, name: &'static str, contract: Address) -> Answer {
    let output = if trace["output"].is_string() { bytes(&trace["output"]) } else { Bytes::new() };
    if receipt["status"] != "0x1" {
        return Answer::reverted(output.to_vec());
    }
    let logs = receipt["logs"].as_array().expect("a log").iter();
    let of_contract = logs.filter(|log| log["address"].as_str().and_then(|text| text.parse().ok()) == Some(contract));
    let read = |log: &Value| Log {
        topics: serde_json::from_value(log["topics"].clone()).expect("topics"),
        data: bytes(&log["data"]),
    };
    Answer::Done { name, output, logs: of_contract.map(read).collect() }
}

fn bytes(value: &Value) -> Bytes {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no bytes: {value}"))
}

fn number(value: &Value) -> u64 {
    let text = value.as_str().expect("a quantity");
    u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("a quantity")
}
