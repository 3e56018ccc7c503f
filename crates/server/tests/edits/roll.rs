//! Who is on the list, and the texts that say so: the good versions, and bad ones that would let in whom they must
//! not, and keep out whom they must not, if anything of them were used.

use std::collections::VecDeque;

use pinwire_server::Pin;

pub(crate) struct Roll {
    /// On every good version.
    steady: Vec<Pin>,
    members: Vec<Pin>,
    /// Who is on, in the file's order: who came last stands last.
    on: VecDeque<usize>,
    off: VecDeque<usize>,
    /// One of the steady has another option than before in each version, which cuts nobody.
    favoured: Option<usize>,
}

/// What an edit changes.
pub(crate) struct Change {
    pub(crate) came: Vec<usize>,
    pub(crate) went: Vec<usize>,
    pub(crate) changed: usize,
}

/// A version that must not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// The last line has so many bytes and no more.
    Cut(usize),
    Empty,
    /// No text.
    Garbage,
    /// Text, and no entry.
    Words,
    /// Everybody may write it.
    Open,
    Folder,
    /// A link to itself: root too cannot read it, while of mode 000 root, as whom tests may run, takes no notice.
    Itself,
    /// A link to nothing.
    Dangling,
    Missing,
    /// The first half of what is in force, written in place; the other half is written once the server has seen it.
    Half,
}

pub(crate) const KINDS: [Bad; 9] = [
    Bad::Half,
    Bad::Empty,
    Bad::Folder,
    Bad::Garbage,
    Bad::Itself,
    Bad::Words,
    Bad::Missing,
    Bad::Open,
    Bad::Dangling,
];

impl Bad {
    /// Whether the server opens it, which shows that it has looked.
    pub(crate) fn is_file(self) -> bool {
        !matches!(self, Bad::Folder | Bad::Itself | Bad::Dangling | Bad::Missing)
    }
}

impl Roll {
    pub(crate) fn new(steady: Vec<Pin>, members: Vec<Pin>) -> Roll {
        let half = members.len() / 2;
        let (on, off) = ((0..half).collect(), (half..members.len()).collect());
        Roll { steady, members, on, off, favoured: None }
    }

    pub(crate) fn len(&self) -> usize {
        self.steady.len() + self.on.len()
    }

    pub(crate) fn on(&self) -> &VecDeque<usize> {
        &self.on
    }

    pub(crate) fn off(&self) -> &VecDeque<usize> {
        &self.off
    }

    /// Who was on for longest goes, who was off for longest comes.
    pub(crate) fn turn(&mut self) -> Change {
        let went: Vec<usize> = self.on.drain(..EACH).collect();
        let came: Vec<usize> = self.off.drain(..EACH).collect();
        self.off.extend(&went);
        self.on.extend(&came);
        let changed = 1 + usize::from(self.favoured.is_some());
        self.favoured = Some(self.favoured.map_or(0, |before| (before + 1) % self.steady.len()));
        Change { came, went, changed }
    }

    /// The good version, and where its last entries begin, those that came last.
    pub(crate) fn good(&self) -> (String, usize) {
        let mut text = String::from("# who may come\n");
        for (number, pin) in self.steady.iter().enumerate() {
            let connections = if self.favoured == Some(number) { 9 } else { 8 };
            text += &format!("{pin}  name=steady-{number} connections={connections}\n");
        }
        let (stay, came) = (self.on.len() - EACH, self.on.len());
        self.on.range(..stay).for_each(|member| text += &self.line(*member));
        let last = text.len();
        self.on.range(stay..came).for_each(|member| text += &self.line(*member));
        (text, last)
    }

    /// A bad version's bytes, if it has any, and how the error begins that is told of it.
    pub(crate) fn bad(&self, kind: Bad) -> (Vec<u8>, String) {
        let (mut lines, last) = self.wrong();
        match kind {
            Bad::Cut(bytes) => {
                let errors =
                    format!("line {}, column {}: the last line has no line end", lines.len() + 1, bytes + 1);
                (format!("{}{}", lines.concat(), &last[..bytes]).into(), errors)
            }
            Bad::Empty => (Vec::new(), "it has no bytes".to_owned()),
            Bad::Garbage => {
                let bytes = [lines.concat().as_bytes(), b"\xff\xfe\x00\n"].concat();
                (bytes, format!("line {}, column 1: this is not UTF-8", lines.len() + 1))
            }
            Bad::Words => {
                lines.insert(7, "let everybody in\n".to_owned());
                (lines.concat().into(), "line 8, column 1: ".to_owned())
            }
            Bad::Open => (lines.concat().into(), "others may write it (mode 0666)".to_owned()),
            Bad::Half => self.half(),
            Bad::Folder => (Vec::new(), "a folder stands here".to_owned()),
            // ELOOP, in the system's words.
            Bad::Itself => (Vec::new(), "Too many levels of symbolic links".to_owned()),
            Bad::Dangling | Bad::Missing => (Vec::new(), "it is not there".to_owned()),
        }
    }

    /// The first half of what is in force, which ends within a line.
    fn half(&self) -> (Vec<u8>, String) {
        let mut text = self.good().0;
        text.truncate(text.len() / 2);
        let (before, last) = text.rsplit_once('\n').unwrap();
        assert_ne!(last, "");
        let (line, column) = (before.lines().count() + 1, last.len() + 1);
        let told = format!("line {line}, column {column}: the last line has no line end");
        (text.into(), told)
    }

    /// The lines of all members and of half of the steady, and one more, of a member that is off.
    fn wrong(&self) -> (Vec<String>, String) {
        let steady = self.steady.iter().step_by(2).map(|pin| format!("{pin}\n"));
        let members = self.on.iter().chain(self.off.range(1..)).map(|member| self.line(*member));
        (steady.chain(members).collect(), self.line(self.off[0]))
    }

    /// Each of its options narrows what it allows: cut before one of them it would allow more.
    fn line(&self, member: usize) -> String {
        let line = format!("{}  name=m{member:02} commands=ECHO from=127.0.0.0/8 #x\n", self.members[member]);
        assert_eq!(line.len(), CUTS + 1);
        line
    }
}

/// A member's line is cut behind its first byte, or behind the second, …, or before its line end.
pub(crate) const CUTS: usize = 120;

/// So many come and so many go with each good version.
const EACH: usize = 2;
