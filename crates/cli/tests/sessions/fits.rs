//! Whether what was shown is what a page says: `…` stands for anything, as a line of its own for any lines, and
//! sixteen hexadecimal digits for those of a pin, the same everywhere on the page.

use std::collections::BTreeMap;

/// The digits of pins that a page has shown so far: as the page writes their beginnings, and as they are.
#[derive(Default)]
pub(crate) struct Digits(BTreeMap<String, String>);

impl Digits {
    /// What is typed where the page says `line`: a whole pin where `…` stands behind the digits.
    pub(crate) fn typed(&self, line: &str) -> String {
        self.0.iter().fold(line.to_owned(), |line, (page, real)| {
            line.replace(&format!("{page}…"), real).replace(page, &real[..BEGINNING])
        })
    }

    /// Whether each line is what the page says. Digits that are new to the page are those that were shown.
    pub(crate) fn fit(&mut self, says: &[String], shown: &[String]) -> bool {
        let Some((first, rest)) = says.split_first() else { return shown.is_empty() };
        if first == "…" {
            return (0..=shown.len()).any(|from| self.fit(rest, &shown[from..]));
        }
        shown.split_first().is_some_and(|(line, others)| self.fits(first, line) && self.fit(rest, others))
    }

    pub(crate) fn fits(&mut self, says: &str, shown: &str) -> bool {
        let learnt = says_pins(says).zip(pins(shown)).filter(|(page, _)| !self.0.contains_key(*page));
        let learnt: Vec<(String, String)> =
            learnt.map(|(page, real)| (page.to_owned(), real.to_owned())).collect();
        // Nobody's digits are two people's.
        let is_new = |(_, real): &(String, String)| self.0.values().all(|known| known != real);
        if !learnt.iter().all(is_new) {
            return false;
        }
        let before = self.0.clone();
        self.0.extend(learnt);
        let says =
            self.0.iter().fold(says.to_owned(), |says, (page, real)| says.replace(page, &real[..BEGINNING]));
        let is_fit = line_fits(&says, shown);
        if !is_fit {
            self.0 = before;
        }
        is_fit
    }
}

fn says_pins(line: &str) -> impl Iterator<Item = &str> {
    runs(line).filter(|run| run.len() == BEGINNING)
}

fn pins(line: &str) -> impl Iterator<Item = &str> {
    runs(line).filter(|run| run.len() == WHOLE)
}

fn runs(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_ascii_hexdigit() || c.is_ascii_uppercase())
}

fn line_fits(says: &str, mut shown: &str) -> bool {
    let Some((first, rest)) = says.split_once('…') else { return says == shown };
    let Some(behind) = shown.strip_prefix(first) else { return false };
    shown = behind;
    let (between, last) = rest.rsplit_once('…').map_or((None, rest), |(between, last)| (Some(between), last));
    for part in between.into_iter().flat_map(|between| between.split('…')) {
        let Some(at) = shown.find(part) else { return false };
        shown = &shown[at + part.len()..];
    }
    shown.ends_with(last)
}

/// Digits of a pin that a page writes, as many as `trust approve` asks for; and all of them.
const BEGINNING: usize = 16;
const WHOLE: usize = 64;

#[test]
fn dots_stand_for_anything() {
    assert!(line_fits("a…c", "abbc") && line_fits("…", "") && line_fits("a…b…c…", "a1b2c3"));
    assert!(!line_fits("a…c", "abcd") && !line_fits("a…b…c", "ac") && !line_fits("a", "ab"));
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let fit = |says, shown| Digits::default().fit(&lines(says), &lines(shown));
    assert!(fit("a\nb…\n", "a\nbc\n") && !fit("a\n", "a\nb\n"));
    assert!(fit("a\n…\nd", "a\nb\nc\nd") && fit("a\n…", "a") && !fit("…\nd", "d\na"));
}

#[test]
fn digits_stand_for_the_same_pin_everywhere() {
    let (page, other) = ("3b0c7d51a9e4f286", "0011223344556677");
    let (real, stranger) = ("ab".repeat(32), "cd".repeat(32));
    let mut digits = Digits::default();
    assert!(digits.fits(&format!("made spki:{page}…"), &format!("made spki:{real}")));
    assert!(digits.fits(&format!("{page}… again"), &format!("{real} again")));
    assert!(!digits.fits(&format!("{page}…"), &stranger));
    assert!(!digits.fits(&format!("{other}…"), &real), "one pin is not two people's");
    assert_eq!(
        digits.typed(&format!("approve {page} {page}… {other}")),
        format!("approve {} {real} {other}", &real[..16])
    );
}
