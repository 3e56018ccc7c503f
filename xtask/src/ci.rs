//! What CI runs, step by step. `.ci/run` only sees to the machine and then comes here.

use crate::manifest::Workspace;
use crate::markdown;
use crate::repo::Repo;
use crate::tidy;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Which files the packages are made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tree {
    /// Only what is committed: cargo refuses to package anything else.
    Committed,
    /// What stands in the folder now.
    Dirty,
}

/// Runs every step; the first that fails ends it.
pub(crate) fn run(root: &Path, tree: Tree) -> Result<(), String> {
    let steps = steps(&Repo::read(root)?, tree)?;
    let began = Instant::now();
    for (at, step) in steps.iter().enumerate() {
        println!("\n== {}/{} {}", at + 1, steps.len(), step.words.join(" "));
        let step_began = Instant::now();
        step.run(root).map_err(|why| format!("\nci: `{}` failed: {why}", step.words.join(" ")))?;
        println!("== passed in {:.1} s", step_began.elapsed().as_secs_f64());
    }
    println!("\nci: all {} steps passed in {:.1} s", steps.len(), began.elapsed().as_secs_f64());
    Ok(())
}

/// README's second command, in words: the one line of its fenced blocks that begins with `cargo test`.
pub(crate) fn test_command(readme: &str) -> Result<Vec<String>, String> {
    let mut lines = markdown::fenced(readme).map(str::trim).filter(|line| line.starts_with("cargo test"));
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return Err("README.md: exactly one line of its code blocks must begin with `cargo test`".to_owned());
    };
    if line.contains(['|', '&', ';', '$', '#', '"', '\'', '\\', '>', '<']) {
        return Err(format!("README.md: `{line}` needs a shell; CI runs it without one"));
    }
    Ok(line.split_whitespace().map(str::to_owned).collect())
}

struct Step {
    words: Vec<String>,
    variable: Option<(&'static str, &'static str)>,
}

fn steps(repo: &Repo, tree: Tree) -> Result<Vec<Step>, String> {
    let doc =
        Step { variable: Some(("RUSTDOCFLAGS", "-D warnings")), ..step("cargo doc --workspace --no-deps") };
    Ok(vec![
        step("cargo fmt --all --check"),
        step("cargo clippy --workspace --all-targets -- -D warnings"),
        Step { words: test_command(repo.text("README.md")?)?, variable: None },
        doc,
        step(TIDY),
        package(&Workspace::read(repo)?, tree),
    ])
}

const TIDY: &str = "cargo xtask tidy";

fn step(line: &str) -> Step {
    Step { words: line.split(' ').map(str::to_owned).collect(), variable: None }
}

/// Each published crate, built from its own archive; they find one another in cargo's temporary registry.
fn package(workspace: &Workspace, tree: Tree) -> Step {
    let mut step = step("cargo package --workspace");
    for member in workspace.members.iter().filter(|member| !member.is_published()) {
        step.words.extend(["--exclude".to_owned(), member.name.clone()]);
    }
    if tree == Tree::Dirty {
        step.words.push("--allow-dirty".to_owned());
    }
    step
}

impl Step {
    fn run(&self, root: &Path) -> Result<(), String> {
        if self.words.join(" ") == TIDY {
            return tidy::run(root);
        }
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).envs(self.variable).current_dir(root);
        match command.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(status.to_string()),
            Err(error) => Err(format!("cannot be started: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_command_is_readmes() {
        let readme = "`cargo test` is not it\n```sh\ncargo run\n```\n```sh\ncargo test --workspace\n```\n";
        assert_eq!(test_command(readme).unwrap(), ["cargo", "test", "--workspace"]);
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
        let words = package(&Workspace::read(&repo).unwrap(), Tree::Committed).words;
        assert_eq!(words.join(" "), "cargo package --workspace --exclude b");
    }
}
