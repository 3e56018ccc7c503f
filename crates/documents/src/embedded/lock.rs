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
    /// The file there is somebody else's: it holds no process's number.
    Foreign,
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
        if !is_ours(&mut file).map_err(NoLock::Io)? {
            return Err(NoLock::Foreign);
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

/// Whether it holds what `sign` writes. Zeros are what a loss of power may leave of that.
fn is_ours(file: &mut File) -> io::Result<bool> {
    let mut bytes = Vec::new();
    file.take(SIGNED + 1).read_to_end(&mut bytes)?;
    let is_signed = bytes.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'\n' | 0));
    Ok(is_signed && bytes.len() as u64 <= SIGNED)
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(SIGNED).read_to_string(&mut text).ok()?;
    text.trim_end().parse().ok()
}

/// Bytes of a process's number and its line's end, and some.
const SIGNED: u64 = 16;

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
        for left in ["", "4294967295\n", "12", "\0\0\0\0\0\0"] {
            std::fs::write(&path, left).unwrap();
            let lock = Lock::take(&path).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
            drop(lock);
        }
    }

    #[test]
    fn a_file_of_somebody_else_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        for content in ["left-pad 1.3.0\n", "12345678901234567"] {
            std::fs::write(&path, content).unwrap();
            assert!(matches!(Lock::take(&path), Err(NoLock::Foreign)));
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
    }
}
