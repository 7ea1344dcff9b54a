//! How much of a disk contents may take: not the last of it.
//!
//! What is signed has to be saved before anything is done, so records need room when contents have none. Contents leave
//! [`KEPT_BYTES`] of the disk alone, or [`KEPT_SHARE`] of one that is small.

use std::path::Path;

/// What is left alone of a disk. Reason: records of many days.
const KEPT_BYTES: u64 = 256 * 1024 * 1024;
/// And never more than one part in so many of it.
const KEPT_SHARE: u64 = 20;

/// How many bytes contents may still take of the disk on which a folder lies; nothing where the system does not tell.
pub(crate) fn free_for_contents(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    Some(left(bytes(disk.f_blocks), bytes(disk.f_bavail)))
}

/// What of the free bytes of a disk of this size contents may take.
fn left(size: u64, free: u64) -> u64 {
    free.saturating_sub(KEPT_BYTES.min(size / KEPT_SHARE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_the_last_of_a_disk_alone() {
        const GIB: u64 = 1 << 30;
        assert_eq!(left(500 * GIB, 10 * GIB), 10 * GIB - KEPT_BYTES);
        assert_eq!(left(500 * GIB, KEPT_BYTES - 1), 0);
        assert_eq!(left(64 << 20, 10 << 20), (10 << 20) - (64 << 20) / KEPT_SHARE, "a small one");
        let here = free_for_contents(&std::env::temp_dir()).expect("the system tells");
        assert!(here < u64::MAX / 2);
        assert_eq!(free_for_contents(Path::new("/nowhere at all")), None);
    }
}
