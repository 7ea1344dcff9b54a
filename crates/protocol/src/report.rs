//! Stage 5, the report: a provider says what came out of some of the agreed subtasks.

use crate::ids::{ChainRef, ContentHash, NodeId};
use crate::limits::{self, DocumentError, distinct, within};
use crate::signed::{DOCUMENT_DOMAIN, Document, typed_digest};
use crate::units::{ByteCount, Fuel};
use alloy_primitives::{Address, B256, keccak256};
use serde::{Deserialize, Serialize};

/// Why a subtask gave no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The module is not one, or not one the profile allows.
    BadModule,
    /// The input could not be had or read.
    BadInput,
    /// The fuel ran out.
    OutOfFuel,
    /// The memory ran out.
    OutOfMemory,
    /// More output than allowed.
    OutputTooLarge,
    /// The time ran out.
    TimedOut,
    /// The module trapped.
    Trapped,
    /// The program ended with an exit status other than 0.
    ExitStatus,
    /// The provider's machine failed: no fault of the task.
    Provider,
}

impl FailureKind {
    /// Whether it is the provider's own: nothing that the task could be blamed for, nor the time it takes.
    pub fn is_of_the_provider(self) -> bool {
        matches!(self, FailureKind::BadInput | FailureKind::Provider)
    }

    /// Whether any provider would have failed alike, because the task itself is at fault.
    pub fn is_deterministic(self) -> bool {
        match self {
            FailureKind::BadModule
            | FailureKind::OutOfFuel
            | FailureKind::OutOfMemory
            | FailureKind::OutputTooLarge
            | FailureKind::Trapped
            | FailureKind::ExitStatus => true,
            FailureKind::BadInput | FailureKind::TimedOut | FailureKind::Provider => false,
        }
    }
}

/// What came of one subtask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubtaskOutcome {
    /// It ran to its end. Wire value 0 in the typed data.
    Completed {
        /// The output manifest, by content.
        output: ContentHash,
        /// The length of the manifest's encoding.
        output_bytes: ByteCount,
        /// What it burnt.
        fuel: Fuel,
        /// How long it took on the provider's clock. Not signed: a clock is no evidence.
        time_ms: u64,
    },
    /// It gave no result. Wire value 1 in the typed data.
    Failed {
        /// Why.
        kind: FailureKind,
        /// What the program or the sandbox said, at most 1 KiB.
        message: String,
    },
}

/// One entry of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubtaskResult {
    /// Which subtask.
    pub index: u32,
    /// What came of it.
    pub outcome: SubtaskOutcome,
}

/// What a provider found for some subtasks of one agreement. Signed by the provider.
///
/// Shape: 1 to 256 results, each index once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The agreement's digest.
    pub agreement: B256,
    /// Who reports.
    pub provider: NodeId,
    /// The results.
    pub results: Vec<SubtaskResult>,
}

mod typed {
    alloy_sol_types::sol! {
        struct Result {
            uint32 index;
            uint8 outcome;
            bytes32 output;
            uint64 outputBytes;
            uint64 fuel;
            uint8 failure;
        }
        struct Report {
            bytes32 agreement;
            address provider;
            Result[] results;
        }
    }
}

fn typed_result(result: &SubtaskResult) -> typed::Result {
    match &result.outcome {
        SubtaskOutcome::Completed { output, output_bytes, fuel, time_ms: _ } => typed::Result {
            index: result.index,
            outcome: 0,
            output: output.0,
            outputBytes: output_bytes.0,
            fuel: fuel.0,
            failure: 0,
        },
        SubtaskOutcome::Failed { kind, message } => typed::Result {
            index: result.index,
            outcome: 1,
            // The text is bound by its hash, where a result has its output.
            output: keccak256(message.as_bytes()),
            outputBytes: message.len() as u64,
            fuel: 0,
            failure: *kind as u8,
        },
    }
}

impl Document for Report {
    const NAME: &'static str = "report";
    type Binding = ChainRef;

    fn claimed_signer(&self) -> Option<Address> {
        Some(self.provider.0)
    }

    fn digest(&self, chain: &ChainRef) -> B256 {
        let typed = typed::Report {
            agreement: self.agreement,
            provider: self.provider.0,
            results: self.results.iter().map(typed_result).collect(),
        };
        typed_digest(DOCUMENT_DOMAIN, &typed, chain)
    }

    fn check(&self) -> Result<(), DocumentError> {
        within("results", self.results.len() as u128, 1, limits::SUBTASKS_PER_AGREEMENT_MAX as u128)?;
        for result in &self.results {
            if let SubtaskOutcome::Failed { message, .. } = &result.outcome {
                within("message length", message.len() as u128, 0, limits::TEXT_BYTES_MAX as u128)?;
            }
        }
        distinct(self.results.iter().map(|result| result.index))
    }
}
