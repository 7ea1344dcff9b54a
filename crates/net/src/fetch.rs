//! Fetching content: from several providers at once, piece by piece, each piece checked before it is kept.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use golem_protocol::{ContentHash, NodeId};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;

use crate::codec::{ContentAnswer, ContentPart, ContentRequest};
use crate::error::{FetchError, FetchFault, SendError};
use crate::limits::{CONTENT_BYTES_MAX, PROVIDERS_PER_FETCH_MAX};
use crate::network::NetworkHandle;
use crate::pieces::{HASH_BYTES, PIECE_BYTES, PieceList, piece_count, piece_length};

/// Pieces asked of one provider at a time: enough to fill a link of 1 MiB in flight.
const PIPELINE: usize = 4;

/// How long a provider that said "busy" is left alone.
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// How often one provider may say "busy" to one request: 20 s in all.
const BUSY_MAX: u32 = 200;

/// A fetch that succeeded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Bytes that were here already, verified, from an earlier try.
    pub resumed_bytes: u64,
    /// Bytes that each provider sent.
    pub from: BTreeMap<NodeId, u64>,
    /// Providers that failed on the way, and how. [`FetchFault::WrongBytes`] is worth remembering.
    pub faults: BTreeMap<NodeId, FetchFault>,
}

/// One fetch's destination, while it is not complete.
struct Partial {
    file: Mutex<File>,
    path: PathBuf,
}

/// What the workers of one fetch share.
struct Work {
    state: Mutex<WorkState>,
    /// Told whenever a piece comes back or a provider fails.
    changed: Notify,
}

#[derive(Default)]
struct WorkState {
    missing: VecDeque<u32>,
    in_flight: usize,
    fetched: Fetched,
    failed: Option<FetchError>,
}

impl Work {
    fn lock(&self) -> MutexGuard<'_, WorkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) async fn fetch(
    network: &NetworkHandle,
    hash: ContentHash,
    size: u64,
    from: &[NodeId],
    to: &Path,
) -> Result<Fetched, FetchError> {
    if size > CONTENT_BYTES_MAX {
        return Err(FetchError::TooLarge { size, max: CONTENT_BYTES_MAX });
    }
    let mut providers: Vec<NodeId> = Vec::new();
    for node in from {
        if !providers.contains(node) && providers.len() < PROVIDERS_PER_FETCH_MAX {
            providers.push(*node);
        }
    }
    if providers.is_empty() {
        return Err(FetchError::NoProviders { hash });
    }
    let partial = Arc::new(open_partial(to)?);
    let mut state = WorkState::default();
    let list = Arc::new(piece_list(network, hash, size, &providers, to, &mut state.fetched.faults).await?);
    let missing = missing_pieces(partial.clone(), list.clone()).await?;
    let missing_bytes: u64 =
        missing.iter().filter_map(|index| piece_length(size, *index)).map(|bytes| bytes as u64).sum();
    state.fetched.resumed_bytes = size - missing_bytes;
    state.missing = missing.into();
    let work = Work { state: Mutex::new(state), changed: Notify::new() };
    let workers: FuturesUnordered<_> = providers
        .iter()
        .flat_map(|provider| std::iter::repeat_n(*provider, PIPELINE))
        .map(|provider| work_for(network, &work, &list, &partial, provider))
        .collect();
    workers.collect::<()>().await;
    let state = work.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = state.failed {
        return Err(error);
    }
    if !state.missing.is_empty() {
        let verified_bytes = state.fetched.resumed_bytes + state.fetched.from.values().sum::<u64>();
        return Err(FetchError::ProvidersFailed { hash, size, verified_bytes, faults: state.fetched.faults });
    }
    let to = to.to_path_buf();
    blocking(move || finish(&partial, size, &to)).await?;
    Ok(state.fetched)
}

/// Fetches pieces from one provider until none is left or the provider has failed.
async fn work_for(
    network: &NetworkHandle,
    work: &Work,
    list: &Arc<PieceList>,
    partial: &Arc<Partial>,
    provider: NodeId,
) {
    loop {
        // Armed before looking, so that a change in between is not missed.
        let changed = work.changed.notified();
        let index = {
            let mut state = work.lock();
            if state.failed.is_some() || state.fetched.faults.contains_key(&provider) {
                return;
            }
            match state.missing.pop_front() {
                Some(index) => {
                    state.in_flight += 1;
                    Some(index)
                }
                None if state.in_flight == 0 => return,
                None => None,
            }
        };
        let Some(index) = index else {
            changed.await;
            continue;
        };
        let result = fetch_piece(network, list, partial, provider, index).await;
        let mut state = work.lock();
        state.in_flight -= 1;
        match result {
            Ok(bytes) => *state.fetched.from.entry(provider).or_default() += bytes as u64,
            Err(PieceError::Fault(fault)) => {
                state.missing.push_front(index);
                // The first fault is the reason; the rest of the pipeline fails with it.
                state.fetched.faults.entry(provider).or_insert(fault);
            }
            Err(PieceError::Local(error)) => state.failed = Some(error),
        }
        drop(state);
        work.changed.notify_waiters();
    }
}

pub(crate) enum PieceError {
    /// The provider's doing: another may do better.
    Fault(FetchFault),
    /// Our own: no provider can help.
    Local(FetchError),
}

async fn fetch_piece(
    network: &NetworkHandle,
    list: &Arc<PieceList>,
    partial: &Arc<Partial>,
    provider: NodeId,
    index: u32,
) -> Result<usize, PieceError> {
    let bytes = ask(network, provider, list.hash(), list.size(), ContentPart::Piece(index)).await?;
    let (list, partial) = (list.clone(), partial.clone());
    let written = blocking(move || {
        if !list.matches(index, &bytes) {
            return Ok(None);
        }
        partial.write_piece(index, &bytes).map(|()| Some(bytes.len()))
    });
    match written.await.map_err(PieceError::Local)? {
        Some(length) => Ok(length),
        None => Err(PieceError::Fault(FetchFault::WrongBytes { part: format!("piece {index}") })),
    }
}

/// Asks one provider for a part, again for as long as it is busy.
pub(crate) async fn ask(
    network: &NetworkHandle,
    provider: NodeId,
    hash: ContentHash,
    size: u64,
    part: ContentPart,
) -> Result<Vec<u8>, PieceError> {
    let bytes = match part {
        ContentPart::List => piece_count(size) as usize * HASH_BYTES,
        ContentPart::Piece(index) => piece_length(size, index).unwrap_or(0),
    };
    // It is our own rate: however long it takes.
    while !network.download.pass(bytes).await {
        tokio::time::sleep(BUSY_PAUSE).await;
    }
    for _ in 0..BUSY_MAX {
        match network.request_content(provider, ContentRequest { hash, size, part }).await {
            Ok(ContentAnswer::Held(bytes)) => return Ok(bytes),
            Ok(ContentAnswer::NotHeld) => return Err(PieceError::Fault(FetchFault::NotHeld)),
            Ok(ContentAnswer::Busy) | Err(SendError::QueueFull) => tokio::time::sleep(BUSY_PAUSE).await,
            Err(SendError::Stopped) => return Err(PieceError::Local(FetchError::Stopped)),
            Err(error) => return Err(PieceError::Fault(FetchFault::Unanswered(error))),
        }
    }
    Err(PieceError::Fault(FetchFault::Unanswered(SendError::Busy { node: provider })))
}

/// The verified list of pieces: from the hash alone, from an earlier try, or from the first provider that gives a right
/// one.
async fn piece_list(
    network: &NetworkHandle,
    hash: ContentHash,
    size: u64,
    providers: &[NodeId],
    to: &Path,
    faults: &mut BTreeMap<NodeId, FetchFault>,
) -> Result<PieceList, FetchError> {
    if let Some(list) = PieceList::of_one_piece(hash, size) {
        return Ok(list);
    }
    let path = beside(to, ".pieces");
    if let Some(list) = fs::read(&path).ok().and_then(|bytes| PieceList::verified(hash, size, &bytes)) {
        return Ok(list);
    }
    for provider in providers {
        let fault = match ask(network, *provider, hash, size, ContentPart::List).await {
            Ok(bytes) => match PieceList::verified(hash, size, &bytes) {
                Some(list) => {
                    fs::write(&path, &bytes).map_err(io_error("write", &path))?;
                    return Ok(list);
                }
                None => FetchFault::WrongBytes { part: "the list of pieces".to_string() },
            },
            Err(PieceError::Fault(fault)) => fault,
            Err(PieceError::Local(error)) => return Err(error),
        };
        faults.insert(*provider, fault);
    }
    Err(FetchError::ProvidersFailed { hash, size, verified_bytes: 0, faults: std::mem::take(faults) })
}

fn open_partial(to: &Path) -> Result<Partial, FetchError> {
    let path = beside(to, ".partial");
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(io_error("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(Partial { file: Mutex::new(file), path }),
        Err(TryLockError::WouldBlock) => Err(FetchError::InProgress { path: to.to_path_buf() }),
        Err(TryLockError::Error(source)) => Err(FetchError::Io { action: "lock", path, source }),
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Closing it is not enough: a process that is being started still holds it. Where this fails it goes with the file.
        let _ = self.lock().unlock();
    }
}

impl Partial {
    fn lock(&self) -> MutexGuard<'_, File> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_piece(&self, index: u32, bytes: &[u8]) -> Result<(), FetchError> {
        let mut file = self.lock();
        file.seek(SeekFrom::Start(u64::from(index) * PIECE_BYTES as u64))
            .and_then(|_| file.write_all(bytes))
            .map_err(io_error("write", &self.path))
    }
}

/// What an earlier try did not get, or the disk did not keep: whatever is there is hashed anew.
async fn missing_pieces(partial: Arc<Partial>, list: Arc<PieceList>) -> Result<Vec<u32>, FetchError> {
    blocking(move || {
        let mut file = partial.lock();
        let have = file.seek(SeekFrom::End(0)).map_err(io_error("read the size of", &partial.path))?;
        file.rewind().map_err(io_error("read", &partial.path))?;
        let mut missing = Vec::new();
        let mut piece = Vec::new();
        for index in 0..list.count() {
            let length = piece_length(list.size(), index).unwrap_or(0);
            piece.resize(length, 0);
            let there = u64::from(index) * PIECE_BYTES as u64 + length as u64 <= have;
            if !there || length == 0 {
                missing.push(index);
                continue;
            }
            file.read_exact(&mut piece).map_err(io_error("read", &partial.path))?;
            if !list.matches(index, &piece) {
                missing.push(index);
            }
        }
        Ok(missing)
    })
    .await
}

/// Makes the complete file durable under its own name.
fn finish(partial: &Partial, size: u64, to: &Path) -> Result<(), FetchError> {
    let file = partial.lock();
    file.set_len(size).and_then(|()| file.sync_all()).map_err(io_error("write", &partial.path))?;
    fs::rename(&partial.path, to).map_err(io_error("rename to", to))?;
    let _ = fs::remove_file(beside(to, ".pieces"));
    Ok(())
}

fn beside(to: &Path, suffix: &str) -> PathBuf {
    let mut name = to.as_os_str().to_os_string();
    name.push(suffix);
    PathBuf::from(name)
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FetchError {
    let path = path.to_path_buf();
    move |source| FetchError::Io { action, path, source }
}

/// Runs `work` where it may block. A panic in it goes on in the caller.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FetchError> + Send + 'static,
) -> Result<T, FetchError> {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(FetchError::Stopped),
        },
    }
}
