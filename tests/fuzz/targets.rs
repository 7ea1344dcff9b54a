//! What reads bytes of strangers, and what must hold whatever they are. Each says whether the bytes were accepted.

use crate::samples;
use golem_protocol::{Document, Message};
use golem_sandbox::{Exit, ModuleFault, ModuleSource, Sandbox, SandboxConfig};
use golem_store::{DiskStore, Store, decode_record, encode_record};
use golem_task::{Manifest, SubtaskInput, SubtaskOutput};
use std::sync::OnceLock;
use tempfile::TempDir;

/// What is read can be said again, and is then the same. Its signatures can be looked at.
pub(crate) fn message(bytes: &[u8]) -> bool {
    let Ok(message) = Message::decode(bytes) else { return false };
    let again = message.encode().expect("what was read has an encoding");
    assert!(again.len() <= bytes.len(), "an encoding is the shortest of its value");
    assert_eq!(Message::decode(&again).as_ref(), Ok(&message));
    let chain = samples::chain();
    let _ = match message {
        Message::Offer(offer) => offer.authenticate(&chain).is_ok(),
        Message::Agreement(agreement) => agreement.authenticate(&chain).is_ok(),
        Message::Cancel(cancel) => cancel.authenticate(&chain).is_ok(),
        Message::Report(report) => report.authenticate(&chain).is_ok(),
        Message::Verdict { verdict, voucher, author_voucher } => {
            let vouchers = [voucher, author_voucher].into_iter().flatten();
            verdict.authenticate(&chain).is_ok() && vouchers.fold(true, |_, v| v.authenticate(&chain).is_ok())
        }
        Message::Vouchers { vouchers, .. } => vouchers.into_iter().fold(true, |_, v| v.authenticate(&chain).is_ok()),
        Message::Refusal(refusal) => !refusal.reason.to_string().is_empty(),
        Message::Countersignature(_) | Message::AskVouchers { .. } => true,
    };
    true
}

pub(crate) fn header(bytes: &[u8]) -> bool {
    let Ok(header) = golem_protocol::message::decode_header(bytes) else { return false };
    let again = golem_protocol::message::encode_header(&header).expect("what was read has an encoding");
    assert_eq!(golem_protocol::message::decode_header(&again).as_ref(), Ok(&header));
    if let Ok(authentic) = header.authenticate(&samples::chain()) {
        assert!(authentic.document().check().is_ok(), "what is authentic is within its bounds");
    }
    true
}

/// A document has one encoding, since its digest is its name.
pub(crate) fn input(bytes: &[u8]) -> bool {
    let Ok(input) = SubtaskInput::decode(bytes) else { return false };
    assert_eq!(input.encode().expect("what was read has an encoding"), bytes);
    assert!(input.files.is_sorted_by(|a, b| a.path < b.path), "two files have one path");
    assert!(input.files.iter().all(|file| is_inside(&file.path)), "a path leads out");
    true
}

pub(crate) fn output(bytes: &[u8]) -> bool {
    let Ok(output) = SubtaskOutput::decode(bytes) else { return false };
    assert_eq!(output.encode().expect("what was read has an encoding"), bytes);
    assert!(output.files.iter().all(|file| is_inside(&file.path)), "a path leads out");
    let _ = output.size();
    true
}

fn is_inside(path: &str) -> bool {
    !path.is_empty() && !path.contains('\0') && path.split('/').all(|name| !matches!(name, "" | "." | ".."))
}

pub(crate) fn manifest(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    match Manifest::parse(text) {
        Ok(manifest) => {
            let _ = manifest.split_args();
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

pub(crate) fn record(bytes: &[u8]) -> bool {
    let Ok(record) = decode_record::<samples::Note>(bytes) else { return false };
    let again = encode_record(&record).expect("what was read has an encoding");
    assert_eq!(decode_record::<samples::Note>(&again).as_ref(), Ok(&record));
    true
}

/// A folder whose journal was damaged opens with what was whole in it, or says what is wrong. Where it opens, it
/// opens again.
pub(crate) fn journal(bytes: &[u8]) -> bool {
    let folder = TempDir::new().unwrap();
    drop(DiskStore::open(folder.path(), samples::SCHEMA).unwrap());
    std::fs::write(samples::journal_path(folder.path()), bytes).unwrap();
    match DiskStore::open(folder.path(), samples::SCHEMA) {
        Ok(store) => {
            let first = samples::all(&store);
            drop(store);
            let store = DiskStore::open(folder.path(), samples::SCHEMA).expect("it opened before");
            assert_eq!(samples::all(&store), first);
            let _ = store.get(samples::TABLE, b"key");
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

/// What the validator takes the compiler takes, and the compiler sees nothing else.
pub(crate) fn module(bytes: &[u8]) -> bool {
    static SHARED: OnceLock<(Sandbox, TempDir)> = OnceLock::new();
    let (sandbox, _folder) = SHARED.get_or_init(|| {
        let folder = TempDir::new().unwrap();
        let mut config = SandboxConfig::new(folder.path());
        config.slots = 1;
        config.cache_disk_max = golem_protocol::ByteCount::from_bytes(0);
        (Sandbox::new(config).unwrap(), folder)
    });
    match sandbox.prepare(&ModuleSource::Bytes(bytes.to_vec())).expect("nothing here is this machine's fault") {
        Ok(()) => true,
        Err(Exit::BadModule(ModuleFault::NotCompiled { reason })) => {
            panic!("the compiler refused what the validator took: {reason}")
        }
        Err(fault) => {
            assert!(!fault.to_string().is_empty());
            false
        }
    }
}
