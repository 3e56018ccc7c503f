//! One look at a file: what it holds, or why it is not to be used. Does not wait, and does not know what the file
//! means.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::path::Path;

use super::settle::{Content, Seen, Unusable};

/// What makes a file unsafe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Care {
    /// Others may write it or put another in its place: a list of who is let in.
    List,
    /// Nothing: a certificate is everybody's to read, and of no use without its key.
    Certificate,
    /// Others may read it.
    Key,
}

/// Looks at the file, through links. A pipe or a device is not opened.
pub(crate) fn look(path: &Path, care: Care) -> Seen {
    check_kind(&fs::metadata(path)?)?;
    let mut file = open(path)?;
    // What was opened counts: another may stand here by now.
    let metadata = file.metadata()?;
    check_kind(&metadata)?;
    safety::check(path, &metadata, care)?;
    let mut bytes = Vec::new();
    file.by_ref().take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(Unusable::TooLarge(LARGEST));
    }
    // Whoever wrote while it was read changed its times: they prove nothing then.
    let stamp = safety::stamp(&metadata)
        .filter(|stamp| file.metadata().is_ok_and(|now| safety::stamp(&now) == Some(*stamp)));
    Ok(Content { bytes, stamp, renamed: false })
}

fn check_kind(metadata: &Metadata) -> Result<(), Unusable> {
    match () {
        () if metadata.is_file() => Ok(()),
        () if metadata.is_dir() => Err(Unusable::NotAFile("a folder")),
        () => Err(Unusable::NotAFile("a pipe or a device")),
    }
}

#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    // A pipe that takes the file's place in this moment must not hold us.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    File::options().read(true).custom_flags(flags).open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

impl From<io::Error> for Unusable {
    fn from(error: io::Error) -> Unusable {
        match error.kind() {
            io::ErrorKind::NotFound => Unusable::Missing,
            _ => Unusable::Unreadable(error.to_string()),
        }
    }
}

/// Bytes that a file may have: a hundred thousand entries with names.
const LARGEST: u64 = 16 * 1024 * 1024;

#[cfg(unix)]
mod safety {
    use std::fs::{self, Metadata};
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;

    use pinwire_proto::identity::check_key_mode;

    use super::{Care, Unusable};
    use crate::beside::folder_of;
    use crate::follow::settle::Stamp;

    pub(super) fn check(path: &Path, metadata: &Metadata, care: Care) -> Result<(), Unusable> {
        match care {
            Care::Certificate => Ok(()),
            Care::Key => check_key_mode(metadata.mode()).map_err(|error| Unusable::Unsafe(error.to_string())),
            Care::List => {
                nobody_else_writes(path, metadata)?;
                folder(folder_of(path))?;
                // Of a link, whoever may write where it leads puts another file there.
                folder(folder_of(&fs::canonicalize(path)?))
            }
        }
    }

    fn folder(path: &Path) -> Result<(), Unusable> {
        nobody_else_writes(path, &fs::metadata(path)?)
    }

    fn nobody_else_writes(path: &Path, metadata: &Metadata) -> Result<(), Unusable> {
        let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
        let (what, path) = (if metadata.is_dir() { "its folder" } else { "it" }, path.display());
        if mode & OTHERS_WRITE != 0 {
            let text = format!("others may write {what} (mode {mode:04o}); run `chmod go-w {path}`");
            return Err(Unusable::Unsafe(text));
        }
        if owner != 0 && owner != rustix::process::geteuid().as_raw() {
            let text = format!(
                "user {owner}, who is neither root nor this process's user, owns {what}; run `chown` on {path}"
            );
            return Err(Unusable::Unsafe(text));
        }
        Ok(())
    }

    pub(super) fn stamp(metadata: &Metadata) -> Option<Stamp> {
        Some(Stamp {
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// The bits of group and others.
    const OTHERS_WRITE: u32 = 0o022;
}

#[cfg(not(unix))]
mod safety {
    //! Elsewhere the folder's access list, which the user's profile gives, keeps others out.

    use super::{Care, Metadata, Path, Unusable};
    use crate::follow::settle::Stamp;

    pub(super) fn check(_: &Path, _: &Metadata, _: Care) -> Result<(), Unusable> {
        Ok(())
    }

    pub(super) fn stamp(_: &Metadata) -> Option<Stamp> {
        None
    }
}
