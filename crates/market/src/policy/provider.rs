//! What a provider's machine asks.

use super::saving::{Saving, stored};
use super::{PolicyError, remember};
use crate::access::AccessLists;
use crate::{HeaderTerms, ProviderMarket, ProviderSettings, ProviderState, Release, Violation};
use golem_deal::{ProviderFact, ProviderPolicy, Quote, Record};
use golem_protocol::{Header, NodeId, Now, Pricing, RefusalReason, Wei};
use std::collections::BTreeMap;

const KEY: &[u8] = b"provider";

/// What a provider's market is asked through.
pub struct ProviderMarketPolicy {
    pub(super) market: ProviderMarket,
    performance: u64,
    slots: u16,
    /// The last price offered, by requestor, and the terms it was for; a bounded number of them.
    terms: BTreeMap<NodeId, (HeaderTerms, Wei)>,
    /// Why nothing new is taken, where that is so.
    closed: Option<RefusalReason>,
    last_offer: Option<Wei>,
    saving: Saving,
}

impl ProviderMarketPolicy {
    /// Takes the memory out of the records, or starts without one.
    ///
    /// Errors: `Memory` for a record of another version, `Settings` for a minimal price out of range.
    pub fn recover(
        settings: ProviderSettings,
        performance: u64,
        slots: u16,
        lists: AccessLists,
        records: &[Record],
        now: Now,
    ) -> Result<ProviderMarketPolicy, PolicyError> {
        let mut market = match stored::<ProviderState>(records, KEY)? {
            Some(state) => ProviderMarket::restore(settings, state, now.local)?,
            None => ProviderMarket::new(settings, now.local)?,
        };
        *market.access_mut() = lists;
        Ok(ProviderMarketPolicy {
            market,
            performance,
            slots,
            terms: BTreeMap::new(),
            closed: None,
            last_offer: None,
            saving: Saving::new(KEY),
        })
    }

    /// Offers nothing from now on for this reason, or offers again.
    pub fn close(&mut self, reason: Option<RefusalReason>) {
        self.closed = reason;
    }

    /// The price last offered, in wei per hour.
    pub fn last_offer(&self) -> Option<Wei> {
        self.last_offer
    }

    /// What the market says is broken in its own state.
    pub fn check_invariants(&self) -> Vec<Violation> {
        self.market.check_invariants()
    }
}

impl ProviderPolicy for ProviderMarketPolicy {
    fn quote(&mut self, header: &Header, now: Now) -> Result<Quote, RefusalReason> {
        if let Some(reason) = &self.closed {
            return Err(reason.clone());
        }
        let terms = HeaderTerms::from(header);
        let quote = self.market.quote(&header.requestor, &terms, self.performance, now.local)?;
        remember(&mut self.terms, header.requestor, (terms, quote.price));
        self.last_offer = Some(quote.price);
        Ok(Quote { price: quote.price, performance: self.performance, slots: self.slots })
    }

    /// What may be owed at the price last offered; for a requestor not quoted since the start, at the minimal price, an
    /// hour at a time.
    fn credit(&self, requestor: NodeId) -> Wei {
        let unquoted = (self.market.settings().min_price, 3600);
        let quoted = self.terms.get(&requestor).map(|(terms, price)| (*price, terms.subtask_timeout_s));
        let (price, timeout_s) = quoted.unwrap_or(unquoted);
        self.market.credit(&requestor, price, timeout_s)
    }

    fn note(&mut self, fact: &ProviderFact, now: Now) {
        match *fact {
            ProviderFact::Assigned { requestor, value } => {
                // Refused only where the book is full of requestors that owe: this one is then nobody it knows.
                let _ = self.market.assigned(requestor, value);
            }
            ProviderFact::Completed { requestor, subtask_timeout_s, computation_ms } => {
                let known = self.terms.get(&requestor).map(|(terms, _)| *terms);
                let none =
                    HeaderTerms { max_price: Wei::ZERO, min_perf: 0, subtask_timeout_s, pricing: Pricing::Tender };
                let terms = HeaderTerms { subtask_timeout_s, ..known.unwrap_or(none) };
                self.market.completed(&requestor, &terms, self.performance, computation_ms);
            }
            ProviderFact::Released { requestor, value } => {
                self.market.released(&requestor, value, Release::Rejected);
            }
            ProviderFact::Paid { requestor, value } => self.market.paid(&requestor, value),
            // What is overdue counts as owed already: assigned, and neither paid nor released.
            ProviderFact::Overdue { .. } => return,
            ProviderFact::Answered { taken } => self.market.answered(taken),
            ProviderFact::Busy(true) => self.market.busy(now.local),
            ProviderFact::Busy(false) => self.market.idle(now.local),
        }
        self.saving.touch(now);
    }

    fn records(&mut self) -> Vec<Record> {
        self.saving.records(self.market.state())
    }
}
