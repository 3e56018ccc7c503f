//! Where `serve` keeps the documents: in a file, or in memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

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
    #[arg(long, value_name = "CHANGES", value_parser = RangedU64ValueParser::<u64>::new().range(1..))]
    history: Option<u64>,
    /// Memory for parts of the file, in MiB [default: 64]
    #[arg(long, value_name = "MIB", value_parser = RangedU64ValueParser::<usize>::new().range(1..=MOST_CACHE))]
    cache: Option<usize>,
}

/// A store, and where it is.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) place: String,
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
        limits.cache = self.cache.map_or(limits.cache, |mib| mib * 1024 * 1024);
        let store =
            Embedded::open(path, limits).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        Ok(Opened { store: Arc::new(store), place: path.display().to_string() })
    }
}

/// A terabyte, in MiB.
const MOST_CACHE: u64 = 1024 * 1024;
