//! Tasks that were over long ago, and need not be remembered.

use super::deal::{DealRecord, Part, Stage};
use super::task::{Place, TaskRecord};
use crate::record::{Record, RecoverError, Table, read};
use golem_protocol::{B256, ByteCount, ChainTime, ContentHash};
use std::collections::BTreeMap;

/// A task that is over, and everything that was agreed for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldTask {
    /// Its header.
    pub header: B256,
    /// The accepted output manifests, by subtask: content and length.
    pub outputs: BTreeMap<u32, (ContentHash, ByteCount)>,
    /// The ends of its records and of its deals'. What was paid is in the ledgers, which are others.
    pub deleted: Vec<Record>,
}

/// Of the records of a requestor that is not running, the tasks that have ended, whose deadline is before `before`, and of
/// whose deals none is open.
///
/// Errors: a record that cannot be read.
pub fn old_tasks(records: &[Record], before: ChainTime) -> Result<Vec<OldTask>, RecoverError> {
    let ended = |table: Table, key: &[u8]| Record { table, key: key.to_vec(), value: None };
    let mut old = BTreeMap::new();
    for record in records.iter().filter(|record| record.table == Table::Task) {
        let task: TaskRecord = read(record)?;
        if !task.finished || task.order.header.deadline >= before {
            continue;
        }
        let here = task.settled_here.iter().filter_map(|(index, place)| match place {
            Place::Done(answer) => Some((*index, (answer.output, answer.output_bytes))),
            Place::Open | Place::Failed(_) => None,
        });
        let header = B256::left_padding_from(record.key.get(..32).unwrap_or(&record.key));
        let deleted = vec![ended(Table::Task, &record.key)];
        old.insert(header, OldTask { header, outputs: here.collect(), deleted });
    }
    for record in records.iter().filter(|record| record.table == Table::RequestorDeal) {
        let deal: DealRecord = read(record)?;
        let header = deal.agreement.document.header;
        if deal.stage != Stage::Closed || deal.parts.values().any(|part| *part == Part::Open) {
            old.remove(&header);
        }
        let Some(task) = old.get_mut(&header) else { continue };
        for (index, part) in &deal.parts {
            if let Part::Accepted { answer, .. } = part {
                task.outputs.entry(*index).or_insert((answer.output, answer.output_bytes));
            }
        }
        task.deleted.push(ended(Table::RequestorDeal, &record.key));
    }
    Ok(old.into_values().collect())
}
