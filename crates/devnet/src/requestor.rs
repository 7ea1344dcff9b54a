//! A requestor of a development network, and a task from bytes to bytes.

use crate::anvil::DevAccount;
use crate::nodes::DevProvider;
use golem_node::folder::Folder;
use golem_node::{
    CollectError, NodeStopped, PrepareError, RequestorHandle, RunTaskError, TaskError, TaskReport, TaskTerms,
};
use golem_protocol::{Address, B256, ByteCount, ContentHash, Wei};
use golem_task::{ListedFile, MapTask, PlanError};
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A requestor of a development network.
pub struct DevRequestor {
    /// Its account: who it is, and whose channels pay.
    pub account: DevAccount,
    /// The node, to ask and watch it, and for tasks of which [`DevRequestor::run`] knows too little.
    pub node: RequestorHandle,
    /// Its data folder, gone with the network.
    pub folder: Folder,
    /// All providers of the network.
    pub(crate) providers: Arc<Vec<DevProvider>>,
}

impl fmt::Debug for DevRequestor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DevRequestor({})", self.account.address)
    }
}

/// What a task gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskDone {
    /// How much was done and what it cost, provider by provider.
    pub report: TaskReport,
    /// The files each subtask left, by the subtask's name, which is its input's, and by their own; standard output is
    /// `stdout`.
    pub outputs: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
}

impl TaskDone {
    /// One file of one subtask.
    pub fn output(&self, subtask: &str, file: &str) -> Option<&[u8]> {
        self.outputs.get(subtask)?.get(file).map(Vec::as_slice)
    }
}

/// Why a task gave nothing. What was accepted of it is paid for, and stays with the node.
#[derive(Debug, thiserror::Error)]
pub enum TaskRunError {
    /// Module, inputs or outputs could not be written or read.
    #[error("the task's files: {0}")]
    Files(#[from] io::Error),
    /// The inputs make no task.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// It could not be made ready.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The node did not take it.
    #[error(transparent)]
    Run(#[from] RunTaskError),
    /// It did not come to its end.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// Its results could not be gathered.
    #[error(transparent)]
    Collect(#[from] CollectError),
    /// A node has stopped meanwhile.
    #[error(transparent)]
    Stopped(#[from] NodeStopped),
    /// A voucher was signed and did not arrive.
    #[error("the provider {payee} holds {held} of the {signed} signed for it, {waited_s} s after the task's end")]
    VoucherLate {
        /// Whose voucher.
        payee: Address,
        /// What it holds.
        held: Wei,
        /// What it should.
        signed: Wei,
        /// How long it was waited for.
        waited_s: u64,
    },
}

/// How long offers are gathered, in milliseconds. Reason: on loopback they come at once; others are seconds away.
const OFFER_WINDOW_MS: u64 = 200;
/// How long a voucher may be on its way. Reason: it is sent again for some seconds where a peer does not answer.
const VOUCHER_MAX: Duration = Duration::from_secs(60);
/// How often is looked for it.
const VOUCHER_EVERY: Duration = Duration::from_millis(5);

impl DevRequestor {
    /// Has a program run once for each input by the providers, and waits until all is checked and paid, and the
    /// providers of this network hold the vouchers.
    ///
    /// Each input is a name and what it holds. Errors: every one of [`TaskRunError`].
    pub async fn run(&self, task: &MapTask, module: &[u8], inputs: &[(&str, &[u8])]) -> Result<TaskDone, TaskRunError> {
        let work = TempDir::with_prefix("golem-devnet-task-")?;
        let program = work.path().join("module.wasm");
        fs::write(&program, module)?;
        let (mut listed, mut files) = (Vec::new(), BTreeMap::new());
        for (index, (name, bytes)) in inputs.iter().enumerate() {
            let path = work.path().join(format!("input-{index}"));
            fs::write(&path, bytes)?;
            let content = ContentHash(B256::from(*blake3::hash(bytes).as_bytes()));
            let size = ByteCount::from_bytes(bytes.len() as u64);
            listed.push(ListedFile { guest_path: (*name).to_owned(), content, size });
            files.insert(content, path);
        }
        let plan = task.plan(listed)?;
        let terms = TaskTerms { offer_window_ms: OFFER_WINDOW_MS, ..TaskTerms::default() };
        let prepared = self.node.prepare(&plan, &program, &files, terms).await?;
        let running = self.node.run_task(prepared).await?;
        let header = running.header();
        let report = running.finished().await?;
        self.vouchers_arrived().await?;
        let out = work.path().join("out");
        self.node.collect(header, &out).await?;
        let mut outputs = BTreeMap::new();
        for subtask in &plan.subtasks {
            outputs.insert(subtask.name.clone(), read_all(&out.join(&subtask.name))?);
        }
        Ok(TaskDone { report, outputs })
    }

    /// Waits until each provider holds what is signed for it: a claim right after a task shall not miss the last voucher.
    async fn vouchers_arrived(&self) -> Result<(), TaskRunError> {
        let begun = Instant::now();
        for channel in self.node.status().await?.channels {
            let (payee, signed) = (channel.payee, channel.signed_wei);
            let Some(provider) = self.providers.iter().find(|provider| provider.account.address == payee) else {
                continue;
            };
            loop {
                let payers = provider.node.status().await?.payers;
                let ours = payers.iter().find(|account| account.payer == self.account.address);
                let held = ours.filter(|account| account.epoch == channel.epoch).map_or(Wei::ZERO, |a| a.earned_wei);
                if held >= signed {
                    break;
                }
                if begun.elapsed() > VOUCHER_MAX {
                    return Err(TaskRunError::VoucherLate { payee, held, signed, waited_s: VOUCHER_MAX.as_secs() });
                }
                tokio::time::sleep(VOUCHER_EVERY).await;
            }
        }
        Ok(())
    }
}

/// Every file below a folder, by its path from there; none where there is no folder.
fn read_all(folder: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        let entries = match fs::read_dir(&next) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if let Ok(name) = path.strip_prefix(folder) {
                found.insert(name.display().to_string(), fs::read(&path)?);
            }
        }
    }
    Ok(found)
}
