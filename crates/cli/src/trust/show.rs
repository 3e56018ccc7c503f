//! What of strangers, times and files is shown at a terminal, and how.

use pinwire_server::beside::{Gone, How};
use pinwire_server::proto::certificate::rfc3339;

/// Printable ASCII of at most 64 characters, whatever it was: strangers choose their subjects, and the file in
/// which they stand may have been written by anybody who could.
pub(super) fn printable(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let plain = c == ' ' || c.is_ascii_graphic();
        let shown = if plain { c.to_string() } else { c.escape_default().to_string() };
        if out.len() + shown.len() > MOST {
            out.truncate(MOST - 3);
            return out + "...";
        }
        out += &shown;
    }
    out
}

/// "removed as alice on 2026-11-23".
pub(super) fn gone(gone: &Gone) -> String {
    let name = gone.name.as_deref().map_or_else(String::new, |name| format!(" as {}", printable(name)));
    let how = match gone.how {
        How::Removed => "removed",
        How::Rejected => "rejected",
    };
    let at = rfc3339(gone.at);
    format!("{how}{name} on {}", at.split('T').next().unwrap_or_default())
}

const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_subject_is_short_and_plain() {
        assert_eq!(
            printable("CN=bob, O=A B\\u{e9}"),
            "CN=bob, O=A B\\u{e9}",
            "escaped by the server: not again"
        );
        assert_eq!(printable("a\n\u{1b}[2J\u{202e}é"), "a\\n\\u{1b}[2J\\u{202e}\\u{e9}");
        let long = printable(&"\u{1b}x".repeat(65_536));
        assert!(long.len() <= 64 && long.ends_with("...") && long.is_ascii(), "{long}");
        assert_eq!(printable(&"x".repeat(64)), "x".repeat(64));
    }
}
