//! What those who watch a store are told: from memory, from the file, while its disk fails, and from any version.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pinwire_server::{Reply, Stream as _};
use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::parts::Parts;
use crate::{Memory, watching};

/// Somebody who watches, and reads when it likes.
struct Watcher {
    parts: Parts,
    runtime: Runtime,
}

impl Watcher {
    fn of<S: Store>(store: &Arc<S>, after: Version, prefix: &str) -> Watcher {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let newest = store.newest();
        Watcher { parts: watching::parts(Arc::<S>::clone(store), prefix, newest, after), runtime }
    }

    /// The next part; a hang fails the test.
    fn next(&mut self) -> String {
        let parts = &mut self.parts;
        let next = std::future::poll_fn(|cx| Pin::new(&mut *parts).poll_next(cx));
        let next = async { tokio::time::timeout(Duration::from_secs(60), next).await };
        words(&self.runtime.block_on(next).expect("it comes").expect("it has a last word"))
    }

    fn many(&mut self, number: usize) -> Vec<String> {
        (0..number).map(|_| self.next()).collect()
    }

    /// The next part, if it is there at once.
    fn at_once(&mut self) -> Option<String> {
        let _inside = self.runtime.enter();
        match Pin::new(&mut self.parts).poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(part) => Some(words(&part.expect("it has a last word"))),
            Poll::Pending => None,
        }
    }
}

/// "6", "7 put a one", "8 delete a" or "history-gone: …".
fn words(part: &Reply) -> String {
    if let Err((code, text)) = &part.status {
        return format!("{code}: {text}");
    }
    let header = |name: &str| part.headers.iter().find(|header| header.0 == name).map(|header| &*header.1);
    let body = String::from_utf8_lossy(&part.body);
    let words = [header("Version"), header("Change"), header("Id"), Some(&*body)];
    words.into_iter().flatten().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn watched(limits: Limits) -> (Arc<Disk>, Arc<Embedded>) {
    let disk = Disk::new(1);
    let store = Arc::new(disk.store(limits));
    (disk, store)
}

/// So little is in memory that most is read from the file.
fn forgetful() -> Limits {
    Limits { recent: 2, reread_bytes: 0, ..Limits::default() }
}

fn puts(store: &Embedded, number: usize) {
    for _ in 0..number {
        put(store, "a", b"x").unwrap();
    }
}

#[test]
fn history_is_there_when_the_store_is_opened_again() {
    for limits in [Limits::default(), forgetful()] {
        let (disk, store) = watched(limits.clone());
        put(&store, "a", b"one").unwrap();
        put(&store, "b", b"").unwrap();
        done(store.delete(id("a"), None)).unwrap();
        put(&store, "b", b"two").unwrap();
        drop(store);
        let store = Arc::new(disk.store(limits));
        assert_eq!(*store.newest().borrow(), 4);
        let told = ["0", "1 put a one", "2 put b", "3 delete a", "4 put b two"];
        let mut watcher = Watcher::of(&store, 0, "");
        assert_eq!(watcher.many(5), told);
        assert_eq!(watcher.at_once(), None);
        put(&store, "c", b"new").unwrap();
        assert_eq!(watcher.next(), "5 put c new");
        assert_eq!(Watcher::of(&store, 2, "a").many(2), ["2", "3 delete a"]);
    }
}

#[test]
fn what_was_trimmed_is_gone_and_the_oldest_is_named() {
    let (disk, store) = watched(Limits { history: 3, ..Limits::default() });
    puts(&store, 5);
    let gone = "history-gone: the oldest change that is kept is version 3; what came before it is gone";
    assert_eq!(Watcher::of(&store, 1, "").next(), gone);
    assert_eq!(Watcher::of(&store, 0, "b").next(), gone, "whether it has the prefix or not");
    assert_eq!(Watcher::of(&store, 2, "").many(2), ["2", "3 put a x"]);
    drop(store);
    let store = Arc::new(disk.store(Limits { history: 1, trim: 1, ..Limits::default() }));
    assert_eq!(Watcher::of(&store, 2, "").many(2), ["2", "3 put a x"], "it is trimmed as changes come");
    let mut slow = Watcher::of(&store, 4, "");
    assert_eq!(slow.next(), "4");
    puts(&store, 5);
    assert_eq!(slow.many(2), ["5 put a x".to_owned(), gone.replace("version 3", "version 8")]);
}

#[test]
fn those_who_are_behind_are_told_all_however_little_is_in_memory() {
    let (_disk, store) = watched(Limits { readers: 1, ..forgetful() });
    let waiting: Vec<_> =
        (1..=2_000).map(|number| store.put(id(["a", "b/1", "b/2"][number % 3]), b"", None)).collect();
    assert!(waiting.into_iter().all(|asked| done(asked).is_ok()));
    let mut watchers: Vec<_> = (0..10).map(|number| Watcher::of(&store, number * 150, "b/")).collect();
    // All ask at once; whoever comes late finds that what it asked for has made room for the others'.
    let (hold, busy) = busy_reader(&store);
    watchers.iter_mut().for_each(|watcher| assert_eq!(watcher.at_once(), None));
    drop(hold);
    assert_eq!(done(busy), Ok(()));
    for (watcher, after) in watchers.iter_mut().zip((0..).step_by(150)) {
        assert_eq!(watcher.next(), format!("{after}"));
        let wanted = (after + 1..=2_000).filter(|version| version % 3 != 0);
        for version in wanted {
            assert_eq!(watcher.next(), format!("{version} put b/{}", version % 3));
        }
        assert_eq!(watcher.at_once(), None);
    }
}

#[test]
fn large_bodies_come_one_by_one() {
    let (_disk, store) = watched(Limits { recent_bytes: 1, reread_bytes: 1, ..Limits::default() });
    let mut watcher = Watcher::of(&store, 0, "");
    assert_eq!(watcher.next(), "0");
    for letter in ["a", "b", "c"] {
        put(&store, letter, letter.repeat(1024 * 1024).as_bytes()).unwrap();
    }
    for (version, letter) in (1..).zip(["a", "b", "c"]) {
        assert!(watcher.next() == format!("{version} put {letter} {}", letter.repeat(1024 * 1024)));
    }
}

#[test]
fn a_change_is_told_before_it_is_answered() {
    let (_disk, store) = watched(Limits::default());
    for _ in 0..200 {
        let version = put(&store, "a", b"").unwrap();
        assert_eq!(*store.newest().borrow(), version, "else a watch that begins now would tell it again");
    }
}

#[test]
fn changes_of_one_batch_come_in_their_order_and_those_not_made_do_not() {
    let (disk, store) = watched(Limits::default());
    let mut watcher = Watcher::of(&store, 0, "");
    assert_eq!(watcher.next(), "0");
    disk.close_gate();
    let first = store.put(id("first"), b"", None);
    disk.wait_for_sync();
    let batch = [
        store.put(id("a"), b"1", None),
        store.put(id("a"), b"no", Some(7)),
        store.delete(id("b"), None),
        store.delete(id("a"), None),
        store.put(id("a"), b"2", None),
    ];
    assert_eq!(watcher.at_once(), None, "not before it is on disk");
    disk.open_gate();
    assert!(done(first).is_ok() && batch.map(done).iter().filter(|made| made.is_ok()).count() == 3);
    assert_eq!(watcher.many(4), ["1 put first", "2 put a 1", "3 delete a", "4 put a 2"]);
}

#[test]
fn a_broken_disk_ends_the_watch_of_those_who_are_behind() {
    let (disk, store) = watched(Limits { cache: 0, ..forgetful() });
    puts(&store, 5);
    let (mut behind, mut near) = (Watcher::of(&store, 0, ""), Watcher::of(&store, 3, ""));
    assert_eq!((behind.next(), near.next()), ("0".to_owned(), "3".to_owned()));
    // What it has asked for was on the shelf, and has made room.
    store.shared.shelf.put(History::new(1, 1));
    store.shared.shelf.put(History::new(1, 1));
    disk.state().is_dead = true;
    assert_eq!(near.many(2), ["4 put a x", "5 put a x"], "it needs no disk");
    let mut late = Watcher::of(&store, 1, "");
    assert_eq!(late.next(), "failed: the store failed; the server's log says how");
    assert!(is_broken(&put(&store, "a", b"no")));
    assert_eq!(near.at_once(), None);
    disk.state().is_dead = false;
    put(&store, "a", b"yes").unwrap();
    assert_eq!(near.next(), "6 put a yes");
    assert_eq!(behind.many(6).last().unwrap(), "6 put a yes");
}

/// What was answered `failed` may have been made: those who watch learn of it, and of no change twice.
#[test]
fn what_a_failing_sync_has_made_is_told_all_the_same() {
    let mut made = 0;
    for sync in 1..=4 {
        for seed in 1..=8 {
            let disk = Disk::new(seed);
            let store = Arc::new(disk.store(Limits::default()));
            let mut watcher = Watcher::of(&store, 0, "");
            put(&store, "a", b"one").unwrap();
            disk.state().fails_sync_in = sync;
            let second = put(&store, "a", b"two");
            let found = get(&store, "a").unwrap().unwrap().0;
            assert_eq!(*store.newest().borrow(), found, "sync {sync}: as GET finds it");
            made += u32::from(second.is_err() && found == 2);
            disk.state().fails_sync_in = 0;
            put(&store, "a", b"three").unwrap();
            let kept = history(&store).0;
            let told = watcher.many(kept.len() + 1).split_off(1);
            let versions =
                told.iter().map(|told| told.split(' ').next().unwrap().parse::<Version>().unwrap());
            assert!(versions.eq(kept.iter().map(|kept| kept.0)), "sync {sync}: {told:?}");
            assert_eq!(told.last().unwrap().rsplit(' ').next(), Some("three"));
        }
    }
    assert!(made > 0, "the test reaches what it is for");
}

/// While the disk takes nothing, what is read may never have reached it.
#[test]
fn what_may_not_stay_is_not_told() {
    let (disk, store) = watched(Limits::default());
    puts(&store, 1);
    disk.state().is_read_only = true;
    assert!(is_broken(&put(&store, "a", b"no")));
    assert_eq!(*store.newest().borrow(), 1);
    assert_eq!(store.shared.handle.read_what_stays(tables::newest), None);
    assert_eq!(Watcher::of(&store, 0, "").many(2), ["0", "1 put a x"]);
}

/// Keeps a reader busy until what comes back is dropped.
fn busy_reader(store: &Embedded) -> (std::sync::mpsc::Sender<()>, Asked<()>) {
    let (begun, begins) = std::sync::mpsc::channel();
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let busy = store.read(move |_| {
        begun.send(()).unwrap();
        let _ = held.lock().unwrap().recv();
        Ok(())
    });
    begins.recv().unwrap();
    (hold, busy)
}

#[test]
fn readers_who_have_too_much_to_do_are_waited_for() {
    let (_disk, store) = watched(Limits { readers: 1, reader_queue: 1, ..forgetful() });
    puts(&store, 5);
    let (hold, busy) = busy_reader(&store);
    let waits = store.get(id("a"));
    let mut watcher = Watcher::of(&store, 0, "");
    let is_overloaded = done(store.changes(&Wanted { after: 0, prefix: "", at_most: 1, most_bytes: 1 }));
    assert_eq!(is_overloaded, Err(StoreError::Overloaded));
    assert_eq!(watcher.at_once(), None);
    drop(hold);
    assert!(done(busy).is_ok() && done(waits).is_ok());
    assert_eq!(watcher.many(2), ["0", "1 put a x"]);
}

#[test]
fn those_who_keep_up_need_no_reader() {
    let (_disk, store) = watched(Limits { readers: 1, reader_queue: 0, ..Limits::default() });
    puts(&store, 1_024);
    let mut watchers: Vec<_> = (0..1_000).map(|back| Watcher::of(&store, 1_024 - back, "")).collect();
    for (watcher, back) in watchers.iter_mut().zip(0..) {
        let told: Vec<_> = std::iter::from_fn(|| watcher.at_once()).collect();
        assert_eq!((told.len() as u64, &told[0]), (1 + back, &(1_024 - back).to_string()));
    }
    put(&store, "a", b"y").unwrap();
    assert!(watchers.iter_mut().all(|watcher| watcher.at_once().unwrap() == "1025 put a y"));
}

#[test]
fn a_look_that_outlives_the_store_does_not_keep_its_file_open() {
    let (disk, store) = watched(forgetful());
    puts(&store, 5);
    let look = store.changes(&Wanted { after: 0, prefix: "", at_most: 1, most_bytes: 1 });
    let newest = store.newest();
    drop(Arc::into_inner(store).expect("nobody else has it"));
    assert!(newest.has_changed().is_err(), "it will never change again");
    assert!(is_broken(&done(look)));
    assert_eq!(put(&disk.store(Limits::default()), "a", b""), Ok(6));
}

#[derive(Clone, Debug)]
enum Step {
    Put(usize, usize),
    Delete(usize),
    /// Somebody begins to watch: how many changes back, which prefix.
    Watch(u64, usize),
    /// A watcher takes what is there for it, up to so many parts.
    Take(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..IDS.len(), 0..3_000_usize).prop_map(|(id, size)| Step::Put(id, size)),
        3 => (0..IDS.len()).prop_map(Step::Delete),
        1 => (0..20_u64, 0..PREFIXES.len()).prop_map(|(back, prefix)| Step::Watch(back, prefix)),
        3 => (0..9_usize, 0..30_usize).prop_map(|(watcher, parts)| Step::Take(watcher, parts)),
    ]
}

const IDS: [&str; 5] = ["a", "a/1", "a/2", "b", "ä"];
const PREFIXES: [&str; 5] = ["", "a", "a/", "b", "none"];

/// One who watches, as the model sees it.
struct Watching {
    watcher: Watcher,
    prefix: &'static str,
    after: Version,
    told: Vec<String>,
}

/// What was done, and which watchers see it.
struct Model<S> {
    store: Arc<S>,
    history: u64,
    changes: Vec<String>,
    watching: Vec<Watching>,
}

impl<S: Store> Model<S> {
    fn play(store: S, history: u64, steps: &[Step]) -> Model<S> {
        let mut model = Model { store: Arc::new(store), history, changes: Vec::new(), watching: Vec::new() };
        steps.iter().for_each(|step| model.step(step));
        model
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Put(at, size) => {
                let body = "x".repeat(size);
                let version = done(self.store.put(id(IDS[at]), body.as_bytes(), None)).unwrap();
                self.changes
                    .push([&format!("{version} put"), IDS[at], &*body].join(" ").trim_end().to_owned());
            }
            Step::Delete(at) => {
                if let Ok(version) = done(self.store.delete(id(IDS[at]), None)) {
                    self.changes.push(format!("{version} delete {}", IDS[at]));
                }
            }
            Step::Watch(back, prefix) => {
                let after = (self.changes.len() as u64).saturating_sub(back);
                let prefix = PREFIXES[prefix];
                let watcher = Watcher::of(&self.store, after, prefix);
                self.watching.push(Watching { watcher, prefix, after, told: Vec::new() });
            }
            Step::Take(watcher, parts) => {
                let Some(watching) = self.watching.get_mut(watcher) else { return };
                for _ in 0..parts {
                    if watching.is_over() {
                        break;
                    }
                    watching.told.extend(watching.watcher.at_once());
                }
            }
        }
    }

    /// Lets all of them take the rest, and judges what they were told.
    fn judge(mut self) {
        let oldest = (self.changes.len() as u64).saturating_sub(self.history) + 1;
        for mut watching in self.watching.drain(..) {
            let expected = watching.expected(&self.changes);
            while watching.told.len() < expected.len() && !watching.is_over() {
                let part = watching.watcher.next();
                watching.told.push(part);
            }
            if !watching.is_over() {
                // Nothing more, or that what it passed over is gone.
                watching.told.extend(watching.watcher.at_once());
            }
            if watching.is_over() {
                let gone = watching.told.pop().unwrap();
                let named: Version =
                    gone.split("version ").nth(1).unwrap().split(';').next().unwrap().parse().unwrap();
                assert!(named <= oldest, "{gone}, and {oldest} is the oldest");
                // What is gone may have been of another prefix: nobody can tell any more.
                let last = watching.told.last().map_or(watching.after, |told| version(told));
                assert!(last + 1 < named, "all behind {last} is kept, and yet {gone}");
                assert!(self.history < self.changes.len() as u64);
                assert_eq!(watching.told, expected[..watching.told.len()]);
            } else {
                assert_eq!(watching.told, expected);
            }
        }
    }
}

impl Watching {
    fn is_over(&self) -> bool {
        self.told.last().is_some_and(|told| told.starts_with("history-gone"))
    }

    fn expected(&self, changes: &[String]) -> Vec<String> {
        let behind = changes.iter().skip(self.after as usize);
        let wanted = behind.filter(|change| change.split(' ').nth(2).unwrap().starts_with(self.prefix));
        [self.after.to_string()].into_iter().chain(wanted.cloned()).collect()
    }
}

fn version(part: &str) -> Version {
    part.split(' ').next().unwrap().parse().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is put and deleted, from whichever version and at whichever pace somebody watches: it is told exactly
    /// what a model says, or that its history is gone, and only if that is true.
    #[test]
    fn watchers_see_what_a_model_says(
        steps in prop::collection::vec(step(), 1..80),
        history in prop_oneof![Just(5_u64), Just(1_000)],
        recent in 1..20_u64,
    ) {
        Model::play(Memory::new().remembering_at_most(history, u64::MAX), history, &steps).judge();
        let limits = Limits { history, recent, reread_bytes: recent * 500, ..Limits::default() };
        Model::play(Disk::new(1).store(limits), history, &steps).judge();
    }
}
