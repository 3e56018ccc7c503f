//! Judges what a client showed against the list. The order is the protocol's, and the first that fails
//! gives the code.

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
    /// The entry's name.
    pub name: Option<String>,
    /// The entry's pin.
    pub pin: Pin,
    /// Its certificate's digests.
    pub digests: Digests,
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
}

/// Judges `presented` at `now_unix` (unix seconds). Possession of the key is TLS's to prove, not asked here.
///
/// # Errors
/// The refusal, for the greeting and the log.
pub fn judge(list: &TrustList, presented: Presented<'_>, now_unix: i64) -> Result<Judged, Refusal> {
    let certificate = read(presented)?;
    check_times(&certificate, now_unix)?;
    let digests = certificate.digests;
    let entry = list.find(&digests).ok_or_else(|| unfamiliar(digests))?;
    Ok(Judged {
        name: entry.name.clone(),
        pin: entry.pin,
        digests,
        not_after: certificate.not_after,
        subject: certificate.subject,
    })
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

fn check_times(certificate: &Certificate, now_unix: i64) -> Result<(), Refusal> {
    let digests = Some(certificate.digests);
    if now_unix < certificate.not_before {
        let text = format!("the certificate is valid from {}", rfc3339(certificate.not_before));
        return Err(refusal(Code::CertificateNotYetValid, text, digests));
    }
    if now_unix > certificate.not_after {
        let text = format!("the certificate was valid until {}", rfc3339(certificate.not_after));
        return Err(refusal(Code::CertificateExpired, text, digests));
    }
    Ok(())
}

fn unfamiliar(digests: Digests) -> Refusal {
    let pin = Pin::Spki(digests.spki);
    let text = format!("{pin} is not on the list; add it with `pinwire trust add {pin}`");
    refusal(Code::UnfamiliarCertificate, text, Some(digests))
}

fn refusal(code: Code, text: String, digests: Option<Digests>) -> Refusal {
    Refusal { code, text, digests: digests.map(Box::new) }
}
