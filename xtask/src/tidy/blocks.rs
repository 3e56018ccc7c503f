//! No page shows code that nothing runs: each block says what it holds, and something runs or proves that.

use super::Problems;
use crate::markdown::{self, Block};
use crate::repo::Repo;

/// Who runs a block: `text` is for people alone, `console` is typed by crates/cli/tests/sessions,
/// `rust` is a doctest of the facade, `rust,no_run` is compiled there and run as a part of an example.
pub(super) fn check(repo: &Repo) -> Result<Problems, String> {
    let facade = repo.text(FACADE)?;
    let mut problems = Problems::new();
    let mut shell_lines = Vec::new();
    for (page, text) in repo.ending(".md") {
        problems.extend(markdown::indented(text).map(|line| format!("{page}:{line}: {INDENTED}")));
        for block in markdown::blocks(text) {
            shell_lines.extend(shell(&block));
            let problem = problem(repo, facade, page, &block);
            problems.extend(problem.map(|problem| format!("{page}:{}: {problem}", block.line)));
        }
    }
    let unused = SHELL.iter().filter(|(line, _)| !shell_lines.contains(line));
    problems.extend(unused.map(|(line, _)| format!("{}: no page shows `{line}`", file!())));
    Ok(problems)
}

/// Every line of a page's `sh` blocks, and what shows that it works.
const SHELL: &[(&str, &str)] = &[
    ("cargo run --release -- serve", "every test with the real program begins with its `serve`"),
    ("cargo install --path crates/cli", "CI builds the program from its own archive"),
    ("cargo test --workspace", "CI runs this very line: it reads it there"),
    ("cargo xtask bench", "`cargo test` runs the same code with a few connections"),
    ("cargo xtask bench documents", "likewise"),
    ("cargo xtask bench fairness", "likewise"),
    ("cargo xtask bench idle", "likewise, of the library"),
    ("cargo xtask bench layers", "likewise"),
    ("cargo xtask bench storm", "likewise"),
    ("cargo xtask bench trust", "a test of the program tells the same story with fewer connections"),
    ("cargo xtask guards", "CI does, as a step of its own"),
    ("cargo xtask fuzz pair", "CI searches so, for as long"),
];

fn problem(repo: &Repo, facade: &str, page: &str, block: &Block<'_>) -> Option<String> {
    match block.language {
        "text" => None,
        "console" if is_played(page) => None,
        "console" => Some("sessions are played on the pages of the root and of docs alone".to_owned()),
        "rust" => not_a_doctest(facade, page),
        "rust,no_run" => not_a_doctest(facade, page).or_else(|| not_in_an_example(repo, block)),
        "sh" => {
            let unproven = shell(block).find(|line| !SHELL.iter().any(|(proven, _)| proven == line))?;
            Some(format!("nothing runs `{unproven}`; see {}, or show it in a ```console session", file!()))
        }
        "" => Some("the block does not say what it holds; ```text is for people alone".to_owned()),
        other => Some(format!("nothing runs ```{other}; ```text is for people alone")),
    }
}

fn is_played(page: &str) -> bool {
    !page.trim_start_matches("docs/").contains('/')
}

fn not_a_doctest(facade: &str, page: &str) -> Option<String> {
    let is_one = facade.contains(&format!("include_str!(\"../../../{page}\")"));
    (!is_one).then(|| format!("this Rust is not compiled; add the page to the doctests of {FACADE}"))
}

/// The block's lines stand together in an example, however they are indented there.
fn not_in_an_example(repo: &Repo, block: &Block<'_>) -> Option<String> {
    let bare = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    let block = bare(&block.lines.join("\n"));
    let is_in = |(path, text): (&str, &str)| path.starts_with(EXAMPLES) && bare(text).contains(&block);
    (!repo.ending(".rs").any(is_in))
        .then(|| format!("no example in {EXAMPLES} has these lines, so nothing runs them"))
}

fn shell<'a>(block: &Block<'a>) -> impl Iterator<Item = &'a str> {
    let lines = if block.language == "sh" { block.lines.clone() } else { Vec::new() };
    lines.into_iter().map(str::trim).filter(|line| !line.is_empty())
}

const FACADE: &str = "crates/pinwire/src/lib.rs";
const EXAMPLES: &str = "crates/pinwire/examples/";
const INDENTED: &str = "a block by indentation, which rustdoc takes for Rust; fence it and say what it holds";

#[cfg(test)]
mod tests {
    use super::*;

    const LIB: &str = "#[doc = include_str!(\"../../../docs/A.md\")]";

    /// What is wrong with such a page, besides the shell lines that it does not show.
    fn found(page: &str, text: &str) -> Problems {
        let example = (EXAMPLES.to_owned() + "a.rs", "fn main() {\n    a();\n    b();\n}\n");
        let files = [(FACADE, LIB), (page, text), (&*example.0, example.1)];
        let problems = check(&Repo::of(&files)).unwrap();
        problems.into_iter().filter(|problem| !problem.starts_with("xtask/")).collect()
    }

    #[track_caller]
    fn wrong(text: &str, words: &str) {
        let problems = found("docs/A.md", text);
        assert!(matches!(&problems[..], [problem] if problem.contains(words)), "{problems:#?}");
    }

    #[test]
    fn what_runs_passes() {
        for block in
            ["rust\na();", "rust,no_run\na();\nb();", "console\n$ a", "text\na", "sh\ncargo xtask bench"]
        {
            assert_eq!(found("docs/A.md", &format!("```{block}\n```\n")), Problems::new());
        }
    }

    #[test]
    fn what_nothing_runs_fails() {
        wrong("```\na\n```", "docs/A.md:1: the block does not say");
        wrong("\n```toml\na\n```", "docs/A.md:2: nothing runs ```toml");
        wrong("```rust,ignore\na\n```", "nothing runs ```rust,ignore");
        wrong("```rust,no_run\nc();\n```", "no example");
        wrong("```sh\ncargo xtask bench\ncargo frob\n```", "nothing runs `cargo frob`");
        wrong("\n    cargo frob", "docs/A.md:2: a block by indentation");
        assert!(found("docs/B.md", "```rust\n```")[0].contains("not compiled"));
        assert!(found("crates/a/A.md", "```console\n```")[0].contains("sessions are played"));
    }

    #[test]
    fn a_proof_of_what_no_page_shows_fails() {
        let problems = check(&Repo::of(&[(FACADE, LIB)])).unwrap();
        assert_eq!(problems.len(), SHELL.len());
        assert!(problems[0].ends_with("no page shows `cargo run --release -- serve`"), "{problems:?}");
    }
}
