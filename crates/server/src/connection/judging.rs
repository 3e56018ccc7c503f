//! A connection that is in, judged again: by another list, or because its time has come.

use std::mem;
use std::sync::Arc;

use pinwire_proto::code::Code;
use pinwire_proto::session::{Now, ReplyTo};
use pinwire_proto::trust::{Entry, Refusal, TrustList, judge_again};
use tracing::warn;

use super::{Connection, Who};
use crate::doubles::Doubles;
use crate::handler::{Peer, Registered};
use crate::inbox::{Address, Inbox};
use crate::members::{Member, Members};

/// What judges connections: a worker's copy of the list.
#[derive(Clone, Copy)]
pub(crate) struct Judge<'w> {
    pub(crate) list: &'w TrustList,
    /// The list's: whoever was judged by another one is judged again before it is served.
    pub(crate) generation: u32,
    pub(crate) members: &'w Members,
    pub(crate) doubles: &'w Doubles,
}

impl Judge<'_> {
    /// Says if this client's certificate matches further lines.
    pub(super) fn mention_others(&self, peer: &Peer) {
        self.doubles.mention((self.list, self.generation), peer.digests());
    }
}

impl<S> Connection<S> {
    /// Judges again whom another list judged, or whose time has come: its entry's `expires`, or its certificate's
    /// notAfter. One that is in its handshake will be judged at its end.
    pub(crate) fn keep_to(&mut self, judge: Judge<'_>, now: Now) {
        let is_over = self.who.peer().is_some_and(|peer| peer.until() <= now.unix);
        if is_over || self.generation != judge.generation {
            self.generation = judge.generation;
            self.judge_again(judge, now);
        }
    }

    /// Itself, if its entry bounds how many connections it has.
    pub(crate) fn named(&self, inbox: &Arc<Inbox>, address: Address) -> Option<Member> {
        let is_staying = self.is_member && self.session.ended().is_none();
        let peer = self.who.peer().filter(|peer| is_staying && peer.entry().connections.is_some())?;
        Some(Member { pin: *peer.pin(), number: peer.number(), inbox: Arc::clone(inbox), address })
    }

    fn judge_again(&mut self, judge: Judge<'_>, now: Now) {
        let Some(peer) = self.who.peer().filter(|_| self.session.ended().is_none()) else { return };
        match judge_again(judge.list, peer.judged(), peer.address().ip(), now.unix) {
            Ok(entry) if entry == peer.judged().entry => {}
            Ok(entry) => self.belong(&entry, judge),
            Err(Refusal { code, text, .. }) => {
                self.tasks.abort_all();
                self.session.cut(code, &text);
                self.wake();
            }
        }
    }

    /// From now on `entry` is its own: what it has under way and may not run any more ends.
    fn belong(&mut self, entry: &Arc<Entry>, judge: Judge<'_>) {
        let Some(peer) = self.who.peer() else { return };
        self.is_forbidding_said = false;
        judge.mention_others(peer);
        judge.members.change(peer.pin(), &entry.pin);
        self.who = Who::Peer(Arc::new(Peer::clone(peer).under(Arc::clone(entry))));
        for to in self.tasks.not_permitted(entry) {
            self.mention_forbidden(None);
            self.forbid(&to);
        }
    }

    /// A command is not permitted. Under an entry the log hears of a connection's first alone: of each it would be a
    /// client's to fill. What is not `registered` is not named, for the client chose the word.
    pub(super) fn mention_forbidden(&mut self, registered: Option<&Registered<'_>>) {
        if !mem::replace(&mut self.is_forbidding_said, true) {
            let (name, code) = (self.who.name(), Code::NotPermitted);
            let command = registered.map(|registered| registered.name);
            warn!(peer = %self.who.address(), name, %code, command, "refused a command");
        }
    }

    fn forbid(&mut self, to: &ReplyTo) {
        self.tasks.abort(to.flight);
        self.session.between_turns(|session, replies| {
            session.error(to, replies, Code::NotPermitted, "the list does not allow it any more");
        });
        self.wake();
    }
}
