//! A running server follows its trust file, and its certificate and key: one thread that looks at them when the
//! system tells of a change, every second anyway, and at SIGHUP. It decides nothing about anybody: workers judge.

mod followed;
mod identity_files;
mod keep;
mod look;
mod settle;
mod trust_file;
mod watch;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{self, Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use crate::beside::Status;
use crate::server::{Shown, Stopper, Trust};
use crate::stats::Versions;
use followed::{FollowedIdentity, FollowedTrust};
use keep::Keeper;
use watch::Watch;

pub use identity_files::{IdentityFiles, IdentityFilesError};
pub(crate) use keep::PendingSource;
pub use trust_file::{TrustFile, TrustFileError};

/// What the follower has of its server.
pub(crate) struct Parts {
    pub(crate) trust: Trust,
    pub(crate) shown: Shown,
    pub(crate) listening: SocketAddr,
    pub(crate) versions: Arc<Versions>,
    pub(crate) pending: Arc<dyn PendingSource>,
    pub(crate) stopper: Stopper,
}

/// A thread that follows; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Following {
    wakes: Sender<Wake>,
    thread: Option<JoinHandle<()>>,
}

/// Makes a follower look at once, from any thread.
#[derive(Clone, Debug)]
pub(crate) struct Looker(Sender<Wake>);

/// Why the follower looks before its second is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    Look,
    /// A file was renamed to the trust file's name.
    Renamed,
    End,
}

impl Following {
    pub(crate) fn start(
        parts: Parts,
        trust: TrustFile,
        identity: Option<IdentityFiles>,
    ) -> io::Result<Following> {
        let (trust, identity) = (trust.absolute(), identity.map(IdentityFiles::absolute));
        let (wakes, woken) = mpsc::channel();
        let others: Vec<PathBuf> = identity.iter().flat_map(IdentityFiles::paths).cloned().collect();
        let watch = Watch::new(trust.path(), &others, wakes.clone());
        let follower = Follower::new(parts, trust, identity, watch);
        let work = move || follower.run(&woken);
        let thread = thread::Builder::new().name("pinwire-follow".to_owned()).spawn(work)?;
        Ok(Following { wakes, thread: Some(thread) })
    }

    pub(crate) fn looker(&self) -> Looker {
        Looker(self.wakes.clone())
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.wakes.send(Wake::End);
        // If it panicked, it has said so and stopped the server.
        let _ = self.thread.take().is_some_and(|thread| thread.join().is_err());
    }
}

impl Looker {
    #[cfg_attr(not(unix), expect(dead_code, reason = "SIGHUP is Unix's"))]
    pub(crate) fn look(&self) {
        // A follower that has ended looks no more.
        let _ = self.0.send(Wake::Look);
    }
}

/// The thread's own.
struct Follower {
    trust: FollowedTrust,
    identity: Option<FollowedIdentity>,
    watch: Watch,
    keeper: Keeper,
    listening: SocketAddr,
    started: i64,
    /// A server whose list follows no file any more would look alive.
    stopper: Stopper,
}

impl Follower {
    fn new(parts: Parts, trust: TrustFile, identity: Option<IdentityFiles>, watch: Watch) -> Self {
        let Parts { trust: list, shown, listening, versions, pending, stopper } = parts;
        let started = now_unix();
        let keeper = Keeper::new(trust.path().to_owned(), pending);
        let identity =
            identity.map(|files| FollowedIdentity::new(files, shown, Arc::clone(&versions), started));
        let trust = FollowedTrust::new(trust, list, versions, started);
        Follower { trust, identity, watch, keeper, listening, started, stopper }
    }

    fn run(mut self, woken: &Receiver<Wake>) {
        let _stops = StopsInPanic(self.stopper.clone());
        let mut was_renamed = false;
        loop {
            let next = self.turn(was_renamed);
            let wait = next.saturating_duration_since(Instant::now());
            // An editor's save is several events: one look sees what all of them did.
            let first = woken.recv_timeout(wait).ok();
            let wakes = || first.into_iter().chain(woken.try_iter());
            was_renamed = false;
            for wake in wakes() {
                match wake {
                    Wake::Look => {}
                    Wake::Renamed => was_renamed = true,
                    Wake::End => {
                        let status = self.status();
                        return self.keeper.end(Instant::now(), status);
                    }
                }
            }
        }
    }

    /// Looks at everything once. Gives the moment of the next look.
    fn turn(&mut self, was_renamed: bool) -> Instant {
        let began = Instant::now();
        self.watch.renew();
        let trust = self.trust.turn(was_renamed);
        let identity = self.identity.as_mut().and_then(FollowedIdentity::turn);
        let status = self.status();
        let keeper = self.keeper.turn(Instant::now(), status);
        [trust, identity, keeper].into_iter().flatten().fold(began + EVERY, Instant::min)
    }

    fn status(&self) -> Status {
        Status {
            pid: process::id(),
            listening: self.listening,
            started: self.started,
            trust: self.trust.status(),
            identity: self.identity.as_ref().and_then(FollowedIdentity::status),
        }
    }
}

struct StopsInPanic(Stopper);

impl Drop for StopsInPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            tracing::error!("the thread that follows the trust file panicked: the server stops");
            self.0.stop();
        }
    }
}

/// The same file, should this process go to another folder. Only an empty path has none, and no file either.
fn absolute(path: &Path) -> PathBuf {
    path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Ten of them, each of a length that can be read, and how many more there are.
fn words<E: fmt::Display>(errors: impl ExactSizeIterator<Item = E>) -> Vec<String> {
    let more = errors.len().saturating_sub(ERRORS);
    let mut words: Vec<String> =
        errors.take(ERRORS).map(|error| error.to_string().chars().take(LONGEST).collect()).collect();
    if more > 0 {
        words.push(format!("and {more} more"));
    }
    words
}

fn now_unix() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// How often it looks without being told to: with the time that a version takes to settle, within a second.
const EVERY: Duration = Duration::from_millis(700);

/// Errors of one version that are said: enough to see what happened, few enough for a log.
const ERRORS: usize = 10;

/// Characters of an error: some quote what they found, which may be a line of megabytes.
const LONGEST: usize = 300;

#[cfg(test)]
mod settle_tests;
#[cfg(test)]
mod tests;
