//! Commits for a caller that must not block: a thread that groups batches and answers each by its id.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc as blocking;
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use crate::batch::Batch;
use crate::error::StoreError;
use crate::store::Store;

/// Batches submitted whose answer has not been taken. A node has a few per running subtask; a full queue means that the
/// disk does not keep up.
pub const OUTSTANDING_MAX: usize = 4096;

/// Takes batches without blocking. Dropping it, or [`Committer::stop`], writes what was submitted and joins the thread.
pub struct Committer {
    sender: Option<blocking::SyncSender<(u64, Batch)>>,
    outstanding: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

/// The answers of one [`Committer`], in the order of submission.
pub struct CommitAnswers {
    receiver: mpsc::Receiver<CommitAnswer>,
    outstanding: Arc<AtomicUsize>,
}

/// What became of one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitAnswer {
    /// The id given at submission.
    pub id: u64,
    /// Durable, or why not.
    pub result: Result<(), StoreError>,
}

/// The batch came back: [`OUTSTANDING_MAX`] are outstanding, or the thread has ended. Take answers, then submit again.
#[derive(Debug, thiserror::Error)]
#[error("{OUTSTANDING_MAX} batches wait for the disk already, or the committer has stopped")]
pub struct CommitterBusy {
    /// What was not taken.
    pub batch: Batch,
}

impl Committer {
    /// Starts the thread.
    pub fn start(store: Arc<dyn Store>) -> std::io::Result<(Committer, CommitAnswers)> {
        let (sender, batches) = blocking::sync_channel(OUTSTANDING_MAX);
        // As many places as batches can be outstanding, so the thread never waits for a reader.
        let (answers, receiver) = mpsc::channel(OUTSTANDING_MAX);
        let outstanding = Arc::new(AtomicUsize::new(0));
        let thread = std::thread::Builder::new()
            .name("committer".to_string())
            .spawn(move || commit_groups(store.as_ref(), &batches, &answers))?;
        let committer = Committer { sender: Some(sender), outstanding: outstanding.clone(), thread: Some(thread) };
        Ok((committer, CommitAnswers { receiver, outstanding }))
    }

    /// Hands a batch over; its answer carries `id`. Never blocks.
    pub fn submit(&self, id: u64, batch: Batch) -> Result<(), CommitterBusy> {
        let taken = self
            .outstanding
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| (count < OUTSTANDING_MAX).then_some(count + 1));
        let Some(sender) = self.sender.as_ref().filter(|_| taken.is_ok()) else {
            return Err(CommitterBusy { batch });
        };
        sender.try_send((id, batch)).map_err(|refused| {
            self.outstanding.fetch_sub(1, Ordering::AcqRel);
            let (blocking::TrySendError::Full((_, batch)) | blocking::TrySendError::Disconnected((_, batch))) = refused;
            CommitterBusy { batch }
        })
    }

    /// Writes what was submitted and joins the thread. Blocks for the last flush.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl CommitAnswers {
    /// The next answer; `None` once the committer is gone and all answers were taken.
    pub async fn recv(&mut self) -> Option<CommitAnswer> {
        let answer = self.receiver.recv().await;
        self.taken(answer)
    }

    /// As [`CommitAnswers::recv`], for a caller outside an async runtime.
    pub fn blocking_recv(&mut self) -> Option<CommitAnswer> {
        let answer = self.receiver.blocking_recv();
        self.taken(answer)
    }

    fn taken(&self, answer: Option<CommitAnswer>) -> Option<CommitAnswer> {
        if answer.is_some() {
            self.outstanding.fetch_sub(1, Ordering::AcqRel);
        }
        answer
    }
}

fn commit_groups(store: &dyn Store, batches: &blocking::Receiver<(u64, Batch)>, answers: &mpsc::Sender<CommitAnswer>) {
    while let Ok((id, batch)) = batches.recv() {
        let (mut ids, mut group) = (vec![id], vec![batch]);
        while let Ok((id, batch)) = batches.try_recv() {
            ids.push(id);
            group.push(batch);
        }
        for (id, result) in ids.into_iter().zip(store.commit_each(group)) {
            let _ = answers.blocking_send(CommitAnswer { id, result });
        }
    }
}
