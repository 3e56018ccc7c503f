//! Trust files: errors point where they say, what is read can be printed and read again, and an edit leaves
//! every other byte as it was.

use std::sync::Arc;

use pinwire_proto::certificate::Digests;
use pinwire_proto::trust::{Entry, LineError, Pin, Sha1, TrustList, add, remove};

use crate::choices::Choices;

/// See the module. The input is a trust file; its last bytes also say what is added to it.
///
/// # Panics
/// At a finding.
pub fn run(bytes: &[u8]) {
    let accepted = TrustList::parse(bytes, Sha1::Accept);
    match &accepted {
        Ok(list) => {
            reads_what_it_prints(list);
            finds_the_first_line(list);
            refuses_sha1_alone(bytes, list);
        }
        Err(errors) => points_at_errors(bytes, errors),
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    adds(text, accepted.as_ref().ok(), bytes);
    if let Ok(list) = accepted {
        removes(text, &list);
    }
}

/// An entry but for its line.
fn bare(entry: &Arc<Entry>) -> Entry {
    Entry { line: 0, ..entry.as_ref().clone() }
}

fn parse(text: &str) -> TrustList {
    TrustList::parse(text.as_bytes(), Sha1::Accept).expect("a file in order")
}

fn reads_what_it_prints(list: &TrustList) {
    let printed: String = list.entries().iter().map(|entry| format!("{entry}\n")).collect();
    let read = parse(&printed);
    assert!(read.entries().iter().map(bare).eq(list.entries().iter().map(bare)), "{printed}");
    assert!(list.entries().is_sorted_by_key(|entry| entry.line));
}

/// "If several entries match, the first line of the file rules alone."
fn finds_the_first_line(list: &TrustList) {
    let none = Digests { spki: [0; 32], certificate: [0; 32], sha1: [0; 20] };
    let mut all = none;
    for entry in list.entries() {
        let mut digests = none;
        for digests in [&mut digests, &mut all] {
            match entry.pin {
                Pin::Spki(pin) => digests.spki = pin,
                Pin::Certificate(pin) => digests.certificate = pin,
                Pin::Sha1(pin) => digests.sha1 = pin,
            }
        }
        for digests in [digests, all] {
            let first = list.entries().iter().find(|entry| entry.pin.matches(&digests));
            assert_eq!(list.find(&digests), first);
        }
    }
}

fn refuses_sha1_alone(bytes: &[u8], list: &TrustList) {
    let is_old = |entry: &&Arc<Entry>| matches!(entry.pin, Pin::Sha1(_));
    let lines: Vec<usize> = list.entries().iter().filter(is_old).map(|entry| entry.line).collect();
    match TrustList::parse(bytes, Sha1::Refuse) {
        Ok(same) => assert!(lines.is_empty() && same.entries() == list.entries()),
        Err(errors) => assert!(errors.iter().map(|error| error.line).eq(lines)),
    }
}

/// Each error names a place that is there, and is about that line; without those lines all is well.
fn points_at_errors(bytes: &[u8], errors: &[LineError]) {
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    assert!(errors.is_sorted_by(|a, b| a.line < b.line) && !errors.is_empty());
    for error in errors {
        let line = lines[error.line - 1];
        let most = String::from_utf8_lossy(line).chars().count() + 1;
        assert!((1..=most).contains(&error.column), "{error}");
        assert!(!error.text.contains(char::is_control), "{error:?}");
        match TrustList::parse(line, Sha1::Accept) {
            // Alone it is right: only another line, that stands before it, makes it wrong.
            Ok(_) => assert!(error.text.contains(" stands on line "), "{error}"),
            Err(alone) => assert_eq!(alone, [LineError { line: 1, ..error.clone() }]),
        }
    }
    let is_good = |line: usize| errors.iter().all(|error| error.line != line);
    let left: Vec<u8> =
        (1..).zip(&lines).filter(|(line, _)| is_good(*line)).flat_map(|(_, it)| *it).copied().collect();
    TrustList::parse(&left, Sha1::Accept).expect("what is left has no error");
}

fn adds(text: &str, list: Option<&TrustList>, bytes: &[u8]) {
    let mut choices = Choices::new(&bytes[bytes.len().saturating_sub(40)..]);
    let mut digits = [0; 32];
    digits.iter_mut().for_each(|byte| *byte = choices.byte());
    let pin = if choices.flag() { Pin::Spki(digits) } else { Pin::Certificate(digits) };
    let last = text.trim_end().rsplit(' ').next().unwrap_or_default();
    let name = choices.flag().then_some(last);
    let comment = text.lines().next().filter(|_| choices.flag());
    let Ok(longer) = add(text, &pin, name, comment) else { return };
    let list = list.expect("nothing is added to what is not in order");
    assert!(longer.starts_with(text) && longer.ends_with('\n'));
    let now = parse(&longer);
    let (entry, before) = now.entries().split_last().expect("one was added");
    assert_eq!(before, list.entries());
    assert_eq!((entry.pin, entry.name.as_deref()), (pin, name));
    let comment = comment.map(str::trim).filter(|comment| !comment.is_empty());
    assert_eq!(entry.comment.as_deref(), comment);
    assert_eq!(entry.line, longer.lines().count());
    let (back, gone) = remove(&longer, &pin.to_string()).expect("its pin means it");
    assert_eq!((&*back, &gone), (text, entry));
}

fn removes(text: &str, list: &TrustList) {
    for entry in list.entries() {
        let names = entry.name.clone().into_iter().chain([entry.pin.to_string()]);
        for what in names {
            let Ok((left, gone)) = remove(text, &what) else {
                // 40 digits alone can be another line's name, or the beginning of its pin.
                assert!(!what.contains(':'), "a whole pin of its kind means one line: {what}");
                continue;
            };
            let is_meant = gone.name.as_deref() == Some(&*what) || gone.pin == entry.pin || what.len() < 40;
            assert!(is_meant, "{what} took out {gone}");
            let lines: Vec<&str> = text.split_inclusive('\n').collect();
            let others = [&lines[..gone.line - 1], &lines[gone.line..]].concat();
            assert_eq!(left, others.concat(), "every other line stays as it is");
            let rest = list.entries().iter().filter(|other| **other != gone).map(bare);
            assert!(parse(&left).entries().iter().map(bare).eq(rest));
        }
    }
}
