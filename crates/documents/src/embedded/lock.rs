//! The lock file beside the store: one process at a time, and whoever comes second reads which. It is the
//! system's lock that counts: that of a process that was killed is gone with it, whatever the file says.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// The store is this process's until it is dropped. The file stays: were it removed, a third process could
/// lock another one of the same name.
#[derive(Debug)]
pub(super) struct Lock(File);

/// Why it is not.
#[derive(Debug)]
pub(super) enum NoLock {
    /// Another store has it, in the process of this number if it could be read.
    Held(Option<u32>),
    Io(io::Error),
}

impl Lock {
    /// Locks the file at `path`, which is made if it is not there.
    pub(super) fn take(path: &Path) -> Result<Lock, NoLock> {
        let mut options = File::options();
        options.create(true).truncate(false).read(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(NoLock::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(NoLock::Held(holder(&mut file))),
            Err(TryLockError::Error(error)) => return Err(NoLock::Io(error)),
        }
        // A full disk is no reason not to serve: only the number is missing then.
        let _ = sign(&mut file);
        Ok(Lock(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.0.set_len(0);
    }
}

/// The lock file of the store at `path`.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    path.with_file_name(name)
}

fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim_end().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_learns_who_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = beside(&folder.path().join("documents.redb"));
        assert!(path.ends_with("documents.redb.lock"));
        let first = Lock::take(&path).unwrap();
        let second = Lock::take(&path);
        assert!(matches!(second, Err(NoLock::Held(Some(pid))) if pid == std::process::id()), "{second:?}");
        drop(first);
        Lock::take(&path).unwrap();
    }

    #[test]
    fn what_a_killed_process_left_locks_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        std::fs::write(&path, "4294967295 and then some\n").unwrap();
        let lock = Lock::take(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        drop(lock);
    }
}
