//! Trust files: errors point where they say, what is read can be printed and read again, and an edit leaves
//! every other byte as it was.

use std::sync::Arc;

use pinwire_proto::certificate::Digests;
use pinwire_proto::trust::{Entry, LineError, Pin, Sha1, TrustList, add, begins, remove, remove_of};

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
    let mut choices = Choices::new(&bytes[bytes.len().saturating_sub(40)..]);
    adds(text, accepted.as_ref().ok(), &mut choices);
    if let Ok(list) = accepted {
        removes(text, &list);
        half_of_it_is_an_error(bytes, choices.number());
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
    let mut all = NONE;
    for entry in list.entries() {
        show(&mut all, &entry.pin);
        for digests in [digests_of(&entry.pin), all] {
            let all = || list.entries().iter().filter(|entry| entry.pin.matches(&digests));
            assert!(list.matching(&digests).eq(all()));
            assert_eq!(list.find(&digests), all().next());
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

/// A line that is cut could say less than it was to say, and then trust more.
fn half_of_it_is_an_error(bytes: &[u8], choice: usize) {
    let last = bytes.split_inclusive(|byte| *byte == b'\n').next_back().unwrap_or_default();
    if last.len() > 1 {
        let gone = 1 + choice % (last.len() - 1);
        let lines = bytes.split(|byte| *byte == b'\n').count() - 1;
        let errors = TrustList::parse(&bytes[..bytes.len() - gone], Sha1::Accept).expect_err("half a line");
        assert!(errors.iter().map(|error| error.line).eq([lines]));
    }
}

fn adds(text: &str, list: Option<&TrustList>, choices: &mut Choices<'_>) {
    let mut digits = [0; 32];
    digits.iter_mut().for_each(|byte| *byte = choices.byte());
    let pin = if choices.flag() { Pin::Spki(digits) } else { Pin::Certificate(digits) };
    let last = text.lines().last().unwrap_or_default();
    let words: Vec<&str> = last.split([' ', '\t']).skip(usize::from(choices.flag())).collect();
    let entry = with(pin, &words).unwrap_or_else(|| unchecked(pin, &words));
    let comment = text.lines().next().filter(|_| choices.flag()).map(str::to_owned);
    let entry = Entry { comment, ..entry };
    let Ok(longer) = add(text, &entry) else { return };
    let list = list.expect("nothing is added to what is not in order");
    assert!(longer.starts_with(text) && longer.ends_with('\n'));
    let now = parse(&longer);
    let (there, before) = now.entries().split_last().expect("one was added");
    assert_eq!(before, list.entries());
    let comment = entry.comment.as_deref().map(str::trim).filter(|comment| !comment.is_empty());
    assert_eq!(bare(there), Entry { comment: comment.map(str::to_owned), ..entry });
    assert_eq!(there.line, longer.lines().count());
    let removed = remove(&longer, &pin.to_string()).expect("its pin means it");
    assert_eq!((&*removed.text, &removed.entry), (text, there));
}

/// The same words behind the same pin in a file mean the same, or break the same rule at the same place.
fn with(pin: Pin, words: &[&str]) -> Option<Entry> {
    let made = Entry::with(pin, words);
    let stand_in_lines = words.iter().all(|word| !word.starts_with('#') && !word.contains(char::is_control));
    if !stand_in_lines || words.contains(&"") {
        return made.ok();
    }
    let read = TrustList::parse(format!("{pin} {}\n", words.join(" ")).as_bytes(), Sha1::Accept);
    match (made, read) {
        (Ok(entry), Ok(list)) => {
            assert_eq!(entry, bare(&list.entries()[0]));
            Some(entry)
        }
        (Err(error), Err(errors)) => {
            let before = words[..error.word].iter().map(|word| word.chars().count() + 1).sum::<usize>();
            let inside = words[error.word][..error.at].chars().count();
            let column = pin.to_string().len() + 1 + before + inside + 1;
            assert_eq!(errors, [LineError { line: 1, column, text: error.text }]);
            None
        }
        (made, read) => panic!("{made:?}, but {read:?}"),
    }
}

/// What a caller could put together without the grammar.
fn unchecked(pin: Pin, words: &[&str]) -> Entry {
    let (name, commands) = words.split_first().map_or((None, &[][..]), |(name, rest)| (Some(*name), rest));
    Entry {
        name: name.map(str::to_owned),
        commands: Some(commands.iter().map(|word| (*word).to_owned()).collect()),
        from: commands.iter().filter_map(|word| word.parse().ok()).collect(),
        ..Entry::of(pin)
    }
}

fn removes(text: &str, list: &TrustList) {
    for entry in list.entries() {
        let names = entry.name.clone().into_iter().chain([entry.pin.to_string()]);
        for what in names {
            let Ok(removed) = remove(text, &what) else {
                // 40 digits alone can be another line's name, or the beginning of its pin.
                assert!(!what.contains(':'), "a whole pin of its kind means one line: {what}");
                continue;
            };
            let gone = removed.entry;
            let is_meant = gone.name.as_deref() == Some(&*what) || gone.pin == entry.pin || what.len() < 40;
            assert!(is_meant, "{what} took out {gone}");
            leaves_the_others(text, list, &removed.text, &gone);
        }
        let digests = digests_of(&entry.pin);
        let removed = remove_of(text, &digests).expect("it is there");
        assert!(list.matching(&digests).eq([&removed.entry].into_iter().chain(&removed.others)));
        leaves_the_others(text, list, &removed.text, &removed.entry);
        assert!(begins(&entry.pin, &entry.pin.to_string(), 40));
    }
}

fn leaves_the_others(text: &str, list: &TrustList, left: &str, gone: &Arc<Entry>) {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let others = [&lines[..gone.line - 1], &lines[gone.line..]].concat();
    assert_eq!(left, others.concat(), "every other line stays as it is");
    let rest = list.entries().iter().filter(|other| *other != gone).map(bare);
    assert!(parse(left).entries().iter().map(bare).eq(rest));
}

/// Of a certificate that this pin alone matches.
fn digests_of(pin: &Pin) -> Digests {
    let mut digests = NONE;
    show(&mut digests, pin);
    digests
}

fn show(digests: &mut Digests, pin: &Pin) {
    match *pin {
        Pin::Spki(pin) => digests.spki = pin,
        Pin::Certificate(pin) => digests.certificate = pin,
        Pin::Sha1(pin) => digests.sha1 = pin,
    }
}

const NONE: Digests = Digests { spki: [0; 32], certificate: [0; 32], sha1: [0; 20] };
