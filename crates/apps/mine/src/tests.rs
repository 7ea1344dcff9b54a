use super::*;

const GENESIS: &str = include_str!("../headers/genesis.hex");

fn work(bits: u32, algorithm: Algorithm) -> Work {
    Work { header: unhex(GENESIS).unwrap(), algorithm, bits, nonce_bytes: 4 }
}

fn text_of(hash: &[u8]) -> String {
    hex(hash)
}

#[test]
fn hashes_as_others_do() {
    assert_eq!(text_of(&sha256::hash(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    for length in [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 1000, 1024] {
        let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
        assert_eq!(blake3::hash(&bytes), *::blake3::hash(&bytes).as_bytes(), "{length} bytes");
        let ours = sha256::State::START.blocks(&bytes[..length / 64 * 64]);
        assert_eq!(ours.finish(&bytes[length / 64 * 64..], length as u64), sha256::hash(&bytes));
    }
}

#[test]
fn finds_the_nonce_of_the_first_bitcoin_block() {
    // Source: block 0 of Bitcoin, whose nonce is 2083236893.
    let found = work(40, Algorithm::Sha256d).search(2_083_236_000, 2_083_237_000).unwrap();
    assert_eq!(found, [2_083_236_893]);
    let hash = work(40, Algorithm::Sha256d).hash(found[0]);
    assert_eq!(text_of(&hash), "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f");
    assert_eq!(zero_bits(&hash), 43);
}

#[test]
fn finds_all_and_nothing_else_with_either_hash() {
    for algorithm in [Algorithm::Sha256d, Algorithm::Blake3] {
        let work = work(6, algorithm);
        let slowly: Vec<u64> = (100..2100).filter(|nonce| zero_bits(&work.hash(*nonce)) >= 6).collect();
        assert_eq!(work.search(100, 2100).unwrap(), slowly);
        assert!(slowly.len() > 10);
    }
}

#[test]
fn refuses_a_find_that_is_none() {
    let text = |nonce: &str| format!("header 00\nalgorithm sha256d\nbits 8\nnonce-bytes 4\nfrom 0\nto 3000\n{nonce}\n");
    let right =
        Work { header: vec![0], algorithm: Algorithm::Sha256d, bits: 8, nonce_bytes: 4 }.search(0, 3000).unwrap();
    assert!(read_found(&text(&right[0].to_string())).is_ok());
    let wrong = (0..).find(|nonce| !right.contains(nonce)).unwrap();
    assert!(read_found(&text(&wrong.to_string())).err().unwrap().contains("no solution"));
    assert!(read_found(&text("9999999")).is_err());
    assert!(read_found("header zz\n").is_err());
}

#[test]
fn reads_headers_with_remarks_and_refuses_what_is_none() {
    assert_eq!(unhex("# a\n0a ff\n 01 # b\n"), Ok(vec![10, 255, 1]));
    assert!(unhex("0").is_err() && unhex("0g").is_err());
}

#[test]
fn ranges_end_where_nonces_do() {
    let options = |from: &str, count: &str| {
        let args = ["--from", from, "--nonces", count].map(str::to_owned);
        Options::parse(&args, &["from", "nonces"]).unwrap()
    };
    let work = work(8, Algorithm::Sha256d);
    assert_eq!(work.range(&options("4294967290", "100")), Ok((4_294_967_290, 4_294_967_296)));
    assert!(work.range(&options("4294967296", "1")).is_err());
}

#[test]
fn takes_every_value_from_who_runs_it_by_the_name_in_the_manifest() {
    let header = concat!(env!("CARGO_MANIFEST_DIR"), "/headers/genesis.hex");
    let right: Vec<String> = [
        "split",
        "--header",
        header,
        "--algorithm",
        "sha256d",
        "--bits",
        "22",
        "--nonce_bytes",
        "4",
        "--from",
        "0",
        "--nonces",
        "10",
        "--parts",
        "2",
    ]
    .map(str::to_owned)
    .to_vec();
    let nowhere = Path::new("/nowhere");
    run(&right, nowhere, nowhere).unwrap();
    for at in (1..right.len()).step_by(2) {
        let name = &right[at];
        let mut without = right.clone();
        without.drain(at..at + 2);
        let error = run(&without, nowhere, nowhere).unwrap_err();
        assert!(error.contains(&format!("{name} is needed")), "{error}");
        let mut empty = right.clone();
        empty[at + 1].clear();
        let error = run(&empty, nowhere, nowhere).unwrap_err();
        assert!(error.contains(&format!("{name} has no value")), "{error}");
        let parameter = format!("\"{name}\", \"{{{}}}\"", &name[2..]);
        assert!(include_str!("../manifest.toml").contains(&parameter), "{parameter}");
    }
    let mut none = right;
    none[12] = "0".to_owned();
    assert!(run(&none, nowhere, nowhere).unwrap_err().contains("--nonces 0: give a whole number from 1 to"));
}
