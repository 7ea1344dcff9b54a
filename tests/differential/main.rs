//! The twin of `PaymentChannels` in `golem-payments` against the contract on anvil: the same random calls give the same
//! storage words, balances, payouts and errors.
//!
//! `GOLEM_DIFFERENTIAL_CALLS` sets how many calls are made, `GOLEM_DIFFERENTIAL_SEED` which; a failure names both.

mod calls;
mod contract;

use calls::{Call, Draw, Party};
use contract::{Answer, Contract, errors};
use golem_payments::contract::{Channels, CloseError, FinalizeError, FundError, RequestCloseError};
use golem_protocol::{Address, ChainTime, ChannelId, ChannelState, CompactSignature, Wei};

/// How many calls the check makes. Reason: every kind of call meets every error many times, in a few seconds.
const CALLS: usize = 400;
const SEED: u64 = 20_180_410;

fn setting(name: &str, usual: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is `{text}`; set it to a whole number")),
        Err(_) => usual,
    }
}

/// What the twin makes of a call.
fn on_twin(twin: &mut Channels, token_errors_first: bool, call: &Call, now: ChainTime) -> Answer {
    match call {
        Call::Fund { payer, fundings, .. } => {
            let total = fundings.iter().fold(0u128, |sum, (_, amount)| sum + amount.0);
            let held = twin.balance(payer);
            // By `transferAndCall` the token looks at the balance before the contract looks at the fundings.
            if token_errors_first && total > held {
                return Answer::Reverted(errors::balance_too_low(*payer, held, total));
            }
            twin.fund(*payer, fundings).map_or_else(
                |error| {
                    Answer::Reverted(match error {
                        FundError::BadPayee(payee) => errors::bad_payee(payee),
                        FundError::ZeroAmount(payee) => errors::zero_amount(payee),
                        FundError::DepositTooLarge => errors::deposit_too_large(),
                        FundError::EpochsUsedUp(payee) => errors::epochs_used_up(payee),
                        FundError::BalanceTooLow => errors::balance_too_low(*payer, held, total),
                    })
                },
                |()| Answer::Done,
            )
        }
        Call::ClaimMany { payee, packed, .. } => Answer::Paid(twin.claim_many(*payee, packed)),
        Call::Close { payee, payer, cumulative, epoch, signature } => {
            twin.close(*payee, *payer, *cumulative, *epoch, signature).map_or_else(
                |error| {
                    Answer::Reverted(match error {
                        CloseError::NotOpen => errors::not_open(*payer, *payee),
                        CloseError::WrongEpoch { got, current } => errors::wrong_epoch(got, current),
                        CloseError::StaleVoucher { cumulative, claimed } => errors::stale_voucher(cumulative, claimed),
                        CloseError::BadSignature { signer, payer } => errors::bad_signature(signer, payer),
                    })
                },
                |closed| Answer::Closed { claimed: closed.claimed, refund: closed.refund },
            )
        }
        Call::RequestClose { payer, payee } => twin.request_close(*payer, *payee, now).map_or_else(
            |error| {
                Answer::Reverted(match error {
                    RequestCloseError::NotOpen => errors::not_open(*payer, *payee),
                    RequestCloseError::AlreadyClosing { close_at } => errors::already_closing(close_at),
                    RequestCloseError::TimeTooLarge => errors::time_too_large(now, contract::CLOSE_DELAY_S),
                })
            },
            |_| Answer::Done,
        ),
        Call::Finalize { channel, .. } => twin.finalize(*channel, now).map_or_else(
            |error| {
                Answer::Reverted(match error {
                    FinalizeError::NotClosing => errors::not_closing(channel),
                    FinalizeError::TooEarly { close_at, now } => errors::too_early(close_at, now),
                })
            },
            |closed| Answer::Closed { claimed: closed.claimed, refund: closed.refund },
        ),
    }
}

async fn agree(contract: &mut Contract, twin: &mut Channels, call: &Call, about: &str) -> Answer {
    let (answer, now) = contract.make(call).await;
    let token_errors_first = matches!(call, Call::Fund { by_transfer: true, .. });
    assert_eq!(on_twin(twin, token_errors_first, call, now), answer, "{about}: {call:?}");
    for channel in call.channels() {
        assert_eq!(twin.channel(&channel), contract.channel(&channel).await, "{about}: {call:?}: {channel:?}");
    }
    for holder in call.holders(contract.address()) {
        assert_eq!(twin.balance(&holder), contract.balance(holder).await, "{about}: {call:?}: {holder}");
    }
    assert_eq!(twin.check_invariants(), vec![], "{about}: {call:?}");
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_twin_and_the_contract_agree_on_random_calls() {
    let calls = setting("GOLEM_DIFFERENTIAL_CALLS", CALLS as u64);
    let seed = setting("GOLEM_DIFFERENTIAL_SEED", SEED);
    let (mut contract, parties) = Contract::deployed().await;
    let mut twin = contract.twin(&parties).await;
    let mut draw = Draw::new(seed, parties, contract.chain());
    let mut seen = std::collections::BTreeMap::<&'static str, usize>::new();
    for number in 0..calls {
        let call = draw.call(&twin);
        contract.pass_to(draw.time(&call, &twin, contract.now()));
        let about = format!("GOLEM_DIFFERENTIAL_SEED={seed}, call {number}");
        let answer = agree(&mut contract, &mut twin, &call, &about).await;
        *seen.entry(answer.name()).or_default() += 1;
    }
    for channel in draw.channels() {
        assert_eq!(twin.channel(&channel), contract.channel(&channel).await, "at the end: {channel:?}");
    }
    eprintln!("{calls} calls with seed {seed}: {seen:?}");
    if calls >= CALLS as u64 {
        // Were a kind of answer never drawn, agreeing on it would mean nothing.
        for name in Answer::NAMES {
            assert!(seen.contains_key(name), "no call of {calls} ended as {name}: {seen:?}");
        }
    }
}

/// What the supply, the years or 2^32 openings keep random calls from reaching.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_twin_and_the_contract_agree_at_the_edges() {
    let (mut contract, parties) = Contract::deployed().await;
    let mut twin = contract.twin(&parties).await;
    let [payer, payee] = [parties[0].address, parties[1].address];
    let id = ChannelId { payer, payee };
    let fund = |amount| Call::Fund { payer, fundings: vec![(payee, Wei(amount))], by_transfer: false };
    let set = async |contract: &mut Contract, twin: Channels, state: ChannelState| {
        contract.set_channel(&id, &state).await;
        twin.with_channel(id, state)
    };

    twin = set(&mut contract, twin, ChannelState { epoch: u32::MAX - 1, ..ChannelState::default() }).await;
    assert_eq!(agree(&mut contract, &mut twin, &fund(5), "the last epoch").await, Answer::Done);
    twin = set(&mut contract, twin, ChannelState { epoch: u32::MAX, ..ChannelState::default() }).await;
    let answer = agree(&mut contract, &mut twin, &fund(5), "no epoch left").await;
    assert_eq!(answer, Answer::Reverted(errors::epochs_used_up(payee)));

    // The contract holds what this channel says it does, or its invariants would rightly not hold.
    let full = ChannelState { deposit: Wei(Wei::MAX.0 - 4), epoch: 1, ..ChannelState::default() };
    contract.set_channel(&id, &full).await;
    let mut rich = contract.twin_with_holdings(&parties, Wei::MAX.0).await.with_channel(id, full);
    let answer = agree_on_channel(&mut contract, &mut rich, &fund(5), &id).await;
    assert_eq!(answer, Answer::Reverted(errors::deposit_too_large()));
    assert_eq!(agree_on_channel(&mut contract, &mut rich, &fund(4), &id).await, Answer::Done);

    let nobody = CompactSignature([0; 64]);
    let zero = Call::Close { payee, payer, cumulative: Wei(0), epoch: 1, signature: nobody };
    contract.set_channel(&id, &ChannelState { deposit: Wei(4), epoch: 1, ..ChannelState::default() }).await;
    let mut twin = contract
        .twin(&parties)
        .await
        .with_channel(id, ChannelState { deposit: Wei(4), epoch: 1, ..ChannelState::default() });
    let closed = Answer::Closed { claimed: Wei(0), refund: Wei(4) };
    assert_eq!(agree(&mut contract, &mut twin, &zero, "a close for nothing").await, closed);

    assert_eq!(agree(&mut contract, &mut twin, &fund(5), "opened again").await, Answer::Done);
    contract.pass_to(ChainTime(u32::MAX as u64 - contract::CLOSE_DELAY_S as u64 + 1));
    let request = Call::RequestClose { payer, payee };
    let answer = agree(&mut contract, &mut twin, &request, "after the year 2106").await;
    assert!(matches!(answer, Answer::Reverted(_)));
}

/// As [`agree`], where the contract was given a deposit that it does not hold.
async fn agree_on_channel(contract: &mut Contract, twin: &mut Channels, call: &Call, id: &ChannelId) -> Answer {
    let (answer, now) = contract.make(call).await;
    assert_eq!(on_twin(twin, false, call, now), answer, "{call:?}");
    assert_eq!(twin.channel(id), contract.channel(id).await, "{call:?}");
    answer
}

/// All channels between the parties.
fn pairs(parties: &[Party]) -> Vec<ChannelId> {
    let addresses: Vec<Address> = parties.iter().map(|party| party.address).collect();
    let all =
        addresses.iter().flat_map(|payer| addresses.iter().map(|payee| ChannelId { payer: *payer, payee: *payee }));
    all.collect()
}
