//! The one thread that writes: a transaction for all that wait, and answers once it is on disk.

use std::sync::atomic::{AtomicU64, Ordering};

use redb::{Durability, WriteTransaction};
use tokio::sync::oneshot;

use super::handle::Handle;
use super::queue::{Queue, Serving};
use super::tables::{Change, Tables};
use super::trouble::Trouble;
use crate::{Limits, StoreError, Version};

/// A change, and who waits for it.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) change: Change,
    pub(super) answer: oneshot::Sender<Result<Version, StoreError>>,
}

/// What the writer has done.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) commits: AtomicU64,
    pub(super) changes: AtomicU64,
}

/// Serves the queue until it ends.
pub(super) fn run(queue: &Queue<Asking>, handle: &Handle, limits: &Limits, tally: &Tally) {
    let _serving = Serving::new(queue);
    while let Some(mut batch) = queue.take(limits.batch, limits.batch_bytes) {
        // Taken back before it was begun.
        batch.retain(|asking| !asking.answer.is_closed());
        if batch.is_empty() {
            continue;
        }
        match handle.write(|transaction| commit(transaction, &batch, limits)) {
            Ok(outcomes) => {
                count(&outcomes, handle, tally);
                answer(batch, outcomes);
            }
            Err(trouble) => {
                let outcomes = batch.iter().map(|_| Err(StoreError::Broken(trouble.to_string()))).collect();
                answer(batch, outcomes);
            }
        }
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
        batch.iter().map(|asking| tables.change(&asking.change)).collect::<Result<_, _>>()?;
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
