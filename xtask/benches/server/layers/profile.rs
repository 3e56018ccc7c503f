//! Where a server's processor time goes, by a few classes: `perf` takes the samples, a table of names sorts them.
//! Coarse on purpose: what the compiler put into its caller counts as the caller's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::child::words;

/// The classes, in the order of the table.
pub(super) const CLASSES: [&str; 11] = [
    "kernel: send",
    "kernel: receive",
    "kernel: epoll",
    "kernel: other",
    "AEAD",
    "record layer",
    "session and wire",
    "server",
    "tokio",
    "copies, allocator, clock",
    "user: other",
];

/// Of the kernel's frames: the innermost that has such a name decides.
const KERNEL: [(&str, usize); 9] = [
    ("sys_sendto", 0),
    ("sys_sendmsg", 0),
    ("sys_write", 0),
    ("sys_recvfrom", 1),
    ("sys_recvmsg", 1),
    ("sys_read", 1),
    ("sys_epoll", 2),
    ("do_epoll", 2),
    ("ep_poll", 2),
];
const KERNEL_OTHER: usize = 3;

/// Of the program's innermost function: the first of these that its name begins with. In a load all of the TLS library
/// that runs is its AEAD.
const USER: [(&str, usize); 21] = [
    ("aws_lc", 4),
    ("aes", 4),
    ("gcm_", 4),
    ("pinwire_proto::tls", 5),
    ("rustls", 5),
    ("pinwire_proto", 6),
    ("pinwire_server", 7),
    ("server::", 7),
    ("tokio", 8),
    ("mio", 8),
    ("__mem", 9),
    ("mem", 9),
    ("malloc", 9),
    ("_int_", 9),
    ("cfree", 9),
    ("free", 9),
    ("realloc", 9),
    ("unlink_chunk", 9),
    ("__rust", 9),
    ("__vdso_clock", 9),
    ("clock_gettime", 9),
];
const USER_OTHER: usize = 10;

/// How many samples each class had.
pub(super) struct Profile([usize; CLASSES.len()]);

impl Profile {
    /// Of all samples.
    pub(super) fn share(&self, class: usize) -> f64 {
        self.0[class] as f64 / self.samples() as f64
    }

    pub(super) fn samples(&self) -> usize {
        self.0.iter().sum()
    }
}

/// Samples this process for some seconds, in which `load` is called over and over.
pub(super) fn record(process: u32, mut load: impl FnMut() -> Result<(), String>) -> Result<Profile, String> {
    let file = Samples::new(process);
    let mut perf = Command::new("perf");
    // The clock: a counter of cycles is not in every virtual machine.
    perf.args(["record", "--quiet", "-e", "cpu-clock", "-F", RATE, "-g", "-p", &process.to_string(), "-o"]);
    perf.arg(&file.0).args(["--", "sleep", SECONDS]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut perf = perf.spawn().map_err(|why| format!("perf cannot be started: {why}"))?;
    while words(perf.try_wait())?.is_none() {
        load()?;
    }
    let done = words(perf.wait_with_output())?;
    match done.status.success() {
        true => file.read(),
        false => Err(format!("perf: {}: {}", done.status, String::from_utf8_lossy(&done.stderr).trim())),
    }
}

/// The file of samples; gone when dropped.
struct Samples(PathBuf);

impl Samples {
    fn new(process: u32) -> Samples {
        Samples(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("layers-{process}.perf")))
    }

    fn read(&self) -> Result<Profile, String> {
        let mut perf = Command::new("perf");
        perf.args(["script", "--fields", "ip,sym", "-i"]).arg(&self.0).stderr(Stdio::null());
        let said = words(perf.output())?;
        let mut profile = Profile([0; CLASSES.len()]);
        // A sample is a line a frame, the innermost first, and an empty line.
        for sample in String::from_utf8_lossy(&said.stdout).split("\n\n") {
            if let Some(class) = class(sample) {
                profile.0[class] += 1;
            }
        }
        if profile.samples() == 0 { Err("perf took no sample".to_owned()) } else { Ok(profile) }
    }
}

impl Drop for Samples {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn class(sample: &str) -> Option<usize> {
    let mut frames = sample.lines().filter_map(|line| line.trim().split_once(' ')).peekable();
    let (address, name) = *frames.peek()?;
    if !is_kernel(address) {
        let name = name.trim_start_matches(['<', '&', '_']);
        let found = USER.iter().find(|(prefix, _)| name.starts_with(prefix.trim_start_matches('_')));
        return Some(found.map_or(USER_OTHER, |(_, class)| *class));
    }
    let kernel = frames.take_while(|(address, _)| is_kernel(address));
    let named = |name: &str| KERNEL.iter().find(|(part, _)| name.contains(part)).map(|(_, class)| *class);
    Some(kernel.filter_map(|(_, name)| named(name)).next().unwrap_or(KERNEL_OTHER))
}

/// The upper half of the addresses is the kernel's, on every 64-bit machine of ours.
fn is_kernel(address: &str) -> bool {
    address.len() == 16 && address.starts_with('f')
}

/// A second; a prime, so that it keeps step with nothing.
const RATE: &str = "1999";

const SECONDS: &str = "2";
