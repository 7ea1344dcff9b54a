//! What a subtask is worth in money.

use crate::ratio::mul_div;
use golem_protocol::{Fuel, Wei};

/// The seconds that a price is for.
pub const SECONDS_PER_HOUR: u64 = 3600;

/// Tender mode: `ceil(price * subtask_timeout / 3600)`.
///
/// `None` where that is more than 96 bits hold. Rounded up, in favour of the one who works.
pub fn subtask_value(price: Wei, subtask_timeout_s: u32) -> Option<Wei> {
    price.ratio_rounded_up(subtask_timeout_s as u64, SECONDS_PER_HOUR)
}

/// Metered mode: `min(ceil(price * usage / 3600), budget)` where the usage is `fuel / fuel_rate` seconds.
///
/// Exact to the wei: usage is never rounded by itself. A `fuel_rate` of 0, which no agreement may hold, costs the budget.
pub fn metered_value(price: Wei, fuel: Fuel, fuel_rate: u64, budget: Wei) -> Wei {
    match mul_div(price.0, fuel.0 as u128, fuel_rate as u128 * SECONDS_PER_HOUR as u128) {
        Some((whole, cut)) => Wei(whole.saturating_add(cut as u128)).min(budget),
        None => budget,
    }
}
