//! Stories of one connection, told by a pair without sockets.

#![expect(clippy::unwrap_used, reason = "a story that panics has failed")]

mod bodies;
mod bounds;
mod clocks;
mod closing;
mod commands;
mod cut;
mod deadlines;
mod flights;
mod forge;
mod greeting;
mod in_step;
mod original;
mod parts;
mod resuming;
mod simulated;
mod tls;
