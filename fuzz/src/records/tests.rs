//! That the target sees what it is for.

use super::*;

#[test]
fn handshakes_are_constant() {
    for suite in Suite::ALL {
        for side in [Side::Server, Side::Client] {
            let handshake = Handshake::of(suite);
            let mut ours = Ours::new(handshake, side, true);
            let mut theirs = Theirs::new(handshake, side, true);
            assert_eq!(ours.say(b"word"), [(DATA, b"word".to_vec())]);
            assert_eq!(theirs.say(b"word"), [(DATA, b"word".to_vec())]);
        }
    }
}
