//! Identities as `generate` and as OpenSSL's program make them.

use std::path::Path;
use std::process::Command;

use super::*;
use crate::trust::Pin;

/// 2026-01-31T12:00:00Z.
const NOW: i64 = 1_769_860_800;

fn made(kind: KeyKind) -> Generated {
    generate(kind, "alice", NOW, 20).unwrap()
}

fn identity(certificate: &str, key: &str) -> Result<Identity, IdentityError> {
    Identity::from_pem(certificate.as_bytes(), key.as_bytes())
}

/// Runs OpenSSL's program in `home`; its words are split at spaces.
fn openssl(home: &Path, line: &str) {
    let run = Command::new("openssl").args(line.split(' ')).current_dir(home).output().unwrap();
    assert!(run.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&run.stderr));
}

fn read(home: &Path, file: &str) -> String {
    std::fs::read_to_string(home.join(file)).unwrap()
}

#[test]
fn what_is_generated_is_an_identity() {
    for kind in [KeyKind::P256, KeyKind::Ed25519] {
        let made = made(kind);
        let identity = identity(&made.certificate_pem, &made.key_pem).unwrap();
        let certificate = identity.certificate().unwrap();
        assert_eq!(certificate.subject, "CN=alice");
        assert_eq!(certificate.not_before, NOW - 86_400);
        assert_eq!(certificate.not_after, NOW + 20 * 365 * 86_400);
        assert_eq!(identity.chain().len(), 1);
        assert_eq!(identity.readable(), Ok(()));
        assert!(identity.certified_key().keys_match().is_ok(), "and rustls agrees");
        assert!(!format!("{made:?}{identity:?}").contains("PRIVATE"));
    }
}

#[test]
fn a_generated_certificate_may_outlive_2049_but_not_9999() {
    assert!(generate(KeyKind::P256, "alice", NOW, 100).is_ok());
    assert_eq!(generate(KeyKind::P256, "alice", NOW, 8_000).err(), Some(IdentityError::Validity));
    assert_eq!(generate(KeyKind::P256, "alice", i64::MAX, 1).err(), Some(IdentityError::Validity));
    assert_eq!(generate(KeyKind::P256, "alice", NOW, u32::MAX).err(), Some(IdentityError::Validity));
}

#[test]
fn names_of_certificates_are_checked() {
    for name in ["", "a\nb", &"x".repeat(65)] {
        assert_eq!(generate(KeyKind::P256, name, NOW, 1).err(), Some(IdentityError::CommonName));
    }
    assert!(generate(KeyKind::P256, &"é".repeat(64), NOW, 1).is_ok());
}

#[test]
fn the_wrong_file_is_named() {
    let made = made(KeyKind::P256);
    let (certificate, key) = (made.certificate_pem.as_str(), made.key_pem.as_str());
    let other = generate(KeyKind::P256, "bob", NOW, 1).unwrap();
    let cases = [
        (key, key, IdentityError::KeyForCertificate),
        (certificate, certificate, IdentityError::CertificateForKey),
        ("", key, IdentityError::NotPem(Part::Certificate)),
        (certificate, "\u{30}\u{82}der", IdentityError::NotPem(Part::Key)),
        (&certificate[..200], key, IdentityError::BrokenPem(Part::Certificate)),
        (certificate, &key[..100], IdentityError::BrokenPem(Part::Key)),
        (certificate, &other.key_pem, IdentityError::Mismatch),
    ];
    for (certificate, key, error) in cases {
        assert_eq!(identity(certificate, key).err(), Some(error));
    }
    assert!(IdentityError::NotPem(Part::Key).to_string().contains("-----BEGIN PRIVATE KEY-----"));
}

#[test]
fn one_file_may_hold_both_and_the_first_certificate_counts() {
    let (made, other) = (made(KeyKind::P256), made(KeyKind::Ed25519));
    let both = format!("{}{}{}", *made.key_pem, made.certificate_pem, other.certificate_pem);
    let identity = identity(&both, &both).unwrap();
    assert_eq!(identity.chain().len(), 2);
    assert_eq!(Certificate::parse(&identity.chain()[0]).as_ref(), identity.certificate());
}

#[test]
fn a_certificate_that_cannot_be_read_is_carried() {
    let key = made(KeyKind::P256).key_pem;
    let identity = identity("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &key).unwrap();
    assert!(identity.certificate().is_err());
    assert_eq!(
        identity.readable().unwrap_err().to_string(),
        "the certificate cannot be read: it is not an X.509 certificate in DER"
    );
    assert_eq!(identity.chain()[0].as_ref(), [0, 0, 0]);
}

#[test]
fn a_key_file_is_its_owners_alone() {
    for mode in [0o600, 0o400, 0o100_600, 0o700] {
        assert_eq!(check_key_mode(mode), Ok(()));
    }
    for (mode, word) in
        [(0o644, "readable"), (0o640, "readable"), (0o100_604, "readable"), (0o602, "writable")]
    {
        let error = check_key_mode(mode).unwrap_err().to_string();
        let wanted = format!("is {word} by others (mode {:04o}); run chmod 600 on it", mode & 0o777);
        assert_eq!(error, wanted);
    }
}

#[test]
fn keys_of_every_kind_that_openssl_makes() {
    let home = tempfile::tempdir().unwrap();
    for kind in [
        "ec -pkeyopt ec_paramgen_curve:P-256",
        "ec -pkeyopt ec_paramgen_curve:P-384",
        "ec -pkeyopt ec_paramgen_curve:P-521",
        "ed25519",
        "rsa:2048",
    ] {
        openssl(
            home.path(),
            &format!("req -x509 -newkey {kind} -nodes -keyout key -out crt -subj /CN=alice"),
        );
        let identity = identity(&read(home.path(), "crt"), &read(home.path(), "key")).unwrap();
        assert_eq!(identity.certificate().unwrap().subject, "CN=alice", "{kind}");
    }
}

#[test]
fn keys_in_the_old_forms_and_keys_that_will_not_do() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let files = |file: &str| read(home, file);
    for (kind, label) in [("ec -pkeyopt ec_paramgen_curve:P-256", "EC"), ("rsa:2048", "RSA")] {
        openssl(home, &format!("req -x509 -newkey {kind} -nodes -keyout key -out crt -subj /CN=alice"));
        openssl(home, "pkey -in key -traditional -out old");
        assert!(files("old").contains(&format!("BEGIN {label} PRIVATE KEY")));
        assert!(identity(&files("crt"), &files("old")).is_ok());

        openssl(home, "pkey -in key -traditional -aes128 -passout pass:secret -out locked-old");
        openssl(home, "pkey -in key -aes128 -passout pass:secret -out locked");
        openssl(home, "pkey -in key -pubout -out public");
        assert!(files("locked-old").contains("Proc-Type"));
        for (file, error) in [
            ("locked", IdentityError::EncryptedKey),
            ("locked-old", IdentityError::EncryptedKey),
            ("public", IdentityError::PublicKey),
        ] {
            assert_eq!(identity(&files("crt"), &files(file)).err(), Some(error), "{file}");
        }
        assert_eq!(identity(&files("locked"), &files("key")).err(), Some(IdentityError::KeyForCertificate));
    }
    openssl(home, "req -x509 -newkey ed448 -nodes -keyout key -out crt -subj /CN=alice");
    assert_eq!(identity(&files("crt"), &files("key")).err(), Some(IdentityError::UnsupportedKey));
}

#[test]
fn version_1_is_read_and_the_pin_is_what_openssl_computes() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let files = |file: &str| read(home, file);
    openssl(
        home,
        "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key -out csr -subj /CN=old",
    );
    openssl(home, "x509 -req -in csr -signkey key -days 30 -out crt");
    openssl(home, "x509 -in crt -text -noout -out text");
    assert!(files("text").contains("Version: 1 (0x0)"));
    let identity = identity(&files("crt"), &files("key")).unwrap();
    let digests = identity.certificate().unwrap().digests;

    openssl(home, "pkey -in key -pubout -outform DER -out spki");
    openssl(home, "dgst -sha256 -r -out digest spki");
    assert_eq!(format!("spki-sha256:{}", &files("digest")[..64]), Pin::Spki(digests.spki).to_string());
    for (option, pin) in
        [("sha256", Pin::Certificate(digests.certificate)), ("sha1", Pin::Sha1(digests.sha1))]
    {
        openssl(home, &format!("x509 -in crt -noout -fingerprint -{option} -out print"));
        let print = files("print");
        let (_, digits) = print.trim().split_once('=').unwrap();
        let prefix = if option == "sha256" { "sha256:" } else { "" };
        assert_eq!(format!("{prefix}{digits}").parse(), Ok(pin), "as OpenSSL prints it, colons and all");
    }
}

#[test]
fn a_renewed_certificate_keeps_key_and_name() {
    for kind in [KeyKind::P256, KeyKind::Ed25519] {
        let made = generate(kind, "é b", NOW, 1).unwrap();
        let (certificate, key) = (made.certificate_pem.as_bytes(), made.key_pem.as_bytes());
        let old = Identity::from_pem(certificate, key).unwrap();
        let later = NOW + 300 * 86_400;
        let renewed = renew(certificate, key, "nobody", later, 2).unwrap();
        let new = identity(&renewed, &made.key_pem).unwrap();
        let (old, new) = (old.certificate().unwrap(), new.certificate().unwrap());
        assert_eq!((old.digests.spki, &old.subject), (new.digests.spki, &new.subject));
        assert_ne!(old.digests.certificate, new.digests.certificate);
        assert_eq!((new.not_before, new.not_after), (later - 86_400, later + 2 * 365 * 86_400));
    }
}

#[test]
fn what_is_renewed_belongs_together_and_gets_a_name() {
    let (one, other) = (made(KeyKind::P256), made(KeyKind::P256));
    let renewed = |certificate: &str, key: &str, years| {
        renew(certificate.as_bytes(), key.as_bytes(), "nobody", NOW, years)
    };
    assert_eq!(renewed(&one.certificate_pem, &other.key_pem, 1).err(), Some(IdentityError::Mismatch));
    assert_eq!(renewed(&one.certificate_pem, &one.key_pem, 8_000).err(), Some(IdentityError::Validity));

    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    for (kind, subject) in [
        ("ec -pkeyopt ec_paramgen_curve:P-384", "/O=nameless"),
        ("ec -pkeyopt ec_paramgen_curve:P-521", "/O=nameless"),
        ("rsa:2048", "/CN=old/CN=older"),
        ("ed25519", "/C=NO/CN=old"),
    ] {
        openssl(home, &format!("req -x509 -newkey {kind} -nodes -keyout key -out crt -subj {subject}"));
        let (certificate, key) = (read(home, "crt"), read(home, "key"));
        let new = identity(&renewed(&certificate, &key, 1).unwrap(), &key).unwrap();
        let wanted = if subject.contains("CN") { "CN=old" } else { "CN=nobody" };
        assert_eq!(new.certificate().unwrap().subject, wanted, "{kind}");
        let old = identity(&certificate, &key).unwrap().certificate().unwrap().digests.spki;
        assert_eq!(new.certificate().unwrap().digests.spki, old, "{kind}");
    }
    openssl(home, "req -x509 -newkey rsa:2048 -nodes -keyout key -out crt -subj /CN=old");
    openssl(home, "pkey -in key -traditional -out old");
    assert!(renewed(&read(home, "crt"), &read(home, "old"), 1).is_ok(), "a key in the old form too");
}
