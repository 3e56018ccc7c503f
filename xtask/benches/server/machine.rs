//! The machine that is measured on: what it is, how busy it is, how many files it allows.

use std::fs;
use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Lets this process, and the server that it starts, hold `connections` each.
///
/// Without this a soft limit of 1,024, which is usual, would end the benchmark in the middle.
pub(crate) fn allow_files(connections: usize) -> Result<(), String> {
    let wanted = connections as u64 + OTHER_FILES;
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Some(maximum) = maximum.filter(|maximum| *maximum < wanted) {
        return Err(format!(
            "{connections} connections want {wanted} open files, and this system allows {maximum}; raise the \
             hard limit (ulimit -Hn), or ask for fewer with --connections"
        ));
    }
    let limit = Rlimit { current: maximum, maximum };
    setrlimit(Resource::Nofile, limit).map_err(|why| format!("cannot raise the limit of open files: {why}"))
}

/// One line on the machine, and one on how busy it is.
pub(crate) fn describe() -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unnamed processor", |(_, name)| name);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let build =
        if cfg!(debug_assertions) { "DEBUG BUILD: the figures mean nothing" } else { "release build" };
    format!("{cores} cores, {model}, Linux {}, {build}\n{}\n", kernel.trim(), load())
}

/// How many want to run: above this benchmark's own two, others disturb it.
pub(crate) fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let minute = load.split(' ').next().unwrap_or("unknown");
    format!("load of the last minute: {minute} (this benchmark alone is about 2)")
}

/// Listener, epoll, pipes, standard streams.
const OTHER_FILES: u64 = 64;
