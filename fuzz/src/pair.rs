//! Both sessions, driven by a script of bytes: commands of every kind, cancels, closes, cuts, full sockets
//! and time. Whatever happens, the client learns what became of each command.

use std::sync::LazyLock;
use std::time::Duration;

use pinwire_proto::code::Code;
use pinwire_proto::session::{ClientEnd, Disconnect, Room};
use pinwire_testkit::pair::{Pair, Setup, config};

use crate::choices::Choices;
use crate::talk::{self, Bounds, Said, Told};

/// See the module.
///
/// # Panics
/// At a finding.
pub fn run(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut story = Story::new(&mut choices);
    for _ in 0..MOST_DEEDS {
        if choices.is_empty() {
            break;
        }
        story.deed(&mut choices);
    }
    story.ends();
}

/// Handshakes take most of the time: most stories have none.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wire {
    Clear,
    Ours,
    Rustls,
}

struct Story {
    pair: Pair,
    wire: Wire,
    said: Vec<Said>,
    /// Whether the client may still say something: it has neither said goodbye nor sent a FIN.
    talks: bool,
    stops: bool,
    is_cut_off: bool,
    bounds: Bounds,
}

impl Story {
    fn new(choices: &mut Choices<'_>) -> Story {
        static SETUP: LazyLock<Setup> = LazyLock::new(Setup::default);
        let setup = SETUP.clone().limits(|limits| {
            let choice = usize::from(choices.byte());
            limits.in_flight = [1_024, 3, 1][choice % 3];
            if choice / 3 % 4 > 0 {
                (limits.owed, limits.reply) = ([40_000, 10_000, 0][choice / 3 % 4 - 1], 0);
                limits.events_per_turn = [3, 2, 1][choice / 3 % 4 - 1];
            }
            limits.unsent = choices.pick(&[1024 * 1024, 4_000, 0]);
            limits.body = choices.pick(&[1024 * 1024, 500]);
        });
        let wire =
            choices.pick(&[Wire::Clear, Wire::Clear, Wire::Clear, Wire::Clear, Wire::Ours, Wire::Rustls]);
        let mut pair = match wire {
            Wire::Clear => setup.clear(),
            Wire::Ours => setup.pair(),
            Wire::Rustls => setup.rustls(config(setup.client.as_ref())),
        };
        pair.server.script = talk::script();
        let bounds = Bounds::new(&setup.limits, wire == Wire::Clear);
        Story { pair, wire, said: Vec::new(), talks: true, stops: false, is_cut_off: false, bounds }
    }

    fn deed(&mut self, choices: &mut Choices<'_>) {
        match choices.byte() {
            deed @ ROOM.. => self.room(deed - ROOM, choices),
            deed => self.others(deed % 20, choices),
        }
        self.bounds.check(&self.pair.server);
    }

    /// The server's other connections take room, and the handler what it likes.
    fn room(&mut self, deed: u8, choices: &mut Choices<'_>) {
        match deed {
            0..8 => self.pair.server.give(choices.pick(&talk::ROOMS)),
            8..12 => self.pair.server.script.reserves = choices.pick(&talk::RESERVES),
            _ => {
                let now = self.pair.now();
                self.pair.server.press(now);
                assert!(!self.pair.server.press(now), "it would be pressed for ever");
            }
        }
    }

    fn others(&mut self, deed: u8, choices: &mut Choices<'_>) {
        match deed {
            0 => self.says("GET", true, None, choices),
            1 => self.says("HOLD", true, None, choices),
            2 => self.says("PUT", true, Some(choices.number() % 20_000), choices),
            3 => self.says("NOBODY", true, Some(choices.below(256)), choices),
            4 => self.says(choices.pick(&["GET", "HOLD"]), false, None, choices),
            5 => self.cancels(choices),
            6 => self.repeats(choices),
            7 => self.answers(choices),
            8 => self.waits(choices),
            9 => self.pair.up.cut = usize::from(choices.byte()) + 1,
            10 => self.pair.down.cut = usize::from(choices.byte()) + 1,
            11 => self.pair.up.is_held ^= true,
            12 => self.pair.down.is_held ^= true,
            13 => self.pair.down.room = choices.pick(&[usize::MAX, 0, 100, 5_000]),
            14 => (0..choices.below(20)).for_each(|_| _ = self.pair.step()),
            15 => self.pair.drive(),
            16 => self.says_goodbye(),
            17 => self.stop(),
            18 => self.pair.server.close_with(Code::Removed, "by a fuzzer"),
            _ => self.cuts_off(choices),
        }
    }

    /// Bodies look like heads: read as one, they would be heard as EVIL.
    fn says(&mut self, name: &str, is_sequenced: bool, body: Option<usize>, choices: &mut Choices<'_>) {
        let number = self.said.len();
        let sequence = is_sequenced.then(|| number.to_string());
        let body = body.map(|size| EVIL.bytes().cycle().take(size).collect::<Vec<u8>>());
        let timeout = choices.pick(&["", "", "", "Timeout: 0\r\n", "Timeout: 3.5\r\n"]);
        self.say(format!("{name} {number}"), sequence, body, timeout);
    }

    fn say(&mut self, line: String, sequence: Option<String>, body: Option<Vec<u8>>, timeout: &str) {
        if !self.talks {
            return;
        }
        match (self.wire, &sequence, &body) {
            (Wire::Ours, None, _) => self.pair.client.send_one_way(&line),
            (Wire::Ours, Some(sequence), None) => self.pair.client.send(&line, sequence),
            (Wire::Ours, Some(sequence), Some(body)) => self.pair.client.send_body(&line, sequence, &**body),
            (..) => {
                let sequence = sequence.as_ref().map(|it| format!("Sequence: {it}\r\n")).unwrap_or_default();
                let size = body.as_ref().map(|it| format!("Size: {}\r\n", it.len())).unwrap_or_default();
                self.pair.client.raw(format!("{line}\r\n{sequence}{size}{timeout}\r\n"));
                self.pair.client.raw(body.as_deref().unwrap_or_default());
            }
        }
        self.said.push(Said { line, sequence, body: body.unwrap_or_default(), is_whole: true });
    }

    fn cancels(&mut self, choices: &mut Choices<'_>) {
        let back = choices.below(8) + 1;
        let sequence = self.said.len().saturating_sub(back).to_string();
        self.say(format!("CANCEL {sequence}"), None, None, "");
    }

    /// A sequence again: too early it closes the connection.
    fn repeats(&mut self, choices: &mut Choices<'_>) {
        let back = choices.below(8) + 1;
        let Some(earlier) = self.said.len().checked_sub(back) else { return };
        let sequence = self.said[earlier].sequence.clone();
        self.say(format!("GET again {}", self.said.len()), sequence, None, "");
    }

    fn answers(&mut self, choices: &mut Choices<'_>) {
        let server = &mut self.pair.server;
        let owed: Vec<_> =
            server.all_held().iter().filter(|(_, to)| server.session.is_owed(to)).cloned().collect();
        if let Some((line, to)) = owed.get(choices.below(owed.len())) {
            server.answer_or_fail(*to, line);
        }
    }

    fn waits(&mut self, choices: &mut Choices<'_>) {
        let seconds = choices.pick(&[0, 1, 4, 11, 31, 601]);
        self.pair.pass(Duration::from_secs(seconds));
        if choices.flag() {
            self.pair.drive();
        }
    }

    fn says_goodbye(&mut self) {
        // In the clear there is no goodbye, and in a handshake nobody to say it to.
        if self.wire != Wire::Clear && self.pair.client.greeting().is_some() {
            self.pair.client.close();
            self.talks = false;
        }
    }

    fn cuts_off(&mut self, choices: &mut Choices<'_>) {
        (self.talks, self.is_cut_off) = (false, true);
        match choices.flag() {
            true => self.pair.up.end(),
            false => self.pair.server.broken(),
        }
    }

    fn stop(&mut self) {
        self.stops = true;
        self.pair.server.stop();
        if self.talks {
            self.bounds.stop(&self.pair.server);
        }
    }

    fn rest(&mut self) {
        self.pair.drive();
        self.bounds.check(&self.pair.server);
        if self.talks && !self.stops {
            self.bounds.check_rest(&self.pair.server);
        }
    }

    /// Everything moves again, there is room, and every handler answers: now each command's fate is known.
    fn ends(mut self) {
        for link in [&mut self.pair.up, &mut self.pair.down] {
            (link.cut, link.room, link.is_held) = (usize::MAX, usize::MAX, false);
        }
        self.pair.server.give(Room::default());
        self.rest();
        while talk::answer_all(&mut self.pair.server) {
            self.rest();
        }
        let ended = self.pair.server.ended().cloned();
        assert!(!matches!(ended, Some(Disconnect::Tls(_))), "TLS failed between the two of us: {ended:?}");
        assert!(!self.stops || ended.is_some(), "told to stop, and no end");
        assert!(ended.is_some() || self.pair.client.greeting() == Some("OK"));
        self.knows_the_end();
        if !matches!(ended, Some(Disconnect::Vanished)) {
            talk::check(&self.said, &self.pair.server, &self.told(), self.is_cut_off);
        }
        let is_idle = ended.is_none();
        assert!(!is_idle || self.pair.server.session.owns_nothing(), "idle, and something is kept");
    }

    fn told(&self) -> Vec<Told> {
        let answers = self.pair.client.answers().iter();
        answers
            .map(|answer| Told {
                sequence: answer.sequence.map(|sequence| sequence.to_string()),
                code: answer.status.as_ref().err().map(|(code, _)| code.clone()),
                body: answer.body.clone(),
            })
            .collect()
    }

    /// A client never takes a server at its word that it does not keep: nothing that it read was wrong, and
    /// over TLS a server's own end is told from a cut.
    fn knows_the_end(&mut self) {
        let end = self.pair.client.end();
        assert!(!matches!(end, Some(ClientEnd::Violation(_) | ClientEnd::Tls(_))), "{end:?}");
        assert_eq!(self.pair.client.failure(), None);
        let says_it = match self.pair.server.ended() {
            _ if self.is_cut_off => false,
            Some(Disconnect::Closed { .. }) => self.pair.client.greeting().is_some(),
            Some(Disconnect::Peer) => true,
            _ => false,
        };
        if says_it && self.wire != Wire::Clear {
            assert!(self.pair.client.heard_close_notify(), "{:?}", self.pair.client.end());
        }
    }
}

const EVIL: &str = "EVIL\r\nSequence: evil\r\n\r\n";
/// From here on a deed is the other connections'.
const ROOM: u8 = 240;
/// A story's length; longer ones find nothing that shorter ones do not.
const MOST_DEEDS: usize = 200;
