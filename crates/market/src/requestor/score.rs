//! What an offer is worth, by either rules.

use super::{OfferTerms, ProviderRecord, RequestorMarket};
use crate::book::Peers;
use crate::ratio::{Ratio, mul_div};
use crate::trust::Numbers;
use crate::{EFFICIENCY_CLAIMED_MAX, HeaderTerms, Rules, efficiency_at_start, metered_speed};
use golem_protocol::{NodeId, Pricing, Wei};
use serde::Serialize;

/// The chance of success that is given to a provider of which a result was seen to be wrong.
const CHANCE_PROVEN: Ratio = Ratio::from_parts(1_000);

/// A score and every term it came from. By the published rules:
/// `alpha * advantage + (1 - alpha) * R * q / q*`; by ours:
/// `1 / (price / max_price + failure * (1 - q) / q + time / R)`, the less an accepted result is expected to cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Score {
    /// The higher, the better.
    pub score: Ratio,
    /// `max_price / price`.
    pub price_ratio: Ratio,
    /// The price ratio as far as it counts; see [`RequestorMarket::score`].
    pub advantage: Ratio,
    /// `alpha * advantage`; by our rules `price / max_price`, and of metered work that of its fuel.
    pub price_term: Ratio,
    /// `R`.
    pub efficiency: Ratio,
    /// `q`; by our rules the chance of success.
    pub quality: Ratio,
    /// `q / q*`: the share of the best quality that can be reached; by our rules `q`.
    pub quality_share: Ratio,
    /// `(1 - alpha) * R * q / q*`; by our rules what failure and time are expected to cost.
    pub quality_term: Ratio,
}

impl<B: Peers<ProviderRecord>> RequestorMarket<B> {
    /// What an offer is worth: `alpha * max_price / price + (1 - alpha) * R * q / q*`.
    ///
    /// The price ratio counts as it is up to `1 + 3t`, where the trust `t = min(1, 5q)^2` is 1 for whoever is no worse
    /// than unknown, so for any price down to a quarter of the maximum. What is beyond counts less and less and never
    /// passes `1 + 4t`: an offer of 0 does not win on its own, and the worse a provider's record, the less it can make
    /// up for by being cheap.
    pub fn score(&self, offer: &OfferTerms, header: &HeaderTerms) -> Score {
        self.score_known(&self.record(&offer.provider).unwrap_or_default(), offer, header)
    }

    pub(super) fn score_known(&self, record: &ProviderRecord, offer: &OfferTerms, header: &HeaderTerms) -> Score {
        match self.settings.rules {
            Rules::Published => self.published_score(record, offer, header),
            Rules::Golem => self.expected_cost(record, offer, header),
        }
    }

    fn expected_cost(&self, record: &ProviderRecord, offer: &OfferTerms, header: &HeaderTerms) -> Score {
        let efficiency = record
            .efficiency
            .unwrap_or_else(|| efficiency_at_start(offer.performance, header.min_perf).min(EFFICIENCY_CLAIMED_MAX));
        let quality = self.chance(&offer.provider, record);
        let Numbers { failure_cost, time_cost, .. } = self.settings.numbers;
        let price_share = price_share(offer, header);
        let odds = Ratio::of_rounded_down(Ratio::ONE.minus(quality).parts() as u128, quality.parts() as u128);
        let time = Ratio::of_rounded_down(time_cost.parts() as u128, efficiency.parts() as u128);
        let quality_term = failure_cost.times_rounded_down(odds).plus(time);
        let price_ratio = Ratio::of_rounded_down(header.max_price.0, offer.price.0);
        let cost = price_share.plus(quality_term);
        Score {
            score: Ratio::of_rounded_down(Ratio::ONE.parts() as u128, cost.parts() as u128),
            price_ratio,
            advantage: price_ratio,
            price_term: price_share,
            efficiency,
            quality,
            quality_share: quality,
            quality_term,
        }
    }

    /// The chance that a provider's next subtask succeeds: next to none where a result of it was seen to be wrong.
    pub(crate) fn chance(&self, provider: &NodeId, record: &ProviderRecord) -> Ratio {
        if self.proofs.is_proven(provider) {
            return CHANCE_PROVEN;
        }
        self.newcomers.chance(&self.settings.numbers, &record.efficacy)
    }

    fn published_score(&self, record: &ProviderRecord, offer: &OfferTerms, header: &HeaderTerms) -> Score {
        let efficiency = record
            .efficiency
            .unwrap_or_else(|| efficiency_at_start(offer.performance, header.min_perf).min(EFFICIENCY_CLAIMED_MAX));
        let Numbers { alpha, distrust, .. } = self.settings.numbers;
        let quality = record.efficacy.quality_from(distrust);
        let price_ratio = if header.max_price == Wei::ZERO && offer.price == Wei::ZERO {
            Ratio::ONE
        } else {
            Ratio::of_rounded_down(header.max_price.0, offer.price.0)
        };
        let advantage = price_advantage(price_ratio, quality, distrust);
        let price_term = advantage.times_rounded_down(alpha);
        // One division for the whole term, so that nothing is rounded twice. The product has at most 125 bits.
        let (good, all) = record.efficacy.quality_fraction(distrust);
        let steady = self.settings.numbers.steady();
        let share = (good * u128::from(distrust + steady), all * u128::from(1 + steady));
        let one = Ratio::ONE.parts() as u128;
        let weight = Ratio::ONE.minus(alpha).parts() as u128;
        let quality_term = Ratio::of_rounded_down(efficiency.parts() as u128 * weight * share.0, share.1 * one * one);
        Score {
            score: price_term.plus(quality_term),
            price_ratio,
            advantage,
            price_term,
            efficiency,
            quality,
            quality_share: Ratio::of_rounded_down(share.0, share.1),
            quality_term,
        }
    }
}

/// `price / max_price`, at most 1; of metered work that of its fuel, over what it costs at most: at the maximal price on the
/// slowest machine that is taken, or on the one that machines are measured by. An hour's price says nothing there, since a
/// fast machine does more in it.
pub(super) fn price_share(offer: &OfferTerms, header: &HeaderTerms) -> Ratio {
    let share = Ratio::of_rounded_down(offer.price.0, header.max_price.0).min(Ratio::ONE);
    match header.pricing {
        Pricing::Tender => share,
        Pricing::Metered => {
            let speed = metered_speed(offer.performance, header.min_perf);
            Ratio::of_rounded_down(u128::from(share.parts()), u128::from(speed.parts())).min(Ratio::ONE)
        }
    }
}

/// The price ratio as far as it counts: itself up to `1 + 3t`, then ever less, always below `1 + 4t`.
fn price_advantage(price_ratio: Ratio, quality: Ratio, distrust: u64) -> Ratio {
    // A quality counts in full from that of an unknown provider on, `1 / d`.
    let known = Ratio::of_rounded_down(quality.parts() as u128 * distrust as u128, Ratio::ONE.parts() as u128);
    let known = known.min(Ratio::ONE);
    let trust = known.times_rounded_down(known);
    let knee = Ratio::ONE.plus(trust).plus(trust).plus(trust);
    let beyond = price_ratio.minus(knee);
    if beyond == Ratio::ZERO {
        return price_ratio;
    }
    // x * t / (x + t): grows with x, starts with slope 1, never reaches t.
    let counted = mul_div(beyond.parts() as u128, trust.parts() as u128, beyond.plus(trust).parts() as u128);
    knee.plus(counted.map_or(trust, |(parts, _)| Ratio::from_parts(u64::try_from(parts).unwrap_or(u64::MAX))))
}
