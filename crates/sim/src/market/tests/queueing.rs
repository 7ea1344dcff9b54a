//! The market as a queue with many servers: one machine a subtask, exponential work, everybody hears everything, at once.

use super::*;
use crate::stream::{Draw, SmallStream};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

const SERVERS: u32 = 10;
const LOAD: f64 = 0.8;
const BUYERS: u32 = 50;
const MEAN_MS: f64 = 600_000.0;
const DAYS: f64 = 30.0;
const WARMUP_DAYS: f64 = 1.0;

fn market(takes_first: TakesFirst, memory: u32) -> Scenario {
    let mut scenario =
        Scenario { days: DAYS, warmup_days: Warmup::Days(WARMUP_DAYS), step_hours: 24.0, ..Scenario::default() };
    scenario.market.reach = SERVERS;
    scenario.market.offer_window_s = 0.0;
    scenario.market.latency_s = 0.0;
    scenario.market.memory = memory;
    scenario.providers[0].count = SERVERS;
    scenario.providers[0].takes_first = Some(takes_first);
    scenario.providers[0].speed = Distribution::Fixed(1.0);
    scenario.providers[0].policy = ProviderPolicyName::Posted;
    scenario.providers[0].tuning.credit_hours = Some(8_000);
    scenario.requestors[0].count = BUYERS;
    scenario.requestors[0].load = Some(LOAD);
    scenario.requestors[0].subtasks = Distribution::Fixed(1.0);
    scenario.requestors[0].work_s = Distribution::Exponential { mean: MEAN_MS / 1_000.0 };
    scenario.requestors[0].value_gnt_per_hour = Distribution::Fixed(1e3);
    scenario.requestors[0].max_price = MaxPrice::Fixed(1e3);
    scenario.requestors[0].deadline_timeouts = 1e4;
    scenario.check().unwrap();
    scenario
}

/// The mean wait by Erlang's formula, in seconds.
fn erlang_c() -> f64 {
    let offered = LOAD * f64::from(SERVERS);
    // Erlang B by its recursion, then C.
    let blocked = (1..=SERVERS).fold(1.0, |b, n| offered * b / (f64::from(n) + offered * b));
    let waits = blocked / (1.0 - LOAD * (1.0 - blocked));
    waits * MEAN_MS / 1_000.0 / (f64::from(SERVERS) * (1.0 - LOAD))
}

/// Servers that take those who wait in the order in which they came.
struct Servers(BinaryHeap<Reverse<u64>>);

impl Servers {
    fn new() -> Servers {
        Servers((0..SERVERS).map(|_| Reverse(0)).collect())
    }

    /// How long somebody who comes then waits.
    fn wait(&mut self, at: u64, work: u64) -> u64 {
        let Reverse(free) = self.0.pop().unwrap();
        let begins = free.max(at);
        self.0.push(Reverse(begins + work));
        begins - at
    }
}

/// The mean wait in seconds of the arrivals that the market meets with this seed, in a queue of nothing else.
fn same_arrivals(seed: u64) -> f64 {
    let (end, warm) = (DAYS * 86_400_000.0, WARMUP_DAYS * 86_400_000.0);
    let mean = MEAN_MS * f64::from(BUYERS) / (LOAD * f64::from(SERVERS));
    let mut all = Vec::new();
    for buyer in 0..BUYERS {
        let mut arrivals = SmallStream::new(seed, ARRIVAL, u64::from(buyer), 0);
        let (mut at, mut nth) = (arrivals.exponential(mean) as u64, 0u64);
        while (at as f64) < end {
            let wait = arrivals.exponential(mean) as u64;
            arrivals.unit();
            let mut draws = SmallStream::new(seed, TASK, (u64::from(buyer) << 32) | nth, 0);
            all.push((at, draws.exponential(MEAN_MS).round().max(1.0) as u64));
            (at, nth) = (at + wait, nth + 1);
        }
    }
    all.sort_unstable();
    let mut servers = Servers::new();
    let waits: Vec<u64> = (all.into_iter().map(|(at, work)| (at, servers.wait(at, work))))
        .filter(|(at, _)| *at as f64 >= warm)
        .map(|(_, wait)| wait)
        .collect();
    waits.iter().sum::<u64>() as f64 / waits.len() as f64 / 1_000.0
}

/// The mean wait in seconds of so many who come to the queue alone, one after the other.
fn alone(customers: u32) -> f64 {
    let mut draws = SmallStream::new(7, TASK, 0, 0);
    let mut servers = Servers::new();
    let (mut at, mut waited) = (0.0, 0u64);
    for _ in 0..customers {
        at += draws.exponential(MEAN_MS / (LOAD * f64::from(SERVERS)));
        waited += servers.wait(at as u64, draws.exponential(MEAN_MS).round() as u64);
    }
    waited as f64 / f64::from(customers) / 1_000.0
}

/// Chance moves the mean wait of a run that can be afforded by several per cent. So the market is held to the queue that
/// meets the same arrivals, where nothing is left to chance, and that queue to the formula, with tens of millions who come.
#[test]
fn waits_as_erlang_says() {
    let (mut market_waits, mut queue_waits) = (0.0, 0.0);
    for seed in 1..=3 {
        let waits = run_against(&market(TakesFirst::Oldest, 256), seed, None, &|_| {}).metrics["wait_s"];
        let queue = same_arrivals(seed);
        assert!((waits / queue - 1.0).abs() < 0.001, "seed {seed}: waits {waits} s, the queue alone {queue} s");
        (market_waits, queue_waits) = (market_waits + waits, queue_waits + queue);
    }
    let (waits, erlang) = (alone(30_000_000) * market_waits / queue_waits, erlang_c());
    assert!((waits / erlang - 1.0).abs() < 0.01, "waits {waits} s, Erlang says {erlang} s");
}

/// In whichever order: whoever does not look at how long the work is waits as long on the mean. What makes the market wait
/// longer than the queue is what machines forget.
#[test]
fn only_what_machines_forget_makes_it_wait_longer() {
    let over = |takes_first, memory| {
        let ratio = |seed| {
            let waits = run_against(&market(takes_first, memory), seed, None, &|_| {}).metrics["wait_s"];
            waits / same_arrivals(seed) - 1.0
        };
        (1..=3).map(ratio).sum::<f64>() / 3.0
    };
    assert!(over(TakesFirst::Newest, 256).abs() < 0.01, "{}", over(TakesFirst::Newest, 256));
    assert!(over(TakesFirst::Newest, 2) > 0.03, "{}", over(TakesFirst::Newest, 2));
}
