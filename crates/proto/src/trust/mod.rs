//! Who may speak: pins, the lines and the grammar of the trust file, and the judgement of a certificate.
//! Reads no file and no clock.

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
