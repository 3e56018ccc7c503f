//! Java's SSLSocket: KeyUpdates of its own after so many bytes, `user_canceled` before its close_notify, half-closing,
//! tickets. It cannot pad.

use std::process::Command;

use super::talk::Talk;
use super::{BROKEN, Files, Place, SUITES, Suite, WHY, count, peer};

/// Java's own limit is 2^37 bytes a key.
const LIMITS: &str = "jdk.tls.keyLimits=AES/GCM/NoPadding KeyUpdate 2^16, ChaCha20-Poly1305 KeyUpdate 2^16\n";

fn pipe(place: &Place, suite: &Suite, identity: &Files, more: &[&str]) -> Talk {
    let settings = identity.beside("java.security");
    std::fs::write(&settings, LIMITS).unwrap();
    let mut command = Command::new("java");
    command.arg(format!("-Djava.security.properties={}", settings.display())).arg("-Djavax.net.debug=ssl");
    command.arg(peer("Pipe.java")).arg(place.port()).args([&identity.certificate, &identity.key]);
    Talk::start(command.arg(suite.name).args(more), "default-jdk-headless")
}

#[test]
fn java_probe() {
    let place = Place::new();
    for suite in &SUITES {
        let mut talk = pipe(&place, suite, &place.friend, &["resume"]);
        talk.hear(b"OK\r\n");
        talk.converse();
        talk.converse();
        talk.close();
        let (rest, notes) = talk.end();
        std::fs::write(format!("/tmp/ig/java-{}", suite.name), &notes).unwrap();
        assert_eq!(rest, "");
    }
}
