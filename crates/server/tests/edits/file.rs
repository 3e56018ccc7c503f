//! The trust file, and the ways in which editors, tools and accidents change it. Knows nothing of what it holds.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

pub(crate) struct TrustedFile(PathBuf);

impl TrustedFile {
    pub(crate) fn in_folder(folder: &Path) -> TrustedFile {
        TrustedFile(folder.join(NAME))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// As `pinwire trust` does it, and a second after it was written: that it came whole is in no doubt, and nothing
    /// has to settle.
    pub(crate) fn rename(&self, bytes: &[u8]) {
        self.rename_with(bytes, 0o600);
    }

    pub(crate) fn rename_with(&self, bytes: &[u8], mode: u32) {
        let edit = self.0.with_extension("edit");
        fs::write(&edit, bytes).unwrap();
        fs::set_permissions(&edit, fs::Permissions::from_mode(mode)).unwrap();
        set_modified(&edit);
        self.clear_folder();
        fs::rename(edit, &self.0).unwrap();
    }

    pub(crate) fn write_in_place(&self, bytes: &[u8]) {
        fs::write(&self.0, bytes).unwrap();
    }

    pub(crate) fn append(&self, bytes: &[u8]) {
        File::options().append(true).open(&self.0).unwrap().write_all(bytes).unwrap();
    }

    /// A reason to look, and nothing else.
    pub(crate) fn touch(&self) {
        set_modified(&self.0);
    }

    pub(crate) fn remove(&self) {
        self.clear_folder();
        let _ = fs::remove_file(&self.0); // there may be none
    }

    pub(crate) fn become_folder(&self) {
        self.remove();
        fs::create_dir(&self.0).unwrap();
    }

    pub(crate) fn link_to(&self, target: &str) {
        let link = self.0.with_extension("link");
        symlink(target, &link).unwrap();
        self.clear_folder();
        fs::rename(link, &self.0).unwrap();
    }

    fn clear_folder(&self) {
        if fs::symlink_metadata(&self.0).is_ok_and(|there| there.is_dir()) {
            fs::remove_dir(&self.0).unwrap();
        }
    }
}

fn set_modified(path: &Path) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(1)).unwrap();
}

pub(crate) const NAME: &str = "trusted";
