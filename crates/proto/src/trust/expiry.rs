//! When an entry ends: an RFC 3339 date or time. Knows no clock.

use std::fmt;
use std::ops::RangeInclusive;

use time::{Date, Month};

use super::entry::{Wrong, wrong};

/// When an entry ends. `Display` writes it as the file holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// The first moment at which it has ended, unix seconds. A date ends with its day, in UTC; of a time the
    /// fraction of a second is dropped, so that nobody stays longer than was meant.
    pub at: i64,
    pub(super) text: String,
}

impl Expiry {
    /// Reads `2027-01-31` or `2027-01-31T12:00:00Z`; the error's place counts from the first byte.
    pub(super) fn parse(text: &str) -> Result<Expiry, Wrong> {
        let mut reader = Reader { text, at: 0 };
        let midnight = reader.date()? * DAY;
        let at = if reader.rest().is_empty() { midnight + DAY } else { midnight + reader.time()? };
        Ok(Expiry { at, text: text.to_owned() })
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What is read up to `at`, all of it ASCII.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    /// Days since 1970-01-01.
    fn date(&mut self) -> Result<i64, Wrong> {
        let year = self.number(4, 0..=9_999)?;
        self.one_of("-")?;
        let month = self.number(2, 1..=12)?;
        self.one_of("-")?;
        let at = self.at;
        let day = self.number(2, 1..=31)?;
        let date = calendar(year, month, day)
            .ok_or_else(|| wrong(at, format!("{} is on no calendar; {EXPECTED}", &self.text[..self.at])))?;
        Ok(i64::from(date.to_julian_day() - EPOCH))
    }

    /// Seconds since that day began in UTC, to the end of the text.
    fn time(&mut self) -> Result<i64, Wrong> {
        self.one_of("Tt")?;
        let hours = self.number(2, 0..=23)?;
        self.one_of(":")?;
        let minutes = self.number(2, 0..=59)?;
        self.one_of(":")?;
        let seconds = self.number(2, 0..=59)?;
        self.fraction()?;
        let offset = self.offset()?;
        if !self.rest().is_empty() {
            return Err(self.unexpected());
        }
        Ok(i64::from((hours * 60 + minutes) * 60 + seconds) - offset)
    }

    fn fraction(&mut self) -> Result<(), Wrong> {
        if !self.rest().starts_with('.') {
            return Ok(());
        }
        self.at += 1;
        self.one_of(DIGITS)?;
        while self.one_of(DIGITS).is_ok() {}
        Ok(())
    }

    /// Seconds by which it is later there than in UTC.
    fn offset(&mut self) -> Result<i64, Wrong> {
        if self.rest().is_empty() {
            let text = "a time without its offset; expected \"Z\" or one like \"+02:00\" behind it";
            return Err(wrong(self.at, text.to_owned()));
        }
        let sign = match self.one_of("Zz+-")? {
            '+' => 1,
            '-' => -1,
            _ => return Ok(0),
        };
        let hours = self.number(2, 0..=23)?;
        self.one_of(":")?;
        let minutes = self.number(2, 0..=59)?;
        Ok(sign * i64::from((hours * 60 + minutes) * 60))
    }

    fn number(&mut self, digits: usize, range: RangeInclusive<i32>) -> Result<i32, Wrong> {
        let at = self.at;
        let mut number = 0;
        for _ in 0..digits {
            number = number * 10 + self.one_of(DIGITS)?.to_digit(10).map_or(0, u32::cast_signed);
        }
        if range.contains(&number) {
            return Ok(number);
        }
        let (first, last) = (range.start(), range.end());
        Err(wrong(at, format!("{:?} here; expected {first:02} to {last:02}", &self.text[at..self.at])))
    }

    fn one_of(&mut self, wanted: &str) -> Result<char, Wrong> {
        let next = self.rest().chars().next().filter(|c| wanted.contains(*c));
        self.at += usize::from(next.is_some());
        next.ok_or_else(|| self.unexpected())
    }

    fn unexpected(&self) -> Wrong {
        match self.rest().chars().next() {
            Some(c) => wrong(self.at, format!("{c:?} here; {EXPECTED}")),
            None => wrong(self.at, format!("it ends too early; {EXPECTED}")),
        }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }
}

fn calendar(year: i32, month: i32, day: i32) -> Option<Date> {
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    Date::from_calendar_date(year, month, u8::try_from(day).ok()?).ok()
}

const EXPECTED: &str =
    "expected a date (\"2027-01-31\": the end of that day, UTC) or a time (\"2027-01-31T12:00:00Z\")";

const DIGITS: &str = "0123456789";

/// Seconds.
const DAY: i64 = 86_400;

/// The Julian day of 1970-01-01.
const EPOCH: i32 = 2_440_588;
