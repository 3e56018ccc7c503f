//! Finds certificates and keys in PEM (RFC 7468) and says what was there instead.

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{IdentityError, Part};

/// Every certificate in `pem`, in its order; at least one.
pub(super) fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    if !has_label(pem, "CERTIFICATE") {
        return Err(match private_key_label(pem) {
            true => IdentityError::KeyForCertificate,
            false => IdentityError::NotPem(Part::Certificate),
        });
    }
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    chain.map_err(|_| IdentityError::BrokenPem(Part::Certificate))
}

/// The first private key in `pem`.
pub(super) fn key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, IdentityError> {
    // Before anything is decoded: of an encrypted key in the old form the Base64 is preceded by headers.
    if has_label(pem, "ENCRYPTED PRIVATE KEY") || contains(pem, b"\nProc-Type: 4,ENCRYPTED") {
        return Err(IdentityError::EncryptedKey);
    }
    if !private_key_label(pem) {
        return Err(instead_of_key(pem));
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| IdentityError::BrokenPem(Part::Key))
}

fn instead_of_key(pem: &[u8]) -> IdentityError {
    match () {
        () if has_label(pem, "CERTIFICATE") => IdentityError::CertificateForKey,
        () if has_label(pem, "PUBLIC KEY") => IdentityError::PublicKey,
        () => IdentityError::NotPem(Part::Key),
    }
}

fn private_key_label(pem: &[u8]) -> bool {
    const LABELS: [&str; 4] = ["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY"];
    LABELS.iter().any(|label| has_label(pem, label))
}

fn has_label(pem: &[u8], label: &str) -> bool {
    contains(pem, format!("-----BEGIN {label}-----").as_bytes())
}

fn contains(pem: &[u8], what: &[u8]) -> bool {
    pem.windows(what.len()).any(|window| window == what)
}
