//! What an honest provider has at stake with each requestor, counted beside its machine: from what it was seen to begin and
//! to compute, and from what its vouchers are worth. The machine's own sums are not looked at.

use golem_protocol::{Address, B256, NodeId, Wei};
use std::collections::{BTreeMap, VecDeque};

/// How long ago a provider may have granted the credit that a beginning rests on, in milliseconds. Reason: prices move, and
/// what is to be begun waits for the disk first.
const GRANT_LIFE_MS: u64 = 10_000;

/// One subtask that was begun, and not found to be worth nothing.
#[derive(Clone, Copy)]
struct Job {
    payer: Address,
    /// What it is worth now: all that was agreed while it runs, and what its fuel comes to once it is done.
    worth: Wei,
    /// What it will be worth.
    when_done: Wei,
    runs: bool,
}

/// What is at stake with one requestor.
#[derive(Default)]
struct Stake {
    jobs: BTreeMap<(B256, u32), Job>,
    /// The sum of what they are worth.
    worth: Wei,
    /// What its payer's vouchers have brought, by epoch.
    earned: BTreeMap<u32, Wei>,
    /// The credits granted lately, and when.
    granted: VecDeque<(u64, Wei)>,
    /// The most that may be at stake: by what was granted when the last subtask was begun.
    allowed: Wei,
}

/// Of all honest providers, by provider and requestor.
#[derive(Default)]
pub(super) struct Stakes {
    stakes: BTreeMap<(usize, NodeId), Stake>,
}

impl Stakes {
    /// A provider would lend so much now.
    pub(super) fn grants(&mut self, provider: usize, requestor: NodeId, credit: Wei, time: u64) {
        let stake = self.stakes.entry((provider, requestor)).or_default();
        stake.granted.retain(|(at, _)| at.saturating_add(GRANT_LIFE_MS) >= time);
        if stake.granted.back().is_none_or(|(_, last)| *last != credit) {
            stake.granted.push_back((time, credit));
        } else if let Some(last) = stake.granted.back_mut() {
            last.0 = time;
        }
    }

    /// A provider begins a subtask.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn begins(
        &mut self,
        provider: usize,
        requestor: NodeId,
        payer: Address,
        job: (B256, u32),
        value: Wei,
        when_done: Wei,
    ) {
        let stake = self.stakes.entry((provider, requestor)).or_default();
        stake.set(job, Some(Job { payer, worth: value, when_done, runs: true }));
        stake.allowed = stake.granted.iter().map(|(_, credit)| *credit).max().unwrap_or_default();
    }

    /// A result is there, and saved.
    pub(super) fn computes(&mut self, provider: usize, agreement: B256, index: u32) {
        for stake in self.of(provider) {
            if let Some(job) = stake.jobs.get(&(agreement, index)).copied() {
                stake.set((agreement, index), Some(Job { worth: job.when_done, runs: false, ..job }));
            }
        }
    }

    /// A result is owed nothing: its requestor said that it refuses it.
    pub(super) fn refused(&mut self, agreement: B256, index: u32) {
        self.stakes.values_mut().for_each(|stake| stake.set((agreement, index), None));
    }

    /// What runs of an agreement is stopped: it was given up, or is not wanted.
    pub(super) fn stops(&mut self, provider: usize, agreement: B256) {
        self.of(provider).for_each(|stake| stake.forget(|of, job| of == agreement && job.runs));
    }

    /// A deal is given up after hours without a word: what it is worth is lost, and said to be.
    pub(super) fn abandons(&mut self, provider: usize, agreement: B256) {
        self.of(provider).for_each(|stake| stake.forget(|of, _| of == agreement));
    }

    /// A provider's memory went: what ran has to be done again, at nobody's cost but its own.
    pub(super) fn crashes(&mut self, provider: usize) {
        self.of(provider).for_each(|stake| stake.forget(|_, job| job.runs));
    }

    /// What a payer's vouchers have brought a provider in an epoch.
    pub(super) fn earns(&mut self, provider: usize, payer: Address, epoch: u32, earned: Wei) {
        let theirs = self.of(provider).filter(|stake| stake.jobs.values().any(|job| job.payer == payer));
        for stake in theirs {
            let known = stake.earned.entry(epoch).or_default();
            *known = earned.max(*known);
        }
    }

    /// The work since the last voucher must be within the credit, however it is paid. Gives the most that a requestor who
    /// never paid has had done for it.
    pub(super) fn check(&self) -> Result<Wei, String> {
        let mut most = Wei::ZERO;
        for ((provider, requestor), stake) in &self.stakes {
            let paid = stake.earned.values().fold(Wei::ZERO, |sum, earned| sum.saturating_add(*earned));
            let at_stake = stake.worth.saturating_sub(paid);
            if at_stake > stake.allowed {
                return Err(format!(
                    "provider {provider} has {at_stake} at stake with {requestor}, and granted {}",
                    stake.allowed
                ));
            }
            if paid == Wei::ZERO && stake.jobs.values().all(|job| !job.runs) {
                most = most.max(at_stake);
            }
        }
        Ok(most)
    }

    fn of(&mut self, provider: usize) -> impl Iterator<Item = &mut Stake> {
        self.stakes.iter_mut().filter(move |((of, _), _)| *of == provider).map(|(_, stake)| stake)
    }
}

impl Stake {
    fn set(&mut self, job: (B256, u32), to: Option<Job>) {
        let before = match to {
            Some(new) => self.jobs.insert(job, new),
            None => self.jobs.remove(&job),
        };
        let worth = |job: Option<Job>| job.map_or(Wei::ZERO, |job| job.worth);
        self.worth = self.worth.saturating_sub(worth(before)).saturating_add(worth(to));
    }

    fn forget(&mut self, which: impl Fn(B256, &Job) -> bool) {
        let gone: Vec<(B256, u32)> =
            self.jobs.iter().filter(|((agreement, _), job)| which(*agreement, job)).map(|(key, _)| *key).collect();
        gone.into_iter().for_each(|key| self.set(key, None));
    }
}
