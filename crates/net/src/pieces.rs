//! Content in pieces that are checked one by one against the plain BLAKE3 hash of the whole.
//!
//! BLAKE3 is itself a tree. A piece is one of its subtrees, so the list of the pieces' chaining values hashes up to the
//! content's own hash: a list that does is the list, and a piece that hashes to its entry is the piece.

use std::io::{self, Read};

use blake3::hazmat::{HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root};
use golem_protocol::{B256, ContentHash};

use crate::limits::CONTENT_BYTES_MAX;

/// The size of a piece; the last may be shorter. A power of two times BLAKE3's 1 KiB, so that each is a subtree.
/// Wrong bytes are caught after at most this many.
pub const PIECE_BYTES: usize = 256 * 1024;

/// One entry of a list of pieces.
pub(crate) const HASH_BYTES: usize = 32;

/// The list of the largest content.
pub(crate) const PIECE_LIST_BYTES_MAX: usize = (CONTENT_BYTES_MAX / PIECE_BYTES as u64) as usize * HASH_BYTES;

/// How many pieces content of this size has. Empty content has one empty piece.
pub(crate) fn piece_count(size: u64) -> u32 {
    size.div_ceil(PIECE_BYTES as u64).clamp(1, u64::from(u32::MAX)) as u32
}

/// How long piece `index` is, or `None` where there is no such piece.
pub(crate) fn piece_length(size: u64, index: u32) -> Option<usize> {
    let start = u64::from(index) * PIECE_BYTES as u64;
    (index < piece_count(size)).then(|| size.saturating_sub(start).min(PIECE_BYTES as u64) as usize)
}

/// The hashes of all pieces of some content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PieceList {
    hash: ContentHash,
    size: u64,
    values: Vec<[u8; HASH_BYTES]>,
}

impl PieceList {
    /// Takes a list as a peer or a file gave it; `None` unless it is the list of `hash` and `size`.
    pub(crate) fn verified(hash: ContentHash, size: u64, bytes: &[u8]) -> Option<PieceList> {
        let (values, rest) = bytes.as_chunks::<HASH_BYTES>();
        let list = PieceList { hash, size, values: values.to_vec() };
        let right = rest.is_empty() && list.values.len() == piece_count(size) as usize;
        (right && list.root() == hash).then_some(list)
    }

    /// The list of content that is one piece, which needs none: the hash is its only entry.
    pub(crate) fn of_one_piece(hash: ContentHash, size: u64) -> Option<PieceList> {
        (piece_count(size) == 1).then(|| PieceList { hash, size, values: vec![hash.0.0] })
    }

    /// Reads content through, giving each piece to `each`, and returns its list.
    pub(crate) fn read(mut content: impl Read, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<PieceList> {
        let mut piece = vec![0; PIECE_BYTES];
        let mut size = 0;
        let mut values = Vec::new();
        let mut whole = None;
        loop {
            let length = fill(&mut content, &mut piece)?;
            if length == 0 && size > 0 {
                break;
            }
            let bytes = &piece[..length];
            each(bytes)?;
            whole = values.is_empty().then(|| *blake3::hash(bytes).as_bytes());
            if !bytes.is_empty() {
                values.push(chaining_value(values.len() as u32, bytes));
            }
            size += length as u64;
            if length < PIECE_BYTES {
                break;
            }
        }
        // A single piece is the root itself, and its hash as such differs from its hash as a part.
        if let Some(hash) = whole {
            values = vec![hash];
        }
        let mut list = PieceList { hash: ContentHash(B256::ZERO), size, values };
        list.hash = list.root();
        Ok(list)
    }

    /// The content's hash.
    pub(crate) fn hash(&self) -> ContentHash {
        self.hash
    }

    /// The content's size.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// How many pieces there are.
    pub(crate) fn count(&self) -> u32 {
        self.values.len() as u32
    }

    /// Its encoding: the values one after the other.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.values.concat()
    }

    /// Whether `bytes` are piece `index`.
    pub(crate) fn matches(&self, index: u32, bytes: &[u8]) -> bool {
        if piece_length(self.size, index) != Some(bytes.len()) {
            return false;
        }
        let got = if self.count() == 1 { *blake3::hash(bytes).as_bytes() } else { chaining_value(index, bytes) };
        self.values.get(index as usize) == Some(&got)
    }

    fn root(&self) -> ContentHash {
        let root = match &self.values[..] {
            [only] => *only,
            values => {
                let (left, right, left_size) = split(values, self.size);
                let left = subtree(left, left_size);
                let right = subtree(right, self.size - left_size);
                *merge_subtrees_root(&left, &right, Mode::Hash).as_bytes()
            }
        };
        ContentHash(B256::new(root))
    }
}

fn chaining_value(index: u32, bytes: &[u8]) -> [u8; HASH_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(u64::from(index) * PIECE_BYTES as u64);
    hasher.update(bytes);
    hasher.finalize_non_root()
}

/// Parts the pieces of `size` bytes where BLAKE3's tree does. There are at least two.
fn split(values: &[[u8; HASH_BYTES]], size: u64) -> (&[[u8; HASH_BYTES]], &[[u8; HASH_BYTES]], u64) {
    let left_size = left_subtree_len(size);
    let (left, right) = values.split_at((left_size / PIECE_BYTES as u64) as usize);
    (left, right, left_size)
}

/// The chaining value of a subtree. Recursion is as deep as the tree: 14 for the largest content.
fn subtree(values: &[[u8; HASH_BYTES]], size: u64) -> [u8; HASH_BYTES] {
    match values {
        [only] => *only,
        values => {
            let (left, right, left_size) = split(values, size);
            merge_subtrees_non_root(&subtree(left, left_size), &subtree(right, size - left_size), Mode::Hash)
        }
    }
}

/// Fills `buffer` as far as the reader goes.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(size: usize) -> Vec<u8> {
        (0..size).map(|n| (n * 31 % 251) as u8).collect()
    }

    #[test]
    fn the_list_hashes_to_the_plain_blake3_of_the_content() {
        for size in [0, 1, 1024, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES, 5 * PIECE_BYTES + 77] {
            let bytes = content(size);
            let mut seen = Vec::new();
            let list = PieceList::read(&bytes[..], |piece| {
                seen.extend_from_slice(piece);
                Ok(())
            })
            .unwrap();
            assert_eq!(seen, bytes);
            assert_eq!(list.hash().0.0, *blake3::hash(&bytes).as_bytes(), "size {size}");
            assert_eq!((list.size(), list.count()), (size as u64, piece_count(size as u64)));
            assert_eq!(PieceList::verified(list.hash(), size as u64, &list.to_bytes()), Some(list.clone()));
            for (index, piece) in bytes.chunks(PIECE_BYTES).enumerate() {
                assert!(list.matches(index as u32, piece));
                let mut wrong = piece.to_vec();
                wrong[piece.len() / 2] ^= 1;
                assert!(!list.matches(index as u32, &wrong));
                assert!(!list.matches(index as u32, &piece[1..]));
            }
        }
    }

    #[test]
    fn refuses_a_list_of_other_content_or_another_size() {
        let bytes = content(3 * PIECE_BYTES + 5);
        let list = PieceList::read(&bytes[..], |_| Ok(())).unwrap();
        let (hash, size, encoded) = (list.hash(), list.size(), list.to_bytes());
        let mut wrong = encoded.clone();
        wrong[40] ^= 1;
        assert_eq!(PieceList::verified(hash, size, &wrong), None);
        assert_eq!(PieceList::verified(hash, size, &encoded[32..]), None);
        assert_eq!(PieceList::verified(hash, size, &encoded[1..]), None);
        assert_eq!(PieceList::verified(hash, size, &[]), None);
        assert_eq!(PieceList::verified(hash, size + (1 << 20), &encoded), None);
        assert_eq!(PieceList::of_one_piece(hash, size), None);
        assert!(!list.matches(4, &bytes[..5]));
    }
}
