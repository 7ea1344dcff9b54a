//! What happens next: events by time, those of the same moment in the order in which they were put in.

/// One bucket for each bit in which a time can differ from the last one taken, and one for none.
const BUCKETS: usize = 65;

/// Events to come.
///
/// Time never goes back, so a radix heap does (Ahuja, Mehlhorn, Orlin, Tarjan: Faster algorithms for the shortest path
/// problem, 1990): bucket `k` holds what differs from the last time taken in bit `k - 1` and in none above it. Events of
/// one moment are always in the same bucket, and are moved in order: so ties need no number.
#[derive(Debug)]
pub struct Queue<E> {
    last: u64,
    len: usize,
    /// The last of this one is the next to come: reversed, all of one moment.
    now: Vec<(u64, E)>,
    buckets: Vec<Vec<(u64, E)>>,
}

impl<E: Copy> Queue<E> {
    /// Nothing to come.
    pub fn new() -> Queue<E> {
        Queue { last: 0, len: 0, now: Vec::new(), buckets: (0..BUCKETS).map(|_| Vec::new()).collect() }
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
    pub fn push(&mut self, at: u64, event: E) {
        let at = at.max(self.last);
        let bucket = (64 - (at ^ self.last).leading_zeros()) as usize;
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            bucket.push((at, event));
            self.len += 1;
        }
    }

    /// Takes the next one.
    pub fn pop(&mut self) -> Option<(u64, E)> {
        if self.now.is_empty() {
            self.refill()?;
        }
        let next = self.now.pop();
        self.len -= usize::from(next.is_some());
        next
    }

    fn refill(&mut self) -> Option<()> {
        let lowest = self.buckets.iter().position(|bucket| !bucket.is_empty())?;
        let (near, far) = self.buckets.split_at_mut(lowest);
        let bucket = far.first_mut()?;
        if lowest > 0 {
            self.last = bucket.iter().map(|(at, _)| *at).min()?;
            for (at, event) in bucket.drain(..) {
                let place = (64 - (at ^ self.last).leading_zeros()) as usize;
                near.get_mut(place)?.push((at, event));
            }
        }
        let first = self.buckets.first_mut()?;
        std::mem::swap(first, &mut self.now);
        self.now.reverse();
        Some(())
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
            let far = 1 << stream.between(0, 20);
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
}
