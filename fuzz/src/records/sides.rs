//! What is compared of both sides: how they ended, and what they sealed.

use rustls::AlertDescription;

use super::keys::Keys;

/// How far reading has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Open,
    /// The peer said close_notify.
    Closed,
    Failed(Class),
}

/// What the peer is told of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Decode,
    Decrypt,
    Unexpected,
    Other,
    /// Nothing at all.
    Silent,
}

impl Class {
    fn of(description: u8) -> Class {
        match AlertDescription::from(description) {
            AlertDescription::DecodeError => Class::Decode,
            AlertDescription::BadRecordMac | AlertDescription::DecryptError => Class::Decrypt,
            AlertDescription::UnexpectedMessage => Class::Unexpected,
            _ => Class::Other,
        }
    }
}

/// What a side sealed: content types and contents, one a record.
pub(super) type Said = Vec<(u8, Vec<u8>)>;

/// Opens what a side sealed, follows its KeyUpdates, and holds it to the form of a record.
pub(super) fn open(keys: &mut Keys, sealed: &[u8]) -> Said {
    open_worn(keys, sealed).0
}

/// The same, and how many KeyUpdates were the last record that their key may seal.
pub(super) fn open_worn(keys: &mut Keys, mut sealed: &[u8]) -> (Said, usize) {
    let (mut said, mut worn) = (Vec::new(), 0);
    while !sealed.is_empty() {
        let (header, _) = sealed.split_first_chunk::<5>().expect("a header");
        let [kind, major, minor, high, low] = *header;
        let length = usize::from(u16::from_be_bytes([high, low]));
        assert!(
            [kind, major, minor] == [23, 3, 3] && length <= (1 << 14) + 256,
            "a record's header: {header:?}"
        );
        let (record, rest) = sealed.split_at_checked(5 + length).expect("a whole record");
        let (kind, content) =
            keys.open(record).expect("a record under the keys that follow from the messages");
        assert!(content.len() <= 1 << 14, "{} bytes in a record", content.len());
        if kind == super::HANDSHAKE {
            assert_eq!(content, super::KEY_UPDATE, "the one message that is said of oneself");
            worn += usize::from(keys.sequence >= super::MOST_RECORDS);
            keys.update();
        }
        assert!(keys.is_fresh(), "a record more than its key may seal");
        said.push((kind, content));
        sealed = rest;
    }
    (said, worn)
}

/// The class of the one alert in it.
pub(super) fn alert(said: &Said) -> Class {
    let alerts: Vec<_> = said.iter().filter(|(kind, _)| *kind == super::ALERT).collect();
    match alerts[..] {
        [] => Class::Silent,
        [(_, alert)] => {
            let &[level, description] = &alert[..] else { panic!("an alert: {alert:?}") };
            assert_eq!(level, 2, "the level of an alert");
            Class::of(description)
        }
        _ => panic!("more than one alert: {said:?}"),
    }
}
