//! Who sends the records: seals anything, of any form, with the right keys or others, and mutates what it sealed.

use std::sync::LazyLock;

use super::keys::Keys;
use super::replay::{Handshake, Side};
use super::{ALERT, CHANGE_CIPHER_SPEC, DATA, HANDSHAKE, KEY_UPDATE};
use crate::choices::Choices;

pub(super) struct Forger {
    keys: Keys,
    /// The other direction's, which nobody expects here.
    wrong: Keys,
    ticket: Vec<u8>,
    /// The end of a handshake message, for the next record.
    rest: Vec<u8>,
}

/// A record before it is sealed.
#[derive(Clone, Default)]
pub(super) struct Recipe {
    kind: u8,
    content: Vec<u8>,
    padding: usize,
    header: Header,
    key: Key,
    /// A bit that is turned over, from the record's start.
    flip: Option<usize>,
    /// Bytes that are cut off its end.
    cut: usize,
    /// Whether the keys go on after a KeyUpdate at its end.
    follows: bool,
}

#[derive(Clone, Copy, Default)]
enum Header {
    #[default]
    Right,
    Kind(u8),
    Version(u16),
    /// The length, and whether only the header lies: what is authenticated is then the truth.
    Length(usize),
}

#[derive(Clone, Copy, Default)]
enum Key {
    #[default]
    Right,
    Wrong,
    /// Of a record that is so many further on.
    Ahead(u8),
}

impl Forger {
    /// Sends what `side` would.
    pub(super) fn new(handshake: &Handshake, side: Side) -> Forger {
        Forger {
            keys: handshake.keys(side),
            wrong: handshake.keys(side.other()),
            ticket: handshake.ticket(),
            rest: Vec::new(),
        }
    }

    /// The record that the choices want. Without any it is one of application data, and nothing is odd about it.
    pub(super) fn recipe(&mut self, choices: &mut Choices<'_>) -> Recipe {
        let mut recipe = Recipe { follows: true, ..Recipe::default() };
        (recipe.kind, recipe.content) = match choices.byte() % 16 {
            0..5 => (DATA, self.data(choices)),
            5..8 => (ALERT, alert(choices)),
            8..14 => (HANDSHAKE, self.messages(choices)),
            14 => (CHANGE_CIPHER_SPEC, vec![1]),
            _ => (choices.byte(), choices.bytes(4).to_vec()),
        };
        let odd = choices.byte();
        // Records of full size are rare: each costs as much as a handshake.
        recipe.padding = match odd & 0x7f {
            8..16 => choices.below(256),
            2 => ((1 << 14) - 8 + choices.below(16)).saturating_sub(recipe.content.len()),
            3 => ((1 << 14) + 256 - 8 + choices.below(16)).saturating_sub(recipe.content.len() + 16),
            _ => 0,
        };
        if odd >= 128 {
            oddity(&mut recipe, choices);
        }
        recipe
    }

    fn data(&mut self, choices: &mut Choices<'_>) -> Vec<u8> {
        let length = match choices.byte() {
            small @ ..252 => usize::from(small),
            large => (1 << 14) - 2 + usize::from(large - 252),
        };
        pattern(length).to_vec()
    }

    /// Handshake messages one after the other; perhaps the end of the last is left for the next record.
    fn messages(&mut self, choices: &mut Choices<'_>) -> Vec<u8> {
        let mut content = std::mem::take(&mut self.rest);
        let form = choices.byte();
        if !content.is_empty() && form & 0x80 == 0 {
            return content;
        }
        for _ in 0..[1, 1, 1, 0, 2, 3, 1, 40][usize::from(form) % 8] {
            self.message(choices, &mut content);
        }
        if form & 0x40 != 0 {
            self.rest = content.split_off(choices.below(content.len() + 1));
        }
        content
    }

    fn message(&self, choices: &mut Choices<'_>, content: &mut Vec<u8>) {
        match choices.byte() % 16 {
            0..4 => content.extend_from_slice(&KEY_UPDATE),
            4..7 => content.extend_from_slice(&[24, 0, 0, 1, 1]),
            7 => content.extend_from_slice(&[24, 0, 0, 1, choices.byte()]),
            8 => framed(24, choices.bytes(2), content),
            9..11 => content.extend_from_slice(&self.ticket),
            11 => self.spoilt_ticket(choices, content),
            12 => self.extended_ticket(choices, content),
            13 => {
                let kind = choices.byte();
                framed(kind, choices.bytes(12), content);
            }
            14 => content.extend_from_slice(&[
                choices.byte(),
                choices.byte() % 2,
                choices.byte(),
                choices.byte(),
            ]),
            _ => content.extend_from_slice(choices.bytes(8)),
        }
    }

    /// A ticket with extensions (RFC 8446 4.6.1), the same one twice perhaps.
    fn extended_ticket(&self, choices: &mut Choices<'_>, content: &mut Vec<u8>) {
        let mut extensions = Vec::new();
        for _ in 0..choices.below(4) {
            let kind = choices.pick(&[42, 42, 43, 250]);
            let value = pattern(choices.pick(&[4, 0, 3, 5]));
            extensions.extend_from_slice(&[0, kind, 0, value.len() as u8]);
            extensions.extend_from_slice(value);
        }
        // The ticket as it is ends in the length of no extensions.
        let body = &self.ticket[4..self.ticket.len() - 2];
        let length = (extensions.len() as u16).to_be_bytes();
        framed(4, &[body, &length, &extensions].concat(), content);
    }

    /// A ticket with a byte changed, or more or fewer of them.
    fn spoilt_ticket(&self, choices: &mut Choices<'_>, content: &mut Vec<u8>) {
        let mut body = self.ticket[4..].to_vec();
        match choices.byte() % 3 {
            0 => {
                let at = choices.below(body.len());
                body[at] ^= choices.byte();
            }
            1 => body.truncate(choices.below(body.len())),
            _ => body.extend_from_slice(choices.bytes(8)),
        }
        framed(4, &body, content);
    }

    /// Seals it at the end of `out`.
    pub(super) fn seal(&mut self, recipe: &Recipe, out: &mut Vec<u8>) {
        let mut inner = Vec::with_capacity(recipe.content.len() + 1 + recipe.padding);
        inner.extend_from_slice(&recipe.content);
        inner.push(recipe.kind);
        inner.resize(inner.len() + recipe.padding, 0);
        let start = out.len();
        let header = recipe.header.around(inner.len() + 16);
        match recipe.key {
            Key::Right => {
                self.keys.seal(header, self.keys.sequence, inner, out);
                self.keys.sequence += 1;
            }
            Key::Wrong => self.wrong.seal(header, self.keys.sequence, inner, out),
            Key::Ahead(by) => {
                self.keys.seal(header, self.keys.sequence.wrapping_add(u64::from(by)), inner, out);
            }
        }
        self.spoil(recipe, &mut out[start..]);
        out.truncate((out.len() - recipe.cut.min(out.len() - start)).max(start));
        let is_update = recipe.kind == HANDSHAKE && ends_in_update(&recipe.content);
        if recipe.follows && is_update && matches!(recipe.key, Key::Right) {
            self.keys.update();
        }
    }

    fn spoil(&self, recipe: &Recipe, record: &mut [u8]) {
        if let Some(bit) = recipe.flip {
            let at = bit / 8 % record.len();
            record[at] ^= 1 << (bit % 8);
        }
    }
}

/// What is wrong about it besides its content.
fn oddity(recipe: &mut Recipe, choices: &mut Choices<'_>) {
    match choices.byte() % 12 {
        0 => recipe.header = Header::Kind(choices.pick(&[20, 21, 22, 24, 0, 255])),
        1 => recipe.header = Header::Version(choices.number() as u16),
        2 => recipe.header = Header::Version(choices.pick(&[0x0301, 0x0302, 0x0300, 0x0304])),
        3 => recipe.header = Header::Length(choices.number()),
        4 => recipe.key = Key::Wrong,
        5 => recipe.key = Key::Ahead(choices.byte()),
        6 => recipe.flip = Some(choices.number()),
        7 => recipe.cut = choices.below(64),
        8 => recipe.follows = false,
        // All padding, or no inner plaintext at all but its type.
        9 => (recipe.kind, recipe.content) = (0, Vec::new()),
        10 => recipe.content.clear(),
        _ => recipe.padding += choices.number() % 1024,
    }
}

impl Header {
    fn around(self, length: usize) -> [u8; 5] {
        let (kind, version, length) = match self {
            Header::Right => (DATA, 0x0303, length),
            Header::Kind(kind) => (kind, 0x0303, length),
            Header::Version(version) => (DATA, version, length),
            Header::Length(length) => (DATA, 0x0303, length),
        };
        let [major, minor] = version.to_be_bytes();
        let [high, low] = (length as u16).to_be_bytes();
        [kind, major, minor, high, low]
    }
}

fn alert(choices: &mut Choices<'_>) -> Vec<u8> {
    match choices.byte() % 8 {
        0..3 => vec![1, 0],
        3 => vec![1, 90],
        4 => vec![2, choices.byte()],
        5 => vec![choices.byte(), choices.byte()],
        6 => vec![1, choices.byte()],
        _ => choices.bytes(4).to_vec(),
    }
}

fn framed(kind: u8, body: &[u8], content: &mut Vec<u8>) {
    let [.., high, middle, low] = body.len().to_be_bytes();
    content.extend_from_slice(&[kind, high, middle, low]);
    content.extend_from_slice(body);
}

fn ends_in_update(content: &[u8]) -> bool {
    content.len() >= 5 && matches!(content[content.len() - 5..], [24, 0, 0, 1, 0 | 1])
}

/// Bytes that tell where they belong.
pub(super) fn pattern(length: usize) -> &'static [u8] {
    static ALL: LazyLock<Vec<u8>> = LazyLock::new(|| (0..=251_u8).cycle().take(3 << 14).collect());
    &ALL[..length]
}
