//! What happened, for whoever watches: a bounded memory of the latest events, and streams of those to come.

use golem_deal::{Near, ProviderEvent, RequestorEvent};
use golem_market::Held;
use golem_protocol::{Address, B256, ByteCount, NodeId, Wei};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::broadcast;

/// How many events are kept for those who ask late, and how far a watcher may fall behind. Reason: some hundred bytes
/// each; a screen that misses more shows the status instead.
pub const EVENTS_KEPT_MAX: usize = 1024;

/// What a provider's owner may want to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderNotice {
    /// Something in a deal.
    Deal(ProviderEvent),
    /// A subtask was started.
    ComputeStarted {
        /// The agreement's digest.
        agreement: B256,
        /// Which subtask.
        index: u32,
    },
    /// Vouchers were claimed on the chain.
    Claimed {
        /// The transaction.
        transaction: B256,
        /// What it paid in all.
        paid: Wei,
        /// From how many payers.
        payers: usize,
    },
    /// A claim did not go through; vouchers are kept, and it is tried again.
    ClaimFailed {
        /// Why.
        detail: String,
    },
    /// A channel ended before all that was held of it was claimed: the rest cannot be claimed any more.
    Lost {
        /// Whose channel.
        payer: Address,
        /// What was held and never paid.
        lost: Wei,
        /// What was claimed in that epoch, in all.
        claimed: Wei,
    },
    /// Something about the node itself.
    Node(NodeNotice),
}

/// What a requestor's owner may want to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestorNotice {
    /// Something in a task.
    Deal(RequestorEvent),
    /// A channel was opened or topped up.
    Funded {
        /// To whom.
        payee: Address,
        /// By how much.
        amount: Wei,
        /// The transaction; `None` where the deposit was there already.
        transaction: Option<B256>,
    },
    /// Nothing is under way, and none of the offers that stand is taken yet.
    OffersWait {
        /// For which task.
        header: B256,
        /// How many offers stand.
        offers: u32,
        /// What is waited for; nothing where their providers are out of reach.
        held: Held,
    },
    /// Subtasks wait for a provider that has no copy of them: see [`RequestorEvent::CopiesWait`].
    CopiesWait {
        /// For which task.
        header: B256,
        /// How many subtasks.
        subtasks: u32,
        /// How many different providers each is to have.
        copies: u8,
        /// An offer that is not taken for its address alone, where there is one.
        near: Option<Near>,
        /// Offers that are not taken for their price, or for doubt.
        held: Held,
    },
    /// A wrong result that somebody else told of was looked at, before work was given to its provider.
    ProofLookedAt {
        /// Whose result.
        provider: NodeId,
        /// Who told of it.
        accuser: NodeId,
        /// What came of it, for people.
        found: String,
    },
    /// A provider begins to fetch the program, which is large: it compiles it then, before its first subtask.
    ProgramFetched {
        /// For which task.
        header: B256,
        /// Who.
        provider: NodeId,
        /// How long it is.
        size: ByteCount,
    },
    /// Something about the node itself.
    Node(NodeNotice),
}

impl RequestorNotice {
    /// The task that it is of, where it is of one.
    pub fn task(&self) -> Option<B256> {
        match self {
            RequestorNotice::OffersWait { header, .. }
            | RequestorNotice::CopiesWait { header, .. }
            | RequestorNotice::ProgramFetched { header, .. } => Some(*header),
            RequestorNotice::Deal(
                RequestorEvent::Offered { header, .. }
                | RequestorEvent::Agreed { header, .. }
                | RequestorEvent::Accepted { header, .. }
                | RequestorEvent::OwnRun { header, .. }
                | RequestorEvent::Hedged { header, .. }
                | RequestorEvent::KnownGiven { header, .. }
                | RequestorEvent::CopiesWait { header, .. }
                | RequestorEvent::Rejected { header, .. }
                | RequestorEvent::FoundWrong { header, .. }
                | RequestorEvent::Freed { header, .. }
                | RequestorEvent::OffersWait { header, .. }
                | RequestorEvent::BudgetReached { header, .. }
                | RequestorEvent::Finished { header, .. },
            ) => Some(*header),
            RequestorNotice::Deal(
                RequestorEvent::Refused { .. }
                | RequestorEvent::RefusedByPeer { .. }
                | RequestorEvent::DepositUndone { .. }
                | RequestorEvent::CloseUndone { .. }
                | RequestorEvent::FundFailed { .. },
            )
            | RequestorNotice::Funded { .. }
            | RequestorNotice::ProofLookedAt { .. }
            | RequestorNotice::Node(_) => None,
        }
    }
}

/// What concerns the node and not a deal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeNotice {
    /// The chain's endpoint does not answer; nothing new is agreed until it does.
    ChainLost {
        /// What it said.
        detail: String,
    },
    /// The chain's endpoint answers again.
    ChainFound,
    /// The disk is full: no new work is taken, and what is signed waits for room.
    DiskFull {
        /// What the store said.
        detail: String,
    },
    /// The disk has room again.
    DiskFreed,
    /// The owner wants the machine: nothing is begun, and what waits is given back.
    Resting {
        /// Why.
        reason: String,
    },
    /// Work is taken again.
    Rested,
    /// The trace of this run ends here; the node goes on.
    TraceEnded {
        /// Why.
        detail: String,
    },
    /// The node is stopping.
    Stopping {
        /// Why.
        reason: String,
    },
}

/// An event with its number and time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamped<E> {
    /// Counts the events of this run from 1.
    pub seq: u64,
    /// When, in milliseconds since 1970 on this machine's clock.
    pub at_ms: u64,
    /// What.
    pub event: E,
}

/// What a watcher gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watched<E> {
    /// The next event.
    Event(Stamped<E>),
    /// The watcher was too slow, and this many events are lost to it.
    Missed(u64),
}

/// The events to come, in order.
pub struct EventStream<E> {
    receiver: broadcast::Receiver<Stamped<E>>,
}

impl<E: Clone> EventStream<E> {
    /// The next event; `None` once the node has stopped.
    pub async fn next(&mut self) -> Option<Watched<E>> {
        match self.receiver.recv().await {
            Ok(event) => Some(Watched::Event(event)),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Watched::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// Where the loop puts events and watchers take them.
pub(crate) struct EventLog<E> {
    inner: Arc<Mutex<Inner<E>>>,
}

impl<E> Clone for EventLog<E> {
    fn clone(&self) -> Self {
        EventLog { inner: self.inner.clone() }
    }
}

struct Inner<E> {
    next: u64,
    kept: VecDeque<Stamped<E>>,
    /// Gone once the node has stopped, which ends every stream.
    sender: Option<broadcast::Sender<Stamped<E>>>,
}

impl<E: Clone> EventLog<E> {
    pub(crate) fn new() -> EventLog<E> {
        let (sender, _) = broadcast::channel(EVENTS_KEPT_MAX);
        EventLog { inner: Arc::new(Mutex::new(Inner { next: 1, kept: VecDeque::new(), sender: Some(sender) })) }
    }

    pub(crate) fn post(&self, event: E, at_ms: u64) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let stamped = Stamped { seq: inner.next, at_ms, event };
        inner.next += 1;
        if inner.kept.len() == EVENTS_KEPT_MAX {
            inner.kept.pop_front();
        }
        inner.kept.push_back(stamped.clone());
        if let Some(sender) = &inner.sender {
            // No watcher is no fault.
            let _ = sender.send(stamped);
        }
    }

    pub(crate) fn stream(&self) -> EventStream<E> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = match &inner.sender {
            Some(sender) => sender.subscribe(),
            // A channel whose sender is dropped at once: the stream has ended.
            None => broadcast::channel(1).1,
        };
        EventStream { receiver }
    }

    /// The kept events after `seq`, oldest first.
    pub(crate) fn since(&self, seq: u64) -> Vec<Stamped<E>> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.kept.iter().filter(|event| event.seq > seq).cloned().collect()
    }

    /// Ends every stream.
    pub(crate) fn close(&self) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).sender = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_a_bounded_number_and_counts_on() {
        let log = EventLog::new();
        for number in 0..EVENTS_KEPT_MAX as u64 + 5 {
            log.post(number, 0);
        }
        let kept = log.since(0);
        assert_eq!(kept.len(), EVENTS_KEPT_MAX);
        assert_eq!(kept[0].seq, 6);
        assert_eq!(log.since(EVENTS_KEPT_MAX as u64 + 4).len(), 1);
    }

    #[tokio::test]
    async fn tells_a_slow_watcher_how_much_it_missed() {
        let log = EventLog::new();
        let mut stream = log.stream();
        for number in 0..EVENTS_KEPT_MAX as u64 + 3 {
            log.post(number, 0);
        }
        assert_eq!(stream.next().await, Some(Watched::Missed(3)));
        assert!(matches!(stream.next().await, Some(Watched::Event(event)) if event.seq == 4));
    }

    #[tokio::test]
    async fn ends_streams_when_closed() {
        let log: EventLog<u8> = EventLog::new();
        let mut early = log.stream();
        log.close();
        assert_eq!(early.next().await, None);
        assert_eq!(log.stream().next().await, None);
    }
}
