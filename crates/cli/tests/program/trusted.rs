//! `trust`: what is added is let in, what is removed is not, and nothing else changes.

use std::fs;

use crate::bench::{Place, until};

#[test]
fn add_list_and_remove() {
    let place = Place::new();
    let pin = place.ok(&["keygen", "alice"]).trim().to_owned();
    place.ok(&["trust", "add", "alice.crt", "--name", "alice", "--comment", "since May"]);
    let bob = format!("spki-sha256:{}", "0B".repeat(32));
    place.ok(&["trust", "add", &bob]);
    let bob = bob.to_lowercase();
    assert_eq!(place.ok(&["trust", "list"]), format!("alice  {pin}    # since May\n-      {bob}\n"));

    let before = place.read("trusted") + "# mine, with\ttabs\n";
    fs::write(place.home("trusted"), &before).unwrap();
    place.ok(&["trust", "remove", "alice"]);
    let line = format!("{pin}  name=alice  # since May\n");
    assert_eq!(place.read("trusted"), before.replace(&line, ""), "all else stays byte for byte");
    place.ok(&["trust", "remove", "0b0b0b"]);
    assert_eq!(place.ok(&["trust", "list"]), "");
}

#[test]
fn who_is_added_gets_in_and_who_is_removed_does_not_stay() {
    let place = Place::new();
    let server = place.serve();
    place.ok(&["keygen", "alice"]);
    let read = |file: &str| fs::read_to_string(place.path(file)).unwrap();
    let alice = place.visitor(Some((read("alice.crt"), read("alice.key"))));
    let who = || alice.run(&["call", "WHOAMI", "-s", &server.address]);
    assert_eq!(who().status, 3);
    let added = place.run(&["trust", "add", "alice.crt", "--name", "alice"]);
    assert!(added.err.contains("a server that follows the file acts on it within a second"), "{}", added.err);
    until(|| who().status == 0);
    assert!(who().out().starts_with("name: alice\n"));
    place.ok(&["trust", "remove", "alice"]);
    until(|| who().status == 3);
}

#[test]
fn mistakes_change_nothing() {
    let place = Place::new();
    place.ok(&["keygen", "alice"]);
    place.ok(&["trust", "add", "alice.crt", "--name", "alice"]);
    let before = place.read("trusted");
    let pin = &format!("spki-sha256:{}", "ab".repeat(32));
    let sha1 = &"ab".repeat(20);
    let mistakes: &[(&[&str], i32, &str)] = &[
        (&["add", "alice.crt"], 6, "this pin is there already, line 3"),
        (&["add", pin, "--name", "alice"], 6, "this name is there already, line 3"),
        (&["add", pin, "--name", "al ice"], 2, "--name: ' ' in a name; expected 1 to 64"),
        (&["add", pin, "--comment", "a\nb"], 2, "--comment: a comment is one line"),
        (&["add", pin, "--commands", "GET, LIST"], 2, "--commands: ' ' in a command's name"),
        (&["add", pin, "--from", "10.0.0.300"], 2, "--from: "),
        (&["add", pin, "--from", "10.0.0.1/8"], 2, "--from: "),
        (&["add", pin, "--expires", "2027-02-30"], 2, "--expires: 2027-02-30 is on no calendar"),
        (&["add", pin, "--expires", "2027-01-31T12:00:00"], 2, "--expires: a time without its offset"),
        (&["add", pin, "--connections", "0"], 2, "--connections: "),
        (&["add", sha1], 2, "`pinwire pin alice.crt` prints"),
        (&["add", sha1, "--accept-sha1", "--admin"], 2, "--admin: "),
        (&["add", "alice.key"], 6, "a private key where a certificate was expected"),
        (&["add", "nobody"], 2, "neither a file nor a pin"),
        (&["add", "nobody.crt"], 6, "nobody.crt: there is no such file"),
        (&["add", "keys/nobody"], 6, "keys/nobody: there is no such file"),
        (&["remove", "nobody"], 6, "no line has the name or the pin"),
        (&["remove", "nobody.crt"], 6, "nobody.crt: there is no such file"),
        (&["remove", "alice.key"], 6, "a private key where a certificate was expected"),
    ];
    for (args, status, words) in mistakes {
        let ran = place.run(&[&["trust"], *args].concat());
        assert_eq!(ran.status, *status, "{args:?}: {}", ran.err);
        assert!(ran.err.contains(words), "{args:?}: {}", ran.err);
        assert_eq!(place.read("trusted"), before);
    }
}

#[test]
fn every_option_stands_in_the_line_and_in_the_list() {
    let place = Place::new();
    let pin = format!("spki-sha256:{}", "ab".repeat(32));
    let said = ["--commands", "get,LIST", "--from", "10.0.0.0/8,::1", "--expires", "2027-01-31"];
    let more = ["--name", "alice", "--connections", "20", "--admin", "--comment", "laptop"];
    place.ok(&[&["trust", "add", &pin], &said[..], &more[..]].concat());
    let options = "commands=GET,LIST  admin  from=10.0.0.0/8,::1  expires=2027-01-31  connections=20";
    let line = format!("{pin}  name=alice  {options}  # laptop\n");
    assert!(place.read("trusted").ends_with(&line), "{}", place.read("trusted"));

    place.ok(&["trust", "add", &"cd".repeat(20), "--accept-sha1", "--expires", "2020-01-31T12:00:00+02:00"]);
    let listed = place.ok(&["trust", "list"]);
    let expected = format!("alice  {pin}  {options}                  # laptop\n");
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[0].starts_with(expected.split("  # ").next().unwrap().trim_end()), "{listed}");
    assert!(lines[1].ends_with("expires=2020-01-31T12:00:00+02:00  (expired)"), "{listed}");
    let json = place.ok(&["trust", "list", "--json"]);
    let json: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&json[0]["from"][1], &json[0]["admin"]), (&"::1".into(), &true.into()), "{json:?}");
    assert_eq!(json[1]["expired"], true);

    let checked = place.run(&["trust", "check", "--accept-sha1"]);
    assert!(checked.out().ends_with("trusted: in order: 2 entries (1 expired)\n"), "{}", checked.out());
    let checked = place.run(&["trust", "check"]);
    assert_eq!(checked.status, 1);
    assert!(checked.err.contains("line 4, column 1: a SHA-1 pin"), "{}", checked.err);
}

#[test]
fn check_says_every_reason() {
    let place = Place::new();
    let pin = format!("spki-sha256:{}", "ab".repeat(32));
    let checked = |text: &str| {
        fs::write(place.path("list"), text).unwrap();
        place.run(&["trust", "check", "list"])
    };
    let good = checked(&format!("{pin}\n"));
    assert_eq!((good.status, good.out().as_str()), (0, "list: in order: 1 entry\n"));
    assert_eq!(checked("# nobody yet\n").out(), "list: in order: no entries, nobody is let in\n");
    for (text, words) in [
        (String::new(), "it has no bytes"),
        (format!("{pin}  name=alice"), "line 1, column 89: the last line has no line end"),
        (format!("{pin}\n{pin}\n"), "line 2, column 1: this pin stands on line 1 already"),
        (format!("#\n{pin}  nme=alice\nx\n"), "line 2, column 79: \"nme=alice\" is not an option"),
        (format!("#\n{pin}  nme=alice\nx\n"), "\n  line 3, column 1: "),
    ] {
        let bad = checked(&text);
        assert_eq!((bad.status, bad.out().as_str()), (1, ""), "{text}");
        assert!(bad.err.contains(words), "{text}: {}", bad.err);
    }
    let missing = place.run(&["trust", "check"]);
    assert_eq!(missing.status, 1);
    assert!(missing.err.contains("trusted: it is not there"), "{}", missing.err);
    assert!(!place.path("home").exists(), "nothing was made on the way");
}

#[cfg(unix)]
#[test]
fn a_file_that_others_may_write_is_not_in_order_and_an_edit_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let pin = format!("spki-sha256:{}", "ab".repeat(32));
    place.ok(&["trust", "add", &pin, "--name", "alice"]);
    let set = |mode| fs::set_permissions(place.home("trusted"), fs::Permissions::from_mode(mode)).unwrap();
    set(0o664);
    let bad = place.run(&["trust", "check"]);
    assert_eq!(bad.status, 1);
    assert!(bad.err.contains("chmod go-w"), "{}", bad.err);
    set(0o640);
    place.ok(&["trust", "check"]);
    place.ok(&["trust", "remove", "alice"]);
    let mode = fs::metadata(place.home("trusted")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o640);
}

#[test]
fn a_certificates_file_names_its_other_lines() {
    let place = Place::new();
    place.ok(&["keygen", "alice"]);
    let whole = place.ok(&["pin", "alice.crt", "--form", "sha256"]);
    place.ok(&["trust", "add", whole.trim(), "--name", "old"]);
    let added = place.run(&["trust", "add", "alice.crt", "--name", "alice"]);
    assert!(added.err.contains("line 3 matches the same certificate, and being the first"), "{}", added.err);

    let removed = place.run(&["trust", "remove", "old"]);
    assert!(removed.err.contains("of which nobody can tell"), "{}", removed.err);
    place.ok(&["trust", "add", whole.trim(), "--name", "old"]);
    let removed = place.run(&["trust", "remove", "alice.crt"]);
    assert!(removed.err.contains("name=alice\n"), "{}", removed.err);
    assert!(removed.err.contains("it is still let in, by another line: sha256:"), "{}", removed.err);
    assert!(removed.err.ends_with("pinwire trust remove old\n"), "{}", removed.err);
    assert_eq!(place.ok(&["trust", "list"]).lines().count(), 1);
}

/// Eight that are there go, eight others come, all at the same time.
#[test]
fn of_many_at_once_none_is_lost() {
    let place = Place::new();
    let pin = |byte: u8| format!("sha256:{}", format!("{byte:02x}").repeat(32));
    let change = |what: &str, byte: u8| {
        let mut program = place.program();
        program.args(["trust", what, &pin(byte)]).stderr(std::process::Stdio::null()).spawn().unwrap()
    };
    let all = |children: Vec<std::process::Child>| {
        assert!(children.into_iter().all(|mut child| child.wait().unwrap().success()));
    };
    all((0..8).map(|byte| change("add", byte)).collect());
    all((0..8).flat_map(|byte| [change("remove", byte), change("add", 8 + byte)]).collect());
    let listed = place.ok(&["trust", "list"]);
    let mut left: Vec<&str> = listed.lines().map(|line| line.trim_start_matches("-  ")).collect();
    left.sort_unstable();
    assert_eq!(left, (8..16).map(pin).collect::<Vec<_>>());
    let removed: serde_json::Value = serde_json::from_str(&place.read("trusted.removed")).unwrap();
    assert_eq!(removed["removed"].as_array().unwrap().len(), 8);
}

#[test]
fn sha1_thumbprints_are_taken_where_the_operator_accepts_them() {
    let place = Place::new();
    assert_eq!(place.run(&["keygen"]).status, 0);
    let pin = place.run(&["pin", "home/client.crt", "--form", "sha1"]);
    let pin = String::from_utf8(pin.out).unwrap();
    assert_eq!(place.run(&["trust", "add", pin.trim(), "--name", "old"]).status, 2);
    let added = place.run(&["trust", "add", pin.trim(), "--name", "old", "--accept-sha1"]);
    assert_eq!(added.status, 0);
    assert!(added.err.contains("`pinwire serve` takes it only with --accept-sha1"), "{}", added.err);

    let refused = place.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(refused.status, 6, "{}", refused.err);
    assert!(refused.err.contains("SHA-1"), "{}", refused.err);

    let serving = place.serve_with(&["--listen", "127.0.0.1:0", "--accept-sha1"]);
    assert_eq!(place.run(&["call", "-s", &serving.address, "PING"]).status, 0);
}
