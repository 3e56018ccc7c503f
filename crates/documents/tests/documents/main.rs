//! The documents as their users meet them: the commands over a connection, and the stores side by side.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod commands;
mod common;
mod files;
mod stores;
mod watch;
