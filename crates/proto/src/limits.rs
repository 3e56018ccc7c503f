//! Every bound of a server, with its default and its reason. Nothing here measures or waits.

use std::time::Duration;

/// A command's head, first byte up to and with the empty line (the C original's message buffer).
pub const HEAD: usize = 8_064;
/// A greeting line with its CRLF.
pub const GREETING: usize = 1_024;
/// Words in a command's first line.
pub const WORDS: usize = 64;
/// Headers in a head.
pub const HEADERS: usize = 64;
/// Bytes in a sequence.
pub const SEQUENCE: usize = 32;
/// A TLS record on the wire: header, 2^14 bytes of plaintext, 256 of expansion (RFC 8446 5.2).
pub const RECORD: usize = 5 + 16_384 + 256;

/// What a server allows; `Limits::default()` is documented in `docs/PROTOCOL.md`, section 8.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a body that is kept in memory.
    pub body: u64,
    /// Commands in flight on one connection, one-way ones counted.
    pub in_flight: usize,
    /// Bytes of unsent replies on one connection; above it no further command is begun.
    pub unsent: usize,
    /// Bytes of unsent replies on one connection and of what its begun commands may still owe; above it no
    /// further command is begun. A never-reading client costs that much, and one reply more.
    pub owed: usize,
    /// Bytes of one reply, head and body; a longer one is answered `failed`. At least a `body` and a head,
    /// whatever is said here: what was taken can be given back.
    pub reply: usize,
    /// Bytes of the whole server that wait: half for replies, sent or owed, half for what has come and is not
    /// complete. Each worker has its share. 0: a quarter of the machine's memory.
    pub total: usize,
    /// In place of `slow_reader` and `head` while a worker's share of `total` is used up.
    pub pressed: Duration,
    /// Commands that a connection may run in one turn, before the others have theirs.
    pub events_per_turn: usize,
    /// Bytes that rustls may be given before the handshake is complete.
    pub handshake_bytes: usize,
    /// From accept to greeting.
    pub handshake: Duration,
    /// From a head's first byte to its last.
    pub head: Duration,
    /// With nothing in flight and nothing arriving.
    pub idle: Duration,
    /// How long a client may take neither 16 KiB nor all that waits for it.
    pub slow_reader: Duration,
    /// From the decision to close to the socket's end, whatever is unsent.
    pub linger: Duration,
    /// Bytes read and thrown away after a refusal.
    pub discard_refused: u64,
    /// Bytes read and thrown away after any other closing.
    pub discard: u64,
    /// The most that a `Timeout` header can ask for.
    pub timeout: Duration,
    /// Clients of the whole server that were let in.
    pub connections: usize,
    /// Connections still in their handshake, a worker; an eighth of them, but at least one, a source (an IPv4
    /// address, an IPv6 /64). At least one.
    pub handshakes: usize,
    /// Connections that wait, accepted, for a place among those, a worker; a quarter of them, but at least one, a
    /// source: a thousand clients that come back at once from one address. At least one; their descriptors count.
    pub lobby: usize,
    /// Handshakes that a source may fail at, or be refused after, in a row; one a second comes back. A source that
    /// has none left is delayed before its next: until it has, 5 s at most, 1 s where a client of it was let in within
    /// a day. `u32::MAX`: nobody is delayed, for servers behind a proxy, where all come from one address.
    pub failures: u32,
    /// Connections that are delayed so, a source and worker; more are closed at accept. Of all sources together there
    /// are at most `lobby`. At least one; their descriptors count.
    pub penalised: usize,
    /// From the wish to stop to the last word to every connection; its `linger` comes on top.
    pub drain: Duration,
}

impl Limits {
    /// The most bytes that a reply may have.
    pub fn longest_reply(&self) -> usize {
        let body = usize::try_from(self.body).unwrap_or(usize::MAX);
        self.reply.max(body.saturating_add(HEAD))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            body: 1024 * 1024,
            in_flight: 1_024,
            unsent: 1024 * 1024,
            owed: 16 * 1024 * 1024,
            reply: 1024 * 1024 + HEAD,
            total: 0,
            pressed: Duration::from_secs(1),
            events_per_turn: 128,
            handshake_bytes: 32 * 1024,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(30),
            idle: Duration::from_secs(600),
            slow_reader: Duration::from_secs(30),
            linger: Duration::from_secs(2),
            discard_refused: 256 * 1024,
            discard: 16 * 1024 * 1024,
            timeout: Duration::from_secs(3_600),
            connections: 100_000,
            handshakes: 512,
            // As many as may wait for accept itself.
            lobby: 4_096,
            // A person who tries every key that there is, in a row.
            failures: 10,
            // At 5 s each that is 51 handshakes a second: a hundredth of what a core makes.
            penalised: 256,
            drain: Duration::from_secs(10),
        }
    }
}
