//! What goes over the wire: the messages between two nodes, their encoding, and its limits.
//!
//! Shape: one byte of version ([`WIRE_VERSION`]), then the value in postcard's encoding (varints, fields in order). A
//! value is refused where bytes are left over, the version is another, or a bound of `limits` is broken.

use crate::agreement::{Agreement, Cancel, Countersignature};
use crate::encoding::{self, EncodingFault};
use crate::header::Header;
use crate::limits::{HEADER_BYTES_MAX, MESSAGE_BYTES_MAX, VOUCHERS_PER_ANSWER_MAX};
use crate::offer::{Offer, Refusal};
use crate::report::Report;
use crate::signed::Signed;
use crate::verdict::Verdict;
use crate::voucher::Voucher;
use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

/// The version of the wire, the first byte of all that is sent; what is stored has
/// [`RECORD_VERSION`](crate::RECORD_VERSION).
pub const WIRE_VERSION: u8 = 2;
/// The gossip topic on which headers travel.
pub const HEADER_TOPIC: &str = "golem/header/1";

/// A message from one node to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Provider to requestor: a price for a header.
    Offer(Signed<Offer>),
    /// Either way: what you sent was not taken.
    Refusal(Refusal),
    /// Requestor to provider: a batch, signed by the requestor.
    Agreement(Signed<Agreement>),
    /// Provider to requestor: agreed.
    Countersignature(Countersignature),
    /// Provider to requestor: I step back.
    Cancel(Signed<Cancel>),
    /// Provider to requestor: results.
    Report(Signed<Report>),
    /// Requestor to provider: the verdict, and the vouchers that pay for what it accepts.
    Verdict {
        /// What is accepted and what not.
        verdict: Signed<Verdict>,
        /// Everything owed so far in this channel; absent where nothing was ever accepted.
        voucher: Option<Signed<Voucher>>,
        /// Everything owed so far to the app's author; absent where it is owed nothing, or is the payee itself.
        author_voucher: Option<Signed<Voucher>>,
    },
    /// Anybody to either: what do you hold, or owe, that is good for this payee? An author asks that was away.
    AskVouchers {
        /// For whom. Whoever asks: a voucher is good for nobody else.
        payee: Address,
        /// Payers up to this one were told already; the zero address at first.
        after: Address,
    },
    /// The answer: the best voucher of each payer, in the order of the payers' addresses.
    Vouchers {
        /// For whom.
        payee: Address,
        /// At most [`VOUCHERS_PER_ANSWER_MAX`]; where there are as many, there may be more.
        vouchers: Vec<Signed<Voucher>>,
    },
}

impl Message {
    /// The stage's word, for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Message::Offer(_) => "offer",
            Message::Refusal(_) => "refusal",
            Message::Agreement(_) => "agreement",
            Message::Countersignature(_) => "countersignature",
            Message::Cancel(_) => "cancel",
            Message::Report(_) => "report",
            Message::Verdict { .. } => "verdict",
            Message::AskVouchers { .. } => "ask_vouchers",
            Message::Vouchers { .. } => "vouchers",
        }
    }

    /// The message as bytes.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        encode(self, MESSAGE_BYTES_MAX)
    }

    /// Reads a message. Nothing in it is authentic yet.
    pub fn decode(bytes: &[u8]) -> Result<Message, WireError> {
        let message = decode(bytes, MESSAGE_BYTES_MAX)?;
        if let Message::Vouchers { vouchers, .. } = &message
            && vouchers.len() > VOUCHERS_PER_ANSWER_MAX
        {
            return Err(WireError::TooLong { got: vouchers.len(), max: VOUCHERS_PER_ANSWER_MAX });
        }
        Ok(message)
    }
}

/// A header as gossip carries it.
pub fn encode_header(header: &Signed<Header>) -> Result<Vec<u8>, WireError> {
    encode(header, HEADER_BYTES_MAX)
}

/// Reads a gossiped header. It is not authentic yet.
pub fn decode_header(bytes: &[u8]) -> Result<Signed<Header>, WireError> {
    decode(bytes, HEADER_BYTES_MAX)
}

/// Any value in the encoding of the wire, at most `bytes_max` long.
pub(crate) fn encode<T: Serialize>(value: &T, bytes_max: usize) -> Result<Vec<u8>, WireError> {
    Ok(encoding::encode(WIRE_VERSION, value, bytes_max)?)
}

/// Reads a value in the encoding of the wire, at most `bytes_max` long.
pub(crate) fn decode<T: for<'de> Deserialize<'de>>(bytes: &[u8], bytes_max: usize) -> Result<T, WireError> {
    Ok(encoding::decode(WIRE_VERSION, bytes, bytes_max)?)
}

/// Why bytes are no message. The fault is the sender's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Longer than allowed.
    #[error("{got} bytes, and at most {max} are allowed")]
    TooLarge {
        /// The length.
        got: usize,
        /// The bound.
        max: usize,
    },
    /// A list longer than allowed.
    #[error("{got} entries, and at most {max} are allowed")]
    TooLong {
        /// The length.
        got: usize,
        /// The bound.
        max: usize,
    },
    /// Another version of the wire.
    #[error("wire version {got}; this node speaks {ours}: one of the two needs an update")]
    Version {
        /// What came.
        got: u8,
        /// What is understood here.
        ours: u8,
    },
    /// Not a value of the expected type.
    #[error("the bytes are not a message of this protocol")]
    Malformed,
    /// Bytes after the end of the value.
    #[error("{0} bytes after the end of the message")]
    TrailingBytes(usize),
}

impl From<EncodingFault> for WireError {
    fn from(fault: EncodingFault) -> WireError {
        match fault {
            EncodingFault::TooLarge { got, max } => WireError::TooLarge { got, max },
            EncodingFault::Version { got } => WireError::Version { got, ours: WIRE_VERSION },
            EncodingFault::Malformed => WireError::Malformed,
            EncodingFault::TrailingBytes(bytes) => WireError::TrailingBytes(bytes),
        }
    }
}
