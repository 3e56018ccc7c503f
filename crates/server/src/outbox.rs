//! Sealed → socket: writes what a turn sealed in one call, and keeps the tail that the socket did not take.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::AsyncWrite;

/// What waits for the socket. Owns nothing while it is empty.
#[derive(Debug, Default)]
pub(crate) struct Outbox(Option<Box<Tail>>);

#[derive(Debug)]
struct Tail {
    bytes: Vec<u8>,
    written: usize,
    /// When the peer last took a fair part of what waits, and how much it took since.
    since: Instant,
    taken: usize,
}

impl Outbox {
    /// Bytes that wait.
    pub(crate) fn unsent(&self) -> usize {
        self.0.as_ref().map_or(0, |tail| tail.bytes.len() - tail.written)
    }

    /// Writes what waits, then `sealed`, and empties `sealed`: what the socket does not take waits.
    pub(crate) fn write(
        &mut self,
        socket: &mut (impl AsyncWrite + Unpin),
        now: Instant,
        cx: &mut Context<'_>,
        sealed: &mut Vec<u8>,
    ) -> io::Result<()> {
        if let Some(tail) = &mut self.0 {
            tail.bytes.append(sealed);
            if let Poll::Ready(done) = tail.write(socket, now, cx) {
                done?;
                self.0 = None;
            }
            return Ok(());
        }
        let mut written = 0;
        while written < sealed.len() {
            match write_some(socket, cx, &sealed[written..])? {
                Poll::Ready(length) => written += length,
                Poll::Pending => {
                    let bytes = sealed[written..].to_vec();
                    self.0 = Some(Box::new(Tail { bytes, written: 0, since: now, taken: 0 }));
                    break;
                }
            }
        }
        sealed.clear();
        Ok(())
    }

    /// Whether the peer took neither [`FAIR`] bytes nor everything within `patience`.
    pub(crate) fn is_stuck(&self, now: Instant, patience: Duration) -> bool {
        self.0.as_ref().is_some_and(|tail| now > tail.since + patience)
    }
}

impl Tail {
    fn write(
        &mut self,
        socket: &mut (impl AsyncWrite + Unpin),
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.written < self.bytes.len() {
            let length = ready!(write_some(socket, cx, &self.bytes[self.written..]))?;
            self.written += length;
            self.taken += length;
            if self.taken >= FAIR {
                (self.since, self.taken) = (now, 0);
            }
            // At least half of it, so that a byte moves twice at most on the average, however long the tail is.
            // Given back: what a client costs follows what waits for it, not what once did.
            if self.written > COMPACT && self.written >= self.bytes.len() / 2 {
                self.bytes.drain(..self.written);
                self.bytes.shrink_to(self.bytes.len());
                self.written = 0;
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// A socket that takes nothing and does not say so would be asked for ever.
fn write_some(
    socket: &mut (impl AsyncWrite + Unpin),
    cx: &mut Context<'_>,
    bytes: &[u8],
) -> Poll<io::Result<usize>> {
    match ready!(Pin::new(socket).poll_write(cx, bytes))? {
        0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        length => Poll::Ready(Ok(length)),
    }
}

/// Bytes that a reader must take within `Limits::slow_reader`, unless it takes everything.
const FAIR: usize = 16 * 1024;

/// Written bytes that are kept before the rest moves to the front, if that is no longer than they are.
const COMPACT: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    /// Takes a few bytes at a time, and only when it is asked to.
    struct Sip {
        taken: Vec<u8>,
        room: usize,
    }

    impl AsyncWrite for Sip {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let length = bytes.len().min(self.room);
            self.room -= length;
            self.taken.extend_from_slice(&bytes[..length]);
            if length == 0 { Poll::Pending } else { Poll::Ready(Ok(length)) }
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn partial_writes_keep_the_order() {
        let cx = &mut Context::from_waker(Waker::noop());
        let (now, mut outbox) = (Instant::now(), Outbox::default());
        let mut sip = Sip { taken: Vec::new(), room: 3 };

        let mut sealed = b"first".to_vec();
        outbox.write(&mut sip, now, cx, &mut sealed).unwrap();
        assert_eq!((sip.taken.as_slice(), outbox.unsent(), sealed.len()), (&b"fir"[..], 2, 0));

        sip.room = 1;
        outbox.write(&mut sip, now, cx, &mut b" second".to_vec()).unwrap();
        assert_eq!((sip.taken.as_slice(), outbox.unsent()), (&b"firs"[..], 8));
        assert!(!outbox.is_stuck(now, Duration::from_secs(30)));
        assert!(outbox.is_stuck(now + Duration::from_secs(31), Duration::from_secs(30)));

        sip.room = 99;
        outbox.write(&mut sip, now, cx, &mut Vec::new()).unwrap();
        assert_eq!((sip.taken.as_slice(), outbox.unsent()), (&b"first second"[..], 0));
        assert!(outbox.0.is_none(), "nothing is owned when nothing waits");
    }

    #[test]
    fn a_long_tail_is_not_moved_for_every_few_bytes() {
        let cx = &mut Context::from_waker(Waker::noop());
        let (now, mut outbox) = (Instant::now(), Outbox::default());
        let mut sip = Sip { taken: Vec::new(), room: 0 };
        outbox.write(&mut sip, now, cx, &mut vec![b'x'; 40 * COMPACT]).unwrap();
        let mut moved = 0;
        while let Some(tail) = &outbox.0 {
            let kept = tail.bytes.len();
            sip.room = COMPACT + 1;
            outbox.write(&mut sip, now, cx, &mut Vec::new()).unwrap();
            moved += outbox
                .0
                .as_ref()
                .map_or(0, |tail| if tail.bytes.len() < kept { tail.bytes.len() } else { 0 });
        }
        assert_eq!(sip.taken.len(), 40 * COMPACT);
        assert!(moved <= 40 * COMPACT, "{moved} bytes were moved");
    }

    #[test]
    fn what_was_taken_is_given_back() {
        let cx = &mut Context::from_waker(Waker::noop());
        let (now, mut outbox) = (Instant::now(), Outbox::default());
        let mut sip = Sip { taken: Vec::new(), room: 0 };
        outbox.write(&mut sip, now, cx, &mut vec![b'x'; 40 * COMPACT]).unwrap();
        while let Some(tail) = &outbox.0 {
            assert!(tail.bytes.capacity() <= 2 * (outbox.unsent() + COMPACT), "a reader of all but a byte");
            sip.room = COMPACT / 2;
            outbox.write(&mut sip, now, cx, &mut Vec::new()).unwrap();
        }
    }

    #[test]
    fn a_socket_that_takes_nothing_is_broken() {
        struct Full;
        impl AsyncWrite for Full {
            fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
                Poll::Ready(Ok(0))
            }
            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }
            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }
        }
        let cx = &mut Context::from_waker(Waker::noop());
        let written = Outbox::default().write(&mut Full, Instant::now(), cx, &mut b"x".to_vec());
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::WriteZero);
    }
}
