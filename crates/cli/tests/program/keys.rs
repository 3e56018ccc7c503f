//! `keygen` and `pin`, beside what OpenSSL says of the same files.

use std::fs;
use std::process::{Command, Stdio};

use crate::bench::Place;

/// Runs a line of shell in the place; `None` where there is no OpenSSL.
fn openssl(place: &Place, line: &str) -> Option<String> {
    Command::new("openssl").arg("version").stdout(Stdio::null()).status().ok()?;
    let ran = Command::new("sh").args(["-c", line]).current_dir(place.path("")).output().unwrap();
    assert!(ran.status.success(), "{line}: {}", String::from_utf8_lossy(&ran.stderr));
    Some(String::from_utf8(ran.stdout).unwrap())
}

fn digits(text: &str) -> String {
    let (_, digits) = text.trim().rsplit_once('=').unwrap();
    digits.trim().replace(':', "").to_lowercase()
}

#[test]
fn pins_are_what_openssl_computes() {
    let place = Place::new();
    place.ok(&["keygen", "alice"]);
    place.ok(&["keygen", "bob", "--kind", "p256"]);
    for name in ["alice", "bob"] {
        let file = format!("{name}.crt");
        let key = format!(
            "openssl x509 -in {file} -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256"
        );
        let Some(key) = openssl(&place, &key) else { return };
        let whole = openssl(&place, &format!("openssl x509 -in {file} -noout -fingerprint -sha256")).unwrap();
        let sha1 = openssl(&place, &format!("openssl x509 -in {file} -noout -fingerprint -sha1")).unwrap();
        let (key, whole, sha1) = (digits(&key), digits(&whole), digits(&sha1));
        let pins = format!("spki-sha256:{key}\nsha256:{whole}\n{sha1}\n");
        assert_eq!(place.ok(&["pin", &file]), pins);
        openssl(&place, &format!("openssl x509 -in {file} -outform der -out {name}.der"));
        assert_eq!(place.ok(&["pin", &format!("{name}.der")]), pins, "DER is as good");
        assert_eq!(place.ok(&["pin", "--form", "sha1", &file]), format!("{sha1}\n"));
    }
}

#[test]
fn keygen_makes_what_openssl_takes() {
    let place = Place::new();
    place.ok(&["keygen", "alice"]);
    let Some(key) = openssl(&place, "openssl pkey -in alice.key -pubout") else { return };
    assert_eq!(openssl(&place, "openssl x509 -in alice.crt -noout -pubkey"), Some(key));
    let subject = openssl(&place, "openssl x509 -in alice.crt -noout -subject").unwrap();
    assert!(subject.contains("alice"), "{subject}");
}

#[test]
fn keygen_never_overwrites() {
    let place = Place::new();
    for args in [&["keygen", "--server"][..], &["keygen"], &["keygen", "alice"]] {
        let pin = place.ok(args);
        assert!(pin.starts_with("spki-sha256:") && pin.lines().count() == 1, "{pin}");
        let again = place.run(args);
        assert_eq!(again.status, 6);
        assert!(again.err.contains("it is there already; nothing was overwritten"), "{}", again.err);
    }
    let key = place.read("client.key");
    fs::remove_file(place.home("client.crt")).unwrap();
    assert_eq!(place.run(&["keygen", "--client"]).status, 6, "a key alone is there too");
    assert_eq!(place.read("client.key"), key);
    assert!(!place.home("client.crt").exists());
}

#[cfg(unix)]
#[test]
fn renewing_keeps_key_pin_name_and_mode() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    for (args, certificate, key) in [
        (&["keygen", "alice"][..], "alice.crt", "alice.key"),
        (&["keygen", "--server"], "home/server.crt", "home/server.key"),
        (&["keygen"], "home/client.crt", "home/client.key"),
    ] {
        let pin = place.ok(&[args, &["--years", "1"]].concat());
        fs::set_permissions(place.path(certificate), fs::Permissions::from_mode(0o640)).unwrap();
        let read = |file| fs::read(place.path(file)).unwrap();
        let (old, secret) = (read(certificate), read(key));
        let pins = place.run(&["pin", certificate]);
        let [subject, until] = ["CN=", ", valid from"].map(|words| pins.err.find(words).unwrap());

        let ran = place.run(&[args, &["--renew"]].concat());
        assert_eq!((ran.status, ran.out()), (0, pin), "{}", ran.err);
        assert!(ran.err.contains("valid until") && ran.err.contains("the old one was until"), "{}", ran.err);
        assert!(read(certificate) != old && read(key) == secret, "{certificate}");
        let mode = fs::metadata(place.path(certificate)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o640);
        let renewed = place.run(&["pin", certificate]);
        assert!(renewed.err.contains(&pins.err[subject..until]), "{}", renewed.err);
        assert_ne!(pins.out().lines().nth(1), renewed.out().lines().nth(1));
    }
}

#[test]
fn only_what_belongs_together_is_renewed() {
    let place = Place::new();
    place.ok(&["keygen", "alice"]);
    place.ok(&["keygen", "bob"]);
    let read = |file: &str| fs::read_to_string(place.path(file)).unwrap();
    fs::copy(place.path("bob.crt"), place.path("alice.crt")).unwrap();
    let mixed = place.run(&["keygen", "alice", "--renew"]);
    assert_eq!(mixed.status, 6);
    assert!(mixed.err.contains("does not belong to the certificate"), "{}", mixed.err);
    assert_eq!(read("alice.crt"), read("bob.crt"));

    let both = read("bob.crt") + &read("bob.key");
    fs::write(place.path("bob.crt"), &both).unwrap();
    let both_in_one = place.run(&["keygen", "bob", "--renew"]);
    assert_eq!(both_in_one.status, 6);
    assert!(both_in_one.err.contains("it holds the key too"), "{}", both_in_one.err);
    assert_eq!(read("bob.crt"), both);

    let missing = place.run(&["keygen", "carol", "--renew"]);
    assert!(missing.status == 6 && missing.err.contains("carol.crt: "), "{}", missing.err);
    assert_eq!(place.run(&["keygen", "bob", "--renew", "--kind", "p256"]).status, 2);
}

#[test]
fn keygen_is_told_for_whom() {
    let place = Place::new();
    for args in
        [&["keygen", "--server", "--client"][..], &["keygen", "../alice"], &["keygen", "a", "--client"]]
    {
        assert_eq!(place.run(args).status, 2, "{args:?}");
    }
}

#[test]
fn pin_reads_standard_input_and_names_a_wrong_file() {
    let place = Place::new();
    place.ok(&["keygen", "alice"]);
    let certificate = fs::read(place.path("alice.crt")).unwrap();
    let ran = place.run_with_input(&["pin", "-"], &certificate);
    assert_eq!(ran.out(), place.ok(&["pin", "alice.crt"]));
    let wrong =
        [("alice.key", "a private key where"), ("nothing", "nothing: "), ("empty", "no certificate in PEM")];
    fs::write(place.path("empty"), "").unwrap();
    for (file, words) in wrong {
        let ran = place.run(&["pin", file]);
        assert_eq!(ran.status, 6);
        assert!(ran.err.contains(words), "{}", ran.err);
    }
}

#[test]
fn who_has_no_key_is_told_how_to_make_one() {
    let place = Place::new();
    let ran = place.run(&["pin"]);
    assert_eq!(ran.status, 6, "{}", ran.err);
    assert!(ran.err.contains("`pinwire keygen --client` makes"), "{}", ran.err);
    let ran = place.run(&["pin", "--server"]);
    assert!(ran.status == 6 && ran.err.contains("`pinwire keygen --server` makes"), "{}", ran.err);
    place.ok(&["keygen"]);
    fs::remove_file(place.home("client.key")).unwrap();
    let ran = place.run(&["get", "a"]);
    assert_eq!(ran.status, 6, "{}", ran.err);
    assert!(ran.err.contains("client.key is missing, but"), "{}", ran.err);
}
