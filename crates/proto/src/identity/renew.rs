//! Makes a new certificate over a key that is there: pins of the key stay good, those of the certificate not.

use rcgen::KeyPair;
use rustls_pki_types::CertificateDer;
use zeroize::Zeroize;

use super::generate::{broken, params};
use super::{Identity, IdentityError, pem};
use crate::certificate::{common_name, subject_public_key_info};

/// Makes a self-signed certificate over the key of `certificate`, both PEM, with its common name (`fallback`
/// if it has none that can be kept), valid from a day before `now_unix` (clocks differ) for `years` years of
/// 365 days after it. In PEM; nothing but the first certificate and the first key is looked at.
///
/// # Errors
/// As [`Identity::from_pem`] says of the two, [`IdentityError::Validity`], or [`IdentityError::Generate`] if
/// the cryptographic library cannot sign with this key or writes it in other bytes than the old certificate
/// holds, whose pin would then not stay.
pub fn renew(
    certificate: &[u8],
    key: &[u8],
    fallback: &str,
    now_unix: i64,
    years: u32,
) -> Result<String, IdentityError> {
    let old = Identity::from_pem(certificate, key)?;
    old.readable()?;
    let mut secret = pem::key(key)?;
    let key = KeyPair::try_from(&secret).map_err(|why| broken(&why));
    secret.zeroize();
    let key = key?;
    let first = &old.chain()[0];
    let params = match common_name(first).map(|name| params(&name, now_unix, years)) {
        Some(Err(IdentityError::CommonName)) | None => params(fallback, now_unix, years)?,
        Some(params) => params?,
    };
    let new = params.self_signed(&key).map_err(|why| broken(&why))?;
    if has_same_key(first, new.der()) { Ok(new.pem()) } else { Err(another_form()) }
}

fn has_same_key(old: &CertificateDer<'_>, new: &CertificateDer<'_>) -> bool {
    let key = subject_public_key_info;
    matches!((key(old), key(new)), (Ok(old), Ok(new)) if old == new)
}

fn another_form() -> IdentityError {
    let why = "the old certificate holds the key in a form of its own, and its pin would change";
    IdentityError::Generate(why.to_owned())
}
