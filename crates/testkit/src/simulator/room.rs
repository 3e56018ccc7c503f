//! What the model knows of room: which bodies are refused for want of it, and who is slow while it is short.

use std::time::Duration;

use super::PRESSED;
use super::model::{Model, check};
use super::said::Short;

/// Bytes at most that a head is kept in beyond those that it came in.
const PARTS: usize = 1_024;

impl Model {
    /// So many bytes of commands have been read by now.
    pub(super) fn meet(&mut self, delivered: usize, now: Duration) {
        if delivered > self.came.0 {
            self.came = (delivered, now);
        }
        let met = self.said.iter_mut().filter(|said| said.met.is_none() && said.start < delivered);
        met.for_each(|said| said.met = Some(now));
    }

    /// The server had a turn in which so many bytes of what is incomplete might be kept; `is_open`: and has not
    /// ended the connection in it.
    pub(super) fn keep(&mut self, delivered: usize, come: usize, is_open: bool) {
        let Some(said) = self.said.iter_mut().find(|said| said.is_coming(delivered)) else { return };
        // The head is kept as well, in fewer bytes or more than it came in.
        let (body, all) = (delivered - said.head, delivered - said.start + PARTS);
        if all > come && !said.is_overloaded() {
            let is_sure = body > come && is_open && said.is_kept();
            said.short = Some(if is_sure { Short::OfRoom } else { Short::Perhaps });
        }
    }

    /// Whether so many bytes of the stream end where neither a head nor a body is on its way.
    pub(super) fn is_between(&self, delivered: usize) -> bool {
        !self
            .said
            .iter()
            .any(|said| said.start < delivered && delivered < said.head || said.is_coming(delivered))
    }

    /// The server was short of room, looked who is slow, and found that the client is, or is not; `reads`: since
    /// when it reads whatever comes, if it does.
    pub(super) fn press(
        &mut self,
        delivered: usize,
        now: Duration,
        is_slow: bool,
        reads: Option<Duration>,
    ) -> Result<(), String> {
        let is_late = |since: Option<Duration>| since.is_some_and(|since| now > since + PRESSED);
        let came = Some(self.came.1);
        if let Some(said) = self.said.iter_mut().find(|said| said.is_coming(delivered)) {
            let may_be = is_late(said.announced) && said.is_kept();
            let must_be = may_be
                && said.short.is_none()
                && is_late(came)
                && reads.is_some()
                && said.patience().is_none();
            check(may_be || !is_slow, || "a body that came in time was too slow".to_owned())?;
            check(is_slow || !must_be, || "a body stands still, and nobody says so".to_owned())?;
            if is_slow {
                said.short = Some(Short::OfTime);
            }
            return Ok(());
        }
        let head = self.said.iter().find(|said| said.start < delivered && delivered < said.head);
        let may_be = head.is_some_and(|said| is_late(said.met));
        check(may_be || !is_slow, || "nobody was slow".to_owned())?;
        check(is_slow || !may_be || !is_late(reads), || "a head stands still, and nobody says so".to_owned())
    }
}
