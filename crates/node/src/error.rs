//! What can go wrong, one enum per operation, each with what to try next.

use golem_protocol::{Address, B256, NodeId};
use std::path::PathBuf;

/// Why a node did not start. Nothing was announced, agreed or paid.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting cannot be kept.
    #[error("the setting {setting} is {got}: {step}")]
    Setting {
        /// Which.
        setting: &'static str,
        /// Its value.
        got: String,
        /// What to set instead.
        step: String,
    },
    /// The data folder's records cannot be opened.
    #[error(transparent)]
    Store(#[from] golem_store::OpenError),
    /// The records cannot be read.
    #[error("the records in {path} cannot be read: {source}")]
    Read {
        /// The data folder.
        path: PathBuf,
        /// What the store said.
        source: golem_store::StoreError,
    },
    /// The records are not of this version, chain or key.
    #[error(
        "{source}. Start with the version, chain and keys that this data folder belongs to, or with another folder"
    )]
    Recover {
        /// What does not fit.
        source: golem_deal::record::RecoverError,
    },
    /// The market cannot be taken up.
    #[error(transparent)]
    Market(#[from] golem_market::PolicyError),
    /// The chain cannot be used.
    #[error("the chain cannot be used: {detail}")]
    Chain {
        /// What the chain adapter said, with the next step.
        detail: String,
    },
    /// The network cannot be used.
    #[error("the network cannot be used: {detail}")]
    Net {
        /// What the network adapter said, with the next step.
        detail: String,
    },
    /// The sandbox cannot be used.
    #[error("the sandbox cannot be used: {0}")]
    Sandbox(#[from] golem_sandbox::SandboxError),
    /// The HTTP interface cannot be used.
    #[error("the HTTP interface cannot listen on {listen}: {source}. Choose another port, or 0 for any")]
    Api {
        /// Where.
        listen: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file that says where the HTTP interface is cannot be written.
    #[error(transparent)]
    Folder(#[from] crate::folder::FolderError),
    /// The content store cannot be opened.
    #[error("the content store cannot be opened: {detail}")]
    Content {
        /// What it said.
        detail: String,
    },
    /// A thread could not be started, or failed.
    #[error("a thread of the node failed: {detail}; look at the limits of this user, and start again")]
    Thread {
        /// What the system said.
        detail: String,
    },
}

/// The node has stopped, so it answers no more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node has stopped{}", reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default())]
pub struct NodeStopped {
    /// Why, where it was not asked to.
    pub reason: Option<String>,
}

/// Why a plan cannot be made into a task of this node. Nothing was announced.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The module or a file cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of the plan was not said to be anywhere.
    #[error("the plan needs the file `{guest_path}` ({digest}), and it was not given: list the input files again")]
    MissingFile {
        /// Its path below `/in`.
        guest_path: String,
        /// Its digest.
        digest: B256,
    },
    /// The document of a subtask cannot be written.
    #[error("subtask {index} cannot be written down: {source}")]
    Document {
        /// Which.
        index: u32,
        /// What is wrong with it.
        source: golem_task::BundleError,
    },
    /// The document of a subtask is too long to be fetched by its digest alone.
    #[error(
        "subtask {index} names so many files or arguments that its document has {bytes} bytes, and {max} is the most: put its files into one archive"
    )]
    DocumentTooLong {
        /// Which.
        index: u32,
        /// Its length.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// The node has stopped.
    #[error(transparent)]
    Stopped(#[from] NodeStopped),
}

/// Why a task was not taken on. Nothing was announced.
#[derive(Debug, thiserror::Error)]
pub enum RunTaskError {
    /// The header names another requestor than this node.
    #[error("the task's header names {what} {got}, this node's is {ours}: prepare the task again for this node")]
    NotOurs {
        /// `requestor` or `payer`.
        what: &'static str,
        /// The header's.
        got: Address,
        /// Ours.
        ours: Address,
    },
    /// The header is out of bounds.
    #[error("the task cannot be announced: {0}")]
    OutOfBounds(#[from] golem_protocol::SignatureError),
    /// The number of inputs differs from the header's number of subtasks, or is more than one record can hold.
    #[error(
        "the task has {inputs} inputs and its header {subtasks} subtasks; at most {max} fit one task: split it into several tasks"
    )]
    Subtasks {
        /// How many inputs.
        inputs: usize,
        /// How many subtasks.
        subtasks: u32,
        /// The most.
        max: usize,
    },
    /// The names of the subtasks are too long together.
    #[error("the names of all subtasks have {bytes} bytes, and {max} is the most: give them shorter names")]
    Names {
        /// How long they are.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// The machine did not take the task on.
    #[error("the task was not taken on: {detail}")]
    Refused {
        /// Why.
        detail: String,
    },
    /// A module, input document or file could not be put into the content store.
    #[error("a content of the task cannot be kept: {0}")]
    Content(#[from] ContentError),
    /// A content that the task needs is not among those given.
    #[error("the task needs the content {digest}, which was not given and is not kept: prepare the task again")]
    MissingContent {
        /// Which.
        digest: B256,
    },
    /// No such task in this data folder.
    #[error("there is no task {header} in this data folder; `status` lists those there are")]
    Unknown {
        /// The header's digest.
        header: B256,
    },
    /// It ended with failed subtasks, and its deadline has passed: nobody may take them any more.
    #[error(
        "the deadline of task {header} passed {late_s} s ago, so what failed of it cannot be tried again: run those inputs as a \
         task of their own"
    )]
    TooLate {
        /// The header's digest.
        header: B256,
        /// How long ago, in seconds of chain time.
        late_s: u64,
    },
    /// The note about the task could not be saved.
    #[error("the task could not be saved: {0}")]
    Store(#[from] golem_store::StoreError),
    /// The node has stopped.
    #[error(transparent)]
    Stopped(#[from] NodeStopped),
}

/// Why a content could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The system said no.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The bytes are not those that were named.
    #[error("{path} has the digest {got}, and {want} was named: the file was changed since the task was prepared", path = path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// What it has.
        got: B256,
        /// What was named.
        want: B256,
    },
    /// It is not here.
    #[error("the content {digest} is not kept here")]
    Missing {
        /// Which.
        digest: B256,
    },
    /// A peer that should have it did not give it. Another try may succeed.
    #[error("a content was not fetched: {detail}")]
    NotFetched {
        /// Which.
        digest: B256,
        /// What the network said.
        detail: String,
    },
    /// It is kept, and is not what it should be.
    #[error("the content {digest} is not a {what}: {detail}")]
    Malformed {
        /// Which.
        digest: B256,
        /// What was expected.
        what: &'static str,
        /// What does not fit.
        detail: String,
    },
    /// All that may be kept is kept, and none of it may go.
    #[error("no room for {wanted} more bytes of content: {used} of {max} are used; {taken}")]
    NoRoom {
        /// What was to be added, in bytes, as far as known.
        wanted: u64,
        /// What is kept, in bytes.
        used: u64,
        /// The most that is, in bytes.
        max: u64,
        /// What takes the room, where that is known, and the next step.
        taken: String,
    },
    /// The content store said no.
    #[error("the content store failed: {detail}")]
    Store {
        /// What it said.
        detail: String,
    },
}

impl ContentError {
    /// Whether it is this machine that cannot read or keep it: nobody else is to blame, and the same may go well once there
    /// is room.
    pub(crate) fn is_ours(&self) -> bool {
        match self {
            ContentError::Io { .. } | ContentError::NoRoom { .. } | ContentError::Store { .. } => true,
            ContentError::Changed { .. }
            | ContentError::Missing { .. }
            | ContentError::NotFetched { .. }
            | ContentError::Malformed { .. } => false,
        }
    }

    /// Whether another try may succeed.
    pub(crate) fn may_pass(&self) -> bool {
        self.is_ours() || matches!(self, ContentError::NotFetched { .. })
    }
}

/// Why a task's results could not be gathered into a folder. What was paid for stays in the content store.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// Not every subtask has a result.
    #[error("{done} of {subtasks} subtasks of {header} have a result: wait, resume the task, or collect what there is")]
    Unfinished {
        /// The task.
        header: B256,
        /// How many there are.
        done: u32,
        /// How many there should be.
        subtasks: u32,
    },
    /// A content is not here or cannot be read or written.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// It is over and was gathered, and what it had here went to make room for others.
    #[error(
        "the results of task {header} were gathered before, and are kept here no more: room was needed. They are where \
         they were written"
    )]
    Gone {
        /// The task.
        header: B256,
    },
    /// The task is unknown here.
    #[error("there is no task {header} in this data folder; `status` lists those there are")]
    Unknown {
        /// The header's digest.
        header: B256,
    },
    /// The merge program did not do its work.
    #[error("the merge failed: {detail}")]
    Merge {
        /// What happened, with the last lines of its stderr.
        detail: String,
    },
    /// The sandbox could not run the merge program.
    #[error("the merge could not run here: {0}")]
    Sandbox(#[from] golem_sandbox::SandboxError),
    /// The note about the task cannot be read.
    #[error("the task's note cannot be read: {0}")]
    Store(#[from] golem_store::StoreError),
    /// The node has stopped.
    #[error(transparent)]
    Stopped(#[from] NodeStopped),
}

/// Why a claim or a close of channels did not happen. No voucher is lost: it can be tried again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettleError {
    /// Another settlement of this node is under way.
    #[error("a settlement is under way already; wait for it to end")]
    UnderWay,
    /// The transaction could not be sent, or failed.
    #[error("the transaction did not go through: {detail}")]
    Chain {
        /// What the chain adapter said, with the next step.
        detail: String,
    },
    /// There is no such channel here.
    #[error("there is no channel with {peer} here")]
    NoChannel {
        /// The other side.
        peer: Address,
    },
    /// The node has stopped.
    #[error(transparent)]
    Stopped(#[from] NodeStopped),
}

/// Why a task ended without all its results. What was accepted is paid and kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    /// Some subtasks failed for good.
    #[error("{failed} of {subtasks} subtasks failed: {last_detail}")]
    Failed {
        /// How many.
        failed: u32,
        /// Of how many.
        subtasks: u32,
        /// What the last failure said.
        last_detail: String,
    },
    /// What is left of the budget pays nobody.
    #[error("what is left of the budget pays nobody, and {open} subtasks are open")]
    BudgetReached {
        /// How many are open.
        open: u32,
    },
    /// Its owner stopped it while nothing could be saved here, so that what was agreed could not end.
    #[error(
        "the task was stopped with {open} subtasks open, while nothing could be saved here: {detail}. Nothing that was not \
         saved was acted on: free some room first"
    )]
    Unsaved {
        /// How many are open.
        open: u32,
        /// What the disk said.
        detail: String,
    },
    /// Its owner stopped it, and what was agreed has ended.
    #[error("the task was stopped with {open} subtasks open")]
    Halted {
        /// How many are open.
        open: u32,
    },
    /// The node has stopped.
    #[error(transparent)]
    Stopped(#[from] NodeStopped),
}

impl StopError {
    /// The disk did not keep up.
    pub(crate) fn unflushed(waited: std::time::Duration) -> StopError {
        let what = "saving the last records".to_owned();
        StopError::CutOff { what, waited_ms: waited.as_millis() as u64 }
    }
}

/// Why a node did not stop cleanly. What it acted on is durable all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StopError {
    /// Something still ran when the bound was reached, and was cut off.
    #[error("{what} did not end within {waited_ms} ms and was cut off; what is signed is saved")]
    CutOff {
        /// What.
        what: String,
        /// How long it was waited for.
        waited_ms: u64,
    },
    /// There was no room for the last records. Nothing was sent, signed away or paid that rests on them.
    #[error(
        "not everything could be saved: {detail}. Nothing that was not saved was acted on; free some room and start the node \
         again, and it is done then"
    )]
    Unsaved {
        /// What the store said.
        detail: String,
    },
    /// Vouchers that their payees have not confirmed. They are sent again on the next start.
    #[error("{} vouchers may not have reached their payees ({}); start the node again to deliver them", undelivered.len(), undelivered.iter().map(|node| node.to_string()).collect::<Vec<_>>().join(", "))]
    Undelivered {
        /// To whom.
        undelivered: Vec<NodeId>,
    },
    /// The claim on exit did not go through.
    #[error("the claim did not go through: {0}")]
    Settle(#[from] SettleError),
    /// The node stopped by itself before.
    #[error(transparent)]
    Stopped(#[from] NodeStopped),
}
