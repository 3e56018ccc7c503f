//! The clock of the story: no seconds, but the rounds of those who work. A round is over when each of them has
//! had one more of its commands answered from another thread.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use tokio::sync::watch;

/// How far the slowest of them is.
pub(crate) struct Rounds {
    workers: usize,
    /// How many have come so far, round by round.
    reached: RefCell<Vec<usize>>,
    over: watch::Sender<usize>,
    replies: Cell<u64>,
}

impl Rounds {
    pub(crate) fn new(workers: usize) -> Rounds {
        Rounds { workers, reached: RefCell::default(), over: watch::Sender::new(0), replies: Cell::new(0) }
    }

    /// One of them has had a reply.
    pub(crate) fn hear(&self) {
        self.replies.set(self.replies.get() + 1);
    }

    /// One of them has done its part of this round, the first being 0.
    pub(crate) fn reach(&self, round: usize) {
        let reached = &mut *self.reached.borrow_mut();
        if reached.len() <= round {
            reached.resize(round + 1, 0);
        }
        reached[round] += 1;
        if reached[round] == self.workers {
            self.over.send_replace(round + 1);
        }
    }

    /// Rounds that are over.
    pub(crate) fn over(&self) -> usize {
        *self.over.borrow()
    }

    /// Replies of all of them.
    pub(crate) fn replies(&self) -> u64 {
        self.replies.get()
    }

    /// Waits until so many more rounds are over.
    pub(crate) async fn pass(&self, more: usize) {
        let (mut over, until) = (self.over.subscribe(), self.over() + more);
        let passed = tokio::time::timeout(HANG, over.wait_for(|over| *over >= until)).await;
        let _ = passed.unwrap_or_else(|_| panic!("no round in {HANG:?}: somebody was lost")).unwrap();
    }
}

/// Only catches a hang.
const HANG: Duration = Duration::from_secs(120);
