//! Starting, ending and being told of it.

use crate::error::NodeStopped;
use golem_protocol::LocalTime;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// This machine's clock.
pub(crate) fn local_now() -> LocalTime {
    // A clock before 1970 is a broken clock; 0 makes timers fire late instead of stopping the node.
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
