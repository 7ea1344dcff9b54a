//! One requestor and several providers on a network that loses, delays and repeats, with machines that crash between
//! any two effects, on a chain that is slow. After every step no invariant is broken; in the end everything is done,
//! and both sides agree on every wei.

use crate::*;
use golem_protocol::*;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

/// splitmix64: the tests' own randomness, the same everywhere.
pub(super) struct Dice(pub u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

pub(super) const CHAIN: ChainRef = ChainRef { chain_id: 31337, channels: Address::repeat_byte(0xCC) };
pub(super) const PROFILE: B256 = B256::repeat_byte(7);

pub(super) fn keys(n: u8) -> Keys {
    let identity = Arc::new(KeySigner::from_bytes(&[n; 32]).unwrap());
    let payment = Arc::new(KeySigner::from_bytes(&[n + 100; 32]).unwrap());
    Keys { identity, payment }
}

pub(super) fn header(requestor: &Keys, subtasks: u32, pricing: Pricing) -> Header {
    Header {
        requestor: NodeId(requestor.identity.address()),
        payer: requestor.payment.address(),
        nonce: 1,
        module: ContentHash(B256::repeat_byte(1)),
        module_bytes: ByteCount(1000),
        subtasks,
        max_price: Wei(3_600_000),
        subtask_timeout_s: 60,
        min_perf: 0,
        pricing,
        fuel_max: Fuel(1_000_000),
        memory_max: ByteCount(1 << 20),
        output_max: ByteCount(1 << 20),
        recheck_ppm: 0,
        profile: PROFILE,
        deadline: ChainTime(1_000_000),
        app: AppFee::NONE,
    }
}

/// A policy of fixed numbers.
pub(super) struct Fixed {
    pub price: Wei,
    pub performance: u64,
    pub slots: u16,
    pub credit: Wei,
    pub recheck_percent: u64,
    pub facts: usize,
    pub rejected: Vec<NodeId>,
}

impl Default for Fixed {
    fn default() -> Self {
        Fixed {
            price: Wei(360_000),
            performance: 1000,
            slots: 2,
            credit: Wei::MAX,
            recheck_percent: 0,
            facts: 0,
            rejected: vec![],
        }
    }
}

impl ProviderPolicy for Fixed {
    fn quote(&mut self, _: &Header, _: Now) -> Result<Quote, RefusalReason> {
        Ok(Quote { price: self.price, performance: self.performance, slots: self.slots })
    }
    fn profit(&self, header: &Header, _: Now) -> Wei {
        header.max_price
    }
    fn credit(&self, _: NodeId) -> Wei {
        self.credit
    }
    fn note(&mut self, _: &ProviderFact, _: Now) {
        self.facts += 1;
    }
    fn records(&mut self) -> Vec<Record> {
        vec![]
    }
}

impl RequestorPolicy for Fixed {
    fn admit(&mut self, header: &Header, offer: &Offer, _: Now) -> Result<(), RefusalReason> {
        if offer.price > header.max_price {
            return Err(RefusalReason::PriceAboveMax { price: offer.price, max_price: header.max_price });
        }
        Ok(())
    }
    fn rank(&mut self, _: &Header, offers: &[&Offer], _: Now) -> Vec<usize> {
        let mut order: Vec<usize> = (0..offers.len()).collect();
        order.sort_by_key(|position| (offers[*position].price, offers[*position].provider));
        order
    }
    fn rechecks(&self, _: B256, index: u32, _: NodeId) -> bool {
        u64::from(index) * 37 % 100 < self.recheck_percent
    }
    fn note(&mut self, fact: &RequestorFact, _: Now) {
        self.facts += 1;
        if let RequestorFact::Rejected { provider } = fact {
            self.rejected.push(*provider);
        }
    }
    fn records(&mut self) -> Vec<Record> {
        vec![]
    }
}

pub(super) fn provider_settings(keys: &Keys) -> ProviderSettings {
    ProviderSettings {
        chain: CHAIN,
        payee: keys.payment.address(),
        slots: 2,
        profile: PROFILE,
        memory_max: ByteCount(1 << 30),
        memory_total: ByteCount(1 << 30),
        output_max: ByteCount(1 << 30),
        offer_life_s: 600,
        claim_margin_s: 60,
        overdue_ms: 600_000,
    }
}

pub(super) fn requestor_settings() -> RequestorSettings {
    RequestorSettings { chain: CHAIN, grace_ms: 20_000, lost_ms: 15_000 }
}

type Disk = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

fn save(disk: &mut Disk, records: Vec<Record>) {
    for record in records {
        match record.value {
            Some(value) => disk.insert((record.table, record.key), value),
            None => disk.remove(&(record.table, record.key)),
        };
    }
}

fn load(disk: &Disk) -> Vec<Record> {
    let record = |((table, key), value): (&(Table, Vec<u8>), &Vec<u8>)| Record {
        table: *table,
        key: key.clone(),
        value: Some(value.clone()),
    };
    disk.iter().map(record).collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Nature {
    Honest,
    /// Reports other bytes than come out.
    Cheat,
    /// Agrees and never does anything.
    Idle,
}

struct ProviderHost {
    keys: Keys,
    machine: Provider,
    policy: Fixed,
    disk: Disk,
    nature: Nature,
    /// Counts restarts: what an earlier run began does not answer any more.
    run: u32,
    /// The highest voucher it was told it has.
    sure_of: Wei,
    speed_ms: u64,
}

enum Event {
    ToProvider(usize, u32, ProviderInput),
    ToRequestor(u32, RequestorInput),
    SaveProvider(usize, u32, PersistId, Vec<Record>),
    SaveRequestor(u32, PersistId, Vec<Record>),
    Crash,
}

struct Timed(u64, u64, Event);
impl PartialEq for Timed {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}
impl Eq for Timed {}
impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Timed {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        (other.0, other.1).cmp(&(self.0, self.1))
    }
}

#[derive(Clone, Copy)]
struct Faults {
    loss: u64,
    repeat: u64,
    crash_every_ms: u64,
}

struct World {
    dice: Dice,
    time: u64,
    sequence: u64,
    events: BinaryHeap<Timed>,
    faults: Faults,
    requestor: Requestor,
    requestor_keys: Keys,
    requestor_policy: Fixed,
    requestor_disk: Disk,
    requestor_run: u32,
    providers: Vec<ProviderHost>,
    chain: BTreeMap<Address, ChannelState>,
    sent_voucher: BTreeMap<(Address, u32), Wei>,
    finished: Option<u32>,
    disk_done: BTreeMap<usize, u64>,
    header: B256,
}

const ANY: u32 = u32::MAX;

impl World {
    fn new(seed: u64, order: TaskOrder, natures: &[Nature], faults: Faults) -> World {
        let requestor_keys = keys(1);
        let providers = natures.iter().enumerate().map(|(n, nature)| {
            let keys = keys(10 + n as u8);
            let policy = Fixed { price: Wei(360_000 + 1_000 * n as u128), ..Fixed::default() };
            ProviderHost {
                machine: Provider::new(provider_settings(&keys), keys.clone()),
                policy,
                disk: Disk::new(),
                nature: *nature,
                run: 0,
                sure_of: Wei::ZERO,
                speed_ms: 300 + 400 * n as u64,
                keys,
            }
        });
        let mut world = World {
            dice: Dice(seed),
            time: 1_000,
            sequence: 0,
            events: BinaryHeap::new(),
            faults,
            requestor: Requestor::new(requestor_settings(), requestor_keys.clone()),
            requestor_policy: Fixed { recheck_percent: 50, ..Fixed::default() },
            requestor_disk: Disk::new(),
            requestor_run: 0,
            header: order.header.digest(&CHAIN),
            requestor_keys,
            providers: providers.collect(),
            chain: BTreeMap::new(),
            sent_voucher: BTreeMap::new(),
            finished: None,
            disk_done: BTreeMap::new(),
        };
        world.at(1, Event::ToRequestor(ANY, RequestorInput::Start(Box::new(order))));
        if faults.crash_every_ms > 0 {
            world.at(faults.crash_every_ms, Event::Crash);
        }
        world
    }

    fn now(&self) -> Now {
        Now { local: LocalTime(self.time), chain: ChainTime(1_000 + self.time / 1_000) }
    }

    fn at(&mut self, delay: u64, event: Event) {
        self.sequence += 1;
        self.events.push(Timed(self.time + delay, self.sequence, event));
    }

    /// Over the network: perhaps late, twice, or never.
    fn over_network(&mut self, make: impl Fn() -> Event) {
        if self.dice.chance(self.faults.loss) {
            return;
        }
        let copies = 1 + u64::from(self.dice.chance(self.faults.repeat));
        for _ in 0..copies {
            let delay = 5 + self.dice.below(200);
            self.at(delay, make());
        }
    }

    /// A disk is slow, and answers in order.
    fn disk_delay(&mut self, disk: usize) -> u64 {
        let done = self.time + self.dice.below(80);
        let last = self.disk_done.entry(disk).or_default();
        *last = done.max(*last);
        *last - self.time
    }

    fn provider_index(&self, node: NodeId) -> Option<usize> {
        self.providers.iter().position(|host| host.machine.node() == node)
    }

    fn run(&mut self, until_ms: u64) {
        while let Some(Timed(time, _, event)) = self.events.pop() {
            self.time = time;
            assert!(time < until_ms, "not done after {until_ms} ms: {:?}", self.requestor.tasks());
            self.step(event);
            let violations = self.requestor.check_invariants();
            assert!(violations.is_empty(), "requestor: {violations:?}");
            for host in &self.providers {
                let violations = host.machine.check_invariants();
                assert!(violations.is_empty(), "provider: {violations:?}");
            }
            let quiet = self.providers.iter().all(|host| host.nature == Nature::Idle || host.machine.open_deals() == 0);
            if self.finished.is_some() && quiet {
                return;
            }
        }
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::ToRequestor(run, input) if run == ANY || run == self.requestor_run => {
                let now = self.now();
                let effects = self.requestor.apply(&mut self.requestor_policy, input, now);
                effects.into_iter().for_each(|effect| self.requestor_effect(effect));
            }
            Event::ToProvider(index, run, input) if run == ANY || run == self.providers[index].run => {
                let now = self.now();
                let host = &mut self.providers[index];
                let effects = host.machine.apply(&mut host.policy, input, now);
                effects.into_iter().for_each(|effect| self.provider_effect(index, effect));
            }
            Event::SaveRequestor(run, id, records) if run == self.requestor_run => {
                save(&mut self.requestor_disk, records);
                self.at(0, Event::ToRequestor(run, RequestorInput::Persisted(id)));
            }
            Event::SaveProvider(index, run, id, records) if run == self.providers[index].run => {
                save(&mut self.providers[index].disk, records);
                self.at(0, Event::ToProvider(index, run, ProviderInput::Persisted(id)));
            }
            Event::Crash => self.crash(),
            Event::ToRequestor(..) | Event::ToProvider(..) | Event::SaveRequestor(..) | Event::SaveProvider(..) => {}
        }
    }

    /// Somebody loses its memory between two effects; what was being saved is there or not.
    fn crash(&mut self) {
        let now = self.now();
        let victim = self.dice.below(self.providers.len() as u64 + 1) as usize;
        if victim == self.providers.len() {
            self.requestor_run += 1;
            let records = load(&self.requestor_disk);
            self.requestor =
                Requestor::recover(requestor_settings(), self.requestor_keys.clone(), &records, now).unwrap();
            self.at(50, Event::ToRequestor(ANY, RequestorInput::Tick));
        } else {
            let host = &mut self.providers[victim];
            host.run += 1;
            let settings = provider_settings(&host.keys);
            host.machine = Provider::recover(settings, host.keys.clone(), &load(&host.disk), now).unwrap();
            let held = host.machine.ledgers().iter().map(|ledger| ledger.earned()).max().unwrap_or_default();
            assert!(held >= host.sure_of, "provider {victim} forgot a voucher: {held} after {}", host.sure_of);
            self.at(50, Event::ToProvider(victim, ANY, ProviderInput::Tick));
        }
        self.at(self.faults.crash_every_ms, Event::Crash);
    }

    fn requestor_effect(&mut self, effect: RequestorEffect) {
        let run = self.requestor_run;
        match effect {
            RequestorEffect::Persist { id, records } => {
                let delay = self.disk_delay(self.providers.len());
                self.at(delay, Event::SaveRequestor(run, id, records));
            }
            RequestorEffect::Announce(header) => {
                let header = header.authenticate(&CHAIN).unwrap();
                for index in 0..self.providers.len() {
                    self.over_network(|| {
                        Event::ToProvider(index, ANY, ProviderInput::Header(Box::new(header.clone())))
                    });
                }
            }
            RequestorEffect::Send { to, message } => {
                self.watch_voucher(&message);
                let from = self.requestor.node();
                if let Some(index) = self.provider_index(to) {
                    self.over_network(|| {
                        let message = Box::new(message.clone());
                        Event::ToProvider(index, ANY, ProviderInput::Message { from, message })
                    });
                }
            }
            RequestorEffect::ReadChannel(channel) => self.answer_requestor(channel.payee),
            RequestorEffect::Fund { payee, deposit, epoch, .. } => {
                let state = self.chain.entry(payee).or_default();
                if (state.epoch, state.deposit) < (epoch, deposit) {
                    *state = ChannelState { deposit, epoch, ..*state };
                }
                self.answer_requestor(payee);
            }
            RequestorEffect::Fetch(job) => {
                let (agreement, index) = (job.agreement, job.index);
                let delay = 10 + self.dice.below(100);
                self.at(delay, Event::ToRequestor(run, RequestorInput::Fetched { agreement, index, complete: Ok(()) }));
            }
            RequestorEffect::Recheck { agreement, index, input, .. } => {
                let outcome = Ok(honest(input));
                self.at(200, Event::ToRequestor(run, RequestorInput::Rechecked { agreement, index, outcome }));
            }
            RequestorEffect::WakeAt(at) => {
                let delay = at.0.saturating_sub(self.time).max(1);
                self.at(delay, Event::ToRequestor(run, RequestorInput::Tick));
            }
            RequestorEffect::Happened(RequestorEvent::Finished { failed, .. }) => self.finished = Some(failed),
            RequestorEffect::Happened(_) => {}
        }
    }

    /// Never signs below what was signed, in any run.
    fn watch_voucher(&mut self, message: &Message) {
        let Message::Verdict { voucher, author_voucher, .. } = message else { return };
        for voucher in [voucher, author_voucher].into_iter().flatten() {
            let voucher = voucher.document;
            let highest = self.sent_voucher.entry((voucher.payee, voucher.epoch)).or_default();
            assert!(voucher.cumulative >= *highest, "signed {} after {highest}", voucher.cumulative);
            *highest = voucher.cumulative;
        }
    }

    fn answer_requestor(&mut self, payee: Address) {
        let state = self.chain.get(&payee).copied().unwrap_or_default();
        let channel = ChannelId { payer: self.requestor_keys.payment.address(), payee };
        let delay = 500 + self.dice.below(2_000);
        self.at(delay, Event::ToRequestor(ANY, RequestorInput::Channel { channel, state }));
    }

    fn provider_effect(&mut self, index: usize, effect: ProviderEffect) {
        let run = self.providers[index].run;
        match effect {
            ProviderEffect::Persist { id, records } => {
                let delay = self.disk_delay(index);
                self.at(delay, Event::SaveProvider(index, run, id, records));
            }
            ProviderEffect::Send { to: _, message } => {
                let from = self.providers[index].machine.node();
                self.over_network(|| {
                    let message = Box::new(message.clone());
                    Event::ToRequestor(ANY, RequestorInput::Message { from, message })
                });
            }
            ProviderEffect::ReadChannel(channel) => {
                let state = self.chain.get(&channel.payee).copied().unwrap_or_default();
                let delay = 100 + self.dice.below(500);
                self.at(delay, Event::ToProvider(index, ANY, ProviderInput::Channel { channel, state }));
            }
            ProviderEffect::Compute(job) => {
                let outcome = match self.providers[index].nature {
                    Nature::Idle => return,
                    Nature::Honest => honest(job.input),
                    Nature::Cheat => honest(ContentHash(B256::repeat_byte(0xEE))),
                };
                let (agreement, subtask) = (job.agreement, job.index);
                let delay = self.providers[index].speed_ms;
                self.at(
                    delay,
                    Event::ToProvider(index, run, ProviderInput::Computed { agreement, index: subtask, outcome }),
                );
            }
            ProviderEffect::WakeAt(at) => {
                let delay = at.0.saturating_sub(self.time).max(1);
                self.at(delay, Event::ToProvider(index, run, ProviderInput::Tick));
            }
            ProviderEffect::Happened(ProviderEvent::Paid { cumulative, .. }) => {
                let host = &mut self.providers[index];
                host.sure_of = host.sure_of.max(cumulative);
            }
            ProviderEffect::StopComputing { .. } | ProviderEffect::Claim { .. } | ProviderEffect::Happened(_) => {}
        }
    }
}

fn honest(input: ContentHash) -> SubtaskOutcome {
    SubtaskOutcome::Completed {
        output: input,
        output_bytes: ByteCount(10),
        fuel: Fuel(500 + u64::from(input.0[0])),
        time_ms: 300,
    }
}

fn order(subtasks: u32, budget: u128, pricing: Pricing) -> TaskOrder {
    TaskOrder {
        header: header(&keys(1), subtasks, pricing),
        inputs: (0..subtasks).map(|index| ContentHash(B256::with_last_byte(index as u8))).collect(),
        budget: Wei(budget),
        offer_window_ms: 1_000,
    }
}

/// The same, of an app whose author asks a fee.
fn order_of_app(subtasks: u32, budget: u128, pricing: Pricing, app: AppFee) -> TaskOrder {
    let order = order(subtasks, budget, pricing);
    TaskOrder { header: Header { app, ..order.header }, ..order }
}

/// What the best voucher says that any provider holds for an author.
fn held_for_author(world: &World, author: Address) -> Wei {
    let held = world.providers.iter().flat_map(|host| host.machine.author_vouchers(author, Address::ZERO));
    held.map(|voucher| voucher.document.cumulative).max().unwrap_or_default()
}

/// Both sides agree to the wei on every channel.
fn assert_books_agree(world: &World) {
    let ledgers = world.requestor.ledgers();
    let mut total = Wei::ZERO;
    for host in &world.providers {
        let payee = host.keys.payment.address();
        let signed = ledgers.iter().find(|ledger| ledger.channel().payee == payee).map(|ledger| ledger.signed());
        let earned = host.machine.ledgers().first().map(|ledger| ledger.earned()).unwrap_or_default();
        assert_eq!(signed.unwrap_or_default(), earned, "books of {payee} differ");
        total = total.checked_add(earned).unwrap();
    }
    let task = &world.requestor.tasks()[0];
    let app = world.requestor.order(task.header).unwrap().header.app;
    if let Some(author) = app.payee() {
        let signed = ledgers.iter().find(|ledger| ledger.channel().payee == author).map(|ledger| ledger.signed());
        if !world.providers.iter().any(|host| host.keys.payment.address() == author) {
            assert_eq!(signed.unwrap_or_default(), held_for_author(world, author), "the author's books differ");
            total = total.checked_add(signed.unwrap_or_default()).unwrap();
        }
        for host in &world.providers {
            assert!(host.machine.fees_owed().iter().all(|(_, owed)| *owed == Wei::ZERO), "fees are owed");
        }
    }
    assert_eq!(task.spent.checked_add(task.fees), Some(total), "the task's sum is not the vouchers' sum");
    assert!(total <= task.budget);
    assert_eq!(task.reserved, Wei::ZERO);
}

const CALM: Faults = Faults { loss: 0, repeat: 0, crash_every_ms: 0 };
const WILD: Faults = Faults { loss: 10, repeat: 10, crash_every_ms: 2_500 };

#[test]
fn does_a_task_and_pays_for_each_subtask() {
    let natures = [Nature::Honest; 3];
    let mut world = World::new(1, order(64, 64 * 7_000, Pricing::Tender), &natures, CALM);
    world.run(3_600_000);
    assert_eq!(world.finished, Some(0));
    assert_eq!(world.requestor.outputs(world.header).len(), 64);
    assert_books_agree(&world);
    assert!(world.providers.iter().all(|host| host.machine.ledgers()[0].earned() > Wei::ZERO), "all took part");
}

#[test]
fn survives_loss_repetition_delay_and_crashes_without_losing_or_paying_a_wei_twice() {
    for seed in 0..seeds() {
        let natures = [Nature::Honest, Nature::Honest, Nature::Honest];
        let pricing = if seed % 2 == 0 { Pricing::Tender } else { Pricing::Metered };
        let mut world = World::new(seed, order(40, 40 * 14_000, pricing), &natures, WILD);
        world.run(3_600_000);
        assert_eq!(world.finished, Some(0), "seed {seed}");
        assert_eq!(world.requestor.outputs(world.header).len(), 40, "seed {seed}");
        assert_books_agree(&world);
    }
}

#[test]
fn brings_the_author_exactly_its_fee_for_each_accepted_subtask_through_loss_and_crashes() {
    let app = AppFee { author: Address::repeat_byte(0xA0), fee: Wei(700) };
    for seed in 0..seeds() {
        let natures = [Nature::Honest, Nature::Cheat, Nature::Honest];
        let pricing = if seed % 2 == 0 { Pricing::Tender } else { Pricing::Metered };
        let mut world = World::new(seed, order_of_app(40, 40 * 14_000, pricing, app), &natures, WILD);
        world.requestor_policy.recheck_percent = 100;
        world.run(3_600_000);
        assert_eq!(world.finished, Some(0), "seed {seed}");
        assert_books_agree(&world);
        let ledgers = world.requestor.ledgers();
        let signed = ledgers.iter().find(|ledger| ledger.channel().payee == app.author).unwrap().signed();
        let status = world.requestor.tasks()[0].clone();
        // What the requestor ran again itself and found wrong was accepted from nobody, and is nobody's fee.
        assert_eq!(signed, status.fees, "seed {seed}");
        assert!(signed <= app.of(40) && signed.0 % 700 == 0 && signed > Wei::ZERO, "seed {seed}: {signed}");
    }
}

#[test]
fn pays_value_and_fee_in_one_voucher_where_the_author_is_the_providers_own_payee() {
    let app = AppFee { author: keys(10).payment.address(), fee: Wei(700) };
    for seed in 0..seeds() {
        let mut world = World::new(seed, order_of_app(20, 20 * 14_000, Pricing::Tender, app), &[Nature::Honest], WILD);
        world.run(3_600_000);
        assert_books_agree(&world);
        let status = world.requestor.tasks()[0].clone();
        assert_eq!((status.spent, status.fees), (Wei(20 * 6_000), Wei(20 * 700)), "seed {seed}");
        assert_eq!(world.providers[0].machine.ledgers()[0].earned(), Wei(20 * 6_700), "seed {seed}");
        assert!(world.providers[0].machine.author_ledgers().is_empty(), "it is no other's money");
    }
}

#[test]
fn an_author_that_is_one_of_several_providers_payees_is_paid_for_the_work_of_all() {
    let app = AppFee { author: keys(10).payment.address(), fee: Wei(700) };
    for seed in 0..seeds() {
        let natures = [Nature::Honest; 2];
        let mut world = World::new(seed, order_of_app(30, 30 * 14_000, Pricing::Tender, app), &natures, WILD);
        world.run(3_600_000);
        assert_eq!(world.finished, Some(0), "seed {seed}");
        let ledgers = world.requestor.ledgers();
        let total = ledgers.iter().fold(Wei::ZERO, |sum, ledger| sum.checked_add(ledger.signed()).unwrap());
        let status = world.requestor.tasks()[0].clone();
        assert_eq!((status.fees, status.reserved), (Wei(30 * 700), Wei::ZERO), "seed {seed}");
        assert_eq!(status.spent.checked_add(status.fees), Some(total), "seed {seed}");
    }
}

#[test]
fn the_budget_pays_for_values_and_fees_together() {
    // 6,000 for the work and 4,000 for the author: the budget is for 6 of 20.
    let app = AppFee { author: Address::repeat_byte(0xA0), fee: Wei(4_000) };
    let order = order_of_app(20, 61_000, Pricing::Tender, app);
    let mut world = World::new(4, order, &[Nature::Honest], CALM);
    while let Some(Timed(time, _, event)) = world.events.pop() {
        world.time = time;
        world.step(event);
        assert!(world.requestor.check_invariants().is_empty());
        if time > 300_000 {
            break;
        }
    }
    let task = &world.requestor.tasks()[0];
    assert_eq!((task.done, task.finished), (6, false));
    assert_eq!(task.fees, Wei(6 * 4_000));
    let deposits = world.chain.values().fold(Wei::ZERO, |sum, state| sum.checked_add(state.deposit).unwrap());
    assert!(deposits <= Wei(61_000), "{deposits} are locked up, more than the budget");
}

#[test]
fn finds_a_cheat_by_rechecking_and_takes_no_more_from_it() {
    for seed in 0..10 {
        let natures = [Nature::Cheat, Nature::Honest];
        let mut world = World::new(seed, order(30, 30 * 14_000, Pricing::Tender), &natures, CALM);
        world.requestor_policy.recheck_percent = 100;
        world.run(3_600_000);
        let outputs = world.requestor.outputs(world.header);
        let right = order(30, 0, Pricing::Tender).inputs;
        for (index, (output, _)) in outputs {
            assert_eq!(output, right[index as usize], "seed {seed}: a wrong result was taken");
        }
        assert_books_agree(&world);
        assert_eq!(world.providers[0].machine.ledgers()[0].earned(), Wei::ZERO, "nothing for the cheat");
        assert!(!world.requestor_policy.rejected.is_empty());
    }
}

#[test]
fn takes_back_what_a_provider_never_does() {
    let natures = [Nature::Idle, Nature::Honest];
    let mut world = World::new(3, order(20, 20 * 14_000, Pricing::Tender), &natures, CALM);
    world.run(3_600_000);
    assert_eq!(world.finished, Some(0));
    assert_eq!(world.requestor.outputs(world.header).len(), 20);
}

#[test]
fn never_passes_its_budget() {
    // The budget pays for 10 of 20 subtasks: 6000 wei each with the cheapest.
    let mut world = World::new(4, order(20, 61_000, Pricing::Tender), &[Nature::Honest; 2], CALM);
    while let Some(Timed(time, _, event)) = world.events.pop() {
        world.time = time;
        world.step(event);
        assert!(world.requestor.check_invariants().is_empty());
        if time > 300_000 {
            break;
        }
    }
    let task = &world.requestor.tasks()[0];
    assert_eq!((task.done, task.finished), (10, false));
    assert!(task.spent <= Wei(61_000));
}

/// How many seeds: `GOLEM_SEEDS` for a long run.
fn seeds() -> u64 {
    std::env::var("GOLEM_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(16)
}
