//! Answers in parts: polls those that have something to say, in the order in which they had it. Does not know what a
//! part is, nor whether there is room for one.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures_core::Stream;
use pinwire_proto::wire::Reply;
use tokio::task::unconstrained;

/// The parts of one answer, as their handler makes them.
pub(crate) type Parts = Pin<Box<dyn Stream<Item = Reply>>>;

/// One answer in parts, and the bell by which it says that it has another.
pub(crate) struct Streaming {
    parts: Parts,
    bell: Arc<Bell>,
}

/// The streams of one connection that may have something to say, in their order.
#[derive(Debug, Default)]
pub(crate) struct Ready(Mutex<Queue>);

#[derive(Debug)]
struct Queue {
    flights: VecDeque<u32>,
    /// Wakes the connection, in whose turn they are polled.
    turn: Waker,
}

/// Rung from any thread. It stands in the queue at most once.
#[derive(Debug)]
struct Bell {
    flight: u32,
    is_rung: AtomicBool,
    ready: Arc<Ready>,
}

impl Streaming {
    /// A stream that is to be polled in the same turn.
    pub(crate) fn new(flight: u32, parts: Parts, ready: &Arc<Ready>) -> Streaming {
        let bell = Arc::new(Bell { flight, is_rung: AtomicBool::new(false), ready: Arc::clone(ready) });
        bell.stand_in_line();
        Streaming { parts, bell }
    }

    /// What comes next. Whoever had something goes behind the others: it may have more.
    pub(crate) fn poll(&mut self) -> Poll<Option<Reply>> {
        // Before it is polled: what comes from now on rings again.
        self.bell.is_rung.store(false, Ordering::Release);
        let waker = Waker::from(Arc::clone(&self.bell));
        // The turn bounds how many are polled. With tokio's own bound a hundred of them would leave none for the socket.
        let next = unconstrained(poll_fn(|cx| self.parts.as_mut().poll_next(cx)));
        let polled = pin!(next).poll(&mut Context::from_waker(&waker));
        if matches!(polled, Poll::Ready(Some(_))) {
            self.bell.stand_in_line();
        }
        polled
    }
}

impl fmt::Debug for Streaming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streaming").field("bell", &self.bell.flight).finish_non_exhaustive()
    }
}

impl Ready {
    /// From now on a bell wakes this.
    pub(crate) fn listen(&self, turn: &Waker) {
        self.lock().turn.clone_from(turn);
    }

    /// Whoever rang first; it may have ended since.
    pub(crate) fn take(&self) -> Option<u32> {
        self.lock().flights.pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().flights.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing in here can panic between two of its changes.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Queue {
    fn default() -> Self {
        Queue { flights: VecDeque::new(), turn: Waker::noop().clone() }
    }
}

impl Bell {
    /// The waker of the turn, unless it stands there already. Within the turn nobody need be woken.
    fn stand_in_line(&self) -> Option<Waker> {
        if self.is_rung.swap(true, Ordering::AcqRel) {
            return None;
        }
        let mut queue = self.ready.lock();
        queue.flights.push_back(self.flight);
        Some(queue.turn.clone())
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Not under the lock: who is woken may run what rings again.
        if let Some(turn) = self.stand_in_line() {
            turn.wake();
        }
    }
}
