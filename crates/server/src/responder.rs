//! The one way to answer a command: now, later on this worker, or from any thread. A path that forgets to
//! answer does not compile; a reply that is dropped says `failed`.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use futures_core::Stream;

use pinwire_proto::code::Code;
use pinwire_proto::session::{ReplyTo, ServerSession};
use pinwire_proto::wire::{Encoder, Misuse, Reply};
use tracing::error;

use crate::alarms::{Alarm, Alarms};
use crate::inbox::{Address, Inbox, Post};
use crate::tasks::{Right, Tasks};

/// Answers one command. Consumed by the answer.
pub struct Responder<'r> {
    desk: Desk<'r>,
    to: ReplyTo,
    /// Bytes that an answer may have that does not come at once.
    most: usize,
    is_answered: bool,
}

/// Proof that a command was answered, or will be.
#[derive(Debug)]
#[must_use = "it is what a handler returns"]
pub struct Answered(());

/// A reply owed, that can travel to any thread. Dropped unanswered, it answers `failed`.
#[derive(Debug)]
pub struct Deferred {
    inbox: Arc<Inbox>,
    address: Address,
    to: ReplyTo,
    is_answered: bool,
}

/// Where replies are written during a turn, and where those of later are noted.
pub(crate) struct Desk<'r> {
    pub(crate) session: &'r mut ServerSession,
    pub(crate) replies: &'r mut Vec<u8>,
    pub(crate) tasks: &'r mut Tasks,
    pub(crate) alarms: &'r mut Alarms,
    pub(crate) inbox: &'r Arc<Inbox>,
    pub(crate) address: Address,
    /// What the command is called where permissions are asked; asked only if its answer comes later.
    pub(crate) right: &'r dyn Fn() -> Right,
}

impl<'r> Responder<'r> {
    pub(crate) fn new(desk: Desk<'r>, to: ReplyTo) -> Self {
        Responder { desk, to, most: usize::MAX, is_answered: false }
    }

    /// Says that the answer, if it comes [`later`](Responder::later) or is [deferred](Responder::defer), has at
    /// most `bytes`, head and body: so much is reserved for it while the command is under way, which bounds how
    /// many may be (`Limits::owed`). Unsaid, it is `Limits::reply`. A head's 8,064 bytes are always reserved; an
    /// OK that is longer than what is reserved becomes `failed`.
    #[must_use]
    pub fn at_most(mut self, bytes: usize) -> Self {
        self.most = bytes;
        self
    }

    /// Answers OK with a body.
    pub fn ok(self, body: impl AsRef<[u8]>) -> Answered {
        self.write(|encoder| {
            encoder.body(body.as_ref());
            Ok(())
        })
    }

    /// Answers with an error. The text is for the peer: say what to do, never what broke inside. One that
    /// carries headers goes through [`reply`](Responder::reply).
    pub fn error(self, code: Code, text: &str) -> Answered {
        self.desk.session.error(&self.to, self.desk.replies, code, text);
        self.done()
    }

    /// Answers OK with the headers and the body that `write` puts straight into the worker's buffer. If it
    /// fails, nothing of it is sent, and the answer is `failed`.
    pub fn write(mut self, write: impl FnOnce(&mut Encoder<'_>) -> Result<(), Misuse>) -> Answered {
        if let Err(misuse) = self.desk.session.ok(&self.to, self.desk.replies, write) {
            self.misused(&misuse);
        }
        self.done()
    }

    /// Answers with a reply that was made elsewhere.
    pub fn reply(mut self, reply: &Reply) -> Answered {
        if let Err(misuse) = answer(self.desk.session, &self.to, self.desk.replies, reply) {
            self.misused(&misuse);
        }
        self.done()
    }

    /// Answers with what `future` returns. It runs on this worker, between turns, and never sees the
    /// connection's state: copy what it needs first. It is dropped when the client takes the command back,
    /// when its time is up or when the connection ends.
    pub fn later(mut self, future: impl Future<Output = Reply> + 'static) -> Answered {
        let deferred = self.owed();
        let task = tokio::task::spawn_local(async move {
            match unwinding(future).await {
                Some(reply) => deferred.answer(reply),
                None => deferred.panicked(),
            }
        });
        self.desk.tasks.run_by(self.to.flight, task.abort_handle());
        self.done()
    }

    /// The answer will come from elsewhere: [`Deferred`] may be sent to any thread.
    pub fn defer(mut self) -> (Answered, Deferred) {
        let deferred = self.owed();
        (self.done(), deferred)
    }

    /// Answers in parts, for as long as `parts` has some: each OK is one, with `More: yes`; an error, or the end,
    /// is the final answer (an empty OK). One part has at most `Limits::reply` bytes.
    ///
    /// It is polled in the connection's turn, on its worker, when the peer takes what it is sent and the server has
    /// room for more: make each part only when it is asked for, and nothing piles up. It must not block. It is dropped
    /// when the client takes the command back, when its time is up, when the trust list does not permit the
    /// command any more, and when the connection ends or either side says goodbye. A one-way command's is
    /// dropped at once: there is nobody to read it.
    pub fn stream(mut self, parts: impl Stream<Item = Reply> + 'static) -> Answered {
        if self.to.sequence.is_none() {
            return self.ok("");
        }
        self.desk.session.begin_stream(&self.to);
        self.under_way();
        self.desk.tasks.stream(self.to.flight, Box::pin(parts));
        self.done()
    }

    fn owed(&mut self) -> Deferred {
        self.desk.session.reserve(&self.to, self.most);
        self.under_way();
        let Desk { inbox, address, .. } = &self.desk;
        Deferred { inbox: Arc::clone(inbox), address: *address, to: self.to, is_answered: false }
    }

    /// It ends with the connection, with its right and with its time.
    fn under_way(&mut self) {
        let Desk { tasks, alarms, inbox, address, right, .. } = &mut self.desk;
        tasks.begin(self.to, right());
        if let Some(deadline) = self.to.deadline
            && alarms.set(deadline, Alarm::Timeout(*address, self.to))
        {
            inbox.post(Post::Alarm);
        }
    }

    fn misused(&mut self, misuse: &Misuse) {
        error!(%misuse, "a handler's reply cannot be sent");
        self.desk.session.error(&self.to, self.desk.replies, Code::Failed, "");
    }

    fn done(mut self) -> Answered {
        self.is_answered = true;
        Answered(())
    }
}

impl Drop for Responder<'_> {
    fn drop(&mut self) {
        // Of a panic the connection says more: it closes.
        if !self.is_answered && !std::thread::panicking() {
            self.desk.session.error(&self.to, self.desk.replies, Code::Failed, "");
        }
    }
}

impl fmt::Debug for Responder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder").field("to", &self.to).finish_non_exhaustive()
    }
}

impl Deferred {
    /// Answers. If the client has taken the command back, or is gone, the reply goes nowhere.
    pub fn answer(mut self, reply: Reply) {
        self.is_answered = true;
        self.inbox.post(Post::Reply(self.address, self.to, reply));
    }

    /// Answers OK with a body.
    pub fn ok(self, body: impl Into<Vec<u8>>) {
        self.answer(Reply::ok(body));
    }

    /// Answers with an error.
    pub fn error(self, code: Code, text: impl Into<String>) {
        self.answer(Reply::error(code, text));
    }

    fn panicked(mut self) {
        self.is_answered = true;
        self.inbox.post(Post::Panicked(self.address, self.to));
    }
}

impl Drop for Deferred {
    fn drop(&mut self) {
        if !self.is_answered {
            self.inbox.post(Post::Reply(self.address, self.to, Reply::error(Code::Failed, "")));
        }
    }
}

/// Answers `to` with `reply`, if that is still owed.
pub(crate) fn answer(
    session: &mut ServerSession,
    to: &ReplyTo,
    replies: &mut Vec<u8>,
    reply: &Reply,
) -> Result<(), Misuse> {
    match &reply.status {
        Ok(()) => session.ok(to, replies, |encoder| put(encoder, reply)),
        Err((code, text)) => session.error_with(to, replies, (*code, text), &reply.headers),
    }
}

/// Headers and body.
pub(crate) fn put(encoder: &mut Encoder<'_>, reply: &Reply) -> Result<(), Misuse> {
    for (name, value) in &reply.headers {
        encoder.header(name, value)?;
    }
    encoder.body(&reply.body);
    Ok(())
}

/// What the future returns; `None` if it panics.
async fn unwinding<F: Future>(future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    std::future::poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Some),
        Err(_) => Poll::Ready(None),
    })
    .await
}
