//! What becomes of those who are not let in: what they read, what the log hears of it, what their source pays for
//! it, and which of them wait for approval. One for all workers; its locks are taken at accept, at the end of
//! a handshake and at the end of a connection, never for a command.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pinwire_proto::certificate::Digests;
use pinwire_proto::code::Code;
use pinwire_proto::limits::Limits;
use pinwire_proto::session::{Disconnect, Now};
use pinwire_proto::trust::{self, Pin, TrustList};
use tracing::{debug, info, warn};

use crate::beside::{Pending, Stranger};
use crate::follow::PendingSource;
use crate::handler::Refusal;
use crate::handshakes::Source;
use crate::penalties::{Heard, Penalties};
use crate::stats::Level;
use crate::strangers::{Remembered, Strangers};

/// What a client reads that is not let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refusals {
    /// The reason code, and in words what it can do about it.
    #[default]
    Full,
    /// The reason code alone.
    Code,
}

/// The strangers of a server, for whoever shows them to an operator. Clones are the same.
#[derive(Clone, Debug)]
pub struct Approvals(Arc<Refusing>);

impl Approvals {
    pub(crate) fn new(refusing: Arc<Refusing>) -> Self {
        Approvals(refusing)
    }

    /// From now on a stranger that is remembered reads that it waits for approval, and by which line. Until then
    /// it reads that it is not on the list: a promise needs somebody who keeps it.
    pub fn announce(&self) {
        self.0.is_announced.store(true, Ordering::Relaxed);
    }

    /// All strangers, who came last first, if there was a change since the last time.
    pub fn take_changed(&self) -> Option<Vec<Stranger>> {
        self.0.strangers().take_changed()
    }

    /// Strangers of an earlier run. Nothing in them is trusted; those who came meanwhile stay as they are.
    pub fn restore(&self, strangers: Vec<Stranger>) {
        self.0.change(|known| known.restore(strangers));
    }

    /// Those on `list` are strangers no more, and their sources begin without a penalty. To be said when it has
    /// replaced the list that judges, for until then they may come as strangers.
    pub fn forget_listed(&self, list: &TrustList) {
        let sources = self.0.change(|known| known.forget_listed(list));
        let mut penalties = self.0.penalties();
        sources.into_iter().for_each(|address| penalties.clear(Source::of(address)));
    }

    /// Forgets the stranger with this pin. Says whether there was one; it may come again.
    pub fn reject(&self, pin: &Pin) -> bool {
        self.0.change(|known| known.reject(pin))
    }
}

/// What is kept beside a trust file.
impl PendingSource for Approvals {
    fn take_changed(&self) -> Option<Pending> {
        Approvals::take_changed(self).map(|strangers| Pending { strangers })
    }

    /// Its caller keeps from now on what is kept beside the file, where an operator sees it.
    fn restore(&self, pending: Pending) {
        Approvals::restore(self, pending.strangers);
        self.announce();
    }
}

/// Everything that concerns refusals, of the whole server.
#[derive(Debug, Default)]
pub(crate) struct Refusing {
    refusals: Refusals,
    is_announced: AtomicBool,
    penalties: Mutex<Penalties>,
    strangers: Mutex<Strangers>,
    /// How many strangers there are.
    level: Arc<Level>,
}

/// Why a client is not let in.
pub(crate) enum Why<'a> {
    /// Its certificate was judged.
    Judged(&'a trust::Refusal),
    /// It is on the list, and the server does not take it.
    NotTaken(&'a Refusal),
}

impl Refusing {
    pub(crate) fn new(limits: &Limits, refusals: Refusals, level: Arc<Level>) -> Self {
        Refusing { refusals, penalties: Mutex::new(Penalties::new(limits)), level, ..Refusing::default() }
    }

    /// How long a newcomer waits before its handshake; zero: it need not.
    pub(crate) fn delay(&self, now: Instant, source: Source) -> Duration {
        self.say_unsaid(now);
        self.penalties().delay(now, source)
    }

    /// Whether a newcomer of this source need not wait now.
    pub(crate) fn is_free(&self, now: Instant, source: Source) -> bool {
        self.penalties().delay(now, source).is_zero()
    }

    /// A newcomer was closed at accept, for others of its source wait.
    pub(crate) fn penalised(&self, now: Instant, source: Source, peer: SocketAddr) {
        if self.penalties().closed(now, source) {
            warn!(%peer, code = %Code::SourcePenalised, closed = 1, "closed at accept");
        }
    }

    /// A client is let in, or was until now.
    pub(crate) fn admitted(&self, now: Instant, remote: SocketAddr) {
        self.penalties().admitted(now, Source::of(remote.ip()));
    }

    /// A client is not let in. Returns what it is to read.
    pub(crate) fn refuse<'a>(&self, now: Now, peer: SocketAddr, why: &Why<'a>) -> Cow<'a, str> {
        let (code, source) = (why.code(), Source::of(peer.ip()));
        let heard = self.hear(now.instant, source, is_failure(code));
        let text = self.words(now, peer.ip(), why, heard.is_spent);
        if heard.is_said {
            warn!(%peer, %code, text = &*text, "refused");
        }
        match self.refusals {
            Refusals::Full => text,
            Refusals::Code => Cow::Borrowed(""),
        }
    }

    /// A connection has ended that was neither let in nor [refused](Refusing::refuse). `has_hello`: it had begun its
    /// handshake.
    pub(crate) fn ended(&self, now: Now, peer: SocketAddr, why: &Disconnect, has_hello: bool) {
        let hear = |is_failure| self.hear(now.instant, Source::of(peer.ip()), is_failure).is_said;
        match why {
            Disconnect::Closed { code, text } if hear(is_failure(*code)) => {
                return warn!(%peer, %code, text, "refused");
            }
            Disconnect::Tls(failure) if hear(true) => return info!(%peer, %failure, "closed"),
            Disconnect::HandshakeTimeout if hear(true) => {
                return info!(%peer, "no complete handshake in time");
            }
            Disconnect::HandshakeDropped => _ = hear(true),
            // A whole hello cost the server a signature. Those who say nothing at all are often the operator's
            // own: does the port answer?
            Disconnect::Vanished if has_hello => _ = hear(true),
            _ => {}
        }
        debug!(%peer, ?why, "disconnected");
    }

    fn hear(&self, now: Instant, source: Source, is_failure: bool) -> Heard {
        self.say_unsaid(now);
        match is_failure {
            true => self.penalties().failed(now, source),
            false => Heard { is_said: self.penalties().refused(now, source), is_spent: false },
        }
    }

    fn words<'a>(&self, now: Now, from: IpAddr, why: &Why<'a>, is_spent: bool) -> Cow<'a, str> {
        match why {
            Why::NotTaken(refusal) => Cow::Borrowed(&refusal.text),
            Why::Judged(trust::Refusal { code, text, digests, subject }) => match digests {
                Some(digests) if *code == Code::UnfamiliarCertificate => {
                    let stranger = (&**digests, subject.as_str());
                    let became = self.change(|known| known.remember(now, stranger, from, is_spent));
                    let waits = became == Remembered::Pending && self.is_announced.load(Ordering::Relaxed);
                    if waits { Cow::Owned(waiting(digests)) } else { Cow::Borrowed(text) }
                }
                _ => Cow::Borrowed(text),
            },
        }
    }

    /// What the log did not hear of in the last minutes.
    fn say_unsaid(&self, now: Instant) {
        // Not in the loop's head: the log may take its time, and the lock would be held meanwhile.
        let next = || self.penalties().unsaid(now);
        while let Some(unsaid) = next() {
            let source = unsaid.source;
            if unsaid.ended > 0 {
                warn!(%source, unsaid = unsaid.ended, "refused or failed, and not logged one by one");
            }
            if unsaid.closed > 0 {
                warn!(%source, code = %Code::SourcePenalised, closed = unsaid.closed, "closed at accept");
            }
        }
    }

    fn change<R>(&self, act: impl FnOnce(&mut Strangers) -> R) -> R {
        let mut strangers = self.strangers();
        let result = act(&mut strangers);
        self.level.set(strangers.len());
        result
    }

    fn penalties(&self) -> MutexGuard<'_, Penalties> {
        self.penalties.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn strangers(&self) -> MutexGuard<'_, Strangers> {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Why<'_> {
    pub(crate) fn code(&self) -> Code {
        match self {
            Why::Judged(refusal) => refusal.code,
            Why::NotTaken(refusal) => refusal.code,
        }
    }
}

/// Whether the client's own doing made the server refuse it.
fn is_failure(code: Code) -> bool {
    code.is_refusal() && !matches!(code, Code::TooManyConnections | Code::ShuttingDown)
}

fn waiting(digests: &Digests) -> String {
    let beginning: String = digests.spki[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let pin = Pin::Spki(digests.spki);
    format!(
        "{pin} is not on the list; it waits for approval: `pinwire trust approve {beginning} --name NAME` at the server"
    )
}

#[cfg(test)]
#[path = "refusing_tests.rs"]
mod tests;
