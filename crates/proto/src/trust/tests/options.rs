//! The options: what each may be, and what is said of each that it may not.

use std::net::IpAddr;

use super::*;

const ALL: &str = "name=alice  commands=GET,LIST  admin  from=10.0.0.0/8,192.168.1.7,fd00::/8  \
                   expires=2027-01-31  connections=20";

fn only(text: &str) -> Entry {
    parse(text).unwrap().entries()[0].as_ref().clone()
}

#[test]
fn every_option_is_read_in_any_order() {
    let entry = only(&format!("{}  # laptop\n", line(ALL).trim_end()));
    assert_eq!(entry.name.as_deref(), Some("alice"));
    assert_eq!(entry.commands, Some(vec!["GET".to_owned(), "LIST".to_owned()]));
    assert!(entry.admin);
    let networks = ["10.0.0.0/8", "192.168.1.7/32", "fd00::/8"].map(|network| network.parse().unwrap());
    assert_eq!(entry.from, networks);
    assert_eq!(entry.expires.as_ref().unwrap().at, 1_801_440_000);
    assert_eq!((entry.connections, entry.comment.as_deref()), (Some(20), Some("laptop")));
    let words: Vec<&str> = ALL.split("  ").collect();
    let backwards = words.iter().rev().copied().collect::<Vec<_>>().join("\t");
    assert_eq!(only(&format!("{} # laptop\n", line(&backwards).trim_end())), entry);
    assert_eq!(Entry { comment: None, line: 0, ..entry }, Entry::with(Pin::Spki([1; 32]), &words).unwrap());
}

#[test]
fn what_an_entry_does_not_say_it_does_not_restrict() {
    let entry = only(&line(""));
    assert_eq!(entry, Entry { line: 1, ..Entry::of(Pin::Spki([1; 32])) });
    assert!(entry.permits("GET", false) && !entry.permits("KICK", true));
    assert!(entry.admits("2001:db8::1".parse().unwrap()));
}

#[test]
fn commands_are_kept_in_upper_case_and_in_order() {
    let entry = only(&line("commands=list,Get,X=#1"));
    assert_eq!(entry.commands.as_deref().unwrap(), ["LIST", "GET", "X=#1"]);
    assert!(entry.permits("get", false) && entry.permits("List", false) && !entry.permits("PUT", false));
    assert!(!entry.permits("GET", true), "administration needs `admin`");
    let longest = format!("commands={}", "x".repeat(64));
    assert_eq!(only(&line(&longest)).commands.unwrap()[0].len(), 64);
}

#[test]
fn an_administrator_is_held_to_its_commands_too() {
    assert!(only(&line("admin")).permits("KICK", true));
    assert!(!only(&line("admin commands=GET")).permits("KICK", true));
    assert!(only(&line("admin commands=kick")).permits("KICK", true));
}

#[test]
fn sources_are_addresses_and_networks() {
    let cases = [
        ("192.168.1.7", "192.168.1.7", "192.168.1.8"),
        ("192.168.1.7/32", "192.168.1.7", "192.168.1.6"),
        ("10.0.0.0/8,192.168.1.7", "10.255.255.255", "11.0.0.0"),
        ("0.0.0.0/0", "203.0.113.9", "::1"),
        ("fd00::/8", "fdff::1", "fe00::1"),
        ("::1/128", "::1", "::2"),
        ("::/0", "2001:db8::1", "127.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1", "10.0.0.2"),
        ("::ffff:10.0.0.0/104", "10.1.2.3", "11.0.0.0"),
        ("::ffff:0:0/96", "203.0.113.9", "::1"),
    ];
    for (from, inside, outside) in cases {
        let entry = only(&line(&format!("from={from}")));
        let admits = |address: &str| entry.admits(address.parse::<IpAddr>().unwrap());
        assert!(admits(inside) && !admits(outside), "{from}");
    }
}

/// `admits` says that it is the caller's duty.
#[test]
fn a_mapped_source_is_unmapped_before_it_is_asked_about() {
    let entry = only(&line("from=10.0.0.0/8"));
    let mapped: IpAddr = "::ffff:10.1.2.3".parse().unwrap();
    assert!(entry.admits(mapped.to_canonical()) && !entry.admits(mapped));
}

#[test]
fn an_entry_expires_with_its_day_or_at_its_time() {
    let cases = [
        ("1970-01-01", 86_400),
        ("2027-01-31", 1_801_440_000),
        ("2028-02-29", 1_835_481_600),
        ("9999-12-31", 253_402_300_800),
        ("0000-01-01", -62_167_132_800),
        ("2027-01-31T00:00:00Z", 1_801_353_600),
        ("2027-01-31t23:59:59z", 1_801_439_999),
        ("2027-01-31T12:00:00+02:00", 1_801_389_600),
        ("2027-01-31T12:00:00-05:30", 1_801_416_600),
        ("2027-01-31T12:00:00-00:00", 1_801_396_800),
        ("2027-01-31T12:00:00.999999999999Z", 1_801_396_800),
    ];
    for (text, at) in cases {
        let expires = only(&line(&format!("expires={text}"))).expires.unwrap();
        assert_eq!((expires.at, expires.to_string()), (at, text.to_owned()));
    }
}

#[test]
fn connections_are_a_number_of_32_bits() {
    for number in [1, 20, u32::MAX] {
        assert_eq!(only(&line(&format!("connections={number}"))).connections, Some(number));
    }
}

const NONE: &str = "expected \"name=…\", \"commands=…\", \"admin\", \"from=…\", \"expires=…\", \"connections=…\" or \
                    \"# comment\"";
const NAME: &str = "expected 1 to 64 of A-Z a-z 0-9 . _ -";
const COMMAND: &str = "expected 1 to 64 visible ASCII characters";
const ADDRESS: &str = "expected one like \"192.168.1.7\", \"10.0.0.0/8\" or \"fd00::/8\"";
const DATE: &str = "expected a date (\"2027-01-31\": the end of that day, UTC) or a time \
                    (\"2027-01-31T12:00:00Z\")";
const OFFSET: &str = "expected \"Z\" or one like \"+02:00\" behind it";
const NUMBER: &str = "expected 1 to 4294967295";

/// Options, the place in them (from 0) that the error names, and its text.
fn errors() -> Vec<(String, usize, String)> {
    let mut all = Vec::new();
    let mut say = |options: &str, at, found: &str, expected: &str| {
        all.push((options.to_owned(), at, format!("{found}{expected}")));
    };
    let long = "x".repeat(65);
    say("Admin", 0, "\"Admin\" is not an option; ", NONE);
    say("alice", 0, "\"alice\" is not an option; ", NONE);
    say("=", 0, "\"=\" is not an option; ", NONE);
    say("admin nàme=x", 6, "\"nàme=x\" is not an option; ", NONE);
    say("name=a name=b", 7, "a second name; ", "expected one at most");
    say("commands=A commands=B", 11, "a second commands; ", "expected one at most");
    say("admin admin", 6, "a second admin; ", "expected one at most");
    say("from=::1 from=::2", 9, "a second from; ", "expected one at most");
    say("expires=2027-01-31 expires=x", 19, "a second expires; ", "expected one at most");
    say("connections=1 connections=1", 14, "a second connections; ", "expected one at most");
    say("name", 4, "\"name\" without a value; ", "expected \"name=alice\"");
    say("commands", 8, "\"commands\" without a value; ", "expected \"commands=GET,LIST\"");
    say("from", 4, "\"from\" without a value; ", "expected \"from=10.0.0.0/8,192.168.1.7\"");
    say("expires", 7, "\"expires\" without a value; ", "expected \"expires=2027-01-31\"");
    say("connections", 11, "\"connections\" without a value; ", "expected \"connections=20\"");
    say("admin=yes", 5, "a value; ", "expected \"admin\" alone");
    say("admin=", 5, "a value; ", "expected \"admin\" alone");
    say("name=", 5, "an empty name; ", NAME);
    say("name=al/ce", 7, "'/' in a name; ", NAME);
    say(&format!("name={long}"), 69, "a name of 65 characters; ", NAME);
    say("commands=", 9, "an empty command's name; ", COMMAND);
    say("commands=GET,", 13, "an empty command's name; ", COMMAND);
    say("commands=,GET", 9, "an empty command's name; ", COMMAND);
    say("commands=GET,,PUT", 13, "an empty command's name; ", COMMAND);
    say("commands=GET,PÜT", 14, "'Ü' in a command's name; ", COMMAND);
    say(&format!("commands=A,{long}"), 75, "a command's name of 65 characters; ", COMMAND);
    say("commands=GET,PUT,get", 17, "\"get\" a second time; ", "expected each command once");
    say("from=", 5, "an empty address; ", ADDRESS);
    say("from=::1,", 9, "an empty address; ", ADDRESS);
    say("from=10.0.0.x", 12, "'x' in an address; ", ADDRESS);
    say("from=fe80::1%eth0", 12, "'%' in an address; ", ADDRESS);
    say("from=::1,10.0.0", 9, "\"10.0.0\" is not an address; ", ADDRESS);
    say("from=010.0.0.1", 5, "\"010.0.0.1\" is not an address; ", ADDRESS);
    say("from=10.0.0.0/33", 14, "a prefix that is too long; ", "expected 0 to 32");
    say("from=10.0.0.0/300", 14, "a prefix that is too long; ", "expected 0 to 32");
    say("from=::1,fd00::/129", 16, "a prefix that is too long; ", "expected 0 to 128");
    say("from=10.0.0.0/", 14, "no prefix's length; ", "expected 0 to 32");
    say("from=10.0.0.0/+8", 14, "'+' in a prefix's length; ", "expected 0 to 32");
    say("from=10.0.0.0/255.0.0.0", 17, "'.' in a prefix's length; ", "expected 0 to 32");
    say("from=10.0.0.0/08", 14, "a prefix's length that begins with 0; ", "expected 0 to 32");
    let bits = "has bits behind its prefix; expected";
    say("from=10.1.2.3/8", 5, &format!("10.1.2.3/8 {bits} "), "\"10.0.0.0/8\", or \"10.1.2.3\" alone");
    say("from=::1,fd00::1/8", 9, &format!("fd00::1/8 {bits} "), "\"fd00::/8\", or \"fd00::1\" alone");
    say("from=1.1.1.1/0", 5, &format!("1.1.1.1/0 {bits} "), "\"0.0.0.0/0\", or \"1.1.1.1\" alone");
    let mapped = format!("::ffff:10.1.2.3/104 {bits} ");
    say("from=::ffff:10.1.2.3/104", 5, &mapped, "\"10.0.0.0/8\", or \"10.1.2.3\" alone");
    say("from=10.0.0.1,10.0.0.1", 14, "\"10.0.0.1\" a second time; ", "expected each address once");
    say("from=10.0.0.1,10.0.0.1/32", 14, "\"10.0.0.1/32\" a second time; ", "expected each address once");
    let mapped = "\"::ffff:10.0.0.1\" a second time; ";
    say("from=10.0.0.1,::ffff:10.0.0.1", 14, mapped, "expected each address once");
    say("expires=", 8, "it ends too early; ", DATE);
    say("expires=never", 8, "'n' here; ", DATE);
    say("expires=31.01.2027", 10, "'.' here; ", DATE);
    say("expires=2027-1-31", 14, "'-' here; ", DATE);
    say("expires=2027-01-31é", 18, "'é' here; ", DATE);
    say("expires=2027-01", 15, "it ends too early; ", DATE);
    say("expires=2027-13-01", 13, "\"13\" here; ", "expected 01 to 12");
    say("expires=2027-00-01", 13, "\"00\" here; ", "expected 01 to 12");
    say("expires=2027-01-32", 16, "\"32\" here; ", "expected 01 to 31");
    say("expires=2027-02-30", 16, "2027-02-30 is on no calendar; ", DATE);
    say("expires=2027-02-29", 16, "2027-02-29 is on no calendar; ", DATE);
    say("expires=2027-01-31T12:00Z", 24, "'Z' here; ", DATE);
    say("expires=2027-01-31T24:00:00Z", 19, "\"24\" here; ", "expected 00 to 23");
    say("expires=2027-01-31T12:60:00Z", 22, "\"60\" here; ", "expected 00 to 59");
    say("expires=2027-01-31T12:00:60Z", 25, "\"60\" here; ", "expected 00 to 59");
    say("expires=2027-01-31T12:00:00", 27, "a time without its offset; ", OFFSET);
    say("expires=2027-01-31T12:00:00.5", 29, "a time without its offset; ", OFFSET);
    say("expires=2027-01-31T12:00:00.Z", 28, "'Z' here; ", DATE);
    say("expires=2027-01-31T12:00:00+0200", 30, "'0' here; ", DATE);
    say("expires=2027-01-31T12:00:00+02", 30, "it ends too early; ", DATE);
    say("expires=2027-01-31T12:00:00+24:00", 28, "\"24\" here; ", "expected 00 to 23");
    say("expires=2027-01-31T12:00:00+02:60", 31, "\"60\" here; ", "expected 00 to 59");
    say("expires=2027-01-31T12:00:00Zz", 28, "'z' here; ", DATE);
    say("connections=", 12, "an empty number; ", NUMBER);
    say("connections=0", 12, "a number that begins with 0; ", NUMBER);
    say("connections=007", 12, "a number that begins with 0; ", NUMBER);
    say("connections=-1", 12, "'-' in a number; ", NUMBER);
    say("connections=1e3", 13, "'e' in a number; ", NUMBER);
    say("connections=4294967296", 12, "a number that is too large; ", NUMBER);
    all
}

#[test]
fn errors_name_line_column_and_what_was_expected() {
    let pin = spki(1);
    for (options, at, text) in errors() {
        let at = options[..at].chars().count();
        let wanted = format!("line 2, column {}: {text}", pin.len() + 2 + at);
        assert_eq!(parse(&format!("#\n{pin} {options}\n")).unwrap_err(), [wanted]);
    }
}

#[test]
fn whoever_gives_words_reads_the_files_errors() {
    for (options, at, text) in errors() {
        let words: Vec<&str> = options.split(' ').collect();
        let error = Entry::with(Pin::Spki([1; 32]), &words).unwrap_err();
        assert_eq!(error.text, text, "{options}");
        let before: usize = words[..error.word].iter().map(|word| word.len() + 1).sum();
        assert_eq!(before + error.at, at, "{options}");
    }
    for word in ["", " ", "name=a b", "admin admin", "name=a\n", "commands=A B", "expires=2027-01-31 # x"] {
        assert!(Entry::with(Pin::Spki([1; 32]), &[word]).is_err(), "{word:?}");
    }
}

#[test]
fn a_sha1_pin_never_administers() {
    let text = format!("{} name=a admin\n", "ab".repeat(20));
    for sha1 in [Sha1::Accept, Sha1::Refuse] {
        let errors = TrustList::parse(text.as_bytes(), sha1).unwrap_err();
        let wanted = "line 1, column 49: \"admin\" with a SHA-1 pin; expected one with \"spki-sha256:…\"";
        assert_eq!(errors[0].to_string(), wanted);
    }
    let admin = Entry { admin: true, ..Entry::of(Pin::Sha1([0xab; 20])) };
    let Err(EditError::Entry(error)) = add("", &admin) else { panic!("it is not written either") };
    assert!(error.text.starts_with("\"admin\" with a SHA-1 pin"), "{error}");
}
