//! An answer in parts, as its caller takes them: one by one, while the command is still under way.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;

use crate::calls::Fed;
use crate::client::{self, Client};
use crate::driver::Post;
use crate::{Answer, Error, Outcome};

/// The parts of an answer: [`Client::stream`] makes it. Dropped before its end, it takes the command back.
///
/// It keeps the connection, as a clone of the client does.
#[derive(Debug)]
#[must_use = "dropped, it takes the command back"]
pub struct Answers {
    client: Client,
    number: u64,
    fed: Fed,
    /// How the command ended; none once that was taken.
    end: Option<oneshot::Receiver<Result<Answer, Error>>>,
}

impl Answers {
    pub(crate) fn new(
        client: Client,
        number: u64,
        fed: Fed,
        end: oneshot::Receiver<Result<Answer, Error>>,
    ) -> Answers {
        Answers { client, number, fed, end: Some(end) }
    }

    /// The next part, as soon as it is there; none behind the last one. A last part that is empty, without a
    /// header or a byte, only says that the others were all. Dropped, the future has taken nothing.
    ///
    /// # Errors
    /// Every [`Error`], once: nothing comes behind it. [`Behind`](Error::Behind) if the parts were not taken in
    /// time. A command in parts that was begun is never sent again: its parts would come twice.
    pub async fn next(&mut self) -> Result<Option<Answer>, Error> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Answer>, Error>> {
        if let Some(part) = ready!(self.fed.poll_take(cx)) {
            return Poll::Ready(Ok(Some(part)));
        }
        let Some(end) = &mut self.end else { return Poll::Ready(Ok(None)) };
        let result = ready!(Future::poll(std::pin::Pin::new(end), cx));
        self.end = None;
        let last = result.unwrap_or_else(|_| Err(client::over(Outcome::Unknown)))?;
        let is_empty = last.body.is_empty() && last.headers.is_empty();
        Poll::Ready(Ok((!is_empty).then_some(last)))
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        if self.end.take().is_some() {
            self.client.post(Post::Cancel(self.number));
        }
    }
}
