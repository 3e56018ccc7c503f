//! A disk for tests: it can be full, read-only, slow, broken, and lose its power, as real ones do.
//!
//! Writes go to a cache; a sync brings them to the plates. A sync that fails brings some of them there and
//! forgets the rest, which the cache still shows: what Linux does. Losing the power leaves what is on the
//! plates and some of what was not synced, sector by sector.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use redb::{Builder, StorageBackend};

use super::Embedded;
use super::handle::{Access, Handle};
use super::overlay::Overlay;
use super::tables;
use super::trouble::Trouble;
use crate::Limits;

#[derive(Debug, Default)]
pub(super) struct Disk {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
pub(super) struct State {
    cache: Vec<u8>,
    plates: Vec<u8>,
    /// Sectors of the cache that are not on the plates.
    dirty: BTreeSet<usize>,
    /// Pages that have a place on the disk.
    placed: BTreeSet<usize>,
    /// Pages that may have one.
    pub(super) room: usize,
    /// Opening for writing fails, and writing too.
    pub(super) is_read_only: bool,
    /// Everything fails: the process is dead, and only its threads do not know it yet.
    pub(super) is_dead: bool,
    /// The next write panics.
    pub(super) panics: bool,
    /// So many syncs from now one fails; 0: none.
    pub(super) fails_sync_in: u64,
    /// The next read fails.
    pub(super) fails_read: bool,
    /// Syncs wait while it is closed.
    is_closed: bool,
    waiting_syncs: usize,
    pub(super) opened: usize,
    random: u64,
}

impl Default for State {
    fn default() -> State {
        State {
            cache: Vec::new(),
            plates: Vec::new(),
            dirty: BTreeSet::new(),
            placed: BTreeSet::new(),
            room: usize::MAX,
            is_read_only: false,
            is_dead: false,
            panics: false,
            fails_sync_in: 0,
            fails_read: false,
            is_closed: false,
            waiting_syncs: 0,
            opened: 0,
            random: 1,
        }
    }
}

impl Disk {
    /// An empty store's disk.
    pub(super) fn new(seed: u64) -> Arc<Disk> {
        let disk = Arc::new(Disk::default());
        disk.state().random = seed * 2 + 1;
        let database = Builder::new().create_with_backend(Platter(Arc::clone(&disk))).unwrap();
        let mut transaction = database.begin_write().unwrap();
        transaction.set_quick_repair(true);
        tables::make(&transaction).unwrap();
        transaction.commit().unwrap();
        database.close().unwrap();
        disk
    }

    pub(super) fn store(self: &Arc<Disk>, limits: Limits) -> Embedded {
        let disk = Arc::clone(self);
        let cache = limits.cache;
        let opener = move |access| disk.open(access, cache);
        let handle = Handle::open(Box::new(opener)).unwrap();
        let newest = handle.read(|transaction| tables::newest_changes(transaction, &limits)).unwrap();
        Embedded::over(handle, newest, limits, None).unwrap()
    }

    fn open(self: &Arc<Disk>, access: Access, cache: usize) -> Result<redb::Database, Trouble> {
        self.state().opened += 1;
        let mut builder = Builder::new();
        builder.set_cache_size(cache);
        let platter = Platter(Arc::clone(self));
        match access {
            Access::Read => Ok(builder.create_with_backend(Overlay::new(platter)?)?),
            Access::Write if self.state().is_read_only => {
                Err(io::Error::from(io::ErrorKind::ReadOnlyFilesystem).into())
            }
            Access::Write => Ok(builder.create_with_backend(platter)?),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A write that panics by order poisons it.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// No room beyond what is used now and so many pages.
    pub(super) fn fill_up_but_for(&self, pages: usize) {
        let mut state = self.state();
        state.room = state.placed.len() + pages;
    }

    /// Syncs wait from now on.
    pub(super) fn close_gate(&self) {
        self.state().is_closed = true;
    }

    pub(super) fn open_gate(&self) {
        self.state().is_closed = false;
        self.changed.notify_all();
    }

    /// Waits until a sync waits at the gate.
    pub(super) fn wait_for_sync(&self) {
        let mut state = self.state();
        while state.waiting_syncs == 0 {
            state = self.changed.wait(state).unwrap();
        }
    }

    /// The process ends at once, then the machine. What runs meanwhile fails; `end` is to end it.
    pub(super) fn lose_power(&self, end: impl FnOnce()) {
        self.state().is_dead = true;
        end();
        let mut state = self.state();
        let state = &mut *state;
        for sector in std::mem::take(&mut state.dirty) {
            if state.flip() {
                state.bring(sector);
            }
        }
        state.cache.clone_from(&state.plates);
        state.is_dead = false;
        state.fails_sync_in = 0;
    }
}

impl State {
    fn flip(&mut self) -> bool {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random & 0x100 != 0
    }

    /// A number below `most`.
    pub(super) fn below(&mut self, most: u64) -> u64 {
        self.flip();
        (self.random >> 16) % most
    }

    fn bring(&mut self, sector: usize) {
        let end = ((sector + 1) * SECTOR).min(self.cache.len());
        let begin = (sector * SECTOR).min(end);
        self.plates.resize(self.plates.len().max(end), 0);
        self.plates[begin..end].copy_from_slice(&self.cache[begin..end]);
    }

    fn alive(&self) -> io::Result<()> {
        if self.is_dead { Err(io::Error::other("the process is dead")) } else { Ok(()) }
    }

    fn place(&mut self, offset: usize, length: usize) -> io::Result<()> {
        for page in offset / PAGE..(offset + length).div_ceil(PAGE) {
            if !self.placed.contains(&page) && self.placed.len() >= self.room {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.placed.insert(page);
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.alive()?;
        let fails = self.fails_sync_in == 1;
        self.fails_sync_in = self.fails_sync_in.saturating_sub(1);
        if !fails {
            self.plates.resize(self.cache.len(), 0);
        }
        for sector in std::mem::take(&mut self.dirty) {
            if !fails || self.flip() {
                self.bring(sector);
            }
        }
        if fails { Err(io::Error::other("as the test wishes")) } else { Ok(()) }
    }
}

/// What redb gets.
#[derive(Debug)]
struct Platter(Arc<Disk>);

impl StorageBackend for Platter {
    fn len(&self) -> io::Result<u64> {
        let state = self.0.state();
        state.alive()?;
        Ok(state.cache.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.0.state();
        state.alive()?;
        if std::mem::take(&mut state.fails_read) {
            return Err(io::Error::other("as the test wishes"));
        }
        let found = state.cache.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.0.state();
        state.alive()?;
        state.cache.resize(length as usize, 0);
        // Shorter is shorter on the plates as well, and longer again is zeros.
        state.plates.truncate(length as usize);
        state.placed.retain(|page| page * PAGE < length as usize);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.0.state();
        state.waiting_syncs += 1;
        self.0.changed.notify_all();
        while state.is_closed {
            state = self.0.changed.wait(state).unwrap();
        }
        state.waiting_syncs -= 1;
        state.sync()
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let (mut state, offset) = (self.0.state(), offset as usize);
        state.alive()?;
        assert!(!std::mem::take(&mut state.panics), "as the test wishes");
        if state.is_read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        state.place(offset, bytes.len())?;
        state.cache[offset..offset + bytes.len()].copy_from_slice(bytes);
        state.dirty.extend(offset / SECTOR..(offset + bytes.len()).div_ceil(SECTOR));
        Ok(())
    }
}

const SECTOR: usize = 512;
const PAGE: usize = 4096;
