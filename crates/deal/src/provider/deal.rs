//! One agreed batch, as the provider keeps it.

use super::interface::ComputeJob;
use crate::Keys;
use crate::record::{Record, RecoverError, Table, read};
use golem_payments::{PayeeLedger, Waiting};
use golem_protocol::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where one subtask stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stage {
    /// Agreed, not begun. A subtask that ran when the machine went down is here again.
    Waiting,
    /// Being computed.
    Running,
    /// Computed; the next report will carry it.
    Finished(SubtaskResult),
    /// In a report that waits for its verdict.
    Reported(SubtaskResult),
    /// The requestor's word.
    Decided(Decision),
    /// Given up: the time agreed is over, or the requestor wants it no more.
    Dropped,
}

/// How long what is computed waits while a report before it has no verdict, in milliseconds. Reason: a verdict comes as fast
/// as the network where nothing is to be looked at, and one report then carries what ended meanwhile. No longer, since a
/// verdict may wait for what others have of the same subtasks, and theirs for what is here.
pub(crate) const REPORT_PAUSE_MS: u64 = 250;

/// A report that has no verdict yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OpenReport {
    pub report: Authentic<Report>,
    pub first_sent: LocalTime,
    pub send_again: LocalTime,
    pub attempts: u32,
}

/// An agreed batch.
#[derive(Clone, Debug)]
pub(super) struct Deal {
    pub agreement: Authentic<Agreement>,
    pub header: Authentic<Header>,
    /// Deals are worked on in the order in which they were agreed.
    pub order: u64,
    pub subtasks: BTreeMap<u32, Stage>,
    /// Those without a verdict yet, oldest first. Each result is in one, so there are never more than subtasks.
    pub reports: Vec<OpenReport>,
}

#[derive(Serialize, Deserialize)]
struct DealRecord {
    agreement: Signed<Agreement>,
    header: Signed<Header>,
    order: u64,
    subtasks: BTreeMap<u32, Stage>,
    reports: Vec<Signed<Report>>,
}

/// A ledger and what is owed beside it. A verdict and its voucher may come apart (one repeated, one lost), so both are
/// counted: what was accepted against what was paid.
///
/// What stays owed is lent, and nothing of a deposit: with each verdict comes a voucher for all that its payer means to
/// pay in the epoch that is open, so what that leaves out (its channel ended too soon, it cheats) no later one brings, and
/// a deposit that had to cover it as well would be too small for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Account {
    pub ledger: PayeeLedger,
    /// Accepted by verdicts and not covered by a voucher.
    pub owed: Wei,
    /// Paid by vouchers ahead of the verdict that accepts.
    pub ahead: Wei,
    /// A voucher that the chain, as known here, does not pay, and who sent it. Taken again when the channel changes: after
    /// a reorg the requestor sends it no more, and what it paid must not stay owed.
    pub unsettled: Option<(NodeId, Signed<Voucher>)>,
    /// How long what can be claimed has waited; a record of its own.
    #[serde(skip)]
    pub waiting: Waiting,
}

impl Deal {
    pub fn requestor(&self) -> NodeId {
        self.agreement.requestor
    }

    /// What may still have to be paid: all that is neither decided nor dropped.
    pub fn open_value(&self) -> Wei {
        self.sum(|stage| !matches!(stage, Stage::Decided(_) | Stage::Dropped))
    }

    /// The author's fees of all that is neither decided nor dropped.
    pub fn open_fees(&self) -> Wei {
        let open = self.subtasks.values().filter(|stage| !matches!(stage, Stage::Decided(_) | Stage::Dropped));
        self.agreement.app.of(open.count())
    }

    /// The fee that comes to us with each subtask: all of it where its author is our own payee. The channel has to cover
    /// it; it is no pay for work, so neither credit nor reputation counts it.
    pub fn own_fee(&self) -> Wei {
        if self.agreement.app.payee() == Some(self.agreement.payee) { self.agreement.app.fee } else { Wei::ZERO }
    }

    /// Those fees of all that is neither decided nor dropped.
    pub fn own_open_fees(&self) -> Wei {
        if self.own_fee() == Wei::ZERO { Wei::ZERO } else { self.open_fees() }
    }

    /// Those fees of all that was begun and is not decided.
    pub fn own_begun_fees(&self) -> Wei {
        let begun = |stage: &&Stage| matches!(stage, Stage::Running | Stage::Finished(_) | Stage::Reported(_));
        let count = u64::try_from(self.subtasks.values().filter(begun).count()).unwrap_or(u64::MAX);
        self.own_fee().checked_mul(count).unwrap_or(Wei::MAX)
    }

    /// What was done and waits for its verdict.
    pub fn unpaid_work(&self) -> Wei {
        self.subtasks.values().fold(Wei::ZERO, |sum, stage| match stage {
            Stage::Finished(result) | Stage::Reported(result) => sum.saturating_add(self.worth(result)),
            Stage::Waiting | Stage::Running | Stage::Decided(_) | Stage::Dropped => sum,
        })
    }

    /// What is being computed.
    pub fn running_value(&self) -> Wei {
        self.sum(|stage| matches!(stage, Stage::Running))
    }

    fn sum(&self, counts: impl Fn(&Stage) -> bool) -> Wei {
        self.subtasks
            .iter()
            .filter(|(_, stage)| counts(stage))
            .fold(Wei::ZERO, |sum, (index, _)| sum.saturating_add(self.value_of(*index)))
    }

    pub fn value_of(&self, index: u32) -> Wei {
        self.agreement.subtask(index).map_or(Wei::ZERO, |subtask| subtask.value)
    }

    /// What is to be computed for one subtask.
    pub fn job(&self, index: u32) -> Option<ComputeJob> {
        Some(ComputeJob {
            agreement: self.agreement.digest(),
            index,
            input: self.agreement.subtask(index)?.input,
            requestor: self.requestor(),
            header: self.header.document().clone(),
            timeout_s: self.agreement.subtask_timeout_s,
        })
    }

    /// What comes to us for a result, once it is accepted.
    pub fn due(&self, result: &SubtaskResult) -> Wei {
        match &result.outcome {
            SubtaskOutcome::Completed { .. } => self.worth(result).saturating_add(self.own_fee()),
            SubtaskOutcome::Failed { .. } => Wei::ZERO,
        }
    }

    /// What the work of a result is worth.
    pub fn worth(&self, result: &SubtaskResult) -> Wei {
        due(self.header.pricing, &self.agreement, result)
    }

    /// From when on what is computed may be reported, where anything is.
    pub fn report_due(&self) -> Option<LocalTime> {
        let anything = self.subtasks.values().any(|stage| matches!(stage, Stage::Finished(_)));
        let after = self.reports.last().map_or(LocalTime(0), |last| last.first_sent.saturating_add(REPORT_PAUSE_MS));
        anything.then_some(after)
    }

    pub fn is_over(&self) -> bool {
        self.reports.is_empty()
            && self.subtasks.values().all(|stage| matches!(stage, Stage::Decided(_) | Stage::Dropped))
    }

    pub fn record(&self) -> Option<Record> {
        let record = DealRecord {
            agreement: self.agreement.signed().clone(),
            header: self.header.signed().clone(),
            order: self.order,
            subtasks: self.subtasks.clone(),
            reports: self.reports.iter().map(|open| open.report.signed().clone()).collect(),
        };
        Record::put(Table::ProviderDeal, self.agreement.digest().as_slice(), &record).ok()
    }

    /// The end of its record.
    pub fn deleted(agreement: &B256) -> Record {
        Record { table: Table::ProviderDeal, key: agreement.to_vec(), value: None }
    }

    pub fn recover(record: &Record, chain: &ChainRef, keys: &Keys, now: Now) -> Result<Deal, RecoverError> {
        let stored: DealRecord = read(record)?;
        let foreign = |detail: String| RecoverError::Foreign {
            table: record.table.name(),
            key: B256::left_padding_from(record.key.get(..32).unwrap_or(&record.key)),
            detail,
        };
        let agreement = stored.agreement.authenticate(chain).map_err(|error| foreign(error.to_string()))?;
        let header = stored.header.authenticate(chain).map_err(|error| foreign(error.to_string()))?;
        if agreement.provider.0 != keys.identity.address() {
            return Err(foreign(format!("it was agreed by {}", agreement.provider)));
        }
        let mut reports = Vec::new();
        for report in stored.reports {
            let report = report.authenticate(chain).map_err(|error| foreign(error.to_string()))?;
            reports.push(OpenReport { report, first_sent: now.local, send_again: now.local, attempts: 0 });
        }
        let subtasks = stored
            .subtasks
            .into_iter()
            .map(|(index, stage)| (index, if stage == Stage::Running { Stage::Waiting } else { stage }))
            .collect();
        Ok(Deal { agreement, header, order: stored.order, subtasks, reports })
    }
}

impl Account {
    pub fn new(channel: ChannelId) -> Account {
        Account {
            ledger: PayeeLedger::new(channel),
            owed: Wei::ZERO,
            ahead: Wei::ZERO,
            unsettled: None,
            waiting: Waiting::default(),
        }
    }

    /// A verdict accepted work of this worth.
    pub fn accept(&mut self, amount: Wei) {
        let covered = self.ahead.min(amount);
        self.ahead = self.ahead.saturating_sub(covered);
        self.owed = self.owed.saturating_add(amount.saturating_sub(covered));
    }

    /// A voucher brought this much more.
    pub fn pay(&mut self, amount: Wei) {
        let covered = self.owed.min(amount);
        self.owed = self.owed.saturating_sub(covered);
        self.ahead = self.ahead.saturating_add(amount.saturating_sub(covered));
    }

    /// What a voucher held of the present epoch takes of the deposit beyond what was taken as payment.
    pub fn signed_beyond(&self) -> Wei {
        let held = self.ledger.best().map_or(Wei::ZERO, |best| best.document.cumulative);
        held.saturating_sub(self.ledger.earned())
    }

    /// The higher of what could not be taken yet and `voucher`.
    pub fn keep_unsettled(&mut self, from: NodeId, voucher: &Authentic<Voucher>) {
        let known = self.unsettled.as_ref().map(|(_, known)| (known.document.epoch, known.document.cumulative));
        if known.is_none_or(|known| known < (voucher.epoch, voucher.cumulative)) {
            self.unsettled = Some((from, voucher.signed().clone()));
        }
    }

    /// Takes note that what can be claimed may have changed; to be called whenever the ledger has.
    pub fn counts_waiting(&mut self, now: ChainTime) {
        self.waiting.observe(self.ledger.claimable(), now);
    }

    pub fn records(&self) -> Vec<Record> {
        let payer = self.ledger.channel().payer;
        let ledger = Record::put(Table::Payee, payer.as_slice(), self);
        let waiting = Record::put(Table::Waiting, payer.as_slice(), &self.waiting);
        [ledger, waiting].into_iter().flatten().collect()
    }
}
