//! One channel's ledger, both sides, and the twin of the contract.

pub mod contract;
pub mod payee;
pub mod payer;

pub use payee::{Accepted, CoverError, PayeeLedger, VoucherError};
pub use payer::{PayError, PayerLedger};
