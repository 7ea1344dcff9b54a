//! What a requestor's loop keeps of its tasks besides the machine: who did how much, and who waits for the end.

use crate::audience::LargeFetch;
use crate::events::RequestorNotice;
use crate::lifecycle::local_now;
use crate::note::TaskShares;
use crate::requestor_done::Done;
use crate::requestor_loop::RequestorLoop;
use golem_deal::{RequestorEvent, RequestorInput};
use golem_market::Held;
use golem_protocol::{B256, NodeId, Wei, subtask_value};
use golem_store::Batch;

/// How often shares of tasks are saved at most, in milliseconds. Reason: they are for people; money is in the ledgers.
const SHARES_PAUSE_MS: u64 = 2_000;

impl RequestorLoop {
    /// Tells those who wait for a task whose end has come.
    pub(crate) fn conclude_tasks(&mut self) {
        if self.tasks.is_empty() {
            return;
        }
        let now = local_now();
        let mut stopped = Vec::new();
        let unsaved = self.unsaved();
        for status in self.machine.tasks() {
            let Some(progress) = self.tasks.get_mut(&status.header) else { continue };
            let failures = if status.finished && status.failed > 0 {
                self.machine.failures(status.header)
            } else {
                Default::default()
            };
            let failure = failures.into_iter().next().map(|(index, detail)| progress.failure(index, &detail));
            if progress.conclude(&status, failure, unsaved.as_deref(), now) && !status.finished {
                stopped.push(status.header);
            }
            if status.finished {
                progress.announced = None;
            }
        }
        for header in stopped {
            self.step(RequestorInput::Stop(header));
        }
    }

    pub(crate) fn save_shares(&mut self, now: bool) {
        let at = local_now();
        if !now && at.saturating_sub(self.shares_saved) < SHARES_PAUSE_MS {
            return;
        }
        let changed: Vec<(B256, TaskShares)> = self
            .tasks
            .iter_mut()
            .filter(|(_, progress)| progress.unsaved)
            .map(|(header, progress)| (*header, progress.take_unsaved()))
            .collect();
        if changed.is_empty() {
            return;
        }
        self.shares_saved = at;
        let store = self.store.clone();
        self.work.spawn_blocking(move || {
            let mut batch = Batch::new();
            let saved = changed
                .iter()
                .try_for_each(|(header, shares)| batch.put_record(header, shares).map(drop))
                .and_then(|()| store.commit(batch));
            if let Err(error) = saved {
                tracing::warn!(%error, "who did how much is not saved");
            }
            Done::Noted
        });
    }

    /// Tells of who begins to fetch a program, once for each provider and task.
    pub(crate) fn large_fetch(&mut self, fetch: LargeFetch) {
        let LargeFetch { by, content, size } = fetch;
        let agreed: Vec<B256> = self
            .machine
            .open_agreements()
            .filter(|agreement| agreement.provider == by)
            .map(|agreement| agreement.header)
            .filter(|header| self.machine.order(*header).is_some_and(|order| order.header.module == content))
            .collect();
        for header in agreed {
            let is_new = self.tasks.get_mut(&header).is_some_and(|progress| progress.program_fetched.insert(by));
            if is_new {
                self.say(RequestorNotice::ProgramFetched { header, provider: by, size });
            }
        }
    }

    /// What of a task's offers is not taken yet, and why.
    fn held(&self, header: B256) -> Held {
        self.machine.order(header).map(|order| self.policy.held(&order.header)).unwrap_or_default()
    }

    /// How often a provider's results are checked from now on, at the price it asks.
    fn note_check_rate(&mut self, header: B256, provider: NodeId) {
        // Where each result is compared with another, no share says how likely a wrong one is found.
        let Some(order) = self.machine.order(header).filter(|order| order.checks.copies == 1) else { return };
        let timeout_s = order.header.subtask_timeout_s;
        let Some(progress) = self.tasks.get_mut(&header) else { return };
        let Some(price) = progress.shares.get(&provider).map(|share| share.offered_price_wei_per_hour) else { return };
        let value = subtask_value(price, timeout_s).unwrap_or(Wei::MAX);
        progress.checked(provider, self.policy.check_of(header, provider, value));
    }

    pub(crate) fn happened(&mut self, event: RequestorEvent) {
        tracing::debug!(?event, "happened");
        match &event {
            RequestorEvent::Offered { header, provider, price, performance } => {
                self.counters.offers += 1;
                if let Some(order) = self.machine.order(*header) {
                    let score = self.policy.score_ppm(&order.header, *provider, *price, *performance);
                    if let Some(progress) = self.tasks.get_mut(header) {
                        progress.offered(*provider, *price, score);
                    }
                }
                self.note_check_rate(*header, *provider);
            }
            RequestorEvent::Agreed { .. } => self.counters.agreements += 1,
            RequestorEvent::Accepted { header, provider, paid, .. } => {
                self.counters.accepted += 1;
                if let Some(progress) = self.tasks.get_mut(header) {
                    progress.accepted(*provider, *paid);
                }
                self.note_check_rate(*header, *provider);
            }
            RequestorEvent::FoundWrong { header, provider, index, paid, detail } => {
                tracing::warn!(%header, %provider, index, %paid, detail, "what was reported of a subtask is wrong");
                self.note_check_rate(*header, *provider);
            }
            RequestorEvent::Rejected { header, provider, detail, .. } => {
                self.counters.rejected += 1;
                if let Some(progress) = self.tasks.get_mut(header) {
                    progress.rejected(*provider, 1, detail);
                }
                self.note_check_rate(*header, *provider);
            }
            RequestorEvent::Freed { header, provider, subtasks, detail } => {
                if let Some(progress) = self.tasks.get_mut(header) {
                    progress.rejected(*provider, subtasks.len() as u32, detail);
                }
            }
            RequestorEvent::BudgetReached { header, .. } => {
                if let Some(progress) = self.tasks.get_mut(header) {
                    progress.budget_reached();
                }
            }
            RequestorEvent::OffersWait { header, offers } => {
                let held = self.held(*header);
                // In place of the machine's own word, which knows no prices.
                return self.say(RequestorNotice::OffersWait { header: *header, offers: *offers, held });
            }
            RequestorEvent::CopiesWait { header, subtasks, copies, near } => {
                let (header, subtasks, copies, near) = (*header, *subtasks, *copies, *near);
                let held = self.held(header);
                return self.say(RequestorNotice::CopiesWait { header, subtasks, copies, near, held });
            }
            RequestorEvent::Refused { .. }
            | RequestorEvent::RefusedByPeer { .. }
            | RequestorEvent::OwnRun { .. }
            | RequestorEvent::Hedged { .. }
            | RequestorEvent::KnownGiven { .. }
            | RequestorEvent::FundFailed { .. } => {}
            RequestorEvent::DepositUndone { payee, uncovered, .. } => {
                tracing::warn!(%payee, %uncovered, "a reorg took back the deposit of a channel");
            }
            RequestorEvent::CloseUndone { payee } => {
                tracing::warn!(%payee, "a reorg took back the wish to close a channel: ask again");
            }
            RequestorEvent::Finished { header, .. } => {
                if let Some(progress) = self.tasks.get_mut(header) {
                    progress.finished();
                }
            }
        }
        self.say(RequestorNotice::Deal(event));
    }
}
