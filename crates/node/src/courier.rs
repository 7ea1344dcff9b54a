//! Messages on their way: one queue a peer, in order, with the outcome logged and vouchers tried again.

use golem_net::{NetworkHandle, SendError};
use golem_protocol::{Message, NodeId};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Messages that wait for one peer. Reason: a task of many batches makes bursts; what matters is made again, so what
/// is beyond may be dropped.
const WAITING_PER_PEER_MAX: usize = 256;
/// Peers with a queue at a time. Reason: as many as the network has connections, four times.
const PEERS_MAX: usize = 1024;
/// How long a queue without messages is kept.
const IDLE: Duration = Duration::from_secs(30);
/// How often a message with a voucher is tried, and the pause before the second try; it doubles. Reason: nothing makes
/// it again unless the provider asks, so a short break of the network must not delay money.
const VOUCHER_TRIES: u32 = 6;
const VOUCHER_PAUSE: Duration = Duration::from_millis(250);
/// How often a message to a peer whose queue is full is tried: it has not left, and order is kept.
const BUSY_TRIES: u32 = 20;
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// What vouchers are not known to have arrived, by peer.
#[derive(Default)]
struct Vouchers {
    /// In a queue or being sent.
    on_the_way: BTreeMap<NodeId, usize>,
    /// The last one failed every try.
    undelivered: BTreeMap<NodeId, ()>,
}

/// Sends messages without making the loop wait.
pub(crate) struct Courier {
    net: NetworkHandle,
    queues: HashMap<NodeId, mpsc::Sender<Message>>,
    tasks: JoinSet<NodeId>,
    vouchers: Arc<Mutex<Vouchers>>,
    changed: watch::Sender<()>,
}

fn locked(vouchers: &Mutex<Vouchers>) -> MutexGuard<'_, Vouchers> {
    vouchers.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Courier {
    pub(crate) fn new(net: NetworkHandle) -> Courier {
        Courier {
            net,
            queues: HashMap::new(),
            tasks: JoinSet::new(),
            vouchers: Arc::default(),
            changed: watch::channel(()).0,
        }
    }

    /// Queues a message; where there is no room it is dropped, as if the network had lost it.
    pub(crate) fn send(&mut self, to: NodeId, message: Message) {
        self.reap();
        let name = message.name();
        let pays = carries_voucher(&message);
        if pays {
            *locked(&self.vouchers).on_the_way.entry(to).or_default() += 1;
        }
        let message = match self.queues.get(&to) {
            Some(queue) => match queue.try_send(message) {
                Ok(()) => return,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    return self.drop_message(to, name, pays, "its queue is full");
                }
                // Its task went idle at this moment: a new one takes over.
                Err(mpsc::error::TrySendError::Closed(message)) => message,
            },
            None => message,
        };
        if self.queues.len() >= PEERS_MAX && !self.queues.contains_key(&to) {
            return self.drop_message(to, name, pays, "too many peers have a queue");
        }
        let (sender, receiver) = mpsc::channel(WAITING_PER_PEER_MAX);
        // A new queue has room.
        let _ = sender.try_send(message);
        self.queues.insert(to, sender);
        let route = Route { net: self.net.clone(), vouchers: self.vouchers.clone(), changed: self.changed.clone(), to };
        self.tasks.spawn(route.run(receiver));
    }

    fn drop_message(&self, to: NodeId, message: &'static str, pays: bool, why: &'static str) {
        tracing::warn!(peer = %to, message, why, "message dropped");
        if pays {
            settle(&self.vouchers, &self.changed, to, false);
        }
    }

    fn reap(&mut self) {
        while let Some(ended) = self.tasks.try_join_next() {
            if let Ok(peer) = ended
                && self.queues.get(&peer).is_some_and(|queue| queue.is_closed())
            {
                self.queues.remove(&peer);
            }
        }
    }

    /// Whether no voucher is on its way.
    pub(crate) fn is_settled(&self) -> bool {
        locked(&self.vouchers).on_the_way.is_empty()
    }

    /// Told whenever a voucher has arrived, or has failed every try.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// The peers whose last voucher may not have arrived.
    pub(crate) fn undelivered(&self) -> Vec<NodeId> {
        let vouchers = locked(&self.vouchers);
        let mut open: Vec<NodeId> = vouchers.on_the_way.keys().chain(vouchers.undelivered.keys()).copied().collect();
        open.sort_unstable();
        open.dedup();
        open
    }

    /// Ends all queues: what is in them gets `bound` to leave, then is cut off.
    pub(crate) async fn stop(mut self, bound: Duration) {
        self.queues.clear();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(bound, ended).await.is_err() {
            self.tasks.shutdown().await;
        }
    }
}

fn carries_voucher(message: &Message) -> bool {
    match message {
        Message::Verdict { voucher, author_voucher, .. } => voucher.is_some() || author_voucher.is_some(),
        Message::Offer(_)
        | Message::Refusal(_)
        | Message::Agreement(_)
        | Message::Countersignature(_)
        | Message::Cancel(_)
        | Message::Report(_)
        | Message::AskVouchers { .. }
        | Message::Vouchers { .. } => false,
    }
}

fn settle(vouchers: &Mutex<Vouchers>, changed: &watch::Sender<()>, peer: NodeId, delivered: bool) {
    let mut vouchers = locked(vouchers);
    if let Some(count) = vouchers.on_the_way.get_mut(&peer) {
        *count -= 1;
        if *count == 0 {
            vouchers.on_the_way.remove(&peer);
        }
    }
    if delivered {
        // A voucher stands for all before it.
        vouchers.undelivered.remove(&peer);
    } else {
        vouchers.undelivered.insert(peer, ());
    }
    drop(vouchers);
    changed.send_replace(());
}

/// The way to one peer.
struct Route {
    net: NetworkHandle,
    vouchers: Arc<Mutex<Vouchers>>,
    changed: watch::Sender<()>,
    to: NodeId,
}

impl Route {
    async fn run(self, mut messages: mpsc::Receiver<Message>) -> NodeId {
        loop {
            match tokio::time::timeout(IDLE, messages.recv()).await {
                Ok(Some(message)) => self.deliver(message).await,
                Ok(None) => return self.to,
                Err(_) => {
                    // Closed first, so that a message sent meanwhile is either here or goes to a new queue.
                    messages.close();
                    while let Some(message) = messages.recv().await {
                        self.deliver(message).await;
                    }
                    return self.to;
                }
            }
        }
    }

    async fn deliver(&self, message: Message) {
        let (name, pays) = (message.name(), carries_voucher(&message));
        let delivered = match message.encode() {
            Ok(bytes) => match self.try_all(bytes, pays).await {
                Ok(()) => {
                    tracing::debug!(peer = %self.to, message = name, "message delivered");
                    true
                }
                Err(error) => {
                    tracing::info!(peer = %self.to, message = name, %error, "message not delivered");
                    false
                }
            },
            Err(error) => {
                tracing::error!(peer = %self.to, message = name, %error, "message cannot be sent");
                false
            }
        };
        if pays {
            settle(&self.vouchers, &self.changed, self.to, delivered);
        }
    }

    async fn try_all(&self, bytes: Vec<u8>, pays: bool) -> Result<(), SendError> {
        let (mut tries, mut busy, mut pause) = (0, 0, VOUCHER_PAUSE);
        loop {
            let error = match self.net.send(self.to, bytes.clone()).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            match &error {
                SendError::Busy { .. } | SendError::QueueFull | SendError::RateLimited { .. } if busy < BUSY_TRIES => {
                    busy += 1;
                    tokio::time::sleep(BUSY_PAUSE * busy.min(10)).await;
                }
                SendError::Unreachable { .. } | SendError::Unconfirmed { .. } | SendError::UnknownNode { .. }
                    if pays && tries < VOUCHER_TRIES =>
                {
                    tries += 1;
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                SendError::TooLarge { .. }
                | SendError::UnknownNode { .. }
                | SendError::Unreachable { .. }
                | SendError::QueueFull
                | SendError::Busy { .. }
                | SendError::RateLimited { .. }
                | SendError::Unconfirmed { .. }
                | SendError::Refused { .. }
                | SendError::Stopped => return Err(error),
            }
        }
    }
}
