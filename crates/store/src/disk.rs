//! The store on disk: every batch through the journal, sled as the index for reads.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, RwLock};

use crate::batch::{Batch, Change, Table, encode_changes};
use crate::error::{OpenError, StoreError};
use crate::journal::{AppendError, CompactError, GROUP_BYTES_MAX, Journal, sync_parent};
use crate::store::{Pair, SCAN_RECORDS_MAX, Store};

/// The layout of the files in a data folder, apart from what the records mean.
pub const STORE_FORMAT: u32 = 1;

/// The journal is not compacted below this size: rewriting a small one often would cost more than reading it at start.
pub const JOURNAL_COMPACT_BYTES: u64 = 32 << 20;

/// The journal is compacted when it passes this many times its size after the last compaction, so each byte is
/// rewritten about once.
const JOURNAL_GROWTH_FACTOR: u64 = 2;

/// What sled may keep of the index in memory.
const INDEX_CACHE_BYTES: u64 = 32 << 20;

const LOCK_FILE: &str = "lock";
const FORMAT_FILE: &str = "format";
const JOURNAL_FILE: &str = "journal";
const INDEX_FOLDER: &str = "index";
/// There while, and only while, the index on disk is whole: written after the last flush of a close, removed by the
/// next open.
const CLEAN_FILE: &str = "index-clean";

/// Records in a data folder that this process alone holds.
pub struct DiskStore {
    path: PathBuf,
    queue: Mutex<Queue>,
    answered: Condvar,
    writer: Mutex<Writer>,
    /// Held for writing while a group enters the index, so that a reader sees all of a batch or nothing.
    index: RwLock<Index>,
    database: sled::Db,
    /// Locked for as long as the store lives. Declared last: released last.
    _lock: FolderLock,
}

/// Batches waiting for the next flush, and answers waiting for their callers. Bounded by what the threads inside
/// `commit_each` brought.
#[derive(Default)]
struct Queue {
    waiting: Vec<(u64, Batch)>,
    answers: HashMap<u64, Result<(), StoreError>>,
    next_ticket: u64,
    leader: Leader,
    stats: StoreStats,
    failed: Option<String>,
}

/// What reads are answered from.
enum Index {
    Whole(sled::Tree),
    /// A group entered it by half: nothing is read from it any more, and the next open makes it anew.
    Broken(String),
}

/// Whether some caller is writing a group just now.
#[derive(Default, PartialEq, Eq)]
enum Leader {
    #[default]
    Absent,
    Present,
}

struct Writer {
    journal: Journal,
    compact_above: u64,
}

/// Counters since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Batches made durable.
    pub commits: u64,
    /// Disk flushes that took.
    pub flushes: u64,
    /// Times the journal was rewritten without what is superseded.
    pub compactions: u64,
    /// The journal's size now.
    pub journal_bytes: u64,
}

impl DiskStore {
    /// Whether no other process holds the data folder at `path` now, so that one need not ask its owner for anything in
    /// vain. A folder that is not there yet is held by nobody.
    ///
    /// Errors: `Locked`, or what the system said.
    pub fn check_free(path: &Path) -> Result<(), OpenError> {
        match path.join(LOCK_FILE).exists() {
            true => lock_folder(path).map(drop),
            false => Ok(()),
        }
    }

    /// Opens the data folder at `path`, creating it where there is none, and recovers what was acknowledged.
    ///
    /// `schema` is the version of the records as the caller defines it; a folder of another version is refused and left
    /// as it is.
    pub fn open(path: &Path, schema: u32) -> Result<DiskStore, OpenError> {
        fs::create_dir_all(path).map_err(OpenError::io("create the data folder", path))?;
        let lock = lock_folder(path)?;
        let journal_path = path.join(JOURNAL_FILE);
        if check_format(path, schema)? == Folder::New {
            // The format file comes last: without it the folder is still new.
            let _ = fs::remove_file(&journal_path);
            drop(Journal::create(&journal_path)?);
            write_format(path, schema)?;
        }
        let (journal, database, index) = recover(path)?;
        let compact_above = JOURNAL_COMPACT_BYTES.max(journal.length());
        let stats = StoreStats { journal_bytes: journal.length(), ..StoreStats::default() };
        Ok(DiskStore {
            path: path.to_path_buf(),
            queue: Mutex::new(Queue { stats, ..Queue::default() }),
            answered: Condvar::new(),
            writer: Mutex::new(Writer { journal, compact_above }),
            index: RwLock::new(Index::Whole(index)),
            database,
            _lock: lock,
        })
    }

    /// Counters, for metrics and measurements.
    pub fn stats(&self) -> StoreStats {
        self.lock_queue().stats
    }

    fn lock_queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, detail: String) -> StoreError {
        StoreError::Failed { path: self.path.clone(), detail }
    }

    /// Writes one group as one frame, flushes it, and lets readers see it.
    fn write_group(&self, group: &[(u64, Batch)]) -> Result<(), StoreError> {
        let mut payload = Vec::with_capacity(group.iter().map(|(_, batch)| batch.bytes()).sum());
        encode_changes(group.iter().flat_map(|(_, batch)| &batch.changes), &mut payload);
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.journal.append(&payload).map_err(|error| match error {
            AppendError::Full(source) => StoreError::Full {
                path: writer.journal.path().to_path_buf(),
                bytes: payload.len(),
                detail: source.to_string(),
            },
            AppendError::Broken(source) => self.failed(format!("writing the journal: {source}")),
        })?;
        drop(writer);
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        let applied = apply(index.whole(self)?, group.iter().flat_map(|(_, batch)| batch.changes.iter()));
        applied.map_err(|error| {
            let detail = format!("the index: {error}");
            *index = Index::Broken(detail.clone());
            self.failed(detail)
        })
    }

    /// Writes a group; where there is no room for it, each batch by itself: a voucher must not fail with the large
    /// batch beside it.
    fn write_as_fits(&self, group: &[(u64, Batch)]) -> Vec<Result<(), StoreError>> {
        let mut result = self.write_group(group);
        if group.len() == 1 || !matches!(result, Err(StoreError::Full { .. })) {
            return vec![result; group.len()];
        }
        let mut results = Vec::new();
        for one in group {
            // After a failure nothing more may be written behind it.
            if !matches!(result, Err(StoreError::Failed { .. })) {
                result = self.write_group(std::slice::from_ref(one));
            }
            results.push(result.clone());
        }
        results
    }

    /// Rewrites the journal without what is superseded, once it has grown enough. Where there is no room for that, the
    /// old one stays in use.
    fn compact_if_grown(&self) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut outcome = None;
        if writer.journal.length() > writer.compact_above {
            let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
            let Ok(records) = index.whole(self) else { return };
            outcome = Some(writer.journal.compact(records.iter().map(|pair| match pair {
                Ok((key, value)) => Ok((key.to_vec(), value.to_vec())),
                Err(error) => Err(io::Error::other(error)),
            })));
            writer.compact_above = JOURNAL_COMPACT_BYTES.max(writer.journal.length() * JOURNAL_GROWTH_FACTOR);
        }
        let journal_bytes = writer.journal.length();
        drop(writer);
        let mut queue = self.lock_queue();
        queue.stats.journal_bytes = journal_bytes;
        match outcome {
            Some(Ok(())) => queue.stats.compactions += 1,
            Some(Err(CompactError::Broken(source))) => queue.failed = Some(format!("replacing the journal: {source}")),
            Some(Err(CompactError::OldStays)) | None => {}
        }
    }

    /// Writes what waits, as the one leader, and answers its callers. Returns with the queue locked again.
    fn lead<'a>(&'a self, mut queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        queue.leader = Leader::Present;
        let mut bytes = 0;
        let count = queue
            .waiting
            .iter()
            .take_while(|(_, batch)| {
                let fits = bytes < GROUP_BYTES_MAX;
                bytes += batch.bytes();
                fits
            })
            .count();
        let group: Vec<_> = queue.waiting.drain(..count).collect();
        drop(queue);
        let results = self.write_as_fits(&group);
        let mut queue = self.lock_queue();
        queue.stats.flushes += 1;
        for ((ticket, _), result) in group.iter().zip(results) {
            match &result {
                Ok(()) => queue.stats.commits += 1,
                Err(StoreError::Failed { detail, .. }) => queue.failed = Some(detail.clone()),
                Err(_) => {}
            }
            queue.answers.insert(*ticket, result);
        }
        let well = queue.failed.is_none();
        drop(queue);
        self.answered.notify_all();
        if well {
            self.compact_if_grown();
        }
        let mut queue = self.lock_queue();
        queue.leader = Leader::Absent;
        self.answered.notify_all();
        queue
    }

    /// Waits for the answer to a batch that is in the queue, leading where nobody does.
    fn answer<'a>(
        &'a self,
        mut queue: MutexGuard<'a, Queue>,
        ticket: u64,
    ) -> (MutexGuard<'a, Queue>, Result<(), StoreError>) {
        loop {
            if let Some(answer) = queue.answers.remove(&ticket) {
                return (queue, answer);
            }
            queue = match (&queue.leader, &queue.failed) {
                (Leader::Present, _) => self.answered.wait(queue).unwrap_or_else(PoisonError::into_inner),
                (Leader::Absent, None) => self.lead(queue),
                (Leader::Absent, Some(detail)) => {
                    let error = self.failed(detail.clone());
                    queue.waiting.retain(|(waiting, _)| *waiting != ticket);
                    return (queue, Err(error));
                }
            };
        }
    }

    /// Leaves an index on disk that the next open can use as it is.
    fn close(&self) -> io::Result<()> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = writer.journal.last_seq();
        self.database.insert(CLEAN_FILE, &seq.to_le_bytes()).map_err(io::Error::other)?;
        self.database.flush().map_err(io::Error::other)?;
        // sled's own flush does not reach the disk's cache; see the crate's text.
        sync_all_below(&self.path.join(INDEX_FOLDER))?;
        let marker = self.path.join(CLEAN_FILE);
        let mut file = File::create(&marker)?;
        file.write_all(&seq.to_le_bytes())?;
        file.sync_all()?;
        sync_parent(&marker)
    }
}

impl Drop for DiskStore {
    fn drop(&mut self) {
        if self.lock_queue().failed.is_none() {
            // Without the marker the next open rebuilds the index from the journal: slower, and nothing lost.
            let _ = self.close();
        }
    }
}

impl Store for DiskStore {
    fn commit_each(&self, batches: Vec<Batch>) -> Vec<Result<(), StoreError>> {
        let mut queue = self.lock_queue();
        let mut results = Vec::new();
        for batch in batches {
            results.push(batch.checked().map(|()| {
                let ticket = queue.next_ticket;
                queue.next_ticket += 1;
                queue.waiting.push((ticket, batch));
                ticket
            }));
        }
        // Groups are written in the order of tickets, so this waits in that order too.
        let mut answers = Vec::new();
        for result in results {
            let answer;
            (queue, answer) = match result {
                Ok(ticket) => self.answer(queue, ticket),
                Err(refusal) => (queue, Err(refusal)),
            };
            answers.push(answer);
        }
        answers
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let value = index.whole(self)?.get(table.index_key(key)).map_err(|error| read_error(table, &error))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn scan(&self, table: Table, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, StoreError> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let skip = table.index_key(b"").len();
        let start = table.index_key(prefix);
        let after = after.map(|after| table.index_key(after)).filter(|after| *after >= start);
        let mut pairs = Vec::new();
        let from = after.as_ref().unwrap_or(&start);
        for pair in index.whole(self)?.range(from.as_slice()..) {
            let (key, value) = pair.map_err(|error| read_error(table, &error))?;
            if pairs.len() == limit.min(SCAN_RECORDS_MAX) || !key.starts_with(&start) {
                break;
            }
            if after.as_deref() != Some(&key[..]) {
                pairs.push((key[skip..].to_vec(), value.to_vec()));
            }
        }
        Ok(pairs)
    }
}

impl Index {
    /// The index, unless it is broken.
    fn whole(&self, store: &DiskStore) -> Result<&sled::Tree, StoreError> {
        match self {
            Index::Whole(tree) => Ok(tree),
            Index::Broken(detail) => Err(store.failed(detail.clone())),
        }
    }
}

#[derive(PartialEq, Eq)]
enum Folder {
    New,
    Existing,
}

fn read_error(table: Table, error: &sled::Error) -> StoreError {
    StoreError::Read { table: table.name(), detail: error.to_string() }
}

/// Brings changes into the index one by one. sled's own batches flush, which costs more than the journal's flush and is
/// not needed: readers are kept out meanwhile, and an index that a crash left half changed is not used again.
fn apply<'a>(index: &sled::Tree, changes: impl IntoIterator<Item = &'a Change>) -> sled::Result<()> {
    for change in changes {
        match change {
            Change::Put { key, value } => index.insert(key.as_slice(), value.as_slice())?,
            Change::Delete { key } => index.remove(key.as_slice())?,
        };
    }
    Ok(())
}

/// A folder that is ours. Let go of by name and not by closing the file alone: a process that is being started holds all
/// that is open here for a moment, and would hold the lock as well.
pub(crate) struct FolderLock(pub(crate) File);

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Where that fails it goes with the file.
        let _ = self.0.unlock();
    }
}

/// Locks the folder for this process and writes its id down for whoever is refused.
pub(crate) fn lock_folder(path: &Path) -> Result<FolderLock, OpenError> {
    let lock_path = path.join(LOCK_FILE);
    let mut lock = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&lock_path)
        .map_err(OpenError::io("open", &lock_path))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let pid = lock.read_to_string(&mut holder).ok().and_then(|_| holder.trim().parse().ok());
            return Err(OpenError::Locked { path: path.to_path_buf(), pid });
        }
        Err(TryLockError::Error(source)) => return Err(OpenError::Io { action: "lock", path: lock_path, source }),
    }
    lock.set_len(0)
        .and_then(|()| lock.rewind())
        .and_then(|()| writeln!(lock, "{}", std::process::id()))
        .map_err(OpenError::io("write", &lock_path))?;
    Ok(FolderLock(lock))
}

/// Whether the folder is new, ours, or nothing we should touch. Shape of the file: `golem-store FORMAT schema VERSION`.
fn check_format(path: &Path, schema: u32) -> Result<Folder, OpenError> {
    let format_path = path.join(FORMAT_FILE);
    let text = match fs::read_to_string(&format_path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return check_new(path),
        Err(source) => return Err(OpenError::Io { action: "read", path: format_path, source }),
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let ["golem-store", format, "schema", found] = words[..] else {
        return Err(damaged_format(format_path, &text));
    };
    let (Ok(format), Ok(found)) = (format.parse(), found.parse()) else {
        return Err(damaged_format(format_path, &text));
    };
    if format != STORE_FORMAT {
        return Err(OpenError::Format { path: path.to_path_buf(), found: format, expected: STORE_FORMAT });
    }
    if found != schema {
        return Err(OpenError::Schema { path: path.to_path_buf(), found, expected: schema });
    }
    Ok(Folder::Existing)
}

fn damaged_format(path: PathBuf, text: &str) -> OpenError {
    let shown: String = text.chars().take(60).collect();
    OpenError::Damaged { path, offset: 0, detail: format!("it says {shown:?}") }
}

/// A folder without a format file is ours to fill if it holds nothing but what an interrupted creation leaves.
fn check_new(path: &Path) -> Result<Folder, OpenError> {
    for entry in fs::read_dir(path).map_err(OpenError::io("list", path))? {
        let name = entry.map_err(OpenError::io("list", path))?.file_name();
        let journal_alone = name == JOURNAL_FILE && is_empty_journal(&path.join(JOURNAL_FILE));
        if name != LOCK_FILE && name != "format.new" && !journal_alone {
            return Err(OpenError::NotAStore { path: path.to_path_buf(), missing: FORMAT_FILE });
        }
    }
    Ok(Folder::New)
}

fn is_empty_journal(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.len() <= 8)
}

fn write_format(path: &Path, schema: u32) -> Result<(), OpenError> {
    let format_path = path.join(FORMAT_FILE);
    let new = path.join("format.new");
    let write = || -> io::Result<()> {
        let mut file = File::create(&new)?;
        writeln!(file, "golem-store {STORE_FORMAT} schema {schema}")?;
        file.sync_all()?;
        fs::rename(&new, &format_path)?;
        sync_parent(&format_path)
    };
    write().map_err(OpenError::io("write", &format_path))
}

/// Reads the journal through, and brings the index to what it says: as it is after a clean close, anew otherwise.
fn recover(path: &Path) -> Result<(Journal, sled::Db, sled::Tree), OpenError> {
    let journal_path = path.join(JOURNAL_FILE);
    let index_path = path.join(INDEX_FOLDER);
    let clean_path = path.join(CLEAN_FILE);
    let clean_seq = fs::read(&clean_path).ok();
    if clean_seq.is_some() {
        // From here on the index changes; the marker must be gone before the first change can be.
        fs::remove_file(&clean_path)
            .and_then(|()| sync_parent(&clean_path))
            .map_err(OpenError::io("remove", &clean_path))?;
        let journal = Journal::open(&journal_path, |_| Ok(()))?;
        let usable = open_index(&index_path).ok().filter(|(database, _)| {
            let stamp = database.get(CLEAN_FILE).ok().flatten();
            let seq = journal.last_seq().to_le_bytes();
            stamp.as_deref() == Some(&seq[..]) && clean_seq.as_deref() == Some(&seq[..])
        });
        if let Some((database, index)) = usable {
            return Ok((journal, database, index));
        }
    }
    match fs::remove_dir_all(&index_path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            return Err(OpenError::Io { action: "clear the index", path: index_path, source });
        }
        Ok(()) | Err(_) => {}
    }
    let (database, index) = open_index(&index_path)?;
    let failed = |error: sled::Error| OpenError::Index { path: index_path.clone(), detail: error.to_string() };
    let journal = Journal::open(&journal_path, |changes| apply(&index, &changes).map_err(failed))?;
    Ok((journal, database, index))
}

fn open_index(path: &Path) -> Result<(sled::Db, sled::Tree), OpenError> {
    let open = || -> sled::Result<(sled::Db, sled::Tree)> {
        let database = sled::Config::new().path(path).cache_capacity(INDEX_CACHE_BYTES).flush_every_ms(None).open()?;
        let tree = database.open_tree("records")?;
        Ok((database, tree))
    };
    open().map_err(|error| OpenError::Index { path: path.to_path_buf(), detail: error.to_string() })
}

/// Flushes every file below `folder` to the disk itself.
fn sync_all_below(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all_below(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    File::open(folder)?.sync_all()
}
