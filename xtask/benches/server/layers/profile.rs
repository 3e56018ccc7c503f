//! Where a server's processor time goes, by a few classes: `perf` takes the samples, a table of names sorts them.
//! Coarse on purpose: what the compiler put into its caller counts as the caller's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::child::words;

/// Where a sample was taken.
#[derive(Clone, Copy)]
enum Class {
    Send,
    Receive,
    Epoll,
    Preempted,
    Kernel,
    Aead,
    Keys,
    Records,
    Session,
    Server,
    Tokio,
    Libc,
    Other,
}

/// As the table calls them, in the order of [`Class`].
pub(super) const CLASSES: [&str; 13] = [
    "kernel: send",
    "kernel: receive",
    "kernel: epoll",
    "kernel: another had the processor",
    "kernel: other",
    "AEAD",
    "AEAD: making and wiping its contexts",
    "record layer",
    "session and wire",
    "server",
    "tokio",
    "libc: copies, allocator, clock, calls",
    "other",
];

/// Of the kernel's frames the innermost that has such a name decides.
const KERNEL: [(&str, Class); 10] = [
    ("sys_sendto", Class::Send),
    ("sys_sendmsg", Class::Send),
    ("sys_write", Class::Send),
    ("sys_recvfrom", Class::Receive),
    ("sys_recvmsg", Class::Receive),
    ("sys_read", Class::Receive),
    ("sys_epoll", Class::Epoll),
    ("do_epoll", Class::Epoll),
    ("ep_poll", Class::Epoll),
    ("exit_to_user_mode", Class::Preempted),
];

/// Of the program's innermost function: the first of these that its name begins with. Of C's names the more special
/// come first.
const USER: [(&str, Class); 32] = [
    ("EVP_AEAD_CTX_init", Class::Keys),
    ("EVP_AEAD_CTX_cleanup", Class::Keys),
    ("EVP_AEAD_CTX_zero", Class::Keys),
    ("CRYPTO_gcm128_init", Class::Keys),
    ("CRYPTO_ghash_init", Class::Keys),
    ("OPENSSL_", Class::Keys),
    ("aead_aes_gcm_init", Class::Keys),
    ("aes_hw_set", Class::Keys),
    ("gcm_init", Class::Keys),
    ("EVP_AEAD", Class::Aead),
    ("CRYPTO_", Class::Aead),
    ("aead_", Class::Aead),
    ("aes", Class::Aead),
    ("gcm_", Class::Aead),
    ("skip_iv_len", Class::Aead),
    ("pinwire_proto::tls", Class::Records),
    ("rustls", Class::Records),
    ("pinwire_proto", Class::Session),
    ("pinwire_server", Class::Server),
    ("server::", Class::Server),
    ("tokio", Class::Tokio),
    ("mio", Class::Tokio),
    ("mem", Class::Libc),
    ("malloc", Class::Libc),
    ("int_", Class::Libc),
    ("cfree", Class::Libc),
    ("realloc", Class::Libc),
    ("libc_", Class::Libc),
    ("vdso_", Class::Libc),
    ("send", Class::Libc),
    ("clock_", Class::Libc),
    ("epoll_", Class::Libc),
];

/// How many samples each class had.
#[derive(Default)]
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
        let mut profile = Profile::default();
        // A sample is a line a frame, the innermost first, and an empty line.
        for sample in String::from_utf8_lossy(&said.stdout).split("\n\n") {
            if let Some(class) = class(sample) {
                profile.0[class as usize] += 1;
            }
        }
        let of_kernel: usize = profile.0[..=Class::Kernel as usize].iter().sum();
        match (profile.samples(), of_kernel) {
            (0, _) => Err("perf took no sample".to_owned()),
            // The shares would be of the program's own time alone.
            (_, 0) => Err("perf may not look into the kernel here (kernel.perf_event_paranoid)".to_owned()),
            _ => Ok(profile),
        }
    }
}

impl Drop for Samples {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn class(sample: &str) -> Option<Class> {
    let mut frames = sample.lines().filter_map(|line| line.trim().split_once(' ')).peekable();
    let (address, name) = *frames.peek()?;
    if !is_kernel(address) {
        let found = USER.iter().find(|(beginning, _)| plain(name).starts_with(beginning));
        let unknown = if name.starts_with("aws_lc") { Class::Aead } else { Class::Other };
        return Some(found.map_or(unknown, |(_, class)| *class));
    }
    let kernel = frames.take_while(|(address, _)| is_kernel(address));
    let named = |name: &str| KERNEL.iter().find(|(part, _)| name.contains(part)).map(|(_, class)| *class);
    Some(kernel.filter_map(|(_, name)| named(name)).next().unwrap_or(Class::Kernel))
}

/// A name without the marks of Rust's types and C's underscores, and one of the TLS library's without its version.
fn plain(name: &str) -> &str {
    let name = name.trim_start_matches(['<', '&', '_']);
    match name.strip_prefix("aws_lc_") {
        Some(rest) if rest.starts_with(|first: char| first.is_ascii_digit()) => {
            rest.trim_start_matches(|c: char| c == '_' || c.is_ascii_digit())
        }
        _ => name,
    }
}

/// The upper half of the addresses is the kernel's, on every 64-bit machine of ours.
fn is_kernel(address: &str) -> bool {
    address.len() == 16 && address.starts_with('f')
}

/// A second; a prime, so that it keeps step with nothing.
const RATE: &str = "1999";

const SECONDS: &str = "2";
