//! Who this side is: a certificate and its private key. PEM comes in as bytes; whoever reads files is
//! elsewhere.

mod error;
mod generate;
mod pem;
mod renew;

use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroize;

use crate::certificate::{Certificate, Unreadable, subject_public_key_info};

pub use error::{IdentityError, Part};
pub use generate::{Generated, KeyKind, generate};
pub use renew::renew;

/// A certificate chain and the private key of its first certificate. Cheap to clone.
#[derive(Clone)]
pub struct Identity {
    key: Arc<CertifiedKey>,
    certificate: Result<Certificate, Unreadable>,
}

impl Identity {
    /// Reads a chain and a key, each in PEM; the first certificate and the first key count. Both may be the
    /// same file.
    ///
    /// A certificate that cannot be read is carried all the same: a client may show it and let the server
    /// say why it will not do. A server calls [`Identity::readable`] first.
    ///
    /// # Errors
    /// What is wrong with which of the two, and what to do about it.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Identity, IdentityError> {
        let chain = pem::chain(certificate)?;
        let mut key = pem::key(key)?;
        let identity = Identity::new(chain, &key);
        key.zeroize();
        identity
    }

    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: &PrivateKeyDer<'static>,
    ) -> Result<Identity, IdentityError> {
        let signer = any_supported_type(key).map_err(|_| IdentityError::UnsupportedKey)?;
        let first = chain.first().ok_or(IdentityError::NotPem(Part::Certificate))?;
        if let (Ok(shown), Some(held)) = (subject_public_key_info(first), signer.public_key())
            && shown != held.as_ref()
        {
            return Err(IdentityError::Mismatch);
        }
        let certificate = Certificate::parse(first);
        Ok(Identity { key: Arc::new(CertifiedKey::new(chain, signer)), certificate })
    }

    /// The first certificate, or why it cannot be read.
    ///
    /// # Errors
    /// What `Certificate::parse` says of it.
    pub fn certificate(&self) -> Result<&Certificate, &Unreadable> {
        self.certificate.as_ref()
    }

    /// Whether the first certificate can be read, which a server's must.
    ///
    /// # Errors
    /// `IdentityError::Unreadable`.
    pub fn readable(&self) -> Result<(), IdentityError> {
        self.certificate().map(|_| ()).map_err(|why| IdentityError::Unreadable(*why))
    }

    /// The certificates as they were given, the one that counts first. Never empty.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.key.cert
    }

    /// Chain and key in the form that rustls takes.
    pub fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// Whether a key file of these Unix mode bits is its owner's alone.
///
/// # Errors
/// `IdentityError::KeyMode` if group or others may read or write it.
pub fn check_key_mode(mode: u32) -> Result<(), IdentityError> {
    if mode & 0o066 == 0 { Ok(()) } else { Err(IdentityError::KeyMode(mode & 0o777)) }
}

#[cfg(test)]
mod tests;
