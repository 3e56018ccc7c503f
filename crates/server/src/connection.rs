//! One connection's turn: socket → wire → plain → event → handler → replies → sealed → socket.
//!
//! Synchronous, with the worker's buffers lent for the turn. Start reading at [`Connection::turn`].

mod entering;
mod judging;
mod parting;
mod pushing;
mod who;

use std::any::Any;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll, Waker};

use pinwire_proto::code::Code;
use pinwire_proto::limits::Limits;
use pinwire_proto::session::{Buffers, Disconnect, Event, Now, ReplyTo, Room, ServerSession, Wire};
use pinwire_proto::wire::{Head, Reply};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tracing::error;

use crate::alarms::{Alarm, Alarms};
use crate::command::Command;
use crate::handler::{Body, Handler, is_everybodys};
use crate::inbox::{Address, Inbox};
use crate::linger::Linger;
use crate::outbox::Outbox;
use crate::refusing::{Refusing, Why};
use crate::responder::{Desk, Responder, answer};
use crate::stats::Counts;
use crate::tasks::{Right, Tasks};
use crate::totals::{Kept, Short};

pub(crate) use judging::Judge;
use who::Who;

/// One connection: its session, its socket, its user's state. Owns no buffer while it is idle.
pub(crate) struct Connection<S> {
    session: ServerSession,
    socket: TcpStream,
    outbox: Outbox,
    linger: Option<Box<Linger>>,
    tasks: Tasks,
    who: Who,
    state: Option<S>,
    waker: Waker,
    /// Of the list that judged it last.
    generation: u32,
    /// What the worker's totals hold for it.
    kept: Kept,
    /// How far its handshake was when the worker asked last.
    progress: Progress,
    /// Whether it counts among its entry's connections.
    is_member: bool,
    /// Whether it was refused: the log and its source's account have that.
    is_refused: bool,
    /// Whether the log heard that it may not run what it asked for.
    is_forbidding_said: bool,
}

// Small state is also speed: at a thousand connections cache misses rule. Its keys lie apart from it, in another 232
// bytes, as does rustls's own state, some 5 KB, while it is there.
const _: () = assert!(size_of::<Connection<[u64; 8]>>() <= 448);

/// What a worker lends to a turn.
pub(crate) struct Station<'w, H> {
    pub(crate) handler: &'w H,
    pub(crate) judge: Judge<'w>,
    pub(crate) limits: &'w Limits,
    pub(crate) inbox: &'w Arc<Inbox>,
    pub(crate) address: Address,
    pub(crate) now: Now,
    pub(crate) alarms: &'w mut Alarms,
    /// How many peers are in, at the whole server.
    pub(crate) connections: &'w AtomicUsize,
    pub(crate) counts: &'w Counts,
    pub(crate) refusing: &'w Refusing,
}

/// What comes after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// There may be more to do at once.
    Again,
    /// There is more to do, once the others have had their turn.
    Yield,
    /// A waker is set.
    Wait,
    /// The connection is over.
    Gone,
}

/// How far a handshake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Its ClientHello is not complete.
    Silent,
    /// It is.
    Heard,
    /// The greeting is said, or there will be none.
    Over,
}

impl<S> Connection<S> {
    pub(crate) fn new(session: ServerSession, socket: TcpStream, remote: SocketAddr) -> Self {
        Connection {
            session,
            socket,
            outbox: Outbox::default(),
            linger: None,
            tasks: Tasks::default(),
            who: Who::from(remote),
            state: None,
            waker: Waker::noop().clone(),
            generation: 0,
            kept: Kept::default(),
            progress: Progress::Silent,
            is_member: false,
            is_refused: false,
            is_forbidding_said: false,
        }
    }

    /// The way of a byte. Nothing that concerns connections from outside happens in here: see `inbox`.
    pub(crate) fn turn<H>(&mut self, at: &mut Station<'_, H>, io: &mut Buffers, cx: &mut Context<'_>) -> Turn
    where
        H: Handler<State = S>,
    {
        self.keep_to(at.judge, at.now);
        (io.unsent, io.place) = (self.outbox.unsent(), at.address.place as usize);
        let filled = self.fill(&mut io.wire, (io.unsent, io.room), cx); // 1 socket → wire
        self.session.open(at.now, (at.judge.list, self.who.address().ip()), io); // 2 wire → plain
        while let Some(event) = self.session.next(at.now, &mut io.plain, &mut io.replies) {
            self.dispatch(at, &event, &mut io.replies); // 3 plain → event → handler → replies
        }
        self.push(io, cx.waker()); // streams → replies
        self.session.seal(at.now, io); // 4 replies → sealed: one record for the whole batch
        self.send(at, io, cx); // 5 sealed → socket; an unsent tail waits

        if self.session.is_closed() {
            return self.say_goodbye(at, io.wire.space(), cx);
        }
        match filled.is_ready() || self.session.wants_turn(self.outbox.unsent()) {
            true if self.session.yields() => Turn::Yield,
            true => Turn::Again,
            false => Turn::Wait,
        }
    }

    fn fill(&mut self, wire: &mut Wire, (unsent, room): (usize, Room), cx: &mut Context<'_>) -> Poll<()> {
        if !self.session.wants_read(unsent) || self.session.is_shut_out(room) {
            return Poll::Pending;
        }
        let mut bytes = ReadBuf::new(wire.space());
        match Pin::new(&mut self.socket).poll_read(cx, &mut bytes) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(_)) => self.session.broken(),
            Poll::Ready(Ok(())) => match bytes.filled().len() {
                0 => self.session.end_of_input(),
                length => wire.filled(length),
            },
        }
        Poll::Ready(())
    }

    fn send<H>(&mut self, at: &Station<'_, H>, io: &mut Buffers, cx: &mut Context<'_>) {
        if self.outbox.write(&mut self.socket, at.now.instant, cx, &mut io.sealed).is_err() {
            self.session.broken();
            io.sealed.clear();
        }
        self.session.taken(self.outbox.unsent(), io);
    }

    fn dispatch<H>(&mut self, at: &mut Station<'_, H>, event: &Event<'_>, replies: &mut Vec<u8>)
    where
        H: Handler<State = S>,
    {
        match *event {
            Event::Refused(ref refusal) => self.refuse(at, &Why::Judged(refusal), replies),
            Event::Connect => self.connect(at, replies),
            Event::Body(ref head) => self.body(at.handler, head, replies),
            Event::Command { head, body, to } => self.command(at, (head, body), to, replies),
            Event::Cancelled(flight) => self.tasks.abort(flight),
        }
    }

    fn body<H>(&mut self, handler: &H, head: &Head<'_>, replies: &mut Vec<u8>)
    where
        H: Handler<State = S>,
    {
        let (Some(state), Some(peer)) = (&mut self.state, self.who.peer()) else { return };
        let name = head.name();
        let registered = handler.registered(name);
        if !peer.may(name, registered.as_ref()) {
            self.mention_forbidden(registered.as_ref());
            return self.session.refuse_body(Code::NotPermitted, &forbidden(name), replies);
        }
        match unpanicked(|| handler.body(state, head)) {
            Some(Body::Whole) => {}
            Some(Body::Refused(code, text)) => self.session.refuse_body(code, &text, replies),
            None => self.session.close_with(Code::Failed, "", replies),
        }
    }

    fn command<H>(
        &mut self,
        at: &mut Station<'_, H>,
        (head, body): (Head<'_>, &[u8]),
        to: ReplyTo,
        replies: &mut Vec<u8>,
    ) where
        H: Handler<State = S>,
    {
        let (Some(state), Some(peer)) = (&mut self.state, self.who.peer()) else { return };
        let (handler, name) = (at.handler, head.name());
        let registered = handler.registered(name);
        if !peer.may(name, registered.as_ref()) {
            self.mention_forbidden(registered.as_ref());
            return self.session.error(&to, replies, Code::NotPermitted, &forbidden(name));
        }
        let right = || Right::of(registered.as_ref(), is_everybodys(name));
        let command = Command::new(head, body, peer, to.deadline);
        let desk = Desk {
            session: &mut self.session,
            replies,
            tasks: &mut self.tasks,
            alarms: at.alarms,
            inbox: at.inbox,
            address: at.address,
            right: &right,
        };
        let responder = Responder::new(desk, to);
        if unpanicked(|| handler.command(state, command, responder)).is_none() {
            // Its state cannot be trusted any more.
            self.session.close_after(&to, Code::Failed, "", replies);
        }
    }

    /// The last words are sealed: they travel, then the socket is closed as docs/PROTOCOL.md 7 says.
    fn say_goodbye<H>(&mut self, at: &mut Station<'_, H>, scratch: &mut [u8], cx: &mut Context<'_>) -> Turn {
        use Disconnect::{HandshakeDropped, HandshakeTimeout, Vanished};
        if matches!(self.session.ended(), None | Some(Vanished | HandshakeTimeout | HandshakeDropped)) {
            return Turn::Gone;
        }
        self.tasks.abort_all();
        self.leave(at.judge.members); // its place is another's, however long it lingers
        let linger = self.linger.get_or_insert_with(|| {
            let until = at.now.instant + at.limits.linger;
            at.alarms.set(until, Alarm::Connection(at.address));
            Box::new(Linger::new(until, self.session.discard_limit()))
        });
        let is_over = linger.is_over(at.now.instant);
        let done = linger.poll(&mut self.socket, self.outbox.unsent() == 0, cx, scratch);
        if is_over || done.is_ready() { Turn::Gone } else { Turn::Wait }
    }

    /// Answers a command between turns. The turn that sends it is woken.
    pub(crate) fn answer(&mut self, to: &ReplyTo, reply: &Reply) {
        self.tasks.remove(to.flight);
        self.session.between_turns(|session, replies| {
            if let Err(misuse) = answer(session, to, replies, reply) {
                error!(%misuse, "a handler's reply cannot be sent");
                session.error(to, replies, Code::Failed, "");
            }
        });
        self.wake();
    }

    /// A command's future panicked.
    pub(crate) fn panicked(&mut self, to: &ReplyTo) {
        self.tasks.remove(to.flight);
        self.session.between_turns(|session, replies| {
            if session.is_owed(to) {
                session.close_after(to, Code::Failed, "", replies);
            }
        });
        self.wake();
    }

    /// Whether a command still waits for its answer.
    pub(crate) fn owes(&self, to: &ReplyTo) -> bool {
        self.session.is_owed(to)
    }

    /// A command's time is up.
    pub(crate) fn time_out(&mut self, to: &ReplyTo) {
        if self.session.between_turns(|session, replies| session.time_out(to, replies)) {
            self.tasks.abort(to.flight);
            self.wake();
        }
    }

    /// Begins no further command, and ends once the last is answered.
    pub(crate) fn stop(&mut self) {
        self.session.stop();
        self.wake();
    }

    /// Ends now, with words.
    pub(crate) fn close_with(&mut self, code: Code, text: &str) {
        self.session.between_turns(|session, replies| session.close_with(code, text, replies));
        self.wake();
    }

    /// How far its handshake is, if that is further than when it was asked last.
    pub(crate) fn progress(&mut self) -> Option<Progress> {
        if self.progress == Progress::Over {
            return None;
        }
        let progress = match (self.session.is_handshaking(), self.session.has_hello()) {
            (false, _) => Progress::Over,
            (true, true) => Progress::Heard,
            (true, false) => Progress::Silent,
        };
        let is_news = self.progress != progress;
        self.progress = progress;
        is_news.then_some(progress)
    }

    /// Ends without words: its state cannot be trusted.
    pub(crate) fn fail(&mut self) {
        self.session.fail();
    }

    /// Ends without words: others need its place.
    pub(crate) fn drop_handshake(&mut self) {
        self.session.drop_handshake();
        self.wake();
    }

    /// What it keeps now, and what it kept when it was last asked.
    pub(crate) fn recount(&mut self) -> (Kept, Kept) {
        let out = self.outbox.unsent() + self.session.kept_out();
        let now = Kept { out, come: self.session.kept_come() };
        (std::mem::replace(&mut self.kept, now), now)
    }

    pub(crate) fn kept(&self) -> Kept {
        self.kept
    }

    /// Whether a command of it waits for room.
    pub(crate) fn is_starved(&self) -> bool {
        self.session.is_starved()
    }

    /// Looks whether patience has ended; the turn that says so is woken. `short` is what there is no room for.
    pub(crate) fn look(&mut self, now: Now, limits: &Limits, judge: Judge<'_>, short: Short) {
        self.keep_to(judge, now);
        let patience =
            if short.of_replies { limits.slow_reader.min(limits.pressed) } else { limits.slow_reader };
        let is_stuck = self.linger.is_none() && self.outbox.is_stuck(now.instant, patience);
        if is_stuck {
            let text = format!("what was asked for was not read for {patience:?}");
            self.close_with(Code::SlowReader, &text);
        }
        // What it did not read waits no longer than it must.
        let is_in_the_way = short.of_replies && self.outbox.is_stuck(now.instant, limits.pressed);
        if let Some(linger) = self.linger.as_mut().filter(|_| is_in_the_way) {
            linger.cut_short(now.instant);
        }
        if short.of_bytes && self.session.press(now) {
            self.wake();
        }
        // Nobody reads, so nobody hears of a reset: after a close_notify, say, while commands are under way.
        let is_unread = !self.session.is_closed() && !self.session.wants_read(self.outbox.unsent());
        if is_unread && !matches!(self.socket.take_error(), Ok(None)) {
            self.session.broken();
            self.wake();
        }
        let is_over = self.linger.as_ref().is_some_and(|linger| linger.is_over(now.instant));
        if self.session.expire(now) || is_over {
            self.wake();
        }
    }

    pub(crate) fn keep_waker(&mut self, waker: &Waker) {
        self.waker.clone_from(waker);
    }

    pub(crate) fn wake(&self) {
        self.waker.wake_by_ref();
    }
}

/// What `user` returns; `None` if it panics. The panic's own message is the panic hook's to print.
pub(crate) fn unpanicked<R>(user: impl FnOnce() -> R) -> Option<R> {
    let result: Result<R, Box<dyn Any + Send>> = catch_unwind(AssertUnwindSafe(user));
    result.ok()
}

fn forbidden(name: &str) -> String {
    format!("this client may not run {name}; HELP lists what it may")
}

#[cfg(test)]
#[path = "connection/size_tests.rs"]
mod size_tests;
