//! What a node serves: a folder of content by hash.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use golem_protocol::{B256, ContentHash, NodeId};

use crate::document::SIZE_UNKNOWN;
use crate::limits::CONTENT_BYTES_MAX;
use crate::pieces::{PIECE_BYTES, PieceList, piece_length};

/// Where served content comes from. Called on threads that may block.
///
/// `to` is who asks, by its connection's key. What somebody may not have is `None`, as what is not held: a refusal of its
/// own would tell that it is here.
pub trait ContentSource: Send + Sync {
    /// The hashes of all pieces of this content, 32 bytes each; `None` where it is not held, or has another size.
    fn piece_list(&self, to: NodeId, hash: ContentHash, size: u64) -> io::Result<Option<Vec<u8>>>;

    /// One piece of it; `None` where it is not held, has another size, or fewer pieces.
    /// The size [`SIZE_UNKNOWN`] is right for content of one piece.
    fn piece(&self, to: NodeId, hash: ContentHash, size: u64, index: u32) -> io::Result<Option<Vec<u8>>>;
}

/// Content in one folder, each in a file named by its BLAKE3 hash, with a quota. Nothing in it is ever half there.
pub struct ContentStore {
    folder: PathBuf,
    quota_bytes: u64,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    sizes: HashMap<ContentHash, u64>,
    bytes: u64,
    /// Names files on their way in.
    incoming: u64,
}

/// Why content was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The quota would be passed. Nothing was kept.
    #[error(
        "no room for {wanted} more bytes of content: {used} of {quota} are used; remove content or raise the quota"
    )]
    Quota {
        /// What was to be added, as far as known.
        wanted: u64,
        /// What is held.
        used: u64,
        /// The quota.
        quota: u64,
    },
    /// It is larger than the network carries. Nothing was kept.
    #[error("content of {got} bytes or more is over the bound of {max}; cut it into several files")]
    TooLarge {
        /// How much of it was seen.
        got: u64,
        /// The bound.
        max: u64,
    },
    /// The operating system said no. Nothing was kept.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl ContentError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ContentError {
        let path = path.to_path_buf();
        move |source| ContentError::Io { action, path, source }
    }
}

const LIST_EXTENSION: &str = "pieces";
const INCOMING_EXTENSION: &str = "incoming";

impl ContentStore {
    /// Opens or creates the folder, which one process at a time may use, and removes what an earlier run left half
    /// written.
    pub fn open(folder: &Path, quota_bytes: u64) -> Result<ContentStore, ContentError> {
        fs::create_dir_all(folder).map_err(ContentError::io("create the folder", folder))?;
        let mut held = Held::default();
        for entry in fs::read_dir(folder).map_err(ContentError::io("list", folder))? {
            let path = entry.map_err(ContentError::io("list", folder))?.path();
            if path.extension().is_some_and(|extension| extension == INCOMING_EXTENSION) {
                fs::remove_file(&path).map_err(ContentError::io("remove", &path))?;
            } else if let Some(hash) = hash_of_name(&path)
                && path.with_extension(LIST_EXTENSION).is_file()
            {
                let size = fs::metadata(&path).map_err(ContentError::io("read the size of", &path))?.len();
                held.sizes.insert(hash, size);
                held.bytes += size;
            }
        }
        Ok(ContentStore { folder: folder.to_path_buf(), quota_bytes, held: Mutex::new(held) })
    }

    /// Takes bytes in; returns their hash. Content already held is kept once.
    pub fn insert_bytes(&self, bytes: &[u8]) -> Result<ContentHash, ContentError> {
        self.insert(bytes, Path::new("(bytes)")).map(|(hash, _)| hash)
    }

    /// Copies a file in; returns its hash and size.
    pub fn insert_file(&self, path: &Path) -> Result<(ContentHash, u64), ContentError> {
        let file = File::open(path).map_err(ContentError::io("open", path))?;
        self.insert(file, path)
    }

    /// Moves a file in, which has to be on the same disk as the folder: it is read, and not written again. Returns its hash
    /// and size. Where it fails, the file stays.
    pub fn take_file(&self, path: &Path) -> Result<(ContentHash, u64), ContentError> {
        let file = File::options().read(true).write(true).open(path).map_err(ContentError::io("open", path))?;
        let size = file.metadata().map_err(ContentError::io("look at", path))?.len();
        self.check_size(size, self.room())?;
        let list = PieceList::read(&file, |_| Ok(())).map_err(ContentError::io("read", path))?;
        file.sync_all().map_err(ContentError::io("write", path))?;
        let (_, incoming_list) = self.next_incoming();
        let taken = self.settle(&list, size, path, &incoming_list);
        if taken.is_err() {
            let _ = fs::remove_file(&incoming_list);
        }
        taken
    }

    /// The size of content, where it is held.
    pub fn has(&self, hash: ContentHash) -> Option<u64> {
        self.lock().sizes.get(&hash).copied()
    }

    /// Opens content for reading; `None` where it is not held.
    pub fn open_content(&self, hash: ContentHash) -> Result<Option<File>, ContentError> {
        match self.has(hash) {
            None => Ok(None),
            Some(_) => {
                let path = self.path(hash);
                File::open(&path).map(Some).map_err(ContentError::io("open", &path))
            }
        }
    }

    /// Where content of this hash lies, or would.
    pub fn path(&self, hash: ContentHash) -> PathBuf {
        self.folder.join(hex_name(hash))
    }

    /// Removes content; returns the bytes it held. Transfers of it that are under way elsewhere fail over or stop.
    pub fn remove(&self, hash: ContentHash) -> Result<u64, ContentError> {
        let mut held = self.lock();
        let Some(size) = held.sizes.remove(&hash) else { return Ok(0) };
        held.bytes -= size;
        let path = self.path(hash);
        fs::remove_file(&path).map_err(ContentError::io("remove", &path))?;
        let list = path.with_extension(LIST_EXTENSION);
        fs::remove_file(&list).map_err(ContentError::io("remove", &list))?;
        Ok(size)
    }

    /// Bytes held now.
    pub fn used_bytes(&self) -> u64 {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, content: impl Read, origin: &Path) -> Result<(ContentHash, u64), ContentError> {
        let (incoming, incoming_list) = self.next_incoming();
        let result = self.copy(content, origin, &incoming).and_then(|(list, size)| {
            // Only now is it known to be whole.
            self.settle(&list, size, &incoming, &incoming_list)
        });
        if result.is_err() {
            let _ = fs::remove_file(&incoming);
            let _ = fs::remove_file(&incoming_list);
        }
        result
    }

    /// Where content and its list lie on their way in.
    fn next_incoming(&self) -> (PathBuf, PathBuf) {
        let mut held = self.lock();
        held.incoming += 1;
        let number = held.incoming;
        let file = |name: String| self.folder.join(format!("{name}.{INCOMING_EXTENSION}"));
        (file(number.to_string()), file(format!("{number}-{LIST_EXTENSION}")))
    }

    fn copy(&self, content: impl Read, origin: &Path, incoming: &Path) -> Result<(PieceList, u64), ContentError> {
        let mut file = File::create(incoming).map_err(ContentError::io("create", incoming))?;
        let room = self.room();
        let mut size = 0;
        let mut refusal = None;
        let list = PieceList::read(content, |piece| {
            size += piece.len() as u64;
            if let Err(error) = self.check_size(size, room) {
                refusal = Some(error);
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            file.write_all(piece)
        });
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        let list = list.map_err(ContentError::io("copy", origin))?;
        file.sync_all().map_err(ContentError::io("write", incoming))?;
        Ok((list, size))
    }

    /// Puts a whole file, which is durable, in its place.
    fn settle(
        &self,
        list: &PieceList,
        size: u64,
        incoming: &Path,
        incoming_list: &Path,
    ) -> Result<(ContentHash, u64), ContentError> {
        let hash = list.hash();
        fs::write(incoming_list, list.to_bytes()).map_err(ContentError::io("write", incoming_list))?;
        let mut held = self.lock();
        if held.sizes.contains_key(&hash) {
            fs::remove_file(incoming).map_err(ContentError::io("remove", incoming))?;
            fs::remove_file(incoming_list).map_err(ContentError::io("remove", incoming_list))?;
            return Ok((hash, size));
        }
        // Again under the lock: others may have come in meanwhile.
        if held.bytes + size > self.quota_bytes {
            return Err(ContentError::Quota { wanted: size, used: held.bytes, quota: self.quota_bytes });
        }
        let path = self.path(hash);
        let list_path = path.with_extension(LIST_EXTENSION);
        // The content's own name comes last: it is what says that both are there.
        fs::rename(incoming_list, &list_path).map_err(ContentError::io("write", &list_path))?;
        fs::rename(incoming, &path).map_err(ContentError::io("write", &path))?;
        held.sizes.insert(hash, size);
        held.bytes += size;
        Ok((hash, size))
    }

    fn room(&self) -> u64 {
        self.quota_bytes.saturating_sub(self.used_bytes())
    }

    fn check_size(&self, size: u64, room: u64) -> Result<(), ContentError> {
        if size > CONTENT_BYTES_MAX {
            Err(ContentError::TooLarge { got: size, max: CONTENT_BYTES_MAX })
        } else if size > room {
            Err(ContentError::Quota { wanted: size, used: self.used_bytes(), quota: self.quota_bytes })
        } else {
            Ok(())
        }
    }
}

/// Served to anybody.
impl ContentSource for ContentStore {
    fn piece_list(&self, _: NodeId, hash: ContentHash, size: u64) -> io::Result<Option<Vec<u8>>> {
        if self.has(hash) != Some(size) {
            return Ok(None);
        }
        fs::read(self.path(hash).with_extension(LIST_EXTENSION)).map(Some)
    }

    fn piece(&self, _: NodeId, hash: ContentHash, size: u64, index: u32) -> io::Result<Option<Vec<u8>>> {
        let Some(held) = self.has(hash) else { return Ok(None) };
        let asked_right = size == held || size == SIZE_UNKNOWN && held <= PIECE_BYTES as u64;
        let Some(length) = piece_length(held, index).filter(|_| asked_right) else { return Ok(None) };
        let mut file = File::open(self.path(hash))?;
        file.seek(SeekFrom::Start(u64::from(index) * PIECE_BYTES as u64))?;
        let mut piece = vec![0; length];
        file.read_exact(&mut piece)?;
        Ok(Some(piece))
    }
}

/// A source that holds nothing, for a node that serves nothing.
pub struct NoContent;

impl ContentSource for NoContent {
    fn piece_list(&self, _: NodeId, _: ContentHash, _: u64) -> io::Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn piece(&self, _: NodeId, _: ContentHash, _: u64, _: u32) -> io::Result<Option<Vec<u8>>> {
        Ok(None)
    }
}

fn hex_name(hash: ContentHash) -> String {
    hash.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash_of_name(path: &Path) -> Option<ContentHash> {
    let name = path.file_name()?.to_str()?;
    let lower = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    lower.then(|| name.parse::<B256>().ok().map(ContentHash))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_content_once_across_reopening_and_serves_its_pieces() {
        let dir = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..PIECE_BYTES * 2 + 9).map(|n| (n % 253) as u8).collect();
        let store = ContentStore::open(dir.path(), 1 << 30).unwrap();
        let hash = store.insert_bytes(&bytes).unwrap();
        assert_eq!(hash.0.0, *blake3::hash(&bytes).as_bytes());
        assert_eq!(store.insert_bytes(&bytes).unwrap(), hash);
        let size = bytes.len() as u64;
        fs::write(dir.path().join("7.incoming"), b"half").unwrap();
        drop(store);
        let store = ContentStore::open(dir.path(), 1 << 30).unwrap();
        assert!(!dir.path().join("7.incoming").exists());
        assert_eq!((store.has(hash), store.used_bytes()), (Some(size), size));
        let to = NodeId(golem_protocol::Address::ZERO);
        let list = PieceList::verified(hash, size, &store.piece_list(to, hash, size).unwrap().unwrap()).unwrap();
        for index in 0..3 {
            assert!(list.matches(index, &store.piece(to, hash, size, index).unwrap().unwrap()));
        }
        assert_eq!(store.piece(to, hash, size, 3).unwrap(), None);
        assert_eq!(store.piece(to, hash, size + 1, 0).unwrap(), None);
        assert_eq!(store.piece(to, hash, SIZE_UNKNOWN, 0).unwrap(), None, "it is more than one piece");
        let mut read = Vec::new();
        store.open_content(hash).unwrap().unwrap().read_to_end(&mut read).unwrap();
        assert_eq!(read, bytes);
        assert_eq!(store.remove(hash).unwrap(), size);
        assert_eq!((store.has(hash), store.used_bytes(), fs::read_dir(dir.path()).unwrap().count()), (None, 0, 0));
    }

    #[test]
    fn moves_a_file_in_and_leaves_it_where_it_has_no_room() {
        let dir = tempfile::tempdir().unwrap();
        let store = ContentStore::open(&dir.path().join("store"), 3 * PIECE_BYTES as u64).unwrap();
        let fetched = dir.path().join("fetched");
        let bytes = vec![7; PIECE_BYTES + 9];
        for _ in 0..2 {
            fs::write(&fetched, &bytes).unwrap();
            let (hash, size) = store.take_file(&fetched).unwrap();
            assert_eq!((hash.0.0, size), (*blake3::hash(&bytes).as_bytes(), bytes.len() as u64));
            assert_eq!((store.used_bytes(), fs::read(store.path(hash)).unwrap()), (size, bytes.clone()), "kept once");
            assert!(!fetched.exists());
            let to = NodeId(golem_protocol::Address::ZERO);
            let list = PieceList::verified(hash, size, &store.piece_list(to, hash, size).unwrap().unwrap()).unwrap();
            assert!(list.matches(1, &store.piece(to, hash, size, 1).unwrap().unwrap()));
        }
        let large = vec![8; 2 * PIECE_BYTES];
        fs::write(&fetched, &large).unwrap();
        let error = store.take_file(&fetched).unwrap_err();
        let wanted = large.len() as u64;
        assert!(matches!(error, ContentError::Quota { wanted: size, .. } if size == wanted), "{error}");
        assert_eq!(fs::read(&fetched).unwrap(), large);
        assert_eq!(fs::read_dir(dir.path().join("store")).unwrap().count(), 2);
    }

    #[test]
    fn refuses_what_is_over_the_quota_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let store = ContentStore::open(dir.path(), 100).unwrap();
        store.insert_bytes(&[1; 60]).unwrap();
        let error = store.insert_bytes(&[2; 41]).unwrap_err();
        assert!(matches!(error, ContentError::Quota { wanted: 41, used: 60, quota: 100 }), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        assert!(store.insert_bytes(&[2; 40]).is_ok());
        let missing = dir.path().join("missing");
        assert!(store.insert_file(&missing).unwrap_err().to_string().contains("missing"));
    }
}
