//! The server's end: drives its session exactly as the server does, with a script for a handler.

use std::net::IpAddr;

use pinwire_proto::code::Code;
use pinwire_proto::session::{Buffers, Disconnect, Event, Now, ReplyTo, Room, ServerSession};
use pinwire_proto::trust::TrustList;

use super::streams::Streams;
use super::{LOCAL, Link};

/// A server's connection: what it heard, and how it answers.
#[derive(Debug)]
pub struct ServerEnd {
    /// The session itself.
    pub session: ServerSession,
    /// The list that judges.
    pub list: TrustList,
    /// Where the client comes from.
    pub from: IpAddr,
    /// What the handler does.
    pub script: Script,
    /// What the server's other connections leave this one.
    pub room: Room,
    io: Buffers,
    outbox: Vec<u8>,
    connects: usize,
    heard: Vec<String>,
    bodies: Vec<Vec<u8>>,
    announced: Vec<String>,
    held: Vec<(String, ReplyTo)>,
    cancelled: Vec<u32>,
    streams: Streams,
    turns: usize,
    read: usize,
    wakers: Wakers,
}

/// What the next turn waits for, as in a runtime: a turn that nothing woke does not happen.
#[derive(Clone, Copy, Debug, Default)]
struct Wakers {
    /// Woken already.
    now: bool,
    /// A read found nothing, and nothing came since.
    read: bool,
    /// A write found no room.
    write: bool,
}

/// What the handler does. By default it echoes: a body if there is one, else the command's line.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// Commands of these names are answered later, by [`ServerEnd::answer`].
    pub holds: Vec<&'static str>,
    /// Commands of these names are answered in parts, by [`ServerEnd::push`].
    pub streams: Vec<&'static str>,
    /// The handler panics at commands of these names.
    pub panics: Vec<&'static str>,
    /// Bodies of commands of these names are refused from their heads, with the line's [`code`](field@Script::code).
    pub refuses_bodies: Vec<&'static str>,
    /// Commands of these names are answered with an error, the line's [`code`](field@Script::code).
    pub errs: Vec<&'static str>,
    /// The code of an error by the command's line; `not-permitted` unless told otherwise.
    pub code: Option<fn(&str) -> Code>,
    /// Every peer is refused.
    pub refuses: Option<(Code, &'static str)>,
    /// Every answer's body, instead of the echo.
    pub says: Option<Vec<u8>>,
    /// Bytes that are reserved for each held command's answer, if it is not the longest reply.
    pub reserves: Option<usize>,
}

impl Script {
    fn code(&self, line: &str) -> Code {
        self.code.map_or(Code::NotPermitted, |code| code(line))
    }
}

impl ServerEnd {
    pub(super) fn new(session: ServerSession, list: TrustList) -> Self {
        ServerEnd {
            session,
            list,
            from: LOCAL,
            script: Script::default(),
            room: Room::default(),
            io: Buffers::default(),
            outbox: Vec::new(),
            connects: 0,
            heard: Vec::new(),
            bodies: Vec::new(),
            announced: Vec::new(),
            held: Vec::new(),
            cancelled: Vec::new(),
            streams: Streams::default(),
            turns: 0,
            read: 0,
            wakers: Wakers { now: true, ..Wakers::default() },
        }
    }

    /// The commands that the handler got, oldest first.
    pub fn heard(&self) -> &[String] {
        &self.heard
    }

    /// Their bodies.
    pub fn bodies(&self) -> &[Vec<u8>] {
        &self.bodies
    }

    /// The commands whose bodies the handler was asked about, oldest first.
    pub fn announced(&self) -> &[String] {
        &self.announced
    }

    /// Another part of the answer to the command of this line.
    pub fn push(&mut self, line: &str, part: impl AsRef<[u8]>) {
        self.streams.push(line, part.as_ref());
        self.wakers.now = true;
    }

    /// Its answer is complete.
    pub fn end_stream(&mut self, line: &str, body: impl AsRef<[u8]>) {
        self.answer_to(self.streams.of(line), body);
    }

    /// Where its parts go.
    pub fn stream(&self, line: &str) -> ReplyTo {
        self.streams.of(line)
    }

    /// The time of this command is up.
    pub fn time_out(&mut self, to: &ReplyTo) {
        self.session.between_turns(|session, replies| session.time_out(to, replies));
        self.streams.cancel(to.flight);
        self.wakers.now = true;
    }

    /// Parts that wait until the client takes more.
    pub fn parts_waiting(&self) -> usize {
        self.streams.waiting()
    }

    /// The flights that the client took back, or that ended with a goodbye.
    pub fn cancelled(&self) -> &[u32] {
        &self.cancelled
    }

    /// How often the handler was asked whether it takes the peer.
    pub fn connects(&self) -> usize {
        self.connects
    }

    /// Bytes that are sealed and not taken by the socket.
    pub fn unsent(&self) -> usize {
        self.outbox.len()
    }

    /// Held commands that still wait for their answer.
    pub fn owed(&self) -> usize {
        self.held.iter().filter(|(_, to)| self.session.is_owed(to)).count()
    }

    /// Bytes that were read for the session; what is thrown away behind its end is not among them.
    pub fn read(&self) -> usize {
        self.read
    }

    /// Turns so far.
    pub fn turns(&self) -> usize {
        self.turns
    }

    /// Whether expanded keys of this connection are kept for its next turn.
    pub fn keeps_keys(&self) -> bool {
        !self.io.contexts.is_empty()
    }

    /// How it ended.
    pub fn ended(&self) -> Option<&Disconnect> {
        self.session.ended()
    }

    /// The code with which the server closed.
    pub fn closed_with(&self) -> Option<Code> {
        match self.session.ended() {
            Some(Disconnect::Closed { code, .. }) => Some(*code),
            _ => None,
        }
    }

    /// Where the answer of the held command of this line goes.
    pub fn held(&self, line: &str) -> ReplyTo {
        let found = self.held.iter().find(|(held, _)| held == line);
        found.expect("the story holds this command").1
    }

    /// The lines of all commands that were ever held, and where their answers go.
    pub fn all_held(&self) -> &[(String, ReplyTo)] {
        &self.held
    }

    /// Answers a held command between turns.
    pub fn answer(&mut self, line: &str, body: impl AsRef<[u8]>) {
        self.answer_to(self.held(line), body);
    }

    /// Answers this command between turns.
    pub fn answer_to(&mut self, to: ReplyTo, body: impl AsRef<[u8]>) {
        let answered = self.session.between_turns(|session, replies| {
            session.ok(&to, replies, |reply| {
                reply.body(body.as_ref());
                Ok(())
            })
        });
        answered.expect("an answer of a story");
        self.wakers.now = true;
    }

    /// Answers a held command between turns as the server does: `failed`, if the answer is longer than what was
    /// reserved for it; whether it was not.
    pub fn answer_or_fail(&mut self, to: ReplyTo, body: impl AsRef<[u8]>) -> bool {
        self.wakers.now = true;
        self.session.between_turns(|session, replies| {
            let answered = session.ok(&to, replies, |reply| {
                reply.body(body.as_ref());
                Ok(())
            });
            if answered.is_err() {
                session.error(&to, replies, Code::Failed, "the answer is too long");
            }
            answered.is_ok()
        })
    }

    /// Answers a held command between turns, with an error.
    pub fn answer_error(&mut self, line: &str, code: Code) {
        let to = self.held(line);
        self.session.between_turns(|session, replies| session.error(&to, replies, code, ""));
        self.wakers.now = true;
    }

    /// What works on a held command panics between turns.
    pub fn panic(&mut self, line: &str) {
        let to = self.held(line);
        self.session.between_turns(|session, replies| {
            if session.is_owed(&to) {
                session.close_after(&to, Code::Failed, "", replies);
            }
        });
        self.wakers.now = true;
    }

    /// The other connections leave it so much from now on.
    pub fn give(&mut self, room: Room) {
        self.room = room;
        self.wakers.now |= self.session.is_starved();
    }

    /// The server wants to stop.
    pub fn stop(&mut self) {
        self.session.stop();
        self.wakers.now = true;
    }

    /// The socket is broken.
    pub fn broken(&mut self) {
        self.session.broken();
        self.wakers.now = true;
    }

    /// The server closes the connection, between turns.
    pub fn close_with(&mut self, code: Code, text: &str) {
        self.session.between_turns(|session, replies| session.close_with(code, text, replies));
        self.wakers.now = true;
    }

    /// Ends without the answers that are not sealed.
    pub fn cut(&mut self, code: Code, text: &str) {
        self.session.cut(code, text);
        self.wakers.now = true;
    }

    /// The server's sweep: deadlines of the connection and of its commands.
    pub fn expire(&mut self, now: Now) {
        for (_, to) in &self.held {
            if to.deadline.is_some_and(|deadline| deadline <= now.instant) {
                self.wakers.now |=
                    self.session.between_turns(|session, replies| session.time_out(to, replies));
            }
        }
        self.wakers.now |= self.session.expire(now);
    }

    /// The server is short of room, and looks who is slow; whether this one was.
    pub fn press(&mut self, now: Now) -> bool {
        let was_slow = self.session.press(now);
        self.wakers.now |= was_slow;
        was_slow
    }

    /// One turn, as the server's connection has it, if something woke it; whether there was one.
    pub fn turn(&mut self, now: Now, up: &mut Link, down: &mut Link) -> bool {
        if !self.is_woken(up, down) {
            return false;
        }
        self.turns += 1;
        (self.io.unsent, self.io.room) = (self.outbox.len(), self.room);
        let filled = self.fill(up);
        self.session.open(now, (&self.list, self.from), &mut self.io);
        self.handle(now);
        self.streams.go(&mut self.session, &mut self.io);
        self.session.seal(now, &mut self.io);
        self.send(down);
        if self.session.is_closed() {
            self.linger(up, down);
            return true;
        }
        self.wakers.now = filled || self.session.wants_turn(self.outbox.len());
        true
    }

    fn is_woken(&mut self, up: &Link, down: &Link) -> bool {
        let (read, write) = (self.wakers.read && up.is_readable(), self.wakers.write && down.is_writable());
        self.wakers.read &= !read;
        self.wakers.write &= !write;
        std::mem::take(&mut self.wakers.now) || read || write
    }

    /// Whether anything was read, the end among it.
    fn fill(&mut self, up: &mut Link) -> bool {
        if !self.session.wants_read(self.outbox.len()) || self.session.is_shut_out(self.room) {
            return false;
        }
        if !up.is_readable() {
            self.wakers.read = true;
            return false;
        }
        let space = self.io.wire.space();
        let came = up.take(space.len());
        space[..came.len()].copy_from_slice(&came);
        self.io.wire.filled(came.len());
        self.read += came.len();
        // A socket says its end by itself, once all before it is read.
        if came.is_empty() && up.take_end() {
            self.session.end_of_input();
        }
        true
    }

    fn send(&mut self, down: &mut Link) {
        self.outbox.append(&mut self.io.sealed);
        down.put(&mut self.outbox);
        self.wakers.write = !self.outbox.is_empty();
        self.session.taken(self.outbox.len(), &mut self.io);
    }

    /// All is said: what still comes is thrown away.
    fn linger(&mut self, up: &mut Link, down: &mut Link) {
        if self.outbox.is_empty() {
            down.end();
        }
        self.wakers.now = !up.take(usize::MAX).is_empty() || up.take_end();
        self.wakers.read = true;
    }

    fn handle(&mut self, now: Now) {
        let Buffers { plain, replies, .. } = &mut self.io;
        while let Some(event) = self.session.next(now, plain, replies) {
            match event {
                Event::Connect => {
                    self.connects += 1;
                    match self.script.refuses {
                        None => self.session.admit(replies),
                        Some((code, text)) => self.session.refuse(code, text, replies),
                    }
                }
                Event::Refused(refusal) => self.session.refuse(refusal.code, &refusal.text, replies),
                Event::Body(head) => {
                    self.announced.push(head.line().to_owned());
                    if self.script.refuses_bodies.contains(&head.name()) {
                        self.session.refuse_body(self.script.code(head.line()), "no body", replies);
                    }
                }
                Event::Command { head, body, to } => {
                    self.heard.push(head.line().to_owned());
                    self.bodies.push(body.to_owned());
                    if self.script.panics.contains(&head.name()) {
                        self.session.close_after(&to, Code::Failed, "", replies);
                        continue;
                    }
                    if self.script.holds.contains(&head.name()) {
                        self.session.reserve(&to, self.script.reserves.unwrap_or(usize::MAX));
                        self.held.push((head.line().to_owned(), to));
                        continue;
                    }
                    if self.script.streams.contains(&head.name()) {
                        self.session.begin_stream(&to);
                        self.streams.begin(head.line(), to);
                        continue;
                    }
                    if self.script.errs.contains(&head.name()) {
                        self.session.error(&to, replies, self.script.code(head.line()), "so the story says");
                        continue;
                    }
                    let said = match &self.script.says {
                        Some(said) => said,
                        None if body.is_empty() => head.line().as_bytes(),
                        None => body,
                    };
                    let answered = self.session.ok(&to, replies, |reply| {
                        reply.body(said);
                        Ok(())
                    });
                    answered.expect("an echo keeps the protocol");
                }
                Event::Cancelled(flight) => {
                    self.streams.cancel(flight);
                    self.cancelled.push(flight);
                }
            }
        }
    }
}
