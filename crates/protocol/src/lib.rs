//! What two nodes say to each other, and what a contract may have to read: units, ids, the signed documents of a
//! deal, and their encoding on the wire.
//!
//! Start with [`Message`], then read the documents in the order of a deal:
//!
//! ```text
//! header -> offer -> agreement -> (compute) -> report -> verdict + voucher -> settlement
//!            each names the digest of the one before, so a bundle proves the deal by itself
//! ```
//!
//! Beside it the guarantee, which the contract `ConcentDeposit` reads, and which names the deal:
//!
//! ```text
//! promise (with the agreement) -> receipt (when the deal is paid) | ruling (when it is not)      rotation (of keys)
//! ```
//!
//! A document comes off the wire as [`Signed`] and turns into [`Authentic`] by a check of its bounds and signature;
//! there is no other way to one. This crate keeps no state, knows no clock and does no I/O.

pub mod agreement;
pub mod app_fee;
mod encoding;
pub mod guarantee;
pub mod header;
pub mod ids;
pub mod limits;
pub mod message;
pub mod offer;
pub mod promise;
pub mod proof;
pub mod record;
pub mod report;
pub mod rotation;
pub mod ruling;
pub mod signed;
#[cfg(test)]
mod tests;
pub mod units;
pub mod value;
pub mod verdict;
pub mod voucher;

pub use agreement::{AgreedSubtask, Agreement, Cancel, Countersignature};
pub use alloy_primitives::{Address, B256, U256};
pub use app_fee::AppFee;
pub use guarantee::{ClaimStage, ConcentAccount, ConcentClaim, GuaranteeTerms};
pub use header::{Header, Pricing};
pub use ids::{Binding, ChainRef, ChannelId, ChannelState, ConcentRef, ContentHash, NodeId};
pub use message::{HEADER_TOPIC, Message, WIRE_VERSION, WireError};
pub use offer::{Offer, Refusal, RefusalReason};
pub use promise::{Promise, Receipt};
pub use proof::{AccusedResult, PROOF_TOPIC, ProofFault, ProofNotice, WrongResultProof};
pub use record::{RECORD_VERSION, RecordError};
pub use report::{FailureKind, Report, SubtaskOutcome, SubtaskResult};
pub use rotation::{CancelRotation, Rotation};
pub use ruling::Ruling;
pub use signed::{
    Authentic, CompactSignature, Document, KeySigner, SignatureError, Signed, Signer, pack_signatures, sign,
};
pub use units::{ByteCount, ChainTime, Fuel, LocalTime, Now, Wei};
pub use value::{due, due_for, metered_due, subtask_value};
pub use verdict::{Decision, Verdict};
pub use voucher::Voucher;
