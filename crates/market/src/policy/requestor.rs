//! What a requestor's machine asks.

use super::saving::{Saving, stored};
use super::{PolicyError, TERMS_MAX, remember};
use crate::access::AccessLists;
use crate::requestor::OfferTerms;
use crate::{Claim, HeaderTerms, Outcome, Proofs, Ratio, RequestorMarket, RequestorSettings, Unheard, Violation};
use golem_deal::{Record, RequestorFact, RequestorPolicy};
use golem_protocol::{B256, Header, LocalTime, NodeId, Now, Offer, Pricing, RefusalReason, Wei};
use std::collections::BTreeMap;

const KEY: &[u8] = b"requestor";
/// Apart from the rest, which older versions wrote without it.
const KEY_PROOFS: &[u8] = b"proofs";

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
    /// Which share of each task is run again, in parts per million, by header digest; one for each task known here.
    recheck_ppm: BTreeMap<B256, u32>,
    /// The latest terms by provider; a bounded number of them.
    terms: BTreeMap<NodeId, (HeaderTerms, OfferTerms)>,
    /// When each task's offers were first looked at, by the header's nonce; a bounded number of them.
    opened: BTreeMap<u64, LocalTime>,
    saving: Saving,
    saving_proofs: Saving,
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
        if let Some(proofs) = stored::<Proofs>(records, KEY_PROOFS)? {
            *market.proofs_mut() = proofs;
        }
        Ok(RequestorMarketPolicy {
            market,
            lot,
            recheck_ppm: BTreeMap::new(),
            terms: BTreeMap::new(),
            opened: BTreeMap::new(),
            saving: Saving::new(KEY),
            saving_proofs: Saving::new(KEY_PROOFS),
        })
    }

    /// Says which share of a task's results is run again. Before that, all of them are.
    pub fn watch(&mut self, header: B256, recheck_ppm: u32) {
        self.recheck_ppm.insert(header, recheck_ppm);
    }

    /// The score of an offer, in parts per million.
    pub fn score_ppm(&self, header: &Header, provider: NodeId, price: Wei, performance: u64) -> u64 {
        let offer = OfferTerms { provider, price, performance };
        self.market.score(&offer, &HeaderTerms::from(header)).score.parts() / (Ratio::ONE.parts() / 1_000_000)
    }

    /// Keeps a proof of a wrong result that somebody published. Its signatures were checked, and that the report is of an
    /// agreement of the accuser with the accused; it has not been run again.
    ///
    /// Errors: why it is not kept.
    pub fn hear(&mut self, claim: Claim) -> Result<(), Unheard> {
        self.market.proofs_mut().hear(claim)
    }

    /// The proof about a provider that is to be run again now, because its offer is among those to be taken. What comes of
    /// it is to be told by [`RequestorFact::Proven`], [`RequestorMarketPolicy::refute`] or
    /// [`RequestorMarketPolicy::give_up`].
    pub fn begin_rerun(&mut self, header: &Header, provider: NodeId, now: Now) -> Option<Claim> {
        self.market.proofs_mut().begin(&provider, header.subtask_timeout_s, now.local)
    }

    /// What was claimed to be wrong was computed again, and is right.
    pub fn refute(&mut self, claim: &Claim, now: Now) {
        self.market.proofs_mut().refute(claim);
        self.saving_proofs.touch(now);
    }

    /// What was claimed to be wrong could not be computed again: its module or input is not to be had, or it was stopped.
    pub fn give_up(&mut self, claim: &Claim) {
        self.market.proofs_mut().give_up(claim);
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
    fn rechecks(&self, header: B256, index: u32, provider: NodeId) -> bool {
        let asked = self.recheck_ppm.get(&header).copied().unwrap_or(1_000_000);
        self.lot.chooses(self.market.recheck_ppm(&provider, asked), header, index)
    }

    fn note(&mut self, fact: &RequestorFact, now: Now) {
        match *fact {
            RequestorFact::Assigned { provider, subtasks } => self.market.assigned(provider, subtasks),
            RequestorFact::Succeeded { provider, subtask_timeout_s, computation_ms } => {
                self.outcome(provider, subtask_timeout_s, Outcome::Success { computation_ms });
            }
            RequestorFact::TimedOut { provider } => self.outcome(provider, 0, Outcome::TimedOut),
            RequestorFact::Failed { provider } => self.outcome(provider, 0, Outcome::Failed),
            RequestorFact::Rejected { provider } => self.outcome(provider, 0, Outcome::Rejected),
            RequestorFact::Proven { provider } => {
                self.market.proven(provider);
                self.saving_proofs.touch(now);
            }
        }
        self.saving.touch(now);
    }

    fn records(&mut self) -> Vec<Record> {
        let mut records = self.saving.records(&self.market);
        records.extend(self.saving_proofs.records(self.market.proofs()));
        records
    }
}
