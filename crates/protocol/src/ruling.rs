//! The end of a dispute: what Concent says that a provider gets of a promise.

use crate::header::uint96;
use crate::ids::ConcentRef;
use crate::limits::{DocumentError, somebody, within};
use crate::signed::{CONCENT_DOMAIN, Document, typed_digest};
use crate::units::{WEI_MAX, Wei};
use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};

/// What the provider of a promise is to get. Signed by as many of Concent's keys as the contract asks for, each for
/// itself; [`crate::pack_signatures`] puts them together.
///
/// A ruling does not say whose it is: which keys are Concent's, only the contract knows. Source: `ConcentDeposit.rule`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    /// Who promised.
    pub requestor: Address,
    /// The promise's digest.
    pub promise: B256,
    /// What the provider gets; at most what was promised. Nothing is a ruling too.
    pub amount: Wei,
    /// Digest of what the ruling rests on.
    pub evidence: B256,
}

mod typed {
    alloy_sol_types::sol! {
        struct Ruling {
            address requestor;
            bytes32 promiseDigest;
            uint96 amount;
            bytes32 evidence;
        }
    }
}

impl Document for Ruling {
    const NAME: &'static str = "ruling";
    type Binding = ConcentRef;

    fn claimed_signer(&self) -> Option<Address> {
        None
    }

    fn digest(&self, at: &ConcentRef) -> B256 {
        let typed = typed::Ruling {
            requestor: self.requestor,
            promiseDigest: self.promise,
            amount: uint96(self.amount),
            evidence: self.evidence,
        };
        typed_digest(CONCENT_DOMAIN, &typed, at)
    }

    fn check(&self) -> Result<(), DocumentError> {
        somebody("requestor", self.requestor)?;
        within("amount", self.amount.0, 0, WEI_MAX)
    }
}
