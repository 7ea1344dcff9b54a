//! What a requestor makes of what it saw: how likely a provider's next result is right, and how closely to look.

use crate::PSI;
use crate::ratio::Ratio;
use crate::requestor::Outcome;
use serde::{Deserialize, Serialize};

/// The weight of price against quality: the `alpha` of the formulas.
pub const ALPHA: Ratio = Ratio::from_parts(670_000_000);
/// How many subtasks' worth of distrust everybody starts with: the `d` of the formulas.
pub const DISTRUST: u64 = 5;
/// What a newcomer is taken for before any newcomer was seen.
const NEWCOMER_START: Ratio = Ratio::from_parts(900_000_000);
/// Never less: newcomers stay worth a try now and then.
const NEWCOMER_MIN: Ratio = Ratio::from_parts(50_000_000);
/// What is taken for the least share of newcomers' results that was run again, where a wrong one is counted for those
/// that were not. Reason: no single one is to say more than that half of them cheat.
const LOOKED_AT_MIN: Ratio = Ratio::from_parts(100_000_000);

/// The numbers in the rules of a requestor. Nodes leave them as they are; simulations vary them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// Published: the weight of price against quality; .67.
    pub alpha: Ratio,
    /// Published: how many subtasks' worth of distrust everybody starts with, at least 1; 5.
    pub distrust: u64,
    /// Both: how much of the past stays with each new subtask, at most .99; .9.
    pub psi: Ratio,
    /// Ours: below this chance of success a provider is always in doubt; .6.
    pub trust_min: Ratio,
    /// Ours: from this chance of success on it never is, and between the two where it does worse than newcomers; .8.
    pub trust_max: Ratio,
    /// How many subtasks' worth of evidence the success of newcomers stands for, where a single one is judged; 2.
    pub prior_weight: Ratio,
    /// How much worse a result is that was wrong or could not be had than one that did not come; 50. Reason: where one in
    /// ten is run again, each that is found wrong stands for nine that were not.
    pub rejected_weight: Ratio,
    /// The success at which a provider's results are no more run again than the task says; 3, what four in a row leave.
    /// Reason: a new name costs little, so what it can take before it is looked at must be worth less.
    pub probation: Ratio,
    /// Where this share of newcomers fails or more, all of a newcomer's first results are run again, and fewer where
    /// fewer do; .05.
    pub newcomers_bad: Ratio,
    /// How much a newcomer's first outcome counts in the rate of all newcomers, and a price in the reference; .05.
    pub learning: Ratio,
    /// What the failure of a subtask costs, as a share of what its success is worth at most: it is late; .1.
    pub failure_cost: Ratio,
    /// What a whole timeout of waiting for the result costs, as the same share; .02.
    pub time_cost: Ratio,
    /// One in so many subtasks may go to providers in doubt; 200.
    pub doubt_one_in: u64,
}

impl Default for Numbers {
    fn default() -> Numbers {
        let thousandths = |parts: u64| Ratio::from_parts(parts * (Ratio::ONE.parts() / 1_000));
        Numbers {
            alpha: ALPHA,
            distrust: DISTRUST,
            psi: PSI,
            trust_min: thousandths(600),
            trust_max: thousandths(800),
            prior_weight: thousandths(2_000),
            rejected_weight: thousandths(50_000),
            probation: thousandths(3_000),
            newcomers_bad: thousandths(50),
            learning: thousandths(50),
            failure_cost: thousandths(100),
            time_cost: thousandths(20),
            doubt_one_in: 200,
        }
    }
}

impl Numbers {
    /// `1 / (1 - psi)`, rounded to the nearest: what an entry of the efficacy vector tends to when the same thing happens
    /// for ever.
    pub(crate) fn steady(&self) -> u64 {
        let (one, new) = (Ratio::ONE.parts(), Ratio::ONE.minus(self.psi).parts());
        (one + new / 2).checked_div(new).unwrap_or(u64::MAX)
    }

    /// The most that the entries of an efficacy vector can add up to.
    pub(crate) fn weight_max(&self) -> Ratio {
        let (one, new) = (Ratio::ONE.parts(), Ratio::ONE.minus(self.psi).parts());
        Ratio::of_rounded_down(u128::from(one), u128::from(new)).plus(Ratio::from_parts(1))
    }

    /// A step from one value towards another.
    pub(crate) fn towards(&self, from: Ratio, to: Ratio) -> Ratio {
        step(from, to, self.learning)
    }
}

fn step(from: Ratio, to: Ratio, share: Ratio) -> Ratio {
    from.times_rounded_down(Ratio::ONE.minus(share)).plus(to.times_rounded_down(share))
}

/// What became of a provider's subtasks, the newest counting most. All entries together are at most `1 / (1 - psi)`, 10.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Efficacy {
    /// `s`: accepted.
    pub success: Ratio,
    /// `t`: no report in time.
    pub timed_out: Ratio,
    /// `f`: the provider said it failed.
    pub failed: Ratio,
    /// `r`: wrong, or no result to be had.
    pub rejected: Ratio,
}

impl Efficacy {
    /// `q = (1 + s) / (d + s + t + f + r)` with the published `d`, rounded down.
    pub fn quality(&self) -> Ratio {
        self.quality_from(DISTRUST)
    }

    /// The same with another `d`.
    pub(crate) fn quality_from(&self, distrust: u64) -> Ratio {
        let (good, all) = self.quality_fraction(distrust);
        Ratio::of_rounded_down(good, all)
    }

    /// How much evidence there is, of either kind.
    pub(crate) fn weight(&self) -> Ratio {
        self.success.plus(self.timed_out).plus(self.failed).plus(self.rejected)
    }

    pub(crate) fn quality_fraction(&self, distrust: u64) -> (u128, u128) {
        let good = Ratio::ONE.plus(self.success).parts() as u128;
        let all = Ratio::from_parts(distrust * Ratio::ONE.parts()).plus(self.weight()).parts() as u128;
        (good, all)
    }

    pub(crate) fn after(&self, outcome: Outcome, psi: Ratio) -> Efficacy {
        let mut next = Efficacy {
            success: self.success.times_rounded_down(psi),
            timed_out: self.timed_out.times_rounded_down(psi),
            failed: self.failed.times_rounded_down(psi),
            rejected: self.rejected.times_rounded_down(psi),
        };
        let entry = match outcome {
            Outcome::Success { .. } => &mut next.success,
            Outcome::TimedOut => &mut next.timed_out,
            Outcome::Failed => &mut next.failed,
            Outcome::Rejected => &mut next.rejected,
        };
        *entry = entry.plus(Ratio::ONE);
        next
    }
}

/// How the first subtask of newcomers ends, the latest counting most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Newcomers(Ratio);

impl Default for Newcomers {
    fn default() -> Newcomers {
        Newcomers(NEWCOMER_START)
    }
}

impl Newcomers {
    /// The chance that a provider's next subtask succeeds: what newcomers do, corrected by what it did.
    pub(crate) fn chance(self, numbers: &Numbers, efficacy: &Efficacy) -> Ratio {
        let Efficacy { success, timed_out, failed, rejected } = *efficacy;
        let weight = numbers.prior_weight;
        let prior = self.0.times_rounded_down(weight).parts() as u128;
        let good = success.parts() as u128;
        let bad = timed_out.plus(failed).plus(rejected.times_rounded_down(numbers.rejected_weight)).parts() as u128;
        Ratio::of_rounded_down(prior + good, weight.parts() as u128 + good + bad).max(Ratio::from_parts(1_000))
    }

    /// The chance of success below which a provider is in doubt: that of a newcomer, within what is set. Reason: where
    /// newcomers do well, trying one is better than whoever is known to do worse; where they do not, hardly anybody would be
    /// left.
    pub(crate) fn trust(self, numbers: &Numbers) -> Ratio {
        self.chance(numbers, &Efficacy::default()).min(numbers.trust_max).max(numbers.trust_min)
    }

    /// Which share of a newcomer's first results is run again at least.
    fn looked_at(self, numbers: &Numbers) -> Ratio {
        let failing = Ratio::ONE.minus(self.0);
        Ratio::of_rounded_down(failing.parts() as u128, numbers.newcomers_bad.parts() as u128).min(Ratio::ONE)
    }

    /// Which share of the results of a provider with this success is run again, where a task asks for `base`: where many
    /// newcomers fail all of the first, falling to what is asked for as it proves right.
    pub(crate) fn recheck(self, numbers: &Numbers, success: Ratio, base: Ratio) -> Ratio {
        let probation = numbers.probation;
        let left = Ratio::of_rounded_down(probation.minus(success).parts() as u128, probation.parts() as u128);
        base.plus(Ratio::ONE.minus(base).times_rounded_down(left).times_rounded_down(self.looked_at(numbers)))
    }

    /// Counts an outcome of a provider whose success was this before, and whether it was its first.
    ///
    /// A wrong result counts for those that nobody looked at: the fewer are run again, the more.
    pub(crate) fn count(&mut self, numbers: &Numbers, success: Ratio, is_first: bool, outcome: Outcome) {
        let to = match outcome {
            Outcome::Success { .. } if is_first => step(self.0, Ratio::ONE, numbers.learning),
            Outcome::TimedOut | Outcome::Failed if is_first => step(self.0, Ratio::ZERO, numbers.learning),
            Outcome::Rejected if is_first || success < numbers.probation => {
                let looked_at = self.recheck(numbers, success, Ratio::ZERO).max(LOOKED_AT_MIN);
                let share = Ratio::of_rounded_down(numbers.learning.parts() as u128, looked_at.parts() as u128);
                step(self.0, Ratio::ZERO, share.min(Ratio::ONE))
            }
            Outcome::Success { .. } | Outcome::TimedOut | Outcome::Failed | Outcome::Rejected => return,
        };
        self.0 = to.max(NEWCOMER_MIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_as_many_subtasks_as_psi_leaves() {
        for (psi, steady) in [(0, 1), (500_000_000, 2), (900_000_000, 10), (990_000_000, 100)] {
            let numbers = Numbers { psi: Ratio::from_parts(psi), ..Numbers::default() };
            assert_eq!(numbers.steady(), steady);
            let mut efficacy = Efficacy::default();
            for _ in 0..3_000 {
                efficacy = efficacy.after(Outcome::Failed, numbers.psi);
                assert!(efficacy.weight() <= numbers.weight_max());
            }
            let short = Ratio::from_parts(steady * Ratio::ONE.parts()).minus(efficacy.failed);
            assert!(short < Ratio::from_parts(1_000), "{steady}: {}", efficacy.failed);
        }
    }
}
