//! Speeds that were promised, and speeds that were seen.
//!
//! Start with [`Promises::timed`]. An offer names a performance, which goes into the agreement as its rate of fuel; the
//! report names the fuel that was burnt; this node's own clock knows how long that took. Only the first two are signed by
//! the provider: what is seen here counts here, and proves nothing to others.
//!
//! A provider cannot know how fast a program runs that it never ran, so it promises its benchmark at first and may be wrong
//! by any factor. What counts against it is a promise that it makes again after it delivered enough of that program here to
//! know better ([`Promises::said`]), and breaks by more than a factor of [`BROKEN_TIMES`], and does so in nearly all of its
//! results: each of them may be late for a reason that nobody is to blame for. A machine that several requestors share looks
//! slow to each of them as well, and cannot be told from one that is: so a refusal ends, see [`REFUSED_MS`].

use crate::Book;
use golem_protocol::{ByteCount, ContentHash, Fuel, LocalTime, NodeId};
use serde::{Deserialize, Serialize};

/// The most pairs of provider and program that are remembered. Reason: some hundred bytes each, in one record; what was not
/// seen for longest goes first.
pub const PAIRS_MAX: usize = 4_096;
/// The first results of a program that are not timed. Reason: the module is fetched and compiled, and the provider learns
/// how fast the program runs ([`crate::speed`] needs as many).
pub const WARM_UP_RESULTS: u32 = 3;
/// From how many timed results on they say something.
pub const RESULTS_MIN: u32 = 3;
/// By which factor a result has to be slower than promised. Reason: a machine has other work too, and clocks, networks and
/// checks take their time.
pub const BROKEN_TIMES: u64 = 2;
/// The share of results that have to be slower, in tenths.
const BROKEN_TENTHS: u32 = 9;
/// How long a promise is refused, in milliseconds; then the provider is timed anew. Reason: it may have been shared by
/// others or had other work, and who is never dealt with can never show that it is over.
pub const REFUSED_MS: u64 = 3_600_000;
/// What is not held against a result, in milliseconds: starting a program, and messages on their way.
const SLACK_MS: u64 = 3_000;
/// How fast an input is fetched at least, in bytes per millisecond. Reason: 2 Mbit/s are a bad line.
const INPUT_BYTES_PER_MS: u64 = 250;
/// How many results vote; then half of the votes are forgotten. Reason: machines change hands and loads.
const VOTES_MAX: u32 = 32;
/// How much running time is remembered, in milliseconds; then half of it is forgotten.
const RUN_MS_MAX: u64 = 600_000;
/// How much longer all results together may take than promised, as a fraction, before the promise is not believed.
const NOISE: (u128, u128) = (5, 4);

/// An accepted result, as this node's clock saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedResult {
    /// Whose.
    pub provider: NodeId,
    /// Of which program.
    pub program: ContentHash,
    /// Fuel per second, as agreed.
    pub promised: u64,
    /// What it burnt.
    pub fuel: Fuel,
    /// From when it could be begun to when its report came, in milliseconds.
    pub took_ms: u64,
    /// What of the task's inputs had to be fetched first, at most.
    pub input_max: ByteCount,
    /// Whether it was among the first [`WARM_UP_RESULTS`] that were reported of its program: one that is run again is accepted
    /// after others.
    pub first: bool,
}

impl TimedResult {
    /// How long it was computed at least, in milliseconds: what may have been anything else is taken off.
    pub fn least_ms(&self) -> u64 {
        self.took_ms.saturating_sub(SLACK_MS).saturating_sub(self.input_max.0 / INPUT_BYTES_PER_MS)
    }

    fn promised_ms(&self) -> u64 {
        let ms = u128::from(self.fuel.0).saturating_mul(1000) / u128::from(self.promised.max(1));
        u64::try_from(ms).unwrap_or(u64::MAX)
    }

    fn is_broken(&self) -> bool {
        self.least_ms() > self.promised_ms().saturating_mul(BROKEN_TIMES)
    }
}

/// What was seen of one provider at one program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivered {
    /// All results, those of the warm-up included.
    pub results: u32,
    /// Those that were timed.
    pub timed: u32,
    /// The fuel of those.
    fuel: u64,
    /// How long those took: never less than promised.
    run_ms: u64,
    /// How long those should have taken.
    due_ms: u64,
    /// The last promise that was agreed on, in fuel per second.
    pub promised: u64,
    /// The last promise that was offered after the warm-up.
    said: Option<u64>,
    /// How many promises that were made knowingly were kept of late.
    pub kept: u32,
    /// How many were not.
    pub broken: u32,
    /// Since when such a promise is refused.
    refused: Option<LocalTime>,
    touched: u64,
}

impl Delivered {
    /// Fuel per second, where enough was timed to say so. Never more than was promised for each result.
    pub fn per_second(&self) -> Option<u64> {
        let rate = u128::from(self.fuel).saturating_mul(1000).checked_div(u128::from(self.run_ms))?;
        (self.timed >= RESULTS_MIN).then(|| u64::try_from(rate).unwrap_or(u64::MAX).max(1))
    }

    /// The same, where it is less than was promised. What was promised and kept is no bound.
    fn less(&self) -> Option<u64> {
        let (run, due) = (u128::from(self.run_ms), u128::from(self.due_ms));
        self.per_second().filter(|_| run * NOISE.1 > due * NOISE.0)
    }

    /// Whether promises were made knowingly and are mostly broken.
    pub fn overstates(&self) -> bool {
        self.broken >= RESULTS_MIN && self.broken * 10 >= (self.broken + self.kept) * BROKEN_TENTHS
    }
}

/// What was seen of everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promises {
    pairs: Book<(NodeId, ContentHash), Delivered>,
    results: u64,
}

/// A promise that is refused, since it was broken before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overstated {
    /// What is offered, in fuel per second.
    pub promised: u64,
    /// What was seen.
    pub seen: u64,
    /// How many results broke such a promise.
    pub results: u32,
}

impl Promises {
    /// A result was accepted. Tells whether a promise made knowingly was broken by it, which makes its documents worth
    /// keeping.
    pub fn timed(&mut self, result: &TimedResult) -> bool {
        self.results = self.results.saturating_add(1);
        let key = (result.provider, result.program);
        let mut seen = self.pairs.get(&key).copied().unwrap_or_default();
        seen.touched = self.results;
        seen.promised = result.promised;
        seen.results = seen.results.saturating_add(1);
        let mut is_broken = false;
        if seen.results > WARM_UP_RESULTS && !result.first {
            seen.timed = seen.timed.saturating_add(1);
            seen.fuel = seen.fuel.saturating_add(result.fuel.0);
            let due_ms = result.promised_ms().max(1);
            seen.due_ms = seen.due_ms.saturating_add(due_ms);
            seen.run_ms = seen.run_ms.saturating_add(result.least_ms().max(due_ms));
            while seen.run_ms > RUN_MS_MAX {
                (seen.fuel, seen.run_ms, seen.due_ms) = (seen.fuel / 2, seen.run_ms / 2, seen.due_ms / 2);
            }
            if seen.said.is_some_and(|said| result.promised <= said) {
                is_broken = result.is_broken();
                if is_broken { seen.broken += 1 } else { seen.kept += 1 }
            }
            if seen.kept + seen.broken >= VOTES_MAX {
                (seen.kept, seen.broken) = (seen.kept / 2, seen.broken / 2);
            }
        }
        if !self.pairs.contains_key(&key) && self.pairs.len() >= PAIRS_MAX {
            let oldest = self.pairs.iter().min_by_key(|(_, seen)| seen.touched).map(|(key, _)| *key);
            oldest.and_then(|oldest| self.pairs.remove(&oldest));
        }
        self.pairs.insert(key, seen);
        is_broken
    }

    /// How many results of a provider and a program were accepted.
    pub fn results(&self, provider: NodeId, program: ContentHash) -> u32 {
        self.pairs.get(&(provider, program)).map_or(0, |seen| seen.results)
    }

    /// A provider offers this performance for a program. It knows what it says, where it has delivered enough.
    ///
    /// Errors: it has said so before, and broke it; what it delivers may be offered.
    pub fn said(
        &mut self,
        provider: NodeId,
        program: ContentHash,
        performance: u64,
        now: LocalTime,
    ) -> Result<(), Overstated> {
        let Some(seen) = self.pairs.get_mut(&(provider, program)) else { return Ok(()) };
        if let Some(per_second) = seen.per_second().filter(|_| seen.overstates())
            && performance > per_second.saturating_mul(BROKEN_TIMES)
        {
            // It is saved, and a clock that was set back since is followed.
            let since = *seen.refused.insert(seen.refused.map_or(now, |since| since.min(now)));
            if now.saturating_sub(since) < REFUSED_MS {
                return Err(Overstated { promised: performance, seen: per_second, results: seen.broken });
            }
            *seen = Delivered {
                results: seen.results,
                promised: seen.promised,
                touched: seen.touched,
                ..Delivered::default()
            };
        }
        if seen.results >= WARM_UP_RESULTS {
            seen.said = Some(performance);
        }
        Ok(())
    }

    /// The performance that a promise is taken for: not more than what was seen, where that is less than was promised.
    pub fn credible(&self, provider: NodeId, program: ContentHash, promised: u64) -> u64 {
        let seen = self.pairs.get(&(provider, program)).and_then(Delivered::less);
        seen.map_or(promised, |seen| seen.min(promised))
    }

    /// What is remembered of a provider, by program.
    pub fn of(&self, provider: NodeId) -> impl Iterator<Item = (ContentHash, &Delivered)> {
        self.iter().filter(move |(other, _, _)| *other == provider).map(|(_, program, seen)| (program, seen))
    }

    /// All that is remembered, in the order of providers and programs.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, ContentHash, &Delivered)> {
        self.pairs.iter().map(|((provider, program), seen)| (*provider, *program, seen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use golem_protocol::{Address, B256};

    const PROVIDER: NodeId = NodeId(Address::repeat_byte(1));
    const PROGRAM: ContentHash = ContentHash(B256::repeat_byte(2));
    const NOW: LocalTime = LocalTime(1_000_000);
    const G: u64 = 1_000_000_000;

    /// A result of 20 G fuel: ten seconds at 2 G a second.
    fn result(promised: u64, took_ms: u64) -> TimedResult {
        let (fuel, input_max) = (Fuel(20 * G), ByteCount::from_bytes(250_000));
        TimedResult { provider: PROVIDER, program: PROGRAM, promised, fuel, took_ms, input_max, first: false }
    }

    fn after(results: &[TimedResult]) -> Promises {
        let mut promises = Promises::default();
        for result in results {
            promises.said(PROVIDER, PROGRAM, result.promised, NOW).unwrap();
            promises.timed(result);
        }
        promises
    }

    #[test]
    fn a_promise_that_is_repeated_and_broken_is_refused_and_what_is_delivered_is_not() {
        let slow = result(2 * G, 44_000);
        let mut promises = after(&[slow; 5]);
        assert_eq!(promises.credible(PROVIDER, PROGRAM, 2 * G), 2 * G, "two timed results say nothing");
        assert!(promises.timed(&slow), "its documents are worth keeping");
        assert_eq!(promises.credible(PROVIDER, PROGRAM, 2 * G), G / 2);
        let refused = Overstated { promised: 2 * G, seen: G / 2, results: 3 };
        assert_eq!(promises.said(PROVIDER, PROGRAM, 2 * G, NOW), Err(refused));
        assert_eq!(promises.said(PROVIDER, PROGRAM, G, NOW), Ok(()), "twice what is seen may still be noise");
        assert_eq!(
            promises.said(PROVIDER, ContentHash(B256::ZERO), 2 * G, NOW),
            Ok(()),
            "another program is another speed"
        );
        assert_eq!(promises.credible(PROVIDER, PROGRAM, G / 4), G / 4, "a promise is never raised");
    }

    #[test]
    fn a_refusal_ends_and_who_breaks_it_again_is_refused_again() {
        let slow = result(2 * G, 44_000);
        let mut promises = after(&[slow; 6]);
        let said = |promises: &mut Promises, hours: u64| {
            promises.said(PROVIDER, PROGRAM, 2 * G, NOW.saturating_add(hours * REFUSED_MS)).is_ok()
        };
        assert!(!said(&mut promises, 0) && said(&mut promises, 1));
        assert_eq!(promises.credible(PROVIDER, PROGRAM, 2 * G), 2 * G, "it is timed anew");
        (0..3).for_each(|_| assert!(promises.timed(&slow)));
        assert!(!said(&mut promises, 1) && !said(&mut promises, 1));
    }

    #[test]
    fn a_refusal_by_a_clock_that_was_set_back_since_ends_no_later() {
        let mut promises = after(&[result(2 * G, 44_000); 6]);
        let said = |promises: &mut Promises, times: u64| {
            promises.said(PROVIDER, PROGRAM, 2 * G, LocalTime(times * REFUSED_MS)).is_ok()
        };
        assert!(!said(&mut promises, 100) && !said(&mut promises, 1) && said(&mut promises, 2));
    }

    #[test]
    fn who_corrects_its_promise_once_it_knows_better_broke_none() {
        let mut promises = after(&[result(2 * G, 44_000); 3]);
        promises.said(PROVIDER, PROGRAM, G / 2, NOW).unwrap();
        // Agreed before it knew, and reported after.
        for _ in 0..20 {
            assert!(!promises.timed(&result(2 * G, 44_000)));
        }
        assert_eq!(promises.said(PROVIDER, PROGRAM, 2 * G, NOW), Ok(()));
        assert_eq!(promises.credible(PROVIDER, PROGRAM, 2 * G), G / 2, "seen is seen");
    }

    #[test]
    fn what_is_late_now_and_then_is_not_held_against_anybody() {
        let results: Vec<_> = (0..64).map(|n| result(2 * G, if n % 2 == 0 { 90_000 } else { 11_000 })).collect();
        let mut promises = after(&results);
        assert_eq!(promises.said(PROVIDER, PROGRAM, 2 * G, NOW), Ok(()));
        // The start, the messages and the input take a while too.
        let mut promises = after(&[result(2 * G, 24_000); 64]);
        assert_eq!(promises.said(PROVIDER, PROGRAM, 2 * G, NOW), Ok(()));
        let mut quick = result(2 * G, 3_500);
        quick.fuel = Fuel(G / 100);
        assert_eq!(after(&[quick; 64]).said(PROVIDER, PROGRAM, 2 * G, NOW), Ok(()));
        promises = after(&[result(2 * G, 14_000); 64]);
        assert_eq!(promises.credible(PROVIDER, PROGRAM, 2 * G), 2 * G);
        assert_eq!(promises.credible(PROVIDER, PROGRAM, 9 * G), 9 * G, "a kept promise is no bound for the next");
    }

    #[test]
    fn who_mends_its_ways_is_believed_again() {
        let mut promises = after(&[result(2 * G, 44_000); 6]);
        for _ in 0..40 {
            promises.said(PROVIDER, PROGRAM, G / 2, NOW).unwrap();
            promises.timed(&result(G / 2, 41_000));
        }
        assert_eq!(promises.said(PROVIDER, PROGRAM, 2 * G, NOW), Ok(()));
    }

    #[test]
    fn is_bounded_and_nothing_overflows_it() {
        let mut promises = Promises::default();
        for n in 0..=PAIRS_MAX as u64 {
            let program = ContentHash(B256::left_padding_from(&n.to_be_bytes()));
            promises.timed(&TimedResult { program, ..result(2 * G, 44_000) });
        }
        assert_eq!(promises.iter().count(), PAIRS_MAX);
        let huge = TimedResult { fuel: Fuel(u64::MAX), took_ms: u64::MAX, promised: 0, ..result(0, 0) };
        (0..200).for_each(|_| _ = promises.timed(&huge));
        assert!(promises.credible(PROVIDER, PROGRAM, u64::MAX) > 0);
    }
}
