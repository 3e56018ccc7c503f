//! Sections 4.6.3, 5.1, 7.2: handshake messages after the handshake, as a server hears them.

use rustls::AlertDescription::{DecodeError, IllegalParameter, UnexpectedMessage};

use super::{DATA, HANDSHAKE, SUITES, Story, told};
use crate::tls::secrets::Suite;

const UPDATE: [u8; 5] = [24, 0, 0, 1, 0];
const UPDATE_REQUESTED: [u8; 5] = [24, 0, 0, 1, 1];

/// 4.6.3: "Both sender and receiver MUST encrypt their KeyUpdate messages with the old keys."
#[test]
fn their_new_keys_are_taken() {
    for suite in SUITES {
        let mut story = Story::new(suite);
        for round in 0..4 {
            story.updates(&UPDATE);
            story.takes_record(DATA, b"new keys");
            assert_eq!(story.plain.len(), 8 * (round + 1));
        }
        story.says(b"reply");
        assert_eq!(story.said(), told("reply"), "none was asked for");
    }
}

#[test]
fn the_old_key_is_over_with_the_update() {
    for suite in SUITES {
        let mut story = Story::new(suite);
        story.takes_record(HANDSHAKE, &UPDATE);
        let old = story.record(DATA, b"old");
        assert!(story.hear(&old).is_err());
        assert!(story.plain.is_empty());
    }
}

/// 4.6.3: the KeyUpdate that is asked for comes "prior to sending its next Application Data record".
#[test]
fn new_keys_are_answered_before_the_next_reply_once() {
    for suite in SUITES {
        let mut story = Story::new(suite);
        for _ in 0..3 {
            story.updates(&UPDATE_REQUESTED);
        }
        story.says(b"reply");
        assert_eq!(story.said(), [(HANDSHAKE, UPDATE.to_vec()), (DATA, b"reply".to_vec())]);
        story.says(b"next");
        assert_eq!(story.said(), told("next"));
        story.updates(&UPDATE_REQUESTED);
        story.says(b"");
        assert_eq!(story.said(), [(HANDSHAKE, UPDATE.to_vec())], "without a reply too");
        story.takes_record(DATA, b"both have new keys");
    }
}

#[test]
fn new_keys_within_one_read() {
    let mut story = Story::new(Suite::Aes256Gcm);
    let mut wire = story.record(DATA, b"one ");
    for word in [b"two ", b"thr ", b"four"] {
        wire.extend(story.record(HANDSHAKE, &UPDATE));
        story.hand.update(story.suite).unwrap();
        wire.extend(story.record(DATA, word));
    }
    story.takes(&wire);
    assert_eq!(story.plain, b"one two thr four");
}

/// 4.6.3: "If an implementation receives any other value, it MUST terminate the connection with an "illegal_parameter"
/// alert."
#[test]
fn a_key_update_of_an_unknown_kind_is_illegal() {
    for request in 2..=255 {
        Story::new(Suite::Aes128Gcm).refuses_record(HANDSHAKE, &[24, 0, 0, 1, request], IllegalParameter);
    }
}

/// 6.2: decode_error: "the length of the message was incorrect".
#[test]
fn a_key_update_of_another_length_cannot_be_decoded() {
    for message in [&[24, 0, 0, 0][..], &[24, 0, 0, 2, 0, 0], &[24, 0, 1, 0]] {
        let message = [message, &vec![0; if message[2] == 1 { 256 } else { 0 }]].concat();
        Story::new(Suite::Aes128Gcm).refuses_record(HANDSHAKE, &message, DecodeError);
    }
}

/// 5.1: "Implementations MUST verify that all messages immediately preceding a key change align with a record boundary".
#[test]
fn a_key_update_ends_its_record() {
    for behind in [&[0][..], &[24], &UPDATE] {
        let mut story = Story::new(Suite::Aes128Gcm);
        let content = [&UPDATE[..], behind].concat();
        story.refuses_record(HANDSHAKE, &content, UnexpectedMessage);
    }
}

/// 5.1 allows pieces; nobody cuts five bytes, and we keep nothing to put them together in.
#[test]
fn a_message_in_pieces_is_refused() {
    for cut in 1..UPDATE.len() {
        Story::new(Suite::Aes128Gcm).refuses_record(HANDSHAKE, &UPDATE[..cut], UnexpectedMessage);
    }
    Story::new(Suite::Aes128Gcm).refuses_record(HANDSHAKE, &[24, 255, 255, 255, 0], UnexpectedMessage);
}

/// 5.4: "Implementations MUST NOT send Handshake and Alert records that have a zero-length TLSInnerPlaintext.content".
#[test]
fn an_empty_handshake_record_is_unexpected() {
    Story::new(Suite::Aes128Gcm).refuses_record(HANDSHAKE, b"", UnexpectedMessage);
}

/// 4.6: only a KeyUpdate comes to a server that asked for nothing.
#[test]
fn every_other_message_to_a_server_is_unexpected() {
    for kind in (0..=255).filter(|kind| *kind != 24) {
        Story::new(Suite::Aes128Gcm).refuses_record(HANDSHAKE, &[kind, 0, 0, 1, 0], UnexpectedMessage);
    }
}

#[test]
fn new_keys_come_32_times_in_a_row_without_data() {
    let mut story = Story::new(Suite::Aes128Gcm);
    for _ in 0..2 {
        (0..32).for_each(|_| story.updates(&UPDATE_REQUESTED));
        story.takes_record(DATA, b"");
        let more = story.layer.messages.left;
        assert_eq!(more, 0, "an empty record is no data");
        story.takes_record(DATA, b"x");
    }
    (0..32).for_each(|_| story.updates(&UPDATE));
    story.refuses_record(HANDSHAKE, &UPDATE, UnexpectedMessage);
}
