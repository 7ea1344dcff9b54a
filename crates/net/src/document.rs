//! Fetching a small document of which only the hash is known, as an agreement names a subtask's input.

use std::collections::BTreeMap;

use golem_protocol::{ContentHash, NodeId};

use crate::codec::ContentPart;
use crate::error::{FetchError, FetchFault};
use crate::fetch::{PieceError, ask};
use crate::network::NetworkHandle;

/// The size that a request names where it does not know it: then the only piece is wanted, whatever its length.
pub const SIZE_UNKNOWN: u64 = u64::MAX;

impl NetworkHandle {
    /// Fetches content of unknown length, of one piece at most, into memory, and checks it against its hash.
    ///
    /// Errors: `ProvidersFailed` with the provider's fault; a retry is safe.
    pub async fn fetch_document(&self, hash: ContentHash, from: NodeId) -> Result<Vec<u8>, FetchError> {
        let fault = match ask(self, from, hash, SIZE_UNKNOWN, ContentPart::Piece(0)).await {
            Ok(bytes) if *blake3::hash(&bytes).as_bytes() == hash.0.0 => return Ok(bytes),
            Ok(_) => FetchFault::WrongBytes { part: "the document".to_string() },
            Err(PieceError::Fault(fault)) => fault,
            Err(PieceError::Local(error)) => return Err(error),
        };
        Err(FetchError::ProvidersFailed { hash, size: 0, verified_bytes: 0, faults: BTreeMap::from([(from, fault)]) })
    }
}
