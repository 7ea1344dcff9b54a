//! How Concent's keys change: the present ones announce the next, and can take that back.

use crate::ids::ConcentRef;
use crate::limits::{CONCENT_KEYS_MAX, DocumentError, somebody, within};
use crate::signed::{CONCENT_DOMAIN, Document, typed_digest};
use alloy_primitives::{Address, B256, U256};
use serde::{Deserialize, Serialize};

/// The keys that are to come. Signed by as many of the present ones as make a ruling, each for itself.
///
/// Shape: 1 to 16 keys in ascending order, none of them zero. Source: `ConcentDeposit.proposeRotation`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// The new keys.
    pub keys: Vec<Address>,
    /// How many of them will make a ruling.
    pub threshold: u64,
    /// The number that `ConcentDeposit.rotation` asks for, so that no announcement is made twice.
    pub nonce: U256,
}

/// What was announced will not come. Signed as the announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelRotation {
    /// The number that `ConcentDeposit.rotation` asks for.
    pub nonce: U256,
}

mod typed {
    alloy_sol_types::sol! {
        struct Rotation {
            address[] keys;
            uint256 threshold;
            uint256 nonce;
        }
        struct CancelRotation {
            uint256 nonce;
        }
    }
}

impl Document for Rotation {
    const NAME: &'static str = "rotation";
    type Binding = ConcentRef;

    fn claimed_signer(&self) -> Option<Address> {
        None
    }

    fn digest(&self, at: &ConcentRef) -> B256 {
        let threshold = U256::from(self.threshold);
        typed_digest(CONCENT_DOMAIN, &typed::Rotation { keys: self.keys.clone(), threshold, nonce: self.nonce }, at)
    }

    fn check(&self) -> Result<(), DocumentError> {
        within("keys", self.keys.len() as u128, 1, CONCENT_KEYS_MAX as u128)?;
        within("threshold", self.threshold as u128, 1, self.keys.len() as u128)?;
        self.keys.iter().try_for_each(|key| somebody("a key", *key))?;
        if self.keys.is_sorted_by(|one, next| one < next) { Ok(()) } else { Err(DocumentError::NotAscending("keys")) }
    }
}

impl Document for CancelRotation {
    const NAME: &'static str = "cancellation of a rotation";
    type Binding = ConcentRef;

    fn claimed_signer(&self) -> Option<Address> {
        None
    }

    fn digest(&self, at: &ConcentRef) -> B256 {
        typed_digest(CONCENT_DOMAIN, &typed::CancelRotation { nonce: self.nonce }, at)
    }

    fn check(&self) -> Result<(), DocumentError> {
        Ok(())
    }
}
