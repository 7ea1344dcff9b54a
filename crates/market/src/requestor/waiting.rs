//! Offers that can be taken and are not taken yet.

use super::{ProviderRecord, Ranked, Ranking, RequestorMarket};
use crate::book::Peers;
use crate::ratio::{Ratio, mul_div};
use crate::trust::Efficacy;
use crate::{HeaderTerms, OfferTerms, metered_speed};
use golem_protocol::{LocalTime, Pricing, Wei};
use serde::Serialize;

/// Where fewer providers than this were ever dealt with, those in doubt are not held back: there is nobody to wait for.
const PROVIDERS_FEW: usize = 8;
/// Patience counts in timeouts, and where a program's subtasks are known to end sooner, in so many times what one takes.
/// Reason: a timeout is a guess made beforehand, and ten minutes for what takes a second are not worth waiting for; where
/// the timeout is at most so many times what the work takes, nothing changes.
const USUAL_TIMES: u64 = 16;

/// How long a task has been open, and what that is measured against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waited {
    /// In seconds.
    pub s: u64,
    /// What a subtask of its program usually takes, in milliseconds, where that was seen.
    pub usual_ms: Option<u64>,
}

impl From<u64> for Waited {
    fn from(s: u64) -> Waited {
        Waited { s, usual_ms: None }
    }
}

impl Waited {
    /// What patience counts in: seconds, at least one.
    fn unit_s(self, header: &HeaderTerms) -> u64 {
        let timeout_s = u64::from(header.subtask_timeout_s);
        let usual_s = |usual_ms: u64| usual_ms.saturating_mul(USUAL_TIMES).div_ceil(1_000).max(1);
        self.usual_ms.map_or(timeout_s, |usual_ms| usual_s(usual_ms).min(timeout_s))
    }
}

/// Why an offer that can be taken is not taken yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// It is dearer than what was paid before, and there is time to wait for a better one.
    Dear {
        /// The most that would be paid now, wei per hour.
        limit: Wei,
        /// How long the task has to be open until this one is taken, in seconds, where nothing cheaper comes.
        taken_after_s: u64,
    },
    /// Its provider is in doubt, and others are to be had.
    Doubt {
        /// The chance of success it is given.
        quality: Ratio,
    },
    /// A result of its provider is said to be wrong, and it is to be computed again before anything is taken: see
    /// [`crate::Proofs::begin`].
    Accused {
        /// How many better offers can be taken now. Where that is enough, nothing need be computed.
        ahead: usize,
    },
}

/// In which order those in doubt are tried.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum DoubtClass {
    BetterThanStrangers,
    Stranger,
    WorseThanStrangers,
    Proven,
}

/// All that waits of a task's offers, in few words: for people who wonder why nothing begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The cheapest of those that are dearer than what was paid before.
    pub dear: Option<Dear>,
    /// How many are of providers in doubt.
    pub doubtful: u32,
    /// How many are of providers whose case is looked at first.
    pub accused: u32,
}

/// An offer that is taken where nothing cheaper comes in time.
///
/// Units: wei per hour of one slot, seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Dear {
    /// What it asks.
    #[serde(rename = "price_wei_per_hour")]
    pub price: Wei,
    /// The most that is paid now.
    #[serde(rename = "limit_wei_per_hour")]
    pub limit: Wei,
    /// How long it is until this one is taken.
    pub taken_in_s: u64,
}

impl Held {
    /// The sum of what waits, for a task that has been open so long.
    pub fn of(waiting: &[(usize, OfferTerms, WaitReason)], waited_s: u64) -> Held {
        let mut held = Held::default();
        for (_, offer, reason) in waiting {
            match *reason {
                WaitReason::Dear { limit, taken_after_s } => {
                    let dear = Dear { price: offer.price, limit, taken_in_s: taken_after_s.saturating_sub(waited_s) };
                    if held.dear.is_none_or(|cheapest| dear.price < cheapest.price) {
                        held.dear = Some(dear);
                    }
                }
                WaitReason::Doubt { .. } => held.doubtful += 1,
                WaitReason::Accused { .. } => held.accused += 1,
            }
        }
        held
    }
}

impl<B: Peers<ProviderRecord>> RequestorMarket<B> {
    /// Takes out what is too dear or too doubtful for now. `known` says of each position whether there is a record of its
    /// provider.
    pub(super) fn hold_back(
        &self,
        ranking: &mut Ranking,
        known: &[bool],
        header: &HeaderTerms,
        now: LocalTime,
        open: Waited,
    ) {
        let patience_s = u128::from(self.settings.patience.parts()) * u128::from(open.unit_s(header));
        let waited = Ratio::of_rounded_down(u128::from(open.s) * u128::from(Ratio::ONE.parts()), patience_s);
        // Where nothing was paid before, and in the end, any price will do that is no more than the maximum.
        let share_max = self
            .reference(header)
            .filter(|_| waited < Ratio::ONE)
            .map(|reference| reference.plus(Ratio::ONE.minus(reference).times_rounded_down(waited)));
        let trust_min = self.settings.numbers.trust_min;
        let (mut ahead, mut doubtful) = (0, Vec::new());
        let waiting = &mut ranking.waiting;
        ranking.ranked.retain(|ranked| {
            let speed = speed_paid(&ranked.offer, header);
            let share = |share_max: Ratio| {
                let limit = scaled(header.max_price, share_max, Ratio::ONE);
                scaled(limit, speed, Ratio::ONE).min(header.max_price)
            };
            let limit = share_max.map_or(header.max_price, share);
            if ranked.offer.price > limit {
                let taken_after_s = self.taken_after_s(scaled(ranked.offer.price, Ratio::ONE, speed), header, open);
                waiting.push((ranked.position, ranked.offer, WaitReason::Dear { limit, taken_after_s }));
                return false;
            }
            if ranked.score.quality < trust_min {
                doubtful.push(*ranked);
                return false;
            }
            if self.proofs.holds(&ranked.offer.provider, header.subtask_timeout_s, now) {
                waiting.push((ranked.position, ranked.offer, WaitReason::Accused { ahead }));
                return false;
            }
            ahead += 1;
            true
        });
        self.doubt(ranking, known, doubtful, waited >= Ratio::ONE);
    }

    /// Of those in doubt, all are taken where there is nobody to wait for or nobody has come in time, else one now and
    /// then.
    fn doubt(&self, ranking: &mut Ranking, known: &[bool], doubtful: Vec<Ranked>, waited_enough: bool) {
        let newcomer = self.newcomers.chance(&self.settings.numbers, &Efficacy::default());
        let class = |ranked: &Ranked| match known.get(ranked.position) {
            _ if self.proofs.is_proven(&ranked.offer.provider) => DoubtClass::Proven,
            Some(true) if ranked.score.quality >= newcomer => DoubtClass::BetterThanStrangers,
            Some(true) => DoubtClass::WorseThanStrangers,
            Some(false) | None => DoubtClass::Stranger,
        };
        // Looked up once for each. Stable: of equals the better score stays first.
        let place = |ranked: Ranked| (class(&ranked), self.strangers.since(&ranked.offer.provider), ranked);
        let mut doubtful: Vec<(DoubtClass, u64, Ranked)> = doubtful.into_iter().map(place).collect();
        doubtful.sort_by_key(|(class, since, _)| (*class, *since));
        let everybody = self.providers.count() < PROVIDERS_FEW || waited_enough;
        let room = if everybody {
            doubtful.len()
        } else {
            let own = self.dealings.saturating_sub(self.told);
            usize::from(self.doubted <= own / self.settings.numbers.doubt_one_in.max(1))
        };
        // Who was seen to be wrong is taken only where nobody else has turned up, however few are known: a task may take
        // results as they come, and others that are busy now are free a little later.
        let waits = |(_, offer, _): &(usize, OfferTerms, WaitReason)| !self.proofs.is_proven(&offer.provider);
        let somebody_else = !ranking.ranked.is_empty()
            || doubtful.iter().any(|(class, ..)| *class != DoubtClass::Proven)
            || ranking.waiting.iter().any(waits);
        for (place, (class, _, doubted)) in doubtful.into_iter().enumerate() {
            let refused = class == DoubtClass::Proven && (somebody_else || !everybody);
            if place < room && !refused {
                ranking.ranked.push(doubted);
            } else {
                let reason = WaitReason::Doubt { quality: doubted.score.quality };
                ranking.waiting.push((doubted.position, doubted.offer, reason));
            }
        }
    }

    /// How long a task has to be open until an offer at this price is not too dear, in seconds, rounded up.
    fn taken_after_s(&self, price: Wei, header: &HeaderTerms, open: Waited) -> u64 {
        let Some(reference) = self.reference(header) else { return 0 };
        let one = u128::from(Ratio::ONE.parts());
        // Rounded up: what is a little dearer waits for that little more.
        let share = mul_div(price.0, one, header.max_price.0).map_or(one, |(parts, cut)| parts + u128::from(cut));
        let above = share.min(one).saturating_sub(u128::from(reference.parts()));
        let room = u128::from(Ratio::ONE.minus(reference).parts()).max(1);
        let patience = u128::from(self.settings.patience.parts()) * u128::from(open.unit_s(header));
        let after = patience.saturating_mul(above).div_ceil(room * one);
        let whole = patience.div_ceil(one);
        u64::try_from(after.min(whole)).unwrap_or(u64::MAX)
    }
}

/// How many times as much as another a machine may ask for its hour and cost the same: of metered work the faster one is
/// paid less for the same fuel.
fn speed_paid(offer: &OfferTerms, header: &HeaderTerms) -> Ratio {
    match header.pricing {
        Pricing::Tender => Ratio::ONE,
        Pricing::Metered => metered_speed(offer.performance, header.min_perf),
    }
}

/// `wei * of / over`, rounded down; all there is where that is beyond any price.
fn scaled(wei: Wei, of: Ratio, over: Ratio) -> Wei {
    mul_div(wei.0, u128::from(of.parts()), u128::from(over.parts().max(1))).map_or(Wei::MAX, |(wei, _)| Wei(wei))
}
