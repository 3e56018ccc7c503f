//! A server that runs, its thread and real files. What waits, waits for the follower's turns.

use std::fs;
use std::path::Path;
use std::sync::{Condvar, Mutex};

use pinwire_proto::tls::{ServerTls, Tickets};
use pinwire_proto::trust::{Pin, Sha1, TrustList};
use pinwire_testkit::certificates;
use tempfile::TempDir;

use super::*;
use crate::beside::Pending;
use crate::beside::{self, Stranger};
use crate::{Router, Server, ServerConfig, Stats};

/// Counts the follower's turns, and keeps what strangers it was given.
#[derive(Default)]
struct Turns {
    count: Mutex<u64>,
    one: Condvar,
    restored: Mutex<Option<Pending>>,
    changed: Mutex<Option<Pending>>,
}

impl PendingSource for Turns {
    fn take_changed(&self) -> Option<Pending> {
        *self.count.lock().unwrap() += 1;
        self.one.notify_all();
        self.changed.lock().unwrap().take()
    }

    fn restore(&self, pending: Pending) {
        *self.restored.lock().unwrap() = Some(pending);
    }
}

impl Turns {
    /// Returns once it is so after a turn.
    fn wait(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let count = self.count.lock().unwrap();
        let waited = self.one.wait_timeout_while(count, HANG, |_| !is_so()).unwrap();
        assert!(!waited.1.timed_out(), "never: {what}");
    }
}

/// A server on this machine and the folder with its files.
struct Story {
    folder: TempDir,
    turns: Arc<Turns>,
    trust: Trust,
    shown: Shown,
    stats: Stats,
    server: Option<Server<Router>>,
}

impl Story {
    fn begin(text: &str) -> Story {
        let folder = tempfile::tempdir().unwrap();
        let pair = certificates::good(now_unix());
        write_pair(folder.path(), &pair);
        fs::write(folder.path().join("trusted"), text).unwrap();
        Story::of(folder)
    }

    /// A server that follows what is in the folder.
    fn of(folder: TempDir) -> Story {
        let files = identity_files(folder.path());
        let identity = files.read().unwrap();
        let tls = ServerTls::new(&identity, Tickets::new().unwrap())
            .unwrap()
            .record_layer(pinwire_testkit::record_layer());
        let trust = TrustFile::new(folder.path().join("trusted"), Sha1::Refuse);
        let list = trust.read().unwrap_or_default();
        let config = ServerConfig::new("127.0.0.1:0".parse().unwrap(), tls, list).workers(1);
        let mut server = Server::bind(config, Router::new()).unwrap();
        let turns = Arc::<Turns>::default();
        server.follow_with(trust, Some(files), Arc::clone(&turns) as _).unwrap();
        let (trust, shown, stats) = (server.trust(), server.shown(), server.stats());
        Story { folder, turns, trust, shown, stats, server: Some(server) }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn trusted(&self) -> std::path::PathBuf {
        self.path("trusted")
    }

    /// As `pinwire trust` does it, and a second after it was written: that it came whole is in no doubt.
    fn replace(&self, text: &str) {
        fs::write(self.path("trusted.edit"), text).unwrap();
        let edit = fs::File::options().write(true).open(self.path("trusted.edit")).unwrap();
        edit.set_modified(SystemTime::now() - Duration::from_secs(1)).unwrap();
        fs::rename(self.path("trusted.edit"), self.trusted()).unwrap();
    }

    fn names(&self) -> Vec<String> {
        names(&self.trust.list())
    }

    fn wait(&self, what: &str, is_so: impl FnMut() -> bool) {
        self.turns.wait(what, is_so);
    }

    fn wait_for_names(&self, wanted: &[&str]) {
        self.wait(&format!("{wanted:?}"), || self.names() == wanted);
    }

    /// So many bad versions of the list were told.
    fn wait_for_bad(&self, count: u64) {
        self.wait("a bad version", || self.stats.snapshot().bad_trust_lists == count);
    }

    fn status(&self) -> beside::Status {
        beside::read_status(&self.trusted()).unwrap().unwrap()
    }
}

fn names(list: &TrustList) -> Vec<String> {
    list.entries().iter().filter_map(|entry| entry.name.clone()).collect()
}

fn line(name: &str, byte: u8) -> String {
    format!("{}  name={name}\n", Pin::Spki([byte; 32]))
}

fn identity_files(folder: &Path) -> IdentityFiles {
    IdentityFiles::new(folder.join("server.crt"), folder.join("server.key"))
}

fn write_pair(folder: &Path, (certificate, key): &certificates::Pair) {
    fs::write(folder.join("server.crt"), certificate).unwrap();
    fs::write(folder.join("server.key"), key).unwrap();
    set_mode(&folder.join("server.key"), 0o600);
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) {}

#[test]
fn two_hundred_edits_good_and_bad() {
    let story = Story::begin(&line("zero", 0));
    let bad = ["", "x\n", "# cut", "spki-sha256:00\n"];
    for round in 1..=100_u8 {
        let (name, list) = (format!("round-{round}"), line("always", 200));
        let good = list + &line(&name, round);
        if round % 4 == 0 {
            fs::write(story.trusted(), &good).unwrap();
        } else {
            story.replace(&good);
        }
        story.wait_for_names(&["always", &name]);
        story.replace(bad[usize::from(round) % bad.len()]);
        story.wait_for_bad(round.into());
        assert_eq!(story.names(), ["always", &name], "the old list stays");
    }
    let snapshot = story.stats.snapshot();
    assert_eq!((snapshot.trust_lists, snapshot.bad_trust_lists), (100, 100), "each was told once");
}

#[test]
fn whatever_takes_the_files_place_is_told_once_and_mended() {
    let story = Story::begin(&line("alice", 1));
    fs::remove_file(story.trusted()).unwrap();
    story.wait_for_bad(1);
    fs::create_dir(story.trusted()).unwrap();
    story.wait_for_bad(2);
    fs::remove_dir(story.trusted()).unwrap();
    story.wait_for_bad(3);
    story.replace(&line("alice", 1));
    story.wait("mended", || {
        beside::read_status(&story.trusted()).is_ok_and(|status| status.unwrap().trust.bad.is_none())
    });
    assert_eq!(story.stats.snapshot().trust_lists, 0, "the list was never another");
    story.replace("# nobody\n");
    story.wait_for_names(&[]);
}

#[cfg(unix)]
#[test]
fn a_file_or_folder_that_others_may_write_is_bad() {
    let story = Story::begin(&line("alice", 1));
    let file = TrustFile::new(story.trusted(), Sha1::Refuse);
    set_mode(&story.trusted(), 0o664);
    fs::write(story.trusted(), line("mallory", 2)).unwrap();
    story.wait_for_bad(1);
    let error = file.read().unwrap_err().to_string();
    let path = story.trusted().display().to_string();
    assert_eq!(error, format!("{path}: others may write it (mode 0664); run `chmod go-w {path}`"));
    set_mode(&story.trusted(), 0o644);
    story.wait_for_names(&["mallory"]);
    set_mode(story.folder.path(), 0o777);
    story.wait_for_bad(2);
    assert!(file.read().unwrap_err().to_string().contains("others may write its folder (mode 0777)"));
    set_mode(story.folder.path(), 0o700);
    story.wait("mended", || story.status().trust.bad.is_none());
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_files_place_holds_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trusted");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).unwrap();
    let error = TrustFile::new(&path, Sha1::Refuse).read().unwrap_err();
    assert!(
        error.to_string().ends_with("trusted: a pipe or a device stands here, expected a file"),
        "{error}"
    );
}

#[test]
fn errors_are_told_line_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trusted");
    let file = TrustFile::new(&path, Sha1::Refuse);
    assert!(file.read().unwrap_err().is_missing());
    fs::write(&path, "x\n".repeat(12)).unwrap();
    let error = file.read().unwrap_err();
    assert_eq!((error.lines().len(), error.words().len()), (12, 11));
    assert_eq!(error.words()[10], "and 2 more");
    let text = error.to_string();
    assert!(
        text.contains("trusted: the trust file is not in order, mend it first\n  line 1, column 1: 'x'"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 13);
    fs::write(&path, format!("{} {}\n", Pin::Spki([1; 32]), "x".repeat(10_000))).unwrap();
    assert_eq!(file.read().unwrap_err().words()[0].chars().count(), LONGEST);
}

#[test]
fn readers_never_see_half_of_what_is_replaced() {
    let story = Story::begin(&line("alice", 0));
    let file = TrustFile::new(story.trusted(), Sha1::Refuse);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 1..=200_u8 {
                story.replace(
                    &(0..round).map(|byte| line(&format!("client-{byte}"), byte)).collect::<String>(),
                );
            }
        });
        while !writer.is_finished() {
            assert!(!file.read().unwrap().is_empty());
        }
    });
    story.wait("the last one", || story.names().len() == 200);
    assert_eq!(story.stats.snapshot().bad_trust_lists, 0);
}

#[test]
fn a_pair_is_shown_once_both_halves_are_there_and_match() {
    let story = Story::begin(&line("alice", 1));
    let shown = || story.shown.tls().identity().chain()[0].clone();
    let first = shown();
    let (certificate, key) = certificates::good(now_unix());
    fs::write(story.path("server.crt"), &certificate).unwrap();
    story.wait("a mismatch", || story.stats.snapshot().bad_identities == 1);
    assert_eq!(shown(), first, "the old one stays");
    fs::write(story.path("server.key"), &key[..key.len() / 2]).unwrap();
    story.wait("half a key", || story.stats.snapshot().bad_identities == 2);
    fs::write(story.path("server.key"), &key).unwrap();
    story.wait("another certificate", || shown() != first);
    let identity = identity_files(story.folder.path()).read().unwrap();
    assert_eq!(shown(), identity.chain()[0]);
    let pin = Pin::Spki(identity.certificate().unwrap().digests.spki);
    story
        .wait("the new pin's status", || story.status().identity.is_some_and(|identity| identity.pin == pin));
    set_mode(&story.path("server.key"), 0o640);
    #[cfg(unix)]
    story.wait("a key that others read", || story.stats.snapshot().bad_identities == 3);
    fs::remove_file(story.path("server.key")).unwrap();
    story.wait("no key", || story.stats.snapshot().bad_identities == 3 + u64::from(cfg!(unix)));
    let error = identity_files(story.folder.path()).read().unwrap_err().to_string();
    assert!(error.ends_with("server.key: it is not there"), "{error}");
}

#[test]
fn the_status_says_what_is_so_and_the_last_state_is_written() {
    let story = Story::begin(&line("alice", 1));
    story.wait("a status", || beside::read_status(&story.trusted()).unwrap().is_some());
    let status = story.status();
    assert_eq!((status.pid, status.trust.entries, &status.trust.bad), (process::id(), 1, &None));
    assert_eq!(status.trust.file, story.trusted());
    assert!(beside::is_followed(&story.trusted()).unwrap());
    let Story { folder, server, trust, turns, .. } = story;
    let trusted = folder.path().join("trusted");
    fs::write(folder.path().join("edit"), line("alice", 1) + "x\n").unwrap();
    fs::rename(folder.path().join("edit"), &trusted).unwrap();
    let is_bad = || beside::read_status(&trusted).unwrap().unwrap().trust.bad.is_some();
    turns.wait("a bad status", is_bad);
    fs::write(&trusted, line("alice", 1) + &line("bob", 2)).unwrap();
    turns.wait("two entries", || trust.list().len() == 2);
    drop(server);
    assert!(!beside::is_followed(&trusted).unwrap(), "the thread has ended");
    let status = beside::read_status(&trusted).unwrap().unwrap();
    assert_eq!((status.trust.entries, status.trust.bad), (2, None), "less than a second after the last one");
}

#[test]
fn strangers_are_written_and_known_again_after_a_restart() {
    let mut story = Story::begin(&line("alice", 1));
    let stranger = |times| Stranger {
        pin: Pin::Spki([9; 32]),
        subject: "CN=bob".into(),
        first: 1,
        last: 2,
        times,
        sources: vec!["203.0.113.9".parse().unwrap()],
    };
    let pending = |times| Pending { strangers: vec![stranger(times)] };
    let trusted = story.trusted();
    let read = || beside::read_pending(&trusted).unwrap();
    *story.turns.changed.lock().unwrap() = Some(pending(1));
    story.wait("a first one", || read() == pending(1));
    *story.turns.changed.lock().unwrap() = Some(pending(2));
    drop(story.server.take());
    assert_eq!(read(), pending(2), "the last state, less than a second after");
    let again = Story::of(story.folder);
    again.wait("what was there", || *again.turns.restored.lock().unwrap() == Some(pending(2)));
}

#[test]
fn a_second_server_follows_writes_nothing_and_takes_over() {
    let folder = tempfile::tempdir().unwrap();
    write_pair(folder.path(), &certificates::good(now_unix()));
    let trusted = folder.path().join("trusted");
    fs::write(&trusted, line("alice", 1)).unwrap();
    let first = beside::lock(&trusted).unwrap();
    let story = Story::of(folder);
    fs::write(&trusted, line("bob", 2)).unwrap();
    // It has no turns that it tells of: its list says that it follows.
    let start = Instant::now();
    while story.names() != ["bob"] {
        assert!(start.elapsed() < HANG);
        thread::yield_now();
    }
    assert_eq!(beside::read_status(&trusted), Ok(None));
    drop(first);
    story.wait("its own status", || beside::read_status(&trusted).unwrap().is_some());
}

#[cfg(unix)]
#[test]
fn a_link_is_followed_to_where_it_leads_now() {
    let folder = tempfile::tempdir().unwrap();
    write_pair(folder.path(), &certificates::good(now_unix()));
    let at = |name: &str| folder.path().join(name);
    for (name, byte) in [("one", 1), ("two", 2)] {
        fs::create_dir(at(name)).unwrap();
        set_mode(&at(name), 0o700);
        fs::write(at(name).join("trusted"), line(name, byte)).unwrap();
    }
    // As Kubernetes does it: the folder's link is replaced, and the file's leads through it.
    std::os::unix::fs::symlink("one", at("data")).unwrap();
    std::os::unix::fs::symlink("data/trusted", at("trusted")).unwrap();
    let next = at("data.next");
    std::os::unix::fs::symlink("two", &next).unwrap();
    let data = at("data");
    let story = Story::of(folder);
    assert_eq!(story.names(), ["one"]);
    fs::rename(next, data).unwrap();
    story.wait_for_names(&["two"]);
}

#[test]
fn a_follower_of_a_folder_that_is_not_there_waits_for_it() {
    let story = Story::begin(&line("alice", 1));
    story.wait("its lock", || beside::is_followed(&story.trusted()) == Ok(true));
    let moved = story.folder.path().with_extension("moved");
    fs::rename(story.folder.path(), &moved).unwrap();
    story.wait_for_bad(1);
    fs::rename(&moved, story.folder.path()).unwrap();
    fs::write(story.trusted(), line("bob", 2)).unwrap();
    story.wait_for_names(&["bob"]);
}

#[cfg(unix)]
#[test]
fn sighup_makes_it_look() {
    let story = Story::begin(&line("alice", 1));
    let (wakes, woken) = mpsc::channel();
    let stopper = story.server.as_ref().unwrap().stopper();
    crate::signals::catch(stopper, Some(Looker(wakes))).unwrap();
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::HUP).unwrap();
    assert_eq!(woken.recv_timeout(HANG), Ok(Wake::Look));
}

/// Only catches a hang: ten times what the slowest of these waits for, on a machine under load.
const HANG: Duration = Duration::from_secs(60);
