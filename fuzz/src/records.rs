//! The compact record layer and rustls's own, given the same bytes: the same plaintext, the same end, the same class
//! of alert, or an entry of `records/rules.rs` that says why not. What ours seals is opened with keys of the target's
//! own, and by rustls.
//!
//! The first bytes of an input choose suite and side, who sends and how; the rest are deeds.

mod forger;
mod keys;
mod ours;
mod provider;
mod replay;
mod rules;
mod schedule;
mod sides;
#[cfg(test)]
mod tests;
mod theirs;

use crate::choices::Choices;
use forger::{Forger, Recipe, pattern};
use keys::Suite;
use ours::Ours;
use replay::{Handshake, Side};
use rules::Rule;
use sides::{End, Said};
use theirs::{Peer, Theirs};

/// See the module.
///
/// # Panics
/// At a finding.
pub fn run(bytes: &[u8]) {
    let _ = tell(bytes);
}

/// The story of these bytes, told to its end.
fn tell(bytes: &[u8]) -> Story {
    let mut choices = Choices::new(bytes);
    let mut story = Story::new(&mut choices);
    for _ in 0..MOST_DEEDS {
        if choices.is_empty() || story.is_over || story.stream.len() > MOST_BYTES {
            break;
        }
        story.deed(&mut choices);
    }
    story.feed();
    story
}

/// Who sends what both hear.
enum Sender {
    Forger(Box<Forger>),
    Peer(Box<Peer>),
}

struct Story {
    suite: Suite,
    side: Side,
    ours: Ours,
    theirs: Theirs,
    sender: Sender,
    /// The last record that was forged, to be repeated.
    recipe: Recipe,
    /// What was sent and not yet heard.
    pending: Vec<u8>,
    /// All that both heard.
    stream: Vec<u8>,
    /// Bytes of plaintext that were compared.
    compared: usize,
    /// Where the next bytes are cut.
    cuts: Vec<usize>,
    holds: bool,
    is_over: bool,
    /// Why the two ended differently.
    rule: Option<&'static Rule>,
}

impl Story {
    fn new(choices: &mut Choices<'_>) -> Story {
        let suite = choices.pick(&Suite::ALL);
        let side = choices.pick(&[Side::Server, Side::Client]);
        let manner = choices.byte();
        let handshake = Handshake::of(suite);
        let forges = manner & 1 == 0;
        let sender = match forges {
            true => Sender::Forger(Box::new(Forger::new(handshake, side.other()))),
            false => Sender::Peer(Box::new(Peer::new(handshake, side.other()))),
        };
        let mut ours = Ours::new(suite, side);
        if forges && manner & 4 != 0 && suite != Suite::ChaCha20Poly1305 {
            ours.wear(u64::from(manner >> 3) + 1);
        }
        Story {
            suite,
            side,
            ours,
            theirs: Theirs::new(handshake, side),
            sender,
            recipe: Recipe::default(),
            pending: Vec::new(),
            stream: Vec::new(),
            compared: 0,
            cuts: Vec::new(),
            holds: false,
            is_over: false,
            rule: None,
        }
    }

    fn deed(&mut self, choices: &mut Choices<'_>) {
        match choices.byte() % 24 {
            0..12 => self.send(choices),
            12 => self.repeat(choices),
            13 => self.pending.extend_from_slice(choices.bytes(16)),
            14 => self.cuts.push(choices.number()),
            15 => self.holds ^= true,
            16..20 => self.say(choices),
            20 => self.refresh(),
            21 => self.close(),
            _ => self.ours.lose_contexts(),
        }
        if !self.holds {
            self.feed();
        }
    }

    fn send(&mut self, choices: &mut Choices<'_>) {
        match &mut self.sender {
            Sender::Forger(forger) => {
                self.recipe = forger.recipe(choices);
                forger.seal(&self.recipe, &mut self.pending);
            }
            Sender::Peer(peer) => {
                let said = match choices.byte() % 16 {
                    0..10 => peer.say(pattern(length(choices))),
                    10..14 => peer.refresh(),
                    14 => peer.close(),
                    _ => spoilt(peer.say(pattern(length(choices))), choices),
                };
                self.pending.extend_from_slice(&said);
            }
        }
    }

    fn repeat(&mut self, choices: &mut Choices<'_>) {
        let Sender::Forger(forger) = &mut self.sender else { return };
        for _ in 0..choices.below(40) {
            if self.pending.len() < MOST_BYTES {
                forger.seal(&self.recipe, &mut self.pending);
            }
        }
    }

    /// Both hear what is pending, in pieces, and are compared after each.
    fn feed(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        let mut rest = &pending[..];
        for cut in std::mem::take(&mut self.cuts) {
            let (piece, after) = rest.split_at(cut % (rest.len() + 1));
            self.hear(piece);
            rest = after;
        }
        self.hear(rest);
    }

    fn hear(&mut self, piece: &[u8]) {
        if self.is_over || piece.is_empty() {
            return;
        }
        self.stream.extend_from_slice(piece);
        self.ours.hear(piece);
        self.theirs.hear(piece);
        if matches!((self.ours.end, self.theirs.end), (End::Open, End::Failed(_))) {
            self.complete_header();
        }
        self.compare();
    }

    /// rustls refuses a type or a version as soon as it reads it, ours once the header is there.
    fn complete_header(&mut self) {
        self.stream.extend_from_slice(&[0; 4]);
        self.ours.hear(&[0; 4]);
    }

    fn compare(&mut self) {
        let (ours, theirs) = (&self.ours, &self.theirs);
        let is_same_end = match (ours.end, theirs.end) {
            // RFC 8446 6.1: after its close_notify a side says nothing, no alert either.
            (End::Failed(_), End::Failed(_)) if ours.has_closed => true,
            (ours, theirs) => ours == theirs,
        };
        let is_same_plain = ours.plain[self.compared..] == theirs.plain[self.compared..];
        if !(is_same_end && is_same_plain && ours.tickets() == theirs.tickets()) {
            self.rule = Some(self.is_on_the_list());
            self.is_over = true;
        }
        self.compared = self.ours.plain.len();
        self.is_over |= matches!(self.ours.end, End::Failed(_));
    }

    fn is_on_the_list(&self) -> &'static Rule {
        let (ours, theirs) = (&self.ours, &self.theirs);
        let ends = format!("{:?} {:?}: ours {:?}, theirs {:?}", self.suite, self.side, ours.end, theirs.end);
        let keys = Handshake::of(self.suite).keys(self.side.other());
        let verdict = rules::judge(self.side, keys, &self.stream);
        let Some(verdict) = verdict else {
            let lengths = (ours.plain.len(), theirs.plain.len(), ours.tickets(), theirs.tickets());
            panic!("a difference that no rule expects: {ends}, {lengths:?}");
        };
        let is_silent = ours.has_closed && ours.end == End::Failed(sides::Class::Silent);
        assert!(verdict.permits(ours.end, theirs.end, is_silent), "{ends}, but {}", verdict.rule.reason);
        assert!(ours.plain == verdict.plain, "other plaintext before a refusal: {ends}");
        assert!(theirs.plain.starts_with(&verdict.plain), "rustls read less: {ends}");
        assert!(ours.tickets() >= verdict.tickets, "fewer tickets before a refusal: {ends}");
        verdict.rule
    }

    /// This side seals data, and what it owes.
    fn say(&mut self, choices: &mut Choices<'_>) {
        let plain = pattern(length(choices));
        let said = self.ours.say(plain);
        if self.ours.has_closed {
            assert!(plain.is_empty() || said.is_empty(), "said after close_notify");
            return self.tell(&said);
        }
        assert!(data(&said) == plain, "what is sealed is not what was said");
        let (updates, worn) = (updates(&said), self.ours.worn_out);
        let expected = self.theirs.say(plain);
        assert!(data(&expected) == plain);
        let theirs = self::updates(&expected);
        assert!((theirs..=theirs + worn).contains(&updates), "{updates} KeyUpdates, rustls {theirs}");
        assert!(said.iter().all(|(kind, _)| matches!(*kind, DATA | HANDSHAKE)), "{said:?}");
        self.tell(&said);
    }

    fn refresh(&mut self) {
        if self.ours.has_closed {
            return;
        }
        // It answers the peer's request as well.
        self.theirs.say(&[]);
        let said = self.ours.refresh();
        assert_eq!(said, [(HANDSHAKE, KEY_UPDATE.to_vec())]);
        self.tell(&said);
    }

    fn close(&mut self) {
        let is_first = !self.ours.has_closed;
        let said = self.ours.close();
        let close_notify = (ALERT, vec![1, 0]);
        assert_eq!(said, Vec::from_iter(is_first.then_some(close_notify)));
        self.tell(&said);
    }

    /// rustls, if it sits at the other end, opens it.
    fn tell(&mut self, said: &Said) {
        let sealed = std::mem::take(&mut self.ours.sealed);
        if let Sender::Peer(peer) = &mut self.sender {
            peer.hear(&sealed, said);
        }
    }
}

/// Of a peer of rustls's, changed on the way.
fn spoilt(mut bytes: Vec<u8>, choices: &mut Choices<'_>) -> Vec<u8> {
    if bytes.is_empty() {
        return bytes;
    }
    match choices.flag() {
        true => bytes.truncate(choices.number() % bytes.len()),
        false => {
            let bit = choices.number();
            let at = bit / 8 % bytes.len();
            bytes[at] ^= 1 << (bit % 8);
        }
    }
    bytes
}

/// Mostly small; up to three records' worth.
fn length(choices: &mut Choices<'_>) -> usize {
    match choices.byte() {
        small @ ..252 => usize::from(small),
        large @ 252..255 => (1 << 14) - 1 + usize::from(large - 252),
        255 => choices.number() % (3 << 14),
    }
}

fn data(said: &Said) -> Vec<u8> {
    let data = said.iter().filter(|(kind, _)| *kind == DATA).map(|(_, content)| &content[..]);
    data.collect::<Vec<_>>().concat()
}

fn updates(said: &Said) -> usize {
    said.iter().filter(|(kind, _)| *kind == HANDSHAKE).count()
}

/// Content types (RFC 8446 5.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;

/// A KeyUpdate that asks for none (RFC 8446 4.6.3).
const KEY_UPDATE: [u8; 5] = [24, 0, 0, 1, 0];

/// After as many records of AES-GCM our layer takes a new key: a third of what RFC 8446 5.5 allows, 2^24.5.
const MOST_RECORDS: u64 = 1 << 23;

/// A story's length: more than the 32 in a row that both layers bound.
const MOST_DEEDS: usize = 100;

/// What both may be sent: some records of full size.
const MOST_BYTES: usize = 64 * 1024;
