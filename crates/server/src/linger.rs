//! After the last words: shut the sending side, read and throw away, so that no reset destroys what travels.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection that has nothing more to say.
#[derive(Debug)]
pub(crate) struct Linger {
    /// The end, whatever is unsent.
    until: Instant,
    /// Bytes that are still read and thrown away.
    left: u64,
    is_shut: bool,
}

impl Linger {
    pub(crate) fn new(until: Instant, left: u64) -> Self {
        Linger { until, left, is_shut: false }
    }

    /// Ends now at the latest.
    pub(crate) fn cut_short(&mut self, now: Instant) {
        self.until = self.until.min(now);
    }

    pub(crate) fn is_over(&self, now: Instant) -> bool {
        now >= self.until
    }

    /// Ready once the socket may be closed: the peer has closed it, or has sent too much.
    pub(crate) fn poll(
        &mut self,
        socket: &mut (impl AsyncRead + AsyncWrite + Unpin),
        is_sent: bool,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
    ) -> Poll<io::Result<()>> {
        if is_sent && !self.is_shut {
            ready!(Pin::new(&mut *socket).poll_shutdown(cx))?;
            self.is_shut = true;
        }
        // Also before all is sent: a peer that only writes would otherwise never come to read.
        loop {
            let mut bytes = ReadBuf::new(scratch);
            ready!(Pin::new(&mut *socket).poll_read(cx, &mut bytes))?;
            let length = bytes.filled().len() as u64;
            if length == 0 || length > self.left {
                return Poll::Ready(Ok(()));
            }
            self.left -= length;
        }
    }
}
