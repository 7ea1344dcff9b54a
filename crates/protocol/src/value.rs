//! What a subtask is worth: the same sum for everybody who counts.

use crate::agreement::Agreement;
use crate::header::Pricing;
use crate::report::{SubtaskOutcome, SubtaskResult};
use crate::units::{Fuel, Wei};

/// The seconds that a price is for.
const SECONDS_PER_HOUR: u32 = 3600;

/// The value of one subtask at a price per hour: `ceil(price * subtask_timeout / 3600)`; `None` above 96 bits.
///
/// In tender mode this is what is paid, in metered mode the most that is.
pub fn subtask_value(price: Wei, subtask_timeout_s: u32) -> Option<Wei> {
    price.ratio_rounded_up(subtask_timeout_s as u64, SECONDS_PER_HOUR as u128)
}

/// What is due for `fuel` burnt: in tender mode the value, in metered mode what [`metered_due`] says, at most the value.
pub fn due_for(pricing: Pricing, agreement: &Agreement, value: Wei, fuel: Fuel) -> Wei {
    match pricing {
        Pricing::Tender => value,
        Pricing::Metered => metered_due(agreement.price, agreement.fuel_rate, value, fuel),
    }
}

/// What metered work costs: `min(ceil(price * fuel / (fuel_rate * 3600)), budget)`; the budget where the rate is 0.
pub fn metered_due(price: Wei, fuel_rate: u64, budget: Wei, fuel: Fuel) -> Wei {
    let hour = fuel_rate as u128 * SECONDS_PER_HOUR as u128;
    price.ratio_rounded_up(fuel.0, hour).unwrap_or(budget).min(budget)
}

/// What is due for a result, once it is accepted; nothing for a failure or a subtask that was not agreed.
pub fn due(pricing: Pricing, agreement: &Agreement, result: &SubtaskResult) -> Wei {
    match (&result.outcome, agreement.subtask(result.index)) {
        (SubtaskOutcome::Completed { fuel, .. }, Some(subtask)) => due_for(pricing, agreement, subtask.value, *fuel),
        _ => Wei::ZERO,
    }
}
