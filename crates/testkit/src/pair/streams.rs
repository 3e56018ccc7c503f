//! The answers in parts of a story: what is pushed waits here until the session lets it go, in turns.

use std::collections::VecDeque;

use pinwire_proto::session::{Buffers, ReplyTo, ServerSession};

/// Streams, by the lines of their commands.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: Vec<(String, ReplyTo)>,
    waiting: VecDeque<(ReplyTo, Vec<u8>)>,
}

impl Streams {
    pub(super) fn begin(&mut self, line: &str, to: ReplyTo) {
        self.open.push((line.to_owned(), to));
    }

    /// Something for the stream that the command of this line began.
    pub(super) fn push(&mut self, line: &str, part: &[u8]) {
        let to = self.of(line);
        self.waiting.push_back((to, part.to_owned()));
    }

    pub(super) fn of(&self, line: &str) -> ReplyTo {
        let found = self.open.iter().find(|(open, _)| open == line);
        found.expect("the story began this stream").1
    }

    /// The stream of this flight ended: what it had to say is dropped.
    pub(super) fn cancel(&mut self, flight: u32) {
        self.waiting.retain(|(to, _)| to.flight != flight);
    }

    /// Parts that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// What may go, goes.
    pub(super) fn go(&mut self, session: &mut ServerSession, io: &mut Buffers) {
        let mut pushed = 0;
        while !self.waiting.is_empty() && session.may_push(io.room, io.replies.len(), pushed) {
            let Some((to, part)) = self.waiting.pop_front() else { return };
            pushed += 1;
            let written = session.part(&to, &mut io.replies, |reply| {
                reply.body(&part);
                Ok(())
            });
            written.expect("a part of a story");
        }
    }
}
