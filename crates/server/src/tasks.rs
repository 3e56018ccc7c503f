//! Futures that answer a connection's commands, so that they end with them. Does not run them: the runtime does.

use std::collections::HashMap;

use tokio::task::AbortHandle;

/// The commands of one connection that are answered by futures. Owns nothing while there are none.
#[derive(Debug, Default)]
#[expect(clippy::box_collection, reason = "a word in a connection that is idle, not six")]
pub(crate) struct Tasks(Option<Box<HashMap<u32, AbortHandle>>>);

impl Tasks {
    pub(crate) fn insert(&mut self, flight: u32, task: AbortHandle) {
        self.0.get_or_insert_default().insert(flight, task);
    }

    pub(crate) fn remove(&mut self, flight: u32) -> Option<AbortHandle> {
        let tasks = self.0.as_mut()?;
        let task = tasks.remove(&flight);
        if tasks.is_empty() {
            self.0 = None;
        }
        task
    }

    pub(crate) fn abort(&mut self, flight: u32) {
        if let Some(task) = self.remove(flight) {
            task.abort();
        }
    }

    pub(crate) fn abort_all(&mut self) {
        for task in self.0.take().into_iter().flat_map(|tasks| tasks.into_values()) {
            task.abort();
        }
    }
}
