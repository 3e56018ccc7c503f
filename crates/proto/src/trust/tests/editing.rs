//! Lines added and taken out.

use super::*;

fn entry(pin: Pin, name: Option<&str>, comment: Option<&str>) -> Entry {
    Entry { name: name.map(str::to_owned), comment: comment.map(str::to_owned), ..Entry::of(pin) }
}

#[test]
fn a_line_is_added_at_the_end_and_taken_out_again() {
    let text = format!("# ours\r\n{}   name=a#\n", spki(1)).replace("a#", "a  # old");
    let pin = Pin::Certificate([0xef; 32]);
    let more = add(&text, &entry(pin, Some("bob"), Some(" his phone "))).unwrap();
    assert_eq!(more, format!("{text}{pin}  name=bob  # his phone\n"));
    assert_eq!(add("", &Entry::of(pin)).unwrap(), format!("{pin}\n"));
    for what in ["bob", "efef", "EF:EF", "sha256:efef", &pin.to_string()] {
        let removed = remove(&more, what).unwrap();
        assert_eq!((&removed.text, removed.entry.pin, removed.entry.line), (&text, pin, 3), "{what}");
        assert_eq!(removed.others, []);
    }
    assert_eq!(remove(&more, "a").unwrap().text, format!("# ours\r\n{pin}  name=bob  # his phone\n"));
}

#[test]
fn what_is_added_can_be_read_back() {
    let comments = [None, Some(""), Some("  "), Some("#"), Some("a # b"), Some("a\tb"), Some("é \u{2028}")];
    for comment in comments {
        let text = add("", &entry(Pin::Spki([1; 32]), Some("a"), comment)).unwrap();
        let list = parse(&text).unwrap();
        let wanted = comment.map(str::trim).filter(|comment| !comment.is_empty());
        assert_eq!(list.entries()[0].comment.as_deref(), wanted);
    }
}

#[test]
fn edits_that_would_break_the_file_are_refused() {
    let text = format!("{} name=a\n", spki(1));
    let (there, new) = (Pin::Spki([1; 32]), Pin::Spki([2; 32]));
    assert!(matches!(add(&text, &Entry::of(there)), Err(EditError::PinThere(entry)) if entry.line == 1));
    assert!(
        matches!(add(&text, &entry(new, Some("a"), None)), Err(EditError::NameThere(entry)) if entry.line == 1)
    );
    assert!(matches!(add(&text, &entry(new, Some("a b"), None)), Err(EditError::Entry(_))));
    assert!(matches!(add(&text, &entry(new, None, Some("x\ny"))), Err(EditError::Comment)));
    assert!(matches!(add(text.trim_end(), &Entry::of(new)), Err(EditError::Broken(_))));
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
    assert_eq!(remove(&text, "sha256:abab").unwrap().entry.line, 2);
    assert_eq!(remove(&text, "spki-sha256:ABAB").unwrap().entry.line, 1);
}

#[test]
fn a_whole_pin_wins_over_those_that_begin_with_it() {
    let short = Pin::Sha1([0xab; 20]).to_string();
    let long = Pin::Certificate([0xab; 32]).to_string();
    let text = format!("{long}\n{short}\n");
    let removed = remove(&text, &short).unwrap();
    assert_eq!((removed.text, removed.entry.line), (format!("{long}\n"), 2));
    let half = &short[..20];
    assert!(matches!(remove(&text, half), Err(EditError::Ambiguous(all)) if all.len() == 2));
}

#[test]
fn the_line_that_rules_over_a_certificate_is_taken_out_and_the_others_are_named() {
    let [key, whole, old] = Pin::all_of(&DIGESTS);
    let text = format!("{}\n{old}  # line 2\n{key} name=a\n{whole}\n", spki(1));
    let removed = remove_of(&text, &DIGESTS).unwrap();
    assert_eq!(removed.text, text.replace(&format!("{old}  # line 2\n"), ""));
    assert_eq!((removed.entry.pin, removed.entry.line), (old, 2));
    let others: Vec<_> = removed.others.iter().map(|other| (other.pin, other.line)).collect();
    assert_eq!(others, [(key, 3), (whole, 4)]);
    let nobody = remove_of(&format!("{}\n", spki(1)), &DIGESTS);
    assert_eq!(nobody, Err(EditError::NotThere(key.to_string())));
    assert!(matches!(remove_of("x\n", &DIGESTS), Err(EditError::Broken(_))));
}

#[test]
fn a_beginning_of_a_pin_has_enough_digits_of_it() {
    let pin = Pin::Spki([0xab; 32]);
    let most = "ab".repeat(32);
    for what in ["abababababababab", "spki-sha256:ABAB:ABAB:ABAB:ABAB", &most, &pin.to_string()] {
        assert!(begins(&pin, what, 16), "{what}");
    }
    let more = most.clone() + "ab";
    let colons = format!("abab{}", ":".repeat(20));
    for what in ["", "abababababababa", "sha256:abababababababab", "babababababababa", &more, &colons] {
        assert!(!begins(&pin, what, 16), "{what}");
    }
}
