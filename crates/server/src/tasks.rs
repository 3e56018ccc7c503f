//! A connection's commands that are answered later, and what answers them, so that it ends with them. Does not run
//! futures: the runtime does.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Poll, Waker};

use pinwire_proto::session::ReplyTo;
use pinwire_proto::trust::Entry;
use pinwire_proto::wire::Reply;
use tokio::task::AbortHandle;

use crate::connection::unpanicked;
use crate::handler::Registered;
use crate::streams::{Parts, Ready, Streaming};

/// The commands of one connection that are under way. Owns nothing while there are none.
#[derive(Debug, Default)]
pub(crate) struct Tasks(Option<Box<UnderWay>>);

#[derive(Debug, Default)]
struct UnderWay {
    tasks: HashMap<u32, Task>,
    ready: Arc<Ready>,
}

#[derive(Debug)]
struct Task {
    to: ReplyTo,
    right: Right,
    work: Work,
}

/// What answers a command.
#[derive(Debug)]
enum Work {
    /// Something that is not known here.
    Elsewhere,
    Future(AbortHandle),
    Stream(Streaming),
}

impl Work {
    /// Nobody waits for it any more.
    fn end(self) {
        match self {
            Work::Elsewhere => {}
            Work::Future(future) => future.abort(),
            // It is dropped here, where a panic of it must not end the worker.
            Work::Stream(streaming) => {
                unpanicked(|| drop(streaming));
            }
        }
    }
}

/// What a stream said.
#[derive(Debug)]
pub(crate) enum Said {
    Part(Reply),
    /// That was all.
    End,
    Panic,
}

/// What a command is called where permissions are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    /// Everybody may.
    Everybodys,
    /// A registered command.
    Of(Box<str>, IsAdmin),
    /// None that is registered.
    Unregistered,
}

/// Whether a command is administration.
type IsAdmin = bool;

impl Right {
    pub(crate) fn of(registered: Option<&Registered<'_>>, is_everybodys: bool) -> Right {
        match registered {
            _ if is_everybodys => Right::Everybodys,
            Some(registered) => Right::Of(registered.name.into(), registered.is_admin),
            None => Right::Unregistered,
        }
    }

    fn is_permitted(&self, entry: &Entry) -> bool {
        match self {
            Right::Everybodys => true,
            Right::Of(name, is_admin) => entry.permits(name, *is_admin),
            Right::Unregistered => entry.commands.is_none(),
        }
    }
}

impl Tasks {
    /// This command is under way.
    pub(crate) fn begin(&mut self, to: ReplyTo, right: Right) {
        let under_way = self.0.get_or_insert_default();
        under_way.tasks.insert(to.flight, Task { to, right, work: Work::Elsewhere });
    }

    /// What answers it.
    pub(crate) fn run_by(&mut self, flight: u32, future: AbortHandle) {
        if let Some(task) = self.find(flight) {
            task.work = Work::Future(future);
        }
    }

    /// Its answer comes in these parts, the first perhaps in this turn.
    pub(crate) fn stream(&mut self, flight: u32, parts: Parts) {
        let Some(under_way) = &mut self.0 else { return };
        if let Some(task) = under_way.tasks.get_mut(&flight) {
            task.work = Work::Stream(Streaming::new(flight, parts, &under_way.ready));
        }
    }

    /// Whether a stream may have something to say; from now on one that has wakes `turn`.
    pub(crate) fn listen(&self, turn: &Waker) -> bool {
        self.0.as_ref().is_some_and(|under_way| {
            under_way.ready.listen(turn);
            !under_way.ready.is_empty()
        })
    }

    /// Whose turn it is among the streams, and what it says, if it says anything.
    pub(crate) fn poll_stream(&mut self) -> Option<(ReplyTo, Poll<Said>)> {
        let UnderWay { tasks, ready } = &mut **self.0.as_mut()?;
        let (to, streaming) = loop {
            // Whoever is not there has ended since it rang.
            if let Some(Task { to, work: Work::Stream(streaming), .. }) = tasks.get_mut(&ready.take()?) {
                break (to, streaming);
            }
        };
        let said = match unpanicked(|| streaming.poll()) {
            Some(polled) => polled.map(|part| part.map_or(Said::End, Said::Part)),
            None => Poll::Ready(Said::Panic),
        };
        Some((*to, said))
    }

    /// It is answered.
    pub(crate) fn remove(&mut self, flight: u32) {
        if let Some(Task { work: work @ Work::Stream(_), .. }) = self.take(flight) {
            work.end();
        }
    }

    pub(crate) fn abort(&mut self, flight: u32) {
        if let Some(task) = self.take(flight) {
            task.work.end();
        }
    }

    pub(crate) fn abort_all(&mut self) {
        for task in self.0.take().into_iter().flat_map(|under_way| under_way.tasks.into_values()) {
            task.work.end();
        }
    }

    /// Those that `entry` does not permit, in the order in which they began.
    pub(crate) fn not_permitted(&self, entry: &Entry) -> Vec<ReplyTo> {
        let tasks = self.0.iter().flat_map(|under_way| under_way.tasks.values());
        let mut all: Vec<_> =
            tasks.filter(|task| !task.right.is_permitted(entry)).map(|task| task.to).collect();
        all.sort_unstable_by_key(|to| to.flight);
        all
    }

    fn find(&mut self, flight: u32) -> Option<&mut Task> {
        self.0.as_mut()?.tasks.get_mut(&flight)
    }

    fn take(&mut self, flight: u32) -> Option<Task> {
        let tasks = &mut self.0.as_mut()?.tasks;
        let task = tasks.remove(&flight);
        if tasks.is_empty() {
            self.0 = None;
        }
        task
    }
}
