//! What every store keeps, told once for all of them.

use std::sync::Arc;

use pinwire_documents::{Embedded, Id, Limits, Listing, Memory, Store, StoreError};

use crate::common::{done, id};

/// Tells a story of every store.
fn each(story: impl Fn(Arc<dyn Store>)) {
    story(Arc::new(Memory::new()));
    let folder = tempfile::tempdir().unwrap();
    story(Arc::new(Embedded::open(folder.path().join("documents.redb"), Limits::default()).unwrap()));
}

fn ids(store: &dyn Store, prefix: &str, after: Option<&str>, at_most: usize) -> (Vec<String>, bool) {
    let page = done(store.list(&Listing { prefix, after: after.map(id), at_most })).unwrap();
    (page.ids.iter().map(|id| id.to_string()).collect(), page.more)
}

#[test]
fn versions_rise_over_the_whole_store() {
    each(|store| {
        let put = |name: &str, body: &[u8]| done(store.put(id(name), body, None));
        assert_eq!(put("a", b"one"), Ok(1));
        assert_eq!(put("b", b"two"), Ok(2));
        assert_eq!(put("a", b"three"), Ok(3));
        assert_eq!(done(store.delete(id("b"), None)), Ok(4));
        assert_eq!(put("b", b""), Ok(5));
        let found = |name: &str| {
            done(store.get(id(name))).unwrap().map(|document| (document.version, document.body.to_vec()))
        };
        assert_eq!(found("a"), Some((3, b"three".to_vec())));
        assert_eq!(found("b"), Some((5, Vec::new())));
        assert_eq!(found("c"), None);
        assert_eq!(found("A"), None, "case counts");
    });
}

#[test]
fn what_was_not_expected_changes_nothing() {
    each(|store| {
        let put = |expected| done(store.put(id("a"), b"x", Some(expected)));
        let delete = |expected| done(store.delete(id("a"), expected));
        assert_eq!(put(1), Err(StoreError::Conflict { current: 0 }));
        assert_eq!(delete(Some(1)), Err(StoreError::Conflict { current: 0 }));
        assert_eq!(delete(None), Err(StoreError::NotFound));
        assert_eq!(put(0), Ok(1));
        assert_eq!(put(0), Err(StoreError::Conflict { current: 1 }));
        assert_eq!(put(2), Err(StoreError::Conflict { current: 1 }));
        assert_eq!(delete(Some(2)), Err(StoreError::Conflict { current: 1 }));
        assert_eq!(put(1), Ok(2));
        assert_eq!(delete(Some(2)), Ok(3));
        assert_eq!(put(3), Err(StoreError::Conflict { current: 0 }), "a deleted one is not there");
        assert_eq!(put(0), Ok(4));
    });
}

#[test]
fn one_of_50_racing_writers_wins_each_version() {
    each(|store| {
        let rounds = 20;
        assert_eq!(done(store.put(id("counter"), b"0", Some(0))), Ok(1));
        let wins = |writer: usize| {
            let store = Arc::clone(&store);
            move || {
                let mut won = Vec::new();
                let mut seen = 1;
                while seen <= rounds {
                    match done(store.put(id("counter"), writer.to_string().as_bytes(), Some(seen))) {
                        Ok(version) => {
                            won.push((seen, version));
                            seen = version;
                        }
                        Err(StoreError::Conflict { current }) => {
                            assert!(current > seen);
                            seen = current;
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
                won
            }
        };
        let threads: Vec<_> = (0..50).map(|writer| std::thread::spawn(wins(writer))).collect();
        let mut won: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        won.sort_unstable();
        let each_once: Vec<_> = (1..=rounds).map(|version| (version, version + 1)).collect();
        assert_eq!(won, each_once);
    });
}

#[test]
fn threads_never_share_a_version() {
    each(|store| {
        let puts = |name: &'static str| {
            let store = Arc::clone(&store);
            move || (0..200).map(|_| done(store.put(id(name), b"x", None)).unwrap()).collect::<Vec<_>>()
        };
        let threads: Vec<_> = ["a", "b", "c"].map(|name| std::thread::spawn(puts(name))).into();
        let mut versions: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        versions.sort_unstable();
        assert_eq!(versions, (1..=600).collect::<Vec<_>>());
    });
}

#[test]
fn lists_are_in_the_order_of_bytes_and_hold_what_begins_so() {
    each(|store| {
        for name in ["b", "a/1", "a/10", "a/2", "a", "a\u{e4}", "A", "a0"] {
            done(store.put(id(name), b"x", None)).unwrap();
        }
        let all = ["A", "a", "a/1", "a/10", "a/2", "a0", "a\u{e4}", "b"];
        assert_eq!(ids(&*store, "", None, 99), (all.map(str::to_owned).into(), false));
        let part = |prefix, after, at_most| {
            let (ids, more) = ids(&*store, prefix, after, at_most);
            (ids.join(" "), more)
        };
        assert_eq!(part("a/", None, 3), ("a/1 a/10 a/2".to_owned(), false));
        assert_eq!(part("a/", None, 2), ("a/1 a/10".to_owned(), true));
        assert_eq!(part("a/", Some("a/10"), 2), ("a/2".to_owned(), false));
        assert_eq!(part("a/", Some("a/100"), 2), ("a/2".to_owned(), false), "it need not be there");
        assert_eq!(part("a/", Some("A"), 9), ("a/1 a/10 a/2".to_owned(), false));
        assert_eq!(part("a/", Some("b"), 9), (String::new(), false));
        assert_eq!(part("c", None, 9), (String::new(), false));
    });
}

#[test]
fn pages_are_walked_while_others_write() {
    each(|store| {
        let name = |number: usize| format!("kept/{number:03}");
        for number in 0..300 {
            done(store.put(id(&name(number)), b"x", None)).unwrap();
        }
        let writer = {
            let store = Arc::clone(&store);
            std::thread::spawn(move || {
                for number in 0..300 {
                    let passing = format!("kept/{:03}x", number * 7 % 300);
                    done(store.put(id(&passing), b"x", None)).unwrap();
                    done(store.delete(id(&passing), None)).unwrap();
                }
            })
        };
        while !writer.is_finished() {
            let (mut walked, mut after) = (Vec::new(), None::<String>);
            loop {
                let (ids, more) = ids(&*store, "kept/", after.as_deref(), 37);
                after = ids.last().cloned();
                walked.extend(ids);
                if !more {
                    break;
                }
            }
            assert!(walked.is_sorted());
            walked.retain(|id| !id.ends_with('x'));
            assert_eq!(walked, (0..300).map(name).collect::<Vec<_>>(), "none is lost, none comes twice");
        }
        writer.join().unwrap();
    });
}

#[test]
fn an_id_may_be_as_long_as_it_may_and_hold_what_it_may() {
    each(|store| {
        let long = "\u{e4}".repeat(pinwire_documents::ID / 2);
        for name in [&*long, "a\u{a0}b", "%s%n", "../x", "\u{1f980}"] {
            let version = done(store.put(Id::parse(name).unwrap(), name.as_bytes(), Some(0))).unwrap();
            let found = done(store.get(id(name))).unwrap().unwrap();
            assert_eq!((found.version, &*found.body), (version, name.as_bytes()));
        }
    });
}
