//! Why a store cannot be opened, in words that say what to do.

use std::path::{Path, PathBuf};
use std::{fmt, io};

/// Why a store cannot be opened. Nothing that is there was changed.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it open, or this one has already.
    InUse {
        /// The store's file.
        path: PathBuf,
        /// The process, if its number could be read.
        process: Option<u32>,
    },
    /// What is there was not made by a store, or by a newer one.
    NotAStore {
        /// What is there.
        path: PathBuf,
        /// What it is instead.
        why: String,
    },
    /// It was a store's file, and is no longer as the store left it.
    Damaged {
        /// The store's file.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// The system says no.
    Io {
        /// The file or folder that it says no to.
        path: PathBuf,
        /// What it says.
        error: io::Error,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::InUse { path, process: Some(process) } => {
                write!(f, "{} is used by process {process}; stop that, or use another file", path.display())
            }
            OpenError::InUse { path, process: None } => {
                write!(f, "{} is used by another process; stop that, or use another file", path.display())
            }
            OpenError::NotAStore { path, why } => {
                write!(
                    f,
                    "{} is not a store of documents: {why}; it was left alone: use another file",
                    path.display()
                )
            }
            OpenError::Damaged { path, why } => write!(
                f,
                "{} is damaged: {why}; put a backup in its place, or move it away to begin with an empty store",
                path.display()
            ),
            OpenError::Io { path, error } => write!(f, "{}: {}", path.display(), advice(path, error)),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenError::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}

fn advice(path: &Path, error: &io::Error) -> String {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.display();
    match error.kind() {
        io::ErrorKind::NotFound => "it is not there; make the folder first".to_owned(),
        io::ErrorKind::NotADirectory => "it leads through a file, not a folder".to_owned(),
        io::ErrorKind::PermissionDenied => {
            format!(
                "permission denied; this user must be able to read and write it, and to make files in {folder}"
            )
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "the file system is read-only; a store must be able to write".to_owned()
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("there is no room left in {folder}; make room first ({error})")
        }
        _ => error.to_string(),
    }
}
