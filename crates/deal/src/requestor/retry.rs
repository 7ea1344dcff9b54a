//! A task that ended with failed subtasks, taken up again: what is done stays and is not bought twice.

use super::machine::{Requestor, Step};
use super::task::{Place, Task};
use golem_protocol::*;

impl Requestor {
    /// Opens what failed again, with all its attempts. Who gave a wrong result stays out, and the budget is what is left of
    /// it. After the deadline nothing could be agreed, so nothing is done then.
    pub(super) fn on_retry(&mut self, digest: B256, now: Now, step: &mut Step) {
        let Some(task) = self.tasks.get_mut(&digest) else { return };
        if task.finished && task.failed_count() > 0 && task.header.deadline >= now.chain {
            task.reopen_failed();
            step.records.extend(task.record());
        }
    }
}

impl Task {
    fn reopen_failed(&mut self) {
        let failed = (0u32..).zip(&self.places).filter(|(_, place)| matches!(place, Place::Failed(_)));
        let failed: Vec<u32> = failed.map(|(index, _)| index).collect();
        for index in failed {
            self.settled_here.remove(&index);
            self.attempts.remove(&index);
            self.failures.remove(&index);
            self.suspects.remove(&index);
            // That the program failed here is found out again, should it do so again.
            self.known.remove(&index);
            self.set(index, Place::Open);
        }
        self.finished = false;
    }
}
