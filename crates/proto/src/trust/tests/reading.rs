//! The file, whole: lines, comments, what stands twice, and whom it finds.

use std::sync::Arc;

use super::*;

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
        (format!("# é\n  {}x\n", &a[..20]), "line 2, column 23: 'x' is not a hexadecimal digit, of which 64"),
        (format!("\n{}\n", &a[..20]), "line 2, column 1: 8 digits after \"spki-sha256:\", not 64"),
        (format!("{a} # é\u{7}\n"), "line 1, column 81: '\\u{7}' is a control character"),
        (format!("{a}\r \n"), "line 1, column 77: '\\r' is a control character"),
        (format!("{a}\n{a}"), "line 2, column 77: the last line has no line end; expected one"),
        (format!("{a} # x"), "line 1, column 81: the last line has no line end; expected one"),
        (format!("{a}\n {a} name=b\n"), "line 2, column 2: this pin stands on line 1 already"),
        (
            format!("{a} name=a\n{} commands=name=a name=a\n", spki(2)),
            "line 2, column 94: the name \"a\" stands on line 1 already",
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
        assert!(
            list.matching(&DIGESTS).map(|entry| entry.line).eq(2..5),
            "the others are known, and mean nothing"
        );
        lines.rotate_left(1);
    }
    let others = parse(&others).unwrap();
    assert_eq!((others.find(&DIGESTS), others.matching(&DIGESTS).count()), (None, 0));
}

proptest::proptest! {
    /// Errors are placed by byte and told by character: no text may make that slip.
    #[test]
    fn no_text_makes_a_reader_panic(text in "([ \t#é:=\u{feff}\r\n]|name=|commands=|from=|10.0.0.0/|expires=2027-0|connections=|admin|spki-sha256:|a{64}|\\PC){0,12}\n?") {
        let read = TrustList::parse(text.as_bytes(), Sha1::Refuse);
        let new = Entry { name: Some("new".into()), ..Entry::of(Pin::Sha1([1; 20])) };
        let added = add(&text, &new);
        proptest::prop_assert!(read.is_err() || added.is_ok());
        if let Ok(added) = added {
            proptest::prop_assert_eq!(remove(&added, "new").map(|removed| removed.text), Ok(text));
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = TrustList::parse(&bytes, Sha1::Accept);
    }
}
