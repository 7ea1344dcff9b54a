//! The token as far as one contract that holds it for others sees it.

use super::ConcentError;
use golem_protocol::{Address, Wei};
use std::collections::BTreeMap;

/// Who holds how much, and what the contract may take of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    contract: Address,
    balances: BTreeMap<Address, u128>,
    allowances: BTreeMap<Address, u128>,
}

impl Token {
    pub(super) fn new(contract: Address, balances: BTreeMap<Address, u128>) -> Token {
        Token { contract, balances, allowances: BTreeMap::new() }
    }

    pub(super) fn balance(&self, holder: &Address) -> u128 {
        self.balances.get(holder).copied().unwrap_or_default()
    }

    pub(super) fn allowance(&self, owner: &Address) -> u128 {
        self.allowances.get(owner).copied().unwrap_or_default()
    }

    pub(super) fn approve(&mut self, owner: Address, allowance: u128) {
        self.allowances.insert(owner, allowance);
    }

    /// `transferFrom` to the contract: the allowance is looked at before the balance.
    pub(super) fn pull(&mut self, owner: Address, amount: Wei, allowance: u128) -> Result<(), ConcentError> {
        let Some(left) = allowance.checked_sub(amount.0) else {
            return Err(ConcentError::AllowanceTooLow { allowance, needed: amount.0 });
        };
        self.check_balance(owner, amount)?;
        // The largest allowance is never used up.
        self.allowances.insert(owner, if allowance == u128::MAX { allowance } else { left });
        self.give(owner, amount);
        Ok(())
    }

    pub(super) fn check_balance(&self, holder: Address, needed: Wei) -> Result<(), ConcentError> {
        let (held, needed) = (self.balance(&holder), needed.0);
        if held < needed { Err(ConcentError::BalanceTooLow { holder, held, needed }) } else { Ok(()) }
    }

    /// To the contract.
    pub(super) fn give(&mut self, from: Address, amount: Wei) {
        self.transfer(from, self.contract, amount);
    }

    /// From the contract.
    pub(super) fn pay(&mut self, to: Address, amount: Wei) {
        self.transfer(self.contract, to, amount);
    }

    fn transfer(&mut self, from: Address, to: Address, amount: Wei) {
        let held = self.balances.entry(from).or_default();
        *held = held.saturating_sub(amount.0);
        let held = self.balances.entry(to).or_default();
        *held = held.saturating_add(amount.0);
    }
}
