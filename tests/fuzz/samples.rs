//! What inputs are made of: one of each thing that is read.

use golem_protocol::*;
use golem_store::{Batch, DiskStore, Record, Store, Table, encode_record};
use golem_task::{FileRef, SubtaskInput, SubtaskLimits, SubtaskOutput};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub(crate) const SCHEMA: u32 = 1;
pub(crate) const TABLE: Table = Table::new("notes");

/// A record with one of each shape that records have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    text: String,
    amount: Wei,
    digest: B256,
    parts: Vec<(u32, Option<String>)>,
    outcome: SubtaskOutcome,
}

impl Record for Note {
    const TABLE: Table = TABLE;
    const VERSION: u16 = 3;
}

pub(crate) fn chain() -> ChainRef {
    ChainRef { chain_id: 31337, channels: Address::repeat_byte(0xcc) }
}

fn key(n: u8) -> KeySigner {
    KeySigner::from_bytes(&[n; 32]).unwrap()
}

fn hash(n: u8) -> B256 {
    B256::repeat_byte(n)
}

fn signed<T: Document<Binding = ChainRef>>(document: T, by: u8) -> Signed<T> {
    sign(document, &chain(), &key(by)).unwrap().into_signed()
}

fn app() -> AppFee {
    AppFee { author: key(5).address(), fee: Wei(3) }
}

fn failed() -> SubtaskOutcome {
    SubtaskOutcome::Failed { kind: FailureKind::Trapped, message: "it reached `unreachable`".to_owned() }
}

pub(crate) fn headers() -> Vec<Vec<u8>> {
    let header = Header {
        requestor: NodeId(key(1).address()),
        payer: key(3).address(),
        nonce: 7,
        module: ContentHash(hash(1)),
        module_bytes: ByteCount(1000),
        subtasks: 4,
        max_price: Wei(100),
        subtask_timeout_s: 60,
        min_perf: 0,
        pricing: Pricing::Tender,
        fuel_max: Fuel(1000),
        memory_max: ByteCount(1 << 20),
        output_max: ByteCount(1 << 20),
        recheck_ppm: 0,
        profile: hash(2),
        deadline: ChainTime(2_000_000_000),
        app: app(),
    };
    vec![message::encode_header(&signed(header, 1)).unwrap()]
}

pub(crate) fn messages() -> Vec<Vec<u8>> {
    let voucher = || signed(Voucher { payee: key(4).address(), epoch: 1, cumulative: Wei(10) }, 3);
    let offer = Offer {
        header: hash(3),
        provider: NodeId(key(2).address()),
        payee: key(4).address(),
        price: Wei(80),
        performance: 1000,
        slots: 2,
        expires: ChainTime(1_900_000_000),
    };
    let subtask = |index| AgreedSubtask { index, input: ContentHash(hash(4)), value: Wei(5) };
    let agreement = Agreement {
        header: hash(3),
        offer: hash(5),
        requestor: NodeId(key(1).address()),
        provider: NodeId(key(2).address()),
        payer: key(3).address(),
        payee: key(4).address(),
        epoch: 1,
        batch: 0,
        price: Wei(80),
        fuel_rate: 1000,
        subtask_timeout_s: 60,
        deadline: ChainTime(1_900_000_000),
        app: app(),
        subtasks: vec![subtask(0), subtask(1)],
    };
    let completed = SubtaskOutcome::Completed {
        output: ContentHash(hash(6)),
        output_bytes: ByteCount(10),
        fuel: Fuel(20),
        time_ms: 30,
    };
    let results = vec![SubtaskResult { index: 0, outcome: completed }, SubtaskResult { index: 1, outcome: failed() }];
    let verdict = Verdict {
        agreement: hash(7),
        report: hash(8),
        requestor: NodeId(key(1).address()),
        decisions: vec![(0, Decision::Accepted), (1, Decision::WrongOutput)],
    };
    let provider = NodeId(key(2).address());
    let countersignature = Countersignature { agreement: hash(7), signature: voucher().signature };
    let refusal = |reason| Message::Refusal(Refusal { about: hash(9), reason });
    let messages = [
        Message::Offer(signed(offer, 2)),
        refusal(RefusalReason::PriceAboveMax { price: Wei(2), max_price: Wei(1) }),
        refusal(RefusalReason::OtherProfile { ours: hash(1), theirs: hash(2) }),
        refusal(RefusalReason::Channel("it is closed".to_owned())),
        Message::Agreement(signed(agreement, 1)),
        Message::Countersignature(countersignature),
        Message::Cancel(signed(Cancel { agreement: hash(7), provider }, 2)),
        Message::Report(signed(Report { agreement: hash(7), provider, results }, 2)),
        Message::Verdict { verdict: signed(verdict, 1), voucher: Some(voucher()), author_voucher: Some(voucher()) },
        Message::AskVouchers { payee: key(4).address(), after: Address::ZERO },
        Message::Vouchers { payee: key(4).address(), vouchers: vec![voucher(), voucher()] },
    ];
    messages.iter().map(|message| message.encode().unwrap()).collect()
}

fn files() -> Vec<FileRef> {
    let file = |path: &str| FileRef { path: path.to_owned(), content: ContentHash(hash(1)), size: ByteCount(300) };
    vec![file("a"), file("scene/room.obj"), file("scene/textures/ü.png")]
}

pub(crate) fn inputs() -> Vec<Vec<u8>> {
    let input = SubtaskInput {
        module: ContentHash(hash(1)),
        args: vec!["--tile".to_owned(), "7".to_owned()],
        stdin: files().pop(),
        files: files(),
        seed: [7; 32],
        limits: SubtaskLimits {
            fuel_max: Fuel(1 << 40),
            memory_max: ByteCount(1 << 30),
            table_elements_max: 1000,
            output_max: ByteCount(1 << 20),
            output_files_max: 100,
        },
    };
    vec![input.encode().unwrap(), SubtaskInput { stdin: None, files: Vec::new(), ..input }.encode().unwrap()]
}

pub(crate) fn outputs() -> Vec<Vec<u8>> {
    vec![SubtaskOutput::new(3, files()).unwrap().encode().unwrap()]
}

pub(crate) fn manifests() -> Vec<Vec<u8>> {
    vec![include_bytes!("../../crates/apps/render/manifest.toml").to_vec()]
}

fn note() -> Note {
    Note {
        text: "of a task".to_owned(),
        amount: Wei(u128::MAX >> 32),
        digest: hash(5),
        parts: vec![(1, None), (2, Some("x".to_owned()))],
        outcome: failed(),
    }
}

pub(crate) fn records() -> Vec<Vec<u8>> {
    vec![encode_record(&note()).unwrap()]
}

pub(crate) fn journal_path(folder: &Path) -> PathBuf {
    folder.join("journal")
}

pub(crate) fn all(store: &DiskStore) -> Vec<(Vec<u8>, Vec<u8>)> {
    store.scan(TABLE, b"", None, 1000).unwrap()
}

/// A journal of some batches, as it lies on disk.
pub(crate) fn journals() -> Vec<Vec<u8>> {
    let folder = TempDir::new().unwrap();
    let store = DiskStore::open(folder.path(), SCHEMA).unwrap();
    for n in 0..20u32 {
        let mut batch = Batch::new();
        batch.put_record(n.to_be_bytes(), &note()).unwrap();
        if n % 3 == 0 {
            batch.delete(TABLE, n.to_be_bytes());
        }
        store.commit(batch).unwrap();
    }
    let journal = std::fs::read(journal_path(folder.path())).unwrap();
    drop(store);
    vec![journal]
}

/// Small programs with something of everything that the validator reads.
pub(crate) fn modules() -> Vec<Vec<u8>> {
    let texts = [
        r#"(module (memory (export "memory") 1) (func (export "_start")))"#,
        r#"(module (type $pair (func (result i32 i64)))
            (import "wasi_snapshot_preview1" "fd_write" (func $w (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (table $t 4 9 funcref) (memory (export "memory") 1 3) (global $g (mut i32) (i32.const 5))
            (elem (i32.const 1) $two $f) (data (i32.const 8) "text") (data $d "more")
            (func $two (type $pair) (i32.const 1) (return (call $f (i32.const 0)) (i64.const 2)))
            (func $f (param i32) (result i32) (local f64 v128)
              (block $out (loop $l (br_table $out $l 1 (local.get 0)))) (i32.const 3)
              (if (result i32) (then (return_call $f (i32.const 1)))
                (else (call_indirect $t (param i32) (result i32) (i32.const 1) (i32.const 2)))))
            (func $s (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1)) (drop (memory.grow (i32.const 1)))
              (table.set $t (i32.const 0) (ref.func $f)) (global.set $g (i32.const 2)))
            (func (export "_start") (drop (call $two)) (drop) (call $exit (i32.trunc_sat_f64_s (f64.const 1.5))))
            (start $s))"#,
        r#"(module (memory (export "memory") 1) (func (export "_start") (local v128)
            (local.set 0 (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 31 (local.get 0) (v128.const i64x2 1 2)))
            (memory.fill (i32.const 0) (i32x4.extract_lane 3 (local.get 0)) (i32.const 9))
            (drop (f32x4.sqrt (local.get 0)))))"#,
    ];
    texts.iter().map(|text| wat::parse_str(text).unwrap()).collect()
}
