//! What the editor waits for: all of it comes through one channel, so that nothing is waited for in vain.

use std::time::Duration;

/// Something has happened.
#[derive(Debug)]
pub(crate) enum News {
    /// The follower wrote a line to the log.
    Said(Word),
    /// The server has looked at the trust file: it closed it, having read it.
    Looked,
    /// A member has seen for itself what was called for.
    Settled { member: usize, call: u64 },
    /// Somebody panicked, and has said why.
    Lost,
}

/// A line of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) message: String,
    /// Empty of a good version.
    pub(crate) errors: String,
}

/// Only catches a hang: ten times the second in which an edit must be in force.
pub(crate) const HANG: Duration = Duration::from_secs(10);
