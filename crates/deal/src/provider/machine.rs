//! The machine's state, its one way in, and what time brings.

use super::deal::{Account, Deal, Stage};
use super::fees::{FEE_ACCOUNTS_MAX, FeeAccount, read_account};
use super::interface::{ProviderEffect, ProviderEvent, ProviderInput, ProviderSettings, late_after_ms};
use super::over::Over;
use crate::outbox::Outbox;
use crate::record::{Record, RecoverError, Table, read};
use crate::{Keys, ProviderFact, ProviderPolicy, Violation};
use golem_payments::{Claimable, Waiting};
use golem_protocol::*;
use std::collections::{BTreeMap, BTreeSet};

/// The most headers kept. Reason: anyone can gossip one; the oldest unused one goes first.
pub(super) const HEADERS_MAX: usize = 4096;
/// The most agreements that wait for a look at the chain. Reason: each costs an RPC call.
pub(super) const UNCHECKED_MAX: usize = 256;
/// How long an agreement waits for that look, in milliseconds. Reason: the requestor sends it again.
const UNCHECKED_LIFE_MS: u64 = 60_000;
/// The most open deals, with everyone. Reason: each is held in memory with its documents.
pub(super) const DEALS_MAX: usize = 4096;
/// The most open deals with one requestor. Reason: one may be worked on, one queued, the others settling.
pub(super) const DEALS_PER_REQUESTOR_MAX: usize = 16;
/// The most programs that are left alone at once. Reason: as many as the sandbox remembers; the first to end goes first.
pub(super) const UNFIT_MAX: usize = 64;
/// The most channels kept track of. Reason: opening one costs its payer gas; the empty ones go first.
pub(super) const ACCOUNTS_MAX: usize = 65_536;
/// The first and the longest pause before a report is sent again, in milliseconds.
pub(super) const RESEND_MS: (u64, u64) = (2_000, 60_000);
/// How often work that is held back is looked at again, in milliseconds.
const HELD_BACK_MS: u64 = 10_000;
/// A deal whose requestor has been silent for this many times `overdue_ms` is given up.
const ABANDON_AFTER: u64 = 24;
/// And only after so many reports in vain. Reason: a clock that is set, or a machine that slept, makes years of a moment, and
/// what is given up is not asked for again. With the longest pause between them these take an hour.
const ABANDON_ATTEMPTS_MIN: u32 = 60;

pub(super) struct Known {
    pub header: Authentic<Header>,
    pub heard: LocalTime,
    pub offer: Option<Authentic<Offer>>,
    /// The dearer one before it, which stands as well.
    pub earlier: Option<Authentic<Offer>>,
    /// Whether an agreement took the offer.
    pub taken: bool,
    /// What was said instead of an offer, and when.
    pub refused: Option<(RefusalReason, LocalTime)>,
    /// When the requestor last said that it takes none of this node's offers.
    pub unwanted: Option<LocalTime>,
}

pub(super) struct Unchecked {
    pub agreement: Authentic<Agreement>,
    pub since: LocalTime,
    /// The channels whose answers are still to come.
    pub awaits: BTreeSet<ChannelId>,
}

/// The provider's machine.
pub struct Provider {
    pub(super) settings: ProviderSettings,
    pub(super) keys: Keys,
    pub(super) outbox: Outbox<ProviderEffect>,
    /// By header digest; at most `HEADERS_MAX`.
    pub(super) headers: BTreeMap<B256, Known>,
    /// By agreement digest; at most `UNCHECKED_MAX`.
    pub(super) unchecked: BTreeMap<B256, Unchecked>,
    /// By agreement digest; at most `DEALS_MAX`.
    pub(super) deals: BTreeMap<B256, Deal>,
    pub(super) over: Over,
    /// By payer; at most `ACCOUNTS_MAX`.
    pub(super) accounts: BTreeMap<Address, Account>,
    /// Channels towards authors; at most `FEE_ACCOUNTS_MAX`.
    pub(super) fee_accounts: BTreeMap<ChannelId, FeeAccount>,
    pub(super) next_order: u64,
    pub(super) draining: bool,
    /// Why nothing is begun for now, where that is so.
    pub(super) resting: Option<String>,
    /// Programs that cannot be run here, why, and until when; at most `UNFIT_MAX`.
    pub(super) unfit: BTreeMap<ContentHash, (String, LocalTime)>,
    /// Those whose work is held back, so that it is said once.
    pub(super) held_back: BTreeSet<NodeId>,
    /// When work that is held back is looked at next; asked for already.
    pub(super) look_at_held_back: LocalTime,
    /// Deals found overdue already, so that it is noted once.
    pub(super) overdue: BTreeSet<B256>,
    /// Deals whose requestor was found late already, for the same.
    pub(super) late: BTreeSet<B256>,
}

/// What one step led to.
#[derive(Default)]
pub(super) struct Step {
    pub records: Vec<Record>,
    pub effects: Vec<ProviderEffect>,
}

impl Step {
    pub fn send(&mut self, to: NodeId, message: Message) {
        self.effects.push(ProviderEffect::Send { to, message });
    }

    pub fn say(&mut self, event: ProviderEvent) {
        self.effects.push(ProviderEffect::Happened(event));
    }

    pub fn refuse(&mut self, to: NodeId, about: B256, reason: RefusalReason) {
        self.send(to, Message::Refusal(Refusal { about, reason: reason.clone() }));
        self.say(ProviderEvent::Refused { requestor: to, about, reason });
    }
}

impl Provider {
    /// A provider without a past.
    pub fn new(settings: ProviderSettings, keys: Keys) -> Provider {
        Provider {
            settings,
            keys,
            outbox: Outbox::default(),
            headers: BTreeMap::new(),
            unchecked: BTreeMap::new(),
            deals: BTreeMap::new(),
            over: Over::default(),
            accounts: BTreeMap::new(),
            fee_accounts: BTreeMap::new(),
            next_order: 0,
            draining: false,
            resting: None,
            unfit: BTreeMap::new(),
            held_back: BTreeSet::new(),
            look_at_held_back: LocalTime(0),
            overdue: BTreeSet::new(),
            late: BTreeSet::new(),
        }
    }

    /// Takes up an earlier run: all records of `Table::ProviderDeal`, `Table::Payee` and `Table::Author`. A `Tick` then sends what is
    /// owed and starts what was running.
    ///
    /// Errors: a record that cannot be read, or is of another chain or key. Nothing is lost by it: the records stay.
    pub fn recover(
        settings: ProviderSettings,
        keys: Keys,
        records: &[Record],
        now: Now,
    ) -> Result<Provider, RecoverError> {
        let mut provider = Provider::new(settings, keys);
        let mut waiting: BTreeMap<&[u8], Waiting> = BTreeMap::new();
        for record in records {
            match record.table {
                Table::ProviderDeal => {
                    let deal = Deal::recover(record, &provider.settings.chain, &provider.keys, now)?;
                    provider.next_order = provider.next_order.max(deal.order + 1);
                    let digest = deal.agreement.digest();
                    if deal.is_over() {
                        provider.over.insert(digest, deal.agreement.deadline);
                    } else {
                        provider.deals.insert(digest, deal);
                    }
                }
                Table::Payee => {
                    let account: Account = read(record)?;
                    provider.accounts.insert(account.ledger.channel().payer, account);
                }
                Table::Author => {
                    let account = read_account(record)?;
                    provider.fee_accounts.insert(account.ledger.channel(), account);
                }
                Table::Waiting => drop(waiting.insert(&record.key, read(record)?)),
                Table::Task | Table::RequestorDeal | Table::Payer | Table::Market => {}
            }
        }
        for (payer, account) in &mut provider.accounts {
            account.waiting = waiting.get(payer.as_slice()).copied().unwrap_or_default();
            account.counts_waiting(now.chain);
        }
        Ok(provider)
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        NodeId(self.keys.identity.address())
    }

    /// One step.
    pub fn apply(&mut self, policy: &mut dyn ProviderPolicy, input: ProviderInput, now: Now) -> Vec<ProviderEffect> {
        #[cfg(feature = "planted")]
        let now = golem_payments::planted::time(now);
        let was_busy = self.running() > 0;
        let mut step = Step::default();
        match input {
            ProviderInput::Persisted(id) => return self.outbox.persisted(id),
            ProviderInput::Header(header) => self.on_header(policy, *header, now, &mut step),
            ProviderInput::Message { from, message } => self.on_message(policy, from, *message, now, &mut step),
            ProviderInput::Channel { channel, state } => self.on_channel(policy, channel, state, now, &mut step),
            ProviderInput::Computed { agreement, index, outcome } => {
                self.on_computed(policy, agreement, index, outcome, now, &mut step)
            }
            ProviderInput::Tick => self.on_tick(policy, now, &mut step),
            ProviderInput::Rest(why) => self.on_rest(policy, why, now, &mut step),
            ProviderInput::Unfit(program) => self.on_unfit(policy, program, now, &mut step),
            ProviderInput::Drain => self.on_drain(policy, now, &mut step),
        }
        self.start_work(policy, now, &mut step);
        let is_busy = self.running() > 0;
        if is_busy != was_busy {
            policy.note(&ProviderFact::Busy(is_busy), now);
        }
        step.records.extend(policy.records());
        let wake = self.next_wake(now);
        #[cfg(feature = "planted")]
        let wake = wake.filter(|_| !golem_payments::planted::is_planted(golem_payments::planted::Bug::ForgetsTimers));
        if let Some(wake) = wake {
            step.effects.push(ProviderEffect::WakeAt(wake));
        }
        self.outbox.post(step.records, step.effects, |id, records| ProviderEffect::Persist { id, records })
    }

    /// Whether nothing is agreed, running, unreported or being saved: the moment to stop after a `Drain`.
    pub fn is_idle(&self) -> bool {
        self.running() == 0
            && !self.outbox.is_saving()
            && self
                .deals
                .values()
                .all(|deal| deal.subtasks.values().all(|stage| matches!(stage, Stage::Decided(_) | Stage::Dropped)))
    }

    /// The best vouchers held, by payer: what a claim takes.
    pub fn vouchers(&self) -> Vec<(Address, Signed<Voucher>)> {
        self.accounts
            .iter()
            .filter_map(|(payer, account)| account.ledger.best().map(|best| (*payer, best.clone())))
            .collect()
    }

    /// The ledgers of all channels towards this provider.
    pub fn ledgers(&self) -> Vec<golem_payments::PayeeLedger> {
        self.accounts.values().map(|account| account.ledger.clone()).collect()
    }

    /// What can be claimed of every channel, as the rule of when to claim sees it.
    pub fn claimables(&self, now: ChainTime) -> Vec<Claimable> {
        let claimable = |(payer, account): (&Address, &Account)| Claimable {
            payer: *payer,
            amount: account.ledger.claimable(),
            wei_seconds: account.waiting.until(now),
            due: account.ledger.state().close_at,
        };
        self.accounts.iter().map(claimable).filter(|claimable| claimable.amount > Wei::ZERO).collect()
    }

    /// Whether a state takes back something that was relied on, as only a reorg does: a deposit, or a claim.
    pub fn takes_back(&self, channel: ChannelId, state: &ChannelState) -> bool {
        let Some(account) = self.accounts.get(&channel.payer) else { return false };
        let known = account.ledger.state();
        let is_less = state.deposit < known.deposit || state.claimed < known.claimed;
        state.epoch < known.epoch || (state.epoch == known.epoch && state.deposit > Wei::ZERO && is_less)
    }

    /// What each payer owes by verdicts that no voucher covers.
    pub fn owed(&self) -> Vec<(Address, Wei)> {
        self.accounts.iter().map(|(payer, account)| (*payer, account.owed)).collect()
    }

    /// What one payer owes so.
    pub fn owed_by(&self, payer: Address) -> Wei {
        self.accounts.get(&payer).map_or(Wei::ZERO, |account| account.owed)
    }

    /// The programs that are left alone, why, and until when.
    pub fn left_alone(&self) -> impl Iterator<Item = (ContentHash, &str, LocalTime)> {
        self.unfit.iter().map(|(module, (detail, until))| (*module, detail.as_str(), *until))
    }

    /// How many deals are open.
    pub fn open_deals(&self) -> usize {
        self.deals.len()
    }

    /// Whether a deal is open.
    pub fn is_open(&self, agreement: &B256) -> bool {
        self.deals.contains_key(agreement)
    }

    /// How many subtasks are being computed.
    pub fn running(&self) -> usize {
        self.deals.values().flat_map(|deal| deal.subtasks.values()).filter(|stage| **stage == Stage::Running).count()
    }

    /// The memory that what runs may take.
    pub(super) fn running_memory(&self) -> ByteCount {
        let sum = self.deals.values().fold(0u64, |sum, deal| {
            let running = deal.subtasks.values().filter(|stage| **stage == Stage::Running).count() as u64;
            sum.saturating_add(deal.header.memory_max.0.saturating_mul(running))
        });
        ByteCount(sum)
    }

    /// What a channel of a payer towards us is called.
    pub(super) fn channel_of(&self, payer: Address) -> ChannelId {
        ChannelId { payer, payee: self.settings.payee }
    }

    /// What is at stake with one requestor: work done and not paid, plus what runs for it now. Its payer's debts count
    /// though no deal is open any more.
    pub(super) fn exposure(&self, requestor: NodeId, payer: Address) -> Wei {
        let mut payers = BTreeSet::from([payer]);
        let mut sum = Wei::ZERO;
        for deal in self.deals.values().filter(|deal| deal.requestor() == requestor) {
            payers.insert(deal.agreement.payer);
            sum = sum.saturating_add(deal.unpaid_work()).saturating_add(deal.running_value());
        }
        payers
            .iter()
            .filter_map(|payer| self.accounts.get(payer))
            .fold(sum, |sum, account| sum.saturating_add(account.owed))
    }

    fn on_channel(
        &mut self,
        policy: &mut dyn ProviderPolicy,
        channel: ChannelId,
        state: ChannelState,
        now: Now,
        step: &mut Step,
    ) {
        if channel.payee != self.settings.payee {
            self.on_author_channel(channel, state, now, step);
            return self.consider_answered(policy, channel, now, step);
        }
        if !self.accounts.contains_key(&channel.payer) && !self.make_room_for_account() {
            return;
        }
        let account = self.accounts.entry(channel.payer).or_insert_with(|| Account::new(channel));
        let before = (*account.ledger.state(), account.ledger.claimable());
        if before.0 != state {
            let earned = account.ledger.earned();
            account.ledger.observe(state);
            account.counts_waiting(now.chain);
            if state.epoch == before.0.epoch {
                // Somebody claims for us by a voucher that is still on its way here: when it comes, it brings nothing more. A
                // reorg takes such a claim back.
                let now_earned = account.ledger.earned();
                account.pay(now_earned.saturating_sub(earned));
                account.accept(earned.saturating_sub(now_earned));
            }
            let unsettled = account.unsettled.take();
            step.records.extend(account.records());
            Self::say_what_was_lost(channel.payer, before, state, step);
            if let Some((from, voucher)) = unsettled {
                self.take_voucher(policy, from, voucher, now, step);
            }
            if before.0.close_at.0 == 0 && state.close_at.0 != 0 {
                self.report_before_the_end(channel.payer, now);
            }
        }
        let Some(account) = self.accounts.get(&channel.payer) else { return };
        if state.close_at.0 != 0 && account.ledger.claimable() > Wei::ZERO {
            step.effects.push(ProviderEffect::Claim { payer: channel.payer });
        }
        self.consider_answered(policy, channel, now, step);
    }

    /// A channel closes: what it is to pay is asked for now, however long the requestor has been silent.
    fn report_before_the_end(&mut self, payer: Address, now: Now) {
        let deals = self.deals.values_mut().filter(|deal| deal.agreement.payer == payer);
        for open in deals.flat_map(|deal| &mut deal.reports) {
            (open.send_again, open.attempts) = (now.local, 0);
        }
    }

    /// The agreements for which this was the last channel to look at.
    fn consider_answered(&mut self, policy: &mut dyn ProviderPolicy, channel: ChannelId, now: Now, step: &mut Step) {
        let mut answered = Vec::new();
        for (digest, unchecked) in &mut self.unchecked {
            if unchecked.awaits.remove(&channel) && unchecked.awaits.is_empty() {
                answered.push(*digest);
            }
        }
        for digest in answered {
            if let Some(unchecked) = self.unchecked.remove(&digest) {
                self.consider(policy, unchecked.agreement, true, now, step);
            }
        }
    }

    /// What the chain took away since it was last seen: an end of the channel, or what a reorg undid.
    fn say_what_was_lost(payer: Address, before: (ChannelState, Wei), state: ChannelState, step: &mut Step) {
        let (old, claimable) = before;
        let is_same = state.epoch == old.epoch && old.deposit > Wei::ZERO;
        if state.epoch > old.epoch || (is_same && state.deposit == Wei::ZERO) {
            if claimable > Wei::ZERO {
                step.say(ProviderEvent::Ended { payer, epoch: old.epoch, claimed: old.claimed, unclaimed: claimable });
            }
        } else if state.epoch < old.epoch || (is_same && state.deposit < old.deposit) {
            step.say(ProviderEvent::DepositUndone { payer, deposit: state.deposit, claimable });
        } else if is_same && state.claimed < old.claimed {
            step.say(ProviderEvent::ClaimUndone { payer, amount: old.claimed.saturating_sub(state.claimed) });
            // It was worth a claim before, and no waiting has to be paid for again.
            step.effects.push(ProviderEffect::Claim { payer });
        }
    }

    /// Channels that hold and owe nothing may be forgotten: the chain still knows them.
    fn make_room_for_account(&mut self) -> bool {
        if self.accounts.len() < ACCOUNTS_MAX {
            return true;
        }
        let in_use: BTreeSet<Address> = self.deals.values().map(|deal| deal.agreement.payer).collect();
        let spare = self
            .accounts
            .iter()
            .find(|(payer, account)| {
                let holds = account.ledger.best().is_some() || account.unsettled.is_some();
                !holds && account.owed == Wei::ZERO && !in_use.contains(*payer)
            })
            .map(|(payer, _)| *payer);
        spare.is_some_and(|payer| self.accounts.remove(&payer).is_some())
    }

    fn on_tick(&mut self, policy: &mut dyn ProviderPolicy, now: Now, step: &mut Step) {
        self.unchecked.retain(|_, unchecked| now.local.saturating_sub(unchecked.since) < UNCHECKED_LIFE_MS);
        let over: Vec<B256> =
            self.headers.iter().filter(|(_, known)| known.header.deadline < now.chain).map(|(id, _)| *id).collect();
        for header in over {
            self.note_if_in_vain(policy, header, now);
            self.headers.remove(&header);
        }
        self.unfit.retain(|_, (_, until)| *until > now.local);
        let forgotten = self.over.forget(now.chain);
        step.records.extend(forgotten.iter().map(Deal::deleted));
        self.look_at_authors(now, step);
        let digests: Vec<B256> = self.deals.keys().copied().collect();
        for digest in digests {
            self.drop_what_is_late(policy, digest, now, step);
            if self.deals.get(&digest).and_then(Deal::report_due).is_some_and(|due| due <= now.local) {
                self.report(digest, now, step);
            }
            self.report_again(policy, digest, now, step);
        }
    }

    /// Nothing more is begun once the chain's time is past the agreement's deadline: it would not be paid.
    fn drop_what_is_late(&mut self, policy: &mut dyn ProviderPolicy, digest: B256, now: Now, step: &mut Step) {
        let Some(deal) = self.deals.get_mut(&digest) else { return };
        if deal.agreement.deadline >= now.chain {
            return;
        }
        if Self::drop_unfinished(policy, deal, now, step) {
            step.records.extend(deal.record());
        }
        self.forget_if_over(digest);
    }

    /// Drops all that is not computed yet; tells whether there was anything.
    pub(super) fn drop_unfinished(policy: &mut dyn ProviderPolicy, deal: &mut Deal, now: Now, step: &mut Step) -> bool {
        let open: Vec<u32> = deal
            .subtasks
            .iter()
            .filter(|(_, stage)| matches!(stage, Stage::Waiting | Stage::Running))
            .map(|(index, _)| *index)
            .collect();
        for index in &open {
            deal.subtasks.insert(*index, Stage::Dropped);
            policy.note(&ProviderFact::Released { requestor: deal.requestor(), value: deal.value_of(*index) }, now);
        }
        if !open.is_empty() {
            step.effects.push(ProviderEffect::StopComputing { agreement: deal.agreement.digest() });
        }
        !open.is_empty()
    }

    fn report_again(&mut self, policy: &mut dyn ProviderPolicy, digest: B256, now: Now, step: &mut Step) {
        let overdue_ms = self.settings.overdue_ms;
        let Some(deal) = self.deals.get_mut(&digest) else { return };
        let (requestor, owed, payer) = (deal.requestor(), deal.unpaid_work(), deal.agreement.payer);
        let Some((oldest, attempts)) = deal.reports.iter().map(|open| (open.first_sent, open.attempts)).min() else {
            return;
        };
        let silent = now.local.saturating_sub(oldest);
        if silent >= overdue_ms && self.overdue.insert(digest) {
            step.effects.push(ProviderEffect::Claim { payer });
        }
        let is_given_up = silent >= overdue_ms.saturating_mul(ABANDON_AFTER) && attempts >= ABANDON_ATTEMPTS_MIN;
        let is_late = is_given_up || silent >= late_after_ms(overdue_ms, deal.header.subtask_timeout_s);
        if is_late && owed > Wei::ZERO && self.late.insert(digest) {
            policy.note(&ProviderFact::Overdue { requestor }, now);
        }
        if is_given_up {
            step.say(ProviderEvent::Abandoned { agreement: digest, owed });
            step.effects.push(ProviderEffect::StopComputing { agreement: digest });
            return self.give_up(digest, step);
        }
        for open in deal.reports.iter_mut().filter(|open| open.send_again <= now.local) {
            open.attempts = open.attempts.saturating_add(1);
            let pause = RESEND_MS.0.saturating_mul(1u64 << open.attempts.min(10)).min(RESEND_MS.1);
            open.send_again = now.local.saturating_add(pause);
            let message = Message::Report(open.report.signed().clone());
            step.send(requestor, message);
        }
    }

    fn on_rest(&mut self, policy: &mut dyn ProviderPolicy, why: Option<String>, now: Now, step: &mut Step) {
        let begins = why.is_some() && self.resting.is_none();
        self.resting = why;
        if begins {
            // Others may do it meanwhile: a deadline does not wait for an owner.
            self.unchecked.clear();
            self.wind_down_all(policy, "the provider's owner needs the machine", now, step);
        }
    }

    fn on_drain(&mut self, policy: &mut dyn ProviderPolicy, now: Now, step: &mut Step) {
        self.draining = true;
        self.unchecked.clear();
        self.wind_down_all(policy, "the provider is stopping", now, step);
    }

    fn wind_down_all(&mut self, policy: &mut dyn ProviderPolicy, why: &str, now: Now, step: &mut Step) {
        let digests: Vec<B256> = self.deals.keys().copied().collect();
        for digest in digests {
            self.wind_down(policy, digest, why, now, step);
        }
    }

    /// Gives up what is not decided of a deal. It stays on record as one that is over.
    pub(super) fn give_up(&mut self, digest: B256, step: &mut Step) {
        let Some(deal) = self.deals.get_mut(&digest) else { return };
        deal.reports.clear();
        for stage in deal.subtasks.values_mut().filter(|stage| !matches!(stage, Stage::Decided(_))) {
            *stage = Stage::Dropped;
        }
        step.records.extend(deal.record());
        self.forget_if_over(digest);
    }

    pub(super) fn forget_if_over(&mut self, digest: B256) {
        if self.deals.get(&digest).is_some_and(Deal::is_over)
            && let Some(deal) = self.deals.remove(&digest)
        {
            self.overdue.remove(&digest);
            self.late.remove(&digest);
            self.over.insert(digest, deal.agreement.deadline);
        }
    }

    fn next_wake(&mut self, now: Now) -> Option<LocalTime> {
        let again = self.deals.values().flat_map(|deal| &deal.reports).map(|open| open.send_again);
        let reports = again.chain(self.deals.values().filter_map(Deal::report_due));
        // What waits for credit or a deposit is given up when its time is over, which only the chain's clock tells.
        let mut stages = self.deals.values().flat_map(|deal| deal.subtasks.values());
        let waits = stages.any(|stage| *stage == Stage::Waiting);
        let held_back = (waits && self.look_at_held_back <= now.local).then(|| now.local.saturating_add(HELD_BACK_MS));
        // Asked for once, not again with every input until then.
        self.look_at_held_back = held_back.unwrap_or(self.look_at_held_back);
        let unchecked = self.unchecked.values().map(|unchecked| unchecked.since.saturating_add(UNCHECKED_LIFE_MS));
        reports.chain(unchecked).chain(self.next_look_at_authors()).chain(held_back).min()
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
        check(self.running() <= self.settings.slots as usize, &|| format!("{} subtasks run at once", self.running()));
        check(self.running_memory() <= self.settings.memory_total, &|| {
            format!("what runs may take {} of memory", self.running_memory())
        });
        check(self.headers.len() <= HEADERS_MAX, &|| "too many headers".into());
        check(self.unfit.len() <= UNFIT_MAX, &|| "too many programs left alone".into());
        check(self.deals.len() <= DEALS_MAX, &|| "too many deals".into());
        check(self.fee_accounts.len() <= FEE_ACCOUNTS_MAX, &|| "too many authors' channels".into());
        check(self.unchecked.len() <= UNCHECKED_MAX, &|| "too many unchecked agreements".into());
        for (digest, deal) in &self.deals {
            check(!deal.is_over(), &|| format!("deal {digest} is over and still open"));
            let reported = deal.subtasks.values().filter(|stage| matches!(stage, Stage::Reported(_))).count();
            let carried = deal.reports.iter().map(|open| open.report.results.len()).sum::<usize>();
            check(reported == carried, &|| format!("deal {digest}: reported subtasks and open reports differ"));
            check(deal.subtasks.len() == deal.agreement.subtasks.len(), &|| {
                format!("deal {digest}: other subtasks than agreed")
            });
        }
        for (channel, account) in &self.fee_accounts {
            check(account.ledger.channel() == *channel, &|| format!("the ledger of {channel:?} is another's"));
            check(channel.payee != self.settings.payee, &|| "our own channel is kept as an author's".into());
        }
        for (payer, account) in &self.accounts {
            check(account.ledger.channel() == self.channel_of(*payer), &|| {
                format!("the ledger of {payer} is another's")
            });
        }
        found
    }
}
