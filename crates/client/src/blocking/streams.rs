//! Parts and changes for programs without tokio: iterators that block their thread until the next one is there.

use std::sync::Arc;

use super::Background;
use super::wait::wait;
use crate::{Answer, Change, Error};

/// As [`crate::Answers`], an iterator: it ends behind the last part, or behind an error.
#[derive(Debug)]
#[must_use = "dropped, it takes the command back"]
pub struct Answers {
    answers: crate::Answers,
    _background: Arc<Background>,
}

/// As [`crate::Watch`], an iterator: it ends behind an error. Another thread ends it with
/// [`Client::close`](super::Client::close).
///
/// ```
/// use pinwire_client::{Error, blocking::Client};
///
/// fn follow(client: &Client) -> Result<(), Error> {
///     for change in client.watch("employees/", None)? {
///         println!("{} has changed", change?.id);
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
#[must_use = "dropped, it ends"]
pub struct Watch {
    watch: crate::Watch,
    is_over: bool,
    _background: Arc<Background>,
}

impl Answers {
    pub(super) fn new(answers: crate::Answers, background: &Arc<Background>) -> Answers {
        Answers { answers, _background: Arc::clone(background) }
    }
}

impl Iterator for Answers {
    type Item = Result<Answer, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        wait(self.answers.next()).transpose()
    }
}

impl Watch {
    pub(super) fn new(watch: crate::Watch, background: &Arc<Background>) -> Watch {
        Watch { watch, is_over: false, _background: Arc::clone(background) }
    }

    /// As [`crate::Watch::version`].
    pub fn version(&self) -> u64 {
        self.watch.version()
    }

    /// As [`crate::Watch::on_lost`].
    pub fn on_lost(self, tell: impl FnMut(&Error) + Send + Sync + 'static) -> Watch {
        Watch { watch: self.watch.on_lost(tell), ..self }
    }
}

impl Iterator for Watch {
    type Item = Result<Change, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = wait(self.watch.next());
        self.is_over = next.is_err();
        Some(next)
    }
}
