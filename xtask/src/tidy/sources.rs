//! What no source file may hold, and how long one may be.

use super::Problems;
use crate::repo::Repo;
use crate::rust_text::{code_of, is_name};

/// A file of more lines is two jobs that want names of their own. Tests may be longer.
const LINES: usize = 450;

const FORBIDDEN: &[(&str, &str)] = &[
    ("unsafe", "the project has none"),
    ("todo!", "finish it"),
    ("#[ignore", "mend the test or remove it"),
    ("thread::sleep", "time is an argument; a test waits for what it waits for"),
];

pub(super) fn check(repo: &Repo) -> Result<Problems, String> {
    let ours = |path: &str| ["crates/", "fuzz/", "xtask/"].iter().any(|folder| path.starts_with(folder));
    let files = repo.ending(".rs").filter(|(path, _)| ours(path));
    Ok(files.flat_map(|(path, text)| [too_long(path, text), forbidden(path, text)].concat()).collect())
}

fn too_long(path: &str, text: &str) -> Problems {
    let lines = text.lines().count();
    let is_test = path.split('/').any(|part| part == "tests");
    if lines <= LINES || is_test {
        return vec![];
    }
    vec![format!("{path}: {lines} lines; more than {LINES} want to be two files")]
}

fn forbidden(path: &str, text: &str) -> Problems {
    let mut problems = Problems::new();
    for (line, code) in code_of(text).lines().enumerate() {
        let found = FORBIDDEN.iter().filter(|(word, _)| holds(code, word));
        problems.extend(found.map(|(word, advice)| format!("{path}:{}: `{word}`: {advice}", line + 1)));
    }
    problems
}

/// Whether the word stands in the code by itself, not within a longer name.
fn holds(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back().is_some_and(is_name);
        let after = code[at + word.len()..].chars().next().is_some_and(is_name);
        !before && !after
    })
}

#[cfg(test)]
mod tests {
    use super::super::one_problem;
    use super::*;

    #[test]
    fn each_forbidden_word_fails_at_its_line() {
        for bad in
            ["unsafe { f() }", "todo!()", "#[ignore]", "#[ignore = \"slow\"]", "std::thread::sleep(t);"]
        {
            let problem = one_problem(check, &[("crates/a/src/lib.rs", &format!("fn f() {{\n{bad}\n}}"))]);
            assert!(problem.starts_with("crates/a/src/lib.rs:2: `"), "{problem}");
        }
    }

    #[test]
    fn talking_about_them_passes() {
        let text = "#![forbid(unsafe_code)]\n// no unsafe\nfn f() { g(\"todo!\"); }";
        assert_eq!(check(&Repo::of(&[("crates/a/src/lib.rs", text)])), Ok(vec![]));
    }

    #[test]
    fn a_long_file_fails_unless_it_is_a_test() {
        let long = "\n".repeat(LINES + 1);
        let problem =
            one_problem(check, &[("crates/a/src/lib.rs", &long), ("crates/a/tests/long.rs", &long)]);
        assert_eq!(problem, "crates/a/src/lib.rs: 451 lines; more than 450 want to be two files");
        assert_eq!(check(&Repo::of(&[("crates/a/src/lib.rs", &long[1..])])), Ok(vec![]));
    }
}
