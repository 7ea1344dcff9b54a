//! The usage factor of metered work: how long a provider takes for what this node's own machine does in an hour.
//!
//! A price is for an hour of somebody's machine, so prices alone cannot be compared: [`UsageFactors::cost`] is the price of
//! what the own machine does in an hour. A factor starts with what benchmarks say and moves when several providers have
//! computed the same subtask.
//!
//! Source: the published rules of the usage market, with fuel for the processor time of the first implementation: a time is
//! the fuel reported over the fuel a second that was promised. It orders offers and finds nobody guilty: who reports more
//! than it burnt is dearer after a while, and so are those whom it was compared with cheaper. What proves a false report is
//! to run the subtask again, which burns the same fuel.

use crate::ratio::mul_div;
use crate::{Book, EFFICIENCY_MAX, EFFICIENCY_MIN, OfferTerms, PEERS_MAX, Ratio};
use golem_protocol::{NodeId, Wei};
use serde::{Deserialize, Serialize};

/// The least factor that benchmarks can give. Reason: they are somebody's word.
pub const USAGE_START_MIN: Ratio = Ratio::from_parts(100_000_000);
/// The largest factor that benchmarks can give.
pub const USAGE_START_MAX: Ratio = Ratio::from_parts(2_000_000_000);
/// The most copies of one subtask that are compared. Reason: nobody buys more.
pub const COPIES_MAX: usize = 16;
/// Nanoseconds in a millisecond: so fine that rounding a short time does not move a factor.
const NS_PER_MS: u128 = 1_000_000;

/// What one of several copies of a subtask took, by its provider's report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsedTime {
    /// Who computed it.
    pub provider: NodeId,
    /// The fuel a second that its offer promised.
    pub performance: u64,
    /// How long it took, in milliseconds.
    pub usage_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UsageFactor {
    factor: Ratio,
    touched: u64,
}

/// A requestor's memory of usage factors: of at most [`PEERS_MAX`] providers, of which the one not compared for longest is
/// forgotten first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsageFactors {
    /// Fuel per second of the own machine.
    own_performance: u64,
    factors: Book<NodeId, UsageFactor>,
    compared: u64,
}

impl UsageFactors {
    /// Nobody was compared yet. `own_performance` is the fuel per second of the own machine.
    pub fn new(own_performance: u64) -> UsageFactors {
        UsageFactors { own_performance, ..UsageFactors::default() }
    }

    /// The factor `R` of a provider that promises this fuel a second: 1 for one as fast as the own machine, 2 for one that
    /// takes twice as long.
    pub fn of(&self, provider: &NodeId, performance: u64) -> Ratio {
        let start = || {
            let ratio = Ratio::of_rounded_down(u128::from(self.own_performance), u128::from(performance));
            ratio.clamp(USAGE_START_MIN, USAGE_START_MAX)
        };
        self.factors.get(provider).map_or_else(start, |known| known.factor)
    }

    /// What an offer asks for the work of an hour of the own machine, rounded up: `R * price`. The least is to be taken
    /// first.
    pub fn cost(&self, offer: &OfferTerms) -> Wei {
        let factor = self.of(&offer.provider, offer.performance);
        mul_div(offer.price.0, u128::from(factor.parts()), u128::from(Ratio::ONE.parts()))
            .map_or(Wei::MAX, |(wei, cut)| Wei(wei.saturating_add(u128::from(cut))).bounded().unwrap_or(Wei::MAX))
    }

    /// Several providers computed one subtask: `d_i = usage_i / R_i`, `d` the geometric mean of these, and then
    /// `R_i <- R_i * d_i / d`. Nothing changes for fewer than two, and those beyond [`COPIES_MAX`] are not looked at.
    pub fn compare(&mut self, copies: &[UsedTime]) {
        let copies = copies.get(..COPIES_MAX).unwrap_or(copies);
        if copies.len() < 2 {
            return;
        }
        let before: Vec<(NodeId, Ratio, u64)> = copies
            .iter()
            .map(|copy| {
                let factor = self.of(&copy.provider, copy.performance);
                let usage_ns = u128::from(copy.usage_ms.max(1)) * NS_PER_MS;
                let work = mul_div(usage_ns, u128::from(Ratio::ONE.parts()), u128::from(factor.parts()));
                let work = work.map_or(u64::MAX, |(work, _)| u64::try_from(work).unwrap_or(u64::MAX));
                (copy.provider, factor, work.max(1))
            })
            .collect();
        let works: Vec<u64> = before.iter().map(|(.., work)| *work).collect();
        let mean = geometric_mean(&works);
        self.compared = self.compared.saturating_add(1);
        for (provider, factor, work) in before {
            let moved = mul_div(u128::from(factor.parts()), u128::from(work), u128::from(mean));
            let parts = moved.map_or(u64::MAX, |(parts, _)| u64::try_from(parts).unwrap_or(u64::MAX));
            let factor = Ratio::from_parts(parts).clamp(EFFICIENCY_MIN, EFFICIENCY_MAX);
            self.remember(provider, factor);
        }
    }

    fn remember(&mut self, provider: NodeId, factor: Ratio) {
        if !self.factors.contains_key(&provider) && self.factors.len() >= PEERS_MAX {
            let oldest = self.factors.iter().min_by_key(|(node, known)| (known.touched, **node)).map(|(node, _)| *node);
            if let Some(oldest) = oldest {
                self.factors.remove(&oldest);
            }
        }
        self.factors.insert(provider, UsageFactor { factor, touched: self.compared });
    }
}

/// A positive number of any size, to 63 binary digits: `mantissa * 2^exponent`, the highest bit of the mantissa set. It is
/// ordered as the number is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Wide {
    exponent: i64,
    mantissa: u64,
}

impl Wide {
    const ONE: Wide = Wide { exponent: -63, mantissa: 1 << 63 };

    /// The product, rounded down; by 1 where the factor is 0.
    fn times(self, factor: u64) -> Wide {
        let product = u128::from(self.mantissa) * u128::from(factor.max(1));
        let shift = 64 - product.leading_zeros();
        Wide { exponent: self.exponent + i64::from(shift), mantissa: (product >> shift) as u64 }
    }
}

/// The largest number whose power is not above the product, at least 1: without floats, of which roots and logarithms differ
/// between machines.
fn geometric_mean(numbers: &[u64]) -> u64 {
    let product = numbers.iter().fold(Wide::ONE, |product, number| product.times(*number));
    let power = |base: u64| numbers.iter().fold(Wide::ONE, |product, _| product.times(base));
    let (mut low, mut high) = (1, numbers.iter().copied().max().unwrap_or(1));
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if power(middle) <= product { low = middle } else { high = middle - 1 }
    }
    low
}
