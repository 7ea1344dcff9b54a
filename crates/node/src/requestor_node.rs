//! Starting a requestor.

use crate::api::{self, ApiServer};
use crate::audience::FETCHES_TOLD_MAX;
use crate::content::{Contents, Room};
use crate::error::StartError;
use crate::events::EventLog;
use crate::lifecycle::{ending, local_now};
use crate::note::{RecheckSecret, SecretLot, TaskBegun, TaskGathered, TaskNote, TaskShares, end_notes};
use crate::origin::RequestorOrigin;
use crate::progress::{Kept, Progress};
use crate::proofs::PROOF_CONTENT_MAX;
use crate::provider_handle::COMMANDS_MAX;
use crate::requestor_handle::{RequestorHandle, RequestorLink};
use crate::requestor_loop::{RequestorLoop, RequestorParts};
use crate::requestor_room::ROOM_WANTED_MAX;
use crate::saver::{Saver, batch};
use crate::settings::RequestorConfig;
use crate::startup::{Base, BaseSettings, joined};
use crate::trace::{Notebook, Role, Tracer};
use golem_protocol::limits::SLOTS_MAX;
use golem_protocol::{B256, ChainTime, Now};
use golem_sandbox::Pace;
use golem_store::{Batch, Record, Store, StoreError, for_each_record, get_record};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Where requestors start.
pub struct RequestorNode;

/// How long after its deadline a task that ended stays on record, in seconds of the chain: thirty days.
const TASKS_KEPT_S: u64 = 30 * 24 * 3_600;

/// The key of the one secret of a node.
const SECRET_KEY: &[u8] = b"recheck";

impl RequestorNode {
    /// Opens the data folder, takes up what an earlier run left, and goes on the network.
    ///
    /// What is agreed goes on and is paid; an unfinished task agrees nothing new until [`RequestorHandle::resume`].
    /// Errors: see [`StartError`]; nothing is left running then.
    pub async fn start(config: RequestorConfig) -> Result<RequestorHandle, StartError> {
        if config.slots == 0 || config.slots > SLOTS_MAX {
            let step = format!("set it between 1 and {SLOTS_MAX}");
            return Err(StartError::Setting { setting: "slots", got: config.slots.to_string(), step });
        }
        let base = Base::start(BaseSettings {
            folder: &config.folder,
            keys: &config.keys,
            chain: &config.chain,
            network: &config.network,
            slots: config.slots,
            pace: Pace::FULL,
            content_max: config.content_max,
            modules_max: config.modules_max,
            isolation: &config.isolation,
            room: Room::Keep,
        })
        .await?;
        let net = base.net.clone();
        let started = start_on(config, base).await;
        if started.is_err() {
            net.shutdown().await;
        }
        started
    }
}

/// What the shell itself saved.
struct Notes {
    secret: RecheckSecret,
    tasks: BTreeMap<B256, Progress>,
}

/// All records of one kind that are kept under a task's header.
fn by_header<R: Record>(store: &dyn Store) -> Result<BTreeMap<B256, R>, StoreError> {
    let mut records = BTreeMap::new();
    for_each_record(store, b"", |key, record: R| drop(records.insert(B256::left_padding_from(&key), record)))?;
    Ok(records)
}

/// Reads the notes; draws the secret where there is none.
fn load_notes(store: &dyn Store) -> Result<Notes, StoreError> {
    let secret = match get_record::<RecheckSecret>(store, SECRET_KEY)? {
        Some(secret) => secret,
        None => {
            let secret = RecheckSecret(rand::random());
            let mut batch = Batch::new();
            batch.put_record(SECRET_KEY, &secret)?;
            store.commit(batch)?;
            secret
        }
    };
    let mut shares = by_header::<TaskShares>(store)?;
    let mut begun = by_header::<TaskBegun>(store)?;
    let mut gathered = by_header::<TaskGathered>(store)?;
    let mut tasks = BTreeMap::new();
    for (header, note) in by_header::<TaskNote>(store)? {
        let kept = Kept {
            note,
            begun: begun.remove(&header).unwrap_or_default(),
            shares: shares.remove(&header).unwrap_or_default(),
            gathered: gathered.remove(&header),
        };
        tasks.insert(header, Progress::new(kept, local_now()));
    }
    Ok(Notes { secret, tasks })
}

/// Deletes what is on record of tasks that ended long ago and whose results, where there are any, their owner has in a
/// folder; gives the records that are left. What was paid stays on record.
fn forget_old_tasks(
    store: &dyn Store,
    records: Vec<golem_deal::Record>,
    now: ChainTime,
) -> Result<Vec<golem_deal::Record>, StoreError> {
    let before = ChainTime(now.0.saturating_sub(TASKS_KEPT_S));
    // What cannot be read is told where it is taken up.
    let Ok(old) = golem_deal::old_tasks(&records, before) else { return Ok(records) };
    let gathered = by_header::<TaskGathered>(store)?;
    let mut deleted = BTreeSet::new();
    for task in old {
        let has_all = gathered.get(&task.header) == Some(&TaskGathered::of(&task.outputs));
        if !has_all && !task.outputs.is_empty() {
            continue;
        }
        let mut ends = batch(&task.deleted);
        end_notes(task.header, &mut ends);
        if let Err(error) = store.commit(ends) {
            tracing::warn!(%error, "a task that ended long ago stays on record");
            break;
        }
        tracing::info!(header = %task.header, "forgot a task that ended long ago");
        deleted.extend(task.deleted.into_iter().map(|record| (record.table, record.key)));
    }
    let mut left = records;
    left.retain(|record| !deleted.contains(&(record.table, record.key.clone())));
    Ok(left)
}

async fn start_on(config: RequestorConfig, mut base: Base) -> Result<RequestorHandle, StartError> {
    let now = Now { local: local_now(), chain: base.chain.time().await? };
    let (store, path, records) = (base.store.clone(), config.folder.store(), std::mem::take(&mut base.records));
    let loaded = tokio::task::spawn_blocking(move || {
        let loaded = forget_old_tasks(store.as_ref(), records, now.chain)
            .and_then(|records| Ok((records, load_notes(store.as_ref())?)));
        loaded.map_err(|source| StartError::Read { path, source })
    });
    let (records, Notes { secret, mut tasks }) = joined(loaded.await)?;
    base.records = records;
    let origin = RequestorOrigin::new(&config, now);
    let notes = Notebook::new(config.trace.is_some());
    let (keys, lot) = (notes.keys(config.keys.signers()), notes.lot(Box::new(SecretLot(secret))));
    let (machine, policy) = origin.build(keys, lot, &base.records)?;
    let role = Role::Requestor(Box::new(origin));
    let tracer = Tracer::begin(config.trace.as_deref(), notes, &config.keys, role, &base.records)?;
    for task in machine.tasks().into_iter().filter(|task| task.finished) {
        if let Some(progress) = tasks.get_mut(&task.header) {
            progress.finished();
        }
    }
    for ((header, provider), paid) in machine.paid_shares() {
        if let Some(progress) = tasks.get_mut(&header) {
            progress.recovered(provider, &paid);
        }
    }
    let unfinished = machine.tasks().iter().filter(|task| !task.finished).count();
    tracing::info!(
        node = %config.keys.node_id(), tasks = machine.tasks().len(), unfinished, channels = machine.ledgers().len(),
        records = base.records.len(), "requestor taken up"
    );
    let folder = config.folder.path().join("looks");
    let opened = tokio::task::spawn_blocking(move || {
        Contents::open(&folder, PROOF_CONTENT_MAX.0, Room::Reclaim)
            .map_err(|error| StartError::Content { detail: error.to_string() })
    });
    let proof_contents = joined(opened.await)?;
    proof_contents.connect(base.net.clone());
    base.contents.serve_also(&proof_contents);
    let known = machine.ledgers().iter().map(|ledger| ledger.channel()).collect();
    let watcher = base.chain.watch(config.keys.payment_address(), known).await?;
    let saver = Saver::start(base.store.clone()).map_err(|error| StartError::Thread { detail: error.to_string() })?;
    let (command_sender, commands) = mpsc::channel(COMMANDS_MAX);
    let (room_sender, room_wanted) = mpsc::channel(ROOM_WANTED_MAX);
    base.contents.ask_for_room(room_sender);
    let (fetch_sender, fetches) = mpsc::channel(FETCHES_TOLD_MAX);
    base.audience.tell(fetch_sender);
    let (ended_sender, ended) = ending();
    let events = EventLog::new();
    let link = RequestorLink { commands: command_sender, events: events.clone(), ended };
    let api = match &config.api {
        Some(settings) => {
            let server =
                ApiServer::start(settings, config.folder.clone(), api::NodeLink::Requestor(link.clone())).await?;
            Some(server)
        }
        None => None,
    };
    let mut handle = RequestorHandle {
        link,
        keys: config.keys.clone(),
        chain: config.chain.chain_ref(),
        store: base.store.clone(),
        contents: base.contents.clone(),
        runner: Arc::clone(&base.runner),
        api: api.as_ref().map(|server| server.address()),
        main: None,
    };
    let parts = RequestorParts {
        machine,
        policy,
        config,
        base,
        watcher,
        saver,
        commands,
        room_wanted,
        fetches,
        events,
        tasks,
        now,
        proof_contents,
        tracer,
    };
    let main = tokio::spawn(async move {
        let ended = RequestorLoop::new(parts).run(api).await;
        ended_sender.end(ended.reason);
        ended.result
    });
    handle.main = Some(main);
    Ok(handle)
}
