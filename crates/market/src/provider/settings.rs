//! What a provider's owner sets.

use crate::Rules;
use crate::ratio::Ratio;
use golem_protocol::Wei;
use serde::{Deserialize, Serialize};

/// The widest range a profit factor may be given. Reason: outside it `exp` would jump between its ends in a minute.
const FACTOR_BOUNDS: (Ratio, Ratio) = (Ratio::from_parts(1_000_000), Ratio::from_parts(1_000_000_000_000));
/// The fastest a profit factor may change. Reason: 1 % in a second is already an hour from one end to the other.
const RATE_MAX: Ratio = Ratio::from_parts(10_000_000);
/// The longest credit that can be set. Reason: a year of one slot; more is no limit.
const CREDIT_HOURS_MAX: u32 = 8_760;
/// What an offer that was taken does to the margin of [`Rules::Golem`].
const MARGIN_TAKEN: Ratio = Ratio::from_parts(1_002_500_000);
/// What an offer that stood in vain does to it. Reason for the two: the margin stands still where some forty offers are
/// taken for one that was not. At a rate that can be reached while many are idle, such as one for one, all would raise
/// their prices together without losing work. With steps twice as large prices differ more among equals, and more work
/// goes to machines that cost more.
const MARGIN_NOT_TAKEN: Ratio = Ratio::from_parts(890_000_000);
/// The highest margin of [`Rules::Golem`]. Reason: whose offers are always taken, the cheapest, would raise their prices
/// until they ask what machines ask that cost more, and then nothing tells the one from the other: at a load of .8 a tenth of
/// the gain over chance is lost by that within a month.
const MARGIN_MAX: Ratio = Ratio::from_parts(500_000_000);
/// The widest range of the two steps. Reason: a margin must not jump between its ends.
const MARGIN_STEP_BOUNDS: (Ratio, Ratio) = (Ratio::from_parts(100_000_000), Ratio::from_parts(2_000_000_000));

/// What the user sets; it comes from configuration, not from the stored state.
///
/// Units: `min_price` in wei per hour of one slot, the rates per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderSettings {
    /// Which rules prices follow.
    #[serde(default)]
    pub rules: Rules,
    /// Never sell below this: the `m` of the formulas, and also the credit `c` that softens the payment rate. It is for
    /// an hour that is sold by the published rules, for an hour that this machine works by ours.
    pub min_price: Wei,
    /// The profit factor `f` a new node starts with; 0.2.
    #[serde(default = "factor_start")]
    pub factor_start: Ratio,
    /// `f` never falls below this; 0.01.
    #[serde(default = "factor_min")]
    pub factor_min: Ratio,
    /// `f` never rises above this; 5 by the published rules, 0.5 by ours.
    #[serde(default = "factor_max")]
    pub factor_max: Ratio,
    /// How fast `f` falls while nothing runs, per second; 0.00001.
    #[serde(default = "idle_rate")]
    pub idle_rate: Ratio,
    /// How fast `f` rises while something runs, per second; 0.00004.
    #[serde(default = "busy_rate")]
    pub busy_rate: Ratio,
    /// What an offer that was taken does to `f`, by our rules; times 1.0025.
    #[serde(default = "margin_taken")]
    pub margin_taken: Ratio,
    /// What an offer that stood in vain does to `f`, by our rules; times .89.
    #[serde(default = "margin_not_taken")]
    pub margin_not_taken: Ratio,
    /// No offer to a requestor that owes more than this many hours at the price it would get: the `k`; 3.
    #[serde(default = "credit_hours")]
    pub credit_hours: u32,
    /// No offer to a requestor whose payment rate `Q` is below this; 0.1.
    #[serde(default = "payment_rate_min")]
    pub payment_rate_min: Ratio,
}

const fn factor_start() -> Ratio {
    Ratio::from_parts(200_000_000)
}
const fn factor_min() -> Ratio {
    Ratio::from_parts(10_000_000)
}
const fn factor_max() -> Ratio {
    Ratio::from_parts(5_000_000_000)
}
const fn idle_rate() -> Ratio {
    Ratio::from_parts(10_000)
}
const fn busy_rate() -> Ratio {
    Ratio::from_parts(40_000)
}
const fn margin_taken() -> Ratio {
    MARGIN_TAKEN
}
const fn margin_not_taken() -> Ratio {
    MARGIN_NOT_TAKEN
}
const fn credit_hours() -> u32 {
    3
}
const fn payment_rate_min() -> Ratio {
    Ratio::from_parts(100_000_000)
}

impl ProviderSettings {
    /// These rules and their numbers, for a minimal price.
    pub const fn by(rules: Rules, min_price: Wei) -> ProviderSettings {
        match rules {
            Rules::Golem => ProviderSettings::new(min_price),
            Rules::Published => ProviderSettings::published(min_price),
        }
    }

    /// Our rules, for a minimal price.
    pub const fn new(min_price: Wei) -> ProviderSettings {
        ProviderSettings { rules: Rules::Golem, factor_max: MARGIN_MAX, ..ProviderSettings::published(min_price) }
    }

    /// The published rules and numbers, for a minimal price.
    pub const fn published(min_price: Wei) -> ProviderSettings {
        ProviderSettings {
            rules: Rules::Published,
            min_price,
            factor_start: factor_start(),
            factor_min: factor_min(),
            factor_max: factor_max(),
            idle_rate: idle_rate(),
            busy_rate: busy_rate(),
            margin_taken: margin_taken(),
            margin_not_taken: margin_not_taken(),
            credit_hours: credit_hours(),
            payment_rate_min: payment_rate_min(),
        }
    }

    /// Whether the numbers make sense together.
    pub fn check(&self) -> Result<(), SettingsError> {
        let range = |setting, got: Ratio, min: Ratio, max: Ratio| {
            if got < min || got > max { Err(SettingsError::Range { setting, got, min, max }) } else { Ok(()) }
        };
        if self.min_price.bounded().is_none() {
            return Err(SettingsError::PriceTooLarge(self.min_price.0));
        }
        range("factor_min", self.factor_min, FACTOR_BOUNDS.0, FACTOR_BOUNDS.1)?;
        range("factor_max", self.factor_max, self.factor_min, FACTOR_BOUNDS.1)?;
        range("factor_start", self.factor_start, self.factor_min, self.factor_max)?;
        range("idle_rate", self.idle_rate, Ratio::ZERO, RATE_MAX)?;
        range("busy_rate", self.busy_rate, Ratio::ZERO, RATE_MAX)?;
        range("margin_taken", self.margin_taken, Ratio::ONE, MARGIN_STEP_BOUNDS.1)?;
        range("margin_not_taken", self.margin_not_taken, MARGIN_STEP_BOUNDS.0, Ratio::ONE)?;
        range("payment_rate_min", self.payment_rate_min, Ratio::ZERO, Ratio::ONE)?;
        if !(1..=CREDIT_HOURS_MAX).contains(&self.credit_hours) {
            return Err(SettingsError::CreditHours { got: self.credit_hours, max: CREDIT_HOURS_MAX });
        }
        Ok(())
    }
}

/// Which setting cannot be. The fault is in the configuration; nothing was started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A number outside its range.
    #[error("{setting} is {got}; set it between {min} and {max}")]
    Range {
        /// Which setting.
        setting: &'static str,
        /// Its value.
        got: Ratio,
        /// The least allowed.
        min: Ratio,
        /// The most allowed.
        max: Ratio,
    },
    /// More than 96 bits of wei.
    #[error("min_price is {0} wei per hour, more than any channel can hold; set a smaller one")]
    PriceTooLarge(u128),
    /// No credit at all, or one without end.
    #[error("credit_hours is {got}; set it between 1 and {max}")]
    CreditHours {
        /// Its value.
        got: u32,
        /// The most allowed.
        max: u32,
    },
}
