//! What the server writes beside its trust file: who follows it, and the strangers that wait. At most once a second
//! each, the last state always, and only while it holds the lock.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::beside::{self, BesideError, Pending, Status};

/// The strangers that wait, wherever they are remembered.
pub(crate) trait PendingSource: Send + Sync {
    /// All that wait, if anything of it has changed since it was last taken. Asked at every turn of the follower.
    fn take_changed(&self) -> Option<Pending>;

    /// What was written before this server began. Called once, perhaps when strangers are known already.
    fn restore(&self, pending: Pending);
}

/// Writes `F.status` and `F.pending`.
pub(crate) struct Keeper {
    file: PathBuf,
    lock: Lock,
    source: Arc<dyn PendingSource>,
    last: Option<Status>,
    status: Paced<Status>,
    pending: Paced<Pending>,
    has_failed: bool,
}

enum Lock {
    Held { _file: File },
    Wanted { tries: u32 },
}

impl Keeper {
    pub(crate) fn new(file: PathBuf, source: Arc<dyn PendingSource>) -> Self {
        Keeper {
            file,
            lock: Lock::Wanted { tries: 0 },
            source,
            last: None,
            status: Paced::default(),
            pending: Paced::default(),
            has_failed: false,
        }
    }

    /// Writes what is new and due. Gives the moment at which more is due.
    pub(crate) fn turn(&mut self, now: Instant, status: Status) -> Option<Instant> {
        if !self.has_lock() {
            return None;
        }
        self.gather(status);
        if let Some(status) = self.status.due(now) {
            let written = beside::write_status(&self.file, &status);
            self.wrote(written, |keeper| keeper.status.again(status));
        }
        if let Some(pending) = self.pending.due(now) {
            let written = beside::write_pending(&self.file, &pending);
            self.wrote(written, |keeper| keeper.pending.again(pending));
        }
        [self.status.next(), self.pending.next()].into_iter().flatten().min()
    }

    /// The last turn: writes what is new, due or not.
    pub(crate) fn end(&mut self, now: Instant, status: Status) {
        self.status.written = None;
        self.pending.written = None;
        self.turn(now, status);
    }

    fn gather(&mut self, status: Status) {
        if self.last.as_ref() != Some(&status) {
            self.last = Some(status.clone());
            self.status.waiting = Some(status);
        }
        if let Some(pending) = self.source.take_changed() {
            self.pending.waiting = Some(pending);
        }
    }

    /// Tries to get the lock, too: whoever held it may have ended.
    fn has_lock(&mut self) -> bool {
        let Lock::Wanted { tries } = &mut self.lock else { return true };
        *tries = tries.saturating_add(1);
        let tries = *tries;
        match beside::lock(&self.file) {
            Ok(Some(file)) => {
                self.lock = Lock::Held { _file: file };
                self.restore();
                return true;
            }
            // `pinwire trust` holds it for a moment, to ask who does.
            Ok(None) if tries == 2 => tracing::warn!(
                file = %self.file.display(),
                "another server follows this trust file and writes beside it; this one follows it too, and is not in `pinwire trust status`"
            ),
            Ok(None) => {}
            Err(error) => self.failed(&error),
        }
        false
    }

    fn restore(&mut self) {
        match beside::read_pending(&self.file) {
            Ok(pending) => self.source.restore(pending),
            Err(error) => tracing::warn!(%error, "the strangers that waited are not known any more"),
        }
    }

    fn wrote(&mut self, written: Result<(), BesideError>, again: impl FnOnce(&mut Keeper)) {
        match written {
            Ok(()) => self.has_failed = false,
            Err(error) => {
                again(self);
                self.failed(&error);
            }
        }
    }

    fn failed(&mut self, error: &BesideError) {
        if !self.has_failed {
            tracing::warn!(%error, "nothing can be written beside the trust file: `pinwire trust status` and `pending` do not know of this server");
            self.has_failed = true;
        }
    }
}

/// Something that is written at most once a [`PACE`]; of several, the last.
struct Paced<T> {
    waiting: Option<T>,
    written: Option<Instant>,
}

impl<T> Default for Paced<T> {
    fn default() -> Self {
        Paced { waiting: None, written: None }
    }
}

impl<T> Paced<T> {
    /// What is to be written now.
    fn due(&mut self, now: Instant) -> Option<T> {
        if self.written.is_some_and(|written| now < written + PACE) {
            return None;
        }
        let due = self.waiting.take()?;
        self.written = Some(now);
        Some(due)
    }

    /// It could not be written.
    fn again(&mut self, value: T) {
        self.waiting.get_or_insert(value);
    }

    /// When something will be due.
    fn next(&self) -> Option<Instant> {
        self.waiting.as_ref().and(self.written).map(|written| written + PACE)
    }
}

const PACE: Duration = Duration::from_secs(1);
