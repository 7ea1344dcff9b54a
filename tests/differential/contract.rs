//! The real side: `PaymentChannels` on anvil, called by plain JSON-RPC, so that nothing of ours is between.

use crate::calls::{Call, Party};
use alloy_primitives::{Bytes, U256, hex, keccak256};
use alloy_sol_types::{SolCall, SolError, SolEvent, SolValue};
use golem_devnet::{AnvilOptions, Devnet, DevnetOptions, Mining};
use golem_payments::contract::Channels;
use golem_protocol::{Address, B256, ChainRef, ChainTime, ChannelId, ChannelState, KeySigner, Wei};
use serde_json::{Value, json};

pub const CLOSE_DELAY_S: u32 = 60;
/// How many play. Reason: few, so that they meet; each pays each.
const PARTIES: usize = 4;
/// Given with every call, so that one that reverts is mined too.
const GAS: &str = "0x2dc6c0";

mod abi {
    alloy_sol_types::sol! {
        event Claimed(address indexed payee, bytes32[] channels);
        event Closed(address indexed payer, address indexed payee, uint96 claimed, uint96 refund);
        event Transfer(address indexed from, address indexed to, uint256 value);

        error BadPayee(address payee);
        error ZeroAmount(address payee);
        error DepositTooLarge(uint256 got, uint256 allowed);
        error EpochsUsedUp(address payee);
        error NotOpen(address payer, address payee);
        error WrongEpoch(uint32 got, uint32 current);
        error StaleVoucher(uint96 cumulative, uint96 claimed);
        error BadSignature(address signer, address payer);
        error AlreadyClosing(uint32 closeAt);
        error NotClosing(address payer, address payee);
        error TooEarly(uint32 closeAt, uint256 currentTime);
        error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed);
        error SafeCastOverflowedUintDowncast(uint8 bits, uint256 value);

        function approve(address spender, uint256 value) external returns (bool);
        function balanceOf(address holder) external view returns (uint256);
        function transferAndCall(address to, uint256 value, bytes data) external returns (bool);
        function fund(bytes32[] fundings) external;
        function claimMany(address payee, bytes vouchers) external returns (uint256 paid);
        function close(address payer, uint96 cumulative, uint32 epoch, bytes32 r, bytes32 vs) external;
        function requestClose(address payee) external;
        function finalize(address payer, address payee) external;
    }
}

/// What a call came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Done,
    Paid(Wei),
    Closed {
        claimed: Wei,
        refund: Wei,
    },
    /// The name of the error, and its bytes.
    Reverted((&'static str, Bytes)),
}

impl Answer {
    /// Every way in which some random call must have ended.
    pub const NAMES: [&'static str; 14] = [
        "Done",
        "Paid",
        "PaidNothing",
        "Closed",
        "BadPayee",
        "ZeroAmount",
        "NotOpen",
        "WrongEpoch",
        "StaleVoucher",
        "BadSignature",
        "AlreadyClosing",
        "NotClosing",
        "TooEarly",
        "ERC20InsufficientBalance",
    ];

    pub fn name(&self) -> &'static str {
        match self {
            Answer::Done => "Done",
            Answer::Paid(Wei(0)) => "PaidNothing",
            Answer::Paid(_) => "Paid",
            Answer::Closed { .. } => "Closed",
            Answer::Reverted((name, _)) => name,
        }
    }
}

/// The contract's errors with their values.
pub mod errors {
    use super::*;

    type Error = (&'static str, Bytes);

    fn uint96(amount: Wei) -> alloy_primitives::Uint<96, 2> {
        alloy_primitives::Uint::from(amount.0)
    }
    fn secs(time: ChainTime) -> u32 {
        u32::try_from(time.0).expect("a time before 2106")
    }
    pub fn bad_payee(payee: Address) -> Error {
        ("BadPayee", abi::BadPayee { payee }.abi_encode().into())
    }
    pub fn zero_amount(payee: Address) -> Error {
        ("ZeroAmount", abi::ZeroAmount { payee }.abi_encode().into())
    }
    /// The twin does not say how large: the sum has more than the bits of its amounts.
    pub fn deposit_too_large() -> Error {
        ("DepositTooLarge", abi::DepositTooLarge::SELECTOR.to_vec().into())
    }
    pub fn epochs_used_up(payee: Address) -> Error {
        ("EpochsUsedUp", abi::EpochsUsedUp { payee }.abi_encode().into())
    }
    pub fn not_open(payer: Address, payee: Address) -> Error {
        ("NotOpen", abi::NotOpen { payer, payee }.abi_encode().into())
    }
    pub fn wrong_epoch(got: u32, current: u32) -> Error {
        ("WrongEpoch", abi::WrongEpoch { got, current }.abi_encode().into())
    }
    pub fn stale_voucher(cumulative: Wei, claimed: Wei) -> Error {
        let error = abi::StaleVoucher { cumulative: uint96(cumulative), claimed: uint96(claimed) };
        ("StaleVoucher", error.abi_encode().into())
    }
    pub fn bad_signature(signer: Address, payer: Address) -> Error {
        ("BadSignature", abi::BadSignature { signer, payer }.abi_encode().into())
    }
    pub fn already_closing(close_at: ChainTime) -> Error {
        ("AlreadyClosing", abi::AlreadyClosing { closeAt: secs(close_at) }.abi_encode().into())
    }
    pub fn not_closing(channel: &ChannelId) -> Error {
        let error = abi::NotClosing { payer: channel.payer, payee: channel.payee };
        ("NotClosing", error.abi_encode().into())
    }
    pub fn too_early(close_at: ChainTime, now: ChainTime) -> Error {
        let error = abi::TooEarly { closeAt: secs(close_at), currentTime: U256::from(now.0) };
        ("TooEarly", error.abi_encode().into())
    }
    pub fn balance_too_low(sender: Address, balance: u128, needed: u128) -> Error {
        let (balance, needed) = (U256::from(balance), U256::from(needed));
        ("ERC20InsufficientBalance", abi::ERC20InsufficientBalance { sender, balance, needed }.abi_encode().into())
    }
    pub fn time_too_large(now: ChainTime, delay_s: u32) -> Error {
        let value = U256::from(now.0) + U256::from(delay_s);
        let error = abi::SafeCastOverflowedUintDowncast { bits: 32, value };
        ("SafeCastOverflowedUintDowncast", error.abi_encode().into())
    }

    /// The bytes of a revert with the name of the error.
    pub fn read(data: Bytes) -> Error {
        let names: [(&'static str, [u8; 4]); 13] = [
            ("BadPayee", abi::BadPayee::SELECTOR),
            ("ZeroAmount", abi::ZeroAmount::SELECTOR),
            ("DepositTooLarge", abi::DepositTooLarge::SELECTOR),
            ("EpochsUsedUp", abi::EpochsUsedUp::SELECTOR),
            ("NotOpen", abi::NotOpen::SELECTOR),
            ("WrongEpoch", abi::WrongEpoch::SELECTOR),
            ("StaleVoucher", abi::StaleVoucher::SELECTOR),
            ("BadSignature", abi::BadSignature::SELECTOR),
            ("AlreadyClosing", abi::AlreadyClosing::SELECTOR),
            ("NotClosing", abi::NotClosing::SELECTOR),
            ("TooEarly", abi::TooEarly::SELECTOR),
            ("ERC20InsufficientBalance", abi::ERC20InsufficientBalance::SELECTOR),
            ("SafeCastOverflowedUintDowncast", abi::SafeCastOverflowedUintDowncast::SELECTOR),
        ];
        match names.into_iter().find(|(_, selector)| data.starts_with(selector)) {
            Some(("DepositTooLarge", _)) => deposit_too_large(),
            Some((name, _)) => (name, data),
            None => ("Unknown", data),
        }
    }
}

/// The contract, and the time of its next block.
pub struct Contract {
    devnet: Devnet,
    channels: Address,
    token: Address,
    now: ChainTime,
    next_is_set: bool,
}

impl Contract {
    /// A chain of its own with the contracts, and parties that hold tokens and have approved them all.
    pub async fn deployed() -> (Contract, Vec<Party>) {
        // Blocks on demand: whether a transaction was mined is then never a matter of waiting.
        let anvil = AnvilOptions { mining: Mining::OnDemand, ..AnvilOptions::default() };
        let options = DevnetOptions { anvil, close_delay_s: CLOSE_DELAY_S, ..DevnetOptions::default() };
        let devnet = Devnet::start(options).await.expect("a development chain");
        let (channels, token) = (devnet.deployment().channels, devnet.deployment().gnt);
        let parties: Vec<Party> = devnet.accounts()[..PARTIES]
            .iter()
            .map(|account| Party {
                address: account.address,
                key: KeySigner::from_bytes(&account.key).expect("a key of the development chain"),
            })
            .collect();
        let mut contract = Contract { devnet, channels, token, now: ChainTime(0), next_is_set: false };
        let latest: Value = contract.ask("eth_getBlockByNumber", json!(["latest", false])).await;
        contract.now = ChainTime(number(&latest["timestamp"]));
        for party in &parties {
            let approve = abi::approveCall { spender: channels, value: U256::MAX };
            let receipt = contract.send(party.address, token, approve.abi_encode()).await;
            assert_eq!(receipt["status"], "0x1", "approve");
        }
        (contract, parties)
    }

    pub fn address(&self) -> Address {
        self.channels
    }

    pub fn chain(&self) -> ChainRef {
        self.devnet.deployment().chain_ref()
    }

    /// A twin of it as it is now, with no channel open.
    pub async fn twin(&self, parties: &[Party]) -> Channels {
        let held = self.balance(self.channels).await;
        self.twin_with_holdings(parties, held).await
    }

    /// A twin that holds so much for its channels.
    pub async fn twin_with_holdings(&self, parties: &[Party], held: u128) -> Channels {
        let mut balances = std::collections::BTreeMap::from([(self.channels, held)]);
        for party in parties {
            balances.insert(party.address, self.balance(party.address).await);
        }
        Channels::new(self.chain(), CLOSE_DELAY_S, balances)
    }

    /// When the latest call was made, or the next one will be.
    pub fn now(&self) -> ChainTime {
        self.now
    }

    /// Sets the time of the next call.
    pub fn pass_to(&mut self, time: ChainTime) {
        assert!(time > self.now, "a chain's time never goes back");
        self.now = time;
        self.next_is_set = true;
    }

    /// Makes a call, and says when the chain did.
    pub async fn make(&mut self, call: &Call) -> (Answer, ChainTime) {
        let (sender, to, input) = self.encode(call);
        let receipt = self.send(sender, to, input).await;
        if receipt["status"] != "0x1" {
            let tracer = json!([receipt["transactionHash"], { "tracer": "callTracer" }]);
            let trace: Value = self.ask("debug_traceTransaction", tracer).await;
            let output = trace["output"].as_str().unwrap_or("0x").parse().expect("bytes");
            return (Answer::Reverted(errors::read(output)), self.now);
        }
        let logs = receipt["logs"].as_array().cloned().unwrap_or_default();
        let answer = match call {
            Call::Fund { .. } | Call::RequestClose { .. } => Answer::Done,
            Call::ClaimMany { payee, .. } => Answer::Paid(self.paid(&logs, *payee)),
            Call::Close { .. } | Call::Finalize { .. } => {
                let data = event_data(&logs, self.channels, abi::Closed::SIGNATURE_HASH).expect("a Closed event");
                let (claimed, refund) = <(U256, U256)>::abi_decode(&data).expect("two amounts");
                Answer::Closed { claimed: Wei(claimed.to()), refund: Wei(refund.to()) }
            }
        };
        (answer, self.now)
    }

    /// What the token says that `payee` got. No transfer goes with no claim, and no claim with no transfer.
    fn paid(&self, logs: &[Value], payee: Address) -> Wei {
        let claimed = event_data(logs, self.channels, abi::Claimed::SIGNATURE_HASH);
        let moved = event_data(logs, self.token, abi::Transfer::SIGNATURE_HASH);
        assert_eq!(claimed.is_some(), moved.is_some(), "for {payee}");
        moved.map_or(Wei::ZERO, |data| Wei(U256::from_be_slice(&data).to()))
    }

    fn encode(&self, call: &Call) -> (Address, Address, Vec<u8>) {
        match call {
            Call::Fund { payer, fundings, by_transfer } => {
                let word = |(payee, amount): &(Address, Wei)| {
                    B256::from((U256::from(amount.0) << 160) | U256::from_be_bytes(payee.into_word().0))
                };
                let words: Vec<B256> = fundings.iter().map(word).collect();
                if !by_transfer {
                    return (*payer, self.channels, abi::fundCall { fundings: words }.abi_encode());
                }
                let value = U256::from(fundings.iter().fold(0u128, |sum, (_, amount)| sum + amount.0));
                let data = words.iter().flat_map(|word| word.0).collect::<Vec<u8>>().into();
                let transfer = abi::transferAndCallCall { to: self.channels, value, data };
                (*payer, self.token, transfer.abi_encode())
            }
            Call::ClaimMany { sender, payee, packed, .. } => {
                let claim = abi::claimManyCall { payee: *payee, vouchers: packed.clone().into() };
                (*sender, self.channels, claim.abi_encode())
            }
            Call::Close { payee, payer, cumulative, epoch, signature } => {
                let close = abi::closeCall {
                    payer: *payer,
                    cumulative: alloy_primitives::Uint::from(cumulative.0),
                    epoch: *epoch,
                    r: B256::from_slice(&signature.0[..32]),
                    vs: B256::from_slice(&signature.0[32..]),
                };
                (*payee, self.channels, close.abi_encode())
            }
            Call::RequestClose { payer, payee } => {
                (*payer, self.channels, abi::requestCloseCall { payee: *payee }.abi_encode())
            }
            Call::Finalize { sender, channel } => {
                let finalize = abi::finalizeCall { payer: channel.payer, payee: channel.payee };
                (*sender, self.channels, finalize.abi_encode())
            }
        }
    }

    /// The channel, read from its storage word bit by bit and not by the contract's own view.
    pub async fn channel(&self, id: &ChannelId) -> ChannelState {
        let word: U256 = self.ask("eth_getStorageAt", json!([self.channels, slot(id), "latest"])).await;
        let field = |shift: usize, bits: usize| -> u128 { ((word >> shift) & ((U256::ONE << bits) - U256::ONE)).to() };
        ChannelState {
            claimed: Wei(field(0, 96)),
            deposit: Wei(field(96, 96)),
            close_at: ChainTime(field(192, 32) as u64),
            epoch: field(224, 32) as u32,
        }
    }

    /// Writes a channel's storage word, to reach what no calls could in a lifetime.
    pub async fn set_channel(&self, id: &ChannelId, state: &ChannelState) {
        let word = U256::from(state.claimed.0)
            | (U256::from(state.deposit.0) << 96)
            | (U256::from(state.close_at.0) << 192)
            | (U256::from(state.epoch) << 224);
        let done: bool = self.ask("anvil_setStorageAt", json!([self.channels, slot(id), B256::from(word)])).await;
        assert!(done);
    }

    /// What the token says that an address holds.
    pub async fn balance(&self, holder: Address) -> u128 {
        let input = hex::encode_prefixed(abi::balanceOfCall { holder }.abi_encode());
        let held: U256 = self.ask("eth_call", json!([{ "to": self.token, "data": input }, "latest"])).await;
        held.to()
    }

    /// Mines a transaction at the time set, or else a second later, reverting or not, and returns its receipt.
    async fn send(&mut self, from: Address, to: Address, input: Vec<u8>) -> Value {
        if !std::mem::take(&mut self.next_is_set) {
            self.now = self.now.saturating_add(1);
        }
        let _: Value = self.ask("evm_setNextBlockTimestamp", json!([self.now.0])).await;
        let data = hex::encode_prefixed(input);
        let transaction = json!([{ "from": from, "to": to, "gas": GAS, "data": data }]);
        let hash: B256 = self.ask("eth_sendTransaction", transaction).await;
        let _: Value = self.ask("evm_mine", json!([])).await;
        let receipt: Value = self.ask("eth_getTransactionReceipt", json!([hash])).await;
        assert!(receipt.is_object(), "{hash} was not mined");
        receipt
    }

    async fn ask<R>(&self, method: &'static str, params: Value) -> R
    where
        R: serde::de::DeserializeOwned + std::fmt::Debug + Send + Sync + Unpin + 'static,
    {
        let answer = self.devnet.anvil().rpc().request(method, params).await;
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }
}

/// Where a channel is stored: `keccak256(payer, payee)`, each padded to a word.
fn slot(id: &ChannelId) -> B256 {
    keccak256([id.payer.into_word().0, id.payee.into_word().0].concat())
}

fn number(value: &Value) -> u64 {
    let text = value.as_str().expect("a quantity");
    u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("a quantity")
}

fn event_data(logs: &[Value], from: Address, topic: B256) -> Option<Vec<u8>> {
    let of = |log: &&Value| {
        let address: Option<Address> = log["address"].as_str().and_then(|text| text.parse().ok());
        let first: Option<B256> = log["topics"][0].as_str().and_then(|text| text.parse().ok());
        address == Some(from) && first == Some(topic)
    };
    let mut found = logs.iter().filter(of);
    let data = found.next().map(|log| hex::decode(log["data"].as_str().expect("bytes")).expect("bytes"));
    assert!(found.next().is_none(), "more than one event of a kind in one call");
    data
}
