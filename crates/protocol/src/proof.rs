//! A wrong result, proven: what one requestor found out by running a subtask again, in a form that others can run again.
//!
//! Nobody has to be believed. The provider's signature stands under the agreement's digest and the result; the agreement
//! names the input by content; the header names the rules of the sandbox. So whoever computes that one subtask sees
//! whether the result is what the program gives.

use crate::agreement::Agreement;
use crate::header::Header;
use crate::ids::{ChainRef, ContentHash, NodeId};
use crate::message::{WireError, decode, encode};
use crate::report::{Report, SubtaskOutcome};
use crate::signed::{Authentic, SignatureError, Signed};
use crate::units::{ByteCount, Fuel};
use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

/// The gossip topic on which it is said that a proof is to be had.
pub const PROOF_TOPIC: &str = "golem/proof/1";
/// The longest notice: two digests and two numbers.
const NOTICE_BYTES_MAX: usize = 96;
/// The longest proof. Reason: an agreement and a report of 256 subtasks each, with a kilobyte of text in each failure, and a
/// header: no report is too long to be shown.
pub const PROOF_BYTES_MAX: usize = 384 * 1024;

/// Says whose result is wrong, and where the proof of it is to be had: from whoever says so.
///
/// Shape: gossiped, so the network vouches for who says it; no signature of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofNotice {
    /// Whose result.
    pub provider: NodeId,
    /// The [`WrongResultProof`], by content.
    pub proof: ContentHash,
    /// Its length.
    pub proof_bytes: ByteCount,
    /// How long the subtask may take, in seconds: what looking at it may cost.
    pub subtask_timeout_s: u32,
}

impl ProofNotice {
    /// For gossip.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        encode(self, NOTICE_BYTES_MAX)
    }

    /// Off the gossip.
    pub fn decode(bytes: &[u8]) -> Result<ProofNotice, WireError> {
        decode(bytes, NOTICE_BYTES_MAX)
    }
}

/// The documents of one deal that show what a provider said came out of a subtask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrongResultProof {
    /// The task.
    pub header: Signed<Header>,
    /// The batch, signed by the requestor.
    pub agreement: Signed<Agreement>,
    /// The results, signed by the provider.
    pub report: Signed<Report>,
    /// Which of them is wrong.
    pub index: u32,
}

/// A result as a proof shows it: signed by its provider, and perhaps wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccusedResult {
    /// The task.
    pub header: Authentic<Header>,
    /// Whose result.
    pub provider: NodeId,
    /// What went in.
    pub input: ContentHash,
    /// What is said to have come out.
    pub output: ContentHash,
    /// What is said to have been burnt.
    pub fuel: Fuel,
    /// The fuel per second that was agreed on: what the provider promised.
    pub fuel_rate: u64,
}

/// Why documents prove nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofFault {
    /// A signature is not of whom it should be, or for other contracts.
    #[error("a signature in the proof: {0}")]
    Signature(#[from] SignatureError),
    /// The documents are not of one deal.
    #[error("the {0} in the proof is of another deal")]
    OtherDeal(&'static str),
    /// There is no such result: not agreed, not reported, or reported as failed.
    #[error("the proof has no result for subtask {0}")]
    NoResult(u32),
}

impl WrongResultProof {
    /// To be kept and served as content.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        encode(self, PROOF_BYTES_MAX)
    }

    /// As it was fetched.
    pub fn decode(bytes: &[u8]) -> Result<WrongResultProof, WireError> {
        decode(bytes, PROOF_BYTES_MAX)
    }

    /// Holds the documents against each other and their signatures.
    ///
    /// Errors: the first fault; the proof says nothing about anybody then.
    pub fn check(self, chain: &ChainRef) -> Result<AccusedResult, ProofFault> {
        let header = self.header.authenticate(chain)?;
        let agreement = self.agreement.authenticate(chain)?;
        let report = self.report.authenticate(chain)?;
        let same = |holds: bool, what: &'static str| if holds { Ok(()) } else { Err(ProofFault::OtherDeal(what)) };
        same(agreement.header == header.digest() && agreement.requestor == header.requestor, "agreement")?;
        let about: (B256, NodeId) = (report.agreement, report.provider);
        same(about == (agreement.digest(), agreement.provider), "report")?;
        let none = || ProofFault::NoResult(self.index);
        let agreed = agreement.subtasks.iter().find(|subtask| subtask.index == self.index).ok_or_else(none)?;
        let result = report.results.iter().find(|result| result.index == self.index).ok_or_else(none)?;
        match result.outcome {
            SubtaskOutcome::Completed { output, fuel, .. } => {
                let (provider, input, fuel_rate) = (report.provider, agreed.input, agreement.fuel_rate);
                Ok(AccusedResult { provider, input, output, fuel, fuel_rate, header })
            }
            SubtaskOutcome::Failed { .. } => Err(none()),
        }
    }
}
