//! What a requestor's loop says when there is no room for contents: which of them its tasks still need.

use crate::content::Pins;
use crate::error::ContentError;
use crate::note::TaskGathered;
use crate::published;
use crate::requestor_done::Done;
use crate::requestor_loop::RequestorLoop;
use crate::room::{self, RoomWanted, Standing, TaskContents};
use golem_deal::TaskStatus;
use golem_protocol::{B256, LocalTime, Wei};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Who waits for room at once. Reason: as many as fetch and run, and a task that is begun.
pub(crate) const ROOM_WANTED_MAX: usize = 64;
/// How long it counts that nothing may go. Reason: a look reads all documents of all tasks, and whoever has no room asks again
/// and again.
const NOTHING_GOES: Duration = Duration::from_secs(5);

/// What was found when nothing could go, and when.
#[derive(Default)]
struct LastLook(Option<(Instant, String)>);

/// What is held that the machine does not name yet, and the looks at what may go.
#[derive(Default)]
pub(crate) struct RoomDesk {
    /// By agreement: outputs that are here and not decided. By header: a new task's contents.
    held: BTreeMap<B256, Vec<Pins>>,
    /// Looks under way. Each knows the tasks as they were when it was asked for.
    looking: usize,
    /// One look at a time.
    turn: Arc<Mutex<LastLook>>,
}

impl RoomDesk {
    /// Holds these for an agreement or a task, until it is decided or entered.
    pub(crate) fn hold(&mut self, whose: B256, pins: Pins) {
        self.held.entry(whose).or_default().push(pins);
    }

    /// Lets go of what is decided: it is wanted no more, or the machine names it. A look that was begun before does not know
    /// that.
    pub(crate) fn keep(&mut self, is_open: impl Fn(&B256) -> bool) {
        if self.looking == 0 {
            self.held.retain(|whose, _| is_open(whose));
        }
    }

    /// A look has ended.
    pub(crate) fn seen(&mut self) {
        self.looking = self.looking.saturating_sub(1);
    }
}

impl RequestorLoop {
    /// Takes away what may go, as far as it is needed, and answers.
    pub(crate) fn make_room(&mut self, wanted: RoomWanted) {
        let tasks: Vec<TaskContents> =
            self.machine.tasks().iter().filter_map(|status| self.contents_of(status)).collect();
        let (contents, folder) = (self.contents.clone(), self.config.folder.path().to_path_buf());
        let turn = self.room.turn.clone();
        self.room.looking = self.room.looking.saturating_add(1);
        self.work.spawn_blocking(move || {
            let RoomWanted { bytes, reply } = wanted;
            let mut last = turn.lock().unwrap_or_else(PoisonError::into_inner);
            let made = match &last.0 {
                Some((at, taken)) if at.elapsed() < NOTHING_GOES && contents.free_bytes() < bytes => {
                    Err(contents.no_room(bytes, taken.clone()))
                }
                _ => room::make(&contents, tasks, &published::all(&folder), bytes),
            };
            last.0 = match &made {
                Err(ContentError::NoRoom { taken, .. }) => Some((Instant::now(), taken.clone())),
                _ => None,
            };
            // Who asked may have left.
            let _ = reply.send(made);
            Done::RoomSeen
        });
    }

    fn contents_of(&self, status: &TaskStatus) -> Option<TaskContents> {
        let header = status.header;
        let order = self.machine.order(header)?;
        let progress = self.tasks.get(&header);
        let outputs = self.machine.outputs(header);
        let is_rerun = self.rechecking.values().any(|rerun| rerun.header == header);
        let gathered = progress.and_then(|progress| progress.gathered);
        let standing = if !status.finished || status.reserved > Wei::ZERO || is_rerun {
            Standing::GoesOn
        } else if status.failed > 0 && order.header.deadline >= self.now.chain {
            Standing::Resumable
        } else if !outputs.is_empty() && gathered != Some(TaskGathered::of(&outputs)) {
            Standing::Ungathered
        } else {
            Standing::Over
        };
        Some(TaskContents {
            header,
            name: progress.map(|progress| progress.note.name.clone()).unwrap_or_default(),
            begun: LocalTime(progress.map_or(0, |progress| progress.begun.at_ms)),
            standing,
            module: order.header.module,
            inputs: order.inputs.clone(),
            outputs: outputs.into_values().map(|(output, _)| output).collect(),
        })
    }
}
