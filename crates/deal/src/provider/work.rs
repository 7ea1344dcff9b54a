//! From an agreed subtask to a voucher.

use super::deal::{Account, Deal, OpenReport, Stage};
use super::interface::{ComputeJob, ProviderEffect, ProviderEvent};
use super::machine::{Provider, RESEND_MS, Step};
use crate::{ProviderFact, ProviderPolicy};
use golem_payments::{Accepted, CoverError};
use golem_protocol::limits::TEXT_BYTES_MAX;
use golem_protocol::*;

/// What a verdict accepted.
#[derive(Default)]
struct AcceptedWork {
    /// Due to us.
    due: Wei,
    /// Each is a fee for the author.
    subtasks: usize,
}

impl Provider {
    pub(super) fn on_message(
        &mut self,
        policy: &mut dyn ProviderPolicy,
        from: NodeId,
        message: Message,
        now: Now,
        step: &mut Step,
    ) {
        match message {
            Message::Agreement(signed) => self.on_agreement(policy, from, signed, now, step),
            Message::Verdict { verdict, voucher, author_voucher } => {
                let deal = self.deals.get(&verdict.document.agreement);
                let debt = deal.map_or(Wei::ZERO, |deal| self.owed_by(deal.agreement.payer));
                // The vouchers first: they are money, whatever the verdict beside them is worth.
                if let Some(voucher) = voucher {
                    self.take_voucher(policy, from, voucher, now, step);
                }
                if let Some(voucher) = author_voucher {
                    self.take_author_voucher(from, voucher, now, step);
                }
                self.on_verdict(policy, from, verdict, debt, now, step);
            }
            Message::Refusal(refusal) => self.on_refusal(policy, from, refusal, now, step),
            Message::AskVouchers { payee, after } => {
                step.send(from, Message::Vouchers { payee, vouchers: self.author_vouchers(payee, after) });
            }
            other @ (Message::Offer(_)
            | Message::Countersignature(_)
            | Message::Cancel(_)
            | Message::Report(_)
            | Message::Vouchers { .. }) => {
                let reason = RefusalReason::Malformed(format!("a provider takes no {}", other.name()));
                step.refuse(from, B256::ZERO, reason);
            }
        }
    }

    /// Starts what fits: oldest agreement first, within the slots, the memory and the credit of each requestor.
    pub(super) fn start_work(&mut self, policy: &mut dyn ProviderPolicy, now: Now, step: &mut Step) {
        if self.resting.is_some() {
            return;
        }
        let mut memory = self.settings.memory_total.saturating_sub(self.running_memory());
        let mut free = (self.settings.slots as usize).saturating_sub(self.running());
        let mut queue: Vec<(u64, B256)> = self.deals.iter().map(|(digest, deal)| (deal.order, *digest)).collect();
        queue.sort_unstable();
        for (_, digest) in queue {
            while free > 0 {
                let Some(deal) = self.deals.get(&digest) else { break };
                let waiting = deal.subtasks.iter().find(|(_, stage)| **stage == Stage::Waiting);
                let Some(index) = waiting.map(|(index, _)| *index) else { break };
                if deal.agreement.deadline < now.chain {
                    break;
                }
                let requestor = deal.requestor();
                let owed = self.exposure(requestor, deal.agreement.payer).saturating_add(deal.value_of(index));
                let credit = policy.credit(requestor);
                if owed > credit {
                    if self.held_back.insert(requestor) {
                        step.say(ProviderEvent::CreditExceeded { requestor, owed, credit });
                    }
                    break;
                }
                let (payer, value) = (deal.agreement.payer, deal.value_of(index).saturating_add(deal.own_fee()));
                if let Err(uncovered) = self.still_covered(payer, value) {
                    if self.held_back.insert(requestor) {
                        step.say(ProviderEvent::Uncovered { requestor, payer, detail: uncovered.to_string() });
                    }
                    break;
                }
                if let Some((author, owed)) = self.fees_withheld(&deal.agreement) {
                    if self.held_back.insert(requestor) {
                        step.say(ProviderEvent::FeeUnpaid { requestor, author, owed });
                    }
                    break;
                }
                self.held_back.remove(&requestor);
                let needs = deal.header.memory_max;
                if needs.0 > memory {
                    // Nothing smaller overtakes it, or it might wait for ever.
                    return;
                }
                memory -= needs.0;
                let Some(deal) = self.deals.get_mut(&digest) else { break };
                let Some(job) = deal.job(index) else { break };
                deal.subtasks.insert(index, Stage::Running);
                step.effects.push(ProviderEffect::Compute(job));
                free -= 1;
            }
        }
    }

    /// Whether the channel, as it is now, pays for one subtask more on top of what was done and runs. A reorg deeper than
    /// confirmations can have taken the deposit that was there when it was agreed.
    fn still_covered(&self, payer: Address, value: Wei) -> Result<(), CoverError> {
        let account = self.accounts.get(&payer).ok_or(CoverError::NotOpen)?;
        let deals = self.deals.values().filter(|deal| deal.agreement.payer == payer);
        let needed = deals.fold(value.saturating_add(account.signed_beyond()), |sum, deal| {
            sum.saturating_add(deal.unpaid_work())
                .saturating_add(deal.running_value())
                .saturating_add(deal.own_begun_fees())
        });
        // The epoch that is open, whichever: what was agreed is paid from it. When it may close was looked at then.
        account.ledger.covers(account.ledger.state().epoch, needed, ChainTime(0))
    }

    /// The jobs that begin next, as slots become free, so that their inputs can be here by then. Oldest agreement first.
    pub fn upcoming(&self, count: usize) -> Vec<ComputeJob> {
        let mut queue: Vec<&Deal> = self.deals.values().collect();
        queue.sort_unstable_by_key(|deal| deal.order);
        let waiting = queue.into_iter().flat_map(|deal| {
            let waiting = deal.subtasks.iter().filter(|(_, stage)| **stage == Stage::Waiting);
            waiting.filter_map(|(index, _)| deal.job(*index))
        });
        waiting.take(count).collect()
    }

    pub(super) fn on_computed(
        &mut self,
        policy: &mut dyn ProviderPolicy,
        agreement: B256,
        index: u32,
        outcome: SubtaskOutcome,
        now: Now,
        step: &mut Step,
    ) {
        let Some(deal) = self.deals.get_mut(&agreement) else { return };
        if deal.subtasks.get(&index) != Some(&Stage::Running) {
            return;
        }
        let (requestor, header) = (deal.requestor(), deal.agreement.header);
        let (outcome, completed) = match outcome {
            SubtaskOutcome::Completed { time_ms, fuel, .. } => {
                let fact = ProviderFact::Completed {
                    requestor,
                    module: deal.header.module,
                    subtask_timeout_s: deal.agreement.subtask_timeout_s,
                    computation_ms: time_ms.max(1),
                    fuel,
                };
                policy.note(&fact, now);
                (outcome, true)
            }
            SubtaskOutcome::Failed { kind, message } => {
                policy.note(&ProviderFact::Released { requestor, value: deal.value_of(index) }, now);
                (SubtaskOutcome::Failed { kind, message: cut(message) }, false)
            }
        };
        deal.subtasks.insert(index, Stage::Finished(SubtaskResult { index, outcome }));
        step.say(ProviderEvent::Computed { agreement, index, completed });
        // Before the report, after which the requestor gives more.
        self.offer_cheaper(policy, header, now, step);
        self.report(agreement, now, step);
    }

    /// Reports all that is computed, unless the report before it was sent just now: then a later one carries it.
    pub(super) fn report(&mut self, digest: B256, now: Now, step: &mut Step) {
        let provider = self.node();
        let Some(deal) = self.deals.get_mut(&digest) else { return };
        if deal.report_due().is_some_and(|due| due <= now.local) {
            let finished = deal.subtasks.values().filter_map(|stage| match stage {
                Stage::Finished(result) => Some(result.clone()),
                _ => None,
            });
            let results = finished.collect();
            let report = Report { agreement: digest, provider, results };
            if let Ok(report) = sign(report, &self.settings.chain, &*self.keys.identity) {
                for result in &report.results {
                    deal.subtasks.insert(result.index, Stage::Reported(result.clone()));
                }
                step.send(deal.requestor(), Message::Report(report.signed().clone()));
                deal.reports.push(OpenReport {
                    report,
                    first_sent: now.local,
                    send_again: now.local.saturating_add(RESEND_MS.0),
                    attempts: 0,
                });
            }
        }
        step.records.extend(deal.record());
    }

    /// `debt` is what was owed before the vouchers beside it were taken.
    fn on_verdict(
        &mut self,
        policy: &mut dyn ProviderPolicy,
        from: NodeId,
        verdict: Signed<Verdict>,
        debt: Wei,
        now: Now,
        step: &mut Step,
    ) {
        let verdict = match verdict.authenticate(&self.settings.chain) {
            Ok(verdict) if verdict.requestor == from => verdict,
            Ok(_) => return step.say(ProviderEvent::Unpaid { requestor: from, detail: "a verdict of another".into() }),
            Err(error) => {
                return step.say(ProviderEvent::Unpaid { requestor: from, detail: error.to_string() });
            }
        };
        let digest = verdict.agreement;
        let Some(deal) = self.deals.get_mut(&digest) else { return };
        let is_answered = |open: &OpenReport| open.report.digest() == verdict.report;
        let Some(position) = deal.reports.iter().position(is_answered).filter(|_| deal.requestor() == from) else {
            return;
        };
        let answered = deal.reports.remove(position).report;
        let accepted = Self::decide(policy, deal, &answered, &verdict, now, step);
        step.records.extend(deal.record());
        let (payer, author_channel) = (deal.agreement.payer, deal.agreement.author_channel());
        let fees = deal.agreement.app.of(accepted.subtasks);
        self.settle_accepted(payer, accepted.due, from, step);
        if self.owed_by(payer) > debt {
            policy.note(&ProviderFact::Overdue { requestor: from }, now);
        }
        if let Some(channel) = author_channel {
            self.settle_fees(&channel, fees, from, step);
        }
        let overdue_ms = self.settings.overdue_ms;
        let is_overdue = |open: &OpenReport| now.local.saturating_sub(open.first_sent) >= overdue_ms;
        if !self.deals.get(&digest).is_some_and(|deal| deal.reports.iter().any(is_overdue)) {
            self.overdue.remove(&digest);
            self.late.remove(&digest);
        }
        self.report(digest, now, step);
        self.forget_if_over(digest);
    }

    /// Enters each decision; gives what was accepted. A result without a decision counts as
    /// rejected: the requestor had its say.
    fn decide(
        policy: &mut dyn ProviderPolicy,
        deal: &mut Deal,
        report: &Report,
        verdict: &Verdict,
        now: Now,
        step: &mut Step,
    ) -> AcceptedWork {
        let mut accepted = AcceptedWork::default();
        for result in &report.results {
            let index = result.index;
            let decision = verdict.decisions.iter().find(|(named, _)| *named == index).map(|(_, decision)| *decision);
            let decision = decision.unwrap_or(Decision::NotAgreed);
            if decision == Decision::Accepted {
                accepted.due = accepted.due.saturating_add(deal.due(result));
                // Else what metered work leaves of its budget would count as owed for good, and use up the credit.
                let value = deal.value_of(index).saturating_sub(deal.worth(result));
                if value > Wei::ZERO {
                    policy.note(&ProviderFact::Unused { requestor: deal.requestor(), value }, now);
                }
                accepted.subtasks += usize::from(matches!(result.outcome, SubtaskOutcome::Completed { .. }));
            } else {
                if matches!(result.outcome, SubtaskOutcome::Completed { .. }) {
                    let value = deal.value_of(index);
                    policy.note(&ProviderFact::Rejected { requestor: deal.requestor(), value }, now);
                }
                step.say(ProviderEvent::Rejected { agreement: deal.agreement.digest(), index, decision });
            }
            deal.subtasks.insert(index, Stage::Decided(decision));
        }
        accepted
    }

    /// Sets what was accepted against what the voucher beside it brought: what is left is owed.
    fn settle_accepted(&mut self, payer: Address, accepted: Wei, requestor: NodeId, step: &mut Step) {
        let channel = self.channel_of(payer);
        let account = self.accounts.entry(payer).or_insert_with(|| Account::new(channel));
        let before = account.clone();
        account.accept(accepted);
        if account.owed > Wei::ZERO {
            let detail = format!("{} was accepted and no voucher covers it", account.owed);
            step.say(ProviderEvent::Unpaid { requestor, detail });
        }
        if *account != before {
            step.records.extend(account.records());
        }
    }

    pub(super) fn take_voucher(
        &mut self,
        policy: &mut dyn ProviderPolicy,
        from: NodeId,
        voucher: Signed<Voucher>,
        now: Now,
        step: &mut Step,
    ) {
        let unpaid = |detail: String| ProviderEvent::Unpaid { requestor: from, detail };
        let voucher = match voucher.authenticate(&self.settings.chain) {
            Ok(voucher) => voucher,
            Err(error) => return step.say(unpaid(error.to_string())),
        };
        // A payer unknown here has no channel to us; nothing is kept for it.
        let Some(account) = self.accounts.get_mut(&voucher.signer()) else {
            return step
                .say(unpaid(format!("the voucher is signed by {}, who has no channel to us", voucher.signer())));
        };
        let claim_by = now.chain.saturating_add(self.settings.claim_margin_s);
        let accepted = account.ledger.accept(&voucher, claim_by);
        account.counts_waiting(now.chain);
        match accepted {
            Ok(Accepted::Stale) => {}
            Ok(Accepted::Raised(amount)) => {
                account.pay(amount);
                policy.note(&ProviderFact::Paid { requestor: from, value: amount }, now);
                step.records.extend(account.records());
                step.say(ProviderEvent::Paid { requestor: from, amount, cumulative: voucher.cumulative });
                if account.ledger.state().close_at.0 != 0 {
                    step.effects.push(ProviderEffect::Claim { payer: voucher.signer() });
                }
            }
            Err(error) => {
                // No payment, yet it is kept: the contract might still pay on it, and the chain as it is known here may be
                // behind, or in the middle of a reorg.
                if voucher.channel() == account.ledger.channel() {
                    account.keep_unsettled(from, &voucher);
                }
                step.records.extend(account.records());
                step.say(unpaid(error.to_string()));
            }
        }
    }

    fn on_refusal(
        &mut self,
        policy: &mut dyn ProviderPolicy,
        from: NodeId,
        refusal: Refusal,
        now: Now,
        step: &mut Step,
    ) {
        let about = refusal.about;
        for known in self.headers.values_mut().filter(|known| known.header.requestor == from) {
            if known.offer.as_ref().is_some_and(|offer| offer.digest() == about) {
                (known.offer, known.earlier) = (None, None);
                known.unwanted = (refusal.reason == RefusalReason::Denied).then_some(now.local);
            }
        }
        if let Some(deal) = self.deals.get_mut(&about)
            && deal.requestor() == from
            && Self::drop_unfinished(policy, deal, now, step)
        {
            step.records.extend(deal.record());
        }
        self.forget_if_over(about);
        step.say(ProviderEvent::RefusedByPeer { requestor: from, about, reason: refusal.reason });
    }

    /// A deal that is given back, as when the owner wishes to stop or to rest: cancelled where nothing was begun, else the
    /// rest is reported as failed.
    pub(super) fn wind_down(
        &mut self,
        policy: &mut dyn ProviderPolicy,
        digest: B256,
        why: &str,
        now: Now,
        step: &mut Step,
    ) {
        let provider = self.node();
        let Some(deal) = self.deals.get_mut(&digest) else { return };
        let requestor = deal.requestor();
        let waiting: Vec<u32> =
            deal.subtasks.iter().filter(|(_, stage)| **stage == Stage::Waiting).map(|(index, _)| *index).collect();
        for index in &waiting {
            policy.note(&ProviderFact::Released { requestor, value: deal.value_of(*index) }, now);
        }
        if waiting.len() == deal.subtasks.len() {
            if let Ok(cancel) = sign(Cancel { agreement: digest, provider }, &self.settings.chain, &*self.keys.identity)
            {
                step.send(requestor, Message::Cancel(cancel.into_signed()));
            }
            return self.give_up(digest, step);
        }
        for index in waiting {
            let outcome = SubtaskOutcome::Failed { kind: FailureKind::Provider, message: cut(why.to_string()) };
            deal.subtasks.insert(index, Stage::Finished(SubtaskResult { index, outcome }));
        }
        self.report(digest, now, step);
    }
}

/// The end of a text that is too long: the last lines tell most.
pub(super) fn cut(text: String) -> String {
    if text.len() <= TEXT_BYTES_MAX {
        return text;
    }
    let mut start = text.len() - TEXT_BYTES_MAX;
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text.get(start..).unwrap_or_default().to_string()
}
