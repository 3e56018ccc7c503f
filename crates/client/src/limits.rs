//! Every bound of a client, with its default and its reason. Nothing here measures or waits.

use std::time::Duration;

use crate::client::within_reason;

/// What a client allows itself and its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Commands in flight at once, streams among them; the others wait in line. Those whose caller has gone
    /// count until their final answer came. The default stays below the 1,024 that a server allows a connection
    /// by its own default: beyond those it answers `overloaded`.
    pub in_flight: usize,
    /// Calls at once, in flight or in line: each keeps its request in memory. Beyond them a call waits for
    /// room before it stands in line, and its deadline passes meanwhile.
    pub calls: usize,
    /// Bytes of one answer's body. Of an answer in parts, joined: of the bodies and of what the headers take in
    /// memory. Beyond: [`Error::TooLarge`](crate::Error::TooLarge).
    pub answer: usize,
    /// Bytes of one stream's parts, headers included, that wait to be taken; one part may be longer than that.
    /// Beyond: [`Error::Behind`](crate::Error::Behind). The default is sixteen of the longest documents that a
    /// server takes by its own default.
    pub untaken: usize,
    /// Bytes of output that wait for the socket above which no further command is encoded: one command more
    /// than that is all the output that ever waits. The default is four full TLS records.
    pub unsent: usize,
    /// How often one command is sent at most, where it may be sent again; and how often in a row the first
    /// connection may end before its greeting.
    pub attempts: u32,
    /// The longest pause before the first new connection after one was lost; doubled by each that comes to
    /// nothing. The pause itself is drawn by lot between nothing and this, so that the clients of a server
    /// that comes back do not come all at once.
    pub backoff: Duration,
    /// What the doubling ends at.
    pub backoff_most: Duration,
    /// How long a goodbye, or what still comes after a failed write, may take.
    pub linger: Duration,
    /// How long a server may give no sign of life while it owes an answer whose time is over or that was taken
    /// back, or its last word after it began to say why it closes. Then the connection counts as lost: a peer
    /// that has gone without a word would else be waited for until the system gives up, a quarter of an hour.
    pub silence: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            in_flight: 1_000,
            calls: 16_384,
            answer: 64 * 1024 * 1024,
            untaken: 16 * 1024 * 1024,
            unsent: 64 * 1024,
            attempts: 5,
            backoff: Duration::from_millis(50),
            backoff_most: Duration::from_secs(5),
            linger: Duration::from_secs(2),
            silence: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// With room for one where nothing at all would go on, and with times that a clock can be set to.
    pub(crate) fn usable(mut self) -> Limits {
        let Limits { in_flight, calls, unsent, .. } = &mut self;
        for limit in [in_flight, calls, unsent] {
            *limit = (*limit).max(1);
        }
        let Limits { backoff, backoff_most, linger, silence, .. } = &mut self;
        for time in [backoff, backoff_most, linger, silence] {
            *time = within_reason(*time);
        }
        self
    }
}
