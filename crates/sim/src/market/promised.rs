//! Speeds that are promised and not delivered: requestors remember what they saw, by the code that nodes use ([`Promises`]).
//!
//! Kept only where some machine lies about its speed. Everybody else promises what its machine does, and nothing would come
//! of it but memory.

use super::agents::*;
use super::metered::{PROGRAM, fuel_of};
use super::scenario::*;
use super::table::Handle;
use super::tender::offer_terms;
use super::world::World;
use golem_market::{OfferTerms, Promises, TimedResult};
use golem_protocol::ByteCount;
use std::collections::BTreeMap;

/// What each book of a requestor holds of promises; `None` where nobody lies.
pub(super) struct Promised(Option<BTreeMap<u32, Promises>>);

impl Promised {
    pub(super) fn new(scenario: &Scenario) -> Promised {
        let lies = |group: &ProviderGroup| matches!(group.behaviour, ProviderBehaviour::CheatBenchmark { .. });
        Promised(scenario.providers.iter().any(lies).then(BTreeMap::new))
    }
}

impl World<'_> {
    /// The offers at the performance that a requestor takes them for, and those whose promise it refuses. `None` where
    /// nobody lies.
    pub(super) fn credible(&mut self, buyer: u32, offers: &[Offered]) -> Option<(Vec<OfferTerms>, Vec<usize>)> {
        let (book, now) = (self.book_of(buyer), self.local());
        let of = self.promised.0.as_mut()?.get_mut(&book)?;
        let mut terms: Vec<OfferTerms> = offers.iter().map(offer_terms).collect();
        let mut refused = Vec::new();
        for (position, offer) in terms.iter_mut().enumerate() {
            if of.said(offer.provider, PROGRAM, offer.performance, now).is_err() {
                refused.push(position);
            }
            offer.performance = of.credible(offer.provider, PROGRAM, offer.performance);
        }
        Some((terms, refused))
    }

    /// A result was accepted: how long it took is held against what was promised.
    pub(super) fn timed(&mut self, buyer: u32, task: Handle, offer: &OfferTerms, took_ms: u64) {
        let book = self.book_of(buyer);
        let Some(books) = &mut self.promised.0 else { return };
        let work_ms = self.tasks.get(task).map_or(0, |task| task.work_ms);
        books.entry(book).or_default().timed(&TimedResult {
            provider: offer.provider,
            program: PROGRAM,
            promised: offer.performance,
            fuel: fuel_of(work_ms),
            took_ms,
            input_max: ByteCount(0),
            // Nothing is compiled here.
            first: false,
        });
    }
}
