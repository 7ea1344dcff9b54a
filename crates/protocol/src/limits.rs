//! The bounds of everything a peer can send, each with its reason.

use alloy_primitives::Address;

/// The largest direct message. Reason: an agreement or report of [`SUBTASKS_PER_AGREEMENT_MAX`] entries with full
/// failure texts fits; a node that holds a message of every peer it may have stays small.
pub const MESSAGE_BYTES_MAX: usize = 384 * 1024;
/// The largest gossiped header. Reason: it is sent to everyone; its fields have fixed sizes.
pub const HEADER_BYTES_MAX: usize = 1024;
/// The most subtasks of one agreement. Reason: one signature covers many, yet what is lost with one provider is bounded.
pub const SUBTASKS_PER_AGREEMENT_MAX: usize = 256;
/// The most subtasks of one task. Reason: a requestor's book of a task has to fit its memory.
pub const SUBTASKS_PER_TASK_MAX: u32 = 1_000_000;
/// The most vouchers of one answer to an author. Reason: each costs who asked a signature to check; more are asked for after.
pub const VOUCHERS_PER_ANSWER_MAX: usize = 512;
/// The longest free text in a document. Reason: room for the last lines of a program's stderr, no more.
pub const TEXT_BYTES_MAX: usize = 1024;
/// The longest time a subtask may take. Reason: a day; longer work is to be cut.
pub const SUBTASK_TIMEOUT_S_MAX: u32 = 86_400;
/// The most slots an offer can name. Reason: bounds what one agreement with one provider can hold back.
pub const SLOTS_MAX: u16 = 1024;
/// The most keys that Concent can have. Reason: more would make a ruling dear; `ConcentDeposit` refuses them.
pub const CONCENT_KEYS_MAX: usize = 16;
/// The latest time that a promise can name. Reason: the contract holds times in 40 bits.
pub const DEADLINE_MAX: u64 = (1 << 40) - 1;

/// Which bound a document breaks. The fault is its author's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// A number outside its range.
    #[error("{field} is {got}; it has to be between {min} and {max}")]
    Range {
        /// The field's name.
        field: &'static str,
        /// Its value.
        got: u128,
        /// The least allowed.
        min: u128,
        /// The most allowed.
        max: u128,
    },
    /// The same subtask twice in one document.
    #[error("subtask {0} is named twice")]
    Repeated(u32),
    /// A party that is nobody.
    #[error("{0} is the zero address")]
    Nobody(&'static str),
    /// A channel from somebody to itself, which the contract refuses.
    #[error("the {0} is the payer")]
    PaysItself(&'static str),
    /// Addresses that the contract takes in one order only, so that none can occur twice.
    #[error("{0} are not in ascending order")]
    NotAscending(&'static str),
}

pub(crate) fn within(field: &'static str, got: u128, min: u128, max: u128) -> Result<(), DocumentError> {
    if got < min || got > max { Err(DocumentError::Range { field, got, min, max }) } else { Ok(()) }
}

pub(crate) fn somebody(field: &'static str, got: Address) -> Result<(), DocumentError> {
    if got == Address::ZERO { Err(DocumentError::Nobody(field)) } else { Ok(()) }
}

pub(crate) fn distinct(indices: impl Iterator<Item = u32>) -> Result<(), DocumentError> {
    let mut seen = std::collections::BTreeSet::new();
    for index in indices {
        if !seen.insert(index) {
            return Err(DocumentError::Repeated(index));
        }
    }
    Ok(())
}
