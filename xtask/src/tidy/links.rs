//! Links between the project's own pages lead somewhere. Links to elsewhere are not followed.

use super::Problems;
use crate::markdown;
use crate::repo::Repo;

pub(super) fn check(repo: &Repo) -> Result<Problems, String> {
    repo.text("README.md")?;
    let links = repo.ending(".md").flat_map(|(page, text)| {
        markdown::links(text)
            .map(move |(line, target)| (page, line, target))
            .filter(|(.., target)| is_ours(target))
    });
    let dead = links.filter(|(page, _, target)| !repo.has(&resolve(page, target)));
    Ok(dead.map(|(page, line, target)| format!("{page}:{line}: nothing is at {target}")).collect())
}

fn is_ours(target: &str) -> bool {
    !target.contains("://") && !target.starts_with('#') && !target.starts_with("mailto:")
}

/// The path from the root that a page's link means.
fn resolve(page: &str, target: &str) -> String {
    let target = target.split('#').next().unwrap_or("");
    let mut path: Vec<&str> = page.split('/').collect();
    path.pop();
    for part in target.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." {
            path.pop();
        } else {
            path.push(part);
        }
    }
    path.join("/")
}

#[cfg(test)]
mod tests {
    use super::super::one_problem;
    use super::*;

    #[test]
    fn links_that_lead_somewhere_pass() {
        let readme = "[a](docs/A.md#part) [b](crates/) [c](https://example.org) [d](#here)";
        let files = [("README.md", readme), ("docs/A.md", "[up](../README.md)"), ("crates/x.rs", "")];
        assert_eq!(check(&Repo::of(&files)), Ok(vec![]));
    }

    #[test]
    fn a_dead_link_fails() {
        let problem = one_problem(check, &[("README.md", "\n[a](docs/B.md)"), ("docs/A.md", "")]);
        assert_eq!(problem, "README.md:2: nothing is at docs/B.md");
        let problem = one_problem(check, &[("README.md", ""), ("docs/A.md", "[a](README.md)")]);
        assert_eq!(problem, "docs/A.md:1: nothing is at README.md");
    }
}
