//! One change of a trust file: alone among all programs that change files there, at once and whole. What is
//! remembered of pins that were taken out is changed under the same lock.

use std::fs::File;
use std::path::Path;

use pinwire_server::beside::{self, BesideError, Gone, How, Removed};
use pinwire_server::proto::trust::{EditError, Pin, Sha1, TrustList};

use super::PREAMBLE;
use crate::exit::{Exit, Failure};
use crate::files::{self, Readers};
use crate::identity::now_unix;

/// The file as it is until this is dropped.
pub(super) struct Editing<'f> {
    file: &'f Path,
    before: Option<String>,
    _lock: File,
}

impl<'f> Editing<'f> {
    /// Waits for others who change it.
    pub(super) fn begin(file: &'f Path) -> Result<Self, Failure> {
        let lock = files::lock_beside(file)?;
        let before = files::read_text(file)?;
        Ok(Editing { file, before, _lock: lock })
    }

    /// What the file holds; of one that is not there, what it will begin with.
    pub(super) fn text(&self) -> &str {
        self.before.as_deref().unwrap_or(PREAMBLE)
    }

    pub(super) fn list(&self) -> Result<TrustList, Failure> {
        let list = TrustList::parse(self.text().as_bytes(), Sha1::Accept);
        list.map_err(|errors| self.blame(&EditError::Broken(errors)))
    }

    /// Puts the file's name before the error.
    pub(super) fn blame(&self, error: &EditError) -> Failure {
        Failure::file(self.file, error)
    }

    pub(super) fn write(&self, after: &str) -> Result<(), Failure> {
        match self.before {
            Some(_) => files::replace(self.file, after.as_bytes()),
            None => files::create(self.file, after.as_bytes(), Readers::All),
        }
    }

    /// What is known of pins that were taken out or turned away.
    pub(super) fn removed(&self) -> Result<Removed, Failure> {
        beside::read_removed(self.file).map_err(|error| failed(&error))
    }

    /// Remembers that `pin` was taken out or turned away just now.
    pub(super) fn note(&self, pin: Pin, name: Option<String>, how: How) -> Result<(), Failure> {
        let mut removed = self.removed()?;
        removed.note(Gone { pin, name, at: now_unix(), how });
        beside::write_removed(self.file, &removed).map_err(|error| failed(&error))
    }

    /// A pin that is let in again was not taken out. Gives what was known of it.
    pub(super) fn forget(&self, pin: &Pin) -> Result<Option<Gone>, Failure> {
        let mut removed = self.removed()?;
        let known = removed.find(pin).cloned();
        if known.is_some() {
            removed.removed.retain(|gone| gone.pin != *pin);
            beside::write_removed(self.file, &removed).map_err(|error| failed(&error))?;
        }
        Ok(known)
    }
}

pub(super) fn failed(error: &BesideError) -> Failure {
    Failure::new(Exit::Failed, error.to_string())
}
