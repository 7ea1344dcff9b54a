//! A task made ready to run: what is announced, and every content that providers will fetch.

use crate::error::RunTaskError;
use crate::identity::NodeKeys;
use golem_deal::TaskOrder;
use golem_protocol::{ContentHash, NodeId, Wei};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The most subtasks of one task on one node. Reason: the order is one record of 32 bytes an input, and a record has to
/// fit the store's largest value (4 MiB) with room to spare.
pub const TASK_SUBTASKS_MAX: usize = 100_000;
/// The longest name of a task or subtask, in bytes. Reason: it becomes a folder's name.
pub const NAME_BYTES_MAX: usize = 200;

/// A task made ready: its order, its contents, and how its results are named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparedTask {
    /// What its owner calls it.
    pub name: String,
    /// What is announced, and the input document of each subtask by content.
    pub order: TaskOrder,
    /// The folder of each subtask's files below the one collected into; as many as there are inputs.
    pub subtask_names: Vec<String>,
    /// The module, the input documents and the files they name.
    pub contents: Vec<PreparedContent>,
}

/// A content to keep, so that providers can fetch it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PreparedContent {
    /// Bytes made for this task.
    Bytes {
        /// Their digest.
        digest: ContentHash,
        /// They themselves.
        bytes: Vec<u8>,
    },
    /// A file as it is; it is copied, so that it may change afterwards.
    File {
        /// Its digest when the task was prepared.
        digest: ContentHash,
        /// Where it is.
        path: PathBuf,
    },
}

impl PreparedContent {
    /// The digest it must have.
    pub fn digest(&self) -> ContentHash {
        match self {
            PreparedContent::Bytes { digest, .. } | PreparedContent::File { digest, .. } => *digest,
        }
    }
}

impl PreparedTask {
    /// Whether this node can take it on.
    ///
    /// Errors: `NotOurs`, `Subtasks`; documents and contents are looked at where they are used.
    pub fn check(&self, keys: &NodeKeys) -> Result<(), RunTaskError> {
        let header = &self.order.header;
        if header.requestor != keys.node_id() {
            return Err(RunTaskError::NotOurs { what: "requestor", got: header.requestor.0, ours: keys.node_id().0 });
        }
        if header.payer != keys.payment_address() {
            return Err(RunTaskError::NotOurs { what: "payer", got: header.payer, ours: keys.payment_address() });
        }
        let inputs = self.order.inputs.len();
        if inputs != header.subtasks as usize || inputs != self.subtask_names.len() || inputs > TASK_SUBTASKS_MAX {
            return Err(RunTaskError::Subtasks { inputs, subtasks: header.subtasks, max: TASK_SUBTASKS_MAX });
        }
        Ok(())
    }
}

/// What came of a task, when nothing is left to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskReport {
    /// How many subtasks it has.
    pub subtasks: u32,
    /// How many have an accepted result.
    pub done: u32,
    /// How many failed for good.
    pub failed: u32,
    /// What was signed away for it, in wei.
    pub spent_wei: Wei,
    /// The most it might have cost, in wei.
    pub budget_wei: Wei,
    /// How long it took since it was last taken up here, in milliseconds.
    pub wall_ms: u64,
    /// What each provider did, by node id.
    pub providers: Vec<ProviderShare>,
}

/// What one provider did for one task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderShare {
    /// Who.
    pub provider: NodeId,
    /// Where it is paid; absent where nothing was agreed with it.
    pub payee: Option<golem_protocol::Address>,
    /// What it last offered, in wei per hour.
    pub offered_price_wei_per_hour: Wei,
    /// The market's score of its last offer, in parts per million.
    pub score_ppm: u64,
    /// How many of its results were accepted.
    pub subtasks: u32,
    /// How many of its results were not, or never came.
    pub rejected: u32,
    /// What it was paid, in wei.
    pub paid_wei: Wei,
}
