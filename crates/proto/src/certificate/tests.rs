//! Certificates as rcgen makes them, cut, mutated and rebuilt.

use proptest::prelude::*;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::*;
use crate::identity::{KeyKind, generate};

/// 2026-01-31T12:00:00Z.
const NOW: i64 = 1_769_860_800;

fn sample() -> Vec<u8> {
    let made = generate(KeyKind::Ed25519, "alice", NOW, 1).unwrap();
    CertificateDer::from_pem_slice(made.certificate_pem.as_bytes()).unwrap().to_vec()
}

/// The sample with the second of its two times, a UTCTime, replaced by this value of the same length.
fn with_not_after(value: &[u8; 15]) -> Vec<u8> {
    let mut der = sample();
    let places: Vec<usize> = (0..der.len() - 2).filter(|at| der[*at..].starts_with(b"\x17\x0d2")).collect();
    der[places[1]..places[1] + 15].copy_from_slice(value);
    der
}

#[test]
fn times_subject_and_digests_are_read() {
    let der = sample();
    let certificate = Certificate::parse(&der).unwrap();
    assert_eq!(certificate.not_before, NOW - 86_400);
    assert_eq!(certificate.not_after, NOW + 365 * 86_400);
    assert_eq!(certificate.subject, "CN=alice");
    assert_eq!(certificate.digests.certificate, hash(&digest::SHA256, &der));
    assert_eq!(certificate.digests.spki, hash(&digest::SHA256, subject_public_key_info(&der).unwrap()));
    assert_eq!(certificate.digests.sha1, hash(&digest::SHA1_FOR_LEGACY_USE_ONLY, &der));
}

#[test]
fn the_subject_public_key_info_is_what_rustls_finds() {
    let der = CertificateDer::from(sample());
    let theirs = rustls::server::ParsedCertificate::try_from(&der).unwrap().subject_public_key_info();
    assert_eq!(subject_public_key_info(&der).unwrap(), theirs.as_ref());
}

#[test]
fn a_certificate_cut_short_or_with_bytes_behind_is_unreadable() {
    let der = sample();
    for cut in 0..der.len() {
        assert!(Certificate::parse(&der[..cut]).is_err(), "{cut}");
    }
    let mut longer = der;
    longer.push(0);
    assert_eq!(Certificate::parse(&longer), Err(Unreadable("bytes trail where nothing may follow")));
    assert_eq!(subject_public_key_info(&longer), Err(Unreadable("bytes trail where nothing may follow")));
}

#[test]
fn a_time_that_cannot_be_read_is_named() {
    for value in [
        b"\x17\x0d2x0131120000Z",
        b"\x17\x0d271331120000Z",
        b"\x17\x0d270229120000Z",
        b"\x17\x0d270131240000Z",
        b"\x17\x0d270131120060Z",
        b"\x17\x0d27013112+0100",
        b"\x18\x0d270131120000Z",
    ] {
        assert_eq!(Certificate::parse(&with_not_after(value)), Err(Unreadable("its notAfter is not a time")));
    }
}

#[test]
fn two_digits_of_a_year_mean_1950_to_2049() {
    assert_eq!(
        Certificate::parse(&with_not_after(b"\x17\x0d491231235959Z")).unwrap().not_after,
        2_524_607_999
    );
    assert_eq!(
        Certificate::parse(&with_not_after(b"\x17\x0d500101000000Z")).unwrap().not_after,
        -631_152_000
    );
}

#[test]
fn the_last_second_of_9999_is_never() {
    let params = |hour| {
        let mut params = rcgen::CertificateParams::default();
        let last = time::Date::from_calendar_date(9999, time::Month::December, 31).unwrap();
        params.not_after = last.with_hms(hour, 59, 59).unwrap().assume_utc();
        let key = rcgen::KeyPair::generate().unwrap();
        Certificate::parse(params.self_signed(&key).unwrap().der()).unwrap().not_after
    };
    assert_eq!(params(23), i64::MAX);
    assert_eq!(params(22), 253_402_300_799 - 3_600);
    assert_eq!((rfc3339(i64::MAX), rfc3339(NOW)), ("never".to_owned(), "2026-01-31T12:00:00Z".to_owned()));
}

#[test]
fn lengths_in_more_bytes_than_needed_are_refused() {
    assert_eq!(
        Parts::cut(b"\x30\x80\x00\x00").err(),
        Some(Unreadable("it is not an X.509 certificate in DER"))
    );
    let der = sample();
    assert_eq!(der[..2], [0x30, 0x81], "one byte of length is enough");
    let mut longer = vec![0x30, 0x82, 0];
    longer.extend_from_slice(&der[2..]);
    assert!(Certificate::parse(&longer).is_err());
}

#[test]
fn a_subject_is_short_and_printable() {
    assert_eq!(printable("CN=alice"), "CN=alice");
    assert_eq!(printable("CN=\u{1b}[31m\r\n\\é\u{202e}"), "CN=\\u{1b}[31m\\r\\n\\\\\\u{e9}\\u{202e}");
    assert_eq!(printable(&"x".repeat(64)), "x".repeat(64));
    assert_eq!(printable(&"x".repeat(65)), "x".repeat(61) + "...");
    for long in ["é".repeat(100), "xé".repeat(100), "x".repeat(63) + "\u{10ffff}"] {
        let short = printable(&long);
        assert!(short.len() <= 64 && short.ends_with("..."), "{short}");
        assert!(short.chars().all(|c| c == ' ' || c.is_ascii_graphic()), "{short}");
    }
}

proptest! {
    /// Whatever the bytes: no panic, and both functions agree on whether they can be read.
    #[test]
    fn mutated_certificates_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut der = sample();
        for (at, byte) in changes {
            let at = at.index(der.len());
            der[at] = byte;
        }
        prop_assert_eq!(Certificate::parse(&der).is_ok(), subject_public_key_info(&der).is_ok());
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Certificate::parse(&bytes).is_err());
    }
}
