//! The machine's state, its one way in, recovery, and what time brings.

use super::deal::{Deal, Part, Stage};
use super::interface::{
    Checks, RequestorEffect, RequestorEvent, RequestorInput, RequestorSettings, TaskOrder, TaskStatus,
};
use super::pace::{Pace, SLEPT_MS};
use super::site::{SITES_MAX, Site};
use super::task::{Backing, COPIES_TOTAL_MAX, Place, Task, TaskRecord};
use crate::outbox::Outbox;
use crate::record::{Record, RecoverError, Table, read};
use crate::{Keys, RequestorFact, RequestorPolicy, Violation};
use golem_payments::PayerLedger;
use golem_protocol::*;
use std::collections::{BTreeMap, BTreeSet};

/// Of how many providers that were lost it is kept what was taken back of them. Reason: names cost little, and who is not told
/// gives up at the deadline.
const UNTOLD_MAX: usize = 1_024;
/// The pause before an agreement is sent again, in milliseconds.
pub(super) const RESEND_MS: u64 = 2_000;
/// How long a provider may take to countersign, in milliseconds. Reason: it only has to look at the chain once.
const COUNTERSIGN_MS: u64 = 12_000;
/// How often a header is repeated while subtasks are open, in milliseconds. Reason: gossip may lose one, and providers
/// come and go.
const ANNOUNCE_MS: u64 = 3_000;
/// How long an answer about a channel is waited for, in milliseconds, before it is asked for again. Reason: a
/// transaction can take minutes; the effect says which deposit to reach, so that asking again does not fund twice.
const FUND_WAIT_MS: u64 = 180_000;
/// How long a failed funding is left alone, in milliseconds. Reason: an RPC that is down, a wallet that is empty.
pub(super) const FUND_AGAIN_MS: u64 = 10_000;
/// The most tasks at once; those that ended do not count. Reason: each keeps a book of offers and subtasks in memory.
pub(crate) const TASKS_MAX: usize = 256;
/// How many closed deals are kept in memory to answer late repeats. The records stay in the store.
const CLOSED_MAX: usize = 4096;

/// A channel of ours, and the funding that is under way.
#[derive(Clone, Debug)]
pub(super) struct Channel {
    pub ledger: PayerLedger,
    pub known: bool,
    pub funding: Funding,
}

/// Whether money is on its way into a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Funding {
    Idle,
    /// The chain is asked how the channel stands.
    Reading {
        since: LocalTime,
    },
    /// This deposit is to be reached in this epoch.
    Asked {
        deposit: Wei,
        epoch: u32,
        since: LocalTime,
    },
    /// The last try failed; not before this time again.
    Failed {
        again: LocalTime,
    },
}

impl Channel {
    /// From when on the chain may be asked for something again.
    pub fn asks_next(&self) -> LocalTime {
        match self.funding {
            Funding::Idle => LocalTime(0),
            Funding::Reading { since } | Funding::Asked { since, .. } => since.saturating_add(FUND_WAIT_MS + 1),
            Funding::Failed { again } => again,
        }
    }

    /// Asks how the channel stands.
    pub fn read(&mut self, now: Now, step: &mut Step) {
        self.funding = Funding::Reading { since: now.local };
        step.effects.push(RequestorEffect::ReadChannel(self.ledger.channel()));
    }

    /// Puts in what was signed after the channel had ended: no other work may ever open it again, and what was agreed is
    /// paid.
    pub fn keep_promise(&mut self, now: Now, step: &mut Step) {
        let Some(Voucher { payee, epoch, cumulative }) = self.ledger.promised() else { return };
        if self.asks_next() > now.local {
            return;
        }
        if !self.known {
            return self.read(now, step);
        }
        self.funding = Funding::Asked { deposit: cumulative, epoch, since: now.local };
        step.effects.push(RequestorEffect::Fund { payee, amount: cumulative, deposit: cumulative, epoch });
    }
}

/// The requestor's machine.
pub struct Requestor {
    pub(super) settings: RequestorSettings,
    pub(super) keys: Keys,
    pub(super) outbox: Outbox<RequestorEffect>,
    /// By header digest; at most `TASKS_MAX` that have not ended.
    pub(super) tasks: BTreeMap<B256, Task>,
    /// By agreement digest; open ones bounded by the subtasks, closed ones by `CLOSED_MAX`.
    pub(super) deals: BTreeMap<B256, Deal>,
    /// By payee.
    pub(super) channels: BTreeMap<Address, Channel>,
    /// Peers that cannot be reached, since when. Only those with open deals are looked at.
    pub(super) lost: BTreeMap<NodeId, LocalTime>,
    /// What was taken back of those while they were not: they are told once they are there again.
    untold: BTreeMap<NodeId, BTreeSet<B256>>,
    /// What is timed of providers; only those that have something under way.
    pub(super) paces: BTreeMap<NodeId, Pace>,
    /// Where providers' connections came from last; at most `SITES_MAX`, and nothing of before the start.
    pub(super) sites: BTreeMap<NodeId, Site>,
    stepped: LocalTime,
}

/// What one step led to.
#[derive(Default)]
pub(super) struct Step {
    pub records: Vec<Record>,
    pub effects: Vec<RequestorEffect>,
}

impl Step {
    pub fn send(&mut self, to: NodeId, message: Message) {
        self.effects.push(RequestorEffect::Send { to, message });
    }

    pub fn say(&mut self, event: RequestorEvent) {
        self.effects.push(RequestorEffect::Happened(event));
    }

    pub fn refuse(&mut self, to: NodeId, about: B256, reason: RefusalReason) {
        self.send(to, Message::Refusal(Refusal { about, reason: reason.clone() }));
        self.say(RequestorEvent::Refused { provider: to, about, reason });
    }
}

impl Requestor {
    /// A requestor without a past.
    pub fn new(settings: RequestorSettings, keys: Keys) -> Requestor {
        Requestor {
            settings,
            keys,
            outbox: Outbox::default(),
            tasks: BTreeMap::new(),
            deals: BTreeMap::new(),
            channels: BTreeMap::new(),
            lost: BTreeMap::new(),
            untold: BTreeMap::new(),
            paces: BTreeMap::new(),
            sites: BTreeMap::new(),
            stepped: LocalTime::default(),
        }
    }

    /// Takes up an earlier run: all records of `Table::Task`, `Table::RequestorDeal` and `Table::Payer`. A `Tick` then
    /// sends again what is owed.
    ///
    /// Errors: a record that cannot be read, or is of another chain or key. Nothing is lost by it: the records stay.
    pub fn recover(
        settings: RequestorSettings,
        keys: Keys,
        records: &[Record],
        now: Now,
    ) -> Result<Requestor, RecoverError> {
        let mut requestor = Requestor::new(settings, keys);
        for record in records {
            match record.table {
                Table::Task => requestor.recover_task(record, now)?,
                Table::RequestorDeal => {
                    let deal = Deal::recover(record, &requestor.settings.chain, &requestor.keys, now)?;
                    requestor.deals.insert(deal.agreement.digest(), deal);
                }
                Table::Payer => {
                    let ledger: PayerLedger = read(record)?;
                    let payee = ledger.channel().payee;
                    requestor.channels.insert(payee, Channel { ledger, known: false, funding: Funding::Idle });
                }
                Table::ProviderDeal | Table::Payee | Table::Waiting | Table::Author | Table::Market => {}
            }
        }
        requestor.enter_deals();
        Ok(requestor)
    }

    fn recover_task(&mut self, record: &Record, now: Now) -> Result<(), RecoverError> {
        let stored: TaskRecord = read(record)?;
        let header = stored.header.authenticate(&self.settings.chain).map_err(|error| RecoverError::Foreign {
            table: record.table.name(),
            key: B256::left_padding_from(record.key.get(..32).unwrap_or(&record.key)),
            detail: error.to_string(),
        })?;
        let mut task = Task::new(stored.order, header, now);
        task.finished = stored.finished;
        for (index, place) in stored.settled_here {
            // Results get there from an own run alone.
            if let Place::Done(answer) = &place {
                task.learn(index, Ok(*answer), Backing::OwnRun);
            }
            task.settle_here(index, place);
        }
        self.tasks.insert(task.digest(), task);
        Ok(())
    }

    /// Makes the tasks' books from the recovered deals.
    fn enter_deals(&mut self) {
        for (digest, deal) in &self.deals {
            let Some(task) = self.tasks.get_mut(&deal.agreement.header) else { continue };
            task.spent = task.spent.saturating_add(deal.paid());
            task.fees = task.fees.saturating_add(deal.fees_paid());
            task.reserved = task.reserved.saturating_add(deal.open_value()).saturating_add(deal.open_fees());
            let batch = task.batches.entry(deal.provider()).or_default();
            *batch = (*batch).max(deal.agreement.batch.saturating_add(1));
            for (index, part) in &deal.parts {
                match part {
                    Part::Open => task.hold(*index, *digest),
                    Part::Accepted { paid, answer } => {
                        let pricing = task.header.pricing;
                        let said = task.known.get(index).and_then(|known| known.answer.as_ref().ok());
                        let is_same = said.is_some_and(|said| said.agrees(answer, pricing));
                        task.learn(*index, Ok(*answer), if is_same { Backing::Agreed } else { Backing::Taken });
                        task.enter_accepted(*index, *digest, *answer, paid.saturating_add(deal.agreement.app.fee));
                    }
                    Part::Rejected { decision: Decision::WrongOutput | Decision::WrongFuel } => {
                        task.cheated(deal.provider());
                    }
                    Part::Rejected { .. } | Part::Freed => {}
                }
            }
        }
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        NodeId(self.keys.identity.address())
    }

    /// One step.
    pub fn apply(&mut self, policy: &mut dyn RequestorPolicy, input: RequestorInput, now: Now) -> Vec<RequestorEffect> {
        #[cfg(feature = "planted")]
        let now = golem_payments::planted::time(now);
        let mut step = Step::default();
        if now.local.saturating_sub(self.stepped) > SLEPT_MS {
            self.paces.clear();
        }
        self.stepped = now.local;
        match input {
            RequestorInput::Persisted(id) => return self.outbox.persisted(id),
            RequestorInput::Start(order) => self.on_start(*order, now, &mut step),
            RequestorInput::Retry(header) => self.on_retry(header, now, &mut step),
            RequestorInput::Stop(header) => self.on_stop(header),
            RequestorInput::Message { from, message } => self.on_message(policy, from, *message, now, &mut step),
            RequestorInput::Channel { channel, state } => self.on_channel(channel, state, now, &mut step),
            RequestorInput::FundFailed { payee, detail } => self.on_fund_failed(payee, detail, now, &mut step),
            RequestorInput::Fetched { agreement, index, complete } => {
                self.on_fetched(policy, agreement, index, complete, now, &mut step)
            }
            RequestorInput::Rechecked { agreement, index, outcome } => {
                self.on_rechecked(policy, agreement, index, outcome, now, &mut step)
            }
            RequestorInput::Seen { peer, site } => self.on_seen(peer, site),
            RequestorInput::Reachable { peer, reachable } => self.on_reachable(peer, reachable, now, &mut step),
            RequestorInput::Tick => self.on_tick(policy, now, &mut step),
        }
        let digests: Vec<B256> = self.tasks.keys().copied().collect();
        for digest in digests {
            // In any step: a task past its deadline asks for no tick.
            self.give_up_after_deadline(digest, now, &mut step);
            self.finish_if_settled(digest, &mut step);
            self.hand_out(policy, digest, now, &mut step);
        }
        step.records.extend(policy.records());
        let wake = self.next_wake(now);
        #[cfg(feature = "planted")]
        let wake = wake.filter(|_| !golem_payments::planted::is_planted(golem_payments::planted::Bug::ForgetsTimers));
        if let Some(wake) = wake {
            step.effects.push(RequestorEffect::WakeAt(wake));
        }
        self.outbox.post(step.records, step.effects, |id, records| RequestorEffect::Persist { id, records })
    }

    /// Where every task stands.
    pub fn tasks(&self) -> Vec<TaskStatus> {
        self.tasks.values().map(Task::status).collect()
    }

    /// The order of a task, as it was given.
    pub fn order(&self, header: B256) -> Option<&TaskOrder> {
        self.tasks.get(&header).map(|task| &task.order)
    }

    /// Why subtasks failed for good.
    pub fn failures(&self, header: B256) -> BTreeMap<u32, String> {
        let Some(task) = self.tasks.get(&header) else { return BTreeMap::new() };
        let failed = (0u32..).zip(&task.places).filter_map(|(index, place)| match place {
            Place::Failed(detail) => Some((index, detail.clone())),
            Place::Open | Place::Done(_) => None,
        });
        failed.collect()
    }

    /// The accepted output manifests of a task, by subtask: content and length.
    pub fn outputs(&self, header: B256) -> BTreeMap<u32, (ContentHash, ByteCount)> {
        let Some(task) = self.tasks.get(&header) else { return BTreeMap::new() };
        let done = (0u32..).zip(&task.places).filter_map(|(index, place)| match place {
            Place::Done(answer) => Some((index, (answer.output, answer.output_bytes))),
            Place::Open | Place::Failed(_) => None,
        });
        done.collect()
    }

    /// The ledgers of all channels of this requestor.
    pub fn ledgers(&self) -> Vec<PayerLedger> {
        self.channels.values().map(|channel| channel.ledger.clone()).collect()
    }

    /// Whether less rests on a channel, by this state, than is known here: a reorg, or an older state that comes late.
    pub fn takes_back(&self, channel: ChannelId, state: &ChannelState) -> bool {
        let known = self.channels.get(&channel.payee).filter(|_| channel.payer == self.keys.payment.address());
        known.is_some_and(|known| is_undone(known.ledger.state(), state))
    }

    /// The batches that are proposed or agreed, and not over.
    pub fn open_agreements(&self) -> impl Iterator<Item = &Authentic<Agreement>> {
        self.deals.values().filter(|deal| deal.stage != Stage::Closed).map(|deal| &deal.agreement)
    }

    /// Whether a batch is one of them.
    pub fn is_open(&self, agreement: &B256) -> bool {
        self.deals.get(agreement).is_some_and(|deal| deal.stage != Stage::Closed)
    }

    fn on_start(&mut self, order: TaskOrder, now: Now, step: &mut Step) {
        let open = self.tasks.values().filter(|task| !task.finished).count();
        let header = match sign(order.header.clone(), &self.settings.chain, &*self.keys.identity) {
            Ok(_) if !(1..=Checks::COPIES_MAX).contains(&order.checks.copies) => {
                let reason = RefusalReason::Malformed(format!("{} copies of each subtask", order.checks.copies));
                return step.say(RequestorEvent::Refused { provider: self.node(), about: B256::ZERO, reason });
            }
            Ok(header) if order.inputs.len() == header.subtasks as usize && open < TASKS_MAX => header,
            Ok(header) => {
                let reason =
                    RefusalReason::Full("the number of tasks that go on, or inputs do not match subtasks".into());
                return step.say(RequestorEvent::Refused { provider: self.node(), about: header.digest(), reason });
            }
            Err(error) => {
                let reason = RefusalReason::Malformed(error.to_string());
                return step.say(RequestorEvent::Refused { provider: self.node(), about: B256::ZERO, reason });
            }
        };
        if let Some(known) = self.tasks.get_mut(&header.digest()) {
            known.stopped = false;
            known.said_budget_reached = false;
            known.announce_again = now.local;
            return self.announce(header.digest(), now, step);
        }
        let task = Task::new(order, header, now);
        let digest = task.digest();
        step.records.extend(task.record());
        self.tasks.insert(digest, task);
        self.announce(digest, now, step);
    }

    fn on_stop(&mut self, header: B256) {
        if let Some(task) = self.tasks.get_mut(&header) {
            task.stopped = true;
        }
    }

    fn on_channel(&mut self, id: ChannelId, state: ChannelState, now: Now, step: &mut Step) {
        if id.payer != self.keys.payment.address() {
            return;
        }
        let channel = self.channel(id.payee);
        channel.known = true;
        channel.funding = match channel.funding {
            Funding::Idle | Funding::Reading { .. } => Funding::Idle,
            Funding::Asked { deposit, epoch, .. } if (state.epoch, state.deposit) >= (epoch, deposit) => Funding::Idle,
            waiting @ (Funding::Asked { .. } | Funding::Failed { .. }) => waiting,
        };
        let before = *channel.ledger.state();
        if before != state {
            channel.ledger.observe(state);
            step.records.extend(Self::payer_record(channel));
            Self::make_good(id.payee, channel, before, now, step);
        }
        channel.keep_promise(now, step);
    }

    /// After a reorg that took a deposit back: what vouchers and agreements rest on is put in again, since it was promised.
    /// The chain is told as deep as confirmations ask, so a transaction that only moved to a later block is seen first.
    fn make_good(payee: Address, channel: &mut Channel, before: ChannelState, now: Now, step: &mut Step) {
        let state = *channel.ledger.state();
        let is_same = state.epoch == before.epoch && state.deposit > Wei::ZERO;
        if before.close_at.0 != 0 && state.close_at.0 == 0 && is_same && state.deposit <= before.deposit {
            step.say(RequestorEvent::CloseUndone { payee });
        }
        if !is_undone(&before, &state) {
            return;
        }
        // Of the epoch that was open: it is the one that comes back.
        let promised = channel.ledger.signed_in(before.epoch).saturating_add(channel.ledger.reserved());
        let uncovered = promised.saturating_sub(state.deposit);
        step.say(RequestorEvent::DepositUndone { payee, deposit: state.deposit, uncovered });
        if uncovered == Wei::ZERO || matches!(channel.funding, Funding::Asked { .. }) {
            return;
        }
        let opens = u32::from(state.deposit == Wei::ZERO);
        let (deposit, epoch) = (promised, state.epoch.saturating_add(opens));
        channel.funding = Funding::Asked { deposit, epoch, since: now.local };
        step.effects.push(RequestorEffect::Fund { payee, amount: uncovered, deposit, epoch });
    }

    fn on_fund_failed(&mut self, payee: Address, detail: String, now: Now, step: &mut Step) {
        self.channel(payee).funding = Funding::Failed { again: now.local.saturating_add(FUND_AGAIN_MS) };
        step.say(RequestorEvent::FundFailed { payee, detail });
    }

    /// Kept when it goes: who has a copy must not come back under another key for the second.
    fn on_seen(&mut self, peer: NodeId, site: Site) {
        if !self.sites.contains_key(&peer) && self.sites.len() >= SITES_MAX {
            let dealt: BTreeSet<NodeId> = self.deals.values().map(Deal::provider).collect();
            let other = self.sites.keys().find(|known| !dealt.contains(known)).copied();
            let Some(other) = other else { return };
            self.sites.remove(&other);
        }
        self.sites.insert(peer, site);
    }

    fn on_reachable(&mut self, peer: NodeId, reachable: bool, now: Now, step: &mut Step) {
        if reachable {
            return self.is_back(peer, step);
        }
        // What it did meanwhile comes late.
        self.paces.remove(&peer);
        if self.deals.values().any(|deal| deal.stage != Stage::Closed && deal.provider() == peer) {
            self.lost.entry(peer).or_insert(now.local);
        }
    }

    /// Whoever was lost is there again. It may still keep its slots, and what covers them, for what was taken back meanwhile.
    pub(super) fn is_back(&mut self, peer: NodeId, step: &mut Step) {
        self.lost.remove(&peer);
        for about in self.untold.remove(&peer).unwrap_or_default() {
            step.send(peer, Message::Refusal(Refusal { about, reason: RefusalReason::NothingLeft }));
        }
    }

    pub(super) fn channel(&mut self, payee: Address) -> &mut Channel {
        let id = ChannelId { payer: self.keys.payment.address(), payee };
        self.channels.entry(payee).or_insert_with(|| Channel {
            ledger: PayerLedger::new(id),
            known: false,
            funding: Funding::Idle,
        })
    }

    pub(super) fn payer_record(channel: &Channel) -> Option<Record> {
        Record::put(Table::Payer, channel.ledger.channel().payee.as_slice(), &channel.ledger).ok()
    }

    fn announce(&mut self, digest: B256, now: Now, step: &mut Step) {
        let Some(task) = self.tasks.get_mut(&digest) else { return };
        if task.is_announced(now) && task.announce_again <= now.local {
            task.announce_again = now.local.saturating_add(ANNOUNCE_MS);
            step.effects.push(RequestorEffect::Announce(task.header.signed().clone()));
        }
    }

    fn on_tick(&mut self, policy: &mut dyn RequestorPolicy, now: Now, step: &mut Step) {
        let tasks: Vec<B256> = self.tasks.keys().copied().collect();
        for digest in &tasks {
            self.announce(*digest, now, step);
        }
        let deals: Vec<B256> =
            self.deals.iter().filter(|(_, deal)| deal.stage != Stage::Closed).map(|(digest, _)| *digest).collect();
        for digest in deals {
            self.chase(policy, digest, now, step);
        }
        self.end_waits(policy, now, step);
        self.forget_old_deals();
        self.channels.values_mut().for_each(|channel| channel.keep_promise(now, step));
    }

    /// Sends a proposal again, or takes back what is late.
    fn chase(&mut self, policy: &mut dyn RequestorPolicy, digest: B256, now: Now, step: &mut Step) {
        let Some(deal) = self.deals.get_mut(&digest) else { return };
        let provider = deal.provider();
        if deal.stage == Stage::Proposed {
            if now.local.saturating_sub(deal.proposed) > COUNTERSIGN_MS {
                return self.take_back(digest, "the agreement was not countersigned in time", now, step);
            }
            if deal.send_again <= now.local {
                deal.send_again = now.local.saturating_add(RESEND_MS);
                let message = Message::Agreement(deal.agreement.signed().clone());
                step.send(provider, message);
            }
            return;
        }
        if deal.undone().is_empty() {
            return;
        }
        let timeout_ms = (deal.agreement.subtask_timeout_s as u64).saturating_mul(1000);
        // Whoever waits for our judgement may have reached the credit it grants, and is not late by it.
        let late = self.last_progress(provider) + timeout_ms + self.settings.grace_ms < now.local.0
            && !self.is_judging(provider);
        let lost =
            self.lost.get(&provider).is_some_and(|since| now.local.saturating_sub(*since) > self.settings.lost_ms);
        let why = match (late, lost) {
            (_, true) => "the provider cannot be reached any more",
            (true, false) => "no result came in the time agreed",
            (false, false) => return,
        };
        for _ in self.deals.get(&digest).map(Deal::undone).unwrap_or_default() {
            policy.note(&RequestorFact::TimedOut { provider }, now);
        }
        self.take_back(digest, why, now, step);
    }

    /// When this provider last did anything for us: its batches stand in a queue, so a step of one is one for all.
    pub(super) fn last_progress(&self, provider: NodeId) -> u64 {
        let open = self.deals.values().filter(|deal| deal.provider() == provider);
        open.map(|deal| deal.progress.0).max().unwrap_or_default()
    }

    /// Frees all of a batch that was not reported, and gives back what was reserved for it; its provider waits.
    pub(super) fn take_back(&mut self, digest: B256, why: &str, now: Now, step: &mut Step) {
        self.free_batch(digest, why, true, now, step);
    }

    pub(super) fn free_batch(&mut self, digest: B256, why: &str, strikes: bool, now: Now, step: &mut Step) {
        let Some(deal) = self.deals.get_mut(&digest) else { return };
        let (undone, provider) = (deal.undone(), deal.provider());
        self.paces.remove(&provider);
        let mut value = Wei::ZERO;
        for index in &undone {
            value = value.saturating_add(deal.value_of(*index));
            deal.parts.insert(*index, Part::Freed);
        }
        if deal.open_parts().is_empty() {
            deal.stage = Stage::Closed;
        }
        let (header, fees) = (deal.agreement.header, deal.agreement.app.of(undone.len()));
        let legs = legs(deal.agreement.payee, value, deal.agreement.app, fees);
        step.records.extend(deal.record());
        for (payee, amount) in legs {
            let channel = self.channel(payee);
            channel.ledger.release(amount);
            step.records.extend(Self::payer_record(channel));
        }
        if let Some(task) = self.tasks.get_mut(&header) {
            task.reserved = task.reserved.saturating_sub(value).saturating_sub(fees);
            undone.iter().for_each(|index| task.release(*index, digest));
            if strikes {
                task.strike(provider, now);
            }
        }
        let has_room = self.untold.len() < UNTOLD_MAX || self.untold.contains_key(&provider);
        if self.lost.contains_key(&provider) && has_room {
            self.untold.entry(provider).or_default().insert(digest);
        }
        // The provider need not go on with it.
        step.send(provider, Message::Refusal(Refusal { about: digest, reason: RefusalReason::NothingLeft }));
        step.say(RequestorEvent::Freed { header, provider, subtasks: undone, detail: why.into() });
    }

    /// After the header's deadline nothing can be agreed: what is open then has failed.
    fn give_up_after_deadline(&mut self, digest: B256, now: Now, step: &mut Step) {
        let Some(task) = self.tasks.get_mut(&digest) else { return };
        // What somebody has a copy of may still be done.
        let open: Vec<u32> = task.open().filter(|index| task.holders(*index).is_empty()).collect();
        if task.finished || open.is_empty() || task.header.deadline >= now.chain {
            return;
        }
        for index in open {
            task.settle_here(index, Place::Failed("the task's deadline passed before anybody did it".into()));
        }
        step.records.extend(task.record());
    }

    fn finish_if_settled(&mut self, digest: B256, step: &mut Step) {
        let Some(task) = self.tasks.get_mut(&digest) else { return };
        if !task.finished && task.is_settled() {
            task.finished = true;
            step.records.extend(task.record());
            step.say(RequestorEvent::Finished { header: digest, failed: task.failed_count() });
        }
    }

    fn forget_old_deals(&mut self) {
        let finished = |header: &B256| self.tasks.get(header).is_none_or(|task| task.finished);
        let closed: Vec<(LocalTime, B256)> = self
            .deals
            .iter()
            .filter(|(_, deal)| deal.stage == Stage::Closed && finished(&deal.agreement.header))
            .map(|(digest, deal)| (deal.progress, *digest))
            .collect();
        if closed.len() > CLOSED_MAX {
            let mut closed = closed;
            closed.sort_unstable();
            let surplus = closed.len() - CLOSED_MAX;
            for (_, digest) in closed.into_iter().take(surplus) {
                self.deals.remove(&digest);
            }
        }
    }

    fn next_wake(&self, now: Now) -> Option<LocalTime> {
        let active = || self.tasks.values().filter(|task| !task.finished && !task.stopped);
        let windows = active().map(|task| task.window_ends).filter(|ends| *ends > now.local);
        // Not once its deadline is over, though somebody still works on it: there is nothing to do at that time.
        let announcements = active().filter(|task| task.is_announced(now)).map(|task| task.announce_again);
        let timeouts = self.deals.values().filter(|deal| deal.stage != Stage::Closed).map(|deal| match deal.stage {
            Stage::Proposed => deal.send_again,
            Stage::Agreed | Stage::Closed => LocalTime(
                deal.progress
                    .saturating_add((deal.agreement.subtask_timeout_s as u64).saturating_mul(1000))
                    .saturating_add(self.settings.grace_ms + 1)
                    .0
                    .max(now.local.0 + 1_000),
            ),
        });
        let lost = self.lost.values().map(|since| since.saturating_add(self.settings.lost_ms + 1));
        let waits = self.deals.values().filter_map(|deal| {
            let wait_ms = self.copies_wait_ms(deal.agreement.subtask_timeout_s);
            deal.waiting_since().map(|since| since.saturating_add(wait_ms))
        });
        let promised = self.channels.values().filter(|channel| channel.ledger.promised().is_some());
        let lost = lost.chain(waits).chain(promised.map(Channel::asks_next));
        windows.chain(announcements).chain(timeouts).chain(lost.filter(|at| *at > now.local)).min()
    }

    /// Looks for broken rules in the state.
    pub fn check_invariants(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        // Called after every step, so words are made only where they are needed.
        let mut check = |holds: bool, text: &dyn Fn() -> String| {
            if !holds {
                found.push(Violation(text()));
            }
        };
        for (digest, task) in &self.tasks {
            let deals = || self.deals.values().filter(|deal| deal.agreement.header == *digest);
            let open = deals()
                .fold(Wei::ZERO, |sum, deal| sum.saturating_add(deal.open_value()).saturating_add(deal.open_fees()));
            let total = task.spent.saturating_add(task.fees).saturating_add(task.reserved);
            check(total <= task.order.budget, &|| format!("task {digest}: {total} is above the budget"));
            check(open == task.reserved, &|| format!("task {digest}: {open} is open and {} reserved", task.reserved));
            for (index, place) in (0u32..).zip(&task.places) {
                let holders: Vec<&Deal> = deals().filter(|deal| deal.parts.get(&index) == Some(&Part::Open)).collect();
                let told = task.holders(index);
                check(
                    holders.len() == told.len()
                        && holders.iter().all(|deal| told.contains(&deal.agreement.digest()))
                        && holders.len() <= COPIES_TOTAL_MAX,
                    &|| format!("subtask {index} of {digest} is in {} open batches, not {told:?}", holders.len()),
                );
                let same =
                    |a: &&Deal, b: &&Deal| a.provider() == b.provider() || a.agreement.payee == b.agreement.payee;
                let twice = holders.iter().enumerate().any(|(n, a)| holders.iter().skip(n + 1).any(|b| same(a, b)));
                check(!twice, &|| format!("subtask {index} of {digest} is with one owner twice"));
                let is_open = task.is_open(index);
                check(is_open == (task.missing(index) > 0), &|| format!("subtask {index} of {digest}: open {is_open}"));
                check(!is_open || *place == Place::Open, &|| {
                    format!("subtask {index} of {digest} is {place:?} and open")
                });
            }
        }
        for (payee, channel) in &self.channels {
            let deals = self.deals.values();
            let open = deals.fold(Wei::ZERO, |sum, deal| sum.saturating_add(deal.reserved_for(*payee)));
            let reserved = channel.ledger.reserved();
            check(open == reserved, &|| format!("channel to {payee}: {open} is open and {reserved} reserved"));
        }
        found
    }
}

/// The channels that pay for a batch: the provider's, and the author's where it is paid. One and the same address is
/// named twice.
pub(super) fn legs(payee: Address, value: Wei, app: AppFee, fees: Wei) -> impl Iterator<Item = (Address, Wei)> {
    [Some((payee, value)), app.payee().map(|author| (author, fees))].into_iter().flatten()
}

/// Whether of what was deposited before, in an epoch that goes on, less is there.
fn is_undone(before: &ChannelState, state: &ChannelState) -> bool {
    let is_same = state.epoch == before.epoch && state.deposit > Wei::ZERO;
    state.epoch < before.epoch || (is_same && state.deposit < before.deposit)
}
