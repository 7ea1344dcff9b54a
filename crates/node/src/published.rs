//! Proofs of wrong results that were found here, kept so that they are told of again when the node starts again.
//!
//! ```text
//! FOLDER/proofs/HASH     the header, the agreement and the report, signed, as others fetch them
//! ```

use crate::folder::{create_private, write_private};
use golem_protocol::proof::PROOF_BYTES_MAX;
use golem_protocol::{ContentHash, WrongResultProof};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The most that are kept; the oldest go. Reason: as many as are told of.
const KEPT_MAX: usize = 64;

/// Keeps one; it is on the disk when this returns. Blocks.
pub(crate) fn keep(folder: &Path, hash: ContentHash, bytes: &[u8]) -> io::Result<()> {
    let own = folder.join("proofs");
    create_private(&own)?;
    let path = own.join(format!("{:x}", hash.0));
    if !path.exists() {
        write_private(&path, bytes)?;
    }
    let mut files = files(&own)?;
    let more = files.len().saturating_sub(KEPT_MAX);
    for (_, oldest) in files.drain(..more) {
        std::fs::remove_file(oldest)?;
    }
    Ok(())
}

/// All that are kept, newest last; what is no such file is left out. Blocks.
pub(crate) fn all(folder: &Path) -> Vec<WrongResultProof> {
    let files = files(&folder.join("proofs")).unwrap_or_default();
    files.iter().filter_map(|(_, path)| read(path)).collect()
}

fn read(path: &Path) -> Option<WrongResultProof> {
    if std::fs::metadata(path).ok()?.len() > PROOF_BYTES_MAX as u64 {
        return None;
    }
    WrongResultProof::decode(&std::fs::read(path).ok()?).ok()
}

/// With the time of their last change, the oldest first.
fn files(own: &Path) -> io::Result<Vec<(SystemTime, PathBuf)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(own)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_file() {
            files.push((metadata.modified()?, entry.path()));
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_newest_proofs_and_passes_over_what_is_none() {
        let folder = tempfile::tempdir().unwrap();
        assert!(all(folder.path()).is_empty());
        let proof = crate::evidence::tests::slow(0).documents;
        let bytes = proof.encode().unwrap();
        let named = |n: u8| ContentHash(golem_protocol::B256::repeat_byte(n));
        keep(folder.path(), named(0), &bytes).unwrap();
        std::fs::write(folder.path().join("proofs/note"), "not a proof").unwrap();
        assert_eq!(all(folder.path()), [proof]);
        for n in 1..=KEPT_MAX as u8 + 3 {
            keep(folder.path(), named(n), &bytes).unwrap();
        }
        let newest = folder.path().join("proofs").join(format!("{:x}", named(KEPT_MAX as u8 + 3).0));
        assert!(newest.exists() && all(folder.path()).len() == KEPT_MAX, "only the oldest go");
    }
}
