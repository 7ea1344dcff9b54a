//! What a node keeps for itself: the encoding of its records, and its limits.
//!
//! Shape: one byte of version ([`RECORD_VERSION`]), then the value in postcard's encoding. It is not the version of the
//! wire ([`WIRE_VERSION`](crate::WIRE_VERSION)): another kind of message must leave every folder readable, and another
//! field of a record must shut nobody out of the network. A document with other fields changes both.

use crate::encoding::{self, EncodingFault};
use serde::{Deserialize, Serialize};

/// The version of records, the first byte of all that is stored.
pub const RECORD_VERSION: u8 = 2;

/// A record as bytes, at most `bytes_max` long.
pub fn encode_record<T: Serialize>(value: &T, bytes_max: usize) -> Result<Vec<u8>, RecordError> {
    Ok(encoding::encode(RECORD_VERSION, value, bytes_max)?)
}

/// Reads a record, at most `bytes_max` long.
pub fn decode_record<T: for<'de> Deserialize<'de>>(bytes: &[u8], bytes_max: usize) -> Result<T, RecordError> {
    Ok(encoding::decode(RECORD_VERSION, bytes, bytes_max)?)
}

/// Why bytes are no record. They are this node's own: another golem wrote them, or they are damaged. Who opens the folder
/// says which one and what to try.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Longer than allowed.
    #[error("it has {got} bytes, and at most {max} are allowed")]
    TooLarge {
        /// The length.
        got: usize,
        /// The bound.
        max: usize,
    },
    /// Another version.
    #[error("it has version {got}, and this golem reads version {ours}")]
    Version {
        /// What is there.
        got: u8,
        /// What is understood here.
        ours: u8,
    },
    /// Not a value of the expected type.
    #[error("its bytes are no record of this kind")]
    Malformed,
    /// Bytes after the end of the value.
    #[error("it has {0} bytes after its end")]
    TrailingBytes(usize),
}

impl From<EncodingFault> for RecordError {
    fn from(fault: EncodingFault) -> RecordError {
        match fault {
            EncodingFault::TooLarge { got, max } => RecordError::TooLarge { got, max },
            EncodingFault::Version { got } => RecordError::Version { got, ours: RECORD_VERSION },
            EncodingFault::Malformed => RecordError::Malformed,
            EncodingFault::TrailingBytes(bytes) => RecordError::TrailingBytes(bytes),
        }
    }
}
