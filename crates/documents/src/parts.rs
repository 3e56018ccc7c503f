//! Lets an async function answer in parts: what it gives, one after the other, is a stream. Knows nothing of
//! documents.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use pinwire_server::{Reply, Stream};

/// The stream: what the work gives, and at last what it returns.
pub(crate) struct Parts {
    given: Rc<Cell<Option<Reply>>>,
    /// None: it has returned.
    work: Option<Pin<Box<dyn Future<Output = Reply>>>>,
}

/// With which the work gives.
pub(crate) struct Giver(Rc<Cell<Option<Reply>>>);

impl Parts {
    pub(crate) fn of<F: Future<Output = Reply> + 'static>(work: impl FnOnce(Giver) -> F) -> Parts {
        let given = Rc::default();
        let work = work(Giver(Rc::clone(&given)));
        Parts { given, work: Some(Box::pin(work)) }
    }
}

impl Giver {
    /// Gives a part. Goes on when the next one is wanted.
    pub(crate) async fn give(&self, part: Reply) {
        self.0.set(Some(part));
        let mut is_given = false;
        // Nobody need be woken: the stream has something to give, and whoever takes it asks again.
        poll_fn(|_| if std::mem::replace(&mut is_given, true) { Poll::Ready(()) } else { Poll::Pending })
            .await;
    }
}

impl Stream for Parts {
    type Item = Reply;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Reply>> {
        let Some(work) = &mut self.work else { return Poll::Ready(None) };
        match work.as_mut().poll(cx) {
            Poll::Ready(last) => {
                self.work = None;
                Poll::Ready(Some(last))
            }
            Poll::Pending => self.given.take().map_or(Poll::Pending, |part| Poll::Ready(Some(part))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn what_is_given_comes_when_it_is_asked_for_and_the_last_word_last() {
        let steps = Rc::new(Cell::new(0));
        let counted = Rc::clone(&steps);
        let mut parts = Parts::of(|giver| async move {
            giver.give(Reply::ok("one")).await;
            counted.set(1);
            tokio::task::yield_now().await;
            giver.give(Reply::ok("two")).await;
            Reply::ok("last")
        });
        let mut poll = || match Pin::new(&mut parts).poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(part) => part.map_or("none".to_owned(), |part| String::from_utf8(part.body).unwrap()),
            Poll::Pending => "pending".to_owned(),
        };
        assert_eq!((poll(), steps.get()), ("one".to_owned(), 0), "it waits until more is wanted");
        assert_eq!([(); 5].map(|()| poll()), ["pending", "two", "last", "none", "none"]);
    }
}
