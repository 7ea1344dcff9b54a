//! What crosses a stream: one bounded request, one bounded response.
//!
//! A request that breaks a bound is handed on as [`Incoming::Malformed`]: a read that fails would not be told to us,
//! and whoever sends such things would never be called to account.
//!
//! A message is a `u32` length, little endian, and that many bytes; its answer is one byte. A content request is 45
//! bytes; its answer a byte and, for [`ContentAnswer::Held`], a `u32` length and the bytes.

use std::io;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use golem_protocol::{B256, ContentHash};
use libp2p::StreamProtocol;
use libp2p::request_response::Codec;

use crate::pieces::{PIECE_BYTES, PIECE_LIST_BYTES_MAX};

pub(crate) const MESSAGE_PROTOCOL: StreamProtocol = StreamProtocol::new("/golem/message/1");
pub(crate) const CONTENT_PROTOCOL: StreamProtocol = StreamProtocol::new("/golem/content/1");

/// What the receiver of a message did with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receipt {
    /// It is in the application's queue.
    Delivered,
    /// The application's queue is full.
    Busy,
    /// The sender is over its rate.
    RateLimited,
    /// It is too large, or ended early.
    Malformed,
}

/// A request as it came. What we send is always whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Incoming<T> {
    Whole(T),
    Malformed,
}

impl<T> Incoming<T> {
    /// Takes what a read made of the stream; only a stream that broke by itself stays an error.
    fn of(read: io::Result<T>) -> io::Result<Incoming<T>> {
        match read {
            Ok(request) => Ok(Incoming::Whole(request)),
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {
                Ok(Incoming::Malformed)
            }
            Err(error) => Err(error),
        }
    }

    fn whole(self) -> io::Result<T> {
        match self {
            Incoming::Whole(request) => Ok(request),
            Incoming::Malformed => Err(io::ErrorKind::InvalidInput.into()),
        }
    }
}

/// A request for a part of some content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContentRequest {
    pub(crate) hash: ContentHash,
    pub(crate) size: u64,
    pub(crate) part: ContentPart,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentPart {
    /// The hashes of all pieces.
    List,
    /// The bytes of one piece.
    Piece(u32),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ContentAnswer {
    Held(Vec<u8>),
    NotHeld,
    /// Too much is being served; ask again.
    Busy,
}

/// Messages of at most `bytes_max`.
#[derive(Clone, Debug)]
pub(crate) struct MessageCodec {
    pub(crate) bytes_max: usize,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct ContentCodec;

fn invalid(detail: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, detail)
}

/// Reads a counted field. Memory grows with what arrives, not with what was announced.
async fn read_counted<T: AsyncRead + Unpin + Send>(io: &mut T, max: usize) -> io::Result<Vec<u8>> {
    let mut count = [0; 4];
    io.read_exact(&mut count).await?;
    let count = u32::from_le_bytes(count) as usize;
    if count > max {
        return Err(invalid(format!("{count} bytes announced, {max} allowed")));
    }
    let mut bytes = Vec::new();
    io.take(count as u64).read_to_end(&mut bytes).await?;
    if bytes.len() < count {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

async fn write_counted<T: AsyncWrite + Unpin + Send>(io: &mut T, bytes: &[u8]) -> io::Result<()> {
    io.write_all(&(bytes.len() as u32).to_le_bytes()).await?;
    io.write_all(bytes).await
}

impl Codec for MessageCodec {
    type Protocol = StreamProtocol;
    type Request = Incoming<Vec<u8>>;
    type Response = Receipt;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Incoming<Vec<u8>>> {
        Incoming::of(read_counted(io, self.bytes_max).await)
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Receipt> {
        let mut byte = [0];
        io.read_exact(&mut byte).await?;
        match byte {
            [0] => Ok(Receipt::Delivered),
            [1] => Ok(Receipt::Busy),
            [2] => Ok(Receipt::RateLimited),
            [3] => Ok(Receipt::Malformed),
            [other] => Err(invalid(format!("receipt {other} is unknown"))),
        }
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Incoming<Vec<u8>>,
    ) -> io::Result<()> {
        write_counted(io, &request.whole()?).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        response: Receipt,
    ) -> io::Result<()> {
        let byte = match response {
            Receipt::Delivered => 0,
            Receipt::Busy => 1,
            Receipt::RateLimited => 2,
            Receipt::Malformed => 3,
        };
        io.write_all(&[byte]).await
    }
}

const CONTENT_REQUEST_BYTES: usize = 45;

impl Codec for ContentCodec {
    type Protocol = StreamProtocol;
    type Request = Incoming<ContentRequest>;
    type Response = ContentAnswer;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Incoming<ContentRequest>> {
        let mut bytes = [0; CONTENT_REQUEST_BYTES];
        Incoming::of(io.read_exact(&mut bytes).await.and_then(|()| decode_request(&bytes)))
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<ContentAnswer> {
        let mut byte = [0];
        io.read_exact(&mut byte).await?;
        match byte {
            [0] => Ok(ContentAnswer::Held(read_counted(io, PIECE_BYTES.max(PIECE_LIST_BYTES_MAX)).await?)),
            [1] => Ok(ContentAnswer::NotHeld),
            [2] => Ok(ContentAnswer::Busy),
            [other] => Err(invalid(format!("content answer {other} is unknown"))),
        }
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Incoming<ContentRequest>,
    ) -> io::Result<()> {
        io.write_all(&encode_request(&request.whole()?)).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        response: ContentAnswer,
    ) -> io::Result<()> {
        match response {
            ContentAnswer::Held(bytes) => {
                io.write_all(&[0]).await?;
                write_counted(io, &bytes).await
            }
            ContentAnswer::NotHeld => io.write_all(&[1]).await,
            ContentAnswer::Busy => io.write_all(&[2]).await,
        }
    }
}

fn encode_request(request: &ContentRequest) -> [u8; CONTENT_REQUEST_BYTES] {
    let (tag, index) = match request.part {
        ContentPart::List => (0, 0),
        ContentPart::Piece(index) => (1, index),
    };
    let mut bytes = [0; CONTENT_REQUEST_BYTES];
    bytes[0] = tag;
    bytes[1..33].copy_from_slice(request.hash.0.as_slice());
    bytes[33..41].copy_from_slice(&request.size.to_le_bytes());
    bytes[41..45].copy_from_slice(&index.to_le_bytes());
    bytes
}

fn decode_request(bytes: &[u8; CONTENT_REQUEST_BYTES]) -> io::Result<ContentRequest> {
    let (tag, rest) = (bytes[0], &bytes[1..]);
    let (hash, rest) = rest.split_at(32);
    let (size, index) = rest.split_at(8);
    let mut fixed = ([0; 8], [0; 4]);
    fixed.0.copy_from_slice(size);
    fixed.1.copy_from_slice(index);
    let part = match (tag, u32::from_le_bytes(fixed.1)) {
        (0, 0) => ContentPart::List,
        (1, index) => ContentPart::Piece(index),
        (tag, index) => return Err(invalid(format!("content request {tag} with index {index} is unknown"))),
    };
    Ok(ContentRequest { hash: ContentHash(B256::from_slice(hash)), size: u64::from_le_bytes(fixed.0), part })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use futures::io::Cursor;

    #[test]
    fn requests_survive_the_wire_and_unknown_ones_are_refused() {
        for part in [ContentPart::List, ContentPart::Piece(7)] {
            let request = ContentRequest { hash: ContentHash(B256::repeat_byte(3)), size: 1 << 33, part };
            assert_eq!(decode_request(&encode_request(&request)).unwrap(), request);
        }
        assert!(decode_request(&[9; CONTENT_REQUEST_BYTES]).is_err());
    }

    #[test]
    fn refuses_a_message_that_announces_too_much_or_ends_early() {
        let mut codec = MessageCodec { bytes_max: 4 };
        let mut read = |bytes: &[u8]| {
            let mut stream = Cursor::new(bytes.to_vec());
            block_on(codec.read_request(&MESSAGE_PROTOCOL, &mut stream)).unwrap()
        };
        assert_eq!(read(&[2, 0, 0, 0, 8, 9]), Incoming::Whole(vec![8, 9]));
        assert_eq!(read(&[5, 0, 0, 0, 1, 2, 3, 4, 5]), Incoming::Malformed);
        assert_eq!(read(&[4, 0, 0, 0, 1]), Incoming::Malformed);
        assert_eq!(read(&[4, 0]), Incoming::Malformed);
    }
}
