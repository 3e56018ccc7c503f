//! A line of requests for threads, bounded by their number and by their bytes. It never blocks those who
//! stand in it, and knows nothing of what they want.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// First come, first served.
#[derive(Debug)]
pub(super) struct Queue<T> {
    line: Mutex<Line<T>>,
    come: Condvar,
    /// The most that may wait: requests, and their bytes.
    limit: (usize, usize),
}

#[derive(Debug)]
struct Line<T> {
    waiting: VecDeque<(T, usize)>,
    bytes: usize,
    /// Threads that wait for a request; while there is none, nobody needs to be woken.
    idle: usize,
    /// One of them was woken and is on its way: it wakes the next if more waits than it takes. Waking costs
    /// more than most requests.
    is_called: bool,
    end: Option<End>,
}

/// What becomes of a queue in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The store is dropped: those who wait are still served.
    Closed,
    /// Nobody serves any more.
    Dead,
}

/// Why a request cannot wait here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Full,
    Ended,
}

impl<T> Queue<T> {
    pub(super) fn new(most: usize, most_bytes: usize) -> Queue<T> {
        let line = Line { waiting: VecDeque::new(), bytes: 0, idle: 0, is_called: false, end: None };
        Queue { line: Mutex::new(line), come: Condvar::new(), limit: (most, most_bytes) }
    }

    /// Lets a request of so many bytes wait. One alone may have more bytes than all together.
    pub(super) fn push(&self, request: T, bytes: usize) -> Result<(), Refused> {
        let mut line = self.line();
        if line.end.is_some() {
            return Err(Refused::Ended);
        }
        let is_heavy = line.bytes + bytes > self.limit.1 && !line.waiting.is_empty();
        if line.waiting.len() >= self.limit.0 || is_heavy {
            return Err(Refused::Full);
        }
        line.bytes += bytes;
        line.waiting.push_back((request, bytes));
        self.call(&mut line);
        Ok(())
    }

    /// Waits for a request, then takes all that wait, up to so many and so many bytes, but one at least.
    /// Nothing: the queue has ended.
    pub(super) fn take(&self, most: usize, most_bytes: usize) -> Option<Vec<T>> {
        self.take_share(1, most, most_bytes)
    }

    /// The same for one of so many threads: takes its share alone, and leaves the rest to the others.
    pub(super) fn take_share(&self, threads: usize, most: usize, most_bytes: usize) -> Option<Vec<T>> {
        let mut line = self.line();
        while line.waiting.is_empty() {
            if line.end.is_some() {
                return None;
            }
            line.idle += 1;
            line = self.come.wait(line).unwrap_or_else(PoisonError::into_inner);
            line.idle -= 1;
            line.is_called = false;
        }
        let share = line.waiting.len().div_ceil(threads);
        let taken = line.take(most.min(share), most_bytes);
        self.call(&mut line);
        Some(taken)
    }

    /// Wakes a thread for what waits, unless one is on its way.
    fn call(&self, line: &mut Line<T>) {
        if line.idle > 0 && !line.is_called && !line.waiting.is_empty() {
            line.is_called = true;
            self.come.notify_one();
        }
    }

    /// Ends it. Those who wait in a dead queue are dropped.
    pub(super) fn end(&self, end: End) {
        let mut line = self.line();
        line.end = Some(end);
        let dropped = if end == End::Dead { std::mem::take(&mut line.waiting) } else { VecDeque::new() };
        drop(line);
        self.come.notify_all();
        drop(dropped); // Their askers are told so; not under the lock.
    }

    // A poisoned lock is no harm: nothing here can panic between two changes but for want of memory.
    fn line(&self) -> MutexGuard<'_, Line<T>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a thread that serves a queue holds: if it panics, nobody waits for it for ever.
#[derive(Debug)]
pub(super) struct Serving<'q, T>(&'q Queue<T>);

impl<'q, T> Serving<'q, T> {
    pub(super) fn new(queue: &'q Queue<T>) -> Self {
        Serving(queue)
    }
}

impl<T> Drop for Serving<'_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(
                "a thread of the store panicked: what it would do is answered `failed` from now on"
            );
            self.0.end(End::Dead);
        }
    }
}

impl<T> Line<T> {
    fn take(&mut self, most: usize, most_bytes: usize) -> Vec<T> {
        let (mut taken, mut weight) = (Vec::new(), 0);
        while let Some((request, bytes)) = self.waiting.pop_front() {
            let is_enough = taken.len() >= most || weight + bytes > most_bytes;
            if is_enough && !taken.is_empty() {
                self.waiting.push_front((request, bytes));
                break;
            }
            weight += bytes;
            taken.push(request);
        }
        self.bytes -= weight;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_by_number_and_by_bytes() {
        let queue = Queue::new(3, 10);
        assert_eq!(queue.push("a", 99), Ok(()), "one alone always may");
        assert_eq!(queue.push("b", 0), Err(Refused::Full), "by bytes");
        assert_eq!(queue.take(9, 9), Some(vec!["a"]));
        assert_eq!(
            [queue.push("a", 5), queue.push("b", 5), queue.push("c", 1)].map(|p| p.is_ok()),
            [true, true, false]
        );
        assert_eq!(queue.push("c", 0), Ok(()));
        assert_eq!(queue.push("d", 0), Err(Refused::Full), "by number");
    }

    #[test]
    fn a_batch_is_bounded_by_number_and_by_bytes() {
        let queue = Queue::new(99, 99);
        for bytes in [7, 2, 2, 1, 1, 1] {
            queue.push(bytes, bytes).unwrap();
        }
        assert_eq!(queue.take(9, 5), Some(vec![7]), "one at least");
        assert_eq!(queue.take(9, 5), Some(vec![2, 2, 1]));
        assert_eq!(queue.take(1, 5), Some(vec![1]));
        queue.end(End::Closed);
        assert_eq!(queue.push(1, 1), Err(Refused::Ended));
        assert_eq!(queue.take(9, 9), Some(vec![1]), "those who wait are served");
        assert_eq!(queue.take(9, 9), None);
    }

    #[test]
    fn a_thread_takes_its_share() {
        let queue = Queue::new(99, 99);
        (0..9).for_each(|number| queue.push(number, 0).unwrap());
        assert_eq!(queue.take_share(4, 99, 99), Some(vec![0, 1, 2]));
        assert_eq!(queue.take_share(4, 1, 99), Some(vec![3]), "no more than it may");
        assert_eq!(queue.take_share(4, 99, 99), Some(vec![4, 5]));
    }

    #[test]
    fn no_request_is_left_lying_while_threads_wait() {
        let (queue, taken) = (Queue::new(usize::MAX, 0), std::sync::atomic::AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while let Some(share) = queue.take_share(3, 4, 0) {
                        taken.fetch_add(share.len(), std::sync::atomic::Ordering::SeqCst);
                    }
                });
            }
            for round in 1..=2_000 {
                (0..round % 7).for_each(|number| queue.push(number, 0).unwrap());
                // Whoever is woken wakes the next: all of it is taken, though nothing comes behind it.
                while !queue.line().waiting.is_empty() {
                    std::thread::yield_now();
                }
            }
            queue.end(End::Closed);
        });
        assert_eq!(taken.into_inner(), (1..=2_000).map(|round| round % 7).sum::<usize>());
    }

    #[test]
    fn threads_wait_for_requests_and_for_the_end() {
        let queue = Queue::new(9, 9);
        std::thread::scope(|scope| {
            let taken = scope.spawn(|| (queue.take(1, 1), queue.take(1, 1)));
            queue.push("a", 0).unwrap();
            while queue.line().idle == 0 || !queue.line().waiting.is_empty() {
                std::thread::yield_now();
            }
            queue.end(End::Dead);
            assert_eq!(taken.join().unwrap(), (Some(vec!["a"]), None));
        });
    }
}
