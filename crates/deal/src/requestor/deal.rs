//! One agreed batch, as the requestor keeps it.

use crate::Keys;
use crate::record::{Record, RecoverError, Table, read};
use golem_protocol::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How far a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stage {
    /// Signed by us, not yet by the provider.
    Proposed,
    /// Signed by both.
    Agreed,
    /// Every subtask is decided, or free again.
    Closed,
}

/// Where one subtask of a batch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Part {
    /// Nothing was reported, or what was is being checked.
    Open,
    /// Accepted by a verdict; `paid` is in a voucher.
    Accepted { paid: Wei, answer: Answer },
    /// Not accepted by a verdict.
    Rejected { decision: Decision },
    /// Taken back: too late, cancelled or refused.
    Freed,
}

/// What came out of a subtask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    pub output: ContentHash,
    pub output_bytes: ByteCount,
    pub fuel: Fuel,
}

impl Answer {
    /// The answer in an outcome; nothing where it failed.
    pub fn of(outcome: &SubtaskOutcome) -> Option<Answer> {
        match outcome {
            SubtaskOutcome::Completed { output, output_bytes, fuel, .. } => {
                Some(Answer { output: *output, output_bytes: *output_bytes, fuel: *fuel })
            }
            SubtaskOutcome::Failed { .. } => None,
        }
    }

    /// Whether both say the same of what is paid for.
    pub fn agrees(&self, other: &Answer, pricing: Pricing) -> bool {
        self.output == other.output && (pricing == Pricing::Tender || self.fuel == other.fuel)
    }
}

/// How far the check of one result is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Check {
    Fetching,
    /// Here, and to be compared: with what is known, or with the copies of others. Since when, and why it could not be
    /// run again here, where that was tried.
    Waiting {
        since: LocalTime,
        unchecked: Option<String>,
    },
    /// Run again here; counts how often that could not be done.
    Rechecking {
        failures: u8,
    },
    Decided {
        decision: Decision,
        detail: String,
        rechecked: bool,
    },
}

/// A report under check.
#[derive(Clone, Debug)]
pub(super) struct OpenReport {
    pub report: Authentic<Report>,
    pub came: LocalTime,
    /// How long each of its results took, by this node's clock, where that is known.
    pub took_ms: BTreeMap<u32, u64>,
    pub checks: BTreeMap<u32, Check>,
}

impl OpenReport {
    /// What was reported of a subtask, where it was completed.
    pub fn answer(&self, index: u32) -> Option<Answer> {
        let result = self.report.results.iter().find(|result| result.index == index)?;
        Answer::of(&result.outcome)
    }

    /// What was said of a subtask that failed.
    pub fn failure(&self, index: u32) -> Option<(FailureKind, String)> {
        let result = self.report.results.iter().find(|result| result.index == index)?;
        match &result.outcome {
            SubtaskOutcome::Failed { kind, message } => Some((*kind, message.clone())),
            SubtaskOutcome::Completed { .. } => None,
        }
    }
}

/// A batch.
#[derive(Clone, Debug)]
pub(super) struct Deal {
    pub agreement: Authentic<Agreement>,
    pub stage: Stage,
    pub parts: BTreeMap<u32, Part>,
    /// Under check; they come again after a restart, since the provider repeats what has no verdict.
    pub reports: BTreeMap<B256, OpenReport>,
    /// By report digest. Kept to be sent again.
    pub verdicts: BTreeMap<B256, Signed<Verdict>>,
    pub proposed: LocalTime,
    pub send_again: LocalTime,
    /// When the provider last did something for this batch, or could begin it.
    pub progress: LocalTime,
    /// How many subtasks its provider runs at once, as offered; not known of a batch of an earlier run.
    pub slots: Option<u16>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct DealRecord {
    pub agreement: Signed<Agreement>,
    pub stage: Stage,
    pub parts: BTreeMap<u32, Part>,
    verdicts: BTreeMap<B256, Signed<Verdict>>,
}

impl Deal {
    pub fn new(agreement: Authentic<Agreement>, now: Now) -> Deal {
        Deal {
            parts: agreement.subtasks.iter().map(|subtask| (subtask.index, Part::Open)).collect(),
            agreement,
            stage: Stage::Proposed,
            reports: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            proposed: now.local,
            send_again: now.local.saturating_add(super::machine::RESEND_MS),
            progress: now.local,
            slots: None,
        }
    }

    pub fn provider(&self) -> NodeId {
        self.agreement.provider
    }

    /// Whether it is with the owner of an offer, as far as can be told: by its key, or by where it is paid.
    pub fn is_of(&self, offer: &Offer) -> bool {
        self.agreement.provider == offer.provider || self.agreement.payee == offer.payee
    }

    /// Subtasks neither decided nor freed.
    pub fn open_parts(&self) -> Vec<u32> {
        self.parts.iter().filter(|(_, part)| **part == Part::Open).map(|(index, _)| *index).collect()
    }

    /// Open subtasks of which nothing was reported yet.
    pub fn undone(&self) -> Vec<u32> {
        let under_check = |index: &u32| self.reports.values().any(|open| open.checks.contains_key(index));
        self.open_parts().into_iter().filter(|index| !under_check(index)).collect()
    }

    /// The results that wait for other copies, and since when.
    pub fn waiting(&self) -> impl Iterator<Item = (u32, LocalTime)> {
        let checks = self.reports.values().flat_map(|open| &open.checks);
        checks.filter_map(|(index, check)| match check {
            Check::Waiting { since, .. } => Some((*index, *since)),
            Check::Fetching | Check::Rechecking { .. } | Check::Decided { .. } => None,
        })
    }

    /// Since when the one that has waited longest does.
    pub fn waiting_since(&self) -> Option<LocalTime> {
        self.waiting().map(|(_, since)| since).min()
    }

    /// The check of a subtask that is not decided, and the report it is of.
    pub fn open_check(&mut self, index: u32) -> Option<(B256, &mut Check)> {
        self.reports.iter_mut().find_map(|(digest, open)| {
            let check = open.checks.get_mut(&index)?;
            (!matches!(check, Check::Decided { .. })).then_some((*digest, check))
        })
    }

    /// What was accepted of a subtask, and what was paid for it.
    pub fn accepted(&self, index: u32) -> Option<(Wei, Answer)> {
        match self.parts.get(&index)? {
            Part::Accepted { paid, answer } => Some((*paid, *answer)),
            Part::Open | Part::Rejected { .. } | Part::Freed => None,
        }
    }

    pub fn value_of(&self, index: u32) -> Wei {
        self.agreement.subtask(index).map_or(Wei::ZERO, |subtask| subtask.value)
    }

    /// What the open subtasks may still cost.
    pub fn open_value(&self) -> Wei {
        self.open_parts().into_iter().fold(Wei::ZERO, |sum, index| sum.saturating_add(self.value_of(index)))
    }

    /// What the open subtasks may still bring the app's author.
    pub fn open_fees(&self) -> Wei {
        self.agreement.app.of(self.open_parts().len())
    }

    /// What of a payee's channel is held back for this batch.
    pub fn reserved_for(&self, payee: Address) -> Wei {
        let value = if self.agreement.payee == payee { self.open_value() } else { Wei::ZERO };
        let fees = if self.agreement.app.payee() == Some(payee) { self.open_fees() } else { Wei::ZERO };
        value.saturating_add(fees)
    }

    /// What the app's author was paid for this batch.
    pub fn fees_paid(&self) -> Wei {
        let accepted = self.parts.values().filter(|part| matches!(part, Part::Accepted { .. }));
        self.agreement.app.of(accepted.count())
    }

    /// What the provider was paid for this batch.
    pub fn paid(&self) -> Wei {
        self.parts.values().fold(Wei::ZERO, |sum, part| match part {
            Part::Accepted { paid, .. } => sum.saturating_add(*paid),
            Part::Open | Part::Rejected { .. } | Part::Freed => sum,
        })
    }

    pub fn record(&self) -> Option<Record> {
        let record = DealRecord {
            agreement: self.agreement.signed().clone(),
            stage: self.stage,
            parts: self.parts.clone(),
            verdicts: self.verdicts.clone(),
        };
        Record::put(Table::RequestorDeal, self.agreement.digest().as_slice(), &record).ok()
    }

    pub fn recover(record: &Record, chain: &ChainRef, keys: &Keys, now: Now) -> Result<Deal, RecoverError> {
        let stored: DealRecord = read(record)?;
        let foreign = |detail: String| RecoverError::Foreign {
            table: record.table.name(),
            key: B256::left_padding_from(record.key.get(..32).unwrap_or(&record.key)),
            detail,
        };
        let agreement = stored.agreement.authenticate(chain).map_err(|error| foreign(error.to_string()))?;
        if agreement.signer() != keys.identity.address() {
            return Err(foreign(format!("it was signed by {}", agreement.signer())));
        }
        let mut deal = Deal::new(agreement, now);
        deal.stage = stored.stage;
        deal.parts = stored.parts;
        deal.verdicts = stored.verdicts;
        deal.send_again = now.local;
        Ok(deal)
    }
}
