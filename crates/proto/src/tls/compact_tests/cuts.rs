//! A stream of records cut at every byte is heard as if it came whole.

use super::{ALERT, DATA, HANDSHAKE, SUITES, Story};
use crate::tls::secrets::Suite;

/// Data, an empty record, padding, new keys, a warning, more data, the end.
fn stream(suite: Suite) -> (Story, Vec<u8>) {
    let mut story = Story::new(suite);
    let mut wire = story.record(DATA, b"first");
    wire.extend(story.record(DATA, b""));
    wire.extend(story.inner(&[b'x', DATA, 0, 0, 0]));
    wire.extend(story.record(HANDSHAKE, &[24, 0, 0, 1, 1]));
    story.hand.update(suite).unwrap();
    wire.extend(story.record(ALERT, &[1, 90]));
    wire.extend(story.record(DATA, b"second"));
    wire.extend(story.record(ALERT, &[1, 0]));
    (story, wire)
}

/// As a driver does: what is not done with comes again, before what is new.
fn hear(story: &mut Story, wire: &[u8], pieces: impl IntoIterator<Item = usize>) {
    let (mut at, mut left) = (0, Vec::new());
    for piece in pieces {
        let end = (at + piece).min(wire.len());
        left.extend_from_slice(&wire[at..end]);
        at = end;
        let used = story.hear(&left).unwrap();
        left.drain(..used);
    }
    assert!(left.is_empty() && at == wire.len());
    assert_eq!(story.plain, b"firstxsecond");
    assert!(story.layer.peer_closed());
    story.says(b"reply");
    assert_eq!(story.said(), [(HANDSHAKE, vec![24, 0, 0, 1, 0]), (DATA, b"reply".to_vec())]);
}

#[test]
fn two_pieces_at_every_byte() {
    for suite in SUITES {
        for cut in 0..=stream(suite).1.len() {
            let (mut story, wire) = stream(suite);
            let rest = wire.len() - cut;
            hear(&mut story, &wire, [cut, rest]);
        }
    }
}

#[test]
fn every_byte_on_its_own() {
    for suite in SUITES {
        let (mut story, wire) = stream(suite);
        let pieces = vec![1; wire.len()];
        hear(&mut story, &wire, pieces);
    }
}

/// A peer that falls silent within a record leaves what was there before it.
#[test]
fn what_is_not_whole_waits() {
    let (mut story, wire) = stream(Suite::Aes128Gcm);
    let first = 5 + 5 + 1 + 16;
    for cut in 0..first {
        assert_eq!(story.hear(&wire[..cut]), Ok(0));
        assert!(story.plain.is_empty());
    }
    assert_eq!(story.hear(&wire[..first + 3]), Ok(first));
    assert_eq!(story.plain, b"first");
}
