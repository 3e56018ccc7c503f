//! What a WATCH tells its client over a connection: each change, in order, at the client's pace.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pinwire_documents::{
    Asked, Changes, Document, Embedded, Id, Limits, Listing, Memory, Page, Store, StoreError, Version, Wanted,
};
use tokio::sync::watch;

use crate::commands::Late;
use crate::common::{Client, done, id};

impl Client {
    fn watch(&mut self, sequence: &str, line: &str, from: Option<&str>) {
        let headers: Vec<_> = from.map(|from| ("From", from)).into_iter().collect();
        self.begin(sequence, line, &headers, None);
    }

    /// "at 6", "7 put a one", "8 delete a", or an error.
    fn part(&mut self, sequence: &str) -> String {
        let part = self.hear(sequence);
        assert_eq!(part.more, part.status.is_ok(), "it ends with an error, and only with one");
        if let Err((code, text)) = part.status {
            return format!("{code}: {text}");
        }
        let headers: Vec<_> = part.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let body = String::from_utf8_lossy(&part.body);
        match headers[..] {
            [("Version", version)] => format!("at {version}{body}"),
            [("Id", id), ("Version", version), ("Change", change)] => {
                format!("{version} {change} {id} {body}").trim_end().to_owned()
            }
            _ => panic!("{headers:?}"),
        }
    }

    fn parts(&mut self, sequence: &str, number: usize) -> Vec<String> {
        (0..number).map(|_| self.part(sequence)).collect()
    }

    /// Takes the watch back. Nothing else has come for it: CANCEL is dealt with behind it.
    fn nothing_more(&mut self, sequence: &str) {
        self.begin("c", &format!("CANCEL {sequence}"), &[], None);
        assert_eq!(self.part(sequence), "cancelled: ");
    }
}

/// Tells a story of every store, and of one that answers late.
fn each(story: impl Fn(Client)) {
    story(Client::of(Memory::new()));
    story(Client::of(Late(Memory::new())));
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str, limits| Embedded::open(folder.path().join(name), limits).unwrap();
    story(Client::of(open("documents.redb", Limits::default())));
    let limits = Limits { recent: 1, recent_bytes: 1, reread_bytes: 1, ..Limits::default() };
    story(Client::of(open("forgetful.redb", limits)));
}

#[test]
fn changes_come_as_they_are_made_by_others_and_by_oneself() {
    each(|mut client| {
        let mut other = client.another();
        other.put("before", "x", None);
        client.watch("w", "WATCH", None);
        assert_eq!(client.part("w"), "at 1");
        other.put("a", "one", None);
        assert_eq!(client.part("w"), "2 put a one");
        client.put("b", "", None);
        assert_eq!(client.part("w"), "3 put b");
        other.ask("DELETE a", &[], None);
        client.ask("DELETE a", &[], None);
        client.put("b", "no", Some("99"));
        other.put("a", "again", None);
        assert_eq!(client.parts("w", 2), ["4 delete a", "5 put a again"]);
        client.nothing_more("w");
    });
}

#[test]
fn from_a_version_on_nothing_is_left_out_and_nothing_comes_twice() {
    each(|mut client| {
        for number in 1..=50 {
            client.put(&format!("n/{}", number % 3), &number.to_string(), None);
        }
        let expected = |from| (from..=50).map(|number| format!("{number} put n/{} {number}", number % 3));
        for (sequence, from) in [("a", 1), ("b", 17), ("c", 50), ("d", 51)] {
            client.watch(sequence, "WATCH n/", Some(&from.to_string()));
            assert_eq!(client.part(sequence), format!("at {}", from - 1));
            assert!(expected(from).eq(client.parts(sequence, 51 - from)));
        }
        client.watch("zero", "WATCH", Some("0"));
        assert_eq!(client.parts("zero", 2), ["at 0", "1 put n/1 1"], "there is no version 0: from the first");
        client.put("n/4", "51", None);
        for sequence in ["a", "b", "c", "d"] {
            assert_eq!(client.part(sequence), "51 put n/4 51");
            client.nothing_more(sequence);
        }
    });
}

#[test]
fn from_is_at_most_one_more_than_the_newest() {
    each(|mut client| {
        client.watch("new", "WATCH", Some("1"));
        assert_eq!(client.part("new"), "at 0");
        client.put("a", "", None);
        client.watch("ahead", "WATCH", Some("3"));
        let ahead =
            "bad-arguments: From: 3 is ahead of the store: its newest version is 1, From is at most one more";
        assert_eq!(client.part("ahead"), ahead);
        client.watch("ahead", "WATCH none", Some("9999999999999999999"));
        assert!(client.part("ahead").contains("its newest version is 1"));
        client.watch("next", "WATCH", Some("2"));
        assert_eq!(client.part("next"), "at 1");
    });
}

#[test]
fn each_watch_has_its_prefix() {
    each(|mut client| {
        client.watch("a", "WATCH a/", None);
        client.watch("b", "watch b", None);
        client.watch("ab", "WATCH a/b", None);
        for sequence in ["a", "b", "ab"] {
            assert_eq!(client.part(sequence), "at 0");
        }
        for name in ["a", "a/1", "b", "a/b", "A/1", "b/1"] {
            client.put(name, "", None);
        }
        client.ask("DELETE a/b", &[], None);
        assert_eq!(client.parts("a", 3), ["2 put a/1", "4 put a/b", "7 delete a/b"]);
        assert_eq!(client.parts("b", 2), ["3 put b", "6 put b/1"]);
        assert_eq!(client.parts("ab", 2), ["4 put a/b", "7 delete a/b"]);
        ["a", "b", "ab"].into_iter().for_each(|sequence| client.nothing_more(sequence));
    });
}

/// Whoever watches what never changes is told how far it is: its From is never older than the history for that.
#[test]
fn a_watch_that_many_changes_do_not_concern_says_how_far_it_is() {
    each(|mut client| {
        client.watch("quiet", "WATCH mine", None);
        client.watch("busy", "WATCH other", None);
        assert_eq!((client.part("quiet"), client.part("busy")), ("at 0".to_owned(), "at 0".to_owned()));
        for number in 1..=1_100 {
            client.put("other", "", None);
            assert_eq!(client.part("busy"), format!("{number} put other"), "and nothing between them");
        }
        client.put("mine", "", None);
        let at = client.part("quiet");
        let at: u64 = at.strip_prefix("at ").expect("how far it is").parse().unwrap();
        assert!((1_000..=1_100).contains(&at), "{at}");
        assert_eq!(client.part("quiet"), "1101 put mine");
    });
}

/// The watch begins while others write: what it says it stands at is where its changes begin.
#[test]
fn nothing_is_lost_between_the_first_part_and_the_first_wait() {
    each(|mut client| {
        let mut other = client.another();
        let writer = std::thread::spawn(move || {
            for number in 0..300 {
                other.put("n", &number.to_string(), None);
            }
        });
        for sequence in 0..20 {
            let sequence = format!("w{sequence}");
            client.watch(&sequence, "WATCH", None);
            let at = client.part(&sequence);
            let at: u64 = at.strip_prefix("at ").unwrap().parse().unwrap();
            for version in at + 1..=(at + 5).min(300) {
                assert_eq!(client.part(&sequence), format!("{version} put n {}", version - 1));
            }
            client.begin("c", &format!("CANCEL {sequence}"), &[], None);
        }
        writer.join().unwrap();
    });
}

#[test]
fn a_watcher_that_does_not_read_has_all_of_it_in_order_when_it_does() {
    each(|mut client| {
        let mut other = client.another();
        client.watch("w", "WATCH", None);
        assert_eq!(client.part("w"), "at 0");
        // More than the connection's sockets and its unsent replies hold: 1,000 changes of 8 KiB.
        let body = "x".repeat(8 * 1024);
        for number in 1..=1_000 {
            other.begin(&number.to_string(), &format!("PUT n/{number}"), &[], Some(body.as_bytes()));
        }
        (1..=1_000).for_each(|number| assert!(other.hear(&number.to_string()).status.is_ok()));
        for version in 1..=1_000 {
            assert_eq!(client.part("w"), format!("{version} put n/{version} {body}"));
        }
        client.nothing_more("w");
    });
}

#[test]
fn a_watcher_whom_history_has_passed_is_told_what_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { history: 5, ..Limits::default() };
    let embedded = Embedded::open(folder.path().join("documents.redb"), limits).unwrap();
    let stores: [Arc<dyn Store>; 2] =
        [Arc::new(Memory::new().remembering_at_most(5, u64::MAX)), Arc::new(embedded)];
    for store in stores {
        let mut client = Client::of(store);
        let mut other = client.another();
        client.watch("w", "WATCH", None);
        assert_eq!(client.part("w"), "at 0");
        // Sixty-four times what may be unsent: the sockets hold some of it too.
        let body = "x".repeat(1024 * 1024);
        (0..64).for_each(|_| assert_eq!(other.put("n", &body, None).status, "OK"));
        let gone = "history-gone: the oldest change that is kept is version 60; what came before it is gone";
        let mut version = 0;
        let last = loop {
            version += 1;
            let part = client.part("w");
            if part != format!("{version} put n {body}") {
                break part;
            }
        };
        assert_eq!(last, gone);
        assert!((2..60).contains(&version), "{version}");
        client.watch("w", "WATCH", Some("59"));
        assert_eq!(client.part("w"), gone);
        client.watch("w", "WATCH", Some("60"));
        assert_eq!(client.part("w"), "at 59");
    }
}

#[test]
fn a_cancelled_watch_is_over_and_its_sequence_free() {
    each(|mut client| {
        client.watch("w", "WATCH", None);
        assert_eq!(client.part("w"), "at 0");
        client.begin("c", "CANCEL w", &[], None);
        client.put("a", "", None);
        assert_eq!(client.part("w"), "cancelled: ");
        client.watch("w", "WATCH", Some("1"));
        assert_eq!(client.parts("w", 2), ["at 0", "1 put a"]);
    });
}

#[test]
fn a_watch_ends_at_its_timeout() {
    let mut client = Client::of(Memory::new());
    client.begin_within(Duration::from_millis(50), "w", "WATCH");
    assert_eq!(client.part("w"), "at 0");
    assert!(client.part("w").starts_with("timed-out"));
}

#[test]
fn the_largest_bodies_come_whole() {
    each(|mut client| {
        let mut other = client.another();
        client.watch("w", "WATCH", None);
        assert_eq!(client.part("w"), "at 0");
        let body = |letter: &str| letter.repeat(1024 * 1024);
        for (version, letter) in (1..).zip(["a", "b", "c"]) {
            assert_eq!(other.put(letter, &body(letter), None).status, "OK", "{version}");
        }
        for (version, letter) in (1..).zip(["a", "b", "c"]) {
            assert!(client.part("w") == format!("{version} put {letter} {}", body(letter)));
        }
    });
}

#[test]
fn a_watch_without_a_sequence_is_nothing() {
    let mut client = Client::of(Memory::new());
    client.one_way("WATCH");
    assert_eq!(client.put("a", "", None).status, "OK");
    let help = client.ask("HELP", &[], None);
    assert!(String::from_utf8(help.body).unwrap().lines().any(|line| line == "WATCH"));
}

#[test]
fn a_store_that_fails_ends_the_watch_and_one_that_is_overloaded_does_not() {
    let overloaded =
        |times| Hindered { left: AtomicUsize::new(times), trouble: StoreError::Overloaded, in_it: full() };
    let mut client = Client::of(overloaded(3));
    client.watch("w", "WATCH", Some("1"));
    assert_eq!(client.parts("w", 3), ["at 0", "1 put a one", "2 put b two"]);
    let trouble = StoreError::Broken("secret".to_owned());
    let mut client = Client::of(Hindered { left: AtomicUsize::new(1), trouble, in_it: full() });
    client.watch("w", "WATCH", Some("1"));
    assert_eq!(client.part("w"), "failed: the store failed; the server's log says how");
    client.watch("w", "WATCH", Some("2"));
    assert_eq!(client.parts("w", 2), ["at 1", "2 put b two"]);
}

fn full() -> Memory {
    let store = Memory::new();
    assert_eq!(done(store.put(id("a"), b"one", None)), Ok(1));
    assert_eq!(done(store.put(id("b"), b"two", None)), Ok(2));
    store
}

/// A store that has its trouble so many times when it is asked for changes.
struct Hindered {
    left: AtomicUsize,
    trouble: StoreError,
    in_it: Memory,
}

impl Store for Hindered {
    fn get(&self, id: Id<'_>) -> Asked<Option<Document>> {
        self.in_it.get(id)
    }
    fn put(&self, id: Id<'_>, body: &[u8], expected: Option<Version>) -> Asked<Version> {
        self.in_it.put(id, body, expected)
    }
    fn delete(&self, id: Id<'_>, expected: Option<Version>) -> Asked<Version> {
        self.in_it.delete(id, expected)
    }
    fn list(&self, listing: &Listing<'_>) -> Asked<Page> {
        self.in_it.list(listing)
    }
    fn changes(&self, wanted: &Wanted<'_>) -> Asked<Changes> {
        let less = |left: usize| left.checked_sub(1);
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less) {
            Ok(_) => Asked::Now(Err(self.trouble.clone())),
            Err(_) => self.in_it.changes(wanted),
        }
    }
    fn newest(&self) -> watch::Receiver<Version> {
        self.in_it.newest()
    }
}
