//! Java's SSLSocket: KeyUpdates of its own after so many bytes, `user_canceled` before its close_notify, half-closing,
//! tickets. It cannot pad.

use std::process::Command;

use super::talk::Talk;
use super::{BROKEN, Files, Place, SUITES, Suite, WHY, count, peer};
use tempfile::TempDir;

/// The program, compiled once for the many times that it is started.
struct Java {
    classes: TempDir,
}

impl Java {
    fn compiled() -> Java {
        let classes = tempfile::tempdir().unwrap();
        let mut command = Command::new("javac");
        let (_, complaints) =
            Talk::start(command.arg("-d").arg(classes.path()).arg(peer("Pipe.java")), PACKAGE).end();
        assert_eq!(complaints, "");
        std::fs::write(classes.path().join("limits"), LIMITS).unwrap();
        Java { classes }
    }

    fn pipe(&self, place: &Place, suite: &Suite, identity: &Files, more: &[&str]) -> Talk {
        let mut command = Command::new("java");
        // It lives for a second: no time for the best code, or for more than one thread of garbage.
        command.args([
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            "-Djavax.net.debug=ssl:handshake:record",
        ]);
        let limits = self.classes.path().join("limits");
        command.arg(format!("-Djava.security.properties={}", limits.display()));
        command.arg("-cp").arg(self.classes.path()).arg("Pipe").arg(place.port());
        command.args([&identity.certificate, &identity.key]).arg(suite.name).args(more);
        Talk::start(&mut command, PACKAGE)
    }
}

const PACKAGE: &str = "default-jdk-headless";

/// Java's own are 2^37 bytes a key.
const LIMITS: &str = "jdk.tls.keyLimits=AES/GCM/NoPadding KeyUpdate 2^16, ChaCha20-Poly1305 KeyUpdate 2^16\n";

#[test]
fn java_talks_updates_keys_and_resumes_a_session() {
    let java = Java::compiled();
    let place = Place::new();
    for suite in &SUITES {
        for (more, resumed) in [(&["half"][..], false), (&["resume"], true)] {
            let mut talk = java.pipe(&place, suite, &place.friend, more);
            talk.hear(b"OK\r\n");
            talk.converse();
            if !resumed {
                talk.say("LATER\r\nSequence: 1\r\nSize: 3\r\n\r\nfar");
            }
            talk.close();
            let (rest, notes) = talk.end();
            assert!(notes.contains(&format!("suite {} resumed {resumed}\n", suite.name)), "{notes}");
            // RFC 8446 4.6.3: one may answer several that came meanwhile.
            let (asked, answered) =
                (count(&notes, "Produced KeyUpdate"), count(&notes, "Consuming KeyUpdate"));
            assert!(0 < answered && answered <= asked, "{answered} answers to {asked} KeyUpdates: {notes}");
            let expected = if resumed { ("", 2) } else { (LATER, 0) };
            assert_eq!((rest.as_str(), count(&notes, "alert(user_canceled)")), expected, "{notes}");
            // A close that is none of a half ends Java's reading itself, unless the server is faster.
            assert!(resumed || notes.contains("ended by the server's close_notify\n"), "{notes}");
        }
    }
    place.all_ended(9); // the first of those that resume counts
}

const LATER: &str = "OK\r\nSequence: 1\r\nSize: 3\r\n\r\nfar";

#[test]
fn java_hears_why_it_ends() {
    let java = Java::compiled();
    let place = Place::new();
    for suite in &SUITES {
        let mut talk = java.pipe(&place, suite, &place.friend, &[]);
        talk.hear(b"OK\r\n");
        talk.say(BROKEN);
        let (rest, notes) = talk.end();
        assert!(rest.starts_with(WHY) && rest.ends_with("\r\nSize: 0\r\n\r\n"), "{rest}");
        assert!(notes.contains("ended by the server's close_notify\n"), "{notes}");

        let (rest, notes) = java.pipe(&place, suite, &place.stranger, &[]).end();
        assert!(rest.starts_with("ERR: unfamiliar-certificate: ") && rest.ends_with("\r\n"), "{rest}");
        assert!(notes.contains("ended by the server's close_notify\n"), "{notes}");
    }
    place.all_ended(0);
}
