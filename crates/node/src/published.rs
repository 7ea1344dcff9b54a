//! Proofs of wrong results that this node vouches for, kept so that they are told of again when it starts again.
//!
//! ```text
//! FOLDER/proofs/PROVIDER     the header, the agreement and the report, signed, as others fetch them
//! ```

use crate::folder::{create_private, write_private};
use crate::told::TOLD_MAX;
use golem_protocol::WrongResultProof;
use golem_protocol::proof::PROOF_BYTES_MAX;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Keeps one in the place of what is kept of the same provider; it is on the disk when this returns. The oldest go where
/// there are more than are told of. Blocks.
pub(crate) fn keep(folder: &Path, proof: &WrongResultProof) -> io::Result<()> {
    let own = folder.join("proofs");
    create_private(&own)?;
    let path = own.join(format!("{:x}", proof.report.document.provider.0));
    let bytes = proof.encode().map_err(io::Error::other)?;
    // What is recalled keeps its age.
    if std::fs::read(&path).is_ok_and(|known| known == bytes) {
        return Ok(());
    }
    write_private(&path, &bytes)?;
    let mut files = files(&own)?;
    let more = files.len().saturating_sub(TOLD_MAX);
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
    use golem_protocol::{Address, NodeId};

    fn proof(provider: u8, index: u32) -> WrongResultProof {
        let mut proof = crate::evidence::tests::slow(index).documents;
        proof.report.document.provider = NodeId(Address::repeat_byte(provider));
        proof
    }

    #[test]
    fn keeps_the_newest_proof_of_each_provider_and_passes_over_what_is_none() {
        let folder = tempfile::tempdir().unwrap();
        assert!(all(folder.path()).is_empty());
        keep(folder.path(), &proof(0, 0)).unwrap();
        keep(folder.path(), &proof(0, 1)).unwrap();
        std::fs::write(folder.path().join("proofs/note"), "not a proof").unwrap();
        assert_eq!(all(folder.path()), [proof(0, 1)]);
        (1..=TOLD_MAX as u8 + 3).for_each(|n| keep(folder.path(), &proof(n, 0)).unwrap());
        let kept = all(folder.path());
        assert_eq!(kept.len(), TOLD_MAX);
        assert!(kept.contains(&proof(TOLD_MAX as u8 + 3, 0)) && !kept.contains(&proof(1, 0)), "only the oldest go");
        let before = files(&folder.path().join("proofs")).unwrap();
        keep(folder.path(), kept.first().unwrap()).unwrap();
        assert_eq!(files(&folder.path().join("proofs")).unwrap(), before, "what is known keeps its age");
    }
}
