//! What the shell remembers of a task besides the machine's records: names, and who did how much.

use crate::prepared::{CheckCost, ProviderShare};
use crate::requestor_handle::Outputs;
use golem_market::Lot;
use golem_protocol::B256;
use golem_store::{Batch, Record, Store, StoreError, Table, for_each_record};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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

/// When a task was begun here, kept under its header's digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TaskBegun {
    /// By this machine's clock, in milliseconds since 1970.
    pub(crate) at_ms: u64,
}

impl Record for TaskBegun {
    const TABLE: Table = Table::new("task_begun");
    const VERSION: u16 = 1;
}

/// Which results of a task were gathered into a folder of its owner's, and are on the disk there; kept under its header's
/// digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TaskGathered {
    /// See [`TaskGathered::of`].
    outputs: B256,
}

impl TaskGathered {
    /// That exactly these were: the BLAKE3 of each subtask's number, little endian, and its output's digest, in order.
    pub(crate) fn of(outputs: &Outputs) -> TaskGathered {
        let mut hasher = blake3::Hasher::new();
        for (index, (output, _)) in outputs {
            hasher.update(&index.to_le_bytes()).update(output.0.as_slice());
        }
        TaskGathered { outputs: B256::from(*hasher.finalize().as_bytes()) }
    }
}

impl Record for TaskGathered {
    const TABLE: Table = Table::new("task_gathered");
    const VERSION: u16 = 1;
}

/// What is on record of a task besides the machine's part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnRecord {
    /// What its owner calls it.
    pub name: String,
    /// When it was begun here, by this machine's clock, in milliseconds since 1970.
    pub begun_ms: u64,
}

/// What is on record of each task, by its header's digest. Errors: the records cannot be read.
pub fn tasks_on_record(store: &dyn Store) -> Result<BTreeMap<B256, OnRecord>, StoreError> {
    let mut tasks = BTreeMap::new();
    for_each_record(store, b"", |key, note: TaskNote| {
        tasks.insert(B256::left_padding_from(&key), OnRecord { name: note.name, begun_ms: 0 });
    })?;
    for_each_record(store, b"", |key, begun: TaskBegun| {
        if let Some(task) = tasks.get_mut(&B256::left_padding_from(&key)) {
            task.begun_ms = begun.at_ms;
        }
    })?;
    Ok(tasks)
}

/// How a task that goes on is shown, kept under its header's digest so that it can be shown when it is taken up again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewNote {
    /// The arguments with which the module draws the results there are, which it finds in `/in/INDEX/`.
    pub args: Vec<String>,
    /// When it is stopped.
    pub limits: golem_task::TaskLimits,
}

impl Record for PreviewNote {
    const TABLE: Table = Table::new("task_preview");
    const VERSION: u16 = 1;
}

/// Where a task was taken from, kept under its header's digest so that it can be told from others, and put together in
/// another way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceNote {
    /// An app that ships, by its name, or the path of a manifest.
    pub app: String,
    /// The value of each parameter.
    pub parameters: BTreeMap<String, String>,
    /// The files that were named in place of the app's own, by their paths.
    pub files: BTreeMap<String, String>,
    /// The digest of its subtasks as they were cut.
    pub plan: B256,
}

impl Record for SourceNote {
    const TABLE: Table = Table::new("task_source");
    const VERSION: u16 = 1;
}

/// Who did how much of a task, kept under its header's digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TaskShares {
    /// Each provider's part.
    pub(crate) providers: Vec<ProviderShare>,
    /// What was run again here; copies are in the machine's records.
    pub(crate) checks: CheckCost,
}

impl Record for TaskShares {
    const TABLE: Table = Table::new("task_share");
    const VERSION: u16 = 2;
}

/// What is noted of a task under its header's digest, in every table.
const TABLES: [Table; 6] =
    [TaskNote::TABLE, TaskBegun::TABLE, TaskGathered::TABLE, TaskShares::TABLE, PreviewNote::TABLE, SourceNote::TABLE];

/// Ends everything that is noted of a task.
pub(crate) fn end_notes(header: B256, batch: &mut Batch) {
    for table in TABLES {
        batch.delete(table, header);
    }
}

/// A secret of this node, from which the choice of rechecks is drawn: nobody else can foresee it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecheckSecret(pub(crate) [u8; 32]);

impl Record for RecheckSecret {
    const TABLE: Table = Table::new("secret");
    const VERSION: u16 = 1;
}

/// What this node's choices are drawn from.
pub(crate) struct SecretLot(pub(crate) RecheckSecret);

impl Lot for SecretLot {
    fn draw(&mut self) -> u64 {
        rand::random()
    }

    fn chooses(&self, share_ppm: u32, header: B256, index: u32) -> bool {
        golem_task::chooses(share_ppm, &self.0.0, header, index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chooses_the_share_asked_for_and_the_same_ones_each_time() {
        let lot = || SecretLot(RecheckSecret([7; 32]));
        let task = B256::repeat_byte(9);
        let chosen =
            |lot: &SecretLot| (0..10_000).filter(|index| lot.chooses(250_000, task, *index)).collect::<Vec<_>>();
        let first = chosen(&lot());
        assert!((2_300..2_700).contains(&first.len()), "{} of 10,000", first.len());
        assert_eq!(chosen(&lot()), first);
        assert!(!(0..1_000).any(|index| lot().chooses(0, task, index)));
    }
}
