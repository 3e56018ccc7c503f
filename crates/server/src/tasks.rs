//! A connection's commands that are answered later, and the futures that answer them, so that they end with them.
//! Does not run them: the runtime does.

use std::collections::HashMap;

use pinwire_proto::session::ReplyTo;
use pinwire_proto::trust::Entry;
use tokio::task::AbortHandle;

use crate::handler::Registered;

/// The commands of one connection that are under way. Owns nothing while there are none.
#[derive(Debug, Default)]
#[expect(clippy::box_collection, reason = "a word in a connection that is idle, not six")]
pub(crate) struct Tasks(Option<Box<HashMap<u32, Task>>>);

#[derive(Debug)]
struct Task {
    to: ReplyTo,
    right: Right,
    /// None: something else will answer.
    future: Option<AbortHandle>,
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
        self.0.get_or_insert_default().insert(to.flight, Task { to, right, future: None });
    }

    /// What answers it.
    pub(crate) fn run_by(&mut self, flight: u32, future: AbortHandle) {
        if let Some(task) = self.0.as_mut().and_then(|tasks| tasks.get_mut(&flight)) {
            task.future = Some(future);
        }
    }

    /// It is answered.
    pub(crate) fn remove(&mut self, flight: u32) {
        self.take(flight);
    }

    pub(crate) fn abort(&mut self, flight: u32) {
        if let Some(future) = self.take(flight).and_then(|task| task.future) {
            future.abort();
        }
    }

    pub(crate) fn abort_all(&mut self) {
        for task in self.0.take().into_iter().flat_map(|tasks| tasks.into_values()) {
            task.future.iter().for_each(AbortHandle::abort);
        }
    }

    /// Those that `entry` does not permit, in the order in which they began.
    pub(crate) fn not_permitted(&self, entry: &Entry) -> Vec<ReplyTo> {
        let tasks = self.0.iter().flat_map(|tasks| tasks.values());
        let mut all: Vec<_> =
            tasks.filter(|task| !task.right.is_permitted(entry)).map(|task| task.to).collect();
        all.sort_unstable_by_key(|to| to.flight);
        all
    }

    fn take(&mut self, flight: u32) -> Option<Task> {
        let tasks = self.0.as_mut()?;
        let task = tasks.remove(&flight);
        if tasks.is_empty() {
            self.0 = None;
        }
        task
    }
}
