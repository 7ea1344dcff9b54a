//! Follows the chain: tells the time, and every change of the channels that somebody cares about, through reorgs and
//! outages.

use crate::abi::Change;
use crate::call::LogRecord;
use crate::client::{ChainClient, SPAN_BLOCKS_MAX};
use crate::error::ChainError;
use crate::rpc::{BlockInfo, local_now};
use alloy::primitives::{Address, B256, U64};
use alloy::rpc::types::{Filter, Log};
use golem_protocol::{ChainTime, ChannelId, ChannelState, LocalTime};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::{info, warn};

/// What to follow.
#[derive(Clone, Debug)]
pub struct WatchOptions {
    /// Channels with one of these as payer or payee are reported.
    pub addresses: Vec<Address>,
    /// Channels whose present state is reported at the start, changed or not.
    pub channels: Vec<ChannelId>,
    /// The first block that is searched for changes; what is older than the deployment is skipped. After a restart: one
    /// above the last `confirmed_block` that was handled.
    pub from_block: u64,
    /// How often to look; `None` is as the connection does.
    pub poll_interval: Option<Duration>,
    /// How many events may wait to be taken; the follower pauses when they are that many. At least 1.
    pub events_max: usize,
}

impl WatchOptions {
    /// Follows the channels of some addresses since the deployment; 256 events may wait.
    pub fn new(addresses: Vec<Address>) -> WatchOptions {
        WatchOptions { addresses, channels: Vec::new(), from_block: 0, poll_interval: None, events_max: 256 }
    }
}

/// What the chain had to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainEvent {
    /// There is a new newest block; every change up to it has been told.
    Time {
        /// Its timestamp.
        time: ChainTime,
        /// Its number.
        block: u64,
        /// The newest block that is deep enough; every confirmed change up to it has been told.
        confirmed_block: u64,
    },
    /// A channel changed, or a reorg put it back.
    Channel {
        /// Which channel.
        id: ChannelId,
        /// How it is after the block.
        state: ChannelState,
        /// The block.
        block: u64,
        /// Whether the block is deep enough to rely on. An unconfirmed state is told again once it is confirmed, and a
        /// confirmed one can be older than the last unconfirmed one.
        confirmed: bool,
    },
    /// The chain cannot be followed at present. It is tried again, at growing intervals.
    Down {
        /// Since when, by this machine's clock.
        since: LocalTime,
        /// Why.
        error: ChainError,
    },
    /// It can be followed again; what was missed comes next.
    Up,
}

/// Blocks whose hashes are remembered: the deepest reorg that is undone block by block. A deeper one makes every known
/// channel be told anew.
const TAIL_BLOCKS_MAX: usize = 128;
/// Blocks below the head that are read one by one, so that a reorg among them is noticed; those further down in bulk.
const NEAR_BLOCKS: u64 = 16;
/// The longest pause between two attempts in an outage.
const OUTAGE_PAUSE_MAX: Duration = Duration::from_secs(30);

/// A task that follows the chain. Dropped, it stops at once; see [`Watcher::stop`].
#[derive(Debug)]
pub struct Watcher {
    events: mpsc::Receiver<ChainEvent>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Watcher {
    /// Starts to follow. Needs a tokio runtime.
    pub fn start(client: ChainClient, options: WatchOptions) -> Watcher {
        let (sender, events) = mpsc::channel(options.events_max.max(1));
        let (stop, stopped) = oneshot::channel();
        let follower = Follower::new(client, options, sender);
        let task = tokio::spawn(async move {
            // Nothing of the follower outlives it, so it can be left at any point.
            tokio::select! {
                _ = stopped => {}
                _ = follower.run() => {}
            }
        });
        Watcher { events, stop: Some(stop), task }
    }

    /// The next event; `None` once it has stopped. Safe to use in `select!`.
    pub async fn next(&mut self) -> Option<ChainEvent> {
        self.events.recv().await
    }

    /// Stops the task and waits for its end.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        let _ = (&mut self.task).await;
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A block that was followed.
struct Seen {
    number: u64,
    hash: B256,
    /// Channels that changed in it, as they were after it.
    changed: Vec<(ChannelId, ChannelState)>,
    told_confirmed: bool,
}

struct Follower {
    client: ChainClient,
    options: WatchOptions,
    events: mpsc::Sender<ChainEvent>,
    /// The newest blocks that were followed, oldest first, each the parent of the next.
    tail: VecDeque<Seen>,
    /// The last block that was followed; `None` before the first.
    cursor: Option<u64>,
    /// Every channel of ours that was ever seen. Each cost its payer a transaction, so nobody fills it for free.
    known: BTreeSet<ChannelId>,
    /// Channels whose last told state may have been undone by a reorg.
    undone: BTreeSet<ChannelId>,
    /// The newest block up to which everything was told.
    told: Option<B256>,
}

/// The events are no longer taken, or the chain could not be read.
enum Interrupted {
    Gone,
    Chain(ChainError),
}

impl From<ChainError> for Interrupted {
    fn from(error: ChainError) -> Interrupted {
        Interrupted::Chain(error)
    }
}

impl Follower {
    fn new(client: ChainClient, options: WatchOptions, events: mpsc::Sender<ChainEvent>) -> Follower {
        let known = options.channels.iter().copied().collect::<BTreeSet<_>>();
        let undone = known.clone();
        Follower { client, options, events, tail: VecDeque::new(), cursor: None, known, undone, told: None }
    }

    async fn run(mut self) {
        let interval = self.options.poll_interval.unwrap_or(self.client.rpc().poll_interval());
        let mut down = false;
        let mut pause = interval;
        loop {
            match self.round(down).await {
                Ok(()) => (down, pause) = (false, interval),
                Err(Interrupted::Gone) => return,
                Err(Interrupted::Chain(error)) => {
                    warn!(%error, "the chain cannot be followed");
                    if !down && self.tell(ChainEvent::Down { since: local_now(), error }).await.is_err() {
                        return;
                    }
                    pause = if down { pause.saturating_mul(2).min(OUTAGE_PAUSE_MAX.max(interval)) } else { interval };
                    down = true;
                }
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Catches up with the chain once.
    async fn round(&mut self, was_down: bool) -> Result<(), Interrupted> {
        if was_down {
            self.check_chain().await?;
        }
        let head = self.client.rpc().head().await?;
        if was_down {
            self.tell(ChainEvent::Up).await?;
        }
        if self.told == Some(head.hash) {
            return Ok(());
        }
        self.undo_reorg().await?;
        self.catch_up(&head).await?;
        self.tell_undone().await?;
        let Some(last) = self.tail.back() else { return Ok(()) };
        let (reached, reached_hash) = (last.number, last.hash);
        self.tell_confirmed(reached).await?;
        let confirmed_block = (reached + 1).saturating_sub(self.client.rpc().confirmations());
        // A block that came while this round ran is told in the next one.
        let time = if reached == head.number { head.time } else { self.time_of(reached).await? };
        self.tell(ChainEvent::Time { time, block: reached, confirmed_block }).await?;
        self.told = Some(reached_hash);
        Ok(())
    }

    /// After an outage another chain may answer at the same address.
    async fn check_chain(&self) -> Result<(), ChainError> {
        let rpc = self.client.rpc();
        let got: U64 = rpc.request("eth_chainId", ()).await?;
        let (got, expected) = (got.to::<u64>(), rpc.chain_id());
        if got != expected {
            return Err(ChainError::WrongChain { url: rpc.url().to_owned(), got, expected });
        }
        Ok(())
    }

    async fn time_of(&self, number: u64) -> Result<ChainTime, ChainError> {
        let block = self.client.rpc().block(number).await?;
        match block {
            Some(block) => Ok(block.time),
            None => self.client.chain_time().await,
        }
    }

    /// Drops the blocks that are no longer on the chain.
    async fn undo_reorg(&mut self) -> Result<(), Interrupted> {
        while let Some(last) = self.tail.back() {
            let now = self.client.rpc().block(last.number).await?;
            if now.is_some_and(|block| block.hash == last.hash) {
                return Ok(());
            }
            let number = last.number;
            info!(block = number, "a reorg took a block away");
            if let Some(gone) = self.tail.pop_back() {
                self.undone.extend(gone.changed.iter().map(|(id, _)| *id));
            }
            self.cursor = number.checked_sub(1);
            if self.tail.is_empty() {
                // Deeper than what is remembered: nothing that was told can be relied on, and what is new since then may
                // have come in blocks further down.
                self.undone.extend(self.known.iter().copied());
                self.cursor = number.checked_sub(TAIL_BLOCKS_MAX as u64 + 1);
            }
        }
        Ok(())
    }

    async fn catch_up(&mut self, head: &BlockInfo) -> Result<(), Interrupted> {
        let first = self.options.from_block.max(self.client.deployment().block);
        let mut next = self.cursor.map_or(first, |cursor| cursor.saturating_add(1)).min(head.number);
        let near = NEAR_BLOCKS.max(self.client.rpc().confirmations());
        let bulk_end = head.number.saturating_sub(near);
        if next < bulk_end {
            self.search_bulk(next, bulk_end).await?;
            next = bulk_end.saturating_add(1);
        }
        while next <= head.number {
            if !self.follow_block(next).await? {
                break;
            }
            next = next.saturating_add(1);
        }
        Ok(())
    }

    /// Searches blocks that are deep enough for nobody to expect a reorg, many at a time.
    async fn search_bulk(&mut self, from: u64, to: u64) -> Result<(), Interrupted> {
        // What was told of the last blocks before an outage, and was not deep enough by then, is deep enough now.
        let unsure = self.tail.iter().filter(|seen| !seen.told_confirmed).flat_map(|seen| &seen.changed);
        let mut changed: BTreeSet<ChannelId> = unsure.map(|(id, _)| *id).collect();
        let mut start = from;
        let mut span = SPAN_BLOCKS_MAX;
        while start <= to {
            let end = start.saturating_add(span - 1).min(to);
            let filter = self.filter().from_block(start).to_block(end);
            match self.client.rpc().logs(&filter).await {
                Ok(logs) => changed.extend(self.ours(&logs)),
                // Providers cap the range or the number of results; how, each says in other words.
                Err(ChainError::RpcRefused { .. }) if span > 1 => {
                    span /= 2;
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            start = end.saturating_add(1);
        }
        let Some(block) = self.client.rpc().block(to).await? else { return Ok(()) };
        for id in &changed {
            let state = self.client.channel_state_after(*id, to).await?;
            self.tell(ChainEvent::Channel { id: *id, state, block: to, confirmed: true }).await?;
        }
        self.known.extend(changed);
        self.tail.clear();
        self.tail.push_back(Seen { number: to, hash: block.hash, changed: Vec::new(), told_confirmed: true });
        self.cursor = Some(to);
        Ok(())
    }

    /// Follows one block; false where it does not continue the last one, which the next round sorts out.
    async fn follow_block(&mut self, number: u64) -> Result<bool, Interrupted> {
        let Some(block) = self.client.rpc().block(number).await? else { return Ok(false) };
        if self.tail.back().is_some_and(|last| last.hash != block.parent) {
            return Ok(false);
        }
        // By hash: these are this block's entries and no other's, whatever the chain does meanwhile.
        let logs = self.client.rpc().logs(&self.filter().at_block_hash(block.hash)).await?;
        let mut changed = Vec::new();
        for id in self.ours(&logs) {
            changed.push((id, self.client.channel_state_after(id, number).await?));
        }
        if self.client.rpc().confirmations() > 1 {
            for (id, state) in &changed {
                self.tell(ChainEvent::Channel { id: *id, state: *state, block: number, confirmed: false }).await?;
            }
        }
        for (id, _) in &changed {
            self.known.insert(*id);
            self.undone.remove(id);
        }
        self.tail.push_back(Seen { number, hash: block.hash, changed, told_confirmed: false });
        if self.tail.len() > TAIL_BLOCKS_MAX {
            self.tail.pop_front();
        }
        self.cursor = Some(number);
        Ok(true)
    }

    /// Tells the present state of channels whose last told change is gone, and of those asked for at the start.
    async fn tell_undone(&mut self) -> Result<(), Interrupted> {
        let Some(reached) = self.tail.back().map(|last| last.number) else { return Ok(()) };
        while let Some(id) = self.undone.first().copied() {
            let state = self.client.channel_state_after(id, reached).await?;
            if self.client.rpc().confirmations() > 1 {
                self.tell(ChainEvent::Channel { id, state, block: reached, confirmed: false }).await?;
            }
            if let Some(last) = self.tail.back_mut() {
                last.changed.push((id, state));
                last.told_confirmed = false;
            }
            self.undone.remove(&id);
        }
        Ok(())
    }

    async fn tell_confirmed(&mut self, reached: u64) -> Result<(), Interrupted> {
        let deep = (reached + 1).saturating_sub(self.client.rpc().confirmations());
        // Each is marked once it is told, so that an outage in between leaves the rest for the next round.
        for place in 0..self.tail.len() {
            let due = self.tail.get(place).filter(|seen| seen.number <= deep && !seen.told_confirmed);
            let Some((block, changed)) = due.map(|seen| (seen.number, seen.changed.clone())) else { continue };
            for (id, state) in changed {
                self.tell(ChainEvent::Channel { id, state, block, confirmed: true }).await?;
            }
            if let Some(seen) = self.tail.get_mut(place) {
                seen.told_confirmed = true;
            }
        }
        Ok(())
    }

    /// All of the contract's events: a claim names its payers in its data, where no filter looks.
    fn filter(&self) -> Filter {
        Filter::new().address(self.client.deployment().channels)
    }

    /// The channels of ours that these entries are about, each once.
    fn ours(&self, logs: &[Log]) -> BTreeSet<ChannelId> {
        let records = logs.iter().filter(|log| !log.removed).map(|log| LogRecord {
            address: log.address(),
            topics: log.topics().to_vec(),
            data: log.data().data.clone(),
        });
        let ids = records.filter_map(|record| Change::decode(&record)).flat_map(|change| change.channels());
        ids.filter(|id| self.options.addresses.iter().any(|own| *own == id.payer || *own == id.payee)).collect()
    }

    async fn tell(&self, event: ChainEvent) -> Result<(), Interrupted> {
        self.events.send(event).await.map_err(|_| Interrupted::Gone)
    }
}
