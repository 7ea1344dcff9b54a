//! How results are checked, and what a task can cost.

use golem_protocol::{B256, Wei, subtask_value};
use serde::{Deserialize, Serialize};

/// Parts per million that make a whole.
pub const PPM: u32 = 1_000_000;

/// How a requestor convinces itself that results are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verification {
    /// Not at all: results are taken as they come.
    None,
    /// A share of the results is computed again by the requestor itself and compared to the bit.
    Recheck {
        /// The share, in parts per million.
        fraction_ppm: u32,
    },
}

/// Why a text is no share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a share of results; write a decimal between 0 and 1 with at most six decimals, such as \"0.05\""
)]
pub struct VerificationError {
    /// The text.
    pub text: String,
}

impl Verification {
    /// A share written as a decimal, such as `0.05`. Errors: not between 0 and 1, or more than six decimals.
    pub fn parse_fraction(text: &str) -> Result<u32, VerificationError> {
        let bad = || VerificationError { text: text.chars().take(40).collect() };
        let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
        if whole.len() > 1 || part.len() > 6 || (whole.is_empty() && part.is_empty()) {
            return Err(bad());
        }
        if !whole.chars().chain(part.chars()).all(|c| c.is_ascii_digit()) {
            return Err(bad());
        }
        let ppm: u32 = format!("{whole}{part:0<6}").parse().map_err(|_| bad())?;
        if ppm > PPM { Err(bad()) } else { Ok(ppm) }
    }

    /// The share of results that are computed again, in parts per million.
    pub fn recheck_ppm(self) -> u32 {
        match self {
            Verification::None => 0,
            Verification::Recheck { fraction_ppm } => fraction_ppm.min(PPM),
        }
    }

    /// Whether a result is to be computed again.
    ///
    /// Each is chosen by itself, by a hash under a secret of the requestor: who does not know the secret cannot tell,
    /// however many choices it has seen; who does gets the same answer at any time.
    pub fn chooses(self, secret: &[u8; 32], task: B256, index: u32) -> bool {
        let mut hasher = blake3::Hasher::new_keyed(secret);
        hasher.update(b"golem recheck 1").update(task.as_slice()).update(&index.to_le_bytes());
        let mut word = [0u8; 8];
        hasher.finalize_xof().fill(&mut word);
        // 64 bits against a million: what the remainder favours is below one in 10^13.
        u64::from_le_bytes(word) % u64::from(PPM) < u64::from(self.recheck_ppm())
    }
}

/// What a task can cost at most, known before anything is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostEstimate {
    /// How many subtasks are paid.
    pub subtasks: u32,
    /// The most the work of one of them can cost: the highest price for the whole timeout.
    pub subtask_max: Wei,
    /// What the app's author gets for each that is accepted.
    pub fee: Wei,
    /// The most all of them can cost, the budget aside.
    pub total_max: Wei,
    /// The budget, which is never passed.
    pub budget: Wei,
    /// How many subtasks the requestor is likely to compute again itself, rounded up.
    pub rechecks: u32,
}

impl CostEstimate {
    /// The same with an author's fee; `None` where an amount passes what a channel can hold.
    pub fn with_fee(self, fee: Wei) -> Option<CostEstimate> {
        let total_max = self.subtask_max.checked_add(fee)?.checked_mul(self.subtasks.into())?;
        Some(CostEstimate { fee, total_max, ..self })
    }

    /// The most that authors' fees come to.
    pub fn fees_max(&self) -> Wei {
        self.fee.checked_mul(self.affordable().into()).unwrap_or(Wei::MAX)
    }

    /// The estimate for a highest price per hour, of an app without a fee; `None` where an amount passes what a channel can hold.
    pub fn new(
        subtasks: u32,
        price_max: Wei,
        timeout_s: u32,
        budget: Wei,
        verification: Verification,
    ) -> Option<CostEstimate> {
        let subtask_max = subtask_value(price_max, timeout_s)?;
        let total_max = subtask_max.checked_mul(subtasks.into())?;
        let rechecks = (u64::from(subtasks) * u64::from(verification.recheck_ppm())).div_ceil(u64::from(PPM)) as u32;
        Some(CostEstimate { subtasks, subtask_max, fee: Wei::ZERO, total_max, budget, rechecks })
    }

    /// How many subtasks the budget pays for at the highest price, fees included.
    pub fn affordable(&self) -> u32 {
        match self.budget.0.checked_div(self.subtask_max.saturating_add(self.fee).0) {
            Some(count) => u32::try_from(count).unwrap_or(u32::MAX).min(self.subtasks),
            None => self.subtasks,
        }
    }
}
