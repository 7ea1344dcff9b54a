//! The answers, as data and in words.

use crate::checking::CheckRate;
use crate::provider::Quote;
use crate::ratio::Ratio;
use crate::requestor::Score;
use crate::{Rules, WaitReason};
use core::fmt;
use golem_protocol::{NodeId, RefusalReason, Wei};
use serde::Serialize;

/// The order of offers, with every term.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RankReport {
    /// By which rules.
    pub rules: Rules,
    /// The offers that stand, the first to be taken first.
    pub ranked: Vec<RankedRow>,
    /// The offers that are not taken yet.
    pub waiting: Vec<WaitingRow>,
    /// The offers that are refused.
    pub refused: Vec<RefusedRow>,
}

/// An offer that stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RankedRow {
    /// Its place, from 1.
    pub rank: usize,
    /// Where it was in the input, from 0.
    pub position: usize,
    /// Who offers.
    pub provider: NodeId,
    /// What it asks.
    pub price_wei_per_hour: Wei,
    /// How likely it was to come first.
    pub probability: Ratio,
    /// The score and its terms.
    #[serde(flatten)]
    pub score: Score,
    /// How often its results are checked where a task's plan is `adaptive`.
    pub check: CheckRate,
}

/// An offer that is not taken yet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WaitingRow {
    /// Where it was in the input, from 0.
    pub position: usize,
    /// Who offers.
    pub provider: NodeId,
    /// What it asks.
    pub price_wei_per_hour: Wei,
    /// Why not yet.
    pub reason: WaitReason,
}

/// An offer that is refused.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RefusedRow {
    /// Where it was in the input, from 0.
    pub position: usize,
    /// Who offers.
    pub provider: NodeId,
    /// What it asks.
    pub price_wei_per_hour: Wei,
    /// The reason, as it is sent to the provider.
    pub reason: RefusalReason,
    /// The reason in words.
    pub reason_text: String,
}

/// A price with every term, or why there is none.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum QuoteReport {
    /// What is offered.
    Offered(Quote),
    /// No offer is made.
    Refused {
        /// The reason, as it is sent to a requestor that asks.
        reason: RefusalReason,
        /// The reason in words.
        reason_text: String,
    },
}

impl fmt::Display for RankReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let formula = match self.rules {
            Rules::Published => {
                "score = 0.67 * advantage + 0.33 * R * q/q*; advantage = max_price / price as far as it counts"
            }
            Rules::Golem => {
                "score = 1 / (price / max_price + 0.1 * (1 - q) / q + 0.02 / R); q is the chance of success, and q* is 1"
            }
        };
        writeln!(f, "{formula}")?;
        writeln!(
            f,
            "{:>4} {:<42} {:>24} {:>12} {:>12} {:>12} {:>12} {:>12} {:>12} {:>12}",
            "rank", "provider", "price (wei/h)", "score", "max/price", "advantage", "R", "q", "q/q*", "chance"
        )?;
        for row in &self.ranked {
            writeln!(
                f,
                "{:>4} {:<42} {:>24} {:>12} {:>12} {:>12} {:>12} {:>12} {:>12} {:>12}",
                row.rank,
                row.provider.to_string(),
                row.price_wei_per_hour.0,
                row.score.score,
                row.score.price_ratio,
                row.score.advantage,
                row.score.efficiency,
                row.score.quality,
                row.score.quality_share,
                row.probability,
            )?;
        }
        for row in &self.ranked {
            writeln!(f, "{:>4} {:<42} adaptive: {}", row.rank, row.provider.to_string(), row.check)?;
        }
        for row in &self.waiting {
            let why = match row.reason {
                WaitReason::Dear { limit, taken_after_s } => {
                    format!("dear: up to {} is paid by now, and this after {taken_after_s} s", limit.0)
                }
                WaitReason::Doubt { quality, trusted_from } => {
                    format!("in doubt: a chance of success of {quality}, below {trusted_from}")
                }
                WaitReason::Accused { .. } => "accused of a wrong result, which is looked at first".to_owned(),
            };
            let provider = row.provider.to_string();
            writeln!(f, "   - {provider:<42} {:>24} not yet, {why}", row.price_wei_per_hour.0)?;
        }
        for row in &self.refused {
            writeln!(
                f,
                "   - {:<42} {:>24} refused: {}",
                row.provider.to_string(),
                row.price_wei_per_hour.0,
                row.reason_text
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for QuoteReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quote = match self {
            QuoteReport::Refused { reason_text, .. } => return writeln!(f, "no offer: {reason_text}"),
            QuoteReport::Offered(quote) => quote,
        };
        let mut row = |term: &str, value: String, what: &str| writeln!(f, "{term:<10} {value:>32}  {what}");
        row("m", quote.min_price.0.to_string(), "minimal price, wei per hour")?;
        row("f", quote.factor.to_string(), "profit factor")?;
        row("r", quote.base_price.0.to_string(), "floor(m * (1 + f)), wei per hour")?;
        row("Va", quote.assigned.0.to_string(), "assigned, wei")?;
        row("Vp", quote.paid.0.to_string(), "paid, wei")?;
        row("Q", quote.payment_rate.to_string(), "min(1, (m + 1 + Vp + m) / (m + 1 + Va)), payment rate")?;
        row("R", quote.efficiency.to_string(), "efficiency")?;
        row("S", quote.standing.to_string(), "Q * R")?;
        row("r/S", quote.unbounded_price.0.to_string(), "rounded down, wei per hour")?;
        row("max_price", quote.max_price.0.to_string(), "the header's, wei per hour")?;
        row("owed", quote.owed.0.to_string(), "wei")?;
        row("credit", quote.credit.0.to_string(), "no offer where more is owed, wei")?;
        let price = match quote.rules {
            Rules::Published => "min(max(floor(r / S), m), max_price), wei per hour",
            Rules::Golem => "min(floor(r / S), max_price), wei per hour",
        };
        row("price", quote.price.0.to_string(), price)
    }
}
