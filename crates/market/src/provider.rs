//! The provider's side: what it asks of whom.

use crate::access::AccessLists;
use crate::book::{Book, Peers};
use crate::ratio::{Ratio, mul_div};
use crate::{
    EFFICIENCY_CLAIMED_MAX, EFFICIENCY_MAX, EFFICIENCY_MIN, HeaderTerms, PEERS_MAX, PSI, Rules, Violation,
    efficiency_at_start, efficiency_seen,
};
use golem_protocol::{LocalTime, NodeId, Pricing, RefusalReason, Wei, subtask_value};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

mod settings;
mod unpaid;

pub use settings::{ProviderSettings, SettingsError};
pub use unpaid::Unpaid;

/// The most efficiency that lowers a price by our rules: no offer is below a sixteenth of the minimal price. Reason: however
/// short the work is, fetching it and waiting for the next takes time as well. With a quarter, as before, all machines ask
/// alike that do the work in a quarter of its timeout, which the fast ones do, and whoever wants the best cannot tell it.
const EFFICIENCY_COUNTED_MAX: Ratio = Ratio::from_parts(16_000_000_000);

/// Whether any subtask runs here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// Nothing runs: the profit factor falls.
    Idle,
    /// Something runs: the profit factor rises.
    Busy,
}

/// What is remembered of one requestor.
///
/// Units: wei. `assigned` and `paid` are never forgotten while they differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestorRecord {
    /// Its efficiency `R`, from the first completed subtask on.
    pub efficiency: Option<Ratio>,
    /// Everything ever agreed with it and not cancelled: `Va`.
    pub assigned: Wei,
    /// Everything it ever paid: `Vp`.
    pub paid: Wei,
    /// What it owes, or will owe for work under way: agreed, and neither paid nor released.
    pub owed: Wei,
    /// When it was last dealt with, in the order of this node's dealings.
    pub touched: u64,
}

/// Why a subtask, or a part of its value, will not be paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Release {
    /// It failed here.
    Failed,
    /// It took longer than agreed.
    TimedOut,
    /// The requestor rejected the result, or never received it.
    Rejected,
    /// This node stepped back before it had reported anything: no trace remains.
    Cancelled,
    /// What metered work left of the most that was agreed: it was never due, and no trace remains.
    Unused,
}

/// Every way a subtask can end unpaid.
pub const RELEASES: [Release; 5] =
    [Release::Failed, Release::TimedOut, Release::Rejected, Release::Cancelled, Release::Unused];

/// What a provider remembers; written to disk after each change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderState<B = Book<NodeId, RequestorRecord>> {
    /// The profit factor `f` at `since`.
    pub factor: Ratio,
    /// What this node has been doing since.
    pub activity: Activity,
    /// Up to when the factor has been brought.
    pub since: LocalTime,
    /// Who is known.
    pub requestors: B,
    /// Who is late, and whether strangers pay. Stored apart.
    #[serde(skip)]
    pub unpaid: Unpaid,
    /// Who is let in.
    pub access: AccessLists,
    /// Counts dealings.
    pub dealings: u64,
}

/// A price and every term it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Quote {
    /// By which rules.
    pub rules: Rules,
    /// What to offer, wei per hour of one slot: `min(max(floor(r / S), m), max_price)`, and by our rules
    /// `min(floor(r / S), max_price)`.
    #[serde(rename = "price_wei_per_hour")]
    pub price: Wei,
    /// `m`, the least this node sells for.
    #[serde(rename = "min_price_wei_per_hour")]
    pub min_price: Wei,
    /// The header's maximum.
    #[serde(rename = "max_price_wei_per_hour")]
    pub max_price: Wei,
    /// `f`, the profit factor at this moment.
    pub factor: Ratio,
    /// `r = floor(m * (1 + f))`.
    #[serde(rename = "base_price_wei_per_hour")]
    pub base_price: Wei,
    /// `Q = min(1, (m + 1 + Vp + c) / (m + 1 + Va))`.
    pub payment_rate: Ratio,
    /// `R`.
    pub efficiency: Ratio,
    /// `S = Q * R`.
    pub standing: Ratio,
    /// `floor(r / S)`, before the bounds.
    #[serde(rename = "unbounded_price_wei_per_hour")]
    pub unbounded_price: Wei,
    /// `Va`.
    #[serde(rename = "assigned_wei")]
    pub assigned: Wei,
    /// `Vp`.
    #[serde(rename = "paid_wei")]
    pub paid: Wei,
    /// What is owed now.
    #[serde(rename = "owed_wei")]
    pub owed: Wei,
    /// `k` hours at the price, by our rules at least at the one it started with: no offer above it.
    #[serde(rename = "credit_wei")]
    pub credit: Wei,
}

/// A provider's book of requestors, and its own thirst for work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderMarket<B = Book<NodeId, RequestorRecord>> {
    /// All but the minimal price. Shared, since a million simulated providers have the same.
    settings: Arc<ProviderSettings>,
    min_price: Wei,
    state: ProviderState<B>,
}

impl ProviderMarket {
    /// A node that has not sold anything yet.
    ///
    /// Errors: settings out of range.
    pub fn new(settings: ProviderSettings, now: LocalTime) -> Result<ProviderMarket, SettingsError> {
        ProviderMarket::keeping(Arc::new(settings), settings.min_price, now)
    }

    /// Goes on with what was stored. The time this node was off counts neither as idle nor as busy.
    ///
    /// Errors: settings out of range.
    pub fn restore(
        settings: ProviderSettings,
        mut state: ProviderState,
        now: LocalTime,
    ) -> Result<ProviderMarket, SettingsError> {
        settings.check()?;
        // The range may have been set anew since.
        state.factor = state.factor.clamp(settings.factor_min, settings.factor_max);
        state.activity = Activity::Idle;
        state.since = now;
        let requestors = &state.requestors;
        // The two are stored apart, and one may be older.
        state.unpaid.retain(|node| requestors.get(node).is_some());
        Ok(ProviderMarket { settings: Arc::new(settings), min_price: settings.min_price, state })
    }
}

impl<B: Peers<RequestorRecord>> ProviderMarket<B> {
    /// A node that has not sold anything yet, with settings that it shares with others but for the minimal price, and with
    /// a book of another kind.
    ///
    /// Errors: settings out of range.
    pub fn keeping(
        settings: Arc<ProviderSettings>,
        min_price: Wei,
        now: LocalTime,
    ) -> Result<ProviderMarket<B>, SettingsError> {
        ProviderSettings { min_price, ..*settings }.check()?;
        let state = ProviderState {
            factor: settings.factor_start,
            activity: Activity::Idle,
            since: now,
            requestors: B::default(),
            unpaid: Unpaid::default(),
            access: AccessLists::default(),
            dealings: 0,
        };
        Ok(ProviderMarket { settings, min_price, state })
    }

    /// What to store.
    pub fn state(&self) -> &ProviderState<B> {
        &self.state
    }

    /// What the user set.
    pub fn settings(&self) -> ProviderSettings {
        ProviderSettings { min_price: self.min_price, ..*self.settings }
    }

    /// The least this node sells for.
    pub fn min_price(&self) -> Wei {
        self.min_price
    }

    /// The lists of who is let in.
    pub fn access(&self) -> &AccessLists {
        &self.state.access
    }

    /// The lists of who is let in, to change them.
    pub fn access_mut(&mut self) -> &mut AccessLists {
        &mut self.state.access
    }

    /// What is remembered of a requestor.
    pub fn record(&self, requestor: &NodeId) -> Option<RequestorRecord> {
        self.state.requestors.get(requestor)
    }

    /// The profit factor `f` at a moment.
    pub fn factor(&self, now: LocalTime) -> Ratio {
        if self.settings.rules == Rules::Golem {
            return self.state.factor;
        }
        let dt_ms = now.saturating_sub(self.state.since);
        let moved = match self.state.activity {
            Activity::Idle => self.state.factor.decayed(self.settings.idle_rate, dt_ms),
            Activity::Busy => self.state.factor.grown(self.settings.busy_rate, dt_ms),
        };
        moved.clamp(self.settings.factor_min, self.settings.factor_max)
    }

    /// What to offer a requestor for a header, given this machine's performance for that kind of work. Asking changes
    /// nothing and remembers nobody.
    ///
    /// Errors: `Denied`; `PriceAboveMax` where the header's maximum is below the minimal price; `BelowMinPerf`;
    /// `CreditExceeded` where too much is owed, or too little of what was assigned was ever paid; `Full` where no more
    /// requestors can be remembered.
    pub fn quote(
        &self,
        requestor: &NodeId,
        header: &HeaderTerms,
        performance: u64,
        now: LocalTime,
    ) -> Result<Quote, RefusalReason> {
        self.state.access.admit(requestor, now)?;
        if performance < header.min_perf {
            return Err(RefusalReason::BelowMinPerf { performance, min_perf: header.min_perf });
        }
        let record = self.record(requestor);
        if record.is_none() && !self.has_room() {
            return Err(RefusalReason::Full(format!("the book of {PEERS_MAX} requestors, all of which owe something")));
        }
        let quote = self.price(record, header, performance, now);
        let least = match self.settings.rules {
            Rules::Published => quote.min_price,
            Rules::Golem => scale_rounded_down(quote.min_price, Ratio::ONE, quote.efficiency),
        };
        if let Some(reason) = self.distrusts(requestor, &quote, header.subtask_timeout_s, now) {
            return Err(reason);
        }
        if header.max_price < least {
            return Err(RefusalReason::PriceAboveMax { price: least, max_price: header.max_price });
        }
        if quote.owed > quote.credit {
            return Err(RefusalReason::CreditExceeded { owed: quote.owed, credit: quote.credit });
        }
        if quote.payment_rate < self.settings.payment_rate_min {
            let owed = quote.assigned.saturating_sub(quote.paid);
            return Err(RefusalReason::CreditExceeded { owed, credit: self.unpaid_max(quote.paid) });
        }
        Ok(quote)
    }

    /// For how many milliseconds no stranger is worked for yet, where that is so.
    pub fn closed_to_strangers_ms(&self, now: LocalTime) -> Option<u64> {
        let ours = self.settings.rules == Rules::Golem;
        self.state.unpaid.closed_for_ms(self.min_price, now).filter(|_| ours)
    }

    /// Why nothing is offered to a requestor that is late, or to a stranger, where that is so. Only by our rules, and not to
    /// whom this node's owner allows by name.
    fn distrusts(
        &self,
        requestor: &NodeId,
        quote: &Quote,
        subtask_timeout_s: u32,
        now: LocalTime,
    ) -> Option<RefusalReason> {
        let unpaid = &self.state.unpaid;
        let is_allowed = || self.state.access.allowed(requestor, now).is_some();
        if self.settings.rules == Rules::Published || unpaid.is_empty() || is_allowed() {
            return None;
        }
        let value = subtask_value(quote.price, subtask_timeout_s).unwrap_or(Wei::MAX);
        if unpaid.has_seen(requestor) {
            let is_late = unpaid.is_late(requestor, now);
            // What is offered and cannot be begun would stand in vain, and lower the margin.
            let credit = if is_late { Wei::ZERO } else { self.credit(requestor, quote.price, subtask_timeout_s) };
            if is_late || quote.owed.saturating_add(value) > credit {
                return Some(RefusalReason::CreditExceeded { owed: quote.owed, credit });
            }
        }
        let is_stranger = quote.paid < value;
        (is_stranger && self.closed_to_strangers_ms(now).is_some())
            .then(|| RefusalReason::StrangersUnpaid { lost: unpaid.lost() })
    }

    /// What an hour of a slot at this work is expected to bring beyond the minimal price, at the price asked now and with
    /// what this requestor is known to pay of what it owes.
    ///
    /// By the hour worked, not sold: who does in an hour what is sold as four earns four times the price.
    pub fn expected_profit(&self, requestor: &NodeId, header: &HeaderTerms, performance: u64, now: LocalTime) -> Wei {
        let quote = self.price(self.record(requestor), header, performance, now);
        let sold = match header.pricing {
            Pricing::Tender => quote.efficiency,
            Pricing::Metered => Ratio::ONE,
        };
        let paid = scale_rounded_down(quote.price, quote.payment_rate, Ratio::ONE);
        scale_rounded_down(paid, sold, Ratio::ONE).saturating_sub(quote.min_price)
    }

    /// An offer made here was answered: `taken` by an agreement, or it stood in vain while this machine was free.
    ///
    /// By our rules the margin follows; the published ones do not look at it.
    pub fn answered(&mut self, taken: bool) {
        if self.settings.rules == Rules::Golem {
            let step = if taken { self.settings.margin_taken } else { self.settings.margin_not_taken };
            let factor = self.state.factor.times_rounded_down(step);
            self.state.factor = factor.clamp(self.settings.factor_min, self.settings.factor_max);
        }
    }

    fn price(&self, record: Option<RequestorRecord>, header: &HeaderTerms, performance: u64, now: LocalTime) -> Quote {
        let min_price = self.min_price;
        let (assigned, paid, owed) = record.map_or((Wei::ZERO, Wei::ZERO, Wei::ZERO), |r| (r.assigned, r.paid, r.owed));
        let efficiency = self.efficiency(record, header, performance);
        let factor = self.factor(now);
        let base_price = scale_rounded_down(min_price, Ratio::ONE.plus(factor), Ratio::ONE);
        let concluded = match self.settings.rules {
            Rules::Published => assigned,
            // What is under way is no sign of bad faith; the credit bounds it.
            Rules::Golem => assigned.saturating_sub(owed),
        };
        let payment_rate = self.payment_rate(concluded, paid);
        let standing = payment_rate.times_rounded_down(efficiency);
        let unbounded_price = scale_rounded_down(base_price, Ratio::ONE, standing);
        // Not `clamp`: it panics on a range the wrong way round, and here the maximum is to win.
        let price = match self.settings.rules {
            Rules::Published => unbounded_price.max(min_price).min(header.max_price),
            Rules::Golem => unbounded_price.min(header.max_price),
        };
        let credit = match self.settings.rules {
            Rules::Published => self.hours_at(price),
            // Of this machine's work, of which the efficient sell more than an hour in an hour. What was owed at a price
            // of before is no more hours now that the margin is lower.
            Rules::Golem => self.hours_at(price.max(scale_rounded_down(
                min_price,
                Ratio::ONE.plus(factor.max(self.settings.factor_start)),
                Ratio::ONE,
            ))),
        };
        Quote {
            rules: self.settings.rules,
            price,
            min_price,
            max_price: header.max_price,
            factor,
            base_price,
            payment_rate,
            efficiency,
            standing,
            unbounded_price,
            assigned,
            paid,
            owed,
            credit,
        }
    }

    /// How many hours this machine sells in an hour of its work for a requestor.
    fn efficiency(&self, record: Option<RequestorRecord>, header: &HeaderTerms, performance: u64) -> Ratio {
        let start = efficiency_at_start(performance, header.min_perf);
        let known = record.and_then(|record| record.efficiency);
        match (self.settings.rules, header.pricing) {
            (Rules::Published, _) => known.unwrap_or(start),
            // A stranger's word for how little there is to do counts only so far.
            (Rules::Golem, Pricing::Tender) => {
                known.map_or(start.min(EFFICIENCY_CLAIMED_MAX), |known| known.min(EFFICIENCY_COUNTED_MAX))
            }
            // An hour's price is for an hour of work there.
            (Rules::Golem, Pricing::Metered) => Ratio::ONE,
        }
    }

    /// `k` hours at a price.
    fn hours_at(&self, price: Wei) -> Wei {
        price.checked_mul(self.settings.credit_hours as u64).unwrap_or(Wei::MAX)
    }

    /// How much finished and running work a requestor that was offered this price may leave unpaid before no more is
    /// begun for it: `k` hours, and by our rules no more than it has paid so far, or two subtasks; one where strangers do not
    /// pay.
    pub fn credit(&self, requestor: &NodeId, price: Wei, subtask_timeout_s: u32) -> Wei {
        let hours = self.hours_at(price);
        // One subtask at least, however long it may take: whoever owes nothing is worked for.
        let value = subtask_value(price, subtask_timeout_s).unwrap_or(Wei::MAX);
        match self.settings.rules {
            Rules::Published => hours.max(value),
            Rules::Golem => {
                let paid = self.record(requestor).map_or(Wei::ZERO, |record| record.paid);
                let first = value.checked_mul(self.state.unpaid.credit_subtasks()).unwrap_or(Wei::MAX);
                paid.max(first).min(hours.max(value))
            }
        }
    }

    /// `Q = min(1, (m + 1 + Vp + c) / (m + 1 + Va))` with `c = m`.
    fn payment_rate(&self, assigned: Wei, paid: Wei) -> Ratio {
        let m = self.min_price.0;
        // Amounts have 96 bits: the sums are far from the width of u128.
        let received = m.saturating_add(1).saturating_add(paid.0).saturating_add(m);
        let agreed = m.saturating_add(1).saturating_add(assigned.0);
        Ratio::of_rounded_down(received, agreed).min(Ratio::ONE)
    }

    /// How much may be assigned and unpaid before the payment rate falls below the user's limit.
    fn unpaid_max(&self, paid: Wei) -> Wei {
        let m = self.min_price.0;
        let received = m.saturating_add(1).saturating_add(paid.0).saturating_add(m);
        let assigned = scale_rounded_down(Wei(received), Ratio::ONE, self.settings.payment_rate_min)
            .saturating_sub(Wei(m.saturating_add(1)));
        assigned.saturating_sub(paid)
    }

    /// A subtask worth `value` was agreed. To be called once for each, when both have signed.
    ///
    /// Errors: `Full` where no room can be made without forgetting somebody who owes. Nothing changes then.
    pub fn assigned(&mut self, requestor: NodeId, value: Wei, now: LocalTime) -> Result<(), RefusalReason> {
        let known = self.record(&requestor);
        if known.is_none() && !self.make_room() {
            return Err(RefusalReason::Full(format!("the book of {PEERS_MAX} requestors, all of which owe something")));
        }
        self.state.dealings = self.state.dealings.saturating_add(1);
        if known.is_none_or(|known| known.paid < value) {
            self.state.unpaid.tried(self.min_price, now);
        }
        let unknown =
            RequestorRecord { efficiency: None, assigned: Wei::ZERO, paid: Wei::ZERO, owed: Wei::ZERO, touched: 0 };
        let mut record = known.unwrap_or(unknown);
        record.assigned = record.assigned.saturating_add(value);
        record.owed = record.owed.saturating_add(value);
        record.touched = self.state.dealings;
        self.state.requestors.insert(requestor, record);
        Ok(())
    }

    /// A voucher worth `value` more than the one before was accepted.
    ///
    /// A requestor that is not known is not made known: whoever sends money without work needs no memory of ours.
    pub fn paid(&mut self, requestor: &NodeId, value: Wei) {
        if let Some(mut record) = self.touch(requestor) {
            self.state.unpaid.paid(requestor, record.paid, value);
            record.paid = record.paid.saturating_add(value);
            record.owed = record.owed.saturating_sub(value);
            self.state.requestors.insert(*requestor, record);
        }
    }

    /// Finished work is unpaid long after it was reported, or was accepted and not paid. By our rules nothing is offered
    /// for half a day, or until something is paid. Nothing changes where nothing is owed.
    pub fn overdue(&mut self, requestor: &NodeId, now: LocalTime) {
        if let Some(record) = self.record(requestor).filter(|record| record.owed > Wei::ZERO) {
            self.state.unpaid.is_now_late(*requestor, record.owed.saturating_sub(record.paid), self.min_price, now);
        }
    }

    /// A right result worth `value` was rejected. To be called beside [`ProviderMarket::released`], before it.
    pub fn rejected(&mut self, requestor: &NodeId, value: Wei, now: LocalTime) {
        if let Some(record) = self.record(requestor).filter(|_| !self.state.unpaid.is_late(requestor, now)) {
            self.state.unpaid.lose(value.saturating_sub(record.paid), self.min_price, now);
        }
        self.state.unpaid.answered(requestor);
    }

    /// A subtask ran to its end here in `computation_ms`.
    pub fn completed(&mut self, requestor: &NodeId, header: &HeaderTerms, performance: u64, computation_ms: u64) {
        let rules = self.settings.rules;
        if let Some(mut record) = self.touch(requestor) {
            let seen = efficiency_seen(header.subtask_timeout_s, computation_ms);
            let start = || match rules {
                Rules::Published => efficiency_at_start(performance, header.min_perf),
                // What was claimed counts for nothing once it is seen.
                Rules::Golem => seen,
            };
            let before = record.efficiency.unwrap_or_else(start);
            record.efficiency = Some(rules.efficiency_after(before, seen, PSI));
            self.state.requestors.insert(*requestor, record);
        }
    }

    /// A subtask worth `value`, or that much of one, ended and will not be paid for.
    ///
    /// It is no longer owed. What was assigned still counts in the payment rate, except where this node cancelled, and for
    /// what metered work did not use: that leaves no trace. A failure of this very machine is to be given as `Cancelled`: it is not the requestor's.
    pub fn released(&mut self, requestor: &NodeId, value: Wei, release: Release) {
        let Some(mut record) = self.touch(requestor) else { return };
        record.owed = record.owed.saturating_sub(value);
        match release {
            Release::Failed | Release::TimedOut | Release::Rejected => {}
            Release::Cancelled | Release::Unused => record.assigned = record.assigned.saturating_sub(value),
        }
        if !self.state.unpaid.has_seen(requestor)
            && record.assigned == Wei::ZERO
            && record.paid == Wei::ZERO
            && record.efficiency.is_none()
        {
            self.state.requestors.remove(requestor);
        } else {
            self.state.requestors.insert(*requestor, record);
        }
    }

    /// The first subtask started to run, or one still does: brings the profit factor up to now.
    pub fn busy(&mut self, now: LocalTime) {
        self.turn(Activity::Busy, now);
    }

    /// The last subtask ended, or nothing runs still: brings the profit factor up to now.
    pub fn idle(&mut self, now: LocalTime) {
        self.turn(Activity::Idle, now);
    }

    fn turn(&mut self, activity: Activity, now: LocalTime) {
        self.state.factor = self.factor(now);
        self.state.activity = activity;
        // A clock set back is followed, or the time until it catches up would be lost.
        self.state.since = now;
    }

    /// What is remembered of a requestor that is dealt with now, to be changed and put back.
    fn touch(&mut self, requestor: &NodeId) -> Option<RequestorRecord> {
        let record = self.record(requestor)?;
        self.state.dealings = self.state.dealings.saturating_add(1);
        Some(RequestorRecord { touched: self.state.dealings, ..record })
    }

    fn has_room(&self) -> bool {
        self.state.requestors.count() < PEERS_MAX || self.forgettable().is_some()
    }

    fn make_room(&mut self) -> bool {
        if self.state.requestors.count() < PEERS_MAX {
            return true;
        }
        let Some(node) = self.forgettable() else { return false };
        self.state.requestors.remove(&node);
        true
    }

    /// Whom to forget first: of those who paid for everything assigned, the one that paid least, then the one not
    /// dealt with for longest. Who owes is never forgotten, or not paying would cost no more than waiting.
    fn forgettable(&self) -> Option<NodeId> {
        self.state
            .requestors
            .all()
            .filter(|(_, record)| record.owed == Wei::ZERO && record.paid >= record.assigned)
            .min_by_key(|(node, record)| (record.paid, record.touched, *node))
            .map(|(node, _)| node)
    }

    /// What must hold of this state at any time.
    pub fn check_invariants(&self) -> Vec<Violation> {
        let mut violations = Vec::new();
        let mut demand = |holds: bool, what: String| {
            if !holds {
                violations.push(Violation(what));
            }
        };
        let state = &self.state;
        demand(
            (self.settings.factor_min..=self.settings.factor_max).contains(&state.factor),
            format!("the profit factor {} is out of its range", state.factor),
        );
        let known = state.requestors.count();
        demand(known <= PEERS_MAX, format!("{known} requestors are remembered"));
        for node in state.unpaid.known() {
            demand(state.requestors.get(node).is_some(), format!("{node} was late and is not known"));
        }
        for (node, record) in state.requestors.all() {
            demand(record.owed <= record.assigned, format!("{node} owes {} of {}", record.owed, record.assigned));
            demand(record.touched <= state.dealings, format!("{node} was dealt with in the future"));
            if let Some(efficiency) = record.efficiency {
                demand(
                    (EFFICIENCY_MIN..=EFFICIENCY_MAX).contains(&efficiency),
                    format!("{node} has an efficiency of {efficiency}"),
                );
            }
        }
        violations
    }
}

/// `floor(amount * numerator / denominator)`, held at [`Wei::MAX`], which is also the answer for a denominator of 0.
fn scale_rounded_down(amount: Wei, numerator: Ratio, denominator: Ratio) -> Wei {
    mul_div(amount.0, numerator.parts() as u128, denominator.parts() as u128)
        .and_then(|(quotient, _)| Wei(quotient).bounded())
        .unwrap_or(Wei::MAX)
}
