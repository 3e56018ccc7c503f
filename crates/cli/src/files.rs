//! Files that are never seen half written, and never lost to another program that writes the same one.

use std::fs::{self, File, TryLockError};
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::exit::Failure;
use crate::output;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Its owner alone (mode 0600).
    Owner,
    /// Everybody (mode 0644, less what the umask takes).
    All,
}

/// The whole file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::file(path, error))
}

/// The whole file, or nothing if it is not there.
pub(crate) fn read_text(path: &Path) -> Result<Option<String>, Failure> {
    match fs::read(path) {
        Ok(bytes) => {
            String::from_utf8(bytes).map(Some).map_err(|_| Failure::file(path, "this is not UTF-8 text"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::file(path, error)),
    }
}

/// The file, or the standard input for "-"; whoever sits there is told.
pub(crate) fn read_or_stdin(path: &Path) -> Result<Vec<u8>, Failure> {
    if path != Path::new("-") {
        return read(path);
    }
    if io::stdin().is_terminal() {
        output::remark(format_args!("reading from standard input; {END_OF_INPUT} ends it"));
    }
    let mut bytes = Vec::new();
    match io::stdin().lock().read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Failure::file(Path::new("standard input"), error)),
    }
}

/// Writes a file for its user: a new one, or in place of what was there. What is no file (a device, a pipe)
/// is written into, and a link that leads nowhere is left alone.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    match fs::metadata(path) {
        Ok(there) if !there.is_file() || is_the_systems(path) => {
            write_into(path, &there, content).map_err(|error| Failure::file(path, error))
        }
        Ok(_) => replace(path, content),
        // Of a link, replacing would leave its target as it is, and take the link away.
        Err(error) => match fs::read_link(path) {
            Ok(to) if error.kind() == io::ErrorKind::NotFound => {
                let text = format!("it is a link to {}, which is not there", to.display());
                Err(Failure::file(path, text))
            }
            Ok(_) => Err(Failure::file(path, error)),
            Err(_) => replace(path, content),
        },
    }
}

/// A file that must not be there yet.
pub(crate) fn create(path: &Path, content: &[u8], readers: Readers) -> Result<(), Failure> {
    let written = write_beside(path, content, readers).and_then(|file| {
        file.persist_noclobber(path).map_err(|error| error.error)?;
        sync_folder(path)
    });
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::file(path, "it is there already; nothing was overwritten"),
        _ => Failure::file(path, error),
    })
}

/// The file with new content, at once and whole; who may read it stays as it was.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), Failure> {
    // A link stays a link: what it leads to is replaced.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let replaced = write_beside(&target, content, Readers::All).and_then(|file| {
        if let Ok(before) = fs::metadata(&target) {
            keep_owner(file.as_file(), &before);
            file.as_file().set_permissions(before.permissions())?;
        }
        file.persist(&target).map_err(|error| error.error)?;
        sync_folder(&target)
    });
    replaced.map_err(|error| Failure::file(path, error))
}

/// Holds off other pinwire programs that change files in the folder of `path`, until it is dropped.
pub(crate) fn lock_beside(path: &Path) -> Result<File, Failure> {
    // Whoever comes by a link and whoever does not change one file.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let lock = folder(&target).join(".pinwire.lock");
    let locked = open_lock(&lock).and_then(|file| match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            output::remark(format_args!(
                "waiting for another pinwire that changes files here ({})",
                lock.display()
            ));
            file.lock().map(|()| file)
        }
        Err(TryLockError::Error(error)) => Err(error),
    });
    locked.map_err(|error| Failure::file(&lock, error))
}

/// Its owner's alone: whoever may open it can hold it.
fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A file that somebody else opened gets it at its end: what was written before stays.
fn write_into(path: &Path, there: &fs::Metadata, content: &[u8]) -> io::Result<()> {
    File::options().write(true).append(there.is_file()).open(path)?.write_all(content)
}

/// Whether this is, or a link leads to, what the system has under a name of its own: /dev/stdout and /dev/fd
/// lead through /proc to a regular file, if it is one that was opened.
fn is_the_systems(path: &Path) -> bool {
    let mut at = path.to_owned();
    for _ in 0..LINKS {
        let Ok(inside) = fs::canonicalize(folder(&at)) else { return false };
        let is_device = inside.starts_with("/dev") && !inside.starts_with("/dev/shm");
        if is_device || inside.starts_with("/proc") {
            return true;
        }
        match fs::read_link(&at) {
            Ok(to) => at = inside.join(to),
            Err(_) => return false,
        }
    }
    false
}

/// Links that are followed: as many as Linux does (path_resolution(7)).
const LINKS: usize = 40;

#[cfg(unix)]
const END_OF_INPUT: &str = "Ctrl-D";
#[cfg(not(unix))]
const END_OF_INPUT: &str = "Ctrl-Z";

/// A file that its owner alone may read must not become root's because root edits it. Whoever may not give
/// files away leaves it as it is.
#[cfg(unix)]
fn keep_owner(file: &File, before: &fs::Metadata) {
    use std::os::unix::fs::{MetadataExt as _, fchown};
    let is_same = |now: &fs::Metadata| (now.uid(), now.gid()) == (before.uid(), before.gid());
    if !file.metadata().is_ok_and(|now| is_same(&now)) {
        let _ = fchown(file, Some(before.uid()), Some(before.gid()));
    }
}

#[cfg(not(unix))]
fn keep_owner(_: &File, _: &fs::Metadata) {}

/// A temporary file in the same folder, durable, with its final mode.
fn write_beside(path: &Path, content: &[u8], readers: Readers) -> io::Result<NamedTempFile> {
    let mut file = builder(readers).tempfile_in(folder(path)).map_err(|error| without_path(&error))?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Without the temporary file's name, which tempfile puts behind the system's words and nobody knows.
fn without_path(error: &io::Error) -> io::Error {
    let text = error.to_string();
    let words = text.split(" at path ").next().unwrap_or_default();
    io::Error::new(error.kind(), words.to_owned())
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(unix)]
fn builder(readers: Readers) -> tempfile::Builder<'static, 'static> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = if readers == Readers::Owner { 0o600 } else { 0o644 };
    let mut builder = tempfile::Builder::new();
    builder.permissions(fs::Permissions::from_mode(mode));
    builder
}

#[cfg(not(unix))]
fn builder(_: Readers) -> tempfile::Builder<'static, 'static> {
    // The folder's access list, which the user's profile gives, keeps others out.
    tempfile::Builder::new()
}

/// The rename itself must outlive a crash.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_never_overwritten_by_create() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        create(&path, b"one", Readers::Owner).unwrap();
        let refused = create(&path, b"two", Readers::Owner).unwrap_err();
        assert!(refused.to_string().ends_with("nothing was overwritten"), "{refused}");
        assert_eq!(fs::read(&path).unwrap(), b"one");
        replace(&path, b"three").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"three");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[cfg(unix)]
    #[test]
    fn a_missing_folder_is_said_in_the_systems_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none/a");
        let refused = write(&path, b"one").unwrap_err().to_string();
        assert!(refused.ends_with("none/a: No such file or directory (os error 2)"), "{refused}");
    }

    #[cfg(unix)]
    #[test]
    fn modes_are_kept() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        create(&path, b"one", Readers::Owner).unwrap();
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(mode(), 0o640);
    }
}
