//! One version for all crates, one oldest Rust, and every place that names them agrees.

use super::Problems;
use crate::manifest::{self, Member, Workspace};
use crate::repo::Repo;
use toml::Value;

pub(super) fn check(repo: &Repo) -> Result<Problems, String> {
    let workspace = Workspace::read(repo)?;
    let version = workspace.package("version")?;
    let rust = workspace.package("rust-version")?;
    let mut problems = Problems::new();
    for member in &workspace.members {
        problems.extend(differs(member, "version", version));
        problems.extend(differs(member, "rust-version", rust));
    }
    problems.extend(shared_dependencies(&workspace, version));
    problems.extend(changelog(repo.text("CHANGELOG.md")?, version));
    problems.extend(clippy(repo.text("clippy.toml")?, rust)?);
    problems.extend(readme(repo.text("README.md")?, rust));
    Ok(problems)
}

fn differs(member: &Member, key: &str, wanted: &str) -> Option<String> {
    let value = member.package(key);
    let inherited = value.and_then(|value| value.get("workspace")).and_then(Value::as_bool) == Some(true);
    let same = inherited || value.and_then(Value::as_str) == Some(wanted);
    (!same).then(|| {
        format!("{}: {key} is not the workspace's {wanted}; write {key}.workspace = true", member.path)
    })
}

/// What `[workspace.dependencies]` asks of our own crates.
fn shared_dependencies(workspace: &Workspace, version: &str) -> Problems {
    let ours = |name: &str| workspace.members.iter().any(|member| member.name == name);
    let asked = workspace.dependencies().filter(|(name, _)| ours(name));
    asked
        .filter_map(|(name, value)| Some((name, value.get("version")?.as_str()?)))
        .filter(|(_, asked)| *asked != version)
        .map(|(name, asked)| format!("Cargo.toml: {name} is asked for as {asked}, but is {version}"))
        .collect()
}

fn changelog(text: &str, version: &str) -> Option<String> {
    let top = text.lines().find_map(|line| line.strip_prefix("## ["));
    match top.and_then(|top| Some(top.split_once(']')?.0)) {
        Some("Unreleased") => None,
        Some(top) if top == version => None,
        Some(top) => Some(format!("CHANGELOG.md: begins with {top}, but the version is {version}")),
        None => Some("CHANGELOG.md: has no `## [version]`".to_owned()),
    }
}

fn clippy(text: &str, rust: &str) -> Result<Option<String>, String> {
    let table = manifest::parse("clippy.toml", text)?;
    let same = table.get("msrv").and_then(Value::as_str) == Some(rust);
    Ok((!same).then(|| format!("clippy.toml: msrv is not Cargo.toml's rust-version, {rust}")))
}

/// README says `Rust 1.…` at least once, and never another.
fn readme(text: &str, rust: &str) -> Problems {
    let named: Vec<&str> =
        text.split("Rust ").skip(1).map(number).filter(|named| !named.is_empty()).collect();
    if named.is_empty() {
        return vec![format!("README.md: does not say that it needs Rust {rust}")];
    }
    let others = named.iter().filter(|named| **named != rust);
    others.map(|named| format!("README.md: says Rust {named}; Cargo.toml says {rust}")).collect()
}

fn number(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text[..end].trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::super::one_problem;
    use super::*;

    const ROOT: &str = "[workspace.package]\nversion = '0.1.0'\nrust-version = '1.90'\n\
                        [workspace.dependencies]\na = { path = 'a', version = '0.1.0' }";
    const A: &str = "[package]\nname = 'a'\nversion.workspace = true\nrust-version.workspace = true";
    const GOOD: [(&str, &str); 5] = [
        ("Cargo.toml", ROOT),
        ("a/Cargo.toml", A),
        ("CHANGELOG.md", "# Changelog\n\n## [0.1.0] - Unreleased\n"),
        ("clippy.toml", "msrv = '1.90'"),
        ("README.md", "Needs Rust 1.90. Written in Rust throughout.\n"),
    ];

    #[track_caller]
    fn problem_with(path: &str, text: &str) -> String {
        let files = GOOD.map(|file| if file.0 == path { (file.0, text) } else { file });
        one_problem(check, &files)
    }

    #[test]
    fn agreement_passes() {
        assert_eq!(check(&Repo::of(&GOOD)), Ok(vec![]));
        assert_eq!(changelog("## [Unreleased]\n## [0.0.9]", "0.1.0"), None);
    }

    #[test]
    fn a_member_of_another_version_fails() {
        let problem =
            problem_with("a/Cargo.toml", &A.replacen("version.workspace = true", "version = '0.2.0'", 1));
        assert!(problem.starts_with("a/Cargo.toml: version is not the workspace's 0.1.0"), "{problem}");
        let problem = problem_with("a/Cargo.toml", &A.replace("\nrust-version.workspace = true", ""));
        assert!(problem.starts_with("a/Cargo.toml: rust-version"), "{problem}");
    }

    #[test]
    fn a_shared_dependency_left_behind_fails() {
        let problem =
            problem_with("Cargo.toml", &ROOT.replace("'a', version = '0.1.0'", "'a', version = '0.0.9'"));
        assert_eq!(problem, "Cargo.toml: a is asked for as 0.0.9, but is 0.1.0");
    }

    #[test]
    fn an_old_changelog_fails() {
        assert!(problem_with("CHANGELOG.md", "## [0.0.9]\n").contains("begins with 0.0.9"));
        assert!(problem_with("CHANGELOG.md", "# Changelog\n").contains("has no"));
    }

    #[test]
    fn another_oldest_rust_fails() {
        assert!(problem_with("clippy.toml", "msrv = '1.89'").starts_with("clippy.toml: msrv"));
        assert!(problem_with("README.md", "Rust 1.91.").contains("says Rust 1.91;"));
        assert!(problem_with("README.md", "Rust.").contains("does not say"));
    }
}
