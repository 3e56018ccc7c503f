//! What can be wrong with an identity, in words that say what to do.

use std::fmt;

use crate::certificate::Unreadable;

/// Which half of an identity is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The certificate chain.
    Certificate,
    /// The private key.
    Key,
}

/// Why a certificate and a key are no identity. The file's name is for the caller to put before it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityError {
    /// No PEM section that could be meant.
    NotPem(Part),
    /// PEM that ends too early, or whose inside is not Base64.
    BrokenPem(Part),
    /// A private key stands where the certificate belongs.
    KeyForCertificate,
    /// A certificate stands where the private key belongs.
    CertificateForKey,
    /// A public key stands where the private key belongs.
    PublicKey,
    /// The key is encrypted with a passphrase.
    EncryptedKey,
    /// The key is of a kind or a size that TLS here does not do.
    UnsupportedKey,
    /// The key is not the certificate's.
    Mismatch,
    /// The certificate cannot be read.
    Unreadable(Unreadable),
    /// Others than its owner may read or write the key file of this mode.
    KeyMode(u32),
    /// The name is empty, longer than 64 characters, or holds control characters.
    CommonName,
    /// The validity asked for leaves the calendar of X.509, which ends with the year 9999.
    Validity,
    /// The cryptographic library could not make a key or a certificate.
    Generate(String),
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use IdentityError as E;
        match self {
            E::NotPem(part) => write!(
                f,
                "no {part} in PEM here: expected a line \"-----BEGIN {}-----\" (openssl converts other forms)",
                part.label()
            ),
            E::BrokenPem(part) => write!(f, "the {part}'s PEM is damaged: is the file whole?"),
            E::KeyForCertificate => f.write_str("a private key where a certificate was expected"),
            E::CertificateForKey => f.write_str("a certificate where a private key was expected"),
            E::PublicKey => f.write_str("a public key where a private key was expected"),
            E::EncryptedKey => f.write_str(
                "the key is encrypted; take the passphrase off with `openssl pkey -in OLD -out NEW` \
                 and keep it with mode 0600",
            ),
            E::UnsupportedKey => f.write_str(
                "this kind of key is not supported: use ECDSA P-256, P-384 or P-521, Ed25519, \
                 or RSA of 2048 bits or more",
            ),
            E::Mismatch => f.write_str("the key does not belong to the certificate"),
            E::Unreadable(why) => write!(f, "the certificate cannot be read: {why}"),
            E::KeyMode(mode) => {
                write!(f, "is {} by others (mode {mode:04o}); run chmod 600 on it", reach(*mode))
            }
            E::CommonName => {
                f.write_str("a certificate's name is 1 to 64 characters without control characters")
            }
            E::Validity => f.write_str("a certificate cannot be valid past the year 9999"),
            E::Generate(why) => write!(f, "a key or certificate could not be made: {why}"),
        }
    }
}

impl std::error::Error for IdentityError {}

impl Part {
    fn label(self) -> &'static str {
        match self {
            Part::Certificate => "CERTIFICATE",
            Part::Key => "PRIVATE KEY",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Certificate => "certificate",
            Part::Key => "private key",
        })
    }
}

fn reach(mode: u32) -> &'static str {
    if mode & 0o044 != 0 { "readable" } else { "writable" }
}
