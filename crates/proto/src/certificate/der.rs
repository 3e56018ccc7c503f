//! The few steps of strict DER (X.690) that cut a certificate into its parts. Knows no field's meaning but
//! the two times.

use time::{Date, Month, PrimitiveDateTime, Time};

use super::Unreadable;

/// The parts of a certificate that decide something; a slice holds its tag and length too.
pub(super) struct Parts<'a> {
    pub(super) spki: &'a [u8],
    /// Unix seconds.
    pub(super) not_before: i64,
    /// Unix seconds; `i64::MAX` is never.
    pub(super) not_after: i64,
}

impl<'a> Parts<'a> {
    /// RFC 5280 4.1. Checks that each sequence on the way ends where its parent says, and that nothing
    /// trails.
    pub(super) fn cut(der: &'a [u8]) -> Result<Parts<'a>, Unreadable> {
        let mut outer = Reader(der);
        let mut certificate = outer.sequence()?;
        outer.end()?;
        let mut tbs = certificate.sequence()?;
        certificate.expect(SEQUENCE)?; // signatureAlgorithm
        certificate.expect(BIT_STRING)?; // signatureValue
        certificate.end()?;

        tbs.optional(VERSION)?;
        tbs.expect(INTEGER)?; // serialNumber
        tbs.expect(SEQUENCE)?; // signature
        tbs.expect(SEQUENCE)?; // issuer
        let (not_before, not_after) = times(tbs.sequence()?)?;
        tbs.expect(SEQUENCE)?; // subject
        let spki = tbs.expect(SEQUENCE)?;
        check_spki(spki)?;
        tbs.optional(ISSUER_UNIQUE_ID)?;
        tbs.optional(SUBJECT_UNIQUE_ID)?;
        tbs.optional(EXTENSIONS)?;
        tbs.end()?;
        Ok(Parts { spki: spki.whole, not_before, not_after })
    }
}

fn times(mut validity: Reader<'_>) -> Result<(i64, i64), Unreadable> {
    let not_before = time(validity.next()?).ok_or(Unreadable("its notBefore is not a time"))?;
    let last = validity.next()?;
    let not_after = time(last).ok_or(Unreadable("its notAfter is not a time"))?;
    validity.end()?;
    Ok((not_before, if last.content == NEVER { i64::MAX } else { not_after }))
}

fn check_spki(spki: Value<'_>) -> Result<(), Unreadable> {
    let mut inside = Reader(spki.content);
    inside.expect(SEQUENCE)?; // algorithm
    inside.expect(BIT_STRING)?; // subjectPublicKey
    inside.end()
}

/// RFC 5280 4.1.2.5: UTCTime is YYMMDDHHMMSSZ, GeneralizedTime YYYYMMDDHHMMSSZ, seconds and "Z" always
/// there; two digits of a year from 50 on are of the 20th century.
fn time(value: Value<'_>) -> Option<i64> {
    let (year, rest) = match (value.tag, value.content.len()) {
        (UTC_TIME, 13) => {
            let year = number(&value.content[..2])?;
            (if year >= 50 { 1900 + year } else { 2000 + year }, &value.content[2..])
        }
        (GENERALIZED_TIME, 15) => (number(&value.content[..4])?, &value.content[4..]),
        _ => return None,
    };
    let [fields @ .., b'Z'] = rest else { return None };
    let mut pairs = fields.chunks_exact(2).map(|pair| number(pair).and_then(|n| u8::try_from(n).ok()));
    let mut pair = || pairs.next().flatten();
    let date = Date::from_calendar_date(year, Month::try_from(pair()?).ok()?, pair()?).ok()?;
    let clock = Time::from_hms(pair()?, pair()?, pair()?).ok()?;
    Some(PrimitiveDateTime::new(date, clock).assume_utc().unix_timestamp())
}

fn number(digits: &[u8]) -> Option<i32> {
    digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i32::from(digit - b'0')))
}

/// One value: its tag, what is in it, and all its bytes.
#[derive(Clone, Copy)]
struct Value<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
}

/// What is left to read of one sequence.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Value<'a>, Unreadable> {
        let (header, length) = length(self.0).ok_or(BROKEN)?;
        let end = header.checked_add(length).ok_or(BROKEN)?;
        let whole = self.0.get(..end).ok_or(BROKEN)?;
        self.0 = &self.0[end..];
        Ok(Value { tag: whole[0], content: &whole[header..], whole })
    }

    fn expect(&mut self, tag: u8) -> Result<Value<'a>, Unreadable> {
        let value = self.next()?;
        if value.tag == tag { Ok(value) } else { Err(BROKEN) }
    }

    fn optional(&mut self, tag: u8) -> Result<(), Unreadable> {
        if self.0.first() == Some(&tag) {
            self.next()?;
        }
        Ok(())
    }

    fn sequence(&mut self) -> Result<Reader<'a>, Unreadable> {
        Ok(Reader(self.expect(SEQUENCE)?.content))
    }

    fn end(&self) -> Result<(), Unreadable> {
        if self.0.is_empty() { Ok(()) } else { Err(Unreadable("bytes trail where nothing may follow")) }
    }
}

/// The bytes of tag and length, and the length. X.690 10.1: definite and in the fewest bytes.
fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes.get(1..)? {
        [short @ 0..=0x7f, ..] => Some((2, usize::from(short))),
        [0x81, a @ 0x80..=0xff, ..] => Some((3, usize::from(a))),
        [0x82, a @ 1..=0xff, b, ..] => Some((4, usize::from(a) << 8 | usize::from(b))),
        [0x83, a @ 1..=0xff, b, c, ..] => {
            Some((5, usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)))
        }
        _ => None,
    }
}

const BROKEN: Unreadable = Unreadable("it is not an X.509 certificate in DER");
/// RFC 5280 4.1.2.5: "a certificate that has no well-defined expiration date".
const NEVER: &[u8] = b"99991231235959Z";

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const ISSUER_UNIQUE_ID: u8 = 0x81;
const SUBJECT_UNIQUE_ID: u8 = 0x82;
const EXTENSIONS: u8 = 0xa3;
