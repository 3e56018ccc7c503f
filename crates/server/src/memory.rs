//! How much memory this process may use: the machine's, its control group's, whichever is less. Asked once.

use std::path::{Path, PathBuf};

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

/// A quarter of it, in bytes.
pub(crate) fn quarter() -> usize {
    let bytes = machine().min(groups(Path::new("/")).unwrap_or(u64::MAX)) / 4;
    // A system that does not tell is a small one.
    usize::try_from(bytes).unwrap_or(usize::MAX).max(LEAST)
}

fn machine() -> u64 {
    let ram = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    System::new_with_specifics(ram).total_memory()
}

/// The least that this process's control groups allow, under the folder `root`; none if they say nothing.
/// (sysinfo asks the topmost group only, which a service's `MemoryMax` is not.)
fn groups(root: &Path) -> Option<u64> {
    let lines = std::fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    lines.lines().filter_map(|line| group(root, line)).min()
}

/// The least limit of one hierarchy: "number:controllers:path", the controllers empty for version 2.
fn group(root: &Path, line: &str) -> Option<u64> {
    let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
    let (top, file) = match controllers {
        "" => ("sys/fs/cgroup", "memory.max"),
        _ if controllers.split(',').any(|controller| controller == "memory") => {
            ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
        }
        _ => return None,
    };
    // The groups above limit it too.
    let path = PathBuf::from(path.trim_start_matches('/'));
    let limits = path.ancestors().map(|group| root.join(top).join(group).join(file));
    limits.filter_map(|file| std::fs::read_to_string(file).ok()?.trim().parse().ok()).min()
}

/// Memory that any machine has: what is bounded by a quarter of it still serves.
const LEAST: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that looks like a machine's root.
    fn root(cgroup: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in [("proc/self/cgroup", cgroup)].iter().chain(files) {
            let file = root.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        root
    }

    #[test]
    fn the_least_limit_of_a_group_and_those_above_it_counts() {
        let unit = [
            ("sys/fs/cgroup/system.slice/pinwire.service/memory.max", "max\n"),
            ("sys/fs/cgroup/system.slice/memory.max", "268435456\n"),
        ];
        assert_eq!(groups(root("0::/system.slice/pinwire.service\n", &unit).path()), Some(268_435_456));
        let old = [
            ("sys/fs/cgroup/memory/jobs/memory.limit_in_bytes", "1048576\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ];
        assert_eq!(groups(root("9:cpu,cpuacct:/\n4:memory:/jobs\n0::/\n", &old).path()), Some(1_048_576));
    }

    #[test]
    fn groups_that_say_nothing_limit_nothing() {
        assert_eq!(groups(root("0::/\n", &[]).path()), None);
        assert_eq!(groups(root("nonsense\n::\n", &[]).path()), None);
        assert_eq!(groups(Path::new("/nowhere")), None);
    }

    #[test]
    fn a_quarter_of_memory_is_less_than_all_of_it() {
        assert!((LEAST..=usize::try_from(machine()).unwrap()).contains(&quarter()));
    }
}
