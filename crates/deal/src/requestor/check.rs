//! From a report to a verdict and its vouchers.

use super::copies::fault;
use super::deal::{Answer, Check, Deal, OpenReport, Part, Stage};
use super::interface::{FetchJob, OwnRunReason, RequestorEffect, RequestorEvent, SlowResult};
use super::machine::{Requestor, Step, legs};
use super::task::{Backing, Failure, Known, Place, Task};
use crate::provider::REPORT_PAUSE_MS;
use crate::{Delivery, Reported, RequestorFact, RequestorPolicy};
use golem_protocol::*;
use std::collections::BTreeMap;

/// How often a recheck that could not be run here is tried. Reason: a full disk here must not hold a provider's money
/// for ever; after that the result counts as not chosen for a recheck.
const RECHECK_FAILURES_MAX: u8 = 3;
/// Reports of a batch that are looked at, for each of its subtasks. Reason: an honest one has a result that no other had, and
/// once more after its provider lost what it remembered; each verdict is kept, to be sent again.
const REPORTS_PER_SUBTASK_MAX: usize = 2;
/// The longest output manifest. Reason: it is read into memory.
const MANIFEST_BYTES_MAX: u64 = 4 * 1024 * 1024;

impl Requestor {
    pub(super) fn on_message(
        &mut self,
        policy: &mut dyn RequestorPolicy,
        from: NodeId,
        message: Message,
        now: Now,
        step: &mut Step,
    ) {
        self.is_back(from, step);
        match message {
            Message::Offer(signed) => self.on_offer(policy, from, signed, now, step),
            Message::Countersignature(signed) => self.on_countersignature(from, signed, now, step),
            Message::Cancel(signed) => self.on_cancel(from, signed, now, step),
            Message::Report(signed) => self.on_report(policy, from, signed, now, step),
            Message::Refusal(refusal) => self.on_refusal(from, refusal, now, step),
            Message::AskVouchers { payee, after } => self.on_ask_vouchers(from, payee, after, step),
            other @ (Message::Agreement(_) | Message::Verdict { .. } | Message::Vouchers { .. }) => {
                let reason = RefusalReason::Malformed(format!("a requestor takes no {}", other.name()));
                step.refuse(from, B256::ZERO, reason);
            }
        }
    }

    fn on_cancel(&mut self, from: NodeId, signed: Signed<Cancel>, now: Now, step: &mut Step) {
        let Ok(cancel) = signed.authenticate(&self.settings.chain) else { return };
        let digest = cancel.agreement;
        let ours = self.deals.get(&digest).is_some_and(|deal| deal.provider() == from && deal.stage != Stage::Closed);
        if ours && cancel.provider == from {
            self.take_back(digest, "the provider cancelled", now, step);
        }
    }

    fn on_refusal(&mut self, from: NodeId, refusal: Refusal, now: Now, step: &mut Step) {
        let about = refusal.about;
        let deal = self.deals.get(&about).filter(|deal| deal.provider() == from);
        if deal.is_some_and(|deal| deal.stage == Stage::Closed) {
            // Asked twice, and the second came after everything was done.
            return;
        }
        step.say(RequestorEvent::RefusedByPeer { provider: from, about, reason: refusal.reason.clone() });
        let Some(deal) = deal.filter(|deal| deal.stage == Stage::Proposed) else { return };
        let (header, offer) = (deal.agreement.header, deal.agreement.offer);
        if matches!(refusal.reason, RefusalReason::Channel(_) | RefusalReason::FeeUnpaid { .. }) {
            // Perhaps the chain tells something else than we know.
            let channels = [Some(deal.agreement.channel()), deal.agreement.author_channel()];
            step.effects.extend(channels.into_iter().flatten().map(RequestorEffect::ReadChannel));
        }
        let why = format!("the provider refused: {}", refusal.reason);
        let expired = matches!(refusal.reason, RefusalReason::Expired { .. });
        let is_excused = expired && self.tasks.get_mut(&header).is_some_and(|task| task.excuses_expiry(from, offer));
        self.free_batch(about, &why, !is_excused, now, step);
    }

    pub(super) fn on_report(
        &mut self,
        policy: &mut dyn RequestorPolicy,
        from: NodeId,
        signed: Signed<Report>,
        now: Now,
        step: &mut Step,
    ) {
        let report = match signed.authenticate(&self.settings.chain) {
            Ok(report) if report.provider == from => report,
            Ok(_) => return step.refuse(from, B256::ZERO, RefusalReason::Malformed("a report of another".into())),
            Err(error) => return step.refuse(from, B256::ZERO, RefusalReason::Malformed(error.to_string())),
        };
        let (agreement, digest) = (report.agreement, report.digest());
        let Some(deal) = self.deals.get_mut(&agreement).filter(|deal| deal.provider() == from) else {
            return step.refuse(from, agreement, RefusalReason::UnknownHeader(agreement));
        };
        if let Some(verdict) = deal.verdicts.get(&digest) {
            let (verdict, payee, app) = (verdict.clone(), deal.agreement.payee, deal.agreement.app);
            return self.send_verdict(from, payee, app, verdict, step);
        }
        if deal.reports.contains_key(&digest) {
            return;
        }
        let reports_max = deal.agreement.subtasks.len().saturating_mul(REPORTS_PER_SUBTASK_MAX);
        if deal.reports.len().saturating_add(deal.verdicts.len()) >= reports_max {
            return step.refuse(from, digest, RefusalReason::Full("the number of reports of one batch".into()));
        }
        let held_ms = if deal.reports.is_empty() { 0 } else { REPORT_PAUSE_MS };
        let ended = LocalTime(now.local.0.saturating_sub(held_ms));
        deal.progress = now.local;
        if deal.stage == Stage::Proposed {
            // The report is signed over the agreement's digest: that is an agreement too.
            deal.stage = Stage::Agreed;
        }
        let undone = deal.undone();
        let mut took_ms = BTreeMap::new();
        if let Some(pace) = self.paces.get_mut(&from) {
            for result in report.results.iter().filter(|result| undone.contains(&result.index)) {
                took_ms.extend(pace.reported(ended).map(|took| (result.index, took)));
            }
        }
        let Some(header) = self.tasks.get(&deal.agreement.header).map(|task| task.header.clone()) else { return };
        for result in &report.results {
            let is_completed = matches!(result.outcome, SubtaskOutcome::Completed { .. });
            if let Some(took_ms) = took_ms.get(&result.index).copied().filter(|_| is_completed) {
                let (header, index, module) = (header.digest(), result.index, header.module);
                policy.note(&RequestorFact::Reported { header, index, provider: from, module, took_ms }, now);
            }
        }
        let mut checks = BTreeMap::new();
        for result in &report.results {
            checks.insert(result.index, first_check(deal, &undone, result, &header, agreement, step));
        }
        let doubtful = self.doubtful_failures(&report, &checks);
        let Some(deal) = self.deals.get_mut(&agreement) else { return };
        let indices: Vec<u32> = checks.keys().copied().collect();
        deal.reports.insert(digest, OpenReport { report, came: now.local, took_ms, checks });
        self.refute_failures(agreement, digest, &indices, step);
        for index in doubtful {
            self.run_here(agreement, digest, index, OwnRunReason::Failing, step);
        }
        self.conclude_if_checked(policy, agreement, digest, now, step);
    }

    /// The subtasks that this report would have given up: those are run here before, where results are at all.
    fn doubtful_failures(&self, report: &Report, checks: &BTreeMap<u32, Check>) -> Vec<u32> {
        let Some(deal) = self.deals.get(&report.agreement) else { return Vec::new() };
        let Some(task) = self.tasks.get(&deal.agreement.header) else { return Vec::new() };
        let noted =
            |index: &u32| matches!(checks.get(index), Some(Check::Decided { decision: Decision::FailureNoted, .. }));
        let is_given_up = |result: &&SubtaskResult| {
            let SubtaskOutcome::Failed { kind, .. } = &result.outcome else { return false };
            let others = task.holders(result.index).iter().any(|holder| *holder != report.agreement);
            let is_open = task.place(result.index) == Some(&Place::Open) && !task.known.contains_key(&result.index);
            task.is_last_failure(result.index, *kind) && is_open && !others
        };
        if !task.order.checks.run_here() {
            return Vec::new();
        }
        let results = report.results.iter().filter(|result| noted(&result.index)).filter(is_given_up);
        results.map(|result| result.index).collect()
    }

    pub(super) fn on_fetched(
        &mut self,
        policy: &mut dyn RequestorPolicy,
        agreement: B256,
        index: u32,
        complete: Result<(), String>,
        now: Now,
        step: &mut Step,
    ) {
        let Some(deal) = self.deals.get_mut(&agreement) else { return };
        let (header, provider, value) = (deal.agreement.header, deal.provider(), deal.value_of(index));
        let Some((report, check)) = deal.open_check(index) else { return };
        if *check != Check::Fetching {
            return;
        }
        if let Err(detail) = complete {
            *check = Check::Decided { decision: Decision::OutputMissing, detail, rechecked: false };
            return self.conclude_if_checked(policy, agreement, report, now, step);
        }
        *check = Check::Waiting { since: now.local, unchecked: None };
        let Some(task) = self.tasks.get(&header) else { return };
        let is_known = task.known.get(&index).is_some_and(|known| known.backing == Backing::OwnRun);
        let reason = if task.has_cheated(provider) {
            Some(OwnRunReason::Distrusted)
        } else if policy.rechecks(&Reported { header, index, provider, value }) {
            Some(OwnRunReason::Chosen)
        } else {
            None
        };
        match reason.filter(|_| !is_known) {
            Some(reason) => self.run_here(agreement, report, index, reason, step),
            None => self.judge(policy, header, index, now, step),
        }
    }

    pub(super) fn on_rechecked(
        &mut self,
        policy: &mut dyn RequestorPolicy,
        agreement: B256,
        index: u32,
        outcome: Result<SubtaskOutcome, String>,
        now: Now,
        step: &mut Step,
    ) {
        let Some(deal) = self.deals.get_mut(&agreement) else { return };
        let header = deal.agreement.header;
        let Some((report, Check::Rechecking { failures })) = deal.open_check(index) else { return };
        let failures = failures.saturating_add(1);
        let ours = match outcome {
            Ok(SubtaskOutcome::Failed { kind, message }) if kind.is_deterministic() => Ok(Err(message)),
            Ok(SubtaskOutcome::Completed { output, output_bytes, fuel, .. }) => {
                Ok(Ok(Answer { output, output_bytes, fuel }))
            }
            // That it failed for a reason of this machine's says nothing; neither does another try.
            Ok(SubtaskOutcome::Failed { message, .. }) => Err(message),
            Err(_) if failures < RECHECK_FAILURES_MAX => {
                self.set_check(agreement, report, index, Check::Rechecking { failures });
                return self.recheck(agreement, index, step);
            }
            Err(detail) => Err(detail),
        };
        match (ours, self.reported_failure(agreement, report, index)) {
            (Err(_), Some(detail)) => {
                let noted = Check::Decided { decision: Decision::FailureNoted, detail, rechecked: false };
                self.set_check(agreement, report, index, noted);
            }
            (Err(detail), None) => {
                let waiting = Check::Waiting { since: now.local, unchecked: Some(detail) };
                self.set_check(agreement, report, index, waiting);
            }
            (Ok(ours), _) => self.settle_by_own_run(policy, agreement, report, index, ours, now, step),
        }
        self.judge(policy, header, index, now, step);
        self.conclude_if_checked(policy, agreement, report, now, step);
    }

    /// What a provider said of a subtask that it failed.
    fn reported_failure(&self, agreement: B256, report: B256, index: u32) -> Option<String> {
        let (_, message) = self.deals.get(&agreement)?.reports.get(&report)?.failure(index)?;
        Some(message)
    }

    /// What came out here is the result: nobody has to do it again, and whoever reported something else is wrong.
    #[allow(clippy::too_many_arguments)]
    fn settle_by_own_run(
        &mut self,
        policy: &mut dyn RequestorPolicy,
        agreement: B256,
        report: B256,
        index: u32,
        ours: Result<Answer, String>,
        now: Now,
        step: &mut Step,
    ) {
        let Some(deal) = self.deals.get(&agreement) else { return };
        let (header, provider) = (deal.agreement.header, deal.provider());
        let Some(task) = self.tasks.get_mut(&header) else { return };
        let pricing = task.header.pricing;
        let reported = deal.reports.get(&report).and_then(|open| open.answer(index));
        let known = Known { answer: ours.clone(), backing: Backing::OwnRun };
        let wrong = reported.and_then(|reported| fault(&known, &reported, pricing));
        task.learn(index, ours.clone(), Backing::OwnRun);
        if ours.is_ok() {
            for suspect in task.take_suspects(index) {
                policy.note(&RequestorFact::Failed { provider: suspect }, now);
            }
        }
        let is_failing = ours.is_err();
        let is_settled_so = match (task.place(index), &ours) {
            (Some(Place::Done(place)), Ok(ours)) => place.agrees(ours, pricing),
            // It is paid and entered with the report.
            (Some(Place::Open) | None, _) => reported.is_some() && wrong.is_none(),
            (Some(Place::Failed(_)), Err(_)) => true,
            (Some(Place::Done(_)), Err(_)) | (Some(Place::Failed(_)), Ok(_)) => false,
        };
        if !is_settled_so {
            task.settle_here(index, ours.map_or_else(Place::Failed, Place::Done));
            step.records.extend(task.record());
        }
        let failure = self.reported_failure(agreement, report, index);
        let (decision, detail) = match (wrong, failure) {
            (Some(wrong), _) => {
                self.distrust(header, provider, step);
                wrong
            }
            (None, Some(failure)) if is_failing => (Decision::FailureNoted, failure),
            (None, Some(failure)) => {
                self.distrust(header, provider, step);
                (Decision::FailureNoted, format!("{failure} (run again here it does not)"))
            }
            (None, None) => (Decision::Accepted, String::new()),
        };
        self.set_check(agreement, report, index, Check::Decided { decision, detail, rechecked: true });
        self.convict(policy, header, index, now, step);
    }

    /// Once every result of a report is decided: pay, record, answer.
    pub(super) fn conclude_if_checked(
        &mut self,
        policy: &mut dyn RequestorPolicy,
        agreement: B256,
        report: B256,
        now: Now,
        step: &mut Step,
    ) {
        let Some(deal) = self.deals.get_mut(&agreement) else { return };
        let all_decided = |open: &OpenReport| open.checks.values().all(|check| matches!(check, Check::Decided { .. }));
        if !deal.reports.get(&report).is_some_and(all_decided) {
            return;
        }
        let Some(open) = deal.reports.remove(&report) else { return };
        let (provider, payee, app) = (deal.provider(), deal.agreement.payee, deal.agreement.app);
        let Some(task) = self.tasks.get_mut(&deal.agreement.header) else { return };
        let mut decisions = Vec::new();
        let mut sums = Sums::default();
        let (mut proof, mut slow) = (None, None);
        let is_broken = |result: &SubtaskResult| matches!(&result.outcome, SubtaskOutcome::Failed { kind, .. } if kind.is_of_the_provider());
        // Once for all that it had when it broke: its results come one by one.
        if open.report.results.iter().any(is_broken) && !task.excludes(provider, now) {
            task.strike(provider, now);
        }
        for result in &open.report.results {
            let Some(Check::Decided { decision, detail, rechecked }) = open.checks.get(&result.index) else { continue };
            decisions.push((result.index, *decision));
            let is_wrong = matches!(decision, Decision::WrongOutput | Decision::WrongFuel);
            // Only what was seen here: whoever says more is not listened to again.
            if is_wrong && *rechecked && proof.is_none() {
                proof = Some(documents(task, deal, &open, result.index));
            }
            let took_ms = open.took_ms.get(&result.index).copied();
            let parts = Decided { result, decision: *decision, detail, rechecked: *rechecked, took_ms };
            if let Some(took_ms) = enter(policy, task, deal, parts, &mut sums, now, step) {
                slow = Some(SlowResult { documents: documents(task, deal, &open, result.index), took_ms });
            }
        }
        let verdict = Verdict { agreement, report, requestor: NodeId(self.keys.identity.address()), decisions };
        let Ok(verdict) = sign(verdict, &self.settings.chain, &*self.keys.identity) else { return };
        let verdict = verdict.into_signed();
        deal.verdicts.insert(report, verdict.clone());
        deal.progress = now.local;
        if deal.open_parts().is_empty() {
            deal.stage = Stage::Closed;
        }
        step.records.extend(deal.record());
        let (fees, settled_fees) = (app.of(sums.accepted), app.of(sums.concluded));
        task.spent = task.spent.saturating_add(sums.paid);
        task.fees = task.fees.saturating_add(fees);
        task.reserved = task.reserved.saturating_sub(sums.settled).saturating_sub(settled_fees);
        let paid = legs(payee, sums.paid, app, fees);
        let settled = legs(payee, sums.settled, app, settled_fees);
        for ((payee, paid), (_, settled)) in paid.zip(settled) {
            let Some(channel) = self.channels.get_mut(&payee) else { continue };
            channel.ledger.release(settled.saturating_sub(paid));
            // What is paid was reserved when it was agreed, so this does not fail; if it ever did, nothing is signed.
            if channel.ledger.pay(paid).is_ok() {
                step.records.extend(Self::payer_record(channel));
                channel.keep_promise(now, step);
            }
        }
        step.effects.extend(proof.map(Box::new).map(RequestorEffect::Publish));
        step.effects.extend(slow.map(Box::new).map(RequestorEffect::KeepSlow));
        if let Some(pace) = self.paces.get_mut(&provider) {
            pace.answered(open.checks.len(), open.came, now.local);
            if pace.is_idle() {
                self.paces.remove(&provider);
            }
        }
        self.send_verdict(provider, payee, app, verdict, step);
    }

    /// The vouchers are made anew each time: one stands for everything owed so far, and is never for less than one
    /// signed before.
    fn send_verdict(&self, to: NodeId, payee: Address, app: AppFee, verdict: Signed<Verdict>, step: &mut Step) {
        let voucher = self.voucher_for(payee);
        // An author that is the payee itself has it all in one voucher.
        let author = app.payee().filter(|author| *author != payee);
        let author_voucher = author.and_then(|author| self.voucher_for(author));
        step.send(to, Message::Verdict { verdict, voucher, author_voucher });
    }

    /// Signed anew, for everything owed so far; the outbox holds it back until what it stands for is durable.
    fn on_ask_vouchers(&mut self, from: NodeId, payee: Address, after: Address, step: &mut Step) {
        let is_asked = self.keys.payment.address() > after;
        let vouchers = is_asked.then(|| self.voucher_for(payee)).flatten().into_iter().collect();
        step.send(from, Message::Vouchers { payee, vouchers });
    }

    /// Everything owed to a payee so far, signed; nothing where nothing is owed.
    pub(super) fn voucher_for(&self, payee: Address) -> Option<Signed<Voucher>> {
        let owed = self.channels.get(&payee)?.ledger.voucher();
        let owed = Some(owed).filter(|voucher| voucher.cumulative > Wei::ZERO)?;
        let voucher = sign(owed, &self.settings.chain, &*self.keys.payment).ok()?;
        Some(voucher.into_signed())
    }
}

/// What a concluded report settles.
#[derive(Default)]
struct Sums {
    /// Goes into the provider's voucher.
    paid: Wei,
    /// Was held back for these subtasks' values.
    settled: Wei,
    /// Accepted subtasks: each is a fee for the author's voucher.
    accepted: usize,
    /// Subtasks that a fee was held back for.
    concluded: usize,
}

struct Decided<'a> {
    result: &'a SubtaskResult,
    decision: Decision,
    detail: &'a str,
    rechecked: bool,
    took_ms: Option<u64>,
}

/// What is to be done first about a reported result.
fn first_check(
    deal: &Deal,
    undone: &[u32],
    result: &SubtaskResult,
    header: &Header,
    agreement: B256,
    step: &mut Step,
) -> Check {
    let index = result.index;
    let decided = |decision, detail: &str| Check::Decided { decision, detail: detail.to_string(), rechecked: false };
    if !undone.contains(&index) {
        return match deal.parts.get(&index) {
            Some(Part::Freed) => decided(Decision::Late, "it came after the time agreed"),
            _ => decided(Decision::NotAgreed, "it is not in the agreement, or was reported before"),
        };
    }
    match &result.outcome {
        SubtaskOutcome::Failed { message, .. } => decided(Decision::FailureNoted, message),
        SubtaskOutcome::Completed { output, output_bytes, .. } => {
            if output_bytes.0 > MANIFEST_BYTES_MAX {
                return decided(Decision::OutputMissing, "the output manifest is longer than 4 MiB");
            }
            step.effects.push(RequestorEffect::Fetch(FetchJob {
                agreement,
                index,
                provider: deal.provider(),
                output: *output,
                output_bytes: *output_bytes,
                bytes_max: ByteCount(header.output_max.0.saturating_add(MANIFEST_BYTES_MAX)),
            }));
            Check::Fetching
        }
    }
}

/// What was signed of a reported result.
fn documents(task: &Task, deal: &Deal, open: &OpenReport, index: u32) -> WrongResultProof {
    WrongResultProof {
        header: task.header.signed().clone(),
        agreement: deal.agreement.signed().clone(),
        report: open.report.signed().clone(),
        index,
    }
}

/// Enters one decision into the books of task, deal and market. Gives how long the result took, in milliseconds, where that
/// is much longer than was promised.
fn enter(
    policy: &mut dyn RequestorPolicy,
    task: &mut Task,
    deal: &mut Deal,
    decided: Decided<'_>,
    sums: &mut Sums,
    now: Now,
    step: &mut Step,
) -> Option<u64> {
    let Decided { result, decision, detail, rechecked, took_ms } = decided;
    let (index, provider, header) = (result.index, deal.provider(), task.digest());
    let was_open = deal.parts.get(&index) == Some(&Part::Open);
    let value = if was_open { deal.value_of(index) } else { Wei::ZERO };
    sums.settled = sums.settled.saturating_add(value);
    sums.concluded += usize::from(was_open);
    let agreement = deal.agreement.digest();
    if let (Decision::Accepted, true, Some(answer), SubtaskOutcome::Completed { time_ms, .. }) =
        (decision, was_open, Answer::of(&result.outcome), &result.outcome)
    {
        let paid = due_for(task.header.pricing, &deal.agreement, value, answer.fuel);
        sums.paid = sums.paid.saturating_add(paid);
        sums.accepted += 1;
        let fee = deal.agreement.app.fee;
        deal.parts.insert(index, Part::Accepted { paid, answer });
        let again = task.enter_accepted(index, agreement, answer, paid.saturating_add(fee));
        for suspect in task.take_suspects(index) {
            policy.note(&RequestorFact::Failed { provider: suspect }, now);
        }
        let subtask_timeout_s = task.header.subtask_timeout_s;
        let timed = took_ms.map(|took_ms| {
            let own_run = task.known.get(&index).filter(|known| known.backing == Backing::OwnRun);
            // Where nothing is paid by fuel it may be said wrong, and where it was seen here it is known.
            let fuel = own_run.and_then(|known| known.answer.as_ref().ok()).map_or(answer.fuel, |seen| seen.fuel);
            let (module, promised) = (task.header.module, deal.agreement.fuel_rate);
            (took_ms, policy.timed(&Delivery { header, index, provider, module, promised, fuel, took_ms }, now))
        });
        // What the provider says of its time is not signed, and cannot be less than what was seen.
        let computation_ms = (*time_ms).max(timed.map_or(0, |(_, timed)| timed.least_ms)).max(1);
        let price = deal.agreement.price;
        policy.note(&RequestorFact::Succeeded { provider, subtask_timeout_s, computation_ms, price, paid }, now);
        let Answer { output, output_bytes, .. } = answer;
        step.say(RequestorEvent::Accepted {
            header,
            provider,
            index,
            output,
            output_bytes,
            paid,
            fee,
            rechecked,
            agreement,
            again,
        });
        return timed.filter(|(_, timed)| timed.breaks_promise).map(|(took_ms, _)| took_ms);
    }
    if was_open {
        deal.parts.insert(index, Part::Rejected { decision });
        task.release(index, agreement);
    }
    let failure = match &result.outcome {
        SubtaskOutcome::Failed { kind, .. } => Some(Failure { provider, payee: deal.agreement.payee, kind: *kind }),
        SubtaskOutcome::Completed { .. } => None,
    };
    match decision {
        Decision::WrongOutput | Decision::WrongFuel => {
            task.cheated(provider);
            policy.note(&RequestorFact::Rejected { provider }, now);
            // Others' results agree on it: that is enough to refuse it, and nothing that was seen here.
            if rechecked {
                policy.note(&RequestorFact::Proven { provider }, now);
            }
        }
        Decision::OutputMissing => {
            task.strike(provider, now);
            policy.note(&RequestorFact::Rejected { provider }, now);
        }
        Decision::FailureNoted if rechecked && task.succeeds_here(index) => {
            policy.note(&RequestorFact::Rejected { provider }, now);
            policy.note(&RequestorFact::Proven { provider }, now);
        }
        Decision::FailureNoted if was_open => {
            if failure.is_some_and(|failure| task.is_to_blame(index, failure)) {
                policy.note(&RequestorFact::Failed { provider }, now);
            }
        }
        Decision::Accepted | Decision::Late | Decision::FailureNoted | Decision::NotAgreed => {}
    }
    let is_over = was_open && task.place(index) == Some(&Place::Open) && task.failed_once_more(index, failure, now);
    // As long as somebody else has a copy, it may still be done.
    if is_over && task.holders(index).is_empty() {
        task.settle_here(index, Place::Failed(detail.to_string()));
        step.records.extend(task.record());
    }
    step.say(RequestorEvent::Rejected { header, provider, index, decision, detail: detail.to_string() });
    None
}
