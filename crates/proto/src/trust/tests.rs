//! The trust file: read, judged by, edited.

mod editing;
mod judging;
mod options;
mod reading;
mod written;

use super::*;
use crate::certificate::Digests;

const DIGESTS: Digests = Digests { spki: [0xaa; 32], certificate: [0xbb; 32], sha1: [0xcc; 20] };

fn parse(text: &str) -> Result<TrustList, Vec<String>> {
    let list = TrustList::parse(text.as_bytes(), Sha1::Refuse);
    list.map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

fn spki(byte: u8) -> String {
    Pin::Spki([byte; 32]).to_string()
}

/// A line of one entry, with these options.
fn line(options: &str) -> String {
    format!("{} {options}\n", spki(1))
}
