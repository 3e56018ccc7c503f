//! The system's file events, as a reason to look. They may be late, lost or had on no terms at all: whoever looks
//! every second anyway misses nothing.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::Wake;
use crate::beside::{folder_of, is_beside};

/// Watches the folders, for a rename is seen there and not at the file.
pub(crate) struct Watch {
    watcher: Option<RecommendedWatcher>,
    folders: Vec<Folder>,
    has_complained: bool,
}

struct Folder {
    path: PathBuf,
    /// Which folder of this name is watched; `None`: none yet.
    watched: Option<Number>,
}

/// What tells a folder from the one that was there before.
type Number = u64;

impl Watch {
    /// Wakes `wakes` when something happens to `trusted` or one of the `others`.
    pub(crate) fn new(trusted: &Path, others: &[PathBuf], wakes: Sender<Wake>) -> Watch {
        let files = others.iter().map(PathBuf::as_path).chain([trusted]);
        // A link's own folder, and that of the file which it leads to: there the file is replaced.
        let real = |path: &Path| path.canonicalize().ok().map(|real| folder_of(&real).to_owned());
        let folders: BTreeSet<PathBuf> =
            files.flat_map(|path| [Some(folder_of(path).to_owned()), real(path)]).flatten().collect();
        let folders = folders.into_iter().map(|path| Folder { path, watched: None });
        let followed = Followed::new(trusted, others);
        let told = move |event: notify::Result<Event>| {
            // Its receiver is gone when the server is.
            let _ = followed.wake(event).is_some_and(|wake| wakes.send(wake).is_ok());
        };
        let mut watch = Watch { watcher: None, folders: folders.collect(), has_complained: false };
        match notify::recommended_watcher(told) {
            Ok(watcher) => watch.watcher = Some(watcher),
            Err(error) => watch.complain(&error),
        }
        watch.renew();
        watch
    }

    /// Watches what is not watched: a folder may come late, or another take its place.
    pub(crate) fn renew(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        let mut failed = None;
        for folder in &mut self.folders {
            let number = number(&folder.path);
            if number.is_none() || number == folder.watched {
                continue;
            }
            // Of the folder that is gone, the system may have ended the watch by itself.
            let _ = folder.watched.take().is_some_and(|_| watcher.unwatch(&folder.path).is_ok());
            match watcher.watch(&folder.path, RecursiveMode::NonRecursive) {
                Ok(()) => folder.watched = number,
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            self.complain(&error);
        }
    }

    fn complain(&mut self, error: &notify::Error) {
        if !self.has_complained {
            tracing::warn!(%error, "no file events: changes are seen by a look every second");
            self.has_complained = true;
        }
    }
}

/// Which events are a reason to look.
struct Followed {
    trusted: PathBuf,
    names: Vec<OsString>,
}

impl Followed {
    fn new(trusted: &Path, others: &[PathBuf]) -> Self {
        let files = others.iter().map(PathBuf::as_path).chain([trusted]);
        let names = files.filter_map(Path::file_name).map(ToOwned::to_owned).collect();
        Followed { trusted: trusted.to_owned(), names }
    }

    /// By name alone: some systems tell another path of the same folder.
    fn wake(&self, event: notify::Result<Event>) -> Option<Wake> {
        let Ok(event) = event else { return Some(Wake::Look) };
        let news = match event.kind {
            // What is renamed away brings nothing: another file may stand here by now, half written.
            EventKind::Modify(ModifyKind::Name(RenameMode::From)) => News::CameOrWent,
            EventKind::Modify(ModifyKind::Name(_)) => News::Renamed,
            EventKind::Create(_) | EventKind::Remove(_) => News::CameOrWent,
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => News::Written,
            // Our own looks are such events: to follow them would never end.
            EventKind::Access(_) => return None,
            _ => News::Written,
        };
        let last = event.paths.last().and_then(|path| path.file_name());
        let Some(name) = last else { return Some(Wake::Look) };
        if news == News::Renamed && Some(name) == self.trusted.file_name() {
            return Some(Wake::Renamed);
        }
        let is_followed = self.names.iter().any(|followed| followed == name);
        // Of other files only what comes and goes counts, for it may be what a link leads through. A store in the
        // same folder is written all the time.
        let may_be_a_link = news != News::Written && !is_beside(&self.trusted, name);
        (is_followed || may_be_a_link).then_some(Wake::Look)
    }
}

/// What an event says of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum News {
    Renamed,
    CameOrWent,
    Written,
}

#[cfg(unix)]
fn number(folder: &Path) -> Option<Number> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(folder).ok().map(|metadata| metadata.ino())
}

/// Elsewhere a folder that is watched cannot be put away.
#[cfg(not(unix))]
fn number(folder: &Path) -> Option<Number> {
    folder.exists().then_some(0)
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, DataChange, Flag, RemoveKind};

    use super::*;

    #[test]
    fn our_own_looks_and_a_store_beside_it_are_no_reason_to_look() {
        let followed = Followed::new("/f/trusted".as_ref(), &["/k/server.key".into()]);
        let wake = |kind, path: &str| followed.wake(Ok(Event::new(kind).add_path(path.into())));
        let written = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let renamed = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        let went = EventKind::Modify(ModifyKind::Name(RenameMode::From));
        let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let opened = EventKind::Access(AccessKind::Open(AccessMode::Any));
        let created = EventKind::Create(CreateKind::File);
        let cases = [
            (renamed, "/f/trusted", Some(Wake::Renamed)),
            (went, "/f/trusted", Some(Wake::Look)),
            (written, "/private/f/trusted", Some(Wake::Look)),
            (closed, "/f/trusted", Some(Wake::Look)),
            (EventKind::Remove(RemoveKind::File), "/f/trusted", Some(Wake::Look)),
            (opened, "/f/trusted", None),
            (renamed, "/k/server.key", Some(Wake::Look)),
            (renamed, "/f/..data", Some(Wake::Look)),
            (written, "/f/documents.redb", None),
            (closed, "/f/documents.redb", None),
            (created, "/f/trusted.status.new", None),
            (renamed, "/f/trusted.pending", None),
        ];
        for (kind, path, wanted) in cases {
            assert_eq!(wake(kind, path), wanted, "{kind:?} {path}");
        }
        let lost = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        assert_eq!(followed.wake(Ok(lost)), Some(Wake::Look));
        assert_eq!(followed.wake(Err(notify::Error::generic("x"))), Some(Wake::Look));
    }
}
