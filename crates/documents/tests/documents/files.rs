//! The embedded store's file: made, kept from others, and what is said when it is not what it should be.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use pinwire_documents::{Embedded, Limits, Listing, OpenError, Store};
use redb::{Database, MultimapTableDefinition, TableDefinition};
use tempfile::TempDir;

use crate::common::{done, id};

struct Place(TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("documents.redb")
    }

    fn holding(content: &[u8]) -> Place {
        let place = Place::new();
        fs::write(place.path(), content).unwrap();
        place
    }

    /// A store of 200 documents, closed.
    fn filled() -> Place {
        let place = Place::new();
        let store = open(&place.path()).unwrap();
        let asked: Vec<_> =
            (0..200).map(|number| store.put(id(&number.to_string()), &[7; 2_000], None)).collect();
        asked.into_iter().for_each(|asked| assert!(done(asked).is_ok()));
        place
    }
}

fn open(path: &Path) -> Result<Embedded, OpenError> {
    Embedded::open(path, Limits::default())
}

/// Says no, in these words, and leaves what is there as it is.
#[track_caller]
fn refused(path: &Path, words: &str) {
    let before = fs::read(path).ok();
    let said = open(path).unwrap_err().to_string();
    assert!(said.contains(words), "{said}");
    assert!(said.contains(&path.file_name().unwrap().to_string_lossy().to_string()), "{said}");
    assert_eq!(fs::read(path).ok(), before, "{said}");
}

#[test]
fn what_was_answered_is_there_after_opening_again() {
    let place = Place::new();
    for round in 0..3 {
        let store = open(&place.path()).unwrap();
        assert_eq!(done(store.put(id("a"), format!("{round}").as_bytes(), None)), Ok(round * 3 + 1));
        assert_eq!(done(store.put(id("b"), b"", None)), Ok(round * 3 + 2));
        assert_eq!(done(store.delete(id("b"), None)), Ok(round * 3 + 3));
        drop(store);
        let store = open(&place.path()).unwrap();
        let found = done(store.get(id("a"))).unwrap().unwrap();
        assert_eq!((found.version, &*found.body), (round * 3 + 1, format!("{round}").as_bytes()));
        assert_eq!(done(store.get(id("b"))), Ok(None));
    }
}

#[test]
fn a_new_file_comes_whole_and_what_a_killed_start_left_is_no_hindrance() {
    let place = Place::new();
    fs::write(place.0.path().join("documents.redb.pinwire-new"), "half").unwrap();
    drop(open(&place.path()).unwrap());
    let mut names: Vec<_> =
        fs::read_dir(place.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["documents.redb", "documents.redb.lock"]);
}

/// Whatever the names beside it: `Gemfile` has a `Gemfile.lock` that is no store's.
#[test]
fn files_of_others_beside_it_are_left_alone() {
    let place = Place::new();
    let beside = |end: &str| place.0.path().join(format!("documents.redb{end}"));
    fs::write(beside(".lock"), "left-pad 1.3.0\n").unwrap();
    let said = open(&place.path()).unwrap_err().to_string();
    assert!(said.contains("documents.redb.lock is not a store of documents: it stands where"), "{said}");
    assert_eq!(fs::read_to_string(beside(".lock")).unwrap(), "left-pad 1.3.0\n");
    assert!(!place.path().exists());
    fs::remove_file(beside(".lock")).unwrap();
    fs::write(beside(".new"), "notes").unwrap();
    drop(open(&place.path()).unwrap());
    assert_eq!(fs::read_to_string(beside(".new")).unwrap(), "notes");
}

#[cfg(unix)]
#[test]
fn documents_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::filled();
    for name in ["documents.redb", "documents.redb.lock"] {
        let mode = fs::metadata(place.0.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_store_is_opened_once() {
    let place = Place::filled();
    let first = open(&place.path()).unwrap();
    let said = open(&place.path()).unwrap_err();
    assert!(matches!(said, OpenError::InUse { process: Some(process), .. } if process == std::process::id()));
    assert!(said.to_string().contains(&format!("documents.redb is used by process {}", std::process::id())));
    drop(first);
    open(&place.path()).unwrap();
}

#[cfg(unix)]
#[test]
fn other_names_of_the_same_file_are_the_same_store() {
    let place = Place::filled();
    let (link, hard) = (place.0.path().join("link.redb"), place.0.path().join("hard.redb"));
    std::os::unix::fs::symlink(place.path(), &link).unwrap();
    fs::hard_link(place.path(), &hard).unwrap();
    let first = open(&link).unwrap();
    assert!(matches!(open(&place.path()), Err(OpenError::InUse { process: Some(_), .. })));
    // That it is the same file shows only in redb's own lock.
    #[cfg(target_os = "linux")]
    assert!(matches!(open(&hard), Err(OpenError::InUse { process: None, .. })));
    drop(first);
    open(&hard).unwrap();
}

#[test]
fn files_of_other_kinds_are_left_alone() {
    for content in [
        "a text, and not a short one; ".repeat(1_000).into_bytes(),
        b"x".to_vec(),
        [b"SQLite format 3\0".to_vec(), vec![0; 8_176]].concat(),
        vec![0; 100_000],
    ] {
        refused(&Place::holding(&content).path(), "is not a store of documents: ");
    }
    let text = Place::holding(&b"a text, and not a short one; ".repeat(1_000));
    refused(
        &text.path(),
        "is not a store of documents: its first bytes are another program's; it was left alone",
    );
    refused(&Place::holding(b"").path(), "is damaged: it is empty; put a backup in its place");
}

#[test]
fn redb_files_of_other_programs_are_left_alone() {
    let made = |make: fn(&redb::WriteTransaction)| {
        let place = Place::new();
        let database = Database::create(place.path()).unwrap();
        let transaction = database.begin_write().unwrap();
        make(&transaction);
        transaction.commit().unwrap();
        place
    };
    let words = "is not a store of documents: it holds other tables (";
    refused(&made(|_| {}).path(), words);
    let other = |transaction: &redb::WriteTransaction| {
        transaction.open_table(TableDefinition::<u64, u64>::new("other")).unwrap();
    };
    refused(&made(other).path(), "it holds other tables (other)");
    let types = |transaction: &redb::WriteTransaction| {
        transaction.open_table(TableDefinition::<&str, &str>::new("documents")).unwrap();
        transaction.open_table(TableDefinition::<u64, u64>::new("changes")).unwrap();
    };
    refused(&made(types).path(), "is not a store of documents: documents has key type");
    let newer = |transaction: &redb::WriteTransaction| {
        transaction.open_table(TableDefinition::<&str, (u64, &[u8])>::new("documents")).unwrap();
        transaction.open_table(TableDefinition::<u64, (u64, u8, &str, &[u8])>::new("changes")).unwrap();
        transaction.open_multimap_table(MultimapTableDefinition::<u64, u64>::new("more")).unwrap();
    };
    refused(&made(newer).path(), words);
}

#[test]
fn a_store_that_lost_its_history_would_count_from_one_again() {
    let place = Place::new();
    let database = Database::create(place.path()).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut documents =
            transaction.open_table(TableDefinition::<&str, (u64, &[u8])>::new("documents")).unwrap();
        documents.insert("a", (7, &b"x"[..])).unwrap();
        transaction.open_table(TableDefinition::<u64, (u64, u8, &str, &[u8])>::new("changes")).unwrap();
    }
    transaction.commit().unwrap();
    drop(database);
    refused(&place.path(), "is damaged: it holds a document that is newer than all changes");
}

#[test]
fn a_file_that_is_cut_is_damaged() {
    let place = Place::filled();
    let whole = fs::read(place.path()).unwrap();
    for keep in [100, 4_096, 10_000, whole.len() / 2, whole.len() - 4_096] {
        fs::write(place.path(), &whole[..keep]).unwrap();
        let said = open(&place.path()).unwrap_err();
        assert!(matches!(said, OpenError::Damaged { .. } | OpenError::NotAStore { .. }), "{keep}: {said}");
        assert_eq!(fs::read(place.path()).unwrap(), whole[..keep]);
    }
}

/// Not all damage can be seen when a file is opened; none of it may end the process or wait for ever.
#[test]
fn a_file_with_bytes_of_somebody_else_ends_nothing() {
    let place = Place::filled();
    let whole = fs::read(place.path()).unwrap();
    let mut random = 1_u64;
    let mut below = |most: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % most
    };
    let (mut refused, mut broken) = (0, 0);
    for _ in 0..60 {
        let mut bytes = whole.clone();
        // Half of it hits the first pages, where the trees have their roots.
        let reach = if below(2) == 0 { 64 * 1024 } else { bytes.len() };
        let (at, length) = (below(reach), 1 + below(5_000));
        let end = (at + length).min(bytes.len());
        bytes[at..end].fill_with(|| below(256) as u8);
        fs::write(place.path(), bytes).unwrap();
        match open(&place.path()) {
            Err(OpenError::Damaged { .. } | OpenError::NotAStore { .. }) => refused += 1,
            Err(other) => panic!("{other}"),
            Ok(store) => {
                for number in 0..200 {
                    broken += usize::from(done(store.get(id(&number.to_string()))).is_err());
                }
                let listing = Listing { prefix: "", after: None, at_most: 1_000 };
                broken += usize::from(done(store.list(&listing)).is_err());
                broken += usize::from(done(store.put(id("new"), b"x", None)).is_err());
                broken += usize::from(done(store.delete(id("7"), None)).is_err());
            }
        }
    }
    println!("{refused} were refused, {broken} requests failed");
    assert!(refused > 0, "the test damages what matters");
}

#[test]
fn places_that_are_none_are_named() {
    let place = Place::filled();
    refused(place.0.path(), "it is a folder; name a file in it");
    let said = |path: &str| open(&place.0.path().join(path)).unwrap_err().to_string();
    assert!(said("no/folder/documents.redb").contains("no/folder: it is not there; make the folder first"));
    assert!(said("documents.redb/x").contains("leads through a file"), "{}", said("documents.redb/x"));
    assert!(open(Path::new("")).unwrap_err().to_string().contains("it names no file"));
}

#[cfg(unix)]
#[test]
fn what_may_not_be_written_is_said() {
    use std::os::unix::fs::PermissionsExt as _;
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let place = Place::filled();
    set(&place.path(), 0o400);
    if File::options().write(true).open(place.path()).is_ok() {
        println!("this user may write everything (root): tests/full_disk has a read-only file system");
        return;
    }
    refused(&place.path(), "permission denied; this user must be able to read and write it");
    set(&place.path(), 0o600);
    let new = place.0.path().join("folder/documents.redb");
    fs::create_dir(new.parent().unwrap()).unwrap();
    set(new.parent().unwrap(), 0o500);
    let said = open(&new).unwrap_err().to_string();
    set(new.parent().unwrap(), 0o700);
    assert!(
        said.contains("documents.redb.lock: permission denied") && said.contains("make files in"),
        "{said}"
    );
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_no_store_and_gets_no_lock() {
    let place = Place::new();
    let _socket = std::os::unix::net::UnixListener::bind(place.path()).unwrap();
    refused(&place.path(), "is not a store of documents: it is a device, a pipe or a socket");
    assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 1, "the socket alone");
}
