//! Every rule of settling, on a clock of the test's own and without a file.

use std::time::{Duration, Instant};

use pinwire_proto::trust::{Pin, Sha1};

use super::settle::{Content, Decision, SETTLE, Seen, Settling, Stamp, Unusable};
use super::{TrustFile, TrustFileError};

/// A file that is looked at whenever the test says so.
struct Story {
    settling: Settling<1>,
    file: TrustFile,
    now: Instant,
}

/// What was decided, in few words.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    /// In so many milliseconds.
    Again(u128),
    /// So many entries.
    Used(usize),
    Mended,
    Bad(String),
}

impl Story {
    fn new() -> Self {
        Story {
            settling: Settling::new(),
            file: TrustFile::new("trusted", Sha1::Refuse),
            now: Instant::now(),
        }
    }

    /// The same, with these entries in use.
    fn using(text: &str) -> Self {
        let mut story = Story::new();
        assert!(matches!(story.settle(text), Said::Used(_)), "{text}");
        story
    }

    fn after(&mut self, milliseconds: u64) -> &mut Self {
        self.now += Duration::from_millis(milliseconds);
        self
    }

    fn sees(&mut self, seen: Seen) -> Said {
        let file = &self.file;
        match self.settling.look([seen], self.now, |version| file.judge(version)) {
            Decision::Nothing => Said::Nothing,
            Decision::LookAgain(at) => Said::Again((at - self.now).as_millis()),
            Decision::Use(list) => Said::Used(list.len()),
            Decision::Mended => Said::Mended,
            Decision::Bad(error) => Said::Bad(one(&error)),
        }
    }

    fn reads(&mut self, text: &str) -> Said {
        self.sees(in_place(text, 1, 0))
    }

    /// Looks as often as it is told to.
    fn settle(&mut self, text: &str) -> Said {
        self.settles(in_place(text, 1, 0))
    }

    fn settles(&mut self, seen: Seen) -> Said {
        assert_eq!(self.sees(seen.clone()), Said::Again(200));
        self.after(200).sees(seen)
    }
}

/// The one thing that is wrong.
fn one(error: &TrustFileError) -> String {
    let words = error.words();
    assert_eq!(words.len(), 1, "{words:?}");
    words[0].clone()
}

/// Written at `modified`, in place: everything of it was changed then.
fn in_place(text: &str, inode: u64, modified: i64) -> Seen {
    let stamp = Some(Stamp { inode, modified: (modified, 0), changed: (modified, 0) });
    Ok(Content { bytes: text.into(), stamp, renamed: false })
}

/// Written at 10, renamed at 11, and an event said so.
fn renamed(text: &str, inode: u64) -> Seen {
    let stamp = Some(Stamp { inode, modified: (10, 0), changed: (10, 1) });
    Ok(Content { bytes: text.into(), stamp, renamed: true })
}

fn line(byte: u8) -> String {
    format!("{}  name=client-{byte}\n", Pin::Spki([byte; 32]))
}

#[test]
fn what_is_written_in_place_counts_when_it_was_seen_twice() {
    let mut story = Story::new();
    assert_eq!(story.reads(&line(1)), Said::Again(200));
    assert_eq!(story.after(199).reads(&line(1)), Said::Again(1));
    assert_eq!(story.after(1).reads(&line(1)), Said::Used(1));
    assert_eq!(story.after(1_000).reads(&line(1)), Said::Nothing);
}

#[test]
fn a_file_written_in_two_halves_is_never_used_by_half() {
    let mut story = Story::using(&line(1));
    let (half, whole) = (line(1) + &line(2), line(1) + &line(2) + &line(3));
    assert_eq!(story.after(1_000).reads(&half), Said::Again(200));
    assert_eq!(story.after(100).reads(&whole), Said::Again(200), "another version begins to settle");
    assert_eq!(story.after(199).reads(&whole), Said::Again(1));
    assert_eq!(story.after(1).reads(&whole), Said::Used(3));
}

#[test]
fn a_version_that_comes_and_goes_begins_anew() {
    let mut story = Story::using(&line(1));
    assert_eq!(story.reads(&line(2)), Said::Again(200));
    assert_eq!(story.after(100).reads(&line(1)), Said::Nothing, "what is in use is there again");
    assert_eq!(story.after(100).reads(&line(2)), Said::Again(200));
}

#[test]
fn what_came_by_a_rename_counts_at_once() {
    let mut story = Story::using(&line(1));
    assert_eq!(story.sees(renamed(&line(2), 2)), Said::Used(1));
    assert_eq!(story.sees(renamed("x\n", 3)), Said::Bad("line 1, column 1: 'x' is not a hexadecimal digit; a pin is \"spki-sha256:\" or \"sha256:\" and 64 digits, or 40 digits alone (SHA-1)".into()));
    assert_eq!(story.sees(renamed(&line(2), 4)), Said::Mended);
}

#[test]
fn a_rename_counts_although_the_file_was_seen_before_its_event() {
    let mut story = Story::using(&line(1));
    let Ok(content) = renamed(&line(2), 2) else { unreachable!() };
    assert_eq!(story.sees(Ok(Content { renamed: false, ..content.clone() })), Said::Again(200));
    assert_eq!(story.after(1).sees(Ok(content)), Said::Used(1));
}

#[test]
fn when_a_rename_is_in_doubt_it_settles() {
    let Ok(content) = renamed(&line(2), 2) else { unreachable!() };
    let Some(stamp) = content.stamp else { unreachable!() };
    let doubts = [
        Content { renamed: false, ..content.clone() },
        Content { stamp: None, ..content.clone() },
        Content { stamp: Some(Stamp { inode: 1, ..stamp }), ..content.clone() },
        Content { stamp: Some(Stamp { changed: stamp.modified, ..stamp }), ..content.clone() },
        Content { stamp: Some(Stamp { modified: (12, 0), ..stamp }), ..content.clone() },
    ];
    for doubt in doubts {
        assert_eq!(Story::using(&line(1)).settles(Ok(doubt.clone())), Said::Used(1), "{doubt:?}");
    }
    assert_eq!(Story::new().settles(Ok(content)), Said::Used(1), "another than which?");
}

#[test]
fn a_line_cut_at_any_byte_is_bad_once_and_then_mended() {
    let whole = line(1);
    for cut in 0..whole.len() {
        let mut story = Story::using(&whole);
        let said = story.settle(&whole[..cut]);
        assert!(matches!(said, Said::Bad(_)), "{cut}: {said:?}");
        for _ in 0..3 {
            assert_eq!(story.after(1_000).reads(&whole[..cut]), Said::Nothing, "{cut}: told once");
        }
        assert_eq!(story.settle(&whole), Said::Mended, "{cut}");
        assert_eq!(story.after(1_000).reads(&whole), Said::Nothing);
    }
}

#[test]
fn each_kind_of_bad_version_is_told_in_its_own_words() {
    let cases: [(Seen, &str); 9] = [
        (in_place("", 1, 1), "it has no bytes; expected entries, or a comment"),
        (in_place(line(1).trim_end(), 1, 1), "line 1, column 92: the last line has no line end"),
        (in_place("# x", 1, 1), "line 1, column 4: the last line has no line end"),
        (in_place("\u{1b}[31m\n", 1, 1), "line 1, column 1: '\\u{1b}' is a control character"),
        (Err(Unusable::Missing), "it is not there"),
        (Err(Unusable::NotAFile("a folder")), "a folder stands here, expected a file"),
        (Err(Unusable::Unreadable("Permission denied".into())), "Permission denied"),
        (Err(Unusable::Unsafe("others may write it".into())), "others may write it"),
        (Err(Unusable::TooLarge(5)), "it has more than 5 bytes; is it the right file?"),
    ];
    let mut story = Story::using(&line(1));
    for (seen, words) in cases {
        let Said::Bad(said) = story.settles(seen.clone()) else { panic!("{words}") };
        assert!(said.starts_with(words), "{said}");
        assert_eq!(story.after(1_000).sees(seen), Said::Nothing);
    }
    assert_eq!(story.settle(&line(1)), Said::Mended);
}

#[test]
fn comments_alone_are_a_good_list_of_nobody() {
    assert_eq!(Story::using(&line(1)).settle("# nobody\n"), Said::Used(0));
}

#[test]
fn a_bad_version_is_told_again_only_if_something_was_between() {
    let mut story = Story::using(&line(1));
    assert!(matches!(story.settle("x\n"), Said::Bad(_)));
    assert_eq!(story.after(1_000).sees(in_place("x\n", 1, 99)), Said::Nothing, "touched");
    assert_eq!(
        story.after(1_000).sees(in_place("x\n", 7, -99)),
        Said::Nothing,
        "another file, an older time"
    );
    assert!(matches!(story.settle("y\n"), Said::Bad(_)), "another one");
    assert!(matches!(story.settle("x\n"), Said::Bad(_)), "it differs from the last");
    assert_eq!(story.settle(&line(2)), Said::Used(1), "mended by another list");
    assert!(matches!(story.settle("x\n"), Said::Bad(_)), "it was good in between");
}

#[test]
fn touching_a_good_file_is_nothing_new_and_older_times_are_as_good() {
    let mut story = Story::using(&line(1));
    assert_eq!(story.after(1_000).sees(in_place(&line(1), 1, 99)), Said::Nothing);
    assert_eq!(story.sees(renamed(&line(1), 5)), Said::Nothing);
    assert_eq!(story.settles(in_place(&line(2), 5, -99)), Said::Used(1), "the time went backwards");
}

#[test]
fn a_bad_beginning_waits_for_a_good_end() {
    let mut story = Story::new();
    assert!(matches!(story.settles(Err(Unusable::Missing)), Said::Bad(_)));
    assert_eq!(story.settle(&line(1)), Said::Used(1));
}

#[test]
fn two_files_count_together() {
    let (now, file) = (Instant::now(), |text| in_place(text, 1, 0));
    let judge = |version: &[Result<Vec<u8>, Unusable>; 2]| match version {
        [Ok(a), Ok(b)] if a == b => Ok(a.clone()),
        _ => Err("no pair"),
    };
    let mut settling = Settling::new();
    let mut look = |seen, at| settling.look(seen, now + Duration::from_millis(at), judge);
    assert_eq!(look([file("1"), file("1")], 0), Decision::LookAgain(now + SETTLE));
    assert_eq!(look([file("1"), file("1")], 200), Decision::Use(b"1".to_vec()));
    assert_eq!(look([file("2"), file("1")], 300), Decision::LookAgain(now + Duration::from_millis(500)));
    let both = Decision::LookAgain(now + Duration::from_millis(600));
    assert_eq!(look([file("2"), file("2")], 400), both, "the second half came in time: nobody is told");
    assert_eq!(look([file("2"), file("2")], 600), Decision::Use(b"2".to_vec()));
    look([Err(Unusable::Missing), file("2")], 700);
    assert_eq!(look([Err(Unusable::Missing), file("2")], 900), Decision::Bad("no pair"));
    assert_eq!(
        look([renamed("2", 5), renamed("2", 6)], 901),
        Decision::LookAgain(now + Duration::from_millis(1_101))
    );
    assert_eq!(look([renamed("2", 5), renamed("2", 6)], 1_101), Decision::Mended);
    assert!(
        matches!(look([renamed("3", 7), renamed("2", 6)], 1_102), Decision::LookAgain(_)),
        "one came whole"
    );
}

#[test]
fn the_page_says_how_long_a_file_settles() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/trust.md")).unwrap();
    let words = format!("when it has been the same for {} ms", SETTLE.as_millis());
    assert!(page.contains(&words), "{words}");
}
