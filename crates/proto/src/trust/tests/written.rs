//! What is written is read back as the same, and half of it as nothing.

use std::net::IpAddr;

use ipnet::IpNet;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::*;

fn networks() -> impl Strategy<Value = Vec<IpNet>> {
    let network = (any::<IpAddr>(), 0..=128_u8).prop_map(|(address, length)| {
        let address = address.to_canonical();
        let most = IpNet::from(address).max_prefix_len();
        IpNet::new(address, length.min(most)).unwrap().trunc()
    });
    vec(network, 0..5).prop_map(distinct)
}

fn distinct<T: PartialEq>(all: Vec<T>) -> Vec<T> {
    let mut kept = Vec::new();
    for one in all {
        if !kept.contains(&one) {
            kept.push(one);
        }
    }
    kept
}

/// Any that the file takes.
fn expires() -> impl Strategy<Value = Expiry> {
    let date = (0..=9_999, 1..=12, 1..=28).prop_map(|(y, m, d)| format!("{y:04}-{m:02}-{d:02}"));
    let time = "([Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,12})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9]))?";
    (date, time).prop_map(|(date, time)| Expiry::parse(&(date + &time)).unwrap())
}

fn entries() -> impl Strategy<Value = Entry> {
    let pin = (0..3_usize, any::<[u8; 32]>(), any::<[u8; 20]>());
    let commands = vec("[A-Z!-+./:-@#]{1,64}", 1..5).prop_map(distinct);
    let comment = "[ -~é\u{2028}\u{feff}\u{202e}]{0,20}".prop_map(|text| text.trim().to_owned());
    let comment = of(comment.prop_filter("an empty one is none", |text| !text.is_empty()));
    let name = of("[A-Za-z0-9._-]{1,64}");
    let connections = of(1..=u32::MAX);
    (pin, name, of(commands), any::<bool>(), networks(), of(expires()), connections, comment).prop_map(
        |((kind, spki, sha1), name, commands, admin, from, expires, connections, comment)| {
            let pin = [Pin::Spki(spki), Pin::Certificate(spki), Pin::Sha1(sha1)][kind];
            let admin = admin && kind < 2;
            Entry { pin, name, commands, admin, from, expires, connections, comment, line: 1 }
        },
    )
}

fn read(text: &str) -> Result<TrustList, Vec<LineError>> {
    TrustList::parse(text.as_bytes(), Sha1::Accept)
}

proptest! {
    #[test]
    fn every_entry_is_read_as_it_was_written(entry in entries()) {
        let text = add("", &entry).unwrap();
        prop_assert_eq!(&text, &format!("{entry}\n"));
        let list = read(&text).unwrap();
        prop_assert_eq!(list.entries()[0].as_ref(), &entry);
    }

    /// Another reader of RFC 3339 reads the same moment.
    #[test]
    fn an_expiry_is_the_moment_that_it_says(expires in expires()) {
        let text = expires.to_string();
        let time = if text.len() == 10 { format!("{text}T23:59:59Z") } else { text.clone() };
        let time = OffsetDateTime::parse(&time.to_uppercase(), &Rfc3339).unwrap().unix_timestamp();
        prop_assert_eq!(expires.at, time + i64::from(text.len() == 10));
    }

    /// The line would often be good without its end: after `name=alice` it lacks only what narrows it.
    #[test]
    fn a_line_cut_anywhere_is_an_error(first in entries(), last in entries()) {
        let before = format!("# all of ours\n{first}\n");
        let Ok(text) = add(&before, &last) else { return Ok(()) };
        for cut in (before.len() + 1..text.len()).filter(|cut| text.is_char_boundary(*cut)) {
            let errors = read(&text[..cut]).unwrap_err();
            prop_assert_eq!((errors.len(), errors[0].line), (1, 3));
        }
        for cut in before.len() + 1..text.len() {
            prop_assert!(TrustList::parse(&text.as_bytes()[..cut], Sha1::Accept).is_err());
        }
        prop_assert_eq!(read(&text[..before.len()]).unwrap().len(), 1, "less, and never more");
    }
}

#[test]
fn an_entry_that_a_line_would_change_is_not_written() {
    let plain = Entry::of(Pin::Spki([1; 32]));
    let end = || Expiry::parse("2027-01-31").unwrap();
    let commands = |all: &[&str]| Some(all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>());
    let from = |network: &str| vec![network.parse::<IpNet>().unwrap()];
    let refused = [
        (Entry { name: Some("a b".into()), ..plain.clone() }, "' ' in a name"),
        (Entry { name: Some(String::new()), ..plain.clone() }, "an empty name"),
        (Entry { commands: commands(&[]), ..plain.clone() }, "an empty command's name"),
        (Entry { commands: commands(&["A B"]), ..plain.clone() }, "' ' in a command's name"),
        (Entry { commands: commands(&["A", "A"]), ..plain.clone() }, "\"A\" a second time"),
        (Entry { commands: commands(&["A,B"]), ..plain.clone() }, "the file would be read as another entry"),
        (Entry { commands: commands(&["get"]), ..plain.clone() }, "the file would be read as another entry"),
        (Entry { from: from("10.1.2.3/8"), ..plain.clone() }, "10.1.2.3/8 has bits behind its prefix"),
        (Entry { from: from("::ffff:10.0.0.1/128"), ..plain.clone() }, "the file would be read as another"),
        (Entry { connections: Some(0), ..plain.clone() }, "a number that begins with 0"),
        (Entry { expires: Some(Expiry { at: 7, ..end() }), ..plain.clone() }, "the file would be read as"),
        (Entry { comment: Some("a\nb".into()), ..plain.clone() }, "a comment is one line without control"),
    ];
    for (entry, wanted) in refused {
        let said = add("", &entry).unwrap_err().to_string();
        assert!(said.starts_with(wanted), "{said}");
    }
}
