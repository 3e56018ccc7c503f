//! Peers that are not ours, over real sockets: on each suite, with whatever each of them can do to the record layer.

mod gnutls;
mod java;
mod judged;
mod openssl;
mod python;
mod s_server;
mod talk;

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::common::{HANG, Pair, Running, config, now, router, trusting, write};
use pinwire_server::Limits;
use pinwire_testkit::certificates;
use tempfile::TempDir;

/// A suite's name in RFC 8446 B.4, and in GnuTLS's priority strings.
struct Suite {
    name: &'static str,
    gnutls: &'static str,
}

const SUITES: [Suite; 3] = [
    Suite { name: "TLS_AES_128_GCM_SHA256", gnutls: "AES-128-GCM" },
    Suite { name: "TLS_AES_256_GCM_SHA384", gnutls: "AES-256-GCM" },
    Suite { name: "TLS_CHACHA20_POLY1305_SHA256", gnutls: "CHACHA20-POLY1305" },
];

/// What follows a command that breaks the grammar: the server says why, and then close_notify.
const BROKEN: &str = "no colon\r\nhere\r\n\r\n";
const WHY: &str = "ERR: bad-command";

/// A server, one client that it lets in, and one that it does not.
struct Place {
    server: Running,
    friend: Files,
    stranger: Files,
}

struct Files {
    certificate: PathBuf,
    key: PathBuf,
    _folder: TempDir,
}

impl Place {
    fn new() -> Place {
        let friend = certificates::good(now());
        // Nobody is to be delayed for the stranger's tries.
        let limits = Limits { failures: u32::MAX, ..Limits::default() };
        let server = Running::start(config(trusting(&[&friend])).limits(limits), router());
        Place { server, friend: Files::of(&friend), stranger: Files::of(&certificates::stranger(now())) }
    }

    /// Once nobody is there any more: so many ended with close_notify, and the others because the server closed.
    #[track_caller]
    fn all_ended(&self, finished: u64) {
        let began = Instant::now();
        while self.server.stats.snapshot().connections > 0 {
            assert!(began.elapsed() < HANG, "somebody stays");
            std::thread::yield_now();
        }
        let end = self.server.stats.snapshot();
        assert_eq!((end.finished, end.vanished, end.tls_failed), (finished, 0, 0), "{end:?}");
    }

    fn port(&self) -> String {
        self.server.address.port().to_string()
    }
}

impl Files {
    fn of(client: &Pair) -> Files {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = write(folder.path(), client);
        Files { certificate, key, _folder: folder }
    }

    /// A file beside them.
    fn beside(&self, name: &str) -> PathBuf {
        self.certificate.with_file_name(name)
    }
}

/// A program of ours in another language.
fn peer(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/server/peers").join(name)
}

/// How often `words` are in `text`.
fn count(text: &str, words: &str) -> usize {
    text.matches(words).count()
}

/// How often OpenSSL noted that it said (`>>>`) or heard (`<<<`) this message.
fn said_so(said: &str, side: &str, message: &str) -> usize {
    said.lines().filter(|line| line.starts_with(side) && line.ends_with(message)).count()
}
