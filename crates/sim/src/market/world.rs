//! The run itself: what happens in which order.

use super::agents::*;
use super::concent::Office;
use super::copies::AllCopies;
use super::eigentrust::EigenTrust;
use super::hedge::{Hedging, was_told};
use super::metered::Metered;
use super::monopsony::Monopsony;
use super::oracle::Oracle;
use super::outcome::RunOutcome;
use super::promised::Promised;
use super::queue::Queue;
use super::scenario::*;
use super::supply::Supply;
use super::table::{Handle, Slab};
use super::tally::Tally;
use crate::stream::{Draw, SmallStream};
use golem_market::HeaderTerms;
use golem_protocol::{LocalTime, Pricing};

/// Something that will happen.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// A task may arrive at a buyer: at the highest rate of the run, and thinned to the rate of now.
    Arrival(u32),
    /// A buyer whose tasks come one after the other has none.
    NextTask(u32),
    Broadcast(Handle),
    HandOut(Handle),
    Deadline(Handle),
    /// A slot is free again.
    SlotEnd(Handle),
    /// What became of a subtask reaches its buyer.
    Report(Handle),
    Payment(Handle),
    /// A machine has waited for what a name owes for longer than it may.
    Overdue(u32, u32),
    /// A buyer looks for who is late with a task.
    HedgeLook(Handle),
    /// The n-th claim on a deposit is settled or ruled on.
    ClaimDue(u32),
    /// A buyer has run again what others say of a name.
    Rerun(u32, u32),
    /// A result has waited for others of its subtask as long as it may.
    CopiesWait(Handle),
    /// A machine of a group comes.
    Join(u32),
    Leave(u32),
    /// The n-th outage begins.
    OutageStart(u32),
    OutageEnd(u32),
    /// The n-th sham deal of a machine.
    Sham(u32, u32),
    UpdateTrust,
    /// The oracle waits no longer for a cheap machine.
    PatienceEnd(Handle),
    /// The oracle looks at a machine that comes to be of use.
    MachineTurns(u32),
    Step,
}

/// One run.
pub(super) struct World<'a> {
    pub scenario: &'a Scenario,
    pub seed: u64,
    pub now: u64,
    pub end: u64,
    pub queue: Queue<Event>,
    pub agents: Agents,
    pub tasks: Slab<Task>,
    pub runs: Slab<Run>,
    pub tally: Tally,
    pub supply: Supply,
    pub oracle: Option<Oracle>,
    pub copies: AllCopies,
    pub concent: Option<Office>,
    pub metered: Metered,
    pub promised: Promised,
    pub monopsony: Monopsony,
    pub trust: EigenTrust,
    /// For drawing providers without drawing one twice.
    pub marks: Vec<u32>,
    pub mark: u32,
    /// Who hears a broadcast; kept for its memory.
    pub hearers: Vec<(u32, u32)>,
    /// One-way latency, ms.
    pub latency: u64,
    /// Tasks a ms of each buyer of a group, before shocks.
    rates: Vec<f64>,
    joins: Vec<(u32, SmallStream)>,
    /// The most that shocks multiply the rate by.
    rate_max: f64,
}

impl<'a> World<'a> {
    pub(super) fn new(scenario: &'a Scenario, seed: u64) -> World<'a> {
        let agents = Agents::new(scenario, seed);
        let rates = task_rates(scenario, &agents);
        let supply = Supply::new(scenario, &agents, &rates);
        let tally = Tally::new(scenario, &agents, supply.marginal_cost(1.0), seed);
        let mut world = World {
            scenario,
            seed,
            now: 0,
            end: (scenario.days * MS_PER_DAY) as u64,
            queue: Queue::new(),
            tasks: Slab::new(),
            runs: Slab::new(),
            tally,
            supply,
            copies: AllCopies::default(),
            oracle: (scenario.market.mechanism == Mechanism::Oracle).then(|| Oracle::new(&agents)),
            concent: Office::new(scenario, agents.median_cost),
            metered: Metered::default(),
            promised: Promised::new(scenario),
            monopsony: Monopsony::new(scenario),
            trust: EigenTrust::default(),
            marks: Vec::new(),
            mark: 0,
            hearers: Vec::new(),
            latency: (scenario.market.latency_s * MS_PER_S) as u64,
            rates,
            joins: Vec::new(),
            rate_max: scenario.shocks.iter().map(|shock| shock.change.rate_max()).product(),
            agents,
        };
        world.arrange();
        world
            .agents
            .machines
            .ids()
            .for_each(|machine| world.pay_for_identity(machine, world.agents.machines[machine].identities));
        world.agents.buyers.ids().for_each(|buyer| world.pay_for_identity_of_buyer(buyer));
        world.agents.machines.ids().for_each(|machine| world.begin_wash(machine));
        if world.goes_by_trust() {
            world.update_trust();
        }
        world
    }

    /// Puts in what is known from the start.
    fn arrange(&mut self) {
        self.queue.push(self.tally.step_ms, Event::Step);
        for buyer in self.agents.buyers.ids() {
            match self.group_of(buyer).map(|group| group.arrival) {
                Some(ArrivalName::Once | ArrivalName::Repeating) => self.queue.push(0, Event::NextTask(buyer)),
                Some(ArrivalName::Poisson) | None => self.arrange_arrival(buyer),
            }
        }
        for (group, of) in (0u32..).zip(&self.scenario.providers) {
            self.joins.push((of.count, SmallStream::new(self.seed, super::JOIN, u64::from(group), 0)));
            self.arrange_join(group);
            if of.lifetime_days.is_some() {
                for nth in 0..of.count {
                    let lifetime = Drawn::new(of, self.seed, group, nth).lifetime_ms.unwrap_or(u64::MAX);
                    let first: u32 = self.scenario.providers.iter().take(group as usize).map(|of| of.count).sum();
                    self.queue.push(lifetime, Event::Leave(first + nth));
                }
            }
        }
        for (index, shock) in (0u32..).zip(&self.scenario.shocks) {
            match shock.change {
                Change::Outage(_) => {
                    self.queue.push((shock.from_day * MS_PER_DAY) as u64, Event::OutageStart(index));
                    self.queue.push((shock.to_day * MS_PER_DAY) as u64, Event::OutageEnd(index));
                }
                Change::LoadTimes(_) | Change::DayAndNight(_) => {}
            }
        }
    }

    /// Plays it to its end.
    pub(super) fn play(mut self, progress: &dyn Fn(f64)) -> RunOutcome {
        loop {
            if self.queue.draw_near() {
                self.look_ahead();
            }
            let Some((at, event)) = self.queue.pop() else { break };
            if at > self.end {
                break;
            }
            self.now = at;
            self.tally.events += 1;
            match event {
                Event::Arrival(buyer) => self.arrival(buyer),
                Event::NextTask(buyer) => self.next_task(buyer),
                Event::Broadcast(task) => self.broadcast(task),
                Event::HandOut(task) => self.hand_out(task),
                Event::Deadline(task) => self.deadline(task),
                Event::SlotEnd(run) => self.slot_end(run),
                Event::Report(run) => self.report(run),
                Event::Payment(run) => self.payment(run),
                Event::Overdue(machine, name) => self.overdue(machine, name),
                Event::HedgeLook(task) => self.hedge_look(task),
                Event::ClaimDue(claim) => self.claim_due(claim),
                Event::Rerun(buyer, name) => self.rerun(buyer, name),
                Event::CopiesWait(run) => self.copies_wait_over(run),
                Event::Join(group) => self.join(group),
                Event::Leave(machine) => self.leave(machine),
                Event::OutageStart(index) => self.outage(index, true),
                Event::OutageEnd(index) => self.outage(index, false),
                Event::Sham(machine, nth) => self.sham(machine, nth),
                Event::UpdateTrust => self.update_trust(),
                Event::PatienceEnd(task) => self.oracle_task(task),
                Event::MachineTurns(machine) => self.oracle_changed(machine),
                Event::Step => {
                    self.step();
                    progress(self.now as f64 / self.end as f64);
                }
            }
        }
        self.now = self.end;
        progress(1.0);
        self.finish()
    }

    pub(super) fn local(&self) -> LocalTime {
        LocalTime::from_millis(self.now)
    }

    /// The group of a buyer.
    pub(super) fn group_of(&self, buyer: u32) -> Option<&'a RequestorGroup> {
        self.scenario.requestors.get(self.agents.buyers[buyer].group as usize)
    }

    /// How many times the usual number of tasks arrives now.
    pub(super) fn load_times(&self) -> f64 {
        let day = self.now as f64 / MS_PER_DAY;
        self.scenario.shocks.iter().map(|shock| shock.rate_at(day)).product()
    }

    fn arrange_arrival(&mut self, buyer: u32) {
        let of = &mut self.agents.buyers[buyer];
        let rate = self.rates.get(of.group as usize).copied().unwrap_or(0.0) * self.rate_max;
        if rate > 0.0 {
            let wait = of.arrivals.exponential(1.0 / rate);
            self.queue.push(self.now.saturating_add(wait as u64), Event::Arrival(buyer));
        }
    }

    pub(super) fn arrival(&mut self, buyer: u32) {
        self.arrange_arrival(buyer);
        let times = self.load_times();
        if self.agents.buyers[buyer].arrivals.unit() * self.rate_max < times {
            self.next_task(buyer);
        }
    }

    fn next_task(&mut self, buyer: u32) {
        let Some(group) = self.group_of(buyer) else { return };
        let nth = self.agents.buyers[buyer].tasks;
        self.agents.buyers[buyer].tasks += 1;
        if let RequestorBehaviour::SybilNonPayer { tasks } | RequestorBehaviour::Newcomer { tasks } = group.behaviour
            && nth > 0
            && nth.is_multiple_of(tasks)
        {
            self.agents.rename_buyer(buyer);
            self.pay_for_identity_of_buyer(buyer);
        }
        self.deposit(buyer);
        let uid = (u64::from(buyer) << 32) | u64::from(nth);
        let mut task = self.new_task(buyer, uid, group);
        let place = self.agents.buyers[buyer].group;
        self.monopsony.wanted(place, task.total);
        task.terms.max_price = self.monopsony.ceiling(place, group.behaviour, task.terms.max_price, self.now);
        self.tally.task_came(task.total, task.total / group.copies, self.now);
        let (deadline, hedges) = (task.deadline, task.hedging.is_some());
        let handle = self.tasks.insert(task);
        self.begin_sheet(handle, group);
        self.begin_copies(handle, group);
        if hedges {
            self.queue.push(self.now, Event::HedgeLook(handle));
        }
        self.queue.push(deadline, Event::Deadline(handle));
        if self.oracle.is_some() {
            self.oracle_task(handle);
        } else {
            self.broadcast(handle);
        }
    }

    fn new_task(&self, buyer: u32, uid: u64, group: &RequestorGroup) -> Task {
        let mut draws = SmallStream::new(self.seed, super::TASK, uid, 0);
        let copies = group.copies();
        let total = group.subtasks.draw(&mut draws).round().clamp(1.0, SUBTASKS_MAX) as u32 * copies;
        let work_s = group.work_s.draw(&mut draws).clamp(0.001, 1e7);
        let value_rate = group.value_gnt_per_hour.draw(&mut draws).max(0.0);
        let inflated = match group.behaviour {
            RequestorBehaviour::TimeoutInflater { factor } => factor,
            _ => 1.0,
        };
        let timeout_s = (work_s * group.timeout_factor * inflated).ceil().clamp(1.0, 1e8);
        let max_price = match group.max_price {
            MaxPrice::OverCost(times) => times * self.agents.median_cost,
            MaxPrice::OfValue(share) => share * value_rate / (group.timeout_factor * inflated),
            MaxPrice::Fixed(gnt) => gnt,
        };
        let terms = HeaderTerms {
            max_price: wei(max_price),
            min_perf: (group.min_perf * REFERENCE_PERF).round() as u64,
            subtask_timeout_s: timeout_s as u32,
            pricing: match group.pricing {
                PricingName::Tender => Pricing::Tender,
                PricingName::Metered => Pricing::Metered,
            },
        };
        Task {
            buyer,
            uid,
            terms,
            work_ms: (work_s * MS_PER_S).round().max(1.0) as u64,
            value: value_rate * work_s / 3_600.0 / f64::from(group.share_worth()),
            created: self.now,
            deadline: self.now + (timeout_s * group.deadline_timeouts * MS_PER_S) as u64,
            total,
            open: total,
            running: 0,
            broadcasts: 0,
            pause: 0,
            broadcast_at: 0,
            hand_out_at: 0,
            window_ends: 0,
            offers: Vec::new(),
            hedging: Hedging::new(group.hedge, total),
        }
    }

    /// Arranges that subtasks are handed out then, or when the window ends, unless they will be before.
    pub(super) fn arrange_hand_out(&mut self, handle: Handle, at: u64) {
        let Some(task) = self.tasks.get_mut(handle) else { return };
        let at = at.max(task.window_ends);
        if task.hand_out_at == 0 || at < task.hand_out_at {
            task.hand_out_at = at;
            self.queue.push(at, Event::HandOut(handle));
        }
    }

    /// A subtask is open again; of those with several copies the one that is named.
    pub(super) fn reopen(&mut self, handle: Handle, copied: Option<u32>) {
        let first = (self.scenario.market.rebroadcast_s * MS_PER_S) as u64;
        let now = self.now;
        let Some(task) = self.tasks.get_mut(handle) else { return };
        if now >= task.deadline {
            let buyer = task.buyer;
            if let Some(lost) = self.copy_is_late(handle, copied) {
                self.tally.lost_of_copies(lost, self.now);
            } else {
                self.tally.reopened();
                self.lose(buyer, 1);
            }
            return self.close_if_over(handle);
        }
        task.open += 1;
        self.tally.reopened();
        self.monopsony.wanted(self.agents.buyers[task.buyer].group, 1);
        task.pause = first;
        if self.oracle.is_some() {
            return self.oracle_task(handle);
        }
        let soon = now + self.latency.max(1);
        if task.broadcast_at == 0 || task.broadcast_at > soon + first {
            task.broadcast_at = soon;
            self.queue.push(soon, Event::Broadcast(handle));
        }
    }

    /// So many subtasks will not be done.
    fn lose(&mut self, buyer: u32, subtasks: u32) {
        self.tally.lost(subtasks, self.now);
        if let Some(of) = self.tally.of_buyers(self.agents.buyers[buyer].group, self.now) {
            of.lost += u64::from(subtasks);
        }
    }

    fn deadline(&mut self, handle: Handle) {
        let lost = self.copies_end(handle);
        self.tally.lost_of_copies(lost, self.now);
        if let Some(task) = self.tasks.get_mut(handle) {
            let lost = std::mem::take(&mut task.open);
            let (buyer, offers) = (task.buyer, std::mem::take(&mut task.offers));
            offers.into_iter().for_each(|offer| self.lost(offer));
            self.lose(buyer, lost);
        }
        self.close_if_over(handle);
    }

    /// Forgets a task that has nothing open and nothing under way.
    pub(super) fn close_if_over(&mut self, handle: Handle) {
        let Some(task) = self.tasks.get(handle) else { return };
        if task.open == 0 && task.running == 0 {
            let took = self.now - task.created;
            let (ideal, buyer) = (task.work_ms, task.buyer);
            if !was_told(task) {
                self.tally.task_over(took, ideal, self.now);
            }
            self.end_sheet(handle, buyer);
            self.tasks.remove(handle);
            if self.group_of(buyer).is_some_and(|group| group.arrival == ArrivalName::Repeating) {
                // Not at once: each task takes some time, or the run would not end.
                self.queue.push(self.now + 1, Event::NextTask(buyer));
            }
        }
    }

    fn arrange_join(&mut self, group: u32) {
        let Some(of) = self.scenario.providers.get(group as usize) else { return };
        let Some((_, draws)) = self.joins.get_mut(group as usize) else { return };
        if of.arrivals_per_day > 0.0 {
            let wait = draws.exponential(MS_PER_DAY / of.arrivals_per_day);
            self.queue.push(self.now.saturating_add(wait as u64), Event::Join(group));
        }
    }

    fn join(&mut self, group: u32) {
        self.arrange_join(group);
        let Some(of) = self.scenario.providers.get(group as usize) else { return };
        let Some((nth, _)) = self.joins.get_mut(group as usize) else { return };
        let drawn = Drawn::new(of, self.seed, group, *nth);
        *nth += 1;
        let Some(machine) = self.agents.join(self.scenario, drawn, self.now) else { return };
        self.tally.joined(&self.agents.machines[machine], self.now);
        self.pay_for_identity(machine, self.agents.machines[machine].identities);
        self.begin_wash(machine);
        if let Some(lifetime) = drawn.lifetime_ms {
            self.queue.push(self.now.saturating_add(lifetime), Event::Leave(machine));
        }
        self.oracle_changed(machine);
    }

    /// It takes no more work, and finishes what it has.
    fn leave(&mut self, machine: u32) {
        self.agents.set_reachable(machine, false);
        let of = &mut self.agents.machines[machine];
        of.online = false;
        of.left = Some(self.now);
        if !of.out {
            self.tally.left(of, self.now);
        }
        self.oracle_changed(machine);
    }

    fn outage(&mut self, index: u32, begins: bool) {
        let Some(Shock { change: Change::Outage(share), .. }) = self.scenario.shocks.get(index as usize) else {
            return;
        };
        let mut hit = Vec::new();
        for machine in self.agents.machines.ids() {
            if !SmallStream::new(self.seed, super::OUTAGE, u64::from(index), u64::from(machine)).chance(*share) {
                continue;
            }
            let of = &mut self.agents.machines[machine];
            if of.out == begins {
                continue;
            }
            of.out = begins;
            match (of.online, begins) {
                (true, true) => self.tally.left(of, self.now),
                (true, false) => self.tally.joined(of, self.now),
                (false, _) => {}
            }
            let reachable = of.online && !begins;
            self.agents.set_reachable(machine, reachable);
            hit.push(machine);
        }
        self.supply.count(&self.agents);
        for machine in hit {
            self.oracle_changed(machine);
        }
        if begins {
            let machines = &self.agents.machines;
            for run in self.runs.iter_mut().filter(|run| !run.slot_ended && machines[run.machine].out) {
                run.fate = Fate::TimedOut;
            }
        }
    }
}

impl Change {
    fn rate_max(&self) -> f64 {
        match self {
            Change::LoadTimes(times) => times.max(1.0),
            Change::DayAndNight(depth) => 1.0 + depth,
            Change::Outage(_) => 1.0,
        }
    }
}

impl Shock {
    fn rate_at(&self, day: f64) -> f64 {
        if !(self.from_day..self.to_day).contains(&day) {
            return 1.0;
        }
        match self.change {
            Change::LoadTimes(times) => times,
            Change::DayAndNight(depth) => 1.0 + depth * libm::sin(2.0 * std::f64::consts::PI * day),
            Change::Outage(_) => 1.0,
        }
    }
}

/// Tasks a ms of each requestor, by group.
fn task_rates(scenario: &Scenario, agents: &Agents) -> Vec<f64> {
    // The machines of the start, or those of later if more come: as many as arrive in a lifetime (Little's law).
    let mut capacity = vec![0.0; scenario.providers.len()];
    for machine in agents.machines.iter() {
        if let Some(sum) = capacity.get_mut(machine.group as usize) {
            *sum += machine.speed * f64::from(machine.cores);
        }
    }
    let capacity: f64 = scenario
        .providers
        .iter()
        .zip(&capacity)
        .map(|(of, there)| {
            let lifetime = of.lifetime_days.as_ref().map_or(0.0, Distribution::mean);
            there.max(of.arrivals_per_day * lifetime * of.speed.mean() * of.slots.mean())
        })
        .sum();
    let rate = |of: &RequestorGroup| match of.load() {
        Some(load) => load * capacity / (of.subtasks.mean() * of.work_s.mean() * MS_PER_S) / f64::from(of.count.max(1)),
        None => of.tasks_per_day.unwrap_or(0.0) / MS_PER_DAY,
    };
    scenario.requestors.iter().map(rate).collect()
}
