//! The files beside a trust file, as both sides see them.

use super::*;

fn pin(byte: u8) -> Pin {
    Pin::Spki([byte; 32])
}

fn status() -> Status {
    Status {
        pid: 1,
        listening: "127.0.0.1:4433".parse().unwrap(),
        started: 2,
        trust: TrustStatus {
            file: "/etc/trusted".into(),
            entries: 3,
            since: 4,
            bad: Some(Bad { since: 5, errors: vec!["line 3, column 7: \"é\"".into()] }),
        },
        identity: Some(IdentityStatus { pin: pin(1), not_after: i64::MAX, since: 6, bad: None }),
    }
}

fn stranger(byte: u8) -> Stranger {
    let sources = vec!["203.0.113.9".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    Stranger { pin: pin(byte), subject: "CN=bob".into(), first: 1, last: 2, times: 3, sources }
}

fn gone(byte: u8, at: i64) -> Gone {
    Gone { pin: pin(byte), name: Some("alice".into()), at, how: How::Rejected }
}

#[test]
fn what_is_written_is_read_and_what_is_missing_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("trusted");
    assert_eq!(read_status(&trusted), Ok(None));
    assert_eq!(read_pending(&trusted), Ok(Pending::default()));
    assert_eq!(read_removed(&trusted), Ok(Removed::default()));
    let pending = Pending { strangers: vec![stranger(1), stranger(2)] };
    let removed = Removed { removed: vec![gone(1, 5)] };
    for _ in 0..2 {
        write_status(&trusted, &status()).unwrap();
        write_pending(&trusted, &pending).unwrap();
        write_removed(&trusted, &removed).unwrap();
    }
    assert_eq!(read_status(&trusted), Ok(Some(status())));
    assert_eq!(read_pending(&trusted), Ok(pending));
    assert_eq!(read_removed(&trusted), Ok(removed));
    let names =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!(names.len(), 3, "no new file is left: {names:?}");
    assert!(names.iter().all(|name| is_beside(&trusted, name)));
    assert!(!is_beside(&trusted, "trusted".as_ref()) && is_beside(&trusted, "trusted.status.new".as_ref()));
}

#[test]
fn the_form_is_the_one_that_others_read() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("trusted");
    write_status(&trusted, &Status { identity: None, ..status() }).unwrap();
    let text = fs::read_to_string(folder.path().join("trusted.status")).unwrap();
    let trust = r#"{"file":"/etc/trusted","entries":3,"since":4,"bad":{"since":5,"errors":["line 3, column 7: \"é\""]}}"#;
    let wanted =
        format!(r#"{{"pid":1,"listening":"127.0.0.1:4433","started":2,"trust":{trust},"identity":null}}"#);
    assert_eq!(text, wanted + "\n");
    write_removed(&trusted, &Removed { removed: vec![gone(0xab, 5)] }).unwrap();
    let text = fs::read_to_string(folder.path().join("trusted.removed")).unwrap();
    let pin = pin(0xab);
    assert_eq!(
        text,
        format!(r#"{{"removed":[{{"pin":"{pin}","name":"alice","at":5,"how":"rejected"}}]}}"#) + "\n"
    );
}

#[test]
fn a_broken_file_is_said_to_be_so() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("trusted");
    for text in ["", "{\"strangers\":[{}]}", "{\"strangers\":[{\"pin\":\"x\"}]}", "no"] {
        fs::write(folder.path().join("trusted.pending"), text).unwrap();
        let error = read_pending(&trusted).unwrap_err().to_string();
        assert!(error.contains("trusted.pending: it is broken ("), "{error}");
    }
}

#[test]
fn what_was_left_half_written_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("trusted");
    fs::write(folder.path().join("trusted.removed.new"), "{\"remo").unwrap();
    write_removed(&trusted, &Removed::default()).unwrap();
    assert_eq!(read_removed(&trusted), Ok(Removed::default()));
}

#[test]
fn the_removed_are_bounded_and_known_once() {
    let mut removed = Removed::default();
    let numbered = |number: usize, at| {
        let mut pin = [0; 32];
        pin[..8].copy_from_slice(&number.to_be_bytes());
        Gone { pin: Pin::Spki(pin), ..gone(0, at) }
    };
    (0..Removed::MOST + 5).for_each(|number| removed.note(numbered(number, 1)));
    assert_eq!(removed.removed.len(), Removed::MOST);
    assert_eq!(removed.find(&numbered(4, 0).pin), None, "the oldest are forgotten");
    removed.note(numbered(5, 9));
    assert_eq!(removed.removed.len(), Removed::MOST);
    assert_eq!(removed.find(&numbered(5, 0).pin).map(|gone| gone.at), Some(9));
}

#[test]
fn one_holds_the_lock_and_others_see_it() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("trusted");
    assert_eq!(is_followed(&trusted), Ok(false), "there is no lock");
    let held = lock(&trusted).unwrap();
    assert!(held.is_some());
    assert!(lock(&trusted).unwrap().is_none());
    assert_eq!(is_followed(&trusted), Ok(true));
    drop(held);
    assert_eq!(is_followed(&trusted), Ok(false));
    assert!(lock(&trusted).unwrap().is_some());
}

#[cfg(unix)]
#[test]
fn they_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("trusted");
    write_status(&trusted, &status()).unwrap();
    let _lock = lock(&trusted).unwrap();
    for name in ["trusted.status", "trusted.lock"] {
        let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}
