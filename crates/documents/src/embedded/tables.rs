//! What is in the file: two tables, changed together. Knows nothing of threads, queues or files.
//!
//! `documents` holds what is there, `changes` what was done, newest last. A version is a change's key: the
//! next one is the newest's and one, and the newest is never trimmed, so that versions never fall back.

use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable as _, Table, TableDefinition, TableHandle as _, WriteTransaction};

use super::shelf;
use super::trouble::{Kind, Trouble};
use crate::changes::History;
use crate::{Change, Document, Limits, Listing, Page, StoreError, Version};

/// id → version, body.
pub(super) const DOCUMENTS: TableDefinition<'static, &str, (u64, &[u8])> = TableDefinition::new("documents");

/// version → the total of this and all earlier changes' bytes, kind, id, body (a delete's is empty).
///
/// With the total the bytes of the changes that are kept are known from the first and the last of them.
pub(super) const CHANGES: TableDefinition<'static, u64, (u64, u8, &str, &[u8])> =
    TableDefinition::new("changes");

/// The kinds of a change.
pub(super) const PUT: u8 = 1;
pub(super) const DELETE: u8 = 2;

/// A change that somebody asks for.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) id: Arc<str>,
    /// None: the document is to go.
    pub(super) body: Option<Arc<[u8]>>,
    pub(super) expected: Option<Version>,
}

impl Wish {
    pub(super) fn bytes(&self) -> usize {
        self.id.len() + self.body.as_ref().map_or(0, |body| body.len())
    }
}

/// Both tables, within one transaction.
pub(super) struct Tables<'t> {
    documents: Table<'t, &'static str, (u64, &'static [u8])>,
    changes: Table<'t, u64, (u64, u8, &'static str, &'static [u8])>,
    newest: Version,
    /// The newest change's total.
    total: u64,
}

impl<'t> Tables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Tables<'t>, Trouble> {
        let documents = transaction.open_table(DOCUMENTS)?;
        let changes = transaction.open_table(CHANGES)?;
        let last = changes.last()?.map(|(version, change)| (version.value(), change.value().0));
        let (newest, total) = last.unwrap_or_default();
        Ok(Tables { documents, changes, newest, total })
    }

    /// Makes one change, unless what is there forbids it.
    pub(super) fn change(&mut self, wish: &Wish) -> Result<Result<Version, StoreError>, Trouble> {
        let current = self.documents.get(&*wish.id)?.map_or(0, |found| found.value().0);
        if let Err(conflict) = StoreError::unless_expected(wish.expected, current) {
            return Ok(Err(conflict));
        }
        if wish.body.is_none() && current == 0 {
            return Ok(Err(StoreError::NotFound));
        }
        let version = self
            .newest
            .checked_add(1)
            .ok_or_else(|| Trouble::new(Kind::Damage, "its versions are used up"))?;
        let total = self.total.saturating_add(wish.bytes() as u64);
        match &wish.body {
            Some(body) => {
                self.documents.insert(&*wish.id, (version, &**body))?;
                self.changes.insert(version, (total, PUT, &*wish.id, &**body))?;
            }
            None => {
                self.documents.remove(&*wish.id)?;
                self.changes.insert(version, (total, DELETE, &*wish.id, &[][..]))?;
            }
        }
        (self.newest, self.total) = (version, total);
        Ok(Ok(version))
    }

    /// Takes out the oldest changes that are too many or too much, at most `Limits::trim` of them.
    pub(super) fn trim(&mut self, limits: &Limits) -> Result<(), Trouble> {
        for _ in 0..limits.trim {
            let Some((oldest, before)) = self.oldest()? else { break };
            // Versions have no gaps: every change takes the next, and only the oldest go.
            let is_long = self.newest - oldest >= limits.history.max(1);
            let is_heavy = self.total.saturating_sub(before) > limits.history_bytes;
            if oldest == self.newest || !(is_long || is_heavy) {
                break;
            }
            self.changes.remove(oldest)?;
        }
        Ok(())
    }

    /// The oldest change's version, and the total before it.
    fn oldest(&self) -> Result<Option<(Version, u64)>, Trouble> {
        let first = self.changes.first()?;
        Ok(first.map(|(version, change)| {
            let (total, _, id, body) = change.value();
            (version.value(), total.saturating_sub((id.len() + body.len()) as u64))
        }))
    }
}

/// The document of this id.
pub(super) fn get(transaction: &ReadTransaction, id: &str) -> Result<Option<Document>, Trouble> {
    let found = transaction.open_table(DOCUMENTS)?.get(id)?;
    Ok(found.map(|found| {
        let (version, body) = found.value();
        Document { version, body: body.into() }
    }))
}

/// The ids of a listing; the page ends early behind `most_bytes` of bodies.
pub(super) fn list(
    transaction: &ReadTransaction,
    listing: &Listing<'_>,
    most_bytes: usize,
) -> Result<Page, Trouble> {
    let documents = transaction.open_table(DOCUMENTS)?;
    let (mut page, mut passed) = (Page::default(), 0);
    for document in documents.range::<&str>((listing.begin(), std::ops::Bound::Unbounded))? {
        let (id, found) = document?;
        if !id.value().starts_with(listing.prefix) {
            break;
        }
        page.more = page.ids.len() == listing.at_most || passed > most_bytes;
        if page.more {
            break;
        }
        passed += found.value().1.len();
        page.ids.push(id.value().into());
    }
    Ok(page)
}

/// The changes from the first behind `after` to `up_to`, or some of them, or [`StoreError::HistoryGone`].
pub(super) fn changes(
    transaction: &ReadTransaction,
    after: Version,
    up_to: Version,
) -> Result<Result<History, StoreError>, Trouble> {
    let changes = transaction.open_table(CHANGES)?;
    let oldest = changes.first()?.map_or(up_to, |(version, _)| version.value());
    if oldest > after + 1 {
        return Ok(Err(StoreError::HistoryGone { oldest }));
    }
    let mut read = History::new(u64::MAX, u64::MAX);
    for (entry, expected) in changes.range(after + 1..=up_to)?.zip(after + 1..).take(STRETCH) {
        let (version, found) = entry?;
        if version.value() != expected || read.bytes() >= STRETCH_BYTES {
            break;
        }
        read.push(change(version.value(), found.value()));
    }
    match read.newest() {
        Some(_) => Ok(Ok(read)),
        None => Err(Trouble::new(Kind::Damage, &format!("the change {} is missing", after + 1))),
    }
}

/// Fills `history` with the newest changes.
pub(super) fn newest_changes(transaction: &ReadTransaction, limits: &Limits) -> Result<History, Trouble> {
    let (mut newest, mut bytes) = (Vec::new(), 0);
    let mut history = shelf::recent(limits);
    for entry in transaction.open_table(CHANGES)?.iter()?.rev() {
        let (version, found) = entry?;
        newest.push(change(version.value(), found.value()));
        bytes += newest.last().map_or(0, Change::bytes);
        if newest.len() as u64 >= limits.recent || bytes as u64 >= limits.recent_bytes {
            break;
        }
    }
    newest.into_iter().rev().for_each(|change| drop(history.push(change)));
    Ok(history)
}

/// The newest change's version; 0: there was none yet.
pub(super) fn newest(transaction: &ReadTransaction) -> Result<Version, Trouble> {
    Ok(transaction.open_table(CHANGES)?.last()?.map_or(0, |(version, _)| version.value()))
}

fn change(version: Version, (_, kind, id, body): (u64, u8, &str, &[u8])) -> Change {
    Change { version, id: id.into(), body: (kind != DELETE).then(|| body.into()) }
}

/// Changes that are read at once for whoever is behind, until they have so many bytes: one more large body at most.
/// To wake a reader costs as much as to read about ten small ones from the cache.
pub(super) const STRETCH: usize = 256;
const STRETCH_BYTES: u64 = 64 * 1024;

/// Whether this is a store's file: its tables, and no others; another program's, or a newer pinwire's, has
/// others.
pub(super) fn check(transaction: &ReadTransaction) -> Result<(), Trouble> {
    let mut names: Vec<_> = transaction.list_tables()?.map(|table| table.name().to_owned()).collect();
    names.sort_unstable();
    if names != [CHANGES.name(), DOCUMENTS.name()] || transaction.list_multimap_tables()?.next().is_some() {
        return Err(Trouble::new(Kind::Foreign, &format!("it holds other tables ({})", names.join(", "))));
    }
    let documents = transaction.open_table(DOCUMENTS)?.first()?.map(|(_, document)| document.value().0);
    let newest = transaction.open_table(CHANGES)?.last()?.map(|(version, _)| version.value());
    // Versions would begin at 1 again.
    match documents > newest {
        true => Err(Trouble::new(Kind::Damage, "it holds a document that is newer than all changes")),
        false => Ok(()),
    }
}

/// Makes both tables.
pub(super) fn make(transaction: &WriteTransaction) -> Result<(), Trouble> {
    transaction.open_table(DOCUMENTS)?;
    transaction.open_table(CHANGES)?;
    Ok(())
}
