//! Certificates of every fate, each with its key, in PEM: `(certificate, key)`. All but the unreadable one
//! are sound; `now` is unix seconds. Every call makes new keys.

use std::process::Command;

use pinwire_proto::identity::{Generated, Identity, KeyKind, generate};
use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair, SigningKey};
use time::OffsetDateTime;

/// A certificate and its private key, both PEM.
pub type Pair = (String, String);

/// Valid at `now` and for a year after it.
pub fn good(now: i64) -> Pair {
    make("good", now)
}

/// As good as any, and on nobody's list.
pub fn stranger(now: i64) -> Pair {
    make("stranger", now)
}

/// Valid for a year around `now`; its common name is any text of any length, as no `keygen` makes it.
pub fn called(subject: &str, now: i64) -> Pair {
    let time = |unix| OffsetDateTime::from_unix_timestamp(unix).expect("a time of this century");
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, DnValue::Utf8String(subject.to_owned()));
    (params.not_before, params.not_after) = (time(now - YEAR / 2), time(now + YEAR / 2));
    let key = KeyPair::generate().expect("randomness");
    let certificate = params.self_signed(&key).expect("its own key signs it");
    (certificate.pem(), key.serialize_pem())
}

/// Ends with the second `last`, and began a year and a day before.
pub fn until(last: i64) -> Pair {
    make("short", last - YEAR)
}

/// Ended a year before `now`.
pub fn expired(now: i64) -> Pair {
    make("expired", now - 2 * YEAR)
}

/// Begins nine days after `now`.
pub fn not_yet_valid(now: i64) -> Pair {
    make("early", now + 10 * DAY)
}

/// Holds letters where its notBefore should be: OpenSSL loads and sends it, nobody can read it.
pub fn unreadable(now: i64) -> Pair {
    let (certificate, key) = make("unreadable", now);
    let mut der = der(&certificate, &key);
    let digits = find_time(&der);
    der[digits..digits + 12].copy_from_slice(b"yesterdayish");
    (pem(&der), key)
}

/// X.509 version 1, valid at `now` and for a year after it: no version field and no extensions.
pub fn version_1(now: i64) -> Pair {
    let (certificate, key) = make("version-1", now);
    let der = der(&certificate, &key);
    let fields = values(content(content(&der)));
    let left: Vec<u8> =
        fields.into_iter().filter(|field| !matches!(field[0], 0xa0 | 0xa3)).flatten().copied().collect();
    let tbs = value(0x30, &left);
    let signature = KeyPair::from_pem(&key).and_then(|key| key.sign(&tbs)).expect("the key was made here");
    let algorithm = values(content(&der))[1];
    let bits = value(0x03, &[&[0], &signature[..]].concat());
    (pem(&value(0x30, &[&tbs, algorithm, &bits].concat())), key)
}

/// What `openssl req -x509` makes, valid from the clock's now for 30 days. `None`: no OpenSSL on this machine.
pub fn by_openssl() -> Option<Pair> {
    let line = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=openssl -days 30 -keyout - -out -";
    let run = Command::new("openssl").args(line.split(' ')).output().ok()?;
    let both = String::from_utf8(run.stdout).ok().filter(|_| run.status.success())?;
    let begin = both.find("-----BEGIN CERTIFICATE-----")?;
    Some((both[begin..].to_owned(), both[..begin].to_owned()))
}

fn make(name: &str, now: i64) -> Pair {
    let Generated { certificate_pem, key_pem } =
        generate(KeyKind::P256, name, now, 1).expect("a good name and a good year");
    (certificate_pem, key_pem.to_string())
}

fn der(certificate: &str, key: &str) -> Vec<u8> {
    let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes()).expect("it was made here");
    identity.chain()[0].to_vec()
}

/// Where the first time's digits begin: a UTCTime, 12 digits and "Z".
fn find_time(der: &[u8]) -> usize {
    let is_time =
        |at: &[u8]| at.starts_with(b"\x17\x0d") && at[14] == b'Z' && at[2..14].iter().all(u8::is_ascii_digit);
    der.windows(15).position(is_time).expect("a certificate of this half of the century has one") + 2
}

/// The values of a sequence's content, tags and lengths included.
fn values(mut content: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while !content.is_empty() {
        let (header, length) = length(content);
        found.push(&content[..header + length]);
        content = &content[header + length..];
    }
    found
}

/// The content of the first value.
fn content(bytes: &[u8]) -> &[u8] {
    let (header, length) = length(bytes);
    &bytes[header..header + length]
}

/// The bytes of tag and length, and the length: up to two bytes of it are enough here.
fn length(bytes: &[u8]) -> (usize, usize) {
    match bytes[1] {
        0x81 => (3, usize::from(bytes[2])),
        0x82 => (4, usize::from(bytes[2]) << 8 | usize::from(bytes[3])),
        short => (2, usize::from(short)),
    }
}

fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).expect("a small certificate").to_be_bytes();
    let header: &[u8] = match (high, low) {
        (0, 0..=0x7f) => &[tag, low],
        (0, _) => &[tag, 0x81, low],
        _ => &[tag, 0x82, high, low],
    };
    [header, content].concat()
}

/// A certificate, or whatever these bytes are, in PEM.
pub fn pem(der: &[u8]) -> String {
    let lines: Vec<String> = der.chunks(48).map(base64).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let all = three.iter().fold(0, |all, byte| all << 8 | usize::from(*byte)) << (8 * (3 - three.len()));
        for i in 0..4 {
            let letter = char::from(ALPHABET[all >> (18 - 6 * i) & 63]);
            out.push(if i <= three.len() { letter } else { '=' });
        }
    }
    out
}

const DAY: i64 = 86_400;
const YEAR: i64 = 365 * DAY;

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::Stdio;

    use crate::pair::LOCAL;
    use pinwire_proto::certificate::Certificate;
    use pinwire_proto::code::Code;
    use pinwire_proto::trust::{Pin, Presented, Sha1, TrustList, judge};

    use super::*;

    /// 2026-01-31T12:00:00Z.
    const NOW: i64 = 1_769_860_800;

    /// What a list says that holds this certificate's key, at `NOW`.
    fn verdict((certificate, key): &Pair) -> Result<String, Code> {
        let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
        let list = match identity.certificate() {
            Ok(certificate) => format!("{} name=me\n", Pin::Spki(certificate.digests.spki)),
            Err(_) => String::new(),
        };
        let list = TrustList::parse(list.as_bytes(), Sha1::Refuse).unwrap();
        let judged = judge(&list, Presented::Certificate(&identity.chain()[0]), LOCAL, NOW);
        judged.map(|judged| judged.subject).map_err(|refusal| refusal.code)
    }

    /// What OpenSSL's program says of a certificate, given `options`.
    fn openssl(certificate: &str, options: &str) -> String {
        let mut run = Command::new("openssl");
        run.args(options.split(' ')).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut run = run.spawn().unwrap();
        run.stdin.take().unwrap().write_all(certificate.as_bytes()).unwrap();
        let run = run.wait_with_output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).unwrap()
    }

    #[test]
    fn each_meets_its_fate() {
        assert_eq!(verdict(&good(NOW)), Ok("CN=good".to_owned()));
        assert_eq!(verdict(&version_1(NOW)), Ok("CN=version-1".to_owned()));
        assert_eq!(verdict(&stranger(NOW)), Ok("CN=stranger".to_owned()));
        assert_eq!(verdict(&expired(NOW)), Err(Code::CertificateExpired));
        assert_eq!(verdict(&not_yet_valid(NOW)), Err(Code::CertificateNotYetValid));
        assert_eq!(verdict(&unreadable(NOW)), Err(Code::CertificateUnreadable));
    }

    #[test]
    fn openssl_loads_the_odd_ones() {
        assert!(openssl(&version_1(NOW).0, "x509 -noout -text").contains("Version: 1 (0x0)"));
        let (certificate, key) = unreadable(NOW);
        let public = openssl(&key, "pkey -pubout");
        assert_eq!(openssl(&certificate, "x509 -noout -pubkey"), public);
        assert!(openssl(&certificate, "x509 -noout -text").contains("Bad time value"));
    }

    #[test]
    fn openssl_makes_one_that_can_be_read() {
        let (certificate, key) = by_openssl().unwrap();
        let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
        assert_eq!(identity.certificate().map(|certificate| certificate.subject.as_str()), Ok("CN=openssl"));
        let der = &identity.chain()[0];
        assert_eq!(pem(der).trim(), certificate.trim(), "our PEM is theirs");
        assert!(Certificate::parse(der).is_ok());
    }

    #[test]
    fn base64_keeps_rfc_4648() {
        let all = ["", "f", "fo", "foo", "foob"].map(|text| base64(text.as_bytes()));
        assert_eq!(all, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
    }
}
