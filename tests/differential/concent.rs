//! `ConcentDeposit` and its twin.

use super::abi::{concent as abi, token};
use super::chain::{Answer, Chain, Log, Read, Tx};
use super::channels::{balance, halves, uint96};
use super::concent_calls::{Call, Draw, Kind};
use alloy_primitives::{B256, Bytes, U256, Uint, keccak256};
use alloy_sol_types::{SolConstructor, SolError, SolValue};
use golem_payments::concent::{ConcentDeposit, ConcentError};
use golem_protocol::{
    Address, ChainTime, ConcentRef, Document, GuaranteeTerms, KeySigner, Promise, Signed, Signer, Wei,
};
use std::collections::BTreeMap;

/// How many play; the last of them is poor, the first is also the treasury. Reason: few, so that they meet.
const PARTIES: usize = 4;
/// How many keys Concent has at some time.
const KEYS: u8 = 5;
/// What is left to the poor one, in wei: less than it may deposit.
const POOR: u128 = 1_500_000_000_000;

/// Every way in which some random call must have ended.
pub const ANSWERS: [&str; 38] = [
    "Approved",
    "Deposited",
    "Unlocked",
    "Withdrawn",
    "Claimed",
    "Contested",
    "Settled",
    "Lapsed",
    "Ruled",
    "RuledNothing",
    "Voided",
    "RotationProposed",
    "RotationCancelled",
    "Rotated",
    "NotTheToken",
    "NotTheOwner",
    "BadLength",
    "BadAmount",
    "DepositTooLarge",
    "TooLittle",
    "Locked",
    "AlreadyUnlocked",
    "TooEarly",
    "TooLate",
    "NotTheProvider",
    "BadProvider",
    "BadSignature",
    "UsedUp",
    "NoClaim",
    "NotContested",
    "AlreadyContested",
    "DailyLimitReached",
    "TooFewSignatures",
    "NotProposed",
    "BadKeys",
    "ERC20InsufficientAllowance",
    "ERC20InsufficientBalance",
    "VoidedClaim",
];

pub struct Subject {
    twin: ConcentDeposit,
    draw: Draw,
    at: ConcentRef,
    token: Address,
}

fn terms(token: Address, treasury: Address) -> GuaranteeTerms {
    GuaranteeTerms {
        token,
        treasury,
        withdraw_delay_s: 40,
        contest_window_s: 20,
        ruling_window_s: 30,
        rotation_delay_s: 90,
        // Not of whole 1e9 wei, by which the contract counts what is moved in a day.
        fee: Wei(30_000_000_001),
        cover: Wei(20_000_000_007),
        daily_limit: Wei(5_000_000_000_000),
        deposit_max: Wei(4_000_000_000_000),
    }
}

impl Subject {
    /// A contract of its own on this chain, which parties have approved their tokens.
    pub async fn new(chain: &mut Chain, seed: u64) -> Subject {
        let token = chain.token();
        let parties = chain.parties(PARTIES);
        let mut keys: Vec<KeySigner> = (1..=KEYS).map(|n| KeySigner::from_bytes(&[n; 32]).expect("a key")).collect();
        keys.sort_by_key(|key| key.address());
        let (first, threshold) = (keys[..3].iter().map(|key| key.address()).collect::<Vec<_>>(), 2);
        let terms = terms(token, parties[0].address);
        let constructor = abi::constructorCall {
            terms_: abi::Terms {
                token,
                treasury: terms.treasury,
                withdrawDelay: terms.withdraw_delay_s,
                contestWindow: terms.contest_window_s,
                rulingWindow: terms.ruling_window_s,
                rotationDelay: terms.rotation_delay_s,
                fee: uint96(terms.fee),
                cover: uint96(terms.cover),
                dailyLimit: uint96(terms.daily_limit),
                depositMax: uint96(terms.deposit_max),
            },
            keys: first.clone(),
            threshold: U256::from(threshold),
        };
        let contract = chain.deploy(parties[0].address, &abi::BYTECODE, constructor.abi_encode()).await;
        let mut scene = Vec::new();
        for party in &parties {
            for spender in parties.iter().map(|party| party.address).chain([contract]) {
                scene.push(Tx::new(party.address, token, token::approveCall { spender, value: U256::MAX }));
            }
        }
        let poor = parties[PARTIES - 1].address;
        let too_much = U256::from(balance(chain, token, poor).await - POOR);
        scene.push(Tx::new(poor, token, token::transferCall { to: parties[0].address, value: too_much }));
        chain.prepare(&scene).await;

        let mut balances = BTreeMap::new();
        for holder in parties.iter().map(|party| party.address).chain([contract]) {
            balances.insert(holder, balance(chain, token, holder).await);
        }
        let chain_id = chain.devnet().deployment().chain_id;
        let at = ConcentRef { chain_id, concent_deposit: contract };
        let mut twin = ConcentDeposit::new(at, terms, &first, threshold, balances).expect("keys in order");
        parties.iter().for_each(|party| twin.approve(party.address, u128::MAX));
        Subject { twin, draw: Draw::new(seed, parties, keys, at, token), at, token }
    }

    fn view<C: alloy_sol_types::SolCall>(&self, what: String, call: C, expected: Vec<u8>) -> Read {
        Read::call(what, self.at.concent_deposit, call, expected)
    }

    fn account(&self, owner: Address) -> [Read; 2] {
        let account = self.twin.account(&owner);
        let expected = words(&[account.deposit.0, account.reserved.0, account.unlock_at.0.into()]);
        let held = words(&[self.twin.balance(&owner)]);
        let balance = token::balanceOfCall { holder: owner };
        [
            self.view(format!("the account of {owner}"), abi::accountCall { owner }, expected),
            Read::call(format!("the balance of {owner}"), self.token, balance, held),
        ]
    }

    fn allowance(&self, owner: Address) -> Read {
        let allowance = match self.twin.allowance(&owner) {
            u128::MAX => U256::MAX,
            allowance => U256::from(allowance),
        };
        let call = token::allowanceCall { owner, spender: self.at.concent_deposit };
        Read::call(format!("the allowance of {owner}"), self.token, call, allowance.abi_encode())
    }

    fn claim(&self, requestor: Address, digest: B256) -> Read {
        let claim = self.twin.claim_of(&requestor, &digest);
        let expected = words(&[claim.amount.0, claim.reserved.0, claim.due.0.into(), claim.stage as u128]);
        let call = abi::claimOfCall { requestor, promiseDigest_: digest };
        self.view(format!("the claim of {digest}"), call, expected)
    }

    fn used_up(&self, requestor: Address, promise: &Promise) -> Read {
        let (provider, nonce) = (promise.provider, promise.nonce);
        let expected = self.twin.is_used_up(&requestor, &provider, &nonce).abi_encode();
        let call = abi::isUsedUpCall { requestor, provider, nonce };
        self.view(format!("whether number {nonce} to {provider} is used up"), call, expected)
    }

    fn moved(&self, now: ChainTime) -> Read {
        let moved = self.twin.moved_today(now).expect("a day before 2149");
        self.view("what was moved today".into(), abi::movedTodayCall {}, words(&[moved]))
    }

    fn keys(&self) -> [Read; 2] {
        let (keys, threshold) = self.twin.concent();
        let concent = (keys, U256::from(threshold)).abi_encode_params();
        let (proposed, active_at) = self.twin.announced().map_or((B256::ZERO, 0), |announced| {
            let encoded = (announced.keys.clone(), U256::from(announced.threshold)).abi_encode_params();
            (keccak256(encoded), announced.active_at.0)
        });
        let rotation = (U256::from(self.twin.rotation_nonce()), proposed, U256::from(active_at)).abi_encode();
        [
            self.view("Concent".into(), abi::concentCall {}, concent),
            self.view("the rotation".into(), abi::rotationCall {}, rotation),
        ]
    }

    /// The state that a promise is about.
    fn promised(&self, promised: &Signed<Promise>) -> Vec<Read> {
        let digest = promised.document.digest(&self.at);
        let requestor = promised.signature.recover(&digest).unwrap_or_default();
        let mut reads = vec![self.claim(requestor, digest), self.used_up(requestor, &promised.document)];
        reads.extend(self.account(requestor));
        reads.extend(self.account(promised.document.provider));
        reads
    }

    fn try_on_twin(&mut self, call: &Call, now: ChainTime) -> Result<Answer, ConcentError> {
        let sender = call.sender;
        let twin = &mut self.twin;
        let nothing = Bytes::new();
        let taken = Bytes::from(true.abi_encode());
        match &call.kind {
            Kind::Approve(amount) => {
                twin.approve(sender, *amount);
                Ok(Answer::Done { name: "Approved", output: taken, logs: Vec::new() })
            }
            Kind::Deposit(amount) => twin.deposit(sender, *amount).map(|()| self.deposited(sender, nothing)),
            Kind::DepositByPermit { amount, permitted, .. } => {
                twin.deposit_by_permit(sender, *amount, *permitted)?;
                if *permitted {
                    self.draw.permitted(sender);
                }
                Ok(self.deposited(sender, nothing))
            }
            Kind::DepositByTransfer { owner, amount, data_bytes } => {
                twin.deposit_by_transfer(sender, *owner, *amount, *data_bytes)?;
                Ok(self.deposited(*owner, taken))
            }
            Kind::OnTransferReceived { owner, amount, data_bytes } => {
                twin.on_transfer_received(sender, sender, *owner, *amount, *data_bytes)?;
                Ok(self.deposited(*owner, nothing))
            }
            Kind::Unlock => {
                let unlock_at = uint40(twin.unlock(sender, now)?);
                Ok(done("Unlocked", &abi::Unlocked { account: sender, unlockAt: unlock_at }))
            }
            Kind::Withdraw(amount) => {
                twin.withdraw(sender, *amount, now)?;
                Ok(done("Withdrawn", &abi::Withdrawn { account: sender, amount: uint96(*amount) }))
            }
            Kind::Claim { .. } | Kind::Contest { .. } | Kind::Settle { .. } | Kind::Rule { .. } | Kind::Void { .. } => {
                self.about_promise(sender, &call.kind, now)
            }
            Kind::ProposeRotation { keys, threshold, signatures } => {
                let active_at = uint40(twin.propose_rotation(keys, *threshold, signatures, now)?);
                let (keys, threshold) = (keys.clone(), U256::from(*threshold));
                Ok(done("RotationProposed", &abi::RotationProposed { keys, threshold, activeAt: active_at }))
            }
            Kind::CancelRotation { signatures } => {
                let nonce = U256::from(twin.rotation_nonce());
                twin.cancel_rotation(signatures)?;
                Ok(done("RotationCancelled", &abi::RotationCancelled { nonce }))
            }
            Kind::Rotate { keys, threshold } => {
                twin.rotate(keys, *threshold, now)?;
                Ok(done("Rotated", &abi::Rotated { keys: keys.clone(), threshold: U256::from(*threshold) }))
            }
        }
    }

    fn about_promise(&mut self, sender: Address, kind: &Kind, now: ChainTime) -> Result<Answer, ConcentError> {
        let at = self.at;
        let twin = &mut self.twin;
        let parties = |promised: &Signed<Promise>| {
            let digest = promised.document.digest(&at);
            (promised.signature.recover(&digest).unwrap_or_default(), promised.document.provider, digest)
        };
        match kind {
            Kind::Claim { promised, amount, reserved_min } => {
                let claim = twin.claim(sender, promised, *amount, *reserved_min, now)?;
                let (requestor, provider, digest) = parties(promised);
                let (reserved, due) = (uint96(claim.reserved), uint40(claim.due));
                let amount = uint96(*amount);
                Ok(done("Claimed", &abi::Claimed { requestor, provider, promiseDigest: digest, amount, reserved, due }))
            }
            Kind::Contest { promise } => {
                let due = uint40(twin.contest(sender, *promise, now)?);
                Ok(done("Contested", &abi::Contested { requestor: sender, promiseDigest: *promise, due }))
            }
            Kind::Settle { requestor, promise } => {
                let (requestor, provider) = (*requestor, promise.provider);
                let paid = twin.settle(requestor, promise, now)?;
                let promise = promise.digest(&at);
                if paid == Wei::ZERO {
                    return Ok(done("Lapsed", &abi::Lapsed { requestor, provider, promiseDigest: promise }));
                }
                let amount = uint96(paid);
                Ok(done("Settled", &abi::Settled { requestor, provider, promiseDigest: promise, amount }))
            }
            Kind::Rule { promised, amount, evidence, signatures } => {
                let paid = twin.rule(sender, promised, *amount, *evidence, signatures, now)?;
                let (requestor, provider, digest) = parties(promised);
                let (amount, evidence) = (uint96(paid), *evidence);
                let event = abi::Ruled { requestor, provider, promiseDigest: digest, amount, evidence };
                Ok(done(if paid == Wei::ZERO { "RuledNothing" } else { "Ruled" }, &event))
            }
            Kind::Void { promised, receipt } => {
                let (requestor, provider, digest) = parties(promised);
                let claimed = twin.claim_of(&requestor, &digest).amount != Wei::ZERO;
                twin.void(sender, promised, receipt)?;
                let event = abi::Voided { requestor, provider, promiseDigest: digest };
                Ok(done(if claimed { "VoidedClaim" } else { "Voided" }, &event))
            }
            other => unreachable!("{other:?} is about no promise"),
        }
    }

    fn deposited(&self, owner: Address, output: Bytes) -> Answer {
        let deposit = uint96(self.twin.account(&owner).deposit);
        Answer::Done { name: "Deposited", output, logs: vec![Log::of(&abi::Deposited { account: owner, deposit })] }
    }
}

impl super::Subject for Subject {
    type Call = Call;

    fn contract(&self) -> Address {
        self.at.concent_deposit
    }

    fn time(&mut self, now: ChainTime) -> ChainTime {
        self.draw.time(&self.twin, now)
    }

    fn draw(&mut self, now: ChainTime) -> Call {
        self.draw.call(&self.twin, now)
    }

    fn transaction(&self, call: &Call) -> Tx {
        let (sender, contract) = (call.sender, self.at.concent_deposit);
        let data = |bytes: usize| Bytes::from(vec![7; bytes]);
        match &call.kind {
            Kind::Approve(amount) => {
                let value = if *amount == u128::MAX { U256::MAX } else { U256::from(*amount) };
                Tx::new(sender, self.token, token::approveCall { spender: contract, value })
            }
            Kind::Deposit(amount) => Tx::new(sender, contract, abi::depositCall { amount: uint96(*amount) }),
            Kind::DepositByPermit { amount, deadline, signature, .. } => {
                let ((r, vs), deadline) = (halves(signature), U256::from(deadline.0));
                Tx::new(sender, contract, abi::depositByPermitCall { amount: uint96(*amount), deadline, r, vs })
            }
            Kind::DepositByTransfer { owner, amount, data_bytes } => {
                let (value, data) = (U256::from(amount.0), data(*data_bytes));
                if *owner == sender {
                    return Tx::new(sender, self.token, token::transferAndCall_1Call { to: contract, value, data });
                }
                let call = token::transferFromAndCall_0Call { from: *owner, to: contract, value, data };
                Tx::new(sender, self.token, call)
            }
            Kind::OnTransferReceived { owner, amount, data_bytes } => {
                let (value, data) = (U256::from(amount.0), data(*data_bytes));
                let call = abi::onTransferReceivedCall { operator: sender, from: *owner, value, data };
                Tx::new(sender, contract, call)
            }
            Kind::Unlock => Tx::new(sender, contract, abi::unlockCall {}),
            Kind::Withdraw(amount) => Tx::new(sender, contract, abi::withdrawCall { amount: uint96(*amount) }),
            Kind::Claim { promised, amount, reserved_min } => {
                let (r, vs) = halves(&promised.signature);
                let (amount, min) = (uint96(*amount), uint96(*reserved_min));
                let promised = abi_promise(&promised.document);
                Tx::new(sender, contract, abi::claimCall { promised, r, vs, amount, reservedMin: min })
            }
            Kind::Contest { promise } => Tx::new(sender, contract, abi::contestCall { promiseDigest_: *promise }),
            Kind::Settle { requestor, promise } => {
                let promised = abi_promise(promise);
                Tx::new(sender, contract, abi::settleCall { requestor: *requestor, promised })
            }
            Kind::Rule { promised, amount, evidence, signatures } => {
                let (r, vs) = halves(&promised.signature);
                let (amount, evidence, signatures) = (uint96(*amount), *evidence, signatures.clone().into());
                let promised = abi_promise(&promised.document);
                Tx::new(sender, contract, abi::ruleCall { promised, r, vs, amount, evidence, signatures })
            }
            Kind::Void { promised, receipt } => {
                let ((r, vs), (receipt_r, receipt_vs)) = (halves(&promised.signature), halves(receipt));
                let promised = abi_promise(&promised.document);
                Tx::new(sender, contract, abi::voidCall { promised, r, vs, receiptR: receipt_r, receiptVs: receipt_vs })
            }
            Kind::ProposeRotation { keys, threshold, signatures } => {
                let (threshold, signatures) = (U256::from(*threshold), signatures.clone().into());
                Tx::new(sender, contract, abi::proposeRotationCall { keys: keys.clone(), threshold, signatures })
            }
            Kind::CancelRotation { signatures } => {
                Tx::new(sender, contract, abi::cancelRotationCall { signatures: signatures.clone().into() })
            }
            Kind::Rotate { keys, threshold } => {
                let threshold = U256::from(*threshold);
                Tx::new(sender, contract, abi::rotateCall { keys: keys.clone(), threshold })
            }
        }
    }

    fn on_twin(&mut self, call: &Call, now: ChainTime) -> Answer {
        let contract = self.at.concent_deposit;
        let answer = self.try_on_twin(call, now);
        answer.unwrap_or_else(|error| Answer::reverted(error_bytes(&error, contract)))
    }

    fn reads(&self, call: &Call, now: ChainTime) -> Vec<Read> {
        let mut reads = Vec::from(self.account(call.sender));
        reads.extend(self.account(self.at.concent_deposit));
        match &call.kind {
            Kind::Approve(_) | Kind::Deposit(_) | Kind::DepositByPermit { .. } => {
                reads.push(self.allowance(call.sender))
            }
            Kind::DepositByTransfer { owner, .. } | Kind::OnTransferReceived { owner, .. } => {
                reads.extend(self.account(*owner));
            }
            Kind::Unlock | Kind::Withdraw(_) => {}
            Kind::Claim { promised, .. } | Kind::Void { promised, .. } => reads.extend(self.promised(promised)),
            Kind::Contest { promise } => reads.push(self.claim(call.sender, *promise)),
            Kind::Settle { requestor, promise } => {
                reads.push(self.claim(*requestor, promise.digest(&self.at)));
                reads.extend(self.account(*requestor));
                reads.extend(self.account(promise.provider));
            }
            Kind::Rule { promised, .. } => {
                reads.extend(self.promised(promised));
                reads.extend(self.account(self.twin.terms().treasury));
                reads.push(self.moved(now));
            }
            Kind::ProposeRotation { .. } | Kind::CancelRotation { .. } | Kind::Rotate { .. } => {
                reads.extend(self.keys());
            }
        }
        reads
    }

    fn all(&self, now: ChainTime) -> Vec<Read> {
        let mut reads = Vec::from(self.keys());
        reads.push(self.moved(now));
        for owner in self.draw.addresses().into_iter().chain([self.at.concent_deposit]) {
            reads.extend(self.account(owner));
            reads.push(self.allowance(owner));
        }
        reads.extend(self.draw.promises().into_iter().map(|(requestor, digest)| self.claim(requestor, digest)));
        reads
    }

    fn violations(&self) -> Vec<String> {
        self.twin.check_invariants().iter().map(|violation| violation.to_string()).collect()
    }
}

/// After the year 2149 there is no day for what rulings move.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guarantee_and_its_twin_agree_at_the_end_of_days() {
    let mut chain = Chain::start(super::channels::CLOSE_DELAY_S).await;
    let mut subject = Subject::new(&mut chain, 1).await;
    let [requestor, provider] = [1, 2].map(|n| chain.parties(PARTIES).swap_remove(n));
    let year_2149 = ChainTime(65_536 * 86_400 - 1);
    let deposit = Call { sender: requestor.address, kind: Kind::Deposit(Wei(1000)) };
    super::agree_on(&mut chain, &mut subject, ChainTime(year_2149.0 - 1), deposit).await;
    for (time, name) in [(year_2149, "Ruled"), (year_2149.saturating_add(1), "SafeCastOverflowedUintDowncast")] {
        let promise = Promise {
            provider: provider.address,
            amount: Wei(10),
            nonce: U256::from(time.0),
            deal: B256::ZERO,
            deadline: time,
        };
        let digest = promise.digest(&subject.at);
        let signature = requestor.key.sign_digest(&digest).expect("a signature");
        let signatures = subject.draw.rulings(requestor.address, digest, Wei(10), &subject.twin);
        let promised = Signed { document: promise, signature };
        let kind = Kind::Rule { promised, amount: Wei(10), evidence: B256::ZERO, signatures };
        let call = Call { sender: provider.address, kind };
        let expected = super::Subject::on_twin(&mut subject, &call, time);
        let tx = super::Subject::transaction(&subject, &call);
        let (answers, _) = chain.block(time, &[tx], &[expected.name()], subject.at.concent_deposit, &[]).await;
        assert_eq!((answers, expected.name()), (vec![expected.clone()], name));
    }
}

fn abi_promise(promise: &Promise) -> abi::Promise {
    abi::Promise {
        provider: promise.provider,
        // Some calls are about a promise of a wei more than there can be.
        amount: uint96(promise.amount),
        nonce: promise.nonce,
        deal: promise.deal,
        deadline: uint40(promise.deadline),
    }
}

fn done<E: alloy_sol_types::SolEvent>(name: &'static str, event: &E) -> Answer {
    Answer::Done { name, output: Bytes::new(), logs: vec![Log::of(event)] }
}

fn words(values: &[u128]) -> Vec<u8> {
    values.iter().flat_map(|value| U256::from(*value).to_be_bytes::<32>()).collect()
}

fn uint40(time: ChainTime) -> Uint<40, 1> {
    Uint::from(time.0)
}

/// The error as the contract says it, or the token under it.
fn error_bytes(error: &ConcentError, contract: Address) -> Vec<u8> {
    let wei = |amount: &Wei| U256::from(amount.0);
    let secs = |time: &ChainTime| U256::from(time.0);
    match error.clone() {
        ConcentError::NotTheToken { got, allowed } => abi::NotTheToken { got, allowed }.abi_encode(),
        ConcentError::NotTheOwner { operator, owner } => abi::NotTheOwner { operator, owner }.abi_encode(),
        ConcentError::BadLength(length) => abi::BadLength { length: U256::from(length) }.abi_encode(),
        ConcentError::BadAmount { got, allowed } => {
            abi::BadAmount { got: wei(&got), allowed: wei(&allowed) }.abi_encode()
        }
        ConcentError::DepositTooLarge { got, allowed } => {
            abi::DepositTooLarge { got: U256::from(got), allowed: wei(&allowed) }.abi_encode()
        }
        ConcentError::TooLittle { account, got, needed } => {
            abi::TooLittle { account, got: wei(&got), needed: wei(&needed) }.abi_encode()
        }
        ConcentError::Locked(account) => abi::Locked { account }.abi_encode(),
        ConcentError::AlreadyUnlocked(at) => abi::AlreadyUnlocked { unlockAt: uint40(at) }.abi_encode(),
        ConcentError::TooEarly { due, now } => abi::TooEarly { due: secs(&due), currentTime: secs(&now) }.abi_encode(),
        ConcentError::TooLate { due, now } => abi::TooLate { due: secs(&due), currentTime: secs(&now) }.abi_encode(),
        ConcentError::NotTheProvider { got, allowed } => abi::NotTheProvider { got, allowed }.abi_encode(),
        ConcentError::BadProvider(provider) => abi::BadProvider { provider }.abi_encode(),
        ConcentError::BadSignature(signer) => abi::BadSignature { signer }.abi_encode(),
        ConcentError::UsedUp { requestor, provider, nonce } => abi::UsedUp { requestor, provider, nonce }.abi_encode(),
        ConcentError::NotContested { requestor, promise } => {
            abi::NotContested { requestor, promiseDigest: promise }.abi_encode()
        }
        ConcentError::NoClaim { requestor, promise } => abi::NoClaim { requestor, promiseDigest: promise }.abi_encode(),
        ConcentError::AlreadyContested(due) => abi::AlreadyContested { due: uint40(due) }.abi_encode(),
        ConcentError::DailyLimitReached { moved, asked, allowed } => {
            let (moved, asked) = (U256::from(moved), U256::from(asked));
            abi::DailyLimitReached { moved, asked, allowed: wei(&allowed) }.abi_encode()
        }
        ConcentError::TooFewSignatures { got, needed } => {
            abi::TooFewSignatures { got: U256::from(got), needed: U256::from(needed) }.abi_encode()
        }
        ConcentError::NotProposed => abi::NotProposed {}.abi_encode(),
        ConcentError::BadKeys { keys, threshold } => {
            abi::BadKeys { keys: U256::from(keys), threshold: U256::from(threshold) }.abi_encode()
        }
        ConcentError::TooLargeFor { bits, value } => {
            abi::SafeCastOverflowedUintDowncast { bits, value: U256::from(value) }.abi_encode()
        }
        ConcentError::AllowanceTooLow { allowance, needed } => {
            let (allowance, needed) = (U256::from(allowance), U256::from(needed));
            token::ERC20InsufficientAllowance { spender: contract, allowance, needed }.abi_encode()
        }
        ConcentError::BalanceTooLow { holder, held, needed } => {
            let (balance, needed) = (U256::from(held), U256::from(needed));
            token::ERC20InsufficientBalance { sender: holder, balance, needed }.abi_encode()
        }
    }
}
