//! Offers that can be taken and are not taken yet.

use super::{Ranked, Ranking, RequestorMarket};
use crate::ratio::{Ratio, mul_div};
use crate::trust::Numbers;
use crate::{HeaderTerms, OfferTerms};
use golem_protocol::{LocalTime, NodeId, Wei};
use serde::Serialize;

/// Where fewer providers than this were ever dealt with, those in doubt are not held back: there is nobody to wait for.
const PROVIDERS_FEW: usize = 8;

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

impl RequestorMarket {
    /// Takes out what is too dear or too doubtful for now.
    pub(super) fn hold_back(&self, ranking: &mut Ranking, header: &HeaderTerms, now: LocalTime, waited_s: u64) {
        let patience_s = self.settings.patience.parts() as u128 * header.subtask_timeout_s as u128;
        let waited = Ratio::of_rounded_down(waited_s as u128 * Ratio::ONE.parts() as u128, patience_s);
        let share_max = match self.reference {
            Some(reference) if waited < Ratio::ONE => {
                reference.plus(Ratio::ONE.minus(reference).times_rounded_down(waited))
            }
            Some(_) | None => Ratio::ONE,
        };
        let limit = mul_div(header.max_price.0, share_max.parts() as u128, Ratio::ONE.parts() as u128)
            .map_or(header.max_price, |(wei, _)| Wei(wei));
        let Numbers { trust_min, doubt_one_in, .. } = self.settings.numbers;
        let nobody_else = self.providers.len() < PROVIDERS_FEW || waited >= Ratio::ONE;
        let mut room_for_doubt = u64::from(self.doubted <= self.dealings / doubt_one_in.max(1));
        let (mut ahead, mut doubtful) = (0, Vec::new());
        let waiting = &mut ranking.waiting;
        ranking.ranked.retain(|ranked| {
            let quality = ranked.score.quality;
            if ranked.offer.price > limit {
                let taken_after_s = self.taken_after_s(ranked.offer.price, header);
                waiting.push((ranked.position, ranked.offer, WaitReason::Dear { limit, taken_after_s }));
                return false;
            }
            let provider = ranked.offer.provider;
            if quality >= trust_min {
                if self.proofs.holds(&provider, header.subtask_timeout_s, now) {
                    waiting.push((ranked.position, ranked.offer, WaitReason::Accused { ahead }));
                    return false;
                }
                ahead += 1;
                return true;
            }
            if nobody_else || (room_for_doubt > 0 && !self.proofs.is_proven(&provider)) {
                room_for_doubt = room_for_doubt.saturating_sub(1);
                doubtful.push(*ranked);
            } else {
                waiting.push((ranked.position, ranked.offer, WaitReason::Doubt { quality }));
            }
            false
        });
        // Who was seen to be wrong is taken only where nobody else has turned up, however few are known: a task may take
        // results as they come, and others that are busy now are free a little later.
        let is_wrong = |provider: &NodeId| self.proofs.is_proven(provider);
        let somebody_else = !ranking.ranked.is_empty()
            || doubtful.iter().any(|other: &Ranked| !is_wrong(&other.offer.provider))
            || ranking.waiting.iter().any(|(_, offer, _)| !is_wrong(&offer.provider));
        for doubted in doubtful {
            if somebody_else && is_wrong(&doubted.offer.provider) {
                let reason = WaitReason::Doubt { quality: doubted.score.quality };
                ranking.waiting.push((doubted.position, doubted.offer, reason));
            } else {
                ranking.ranked.push(doubted);
            }
        }
    }

    /// How long a task has to be open until an offer at this price is not too dear, in seconds, rounded up.
    fn taken_after_s(&self, price: Wei, header: &HeaderTerms) -> u64 {
        let Some(reference) = self.reference else { return 0 };
        let one = u128::from(Ratio::ONE.parts());
        // Rounded up: what is a little dearer waits for that little more.
        let share = mul_div(price.0, one, header.max_price.0).map_or(one, |(parts, cut)| parts + u128::from(cut));
        let above = share.min(one).saturating_sub(u128::from(reference.parts()));
        let room = u128::from(Ratio::ONE.minus(reference).parts()).max(1);
        let patience = u128::from(self.settings.patience.parts()) * u128::from(header.subtask_timeout_s);
        let after = patience.saturating_mul(above).div_ceil(room * one);
        let whole = patience.div_ceil(one);
        u64::try_from(after.min(whole)).unwrap_or(u64::MAX)
    }
}
