//! Decides, from what was seen of followed files, whether they are used, looked at again, or bad. Touches no file
//! and no clock, and does not know what the files hold: its caller says whether they are good.
//!
//! Half a file must not widen trust, and an editor that writes in place shows halves. So what is seen counts once
//! it was seen twice, [`SETTLE`] apart, unless it is certain that it came whole.

use std::fmt;
use std::time::{Duration, Instant};

/// What one look found of one file.
pub(crate) type Seen = Result<Content, Unusable>;

/// What `N` files held, or why they could not be used. It is told apart by this alone: a file that is touched, or
/// whose time goes backwards, is the same version.
pub(crate) type Version<const N: usize> = [Result<Vec<u8>, Unusable>; N];

/// A file that may be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) bytes: Vec<u8>,
    /// `None` where the system has no such numbers.
    pub(crate) stamp: Option<Stamp>,
    /// Whether the system told of a rename to this name since the last look.
    pub(crate) renamed: bool,
}

/// What tells a file from the one that was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) inode: u64,
    /// When its content was changed (mtime): seconds and nanoseconds.
    pub(crate) modified: (i64, i64),
    /// When anything of it was changed, its name too (ctime).
    pub(crate) changed: (i64, i64),
}

/// Why a file is not used, whatever it holds. `Display` goes behind the file's name and a colon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    Missing,
    NotAFile(&'static str),
    /// The system's words.
    Unreadable(String),
    /// Who else may write or read it, and what to do about it.
    Unsafe(String),
    TooLarge(u64),
}

/// What a look means. `T`: what the files hold; `E`: what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision<T, E> {
    /// Nothing that was not known.
    Nothing,
    /// Not settled yet: to be looked at again then.
    LookAgain(Instant),
    /// From now on this is used.
    Use(T),
    /// After a bad version, what is in use is there again.
    Mended,
    /// A bad version; what is in use stays. Told once.
    Bad(E),
}

/// What is known of `N` files that count together.
#[derive(Debug)]
pub(crate) struct Settling<const N: usize> {
    used: Option<Version<N>>,
    /// The bad version that is there now, and was told.
    bad: Option<Version<N>>,
    /// Seen, but not for long enough.
    waiting: Option<(Version<N>, Instant)>,
    /// Of the version that is used or bad.
    inodes: [Option<u64>; N],
}

impl<const N: usize> Settling<N> {
    pub(crate) fn new() -> Self {
        Settling { used: None, bad: None, waiting: None, inodes: [None; N] }
    }

    /// The files were looked at. `judge` says whether they are good, and is asked only when it matters.
    pub(crate) fn look<T, E>(
        &mut self,
        seen: [Seen; N],
        now: Instant,
        judge: impl FnOnce(&Version<N>) -> Result<T, E>,
    ) -> Decision<T, E> {
        let came_whole = seen.iter().zip(self.inodes).all(|(seen, last)| came_whole(seen, last));
        let inodes = seen.each_ref().map(inode);
        let version = seen.map(|seen| seen.map(|content| content.bytes));
        if self.bad.as_ref().or(self.used.as_ref()) == Some(&version) {
            (self.waiting, self.inodes) = (None, inodes);
            return Decision::Nothing;
        }
        if !came_whole && let Some(again) = self.wait(&version, now) {
            return Decision::LookAgain(again);
        }
        (self.waiting, self.inodes) = (None, inodes);
        self.settled(version, judge)
    }

    /// Until when it is still to be seen, if it was not seen for long enough.
    fn wait(&mut self, version: &Version<N>, now: Instant) -> Option<Instant> {
        match &self.waiting {
            Some((waiting, since)) if waiting == version => Some(*since + SETTLE).filter(|end| now < *end),
            _ => {
                self.waiting = Some((version.clone(), now));
                Some(now + SETTLE)
            }
        }
    }

    fn settled<T, E>(
        &mut self,
        version: Version<N>,
        judge: impl FnOnce(&Version<N>) -> Result<T, E>,
    ) -> Decision<T, E> {
        if self.used.as_ref() == Some(&version) {
            self.bad = None;
            return Decision::Mended;
        }
        match judge(&version) {
            Ok(good) => {
                self.bad = None;
                self.used = Some(version);
                Decision::Use(good)
            }
            Err(errors) => {
                self.bad = Some(version);
                Decision::Bad(errors)
            }
        }
    }
}

/// Whether a file came whole, by a rename: an event said so, another file is there than `last`, and it was not
/// written since (a rename changes ctime alone). When in doubt, it did not.
fn came_whole(seen: &Seen, last: Option<u64>) -> bool {
    let Ok(Content { stamp: Some(stamp), renamed: true, .. }) = seen else { return false };
    last.is_some_and(|last| last != stamp.inode) && stamp.modified < stamp.changed
}

fn inode(seen: &Seen) -> Option<u64> {
    seen.as_ref().ok().and_then(|content| content.stamp).map(|stamp| stamp.inode)
}

/// How far apart two equal looks are. Editors write a file of this size within a few milliseconds.
pub(crate) const SETTLE: Duration = Duration::from_millis(200);

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::Missing => f.write_str("it is not there"),
            Unusable::NotAFile(what) => write!(f, "{what} stands here, expected a file"),
            Unusable::Unreadable(words) | Unusable::Unsafe(words) => f.write_str(words),
            Unusable::TooLarge(most) => write!(f, "it has more than {most} bytes; is it the right file?"),
        }
    }
}
