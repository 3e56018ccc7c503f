//! Who may speak: pins, the lines and the grammar of the trust file, and the judgement of a certificate.
//! Reads no file and no clock.
//!
//! A trust file is UTF-8; each of its lines ends with a line feed, and holds one entry, a comment, both or neither:
//!
//! ```
//! use pinwire_proto::trust::{Sha1, TrustList};
//! let file = "\
//! ## Whom we let in.
//! spki-sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08  name=alice  admin  # laptop
//! spki-sha256:60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752  commands=GET,LIST  connections=20
//! sha256:fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13  from=10.0.0.0/8,fd00::/8  expires=2027-01-31
//! ";
//! assert_eq!(TrustList::parse(file.as_bytes(), Sha1::Refuse)?.len(), 3);
//! # Ok::<(), Vec<pinwire_proto::trust::LineError>>(())
//! ```
//!
//! The pin comes first, then options in any order, each at most once, with spaces or tabs between them:
//!
//! | option | what it holds | without it |
//! | --- | --- | --- |
//! | `name=` | what handlers and logs call the client: 1 to 64 of `A-Z a-z 0-9 . _ -`; no two lines have the same | no name |
//! | `commands=` | what it may run: names between commas, each once, 1 to 64 visible ASCII characters without regard to case | everything that is not administration |
//! | `admin` | it may run administration too; never with a SHA-1 pin | it may not |
//! | `from=` | where it may come from: IPv4 and IPv6 addresses and networks (`10.0.0.0/8`) between commas, each once; no bits behind a network's prefix; `::ffff:10.0.0.1` means 10.0.0.1 | anywhere |
//! | `expires=` | when it ends, RFC 3339: a date with the end of that day, UTC; a time, which says its offset, at that second | never |
//! | `connections=` | how many it may have at a time, 1 to 4294967295 | any number |
//!
//! A comment begins with `#` at the line's start or behind a space or tab. No line holds control characters but tabs, no pin
//! stands twice, and of a file with an error nothing is used.

mod edit;
mod entry;
mod expiry;
mod judge;
mod list;
mod network;
mod options;
mod pin;

pub use edit::{EditError, Removed, add, begins, remove, remove_of};
pub use entry::{Entry, EntryError};
pub use expiry::Expiry;
pub use judge::{Judged, Presented, Refusal, judge, judge_again};
pub use list::{LineError, Sha1, TrustList};
pub use pin::{Pin, PinError};

#[cfg(test)]
mod tests;
