//! Values as bytes: one byte of version, then the value in postcard's encoding (varints, fields in order).
//!
//! What is sent and what is stored have a version each, since an update changes one without the other: see `message` and
//! `record`.

use serde::{Deserialize, Serialize};

/// Why a value cannot be written, or bytes cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EncodingFault {
    /// Longer than allowed.
    TooLarge { got: usize, max: usize },
    /// Another version.
    Version { got: u8 },
    /// Not a value of the expected type.
    Malformed,
    /// So many bytes after the end of the value.
    TrailingBytes(usize),
}

pub(crate) fn encode<T: Serialize>(version: u8, value: &T, bytes_max: usize) -> Result<Vec<u8>, EncodingFault> {
    let bytes = postcard::to_extend(value, vec![version]).map_err(|_| EncodingFault::Malformed)?;
    if bytes.len() > bytes_max {
        return Err(EncodingFault::TooLarge { got: bytes.len(), max: bytes_max });
    }
    Ok(bytes)
}

pub(crate) fn decode<T: for<'de> Deserialize<'de>>(
    version: u8,
    bytes: &[u8],
    bytes_max: usize,
) -> Result<T, EncodingFault> {
    if bytes.len() > bytes_max {
        return Err(EncodingFault::TooLarge { got: bytes.len(), max: bytes_max });
    }
    let (got, body) = bytes.split_first().ok_or(EncodingFault::Malformed)?;
    if *got != version {
        return Err(EncodingFault::Version { got: *got });
    }
    let (value, rest) = postcard::take_from_bytes(body).map_err(|_| EncodingFault::Malformed)?;
    if !rest.is_empty() {
        return Err(EncodingFault::TrailingBytes(rest.len()));
    }
    Ok(value)
}
