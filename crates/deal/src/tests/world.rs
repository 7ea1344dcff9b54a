//! One requestor and several providers on a network that loses, delays and repeats, with machines that crash between
//! any two effects, on a chain that is slow: what the tests of whole deals play in.

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
    pub known_percent: u64,
    pub hedge_after_ms: u64,
    pub drawn: u64,
    pub facts: usize,
    /// What a provider is told that it is owed.
    pub owed: i128,
    /// Who was said to be late, and who to have rejected.
    pub late: Vec<NodeId>,
    pub refused_results: Vec<NodeId>,
    pub rejected: Vec<NodeId>,
    pub failed: Vec<NodeId>,
    /// Who has done nothing for us yet.
    pub new: Vec<NodeId>,
}

impl Default for Fixed {
    fn default() -> Self {
        Fixed {
            price: Wei(360_000),
            performance: 1000,
            slots: 2,
            credit: Wei::MAX,
            recheck_percent: 0,
            known_percent: 0,
            hedge_after_ms: 10_000,
            drawn: 0,
            facts: 0,
            owed: 0,
            late: vec![],
            refused_results: vec![],
            rejected: vec![],
            failed: vec![],
            new: vec![],
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
    fn note(&mut self, fact: &ProviderFact, _: Now) {
        self.facts += 1;
        match *fact {
            ProviderFact::Assigned { value, .. } => self.owed += value.0 as i128,
            ProviderFact::Rejected { requestor, value } => {
                self.owed -= value.0 as i128;
                self.refused_results.push(requestor);
            }
            ProviderFact::Overdue { requestor } => self.late.push(requestor),
            ProviderFact::Released { value, .. }
            | ProviderFact::Unused { value, .. }
            | ProviderFact::Paid { value, .. } => self.owed -= value.0 as i128,
            ProviderFact::Completed { .. } | ProviderFact::Answered { .. } | ProviderFact::Busy(_) => {}
        }
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
    fn rechecks(&self, result: &Reported) -> bool {
        u64::from(result.index) * 37 % 100 < self.recheck_percent
    }
    fn knows(&self, provider: NodeId) -> bool {
        !self.new.contains(&provider)
    }
    fn draw(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn * 5
    }
    fn mixes_in(&mut self, _: B256) -> Option<u64> {
        let number = self.draw();
        (number % 100 < self.known_percent).then_some(number)
    }
    fn hedges(&self, _: &Header, straggler: &Straggler, _: &Offer) -> bool {
        straggler.silent_ms >= self.hedge_after_ms
    }
    fn note(&mut self, fact: &RequestorFact, _: Now) {
        self.facts += 1;
        match fact {
            RequestorFact::Rejected { provider } => self.rejected.push(*provider),
            RequestorFact::Failed { provider } => self.failed.push(*provider),
            _ => {}
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
    RequestorSettings { chain: CHAIN, grace_ms: 20_000, lost_ms: 15_000, copy_addresses: CopyAddresses::Distinct }
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

pub(super) fn load(disk: &Disk) -> Vec<Record> {
    let record = |((table, key), value): (&(Table, Vec<u8>), &Vec<u8>)| Record {
        table: *table,
        key: key.clone(),
        value: Some(value.clone()),
    };
    disk.iter().map(record).collect()
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Nature {
    Honest,
    /// Reports other bytes than come out.
    Cheat,
    /// Agrees and never does anything.
    Idle,
    /// Says of everything that it failed like this.
    Fails(FailureKind),
    /// The program traps there for every subtask from this one on.
    FailsFrom(u8),
}

pub(super) struct ProviderHost {
    pub keys: Keys,
    pub machine: Provider,
    pub policy: Fixed,
    pub disk: Disk,
    pub nature: Nature,
    /// Counts restarts: what an earlier run began does not answer any more.
    pub run: u32,
    /// The highest voucher it was told it has.
    pub sure_of: Wei,
    pub speed_ms: u64,
}

pub(super) enum Event {
    ToProvider(usize, u32, ProviderInput),
    ToRequestor(u32, RequestorInput),
    SaveProvider(usize, u32, PersistId, Vec<Record>),
    SaveRequestor(u32, PersistId, Vec<Record>),
    Crash,
}

pub(super) struct Timed(pub u64, pub u64, pub Event);
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
pub(super) struct Faults {
    pub loss: u64,
    pub repeat: u64,
    pub crash_every_ms: u64,
}

pub(super) struct World {
    pub dice: Dice,
    pub time: u64,
    pub sequence: u64,
    pub due: BinaryHeap<Timed>,
    pub faults: Faults,
    pub requestor: Requestor,
    pub requestor_keys: Keys,
    pub requestor_policy: Fixed,
    pub requestor_disk: Disk,
    pub requestor_run: u32,
    pub providers: Vec<ProviderHost>,
    pub chain: BTreeMap<Address, ChannelState>,
    pub sent_voucher: BTreeMap<(Address, u32), Wei>,
    pub finished: Option<u32>,
    pub disk_done: BTreeMap<usize, u64>,
    pub header: B256,
    /// Whether subtasks can be run at the requestor's.
    pub own_runs: bool,
    /// By how much every second subtask takes longer, on every second provider the others, in milliseconds.
    pub uneven_ms: u64,
    /// Whether the program traps wherever it is run.
    pub traps: bool,
    /// What the requestor said.
    pub events: Vec<RequestorEvent>,
}

pub(super) const ANY: u32 = u32::MAX;

impl World {
    pub fn new(seed: u64, order: TaskOrder, natures: &[Nature], faults: Faults) -> World {
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
            due: BinaryHeap::new(),
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
            uneven_ms: 0,
            own_runs: true,
            traps: false,
            events: Vec::new(),
        };
        world.at(1, Event::ToRequestor(ANY, RequestorInput::Start(Box::new(order))));
        if faults.crash_every_ms > 0 {
            world.at(faults.crash_every_ms, Event::Crash);
        }
        world
    }

    pub fn now(&self) -> Now {
        Now { local: LocalTime(self.time), chain: ChainTime(1_000 + self.time / 1_000) }
    }

    fn at(&mut self, delay: u64, event: Event) {
        self.sequence += 1;
        self.due.push(Timed(self.time + delay, self.sequence, event));
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

    /// What happens next.
    pub fn next(&mut self) {
        if let Some(Timed(time, _, event)) = self.due.pop() {
            self.time = time;
            self.step(event);
        }
    }

    pub fn run(&mut self, until_ms: u64) {
        while let Some(Timed(time, _, event)) = self.due.pop() {
            self.time = time;
            assert!(time < until_ms, "not done after {until_ms} ms: {:?}", self.requestor.tasks());
            self.step(event);
            let violations = self.requestor.check_invariants();
            assert!(violations.is_empty(), "requestor: {violations:?}");
            if let Some((waited, bound)) = self.requestor.longest_wait_ms(self.now()) {
                assert!(waited <= bound + 1_000, "a result waits for others for {waited} ms, and {bound} are allowed");
            }
            for host in &self.providers {
                let violations = host.machine.check_invariants();
                assert!(violations.is_empty(), "provider: {violations:?}");
            }
            let quiet = self.providers.iter().all(|host| host.nature == Nature::Idle || host.machine.open_deals() == 0);
            // Copies of what is done can still be under way.
            let owed = self.requestor.tasks().iter().any(|task| task.reserved > Wei::ZERO);
            if self.finished.is_some() && quiet && !owed {
                return;
            }
        }
    }

    pub fn step(&mut self, event: Event) {
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
                let outcome = match (self.own_runs, self.traps) {
                    (false, _) => Err("the disk is full".to_owned()),
                    (true, true) => Ok(failed(FailureKind::Trapped)),
                    (true, false) => Ok(honest(input)),
                };
                self.at(200, Event::ToRequestor(run, RequestorInput::Rechecked { agreement, index, outcome }));
            }
            RequestorEffect::Publish(proof) => {
                let accused = proof.check(&CHAIN).expect("a proof");
                let SubtaskOutcome::Completed { output, .. } = honest(accused.input) else { unreachable!() };
                assert_ne!(output, accused.output, "{} is right", accused.provider);
            }
            RequestorEffect::KeepSlow(slow) => panic!("nobody looks at times here: {slow:?}"),
            RequestorEffect::WakeAt(at) => {
                let delay = at.0.saturating_sub(self.time).max(1);
                self.at(delay, Event::ToRequestor(run, RequestorInput::Tick));
            }
            RequestorEffect::Happened(RequestorEvent::Finished { failed, .. }) => self.finished = Some(failed),
            RequestorEffect::Happened(event) => self.events.push(event),
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
                    Nature::Fails(kind) => failed(kind),
                    Nature::FailsFrom(first) if job.input.0[31] >= first => failed(FailureKind::Trapped),
                    Nature::Honest | Nature::FailsFrom(_) => honest(job.input),
                    // No two of them report the same.
                    Nature::Cheat => honest(ContentHash(B256::repeat_byte(0xE0 + index as u8))),
                };
                let (agreement, subtask) = (job.agreement, job.index);
                let longer = self.uneven_ms * (u64::from(job.index) + index as u64).rem_euclid(2);
                let delay = self.providers[index].speed_ms + longer;
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

pub(super) fn honest(input: ContentHash) -> SubtaskOutcome {
    SubtaskOutcome::Completed {
        output: input,
        output_bytes: ByteCount(10),
        fuel: Fuel(500 + u64::from(input.0[0])),
        time_ms: 300,
    }
}

fn failed(kind: FailureKind) -> SubtaskOutcome {
    SubtaskOutcome::Failed { kind, message: format!("{kind:?}") }
}

pub(super) fn order(subtasks: u32, budget: u128, pricing: Pricing) -> TaskOrder {
    TaskOrder {
        header: header(&keys(1), subtasks, pricing),
        inputs: (0..subtasks).map(|index| ContentHash(B256::with_last_byte(index as u8))).collect(),
        budget: Wei(budget),
        offer_window_ms: 1_000,
        checks: Checks::recheck(0),
    }
}

/// The same, of an app whose author asks a fee.
pub(super) fn order_of_app(subtasks: u32, budget: u128, pricing: Pricing, app: AppFee) -> TaskOrder {
    let order = order(subtasks, budget, pricing);
    TaskOrder { header: Header { app, ..order.header }, ..order }
}

/// What the best voucher says that any provider holds for an author.
pub(super) fn held_for_author(world: &World, author: Address) -> Wei {
    let held = world.providers.iter().flat_map(|host| host.machine.author_vouchers(author, Address::ZERO));
    held.map(|voucher| voucher.document.cumulative).max().unwrap_or_default()
}

/// Both sides agree to the wei on every channel.
pub(super) fn assert_books_agree(world: &World) {
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

pub(super) const CALM: Faults = Faults { loss: 0, repeat: 0, crash_every_ms: 0 };
pub(super) const WILD: Faults = Faults { loss: 10, repeat: 10, crash_every_ms: 2_500 };

/// How many seeds: `GOLEM_SEEDS` for a long run.
pub(super) fn seeds() -> u64 {
    std::env::var("GOLEM_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(16)
}
