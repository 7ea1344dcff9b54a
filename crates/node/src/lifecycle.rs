//! Starting, ending and being told of it.

use crate::error::NodeStopped;
use golem_deal::{HostTime, RunClock};
use golem_protocol::LocalTime;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// The local time of this process, for everything that waits or is measured. It does not jump where this machine's clock is
/// set, and counts next to nothing of a sleep.
pub(crate) fn local_now() -> LocalTime {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    static CLOCK: LazyLock<Mutex<RunClock>> = LazyLock::new(|| Mutex::new(RunClock::start(host_time(*BEGAN))));
    let mut clock = CLOCK.lock().unwrap_or_else(PoisonError::into_inner);
    clock.read(host_time(*BEGAN))
}

fn host_time(began: Instant) -> HostTime {
    HostTime { wall: wall_now(), steady_ms: began.elapsed().as_millis() as u64 }
}

/// This machine's clock, for people.
pub(crate) fn wall_now() -> LocalTime {
    // A clock before 1970 is a broken clock.
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    LocalTime::from_millis(elapsed.as_millis() as u64)
}

/// The side of the node that says that it has ended.
#[derive(Debug)]
pub(crate) struct EndedSender(watch::Sender<Option<NodeStopped>>);

/// The side that waits for it.
#[derive(Clone, Debug)]
pub(crate) struct Ended(watch::Receiver<Option<NodeStopped>>);

pub(crate) fn ending() -> (EndedSender, Ended) {
    let (sender, receiver) = watch::channel(None);
    (EndedSender(sender), Ended(receiver))
}

impl EndedSender {
    pub(crate) fn end(&self, reason: Option<String>) {
        let _ = self.0.send(Some(NodeStopped { reason }));
    }
}

impl Ended {
    /// Waits for the end.
    pub(crate) async fn wait(&self) -> NodeStopped {
        let mut receiver = self.0.clone();
        match receiver.wait_for(|ended| ended.is_some()).await {
            Ok(ended) => ended.clone().unwrap_or(NodeStopped { reason: None }),
            Err(_) => NodeStopped { reason: Some("its task ended without a word".to_owned()) },
        }
    }

    /// What is known of the end now.
    pub(crate) fn now(&self) -> NodeStopped {
        self.0.borrow().clone().unwrap_or(NodeStopped { reason: None })
    }
}
