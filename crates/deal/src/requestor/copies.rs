//! What makes a result be taken: that others report the same, that it came out here, or that nothing is asked for.
//!
//! ```text
//! here, fetched -> waiting -+- as many agree as it takes ------------> accepted; who differs is wrong
//!                           +- nobody has the majority, or the others
//!                           |  do not come in time -> run here --------> accepted, or wrong
//!                           +- it cannot be run here -> one copy more --> at last accepted
//! ```
//!
//! Every way out of `waiting` is bounded by a time, so that nobody's money hangs on what a neighbour does.

use super::deal::{Answer, Check, Deal};
use super::interface::{OwnRunReason, RequestorEffect, RequestorEvent};
use super::machine::{Requestor, Step};
use super::task::{Backing, Exclusion, Known, Place, Task};
use crate::{RequestorFact, RequestorPolicy};
use golem_protocol::*;
use std::collections::BTreeSet;

/// The longest that a result waits for the other copies before it is run here, in milliseconds; where a subtask's timeout
/// and the grace are shorter, those. Reason: a third of the half hour after which providers call a requestor overdue.
pub(crate) const COPIES_WAIT_MS_MAX: u64 = 600_000;

/// A copy of a subtask that is here and not entered yet.
struct Copy {
    agreement: B256,
    report: B256,
    provider: NodeId,
    answer: Answer,
    state: CopyState,
}

enum CopyState {
    Waiting {
        since: LocalTime,
        unchecked: Option<String>,
    },
    /// Accepted, and not entered because others of the same report are not decided.
    Accepted,
}

/// How a subtask's copies stand.
struct Copies {
    here: Vec<Copy>,
    /// One of them is run here.
    is_running: bool,
    /// How many are not here yet.
    coming: usize,
}

/// What is to be done about one copy.
enum Ruling {
    Accept(String),
    Reject(Decision, String),
    Run(OwnRunReason),
}

/// How many have to report the same.
fn quorum(copies: u8) -> usize {
    usize::from(copies) / 2 + 1
}

/// The answer that enough of those that are here agree on, of a subtask that is given to so many, and how many do.
pub fn agreed_on<A: core::marker::Copy>(here: &[A], copies: u8, agrees: impl Fn(&A, &A) -> bool) -> Option<(A, usize)> {
    let agreeing = |answer: &A| here.iter().filter(|other| agrees(other, answer)).count();
    let best = here.iter().map(|answer| (*answer, agreeing(answer))).max_by_key(|(_, count)| *count)?;
    (best.1 >= quorum(copies)).then_some(best)
}

/// Why a subtask is run here, of which these answers are here and nobody has the majority.
pub fn own_run_reason<A>(here: &[A], agrees: impl Fn(&A, &A) -> bool) -> OwnRunReason {
    let first = here.first();
    let is_disputed = here.iter().any(|answer| first.is_some_and(|first| !agrees(first, answer)));
    if is_disputed { OwnRunReason::Disputed } else { OwnRunReason::Alone }
}

/// How long a result waits at most for the other copies before it is run here, in milliseconds.
pub fn copies_wait_ms(subtask_timeout_s: u32, grace_ms: u64) -> u64 {
    u64::from(subtask_timeout_s).saturating_mul(1000).saturating_add(grace_ms).min(COPIES_WAIT_MS_MAX)
}

/// What is wrong with an answer, by what is known.
pub(super) fn fault(known: &Known, reported: &Answer, pricing: Pricing) -> Option<(Decision, String)> {
    let by = match known.backing {
        Backing::Taken => "another provider reported",
        Backing::Agreed => "the majority of providers reported",
        Backing::OwnRun => "run again here it is",
    };
    match &known.answer {
        Err(message) => Some((Decision::WrongOutput, format!("reported a result, run again here it fails: {message}"))),
        Ok(right) if right.output != reported.output => {
            Some((Decision::WrongOutput, format!("reported {}, {by} {}", reported.output, right.output)))
        }
        Ok(right) if !right.agrees(reported, pricing) => {
            Some((Decision::WrongFuel, format!("reported {} fuel, {by} {}", reported.fuel.0, right.fuel.0)))
        }
        Ok(_) => None,
    }
}

impl Requestor {
    /// How long a result of this task waits for the other copies before it is run here, in milliseconds.
    pub(super) fn copies_wait_ms(&self, subtask_timeout_s: u32) -> u64 {
        copies_wait_ms(subtask_timeout_s, self.settings.grace_ms)
    }

    /// How long the result that has waited longest for other copies has done so, in milliseconds, and how long it may.
    pub fn longest_wait_ms(&self, now: Now) -> Option<(u64, u64)> {
        let waits = self.deals.values().flat_map(|deal| {
            let bound = self.copies_wait_ms(deal.agreement.subtask_timeout_s);
            deal.waiting_since().map(move |since| (now.local.saturating_sub(since), bound))
        });
        waits.max()
    }

    /// Whether there is something of this provider's that it waits for us to judge.
    pub(super) fn is_judging(&self, provider: NodeId) -> bool {
        let deals = self.deals.values().filter(|deal| deal.provider() == provider);
        let mut checks = deals.flat_map(|deal| deal.reports.values()).flat_map(|open| open.checks.values());
        checks.any(|check| matches!(check, Check::Waiting { .. } | Check::Rechecking { .. }))
    }

    /// Whether the channel that pays a batch is about to close: what is to be paid has to be signed before.
    fn is_closing(&self, agreement: B256) -> bool {
        let deal = self.deals.get(&agreement);
        let channel = deal.and_then(|deal| self.channels.get(&deal.agreement.payee));
        channel.is_some_and(|channel| channel.ledger.state().close_at.0 != 0)
    }

    fn copies(&self, task: &Task, index: u32) -> Copies {
        let mut copies = Copies { here: Vec::new(), is_running: false, coming: 0 };
        for agreement in task.holders(index) {
            let Some(deal) = self.deals.get(agreement) else { continue };
            match copy(deal, *agreement, index) {
                Some(Ok(copy)) => copies.here.push(copy),
                Some(Err(Check::Rechecking { .. })) => copies.is_running = true,
                Some(Err(Check::Fetching)) | None => copies.coming += 1,
                Some(Err(Check::Waiting { .. } | Check::Decided { .. })) => {}
            }
        }
        copies
    }

    /// Decides about the copies of a subtask that are here, as far as that can be done now, and answers the reports of
    /// which nothing else is open.
    pub(super) fn judge(
        &mut self,
        policy: &mut dyn RequestorPolicy,
        header: B256,
        index: u32,
        now: Now,
        step: &mut Step,
    ) {
        let Some(task) = self.tasks.get(&header) else { return };
        let copies = self.copies(task, index);
        if let Some((answer, backing)) = majority(task, index, &copies)
            && let Some(task) = self.tasks.get_mut(&header)
        {
            task.learn(index, Ok(answer), backing);
        }
        let rulings = self.rulings(header, index, &copies, now);
        for (copy, ruling) in copies.here.iter().zip(rulings) {
            if let Some(ruling) = ruling {
                self.carry_out(header, index, copy, ruling, step);
            }
        }
        for copy in &copies.here {
            self.conclude_if_checked(policy, copy.agreement, copy.report, now, step);
        }
    }

    /// One for each copy that is here; none where it has to wait.
    fn rulings(&mut self, header: B256, index: u32, copies: &Copies, now: Now) -> Vec<Option<Ruling>> {
        let Some(task) = self.tasks.get(&header) else { return Vec::new() };
        let (pricing, wait_ms) = (task.header.pricing, self.copies_wait_ms(task.header.subtask_timeout_s));
        if let Some(known) = task.known.get(&index) {
            let by_known = |copy: &Copy| ruling_by_known(known, copy, copies.is_running, pricing);
            return copies.here.iter().map(by_known).collect();
        }
        let mut rulings: Vec<Option<Ruling>> = copies.here.iter().map(|_| None).collect();
        let since = copies.here.iter().filter_map(|copy| match copy.state {
            CopyState::Waiting { since, .. } => Some(since),
            CopyState::Accepted => None,
        });
        let Some(since) = since.min() else { return rulings };
        let here: Vec<Answer> = copies.here.iter().map(|copy| copy.answer).collect();
        let are_coming = copies.coming.saturating_add(task.missing(index)) > 0;
        let may_wait = are_coming
            && now.local.saturating_sub(since) < wait_ms
            && !copies.here.iter().any(|copy| self.is_closing(copy.agreement));
        if copies.is_running || may_wait {
            return rulings;
        }
        let reason = own_run_reason(&here, |one, other| one.agrees(other, pricing));
        let can_run = |copy: &Copy| matches!(copy.state, CopyState::Waiting { unchecked: None, .. });
        if let Some(position) = copies.here.iter().position(can_run) {
            if let Some(ruling) = rulings.get_mut(position) {
                *ruling = Some(Ruling::Run(reason));
            }
            return rulings;
        }
        // Nothing can be run here. Somebody else may tell; who cannot find out who is right pays.
        let Some(task) = self.tasks.get_mut(&header) else { return rulings };
        if reason == OwnRunReason::Disputed && task.want_more(index) {
            copies.here.iter().for_each(|copy| self.wait_again(copy.agreement, index, now));
            return rulings;
        }
        if let Some(answer) = here.first() {
            task.learn(index, Ok(*answer), Backing::Taken);
        }
        let detail = |copy: &Copy| match &copy.state {
            CopyState::Waiting { unchecked: Some(detail), .. } => format!("could not be run again here: {detail}"),
            CopyState::Waiting { unchecked: None, .. } | CopyState::Accepted => String::new(),
        };
        copies.here.iter().map(|copy| Some(Ruling::Accept(detail(copy)))).collect()
    }

    fn wait_again(&mut self, agreement: B256, index: u32, now: Now) {
        let check = self.deals.get_mut(&agreement).and_then(|deal| deal.open_check(index));
        if let Some((_, Check::Waiting { since, .. })) = check {
            *since = now.local;
        }
    }

    fn carry_out(&mut self, header: B256, index: u32, copy: &Copy, ruling: Ruling, step: &mut Step) {
        let next = match ruling {
            Ruling::Accept(detail) => Check::Decided { decision: Decision::Accepted, detail, rechecked: false },
            Ruling::Reject(decision, detail) => {
                self.distrust(header, copy.provider, step);
                Check::Decided { decision, detail, rechecked: false }
            }
            Ruling::Run(reason) => {
                return self.run_here(copy.agreement, copy.report, index, reason, step);
            }
        };
        self.set_check(copy.agreement, copy.report, index, next);
    }

    pub(super) fn set_check(&mut self, agreement: B256, report: B256, index: u32, check: Check) {
        let open = self.deals.get_mut(&agreement).and_then(|deal| deal.reports.get_mut(&report));
        if let Some(slot) = open.and_then(|open| open.checks.get_mut(&index)) {
            *slot = check;
        }
    }

    /// Has a result run here.
    pub(super) fn run_here(
        &mut self,
        agreement: B256,
        report: B256,
        index: u32,
        reason: OwnRunReason,
        step: &mut Step,
    ) {
        let Some(deal) = self.deals.get(&agreement) else { return };
        let (header, provider) = (deal.agreement.header, deal.provider());
        step.say(RequestorEvent::OwnRun { header, provider, index, reason });
        self.set_check(agreement, report, index, Check::Rechecking { failures: 0 });
        self.recheck(agreement, index, step);
    }

    pub(super) fn recheck(&self, agreement: B256, index: u32, step: &mut Step) {
        let Some(deal) = self.deals.get(&agreement) else { return };
        let Some(task) = self.tasks.get(&deal.agreement.header) else { return };
        if let Some(input) = deal.agreement.subtask(index).map(|subtask| subtask.input) {
            let header = Box::new(task.header.document().clone());
            step.effects.push(RequestorEffect::Recheck { agreement, index, input, header });
        }
    }

    /// A provider gave a wrong result. Whatever else of it is not paid yet is run here first.
    ///
    /// Reason: what one wrong result is expected to lose is counted once, so that many at a time would pay if one that is
    /// found let the others pass (`golem_market::checking`).
    pub(super) fn distrust(&mut self, header: B256, provider: NodeId, step: &mut Step) {
        let Some(task) = self.tasks.get_mut(&header) else { return };
        task.cheated(provider);
        let mut unseen = Vec::new();
        for (agreement, deal) in self.deals.iter().filter(|(_, deal)| deal.provider() == provider) {
            let Some(task) = self.tasks.get(&deal.agreement.header) else { continue };
            for (report, open) in &deal.reports {
                let passed = open.checks.iter().filter(|(index, check)| {
                    let completed = matches!(
                        check,
                        Check::Waiting { unchecked: None, .. }
                            | Check::Decided { decision: Decision::Accepted, rechecked: false, .. }
                    );
                    let is_sure = task.known.get(index).is_some_and(|known| known.backing > Backing::Taken);
                    completed && !is_sure
                });
                unseen.extend(passed.map(|(index, _)| (*agreement, *report, *index)));
            }
        }
        for (agreement, report, index) in unseen {
            self.run_here(agreement, report, index, OwnRunReason::Distrusted, step);
        }
    }

    /// What came out here is what is right, whatever was accepted before: those who were paid for something else get
    /// nothing more.
    pub(super) fn convict(
        &mut self,
        policy: &mut dyn RequestorPolicy,
        header: B256,
        index: u32,
        now: Now,
        step: &mut Step,
    ) {
        let Some(task) = self.tasks.get(&header) else { return };
        let Some(known) = task.known.get(&index).filter(|known| known.backing == Backing::OwnRun).cloned() else {
            return;
        };
        let pricing = task.header.pricing;
        self.convict_of_failures(policy, header, index, now, step);
        let deals = self.deals.values().filter(|deal| deal.agreement.header == header);
        let wrong: Vec<(NodeId, Wei, String)> = deals
            .filter_map(|deal| {
                let (paid, answer) = deal.accepted(index)?;
                let (_, detail) = fault(&known, &answer, pricing)?;
                Some((deal.provider(), paid, detail))
            })
            .collect();
        for (provider, paid, detail) in wrong {
            let is_new = self.tasks.get(&header).is_some_and(|task| !task.has_cheated(provider));
            step.say(RequestorEvent::FoundWrong { header, provider, index, paid, detail });
            self.distrust(header, provider, step);
            if is_new {
                policy.note(&RequestorFact::Rejected { provider }, now);
            }
        }
    }

    /// Whoever signed that a subtask fails by the task's own fault, which has a result here, gave a wrong result: those of
    /// earlier reports, and those whose reports are under check.
    fn convict_of_failures(
        &mut self,
        policy: &mut dyn RequestorPolicy,
        header: B256,
        index: u32,
        now: Now,
        step: &mut Step,
    ) {
        let Some(task) = self.tasks.get(&header).filter(|task| task.succeeds_here(index)) else { return };
        let earlier = task.failures.get(&index).into_iter().flatten();
        let liars: BTreeSet<NodeId> =
            earlier.filter(|failure| failure.kind.is_deterministic()).map(|failure| failure.provider).collect();
        for provider in liars {
            if self.tasks.get(&header).is_none_or(|task| task.has_cheated(provider)) {
                continue;
            }
            let detail = "reported that it fails, run again here it does not".to_owned();
            step.say(RequestorEvent::FoundWrong { header, provider, index, paid: Wei::ZERO, detail });
            self.distrust(header, provider, step);
            policy.note(&RequestorFact::Rejected { provider }, now);
            policy.note(&RequestorFact::Proven { provider }, now);
        }
        let deals = self.deals.iter().filter(|(_, deal)| deal.agreement.header == header);
        let open = deals.flat_map(|(agreement, deal)| deal.reports.keys().map(|report| (*agreement, *report)));
        for (agreement, report) in open.collect::<Vec<_>>() {
            self.refute_failures(agreement, report, &[index], step);
        }
    }

    /// Marks as false what a report says of subtasks that they fail by the task's own fault, and that have a result here.
    pub(super) fn refute_failures(&mut self, agreement: B256, report: B256, indices: &[u32], step: &mut Step) {
        let Some(deal) = self.deals.get(&agreement) else { return };
        let (header, provider) = (deal.agreement.header, deal.provider());
        let (Some(task), Some(open)) = (self.tasks.get(&header), deal.reports.get(&report)) else { return };
        let is_false = |index: &u32| {
            let noted = matches!(
                open.checks.get(index),
                Some(Check::Decided { decision: Decision::FailureNoted, rechecked: false, .. })
            );
            noted && task.succeeds_here(*index) && open.failure(*index).is_some_and(|(kind, _)| kind.is_deterministic())
        };
        let refuted: Vec<u32> = indices.iter().copied().filter(is_false).collect();
        for index in refuted {
            let said = self.deals.get(&agreement).and_then(|deal| deal.reports.get(&report)?.failure(index));
            let Some((_, said)) = said else { continue };
            let detail = format!("{said} (run again here it does not)");
            let refuted = Check::Decided { decision: Decision::FailureNoted, detail, rechecked: true };
            self.set_check(agreement, report, index, refuted);
            self.distrust(header, provider, step);
        }
    }

    /// Looks again at every subtask of which a copy has waited long enough.
    pub(super) fn end_waits(&mut self, policy: &mut dyn RequestorPolicy, now: Now, step: &mut Step) {
        let mut due = Vec::new();
        for deal in self.deals.values() {
            let wait_ms = self.copies_wait_ms(deal.agreement.subtask_timeout_s);
            let header = deal.agreement.header;
            let is_closing = self.is_closing(deal.agreement.digest());
            let over = deal.waiting().filter(|(_, since)| is_closing || now.local.saturating_sub(*since) >= wait_ms);
            due.extend(over.map(|(index, _)| (header, index)));
        }
        for (header, index) in due {
            self.judge(policy, header, index, now, step);
        }
    }
}

/// The answer that enough copies agree on.
fn majority(task: &Task, index: u32, copies: &Copies) -> Option<(Answer, Backing)> {
    if task.known.contains_key(&index) || matches!(task.place(index), Some(Place::Failed(_)) | None) {
        return None;
    }
    let pricing = task.header.pricing;
    let here: Vec<Answer> = copies.here.iter().map(|copy| copy.answer).collect();
    let (answer, count) = agreed_on(&here, task.order.checks.copies, |copy, answer| copy.agrees(answer, pricing))?;
    Some((answer, if count >= 2 { Backing::Agreed } else { Backing::Taken }))
}

fn ruling_by_known(known: &Known, copy: &Copy, is_running: bool, pricing: Pricing) -> Option<Ruling> {
    match (fault(known, &copy.answer, pricing), &copy.state) {
        (None, CopyState::Accepted) => None,
        (None, CopyState::Waiting { unchecked: None, .. }) => Some(Ruling::Accept(String::new())),
        (None, CopyState::Waiting { unchecked: Some(detail), .. }) => {
            Some(Ruling::Accept(format!("could not be run again here: {detail}")))
        }
        (Some((decision, detail)), _) if known.backing > Backing::Taken => Some(Ruling::Reject(decision, detail)),
        (Some(_), CopyState::Accepted) => None,
        // One says this and one says that: who is right is found out here.
        (Some(_), CopyState::Waiting { unchecked: None, .. }) => {
            (!is_running).then_some(Ruling::Run(OwnRunReason::Disputed))
        }
        (Some(_), CopyState::Waiting { unchecked: Some(detail), .. }) => {
            Some(Ruling::Accept(format!("could not be run again here: {detail}")))
        }
    }
}

/// A deal's copy of a subtask: itself where it can be judged, else how far its check is.
fn copy(deal: &Deal, agreement: B256, index: u32) -> Option<Result<Copy, Check>> {
    let mut first = None;
    for (report, open) in &deal.reports {
        let Some(check) = open.checks.get(&index) else { continue };
        let state = match check {
            Check::Waiting { since, unchecked } => CopyState::Waiting { since: *since, unchecked: unchecked.clone() },
            Check::Decided { decision: Decision::Accepted, rechecked: false, .. } => CopyState::Accepted,
            Check::Fetching | Check::Rechecking { .. } => return Some(Err(check.clone())),
            Check::Decided { .. } => {
                first = first.or_else(|| Some(Err(check.clone())));
                continue;
            }
        };
        let answer = open.answer(index)?;
        return Some(Ok(Copy { agreement, report: *report, provider: deal.provider(), answer, state }));
    }
    first
}

impl Task {
    /// Whether a provider gave a wrong result in this task.
    pub fn has_cheated(&self, provider: NodeId) -> bool {
        self.excluded.get(&provider) == Some(&Exclusion::Cheated)
    }
}
