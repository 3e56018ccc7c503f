//! The one thread that writes: a transaction for all that wait, and answers once it is on disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::{Durability, WriteTransaction};
use tokio::sync::{oneshot, watch};

use super::Shared;
use super::handle::Handle;
use super::queue::Serving;
use super::tables::{self, Tables, Wish};
use super::trouble::Trouble;
use crate::{Change, Limits, StoreError, Version};

/// A change, and who waits for it.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) wish: Wish,
    pub(super) answer: oneshot::Sender<Result<Version, StoreError>>,
}

/// What the writer has done.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) commits: AtomicU64,
    pub(super) changes: AtomicU64,
}

/// The thread's own.
pub(super) struct Writer {
    shared: Arc<Shared>,
    /// Dropped with the thread: then there is nothing more to watch for.
    newest: watch::Sender<Version>,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, newest: watch::Sender<Version>) -> Writer {
        Writer { shared, newest }
    }

    /// Serves the queue until it ends.
    pub(super) fn run(self) {
        let Shared { changes, limits, .. } = &*self.shared;
        let _serving = Serving::new(changes);
        while let Some(mut batch) = changes.take(limits.batch, limits.batch_bytes) {
            // Taken back before it was begun.
            batch.retain(|asking| !asking.answer.is_closed());
            if !batch.is_empty() {
                self.serve(batch);
            }
        }
    }

    fn serve(&self, batch: Vec<Asking>) {
        let Shared { handle, limits, tally, .. } = &*self.shared;
        match handle.write(|transaction| commit(transaction, &batch, limits)) {
            Ok(outcomes) => {
                count(&outcomes, handle, tally);
                self.tell(&batch, &outcomes);
                answer(batch, outcomes);
            }
            Err(trouble) => {
                // It may have been made all the same.
                handle.read_what_stays(tables::newest).into_iter().for_each(|newest| self.rise_to(newest));
                let outcomes = batch.iter().map(|_| Err(StoreError::Broken(trouble.to_string()))).collect();
                answer(batch, outcomes);
            }
        }
    }

    /// Tells those that watch. Before the answers: whoever has one and then watches is not told of it again.
    fn tell(&self, batch: &[Asking], outcomes: &Outcomes) {
        let made = batch.iter().zip(outcomes).filter_map(|(asking, outcome)| {
            let Wish { id, body, .. } = &asking.wish;
            Some(Change { version: *outcome.as_ref().ok()?, id: Arc::clone(id), body: body.clone() })
        });
        self.shared.shelf.push(made);
        if let Some(newest) = outcomes.iter().flatten().last() {
            self.rise_to(*newest);
        }
    }

    fn rise_to(&self, version: Version) {
        self.newest.send_if_modified(|newest| {
            let is_newer = version > *newest;
            *newest = version.max(*newest);
            is_newer
        });
    }
}

/// What became of each change of a batch, in its order.
type Outcomes = Vec<Result<Version, StoreError>>;

/// Makes the changes, durable all together; if none can be made, nothing is written.
fn commit(mut transaction: WriteTransaction, batch: &[Asking], limits: &Limits) -> Result<Outcomes, Trouble> {
    transaction.set_durability(Durability::Immediate)?;
    // Commits in two phases too, on which `handle` relies.
    transaction.set_quick_repair(true);
    let mut tables = Tables::open(&transaction)?;
    let outcomes: Outcomes =
        batch.iter().map(|asking| tables.change(&asking.wish)).collect::<Result<_, _>>()?;
    let is_changed = outcomes.iter().any(Result::is_ok);
    if is_changed {
        tables.trim(limits)?;
    }
    drop(tables);
    if is_changed {
        transaction.commit()?;
    } else {
        transaction.abort()?;
    }
    Ok(outcomes)
}

fn count(outcomes: &Outcomes, handle: &Handle, tally: &Tally) {
    let changes = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    if changes > 0 {
        tally.commits.fetch_add(1, Ordering::Relaxed);
        tally.changes.fetch_add(changes as u64, Ordering::Relaxed);
        handle.written();
    }
}

/// All of them only now: a conflict may rest on a change of the same batch.
fn answer(batch: Vec<Asking>, outcomes: Outcomes) {
    for (asking, outcome) in batch.into_iter().zip(outcomes) {
        // Whoever has gone meanwhile does not learn what became of it.
        let _ = asking.answer.send(outcome);
    }
}
