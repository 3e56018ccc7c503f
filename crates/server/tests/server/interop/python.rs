//! Python's `ssl`, whose suites the configuration of its OpenSSL chooses. It cannot pad, nor update keys.

use std::process::Command;

use super::talk::Talk;
use super::{BROKEN, Files, Place, SUITES, Suite, WHY, peer};

fn pipe(place: &Place, suite: &Suite, identity: &Files, more: &[&str]) -> Talk {
    let settings = identity.beside("openssl.cnf");
    std::fs::write(&settings, CONFIGURATION.replace("SUITE", suite.name)).unwrap();
    let mut command = Command::new("python3");
    command.arg(peer("pipe.py")).arg(place.port()).args([&identity.certificate, &identity.key]).args(more);
    Talk::start(command.env("OPENSSL_CONF", settings), "python3")
}

const CONFIGURATION: &str = "\
openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = tls
[tls]
Ciphersuites = SUITE
";

#[test]
fn python_talks_and_resumes_a_session() {
    let place = Place::new();
    for suite in &SUITES {
        for (more, resumed) in [(&[][..], "False"), (&["resume"], "True")] {
            let mut talk = pipe(&place, suite, &place.friend, more);
            talk.hear(b"OK\r\n");
            talk.converse();
            talk.close();
            let (rest, notes) = talk.end();
            assert_eq!(rest, "");
            assert_eq!(notes, format!("suite {} resumed {resumed}\nended by our close_notify\n", suite.name));
        }
    }
    place.all_ended(9); // the first of those that resume counts
}

#[test]
fn python_hears_why_it_ends() {
    let place = Place::new();
    for suite in &SUITES {
        let all = format!("suite {} resumed False\nended by the server's close_notify\n", suite.name);
        let mut talk = pipe(&place, suite, &place.friend, &[]);
        talk.hear(b"OK\r\n");
        talk.say(BROKEN);
        let (rest, notes) = talk.end();
        assert!(rest.starts_with(WHY) && rest.ends_with("\r\nSize: 0\r\n\r\n"), "{rest}");
        assert_eq!(notes, all);

        let (rest, notes) = pipe(&place, suite, &place.stranger, &[]).end();
        assert!(rest.starts_with("ERR: unfamiliar-certificate: ") && rest.ends_with("\r\n"), "{rest}");
        assert_eq!(notes, all);
    }
    place.all_ended(0);
}
