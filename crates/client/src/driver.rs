//! The task behind a client: carries bytes between one socket, its session and the calls, and makes a new
//! connection when one is lost. What becomes of a call is decided in `calls`, not here.
//!
//! Start reading at [`Driver::turn`].

mod backoff;
mod pipe;

use std::io;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{Instant, Sleep};

use crate::calls::{Calls, Wanted};
use crate::client::{Server, Shared};
use crate::dial::{Dial, Dialing};
use crate::right::Right;
use crate::{Answer, Error, Limits, Outcome};
use backoff::Backoff;
use pipe::{Over, Pipe, Turn};

/// What a client is to be.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) right: Right,
    pub(crate) timeout: Duration,
    pub(crate) limits: Limits,
    pub(crate) reconnects: bool,
}

/// What the handles tell the driver.
#[derive(Debug)]
pub(crate) enum Post {
    Call(u64, Wanted<Caller>),
    Cancel(u64),
    Close(oneshot::Sender<()>),
}

/// Whoever waits for an answer.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) reply: oneshot::Sender<Result<Answer, Error>>,
    /// Given back when the call has ended.
    pub(crate) _room: OwnedSemaphorePermit,
}

/// The task. It ends when the last handle is gone or the client is closed.
pub(crate) struct Driver<D: Dial> {
    dial: D,
    settings: Settings,
    shared: Arc<Shared>,
    posts: mpsc::UnboundedReceiver<Post>,
    calls: Calls<Caller>,
    link: Link<D::Socket>,
    backoff: Backoff,
    /// Who waits for the first connection; nobody calls before.
    first: Option<First>,
    /// Whether no more calls come.
    is_leaving: bool,
    closers: Vec<oneshot::Sender<()>>,
    alarm: Pin<Box<Sleep>>,
}

struct First {
    connected: oneshot::Sender<Result<(), Error>>,
    deadline: Instant,
}

enum Link<S> {
    /// No connection; none before the backoff says so.
    None,
    Dialing {
        socket: Dialing<S>,
        deadline: Instant,
    },
    Open(Box<Pipe<S>>),
}

impl<D: Dial> Driver<D> {
    pub(crate) fn new(
        dial: D,
        settings: Settings,
        shared: Arc<Shared>,
        posts: mpsc::UnboundedReceiver<Post>,
        first: Option<oneshot::Sender<Result<(), Error>>>,
    ) -> Driver<D> {
        let now = Instant::now();
        let deadline = now + settings.timeout;
        Driver {
            calls: Calls::new(settings.limits.clone(), settings.reconnects),
            link: Link::None,
            backoff: Backoff::new(&settings.limits, now),
            first: first.map(|connected| First { connected, deadline }),
            is_leaving: false,
            closers: Vec::new(),
            alarm: Box::pin(tokio::time::sleep_until(deadline)),
            dial,
            settings,
            shared,
            posts,
        }
    }

    /// Goes on until nothing moves; ready when there is nothing left to do, ever.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = Instant::now();
            let moved = self.take_posts(cx) | self.go_on(now, cx);
            if !matches!(self.link, Link::Open(_)) {
                self.calls.expire(now.into_std());
            }
            self.give_up_first(now);
            self.deliver();
            if self.is_done() {
                return Poll::Ready(());
            }
            if !moved {
                ready!(self.wait(cx));
            }
        }
    }

    /// Some of what was posted, so that the socket has its turn too; whether there may be more.
    fn take_posts(&mut self, cx: &mut Context<'_>) -> bool {
        for _ in 0..POSTS {
            match self.posts.poll_recv(cx) {
                Poll::Ready(Some(post)) => self.take(post),
                Poll::Ready(None) => {
                    self.is_leaving = true;
                    self.calls.end_streams(CLOSED);
                    return false;
                }
                Poll::Pending => return false,
            }
        }
        true
    }

    fn take(&mut self, post: Post) {
        match post {
            // Its caller may have gone while it was on its way.
            Post::Call(_, wanted) if wanted.caller.reply.is_closed() => {}
            Post::Call(number, wanted) => self.calls.add(number, wanted),
            Post::Cancel(number) => self.calls.cancel(number),
            Post::Close(closer) => {
                self.closers.push(closer);
                // What was posted before is still received; only then the client leaves.
                self.posts.close();
                self.shared.room.close();
            }
        }
    }

    /// One step with the connection, or towards one; whether anything moved.
    fn go_on(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        match &mut self.link {
            Link::None => self.connect(now),
            Link::Dialing { socket, deadline } => match socket.as_mut().poll(cx) {
                Poll::Ready(Ok(socket)) => self.open(socket, now),
                Poll::Ready(Err(error)) => self.over(Over::NotReachable(error), now),
                Poll::Pending if *deadline <= now => self.over(Over::NotReachable(timed_out()), now),
                Poll::Pending => false,
            },
            Link::Open(pipe) => match pipe.turn(now, &mut self.calls, self.is_leaving, cx) {
                Turn::Waits => false,
                Turn::Moved => true,
                Turn::Handshaken => self.judge(now),
                Turn::Greeted => self.greeted(),
                Turn::Over(over) => self.over(over, now),
            },
        }
    }

    /// Makes a connection if one is wanted and it is time.
    fn connect(&mut self, now: Instant) -> bool {
        let is_wanted = self.calls.is_wanted() || self.first.is_some();
        if !is_wanted || now < self.backoff.not_before() {
            return false;
        }
        self.link = Link::Dialing { socket: self.dial.dial(), deadline: now + self.settings.timeout };
        true
    }

    fn open(&mut self, socket: D::Socket, now: Instant) -> bool {
        let deadline = match &self.link {
            Link::Dialing { deadline, .. } => *deadline,
            _ => now + self.settings.timeout,
        };
        match self.dial.session(unix()) {
            Ok(session) => {
                let pipe = Pipe::new(socket, session, deadline, &self.settings.limits);
                self.link = Link::Open(Box::new(pipe));
                true
            }
            Err(failure) => self.over(Over::NoHandshake(failure.to_string()), now),
        }
    }

    /// The server has shown itself, and nothing has left yet, not even this client's certificate.
    fn judge(&mut self, now: Instant) -> bool {
        let Link::Open(pipe) = &mut self.link else { return false };
        match self.settings.right.judge(pipe.certificate()) {
            Ok(certificate) => {
                let server = Server { certificate, is_resumed: pipe.trust() };
                *self.shared.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(server);
                self.calls.trust();
                true
            }
            Err(error) => self.over(Over::Wrong(error), now),
        }
    }

    fn greeted(&mut self) -> bool {
        self.calls.greeted();
        if let Some(first) = self.first.take() {
            // Whoever waited has gone: the handles are gone too, and the posts say so.
            let _ = first.connected.send(Ok(()));
        }
        true
    }

    /// The connection is over, or did not come about.
    fn over(&mut self, over: Over, now: Instant) -> bool {
        // Who has waited long enough is told so, whatever else happens at the same moment.
        self.calls.expire(now.into_std());
        let was_good = match std::mem::replace(&mut self.link, Link::None) {
            Link::Open(pipe) => pipe.was_good(),
            _ => false,
        };
        self.backoff.lost(now, was_good, fastrand::f64());
        let address = self.settings.right.address.clone();
        match over {
            // The calls have heard it.
            Over::LastWord => {}
            Over::Goodbye => self.calls.lost("this client has said goodbye"),
            Over::Refused { code, text } => {
                self.dial.forget_sessions();
                self.calls.refused(&code, &text);
                self.fail_first(Error::Refused { code, text });
            }
            Over::Lost(why) => self.calls.lost(&why),
            Over::BeforeGreeting(why) => self.not_greeted(why),
            Over::NotReachable(error) => {
                let error = Error::NotReachable { address, error: Arc::new(error) };
                self.calls.not_connected(&error);
                self.fail_first(error);
            }
            Over::NoHandshake(why) => self.wrong(Error::NoHandshake { address, why }),
            Over::Wrong(error) => self.wrong(error),
        }
        true
    }

    /// Nothing is said against this client: another connection is made, a few times also for a client that makes
    /// none later.
    fn not_greeted(&mut self, why: String) {
        let is_often = self.backoff.failures() >= self.settings.limits.attempts;
        if !is_often {
            return self.calls.not_greeted(&why);
        }
        self.calls.lost(&why);
        self.fail_first(Error::NoHandshake { address: self.settings.right.address.clone(), why });
    }

    fn wrong(&mut self, error: Error) {
        self.dial.forget_sessions();
        self.calls.fail(&error);
        self.fail_first(error);
    }

    fn fail_first(&mut self, error: Error) {
        if let Some(first) = self.first.take() {
            let _ = first.connected.send(Err(error));
        }
    }

    fn give_up_first(&mut self, now: Instant) {
        if self.first.as_ref().is_some_and(|first| first.deadline <= now) {
            let (limit, why) = (self.settings.timeout, Some("no connection".to_owned()));
            self.fail_first(Error::TimedOut { limit, outcome: Outcome::NotBegun, why });
        }
    }

    fn deliver(&mut self) {
        for (caller, result) in self.calls.ended() {
            // A caller that has gone meanwhile takes nothing.
            let _ = caller.reply.send(result);
        }
    }

    /// Nobody waits any more, nobody will, and the server has been told.
    fn is_done(&self) -> bool {
        self.is_leaving && self.calls.is_empty() && !matches!(self.link, Link::Open(_))
    }

    /// Pending until the next moment at which something is due.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.due() else { return Poll::Pending };
        // An alarm that rings too early costs a look; setting it costs more, and most calls end before theirs.
        if due < self.alarm.deadline() || self.alarm.is_elapsed() {
            self.alarm.as_mut().reset(due);
        }
        match self.alarm.as_mut().poll(cx) {
            Poll::Ready(()) if Instant::now() < due => {
                self.alarm.as_mut().reset(due);
                self.alarm.as_mut().poll(cx)
            }
            other => other,
        }
    }

    fn due(&self) -> Option<Instant> {
        let link = match &self.link {
            Link::None => (self.calls.is_wanted() || self.first.is_some()).then(|| self.backoff.not_before()),
            Link::Dialing { deadline, .. } => Some(*deadline),
            Link::Open(pipe) => pipe.due(),
        };
        let first = self.first.as_ref().map(|first| first.deadline);
        [link, first, self.calls.due().map(Instant::from_std)].into_iter().flatten().min()
    }
}

impl<D: Dial> Future for Driver<D> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.get_mut().turn(cx)
    }
}

impl<D: Dial> Drop for Driver<D> {
    /// The client was closed, or its runtime is shut down: nobody goes on, and everybody is told.
    fn drop(&mut self) {
        self.shared.room.close();
        self.posts.close();
        while let Ok(post) = self.posts.try_recv() {
            self.take(post);
        }
        self.calls.abort("the runtime on which this client works has ended");
        self.deliver();
    }
}

const CLOSED: &str = "this client was closed";

/// A quarter of what tokio lets a task do before others have their turn: the rest is for the socket.
const POSTS: usize = 32;

fn timed_out() -> io::Error {
    io::Error::from(io::ErrorKind::TimedOut)
}

/// Seconds since 1970, for the dates of session tickets.
fn unix() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
