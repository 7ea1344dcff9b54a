//! What providers signed of results that took much longer than they promised, kept for the owner of this node.
//!
//! ```text
//! FOLDER/evidence/PROVIDER.json     the latest results of one provider
//! ```
//!
//! The agreement names the fuel per second that was promised, and the provider's report under its digest the fuel that was
//! burnt: both can be shown to anybody. How long it took is what this node's clock said, and nobody else has to believe it.

use crate::folder::write_private;
use golem_deal::SlowResult;
use golem_protocol::{B256, ChainRef, ContentHash, Document, NodeId, ProofFault, WireError, WrongResultProof};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

/// The most results kept of one provider; the oldest go. Reason: three of them are what a refusal rests on.
pub const RESULTS_MAX: usize = 8;
/// The most providers of which they are kept. Reason: each has worked for them; a folder must not grow for ever.
pub const PROVIDERS_MAX: usize = 512;
/// The longest file that is read. Reason: as many results as are kept, each with the longest documents, as text.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// A file of evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Whose results.
    pub provider: NodeId,
    /// Which chain and contract the documents are for.
    pub chain: ChainRef,
    /// The results, newest last.
    pub results: Vec<SlowEntry>,
}

/// One result that was slow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowEntry {
    /// Of which program.
    pub program: ContentHash,
    /// The agreement's digest.
    pub agreement: B256,
    /// Which subtask.
    pub index: u32,
    /// Fuel per second, as agreed.
    pub promised: u64,
    /// What was burnt, as reported.
    pub fuel: u64,
    /// How long it took by this node's clock, in milliseconds: from when it could be begun to when its report came.
    pub took_ms: u64,
    /// The signed header, agreement and report, as they are sent, in hexadecimal digits.
    pub documents: String,
}

/// Why a file shows nothing.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// It cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no such file.
    #[error("{path} is no evidence as golem writes it: {source}")]
    Json {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// Documents that cannot be read.
    #[error("the documents of subtask {index} are not as they are sent: {source}")]
    Documents {
        /// Of which subtask.
        index: u32,
        /// What is wrong.
        source: WireError,
    },
    /// A signature is missing, or the documents are not of one deal.
    #[error("the documents of subtask {index} show nothing: {source}")]
    Fault {
        /// Of which subtask.
        index: u32,
        /// What is wrong.
        source: ProofFault,
    },
    /// The numbers beside the documents are not theirs.
    #[error("the documents of subtask {index} say something else than the numbers beside them")]
    OtherNumbers {
        /// Of which subtask.
        index: u32,
    },
}

/// Where a provider's results are kept.
pub fn file(folder: &Path, provider: NodeId) -> PathBuf {
    folder.join("evidence").join(format!("{:x}.json", provider.0))
}

/// Keeps one more result; it is on the disk when this returns. Blocks.
///
/// Errors: `Io`; `Json` where something else lies in its place, which is left as it is.
pub(crate) fn keep(folder: &Path, chain: ChainRef, slow: &SlowResult) -> Result<PathBuf, EvidenceError> {
    let WrongResultProof { header, agreement, report, index } = &slow.documents;
    let provider = report.document.provider;
    let path = file(folder, provider);
    let failed = |source| EvidenceError::Io { path: path.clone(), source };
    let own = path.parent().unwrap_or(folder);
    std::fs::create_dir_all(own).map_err(failed)?;
    let mut evidence = match read(&path) {
        Ok(evidence) => evidence,
        Err(EvidenceError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            if std::fs::read_dir(own).map_err(failed)?.count() >= PROVIDERS_MAX {
                return Err(failed(io::Error::other(format!("{PROVIDERS_MAX} files are there already; remove some"))));
            }
            Evidence { provider, chain, results: Vec::new() }
        }
        Err(error) => return Err(error),
    };
    let bytes = slow.documents.encode().map_err(|source| EvidenceError::Documents { index: *index, source })?;
    let reported = report.document.results.iter().find(|result| result.index == *index);
    let fuel = reported.map_or(0, |result| match result.outcome {
        golem_protocol::SubtaskOutcome::Completed { fuel, .. } => fuel.0,
        golem_protocol::SubtaskOutcome::Failed { .. } => 0,
    });
    evidence.results.push(SlowEntry {
        program: header.document.module,
        agreement: agreement.document.digest(&chain),
        index: *index,
        promised: agreement.document.fuel_rate,
        fuel,
        took_ms: slow.took_ms,
        documents: hex(&bytes),
    });
    let surplus = evidence.results.len().saturating_sub(RESULTS_MAX);
    evidence.results.drain(..surplus);
    let text =
        serde_json::to_vec_pretty(&evidence).map_err(|source| EvidenceError::Json { path: path.clone(), source })?;
    write_private(&path, &text).map_err(failed)?;
    Ok(path)
}

/// Reads a file of evidence. Its documents are not looked at: see [`Evidence::check`].
///
/// Errors: `Io`, `Json`.
pub fn read(path: &Path) -> Result<Evidence, EvidenceError> {
    let failed = |source| EvidenceError::Io { path: path.to_path_buf(), source };
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > FILE_BYTES_MAX {
        return Err(failed(io::Error::other(format!("it has {length} bytes, and at most {FILE_BYTES_MAX} are read"))));
    }
    let text = std::fs::read(path).map_err(failed)?;
    serde_json::from_slice(&text).map_err(|source| EvidenceError::Json { path: path.to_path_buf(), source })
}

impl Evidence {
    /// Whether the documents are signed by whom they should be, and say what stands beside them. The times are nobody's
    /// word but this node's.
    ///
    /// Errors: `Documents`, `Fault`, `OtherNumbers`.
    pub fn check(&self) -> Result<(), EvidenceError> {
        for entry in &self.results {
            let index = entry.index;
            let documents = WrongResultProof::decode(&unhex(&entry.documents))
                .map_err(|source| EvidenceError::Documents { index, source })?;
            let shown = (documents.index, documents.report.document.agreement);
            let signed = documents.check(&self.chain).map_err(|source| EvidenceError::Fault { index, source })?;
            let says = (signed.provider, signed.header.module, signed.fuel_rate, signed.fuel.0, shown);
            if says != (self.provider, entry.program, entry.promised, entry.fuel, (index, entry.agreement)) {
                return Err(EvidenceError::OtherNumbers { index });
            }
        }
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes; what is no hexadecimal digit ends them, and then they are no documents either.
fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks_exact(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.map_while(byte).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::identity::NodeKeys;
    use golem_protocol::{
        Address, AgreedSubtask, Agreement, AppFee, ByteCount, ChainTime, Fuel, Header, Pricing, Report, SubtaskOutcome,
        SubtaskResult, Wei, sign,
    };

    const CHAIN: ChainRef = ChainRef { chain_id: 31337, channels: Address::repeat_byte(9) };

    fn keys(n: u8) -> NodeKeys {
        NodeKeys::from_secrets([n; 32], [n; 32]).unwrap()
    }

    pub(crate) fn slow(index: u32) -> SlowResult {
        let (requestor, provider) = (keys(1), keys(2));
        let header = Header {
            requestor: requestor.node_id(),
            payer: requestor.payment_address(),
            nonce: 1,
            module: ContentHash(B256::repeat_byte(3)),
            module_bytes: ByteCount(1),
            subtasks: 100,
            max_price: Wei(100),
            subtask_timeout_s: 60,
            min_perf: 0,
            pricing: Pricing::Tender,
            fuel_max: Fuel(1_000),
            memory_max: ByteCount(1),
            output_max: ByteCount(1),
            recheck_ppm: 0,
            profile: B256::ZERO,
            deadline: ChainTime(1),
            app: AppFee::NONE,
        };
        let header = sign(header, &CHAIN, &*requestor.signers().identity).unwrap();
        let agreement = Agreement {
            header: header.digest(),
            offer: B256::ZERO,
            requestor: requestor.node_id(),
            provider: provider.node_id(),
            payer: requestor.payment_address(),
            payee: provider.payment_address(),
            epoch: 1,
            batch: 0,
            price: Wei(100),
            fuel_rate: 50,
            subtask_timeout_s: 60,
            deadline: ChainTime(1),
            app: AppFee::NONE,
            subtasks: vec![AgreedSubtask { index, input: ContentHash(B256::ZERO), value: Wei(1) }],
        };
        let agreement = sign(agreement, &CHAIN, &*requestor.signers().identity).unwrap();
        let (output, output_bytes) = (ContentHash(B256::ZERO), ByteCount(1));
        let outcome = SubtaskOutcome::Completed { output, output_bytes, fuel: Fuel(500), time_ms: 1 };
        let results = vec![SubtaskResult { index, outcome }];
        let report = Report { agreement: agreement.digest(), provider: provider.node_id(), results };
        let report = sign(report, &CHAIN, &*provider.signers().identity).unwrap();
        let (header, agreement, report) = (header.into_signed(), agreement.into_signed(), report.into_signed());
        SlowResult { documents: WrongResultProof { header, agreement, report, index }, took_ms: 44_000 }
    }

    #[test]
    fn keeps_the_latest_results_and_shows_that_the_provider_signed_them() {
        let home = tempfile::tempdir().unwrap();
        for index in 0..=RESULTS_MAX as u32 {
            keep(home.path(), CHAIN, &slow(index)).unwrap();
        }
        let path = file(home.path(), keys(2).node_id());
        let evidence = read(&path).unwrap();
        let indices: Vec<u32> = evidence.results.iter().map(|entry| entry.index).collect();
        assert_eq!(indices, (1..=RESULTS_MAX as u32).collect::<Vec<_>>());
        let first = &evidence.results[0];
        assert_eq!((first.promised, first.fuel, first.took_ms), (50, 500, 44_000));
        evidence.check().unwrap();
        std::fs::write(&path, "{}").unwrap();
        assert!(matches!(keep(home.path(), CHAIN, &slow(0)), Err(EvidenceError::Json { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"{}", "what is not understood is left alone");
    }

    #[test]
    fn finds_out_what_nobody_signed() {
        let home = tempfile::tempdir().unwrap();
        let evidence = read(&keep(home.path(), CHAIN, &slow(7)).unwrap()).unwrap();
        let with = |change: fn(&mut Evidence)| {
            let mut changed = evidence.clone();
            change(&mut changed);
            changed.check().unwrap_err()
        };
        assert!(matches!(with(|e| e.results[0].promised = 60), EvidenceError::OtherNumbers { index: 7 }));
        assert!(matches!(with(|e| e.provider = keys(3).node_id()), EvidenceError::OtherNumbers { .. }));
        assert!(matches!(with(|e| e.chain.chain_id = 1), EvidenceError::Fault { .. }));
        assert!(matches!(with(|e| e.results[0].documents.truncate(40)), EvidenceError::Documents { .. }));
    }
}
