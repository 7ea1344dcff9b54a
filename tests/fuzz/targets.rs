//! What reads bytes of strangers, and what must hold whatever they are. Each says whether the bytes were accepted.

use crate::samples;
use golem_protocol::{Document, Message};
use golem_store::{DiskStore, Store, decode_record, encode_record};
use golem_task::{Manifest, SubtaskInput, SubtaskOutput};
use tempfile::TempDir;

/// One thing that reads.
pub(crate) struct Target {
    pub name: &'static str,
    /// What its inputs are made of.
    pub samples: fn() -> Vec<Vec<u8>>,
    /// Reads one, and says whether it was accepted.
    pub read: fn(&[u8]) -> bool,
}

/// All but `modules`, which takes a compiler along.
pub(crate) static TARGETS: [Target; 7] = [
    Target { name: "messages", samples: samples::messages, read: message },
    Target { name: "headers", samples: samples::headers, read: header },
    Target { name: "subtask_inputs", samples: samples::inputs, read: input },
    Target { name: "subtask_outputs", samples: samples::outputs, read: output },
    Target { name: "manifests", samples: samples::manifests, read: manifest },
    Target { name: "records", samples: samples::records, read: record },
    Target { name: "journals", samples: samples::journals, read: journal },
];

/// What is read can be said again, and is then the same. Its signatures can be looked at.
fn message(bytes: &[u8]) -> bool {
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

fn header(bytes: &[u8]) -> bool {
    let Ok(header) = golem_protocol::message::decode_header(bytes) else { return false };
    let again = golem_protocol::message::encode_header(&header).expect("what was read has an encoding");
    assert_eq!(golem_protocol::message::decode_header(&again).as_ref(), Ok(&header));
    if let Ok(authentic) = header.authenticate(&samples::chain()) {
        assert!(authentic.document().check().is_ok(), "what is authentic is within its bounds");
    }
    true
}

/// A document has one encoding, since its digest is its name.
fn input(bytes: &[u8]) -> bool {
    let Ok(input) = SubtaskInput::decode(bytes) else { return false };
    assert_eq!(input.encode().expect("what was read has an encoding"), bytes);
    assert!(input.files.is_sorted_by(|a, b| a.path < b.path), "two files have one path");
    assert!(input.files.iter().all(|file| is_inside(&file.path)), "a path leads out");
    true
}

fn output(bytes: &[u8]) -> bool {
    let Ok(output) = SubtaskOutput::decode(bytes) else { return false };
    assert_eq!(output.encode().expect("what was read has an encoding"), bytes);
    assert!(output.files.iter().all(|file| is_inside(&file.path)), "a path leads out");
    let _ = output.size();
    true
}

fn is_inside(path: &str) -> bool {
    !path.is_empty() && !path.contains('\0') && path.split('/').all(|name| !matches!(name, "" | "." | ".."))
}

fn manifest(bytes: &[u8]) -> bool {
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

fn record(bytes: &[u8]) -> bool {
    let Ok(record) = decode_record::<samples::Note>(bytes) else { return false };
    let again = encode_record(&record).expect("what was read has an encoding");
    assert_eq!(decode_record::<samples::Note>(&again).as_ref(), Ok(&record));
    true
}

/// A folder whose journal was damaged opens with what was whole in it, or says what is wrong. Where it opens, it
/// opens again.
fn journal(bytes: &[u8]) -> bool {
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
