//! What `golem market rank` and `golem market quote` read and print: the formulas term by term, computed by the code
//! that the node runs.
//!
//! # `OFFERS.json`
//!
//! ```json
//! {
//!   "header": { "max_price_wei_per_hour": "100", "min_perf": 0, "subtask_timeout_s": 60 },
//!   "settings": { "rules": "golem", "choice": "greedy", "quality_floor": 0, "patience": 4 },
//!   "waited_s": 30, "reference": 0.6, "random": 7,
//!   "offers": [
//!     { "provider": "0x00000000000000000000000000000000000000a1", "price_wei_per_hour": "80", "performance": 1000,
//!       "history": { "efficiency": 1.5, "success": 3.2, "timed_out": 0, "failed": 1, "rejected": 0, "paid_wei": "800" } }
//!   ]
//! }
//! ```
//!
//! Only `max_price_wei_per_hour` and, of an offer, `provider` and `price_wei_per_hour` are needed. No history means a
//! provider never dealt with, no `reference` a requestor that has paid nobody yet. `"rules": "published"` are those of
//! the published tender. To choose by chance: `"choice": { "boltzmann": { "greed": 2 } }`, and a `random` number.
//!
//! # `STATE.json`
//!
//! ```json
//! {
//!   "settings": { "rules": "golem", "min_price_wei_per_hour": "100", "credit_hours": 3 },
//!   "factor": 0.2,
//!   "spent": { "idle_s": 3600 },
//!   "requestor": { "efficiency": 1.5, "assigned_wei": "400", "paid_wei": "300", "owed_wei": "100" },
//!   "header": { "max_price_wei_per_hour": "1000", "min_perf": 500, "subtask_timeout_s": 60 },
//!   "performance": 1000
//! }
//! ```
//!
//! Only the two prices are needed. `spent` is what this node did since it had that `factor`: `{ "idle_s": N }` or
//! `{ "busy_s": N }`. Other settings are those of [`ProviderSettings`], under the same names.
//!
//! Amounts are decimal strings, or whole numbers where they fit 64 bits. Unknown keys are refused in all places.

use crate::checking::CheckRate;
use crate::provider::{ProviderMarket, ProviderSettings, RequestorRecord, SettingsError};
use crate::ratio::Ratio;
use crate::requestor::{OFFERS_MAX, OfferTerms, ProviderRecord, RequestorMarket, RequestorSettings};
use crate::trust::Efficacy;
use crate::{EFFICIENCY_MAX, EFFICIENCY_MIN, HeaderTerms, Rules, Waited};
use golem_protocol::{LocalTime, NodeId, Pricing, Wei, subtask_value};
use serde::{Deserialize, Serialize};

mod report;

pub use report::{QuoteReport, RankReport, RankedRow, RefusedRow, WaitingRow};

/// The longest input read. Reason: the most offers there can be, each with a full history, are shorter.
pub const INPUT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The longest time that can be given as spent. Reason: a hundred years; the profit factor is at its bound long before.
pub const SPENT_S_MAX: u64 = 3_153_600_000;

/// The header as both inputs give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderInput {
    /// No offer above this is considered.
    #[serde(deserialize_with = "amount")]
    pub max_price_wei_per_hour: Wei,
    /// The least performance, fuel per second; 0, the default, where any machine will do.
    #[serde(default)]
    pub min_perf: u64,
    /// How long a subtask may take; it enters credit and patience.
    #[serde(default = "an_hour")]
    pub subtask_timeout_s: u32,
    /// `tender` or `metered`.
    #[serde(default = "tender")]
    pub pricing: Pricing,
}

fn tender() -> Pricing {
    Pricing::Tender
}

fn an_hour() -> u32 {
    3600
}

impl HeaderInput {
    fn terms(&self) -> HeaderTerms {
        HeaderTerms {
            max_price: self.max_price_wei_per_hour,
            min_perf: self.min_perf,
            subtask_timeout_s: self.subtask_timeout_s,
            pricing: self.pricing,
        }
    }
}

/// `OFFERS.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RankInput {
    /// What was asked for.
    pub header: HeaderInput,
    /// The requestor's settings; where absent our rules, greedy and without a floor.
    #[serde(default)]
    pub settings: RequestorSettings,
    /// How long the task has been open, in seconds.
    #[serde(default)]
    pub waited_s: u64,
    /// What a subtask of the task's program usually takes, in milliseconds; unknown where absent. Where sixteen times that is
    /// less than the timeout, patience counts in it.
    #[serde(default)]
    pub usual_ms: Option<u64>,
    /// What was paid before, as a share of the maximal price; nothing where absent.
    #[serde(default)]
    pub reference: Option<Ratio>,
    /// Decides where the choice is by chance.
    #[serde(default)]
    pub random: u64,
    /// At most [`OFFERS_MAX`] of them.
    pub offers: Vec<OfferInput>,
}

/// One offer of `OFFERS.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfferInput {
    /// Who offers: the address of a node.
    pub provider: NodeId,
    /// What it asks.
    #[serde(deserialize_with = "amount")]
    pub price_wei_per_hour: Wei,
    /// Fuel per second of its benchmark; the header's minimum where absent.
    #[serde(default)]
    pub performance: Option<u64>,
    /// What is remembered of it; nothing where absent.
    #[serde(default)]
    pub history: Option<HistoryInput>,
}

/// What a requestor remembers of a provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HistoryInput {
    /// `R`; where absent it follows from the performance.
    pub efficiency: Option<Ratio>,
    /// `s`.
    pub success: Ratio,
    /// `t`.
    pub timed_out: Ratio,
    /// `f`.
    pub failed: Ratio,
    /// `r`.
    pub rejected: Ratio,
    /// What it was paid of late; its standing is a share of it.
    #[serde(deserialize_with = "amount")]
    pub paid_wei: Wei,
}

/// `STATE.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuoteInput {
    /// The provider's settings.
    pub settings: QuoteSettings,
    /// The profit factor; `factor_start` where absent.
    #[serde(default)]
    pub factor: Option<Ratio>,
    /// What the node did since it had that factor.
    #[serde(default)]
    pub spent: Option<Spent>,
    /// What is remembered of the requestor; nothing where absent.
    #[serde(default)]
    pub requestor: Option<RequestorInput>,
    /// What is asked for.
    pub header: HeaderInput,
    /// Fuel per second of this machine's benchmark; the header's minimum where absent.
    #[serde(default)]
    pub performance: Option<u64>,
}

/// The settings of `STATE.json`: those of [`ProviderSettings`], the published number where one is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuoteSettings {
    /// See [`ProviderSettings::rules`]; ours where absent.
    #[serde(default)]
    pub rules: Rules,
    /// `m`.
    #[serde(deserialize_with = "amount")]
    pub min_price_wei_per_hour: Wei,
    /// See [`ProviderSettings::factor_start`].
    pub factor_start: Option<Ratio>,
    /// See [`ProviderSettings::factor_min`].
    pub factor_min: Option<Ratio>,
    /// See [`ProviderSettings::factor_max`].
    pub factor_max: Option<Ratio>,
    /// See [`ProviderSettings::idle_rate`].
    pub idle_rate: Option<Ratio>,
    /// See [`ProviderSettings::busy_rate`].
    pub busy_rate: Option<Ratio>,
    /// See [`ProviderSettings::credit_hours`].
    pub credit_hours: Option<u32>,
    /// See [`ProviderSettings::payment_rate_min`].
    pub payment_rate_min: Option<Ratio>,
}

impl QuoteSettings {
    fn settings(&self) -> ProviderSettings {
        let usual = ProviderSettings::by(self.rules, self.min_price_wei_per_hour);
        ProviderSettings {
            factor_start: self.factor_start.unwrap_or(usual.factor_start),
            factor_min: self.factor_min.unwrap_or(usual.factor_min),
            factor_max: self.factor_max.unwrap_or(usual.factor_max),
            idle_rate: self.idle_rate.unwrap_or(usual.idle_rate),
            busy_rate: self.busy_rate.unwrap_or(usual.busy_rate),
            credit_hours: self.credit_hours.unwrap_or(usual.credit_hours),
            payment_rate_min: self.payment_rate_min.unwrap_or(usual.payment_rate_min),
            // No offer is answered here.
            ..usual
        }
    }
}

/// What a node did for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spent {
    /// Nothing ran, for so many seconds.
    IdleS(u64),
    /// Something ran, for so many seconds.
    BusyS(u64),
}

/// What a provider remembers of a requestor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RequestorInput {
    /// `R`; where absent it follows from the performance.
    pub efficiency: Option<Ratio>,
    /// `Va`.
    #[serde(deserialize_with = "amount")]
    pub assigned_wei: Wei,
    /// `Vp`.
    #[serde(deserialize_with = "amount")]
    pub paid_wei: Wei,
    /// What it owes now.
    #[serde(deserialize_with = "amount")]
    pub owed_wei: Wei,
}

/// An amount of wei as a decimal string or, where it fits, a whole number.
fn amount<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Wei, D::Error> {
    use serde::de::Error;
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Amount {
        Number(u64),
        Text(String),
    }
    let bad = || D::Error::custom("an amount is a decimal string of wei such as \"100\", of at most 96 bits");
    match Amount::deserialize(d).map_err(|_| bad())? {
        Amount::Number(wei) => Ok(Wei(wei as u128)),
        Amount::Text(text) => {
            let wei = text.parse().map_err(|_| bad())?;
            Wei(wei).bounded().ok_or_else(bad)
        }
    }
}

/// Why an input explains nothing. The fault is in the file.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// Longer than is read.
    #[error("the input has {got} bytes, and at most {max} are read; give fewer offers")]
    TooLong {
        /// Its length.
        got: usize,
        /// The bound.
        max: usize,
    },
    /// Not JSON, a key unknown or missing, a value of another kind.
    #[error("the input is not as `golem market --help` shows it: {0}")]
    Json(#[from] serde_json::Error),
    /// More offers than are ranked at once.
    #[error("{got} offers, and at most {max} are ranked at once; give fewer")]
    TooManyOffers {
        /// How many came.
        got: usize,
        /// The bound.
        max: usize,
    },
    /// The same provider with two histories.
    #[error("offers {first} and {second}, counted from 0, give {provider} different histories; a node has one")]
    TwoHistories {
        /// Whose.
        provider: NodeId,
        /// Where it was given first.
        first: usize,
        /// Where it was given again.
        second: usize,
    },
    /// A term that no node can reach.
    #[error("{field} is {got}; it lies between {min} and {max}")]
    OutOfReach {
        /// Which term.
        field: &'static str,
        /// What came.
        got: Ratio,
        /// The least.
        min: Ratio,
        /// The most.
        max: Ratio,
    },
    /// A longer time than any node runs.
    #[error("{got} seconds were given as spent; the most is {max}")]
    SpentTooLong {
        /// What came.
        got: u64,
        /// The bound.
        max: u64,
    },
    /// More owed than was ever assigned.
    #[error("owed_wei is {owed}, more than the assigned_wei of {assigned}; what is owed was assigned before")]
    OwedAboveAssigned {
        /// What is owed.
        owed: Wei,
        /// What was assigned.
        assigned: Wei,
    },
    /// The settings make no sense.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

fn read<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, ExplainError> {
    if text.len() > INPUT_BYTES_MAX {
        return Err(ExplainError::TooLong { got: text.len(), max: INPUT_BYTES_MAX });
    }
    Ok(serde_json::from_str(text)?)
}

fn reachable(field: &'static str, got: Ratio, min: Ratio, max: Ratio) -> Result<(), ExplainError> {
    if got < min || got > max { Err(ExplainError::OutOfReach { field, got, min, max }) } else { Ok(()) }
}

fn check_efficiency(efficiency: Option<Ratio>) -> Result<(), ExplainError> {
    efficiency.map_or(Ok(()), |got| reachable("efficiency", got, EFFICIENCY_MIN, EFFICIENCY_MAX))
}

/// Ranks the offers of an `OFFERS.json`.
///
/// Errors: whatever is wrong with the text, by its name; nothing is guessed.
pub fn rank_json(text: &str) -> Result<RankReport, ExplainError> {
    let input: RankInput = read(text)?;
    if input.offers.len() > OFFERS_MAX {
        return Err(ExplainError::TooManyOffers { got: input.offers.len(), max: OFFERS_MAX });
    }
    let mut market = RequestorMarket::new(input.settings);
    if let Some(reference) = input.reference {
        reachable("reference", reference, Ratio::ZERO, Ratio::ONE)?;
        market.paid_before(&input.header.terms(), reference);
    }
    let mut histories = std::collections::BTreeMap::new();
    for (second, offer) in input.offers.iter().enumerate() {
        let (first, given) = *histories.entry(offer.provider).or_insert((second, offer.history));
        if given != offer.history {
            return Err(ExplainError::TwoHistories { provider: offer.provider, first, second });
        }
        let Some(history) = offer.history else { continue };
        check_efficiency(history.efficiency)?;
        let entries = [history.success, history.timed_out, history.failed, history.rejected];
        let sum = entries.iter().fold(Ratio::ZERO, |sum, entry| sum.plus(*entry));
        reachable("the sum of a history", sum, Ratio::ZERO, Ratio::from_parts(10 * Ratio::ONE.parts()))?;
        let efficacy = Efficacy {
            success: history.success,
            timed_out: history.timed_out,
            failed: history.failed,
            rejected: history.rejected,
        };
        let record = ProviderRecord { efficiency: history.efficiency, efficacy, paid: history.paid_wei, touched: 0 };
        market.remember(offer.provider, record);
    }
    let terms: Vec<OfferTerms> = input
        .offers
        .iter()
        .map(|offer| OfferTerms {
            provider: offer.provider,
            price: offer.price_wei_per_hour,
            performance: offer.performance.unwrap_or(input.header.min_perf),
        })
        .collect();
    let waited = Waited { s: input.waited_s, usual_ms: input.usual_ms };
    let ranking = market.rank(&terms, &input.header.terms(), LocalTime::default(), waited, input.random);
    let ranked = ranking.ranked.iter().enumerate().map(|(index, ranked)| RankedRow {
        rank: index + 1,
        position: ranked.position,
        provider: ranked.offer.provider,
        price_wei_per_hour: ranked.offer.price,
        probability: ranked.probability,
        score: ranked.score,
        check: check_rate(&market, &ranked.offer, input.header.subtask_timeout_s),
    });
    let refused = ranking.refused.into_iter().map(|(position, offer, reason)| RefusedRow {
        position,
        provider: offer.provider,
        price_wei_per_hour: offer.price,
        reason_text: reason.to_string(),
        reason,
    });
    let waiting = ranking.waiting.into_iter().map(|(position, offer, reason)| WaitingRow {
        position,
        provider: offer.provider,
        price_wei_per_hour: offer.price,
        reason,
    });
    let rules = input.settings.rules;
    Ok(RankReport { rules, ranked: ranked.collect(), waiting: waiting.collect(), refused: refused.collect() })
}

/// What the plan `adaptive` would check of an offer's results, without a floor.
fn check_rate(market: &RequestorMarket, offer: &OfferTerms, subtask_timeout_s: u32) -> CheckRate {
    let value = subtask_value(offer.price, subtask_timeout_s).unwrap_or(Wei::MAX);
    CheckRate::new(value, market.stake(&offer.provider), market.adaptive_ppm(&offer.provider, value, 0))
}

/// Quotes for a `STATE.json`.
///
/// Errors: whatever is wrong with the text, by its name. That no offer is made is an answer, not an error.
pub fn quote_json(text: &str) -> Result<QuoteReport, ExplainError> {
    let input: QuoteInput = read(text)?;
    let settings = input.settings.settings();
    let start = LocalTime::default();
    let mut state = ProviderMarket::new(settings, start)?.state().clone();
    if let Some(factor) = input.factor {
        reachable("factor", factor, settings.factor_min, settings.factor_max)?;
        state.factor = factor;
    }
    // A requestor that is not named is one that nothing is known of; any id stands for it.
    let requestor = NodeId(golem_protocol::Address::ZERO);
    if let Some(known) = input.requestor {
        check_efficiency(known.efficiency)?;
        if known.owed_wei > known.assigned_wei {
            return Err(ExplainError::OwedAboveAssigned { owed: known.owed_wei, assigned: known.assigned_wei });
        }
        let record = RequestorRecord {
            efficiency: known.efficiency,
            assigned: known.assigned_wei,
            paid: known.paid_wei,
            owed: known.owed_wei,
            touched: 0,
        };
        state.requestors.insert(requestor, record);
    }
    let mut market = ProviderMarket::restore(settings, state, start)?;
    let mut now = start;
    if let Some(spent) = input.spent {
        let seconds = match spent {
            Spent::IdleS(seconds) => seconds,
            Spent::BusyS(seconds) => {
                market.busy(start);
                seconds
            }
        };
        if seconds > SPENT_S_MAX {
            return Err(ExplainError::SpentTooLong { got: seconds, max: SPENT_S_MAX });
        }
        now = start.saturating_add(seconds * 1000);
    }
    let performance = input.performance.unwrap_or(input.header.min_perf);
    Ok(match market.quote(&requestor, &input.header.terms(), performance, now) {
        Ok(quote) => QuoteReport::Offered(quote),
        Err(reason) => QuoteReport::Refused { reason_text: reason.to_string(), reason },
    })
}
