//! A pin: what a trust list holds of a certificate. One way to print it, a few to write it.

use std::fmt;
use std::str::FromStr;

use crate::certificate::Digests;

/// One digest of a certificate. `Display` is its canonical form: lower case, no colons.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pin {
    /// `spki-sha256:` and 64 digits: SHA-256 of the SubjectPublicKeyInfo, the key itself.
    Spki([u8; 32]),
    /// `sha256:` and 64 digits: SHA-256 of the whole certificate.
    Certificate([u8; 32]),
    /// 40 digits: SHA-1 of the whole certificate, as the C original printed it.
    Sha1([u8; 20]),
}

impl Pin {
    /// Whether this is the pin of the certificate of these digests.
    pub fn matches(&self, digests: &Digests) -> bool {
        match self {
            Pin::Spki(pin) => *pin == digests.spki,
            Pin::Certificate(pin) => *pin == digests.certificate,
            Pin::Sha1(pin) => *pin == digests.sha1,
        }
    }

    /// Every pin of the certificate of these digests.
    pub fn all_of(digests: &Digests) -> [Pin; 3] {
        [Pin::Spki(digests.spki), Pin::Certificate(digests.certificate), Pin::Sha1(digests.sha1)]
    }

    /// What stands before the digits.
    pub(crate) fn prefix(&self) -> &'static str {
        match self {
            Pin::Spki(_) => SPKI,
            Pin::Certificate(_) => CERTIFICATE,
            Pin::Sha1(_) => "",
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Pin::Spki(bytes) | Pin::Certificate(bytes) => bytes,
            Pin::Sha1(bytes) => bytes,
        }
    }
}

impl FromStr for Pin {
    type Err = PinError;

    /// Reads a pin; case does not matter, nor do colons between the digits.
    fn from_str(text: &str) -> Result<Pin, PinError> {
        if let Some(rest) = strip(text, SPKI) {
            digits(rest, SPKI).map(Pin::Spki)
        } else if let Some(rest) = strip(text, CERTIFICATE) {
            digits(rest, CERTIFICATE).map(Pin::Certificate)
        } else {
            digits(text, "").map(Pin::Sha1)
        }
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.prefix())?;
        self.bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

/// Text that is no pin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinError {
    /// The byte of the text at which it stops being one.
    pub at: usize,
    /// What was found and what was expected. Holds no control characters.
    pub text: String,
}

impl fmt::Display for PinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for PinError {}

fn strip<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

fn digits<const N: usize>(text: &str, prefix: &str) -> Result<[u8; N], PinError> {
    let mut out = [0; N];
    let mut count = 0;
    for (at, c) in text.char_indices().filter(|(_, c)| *c != ':') {
        let Some(digit) = c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()) else {
            return Err(PinError { at: prefix.len() + at, text: not_a_digit(c, prefix) });
        };
        if let Some(byte) = out.get_mut(count / 2) {
            *byte = *byte << 4 | digit;
        }
        count += 1;
    }
    if count == 2 * N { Ok(out) } else { Err(PinError { at: 0, text: miscounted(count, prefix, 2 * N) }) }
}

fn not_a_digit(c: char, prefix: &str) -> String {
    match prefix {
        "" => format!("{c:?} is not a hexadecimal digit; {FORMS}"),
        _ => format!("{c:?} is not a hexadecimal digit, of which 64 follow \"{prefix}\""),
    }
}

fn miscounted(count: usize, prefix: &str, wanted: usize) -> String {
    match (prefix, count) {
        ("", 64) => {
            format!(
                "64 digits need their kind before them: \"{SPKI}\" for a key, \"{CERTIFICATE}\" for a certificate"
            )
        }
        ("", _) => format!("{count} digits are no pin; {FORMS}"),
        _ => format!("{count} digits after \"{prefix}\", not {wanted}"),
    }
}

const SPKI: &str = "spki-sha256:";
const CERTIFICATE: &str = "sha256:";
const FORMS: &str = "a pin is \"spki-sha256:\" or \"sha256:\" and 64 digits, or 40 digits alone (SHA-1)";

#[cfg(test)]
mod tests {
    use super::*;

    fn spki() -> Pin {
        Pin::Spki(std::array::from_fn(|i| u8::try_from(i * 7).unwrap()))
    }

    #[test]
    fn every_form_comes_back_as_the_canonical_one() {
        for pin in [spki(), Pin::Certificate([0xab; 32]), Pin::Sha1([0x0f; 20])] {
            let text = pin.to_string();
            assert_eq!(text.parse(), Ok(pin));
            assert_eq!(text.to_uppercase().parse(), Ok(pin));
            assert_eq!(text, text.to_lowercase());
        }
        assert_eq!(Pin::Sha1([0x0f; 20]).to_string(), "0f".repeat(20));
        assert_eq!(Pin::Certificate([0xab; 32]).to_string(), format!("sha256:{}", "ab".repeat(32)));
    }

    #[test]
    fn colons_and_case_are_ignored() {
        let colons = vec!["AB"; 32].join(":");
        assert_eq!(format!("sha256:{colons}").parse(), Ok(Pin::Certificate([0xab; 32])));
        assert_eq!(format!("SPKI-SHA256:{colons}").parse(), Ok(Pin::Spki([0xab; 32])));
        assert_eq!(vec!["Cd"; 20].join(":").parse(), Ok(Pin::Sha1([0xcd; 20])));
    }

    #[test]
    fn errors_say_what_is_wrong_and_where() {
        let cases = [
            (format!("sha256:{}", "ab".repeat(31)), 0, "62 digits after \"sha256:\", not 64"),
            (format!("sha256:{}", "ab".repeat(40)), 0, "80 digits after \"sha256:\", not 64"),
            ("ab".repeat(32), 0, "64 digits need their kind before them"),
            (String::new(), 0, "0 digits are no pin"),
            (format!("spki-sha256:ab{}", "x".repeat(62)), 14, "'x' is not a hexadecimal digit, of which 64"),
            ("alice".to_owned(), 1, "'l' is not a hexadecimal digit; a pin is"),
            (format!("sha1:{}", "ab".repeat(20)), 0, "'s' is not a hexadecimal digit"),
            ("\u{1b}[31m".to_owned(), 0, "'\\u{1b}' is not"),
            ("ſpki-sha256:00".to_owned(), 0, "'ſ' is not"),
        ];
        for (text, at, wanted) in cases {
            let error = text.parse::<Pin>().unwrap_err();
            assert_eq!(error.at, at, "{error}");
            assert!(error.text.starts_with(wanted), "{error}");
        }
    }

    #[test]
    fn a_pin_matches_its_own_kind_of_digest_only() {
        let digests = Digests { spki: [1; 32], certificate: [2; 32], sha1: [3; 20] };
        assert!(Pin::all_of(&digests).iter().all(|pin| pin.matches(&digests)));
        assert!(!Pin::Spki([2; 32]).matches(&digests) && !Pin::Certificate([1; 32]).matches(&digests));
    }
}
