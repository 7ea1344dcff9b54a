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
    /// Every subtask is done by several providers with different owners, and their results are compared.
    Redundancy {
        /// How many: 2 or 3.
        copies: u8,
        /// The share that is computed again besides, in parts per million.
        fraction_ppm: u32,
    },
    /// As many results of each provider are computed again as it takes that a wrong one is expected to lose whoever
    /// gives it.
    Adaptive {
        /// Never less, in parts per million.
        floor_ppm: u32,
    },
}

/// The share that is computed again where nothing is said, in parts per million: a tenth. Reason: a result that nobody
/// looks at can be anything, and where none is, whoever computes nothing asks least and gets most of the work
/// (docs/ECONOMY.md, "Copies in the market"); a tenth costs little of this machine's time.
pub const RECHECK_PPM: u32 = 100_000;
/// The most of the subtasks handed out whose result may be known, in parts per million: a half.
pub const KNOWN_PPM_MAX: u32 = PPM / 2;
/// How many providers a subtask can be given to for comparison: two, or three, of which one that lies is outvoted.
pub const COPIES: core::ops::RangeInclusive<u8> = 2..=3;
/// The least share that is checked in an adaptive task, in parts per million. Reason: one result in a hundred tells of
/// whoever turns bad although it has much to lose.
pub const FLOOR_PPM: u32 = 10_000;

impl Default for Verification {
    fn default() -> Verification {
        Verification::Recheck { fraction_ppm: RECHECK_PPM }
    }
}

/// Whether subtasks that somebody is late with are given to another besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hedging {
    /// Never.
    Off,
    /// One in [`HEDGES_CHEAP_ONE_IN`] at most, and only where the time saved is worth it.
    #[default]
    Cheap,
    /// Any, where the time saved is worth it.
    On,
}

/// One subtask in so many may be given out a second time without having been asked for. Reason: a twentieth of the price
/// for a task that does not wait for its slowest machine; tasks of fewer subtasks get none.
pub const HEDGES_CHEAP_ONE_IN: u32 = 20;

impl Hedging {
    /// How many subtasks may be given out a second time.
    pub fn hedges_max(self, subtasks: u32) -> u32 {
        match self {
            Hedging::Off => 0,
            Hedging::Cheap => subtasks / HEDGES_CHEAP_ONE_IN,
            Hedging::On => subtasks,
        }
    }
}

/// Whether the copies of one subtask may be done at one address on the internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CopyAddresses {
    /// No, where the addresses tell anything.
    Distinct,
    /// Yes: keys and payees that differ are enough.
    Any,
}

/// What is given out more than once, besides the copies of a redundant task, and where those copies may be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extras {
    /// Where copies may be done; `None` leaves it to the node's settings.
    pub copy_addresses: Option<CopyAddresses>,
    /// Which share of the subtasks handed out has a known result, in parts per million: whoever gets one cannot tell.
    pub known_ppm: u32,
    /// Second copies of what somebody is late with.
    pub hedging: Hedging,
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

/// Why a text says nothing of how results are checked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanTextError {
    /// Another word, or numbers where they do not belong.
    #[error(
        "`{text}` is no way to check results; write none, recheck:0.1 for a tenth of them, redundancy:2 for two providers \
         each, redundancy:2+recheck:0.1 for both, or adaptive"
    )]
    Unknown {
        /// The text.
        text: String,
    },
    /// A number of copies that is not allowed.
    #[error("{got} copies of each subtask; write 2, or 3, where one that lies is outvoted")]
    Copies {
        /// How many.
        got: u8,
    },
    /// Nothing would be checked.
    #[error("an adaptive task always checks something; write a least share above 0, such as 0.01")]
    Floor,
    /// A share that is none.
    #[error(transparent)]
    Share(#[from] VerificationError),
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

    /// The least share of results that are computed again, in parts per million: what the header says.
    pub fn recheck_ppm(self) -> u32 {
        match self {
            Verification::None => 0,
            Verification::Recheck { fraction_ppm } | Verification::Redundancy { fraction_ppm, .. } => {
                fraction_ppm.min(PPM)
            }
            Verification::Adaptive { floor_ppm } => floor_ppm.min(PPM),
        }
    }

    /// How many providers each subtask is given to.
    pub fn copies(self) -> u8 {
        match self {
            Verification::None | Verification::Recheck { .. } | Verification::Adaptive { .. } => 1,
            Verification::Redundancy { copies, .. } => copies,
        }
    }

    /// Reads how results are checked: `none`, `recheck` or `recheck:0.1` with the share, `redundancy:2`, `redundancy:2+recheck:0.1`, `adaptive` or
    /// `adaptive:0.05` with the least share.
    ///
    /// Errors: something else, with what can be written.
    pub fn parse(text: &str) -> Result<Verification, PlanTextError> {
        let bad = || PlanTextError::Unknown { text: text.chars().take(40).collect() };
        let (first, second) = text.split_once('+').map_or((text, None), |(first, second)| (first, Some(second)));
        let (plan, number) = first.split_once(':').map_or((first, None), |(plan, number)| (plan, Some(number)));
        let extra = match second.map(|second| second.strip_prefix("recheck:").ok_or_else(bad)) {
            None => None,
            Some(share) => Some(Verification::parse_fraction(share?)?),
        };
        match (plan, number, extra) {
            ("none", None, None) => Ok(Verification::None),
            ("recheck", None, None) => Ok(Verification::default()),
            ("recheck", Some(share), None) => {
                Ok(Verification::Recheck { fraction_ppm: Verification::parse_fraction(share)? })
            }
            ("redundancy", Some(number), extra) => {
                let copies = number.parse().map_err(|_| bad())?;
                Verification::redundancy(copies, extra.unwrap_or_default())
            }
            ("adaptive", None, None) => Ok(Verification::Adaptive { floor_ppm: FLOOR_PPM }),
            ("adaptive", Some(share), None) => Verification::adaptive(Verification::parse_fraction(share)?),
            _ => Err(bad()),
        }
    }

    /// Several providers for each subtask. Errors: not 2 or 3.
    pub fn redundancy(copies: u8, fraction_ppm: u32) -> Result<Verification, PlanTextError> {
        if !COPIES.contains(&copies) {
            return Err(PlanTextError::Copies { got: copies });
        }
        Ok(Verification::Redundancy { copies, fraction_ppm })
    }

    /// As much as it takes, and this share at least. Errors: a share of 0, by which a provider could be paid unseen for ever.
    pub fn adaptive(floor_ppm: u32) -> Result<Verification, PlanTextError> {
        if floor_ppm == 0 {
            return Err(PlanTextError::Floor);
        }
        Ok(Verification::Adaptive { floor_ppm })
    }
}

/// Whether a result is among the share that is computed again.
///
/// Each is chosen by itself, by a hash under a secret of the requestor: who does not know the secret cannot tell,
/// however many choices it has seen; who does gets the same answer at any time.
pub fn chooses(share_ppm: u32, secret: &[u8; 32], task: B256, index: u32) -> bool {
    let mut hasher = blake3::Hasher::new_keyed(secret);
    hasher.update(b"golem recheck 1").update(task.as_slice()).update(&index.to_le_bytes());
    let mut word = [0u8; 8];
    hasher.finalize_xof().fill(&mut word);
    // 64 bits against a million: what the remainder favours is below one in 10^13.
    u64::from_le_bytes(word) % u64::from(PPM) < u64::from(share_ppm.min(PPM))
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
    /// The most all of them can cost, every copy included, the budget aside.
    pub total_max: Wei,
    /// How many providers each subtask is given to.
    pub copies: u8,
    /// How many results are paid at most to check the others: copies, known answers.
    pub checks_paid_max: u32,
    /// How many subtasks may be given out a second time because somebody is late.
    pub hedges_max: u32,
    /// The budget, which is never passed.
    pub budget: Wei,
    /// How many subtasks the requestor is likely to compute again itself, rounded up.
    pub rechecks: u32,
}

impl CostEstimate {
    /// The same with an author's fee; `None` where an amount passes what a channel can hold.
    pub fn with_fee(self, fee: Wei) -> Option<CostEstimate> {
        let total_max = self.subtask_max.checked_add(fee)?.checked_mul(self.paid_max())?;
        Some(CostEstimate { fee, total_max, ..self })
    }

    /// How many results are paid at most, the budget aside.
    fn paid_max(&self) -> u64 {
        u64::from(self.subtasks) + u64::from(self.checks_paid_max) + u64::from(self.hedges_max)
    }

    /// The most that checking the results can cost in GNT, the budget aside; what is computed again here costs none.
    pub fn checks_max(&self) -> Wei {
        self.subtask_max.saturating_add(self.fee).checked_mul(self.checks_paid_max.into()).unwrap_or(Wei::MAX)
    }

    /// The most that second copies of what somebody is late with can cost in GNT, the budget aside.
    pub fn hedges_cost_max(&self) -> Wei {
        self.subtask_max.saturating_add(self.fee).checked_mul(self.hedges_max.into()).unwrap_or(Wei::MAX)
    }

    /// The most that authors' fees come to.
    pub fn fees_max(&self) -> Wei {
        self.fee.checked_mul(self.results_affordable()).unwrap_or(Wei::MAX)
    }

    /// The estimate for a highest price per hour, of an app without a fee; `None` where an amount passes what a channel can
    /// hold.
    pub fn new(
        subtasks: u32,
        price_max: Wei,
        timeout_s: u32,
        budget: Wei,
        verification: Verification,
        extras: Extras,
    ) -> Option<CostEstimate> {
        let subtask_max = subtask_value(price_max, timeout_s)?;
        let copies = verification.copies();
        let handed_out = u64::from(subtasks) * u64::from(copies);
        // A known one takes the place of another, which is then handed out besides: k of (1 - k).
        let known_ppm = u64::from(extras.known_ppm.min(KNOWN_PPM_MAX));
        let known = (handed_out * known_ppm).div_ceil(u64::from(PPM) - known_ppm);
        let checks_paid_max = u32::try_from(handed_out - u64::from(subtasks) + known).ok()?;
        let rechecks = (u64::from(subtasks) * u64::from(verification.recheck_ppm())).div_ceil(u64::from(PPM)) as u32;
        let estimate = CostEstimate {
            subtasks,
            subtask_max,
            fee: Wei::ZERO,
            total_max: Wei::ZERO,
            copies,
            checks_paid_max,
            hedges_max: extras.hedging.hedges_max(subtasks),
            budget,
            rechecks,
        };
        estimate.with_fee(Wei::ZERO)
    }

    /// How many results the budget pays for at the highest price, fees included.
    fn results_affordable(&self) -> u64 {
        match self.budget.0.checked_div(self.subtask_max.saturating_add(self.fee).0) {
            Some(count) => u64::try_from(count).unwrap_or(u64::MAX).min(self.paid_max()),
            None => self.paid_max(),
        }
    }

    /// How many subtasks the budget pays for at the highest price, with all their copies and fees.
    pub fn affordable(&self) -> u32 {
        let subtasks = self.results_affordable() / u64::from(self.copies.max(1));
        u32::try_from(subtasks).unwrap_or(u32::MAX).min(self.subtasks)
    }
}
