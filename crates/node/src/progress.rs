//! What the shell knows of each task besides the machine: its names, who did how much, who waits for the end.

use crate::error::TaskError;
use crate::note::{TaskBegun, TaskGathered, TaskNote, TaskShares};
use crate::prepared::{CheckCost, ProviderShare, TaskReport};
use golem_deal::{PaidShare, TaskStatus};
use golem_market::CheckRate;
use golem_protocol::{Address, Header, LocalTime, NodeId, Signed, Wei};
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::oneshot;

/// Providers whose share of one task is kept. Reason: as many as the machine keeps offers of.
const SHARES_MAX: usize = 4096;

/// What an earlier run, or the owner who began it, left on record of a task.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) note: TaskNote,
    pub(crate) begun: TaskBegun,
    pub(crate) shares: TaskShares,
    pub(crate) gathered: Option<TaskGathered>,
}

/// One task, seen from outside.
pub(crate) struct Progress {
    pub(crate) note: TaskNote,
    pub(crate) begun: TaskBegun,
    /// Which results were gathered.
    pub(crate) gathered: Option<TaskGathered>,
    /// Announced again to whoever starts to listen.
    pub(crate) announced: Option<Signed<Header>>,
    pub(crate) shares: BTreeMap<NodeId, ProviderShare>,
    /// What was run again here.
    checks: CheckCost,
    /// Who began to fetch the program, where it is large; only those that have a batch.
    pub(crate) program_fetched: BTreeSet<NodeId>,
    /// The shares have changed since they were saved.
    pub(crate) unsaved: bool,
    began: LocalTime,
    waiting: Vec<oneshot::Sender<Result<TaskReport, TaskError>>>,
    budget_reached: bool,
    /// Its owner wants nothing new agreed.
    halted: bool,
    /// Every event of the task is out, so nothing is missing in the shares.
    told_finished: bool,
    last_detail: String,
}

impl Progress {
    pub(crate) fn new(kept: Kept, began: LocalTime) -> Progress {
        let Kept { note, begun, shares, gathered } = kept;
        Progress {
            note,
            begun,
            gathered,
            announced: None,
            shares: shares.providers.into_iter().map(|share| (share.provider, share)).collect(),
            checks: shares.checks,
            program_fetched: BTreeSet::new(),
            unsaved: false,
            began,
            waiting: Vec::new(),
            budget_reached: false,
            halted: false,
            told_finished: false,
            last_detail: String::new(),
        }
    }

    /// Somebody waits for the end; the time counts from now.
    pub(crate) fn wait(&mut self, now: LocalTime) -> oneshot::Receiver<Result<TaskReport, TaskError>> {
        let (sender, receiver) = oneshot::channel();
        // Whoever has left waits no more.
        self.waiting.retain(|waiting| !waiting.is_closed());
        if self.waiting.is_empty() {
            self.began = now;
            self.budget_reached = false;
            self.halted = false;
        }
        self.waiting.push(sender);
        receiver
    }

    fn share(&mut self, provider: NodeId) -> Option<&mut ProviderShare> {
        if !self.shares.contains_key(&provider) && self.shares.len() >= SHARES_MAX {
            return None;
        }
        self.unsaved = true;
        Some(self.shares.entry(provider).or_insert_with(|| ProviderShare {
            provider,
            payee: None,
            offered_price_wei_per_hour: Wei::ZERO,
            score_ppm: 0,
            subtasks: 0,
            rejected: 0,
            paid_wei: Wei::ZERO,
            check: None,
        }))
    }

    pub(crate) fn offered(&mut self, provider: NodeId, price: Wei, score_ppm: u64) {
        if let Some(share) = self.share(provider) {
            share.offered_price_wei_per_hour = price;
            share.score_ppm = score_ppm;
        }
    }

    pub(crate) fn agreed(&mut self, provider: NodeId, payee: Address) {
        if let Some(share) = self.share(provider) {
            share.payee = Some(payee);
        }
    }

    pub(crate) fn accepted(&mut self, provider: NodeId, paid: Wei) {
        if let Some(share) = self.share(provider) {
            share.subtasks = share.subtasks.saturating_add(1);
            share.paid_wei = share.paid_wei.saturating_add(paid);
        }
    }

    /// What a provider was paid for before this run, by the deals: what is on record of the shares may be older than a kill.
    pub(crate) fn recovered(&mut self, provider: NodeId, paid: &PaidShare) {
        let Some(share) = self.share(provider) else { return };
        (share.subtasks, share.paid_wei) = (paid.subtasks, paid.paid);
        if share.payee.is_none() {
            (share.payee, share.offered_price_wei_per_hour) = (Some(paid.payee), paid.price);
        }
    }

    /// How often this provider's results are checked from now on.
    pub(crate) fn checked(&mut self, provider: NodeId, rate: CheckRate) {
        if let Some(share) = self.share(provider) {
            share.check = Some(rate);
        }
    }

    /// A result was run again here.
    pub(crate) fn own_run(&mut self, run_ms: u64, fuel: u64) {
        self.unsaved = true;
        self.checks.own_runs = self.checks.own_runs.saturating_add(1);
        self.checks.own_run_ms = self.checks.own_run_ms.saturating_add(run_ms);
        self.checks.own_run_fuel = self.checks.own_run_fuel.saturating_add(fuel);
    }

    /// What it cost to check the results so far.
    pub(crate) fn check_cost(&self, status: &TaskStatus) -> CheckCost {
        CheckCost { copies: status.copies, copies_wei: status.copies_cost, ..self.checks }
    }

    pub(crate) fn rejected(&mut self, provider: NodeId, count: u32, detail: &str) {
        self.last_detail = detail.to_owned();
        if let Some(share) = self.share(provider) {
            share.rejected = share.rejected.saturating_add(count);
        }
    }

    pub(crate) fn budget_reached(&mut self) {
        self.budget_reached = true;
    }

    /// Its owner wants nothing new agreed.
    pub(crate) fn halt(&mut self) {
        self.halted = true;
        self.announced = None;
    }

    /// What failed, by the subtask's name.
    pub(crate) fn failure(&self, index: u32, detail: &str) -> String {
        match self.note.subtask_names.get(index as usize) {
            Some(name) => format!("subtask {index} ({name}): {detail}"),
            None => format!("subtask {index}: {detail}"),
        }
    }

    pub(crate) fn finished(&mut self) {
        self.told_finished = true;
    }

    /// What failed of it is tried again: its end is still to be told.
    pub(crate) fn reopened(&mut self) {
        self.told_finished = false;
    }

    /// What to save of it.
    pub(crate) fn take_unsaved(&mut self) -> TaskShares {
        self.unsaved = false;
        TaskShares { providers: self.shares.values().cloned().collect(), checks: self.checks }
    }

    /// Tells whoever waits, once there is nothing left to do or nothing more can be paid. Tells whether it did.
    ///
    /// `unsaved` is why nothing can be saved here, while that is so: then nothing that is agreed comes to its end, and a task
    /// that was halted is left as it is.
    pub(crate) fn conclude(
        &mut self,
        status: &TaskStatus,
        failure: Option<String>,
        unsaved: Option<&str>,
        now: LocalTime,
    ) -> bool {
        if self.waiting.is_empty() {
            return false;
        }
        let open = status.subtasks.saturating_sub(status.done).saturating_sub(status.failed);
        // The machine is ahead of what it says: its words wait for the disk.
        let ended = if status.finished && self.told_finished {
            if status.failed == 0 {
                Ok(self.report(status, now))
            } else {
                let last_detail = failure.unwrap_or_else(|| self.last_detail.clone());
                Err(TaskError::Failed { failed: status.failed, subtasks: status.subtasks, last_detail })
            }
        } else if let (true, Some(detail)) = (self.halted, unsaved) {
            Err(TaskError::Unsaved { open, detail: detail.to_owned() })
        } else if (self.budget_reached || self.halted) && status.agreed == 0 && !status.finished {
            Err(if self.halted { TaskError::Halted { open } } else { TaskError::BudgetReached { open } })
        } else {
            return false;
        };
        for waiting in self.waiting.drain(..) {
            let _ = waiting.send(ended.clone());
        }
        true
    }

    fn report(&self, status: &TaskStatus, now: LocalTime) -> TaskReport {
        TaskReport {
            subtasks: status.subtasks,
            done: status.done,
            failed: status.failed,
            spent_wei: status.spent,
            fees_wei: status.fees,
            budget_wei: status.budget,
            checks: self.check_cost(status),
            wall_ms: now.saturating_sub(self.began),
            providers: self.shares.values().cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use golem_protocol::B256;

    fn status(done: u32, failed: u32, agreed: u32) -> TaskStatus {
        TaskStatus {
            header: B256::ZERO,
            subtasks: 3,
            done,
            agreed,
            failed,
            spent: Wei(done as u128 * 10),
            fees: Wei(done as u128),
            copies: 0,
            copies_cost: Wei::ZERO,
            reserved: Wei::ZERO,
            budget: Wei(100),
            offers: 1,
            finished: done + failed == 3,
        }
    }

    fn progress() -> Progress {
        let note = TaskNote::new("task".into(), vec!["a".into(), "b".into(), "c".into()], None);
        let (begun, shares) = (TaskBegun::default(), TaskShares::default());
        Progress::new(Kept { note, begun, shares, gathered: None }, LocalTime(0))
    }

    #[test]
    fn reports_who_did_how_much_when_all_is_done() {
        let (mut progress, node) = (progress(), NodeId(Address::repeat_byte(1)));
        let mut waiting = progress.wait(LocalTime(100));
        progress.offered(node, Wei(7), 927_500);
        (0..3).for_each(|_| progress.accepted(node, Wei(10)));
        assert!(!progress.conclude(&status(3, 0, 0), None, None, LocalTime(140)), "its words are not out yet");
        progress.finished();
        assert!(!progress.conclude(&status(2, 0, 1), None, None, LocalTime(150)));
        assert!(progress.conclude(&status(3, 0, 0), None, None, LocalTime(160)));
        let report = waiting.try_recv().unwrap().unwrap();
        assert_eq!((report.done, report.spent_wei, report.fees_wei, report.wall_ms), (3, Wei(30), Wei(3), 60));
        assert_eq!((report.providers[0].subtasks, report.providers[0].paid_wei), (3, Wei(30)));
    }

    #[test]
    fn takes_from_the_deals_what_was_paid_after_the_shares_were_saved() {
        let (mut progress, [known, missed]) = (progress(), [1, 2].map(|n| NodeId(Address::repeat_byte(n))));
        progress.offered(known, Wei(7), 927_500);
        progress.agreed(known, Address::repeat_byte(8));
        progress.accepted(known, Wei(10));
        let paid = |subtasks, paid| PaidShare { payee: Address::repeat_byte(9), price: Wei(5), subtasks, paid };
        progress.recovered(known, &paid(2, Wei(20)));
        progress.recovered(missed, &paid(1, Wei(10)));
        let shares = progress.take_unsaved().providers;
        let told = |share: &ProviderShare| (share.subtasks, share.paid_wei, share.offered_price_wei_per_hour);
        assert_eq!(shares.iter().map(told).collect::<Vec<_>>(), [(2, Wei(20), Wei(7)), (1, Wei(10), Wei(5))]);
        assert_eq!(shares[0].payee, Some(Address::repeat_byte(8)));
        assert_eq!(shares[1].payee, Some(Address::repeat_byte(9)));
    }

    #[test]
    fn says_what_failed_for_good() {
        let mut progress = progress();
        let mut waiting = progress.wait(LocalTime(0));
        progress.finished();
        assert!(progress.conclude(&status(2, 1, 0), Some("the program trapped".into()), None, LocalTime(0)));
        let failed = TaskError::Failed { failed: 1, subtasks: 3, last_detail: "the program trapped".into() };
        assert_eq!(waiting.try_recv().unwrap(), Err(failed));
    }

    #[test]
    fn gives_up_on_the_budget_only_after_what_is_agreed_has_ended() {
        let mut progress = progress();
        let mut waiting = progress.wait(LocalTime(0));
        progress.budget_reached();
        assert!(!progress.conclude(&status(1, 0, 1), None, None, LocalTime(0)));
        assert!(progress.conclude(&status(2, 0, 0), None, None, LocalTime(0)));
        assert_eq!(waiting.try_recv().unwrap(), Err(TaskError::BudgetReached { open: 1 }));
    }

    #[test]
    fn ends_when_its_owner_halts_it_once_nothing_is_agreed_any_more() {
        let mut progress = progress();
        let mut waiting = progress.wait(LocalTime(0));
        progress.halt();
        assert!(!progress.conclude(&status(1, 0, 1), None, None, LocalTime(0)));
        assert!(progress.conclude(&status(2, 0, 0), None, None, LocalTime(0)));
        assert_eq!(waiting.try_recv().unwrap(), Err(TaskError::Halted { open: 1 }));
        // Taken up again, it goes on.
        let mut waiting = progress.wait(LocalTime(0));
        assert!(!progress.conclude(&status(2, 0, 0), None, None, LocalTime(0)));
        assert!(waiting.try_recv().is_err());
    }

    #[test]
    fn ends_when_its_owner_halts_it_and_nothing_can_be_saved() {
        let mut progress = progress();
        let mut waiting = progress.wait(LocalTime(0));
        let full = Some("no room in x");
        assert!(!progress.conclude(&status(1, 0, 1), None, full, LocalTime(0)), "there may be room soon");
        progress.halt();
        assert!(!progress.conclude(&status(3, 0, 0), None, None, LocalTime(0)), "its last words wait for the disk");
        assert!(progress.conclude(&status(3, 0, 0), None, full, LocalTime(0)), "which takes none");
        assert_eq!(waiting.try_recv().unwrap(), Err(TaskError::Unsaved { open: 0, detail: "no room in x".into() }));
        let mut waiting = progress.wait(LocalTime(0));
        progress.halt();
        assert!(progress.conclude(&status(1, 0, 1), None, full, LocalTime(0)));
        assert_eq!(waiting.try_recv().unwrap(), Err(TaskError::Unsaved { open: 2, detail: "no room in x".into() }));
    }

    #[test]
    fn names_the_subtask_that_failed() {
        assert_eq!(progress().failure(1, "it trapped"), "subtask 1 (b): it trapped");
        assert_eq!(progress().failure(7, "it trapped"), "subtask 7: it trapped");
    }
}
