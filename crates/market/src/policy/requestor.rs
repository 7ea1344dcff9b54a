//! What a requestor's machine asks.

use super::saving::{Saving, stored};
use super::usual::Usual;
use super::{PolicyError, TERMS_MAX, check_identity, remember};
use crate::access::AccessLists;
use crate::checking::{CheckRate, PPM};
use crate::promises::{Overstated, Promises, TimedResult, WARM_UP_RESULTS};
use crate::requestor::OfferTerms;
use crate::standing::{self, Standing};
use crate::{
    Claim, HeaderTerms, Held, Outcome, Proofs, Ratio, RequestorMarket, RequestorSettings, Unheard, Violation,
    WaitReason, Waited,
};
use golem_deal::{Checks, Delivery, Rechecks, Record, Reported, RequestorFact, RequestorPolicy, Straggler, Timed};
use golem_protocol::{
    B256, ByteCount, ContentHash, Header, LocalTime, NodeId, Now, Offer, Pricing, RefusalReason, Wei,
};
use std::collections::BTreeMap;

const KEY: &[u8] = b"requestor";
/// Apart from the rest, which older versions wrote without it.
const KEY_PROOFS: &[u8] = b"proofs";
/// Apart for the same reason.
const KEY_PROMISES: &[u8] = b"promises";
/// Apart for the same reason: what subtasks usually take, and what was paid for metered work.
const KEY_LATELY: &[u8] = b"lately";
/// Of which prices that is a share: the key of their record.
const KEY_MAXIMA: &[u8] = b"maxima";

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
    identity_bits: u32,
    /// How each task's results are checked, by header digest; one for each task known here.
    checks: BTreeMap<B256, Checks>,
    /// The latest terms by provider; a bounded number of them.
    terms: BTreeMap<NodeId, (HeaderTerms, OfferTerms)>,
    /// When each task's offers were first looked at, and what waited when they were last, by the header's nonce; a bounded
    /// number of them.
    opened: BTreeMap<u64, (LocalTime, Held)>,
    /// Proofs that were begun and nobody looks at yet.
    looks: Vec<Claim>,
    /// What speeds were promised, and what was seen of them.
    promises: Promises,
    /// Of each provider and program those results that were reported first, until they are judged.
    first: BTreeMap<(NodeId, ContentHash), Vec<(B256, u32)>>,
    /// What subtasks usually take.
    usual: Usual,
    /// What an input of each task has to fetch at most, by header digest, where that is known.
    inputs_max: BTreeMap<B256, ByteCount>,
    saving: Saving,
    saving_proofs: Saving,
    saving_promises: Saving,
    saving_lately: Saving,
    saving_maxima: Saving,
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
        let (mut market, promises) = remembered(settings, records)?;
        let (usual, metered): (Usual, Option<Ratio>) = stored(records, KEY_LATELY)?.unwrap_or_default();
        market.recall(metered, stored(records, KEY_MAXIMA)?.unwrap_or_default());
        *market.access_mut() = lists;
        Ok(RequestorMarketPolicy {
            market,
            lot,
            identity_bits: 0,
            checks: BTreeMap::new(),
            terms: BTreeMap::new(),
            opened: BTreeMap::new(),
            looks: Vec::new(),
            promises,
            first: BTreeMap::new(),
            usual,
            inputs_max: BTreeMap::new(),
            saving: Saving::new(KEY),
            saving_proofs: Saving::new(KEY_PROOFS),
            saving_promises: Saving::new(KEY_PROMISES),
            saving_lately: Saving::new(KEY_LATELY),
            saving_maxima: Saving::new(KEY_MAXIMA),
        })
    }

    /// Deals only with nodes whose key has this much work in it, as [`NodeId::work_bits`] counts it.
    pub fn demand_identity(&mut self, bits: u32) {
        self.identity_bits = bits;
    }

    /// Says how a task's results are checked. Before that, all of them are run again.
    pub fn watch(&mut self, header: B256, checks: Checks) {
        self.checks.insert(header, checks);
    }

    /// Says how many bytes a subtask of a task has to fetch at most. Before that, nobody's speed is judged by it.
    pub fn weigh(&mut self, header: B256, input_max: ByteCount) {
        if self.inputs_max.len() >= TERMS_MAX {
            self.inputs_max.pop_first();
        }
        self.inputs_max.insert(header, input_max);
    }

    /// Everything that is remembered of providers, for people.
    pub fn standings(&self) -> Vec<Standing> {
        standing::of(&self.market, &self.promises)
    }

    /// An offer at the performance that it is taken for.
    fn credible(&self, header: &Header, offer: &Offer) -> OfferTerms {
        let performance = self.promises.credible(offer.provider, header.module, offer.performance);
        OfferTerms { performance, ..OfferTerms::from(offer) }
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
        let performance = self.promises.credible(provider, header.module, performance);
        let offer = OfferTerms { provider, price, performance };
        self.market.score(&offer, &HeaderTerms::from(header)).score.parts() / (Ratio::ONE.parts() / 1_000_000)
    }

    /// What of a task's offers was not taken yet when they were last looked at, and why.
    pub fn held(&self, header: &Header) -> Held {
        self.opened.get(&header.nonce).map(|(_, held)| *held).unwrap_or_default()
    }

    /// Keeps a proof of a wrong result that somebody published. Its signatures were checked, and that the report is of an
    /// agreement of the accuser with the accused; it has not been run again.
    ///
    /// Errors: why it is not kept.
    pub fn hear(&mut self, claim: Claim) -> Result<(), Unheard> {
        self.market.proofs_mut().hear(claim)
    }

    /// The proofs that are to be run again now, because the offers of the accused are among those to be taken. What comes
    /// of each is to be told by [`RequestorFact::Proven`], [`RequestorMarketPolicy::refute`] or
    /// [`RequestorMarketPolicy::give_up`].
    pub fn looks_wanted(&mut self) -> Vec<Claim> {
        std::mem::take(&mut self.looks)
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

    /// The first results of a program may have waited for its compilation, and may be judged after others.
    fn note_first(&mut self, header: B256, index: u32, provider: NodeId, module: ContentHash) {
        if self.promises.results(provider, module) >= WARM_UP_RESULTS {
            self.first.remove(&(provider, module));
            return;
        }
        if self.first.len() >= TERMS_MAX && !self.first.contains_key(&(provider, module)) {
            self.first.pop_first();
        }
        let first = self.first.entry((provider, module)).or_default();
        if first.len() < WARM_UP_RESULTS as usize {
            first.push((header, index));
        }
    }

    /// Since when a task's offers have been looked at.
    fn opened(&mut self, header: &Header, now: Now) -> LocalTime {
        if let Some((opened, _)) = self.opened.get(&header.nonce) {
            return *opened;
        }
        if self.opened.len() >= TERMS_MAX {
            let oldest =
                self.opened.iter().min_by_key(|(nonce, (opened, _))| (*opened, **nonce)).map(|(nonce, _)| *nonce);
            oldest.and_then(|oldest| self.opened.remove(&oldest));
        }
        self.opened.insert(header.nonce, (now.local, Held::default()));
        now.local
    }
}

impl RequestorPolicy for RequestorMarketPolicy {
    fn admit(&mut self, header: &Header, offer: &Offer, now: Now) -> Result<(), RefusalReason> {
        check_identity(offer.provider, self.identity_bits)?;
        let terms = HeaderTerms::from(header);
        let credible = self.credible(header, offer);
        self.market.admit(&credible, &terms, now.local)?;
        let said = self.promises.said(offer.provider, header.module, offer.performance, now.local);
        said.map_err(|Overstated { promised, seen, results }| RefusalReason::Overstated { promised, seen, results })?;
        remember(&mut self.terms, offer.provider, (terms, credible));
        Ok(())
    }

    fn rank(&mut self, header: &Header, offers: &[&Offer], now: Now) -> Vec<usize> {
        let offers: Vec<OfferTerms> = offers.iter().map(|offer| self.credible(header, offer)).collect();
        let waited_s = now.local.saturating_sub(self.opened(header, now)) / 1000;
        let random = self.lot.draw();
        self.market.heard(offers.iter().map(|offer| offer.provider));
        let waited = Waited { s: waited_s, usual_ms: Some(self.usual.ms(&header.module)) };
        let ranking = self.market.rank(&offers, &HeaderTerms::from(header), now.local, waited, random);
        if let Some((_, held)) = self.opened.get_mut(&header.nonce) {
            *held = Held::of(&ranking.waiting, waited_s);
        }
        for (_, offer, reason) in &ranking.waiting {
            // Where enough others are to be had, it need not be known what this one is worth.
            if let WaitReason::Accused { ahead } = reason
                && *ahead < header.subtasks as usize
            {
                let begun = self.market.proofs_mut().begin(&offer.provider, header.subtask_timeout_s, now.local);
                self.looks.extend(begun);
            }
        }
        ranking.ranked.iter().map(|ranked| ranked.position).collect()
    }

    fn knows(&self, provider: NodeId) -> bool {
        self.market.record(&provider).is_some_and(|record| record.efficiency.is_some())
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
        self.market.hedges(provider, *silent_ms, &self.credible(header, offer), header, *cost)
    }

    fn timed(&mut self, delivery: &Delivery, now: Now) -> Timed {
        let Some(input_max) = self.inputs_max.get(&delivery.header).copied() else { return Timed::default() };
        let Delivery { header, index, provider, module: program, promised, fuel, took_ms } = *delivery;
        let first = self.first.get(&(provider, program)).is_some_and(|first| first.contains(&(header, index)));
        let result = TimedResult { provider, program, promised, fuel, took_ms, input_max, first };
        let breaks_promise = self.promises.timed(&result);
        self.saving_promises.touch(now);
        Timed { least_ms: result.least_ms(), breaks_promise }
    }

    fn note(&mut self, fact: &RequestorFact, now: Now) {
        match *fact {
            RequestorFact::Assigned { provider, subtasks } => self.market.assigned(provider, subtasks),
            RequestorFact::Reported { header, index, provider, module, took_ms } => {
                self.usual.took(module, took_ms);
                self.note_first(header, index, provider, module);
                self.saving_lately.touch(now);
                return;
            }
            RequestorFact::Succeeded { provider, subtask_timeout_s, computation_ms, price, paid } => {
                if let Some((_, offer)) = self.terms.get_mut(&provider) {
                    offer.price = price;
                }
                self.outcome(provider, subtask_timeout_s, Outcome::Success { computation_ms });
                self.market.paid(&provider, paid);
                self.saving_lately.touch(now);
                self.saving_maxima.touch(now);
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
        records.extend(self.saving_promises.records(&self.promises));
        records.extend(self.saving_lately.records(&(&self.usual, self.market.paid_metered())));
        records.extend(self.saving_maxima.records(&self.market.maxima()));
        records
    }
}

/// What a requestor remembers, out of its records.
///
/// Errors: a record of another version.
fn remembered(settings: RequestorSettings, records: &[Record]) -> Result<(RequestorMarket, Promises), PolicyError> {
    let mut market = match stored::<RequestorMarket>(records, KEY)? {
        Some(stored) => RequestorMarket::restore(settings, stored),
        None => RequestorMarket::new(settings),
    };
    if let Some(proofs) = stored::<Proofs>(records, KEY_PROOFS)? {
        *market.proofs_mut() = proofs;
    }
    Ok((market, stored(records, KEY_PROMISES)?.unwrap_or_default()))
}

/// Everything that is remembered of providers in the records of a requestor that does not run.
///
/// Errors: `Memory` for a record of another version.
pub fn standings_in(records: &[Record]) -> Result<Vec<Standing>, PolicyError> {
    let (market, promises) = remembered(RequestorSettings::default(), records)?;
    Ok(standing::of(&market, &promises))
}
