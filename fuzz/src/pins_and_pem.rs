//! Pins, certificates and PEM: one way to print a pin, one reading of a certificate, and an identity only of
//! a certificate and its key.

use std::sync::LazyLock;

use pinwire_proto::certificate::{Certificate, rfc3339, subject_public_key_info};
use pinwire_proto::code::Code;
use pinwire_proto::identity::{Identity, IdentityError};
use pinwire_proto::trust::{Pin, Presented, TrustList, judge};
use pinwire_testkit::certificates;
use pinwire_testkit::pair::{LOCAL, UNIX};

/// See the module.
///
/// # Panics
/// At a finding.
pub fn run(bytes: &[u8]) {
    pins(&String::from_utf8_lossy(bytes));
    reads(bytes);
    let cut = bytes.len() / 2;
    for (certificate, key) in [(bytes, bytes), bytes.split_at(cut)] {
        if let Ok(identity) = Identity::from_pem(certificate, key) {
            let first = identity.chain().first().expect("a chain is never empty");
            assert_eq!(identity.certificate().ok(), Certificate::parse(first).ok().as_ref());
        }
    }
}

fn pins(text: &str) {
    match text.parse::<Pin>() {
        Ok(pin) => {
            let canonical = pin.to_string();
            assert_eq!(canonical.parse(), Ok(pin));
            assert_eq!(text.to_ascii_uppercase().parse(), Ok(pin));
            // What it says is its kind and its digits, whatever stands between them.
            let bare = |text: &str| text.to_ascii_lowercase().replace(':', "");
            assert_eq!(bare(text), bare(&canonical));
        }
        Err(error) => {
            assert!(text.is_char_boundary(error.at), "{error:?}");
            assert!(!error.text.contains(char::is_control), "{error:?}");
        }
    }
}

fn reads(der: &[u8]) {
    let (read, key) = (Certificate::parse(der), subject_public_key_info(der));
    assert_eq!(read.as_ref().err(), key.as_ref().err(), "what is proven and what is pinned differ");
    let (Ok(certificate), Ok(key)) = (read, key) else {
        let refusal =
            judge(&TrustList::nobody(), Presented::Certificate(der), LOCAL, UNIX).expect_err("unreadable");
        return assert_eq!(refusal.code, Code::CertificateUnreadable);
    };
    assert!(der.windows(key.len()).any(|window| window == key), "the key is not the certificate's own bytes");
    assert!(certificate.subject.len() <= 64);
    assert!(certificate.subject.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
    // One certificate and nothing more.
    assert!(Certificate::parse(&[der, &[0]].concat()).is_err());
    assert!(Certificate::parse(&der[..der.len() - 1]).is_err());
    judged(der, &certificate);
    belongs_to_no_other_key(der, key);
}

/// Section 2's order: the times first, then the list.
fn judged(der: &[u8], certificate: &Certificate) {
    let (from, to) = (certificate.not_before, certificate.not_after);
    for now in [from.saturating_sub(1), from, to, to.saturating_add(1), UNIX] {
        let expected = match now {
            now if now < from => (Code::CertificateNotYetValid, rfc3339(from)),
            now if now > to => (Code::CertificateExpired, rfc3339(to)),
            _ => (Code::UnfamiliarCertificate, Pin::Spki(certificate.digests.spki).to_string()),
        };
        let refusal =
            judge(&TrustList::nobody(), Presented::Certificate(der), LOCAL, now).expect_err("nobody is in");
        assert_eq!(refusal.code, expected.0, "at {now}, valid from {from} to {to}");
        assert!(
            refusal.text.contains(&expected.1) && !refusal.text.contains(char::is_control),
            "{refusal:?}"
        );
    }
}

fn belongs_to_no_other_key(der: &[u8], key: &[u8]) {
    static OTHER: LazyLock<(Identity, String)> = LazyLock::new(|| {
        let (certificate, key) = certificates::good(UNIX);
        let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes());
        (identity.expect("a certificate and its key"), key)
    });
    let (other, other_key) = &*OTHER;
    let identity = Identity::from_pem(certificates::pem(der).as_bytes(), other_key.as_bytes());
    let is_own = subject_public_key_info(&other.chain()[0]) == Ok(key);
    match identity {
        Ok(identity) => assert!(is_own && *identity.chain()[0] == *der),
        Err(error) => assert!(!is_own && error == IdentityError::Mismatch, "{error}"),
    }
}
