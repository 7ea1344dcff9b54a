//! Random calls of `ConcentDeposit`: mostly sensible, often wrong in one way.

use super::chain::Party;
use alloy_primitives::U256;
use alloy_sol_types::{Eip712Domain, SolStruct, eip712_domain};
use golem_payments::concent::ConcentDeposit;
use golem_protocol::{
    Address, B256, CancelRotation, ChainTime, ClaimStage, CompactSignature, ConcentRef, Document, KeySigner, Promise,
    Receipt, Rotation, Ruling, Signed, Signer, Wei,
};
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use std::collections::BTreeMap;

/// How many promises are remembered, where no more are claimed. Reason: few, so that the same one is called again and again.
const PROMISES_KEPT: usize = 20;
const DAY_S: u64 = 86_400;
/// Stands for a call of `settle` among those about a promise.
const SETTLE: u32 = 56;

alloy_sol_types::sol! {
    /// What ERC-2612 signs.
    struct Permit {
        address owner;
        address spender;
        uint256 value;
        uint256 nonce;
        uint256 deadline;
    }
}

/// A call and who makes it.
#[derive(Clone, Debug)]
pub struct Call {
    pub sender: Address,
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub enum Kind {
    /// `u128::MAX` stands for the largest number.
    Approve(u128),
    Deposit(Wei),
    DepositByPermit {
        amount: Wei,
        deadline: ChainTime,
        signature: CompactSignature,
        /// Whether the token takes it.
        permitted: bool,
    },
    DepositByTransfer {
        owner: Address,
        amount: Wei,
        data_bytes: usize,
    },
    OnTransferReceived {
        owner: Address,
        amount: Wei,
        data_bytes: usize,
    },
    Unlock,
    Withdraw(Wei),
    Claim {
        promised: Signed<Promise>,
        amount: Wei,
        reserved_min: Wei,
    },
    Contest {
        promise: B256,
    },
    Settle {
        requestor: Address,
        promise: Promise,
    },
    Rule {
        promised: Signed<Promise>,
        amount: Wei,
        evidence: B256,
        signatures: Vec<u8>,
    },
    Void {
        promised: Signed<Promise>,
        receipt: CompactSignature,
    },
    ProposeRotation {
        keys: Vec<Address>,
        threshold: u64,
        signatures: Vec<u8>,
    },
    CancelRotation {
        signatures: Vec<u8>,
    },
    Rotate {
        keys: Vec<Address>,
        threshold: u64,
    },
}

/// A promise as it was drawn.
#[derive(Clone)]
struct Made {
    promised: Signed<Promise>,
    /// Who was to have signed it.
    requestor: Address,
    digest: B256,
}

/// For whose sake the time of a block was chosen.
#[derive(Clone, Copy)]
enum Focus {
    Promise(usize),
    Account(Address),
    Rotation,
}

/// Draws calls from a seed.
pub struct Draw {
    random: StdRng,
    parties: Vec<Party>,
    /// All that are Concent's keys at some time, in ascending order of their addresses.
    keys: Vec<KeySigner>,
    at: ConcentRef,
    token: Eip712Domain,
    made: Vec<Made>,
    next_nonce: u64,
    permits: BTreeMap<Address, u64>,
    focus: Option<Focus>,
}

impl Draw {
    pub fn new(seed: u64, parties: Vec<Party>, keys: Vec<KeySigner>, at: ConcentRef, token: Address) -> Draw {
        let token = eip712_domain! {
            name: "Golem Network Token", version: "1", chain_id: at.chain_id, verifying_contract: token,
        };
        Draw {
            random: StdRng::seed_from_u64(seed),
            parties,
            keys,
            at,
            token,
            made: Vec::new(),
            next_nonce: 0,
            permits: BTreeMap::new(),
            focus: None,
        }
    }

    /// All who play.
    pub fn addresses(&self) -> Vec<Address> {
        self.parties.iter().map(|party| party.address).collect()
    }

    /// The promises that are remembered: who was to have signed each, and its digest.
    pub fn promises(&self) -> Vec<(Address, B256)> {
        self.made.iter().map(|made| (made.requestor, made.digest)).collect()
    }

    /// A permit was used.
    pub fn permitted(&mut self, owner: Address) {
        *self.permits.entry(owner).or_default() += 1;
    }

    /// When the next block is to be made: often at the very second on which something turns, or the one before.
    pub fn time(&mut self, twin: &ConcentDeposit, now: ChainTime) -> ChainTime {
        self.focus = None;
        let mut turns = self.turns(twin);
        turns.retain(|(time, _)| *time > now);
        turns.sort_by_key(|(time, _)| *time);
        if !turns.is_empty() && self.chance(45) {
            // One of the next, so that nothing else runs out before.
            let (turn, focus) = turns[self.below(turns.len().min(4))];
            let time = turn.0 - self.random.random_range(0..2);
            if time > now.0 {
                self.focus = Some(focus);
                return ChainTime(time);
            }
        }
        if self.chance(3) {
            let midnight = now.0 - now.0 % DAY_S + DAY_S;
            return ChainTime((midnight - self.random.random_range(0..2)).max(now.0 + 1));
        }
        now.saturating_add(self.random.random_range(1..6))
    }

    fn turns(&self, twin: &ConcentDeposit) -> Vec<(ChainTime, Focus)> {
        let mut turns = Vec::new();
        for (number, made) in self.made.iter().enumerate() {
            let claim = twin.claim_of(&made.requestor, &made.digest);
            let deadline = made.promised.document.deadline;
            let ruled_until = deadline.saturating_add(twin.terms().ruling_window_s as u64);
            let turning = match claim.stage {
                ClaimStage::None => vec![deadline.saturating_add(1), ruled_until],
                ClaimStage::Open | ClaimStage::Contested => vec![claim.due],
            };
            turns.extend(turning.into_iter().map(|time| (time, Focus::Promise(number))));
        }
        for owner in self.addresses() {
            turns.push((twin.account(&owner).unlock_at, Focus::Account(owner)));
        }
        if let Some(announced) = twin.announced() {
            turns.push((announced.active_at, Focus::Rotation));
        }
        turns
    }

    pub fn call(&mut self, twin: &ConcentDeposit, now: ChainTime) -> Call {
        let focus = self.focus.take().filter(|_| self.random.random_range(0..100) < 75);
        match focus {
            Some(Focus::Promise(number)) => {
                let made = self.made[number].clone();
                let kind = self.random.random_range(35..88);
                self.about(made, kind, twin, now)
            }
            Some(Focus::Account(sender)) => Call { sender, kind: self.withdraw(sender, twin) },
            Some(Focus::Rotation) => self.rotate(twin),
            None => match self.random.random_range(0..100) {
                0..12 => self.deposit(twin, now),
                12..20 => {
                    let sender = self.unlocked(twin);
                    let kind = if self.chance(30) { Kind::Unlock } else { self.withdraw(sender, twin) };
                    Call { sender, kind }
                }
                kind @ 20..88 => {
                    let made = self.promise(twin, now, kind < 40);
                    self.about(made, kind, twin, now)
                }
                _ => match self.random.random_range(0..10) {
                    0..3 => self.propose(twin),
                    3 => self.cancel(twin),
                    _ => self.rotate(twin),
                },
            },
        }
    }

    /// One of the calls that are about a promise.
    fn about(&mut self, made: Made, kind: u32, twin: &ConcentDeposit, now: ChainTime) -> Call {
        let promise = made.promised.document;
        let anybody = self.party();
        // Who is nobody, or the contract itself, calls nothing.
        let provider = if self.addresses().contains(&promise.provider) { promise.provider } else { anybody };
        let claim = twin.claim_of(&made.requestor, &made.digest);
        let overdue = claim.stage != ClaimStage::None && claim.due <= now;
        match if overdue && self.chance(60) { SETTLE } else { kind } {
            20..40 => {
                let sender = if self.chance(5) { anybody } else { provider };
                let amount = Wei(match self.random.random_range(0..20) {
                    0 => 0,
                    1 => promise.amount.0 + 1,
                    2..8 => self.random.random_range(0..=promise.amount.0),
                    _ => promise.amount.0,
                });
                let free = twin.account(&made.requestor).free();
                let reserved_min = if self.chance(80) { Wei::ZERO } else { Wei(free.0.saturating_add(self.coin())) };
                Call { sender, kind: Kind::Claim { promised: made.promised, amount, reserved_min } }
            }
            40..SETTLE => {
                let sender = if self.chance(10) { anybody } else { made.requestor };
                Call { sender, kind: Kind::Contest { promise: made.digest } }
            }
            SETTLE..63 => {
                let requestor = if self.chance(5) { anybody } else { made.requestor };
                Call { sender: anybody, kind: Kind::Settle { requestor, promise } }
            }
            63..85 => {
                let amount = Wei(match self.random.random_range(0..20) {
                    0..2 => 0,
                    2 => promise.amount.0 + 1,
                    3..9 => self.random.random_range(0..=promise.amount.0),
                    9..15 => claim.amount.0.min(promise.amount.0),
                    _ => promise.amount.0,
                });
                let sender = if self.chance(50) { anybody } else { provider };
                let evidence = B256::repeat_byte(self.random.random());
                let mut signed = Ruling { requestor: made.requestor, promise: made.digest, amount, evidence };
                if self.chance(4) {
                    signed.amount = Wei(signed.amount.0.saturating_sub(1));
                }
                let signatures = self.signatures(&signed, twin);
                Call { sender, kind: Kind::Rule { promised: made.promised, amount, evidence, signatures } }
            }
            _ => {
                let receipt = Receipt { requestor: made.requestor, promise: made.digest };
                let signer = if self.chance(15) { anybody } else { provider };
                let receipt = self.signed_by(signer, &receipt.digest(&self.at));
                let receipt = self.damaged(receipt, 5);
                Call { sender: anybody, kind: Kind::Void { promised: made.promised, receipt } }
            }
        }
    }

    fn deposit(&mut self, twin: &ConcentDeposit, now: ChainTime) -> Call {
        // Mostly who has less, else soon all is with one of them and nothing happens any more.
        let sender = self.by_wealth(twin)[0];
        let mut amount = Wei(self.random.random_range(1..2_000_000_000_000u128));
        // What was won in disputes counts towards no limit, so there may be more than the most.
        let (deposit, deposit_max) = (twin.account(&sender).deposit.0, twin.terms().deposit_max.0);
        match self.random.random_range(0..20) {
            0 => amount = Wei::ZERO,
            1 => amount = Wei(deposit_max.saturating_sub(deposit) + self.coin()),
            2 => amount = Wei(twin.balance(&sender) + self.coin()),
            _ => {}
        }
        let data_bytes = if self.chance(20) { self.random.random_range(1..70) } else { 0 };
        let owner = if self.chance(25) { self.party() } else { sender };
        let kind = match self.random.random_range(0..10) {
            0 => Kind::Approve(if self.chance(50) { u128::MAX } else { amount.0 }),
            1..4 => Kind::Deposit(amount),
            4..6 => self.permit(sender, amount, now),
            6..9 => Kind::DepositByTransfer { owner, amount, data_bytes },
            _ => Kind::OnTransferReceived { owner, amount, data_bytes },
        };
        Call { sender, kind }
    }

    fn permit(&mut self, owner: Address, amount: Wei, now: ChainTime) -> Kind {
        let used = self.permits.get(&owner).copied().unwrap_or_default();
        let (mut signer, mut nonce, mut deadline) = (owner, used, now.saturating_add(self.random.random_range(0..9)));
        match self.random.random_range(0..10) {
            0 => signer = self.party(),
            1 => nonce += 1,
            2 => deadline = ChainTime(now.0 - 1),
            _ => {}
        }
        let permit = Permit {
            owner,
            spender: self.at.concent_deposit,
            value: U256::from(amount.0),
            nonce: U256::from(nonce),
            deadline: U256::from(deadline.0),
        };
        let signature = self.signed_by(signer, &permit.eip712_signing_hash(&self.token));
        let permitted = signer == owner && nonce == used && deadline >= now;
        Kind::DepositByPermit { amount, deadline, signature, permitted }
    }

    /// Mostly somebody whose account is unlocked.
    fn unlocked(&mut self, twin: &ConcentDeposit) -> Address {
        let mut among = self.addresses();
        if self.chance(70) {
            among.retain(|owner| twin.account(owner).unlock_at.0 != 0);
        }
        if among.is_empty() { self.party() } else { among[self.below(among.len())] }
    }

    fn withdraw(&mut self, owner: Address, twin: &ConcentDeposit) -> Kind {
        let free = twin.account(&owner).free().0;
        Kind::Withdraw(Wei(match self.random.random_range(0..10) {
            0 => 0,
            1 => free.saturating_add(1),
            2..4 => free,
            _ => self.random.random_range(0..=free),
        }))
    }

    /// Mostly one that is claimed, or a new one to claim.
    fn promise(&mut self, twin: &ConcentDeposit, now: ChainTime, to_claim: bool) -> Made {
        let claimed = |made: &&Made| twin.claim_of(&made.requestor, &made.digest).stage != ClaimStage::None;
        let claimed: Vec<Made> = self.made.iter().filter(claimed).cloned().collect();
        if !claimed.is_empty() && self.chance(if to_claim { 5 } else { 70 }) {
            return claimed[self.below(claimed.len())].clone();
        }
        if self.made.is_empty() || self.chance(if to_claim { 90 } else { 40 }) {
            return self.new_promise(twin, now);
        }
        let number = self.below(self.made.len());
        self.made[number].clone()
    }

    fn new_promise(&mut self, twin: &ConcentDeposit, now: ChainTime) -> Made {
        let requestor = self.by_wealth(twin)[1];
        let mut provider = self.party();
        if provider == requestor && self.chance(90) {
            let parties = self.addresses();
            provider = parties.into_iter().find(|party| *party != requestor).unwrap_or(provider);
        }
        if self.chance(3) {
            provider = if self.chance(50) { Address::ZERO } else { self.at.concent_deposit };
        }
        // Numbers close to one another, so that some serve twice; and some far above them.
        self.next_nonce += self.random.random_range(0..2u64);
        let shift = if self.chance(10) { 200 } else { 0 };
        let free = twin.account(&requestor).free().0;
        let promise = Promise {
            provider,
            amount: Wei(self.random.random_range(0..free.saturating_mul(5) / 8 + 2)),
            nonce: U256::from(self.next_nonce) << shift,
            deal: B256::repeat_byte(self.random.random()),
            deadline: now.saturating_add(self.random.random_range(0..60)),
        };
        let digest = promise.digest(&self.at);
        let mut signed = digest;
        match self.random.random_range(0..60) {
            0 => signed = promise.digest(&ConcentRef { chain_id: self.at.chain_id + 1, ..self.at }),
            1 => signed = promise.digest(&ConcentRef { concent_deposit: requestor, ..self.at }),
            _ => {}
        }
        let signature = self.signed_by(requestor, &signed);
        let signature = self.damaged(signature, 3);
        let made = Made { promised: Signed { document: promise, signature }, requestor, digest };
        // A claim that was forgotten would keep deposits at stake for ever.
        let over = |made: &Made| twin.claim_of(&made.requestor, &made.digest).stage == ClaimStage::None;
        if self.made.len() >= PROMISES_KEPT
            && let Some(oldest) = self.made.iter().position(over)
        {
            self.made.remove(oldest);
        }
        self.made.push(made.clone());
        made
    }

    /// As many good signatures of a ruling, with no evidence, as are needed.
    pub fn rulings(&self, requestor: Address, promise: B256, amount: Wei, twin: &ConcentDeposit) -> Vec<u8> {
        let digest = Ruling { requestor, promise, amount, evidence: B256::ZERO }.digest(&self.at);
        let (keys, threshold) = twin.concent();
        keys.iter().take(threshold as usize).flat_map(|key| self.signed_by(*key, &digest).0).collect()
    }

    fn propose(&mut self, twin: &ConcentDeposit) -> Call {
        let mut keys: Vec<Address> = Vec::new();
        while keys.is_empty() {
            let known: Vec<Address> = self.keys.iter().map(|key| key.address()).collect();
            keys = known.into_iter().filter(|_| self.chance(50)).collect();
        }
        let mut threshold = self.random.random_range(1..=keys.len() as u64);
        match self.random.random_range(0..20) {
            0 => threshold = 0,
            1 => threshold = keys.len() as u64 + 1,
            2 => keys.reverse(),
            3 => keys[0] = Address::ZERO,
            4 => keys = (1..18).map(Address::repeat_byte).collect(),
            5 => keys.clear(),
            _ => {}
        }
        let nonce = U256::from(twin.rotation_nonce() + u64::from(self.chance(5)));
        let signatures = self.signatures(&Rotation { keys: keys.clone(), threshold, nonce }, twin);
        Call { sender: self.party(), kind: Kind::ProposeRotation { keys, threshold, signatures } }
    }

    fn cancel(&mut self, twin: &ConcentDeposit) -> Call {
        let nonce = U256::from(twin.rotation_nonce());
        let signatures = self.signatures(&CancelRotation { nonce }, twin);
        Call { sender: self.party(), kind: Kind::CancelRotation { signatures } }
    }

    fn rotate(&mut self, twin: &ConcentDeposit) -> Call {
        let (mut keys, mut threshold) = twin.concent();
        if let Some(announced) = twin.announced()
            && !self.chance(10)
        {
            keys = announced.keys.clone();
            threshold = announced.threshold + u64::from(self.chance(5));
        }
        Call { sender: self.party(), kind: Kind::Rotate { keys, threshold } }
    }

    /// Concent's signatures of a document, four times of five as they should be.
    fn signatures<T: Document<Binding = ConcentRef>>(&mut self, document: &T, twin: &ConcentDeposit) -> Vec<u8> {
        let digest = document.digest(&self.at);
        let (present, threshold) = twin.concent();
        let mut signers: Vec<Address> = present.clone();
        let many = (threshold as usize).max(self.random.random_range(0..=present.len()));
        while signers.len() > many {
            signers.remove(self.random.random_range(0..signers.len()));
        }
        match self.random.random_range(0..40) {
            0..2 => drop(signers.pop()),
            2 => signers.reverse(),
            3 => signers.push(signers[0]),
            4 => signers = self.keys.iter().map(|key| key.address()).collect(),
            5 => signers[0] = self.party(),
            6 => signers.clear(),
            _ => {}
        }
        let mut packed = Vec::new();
        for signer in signers {
            let signature = self.signed_by(signer, &digest);
            packed.extend(self.damaged(signature, 2).0);
        }
        if self.chance(3) {
            packed.truncate(packed.len().saturating_sub(self.random.random_range(1..64)));
        }
        if self.chance(3) {
            packed.push(self.random.random());
        }
        packed
    }

    fn signed_by(&self, signer: Address, digest: &B256) -> CompactSignature {
        let keys = self.parties.iter().map(|party| &party.key).chain(&self.keys);
        let key = keys.into_iter().find(|key| key.address() == signer);
        key.map_or(CompactSignature([0; 64]), |key| key.sign_digest(digest).expect("a key signs any digest"))
    }

    fn damaged(&mut self, mut signature: CompactSignature, percent: u32) -> CompactSignature {
        if !self.chance(percent) {
            return signature;
        }
        if self.chance(50) {
            self.random.fill_bytes(&mut signature.0);
        } else {
            let bit = self.random.random_range(0..512);
            signature.0[bit / 8] ^= 1 << (bit % 8);
        }
        signature
    }

    /// Two parties, the poorer one before the other.
    fn by_wealth(&mut self, twin: &ConcentDeposit) -> [Address; 2] {
        let mut two = [self.party(), self.party()];
        two.sort_by_key(|owner| twin.account(owner).free());
        two
    }

    fn party(&mut self) -> Address {
        self.parties[self.random.random_range(0..self.parties.len())].address
    }

    fn below(&mut self, bound: usize) -> usize {
        self.random.random_range(0..bound)
    }

    fn coin(&mut self) -> u128 {
        self.random.random_range(0..2)
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }
}
