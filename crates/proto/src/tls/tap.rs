//! Takes one handshake's traffic secrets out of rustls. It belongs to that handshake's own configuration and ends
//! with it: never a thread's, never a map by client random, which an attacker can replay.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls::KeyLog;
use zeroize::Zeroizing;

use super::secrets::SECRET;

/// A key log that keeps two secrets, and gives them away once.
pub(super) struct Tap(Mutex<Tapped>);

/// The first traffic secrets of both sides, once they are there.
#[derive(Default)]
pub(super) struct Tapped {
    pub(super) client: Option<Secret>,
    pub(super) server: Option<Secret>,
    /// A secret came twice, or one longer than any: nothing of it can be relied on.
    pub(super) is_spoilt: bool,
}

/// A traffic secret of up to [`SECRET`] bytes, zeroised when dropped.
#[derive(Clone)]
pub(super) struct Secret {
    bytes: Zeroizing<[u8; SECRET]>,
    length: usize,
}

impl Tap {
    pub(super) fn new() -> Self {
        Tap(Mutex::new(Tapped::default()))
    }

    /// What was tapped; the tap is empty afterwards.
    pub(super) fn take(&self) -> Tapped {
        std::mem::take(&mut *self.tapped())
    }

    fn tapped(&self) -> MutexGuard<'_, Tapped> {
        // What is guarded is whole at every moment: a panic elsewhere spoils nothing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyLog for Tap {
    fn will_log(&self, label: &str) -> bool {
        label == CLIENT || label == SERVER
    }

    fn log(&self, label: &str, _: &[u8], secret: &[u8]) {
        let mut tapped = self.tapped();
        let secret = Secret::new(secret);
        tapped.is_spoilt |= secret.is_none();
        let before = match label {
            CLIENT => std::mem::replace(&mut tapped.client, secret),
            SERVER => std::mem::replace(&mut tapped.server, secret),
            _ => return,
        };
        tapped.is_spoilt |= before.is_some();
    }
}

impl Secret {
    pub(super) fn new(secret: &[u8]) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; SECRET]);
        bytes.get_mut(..secret.len())?.copy_from_slice(secret);
        Some(Secret { bytes, length: secret.len() })
    }
}

impl AsRef<[u8]> for Secret {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tap")
    }
}

/// The names in a key log (`rustls::KeyLog`).
const CLIENT: &str = "CLIENT_TRAFFIC_SECRET_0";
const SERVER: &str = "SERVER_TRAFFIC_SECRET_0";
