//! What was said to a server and what it told: the rules of sections 3, 4, 6 and 7 that hold between the two,
//! however the bytes were cut, held up and cut off.

use pinwire_proto::limits::{HEAD, Limits, RECORD};
use pinwire_proto::session::{Disconnect, Room};
use pinwire_testkit::pair::{Script, ServerEnd};

/// A command that a client said.
#[derive(Debug)]
pub(crate) struct Said {
    /// Without spaces at its end.
    pub(crate) line: String,
    pub(crate) sequence: Option<String>,
    pub(crate) body: Vec<u8>,
    /// Whether its body was there to its end.
    pub(crate) is_whole: bool,
}

/// A reply that a server told.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) sequence: Option<String>,
    /// The code, unless it is OK.
    pub(crate) code: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// The handler's part in every talk.
pub(crate) fn script() -> Script {
    Script { holds: vec!["HOLD", "H"], refuses_bodies: vec!["NOBODY", "N"], ..Script::default() }
}

/// The bounds of a server: what a client costs at most, whatever it does, and what a turn runs.
#[derive(Debug)]
pub(crate) struct Bounds {
    limits: Limits,
    /// Bytes of an incomplete record that may be kept: none without TLS.
    record: usize,
    heard: usize,
    turns: usize,
    /// How many commands had begun when the server was told to stop.
    stopped: Option<usize>,
}

impl Bounds {
    pub(crate) fn new(limits: &Limits, is_clear: bool) -> Bounds {
        let record = if is_clear { 0 } else { RECORD };
        Bounds { limits: limits.clone(), record, heard: 0, turns: 0, stopped: None }
    }

    /// The server is told to stop, and the client has not said goodbye: nothing begins any more.
    pub(crate) fn stop(&mut self, server: &ServerEnd) {
        self.stopped = Some(server.heard().len());
    }

    /// Section 8. Asked at least once between two changes of the room.
    pub(crate) fn check(&mut self, server: &ServerEnd) {
        let (limits, session) = (&self.limits, &server.session);
        let heard = server.heard().len() - std::mem::replace(&mut self.heard, server.heard().len());
        let turns = server.turns() - std::mem::replace(&mut self.turns, server.turns());
        let most = turns.saturating_mul(limits.events_per_turn.max(1));
        assert!(heard <= most, "{heard} commands in {turns} turns");
        assert!(heard == 0 || server.room.out > 0, "a command began without room");
        assert!(self.stopped.is_none_or(|stopped| self.heard <= stopped), "the server stops, and begins one");
        let (owed, longest) = (server.owed(), limits.longest_reply());
        assert!(owed <= limits.in_flight, "{owed} commands are held");
        // Answers that had not left at the last turn's end are remembered, in fewer bytes than four times theirs.
        let remembered = 4 * (limits.unsent + longest);
        let most = owed * longest + remembered;
        let is_reserved = (owed * HEAD..=most).contains(&session.kept_out());
        assert!(is_reserved || session.has_waiting(), "{} bytes for {owed} answers", session.kept_out());
        let out = server.unsent() + session.kept_out();
        let begins = if heard > 0 { limits.owed.min(server.room.out) } else { limits.owed };
        let most = begins + longest + SMALL + remembered;
        assert!(out <= most, "{out} bytes are unsent or owed, of at most {most}");
        let come = session.kept_come();
        let body = usize::try_from(limits.body).unwrap_or(usize::MAX);
        let is_reading = session.wants_read(server.unsent()) && !session.is_handshaking();
        let most = match is_reading && turns > 0 {
            true => server.room.come.min(body + HEAD).max(HEAD),
            false => body + HEAD + READ,
        };
        let most = most + self.record;
        assert!(come <= most, "{come} bytes of what came are kept, of at most {most}");
    }

    /// The pair is at rest, nothing is short any more, and neither side has said goodbye: what is there has
    /// begun.
    pub(crate) fn check_rest(&self, server: &ServerEnd) {
        let (limits, session) = (&self.limits, &server.session);
        let waits = server.unsent() + session.kept_out();
        let is_free =
            server.owed() < limits.in_flight && server.unsent() <= limits.unsent && waits <= limits.owed;
        if server.ended().is_some() || session.is_handshaking() {
            return;
        }
        assert!(!session.is_starved() && !session.yields(), "a lost wake-up");
        assert!(!is_free || session.wants_read(server.unsent()), "a command waits that may begin");
    }
}

/// Bytes that are reserved for a held command's answer: the least is a head, the most the longest reply.
pub(crate) const RESERVES: [Option<usize>; 4] = [None, Some(0), Some(10_000), Some(100_000)];

/// What the other connections leave to this one.
pub(crate) const ROOMS: [Room; 6] = [
    Room { out: usize::MAX, come: usize::MAX },
    Room { out: 0, come: 0 },
    Room { out: usize::MAX, come: 0 },
    Room { out: 0, come: usize::MAX },
    Room { out: 1, come: 100 },
    Room { out: 10_000, come: 1_000 },
];

/// Gives every held command its answer, and the session the turns for it, until none is owed.
pub(crate) fn answer_all(server: &mut ServerEnd) -> bool {
    let owed: Vec<_> =
        server.all_held().iter().filter(|(_, to)| server.session.is_owed(to)).cloned().collect();
    for (line, to) in &owed {
        server.answer_or_fail(*to, line);
    }
    !owed.is_empty()
}

/// All rules. `told` is complete: nothing is on its way any more. After a FIN of the client without goodbye
/// (`is_cut_off`) "nothing more is sent": what is told is right, but need not be all.
pub(crate) fn check(said: &[Said], server: &ServerEnd, told: &[Told], is_cut_off: bool) {
    let begun = hears_what_was_said(said, server);
    answers_are_of_commands(said, told);
    ends_with_its_reason(server, told, is_cut_off);
    let must_be_answered = match server.ended() {
        _ if is_cut_off => &[],
        None | Some(Disconnect::Peer) => said,
        Some(Disconnect::Closed { .. }) => &said[..begun],
        Some(_) => &[],
    };
    gives_each_its_final_answer(said, must_be_answered, told);
    let at_rest = server.ended().is_none() && said.iter().all(|said| said.is_whole);
    assert!(!at_rest || !server.session.is_closed());
}

/// Section 3: no byte of a body is heard as a head, an incomplete body is never shown, nothing is heard twice
/// or out of order. Returns the commands up to the last one that was heard.
fn hears_what_was_said(said: &[Said], server: &ServerEnd) -> usize {
    let mut at = 0;
    for (line, body) in server.heard().iter().zip(server.bodies()) {
        let is_it =
            |said: &Said| said.line == *line && said.body == *body && said.is_whole && !said.is_cancel();
        let found = said[at..].iter().position(is_it);
        at += 1 + found.unwrap_or_else(|| panic!("{line:?} was heard, and never said there: {said:?}"));
    }
    at
}

/// Section 4: an answer carries the sequence of a command that was said, and an OK what that command asked for.
fn answers_are_of_commands(said: &[Said], told: &[Told]) {
    for told in told.iter().filter(|told| told.sequence.is_some()) {
        let fits = |said: &Said| said.sequence == told.sequence && !said.is_cancel();
        // Held commands are answered with their lines, others with their bodies if they have one.
        let is_echo =
            |said: &Said| told.code.is_some() || [said.line.as_bytes(), &said.body].contains(&&*told.body);
        assert!(said.iter().any(|said| fits(said) && is_echo(said)), "{told:?} answers nothing: {said:?}");
    }
}

/// Section 6: what is for the connection comes last, once, and is the reason of its end.
fn ends_with_its_reason(server: &ServerEnd, told: &[Told], is_cut_off: bool) {
    let (last, others) = match told.split_last() {
        Some((last, others)) => (Some(last), others),
        None => (None, told),
    };
    assert!(others.iter().all(|told| told.sequence.is_some()), "more after the last words: {told:?}");
    let Some(Disconnect::Closed { code, .. }) = server.ended() else {
        return assert!(last.is_none_or(|last| last.sequence.is_some()), "{last:?} at no end");
    };
    if server.connects() > 0 && !is_cut_off {
        let reason = last.and_then(|last| last.code.as_deref());
        assert_eq!(reason, Some(code.as_str()), "the end without its reason: {told:?}");
    }
}

/// "Each command gets exactly one final answer": never more, and none less of those that must have one.
fn gives_each_its_final_answer(said: &[Said], must: &[Said], told: &[Told]) {
    for one in said.iter().filter(|said| said.sequence.is_some()) {
        let mine = |said: &&Said| said.sequence == one.sequence && !said.is_cancel();
        let most = said.iter().filter(mine).count();
        let least = must.iter().filter(mine).filter(|said| said.is_whole).count();
        let answers = told.iter().filter(|told| told.sequence == one.sequence).count();
        assert!(
            (least..=most).contains(&answers),
            "{answers} answers, {least} to {most} wanted: {one:?} {told:?}"
        );
    }
}

/// An error, and the last words, beside what was reserved.
const SMALL: usize = 2 * HEAD;
/// The most that a turn reads.
const READ: usize = 64 * 1024;

impl Said {
    fn is_cancel(&self) -> bool {
        self.line.split(' ').next().is_some_and(|name| name.eq_ignore_ascii_case("CANCEL"))
    }
}
