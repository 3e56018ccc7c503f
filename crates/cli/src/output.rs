//! What the program says: results on standard output, the rest on standard error.

use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};

use crate::exit::{Exit, Failure};

/// Writes to standard output.
///
/// # Errors
/// If it cannot be written; a reader that has gone away (`| head`) is no error.
pub(crate) fn print(bytes: &[u8]) -> Result<(), Failure> {
    offer(bytes).map(drop)
}

/// The same, for those who would go on: whether anybody still reads.
pub(crate) fn offer(bytes: &[u8]) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::new(Exit::Failed, format!("standard output: {error}"))),
    }
}

/// At a terminal, ends the line that `printed` left open, so that the prompt does not stick to it. A file or
/// a pipe gets exactly what was printed.
pub(crate) fn end_line(printed: &[u8]) -> Result<(), Failure> {
    let is_open = printed.last().is_some_and(|last| *last != b'\n');
    if is_open && io::stdout().is_terminal() { print(b"\n") } else { Ok(()) }
}

/// Writes lines to standard output.
pub(crate) fn say(text: impl fmt::Display) -> Result<(), Failure> {
    print(format!("{text}\n").as_bytes())
}

/// Writes a line to standard error. If even that is gone, nobody is left to be told.
pub(crate) fn remark(text: impl fmt::Display) {
    // In one piece: standard error has no buffer, and at a terminal what is typed would come in between.
    let line = format!("{text}\n");
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

/// Says why the program failed.
pub(crate) fn complain(failure: &Failure) {
    remark(format_args!("pinwire: {failure}"));
}

/// Without what would write to the terminal otherwise than as text.
pub(crate) fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// A word as a shell takes it.
pub(crate) fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(shell_word("a/b-1"), "a/b-1");
        assert_eq!(shell_word("a b"), "'a b'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word(""), "''");
    }
}
