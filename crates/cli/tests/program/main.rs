//! The program as its users have it: the real binary, a fresh home folder, real sockets.

mod bench;
mod calls;
mod first_start;
mod keys;
mod refusals;
mod strangers;
mod trusted;
