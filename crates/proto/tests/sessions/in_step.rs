//! Server and client stay in step: behind every error that the protocol knows, what follows is read as the next
//! command or the connection ends; no byte of a body is ever read as a head.
//!
//! Random streams of commands whose bodies are commands themselves, at random cuts; a model that reads the
//! bytes by itself says what must be heard and told after each move.

mod model;
mod play;
mod reader;
mod stream;

use std::panic::{AssertUnwindSafe, catch_unwind};

use pinwire_proto::code::Code;
use pinwire_testkit::pair::Setup;
use pinwire_testkit::simulator::BREACHES;

use super::simulated::seeds;
use model::Ways;
use stream::Stream;

/// What `cargo test` plays; `PINWIRE_SCHEDULES` says otherwise, `PINWIRE_SEED` where to begin.
const STREAMS: u64 = 2_000;

/// How often each error must have been provoked in each of its ways, or the streams prove little.
const LEAST: u64 = 3;

#[test]
fn whatever_goes_wrong_the_next_command_is_heard_or_none() {
    let (setup, seeds) = (stage(), seeds(STREAMS));
    let is_enough = seeds.end - seeds.start >= STREAMS;
    let mut ways = Ways::new();
    for seed in seeds {
        let stream = Stream::from_seed(seed);
        match play(setup, &stream) {
            Ok(found) => found.into_iter().for_each(|(way, count)| *ways.entry(way).or_default() += count),
            Err(_) => panic!("seed {seed}: {}", report(setup, stream)),
        }
    }
    println!("{ways:#?}");
    let rare: Vec<_> =
        wanted().into_iter().filter(|way| ways.get(way).is_none_or(|count| *count < LEAST)).collect();
    assert!(!is_enough || rare.is_empty(), "hardly any stream had {rare:?}: {ways:#?}");
}

fn play(setup: &Setup, stream: &Stream) -> Result<Ways, String> {
    let played = catch_unwind(AssertUnwindSafe(|| play::play(setup, stream)));
    played.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        Err(format!("panicked: {}", text.unwrap_or_default()))
    })
}

fn report(setup: &Setup, stream: Stream) -> String {
    let small = stream::shrink(stream, |stream| play(setup, stream).is_err());
    let why = play(setup, &small).err().unwrap_or_default();
    format!("{why}\nThe least that fails:\n{small:#?}")
}

/// Every code in every way in which a session can say it.
fn wanted() -> Vec<String> {
    let of = |way: &str, codes: Vec<Code>| -> Vec<String> {
        codes.iter().map(|code| format!("{way}: {code}")).collect()
    };
    let connection: Vec<Code> = Code::all().filter(|code| code.is_of_connection()).collect();
    let refusals: Vec<Code> = Code::all().filter(|code| code.is_refusal()).collect();
    let mut wanted = of("handler", stream::codes());
    wanted.extend(of("later", stream::codes()));
    wanted.extend(of("refused body", stream::codes()));
    wanted.extend(of("begun", connection.clone()));
    wanted.extend(of("in a body", connection.clone()));
    wanted.extend(of("closed", connection));
    wanted.extend(of("greeting", refusals));
    wanted.extend(WAYS.iter().map(|way| (*way).to_owned()));
    wanted
}

const WAYS: &[&str] = &[
    "CANCEL: cancelled",
    "head: overloaded",
    "head: body-too-large",
    "head: bad-command",
    "head: message-too-large",
    "head: duplicate-sequence",
    "half a head: bad-command",
    "in a body: timed-out",
    "behind a body: timed-out",
    "panic: failed",
    "later panic: failed",
    "begun: failed",
    "begun: body-too-large",
    "nothing came: idle",
    "stop: shutting-down",
    "handler: OK",
    "later: OK",
    "end: alive",
];

/// Each breach of the grammar alone, at every cut: what stands before it is answered, what stands behind it is
/// not heard.
#[test]
fn nothing_is_heard_behind_a_breach_at_every_cut() {
    for (name, _, code) in BREACHES {
        let (breach, _) = pinwire_testkit::simulator::breach(name);
        let text = [b"ECHO a\r\nSequence: 1\r\nSize: 2\r\n\r\n\r\n", &breach[..]].concat();
        let step = text.len() / 300 + 1;
        for cut in (0..=text.len()).step_by(step) {
            let mut pair = stage().clear();
            pair.connect();
            pair.client.raw(&text[..cut]);
            pair.drive();
            pair.client.raw(&text[cut..]);
            pair.drive();
            assert_eq!(pair.server.heard(), ["ECHO a"], "{name}, cut at {cut}");
            assert_eq!(pair.client.read(), ["1: OK \r\n", code.as_str()], "{name}, cut at {cut}");
        }
    }
}

fn stage() -> &'static Setup {
    static STAGE: std::sync::OnceLock<Setup> = std::sync::OnceLock::new();
    STAGE.get_or_init(Setup::default)
}
