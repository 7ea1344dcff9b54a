//! The twin of `ConcentDeposit`: each refusal, each way a promise ends, and random calls.

use super::key;
use crate::concent::*;
use golem_protocol::{
    Address, B256, CancelRotation, ChainTime, ClaimStage, CompactSignature, ConcentAccount, ConcentRef, Document,
    GuaranteeTerms, KeySigner, Promise, Rotation, Ruling, Signed, Signer, U256, Wei, pack_signatures, sign,
};
use proptest::prelude::*;

const CONTRACT: Address = Address::repeat_byte(0xcd);
const TOKEN: Address = Address::repeat_byte(0x60);
const TREASURY: Address = Address::repeat_byte(0x77);
const FEE: u128 = 7;
const COVER: u128 = 5;
const BOND: u128 = FEE + COVER;
const GWEI: u128 = 1_000_000_000;
const NOBODY: CompactSignature = CompactSignature([0; 64]);
const START: ChainTime = ChainTime(1_000_000);

fn at() -> ConcentRef {
    ConcentRef { chain_id: 31337, concent_deposit: CONTRACT }
}

fn terms() -> GuaranteeTerms {
    GuaranteeTerms {
        token: TOKEN,
        treasury: TREASURY,
        withdraw_delay_s: 60,
        contest_window_s: 20,
        ruling_window_s: 30,
        rotation_delay_s: 110,
        fee: Wei(FEE),
        cover: Wei(COVER),
        daily_limit: Wei(100 * GWEI),
        deposit_max: Wei(1000),
    }
}

fn requestor() -> Address {
    key(1).address()
}

fn provider() -> Address {
    key(2).address()
}

/// Concent's keys, in ascending order of their addresses.
fn concent_keys() -> Vec<KeySigner> {
    let mut keys: Vec<KeySigner> = (101..104).map(key).collect();
    keys.sort_by_key(|key| key.address());
    keys
}

fn addresses(keys: &[KeySigner]) -> Vec<Address> {
    keys.iter().map(|key| key.address()).collect()
}

fn with_terms(terms: GuaranteeTerms) -> ConcentDeposit {
    let balances = [(requestor(), 1000u128), (provider(), 1000)].into_iter().collect();
    let mut twin = ConcentDeposit::new(at(), terms, &addresses(&concent_keys()), 2, balances).unwrap();
    twin.approve(requestor(), u128::MAX);
    twin.approve(provider(), u128::MAX);
    twin
}

/// With a deposit of 100 of the requestor and of two bonds of the provider.
fn funded() -> ConcentDeposit {
    let mut twin = with_terms(terms());
    twin.deposit(requestor(), Wei(100)).unwrap();
    twin.deposit(provider(), Wei(2 * BOND)).unwrap();
    twin
}

fn after(secs: u64) -> ChainTime {
    START.saturating_add(secs)
}

fn promise(nonce: u64, amount: u128) -> Promise {
    let (nonce, amount) = (U256::from(nonce), Wei(amount));
    Promise { provider: provider(), amount, nonce, deal: B256::repeat_byte(9), deadline: after(100) }
}

fn promised(promise: Promise) -> Signed<Promise> {
    let signature = key(1).sign_digest(&promise.digest(&at())).unwrap();
    Signed { document: promise, signature }
}

fn rulings(promise: &Promise, amount: u128, keys: &[KeySigner]) -> Vec<u8> {
    let ruling =
        Ruling { requestor: requestor(), promise: promise.digest(&at()), amount: Wei(amount), evidence: B256::ZERO };
    let signed: Vec<_> = keys.iter().map(|key| sign(ruling, &at(), key).unwrap()).collect();
    pack_signatures(&signed)
}

fn receipt_of(promise: &Promise, signer: &KeySigner) -> CompactSignature {
    let receipt = golem_protocol::Receipt { requestor: requestor(), promise: promise.digest(&at()) };
    signer.sign_digest(&receipt.digest(&at())).unwrap()
}

fn claimed(amount: u128) -> (ConcentDeposit, Promise) {
    let mut twin = funded();
    let promise = promise(0, 60);
    twin.claim(provider(), &promised(promise), Wei(amount), Wei::ZERO, START).unwrap();
    (twin, promise)
}

fn account(deposit: u128, reserved: u128) -> ConcentAccount {
    ConcentAccount { deposit: Wei(deposit), reserved: Wei(reserved), unlock_at: ChainTime(0) }
}

fn accounts(twin: &ConcentDeposit) -> [ConcentAccount; 3] {
    [requestor(), provider(), TREASURY].map(|owner| twin.account(&owner))
}

#[test]
fn refuses_deposits_that_are_not_in_order() {
    let mut twin = with_terms(terms());
    let before = twin.clone();
    let allowed = Wei(1000);
    let nothing = ConcentError::BadAmount { got: Wei::ZERO, allowed };
    assert_eq!(twin.deposit(requestor(), Wei::ZERO), Err(nothing));
    let too_large = ConcentError::DepositTooLarge { got: 1001, allowed };
    assert_eq!(twin.deposit(requestor(), Wei(1001)), Err(too_large));
    let stranger = key(9).address();
    let unapproved = ConcentError::AllowanceTooLow { allowance: 0, needed: 1 };
    assert_eq!(twin.deposit(stranger, Wei(1)), Err(unapproved.clone()));
    assert_eq!(twin.deposit_by_permit(stranger, Wei(1), false), Err(unapproved));
    let poor = ConcentError::BalanceTooLow { holder: stranger, held: 0, needed: 1 };
    assert_eq!(twin.deposit_by_permit(stranger, Wei(1), true), Err(poor.clone()));
    assert_eq!(twin.deposit_by_transfer(stranger, stranger, Wei(1), 0), Err(poor));
    let foreign = ConcentError::NotTheOwner { operator: provider(), owner: requestor() };
    assert_eq!(twin.deposit_by_transfer(provider(), requestor(), Wei(1), 0), Err(foreign));
    assert_eq!(twin.deposit_by_transfer(requestor(), requestor(), Wei(1), 3), Err(ConcentError::BadLength(3)));
    let forged = ConcentError::NotTheToken { got: requestor(), allowed: TOKEN };
    assert_eq!(twin.on_transfer_received(requestor(), requestor(), requestor(), Wei(1), 0), Err(forged));
    assert_eq!(twin, before);
}

#[test]
fn refuses_to_let_out_what_is_locked_early_or_at_stake() {
    let (mut twin, _) = claimed(60);
    assert_eq!(twin.withdraw(requestor(), Wei(1), START), Err(ConcentError::Locked(requestor())));
    let empty = ConcentError::TooLittle { account: TREASURY, got: Wei::ZERO, needed: Wei(1) };
    assert_eq!(twin.unlock(TREASURY, START), Err(empty));
    assert_eq!(twin.unlock(requestor(), START), Ok(after(60)));
    assert_eq!(twin.unlock(requestor(), START), Err(ConcentError::AlreadyUnlocked(after(60))));
    let early = ConcentError::TooEarly { due: after(60), now: after(59) };
    assert_eq!(twin.withdraw(requestor(), Wei(1), after(59)), Err(early));
    let nothing = ConcentError::BadAmount { got: Wei::ZERO, allowed: Wei(40) };
    assert_eq!(twin.withdraw(requestor(), Wei::ZERO, after(60)), Err(nothing));
    let staked = ConcentError::TooLittle { account: requestor(), got: Wei(40), needed: Wei(41) };
    assert_eq!(twin.withdraw(requestor(), Wei(41), after(60)), Err(staked));
    assert_eq!(twin.withdraw(requestor(), Wei(40), after(60)), Ok(()));
    assert_eq!(twin.balance(&requestor()), 940);
    // A deposit locks again.
    twin.deposit(requestor(), Wei(1)).unwrap();
    assert_eq!(twin.withdraw(requestor(), Wei(1), after(61)), Err(ConcentError::Locked(requestor())));
    let far = ChainTime((1 << 40) - 60);
    assert_eq!(twin.unlock(requestor(), far), Err(ConcentError::TooLargeFor { bits: 40, value: 1 << 40 }));
}

#[test]
fn refuses_claims_that_are_not_the_callers_in_time_and_covered() {
    let mut twin = funded();
    let before = twin.clone();
    let good = promised(promise(0, 60));
    let mut claim = |sender, promised: &Signed<Promise>, amount, min, now| {
        twin.claim(sender, promised, Wei(amount), Wei(min), now).unwrap_err()
    };
    let foreign = ConcentError::NotTheProvider { got: requestor(), allowed: provider() };
    assert_eq!(claim(requestor(), &good, 60, 0, START), foreign);
    let late = ConcentError::TooLate { due: after(101), now: after(101) };
    assert_eq!(claim(provider(), &good, 60, 0, after(101)), late);
    for amount in [0, 61] {
        let bad = ConcentError::BadAmount { got: Wei(amount), allowed: Wei(60) };
        assert_eq!(claim(provider(), &good, amount, 0, START), bad);
    }
    let unsigned = Signed { signature: NOBODY, ..good.clone() };
    assert_eq!(claim(provider(), &unsigned, 60, 0, START), ConcentError::BadSignature(Address::ZERO));
    let own = Promise { provider: requestor(), ..promise(0, 60) };
    assert_eq!(claim(requestor(), &promised(own), 60, 0, START), ConcentError::BadProvider(requestor()));
    let rich = promised(promise(0, 200));
    let little = ConcentError::TooLittle { account: requestor(), got: Wei(100), needed: Wei(101) };
    assert_eq!(claim(provider(), &rich, 200, 101, START), little);
    let stranger = key(5);
    let of_stranger = promise(0, 60);
    let signature = stranger.sign_digest(&of_stranger.digest(&at())).unwrap();
    let empty = ConcentError::TooLittle { account: stranger.address(), got: Wei(0), needed: Wei(0) };
    assert_eq!(claim(provider(), &Signed { document: of_stranger, signature }, 60, 0, START), empty);
    assert_eq!(twin, before);

    let mut poor = with_terms(terms());
    poor.deposit(requestor(), Wei(100)).unwrap();
    let bond = ConcentError::TooLittle { account: provider(), got: Wei(0), needed: Wei(BOND) };
    assert_eq!(poor.claim(provider(), &good, Wei(60), Wei(0), START), Err(bond));
    twin.claim(provider(), &good, Wei(60), Wei(0), after(100)).unwrap();
    // Another promise of the same number is used up with it.
    let used = ConcentError::UsedUp { requestor: requestor(), provider: provider(), nonce: U256::ZERO };
    assert_eq!(twin.claim(provider(), &promised(promise(0, 10)), Wei(10), Wei(0), START), Err(used));
}

#[test]
fn an_uncontested_claim_pays_by_itself_when_it_is_due() {
    let (mut twin, promise) = claimed(50);
    assert_eq!(accounts(&twin), [account(100, 50), account(24, BOND), account(0, 0)]);
    let early = ConcentError::TooEarly { due: after(20), now: after(19) };
    assert_eq!(twin.settle(requestor(), &promise, after(19)), Err(early));
    let late = ConcentError::TooLate { due: after(20), now: after(20) };
    assert_eq!(twin.contest(requestor(), promise.digest(&at()), after(20)), Err(late));
    assert_eq!(twin.settle(requestor(), &promise, after(20)), Ok(Wei(50)));
    let over = ConcentError::NoClaim { requestor: requestor(), promise: promise.digest(&at()) };
    assert_eq!(twin.settle(requestor(), &promise, after(20)), Err(over));
    assert_eq!(accounts(&twin), [account(50, 0), account(24, 0), account(0, 0)]);
    assert_eq!(twin.balance(&provider()), 1000 - 24 + 50);
}

#[test]
fn a_contested_claim_lapses_if_nobody_rules() {
    let (mut twin, promise) = claimed(50);
    let digest = promise.digest(&at());
    let foreign = ConcentError::NoClaim { requestor: provider(), promise: digest };
    assert_eq!(twin.contest(provider(), digest, START), Err(foreign));
    assert_eq!(twin.contest(requestor(), digest, after(19)), Ok(after(49)));
    assert_eq!(twin.contest(requestor(), digest, after(19)), Err(ConcentError::AlreadyContested(after(49))));
    assert_eq!(twin.claim_of(&requestor(), &digest).stage, ClaimStage::Contested);
    assert_eq!(twin.settle(requestor(), &promise, after(49)), Ok(Wei::ZERO));
    assert_eq!(accounts(&twin), [account(100, 0), account(24, 0), account(0, 0)]);

    // Whoever has nothing left to put at stake cannot contest.
    let mut twin = funded();
    let all = super::concent::promise(1, 100);
    twin.claim(provider(), &promised(all), Wei(100), Wei(0), START).unwrap();
    let little = ConcentError::TooLittle { account: requestor(), got: Wei(0), needed: Wei(BOND) };
    assert_eq!(twin.contest(requestor(), all.digest(&at()), START), Err(little));
}

#[test]
fn a_ruling_needs_enough_keys_in_ascending_order_and_nothing_else() {
    let (mut twin, promise) = claimed(50);
    let before = twin.clone();
    let keys = concent_keys();
    let good = rulings(&promise, 50, &keys[..2]);
    let mut refused = |signatures: &[u8], amount: u128, got: u64| {
        let error = twin.rule(TREASURY, &promised(promise), Wei(amount), B256::ZERO, signatures, START);
        assert_eq!(error, Err(ConcentError::TooFewSignatures { got, needed: 2 }));
    };
    refused(&[], 50, 0);
    refused(&good[..64], 50, 1);
    refused(&good[..127], 50, 1);
    refused(&[&good[64..], &good[..64]].concat(), 50, 1);
    refused(&[&good[..64], &good[..64]].concat(), 50, 1);
    refused(&[&good[..], &[0]].concat(), 50, 2);
    refused(&rulings(&promise, 50, &[key(1), key(2)]), 50, 0);
    refused(&good, 51, 0);
    assert_eq!(twin, before);
    let too_much = ConcentError::BadAmount { got: Wei(61), allowed: Wei(60) };
    assert_eq!(twin.rule(TREASURY, &promised(promise), Wei(61), B256::ZERO, &good, START), Err(too_much));
    let unasked = ConcentError::NotContested { requestor: requestor(), promise: promise.digest(&at()) };
    let less = rulings(&promise, 49, &keys[..2]);
    let ruled = twin.rule(TREASURY, &promised(promise), Wei(49), B256::ZERO, &less, START);
    assert_eq!(ruled, Err(unasked), "a claim that nobody contests cannot be lost");
    let late = ConcentError::TooLate { due: after(20), now: after(20) };
    assert_eq!(twin.rule(TREASURY, &promised(promise), Wei(50), B256::ZERO, &good, after(20)), Err(late));
    assert_eq!(twin.rule(TREASURY, &promised(promise), Wei(50), B256::ZERO, &good, START), Ok(Wei(50)));
    assert_eq!(accounts(&twin), [account(50, 0), account(24, 0), account(0, 0)]);
    let used = ConcentError::UsedUp { requestor: requestor(), provider: provider(), nonce: U256::ZERO };
    assert_eq!(twin.rule(TREASURY, &promised(promise), Wei(50), B256::ZERO, &good, START), Err(used));
}

#[test]
fn the_loser_of_a_contested_claim_pays_fee_and_cover() {
    for (granted, expected) in [
        (50, [account(50 - BOND, 0), account(24 + COVER, 0), account(FEE, 0)]),
        (49, [account(51 + COVER, 0), account(24 - BOND, 0), account(FEE, 0)]),
        (0, [account(100 + COVER, 0), account(24 - BOND, 0), account(FEE, 0)]),
    ] {
        let (mut twin, promise) = claimed(50);
        twin.contest(requestor(), promise.digest(&at()), START).unwrap();
        let signatures = rulings(&promise, granted, &concent_keys()[..2]);
        let paid = twin.rule(TREASURY, &promised(promise), Wei(granted), B256::ZERO, &signatures, after(29));
        assert_eq!(paid, Ok(Wei(granted)));
        assert_eq!(accounts(&twin), expected, "{granted} granted");
        assert_eq!(twin.moved_today(START), Ok(GWEI), "each ruling rounded up");
        assert_eq!(twin.check_invariants(), vec![]);
    }
}

#[test]
fn a_promise_that_nobody_claimed_can_be_ruled_on() {
    let mut twin = funded();
    let rich = promise(3, 150);
    let keys = &concent_keys()[1..];
    let mut rule = |sender, amount, now| {
        twin.rule(sender, &promised(rich), Wei(amount), B256::ZERO, &rulings(&rich, amount, keys), now)
    };
    let nothing = ConcentError::BadAmount { got: Wei(0), allowed: Wei(150) };
    assert_eq!(rule(TREASURY, 0, START), Err(nothing));
    let late = ConcentError::TooLate { due: after(130), now: after(130) };
    assert_eq!(rule(TREASURY, 50, after(130)), Err(late));
    let little = ConcentError::TooLittle { account: requestor(), got: Wei(100), needed: Wei(150) };
    assert_eq!(rule(TREASURY, 150, START), Err(little));
    assert_eq!(rule(provider(), 150, after(129)), Ok(Wei(100)), "its provider takes what there is");
    let used = ConcentError::UsedUp { requestor: requestor(), provider: provider(), nonce: U256::from(3) };
    assert_eq!(rule(provider(), 150, START), Err(used));
}

#[test]
fn what_rulings_move_in_a_day_is_bounded() {
    let mut twin = with_terms(GuaranteeTerms { daily_limit: Wei(2 * GWEI), ..terms() });
    twin.deposit(requestor(), Wei(100)).unwrap();
    let mut rule = |nonce, now| {
        let promise = Promise { deadline: after(1_000_000), ..promise(nonce, 1) };
        let signatures = rulings(&promise, 1, &concent_keys()[..2]);
        twin.rule(TREASURY, &promised(promise), Wei(1), B256::ZERO, &signatures, now)
    };
    let midnight = ChainTime(START.0.div_ceil(86_400) * 86_400);
    assert_eq!(rule(0, START), Ok(Wei(1)));
    assert_eq!(rule(1, START), Ok(Wei(1)));
    let reached = ConcentError::DailyLimitReached { moved: 2 * GWEI, asked: 1, allowed: Wei(2 * GWEI) };
    assert_eq!(rule(2, ChainTime(midnight.0 - 1)), Err(reached));
    assert_eq!(rule(2, midnight), Ok(Wei(1)));
    assert_eq!((twin.moved_today(midnight), twin.moved_today(START)), (Ok(GWEI), Ok(0)));
    let year_2150 = ChainTime(65_536 * 86_400);
    assert_eq!(twin.moved_today(year_2150), Err(ConcentError::TooLargeFor { bits: 16, value: 65_536 }));
}

#[test]
fn a_receipt_voids_a_promise_and_takes_the_bond_of_who_claimed_it() {
    let mut twin = funded();
    let promise = promise(0, 60);
    let thief = Address::repeat_byte(0xdd);
    let forged = ConcentError::BadSignature(requestor());
    assert_eq!(twin.void(thief, &promised(promise), &receipt_of(&promise, &key(1))), Err(forged));
    assert_eq!(twin.void(thief, &promised(promise), &NOBODY), Err(ConcentError::BadSignature(Address::ZERO)));
    let receipt = receipt_of(&promise, &key(2));
    assert_eq!(twin.void(thief, &promised(promise), &receipt), Ok(()));
    let used = ConcentError::UsedUp { requestor: requestor(), provider: provider(), nonce: U256::ZERO };
    assert_eq!(twin.void(thief, &promised(promise), &receipt), Err(used.clone()));
    assert_eq!(twin.claim(provider(), &promised(promise), Wei(60), Wei(0), START), Err(used));
    assert_eq!(twin.balance(&thief), 0);

    let (mut twin, promise) = claimed(60);
    twin.contest(requestor(), promise.digest(&at()), START).unwrap();
    twin.void(thief, &promised(promise), &receipt).unwrap();
    assert_eq!(accounts(&twin), [account(100 + FEE, 0), account(24 - BOND, 0), account(0, 0)]);
    assert_eq!(twin.balance(&thief), COVER);
    assert_eq!(twin.check_invariants(), vec![]);
}

#[test]
fn keys_change_behind_a_delay_and_only_by_the_present_ones() {
    let mut twin = funded();
    let (old, new) = (concent_keys(), addresses(&[key(7)]));
    let sign_all = |nonce: u64, keys: &[KeySigner]| {
        let rotation = Rotation { keys: new.clone(), threshold: 1, nonce: U256::from(nonce) };
        pack_signatures(&keys.iter().map(|key| sign(rotation.clone(), &at(), key).unwrap()).collect::<Vec<_>>())
    };
    let bad = |keys: usize, threshold| Err(ConcentError::BadKeys { keys, threshold });
    assert_eq!(twin.propose_rotation(&[], 1, &[], START), bad(0, 1));
    assert_eq!(twin.propose_rotation(&new, 2, &[], START), bad(1, 2));
    assert_eq!(twin.propose_rotation(&[new[0], new[0]], 1, &[], START), bad(2, 1));
    assert_eq!(twin.propose_rotation(&[Address::ZERO], 1, &[], START), bad(1, 1));
    let few = ConcentError::TooFewSignatures { got: 1, needed: 2 };
    assert_eq!(twin.propose_rotation(&new, 1, &sign_all(0, &old[..1]), START), Err(few));
    assert_eq!(twin.cancel_rotation(&[]), Err(ConcentError::NotProposed));
    assert_eq!(twin.rotate(&new, 1, after(100)), Err(ConcentError::NotProposed));
    assert_eq!(twin.propose_rotation(&new, 1, &sign_all(0, &old[1..]), START), Ok(after(110)));
    let again = ConcentError::TooFewSignatures { got: 0, needed: 2 };
    assert_eq!(twin.propose_rotation(&new, 1, &sign_all(0, &old[1..]), START), Err(again), "the nonce is used");
    assert_eq!(twin.rotate(&addresses(&old), 2, after(110)), Err(ConcentError::NotProposed));
    let early = ConcentError::TooEarly { due: after(110), now: after(109) };
    assert_eq!(twin.rotate(&new, 1, after(109)), Err(early));
    let mut cancelled = twin.clone();
    let cancel = CancelRotation { nonce: U256::from(1) };
    let cancel = pack_signatures(&old[..2].iter().map(|key| sign(cancel, &at(), key).unwrap()).collect::<Vec<_>>());
    assert_eq!(cancelled.cancel_rotation(&cancel[..64]), Err(ConcentError::TooFewSignatures { got: 1, needed: 2 }));
    cancelled.cancel_rotation(&cancel).unwrap();
    assert_eq!(cancelled.rotate(&new, 1, after(110)), Err(ConcentError::NotProposed));
    assert_eq!(twin.rotate(&new, 1, after(110)), Ok(()));
    assert_eq!((twin.concent(), twin.announced(), twin.rotation_nonce()), ((new, 1), None, 1));
}

#[derive(Clone, Debug)]
enum Step {
    Deposit(u8, u128),
    Unlock(u8),
    Withdraw(u8, u128),
    /// By whom and to whom.
    Claim(u8, u8, u64, u128),
    Contest(usize),
    Settle(usize),
    Rule(usize, u128),
    Void(usize),
    Wait(u64),
}

const PARTIES: u8 = 3;

fn step() -> impl Strategy<Value = Step> {
    let party = || 1..=PARTIES;
    prop_oneof![
        4 => (party(), 1u128..300).prop_map(|(who, amount)| Step::Deposit(who, amount)),
        1 => party().prop_map(Step::Unlock),
        1 => (party(), 1u128..300).prop_map(|(who, amount)| Step::Withdraw(who, amount)),
        6 => (party(), party(), 0u64..6, 1u128..120).prop_map(|(from, to, nonce, amount)| Step::Claim(from, to, nonce, amount)),
        3 => any::<usize>().prop_map(Step::Contest),
        3 => any::<usize>().prop_map(Step::Settle),
        4 => (any::<usize>(), 0u128..140).prop_map(|(which, amount)| Step::Rule(which, amount)),
        2 => any::<usize>().prop_map(Step::Void),
        4 => (1u64..40).prop_map(Step::Wait),
    ]
}

struct World {
    twin: ConcentDeposit,
    now: ChainTime,
    /// All that were ever made: who signed, and how much it was paid.
    promises: Vec<(u8, Signed<Promise>, u128)>,
}

impl World {
    fn new() -> World {
        let balances = (1..=PARTIES).map(|n| (key(n).address(), 1000u128)).collect();
        let mut twin = ConcentDeposit::new(at(), terms(), &addresses(&concent_keys()), 2, balances).unwrap();
        (1..=PARTIES).for_each(|n| twin.approve(key(n).address(), u128::MAX));
        World { twin, now: START, promises: Vec::new() }
    }

    fn make(&mut self, from: u8, to: u8, nonce: u64, amount: u128) -> Signed<Promise> {
        let (provider, deadline) = (key(to).address(), self.now.saturating_add(50));
        let promise = Promise { provider, deadline, ..promise(nonce, amount) };
        let signature = key(from).sign_digest(&promise.digest(&at())).unwrap();
        let promised = Signed { document: promise, signature };
        self.promises.push((from, promised.clone(), 0));
        promised
    }

    fn take(&mut self, step: &Step) {
        let now = self.now;
        match step {
            Step::Deposit(who, amount) => drop(self.twin.deposit(key(*who).address(), Wei(*amount))),
            Step::Unlock(who) => drop(self.twin.unlock(key(*who).address(), now)),
            Step::Withdraw(who, amount) => drop(self.twin.withdraw(key(*who).address(), Wei(*amount), now)),
            Step::Claim(from, to, nonce, amount) => {
                let promised = self.make(*from, *to, *nonce, amount + 10);
                drop(self.twin.claim(promised.document.provider, &promised, Wei(*amount), Wei::ZERO, now));
            }
            Step::Wait(secs) => self.now = now.saturating_add(*secs),
            Step::Contest(which) | Step::Settle(which) | Step::Rule(which, _) | Step::Void(which) => {
                if !self.promises.is_empty() {
                    let which = which % self.promises.len();
                    self.end(step, which);
                }
            }
        }
    }

    fn end(&mut self, step: &Step, which: usize) {
        let (from, promised, _) = self.promises[which].clone();
        let (promise, requestor) = (&promised.document, key(from).address());
        let digest = promise.digest(&at());
        let paid = match step {
            Step::Contest(_) => self.twin.contest(requestor, digest, self.now).map(|_| Wei::ZERO),
            Step::Settle(_) => self.twin.settle(requestor, promise, self.now),
            Step::Rule(_, amount) => {
                let ruling = Ruling { requestor, promise: digest, amount: Wei(*amount), evidence: B256::ZERO };
                let keys = &concent_keys()[..2];
                let signed: Vec<_> = keys.iter().map(|key| sign(ruling, &at(), key).unwrap()).collect();
                self.twin.rule(requestor, &promised, Wei(*amount), B256::ZERO, &pack_signatures(&signed), self.now)
            }
            _ => {
                let signer = (1..=PARTIES).map(key).find(|key| key.address() == promise.provider).unwrap();
                let receipt = golem_protocol::Receipt { requestor, promise: digest };
                let receipt = signer.sign_digest(&receipt.digest(&at())).unwrap();
                self.twin.void(requestor, &promised, &receipt).map(|()| Wei::ZERO)
            }
        };
        if let Ok(Wei(paid)) = paid
            && paid > 0
        {
            let before = std::mem::replace(&mut self.promises[which].2, paid);
            assert_eq!(before, 0, "a promise paid twice");
            assert!(paid <= promise.amount.0, "more was paid than promised");
        }
    }

    fn check(&self) {
        assert_eq!(self.twin.check_invariants(), vec![]);
        let parties = (1..=PARTIES).map(|n| self.twin.balance(&key(n).address())).sum::<u128>();
        assert_eq!(parties + self.twin.balance(&CONTRACT), 1000 * u128::from(PARTIES), "tokens came or went");
    }

    /// Whatever happened, everybody gets out what is its own.
    fn leave(mut self) {
        self.now = self.now.saturating_add(1000);
        for (from, promised, _) in self.promises.clone() {
            drop(self.twin.settle(key(from).address(), &promised.document, self.now));
        }
        for owner in (1..=PARTIES).map(|n| key(n).address()) {
            drop(self.twin.unlock(owner, self.now));
            let account = self.twin.account(&owner);
            assert_eq!(account.reserved, Wei::ZERO, "something is at stake for ever");
            if account.deposit > Wei::ZERO {
                self.twin.withdraw(owner, account.deposit, self.now.saturating_add(60)).unwrap();
            }
        }
        assert_eq!(self.twin.balance(&CONTRACT), self.twin.account(&TREASURY).deposit.0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn no_promise_pays_twice_and_everybody_can_leave(steps in prop::collection::vec(step(), 1..80)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
            world.check();
        }
        world.leave();
    }
}
