//! What happens next: events by time, those of the same moment in the order in which they were put in.

/// Bits of a time that one level of buckets looks at.
const BITS: u32 = 6;
const DIGITS: usize = 1 << BITS;
const LEVELS: usize = (u64::BITS as usize).div_ceil(BITS as usize);
/// A bucket with no more events than this is sorted at once, and not dealt out to smaller ones.
const SORTED: usize = 64;
/// With more events than this the sorted ones are dealt out after all. Reason: each further one moves the others.
const SORTED_MAX: usize = 2 * SORTED;
/// An emptied bucket keeps memory for at most so many events. Reason: the large ones are filled once in a long time.
const KEPT: usize = 1024;

/// Events to come.
///
/// Time never goes back, so a radix heap does (Ahuja, Mehlhorn, Orlin, Tarjan: Faster algorithms for the shortest path
/// problem, 1990), with digits of six bits: a bucket holds the times that differ from `base` first in one digit, and have
/// the same digit there. Few events are sorted instead, as in a ladder queue (Tang, Goh, Thng, 2005). Events of one moment
/// are always in the same place, and are moved in order: so ties need no number.
#[derive(Debug)]
pub struct Queue<E> {
    /// When the last event taken happened.
    now: u64,
    /// What digits are compared with: no event in a bucket is before it.
    base: u64,
    len: usize,
    /// The next ones, the last of these first: by time, those of one moment in the order reversed.
    near: Vec<(u64, E)>,
    /// Events before this belong among the next ones.
    near_end: u64,
    /// By level and digit.
    buckets: Vec<Vec<(u64, E)>>,
    /// Which digits of a level have events.
    filled: [u64; LEVELS],
}

impl<E: Copy> Queue<E> {
    /// Nothing to come.
    pub fn new() -> Queue<E> {
        Queue {
            now: 0,
            base: 0,
            len: 0,
            near: Vec::new(),
            near_end: 0,
            buckets: (0..LEVELS * DIGITS).map(|_| Vec::new()).collect(),
            filled: [0; LEVELS],
        }
    }

    /// How many events are to come.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts an event in. What should have happened already happens next.
    #[inline]
    pub fn push(&mut self, at: u64, event: E) {
        let at = at.max(self.now);
        self.len += 1;
        if at >= self.near_end {
            return self.put(at, event);
        }
        if self.near.len() >= SORTED_MAX {
            self.spread();
            return self.put(at, event);
        }
        // After those of the same moment, which is before them in the list.
        let place = self.near.partition_point(|(other, _)| *other > at);
        self.near.insert(place, (at, event));
    }

    /// Whether the next ones had to be found anew; [`Queue::near`] gives them. Nothing may be put in before [`Queue::pop`],
    /// which does the same.
    #[inline]
    pub(super) fn draw_near(&mut self) -> bool {
        self.near.is_empty() && self.refill().is_some()
    }

    /// Those of the next ones that are in order already.
    pub(super) fn near(&self) -> impl Iterator<Item = &(u64, E)> {
        self.near.iter().rev()
    }

    /// Takes the next one.
    #[inline]
    pub fn pop(&mut self) -> Option<(u64, E)> {
        self.draw_near();
        let next = self.near.pop()?;
        self.len -= 1;
        self.now = next.0;
        Some(next)
    }

    /// Into the bucket of the highest digit in which it differs, or into the lowest where it does in none.
    #[inline]
    fn put(&mut self, at: u64, event: E) {
        let level = (((at ^ self.base) | 1).ilog2() / BITS) as usize;
        let digit = (at >> (level as u32 * BITS)) as usize % DIGITS;
        if let (Some(bucket), Some(filled)) = (self.buckets.get_mut(level * DIGITS + digit), self.filled.get_mut(level))
        {
            bucket.push((at, event));
            *filled |= 1 << digit;
        }
    }

    /// Finds the next ones.
    fn refill(&mut self) -> Option<()> {
        loop {
            let level = self.filled.iter().position(|filled| *filled != 0)?;
            let filled = self.filled.get_mut(level)?;
            let digit = filled.trailing_zeros();
            *filled &= *filled - 1;
            let place = level * DIGITS + digit as usize;
            let shift = level as u32 * BITS;
            // All digits below are those of the first moment that this bucket can hold.
            let above = u64::MAX.checked_shl(shift + BITS).unwrap_or(0);
            self.base = (self.base & above) | (u64::from(digit) << shift);
            let bucket = self.buckets.get_mut(place)?;
            if level == 0 {
                // All of one moment: what is put in from now on comes after them.
                std::mem::swap(bucket, &mut self.near);
                self.near.reverse();
                self.near_end = self.base;
                return Some(());
            }
            if bucket.len() <= SORTED {
                std::mem::swap(bucket, &mut self.near);
                self.near.reverse();
                self.near.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
                self.near_end = self.base.saturating_add(1 << shift);
                return Some(());
            }
            let mut events = std::mem::take(bucket);
            events.drain(..).for_each(|(at, event)| self.put(at, event));
            if events.capacity() <= KEPT
                && let Some(bucket) = self.buckets.get_mut(place)
            {
                *bucket = events;
            }
        }
    }

    /// Deals the sorted ones out to buckets.
    fn spread(&mut self) {
        self.base = self.now;
        self.near_end = self.now;
        let mut events = std::mem::take(&mut self.near);
        events.drain(..).rev().for_each(|(at, event)| self.put(at, event));
        self.near = events;
    }
}

impl<E: Copy> Default for Queue<E> {
    fn default() -> Queue<E> {
        Queue::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Stream;

    #[test]
    fn gives_events_by_time_and_those_of_one_moment_in_order() {
        let mut stream = Stream::new(1, 2, 3);
        let (mut queue, mut sorted) = (Queue::new(), std::collections::BTreeSet::new());
        let mut now = 0;
        for number in 0..20_000u64 {
            // Now and then far away, and long stretches in which many come close together.
            let far = 1 << stream.between(0, if number / 2_000 % 2 == 0 { 40 } else { 8 });
            let at = now + stream.between(0, far) / 4;
            queue.push(at, number);
            sorted.insert((at, number));
            if stream.per_mille(450) {
                let next = queue.pop();
                assert_eq!(next, sorted.pop_first());
                now = next.map_or(now, |(at, _)| at);
            }
        }
        while let Some(next) = queue.pop() {
            assert_eq!(Some(next), sorted.pop_first());
        }
        assert!(sorted.is_empty() && queue.is_empty());
    }

    #[test]
    fn what_should_have_happened_already_happens_next_and_the_end_of_time_is_a_time() {
        let mut queue = Queue::new();
        queue.push(u64::MAX, 0);
        queue.push(7, 1);
        assert_eq!(queue.pop(), Some((7, 1)));
        queue.push(3, 2);
        queue.push(7, 3);
        assert_eq!([queue.pop(), queue.pop(), queue.pop()], [Some((7, 2)), Some((7, 3)), Some((u64::MAX, 0))]);
        queue.push(0, 4);
        assert_eq!(queue.pop(), Some((u64::MAX, 4)));
        assert_eq!(queue.pop(), None);
    }
}
