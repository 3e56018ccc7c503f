//! Bytes to commands and replies, and back. Knows nothing of TLS, sockets or time.
//!
//! A server decodes with [`head`] and [`body`] and answers with [`reply`]; a client encodes with
//! [`command`] and decodes with [`answer`]. Nothing here allocates on the way of a byte: heads borrow
//! the caller's buffer, replies are written to the end of it. The grammar is `docs/PROTOCOL.md`,
//! sections 2 to 4; its rules for one line live in `grammar`, the walk over the lines in `lines`.

pub mod answer;
pub mod body;
pub mod command;
mod grammar;
pub mod head;
mod lines;
pub mod reply;
pub mod sequence;
pub mod violation;

pub use answer::{AnswerHead, AnswerScan, Greeting, greeting};
pub use body::{BodyReader, Discard};
pub use command::Request;
pub use head::{Head, OwnedHead, Scan};
pub use reply::{Encoder, Misuse, Reply, greeting_error, greeting_ok};
pub use sequence::Sequence;
pub use violation::Violation;
