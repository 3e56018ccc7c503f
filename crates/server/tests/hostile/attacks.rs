//! The kinds of hostile and broken peers. Each attack does what its kind does with a few dozen connections or
//! a thousand, and returns those that it leaves open: what becomes of them is the server's to decide.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use tokio::task::JoinSet;

use crate::field::Field;
use crate::rude::Rude;

/// Begins one.
pub(crate) type Attack = fn(Field) -> Pin<Box<dyn Future<Output = Vec<Rude>>>>;

/// All of them, by what they do.
pub(crate) const KINDS: &[(&str, Attack)] = &[
    ("resets", |field| crowd(field, 200, reset)),
    ("stops reading", |field| crowd(field, 16, stop_reading)),
    ("drips", |field| crowd(field, 60, drip)),
    ("garbage for TLS", |field| crowd(field, 100, garbage)),
    ("half a handshake", |field| crowd(field, 100, half_a_handshake)),
    ("10,000 tiny records", |field| crowd(field, 4, tiny_records)),
    ("1,000 empty bodies", |field| {
        let inside = Rc::<Cell<usize>>::default();
        crowd(field, BODIES, move |field, _| announce(field, Rc::clone(&inside)))
    }),
    ("panics", |field| crowd(field, 100, panic)),
    ("never answered", |field| crowd(field, 120, never)),
];

/// So many peers do the same, each by its number; those that stay.
fn crowd<F>(
    field: Field,
    count: usize,
    act: impl Fn(Field, usize) -> F + 'static,
) -> Pin<Box<dyn Future<Output = Vec<Rude>>>>
where
    F: Future<Output = Option<Rude>> + 'static,
{
    Box::pin(async move {
        let mut peers = JoinSet::new();
        (0..count).for_each(|number| _ = peers.spawn_local(act(field.clone(), number)));
        peers.join_all().await.into_iter().flatten().collect()
    })
}

/// At every stage of a connection.
async fn reset(field: Field, number: usize) -> Option<Rude> {
    match number % 4 {
        0 => Rude::reach(&field).await.reset(),
        1 => {
            let mut rude = Rude::reach(&field).await;
            let hello = std::mem::take(&mut rude.hello);
            rude.write(&hello).await;
            rude.reset();
        }
        2 => {
            let mut rude = Rude::enter(&field).await;
            rude.say("LATER\r\nSequence: 1\r\n\r\n").await;
            rude.reset();
        }
        _ => {
            let mut rude = Rude::enter(&field).await;
            rude.say("BIG 1000000\r\nSequence: 1\r\n\r\n").await;
            rude.hear("Size: 1000000", 1).await;
            rude.reset();
        }
    }
    None
}

/// Asks for 12 MiB, more than the kernel keeps for it, and reads nothing of them.
async fn stop_reading(field: Field, _: usize) -> Option<Rude> {
    let mut rude = Rude::enter(&field).await;
    let asked: String = (0..200).map(|number| format!("BIG 65536\r\nSequence: {number}\r\n\r\n")).collect();
    assert!(rude.say(asked).await);
    Some(rude)
}

/// A byte a round: of a head, of a body, of the handshake.
async fn drip(field: Field, number: usize) -> Option<Rude> {
    let (mut rude, reason) = match number % 3 {
        0 => (Rude::enter(&field).await, "ERR: bad-command: "),
        1 => {
            let mut rude = Rude::enter(&field).await;
            rude.say("ECHO\r\nSequence: 1\r\nSize: 1000000\r\n\r\n").await;
            (rude, "ERR: idle: ")
        }
        _ => (Rude::reach(&field).await, ""),
    };
    let mut bytes = std::mem::take(&mut rude.hello).into_iter();
    loop {
        let is_taken = match bytes.next() {
            Some(byte) => rude.write(&[byte]).await,
            None => rude.say("x").await,
        };
        field.rounds.pass(1).await;
        if !is_taken || !rude.take() {
            break;
        }
    }
    let said = rude.hear_out().await;
    assert!(said.contains(reason), "{said:?}");
    Some(rude)
}

/// What comes to a port on the open internet.
async fn garbage(field: Field, number: usize) -> Option<Rude> {
    let mut rude = Rude::reach(&field).await;
    let garbage = match number % 5 {
        0 => b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        1 => vec![0xff; 400_000],
        2 => b"\x16\x03\x01\xff\xff".repeat(1_000), // a handshake's record, longer than any may be
        3 => b"\x16\x03\x01\x00\x04\x01\x00\x00\x00".to_vec(), // a ClientHello of no bytes
        _ => b"\x17\x03\x03\x00\x05hello".repeat(100), // data before any handshake
    };
    rude.write(&garbage).await;
    rude.hear_out().await;
    Some(rude)
}

/// Half a ClientHello, or a whole one, and nothing more.
async fn half_a_handshake(field: Field, number: usize) -> Option<Rude> {
    let mut rude = Rude::reach(&field).await;
    let hello = std::mem::take(&mut rude.hello);
    rude.write(&hello[..hello.len() / (1 + number % 2)]).await;
    rude.hear_out().await;
    Some(rude)
}

/// Commands in records of one byte: slow, but nothing is wrong with them.
async fn tiny_records(field: Field, _: usize) -> Option<Rude> {
    let mut rude = Rude::enter(&field).await;
    let commands: Vec<u8> = (100..)
        .flat_map(|number| format!("ECHO\r\nSequence: {number}\r\n\r\n").into_bytes())
        .take(10_000)
        .collect();
    let whole = String::from_utf8_lossy(&commands).matches("\r\n\r\n").count();
    rude.say_byte_by_byte(&commands).await;
    rude.hear("OK\r\nSequence: ", whole).await;
    None
}

/// A body of 1 MiB, of which nothing comes: a thousand at the same time.
async fn announce(field: Field, inside: Rc<Cell<usize>>) -> Option<Rude> {
    let mut rude = Rude::enter(&field).await;
    inside.set(inside.get() + 1);
    while inside.get() < BODIES {
        rude.say("ECHO\r\n\r\n").await; // who waits for the last one must not be idle meanwhile
        field.rounds.pass(1).await;
    }
    rude.say("ECHO\r\nSequence: 1\r\nSize: 1048576\r\n\r\n").await;
    let said = rude.hear_out().await;
    assert!(said.contains("ERR: idle: "), "{said:?}");
    Some(rude)
}

/// A handler that panics, at once or later.
async fn panic(field: Field, number: usize) -> Option<Rude> {
    let mut rude = Rude::enter(&field).await;
    let name = ["PANIC", "PANIC-ASYNC"][number % 2];
    rude.say(format!("NEVER\r\nSequence: 1\r\n\r\n{name}\r\nSequence: 2\r\n\r\n")).await;
    let said = rude.hear_out().await;
    assert!(said.contains("ERR: failed\r\nSequence: 2\r\n"), "{said:?}");
    None
}

/// Commands that are never answered, and a client that goes away: with a FIN, with a reset.
async fn never(field: Field, number: usize) -> Option<Rude> {
    let mut rude = Rude::enter(&field).await;
    let commands = (0..10).map(|number| match number % 2 {
        0 => format!("NEVER\r\nSequence: {number}\r\n\r\n"),
        _ => format!("NEVER-ASYNC\r\nSequence: {number}\r\n\r\n"),
    });
    rude.say(commands.collect::<String>() + "ECHO\r\nSequence: last\r\n\r\n").await;
    rude.hear("Sequence: last", 1).await;
    match number % 2 {
        0 => drop(rude),
        _ => rude.reset(),
    }
    None
}

/// Bodies that are announced at the same time.
const BODIES: usize = 1_000;
