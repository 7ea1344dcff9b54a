//! `PaymentChannels` and its twin.

use super::abi::{channels as abi, token};
use super::chain::{Answer, Chain, Log, Read, Request, Tx};
use super::channels_calls::{Call, Draw};
use super::{agree_on, chain};
use alloy_primitives::{B256, U256, keccak256};
use alloy_sol_types::{SolError, SolValue};
use golem_payments::contract::{
    Channels, CloseError, Closed, FinalizeError, FundError, PACKED_VOUCHER_BYTES, RequestCloseError,
};
use golem_protocol::{Address, ChainTime, ChannelId, ChannelState, CompactSignature, Wei};
use std::collections::BTreeMap;

pub const CLOSE_DELAY_S: u32 = 60;
/// How many play. Reason: few, so that they meet; each pays each.
const PARTIES: usize = 4;

/// Every way in which some random call must have ended.
pub const ANSWERS: [&str; 15] = [
    "Funded",
    "Claimed",
    "ClaimedNothing",
    "CloseRequested",
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

pub struct Subject {
    twin: Channels,
    draw: Draw,
    contract: Address,
    token: Address,
}

impl Subject {
    /// A chain's channels, with parties that have approved them all their tokens.
    pub async fn new(chain: &mut Chain, seed: u64) -> Subject {
        let (contract, token) = (chain.devnet().deployment().channels, chain.token());
        let parties = chain.parties(PARTIES);
        let approve = token::approveCall { spender: contract, value: U256::MAX };
        let approvals: Vec<Tx> = parties.iter().map(|party| Tx::new(party.address, token, approve.clone())).collect();
        chain.prepare(&approvals).await;
        let draw = Draw::new(seed, parties, chain.devnet().deployment().chain_ref());
        let twin = Channels::new(chain.devnet().deployment().chain_ref(), CLOSE_DELAY_S, BTreeMap::new());
        let mut subject = Subject { twin, draw, contract, token };
        subject.start_anew(chain).await;
        subject
    }

    /// A twin with no channel open, and the balances as they are.
    async fn start_anew(&mut self, chain: &Chain) {
        let mut balances = BTreeMap::new();
        for holder in self.draw.addresses().into_iter().chain([self.contract]) {
            balances.insert(holder, balance(chain, self.token, holder).await);
        }
        self.twin = Channels::new(chain.devnet().deployment().chain_ref(), CLOSE_DELAY_S, balances);
    }

    fn state(&self, id: &ChannelId) -> Read {
        let request = Request::Word { of: self.contract, slot: slot(id) };
        let expected = word(&self.twin.channel(id)).to_be_bytes_vec();
        Read { what: format!("{id:?}"), request, expected }
    }

    fn balance(&self, holder: Address) -> Read {
        let expected = U256::from(self.twin.balance(&holder)).abi_encode();
        Read::call(format!("the balance of {holder}"), self.token, token::balanceOfCall { holder }, expected)
    }

    fn fund(&mut self, payer: Address, fundings: &[(Address, Wei)], by_transfer: bool) -> Answer {
        let total = fundings.iter().fold(0u128, |sum, (_, amount)| sum + amount.0);
        let held = self.twin.balance(&payer);
        // By `transferAndCall` the token looks at the balance before the contract looks at the fundings.
        if by_transfer && total > held {
            return Answer::reverted(fund_error(FundError::BalanceTooLow, payer, held, total));
        }
        let before = self.twin.clone();
        if let Err(error) = self.twin.fund(payer, fundings) {
            return Answer::reverted(fund_error(error, payer, held, total));
        }
        let mut deposits = BTreeMap::new();
        let funded = |(payee, amount): &(Address, Wei)| {
            let id = ChannelId { payer, payee: *payee };
            let deposit = deposits.entry(id).or_insert_with(|| before.channel(&id).deposit.0);
            *deposit += amount.0;
            let epoch = self.twin.channel(&id).epoch;
            Log::of(&abi::Funded { payer, payee: *payee, epoch, deposit: uint96(Wei(*deposit)) })
        };
        let logs = fundings.iter().map(funded).collect();
        let output = if by_transfer { true.abi_encode() } else { Vec::new() };
        Answer::Done { name: "Funded", output: output.into(), logs }
    }

    fn claim_many(&mut self, payee: Address, packed: &[u8], payers: &[Address]) -> Answer {
        // A batch is worth what its entries are worth one by one, which is also what the log says.
        let mut one_by_one = self.twin.clone();
        let mut claimed = Vec::new();
        for entry in packed.chunks_exact(PACKED_VOUCHER_BYTES) {
            let before = one_by_one.clone();
            if one_by_one.claim_many(payee, entry) == Wei::ZERO {
                continue;
            }
            for payer in payers {
                let id = ChannelId { payer: *payer, payee };
                let state = one_by_one.channel(&id);
                if state != before.channel(&id) {
                    let amount = U256::from(state.claimed.0) << 160;
                    claimed.push(B256::from(amount | U256::from_be_bytes(payer.into_word().0)));
                }
            }
        }
        let paid = self.twin.claim_many(payee, packed);
        assert_eq!(self.twin, one_by_one);
        let output = U256::from(paid.0).abi_encode().into();
        if paid == Wei::ZERO {
            return Answer::Done { name: "ClaimedNothing", output, logs: Vec::new() };
        }
        let logs = vec![Log::of(&abi::Claimed { payee, channels: claimed })];
        Answer::Done { name: "Claimed", output, logs }
    }
}

impl super::Subject for Subject {
    type Call = Call;

    fn contract(&self) -> Address {
        self.contract
    }

    fn time(&mut self, now: ChainTime) -> ChainTime {
        self.draw.time(&self.twin, now)
    }

    fn draw(&mut self, _: ChainTime) -> Call {
        self.draw.call(&self.twin)
    }

    fn transaction(&self, call: &Call) -> Tx {
        match call {
            Call::Fund { payer, fundings, by_transfer } => {
                let word = |(payee, amount): &(Address, Wei)| {
                    B256::from((U256::from(amount.0) << 160) | U256::from_be_bytes(payee.into_word().0))
                };
                let words: Vec<B256> = fundings.iter().map(word).collect();
                if !by_transfer {
                    return Tx::new(*payer, self.contract, abi::fundCall { fundings: words });
                }
                let value = U256::from(fundings.iter().fold(0u128, |sum, (_, amount)| sum + amount.0));
                let data = words.iter().flat_map(|word| word.0).collect::<Vec<u8>>().into();
                Tx::new(*payer, self.token, token::transferAndCall_1Call { to: self.contract, value, data })
            }
            Call::ClaimMany { sender, payee, packed, .. } => {
                let claim = abi::claimManyCall { payee: *payee, vouchers: packed.clone().into() };
                Tx::new(*sender, self.contract, claim)
            }
            Call::Close { payee, payer, cumulative, epoch, signature } => {
                let (r, vs) = halves(signature);
                let close = abi::closeCall { payer: *payer, cumulative: uint96(*cumulative), epoch: *epoch, r, vs };
                Tx::new(*payee, self.contract, close)
            }
            Call::RequestClose { payer, payee } => {
                Tx::new(*payer, self.contract, abi::requestCloseCall { payee: *payee })
            }
            Call::Finalize { sender, channel } => {
                let finalize = abi::finalizeCall { payer: channel.payer, payee: channel.payee };
                Tx::new(*sender, self.contract, finalize)
            }
        }
    }

    fn on_twin(&mut self, call: &Call, now: ChainTime) -> Answer {
        match call {
            Call::Fund { payer, fundings, by_transfer } => self.fund(*payer, fundings, *by_transfer),
            Call::ClaimMany { payee, packed, payers, .. } => self.claim_many(*payee, packed, payers),
            Call::Close { payee, payer, cumulative, epoch, signature } => {
                let id = ChannelId { payer: *payer, payee: *payee };
                match self.twin.close(*payee, *payer, *cumulative, *epoch, signature) {
                    Ok(end) => closed(&id, &end),
                    Err(error) => Answer::reverted(close_error(error, &id)),
                }
            }
            Call::RequestClose { payer, payee } => match self.twin.request_close(*payer, *payee, now) {
                Ok(close_at) => {
                    let event = abi::CloseRequested { payer: *payer, payee: *payee, closeAt: secs(close_at) };
                    Answer::Done { name: "CloseRequested", output: Vec::new().into(), logs: vec![Log::of(&event)] }
                }
                Err(error) => Answer::reverted(request_error(error, *payer, *payee, now)),
            },
            Call::Finalize { channel, .. } => match self.twin.finalize(*channel, now) {
                Ok(end) => closed(channel, &end),
                Err(error) => Answer::reverted(finalize_error(error, channel)),
            },
        }
    }

    fn reads(&self, call: &Call, _: ChainTime) -> Vec<Read> {
        let channels = call.channels().into_iter().map(|id| self.state(&id));
        let balances = call.holders(self.contract).into_iter().map(|holder| self.balance(holder));
        channels.chain(balances).collect()
    }

    fn all(&self, _: ChainTime) -> Vec<Read> {
        let channels = self.draw.channels().into_iter().map(|id| self.state(&id));
        let holders = self.draw.addresses().into_iter().chain([self.contract]);
        channels.chain(holders.map(|holder| self.balance(holder))).collect()
    }

    fn violations(&self) -> Vec<String> {
        self.twin.check_invariants().iter().map(|violation| violation.to_string()).collect()
    }
}

/// What the supply, the years or 2^32 openings keep random calls from reaching.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_channels_and_their_twin_agree_at_the_edges() {
    let mut chain = Chain::start(CLOSE_DELAY_S).await;
    let mut subject = Subject::new(&mut chain, 1).await;
    let [payer, payee] = [subject.draw.addresses()[0], subject.draw.addresses()[1]];
    let id = ChannelId { payer, payee };
    let fund = |amount| Call::Fund { payer, fundings: vec![(payee, Wei(amount))], by_transfer: false };
    let set = async |chain: &Chain, subject: &mut Subject, state: ChannelState| {
        chain.set_word(subject.contract, slot(&id), word(&state)).await;
        subject.start_anew(chain).await;
        subject.twin = subject.twin.clone().with_channel(id, state);
    };
    let soon = |chain: &Chain| chain.now().saturating_add(1);

    set(&chain, &mut subject, ChannelState { epoch: u32::MAX - 1, ..ChannelState::default() }).await;
    let time = soon(&chain);
    assert_eq!(agree_on(&mut chain, &mut subject, time, fund(5)).await.name(), "Funded");
    set(&chain, &mut subject, ChannelState { epoch: u32::MAX, ..ChannelState::default() }).await;
    let time = soon(&chain);
    assert_eq!(agree_on(&mut chain, &mut subject, time, fund(5)).await.name(), "EpochsUsedUp");

    // Nobody has as much as would fill a channel, so the contract is said to hold it: no call here pays any of it out.
    let full = ChannelState { deposit: Wei(Wei::MAX.0 - 4), epoch: 1, ..ChannelState::default() };
    set(&chain, &mut subject, full).await;
    for (amount, name) in [(5, "DepositTooLarge"), (4, "Funded")] {
        let time = soon(&chain);
        let answer = agree_on_channel(&mut chain, &mut subject, time, fund(amount), &id).await;
        assert_eq!(answer.name(), name);
    }

    let nobody = CompactSignature([0; 64]);
    let zero = Call::Close { payee, payer, cumulative: Wei(0), epoch: 1, signature: nobody };
    set(&chain, &mut subject, ChannelState { deposit: Wei(4), epoch: 1, ..ChannelState::default() }).await;
    let time = soon(&chain);
    assert_eq!(agree_on(&mut chain, &mut subject, time, zero).await.name(), "Closed");

    let time = soon(&chain);
    assert_eq!(agree_on(&mut chain, &mut subject, time, fund(5)).await.name(), "Funded");
    let year_2106 = ChainTime(u32::MAX as u64 - CLOSE_DELAY_S as u64 + 1);
    let answer = agree_on(&mut chain, &mut subject, year_2106, Call::RequestClose { payer, payee }).await;
    assert_eq!(answer.name(), "SafeCastOverflowedUintDowncast");
}

/// As [`agree_on`], where the contract was given a deposit that it does not hold.
async fn agree_on_channel(
    chain: &mut Chain,
    subject: &mut Subject,
    time: ChainTime,
    call: Call,
    id: &ChannelId,
) -> Answer {
    use super::Subject as _;
    let expected = subject.on_twin(&call, time);
    let read = subject.state(id);
    let tx = subject.transaction(&call);
    let request = [read.request.clone()];
    let (answers, found) = chain.block(time, &[tx], &[expected.name()], subject.contract, &request).await;
    assert_eq!(answers, std::slice::from_ref(&expected), "{call:?}");
    super::compare(&[read], &found, &format!("{call:?}"));
    expected
}

/// What the token says that an address holds.
pub async fn balance(chain: &chain::Chain, token: Address, holder: Address) -> u128 {
    let read = Read::call("", token, token::balanceOfCall { holder }, Vec::new());
    U256::from_be_slice(&chain.look(&[read.request]).await[0]).to()
}

/// Where a channel is stored: `keccak256(payer, payee)`, each padded to a word.
fn slot(id: &ChannelId) -> B256 {
    keccak256([id.payer.into_word().0, id.payee.into_word().0].concat())
}

/// A channel as it is stored, bit by bit and not by the contract's own view.
fn word(state: &ChannelState) -> U256 {
    U256::from(state.claimed.0)
        | (U256::from(state.deposit.0) << 96)
        | (U256::from(state.close_at.0) << 192)
        | (U256::from(state.epoch) << 224)
}

pub fn uint96(amount: Wei) -> alloy_primitives::Uint<96, 2> {
    alloy_primitives::Uint::from(amount.0)
}

pub fn halves(signature: &CompactSignature) -> (B256, B256) {
    (B256::from_slice(&signature.0[..32]), B256::from_slice(&signature.0[32..]))
}

fn secs(time: ChainTime) -> u32 {
    u32::try_from(time.0).expect("a time before 2106")
}

fn closed(id: &ChannelId, end: &Closed) -> Answer {
    let (claimed, refund) = (uint96(end.claimed), uint96(end.refund));
    let event = abi::Closed { payer: id.payer, payee: id.payee, claimed, refund };
    Answer::Done { name: "Closed", output: Vec::new().into(), logs: vec![Log::of(&event)] }
}

fn fund_error(error: FundError, payer: Address, held: u128, total: u128) -> Vec<u8> {
    match error {
        FundError::BadPayee(payee) => abi::BadPayee { payee }.abi_encode(),
        FundError::ZeroAmount(payee) => abi::ZeroAmount { payee }.abi_encode(),
        FundError::DepositTooLarge { got } => {
            abi::DepositTooLarge { got: U256::from(got), allowed: U256::from(Wei::MAX.0) }.abi_encode()
        }
        FundError::EpochsUsedUp(payee) => abi::EpochsUsedUp { payee }.abi_encode(),
        FundError::BalanceTooLow => {
            let (balance, needed) = (U256::from(held), U256::from(total));
            token::ERC20InsufficientBalance { sender: payer, balance, needed }.abi_encode()
        }
    }
}

fn close_error(error: CloseError, id: &ChannelId) -> Vec<u8> {
    match error {
        CloseError::NotOpen => abi::NotOpen { payer: id.payer, payee: id.payee }.abi_encode(),
        CloseError::WrongEpoch { got, current } => abi::WrongEpoch { got, current }.abi_encode(),
        CloseError::StaleVoucher { cumulative, claimed } => {
            abi::StaleVoucher { cumulative: uint96(cumulative), claimed: uint96(claimed) }.abi_encode()
        }
        CloseError::BadSignature { signer, payer } => abi::BadSignature { signer, payer }.abi_encode(),
    }
}

fn request_error(error: RequestCloseError, payer: Address, payee: Address, now: ChainTime) -> Vec<u8> {
    match error {
        RequestCloseError::NotOpen => abi::NotOpen { payer, payee }.abi_encode(),
        RequestCloseError::AlreadyClosing { close_at } => abi::AlreadyClosing { closeAt: secs(close_at) }.abi_encode(),
        RequestCloseError::TimeTooLarge => {
            let value = U256::from(now.0) + U256::from(CLOSE_DELAY_S);
            super::abi::concent::SafeCastOverflowedUintDowncast { bits: 32, value }.abi_encode()
        }
    }
}

fn finalize_error(error: FinalizeError, id: &ChannelId) -> Vec<u8> {
    match error {
        FinalizeError::NotClosing => abi::NotClosing { payer: id.payer, payee: id.payee }.abi_encode(),
        FinalizeError::TooEarly { close_at, now } => {
            abi::TooEarly { closeAt: secs(close_at), currentTime: U256::from(now.0) }.abi_encode()
        }
    }
}
