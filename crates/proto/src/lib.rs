//! The wire protocol of pinwire without I/O: no sockets, files, clock or threads.
//!
//! Bytes go in, events and bytes come out, and time is an argument. The way of a byte:
//! [`tls`] opens records, [`wire`] decodes heads and bodies and encodes replies,
//! [`session`] joins both into a state machine, [`trust`] says who may speak.

pub mod certificate;
pub mod code;
pub mod identity;
pub mod limits;
pub mod session;
pub mod tally;
pub mod tls;
pub mod trust;
pub mod wire;
