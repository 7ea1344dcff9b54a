use super::strategies::{any_header, any_message};
use super::*;
use crate::limits::{HEADER_BYTES_MAX, MESSAGE_BYTES_MAX, VOUCHERS_PER_ANSWER_MAX};
use crate::message::{decode, decode_header, encode, encode_header};
use proptest::prelude::*;

fn message() -> Message {
    Message::Offer(sign(offer(), &chain(), &key(2)).unwrap().into_signed())
}

#[test]
fn refuses_whatever_comes_in_another_version_and_says_which() {
    let mut bytes = message().encode().unwrap();
    // What other nodes speak that are there already.
    assert_eq!(bytes[0], 2);
    for version in [0, WIRE_VERSION + 1, 255] {
        bytes[0] = version;
        let refused = WireError::Version { got: version, ours: WIRE_VERSION };
        let text = format!("wire version {version}; this node speaks {WIRE_VERSION}: one of the two needs an update");
        assert_eq!(refused.to_string(), text);
        assert_eq!(Message::decode(&bytes), Err(refused.clone()));
        assert_eq!(decode_header(&bytes), Err(refused.clone()));
        assert_eq!(WrongResultProof::decode(&bytes), Err(refused.clone()));
        assert_eq!(ProofNotice::decode(&bytes[..96]), Err(refused));
    }
}

#[test]
fn refuses_messages_cut_short_anywhere() {
    let bytes = message().encode().unwrap();
    for length in 0..bytes.len() {
        assert_eq!(Message::decode(&bytes[..length]), Err(WireError::Malformed), "{length}");
    }
}

#[test]
fn refuses_bytes_after_the_end() {
    let mut bytes = message().encode().unwrap();
    bytes.extend([0, 0]);
    assert_eq!(Message::decode(&bytes), Err(WireError::TrailingBytes(2)));
}

#[test]
fn refuses_what_is_too_large_before_reading_it() {
    let bytes = vec![0xff; MESSAGE_BYTES_MAX + 1];
    let too_large = WireError::TooLarge { got: MESSAGE_BYTES_MAX + 1, max: MESSAGE_BYTES_MAX };
    assert_eq!(Message::decode(&bytes), Err(too_large.clone()));
    let too_large_header = WireError::TooLarge { got: HEADER_BYTES_MAX + 1, max: HEADER_BYTES_MAX };
    assert_eq!(decode_header(&bytes[..HEADER_BYTES_MAX + 1]), Err(too_large_header));
    // Nor is it written.
    let reason = RefusalReason::Malformed("x".repeat(MESSAGE_BYTES_MAX));
    let refusal = Message::Refusal(Refusal { about: hash(0), reason });
    assert!(matches!(refusal.encode(), Err(WireError::TooLarge { max: MESSAGE_BYTES_MAX, .. })));
}

#[test]
fn refuses_lengths_that_the_bytes_do_not_have() {
    let reason = RefusalReason::Malformed(String::new());
    let mut bytes = Message::Refusal(Refusal { about: B256::ZERO, reason }).encode().unwrap();
    // The last byte is the length of the text: now 2^35 bytes, refused without making room for them.
    assert_eq!(bytes.pop(), Some(0));
    bytes.extend([0xff, 0xff, 0xff, 0xff, 0x7f]);
    assert_eq!(Message::decode(&bytes), Err(WireError::Malformed));
}

#[test]
fn refuses_messages_of_no_known_kind_and_amounts_above_96_bits() {
    assert_eq!(Message::decode(&[WIRE_VERSION, 9]), Err(WireError::Malformed));
    let amount = encode(&(Wei::MAX.0 + 1), 64).unwrap();
    assert_eq!(decode::<Wei>(&amount, 64), Err(WireError::Malformed));
    assert_eq!(decode::<Wei>(&encode(&Wei::MAX, 64).unwrap(), 64), Ok(Wei::MAX));
}

#[test]
fn an_answer_to_an_author_holds_so_many_vouchers_and_no_more() {
    let signed = sign(voucher(), &chain(), &key(3)).unwrap().into_signed();
    let answer = |count| Message::Vouchers { payee: key(4).address(), vouchers: vec![signed.clone(); count] };
    let full = answer(VOUCHERS_PER_ANSWER_MAX).encode().unwrap();
    assert!(Message::decode(&full).is_ok());
    let over = answer(VOUCHERS_PER_ANSWER_MAX + 1).encode().unwrap();
    let max = VOUCHERS_PER_ANSWER_MAX;
    assert_eq!(Message::decode(&over), Err(WireError::TooLong { got: max + 1, max }));
}

#[test]
fn every_message_has_its_word() {
    assert_eq!(message().name(), "offer");
    let verdict = sign(verdict(), &chain(), &key(1)).unwrap().into_signed();
    assert_eq!(Message::Verdict { verdict, voucher: None, author_voucher: None }.name(), "verdict");
}

fn comes_back<T: Document<Binding = ConcentRef> + PartialEq + core::fmt::Debug>(document: T) {
    let signed = sign(document, &concent(), &key(3)).unwrap();
    let bytes = encode(signed.signed(), MESSAGE_BYTES_MAX).unwrap();
    let read: Signed<T> = decode(&bytes, MESSAGE_BYTES_MAX).unwrap();
    assert_eq!(read.authenticate(&concent()), Ok(signed.clone()));
    let text = serde_json::to_string(signed.signed()).unwrap();
    assert_eq!(serde_json::from_str::<Signed<T>>(&text).unwrap().authenticate(&concent()), Ok(signed));
}

#[test]
fn what_concent_reads_survives_the_wire_and_json() {
    comes_back(promise());
    comes_back(Promise { amount: Wei::MAX, nonce: U256::MAX, deadline: ChainTime((1 << 40) - 1), ..promise() });
    comes_back(receipt());
    comes_back(ruling());
    comes_back(rotation());
    comes_back(CancelRotation { nonce: U256::MAX });
}

proptest! {
    #[test]
    fn every_message_comes_back(message in any_message()) {
        let bytes = message.encode().unwrap();
        prop_assert_eq!(Message::decode(&bytes).unwrap(), message);
    }

    #[test]
    fn every_header_comes_back(header in any_header()) {
        prop_assert_eq!(decode_header(&encode_header(&header).unwrap()).unwrap(), header);
    }

    #[test]
    fn documents_survive_json_too(header in any_header(), message in any_message()) {
        let text = serde_json::to_string(&header).unwrap();
        prop_assert_eq!(serde_json::from_str::<Signed<Header>>(&text).unwrap(), header);
        let text = serde_json::to_string(&message).unwrap();
        prop_assert_eq!(serde_json::from_str::<Message>(&text).unwrap(), message);
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        drop(Message::decode(&bytes));
        drop(decode_header(&bytes));
        let versioned = [&[WIRE_VERSION], &bytes[..]].concat();
        drop(Message::decode(&versioned));
        drop(decode_header(&versioned));
    }

    #[test]
    fn damaged_messages_never_panic_anywhere(message in any_message(), at in any::<usize>(), byte in any::<u8>()) {
        let mut bytes = message.encode().unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(Message::Report(report)) = Message::decode(&bytes) {
            drop(report.authenticate(&chain()));
        }
    }
}
