//! What both stores promise, and what only a disk can break.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::disk::lock_folder;
use crate::*;

const A: Table = Table::new("a");
const AB: Table = Table::new("ab");
const SCHEMA: u32 = 3;

fn put(table: Table, key: &[u8], value: &[u8]) -> Batch {
    let mut batch = Batch::new();
    batch.put(table, key, value.to_vec());
    batch
}

fn both(check: impl Fn(&dyn Store)) {
    check(&MemoryStore::new());
    let dir = tempfile::tempdir().unwrap();
    check(&DiskStore::open(dir.path(), SCHEMA).unwrap());
}

#[test]
fn keeps_tables_apart_and_in_order() {
    both(|store| {
        for (table, key) in [(A, &b"b1"[..]), (A, b"b2"), (A, b"c"), (AB, b"1"), (A, b"b3")] {
            store.commit(put(table, key, key)).unwrap();
        }
        let keys = |pairs: Vec<Pair>| pairs.into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        assert_eq!(keys(store.scan(A, b"b", None, 9).unwrap()), [b"b1", b"b2", b"b3"]);
        assert_eq!(keys(store.scan(A, b"b", None, 2).unwrap()), [b"b1", b"b2"]);
        assert_eq!(keys(store.scan(A, b"b", Some(b"b2"), 9).unwrap()), [b"b3"]);
        assert_eq!(keys(store.scan(A, b"b", Some(b"a"), 1).unwrap()), [b"b1"]);
        assert_eq!(keys(store.scan(AB, b"", None, 9).unwrap()), [b"1"]);
        assert!(store.scan(A, b"b", Some(b"z"), 9).unwrap().is_empty());
        assert_eq!(store.get(A, b"1").unwrap(), None);
        assert_eq!(store.get(AB, b"1").unwrap(), Some(b"1".to_vec()));
    });
}

#[test]
fn applies_a_batch_in_its_order_and_refuses_a_bad_one_whole() {
    both(|store| {
        let mut batch = put(A, b"k", b"old");
        batch.delete(A, b"k").put(A, b"k", b"new".to_vec()).delete(A, b"absent");
        store.commit(batch).unwrap();
        assert_eq!(store.get(A, b"k").unwrap(), Some(b"new".to_vec()));
        let mut batch = put(A, b"k", b"newer");
        batch.put(A, vec![0; KEY_BYTES_MAX + 1], Vec::new());
        assert!(matches!(store.commit(batch), Err(StoreError::TooLarge { what: "key", .. })));
        assert_eq!(store.get(A, b"k").unwrap(), Some(b"new".to_vec()));
        let mut batch = Batch::new();
        batch.delete(A, b"k");
        store.commit(batch).unwrap();
        store.commit(Batch::new()).unwrap();
        assert_eq!(store.get(A, b"k").unwrap(), None);
    });
}

#[test]
fn a_folder_is_free_again_at_once_though_a_process_being_started_still_holds_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let lock = lock_folder(dir.path()).unwrap();
    let inherited = lock.0.try_clone().unwrap();
    assert!(lock_folder(dir.path()).is_err());
    drop(lock);
    assert!(lock_folder(dir.path()).is_ok());
    drop(inherited);
}

#[test]
fn the_twins_agree_on_random_batches_across_reopening() {
    use proptest::prelude::*;
    let change = (any::<bool>(), 0..2usize, proptest::collection::vec(0..3u8, 0..3), any::<u8>());
    let batches = proptest::collection::vec(proptest::collection::vec(change, 0..6), 1..12);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 24, ..ProptestConfig::default() });
    runner
        .run(&batches, |batches| {
            let dir = tempfile::tempdir().unwrap();
            let memory = MemoryStore::new();
            for (turn, changes) in batches.into_iter().enumerate() {
                let disk = DiskStore::open(dir.path(), SCHEMA).unwrap();
                let mut batch = Batch::new();
                for (put, table, key, value) in changes {
                    match put {
                        true => batch.put([A, AB][table], key, vec![value]),
                        false => batch.delete([A, AB][table], key),
                    };
                }
                memory.commit(batch.clone()).unwrap();
                disk.commit(batch).unwrap();
                for table in [A, AB] {
                    prop_assert_eq!(
                        disk.scan(table, b"", None, 99).unwrap(),
                        memory.scan(table, b"", None, 99).unwrap()
                    );
                }
                if turn % 2 == 0 {
                    drop(disk);
                    // As after a crash: no trusted index.
                    fs::remove_file(dir.path().join("index-clean")).unwrap();
                }
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn rebuilds_a_lost_stale_or_broken_index_from_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let open = || DiskStore::open(dir.path(), SCHEMA).unwrap();
    open().commit(put(A, b"k", b"v1")).unwrap();
    let index = dir.path().join("index");
    fs::remove_dir_all(&index).unwrap();
    assert_eq!(open().get(A, b"k").unwrap(), Some(b"v1".to_vec()));
    for entry in fs::read_dir(&index).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::write(path, b"garbage").unwrap();
        }
    }
    assert_eq!(open().get(A, b"k").unwrap(), Some(b"v1".to_vec()));
    // An index of an older day beside a newer journal, as a partial restore leaves it.
    let old: BTreeMap<_, _> =
        ["index-clean", "index/db", "index/conf"].map(|name| (name, fs::read(dir.path().join(name)).unwrap())).into();
    open().commit(put(A, b"k", b"v2")).unwrap();
    for (name, bytes) in old {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    assert_eq!(open().get(A, b"k").unwrap(), Some(b"v2".to_vec()));
}

#[test]
fn compacts_the_journal_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = DiskStore::open(dir.path(), SCHEMA).unwrap();
    let once: Vec<_> = (0..=255u8).map(|key| (vec![key], vec![key; 5])).collect();
    let mut batch = Batch::new();
    for (key, value) in &once {
        batch.put(AB, key, value.clone());
    }
    store.commit(batch).unwrap();
    for turn in 0..40u8 {
        store.commit(put(A, &[turn % 4], &vec![turn; 1 << 20])).unwrap();
    }
    let stats = store.stats();
    assert_eq!((stats.commits, stats.compactions), (41, 1));
    assert!(stats.journal_bytes < JOURNAL_COMPACT_BYTES, "{}", stats.journal_bytes);
    let before = store.scan(A, b"", None, 99).unwrap();
    drop(store);
    fs::remove_file(dir.path().join("index-clean")).unwrap();
    let store = DiskStore::open(dir.path(), SCHEMA).unwrap();
    assert_eq!(store.scan(A, b"", None, 99).unwrap(), before);
    assert_eq!(store.scan(AB, b"", None, 999).unwrap(), once);
    assert_eq!(before.iter().map(|(_, value)| value[0]).collect::<Vec<_>>(), [36, 37, 38, 39]);
}

#[test]
fn refuses_a_folder_of_another_schema_and_leaves_it() {
    let dir = tempfile::tempdir().unwrap();
    DiskStore::open(dir.path(), 4).unwrap().commit(put(A, b"k", b"v")).unwrap();
    for (mine, step) in [(3, "run the newer program"), (5, "settle with the older program")] {
        let error = DiskStore::open(dir.path(), mine).err().expect("refused").to_string();
        assert!(error.contains("schema 4") && error.contains(&format!("schema {mine}")), "{error}");
        assert!(error.contains(step), "{error}");
    }
    assert_eq!(DiskStore::open(dir.path(), 4).unwrap().get(A, b"k").unwrap(), Some(b"v".to_vec()));
    fs::write(dir.path().join("format"), "golem-store 9 schema 4\n").unwrap();
    assert!(matches!(DiskStore::open(dir.path(), 4), Err(OpenError::Format { found: 9, expected: 1, .. })));
    fs::write(dir.path().join("format"), "what\n").unwrap();
    assert!(matches!(DiskStore::open(dir.path(), 4), Err(OpenError::Damaged { .. })));
}

#[test]
fn refuses_a_folder_in_use_and_names_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let first = DiskStore::open(dir.path(), SCHEMA).unwrap();
    let error = DiskStore::open(dir.path(), SCHEMA).err().expect("refused");
    assert!(matches!(error, OpenError::Locked { pid: Some(pid), .. } if pid == std::process::id()));
    assert!(error.to_string().contains(&format!("in use by process {}", std::process::id())), "{error}");
    drop(first);
    assert!(DiskStore::open(dir.path(), SCHEMA).is_ok());
}

#[test]
fn refuses_foreign_folders_and_files() {
    let dir = tempfile::tempdir().unwrap();
    let foreign = dir.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("thesis.txt"), "years of work").unwrap();
    assert!(matches!(DiskStore::open(&foreign, SCHEMA), Err(OpenError::NotAStore { .. })));
    assert_eq!(fs::read_to_string(foreign.join("thesis.txt")).unwrap(), "years of work");
    let file = foreign.join("thesis.txt");
    let error = DiskStore::open(&file, SCHEMA).err().expect("refused").to_string();
    assert!(error.contains("thesis.txt") && error.contains("A folder is needed"), "{error}");
    let half = dir.path().join("half");
    fs::create_dir(&half).unwrap();
    fs::write(half.join("journal"), b"GLMJRNL1").unwrap();
    assert!(DiskStore::open(&half, SCHEMA).is_ok(), "an interrupted creation is gone on with");
}

#[test]
fn a_lost_journal_is_an_error_not_an_empty_store() {
    let dir = tempfile::tempdir().unwrap();
    DiskStore::open(dir.path(), SCHEMA).unwrap().commit(put(A, b"k", b"v")).unwrap();
    fs::remove_file(dir.path().join("journal")).unwrap();
    let error = DiskStore::open(dir.path(), SCHEMA).err().expect("refused").to_string();
    assert!(error.contains("journal"), "{error}");
}

#[test]
fn many_threads_share_flushes_and_each_reads_its_write() {
    let dir = tempfile::tempdir().unwrap();
    let store = DiskStore::open(dir.path(), SCHEMA).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..16u8 {
            let store = &store;
            scope.spawn(move || {
                for turn in 0..20u8 {
                    store.commit(put(A, &[thread, turn], &[turn])).unwrap();
                    assert_eq!(store.get(A, &[thread, turn]).unwrap(), Some(vec![turn]));
                }
            });
        }
    });
    let stats = store.stats();
    assert_eq!(stats.commits, 320);
    assert!(stats.flushes < 320, "{} flushes for 320 commits", stats.flushes);
}

#[test]
fn each_of_several_batches_is_kept_or_refused_by_itself() {
    both(|store| {
        let bad = put(A, &[0; KEY_BYTES_MAX + 1], b"");
        let results = store.commit_each(vec![put(A, b"k", b"1"), bad, put(A, b"k", b"2")]);
        assert!(matches!(results[..], [Ok(()), Err(StoreError::TooLarge { .. }), Ok(())]), "{results:?}");
        assert_eq!(store.get(A, b"k").unwrap(), Some(b"2".to_vec()));
        assert!(store.commit_each(Vec::new()).is_empty());
    });
}

#[test]
fn committer_answers_every_batch_by_its_id_in_order() {
    let store = MemoryStore::new();
    store.pause();
    let (committer, mut answers) = Committer::start(Arc::new(store.clone())).unwrap();
    let mut refused = None;
    for id in 0..=OUTSTANDING_MAX as u64 {
        if let Err(CommitterBusy { batch }) = committer.submit(id, put(A, &id.to_be_bytes(), b"v")) {
            refused = Some((id, batch));
        }
    }
    let (refused, batch) = refused.expect("the bound holds");
    assert_eq!((refused, batch.len()), (OUTSTANDING_MAX as u64, 1));
    store.resume();
    for id in 0..OUTSTANDING_MAX as u64 {
        let answer = answers.blocking_recv().unwrap();
        assert_eq!((answer.id, answer.result), (id, Ok(())));
    }
    assert!(committer.submit(refused, batch).is_ok());
    assert_eq!(answers.blocking_recv().unwrap().id, refused);
    assert!(store.flushes() < 100, "{} flushes for {OUTSTANDING_MAX} batches", store.flushes());
    committer.submit(7777, put(A, b"last", b"v")).unwrap();
    committer.stop();
    assert_eq!(answers.blocking_recv().unwrap().id, 7777);
    assert!(answers.blocking_recv().is_none());
    assert_eq!(store.get(A, b"last").unwrap(), Some(b"v".to_vec()));
}

/// A store that has room for so many bytes in one commit.
struct Narrow(MemoryStore, usize);
impl Store for Narrow {
    fn commit_each(&self, batches: Vec<Batch>) -> Vec<Result<(), StoreError>> {
        let full = |bytes| StoreError::Full { path: "narrow".into(), bytes, detail: "it is full".to_owned() };
        let fits = |batch: Batch| if batch.bytes() > self.1 { Err(full(batch.bytes())) } else { self.0.commit(batch) };
        batches.into_iter().map(fits).collect()
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(table, key)
    }

    fn scan(&self, table: Table, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, StoreError> {
        self.0.scan(table, prefix, after, limit)
    }
}

#[test]
fn committer_writes_nothing_behind_a_batch_that_was_refused() {
    for bad in [put(A, b"b", &[0; 100]), put(A, &[0; KEY_BYTES_MAX + 1], b"")] {
        let memory = MemoryStore::new();
        // The group is answered in one piece or in several; what is written must be the same.
        memory.pause();
        let (committer, mut answers) = Committer::start(Arc::new(Narrow(memory.clone(), 60))).unwrap();
        committer.submit(0, put(A, b"a", b"0")).unwrap();
        memory.wait_for_waiting(1);
        committer.submit(1, put(A, b"a", b"1")).unwrap();
        committer.submit(2, bad).unwrap();
        committer.submit(3, put(A, b"c", b"1")).unwrap();
        memory.resume();
        let results: Vec<bool> = (0..4).map(|_| answers.blocking_recv().unwrap().result.is_ok()).collect();
        assert_eq!(results, [true, true, false, false]);
        committer.submit(4, put(A, b"d", b"1")).unwrap();
        assert!(answers.blocking_recv().unwrap().result.is_err(), "it does not know yet that one was refused");
        let keys = |store: &MemoryStore| -> Vec<Vec<u8>> {
            store.scan(A, b"", None, 9).unwrap().into_iter().map(|(key, _)| key).collect()
        };
        assert_eq!(keys(&memory), [b"a"]);
        for (id, batch) in [(2, put(A, b"b", b"1")), (3, put(A, b"c", b"1")), (4, put(A, b"d", b"1"))] {
            committer.submit(id, batch).unwrap();
            assert_eq!(answers.blocking_recv().unwrap().result, Ok(()));
        }
        assert_eq!(keys(&memory), [b"a", b"b", b"c", b"d"]);
    }
}

#[test]
fn a_crash_in_memory_loses_what_was_not_acknowledged_and_only_that() {
    let store = MemoryStore::new();
    let (committer, mut answers) = Committer::start(Arc::new(store.clone())).unwrap();
    committer.submit(1, put(A, b"kept", b"v")).unwrap();
    assert_eq!(answers.blocking_recv().unwrap().result, Ok(()));
    store.pause();
    committer.submit(2, put(A, b"lost", b"v")).unwrap();
    store.wait_for_waiting(1);
    let restarted = store.crash();
    assert_eq!(answers.blocking_recv().unwrap().result, Err(StoreError::Closed));
    assert_eq!(store.get(A, b"kept"), Err(StoreError::Closed));
    assert_eq!(store.scan(A, b"", None, 1), Err(StoreError::Closed));
    assert_eq!(restarted.scan(A, b"", None, 9).unwrap(), [(b"kept".to_vec(), b"v".to_vec())]);
    restarted.fill();
    assert!(matches!(restarted.commit(put(A, b"x", b"")), Err(StoreError::Full { .. })));
    restarted.resume();
    assert_eq!(restarted.commit(put(A, b"x", b"")), Ok(()));
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Note(u32, String);
impl Record for Note {
    const TABLE: Table = Table::new("notes");
    const VERSION: u16 = 2;
}

#[derive(Serialize, Deserialize)]
struct OldNote(u32);
impl Record for OldNote {
    const TABLE: Table = Table::new("notes");
    const VERSION: u16 = 1;
}

#[test]
fn records_carry_their_version() {
    let store = MemoryStore::new();
    let mut batch = Batch::new();
    for n in 0..(SCAN_RECORDS_MAX as u32 + 5) {
        batch.put_record(n.to_be_bytes(), &Note(n, "x".to_string())).unwrap();
    }
    store.commit(batch).unwrap();
    assert_eq!(get_record(&store, &7u32.to_be_bytes()).unwrap(), Some(Note(7, "x".to_string())));
    let mut seen = Vec::new();
    for_each_record(&store, b"", |_, Note(n, _)| seen.push(n)).unwrap();
    assert_eq!(seen, (0..SCAN_RECORDS_MAX as u32 + 5).collect::<Vec<_>>());
    let mut batch = Batch::new();
    batch.put_record(b"old", &OldNote(1)).unwrap().put(Note::TABLE, b"short", vec![2]).put(
        Note::TABLE,
        b"long",
        vec![2, 0, 1, 0, 9],
    );
    store.commit(batch).unwrap();
    let old = get_record::<Note>(&store, b"old").unwrap_err();
    assert_eq!(old, StoreError::RecordVersion { table: "notes", found: 1, expected: 2 });
    assert!(matches!(get_record::<Note>(&store, b"short"), Err(StoreError::Decode { .. })));
    assert!(matches!(get_record::<Note>(&store, b"long"), Err(StoreError::Decode { .. })));
}
