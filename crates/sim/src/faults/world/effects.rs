//! What the shells of the simulated nodes do with what their machines want done.

use super::{Held, What, Who, World};
use crate::faults::CHAIN;
use crate::faults::chain::Transaction;
use crate::faults::host::TIMEOUT_S;
use crate::faults::scenario::{ProviderNature, RequestorNature};
use golem_deal::{
    ComputeJob, OwnRunReason, ProviderEffect, ProviderEvent, ProviderInput, RequestorEffect, RequestorEvent,
    RequestorInput,
};
use golem_payments::contract::pack_voucher;
use golem_protocol::message::encode_header;
use golem_protocol::{
    Address, B256, ByteCount, ChannelId, ContentHash, Decision, Document, FailureKind, Fuel, Message, NodeId, Pricing,
    RefusalReason, Signed, SubtaskOutcome, Verdict, Voucher, Wei, subtask_value,
};

impl World {
    pub(super) fn requestor_effect(&mut self, index: usize, effect: RequestorEffect) -> Held {
        let me = Who::Requestor(index);
        let run = Some(self.run_of(me));
        match effect {
            RequestorEffect::Persist { id, records } => self.begin_save(me, id, records)?,
            RequestorEffect::Announce(header) => {
                let bytes =
                    encode_header(&header).map_err(|error| format!("{me:?} announces too much: {error}"))?.len();
                let header = header.authenticate(&CHAIN).map_err(|error| format!("{me:?} signs badly: {error}"))?;
                for provider in 0..self.providers.len() {
                    for delay in self.arrivals(me, Who::Provider(provider), bytes) {
                        let header = ProviderInput::Header(Box::new(header.clone()));
                        self.at(delay, None, What::ToProvider(provider, header));
                    }
                }
            }
            RequestorEffect::Send { to, message } => self.requestor_sends(index, to, message)?,
            RequestorEffect::ReadChannel(id) => self.answer_requestor(index, id.payee, 300),
            RequestorEffect::Fund { payee, deposit, epoch, .. } => self.fund(index, payee, deposit, epoch),
            RequestorEffect::Fetch(job) => {
                // What somebody has who is down cannot be fetched.
                let there = self.provider_of(job.provider).is_some_and(|n| self.providers[n].down_until <= self.time);
                let complete = if there { Ok(()) } else { Err("the provider does not answer".to_owned()) };
                let answer = RequestorInput::Fetched { agreement: job.agreement, index: job.index, complete };
                let delay = self.network.between(10, 200);
                self.at(delay, run, What::ToRequestor(index, answer));
            }
            RequestorEffect::Recheck { agreement, index: subtask, input, .. } => {
                let answer = RequestorInput::Rechecked {
                    agreement,
                    index: subtask,
                    outcome: Ok(computed(input, self.scenario.pricing)),
                };
                self.at(200, run, What::ToRequestor(index, answer));
            }
            RequestorEffect::Publish(proof) => {
                let accused = proof.check(&CHAIN).map_err(|fault| format!("{me:?} proves nothing: {fault}"))?;
                let SubtaskOutcome::Completed { output, fuel, .. } = computed(accused.input, self.scenario.pricing)
                else {
                    return Ok(());
                };
                if (output, fuel) == (accused.output, accused.fuel) {
                    return Err(format!("{me:?} accuses {}, whose result is right", accused.provider));
                }
                self.report.proofs += 1;
            }
            RequestorEffect::KeepSlow(slow) => return Err(format!("{me:?} was never told to look at times: {slow:?}")),
            RequestorEffect::WakeAt(at) => {
                let time = self.time;
                let delay = self.clock_of(me).until(at, time);
                if self.keeps_every_tick() || self.requestors[index].wakes_at(self.time + delay) {
                    self.at(delay, run, What::ToRequestor(index, RequestorInput::Tick));
                }
            }
            RequestorEffect::Happened(event) => {
                self.count(&event)?;
                if let RequestorEvent::Refused { reason, .. } = &event {
                    self.check_reason(me, reason)?;
                }
                // Offers come again every few seconds, and would leave no line for what matters.
                if !matches!(event, RequestorEvent::Offered { .. } | RequestorEvent::Refused { .. }) {
                    self.note(format!("{me:?}: {event:?}"));
                }
            }
        }
        Ok(())
    }

    /// Machines that are woken more often than they ask for show more. Where results wait for each other, a world is long,
    /// and as each tick asks for the next they would come to cost more than all else.
    fn keeps_every_tick(&self) -> bool {
        self.scenario.checks.copies == 1
    }

    fn count(&mut self, event: &RequestorEvent) -> Held {
        match event {
            RequestorEvent::Accepted { header, index, agreement, provider, again, output, paid, fee, .. } => {
                self.check_price(*agreement, *index, *output, *paid, *fee)?;
                self.report.copies += u64::from(*again);
                self.checks.accepts(*header, *agreement, *index, *provider)?;
            }
            RequestorEvent::OwnRun { reason: OwnRunReason::Disputed | OwnRunReason::Alone, .. } => {
                self.report.referees += 1;
            }
            RequestorEvent::Hedged { .. } => self.report.hedged += 1,
            RequestorEvent::Rejected { decision: Decision::WrongOutput | Decision::WrongFuel, .. } => {
                self.report.wrong += 1;
            }
            _ => {}
        }
        Ok(())
    }

    fn requestor_sends(&mut self, index: usize, to: NodeId, mut message: Message) -> Held {
        let host = &self.requestors[index];
        let (from, payer, nature) = (host.machine.node(), host.payer(), host.nature);
        if let Message::Verdict { voucher, author_voucher, .. } = &mut message {
            match nature {
                RequestorNature::Honest => {}
                RequestorNature::Stingy => *author_voucher = None,
                RequestorNature::Deadbeat => return Ok(()),
            }
            for voucher in [voucher, author_voucher].into_iter().flatten() {
                self.checks.voucher_leaves(payer, voucher)?;
                let (signed, budget) = (self.checks.signed_by(payer), self.scenario.budget);
                if signed > budget {
                    return Err(format!("requestor {index} signed {signed}, and its budget is {budget}"));
                }
            }
        }
        match &message {
            Message::Vouchers { vouchers, .. } => self.claim_for_author(vouchers),
            Message::Agreement(agreement) => {
                self.checks.proposes(agreement.document.digest(&CHAIN), &agreement.document, self.time);
            }
            Message::Verdict { verdict, .. } => {
                let Verdict { agreement, decisions, .. } = &verdict.document;
                for (index, _) in decisions.iter().filter(|(_, decision)| *decision != Decision::Accepted) {
                    self.checks.stakes.refused(*agreement, *index);
                }
            }
            _ => {}
        }
        let Some(provider) = self.provider_of(to) else { return Ok(()) };
        let (message, bytes) = through_the_wire(&message)?;
        for delay in self.arrivals(Who::Requestor(index), Who::Provider(provider), bytes) {
            let input = ProviderInput::Message { from, message: Box::new(message.clone()) };
            self.at(delay, None, What::ToProvider(provider, input));
        }
        Ok(())
    }

    pub(super) fn provider_effect(&mut self, index: usize, effect: ProviderEffect) -> Held {
        let me = Who::Provider(index);
        let run = Some(self.run_of(me));
        match effect {
            ProviderEffect::Persist { id, records } => self.begin_save(me, id, records)?,
            ProviderEffect::Send { to, message } => {
                let from = self.providers[index].machine.node();
                match &message {
                    Message::Vouchers { vouchers, .. } => self.claim_for_author(vouchers),
                    Message::Report(report) => self.checks.reports(report.document.agreement, self.time),
                    _ => {}
                }
                let Some(requestor) = self.requestor_of(to) else { return Ok(()) };
                let (message, bytes) = through_the_wire(&message)?;
                for delay in self.arrivals(me, Who::Requestor(requestor), bytes) {
                    let input = RequestorInput::Message { from, message: Box::new(message.clone()) };
                    self.at(delay, None, What::ToRequestor(requestor, input));
                }
            }
            ProviderEffect::ReadChannel(channel) => {
                let state = self.chain.channel(&channel, self.scenario.confirmations);
                let delay = self.network.between(50, 400);
                self.at(delay, run, What::ToProvider(index, ProviderInput::Channel { channel, state }));
            }
            ProviderEffect::Compute(job) => {
                let outcome = match self.providers[index].nature {
                    ProviderNature::Idle => return Ok(()),
                    ProviderNature::Honest => computed(job.input, self.scenario.pricing),
                    // A failure of the program, or of the machine.
                    ProviderNature::Cheat if self.scenario.seed % 4 == 3 => {
                        let kind = if index.is_multiple_of(2) { FailureKind::Trapped } else { FailureKind::Provider };
                        SubtaskOutcome::Failed { kind, message: "no such thing happened".to_owned() }
                    }
                    // No two of them report the same: those that do outvote the honest, and nothing here says otherwise.
                    ProviderNature::Cheat => {
                        computed(ContentHash(B256::repeat_byte(0xE0 + index as u8)), self.scenario.pricing)
                    }
                };
                self.has_at_stake(index, &job);
                self.check_author_is_paid(index, job.requestor)?;
                let answer = ProviderInput::Computed { agreement: job.agreement, index: job.index, outcome };
                let delay = self.providers[index].speed_ms;
                self.at(delay, run, What::ToProvider(index, answer));
            }
            ProviderEffect::Claim { payer } => self.claim(index, Some(payer)),
            ProviderEffect::WakeAt(at) => {
                let time = self.time;
                let delay = self.clock_of(me).until(at, time);
                if self.keeps_every_tick() || self.providers[index].wakes_at(self.time + delay) {
                    self.at(delay, run, What::ToProvider(index, ProviderInput::Tick));
                }
            }
            ProviderEffect::Happened(event) => {
                if let ProviderEvent::Paid { requestor, cumulative, .. } = &event
                    && let Some(payer) = self.requestor_of(*requestor).map(|n| self.requestors[n].payer())
                {
                    let channel = self.providers[index].channel_from(payer);
                    let ledgers = self.providers[index].machine.ledgers();
                    if let Some(ledger) = ledgers.iter().find(|ledger| ledger.channel() == channel) {
                        self.checks.told(channel, ledger.state().epoch, *cumulative);
                    }
                }
                self.note_fees(index, &event);
                if let ProviderEvent::Refused { reason, .. } = &event {
                    self.check_reason(me, reason)?;
                }
                match &event {
                    ProviderEvent::Agreed { requestor, .. } => self.checks.lends(index, *requestor, true),
                    ProviderEvent::Refused { requestor, reason: RefusalReason::CreditExceeded { .. }, .. } => {
                        self.checks.lends(index, *requestor, false);
                    }
                    ProviderEvent::Computed { agreement, index: subtask, .. } => {
                        self.checks.stakes.computes(index, *agreement, *subtask);
                    }
                    ProviderEvent::Abandoned { agreement, .. } => {
                        self.check_what_is_given_up(index, *agreement)?;
                        self.checks.stakes.abandons(index, *agreement);
                    }
                    _ => {}
                }
                if !matches!(event, ProviderEvent::Offered { .. } | ProviderEvent::RefusedByPeer { .. }) {
                    self.note(format!("{me:?}: {event:?}"));
                }
            }
            ProviderEffect::StopComputing { agreement } => self.checks.stakes.stops(index, agreement),
        }
        Ok(())
    }

    /// What an honest provider would lend each requestor now, and what their vouchers have brought it. Where it is the app's
    /// author as well, its vouchers are for more than work, and nothing is said of it.
    pub(super) fn see_what_is_granted(&mut self, index: usize) {
        if !self.has_stakes(index) {
            return;
        }
        let host = &self.providers[index];
        for ledger in host.machine.ledgers() {
            self.checks.stakes.earns(index, ledger.channel().payer, ledger.state().epoch, ledger.earned());
        }
        // Before anything was agreed no price is known, and what would be lent is not yet what is.
        let requestors = self.requestors.iter().filter(|_| host.machine.open_deals() > 0);
        for requestor in requestors {
            let node = requestor.machine.node();
            let credit = golem_deal::ProviderPolicy::credit(&host.policy, node);
            self.checks.stakes.grants(index, node, credit, self.time);
        }
    }

    fn has_stakes(&self, index: usize) -> bool {
        let host = &self.providers[index];
        host.nature == ProviderNature::Honest && self.scenario.app.payee() != Some(host.payee())
    }

    /// An honest provider begins something.
    fn has_at_stake(&mut self, index: usize, job: &ComputeJob) {
        if !self.has_stakes(index) {
            return;
        }
        let SubtaskOutcome::Completed { fuel, .. } = computed(job.input, self.scenario.pricing) else { return };
        let worth = self.checks.worth(job.agreement, job.index, self.scenario.pricing, fuel);
        if let Some((agreement, value, worth)) = worth {
            let payer = agreement.payer;
            self.checks.stakes.begins(index, job.requestor, payer, (job.agreement, job.index), value, worth);
        }
    }

    /// A result is accepted for what was agreed, by the fuel that it takes where that is paid, and never for more than the
    /// header allows.
    fn check_price(&self, agreement: B256, index: u32, output: ContentHash, paid: Wei, fee: Wei) -> Held {
        // The outputs of this world are its inputs, and nothing else is accepted in the end.
        let SubtaskOutcome::Completed { fuel, .. } = computed(output, self.scenario.pricing) else { return Ok(()) };
        let Some((agreed, value, worth)) = self.checks.worth(agreement, index, self.scenario.pricing, fuel) else {
            return Err(format!("subtask {index} is accepted by {agreement}, which nobody proposed"));
        };
        let is_right = agreed.subtask(index).is_some_and(|subtask| subtask.input == output);
        let highest = subtask_value(Wei(600_000), TIMEOUT_S).unwrap_or_default();
        if (is_right && paid != worth) || paid > value || value > highest || fee != self.scenario.app.of(1) {
            return Err(format!(
                "subtask {index} is accepted for {paid} and a fee of {fee}; it is worth {worth}, agreed were {value} of {highest}"
            ));
        }
        Ok(())
    }

    fn note_fees(&mut self, index: usize, event: &ProviderEvent) {
        if let ProviderEvent::FeePaid { payer, author, cumulative, .. } = event {
            let channel = ChannelId { payer: *payer, payee: *author };
            let ledgers = self.providers[index].machine.author_ledgers();
            if let Some(ledger) = ledgers.iter().find(|ledger| ledger.channel() == channel) {
                self.checks.told_for_author(index, channel, ledger.state().epoch, *cumulative);
            }
        }
        if let ProviderEvent::FeeUnpaid { requestor, .. } = event {
            self.checks.fee_left_out(index, *requestor);
        }
    }

    /// A provider that knows that a requestor leaves the author out begins nothing more for it. Where the author's channel
    /// can end, or be undone by a reorg, nothing can be said: then there is nothing that could be paid.
    fn check_author_is_paid(&self, index: usize, requestor: NodeId) -> Held {
        let faults = self.scenario.faults;
        let stingy = self.requestor_of(requestor).map(|n| self.requestors[n].nature) == Some(RequestorNature::Stingy);
        let stays_open = faults.close_every_ms == 0 && faults.reorg_per_mille == 0;
        if stingy && stays_open && self.checks.knows_of_fee_left_out(index, requestor) {
            return Err(format!("provider {index} works on for {requestor}, who leaves the author out"));
        }
        Ok(())
    }

    /// Now and then the author asks somebody for what it is owed, and claims it.
    pub(super) fn author_collects(&mut self) {
        let Some(author) = self.scenario.app.payee().filter(|_| self.collects.per_mille(20)) else { return };
        let somebody = self.collects.between(0, (self.providers.len() + self.requestors.len() - 1) as u64) as usize;
        let (from, message) = (NodeId(author), Message::AskVouchers { payee: author, after: Address::ZERO });
        let message = Box::new(message);
        match somebody.checked_sub(self.providers.len()) {
            None => self.at(50, None, What::ToProvider(somebody, ProviderInput::Message { from, message })),
            Some(index) if self.requestors[index].nature == RequestorNature::Honest => {
                self.at(50, None, What::ToRequestor(index, RequestorInput::Message { from, message }));
            }
            Some(_) => {}
        }
    }

    /// Claims what somebody answered the author, or kept for it.
    pub(super) fn claim_for_author(&mut self, vouchers: &[Signed<Voucher>]) {
        let packed: Vec<u8> = vouchers.iter().flat_map(|v| pack_voucher(&v.document, &v.signature)).collect();
        if let Some(author) = self.scenario.app.payee().filter(|_| !packed.is_empty()) {
            self.chain.send(Transaction::Claim { payee: author, packed });
        }
    }

    fn answer_requestor(&mut self, index: usize, payee: Address, delay_max_ms: u64) {
        let channel = ChannelId { payer: self.requestors[index].payer(), payee };
        let state = self.chain.channel(&channel, self.scenario.confirmations);
        let delay = self.network.between(50, delay_max_ms);
        self.at(delay, None, What::ToRequestor(index, RequestorInput::Channel { channel, state }));
    }

    /// As a node's shell does: what is missing is sent once, and the answer comes when it is deep enough.
    fn fund(&mut self, index: usize, payee: Address, deposit: Wei, epoch: u32) {
        let run = Some(self.run_of(Who::Requestor(index)));
        if !self.is_calm() && self.blocks.per_mille(self.scenario.faults.fund_failure_per_mille) {
            let failed = RequestorInput::FundFailed { payee, detail: "the RPC does not answer".into() };
            return self.at(100, run, What::ToRequestor(index, failed));
        }
        let id = ChannelId { payer: self.requestors[index].payer(), payee };
        if let Some(amount) = self.chain.missing(&id, deposit, epoch) {
            self.chain.send(Transaction::Fund { payer: id.payer, payee, amount, deposit, epoch });
        }
        // The state is read when it is told, by the next blocks.
        self.told.remove(&id);
    }

    /// Claims all that is claimable, of one payer or of all.
    pub(super) fn claim(&mut self, index: usize, of: Option<Address>) {
        let host = &self.providers[index];
        let mut packed = Vec::new();
        for ledger in host.machine.ledgers() {
            let wanted = of.is_none_or(|payer| ledger.channel().payer == payer);
            if let Some(best) = ledger.best().filter(|_| wanted && ledger.claimable() > Wei::ZERO) {
                packed.extend(pack_voucher(&best.document, &best.signature));
            }
        }
        if !packed.is_empty() {
            let payee = host.payee();
            self.chain.send(Transaction::Claim { payee, packed });
        }
    }
}

/// What a subtask comes to: a part of what its time may cost where fuel is paid, so that it takes a few to reach a credit
/// of two; and next to none of its time where the time is paid.
fn computed(input: ContentHash, pricing: Pricing) -> SubtaskOutcome {
    let (fuel, time_ms) = match pricing {
        Pricing::Tender => (500, 300),
        Pricing::Metered => (30_000, 30_000),
    };
    SubtaskOutcome::Completed {
        output: input,
        output_bytes: ByteCount(10),
        fuel: Fuel(fuel + u64::from(input.0[31])),
        time_ms,
    }
}

/// A message as it comes out at the other end, and how many bytes it had on the way.
fn through_the_wire(message: &Message) -> Result<(Message, usize), String> {
    let bytes = message.encode().map_err(|error| format!("a {} cannot be sent: {error}", message.name()))?;
    let read = Message::decode(&bytes).map_err(|error| format!("a {} cannot be read: {error}", message.name()))?;
    if read != *message {
        return Err(format!("a {} comes out as another", message.name()));
    }
    Ok((read, bytes.len()))
}
