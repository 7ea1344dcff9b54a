//! One Ethereum RPC: requests with a time limit and bounded retries, and the chain's own numbers.

use crate::abi::{bounded, decode_revert};
use crate::error::{ChainError, Revert};
use alloy::consensus::BlockHeader;
use alloy::primitives::{Address, B256, Bytes, U64, U256};
use alloy::rpc::client::RpcClient;
use alloy::rpc::types::{Block, Filter, Log, TransactionReceipt, TransactionRequest};
use alloy::sol_types::SolCall;
use alloy::transports::http::reqwest;
use alloy::transports::{RpcError, TransportErrorKind};
use golem_protocol::{ChainTime, LocalTime};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tracing::debug;

/// How to reach a chain.
#[derive(Clone)]
pub struct RpcConfig {
    /// The RPC's address: http or https.
    pub url: String,
    /// The chain that it must serve; `None` takes whichever it serves.
    pub chain_id: Option<u64>,
    /// Blocks until something counts as done, its own included: 1 is "in the newest block".
    pub confirmations: u64,
    /// How long one request may take.
    pub request_timeout: Duration,
    /// How often a failed request is made again.
    pub retries: u32,
    /// The pause before the first retry; it doubles each time, up to [`RETRY_DELAY_MAX`].
    pub retry_delay: Duration,
    /// How often the chain is looked at; `None` is a quarter of its block time, between 0.2 and 3 seconds.
    pub poll_interval: Option<Duration>,
}

impl fmt::Debug for RpcConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = parse_url(&self.url).map_or_else(|_| "malformed".to_owned(), |(_, shown)| shown);
        f.debug_struct("RpcConfig").field("url", &url).field("chain_id", &self.chain_id).finish_non_exhaustive()
    }
}

/// The longest pause between two attempts of one request.
pub const RETRY_DELAY_MAX: Duration = Duration::from_secs(5);
/// The shortest and the longest pause between two looks at the chain, where it is not set.
const POLL_MIN: Duration = Duration::from_millis(200);
const POLL_MAX: Duration = Duration::from_secs(3);
/// The code of JSON-RPC for "something went wrong inside".
const INTERNAL_ERROR: i64 = -32603;
/// Over how many blocks the block time is measured.
const BLOCK_TIME_SAMPLE: u64 = 16;

impl RpcConfig {
    /// The usual settings for an address: 1 confirmation, 10 s a request, 4 retries from 250 ms on.
    pub fn new(url: impl Into<String>) -> RpcConfig {
        RpcConfig {
            url: url.into(),
            chain_id: None,
            confirmations: 1,
            request_timeout: Duration::from_secs(10),
            retries: 4,
            retry_delay: Duration::from_millis(250),
            poll_interval: None,
        }
    }
}

/// A connection to a chain. Cheap to clone.
#[derive(Clone)]
pub struct Rpc {
    inner: Arc<Inner>,
}

struct Inner {
    client: RpcClient,
    config: RpcConfig,
    shown_url: String,
    chain_id: u64,
    poll_interval: Duration,
}

impl fmt::Debug for Rpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rpc({}, chain {})", self.inner.shown_url, self.inner.chain_id)
    }
}

/// A block as far as this crate looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockInfo {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// The hash of the block before.
    pub parent: B256,
    /// Its timestamp.
    pub time: ChainTime,
    /// The base fee per gas, in wei of ether.
    pub base_fee: u64,
    /// The most gas that all its transactions together may use.
    pub gas_limit: u64,
}

impl From<Block> for BlockInfo {
    fn from(block: Block) -> BlockInfo {
        BlockInfo {
            number: block.header.number(),
            hash: block.header.hash,
            parent: block.header.parent_hash(),
            time: ChainTime(block.header.timestamp()),
            base_fee: block.header.base_fee_per_gas().unwrap_or_default(),
            gas_limit: block.header.gas_limit(),
        }
    }
}

/// What an `eth_call` or an `eth_estimateGas` came to.
pub(crate) enum Simulated<T> {
    Done(T),
    Reverted(Revert),
}

/// Why one attempt failed.
enum Failure {
    /// No answer; the next attempt may have one.
    NoAnswer(String),
    /// An answer that says no.
    Refused { code: i64, message: String, data: Option<Bytes> },
    /// An answer that cannot be read.
    Senseless(String),
}

impl Rpc {
    /// Connects, and checks that the chain is the one expected.
    ///
    /// Errors: `BadUrl`, `RpcUnreachable`, `BadAnswer`, `WrongChain`.
    pub async fn connect(config: RpcConfig) -> Result<Rpc, ChainError> {
        let (url, shown_url) = parse_url(&config.url)?;
        let mut http = reqwest::Client::builder().timeout(config.request_timeout);
        if url.host_str().is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "[::1]")) {
            // A proxy set for the way out of this machine knows nothing of what runs on it.
            http = http.no_proxy();
        }
        let http =
            http.build().map_err(|e| ChainError::BadUrl { url: shown_url.clone(), reason: bounded(&e.to_string()) })?;
        let client = RpcClient::new_http_with_client(http, url);
        let unset = config.poll_interval.unwrap_or(POLL_MIN);
        let mut rpc = Rpc { inner: Arc::new(Inner { client, config, shown_url, chain_id: 0, poll_interval: unset }) };
        let chain_id: U64 = rpc.request("eth_chainId", ()).await?;
        let chain_id = chain_id.to::<u64>();
        if let Some(expected) = rpc.inner.config.chain_id
            && expected != chain_id
        {
            return Err(ChainError::WrongChain { url: rpc.url().to_owned(), got: chain_id, expected });
        }
        let poll_interval = match rpc.inner.config.poll_interval {
            Some(set) => set,
            None => rpc.measured_poll_interval().await?,
        };
        if let Some(inner) = Arc::get_mut(&mut rpc.inner) {
            inner.chain_id = chain_id;
            inner.poll_interval = poll_interval;
        }
        Ok(rpc)
    }

    /// The address without path and credentials: what may be shown and logged.
    pub fn url(&self) -> &str {
        &self.inner.shown_url
    }

    /// The chain's id (EIP-155).
    pub fn chain_id(&self) -> u64 {
        self.inner.chain_id
    }

    /// Blocks until something counts as done, its own included.
    pub fn confirmations(&self) -> u64 {
        self.inner.config.confirmations.max(1)
    }

    /// How often the chain is looked at.
    pub fn poll_interval(&self) -> Duration {
        self.inner.poll_interval
    }

    /// The newest block.
    ///
    /// Errors: `RpcUnreachable`, `RpcRefused`, `BadAnswer`, as for every read.
    pub async fn head(&self) -> Result<BlockInfo, ChainError> {
        match self.block_by_tag("latest".to_owned()).await? {
            Some(block) => Ok(block),
            None => Err(self.bad_answer("eth_getBlockByNumber", "it has no newest block".into())),
        }
    }

    /// The block of that number on the present chain; `None` where there is none yet.
    pub async fn block(&self, number: u64) -> Result<Option<BlockInfo>, ChainError> {
        self.block_by_tag(format!("{number:#x}")).await
    }

    /// The newest block's number.
    pub async fn block_number(&self) -> Result<u64, ChainError> {
        let number: U64 = self.request("eth_blockNumber", ()).await?;
        Ok(number.to::<u64>())
    }

    /// The newest block's timestamp: the time that decides who owns money.
    pub async fn chain_time(&self) -> Result<ChainTime, ChainError> {
        Ok(self.head().await?.time)
    }

    /// Ether of an address, in wei.
    pub async fn eth_balance(&self, address: Address) -> Result<u128, ChainError> {
        let balance: U256 = self.request("eth_getBalance", (address, "latest")).await?;
        Ok(u128::try_from(balance).unwrap_or(u128::MAX))
    }

    pub(crate) async fn code(&self, address: Address) -> Result<Bytes, ChainError> {
        self.request("eth_getCode", (address, "latest")).await
    }

    /// The code at an address after a block. Errors: as for a read; `RpcRefused` where the node has not kept that.
    pub(crate) async fn code_at(&self, address: Address, block: u64) -> Result<Bytes, ChainError> {
        self.request("eth_getCode", (address, format!("{block:#x}"))).await
    }

    /// How many transactions of an address are mined (`latest`) or known (`pending`).
    pub(crate) async fn nonce(&self, address: Address, tag: &'static str) -> Result<u64, ChainError> {
        let nonce: U64 = self.request("eth_getTransactionCount", (address, tag)).await?;
        Ok(nonce.to::<u64>())
    }

    pub(crate) async fn receipt(&self, tx: B256) -> Result<Option<TransactionReceipt>, ChainError> {
        self.request("eth_getTransactionReceipt", (tx,)).await
    }

    /// Whether the node still has the transaction, mined or not.
    pub(crate) async fn knows(&self, tx: B256) -> Result<bool, ChainError> {
        let found: Option<serde_json::Value> = self.request("eth_getTransactionByHash", (tx,)).await?;
        Ok(found.is_some())
    }

    pub(crate) async fn logs(&self, filter: &Filter) -> Result<Vec<Log>, ChainError> {
        self.request("eth_getLogs", (filter,)).await
    }

    /// The tip per gas that the node suggests; one gwei where it has no opinion.
    pub(crate) async fn suggested_tip(&self) -> Result<u64, ChainError> {
        const GWEI: u64 = 1_000_000_000;
        match self.request::<_, U256>("eth_maxPriorityFeePerGas", ()).await {
            Ok(tip) => Ok(u64::try_from(tip).unwrap_or(u64::MAX)),
            Err(ChainError::RpcRefused { .. }) => Ok(GWEI),
            Err(error) => Err(error),
        }
    }

    /// Sends signed bytes, once. An answer that it is known already is as good as a first acceptance.
    ///
    /// Not tried again here: a second attempt is refused for what the first one did, which reads like a refusal of both.
    /// Whoever follows the transaction sends it again.
    pub(crate) async fn send_raw(&self, raw: &Bytes) -> Result<(), ChainError> {
        const METHOD: &str = "eth_sendRawTransaction";
        match self.attempts::<_, B256>(METHOD, (raw,), 0).await? {
            Ok(_) => Ok(()),
            Err(Failure::Refused { message, .. }) if is_known(&message) => Ok(()),
            // "Internal error": whether it has the bytes is not said.
            Err(Failure::Refused { code: INTERNAL_ERROR, message, .. }) => Err(self.bad_answer(METHOD, message)),
            Err(failure) => Err(self.failed(METHOD, failure)),
        }
    }

    /// Calls a function without a transaction, at the newest block.
    pub(crate) async fn read<C: SolCall>(&self, to: Address, call: C) -> Result<Simulated<C::Return>, ChainError> {
        self.read_at(to, call, "latest".to_owned()).await
    }

    /// Calls a function without a transaction, at a block's number or tag.
    pub(crate) async fn read_at<C: SolCall>(
        &self,
        to: Address,
        call: C,
        block: String,
    ) -> Result<Simulated<C::Return>, ChainError> {
        self.read_with(TransactionRequest::default().to(to), call, block).await
    }

    /// Calls a function without a transaction, on top of what is under way, as one that may use so much gas.
    pub(crate) async fn read_within<C: SolCall>(
        &self,
        to: Address,
        call: C,
        gas: u64,
    ) -> Result<Simulated<C::Return>, ChainError> {
        self.read_with(TransactionRequest::default().to(to).gas_limit(gas), call, "pending".to_owned()).await
    }

    async fn read_with<C: SolCall>(
        &self,
        request: TransactionRequest,
        call: C,
        block: String,
    ) -> Result<Simulated<C::Return>, ChainError> {
        let request = request.input(call.abi_encode().into());
        let answer: Bytes = match self.simulate("eth_call", (request, block)).await? {
            Simulated::Done(answer) => answer,
            Simulated::Reverted(reason) => return Ok(Simulated::Reverted(reason)),
        };
        match C::abi_decode_returns(&answer) {
            Ok(value) => Ok(Simulated::Done(value)),
            // No such function, or another type: to the caller it is a contract that it does not know.
            Err(_) => Ok(Simulated::Reverted(Revert::Silent)),
        }
    }

    /// A request that a contract may refuse: the refusal is a value.
    pub(crate) async fn simulate<P, R>(&self, method: &'static str, params: P) -> Result<Simulated<R>, ChainError>
    where
        P: Serialize + Clone + fmt::Debug + Send + Sync + Unpin + 'static,
        R: DeserializeOwned + fmt::Debug + Send + Sync + Unpin + 'static,
    {
        match self.attempts(method, params, self.inner.config.retries).await? {
            Ok(value) => Ok(Simulated::Done(value)),
            Err(Failure::Refused { code, message, data }) => match data {
                Some(data) => Ok(Simulated::Reverted(decode_revert(&data))),
                // Code 3 is "execution reverted"; some nodes only say so in words.
                None if code == 3 || message.contains("revert") => Ok(Simulated::Reverted(Revert::Silent)),
                None => Err(ChainError::RpcRefused { method: method.into(), code, message }),
            },
            Err(failure) => Err(self.failed(method, failure)),
        }
    }

    /// A request of any method, for what this crate has no function for.
    ///
    /// Errors: `RpcUnreachable`, `RpcRefused`, `BadAnswer`.
    pub async fn request<P, R>(&self, method: &'static str, params: P) -> Result<R, ChainError>
    where
        P: Serialize + Clone + fmt::Debug + Send + Sync + Unpin,
        R: DeserializeOwned + fmt::Debug + Send + Sync + Unpin + 'static,
    {
        let answer = self.attempts(method, params, self.inner.config.retries).await?;
        answer.map_err(|failure| self.failed(method, failure))
    }

    fn failed(&self, method: &'static str, failure: Failure) -> ChainError {
        match failure {
            Failure::Refused { code, message, .. } => ChainError::RpcRefused { method: method.into(), code, message },
            Failure::Senseless(reason) | Failure::NoAnswer(reason) => self.bad_answer(method, reason),
        }
    }

    async fn attempts<P, R>(
        &self,
        method: &'static str,
        params: P,
        retries: u32,
    ) -> Result<Result<R, Failure>, ChainError>
    where
        P: Serialize + Clone + fmt::Debug + Send + Sync + Unpin,
        R: DeserializeOwned + fmt::Debug + Send + Sync + Unpin + 'static,
    {
        let config = &self.inner.config;
        let mut delay = config.retry_delay;
        let mut attempt = 1;
        // Serialised once, so that every retry is the same request and no lifetime of the caller is held.
        let params = serde_json::value::to_raw_value(&params)
            .map_err(|e| self.bad_answer(method, format!("the request cannot be written: {e}")))?;
        loop {
            let sent = self.inner.client.request::<_, R>(method, params.clone());
            let failure = match tokio::time::timeout(config.request_timeout, sent).await {
                Ok(Ok(value)) => return Ok(Ok(value)),
                Ok(Err(error)) => classify(error),
                Err(_) => Failure::NoAnswer(format!("none within {:?}", config.request_timeout)),
            };
            let Failure::NoAnswer(reason) = failure else { return Ok(Err(failure)) };
            if attempt > retries {
                return Err(ChainError::RpcUnreachable { url: self.url().to_owned(), attempts: attempt, reason });
            }
            debug!(method, attempt, %reason, "no answer from the RPC");
            tokio::time::sleep(delay).await;
            delay = delay.saturating_mul(2).min(RETRY_DELAY_MAX);
            attempt += 1;
        }
    }

    async fn block_by_tag(&self, tag: String) -> Result<Option<BlockInfo>, ChainError> {
        let block: Option<Block> = self.request("eth_getBlockByNumber", (tag, false)).await?;
        Ok(block.map(BlockInfo::from))
    }

    async fn measured_poll_interval(&self) -> Result<Duration, ChainError> {
        let head = self.head().await?;
        let back = head.number.min(BLOCK_TIME_SAMPLE);
        let Some(earlier) = self.block(head.number.saturating_sub(back)).await? else { return Ok(POLL_MIN) };
        let span = Duration::from_secs(head.time.saturating_sub(earlier.time));
        Ok((span / (back.max(1) as u32).saturating_mul(4)).clamp(POLL_MIN, POLL_MAX))
    }

    fn bad_answer(&self, method: &str, reason: String) -> ChainError {
        ChainError::BadAnswer { url: self.url().to_owned(), method: method.into(), reason }
    }
}

/// This machine's clock.
pub(crate) fn local_now() -> LocalTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    LocalTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Whether a refusal of `eth_sendRawTransaction` says that the node has the transaction already.
fn is_known(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["already known", "already imported", "known transaction", "already in mempool", "alreadyknown"]
        .iter()
        .any(|known| message.contains(known))
}

fn parse_url(text: &str) -> Result<(reqwest::Url, String), ChainError> {
    let bad = |url: String, reason: &str| ChainError::BadUrl { url, reason: reason.into() };
    let Ok(url) = text.parse::<reqwest::Url>() else {
        // Not even an address, so where a secret would be in it is unknown: only the part before any path is shown.
        let start: String = text.chars().take_while(|c| !matches!(c, '@' | '?')).take(40).collect();
        return Err(bad(start, "it has no form of an address"));
    };
    // Keys of RPC services are in the path, the query or the user's part: none of it is ever shown.
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let shown = format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default());
    match url.scheme() {
        "http" | "https" if url.host_str().is_some() => Ok((url, shown)),
        _ => Err(bad(shown, "only http and https are spoken")),
    }
}

fn classify(error: RpcError<TransportErrorKind>) -> Failure {
    match error {
        RpcError::ErrorResp(payload) if payload.is_retry_err() => Failure::NoAnswer(bounded(&payload.message)),
        RpcError::ErrorResp(payload) => {
            Failure::Refused { code: payload.code, message: bounded(&payload.message), data: payload.as_revert_data() }
        }
        RpcError::Transport(kind) => match kind.as_http_error() {
            // A wrong path or a wrong key does not get better by asking again.
            Some(http) if matches!(http.status, 400..=407 | 410..=417) => {
                Failure::Senseless(format!("HTTP status {}: {}", http.status, bounded(&http.body)))
            }
            Some(http) => Failure::NoAnswer(format!("HTTP status {}", http.status)),
            None => Failure::NoAnswer(innermost(&kind)),
        },
        RpcError::DeserError { err, .. } => Failure::Senseless(bounded(&err.to_string())),
        RpcError::NullResp => Failure::Senseless("an empty answer".into()),
        other => Failure::Senseless(bounded(&other.to_string())),
    }
}

/// The last cause of a transport's error: the outer ones repeat the address, which may hold a key.
fn innermost(error: &TransportErrorKind) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    bounded(&cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_no_secret_of_an_address() {
        let (_, shown) = parse_url("https://user:pass@rpc.example:8443/v3/secretkey?token=abc").unwrap();
        assert_eq!(shown, "https://rpc.example:8443");
        let Err(ChainError::BadUrl { url, .. }) = parse_url("ws://rpc.example/secretkey") else { panic!() };
        assert_eq!(url, "ws://rpc.example");
        assert!(parse_url("not an address").is_err());
        assert!(parse_url("/relative").is_err());
    }

    #[test]
    fn knows_the_ways_nodes_say_that_they_have_a_transaction() {
        assert!(is_known("already known"));
        assert!(is_known("Transaction already imported: AlreadyKnown"));
        assert!(!is_known("nonce too low"));
        assert!(!is_known("replacement transaction underpriced"));
    }
}
