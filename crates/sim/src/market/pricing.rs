//! What a requestor pays for, what it does about false reports of it, and when it wants work.

use serde::{Deserialize, Serialize};

/// What a requestor pays for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PricingName {
    /// Each subtask has a value, agreed before.
    #[default]
    Tender,
    /// The fuel that was burnt, up to that value, the budget.
    Metered,
}

/// What a requestor of metered work does about false reports of usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Defence {
    /// Believes them, as the first implementation did. Results may be run again, and nobody looks at the fuel.
    None,
    /// Ours: what is run again burns the same fuel, so a lie is a wrong result.
    #[default]
    Recheck,
    /// The published usage factor: so many providers compute each subtask, all are paid, and who reports more than the
    /// others counts as dearer from then on.
    Redundancy {
        /// How many.
        copies: u32,
    },
    /// Who reports far more than others do for subtasks of the same task gets nothing for a while, each time longer.
    ///
    /// Source: one of the defences of the older public simulator of the usage market.
    Comparison,
}

/// When tasks come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArrivalName {
    /// In a Poisson process.
    #[default]
    Poisson,
    /// One at the start, and no other.
    Once,
    /// One at the start, and the next when that is over.
    Repeating,
}
