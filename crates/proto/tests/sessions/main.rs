//! Stories of one connection, told by a pair without sockets.

mod bodies;
mod closing;
mod commands;
mod deadlines;
mod flights;
mod forge;
mod greeting;
mod original;
mod random;
mod tls;
