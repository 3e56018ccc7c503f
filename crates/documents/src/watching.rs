//! WATCH: tells a client each change of the store, at the client's own pace. Keeps none for it: what the client
//! does not take stays in the store's history.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use pinwire_server::{Answered, Code, Command, Reply, Responder};
use tokio::sync::watch;

use crate::commands::failure;
use crate::parts::{Giver, Parts};
use crate::{Asked, Change, Changes, Store, StoreError, Version, Wanted, arguments};

/// Answers WATCH.
pub(crate) fn watch(store: &Arc<dyn Store>, command: &Command<'_>, to: Responder<'_>) -> Answered {
    let (prefix, from) = match arguments::watch(command) {
        Ok(arguments) => arguments,
        Err(wrong) => return to.error(Code::BadArguments, &wrong),
    };
    let newest = store.newest();
    let now = *newest.borrow();
    let after = match from {
        Some(from) if from > now.saturating_add(1) => return to.error(Code::BadArguments, &ahead(from, now)),
        // There is no version 0: from it is from the first.
        Some(from) => from.saturating_sub(1),
        None => now,
    };
    to.stream(parts(Arc::clone(store), prefix, newest, after))
}

/// What it answers: the changes behind `after`.
pub(crate) fn parts(
    store: Arc<dyn Store>,
    prefix: &str,
    newest: watch::Receiver<Version>,
    after: Version,
) -> Parts {
    let watcher = Watcher { store, prefix: prefix.into(), newest, after };
    Parts::of(|giver| watcher.run(giver))
}

struct Watcher {
    store: Arc<dyn Store>,
    prefix: Box<str>,
    newest: watch::Receiver<Version>,
    /// What the client was told, or is not to be told.
    after: Version,
}

impl Watcher {
    /// Tells all there is to tell, until it cannot.
    async fn run(mut self, giver: Giver) -> Reply {
        let Err(trouble) = self.tell(&giver).await;
        failure("", None, &trouble)
    }

    async fn tell(&mut self, giver: &Giver) -> Result<Infallible, StoreError> {
        // Before it says that it stands: what is wanted may be gone. Looked at again behind it: who does not read
        // keeps nothing meanwhile.
        self.look().await?;
        giver.give(stands(self.after)).await;
        let mut found = self.look().await?;
        let mut told = self.after;
        loop {
            for change in &found.changes {
                giver.give(part(change)).await;
                told = change.version;
            }
            // Nothing of it was for this client. If it comes back it need not ask for what is long gone.
            if found.up_to >= told.saturating_add(PASSED_OVER) {
                giver.give(stands(found.up_to)).await;
                told = found.up_to;
            }
            self.go_on_behind(&found).await?;
            found = self.look().await?;
        }
    }

    /// Returns once there is more.
    async fn go_on_behind(&mut self, found: &Changes) -> Result<(), StoreError> {
        let version = found.up_to;
        // What comes after this look at the newest version ends the wait below.
        let newest = *self.newest.borrow_and_update();
        if version >= newest {
            self.after = version;
            let ended = |_| StoreError::Broken("it will never change again".to_owned());
            return self.newest.changed().await.map_err(ended);
        }
        if found.changes.is_empty() {
            tokio::task::yield_now().await; // others have their turn while it looks through what is not for it
        }
        // A store that says that there is more and does not give it is not asked in a tight circle.
        if version <= self.after {
            pause().await;
        }
        self.after = version.max(self.after);
        Ok(())
    }

    /// What has come; a store that is overloaded is asked again.
    async fn look(&self) -> Result<Changes, StoreError> {
        loop {
            match self.ask().done().await {
                Err(StoreError::Overloaded) => pause().await,
                found => return found,
            }
        }
    }

    fn ask(&self) -> Asked<Changes> {
        let Watcher { after, prefix, .. } = self;
        self.store.changes(&Wanted { after: *after, prefix, at_most: AT_ONCE, most_bytes: AT_ONCE_BYTES })
    }
}

/// Each change behind this version will come: the first part, and one behind many changes that are others'.
fn stands(after: Version) -> Reply {
    Reply { status: Ok(()), headers: vec![("Version".to_owned(), after.to_string())], body: Vec::new() }
}

fn part(change: &Change) -> Reply {
    let kind = if change.body.is_some() { "put" } else { "delete" };
    let headers = vec![
        ("Id".to_owned(), change.id.to_string()),
        ("Version".to_owned(), change.version.to_string()),
        ("Change".to_owned(), kind.to_owned()),
    ];
    Reply { status: Ok(()), headers, body: change.body.as_deref().unwrap_or_default().to_vec() }
}

fn ahead(from: Version, newest: Version) -> String {
    format!("From: {from} is ahead of the store: its newest version is {newest}, From is at most one more")
}

/// Not all at once again.
async fn pause() {
    tokio::time::sleep(Duration::from_millis(fastrand::u64(PAUSE))).await;
}

/// Changes that a watcher takes from the store at once, and bytes of theirs, which are in memory until the client
/// takes them: a client may have a thousand watches. The store's answer costs less than to send one change.
const AT_ONCE: usize = 16;
const AT_ONCE_BYTES: usize = 4 * 1024;

/// Changes that are passed over before the client is told so: a hundredth of what a store keeps by default.
const PASSED_OVER: Version = 1_000;

/// Milliseconds: by then the store's readers have done most of the 4,096 reads that may wait for them.
const PAUSE: std::ops::Range<u64> = 20..60;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Memory;

    /// What a watch that waits costs besides its place in the connection: there may be ten thousand.
    #[test]
    fn a_watch_is_small() {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let newest = store.newest();
        let watcher = Watcher { store, prefix: "".into(), newest, after: 0 };
        let mut size = 0;
        let _parts = Parts::of(|giver| {
            let work = watcher.run(giver);
            size = size_of_val(&work);
            work
        });
        assert!(size <= 512, "{size}");
    }
}
