//! Reads a certificate: its key, its times, its subject, its digests. Judges nothing and trusts nothing.

mod der;

use std::fmt;

use aws_lc_rs::digest;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use x509_parser::certificate::{X509Certificate, X509CertificateParser};
use x509_parser::nom::Parser;

use der::Parts;

/// What pinwire needs to know of an X.509 certificate (version 1 or later).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// What the trust list can hold of it.
    pub digests: Digests,
    /// Its notBefore, unix seconds, inclusive.
    pub not_before: i64,
    /// Its notAfter, unix seconds, inclusive; `i64::MAX` for 99991231235959Z, which means never
    /// (RFC 5280 4.1.2.5).
    pub not_after: i64,
    /// Its subject for people to read: printable ASCII, at most 64 characters, the rest escaped or cut.
    /// Anybody can write anything there: it proves nothing.
    pub subject: String,
}

impl Certificate {
    /// Reads `der`, which must be one certificate and nothing more. Signatures are not looked at: a pin
    /// needs none.
    ///
    /// # Errors
    /// `Unreadable`, and only then [`subject_public_key_info`] fails too.
    pub fn parse(der: &[u8]) -> Result<Certificate, Unreadable> {
        let (parts, x509) = read(der)?;
        Ok(Certificate {
            digests: Digests::of(der, parts.spki),
            not_before: parts.not_before,
            not_after: parts.not_after,
            subject: printable(&x509.subject().to_string()),
        })
    }
}

/// The SubjectPublicKeyInfo of a certificate, in the very bytes from which its pin is computed. The one
/// function for it: what the TLS verifier checks a signature with is what the trust list is asked about.
///
/// # Errors
/// `Unreadable`, and only then [`Certificate::parse`] fails too.
pub fn subject_public_key_info(der: &[u8]) -> Result<&[u8], Unreadable> {
    read(der).map(|(parts, _)| parts.spki)
}

/// The subject's first common name as it stands in the certificate, unescaped: for whoever makes another of
/// the same name, not for people to read. `None` if it has none or is not text.
pub(crate) fn common_name(der: &[u8]) -> Option<String> {
    let (_, x509) = read(der).ok()?;
    let name = x509.subject().iter_common_name().next()?;
    name.as_str().ok().map(str::to_owned)
}

/// The three digests by which a trust list can know a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digests {
    /// SHA-256 of the SubjectPublicKeyInfo: stays when the certificate is renewed with the same key.
    pub spki: [u8; 32],
    /// SHA-256 of the whole certificate: its thumbprint.
    pub certificate: [u8; 32],
    /// SHA-1 of the whole certificate, for lists of the C original.
    pub sha1: [u8; 20],
}

impl Digests {
    fn of(der: &[u8], spki: &[u8]) -> Digests {
        Digests {
            spki: hash(&digest::SHA256, spki),
            certificate: hash(&digest::SHA256, der),
            sha1: hash(&digest::SHA1_FOR_LEGACY_USE_ONLY, der),
        }
    }
}

impl fmt::Debug for Digests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digests({})", crate::trust::Pin::Spki(self.spki))
    }
}

/// A certificate that cannot be read; `Display` says what failed. Never holds a byte of the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable(pub(crate) &'static str);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Unreadable {}

/// Unix seconds as RFC 3339 in UTC, "2026-01-31T12:00:00Z"; "never" for what no calendar of ours holds.
pub fn rfc3339(unix: i64) -> String {
    OffsetDateTime::from_unix_timestamp(unix)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| "never".to_owned())
}

/// Two readers must agree: ours, that takes strict DER only and cuts out the key, and x509-parser, that
/// knows what the fields must hold. Extensions stay closed: nothing is decided by them.
fn read(der: &[u8]) -> Result<(Parts<'_>, X509Certificate<'_>), Unreadable> {
    let parts = Parts::cut(der)?;
    let (rest, x509) = X509CertificateParser::new()
        .with_deep_parse_extensions(false)
        .parse(der)
        .map_err(|_| Unreadable("it is not an X.509 certificate"))?;
    if !rest.is_empty() || x509.subject_pki.raw != parts.spki {
        return Err(Unreadable("it can be read in two ways"));
    }
    Ok((parts, x509))
}

fn hash<const N: usize>(algorithm: &'static digest::Algorithm, bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(digest::digest(algorithm, bytes).as_ref());
    out
}

fn printable(subject: &str) -> String {
    let mut out = String::new();
    for c in subject.chars() {
        let plain = c == ' ' || (c.is_ascii_graphic() && c != '\\');
        let escaped: String = if plain { c.to_string() } else { c.escape_default().collect() };
        if out.len() + escaped.len() > SUBJECT {
            return cut_short(out);
        }
        out.push_str(&escaped);
    }
    out
}

fn cut_short(mut subject: String) -> String {
    subject.truncate(SUBJECT - 3);
    subject + "..."
}

/// What fits a log line and a greeting beside a pin.
const SUBJECT: usize = 64;

#[cfg(test)]
mod tests;
