//! The guarantee: a deposit of each requestor that stands behind its deals, as the contract `ConcentDeposit` has it.
//!
//! A provider that was not paid claims, with gas. Who does not contest pays what was claimed, as far as its deposit goes;
//! where it contests, the work is looked at, and the loser pays the verification and the other's gas. Nobody tops a deposit
//! up. Left out: promises and receipts (each claim is for one subtask), the daily limit, the capital of bonds.
//!
//! ```text
//! unpaid, or rejected and used --claim--> silent ----contest_hours--> paid by the requestor's deposit
//!                                   '---> contested --ruling_hours--> paid, and the requestor's bond is lost
//! nothing reported, and claimed ----claim--> contested --------------> nothing, and the provider's bond is lost
//!                                   '---> missed ------------------> paid all the same
//! ```

use super::agents::*;
use super::scenario::*;
use super::world::{Event, World};
use crate::stream::Draw;
use golem_protocol::{NodeId, Wei, subtask_value};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the contract's calls cost at most, in gas.
///
/// Source: the bounds of `contracts/test/integration/ConcentGas.t.sol`.
const GAS_CLAIM: f64 = 72_000.0;
const GAS_CONTEST: f64 = 35_500.0;
const GAS_SETTLE: f64 = 54_000.0;
/// A first deposit, and later unlocking and withdrawing it.
const GAS_ACCOUNT: f64 = 62_500.0 + 74_000.0;
const MS_PER_YEAR: f64 = MS_PER_DAY * 365.0;

/// What the guarantee asks for and costs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConcentRules {
    /// Whether providers ask for a deposit and claim; yes.
    pub on: bool,
    /// What each requestor deposits, in hours of work at the median cost of a machine; 48.
    pub deposit_hours: f64,
    /// What the deposited money would bring elsewhere in a year, as a share of it; 0.1.
    pub interest_per_year: f64,
    /// What a million gas cost, in hours of work at the median cost; 0.5.
    pub gas_hours: f64,
    /// What the loser of a contested claim pays for the verification, in such hours; 1.
    pub fee_hours: f64,
    /// How long a claim can be contested, in hours; 24.
    pub contest_hours: f64,
    /// How long a ruling takes, in hours; 24.
    pub ruling_hours: f64,
    /// For how many of the subtasks that they took and never finished those of the behaviour `"hold"` claim all the same,
    /// 0 to 1; 0.
    pub false_claims: f64,
    /// How many claims that are false an honest requestor misses to contest, 0 to 1; 0.
    pub missed: f64,
}

impl Default for ConcentRules {
    fn default() -> ConcentRules {
        ConcentRules {
            on: true,
            deposit_hours: 48.0,
            interest_per_year: 0.1,
            gas_hours: 0.5,
            fee_hours: 1.0,
            contest_hours: 24.0,
            ruling_hours: 24.0,
            false_claims: 0.0,
            missed: 0.0,
        }
    }
}

impl ConcentRules {
    /// Its numbers, and what they may be.
    pub(super) fn numbers(&self) -> [(&'static str, f64, (f64, f64)); 8] {
        [
            ("deposit_hours", self.deposit_hours, (0.0, 1e5)),
            ("interest_per_year", self.interest_per_year, (0.0, 10.0)),
            ("gas_hours", self.gas_hours, (0.0, 1e4)),
            ("fee_hours", self.fee_hours, (0.0, 1e4)),
            ("contest_hours", self.contest_hours, (0.0, 1e4)),
            ("ruling_hours", self.ruling_hours, (0.0, 1e4)),
            ("false_claims", self.false_claims, (0.0, 1.0)),
            ("missed", self.missed, (0.0, 1.0)),
        ]
    }
}

/// What a name has deposited.
#[derive(Clone, Copy)]
struct Account {
    buyer: u32,
    deposit: Wei,
    reserved: Wei,
    /// Up to when its capital has been counted.
    since: u64,
}

impl Account {
    fn free(&self) -> Wei {
        self.deposit.saturating_sub(self.reserved)
    }
}

/// What a claim is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dispute {
    /// Accepted work, not paid: its requestor is silent.
    Unpaid,
    /// Right work that was said to be wrong: its requestor contests.
    Rejected,
    /// No result: who did not finish claims all the same.
    Nothing,
}

/// A claim under way.
struct Claim {
    buyer: u32,
    buyer_name: u32,
    machine: u32,
    value: Wei,
    reserved: Wei,
    dispute: Dispute,
    contested: bool,
}

/// The deposits and claims of a run, and what they cost.
pub(super) struct Office {
    rules: ConcentRules,
    deposit: Wei,
    /// Of a million gas, and of a verification.
    gas: f64,
    fee: Wei,
    /// By name.
    accounts: BTreeMap<u32, Account>,
    claims: BTreeMap<u32, Claim>,
    made: u32,
    claimed: Wei,
    paid: Wei,
    disputes_cost: Wei,
    deposits_cost: Wei,
}

impl Office {
    pub(super) fn new(scenario: &Scenario, median_cost: f64) -> Option<Office> {
        let rules = scenario.market.concent.filter(|rules| rules.on)?;
        Some(Office {
            rules,
            deposit: wei(rules.deposit_hours * median_cost),
            gas: rules.gas_hours * median_cost,
            fee: wei(rules.fee_hours * median_cost),
            accounts: BTreeMap::new(),
            claims: BTreeMap::new(),
            made: 0,
            claimed: Wei::ZERO,
            paid: Wei::ZERO,
            disputes_cost: Wei::ZERO,
            deposits_cost: Wei::ZERO,
        })
    }

    fn gas(&self, gas: f64) -> Wei {
        wei(self.gas * gas / 1e6)
    }

    /// What the loser of a contested claim pays the other for its gas.
    fn cover(&self) -> Wei {
        self.gas(GAS_CLAIM)
    }

    fn bond(&self) -> Wei {
        self.fee.saturating_add(self.cover())
    }

    /// What came of it, over all that was paid in the run.
    pub(super) fn metrics(&self, total_paid: Wei) -> [(&'static str, Option<f64>); 4] {
        let share = |part: Wei, all: Wei| (all > Wei::ZERO).then(|| gnt(part) / gnt(all));
        [
            ("claims", Some(f64::from(self.made))),
            ("claims_paid_share", share(self.paid, self.claimed)),
            ("disputes_cost_share", share(self.disputes_cost, total_paid)),
            ("deposits_cost_share", share(self.deposits_cost, total_paid)),
        ]
    }

    /// Changes an account at a moment; what its capital cost until then.
    fn change(&mut self, name: u32, now: u64, change: impl FnOnce(&mut Account)) -> Wei {
        let interest = self.rules.interest_per_year;
        let Some(account) = self.accounts.get_mut(&name) else { return Wei::ZERO };
        let years = (now - account.since) as f64 / MS_PER_YEAR;
        let cost = wei(gnt(account.deposit) * interest * years);
        account.since = now;
        change(account);
        cost
    }
}

impl World<'_> {
    /// A buyer's present name deposits, if it has not.
    pub(super) fn deposit(&mut self, buyer: u32) {
        let (now, name) = (self.now, self.agents.buyers[buyer].name);
        let Some(office) = &mut self.concent else { return };
        if office.accounts.contains_key(&name) {
            return;
        }
        let account = Account { buyer, deposit: office.deposit, reserved: Wei::ZERO, since: now };
        office.accounts.insert(name, account);
        let gas = office.gas(GAS_ACCOUNT);
        self.pay_for_deposit(buyer, gas);
    }

    /// Whether what a provider would be owed is behind the name that asks for it. True where nobody asks for deposits.
    pub(super) fn is_covered(&self, buyer: u32, machine: u32, price: Wei, timeout_s: u32) -> bool {
        let Some(office) = &self.concent else { return true };
        let name = self.agents.buyers[buyer].name;
        let id: NodeId = node(name);
        let owed = self.agents.machines[machine].market.record(&id).map_or(Wei::ZERO, |record| record.owed);
        let needed = subtask_value(price, timeout_s).map(|value| value.saturating_add(owed));
        let free = office.accounts.get(&name).map_or(Wei::ZERO, Account::free);
        needed.is_some_and(|needed| needed <= free)
    }

    /// A provider claims what a run is worth, if that pays. Whether it did.
    pub(super) fn claim(&mut self, run: &Run, dispute: Dispute) -> bool {
        let now = self.now;
        let Some(office) = &mut self.concent else { return false };
        let Some(account) = office.accounts.get_mut(&run.buyer_name) else { return false };
        let (rules, reserved) = (office.rules, run.value.min(account.free()));
        let left = account.free().saturating_sub(reserved);
        let wanted = match dispute {
            Dispute::Unpaid | Dispute::Rejected => true,
            Dispute::Nothing => self.agents.machines[run.machine].draws.chance(rules.false_claims),
        };
        let contested = match dispute {
            Dispute::Unpaid => false,
            Dispute::Rejected => true,
            Dispute::Nothing => !self.agents.buyers[run.buyer].draws.chance(rules.missed),
        } && left >= office.bond();
        if !wanted || reserved <= office.gas(GAS_CLAIM + GAS_SETTLE) {
            return false;
        }
        if let Some(account) = office.accounts.get_mut(&run.buyer_name) {
            account.reserved = account.reserved.saturating_add(reserved);
        }
        let gas = office.gas(GAS_CLAIM);
        let claim = Claim {
            buyer: run.buyer,
            buyer_name: run.buyer_name,
            machine: run.machine,
            value: run.value,
            reserved,
            dispute,
            contested,
        };
        let number = office.made;
        office.made += 1;
        office.claims.insert(number, claim);
        office.claimed = office.claimed.saturating_add(run.value);
        let hours = if contested { rules.ruling_hours } else { rules.contest_hours };
        self.queue.push(now + (hours * MS_PER_HOUR) as u64, Event::ClaimDue(number));
        self.machine_burns(run.machine, gas);
        true
    }

    /// A claim is settled, or ruled on.
    pub(super) fn claim_due(&mut self, number: u32) {
        let now = self.now;
        let Some(office) = &mut self.concent else { return };
        let Some(claim) = office.claims.remove(&number) else { return };
        let Claim { buyer, buyer_name, machine, value, reserved, dispute, contested } = claim;
        let (fee, cover, bond) = (office.fee, office.cover(), office.bond());
        let (settling, contesting) = (office.gas(GAS_SETTLE), office.gas(GAS_CONTEST));
        let is_owed = dispute != Dispute::Nothing;
        let paid = if is_owed || !contested { reserved } else { Wei::ZERO };
        let lost = if contested && is_owed { bond } else { Wei::ZERO };
        let interest = office.change(buyer_name, now, |account| {
            account.reserved = account.reserved.saturating_sub(reserved);
            account.deposit = account.deposit.saturating_sub(paid).saturating_sub(lost);
        });
        office.paid = office.paid.saturating_add(paid);
        self.pay_for_deposit(buyer, interest);
        match (contested, is_owed) {
            (false, _) => self.machine_burns(machine, settling),
            (true, true) => {
                self.buyer_burns(buyer, fee.saturating_add(contesting));
                // The gas of the claim, which the provider has spent, is the requestor's.
                let (of, loser) = (&mut self.agents.machines[machine], &mut self.agents.buyers[buyer]);
                of.spent = of.spent.saturating_sub(cover);
                loser.spent = loser.spent.saturating_add(cover);
            }
            (true, false) => {
                self.machine_burns(machine, fee);
                self.buyer_burns(buyer, contesting);
                let (loser, of) = (&mut self.agents.machines[machine], &mut self.agents.buyers[buyer]);
                let covered = cover.min(of.spent);
                loser.spent = loser.spent.saturating_add(covered);
                of.spent = of.spent.saturating_sub(covered);
            }
        }
        if paid > Wei::ZERO {
            let (of, by) = (&mut self.agents.machines[machine], &mut self.agents.buyers[buyer]);
            by.spent = by.spent.saturating_add(paid);
            of.earned = of.earned.saturating_add(paid);
            if is_owed {
                of.market.paid(&node(buyer_name), paid);
            }
            self.tally.paid(of, paid, now);
        }
        if is_owed && paid < value {
            self.tally.unpaid(value.saturating_sub(paid), now);
        }
    }

    /// The end: what is due later is settled, and the capital is counted.
    pub(super) fn close_concent(&mut self) {
        let Some(office) = &self.concent else { return };
        let (due, names): (Vec<u32>, Vec<u32>) =
            (office.claims.keys().copied().collect(), office.accounts.keys().copied().collect());
        due.into_iter().for_each(|number| self.claim_due(number));
        for name in names {
            let now = self.now;
            let Some(office) = &mut self.concent else { return };
            let Some(buyer) = office.accounts.get(&name).map(|account| account.buyer) else { continue };
            let interest = office.change(name, now, |_| {});
            self.pay_for_deposit(buyer, interest);
        }
    }

    fn pay_for_deposit(&mut self, buyer: u32, amount: Wei) {
        if let Some(office) = &mut self.concent {
            office.deposits_cost = office.deposits_cost.saturating_add(amount);
        }
        let of = &mut self.agents.buyers[buyer];
        of.spent = of.spent.saturating_add(amount);
        self.tally.burnt = self.tally.burnt.saturating_add(amount);
    }

    fn machine_burns(&mut self, machine: u32, amount: Wei) {
        let of = &mut self.agents.machines[machine];
        of.spent = of.spent.saturating_add(amount);
        self.burnt_in_dispute(amount);
    }

    fn buyer_burns(&mut self, buyer: u32, amount: Wei) {
        let of = &mut self.agents.buyers[buyer];
        of.spent = of.spent.saturating_add(amount);
        self.burnt_in_dispute(amount);
    }

    fn burnt_in_dispute(&mut self, amount: Wei) {
        self.tally.burnt = self.tally.burnt.saturating_add(amount);
        if let Some(office) = &mut self.concent {
            office.disputes_cost = office.disputes_cost.saturating_add(amount);
        }
    }
}
