//! Builds each published crate from the archive that would go to the registry.
//!
//! `cargo package` verifies too, but only once for a version: its temporary registry's crates count as
//! unchangeable, so a later run compiles what an earlier one unpacked. Here they are unpacked anew, side by
//! side, and find one another by path.

use crate::ci::run;
use crate::manifest::Workspace;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Where cargo puts what it makes; archives go to `package` in there.
pub(crate) fn target(root: &Path) -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |target| root.join(target))
}

/// Unpacks the archives that `cargo package` left, and builds each crate alone.
pub(crate) fn build(root: &Path, workspace: &Workspace) -> Result<(), String> {
    let target = target(root);
    let folder = target.join("archives");
    let version = workspace.package("version")?;
    let names: Vec<&str> = workspace.published().map(|member| member.name.as_str()).collect();
    let wrong = |error: io::Error| format!("{}: {error}", folder.display());
    lay_out(&folder, &manifest(&names, version)).map_err(wrong)?;
    // The versions of everything else are those that were tested.
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).map_err(wrong)?;
    for name in &names {
        let archive = target.join("package").join(format!("{name}-{version}.crate"));
        // -m: cargo rebuilds by time, and archives carry a time of long ago.
        run(&folder, &["tar", "-xmzf", &archive.to_string_lossy()], None)?;
    }
    // One by one: together, one crate's features would hide what another forgot to ask for.
    names.iter().try_for_each(|name| {
        run(&folder, &["cargo", "build", "--package", name, "--target-dir", &target.to_string_lossy()], None)
    })
}

fn lay_out(folder: &Path, manifest: &str) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::create_dir_all(folder)?,
    }
    fs::write(folder.join("Cargo.toml"), manifest)
}

/// A workspace of the unpacked crates, in which each stands in for its namesake of the registry.
fn manifest(names: &[&str], version: &str) -> String {
    let members: String = names.iter().map(|name| format!("  \"{name}-{version}\",\n")).collect();
    let patches: String =
        names.iter().map(|name| format!("{name} = {{ path = \"{name}-{version}\" }}\n")).collect();
    format!("[workspace]\nresolver = \"3\"\nmembers = [\n{members}]\n\n[patch.crates-io]\n{patches}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unpacked_crates_find_one_another() {
        let table = crate::manifest::parse("Cargo.toml", &manifest(&["a", "b"], "0.1.0")).unwrap();
        assert_eq!(table["workspace"]["members"][1].as_str(), Some("b-0.1.0"));
        assert_eq!(table["patch"]["crates-io"]["a"]["path"].as_str(), Some("a-0.1.0"));
    }
}
