//! A task made ready to run: what is announced, and every content that providers will fetch.

use crate::content::DOCUMENT_BYTES_MAX;
use crate::error::{PrepareError, RunTaskError};
use crate::identity::NodeKeys;
use crate::note::{PreviewNote, SourceNote};
use golem_deal::{Checks, Rechecks, TaskOrder};
use golem_market::CheckRate;
use golem_protocol::{AppFee, B256, ByteCount, ChainTime, ContentHash, Document, Header, NodeId, Wei};
use golem_task::{MergeSpec, TaskPlan, Verification};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The most subtasks of one task on one node. Reason: the order is one record of 32 bytes an input, and a record has to
/// fit the store's largest value (4 MiB) with room to spare.
pub const TASK_SUBTASKS_MAX: usize = 100_000;
/// The most bytes of all subtasks' names. Reason: they are one record too.
pub const NAMES_BYTES_MAX: usize = 3 << 20;

/// A task made ready: its order, its contents, and how its results are named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparedTask {
    /// What its owner calls it.
    pub name: String,
    /// What is announced, and the input document of each subtask by content.
    pub order: TaskOrder,
    /// The folder of each subtask's files below the one collected into; as many as there are inputs.
    pub subtask_names: Vec<String>,
    /// The module, the input documents and the files they name.
    pub contents: Vec<PreparedContent>,
    /// How the results become one, where they do.
    pub merge: Option<MergeSpec>,
    /// What a subtask has to fetch at most besides the module: its document, and the files in it.
    pub input_max: ByteCount,
    /// How it is shown while it goes on, where it is; kept with the task, and nobody here draws it.
    pub preview: Option<PreviewNote>,
    /// Where it was taken from, where that is kept.
    pub source: Option<SourceNote>,
}

/// A content to keep, so that providers can fetch it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PreparedContent {
    /// Bytes made for this task.
    Bytes {
        /// Their digest.
        digest: ContentHash,
        /// They themselves.
        bytes: Vec<u8>,
    },
    /// A file as it is; it is copied, so that it may change afterwards.
    File {
        /// Its digest when the task was prepared.
        digest: ContentHash,
        /// Where it is.
        path: PathBuf,
    },
}

impl PreparedContent {
    /// The digest it must have.
    pub fn digest(&self) -> ContentHash {
        match self {
            PreparedContent::Bytes { digest, .. } | PreparedContent::File { digest, .. } => *digest,
        }
    }

    /// How long it is now; nothing where its file cannot be looked at, which is told when it is read. Blocks.
    pub(crate) fn size(&self) -> u64 {
        match self {
            PreparedContent::Bytes { bytes, .. } => bytes.len() as u64,
            PreparedContent::File { path, .. } => std::fs::metadata(path).map_or(0, |file| file.len()),
        }
    }
}

impl PreparedTask {
    /// Whether this node can take it on.
    ///
    /// Errors: `NotOurs`, `Refused` where the header breaks a bound, `Subtasks`; documents and contents are looked at where they are used.
    pub fn check(&self, keys: &NodeKeys) -> Result<(), RunTaskError> {
        let header = &self.order.header;
        if header.requestor != keys.node_id() {
            return Err(RunTaskError::NotOurs { what: "requestor", got: header.requestor.0, ours: keys.node_id().0 });
        }
        if header.payer != keys.payment_address() {
            return Err(RunTaskError::NotOurs { what: "payer", got: header.payer, ours: keys.payment_address() });
        }
        header.check().map_err(|error| RunTaskError::Refused { detail: error.to_string() })?;
        let inputs = self.order.inputs.len();
        if inputs != header.subtasks as usize || inputs != self.subtask_names.len() || inputs > TASK_SUBTASKS_MAX {
            return Err(RunTaskError::Subtasks { inputs, subtasks: header.subtasks, max: TASK_SUBTASKS_MAX });
        }
        let names = self.subtask_names.iter().fold(self.name.len(), |sum, name| sum.saturating_add(name.len() + 4));
        if names > NAMES_BYTES_MAX {
            return Err(RunTaskError::Names { bytes: names, max: NAMES_BYTES_MAX });
        }
        Ok(())
    }
}

/// What a plan leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskTerms {
    /// How long offers are gathered before the first are taken, in milliseconds.
    pub offer_window_ms: u64,
    /// The app's author, and what it gets for each accepted subtask, as its registry says.
    pub app: AppFee,
}

impl Default for TaskTerms {
    /// Offers gathered for 1.5 seconds, an app of nobody.
    fn default() -> TaskTerms {
        TaskTerms { offer_window_ms: 1_500, app: AppFee::NONE }
    }
}

/// Makes a plan into a task.
pub(crate) async fn prepare(
    keys: &NodeKeys,
    now: ChainTime,
    plan: &TaskPlan,
    module: &Path,
    files: &BTreeMap<ContentHash, PathBuf>,
    terms: TaskTerms,
) -> Result<PreparedTask, PrepareError> {
    let path = module.to_path_buf();
    let hashed = tokio::task::spawn_blocking(move || {
        let bytes = std::fs::read(&path)?;
        Ok((ContentHash(B256::from(*blake3::hash(&bytes).as_bytes())), ByteCount::from_bytes(bytes.len() as u64)))
    });
    let read_error = |source| PrepareError::Read { path: module.to_path_buf(), source };
    let hashed = hashed.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    let (digest, module_bytes) = hashed.map_err(read_error)?;
    let mut contents = vec![PreparedContent::File { digest, path: module.to_path_buf() }];
    let mut named = BTreeSet::new();
    for file in &plan.files {
        let missing = || PrepareError::MissingFile { guest_path: file.guest_path.clone(), digest: file.content.0 };
        let path = files.get(&file.content).ok_or_else(missing)?;
        if named.insert(file.content) {
            contents.push(PreparedContent::File { digest: file.content, path: path.clone() });
        }
    }
    let task_seed: [u8; 32] = rand::random();
    let mut inputs = Vec::with_capacity(plan.subtasks.len());
    let mut input_max = 0;
    for subtask in &plan.subtasks {
        let index = subtask.index;
        let document = plan.input(subtask, digest, task_seed);
        let bytes = document.encode().map_err(|source| PrepareError::Document { index, source })?;
        if bytes.len() > DOCUMENT_BYTES_MAX {
            return Err(PrepareError::DocumentTooLong { index, bytes: bytes.len(), max: DOCUMENT_BYTES_MAX });
        }
        let digest = ContentHash(B256::from(*blake3::hash(&bytes).as_bytes()));
        inputs.push(digest);
        let files = subtask.files.iter().chain(&subtask.stdin).filter_map(|place| plan.files.get(*place as usize));
        let files = files.fold(0u64, |sum, file| sum.saturating_add(file.size.0));
        input_max = files.saturating_add(bytes.len() as u64).max(input_max);
        contents.push(PreparedContent::Bytes { digest, bytes });
    }
    let header = Header {
        requestor: keys.node_id(),
        payer: keys.payment_address(),
        nonce: rand::random(),
        module: digest,
        module_bytes,
        subtasks: inputs.len() as u32,
        max_price: plan.price.max_per_hour,
        subtask_timeout_s: plan.limits.timeout_s,
        min_perf: plan.purchase.min_perf,
        pricing: plan.purchase.pricing,
        fuel_max: plan.limits.subtask.fuel_max,
        memory_max: plan.limits.subtask.memory_max,
        output_max: plan.limits.subtask.output_max,
        recheck_ppm: plan.verification.recheck_ppm(),
        profile: golem_sandbox::profile::digest(),
        deadline: now.saturating_add(plan.deadline_s as u64),
        app: terms.app,
    };
    let order = TaskOrder {
        checks: checks(plan, header.subtasks),
        header,
        inputs,
        budget: plan.price.budget,
        offer_window_ms: terms.offer_window_ms,
    };
    let subtask_names = plan.subtasks.iter().map(|subtask| subtask.name.clone()).collect();
    let (name, merge, input_max) = (plan.name.clone(), plan.merge.clone(), ByteCount::from_bytes(input_max));
    Ok(PreparedTask { name, order, subtask_names, contents, merge, input_max, preview: None, source: None })
}

/// How a plan's results are checked, in the machine's words.
fn checks(plan: &TaskPlan, subtasks: u32) -> Checks {
    let verification = plan.verification;
    let rechecks = match verification {
        Verification::Adaptive { floor_ppm } => Rechecks::Adaptive { floor_ppm },
        Verification::None | Verification::Recheck { .. } | Verification::Redundancy { .. } => {
            Rechecks::Share { ppm: verification.recheck_ppm() }
        }
    };
    Checks {
        copies: verification.copies(),
        rechecks,
        known_ppm: plan.extras.known_ppm,
        hedges_max: plan.extras.hedging.hedges_max(subtasks),
    }
}

/// What came of a task, when nothing is left to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskReport {
    /// How many subtasks it has.
    pub subtasks: u32,
    /// How many have an accepted result.
    pub done: u32,
    /// How many failed for good.
    pub failed: u32,
    /// What was signed away to providers for it, in wei.
    pub spent_wei: Wei,
    /// What was signed away to the app's author for it, in wei.
    pub fees_wei: Wei,
    /// The most it might have cost, in wei.
    pub budget_wei: Wei,
    /// What of that, and of this machine's time, went into checking results.
    pub checks: CheckCost,
    /// How long it took since it was last taken up here, in milliseconds.
    pub wall_ms: u64,
    /// What each provider did, by node id.
    pub providers: Vec<ProviderShare>,
}

/// What one provider did for one task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderShare {
    /// Who.
    pub provider: NodeId,
    /// Where it is paid; absent where nothing was agreed with it.
    pub payee: Option<golem_protocol::Address>,
    /// What it last offered, in wei per hour.
    pub offered_price_wei_per_hour: Wei,
    /// The market's score of its last offer, in parts per million.
    pub score_ppm: u64,
    /// How many of its results were accepted.
    pub subtasks: u32,
    /// How many of its results were not, or never came.
    pub rejected: u32,
    /// What it was paid, in wei.
    pub paid_wei: Wei,
    /// How often its results are checked, and what a wrong one is expected to bring it; absent before its first offer.
    pub check: Option<CheckRate>,
}

/// What it cost to check a task's results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckCost {
    /// How many results were accepted and paid of subtasks that had one already: copies, hedges, known answers.
    pub copies: u32,
    /// What those were paid, fees included, in wei.
    pub copies_wei: Wei,
    /// How many results were run again here.
    pub own_runs: u32,
    /// How long those ran, in milliseconds.
    pub own_run_ms: u64,
    /// What they burnt.
    pub own_run_fuel: u64,
}
