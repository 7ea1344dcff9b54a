//! What the shells of the simulated nodes do with what their machines want done.

use super::{Held, What, Who, World};
use crate::faults::CHAIN;
use crate::faults::chain::Transaction;
use crate::faults::host::{SLOTS, TIMEOUT_S};
use crate::faults::scenario::{ProviderNature, RequestorNature};
use golem_deal::{
    OwnRunReason, ProviderEffect, ProviderEvent, ProviderInput, RequestorEffect, RequestorEvent, RequestorInput,
};
use golem_payments::contract::pack_voucher;
use golem_protocol::{
    Address, B256, ByteCount, ChannelId, ContentHash, Decision, Fuel, Message, NodeId, Pricing, Signed, SubtaskOutcome,
    Voucher, Wei, subtask_value,
};

impl World {
    pub(super) fn requestor_effect(&mut self, index: usize, effect: RequestorEffect) -> Held {
        let me = Who::Requestor(index);
        let run = Some(self.run_of(me));
        match effect {
            RequestorEffect::Persist { id, records } => {
                self.requestors[index].disk.begin(id, records);
                let delay = self.save_delay(me);
                self.at(delay, run, What::Saved(me));
            }
            RequestorEffect::Announce(header) => {
                let header = header.authenticate(&CHAIN).map_err(|error| format!("{me:?} signs badly: {error}"))?;
                for provider in 0..self.providers.len() {
                    for delay in self.arrivals(me, Who::Provider(provider)) {
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
                let answer = RequestorInput::Rechecked { agreement, index: subtask, outcome: Ok(computed(input)) };
                self.at(200, run, What::ToRequestor(index, answer));
            }
            RequestorEffect::Publish(proof) => {
                let accused = proof.check(&CHAIN).map_err(|fault| format!("{me:?} proves nothing: {fault}"))?;
                let SubtaskOutcome::Completed { output, fuel, .. } = computed(accused.input) else { return Ok(()) };
                if (output, fuel) == (accused.output, accused.fuel) {
                    return Err(format!("{me:?} accuses {}, whose result is right", accused.provider));
                }
                self.report.proofs += 1;
            }
            RequestorEffect::KeepSlow(slow) => return Err(format!("{me:?} was never told to look at times: {slow:?}")),
            RequestorEffect::WakeAt(at) => {
                let delay = at.0.saturating_sub(self.time).max(1);
                if self.keeps_every_tick() || self.requestors[index].wakes_at(self.time + delay) {
                    self.at(delay, run, What::ToRequestor(index, RequestorInput::Tick));
                }
            }
            RequestorEffect::Happened(event) => {
                self.count(&event)?;
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
            RequestorEvent::Accepted { header, index, agreement, provider, again, .. } => {
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
        if let Message::Vouchers { vouchers, .. } = &message {
            self.claim_for_author(vouchers);
        }
        let Some(provider) = self.provider_of(to) else { return Ok(()) };
        for delay in self.arrivals(Who::Requestor(index), Who::Provider(provider)) {
            let input = ProviderInput::Message { from, message: Box::new(message.clone()) };
            self.at(delay, None, What::ToProvider(provider, input));
        }
        Ok(())
    }

    pub(super) fn provider_effect(&mut self, index: usize, effect: ProviderEffect) -> Held {
        let me = Who::Provider(index);
        let run = Some(self.run_of(me));
        match effect {
            ProviderEffect::Persist { id, records } => {
                self.providers[index].disk.begin(id, records);
                let delay = self.save_delay(me);
                self.at(delay, run, What::Saved(me));
            }
            ProviderEffect::Send { to, message } => {
                let from = self.providers[index].machine.node();
                if let Message::Vouchers { vouchers, .. } = &message {
                    self.claim_for_author(vouchers);
                }
                let Some(requestor) = self.requestor_of(to) else { return Ok(()) };
                for delay in self.arrivals(me, Who::Requestor(requestor)) {
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
                    ProviderNature::Honest => computed(job.input),
                    // No two of them report the same: those that do outvote the honest, and nothing here says otherwise.
                    ProviderNature::Cheat => computed(ContentHash(B256::repeat_byte(0xE0 + index as u8))),
                };
                self.check_exposure(index, job.requestor, job.agreement, job.index)?;
                self.check_author_is_paid(index, job.requestor)?;
                let answer = ProviderInput::Computed { agreement: job.agreement, index: job.index, outcome };
                let delay = self.providers[index].speed_ms;
                self.at(delay, run, What::ToProvider(index, answer));
            }
            ProviderEffect::Claim { payer } => self.claim(index, Some(payer)),
            ProviderEffect::WakeAt(at) => {
                let delay = at.0.saturating_sub(self.time).max(1);
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
                if !matches!(event, ProviderEvent::Offered { .. } | ProviderEvent::RefusedByPeer { .. }) {
                    self.note(format!("{me:?}: {event:?}"));
                }
            }
            ProviderEffect::StopComputing { .. } => {}
        }
        Ok(())
    }

    /// An honest provider does no more for somebody who never pays than its credit, and what it runs at once.
    fn check_exposure(&mut self, index: usize, requestor: NodeId, agreement: B256, subtask: u32) -> Held {
        let Some(debtor) = self.requestor_of(requestor) else { return Ok(()) };
        let host = &self.providers[index];
        if host.nature != ProviderNature::Honest || self.requestors[debtor].nature != RequestorNature::Deadbeat {
            return Ok(());
        }
        let max_price = self.requestors[debtor].order.header.max_price;
        let value = subtask_value(max_price, TIMEOUT_S).unwrap_or(Wei::MAX);
        let credit = golem_deal::ProviderPolicy::credit(&host.policy, requestor);
        let payee = host.payee();
        let done = self.checks.works(payee, requestor.0, agreement, subtask) as u128;
        // What a subtask is worth at least, against what may be open at most.
        let least = match self.scenario.pricing {
            Pricing::Tender => subtask_value(Wei(60_000), TIMEOUT_S).unwrap_or(Wei::ZERO),
            // Paid by the fuel, of which every subtask here takes 500 at least; a price falls to a quarter.
            Pricing::Metered => Wei(15_000).ratio_rounded_up(500, 1_000 * 3_600).unwrap_or(Wei::ZERO),
        };
        let allowed = credit.0 + value.0 * u128::from(SLOTS);
        if done * least.0 > allowed {
            return Err(format!("provider {index} did {done} subtasks for nothing, and its credit is {credit}"));
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

fn computed(input: ContentHash) -> SubtaskOutcome {
    SubtaskOutcome::Completed {
        output: input,
        output_bytes: ByteCount(10),
        fuel: Fuel(500 + u64::from(input.0[31])),
        time_ms: 300,
    }
}
