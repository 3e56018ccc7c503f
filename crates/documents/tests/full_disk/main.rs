//! The embedded store on a real disk that is full, and on one that is read-only. Both need a small file
//! system of their own, which only root can mount; whoever is not finds the same stories, on a disk of the
//! test's own, in `embedded/tests.rs`.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use pinwire_documents::{Asked, Embedded, Id, Limits, Store, StoreError};

/// A file system of a few megabytes, gone with the test.
struct Small(tempfile::TempDir);

impl Small {
    /// Nothing, and why, where mounting is not permitted.
    fn mount() -> Option<Small> {
        let folder = tempfile::tempdir().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"])
            .arg(folder.path())
            .output();
        match mount {
            Ok(done) if done.status.success() => Some(Small(folder)),
            why => {
                println!("no small file system can be mounted here: {why:?}");
                None
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn remount(&self, option: &str) {
        let done = Command::new("mount").args(["-o", option]).arg(self.0.path()).status().unwrap();
        assert!(done.success());
    }

    /// Takes all room but so many bytes.
    fn fill_up_but_for(&self, bytes: usize) -> PathBuf {
        let path = self.path("ballast");
        let mut ballast = fs::File::create(&path).unwrap();
        while ballast.write_all(&[0; 4_096]).is_ok() {}
        let length = ballast.metadata().unwrap().len();
        ballast.set_len(length - bytes as u64).unwrap();
        path
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

fn id(text: &str) -> Id<'_> {
    Id::parse(text).unwrap()
}

fn done<T>(asked: Asked<T>) -> Result<T, StoreError> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(asked.done())
}

fn open(path: &Path) -> Embedded {
    Embedded::open(path, Limits { cache: 0, ..Limits::default() }).unwrap()
}

fn is_broken<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Broken(_)))
}

#[test]
fn a_full_disk_fails_changes_and_nothing_else() {
    let Some(disk) = Small::mount() else { return };
    let store = open(&disk.path("documents.redb"));
    let mut newest = 0;
    for number in 0..100 {
        newest = done(store.put(id(&format!("kept/{number}")), &[b'x'; 5_000], None)).unwrap();
    }
    let ballast = disk.fill_up_but_for(16 * 1024);
    let log = Log::default();
    let mut failed = 0;
    tracing::subscriber::set_global_default(tracing_subscriber::fmt().with_writer(log.clone()).finish())
        .unwrap();
    for number in 0..60 {
        match done(store.put(id(&format!("more/{number}")), &[b'y'; 5_000], None)) {
            Ok(version) => newest = version,
            other => failed += usize::from(is_broken(&other)),
        }
        let kept = done(store.get(id(&format!("kept/{}", number % 100)))).unwrap().unwrap();
        assert_eq!(kept.body.len(), 5_000);
    }
    assert!(failed > 30, "{failed}");
    fs::remove_file(ballast).unwrap();
    let version = done(store.put(id("after"), b"z", None)).expect("there is room again");
    assert!(version > newest);
    let said = log.text();
    assert_eq!(said.matches("changes cannot be written").count(), 1, "once, not {failed} times: {said}");
    assert_eq!(said.matches("changes are written again").count(), 1, "{said}");
    drop(store);
    let store = open(&disk.path("documents.redb"));
    assert_eq!(done(store.get(id("after"))).unwrap().unwrap().version, version);
    assert_eq!(done(store.put(id("after"), b"", None)), Ok(version + 1));
}

#[test]
fn a_store_opens_on_a_full_disk_and_none_is_made_there() {
    let Some(disk) = Small::mount() else { return };
    drop(open(&disk.path("documents.redb")));
    disk.fill_up_but_for(0);
    let store = open(&disk.path("documents.redb"));
    assert_eq!(done(store.get(id("a"))), Ok(None));
    let said = Embedded::open(disk.path("new.redb"), Limits::default()).unwrap_err().to_string();
    assert!(said.contains("new.redb") && said.contains("no room left"), "{said}");
    assert!(!disk.path("new.redb").exists() && !disk.path("new.redb.pinwire-new").exists());
}

#[test]
fn a_read_only_disk_is_read_on_and_said_when_opening() {
    let Some(disk) = Small::mount() else { return };
    let store = open(&disk.path("documents.redb"));
    assert_eq!(done(store.put(id("a"), b"x", None)), Ok(1));
    drop(store);
    disk.remount("remount,ro");
    for name in ["documents.redb", "new.redb"] {
        let said = Embedded::open(disk.path(name), Limits::default()).unwrap_err().to_string();
        assert!(said.contains("the file system is read-only"), "{said}");
    }
}

/// What is logged, of all threads.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for Log {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}
