//! Whom a list lets in, when and from where; and again, when the list or the time has changed.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::*;
use crate::certificate::Certificate;
use crate::code::Code;
use crate::identity::{KeyKind, generate};

/// 2026-01-31T12:00:00Z.
const NOW: i64 = 1_769_860_800;
const DAY: i64 = 86_400;
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn certificate(now: i64) -> CertificateDer<'static> {
    let made = generate(KeyKind::Ed25519, "alice", now, 1).unwrap();
    CertificateDer::from_pem_slice(made.certificate_pem.as_bytes()).unwrap()
}

#[test]
fn a_client_on_the_list_is_let_in_under_its_name() {
    let der = certificate(NOW);
    let certificate = Certificate::parse(&der).unwrap();
    let pin = Pin::Spki(certificate.digests.spki);
    let list = parse(&format!("{pin} name=alice\n")).unwrap();
    let wanted = Judged {
        entry: Arc::new(Entry { name: Some("alice".into()), line: 1, ..Entry::of(pin) }),
        digests: certificate.digests,
        not_before: certificate.not_before,
        not_after: certificate.not_after,
        subject: "CN=alice".into(),
    };
    for now in [certificate.not_before, NOW, certificate.not_after] {
        assert_eq!(judge(&list, Presented::Certificate(&der), LOCAL, now).as_ref(), Ok(&wanted));
    }
}

#[test]
fn refusals_come_in_the_protocols_order_with_its_texts() {
    let der = certificate(NOW);
    let digests = Certificate::parse(&der).unwrap().digests;
    let pin = Pin::Spki(digests.spki);
    let shown = Presented::Certificate(&der);
    let early = "the certificate is valid from 2026-01-30T12:00:00Z".to_owned();
    let late = "the certificate was valid until 2027-01-31T12:00:00Z".to_owned();
    let strange = format!("{pin} is not on the list; add it with `pinwire trust add {pin}`");
    let cases = [
        (Presented::Nothing, NOW, Code::NoCertificate, "a client certificate is required".to_owned()),
        (
            Presented::Certificate(b"x"),
            NOW,
            Code::CertificateUnreadable,
            "the certificate cannot be read: it is not an X.509 certificate in DER".to_owned(),
        ),
        (shown, NOW - DAY - 1, Code::CertificateNotYetValid, early),
        (shown, NOW + 365 * DAY + 1, Code::CertificateExpired, late),
        (shown, NOW, Code::UnfamiliarCertificate, strange),
    ];
    for (presented, now, code, text) in cases {
        let refusal = judge(&TrustList::nobody(), presented, LOCAL, now).unwrap_err();
        assert_eq!((refusal.code, refusal.text), (code, text));
        assert_eq!(refusal.digests.is_some(), code.number() > 2);
    }
}

/// A client that an entry with these options let in.
fn judged(options: &str, now: i64) -> Judged {
    let der = certificate(NOW);
    judge(&listing(options, &der), Presented::Certificate(&der), LOCAL, now).unwrap()
}

fn listing(options: &str, der: &[u8]) -> TrustList {
    let pin = Pin::Spki(Certificate::parse(der).unwrap().digests.spki);
    parse(&format!("{pin} {options}\n")).unwrap()
}

#[test]
fn an_entry_rules_to_its_last_second() {
    let der = certificate(NOW);
    let cases =
        [("2026-02-03", NOW + 3 * DAY + DAY / 2), ("2026-02-03T12:00:00+01:00", NOW + 3 * DAY - 3_600)];
    for (expires, end) in cases {
        let list = listing(&format!("expires={expires}"), &der);
        let at = |now| judge(&list, Presented::Certificate(&der), LOCAL, now);
        let judged = at(end - 1).unwrap();
        assert_eq!(judged.until(), end);
        for refusal in [at(end).unwrap_err(), judge_again(&list, &judged, LOCAL, end).unwrap_err()] {
            assert_eq!(
                (refusal.code, refusal.text),
                (Code::TrustExpired, format!("its entry expired: {expires}"))
            );
            assert_eq!(refusal.digests.as_deref(), Some(&judged.digests));
        }
    }
}

#[test]
fn time_ends_trust_with_the_entry_or_the_certificate_whichever_ends_first() {
    let end = NOW + 365 * DAY;
    let plain = judged("", NOW);
    assert_eq!((plain.not_after, plain.until()), (end, end + 1));
    assert_eq!(judged("expires=2099-01-01", NOW).until(), end + 1);
    assert_eq!(judged("expires=2026-01-31", NOW).until(), NOW + DAY / 2);
    let forever = Judged { not_after: i64::MAX, ..plain };
    assert_eq!(forever.until(), i64::MAX);
}

/// Certificate's times, the list, the entry's `expires`, its `from`: each earlier reason hides the later ones.
#[test]
fn the_order_of_judging_is_the_protocols() {
    let der = certificate(NOW);
    let elsewhere: IpAddr = "10.0.0.1".parse().unwrap();
    let both = "from=127.0.0.0/8 expires=2026-01-29";
    let cases = [
        (both, NOW - 2 * DAY, Code::CertificateNotYetValid),
        (both, NOW + 366 * DAY, Code::CertificateExpired),
        (both, NOW, Code::TrustExpired),
        ("from=127.0.0.0/8 expires=2026-02-02", NOW, Code::SourceNotAllowed),
    ];
    for (options, now, code) in cases {
        let list = listing(options, &der);
        let refusal = judge(&list, Presented::Certificate(&der), elsewhere, now).unwrap_err();
        assert_eq!(refusal.code, code);
    }
    for (now, code) in [(NOW - 2 * DAY, Code::CertificateNotYetValid), (NOW, Code::UnfamiliarCertificate)] {
        let refusal = judge(&TrustList::nobody(), Presented::Certificate(&der), elsewhere, now).unwrap_err();
        assert_eq!(refusal.code, code);
    }
}

#[test]
fn a_source_is_refused_by_its_address() {
    let der = certificate(NOW);
    let list = listing("from=10.0.0.0/8,fd00::/8", &der);
    let from = |address: &str| judge(&list, Presented::Certificate(&der), address.parse().unwrap(), NOW);
    assert!(from("10.1.2.3").is_ok() && from("fd00::1").is_ok());
    for address in ["203.0.113.9", "2001:db8::1"] {
        let refusal = from(address).unwrap_err();
        let text = format!("its entry does not let it in from {address}");
        assert_eq!((refusal.code, refusal.text), (Code::SourceNotAllowed, text));
    }
}

#[test]
fn who_is_in_is_judged_again_by_the_whole_order() {
    let judged = judged("name=alice", NOW);
    let key = Pin::Spki(judged.digests.spki);
    let again = |text: String, now| judge_again(&parse(&text).unwrap(), &judged, LOCAL, now);
    let cases = [
        (format!("{key}\n"), NOW - 2 * DAY, Code::CertificateNotYetValid),
        (format!("{key}\n"), NOW + 366 * DAY, Code::CertificateExpired),
        (String::new(), NOW + 366 * DAY, Code::CertificateExpired),
        (String::new(), NOW, Code::NoLongerTrusted),
        (format!("{}\n", spki(1)), NOW, Code::NoLongerTrusted),
        (format!("{key} from=::1 expires=2026-01-30\n"), NOW, Code::TrustExpired),
        (format!("{key} from=::1\n"), NOW, Code::SourceNotAllowed),
    ];
    for (text, now, code) in cases {
        let refusal = again(text, now).unwrap_err();
        assert_eq!(refusal.code, code);
        assert_eq!(refusal.digests.as_deref(), Some(&judged.digests));
    }
    let gone = again(String::new(), NOW).unwrap_err();
    assert_eq!(gone.text, format!("{key} was taken off the list"));
    let narrowed = again(format!("{key} name=bob commands=GET connections=1\n"), NOW).unwrap();
    assert_eq!((narrowed.name.as_deref(), narrowed.connections), (Some("bob"), Some(1)));
}

#[test]
fn another_pin_of_the_same_key_keeps_a_client_in() {
    let judged = judged("", NOW);
    for pin in Pin::all_of(&judged.digests) {
        let list = TrustList::parse(format!("{}\n{pin}\n", spki(1)).as_bytes(), Sha1::Accept).unwrap();
        assert_eq!(judge_again(&list, &judged, LOCAL, NOW).unwrap().pin, pin);
    }
}
