//! `trust pending`, `approve`, `reject`, `status`: strangers, as a server wrote them down, and what an operator
//! does about them.

use std::fs;

use crate::bench::Place;

/// Day of the last try of all strangers here: 2026-11-23T12:00:00Z.
const LAST: i64 = 1_795_435_200;

fn pin(digits: &str) -> String {
    format!("spki-sha256:{digits:0<64}")
}

/// A place whose file waits with these strangers: digits of the pin, subject, seconds after [`LAST`].
fn place(strangers: &[(&str, &str, i64)]) -> Place {
    let place = Place::new();
    fs::create_dir_all(place.path("home")).unwrap();
    let mine = format!("# mine\n{}  name=ada\n", pin("ada"));
    fs::write(place.home("trusted"), mine).unwrap();
    write_pending(&place, strangers);
    place
}

fn write_pending(place: &Place, strangers: &[(&str, &str, i64)]) {
    let strangers: Vec<serde_json::Value> = strangers
        .iter()
        .map(|(digits, subject, after)| {
            serde_json::json!({
                "pin": pin(digits), "subject": subject, "first": LAST - 3_600, "last": LAST + after,
                "times": 3, "sources": ["203.0.113.9", "2001:db8::1"],
            })
        })
        .collect();
    let pending = serde_json::json!({ "strangers": strangers });
    fs::write(place.home("trusted.pending"), pending.to_string()).unwrap();
}

#[test]
fn whoever_waits_is_shown_the_latest_first() {
    let place = place(&[("b0b", "CN=bob", 0), ("ca201", "CN=carol", 60), ("ada", "CN=ada", 90)]);
    let ran = place.run(&["trust", "pending"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    let told = |digits: &str, subject: &str, last: &str| {
        format!(
            "{}  {subject}\n  3 times, first 2026-11-23T11:00:00Z, last {last}, from 203.0.113.9, 2001:db8::1\n",
            pin(digits)
        )
    };
    let (carol, bob) =
        (told("ca201", "CN=carol", "2026-11-23T12:01:00Z"), told("b0b", "CN=bob", "2026-11-23T12:00:00Z"));
    assert_eq!(ran.out(), carol + &bob, "not whom the list lets in");
    assert!(ran.err.contains("no server follows the file now"), "{}", ran.err);
    let json = place.ok(&["trust", "pending", "--json"]);
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!((&first["subject"], &first["last"]), (&"CN=carol".into(), &(LAST + 60).into()), "{json}");
    fs::remove_file(place.home("trusted.pending")).unwrap();
    assert!(place.run(&["trust", "pending"]).err.contains("nobody waits"));
}

#[test]
fn a_subject_writes_neither_to_the_terminal_nor_into_the_file() {
    let nasty = format!("CN=x\n{}  name=eve\u{1b}[2J\u{202e}{}", pin("e"), "y".repeat(65_536));
    let place = place(&[("b0b0b0b0b0b0b0b0", &nasty, 0)]);
    for args in [&["trust", "pending"][..], &["trust", "pending", "--json"]] {
        let shown = place.ok(args);
        assert!(
            shown.bytes().all(|byte| byte == b'\n' || byte == b' ' || byte.is_ascii_graphic()),
            "{shown}"
        );
        assert!(shown.len() < 400 && shown.lines().count() <= 2, "{shown}");
    }
    let before = place.read("trusted");
    place.ok(&["trust", "approve", "b0b0b0b0b0b0b0b0", "--name", "bob"]);
    assert_eq!(place.read("trusted"), format!("{before}{}  name=bob\n", pin("b0b0b0b0b0b0b0b0")));
}

#[test]
fn approving_takes_a_beginning_that_means_one() {
    let alike = "0123456789abcdef0";
    let place =
        place(&[(alike, "CN=a", 0), (&format!("{alike}1"), "CN=b", 0), ("b0b0b0b0b0b0b0b0", "CN=c", 0)]);
    let before = place.read("trusted");
    let mistakes: &[(&[&str], i32, &str)] = &[
        (&["b0b0b0b0b0b0b0b", "--name", "bob"], 2, "15 digits; expected the first 16 digits"),
        (&["spki-sha256:b0b0", "--name", "bob"], 2, "4 digits; expected"),
        (&["b0b0b0b0b0b0b0bx", "--name", "bob"], 2, "'x' is not a hexadecimal digit"),
        (&["b0b0b0b0b0b0b0b0"], 2, "--name"),
        (&["b0b0b0b0b0b0b0b0", "--name", "b b"], 2, "--name: "),
        (&["b0b0b0b0b0b0b0b0", "--name", "bob", "--expires", "soon"], 2, "--expires: "),
        (&["b0b0b0b0b0b0b0b0", "--name", "ada"], 6, "this name is there already, line 2"),
        (&["b0b0b0b0b0b0b0b1", "--name", "bob"], 6, "nobody waits whose pin begins so"),
        (&["0123456789abcdef", "--name", "bob"], 6, "more than one stranger is meant"),
        (&["ada0000000000000", "--name", "bob"], 6, "line 2 lets it in already"),
    ];
    for (args, status, words) in mistakes {
        let ran = place.run(&[&["trust", "approve"], *args].concat());
        assert_eq!(ran.status, *status, "{args:?}: {}", ran.err);
        assert!(ran.err.contains(words), "{args:?}: {}", ran.err);
        assert_eq!(place.read("trusted"), before);
    }
    place.ok(&[
        "trust",
        "approve",
        "SPKI-SHA256:B0:B0:B0:B0:B0:B0:B0:B0",
        "--name",
        "bob",
        "--commands",
        "GET",
    ]);
    let line = format!("{}  name=bob  commands=GET\n", pin("b0b0b0b0b0b0b0b0"));
    assert_eq!(place.read("trusted"), before + &line);
    assert_eq!(place.ok(&["trust", "pending"]).lines().count(), 4);
}

#[test]
fn whoever_was_removed_or_rejected_needs_again() {
    let (bob, carol) = ("b0b0b0b0b0b0b0b0", "ca201ca201ca201c");
    // Seen last long ago: taken out after that.
    let place = place(&[(bob, "CN=bob", 0), (carol, "CN=carol", 0)]);
    place.ok(&["trust", "add", &pin(bob), "--name", "bob"]);
    place.ok(&["trust", "remove", "bob"]);
    place.ok(&["trust", "reject", carol]);
    let ran = place.run(&["trust", "pending"]);
    assert_eq!(ran.out(), "", "not seen since");
    assert!(ran.err.contains("nobody waits"), "{}", ran.err);

    let years = 100 * 365 * 86_400;
    write_pending(&place, &[(bob, "CN=bob", years), (carol, "CN=carol", years)]);
    let shown = place.ok(&["trust", "pending"]);
    let (removed, rejected) = ("\n  removed as bob on 20", "\n  rejected on 20");
    assert!(shown.contains(removed) && shown.contains(rejected), "{shown}");
    assert_eq!(shown.matches("; needs approve --again\n").count(), 2, "{shown}");
    for (digits, words) in [(bob, "was removed as bob on 20"), (carol, "was rejected on 20")] {
        let ran = place.run(&["trust", "approve", digits, "--name", "again"]);
        assert_eq!(ran.status, 6);
        assert!(ran.err.contains(words) && ran.err.contains("say --again"), "{}", ran.err);
    }
    place.ok(&["trust", "approve", bob, "--name", "again", "--again"]);
    assert!(place.ok(&["trust", "list"]).contains("again  spki-sha256:b0b0"));
    let removed = place.read("trusted.removed");
    assert!(!removed.contains(bob) && removed.contains(carol), "{removed}");
    assert_eq!(place.run(&["trust", "reject", "0123456789abcdef"]).status, 6);
    assert_eq!(place.run(&["trust", "reject", "012345"]).status, 2);
}

#[test]
fn status_tells_of_the_server_that_follows() {
    let place = Place::new();
    let none = place.run(&["trust", "status"]);
    assert_eq!((none.status, none.out().ends_with("trusted: no server follows it\n")), (1, true));

    let server = place.serve();
    let status = || place.run(&["trust", "status"]);
    crate::bench::until(|| status().status == 0);
    let told = status().out();
    let pin = place.ok(&["pin", "--server", "--form", "spki-sha256"]);
    for words in [
        ": followed since 2",
        &format!("\n  process {}, listens on {}\n", server.process(), server.address),
        "\n  uses the list of 1 entry, since 2",
        &format!("\n  shows {}, valid until 2", pin.trim()),
    ] {
        assert!(told.contains(words), "{told}");
    }

    let good = place.read("trusted");
    fs::write(place.home("trusted"), format!("{good}x\n")).unwrap();
    crate::bench::until(|| status().status == 1);
    let told = status().out();
    assert!(told.contains("the file as it is now is not in order and not used, since 2"), "{told}");
    assert!(told.contains("\n    line 4, column 1: "), "{told}");
    let json = place.run(&["trust", "status", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.out()).unwrap();
    assert_eq!((&json["followed"], &json["trust"]["entries"]), (&true.into(), &1.into()), "{json}");

    fs::write(place.home("trusted"), good).unwrap();
    crate::bench::until(|| status().status == 0);
    drop(server);
    let last = status();
    assert_eq!(last.status, 1);
    assert!(last.out().contains(": no server follows it now; the last one, from 2"), "{}", last.out());
}
