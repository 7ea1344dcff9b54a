//! The append-only file that every batch reaches, by `fdatasync`, before anything else.
//!
//! Shape: eight bytes of magic, then frames: length `u32`, CRC-32 `u32`, sequence `u64` (little endian), payload.
//! The checksum covers length, sequence and payload. One group of batches is one frame and one flush, so a crash can
//! tear the last frame only: a broken frame with a good one behind it was damaged later, and is never cut off.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::batch::{BATCH_BYTES_MAX, Change, decode_changes, encode_put};
use crate::error::OpenError;

/// Names the file's kind and the shape of its frames.
const MAGIC: &[u8; 8] = b"GLMJRNL1";

/// Length, checksum and sequence.
const FRAME_HEADER_BYTES: usize = 16;

/// The most payload bytes of a frame: what a reader must be ready to hold at once. A group may pass [`GROUP_BYTES_MAX`]
/// by one batch.
const FRAME_BYTES_MAX: usize = GROUP_BYTES_MAX + BATCH_BYTES_MAX;

/// Batches beyond this many bytes wait for the next flush: more would not make a flush cheaper, only its waiters
/// slower.
pub(crate) const GROUP_BYTES_MAX: usize = 1 << 20;

/// The open journal, positioned after its last good frame.
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    length: u64,
    last_seq: u64,
}

/// Why a frame was not added.
pub(crate) enum AppendError {
    /// No room; the file is as it was.
    Full(io::Error),
    /// What is on the disk is unknown.
    Broken(io::Error),
}

/// Why the journal was not replaced.
#[derive(Debug)]
pub(crate) enum CompactError {
    /// The new one could not be written; the old one is in use and whole.
    OldStays,
    /// It is replaced, but perhaps not durably.
    Broken(io::Error),
}

impl Journal {
    /// Creates an empty journal, durably.
    pub(crate) fn create(path: &Path) -> Result<Journal, OpenError> {
        let mut file = File::create_new(path).map_err(OpenError::io("create", path))?;
        file.write_all(MAGIC).and_then(|()| file.sync_all()).map_err(OpenError::io("write", path))?;
        sync_parent(path).map_err(OpenError::io("sync the folder of", path))?;
        Ok(Journal { path: path.to_path_buf(), file, length: MAGIC.len() as u64, last_seq: 0 })
    }

    /// Opens a journal, reads all of it, gives every frame's changes to `visit` in order, and cuts a torn tail off.
    pub(crate) fn open(
        path: &Path,
        mut visit: impl FnMut(Vec<Change>) -> Result<(), OpenError>,
    ) -> Result<Journal, OpenError> {
        let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(OpenError::io("open", path))?;
        let size = file.metadata().map_err(OpenError::io("read the size of", path))?.len();
        let damaged = |offset: u64, detail: &str| OpenError::Damaged {
            path: path.to_path_buf(),
            offset,
            detail: detail.to_string(),
        };
        let mut reader = BufReader::with_capacity(1 << 20, &mut file);
        let mut magic = [0; MAGIC.len()];
        let read = reader.read_exact(&mut magic);
        if read.is_err() || magic != *MAGIC {
            return Err(damaged(0, "it does not begin as a journal does"));
        }
        let mut length = MAGIC.len() as u64;
        let mut last_seq = 0;
        let mut first = true;
        while let Some((seq, payload)) = read_frame(&mut reader, size - length).map_err(OpenError::io("read", path))? {
            if !first && seq != last_seq + 1 {
                return Err(damaged(length, &format!("frame {seq} follows frame {last_seq}")));
            }
            let changes = decode_changes(&payload).ok_or_else(|| damaged(length, "a whole frame does not decode"))?;
            visit(changes)?;
            length += (FRAME_HEADER_BYTES + payload.len()) as u64;
            (last_seq, first) = (seq, false);
        }
        drop(reader);
        if length < size {
            cut_torn_tail(&mut file, path, length, size, last_seq)?;
        }
        // A frame may be here that its writer was killed before flushing: from now on it is acted upon.
        file.sync_all().map_err(OpenError::io("flush", path))?;
        file.seek(SeekFrom::Start(length)).map_err(OpenError::io("seek in", path))?;
        Ok(Journal { path: path.to_path_buf(), file, length, last_seq })
    }

    /// Adds one frame and flushes it to the disk.
    pub(crate) fn append(&mut self, payload: &[u8]) -> Result<(), AppendError> {
        let frame = encode_frame(self.last_seq + 1, payload);
        if let Err(error) = self.file.write_all(&frame) {
            // A part of the frame may be there: a later frame behind it would look like damage.
            let undone = self.file.set_len(self.length).and_then(|()| self.file.seek(SeekFrom::Start(self.length)));
            return Err(match undone {
                Ok(_) if is_full(&error) => AppendError::Full(error),
                Ok(_) | Err(_) => AppendError::Broken(error),
            });
        }
        // After a failed flush the kernel may have dropped the pages and a second flush would lie: no retry.
        self.file.sync_data().map_err(AppendError::Broken)?;
        self.length += frame.len() as u64;
        self.last_seq += 1;
        Ok(())
    }

    /// Replaces the journal by one that holds just `records`.
    pub(crate) fn compact(
        &mut self,
        records: impl Iterator<Item = io::Result<(Vec<u8>, Vec<u8>)>>,
    ) -> Result<(), CompactError> {
        let path = self.path.with_extension("new");
        let replaced = write_compacted(&path, records, self.last_seq)
            .and_then(|written| std::fs::rename(&path, &self.path).map(|()| written));
        let Ok((file, length, last_seq)) = replaced else {
            let _ = std::fs::remove_file(&path);
            return Err(CompactError::OldStays);
        };
        (self.file, self.length, self.last_seq) = (file, length, last_seq);
        // Unless the new name is durable, a power cut brings the old journal back without the frames added from here
        // on.
        sync_parent(&self.path).map_err(CompactError::Broken)
    }

    /// Its size in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The sequence of the last frame, 0 where there is none.
    pub(crate) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Flushes the folder that holds `path`, so that a new name in it survives a power cut.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        Some(_) | None => Ok(()),
    }
}

/// Whether the system refused for want of room, which a person can change while we run.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

fn encode_frame(seq: u64, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(FRAME_HEADER_BYTES + payload.len());
    frame.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    frame.extend_from_slice(&checksum(seq, payload).to_le_bytes());
    frame.extend_from_slice(&seq.to_le_bytes());
    frame.extend_from_slice(payload);
    frame
}

fn checksum(seq: u64, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&(payload.len() as u32).to_le_bytes());
    hasher.update(&seq.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// The next frame, or `None` where what follows in the `left` bytes is no whole, good frame.
fn read_frame(reader: &mut impl Read, left: u64) -> io::Result<Option<(u64, Vec<u8>)>> {
    if left < FRAME_HEADER_BYTES as u64 {
        return Ok(None);
    }
    let mut header = [0; FRAME_HEADER_BYTES];
    reader.read_exact(&mut header)?;
    let (length, crc, seq) = split_header(&header);
    if length > FRAME_BYTES_MAX || (length + FRAME_HEADER_BYTES) as u64 > left {
        return Ok(None);
    }
    let mut payload = vec![0; length];
    reader.read_exact(&mut payload)?;
    Ok((checksum(seq, &payload) == crc).then_some((seq, payload)))
}

fn split_header(header: &[u8; FRAME_HEADER_BYTES]) -> (usize, u32, u64) {
    let [l0, l1, l2, l3, c0, c1, c2, c3, seq @ ..] = *header;
    (u32::from_le_bytes([l0, l1, l2, l3]) as usize, u32::from_le_bytes([c0, c1, c2, c3]), u64::from_le_bytes(seq))
}

/// Cuts off what follows the last good frame, unless it cannot be the torn last write.
fn cut_torn_tail(file: &mut File, path: &Path, good: u64, size: u64, last_seq: u64) -> Result<(), OpenError> {
    let damaged = |detail: String| OpenError::Damaged { path: path.to_path_buf(), offset: good, detail };
    if size - good > (FRAME_HEADER_BYTES + FRAME_BYTES_MAX) as u64 {
        return Err(damaged(format!("{} bytes follow that are no frame, more than one write has", size - good)));
    }
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(good))
        .and_then(|_| file.read_to_end(&mut tail))
        .map_err(OpenError::io("read the tail of", path))?;
    if let Some(seq) = frame_within(&tail, last_seq) {
        return Err(damaged(format!("frame {} is broken though frame {seq} behind it is whole", last_seq + 1)));
    }
    file.set_len(good).map_err(OpenError::io("cut the torn tail off", path))
}

/// The sequence of a good frame, later than the one expected, anywhere in `tail`.
fn frame_within(tail: &[u8], last_seq: u64) -> Option<u64> {
    let seq_max = last_seq + 2 + (tail.len() / FRAME_HEADER_BYTES) as u64;
    (0..tail.len()).find_map(|at| {
        let (header, rest) = tail.get(at..)?.split_first_chunk::<FRAME_HEADER_BYTES>()?;
        let (length, crc, seq) = split_header(header);
        if seq <= last_seq + 1 || seq > seq_max {
            return None;
        }
        let payload = rest.get(..length)?;
        (checksum(seq, payload) == crc).then_some(seq)
    })
}

fn write_compacted(
    path: &Path,
    records: impl Iterator<Item = io::Result<(Vec<u8>, Vec<u8>)>>,
    last_seq: u64,
) -> io::Result<(File, u64, u64)> {
    let mut file = File::create(path)?;
    file.write_all(MAGIC)?;
    let mut length = MAGIC.len() as u64;
    // At least one frame, even an empty one, so that the sequence goes on where it was.
    let mut seq = last_seq;
    let mut payload = Vec::new();
    let mut flush = |payload: &mut Vec<u8>| -> io::Result<()> {
        seq += 1;
        let frame = encode_frame(seq, payload);
        length += frame.len() as u64;
        payload.clear();
        file.write_all(&frame)
    };
    for record in records {
        let (key, value) = record?;
        encode_put(&key, &value, &mut payload);
        if payload.len() >= GROUP_BYTES_MAX {
            flush(&mut payload)?;
        }
    }
    flush(&mut payload)?;
    file.sync_all()?;
    Ok((file, length, seq))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &[u8], value: &[u8]) -> Vec<u8> {
        let mut payload = Vec::new();
        encode_put(key, value, &mut payload);
        payload
    }

    fn replayed(path: &Path) -> Result<(Journal, Vec<Change>), OpenError> {
        let mut seen = Vec::new();
        let journal = Journal::open(path, |changes| {
            seen.extend(changes);
            Ok(())
        })?;
        Ok((journal, seen))
    }

    fn three_frames(path: &Path) -> Vec<u64> {
        let mut journal = Journal::create(path).unwrap();
        let mut ends = vec![journal.length()];
        for n in 0..3u8 {
            assert!(journal.append(&put(&[n], &[n; 100])).is_ok());
            ends.push(journal.length());
        }
        ends
    }

    #[test]
    fn replays_what_was_appended_and_goes_on_behind_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        three_frames(&path);
        let (mut journal, seen) = replayed(&path).unwrap();
        assert_eq!((seen.len(), journal.last_seq()), (3, 3));
        assert!(journal.append(&put(b"x", b"y")).is_ok());
        drop(journal);
        assert_eq!(replayed(&path).unwrap().1.len(), 4);
    }

    #[test]
    fn cuts_a_torn_tail_at_every_length() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let ends = three_frames(&path);
        let whole = std::fs::read(&path).unwrap();
        for cut in ends[2]..ends[3] {
            std::fs::write(&path, &whole[..cut as usize]).unwrap();
            let (journal, seen) = replayed(&path).unwrap();
            assert_eq!((seen.len(), journal.length()), (2, ends[2]), "cut at {cut}");
            assert_eq!(std::fs::metadata(&path).unwrap().len(), ends[2]);
        }
    }

    #[test]
    fn cuts_a_tail_whose_pages_reached_the_disk_out_of_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let ends = three_frames(&path);
        let mut bytes = std::fs::read(&path).unwrap();
        for zeroed in [ends[2] as usize..ends[2] as usize + 8, ends[3] as usize - 50..ends[3] as usize] {
            bytes[zeroed].fill(0);
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(replayed(&path).unwrap().1.len(), 2);
        }
    }

    #[test]
    fn refuses_damage_before_the_last_frame() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let ends = three_frames(&path);
        let whole = std::fs::read(&path).unwrap();
        for at in [ends[0], ends[0] + 4, ends[0] + 40, ends[1] + 1, ends[2] - 1] {
            let mut bytes = whole.clone();
            bytes[at as usize] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            let error = replayed(&path).err().expect("damage is seen").to_string();
            assert!(error.contains("damaged at byte") && error.contains("backup"), "{error}");
            assert_eq!(std::fs::read(&path).unwrap(), bytes, "nothing is cut off");
        }
        std::fs::write(&path, b"something else").unwrap();
        assert!(matches!(replayed(&path), Err(OpenError::Damaged { offset: 0, .. })));
    }

    #[test]
    fn compaction_keeps_the_records_and_the_sequence() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        three_frames(&path);
        let (mut journal, _) = replayed(&path).unwrap();
        journal.compact([Ok((b"k".to_vec(), b"v".to_vec()))].into_iter()).unwrap();
        assert!(journal.append(&put(b"x", b"y")).is_ok());
        assert_eq!(journal.last_seq(), 5);
        drop(journal);
        assert_eq!(replayed(&path).unwrap().1.len(), 2);
        let (mut journal, _) = replayed(&path).unwrap();
        assert!(journal.compact([Err(io::Error::other("no"))].into_iter()).is_err());
        assert!(journal.append(&put(b"z", b"y")).is_ok());
        drop(journal);
        assert_eq!(replayed(&path).unwrap().1.len(), 3, "a failed compaction leaves the journal in use");
    }
}
