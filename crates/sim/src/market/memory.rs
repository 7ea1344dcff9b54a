//! The open tasks that a machine heard of while it could not take them, and which of them it goes for once it can.

use super::agents::Task;
use super::scenario::TakesFirst;
use super::table::{Handle, Slab};
use std::collections::VecDeque;

/// How many lie in the machine itself: all, where nothing else is said. Reason: the newest are the likeliest to be open,
/// and with a million machines each one remembered has to be fetched.
const NEAR: usize = 8;
/// One task goes before a newer one only if it brings more by a part in so many. Reason: a node turns work down for no
/// less (`BETTER_BY` of the deal), since prices move all the time.
const BETTER_BY: u128 = 4;

/// Open tasks, each at most once.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    /// The newest last; places without one come first.
    near: [Handle; NEAR],
    /// Those before, the newest last: only where more than [`NEAR`] are to be remembered.
    // In a box: a machine has it, and nearly all machines have none.
    #[allow(clippy::box_collection)]
    older: Option<Box<VecDeque<Handle>>>,
}

impl Heard {
    pub(super) const fn new() -> Heard {
        Heard { near: [Handle::NONE; NEAR], older: None }
    }

    /// The first and the last place of those in the machine itself: who looks at them has all of it in the cache.
    pub(super) const fn ends(&self) -> (Handle, Handle) {
        let [first, .., last] = self.near;
        (first, last)
    }

    /// Remembers a task, and forgets the oldest where there would be more than `most`.
    pub(super) fn add(&mut self, task: Handle, most: usize) {
        if self.near.contains(&task) || self.older.as_ref().is_some_and(|older| older.contains(&task)) {
            return;
        }
        self.near.rotate_left(1);
        let [.., last] = &mut self.near;
        let pushed_out = std::mem::replace(last, task);
        let more = most.saturating_sub(NEAR);
        if pushed_out == Handle::NONE || more == 0 {
            // Fewer than lie here are to be remembered.
            self.near.iter_mut().take(NEAR.saturating_sub(most)).for_each(|place| *place = Handle::NONE);
            return;
        }
        let older = self.older.get_or_insert_default();
        if older.len() >= more {
            older.pop_front();
        }
        older.push_back(pushed_out);
    }

    /// Takes out the task to go for now. Those met on the way that are over are forgotten; `profit` says what an hour of
    /// work on one brings.
    pub(super) fn take(
        &mut self,
        first: TakesFirst,
        tasks: &Slab<Task>,
        now: u64,
        profit: impl Fn(&Task) -> u128,
    ) -> Option<Handle> {
        let open = |task: &Handle| tasks.get(*task).filter(|task| task.open > 0 && now < task.deadline);
        if first == TakesFirst::Newest {
            while let Some(task) = self.pop() {
                if open(&task).is_some() {
                    return Some(task);
                }
            }
            return None;
        }
        self.retain(|task| open(task).is_some());
        let mut chosen: Option<(Handle, u128)> = None;
        for task in self.newest_first() {
            let Some(of) = open(&task) else { continue };
            let brings = if first == TakesFirst::BestPaid { profit(of) } else { 0 };
            let before = |(_, least): (Handle, u128)| match first {
                TakesFirst::BestPaid => brings > least.saturating_add(least / BETTER_BY),
                TakesFirst::Oldest | TakesFirst::Newest => true,
            };
            if chosen.is_none_or(before) {
                chosen = Some((task, brings));
            }
        }
        let (chosen, _) = chosen?;
        self.retain(|task| *task != chosen);
        Some(chosen)
    }

    fn newest_first(&self) -> impl Iterator<Item = Handle> {
        let older = self.older.iter().flat_map(|older| older.iter().rev());
        self.near.iter().rev().filter(|task| **task != Handle::NONE).chain(older).copied()
    }

    /// Takes out the newest.
    fn pop(&mut self) -> Option<Handle> {
        let next = self.older.as_mut().and_then(|older| older.pop_back()).unwrap_or(Handle::NONE);
        self.near.rotate_right(1);
        let [newest, ..] = &mut self.near;
        Some(std::mem::replace(newest, next)).filter(|task| *task != Handle::NONE)
    }

    fn retain(&mut self, kept: impl Fn(&Handle) -> bool) {
        let mut left = [Handle::NONE; NEAR];
        let near = self.near.iter().rev().filter(|task| **task != Handle::NONE && kept(task));
        left.iter_mut().rev().zip(near).for_each(|(place, task)| *place = *task);
        if let Some(older) = &mut self.older {
            older.retain(&kept);
            for place in left.iter_mut().rev().filter(|place| **place == Handle::NONE) {
                *place = older.pop_back().unwrap_or(Handle::NONE);
            }
        }
        self.near = left;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use golem_market::HeaderTerms;
    use golem_protocol::{Pricing, Wei};

    fn task(uid: u64) -> Task {
        let terms = HeaderTerms { max_price: Wei(1), min_perf: 0, subtask_timeout_s: 1, pricing: Pricing::Tender };
        Task {
            buyer: 0,
            uid,
            terms,
            work_ms: 1,
            value: 1.0,
            created: 0,
            deadline: 1,
            total: 1,
            open: 1,
            running: 0,
            broadcasts: 0,
            pause: 0,
            broadcast_at: 0,
            hand_out_at: 0,
            window_ends: 0,
            offers: Vec::new(),
            hedging: None,
        }
    }

    fn handles(slab: &mut Slab<Task>, count: usize) -> Vec<Handle> {
        (0..count).map(|n| slab.insert(task(n as u64))).collect()
    }

    /// All that are remembered, in the order in which they are gone for.
    fn drain(heard: &mut Heard, first: TakesFirst, slab: &Slab<Task>) -> Vec<Handle> {
        std::iter::from_fn(|| heard.take(first, slab, 0, |task| u128::from(task.uid % 10))).collect()
    }

    #[test]
    fn remembers_the_newest_so_many_and_each_once() {
        for most in [1, 5, 8, 9, 30] {
            let mut slab = Slab::new();
            let all = handles(&mut slab, 40);
            let mut heard = Heard::new();
            for task in &all {
                heard.add(*task, most);
                heard.add(*task, most);
            }
            let newest: Vec<Handle> = all.iter().rev().take(most).copied().collect();
            assert_eq!(drain(&mut heard.clone(), TakesFirst::Newest, &slab), newest, "of {most}");
            let oldest: Vec<Handle> = newest.iter().rev().copied().collect();
            assert_eq!(drain(&mut heard, TakesFirst::Oldest, &slab), oldest, "of {most}");
        }
    }

    #[test]
    fn taking_one_makes_room_and_forgets_no_other() {
        let mut slab = Slab::new();
        let all = handles(&mut slab, 10);
        let mut heard = Heard::new();
        all.iter().take(8).for_each(|task| heard.add(*task, 8));
        assert_eq!(heard.take(TakesFirst::Newest, &slab, 0, |_| 0), Some(all[7]));
        heard.add(all[8], 8);
        assert_eq!(drain(&mut heard, TakesFirst::Oldest, &slab).len(), 8);
    }

    #[test]
    fn goes_for_what_brings_a_quarter_more_and_else_for_the_newest() {
        let mut slab = Slab::new();
        let all = handles(&mut slab, 20);
        let mut heard = Heard::new();
        // They bring 4, 5, 8 and 9: from 4 to 5 and from 8 to 9 is no more than a quarter.
        for n in [18, 9, 5, 14] {
            heard.add(all[n], 8);
        }
        assert_eq!(heard.clone().take(TakesFirst::BestPaid, &slab, 0, |task| u128::from(task.uid % 10)), Some(all[9]));
        let mut equal = Heard::new();
        [5, 14].into_iter().for_each(|n| equal.add(all[n], 8));
        assert_eq!(equal.take(TakesFirst::BestPaid, &slab, 0, |task| u128::from(task.uid % 10)), Some(all[14]));
    }

    #[test]
    fn forgets_what_is_over() {
        let mut slab = Slab::new();
        let all = handles(&mut slab, 12);
        let mut heard = Heard::new();
        all.iter().for_each(|task| heard.add(*task, 12));
        [0, 3, 11].into_iter().for_each(|n| drop(slab.remove(all[n])));
        for first in [TakesFirst::Newest, TakesFirst::Oldest, TakesFirst::BestPaid] {
            assert_eq!(drain(&mut heard.clone(), first, &slab).len(), 9, "{first:?}");
        }
    }
}
