//! Offers that can be taken and are not taken yet.

use super::{Judged, OFFERS_MAX, Order, Place, ProviderRecord, RequestorMarket};
use crate::book::Peers;
use crate::ratio::{Ratio, mul_div};
use crate::trust::Efficacy;
use crate::{HeaderTerms, OfferTerms, Rules, metered_speed};
use golem_protocol::{LocalTime, Pricing, Wei};
use serde::Serialize;
use std::borrow::Borrow;

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
        /// From which on it would not be in doubt.
        trusted_from: Ratio,
    },
    /// A result of its provider is said to be wrong, and it is to be computed again before anything is taken: see
    /// [`crate::Proofs::begin`].
    Accused {
        /// How many better offers can be taken now. Where that is enough, nothing need be computed.
        ahead: usize,
    },
}

/// [`WaitReason`] without what is there only to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// It is dearer than what was paid before.
    Dear {
        /// The most that would be paid now, wei per hour.
        limit: Wei,
    },
    /// Its provider is in doubt.
    Doubt,
    /// A result of its provider is said to be wrong.
    Accused {
        /// How many better offers can be taken now.
        ahead: usize,
    },
}

/// What a task takes now.
#[derive(Clone, Copy)]
struct Limits {
    /// The most that is paid on a machine of the usual speed, wei per hour; `None` where any price will do.
    usual: Option<Wei>,
    /// Whether there is nobody to wait for, or nobody has come in time.
    everybody: bool,
    /// How many that are in doubt.
    doubtful: usize,
    /// The chance of success below which somebody is.
    trust: Ratio,
}

/// Why an offer is held back.
enum HeldBack {
    Dear { limit: Wei },
    Doubtful,
    Accused,
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
    /// Whether [`RequestorMarket::order`] would let all of these offers wait, none of them as accused: seen in one pass, since
    /// tasks look at what waits for them again and again. Where this says no, some may wait all the same.
    pub fn all_wait(
        &self,
        offers: &[impl Borrow<Judged>],
        header: &HeaderTerms,
        now: LocalTime,
        waited: impl Into<Waited>,
    ) -> bool {
        let limits = self.limits(header, waited.into());
        self.settings.rules == Rules::Golem
            && offers.len() <= OFFERS_MAX
            && offers.iter().map(Borrow::borrow).all(|judged| {
                let admitted = self.admit_of_quality(|| judged.quality, &judged.offer, header, now);
                let waits = match self.held_back(judged, header, now, limits) {
                    Some(HeldBack::Dear { .. }) => true,
                    Some(HeldBack::Doubtful) => limits.doubtful == 0,
                    Some(HeldBack::Accused) | None => false,
                };
                waits && admitted.is_ok()
            })
    }

    /// Takes out what is too dear or too doubtful for now.
    pub(super) fn hold_back(
        &self,
        order: &mut Order,
        offers: &[impl Borrow<Judged>],
        header: &HeaderTerms,
        now: LocalTime,
        open: Waited,
    ) {
        let limits = self.limits(header, open);
        let (mut ahead, mut doubtful) = (0, Vec::new());
        let waiting = &mut order.waiting;
        order.ranked.retain(|place| {
            let Some(judged) = offers.get(place.position).map(Borrow::borrow) else { return false };
            match self.held_back(judged, header, now, limits) {
                Some(HeldBack::Dear { limit }) => waiting.push((place.position, Waits::Dear { limit })),
                Some(HeldBack::Doubtful) => doubtful.push(*place),
                Some(HeldBack::Accused) => waiting.push((place.position, Waits::Accused { ahead })),
                None => {
                    ahead += 1;
                    return true;
                }
            }
            false
        });
        self.doubt(order, offers, &doubtful, limits);
    }

    /// What a task that has been open so long takes.
    fn limits(&self, header: &HeaderTerms, open: Waited) -> Limits {
        let patience_s = u128::from(self.settings.patience.parts()) * u128::from(open.unit_s(header));
        let waited = Ratio::of_rounded_down(u128::from(open.s) * u128::from(Ratio::ONE.parts()), patience_s);
        // Where nothing was paid before, and in the end, any price will do that is no more than the maximum.
        let share_max = self
            .reference(header)
            .filter(|_| waited < Ratio::ONE)
            .map(|reference| reference.plus(Ratio::ONE.minus(reference).times_rounded_down(waited)));
        let everybody = self.providers.count() < PROVIDERS_FEW || waited >= Ratio::ONE;
        let own = self.dealings.saturating_sub(self.told);
        Limits {
            usual: share_max.map(|share_max| scaled(header.max_price, share_max, Ratio::ONE)),
            everybody,
            doubtful: if everybody {
                usize::MAX
            } else {
                usize::from(self.doubted <= own / self.settings.numbers.doubt_one_in.max(1))
            },
            trust: self.newcomers.trust(&self.settings.numbers),
        }
    }

    /// Why an offer that can be taken is not taken like others.
    fn held_back(&self, judged: &Judged, header: &HeaderTerms, now: LocalTime, limits: Limits) -> Option<HeldBack> {
        let Judged { offer, quality, .. } = judged;
        let speed = speed_paid(offer, header);
        let limit = limits.usual.map_or(Wei::MAX, |limit| scaled(limit, speed, Ratio::ONE)).min(header.max_price);
        if offer.price > limit {
            Some(HeldBack::Dear { limit })
        } else if *quality < limits.trust {
            Some(HeldBack::Doubtful)
        } else {
            self.proofs.holds(&offer.provider, header.subtask_timeout_s, now).then_some(HeldBack::Accused)
        }
    }

    /// Of those in doubt, all are taken where there is nobody to wait for or nobody has come in time, else one now and
    /// then.
    fn doubt(&self, order: &mut Order, offers: &[impl Borrow<Judged>], doubtful: &[Place], limits: Limits) {
        let newcomer = self.newcomers.chance(&self.settings.numbers, &Efficacy::default());
        let class = |judged: &Judged| match judged.stranger_since {
            _ if self.proofs.is_proven(&judged.offer.provider) => DoubtClass::Proven,
            None if judged.quality >= newcomer => DoubtClass::BetterThanStrangers,
            None => DoubtClass::WorseThanStrangers,
            Some(_) => DoubtClass::Stranger,
        };
        // Of equals the better score stays first.
        let key = |(nth, place): (usize, &Place)| {
            let judged = offers.get(place.position)?.borrow();
            Some((class(judged), judged.stranger_since.unwrap_or(u64::MAX), nth))
        };
        let mut by_class: Vec<(DoubtClass, u64, usize)> = doubtful.iter().enumerate().filter_map(key).collect();
        by_class.sort_unstable();
        // Who was seen to be wrong is taken only where nobody else has turned up, however few are known: a task may take
        // results as they come, and others that are busy now are free a little later.
        let waits = |(position, _): &(usize, Waits)| {
            offers.get(*position).is_some_and(|judged| !self.proofs.is_proven(&judged.borrow().offer.provider))
        };
        let somebody_else = !order.ranked.is_empty()
            || by_class.iter().any(|(class, ..)| *class != DoubtClass::Proven)
            || order.waiting.iter().any(waits);
        for (rank, (class, _, nth)) in by_class.into_iter().enumerate() {
            let Some(place) = doubtful.get(nth).copied() else { continue };
            let refused = class == DoubtClass::Proven && (somebody_else || !limits.everybody);
            if rank < limits.doubtful && !refused {
                order.ranked.push(place);
            } else {
                order.waiting.push((place.position, Waits::Doubt));
            }
        }
    }

    /// Why an offer waits, with all that is to be told of it.
    pub(super) fn reason(&self, waits: Waits, judged: &Judged, header: &HeaderTerms, open: Waited) -> WaitReason {
        match waits {
            Waits::Dear { limit } => {
                let price = scaled(judged.offer.price, Ratio::ONE, speed_paid(&judged.offer, header));
                WaitReason::Dear { limit, taken_after_s: self.taken_after_s(price, header, open) }
            }
            Waits::Doubt => {
                let trusted_from = self.newcomers.trust(&self.settings.numbers);
                WaitReason::Doubt { quality: judged.quality, trusted_from }
            }
            Waits::Accused { ahead } => WaitReason::Accused { ahead },
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
    if of == over {
        return wei;
    }
    mul_div(wei.0, u128::from(of.parts()), u128::from(over.parts().max(1))).map_or(Wei::MAX, |(wei, _)| Wei(wei))
}
