//! Stage 6, the verdict: the requestor accepts or rejects what was reported.

use crate::ids::{ChainRef, NodeId};
use crate::limits::{self, DocumentError, distinct, within};
use crate::signed::{DOCUMENT_DOMAIN, Document, typed_digest};
use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};

/// What the requestor says of one result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The result is taken and paid for. Wire value 0.
    Accepted,
    /// Run again, it gave other bytes. Wire value 1.
    WrongOutput,
    /// Run again, it burnt another amount of fuel. Wire value 2.
    WrongFuel,
    /// What was reported could not be fetched. Wire value 3.
    OutputMissing,
    /// It came after the time agreed. Wire value 4.
    Late,
    /// The provider reported a failure: noted, nothing is paid. Wire value 5.
    FailureNoted,
    /// The subtask is not in the agreement, or was reported before. Wire value 6.
    NotAgreed,
}

/// What the requestor says of a report. Signed by the requestor; the voucher for what it accepts travels with it.
///
/// Shape: 1 to 256 decisions, each index once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The agreement's digest.
    pub agreement: B256,
    /// The report's digest.
    pub report: B256,
    /// Who decides.
    pub requestor: NodeId,
    /// The decisions, by subtask.
    pub decisions: Vec<(u32, Decision)>,
}

mod typed {
    alloy_sol_types::sol! {
        struct Decision {
            uint32 index;
            uint8 decision;
        }
        struct Verdict {
            bytes32 agreement;
            bytes32 report;
            address requestor;
            Decision[] decisions;
        }
    }
}

impl Document for Verdict {
    const NAME: &'static str = "verdict";
    type Binding = ChainRef;

    fn claimed_signer(&self) -> Option<Address> {
        Some(self.requestor.0)
    }

    fn digest(&self, chain: &ChainRef) -> B256 {
        let typed = typed::Verdict {
            agreement: self.agreement,
            report: self.report,
            requestor: self.requestor.0,
            decisions: self
                .decisions
                .iter()
                .map(|(index, decision)| typed::Decision { index: *index, decision: *decision as u8 })
                .collect(),
        };
        typed_digest(DOCUMENT_DOMAIN, &typed, chain)
    }

    fn check(&self) -> Result<(), DocumentError> {
        within("decisions", self.decisions.len() as u128, 1, limits::SUBTASKS_PER_AGREEMENT_MAX as u128)?;
        distinct(self.decisions.iter().map(|(index, _)| *index))
    }
}
