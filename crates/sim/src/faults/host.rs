//! One node of the simulated world: its machine, its policy, its disk, and what its shell keeps in memory.

use super::chain::START;
use super::clock::Clock;
use super::disk::Disk;
use super::scenario::{ProviderNature, RequestorNature, Scenario};
use super::{CHAIN, CLOCKS, LOT, PROFILE};
use crate::stream::Stream;
use golem_deal::{
    CopyAddresses, Keys, Provider, ProviderSettings, Record, Reported, Requestor, RequestorFact, RequestorPolicy,
    RequestorSettings, Straggler, TaskOrder,
};
use golem_market::{
    AccessLists, Lot, ProviderMarketPolicy, ProviderSettings as PriceSettings, Ratio, RequestorMarketPolicy,
    RequestorSettings as ChoiceSettings,
};
use golem_protocol::{
    Address, B256, ByteCount, ChainTime, ChannelId, ContentHash, Fuel, Header, KeySigner, NodeId, Now, Offer,
    RefusalReason, Wei,
};
use std::sync::Arc;

/// Subtasks at once on a provider.
pub(super) const SLOTS: u16 = 2;
/// What a subtask may take, in seconds.
pub(super) const TIMEOUT_S: u32 = 60;
/// The least a provider asks, in wei per hour: a subtask costs 1,000 wei and up.
const MIN_PRICE: Wei = Wei(60_000);

/// A node that asks for work.
pub(super) struct RequestorHost {
    pub(super) nature: RequestorNature,
    pub(super) keys: Keys,
    pub(super) machine: Requestor,
    pub(super) policy: HostPolicy,
    pub(super) disk: Disk,
    pub(super) clock: Clock,
    pub(super) order: TaskOrder,
    /// Counts restarts: what an earlier run began does not answer any more.
    pub(super) run: u32,
    /// Down until then.
    pub(super) down_until: u64,
    /// When the next tick comes, for this run.
    tick: Option<(u32, u64)>,
}

/// A node that works.
pub(super) struct ProviderHost {
    pub(super) nature: ProviderNature,
    pub(super) keys: Keys,
    pub(super) machine: Provider,
    pub(super) policy: ProviderMarketPolicy,
    pub(super) disk: Disk,
    pub(super) clock: Clock,
    pub(super) run: u32,
    pub(super) down_until: u64,
    /// When the next tick comes, for this run.
    tick: Option<(u32, u64)>,
    /// How long a subtask takes here, in milliseconds.
    pub(super) speed_ms: u64,
}

/// Two keys from two numbers that nobody else has.
fn keys(role: u8, index: usize) -> Keys {
    let signer = |purpose: u8| {
        let mut secret = [1u8; 32];
        (secret[0], secret[1], secret[2]) = (role, purpose, index as u8);
        KeySigner::from_bytes(&secret).map(Arc::new)
    };
    match (signer(1), signer(2)) {
        (Ok(identity), Ok(payment)) => Keys { identity, payment },
        // Any 32 bytes that begin with a small number are a key.
        (Err(error), _) | (_, Err(error)) => unreachable!("{error}"),
    }
}

/// Where a provider is paid.
pub(super) fn provider_payee(index: usize) -> Address {
    keys(2, index).payment.address()
}

/// Draws from the seed.
struct SeededLot(Stream, u64);

impl Lot for SeededLot {
    fn draw(&mut self) -> u64 {
        self.0.draw()
    }

    fn chooses(&self, share_ppm: u32, header: B256, index: u32) -> bool {
        let task = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
        Stream::new(self.1 ^ u64::from(task), LOT, index).between(0, 999_999) < u64::from(share_ppm)
    }
}

/// The market's policy, but for second copies: what a world of a dozen subtasks loses by waiting is never worth one, and how
/// they end is to be seen.
pub(super) struct HostPolicy {
    market: RequestorMarketPolicy,
    hedges_eagerly: bool,
    /// Providers that were found to be late, until the world has looked.
    pub(super) late: Vec<NodeId>,
}

/// How long somebody is silent before an eager requestor gives its subtask to another, in milliseconds.
const SILENT_MS: u64 = 4_000;

impl RequestorPolicy for HostPolicy {
    fn admit(&mut self, header: &Header, offer: &Offer, now: Now) -> Result<(), RefusalReason> {
        self.market.admit(header, offer, now)
    }

    fn rank(&mut self, header: &Header, offers: &[&Offer], now: Now) -> Vec<usize> {
        self.market.rank(header, offers, now)
    }

    fn knows(&self, provider: NodeId) -> bool {
        self.market.knows(provider)
    }

    fn rechecks(&self, result: &Reported) -> bool {
        self.market.rechecks(result)
    }

    fn draw(&mut self) -> u64 {
        self.market.draw()
    }

    fn mixes_in(&mut self, header: B256) -> Option<u64> {
        self.market.mixes_in(header)
    }

    fn hedges(&self, header: &Header, straggler: &Straggler, offer: &Offer) -> bool {
        let is_silent = straggler.silent_ms >= SILENT_MS;
        (self.hedges_eagerly && is_silent) || self.market.hedges(header, straggler, offer)
    }

    fn note(&mut self, fact: &RequestorFact, now: Now) {
        if let RequestorFact::TimedOut { provider } = fact {
            self.late.push(*provider);
        }
        self.market.note(fact, now);
    }

    fn records(&mut self) -> Vec<Record> {
        self.market.records()
    }
}

impl RequestorHost {
    pub(super) fn new(scenario: &Scenario, index: usize, nature: RequestorNature) -> RequestorHost {
        let keys = keys(1, index);
        let order = order(scenario, &keys, index);
        RequestorHost {
            nature,
            machine: Requestor::new(requestor_settings(), keys.clone()),
            policy: requestor_policy(scenario, &order, index, &[]),
            keys,
            disk: Disk::default(),
            clock: Clock::new(&scenario.faults, Stream::new(scenario.seed, CLOCKS, index as u32)),
            order,
            run: 0,
            down_until: 0,
            tick: None,
        }
    }

    /// Starts again with what is on the disk.
    pub(super) fn restart(&mut self, scenario: &Scenario, index: usize, now: Now) -> Result<(), String> {
        let records = self.disk.load();
        self.machine = Requestor::recover(requestor_settings(), self.keys.clone(), &records, now)
            .map_err(|error| format!("a requestor cannot read what it saved: {error}"))?;
        self.policy = requestor_policy(scenario, &self.order, index, &records);
        Ok(())
    }

    /// Whether a tick has to be sent for this time: none is, where one comes before, which tells when the next has to.
    pub(super) fn wakes_at(&mut self, time: u64) -> bool {
        is_earlier(&mut self.tick, self.run, time)
    }

    /// A tick came.
    pub(super) fn ticked(&mut self) {
        self.tick = None;
    }

    pub(super) fn payer(&self) -> Address {
        self.keys.payment.address()
    }
}

impl ProviderHost {
    pub(super) fn new(scenario: &Scenario, index: usize, nature: ProviderNature) -> ProviderHost {
        let keys = keys(2, index);
        let mut clock = Clock::new(&scenario.faults, Stream::new(scenario.seed, CLOCKS, 1_000 + index as u32));
        let mut draw = Stream::new(scenario.seed, super::SPEED, index as u32);
        ProviderHost {
            nature,
            machine: Provider::new(provider_settings(&keys), keys.clone()),
            policy: provider_policy(index, &[], clock.now(0, ChainTime(START))),
            keys,
            disk: Disk::default(),
            clock,
            run: 0,
            down_until: 0,
            tick: None,
            speed_ms: draw.between(200, 4_000),
        }
    }

    /// Starts again with what is on the disk.
    pub(super) fn restart(&mut self, index: usize, now: Now) -> Result<(), String> {
        let records = self.disk.load();
        self.machine = Provider::recover(provider_settings(&self.keys), self.keys.clone(), &records, now)
            .map_err(|error| format!("a provider cannot read what it saved: {error}"))?;
        self.policy = provider_policy(index, &records, now);
        Ok(())
    }

    /// Whether a tick has to be sent for this time: none is, where one comes before, which tells when the next has to.
    pub(super) fn wakes_at(&mut self, time: u64) -> bool {
        is_earlier(&mut self.tick, self.run, time)
    }

    /// A tick came.
    pub(super) fn ticked(&mut self) {
        self.tick = None;
    }

    pub(super) fn payee(&self) -> Address {
        self.keys.payment.address()
    }

    /// The channel from a payer to this one.
    pub(super) fn channel_from(&self, payer: Address) -> ChannelId {
        ChannelId { payer, payee: self.payee() }
    }
}

fn is_earlier(tick: &mut Option<(u32, u64)>, run: u32, time: u64) -> bool {
    if tick.is_some_and(|(of_run, at)| of_run == run && at <= time) {
        return false;
    }
    *tick = Some((run, time));
    true
}

/// How late a batch may be, in milliseconds.
pub(super) const GRACE_MS: u64 = 20_000;
/// For how long a requestor may leave a report unanswered, in milliseconds.
const OVERDUE_MS: u64 = 600_000;
/// And for how long at least before what it owes is given up.
pub(super) const ABANDON_MS: u64 = 24 * OVERDUE_MS;

fn requestor_settings() -> RequestorSettings {
    RequestorSettings { chain: CHAIN, grace_ms: GRACE_MS, lost_ms: 15_000, copy_addresses: CopyAddresses::Distinct }
}

fn provider_settings(keys: &Keys) -> ProviderSettings {
    ProviderSettings {
        chain: CHAIN,
        payee: keys.payment.address(),
        slots: SLOTS,
        profile: PROFILE,
        memory_max: ByteCount(1 << 30),
        // Every other one has slots for two, and memory for one.
        memory_total: ByteCount((1 << 20) << (keys.payment.address().as_slice()[19] & 1)),
        output_max: ByteCount(1 << 30),
        offer_life_s: 600,
        claim_margin_s: 10,
        overdue_ms: OVERDUE_MS,
    }
}

/// How long dear and doubtful offers are waited out, in timeouts. Reason: a timeout is an hour here, of which a subtask
/// takes moments, and the world waits for its end some hours only.
const PATIENCE: Ratio = Ratio::from_parts(50_000_000);

fn requestor_policy(scenario: &Scenario, order: &TaskOrder, index: usize, records: &[Record]) -> HostPolicy {
    let lot = Box::new(SeededLot(Stream::new(scenario.seed, LOT, index as u32), scenario.seed));
    let choice = ChoiceSettings { patience: PATIENCE, ..ChoiceSettings::default() };
    let mut policy = RequestorMarketPolicy::recover(choice, AccessLists::default(), lot, records)
        .unwrap_or_else(|error| unreachable!("what a policy saves it can read: {error}"));
    policy.watch(golem_protocol::Document::digest(&order.header, &CHAIN), scenario.checks);
    HostPolicy { market: policy, hedges_eagerly: scenario.hedges_eagerly, late: Vec::new() }
}

fn provider_policy(index: usize, records: &[Record], now: Now) -> ProviderMarketPolicy {
    let price = PriceSettings::new(MIN_PRICE.saturating_add(Wei(index as u128 * 1_000)));
    ProviderMarketPolicy::recover(price, 1_000, SLOTS, AccessLists::default(), records, now)
        .unwrap_or_else(|error| unreachable!("what a policy saves it can read: {error}"))
}

fn order(scenario: &Scenario, keys: &Keys, index: usize) -> TaskOrder {
    let header = Header {
        requestor: NodeId(keys.identity.address()),
        payer: keys.payment.address(),
        nonce: index as u64,
        module: ContentHash(B256::repeat_byte(1)),
        module_bytes: ByteCount(1_000),
        subtasks: scenario.subtasks,
        max_price: Wei(600_000),
        subtask_timeout_s: TIMEOUT_S,
        min_perf: 0,
        pricing: scenario.pricing,
        fuel_max: Fuel(1_000_000),
        memory_max: ByteCount(1 << 20),
        output_max: ByteCount(1 << 20),
        recheck_ppm: scenario.checks.rechecks.least_ppm(),
        profile: PROFILE,
        deadline: ChainTime(10_000_000),
        app: scenario.app,
    };
    let inputs = (0..scenario.subtasks).map(|subtask| {
        let mut input = B256::with_last_byte(subtask as u8);
        input[0] = index as u8;
        ContentHash(input)
    });
    TaskOrder {
        header,
        inputs: inputs.collect(),
        budget: scenario.budget,
        offer_window_ms: 1_000,
        checks: scenario.checks,
    }
}
