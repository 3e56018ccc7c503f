//! Stories of calls without a socket and a clock.

mod endings;
mod random;
mod sending;
mod story;
mod streams;
