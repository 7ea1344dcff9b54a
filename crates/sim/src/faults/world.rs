//! The world: what happens when, and to whom.

mod effects;
mod ending;
mod hosts;

use super::chain::{BLOCK_MS, Chain, Transaction};
use super::checks::Checks;
use super::clock::Clock;
use super::disk::Disk;
use super::host::{ProviderHost, RequestorHost};
use super::scenario::{ProviderNature, RequestorNature, Scenario};
use super::{BLOCKS, CHAIN, CLOSES, COLLECTS, CRASH, DISK, Failure, JUMPS, NETWORK, ROOM, Report};
use crate::stream::Stream;
use golem_deal::{ProviderInput, RequestorInput, TaskStatus};
use golem_protocol::{Address, ChannelId, ChannelState, NodeId, Now, Pricing, Wei};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

/// What everybody has at first, in wei.
const FUNDS: u128 = 1_000_000_000;
/// How long everything may take to come to an end once the world is calm, in milliseconds.
const CALM_MAX_MS: u64 = 4 * 3_600_000;
/// How long is waited after the last task is done where somebody never answers, in milliseconds. Reason: deals with it
/// stay open for long, so they do not tell whether the last verdict to the others has arrived.
const LINGER_MS: u64 = 90_000;
/// How much longer than it may a result can be seen to wait for others, in milliseconds: until the next tick is there, also
/// where a disk is full.
const WAIT_SLACK_MS: u64 = 4_000;
/// The most events of a world. Reason: the busiest take a tenth; a machine that wakes itself again and again at once would
/// take for ever.
const EVENTS_MAX: u64 = 1_000_000;
/// Lines of what happened that a failure shows.
const LINES_KEPT: usize = 40;
/// How long a node is down after its memory went, in milliseconds.
const DOWN_MS: (u64, u64) = (50, 8_000);

/// Which node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Requestor(usize),
    Provider(usize),
}

enum What {
    ToRequestor(usize, RequestorInput),
    ToProvider(usize, ProviderInput),
    Saved(Who),
    SaveAgain(Who),
    Block,
    Restart(Who),
    CloseRequest,
    Partition,
    DiskFull,
    ClockSet,
}

struct Event {
    /// For this run of the node only; none where it is for whoever is there.
    run: Option<u32>,
    what: What,
}

pub(super) struct World {
    scenario: Scenario,
    time: u64,
    /// What comes when, in the order in which it was decided.
    due: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event>,
    sequence: u64,
    network: Stream,
    disk: Stream,
    crash: Stream,
    blocks: Stream,
    closes: Stream,
    collects: Stream,
    room: Stream,
    jumps: Stream,
    requestors: Vec<RequestorHost>,
    providers: Vec<ProviderHost>,
    chain: Chain,
    /// What each channel was last told to be.
    told: BTreeMap<ChannelId, ChannelState>,
    /// Who is on the one side of a split network, until when.
    split: (u64, Vec<Who>),
    /// Since when every task of an honest requestor is done.
    done_since: Option<u64>,
    checks: Checks,
    report: Report,
    last: VecDeque<String>,
}

type Held = Result<(), String>;

impl World {
    pub(super) fn new(scenario: Scenario) -> World {
        let seed = scenario.seed;
        let requestors: Vec<RequestorHost> = scenario
            .requestors
            .iter()
            .enumerate()
            .map(|(n, nature)| RequestorHost::new(&scenario, n, *nature))
            .collect();
        let providers: Vec<ProviderHost> = (scenario.providers.iter().enumerate())
            .map(|(n, nature)| ProviderHost::new(&scenario, n, *nature))
            .collect();
        let balances = requestors.iter().map(|host| (host.payer(), FUNDS)).collect();
        let mut world = World {
            chain: Chain::new(CHAIN, balances),
            time: 0,
            due: BinaryHeap::new(),
            events: BTreeMap::new(),
            sequence: 0,
            network: Stream::new(seed, NETWORK, 0),
            disk: Stream::new(seed, DISK, 0),
            crash: Stream::new(seed, CRASH, 0),
            blocks: Stream::new(seed, BLOCKS, 0),
            closes: Stream::new(seed, CLOSES, 0),
            collects: Stream::new(seed, COLLECTS, 0),
            room: Stream::new(seed, ROOM, 0),
            jumps: Stream::new(seed, JUMPS, 0),
            requestors,
            providers,
            told: BTreeMap::new(),
            split: (0, Vec::new()),
            done_since: None,
            checks: Checks::default(),
            report: Report { seed, ..Report::default() },
            last: VecDeque::new(),
            scenario,
        };
        for index in 0..world.requestors.len() {
            let order = Box::new(world.requestors[index].order.clone());
            world.at(1, None, What::ToRequestor(index, RequestorInput::Start(order)));
        }
        world.at(BLOCK_MS, None, What::Block);
        let faults = world.scenario.faults;
        let now_and_then = [
            (faults.close_every_ms, What::CloseRequest),
            (faults.partition_every_ms, What::Partition),
            (faults.full_every_ms, What::DiskFull),
            (faults.clock_set_every_ms, What::ClockSet),
        ];
        for (every_ms, what) in now_and_then.into_iter().filter(|(every_ms, _)| *every_ms > 0) {
            world.at(every_ms, None, what);
        }
        world
    }

    pub(super) fn play(mut self) -> Result<Report, Box<Failure>> {
        let held = self.until_all_is_done().and_then(|()| self.settle());
        match held {
            Ok(()) => {
                self.report.ended_at_ms = self.time;
                self.report.accepted = self.checks.accepted() as u64;
                Ok(self.report)
            }
            Err(what) => Err(Box::new(Failure {
                scenario: self.scenario,
                at_ms: self.time,
                what,
                last: self.last.into_iter().collect(),
            })),
        }
    }

    fn until_all_is_done(&mut self) -> Held {
        while let Some(Reverse((time, sequence))) = self.due.pop() {
            let Some(event) = self.events.remove(&sequence) else { continue };
            self.time = time;
            self.report.events += 1;
            if self.report.events > EVENTS_MAX {
                return Err(format!("{EVENTS_MAX} events are not enough: somebody spins; {}", self.what_is_open()));
            }
            if time > self.scenario.calm_at_ms + CALM_MAX_MS {
                return Err(self.what_is_open());
            }
            self.happen(event)?;
            self.check()?;
            if self.is_calm() && self.is_over() {
                return Ok(());
            }
        }
        Err("nothing is left to happen, and not all is done".into())
    }

    fn is_calm(&self) -> bool {
        self.time >= self.scenario.calm_at_ms
    }

    /// What a node takes for the time.
    fn now_of(&mut self, who: Who) -> Now {
        let (time, chain) = (self.time, self.chain.time());
        self.clock_of(who).now(time, chain)
    }

    fn clock_of(&mut self, who: Who) -> &mut Clock {
        match who {
            Who::Requestor(index) => &mut self.requestors[index].clock,
            Who::Provider(index) => &mut self.providers[index].clock,
        }
    }

    fn disk_of(&mut self, who: Who) -> &mut Disk {
        match who {
            Who::Requestor(index) => &mut self.requestors[index].disk,
            Who::Provider(index) => &mut self.providers[index].disk,
        }
    }

    fn at(&mut self, delay_ms: u64, run: Option<u32>, what: What) {
        self.sequence += 1;
        self.due.push(Reverse((self.time + delay_ms, self.sequence)));
        self.events.insert(self.sequence, Event { run, what });
    }

    fn note(&mut self, line: String) {
        if self.last.len() == LINES_KEPT {
            self.last.pop_front();
        }
        self.last.push_back(format!("{} ms: {line}", self.time));
    }

    fn down_until(&self, who: Who) -> u64 {
        match who {
            Who::Requestor(index) => self.requestors[index].down_until,
            Who::Provider(index) => self.providers[index].down_until,
        }
    }

    fn run_of(&self, who: Who) -> u32 {
        match who {
            Who::Requestor(index) => self.requestors[index].run,
            Who::Provider(index) => self.providers[index].run,
        }
    }

    fn happen(&mut self, event: Event) -> Held {
        let run = event.run;
        let for_somebody_gone = |world: &World, who: Who| {
            run.is_some_and(|run| run != world.run_of(who)) || world.down_until(who) > world.time
        };
        match event.what {
            What::ToRequestor(index, _) if for_somebody_gone(self, Who::Requestor(index)) => Ok(()),
            What::ToProvider(index, _) if for_somebody_gone(self, Who::Provider(index)) => Ok(()),
            What::Saved(who) | What::SaveAgain(who) if for_somebody_gone(self, who) => Ok(()),
            What::ToRequestor(index, input) => self.requestor_gets(index, input),
            What::ToProvider(index, input) => self.provider_gets(index, input),
            What::Saved(who) => self.disk_answers(who),
            What::SaveAgain(who) => self.saves_again(who),
            What::Block => self.block(),
            What::Restart(who) => self.restart(who),
            What::CloseRequest => self.close_request(),
            What::Partition => self.partition(),
            What::DiskFull => self.disk_is_full(),
            What::ClockSet => self.clock_is_set(),
        }
    }

    fn requestor_gets(&mut self, index: usize, input: RequestorInput) -> Held {
        let now = self.now_of(Who::Requestor(index));
        let host = &mut self.requestors[index];
        if matches!(input, RequestorInput::Tick) {
            host.ticked();
        }
        let effects = host.machine.apply(&mut host.policy, input, now);
        self.check_who_is_late(index)?;
        for effect in effects {
            if self.crashes(Who::Requestor(index)) {
                break;
            }
            self.requestor_effect(index, effect)?;
        }
        Ok(())
    }

    fn provider_gets(&mut self, index: usize, input: ProviderInput) -> Held {
        let now = self.now_of(Who::Provider(index));
        let host = &mut self.providers[index];
        if matches!(input, ProviderInput::Tick) {
            host.ticked();
        }
        let effects = host.machine.apply(&mut host.policy, input, now);
        self.see_what_is_granted(index);
        for effect in effects {
            if self.crashes(Who::Provider(index)) {
                break;
            }
            self.provider_effect(index, effect)?;
        }
        let never_paid = self.checks.stakes.check()?;
        if self.scenario.pricing == Pricing::Metered {
            self.report.never_paid_wei = self.report.never_paid_wei.max(never_paid);
        }
        Ok(())
    }

    /// Before any effect the memory of a node may go.
    fn crashes(&mut self, who: Who) -> bool {
        if self.is_calm() || self.crash.between(0, 9_999) >= self.scenario.faults.crash_per_myriad {
            return false;
        }
        let mut draw = self.crash.clone();
        self.disk_of(who).cut(&mut draw);
        self.crash = draw;
        self.report.crashes += 1;
        self.goes_down(who, "crashes");
        true
    }

    /// What a node had in memory is gone, and its owner starts it again.
    fn goes_down(&mut self, who: Who, why: &str) {
        let down = self.crash.between(DOWN_MS.0, DOWN_MS.1);
        let until = self.time + down;
        match who {
            Who::Requestor(index) => {
                let host = &mut self.requestors[index];
                (host.run, host.down_until) = (host.run + 1, until);
            }
            Who::Provider(index) => {
                let host = &mut self.providers[index];
                (host.run, host.down_until) = (host.run + 1, until);
                self.checks.stakes.crashes(index);
            }
        }
        self.note(format!("{who:?} {why}, down for {down} ms"));
        self.at(down, None, What::Restart(who));
    }

    fn restart(&mut self, who: Who) -> Held {
        let (time, chain) = (self.time, self.chain.time());
        let now = self.clock_of(who).restart(time, chain);
        let run = Some(self.run_of(who));
        match who {
            Who::Requestor(index) => {
                self.requestors[index].restart(&self.scenario, index, now)?;
                // Its owner asks for the task again, as `run --resume` does; known already, it is taken up.
                let order = Box::new(self.requestors[index].order.clone());
                self.at(10, run, What::ToRequestor(index, RequestorInput::Start(order)));
                self.at(20, run, What::ToRequestor(index, RequestorInput::Tick));
            }
            Who::Provider(index) => {
                self.providers[index].restart(index, now)?;
                for ledger in self.providers[index].machine.ledgers() {
                    let (id, epoch) = (ledger.channel(), ledger.state().epoch);
                    let best = ledger.best().map_or(Wei::ZERO, |best| best.document.cumulative);
                    self.checks.holds(id, epoch, best)?;
                    self.tell(id);
                }
                for ledger in self.providers[index].machine.author_ledgers() {
                    let (id, epoch) = (ledger.channel(), ledger.state().epoch);
                    let best = ledger.best().map_or(Wei::ZERO, |best| best.document.cumulative);
                    self.checks.holds_for_author(index, id, epoch, best)?;
                }
                self.at(20, run, What::ToProvider(index, ProviderInput::Tick));
            }
        }
        Ok(())
    }

    /// When a message arrives, once for each copy that does.
    fn arrivals(&mut self, from: Who, to: Who, bytes: usize) -> Vec<u64> {
        self.report.messages += 1;
        self.report.bytes += bytes as u64;
        let faults = self.scenario.faults;
        let calm = self.is_calm();
        let apart = self.split.0 > self.time && self.split.1.contains(&from) != self.split.1.contains(&to);
        // Drawn whatever comes of it, so that one fault less does not shift all the others.
        let (lost, twice) =
            (self.network.per_mille(faults.loss_per_mille), self.network.per_mille(faults.repeat_per_mille));
        let delays = [self.network.between(5, faults.delay_max_ms), self.network.between(5, faults.delay_max_ms)];
        if !calm && (lost || apart) {
            self.report.lost += 1;
            return Vec::new();
        }
        delays.into_iter().take(if twice && !calm { 2 } else { 1 }).collect()
    }

    fn everybody(&self) -> impl Iterator<Item = Who> + use<> {
        (0..self.requestors.len()).map(Who::Requestor).chain((0..self.providers.len()).map(Who::Provider))
    }

    fn provider_of(&self, node: NodeId) -> Option<usize> {
        self.providers.iter().position(|host| host.machine.node() == node)
    }

    fn requestor_of(&self, node: NodeId) -> Option<usize> {
        self.requestors.iter().position(|host| host.machine.node() == node)
    }

    /// The app's author, where it is paid and is no provider.
    fn author(&self) -> Option<Address> {
        self.scenario.app.payee().filter(|author| self.providers.iter().all(|host| host.payee() != *author))
    }

    fn channels(&self) -> Vec<ChannelId> {
        let mut payees: Vec<Address> = self.providers.iter().map(ProviderHost::payee).collect();
        payees.extend(self.author());
        let payers = self.requestors.iter().map(RequestorHost::payer);
        payers.flat_map(|payer| payees.iter().map(move |payee| ChannelId { payer, payee: *payee })).collect()
    }

    fn block(&mut self) -> Held {
        let faults = self.scenario.faults;
        if !self.is_calm() && self.blocks.per_mille(faults.reorg_per_mille) {
            let depth = self.blocks.between(1, faults.reorg_depth_max as u64) as usize;
            self.chain.reorg(depth, &mut self.blocks);
            self.report.blocks_undone += depth as u64;
            self.note(format!("a reorg takes {depth} blocks back"));
        }
        self.chain.mine();
        self.everybody_looks_at_the_clock();
        let holders: Vec<Address> = (self.requestors.iter().map(RequestorHost::payer))
            .chain(self.providers.iter().map(ProviderHost::payee))
            .chain(self.author())
            .collect();
        self.chain.check(&holders, CHAIN.channels)?;
        for id in self.channels() {
            let state = self.chain.channel(&id, self.scenario.confirmations);
            if self.told.get(&id) != Some(&state) {
                self.told.insert(id, state);
                self.tell(id);
            }
            // A payer that asked to close takes the rest when it can.
            if state.close_at.0 != 0 && state.close_at <= self.chain.time() {
                self.chain.send(Transaction::Finalize { id });
            }
        }
        for index in 0..self.providers.len() {
            let closing = self.providers[index].machine.ledgers();
            let closing = closing.iter().any(|ledger| ledger.state().close_at.0 != 0 && ledger.claimable() > Wei::ZERO);
            if self.providers[index].down_until <= self.time && (closing || self.blocks.per_mille(30)) {
                self.claim(index, None);
            }
        }
        self.author_collects();
        self.at(BLOCK_MS, None, What::Block);
        Ok(())
    }

    /// Both sides hear how a channel stands.
    fn tell(&mut self, channel: ChannelId) {
        let state = self.chain.channel(&channel, self.scenario.confirmations);
        let delays = [self.network.between(10, 300), self.network.between(10, 300)];
        if let Some(index) = self.requestors.iter().position(|host| host.payer() == channel.payer) {
            self.at(delays[0], None, What::ToRequestor(index, RequestorInput::Channel { channel, state }));
        }
        if let Some(index) = self.providers.iter().position(|host| host.payee() == channel.payee) {
            self.at(delays[1], None, What::ToProvider(index, ProviderInput::Channel { channel, state }));
        }
    }

    fn close_request(&mut self) -> Held {
        if self.is_calm() {
            return Ok(());
        }
        let open: Vec<ChannelId> =
            self.channels().into_iter().filter(|id| self.chain.channel(id, 1).deposit > Wei::ZERO).collect();
        if let Some(id) = self.closes.one_of(&open).copied() {
            self.note(format!("{} wants its channel to {} closed", id.payer, id.payee));
            self.chain.send(Transaction::RequestClose { payer: id.payer, payee: id.payee });
        }
        self.at(self.scenario.faults.close_every_ms, None, What::CloseRequest);
        Ok(())
    }

    fn partition(&mut self) -> Held {
        if self.is_calm() {
            return Ok(());
        }
        let everybody: Vec<Who> = self.everybody().collect();
        let one_side: Vec<Who> = everybody.into_iter().filter(|_| self.network.per_mille(500)).collect();
        let until = self.time + self.network.between(1_000, 30_000);
        self.note(format!("until {until} ms the network is split: {one_side:?} on one side"));
        self.split = (until, one_side);
        self.at(self.scenario.faults.partition_every_ms, None, What::Partition);
        Ok(())
    }

    fn check(&self) -> Held {
        for (index, host) in self.requestors.iter().enumerate() {
            if let Some(violation) = host.machine.check_invariants().first() {
                return Err(format!("requestor {index}: {}", violation.0));
            }
            let waits =
                host.machine.longest_wait_ms(host.clock.seen(self.time)).filter(|_| host.down_until <= self.time);
            if let Some((waited, bound)) = waits.filter(|(waited, bound)| *waited > bound + WAIT_SLACK_MS) {
                return Err(format!("a result waits for {waited} ms for those of others, and {bound} are allowed"));
            }
            let (signed, budget) = (self.checks.signed_by(host.payer()), self.scenario.budget);
            let spent = |sum: Wei, task: &TaskStatus| sum.saturating_add(task.spent).saturating_add(task.fees);
            let accepted = host.machine.tasks().iter().fold(Wei::ZERO, spent);
            if signed > accepted || accepted > budget {
                return Err(format!("requestor {index} signed {signed} for {accepted}, of a budget of {budget}"));
            }
        }
        for (index, host) in self.providers.iter().enumerate() {
            if let Some(violation) = host.machine.check_invariants().first() {
                return Err(format!("provider {index}: {}", violation.0));
            }
        }
        Ok(())
    }

    fn is_over(&mut self) -> bool {
        let done = |task: &TaskStatus| task.finished && task.reserved == Wei::ZERO && task.agreed == 0;
        let honest = self.requestors.iter().filter(|host| host.nature == RequestorNature::Honest);
        let tasks_done = honest.clone().all(|host| {
            let is_cut_off = self.is_cut_off(host);
            let over = |task: &TaskStatus| done(&TaskStatus { finished: task.finished || is_cut_off, ..task.clone() });
            host.down_until <= self.time && host.machine.tasks().iter().all(over)
        });
        let has_deadbeat = self.requestors.iter().any(|host| host.nature != RequestorNature::Honest);
        let deals_over = self.providers.iter().all(|host| {
            host.down_until <= self.time
                && (host.nature == ProviderNature::Idle || has_deadbeat || host.machine.open_deals() == 0)
        });
        if !(tasks_done && deals_over) {
            self.done_since = None;
            return false;
        }
        let since = *self.done_since.get_or_insert(self.time);
        !has_deadbeat || self.time >= since + LINGER_MS
    }

    /// Whether a requestor closed its channels so that its vouchers came too late, and every honest provider was left with
    /// more than it lends: it rightly does no more, and the task has no end.
    pub(super) fn is_cut_off(&self, requestor: &RequestorHost) -> bool {
        let mut honest = self.providers.iter().enumerate().filter(|(_, host)| host.nature == ProviderNature::Honest);
        self.scenario.faults.close_every_ms > 0
            && honest.all(|(index, host)| {
                host.machine.owed_by(requestor.payer()) > Wei::ZERO
                    && self.checks.is_lent_no_more(index, requestor.machine.node())
            })
    }

    fn what_is_open(&self) -> String {
        let tasks: Vec<TaskStatus> = self.requestors.iter().flat_map(|host| host.machine.tasks()).collect();
        let deals: Vec<usize> = self.providers.iter().map(|host| host.machine.open_deals()).collect();
        format!("not all has come to an end: tasks {tasks:?}, open deals of the providers {deals:?}")
    }
}
