use crate::record::{RECORD_VERSION, RecordError, decode_record, encode_record};

#[test]
fn refuses_records_of_another_version_and_says_which() {
    let mut bytes = encode_record(&7u32, 64).unwrap();
    for version in [0, RECORD_VERSION + 1, 255] {
        bytes[0] = version;
        let refused = decode_record::<u32>(&bytes, 64).unwrap_err();
        assert_eq!(refused, RecordError::Version { got: version, ours: RECORD_VERSION });
        let text = format!("it has version {version}, and this golem reads version {RECORD_VERSION}");
        assert_eq!(refused.to_string(), text);
    }
}

#[test]
fn refuses_records_that_are_cut_short_or_too_long_or_go_on() {
    let bytes = encode_record(&300u32, 64).unwrap();
    for length in 0..bytes.len() {
        assert_eq!(decode_record::<u32>(&bytes[..length], 64), Err(RecordError::Malformed), "{length}");
    }
    assert_eq!(decode_record::<u32>(&[&bytes[..], &[0]].concat(), 64), Err(RecordError::TrailingBytes(1)));
    assert_eq!(decode_record::<u32>(&bytes, 2), Err(RecordError::TooLarge { got: 3, max: 2 }));
    assert_eq!(encode_record(&300u32, 2), Err(RecordError::TooLarge { got: 3, max: 2 }));
}

/// What folders hold that are there already: another first byte would shut them all.
#[test]
fn records_are_written_as_those_of_before() {
    assert_eq!(encode_record(&(300u32, "golem", Some(1u8)), 64).unwrap(), b"\x02\xac\x02\x05golem\x01\x01");
    assert_eq!(decode_record::<u32>(&[2, 0xac, 0x02], 64), Ok(300));
}
