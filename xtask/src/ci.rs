//! What CI runs, step by step. `.ci/run` only sees to the machine and then comes here.

use crate::manifest::Workspace;
use crate::repo::Repo;
use crate::{archives, bench, fuzz, markdown, tidy};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Which files the archives are made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tree {
    /// Only what is committed: cargo refuses to package anything else.
    Committed,
    /// What stands in the folder now.
    Dirty,
}

/// Runs every step; the first that fails ends it.
pub(crate) fn ci(root: &Path, tree: Tree) -> Result<(), String> {
    let repo = Repo::read(root)?;
    let workspace = Workspace::read(&repo)?;
    let steps = steps(repo.text("README.md")?, &workspace, tree)?;
    let began = Instant::now();
    for (at, step) in steps.iter().enumerate() {
        println!("\n== {}/{} {}", at + 1, steps.len(), step.name());
        let step_began = Instant::now();
        step.run(root, &workspace).map_err(|why| format!("\nci: `{}` failed: {why}", step.name()))?;
        println!("== passed in {:.1} s", step_began.elapsed().as_secs_f64());
    }
    println!("\nci: all {} steps passed in {:.1} s", steps.len(), began.elapsed().as_secs_f64());
    Ok(())
}

/// Runs a command in `folder` and waits for it.
pub(crate) fn run(folder: &Path, words: &[&str], variable: Option<(&str, &str)>) -> Result<(), String> {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).envs(variable).current_dir(folder);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{} ended with {status}", words[0])),
        Err(error) => Err(format!("{} cannot be started: {error}", words[0])),
    }
}

enum Step {
    Run(String),
    /// The tests once more, with rustls's records.
    OverRustls,
    /// Instructions, allocations and system calls.
    Guards,
    /// A minute's search with a target that sees most of the code.
    Fuzz(&'static str),
    Doc,
    Tidy,
    Archives,
}

fn steps(readme: &str, workspace: &Workspace, tree: Tree) -> Result<Vec<Step>, String> {
    Ok(vec![
        Step::Run("cargo fmt --all --check".to_owned()),
        Step::Run("cargo clippy --workspace --all-targets -- -D warnings".to_owned()),
        Step::Run(test_command(readme)?.to_owned()),
        Step::OverRustls,
        Step::Guards,
        Step::Fuzz("server_session"),
        Step::Fuzz("pair"),
        Step::Fuzz("records"),
        Step::Doc,
        Step::Tidy,
        Step::Run(package(workspace, tree)),
        Step::Archives,
    ])
}

impl Step {
    fn name(&self) -> String {
        match self {
            Step::Run(line) => line.clone(),
            Step::OverRustls => format!("PINWIRE_RECORD_LAYER=rustls {OVER_RUSTLS}"),
            Step::Guards => "cargo xtask guards".to_owned(),
            Step::Fuzz(target) => format!("cargo xtask fuzz {target}"),
            Step::Doc => DOC.to_owned(),
            Step::Tidy => "cargo xtask tidy".to_owned(),
            Step::Archives => "build each crate from its own archive".to_owned(),
        }
    }

    fn run(&self, root: &Path, workspace: &Workspace) -> Result<(), String> {
        let words = |line: &str, variable| run(root, &line.split_whitespace().collect::<Vec<_>>(), variable);
        match self {
            Step::Run(line) => words(line, None),
            Step::OverRustls => words(OVER_RUSTLS, Some(("PINWIRE_RECORD_LAYER", "rustls"))),
            Step::Guards => bench::guards(root, &[]),
            Step::Fuzz(target) => fuzz::fuzz(root, &[target]),
            Step::Doc => words(DOC, Some(("RUSTDOCFLAGS", "-D warnings"))),
            Step::Tidy => tidy::run(root),
            Step::Archives => archives::build(root, workspace),
        }
    }
}

const OVER_RUSTLS: &str =
    "cargo test -p pinwire-proto -p pinwire-server -p pinwire-client -p pinwire-documents -p pinwire-cli";

const DOC: &str = "cargo doc --workspace --no-deps";

/// README's second command: the one line of its fenced blocks that begins with `cargo test`.
fn test_command(readme: &str) -> Result<&str, String> {
    let mut lines = markdown::fenced(readme).map(str::trim).filter(|line| line.starts_with("cargo test"));
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return Err("README.md: exactly one line of its code blocks must begin with `cargo test`".to_owned());
    };
    if line.contains(['|', '&', ';', '$', '#', '"', '\'', '\\', '>', '<']) {
        return Err(format!("README.md: `{line}` needs a shell; CI runs it without one"));
    }
    Ok(line)
}

/// Makes the archive of each published crate.
fn package(workspace: &Workspace, tree: Tree) -> String {
    let kept = workspace.members.iter().filter(|member| !member.is_published());
    let exclude: String = kept.map(|member| format!(" --exclude {}", member.name)).collect();
    let dirty = if tree == Tree::Dirty { " --allow-dirty" } else { "" };
    format!("cargo package --no-verify --workspace{exclude}{dirty}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_command_is_readmes() {
        let readme = "`cargo test` is not it\n```sh\ncargo run\n```\n```sh\ncargo test --workspace\n```\n";
        assert_eq!(test_command(readme), Ok("cargo test --workspace"));
    }

    #[test]
    fn a_readme_without_one_clear_test_command_fails() {
        for bad in [
            "cargo test --workspace",
            "```\ncargo test -p a\ncargo test -p b\n```",
            "```\ncargo test && true\n```",
        ] {
            assert!(test_command(bad).unwrap_err().starts_with("README.md: "));
        }
    }

    #[test]
    fn only_published_crates_are_packaged() {
        let repo = Repo::of(&[
            ("Cargo.toml", ""),
            ("a/Cargo.toml", "package.name = 'a'"),
            ("b/Cargo.toml", "package.name = 'b'\npackage.publish = false"),
        ]);
        let line = package(&Workspace::read(&repo).unwrap(), Tree::Committed);
        assert_eq!(line, "cargo package --no-verify --workspace --exclude b");
    }
}
