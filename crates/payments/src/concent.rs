//! The twin of `ConcentDeposit`: the same calls, the same states, the same refusals, in plain Rust.
//!
//! It is held against the contract by the differential test, as [`crate::contract`] is for the channels.
//!
//! ```text
//! deposit -> unlock -> withdraw
//! claim -> settle | contest -> settle      rule      void        (each uses a promise up)
//! propose_rotation -> rotate | cancel_rotation
//! ```

mod error;
mod office;
mod token;

pub use error::ConcentError;
pub use office::Announced;

use golem_protocol::{
    Address, B256, CancelRotation, ChainTime, ClaimStage, CompactSignature, ConcentAccount, ConcentClaim, ConcentRef,
    Document, GuaranteeTerms, Promise, Receipt, Rotation, Ruling, Signed, U256, Wei,
};
use office::Office;
use std::collections::{BTreeMap, BTreeSet};
use token::Token;

/// The largest time that the contract holds.
const TIME_MAX: u64 = (1 << 40) - 1;

/// One `ConcentDeposit`, and what its token says of those who use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConcentDeposit {
    at: ConcentRef,
    terms: GuaranteeTerms,
    office: Office,
    accounts: BTreeMap<Address, ConcentAccount>,
    claims: BTreeMap<(Address, B256), Claim>,
    used: BTreeSet<(Address, Address, U256)>,
    token: Token,
}

/// A claim with whose it is, which the contract finds in the promise that every call names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Claim {
    state: ConcentClaim,
    provider: Address,
    nonce: U256,
}

/// A promise whose signature was recovered.
struct Read<'a> {
    requestor: Address,
    promise: &'a Promise,
    digest: B256,
}

/// What a ruling does.
struct Ruled {
    paid: Wei,
    /// All that changes its owner, in wei.
    moved: u128,
    end: End,
}

/// How a ruling ends a promise.
enum End {
    /// Nobody claimed it.
    Unclaimed,
    /// The claim is right, and was not contested.
    Conceded(Claim),
    /// There were two sides, and the bond of one is lost.
    Lost { claim: Claim, winner: Address, loser: Address },
}

/// A fact about the guarantee that must always hold and does not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the books of the guarantee are damaged at {account}: {what}")]
pub struct ConcentViolation {
    /// Whose account.
    pub account: Address,
    /// What does not hold.
    pub what: String,
}

impl ConcentDeposit {
    /// The contract just deployed, and the token's balances by then.
    ///
    /// Errors: `BadKeys`. The terms are taken as the contract took them.
    pub fn new(
        at: ConcentRef,
        terms: GuaranteeTerms,
        keys: &[Address],
        threshold: u64,
        balances: BTreeMap<Address, u128>,
    ) -> Result<ConcentDeposit, ConcentError> {
        Ok(ConcentDeposit {
            at,
            terms,
            office: Office::new(keys, threshold)?,
            accounts: BTreeMap::new(),
            claims: BTreeMap::new(),
            used: BTreeSet::new(),
            token: Token::new(at.concent_deposit, balances),
        })
    }

    /// How it was set up.
    pub fn terms(&self) -> &GuaranteeTerms {
        &self.terms
    }

    /// An account, as `account(owner)` shows it.
    pub fn account(&self, owner: &Address) -> ConcentAccount {
        self.accounts.get(owner).copied().unwrap_or_default()
    }

    /// A claim, as `claimOf(requestor, promiseDigest)` shows it.
    pub fn claim_of(&self, requestor: &Address, promise: &B256) -> ConcentClaim {
        self.claims.get(&(*requestor, *promise)).map(|claim| claim.state).unwrap_or_default()
    }

    /// Whether a promise of this number was claimed, ruled on or voided.
    pub fn is_used_up(&self, requestor: &Address, provider: &Address, nonce: &U256) -> bool {
        self.used.contains(&(*requestor, *provider, *nonce))
    }

    /// Concent's keys in ascending order, and how many of them make a ruling.
    pub fn concent(&self) -> (Vec<Address>, u64) {
        (self.office.keys.iter().copied().collect(), self.office.threshold)
    }

    /// What rulings moved today, in wei, rounded up to 1e9 wei at each.
    ///
    /// Errors: `TooLargeFor` after the year 2149, as the contract.
    pub fn moved_today(&self, now: ChainTime) -> Result<u128, ConcentError> {
        self.office.moved(now)
    }

    /// The number that the next announcement or its cancellation must carry.
    pub fn rotation_nonce(&self) -> u64 {
        self.office.rotation_nonce
    }

    /// The keys that are announced.
    pub fn announced(&self) -> Option<&Announced> {
        self.office.announced.as_ref()
    }

    /// What an address holds of the token; the contract's own address holds the deposits.
    pub fn balance(&self, holder: &Address) -> u128 {
        self.token.balance(holder)
    }

    /// What the contract may take of an address.
    pub fn allowance(&self, owner: &Address) -> u128 {
        self.token.allowance(owner)
    }

    /// `approve` of the token, for this contract. `u128::MAX` stands for the largest number, which is never used up.
    pub fn approve(&mut self, owner: Address, allowance: u128) {
        self.token.approve(owner, allowance);
    }

    /// `deposit`. Locks the account.
    ///
    /// Errors: the contract's, in its order. Nothing changes then; the same holds for all that follow.
    pub fn deposit(&mut self, owner: Address, amount: Wei) -> Result<(), ConcentError> {
        let account = self.deposited(owner, amount)?;
        self.token.pull(owner, amount, self.allowance(&owner))?;
        self.accounts.insert(owner, account);
        Ok(())
    }

    /// `depositByPermit`. Whether the token takes the permit is the token's own business; one that it does not take
    /// does no harm.
    pub fn deposit_by_permit(&mut self, owner: Address, amount: Wei, permitted: bool) -> Result<(), ConcentError> {
        let account = self.deposited(owner, amount)?;
        self.token.pull(owner, amount, if permitted { amount.0 } else { self.allowance(&owner) })?;
        self.accounts.insert(owner, account);
        Ok(())
    }

    /// `transferAndCall` of the token to this contract, or `transferFromAndCall` where the operator is another.
    pub fn deposit_by_transfer(
        &mut self,
        operator: Address,
        owner: Address,
        amount: Wei,
        data_bytes: usize,
    ) -> Result<(), ConcentError> {
        self.token.check_balance(owner, amount)?;
        let account = self.received(self.terms.token, operator, owner, amount, data_bytes)?;
        self.token.give(owner, amount);
        self.accounts.insert(owner, account);
        Ok(())
    }

    /// `onTransferReceived` called by anybody: what only the token may.
    pub fn on_transfer_received(
        &mut self,
        caller: Address,
        operator: Address,
        owner: Address,
        amount: Wei,
        data_bytes: usize,
    ) -> Result<(), ConcentError> {
        let account = self.received(caller, operator, owner, amount, data_bytes)?;
        self.accounts.insert(owner, account);
        Ok(())
    }

    /// `unlock`.
    pub fn unlock(&mut self, owner: Address, now: ChainTime) -> Result<ChainTime, ConcentError> {
        let account = self.account(&owner);
        if account.deposit == Wei::ZERO {
            return Err(ConcentError::TooLittle { account: owner, got: Wei::ZERO, needed: Wei(1) });
        }
        if account.unlock_at.0 != 0 {
            return Err(ConcentError::AlreadyUnlocked(account.unlock_at));
        }
        let unlock_at = later(now, self.terms.withdraw_delay_s)?;
        self.accounts.insert(owner, ConcentAccount { unlock_at, ..account });
        Ok(unlock_at)
    }

    /// `withdraw`.
    pub fn withdraw(&mut self, owner: Address, amount: Wei, now: ChainTime) -> Result<(), ConcentError> {
        let account = self.account(&owner);
        let free = account.free();
        if account.unlock_at.0 == 0 {
            return Err(ConcentError::Locked(owner));
        }
        if now < account.unlock_at {
            return Err(ConcentError::TooEarly { due: account.unlock_at, now });
        }
        if amount == Wei::ZERO {
            return Err(ConcentError::BadAmount { got: amount, allowed: free });
        }
        if amount > free {
            return Err(ConcentError::TooLittle { account: owner, got: free, needed: amount });
        }
        self.change(owner, |account| account.deposit = account.deposit.saturating_sub(amount));
        self.token.pay(owner, amount);
        Ok(())
    }

    /// `claim` by `sender`.
    pub fn claim(
        &mut self,
        sender: Address,
        promised: &Signed<Promise>,
        amount: Wei,
        reserved_min: Wei,
        now: ChainTime,
    ) -> Result<ConcentClaim, ConcentError> {
        let promise = &promised.document;
        if sender != promise.provider {
            return Err(ConcentError::NotTheProvider { got: sender, allowed: promise.provider });
        }
        if now > promise.deadline {
            return Err(ConcentError::TooLate { due: promise.deadline.saturating_add(1), now });
        }
        if amount == Wei::ZERO || amount > promise.amount {
            return Err(ConcentError::BadAmount { got: amount, allowed: promise.amount });
        }
        let read = self.read(promised)?;
        let bond = self.terms.bond();
        self.check_free(sender, bond)?;
        let reserved = amount.min(self.account(&read.requestor).free());
        if reserved == Wei::ZERO || reserved < reserved_min {
            return Err(ConcentError::TooLittle { account: read.requestor, got: reserved, needed: reserved_min });
        }
        let due = later(now, self.terms.contest_window_s)?;
        self.use_up(&read)?;
        self.change(sender, |account| account.reserved = account.reserved.saturating_add(bond));
        self.change(read.requestor, |account| account.reserved = account.reserved.saturating_add(reserved));
        let state = ConcentClaim { amount, reserved, due, stage: ClaimStage::Open };
        let claim = Claim { state, provider: promise.provider, nonce: promise.nonce };
        self.claims.insert((read.requestor, read.digest), claim);
        Ok(state)
    }

    /// `contest` by `requestor`.
    pub fn contest(&mut self, requestor: Address, promise: B256, now: ChainTime) -> Result<ChainTime, ConcentError> {
        let key = (requestor, promise);
        let Some(claim) = self.claims.get(&key).copied() else {
            return Err(ConcentError::NoClaim { requestor, promise });
        };
        match claim.state.stage {
            ClaimStage::None => return Err(ConcentError::NoClaim { requestor, promise }),
            ClaimStage::Contested => return Err(ConcentError::AlreadyContested(claim.state.due)),
            ClaimStage::Open => {}
        }
        if now >= claim.state.due {
            return Err(ConcentError::TooLate { due: claim.state.due, now });
        }
        let bond = self.terms.bond();
        self.check_free(requestor, bond)?;
        let due = later(now, self.terms.ruling_window_s)?;
        self.change(requestor, |account| account.reserved = account.reserved.saturating_add(bond));
        let state = ConcentClaim { due, stage: ClaimStage::Contested, ..claim.state };
        self.claims.insert(key, Claim { state, ..claim });
        Ok(due)
    }

    /// `settle` by anybody: returns what the provider got, which is nothing where the claim lapsed.
    pub fn settle(&mut self, requestor: Address, promise: &Promise, now: ChainTime) -> Result<Wei, ConcentError> {
        let digest = promise.digest(&self.at);
        let Some(claim) = self.claims.get(&(requestor, digest)).copied() else {
            return Err(ConcentError::NoClaim { requestor, promise: digest });
        };
        if now < claim.state.due {
            return Err(ConcentError::TooEarly { due: claim.state.due, now });
        }
        let paid = match claim.state.stage {
            ClaimStage::Open => claim.state.reserved,
            ClaimStage::None | ClaimStage::Contested => Wei::ZERO,
        };
        self.release(requestor, digest, &claim, paid);
        self.token.pay(promise.provider, paid);
        Ok(paid)
    }

    /// `rule` by `sender`: returns what the provider got.
    pub fn rule(
        &mut self,
        sender: Address,
        promised: &Signed<Promise>,
        amount: Wei,
        evidence: B256,
        signatures: &[u8],
        now: ChainTime,
    ) -> Result<Wei, ConcentError> {
        let read = self.read(promised)?;
        if amount > read.promise.amount {
            return Err(ConcentError::BadAmount { got: amount, allowed: read.promise.amount });
        }
        let ruled = if self.is_used_up(&read.requestor, &read.promise.provider, &read.promise.nonce) {
            self.ruled_claim(&read, amount, now)?
        } else {
            self.ruled_unclaimed(&read, sender, amount, now)?
        };
        let ruling = Ruling { requestor: read.requestor, promise: read.digest, amount, evidence };
        self.office.check_signatures(&ruling.digest(&self.at), signatures)?;
        self.office.count(ruled.moved, self.terms.daily_limit, now)?;
        self.carry_out(&read, &ruled)?;
        Ok(ruled.paid)
    }

    /// `void` by `sender`, with the provider's signature of the receipt.
    pub fn void(
        &mut self,
        sender: Address,
        promised: &Signed<Promise>,
        receipt: &CompactSignature,
    ) -> Result<(), ConcentError> {
        let read = self.read(promised)?;
        let signed = Receipt { requestor: read.requestor, promise: read.digest }.digest(&self.at);
        let signer = receipt.recover(&signed).unwrap_or(Address::ZERO);
        if signer != read.promise.provider {
            return Err(ConcentError::BadSignature(signer));
        }
        let Some(claim) = self.claims.get(&(read.requestor, read.digest)).copied() else {
            return self.use_up(&read);
        };
        let bond = self.terms.bond();
        self.release(read.requestor, read.digest, &claim, Wei::ZERO);
        self.change(signer, |account| account.deposit = account.deposit.saturating_sub(bond));
        self.credit(read.requestor, self.terms.fee);
        self.token.pay(sender, self.terms.cover);
        Ok(())
    }

    /// `proposeRotation` by anybody.
    pub fn propose_rotation(
        &mut self,
        keys: &[Address],
        threshold: u64,
        signatures: &[u8],
        now: ChainTime,
    ) -> Result<ChainTime, ConcentError> {
        office::check_keys(keys, threshold)?;
        let nonce = U256::from(self.office.rotation_nonce);
        let rotation = Rotation { keys: keys.to_vec(), threshold, nonce };
        self.office.check_signatures(&rotation.digest(&self.at), signatures)?;
        let active_at = later(now, self.terms.rotation_delay_s)?;
        self.office.rotation_nonce = self.office.rotation_nonce.saturating_add(1);
        self.office.announced = Some(Announced { keys: keys.to_vec(), threshold, active_at });
        Ok(active_at)
    }

    /// `cancelRotation` by anybody.
    pub fn cancel_rotation(&mut self, signatures: &[u8]) -> Result<(), ConcentError> {
        if self.office.announced.is_none() {
            return Err(ConcentError::NotProposed);
        }
        let cancel = CancelRotation { nonce: U256::from(self.office.rotation_nonce) };
        self.office.check_signatures(&cancel.digest(&self.at), signatures)?;
        self.office.rotation_nonce = self.office.rotation_nonce.saturating_add(1);
        self.office.announced = None;
        Ok(())
    }

    /// `rotate` by anybody.
    pub fn rotate(&mut self, keys: &[Address], threshold: u64, now: ChainTime) -> Result<(), ConcentError> {
        self.office.rotate(keys, threshold, now)
    }

    /// What must hold at any time: the contract holds all deposits, what is reserved in an account is what its claims
    /// put at stake, no more than is deposited; and a promise that is claimed is used up.
    pub fn check_invariants(&self) -> Vec<ConcentViolation> {
        let mut violations = Vec::new();
        let mut violated = |account: Address, what: String| violations.push(ConcentViolation { account, what });
        let mut staked = BTreeMap::<Address, u128>::new();
        let bond = self.terms.bond().0;
        for ((requestor, _), Claim { state, provider, nonce }) in &self.claims {
            let contested = if state.stage == ClaimStage::Contested { bond } else { 0 };
            let of_requestor = staked.entry(*requestor).or_default();
            *of_requestor = of_requestor.saturating_add(state.reserved.0).saturating_add(contested);
            let of_provider = staked.entry(*provider).or_default();
            *of_provider = of_provider.saturating_add(bond);
            if !self.is_used_up(requestor, provider, nonce) {
                violated(*requestor, format!("promise {nonce} to {provider} is claimed and not used up"));
            }
            if state.stage == ClaimStage::None || state.reserved > state.amount {
                violated(*requestor, format!("a claim that cannot be: {state:?}"));
            }
        }
        let mut owed = 0u128;
        for (owner, account) in &self.accounts {
            owed = owed.saturating_add(account.deposit.0);
            let stake = staked.get(owner).copied().unwrap_or_default();
            if account.reserved.0 != stake || account.reserved > account.deposit {
                let (reserved, deposit) = (account.reserved, account.deposit);
                violated(*owner, format!("{reserved} of {deposit} are reserved, and {stake} wei are at stake"));
            }
        }
        let held = self.balance(&self.at.concent_deposit);
        if held < owed {
            violated(self.at.concent_deposit, format!("{held} wei are held and {owed} owed"));
        }
        violations
    }

    /// What a ruling on a promise that nobody claimed does.
    fn ruled_unclaimed(
        &self,
        read: &Read,
        sender: Address,
        amount: Wei,
        now: ChainTime,
    ) -> Result<Ruled, ConcentError> {
        let due = read.promise.deadline.saturating_add(self.terms.ruling_window_s as u64);
        if now >= due {
            return Err(ConcentError::TooLate { due, now });
        }
        if amount == Wei::ZERO {
            return Err(ConcentError::BadAmount { got: amount, allowed: read.promise.amount });
        }
        let paid = amount.min(self.account(&read.requestor).free());
        if paid < amount && (paid == Wei::ZERO || sender != read.promise.provider) {
            return Err(ConcentError::TooLittle { account: read.requestor, got: paid, needed: amount });
        }
        Ok(Ruled { paid, moved: paid.0, end: End::Unclaimed })
    }

    /// What a ruling on a claim does.
    fn ruled_claim(&self, read: &Read, amount: Wei, now: ChainTime) -> Result<Ruled, ConcentError> {
        let (requestor, provider) = (read.requestor, read.promise.provider);
        let Some(claim) = self.claims.get(&(requestor, read.digest)).copied() else {
            return Err(ConcentError::UsedUp { requestor, provider, nonce: read.promise.nonce });
        };
        if now >= claim.state.due {
            return Err(ConcentError::TooLate { due: claim.state.due, now });
        }
        let contested = claim.state.stage == ClaimStage::Contested;
        let granted = amount >= claim.state.amount;
        if !granted && !contested {
            return Err(ConcentError::NotContested { requestor, promise: read.digest });
        }
        let paid = amount.min(claim.state.reserved);
        // Who did not contest staked nothing, and loses no more than what was claimed.
        if !contested {
            return Ok(Ruled { paid, moved: paid.0, end: End::Conceded(claim) });
        }
        let (winner, loser) = if granted { (provider, requestor) } else { (requestor, provider) };
        let moved = paid.0.saturating_add(self.terms.bond().0);
        Ok(Ruled { paid, moved, end: End::Lost { claim, winner, loser } })
    }

    fn carry_out(&mut self, read: &Read, ruled: &Ruled) -> Result<(), ConcentError> {
        let paid = ruled.paid;
        match &ruled.end {
            End::Unclaimed => {
                self.use_up(read)?;
                self.change(read.requestor, |account| account.deposit = account.deposit.saturating_sub(paid));
            }
            End::Conceded(claim) => self.release(read.requestor, read.digest, claim, paid),
            End::Lost { claim, winner, loser } => {
                let bond = self.terms.bond();
                self.release(read.requestor, read.digest, claim, paid);
                self.change(*loser, |account| account.deposit = account.deposit.saturating_sub(bond));
                self.credit(*winner, self.terms.cover);
                self.credit(self.terms.treasury, self.terms.fee);
            }
        }
        self.token.pay(read.promise.provider, paid);
        Ok(())
    }

    /// Deletes a claim: nothing of either account is at stake for it any more, and `paid` has left the requestor's.
    fn release(&mut self, requestor: Address, digest: B256, claim: &Claim, paid: Wei) {
        let bond = self.terms.bond();
        let contested = if claim.state.stage == ClaimStage::Contested { bond } else { Wei::ZERO };
        let staked = claim.state.reserved.saturating_add(contested);
        self.claims.remove(&(requestor, digest));
        self.change(requestor, |account| {
            account.reserved = account.reserved.saturating_sub(staked);
            account.deposit = account.deposit.saturating_sub(paid);
        });
        self.change(claim.provider, |account| account.reserved = account.reserved.saturating_sub(bond));
    }

    fn read<'a>(&self, promised: &'a Signed<Promise>) -> Result<Read<'a>, ConcentError> {
        let promise = &promised.document;
        let digest = promise.digest(&self.at);
        let Ok(requestor) = promised.signature.recover(&digest) else {
            return Err(ConcentError::BadSignature(Address::ZERO));
        };
        if promise.provider == Address::ZERO || promise.provider == requestor {
            return Err(ConcentError::BadProvider(promise.provider));
        }
        Ok(Read { requestor, promise, digest })
    }

    fn use_up(&mut self, read: &Read) -> Result<(), ConcentError> {
        let (requestor, provider, nonce) = (read.requestor, read.promise.provider, read.promise.nonce);
        if self.used.insert((requestor, provider, nonce)) {
            return Ok(());
        }
        Err(ConcentError::UsedUp { requestor, provider, nonce })
    }

    fn received(
        &self,
        caller: Address,
        operator: Address,
        owner: Address,
        amount: Wei,
        data_bytes: usize,
    ) -> Result<ConcentAccount, ConcentError> {
        if caller != self.terms.token {
            return Err(ConcentError::NotTheToken { got: caller, allowed: self.terms.token });
        }
        if operator != owner {
            return Err(ConcentError::NotTheOwner { operator, owner });
        }
        if data_bytes != 0 {
            return Err(ConcentError::BadLength(data_bytes));
        }
        self.deposited(owner, amount)
    }

    /// The account with `amount` more in it, and locked.
    fn deposited(&self, owner: Address, amount: Wei) -> Result<ConcentAccount, ConcentError> {
        let account = self.account(&owner);
        let allowed = self.terms.deposit_max;
        // What is at stake does not count, or claims would keep a requestor from the bond it contests them with.
        let free = account.free().0.saturating_add(amount.0);
        if amount == Wei::ZERO {
            return Err(ConcentError::BadAmount { got: amount, allowed });
        }
        if free > allowed.0 {
            return Err(ConcentError::DepositTooLarge { got: free, allowed });
        }
        let total = account.reserved.0.saturating_add(free);
        let deposit = Wei(total).bounded().ok_or(ConcentError::TooLargeFor { bits: 96, value: total })?;
        Ok(ConcentAccount { deposit, unlock_at: ChainTime(0), ..account })
    }

    /// Does not lock the account: nobody but its owner moves its times. All deposits together fit 96 bits, as the
    /// token's supply does.
    fn credit(&mut self, owner: Address, amount: Wei) {
        self.change(owner, |account| account.deposit = account.deposit.saturating_add(amount));
    }

    fn check_free(&self, owner: Address, needed: Wei) -> Result<(), ConcentError> {
        let got = self.account(&owner).free();
        if got < needed { Err(ConcentError::TooLittle { account: owner, got, needed }) } else { Ok(()) }
    }

    fn change(&mut self, owner: Address, by: impl FnOnce(&mut ConcentAccount)) {
        by(self.accounts.entry(owner).or_default());
    }
}

/// A time so many seconds from now.
fn later(now: ChainTime, delay_s: u32) -> Result<ChainTime, ConcentError> {
    let time = now.saturating_add(delay_s as u64);
    if time.0 > TIME_MAX {
        return Err(ConcentError::TooLargeFor { bits: 40, value: time.0 as u128 });
    }
    Ok(time)
}
