//! What goes wrong in the file, told apart by what helps: to open it again, or nothing.

use std::fmt;
use std::io;

use redb::StorageError;

/// What went wrong, for the operator.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) kind: Kind,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The disk, or what came of it: redb wants to be closed and opened again.
    Disk(Option<io::ErrorKind>),
    /// The file is redb's, but not as redb left it.
    Damage,
    /// The file is not a store's.
    Foreign,
    /// Somebody else has the file open.
    Held,
    /// redb panicked, on a damaged file: its locks may be poisoned.
    Panic,
}

impl Trouble {
    pub(super) fn new(kind: Kind, text: &str) -> Trouble {
        Trouble { kind, text: text.to_owned() }
    }

    /// Whether what cannot be read now may be read once the file is opened again.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self.kind, Kind::Disk(_) | Kind::Panic)
    }

    pub(super) fn panic(panic: &(dyn std::any::Any + Send)) -> Trouble {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Trouble { kind: Kind::Panic, text: format!("panicked: {}", text.unwrap_or("without words")) }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<redb::Error> for Trouble {
    fn from(error: redb::Error) -> Trouble {
        use redb::Error as E;
        let text = match &error {
            E::Io(error) if error.kind() == io::ErrorKind::InvalidData => NOT_REDB.to_owned(),
            error => error.to_string(),
        };
        let kind = match &error {
            // redb's word for "the first bytes are not mine".
            E::Io(error) if error.kind() == io::ErrorKind::InvalidData => Kind::Foreign,
            E::Io(error) => Kind::Disk(Some(error.kind())),
            E::Backend(_) | E::Unsupported | E::PreviousIo | E::DatabaseClosed | E::LockPoisoned(_) => {
                Kind::Disk(None)
            }
            E::DatabaseAlreadyOpen => Kind::Held,
            E::TableTypeMismatch { .. }
            | E::TableIsMultimap(_)
            | E::TypeDefinitionChanged { .. }
            | E::UpgradeRequired(_) => Kind::Foreign,
            _ => Kind::Damage,
        };
        Trouble { kind, text }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        StorageError::from(error).into()
    }
}

macro_rules! from_redb {
    ($($error:ident)*) => { $(
        impl From<redb::$error> for Trouble {
            fn from(error: redb::$error) -> Trouble {
                redb::Error::from(error).into()
            }
        }
    )* };
}

from_redb!(StorageError DatabaseError TransactionError TableError CommitError SetDurabilityError);

/// redb calls it an I/O error, which it is not.
const NOT_REDB: &str = "its first bytes are another program's";
