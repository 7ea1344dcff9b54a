//! The market behind the machines' questions: prices, choices, credit, and what is run again.

use crate::error::StartError;
use crate::note::RecheckSecret;
use crate::settings::{ChoiceSettings, PeerLists};
use golem_deal::{ProviderFact, ProviderPolicy, Quote, Record, RequestorFact, RequestorPolicy, Table};
use golem_market::access::{AccessEntry, AccessLists, DefaultAccess, Expiry};
use golem_market::requestor::OfferTerms;
use golem_market::{HeaderTerms, Outcome, ProviderMarket, ProviderSettings, ProviderState, Ratio, Release};
use golem_market::{RequestorMarket, RequestorSettings};
use golem_protocol::message::{decode, encode};
use golem_protocol::{B256, Header, LocalTime, NodeId, Now, Offer, RefusalReason, Wei};
use golem_task::Verification;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// The largest market record. Reason: 10,000 peers of less than 100 bytes, and as many list entries.
const MARKET_BYTES_MAX: usize = 4 << 20;
/// Up to this size the market's memory is saved with every change; a larger one at most every [`SAVE_PAUSE_MS`].
/// Reason: it is one record, and a reputation may lag by seconds; money may not, and is not in it.
const SAVE_ALWAYS_BYTES: usize = 64 << 10;
/// How long changes of a large memory are gathered, in milliseconds.
const SAVE_PAUSE_MS: u64 = 10_000;
/// How many peers' latest terms are kept. Reason: as many as the market remembers.
const TERMS_MAX: usize = golem_market::PEERS_MAX;

const PROVIDER_KEY: &[u8] = b"provider";
const REQUESTOR_KEY: &[u8] = b"requestor";

/// When the market's memory was last saved, and whether it has changed since.
struct Saving {
    key: &'static [u8],
    changed: bool,
    bytes: usize,
    saved_at: LocalTime,
    now: LocalTime,
}

impl Saving {
    fn new(key: &'static [u8]) -> Saving {
        Saving { key, changed: false, bytes: 0, saved_at: LocalTime::default(), now: LocalTime::default() }
    }

    fn touch(&mut self, now: Now) {
        self.changed = true;
        self.now = now.local;
    }

    fn records(&mut self, state: &impl Serialize) -> Vec<Record> {
        let soon = self.bytes > SAVE_ALWAYS_BYTES && self.now.saturating_sub(self.saved_at) < SAVE_PAUSE_MS;
        if !self.changed || soon {
            return Vec::new();
        }
        match encode(state, MARKET_BYTES_MAX) {
            Ok(value) => {
                self.changed = false;
                self.bytes = value.len();
                self.saved_at = self.now;
                vec![Record { table: Table::Market, key: self.key.to_vec(), value: Some(value) }]
            }
            Err(error) => {
                // Both books are bounded far below this; what was saved before stays.
                tracing::error!(%error, "the market's memory is not saved");
                Vec::new()
            }
        }
    }
}

/// Reads the market's memory out of all records of `Table::Market`.
fn stored<T: DeserializeOwned>(records: &[Record], key: &[u8]) -> Result<Option<T>, StartError> {
    let record = records.iter().find(|record| record.table == Table::Market && record.key == key);
    let Some(value) = record.and_then(|record| record.value.as_deref()) else { return Ok(None) };
    decode(value, MARKET_BYTES_MAX).map(Some).map_err(|error| StartError::Market { detail: error.to_string() })
}

/// Takes the owner's lists over into the market's.
fn enter_lists(lists: &mut AccessLists, peers: &PeerLists) -> Result<(), StartError> {
    let entry = || AccessEntry { expires: Expiry::Never, reason: "set in the configuration".to_owned() };
    let refused = |error: golem_market::access::AccessError| StartError::Market { detail: error.to_string() };
    *lists = AccessLists::default();
    if !peers.allow.is_empty() {
        lists.unlisted = DefaultAccess::AllowedOnly;
    }
    for node in &peers.allow {
        lists.allow(*node, entry()).map_err(refused)?;
    }
    for node in &peers.deny {
        lists.deny(*node, entry()).map_err(refused)?;
    }
    Ok(())
}

/// What a provider's market is asked through.
pub struct ProviderMarketPolicy {
    market: ProviderMarket,
    performance: u64,
    slots: u16,
    /// The last price offered, by requestor, and the terms it was for; at most `TERMS_MAX`.
    terms: BTreeMap<NodeId, (HeaderTerms, Wei)>,
    /// Why nothing new is taken, where that is so.
    closed: Option<RefusalReason>,
    last_offer: Option<Wei>,
    saving: Saving,
}

impl ProviderMarketPolicy {
    /// Takes the memory out of the records, or starts without one.
    ///
    /// Errors: a record of another version; a minimal price out of range; a list too long.
    pub fn recover(
        min_price: Wei,
        performance: u64,
        slots: u16,
        peers: &PeerLists,
        records: &[Record],
        now: Now,
    ) -> Result<ProviderMarketPolicy, StartError> {
        let settings = ProviderSettings::new(min_price);
        let refused = |error: golem_market::SettingsError| StartError::Setting {
            setting: "min_price",
            got: min_price.to_string(),
            step: error.to_string(),
        };
        let mut market = match stored::<ProviderState>(records, PROVIDER_KEY)? {
            Some(state) => ProviderMarket::restore(settings, state, now.local).map_err(refused)?,
            None => ProviderMarket::new(settings, now.local).map_err(refused)?,
        };
        enter_lists(market.access_mut(), peers)?;
        Ok(ProviderMarketPolicy {
            market,
            performance,
            slots,
            terms: BTreeMap::new(),
            closed: None,
            last_offer: None,
            saving: Saving::new(PROVIDER_KEY),
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
    pub fn check_invariants(&self) -> Vec<golem_market::Violation> {
        self.market.check_invariants()
    }
}

/// Keeps the newest terms of a peer; where there is no room, those of the lowest id go.
fn remember<T>(terms: &mut BTreeMap<NodeId, T>, node: NodeId, value: T) {
    if !terms.contains_key(&node) && terms.len() >= TERMS_MAX {
        terms.pop_first();
    }
    terms.insert(node, value);
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

    /// `k` hours of work at the price last offered; for a requestor not quoted since the start, at the minimal price.
    fn credit(&self, requestor: NodeId) -> Wei {
        let settings = self.market.settings();
        let price = self.terms.get(&requestor).map_or(settings.min_price, |(_, price)| *price);
        price.checked_mul(settings.credit_hours as u64).unwrap_or(Wei::MAX)
    }

    fn note(&mut self, fact: &ProviderFact, now: Now) {
        match *fact {
            ProviderFact::Assigned { requestor, value } => {
                if let Err(reason) = self.market.assigned(requestor, value) {
                    tracing::warn!(%requestor, %reason, "the market does not remember this requestor");
                }
            }
            ProviderFact::Completed { requestor, subtask_timeout_s, computation_ms } => {
                let known = self.terms.get(&requestor).map(|(terms, _)| *terms);
                let none = HeaderTerms { max_price: Wei::ZERO, min_perf: 0, subtask_timeout_s };
                let terms = HeaderTerms { subtask_timeout_s, ..known.unwrap_or(none) };
                self.market.completed(&requestor, &terms, self.performance, computation_ms);
            }
            ProviderFact::Released { requestor, value } => {
                self.market.released(&requestor, value, Release::Rejected);
            }
            ProviderFact::Paid { requestor, value } => self.market.paid(&requestor, value),
            // What is overdue counts as owed already: assigned, and neither paid nor released.
            ProviderFact::Overdue { .. } => return,
            ProviderFact::Busy(true) => self.market.busy(now.local),
            ProviderFact::Busy(false) => self.market.idle(now.local),
        }
        self.saving.touch(now);
    }

    fn records(&mut self) -> Vec<Record> {
        self.saving.records(self.market.state())
    }
}

/// What a requestor's market is asked through.
pub struct RequestorMarketPolicy {
    market: RequestorMarket,
    secret: RecheckSecret,
    /// Which share of each task is run again, in parts per million, by header digest; one for each task known here.
    recheck_ppm: BTreeMap<B256, u32>,
    /// The latest terms by provider; at most `TERMS_MAX`.
    terms: BTreeMap<NodeId, (HeaderTerms, u64)>,
    saving: Saving,
}

impl RequestorMarketPolicy {
    /// Takes the memory out of the records, or starts without one.
    ///
    /// Errors: a record of another version; a list too long.
    pub(crate) fn recover(
        choice: ChoiceSettings,
        peers: &PeerLists,
        secret: RecheckSecret,
        records: &[Record],
    ) -> Result<RequestorMarketPolicy, StartError> {
        let settings = RequestorSettings {
            quality_floor: Ratio::from_parts(choice.quality_floor_ppm as u64 * (Ratio::ONE.parts() / 1_000_000)),
            ..RequestorSettings::default()
        };
        let mut market = match stored::<RequestorMarket>(records, REQUESTOR_KEY)? {
            Some(stored) => RequestorMarket::restore(settings, stored),
            None => RequestorMarket::new(settings),
        };
        enter_lists(market.access_mut(), peers)?;
        Ok(RequestorMarketPolicy {
            market,
            secret,
            recheck_ppm: BTreeMap::new(),
            terms: BTreeMap::new(),
            saving: Saving::new(REQUESTOR_KEY),
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

    /// What the market says is broken in its own state.
    pub fn check_invariants(&self) -> Vec<golem_market::Violation> {
        self.market.check_invariants()
    }

    fn outcome(&mut self, provider: NodeId, subtask_timeout_s: u32, outcome: Outcome) {
        let none = (HeaderTerms { max_price: Wei::ZERO, min_perf: 0, subtask_timeout_s }, 0);
        let (terms, performance) = self.terms.get(&provider).copied().unwrap_or(none);
        self.market.outcome(provider, &HeaderTerms { subtask_timeout_s, ..terms }, performance, outcome);
    }
}

impl RequestorPolicy for RequestorMarketPolicy {
    fn admit(&mut self, header: &Header, offer: &Offer, now: Now) -> Result<(), RefusalReason> {
        let terms = HeaderTerms::from(header);
        self.market.admit(&OfferTerms::from(offer), &terms, now.local)?;
        remember(&mut self.terms, offer.provider, (terms, offer.performance));
        Ok(())
    }

    fn rank(&mut self, header: &Header, offers: &[&Offer], now: Now) -> Vec<usize> {
        let offers: Vec<OfferTerms> = offers.iter().map(|offer| OfferTerms::from(*offer)).collect();
        let ranking = self.market.rank(&offers, &HeaderTerms::from(header), now.local, rand::random());
        ranking.ranked.iter().map(|ranked| ranked.position).collect()
    }

    fn rechecks(&self, header: B256, index: u32, _provider: NodeId) -> bool {
        let ppm = self.recheck_ppm.get(&header).copied().unwrap_or(1_000_000);
        // The secret is this node's own, so a provider cannot foresee which results are run again.
        Verification::Recheck { fraction_ppm: ppm }.chooses(&self.secret.0, header, index)
    }

    fn note(&mut self, fact: &RequestorFact, now: Now) {
        match *fact {
            RequestorFact::Succeeded { provider, subtask_timeout_s, computation_ms } => {
                self.outcome(provider, subtask_timeout_s, Outcome::Success { computation_ms });
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

#[cfg(test)]
mod tests {
    use super::*;
    use golem_protocol::{Address, ByteCount, ChainTime, ContentHash, Fuel, Pricing};

    fn node(number: u8) -> NodeId {
        NodeId(Address::repeat_byte(number))
    }

    fn header(max_price: u128) -> Header {
        Header {
            requestor: node(1),
            payer: Address::repeat_byte(2),
            nonce: 0,
            module: ContentHash(B256::ZERO),
            module_bytes: ByteCount(1),
            subtasks: 4,
            max_price: Wei(max_price),
            subtask_timeout_s: 3600,
            min_perf: 0,
            pricing: Pricing::Tender,
            fuel_max: Fuel(1),
            memory_max: ByteCount(1),
            output_max: ByteCount(1),
            recheck_ppm: 0,
            profile: B256::ZERO,
            deadline: ChainTime(1),
        }
    }

    fn provider(records: &[Record]) -> ProviderMarketPolicy {
        ProviderMarketPolicy::recover(Wei(1_000), 50, 2, &PeerLists::default(), records, Now::default()).unwrap()
    }

    fn requestor(peers: &PeerLists, records: &[Record]) -> RequestorMarketPolicy {
        let secret = RecheckSecret([7; 32]);
        RequestorMarketPolicy::recover(ChoiceSettings::default(), peers, secret, records).unwrap()
    }

    fn offer(provider: NodeId, price: u128) -> Offer {
        Offer {
            header: B256::ZERO,
            provider,
            payee: provider.0,
            price: Wei(price),
            performance: 50,
            slots: 1,
            expires: ChainTime(9),
        }
    }

    #[test]
    fn offers_nothing_below_the_minimal_price() {
        assert!(matches!(provider(&[]).quote(&header(999), Now::default()), Err(RefusalReason::PriceAboveMax { .. })));
        assert_eq!(provider(&[]).quote(&header(100_000), Now::default()).unwrap().price, Wei(1_200));
    }

    #[test]
    fn offers_nothing_while_closed_and_says_why() {
        let mut policy = provider(&[]);
        policy.close(Some(RefusalReason::Busy));
        assert_eq!(policy.quote(&header(100_000), Now::default()), Err(RefusalReason::Busy));
        policy.close(None);
        assert!(policy.quote(&header(100_000), Now::default()).is_ok());
    }

    #[test]
    fn remembers_what_a_requestor_owes_across_a_restart() {
        let mut policy = provider(&[]);
        assert!(policy.records().is_empty());
        policy.note(&ProviderFact::Assigned { requestor: node(1), value: Wei(5_000) }, Now::default());
        let records = policy.records();
        assert_eq!(records.len(), 1);
        assert!(policy.records().is_empty(), "nothing has changed since");
        let mut again = provider(&records);
        assert_eq!(again.market.record(&node(1)).unwrap().owed, Wei(5_000));
        let wary = again.quote(&header(100_000), Now::default()).unwrap().price;
        assert!(wary > Wei(1_200), "who owes pays more, and not {wary}");
    }

    #[test]
    fn lends_the_credit_hours_at_the_price_offered() {
        let mut policy = provider(&[]);
        assert_eq!(policy.credit(node(1)), Wei(3_000));
        policy.quote(&header(100_000), Now::default()).unwrap();
        assert_eq!(policy.credit(node(1)), Wei(3_600));
    }

    #[test]
    fn refuses_whom_the_lists_do_not_allow() {
        let lists = PeerLists { allow: vec![node(3)], deny: vec![node(4)] };
        let mut policy = requestor(&lists, &[]);
        let admit =
            |policy: &mut RequestorMarketPolicy, from| policy.admit(&header(100), &offer(from, 50), Now::default());
        assert!(admit(&mut policy, node(3)).is_ok());
        assert_eq!(admit(&mut policy, node(4)), Err(RefusalReason::Denied));
        assert_eq!(admit(&mut policy, node(5)), Err(RefusalReason::Denied));
    }

    #[test]
    fn ranks_the_cheaper_of_two_strangers_first_and_a_cheat_last_after_a_restart() {
        let mut policy = requestor(&PeerLists::default(), &[]);
        let (cheap, dear) = (offer(node(3), 95), offer(node(4), 96));
        assert_eq!(policy.rank(&header(100), &[&dear, &cheap], Now::default()), vec![1, 0]);
        for _ in 0..3 {
            policy.note(&RequestorFact::Rejected { provider: node(3) }, Now::default());
        }
        let records = policy.records();
        let mut again = requestor(&PeerLists::default(), &records);
        assert_eq!(again.rank(&header(100), &[&dear, &cheap], Now::default()), vec![0, 1]);
    }

    #[test]
    fn rechecks_the_share_asked_for_and_the_same_ones_each_time() {
        let mut policy = requestor(&PeerLists::default(), &[]);
        let task = B256::repeat_byte(9);
        assert!(policy.rechecks(task, 0, node(3)), "an unknown task is rechecked in full");
        policy.watch(task, 250_000);
        let picked: Vec<bool> = (0..10_000).map(|index| policy.rechecks(task, index, node(3))).collect();
        let count = picked.iter().filter(|picked| **picked).count();
        assert!((2_300..2_700).contains(&count), "{count} of 10,000");
        let again = requestor(&PeerLists::default(), &[]);
        assert_eq!(policy.rechecks(task, 17, node(3)), {
            let mut again = again;
            again.watch(task, 250_000);
            again.rechecks(task, 17, node(4))
        });
        policy.watch(task, 0);
        assert!((0..1_000).all(|index| !policy.rechecks(task, index, node(3))));
    }
}
