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

use redb::{Database, ReadTransaction, ReadableDatabase as _};
use tracing::{error, info};

use super::trouble::{Kind, Trouble};

/// What a database is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// Trouble of work, and the opening that it had it with.
type Failed = (Trouble, u64);

impl Handle {
    pub(super) fn open(opener: Box<Opener>) -> Result<Handle, Trouble> {
        let database = unpanicked(|| opener(Access::Write))?;
        let open = Open { database: Some(database), access: Access::Write, generation: 0 };
        let changes =
            Spell::new("changes cannot be written and are answered `failed`", "changes are written again");
        let reads = Spell::new("documents cannot be read", "documents are read again");
        let damage = Spell::new("the file is damaged: put a backup in its place", "");
        Ok(Handle { opener, open: RwLock::new(open), changes, reads, damage })
    }

    /// Reads, a second time if the first might have failed for what has passed.
    pub(super) fn read<T>(
        &self,
        work: impl Fn(&ReadTransaction) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let read = |database: &Database| work(&database.begin_read()?);
        let result = match self.run(read) {
            Err((trouble, generation)) if trouble.may_pass() => {
                self.open_again(generation);
                self.run(read)
            }
            result => result,
        };
        match &result {
            Ok(_) => self.reads.ends(),
            Err((trouble, _)) if trouble.kind == Kind::Damage => self.damage.begins(trouble),
            Err((trouble, _)) => self.reads.begins(trouble),
        }
        result.map_err(|(trouble, _)| trouble)
    }

    /// Writes, once: what failed may have been written all the same.
    pub(super) fn write<T>(&self, work: impl Fn(&Database) -> Result<T, Trouble>) -> Result<T, Trouble> {
        if let Err(generation) = self.is_writable() {
            self.open_again(generation);
        }
        let result = match self.is_writable() {
            Ok(()) => self.run(&work),
            Err(generation) => Err((Trouble::new(Kind::Disk(None), "the disk takes nothing"), generation)),
        };
        result.map_err(|(trouble, generation)| {
            self.changes.begins(&trouble);
            self.open_again(generation);
            trouble
        })
    }

    /// A change is on disk.
    pub(super) fn written(&self) {
        self.changes.ends();
    }

    fn is_writable(&self) -> Result<(), u64> {
        let open = self.opened();
        let is_writable = open.access == Access::Write && open.database.is_some();
        if is_writable { Ok(()) } else { Err(open.generation) }
    }

    fn run<T>(&self, work: impl Fn(&Database) -> Result<T, Trouble>) -> Result<T, Failed> {
        let open = self.opened();
        let Some(database) = &open.database else {
            return Err((Trouble::new(Kind::Disk(None), "the file cannot be opened"), open.generation));
        };
        unpanicked(|| work(database)).map_err(|trouble| (trouble, open.generation))
    }

    fn opened(&self) -> RwLockReadGuard<'_, Open> {
        self.open.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the database again, unless somebody has since `generation`; for reading alone if the disk takes
    /// nothing. Waits for the work that goes on in the old one.
    fn open_again(&self, generation: u64) {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if open.generation != generation {
            return;
        }
        open.generation += 1;
        let old = open.database.take();
        // It may be in a state in which even closing it panics.
        let _ = unpanicked(|| Ok(drop(old)));
        open.access = Access::Write;
        let opened = unpanicked(|| (self.opener)(Access::Write)).or_else(|trouble| {
            self.changes.begins(&trouble);
            open.access = Access::Read;
            unpanicked(|| (self.opener)(Access::Read))
        });
        match opened {
            Ok(database) => open.database = Some(database),
            Err(trouble) => self.reads.begins(&trouble),
        }
    }
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
