use super::*;
use crate::audience::{LargeFetch, Root};
use golem_protocol::{Address, B256, ByteCount};

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
    assert!(matches!(contents.insert_bytes(&[2; 100]), Err(ContentError::NoRoom { wanted: 100, .. })));
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
fn makes_room_on_a_full_disk_by_what_may_go_and_takes_nothing_in_where_nothing_may() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str, room| Contents::open(&folder.path().join(name), 1 << 20, room).unwrap();
    let (ours, others) = (open("ours", Room::Keep), open("others", Room::Reclaim));
    for contents in [&ours, &others] {
        contents.pretend_disk(2_500);
        contents.insert_bytes(&[1; 1_000]).unwrap();
        contents.insert_bytes(&[2; 1_000]).unwrap();
    }
    let file = folder.path().join("third");
    std::fs::write(&file, [3; 1_000]).unwrap();
    let refused = ours.insert_file(&file).unwrap_err().to_string();
    assert!(
        refused.contains("no room for 1000 more bytes") && refused.contains("the disk is nearly full"),
        "{refused}"
    );
    assert_eq!(ours.used_bytes(), 2_000);
    let (hash, _) = others.insert_file(&file).unwrap();
    assert_eq!((others.used_bytes(), others.size(hash)), (2_000, 1_000), "the oldest went");
    let never = others.insert_bytes(&[4; 3_000]).unwrap_err().to_string();
    assert!(never.contains("the disk is nearly full"), "{never}");
    assert_eq!(others.used_bytes(), 2_000, "what never fits costs nothing its place");
}

#[test]
fn tells_who_begins_to_fetch_something_large_and_of_nobody_who_may_not() {
    let folder = tempfile::tempdir().unwrap();
    let contents = Contents::open(folder.path(), 16 << 20, Room::Keep).unwrap();
    let large = contents.insert_bytes(&vec![7; 4 << 20]).unwrap();
    let small = contents.insert_bytes(b"document").unwrap();
    let (audience, to) = (Audience::default(), NodeId(Address::repeat_byte(1)));
    let (sender, mut told) = tokio::sync::mpsc::channel(1);
    audience.tell(sender);
    audience.allow(B256::ZERO, to, [large, small].map(Root::Content));
    let served = contents.served(audience);
    served.piece_list(NodeId(Address::repeat_byte(2)), large, 4 << 20).unwrap();
    served.piece_list(to, small, 8).unwrap();
    assert!(told.try_recv().is_err());
    // The third finds no room, and is served all the same.
    for _ in 0..3 {
        assert!(served.piece_list(to, large, 4 << 20).unwrap().is_some());
    }
    assert_eq!(told.try_recv(), Ok(LargeFetch { by: to, content: large, size: ByteCount(4 << 20) }));
    assert!(told.try_recv().is_err());
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
