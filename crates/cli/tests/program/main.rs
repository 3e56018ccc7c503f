//! The program as its users have it: the real binary, a fresh home folder, real sockets.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

#[cfg(unix)]
mod approval;
mod bench;
#[cfg(unix)]
mod broken_pipes;
mod calls;
#[cfg(unix)]
mod codes;
mod crashes;
#[cfg(target_os = "linux")]
mod descriptors;
mod documents;
mod first_start;
#[cfg(target_os = "linux")]
mod flood;
#[cfg(target_os = "linux")]
mod full_disk;
#[cfg(unix)]
mod hangup;
mod keys;
mod last_words;
mod library;
#[cfg(target_os = "linux")]
mod memory_limit;
mod peer;
mod pending;
mod refusals;
mod removal;
mod resumed;
#[cfg(unix)]
mod rotation;
mod stores;
mod strangers;
#[cfg(unix)]
mod subjects;
mod trusted;
mod waiting;
mod watching;
mod wording;
