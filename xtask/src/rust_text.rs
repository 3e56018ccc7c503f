//! Rust source without its comments and literals, so that a search for a word finds code alone.

/// The same text, line for line, with comments, strings and characters blanked out.
pub(crate) fn code_of(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let (kept, blanked) = next(&code, rest, first);
        code.push_str(&rest[..kept]);
        code.extend(rest[kept..kept + blanked].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &rest[kept + blanked..];
    }
    code
}

/// How many bytes to keep and then to blank; never both 0.
fn next(before: &str, rest: &str, first: char) -> (usize, usize) {
    let upto = |end: Option<usize>| end.unwrap_or(rest.len());
    match first {
        '/' if rest.starts_with("//") => (0, upto(rest.find('\n'))),
        '/' if rest.starts_with("/*") => (0, block_comment(rest)),
        '"' => (0, quoted(rest, '"')),
        '\'' if is_character(rest) => (0, quoted(rest, '\'')),
        'r' if !ends_in_name(before) => match raw_string(rest) {
            Some(length) => (0, length),
            None => (1, 0),
        },
        _ => (first.len_utf8(), 0),
    }
}

/// `'a'` and `'\n'`, but not the lifetime `'a`.
fn is_character(rest: &str) -> bool {
    let mut chars = rest.chars().skip(1);
    match chars.next() {
        Some('\\') => true,
        Some(_) => chars.next() == Some('\''),
        None => false,
    }
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    rest.len()
}

/// The length of `r"…"`, `r#"…"#` and so on; none if this `r` only begins a name.
fn raw_string(rest: &str) -> Option<usize> {
    let hashes = rest[1..].bytes().take_while(|&byte| byte == b'#').count();
    let inner = rest[1 + hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = inner.find(&end).map_or(inner.len(), |at| at + end.len());
    Some(2 + hashes + length)
}

/// Block comments nest.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        match rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// Whether an `r` here would go on with a name; `b` and `c` alone are a raw string's other prefixes.
fn ends_in_name(before: &str) -> bool {
    let name = before.rsplit(|c: char| !is_name(c)).next().unwrap_or("");
    !matches!(name, "" | "b" | "c")
}

/// Whether the character may stand in a name.
pub(crate) fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn leaves(source: &str, code: &str) {
        assert_eq!(code_of(source).split_whitespace().collect::<Vec<_>>().join(" "), code);
    }

    #[test]
    fn comments_and_literals_go() {
        leaves("a // b\nc", "a c");
        leaves("a /* b /* c */ d */ e", "a e");
        leaves(r#"a("b \" c", d)"#, "a( , d)");
        leaves("r#\"a \" b\"# br\"c\\\" d", "b d");
        leaves(r"f('a', '\'', '\u{1F600}', 'é', b'x')", "f( , , , , b )");
    }

    #[test]
    fn names_and_lifetimes_stay() {
        leaves("fn r<'a>(r#type: &'a str) -> for<'b> fn()", "fn r<'a>(r#type: &'a str) -> for<'b> fn()");
        leaves("for \"x\"; var\"y\"", "for ; var");
    }

    #[test]
    fn lines_stay_where_they_were_and_unfinished_text_ends() {
        assert_eq!(code_of("a\n\"b\nc\"\nd").lines().count(), 4);
        for broken in ["\"a", "'\\", "/* a", "r#\"a", "'", "r"] {
            code_of(broken);
        }
    }
}
