//! What of a requestor's contents may go when there is no room for more, and what stays.
//!
//! ```text
//! a task that goes on, or can be taken up or tried again --> stays
//! a task that ended, with results that nobody gathered ----> stays
//! a wrong result that others are told of ------------------> its module and input stay
//! what no task on record names ----------------------------> goes first: left of results that were not taken
//! a task that is over and gathered ------------------------> goes, the oldest first, but for what the above share
//! ```
//!
//! Start with [`make`]. Nothing goes before room is needed: results that are here can be gathered once more, and inputs that
//! are here are not copied again for the next task. Records, signed documents and what was gathered are never touched.

use crate::content::Contents;
use crate::error::ContentError;
use golem_protocol::{B256, ContentHash, LocalTime, WrongResultProof};
use golem_task::{SubtaskInput, SubtaskOutput};
use std::collections::HashMap;
use std::fmt::Write as _;
use tokio::sync::oneshot;

/// What to do where the disk has room.
const RAISE: &str = "raise `content_max_mib` under [requestor] in golem.toml";
/// Tasks that are named when there is no room. Reason: it is one line.
const NAMED_MAX: usize = 3;

/// Somebody who takes contents in has no room for so many bytes.
pub(crate) struct RoomWanted {
    pub(crate) bytes: u64,
    pub(crate) reply: oneshot::Sender<Result<(), ContentError>>,
}

/// How a task stands, as far as its contents go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// Something of it is open, under way or being checked.
    GoesOn,
    /// It ended with failed subtasks, which can still be tried again.
    Resumable,
    /// It ended, and its results were not gathered since.
    Ungathered,
    /// Nothing of it is needed here any more.
    Over,
}

/// What one task has here.
pub(crate) struct TaskContents {
    pub(crate) header: B256,
    pub(crate) name: String,
    pub(crate) begun: LocalTime,
    pub(crate) standing: Standing,
    pub(crate) module: ContentHash,
    pub(crate) inputs: Vec<ContentHash>,
    pub(crate) outputs: Vec<ContentHash>,
}

/// A document, and so what it names.
#[derive(Clone, Copy)]
enum Document {
    Input(ContentHash),
    Output(ContentHash),
}

impl Document {
    /// The files that it names, and then itself. Nothing else where it is not here: then they cannot be used either.
    fn names(self, contents: &Contents) -> Result<Vec<ContentHash>, ContentError> {
        let (Document::Input(hash) | Document::Output(hash)) = self;
        if contents.has(hash).is_none() {
            return Ok(vec![hash]);
        }
        let bytes = contents.read(hash)?;
        // What is no document names nothing.
        let mut names: Vec<ContentHash> = match self {
            Document::Input(_) => SubtaskInput::decode(&bytes)
                .map(|input| input.files.iter().chain(&input.stdin).map(|file| file.content).collect())
                .unwrap_or_default(),
            Document::Output(_) => SubtaskOutput::decode(&bytes)
                .map(|output| output.files.iter().map(|file| file.content).collect())
                .unwrap_or_default(),
        };
        names.push(hash);
        Ok(names)
    }
}

impl TaskContents {
    /// Calls `each` with all that it names, a content as often as it is named; documents after what they name.
    fn for_each(&self, contents: &Contents, mut each: impl FnMut(ContentHash)) -> Result<(), ContentError> {
        let inputs = self.inputs.iter().copied().map(Document::Input);
        for document in inputs.chain(self.outputs.iter().copied().map(Document::Output)) {
            document.names(contents)?.into_iter().for_each(&mut each);
        }
        each(self.module);
        Ok(())
    }
}

/// Makes room for so many bytes. Blocks.
///
/// A task that is over goes whole, so that it is known of each whether it is here. Errors: `NoRoom` says what takes the room
/// and what to do; what can never fit costs nothing its place. `Io`, `Store`: nothing that is needed was taken away.
pub(crate) fn make(
    contents: &Contents,
    mut tasks: Vec<TaskContents>,
    proofs: &[WrongResultProof],
    bytes: u64,
) -> Result<(), ContentError> {
    if bytes <= contents.free_bytes() {
        return Ok(());
    }
    // By whom each content goes: 0 for what nobody names, then the tasks that are over, the last that names it.
    let mut goes: HashMap<ContentHash, usize> = contents.all().into_iter().map(|hash| (hash, 0)).collect();
    tasks.sort_by_key(|task| (task.begun, task.header));
    let (over, staying): (Vec<_>, Vec<_>) = tasks.into_iter().partition(|task| task.standing == Standing::Over);
    for (place, task) in (1..).zip(&over) {
        task.for_each(contents, |hash| {
            goes.entry(hash).and_modify(|last| *last = place);
        })?;
    }
    let mut stays = Stays::default();
    for task in &staying {
        let mut bytes = 0u64;
        task.for_each(contents, |hash| {
            if goes.remove(&hash).is_some() {
                bytes = bytes.saturating_add(contents.size(hash));
            }
        })?;
        stays.tasks.push((task.standing, bytes, task));
    }
    for proof in proofs {
        let mut hold = |hash| {
            if goes.remove(&hash).is_some() {
                stays.proofs = stays.proofs.saturating_add(contents.size(hash));
            }
        };
        hold(proof.header.document.module);
        if let Some(subtask) = proof.agreement.document.subtask(proof.index) {
            Document::Input(subtask.input).names(contents)?.into_iter().for_each(hold);
        }
    }
    let mut going = vec![Vec::new(); over.len() + 1];
    let mut can_go = 0u64;
    for (hash, place) in goes {
        can_go = can_go.saturating_add(contents.size(hash));
        going[place].push(hash);
    }
    if bytes > contents.free_bytes().saturating_add(can_go) {
        return Err(contents.no_room(bytes, stays.words(contents.remedy(bytes, RAISE))));
    }
    for (place, hashes) in going.into_iter().enumerate() {
        if bytes <= contents.free_bytes() {
            break;
        }
        hashes.into_iter().try_for_each(|hash| contents.take_away(hash))?;
        match place.checked_sub(1).and_then(|place| over.get(place)) {
            Some(task) => {
                tracing::info!(header = %task.header, name = task.name, "a task's contents went to make room")
            }
            None => tracing::debug!("contents that no task names went to make room"),
        }
    }
    // What is used at this moment stayed.
    if bytes <= contents.free_bytes() {
        Ok(())
    } else {
        Err(contents.no_room(bytes, stays.words(contents.remedy(bytes, RAISE))))
    }
}

/// What stays, and how much room it takes; what several share is counted once.
#[derive(Default)]
struct Stays<'a> {
    tasks: Vec<(Standing, u64, &'a TaskContents)>,
    proofs: u64,
}

impl Stays<'_> {
    /// What takes the room, the largest first, and what to do.
    fn words(mut self, remedy: &str) -> String {
        self.tasks.sort_by_key(|(_, bytes, task)| (std::cmp::Reverse(*bytes), task.header));
        let of = |task: &TaskContents| format!("{} ({})", task.name, &task.header.to_string()[..10]);
        let mut words = String::new();
        for (standing, bytes, task) in self.tasks.iter().take(NAMED_MAX) {
            let why = match standing {
                Standing::GoesOn => "goes on",
                Standing::Resumable => "has failed subtasks that can be tried again",
                Standing::Ungathered | Standing::Over => "has results that were not gathered",
            };
            let _ = write!(words, "{bytes} are of {}, which {why}; ", of(task));
        }
        if let Some(rest) = self.tasks.get(NAMED_MAX..).filter(|rest| !rest.is_empty()) {
            let bytes = rest.iter().fold(0u64, |sum, (_, bytes, _)| sum.saturating_add(*bytes));
            let _ = write!(words, "{bytes} of {} other tasks; ", rest.len());
        }
        if self.proofs > 0 {
            let _ = write!(words, "{} of wrong results that others are told of (`proofs/`); ", self.proofs);
        }
        words.push_str(remedy);
        let ungathered = self.tasks.iter().find(|(standing, ..)| *standing == Standing::Ungathered);
        if let Some((_, _, task)) = ungathered {
            let header = &task.header.to_string()[..10];
            let _ = write!(words, ", or gather what has ended: `golem run --resume={header} -o FOLDER`");
        }
        if self.tasks.iter().any(|(standing, ..)| *standing != Standing::Ungathered) {
            words.push_str(", or let a task end");
        }
        words
    }
}

#[cfg(test)]
#[path = "room_tests.rs"]
mod tests;
