//! Answers in parts: what their streams say goes to the peer, as fast as it takes it.

use std::task::{Poll, Waker};

use pinwire_proto::code::Code;
use pinwire_proto::session::{Buffers, ReplyTo};
use pinwire_proto::wire::{Misuse, Reply};
use tracing::error;

use super::Connection;
use crate::responder::{answer, put};
use crate::tasks::Said;

impl<S> Connection<S> {
    /// Asks the streams in turn, while there is room for what they say.
    pub(super) fn push(&mut self, io: &mut Buffers, waker: &Waker) {
        let mut asked = 0;
        while self.tasks.listen(waker) && self.session.may_push(io.room, io.replies.len(), asked) {
            let Some((to, polled)) = self.tasks.poll_stream() else { return };
            asked += 1;
            if let Poll::Ready(said) = polled {
                self.say(&to, &said, &mut io.replies);
            }
        }
    }

    fn say(&mut self, to: &ReplyTo, said: &Said, replies: &mut Vec<u8>) {
        let written = match said {
            Said::Part(part) if part.status.is_ok() => {
                self.session.part(to, replies, |encoder| put(encoder, part))
            }
            Said::Part(last) => self.end_stream(to, last, replies),
            Said::End => self.end_stream(to, &Reply::ok(""), replies),
            Said::Panic => {
                self.tasks.remove(to.flight);
                // Its handler's state cannot be trusted any more.
                self.session.close_after(to, Code::Failed, "", replies);
                Ok(())
            }
        };
        if let Err(misuse) = written {
            error!(%misuse, "a part of a handler's answer cannot be sent");
            self.tasks.remove(to.flight);
            self.session.error(to, replies, Code::Failed, "");
        }
    }

    fn end_stream(&mut self, to: &ReplyTo, last: &Reply, replies: &mut Vec<u8>) -> Result<(), Misuse> {
        self.tasks.remove(to.flight);
        answer(&mut self.session, to, replies, last)
    }
}
