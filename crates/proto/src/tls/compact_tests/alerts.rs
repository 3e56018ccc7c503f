//! Sections 6, 6.1, 6.2: alerts, theirs and ours.

use rustls::AlertDescription::{self, DecodeError, IllegalParameter, UnexpectedMessage};

use super::{ALERT, DATA, SUITES, Story, told};
use crate::tls::secrets::Suite;

const CLOSE_NOTIFY: [u8; 2] = [1, 0];
const USER_CANCELED: [u8; 2] = [1, 90];

/// 6.1: "Any data received after a closure alert has been received MUST be ignored."
#[test]
fn nothing_is_heard_after_close_notify() {
    for suite in SUITES {
        let mut story = Story::new(suite);
        let (data, close) = (story.record(DATA, b"data"), story.record(ALERT, &CLOSE_NOTIFY));
        let late = story.record(DATA, b"late");
        story.takes(&[&data[..], &close, &late, b"and no record at all"].concat());
        assert!(story.layer.peer_closed());
        story.takes(b"more of that");
        assert_eq!(story.plain, b"data");
        // "This does not have any effect on its read side": theirs is closed, ours is not.
        story.says(b"reply");
        assert_eq!(story.said(), told("reply"));
        story.layer.close(&mut story.slot, &mut story.sealed).unwrap();
        assert_eq!(story.said(), [(ALERT, CLOSE_NOTIFY.to_vec())]);
    }
}

/// 6.1: "Each party MUST send a "close_notify" alert before closing its write side of the connection", which "does not
/// have any effect on its read side".
#[test]
fn nothing_is_said_after_our_close_notify_and_all_is_heard() {
    let mut story = Story::new(Suite::Aes128Gcm);
    story.layer.close(&mut story.slot, &mut story.sealed).unwrap();
    assert_eq!(story.said(), [(ALERT, CLOSE_NOTIFY.to_vec())]);
    story.layer.close(&mut story.slot, &mut story.sealed).unwrap();
    story.says(b"");
    assert!(story.layer.seal(&mut story.slot, b"reply", &mut story.sealed).is_err());
    story.takes_record(DATA, b"still heard");
    story.updates(&[24, 0, 0, 1, 1]);
    story.takes_record(DATA, b", with new keys");
    story.says(b"");
    assert_eq!(story.plain, b"still heard, with new keys");
    let bad = story.record(99, b"");
    assert!(story.hear(&bad).is_err());
    story.layer.alert(&mut story.slot, &mut story.sealed);
    assert_eq!(story.said(), [], "no alert, no KeyUpdate that was asked for");
}

/// 6.1: user_canceled "SHOULD be followed by a "close_notify"".
#[test]
fn user_canceled_is_passed_over_a_few_times() {
    let mut story = Story::new(Suite::Aes128Gcm);
    story.takes_record(ALERT, &USER_CANCELED);
    story.takes_record(DATA, b"data");
    (0..3).for_each(|_| story.takes_record(ALERT, &USER_CANCELED));
    let mut java = Story::new(Suite::Aes128Gcm);
    java.takes_record(ALERT, &USER_CANCELED);
    java.takes_record(ALERT, &CLOSE_NOTIFY);
    assert!(java.layer.peer_closed());
    story.refuses_record(ALERT, &USER_CANCELED, UnexpectedMessage);
}

/// 6: "All the alerts listed in Section 6.2 MUST be [...] treated as error alerts when received regardless of the
/// AlertLevel in the message. Unknown Alert types MUST be treated as error alerts."
#[test]
fn every_other_alert_ends_it_without_a_word() {
    for description in (0..=255).filter(|description| ![0, 90].contains(description)) {
        for level in [1, 2] {
            let mut story = Story::new(Suite::Aes128Gcm);
            let record = story.record(ALERT, &[level, description]);
            let failure = story.refuses(&record, None);
            let name = AlertDescription::from(description);
            assert_eq!(failure, format!("TLS: received fatal alert: {}", named(name)));
        }
    }
    let mut story = Story::new(Suite::Aes128Gcm);
    let record = story.record(ALERT, &[2, 90]);
    story.refuses(&record, None);
}

fn named(description: AlertDescription) -> String {
    let text = rustls::Error::AlertReceived(description).to_string();
    text.trim_start_matches("received fatal alert: ").to_owned()
}

#[test]
fn a_close_notify_closes_at_either_level_and_at_no_other() {
    for level in [1, 2] {
        let mut story = Story::new(Suite::Aes128Gcm);
        story.takes_record(ALERT, &[level, 0]);
        assert!(story.layer.peer_closed());
    }
    for level in [0, 3, 255] {
        Story::new(Suite::Aes128Gcm).refuses_record(ALERT, &[level, 0], IllegalParameter);
    }
}

/// 5.1: "a record with an Alert type MUST contain exactly one message."
#[test]
fn a_record_has_one_alert() {
    for content in [&[1][..], &[1, 0, 1], &[1, 0, 1, 0], &[2; 100]] {
        Story::new(Suite::Aes128Gcm).refuses_record(ALERT, content, DecodeError);
    }
}

/// 5.4: "Handshake and Alert records that have a zero-length TLSInnerPlaintext.content" are unexpected.
#[test]
fn an_empty_alert_is_unexpected() {
    Story::new(Suite::Aes128Gcm).refuses_record(ALERT, b"", UnexpectedMessage);
}
