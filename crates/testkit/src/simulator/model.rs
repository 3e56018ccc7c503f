//! What may come of what was said: `docs/PROTOCOL.md` 3 to 7, held against what a handler heard and what a
//! client read. Knows nothing of sessions.

use std::time::Duration;

use pinwire_proto::code::Code;
use pinwire_proto::session::Answer;

use super::network::Stream;
use super::said::{Heard, Said, Told, What};
use super::schedule::Name;

/// Everything that was said, and what came of it so far.
#[derive(Default)]
pub(super) struct Model {
    pub(super) said: Vec<Said>,
    /// The code that the last words have, once one of them was read.
    closing: Option<String>,
    /// The last command that was told the closing code.
    told: Option<usize>,
    /// Bytes of commands that the server has read, and when the last of them came.
    pub(super) came: (usize, Duration),
    /// The reply to the whole connection.
    pub(super) last_word: Option<String>,
    /// Whether an incomplete record was too slow where room was short.
    pub(super) is_cut_short: bool,
}

impl Model {
    /// The held command of this number, if the handler has it.
    pub(super) fn held(&mut self, number: u32) -> Option<&mut Said> {
        self.said.iter_mut().find(|said| {
            let is_it = said.command().is_some_and(|it| it.number == number && it.name == Name::Hold);
            is_it && said.heard.is_some()
        })
    }

    /// The handler was told of this command's body.
    pub(super) fn announce(&mut self, line: &str, now: Duration) {
        let is_it = |said: &&mut Said| said.command().is_some_and(|command| command.line() == line);
        if let Some(said) = self.said.iter_mut().find(is_it) {
            said.announced = Some(now);
        }
    }

    /// The handler heard this, when the server had read so many bytes of commands.
    pub(super) fn hear(
        &mut self,
        line: &str,
        body: &[u8],
        delivered: usize,
        heard: Heard,
    ) -> Result<(), String> {
        let is_it = |said: &Said| said.command().is_some_and(|command| command.line() == line);
        let at = self
            .said
            .iter()
            .position(is_it)
            .ok_or(format!("nobody said \"{line}\", the handler heard it"))?;
        let said = &self.said[at];
        let command = said.command().expect("it was found by its command");
        check(said.heard.is_none(), || format!("{line} is heard twice"))?;
        let due = said.announced.zip(said.patience()).map(|(head, patience)| head + patience);
        check(due.is_none_or(|due| heard.at < due), || format!("{line} is heard behind its time"))?;
        check(command.body_size() <= super::BODY, || format!("{line} is too large, and is heard"))?;
        check(said.end <= delivered, || format!("{line} is heard before it is there"))?;
        check(body == command.body() && body.len() as u64 == command.body_size(), || {
            format!("{line} is heard with another body of {} bytes", body.len())
        })?;
        check(command.name != Name::NoBody || body.is_empty(), || {
            format!("{line} was refused, and is heard")
        })?;
        check(!said.is_overloaded(), || format!("there was no room for {line}, and it is heard"))?;
        check(self.said[at..].iter().all(|said| said.heard.is_none()), || format!("{line} is heard late"))?;
        check(!self.said[..at].iter().any(Said::is_fatal), || format!("{line} stood behind the end"))?;
        check(!self.is_taken(at, heard.stream), || format!("the sequence of {line} was not free"))?;
        self.said[at].heard = Some(heard);
        Ok(())
    }

    /// Whether an earlier command of the same sequence certainly was in flight: it was answered at once, and
    /// nothing of its turn had left; or it was not answered at all.
    fn is_taken(&self, at: usize, now: Stream) -> bool {
        let Some(sequence) = self.said[at].sequence() else { return false };
        let same = |said: &&Said| said.sequence() == Some(sequence);
        self.said[..at].iter().filter(same).any(|said| {
            let Some(heard) = said.heard else { return false };
            let is_waiting =
                said.answer.is_none() && said.patience().is_none() && !self.is_taken_back(sequence);
            match said.command().map(|command| command.name) {
                Some(Name::Hold) => is_waiting,
                _ => now.handed <= heard.stream.handed + heard.stream.unsent,
            }
        })
    }

    fn is_taken_back(&self, sequence: u32) -> bool {
        self.said.iter().any(|said| matches!(said.what, What::Cancel(it) if it == sequence))
    }

    /// The client says this.
    pub(super) fn say(&mut self, mut said: Said) {
        let same = |earlier: &&Said| said.sequence().is_some() && earlier.sequence() == said.sequence();
        said.is_duplicate = self.said.iter().filter(same).any(|earlier| earlier.outcome.is_none());
        self.said.push(said);
    }

    /// The client read this.
    pub(super) fn read(&mut self, answer: &Answer, now: Duration) -> Result<(), String> {
        check(self.last_word.is_none(), || format!("{answer:?} came behind the last word"))?;
        let word = match &answer.status {
            Ok(()) => "OK",
            Err((code, _)) => code,
        };
        let Some(sequence) = answer.sequence else { return self.hear_last(word) };
        let at = self
            .owed(sequence.as_str())
            .ok_or_else(|| format!("sequence {sequence} was told {word}, and is owed nothing"))?;
        check(!answer.more, || format!("sequence {sequence}: nobody said it in parts"))?;
        self.check_order(at, word)?;
        self.check_word(at, word, &answer.body, now)
            .map_err(|why| format!("sequence {sequence} was told {word}: {why}"))?;
        self.said[at].outcome = Some(word.to_owned());
        Ok(())
    }

    /// The client read this for the whole connection: a reply, or a greeting that does not let it in.
    pub(super) fn hear_last(&mut self, word: &str) -> Result<(), String> {
        check(self.closing.as_deref().is_none_or(|code| code == word), || {
            format!("{word} is the last word, the answers before it said another")
        })?;
        self.last_word = Some(word.to_owned());
        Ok(())
    }

    /// A sequence is used again only behind its final answer: the next one is for the first without any.
    fn owed(&self, sequence: &str) -> Option<usize> {
        let sequence: u32 = sequence.parse().ok()?;
        self.said.iter().position(|said| said.sequence() == Some(sequence) && said.outcome.is_none())
    }

    /// Section 6: before the reply to the connection each begun command is told the closing code, in the order
    /// in which they began; whose own fault it is, first.
    fn check_order(&mut self, at: usize, word: &str) -> Result<(), String> {
        let is_failure = word == "failed" && self.said[at].answer != Some(Told::TooLong);
        let closes =
            is_failure || word == "body-too-large" || Code::parse(word).is_some_and(Code::is_of_connection);
        match &self.closing {
            Some(code) => check(code == word, || format!("{word} stands among the last words, {code}"))?,
            None if !closes => return Ok(()),
            None => self.closing = Some(word.to_owned()),
        }
        check(self.told.is_none_or(|before| before < at), || format!("{word} was told out of order"))?;
        let said = &self.said[at];
        let is_culprit = said.answer == Some(Told::Panic) || said.is_fatal();
        self.told = (!is_culprit).then_some(at);
        Ok(())
    }

    fn check_word(&self, at: usize, word: &str, body: &[u8], now: Duration) -> Result<(), String> {
        let said = &self.said[at];
        let command = said.command().ok_or("it is no command")?;
        let is_heard = said.heard.is_some();
        let is_so = match word {
            "OK" => is_heard && said.expected().as_deref() == Some(body),
            "not-found" => is_heard && said.answer == Some(Told::Error),
            "not-permitted" => !is_heard && command.name == Name::NoBody && command.body_size() > 0,
            "overloaded" => !is_heard && (at >= super::IN_FLIGHT || said.short.is_some()),
            "cancelled" => self.said[at..].iter().any(
                |later| matches!(later.what, What::Cancel(sequence) if Some(sequence) == command.sequence),
            ),
            "timed-out" => said.patience().is_some_and(|patience| now >= said.at + patience),
            "idle" => !is_heard,
            "failed" | "body-too-large" => true,
            code => Code::parse(code).is_some_and(Code::is_of_connection),
        };
        check(is_so, || format!("{} cannot be told that", command.line()))?;
        let is_overloaded = word == "overloaded" || word == "timed-out" || !said.is_overloaded();
        check(is_overloaded, || format!("there was no room for {}", command.line()))?;
        check(word == "OK" || body.is_empty(), || "an error has no body here".to_owned())
    }

    /// The connection has ended, with this, and all that the server said was read unless words were lost.
    pub(super) fn check_end(&self, end: &End, delivered: usize) -> Result<(), String> {
        self.check_code(end, delivered)?;
        let fatal = self.said.iter().find(|said| said.is_fatal()).map_or(usize::MAX, |said| said.start);
        for (at, said) in self.said.iter().enumerate() {
            let Some(command) = said.command() else { continue };
            let (line, is_heard) = (command.line(), said.heard.is_some());
            let has_outcome = said.outcome.is_some() || command.sequence.is_none();
            let is_whole = said.end <= delivered && said.start < fatal;
            if said.outcome.as_deref().is_some_and(|word| NOT_BEGUN.contains(&word)) {
                check(!is_heard, || format!("{line} was refused and begun"))?;
            }
            if !end.has_lost && end.is_said {
                check(!is_heard || has_outcome, || format!("{line} was begun, and never answered"))?;
            }
            let is_passed = said.outcome.is_some() || said.may_be_passed();
            // The answer of one that was too many may be among what a FIN leaves unsaid.
            let may_be_too_many = !end.is_said && command.sequence.is_some() && at >= super::IN_FLIGHT;
            // Whoever waits to begin is not idle.
            let is_idle = end.code == Some(Code::Idle) && self.last_word.is_some();
            if (end.runs_all || is_idle) && is_whole && !is_passed && !may_be_too_many {
                check(is_heard, || format!("{line} was there, and never begun"))?;
            }
            if end.is_said && end.runs_all && is_whole && !end.has_lost {
                check(has_outcome, || format!("{line} was there, and never answered"))?;
            }
        }
        Ok(())
    }

    fn check_code(&self, end: &End, delivered: usize) -> Result<(), String> {
        let code = end.code.map(Code::as_str);
        if let Some(word) = self.last_word.as_deref().or(self.closing.as_deref()) {
            check(code == Some(word), || {
                format!("{word} was the last word, the server ended with {code:?}")
            })?;
        }
        let is_read = |said: &Said| said.is_fatal() && said.start < delivered;
        let broke = self.said.iter().any(is_read);
        let is_cut = self.said.iter().any(|said| said.start < delivered && delivered < said.head);
        match end.code {
            Some(Code::BadCommand) => {
                check(broke || is_cut || self.is_cut_short, || "nobody broke the grammar".to_owned())
            }
            Some(Code::MessageTooLarge | Code::BodyTooLarge) => {
                check(broke, || "nothing was too large".to_owned())
            }
            Some(Code::DuplicateSequence) => {
                check(self.said.iter().any(|said| said.is_duplicate), || "no sequence came twice".to_owned())
            }
            _ if end.is_said && !end.has_lost && end.code.is_some() => {
                let was_told = self.last_word.is_some() || self.closing.is_some();
                check(was_told, || format!("{code:?} was never told"))
            }
            _ => Ok(()),
        }
    }
}

/// How a connection ended.
pub(super) struct End {
    /// The server's reason.
    pub(super) code: Option<Code>,
    /// Whether the server could say all that it had to: it closed, or the client said close_notify.
    pub(super) is_said: bool,
    /// Whether every complete command runs: the client ended it, or nobody did yet.
    pub(super) runs_all: bool,
    /// Whether words of the server did not arrive.
    pub(super) has_lost: bool,
}

/// Codes that say that a command was not begun.
const NOT_BEGUN: [&str; 2] = ["overloaded", "not-permitted"];

pub(super) fn check(is_so: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(why()) }
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
