//! Who was paid how much for which task, as the deals say.

use super::deal::Part;
use super::machine::Requestor;
use golem_protocol::*;
use std::collections::BTreeMap;

/// What one provider was paid for of one task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaidShare {
    /// Where it is paid.
    pub payee: Address,
    /// What was agreed last, in wei per hour.
    pub price: Wei,
    /// How many of its results were accepted.
    pub subtasks: u32,
    /// What it was paid for them, without the author's fees.
    pub paid: Wei,
}

impl Requestor {
    /// Who was paid for what, by header and provider, of all deals that are in memory: after [`Requestor::recover`] those are
    /// all, and later the oldest of tasks that are finished go.
    pub fn paid_shares(&self) -> BTreeMap<(B256, NodeId), PaidShare> {
        let mut shares: BTreeMap<(B256, NodeId), PaidShare> = BTreeMap::new();
        let mut batches: BTreeMap<(B256, NodeId), u32> = BTreeMap::new();
        for deal in self.deals.values() {
            let (agreement, key) = (&deal.agreement, (deal.agreement.header, deal.provider()));
            let accepted = deal.parts.values().filter(|part| matches!(part, Part::Accepted { .. })).count() as u32;
            if accepted == 0 {
                continue;
            }
            let share = shares.entry(key).or_insert(PaidShare {
                payee: agreement.payee,
                price: agreement.price,
                subtasks: 0,
                paid: Wei::ZERO,
            });
            let newest = batches.entry(key).or_insert(agreement.batch);
            if agreement.batch >= *newest {
                (*newest, share.payee, share.price) = (agreement.batch, agreement.payee, agreement.price);
            }
            share.subtasks = share.subtasks.saturating_add(accepted);
            share.paid = share.paid.saturating_add(deal.paid());
        }
        shares
    }
}
