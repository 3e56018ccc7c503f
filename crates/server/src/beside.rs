//! The files beside a trust file `F`, by which `pinwire trust` and a running server know of one another without a
//! socket: `F.status` and `F.pending`, which the server writes, `F.removed`, which `pinwire trust` writes, and
//! `F.lock`, which a server holds while it follows `F`. They decide nothing: who is let in stands in `F` alone.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use pinwire_proto::trust::Pin;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What a server that follows its trust file says of itself: `F.status`. Times are unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its process.
    pub pid: u32,
    /// Where it listens.
    pub listening: SocketAddr,
    /// When it began to follow.
    pub started: i64,
    /// The list that judges now.
    pub trust: TrustStatus,
    /// What it shows; `None`: its files are not followed.
    pub identity: Option<IdentityStatus>,
}

/// The list that judges now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustStatus {
    /// Its file.
    pub file: PathBuf,
    /// How many entries it has.
    pub entries: usize,
    /// Since when it judges.
    pub since: i64,
    /// Why the file, as it is now, is not used.
    pub bad: Option<Bad>,
}

/// The identity that is shown now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityStatus {
    /// The pin of its key.
    #[serde(with = "as_text")]
    pub pin: Pin,
    /// When its certificate ends; `i64::MAX`: never.
    pub not_after: i64,
    /// Since when it is shown.
    pub since: i64,
    /// Why the files, as they are now, are not used.
    pub bad: Option<Bad>,
}

/// A version that is not used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bad {
    /// Since when it is there.
    pub since: i64,
    /// What is wrong with it: ten at most, then how many more there are.
    pub errors: Vec<String>,
}

/// Strangers who proved that they hold their key, and were refused: `F.pending`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// In no order that means anything.
    pub strangers: Vec<Stranger>,
}

/// A key that is not on the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stranger {
    /// The pin of its key.
    #[serde(with = "as_text")]
    pub pin: Pin,
    /// What its certificate calls itself: proves nothing. Printable ASCII if a server of ours wrote it.
    pub subject: String,
    /// When it came first, unix seconds.
    pub first: i64,
    /// When it came last.
    pub last: i64,
    /// How often it came.
    pub times: u64,
    /// Where from, the newest first; four at most.
    pub sources: Vec<IpAddr>,
}

/// Pins that an operator has taken out or turned away: `F.removed`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// The oldest first; at most [`Removed::MOST`].
    pub removed: Vec<Gone>,
}

/// A pin that was taken out or turned away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// Which.
    #[serde(with = "as_text")]
    pub pin: Pin,
    /// What its entry called it.
    pub name: Option<String>,
    /// When, unix seconds.
    pub at: i64,
    /// What happened to it.
    pub how: How,
}

/// What happened to a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// `pinwire trust remove`.
    Removed,
    /// `pinwire trust reject`.
    Rejected,
}

impl Removed {
    /// How many are remembered.
    pub const MOST: usize = 1_024;

    /// Remembers `gone`, in place of what was known of its pin. The oldest are forgotten.
    pub fn note(&mut self, gone: Gone) {
        self.removed.retain(|other| other.pin != gone.pin);
        self.removed.push(gone);
        let excess = self.removed.len().saturating_sub(Self::MOST);
        self.removed.drain(..excess);
    }

    /// What happened to `pin`.
    pub fn find(&self, pin: &Pin) -> Option<&Gone> {
        self.removed.iter().find(|gone| gone.pin == *pin)
    }
}

/// What the server that follows `trusted`, or the last one that did, says of itself; `None`: there was none.
///
/// # Errors
/// If the file is there and cannot be read or understood.
pub fn read_status(trusted: &Path) -> Result<Option<Status>, BesideError> {
    read(&beside(trusted, STATUS))
}

/// The strangers that wait beside `trusted`.
///
/// # Errors
/// If the file is there and cannot be read or understood.
pub fn read_pending(trusted: &Path) -> Result<Pending, BesideError> {
    read(&beside(trusted, PENDING)).map(Option::unwrap_or_default)
}

/// The pins that were taken out of `trusted` or turned away.
///
/// # Errors
/// If the file is there and cannot be read or understood.
pub fn read_removed(trusted: &Path) -> Result<Removed, BesideError> {
    read(&beside(trusted, REMOVED)).map(Option::unwrap_or_default)
}

/// Writes `removed` beside `trusted`, at once and whole, durably. Of two who change it at a time, one waits: the
/// caller holds a lock from reading to writing.
///
/// # Errors
/// The system's.
pub fn write_removed(trusted: &Path, removed: &Removed) -> Result<(), BesideError> {
    write(&beside(trusted, REMOVED), removed, Durable::Yes)
}

/// Whether a server follows `trusted` now. May delay by a second that one which starts this moment says so.
///
/// # Errors
/// If the lock is there and cannot be asked.
pub fn is_followed(trusted: &Path) -> Result<bool, BesideError> {
    let path = beside(trusted, LOCK);
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened.map_err(|error| BesideError::new(&path, &error))?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(BesideError::new(&path, &error)),
    }
}

pub(crate) fn write_status(trusted: &Path, status: &Status) -> Result<(), BesideError> {
    write(&beside(trusted, STATUS), status, Durable::No)
}

pub(crate) fn write_pending(trusted: &Path, pending: &Pending) -> Result<(), BesideError> {
    write(&beside(trusted, PENDING), pending, Durable::No)
}

/// The lock of whoever follows `trusted`, until it is dropped; `None`: another server holds it.
pub(crate) fn lock(trusted: &Path) -> Result<Option<File>, BesideError> {
    let path = beside(trusted, LOCK);
    let failed = |error: io::Error| BesideError::new(&path, &error);
    let file = private().create(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Whether a file of this name is one of those beside `trusted`, or one that becomes one.
pub(crate) fn is_beside(trusted: &Path, name: &std::ffi::OsStr) -> bool {
    let names = [STATUS, PENDING, REMOVED, LOCK].map(|ending| beside(trusted, ending));
    names.iter().any(|path| path.file_name() == Some(name) || new(path).file_name() == Some(name))
}

/// The folder in which a file is.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file beside the trust file that cannot be read, understood or written. `Display`: its path and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BesideError {
    path: PathBuf,
    text: String,
}

impl BesideError {
    fn new(path: &Path, why: &dyn fmt::Display) -> Self {
        BesideError { path: path.to_owned(), text: why.to_string() }
    }
}

impl fmt::Display for BesideError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.text)
    }
}

impl std::error::Error for BesideError {}

/// Whether what was written must outlive the machine's end. What the server says need not: it must never wait for a
/// disk, for it has a list to follow; after a loss of power a broken file is said to be so, and written anew.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Durable {
    Yes,
    No,
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, BesideError> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes.map_err(|error| BesideError::new(path, &error))?,
    };
    let broken = |error| format!("it is broken ({error}); it may be deleted");
    serde_json::from_slice(&bytes).map(Some).map_err(|error| BesideError::new(path, &broken(error)))
}

fn write<T: Serialize>(path: &Path, value: &T, durable: Durable) -> Result<(), BesideError> {
    let bytes = serde_json::to_vec(value).map_err(|error| BesideError::new(path, &error))?;
    replace(path, &bytes, durable).map_err(|error| BesideError::new(path, &error))
}

/// One writer at a time: the new file's name is always the same, and what one left that was killed goes.
fn replace(path: &Path, bytes: &[u8], durable: Durable) -> io::Result<()> {
    let new = new(path);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private().create_new(true).open(&new)?;
    file.write_all(bytes)?;
    file.write_all(b"\n")?;
    if durable == Durable::Yes {
        file.sync_all()?;
    }
    fs::rename(&new, path)?;
    match durable {
        Durable::Yes => sync_folder(path),
        Durable::No => Ok(()),
    }
}

/// The rename itself must outlive a crash.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// For its owner alone.
fn private() -> fs::OpenOptions {
    let mut options = File::options();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn beside(trusted: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(trusted);
    name.push(ending);
    name.into()
}

fn new(path: &Path) -> PathBuf {
    beside(path, ".new")
}

const STATUS: &str = ".status";
const PENDING: &str = ".pending";
const REMOVED: &str = ".removed";
const LOCK: &str = ".lock";

/// A pin as it is written everywhere.
mod as_text {
    use super::Pin;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(pin: &Pin, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(pin)
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Pin, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;
