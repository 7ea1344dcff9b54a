//! A whole cut into shares.

/// Where a share of a whole starts and ends; shares differ by one at most.
pub fn share(total: u64, parts: u64, index: u64) -> (u64, u64) {
    let edge = |at: u64| (u128::from(total) * u128::from(at) / u128::from(parts.max(1))) as u64;
    (edge(index), edge(index + 1))
}
