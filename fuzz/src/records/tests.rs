//! That the target sees what it is for: a difference is a finding, and no entry of the list is idle.

use super::rules::RULES;
use super::sides::Class;
use super::*;

/// A story of `suite` and `side`, in which nothing has happened.
fn story(suite: u8, side: u8) -> Story {
    Story::new(&mut Choices::new(&[suite, side]))
}

/// A record as the forger makes it of these choices.
fn forged(story: &mut Story, choices: &[u8]) -> Vec<u8> {
    let Sender::Forger(forger) = &mut story.sender else { panic!("nobody forges") };
    let (recipe, mut record) = (forger.recipe(&mut Choices::new(choices)), Vec::new());
    forger.seal(&recipe, &mut record);
    record
}

#[test]
fn what_is_said_first_is_the_same_on_both_sides() {
    for suite in Suite::ALL {
        for side in [Side::Server, Side::Client] {
            let mut ours = Ours::new(suite, side);
            let mut theirs = Theirs::new(Handshake::of(suite), side);
            assert_eq!(ours.say(b"word"), [(DATA, b"word".to_vec())]);
            assert_eq!(theirs.say(b"word"), [(DATA, b"word".to_vec())]);
        }
    }
}

#[test]
fn both_read_the_same_over_new_keys() {
    for (suite, side) in [(0, 0), (1, 1), (2, 0), (2, 1)] {
        let mut story = story(suite, side);
        for choices in [&[0, 9][..], &[8, 0, 4], &[0, 40], &[8, 0, 0], &[0, 254]] {
            let record = forged(&mut story, choices);
            story.hear(&record);
            story.say(&mut Choices::new(&[7]));
        }
        assert!(story.ours.plain == [pattern(9), pattern(40), pattern(1 << 14)].concat());
        assert!(story.rule.is_none());
    }
}

#[test]
#[should_panic(expected = "a difference that no rule expects")]
fn plaintext_of_ours_alone_is_a_finding() {
    let mut story = story(0, 0);
    let record = forged(&mut story, &[0, 9]);
    story.ours.hear(&record);
    story.compare();
}

#[test]
#[should_panic(expected = "a difference that no rule expects")]
fn plaintext_of_theirs_alone_is_a_finding() {
    let mut story = story(1, 1);
    let record = forged(&mut story, &[0, 9]);
    story.theirs.hear(&record);
    story.compare();
}

#[test]
#[should_panic(expected = "a difference that no rule expects")]
fn an_end_of_ours_alone_is_a_finding() {
    let mut story = story(2, 0);
    let close_notify = forged(&mut story, &[5, 0]);
    story.ours.hear(&close_notify);
    assert_eq!(story.ours.end, End::Closed);
    story.compare();
}

#[test]
#[should_panic(expected = "a difference that no rule expects")]
fn another_class_of_alert_is_a_finding() {
    let mut story = story(0, 0);
    story.theirs.hear(&[23, 3, 3, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(story.theirs.end, End::Failed(Class::Decrypt));
    story.ours.end = End::Failed(Class::Decode);
    story.compare();
}

#[test]
#[should_panic(expected = "but RFC 8446 5.2: the version")]
fn an_entry_says_the_class_of_ours_too() {
    let mut story = story(0, 0);
    story.stream = vec![23, 3, 1, 0, 17];
    story.ours.end = End::Failed(Class::Other);
    story.compare();
}

/// Choices for a story each (a client's with AES-128-GCM), in the order of the list.
const BROKEN: &[&[u8]] = &[
    &[0, 0, 5, ODD, 0, 1],
    &[0, 0, 5, ODD, 2, 0],
    &[0, 0, 5, ODD, 3, 0x41, 0x01],
    &[0, 0, 5, ODD, 9],
    &[0, 15, 99],
    &[0, 5, 0, ODD, 10],
    &[0, 5, 6, 40],
    &[0, 5, 3, 0, 12, 4],
    &[0, 0, 0, 0, 12, 32],
    &[0, 8, 3],
    &[0, 8, 0x40, 0, 3],
    &[0, 8, 0, 9, 0, 12, 32],
    &[0, 8, 0, 13, 1],
];
/// Something is wrong besides the content, and nothing is padded.
const ODD: u8 = 0xc0;

#[test]
fn every_entry_of_the_list_is_needed() {
    let reasons: Vec<_> = RULES.iter().map(|rule| rule.reason).collect();
    let needed =
        |choices: &&[u8]| tell(&[&[0, 1, 0], *choices].concat()).rule.map_or("none", |rule| rule.reason);
    assert_eq!(BROKEN.iter().map(needed).collect::<Vec<_>>(), reasons);
}

/// Stories that both end alike, without the list.
const ALIKE: &[(&[u8], End)] = &[
    // Padded to 2^14 + 1 bytes, and to one more.
    (&[0, 0, 5, 2, 8], End::Open),
    (&[0, 0, 5, 2, 9], End::Failed(Class::Other)),
    // A KeyUpdate of a third kind, of two bytes, before another message; 32 of them.
    (&[0, 8, 0, 7, 2], End::Failed(Class::Other)),
    (&[0, 8, 0, 8, 0, 0], End::Failed(Class::Decode)),
    (&[0, 8, 4, 0, 0], End::Failed(Class::Unexpected)),
    (&[0, 8, 0, 0, 0, 12, 31], End::Open),
    // An alert of level 3, one of four bytes, a fatal one, close_notify, four times user_canceled, 32 empty records.
    (&[0, 5, 5, 3, 0], End::Failed(Class::Other)),
    (&[0, 5, 7, 1, 0, 0, 0], End::Failed(Class::Decode)),
    (&[0, 5, 4, 40], End::Failed(Class::Silent)),
    (&[0, 5, 0], End::Closed),
    (&[0, 5, 3, 0, 12, 3], End::Open),
    (&[0, 0, 0, 0, 12, 31], End::Open),
    // A protected ChangeCipherSpec, another key, a bit turned over.
    (&[0, 14], End::Failed(Class::Unexpected)),
    (&[0, 0, 5, ODD, 4], End::Failed(Class::Decrypt)),
    (&[0, 0, 5, ODD, 6, 0, 99], End::Failed(Class::Decrypt)),
    // A ticket with an extension twice, and 32 as they should be.
    (&[0, 8, 0, 12, 2, 2, 0, 2, 0], End::Failed(Class::Other)),
    (&[0, 8, 0, 9, 0, 12, 31], End::Open),
];

#[test]
fn both_end_alike_at_what_rustls_refuses_too() {
    for suite in 0..3 {
        for (choices, end) in ALIKE {
            let story = tell(&[&[suite, 1, 0], *choices].concat());
            assert_eq!((story.ours.end, story.theirs.end), (*end, *end), "{choices:?}");
            assert!(story.rule.is_none(), "{choices:?}");
        }
    }
}
