//! Where `serve` keeps the documents: in a file, or in memory.

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use pinwire_documents::{Embedded, Limits, Memory, Store};

use crate::exit::{Exit, Failure};
use crate::home::Home;

/// What may be said of the store.
#[derive(Args, Debug)]
pub(crate) struct StoreArgs {
    /// The file of the documents, or "memory": they are gone when the server ends [default: documents.redb in
    /// the home folder]
    #[arg(long, value_name = "FILE|memory")]
    store: Option<PathBuf>,
    /// How many changes are kept in the file after they were made [default: 100000]
    #[arg(long, value_name = "CHANGES", value_parser = changes)]
    history: Option<u64>,
    /// Memory for parts of the file, in MiB [default: 64]
    #[arg(long, value_name = "MIB", value_parser = RangedU64ValueParser::<usize>::new().range(1..=MOST_CACHE))]
    cache: Option<usize>,
}

fn changes(text: &str) -> Result<u64, String> {
    text.parse()
        .ok()
        .filter(|changes| *changes > 0)
        .ok_or_else(|| "a number of changes, 1 at least".to_owned())
}

/// A store, and where it is.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) place: String,
}

impl Opened {
    /// Closes it: what waits is written first. A disk that hangs is not waited for, since a server that is to
    /// end has to: all that was answered OK is on disk already.
    pub(crate) fn close(self) -> Result<(), Failure> {
        if is_dropped_within(CLOSING, self.store) {
            return Ok(());
        }
        let text = format!(
            "{}: the disk did not let it be closed in {} s; it is as after a crash: what was answered OK is there",
            self.place,
            CLOSING.as_secs()
        );
        Err(Failure::new(Exit::Failed, text))
    }
}

/// Drops it on a thread of its own, and says whether that was done in time.
fn is_dropped_within(patience: Duration, what: impl Send + 'static) -> bool {
    let (done, is_done) = mpsc::channel::<()>();
    let dropping = move || {
        drop(what);
        drop(done);
    };
    match thread::Builder::new().name("documents-closing".to_owned()).spawn(dropping) {
        Ok(_) => is_done.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Disconnected),
        // Unspawned, it was dropped here.
        Err(_) => true,
    }
}

impl StoreArgs {
    /// Opens the store, and makes it if it is not there.
    pub(crate) fn open(&self, home: &Home) -> Result<Opened, Failure> {
        match &self.store {
            Some(store) if store.as_os_str() == "memory" => self.memory(),
            Some(path) => self.embedded(path),
            None => self.embedded(&home.documents()),
        }
    }

    fn memory(&self) -> Result<Opened, Failure> {
        if self.history.is_some() || self.cache.is_some() {
            return Err(Failure::usage(
                "--history and --cache are for a store in a file, not for --store memory",
            ));
        }
        let place = "memory: they are gone when the server ends".to_owned();
        Ok(Opened { store: Arc::new(Memory::new()), place })
    }

    fn embedded(&self, path: &Path) -> Result<Opened, Failure> {
        let mut limits = Limits::default();
        limits.history = self.history.unwrap_or(limits.history);
        limits.cache = self.cache.map_or(limits.cache, |mib| mib.saturating_mul(1024 * 1024));
        let store =
            Embedded::open(path, limits).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        Ok(Opened { store: Arc::new(store), place: path.display().to_string() })
    }
}

/// A terabyte, in MiB.
const MOST_CACHE: u64 = 1024 * 1024;

/// Nobody waits for an answer any more when a store is closed: a commit at most is under way.
const CLOSING: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    /// As a store is on a disk that hangs: closing it waits.
    struct Hangs(mpsc::Receiver<()>);

    impl Drop for Hangs {
        fn drop(&mut self) {
            let _ = self.0.recv();
        }
    }

    #[test]
    fn a_store_that_hangs_is_not_waited_for() {
        let (hold, held) = mpsc::channel();
        assert!(!is_dropped_within(Duration::from_millis(10), Hangs(held)));
        drop(hold);
        assert!(is_dropped_within(Duration::from_secs(60), "memory"));
    }
}
