//! Where the file is: finds it, makes it, looks at it before it is touched, opens it. Nothing that is there
//! is ever overwritten.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{Builder, Database, ReadableDatabase as _};

use super::handle::{Access, Opener, unpanicked};
use super::lock::{self, Lock, NoLock};
use super::overlay::Overlay;
use super::tables;
use super::trouble::{Kind, Trouble};
use crate::OpenError;

/// The file's path, and the lock that makes it ours.
#[derive(Debug)]
pub(super) struct Place {
    /// As it was given, for messages.
    named: PathBuf,
    /// Absolute and without links, so that two names of one file have one lock.
    real: PathBuf,
    pub(super) lock: Lock,
}

impl Place {
    /// Locks the file at `path`, and makes it if it is not there.
    pub(super) fn take(path: &Path, cache: usize) -> Result<Place, OpenError> {
        let named = path.to_owned();
        let failed = |error| OpenError::Io { path: named.clone(), error };
        let real = real(path)?;
        fit(&real).map_err(|why| OpenError::NotAStore { path: named.clone(), why: why.to_owned() })?;
        let beside = lock::beside(&real);
        let lock = Lock::take(&beside).map_err(|no_lock| match no_lock {
            NoLock::Held(process) => OpenError::InUse { path: named.clone(), process },
            NoLock::Foreign => OpenError::NotAStore {
                path: beside.clone(),
                why: "it stands where the store's lock file would be, and is none".to_owned(),
            },
            NoLock::Io(error) => OpenError::Io { path: beside.clone(), error },
        })?;
        if !fs::exists(&real).map_err(failed)? {
            make(&real, cache).map_err(|trouble| problem(&named, &trouble))?;
        }
        let place = Place { named, real, lock };
        place.look(cache)?;
        Ok(place)
    }

    /// Opens it for good.
    pub(super) fn opener(&self, cache: usize) -> Box<Opener> {
        let path = self.real.clone();
        Box::new(move |access| open(&path, access, cache))
    }

    /// What keeps the file from being opened.
    pub(super) fn problem(&self, trouble: &Trouble) -> OpenError {
        problem(&self.named, trouble)
    }

    // redb writes to what it opens, if only that it is open: not to a file of somebody else's.
    fn look(&self, cache: usize) -> Result<(), OpenError> {
        let looked = unpanicked(|| {
            self.is_free()?;
            let database = open(&self.real, Access::Read, cache)?;
            tables::check(&database.begin_read()?)
        });
        looked.map_err(|trouble| self.problem(&trouble))
    }

    /// redb's own lock on Linux: of a process that knows nothing of ours, or came by another name.
    fn is_free(&self) -> Result<(), Trouble> {
        let file = File::options().read(true).write(true).open(&self.real)?;
        match file.try_lock() {
            Err(fs::TryLockError::WouldBlock) => Err(Trouble::new(Kind::Held, "it is open")),
            _ => Ok(()),
        }
    }
}

/// A store is a file, or nothing yet. Asked before a lock is left beside it.
fn fit(real: &Path) -> Result<(), &'static str> {
    match fs::metadata(real) {
        Ok(there) if there.is_dir() => Err("it is a folder; name a file in it"),
        Ok(there) if !there.is_file() => Err("it is a device, a pipe or a socket"),
        _ => Ok(()),
    }
}

/// The path without links; of a file that is not there yet, its folder's.
fn real(path: &Path) -> Result<PathBuf, OpenError> {
    if path.symlink_metadata().is_ok() {
        return fs::canonicalize(path).map_err(|error| OpenError::Io { path: path.to_owned(), error });
    }
    let Some(name) = path.file_name() else {
        return Err(OpenError::NotAStore { path: path.to_owned(), why: "it names no file".to_owned() });
    };
    let folder = folder(path);
    match fs::canonicalize(folder) {
        Ok(folder) => Ok(folder.join(name)),
        Err(error) => Err(OpenError::Io { path: folder.to_owned(), error }),
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn open(path: &Path, access: Access, cache: usize) -> Result<Database, Trouble> {
    let file = File::options().read(true).write(access == Access::Write).open(path)?;
    // redb would begin a new database in it.
    if file.metadata()?.len() == 0 {
        return Err(Trouble::new(Kind::Damage, "it is empty"));
    }
    let file = FileBackend::new(file)?;
    let mut builder = Builder::new();
    builder.set_cache_size(cache);
    Ok(match access {
        Access::Write => builder.create_with_backend(file)?,
        Access::Read => builder.create_with_backend(Overlay::new(file)?)?,
    })
}

/// Makes an empty store: whole and durable under another name first, so that nobody ever finds half of one.
fn make(path: &Path, cache: usize) -> Result<(), Trouble> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    // Of a name that nobody else gives a file: it is removed without being asked about.
    name.push(".pinwire-new");
    let new = path.with_file_name(name);
    // What a process left that was killed at this; the lock says that no other is at it.
    let _ = fs::remove_file(&new);
    let made = fill(&new, cache).and_then(|()| Ok(put_in_place(&new, path)?));
    if made.is_err() {
        let _ = fs::remove_file(&new);
    }
    made
}

fn fill(new: &Path, cache: usize) -> Result<(), Trouble> {
    let mut options = File::options();
    options.create_new(true).read(true).write(true);
    // Documents are their owner's, whatever the umask says.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let backend = FileBackend::new(options.open(new)?)?;
    let database = Builder::new().set_cache_size(cache).create_with_backend(backend)?;
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    tables::make(&transaction)?;
    transaction.commit()?;
    database.close()?;
    Ok(())
}

/// A link cannot overwrite; where there are none, nothing is there, as was just seen under the lock.
fn put_in_place(new: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(new, path) {
        Ok(()) => fs::remove_file(new)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
        Err(_) => fs::rename(new, path)?,
    }
    sync_folder(folder(path))
}

/// Without it the name may be lost with the power, and the documents with it.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

fn problem(path: &Path, trouble: &Trouble) -> OpenError {
    let (path, why) = (path.to_owned(), trouble.to_string());
    match trouble.kind {
        Kind::Held => OpenError::InUse { path, process: None },
        Kind::Foreign => OpenError::NotAStore { path, why },
        // The file ends before what its beginning speaks of.
        Kind::Damage | Kind::Panic | Kind::Disk(Some(io::ErrorKind::UnexpectedEof)) => {
            OpenError::Damaged { path, why }
        }
        Kind::Disk(kind) => {
            let error =
                kind.map_or_else(|| io::Error::other(why.clone()), |kind| io::Error::new(kind, why.clone()));
            OpenError::Io { path, error }
        }
    }
}
