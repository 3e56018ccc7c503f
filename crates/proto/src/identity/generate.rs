//! Makes a key and a certificate that it signs itself: all that pinning needs.

use aws_lc_rs::signature::Ed25519KeyPair;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PKCS_ED25519,
};
use rustls_pki_types::PrivatePkcs8KeyDer;
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use super::IdentityError;

/// What kind of key to make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyKind {
    /// ECDSA on P-256: every TLS 1.3 peer takes it.
    #[default]
    P256,
    /// Ed25519: smaller and faster, and not known to every peer.
    Ed25519,
}

/// A new key and its self-signed certificate.
pub struct Generated {
    /// The certificate, X.509 version 3, in PEM.
    pub certificate_pem: String,
    /// The private key, PKCS#8, in PEM. Erased from memory when dropped.
    pub key_pem: Zeroizing<String>,
}

/// Makes a key and a certificate for `common_name`, valid from a day before `now_unix` (clocks differ) for
/// `years` years of 365 days after it.
///
/// # Errors
/// `CommonName`, `Validity`, or `Generate` if the cryptographic library fails.
pub fn generate(
    kind: KeyKind,
    common_name: &str,
    now_unix: i64,
    years: u32,
) -> Result<Generated, IdentityError> {
    let params = params(common_name, now_unix, years)?;
    let key = kind.make().map_err(|why| broken(&why))?;
    let certificate = params.self_signed(&key).map_err(|why| broken(&why))?;
    let key_pem = Zeroizing::new(key.serialize_pem());
    Ok(Generated { certificate_pem: certificate.pem(), key_pem })
}

pub(super) fn params(
    common_name: &str,
    now_unix: i64,
    years: u32,
) -> Result<CertificateParams, IdentityError> {
    // RFC 5280 appendix A: ub-common-name is 64.
    if !(1..=64).contains(&common_name.chars().count()) || common_name.chars().any(char::is_control) {
        return Err(IdentityError::CommonName);
    }
    let now = OffsetDateTime::from_unix_timestamp(now_unix).map_err(|_| IdentityError::Validity)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.not_before = now.checked_sub(Duration::DAY).ok_or(IdentityError::Validity)?;
    params.not_after =
        now.checked_add(Duration::days(365 * i64::from(years))).ok_or(IdentityError::Validity)?;
    Ok(params)
}

pub(super) fn broken(why: &rcgen::Error) -> IdentityError {
    IdentityError::Generate(why.to_string())
}

impl KeyKind {
    fn make(self) -> Result<KeyPair, rcgen::Error> {
        match self {
            KeyKind::P256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
            // rcgen's own would be PKCS#8 version 2, which holds the public half too (RFC 5958) and which
            // OpenSSL 3.0 cannot read.
            KeyKind::Ed25519 => {
                let unspecified = |_| rcgen::Error::RingUnspecified;
                let version_1 = Ed25519KeyPair::generate().and_then(|key| key.to_pkcs8v1());
                let version_1 = PrivatePkcs8KeyDer::from(version_1.map_err(unspecified)?.as_ref().to_vec());
                KeyPair::from_pkcs8_der_and_sign_algo(&version_1, &PKCS_ED25519)
            }
        }
    }
}

impl std::fmt::Debug for Generated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generated").field("certificate_pem", &self.certificate_pem).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    #[test]
    fn openssl_reads_every_kind_of_key() {
        for kind in [KeyKind::P256, KeyKind::Ed25519] {
            let made = generate(kind, "peer", 1_800_000_000, 1).unwrap();
            let mut openssl = Command::new("openssl")
                .args(["pkey", "-noout", "-check"])
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .expect("openssl is installed");
            openssl.stdin.take().unwrap().write_all(made.key_pem.as_bytes()).unwrap();
            assert!(openssl.wait().unwrap().success(), "{kind:?}");
        }
    }
}
