//! A running requestor, as its owner holds it, and its tasks.

use crate::collect::{self, Collected, MergeBy};
use crate::content::{Contents, Pins};
use crate::error::{
    CollectError, ContentError, NodeStopped, PrepareError, RunTaskError, SettleError, StopError, TaskError,
};
use crate::events::{EventLog, EventStream, RequestorNotice, Stamped, Watched};
use crate::identity::NodeKeys;
use crate::lifecycle::Ended;
use crate::lifecycle::local_now;
use crate::note::{PreviewNote, SourceNote, TaskBegun, TaskGathered, TaskNote};
use crate::prepared::{self, PreparedTask, TaskReport, TaskTerms};
use crate::status::RequestorStatus;
use crate::worker::Runner;
use golem_deal::{TaskOrder, TaskStatus};
use golem_protocol::{Address, B256, ByteCount, ChainRef, ChainTime, ContentHash, Document, NodeId};
use golem_store::{Batch, Record, Store, get_record};
use golem_task::TaskPlan;
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// The accepted output manifests of a task: content and length, by subtask.
pub type Outputs = BTreeMap<u32, (ContentHash, ByteCount)>;

/// A task as the loop knows it.
#[derive(Clone, Debug)]
pub(crate) struct TaskView {
    pub(crate) status: TaskStatus,
    pub(crate) module: ContentHash,
    pub(crate) note: TaskNote,
    pub(crate) gathered: Option<TaskGathered>,
    pub(crate) outputs: Outputs,
    /// Why subtasks failed for good.
    pub(crate) failures: BTreeMap<u32, String>,
}

/// A subtask that failed for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedSubtask {
    /// Which.
    pub index: u32,
    /// The folder that its files would have.
    pub name: String,
    /// What it came to, and below it the last of what the program printed, as far as a report carries it: 1 KiB.
    pub reason: String,
}

/// What it takes to show a task that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownTask {
    /// How its module draws what there is.
    pub preview: PreviewNote,
    /// Where the module is.
    pub module: PathBuf,
    /// The folder of each subtask's files.
    pub subtask_names: Vec<String>,
}

/// What the owner, or the HTTP interface, asks of the loop.
pub(crate) enum RequestorCommand {
    Run {
        order: Box<TaskOrder>,
        note: TaskNote,
        begun: TaskBegun,
        input_max: ByteCount,
        /// Its contents, which nobody else knows of yet.
        pins: Pins,
        reply: oneshot::Sender<Result<Running, RunTaskError>>,
    },
    Resume {
        header: B256,
        reply: oneshot::Sender<Result<Running, RunTaskError>>,
    },
    StopTask(B256),
    /// These results of a task are on the disk in a folder of its owner's.
    Gathered {
        header: B256,
        gathered: TaskGathered,
    },
    View {
        header: B256,
        reply: oneshot::Sender<Option<Box<TaskView>>>,
    },
    Status(oneshot::Sender<RequestorStatus>),
    RequestClose {
        payee: Address,
        reply: oneshot::Sender<Result<ChainTime, SettleError>>,
    },
    Finalize {
        payee: Address,
        reply: oneshot::Sender<Result<B256, SettleError>>,
    },
    Stop,
}

/// What the loop answers to a task taken on.
pub(crate) struct Running {
    pub(crate) header: B256,
    pub(crate) finished: oneshot::Receiver<Result<TaskReport, TaskError>>,
}

/// The part of a handle that can be shared.
#[derive(Clone)]
pub(crate) struct RequestorLink {
    pub(crate) commands: mpsc::Sender<RequestorCommand>,
    pub(crate) events: EventLog<RequestorNotice>,
    pub(crate) ended: Ended,
}

impl RequestorLink {
    /// Asks the loop and waits for the answer.
    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> RequestorCommand) -> Result<T, NodeStopped> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| self.ended.now())?;
        answer.await.map_err(|_| self.ended.now())
    }

    pub(crate) async fn status(&self) -> Result<RequestorStatus, NodeStopped> {
        self.ask(RequestorCommand::Status).await
    }

    async fn view(&self, header: B256) -> Result<Option<Box<TaskView>>, NodeStopped> {
        self.ask(|reply| RequestorCommand::View { header, reply }).await
    }

    pub(crate) async fn request_close(&self, payee: Address) -> Result<ChainTime, SettleError> {
        self.ask(|reply| RequestorCommand::RequestClose { payee, reply }).await?
    }

    pub(crate) async fn stop(&self) -> Result<(), NodeStopped> {
        self.commands.send(RequestorCommand::Stop).await.map_err(|_| self.ended.now())
    }
}

/// A running requestor. Call [`RequestorHandle::shutdown`] before dropping it: a drop cuts off what runs, and loses no
/// record.
pub struct RequestorHandle {
    pub(crate) link: RequestorLink,
    pub(crate) keys: NodeKeys,
    pub(crate) chain: ChainRef,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) contents: Contents,
    pub(crate) runner: Arc<Runner>,
    pub(crate) api: Option<SocketAddr>,
    pub(crate) main: Option<JoinHandle<Result<(), StopError>>>,
}

impl RequestorHandle {
    /// Who it is.
    pub fn node_id(&self) -> NodeId {
        self.keys.node_id()
    }

    /// Whose channels pay.
    pub fn payer(&self) -> Address {
        self.keys.payment_address()
    }

    /// Where its HTTP interface listens.
    pub fn api(&self) -> Option<SocketAddr> {
        self.api
    }

    /// How it stands: tasks, channels, network, chain.
    pub async fn status(&self) -> Result<RequestorStatus, NodeStopped> {
        self.link.status().await
    }

    /// The events to come.
    pub fn events(&self) -> EventStream<RequestorNotice> {
        self.link.events.stream()
    }

    /// The latest events with a number above `seq`, oldest first, at most [`crate::events::EVENTS_KEPT_MAX`].
    pub fn events_since(&self, seq: u64) -> Vec<Stamped<RequestorNotice>> {
        self.link.events.since(seq)
    }

    /// Makes a plan into a task of this node: names every content, sets the deadline by the chain's time, and draws the
    /// task's seed. Nothing is announced or spent.
    ///
    /// `files` says where each input file of the plan is. Errors: see [`PrepareError`].
    pub async fn prepare(
        &self,
        plan: &TaskPlan,
        module: &Path,
        files: &BTreeMap<ContentHash, PathBuf>,
        terms: TaskTerms,
    ) -> Result<PreparedTask, PrepareError> {
        let time = self.status().await?.chain.time_s;
        prepared::prepare(&self.keys, ChainTime(time), plan, module, files, terms).await
    }

    /// Keeps the task's contents, announces it, and has it done.
    ///
    /// A task that is known here already, by its header, is taken up where it stood. Errors: see [`RunTaskError`];
    /// nothing was announced then.
    pub async fn run_task(&self, task: PreparedTask) -> Result<TaskHandle, RunTaskError> {
        task.check(&self.keys)?;
        let PreparedTask { name, order, subtask_names, contents, merge, input_max, preview, source } = task;
        let pins = self.contents.keep_task(&order, contents).await?;
        let note = TaskNote::new(name, subtask_names, merge);
        let header = order.header.digest(&self.chain);
        let begun = self.save_note(header, &note, preview.as_ref(), source.as_ref()).await?;
        // Subscribed before the start, so that the first event is not missed.
        let events = self.link.events.stream();
        let order = Box::new(order);
        let running =
            self.link.ask(|reply| RequestorCommand::Run { order, note, begun, input_max, pins, reply }).await??;
        Ok(self.task_handle(running, events))
    }

    /// Saved before the task is begun: a task that is known has its names. Gives when it was, if it was before.
    async fn save_note(
        &self,
        header: B256,
        note: &TaskNote,
        preview: Option<&PreviewNote>,
        source: Option<&SourceNote>,
    ) -> Result<TaskBegun, RunTaskError> {
        let mut batch = Batch::new();
        batch.put_record(header, note)?;
        if let Some(preview) = preview {
            batch.put_record(header, preview)?;
        }
        if let Some(source) = source {
            batch.put_record(header, source)?;
        }
        let store = self.store.clone();
        let saved = tokio::task::spawn_blocking(move || {
            let known = get_record::<TaskBegun>(store.as_ref(), header.as_slice())?;
            let begun = known.unwrap_or(TaskBegun { at_ms: local_now().0 });
            batch.put_record(header, &begun)?;
            store.commit(batch).map(|()| begun)
        });
        Ok(saved.await.unwrap_or(Err(golem_store::StoreError::Closed))?)
    }

    /// Takes an unfinished task of an earlier run up again, or one that ended with failed subtasks, which are tried again
    /// for what is left of its budget. Its contents are still kept, and what is done is not bought twice.
    ///
    /// Errors: `Unknown` where this data folder has no such task; `TooLate`.
    pub async fn resume(&self, header: B256) -> Result<TaskHandle, RunTaskError> {
        let events = self.link.events.stream();
        let running = self.link.ask(|reply| RequestorCommand::Resume { header, reply }).await??;
        Ok(self.task_handle(running, events))
    }

    /// How a task of this folder is shown while it goes on; `None` where it is not, or was not kept with it.
    ///
    /// Errors: `Unknown`, `Stopped`, `Store`.
    pub async fn shown(&self, header: B256) -> Result<Option<ShownTask>, CollectError> {
        let view = self.view(header).await?;
        let preview = self.note::<PreviewNote>(header).await?;
        let module = self.contents.path(view.module);
        Ok(preview.map(|preview| ShownTask { preview, module, subtask_names: view.note.subtask_names }))
    }

    /// Where a task of this folder was taken from; `None` where that was not kept.
    ///
    /// Errors: `Stopped`, `Store`.
    pub async fn source(&self, header: B256) -> Result<Option<SourceNote>, CollectError> {
        self.note(header).await
    }

    async fn note<R: Record + Send + 'static>(&self, header: B256) -> Result<Option<R>, CollectError> {
        let store = self.store.clone();
        let read = tokio::task::spawn_blocking(move || get_record::<R>(store.as_ref(), header.as_slice())).await;
        Ok(read.unwrap_or(Err(golem_store::StoreError::Closed))?)
    }

    fn task_handle(&self, running: Running, events: EventStream<RequestorNotice>) -> TaskHandle {
        TaskHandle { header: running.header, link: self.link.clone(), events, finished: running.finished }
    }

    /// The accepted outputs of a task so far.
    ///
    /// Errors: `Unknown`, `Stopped`.
    pub async fn outputs(&self, header: B256) -> Result<Outputs, CollectError> {
        Ok(self.view(header).await?.outputs)
    }

    /// The folder of each subtask's files, which is its name for people.
    ///
    /// Errors: `Unknown`, `Stopped`.
    pub async fn subtask_names(&self, header: B256) -> Result<Vec<String>, CollectError> {
        Ok(self.view(header).await?.note.subtask_names)
    }

    /// The subtasks that failed for good, by index.
    ///
    /// Errors: `Unknown`, `Stopped`.
    pub async fn failed(&self, header: B256) -> Result<Vec<FailedSubtask>, CollectError> {
        let TaskView { note, failures, .. } = self.view(header).await?;
        let named = |(index, reason): (u32, String)| {
            let name = note.subtask_names.get(index as usize).cloned().unwrap_or_else(|| index.to_string());
            FailedSubtask { index, name, reason }
        };
        Ok(failures.into_iter().map(named).collect())
    }

    /// Writes each accepted subtask's files to `dir/<subtask name>/`, replacing files of the same name.
    ///
    /// It is on the disk when this returns; from then on what the task has here may go when room is needed for others, once
    /// it is over. A task that is not finished gives what there is; compare `Collected::missing`. Errors: `Unknown`,
    /// `Content`; `Gone` where it went.
    pub async fn collect(&self, header: B256, dir: &Path) -> Result<Collected, CollectError> {
        let view = self.view(header).await?;
        let collected = collect::collect(&self.contents, &view, dir).await.map_err(|error| gone(&view, error))?;
        // What is whole is to be put together yet, as often as that takes.
        let is_whole = view.status.finished && view.status.failed == 0;
        if !is_whole || view.note.merge.is_none() {
            self.gathered(&view).await?;
        }
        Ok(collected)
    }

    /// Runs the task's merge program here, over all results, and writes its files to `dir`.
    ///
    /// It is run as the task says, or in another way. A task without a merge program is collected as it is; see there.
    /// Errors: `Unfinished`, `Merge` with the program's last words, `Sandbox`, `Content`, `Gone`.
    pub async fn merge(&self, header: B256, by: Option<&MergeBy>, dir: &Path) -> Result<Collected, CollectError> {
        let view = self.view(header).await?;
        let merged =
            collect::merge(&self.contents, &self.runner, &view, by, dir).await.map_err(|error| gone(&view, error))?;
        self.gathered(&view).await?;
        Ok(merged)
    }

    /// From now on the results that a task had may go from here, once nothing else of it is needed.
    async fn gathered(&self, view: &TaskView) -> Result<(), CollectError> {
        let (header, gathered) = (view.status.header, TaskGathered::of(&view.outputs));
        let store = self.store.clone();
        let saved = tokio::task::spawn_blocking(move || {
            let mut batch = Batch::new();
            batch.put_record(header, &gathered)?;
            store.commit(batch)
        });
        match saved.await.unwrap_or(Err(golem_store::StoreError::Closed)) {
            Ok(()) => {
                let told = RequestorCommand::Gathered { header, gathered };
                self.link.commands.send(told).await.map_err(|_| CollectError::Stopped(self.link.ended.now()))
            }
            // They are where they were wanted: this only makes the next gathering needed for nothing.
            Err(error) => {
                tracing::warn!(%header, %error, "that a task's results were gathered is not on record");
                Ok(())
            }
        }
    }

    async fn view(&self, header: B256) -> Result<TaskView, CollectError> {
        self.link.view(header).await?.map(|view| *view).ok_or(CollectError::Unknown { header })
    }

    /// Asks for the channel to `payee` to be closed; gives the chain time from which [`RequestorHandle::finalize`] works.
    ///
    /// The payee can claim until then. Errors: `NoChannel`, `Chain`.
    pub async fn request_close(&self, payee: Address) -> Result<ChainTime, SettleError> {
        self.link.request_close(payee).await
    }

    /// Ends a channel whose close was requested long enough ago; what is left comes back.
    ///
    /// Errors: `NoChannel`, `Chain`; a retry is safe.
    pub async fn finalize(&self, payee: Address) -> Result<B256, SettleError> {
        self.link.ask(|reply| RequestorCommand::Finalize { payee, reply }).await?
    }

    /// Waits until the node has stopped, by itself or because it was asked over HTTP.
    pub async fn stopped(&self) -> NodeStopped {
        self.link.ended.wait().await
    }

    /// Waits within a bound until the last vouchers have reached their payees, then stops and joins everything.
    ///
    /// Errors: `Undelivered` names those that may wait for theirs; the next start sends them again.
    pub async fn shutdown(mut self) -> Result<(), StopError> {
        // A node that has stopped already still has to be joined.
        let _ = self.link.stop().await;
        let Some(main) = self.main.take() else { return Ok(()) };
        main.await.unwrap_or_else(|error| {
            Err(StopError::Stopped(NodeStopped { reason: Some(format!("its loop failed: {error}")) }))
        })
    }
}

/// What is missing of results that were gathered before went to make room.
fn gone(view: &TaskView, error: CollectError) -> CollectError {
    match error {
        CollectError::Content(ContentError::Missing { .. })
            if view.gathered == Some(TaskGathered::of(&view.outputs)) =>
        {
            CollectError::Gone { header: view.status.header }
        }
        error => error,
    }
}

impl Drop for RequestorHandle {
    fn drop(&mut self) {
        if let Some(main) = self.main.take() {
            main.abort();
        }
    }
}

/// A task under way. Dropping it does not stop the task.
pub struct TaskHandle {
    header: B256,
    link: RequestorLink,
    events: EventStream<RequestorNotice>,
    finished: oneshot::Receiver<Result<TaskReport, TaskError>>,
}

/// What comes next of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskProgress {
    /// An event of the node, mostly of this task.
    Watched(Watched<RequestorNotice>),
    /// The end.
    Finished(Result<TaskReport, TaskError>),
}

impl TaskHandle {
    /// The header's digest: the task's name on the network and in this data folder.
    pub fn header(&self) -> B256 {
        self.header
    }

    /// The next event, or the end. After the end it must not be called again.
    pub async fn next(&mut self) -> TaskProgress {
        tokio::select! {
            // Events first, so that a screen sees the last of them before the end.
            biased;
            Some(watched) = self.events.next() => TaskProgress::Watched(watched),
            ended = &mut self.finished => TaskProgress::Finished(self.ended(ended)),
        }
    }

    /// Waits for the end, without looking at the events.
    ///
    /// Errors: `Failed`, `BudgetReached`; what was accepted is paid for, and can be collected.
    pub async fn finished(mut self) -> Result<TaskReport, TaskError> {
        let ended = (&mut self.finished).await;
        self.ended(ended)
    }

    fn ended(
        &self,
        ended: Result<Result<TaskReport, TaskError>, oneshot::error::RecvError>,
    ) -> Result<TaskReport, TaskError> {
        ended.unwrap_or_else(|_| Err(TaskError::Stopped(self.link.ended.now())))
    }

    /// Where it stands; `None` where the node no longer knows it.
    pub async fn status(&self) -> Result<Option<TaskStatus>, NodeStopped> {
        Ok(self.link.view(self.header).await?.map(|view| view.status))
    }

    /// Agrees nothing new for it; what is agreed may end and is paid.
    pub async fn stop(&self) -> Result<(), NodeStopped> {
        self.link.commands.send(RequestorCommand::StopTask(self.header)).await.map_err(|_| self.link.ended.now())
    }
}
