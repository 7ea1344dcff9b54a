//! How much one peer may send: token buckets, and strikes for going over.

use std::time::Instant;

use crate::limits::NetworkLimits;

/// One strike is forgiven in this many seconds.
const SECONDS_PER_STRIKE: f64 = 5.0;

/// Tokens that refill with time, up to a burst.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    tokens: f64,
    burst: f64,
    per_second: f64,
    filled: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn new(burst: f64, per_second: f64, now: Instant) -> Bucket {
        Bucket { tokens: burst, burst, per_second, filled: now }
    }

    /// Takes `count` tokens, or none and returns false.
    pub(crate) fn take(&mut self, count: f64, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = now;
        self.tokens = (self.tokens + elapsed * self.per_second).min(self.burst);
        let enough = self.tokens >= count;
        if enough {
            self.tokens -= count;
        }
        enough
    }
}

/// What became of something a peer sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Within its rate.
    Admitted,
    /// Over its rate, or wrong: not taken.
    Refused,
    /// Refused too often: to be disconnected.
    Flooding,
}

/// The buckets of one connected peer.
#[derive(Debug)]
pub(crate) struct PeerRate {
    messages: Bucket,
    bytes: Bucket,
    relayed: Bucket,
    requests: Bucket,
    strikes: Bucket,
}

/// Content requests are small and answered from disk: one fetch at 1 GiB/s asks 4,096 pieces a second.
const CONTENT_REQUESTS_PER_SECOND: f64 = 4096.0;

/// A neighbour passes on the gossip of many: each author has a rate of its own, a neighbour this many times as much.
const RELAY_FACTOR: f64 = 50.0;

impl PeerRate {
    pub(crate) fn new(limits: &NetworkLimits, now: Instant) -> PeerRate {
        PeerRate {
            messages: Bucket::new(limits.messages_burst.into(), limits.messages_per_second.into(), now),
            bytes: Bucket::new(limits.bytes_burst.into(), limits.bytes_per_second.into(), now),
            relayed: Bucket::new(
                RELAY_FACTOR * f64::from(limits.gossip_burst),
                RELAY_FACTOR * f64::from(limits.gossip_per_second),
                now,
            ),
            requests: Bucket::new(CONTENT_REQUESTS_PER_SECOND, CONTENT_REQUESTS_PER_SECOND, now),
            strikes: Bucket::new(limits.strikes_max.into(), 1.0 / SECONDS_PER_STRIKE, now),
        }
    }

    /// Counts a message of `bytes`.
    pub(crate) fn message(&mut self, bytes: usize, now: Instant) -> Admission {
        let within = self.messages.take(1.0, now) && self.bytes.take(bytes as f64, now);
        if within { Admission::Admitted } else { self.strike(now) }
    }

    /// Counts gossip of `bytes` that the peer passes on, for itself or for others.
    pub(crate) fn relayed(&mut self, bytes: usize, now: Instant) -> Admission {
        let within = self.relayed.take(1.0, now) && self.bytes.take(bytes as f64, now);
        if within { Admission::Admitted } else { self.strike(now) }
    }

    /// Counts a request for content.
    pub(crate) fn request(&mut self, now: Instant) -> Admission {
        if self.requests.take(1.0, now) { Admission::Admitted } else { self.strike(now) }
    }

    /// Counts something no honest peer does.
    pub(crate) fn strike(&mut self, now: Instant) -> Admission {
        if self.strikes.take(1.0, now) { Admission::Refused } else { Admission::Flooding }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn refuses_over_the_burst_then_counts_strikes_then_calls_it_flooding() {
        let limits = NetworkLimits {
            messages_burst: 3,
            messages_per_second: 1,
            bytes_burst: 100,
            bytes_per_second: 10,
            strikes_max: 2,
            ..NetworkLimits::default()
        };
        let start = Instant::now();
        let mut rate = PeerRate::new(&limits, start);
        let seen: Vec<_> = (0..6).map(|_| rate.message(1, start)).collect();
        use Admission::*;
        assert_eq!(seen, [Admitted, Admitted, Admitted, Refused, Refused, Flooding]);
        assert_eq!(rate.message(1, start + Duration::from_secs(1)), Admitted);
        assert_eq!(rate.message(101, start + Duration::from_secs(10)), Refused, "bytes count too");
    }
}
