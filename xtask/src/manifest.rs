//! The workspace's Cargo.toml files: who the members are and what they depend on.

use crate::repo::Repo;
use toml::{Table, Value};

/// The workspace: its own manifest and its members'.
pub(crate) struct Workspace {
    pub(crate) root: Table,
    pub(crate) members: Vec<Member>,
}

/// One crate of the workspace.
pub(crate) struct Member {
    /// Where its manifest is.
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) table: Table,
}

impl Workspace {
    /// Reads the root's manifest and every other one under it.
    pub(crate) fn read(repo: &Repo) -> Result<Workspace, String> {
        let root = parse("Cargo.toml", repo.text("Cargo.toml")?)?;
        let members = repo.ending("/Cargo.toml").map(|(path, text)| Member::read(path, text));
        Ok(Workspace { members: members.collect::<Result<_, _>>()?, root })
    }

    /// The crates that go to the registry.
    pub(crate) fn published(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.is_published())
    }

    /// `[workspace.package]`'s value of this key.
    pub(crate) fn package(&self, key: &str) -> Result<&str, String> {
        let value = at(&self.root, &["workspace", "package", key]).and_then(Value::as_str);
        value.ok_or_else(|| format!("Cargo.toml: [workspace.package] has no {key}"))
    }

    /// `[workspace.dependencies]`.
    pub(crate) fn dependencies(&self) -> impl Iterator<Item = (&str, &Value)> {
        entries(at(&self.root, &["workspace", "dependencies"]))
    }

    /// The crates that a member's library or program is built with, by their real names.
    pub(crate) fn normal_dependencies<'a>(&'a self, member: &'a Member) -> Vec<&'a str> {
        let targets = entries(member.table.get("target")).filter_map(|(_, target)| target.as_table());
        let tables = std::iter::once(&member.table).chain(targets);
        tables
            .flat_map(|table| [table.get("dependencies"), table.get("build-dependencies")])
            .flat_map(entries)
            .map(|(key, value)| self.real_name(key, value))
            .collect()
    }

    fn real_name<'a>(&'a self, key: &'a str, value: &'a Value) -> &'a str {
        let inherited = value.get("workspace").and_then(Value::as_bool) == Some(true);
        let shared = at(&self.root, &["workspace", "dependencies", key]);
        let value = if inherited { shared.unwrap_or(value) } else { value };
        value.get("package").and_then(Value::as_str).unwrap_or(key)
    }
}

impl Member {
    fn read(path: &str, text: &str) -> Result<Member, String> {
        let table = parse(path, text)?;
        let name = at(&table, &["package", "name"]).and_then(Value::as_str);
        let name = name.ok_or_else(|| format!("{path}: has no package name"))?.to_owned();
        Ok(Member { path: path.to_owned(), name, table })
    }

    /// Whether it goes to the registry.
    pub(crate) fn is_published(&self) -> bool {
        self.package("publish").and_then(Value::as_bool) != Some(false)
    }

    /// `[package]`'s value of this key.
    pub(crate) fn package(&self, key: &str) -> Option<&Value> {
        at(&self.table, &["package", key])
    }
}

/// Parses a TOML file; the error names it.
pub(crate) fn parse(path: &str, text: &str) -> Result<Table, String> {
    text.parse::<Table>().map_err(|error| format!("{path}: {error}"))
}

fn at<'a>(table: &'a Table, path: &[&str]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(table.get(*first)?, |value, key| value.get(key))
}

fn entries(value: Option<&Value>) -> impl Iterator<Item = (&str, &Value)> {
    value.and_then(Value::as_table).into_iter().flatten().map(|(key, value)| (key.as_str(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_found_in_every_spelling() {
        let repo = Repo::of(&[
            ("Cargo.toml", "[workspace.dependencies]\nshort = { package = 'long', version = '1' }"),
            (
                "crates/a/Cargo.toml",
                "package.name = 'a'\ndependencies.one.path = '../one'\n[dependencies.two]\nversion = '1'\n\
                 [dependencies.alias]\npackage = 'three'\n[target.'cfg(unix)'.dependencies]\nfour = '1'\n\
                 [build-dependencies]\nshort.workspace = true\n[dev-dependencies]\nnot = '1'",
            ),
        ]);
        let workspace = Workspace::read(&repo).unwrap();
        let mut found = workspace.normal_dependencies(&workspace.members[0]);
        found.sort_unstable();
        assert_eq!(found, ["four", "long", "one", "three", "two"]);
    }

    #[test]
    fn a_broken_manifest_is_named() {
        let repo = Repo::of(&[("Cargo.toml", ""), ("crates/a/Cargo.toml", "[package")]);
        let error = Workspace::read(&repo).err().unwrap();
        assert!(error.starts_with("crates/a/Cargo.toml: "), "{error}");
    }
}
