//! What the shell remembers of a task besides the machine's records: names, and who did how much.

use crate::prepared::ProviderShare;
use golem_store::{Record, Table};
use serde::{Deserialize, Serialize};

/// A task's names and merge, kept under its header's digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TaskNote {
    /// What its owner calls it.
    pub(crate) name: String,
    /// The folder of each subtask's files.
    pub(crate) subtask_names: Vec<String>,
    /// How the results become one, where they do.
    pub(crate) merge: Option<golem_task::MergeSpec>,
}

impl TaskNote {
    pub(crate) fn new(name: String, subtask_names: Vec<String>, merge: Option<golem_task::MergeSpec>) -> TaskNote {
        TaskNote { name, subtask_names, merge }
    }
}

impl Record for TaskNote {
    const TABLE: Table = Table::new("task_note");
    const VERSION: u16 = 1;
}

/// Who did how much of a task, kept under its header's digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TaskShares(pub(crate) Vec<ProviderShare>);

impl Record for TaskShares {
    const TABLE: Table = Table::new("task_share");
    const VERSION: u16 = 1;
}

/// A secret of this node, from which the choice of rechecks is drawn: nobody else can foresee it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecheckSecret(pub(crate) [u8; 32]);

impl Record for RecheckSecret {
    const TABLE: Table = Table::new("secret");
    const VERSION: u16 = 1;
}
