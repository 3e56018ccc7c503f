//! Judges what a client showed against the list. The order is the protocol's, and the first that fails
//! gives the code.

use std::net::IpAddr;
use std::sync::Arc;

use super::entry::Entry;
use super::list::TrustList;
use super::pin::Pin;
use crate::certificate::{Certificate, Digests, rfc3339};
use crate::code::Code;

/// What a client showed in its handshake.
#[derive(Clone, Copy, Debug)]
pub enum Presented<'a> {
    /// No certificate.
    Nothing,
    /// The first certificate of its chain, in DER; the others do not count.
    Certificate(&'a [u8]),
}

/// A client that is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The entry that lets it in: the first line that matches, alone.
    pub entry: Arc<Entry>,
    /// Its certificate's digests.
    pub digests: Digests,
    /// When its certificate begins, unix seconds.
    pub not_before: i64,
    /// When its certificate ends, unix seconds; `i64::MAX`: never.
    pub not_after: i64,
    /// Its certificate's subject, as [`Certificate`] has it.
    pub subject: String,
}

/// A client that is not in, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason.
    pub code: Code,
    /// The reason in words, for the greeting. Holds no control characters.
    pub text: String,
    /// The certificate's digests, if it could be read. Boxed, so that judging returns a small `Result`.
    pub digests: Option<Box<Digests>>,
    /// Of a certificate that nobody knows its subject, as [`Certificate`] has it; else empty.
    pub subject: String,
}

/// Judges `presented`, which came from `address` (unmapped), at `now_unix` (unix seconds). Possession of the key is TLS's to prove, not asked here.
///
/// # Errors
/// The refusal, for the greeting and the log.
pub fn judge(
    list: &TrustList,
    presented: Presented<'_>,
    address: IpAddr,
    now_unix: i64,
) -> Result<Judged, Refusal> {
    let certificate = read(presented)?;
    let Certificate { digests, not_before, not_after, subject } = certificate;
    check_times((not_before, not_after), digests, now_unix)?;
    let entry = list.find(&digests).ok_or_else(|| unfamiliar(digests, &subject))?;
    check_entry(entry, digests, address, now_unix)?;
    Ok(Judged { entry: Arc::clone(entry), digests, not_before, not_after, subject })
}

/// Judges a client that is in by another list, or at another time: the same order, from what was read of its
/// certificate when it came.
///
/// # Errors
/// The refusal; `no-longer-trusted` if no entry matches any more.
pub fn judge_again(
    list: &TrustList,
    judged: &Judged,
    address: IpAddr,
    now_unix: i64,
) -> Result<Arc<Entry>, Refusal> {
    let digests = judged.digests;
    check_times((judged.not_before, judged.not_after), digests, now_unix)?;
    let entry = list.find(&digests).ok_or_else(|| no_longer(digests))?;
    check_entry(entry, digests, address, now_unix)?;
    Ok(Arc::clone(entry))
}

impl Judged {
    /// The first moment at which time alone ends its trust, unix seconds.
    pub fn until(&self) -> i64 {
        let expires = self.entry.expires.as_ref().map_or(i64::MAX, |expires| expires.at);
        expires.min(self.not_after.saturating_add(1))
    }
}

fn read(presented: Presented<'_>) -> Result<Certificate, Refusal> {
    let Presented::Certificate(der) = presented else {
        return Err(refusal(Code::NoCertificate, "a client certificate is required".to_owned(), None));
    };
    Certificate::parse(der).map_err(|why| {
        let text = format!("the certificate cannot be read: {why}");
        refusal(Code::CertificateUnreadable, text, None)
    })
}

fn check_times((not_before, not_after): (i64, i64), digests: Digests, now_unix: i64) -> Result<(), Refusal> {
    if now_unix < not_before {
        let text = format!("the certificate is valid from {}", rfc3339(not_before));
        return Err(refusal(Code::CertificateNotYetValid, text, Some(digests)));
    }
    if now_unix > not_after {
        let text = format!("the certificate was valid until {}", rfc3339(not_after));
        return Err(refusal(Code::CertificateExpired, text, Some(digests)));
    }
    Ok(())
}

fn check_entry(entry: &Entry, digests: Digests, address: IpAddr, now_unix: i64) -> Result<(), Refusal> {
    if let Some(expires) = entry.expires.as_ref().filter(|expires| now_unix >= expires.at) {
        let text = format!("its entry expired: {expires}");
        return Err(refusal(Code::TrustExpired, text, Some(digests)));
    }
    if !entry.admits(address) {
        let text = format!("its entry does not let it in from {address}");
        return Err(refusal(Code::SourceNotAllowed, text, Some(digests)));
    }
    Ok(())
}

fn no_longer(digests: Digests) -> Refusal {
    let text = format!("{} was taken off the list", Pin::Spki(digests.spki));
    refusal(Code::NoLongerTrusted, text, Some(digests))
}

fn unfamiliar(digests: Digests, subject: &str) -> Refusal {
    let pin = Pin::Spki(digests.spki);
    let text = format!("{pin} is not on the list; add it with `pinwire trust add {pin}`");
    let refusal = refusal(Code::UnfamiliarCertificate, text, Some(digests));
    Refusal { subject: subject.to_owned(), ..refusal }
}

fn refusal(code: Code, text: String, digests: Option<Digests>) -> Refusal {
    Refusal { code, text, digests: digests.map(Box::new), subject: String::new() }
}
