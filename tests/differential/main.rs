//! The twins in `golem-payments` against the contracts on anvil: the same random calls give the same storage, balances,
//! payouts, log and errors.
//!
//! ```text
//! subject.draw --> call --> twin -----> answer, state --.
//!                    '----> contract -> answer, state --+-- the same, or the test fails
//! ```
//!
//! `GOLEM_DIFFERENTIAL_CALLS` sets how many calls are made of each contract, `GOLEM_DIFFERENTIAL_SEED` which; a failure
//! names the seed that makes them again.

mod abi;
mod chain;
mod channels;
mod channels_calls;
mod client;
mod concent;
mod concent_calls;
mod registry;

use chain::{Answer, Chain, Read, Request, Tx};
use golem_protocol::{Address, ChainTime};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};

/// How many calls the check makes of each contract. Reason: every kind of call meets every error many times, in seconds.
const CALLS: u64 = 1500;
const SEED: u64 = 20_180_410;
/// How many calls share a block at most. Reason: several have to meet in one block, and times have to differ often.
const CALLS_PER_BLOCK_MAX: usize = 12;

/// How many calls are made on one chain, before there is a new one and the next seed. Reason: anvil remembers every
/// block, at about 100 KB each.
const CALLS_PER_CHAIN_MAX: u64 = 10_000;

/// A contract and its twin.
trait Subject {
    type Call: std::fmt::Debug;

    /// The contract under test.
    fn contract(&self) -> Address;
    /// When the next block is to be made, given when the newest one was.
    fn time(&mut self, now: ChainTime) -> ChainTime;
    /// A call for a block of that time.
    fn draw(&mut self, now: ChainTime) -> Self::Call;
    /// The call as a transaction.
    fn transaction(&self, call: &Self::Call) -> Tx;
    /// Makes the call on the twin, and says what the contract has to answer.
    fn on_twin(&mut self, call: &Self::Call, now: ChainTime) -> Answer;
    /// What a call could have changed, with what the twin says of it.
    fn reads(&self, call: &Self::Call, now: ChainTime) -> Vec<Read>;
    /// All there is to look at.
    fn all(&self, now: ChainTime) -> Vec<Read>;
    /// What is wrong with the twin itself.
    fn violations(&self) -> Vec<String>;
}

fn setting(name: &str, usual: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is `{text}`; set it to a whole number")),
        Err(_) => usual,
    }
}

/// Makes calls in one block, and holds the contract against the twin.
async fn agree<S: Subject>(
    chain: &mut Chain,
    subject: &mut S,
    time: ChainTime,
    calls: &[S::Call],
    expected: &[Answer],
    about: &str,
) {
    let txs: Vec<Tx> = calls.iter().map(|call| subject.transaction(call)).collect();
    let names: Vec<&'static str> = expected.iter().map(Answer::name_if_done).collect();
    // The state is that after the block, so what two calls touched is read once.
    let mut asked = BTreeSet::new();
    let reads: Vec<Read> = calls.iter().flat_map(|call| subject.reads(call, time)).collect();
    let reads: Vec<Read> = reads.into_iter().filter(|read| asked.insert(read.request.clone())).collect();
    let requests: Vec<Request> = reads.iter().map(|read| read.request.clone()).collect();
    let (answers, found) = chain.block(time, &txs, &names, subject.contract(), &requests).await;
    for ((call, expected), got) in calls.iter().zip(expected).zip(&answers) {
        assert_eq!(expected, got, "{about}: at {time:?} the twin (left) and the contract (right) differ on {call:?}");
    }
    compare(&reads, &found, &format!("{about}: after {calls:?} at {time:?}"));
    assert_eq!(subject.violations(), Vec::<String>::new(), "{about}: after {calls:?}");
}

fn compare(reads: &[Read], found: &[alloy_primitives::Bytes], about: &str) {
    for (read, found) in reads.iter().zip(found) {
        let expected = alloy_primitives::hex::encode_prefixed(&read.expected);
        assert_eq!(expected, found.to_string(), "{about}: {} of the twin (left) and the contract (right)", read.what);
    }
}

/// Makes one call in a block of its own.
async fn agree_on<S: Subject>(chain: &mut Chain, subject: &mut S, time: ChainTime, call: S::Call) -> Answer {
    let answer = subject.on_twin(&call, time);
    agree(chain, subject, time, &[call], std::slice::from_ref(&answer), "an edge").await;
    answer
}

/// Makes random calls; each of `names` has to be the answer to some of them.
async fn agree_on_random_calls<S: Subject>(names: &[&'static str], start: impl AsyncFn(&mut Chain, u64) -> S) {
    let calls = setting("GOLEM_DIFFERENTIAL_CALLS", CALLS);
    let seed = setting("GOLEM_DIFFERENTIAL_SEED", SEED);
    let mut seen = BTreeMap::<&'static str, usize>::new();
    let (mut left, mut seed_now) = (calls, seed);
    while left > 0 {
        let mut chain = Chain::start(channels::CLOSE_DELAY_S).await;
        let mut subject = start(&mut chain, seed_now).await;
        let here = left.min(CALLS_PER_CHAIN_MAX);
        agree_on_one_chain(&mut chain, &mut subject, seed_now, here, &mut seen).await;
        (left, seed_now) = (left - here, seed_now.wrapping_add(1));
    }
    eprintln!("{calls} calls from seed {seed} on: {seen:?}");
    // Were a kind of answer never drawn, agreeing on it would mean nothing. Few calls of any seed may miss a rare one.
    if (calls >= CALLS && seed == SEED) || calls >= 10 * CALLS {
        for name in names {
            assert!(seen.contains_key(name), "no call of {calls} ended as {name}: {seen:?}");
        }
    }
}

async fn agree_on_one_chain<S: Subject>(
    chain: &mut Chain,
    subject: &mut S,
    seed: u64,
    calls: u64,
    seen: &mut BTreeMap<&'static str, usize>,
) {
    let mut sizes = StdRng::seed_from_u64(seed);
    let mut made = 0u64;
    while made < calls {
        let time = subject.time(chain.now());
        let size = sizes.random_range(1..=CALLS_PER_BLOCK_MAX).min((calls - made) as usize);
        let mut block = Vec::new();
        let mut expected = Vec::new();
        for _ in 0..size {
            let call = subject.draw(time);
            let answer = subject.on_twin(&call, time);
            *seen.entry(answer.name()).or_default() += 1;
            expected.push(answer);
            block.push(call);
        }
        let about = format!("GOLEM_DIFFERENTIAL_SEED={seed}, calls from {made} on");
        agree(chain, subject, time, &block, &expected, &about).await;
        made += size as u64;
    }
    let all = subject.all(chain.now());
    let requests: Vec<Request> = all.iter().map(|read| read.request.clone()).collect();
    compare(&all, &chain.look(&requests).await, &format!("GOLEM_DIFFERENTIAL_SEED={seed}, at the end"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_channels_and_their_twin_agree_on_random_calls() {
    agree_on_random_calls(&channels::ANSWERS, channels::Subject::new).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guarantee_and_its_twin_agree_on_random_calls() {
    agree_on_random_calls(&concent::ANSWERS, concent::Subject::new).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_registry_and_its_twin_agree_on_random_calls() {
    agree_on_random_calls(&registry::ANSWERS, registry::Subject::new).await;
}
