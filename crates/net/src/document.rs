//! Fetching a small document of which only the hash is known, as an agreement names a subtask's input.

use crate::codec::{ContentAnswer, ContentPart, ContentRequest};
use crate::error::{FetchError, FetchFault, SendError};
use crate::network::NetworkHandle;
use golem_protocol::{ContentHash, NodeId};
use std::collections::BTreeMap;
use std::time::Duration;

/// The size that a request names where it does not know it: then the only piece is wanted, whatever its length.
pub const SIZE_UNKNOWN: u64 = u64::MAX;

/// How long a provider that said "busy" is left alone, and how often it may say so: 20 s in all.
const BUSY_PAUSE: Duration = Duration::from_millis(100);
const BUSY_MAX: u32 = 200;

impl NetworkHandle {
    /// Fetches content of unknown length, of one piece at most, into memory, and checks it against its hash.
    ///
    /// Errors: `ProvidersFailed` with the provider's fault; a retry is safe.
    pub async fn fetch_document(&self, hash: ContentHash, from: NodeId) -> Result<Vec<u8>, FetchError> {
        let request = ContentRequest { hash, size: SIZE_UNKNOWN, part: ContentPart::Piece(0) };
        for _ in 0..BUSY_MAX {
            let fault = match self.request_content(from, request).await {
                Ok(ContentAnswer::Held(bytes)) if *blake3::hash(&bytes).as_bytes() == hash.0.0 => return Ok(bytes),
                Ok(ContentAnswer::Held(_)) => FetchFault::WrongBytes { part: "the document".to_owned() },
                Ok(ContentAnswer::NotHeld) => FetchFault::NotHeld,
                Ok(ContentAnswer::Busy) | Err(SendError::QueueFull) => {
                    tokio::time::sleep(BUSY_PAUSE).await;
                    continue;
                }
                Err(SendError::Stopped) => return Err(FetchError::Stopped),
                Err(error) => FetchFault::Unanswered(error),
            };
            return Err(failed(hash, from, fault));
        }
        Err(failed(hash, from, FetchFault::Unanswered(SendError::Busy { node: from })))
    }
}

fn failed(hash: ContentHash, from: NodeId, fault: FetchFault) -> FetchError {
    FetchError::ProvidersFailed { hash, size: 0, verified_bytes: 0, faults: BTreeMap::from([(from, fault)]) }
}
