//! Imports point one way: ARCHITECTURE.md draws it, this table keeps it.

use super::Problems;
use crate::manifest::Workspace;
use crate::repo::Repo;

/// A crate, and the crates of ours that its library or program may depend on. Tests may use more
/// (dev-dependencies are not looked at), which is how testkit stays out of everything published.
const ALLOWED: &[(&str, &[&str])] = &[
    ("pinwire-proto", &[]),
    ("pinwire-server", &["pinwire-proto"]),
    ("pinwire-client", &["pinwire-proto"]),
    ("pinwire-documents", &["pinwire-server"]),
    ("pinwire-cli", &["pinwire-documents", "pinwire-server", "pinwire-client"]),
    ("pinwire", &["pinwire-server", "pinwire-client", "pinwire-documents"]),
    ("pinwire-testkit", &["pinwire-proto"]),
    ("pinwire-fuzz", &["pinwire-proto", "pinwire-testkit"]),
    ("xtask", &["pinwire-proto"]),
];

pub(super) fn check(repo: &Repo) -> Result<Problems, String> {
    let workspace = Workspace::read(repo)?;
    let mut problems = Problems::new();
    for member in &workspace.members {
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == member.name) else {
            problems.push(format!("{}: a new crate; say in {} what it may use", member.path, file!()));
            continue;
        };
        let ours = |name: &&str| workspace.members.iter().any(|member| member.name == *name);
        for used in workspace.normal_dependencies(member).into_iter().filter(ours) {
            if !allowed.contains(&used) {
                problems.push(format!("{}: {} must not depend on {used}", member.path, member.name));
            }
        }
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use super::super::one_problem;
    use super::*;

    const PROTO: (&str, &str) = ("crates/proto/Cargo.toml", "package.name = 'pinwire-proto'");
    const TESTKIT: (&str, &str) = ("crates/testkit/Cargo.toml", "package.name = 'pinwire-testkit'");

    fn server(rest: &str) -> String {
        format!("package.name = 'pinwire-server'\n{rest}")
    }

    #[test]
    fn the_right_way_and_tests_pass() {
        let server =
            server("dependencies.pinwire-proto.path = '.'\ndev-dependencies.pinwire-testkit.path = '.'");
        let repo = Repo::of(&[("Cargo.toml", ""), PROTO, TESTKIT, ("crates/server/Cargo.toml", &server)]);
        assert_eq!(check(&repo), Ok(vec![]));
    }

    #[test]
    fn reaching_back_fails() {
        let proto =
            "package.name = 'pinwire-proto'\n[target.'cfg(unix)'.dependencies]\npinwire-server.path = '.'";
        let files = [
            ("Cargo.toml", ""),
            ("crates/proto/Cargo.toml", proto),
            ("crates/server/Cargo.toml", &server("")),
        ];
        let problem = one_problem(check, &files);
        assert_eq!(problem, "crates/proto/Cargo.toml: pinwire-proto must not depend on pinwire-server");
    }

    #[test]
    fn shipping_testkit_fails_under_any_name() {
        let root = "[workspace.dependencies]\nkit = { package = 'pinwire-testkit', path = '.' }";
        let server = server("dependencies.kit.workspace = true");
        let files = [("Cargo.toml", root), TESTKIT, ("crates/server/Cargo.toml", &server)];
        assert!(one_problem(check, &files).ends_with("pinwire-server must not depend on pinwire-testkit"));
    }

    #[test]
    fn a_crate_that_the_table_does_not_know_fails() {
        let files = [("Cargo.toml", ""), ("crates/new/Cargo.toml", "package.name = 'pinwire-new'")];
        assert!(one_problem(check, &files).starts_with("crates/new/Cargo.toml: a new crate"));
    }
}
