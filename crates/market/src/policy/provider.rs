//! What a provider's machine asks.

use super::saving::{Saving, stored};
use super::{PolicyError, check_identity, remember};
use crate::access::AccessLists;
use crate::{HeaderTerms, ProviderMarket, ProviderSettings, ProviderState, Ratio, Release, Speeds, Unpaid, Violation};
use golem_deal::{ProviderFact, ProviderPolicy, Quote, Record};
use golem_protocol::{ContentHash, Header, NodeId, Now, Pricing, RefusalReason, Wei};
use std::collections::BTreeMap;

const KEY: &[u8] = b"provider";
const SPEEDS_KEY: &[u8] = b"speeds";
/// The benchmark beside which speeds were seen. Apart from them, which older versions wrote without it.
const BENCHMARK_KEY: &[u8] = b"benchmark";
/// Apart from the rest, which older versions wrote without it, or under `unpaid` in another shape, which is not read.
const UNPAID_KEY: &[u8] = b"unpaid 2";
/// By which factor the benchmark has to differ from the one that speeds were seen beside, so that they are not believed as
/// they are. Reason: it is another machine then, or another share of it; what runs beside a benchmark does less.
const OTHER_MACHINE_TIMES: u64 = crate::promises::BROKEN_TIMES;

/// What a provider's market is asked through.
pub struct ProviderMarketPolicy {
    pub(super) market: ProviderMarket,
    /// Fuel per second as the benchmark measured it.
    benchmark: u64,
    /// How fast programs were seen to run.
    speeds: Speeds,
    slots: u16,
    identity_bits: u32,
    /// The only programs that are run, where not empty.
    programs: Vec<ContentHash>,
    /// The terms of the last offer, by requestor, and the dearest price offered to it; a bounded number of them.
    terms: BTreeMap<NodeId, (HeaderTerms, Wei)>,
    /// Why nothing new is taken, where that is so.
    closed: Option<RefusalReason>,
    saving: Saving,
    saving_speeds: Saving,
    saving_benchmark: Saving,
    saving_unpaid: Saving,
    /// The benchmark beside which speeds were seen, or as which they count; none before the first was.
    seen_beside: Option<u64>,
}

impl ProviderMarketPolicy {
    /// Takes the memory out of the records, or starts without one.
    ///
    /// Errors: `Memory` for a record of another version, `Settings` for a minimal price out of range.
    pub fn recover(
        settings: ProviderSettings,
        benchmark: u64,
        slots: u16,
        lists: AccessLists,
        records: &[Record],
        now: Now,
    ) -> Result<ProviderMarketPolicy, PolicyError> {
        let mut market = match stored::<ProviderState>(records, KEY)? {
            Some(mut state) => {
                state.unpaid = stored(records, UNPAID_KEY)?.unwrap_or_default();
                ProviderMarket::restore(settings, state, now.local)?
            }
            None => ProviderMarket::new(settings, now.local)?,
        };
        *market.access_mut() = lists;
        let mut speeds: Speeds = stored(records, SPEEDS_KEY)?.unwrap_or_default();
        let mut seen_beside: Option<u64> = stored(records, BENCHMARK_KEY)?;
        let (mut saving_speeds, mut saving_benchmark) = (Saving::new(SPEEDS_KEY), Saving::new(BENCHMARK_KEY));
        if let Some(before) = seen_beside.filter(|before| is_other_machine(*before, benchmark)) {
            // What it did before it may not do now, and requestors refuse who goes on promising it.
            speeds.doubt((benchmark.min(before), before));
            seen_beside = Some(benchmark);
            saving_speeds.touch(now);
            saving_benchmark.touch(now);
        }
        Ok(ProviderMarketPolicy {
            market,
            benchmark,
            speeds,
            slots,
            identity_bits: 0,
            programs: Vec::new(),
            terms: BTreeMap::new(),
            closed: None,
            saving: Saving::new(KEY),
            saving_speeds,
            saving_benchmark,
            saving_unpaid: Saving::new(UNPAID_KEY),
            seen_beside,
        })
    }

    /// Offers nothing from now on for this reason, or offers again.
    pub fn close(&mut self, reason: Option<RefusalReason>) {
        self.closed = reason;
    }

    /// Deals only with nodes whose key has this much work in it, as [`NodeId::work_bits`] counts it.
    pub fn demand_identity(&mut self, bits: u32) {
        self.identity_bits = bits;
    }

    /// Runs these programs and no others; all where there are none.
    pub fn run_only(&mut self, programs: Vec<ContentHash>) {
        self.programs = programs;
    }

    /// The margin over the minimal price that is asked now: the profit factor.
    pub fn margin(&self, now: Now) -> Ratio {
        self.market.factor(now.local)
    }

    /// Who has left finished work unpaid.
    pub fn unpaid(&self) -> &Unpaid {
        &self.market.state().unpaid
    }

    /// For how many milliseconds no stranger is worked for yet, where that is so.
    pub fn closed_to_strangers_ms(&self, now: Now) -> Option<u64> {
        self.market.closed_to_strangers_ms(now.local)
    }

    /// How fast programs were seen to run here.
    pub fn speeds(&self) -> &Speeds {
        &self.speeds
    }

    /// What the market says is broken in its own state.
    pub fn check_invariants(&self) -> Vec<Violation> {
        self.market.check_invariants()
    }
}

impl ProviderPolicy for ProviderMarketPolicy {
    fn quote(&mut self, header: &Header, now: Now) -> Result<Quote, RefusalReason> {
        if let Some(reason) = &self.closed {
            return Err(reason.clone());
        }
        check_identity(header.requestor, self.identity_bits)?;
        if !self.programs.is_empty() && !self.programs.contains(&header.module) {
            return Err(RefusalReason::ProgramNotAllowed(header.module));
        }
        let terms = HeaderTerms::from(header);
        let performance = self.speeds.of(&header.module, self.benchmark);
        let dearest = self.terms.get(&header.requestor).map_or(Wei::ZERO, |(_, price)| *price);
        let quote = self.market.quote(&header.requestor, &terms, performance, now.local)?;
        remember(&mut self.terms, header.requestor, (terms, dearest.max(quote.price)));
        Ok(Quote { price: quote.price, performance, slots: self.slots })
    }

    fn profit(&self, header: &Header, now: Now) -> Wei {
        let performance = self.speeds.of(&header.module, self.benchmark);
        self.market.expected_profit(&header.requestor, &HeaderTerms::from(header), performance, now.local)
    }

    /// What may be owed at the dearest price offered: who turned out to need less time than it is sold may owe no less than
    /// as a stranger. For a requestor not quoted since the start, at the minimal price, an hour at a time.
    fn credit(&self, requestor: NodeId) -> Wei {
        let unquoted = (self.market.settings().min_price, 3600);
        let quoted = self.terms.get(&requestor).map(|(terms, price)| (*price, terms.subtask_timeout_s));
        let (price, timeout_s) = quoted.unwrap_or(unquoted);
        self.market.credit(&requestor, price, timeout_s)
    }

    fn note(&mut self, fact: &ProviderFact, now: Now) {
        match *fact {
            ProviderFact::Assigned { requestor, value } => {
                // Refused only where the book is full of requestors that owe: this one is then nobody it knows.
                let _ = self.market.assigned(requestor, value, now.local);
            }
            ProviderFact::Completed { requestor, module, subtask_timeout_s, computation_ms, fuel } => {
                let known = self.terms.get(&requestor).map(|(terms, _)| *terms);
                let none =
                    HeaderTerms { max_price: Wei::ZERO, min_perf: 0, subtask_timeout_s, pricing: Pricing::Tender };
                let terms = HeaderTerms { subtask_timeout_s, ..known.unwrap_or(none) };
                let performance = self.speeds.of(&module, self.benchmark);
                self.market.completed(&requestor, &terms, performance, computation_ms);
                self.speeds.ran(module, fuel, computation_ms);
                self.saving_speeds.touch(now);
                if self.seen_beside.is_none() {
                    self.seen_beside = Some(self.benchmark);
                    self.saving_benchmark.touch(now);
                }
            }
            ProviderFact::Released { requestor, value } => {
                self.market.released(&requestor, value, Release::Rejected);
            }
            ProviderFact::Rejected { requestor, value } => {
                self.market.rejected(&requestor, value, now.local);
                self.market.released(&requestor, value, Release::Rejected);
            }
            ProviderFact::Unused { requestor, value } => self.market.released(&requestor, value, Release::Unused),
            ProviderFact::Paid { requestor, value } => self.market.paid(&requestor, value),
            ProviderFact::Overdue { requestor } => self.market.overdue(&requestor, now.local),
            ProviderFact::Answered { taken } => self.market.answered(taken),
            ProviderFact::Busy(true) => self.market.busy(now.local),
            ProviderFact::Busy(false) => self.market.idle(now.local),
        }
        self.saving.touch(now);
        if !self.market.state().unpaid.is_empty() {
            self.saving_unpaid.touch(now);
        }
    }

    fn records(&mut self) -> Vec<Record> {
        let mut records = self.saving.records(self.market.state());
        records.extend(self.saving_unpaid.records(&self.market.state().unpaid));
        records.extend(self.saving_speeds.records(&self.speeds));
        if let Some(benchmark) = self.seen_beside {
            records.extend(self.saving_benchmark.records(&benchmark));
        }
        records
    }
}

fn is_other_machine(before: u64, now: u64) -> bool {
    before.max(now) > before.min(now).saturating_mul(OTHER_MACHINE_TIMES)
}
