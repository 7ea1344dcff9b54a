//! What a requestor's machine asks.

use super::saving::{Saving, stored};
use super::{PolicyError, TERMS_MAX, remember};
use crate::access::AccessLists;
use crate::checking::{CheckRate, PPM};
use crate::requestor::OfferTerms;
use crate::{HeaderTerms, Outcome, Ratio, RequestorMarket, RequestorSettings, Violation};
use golem_deal::{Checks, Rechecks, Record, Reported, RequestorFact, RequestorPolicy, Straggler};
use golem_protocol::{B256, Header, LocalTime, NodeId, Now, Offer, Pricing, RefusalReason, Wei};
use std::collections::BTreeMap;

const KEY: &[u8] = b"requestor";

/// Where a requestor's choices come from that nobody else may foresee: a node draws them from the machine and from a
/// secret of its own, a simulation from its seed.
pub trait Lot: Send + Sync {
    /// Any number, another one each time.
    fn draw(&mut self) -> u64;
    /// Whether a result is among the `share_ppm` parts per million that are run again. The same answer each time.
    fn chooses(&self, share_ppm: u32, header: B256, index: u32) -> bool;
}

/// What a requestor's market is asked through.
pub struct RequestorMarketPolicy {
    market: RequestorMarket,
    lot: Box<dyn Lot>,
    /// How each task's results are checked, by header digest; one for each task known here.
    checks: BTreeMap<B256, Checks>,
    /// The latest terms by provider; a bounded number of them.
    terms: BTreeMap<NodeId, (HeaderTerms, OfferTerms)>,
    /// When each task's offers were first looked at, by the header's nonce; a bounded number of them.
    opened: BTreeMap<u64, LocalTime>,
    saving: Saving,
}

impl RequestorMarketPolicy {
    /// Takes the memory out of the records, or starts without one.
    ///
    /// Errors: `Memory` for a record of another version.
    pub fn recover(
        settings: RequestorSettings,
        lists: AccessLists,
        lot: Box<dyn Lot>,
        records: &[Record],
    ) -> Result<RequestorMarketPolicy, PolicyError> {
        let mut market = match stored::<RequestorMarket>(records, KEY)? {
            Some(stored) => RequestorMarket::restore(settings, stored),
            None => RequestorMarket::new(settings),
        };
        *market.access_mut() = lists;
        Ok(RequestorMarketPolicy {
            market,
            lot,
            checks: BTreeMap::new(),
            terms: BTreeMap::new(),
            opened: BTreeMap::new(),
            saving: Saving::new(KEY),
        })
    }

    /// Says how a task's results are checked. Before that, all of them are run again.
    pub fn watch(&mut self, header: B256, checks: Checks) {
        self.checks.insert(header, checks);
    }

    /// How often a provider's results of this value are run again for a task, and what a wrong one is expected to bring it.
    pub fn check_of(&self, header: B256, provider: NodeId, value: Wei) -> CheckRate {
        let rechecks = self.checks.get(&header).map_or(Rechecks::Share { ppm: PPM }, |checks| checks.rechecks);
        let ppm = match rechecks {
            Rechecks::Share { ppm } => self.market.recheck_ppm(&provider, ppm),
            Rechecks::Adaptive { floor_ppm } => self.market.adaptive_ppm(&provider, value, floor_ppm),
        };
        CheckRate::new(value, self.market.stake(&provider), ppm)
    }

    /// The score of an offer, in parts per million.
    pub fn score_ppm(&self, header: &Header, provider: NodeId, price: Wei, performance: u64) -> u64 {
        let offer = OfferTerms { provider, price, performance };
        self.market.score(&offer, &HeaderTerms::from(header)).score.parts() / (Ratio::ONE.parts() / 1_000_000)
    }

    /// What the market says is broken in its own state.
    pub fn check_invariants(&self) -> Vec<Violation> {
        self.market.check_invariants()
    }

    fn outcome(&mut self, provider: NodeId, subtask_timeout_s: u32, outcome: Outcome) {
        let none = (
            HeaderTerms { max_price: Wei::ZERO, min_perf: 0, subtask_timeout_s, pricing: Pricing::Tender },
            OfferTerms { provider, price: Wei::ZERO, performance: 0 },
        );
        let (terms, offer) = self.terms.get(&provider).copied().unwrap_or(none);
        self.market.outcome(&offer, &HeaderTerms { subtask_timeout_s, ..terms }, outcome);
    }

    /// Since when a task's offers have been looked at.
    fn opened(&mut self, header: &Header, now: Now) -> LocalTime {
        if let Some(opened) = self.opened.get(&header.nonce) {
            return *opened;
        }
        if self.opened.len() >= TERMS_MAX {
            let oldest = self.opened.iter().min_by_key(|(nonce, opened)| (**opened, **nonce)).map(|(nonce, _)| *nonce);
            oldest.and_then(|oldest| self.opened.remove(&oldest));
        }
        self.opened.insert(header.nonce, now.local);
        now.local
    }
}

impl RequestorPolicy for RequestorMarketPolicy {
    fn admit(&mut self, header: &Header, offer: &Offer, now: Now) -> Result<(), RefusalReason> {
        let terms = HeaderTerms::from(header);
        self.market.admit(&OfferTerms::from(offer), &terms, now.local)?;
        remember(&mut self.terms, offer.provider, (terms, OfferTerms::from(offer)));
        Ok(())
    }

    fn rank(&mut self, header: &Header, offers: &[&Offer], now: Now) -> Vec<usize> {
        let offers: Vec<OfferTerms> = offers.iter().map(|offer| OfferTerms::from(*offer)).collect();
        let waited_s = now.local.saturating_sub(self.opened(header, now)) / 1000;
        let random = self.lot.draw();
        let ranking = self.market.rank(&offers, &HeaderTerms::from(header), now.local, waited_s, random);
        ranking.ranked.iter().map(|ranked| ranked.position).collect()
    }

    /// The lot of a subtask is fixed; the share it is held against falls as its provider proves right.
    fn rechecks(&self, result: &Reported) -> bool {
        let rate = self.check_of(result.header, result.provider, result.value);
        self.lot.chooses(rate.check_ppm, result.header, result.index)
    }

    fn draw(&mut self) -> u64 {
        self.lot.draw()
    }

    fn mixes_in(&mut self, header: B256) -> Option<u64> {
        let known_ppm = self.checks.get(&header).map_or(0, |checks| checks.known_ppm);
        (known_ppm > 0 && self.lot.draw() % u64::from(PPM) < u64::from(known_ppm)).then(|| self.lot.draw())
    }

    fn hedges(&self, header: &Header, straggler: &Straggler, offer: &Offer) -> bool {
        let Straggler { provider, silent_ms, cost } = straggler;
        self.market.hedges(provider, *silent_ms, &OfferTerms::from(offer), header, *cost)
    }

    fn note(&mut self, fact: &RequestorFact, now: Now) {
        match *fact {
            RequestorFact::Assigned { provider, subtasks } => self.market.assigned(provider, subtasks),
            RequestorFact::Succeeded { provider, subtask_timeout_s, computation_ms, paid } => {
                self.outcome(provider, subtask_timeout_s, Outcome::Success { computation_ms });
                self.market.paid(&provider, paid);
            }
            RequestorFact::TimedOut { provider } => self.outcome(provider, 0, Outcome::TimedOut),
            RequestorFact::Failed { provider } => self.outcome(provider, 0, Outcome::Failed),
            RequestorFact::Rejected { provider } => self.outcome(provider, 0, Outcome::Rejected),
        }
        self.saving.touch(now);
    }

    fn records(&mut self) -> Vec<Record> {
        self.saving.records(&self.market)
    }
}
