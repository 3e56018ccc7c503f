//! The project's files as texts, read once. Every check of tidy is a function of this, so that a test
//! can hand it a small bad project without touching a disk.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

/// Paths from the root, with `/`, and what the files hold.
pub(crate) struct Repo {
    files: BTreeMap<String, String>,
}

impl Repo {
    /// Reads everything under `root` but git's folder and cargo's target folders.
    pub(crate) fn read(root: &Path) -> Result<Repo, String> {
        let mut files = BTreeMap::new();
        walk(root, "", &mut files).map_err(|error| format!("{}: {error}", root.display()))?;
        Ok(Repo { files })
    }

    /// A project that holds just these.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Repo {
        Repo { files: files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect() }
    }

    /// The file's text; what is not there reads as a problem that names it.
    pub(crate) fn text(&self, path: &str) -> Result<&str, String> {
        self.files.get(path).map(String::as_str).ok_or_else(|| format!("{path}: is missing"))
    }

    /// Whether a file or a folder of that path is there.
    pub(crate) fn has(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        self.files.contains_key(path) || self.files.keys().any(|file| file.starts_with(&folder))
    }

    /// The files whose names end so, in order.
    pub(crate) fn ending<'a>(&'a self, end: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.files.iter().filter(move |(path, _)| path.ends_with(end)).map(|(path, text)| (&**path, &**text))
    }
}

fn walk(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) -> io::Result<()> {
    // Cargo puts this mark into its target folder, whatever the folder is called.
    if folder.join("CACHEDIR.TAG").exists() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if name == ".git" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &format!("{path}/"), files)?;
        } else {
            files.insert(path, String::from_utf8_lossy(&fs::read(entry.path())?).into_owned());
        }
    }
    Ok(())
}
