//! The way of a stream's parts to whoever takes them, one by one, bounded in bytes. It wakes whoever waits, and
//! holds up nobody: a part that finds no room is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::sync::mpsc;

use super::kept;
use crate::Answer;

/// The end into which parts are put.
#[derive(Debug)]
pub(crate) struct Feed {
    parts: mpsc::UnboundedSender<Answer>,
    untaken: Arc<AtomicUsize>,
}

/// The end from which they are taken.
#[derive(Debug)]
pub(crate) struct Fed {
    parts: mpsc::UnboundedReceiver<Answer>,
    untaken: Arc<AtomicUsize>,
}

/// A way with nothing on it.
pub(crate) fn feed() -> (Feed, Fed) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let untaken = Arc::<AtomicUsize>::default();
    (Feed { parts: sender, untaken: Arc::clone(&untaken) }, Fed { parts: receiver, untaken })
}

impl Feed {
    /// Whether there was room: more than `most` bytes wait only if they are one part.
    pub(super) fn put(&self, part: Answer, most: usize) -> bool {
        let (bytes, untaken) = (memory(&part), self.untaken.load(Ordering::Relaxed));
        if untaken > 0 && untaken.saturating_add(bytes) > most {
            return false;
        }
        self.untaken.fetch_add(bytes, Ordering::Relaxed);
        // Whoever took them has gone, and the driver is about to hear it.
        let _ = self.parts.send(part);
        true
    }
}

impl Fed {
    /// The next part; none if no more come.
    pub(crate) fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<Option<Answer>> {
        let part = self.parts.poll_recv(cx);
        if let Poll::Ready(Some(part)) = &part {
            self.untaken.fetch_sub(memory(part), Ordering::Relaxed);
        }
        part
    }
}

/// Bytes that a part takes: parts without bodies add up too.
fn memory(part: &Answer) -> usize {
    size_of::<Answer>() + part.body.len() + part.headers.iter().map(kept).sum::<usize>()
}
