//! Commits for a caller that must not block: a thread that groups batches and answers each by its id, and keeps their order.

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
    ///
    /// Ids rise. What is durable is at any time all up to some id: behind a batch that was refused nothing is written, and
    /// each is refused for the same reason, until that one, or one before it, is handed over again.
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
    let mut refused = None;
    while let Ok(first) = batches.recv() {
        let mut group = vec![first];
        group.extend(batches.try_iter());
        for (id, result) in commit_in_order(store, group, &mut refused) {
            let _ = answers.blocking_send(CommitAnswer { id, result });
        }
    }
}

/// Writes a group as one where nothing is wrong, else one batch after the other. What a batch holds may rest on the ones
/// before it: a deal that counts a result as paid, on the ledger of whom it is paid to. Were it durable without them, a
/// restart would find half of that.
fn commit_in_order(
    store: &dyn Store,
    group: Vec<(u64, Batch)>,
    refused: &mut Option<(u64, StoreError)>,
) -> Vec<(u64, Result<(), StoreError>)> {
    if refused.is_none() && group.len() > 1 {
        let mut whole = Batch::new();
        for (_, batch) in &group {
            whole.append(batch.clone());
        }
        match store.commit(whole) {
            // Some of it may fit: its beginning.
            Err(StoreError::Full { .. } | StoreError::TooLarge { .. }) => {}
            result => return group.into_iter().map(|(id, _)| (id, result.clone())).collect(),
        }
    }
    let mut results = Vec::new();
    for (id, batch) in group {
        let result = match refused {
            Some((first, error)) if id > *first => Err(error.clone()),
            _ => store.commit(batch),
        };
        match &result {
            Ok(()) => *refused = None,
            Err(error) if refused.as_ref().is_none_or(|(first, _)| id <= *first) => {
                *refused = Some((id, error.clone()))
            }
            Err(_) => {}
        }
        results.push((id, result));
    }
    results
}
