//! What an offer is worth, and until when.

use super::{OfferTerms, ProviderRecord, RequestorMarket, Score};
use crate::HeaderTerms;
use crate::book::Peers;
use crate::ratio::Ratio;
use golem_protocol::NodeId;

/// Of how many providers it is known that something was learnt of them last. Reason: a waiting offer is looked at again
/// sooner than its requestor deals with so many, and each offer looked at is compared with those dealt with since.
const LATEST: usize = 8;

/// What an offer is worth, as long as the requestor that judged it learns nothing that concerns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    pub(super) offer: OfferTerms,
    pub(super) score: Ratio,
    pub(super) quality: Ratio,
    /// Where nobody here has dealt with its provider: since when that offers, as [`crate::strangers::Strangers::since`]
    /// counts it.
    pub(super) stranger_since: Option<u64>,
    /// What [`RequestorMarket::learnt_of_all`] was then.
    of_all: u64,
    /// How often something was learnt of one provider until then.
    of_one: u64,
}

impl Judged {
    /// An offer that nobody looked at yet: it holds for nobody.
    pub fn not_yet(offer: OfferTerms) -> Judged {
        let never = u64::MAX;
        Judged { offer, score: Ratio::ZERO, quality: Ratio::ZERO, stranger_since: None, of_all: never, of_one: never }
    }
}

/// What was learnt, as far as it takes to tell which judgements still hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Learnt {
    /// How often something that counts for everybody.
    of_all: u64,
    /// How often something of one provider.
    of_one: u64,
    /// Of whom last: the n-th stands at n modulo the length.
    latest: [Option<NodeId>; LATEST],
}

impl Learnt {
    /// Something was learnt that may change what any offer is worth.
    pub(super) fn of_all(&mut self) {
        self.of_all = self.of_all.saturating_add(1);
    }

    /// Something was learnt that may change what the offers of one provider are worth.
    pub(super) fn of(&mut self, provider: NodeId) {
        if let Some(place) = self.latest.get_mut(self.of_one as usize % LATEST) {
            *place = Some(provider);
        }
        self.of_one = self.of_one.saturating_add(1);
    }

    /// Whether that may be so of this provider since it was `before`.
    fn since(&self, before: u64, provider: &NodeId) -> bool {
        let times = self.of_one.saturating_sub(before);
        let ago = |ago: u64| self.latest.get((self.of_one - ago) as usize % LATEST);
        times > LATEST as u64 || (1..=times).any(|times| ago(times) == Some(&Some(*provider)))
    }
}

impl<B: Peers<ProviderRecord>> RequestorMarket<B> {
    /// Somebody offers: [`RequestorMarket::heard`], and what that is worth now, to put it in order any number of times until
    /// [`RequestorMarket::still_holds`] says no.
    pub fn judge(&mut self, offer: &OfferTerms, header: &HeaderTerms) -> Judged {
        let record = self.record(&offer.provider);
        if record.is_none() {
            self.heard([offer.provider].into_iter());
        }
        self.judge_as(record, offer, header).0
    }

    pub(super) fn judge_as(
        &self,
        record: Option<ProviderRecord>,
        offer: &OfferTerms,
        header: &HeaderTerms,
    ) -> (Judged, Score) {
        let score = self.score_known(&record.unwrap_or_default(), offer, header);
        let stranger_since = record.is_none().then(|| self.strangers.since(&offer.provider));
        let (of_all, of_one) = (self.learnt_of_all(), self.learnt.of_one);
        let Score { score: all_in_all, quality, .. } = score;
        (Judged { offer: *offer, score: all_in_all, quality, stranger_since, of_all, of_one }, score)
    }

    /// Whether an offer is still worth what it was judged to be, under the same header.
    pub fn still_holds(&self, judged: &Judged, offer: &OfferTerms) -> bool {
        judged.of_all == self.learnt_of_all()
            && judged.offer == *offer
            && !self.learnt.since(judged.of_one, &offer.provider)
    }

    /// How often something was learnt that counts for everybody: of newcomers, by a case that was closed, or by a stranger
    /// that was forgotten.
    fn learnt_of_all(&self) -> u64 {
        let Learnt { of_all, .. } = self.learnt;
        of_all.saturating_add(self.proofs.closed()).saturating_add(self.strangers.forgotten())
    }
}
