//! The store's stories on a disk that does what real ones do.

mod survival;
mod watching;

use std::sync::Arc;

use redb::ReadableTable as _;

use super::faults::Disk;
use super::*;

fn id(text: &str) -> Id<'_> {
    Id::parse(text).expect("the test's id is good")
}

fn done<T>(asked: Asked<T>) -> Result<T, StoreError> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(asked.done())
}

fn put(store: &Embedded, name: &str, body: &[u8]) -> Result<Version, StoreError> {
    done(store.put(id(name), body, None))
}

fn get(store: &Embedded, name: &str) -> Result<Option<(Version, Vec<u8>)>, StoreError> {
    done(store.get(id(name))).map(|found| found.map(|document| (document.version, document.body.to_vec())))
}

fn is_broken<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Broken(_)))
}

/// The versions of the changes that are kept, their ids, and the bytes that the totals say they have.
fn history(store: &Embedded) -> (Vec<(Version, u8, String)>, u64) {
    done(store.read(|transaction| {
        let changes = transaction.open_table(tables::CHANGES)?;
        let (mut kept, mut totals) = (Vec::new(), Vec::new());
        for change in changes.iter()? {
            let (version, change) = change?;
            let (total, kind, id, body) = change.value();
            totals.push((total, (id.len() + body.len()) as u64));
            kept.push((version.value(), kind, id.to_owned()));
        }
        let bytes = totals.last().map_or(0, |last| last.0 - totals[0].0 + totals[0].1);
        assert_eq!(bytes, totals.iter().map(|total| total.1).sum::<u64>());
        Ok((kept, bytes))
    }))
    .unwrap()
}

#[test]
fn changes_are_kept_in_their_order() {
    let store = Disk::new(1).store(Limits::default());
    put(&store, "a", b"one").unwrap();
    put(&store, "b", b"two").unwrap();
    done(store.delete(id("a"), None)).unwrap();
    let kept = [(1, tables::PUT, "a"), (2, tables::PUT, "b"), (3, tables::DELETE, "a")];
    assert_eq!(history(&store), (kept.map(|(v, kind, id)| (v, kind, id.to_owned())).into(), 4 + 4 + 1));
}

#[test]
fn the_oldest_changes_are_trimmed_by_number() {
    let disk = Disk::new(1);
    let store = disk.store(Limits { history: 3, ..Limits::default() });
    for _ in 0..5 {
        put(&store, "a", b"x").unwrap();
    }
    let versions = |store: &Embedded| history(store).0.iter().map(|kept| kept.0).collect::<Vec<_>>();
    assert_eq!(versions(&store), [3, 4, 5]);
    drop(store);
    let store = disk.store(Limits { history: 0, trim: 2, ..Limits::default() });
    put(&store, "a", b"x").unwrap();
    assert_eq!(versions(&store), [5, 6], "so many a commit");
    put(&store, "a", b"x").unwrap();
    assert_eq!(versions(&store), [7], "the newest always stays");
}

#[test]
fn the_oldest_changes_are_trimmed_by_bytes() {
    let store = Disk::new(1).store(Limits { history_bytes: 100, ..Limits::default() });
    for size in [10, 20, 30, 40] {
        put(&store, "a", &vec![b'x'; size - 1]).unwrap();
    }
    assert_eq!(history(&store).1, 100);
    put(&store, "a", &[b'x'; 30]).unwrap();
    assert_eq!(history(&store), (vec![(4, 1, "a".to_owned()), (5, 1, "a".to_owned())], 71));
    put(&store, "a", &[b'x'; 300]).unwrap();
    assert_eq!(history(&store).1, 301, "the newest always stays");
    assert_eq!(get(&store, "a").unwrap().unwrap().1.len(), 300);
}

#[test]
fn versions_rise_after_everything_was_deleted_trimmed_and_opened_again() {
    let disk = Disk::new(1);
    let limits = Limits { history: 1, ..Limits::default() };
    for round in 0..3 {
        let store = disk.store(limits.clone());
        assert_eq!(put(&store, "a", b"x"), Ok(round * 2 + 1));
        assert_eq!(done(store.delete(id("a"), None)), Ok(round * 2 + 2));
        assert_eq!(get(&store, "a"), Ok(None));
    }
}

#[test]
fn what_waits_is_written_in_one_commit() {
    let disk = Disk::new(1);
    let store = disk.store(Limits { batch: 100, ..Limits::default() });
    disk.close_gate();
    let first = store.put(id("first"), b"", None);
    disk.wait_for_sync();
    let others: Vec<_> = (0..150).map(|number| store.put(id(&format!("{number}")), b"", None)).collect();
    disk.open_gate();
    assert_eq!(done(first), Ok(1));
    for (asked, version) in others.into_iter().zip(2..) {
        assert_eq!(done(asked), Ok(version));
    }
    assert_eq!(store.counts(), Counts { commits: 1 + 2, changes: 151 }, "one, 100, 50");
}

#[test]
fn a_batch_ends_at_its_bytes() {
    let disk = Disk::new(1);
    let store = disk.store(Limits { batch_bytes: 1_000, ..Limits::default() });
    disk.close_gate();
    let first = store.put(id("first"), b"", None);
    disk.wait_for_sync();
    let body = [b'x'; 499];
    let others: Vec<_> = (0..6).map(|_| store.put(id("a"), &body, None)).collect();
    disk.open_gate();
    assert_eq!(done(first), Ok(1));
    assert!(others.into_iter().all(|asked| done(asked).is_ok()));
    assert_eq!(store.counts().commits, 1 + 3);
}

#[test]
fn a_batch_without_a_change_writes_nothing() {
    let disk = Disk::new(1);
    let store = disk.store(Limits::default());
    assert_eq!(done(store.put(id("a"), b"", Some(7))), Err(StoreError::Conflict { current: 0 }));
    assert_eq!(done(store.delete(id("a"), None)), Err(StoreError::NotFound));
    assert_eq!(store.counts(), Counts::default());
    assert_eq!(put(&store, "a", b""), Ok(1));
}

#[test]
fn conflicts_rest_on_what_is_on_disk() {
    let disk = Disk::new(1);
    let store = disk.store(Limits::default());
    disk.close_gate();
    let first = store.put(id("first"), b"", None);
    disk.wait_for_sync();
    // One batch: the first wins, but is not on disk when the second is refused.
    let race = [store.put(id("a"), b"", Some(0)), store.put(id("a"), b"", Some(0))];
    disk.state().fails_sync_in = 3;
    disk.open_gate();
    assert_eq!(done(first), Ok(1));
    for asked in race {
        assert!(is_broken(&done(asked)), "what failed says nothing of what is there");
    }
    assert_eq!(done(store.put(id("a"), b"", Some(0))), Ok(2));
}

#[test]
fn what_nobody_waits_for_any_more_is_not_begun() {
    let disk = Disk::new(1);
    let store = disk.store(Limits::default());
    disk.close_gate();
    let first = store.put(id("first"), b"", None);
    disk.wait_for_sync();
    drop(store.put(id("dropped"), b"", None));
    let last = store.put(id("last"), b"", None);
    disk.open_gate();
    assert_eq!((done(first), done(last)), (Ok(1), Ok(2)));
    assert_eq!(get(&store, "dropped"), Ok(None));
}

#[test]
fn writers_beyond_the_queue_are_turned_away() {
    let disk = Disk::new(1);
    let store = disk.store(Limits { writer_queue: 2, writer_queue_bytes: 1_000, ..Limits::default() });
    disk.close_gate();
    let first = store.put(id("a"), b"", None);
    disk.wait_for_sync();
    let by_bytes = [store.put(id("a"), &[0; 600], None), store.put(id("a"), &[0; 600], None)];
    let by_number = [store.put(id("a"), b"", None), store.put(id("a"), b"", None)];
    disk.open_gate();
    assert_eq!(done(first), Ok(1));
    assert_eq!(by_bytes.map(done), [Ok(2), Err(StoreError::Overloaded)]);
    assert_eq!(by_number.map(done), [Ok(3), Err(StoreError::Overloaded)]);
}

#[test]
fn readers_beyond_the_queue_are_turned_away() {
    let store = Disk::new(1).store(Limits { readers: 2, reader_queue: 1, ..Limits::default() });
    let (begun, begins) = std::sync::mpsc::channel();
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let held = Arc::new(std::sync::Mutex::new(held));
    let busy: Vec<_> = (0..2)
        .map(|_| {
            let (begun, held) = (begun.clone(), Arc::clone(&held));
            let asked = store.read(move |_| {
                begun.send(()).unwrap();
                let _ = held.lock().unwrap().recv();
                Ok(())
            });
            begins.recv().unwrap();
            asked
        })
        .collect();
    let waits = store.get(id("a"));
    let turned_away = done(store.get(id("a")));
    assert_eq!(turned_away, Err(StoreError::Overloaded));
    assert_eq!(
        done(store.list(&Listing { prefix: "", after: None, at_most: 1 })),
        Err(StoreError::Overloaded)
    );
    drop(hold);
    assert!(busy.into_iter().all(|asked| done(asked).is_ok()));
    assert_eq!(done(waits), Ok(None));
}

#[test]
fn a_dropped_store_makes_what_waits_first() {
    let disk = Disk::new(1);
    let store = disk.store(Limits { batch: 3, ..Limits::default() });
    disk.close_gate();
    let waiting: Vec<_> = (0..10).map(|number| store.put(id(&format!("{number}")), b"x", None)).collect();
    disk.wait_for_sync();
    let dropping = std::thread::spawn(move || drop(store));
    disk.open_gate();
    let versions: Vec<_> = waiting.into_iter().map(|asked| done(asked).unwrap()).collect();
    assert_eq!(versions, (1..=10).collect::<Vec<_>>());
    dropping.join().unwrap();
    let store = disk.store(Limits::default());
    assert_eq!(get(&store, "9"), Ok(Some((10, b"x".to_vec()))));
}

#[test]
fn a_list_ends_early_behind_large_bodies_and_goes_on() {
    let store = Disk::new(1).store(Limits { list_bytes: 100, ..Limits::default() });
    for number in 0..5 {
        put(&store, &number.to_string(), &[b'x'; 60]).unwrap();
    }
    let page = |after| {
        let page = done(store.list(&Listing { prefix: "", after, at_most: 99 })).unwrap();
        (page.ids.join(" "), page.more)
    };
    assert_eq!(page(None), ("0 1".to_owned(), true));
    assert_eq!(page(Some(id("1"))), ("2 3".to_owned(), true));
    assert_eq!(page(Some(id("3"))), ("4".to_owned(), false));
}

#[test]
fn a_full_disk_fails_changes_and_nothing_else() {
    let disk = Disk::new(1);
    // No cache to speak of: what is read comes from the disk.
    let store = disk.store(Limits { cache: 0, ..Limits::default() });
    for number in 0..50 {
        put(&store, &format!("kept/{number}"), &[b'x'; 3_000]).unwrap();
    }
    disk.fill_up_but_for(2);
    let mut failed = 0;
    for number in 0..200 {
        let put = put(&store, &format!("more/{number}"), &[b'y'; 3_000]);
        failed += usize::from(is_broken(&put));
        assert!(put.is_ok() || is_broken(&put), "{put:?}");
        assert_eq!(get(&store, &format!("kept/{}", number % 50)).unwrap().unwrap().1.len(), 3_000);
    }
    assert!(failed >= 190, "{failed}");
    disk.state().room = usize::MAX;
    let newest = put(&store, "after", b"z").expect("there is room again");
    assert!(newest > 50);
    drop(store);
    let store = disk.store(Limits::default());
    assert_eq!(get(&store, "after"), Ok(Some((newest, b"z".to_vec()))));
    assert_eq!(put(&store, "after", b""), Ok(newest + 1));
}

#[test]
fn a_disk_that_becomes_read_only_is_read_on() {
    let disk = Disk::new(1);
    let store = disk.store(Limits { cache: 0, ..Limits::default() });
    put(&store, "a", b"one").unwrap();
    disk.state().is_read_only = true;
    for _ in 0..3 {
        assert!(is_broken(&put(&store, "a", b"two")));
        assert_eq!(get(&store, "a"), Ok(Some((1, b"one".to_vec()))));
    }
    disk.state().is_read_only = false;
    assert_eq!(put(&store, "a", b"three"), Ok(2));
}

#[test]
fn a_disk_that_is_gone_and_comes_back() {
    let disk = Disk::new(1);
    let store = disk.store(Limits { cache: 0, ..Limits::default() });
    put(&store, "a", b"one").unwrap();
    disk.state().is_dead = true;
    assert!(is_broken(&get(&store, "a")) && is_broken(&put(&store, "a", b"two")));
    assert!(is_broken(&get(&store, "a")), "and again, without a panic");
    disk.state().is_dead = false;
    assert_eq!(get(&store, "a"), Ok(Some((1, b"one".to_vec()))));
    assert_eq!(put(&store, "a", b"two"), Ok(2));
}

#[test]
fn a_read_that_fails_once_is_done_again() {
    let disk = Disk::new(1);
    let store = disk.store(Limits { cache: 0, ..Limits::default() });
    put(&store, "a", b"one").unwrap();
    let opened = disk.state().opened;
    disk.state().fails_read = true;
    assert_eq!(get(&store, "a"), Ok(Some((1, b"one".to_vec()))));
    assert_eq!(disk.state().opened, opened + 1);
    assert_eq!(put(&store, "a", b"two"), Ok(2));
}

#[test]
fn a_change_that_was_not_begun_is_made_when_the_file_is_open_again() {
    let disk = Disk::new(1);
    let store = disk.store(Limits::default());
    // As if another thread had met an I/O error, on a disk that takes nothing.
    disk.state().is_read_only = true;
    store.shared.handle.open_again(0);
    disk.state().is_read_only = false;
    assert_eq!(put(&store, "a", b"one"), Ok(1));
}

#[test]
fn a_sync_that_fails_fails_its_batch_and_no_other() {
    for sync in 1..=4 {
        let disk = Disk::new(sync);
        let store = disk.store(Limits::default());
        put(&store, "a", b"one").unwrap();
        disk.state().fails_sync_in = sync;
        let second = put(&store, "a", b"two");
        let third = put(&store, "a", b"three");
        assert!(is_broken(&second) != is_broken(&third), "{sync}: {second:?} {third:?}");
        let fourth = put(&store, "a", b"four").unwrap();
        assert!(fourth > third.unwrap_or_default() && fourth > second.unwrap_or_default());
        assert_eq!(get(&store, "a"), Ok(Some((fourth, b"four".to_vec()))));
    }
}

#[test]
fn a_writer_that_panics_answers_and_writes_on() {
    let disk = Disk::new(1);
    let store = disk.store(Limits::default());
    put(&store, "a", b"one").unwrap();
    disk.close_gate();
    let first = store.put(id("a"), b"two", None);
    disk.wait_for_sync();
    let batch = [store.put(id("b"), b"", None), store.put(id("c"), b"", None)];
    // The gate is between two syncs of the first: its own writes are over but for the header.
    disk.state().panics = true;
    disk.open_gate();
    let results = [done(first), batch.map(done).into_iter().find(is_broken).unwrap_or(Ok(0))];
    assert!(results.iter().any(is_broken), "{results:?}");
    let version = put(&store, "a", b"three").unwrap();
    assert_eq!(get(&store, "a"), Ok(Some((version, b"three".to_vec()))));
}

#[test]
fn a_thread_that_is_dead_leaves_nobody_waiting() {
    let store = Disk::new(1).store(Limits { readers: 1, ..Limits::default() });
    let bomb: Read = Box::new(|_| panic!("as the test wishes"));
    let asked = |store: &Embedded| store.get(id("a"));
    store.shared.reads.push(bomb, 0).unwrap();
    let waiting: Vec<_> = (0..3).map(|_| asked(&store)).collect();
    assert!(waiting.into_iter().all(|waiting| is_broken(&done(waiting))));
    assert!(is_broken(&done(asked(&store))), "and whoever comes later");
    assert_eq!(put(&store, "a", b""), Ok(1));
}

#[test]
fn a_close_that_panics_stays_in_the_store() {
    let disk = Disk::new(1);
    let store = disk.store(Limits::default());
    put(&store, "a", b"one").unwrap();
    disk.state().panics = true;
    drop(store);
    assert!(!disk.state().panics, "closing writes");
    assert_eq!(get(&disk.store(Limits::default()), "a"), Ok(Some((1, b"one".to_vec()))));
}
