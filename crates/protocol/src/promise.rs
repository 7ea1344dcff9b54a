//! The guarantee of a deal: what the requestor promises with the agreement, and the receipt that ends it.

use crate::header::uint96;
use crate::ids::ConcentRef;
use crate::limits::{DEADLINE_MAX, DocumentError, somebody, within};
use crate::signed::{Authentic, CONCENT_DOMAIN, Document, typed_digest};
use crate::units::{ChainTime, WEI_MAX, Wei};
use alloy_primitives::{Address, B256, U256};
use serde::{Deserialize, Serialize};

/// Up to `amount` out of the signer's deposit, once, if the provider did the work and no voucher came.
///
/// Signed by the requestor's payment key under the domain of `ConcentDeposit`. Like the payer of a voucher, the
/// requestor is not in it: the contract and we recover it from the signature. Source: `ConcentDeposit.claim`, `rule`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// To whom.
    pub provider: Address,
    /// The most that can be claimed.
    pub amount: Wei,
    /// Makes it one promise among those of its requestor to its provider: each number serves once. Those that follow
    /// one another are cheapest.
    pub nonce: U256,
    /// The agreement's digest.
    pub deal: B256,
    /// Up to when it can be claimed.
    pub deadline: ChainTime,
}

/// The deal was paid elsewhere: from now on nobody can claim the promise. Signed by the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Who promised.
    pub requestor: Address,
    /// The promise's digest.
    pub promise: B256,
}

mod typed {
    alloy_sol_types::sol! {
        struct Promise {
            address provider;
            uint96 amount;
            uint256 nonce;
            bytes32 deal;
            uint40 deadline;
        }
        struct Receipt {
            address requestor;
            bytes32 promiseDigest;
        }
    }
}

impl Document for Promise {
    const NAME: &'static str = "promise";
    type Binding = ConcentRef;

    fn claimed_signer(&self) -> Option<Address> {
        None
    }

    fn digest(&self, at: &ConcentRef) -> B256 {
        let typed = typed::Promise {
            provider: self.provider,
            amount: uint96(self.amount),
            nonce: self.nonce,
            deal: self.deal,
            deadline: alloy_primitives::Uint::saturating_from(self.deadline.0),
        };
        typed_digest(CONCENT_DOMAIN, &typed, at)
    }

    fn check(&self) -> Result<(), DocumentError> {
        somebody("provider", self.provider)?;
        within("amount", self.amount.0, 1, WEI_MAX)?;
        within("deadline", self.deadline.0 as u128, 0, DEADLINE_MAX as u128)
    }
}

impl Document for Receipt {
    const NAME: &'static str = "receipt";
    type Binding = ConcentRef;

    fn claimed_signer(&self) -> Option<Address> {
        None
    }

    fn digest(&self, at: &ConcentRef) -> B256 {
        let typed = typed::Receipt { requestor: self.requestor, promiseDigest: self.promise };
        typed_digest(CONCENT_DOMAIN, &typed, at)
    }

    fn check(&self) -> Result<(), DocumentError> {
        somebody("requestor", self.requestor)
    }
}

impl Authentic<Promise> {
    /// Whose deposit it draws on: whoever signed.
    pub fn requestor(&self) -> Address {
        self.signer()
    }

    /// What its provider signs once the deal is paid.
    pub fn receipt(&self) -> Receipt {
        Receipt { requestor: self.requestor(), promise: self.digest() }
    }

    /// Whether this receipt voids it: it names this promise, and who signed it is the provider.
    pub fn is_voided_by(&self, receipt: &Authentic<Receipt>) -> bool {
        *receipt.document() == self.receipt() && receipt.signer() == self.document().provider
    }
}
