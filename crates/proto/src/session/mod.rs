//! One connection's conversation, without sockets: bytes in, events and bytes out, time as an argument.
//!
//! The driver owns the socket and lends [`Buffers`]; a session owns only what is unfinished between turns.

mod buffers;
pub mod client;
mod few;
mod flights;
pub mod server;
mod spares;

pub use buffers::{Buffers, Plain, Room, Wire};
pub use client::{Answer, ClientEnd, ClientEvent, ClientSession};
pub use flights::ReplyTo;
pub use server::{Disconnect, Event, ServerSession};

use std::time::Instant;

/// The moment of a turn, on both clocks. Only drivers ask the clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For limits in time.
    pub instant: Instant,
    /// Seconds since 1970-01-01T00:00:00Z, for certificates.
    pub unix: i64,
}
