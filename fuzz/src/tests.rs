//! Replays the corpora, and keeps them small.

use super::TARGETS;
use std::fs;
use std::path::{Path, PathBuf};

/// More, or larger ones, would be slow to replay and heavy to carry; `cargo xtask fuzz` minimises.
const MOST_FILES: usize = 100;
const MOST_BYTES: usize = 4 * 1024;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_corpus_is_replayed_without_a_finding() {
    for (name, target) in TARGETS {
        let files = files(&corpus().join(name));
        assert!(!files.is_empty(), "{name}: no corpus");
        for file in files {
            // Printed by a failing test alone: the last one is the finding.
            println!("{}", file.display());
            target(&fs::read(&file).unwrap());
        }
    }
}

#[test]
fn every_corpus_is_small_and_has_its_target() {
    for folder in files(&corpus()) {
        let name = folder.file_name().unwrap().to_str().unwrap();
        assert!(TARGETS.iter().any(|(target, _)| *target == name), "{name}: no such target");
        let sizes: Vec<_> = files(&folder).iter().map(|file| fs::metadata(file).unwrap().len()).collect();
        assert!(sizes.len() <= MOST_FILES, "{name}: {} files", sizes.len());
        assert!(sizes.iter().all(|size| *size < MOST_BYTES as u64), "{name}: {:?} bytes", sizes.iter().max());
    }
}

#[test]
fn every_target_takes_what_nobody_chose() {
    for (_, target) in TARGETS {
        target(b"");
        target(&[0; 64]);
        target(&[0xff; 64]);
    }
}
