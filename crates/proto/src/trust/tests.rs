//! The trust file: read, judged by, edited.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::*;
use crate::certificate::{Certificate, Digests};
use crate::code::Code;
use crate::identity::{KeyKind, generate};

/// 2026-01-31T12:00:00Z.
const NOW: i64 = 1_769_860_800;
const DAY: i64 = 86_400;
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const DIGESTS: Digests = Digests { spki: [0xaa; 32], certificate: [0xbb; 32], sha1: [0xcc; 20] };

fn parse(text: &str) -> Result<TrustList, Vec<String>> {
    let list = TrustList::parse(text.as_bytes(), Sha1::Refuse);
    list.map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

fn spki(byte: u8) -> String {
    Pin::Spki([byte; 32]).to_string()
}

fn certificate(now: i64) -> CertificateDer<'static> {
    let made = generate(KeyKind::Ed25519, "alice", now, 1).unwrap();
    CertificateDer::from_pem_slice(made.certificate_pem.as_bytes()).unwrap()
}

#[test]
fn lines_names_and_comments() {
    let (a, b) = (spki(1), Pin::Certificate([2; 32]).to_string());
    let text = format!(
        "# the office\n\n   \t\n{a}  name=alice-1.x_Y   # her laptop # new\r\n\t{b}\n{}#\n",
        spki(3) + " "
    );
    let list = parse(&text).unwrap();
    let wanted = [
        Entry {
            name: Some("alice-1.x_Y".into()),
            comment: Some("her laptop # new".into()),
            line: 4,
            ..Entry::of(a.parse().unwrap())
        },
        Entry { line: 5, ..Entry::of(b.parse().unwrap()) },
        Entry { line: 6, ..Entry::of(Pin::Spki([3; 32])) },
    ];
    assert_eq!(list.entries(), wanted.map(Arc::new));
    assert_eq!(list.entries()[0].to_string(), format!("{a}  name=alice-1.x_Y  # her laptop # new"));
    assert_eq!((list.len(), list.is_empty()), (3, false));
    assert!(parse("").unwrap().is_empty() && TrustList::nobody().is_empty());
}

#[test]
fn errors_name_line_column_and_what_was_expected() {
    let a = spki(1);
    let cases = [
        (
            format!("{a} admin\n"),
            "line 1, column 78: \"admin\" is not an option; expected \"name=…\" or \"# comment\"",
        ),
        (format!("{a}\tname=\n"), "line 1, column 83: an empty name; expected 1 to 64 of A-Z a-z 0-9 . _ -"),
        (
            format!("{a} name=al/ce\n"),
            "line 1, column 85: '/' in a name; expected 1 to 64 of A-Z a-z 0-9 . _ -",
        ),
        (
            format!("{a} name=al#ce\n"),
            "line 1, column 85: '#' in a name; expected 1 to 64 of A-Z a-z 0-9 . _ -",
        ),
        (format!("{a} name={}\n", "x".repeat(65)), "line 1, column 147: a name of 65 characters; expected"),
        (format!("{a} name=a name=b\n"), "line 1, column 85: a second name; expected one at most"),
        (format!("# é\n  {}x\n", &a[..20]), "line 2, column 23: 'x' is not a hexadecimal digit, of which 64"),
        (format!("\n{}\n", &a[..20]), "line 2, column 1: 8 digits after \"spki-sha256:\", not 64"),
        (format!("{a} # é\u{7}\n"), "line 1, column 81: '\\u{7}' is a control character"),
        (format!("{a}\r \n"), "line 1, column 77: '\\r' is a control character"),
        (format!("{a}\n{a}"), "line 2, column 77: the last line has no line end; expected one"),
        (format!("{a} # x"), "line 1, column 81: the last line has no line end; expected one"),
        (format!("{a}\n {a} name=b\n"), "line 2, column 2: this pin stands on line 1 already"),
        (
            format!("{a} name=a\n{} name=a\n", spki(2)),
            "line 2, column 78: the name \"a\" stands on line 1 already",
        ),
        (format!("\u{feff}{a}\n"), "line 1, column 1: a byte order mark; expected plain UTF-8"),
        (
            format!("{}\n", "ab".repeat(20)),
            "line 1, column 1: a SHA-1 pin, which is taken only where the operator accepts SHA-1",
        ),
    ];
    for (text, wanted) in cases {
        let errors = parse(&text).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].starts_with(wanted), "{}\n{wanted}", errors[0]);
    }
    let bad = TrustList::parse(b"# \xc3\xa9 \xff\n", Sha1::Refuse).unwrap_err();
    assert_eq!(bad[0].to_string(), "line 1, column 5: this is not UTF-8");
}

#[test]
fn all_errors_are_told_and_nothing_of_a_bad_file_is_used() {
    let errors = parse(&format!("x\n{}\ny\n", spki(1))).unwrap_err();
    assert_eq!(errors.len(), 2);
    assert!(errors[1].starts_with("line 3, column 1: 'y'"));
}

#[test]
fn sha1_pins_are_taken_where_the_operator_accepts_them() {
    let text = format!("{}\n", vec!["CC"; 20].join(":"));
    let list = TrustList::parse(text.as_bytes(), Sha1::Accept).unwrap();
    assert_eq!(list.find(&DIGESTS).unwrap().pin, Pin::Sha1([0xcc; 20]));
}

#[test]
fn the_first_line_that_matches_rules_alone() {
    let [key, whole, old] = Pin::all_of(&DIGESTS).map(|pin| pin.to_string());
    let others = spki(1) + "\n";
    let mut lines =
        [format!("{key} name=key\n"), format!("{whole} name=whole\n"), format!("{old} name=old\n")];
    for first in ["key", "whole", "old"] {
        let text = others.clone() + &lines.concat();
        let list = TrustList::parse(text.as_bytes(), Sha1::Accept).unwrap();
        let entry = list.find(&DIGESTS).unwrap();
        assert_eq!((entry.name.as_deref(), entry.line), (Some(first), 2));
        lines.rotate_left(1);
    }
    assert_eq!(parse(&others).unwrap().find(&DIGESTS), None);
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

#[test]
fn a_line_is_added_at_the_end_and_taken_out_again() {
    let text = format!("# ours\r\n{}   name=a#\n", spki(1)).replace("a#", "a  # old");
    let pin = Pin::Certificate([0xef; 32]);
    let more = add(&text, &pin, Some("bob"), Some(" his phone ")).unwrap();
    assert_eq!(more, format!("{text}{pin}  name=bob  # his phone\n"));
    assert_eq!(add("", &pin, None, None).unwrap(), format!("{pin}\n"));
    for what in ["bob", "efef", "EF:EF", "sha256:efef", &pin.to_string()] {
        let (left, entry) = remove(&more, what).unwrap();
        assert_eq!((left.as_str(), entry.pin, entry.line), (text.as_str(), pin, 3), "{what}");
    }
    let (left, _) = remove(&more, "a").unwrap();
    assert_eq!(left, format!("# ours\r\n{pin}  name=bob  # his phone\n"));
}

#[test]
fn what_is_added_can_be_read_back() {
    let comments = [None, Some(""), Some("  "), Some("#"), Some("a # b"), Some("é \u{2028}")];
    for comment in comments {
        let text = add("", &Pin::Spki([1; 32]), Some("a"), comment).unwrap();
        let list = parse(&text).unwrap();
        let wanted = comment.map(str::trim).filter(|comment| !comment.is_empty());
        assert_eq!(list.entries()[0].comment.as_deref(), wanted);
    }
}

#[test]
fn edits_that_would_break_the_file_are_refused() {
    let text = format!("{} name=a\n", spki(1));
    let (there, new) = (Pin::Spki([1; 32]), Pin::Spki([2; 32]));
    assert!(matches!(add(&text, &there, None, None), Err(EditError::PinThere(entry)) if entry.line == 1));
    assert!(matches!(add(&text, &new, Some("a"), None), Err(EditError::NameThere(entry)) if entry.line == 1));
    assert!(matches!(add(&text, &new, Some("a b"), None), Err(EditError::Name(_))));
    assert!(matches!(add(&text, &new, None, Some("x\ny")), Err(EditError::Comment)));
    assert!(matches!(add(text.trim_end(), &new, None, None), Err(EditError::Broken(_))));
    assert!(matches!(remove("x\n", "x"), Err(EditError::Broken(_))));
}

#[test]
fn remove_takes_out_only_what_is_surely_meant() {
    let text = format!("{} name=a\n{}\n{} name=abab\n", spki(0xab), Pin::Certificate([0xab; 32]), spki(2));
    for what in ["", "aba", "b", "sha256:", "0101", "spki-sha256:0101"] {
        assert_eq!(remove(&text, what), Err(EditError::NotThere(what.to_owned())), "{what}");
    }
    let Err(EditError::Ambiguous(entries)) = remove(&text, "abab") else { panic!("three lines are meant") };
    assert_eq!(entries.iter().map(|entry| entry.line).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(remove(&text, "sha256:abab").unwrap().1.line, 2);
    assert_eq!(remove(&text, "spki-sha256:ABAB").unwrap().1.line, 1);
}

#[test]
fn a_whole_pin_wins_over_those_that_begin_with_it() {
    let short = Pin::Sha1([0xab; 20]).to_string();
    let long = Pin::Certificate([0xab; 32]).to_string();
    let text = format!("{long}\n{short}\n");
    let (left, gone) = remove(&text, &short).unwrap();
    assert_eq!((left, gone.line), (format!("{long}\n"), 2));
    let half = &short[..20];
    assert!(matches!(remove(&text, half), Err(EditError::Ambiguous(all)) if all.len() == 2));
}

proptest::proptest! {
    /// Errors are placed by byte and told by character: no text may make that slip.
    #[test]
    fn no_text_makes_a_reader_panic(text in "([ \t#é:=\u{feff}\r\n]|name=|spki-sha256:|a{64}|\\PC){0,12}\n?") {
        let read = TrustList::parse(text.as_bytes(), Sha1::Refuse);
        let added = add(&text, &Pin::Sha1([1; 20]), Some("new"), None);
        proptest::prop_assert!(read.is_err() || added.is_ok());
        if let Ok(added) = added {
            proptest::prop_assert_eq!(remove(&added, "new").map(|(left, _)| left), Ok(text));
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = TrustList::parse(&bytes, Sha1::Accept);
    }
}
