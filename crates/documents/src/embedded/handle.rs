//! The open database: runs what is to be done in it, and opens it again when the disk has failed.
//!
//! After an I/O error redb refuses everything, reads too, until it is closed and opened again. That is sound
//! after a failed fsync as well, although the kernel then drops pages that it could not write and calls them
//! clean: a commit in two phases makes its pages durable before anything refers to them, so that what was
//! there before never rests on a page that was lost; and redb writes and syncs its header when it opens,
//! before anything new is written.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use redb::{Database, ReadTransaction, ReadableDatabase as _, TransactionError, WriteTransaction};
use tracing::{error, info};

use super::trouble::{Kind, Trouble};

/// What a database is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Access {
    /// Reading alone: the file is not touched.
    Read,
    Write,
}

/// Opens the database; again and again.
pub(super) type Opener = dyn Fn(Access) -> Result<Database, Trouble> + Send + Sync;

/// The database that is open at the moment.
pub(super) struct Handle {
    opener: Box<Opener>,
    /// Work holds it for reading; it is taken for writing to open the database again.
    open: RwLock<Open>,
    changes: Spell,
    reads: Spell,
    damage: Spell,
}

struct Open {
    database: Option<Database>,
    access: Access,
    /// Counts the openings: of many that find the same one broken, one opens the next.
    generation: u64,
}

/// Trouble of work.
struct Failed {
    trouble: Trouble,
    /// The opening that it had it with.
    generation: u64,
    /// Whether the work was begun: else nothing was open for it.
    is_begun: bool,
}

impl Handle {
    pub(super) fn open(opener: Box<Opener>) -> Result<Handle, Trouble> {
        let database = unpanicked(|| opener(Access::Write))?;
        let open = Open { database: Some(database), access: Access::Write, generation: 0 };
        let changes =
            Spell::new("changes cannot be written and are answered `failed`", "changes are written again");
        let reads = Spell::new("documents cannot be read", "documents are read again");
        let damage = Spell::new("its file is damaged; stop the server and put a backup in its place", "");
        Ok(Handle { opener, open: RwLock::new(open), changes, reads, damage })
    }

    /// Reads, a second time if the first might have failed for what has passed.
    pub(super) fn read<T>(
        &self,
        work: impl Fn(&ReadTransaction) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let read = || self.run(Access::Read, Database::begin_read, |transaction| work(&transaction));
        let result = match read() {
            Err(failed) if failed.trouble.may_pass() => {
                self.open_again(failed.generation);
                read()
            }
            result => result,
        };
        match &result {
            Ok(_) => self.reads.ends(),
            Err(failed) => self.report(&self.reads, &failed.trouble),
        }
        result.map_err(|failed| failed.trouble)
    }

    /// Reads what stays, once: nothing while the database is open for reading alone, for what was written before
    /// the disk failed may not be on it. Tells of no trouble: the work before this has met it.
    pub(super) fn read_what_stays<T>(
        &self,
        work: impl Fn(&ReadTransaction) -> Result<T, Trouble>,
    ) -> Option<T> {
        self.run(Access::Write, Database::begin_read, |transaction| work(&transaction)).ok()
    }

    /// Writes, once: what failed may have been written all the same.
    pub(super) fn write<T>(
        &self,
        work: impl Fn(WriteTransaction) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let write = || self.run(Access::Write, Database::begin_write, &work);
        let result = match write() {
            // A reader met the trouble, or the disk took nothing the last time: perhaps it does again.
            Err(failed) if !failed.is_begun => {
                self.open_again(failed.generation);
                write()
            }
            result => result,
        };
        result.map_err(|failed| {
            self.report(&self.changes, &failed.trouble);
            if failed.is_begun {
                self.open_again(failed.generation);
            }
            failed.trouble
        })
    }

    /// A change is on disk.
    pub(super) fn written(&self) {
        self.changes.ends();
    }

    // Under one lock: what is to be written must never go to a database that is open for reading alone, where
    // it would stay in memory.
    fn run<X, T>(
        &self,
        access: Access,
        begin: impl Fn(&Database) -> Result<X, TransactionError>,
        work: impl Fn(X) -> Result<T, Trouble>,
    ) -> Result<T, Failed> {
        let open = self.opened();
        let begun = match &open.database {
            Some(database) if open.access >= access => unpanicked(|| Ok(begin(database)?)),
            _ => Err(Trouble::new(Kind::Disk(None), "the disk does not take it")),
        };
        let is_begun = begun.is_ok();
        let result = begun.and_then(|transaction| unpanicked(|| work(transaction)));
        result.map_err(|trouble| Failed { trouble, generation: open.generation, is_begun })
    }

    /// A panic is told each time, damage once: it stays, whatever else goes well.
    fn report(&self, spell: &Spell, trouble: &Trouble) {
        match trouble.kind {
            Kind::Panic => error!(%trouble, "the store: its file may be damaged"),
            Kind::Damage => self.damage.begins(trouble),
            _ => spell.begins(trouble),
        }
    }

    fn opened(&self) -> RwLockReadGuard<'_, Open> {
        self.open.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the database again, unless somebody has since `generation`; for reading alone if the disk takes
    /// nothing. Waits for the work that goes on in the old one.
    pub(super) fn open_again(&self, generation: u64) {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if open.generation != generation {
            return;
        }
        open.generation += 1;
        close(open.database.take());
        open.access = Access::Write;
        let opened = unpanicked(|| (self.opener)(Access::Write)).or_else(|trouble| {
            self.report(&self.changes, &trouble);
            open.access = Access::Read;
            unpanicked(|| (self.opener)(Access::Read))
        });
        match opened {
            Ok(database) => open.database = Some(database),
            Err(trouble) => self.report(&self.reads, &trouble),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        close(self.open.get_mut().unwrap_or_else(PoisonError::into_inner).database.take());
    }
}

/// It may be in a state in which even closing it panics.
fn close(database: Option<Database>) {
    let _ = unpanicked(|| {
        drop(database);
        Ok(())
    });
}

// redb "may panic" on a file that somebody else has damaged, and in debug builds asserts where release
// builds report: a damaged file must not end the process. What it leaves behind is closed, not used on.
pub(super) fn unpanicked<T>(work: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
    let caught: Result<_, Box<dyn Any + Send>> = catch_unwind(AssertUnwindSafe(work));
    caught.unwrap_or_else(|panic| Err(Trouble::panic(&*panic)))
}

/// A time of trouble, which is logged when it begins and when it ends, not at each request.
struct Spell {
    begin: &'static str,
    end: &'static str,
    lasts: AtomicBool,
}

impl Spell {
    fn new(begin: &'static str, end: &'static str) -> Spell {
        Spell { begin, end, lasts: AtomicBool::new(false) }
    }

    fn begins(&self, trouble: &Trouble) {
        if !self.lasts.swap(true, Ordering::Relaxed) {
            error!(%trouble, "the store: {}", self.begin);
        }
    }

    fn ends(&self) {
        if self.lasts.load(Ordering::Relaxed) && self.lasts.swap(false, Ordering::Relaxed) {
            info!("the store: {}", self.end);
        }
    }
}
