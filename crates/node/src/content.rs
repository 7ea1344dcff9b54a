//! Contents by digest: kept here, served to others, fetched once however many want them.

use crate::audience::Audience;
use crate::error::{ContentError, RunTaskError};
use crate::prepared::PreparedContent;
use golem_deal::TaskOrder;
use golem_net::{ContentSource, ContentStore, FetchError, NetworkHandle, SIZE_UNKNOWN};
use golem_protocol::{ContentHash, NodeId};
use std::collections::HashMap;
use std::fs;
use std::io::{self, Read};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

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
    /// Nothing: a requestor's contents are its inputs and results.
    Keep,
}

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
    net: OnceLock<NetworkHandle>,
    /// One lock for each content being fetched; bounded by the jobs under way.
    fetching: Mutex<HashMap<ContentHash, Arc<tokio::sync::Mutex<()>>>>,
    used: Mutex<Used>,
    /// Why contents that are fetched cannot be kept, while that is so.
    trouble: Mutex<Option<String>>,
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
        self.holder(to, hash).map_or(Ok(None), |store| store.piece_list(to, hash, size))
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
            net: OnceLock::new(),
            fetching: Mutex::default(),
            used: Mutex::new(used),
            trouble: Mutex::default(),
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

    fn touch(&self, hash: ContentHash) {
        let mut used = lock(&self.inner.used);
        used.count += 1;
        let count = used.count;
        used.last.insert(hash, count);
    }

    /// Takes bytes in. Blocks.
    pub(crate) fn insert_bytes(&self, bytes: &[u8]) -> Result<ContentHash, ContentError> {
        let hash = self.with_room(|store| store.insert_bytes(bytes))?;
        self.touch(hash);
        Ok(hash)
    }

    /// Copies a file in. Blocks.
    pub(crate) fn insert_file(&self, path: &Path) -> Result<(ContentHash, u64), ContentError> {
        let (hash, size) = self.with_room(|store| store.insert_file(path))?;
        self.touch(hash);
        Ok((hash, size))
    }

    /// Tries again as long as something can be taken away to make room.
    fn with_room<T>(
        &self,
        insert: impl Fn(&ContentStore) -> Result<T, golem_net::ContentError>,
    ) -> Result<T, ContentError> {
        loop {
            match insert(&self.inner.store) {
                Err(error @ golem_net::ContentError::Quota { wanted, quota, .. }) => {
                    // What never fits must not cost everything else its place.
                    if wanted > quota || !self.reclaim_one()? {
                        return Err(store_error(error));
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
        net.fetch(hash, size, &[from], &to).await.map_err(|error| not_fetched(hash, &error))?;
        self.blocking(move |contents| {
            let inserted = contents.insert_file(&to);
            let _ = fs::remove_file(&to);
            inserted.map(drop)
        })
        .await
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

    /// Keeps everything that a task's providers will fetch, and checks that it is what was named.
    pub(crate) async fn keep_task(
        &self,
        order: &TaskOrder,
        contents: Vec<PreparedContent>,
    ) -> Result<(), RunTaskError> {
        let needed: Vec<ContentHash> =
            std::iter::once(order.header.module).chain(order.inputs.iter().copied()).collect();
        self.blocking(move |here| {
            here.keep_all(contents)?;
            for hash in needed {
                here.has(hash).ok_or(ContentError::Missing { digest: hash.0 })?;
            }
            Ok(())
        })
        .await
        .map_err(|error| match error {
            ContentError::Missing { digest } => RunTaskError::MissingContent { digest },
            error => RunTaskError::Content(error),
        })
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
mod tests {
    use super::*;
    use crate::audience::Root;
    use golem_protocol::{Address, B256};

    fn hash_of(bytes: &[u8]) -> ContentHash {
        ContentHash(blake3::hash(bytes).as_bytes().into())
    }

    #[test]
    fn makes_room_by_what_was_used_longest_ago_and_spares_running_jobs() {
        let folder = tempfile::tempdir().unwrap();
        let contents = Contents::open(folder.path(), 300, Room::Reclaim).unwrap();
        let first = contents.insert_bytes(&[1; 100]).unwrap();
        let second = contents.insert_bytes(&[2; 100]).unwrap();
        let third = contents.insert_bytes(&[3; 100]).unwrap();
        let mut pins = contents.pins();
        pins.add(first);
        contents.has(second);
        contents.insert_bytes(&[4; 100]).unwrap();
        assert!(contents.has(first).is_some() && contents.has(second).is_some());
        assert_eq!(contents.has(third), None);
        drop(pins);
        contents.insert_bytes(&[5; 300]).unwrap();
        assert_eq!(contents.used_bytes(), 300);
    }

    #[test]
    fn keeps_what_is_its_owners_and_says_that_there_is_no_room() {
        let folder = tempfile::tempdir().unwrap();
        let contents = Contents::open(folder.path(), 150, Room::Keep).unwrap();
        let first = contents.insert_bytes(&[1; 100]).unwrap();
        assert!(contents.insert_bytes(&[2; 100]).unwrap_err().to_string().contains("quota"));
        assert_eq!(contents.has(first), Some(100));
    }

    #[test]
    fn serves_a_document_whose_length_is_unknown_and_nothing_larger() {
        let folder = tempfile::tempdir().unwrap();
        let contents = Contents::open(folder.path(), 1 << 20, Room::Keep).unwrap();
        let small = contents.insert_bytes(b"document").unwrap();
        let large = contents.insert_bytes(&vec![7; DOCUMENT_BYTES_MAX + 1]).unwrap();
        let (audience, to) = (Audience::default(), NodeId(Address::repeat_byte(1)));
        let absent = hash_of(b"absent");
        audience.allow(B256::ZERO, to, [small, large, absent].map(Root::Content));
        let served = contents.served(audience);
        assert_eq!(served.piece(to, small, SIZE_UNKNOWN, 0).unwrap().unwrap(), b"document");
        assert_eq!(served.piece(to, large, SIZE_UNKNOWN, 0).unwrap(), None);
        assert_eq!(served.piece(to, absent, SIZE_UNKNOWN, 0).unwrap(), None);
    }

    #[test]
    fn answers_whoever_may_not_have_a_content_as_if_it_were_not_here() {
        let folder = tempfile::tempdir().unwrap();
        let contents = Contents::open(folder.path(), 1 << 20, Room::Keep).unwrap();
        let hash = contents.insert_bytes(b"document").unwrap();
        let (audience, to) = (Audience::default(), NodeId(Address::repeat_byte(1)));
        audience.allow(B256::ZERO, to, [Root::Content(hash)]);
        let served = contents.served(audience);
        let stranger = NodeId(Address::repeat_byte(2));
        for size in [8, SIZE_UNKNOWN] {
            assert!(served.piece(to, hash, size, 0).unwrap().is_some());
            assert_eq!(served.piece(stranger, hash, size, 0).unwrap(), None);
            assert_eq!(served.piece(stranger, hash_of(b"absent"), size, 0).unwrap(), None);
        }
        assert!(served.piece_list(to, hash, 8).unwrap().is_some());
        assert_eq!(served.piece_list(stranger, hash, 8).unwrap(), None);
    }

    #[test]
    fn serves_what_lies_beside_its_own_contents_to_whoever_may_have_it() {
        let folder = tempfile::tempdir().unwrap();
        let open = |name: &str| Contents::open(&folder.path().join(name), 1 << 20, Room::Reclaim).unwrap();
        let (own, beside) = (open("own"), open("beside"));
        let (audience, to) = (Audience::default(), NodeId(Address::repeat_byte(1)));
        let served = own.served(audience.clone());
        own.serve_also(&beside);
        let hash = beside.insert_bytes(b"document").unwrap();
        assert_eq!(served.piece(to, hash, 8, 0).unwrap(), None, "it was not opened to anybody");
        audience.open(hash, []);
        for size in [8, SIZE_UNKNOWN] {
            assert_eq!(served.piece(to, hash, size, 0).unwrap().unwrap(), b"document");
        }
        assert!(served.piece_list(to, hash, 8).unwrap().is_some());
    }

    #[test]
    fn refuses_a_file_that_changed_since_it_was_named() {
        let folder = tempfile::tempdir().unwrap();
        let contents = Contents::open(&folder.path().join("content"), 1 << 20, Room::Keep).unwrap();
        let path = folder.path().join("input");
        fs::write(&path, b"new").unwrap();
        let content = PreparedContent::File { digest: hash_of(b"old"), path };
        assert!(matches!(contents.keep(content), Err(ContentError::Changed { .. })));
    }

    #[test]
    fn keeps_all_of_many_contents_and_tells_of_one_that_cannot_be() {
        let folder = tempfile::tempdir().unwrap();
        let contents = Contents::open(&folder.path().join("content"), 1 << 20, Room::Keep).unwrap();
        let prepared = |n: u32| {
            let bytes = n.to_le_bytes().to_vec();
            PreparedContent::Bytes { digest: hash_of(&bytes), bytes }
        };
        // Some of them twice.
        contents.keep_all((0..300).map(|n| prepared(n % 200)).collect()).unwrap();
        assert!((0..200u32).all(|n| contents.has(hash_of(&n.to_le_bytes())) == Some(4)));
        assert_eq!(contents.used_bytes(), 800);
        let mut all: Vec<_> = (200..300).map(prepared).collect();
        all.insert(50, PreparedContent::File { digest: hash_of(b"gone"), path: folder.path().join("gone") });
        assert!(contents.keep_all(all).unwrap_err().to_string().contains("gone"));
    }
}
