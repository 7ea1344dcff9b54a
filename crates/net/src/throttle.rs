//! How much content may pass, in one direction: pieces are spread over time, and those behind too long a queue refused.

use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The longest a piece waits for its turn. Reason: the asker gives up after a request's timeout of 20 s, and the piece
/// has to travel as well.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The most content that may pass each way; `None` is as fast as the link.
///
/// Units: bytes per second, of content alone: messages and gossip have bounds of their own, far below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bandwidth {
    /// What is fetched.
    pub download: Option<NonZeroU64>,
    /// What is served to others.
    pub upload: Option<NonZeroU64>,
}

/// One direction.
pub(crate) struct Throttle {
    per_second: Option<NonZeroU64>,
    /// When all that was let through has passed.
    free_at: Mutex<Option<Instant>>,
}

impl Throttle {
    pub(crate) fn new(per_second: Option<NonZeroU64>) -> Throttle {
        Throttle { per_second, free_at: Mutex::new(None) }
    }

    /// How long these bytes wait for their turn; `None`, and no place is taken, where that is too long.
    fn reserve(&self, bytes: usize, now: Instant) -> Option<Duration> {
        let Some(per_second) = self.per_second else { return Some(Duration::ZERO) };
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = free_at.map_or(now, |at| at.max(now));
        let wait = begins - now;
        if wait > WAIT_MAX {
            return None;
        }
        let passes = Duration::from_secs_f64(bytes as f64 / per_second.get() as f64);
        *free_at = begins.checked_add(passes);
        Some(wait)
    }

    /// Waits for the turn of these bytes. `false` where the queue is too long: to be asked again later.
    pub(crate) async fn pass(&self, bytes: usize) -> bool {
        match self.reserve(bytes, Instant::now()) {
            Some(wait) => {
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                }
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_no_more_through_than_its_rate() {
        let throttle = Throttle::new(NonZeroU64::new(1000));
        let start = Instant::now();
        let waits: Vec<_> = (0..4).map(|_| throttle.reserve(500, start)).collect();
        let half = Duration::from_millis(500);
        assert_eq!(waits, [Some(Duration::ZERO), Some(half), Some(2 * half), Some(3 * half)]);
        assert_eq!(
            throttle.reserve(500, start + Duration::from_secs(1)),
            Some(2 * half),
            "what passed is not waited for"
        );
        assert_eq!(
            throttle.reserve(500, start + Duration::from_secs(60)),
            Some(Duration::ZERO),
            "an idle link saves nothing up"
        );
    }

    #[test]
    fn refuses_what_would_wait_longer_than_the_asker_does() {
        let throttle = Throttle::new(NonZeroU64::new(100));
        let start = Instant::now();
        assert_eq!(throttle.reserve(501, start), Some(Duration::ZERO));
        assert_eq!(throttle.reserve(1, start), None);
        assert_eq!(throttle.reserve(1, start + Duration::from_millis(20)), Some(Duration::from_millis(4990)));
    }

    #[test]
    fn holds_nothing_back_without_a_rate() {
        let throttle = Throttle::new(None);
        assert_eq!(throttle.reserve(usize::MAX, Instant::now()), Some(Duration::ZERO));
    }
}
