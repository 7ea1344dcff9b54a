//! Contents by digest: kept here, served to others, fetched once however many want them.

use crate::audience::Audience;
use crate::disk;
use crate::error::{ContentError, RunTaskError};
use crate::prepared::PreparedContent;
use crate::room::RoomWanted;
use golem_deal::TaskOrder;
use golem_net::{ContentSource, ContentStore, FetchError, NetworkHandle, SIZE_UNKNOWN};
use golem_protocol::{ContentHash, NodeId};
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{self, Read};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// The longest subtask document. Reason: a provider knows its hash and not its length, and one piece is what it can ask
/// for so; it names some 3,000 files.
pub(crate) const DOCUMENT_BYTES_MAX: usize = golem_net::PIECE_BYTES;
/// The longest output manifest that is read: as the task crate bounds it.
const MANIFEST_BYTES_MAX: u64 = golem_task::BUNDLE_BYTES_MAX as u64;
/// Contents of a task that are kept at once. Reason: a disk makes some dozens of small files durable in the time of one.
const KEEPERS: usize = 16;
/// What may be taken away to make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// What was used longest ago goes first: a provider's contents are somebody else's, and can be fetched again.
    Reclaim,
    /// What no task needs any more, which the node's loop is asked for: a requestor's contents are its inputs and results.
    Keep,
}

/// What to do where nothing else is known.
const RAISE: &str = "raise `content_max_mib` in golem.toml";
/// What to do where it is the disk that has no room.
const FREE_SOME: &str = "the disk is nearly full, and what is left of it is kept for records: free some of it";
/// How often something is tried again for which room was made. Reason: others take it meanwhile.
const ROOM_TRIES: u32 = 3;

/// The node's contents. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Contents {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<ContentStore>,
    /// What is served beside it.
    also: Arc<OnceLock<Arc<ContentStore>>>,
    incoming: PathBuf,
    room: Room,
    bytes_max: u64,
    net: OnceLock<NetworkHandle>,
    /// Who says what may go, where that is a matter of tasks.
    keeper: OnceLock<mpsc::Sender<RoomWanted>>,
    /// One lock for each content being fetched; bounded by the jobs under way.
    fetching: Mutex<HashMap<ContentHash, Arc<tokio::sync::Mutex<()>>>>,
    used: Mutex<Used>,
    /// Why contents that are fetched cannot be kept, while that is so.
    trouble: Mutex<Option<String>>,
    /// How large the disk is taken to be, with nothing else on it.
    #[cfg(test)]
    pretended_disk: OnceLock<u64>,
}

/// When each content was last used, counted in uses.
#[derive(Default)]
struct Used {
    count: u64,
    last: HashMap<ContentHash, u64>,
    /// Contents of running jobs, and how many run.
    pinned: HashMap<ContentHash, usize>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the network serves: the store to whoever may have it, and documents of which only the hash is known.
pub(crate) struct Served {
    store: Arc<ContentStore>,
    also: Arc<OnceLock<Arc<ContentStore>>>,
    audience: Audience,
}

impl Served {
    /// Where this lies, if it lies anywhere and may be had.
    fn holder(&self, to: NodeId, hash: ContentHash) -> Option<&ContentStore> {
        if !self.audience.admits(to, hash, &self.store) {
            return None;
        }
        [Some(&self.store), self.also.get()]
            .into_iter()
            .flatten()
            .map(|store| &**store)
            .find(|store| store.has(hash).is_some())
    }
}

impl ContentSource for Served {
    fn piece_list(&self, to: NodeId, hash: ContentHash, size: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(store) = self.holder(to, hash) else { return Ok(None) };
        let list = store.piece_list(to, hash, size)?;
        if list.is_some() {
            self.audience.begins(to, hash, size);
        }
        Ok(list)
    }

    fn piece(&self, to: NodeId, hash: ContentHash, size: u64, index: u32) -> io::Result<Option<Vec<u8>>> {
        let Some(store) = self.holder(to, hash) else { return Ok(None) };
        if size != SIZE_UNKNOWN {
            return store.piece(to, hash, size, index);
        }
        match store.has(hash) {
            Some(size) if size <= DOCUMENT_BYTES_MAX as u64 => store.piece(to, hash, size, index),
            Some(_) | None => Ok(None),
        }
    }
}

/// Keeps contents from being taken away while a job needs them.
pub(crate) struct Pins {
    contents: Contents,
    pinned: Vec<ContentHash>,
}

impl Drop for Pins {
    fn drop(&mut self) {
        let mut used = lock(&self.contents.inner.used);
        for hash in &self.pinned {
            if let Some(count) = used.pinned.get_mut(hash) {
                *count -= 1;
                if *count == 0 {
                    used.pinned.remove(hash);
                }
            }
        }
    }
}

impl Pins {
    /// These are kept as long as those of the other.
    pub(crate) fn join(&mut self, mut other: Pins) {
        self.pinned.append(&mut other.pinned);
    }

    /// As [`Pins::add`], once however often it is asked for.
    pub(crate) fn hold(&mut self, hash: ContentHash) {
        if !self.pinned.contains(&hash) {
            self.add(hash);
        }
    }

    pub(crate) fn add(&mut self, hash: ContentHash) {
        *lock(&self.contents.inner.used).pinned.entry(hash).or_default() += 1;
        self.pinned.push(hash);
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ContentError {
    let path = path.to_path_buf();
    move |source| ContentError::Io { action, path, source }
}

fn store_error(error: golem_net::ContentError) -> ContentError {
    ContentError::Store { detail: error.to_string() }
}

impl Contents {
    /// Opens the folder.
    pub(crate) fn open(folder: &Path, bytes_max: u64, room: Room) -> Result<Contents, ContentError> {
        let store = Arc::new(ContentStore::open(folder, bytes_max).map_err(store_error)?);
        let incoming = folder.join("incoming");
        fs::create_dir_all(&incoming).map_err(io_error("create the folder", &incoming))?;
        let mut used = Used::default();
        // What an earlier run left is older than all that comes.
        for entry in fs::read_dir(folder).map_err(io_error("list", folder))? {
            let name = entry.map_err(io_error("list", folder))?.file_name();
            if let Some(hash) = name.to_str().and_then(|name| name.parse().ok()).map(ContentHash)
                && store.has(hash).is_some()
            {
                used.last.insert(hash, 0);
            }
        }
        let inner = Inner {
            store,
            also: Arc::default(),
            incoming,
            room,
            bytes_max,
            net: OnceLock::new(),
            keeper: OnceLock::new(),
            fetching: Mutex::default(),
            used: Mutex::new(used),
            trouble: Mutex::default(),
            #[cfg(test)]
            pretended_disk: OnceLock::new(),
        };
        Ok(Contents { inner: Arc::new(inner) })
    }

    /// What the network serves of it, and to whom.
    pub(crate) fn served(&self, audience: Audience) -> Arc<dyn ContentSource> {
        Arc::new(Served { store: self.inner.store.clone(), also: self.inner.also.clone(), audience })
    }

    /// Serves what lies there as well, to whoever may have it; once.
    pub(crate) fn serve_also(&self, other: &Contents) {
        let _ = self.inner.also.set(other.inner.store.clone());
    }

    /// From where to fetch; once, after the network has started.
    pub(crate) fn connect(&self, net: NetworkHandle) {
        let _ = self.inner.net.set(net);
    }

    /// Whom to ask what may go; once.
    pub(crate) fn ask_for_room(&self, keeper: mpsc::Sender<RoomWanted>) {
        let _ = self.inner.keeper.set(keeper);
    }

    pub(crate) fn pins(&self) -> Pins {
        Pins { contents: self.clone(), pinned: Vec::new() }
    }

    /// Where a content lies.
    pub(crate) fn path(&self, hash: ContentHash) -> PathBuf {
        self.inner.store.path(hash)
    }

    /// Its length, where it is here.
    pub(crate) fn has(&self, hash: ContentHash) -> Option<u64> {
        let size = self.inner.store.has(hash)?;
        self.touch(hash);
        Some(size)
    }

    pub(crate) fn used_bytes(&self) -> u64 {
        self.inner.store.used_bytes()
    }

    /// The length of a content, 0 where it is not here; this does not count as a use.
    pub(crate) fn size(&self, hash: ContentHash) -> u64 {
        self.inner.store.has(hash).unwrap_or_default()
    }

    /// How many bytes may be added, as it is.
    pub(crate) fn free_bytes(&self) -> u64 {
        self.inner.bytes_max.saturating_sub(self.used_bytes()).min(self.free_on_disk())
    }

    /// How many bytes the disk has for them, whatever may be kept.
    fn free_on_disk(&self) -> u64 {
        #[cfg(test)]
        if let Some(size) = self.inner.pretended_disk.get() {
            return size.saturating_sub(self.used_bytes());
        }
        disk::free_for_contents(&self.inner.incoming).unwrap_or(u64::MAX)
    }

    /// Pretends that nothing but these contents is on a disk of this size.
    #[cfg(test)]
    pub(crate) fn pretend_disk(&self, bytes: u64) {
        let _ = self.inner.pretended_disk.set(bytes);
    }

    /// What to do where so many bytes have no room and nothing may go: of the disk where it is full, else of the settings.
    pub(crate) fn remedy<'a>(&self, bytes: u64, settings: &'a str) -> &'a str {
        if bytes > self.free_on_disk() { FREE_SOME } else { settings }
    }

    /// That there is no room for so many bytes; `taken` says what takes it, and what to do.
    pub(crate) fn no_room(&self, wanted: u64, taken: String) -> ContentError {
        ContentError::NoRoom { wanted, used: self.used_bytes(), max: self.inner.bytes_max, taken }
    }

    /// All that is here.
    pub(crate) fn all(&self) -> Vec<ContentHash> {
        lock(&self.inner.used).last.keys().copied().collect()
    }

    /// Takes a content away, unless a job needs it.
    pub(crate) fn take_away(&self, hash: ContentHash) -> Result<(), ContentError> {
        // Held until it is gone: who pins it from now on looks for it after that.
        let mut used = lock(&self.inner.used);
        if !used.pinned.contains_key(&hash) {
            used.last.remove(&hash);
            self.inner.store.remove(hash).map_err(store_error)?;
        }
        Ok(())
    }

    fn touch(&self, hash: ContentHash) {
        let mut used = lock(&self.inner.used);
        used.count += 1;
        let count = used.count;
        used.last.insert(hash, count);
    }

    /// Takes bytes in. Blocks.
    pub(crate) fn insert_bytes(&self, bytes: &[u8]) -> Result<ContentHash, ContentError> {
        let hash = self.with_room(bytes.len() as u64, |store| store.insert_bytes(bytes))?;
        self.touch(hash);
        Ok(hash)
    }

    /// Copies a file in. Blocks.
    pub(crate) fn insert_file(&self, path: &Path) -> Result<(ContentHash, u64), ContentError> {
        let length = fs::metadata(path).map_err(io_error("look at", path))?.len();
        let inserted = self.with_room(length, |store| store.insert_file(path));
        let (hash, size) = inserted.map_err(|error| match error {
            // How long it is tells a look, and not how much of it had room.
            ContentError::NoRoom { wanted, used, max, taken } => {
                ContentError::NoRoom { wanted: length.max(wanted), used, max, taken }
            }
            error => error,
        })?;
        self.touch(hash);
        Ok((hash, size))
    }

    /// Moves a file in that was fetched. Blocks.
    fn take_file(&self, path: &Path) -> Result<ContentHash, ContentError> {
        // On the disk it is already.
        let (hash, _) = self.with_room(0, |store| store.take_file(path))?;
        self.touch(hash);
        Ok(hash)
    }

    /// Has so many bytes of the disk free, if by taking away what may go. Blocks.
    fn room_on_disk(&self, bytes: u64) -> Result<(), ContentError> {
        while bytes > self.free_on_disk() {
            // What never fits must not cost everything else its place.
            let fits = bytes <= self.free_on_disk().saturating_add(self.used_bytes());
            if !fits || !self.reclaim_one()? {
                return Err(self.no_room(bytes, FREE_SOME.to_owned()));
            }
        }
        Ok(())
    }

    /// Takes so many bytes in; tries again as long as something can be taken away to make room.
    fn with_room<T>(
        &self,
        bytes: u64,
        insert: impl Fn(&ContentStore) -> Result<T, golem_net::ContentError>,
    ) -> Result<T, ContentError> {
        loop {
            self.room_on_disk(bytes)?;
            match insert(&self.inner.store) {
                Err(golem_net::ContentError::Quota { wanted, quota, .. }) => {
                    // What never fits must not cost everything else its place.
                    if wanted > quota || !self.reclaim_one()? {
                        return Err(self.no_room(wanted, RAISE.to_owned()));
                    }
                }
                other => return other.map_err(store_error),
            }
        }
    }

    /// Takes away the content that was used longest ago and that no job needs. Tells whether there was one.
    fn reclaim_one(&self) -> Result<bool, ContentError> {
        if self.inner.room == Room::Keep {
            return Ok(false);
        }
        let oldest = {
            let mut used = lock(&self.inner.used);
            let free = used.last.iter().filter(|(hash, _)| !used.pinned.contains_key(*hash));
            let oldest = free.min_by_key(|(_, count)| **count).map(|(hash, _)| *hash);
            if let Some(hash) = oldest {
                used.last.remove(&hash);
            }
            oldest
        };
        let Some(hash) = oldest else { return Ok(false) };
        let bytes = self.inner.store.remove(hash).map_err(store_error)?;
        tracing::debug!(%hash, bytes, "content removed to make room");
        Ok(true)
    }

    /// Runs what takes contents in; where they have no room, again once some was made.
    pub(crate) async fn taking_in<T: Send + 'static>(
        &self,
        work: impl Fn(&Contents) -> Result<T, ContentError> + Send + Sync + 'static,
    ) -> Result<T, ContentError> {
        let work = Arc::new(work);
        let mut tries = 1;
        loop {
            let now = work.clone();
            match self.blocking(move |contents| now(contents)).await {
                Err(error @ ContentError::NoRoom { wanted, .. }) if tries < ROOM_TRIES => {
                    self.make_room(wanted, error).await?;
                    tries += 1;
                }
                done => return done,
            }
        }
    }

    /// Has room made for so many bytes. Errors: what takes the room; where nobody can be asked, what was known before.
    async fn make_room(&self, bytes: u64, known: ContentError) -> Result<(), ContentError> {
        let Some(keeper) = self.inner.keeper.get() else { return Err(known) };
        let (reply, made) = oneshot::channel();
        if keeper.send(RoomWanted { bytes, reply }).await.is_err() {
            return Err(known);
        }
        made.await.unwrap_or(Err(known))
    }

    /// A small content, whole. Blocks.
    pub(crate) fn read(&self, hash: ContentHash) -> Result<Vec<u8>, ContentError> {
        let missing = ContentError::Missing { digest: hash.0 };
        let size = self.has(hash).ok_or(missing)?;
        if size > MANIFEST_BYTES_MAX {
            let detail = format!("it has {size} bytes, and {MANIFEST_BYTES_MAX} is the most");
            return Err(ContentError::Malformed { digest: hash.0, what: "document", detail });
        }
        let path = self.path(hash);
        let file = self.inner.store.open_content(hash).map_err(store_error)?;
        let mut bytes = Vec::new();
        file.ok_or(ContentError::Missing { digest: hash.0 })?
            .take(MANIFEST_BYTES_MAX)
            .read_to_end(&mut bytes)
            .map_err(io_error("read", &path))?;
        Ok(bytes)
    }

    /// A document of which only the hash is known: from here, or from a peer.
    pub(crate) async fn document(&self, hash: ContentHash, from: NodeId) -> Result<Vec<u8>, ContentError> {
        if self.has(hash).is_some() {
            return self.blocking(move |contents| contents.read(hash)).await;
        }
        let net = self.net()?;
        let bytes = net.fetch_document(hash, from).await.map_err(|error| not_fetched(hash, &error))?;
        // Kept, so that what was fetched ahead of its run is not asked for again.
        let kept = move |contents: &Contents| {
            if let Err(error) = contents.insert_bytes(&bytes) {
                tracing::debug!(%error, "a document is not kept");
            }
            Ok(bytes)
        };
        self.blocking(kept).await
    }

    /// Makes a content be here. Many who want the same one at once fetch it once.
    pub(crate) async fn fetch(&self, hash: ContentHash, size: u64, from: NodeId) -> Result<(), ContentError> {
        let turn = lock(&self.inner.fetching).entry(hash).or_default().clone();
        let held = turn.lock().await;
        let result = match self.has(hash) {
            Some(held) if held == size => Ok(()),
            Some(held) => {
                let detail = format!("it has {held} bytes, and {size} were named");
                Err(ContentError::Malformed { digest: hash.0, what: "content of that length", detail })
            }
            None => self.fetch_now(hash, size, from).await,
        };
        drop(held);
        let mut fetching = lock(&self.inner.fetching);
        // Two are the map's and ours: nobody else waits.
        if Arc::strong_count(&turn) <= 2 {
            fetching.remove(&hash);
        }
        result
    }

    async fn fetch_now(&self, hash: ContentHash, size: u64, from: NodeId) -> Result<(), ContentError> {
        let net = self.net()?;
        let to = self.inner.incoming.join(hash.0.to_string());
        self.taking_in(move |contents| contents.room_on_disk(size)).await?;
        net.fetch(hash, size, &[from], &to).await.map_err(|error| not_fetched(hash, &error))?;
        let from = to.clone();
        let taken = self.taking_in(move |contents| contents.take_file(&from)).await;
        let _ = tokio::fs::remove_file(&to).await;
        taken.map(drop)
    }

    fn net(&self) -> Result<&NetworkHandle, ContentError> {
        self.inner.net.get().ok_or_else(|| ContentError::Store { detail: "the network is not started".to_owned() })
    }

    /// Runs something that reads or writes files where it may block.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Contents) -> Result<T, ContentError> + Send + 'static,
    ) -> Result<T, ContentError> {
        let contents = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&contents)).await;
        done.unwrap_or_else(|error| Err(ContentError::Store { detail: format!("its thread failed: {error}") }))
    }

    /// Why contents that are fetched cannot be kept here, while that is so.
    pub(crate) fn trouble(&self) -> Option<String> {
        lock(&self.inner.trouble).clone()
    }

    pub(crate) fn note_trouble(&self, trouble: Option<String>) {
        *lock(&self.inner.trouble) = trouble;
    }

    /// Keeps everything that a task's providers will fetch, and checks that it is what was named. It stays as long as what
    /// is returned does: nobody else knows the task yet.
    ///
    /// Errors: where it has no room, nothing of it was kept.
    pub(crate) async fn keep_task(
        &self,
        order: &TaskOrder,
        contents: Vec<PreparedContent>,
    ) -> Result<Pins, RunTaskError> {
        let needed: Vec<ContentHash> =
            std::iter::once(order.header.module).chain(order.inputs.iter().copied()).collect();
        let mut pins = self.pins();
        needed.iter().copied().chain(contents.iter().map(PreparedContent::digest)).for_each(|hash| pins.add(hash));
        let kept = async {
            let (bytes, contents) = self.blocking(move |here| Ok((here.missing_bytes(&contents), contents))).await?;
            if bytes > self.free_bytes() {
                self.make_room(bytes, self.no_room(bytes, self.remedy(bytes, RAISE).to_owned())).await?;
            }
            self.blocking(move |here| {
                here.keep_all(contents)?;
                for hash in needed {
                    here.has(hash).ok_or(ContentError::Missing { digest: hash.0 })?;
                }
                Ok(pins)
            })
            .await
        };
        kept.await.map_err(|error| match error {
            ContentError::Missing { digest } => RunTaskError::MissingContent { digest },
            error => RunTaskError::Content(error),
        })
    }

    /// How many bytes these are beyond what is here. Blocks.
    fn missing_bytes(&self, contents: &[PreparedContent]) -> u64 {
        let mut counted = BTreeSet::new();
        let missing = contents.iter().filter(|content| {
            let hash = content.digest();
            self.inner.store.has(hash).is_none() && counted.insert(hash)
        });
        missing.fold(0, |sum, content| sum.saturating_add(content.size()))
    }

    /// Keeps many, several at a time: most are small, and of each that is made durable one waits for the disk, which has room
    /// for others meanwhile.
    fn keep_all(&self, contents: Vec<PreparedContent>) -> Result<(), ContentError> {
        let next = Mutex::new(contents.into_iter());
        let keep_rest = || {
            // Not in the condition of a loop, where the lock would be held through its body.
            let take = || lock(&next).next();
            while let Some(content) = take() {
                self.keep(content)?;
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let keepers: Vec<_> = (0..KEEPERS).map(|_| scope.spawn(keep_rest)).collect();
            let kept = keepers.into_iter().map(|keeper| keeper.join().unwrap_or_else(|panic| resume_unwind(panic)));
            kept.fold(Ok(()), Result::and)
        })
    }

    fn keep(&self, content: PreparedContent) -> Result<(), ContentError> {
        let want = content.digest();
        if self.has(want).is_some() {
            return Ok(());
        }
        let (got, path) = match content {
            PreparedContent::Bytes { bytes, .. } => (self.insert_bytes(&bytes)?, PathBuf::from("(made here)")),
            PreparedContent::File { path, .. } => (self.insert_file(&path)?.0, path),
        };
        if got == want { Ok(()) } else { Err(ContentError::Changed { path, got: got.0, want: want.0 }) }
    }
}

fn not_fetched(hash: ContentHash, error: &FetchError) -> ContentError {
    match error {
        // Said apart: it is this machine's fault, and not of who was asked.
        FetchError::Io { action, path, source } => {
            let source = io::Error::new(source.kind(), source.to_string());
            ContentError::Io { action, path: path.clone(), source }
        }
        FetchError::InProgress { .. } | FetchError::Stopped => ContentError::Store { detail: error.to_string() },
        FetchError::TooLarge { .. } | FetchError::NoProviders { .. } | FetchError::ProvidersFailed { .. } => {
            ContentError::NotFetched { digest: hash.0, detail: error.to_string() }
        }
    }
}

#[cfg(test)]
#[path = "content_tests.rs"]
mod tests;
