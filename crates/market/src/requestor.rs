//! The requestor's side: whom to choose.

use crate::access::AccessLists;
use crate::book::{Book, Peers};
use crate::checking;
use crate::choice;
use crate::proof::Proofs;
use crate::ratio::{Ratio, mul_div};
use crate::strangers::Strangers;
use crate::trust::{Efficacy, Newcomers, Numbers};
use crate::{
    EFFICIENCY_CLAIMED_MAX, EFFICIENCY_MAX, EFFICIENCY_MIN, HeaderTerms, PEERS_MAX, Rules, Violation,
    efficiency_at_start, efficiency_seen,
};
use golem_protocol::{Header, LocalTime, NodeId, Pricing, RefusalReason, Wei, subtask_value};
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;

mod judged;
mod score;
mod waiting;

use judged::Learnt;
use score::price_share;

pub use judged::Judged;
pub use score::Score;
pub use waiting::{Dear, Held, WaitReason, Waited, Waits};

/// The most offers ranked at once. Reason: choosing by chance takes the square of it in steps.
pub const OFFERS_MAX: usize = 4_096;
const PARTS_PER_PPM: u64 = Ratio::ONE.parts() / 1_000_000;
/// How long dear offers are waited out where nothing else is set, in timeouts of a subtask. Reason: half of it leaves
/// more than a tenth of the gain over chance to machines that cost more than others which are free a little later; more
/// keeps results waiting at high loads.
const PATIENCE: Ratio = Ratio::from_parts(4_000_000_000);

/// What of an offer the market looks at.
///
/// Units: wei per hour of one slot, fuel per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OfferTerms {
    /// Who offers.
    pub provider: NodeId,
    /// What it asks.
    pub price: Wei,
    /// What its benchmark shows.
    pub performance: u64,
}

impl From<&golem_protocol::Offer> for OfferTerms {
    fn from(offer: &golem_protocol::Offer) -> OfferTerms {
        OfferTerms { provider: offer.provider, price: offer.price, performance: offer.performance }
    }
}

/// How a subtask ended. A cancelled one has no outcome: it leaves no trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Its result was accepted.
    Success {
        /// From hand-out to report on this requestor's clock, or what is known to be less.
        computation_ms: u64,
    },
    /// No report came in time.
    TimedOut,
    /// The provider reported a failure.
    Failed,
    /// The result was wrong or could not be fetched.
    Rejected,
}

/// What is remembered of one provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderRecord {
    /// Its efficiency `R`, from the first success on.
    pub efficiency: Option<Ratio>,
    /// What became of its subtasks.
    pub efficacy: Efficacy,
    /// What it was paid here of late, as [`crate::checking::remembered`] counts it: what its standing is a share of.
    #[serde(default)]
    pub paid: Wei,
    /// When it was last dealt with, in the order of this node's dealings.
    pub touched: u64,
}

/// How one is picked of those whose offers stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// The highest score first.
    #[default]
    Greedy,
    /// By chance, `p_j` proportional to `exp(-greed / score_j)`; the greedier, the more like the other.
    Boltzmann {
        /// `lambda`.
        greed: Ratio,
    },
}

/// What the user sets; it comes from configuration, not from the stored state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RequestorSettings {
    /// Which rules offers are scored by.
    pub rules: Rules,
    /// How one is picked.
    pub choice: Choice,
    /// An offer of a provider whose quality `q` is below this is refused; an unknown provider has 0.2 by the published
    /// rules.
    pub quality_floor: Ratio,
    /// How long prices above those paid before are waited out, in timeouts of a subtask; by our rules only. 4.
    pub patience: Ratio,
    /// The numbers in the rules.
    #[serde(skip)]
    pub numbers: Numbers,
}

impl Default for RequestorSettings {
    fn default() -> RequestorSettings {
        RequestorSettings {
            rules: Rules::Golem,
            choice: Choice::Greedy,
            quality_floor: Ratio::ZERO,
            patience: PATIENCE,
            numbers: Numbers::default(),
        }
    }
}

impl RequestorSettings {
    /// The published rules.
    pub fn published() -> RequestorSettings {
        RequestorSettings { rules: Rules::Published, ..RequestorSettings::default() }
    }
}

/// An offer that stands, and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ranked {
    /// Where it stood in the list given.
    pub position: usize,
    /// The offer.
    pub offer: OfferTerms,
    /// Its score.
    pub score: Score,
    /// How likely it was to come first.
    pub probability: Ratio,
}

/// Offers in the order in which they are to be taken, and those that are not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranking {
    /// The first is to be taken first.
    pub ranked: Vec<Ranked>,
    /// By position in the list given: why not. To be sent to the provider.
    pub refused: Vec<(usize, OfferTerms, RefusalReason)>,
    /// By position in the list given: not now, and perhaps later.
    pub waiting: Vec<(usize, OfferTerms, WaitReason)>,
}

/// Where an offer stood in the list given, and how good it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where it stood.
    pub position: usize,
    /// Its score.
    pub score: Ratio,
    /// How likely it was to come first.
    pub probability: Ratio,
}

/// A [`Ranking`] by places in the list given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// The first is to be taken first.
    pub ranked: Vec<Place>,
    /// Why not.
    pub refused: Vec<(usize, RefusalReason)>,
    /// Not now, and perhaps later.
    pub waiting: Vec<(usize, Waits)>,
}

/// Maximal prices, each of the last task that something was paid for; zero where none is known.
///
/// Units: wei per hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maxima {
    /// Of work that is paid by the subtask.
    pub tender: Wei,
    /// Of metered work.
    pub metered: Wei,
}

/// A requestor's book of providers. What is stored is the whole of it but the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestorMarket<B = Book<NodeId, ProviderRecord>> {
    #[serde(skip)]
    settings: RequestorSettings,
    /// Stored apart, see [`RequestorMarket::proofs`].
    #[serde(skip)]
    proofs: Proofs,
    /// Not stored: after a restart all strangers are equally young.
    #[serde(skip)]
    strangers: Strangers,
    providers: B,
    access: AccessLists,
    dealings: u64,
    newcomers: Newcomers,
    /// What was paid for accepted results, as a share of the maximum; `None` before the first.
    reference: Option<Ratio>,
    /// The same of metered work: an hour of work costs more than an hour that is sold and used in part. Stored apart, see
    /// [`RequestorMarket::paid_metered`].
    #[serde(skip)]
    reference_metered: Option<Ratio>,
    /// Of which maximal prices these are shares. Stored apart, see [`RequestorMarket::maxima`].
    #[serde(skip)]
    maxima: Maxima,
    /// How many subtasks went to providers in doubt.
    doubted: u64,
    /// How many of the dealings were others'. Not stored: nodes are told of none.
    #[serde(skip)]
    told: u64,
    /// Not stored: nobody keeps a judgement over a restart.
    #[serde(skip)]
    learnt: Learnt,
}

impl RequestorMarket {
    /// A node that has not bought anything yet.
    pub fn new(settings: RequestorSettings) -> RequestorMarket {
        RequestorMarket::keeping(settings)
    }

    /// Goes on with what was stored, under the settings of now.
    pub fn restore(settings: RequestorSettings, stored: RequestorMarket) -> RequestorMarket {
        RequestorMarket { settings, learnt: Learnt::default(), ..stored }
    }
}

impl<B: Peers<ProviderRecord>> RequestorMarket<B> {
    /// A node that has not bought anything yet, with a book of another kind.
    pub fn keeping(settings: RequestorSettings) -> RequestorMarket<B> {
        RequestorMarket {
            settings,
            strangers: Strangers::default(),
            proofs: Proofs::default(),
            providers: B::default(),
            access: AccessLists::default(),
            dealings: 0,
            newcomers: Newcomers::default(),
            reference: None,
            reference_metered: None,
            maxima: Maxima::default(),
            doubted: 0,
            told: 0,
            learnt: Learnt::default(),
        }
    }

    /// What the user set.
    pub fn settings(&self) -> &RequestorSettings {
        &self.settings
    }

    /// The lists of who is let in.
    pub fn access(&self) -> &AccessLists {
        &self.access
    }

    /// The lists of who is let in, to change them.
    pub fn access_mut(&mut self) -> &mut AccessLists {
        &mut self.access
    }

    /// What is known of wrong results that others bought, to store it.
    pub fn proofs(&self) -> &Proofs {
        &self.proofs
    }

    /// What is known of wrong results that others bought, to add to it or to go on with what was stored.
    pub fn proofs_mut(&mut self) -> &mut Proofs {
        &mut self.proofs
    }

    /// What is remembered of a provider.
    pub fn record(&self, provider: &NodeId) -> Option<ProviderRecord> {
        self.providers.get(provider)
    }

    /// The book of those remembered.
    pub fn peers(&self) -> &B {
        &self.providers
    }

    /// Everybody remembered, in any order.
    pub fn records(&self) -> impl Iterator<Item = (NodeId, ProviderRecord)> {
        self.providers.all()
    }

    /// Whether an offer can be taken at all.
    ///
    /// Errors: `Denied`, `PriceAboveMax`, `BelowMinPerf`, `BelowQualityFloor`: in this order, to be sent as they are.
    pub fn admit(&self, offer: &OfferTerms, header: &HeaderTerms, now: LocalTime) -> Result<(), RefusalReason> {
        let record = self.record(&offer.provider).unwrap_or_default();
        let quality = || match self.settings.rules {
            Rules::Published => record.efficacy.quality_from(self.settings.numbers.distrust),
            Rules::Golem => self.chance(&offer.provider, &record),
        };
        self.admit_of_quality(quality, offer, header, now)
    }

    fn admit_of_quality(
        &self,
        quality: impl FnOnce() -> Ratio,
        offer: &OfferTerms,
        header: &HeaderTerms,
        now: LocalTime,
    ) -> Result<(), RefusalReason> {
        self.access.admit(&offer.provider, now)?;
        if offer.price > header.max_price {
            return Err(RefusalReason::PriceAboveMax { price: offer.price, max_price: header.max_price });
        }
        if offer.performance < header.min_perf {
            return Err(RefusalReason::BelowMinPerf { performance: offer.performance, min_perf: header.min_perf });
        }
        if quality() < self.settings.quality_floor {
            return Err(RefusalReason::BelowQualityFloor);
        }
        Ok(())
    }

    /// Puts offers in the order in which to take them; those that cannot be taken, or not yet, come with the reason.
    ///
    /// `waited` is how long the task has been open, in seconds. By our rules prices up to what was paid before are
    /// taken at once and dearer ones as it grows, up to the maximum after the patience that is set; one offer in doubt
    /// is taken where few subtasks went to such, and all of them, after the others, where few providers are known or once
    /// the patience is over: of strangers those first that have offered for longest. Who is accused of a wrong result waits until that is looked at.
    ///
    /// Ties break by node id, then price, then performance, so the order does not depend on the order of arrival.
    /// `random` is drawn by the caller; greedy choice does not look at it.
    pub fn rank(
        &self,
        offers: &[OfferTerms],
        header: &HeaderTerms,
        now: LocalTime,
        waited: impl Into<Waited>,
        random: u64,
    ) -> Ranking {
        let waited = waited.into();
        let (judged, scores): (Vec<Judged>, Vec<Score>) =
            offers.iter().map(|offer| self.judge_as(self.record(&offer.provider), offer, header)).unzip();
        let order = self.order(&judged, header, now, waited, random);
        let mut ranking = Ranking::default();
        for Place { position, probability, .. } in order.ranked {
            let (Some(offer), Some(score)) = (offers.get(position), scores.get(position)) else { continue };
            ranking.ranked.push(Ranked { position, offer: *offer, score: *score, probability });
        }
        for (position, waits) in order.waiting {
            let Some(judged) = judged.get(position) else { continue };
            ranking.waiting.push((position, judged.offer, self.reason(waits, judged, header, waited)));
        }
        for (position, reason) in order.refused {
            let Some(offer) = offers.get(position) else { continue };
            ranking.refused.push((position, *offer, reason));
        }
        ranking
    }

    /// [`RequestorMarket::rank`] of offers that were judged before, where that still holds: their places alone.
    pub fn order(
        &self,
        offers: &[impl Borrow<Judged>],
        header: &HeaderTerms,
        now: LocalTime,
        waited: impl Into<Waited>,
        random: u64,
    ) -> Order {
        let mut order = Order::default();
        for (position, judged) in offers.iter().enumerate() {
            if position >= OFFERS_MAX {
                let full = RefusalReason::Full(format!("the book of {OFFERS_MAX} offers for one header"));
                order.refused.push((position, full));
                continue;
            }
            let Judged { offer, score, quality, .. } = judged.borrow();
            match self.admit_of_quality(|| *quality, offer, header, now) {
                Ok(()) => order.ranked.push(Place { position, score: *score, probability: Ratio::ZERO }),
                Err(reason) => order.refused.push((position, reason)),
            }
        }
        let offer = |place: &Place| offers.get(place.position).map(|judged| judged.borrow().offer);
        order.ranked.sort_unstable_by(|a, b| {
            b.score.cmp(&a.score).then_with(|| offer(a).cmp(&offer(b))).then(a.position.cmp(&b.position))
        });
        match self.settings.choice {
            Choice::Greedy => {
                if let Some(first) = order.ranked.first_mut() {
                    first.probability = Ratio::ONE;
                }
            }
            Choice::Boltzmann { greed } => choice::shuffle(&mut order.ranked, greed, random),
        }
        if self.settings.rules == Rules::Golem {
            self.hold_back(&mut order, offers, header, now, waited.into());
        }
        order
    }

    /// Somebody offers: where newcomers are in doubt, those strangers are tried first that have offered for longest. To be
    /// told before offers are put in order.
    pub fn heard(&mut self, providers: impl Iterator<Item = NodeId>) {
        let numbers = &self.settings.numbers;
        let doubted = self.newcomers.chance(numbers, &Efficacy::default()) < numbers.trust_min;
        if !doubted || self.settings.rules == Rules::Published {
            return;
        }
        for provider in providers {
            // No stranger has a record.
            if !self.strangers.heard_again(&provider, self.dealings) && self.record(&provider).is_none() {
                self.strangers.heard(provider, self.dealings);
            }
        }
    }

    /// Which share of a provider's results is run again, in parts per million, where the task asks for `base_ppm`. By our
    /// rules all of one in doubt; of a newcomer's more than is asked for, the more newcomers fail, falling as it proves
    /// right. A task that asks for none gets none.
    pub fn recheck_ppm(&self, provider: &NodeId, base_ppm: u32) -> u32 {
        if base_ppm == 0 || self.settings.rules == Rules::Published {
            return base_ppm;
        }
        let record = self.record(provider).unwrap_or_default();
        if self.chance(provider, &record) < self.newcomers.trust(&self.settings.numbers) {
            return 1_000_000;
        }
        let base = Ratio::from_parts(u64::from(base_ppm.min(1_000_000)) * PARTS_PER_PPM);
        let share = self.newcomers.recheck(&self.settings.numbers, record.efficacy.success, base);
        u32::try_from(share.parts() / PARTS_PER_PPM).unwrap_or(1_000_000).min(1_000_000)
    }

    /// A result of this provider was computed again here and is wrong, whoever bought it: it is among the last to be
    /// taken, and everything it returns is run again.
    pub fn proven(&mut self, provider: NodeId) {
        self.proofs.prove(provider);
    }

    /// What a provider stands to lose here: its standing. What is not paid yet is not in it, since right results are paid
    /// whatever else was found.
    pub fn stake(&self, provider: &NodeId) -> Wei {
        checking::stake(self.record(provider).map_or(Wei::ZERO, |record| record.paid), Wei::ZERO)
    }

    /// Which share of a provider's results of this value is run again, in parts per million, where the task asks for as much
    /// as it takes that a wrong one does not pay: see [`checking::check_ppm`].
    pub fn adaptive_ppm(&self, provider: &NodeId, value: Wei, floor_ppm: u32) -> u32 {
        checking::check_ppm(value, self.stake(provider), floor_ppm)
    }

    /// Whether a second copy of a subtask that somebody is late with is worth what it costs.
    ///
    /// Somebody is late who has said nothing for twice as long as it usually takes, and for longer than the other is
    /// expected to take. What has run so long is expected to run as long again, so the time saved is what it ran beyond
    /// the other's. Its worth is [`Numbers::time_cost`] of the whole task's value for each timeout, since the whole task waits.
    pub fn hedges(&self, late: &NodeId, silent_ms: u64, other: &OfferTerms, header: &Header, cost: Wei) -> bool {
        let timeout_ms = u64::from(header.subtask_timeout_s).saturating_mul(1000);
        let expected_ms = |provider: &NodeId| {
            let efficiency = self.record(provider).and_then(|record| record.efficiency).unwrap_or(Ratio::ONE);
            let parts = u128::from(timeout_ms) * u128::from(Ratio::ONE.parts()) / u128::from(efficiency.parts().max(1));
            u64::try_from(parts).unwrap_or(u64::MAX)
        };
        let others_ms = expected_ms(&other.provider);
        if silent_ms < expected_ms(late).saturating_mul(2) || silent_ms <= others_ms {
            return false;
        }
        let saved = Ratio::of_rounded_down(u128::from(silent_ms - others_ms), u128::from(timeout_ms));
        let Some(subtask) = subtask_value(other.price, header.subtask_timeout_s) else { return false };
        let task = subtask.checked_mul(u64::from(header.subtasks)).unwrap_or(Wei::MAX);
        let share = saved.times_rounded_down(self.settings.numbers.time_cost).parts();
        mul_div(task.0, u128::from(share), u128::from(Ratio::ONE.parts())).is_some_and(|(worth, _)| worth >= cost.0)
    }

    /// A provider was paid for a result.
    pub fn paid(&mut self, provider: &NodeId, paid: Wei) {
        if let Some(record) = self.record(provider) {
            let paid = checking::remembered(record.paid, paid);
            self.providers.insert(*provider, ProviderRecord { paid, ..record });
        }
    }

    /// So many subtasks were given to a provider.
    pub fn assigned(&mut self, provider: NodeId, subtasks: u64) {
        let record = self.record(&provider).unwrap_or_default();
        if self.chance(&provider, &record) < self.newcomers.trust(&self.settings.numbers) {
            self.doubted = self.doubted.saturating_add(subtasks);
        }
    }

    /// Remembers how a subtask ended.
    ///
    /// `offer` is what it was agreed on: with the first success its performance is where the efficiency starts.
    pub fn outcome(&mut self, offer: &OfferTerms, header: &HeaderTerms, outcome: Outcome) {
        let provider = offer.provider;
        let known = self.record(&provider);
        if known.is_none() && self.providers.count() >= PEERS_MAX {
            self.forget_one();
        }
        self.dealings = self.dealings.saturating_add(1);
        let rules = self.settings.rules;
        let mut record = known.unwrap_or_default();
        record.touched = self.dealings;
        self.strangers.met(&provider);
        let is_first = record.efficacy.weight() == Ratio::ZERO;
        let newcomers = self.newcomers;
        self.newcomers.count(&self.settings.numbers, record.efficacy.success, is_first, outcome);
        if self.newcomers != newcomers && rules == Rules::Golem {
            self.learnt.of_all();
        }
        self.learnt.of(provider);
        record.efficacy = record.efficacy.after(outcome, self.settings.numbers.psi);
        if outcome == Outcome::Rejected {
            // It has no standing left to lose.
            record.paid = Wei::ZERO;
        }
        if let Outcome::Success { computation_ms } = outcome {
            let seen = efficiency_seen(header.subtask_timeout_s, computation_ms);
            let start = || match rules {
                Rules::Published => efficiency_at_start(offer.performance, header.min_perf).min(EFFICIENCY_CLAIMED_MAX),
                // What was claimed counts for nothing once it is seen.
                Rules::Golem => seen,
            };
            let before = record.efficiency.unwrap_or_else(start);
            record.efficiency = Some(rules.efficiency_after(before, seen, self.settings.numbers.psi));
            let share = price_share(offer, header);
            let before = self.reference(header);
            let share = before.map_or(share, |reference| self.settings.numbers.towards(reference, share));
            self.paid_before(header, share);
        }
        self.providers.insert(provider, record);
    }

    /// Believes what somebody else says of a provider. It is no dealing of this requestor's: the share of its work that
    /// may go to providers in doubt is of its own.
    pub fn told(&mut self, offer: &OfferTerms, header: &HeaderTerms, outcome: Outcome) {
        self.told = self.told.saturating_add(1);
        self.outcome(offer, header, outcome);
    }

    /// Sets what is remembered of a provider, for explanations and imports.
    pub(crate) fn remember(&mut self, provider: NodeId, record: ProviderRecord) {
        self.strangers.met(&provider);
        self.providers.insert(provider, record);
        self.learnt.of_all();
    }

    /// What was paid before, as a share of a header's maximum.
    fn reference(&self, header: &HeaderTerms) -> Option<Ratio> {
        let (share, max) = match header.pricing {
            Pricing::Tender => (self.reference?, self.maxima.tender),
            Pricing::Metered => (self.reference_metered?, self.maxima.metered),
        };
        if max == Wei::ZERO || max == header.max_price {
            return Some(share);
        }
        let of_this = mul_div(max.0, u128::from(share.parts()), header.max_price.0);
        let parts = of_this.and_then(|(parts, _)| u64::try_from(parts).ok());
        Some(parts.map_or(Ratio::ONE, Ratio::from_parts).min(Ratio::ONE))
    }

    /// What was paid for metered work, as a share of the maximum, to store it.
    pub fn paid_metered(&self) -> Option<Ratio> {
        self.reference_metered
    }

    /// Of which maximal prices the shares are that were paid, to store it.
    pub fn maxima(&self) -> Maxima {
        self.maxima
    }

    /// Goes on with what was stored apart.
    pub(crate) fn recall(&mut self, metered: Option<Ratio>, maxima: Maxima) {
        (self.reference_metered, self.maxima) = (metered, maxima);
    }

    /// Sets what was paid before, as a share of a header's maximum.
    pub(crate) fn paid_before(&mut self, header: &HeaderTerms, share: Ratio) {
        match header.pricing {
            Pricing::Tender => (self.reference, self.maxima.tender) = (Some(share), header.max_price),
            Pricing::Metered => (self.reference_metered, self.maxima.metered) = (Some(share), header.max_price),
        }
    }

    /// Whom to forget first: whom least is known of, good or bad, then whom was not dealt with for longest. So a crowd
    /// of new names does not push out the memory of a cheat that was seen often.
    fn forget_one(&mut self) {
        let least = self
            .providers
            .all()
            .min_by_key(|(node, record)| (record.efficacy.weight(), record.touched, *node))
            .map(|(node, _)| node);
        if let Some(node) = least {
            self.providers.remove(&node);
            self.learnt.of(node);
        }
    }

    /// What must hold of this state at any time.
    pub fn check_invariants(&self) -> Vec<Violation> {
        let mut violations = Vec::new();
        let mut demand = |holds: bool, what: String| {
            if !holds {
                violations.push(Violation(what));
            }
        };
        let known = self.providers.count();
        demand(known <= PEERS_MAX, format!("{known} providers are remembered"));
        demand(self.strangers.len() <= Strangers::MAX, format!("{} strangers are remembered", self.strangers.len()));
        let most = self.settings.numbers.weight_max();
        for (node, record) in self.providers.all() {
            let weight = record.efficacy.weight();
            demand(weight <= most, format!("the outcomes of {node} add up to {weight}, more than {most}"));
            demand(record.touched <= self.dealings, format!("{node} was dealt with in the future"));
            if let Some(efficiency) = record.efficiency {
                demand(
                    (EFFICIENCY_MIN..=EFFICIENCY_MAX).contains(&efficiency),
                    format!("{node} has an efficiency of {efficiency}"),
                );
            }
        }
        violations
    }
}
