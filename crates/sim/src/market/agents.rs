//! Who takes part: machines, the names they go by, and requestors.

use super::books::{AgentBook, UsualProvider, UsualRequestor};
use super::hedge::Hedging;
use super::memory::Heard;
use super::scenario::*;
use super::table::{Handle, Table};
use crate::stream::{SmallStream, mix};
use golem_market::{
    Choice, HeaderTerms, Judged, Numbers, OfferTerms, ProviderMarket, ProviderRecord, ProviderSettings, Ratio,
    RequestorMarket, RequestorRecord, RequestorSettings,
};
use golem_protocol::{Address, LocalTime, NodeId, Wei};
use std::borrow::Borrow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Fuel a second of the reference machine: what performances are counted in.
pub(super) const REFERENCE_PERF: f64 = 1e9;
/// How many offers that others won a provider waits for to have stood in vain. Reason: more at once tell it no more.
pub(super) const IN_VAIN: usize = 8;
/// The longest pause between broadcasts, as a multiple of the first. Reason: who heard of a task remembers it; only new
/// machines and changed prices are reached.
const PAUSES_MAX: u64 = 16;
pub(super) const MS_PER_S: f64 = 1_000.0;
pub(super) const MS_PER_HOUR: f64 = 3_600_000.0;
pub(super) const MS_PER_DAY: f64 = 86_400_000.0;

/// GNT as wei, to a thousand-millionth of a GNT.
pub(super) fn wei(gnt: f64) -> Wei {
    Wei((gnt * 1e9).round() as u128 * 1_000_000_000).bounded().unwrap_or(Wei::MAX)
}

/// Wei as GNT, for people and means.
pub(super) fn gnt(amount: Wei) -> f64 {
    amount.0 as f64 / 1e18
}

/// The id in the market's books of a number: scattered, so that no order of names favours anybody.
pub(super) fn node(number: u32) -> NodeId {
    let mut bytes = [0u8; 20];
    bytes[..8].copy_from_slice(&mix(u64::from(number) + 1).to_be_bytes());
    bytes[8..12].copy_from_slice(&number.to_be_bytes());
    NodeId(Address::from(bytes))
}

/// One provider's machine.
///
/// There are a million of them in a large run: what is asked at every offer comes first, what only some use is boxed.
#[repr(C)]
pub(super) struct Machine {
    pub market: ProviderMarket<AgentBook<UsualRequestor, RequestorRecord>>,
    /// What its offers say.
    pub performance: u64,
    /// How many subtasks it takes at once; a sybil's names take more than it has cores.
    pub slots: u32,
    pub busy: u32,
    /// How many run at once at full speed.
    pub cores: u32,
    /// Its first name; a sybil has as many from here on as it has identities.
    pub name: u32,
    pub group: u32,
    pub policy: ProviderPolicyName,
    pub online: bool,
    /// Out of order because of a shock.
    pub out: bool,
    pub behaviour: ProviderBehaviour,
    /// In reference machines.
    pub speed: f64,
    /// Of a busy slot, GNT an hour.
    pub cost: f64,
    /// When offers that others won will have stood in vain, unless work comes before; 0 for none. Only where the policy
    /// follows it, from the first on.
    in_vain: Option<Box<[u64; IN_VAIN]>>,
    pub busy_ms: u64,
    /// Subtasks that it agreed to.
    pub taken: u32,
    pub done: u32,
    pub failed: u32,
    /// Subtasks of the present name that ended badly.
    pub bad: u32,
    /// How many it had done when it took the name that it has.
    pub done_before: u32,
    pub earned: Wei,
    pub spent: Wei,
    /// Open tasks it heard of while it could not take them.
    pub heard: Heard,
    /// Which of them it goes for first.
    pub takes_first: TakesFirst,
    pub draws: SmallStream,
    /// When what a sybil has taken will be done.
    pub free_at: u64,
    pub joined: u64,
    pub left: Option<u64>,
    pub identities: u32,
}

impl Machine {
    /// What one hour of the reference machine's work costs here, in GNT.
    pub(super) fn cost_of_work(&self) -> f64 {
        self.cost / self.speed
    }

    /// Whether somebody who knows everything can have right work of it, at some times at least.
    pub(super) fn useful(&self) -> bool {
        match self.behaviour {
            ProviderBehaviour::OnOff { honest_share, .. } => honest_share > 0.0,
            ProviderBehaviour::Whitewash { right_first, .. } => right_first > 0,
            ProviderBehaviour::WrongResults { share, .. }
            | ProviderBehaviour::AcceptThenCancel { share }
            | ProviderBehaviour::SelectiveFailure { share } => share < 1.0,
            ProviderBehaviour::ExitScam { honest_subtasks } => self.done + self.busy < honest_subtasks,
            ProviderBehaviour::Sybil { .. } => true,
            _ => self.productive(),
        }
    }

    /// How many subtasks more it can compute at once.
    pub(super) fn free_cores(&self) -> u32 {
        self.free().min(self.cores.saturating_sub(self.busy))
    }

    /// Whether all of its work is right and comes to an end.
    pub(super) fn productive(&self) -> bool {
        match self.behaviour {
            ProviderBehaviour::Honest
            | ProviderBehaviour::CheatBenchmark { .. }
            | ProviderBehaviour::Undercut { .. }
            | ProviderBehaviour::Cartel { .. }
            | ProviderBehaviour::InflateUsage { .. }
            | ProviderBehaviour::UndercutBudget { .. } => true,
            ProviderBehaviour::Hold
            | ProviderBehaviour::OnOff { .. }
            | ProviderBehaviour::ExitScam { .. }
            | ProviderBehaviour::Whitewash { .. }
            | ProviderBehaviour::Sybil { .. }
            | ProviderBehaviour::WrongResults { .. }
            | ProviderBehaviour::WashTrade { .. }
            | ProviderBehaviour::AcceptThenCancel { .. }
            | ProviderBehaviour::SelectiveFailure { .. } => false,
        }
    }

    pub(super) fn free(&self) -> u32 {
        if self.online && !self.out { self.slots.saturating_sub(self.busy) } else { 0 }
    }

    /// An offer was not taken; it ends at this moment.
    pub(super) fn offer_lost(&mut self, ends: u64) {
        match self.policy {
            ProviderPolicyName::Golem => {}
            // Prices by these do not depend on it.
            ProviderPolicyName::Published | ProviderPolicyName::Posted | ProviderPolicyName::ZeroIntelligence => return,
        }
        if let Some(place) = self.in_vain.get_or_insert_default().iter_mut().min() {
            *place = ends;
        }
    }

    /// What stood in vain until now, while there was a slot free, is noted.
    pub(super) fn note_in_vain(&mut self, now: u64) {
        let Some(in_vain) = &mut self.in_vain else { return };
        for ends in in_vain.iter_mut().filter(|ends| **ends != 0 && **ends <= now) {
            *ends = 0;
            self.market.answered(false);
        }
    }

    /// All of it is busy: no offer of before stands any more.
    pub(super) fn forget_in_vain(&mut self) {
        if let Some(in_vain) = &mut self.in_vain {
            in_vain.fill(0);
        }
    }
}

/// One requestor.
pub(super) struct Buyer {
    pub group: u32,
    /// Its name now.
    pub name: u32,
    pub identities: u32,
    pub market: RequestorMarket<AgentBook<UsualProvider, ProviderRecord>>,
    pub draws: SmallStream,
    pub arrivals: SmallStream,
    pub tasks: u32,
    pub done: u64,
    pub failed: u64,
    pub busy_ms: u64,
    pub spent: Wei,
    pub value: f64,
}

/// A task, from its first broadcast until its last subtask has ended.
pub(super) struct Task {
    pub buyer: u32,
    /// Of all tasks of this run with this seed, whatever the policies: the buyer and its how-manieth.
    pub uid: u64,
    pub terms: HeaderTerms,
    /// Of one subtask, in ms of the reference machine.
    pub work_ms: u64,
    /// Of one subtask, in GNT.
    pub value: f64,
    pub created: u64,
    pub deadline: u64,
    pub total: u32,
    pub open: u32,
    pub running: u32,
    pub broadcasts: u32,
    /// Of the next broadcast, in ms after the last one.
    pub pause: u64,
    /// When it will be broadcast next; 0 where that is not arranged.
    pub broadcast_at: u64,
    /// When subtasks will be handed out next; 0 where that is not arranged.
    pub hand_out_at: u64,
    /// Until when offers are only gathered.
    pub window_ends: u64,
    pub offers: Vec<Offered>,
    /// Where second copies may be given of it.
    pub hedging: Option<Box<Hedging>>,
}

impl Task {
    /// How long to wait until the next broadcast, each time twice as long.
    pub(super) fn next_pause(&mut self, first: u64) -> u64 {
        let pause = self.pause.max(first);
        self.pause = (pause * 2).min(first * PAUSES_MAX);
        pause
    }
}

/// An offer that a requestor holds.
#[derive(Clone, Copy)]
pub(super) struct Offered {
    pub name: u32,
    pub price: Wei,
    pub performance: u64,
    pub made: u64,
    /// What it was worth when it was last looked at.
    pub judged: Judged,
}

impl Borrow<Judged> for Offered {
    fn borrow(&self) -> &Judged {
        &self.judged
    }
}

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Right,
    Wrong,
    Failed,
    TimedOut,
    Cancelled,
}

/// One subtask at one machine.
pub(super) struct Run {
    pub task: Handle,
    pub buyer: u32,
    /// The buyer's name then.
    pub buyer_name: u32,
    pub machine: u32,
    /// Its machine's name then.
    pub name: u32,
    /// What is paid for it.
    pub value: Wei,
    pub offer: OfferTerms,
    pub terms: HeaderTerms,
    pub started: u64,
    /// When the slot is free again.
    pub ends: u64,
    /// For how long a core of its machine computes it, in ms; 0 where it does not.
    pub computed_ms: u64,
    pub fate: Fate,
    pub slot_ended: bool,
    /// Another run of the same subtask, which is under way.
    pub twin: Handle,
    /// Whether the subtask has a result already.
    pub superseded: bool,
    /// What its result is worth to the buyer, in GNT.
    pub worth: f64,
}

/// Everybody.
pub(super) struct Agents {
    pub machines: Table<Machine>,
    /// Whose name it is.
    pub names: Table<u32>,
    pub buyers: Table<Buyer>,
    /// Whose name it is.
    pub buyer_names: Table<u32>,
    /// The names that can be reached now and their machines, in no order.
    pub online: Vec<(u32, u32)>,
    /// Where each name is in `online`; `u32::MAX` where it is not.
    places: Vec<u32>,
    /// The other names of those that hold some ready, the oldest first.
    ahead: BTreeMap<u32, VecDeque<u32>>,
    /// The median cost at the start, GNT an hour.
    pub median_cost: f64,
    pub seed: u64,
    /// What all machines of a group have, by group.
    settings: Vec<Arc<ProviderSettings>>,
}

impl Agents {
    pub(super) fn new(scenario: &Scenario, seed: u64) -> Agents {
        let mut agents = Agents {
            machines: Table::new(),
            names: Table::new(),
            buyers: Table::new(),
            buyer_names: Table::new(),
            online: Vec::new(),
            places: Vec::new(),
            ahead: BTreeMap::new(),
            median_cost: 0.0,
            seed,
            settings: scenario.providers.iter().map(|of| Arc::new(provider_settings(of))).collect(),
        };
        let mut machines = Vec::new();
        for (group, of) in (0u32..).zip(&scenario.providers) {
            for nth in 0..of.count {
                machines.push(Drawn::new(of, seed, group, nth));
            }
        }
        let mut costs: Vec<f64> = machines.iter().map(|drawn| drawn.cost).collect();
        costs.sort_by(f64::total_cmp);
        agents.median_cost = costs
            .get(costs.len() / 2)
            .copied()
            .unwrap_or_else(|| scenario.providers.first().map_or(1.0, |group| group.cost_gnt_per_hour.mean()));
        for drawn in machines {
            agents.join(scenario, drawn, 0);
        }
        for (group, of) in (0u32..).zip(&scenario.requestors) {
            for _ in 0..of.count {
                agents.add_buyer(group, of);
            }
        }
        agents
    }

    /// A machine comes, with names of its own.
    pub(super) fn join(&mut self, scenario: &Scenario, drawn: Drawn, now: u64) -> Option<u32> {
        let of = scenario.providers.get(drawn.group as usize)?;
        let id = self.machines.len();
        let claimed = match of.behaviour {
            ProviderBehaviour::CheatBenchmark { factor } => drawn.speed * factor,
            _ => drawn.speed,
        };
        let identities = match of.behaviour {
            ProviderBehaviour::Sybil { identities, .. } => identities,
            ProviderBehaviour::Whitewash { names_ahead, .. } => 1 + names_ahead,
            _ => 1,
        };
        let slots = match of.behaviour {
            ProviderBehaviour::Sybil { careful: false, .. } => drawn.slots.saturating_mul(identities),
            _ => drawn.slots,
        };
        let name = self.names.len();
        let machine = Machine {
            market: self.provider_market(of, drawn, now)?,
            performance: (claimed * REFERENCE_PERF).round() as u64,
            slots,
            busy: 0,
            cores: drawn.slots,
            name,
            group: drawn.group,
            policy: of.policy,
            online: true,
            out: false,
            behaviour: of.behaviour,
            speed: drawn.speed,
            cost: drawn.cost,
            in_vain: None,
            busy_ms: 0,
            taken: 0,
            done: 0,
            failed: 0,
            bad: 0,
            done_before: 0,
            earned: Wei::ZERO,
            spent: Wei::ZERO,
            heard: Heard::new(),
            takes_first: of.takes_first(),
            draws: SmallStream::new(self.seed, super::BEHAVIOUR, u64::from(id), 0),
            free_at: 0,
            joined: now,
            left: None,
            identities,
        };
        self.machines.push(machine);
        for nth in 0..identities {
            let name = self.add_name(id);
            if nth > 0 && !matches!(of.behaviour, ProviderBehaviour::Sybil { .. }) {
                self.ahead.entry(id).or_default().push_back(name);
            }
        }
        Some(id)
    }

    /// `None` only for settings that the scenario's check lets through and the market refuses: the least of a range above
    /// its most.
    fn provider_market(
        &self,
        of: &ProviderGroup,
        drawn: Drawn,
        now: u64,
    ) -> Option<ProviderMarket<AgentBook<UsualRequestor, RequestorRecord>>> {
        let cost = drawn.cost;
        let min = match of.behaviour {
            ProviderBehaviour::Undercut { price_over_cost }
            | ProviderBehaviour::UndercutBudget { price_over_cost: Some(price_over_cost), .. } => {
                cost * price_over_cost
            }
            ProviderBehaviour::Cartel { floor_over_cost } => cost.max(floor_over_cost * self.median_cost),
            _ => cost * of.tuning.min_price_over_cost.unwrap_or(1.0),
        };
        let settings = Arc::clone(self.settings.get(drawn.group as usize)?);
        ProviderMarket::keeping(settings, wei(min), LocalTime::from_millis(now)).ok()
    }

    fn add_name(&mut self, machine: u32) -> u32 {
        let name = self.names.push(machine);
        self.places.push(u32::MAX);
        self.show(name);
        name
    }

    /// Whether it can be reached.
    pub(super) fn is_shown(&self, name: u32) -> bool {
        self.places.get(name as usize).is_some_and(|place| *place != u32::MAX)
    }

    /// Can be reached from now on.
    pub(super) fn show(&mut self, name: u32) {
        if let Some(place) = self.places.get_mut(name as usize)
            && *place == u32::MAX
        {
            *place = self.online.len() as u32;
            self.online.push((name, self.names[name]));
        }
    }

    /// Cannot be reached from now on.
    pub(super) fn hide(&mut self, name: u32) {
        let Some(place) = self.places.get_mut(name as usize) else { return };
        let at = std::mem::replace(place, u32::MAX);
        if at == u32::MAX {
            return;
        }
        self.online.swap_remove(at as usize);
        if let Some(moved) = self.online.get(at as usize)
            && let Some(place) = self.places.get_mut(moved.0 as usize)
        {
            *place = at;
        }
    }

    /// All names of a machine come or go.
    pub(super) fn set_reachable(&mut self, machine: u32, reachable: bool) {
        let (first, count) = self.names_of(machine);
        for name in first..first + count {
            if reachable { self.show(name) } else { self.hide(name) }
        }
        for name in self.ahead.get(&machine).cloned().unwrap_or_default() {
            if reachable { self.show(name) } else { self.hide(name) }
        }
    }

    fn names_of(&self, machine: u32) -> (u32, u32) {
        let machine = &self.machines[machine];
        match machine.behaviour {
            ProviderBehaviour::Sybil { identities, .. } => (machine.name, identities),
            _ => (machine.name, 1),
        }
    }

    /// A machine drops a name and takes a new one; where it has more, that one comes last.
    pub(super) fn rename(&mut self, machine: u32, dropped: u32) {
        self.hide(dropped);
        let mut name = self.add_name(machine);
        let of = &mut self.machines[machine];
        if let Some(ahead) = self.ahead.get_mut(&machine) {
            ahead.push_back(name);
            if of.name != dropped {
                ahead.retain(|other| *other != dropped);
                name = of.name;
            } else if let Some(oldest) = ahead.pop_front() {
                name = oldest;
            }
        }
        of.name = name;
        of.identities += 1;
        of.bad = 0;
        of.done_before = of.done;
    }

    fn add_buyer(&mut self, group: u32, of: &RequestorGroup) {
        let id = self.buyers.len();
        let name = self.buyer_names.push(id);
        self.buyers.push(Buyer {
            group,
            name,
            identities: 1,
            market: RequestorMarket::keeping(requestor_settings(of)),
            draws: SmallStream::new(self.seed, super::CHOICE, u64::from(id), 0),
            arrivals: SmallStream::new(self.seed, super::ARRIVAL, u64::from(id), 0),
            tasks: 0,
            done: 0,
            failed: 0,
            busy_ms: 0,
            spent: Wei::ZERO,
            value: 0.0,
        });
    }

    /// A requestor drops its name and takes a new one.
    pub(super) fn rename_buyer(&mut self, buyer: u32) {
        let name = self.buyer_names.push(buyer);
        let of = &mut self.buyers[buyer];
        of.name = name;
        of.identities += 1;
    }
}

/// What chance gives a machine.
#[derive(Clone, Copy)]
pub(super) struct Drawn {
    pub group: u32,
    pub speed: f64,
    pub cost: f64,
    pub slots: u32,
    pub lifetime_ms: Option<u64>,
}

impl Drawn {
    /// The n-th machine of a group.
    pub(super) fn new(of: &ProviderGroup, seed: u64, group: u32, nth: u32) -> Drawn {
        let mut draws = SmallStream::new(seed, super::MACHINE, u64::from(group), u64::from(nth));
        Drawn {
            group,
            speed: of.speed.draw(&mut draws).clamp(1e-6, 1e6),
            cost: of.cost_gnt_per_hour.draw(&mut draws).clamp(1e-6, 1e6),
            slots: of.slots.draw(&mut draws).round().clamp(1.0, 64.0) as u32,
            lifetime_ms: of.lifetime_days.as_ref().map(|days| (days.draw(&mut draws).max(0.0) * MS_PER_DAY) as u64),
        }
    }
}

/// What machines of a group have in common.
fn provider_settings(of: &ProviderGroup) -> ProviderSettings {
    let tuning = &of.tuning;
    let mut settings = match of.policy {
        ProviderPolicyName::Golem => ProviderSettings::new(Wei::ZERO),
        ProviderPolicyName::Published | ProviderPolicyName::Posted | ProviderPolicyName::ZeroIntelligence => {
            ProviderSettings::published(Wei::ZERO)
        }
    };
    let ratio =
        |value: Option<f64>, default: Ratio| value.and_then(|value| Ratio::from_f64(value).ok()).unwrap_or(default);
    settings.factor_min = ratio(tuning.factor_min, settings.factor_min);
    settings.factor_max = ratio(tuning.factor_max, settings.factor_max).max(settings.factor_min);
    settings.factor_start =
        ratio(tuning.factor_start, settings.factor_start).clamp(settings.factor_min, settings.factor_max);
    settings.idle_rate = ratio(tuning.idle_rate, settings.idle_rate);
    settings.busy_rate = ratio(tuning.busy_rate, settings.busy_rate);
    settings.margin_taken = ratio(tuning.margin_taken, settings.margin_taken);
    settings.margin_not_taken = ratio(tuning.margin_not_taken, settings.margin_not_taken);
    settings.credit_hours = tuning.credit_hours.unwrap_or(settings.credit_hours);
    settings.payment_rate_min = ratio(tuning.payment_rate_min, settings.payment_rate_min);
    settings
}

fn requestor_settings(of: &RequestorGroup) -> RequestorSettings {
    let tuning = &of.tuning;
    let ratio = |value: f64| Ratio::from_f64(value).unwrap_or(Ratio::ZERO);
    let number = |value: Option<f64>, usual: Ratio| value.map_or(usual, ratio);
    let of_nodes = Numbers::default();
    let numbers = Numbers {
        alpha: number(tuning.alpha, of_nodes.alpha),
        distrust: tuning.distrust.map_or(of_nodes.distrust, u64::from),
        psi: number(tuning.psi, of_nodes.psi),
        trust_min: number(tuning.trust_min, of_nodes.trust_min),
        trust_max: number(tuning.trust_max, of_nodes.trust_max),
        prior_weight: number(tuning.prior_weight, of_nodes.prior_weight),
        rejected_weight: number(tuning.rejected_weight, of_nodes.rejected_weight),
        probation: number(tuning.probation, of_nodes.probation),
        newcomers_bad: number(tuning.newcomers_bad, of_nodes.newcomers_bad),
        learning: number(tuning.learning, of_nodes.learning),
        failure_cost: number(tuning.failure_cost, of_nodes.failure_cost),
        time_cost: number(tuning.time_cost, of_nodes.time_cost),
        doubt_one_in: tuning.doubt_one_in.map_or(of_nodes.doubt_one_in, u64::from),
    };
    let usual = match of.policy {
        RequestorPolicyName::Golem => RequestorSettings::default(),
        RequestorPolicyName::Published
        | RequestorPolicyName::Random
        | RequestorPolicyName::FirstCome
        | RequestorPolicyName::Cheapest
        | RequestorPolicyName::SecondScore => RequestorSettings::published(),
    };
    RequestorSettings {
        rules: usual.rules,
        patience: tuning.patience.map_or(usual.patience, ratio),
        choice: tuning.greed.map_or(Choice::Greedy, |greed| Choice::Boltzmann { greed: ratio(greed) }),
        quality_floor: tuning.quality_floor.map_or(Ratio::ZERO, ratio),
        numbers,
    }
}
