//! The server over real sockets, with peers of ours and of others. One program, so that what the stories share
//! is compiled once, and what none of them uses is noticed.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod bounds;
mod common;
mod endings;
mod follow;
mod handshakes;
mod interop;
mod pressure;
mod stories;
mod storms;
mod streams;
mod trust;
