//! The trust file as a file: read with care, and its errors in words. What its lines mean is `proto::trust`'s.

use std::fmt;
use std::path::{Path, PathBuf};

use pinwire_proto::trust::{LineError, Sha1, TrustList};

use super::look::{Care, look};
use super::settle::{Seen, Unusable, Version};
use super::{absolute, words};

/// Where a trust file is, and how it is read.
#[derive(Clone, Debug)]
pub struct TrustFile {
    path: PathBuf,
    sha1: Sha1,
}

impl TrustFile {
    /// The file at `path`; `sha1` says whether it may hold SHA-1 pins.
    pub fn new(path: impl Into<PathBuf>, sha1: Sha1) -> Self {
        TrustFile { path: path.into(), sha1 }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The list in it, by every rule but that of waiting until its writer is done: what is written in place, by
    /// an editor say, may be seen half. `pinwire trust` replaces it at once.
    ///
    /// # Errors
    /// If it is missing, no file, unreadable or empty; if others may write it or its folder (group, everybody, or
    /// an owner who is neither root nor this process's user); or if a line is wrong.
    pub fn read(&self) -> Result<TrustList, TrustFileError> {
        self.judge(&[self.look().map(|content| content.bytes)])
    }

    pub(super) fn absolute(self) -> Self {
        TrustFile { path: absolute(&self.path), ..self }
    }

    pub(super) fn look(&self) -> Seen {
        look(&self.path, Care::List)
    }

    pub(super) fn judge(&self, [file]: &Version<1>) -> Result<TrustList, TrustFileError> {
        let wrong = match file {
            Err(unusable) => Wrong::Unusable(unusable.clone()),
            Ok(bytes) if bytes.is_empty() => Wrong::Empty,
            Ok(bytes) => match TrustList::parse(bytes, self.sha1) {
                Ok(list) => return Ok(list),
                Err(errors) => Wrong::Lines(errors),
            },
        };
        Err(TrustFileError { path: self.path.clone(), wrong })
    }
}

/// Why a trust file is not used. `Display`: its path, what is wrong, and every line's error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustFileError {
    path: PathBuf,
    wrong: Wrong,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wrong {
    Unusable(Unusable),
    Empty,
    Lines(Vec<LineError>),
}

impl TrustFileError {
    /// Whether it is not there.
    pub fn is_missing(&self) -> bool {
        self.wrong == Wrong::Unusable(Unusable::Missing)
    }

    /// The lines that are wrong; none if the file is not used for another reason.
    pub fn lines(&self) -> &[LineError] {
        match &self.wrong {
            Wrong::Lines(errors) => errors,
            _ => &[],
        }
    }

    /// For a log or a report: ten errors, each of a length that can be read, and how many more there are.
    pub(super) fn words(&self) -> Vec<String> {
        match &self.wrong {
            Wrong::Unusable(why) => words(std::iter::once(why)),
            Wrong::Empty => words(std::iter::once(EMPTY)),
            Wrong::Lines(errors) => words(errors.iter()),
        }
    }
}

impl fmt::Display for TrustFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        match &self.wrong {
            Wrong::Unusable(why) => write!(f, "{why}"),
            Wrong::Empty => f.write_str(EMPTY),
            Wrong::Lines(errors) => {
                f.write_str("the trust file is not in order, mend it first")?;
                errors.iter().try_for_each(|error| write!(f, "\n  {error}"))
            }
        }
    }
}

impl std::error::Error for TrustFileError {}

const EMPTY: &str = "it has no bytes; expected entries, or a comment if nobody is to be let in";
