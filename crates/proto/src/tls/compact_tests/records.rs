//! Sections 5.1 to 5.5: records, their protection, their padding, their number.

use rustls::AlertDescription::{BadRecordMac, DecodeError, RecordOverflow, UnexpectedMessage};

use super::super::{FRAGMENT, Input};
use super::{ALERT, Compact, DATA, HANDSHAKE, HEADER, SUITES, Slot, Story, TAG, direction, told};
use crate::tls::secrets::Suite;

#[test]
fn application_data_comes_and_goes() {
    for suite in SUITES {
        let mut story = Story::new(suite);
        let wire = [story.record(DATA, b"GET a\r\n"), story.record(DATA, b"GET b\r\n")].concat();
        story.takes(&wire);
        assert_eq!(story.plain, b"GET a\r\nGET b\r\n", "of many records it lies in a row");
        story.says(b"OK\r\n");
        assert_eq!(story.said(), told("OK\r\n"));
        story.says(b"");
        assert_eq!(story.said(), [], "no empty records");
    }
}

/// 5.1: "The record layer fragments information blocks into TLSPlaintext records carrying data in chunks of 2^14 bytes
/// or less."
#[test]
fn long_replies_take_several_records() {
    for suite in SUITES {
        let mut story = Story::new(suite);
        for length in [FRAGMENT - 1, FRAGMENT, FRAGMENT + 1, 3 * FRAGMENT, 5 * FRAGMENT + 7] {
            story.says(&vec![b'x'; length]);
            let lengths: Vec<usize> = story.said().iter().map(|(_, content)| content.len()).collect();
            assert_eq!(lengths.iter().sum::<usize>(), length);
            assert_eq!(lengths.len(), length.div_ceil(FRAGMENT));
            assert!(lengths.iter().all(|length| *length <= FRAGMENT));
        }
    }
}

/// 5.1: "Zero-length fragments of Application Data MAY be sent".
#[test]
fn empty_records_are_taken_but_not_for_ever() {
    let mut story = Story::new(Suite::Aes128Gcm);
    for _ in 0..3 {
        (0..32).for_each(|_| story.takes_record(DATA, b""));
        story.takes_record(DATA, b"x");
    }
    (0..32).for_each(|_| story.takes_record(DATA, b""));
    assert_eq!(story.plain, b"xxx");
    story.refuses_record(DATA, b"", UnexpectedMessage);
}

/// 5: "If a TLS implementation receives an unexpected record type, it MUST terminate the connection with an
/// "unexpected_message" alert", "a protected change_cipher_spec record" among them.
#[test]
fn other_types_inside_are_unexpected() {
    for kind in [1, 19, 20, 24, 25, 26, 255] {
        Story::new(Suite::Aes128Gcm).refuses_record(kind, &[1], UnexpectedMessage);
    }
}

/// 5.2: "The outer opaque_type field of a TLSCiphertext record is always set to the value 23 (application_data)".
#[test]
fn other_types_outside_are_unexpected_however_well_they_are_sealed() {
    for kind in [0, 20, 21, 22, 24, 255] {
        let mut story = Story::new(Suite::Aes128Gcm);
        let record = story.under([kind, 3, 3, 0, 18], &[b'x', DATA]);
        story.refuses(&record, Some(UnexpectedMessage));
    }
    // What was allowed in the handshake, and alerts in the clear.
    for clear in [&[20, 3, 3, 0, 1, 1][..], &[21, 3, 3, 0, 2, 2, 40], &[21, 3, 3, 0, 2, 1, 0]] {
        let mut story = Story::new(Suite::Aes128Gcm);
        story.refuses(clear, Some(UnexpectedMessage));
    }
}

/// 5.2: "The legacy_record_version field is always 0x0303."
#[test]
fn other_versions_are_refused() {
    for version in [[3, 1], [3, 4], [2, 3], [0, 0]] {
        let mut story = Story::new(Suite::Aes128Gcm);
        let record = story.under([DATA, version[0], version[1], 0, 18], &[b'x', DATA]);
        story.refuses(&record, Some(DecodeError));
    }
}

/// 5.2: "The length MUST NOT exceed 2^14 + 256 bytes."
#[test]
fn a_record_that_announces_too_much_is_refused_before_it_comes() {
    let mut story = Story::new(Suite::Aes128Gcm);
    assert_eq!(story.hear(&[DATA, 3, 3, 0x41, 0]), Ok(0), "2^14 + 256");
    for header in [[DATA, 3, 3, 0x41, 1], [DATA, 3, 3, 255, 255]] {
        let mut story = Story::new(Suite::Aes128Gcm);
        story.refuses(&header, Some(RecordOverflow));
    }
}

/// 5.4: "the full encoded TLSInnerPlaintext MUST NOT exceed 2^14 + 1 octets".
#[test]
fn a_plaintext_has_2_to_the_14th_bytes_at_most() {
    for suite in SUITES {
        let mut story = Story::new(suite);
        story.takes_record(DATA, &[b'x'; FRAGMENT]);
        assert_eq!(story.plain.len(), FRAGMENT);
        for inner in [[b'x'; FRAGMENT + 1].to_vec(), [b'x'; FRAGMENT - 7].to_vec()] {
            let mut story = Story::new(suite);
            let mut inner = [&inner[..], &[DATA]].concat();
            inner.resize(FRAGMENT + 2, 0);
            let record = story.inner(&inner);
            story.refuses(&record, Some(RecordOverflow));
        }
        let mut story = Story::new(suite);
        let record = story.inner(&[0; FRAGMENT + 256 - TAG]);
        story.refuses(&record, Some(RecordOverflow));
    }
}

/// 5.2: "If the decryption fails, the receiver MUST terminate the connection with a "bad_record_mac" alert."
#[test]
fn every_changed_bit_is_a_bad_record() {
    for suite in SUITES {
        let length = HEADER + 3 + 1 + TAG;
        for byte in HEADER..length {
            let mut story = Story::new(suite);
            story.takes_record(DATA, b"before");
            let mut record = story.record(DATA, b"abc");
            assert_eq!(record.len(), length);
            record[byte] ^= 1 << (byte % 8);
            story.refuses(&record, Some(BadRecordMac));
            assert_eq!(story.plain, b"before");
        }
    }
}

#[test]
fn what_is_too_short_for_a_tag_is_a_bad_record() {
    for length in 0..u8::try_from(TAG).unwrap() {
        let mut story = Story::new(Suite::Aes128Gcm);
        let record = [&[DATA, 3, 3, 0, length][..], &vec![7; usize::from(length)]].concat();
        story.refuses(&record, Some(BadRecordMac));
    }
}

/// 5.3: the sequence number is in the nonce, so that no record can be taken twice, left out or moved.
#[test]
fn records_come_once_and_in_their_order() {
    for suite in SUITES {
        let mut story = Story::new(suite);
        let (first, second) = (story.record(DATA, b"1"), story.record(DATA, b"2"));
        story.takes(&first);
        story.refuses(&first, Some(BadRecordMac));
        let mut story = Story::new(suite);
        story.refuses(&second, Some(BadRecordMac));
    }
}

/// 5.3: "If a TLS implementation would need to wrap a sequence number, it MUST either rekey (Section 4.6.3) or terminate
/// the connection."
#[test]
fn no_sequence_number_comes_again() {
    let mut story = Story::new(Suite::ChaCha20Poly1305);
    for direction in [&mut story.hand, &mut story.layer.opening] {
        direction.set_sequence(u64::MAX - 1);
    }
    story.takes_record(DATA, b"last");
    let wire = [&[DATA, 3, 3, 0, 18][..], &[0; 18]].concat();
    assert!(story.hear(&wire).unwrap_err().contains("last record"));

    let mut story = Story::new(Suite::ChaCha20Poly1305);
    for direction in [&mut story.ear, &mut story.layer.sealing] {
        direction.set_sequence(u64::MAX - 2);
    }
    story.says(b"last but one");
    story.says(b"with a key behind it");
    assert_eq!(story.said().len(), 3, "it rekeys");
    story.layer.sealing.set_sequence(u64::MAX);
    assert!(story.layer.close(&mut story.slot, &mut story.sealed).is_err());
    assert!(story.sealed.is_empty());
    story.is_silent(b"");
}

/// 5.4: "An arbitrary-length run of zero-valued bytes may appear in the cleartext after the type field."
#[test]
fn padding_is_taken_away() {
    for suite in SUITES {
        let mut story = Story::new(suite);
        for zeros in [1, 2, 100, FRAGMENT - 5] {
            let inner = [&b"text\0"[..], &[DATA], &vec![0; zeros]].concat();
            let record = story.inner(&inner);
            story.takes(&record);
            assert_eq!(std::mem::take(&mut story.plain), b"text\0", "its own zeros stay");
        }
        let close = story.inner(&[1, 0, ALERT, 0, 0, 0]);
        story.takes(&close);
        assert!(story.layer.peer_closed());
    }
}

/// 5.4: "If a receiving implementation does not find a non-zero octet in the cleartext, it MUST terminate the connection
/// with an "unexpected_message" alert."
#[test]
fn nothing_but_padding_is_unexpected() {
    for inner in [&[][..], &[0], &[0; 100], &[0; FRAGMENT + 1]] {
        let mut story = Story::new(Suite::Aes128Gcm);
        let record = story.inner(inner);
        story.refuses(&record, Some(UnexpectedMessage));
    }
}

/// 5.5: "up to 2^24.5 full-size records": a KeyUpdate of our own is the 2^23rd.
#[test]
fn a_key_of_aes_gcm_seals_2_to_the_23rd_records_at_most() {
    for suite in [Suite::Aes128Gcm, Suite::Aes256Gcm] {
        let mut story = Story::new(suite);
        for direction in [&mut story.ear, &mut story.layer.sealing] {
            direction.set_sequence((1 << 23) - 2);
        }
        story.says(&[b'x'; 2 * FRAGMENT]);
        let kinds: Vec<u8> = story.said().iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [DATA, HANDSHAKE, DATA]);
        assert_eq!(story.layer.sealing.sequence(), 1);
        story.says(b"and on");
        assert_eq!(story.said(), told("and on"));
    }
    let mut story = Story::new(Suite::ChaCha20Poly1305);
    for direction in [&mut story.ear, &mut story.layer.sealing] {
        direction.set_sequence((1 << 24) - 1);
    }
    story.says(&[b'x'; 2 * FRAGMENT]);
    assert!(story.said().iter().all(|(kind, _)| *kind == DATA), "it has no such limit");
}

#[test]
fn a_slot_of_another_connection_costs_time_alone() {
    let (mut slot, mut others) = (Slot::default(), [Suite::Aes128Gcm, Suite::Aes256Gcm].map(Story::new));
    for round in 0..3 {
        for story in &mut others {
            let record = story.record(DATA, b"x");
            assert_eq!(story.layer.open(&mut slot, &record, &mut story.plain), Ok(record.len()), "{round}");
            story.layer.seal(&mut slot, b"reply", &mut story.sealed).unwrap();
            assert_eq!(story.said(), told("reply"));
        }
    }
}

/// RFC 8446 6.2: "MUST forget the secret values and keys established in failed connections".
#[test]
fn a_failed_connection_forgets_its_keys() {
    let mut story = Story::new(Suite::Aes128Gcm);
    story.refuses_record(99, b"", UnexpectedMessage);
    let Compact { opening, sealing, input, .. } = &story.layer;
    assert_eq!(*input, Input::Failed);
    let nothing = crate::tls::secrets::Direction::nothing();
    assert!(opening.is_same(&nothing) && sealing.is_same(&nothing));
    assert!(!direction(Suite::Aes128Gcm, 1).is_same(&nothing));
}

/// RFC 8448 section 3: its keys, its records.
#[test]
fn the_records_of_rfc_8448() {
    let suite = Suite::Aes128Gcm;
    let client = "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5";
    let server = "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643";
    let data = "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b62974e\
                1f5a6292a2977014bd1e3deae63aeebb21694915e4";
    let reply = "17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb501a59a8fcc49c4b\
                 f2e5f0a21c0047c2abf332540dd032e167c2955d";
    let goodbye = "1703030013c9872760655666b74d7ff1153efd6db6d0b0e3";
    let answer = "1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9";
    let mut story = Story::new(suite);
    story.layer.opening = super::Direction::new(suite, &bytes(client)).unwrap();
    story.layer.sealing = super::Direction::new(suite, &bytes(server)).unwrap();
    story.layer.sealing.set_sequence(1); // its session ticket was sealed before
    let payload: Vec<u8> = (0..50).collect();
    story.takes(&bytes(data));
    assert_eq!(story.plain, payload);
    story.says(&payload);
    assert_eq!(std::mem::take(&mut story.sealed), bytes(reply));
    story.takes(&bytes(goodbye));
    assert!(story.layer.peer_closed());
    story.layer.close(&mut story.slot, &mut story.sealed).unwrap();
    assert_eq!(std::mem::take(&mut story.sealed), bytes(answer));
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().map(|digit| digit.to_digit(16).unwrap()).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}
